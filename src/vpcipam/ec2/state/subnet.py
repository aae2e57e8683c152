"""The address side of one subnet: which of its addresses and prefixes are taken, which are reserved, and which comes next.

Nothing here knows ENIs, instances or error codes: addresses go out and come back as integers. `vpcipam.ec2.actions` says whose they are.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal

import attrs

from vpcipam._chance import Scatter
from vpcipam.address import Cidr
from vpcipam.ec2.state.space import Ipv4Space, Ipv6Space, Space, reserved_addresses
from vpcipam.errors import NoFreeRun

AddressChoice = Literal["lowest", "random"]
"""Which free address or block is taken next."""


@attrs.frozen
class AddressCounts:
    """How many addresses of each kind: single IPv4 ones, /28s, single IPv6 ones, /80s."""

    addresses: int = 0
    prefixes: int = 0
    ipv6_addresses: int = 0
    ipv6_prefixes: int = 0

    @property
    def ipv4_count(self) -> int:
        """How many places of an ENI's IPv4 addresses they take: one each, a prefix too."""
        return self.addresses + self.prefixes

    @property
    def ipv6_count(self) -> int:
        """How many places of an ENI's IPv6 addresses they take."""
        return self.ipv6_addresses + self.ipv6_prefixes

    @property
    def has_prefixes(self) -> bool:
        """Whether there is a /28 or a /80 among them."""
        return bool(self.prefixes or self.ipv6_prefixes)


@attrs.frozen
class AddressSet:
    """Addresses of one subnet, each field in the order in which they were chosen or named.

    Attributes:
        addresses: single IPv4 addresses.
        prefixes: the first address of each /28.
        ipv6_addresses: single IPv6 addresses.
        ipv6_prefixes: the first address of each /80.
    """

    addresses: tuple[int, ...] = ()
    prefixes: tuple[int, ...] = ()
    ipv6_addresses: tuple[int, ...] = ()
    ipv6_prefixes: tuple[int, ...] = ()

    @property
    def counts(self) -> AddressCounts:
        """How many there are of each kind."""
        return AddressCounts(len(self.addresses), len(self.prefixes), len(self.ipv6_addresses), len(self.ipv6_prefixes))

    def __add__(self, other: "AddressSet") -> "AddressSet":
        """Put another set's addresses behind these."""
        return AddressSet(
            self.addresses + other.addresses,
            self.prefixes + other.prefixes,
            self.ipv6_addresses + other.ipv6_addresses,
            self.ipv6_prefixes + other.ipv6_prefixes,
        )


