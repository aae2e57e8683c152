"""The lock-free calls, while the garbage collector and keys with code of their own run in the middle of them."""

import contextlib
import gc
import random
import sys
import threading
import time
from collections import Counter

import pytest
from datastore_worlds import key, node

from vpcipam.errors import PoolExhausted, UnknownKey
from vpcipam.sandbox import SandboxKey

LASTS_S = 0.3
CIDRS = ["10.0.0.0/28", "10.0.0.16/28"]
CHANGING = ["10.0.1.0/28", "10.0.1.16/28"]


class Text(str):
    """A name whose comparisons let other threads run. All have one hash."""

    __slots__ = ()

    def __hash__(self):
        return 7

    def __eq__(self, other):
        time.sleep(0)
        return str(self) == str(other)


class Garbage:
    """A cycle that changes the datastore when it is collected before a time."""

    def __init__(self, store, failures, until):
        self.itself, self.store, self.failures, self.until = self, store, failures, until

    def __del__(self):
        if time.monotonic() < self.until:
            come_and_go(self.store, key(f"garbage of {threading.get_ident()}"), self.failures)


def note_failure(failures, work):
    try:
        work()
    except BaseException as error:
        failures.append(error)
        raise


def come_and_go(store, sandbox, failures):
    """Assign and unassign a sandbox that other threads assign and unassign at the same time."""

    def work():
        with contextlib.suppress(PoolExhausted, UnknownKey):
            store.assign(sandbox, 0)
            assert store.unassign(sandbox, 0) is not None

    note_failure(failures, work)


@pytest.fixture(name="often", autouse=True)
def _often():
    """Switch threads and run the garbage collector as often as possible."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(1)
    yield
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


@pytest.mark.parametrize("name", [str, Text], ids=["plain keys", "keys with code of their own"])
def test_no_address_is_lost_or_doubled_when_the_garbage_collector_calls_the_datastore(name):
    store = node(CIDRS, CHANGING, cooldown_ns=0)
    failures, done = [], Counter()
    until = time.monotonic() + LASTS_S  # each thread checks it: with this much garbage, a thread that tells the others might never run

    def pods():
        chance = random.Random(1)
        while time.monotonic() < until or not done["pods"]:
            Garbage(store, failures, until)
            come_and_go(store, SandboxKey("aws-cni", name(f"pod {chance.randrange(3)}"), "eth0"), failures)
            done["pods"] += 1

    def cidrs():
        while time.monotonic() < until or not done["cidrs"]:
            for cidr in CHANGING:
                store.remove_cidr("eni-1", cidr, force=True, now_ns=0)
                store.add_cidr("eni-1", cidr)
            done["cidrs"] += 1

    threads = [threading.Thread(target=note_failure, args=[failures, work], daemon=True) for work in (pods, pods, pods, cidrs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    gc.collect()
    assert failures == []
    assert all(done[work] for work in ("pods", "cidrs"))
    store.unassign_many([sandbox for sandbox, _ in store.assignments()], 0)
    assert store.sandbox_count == 0
    store._check()
