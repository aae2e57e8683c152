"""A node whose calls to EC2 take time: when it has which addresses, and when it ticks."""

import threading
from concurrent.futures import ThreadPoolExecutor

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcipam.action import Action, ActionKind
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.latency import Latencies, Latency
from vpcipam.errors import NodeError, PoolExhausted
from vpcipam.events import CidrAdded
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.limits import InstanceLimits
from vpcipam.node.pace import Pace

S = 1_000_000_000
CREATE_AND_ATTACH_S = 1 + 3 + 1 + 4 + 1 + 1  # at the end, the subnet's tags
SLOW = Conditions(
    latencies=Latencies(
        {"CreateNetworkInterface": Latency.fixed(3 * S), "AttachNetworkInterface": Latency.fixed(4 * S)},
        non_mutating=Latency.fixed(S),
        mutating=Latency.fixed(S),
    )
)


@pytest.fixture
def slow(world):
    """A started t3.small whose first ENI is full of pods, so that the next tick creates an ENI."""
    here = world("t3.small", conditions=SLOW)
    here.now_ns = here.node.busy_until(0)
    here.pods(3)
    return here


def test_a_start_takes_as_long_as_its_calls(world):
    here = world("t3.small", conditions=SLOW)
    ready_ns = here.node.busy_until(0)
    assert ready_ns == 5 * S  # what is attached, tags, subnets, security groups, slots; launching it was others' business
    with pytest.raises(NodeError, match=r"is starting; it is ready in 5 s$"):
        here.assign("a")
    with pytest.raises(NodeError, match=r"is ready in 1 s$"):
        here.node.unassign(None, 4 * S)
    here.now_ns = ready_ns
    assert here.node.busy_until(ready_ns) is None
    assert here.assign("a")
    assert here.node.next_wakeup(0) == ready_ns + 5 * S


def test_an_eni_is_added_when_the_answer_of_ec2_arrives(slow, kinds):
    begin_ns = slow.now_ns + 5 * S
    end_ns = begin_ns + CREATE_AND_ATTACH_S * S
    assert slow.node.tick(begin_ns) == ()
    assert len(slow.attached()) == 2
    assert slow.node.busy_until(begin_ns) == end_ns
    assert slow.node.stats(end_ns - 1).total_count == 3
    slow.now_ns = end_ns - 1
    with pytest.raises(PoolExhausted):
        slow.assign("late")
    slow.now_ns = end_ns
    (address,) = slow.assign("late")
    assert address.device_number == 1
    (action,) = slow.node.tick(end_ns)
    assert kinds([action]) == [("create-eni", True)]
    assert action.at_ns == end_ns
    assert slow.node.tick(end_ns) == ()
    slow.check_agreement()


def test_a_busy_node_wakes_when_its_calls_end_and_again_five_seconds_later(slow):
    begin_ns = slow.now_ns + 5 * S
    end_ns = begin_ns + CREATE_AND_ATTACH_S * S
    slow.node.tick(begin_ns)
    calls = len(slow.ec2.log)
    assert slow.node.next_wakeup(begin_ns) == end_ns
    assert slow.node.tick(begin_ns + 5 * S) == slow.node.reconcile(begin_ns + 5 * S) == ()
    assert len(slow.ec2.log) == calls
    assert len(slow.node.tick(end_ns)) == 1
    slow.now_ns = end_ns
    slow.assign("x", "y")
    assert slow.node.next_wakeup(end_ns) == end_ns + 5 * S
    assert slow.node.tick(end_ns + 5 * S - 1) == ()
    assert len(slow.ec2.log) == calls
    slow.node.tick(end_ns + 5 * S)
    assert len(slow.ec2.log) > calls