class SubnetAddresses:
    """The free, taken and reserved addresses of one subnet.

    Invariants:
        1. The addresses that EC2 keeps are always taken, and the first and the last /80 with them.
        2. `free_count` is the number of IPv4 addresses that are neither taken nor reserved; a /28 counts as 16.

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
        self._ipv4 = Ipv4Space(cidr, self._scatter)
        self._ipv6 = None if ipv6_cidr is None else Ipv6Space(ipv6_cidr, self._scatter)
        self._reservations: dict[Cidr, bool] = {}
        self._undo: list[tuple[Callable[[int], None], int]] = []
        self._depth = 0

    # --- look ------------------------------------------------------------------------------------------------------------

    @property
    def free_count(self) -> int:
        """The number of IPv4 addresses that are free to be picked."""
        return self._ipv4.free_count

    @property
    def ipv4(self) -> Ipv4Space:
        """The IPv4 addresses, to be looked at."""
        return self._ipv4

    @property
    def free_prefix_count(self) -> int:
        """The number of aligned, wholly free /28s, inside of reservations and outside."""
        return self._ipv4.free_prefix_count

    @property
    def free_ipv6_prefix_count(self) -> int:
        """The number of free /80s, inside of reservations and outside; 0 for a subnet without IPv6."""
        return 0 if self._ipv6 is None else self._ipv6.free_prefix_count

    @property
    def reservations(self) -> tuple[Cidr, ...]:
        """The reserved ranges, IPv4 first, ascending."""
        return tuple(sorted(self._reservations))

    def reserved_addresses(self) -> tuple[int, ...]:
        """The IPv4 addresses that EC2 keeps for itself, ascending."""
        return reserved_addresses(self.cidr)

    def is_reserved(self, address: int) -> bool:
        """Tell whether EC2 keeps an IPv4 address of this subnet for itself."""
        return self._ipv4.is_reserved(address)

    def is_taken(self, address: int) -> bool:
        """Tell whether an IPv4 address of this subnet is kept by EC2 or taken."""
        return self._ipv4.is_taken(address)

    def is_ipv6_taken(self, address: int) -> bool:
        """Tell whether an IPv6 address of this subnet is kept by EC2, taken, or in a /80 that is taken."""
        return self._ipv6 is not None and self._ipv6.is_taken(address)

    def is_ipv6_prefix_taken(self, prefix: int) -> bool:
        """Tell whether a /80 of this subnet, given by its first address, is kept by EC2, taken, or broken by a single address."""
        return self._ipv6 is not None and self._ipv6.is_prefix_taken(prefix)

    def reserved_ipv6_prefixes(self) -> tuple[int, ...]:
        """The /80s that hold addresses which EC2 keeps for itself: the first and the last, as with the /28s."""
        return () if self._ipv6 is None else self._ipv6.kept_prefixes()

    # --- change ----------------------------------------------------------------------------------------------------------

    def reserve(self, cidr: Cidr, *, for_prefixes: bool) -> None:
        """Hold automatic picks off a range that lies in this subnet and overlaps no other reservation.

        Complexity: O(addresses taken and reserved).
        """
        self._reservations[cidr] = for_prefixes
        self._tell_reservations()

    def unreserve(self, cidr: Cidr) -> None:
        """Give a reserved range back to automatic picks."""
        del self._reservations[cidr]
        self._tell_reservations()

    @contextlib.contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Give back all that was allocated and claimed within, if an error leaves the block: nothing tells then that it was ever taken."""
        mark = len(self._undo)
        draw_count = 0 if self._scatter is None else self._scatter.draw_count
        self._depth += 1
        try:
            yield
        except BaseException:
            while len(self._undo) > mark:
                release, address = self._undo.pop()
                release(address)
            if self._scatter is not None:
                self._scatter.draw_count = draw_count
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._undo.clear()

    def allocate(
        self, *, address_count: int = 0, prefix_count: int = 0, ipv6_address_count: int = 0, ipv6_prefix_count: int = 0
    ) -> AddressSet:
        """Take so many IPv4 addresses, then /28s, then IPv6 addresses, then /80s; all or nothing.

        Raises:
            PoolExhausted: fewer single addresses are free.
            NoFreeRun: fewer /80s are free, or fewer /28s once the single addresses are taken.

        Complexity: O(log64 size) for each address and each block.
        """
        if self._ipv6 is None and (ipv6_address_count or ipv6_prefix_count):
            raise NoFreeRun("the subnet has no IPv6 addresses")
        with self.all_or_nothing():
            ipv4 = self._take(self._ipv4, address_count, prefix_count)
            ipv6 = ((), ()) if self._ipv6 is None else self._take(self._ipv6, ipv6_address_count, ipv6_prefix_count)
            return AddressSet(*ipv4, *ipv6)

    def claim(self, wanted: AddressSet) -> None:
        """Take named addresses and prefixes, which must lie in this subnet; all or nothing.

        Raises:
            AlreadyAllocated: one is kept by EC2, taken, or named twice.
        """
        with self.all_or_nothing():
            for space, addresses, prefixes in self._by_space(wanted):
                for address in addresses:
                    space.claim_address(address)
                    self._undo.append((space.release_address, address))
                for prefix in prefixes:
                    space.claim_prefix(prefix)
                    self._undo.append((space.release_prefix, prefix))

    def release(self, held: AddressSet) -> None:
        """Give back what `allocate` or `claim` took."""
        for space, addresses, prefixes in self._by_space(held):
            for address in addresses:
                space.release_address(address)
            for prefix in prefixes:
                space.release_prefix(prefix)

    def _tell_reservations(self) -> None:
        for space, _, _ in self._by_space(AddressSet()):
            space.reserve({cidr: for_prefixes for cidr, for_prefixes in self._reservations.items() if cidr.version == space.cidr.version})

    def _by_space(self, addresses: AddressSet) -> Iterator[tuple[Space, tuple[int, ...], tuple[int, ...]]]:
        yield self._ipv4, addresses.addresses, addresses.prefixes
        if self._ipv6 is not None:
            yield self._ipv6, addresses.ipv6_addresses, addresses.ipv6_prefixes

    def _take(self, space: Space, address_count: int, prefix_count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        space.require_addresses(address_count)
        addresses = []
        for _ in range(address_count):
            addresses.append(space.take_address())
            self._undo.append((space.release_address, addresses[-1]))
        # Asked only now: a single address may have broken the last whole prefix. Those in reservations may yet be out of reach.
        free_count = space.free_prefix_count
        if prefix_count > free_count:
            raise _too_few_prefixes(space, free_count, prefix_count)
        prefixes: list[int] = []
        for _ in range(prefix_count):
            try:
                prefixes.append(space.take_prefix())
            except NoFreeRun:
                raise _too_few_prefixes(space, len(prefixes), prefix_count) from None
            self._undo.append((space.release_prefix, prefixes[-1]))
        return tuple(addresses), tuple(prefixes)


def _too_few_prefixes(space: Space, free_count: int, wanted_count: int) -> NoFreeRun:
    kind = "aligned /28s" if space.cidr.version == 4 else "/80s"
    return NoFreeRun(f"{space.cidr} has {free_count} free {kind}, {wanted_count} are wanted")
