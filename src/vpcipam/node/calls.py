"""The calls that a node makes to EC2 one after another: what time it is by now, and which of them are tried again.

How often, and with what waits between, is ipamd's (its `awssession` and `awsutils`), chance included: that is seeded here.
"""

from collections.abc import Callable
from typing import TypeVar

import attrs

from vpcipam._chance import Scatter
from vpcipam._units import NS_PER_S
from vpcipam.ec2.api import THROTTLED, Ec2Api, Ec2Error

_Answer = TypeVar("_Answer")
_MS = NS_PER_S // 1000


@attrs.frozen
class Backoff:
    """How often something is tried, and how long the waits between are: each is twice the one before, and varied by chance.

    Attributes:
        first_ns: the first wait.
        longest_ns: what no wait exceeds, chance aside.
        try_count: tries in all.
        percent: from where to where chance takes a wait, both included.
    """

    first_ns: int
    longest_ns: int
    try_count: int
    percent: tuple[int, int]

    def wait_ns(self, number: int, chance: Scatter) -> int:
        """How long to wait after a try that failed; the first has the number 0."""
        low, high = self.percent
        longest_ns = min(self.first_ns << number, self.longest_ns)
        return longest_ns * low // 100 + chance.below(longest_ns * (high - low) // 100 + 1)


SDK_BACKOFF = Backoff(NS_PER_S, 20 * NS_PER_S, 10, (0, 100))
"""What AWS's SDK for Go does about a throttled call, with the ten tries that ipamd asks of it."""
DETACH_BACKOFF = Backoff(200 * _MS, 60 * NS_PER_S, 12, (100, 115))
DELETE_BACKOFF = Backoff(500 * _MS, 60 * NS_PER_S, 12, (100, 115))
METADATA_BACKOFF = Backoff(100 * _MS, 60 * NS_PER_S, 12, (100, 115))
"""How a node waits for the metadata to show what it has just attached."""


class Calls:
    """Calls to EC2 that begin at a time and wait for each other."""

    def __init__(self, ec2: Ec2Api, now_ns: int, chance: Scatter) -> None:
        self._ec2 = ec2
        self._begin_ns = now_ns - ec2.elapsed_ns
        self._chance = chance

    @property
    def now_ns(self) -> int:
        """What time it is after the calls and waits until now."""
        return self._begin_ns + self._ec2.elapsed_ns

    def pause(self, duration_ns: int) -> None:
        """Wait."""
        self._ec2.pause(duration_ns)

    def back_off(self, backoff: Backoff, number: int) -> None:
        """Wait after a try that failed; the first has the number 0."""
        self.pause(backoff.wait_ns(number, self._chance))

    def do(self, call: Callable[[int], _Answer]) -> _Answer:
        """Make a call, which takes the time; a throttled one is made again.

        Raises:
            Ec2Error: EC2 refused it, or went on to throttle it.
        """
        if self._ec2.retries_throttling:
            return call(self.now_ns)
        return self.insist(call, SDK_BACKOFF, again=lambda error: error.code in THROTTLED)

    def insist(self, call: Callable[[int], _Answer], backoff: Backoff, *, again: Callable[[Ec2Error], bool] = lambda _: True) -> _Answer:
        """Make a call until it is granted, or its tries are used up.

        Args:
            call: takes the time.
            backoff: how often to try.
            again: tells whether an error is worth another try.

        Raises:
            Ec2Error: what EC2 said to the last try, or what is not worth another.
        """
        for number in range(backoff.try_count - 1):
            try:
                return call(self.now_ns)
            except Ec2Error as error:
                if not again(error):
                    raise
            self.back_off(backoff, number)
        return call(self.now_ns)
