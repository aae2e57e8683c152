"""Fleets in several availability zones: nodes, pods and ENIs are where they may be, and the zones add up to the fleet."""

from collections import Counter

import attrs
import pytest
from fleet_worlds import CUSTOM_NETWORKING, SPREADS, S, run_whole, zonal_scenarios
from hypothesis import given, settings

from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.fleet.engine import Fleet, simulate
from vpcipam.fleet.samples import ZoneSample
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.spread import SpreadConstraint, TopologySpread
from vpcipam.fleet.workload import Arrivals, CombinedWorkload, Deployment, FixedLifetime, FixedWorkload, PodRun
from vpcipam.node import Node
from vpcipam.node.interfaces import DESCRIPTION_PREFIX
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings

HEAVY = settings(max_examples=max(5, settings.default.max_examples // 10))
HARD = TopologySpread("web", (SpreadConstraint(1),))


class WatchedFleet(Fleet):
    """A fleet that checks each choice for a spread pod, and counts them."""

    choice_count = 0

    def _set_up_nodes(self):
        if self.ledger.spreads is not None:
            take_for = self._scheduler.take_for
            self._scheduler.take_for = lambda spread: self.checked(spread, take_for)
        super()._set_up_nodes()

    def recount(self, spread):
        """The pods of a spread by zone, from where each pod is."""
        homes = zip(self.ledger.homes, self.ledger.spreads, strict=True)
        return Counter(home.zone for home, each in homes if home is not None and each is not None and each.pods == spread.pods)

    def checked(self, spread, take_for):
        counts = self.recount(spread)
        domains = {member.zone for member in self.members if member.ready and not member.gone}
        member = take_for(spread)
        self.choice_count += 1
        if spread.hard is None:
            return member
        least = min((counts[zone] for zone in domains), default=0) if len(domains) >= spread.hard.min_domains else 0
        open_zones = {zone for zone in domains if counts[zone] + 1 - least <= spread.hard.max_skew}
        if member is None:
            assert not any(each.pod_count < each.room for each in self.members if each.ready and each.zone in open_zones)
        else:
            assert member.zone in open_zones
        return member

    def check(self):
        self._check()
        assert self.ec2.subnets
        zone_of = {subnet.subnet_id: subnet.availability_zone for subnet in self.ec2.subnets}
        by_instance = {member.node.instance_id: member for member in self.members}
        for eni in self.ec2.describe_network_interfaces(now_ns=0):
            # One that is not attached was created for the node that its description names.
            instance_id = eni.description.removeprefix(DESCRIPTION_PREFIX) if eni.attachment is None else eni.attachment.instance_id
            if instance_id in by_instance:
                assert zone_of[eni.subnet_id] == eni.availability_zone == by_instance[instance_id].zone
        for spread in (*SPREADS, HARD):
            if spread is not None and self.ledger.spreads is not None:
                assert self._scheduler.counts.get(spread.pods, {}) == dict(self.recount(spread))


@HEAVY
@given(scenario=zonal_scenarios())
def test_pods_keep_the_skew_and_enis_the_zone_of_their_node(scenario):
    scenario = attrs.evolve(scenario, ec2=attrs.evolve(scenario.ec2, throttle=None))
    fleet = WatchedFleet(scenario)
    fleet.check()
    for _ in fleet.run():
        fleet.check()
    result = fleet.result()
    assert list(result.zone_samples) == list(scenario.zones)
    for place, sample in enumerate(result.samples):
        for name in ZoneSample._fields:
            assert getattr(sample, name) == sum(getattr(each[place], name) for each in result.zone_samples.values())
    summary = result.summary
    came = summary.pods_running + summary.pods_waiting + summary.pods_pending + summary.pods_done + summary.pods_refused
    assert came == summary.pods == len(scenario.workload.runs)
    assert {name: subnet.zone for name, subnet in summary.subnets.items()} == {spec.name: spec.zone for spec in scenario.subnets}


@pytest.mark.thorough
@HEAVY
@given(scenario=zonal_scenarios())
def test_a_tickless_run_in_zones_equals_one_that_ticks_every_five_seconds(scenario):
    result, actions, holdings = run_whole(scenario)
    ticked_result, ticked_actions, ticked_holdings = run_whole(scenario, tickless=False)
    by_time = sorted(actions, key=lambda told: (told[0], told[1].at_ns))
    assert by_time == sorted(ticked_actions, key=lambda told: (told[0], told[1].at_ns))
    assert (holdings, result) == (ticked_holdings, ticked_result)


@pytest.mark.thorough
@HEAVY
@given(scenario=zonal_scenarios())
def test_zones_change_nothing_for_nodes_of_one_zone_whose_pods_are_not_spread(scenario):
    """The only zone is a fleet without zones, under another name."""
    specs = tuple(attrs.evolve(spec, zone="only") for spec in scenario.subnets)
    groups = tuple(attrs.evolve(group, pod_subnets=group.pod_subnets[:1]) for group in scenario.groups)
    workload = FixedWorkload(tuple(run._replace(spread=None) for run in scenario.workload.runs))
    only = simulate(attrs.evolve(scenario, subnets=specs, groups=groups, workload=workload)).to_dict()
    without = simulate(
        attrs.evolve(scenario, subnets=tuple(attrs.evolve(spec, zone=None) for spec in specs), groups=groups, workload=workload)
    ).to_dict()
    del only["zones"], only["summary"]["zones"]
    for subnet in only["summary"]["subnets"].values():
        assert subnet.pop("zone") == "only"
    for event in only["events"]:
        event["text"] = event["text"].replace(" in zone only", "")
    assert only == without


# --- fleets by hand ----------------------------------------------------------------------------------------------------------------


def zonal(workload, *groups, duration_s=600, cidrs=None, **options):
    """A fleet with one subnet in each of the zones a, b and c."""
    cidrs = {"a": "10.0.0.0/24", "b": "10.0.1.0/24", "c": "10.0.2.0/24"} | (cidrs or {})
    subnets = tuple(SubnetSpec(f"s-{zone}", cidr, zone=zone) for zone, cidr in cidrs.items())
    if not isinstance(workload, Deployment | CombinedWorkload):
        workload = FixedWorkload(tuple(workload))
    return Scenario("zonal", duration_s * S, subnets, groups, workload, ("10.0.0.0/16",), **options)


def group(name="g", zones="abc", count=3, *, minimum=None, maximum=None, variables=None, **options):
    minimum, maximum = (count if each is None else each for each in (minimum, maximum))
    subnets = tuple(f"s-{zone}" for zone in zones)
    made = Settings().with_variables(variables or {})
    return NodeGroup(name, "t3.small", count, made, subnets, minimum, maximum, max_pods=11, boot_ns=30 * S, **options)


def ended(scenario):
    """A fleet after its run."""
    fleet = WatchedFleet(scenario)
    for _ in fleet.run():
        fleet.check()
    return fleet


def notes(result):
    """The messages of the event loop."""
    return [str(event) for event in result.events if event.kind == "note"]


def pods_by_zone(fleet):
    return Counter(home.zone for home in fleet.ledger.homes if home is not None)


def test_nodes_are_spread_over_the_zones_of_their_group():
    fleet = Fleet(zonal([], group(count=7), group("one", "b", 2)))
    assert [member.zone for member in fleet.members] == [*"abcabca", *"bb"]
    subnets = {subnet.subnet_id: subnet.availability_zone for subnet in fleet.ec2.subnets}
    for member in fleet.members:
        (primary, *_) = fleet.ec2.instance_metadata(member.node.instance_id, now_ns=0)
        assert subnets[primary.subnet_id] == member.zone


def test_a_deployment_with_a_hard_constraint_is_spread_evenly():
    deployment = Deployment("web", 12, spread=(SpreadConstraint(1),))
    others = [PodRun(f"p{number}", 0, None, "g-0000") for number in range(5)]
    fleet = ended(zonal(CombinedWorkload((deployment, FixedWorkload(tuple(others)))), group()))
    assert fleet.recount(HARD) == {"a": 4, "b": 4, "c": 4}
    assert fleet.choice_count == 12


def test_a_deployment_is_spread_by_the_default_of_the_scheduler():
    def spread_of(deployment):
        # Zone a has two nodes, and so the emptiest ones for a pod that is not spread.
        fleet = ended(zonal(deployment, group(count=4), duration_s=60))
        return sorted(pods_by_zone(fleet).values())

    assert spread_of(Deployment("web", 12, spread=())) == [3, 3, 6]
    assert spread_of(Deployment("web", 12)) == [4, 4, 4]
    assert spread_of(Deployment("web", 12, spread=(SpreadConstraint(1, "ScheduleAnyway"),))) == [4, 4, 4]


def test_the_default_counts_the_pods_of_one_roll_out_and_a_constraint_those_of_all():
    default, own = (Deployment("web", 2, 60, 1, 0, 5, spread).pods(0, 100 * S) for spread in (None, (SpreadConstraint(2),)))
    assert [run.spread.pods for run in default] == ["web-0", "web-0", "web-1", "web-1"]
    assert [run.spread.pods for run in own] == ["web"] * 4
    assert {run.spread.hard for run in own} == {SpreadConstraint(2)}


def test_a_pod_within_the_skew_waits_though_another_zone_has_room():
    groups = group("a", "a", 1), group("b", "b", 1, host_network_pods=9), group("c", "c", 1)  # two pods in zone b
    deployment = Deployment("web", 12, spread=(SpreadConstraint(1),))
    fleet = ended(zonal(deployment, *groups))
    assert fleet.recount(HARD) == {"a": 3, "b": 2, "c": 3}
    result = fleet.result()
    assert (result.summary.pods_running, result.summary.pods_pending) == (8, 4)
    text = "pods of web begin to wait for a node with room in zone b: max_skew 1 allows no other zone"
    assert notes(result) == [f"00:00 fleet: {text} (4 times, the last at 00:00)"]


def constrained(*runs, max_skew, min_domains):
    spread = TopologySpread("web", (SpreadConstraint(max_skew, min_domains=min_domains),))
    return [PodRun(f"web{number}", *times, spread=spread) for number, times in enumerate(runs)]


def test_pods_that_no_zone_may_take_wait_because_of_min_domains():
    runs = constrained(*[(S, None)] * 5, max_skew=2, min_domains=3)
    result = simulate(zonal(runs, group("a", "a", 1), group("b", "b", 1)))
    assert (result.summary.pods_running, result.summary.pods_pending) == (4, 1)
    text = "fewer than min_domains 3 zones have nodes, and each of these zones is at max_skew 2"
    assert notes(result) == [f"00:00:01 fleet: pods of web begin to wait for a node in another zone: {text}"]


def test_min_domains_is_named_where_it_leaves_a_zone_without_room():
    runs = constrained(*[(S, None)] * 6, max_skew=3, min_domains=3)
    result = simulate(zonal(runs, group("a", "a", 1), group("b", "b", 1, host_network_pods=9)))
    assert (result.summary.pods_running, result.summary.pods_pending) == (5, 1)
    why = "max_skew 3 allows no other zone, since fewer than min_domains 3 zones have nodes"
    assert notes(result) == [f"00:00:01 fleet: pods of web begin to wait for a node with room in zone b: {why}"]


def test_pods_that_get_a_node_before_the_run_begins_are_not_said_to_wait():
    small = group("b", "b", 1, maximum=3, host_network_pods=9)  # two pods a node
    result = simulate(zonal(Deployment("web", 9, spread=(SpreadConstraint(1),)), group("a", "a", 1), small))
    assert (result.samples[0].nodes, result.samples[0].pods_running + result.samples[0].pods_waiting) == (3, 9)
    assert notes(result) == []


def test_with_schedule_anyway_no_pod_waits_while_a_node_has_room():
    groups = group("a", "a", 1), group("b", "b", 1, host_network_pods=9), group("c", "c", 1)
    fleet = ended(zonal(Deployment("web", 12, spread=(SpreadConstraint(1, "ScheduleAnyway"),)), *groups))
    assert pods_by_zone(fleet) == {"a": 5, "b": 2, "c": 5}


def test_a_pending_pod_does_not_keep_younger_ones_waiting_that_fit():
    # Zone b is full for the spread pods; the others fit in zone a.
    groups = group("a", "a", 1), group("b", "b", 1, host_network_pods=10)
    runs = [PodRun(f"web{number}", S + number, None, spread=HARD) for number in range(4)]
    runs += [PodRun("old", 2 * S, 20 * S), *(PodRun(f"p{number}", 3 * S, None) for number in range(7))]
    fleet = ended(zonal(runs, *groups, duration_s=60))
    assert fleet.recount(HARD) == {"a": 2, "b": 1}
    assert fleet.result().summary.pods_pending == 1  # the last of web; the place of `old` went to a younger pod
    assert fleet.result().summary.for_node.max_ns == 17 * S


def test_a_deleted_pod_lets_one_in_that_waited_for_the_skew():
    groups = group("a", "a", 1), group("b", "b", 1, host_network_pods=10)
    runs = [PodRun(f"web{number}", S + number, None, spread=HARD) for number in range(4)]
    runs[0] = PodRun("web0", S, 30 * S, spread=HARD)
    fleet = ended(zonal(runs, *groups, duration_s=60))
    assert fleet.recount(HARD) == {"a": 2, "b": 1}
    assert fleet.result().summary.pods_pending == 0


def test_a_pod_that_is_deleted_without_an_address_leaves_its_zone():
    # A t3.small has three addresses until its first tick, at 5 s.
    runs = [PodRun(f"web{number}", S, 2 * S if number == 3 else None, spread=HARD) for number in range(4)]
    fleet = ended(zonal(runs, group("a", "a", 1), duration_s=4))
    assert fleet.refused_count == 1
    assert fleet._scheduler.counts == {"web": {"a": 3}}


def test_a_pod_whose_deletion_is_postponed_leaves_its_zone_then():
    runs = [PodRun(f"web{number}", S, 3 * S, runs_fully=True, spread=HARD) for number in range(4)]
    fleet = ended(zonal(runs, group("a", "a", 1), duration_s=60))
    assert (fleet.result().summary.pods_done, fleet._scheduler.counts) == (4, {})


@pytest.mark.parametrize("deleted_s", [10, 200])
def test_a_pod_that_is_deleted_while_pending_is_forgotten(deleted_s):
    groups = (group("a", "a", 1), group("b", "b", 1, host_network_pods=10))
    runs = [PodRun(f"web{number}", S + number, deleted_s * S if number == 3 else None, spread=HARD) for number in range(4)]
    runs += [PodRun("other", 2 * S, 100 * S)]
    runs += [PodRun("late", 3 * S, 150 * S, spread=TopologySpread("late", (SpreadConstraint(1),)))]
    fleet = ended(zonal(runs, *groups, duration_s=300))
    assert (fleet.refused_count, fleet.pending_count) == (1, 0)


# --- ENIs and subnets --------------------------------------------------------------------------------------------------------------


def test_nodes_whose_zone_has_no_address_left_do_not_borrow_from_another():
    deployment = Deployment("web", 24, spread=(SpreadConstraint(1),))
    fleet = ended(zonal(deployment, group(), cidrs={"c": "10.0.2.0/28"}))
    result = fleet.result()
    assert fleet.recount(HARD) == {"a": 8, "b": 8, "c": 8}
    assert {zone: samples[-1].pods_waiting for zone, samples in result.zone_samples.items()} == {"a": 0, "b": 0, "c": 2}
    assert result.summary.zones["c"].pods_waiting_peak == 2
    assert result.summary.subnets["s-c"].free_least < 5
    assert result.summary.subnets["s-a"].free_least > 200


def test_a_node_discovers_subnets_of_its_zone_only():
    ec2 = Ec2Model()
    vpc = ec2.create_vpc("10.0.0.0/16")
    own = ec2.create_subnet(vpc.vpc_id, "10.0.0.0/28", availability_zone="a")
    role = (("kubernetes.io/role/cni", "1"),)
    other = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24", availability_zone="b", tags=role)
    node = Node("m5.large", Settings(), ec2, subnet_id=own.subnet_id)
    node.start(0)
    for now_s in range(5, 300, 5):
        node.tick(now_s * S)
    assert ec2.subnet_space(other.subnet_id).taken == 0
    same = ec2.create_subnet(vpc.vpc_id, "10.0.2.0/24", availability_zone="a", tags=role)
    for number in range(node.stats(300 * S).available_count):
        node.assign(SandboxKey("aws-cni", f"pod-{number}", "eth0"), 300 * S)
    for now_s in range(300, 900, 5):
        node.tick(now_s * S)
    assert ec2.subnet_space(same.subnet_id).taken > 0
    assert ec2.subnet_space(other.subnet_id).taken == 0


def test_custom_networking_takes_the_subnet_of_the_zone():
    scenario = zonal([PodRun(f"p{number}", 0, None) for number in range(6)], group(variables=CUSTOM_NETWORKING))
    pods = tuple(SubnetSpec(f"pods-{zone}", f"10.0.{16 + place}.0/24", zone=zone) for place, zone in enumerate("abc"))
    groups = (attrs.evolve(scenario.groups[0], pod_subnets=("pods-c", "pods-a", "pods-b")),)
    fleet = ended(attrs.evolve(scenario, subnets=(*scenario.subnets, *pods), groups=groups))
    peaks = {name: subnet.taken_peak for name, subnet in fleet.result().summary.subnets.items()}
    assert {peaks[f"s-{zone}"] for zone in "abc"} == {1}
    assert len({peaks[f"pods-{zone}"] for zone in "abc"}) == 1
    assert min(peaks.values()) == 1


# --- nodes that come and go --------------------------------------------------------------------------------------------------------


def test_the_autoscaler_launches_in_the_zone_that_a_spread_pod_needs():
    groups = [group(zone, zone, 1, maximum=4) for zone in "abc"]
    fleet = ended(zonal(Deployment("web", 60, spread=(SpreadConstraint(1),)), *groups))
    assert Counter(member.zone for member in fleet.members) == {"a": 3, "b": 3, "c": 3}
    assert fleet.recount(HARD) == {"a": 20, "b": 20, "c": 20}


def test_a_group_with_all_zones_launches_by_balance_until_the_zone_that_pods_need_has_a_node():
    # The pods need a second node in c. The group has a node in each zone, so it launches in a and in b before.
    scenario = zonal(
        [PodRun(f"web{number}", 10 * S, None, spread=HARD) for number in range(30)], group(count=3, maximum=9), group("more", "ab", 4)
    )
    fleet = ended(scenario)
    assert fleet.recount(HARD) == {"a": 10, "b": 10, "c": 10}
    assert [member.zone for member in fleet.members] == [*"abc", *"abab", *"ab", "c"]
    assert fleet.result().summary.pods_running == 30


def test_a_zone_whose_subnet_is_full_is_passed_over_by_a_launch():
    scenario = zonal([PodRun(f"p{number}", S, None) for number in range(81)], group(count=3, maximum=9), cidrs={"a": "10.0.0.0/28"})
    fleet = ended(attrs.evolve(scenario, subnets=(attrs.evolve(scenario.subnets[0], occupied_share=0.5), *scenario.subnets[1:])))
    zones = Counter(member.zone for member in fleet.members)
    assert zones.total() == 9
    assert zones["a"] < 3 < zones["b"] <= zones["c"] + 1
    (note,) = notes(fleet.result())
    assert note.startswith(
        "00:00:01 g: EC2 launches no node in zone a: RunInstances: InsufficientFreeAddressesInSubnet: subnet s-a has no "
    )


def test_a_throttled_launch_is_not_tried_in_the_other_zones():
    throttle = Throttle(actions={"RunInstances": TokenBucket(1, 1, 50 * S)})
    runs = [PodRun(f"p{number}", S, None) for number in range(18)]
    result = simulate(zonal(runs, group(count=0, maximum=2), ec2=Ec2Behaviour(None, throttle), duration_s=200))
    assert (result.summary.calls["RunInstances"], result.summary.throttled) == (3, {"RunInstances": 1})
    assert result.summary.pods_running == 18


def test_a_pod_that_waits_while_no_node_has_room_does_not_blame_the_skew():
    result = simulate(zonal(Deployment("web", 40, spread=(SpreadConstraint(1),)), group()))
    assert result.summary.pods_pending == 40 - 27
    assert [event.kind for event in result.events if event.kind == "note"] == []


def test_pods_of_one_instant_call_the_autoscaler_together():
    groups = [group(zone, zone, 0, maximum=3) for zone in "abc"]
    workload = [
        PodRun(f"web{number:02d}", 10 * S, None, spread=TopologySpread("web", (SpreadConstraint(1, min_domains=3),)))
        for number in range(27)
    ]
    fleet = ended(zonal(workload, *groups))
    assert Counter(member.zone for member in fleet.members) == {"a": 1, "b": 1, "c": 1}
    assert fleet.recount(HARD) == {"a": 9, "b": 9, "c": 9}
    assert fleet.result().summary.for_node.max_ns == 30 * S


def test_an_empty_node_goes_and_its_zone_is_no_domain_then():
    groups = [group("a", "a", 1), group("b", "b", 1, minimum=0, scale_down_after_ns=60 * S)]
    runs = [PodRun("first", S, 20 * S, spread=HARD), *(PodRun(f"web{number}", 200 * S, None, spread=HARD) for number in range(3))]
    fleet = ended(zonal(runs, *groups))
    assert [member.gone for member in fleet.members] == [False, True]
    assert fleet.recount(HARD) == {"a": 3}
    assert fleet.result().summary.zones["b"].nodes_peak == 1


def test_a_fleet_in_zones_without_spread_pods_uses_the_plain_scheduler():
    arrivals = Arrivals("batch", 600, FixedLifetime(300))
    fleet = Fleet(attrs.evolve(zonal([], group()), workload=arrivals))
    assert fleet.ledger.spreads is None
    assert type(fleet._scheduler).__name__ == "Scheduler"


def test_pods_bound_by_name_are_not_spread():
    runs = [PodRun(f"web{number}", S, None, "g-0000", spread=HARD) for number in range(3)]
    fleet = ended(zonal([*runs, PodRun("free", 2 * S, None, spread=HARD)], group()))
    assert pods_by_zone(fleet)["a"] >= 3


# --- results -----------------------------------------------------------------------------------------------------------------------


def test_the_result_has_a_table_and_a_summary_of_zones():
    result = simulate(zonal(Deployment("web", 12, spread=(SpreadConstraint(1),)), group(), duration_s=120))
    table = result.tables()["zones"]
    assert list(table) == ["time_ns", "zone", *ZoneSample._fields]
    assert table["zone"] == [*"aaa", *"bbb", *"ccc"]
    assert table["pods_running"] == [4] * 9
    document = result.to_dict()
    assert document["summary"]["zones"]["a"]["pods_running_peak"] == 4
    assert document["summary"]["subnets"]["s-b"]["zone"] == "b"
    assert document["zones"] == table


def test_a_result_without_zones_does_not_mention_them():
    scenario = zonal(Deployment("web", 12), group(), duration_s=120)
    result = simulate(attrs.evolve(scenario, subnets=tuple(attrs.evolve(spec, zone=None) for spec in scenario.subnets)))
    assert "zone" not in result.to_json()
    assert "zones" not in result.tables()
