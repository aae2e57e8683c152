"""`vpcipam plan --from`: the example's files, changes side by side, refusals, and the forms of the output."""

import csv
import io
import json
import runpy
from pathlib import Path

import pytest

from vpcipam.inspection import present_cluster, read_files

REPOSITORY = Path(__file__).parents[2]
FILES = REPOSITORY / "examples" / "present"
MAKER = runpy.run_path(str(REPOSITORY / "tests" / "planner" / "present_clusters.py"))
PREFIXES = "--variant=ENABLE_PREFIX_DELEGATION=true"
CUSTOM = "--variant=AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true"


@pytest.fixture
def plan_from(cli):
    def run(*options, names=("nodes", "pods", "daemonset", "subnets", "instances", "network-interfaces"), **given):
        return cli("plan", "--from", *(str(FILES / f"{name}.json") for name in names), *options, **given)

    return run


def words(answer):
    return " ".join(answer.out.split())


def test_the_example_is_the_cluster_of_its_maker():
    made = present_cluster(MAKER["example"]().evidence())
    assert present_cluster(read_files([FILES])) == made


def test_json_has_today_and_the_changes(plan_from):
    document = plan_from(PREFIXES, "--type=m5.xlarge", "--json").document
    assert document["schema_version"] == 1
    assert (document["nodes"], document["pods"], document["addresses"], document["new_nodes"]) == (5, 62, 140, 0)
    assert [(each["name"], each["provisioner"], each["attached"]) for each in document["groups"]] == [
        ("burst", "karpenter", 60),
        ("general", "managed-node-group", 80),
    ]
    assert [(each["zone"], each["attached"], each["others"]) for each in document["subnets"]] == [
        ("us-east-1a", 80, 3),
        ("us-east-1b", 60, 3),
    ]
    assert [(each["variables"], each["instance_type"]) for each in document["variants"]] == [
        ({"ENABLE_PREFIX_DELEGATION": "true"}, None),
        ({}, "m5.xlarge"),
        ({"ENABLE_PREFIX_DELEGATION": "true"}, "m5.xlarge"),
    ]
    assert document["variants"][0]["groups"][0]["max_pods"] == [58]  # Karpenter counts no prefixes
    assert document["variants"][0]["groups"][1]["max_pods"] == [110]
    assert (document["assumptions"], document["missing"], document["unbound_pods"]) == ([], [], 0)


def test_a_folder_and_stdin_work_too(cli, plan_from):
    expected = plan_from("--json").document
    assert cli("plan", "--from", str(FILES), "--json").document == expected
    texts = "\n".join((FILES / f"{name}.json").read_text() for name in ("nodes", "pods"))
    assert cli("plan", "--from", "-", "--json", stdin=texts).document["pods"] == 62


def test_a_subnet_that_primary_enis_fill_is_named(cli, tmp_path):
    subnets = json.loads((FILES / "subnets.json").read_text())
    for subnet in subnets["Subnets"]:
        subnet["Tags"] = [{"Key": "kubernetes.io/role/cni", "Value": "1"}]
    first = subnets["Subnets"][0]
    subnets["Subnets"].append(first | {"SubnetId": "subnet-pods", "CidrBlock": "10.0.16.0/20", "AvailableIpAddressCount": 4091})
    (tmp_path / "subnets.json").write_text(json.dumps(subnets))
    names = ("nodes", "pods", "daemonset", "instances", "network-interfaces")
    files = [*(str(FILES / f"{name}.json") for name in names), str(tmp_path / "subnets.json")]
    text = words(cli("plan", "--from", *files))
    assert "subnet-00000000000000001 has no room for the primary ENI of a further node, and ipamd fills this ENI first" in text
    assert "subnet-00000000000000002 has no room" not in text


