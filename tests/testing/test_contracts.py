"""The contract checker: each promise kept, and each broken."""

import ipaddress

import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam import Datastore, PoolStats, SandboxKey
from vpcipam.address import AddressMode
from vpcipam.contracts import (
    AssignDenied,
    AssignReturned,
    ContractChecker,
    Crashed,
    EniAttached,
    EniDetached,
    EniLimits,
    Promise,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignReturned,
    address_of,
    contract_events,
    first_violation,
)
from vpcipam.errors import InvalidAddress, InvalidArgument, PoolExhausted
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.limits import instance_limits
from vpcipam.pool import AddressPool

A, B = "10.0.0.1", "10.0.0.2"
LIMITS = EniLimits((2, 1), 2)
GIVEN_BACK = [AssignReturned(0, "a", A), UnassignReturned(0, "a")]


def broken(*events, **options):
    violation = first_violation(events, **({"cooldown_ns": 30, "limits": LIMITS} | options))
    return None if violation is None else violation.promise


FORMS = [0x0A000001, A, "10.0.0.1/32", address_of(A), AssignReturned(0, "a", A)]
FORMS += [ipaddress.ip_interface("10.0.0.1/24"), ipaddress.ip_network("10.0.0.1/32")]


@pytest.mark.parametrize("value", FORMS)
def test_an_address_is_read_in_every_form(value):
    assert str(address_of(value)) == A


def test_a_small_number_can_be_an_ipv6_address():
    assert str(address_of(1, 6)) == "::1"
    assert str(address_of(A, 6)) == A


@pytest.mark.parametrize(
    "value", [None, "nonsense", "10.0.0.0/31", "10.0.0.1/24", -1, True, 1.5, b"1234", ipaddress.ip_network("10.0.0.0/31")]
)
def test_what_is_no_address_is_refused(value):
    with pytest.raises(InvalidAddress, match="it must be a number, a text such as"):
        address_of(value)


@pytest.mark.parametrize(
    ("events", "promise"),
    [
        ([AssignReturned(0, "a", A), AssignReturned(0, "b", B), AssignReturned(5, "a", A)], None),
        ([AssignReturned(0, "a", A), AssignReturned(0, "b", A)], Promise.ONE_HOLDER),
        ([AssignReturned(0, "a", A), AssignReturned(0, "a", B)], Promise.DURABILITY),
        ([AssignReturned(0, "a", A), UnassignReturned(1, "a"), AssignReturned(30, "b", A)], Promise.COOLDOWN),
        ([AssignReturned(0, "a", A), UnassignReturned(1, "a"), AssignReturned(31, "b", A)], None),
        ([UnassignReturned(0, "a"), AssignReturned(0, "a", A)], None),
        # a second release changes nothing
        ([AssignReturned(0, "a", A), UnassignReturned(1, "a"), UnassignReturned(20, "a"), AssignReturned(31, "b", A)], None),
        # leaks
        ([AssignReturned(0, "a", A), UnassignReturned(0, "a"), AssignDenied(60, "b")], None),
        ([AssignReturned(0, "a", A), UnassignReturned(0, "a"), AssignDenied(61, "b")], Promise.NO_LEAK),
        ([AssignReturned(0, "b", B), AssignReturned(0, "a", A), UnassignReturned(0, "a"), AssignDenied(61, "b")], None),
        # ranges
        ([RangeAdded(0, "eni-0", "10.0.0.0/31"), AssignReturned(0, "a", A)], None),
        ([RangeAdded(0, "eni-0", "10.0.0.0/31"), AssignReturned(0, "a", B)], Promise.OWN_RANGE),
        ([RangeAdded(0, "eni-0", "10.0.0.0/31"), RangeAdded(0, "eni-1", "10.0.0.0/30")], Promise.ONE_HOLDER),
        ([RangeAdded(0, "eni-0", "10.0.0.0/31"), RangeAdded(0, "eni-1", "2001:db8::/80")], None),
        ([RangeAdded(0, "eni-0", "10.0.0.0/31"), RangeRemoved(0, "10.0.0.0/31"), AssignReturned(0, "a", A)], Promise.OWN_RANGE),
        # limits
        ([EniAttached(0, "eni-0"), EniAttached(0, "eni-1"), EniAttached(0, "eni-2", 1)], None),
        ([EniAttached(0, "eni-0"), EniAttached(0, "eni-1"), EniAttached(0, "eni-2")], Promise.LIMITS),
        ([EniAttached(0, "eni-0"), EniAttached(0, "eni-1"), EniDetached(0, "eni-0"), EniAttached(0, "eni-2")], None),
        ([EniAttached(0, "eni-0", 2)], Promise.LIMITS),
        ([RangeAdded(0, f"eni-{number}", f"10.0.0.{number}/32") for number in range(3)], Promise.LIMITS),
        ([RangeAdded(0, "eni-0", f"10.0.0.{number}/32") for number in range(2)], None),
        ([RangeAdded(0, "eni-0", f"10.0.0.{number}/32") for number in range(3)], Promise.LIMITS),
        # crashes
        ([AssignReturned(0, "a", A), Crashed(1), Restarted(2, {"a": A}), AssignReturned(2, "b", A)], Promise.ONE_HOLDER),
        ([AssignReturned(0, "a", A), Crashed(1), Restarted(2, {})], Promise.DURABILITY),
        ([AssignReturned(0, "a", A), Crashed(1), Restarted(2, {"a": B})], Promise.DURABILITY),
        ([Crashed(1), Restarted(2, {"a": A})], Promise.DURABILITY),
        ([Crashed(1, ("a",)), Restarted(2, {"a": A}), AssignReturned(2, "b", A)], Promise.ONE_HOLDER),
        ([Crashed(1, ("a",)), Restarted(2, {}), AssignReturned(2, "b", A)], None),
        ([AssignReturned(0, "a", A), Crashed(1, ("a",)), Restarted(20, {}), AssignReturned(30, "b", A)], Promise.COOLDOWN),
        ([AssignReturned(0, "a", A), Crashed(1, ("a",)), Restarted(20, {}), AssignReturned(31, "b", A)], None),
        ([AssignReturned(0, "a", A), UnassignReturned(0, "a"), Crashed(1), Restarted(2, {}), AssignReturned(29, "b", A)], Promise.COOLDOWN),
        ([*GIVEN_BACK, Crashed(100), Restarted(100, {}), AssignDenied(140, "c")], Promise.NO_LEAK),
        ([*GIVEN_BACK, Crashed(100, ("b",)), Restarted(100, {}), AssignDenied(160, "c")], None),  # b may have had it
        ([*GIVEN_BACK, Crashed(100, ("b",)), Restarted(100, {}), AssignDenied(161, "c")], Promise.NO_LEAK),
        ([AssignReturned(0, "a", A), Crashed(1), Restarted(2, {}, ("a",)), AssignReturned(31, "b", A)], Promise.COOLDOWN),
        ([AssignReturned(0, "a", A), Crashed(1), Restarted(2, {}, ("a",)), AssignReturned(32, "b", A)], None),
        # a second crash, in the restart, and a call meanwhile
        ([Crashed(1, ("a",)), Crashed(2), Restarted(3, {"a": A})], None),
        ([AssignReturned(0, "a", A), Crashed(1, ("a",)), Crashed(2), Restarted(3, {}), AssignReturned(31, "b", A)], None),
        ([*GIVEN_BACK, Crashed(100), AssignDenied(140, "c"), Restarted(150, {})], None),
        ([RangeAdded(0, "eni-0", "10.0.0.0/31"), Crashed(1), RangeAdded(1, "eni-0", "10.0.0.0/31"), Restarted(2, {})], None),
    ],
)
def test_the_promises(events, promise):
    assert broken(*events) == promise


