"""The events of a run: each problem once, with its start, its length and its worst moment."""

import itertools

import hypothesis.strategies as st
from hypothesis import example, given
from recordings import MINUTE, S, recorded, result_of, subnet

from vpcipam.fleet.narrative import Notes, periods
from vpcipam.fleet.samples import clock

HOUR = 60 * MINUTE


def texts(recorder, duration_ns=100 * MINUTE):
    return [str(event) for event in result_of(recorder, duration_ns).events]


def waiting(*counts, name="pods_waiting", step_ns=MINUTE):
    return recorded(*(({name: count},) for count in counts), step_ns=step_ns)


# --- periods --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 6))
@example([True, False, True], 1)
@example([True, False, True], 2)
@example([True, False, True, False, False, False, True], 2)
def test_periods_are_the_set_flags_with_short_gaps_filled(flags, gap):
    filled = list(flags)
    runs = [(key, [place for place, _ in group]) for key, group in itertools.groupby(enumerate(flags), key=lambda each: each[1])]
    for number, (key, places) in enumerate(runs):
        if not key and 0 < number < len(runs) - 1 and len(places) < gap:
            for place in places:
                filled[place] = True
    expected = []
    for key, group in itertools.groupby(enumerate(filled), key=lambda each: each[1]):
        places = [place for place, _ in group]
        if key:
            stop = places[-1] + 1
            expected.append((places[0], None if stop == len(flags) else stop, not all(flags[place] for place in places)))
    assert [(each.first, each.stop, each.broken) for each in periods(range(len(flags)), flags, gap)] == expected


# --- pods that wait ------------------------------------------------------------------------------------------------------


def test_waiting_pods_are_one_event_with_their_peak_and_length():
    assert texts(waiting(0, 2, 9, 1, 0, 0)) == ["00:01 fleet: up to 9 pods at a time wait for an address, for 3 min"]
    assert texts(waiting(0, 1, 0, name="pods_pending")) == ["00:01 fleet: a pod waits for a node with room, for 1 min"]


def test_large_counts_have_commas():
    assert texts(waiting(0, 12345, 0)) == ["00:01 fleet: up to 12,345 pods at a time wait for an address, for 1 min"]


def test_gaps_of_ten_minutes_end_a_period_and_shorter_ones_do_not():
    assert texts(waiting(1, *[0] * 9, 1, 0)) == ["00:00 fleet: a pod waits for an address, on and off for 11 min"]
    assert texts(waiting(1, *[0] * 10, 1, 0)) == [
        "00:00 fleet: a pod waits for an address, for 1 min",
        "00:11 fleet: a pod waits for an address, for 1 min",
    ]


def test_a_recurring_problem_gives_at_most_eight_events():
    eight = [1, *[0] * 10] * 8
    assert len(texts(waiting(*eight))) == 8
    assert texts(waiting(*eight, 1, 0)) == ["00:00 fleet: a pod waits for an address, on and off for 1 h 29 min"]
    assert len(texts(waiting(*[*[1, *[0] * 30] * 4, *[1, *[0] * 15] * 5]))) == 5


def test_a_period_that_lasts_to_the_end_says_so():
    assert texts(waiting(0, 3, 3)) == ["00:01 fleet: up to 3 pods at a time wait for an address, to the end"]
    assert texts(waiting(3, 3, 3)) == ["00:00 fleet: up to 3 pods at a time wait for an address, from the start to the end"]
    assert texts(waiting(0, 1, 0, 1)) == ["00:01 fleet: a pod waits for an address, on and off to the end"]
    events = result_of(waiting(0, 3, 3), 2 * MINUTE).events
    assert [(event.time_ns, event.until_ns, event.kind) for event in events] == [(MINUTE, 2 * MINUTE, "pods-wait")]


# --- subnets -------------------------------------------------------------------------------------------------------------


def test_the_event_for_a_missing_28_has_the_share_of_free_addresses():
    rows = [({}, subnet(40, 60)), ({}, subnet(58, 41, reserved=1, free_prefixes=0)), ({}, subnet(40, 60))]
    assert texts(recorded(*rows)) == ["00:01 a: no /28 left for 1 min; 42 % of addresses free at first"]
    assert [event.until_ns for event in result_of(recorded(*rows), 2 * MINUTE).events] == [2 * MINUTE]


