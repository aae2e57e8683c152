"""`vpcipam limits`."""

import json
from pathlib import Path

import pytest

from vpcipam.limits import all_instance_limits, instance_limits, instance_types

NEW_TYPE = {
    "InstanceType": "x99.large",
    "NetworkInfo": {
        "NetworkCards": [{"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 4}],
        "Ipv4AddressesPerInterface": 5,
        "Ipv6AddressesPerInterface": 5,
    },
    "BareMetal": False,
    "Hypervisor": "nitro",
    "VCpuInfo": {"DefaultVCpus": 2},
}


@pytest.fixture
def types_file(tmp_path):
    path = tmp_path / "types.json"
    path.write_text(json.dumps({"InstanceTypes": [NEW_TYPE]}))
    return str(path)


def test_json_is_a_list_of_the_limits_in_the_order_asked_for(cli):
    answer = cli("limits", "p5.48xlarge", "m5.large", "--json")
    assert answer.code == 0
    assert answer.document == [instance_limits("p5.48xlarge").to_dict(), instance_limits("m5.large").to_dict()]


def test_all_lists_the_whole_table(cli):
    assert cli("limits", "--all", "--json").document == [limits.to_dict() for limits in all_instance_limits()]
    lines = cli("limits", "--all").out.splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + len(instance_types())]] == list(instance_types())
    assert max(map(len, lines)) <= 80


def test_the_table_shows_the_limits_for_pods(cli):
    out = cli("limits", "m5.large", "c4.large", "m5.metal").out.splitlines()
    assert out[0].split() == ["type", "ENIs", "IPv4", "cards", "vCPUs", "arch", "platform", "pods", "pods", "/28", "branch"]
    assert out[2].split() == ["m5.large", "3", "10", "1", "2", "x86", "nitro", "29", "110", "9"]
    assert out[3].split() == ["c4.large", "3", "10", "1", "2", "x86", "xen", "29", "none", "none"]
    assert out[4].split() == ["m5.metal", "15", "50", "1", "96", "x86", "metal", "250", "250", "120"]


def test_an_unknown_type_is_refused_and_similar_names_suggested(cli):
    refusal = cli("limits", "m5.large", "m5.lrge", "--json").refusal
    assert refusal == (
        "unknown instance type 'm5.lrge'; did you mean m5.large or m5.xlarge or m5.8xlarge? "
        "`vpcipam limits --all` lists the types; --types FILE adds newer ones"
    )


@pytest.mark.parametrize("name", ["", "-", "m5", "M5.LARGE", "m5.large\n", "💥", "x" * 10_000, "\x1b[31mm5.large"])
def test_odd_names_are_refused_in_one_line(cli, name):
    assert cli("limits", "--", name).refusal.startswith("unknown instance type ")


@pytest.mark.parametrize("arguments", [(), ("m5.large", "--all"), ("--json",)])
def test_either_types_or_all_must_be_given(cli, arguments):
    assert "--all" in cli("limits", *arguments).usage_error


def test_types_newer_than_the_table_come_from_a_file(cli, types_file):
    assert cli("limits", "x99.large", "m5.large", "--types", types_file, "--json").document[0]["eni_limit"] == 4
    names = [limits["instance_type"] for limits in cli("limits", "--all", "--types", types_file, "--json").document]
    assert names == sorted({*instance_types(), "x99.large"})
    assert cli("max-pods", "x99.large", "--types", types_file).out == "18\n"
    assert cli("plan", "x99.large", "--pods", "1", "--types", types_file, "--json").document["eni_count"] == 2


def test_types_newer_than_the_table_come_from_stdin(cli):
    assert cli("limits", "x99.large", "--types", "-", "--json", stdin=json.dumps(NEW_TYPE)).document[0]["instance_type"] == "x99.large"
    assert cli("max-pods", "x99.large", "--types", "-", stdin=b"\xef\xbb\xbf" + json.dumps(NEW_TYPE).encode()).out == "18\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "types.json has no instance type; give what"),
        (b'{"InstanceTypes": []}', "types.json has no instance type"),
        (b"{", "not JSON"),
        (b"7", "not a whole number"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'[{"InstanceType": 7}]', "InstanceType of an instance type must be a text, not a whole number"),
        (b'[["a"]]', "must be an object, not a list"),
    ],
)
def test_a_types_file_in_another_format_is_refused(cli, tmp_path, content, words):
    path = tmp_path / "types.json"
    path.write_bytes(content)
    assert words in cli("limits", "x99.large", "--types", str(path)).refusal


