"""Durations and counts as text."""

import pytest

from vpcipam._units import counted, number, seconds_text
from vpcipam.errors import file_trouble


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
def test_numbers_have_thousands_separators(count, text):
    assert number(count) == text


def test_nouns_follow_their_count():
    assert [counted(1, "pod"), counted(0, "pod"), counted(2, "prefix", "prefixes")] == ["1 pod", "0 pods", "2 prefixes"]


def test_a_file_where_a_folder_is_needed_is_told_as_such(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(FileExistsError) as refused:
        (tmp_path / "x").mkdir()
    assert file_trouble(refused.value) == "it is a file, and a folder is needed"