def test_max_pods_to_set_is_told(plan_from):
    text = words(plan_from("--variant=MAX_ENI=1", CUSTOM))
    assert "burst: no new nodes. Set max-pods to 16, because a node has addresses for no more pods." in text
    assert "max-pods: 58 → 44, if Karpenter has RESERVED_ENIS=1. general" in text
    assert "general: set max-pods to 11, because a node has addresses for no more pods." in words(plan_from("--set=MAX_ENI=1"))


def test_a_rolling_update_that_gets_through_is_told(plan_from):
    assert "00002: new nodes fit only one after the other (rolling update)" in words(plan_from("--type=t3.large"))


def test_people_see_groups_subnets_and_changes(plan_from):
    text = words(plan_from(PREFIXES, CUSTOM, "--type=c5.xlarge"))
    assert "5 nodes in 2 groups · 62 pods with a VPC address" in text
    assert "burst Karpenter c5.xlarge 2 18 60 60 0 58 general managed m5.large 3 44 80 80 0 29" in text
    assert "subnet-00000000000000002 runs out first: the cluster can grow from 62 to 124 pods" in text
    assert "today 5 0 140 0 yes 62 124 us-east-1b" in text
    assert "variant 1: ENABLE_PREFIX_DELEGATION=true" in text
    assert "general: launch 3 new nodes: slots hold /28 prefixes instead of secondary IPs; max-pods changes. max-pods: 29 → 110." in text
    assert "subnet-00000000000000001: reserve 10.0.0.128/25 for 7 prefixes (a CIDR reservation)." in text
    assert "new nodes fit beside all old ones (blue/green)" in text
    assert "new nodes fit only when old ones are gone: remove those first, or add a subnet." in text
    assert "4 prefixes take a CIDR reservation of a /26, and no /26 has that many whole /28s." in text
    assert "unknown (pods): " in text
    assert "c5.xlarge: all nodes of this type burst: no new nodes." in text
    assert "network address usage of the nodes 147 of 64,000 units of the VPC EC2 calls of the nodes 67; no throttling" in text
    assert "network address usage of the nodes: 16 of 64,000 units of the VPC. EC2 calls of the new nodes: 31; no throttling." in text
    assert "Assumed" not in text


def test_what_nothing_shows_is_named(plan_from):
    text = words(plan_from(PREFIXES, names=("nodes", "pods")))
    assert "Assumed ip-10" in text
    assert "Not enough in this ip-10" in text
    assert "unknown 5 140 - - - -" in text
    guessed = words(plan_from(PREFIXES, names=("nodes", "pods", "subnets")))
    assert "at most" in guessed
    assert "or more." in guessed


def test_what_is_short_is_a_finding_on_request(cli, plan_from, tmp_path):
    small = json.loads((FILES / "subnets.json").read_text())
    small["Subnets"][1] |= {"CidrBlock": "10.0.1.0/27", "AvailableIpAddressCount": 0}
    path = tmp_path / "subnets.json"
    path.write_text(json.dumps(small))
    answer = cli("plan", "--from", str(FILES / "nodes.json"), str(FILES / "pods.json"), str(path), PREFIXES, "--fail-if-waiting")
    assert answer.finding == "subnet-00000000000000002: the nodes take 60 addresses of 27"
    text = words(answer)
    assert "is too small: the cluster has 62 pods" in text
    assert "the new nodes don't fit" in text
    waiting = plan_from("--max-pods=10", "--fail-if-waiting")
    assert waiting.finding.startswith("24 pods of the cluster would wait for an address")
    assert "pods of general would wait for an address" in words(waiting)
    assert plan_from("--fail-if-waiting").code == 0


def test_pods_that_wait_after_a_change_and_unbound_ones_are_told(cli, tmp_path):
    pods = json.loads((FILES / "pods.json").read_text())
    mine = [each for each in pods["items"] if not each["spec"].get("hostNetwork")]
    del mine[0]["spec"]["nodeName"]
    for each in mine[1:4]:
        each["metadata"]["annotations"] = {
            "vpc.amazonaws.com/pod-eni": json.dumps([{"eniId": "eni-1", "privateIp": "10.0.0.9", "vlanId": 1}])
        }
    path = tmp_path / "pods.json"
    path.write_text(json.dumps(pods))
    text = words(cli("plan", "--from", str(FILES / "nodes.json"), str(path), "--type=t3.small"))
    assert "1 more pod has no node yet and is not counted." in text
    assert "3 pods would wait." in text