def test_actions_that_an_assign_has_settled_are_reported_by_the_next_tick(slow, kinds):
    slow.tick(slow.now_ns // S + 5)
    slow.now_ns = slow.node.busy_until(slow.now_ns) + S
    assert slow.assign("a")
    assert kinds(slow.tick()) == [("create-eni", True)]


def test_a_refusal_is_reported_when_it_arrives(slow, kinds):
    begin_s = slow.now_ns // S + 5
    slow.ec2.refuse("CreateNetworkInterface", "InsufficientFreeAddressesInSubnet")
    assert slow.tick(begin_s) == ()
    end_ns = slow.node.next_wakeup(slow.now_ns)
    (action,) = slow.node.tick(end_ns)
    assert kinds([action]) == [("create-eni", False)]
    assert action.at_ns == end_ns
    assert slow.node.tick(end_ns + 120 * S - 1) == ()  # the pause counts from the answer
    assert slow.node.next_wakeup(end_ns, include_reconcile=False) == end_ns + 120 * S


def test_an_eni_gives_no_addresses_once_its_freeing_begins(world, kinds):
    here = world("t3.small", {"WARM_IP_TARGET": "4"}, conditions=SLOW)
    here.now_ns = here.node.busy_until(0)
    actions = []
    while here.node.stats(here.now_ns).total_count < 4:
        here.now_ns = here.node.next_wakeup(here.now_ns)
        actions += here.tick()
    here.change_settings({"WARM_IP_TARGET": "1"})
    while ("free-eni", True) not in kinds(actions):
        here.now_ns = here.node.next_wakeup(here.now_ns)
        actions += here.tick()
        assert len(here.attached()) == len(here.node.datastores[0].eni_ids)
    freed = next(action for action in actions if action.kind == "free-eni")
    assert freed.at_ns == here.now_ns


def test_an_eni_is_deleted_2_s_after_its_detach_has_ended(slow):
    def tick_until(reached):
        while not reached():
            slow.now_ns = slow.node.next_wakeup(slow.now_ns)
            slow.tick()

    tick_until(lambda: len(slow.node.datastores[0].eni_ids) == 2)
    slow.change_settings({"WARM_ENI_TARGET": "0"})
    tick_until(lambda: "DeleteNetworkInterface" in slow.ec2.log)
    at_ns = {action: arguments["now_ns"] for action, _, arguments in slow.ec2.arguments if "now_ns" in arguments}
    assert at_ns["DeleteNetworkInterface"] - at_ns["DetachNetworkInterface"] == (1 + 2) * S  # the call to detach takes a second


def test_a_reconcile_that_calls_ec2_keeps_the_node_busy(world, kinds):
    here = world("t3.small", conditions=SLOW)
    here.now_ns = here.node.busy_until(0)
    here.foreign_eni(tags=here.own_tags(), ips=1)
    assert kinds(here.node.reconcile(here.now_ns)) == [("adopt-eni", True)]
    assert here.node.busy_until(here.now_ns) == here.now_ns + 2 * S
    assert here.node.next_wakeup(here.now_ns, include_reconcile=False) in (None, here.now_ns + 7 * S)


def test_metadata_is_read_until_it_shows_the_new_eni(world, kinds):
    here = world("t3.small", conditions=Conditions(metadata_lag_ns=7 * S))
    here.now_ns = 10 * S
    here.pods(3)
    assert here.tick(15) == ()
    reads = here.ec2.log.count("InstanceMetadata")
    assert reads > 3
    end_ns = here.node.busy_until(here.now_ns)
    assert 22 * S <= end_ns <= 15 * S + 2 * 7 * S * 115 // 100
    assert kinds(here.node.tick(end_ns)) == [("create-eni", True)]


def test_an_eni_that_metadata_always_shows_with_fewer_addresses_is_added_with_those(world):
    here = world("t3.small", conditions=Conditions())
    here.pods(3)
    here.ec2.metadata = lambda enis: tuple(attrs.evolve(eni, secondary_ips=eni.secondary_ips[:2]) for eni in enis)
    here.tick(5)
    assert here.ec2.log.count("InstanceMetadata") == 12
    here.now_ns = here.node.busy_until(here.now_ns)
    (action, *_) = here.tick()
    assert action.grew
    assert len(action.cidrs) == 2


@pytest.mark.parametrize("shown", [lambda enis: enis[:1], lambda enis: tuple(attrs.evolve(eni, secondary_ips=()) for eni in enis)])
def test_an_eni_that_metadata_never_shows_is_left_to_a_reconcile(world, kinds, shown):
    here = world("t3.small", conditions=Conditions())
    here.pods(3)
    here.ec2.metadata = shown
    here.tick(5)
    here.now_ns = here.node.busy_until(here.now_ns)
    refused, *compared = here.tick()
    assert refused.error.startswith("the metadata of ")
    here.ec2.metadata = None
    here.now_ns += 1
    compared += here.node.reconcile(here.now_ns)
    assert kinds(compared) == [("adopt-eni", True)]
    here.check_agreement()


def test_a_refused_read_of_the_metadata_is_repeated(world, kinds):
    here = world("t3.small", conditions=Conditions())
    here.pods(3)
    here.ec2.refuse("InstanceMetadata", times=3)
    here.tick(5)
    here.now_ns = here.node.busy_until(here.now_ns)
    assert kinds(here.tick()) == [("create-eni", True)]


def test_a_start_waits_until_ec2_shows_the_instance(world):
    here = world("t3.small", conditions=Conditions(describe_lag_ns=4 * S))
    assert 4 * S <= here.node.busy_until(0) < 10 * S


def test_throttled_calls_keep_a_node_busy_and_are_retried(world, kinds):
    here = world("t3.small", conditions=Conditions())
    here.pods(3)
    here.ec2.refuse("CreateNetworkInterface", "RequestLimitExceeded", times=3)
    assert here.tick(5) == ()
    assert here.ec2.log.count("CreateNetworkInterface") == 4
    end_ns = here.node.busy_until(5 * S)
    assert 5 * S < end_ns <= (5 + 1 + 2 + 4) * S
    assert kinds(here.node.tick(end_ns)) == [("create-eni", True)]


@given(seed=st.integers(0, 1000), pods=st.integers(0, 9))
@settings(settings(), max_examples=max(50, settings().max_examples // 10))  # each example is two nodes' five minutes
def test_a_node_reaches_the_same_pool_however_long_calls_take(world, seed, pods):
    def settled(conditions):
        here = world("t3.small", {"WARM_IP_TARGET": "2"}, conditions=conditions)
        here.now_ns = here.node.busy_until(0) or 0
        for number in range(pods):
            for _ in range(100):
                try:
                    here.assign(f"p{number}")
                    break
                except PoolExhausted:
                    here.now_ns = here.node.next_wakeup(here.now_ns)
                    here.tick()
        end_ns = here.now_ns + 300 * S
        while (wakeup_ns := here.node.next_wakeup(here.now_ns)) < end_ns:
            here.now_ns = wakeup_ns
            here.tick()
        here.check_agreement()
        return here.node.stats(end_ns)

    assert settled(Conditions.typical(seed)) == settled(None)


def test_a_node_whose_every_call_is_refused_still_reconciles(world, kinds):
    # Its calls take time, so it is busy after every tick; the reconcile follows when they end.
    here = world("t3.small", conditions=SLOW)
    here.now_ns = here.node.busy_until(0)
    here.pods(3)
    here.foreign_eni(tags=here.own_tags(), ips=1)
    here.foreign_eni(tags=here.own_tags(), ips=1)
    actions = []
    while here.now_ns < 90 * S:
        here.now_ns = here.node.next_wakeup(here.now_ns)
        actions += here.tick()
    assert ("create-eni", False) in kinds(actions)
    assert kinds(actions).count(("adopt-eni", True)) == 2
    here.check_agreement()


def test_reading_stats_in_a_callback_keeps_the_order_of_events(world):
    seen, looks = [], []

    def look(event):
        seen.append(event)
        if looks:
            here.node.stats(looks[0])
            here.node.stats(looks[0], network_card=1)

    limits = InstanceLimits(instance_type="cards.test", eni_limit=1, ipv4_per_eni=6, network_cards=(1, 1))
    here = world(limits, {"ENABLE_MULTI_NIC": "true", "WARM_IP_TARGET": "1"}, conditions=SLOW, on_event=look)
    here.now_ns = here.node.busy_until(0)
    here.settle()
    for card in (0, 1):
        while here.node.stats(here.now_ns, card).available_count:
            here.assign(f"p{len(seen)}", network_card=card)
    seen.clear()
    here.tick(here.now_ns // S + 5)
    looks.append(here.node.busy_until(here.now_ns))
    here.now_ns = looks[0]
    told = here.node.tick(here.now_ns)
    assert [action.network_card for action in told] == [0, 1]
    assert [event.network_card for event in seen if isinstance(event, CidrAdded)] == [0, 1]
    here.check_agreement()


def test_gone_sandboxes_are_released_once_a_restore_has_read_what_is_attached(world):
    journal = MemoryJournal()
    here = world("t3.small", conditions=SLOW, journals=[journal])
    here.now_ns = here.node.busy_until(0)
    here.pods(1)
    here.restart({}, journals=[journal])
    here.node.restore(here.now_ns, gone=[entry.key for entry in journal.assigned])
    (cooling,) = journal.cooling
    assert here.now_ns < cooling.released_ns <= here.node.ready_ns


def test_stats_do_not_wait_for_a_thread_in_the_control_loop(slow):
    slow.tick(slow.now_ns // S + 5)
    end_ns = slow.node.busy_until(slow.now_ns)
    held, go = threading.Event(), threading.Event()

    def hold():
        with slow.node._lock:
            held.set()
            return go.wait(30)

    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(hold)
        assert held.wait(30)
        try:
            assert threads.submit(slow.node.stats, end_ns).result(5).total_count == 3
        finally:
            go.set()
        assert holding.result(30)
        assert threads.submit(slow.node.stats, end_ns).result(30).total_count > 3
    assert [action.kind.value for action in slow.node.tick(end_ns)] == ["create-eni"]


@given(
    anchor_ns=st.integers(0, 30).map(lambda each: each * S),
    actions=st.lists(st.tuples(st.sampled_from(ActionKind), st.integers(0, 60 * S)), max_size=2),
    cleanup_ns=st.none() | st.integers(0, 100 * S),
    after_ns=st.integers(0, 100 * S),
)
def test_the_next_comparison_and_clean_up_are_at_the_first_ticks_at_which_they_are_due(anchor_ns, actions, cleanup_ns, after_ns):
    pace = Pace(anchor_ns=anchor_ns, cleanup_ns=cleanup_ns)
    for kind, at_ns in actions:
        pace.note(Action(at_ns, kind, 0, None, (), ""))
    ticks = [anchor_ns + number * 5 * S for number in range(1, 60)]
    later = [tick_ns for tick_ns in ticks if tick_ns > after_ns]
    assert pace.next_tick(after_ns) == later[0]
    assert pace.next_reconcile(after_ns) == next(tick_ns for tick_ns in later if tick_ns >= pace.reconcile_due_ns)
    assert pace.next_cleanup(after_ns) == next(
        (tick_ns for tick_ns in later if pace.cleanup_ns is not None and tick_ns >= pace.cleanup_ns), None
    )
