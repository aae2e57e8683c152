"""What the datastore is timed at."""

from functools import cached_property

from floors import Churn, Workload

from vpcipam import AddressMode, Datastore, SandboxKey

BASE = 10 << 24  # 10.0.0.0
NODES = (
    ("m5.large, 27 secondary IPs", AddressMode.SECONDARY_IP, 3, 9),
    ("m5.large, 27 prefixes", AddressMode.PREFIX, 3, 9),
    ("c5.18xlarge, 735 secondary IPs", AddressMode.SECONDARY_IP, 15, 49),
    ("c5.18xlarge, 735 prefixes", AddressMode.PREFIX, 15, 49),
)
"""A name, the mode, ENIs, slots of each."""


class SandboxChurn(Churn):
    """A churn whose keys are those that a datastore takes; the dict floor runs on the same ones."""

    @cached_property
    def keys(self) -> list[SandboxKey]:
        """Sandbox keys, as many as are live at a time and as many again."""
        return [SandboxKey("aws-cni", f"{number:064x}", "eth0") for number in range(2 * self.live)]


def churn_of(mode: AddressMode, eni_count: int, slot_count: int, steps: int) -> SandboxChurn:
    """Make the churn of a node that is 60 % full."""
    return SandboxChurn(int(0.6 * eni_count * slot_count * mode.addresses_per_slot), steps)


def filled(mode: AddressMode, eni_count: int, slot_count: int, cooldown_ns: int) -> Datastore:
    """Make a datastore with all slots of all ENIs in use."""
    datastore = Datastore(mode=mode, cooldown_ns=cooldown_ns)
    first = BASE
    for number in range(eni_count):
        datastore.add_eni(f"eni-{number}", device_number=number, primary=number == 0, now_ns=0)
        for _ in range(slot_count):
            octets = ".".join(str(byte) for byte in first.to_bytes(4, "big"))
            datastore.add_cidr(f"eni-{number}", f"{octets}/{mode.prefix_length}")
            first += mode.addresses_per_slot
    return datastore


def assign_unassign(name: str, churn: SandboxChurn, mode: AddressMode, eni_count: int, slot_count: int) -> Workload:
    """Assign a new sandbox and unassign the oldest, while half of the spare addresses cool at any time."""
    spare = eni_count * slot_count * mode.addresses_per_slot - churn.live
    cooldown_ns = max(1, spare // 2)
    datastore = filled(mode, eni_count, slot_count, cooldown_ns)
    pairs = churn.pairs
    now_ns = 1_800_000_000 * 10**9
    for key in churn.keys[: churn.live]:
        datastore.assign(key, now_ns)

    def run() -> None:
        nonlocal now_ns
        now = now_ns
        for new, old in pairs:
            now += 1
            datastore.assign(new, now)
            datastore.unassign(old, now)
        now_ns = now

    def check() -> None:
        assert {key for key, _ in datastore.assignments()} == set(churn.keys[: churn.live])
        assert datastore.stats(now_ns).cooling_count == cooldown_ns

    return Workload(name, len(pairs), run, check)


def stats(name: str, mode: AddressMode, eni_count: int, slot_count: int, steps: int) -> Workload:
    """Count what warm-pool decisions are made of."""
    datastore = filled(mode, eni_count, slot_count, 1)
    rounds = range(steps)

    def run() -> None:
        for _ in rounds:
            datastore.stats(0)

    def check() -> None:
        assert datastore.stats(0).total_count == eni_count * slot_count * mode.addresses_per_slot

    return Workload(f"{name}: stats", steps, run, check)
