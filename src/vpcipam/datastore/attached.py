"""The lower half of the datastore: the ENIs of one network card and their CIDRs. Each CIDR is a block of the pool."""

from collections import Counter
from collections.abc import Iterable

import attrs

from vpcipam._arguments import require_type
from vpcipam._pool_refusals import out_of_range
from vpcipam.address import AddressMode, Cidr
from vpcipam.datastore.withheld import Pool
from vpcipam.errors import DatastoreError, DuplicateEni, InvalidCidr, OverlappingBlock, OverlappingCidr, UnknownCidr, UnknownEni
from vpcipam.pool import GROUP_MAX
from vpcipam.stats import EniStats, PoolStats

_DEVICE_NUMBER_MAX = GROUP_MAX // 2  # an ENI takes two groups of the pool; EC2's numbers stay below 100


@attrs.define(eq=False)
class Eni:
    """An ENI in the datastore. Its single addresses and its prefixes are two groups of the pool, which are counted separately."""

    eni_id: str
    device_number: int
    primary: bool
    trunk: bool
    efa: bool
    excluded: bool
    subnet_id: str | None
    added_ns: int
    cidrs: dict[int, Cidr] = attrs.field(init=False, factory=dict)  # by first address

    def group(self, *, prefix: bool) -> int:
        """Return the pool's group of its prefixes or of its single addresses."""
        return 2 * self.device_number + prefix

    def group_of(self, mode: AddressMode) -> int:
        """Return the pool's group of its CIDRs of a mode."""
        return self.group(prefix=mode is not AddressMode.SECONDARY_IP)


