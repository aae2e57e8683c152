"""The event loop: no pod or address gets lost, and everything happens at its time."""

from pathlib import Path

import attrs
import hypothesis.strategies as st
import pytest
from fleet_worlds import S, run_whole, zonal_scenarios
from hypothesis import example, given, settings

from vpcipam.ec2.latency import Latencies, Latency
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.errors import NodeError
from vpcipam.fleet.autoscaler import Autoscaler
from vpcipam.fleet.engine import Fleet, simulate
from vpcipam.fleet.ledger import NEVER_NS
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.summary import Waits
from vpcipam.fleet.workload import CombinedWorkload, CronJob, Deployment, FixedLifetime, FixedWorkload, PodRun, in_order
from vpcipam.node import Node
from vpcipam.settings import Settings
from vpcipam.testing.strategies import scenarios

HEAVY = settings(max_examples=max(5, settings.default.max_examples // 10))


@HEAVY
@given(scenario=scenarios())
def test_every_pod_and_address_is_accounted_for_at_any_time(scenario):
    def check(fleet):
        fleet._check()
        ec2 = fleet.ec2
        ec2._check()
        for subnet in ec2.subnets:
            space = ec2.subnet_space(subnet.subnet_id)
            assert space.kept + space.taken + space.free + space.reserved == space.total
        held = sum(1 + len(eni.secondary_ips) + 16 * len(eni.ipv4_prefixes) for eni in ec2.describe_network_interfaces(now_ns=0))
        assert held == sum(ec2.subnet_space(subnet.subnet_id).taken for subnet in ec2.subnets)

    result, _, _ = run_whole(attrs.evolve(scenario, ec2=attrs.evolve(scenario.ec2, throttle=None)), check=check)
    for sample in result.samples:
        assert sample.addresses_attached == sample.addresses_assigned + sample.addresses_cooling + sample.addresses_warm
        assert sample.addresses_warm >= 0
    summary = result.summary
    came = summary.pods_running + summary.pods_waiting + summary.pods_pending + summary.pods_done + summary.pods_refused
    assert came == summary.pods == len(scenario.workload.runs)


def fleet_of(runs, duration_s, *, count=1, minimum=None, maximum=None, cidr="10.0.0.0/24", instance_type="t3.small", **options):
    names = ("boot_ns", "scale_down_after_ns", "max_pods", "max_pods_by", "settings")
    group_options = {"settings": Settings()} | {name: options.pop(name) for name in names if name in options}
    group = NodeGroup(
        name="g",
        instance_type=instance_type,
        count=count,
        subnets=("a",),
        min_count=count if minimum is None else minimum,
        max_count=count if maximum is None else maximum,
        **group_options,
    )
    workload = FixedWorkload(tuple(PodRun(name, *times) for name, *times in runs))
    return Scenario("one", duration_s * S, (SubnetSpec("a", cidr),), (group,), workload, ("10.0.0.0/16",), **options)


@pytest.mark.parametrize(("by", "pods", "attached"), [(None, 108, 116), ("ami", 130, 174), ("karpenter", 130, 174)])
def test_what_sets_max_pods_limits_pods_and_addresses(by, pods, attached):
    runs = [(f"p{number}", number * S, None) for number in range(130)]
    result = simulate(fleet_of(runs, 300, instance_type="m5a.4xlarge", max_pods_by=by))
    assert result.summary.pods_running == pods
    assert result.samples[-1].addresses_attached == attached


def notes(result):
    """The messages of the event loop."""
    return [str(event) for event in result.events if event.kind == "note"]


class Recounting(Fleet):
    """A fleet that recounts its nodes and pods at each sample, and the attached addresses after each event of a node."""

    most = (0, 0)

    def _set_up_nodes(self):
        super()._set_up_nodes()
        self.calls_of_the_set_up = dict(self.ec2.call_counts)

    @property
    def live(self):
        return [member for member in self.members if not member.gone]

    def handle(self, event):
        super().handle(event)
        self.recount_addresses(event[0])

    def recount_addresses(self, now_ns):
        count = sum(member.datastore.stats(now_ns).total_count for member in self.live)
        if count > self.most[0]:
            self.most = count, now_ns

    def _sample(self, number, now_ns):
        self.recount_addresses(now_ns)
        recount = self.recount(now_ns)
        super()._sample(number, now_ns)
        sample = self._recorder._samples[-1]
        assert {name: getattr(sample, name) for name in recount} == recount
        assert sample.pods_done + sample.pods_refused + sample.pods_running + sample.pods_waiting + sample.pods_pending == self.came(now_ns)

    def recount(self, now_ns):
        stores = [member.datastore for member in self.live]
        held = {key.container_id for member in self.members for key, _ in member.datastore.assignments()}
        here = {name for name, home in zip(self.ledger.names, self.ledger.homes, strict=True) if home is not None}
        cooling = sum(store.cooling_count(now_ns) for store in stores)
        return {
            "nodes": len(stores),
            "enis": sum(len(store.eni_ids) for store in stores),
            "prefixes": sum(cidr.endswith("/28") for store in stores for eni_id in store.eni_ids for cidr in store.cidrs(eni_id)),
            "pods_running": len(held),
            "pods_waiting": len(here - held),
            "addresses_attached": sum(store.stats(now_ns).total_count for store in stores),
            "addresses_assigned": len(held),
            "addresses_cooling": cooling,
            "addresses_warm": sum(store.stats(now_ns).available_count for store in stores) - cooling,
        }

    def came(self, now_ns):
        """The pods created so far; the end of the run is no part of it."""
        until_ns = min(now_ns + 1, self.scenario.duration_ns)
        return sum(created_ns < until_ns for created_ns in self.ledger.created_ns[:-1])


PREFIXES = fleet_of(
    [(f"p{number}", number * S, (120 + 9 * number) * S) for number in range(24)],
    600,
    maximum=2,
    settings=Settings().with_variables({"ENABLE_PREFIX_DELEGATION": "true"}),
    max_pods=14,
    boot_ns=20 * S,
    scale_down_after_ns=60 * S,
)
"""Two nodes with prefixes, with and without pods on them; one of them goes when it is empty."""


WAVES = fleet_of([(f"p{wave}-{number}", (wave * 250 + 1) * S, (wave * 250 + 90) * S) for wave in range(3) for number in range(9)], 800)
"""A node that attaches the same number of addresses and ENIs three times, and gives them back in between."""


@HEAVY
@given(scenario=scenarios())
@example(PREFIXES)
@example(WAVES)
def test_the_figures_are_those_of_the_nodes_and_pods_at_every_sample(scenario):
    fleet = Recounting(scenario)
    for _ in fleet.run():
        pass
    summary, samples = fleet.result().summary, fleet.result().samples
    assert (summary.addresses_peak, summary.addresses_peak_ns) == fleet.most
    for name in ("nodes", "enis", "prefixes", "addresses_assigned", "addresses_cooling", "addresses_warm"):
        assert getattr(summary, f"{name}_peak") == max(getattr(sample, name) for sample in samples)
    # The deletions that were postponed have a test of their own.
    assert (
        any(fleet.ledger.postponed)
        or summary.pods_done
        == sum(run.deleted_ns is not None and run.deleted_ns < scenario.duration_ns for run in scenario.workload.runs)
        - fleet.ledger.unserved_count
    )
    counts = fleet.ec2.call_counts
    assert {action: count for action, count in summary.calls.items() if count} == {
        action: count - fleet.calls_of_the_set_up.get(action, 0)
        for action, count in counts.items()
        if count != fleet.calls_of_the_set_up.get(action, 0)
    }
    assert summary.throttled == {action: count for action, count in fleet.ec2.throttled_counts.items() if count}


@pytest.mark.parametrize("sample_s", [1, 7, 30, 31, 60])
def test_a_sample_counts_an_address_until_its_cooldown_ends(sample_s):
    runs = tuple(PodRun(f"p{number}", 120 * S + number, (200 + number) * S) for number in range(20))
    group = NodeGroup("g", "m5.large", 2, Settings(), ("s",), 2, 2)
    subnet = SubnetSpec("s", "10.0.0.0/24")
    scenario = Scenario("cools", 300 * S, (subnet,), (group,), FixedWorkload(runs), ("10.0.0.0/24",), sample_ns=sample_s * S)
    fleet = Recounting(scenario)
    for _ in fleet.run():
        pass
    counts = {sample.time_ns: sample.addresses_cooling for sample in fleet.result().samples}
    assert sample_s > 9 or max(counts.values()) == 20
    assert all(count == sum(end <= time_ns < end + 30 * S for end in range(200 * S, 220 * S, S)) for time_ns, count in counts.items())


def test_nodes_of_all_groups_have_seeds_of_their_own():
    scenario = fleet_of([], 60, count=2)
    groups = tuple(attrs.evolve(scenario.groups[0], name=name) for name in "gh")
    seeds = [member.pool.seed for member in Fleet(attrs.evolve(scenario, groups=groups)).members]
    assert len(set(seeds)) == len(seeds) == 4


def test_a_pod_that_finds_an_address_does_not_wait():
    result = simulate(fleet_of([("p", S, 61 * S)], 120))
    assert result.summary.to_start == Waits(count=1)
    assert result.samples[-1].pods_done == 1


def test_a_waiting_pod_gets_an_address_at_the_first_retry_after_the_pool_has_grown():
    # t3.small: 3 addresses at first; the tick at 5 s adds an ENI; the kubelet tries again 10 s after its first try.
    result = simulate(fleet_of([(f"p{number}", S, None) for number in range(4)], 60))
    assert result.summary.for_address == Waits.of(4, [10 * S])
    assert result.summary.pods_running == 4


def test_a_pod_waits_for_a_cooldown_if_no_other_address_can_be_had():
    runs = [*((f"p{number}", S, None) for number in range(8)), ("short", S, 40 * S), ("late", 41 * S, None)]
    result = simulate(fleet_of(runs, 200, max_pods=11))  # 9 addresses at the most, all in use at 40 s
    assert result.summary.for_address.max_ns == 30 * S  # tried at 51, 61 and 71 s; it had cooled at 70 s
    assert result.summary.pods_running == 9


def test_a_pod_that_still_waits_at_the_end_counts_as_waiting_longest():
    # Two ENIs with 3 addresses each; the other 3 addresses of the subnet are too few for a third.
    summary = simulate(fleet_of([(f"p{number}", S, None) for number in range(9)], 600, cidr="10.0.0.0/28")).summary
    assert (summary.pods_running, summary.pods_waiting) == (6, 3)
    for waits in (summary.to_start, summary.for_address):
        assert (waits.p99_ns, waits.waiting_ns) == (None, 599 * S)
        assert (waits.late_count, waits.unended_count) == (6, 3)


def test_pods_without_room_on_any_node_are_pending():
    runs = [*((f"p{number}", S, None) for number in range(8)), ("a-short", S, 50 * S), ("late", 2 * S, None)]
    result = simulate(fleet_of(runs, 100, max_pods=11))
    assert result.summary.for_node.max_ns == 48 * S


def test_a_pod_deleted_before_it_had_an_address_counts_as_refused():
    result = simulate(fleet_of([(f"p{number}", S, None) for number in range(9)] + [("late", 2 * S, 7 * S)], 60, max_pods=11))
    assert (result.summary.pods_refused, result.summary.pods_unserved) == (1, 1)
    assert (result.summary.for_node.unended_count, result.summary.for_address.count, result.summary.to_start.unended_count) == (1, 9, 1)
    result = simulate(fleet_of([(f"p{number}", S, None) for number in range(3)] + [("late", 2 * S, 3 * S)], 60))
    assert result.summary.pods_refused == 1
    assert (result.summary.for_address.unended_count, result.summary.to_start.p99_ns) == (1, None)


def test_nodes_are_launched_for_pending_pods_and_terminated_when_empty():
    runs = [(f"p{number}", S, 200 * S) for number in range(20)]
    scenario = fleet_of(runs, 600, maximum=3, boot_ns=30 * S, scale_down_after_ns=60 * S)
    result = simulate(scenario)
    assert result.summary.nodes_peak == 3
    assert result.samples[-1].nodes == 1
    assert result.summary.for_node.max_ns == 30 * S
    assert result.summary.calls["TerminateInstances"] == 2
    assert result.samples[-1].addresses_attached < result.summary.addresses_peak


def test_the_shortest_time_before_a_scale_down_lets_a_run_end():
    # The last nodes stay empty at the group's minimum: they are looked at every 10 s, not every nanosecond.
    runs = [(f"p{number}", S, 200 * S) for number in range(20)]
    scenario = fleet_of(runs, 600, minimum=1, maximum=3, boot_ns=30 * S, scale_down_after_ns=1)
    result = simulate(scenario)
    assert result.summary.calls["TerminateInstances"] == 2
    assert result.samples[-1].nodes == 1


@pytest.mark.parametrize("end_s", range(36, 46))
def test_an_empty_node_is_terminated_after_its_calls_to_ec2(end_s, monkeypatch):
    slow = Latencies({"CreateNetworkInterface": Latency.fixed(20 * S)})
    runs = [(f"p{number}", S, end_s * S) for number in range(10)]
    scenario = fleet_of(runs, 120, minimum=0, maximum=3, boot_ns=30 * S, scale_down_after_ns=S, ec2=Ec2Behaviour(slow))
    busy = []
    terminate = Autoscaler.terminate

    def watch(self, member, now_ns):
        busy.append(member.node.busy_until(now_ns))
        return terminate(self, member, now_ns)

    monkeypatch.setattr(Autoscaler, "terminate", watch)
    assert simulate(scenario).samples[-1].nodes == 0
    assert busy == [None] * len(busy)
    assert busy


def test_a_launch_refused_by_a_full_subnet_is_an_event():
    result = simulate(fleet_of([("p", S, None)], 300, count=20, cidr="10.0.0.0/28"))
    text = "EC2 launches no node: RunInstances: InsufficientFreeAddressesInSubnet: subnet a has no free address for a primary IP"
    assert any(note.startswith(f"00:00 g: {text} (") for note in notes(result))


def test_a_node_whose_ipamd_does_not_start_is_started_again(monkeypatch):
    refusals = [NodeError("no"), NodeError("no")]
    start = Node.start

    def refuse_first(self, now_ns, **options):
        if refusals:
            raise refusals.pop()
        return start(self, now_ns, **options)

    monkeypatch.setattr(Node, "start", refuse_first)
    result = simulate(fleet_of([("p", S, None)], 60))
    assert any("ipamd does not start: no" in event.text for event in result.events)
    assert result.summary.for_node.max_ns == 19 * S


def test_a_pod_bound_to_a_node_runs_there_or_is_rejected():
    runs = [("a", S, None, "g-0001"), ("b", 2 * S, 30 * S, "g-0001"), *((f"p{number}", S, None, "g-0000") for number in range(10))]
    fleet = Fleet(fleet_of(runs, 60, count=2, max_pods=11))
    for _ in fleet.run():
        pass
    assert [member.pod_count for member in fleet.members] == [9, 1]
    assert fleet.refused_count == 1
    assert notes(fleet.result()) == ["00:00:01 g-0000: a pod bound to this node is rejected (OutOfpods): the node is full"]


def test_a_pod_bound_to_a_node_that_is_not_there_is_rejected_with_the_reason():
    runs = [("a", S, 20 * S), *((f"p{number}", (90 + number) * S, None, "g-0000") for number in range(3)), ("q", 1, None, "g-0000")]
    result = simulate(fleet_of(runs, 120, count=0, minimum=0, maximum=1, scale_down_after_ns=S, boot_ns=10 * S))
    assert notes(result) == [
        "00:00 g-0000: a pod bound to this node is rejected: the node is not launched yet",
        "00:01:30 g-0000: a pod bound to this node is rejected: the node is terminated (3 times, the last at 00:01:32)",
    ]
    assert result.summary.pods_refused == 4


def test_a_pod_that_waited_for_its_node_to_be_ready_can_be_rejected_too():
    runs = [(f"p{number}", S + number, None, "g-0000") for number in range(10)] + [("free", 1, None)]
    result = simulate(fleet_of(runs, 60, count=0, minimum=0, maximum=1, boot_ns=10 * S, max_pods=11))
    again = " (2 times, the last at 00:00:10)" if result.summary.pods_refused == 2 else ""
    assert notes(result) == [f"00:00:10 g-0000: a pod bound to this node is rejected (OutOfpods): the node is full{again}"]


def test_a_pod_bound_to_a_node_waits_until_it_is_ready():
    class Late(Fleet):
        def _set_up_nodes(self):
            self._sets_up = False
            self._boot(self._autoscaler.launch(0, 0), 0)

    fleet = Late(fleet_of([("a", S, None, "g-0000"), ("b", S, 3 * S, "g-0000")], 60, boot_ns=20 * S))
    for _ in fleet.run():
        fleet._check()
    summary = fleet.result().summary
    assert (summary.pods_running, summary.pods_refused, summary.for_node.max_ns) == (1, 1, 19 * S)


def test_progress_is_reported_up_to_the_end():
    told = []
    simulate(fleet_of([("p", S, None)], 60), progress=lambda done, whole: told.append((done, whole)))
    assert told[-1] == (60 * S, 60 * S)
    assert told == sorted(told)


def test_the_pods_of_a_trace_run_at_its_times():
    trace = Path(__file__).with_name("pods_in_openb_columns.csv")
    text = (Path(__file__).parents[2] / "examples" / "scenarios" / "openb.toml").read_text(encoding="utf-8")
    result = simulate(Scenario.from_toml(text.replace("openb/pods.csv.gz", str(trace)).replace("150 d", "2 d")))
    assert (result.summary.pods, result.summary.pods_done, result.summary.pods_refused) == (36, 36, 0)
    assert result.summary.addresses_peak == 36  # 2 nodes with 2 ENIs of 9 each


def test_pods_that_wait_for_nodes_of_their_own_get_them_one_by_one():
    class Late(Fleet):
        def _set_up_nodes(self):
            self._sets_up = False
            self._boot(self._autoscaler.launch(0, 0), 0)
            self._boot(self._autoscaler.launch(0, 5 * S), 5 * S)

    runs = [("other", S, None, "g-0001"), *((f"p{number}", S, None, "g-0000") for number in range(10))]
    fleet = Late(fleet_of(runs, 60, count=2, boot_ns=20 * S, max_pods=11))
    for _ in fleet.run():
        fleet._check()
    assert [member.pod_count for member in fleet.members] == [9, 1]
    assert (fleet.refused_count, fleet.result().summary.for_node.max_ns) == (1, 24 * S)


def test_a_node_that_pods_bound_to_it_have_filled_is_followed_by_another():
    runs = [("a", S, None), *((f"p{number}", 2 * S, None, "g-0000") for number in range(9))]
    fleet = Fleet(fleet_of(runs, 120, count=0, maximum=2, boot_ns=20 * S, max_pods=11))
    for _ in fleet.run():
        fleet._check()
    assert [member.pod_count for member in fleet.members] == [9, 1]
    assert fleet.result().summary.for_node.max_ns == 40 * S


def test_a_refused_termination_is_tried_again():
    throttle = Throttle(actions={"TerminateInstances": TokenBucket(1, 1, 25 * S)})
    runs = [(f"p{number}", S, 100 * S) for number in range(20)]
    scenario = fleet_of(runs, 300, maximum=3, boot_ns=30 * S, scale_down_after_ns=60 * S, ec2=Ec2Behaviour(None, throttle))
    result = simulate(scenario)
    assert result.samples[-1].nodes == 1
    assert result.summary.throttled["TerminateInstances"] > 0


def test_a_node_with_nothing_left_to_do_never_wakes():
    scenario = fleet_of([], 100_000)
    group = attrs.evolve(scenario.groups[0], settings=Settings().with_variables({"DISABLE_LEAKED_ENI_CLEANUP": "true"}))
    fleet = Fleet(attrs.evolve(scenario, groups=(group,)))
    for _ in fleet.run():
        pass
    assert fleet.members[0].wake_ns == NEVER_NS


def test_a_rejected_pod_counts_once_even_if_it_is_deleted():
    runs = [*((f"p{number}", S, None, "g-0000") for number in range(9)), ("q", 2 * S, 30 * S, "g-0000")]
    fleet = Fleet(fleet_of(runs, 60, max_pods=11))
    for _ in fleet.run():
        fleet._check()
    assert (fleet.refused_count, fleet.running_count) == (1, 9)


def test_an_earlier_retry_replaces_a_planned_later_one():
    runs = [("p0", S, None), ("p1", S, None), ("p2", S, 2 * S), ("late", 3 * S, None)]
    result = simulate(fleet_of(runs, 60))  # an address cools until 32 s, but the pool grows at 5 s
    assert result.summary.for_address == Waits.of(4, [10 * S])
    assert result.summary.pods_running == 3


def test_a_launch_that_ec2_refuses_is_tried_again_a_minute_later():
    runs = [(f"p{number}", S, None) for number in range(80)]  # nine per node, and the subnet has room for only a few nodes
    result = simulate(fleet_of(runs, 200, maximum=9, cidr="10.0.0.0/28"))
    assert any("EC2 launches no node" in event.text for event in result.events)
    launched = result.samples[-1].nodes - 1
    assert launched < result.summary.calls["RunInstances"] <= launched + 4  # at 1, 61, 121 and 181 s
    assert result.summary.pods_pending > 0
    assert result.summary.for_node.waiting_ns == 199 * S


# --- what happens at one instant -------------------------------------------------------------------------------------------------


class NothingForTheDead(Fleet):
    """A fleet that refuses to give a pod a node or an address at or after the time at which it is due for deletion."""

    def look(self, number, now_ns):
        deleted_ns = self.scenario.workload.runs[number].deleted_ns
        assert (self.ledger.postponed[number] and self.ledger.run_ns) or deleted_ns is None or now_ns < deleted_ns

    def _place(self, member, number, since_ns, now_ns):
        self.look(number, now_ns)
        super()._place(member, number, since_ns, now_ns)

    def _try(self, member, number, now_ns):
        self.look(number, now_ns)
        return super()._try(member, number, now_ns)


def with_ties(scenario, step_s):
    """Move the times of pods to multiples of a time, so that many fall on one instant, and let no wait postpone a deletion."""

    def tied(time_ns):
        return None if time_ns is None else time_ns - time_ns % (step_s * S)

    runs = (
        run._replace(created_ns=tied(run.created_ns), deleted_ns=tied(run.deleted_ns), runs_fully=False)
        for run in scenario.workload.runs
        if run.deleted_ns is None or tied(run.deleted_ns) > tied(run.created_ns)
    )
    return attrs.evolve(scenario, workload=FixedWorkload(in_order(runs)))


FULL = fleet_of([(f"p{number}", 10 * S, 190 * S) for number in range(5)], 600, max_pods=5)
"""A node with room for 3 pods, and 5 pods that come and go together."""


@HEAVY
@given(scenario=scenarios() | zonal_scenarios(), step_s=st.sampled_from([30, 60, 300]))
@example(FULL, 10)
@example(attrs.evolve(FULL, groups=(attrs.evolve(FULL.groups[0], count=0, min_count=0, max_count=3, boot_ns=180 * S),)), 10)
def test_a_pod_due_for_deletion_gets_neither_a_node_nor_an_address(scenario, step_s):
    fleet = NothingForTheDead(with_ties(scenario, step_s))
    for _ in fleet.run():
        fleet._check()


def test_pods_deleted_together_do_not_pass_through_a_full_node():
    summary = simulate(FULL).summary
    assert (summary.pods_done, summary.pods_refused, summary.pods_unserved) == (3, 2, 2)
    assert (summary.for_node.unended_count, summary.for_node.max_ns) == (2, 0)


def test_a_node_that_is_ready_when_pods_are_deleted_takes_none_of_them():
    boots = {"count": 0, "minimum": 0, "maximum": 1, "boot_ns": 90 * S, "max_pods": 5}
    runs = [("bound", 10 * S, 100 * S, "g-0000"), ("free", 10 * S, 100 * S), ("late", 20 * S, 300 * S)]
    summary = simulate(fleet_of(runs, 200, **boots)).summary
    assert (summary.pods_running, summary.pods_done, summary.pods_refused) == (1, 0, 2)
    assert (summary.for_node.unended_count, summary.for_node.max_ns) == (2, 80 * S)


def test_an_arriving_pod_comes_after_a_pending_one():
    runs = [("a", S, 50 * S), ("b", 2 * S, None), ("c", 50 * S, None)]
    fleet = Fleet(fleet_of(runs, 100, max_pods=3))
    for _ in fleet.run():
        pass
    assert [home is not None for home in fleet.ledger.homes] == [False, True, False]


# --- the end of a run ------------------------------------------------------------------------------------------------------------


def test_what_is_due_exactly_at_the_end_is_left_out():
    result = simulate(fleet_of([("a", S, 60 * S), ("b", 60 * S - 1, None), ("c", 60 * S, None)], 60))
    assert (result.summary.pods, result.summary.pods_running, result.summary.pods_done) == (2, 2, 0)
    assert result.samples[-1].time_ns == 60 * S


def cron(name, first_s):
    return CronJob(name, 3600.0, 2, FixedLifetime(60), first_s=first_s)


@pytest.mark.parametrize(
    ("workload", "idle"),
    [
        (cron("j", 60), ["j"]),
        (cron("j", 59), []),
        (CombinedWorkload((cron("early", 0), FixedWorkload(()), cron("late", 61), Deployment("web", 0))), ["2", "late", "web"]),
    ],
)
def test_a_workload_without_pods_is_named(workload, idle):
    result = simulate(attrs.evolve(fleet_of([], 60), workload=workload))
    assert notes(result) == [f"00:00 fleet: workload {name} makes no pods before the end of the run at 00:01" for name in idle]
