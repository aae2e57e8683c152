"""The quarantine of one datastore. Its addresses are withheld in the pool, so that no sandbox gets one."""

import contextlib
from collections.abc import Iterable
from typing import NamedTuple

from vpcipam.address import address_text, parse_address
from vpcipam.errors import CoolingDown, InQuarantine, InvalidAddress, UnknownKey
from vpcipam.pool import AddressPool
from vpcipam.quarantine import Quarantined
from vpcipam.sandbox import SandboxKey


class Withheld(NamedTuple):
    """The key under which the pool holds a withheld address."""

    address: int


Pool = AddressPool[SandboxKey | Withheld]


class Quarantine:
    """The journal entries of one datastore that nobody has decided about.

    If an entry names an address in a block of the pool, the address is withheld, unless a sandbox holds it or it cools. After its
    cooldown, the first assign that picks it withholds it; see `Sandboxes`.

    Invariants:

    1. The pool holds an address under a `Withheld` key only if an entry names the address.
    """

    def __init__(self, pool: Pool, version: int) -> None:
        """Make an empty quarantine for addresses of an IP version, 4 or 6."""
        self._pool = pool
        self._version = version
        self._addresses: dict[Quarantined, int | None] = {}  # few, if any

    @property
    def entries(self) -> tuple[Quarantined, ...]:
        """The entries, in the order in which they were added."""
        return tuple(self._addresses)

    def __bool__(self) -> bool:
        """Tell whether there is an entry."""
        return bool(self._addresses)

    def of_key(self, key: SandboxKey) -> tuple[Quarantined, ...]:
        """Return the entries that name a sandbox."""
        return tuple(entry for entry in self._addresses if entry.key == key)

    def names(self, address: int) -> bool:
        """Tell whether an entry names an address."""
        return address in self._addresses.values()

    def clear(self) -> None:
        """Forget all entries and release their addresses."""
        for address in self._addresses.values():
            if address is not None:
                self._release(address)
        self._addresses.clear()

    def number(self, entry: Quarantined) -> int | None:
        """Return the address that an entry names, as an integer; None if it names none of this IP version."""
        if entry.address is None:
            return None
        try:
            return parse_address(entry.address, self._version)
        except InvalidAddress:
            return None

    def add(self, entry: Quarantined, now_ns: int) -> None:
        """Add an entry and withhold its address."""
        address = self._addresses[entry] = self.number(entry)
        if address is not None:
            self.withhold(address, now_ns)

    def remove(self, entries: Iterable[Quarantined]) -> None:
        """Remove those entries that are still there, and release the address of each if no other entry names it."""
        for entry in entries:
            if entry in self._addresses:
                address = self._addresses[entry]
                if address is not None and self.is_last_on_its_address(entry):
                    self._release(address)
                del self._addresses[entry]

    def is_last_on_its_address(self, entry: Quarantined) -> bool:
        """Tell whether no other entry names the same address."""
        return list(self._addresses.values()).count(self._addresses[entry]) == 1

    def withhold(self, address: int, now_ns: int) -> None:
        """Withhold an address if it is in the pool and neither held nor cooling."""
        if self._pool.block_of(address) is not None and self._pool.key_of(address) is None:
            with contextlib.suppress(CoolingDown):  # then the first assign that picks it withholds it
                self._pool.assign_at(Withheld(address), address, now_ns)

    def withhold_all(self, now_ns: int) -> None:
        """Withhold every address that an entry names, after CIDRs were added to the pool."""
        for address in self._addresses.values():
            if address is not None:
                self.withhold(address, now_ns)

    def release_block(self, base: int) -> None:
        """Release the withheld addresses of a block before its removal. No sandbox has an address in it. The entries stay."""
        for _, address in list(self._pool.block_items(base)):
            self._release(address)

    def _release(self, address: int) -> None:
        if self._pool.address_of(Withheld(address)) is not None:
            self._pool.revoke(Withheld(address))

    def check_entry(self, entry: Quarantined) -> None:
        """Refuse an entry that is not in quarantine.

        Raises:
            UnknownKey: it never was, or somebody has decided about it.
        """
        if entry not in self._addresses:
            raise UnknownKey(f"this entry is not in quarantine, or no longer: {entry}. See Datastore.quarantined for those that are")

    def check_key(self, key: SandboxKey) -> None:
        """Refuse a sandbox that an entry of this card's journal names. Other cards don't matter: a sandbox can have an address on each.

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
        for entry, number in self._addresses.items():
            if number == address:
                raise _undecided(f"{address_text(address, self._version)} is withheld", entry)

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        withheld = {address for key, address in self._pool.items() if isinstance(key, Withheld)}
        assert withheld <= set(self._addresses.values()), "invariant 1"  # noqa: S101  # a _check asserts


def _undecided(what: str, entry: Quarantined) -> InQuarantine:
    return InQuarantine(
        f"{what} while the journal has this entry: {entry}. "
        "Call release_quarantined if that sandbox is gone, or accept_quarantined if it holds the address"
    )
