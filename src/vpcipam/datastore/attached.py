"""What is attached to one network card: its ENIs and their CIDRs, each CIDR a block of the pool. The datastore's lower half."""

from vpcipam._arguments import require_type
from vpcipam._pool_refusals import out_of_range
from vpcipam.address import AddressMode, Cidr
from vpcipam.datastore.enis import CoolingOnEni, Eni, cooling_by_eni, count_eni, count_pool, total_and_assigned
from vpcipam.errors import DatastoreError, DuplicateEni, InvalidCidr, OverlappingBlock, OverlappingCidr, UnknownCidr, UnknownEni
from vpcipam.pool import GROUP_MAX, AddressPool
from vpcipam.sandbox import SandboxKey
from vpcipam.stats import EniStats, PoolStats

_DEVICE_NUMBER_MAX = GROUP_MAX // 2  # an ENI takes two groups of the pool; EC2's numbers stay below 100


class Attached:
    """The ENIs of a card and their CIDRs. It knows of sandboxes only that the pool has them; see `Datastore` for what the calls mean.

    Invariants, of those of `Datastore`:

    4. Each block of the pool is a CIDR, and is open exactly if its ENI is not excluded and its size is the mode's.

    Attributes:
        revision: grows with every change of it.
    """

    def __init__(self, pool: AddressPool[SandboxKey], mode: AddressMode, network_card: int) -> None:
        """Make a card without ENIs, on a pool without blocks."""
        self.pool = pool
        self.mode = mode
        self.network_card = network_card
        self.revision = 0
        self.enis: dict[str, Eni] = {}
        self.by_device: dict[int, Eni] = {}
        self.eni_of_block: dict[int, Eni] = {}

    # --- ENIs ----------------------------------------------------------------------------------------------------------------

    def check_new(self, eni: Eni) -> None:
        """Refuse an ENI whose id or device number is taken, or can't be."""
        require_type("eni_id", eni.eni_id, str, "give the ENI's id")
        if eni.eni_id in self.enis:
            raise DuplicateEni(f"{eni.eni_id} is in the datastore already")
        if eni.device_number in self.by_device:
            holder = self.by_device[eni.device_number].eni_id
            raise DuplicateEni(f"device number {eni.device_number} of network card {self.network_card} is taken by {holder}")
        if not 0 <= eni.device_number <= _DEVICE_NUMBER_MAX:
            raise out_of_range(f"the device number of {eni.eni_id}", eni.device_number, 0, _DEVICE_NUMBER_MAX)

    def add_eni(self, eni: Eni) -> None:
        """Add an ENI without CIDRs."""
        self.enis[eni.eni_id] = self.by_device[eni.device_number] = eni
        self.revision += 1

    def remove_eni(self, eni: Eni) -> None:
        """Remove an ENI whose CIDRs are gone already."""
        del self.enis[eni.eni_id], self.by_device[eni.device_number]
        self.revision += 1

    def eni(self, eni_id: str) -> Eni:
        """Find an ENI by its id.

        Raises:
            UnknownEni: there is none of that id.
        """
        try:
            return self.enis[eni_id]
        except KeyError:
            raise UnknownEni(f"the datastore of network card {self.network_card} has no ENI {eni_id!r}") from None

    def in_order(self) -> list[Eni]:
        """The ENIs, ascending by device number."""
        return [self.by_device[number] for number in sorted(self.by_device)]

    def set_excluded(self, eni: Eni, *, excluded: bool) -> None:
        """Mark an ENI as giving no new addresses, or as giving them again."""
        eni.excluded = excluded
        self._open_or_close(eni)

    def set_mode(self, mode: AddressMode) -> None:
        """Take new addresses from CIDRs of another size."""
        if mode.version != self.mode.version:
            raise DatastoreError(f"a node can't change from {self.mode.value} to {mode.value}: a cluster keeps its IP family")
        self.mode = mode
        for eni in self.enis.values():
            self._open_or_close(eni)

    # --- CIDRs ---------------------------------------------------------------------------------------------------------------

    def add_cidr(self, eni: Eni, text: str) -> Cidr:
        """Add a CIDR to an ENI."""
        cidr = self._parse_slot(text)
        try:
            self.pool.add_block(cidr.first, cidr.size, eni.group(prefix=cidr.size > 1))
        except OverlappingBlock:
            other_id, other = self.overlapping(cidr)[0]
            raise OverlappingCidr(f"{text} on {eni.eni_id} overlaps {other} on {other_id}") from None
        eni.cidrs[cidr.first] = cidr
        self.eni_of_block[cidr.first] = eni
        self._open_or_close_block(eni, cidr)
        self.revision += 1
        return cidr

    def remove_cidr(self, eni: Eni, base: int, now_ns: int) -> None:
        """Remove a CIDR, given by its first address, that no sandbox has an address in."""
        self.revision += 1
        del eni.cidrs[base]
        self.pool.remove_block(base, now_ns=now_ns)
        del self.eni_of_block[base]

    def cidr(self, eni: Eni, text: str) -> Cidr:
        """Find a CIDR on an ENI.

        Raises:
            UnknownCidr: the ENI has no such CIDR.
        """
        cidr = Cidr.parse(text)
        if eni.cidrs.get(cidr.first) != cidr:
            raise UnknownCidr(f"{eni.eni_id} has no CIDR {text}")
        return cidr

    def place_of(self, address: int) -> tuple[Eni, Cidr] | None:
        """Where an address sits, None where it lies in no CIDR. Complexity: O(log CIDRs)."""
        base = self.pool.block_of(address)
        if base is None:
            return None
        eni = self.eni_of_block[base]
        return eni, eni.cidrs[base]

    def overlapping(self, cidr: Cidr) -> tuple[tuple[str, str], ...]:
        """The CIDRs that share an address with one, each as the id of its ENI and its text; ascending by device number, then address."""
        if cidr.size == 1:
            place = self.place_of(cidr.first) if cidr.version == self.mode.version else None
            return () if place is None else ((place[0].eni_id, str(place[1])),)
        found = (
            (eni.device_number, other, eni.eni_id) for eni in self.enis.values() for other in eni.cidrs.values() if cidr.overlaps(other)
        )
        return tuple((eni_id, str(other)) for _, other, eni_id in sorted(found, key=lambda each: (each[0], each[1].first)))

    def removable_cidrs(self, eni: Eni, now_ns: int) -> tuple[str, ...]:
        """The CIDRs on an ENI without a pod, those best given back first."""
        pool, cidrs = self.pool, eni.cidrs
        empty = [base for base in cidrs if not pool.block_assigned_count(base)]
        empty.sort(key=lambda base: (not pool.is_closed(base), pool.block_cooling_count(base, now_ns) > 0, -base))
        return tuple(str(cidrs[base]) for base in empty)

    def _parse_slot(self, text: str) -> Cidr:
        cidr = Cidr.parse(text)
        sizes = (80,) if self.mode is AddressMode.IPV6 else (32, 28)
        if cidr.version != self.mode.version or cidr.prefix_length not in sizes:
            wanted = " or ".join(f"/{length}" for length in sizes)
            raise InvalidCidr(f"{text!r} fits no slot of an ENI: in {self.mode.value} mode that takes an IPv{self.mode.version} {wanted}")
        return cidr

    def _open_or_close(self, eni: Eni) -> None:
        self.revision += 1
        for cidr in eni.cidrs.values():
            self._open_or_close_block(eni, cidr)

    def _open_or_close_block(self, eni: Eni, cidr: Cidr) -> None:
        if eni.excluded or cidr.prefix_length != self.mode.prefix_length:
            self.pool.close_block(cidr.first)
        else:
            self.pool.open_block(cidr.first)

    # --- counts --------------------------------------------------------------------------------------------------------------

    def stats(self, now_ns: int) -> PoolStats:
        """Count over all ENIs."""
        return count_pool(self.enis.values(), self.pool, self.mode, now_ns)

    def eni_stats(self, now_ns: int) -> tuple[EniStats, ...]:
        """Count ENI by ENI, ascending by device number."""
        cooling = cooling_by_eni(self.eni_of_block, self.pool, self.mode, now_ns)
        return tuple(count_eni(eni, self.pool, self.mode, cooling.get(eni, CoolingOnEni())) for eni in self.in_order())

    def total_and_assigned(self) -> tuple[int, int]:
        """Count the addresses of the mode in reach, and those of them that are assigned."""
        counts = [total_and_assigned(eni, self.pool, self.mode) for eni in self.enis.values()]
        return sum(total for total, _ in counts), sum(assigned for _, assigned in counts)

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        blocks = {base: (size, group) for base, size, group in self.pool.blocks()}
        cidrs = {cidr.first: (eni, cidr) for eni in self.enis.values() for cidr in eni.cidrs.values()}
        assert blocks.keys() == cidrs.keys() == self.eni_of_block.keys(), "invariant 4"  # noqa: S101  # what a _check is for
        for base, (eni, cidr) in cidrs.items():
            assert blocks[base] == (cidr.size, eni.group(prefix=cidr.size > 1)), "invariant 4"  # noqa: S101  # likewise
            closed = eni.excluded or cidr.prefix_length != self.mode.prefix_length
            assert self.pool.is_closed(base) == closed, "invariant 4"  # noqa: S101  # likewise
