"""Entries of a journal that can't be taken as they stand: kept, and their addresses given to nobody, until somebody decides.

ipamd drops such entries and writes its checkpoint again without them (reference, section 7, fault 6): the evidence is gone, and a pod that
still runs on such an address may have to share it.
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

import attrs

from vpcipam.address import address_text, parse_address
from vpcipam.errors import CoolingDown, InQuarantine, InvalidAddress, UnknownKey
from vpcipam.journal.protocol import Assigned, Problem
from vpcipam.pool import AddressPool
from vpcipam.sandbox import SandboxKey


@attrs.frozen
class Quarantined:
    """An entry of a journal that nobody has decided about.

    Attributes:
        entry: what the journal has: an assignment that fits nowhere, or an entry that makes no sense or contradicts another.
        reason: why it can't be taken as it stands.
        elsewhere: it stands in the journal of another network card, which has it in quarantine too; this card has the address by now.
    """

    entry: Assigned | Problem
    reason: str
    elsewhere: bool = False

    @property
    def key(self) -> SandboxKey | None:
        """The sandbox that it names, None where it names none. It gets no address meanwhile."""
        return self.entry.key

    @property
    def address(self) -> str | None:
        """The address that it names, None where it names none. Nobody gets it meanwhile."""
        return self.entry.address

    def __str__(self) -> str:
        """Say what it is and why, for a person."""
        who = str(self.key) if self.key is not None else "a sandbox that can't be read"
        return f"{who} on {self.address or 'an address that can not be read'}: {self.reason}"


class Withheld(NamedTuple):
    """What the pool has for a key where an address is in quarantine. No sandbox can have such a key, since it is no `SandboxKey`."""

    address: int


def is_withheld(key: object) -> bool:
    """Tell whether the pool has an address under this key only to withhold it."""
    return type(key) is Withheld


class Quarantine:
    """The entries of one datastore that nobody has decided about.

    Invariants:

    1. An address that an entry names and that lies in a block of the pool is held in it: by a sandbox that had it before the entry came,
       or else under a `Withheld` key. One that cooled when the entry came is held as soon as an assign comes upon it.
    2. No address is held under a `Withheld` key that no entry names.
    """

    def __init__(self, pool: AddressPool[SandboxKey], version: int) -> None:
        """Make an empty one.

        Args:
            pool: where addresses are withheld.
            version: of the IP addresses, 4 or 6.
        """
        self._pool = pool
        self._version = version
        self._entries: list[Quarantined] = []  # few, if any
        self._addresses: dict[int, int] = {}  # how many entries name it
        self._cooled: set[int] = set()  # those that could not be held, since they cooled

    @property
    def entries(self) -> tuple[Quarantined, ...]:
        """The entries, in the order in which they came."""
        return tuple(self._entries)

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._entries)

    def of_key(self, key: SandboxKey) -> tuple[Quarantined, ...]:
        """The entries that name a sandbox."""
        return tuple(entry for entry in self._entries if entry.key == key)

    def names(self, address: int) -> bool:
        """Tell whether an entry names an address."""
        return address in self._addresses

    def number(self, entry: Quarantined) -> int | None:
        """The address that an entry names, as an integer; None where it names none, or one of the other IP version."""
        if entry.address is None:
            return None
        try:
            return parse_address(entry.address, self._version)
        except InvalidAddress:
            return None

    def add(self, entry: Quarantined, now_ns: int) -> None:
        """Take an entry in, and withhold its address."""
        self._entries.append(entry)
        address = self.number(entry)
        if address is not None:
            self._addresses[address] = self._addresses.get(address, 0) + 1
            self.hold(address, now_ns)

    def remove(self, entry: Quarantined) -> None:
        """Let an entry go, and its address where no other names it."""
        self._entries.remove(entry)
        address = self.number(entry)
        if address is not None:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]
                self._cooled.discard(address)
                self._let_go(address)

    def is_last_on_its_address(self, entry: Quarantined) -> bool:
        """Tell whether no other entry names the same address."""
        address = self.number(entry)
        return address is not None and self._addresses[address] == 1

    def hold(self, address: int, now_ns: int) -> None:
        """Withhold an address from now on, if it is in the pool and free; one that cools has to be withheld once that is over."""
        if self._pool.block_of(address) is not None and self._pool.key_of(address) is None:
            try:
                self._pool.assign_at(_withheld(address), address, now_ns)
            except CoolingDown:
                self._cooled.add(address)
            else:
                self._cooled.discard(address)

    def hold_all(self, now_ns: int) -> None:
        """Withhold what can be withheld: CIDRs have come into the pool."""
        for address in self._addresses:
            self.hold(address, now_ns)

    def let_go_of_block(self, base: int) -> None:
        """Hold nothing in a block of the pool that no sandbox is on, since it goes; the entries stay."""
        for _, address in list(self._pool.block_items(base)):
            self._let_go(address)

    def _let_go(self, address: int) -> None:
        if self._pool.address_of(_withheld(address)) is not None:
            self._pool.revoke(_withheld(address))

    def find(self, entry: Quarantined) -> Quarantined:
        """Make sure that an entry is here.

        Raises:
            UnknownKey: it is not: somebody has decided about it already.
        """
        if entry not in self._entries:
            raise UnknownKey(f"this entry is not in quarantine, or no longer: {entry}")
        return entry

    def check_key(self, key: SandboxKey) -> None:
        """Refuse a sandbox that an entry of this card's journal names; it may well have an address on each card.

        Raises:
            InQuarantine: nobody has decided about the entry.
        """
        for entry in self.of_key(key):
            if not entry.elsewhere:
                raise _undecided(f"{key} gets no address", entry)

    def check_address(self, address: int) -> None:
        """Refuse an address that an entry names.

        Raises:
            InQuarantine: nobody has decided about the entry.
        """
        for entry in self._entries:
            if self.number(entry) == address:
                raise _undecided(f"{address_text(address, self._version)} is given to nobody", entry)

    def __iter__(self) -> Iterator[Quarantined]:
        """Go through the entries, in the order in which they came."""
        return iter(self.entries)

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        held = {address for key, address in self._pool.items() if is_withheld(key)}
        assert held <= self._addresses.keys(), "invariant 2"  # noqa: S101  # what a _check is for
        for address in self._addresses:
            held_or_later = self._pool.key_of(address) is not None or address in self._cooled
            assert self._pool.block_of(address) is None or held_or_later, "invariant 1"  # noqa: S101  # likewise


def _withheld(address: int) -> SandboxKey:
    """The key under which the pool withholds an address; to the pool, keys are all alike."""
    return cast("SandboxKey", Withheld(address))


def _undecided(what: str, entry: Quarantined) -> InQuarantine:
    return InQuarantine(
        f"{what} while the journal has this: {entry}. Decide with release_quarantined, if that sandbox is gone, or accept_quarantined"
    )