def test_nodes_of_several_max_pods_show_the_range(cli, tmp_path):
    nodes = json.loads((FILES / "nodes.json").read_text())
    nodes["items"][0]["status"]["capacity"]["pods"] = "58"
    path = tmp_path / "nodes.json"
    path.write_text(json.dumps(nodes))
    assert "29–58" in cli("plan", "--from", str(path), str(FILES / "pods.json")).out


def test_subnets_that_share_a_zone_are_named_by_their_ids(cli, tmp_path):
    subnets = json.loads((FILES / "subnets.json").read_text())
    for each in subnets["Subnets"]:
        each["AvailabilityZone"] = "us-east-1a"
        each["Tags"] = [{"Key": "kubernetes.io/role/cni", "Value": "1"}]
    path = tmp_path / "subnets.json"
    path.write_text(json.dumps(subnets))
    arguments = ("plan", "--from", str(FILES / "nodes.json"), str(FILES / "pods.json"), str(path), "--variant=WARM_IP_TARGET=5")
    assert cli(*arguments, "--json").document["subnets"][0]["subnet_ids"] == ["subnet-00000000000000001", "subnet-00000000000000002"]
    assert cli(*arguments, "--set=ENABLE_SUBNET_DISCOVERY=false").out.count("subnet-00000000000000002") >= 4
    assert cli(*arguments).code == 0


def test_csv_has_a_line_for_each_change_and_subnet(plan_from):
    rows = list(csv.DictReader(io.StringIO(plan_from(PREFIXES, "--csv").out)))
    assert [(each["settings"], each["zone"], each["addresses"], each["first"]) for each in rows] == [
        ("today", "us-east-1a", "80", "false"),
        ("today", "us-east-1b", "60", "true"),
        ("variant 1", "us-east-1a", "115", "false"),
        ("variant 1", "us-east-1b", "66", "true"),
    ]
    assert (rows[0]["beside"], rows[2]["beside"]) == ("", "true")


def test_markdown_is_for_a_ticket(plan_from):
    lines = plan_from(PREFIXES, "--markdown").out.splitlines()
    assert lines[0] == "**5 nodes in 2 groups · 62 pods with a VPC address**"
    assert "| general | managed | m5.large | 3 | 44 | 80 | 80 | 0 | 29 |" in lines
    assert "    variant 1: ENABLE_PREFIX_DELEGATION=true" in lines
    assert "- subnet-00000000000000001: reserve 10.0.0.128/25 for 7 prefixes (a CIDR reservation)." in lines


@pytest.mark.parametrize(
    "options",
    [
        ("--pods=3",),
        ("--nodes=3",),
        ("--branch-pods=3",),
        ("--sort=waste",),
        ("--timeline",),
        ("--csv", "--json"),
    ],
)
def test_what_the_files_have_is_no_option(plan_from, options):
    assert plan_from(*options).usage_error


def test_wrong_arguments_are_refused(cli, plan_from):
    assert "--type belongs to --from" in cli("plan", "m5.large", "--pods=3", "--type=m5.xlarge").usage_error
    assert "give a TYPE and --pods" in cli("plan", "m5.large").usage_error
    assert "can't both come from stdin" in cli("plan", "--from", "-", "--daemonset=-").usage_error
    assert "no such file" in cli("plan", "--from", "none.json").refusal
    assert "not enough in this to plan a cluster" in plan_from(names=("subnets",)).refusal
    assert "unknown instance type" in plan_from("--type=m5.lrge").refusal
    assert "did you mean" in plan_from("--variant=WARM_IPTARGET=1").refusal
