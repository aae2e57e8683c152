"""Checks that the benchmark of the fleet's event loop and its floor work, with tiny fleets; `fleet_report.py` measures."""

import pytest
from fleet_workloads import PODS_PER_NODE, churn, time_fleet, time_floor

from vpcipam.fleet.ec2_setup import set_up_ec2


@pytest.mark.parametrize("tickless", [True, False], ids=["tickless", "ticking"])
def test_fleet(benchmark, tickless):
    scenario = churn(3, 300)
    _, fleet = benchmark.pedantic(time_fleet, (scenario,), {"tickless": tickless}, rounds=1)
    assert fleet.ledger.arrived_count == 3 * PODS_PER_NODE + 300
    assert fleet.waiting_count == 0
    fleet._check()


def test_floor(benchmark):
    assert benchmark.pedantic(time_floor, (60, 1000), rounds=1) > 0


def test_the_largest_fleet_of_the_report_can_be_set_up():
    ec2, subnet_ids = set_up_ec2(churn(10_000, 0))
    assert len(subnet_ids) == len(ec2.vpcs[0].cidrs) == 7
