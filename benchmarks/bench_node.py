"""Checks that the node's workloads do what their names say; `fleet_report.py` measures them."""

import pytest
from node_workloads import IP_TARGETS, PODS, Settled, key, waiting_surplus, workloads

from vpcipam.action import ActionKind


@pytest.mark.parametrize("name", workloads())
def test_node(benchmark, name):
    benchmark.pedantic(workloads()[name], rounds=1)


def test_one_more_pod_takes_one_address_from_ec2_and_gives_it_back():
    settled = Settled(IP_TARGETS)
    settled.node.assign(key(PODS), settled.now_ns)
    kinds = [action.kind for action in settled.node.tick(settled.now_ns + 5_000_000_000)]
    assert kinds == [ActionKind.ADD_CIDRS]


def test_a_surplus_waits():
    settled = waiting_surplus()
    assert settled.node.tick(settled.now_ns) == ()
    assert settled.node.view(settled.now_ns).available_count > 5
