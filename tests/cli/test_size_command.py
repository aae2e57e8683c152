"""`vpcipam size`: answers, variants, given subnets, clusters from files, and refusals."""

import json
import re
from pathlib import Path

import pytest

from vpcipam.planner import NodeGroup, Reserve, plan_cluster, read_cluster
from vpcipam.settings import Settings

REPOSITORY = Path(__file__).parents[2]
CLUSTERS = REPOSITORY / "examples" / "clusters"
HAND = ("size", "m5.xlarge", "--nodes", "120", "--pods", "25", "--zones", "3", "--subnet", "/24")
TARGETS = "WARM_IP_TARGET=5,MINIMUM_IP_TARGET=20"
PREFIXES = "ENABLE_PREFIX_DELEGATION=true"


def variables(text):
    return dict(pair.split("=") for pair in text.split(","))


def test_json_is_that_of_the_library_for_the_settings_and_each_variant(cli):
    document = cli(*HAND, "--variant", TARGETS, "--variant", PREFIXES, "--json").document
    variants = document.pop("variants")
    for found, changes in ((document, {}), *((each, each.pop("variables")) for each in variants)):
        group = NodeGroup(instance_type="m5.xlarge", nodes=120, pods=25, settings=Settings().with_variables(changes))
        assert found == json.loads(json.dumps(plan_cluster([group], "/24").to_dict()))
    assert [document["subnets_total"], *(each["subnets_total"] for each in variants)] == [24, 18, 27]
    assert cli(*HAND, "--json").document["variants"] == []


def test_options_say_what_else_there_must_be_room_for(cli):
    options = ("--headroom=20%", "--surge=3", "--lose-zones=1", "--load-balancers=2", "--endpoints=4", "--other-addresses=5")
    document = cli(*HAND, *options, "--json").document
    reserve = Reserve(headroom="20%", surge=3, zones_lost=1, load_balancers=2, endpoints=4, other_addresses=5)
    expected = plan_cluster([NodeGroup(instance_type="m5.xlarge", nodes=120, pods=25)], "/24", reserve=reserve).to_dict()
    assert document == expected | {"variants": []}
    text = " ".join(cli(*HAND, *options).out.split())
    assert "Room for at most 147 nodes, with headroom and surge; 74 of them in a zone when 1 zone is lost." in text


def test_the_settings_of_a_manifest_and_of_set_are_those_of_every_variant(cli, manifest):
    with_set = cli(*HAND, "--set=WARM_IP_TARGET=5", "--variant=MINIMUM_IP_TARGET=20", "--json").document
    assert [with_set["addresses_per_node"], with_set["variants"][0]["addresses_per_node"]] == [33, 33]
    assert "ENABLE_POD_ENCRYPTION" in cli(*HAND, "--daemonset", manifest).err


def test_the_table_names_variants_by_number_and_lists_them_below(cli):
    answer = cli(*HAND, "--variant", TARGETS, "--variant", PREFIXES)
    lines = answer.out.splitlines()
    assert lines[0] == "m5.xlarge · 120 nodes in 3 zones · 25 pods each · /24"
    rows = {line.split("  ")[0]: line.split() for line in lines if line.startswith(("as given", "variant 1 ", "variant 2 "))}
    assert [row[2:] for row in rows.values()] == [
        ["24", "8", "24", "3", "45", "0", "addresses", "90%"],
        ["18", "6", "18", "3", "33", "0", "addresses", "88%"],
        ["27", "9", "30", "1", "49", "3", "/28s", "95%"],
    ]
    text = " ".join(answer.out.split())
    assert "variant 1: WARM_IP_TARGET=5, MINIMUM_IP_TARGET=20 variant 2: ENABLE_PREFIX_DELEGATION=true" in text
    assert "variant 2: Tag the subnets kubernetes.io/role/cni=1, so that" in text
    assert "several of its zone; without tags it takes 30." in text
    assert "variant 2: Reserve the subnets' ranges for prefixes. Otherwise" in text
    assert "and it takes up to 36 subnets." in text
    assert "variant 1: Tag" not in text


def test_a_single_answer_has_details(cli):
    text = " ".join(cli(*HAND, f"--set={PREFIXES}", "--branch-pods=2", "--set=ENABLE_POD_ENI=true").out.split())
    assert "25 pods and 2 with security groups each" in text
    assert "/28s of the subnets of each zone 120 of" in text
    assert "pods of each node of m5.xlarge 25 of 108, 23.1%" in text
    assert "network address usage" in text
    assert re.search(r"; if all nodes start at once, throttling spreads them over [\w ]+ or more \(AssignPrivateIpAddresses\)", text)
    assert "no throttling" in cli("size", "m5.large", "--nodes=1", "--pods=1").out