def test_a_missing_types_file_is_refused(cli, tmp_path):
    assert "No such file" in cli("limits", "x99.large", "--types", str(tmp_path / "none")).refusal
    assert "Is a directory" in cli("limits", "x99.large", "--types", str(tmp_path)).refusal


def test_a_types_file_without_an_end_is_refused(cli, monkeypatch):
    monkeypatch.setattr("vpcipam.cli.instance_types._LONGEST", 1_000)
    assert cli("limits", "m5.large", "--types", "/dev/zero").refusal.startswith("/dev/zero is longer than 1,000 characters; give what")


def test_a_type_that_the_table_of_branch_enis_lacks_shows_a_question_mark(cli, types_file):
    assert cli("limits", "x99.large", "--types", types_file).out.splitlines()[2].split()[-1] == "?"
    assert "?: unknown" in cli("limits", "m5.large").out


def test_a_type_far_above_any_of_ec2_is_refused_before_it_is_planned_with(cli, tmp_path, types_file):
    path = tmp_path / "huge.json"
    text = Path(types_file).read_text()
    path.write_text(text.replace('"MaximumNetworkInterfaces": 4', f'"MaximumNetworkInterfaces": {10**11}'))
    for command in (("limits", "x99.large"), ("plan", "x99.large", "--pods", "3")):
        refusal = cli(*command, "--types", str(path)).refusal
        assert "eni_limit of instance type 'x99.large' must be 1 to 128, not 100000000000" in refusal


# --- filters -------------------------------------------------------------------------------------------------------------


def names(cli, *arguments):
    return [each["instance_type"] for each in cli("limits", *arguments, "--json").document]


def test_patterns_and_families_stand_for_the_types_that_they_match(cli):
    sizes = ["m5.12xlarge", "m5.16xlarge", "m5.24xlarge", "m5.2xlarge", "m5.4xlarge", "m5.8xlarge", "m5.large", "m5.metal", "m5.xlarge"]
    assert names(cli, "m5.*") == names(cli, "--family=m5") == sizes
    assert names(cli, "t3.small", "m5.l*", "--family", "m5") == ["t3.small", "m5.large", *(each for each in sizes if each != "m5.large")]
    assert "no instance type matches 'zz.*'" in cli("limits", "--family=zz").refusal


def test_types_are_filtered_by_pods_and_vcpus(cli):
    assert names(cli, "m5.*", "--vcpus=2") == ["m5.large"]
    assert names(cli, "m5.*", "--vcpus=2-8", "--min-pods=56") == ["m5.2xlarge", "m5.xlarge"]
    assert names(cli, "m5.*", "--vcpus=2-8", "--min-pods=57") == []
    assert cli("limits", "m5.*", "--vcpus=2-8", "--min-pods=57").out.startswith("type")


@pytest.mark.parametrize(
    "arguments", [("--vcpus=x", "m5.*"), ("--vcpus=8-4", "m5.*"), ("--min-pods=-1", "m5.*"), ("--all", "--family=m5"), ("--vcpus=2",)]
)
def test_wrong_filters_are_usage_errors(cli, arguments):
    assert cli("limits", *arguments).usage_error


def test_the_architecture_filters_by_the_name_of_ec2_or_of_kubernetes(cli):
    def found(*arguments):
        return [each["instance_type"] for each in cli("limits", "m7i.large", "m7g.large", "mac2.metal", *arguments, "--json").document]

    assert found("--arch=arm64") == ["m7g.large", "mac2.metal"]
    assert found("--arch=x86_64") == found("--arch", "amd64") == ["m7i.large"]
    assert "arm64" in cli("limits", "--all", "--arch=arm").usage_error


def test_csv_has_values_and_markdown_a_table(cli):
    lines = cli("limits", "m5.large", "c4.large", "u-6tb1.metal", "--csv").out.splitlines()
    assert lines == [
        "type,ENIs,IPv4,cards,vCPUs,arch,platform,pods,pods /28,branch",
        "m5.large,3,10,1,2,x86_64,nitro,29,110,9",
        "c4.large,3,10,1,2,x86_64,xen,29,,0",
        "u-6tb1.metal,5,30,1,448,x86_64,metal,147,250,",
    ]
    assert cli("limits", "m5.large", "--markdown").out.splitlines()[2] == "| m5.large | 3 | 10 | 1 | 2 | x86 | nitro | 29 | 110 | 9 |"