def test_without_limits_nothing_is_counted():
    events = [EniAttached(0, f"eni-{number}") for number in range(9)]
    events += [RangeAdded(0, "eni-0", f"10.0.0.{number}/32") for number in range(9)]
    assert broken(*events, limits=None) is None


def test_each_eni_has_slots_of_its_own():
    limits = EniLimits((2,), slots_per_eni=1)
    full = [RangeAdded(0, "eni-0", "10.0.0.0/28"), RangeAdded(0, "eni-1", "10.0.0.16/28")]
    assert broken(*full, limits=limits) is None
    assert broken(*full, RangeAdded(0, "eni-1", "10.0.0.32/28"), limits=limits) == Promise.LIMITS


def test_a_cooldown_outlives_its_range_if_promised():
    on = RangeAdded(0, "eni-0", "10.0.0.0/31")
    off = RangeRemoved(1, "10.0.0.0/31")
    back = RangeAdded(1, "eni-0", "10.0.0.0/31")
    events = [on, AssignReturned(0, "a", A), off, back, AssignReturned(5, "b", A)]
    assert broken(*events) is None
    assert broken(*events, cooldown_outlives_range=True) == Promise.COOLDOWN
    detached = [on, AssignReturned(0, "a", A), EniDetached(1, "eni-0"), back, AssignReturned(5, "b", A)]
    assert broken(*detached, cooldown_outlives_range=True) == Promise.COOLDOWN


