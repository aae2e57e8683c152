"""Peaks count every instant, whatever the time between two samples; waits and peaks leave out the warm-up."""

import inspect

import attrs
import pytest
from fleet_worlds import S, run_whole
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import ScenarioError
from vpcipam.fleet.engine import Fleet, simulate
from vpcipam.fleet.scenario import NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.workload import FixedWorkload, PodRun
from vpcipam.settings import Settings
from vpcipam.testing.strategies import scenarios

HEAVY = settings(max_examples=max(5, settings.default.max_examples // 20))
EXACT = ("subnets", "subnet_addresses_peak", "addresses_peak", "addresses_peak_ns", "for_node", "for_address", "to_start", "calls")
READING = ("describe", "get", "list", "subnet", "instance_metadata", "read", "tokens", "pause", "set_conditions", "watch")


class Watched(Ec2Model):
    """A model that counts all subnets after each action that can change something."""

    seen: list


def _watch(action):
    def watched(self, *arguments, **options):
        try:
            return action(self, *arguments, **options)
        finally:
            self.seen.append([self.subnet_space(each.subnet_id) for each in self.subnets])

    return watched


for name, action in inspect.getmembers(Ec2Model, inspect.isfunction):
    if not name.startswith(("_", *READING)):
        setattr(Watched, name, _watch(action))


@HEAVY
@given(scenario=scenarios())
def test_the_extremes_of_subnets_are_those_after_any_call(scenario):
    fleet = Fleet(scenario)
    fleet.ec2.seen = []
    fleet.ec2.__class__ = Watched
    for each in [fleet.ec2.subnet_space(each.subnet_id) for each in fleet.ec2.subnets], *fleet.ec2.seen:
        fleet.ec2.seen.append(each)
    for _ in fleet.run():
        pass
    summary, seen = fleet.result().summary, fleet.ec2.seen
    assert summary.subnet_addresses_peak == max(sum(space.taken for space in spaces) for spaces in seen)
    for spaces, found in zip(zip(*seen, strict=True), summary.subnets.values(), strict=True):
        assert found.taken_peak == max(space.taken for space in spaces)
        assert found.free_least == min(space.free for space in spaces)
        assert found.free_prefixes_least == min(space.free_prefix_count for space in spaces)
        assert found.stranded_peak == max(space.stranded for space in spaces)


@HEAVY
@given(scenario=scenarios(), sample_s=st.sampled_from([1, 7, 61, 100_000]))
def test_the_time_between_samples_changes_no_exact_figure(scenario, sample_s):
    first, second = (simulate(attrs.evolve(scenario, sample_ns=each)).summary for each in (scenario.sample_ns, sample_s * S))
    assert {name: getattr(first, name) for name in EXACT} == {name: getattr(second, name) for name in EXACT}


@HEAVY
@given(scenario=scenarios())
def test_at_its_peak_a_subnet_holds_the_pods_addresses_and_those_of_enis(scenario):
    ended = simulate(scenario)
    peak = max(ended.samples, key=lambda sample: sample.addresses_attached)
    assert ended.summary.subnet_addresses_peak >= peak.addresses_attached + peak.enis
    assert ended.summary.addresses_peak >= peak.addresses_attached


# --- the warm-up -----------------------------------------------------------------------------------------------------------------


@HEAVY
@given(scenario=scenarios(), share=st.sampled_from([0.01, 0.3, 0.999]))
def test_the_warm_up_changes_only_what_is_measured(scenario, share):
    warm_up_ns = int(scenario.duration_ns * share)
    cold, actions, holdings = run_whole(scenario)
    warm, warm_actions, warm_holdings = run_whole(attrs.evolve(scenario, warm_up_ns=warm_up_ns))
    assert (warm_actions, warm_holdings[-1]) == (actions, holdings[-1])
    assert set(cold.samples) <= set(warm.samples)
    summary = warm.summary
    assert summary.measured_from_ns == warm_up_ns
    assert summary.calls == cold.summary.calls
    measured = [run for run in scenario.workload.runs if run.created_ns >= warm_up_ns]
    assert (summary.to_start.count, summary.pods) == (len(measured), len(scenario.workload.runs))
    assert summary.to_start.unended_count <= summary.pods_unserved == cold.summary.pods_unserved
    later = [sample for sample in warm.samples if sample.time_ns >= warm_up_ns]
    assert later[0].time_ns == warm_up_ns
    assert summary.nodes_peak == max(sample.nodes for sample in later)
    assert max(sample.addresses_attached for sample in later) <= summary.addresses_peak <= cold.summary.addresses_peak
    assert all(each.free_least_ns >= warm_up_ns for each in summary.subnets.values())
    at_start = summary.call_rates["all"].at_start
    assert at_start >= cold.summary.call_rates["all"].at_start
    assert at_start == sum(count for counts in warm.calls.values() for count in counts[: warm.samples.index(later[0]) + 1])


def of_pods(*runs, **options):
    """One t3.small, with 3 addresses at first."""
    group = NodeGroup("g", "t3.small", 1, Settings(), ("a",), 1, 1, max_pods=11)
    workload = FixedWorkload(tuple(PodRun(name, *times) for name, *times in runs))
    return Scenario("one", 100 * S, (SubnetSpec("a", "10.0.0.0/24"),), (group,), workload, ("10.0.0.0/24",), **options)


def test_only_pods_that_come_after_the_warm_up_have_a_wait():
    runs = [*((f"p{number}", S, None) for number in range(5)), *((f"q{number}", 50 * S, None) for number in range(4))]
    everyone, later = (simulate(of_pods(*runs, warm_up_ns=warm_up_ns)).summary for warm_up_ns in (0, 50 * S))
    assert (everyone.to_start.count, everyone.to_start.late_count) == (9, 2)
    assert (later.to_start.count, later.to_start.late_count, later.pods) == (4, 0, 9)


@pytest.mark.parametrize(
    ("warm_up_ns", "message"),
    [
        *((each, f"warm_up: must be a whole number of nanoseconds, 0 or more, not {each}") for each in (-1, 0.5, True)),
        (100 * S, "warm_up: takes 1 min 40 s, but the whole run takes 1 min 40 s; it must be shorter than the duration"),
    ],
)
def test_a_warm_up_is_shorter_than_the_run(warm_up_ns, message):
    with pytest.raises(ScenarioError, match=message):
        of_pods(warm_up_ns=warm_up_ns)


# --- pods that never had an address ------------------------------------------------------------------------------------------------


@HEAVY
@given(scenario=scenarios())
def test_a_pod_that_never_had_an_address_shortens_no_percentile(scenario):
    summary = simulate(scenario).summary
    waits = summary.to_start
    assert summary.pods_unserved == waits.unended_count == summary.for_node.unended_count + summary.for_address.unended_count
    assert summary.pods_unserved + summary.pods_running + summary.pods_done == summary.pods
    for per_cent, found in ((50, waits.p50_ns), (90, waits.p90_ns), (99, waits.p99_ns)):
        assert (found is None) == (100 * (waits.count - waits.unended_count) < per_cent * waits.count)


@pytest.mark.parametrize("count", [9, 10])
def test_pods_for_which_there_is_no_address_are_told(count):
    summary = simulate(of_pods(*((f"p{number}", S, None) for number in range(count)))).summary
    assert (summary.pods_unserved, summary.to_start.p99_ns is None) == (count - 9, count > 9)