class Attached:
    """The ENIs of a card and their CIDRs. It sees sandboxes only as keys in the pool. `Datastore` documents the calls.

    Invariants, numbered as those of `Datastore`:

    4. Each block of the pool is a CIDR. It is open if and only if its ENI is not excluded and the CIDR has the size of the mode.

    Attributes:
        revision: a number that grows with every change of the ENIs, their CIDRs or the mode.
    """

    def __init__(self, pool: Pool, mode: AddressMode, network_card: int) -> None:
        self.pool = pool
        self.mode = mode
        self.network_card = network_card
        self.revision = 0
        self.enis: dict[str, Eni] = {}
        self.by_device: dict[int, Eni] = {}
        self.eni_of_block: dict[int, Eni] = {}

    # --- ENIs ----------------------------------------------------------------------------------------------------------------

    def check_new(self, eni: Eni) -> None:
        """Refuse an ENI whose id or device number is taken or invalid."""
        require_type("eni_id", eni.eni_id, str, "give the ENI's id")
        if eni.eni_id in self.enis:
            raise DuplicateEni(f"{eni.eni_id} is already in the datastore: remove it first")
        if eni.device_number in self.by_device:
            holder = self.by_device[eni.device_number].eni_id
            raise DuplicateEni(
                f"device number {eni.device_number} of network card {self.network_card} is taken by {holder}: remove that ENI first"
            )
        if not 0 <= eni.device_number <= _DEVICE_NUMBER_MAX:
            raise out_of_range(f"the device number of {eni.eni_id}", eni.device_number, 0, _DEVICE_NUMBER_MAX)

    def add_eni(self, eni: Eni) -> None:
        """Add an ENI without CIDRs."""
        self.revision += 1
        try:
            self.enis[eni.eni_id] = self.by_device[eni.device_number] = eni
        except BaseException:
            self.enis.pop(eni.eni_id, None)
            self.by_device.pop(eni.device_number, None)
            raise

    def remove_eni(self, eni: Eni) -> None:
        """Remove an ENI that has no CIDRs left."""
        self.revision += 1
        del self.enis[eni.eni_id], self.by_device[eni.device_number]

    def eni(self, eni_id: str) -> Eni:
        """Return the ENI of an id.

        Raises:
            UnknownEni: there is none.
        """
        try:
            return self.enis[eni_id]
        except KeyError:
            raise UnknownEni(
                f"the datastore of network card {self.network_card} has no ENI {eni_id!r}: add it, or see eni_ids for those it has"
            ) from None

    def in_order(self) -> list[Eni]:
        """Return the ENIs, ascending by device number."""
        return [self.by_device[number] for number in sorted(self.by_device)]

    def set_excluded(self, eni: Eni, *, excluded: bool) -> None:
        """Stop or resume taking new addresses from an ENI."""
        before = eni.excluded
        try:
            eni.excluded = excluded
            self._open_or_close([eni])
        except BaseException:
            eni.excluded = before
            self._open_or_close([eni])
            raise

    def set_mode(self, mode: AddressMode) -> None:
        """Take new addresses from CIDRs of the size of another mode."""
        if mode.version != self.mode.version:
            raise DatastoreError(
                f"a node can't change from {self.mode.value} to {mode.value}: a cluster keeps its IP family, so make a new datastore"
            )
        before = self.mode
        try:
            self.mode = mode
            self._open_or_close(self.enis.values())
        except BaseException:
            self.mode = before
            self._open_or_close(self.enis.values())
            raise

    # --- CIDRs ---------------------------------------------------------------------------------------------------------------

    def add_cidr(self, eni: Eni, text: str) -> Cidr:
        """Add a CIDR to an ENI."""
        cidr = self._parse_slot(text)
        try:
            self.pool.add_block(cidr.first, cidr.size, eni.group(prefix=cidr.size > 1))
        except OverlappingBlock:
            other_id, other = self.overlapping(cidr)[0]
            raise OverlappingCidr(f"{text} on {eni.eni_id} overlaps {other} on {other_id}: remove that CIDR first") from None
        try:
            eni.cidrs[cidr.first] = cidr
            self.eni_of_block[cidr.first] = eni
            self._open_or_close_block(eni, cidr)
            self.revision += 1
        except BaseException:
            self.remove_cidr(eni, cidr.first)
            raise
        return cidr

    def remove_cidr(self, eni: Eni, base: int) -> None:
        """Remove a CIDR, given by its first address, in which no sandbox has an address."""
        self.revision += 1
        self.pool.remove_block(base)
        eni.cidrs.pop(base, None)  # it is absent if `add_cidr` failed
        self.eni_of_block.pop(base, None)  # likewise

    def cidr(self, eni: Eni, text: str) -> Cidr:
        """Return a CIDR of an ENI, given as text.

        Raises:
            UnknownCidr: the ENI has no such CIDR.
        """
        cidr = Cidr.parse(text)
        if eni.cidrs.get(cidr.first) != cidr:
            raise UnknownCidr(f"{eni.eni_id} has no CIDR {text}: see cidrs({eni.eni_id!r}) for those it has")
        return cidr

    def place_of(self, address: int) -> tuple[Eni, Cidr] | None:
        """Return the ENI and the CIDR of an address, None if it is in no CIDR. Complexity: O(log CIDRs)."""
        base = self.pool.block_of(address)
        if base is None:
            return None
        eni = self.eni_of_block[base]
        return eni, eni.cidrs[base]

    def overlapping(self, cidr: Cidr) -> tuple[tuple[str, str], ...]:
        """Return the CIDRs that overlap this one, as pairs of ENI id and CIDR, ascending by device number, then address."""
        if cidr.size == 1:
            place = self.place_of(cidr.first) if cidr.version == self.mode.version else None
            return () if place is None else ((place[0].eni_id, str(place[1])),)
        found = (
            (eni.device_number, other, eni.eni_id) for eni in self.enis.values() for other in eni.cidrs.values() if cidr.overlaps(other)
        )
        return tuple((eni_id, str(other)) for _, other, eni_id in sorted(found, key=lambda each: (each[0], each[1].first)))

    def removable_cidrs(self, eni: Eni, now_ns: int, *, cooled_only: bool) -> tuple[str, ...]:
        """Return the CIDRs of an ENI that have no pod, in the order in which to remove them."""
        pool, cidrs = self.pool, eni.cidrs
        empty = [
            base for base in cidrs if not (pool.block_assigned_count(base) or (cooled_only and pool.block_cooling_count(base, now_ns)))
        ]

        def order(base: int) -> tuple[int, bool, int]:
            cools = pool.block_cooling_count(base, now_ns) > 0
            rank = (2 if cools else 0) if pool.is_closed(base) else 1
            return rank, cools, -base

        return tuple(str(cidrs[base]) for base in sorted(empty, key=order))

    def _parse_slot(self, text: str) -> Cidr:
        cidr = Cidr.parse(text)
        sizes = (80,) if self.mode is AddressMode.IPV6 else (32, 28)
        if cidr.version != self.mode.version or cidr.prefix_length not in sizes:
            wanted = " or ".join(f"/{length}" for length in sizes)
            raise InvalidCidr(f"{text!r} fits no slot of an ENI: in {self.mode.value} mode a slot takes an IPv{self.mode.version} {wanted}")
        return cidr

    def _open_or_close(self, enis: Iterable[Eni]) -> None:
        self.revision += 1
        for eni in enis:
            for cidr in eni.cidrs.values():
                self._open_or_close_block(eni, cidr)

    def _open_or_close_block(self, eni: Eni, cidr: Cidr) -> None:
        if eni.excluded or cidr.prefix_length != self.mode.prefix_length:
            self.pool.close_block(cidr.first)
        else:
            self.pool.open_block(cidr.first)

    # --- counts --------------------------------------------------------------------------------------------------------------

    def stats(self, now_ns: int) -> PoolStats:
        """Return the counts over all ENIs."""
        total = assigned = cooling = prefixes = free_prefixes = pods = 0
        for eni in self.enis.values():
            eni_total, eni_assigned = self._total_and_assigned(eni)
            total += eni_total
            assigned += eni_assigned
            cooling += 0 if eni.excluded else self.pool.group_cooling_count(eni.group_of(self.mode), now_ns)
            pods += self._pod_count(eni)
            prefix_group = eni.group(prefix=True)
            prefixes += self.pool.group_block_count(prefix_group)
            free_prefixes += self.pool.group_empty_block_count(prefix_group)
        return PoolStats(total, assigned, cooling, total - assigned, prefixes, free_prefixes, pods - assigned)

    def total_and_assigned(self) -> tuple[int, int]:
        """Count the usable addresses of the mode, and the assigned ones of these. Unlike `stats`, this ends no cooldown."""
        counts = [self._total_and_assigned(eni) for eni in self.enis.values()]
        return sum(total for total, _ in counts), sum(assigned for _, assigned in counts)

    def _total_and_assigned(self, eni: Eni) -> tuple[int, int]:
        group = eni.group_of(self.mode)
        assigned = self.pool.group_assigned_count(group)
        return assigned if eni.excluded else self.pool.group_total_count(group), assigned

    def _pod_count(self, eni: Eni) -> int:
        return sum(self.pool.group_assigned_count(eni.group(prefix=prefix)) for prefix in (False, True))

    def eni_stats(self, now_ns: int) -> tuple[EniStats, ...]:
        """Return the counts of each ENI, ascending by device number. This ends no cooldown, so the time can lie in the future."""
        cooling_counts: Counter[Eni] = Counter()
        cooling_until_ns: dict[Eni, int] = {}
        cooling_empty: dict[Eni, set[int]] = {}  # the CIDRs without a pod where an address cools
        for address, until_ns in self.pool.cooling_items():  # ascending by end, so the last end on each ENI remains
            place = self.place_of(address) if until_ns > now_ns else None
            if place is not None:
                eni, cidr = place
                cooling_counts[eni] += cidr.prefix_length == self.mode.prefix_length
                cooling_until_ns[eni] = until_ns
                if not self.pool.block_assigned_count(cidr.first):
                    cooling_empty.setdefault(eni, set()).add(cidr.first)
        return tuple(
            self._count(eni, cooling_counts[eni], cooling_until_ns.get(eni), cooling_empty.get(eni, set())) for eni in self.in_order()
        )

    def _count(self, eni: Eni, cooling_count: int, cooling_until_ns: int | None, cooling_empty: set[int]) -> EniStats:
        pool, group = self.pool, eni.group_of(self.mode)
        groups = (eni.group(prefix=False), eni.group(prefix=True))
        total, assigned = self._total_and_assigned(eni)
        cooling_stale_count = sum(pool.is_closed(base) for base in cooling_empty)
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
            cooling_count=0 if eni.excluded else cooling_count,
            pod_count=self._pod_count(eni),
            free_prefix_count=pool.group_empty_block_count(groups[1]),
            idle_cidr_count=0 if eni.excluded else pool.group_empty_block_count(group),
            stale_cidr_count=sum(pool.group_empty_block_count(each) for each in groups if eni.excluded or each != group),
            cooling_until_ns=cooling_until_ns,
            cooling_idle_cidr_count=len(cooling_empty) - cooling_stale_count,
            cooling_stale_cidr_count=cooling_stale_count,
        )

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        blocks = {base: (size, group) for base, size, group in self.pool.blocks()}
        cidrs = {cidr.first: (eni, cidr) for eni in self.enis.values() for cidr in eni.cidrs.values()}
        assert blocks.keys() == cidrs.keys() == self.eni_of_block.keys(), "invariant 4"  # noqa: S101  # a _check asserts
        for base, (eni, cidr) in cidrs.items():
            assert blocks[base] == (cidr.size, eni.group(prefix=cidr.size > 1)), "invariant 4"  # noqa: S101  # likewise
            closed = eni.excluded or cidr.prefix_length != self.mode.prefix_length
            assert self.pool.is_closed(base) == closed, "invariant 4"  # noqa: S101  # likewise
