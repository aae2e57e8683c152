"""When the kubelet tries waiting pods again: as a search through all pods says, and without a search through all pods."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam import Settings, simulate
from vpcipam._chance import seed_of_member
from vpcipam._units import NS_PER_S as S
from vpcipam.fleet.engine import Fleet
from vpcipam.fleet.retries import Retries
from vpcipam.fleet.scenario import NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.workload import FixedWorkload, PodRun

SMALL = st.integers(0, 12)


@given(interval_ns=st.integers(1, 5), changes=st.lists(st.tuples(SMALL, SMALL)), from_ns=SMALL)
def test_the_next_tries_are_those_that_a_search_finds(interval_ns, changes, from_ns):
    retries, first_tries = Retries(interval_ns), {}
    for pod, first_ns in changes:
        if pod in first_tries:
            retries.remove(pod, first_tries.pop(pod))
        else:
            first_tries[pod] = first_ns
            retries.add(pod, first_ns)
    tries = {pod: range(first_ns + interval_ns, 99, interval_ns) for pod, first_ns in first_tries.items()}
    assert retries.due(from_ns) == tuple((pod, first_tries[pod]) for pod, times in tries.items() if from_ns in times)
    later_ns = from_ns + 13  # after each pod's first try
    if tries:
        assert retries.soonest(later_ns) == min(at_ns for times in tries.values() for at_ns in times if at_ns >= later_ns)


def crowd(count, **changes):
    """Pods that all come to one small node at the same moments."""
    pods = tuple(PodRun(f"p{number}", 60 * S, 600 * S if number % 2 else 62 * S, None) for number in range(count))
    group = NodeGroup(
        name="g",
        instance_type="t3.small",
        settings=Settings(),
        subnets=("s",),
        count=1,
        min_count=1,
        max_count=1,
        max_pods=count + 10,
        placement="random",
    )
    return Scenario(
        name="crowd",
        duration_ns=900 * S,
        vpc_cidrs=("10.0.0.0/20",),
        subnets=(SubnetSpec("s", "10.0.0.0/24"),),
        groups=(group,),
        workload=FixedWorkload(pods),
        **changes,
    )


def test_a_crowd_on_one_node_waits_in_order_of_arrival():
    fleet = Fleet(crowd(3000))
    for _ in fleet.run():
        fleet._check()
    summary = fleet.result().summary
    assert summary.pods_waiting == summary.pods_pending == 0


@pytest.mark.parametrize("seed", [0, 18_446_700_000_000, 2**63 - 1])
def test_any_seed_of_a_scenario_is_taken(seed):
    assert simulate(crowd(5, seed=seed)).seed == seed


def test_members_of_a_group_have_seeds_of_their_own_and_small_ones_as_ever():
    assert seed_of_member(7, 3) == 7_000_024
    assert len({seed_of_member(seed, number) for seed in (0, 1, 2**63 - 1, 2**64 - 1) for number in range(100)}) == 400
