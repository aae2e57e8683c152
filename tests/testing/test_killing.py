"""Storage that can be killed, and processes that are."""

import types

import pytest

from vpcipam.errors import InvalidArgument
from vpcipam.testing import CheckedAllocator, ConformanceError, KillableStorage, Killed, Promise, Restarted


class Items:
    """Two addresses in a dict, written by item. The methods of the storage are taken once, at the beginning."""

    def __init__(self):
        self.store = KillableStorage({})
        self.kill_after = self.store.kill_after

    def assign(self, key, now_ns):
        del now_ns
        if key not in self.store:
            self.store[key] = min({"10.0.0.0", "10.0.0.1"} - {self.store[each] for each in self.store})
        return self.store[key]

    def unassign(self, key, now_ns):
        del now_ns
        del self.store[key]

    def restart(self, now_ns):
        del now_ns
        return {key: self.store[key] for key in self.store}


def test_items_can_be_killed():
    checked = CheckedAllocator(Items, cooldown_ns=0)
    for method, key, writes in [("assign", "a", 0), ("assign", "a", 1), ("unassign", "a", 0), ("unassign", "a", 1)]:
        getattr(checked, f"kill_in_{method}")(key, writes, now_ns=0)
        assert checked.calls[-1].comment == "killed"
    assert [len(event.held) for event in checked.checker.events if isinstance(event, Restarted)] == [0, 1, 1, 0]


def test_a_storage_has_its_items():
    storage = KillableStorage({"a": 1})
    assert ("a" in storage, "b" in storage, len(storage), [*storage], bool(storage)) == (True, False, 1, ["a"], True)
    assert bool(KillableStorage(types.SimpleNamespace(put=print), ["put"]))


def test_a_dead_process_has_no_items():
    storage = KillableStorage({"a": 1})
    put = KillableStorage.__setitem__.__get__(storage)
    storage.kill_after(0)
    for access in (
        lambda: put("b", 1),
        lambda: storage["a"],
        lambda: len(storage),
        lambda: bool(storage),
        lambda: setattr(storage, "b", 1),
    ):
        with pytest.raises(Killed):
            access()


def test_a_method_taken_before_the_kill_is_killed():
    storage = KillableStorage({"a": 1}, ["update"])
    update = storage.update
    storage.kill_after(1)
    for _ in range(2):
        with pytest.raises(Killed):
            update(b=2)
    storage.kill_after(None)
    update(c=3)
    assert storage.copy() == {"a": 1, "b": 2, "c": 3}


async def put():
    """A coroutine."""


@pytest.mark.parametrize(
    ("writes", "error", "what"),
    [
        (["updaet"], InvalidArgument, "'updaet' of SimpleNamespace is no method"),
        (["name"], InvalidArgument, "'name' of SimpleNamespace is not a method"),
        (["put"], InvalidArgument, "is a coroutine; write kill_after yourself"),
        ([], InvalidArgument, "otherwise nothing is ever killed"),
        ("update", TypeError, r"as in \['update'\]"),
    ],
)
def test_a_storage_that_would_never_kill_is_refused(writes, error, what):
    with pytest.raises(error, match=what):
        KillableStorage(types.SimpleNamespace(update=print, name="disk", put=put), writes)


@pytest.mark.parametrize(("writes", "error"), [(-1, InvalidArgument), ("x", TypeError)])
def test_a_wrong_number_of_writes_is_refused(writes, error):
    with pytest.raises(error, match="writes must be"):
        KillableStorage({}).kill_after(writes)


class Remote(Items):
    """A client, which sees its dead server as a closed connection."""

    def assign(self, key, now_ns):
        try:
            return super().assign(key, now_ns)
        except Killed:
            raise ConnectionResetError from None

    def take_events(self):
        try:
            len(self.store)
        except Killed:
            raise ConnectionResetError from None
        return []


@pytest.mark.parametrize("writes", [0, 1])
def test_an_error_of_a_call_that_is_killed_leaves_its_outcome_open(writes):
    checked = CheckedAllocator(Remote, cooldown_ns=0)
    checked.kill_in_assign("a", writes, now_ns=0)
    assert checked.calls[-1].comment == "raised ConnectionResetError"
    assert ("a" in checked.checker.held) == bool(writes)


def test_an_error_of_a_call_that_is_killed_hides_no_loss():
    class Forgetful(Remote):
        def assign(self, key, now_ns):
            if key == "b":
                del self.store["a"]
            return super().assign(key, now_ns)

    checked = CheckedAllocator(Forgetful, cooldown_ns=0)
    checked.assign("a", now_ns=0)
    with pytest.raises(ConformanceError) as caught:
        checked.kill_in_assign("b", 2, now_ns=0)
    assert caught.value.violation.promise is Promise.DURABILITY
