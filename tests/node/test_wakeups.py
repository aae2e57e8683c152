"""A node that ticks only when something is to be done does the same, at the same instants, as one that ticks at every point of its grid.

A busy node, whose calls take time, does nothing at any tick until they end. An IPv6 node only looks for its trunk.
"""

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.latency import Latencies, Latency
from vpcipam.errors import PoolExhausted
from vpcipam.limits import InstanceLimits
from vpcipam.sandbox import SandboxKey

S = 1_000_000_000
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}
SLOW = Conditions(
    latencies=Latencies({"CreateNetworkInterface": Latency.fixed(3 * S)}, non_mutating=Latency.fixed(S // 2), mutating=Latency.fixed(S))
)
PROGRAMS = st.lists(
    st.tuples(
        st.sampled_from([1, 4, 5, 6, 30, 61, 125]),  # seconds to the next event
        st.sampled_from(["assign", "assign", "unassign", "cordon", "uncordon", "fill", "empty", "foreign", "take", "trunk", "reconcile"]),
        st.integers(1, 9),
    ),
    max_size=12,
)
VARIABLES = st.fixed_dictionaries(
    {
        "WARM_ENI_TARGET": st.sampled_from("0123"),
        "WARM_IP_TARGET": st.sampled_from(["0", "0", "1", "2", "5", "17"]),
        "MINIMUM_IP_TARGET": st.sampled_from(["0", "0", "1", "2", "4", "20"]),
        "WARM_PREFIX_TARGET": st.sampled_from(["00", "1", "2"]),  # "00" is 0 to ipamd, and passes the entry point
        "IP_COOLDOWN_PERIOD": st.sampled_from(["0", "7", "30"]),
        "ENABLE_PREFIX_DELEGATION": st.sampled_from(["true", "false"]),
        "ENABLE_MULTI_NIC": st.sampled_from(["true", "false"]),
        "ENABLE_POD_ENI": st.sampled_from(["false", "false", "true"]),
    }
)
CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))


class Runner:
    """A node that runs one program and ticks in one of two ways."""

    def __init__(self, world, instance_type, variables, cidr, *, every_tick, include_reconcile, conditions):
        self.here = world(instance_type, variables, cidr=cidr, ipv6=variables.get("ENABLE_IPv6") == "true", conditions=conditions)
        self.every_tick, self.include_reconcile = every_tick, include_reconcile
        self.log, self.told = [], []
        self.pods = []
        self.count = 0
        for at_ns in range(0, self.here.node.ready_ns, S):  # while the calls of the start are under way
            assert self.here.node.tick(at_ns) == ()
            self.reconcile_while_busy(at_ns)
        self.here.now_ns = self.here.node.ready_ns

    def run_until(self, until_ns):
        """Tick up to a time, exclusive: what happens at that time precedes the tick."""
        here = self.here
        while (next_ns := self.next_tick_ns()) is not None and next_ns < until_ns:
            here.now_ns = next_ns
            self.told += here.node.tick(next_ns)
            busy_ns = here.node.busy_until(next_ns)
            if busy_ns is not None:
                assert here.node.next_tick(next_ns) == busy_ns + 5 * S
        here.now_ns = until_ns - 1

    def next_tick_ns(self):
        """The next wakeup; or the next tick, and each second while the node is busy, besides the end of its calls."""
        here = self.here
        wakeup_ns = here.node.next_wakeup(here.now_ns, include_reconcile=self.include_reconcile)
        if not self.every_tick:
            return wakeup_ns
        busy_ns = here.node.busy_until(here.now_ns) or 0
        extra = {here.now_ns + S} if here.now_ns + S < busy_ns else {wakeup_ns} if busy_ns and wakeup_ns == busy_ns else set()
        return min({here.node.next_tick(here.now_ns), *extra})

    def reconcile_while_busy(self, now_ns):
        calls = len(self.here.ec2.log)
        assert self.here.node.reconcile(now_ns) == ()
        assert len(self.here.ec2.log) == calls

    def calls(self):
        """The calls that are not free, with their times."""
        times = [(action, arguments.get("now_ns")) for action, _, arguments in self.here.ec2.arguments]
        return [each for each in times if each[0] != "InstanceMetadata"]

    def event(self, kind, count):
        getattr(self, kind)(count)

    def assign(self, count):
        for _ in range(count):
            self.count += 1
            try:
                self.log.append((self.here.now_ns, self.here.assign(f"p{self.count}")[0].address))
            except PoolExhausted:
                self.log.append("full")
            else:
                self.pods.append(f"p{self.count}")

    def unassign(self, count):
        for name in self.pods[:count]:
            if self.here.node.datastores[0].assignment_of(SandboxKey("aws-cni", name, "eth0")):  # else it was evicted
                self.here.unassign(name)
        del self.pods[:count]

    def cordon(self, _count):
        self.here.node.cordoned = True

    def uncordon(self, _count):
        self.here.node.cordoned = False

    def fill(self, count):
        self.here.fill_subnet(count)

    def empty(self, _count):
        self.here.empty_subnets()

    def take(self, _count):
        enis = [eni for eni in self.here.attached().values() if eni.attachment.device_index]
        if enis and self.include_reconcile:
            self.here.take_away(enis[0].eni_id)

    def reconcile(self, _count):
        if self.here.node.busy_until(self.here.now_ns) is not None:
            self.reconcile_while_busy(self.here.now_ns)
        elif self.include_reconcile:
            self.told += self.here.node.reconcile(self.here.now_ns)

    def trunk(self, _count):
        attached = self.here.attached().values()
        if not any(eni.interface_type == "trunk" for eni in attached) and self.has_room:
            self.here.foreign_eni(interface_type="trunk", tags=self.here.own_tags())

    @property
    def has_room(self):
        return self.include_reconcile and len(self.here.attached()) < self.here.node.limits.eni_limit and self.here.free()

    def foreign(self, _count):
        if self.has_room:
            self.here.foreign_eni()

    def run(self, program):
        for seconds, kind, count in program:
            self.run_until(self.here.now_ns + seconds * S)
            self.event(kind, count)
        self.run_until(self.here.now_ns + 400 * S)
        self.here.check()
        datastores = self.here.node.datastores
        return [
            (datastore.network_card, eni_id, datastore.cidrs(eni_id), list(datastore.assignments()))
            for datastore in datastores
            for eni_id in datastore.eni_ids
        ]


