"""Which nodes have no aws-node, and which instances are no nodes."""

import attrs
import pytest
from clusters import Cluster, documents, evidence

from vpcipam.inspection import audit
from vpcipam.inspection.aws_node import NO_NODE, looks_like_a_node, why_no_aws_node
from vpcipam.inspection.joining import join
from vpcipam.inspection.live import evidence_of
from vpcipam.inspection.read_ec2 import read_node


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({}, ""),
        ({"kubernetes.io/os": "linux", "eks.amazonaws.com/nodegroup": "workers"}, ""),
        ({"beta.kubernetes.io/os": "windows"}, "no aws-node runs on Windows"),
        ({"eks.amazonaws.com/compute-type": "ec2"}, ""),
        ({"eks.amazonaws.com/compute-type": "auto"}, "no aws-node runs there (eks.amazonaws.com/compute-type=auto)"),
    ],
)
def test_labels_tell_that_no_aws_node_runs(labels, why):
    assert why_no_aws_node(labels) == why


def with_another_instance():
    """A cluster with a node, and an instance beside it that is none."""
    cluster = Cluster.make("m5.large")
    other = cluster.model.launch_instance("m5.large", cluster.subnet_id, now_ns=cluster.now_ns)
    return cluster, other


def reasons(found):
    return {node.instance_id: node.no_aws_node for node in found.nodes}


@pytest.mark.parametrize("kept", [None, ("instances", "network-interfaces"), ("network-interfaces",)])
def test_an_instance_that_has_nothing_of_a_node_is_not_checked(kept):
    cluster, other = with_another_instance()
    here = cluster.nodes[0].instance_id
    found = audit(evidence(documents(cluster), only=kept))
    assert reasons(found.case) == {here: "", other.instance_id: NO_NODE}
    assert found.case.nodes[-1].settings is None
    (note,) = (each for each in found.findings if each.rule == "no-aws-node")
    assert (note.where, note.message) == (other.instance_id, f"not checked: {NO_NODE}")
    assert other.instance_id not in {each.node for each in found.unchecked}


def test_instances_among_which_none_looks_like_a_node_are_all_checked():
    cluster, _ = with_another_instance()
    made = documents(cluster)
    assert set(reasons(join(evidence(made, only=("instances",)))).values()) == {""}  # which has no tags of ENIs
    for eni in made["network-interfaces"]["NetworkInterfaces"]:
        eni["TagSet"], eni["Description"] = [], ""
    assert set(reasons(join(evidence(made, only=("network-interfaces",)))).values()) == {""}


@pytest.mark.parametrize("tag", ["kubernetes.io/cluster/prod", "eks:cluster-name", "aws:eks:cluster-name"])
def test_an_instance_with_a_tag_of_a_cluster_is_checked(tag):
    _, other = with_another_instance()
    assert not looks_like_a_node(other, other.network_interfaces)
    assert looks_like_a_node(attrs.evolve(other, tags=((tag, "prod"),)), ())


def test_an_instance_that_someone_asks_for_is_checked():
    cluster, other = with_another_instance()
    live = read_node(cluster.model, other.instance_id, now_ns=cluster.now_ns)
    assert set(reasons(audit(evidence_of([live], "EC2"), observed=[live]).case).values()) == {""}
