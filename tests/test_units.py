"""Counts as text."""

import pytest

from vpcipam._units import counted, number


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1,000"),
        (2**40 - 1, "1,099,511,627,775"),
        (2**48, "2^48"),
        (2**48 - 1, "2^48 − 1"),
        (2 * 2**48, "2 × 2^48"),
        (100_000 * 2**48 - 10_000_000, "100,000 × 2^48 − 10,000,000"),
    ],
)
def test_numbers_are_written_for_people(count, text):
    assert number(count) == text


def test_nouns_follow_their_count():
    assert [counted(1, "pod"), counted(0, "pod"), counted(2, "prefix", "prefixes")] == ["1 pod", "0 pods", "2 prefixes"]