def test_a_violation_tells_its_story():
    events = [
        EniAttached(0, "eni-0"),
        RangeAdded(0, "eni-0", "10.0.0.0/30"),
        AssignReturned(0, "a", A),
        AssignReturned(0, "other", B),
        UnassignReturned(1_500_000_000, "a"),
        UnassignReturned(1_500_000_000, "other"),
        Crashed(2_000_000_000),
        RangeAdded(2_000_000_000, "eni-0", "10.0.0.0/30"),
        Restarted(2_000_000_000, {}),
        AssignReturned(3_000_000_000, "b", A),
    ]
    assert str(first_violation(events, cooldown_ns=30_000_000_000)).splitlines() == [
        "cooldown: b got 10.0.0.1 at 3 s, but it cools until 31.5 s",
        "    at 0 s: 10.0.0.0/30 added on eni-0",
        "    at 0 s: a got 10.0.0.1",
        "    at 1.5 s: a gave its address back",
        "    at 2 s: the process crashed",
        "    at 2 s: 10.0.0.0/30 added on eni-0",
        "    at 2 s: restarted with no sandboxes",
        "    at 3 s: b got 10.0.0.1",
    ]
    shown = [EniAttached(0, "eni-0"), EniDetached(0, "eni-0"), RangeRemoved(0, "10.0.0.0/30"), AssignDenied(0, "a"), Restarted(0, {"a": A})]
    assert [*map(str, shown)] == [
        "eni-0 attached",
        "eni-0 detached",
        "10.0.0.0/30 removed",
        "a got no address",
        "restarted with a: 10.0.0.1",
    ]


def test_only_the_first_violation_counts():
    checker = ContractChecker(cooldown_ns=0)
    assert checker.observe(AssignReturned(0, "a", A)) is None
    first = checker.observe(AssignReturned(0, "b", A))
    assert checker.observe(AssignReturned(0, "c", A)) is first is checker.violation


def test_the_limits_of_a_type():
    assert EniLimits.of(instance_limits("m5.large")) == EniLimits((3,), 9)


@given(steps=st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.sampled_from([0, 1, 29, 30])), max_size=40))
def test_the_events_of_a_pool_keep_the_promises(steps):
    pool = AddressPool(cooldown_ns=30)
    pool.add_block(0x0A000000, 4)
    checker = ContractChecker(cooldown_ns=30)
    now_ns = 0
    for key, assigns, pause in steps:
        now_ns += pause
        if assigns:
            try:
                event = AssignReturned(now_ns, key, pool.assign(key, now_ns))
            except PoolExhausted:
                event = AssignDenied(now_ns, key)
        elif pool.address_of(key) is None:
            continue
        else:
            pool.unassign(key, now_ns)
            event = UnassignReturned(now_ns, key)
        assert checker.observe(event) is None


def test_the_events_of_a_datastore_are_translated():
    checker = ContractChecker(cooldown_ns=30, limits=EniLimits((2,), 2))
    journal = MemoryJournal()
    seen = []
    clock = [1]

    def on_event(event):
        seen.extend(contract_events(event, clock[-1]))

    def opened(now_ns):
        clock.append(now_ns)
        store = Datastore(mode=AddressMode.SECONDARY_IP, cooldown_ns=30, journal=journal, on_event=on_event)
        store.add_eni("eni-0", device_number=0, now_ns=now_ns)
        store.add_cidr("eni-0", "10.0.0.1/32")
        return store

    web, db = (SandboxKey("aws-cni", name, "eth0") for name in ("web", "db"))
    store = opened(1)
    store.assign(web, 2)
    with pytest.raises(PoolExhausted):
        store.assign(db, 3)
    store.unassign(web, 4)
    store.assign(web, 40)
    seen.append(Crashed(41))
    store = opened(42)
    store.restore(42)
    seen.append(Restarted(42, {(0, web): "10.0.0.1"}))
    store.remove_eni("eni-0", force=True, now_ns=43)
    assert [type(event).__name__ for event in seen] == [
        *("EniAttached", "RangeAdded", "AssignReturned", "AssignDenied", "UnassignReturned", "AssignReturned", "Crashed"),
        *("EniAttached", "RangeAdded", "AssignReturned", "Restarted", "UnassignReturned", "RangeRemoved", "EniDetached"),
    ]
    assert seen[1].now_ns == 1
    assert [checker.observe(event) for event in seen] == [None] * len(seen)
    assert contract_events(PoolStats, 0) == ()


def test_a_log_must_be_in_order():
    log = [AssignReturned(0, "a", A), AssignReturned(40, "b", B), UnassignReturned(1, "a"), AssignReturned(35, "c", A)]
    with pytest.raises(InvalidArgument, match=r"in the order of their times: a gave .* at 0\.000000001 s comes after b got"):
        first_violation(log, cooldown_ns=30)


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda: AssignReturned(0.5, "a", A), "now_ns must be an int"),
        (lambda: Crashed(0, "web"), "not as the text 'web'"),
        (lambda: Restarted(0, {}, "web"), "not as the text 'web'"),
        (lambda: Restarted(0, None), "held must be Mapping"),
        (lambda: first_violation(["x"], cooldown_ns=0), "event must be ContractEvent"),
        (lambda: first_violation([], cooldown_ns="30s"), "cooldown_ns must be an int"),
        (lambda: first_violation([], cooldown_ns=0, limits="m5.large"), "limits must be EniLimits"),
    ],
)
def test_an_argument_of_another_type_is_refused(wrong, what):
    with pytest.raises(TypeError, match=what):
        wrong()


def test_sandboxes_in_flight_can_be_in_a_list():
    assert first_violation([Crashed(1, ["a"]), Restarted(2, {"a": A})], cooldown_ns=0) is None
