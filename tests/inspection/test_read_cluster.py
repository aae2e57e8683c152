"""Reading a cluster: its instances by their tags, all ENIs of their VPCs, and as many calls for many nodes as for one."""

import attrs
import pytest
from clusters import BEGIN_NS, Cluster, documents, evidence

from vpcipam.ec2.boto import BotoEc2
from vpcipam.ec2.fake import fake_client
from vpcipam.inspection import audit, evidence_of, merged, read_node
from vpcipam.inspection.joining import Assumptions
from vpcipam.inspection.read_cluster import read_cluster
from vpcipam.inspection.rules import datapath
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import CREATED_TAG, INSTANCE_TAG


@pytest.fixture
def cluster():
    made = Cluster.make("m5.large", "t3.small", "t3.small", variables={"CLUSTER_NAME": "shop"})
    made.wait(10)
    return made


def tag(cluster, number, key, value):
    cluster.model.create_tags([cluster.nodes[number].instance_id], ((key, value),), now_ns=cluster.now_ns)


def ids(nodes):
    return [node.instance.instance_id for node in nodes]


def test_instances_are_found_by_the_enis_that_ipamd_has_tagged(cluster):
    other = Cluster.make("t3.small", variables={"CLUSTER_NAME": "bank"})
    assert ids(read_cluster(cluster.model, "shop", now_ns=cluster.now_ns)) == [here.instance_id for here in cluster.nodes]
    assert read_cluster(cluster.model, "bank", now_ns=cluster.now_ns) == ()
    assert len(read_cluster(other.model, "bank", now_ns=other.now_ns)) == 1


@pytest.mark.parametrize(
    ("key", "value"), [("kubernetes.io/cluster/bank", "owned"), ("eks:cluster-name", "bank"), ("aws:eks:cluster-name", "bank")]
)
def test_instances_are_found_by_their_own_tags(key, value):
    made = Cluster.make("t3.small", "t3.small")
    if key.startswith("aws:"):  # nobody may set such a tag, so the model refuses it
        instances = made.model.describe_instances

        def describe_instances(*, filters=None, **options):
            found = instances(filters={}, **options)
            return found[:1] if filters == {f"tag:{key}": (value,)} else () if filters else found

        made.model.describe_instances = describe_instances
    else:
        tag(made, 0, key, value)
    assert ids(read_cluster(made.model, "bank", now_ns=made.now_ns)) == [made.nodes[0].instance_id]


def test_a_node_of_a_cluster_is_read_as_if_it_were_alone(cluster):
    for node in read_cluster(cluster.model, "shop", now_ns=cluster.now_ns):
        alone = read_node(cluster.model, node.instance.instance_id, now_ns=cluster.now_ns)
        assert node == alone


def test_leaked_enis_of_gone_nodes_are_found(cluster):
    tags = ((INSTANCE_TAG, "i-gone"), (CREATED_TAG, "2023-11-14T20:00:00Z"))
    left = cluster.model.create_network_interface(
        subnet_id=cluster.subnet_id, description="aws-K8S-i-gone", tags=tags, now_ns=cluster.now_ns
    )
    nodes = read_cluster(cluster.model, "shop", now_ns=cluster.now_ns)
    found = audit(evidence_of(nodes, "EC2"), observed=nodes, assumptions=Assumptions(settings=cluster.settings))
    (leak,) = found.faults
    assert (leak.rule, leak.where, leak.node) == ("leaked-eni", left.eni_id, "")
    assert "it is 2 h old" in leak.message
    assert [str(source) for source in leak.sources] == ["EC2, line 1"]


def test_the_number_of_calls_does_not_depend_on_the_number_of_nodes(cluster):
    def calls(made):
        before = made.model.call_counts
        read_cluster(made.model, "shop", now_ns=made.now_ns)
        return {action: count - before.get(action, 0) for action, count in made.model.call_counts.items() if count > before.get(action, 0)}

    one = Cluster.make("t3.small", variables={"CLUSTER_NAME": "shop"})
    assert (
        calls(one)
        == calls(cluster)
        == {
            "DescribeInstances": 4,
            "DescribeNetworkInterfaces": 2,
            "DescribeSubnets": 1,
            "GetSubnetCidrReservations": 1,
        }
    )


def test_reservations_are_known_of_each_node(cluster):
    made = cluster.model.create_subnet_cidr_reservation(cluster.subnet_id, "10.0.8.0/24", reservation_type="prefix", now_ns=0)
    assert [node.reservations for node in read_cluster(cluster.model, "shop", now_ns=cluster.now_ns)] == [(made,)] * len(cluster.nodes)


def test_through_boto3_it_is_the_same(cluster):
    tag(cluster, 0, "kubernetes.io/cluster/shop", "owned")
    over_wire = read_cluster(BotoEc2(fake_client("ec2", cluster.model)), "shop", now_ns=cluster.now_ns)
    directly = read_cluster(cluster.model, "shop", now_ns=cluster.now_ns)
    assert ids(over_wire) == ids(directly)
    assert [[eni.eni_id for eni in node.enis] for node in over_wire] == [[eni.eni_id for eni in node.enis] for node in directly]
    assert [attrs.evolve(node.instance, network_interfaces=(), launched_ns=0, tags=()) for node in over_wire] == [
        attrs.evolve(node.instance, network_interfaces=(), launched_ns=0, tags=()) for node in directly
    ]


def test_limits_come_from_the_caller(cluster):
    small = InstanceLimits(instance_type="x", eni_limit=1, ipv4_per_eni=2)
    nodes = read_cluster(cluster.model, "shop", now_ns=cluster.now_ns, find_limits=lambda _: small)
    assert {node.limits for node in nodes} == {small}


def test_files_and_ec2_are_audited_together(cluster):
    for here in cluster.nodes:
        cluster.pod(here)
    made = documents(cluster)
    here = cluster.nodes[0]
    next(iter(made[f"{here.name}/enis.json"]["0"]["ENIs"].values()))["DeviceNumber"] = 5
    nodes = read_cluster(cluster.model, "shop", now_ns=cluster.now_ns)
    files = evidence(made, only=("enis.json", "ipam.json", "nodes", "pods", "daemonset"))
    found = audit(merged(files, evidence_of(nodes, "EC2")), observed=nodes)
    assert [each.rule for each in found.faults] == ["device-number-differs"]
    of_kernel = {rule_id for rule in datapath.RULES for rule_id in rule.ids}
    needed = {each.missing[0].what for each in found.unchecked if each.rule not in of_kernel}
    assert needed == {"ipamd's log of the node", "ipamd's metrics of the node"}
    assert found.case.now_ns == cluster.now_ns > BEGIN_NS
