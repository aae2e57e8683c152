"""Real signals in the middle of a journal's calls: no lock stays taken, and a handler that calls the journal does not wait."""

import contextlib
import faulthandler
import gc
import random
import signal
import threading

import pytest
from journal_worlds import KINDS, held, key, node, release

from pythons import leaves_no_lock
from vpcipam.errors import JournalConflict, JournalError, UnknownKey
from vpcipam.pool import USING_EXTENSION

INTERRUPTS = 400

# An interrupted open() leaves a file to the collector.
pytestmark = [leaves_no_lock, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]


class Interrupt(BaseException):
    """What the handler raises, as Python's own does for ^C."""


@pytest.fixture(name="interrupt_soon")
def _interrupt_soon():
    """Interrupt the main thread at a random moment; a hanging test is ended with the stacks of all threads."""
    chance, before = random.Random(0), signal.getsignal(signal.SIGALRM)
    faulthandler.dump_traceback_later(120, exit=True)

    def soon(handler, longest_s=0.001):
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.00002, longest_s))

    yield soon
    signal.signal(signal.SIGALRM, signal.SIG_IGN)  # first, since a handler can set the timer again
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    faulthandler.cancel_dump_traceback_later()
    gc.collect()  # what an interrupted call left open is closed in this test, not in the next one


def raise_interrupt(*_):
    raise Interrupt


def works(journal):
    """Whether this thread and another one get an answer."""
    journal.restore(0)
    other = threading.Thread(target=journal.restore, args=[0], daemon=True)
    other.start()
    other.join(10)
    return not other.is_alive()


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_at_a_random_moment_leaves_the_journal_usable_while_its_traceback_lives(kind, tmp_path, interrupt_soon):
    kept = []
    journal = KINDS[kind](tmp_path)
    for _ in range(INTERRUPTS):
        try:
            interrupt_soon(raise_interrupt)
            for number in range(1_000):  # not for ever: an interrupt in a callback of the garbage collector is lost
                with contextlib.suppress(JournalConflict, UnknownKey):  # an interrupted call can have been recorded
                    journal.record((held(f"c{number % 9}", "10.0.0.5"),))
                with contextlib.suppress(UnknownKey):
                    journal.record_unassign((release(f"c{number % 9}", "10.0.0.5", 0, 0),))
        except Interrupt as error:
            kept.append(error)
            assert works(journal)
    journal.close()
    assert len(kept) > INTERRUPTS * 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_while_a_journal_is_opened_or_closed_leaves_no_lock(kind, tmp_path, interrupt_soon):
    for _ in range(INTERRUPTS // 4):
        journal = None
        with contextlib.suppress(Interrupt):
            interrupt_soon(raise_interrupt, 0.01)
            for _ in range(1000):
                with KINDS[kind](tmp_path) as journal:
                    journal.restore(0)
    del journal
    with KINDS[kind](tmp_path) as journal:
        assert works(journal)


@pytest.mark.skipif(not USING_EXTENSION, reason="a call of the plain pools is not atomic: a handler can come into the middle of it")
@pytest.mark.parametrize("kind", KINDS)
def test_a_handler_that_calls_the_datastore_is_refused_or_served_but_never_waits(kind, tmp_path, interrupt_soon):
    journal = KINDS[kind](tmp_path)
    store = node(journal, cooldown_ns=0)
    answers, outcomes = set(), {"served": 0, "refused": 0}

    def call_datastore(*_):
        try:
            store.assign(key("of the handler"), 1)
            store.unassign(key("of the handler"), 1)
        except JournalError as error:
            answers.add(str(error).partition(", which")[0].partition(" is ")[2])
            outcomes["refused"] += 1
        except UnknownKey:  # the handler's own assign was refused by an earlier call of it
            outcomes["refused"] += 1
        else:
            outcomes["served"] += 1
        interrupt_soon(call_datastore)

    interrupt_soon(call_datastore)
    number = 0
    while min(outcomes.values()) < 3 or sum(outcomes.values()) < INTERRUPTS:
        number += 1
        assert store.assign(key(f"c{number % 9}"), 1)
        store.unassign(key(f"c{number % 9}"), 1)
        if outcomes["refused"] > 3 and number > 20_000:
            break  # on a slow machine hardly any signal comes between two calls
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    with contextlib.suppress(UnknownKey):
        store.unassign(key("of the handler"), 1)
    store._check()
    assert answers == {"in the middle of a call of this thread"}
    assert {each for each, _ in store.assignments()} == {entry.key for entry in journal.restore(1).assigned} == set()
    journal.close()
