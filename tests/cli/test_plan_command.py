"""`vpcipam plan`: answers, refusals, exit codes."""

import json
from pathlib import Path

import attrs
import pytest

from vpcipam.planner import plan
from vpcipam.settings import Settings

IPV6 = ("--set=ENABLE_IPv6=true", "--set=ENABLE_IPv4=false", "--set=ENABLE_PREFIX_DELEGATION=true")


@pytest.mark.parametrize(
    ("name", "pods", "changes"),
    [
        ("m5.large", 0, {}),
        ("m5.large", 40, {}),
        ("t3.small", 17, {"ENABLE_PREFIX_DELEGATION": "true", "WARM_IP_TARGET": "5"}),
        ("m5.large", 3, {"WARM_IP_TARGET": "1", "WARM_ENI_TARGET": "x"}),
        ("m5.large", 3, {"ENABLE_IPv6": "true", "ENABLE_IPv4": "false", "ENABLE_PREFIX_DELEGATION": "true"}),
    ],
)
def test_json_equals_the_library(cli, name, pods, changes):
    settings = Settings().with_variables(changes)
    document = cli("plan", name, "--pods", str(pods), *(f"--set={key}={text}" for key, text in changes.items()), "--json").document
    diagnostics = document.pop("diagnostics")
    assert document.pop("schema_version") == 1
    assert document == json.loads(json.dumps(plan(name, pods, settings).to_dict()))
    assert diagnostics == [attrs.asdict(found) for found in settings.diagnose(name)]


def test_the_option_nodes_adds_the_figures_of_the_cluster(cli):
    document = cli("plan", "m5.large", "--pods", "40", "--nodes", "7", "--json").document
    assert document["cluster"]["pods_assigned"] == 7 * 27
    assert "cluster" not in cli("plan", "m5.large", "--pods", "40", "--json").document


def test_the_timeline_in_json_has_the_decisions_of_each_stage(cli):
    document = cli("plan", "m5.large", "--pods", "27", "--timeline", "--json").document
    assert [stage["pods"] for stage in document["timeline"]] == [0, 1, 10, 27]
    assert [decision for stage in document["timeline"] for decision in stage["decisions"]] == document["decisions"]
    assert document["timeline"][-1]["subnet_ips"] == document["subnet_ips"]
    assert "timeline" not in cli("plan", "m5.large", "--pods", "27", "--json").document


def test_a_manifest_gives_the_settings_and_set_overrides_it(cli, manifest):
    expected = plan("m5.large", 20, Settings.from_daemonset(Path(manifest)).with_variables({"WARM_IP_TARGET": "2"}))
    for source, stdin in ((manifest, ""), ("-", Path(manifest).read_text())):
        document = cli(
            "plan",
            "m5.large",
            "--pods=20",
            "--daemonset",
            source,
            "--set=WARM_IP_TARGET=9",
            "--set=WARM_IP_TARGET=2",
            "--json",
            stdin=stdin,
        ).document
        assert document["total_ips"] == expected.total_ips == 22
        assert "ENABLE_POD_ENCRYPTION" in {found["variable"] for found in document["diagnostics"]}


def test_warnings_go_to_stderr_and_do_not_change_the_exit_code(cli, manifest):
    answer = cli("plan", "m5.large", "--pods", "1", "--daemonset", manifest)
    assert answer.code == 0
    assert "warning: ENABLE_POD_ENCRYPTION: " in answer.err
    assert "ENABLE_POD_ENCRYPTION" not in answer.out


def test_a_value_that_ipamd_cannot_read_is_a_warning(cli):
    answer = cli("plan", "m5.large", "--pods", "1", "--set", "WARM_IP_TARGET=many")
    assert answer.code == 0
    assert answer.err.startswith("warning: WARM_IP_TARGET: 'many' can't be used")
    assert cli("plan", "m5.large", "--pods", "1", "--set", "WARM_IP_TARGET=").err.startswith("warning: WARM_IP_TARGET: ''")


def test_the_option_max_pods_sets_the_limit_of_the_kubelet(cli):
    document = cli("plan", "m5.large", "--pods", "9", "--max-pods", "10", "--json").document
    assert (document["pods_assigned"], document["pods_waiting"], document["max_pods"]) == (8, 1, 10)


# --- waiting -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_waiting_pods_are_no_error(cli, options):
    answer = cli("plan", "m5.large", "--pods", "40", *options)
    assert (answer.code, answer.err) == (0, "")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_waiting_pods_are_a_finding_on_request(cli, options):
    answer = cli("plan", "m5.large", "--pods", "40", "--fail-if-waiting", *options)
    assert answer.finding.startswith("13 pods of 40 would wait on each m5.large node: the node runs at most 27 pods")
    assert answer.out
    assert cli("plan", "m5.large", "--pods", "27", "--fail-if-waiting", *options).code == 0


