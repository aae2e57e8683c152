"""The subnets of a cluster plan are those in which a simulated fleet settles, and one fewer is too few.

The subnets of a scenario have no tags, so the counts to compare are those without tags.
"""

import io

import pytest

from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import Scenario
from vpcipam.inspection import present_cluster
from vpcipam.planner import NodeGroup, plan_cluster, plan_present
from vpcipam.settings import Settings

from present_clusters import ZonedCluster  # isort: skip

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
TARGETS = {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "20"}


def simulated(instance_type, nodes, pods, variables, subnets):
    """Run full nodes in subnets, given as pairs of zone and CIDR; return the last sample."""
    lines = ['duration = "20 min"']
    for index, (zone, cidr) in enumerate(subnets):
        lines += ["[[subnet]]", f'name = "{index}"', f'cidr = "{cidr}"', f'zone = "{zone}"']
    settings = ", ".join(f'{name} = "{text}"' for name, text in variables.items())
    lines += ["[[group]]", 'name = "workers"', f'instance_type = "{instance_type}"', f"count = {nodes}", f"settings = {{ {settings} }}"]
    lines += ["[[workload]]", 'kind = "deployment"', 'name = "web"', f"replicas = {nodes * pods}"]
    return simulate(Scenario.load(io.StringIO("\n".join(lines)))).samples[-1]


def subnets_of(zones, per_zone, length):
    step = 1 << (32 - length)
    starts = [place * step for place in range(zones * per_zone)]
    return [(f"zone-{place % zones}", f"10.0.{start // 256}.{start % 256}/{length}") for place, start in enumerate(starts)]


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("instance_type", "nodes", "pods", "variables", "where"),
    [
        ("m5.xlarge", 30, 25, {}, (3, 24)),
        ("m5.xlarge", 30, 25, TARGETS, (3, 24)),
        ("m5.xlarge", 30, 25, PREFIXES, (3, 24)),
        ("m5.xlarge", 30, 25, PREFIXES | TARGETS, (3, 24)),
        ("t3.medium", 14, 10, {}, (2, 26)),
        ("t3.small", 9, 11, PREFIXES, (1, 25)),
        ("m5.large", 10, 27, {}, (2, 25)),
        ("c5.2xlarge", 4, 1, TARGETS, (1, 25)),
    ],
)
def test_a_fleet_settles_in_so_many_subnets_and_not_in_one_fewer(instance_type, nodes, pods, variables, where):
    zones, length = where
    group = NodeGroup(instance_type=instance_type, nodes=nodes, pods=pods, settings=Settings().with_variables(variables))
    answer = plan_cluster([group], f"/{length}", zones=zones)
    per_zone, node = answer.subnets_per_zone_untagged, answer.groups[0].node
    settled = simulated(instance_type, nodes, pods, variables, subnets_of(zones, per_zone, length))
    assert (settled.nodes, settled.pods_running, settled.pods_waiting, settled.pods_pending) == (nodes, nodes * pods, 0, 0)
    assert (settled.addresses_attached, settled.enis) == (nodes * node.total_ips, nodes * node.eni_count)
    if per_zone > 1:
        short = simulated(instance_type, nodes, pods, variables, subnets_of(zones, per_zone - 1, length))
        assert short.addresses_attached < settled.addresses_attached


@pytest.mark.parametrize(
    ("instance_type", "pods", "variables", "length"),
    [
        ("m5.large", 12, {}, 25),
        ("m5.xlarge", 25, TARGETS, 25),
        ("t3.medium", 9, TARGETS, 26),
        ("t3.small", 4, {"WARM_ENI_TARGET": "0"}, 26),
    ],
)
def test_the_most_nodes_of_a_cluster_that_is_there_settle_and_one_more_does_not(instance_type, pods, variables, length):
    there = ZonedCluster.of([("zone-0", f"10.0.0.0/{length}")], variables)
    there.node(instance_type, pods=pods)
    there.wait(300)
    answer = plan_present(present_cluster(there.evidence()))
    (pool,), (group,) = answer.pools, answer.groups
    assert group.attached == group.addresses
    for nodes in (pool.most_nodes, pool.most_nodes + 1):
        settled = simulated(instance_type, nodes, pods, variables, subnets_of(1, 1, length))
        whole = (settled.pods_running, settled.addresses_attached + settled.enis) == (nodes * pods, nodes * group.addresses)
        assert whole == (nodes == pool.most_nodes)