def test_pods_that_would_wait_are_named_and_a_finding_on_request(cli):
    answer = cli("size", "m5.large", "--nodes", "3", "--pods", "40", "--fail-if-short")
    assert "13 pods of each node of m5.large would wait: the node runs at most 27 pods" in " ".join(answer.out.split())
    assert answer.finding.startswith("13 pods would wait on each node of m5.large: the node runs at most 27 pods")
    assert cli("size", "m5.large", "--nodes", "3", "--pods", "40").code == 0


def test_given_subnets_say_how_far_they_reach(cli):
    options = ("--subnets=a=10.0.0.0/24,b=10.0.1.0/24", "--subnets", "c=10.0.2.0/25", "--fail-if-short")
    answer = cli("size", "m5.xlarge", "--nodes=7", "--pods=25", *options)
    assert answer.finding == "the subnets are too few for 7 nodes; they would do for 6 nodes: add subnets or larger ones"
    assert "no 6 6 3 45 0 addresses 110%" in " ".join(answer.out.split())
    assert cli("size", "m5.xlarge", "--nodes=6", "--pods=25", *options).code == 0
    document = cli("size", "m5.xlarge", "--nodes=7", "--pods=25", *options, "--variant", TARGETS, "--json")
    assert document.finding.startswith("as given: the subnets are too few for 7 nodes")
    assert (document.document["most_nodes"], document.document["variants"][0]["most_nodes"]) == (6, 9)
    tagged = " ".join(cli("size", "m5.xlarge", "--nodes=14", "--pods=25", "--subnets=/24,/24,/24", f"--set={PREFIXES}").out.split())
    assert "yes 14 12" in tagged
    assert "without tags they reach for 12 nodes." in tagged


def test_other_single_addresses_can_break_every_28(cli):
    text = " ".join(cli("size", "--cluster", str(CLUSTERS / "mixed.toml")).out.split())
    assert (
        "Reserve ranges for prefixes, 54 /28s in the subnets of each zone: single addresses can break any /28 that is not reserved." in text
    )
    given = " ".join(cli("size", "m5.xlarge", "--nodes=4", "--pods=25", f"--set={PREFIXES}", "--subnets=a=/24,b=/24").out.split())
    assert "Reserve ranges for prefixes, 6 /28s in zone" in given
    assert "Reserve ranges" not in cli("size", "m5.xlarge", "--nodes=4", "--pods=25").out


def test_custom_networking_takes_subnets_for_pods_beside_those_for_nodes(cli, tmp_path):
    options = ("size", "m5.xlarge", "--nodes=10", "--pods=25", "--set=AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true", "--json")
    answer = cli(*options, "--subnets=a=/26,b=/26", "--pod-subnets=a=/24", "--pod-subnets=b=/24").document
    assert (answer["fits"], answer["most_nodes"], [each["for_pods"] for each in answer["subnets"]]) == (
        True,
        10,
        [False, False, True, True],
    )
    path = tmp_path / "cluster.toml"
    path.write_text(
        'subnets = ["/26"]\npod_subnets = ["/22"]\n[[group]]\ninstance_type = "m5.xlarge"\nnodes = 10\npods = 25\n'
        "settings = { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG = true }\n"
    )
    assert cli("size", "--cluster", str(path), "--json").document["most_nodes"] == 22
    assert "give those of the pods too (--pod-subnets)" in cli("size", "--cluster", str(path), "--subnets=/26").refusal


def test_a_file_has_groups_and_options_override_it(cli):
    path = CLUSTERS / "mixed.toml"
    question = read_cluster(path.read_text())
    expected = json.loads(json.dumps(question.answer().to_dict())) | {"variants": []}
    assert cli("size", "--cluster", str(path), "--json").document == expected
    assert cli("size", "--cluster", "-", "--json", stdin=path.read_text()).document == expected
    changed = cli("size", "--cluster", str(path), "--zones=4", "--lose-zones=0", "--subnet=/20", "--json").document
    assert (changed["zones"], changed["reserve"]["zones_lost"], changed["subnet"]) == (4, 0, "/20")
    assert cli("size", "--cluster", str(path), "--subnets=a=/19,b=/19", "--json").document["fits"]
    text = " ".join(cli("size", "--cluster", str(path)).out.split())
    assert "2 groups · 72 nodes in 3 zones · /22" in text
    assert "general m5.xlarge 60 39 25 3 33 0" in text


