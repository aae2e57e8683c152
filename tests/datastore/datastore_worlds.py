"""What the tests of the datastore share: small nodes, keys, and a journal that fails on demand."""

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.sandbox import SandboxKey

TIME_MAX = 2**62 - 1
WRONG_TIMES = (-1, 2**62, 2**63, 2**70, -(2**70))
WRONG_TYPES_OF_TIME = (None, "0", 1.0)

# Calls whose last argument is the time.
TIMED_CALLS = {
    "assign": lambda store, now_ns: store.assign(key("new"), now_ns),
    "assign again": lambda store, now_ns: store.assign(key("web"), now_ns),
    "assign_at": lambda store, now_ns: store.assign_at(key("new"), "10.0.0.9", now_ns),
    "unassign": lambda store, now_ns: store.unassign(key("web"), now_ns),
    "add_eni": lambda store, now_ns: store.add_eni("eni-new", device_number=9, now_ns=now_ns),
    "remove_eni": lambda store, now_ns: store.remove_eni("eni-1", now_ns=now_ns),
    "remove_eni by force": lambda store, now_ns: store.remove_eni("eni-0", force=True, now_ns=now_ns),
    "remove_cidr": lambda store, now_ns: store.remove_cidr("eni-1", "10.0.0.32/28", now_ns=now_ns),
    "remove_cidr by force": lambda store, now_ns: store.remove_cidr("eni-0", "10.0.0.0/28", force=True, now_ns=now_ns),
    "removable_cidrs": lambda store, now_ns: store.removable_cidrs("eni-0", now_ns),
    "stats": lambda store, now_ns: store.stats(now_ns),
    "eni_stats": lambda store, now_ns: store.eni_stats(now_ns),
}


class JournalDownError(Exception):
    """The journal can't write."""


class FlakyJournal(MemoryJournal):
    """A journal that fails and records nothing while `down` is set; it counts its calls."""

    def __init__(self, *, down=False):
        super().__init__()
        self.down = down
        self.calls = []

    def record(self, assigned=(), cooling=(), *, dropped=()):
        self._write(("record", assigned))
        super().record(assigned, cooling, dropped=dropped)

    def record_unassign(self, released):
        self._write(("unassign", released))
        super().record_unassign(released)

    def _write(self, call):
        if self.down:
            raise JournalDownError
        self.calls.append(call)


def key(container_id):
    return SandboxKey("aws-cni", container_id, "eth0")


def node(*enis, mode=AddressMode.PREFIX, cooldown_ns=30, now_ns=0, **settings):
    """A datastore with the ENIs `eni-0`, `eni-1`, …, the first of them primary, each given as the list of its CIDRs."""
    store = Datastore(mode=mode, cooldown_ns=cooldown_ns, **settings)
    for number, cidrs in enumerate(enis):
        store.add_eni(f"eni-{number}", device_number=number, primary=number == 0, now_ns=now_ns)
        for cidr in cidrs:
            store.add_cidr(f"eni-{number}", cidr)
    return store


def singles(*enis, **settings):
    """A datastore of single addresses: each ENI is given as the list of its last bytes, in 10.0.0.0/24."""
    return node(*([f"10.0.0.{last}/32" for last in eni] for eni in enis), mode=AddressMode.SECONDARY_IP, **settings)


def assigned(store):
    """The container ids of all sandboxes with their addresses, as texts."""
    return {each.container_id: assignment.address for each, assignment in store.assignments()}


def snapshot(store, now_ns, addresses=()):
    """Everything that a datastore shows without ending a cooldown; equal results are equal states to a user."""
    held = tuple((each, store.pod_of(each), assignment) for each, assignment in store.assignments())
    cidrs = tuple((eni_id, store.cidrs(eni_id)) for eni_id in store.eni_ids)
    return held, cidrs, store.eni_stats(now_ns), store.mode, tuple(store.cooling_until(address) for address in addresses)
