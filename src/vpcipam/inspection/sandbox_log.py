"""Which sandboxes ipamd's log knows, to compare them with plugin.log."""

import attrs

from vpcipam.contracts import IpAddress
from vpcipam.inspection.verification import MOST_HELD, Place

_MOST_SPANS = 1_000


@attrs.frozen
class LoggedAssign:
    """A line of ipamd.log that assigns an address to a sandbox: where, when (Unix nanoseconds) and which."""

    place: Place
    now_ns: int
    address: IpAddress


class SandboxLog:
    """What ipamd's log tells of each sandbox, by its container id, and of which times it tells.

    It remembers the last 100,000 sandboxes, so that the memory stays constant.
    """

    def __init__(self, *, is_kept: bool) -> None:
        """Start with nothing. `is_kept` False forgets all, because nobody asks for it."""
        self._is_kept = is_kept
        self.cards: dict[IpAddress, int] = {}  # the network card of each address whose card the log names
        self._assigns: dict[str, tuple[LoggedAssign, ...]] = {}
        self._released_ns: dict[str, int] = {}  # when a sandbox gave its addresses back last
        self._spans: list[list[int]] = []
        self._is_cut = True
        self._since_ns = 0  # what is older was forgotten

    def cut(self) -> None:
        """End a time without gaps: what comes between the last line and the next is unknown."""
        self._is_cut = True

    def cover(self, now_ns: int) -> None:
        """Note that the log has a line of this time."""
        if not self._is_cut:
            self._spans[-1][1] = max(self._spans[-1][1], now_ns)
        elif len(self._spans) < _MOST_SPANS:
            self._spans.append([now_ns, now_ns])
            self._is_cut = False

    def covers(self, first_ns: int, last_ns: int) -> bool:
        """Whether the log tells of all that happened between two times."""
        return first_ns >= self._since_ns and any(start <= first_ns and last_ns <= end for start, end in self._spans)

    def note_assign(self, container: str, assign: LoggedAssign) -> None:
        """Remember a line that assigns. After a restart each assign is written again: the first counts."""
        if not self._is_kept:
            return
        before = self._assigns.get(container, ())
        if all(each.address != assign.address for each in before):
            self._assigns[container] = (*before, assign)
        if len(self._assigns) > MOST_HELD:
            self._forget(MOST_HELD // 2)

    def _forget(self, count: int) -> None:
        for container in [*self._assigns][:count]:
            self._since_ns = max(self._since_ns, self._assigns.pop(container)[-1].now_ns + 1)
            self._released_ns.pop(container, None)
        self.cards.clear()

    def note_card(self, address: IpAddress, network_card: int) -> None:
        """Remember the network card of an address."""
        if self._is_kept and len(self.cards) < MOST_HELD:
            self.cards[address] = network_card

    def note_release(self, container: str, now_ns: int) -> None:
        """Remember that a sandbox gave its addresses back."""
        if container in self._assigns:
            self._released_ns[container] = now_ns

    def assigns_of(self, container: str) -> tuple[LoggedAssign, ...]:
        """Return what a sandbox got, one line for each address."""
        return self._assigns.get(container, ())

    def is_released(self, container: str, since_ns: int) -> bool:
        """Whether a sandbox gave its addresses back at a time or later."""
        return self._released_ns.get(container, -1) >= since_ns
