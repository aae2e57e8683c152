"""What plugin.log proves by itself, without ipamd.log.

Its answers don't show that ipamd has restarted or has given up a sandbox. So that a sandbox gets an address that another one has is no
proof. It is one if ipamd says later that the first had it until then, or if ipamd took the address back less than a cooldown before.
"""

from typing import TypeVar

import attrs

from vpcipam.contracts import IpAddress, Promise
from vpcipam.inspection.verification import Findings, Step, date_text

MOST_REMEMBERED = 10_000

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def remember(known: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Add to what is remembered, and forget the oldest of 10,000, so that the memory stays constant."""
    if len(known) >= MOST_REMEMBERED:
        del known[next(iter(known))]
    known[key] = value


@attrs.frozen
class _Holding:
    """A sandbox got an address."""

    container: str
    step: Step


@attrs.frozen
class _Rest:
    """An address was given back, and cools."""

    until_ns: int
    steps: tuple[Step, ...]


class AnsweredAddresses:
    """The addresses of sandboxes by ipamd's answers to the plugin."""

    def __init__(self, findings: Findings, *, cooldown_ns: int) -> None:
        """Start with nothing known. Violations are added to `findings`."""
        self._findings = findings
        self._cooldown_ns = cooldown_ns
        self._holdings: dict[IpAddress, _Holding] = {}
        self._robbed: dict[tuple[str, IpAddress], tuple[_Holding, _Holding]] = {}  # who had an address, and who got it then
        self._resting: dict[IpAddress, _Rest] = {}

    def forget(self) -> None:
        """Forget everything, because the log has a gap."""
        self._holdings.clear()
        self._robbed.clear()
        self._resting.clear()

    def give(self, container: str, address: IpAddress, step: Step, *, slack_ns: int) -> None:
        """Note that a sandbox got an address, at most `slack_ns` after the time of the step."""
        rest = self._resting.pop(address, None)
        if rest is not None and step.now_ns + slack_ns < rest.until_ns:
            message = f"{container} got {address} at {date_text(step.now_ns)}, but it cools until {date_text(rest.until_ns)}"
            self._findings.add(Promise.COOLDOWN, message, (*rest.steps, step))
        before = self._holdings.pop(address, None)
        holding = _Holding(container, step)
        remember(self._holdings, address, holding)
        if before is not None and before.container != container:
            remember(self._robbed, (before.container, address), (before, holding))

    def take_back(self, container: str, address: IpAddress, asked: Step, step: Step) -> None:
        """Note that ipamd took an address back. It did so after it was asked, so the address cools at least from then on."""
        holding = self._holdings.get(address)
        robbed, robber = self._robbed.pop((container, address), (None, None))
        if holding is None or holding.container == container:
            self._rest(address, asked, step)
        elif robbed is not None and robber is holding:
            message = f"{container} held {address} until now, but {holding.container} got it meanwhile"
            self._findings.add(Promise.ONE_HOLDER, message, (robbed.step, holding.step, step))

    def give_up(self, container: str, step: Step) -> None:
        """Note that the plugin could not set a sandbox up, and gives its addresses back."""
        for address in [address for address, holding in self._holdings.items() if holding.container == container]:
            self._rest(address, step)

    def _rest(self, address: IpAddress, asked: Step, *later: Step) -> None:
        holding = self._holdings.pop(address, None)
        steps = (asked, *later) if holding is None else (holding.step, asked, *later)
        remember(self._resting, address, _Rest(asked.now_ns + self._cooldown_ns, steps))
