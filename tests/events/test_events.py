"""Events of a datastore and a node: one for each change, when it is made, and none for refused calls."""

import contextlib
import warnings
from collections import deque

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam import AddressMode, Datastore, Node, PodRef, SandboxKey, Settings
from vpcipam.action import Action
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import PoolExhausted, VpcIpamError
from vpcipam.events import (
    AddressAssigned,
    AddressUnassigned,
    AssignRefused,
    CidrAdded,
    CidrRemoved,
    EniAdded,
    EniRemoved,
    EventWarning,
    SandboxEvicted,
)
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.stats import Assignment

WEB, API = (SandboxKey("aws-cni", name, "eth0") for name in ("web", "api"))
POD = PodRef("default", "web-1")
HELD = Assignment("10.0.0.5", "eni-0", 0, 2, "10.0.0.5/32")


def watched(**options):
    """A datastore with one address, and its events since."""
    seen = deque()
    store = Datastore(network_card=2, cooldown_ns=30, on_event=seen.append, **options)
    store.add_eni("eni-0", device_number=0, now_ns=1)
    store.add_cidr("eni-0", "10.0.0.5/32")
    seen.clear()
    return store, seen


def test_events_report_added_and_removed_enis_and_cidrs():
    seen = []
    store = Datastore(on_event=seen.append)
    store.add_eni("eni-0", device_number=3, now_ns=1)
    store.add_cidr("eni-0", "10.0.0.5/32")
    store.add_cidr("eni-0", "10.0.0.6/32")
    store.remove_cidr("eni-0", "10.0.0.5/32", now_ns=2)
    store.remove_eni("eni-0", force=True, now_ns=3)
    assert seen == [
        EniAdded(1, 0, "eni-0", 3),
        CidrAdded(0, "eni-0", "10.0.0.5/32"),
        CidrAdded(0, "eni-0", "10.0.0.6/32"),
        CidrRemoved(2, 0, "eni-0", "10.0.0.5/32", forced=False),
        CidrRemoved(3, 0, "eni-0", "10.0.0.6/32", forced=True),
        EniRemoved(3, 0, "eni-0", forced=True),
    ]
    assert list(map(str, seen)) == [
        "eni-0 added as device 3",
        "10.0.0.5/32 added on eni-0",
        "10.0.0.6/32 added on eni-0",
        "10.0.0.5/32 removed from eni-0",
        "10.0.0.6/32 removed from eni-0 by force",
        "eni-0 removed by force",
    ]


def test_events_report_sandboxes_with_address_pod_and_time():
    store, seen = watched()
    store.assign(WEB, 5, POD)
    store.assign(WEB, 6)  # the same again: nothing has happened
    with pytest.raises(PoolExhausted) as refusal:
        store.assign(API, 7, POD)
    store.unassign(WEB, 8)
    store.assign_at(API, "10.0.0.5", 38)
    store.remove_cidr("eni-0", "10.0.0.5/32", force=True, now_ns=39)
    assert list(seen) == [
        AddressAssigned(5, 2, WEB, HELD, POD),
        AssignRefused(7, 2, API, POD, str(refusal.value)),
        AddressUnassigned(8, 2, WEB, HELD, POD),
        AddressAssigned(38, 2, API, HELD, None, picked=False),
        SandboxEvicted(39, 2, API, HELD, None),
        CidrRemoved(39, 2, "eni-0", "10.0.0.5/32", forced=True),
    ]
    assert list(map(str, seen))[:5] == [
        "10.0.0.5 assigned to aws-cni/web/eth0",
        "no address is free for aws-cni/api/eth0: of 1 attached, 1 are in use",
        "10.0.0.5 unassigned from aws-cni/web/eth0",
        "10.0.0.5 assigned to aws-cni/api/eth0",
        "aws-cni/api/eth0 evicted from 10.0.0.5, as 10.0.0.5/32 on eni-0 is gone",
    ]


def test_a_bulk_call_has_one_event_for_each_sandbox_or_none():
    store, seen = watched()
    with pytest.raises(PoolExhausted):
        store.assign_many([(WEB, POD), (API, None)], 5)
    assert [type(event) for event in seen] == [AssignRefused]
    store.assign_many([(WEB, POD)], 6)
    store.unassign_many([WEB], 7)
    assert list(seen)[1:] == [AddressAssigned(6, 2, WEB, HELD, POD), AddressUnassigned(7, 2, WEB, HELD, POD)]


class Down(MemoryJournal):
    def record(self, _assigned):
        raise OSError("no")


def test_a_change_that_the_journal_refuses_has_no_event():
    store, seen = watched(journal=Down())
    with pytest.raises(OSError, match="no"):
        store.assign(WEB, 5)
    with pytest.raises(OSError, match="no"):
        store.assign_many([(WEB, None)], 5)
    assert not seen


@pytest.mark.parametrize(
    "refused",
    [
        lambda store: store.unassign(API, 9),
        lambda store: store.assign(SandboxKey("aws-cni", "", "eth0"), 9),
        lambda store: store.assign(WEB, -1),
        lambda store: store.remove_cidr("eni-0", "10.0.0.5/32", now_ns=9),
        lambda store: store.remove_eni("eni-0", now_ns=9),
        lambda store: store.remove_eni("eni-1", now_ns=9),
        lambda store: store.add_cidr("eni-0", "10.0.0.5/32"),
        lambda store: store.add_eni("eni-0", device_number=1, now_ns=9),
    ],
)
def test_a_refused_call_has_no_event(refused):
    store, seen = watched()
    store.assign(WEB, 5)
    seen.clear()
    with pytest.raises(VpcIpamError):
        refused(store)
    assert not seen