def test_a_cluster_of_groups_that_does_not_fit_is_a_finding(cli):
    answer = cli("size", "--cluster", str(CLUSTERS / "subnet-calculator.toml"), "--subnets=/24", "--fail-if-short")
    assert answer.finding == "the subnets are too few for 3 nodes; they would do for 2 nodes: add subnets or larger ones"
    assert "no 2 2 360 of 251 addresses 143%" in " ".join(answer.out.split())


def test_tags_matter_to_groups_too(cli):
    subnets = "subnets = ['/24', '/24', '/24']\n"
    group = "[[group]]\ninstance_type = 'm5.xlarge'\nnodes = 7\npods = 25\nsettings = {ENABLE_PREFIX_DELEGATION = true}\n"
    both = subnets + group + group + 'name = "other"\n'
    assert "without tags they reach for 12 nodes." in " ".join(cli("size", "--cluster=-", stdin=both).out.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--subnet=24",), "'24' is neither a size of subnets, such as /24, nor the CIDR of one"),
        (("--headroom=x",), "headroom must be a number of nodes, or a share"),
        (("--surge=-1",), "surge must be a number of nodes"),
        (("--lose-zones=3",), "of 3 zones at least one has to stay"),
        (("--subnet=/99",), "from /16 to /28"),
        (("--variant=WARM_IPTARGET=1",), "did you mean WARM_IP_TARGET"),
        (("--variant=ENABLE_IPv6=true",), "both on"),
        (("--set=ENABLE_SUBNET_DISCOVERY=false", "--subnet=/28"), "has 11 addresses and 0 whole /28s"),
    ],
)
def test_impossible_questions_are_refused(cli, options, message):
    assert message in cli("size", "m5.xlarge", "--nodes=3", "--pods=25", *options).refusal


def test_a_node_that_must_be_divided_has_no_number_without_tags(cli):
    answer = cli("size", "m5.xlarge", "--nodes=3", "--pods=12", "--subnet=/28", "--set=WARM_IP_TARGET=1")
    assert "without tags a node does not fit into one subnet." in " ".join(answer.out.split())


def test_a_count_that_is_too_close_to_call_says_so(cli):
    answer = cli("size", "m5.xlarge", "--nodes=10000", "--pods=25", "--zones=1")
    assert "1,795 subnets per zone might do; that is too close to call." in " ".join(answer.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("m5.large", "--nodes=1"),
        ("m5.large", "--pods=1"),
        ("--nodes=1", "--pods=1"),
        ("m5.large", "--nodes=0", "--pods=1"),
        ("m5.large", "--nodes=1", "--pods=1", "--zones=0"),
        ("m5.large", "--nodes=1", "--pods=1", "--zones=17"),
        ("m5.large", "--nodes=1", "--pods=1", "--variant=X"),
        ("m5.large", "--nodes=1", "--pods=1", "--subnet=/24", "--subnets=/24"),
        ("m5.large", "--nodes=1", "--pods=1", "--pod-subnets=/24"),
        ("m5.large", "--nodes=1", "--pods=1", "--daemonset=-", "--types=-"),
        ("m5.large", "--cluster=x.toml"),
        ("--cluster=x.toml", "--pods=1"),
        ("--cluster=x.toml", "--set=WARM_IP_TARGET=1"),
        ("--cluster=x.toml", "--types=y.json"),
    ],
)
def test_wrong_arguments_are_usage_errors(cli, arguments):
    assert cli("size", *arguments).usage_error


def test_a_cluster_that_cannot_be_read_is_refused(cli, tmp_path):
    assert "No such file" in cli("size", "--cluster", str(tmp_path / "none.toml")).refusal
    assert "stdin is not TOML" in cli("size", "--cluster=-", stdin="[").refusal
    assert "stdin: it is not UTF-8 text" in cli("size", "--cluster=-", stdin=b"\xff").refusal
    assert "longer than 1,048,576 characters" in cli("size", "--cluster=-", stdin="#" * (1 << 20) + "#").refusal


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("size", "m5.xlarge", "--nodes", "1", "--pods", "1", "--zones", "1"), "1 node in 1 zone · 1 pod each"),
        (("plan", "t3.nano", "m5.large", "--pods", "1"), "1 pod on each node"),
        (("plan", "t3.nano", "--pods", "0"), "1 address: 0 in use"),
        (("plan", "t3.nano", "--pods", "1"), "WARM_ENI_TARGET 1 × 1 address\n"),
    ],
)
def test_one_of_a_kind_has_no_plural(cli, asked, said):
    assert said in cli(*asked).out
