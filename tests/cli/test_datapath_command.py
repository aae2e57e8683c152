"""`vpcipam datapath`."""

import shutil
import subprocess

import pytest


def test_the_node_its_enis_and_its_pods_are_shown(cli):
    out = cli("datapath", "m5.large", "--pods", "10").out
    assert out.startswith("m5.large, secondary IPs: 3 ENIs, 10 pods\n\nthe node\n")
    assert "eth2 (eni-" in out
    assert "pod-10  10.0.0.15  eth1  2      eni6a7b34ef83f" in out
    assert max(map(len, out.splitlines())) <= 80


def test_one_pod_is_shown_alone(cli):
    out = cli("datapath", "m5.large", "--pods", "10", "--pod", "10").out
    assert "rule 1536: from 10.0.0.15/32" in out
    assert "POSTROUTING" not in out
    document = cli("datapath", "m5.large", "--pods", "10", "--pod", "10", "--json").document
    assert (document["node"], document["enis"], [pod["name"] for pod in document["pods"]]) == ([], [], ["pod-10"])
    refused = cli("datapath", "m5.large", "--pods", "10", "--pod", "11")
    assert refused.code == 2
    assert "--pod 11: pods 1 to 10 have an address; raise --pods" in refused.err
    assert "--pod 1: no pod has an address" in cli("datapath", "m5.large", "--pods", "0", "--pod", "1").err


def test_json_has_every_step(cli):
    document = cli("datapath", "m5.large", "--pods", "10", "--json").document
    assert [len(eni["steps"]) > 0 for eni in document["enis"]] == [False, True, True]
    (rule,) = (step for step in document["pods"][9]["steps"] if step["value"].get("priority") == 1536)
    assert rule["command"] == "ip -4 rule add priority 1536 from 10.0.0.15/32 lookup 2 2>/dev/null || true"
    assert rule["tolerated"] == ["EEXIST"]


def test_csv_has_a_row_for_each_value(cli):
    lines = cli("datapath", "m5.large", "--pods", "1", "--csv").out.splitlines()
    assert lines[0] == "for,namespace,the kernel has,why"
    assert any(line.startswith("pod-1 (10.0.0.5),pod,address 10.0.0.5/32 on eth0,") for line in lines)


def test_pods_without_an_address_are_named(cli):
    answer = cli("datapath", "t3.nano", "--pods", "9")
    assert answer.code == 0
    assert "7 pods without an address: the node runs at most 2 pods" in answer.err


def test_settings_act(cli):
    out = cli("datapath", "m5.large", "--pods", "1", "--set", "AWS_VPC_K8S_CNI_EXTERNALSNAT=true").out
    assert "SNAT --to-source" not in out
    marked = cli("datapath", "m5.large", "--pods", "0", "--nftables").out
    assert "nft table ip aws-cni" in marked
    assert "\npods\n" not in marked


@pytest.mark.parametrize("options", [(), ("--nftables", "--pod", "3"), ("--branch-pods", "1", "--set", "ENABLE_POD_ENI=true")])
def test_the_script_is_one_of_a_shell(cli, options):
    script = cli("datapath", "m5.large", "--pods", "3", "--commands", *options).out
    assert script.startswith("set -e\n")
    assert "# the veth joins the pod's namespace to the host's\nip -n pod-3 link add eth0 " in script
    checked = subprocess.run([shutil.which("sh"), "-n"], input=script, text=True, capture_output=True, check=False)  # noqa: S603  # it only parses
    assert (checked.returncode, checked.stderr) == (0, "")


def test_an_unknown_type_is_refused(cli):
    assert "m5.lagre" in cli("datapath", "m5.lagre", "--pods", "1").refusal