def test_a_callback_can_read_the_complete_change():
    found = []

    def look(event):
        found.append((type(event).__name__, store.sandbox_count, store.stats(9).total_count, dict(store.assignments())))

    store = Datastore(on_event=look)
    store.add_eni("eni-0", device_number=0, now_ns=0)
    store.add_cidr("eni-0", "10.0.0.5/32")
    store.assign(WEB, 5)
    store.unassign(WEB, 6)
    held = Assignment("10.0.0.5", "eni-0", 0, 0, "10.0.0.5/32")
    assert found == [
        ("EniAdded", 0, 0, {}),
        ("CidrAdded", 0, 1, {}),
        ("AddressAssigned", 1, 1, {WEB: held}),
        ("AddressUnassigned", 0, 1, {}),
    ]


def test_an_exception_in_the_callback_is_a_warning_and_the_change_stands():
    def fail(_event):
        raise RuntimeError("full")

    store = Datastore(on_event=fail)
    with pytest.warns(EventWarning, match=r"on_event raised RuntimeError\('full'\) for the event: eni-0 added as device 0"):
        store.add_eni("eni-0", device_number=0, now_ns=0)
    with pytest.warns(EventWarning, match="The change stands"):
        store.add_cidr("eni-0", "10.0.0.5/32")
    with pytest.warns(EventWarning):
        assert store.assign(WEB, 1).address == "10.0.0.5"
    assert store.assignment_of(WEB) is not None


def test_an_exception_in_the_callback_does_not_undo_a_change_when_warnings_are_errors():
    def fail(_event):
        raise RuntimeError("full")

    journal = MemoryJournal()
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("error")
        store = Datastore(journal=journal, on_event=fail)
        store.add_eni("eni-0", device_number=0, now_ns=0)
        store.add_cidr("eni-0", "10.0.0.5/32")
        store.add_cidr("eni-0", "10.0.0.6/32")
        store.assign_many([(WEB, POD), (API, POD)], 1)
        assert (store.pod_of(WEB), store.pod_of(API), len(journal.assigned)) == (POD, POD, 2)
        store.unassign_many([WEB, API], 2)
    assert (store.sandbox_count, journal.assigned) == (0, ())
    assert [each.category for each in shown] == [EventWarning] * 7
    assert all("The change stands" in str(each.message) for each in shown)


def test_events_are_values():
    event = AddressAssigned(5, 2, WEB, HELD, POD)
    assert event == attrs.evolve(event)
    assert len({event, attrs.evolve(event), attrs.evolve(event, now_ns=6)}) == 2
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.now_ns = 7


DEEDS = {
    "assign": lambda store, sandbox, _, now_ns: store.assign(sandbox, now_ns),
    "unassign": lambda store, sandbox, _, now_ns: store.unassign(sandbox, now_ns),
    "assign at": lambda store, sandbox, address, now_ns: store.assign_at(sandbox, address, now_ns),
    "add": lambda store, _sandbox, address, _now_ns: store.add_cidr("eni-0", f"{address}/32"),
    "remove by force": lambda store, _, address, now_ns: store.remove_cidr("eni-0", f"{address}/32", force=True, now_ns=now_ns),
}


def told(events):
    """The assignments and CIDRs as the events alone give them."""
    held, cidrs = {}, set()
    for event in events:
        match event:
            case AddressAssigned():
                assert event.key not in held
                held[event.key] = event.assignment
            case AddressUnassigned() | SandboxEvicted():
                assert held.pop(event.key) == event.assignment
            case CidrAdded():
                cidrs.add(event.cidr)
            case CidrRemoved():
                cidrs.remove(event.cidr)
    return held, cidrs


@given(st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(0, 5), st.integers(0, 3)), max_size=40))
def test_the_state_can_be_rebuilt_from_the_events(program):
    events = deque()
    store = Datastore(mode=AddressMode.SECONDARY_IP, cooldown_ns=3, on_event=events.append)
    store.add_eni("eni-0", device_number=0, now_ns=0)
    for now_ns, (deed, name, place) in enumerate(program):
        with contextlib.suppress(VpcIpamError):
            DEEDS[deed](store, SandboxKey("aws-cni", f"c{name}", "eth0"), f"10.0.0.{place}", now_ns)
    assert told(events) == (dict(store.assignments()), set(store.cidrs("eni-0")))


# --- a node --------------------------------------------------------------------------------------------------------------


def test_a_node_reports_the_events_of_its_datastores_and_control_loop():
    seen = []
    ec2 = Ec2Model()
    subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/24").subnet_id
    node = Node("t3.small", Settings().with_variables({"WARM_IP_TARGET": "2"}), ec2, subnet_id=subnet, on_event=seen.append)
    started = node.start(0)
    assert [event for event in seen if isinstance(event, Action)] == list(started)
    assert [type(event) for event in seen if not isinstance(event, Action)] == [EniAdded, CidrAdded, CidrAdded]
    seen.clear()
    node.assign(WEB, 1, POD)
    done = node.tick(5_000_000_000)
    assert [type(event) for event in seen] == [AddressAssigned, CidrAdded, Action]
    assert seen[-1:] == list(done)
    seen.clear()
    node.reconcile(100_000_000_000)
    node.delete_leaked_enis(100_000_000_000)
    assert seen == []
