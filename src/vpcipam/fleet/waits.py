"""How long pods waited: collected during a run, then summarised."""

from collections.abc import Sequence

import attrs

from vpcipam._units import span


@attrs.frozen
class Waits:
    """How long pods waited. A pod that did not wait counts as 0, and one whose wait did not end as longer than all others.

    Attributes:
        count: all pods.
        late_count: pods that waited, whether their wait ended or not.
        unended_count: pods whose wait did not end: they were deleted or rejected before, or wait at the end of the run.
        p50_ns, p90_ns, p99_ns: percentiles over all pods, by nearest rank; None if the wait at that rank did not end.
        max_ns: the longest wait that ended; 0 if none did.
        waiting_ns: the longest that a pod has waited which waits at the end of the run; 0 if none does.
    """

    count: int = 0
    late_count: int = 0
    unended_count: int = 0
    p50_ns: int | None = 0
    p90_ns: int | None = 0
    p99_ns: int | None = 0
    max_ns: int = 0
    waiting_ns: int = 0

    @classmethod
    def of(cls, count: int, ended_ns: Sequence[int], unended_count: int = 0, waiting_ns: int = 0) -> "Waits":
        """Summarise the waits of `count` pods; pods that are neither in `ended_ns` nor among the unended, or have a 0 there, did not wait.

        >>> Waits.of(100, [5_000_000_000, 7_000_000_000]).p99_ns
        5000000000
        >>> Waits.of(100, [], unended_count=2).p99_ns is None
        True
        """
        ended = sorted(filter(None, ended_ns))
        at_once = count - len(ended) - unended_count

        def percentile(per_cent: int) -> int | None:
            late_rank = -(-count * per_cent // 100) - at_once
            if late_rank <= 0:
                return 0
            return ended[late_rank - 1] if late_rank <= len(ended) else None

        return cls(
            count=count,
            late_count=len(ended) + unended_count,
            unended_count=unended_count,
            p50_ns=percentile(50),
            p90_ns=percentile(90),
            p99_ns=percentile(99),
            max_ns=ended[-1] if ended else 0,
            waiting_ns=waiting_ns,
        )


def wait_text(wait_ns: int | None) -> str:
    """Write the percentile of a wait.

    >>> wait_text(90_000_000_000), wait_text(None)
    ('1 min 30 s', 'not reached')
    """
    return "not reached" if wait_ns is None else span(wait_ns)


class WaitLog:
    """Collects waits of one kind.

    Attributes:
        ended_ns: the lengths of the waits that ended, without those of pods that did not wait.
        dropped_count: pods that were deleted or rejected while they waited.
        waiting_ns: how long each pod has waited that waits at the end of the run.
    """

    def __init__(self) -> None:
        self.ended_ns: list[int] = []
        self.dropped_count = 0
        self.waiting_ns: list[int] = []

    @property
    def unended_count(self) -> int:
        """Pods whose wait did not end."""
        return self.dropped_count + len(self.waiting_ns)

    def summary(self, count: int) -> Waits:
        """Summarise the waits among `count` pods."""
        return Waits.of(count, self.ended_ns, self.unended_count, max(self.waiting_ns, default=0))