def check_agreement(world, instance_type, variables, cidr, program, *, include_reconcile=True, conditions=None):
    always, told = (
        Runner(world, instance_type, variables, cidr, every_tick=every_tick, include_reconcile=include_reconcile, conditions=conditions)
        for every_tick in (True, False)
    )
    assert always.run(program) == told.run(program)
    assert (always.log, always.told) == (told.log, told.told)
    if include_reconcile:
        assert always.calls() == told.calls()


TYPES = st.sampled_from(["t3.nano", "t3.small", "m5.large", "m1.small", CARDS])
NITRO_TYPES = st.sampled_from(["t3.small", "m5.large", CARDS])
CIDRS = st.integers(24, 28).map(lambda size: f"10.0.0.0/{size}")


@pytest.mark.parametrize("include_reconcile", [True, False])
@given(instance_type=TYPES, variables=VARIABLES, cidr=CIDRS, program=PROGRAMS)
def test_ticking_only_at_wakeups_equals_ticking_every_five_seconds(world, include_reconcile, instance_type, variables, cidr, program):  # noqa: PLR0917 - fixtures and the columns of a table
    check_agreement(world, instance_type, variables, cidr, program, include_reconcile=include_reconcile)


@given(instance_type=TYPES, variables=VARIABLES, cidr=CIDRS, program=PROGRAMS)
def test_a_busy_node_does_nothing_until_its_calls_end(world, instance_type, variables, cidr, program):
    check_agreement(world, instance_type, variables, cidr, program, conditions=SLOW)


@given(instance_type=NITRO_TYPES, variables=VARIABLES, program=PROGRAMS, conditions=st.sampled_from([None, SLOW]))
@example("m5.large", {"ENABLE_POD_ENI": "true"}, [(6, "trunk", 1), (4, "assign", 2)], None)
@example("m5.large", {"ENABLE_POD_ENI": "true"}, [(4, "assign", 2), (61, "trunk", 1)], SLOW)
def test_an_ipv6_node_that_ticks_only_at_wakeups_finds_its_trunk_at_the_same_tick(world, instance_type, variables, program, conditions):
    check_agreement(world, instance_type, variables | IPV6, "10.0.0.0/24", program, conditions=conditions)


@pytest.mark.parametrize("due_s", range(6))
def test_a_clean_up_that_falls_due_while_a_node_is_busy_waits_until_its_calls_end(world, due_s):
    here = world("t3.small", conditions=SLOW)
    here.now_ns = here.node.ready_ns
    here.pods(3)
    here.now_ns = here.node.next_tick(here.now_ns)
    assert here.tick() == ()
    busy_ns = here.node.busy_until(here.now_ns)
    here.node._loop.pace.cleanup_ns = here.now_ns + due_s * S
    here.ec2.log.clear()
    while here.now_ns + S < busy_ns:
        here.now_ns += S
        assert here.tick() == ()
        assert here.ec2.log == []
    here.now_ns = busy_ns
    here.tick()
    assert here.ec2.log == ["DescribeNetworkInterfaces"]