def test_pods_with_security_groups_have_figures_of_their_own(cli):
    arguments = ("plan", "m5.large", "--pods", "3", "--branch-pods", "12", "--nodes", "2", "--set=ENABLE_POD_ENI=true", "--fail-if-waiting")
    answer = cli(*arguments, "--json")
    assert (answer.document["branch_pods_assigned"], answer.document["cluster"]["branch_pods_waiting"]) == (9, 6)
    assert answer.finding.endswith("3 pods with security groups of 12 would wait on each m5.large node: m5.large takes 9 branch ENIs")
    text = " ".join(cli(*arguments).out.split())
    assert "Besides, 9 of 12 pods with security groups run, 3 wait." in text
    assert "2 trunk branch ENIs 9" in text
    assert "30 IPv4 addresses, including each ENI's primary IP; 9 of them for branch ENIs" in text
    assert "pods with security groups 9 18" in text
    assert "Besides" not in cli("plan", "m5.large", "--pods", "3", "--set=ENABLE_POD_ENI=true").out


def test_a_type_without_trunk_is_named_where_security_groups_are_on(cli):
    answer = cli("plan", "t3.medium", "--pods", "15", "--branch-pods", "1", "--set=ENABLE_POD_ENI=true")
    assert "all 15 pods run" in answer.out
    assert "Pods with security groups wait: t3.medium takes no trunk ENI" in answer.out
    assert "t3.medium takes no trunk ENI: nothing is kept back for one" in answer.err


# --- refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--json",), ("--timeline",)])
def test_settings_that_ipamd_refuses_are_refused_with_the_reason(cli, options):
    assert "both on" in cli("plan", "m5.large", "--pods", "1", "--set=ENABLE_IPv6=true", *options).refusal
    assert "(Xen) has none" in cli("plan", "m4.large", "--pods", "1", *IPV6, *options).refusal
    custom = cli("plan", "m5.large", "--pods", "1", "--set=AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true", "--set=MAX_ENI=1", *options)
    assert "custom networking" in custom.refusal


def test_an_unknown_variable_is_refused_and_the_nearest_named(cli):
    assert cli("plan", "m5.large", "--pods", "1", "--set", "WARM_IPTARGET=1").refusal == (
        "the aws-node container reads no variable 'WARM_IPTARGET'; did you mean WARM_IP_TARGET?"
    )
    assert "'UNKNOWN'" in cli("plan", "m5.large", "--pods", "1", "--set", "UNKNOWN=1").refusal


def test_a_manifest_that_cannot_be_read_is_refused(cli, tmp_path):
    assert "No such file" in cli("plan", "m5.large", "--pods", "1", "--daemonset", str(tmp_path / "none.yaml")).refusal
    assert "Is a directory" in cli("plan", "m5.large", "--pods", "1", "--daemonset", str(tmp_path)).refusal
    assert "no container" in cli("plan", "m5.large", "--pods", "1", "--daemonset", "-").refusal


def test_an_unknown_type_is_refused(cli):
    assert "did you mean" in cli("plan", "m5.lrge", "--pods", "1").refusal


@pytest.mark.parametrize(
    "arguments",
    [
        ("m5.large",),
        ("--pods", "1"),
        ("m5.large", "--pods", "-1"),
        ("m5.large", "--pods", "abc"),
        ("m5.large", "--pods", ""),
        ("m5.large", "--pods", "1.5"),
        ("m5.large", "--pods", "100001"),
        ("m5.large", "--pods", str(2**70)),
        ("m5.large", "--pods", "9" * 5000),
        ("m5.large", "--pods", "1", "--nodes", "0"),
        ("m5.large", "--pods", "1", "--nodes", "-3"),
        ("m5.large", "--pods", "1", "--max-pods", "0"),
        ("m5.large", "--pods", "1", "--max-pods-by", "eks"),
        ("m5.large", "--pods", "1", "--max-pods", "29", "--max-pods-by", "managed-node-group"),
        ("m5.large", "--pods", "1", "--max-pods-by", "ami", "--max-pods", "29"),
        ("m5.large", "--pods", "1", "--set", "X"),
        ("m5.large", "--pods", "1", "--set", "=5"),
        ("m5.large", "--pods", "1", "--set"),
        ("m5.large", "m5.xlarge", "--pods", "1", "--timeline"),
        ("m5.large", "--pods", "1", "--variant", "X"),
        ("m5.large", "m5.xlarge", "--pods", "1", "--sort", "price"),
    ],
)
def test_wrong_arguments_are_usage_errors(cli, arguments):
    assert cli("plan", *arguments).usage_error


@pytest.mark.parametrize(
    ("options", "named", "members"),
    [
        ((), "110, as a managed node group sets it; 2 of them", ["managed-node-group", 110, 120]),
        (("--max-pods-by", "managed-node-group"), "110, as a managed node group sets it; 2 of them", ["managed-node-group", 110, 120]),
        (("--max-pods-by", "ami"), "234, as the AMI sets it; 2 of them", ["ami", 234, 150]),
        (("--max-pods-by", "karpenter"), "234, as Karpenter sets it; 2 of them", ["karpenter", 234, 150]),
        (("--max-pods", "234"), "234, as given; 2 of them", [None, 234, 150]),
    ],
)
def test_the_output_names_what_sets_max_pods(cli, options, named, members):
    arguments = ("plan", "m5a.4xlarge", "--pods", "100", *options)
    assert f"kubelet's max-pods {named}" in " ".join(cli(*arguments).out.split())
    document = cli(*arguments, "--json").document
    assert [document[name] for name in ("max_pods_by", "max_pods", "subnet_ips")] == members
