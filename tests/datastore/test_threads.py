"""Many threads on one datastore: no address is held twice, and every count is right."""

import contextlib
import sys
import threading
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from datastore_worlds import key, node

from vpcipam.errors import CidrInUse, PoolExhausted, UnknownKey, VpcIpamError
from vpcipam.events import AddressAssigned, AddressUnassigned, SandboxEvicted
from vpcipam.journal.protocol import Cooling, MemoryJournal
from vpcipam.pool import USING_EXTENSION

THREADS = 8
OPERATIONS = 30_000 if USING_EXTENSION else 5_000  # each; the plain pools take ten times as long
CIDRS = [f"10.0.{third}.{fourth}/28" for third in range(2) for fourth in range(0, 256, 16)]


pytestmark = pytest.mark.usefixtures("often")


@pytest.fixture(name="often")
def _often():
    """Switch threads as often as possible, so that many switches fall into the middle of an operation."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def run_all(*works):
    """Start functions at the same moment in threads, and raise the error of any of them."""
    gate = threading.Barrier(len(works))

    def run(work):
        gate.wait()
        work()

    with ThreadPoolExecutor(len(works)) as threads:
        for running in [threads.submit(run, work) for work in works]:
            running.result()


def worker(store, holders, name, operations):
    """Assign and unassign, and assert that no other thread holds the same address."""

    def work():
        held = deque()
        for number in range(operations // 2):
            sandbox = key(f"{name}-{number % 64}")
            try:
                address = store.assign(sandbox, number).address
            except PoolExhausted:
                address = None
            if address is not None and sandbox not in held:
                assert holders.setdefault(address, sandbox) == sandbox, f"{address} is held twice"
                held.append(sandbox)
            if held and (len(held) > 12 or address is None):
                gone = held.popleft()
                mine = store.assignment_of(gone).address
                assert holders.pop(mine) == gone
                assert store.unassign(gone, number).address == mine
        while held:
            gone = held.popleft()
            del holders[store.assignment_of(gone).address]
            store.unassign(gone, operations)

    return work


@pytest.mark.parametrize("placement", ["lowest", "random"])
def test_eight_threads_never_hold_one_address_twice(placement):
    store = node(CIDRS, cooldown_ns=0, placement=placement)
    holders = {}
    run_all(*(worker(store, holders, name, OPERATIONS) for name in range(THREADS)))
    store._check()
    assert holders == {}
    assert store.stats(OPERATIONS).assigned_count == 0
    assert store.stats(OPERATIONS).total_count == 16 * len(CIDRS)


def test_more_sandboxes_than_addresses_are_refused_and_never_share_one():
    store = node(CIDRS[:4], cooldown_ns=0)  # 64 addresses, while eight threads want thirteen each
    holders = {}
    run_all(*(worker(store, holders, name, OPERATIONS // 10) for name in range(THREADS)))
    store._check()
    assert holders == {}


def test_journal_and_events_agree_with_many_threads():
    journal, events = MemoryJournal(), deque()
    store = node(CIDRS, cooldown_ns=0, journal=journal, on_event=events.append)
    holders = {}
    run_all(*(worker(store, holders, name, OPERATIONS // 20) for name in range(THREADS)))
    store._check()
    assert journal.assigned == ()
    holder_of = {}
    for event in events:  # in the order of the changes, or an address would be told of twice in a row
        if isinstance(event, AddressAssigned):
            assert holder_of.setdefault(event.assignment.address, event.key) == event.key
        elif isinstance(event, AddressUnassigned):
            assert holder_of.pop(event.assignment.address) == event.key
    assert holder_of == {}


def test_cidrs_are_added_and_removed_while_threads_assign():
    store = node(CIDRS[:8], cooldown_ns=0, on_event=(events := deque()).append)
    count = OPERATIONS // 20
    stop = threading.Event()

    def assign(name):
        def work():
            for number in range(count):
                sandbox = key(f"{name}-{number % 8}")
                try:
                    store.assign(sandbox, number)
                    store.unassign(sandbox, number)
                except (PoolExhausted, UnknownKey):  # none free, or evicted between the two
                    pass

        return work

    def change():
        number = 0
        while not stop.is_set():
            number += 1
            cidr = CIDRS[number % 8]
            try:
                store.remove_cidr("eni-0", cidr, force=number % 2 == 0, now_ns=count)
            except CidrInUse:
                continue
            store.add_cidr("eni-0", cidr)
            store.stats(count)
            store.eni_stats(count)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        run_all(*(assign(name) for name in range(THREADS)))
    finally:
        stop.set()
        changer.join()
    store._check()
    counts = Counter(type(event) for event in events)
    assert counts[AddressAssigned] == counts[AddressUnassigned] + counts[SandboxEvicted] + store.sandbox_count


@pytest.mark.parametrize("journal", [None, MemoryJournal()], ids=["no journal", "journal"])
def test_a_change_waits_for_one_under_way_in_another_thread(journal):
    store = node(CIDRS[:1], journal=journal)
    store.assign(key("a"), 0)
    store.unassign(key("a"), 0)  # so that the pool keeps what it answers with, and would need nobody else
    store.assign(key("a"), 100)
    changes = {
        "assign": lambda: store.assign(key("a"), 100),
        "assign anew": lambda: store.assign(key("b"), 100),
        "unassign": lambda: store.unassign(key("a"), 100),
        "remove": lambda: store.remove_cidr("eni-0", CIDRS[0], force=True, now_ns=100),
        "read": lambda: list(store.assignments()),
    }
    with ThreadPoolExecutor(len(changes)) as threads:
        with store._lock:  # as any change takes it that is more than one call of the pool
            with store._lock:
                pass
            waiting = {name: threads.submit(change) for name, change in changes.items()}
            done, _ = wait(waiting.values(), timeout=0.05)
            assert not done
            assert store.assign(key("c"), 100).address == "10.0.0.1", "who has the lock is not kept waiting"
            assert store.unassign(key("c"), 100).address == "10.0.0.1"
        for change in waiting.values():
            with contextlib.suppress(PoolExhausted, UnknownKey):  # in whatever order they came
                change.result(30)
    store._check()


def test_assign_and_unassign_answer_alike_with_and_without_the_lock():
    stores = [node(CIDRS[:1]), node(CIDRS[:1])]
    stores[0]._is_plain = False
    stores[1]._is_plain = True  # also on the plain pools, which no other thread uses here
    for now_ns in range(60):
        answers = []
        for store in stores:
            changes = [store.assign, store.unassign] if now_ns % 3 else [store.unassign, store.assign]
            for number, change in enumerate((*changes, store.assign)):
                try:
                    answers.append(change(key(f"c{(now_ns + number) % 19}"), now_ns))
                except (PoolExhausted, UnknownKey) as error:
                    answers.append(str(error))
            answers.append(store.stats(now_ns))
        middle = len(answers) // 2
        assert answers[:middle] == answers[middle:]
    for store in stores:
        store._check()


def test_unassign_before_its_assign_has_returned_names_the_address():
    store = node(CIDRS[:1])
    store._is_plain = True
    pool_assign, gone = store._pool_assign, []

    def be_overtaken(*arguments):
        entry = pool_assign(*arguments)
        with ThreadPoolExecutor(1) as other:
            assert store.assignment_of(key("web")).address == "10.0.0.0"
            gone.append(other.submit(store.unassign, key("web"), 1).result(30))
        return entry

    store._pool_assign = be_overtaken
    assert store.assign(key("web"), 0).address == "10.0.0.1"
    assert [assignment.address for assignment in gone] == ["10.0.0.0"]
    store._check()


class Gate(MemoryJournal):
    """A journal that blocks in the assign of `slow` until it is released."""

    def __init__(self):
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()

    def record(self, assigned=(), cooling=(), *, dropped=()):
        if [each.key for each in assigned] == [key("slow")]:
            self.entered.set()
            assert self.go.wait(30)
        super().record(assigned, cooling, dropped=dropped)


CALLS = {
    "assign": lambda store: store.assign(key("new"), 1),
    "assign_many": lambda store: store.assign_many([(key("new"), None)], 1),
    "unassign": lambda store: store.unassign(key("web"), 1),
    "unassign_many": lambda store: store.unassign_many([key("web")], 1),
    "assign_at": lambda store: store.assign_at(key("new"), "10.0.0.15", 1),
    "assignment_of": lambda store: store.assignment_of(key("web")),
    "key_of": lambda store: store.key_of("10.0.0.0"),
    "pod_of": lambda store: store.pod_of(key("web")),
    "assignments": lambda store: store.assignments(),
    "restore": lambda store: store.restore(1),
    "quarantined": lambda store: store.quarantined,
    "release_quarantined": lambda store: store.release_quarantined(None, 1),
    "accept_quarantined": lambda store: store.accept_quarantined(None, 1),
    "add_eni": lambda store: store.add_eni("eni-9", device_number=9, now_ns=1),
    "remove_eni": lambda store: store.remove_eni("eni-0", force=True, now_ns=1),
    "set_excluded": lambda store: store.set_excluded("eni-0", excluded=True),
    "set_mode": lambda store: store.set_mode(store.mode),
    "eni_ids": lambda store: store.eni_ids,
    "has_trunk": lambda store: store.has_trunk,
    "add_cidr": lambda store: store.add_cidr("eni-0", CIDRS[1]),
    "remove_cidr": lambda store: store.remove_cidr("eni-0", CIDRS[0], force=True, now_ns=1),
    "cidrs": lambda store: store.cidrs("eni-0"),
    "overlapping": lambda store: store.overlapping(CIDRS[0]),
    "removable_cidrs": lambda store: store.removable_cidrs("eni-0", 1),
    "stats": lambda store: store.stats(1),
    "cooling_count": lambda store: store.cooling_count(1),
    "eni_stats": lambda store: store.eni_stats(1),
    "cooling_until": lambda store: store.cooling_until("10.0.0.0"),
    "cooldowns": lambda store: store.cooldowns(1),
    "withhold": lambda store: store.withhold([Cooling("10.0.0.15", 9)]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_waits_for_the_one_under_way(call):
    journal = Gate()
    store = node(CIDRS[:1], journal=journal)
    store.assign(key("web"), 0)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(store.assign, key("slow"), 1)
        assert journal.entered.wait(30)
        second = threads.submit(call, store)
        try:
            with pytest.raises(TimeoutError):
                second.result(0.02)
        finally:
            journal.go.set()
        assert first.result(30).address == "10.0.0.1"
        if second.exception(30) is not None:  # refused for its own sake, after its turn had come
            assert isinstance(second.exception(), VpcIpamError)
    store._check()
