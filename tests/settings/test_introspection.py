"""Env settings of ipamd's introspection."""

import json

import pytest

from aws_node_documents import READ, daemonset, message_about, read
from vpcipam.errors import ManifestError
from vpcipam.settings import VARIABLES, Settings
from vpcipam.settings.manifest import read_manifest

IPAMD = {
    "WARM_IP_TARGET": 5,
    "WARM_ENI_TARGET": 1,
    "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": True,
    "AWS_MANAGE_ENIS_NON_SCHEDULABLE": False,
    "ENABLE_SUBNET_DISCOVERY": False,
}
NETWORK = {
    "AWS_VPC_K8S_CNI_CONNMARK": 128,
    "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS": ["10.1.0.0/16", "10.2.0.0/16"],
    "AWS_VPC_K8S_CNI_EXTERNALSNAT": True,
    "AWS_EXTERNAL_SERVICE_CIDRS": None,
    "AWS_VPC_ENI_MTU": 9001,
    "AWS_VPC_K8S_CNI_VETHPREFIX": "eni",
    "AWS_VPC_CNI_NODE_PORT_SUPPORT": True,
    "AWS_VPC_K8S_CNI_RANDOMIZESNAT": 2,
}
READ_FROM_IPAMD = Settings(warm_ip_target=5, custom_network_cfg=True, enable_subnet_discovery=False)


def test_the_answer_of_ipamd_is_read_on_top_of_the_shipped_manifest():
    settings = read(IPAMD)
    assert settings == READ_FROM_IPAMD
    assert settings.document == "introspection's env settings"
    assert read_manifest(json.dumps(IPAMD)).own == set(IPAMD)


def test_the_variables_that_the_answer_lacks_are_told():
    missing = [name for name, variable in VARIABLES.items() if variable.acts_on_addresses and name not in IPAMD]
    message = message_about(read(IPAMD), "introspection")
    assert f"does not show {', '.join(missing)}; they count as in the shipped manifest" in message
    assert {"ENABLE_PREFIX_DELEGATION", "MINIMUM_IP_TARGET", "WARM_PREFIX_TARGET", "MAX_ENI"} < set(missing)


def test_typed_values_of_the_network_are_written_as_texts():
    texts = read(NETWORK).variables
    assert texts["AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS"] == "10.1.0.0/16,10.2.0.0/16"
    assert texts["AWS_VPC_K8S_CNI_EXTERNALSNAT"] == "true"
    assert texts["AWS_VPC_ENI_MTU"] == "9001"
    assert texts["AWS_VPC_K8S_CNI_RANDOMIZESNAT"] == "prng"
    assert "AWS_EXTERNAL_SERVICE_CIDRS" not in texts


@pytest.mark.parametrize(("value", "text"), [(0, "none"), (1, "hashrandom"), (7, "7"), ("prng", "prng"), (None, "prng")])
def test_the_number_of_the_source_ports_is_their_name(value, text):
    assert read({**NETWORK, "AWS_VPC_K8S_CNI_RANDOMIZESNAT": value}).variables["AWS_VPC_K8S_CNI_RANDOMIZESNAT"] == text


@pytest.mark.parametrize("between", ["", "\n"])
def test_both_answers_and_repeated_ones_are_read_together(between):
    settings = read(between.join(json.dumps(each) for each in (NETWORK, IPAMD, IPAMD)))
    assert settings == READ_FROM_IPAMD
    assert settings.variables["AWS_VPC_K8S_CNI_EXTERNALSNAT"] == "true"
    assert [found.variable for found in settings.diagnostics if found.variable in IPAMD] == ["WARM_ENI_TARGET"]


def test_answers_that_differ_are_told_and_the_last_counts():
    settings = read(json.dumps(IPAMD) + json.dumps({**IPAMD, "WARM_IP_TARGET": 6}))
    assert settings.warm_ip_target == 6
    assert message_about(settings, "WARM_IP_TARGET").startswith("warning: WARM_IP_TARGET: has several values; the last one counts")


def test_an_answer_that_no_release_gives_is_read_with_a_warning():
    settings = read({"WARM_IP_TARGET": "2", "MINIMUM_IP_TARGET": "3", "ENABLE_PREFIX_DELEGATION": "false", "MAX_ENI": "4", "FOO": None})
    assert settings == Settings(warm_ip_target=2, minimum_ip_target=3, max_eni=4)
    found = [str(found) for found in settings.diagnostics if found.variable == "introspection"]
    assert "no release shows ENABLE_PREFIX_DELEGATION, MAX_ENI, MINIMUM_IP_TARGET, so this is no answer of a node" in found[1]


@pytest.mark.parametrize(
    "document",
    [{"VPC_ID": "vpc-1"}, {"WARM_IP_TARGET": 5, "x y": 1}, {"WARM_IP_TARGET": {}}, {"kind": "X", "WARM_IP_TARGET": 5}, {"FOO": 1}],
)
def test_other_mappings_are_no_answer(document):
    with pytest.raises(ManifestError, match="no container"):
        read(document)


def test_an_answer_beside_the_daemonset_is_refused():
    with pytest.raises(ManifestError, match=r"2 sources .*: DaemonSet kube-system/aws-node, introspection's env settings; give only"):
        read(json.dumps(IPAMD) + json.dumps(daemonset()))
    assert read(daemonset()) == READ
