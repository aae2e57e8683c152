import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.ec2.over_time.history import History


@pytest.fixture
def history():
    return History(keep_ns=100)


def test_a_change_is_visible_from_its_time_on(history):
    history.record("a", 1, 10)
    history.record("a", 2, 20)
    assert [history.as_of("a", time_ns) for time_ns in (9, 10, 19, 20, 10**20)] == [None, 1, 1, 2, 2]


def test_an_unknown_key_has_no_value(history):
    assert history.as_of("a", 0) is None
    assert history.latest("a") is None
    assert history.keys_as_of(0) == []


def test_the_last_of_two_changes_at_one_time_is_visible(history):
    history.record("a", 1, 10)
    history.record("a", 2, 10)
    assert history.as_of("a", 10) == 2


def test_a_change_dated_before_the_latest_gets_the_time_of_the_latest(history):
    history.record("a", 1, 10)
    history.record("a", 2, 5)
    assert [history.as_of("a", time_ns) for time_ns in (5, 9, 10)] == [None, None, 2]


def test_the_times_of_one_key_do_not_depend_on_another(history):
    history.record("a", 1, 50)
    history.record("b", 2, 5)
    assert history.keys_as_of(5) == ["b"]
    assert history.keys_as_of(50) == ["a", "b"]


def test_a_removed_key_is_visible_until_its_removal(history):
    history.record("a", 1, 10)
    history.record("a", None, 20)
    assert [history.as_of("a", time_ns) for time_ns in (19, 20)] == [1, None]


def test_a_time_before_the_kept_history_shows_the_oldest_state_kept(history):
    for time_ns in (0, 10, 20, 115):
        history.record("a", time_ns, time_ns)
    assert [history.as_of("a", time_ns) for time_ns in (-7, 14, 15, 19, 20, 114, 115)] == [10, 10, 10, 10, 20, 20, 115]


def test_a_removed_key_is_forgotten_when_it_is_older_than_the_kept_history(history):
    history.record("a", 1, 0)
    history.record("a", None, 10)
    history.record("a", None, 12)
    history.record("b", 1, 109)
    assert history.as_of("a", 5) == 1
    history.record("b", 2, 110)
    assert history.as_of("a", 5) is None
    assert list(history._changes) == ["b"]
    assert not history._gone


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 9)), max_size=40),
    st.integers(0, 50),
)
def test_the_kept_history_is_exact_and_its_length_bounded(changes, keep_ns):
    history, now_ns, log = History(keep_ns), 0, []
    for key, pause, value in changes:
        now_ns += pause
        history.record(key, value, now_ns)
        log.append((key, value, now_ns))
        for time_ns in range(now_ns - keep_ns, now_ns + 2):
            shown = {name: seen for name, seen, at_ns in log if at_ns <= time_ns}
            assert {name: history.as_of(name, time_ns) for name in "abc"} == {name: shown.get(name) for name in "abc"}
            assert set(history.keys_as_of(time_ns)) == shown.keys()
        assert history.latest(key) == value
        assert len(history._changes[key]) <= 2 + sum(at_ns > now_ns - keep_ns for name, _, at_ns in log if name == key)
