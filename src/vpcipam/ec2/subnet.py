"""The address side of one subnet: which of its addresses, /28s and /80s are taken, and which comes next.

Nothing here knows ENIs, instances or error codes: addresses go out and come back as integers. `vpcipam.ec2.model` says whose they are.
"""

from typing import Literal

import attrs

from vpcipam.address import AddressMode, Cidr
from vpcipam.errors import AlreadyAllocated, NoFreeRun, PoolExhausted
from vpcipam.pool import BitmapPool

AddressChoice = Literal["lowest", "random"]
"""Which free address or block is taken next."""

PREFIX_SIZE = AddressMode.PREFIX.addresses_per_slot
IPV6_PREFIX_SIZE = AddressMode.IPV6.addresses_per_slot
RESERVED_FIRST_COUNT = 4
"""EC2 keeps the first four addresses of a subnet (network, router, DNS, future use) and the last (broadcast)."""
RESERVED_LAST_COUNT = 1

_WORD = (1 << 64) - 1
_GOLDEN_GAMMA = 0x9E3779B97F4A7C15


@attrs.frozen
class AddressSet:
    """Addresses of one subnet, each field in the order in which they were chosen or named.

    Attributes:
        addresses: single IPv4 addresses.
        prefixes: the first address of each /28.
        ipv6_prefixes: the first address of each /80.
    """

    addresses: tuple[int, ...] = ()
    prefixes: tuple[int, ...] = ()
    ipv6_prefixes: tuple[int, ...] = ()


class Scatter:
    """A seeded sequence of numbers whose whole state is one counter.

    A refused call sets the counter back and so leaves no trace, which the generators of `random` make costly.
    The mixing is SplitMix64's.
    """

    def __init__(self, seed: int) -> None:
        self._base = seed & _WORD
        self.draw_count = 0

    def below(self, bound: int) -> int:
        """Draw a number from 0 up to `bound`, exclusive."""
        self.draw_count += 1
        word = (self._base + self.draw_count * _GOLDEN_GAMMA) & _WORD
        word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
        return (word ^ (word >> 31)) % bound


