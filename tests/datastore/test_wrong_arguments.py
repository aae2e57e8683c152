"""Every method of a datastore with a wrong time, address, CIDR, ENI, sandbox or entry: a named error, and everything as before."""

import inspect

import pytest
from datastore_worlds import WRONG_TIMES, WRONG_TYPES_OF_TIME, key, snapshot

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.errors import VpcIpamError
from vpcipam.journal.protocol import Assigned, Cooling, MemoryJournal, Problem
from vpcipam.quarantine import Quarantined

HELD = Assigned(key("web"), "10.0.0.5", None, 0)
LOST = Assigned(key("lost"), "10.0.9.9", None, 0)  # its CIDR comes only after the restart
WAITS = Cooling("10.0.0.6", 40, 10)


class Journal(MemoryJournal):
    """A journal with an entry that can't be read."""

    def __init__(self):
        super().__init__()
        self.problems = (Problem("allocation 3", "it is not JSON", None, None, "{"),)

    def restore(self, now_ns):
        restored = super().restore(now_ns)
        return type(restored)(restored.assigned, restored.cooling, restored.ended, self.problems)

    def record(self, assigned=(), cooling=(), *, dropped=()):
        self.problems = tuple(problem for problem in self.problems if problem not in dropped)
        super().record(assigned, cooling)


def stopped():
    """A datastore that has a journal with a sandbox, a cooldown, an entry that it can't restore yet, and one that it can't read."""
    journal = Journal()
    journal.record((HELD, LOST), (WAITS,))
    store = Datastore(mode=AddressMode.SECONDARY_IP, cooldown_ns=30, journal=journal)
    for number, addresses in enumerate(("5 6 8", "")):
        store.add_eni(f"eni-{number}", device_number=number, primary=number == 0, now_ns=0)
        for last in addresses.split():
            store.add_cidr(f"eni-{number}", f"10.0.0.{last}")
    return store, journal


def restarted():
    """The same after its restart; the address of the entry in quarantine has come."""
    store, journal = stopped()
    store.restore(10)
    store.add_cidr("eni-0", "10.0.9.9")
    return store, journal


UNREADABLE, ENTRY = sorted(restarted()[0].quarantined, key=lambda entry: entry.address is not None)

WRONG_TEXTS = ("", "10.0.0", "10.0.0.05", " 10.0.0.5", "10.0.0.5/33", "2001:db8::1", None, 5, b"10.0.0.5", ("10.0.0.5",))
WRONG_KEYS = (None, "web", ("aws-cni", "web", "eth0"), key(""))
WRONG = {
    "now_ns": (*WRONG_TIMES, *WRONG_TYPES_OF_TIME),
    "address": WRONG_TEXTS,
    "cidr": WRONG_TEXTS,
    "eni_id": ("eni-none", "", None, 5),
    "entry": (None, "x", HELD, LOST, Quarantined(HELD, "nobody knows it")),
    "key": WRONG_KEYS,
    "keys": tuple([each] for each in WRONG_KEYS),
    "wanted": tuple([(each, None)] for each in WRONG_KEYS),
}
GOOD = {
    "accept_all_quarantined": {"now_ns": 100},
    "accept_quarantined": {"entry": ENTRY, "now_ns": 100},
    "add_cidr": {"eni_id": "eni-0", "cidr": "10.0.0.7"},
    "add_eni": {"eni_id": "eni-9", "device_number": 9, "now_ns": 100},
    "assign": {"key": key("new"), "now_ns": 100},
    "assign_at": {"key": key("new"), "address": "10.0.0.8", "now_ns": 100},
    "assign_many": {"wanted": [(key("new"), None)], "now_ns": 100},
    "assignment_of": {"key": key("web")},
    "cidrs": {"eni_id": "eni-0"},
    "cooldowns": {"now_ns": 10},
    "cooling_count": {"now_ns": 10},
    "cooling_until": {"address": "10.0.0.6"},
    "eni_stats": {"now_ns": 10},
    "key_of": {"address": "10.0.0.5"},
    "missing_cidrs": {"eni_id": "eni-0", "cidrs": ["10.0.0.5"]},
    "overlapping": {"cidr": "10.0.0.0/28"},
    "pod_of": {"key": key("web")},
    "pool_and_eni_stats": {"now_ns": 10},
    "release_quarantined": {"entry": UNREADABLE, "now_ns": 100},
    "removable_cidrs": {"eni_id": "eni-0", "now_ns": 100},
    "remove_cidr": {"eni_id": "eni-0", "cidr": "10.0.0.8", "now_ns": 100},
    "remove_eni": {"eni_id": "eni-1", "now_ns": 100},
    "set_excluded": {"eni_id": "eni-0", "excluded": True},
    "stats": {"now_ns": 10},
    "unassign": {"key": key("web"), "now_ns": 100},
    "unassign_many": {"keys": [key("web")], "now_ns": 100},
}
# A key or an ENI that nothing knows is no mistake here, nor is an unknown ENI where one is added, whatever its name.
LENIENT = {("add_eni", "eni_id"), ("assignment_of", "key"), ("pod_of", "key")}


def methods():
    """The public methods with an argument that can be wrong; `restore` has a world of its own below."""
    public = {name: method for name, method in inspect.getmembers(Datastore, inspect.isfunction) if name[0] != "_" and name != "restore"}
    return {name for name, method in public.items() if set(WRONG) & set(inspect.signature(method).parameters)}


@pytest.fixture
def world():
    return restarted()


def state(world):
    store, journal = world
    return snapshot(store, 10, ("10.0.0.6", "10.0.0.8", "10.0.9.9")), store.quarantined, journal.restore(10)


def test_every_method_is_called_here():
    assert methods() == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_its_call_here_is_granted(world, name):
    getattr(world[0], name)(**GOOD[name])


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_wrong_argument_is_refused_and_changes_nothing(world, name):
    before = state(world)
    for argument in sorted(set(WRONG) & set(GOOD[name])):
        if (name, argument) in LENIENT:
            continue
        for wrong in WRONG[argument]:
            if (name, wrong) == ("overlapping", "2001:db8::1"):
                continue  # a CIDR, if of no use here
            with pytest.raises((VpcIpamError, TypeError)) as caught:
                getattr(world[0], name)(**{**GOOD[name], argument: wrong})
            assert str(caught.value), (argument, wrong)
            assert isinstance(caught.value, TypeError) >= (argument == "now_ns" and not isinstance(wrong, int))
            assert state(world) == before, (argument, wrong)
            world[0]._check()


@pytest.mark.parametrize("wrong", WRONG["now_ns"])
def test_a_restart_at_a_wrong_time_is_refused_and_can_be_tried_again(wrong):
    store, journal = stopped()
    before = state((store, journal))
    with pytest.raises((VpcIpamError, TypeError)):
        store.restore(wrong)
    assert state((store, journal)) == before
    store.restore(10)
    assert store.key_of("10.0.0.5") == HELD.key
