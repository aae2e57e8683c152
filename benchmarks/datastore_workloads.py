"""The workloads of the datastore."""

import threading
from dataclasses import dataclass
from functools import cached_property

from floors import Churn, Workload

from vpcipam import AddressMode, Assignment, Datastore, PodRef, SandboxKey
from vpcipam.errors import PoolExhausted, UnknownKey

BASE = 10 << 24  # 10.0.0.0


@dataclass(frozen=True)
class NodeShape:
    """A node with all slots of all its ENIs in use."""

    name: str
    mode: AddressMode
    eni_count: int
    slot_count: int

    @property
    def address_count(self) -> int:
        """The addresses that pods can have."""
        return self.eni_count * self.slot_count * self.mode.addresses_per_slot


NODES = (
    NodeShape("m5.large, 27 secondary IPs", AddressMode.SECONDARY_IP, 3, 9),
    NodeShape("m5.large, 27 prefixes", AddressMode.PREFIX, 3, 9),
    NodeShape("c5.18xlarge, 735 secondary IPs", AddressMode.SECONDARY_IP, 15, 49),
    NodeShape("c5.18xlarge, 735 prefixes", AddressMode.PREFIX, 15, 49),
)


class SandboxChurn(Churn):
    """A churn with sandbox keys. The dict floor uses the same keys."""

    @cached_property
    def keys(self) -> list[SandboxKey]:
        """Sandbox keys: twice as many as are live at a time."""
        return [SandboxKey("aws-cni", f"{number:064x}", "eth0") for number in range(2 * self.live)]


def churn_of(shape: NodeShape, steps: int) -> SandboxChurn:
    """Make the churn of a node that is 60 % full."""
    return SandboxChurn(int(0.6 * shape.address_count), steps)


class Unlocked(Datastore):
    """A datastore without a lock on its hot path, for one thread."""

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None = None) -> Assignment:
        """See `Datastore`."""
        if self._is_plain:
            try:
                if type(key) is SandboxKey and key.container_id:
                    return self._pool_assign(key, now_ns, pod) or self._sandboxes.make_assignment(key)
            except PoolExhausted:
                raise PoolExhausted(self._sandboxes.explain_exhausted(key)) from None
        return self._sandboxes.assign(key, now_ns, pod)

    def unassign(self, key: SandboxKey, now_ns: int) -> Assignment:
        """See `Datastore`."""
        if self._is_plain:
            try:
                return self._pool_unassign(key, now_ns)
            except UnknownKey:
                pass
        return self._sandboxes.unassign(key, now_ns)


class Watched(Datastore):
    """A datastore with an `on_event` that does nothing."""

    def __init__(self, *, mode: AddressMode, cooldown_ns: int) -> None:
        super().__init__(mode=mode, cooldown_ns=cooldown_ns, on_event=bool)


_KINDS = {Unlocked: " (no lock)", Watched: " (with events)"}


def lock(steps: int) -> Workload:
    """Take and release a lock of the datastore's kind twice, as an assign and an unassign do."""
    datastore_lock = threading.RLock()
    rounds = range(steps)

    def run() -> None:
        for _ in rounds:
            with datastore_lock:
                pass
            with datastore_lock:
                pass

    return Workload("the lock alone, twice", steps, run, lambda: None)


def filled(shape: NodeShape, cooldown_ns: int, kind: type[Datastore] = Datastore) -> Datastore:
    """Make a node's datastore with all its CIDRs and no sandboxes."""
    datastore = kind(mode=shape.mode, cooldown_ns=cooldown_ns)
    first = BASE
    for number in range(shape.eni_count):
        datastore.add_eni(f"eni-{number}", device_number=number, primary=number == 0, now_ns=0)
        for _ in range(shape.slot_count):
            octets = ".".join(str(byte) for byte in first.to_bytes(4, "big"))
            datastore.add_cidr(f"eni-{number}", f"{octets}/{shape.mode.prefix_length}")
            first += shape.mode.addresses_per_slot
    return datastore


def assign_unassign(shape: NodeShape, churn: SandboxChurn, pod: PodRef | None = None, kind: type[Datastore] = Datastore) -> Workload:
    """Assign a new sandbox and unassign the oldest; half of the spare addresses cool at any time."""
    cooldown_ns = max(1, (shape.address_count - churn.live) // 2)
    datastore = filled(shape, cooldown_ns, kind)
    pairs = churn.pairs
    now_ns = 1_800_000_000 * 10**9
    for key in churn.keys[: churn.live]:
        datastore.assign(key, now_ns, pod)

    def run() -> None:
        nonlocal now_ns
        now = now_ns
        for new, old in pairs:
            now += 1
            datastore.assign(new, now, pod)
            datastore.unassign(old, now)
        now_ns = now

    def check() -> None:
        assert {key for key, _ in datastore.assignments()} == set(churn.keys[: churn.live])
        assert datastore.stats(now_ns).cooling_count == cooldown_ns
        assert all(datastore.pod_of(key) == pod for key in churn.keys[: churn.live])

    name = f"{shape.name}{'' if pod is None else ', with its pod'}{_KINDS.get(kind, '')}"
    return Workload(name, len(pairs), run, check)


def stats(shape: NodeShape, steps: int) -> Workload:
    """Compute the counts for warm-pool decisions."""
    datastore = filled(shape, 1)
    rounds = range(steps)

    def run() -> None:
        for _ in rounds:
            datastore.stats(0)

    def check() -> None:
        assert datastore.stats(0).total_count == shape.address_count

    return Workload(f"{shape.name}: stats", steps, run, check)