class _Grid:
    """A CIDR cut into cells of one size, each free or taken. The pool counts cells from 0, callers speak of addresses."""

    def __init__(self, cidr: Cidr, cell_size: int) -> None:
        self.cidr = cidr
        self.cell_size = cell_size
        self.pool = BitmapPool(cidr.size // cell_size)

    def offset(self, address: int) -> int:
        return (address - self.cidr.first) // self.cell_size

    def address(self, offset: int) -> int:
        return self.cidr.first + offset * self.cell_size

    def is_taken(self, address: int) -> bool:
        return self.pool.is_allocated(self.offset(address))


class SubnetAddresses:
    """The free and taken addresses of one subnet.

    Invariants:
        1. The reserved addresses are always taken, and the first and the last /80 with them.
        2. `free_count` is the number of IPv4 addresses that are neither reserved nor taken; a /28 counts as 16.

    Args:
        cidr: the IPv4 block, /16 to /28.
        ipv6_cidr: the /64, None for a subnet without IPv6.
        choice: `lowest` takes the lowest free address or block, `random` the first at or after a seeded random place.
        seed: of `random`; without meaning for `lowest`.
    """

    def __init__(self, cidr: Cidr, ipv6_cidr: Cidr | None = None, *, choice: AddressChoice = "lowest", seed: int = 0) -> None:
        self.cidr = cidr
        self.ipv6_cidr = ipv6_cidr
        self._scatter = Scatter(seed) if choice == "random" else None
        self._ipv4 = _Grid(cidr, 1)
        self._ipv6 = None if ipv6_cidr is None else _Grid(ipv6_cidr, IPV6_PREFIX_SIZE)
        for address in self.reserved_addresses():
            self._ipv4.pool.allocate_at(self._ipv4.offset(address))
        if self._ipv6 is not None:
            for prefix in self.reserved_ipv6_prefixes():
                self._ipv6.pool.allocate_at(self._ipv6.offset(prefix))

    @property
    def free_count(self) -> int:
        """The number of free IPv4 addresses."""
        return self._ipv4.pool.free_count

    @property
    def free_prefix_count(self) -> int:
        """The number of aligned, wholly free /28s."""
        return self._ipv4.pool.free_run_count(PREFIX_SIZE)

    @property
    def free_ipv6_prefix_count(self) -> int:
        """The number of free /80s; 0 for a subnet without IPv6."""
        return 0 if self._ipv6 is None else self._ipv6.pool.free_count

    def reserved_addresses(self) -> tuple[int, ...]:
        """The IPv4 addresses that EC2 keeps for itself, ascending."""
        first, last = self.cidr.first, self.cidr.last
        return (*range(first, first + RESERVED_FIRST_COUNT), *range(last + 1 - RESERVED_LAST_COUNT, last + 1))

    def is_reserved(self, address: int) -> bool:
        """Tell whether EC2 keeps an IPv4 address of this subnet for itself."""
        return address in self.reserved_addresses()

    def is_taken(self, address: int) -> bool:
        """Tell whether an IPv4 address of this subnet is reserved or taken."""
        return self._ipv4.is_taken(address)

    def is_ipv6_prefix_taken(self, prefix: int) -> bool:
        """Tell whether a /80 of this subnet, given by its first address, is reserved or taken."""
        return self._ipv6 is not None and self._ipv6.is_taken(prefix)

    def reserved_ipv6_prefixes(self) -> tuple[int, ...]:
        """The /80s that hold addresses which EC2 keeps for itself: the first and the last, as with the /28s."""
        cidr = self.ipv6_cidr
        return () if cidr is None else (cidr.first, cidr.last + 1 - IPV6_PREFIX_SIZE)

    def allocate(self, *, address_count: int = 0, prefix_count: int = 0, ipv6_prefix_count: int = 0) -> AddressSet:
        """Take so many addresses, then so many /28s, then so many /80s; all or nothing.

        Raises:
            PoolExhausted: fewer single addresses are free.
            NoFreeRun: fewer /80s are free, or fewer /28s once the single addresses are taken.

        Complexity: O(log64 size) for each address and each block.
        """
        if address_count > self.free_count:
            raise PoolExhausted(f"{self.cidr} has {self.free_count} free addresses, {address_count} are wanted")
        if ipv6_prefix_count > self.free_ipv6_prefix_count:
            raise NoFreeRun(f"{self.ipv6_cidr} has {self.free_ipv6_prefix_count} free /80s, {ipv6_prefix_count} are wanted")
        draw_count = 0 if self._scatter is None else self._scatter.draw_count
        addresses = tuple(self._take(self._ipv4) for _ in range(address_count))
        # Asked only now: a single address may have broken the last whole /28.
        if prefix_count and prefix_count > self.free_prefix_count:
            free_prefix_count = self.free_prefix_count
            self.release(AddressSet(addresses))
            if self._scatter is not None:
                self._scatter.draw_count = draw_count
            raise NoFreeRun(f"{self.cidr} has {free_prefix_count} free aligned /28s, {prefix_count} are wanted")
        prefixes = tuple(self._take(self._ipv4, PREFIX_SIZE) for _ in range(prefix_count))
        ipv6_prefixes = () if self._ipv6 is None else tuple(self._take(self._ipv6) for _ in range(ipv6_prefix_count))
        return AddressSet(addresses, prefixes, ipv6_prefixes)

    def claim(self, wanted: AddressSet) -> None:
        """Take named IPv4 addresses and /28s, which must lie in this subnet; all or nothing.

        Raises:
            AlreadyAllocated: one is reserved, taken, or named twice.
        """
        done = AddressSet()
        try:
            for address in wanted.addresses:
                self._ipv4.pool.allocate_at(self._ipv4.offset(address))
                done = attrs.evolve(done, addresses=(*done.addresses, address))
            for prefix in wanted.prefixes:
                self._ipv4.pool.allocate_run_at(self._ipv4.offset(prefix), PREFIX_SIZE)
                done = attrs.evolve(done, prefixes=(*done.prefixes, prefix))
        except AlreadyAllocated:
            self.release(done)
            raise

    def release(self, held: AddressSet) -> None:
        """Give back what `allocate` or `claim` took."""
        for address in held.addresses:
            self._ipv4.pool.release(self._ipv4.offset(address))
        for prefix in held.prefixes:
            self._ipv4.pool.release_run(self._ipv4.offset(prefix), PREFIX_SIZE)
        if self._ipv6 is not None:
            for prefix in held.ipv6_prefixes:
                self._ipv6.pool.release(self._ipv6.offset(prefix))

    def _take(self, grid: _Grid, length: int = 1) -> int:
        start = 0 if self._scatter is None else self._scatter.below(grid.pool.capacity)
        return grid.address(grid.pool.allocate(start) if length == 1 else grid.pool.allocate_run(length, start))
