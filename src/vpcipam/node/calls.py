"""Consecutive EC2 calls of a node: the time that they have taken so far, and retries.

The tries and waits are those of ipamd (its `awssession` and `awsutils`). The waits vary at random; here a seed fixes them.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import attrs

from vpcipam._chance import Scatter
from vpcipam._units import NS_PER_S
from vpcipam.ec2.api import THROTTLED, Ec2Api, Ec2Error

_Result = TypeVar("_Result")
_MS = NS_PER_S // 1000


@attrs.frozen
class Backoff:
    """How many times to try, and how long to wait between tries. Each wait is twice the one before, varied by chance.

    Attributes:
        first_ns: the first wait, before chance varies it.
        longest_ns: the longest wait, before chance varies it.
        try_count: tries in all.
        percent: the bounds, both inclusive, of the random percentage by which each wait is multiplied.
    """

    first_ns: int
    longest_ns: int
    try_count: int
    percent: tuple[int, int]

    def wait_ns(self, number: int, chance: Scatter) -> int:
        """How long to wait after a failed try; the first try has the number 0."""
        low, high = self.percent
        longest_ns = min(self.first_ns << number, self.longest_ns)
        return longest_ns * low // 100 + chance.below(longest_ns * (high - low) // 100 + 1)


SDK_BACKOFF = Backoff(NS_PER_S, 20 * NS_PER_S, 10, (0, 100))
"""How AWS's SDK for Go retries a throttled call, with the ten tries that ipamd configures."""
DETACH_BACKOFF = Backoff(200 * _MS, 60 * NS_PER_S, 12, (100, 115))
DELETE_BACKOFF = Backoff(500 * _MS, 60 * NS_PER_S, 12, (100, 115))
TAG_BACKOFF = Backoff(500 * _MS, 60 * NS_PER_S, 5, (100, 130))
SET_UP_BACKOFF = Backoff(10 * NS_PER_S, 10 * NS_PER_S, 6, (100, 100))
"""How a start retries the calls that set an attached ENI up."""
ONE_TRY = Backoff(0, 0, 1, (0, 0))
METADATA_BACKOFF = Backoff(100 * _MS, 60 * NS_PER_S, 12, (100, 115))
"""How a node waits until the metadata shows an ENI that it has just attached."""


class Calls:
    """EC2 calls that are made one after another from a given time on.

    Attributes:
        uncertain: whether EC2 may have done more than it answered: it refused a call, or has not shown all of what it granted.
    """

    def __init__(self, ec2: Ec2Api, now_ns: int, chance: Scatter) -> None:
        self._ec2 = ec2
        self._begin_ns = now_ns - ec2.elapsed_ns
        self._chance = chance
        self.uncertain = False

    @property
    def now_ns(self) -> int:
        """The time after all calls and waits so far."""
        return self._begin_ns + self._ec2.elapsed_ns

    def pause(self, duration_ns: int) -> None:
        """Wait."""
        self._ec2.pause(duration_ns)

    def back_off(self, backoff: Backoff, number: int) -> None:
        """Wait after a failed try; the first try has the number 0."""
        self.pause(backoff.wait_ns(number, self._chance))

    def tries(self, backoff: Backoff) -> Iterator[None]:
        """Yield once for each try, and wait between two tries; there is no wait after the last."""
        yield
        for number in range(backoff.try_count - 1):
            self.back_off(backoff, number)
            yield

    def do(self, call: Callable[[int], _Result]) -> _Result:
        """Make a call, and retry while EC2 throttles it. `call` receives the time.

        Raises:
            Ec2Error: EC2 refused the call, or throttled every try.
        """
        try:
            if self._ec2.retries_throttling:
                return call(self.now_ns)
            return self.insist(call, SDK_BACKOFF, again=lambda error: error.code in THROTTLED)
        except Ec2Error:
            self.uncertain = True
            raise

    def insist(self, call: Callable[[int], _Result], backoff: Backoff, *, again: Callable[[Ec2Error], bool] = lambda _: True) -> _Result:
        """Make a call until EC2 grants it or its tries are used up.

        Args:
            call: makes the call; it receives the time.
            backoff: how many times to try, and how long to wait.
            again: whether to retry after an error.

        Raises:
            Ec2Error: the error of the last try, or one that `again` is False for.
        """
        for number in range(backoff.try_count - 1):
            try:
                return call(self.now_ns)
            except Ec2Error as error:
                if not again(error):
                    raise
            self.back_off(backoff, number)
        return call(self.now_ns)
