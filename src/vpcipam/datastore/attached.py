"""The lower half of the datastore: the ENIs of one network card and their CIDRs. Each CIDR is a block of the pool."""

from collections.abc import Iterable, Mapping
from itertools import filterfalse

import attrs

from vpcipam._arguments import require_type
from vpcipam._pool_refusals import out_of_range
from vpcipam.address import AddressMode, Cidr
from vpcipam.datastore.withheld import Pool
from vpcipam.errors import DatastoreError, DuplicateEni, InvalidCidr, OverlappingBlock, OverlappingCidr, UnknownCidr, UnknownEni
from vpcipam.pool import GROUP_MAX
from vpcipam.stats import EniStats, PoolStats

_DEVICE_NUMBER_MAX = GROUP_MAX // 2  # an ENI takes two groups of the pool; EC2's numbers stay below 100


_Cooling = tuple[int, int | None, int, int]
"""The cooldowns on one ENI: `EniStats.cooling_count`, `.cooling_until_ns`, `.cooling_idle_cidr_count` and `.cooling_stale_cidr_count`."""
_NONE_COOLS: _Cooling = 0, None, 0, 0

_SINGLE_LENGTH = AddressMode.SECONDARY_IP.prefix_length
_IPV4_SLOTS, _IPV6_SLOTS = ((4, 32), (4, 28)), ((6, 80),)  # IP version and prefix length of what fits a slot


def _is_prefix(cidr: Cidr) -> bool:
    return cidr.prefix_length != _SINGLE_LENGTH


@attrs.define(eq=False)
class Eni:
    """An ENI in the datastore. Its single addresses and its prefixes are two groups of the pool, which are counted separately.

    Attributes:
        cidrs: its CIDRs by first address.
        prefix_count: how many of them are prefixes.
        serial: tells it from all ENIs that the datastore has had before.
        single_group, prefix_group: the groups of the pool that have its single addresses and its prefixes.
        counted: the counts of the pool that `stats` was made of; empty if it was not made since the last change of the ENI.
    """

    eni_id: str
    device_number: int
    primary: bool
    trunk: bool
    efa: bool
    excluded: bool
    subnet_id: str | None
    added_ns: int
    cidrs: dict[int, Cidr] = attrs.field(init=False, factory=dict)
    prefix_count: int = attrs.field(init=False, default=0)
    serial: int = attrs.field(init=False, default=0)
    _texts: tuple[str, ...] | None = attrs.field(init=False, default=None)
    single_group: int = attrs.field(init=False, default=attrs.Factory(lambda self: 2 * self.device_number, takes_self=True))
    prefix_group: int = attrs.field(init=False, default=attrs.Factory(lambda self: 2 * self.device_number + 1, takes_self=True))
    counted: tuple[()] | tuple[int, int, int, _Cooling] = attrs.field(init=False, default=())
    stats: EniStats = attrs.field(init=False)

    def add(self, cidr: Cidr, prefix_count: int) -> None:
        """Add a CIDR, after which it has `prefix_count` prefixes."""
        self.cidrs[cidr.first] = cidr
        self.prefix_count = prefix_count
        self.note_change()

    def remove(self, base: int, prefix_count: int) -> None:
        """Remove a CIDR, if it is there, after which `prefix_count` prefixes remain. This needs no memory."""
        self.cidrs.pop(base, None)
        self.prefix_count = prefix_count
        self.note_change()

    def note_change(self) -> None:
        """Drop what was made of its CIDRs, its exclusion, or the mode."""
        self._texts = None
        self.counted = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """Its CIDRs as text, ascending. Complexity: O(1) until they change."""
        if self._texts is None:
            self._texts = tuple([str(self.cidrs[base]) for base in sorted(self.cidrs)])
        return self._texts

    def missing(self, wanted: Mapping[str, Cidr]) -> tuple[str, ...]:
        """Return the texts of those CIDRs that it does not have."""
        return tuple([text for text, cidr in wanted.items() if not self.has(cidr)])

    def has(self, cidr: Cidr) -> bool:
        """Tell whether it has a CIDR."""
        held = self.cidrs.get(cidr.first)
        return held is cidr or (held is not None and held == cidr)  # mostly the first

    def cidr_count(self, mode: AddressMode) -> int:
        """The number of its CIDRs of a mode."""
        return len(self.cidrs) - self.prefix_count if mode is AddressMode.SECONDARY_IP else self.prefix_count

    def group(self, mode: AddressMode) -> int:
        """Return the pool's group of its CIDRs of a mode."""
        return self.single_group if mode is AddressMode.SECONDARY_IP else self.prefix_group


