"""Memory stays flat, however many sandboxes come and go."""

import gc
import itertools
import sys

import pytest
from datastore_worlds import key, node

from memory_growth import leaks
from vpcipam.journal.protocol import Cooling, MemoryJournal
from vpcipam.sandbox import PodRef

FEW, MANY = 300, 100_000


def come_and_go(store):
    """Return a function that makes changes of each kind and undoes them, with new keys and later times each time."""
    numbers = itertools.count(1)

    def work():
        number = next(numbers)
        now_ns, web, other = 10 * number, key(f"web-{number}"), key(f"other-{number}")
        store.assign(web, now_ns, PodRef("default", f"web-{number}"))
        store.assign_many([(other, None)], now_ns)
        store.unassign(web, now_ns)
        if number % 10 == 0:
            cidr = f"10.0.{number // 10 % 3 + 1}.0/28"
            store.add_cidr("eni-0", cidr, cooling=[Cooling(cidr.replace("0/28", "3"), now_ns + 5)])
            store.remove_cidr("eni-0", cidr, force=True, now_ns=now_ns)
        store.unassign_many([other], now_ns)
        store.stats(now_ns)

    return work


@pytest.mark.parametrize(
    "settings", [dict, lambda: {"journal": MemoryJournal(), "on_event": [].__contains__}], ids=["plain", "journal and events"]
)
def test_memory_stays_flat(settings):
    work = come_and_go(node(["10.0.0.0/28"], cooldown_ns=20, **settings()))
    assert not leaks(work, FEW)


@pytest.mark.thorough
def test_a_hundred_thousand_assigns_leave_nothing_behind():
    store = node(["10.0.0.0/28"], cooldown_ns=20)

    def assign_and_unassign(numbers):
        for number in numbers:
            sandbox = key(f"web-{number}")
            store.assign(sandbox, 10 * number)
            store.unassign(sandbox, 10 * number)

    assign_and_unassign(range(FEW))
    gc.collect()
    before = sys.getallocatedblocks()
    assign_and_unassign(range(FEW, FEW + MANY))
    gc.collect()
    assert sys.getallocatedblocks() - before < MANY // 100
