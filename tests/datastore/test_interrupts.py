"""A signal handler that raises in the middle of a call, as ^C does: it leaves the lock free for other threads."""

import contextlib
import itertools
import random
import signal
import sys
import threading

import pytest
from datastore_worlds import key, node

from pythons import leaves_no_lock
from vpcipam.errors import VpcIpamError
from vpcipam.journal.protocol import Cooling, MemoryJournal

CIDRS = ["10.0.0.0/28", "10.0.0.16/28"]
CALLS = {
    "assign": lambda store: store.assign(key("new"), 1),
    "assign again": lambda store: store.assign(key("web"), 1),
    "assign_many": lambda store: store.assign_many([(key("new"), None), (key("newer"), None)], 1),
    "unassign": lambda store: store.unassign(key("web"), 1),
    "unassign nobody": lambda store: store.unassign(key("nobody"), 1),
    "assign_at": lambda store: store.assign_at(key("new"), "10.0.0.15", 1),
    "assignment_of": lambda store: store.assignment_of(key("web")),
    "restore": lambda store: store.restore(1),
    "remove_cidr": lambda store: store.remove_cidr("eni-0", CIDRS[1], now_ns=1),
    "remove_eni": lambda store: store.remove_eni("eni-0", force=True, now_ns=1),
    "stats": lambda store: store.stats(1),
    "cooldowns": lambda store: store.cooldowns(1),
    "withhold": lambda store: store.withhold([Cooling("10.0.0.15", 9)]),
}


class Interrupt(BaseException):
    """What the handler raises."""


class Handler:
    """A profiler that raises at one of the points where the interpreter handles signals: the begin and the end of a call.

    The end of `__enter__` in a `with` is none; CPython profiles it from 3.14 on.
    """

    def __init__(self, number):
        self.number, self.raised = number, False

    def __call__(self, _frame, event, argument):
        if event in {"call", "return"} or (event == "c_return" and argument.__name__ != "__enter__"):
            self.number -= 1
            if self.number < 0 and not self.raised:
                self.raised = True
                raise Interrupt

    def run(self, call, *arguments):
        """Call, and tell whether it was interrupted."""
        sys.setprofile(self)
        try:
            with contextlib.suppress(VpcIpamError):
                call(*arguments)
        except Interrupt:
            pass
        finally:
            self.raised, raised = True, self.raised  # what comes from here on is no part of the call
            sys.setprofile(None)
        return raised


@pytest.mark.parametrize("journal", [None, MemoryJournal], ids=["no journal", "journal"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_lock_is_free_after_an_interrupt_at_any_point(call, journal):
    for points in itertools.count():
        store = node(CIDRS, journal=journal and journal())
        store.assign(key("web"), 0)
        interrupted = Handler(points).run(call, store)
        assert is_free(store), f"not at the point of number {points}"
        if not interrupted:
            break
    assert points > 2


@leaves_no_lock
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("journal", [None, MemoryJournal], ids=["no journal", "journal"])
def test_the_lock_is_free_after_a_signal_at_a_random_moment(journal):
    def interrupt(*_):
        raise Interrupt

    chance = random.Random(0)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(300):
            store = node(CIDRS, journal=journal and journal())
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00002, 0.001))
                for number in range(5_000):  # not for ever: an interrupt in a callback of the garbage collector is lost
                    call = chance.choice(list(CALLS.values()))
                    with contextlib.suppress(VpcIpamError):
                        store.assign(key("web"), 0)
                        store.unassign(key(f"p{number}"), 1)
                    with contextlib.suppress(VpcIpamError):
                        call(store)
            except Interrupt:
                pass
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            assert is_free(store)
    finally:
        signal.signal(signal.SIGALRM, before)


def is_free(store):
    """Tell whether another thread gets an answer, and assigns without the lock."""
    other = threading.Thread(target=store.stats, args=[1], daemon=True)
    other.start()
    other.join(10)
    return not other.is_alive() and not store._pool.locked
