"""Times and durations as text, and figures derived from a sample."""

import pytest
from recordings import MINUTE, S, subnet

from vpcipam._units import span
from vpcipam.fleet.samples import clock

DAY = 86_400 * S


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "00:00"),
        (S - 1, "00:00"),
        (S, "00:00:01"),
        (MINUTE, "00:01"),
        (DAY - 1, "23:59:59"),
        (DAY, "day 2 00:00"),
        (9 * DAY + 3661 * S, "day 10 01:01:01"),
    ],
)
def test_a_time_is_a_time_of_day(time_ns, text):
    assert clock(time_ns) == text


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0 s"),
        (1, "less than 1 s"),
        (S - 1, "less than 1 s"),
        (S, "1 s"),
        (MINUTE - 1, "59 s"),
        (MINUTE, "1 min"),
        (61 * S, "1 min 1 s"),
        (3600 * S + 5 * S, "1 h"),
        (DAY, "1 d"),
        (DAY + MINUTE, "1 d"),
        (2 * DAY + 5 * 3600 * S + 7 * MINUTE, "2 d 5 h"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(duration_ns, text):
    assert span(duration_ns) == text


def test_untaken_addresses_are_free_or_reserved():
    sample = subnet(100, 40, reserved=60)
    assert sample.untaken == 100
    assert sample.untaken_per_cent == 50
    assert subnet(2, 1).untaken_per_cent == 33
