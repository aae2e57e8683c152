"""Exact arithmetic for the figures of a run."""

from collections.abc import Sequence


def mean(times_ns: Sequence[int], values: Sequence[int]) -> float:
    """Average values that each hold until the next time, rounded to tenths.

    >>> mean([0, 10, 40], [2, 4, 100])
    3.5
    """
    if len(values) == 1:
        return float(values[0])
    total = sum(value * (after - before) for value, before, after in zip(values, times_ns, times_ns[1:], strict=False))
    return rounded(total, times_ns[-1] - times_ns[0], 1)


def rounded(dividend: int, divisor: int, digits: int) -> float:
    """Divide exactly, then round halves up: the same on every machine.

    >>> rounded(1, 8, 2)
    0.13
    """
    scale: int = 10**digits
    return (2 * scale * dividend + divisor) // (2 * divisor) / scale