def test_a_missing_28_is_no_event_if_nodes_take_no_prefixes():
    rows = [({}, subnet(58, 42, free_prefixes=0))]
    assert texts(recorded(*rows, prefix_subnets=())) == []
    assert len(texts(recorded(*rows, prefix_subnets=("a",)))) == 1


def test_the_event_for_a_full_subnet_has_the_reserved_addresses():
    assert texts(recorded(({}, subnet(250, 0)))) == ["00:00 a: no address left from the start to the end"]
    reserved = recorded(({}, subnet(250, 0, reserved=1)), ({}, subnet(250, 0, reserved=16)), ({}, subnet()))
    assert texts(reserved) == ["00:00 a: no address left for 2 min, but for 1 reserved one"]
    assert texts(recorded(({}, subnet(250, 0, reserved=2))))[0].endswith("but for 2 reserved ones")


# --- EC2 and the rest ----------------------------------------------------------------------------------------------------


def test_the_event_for_throttling_has_its_worst_minute():
    rows = [({}, subnet(), {"A": 9}, {"A": count}) for count in (0, 3, 7, 0)]
    assert texts(recorded(*rows)) == ["00:01 fleet: EC2 throttles 10 calls for 2 min, up to 7 a minute at 00:02"]
    assert texts(recorded(*[({}, subnet(), {}, {"A": count}) for count in (1, 0)])) == ["00:00 fleet: EC2 throttles 1 call for 1 min"]
    worst_first = recorded(*[({}, subnet(), {}, {"A": count}) for count in (0, 7, 3, 0)])
    assert texts(worst_first) == ["00:01 fleet: EC2 throttles 10 calls for 2 min, up to 7 a minute at 00:01"]
    from_the_start = recorded(*[({}, subnet(), {}, {"A": count}) for count in (5, 2, 0)])
    assert texts(from_the_start) == ["00:00 fleet: EC2 throttles 7 calls for 2 min, up to 2 a minute at 00:01"]


def test_the_peak_is_an_event():
    recorder = waiting(0, 0)
    recorder.addresses(30 * S, 12)
    assert texts(recorder) == ["00:00:30 fleet: most pod addresses attached, 12"]


def test_a_repeated_message_of_the_event_loop_is_one_event():
    notes = Notes()
    for time_ns, subject in ((0, "w-1"), (MINUTE, "w-2"), (2 * MINUTE, "w-1")):
        notes.add(time_ns, subject, "no room")
    notes.add(MINUTE, "w-9", "once")
    for subject in ("x", "y", "z"):
        notes.add(MINUTE, subject, "three")
    assert [(str(event), event.until_ns, event.kind) for event in notes.events()] == [
        ("00:00 w-1, and w-2: no room (3 times, the last at 00:02)", 2 * MINUTE, "note"),
        ("00:01 w-9: once", MINUTE, "note"),
        ("00:01 x, and 2 others: three (3 times, the last at 00:01)", MINUTE, "note"),
    ]


@given(steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from("xyz"), st.sampled_from(["no room", "no node"])), max_size=12))
def test_a_message_is_told_with_its_number_its_times_and_its_subjects(steps):
    notes, now_ns, told = Notes(), 0, {}
    for minutes, subject, text in steps:
        now_ns += minutes * MINUTE
        notes.add(now_ns, subject, text)
        told.setdefault(text, []).append((now_ns, subject))
    events = list(notes.events())
    assert len(events) == len(told)
    for event, (text, added) in zip(events, told.items(), strict=True):
        times, subjects = zip(*added, strict=True)
        assert (event.time_ns, event.until_ns) == (times[0], times[-1])
        again = f" ({len(added)} times, the last at {clock(times[-1])})" if len(added) > 1 else ""
        assert event.text == text + again
        others = list(dict.fromkeys(subjects))[1:]
        assert event.subject == subjects[0] + ("" if not others else f", and {others[0] if len(others) == 1 else f'{len(others)} others'}")


def test_events_are_in_order_of_their_beginning():
    recorder = recorded(({"pods_waiting": 1},), ({}, subnet(250, 0)), ({},))
    recorder.event(30 * S, "workers", "no node")
    recorder.addresses(70 * S, 5)
    assert [event.kind for event in result_of(recorder, 2 * MINUTE).events] == ["pods-wait", "note", "no-address", "peak"]
