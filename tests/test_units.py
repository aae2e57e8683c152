"""Durations as text."""

import pytest

from vpcipam._units import seconds_text


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0"),
        (1_000_000, "0.001"),
        (500_000_000, "0.5"),
        (10**9, "1"),
        (10 * 10**9, "10"),
        (100 * 10**9, "100"),
        (90_250_000_000, "90.25"),
    ],
)
def test_durations_are_written_in_seconds_without_trailing_zeros(duration_ns, text):
    assert seconds_text(duration_ns) == text
