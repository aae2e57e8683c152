"""The CIDRs that a card has given back and that came back: a reconcile confirms them (ipamd: verifyAndAddIPsToDatastore)."""

from collections.abc import Collection

from vpcipam.node.released_cidrs import RELEASED_CIDR_MEMORY_NS


class ReturnedCidrs:
    """CIDRs released since the node started, until a reconcile has confirmed that they came back."""

    def __init__(self) -> None:
        self._due_ns: dict[str, int] = {}  # released CIDR: from when on it can be confirmed
        self._returned: set[str] = set()

    def note_released(self, cidrs: Collection[str], now_ns: int) -> None:
        """Note that CIDRs are released."""
        self._due_ns |= dict.fromkeys(cidrs, now_ns + RELEASED_CIDR_MEMORY_NS)
        self._returned.difference_update(cidrs)

    def note_added(self, cidrs: Collection[str]) -> None:
        """Note that the datastore has CIDRs that it may have had before."""
        self._returned.update(cidr for cidr in cidrs if cidr in self._due_ns)

    @property
    def pending(self) -> bool:
        """Tell whether there is a CIDR to confirm, now or later."""
        return bool(self._returned)

    def due(self, now_ns: int) -> set[str]:
        """The CIDRs to confirm now: metadata that showed them earlier could be older than their release."""
        return {cidr for cidr in self._returned if self._due_ns[cidr] <= now_ns}

    def note_confirmed(self, now_ns: int) -> None:
        """Forget the CIDRs that are due."""
        for cidr in self.due(now_ns):
            self._returned.remove(cidr)
            del self._due_ns[cidr]
