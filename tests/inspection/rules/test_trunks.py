"""ENIs that are kept for a trunk."""

import pytest
from clusters import Cluster, documents, evidence

from vpcipam.inspection import audit
from vpcipam.inspection.finding import Severity

TRUNKS = {"ENABLE_POD_ENI": "true"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}


def never_started(variables):
    """A node whose ipamd refuses to start, since no ENI is left for pods."""
    made = Cluster.make(variables=variables)
    made.add("m5.large", start=False)
    return documents(made)


def told(made, rule, only=None):
    return [each for each in audit(evidence(made, only)).findings if each.rule == rule]


def test_no_pod_has_security_groups():
    made = Cluster.make("m5.large", "m5.large", "t3.small", variables=TRUNKS)
    made.pod(made.nodes[0])
    changed = documents(made)
    (answer,) = told(changed, "trunk-unused")
    assert (answer.severity, answer.where, answer.node) == (Severity.NOTE, "the cluster", "")
    assert answer.message == (
        "none of 7 pods has security groups of its own, and ENABLE_POD_ENI takes an ENI on each of 2 nodes: 18 pod addresses in all"
    )
    assert [source.file for source in answer.sources] == ["daemonset.json"]
    pod = changed["pods"]["items"][-1]
    pod["metadata"]["annotations"] = {"vpc.amazonaws.com/pod-eni": '[{"eniId":"eni-9","privateIp":"10.0.9.9","vlanId":1}]'}
    assert told(changed, "trunk-unused") == []


def test_no_trunk_is_kept():
    assert told(documents(Cluster.make("m5.large")), "trunk-unused") == []
    assert told(documents(Cluster.make("t3.small", variables=TRUNKS)), "trunk-unused") == []
    assert told(documents(Cluster.make("m5.large", variables=TRUNKS)), "trunk-unused", ("pods", "nodes", "instances")) == []


@pytest.mark.parametrize(
    ("instance_type", "variables", "text"),
    [
        (
            "m5.large",
            {**CUSTOM, **TRUNKS, "MAX_ENI": "2"},
            "can have 2 ENIs, and none for pods: custom networking leaves the primary ENI out, and ",
        ),
        ("t3.small", {**CUSTOM, "MAX_ENI": "1"}, "can have 1 ENI, and none for pods: custom networking leaves the primary ENI out"),
    ],
)
def test_no_eni_is_left_for_pods(instance_type, variables, text):
    made = never_started(variables)
    made["nodes"]["items"][0]["metadata"]["labels"]["node.kubernetes.io/instance-type"] = instance_type
    (answer,) = told(made, "no-eni-for-pods", ("nodes", "daemonset"))
    assert answer.severity is Severity.FINDING
    assert answer.message.startswith(text)


@pytest.mark.parametrize("variables", [{**TRUNKS, "MAX_ENI": "1"}, CUSTOM, {**CUSTOM, **TRUNKS}])
def test_an_eni_is_left_for_pods(variables):
    made = documents(Cluster.make("m5.large", variables=variables))
    assert told(made, "no-eni-for-pods", ("nodes", "daemonset")) == []


def test_with_ec2_another_rule_tells():
    made = never_started({**CUSTOM, **TRUNKS, "MAX_ENI": "2"})
    assert told(made, "no-eni-for-pods") == []