class Attached:
    """The ENIs of a card and their CIDRs. It sees sandboxes only as keys in the pool. `Datastore` documents the calls.

    Invariants, numbered as those of `Datastore`:

    4. Each block of the pool is a CIDR. It is open if and only if its ENI is not excluded and the CIDR has the size of the mode.
    6. What is kept beside the ENIs and their CIDRs (counts, texts, orders) equals a recount.

    Attributes:
        revision: a number that grows with every change of the ENIs, their CIDRs or the mode.
        has_trunk: whether one of the ENIs is the trunk.
        eni_ids: the ids of the ENIs, ascending by device number.
    """

    def __init__(self, pool: Pool, mode: AddressMode, network_card: int) -> None:
        self.pool = pool
        self.mode = mode
        self.network_card = network_card
        self.revision = 0
        self._added_count = 0
        self.has_trunk = False
        self.eni_ids: tuple[str, ...] = ()
        self.enis: dict[str, Eni] = {}
        self.by_device: dict[int, Eni] = {}
        self.eni_of_block: dict[int, Eni] = {}
        self._in_order: tuple[Eni, ...] = ()

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
        self._added_count += 1
        eni.serial = self._added_count
        try:
            self.enis[eni.eni_id] = self.by_device[eni.device_number] = eni
            self._set_order(tuple([self.by_device[number] for number in sorted(self.by_device)]))
        except BaseException:
            self.enis.pop(eni.eni_id, None)
            self.by_device.pop(eni.device_number, None)
            raise

    def _set_order(self, enis: tuple[Eni, ...]) -> None:
        """Set the ENIs in order, and what follows from them, as the last step of a change: all or, with a MemoryError, nothing."""
        has_trunk, eni_ids = any(eni.trunk for eni in enis), tuple([eni.eni_id for eni in enis])
        self._in_order = enis
        self.has_trunk = has_trunk
        self.eni_ids = eni_ids

    def remove_eni(self, eni: Eni) -> None:
        """Remove an ENI that has no CIDRs left."""
        self.revision += 1
        self._set_order(tuple([each for each in self._in_order if each is not eni]))
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
        first, is_prefix = cidr.first, _is_prefix(cidr)
        try:
            self.pool.add_block(first, cidr.size, eni.prefix_group if is_prefix else eni.single_group)
        except OverlappingBlock:
            other_id, other = self.overlapping(cidr)[0]
            raise OverlappingCidr(f"{text} on {eni.eni_id} overlaps {other} on {other_id}: remove that CIDR first") from None
        try:
            eni.add(cidr, eni.prefix_count + is_prefix)
            self.eni_of_block[first] = eni
            if self._is_closed(eni, cidr):
                self.pool.close_block(first)
            self.revision += 1
        except BaseException:
            self.remove_cidr(eni, first)
            raise
        return cidr

    def remove_cidr(self, eni: Eni, base: int) -> None:
        """Remove a CIDR, given by its first address, in which no sandbox has an address."""
        self.revision += 1
        cidr = eni.cidrs.get(base)  # absent if `add_cidr` failed
        prefix_count = eni.prefix_count - (cidr is not None and _is_prefix(cidr))  # before the changes: it can run out of memory
        self.pool.remove_block(base)
        eni.remove(base, prefix_count)
        self.eni_of_block.pop(base, None)  # likewise

    def cidr(self, eni: Eni, text: str) -> Cidr:
        """Return a CIDR of an ENI, given as text.

        Raises:
            UnknownCidr: the ENI has no such CIDR.
        """
        cidr = Cidr.parse(text)
        if not eni.has(cidr):
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

    def removable_cidrs(self, eni: Eni, now_ns: int, *, cooled_only: bool, most: int | None) -> tuple[str, ...]:
        """Return the CIDRs of an ENI that have no pod, in the order in which to remove them; no more than `most`."""
        pool, cidrs = self.pool, eni.cidrs
        cools, may_have_closed = pool.cooling_count(now_ns), self._may_have_closed(eni)
        closed: list[int] = []
        cooled: list[int] = []
        cooling: list[int] = []
        closed_cooling: list[int] = []
        for base in filterfalse(pool.block_assigned_count, sorted(cidrs, reverse=True)):
            is_closed = may_have_closed and pool.is_closed(base)
            if not (cools and pool.block_cooling_count(base, now_ns)):
                (closed if is_closed else cooled).append(base)
                if len(cooled) == most and not may_have_closed:
                    break
            elif not cooled_only:
                (closed_cooling if is_closed else cooling).append(base)
        return tuple([str(cidrs[base]) for base in [*closed, *cooled, *cooling, *closed_cooling][:most]])

    def _may_have_closed(self, eni: Eni) -> bool:
        """Tell whether an ENI has CIDRs of two kinds or of the other mode, or is excluded; if not, all its blocks are open."""
        return eni.excluded or eni.cidr_count(self.mode) < len(eni.cidrs)

    def _parse_slot(self, text: str) -> Cidr:
        cidr = Cidr.parse(text)
        if (cidr.version, cidr.prefix_length) not in (_IPV6_SLOTS if self.mode is AddressMode.IPV6 else _IPV4_SLOTS):
            wanted = "/80" if self.mode is AddressMode.IPV6 else "/32 or /28"
            raise InvalidCidr(f"{text!r} fits no slot of an ENI: in {self.mode.value} mode a slot takes an IPv{self.mode.version} {wanted}")
        return cidr

    def _open_or_close(self, enis: Iterable[Eni]) -> None:
        self.revision += 1
        for eni in enis:
            eni.note_change()
            for cidr in eni.cidrs.values():
                if self._is_closed(eni, cidr):
                    self.pool.close_block(cidr.first)
                else:
                    self.pool.open_block(cidr.first)

    def _is_closed(self, eni: Eni, cidr: Cidr) -> bool:
        """Tell whether a CIDR of an ENI gives no new addresses."""
        return eni.excluded or cidr.prefix_length != self.mode.prefix_length

    # --- counts --------------------------------------------------------------------------------------------------------------

    def stats(self, now_ns: int) -> PoolStats:
        """Return the counts over all ENIs."""
        cooling = 0
        if self.pool.cooling_count(now_ns):  # also ends the cooldowns that are over, and refuses an invalid time
            groups = [eni.group(self.mode) for eni in self._in_order if not eni.excluded]
            cooling = sum(self.pool.group_cooling_count(group, now_ns) for group in groups)
        return self._count({}, cooling)[0]

    def pool_and_eni_stats(self, now_ns: int) -> tuple[PoolStats, tuple[EniStats, ...]]:
        """Return what `stats` and `eni_stats` do."""
        return self._count(self._cooling(now_ns) if self.pool.cooling_count(now_ns) else {})  # the count also ends cooldowns

    def eni_stats(self, now_ns: int) -> tuple[EniStats, ...]:
        """Return the counts of each ENI, ascending by device number. This ends no cooldown, so the time can lie in the future."""
        return self._count(self._cooling(now_ns))[1]

    def sizes(self) -> tuple[int, int, int]:
        """The numbers of usable addresses of the mode, of ENIs, and of prefixes. Unlike `stats`, this ends no cooldown."""
        singles, total, prefixes = self.mode is AddressMode.SECONDARY_IP, 0, 0
        for eni in self._in_order:
            prefixes += eni.prefix_count
            if eni.excluded:
                total += self.pool.group_assigned_count(eni.group(self.mode))
            else:
                total += len(eni.cidrs) - eni.prefix_count if singles else eni.prefix_count * self.mode.addresses_per_slot
        return total, len(self._in_order), prefixes

    @property
    def assigned_count(self) -> int:
        """The number of the assigned addresses among the usable ones of the mode."""
        return sum([self.pool.group_assigned_count(eni.group(self.mode)) for eni in self._in_order])

    @property
    def shape(self) -> tuple[int, ...]:
        """The mode, and what each ENI is and how many CIDRs and prefixes it has, as numbers. It can come again, unlike a revision."""
        shape = [self.mode.prefix_length]
        for eni in self._in_order:
            shape += eni.serial, eni.excluded, len(eni.cidrs), eni.prefix_count
        return tuple(shape)

    def _count(self, cooling: Mapping[Eni, _Cooling], cooling_count: int = 0) -> tuple[PoolStats, tuple[EniStats, ...]]:
        """Return the counts over all ENIs and those of each ENI: the value from last time if nothing has changed there.

        Args:
            cooling: the cooldowns, by ENI.
            cooling_count: what to add for cooldowns that are left out there.
        """
        pool, enis = self.pool, []
        total = assigned = pods = prefixes = free_prefixes = 0
        for eni in self._in_order:
            prefix_count = eni.prefix_count
            single_pods = pool.group_assigned_count(eni.single_group) if len(eni.cidrs) > prefix_count else 0
            prefix_pods = empty_prefixes = 0
            if prefix_count:  # the pool is not asked about empty groups
                prefix_pods, empty_prefixes = pool.group_assigned_count(eni.prefix_group), pool.group_empty_block_count(eni.prefix_group)
                prefixes += prefix_count
                free_prefixes += empty_prefixes
            counted = single_pods, prefix_pods, empty_prefixes, cooling.get(eni, _NONE_COOLS)
            if counted != eni.counted:
                eni.stats, eni.counted = self._eni_stats(eni, *counted), counted
            counts = eni.stats
            total += counts.total_count
            assigned += counts.assigned_count
            cooling_count += counts.cooling_count
            pods += single_pods + prefix_pods
            enis.append(counts)
        return PoolStats(total, assigned, cooling_count, total - assigned, prefixes, free_prefixes, pods - assigned), tuple(enis)

    def _eni_stats(self, eni: Eni, single_pods: int, prefix_pods: int, free_prefixes: int, cooling: _Cooling) -> EniStats:
        slots, mode = len(eni.cidrs), self.mode
        free_singles = slots - eni.prefix_count - single_pods
        if mode is AddressMode.SECONDARY_IP:
            total, assigned, idle, stale = slots - eni.prefix_count, single_pods, free_singles, free_prefixes
        else:
            total, assigned, idle, stale = eni.prefix_count * mode.addresses_per_slot, prefix_pods, free_prefixes, free_singles
        cooling_count, cooling_until_ns, cooling_idle, cooling_stale = cooling
        if eni.excluded:
            total, cooling_count, idle, stale = assigned, 0, 0, idle + stale
        return EniStats(  # by position, which takes half as long as by name
            eni.eni_id,
            eni.device_number,
            eni.primary,
            eni.trunk,
            eni.efa,
            eni.excluded,
            eni.subnet_id,
            eni.added_ns,
            slots,
            total,
            assigned,
            cooling_count,
            single_pods + prefix_pods,
            free_prefixes,
            idle,
            stale,
            cooling_until_ns,
            cooling_idle,
            cooling_stale,
        )

    def _cooling(self, now_ns: int) -> dict[Eni, _Cooling]:
        """Count the cooldowns that are not over, by ENI."""
        found: dict[Eni, _Cooling] = {}
        pool, length = self.pool, self.mode.prefix_length
        empty: set[int] = set()  # each CIDR without a pod counts once
        for address, until_ns in pool.cooling_items():  # ascending by end, so the last end on each ENI remains
            base = pool.block_of(address) if until_ns > now_ns else None
            eni = None if base is None else self.eni_of_block.get(base)
            if base is None or eni is None or base not in eni.cidrs:  # the last two: a change of the CIDR was interrupted
                continue
            count, _, idle, stale = found.get(eni, _NONE_COOLS)
            if base not in empty and not pool.block_assigned_count(base):
                empty.add(base)
                if pool.is_closed(base):
                    stale += 1
                else:
                    idle += 1
            found[eni] = count + (eni.cidrs[base].prefix_length == length), until_ns, idle, stale
        return found

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        blocks = {base: (size, group) for base, size, group in self.pool.blocks()}
        cidrs = {cidr.first: (eni, cidr) for eni in self.enis.values() for cidr in eni.cidrs.values()}
        assert blocks.keys() == cidrs.keys() == self.eni_of_block.keys(), "invariant 4"  # noqa: S101  # a _check asserts
        for base, (eni, cidr) in cidrs.items():
            assert blocks[base] == (cidr.size, 2 * eni.device_number + _is_prefix(cidr)), "invariant 4"  # noqa: S101  # likewise
            assert self.pool.is_closed(base) == self._is_closed(eni, cidr), "invariant 4"  # noqa: S101  # likewise
        for eni in self.enis.values():
            prefix_count = self.pool.group_block_count(eni.prefix_group)
            assert eni.prefix_count == prefix_count, "invariant 6"  # noqa: S101  # likewise
            assert eni.texts == tuple(map(str, sorted(eni.cidrs.values()))), "invariant 6"  # noqa: S101  # likewise
            assert not eni.counted or eni.stats == self._eni_stats(eni, *eni.counted), "invariant 6"  # noqa: S101  # likewise
        assert self._in_order == tuple(sorted(self.enis.values(), key=lambda eni: eni.device_number)), "invariant 6"  # noqa: S101  # likewise
        assert self.eni_ids == tuple(eni.eni_id for eni in self._in_order), "invariant 6"  # noqa: S101  # likewise
        assert self.has_trunk == any(eni.trunk for eni in self.enis.values()), "invariant 6"  # noqa: S101  # likewise
