"""Remembers the CIDRs that a card has given back to EC2, over a restart too if the journal keeps them."""

from collections.abc import Collection, Iterable

from vpcipam._units import NS_PER_S
from vpcipam.address import Cidr, parse_address
from vpcipam.errors import InvalidAddress
from vpcipam.journal.protocol import CidrJournal, Journal, ReleasedCidr, Restored

RELEASED_CIDR_MEMORY_NS = 60 * NS_PER_S
"""A CIDR released within this time is not adopted again: what EC2 and metadata show of it may be stale (docs/ipamd.md, "Reconcile")."""


class ReleasedCidrs:
    """The CIDRs that a card has released within the last 60 s."""

    def __init__(self, journal: Journal | None) -> None:
        self._journal = journal if isinstance(journal, CidrJournal) else None
        self._until_ns: dict[str, int] = {}  # by CIDR

    def record(self, cidrs: Collection[str], now_ns: int) -> None:
        """Record CIDRs in the journal before they are released, so that a crash at any later instant doesn't forget them.

        Raises:
            JournalError: the journal can't be written.
        """
        if cidrs and self._journal is not None:
            self._journal.record_released_cidrs(tuple(ReleasedCidr(cidr, now_ns + RELEASED_CIDR_MEMORY_NS) for cidr in cidrs), now_ns)

    def add(self, cidrs: Iterable[str], now_ns: int) -> None:
        """Remember CIDRs that are released now."""
        self._until_ns |= dict.fromkeys(cidrs, now_ns + RELEASED_CIDR_MEMORY_NS)

    def restore(self, restored: Restored, now_ns: int, *, trust_clock: bool) -> None:
        """Remember the CIDRs that a journal has recorded as released.

        A CIDR in which a sandbox has an address is left out: it was given to the card again, or not released in the end.
        """
        named = [*(entry.address for entry in restored.assigned), *(problem.address for problem in restored.problems)]
        held = [address for address in named if address is not None]
        latest_ns = now_ns + RELEASED_CIDR_MEMORY_NS  # if the clock was set back, the time does not grow
        self._until_ns |= {
            each.cidr: min(each.until_ns, latest_ns) if trust_clock else latest_ns
            for each in restored.released_cidrs
            if not any(_contains(Cidr.parse(each.cidr), address) for address in held)
        }

    def current(self, now_ns: int) -> Collection[str]:
        """Return those that must not be adopted now, and forget the others."""
        self._until_ns = {cidr: until_ns for cidr, until_ns in self._until_ns.items() if until_ns > now_ns}
        return self._until_ns.keys()


class CidrsToConfirm:
    """The released CIDRs that EC2 gave to the card again, until a reconcile has confirmed them (ipamd: verifyAndAddIPsToDatastore)."""

    def __init__(self) -> None:
        self._due_ns: dict[str, int] = {}  # released CIDR: from when on it can be confirmed
        self._added_again: set[str] = set()

    def note_released(self, cidrs: Collection[str], now_ns: int) -> None:
        """Note that CIDRs are released."""
        self._due_ns |= dict.fromkeys(cidrs, now_ns + RELEASED_CIDR_MEMORY_NS)
        self._added_again.difference_update(cidrs)

    def note_added(self, cidrs: Collection[str]) -> None:
        """Note that the datastore has CIDRs that it may have had before."""
        self._added_again.update([cidr for cidr in cidrs if cidr in self._due_ns])

    @property
    def pending(self) -> bool:
        """Tell whether there is a CIDR to confirm, now or later."""
        return bool(self._added_again)

    def due(self, now_ns: int) -> set[str]:
        """The CIDRs to confirm now: metadata that showed them earlier could be older than their release."""
        return {cidr for cidr in self._added_again if self._due_ns[cidr] <= now_ns}

    def note_confirmed(self, now_ns: int) -> None:
        """Forget the CIDRs that are due."""
        for cidr in self.due(now_ns):
            self._added_again.remove(cidr)
            del self._due_ns[cidr]


def _contains(cidr: Cidr, address: str) -> bool:
    try:
        return parse_address(address, cidr.version) in cidr
    except InvalidAddress:
        return False
