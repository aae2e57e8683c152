"""The datastore's ENIs, and the counts that are read off them and the pool."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vpcipam.address import AddressMode, Cidr
from vpcipam.pool import AddressPool
from vpcipam.sandbox import SandboxKey
from vpcipam.stats import EniStats, PoolStats

Pool = AddressPool[SandboxKey]


class Eni:
    """An ENI in the datastore. Its blocks lie in two groups of the pool, single addresses and prefixes, so that both are counted apart."""

    __slots__ = ("added_ns", "cidrs", "device_number", "efa", "eni_id", "excluded", "primary", "subnet_id", "trunk")

    def __init__(self, eni_id: str, device_number: int, added_ns: int, subnet_id: str | None) -> None:
        self.eni_id = eni_id
        self.device_number = device_number
        self.added_ns = added_ns
        self.subnet_id = subnet_id
        self.primary = False
        self.trunk = False
        self.efa = False
        self.excluded = False
        self.cidrs: dict[int, Cidr] = {}  # by first address

    def group(self, *, prefix: bool) -> int:
        """The pool's group of its single addresses, or of its prefixes."""
        return 2 * self.device_number + prefix

    def group_of(self, mode: AddressMode) -> int:
        """The pool's group of its CIDRs of a mode."""
        return self.group(prefix=mode is not AddressMode.SECONDARY_IP)


def total_and_assigned(eni: Eni, pool: Pool, mode: AddressMode) -> tuple[int, int]:
    """Count an ENI's addresses of a mode; the free ones of an excluded ENI are out of reach."""
    group = eni.group_of(mode)
    assigned = pool.group_assigned_count(group)
    return assigned if eni.excluded else pool.group_total_count(group), assigned


def count_pool(enis: Iterable[Eni], pool: Pool, mode: AddressMode, now_ns: int) -> PoolStats:
    """Count over all ENIs."""
    total = assigned = cooling = prefixes = free_prefixes = 0
    for eni in enis:
        eni_total, eni_assigned = total_and_assigned(eni, pool, mode)
        total += eni_total
        assigned += eni_assigned
        cooling += 0 if eni.excluded else pool.group_cooling_count(eni.group_of(mode), now_ns)
        prefix_group = eni.group(prefix=True)
        prefixes += pool.group_block_count(prefix_group)
        free_prefixes += pool.group_empty_block_count(prefix_group)
    return PoolStats(total, assigned, cooling, total - assigned, prefixes, free_prefixes)


def count_eni(eni: Eni, pool: Pool, mode: AddressMode, cooling: "CoolingOnEni") -> EniStats:
    """Count one ENI."""
    groups = (eni.group(prefix=False), eni.group(prefix=True))
    group = eni.group_of(mode)
    total, assigned = total_and_assigned(eni, pool, mode)
    return EniStats(
        eni_id=eni.eni_id,
        device_number=eni.device_number,
        primary=eni.primary,
        trunk=eni.trunk,
        efa=eni.efa,
        excluded=eni.excluded,
        subnet_id=eni.subnet_id,
        added_ns=eni.added_ns,
        slot_count=len(eni.cidrs),
        total_count=total,
        assigned_count=assigned,
        cooling_count=0 if eni.excluded else cooling.of_mode_count,
        pod_count=sum(pool.group_assigned_count(each) for each in groups),
        free_prefix_count=pool.group_empty_block_count(groups[1]),
        idle_cidr_count=0 if eni.excluded else pool.group_empty_block_count(group),
        stale_cidr_count=sum(pool.group_empty_block_count(each) for each in groups if eni.excluded or each != group),
        cooling_until_ns=cooling.until_ns,
    )


class CoolingOnEni(NamedTuple):
    """How many addresses of the mode cool on an ENI, and when the last one of any mode is past its cooldown, None where none cools."""

    of_mode_count: int = 0
    until_ns: int | None = None


def cooling_by_eni(eni_of_block: Mapping[int, Eni], pool: Pool, mode: AddressMode, now_ns: int) -> dict[Eni, CoolingOnEni]:
    """Look at what still cools at a time, ENI by ENI, for those where something does. Ends no cooldown: the time may lie ahead."""
    found: dict[Eni, CoolingOnEni] = {}
    for address, until_ns in pool.cooling_items():  # in the order of their ends, so the last one of an ENI stands
        base = pool.block_of(address)
        if until_ns > now_ns and base is not None:
            eni = eni_of_block[base]
            count = found.get(eni, CoolingOnEni()).of_mode_count
            found[eni] = CoolingOnEni(count + (eni.cidrs[base].prefix_length == mode.prefix_length), until_ns)
    return found
