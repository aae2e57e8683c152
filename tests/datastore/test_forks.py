"""A process forked while another thread is in a call: the child is refused at once, and otherwise has a copy of its own."""

import os
import threading

import pytest
from datastore_worlds import key, node

from vpcipam import Ec2Model, Node, Settings
from vpcipam.errors import DatastoreError
from vpcipam.journal.forked import _after_in_child

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # Python 3.12 warns of any fork with threads
CALLS = {
    "assign": lambda store: store.assign(key("new"), 1),
    "unassign": lambda store: store.unassign(key("web"), 1),
    "stats": lambda store: store.stats(1),
    "eni_ids": lambda store: store.eni_ids,
    "sizes": lambda store: store.sizes(),
    "shape": lambda store: store.shape,
}


def in_child(work):
    """The outcome of a function in a forked child, as text; a child that hangs is killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            text = str(work())
        except BaseException as error:  # noqa: BLE001
            text = f"{type(error).__name__}: {error}"
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    timer = threading.Timer(10, os.kill, [pid, 9])
    timer.start()
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    timer.cancel()
    return text


class Holder:
    """A thread that holds the lock of an object."""

    def __init__(self, owner):
        self.taken, self.go = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.hold, args=[owner])

    def hold(self, owner):
        with owner._lock:
            self.taken.set()
            self.go.wait(30)

    def __enter__(self):
        self.thread.start()
        self.taken.wait(30)

    def __exit__(self, *_):
        self.go.set()
        self.thread.join()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_child_forked_while_another_thread_is_in_a_call_is_refused(call):
    store = node(["10.0.0.0/28"])
    store.assign(key("web"), 0)
    with Holder(store):
        assert "DatastoreError: this process was forked while another thread" in in_child(lambda: call(store))
    assert "Error" not in in_child(lambda: call(store))
    call(store)


def test_a_child_forked_by_the_thread_in_a_call_is_served():
    store = node(["10.0.0.0/28"])
    with store._lock:
        assert "Error" not in in_child(lambda: store.assign(key("web"), 1))


def test_a_child_forked_while_another_thread_is_in_the_control_loop_is_refused():
    ec2 = Ec2Model()
    subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/24")
    here = Node("m5.large", Settings(), ec2, subnet_id=subnet.subnet_id)
    with Holder(here):
        assert in_child(lambda: here.start(0)).startswith("NodeError: this process was forked")
    here.start(0)


def test_the_lock_that_refuses_does_so_each_time(pool_twin):
    store = node(["10.0.0.0/28"])
    store._lock = lock = pool_twin.owners_lock(pool_twin.AddressPool(cooldown_ns=0))
    store._is_plain = False  # each call takes the lock
    _after_in_child()
    assert store._lock is lock  # it was free
    with Holder(store):
        _after_in_child()  # as if this process had been forked off
    assert lock is not store._lock
    for call in (*CALLS.values(), lambda store: store._lock.acquire(blocking=False)):
        with pytest.raises(DatastoreError, match="make a new one"):
            call(store)


def test_a_lock_can_be_tried(pool_twin):
    pool = pool_twin.AddressPool(cooldown_ns=0)
    lock = pool_twin.owners_lock(pool)
    outcomes = []
    with lock:
        assert lock.acquire(blocking=False)
        lock.release()
        other = threading.Thread(target=lambda: outcomes.append(lock.acquire(blocking=False)))
        other.start()
        other.join()
    assert outcomes == [False]
    assert not pool.locked
