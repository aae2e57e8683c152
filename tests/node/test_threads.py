"""A node used by several threads: pods are assigned and unassigned while the control loop runs."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vpcipam.action import Action, ActionKind
from vpcipam.errors import PoolExhausted
from vpcipam.journal.protocol import Cooling, MemoryJournal
from vpcipam.pool import USING_EXTENSION
from vpcipam.sandbox import SandboxKey

S = 1_000_000_000


def key(name):
    return SandboxKey("aws-cni", name, "eth0")


@pytest.fixture
def _often():
    """Switch threads as often as possible."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_often")
def test_many_threads_assign_and_unassign_while_the_control_loop_runs(world):
    journal, events = MemoryJournal(), []
    here = world("m5.large", {"WARM_IP_TARGET": "3", "IP_COOLDOWN_PERIOD": "0"}, journals=[journal], on_event=events.append)
    rounds = 2_000 if USING_EXTENSION else 500
    clock = [0]
    stop = threading.Event()

    def pods(name):
        missed = 0
        for number in range(rounds):
            sandbox = key(f"{name}-{number % 5}")
            try:
                here.node.assign(sandbox, clock[0])
                here.node.stats(clock[0])
                here.node.unassign(sandbox, clock[0])
            except PoolExhausted:
                missed += 1
        return missed

    def loop():
        told = []
        while not stop.is_set():
            clock[0] += 5 * S
            told += here.node.tick(clock[0])
            here.node.next_wakeup(clock[0])
        return told

    with ThreadPoolExecutor(5) as threads:
        ticking = threads.submit(loop)
        try:
            missed = [running.result() for running in [threads.submit(pods, name) for name in range(4)]]
        finally:
            stop.set()
        told = ticking.result()
    assert all(count < rounds for count in missed)
    assert journal.assigned == ()
    here.now_ns = clock[0]
    here.check_agreement()
    assert [event for event in events if isinstance(event, Action)] == [*here.started, *told]
    assert any(action.grew for action in told)


class Held:
    """An EC2 call that blocks until it is released."""

    def __init__(self, here, name):
        self.entered, self.go, self.count = threading.Event(), threading.Event(), 0
        self._method = getattr(here.model, name)
        setattr(here.model, name, self)

    def __call__(self, *args, **kwargs):
        self.count += 1
        self.entered.set()
        assert self.go.wait(30)
        return self._method(*args, **kwargs)


def test_assigns_do_not_wait_for_ec2_but_other_ticks_do(world):
    here = world("m5.large", {"WARM_IP_TARGET": "2"})
    here.pods(2)
    ec2 = Held(here, "assign_private_ip_addresses")
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(here.node.tick, 5 * S)
        assert ec2.entered.wait(30)
        # The control loop waits for EC2; pods can still be assigned and unassigned.
        here.now_ns = 6 * S
        with pytest.raises(PoolExhausted):
            here.assign("late")
        here.unassign("p0")
        assert here.node.stats(6 * S).assigned_count == 1
        second = threads.submit(here.node.tick, 10 * S)
        with pytest.raises(TimeoutError):
            second.result(0.05)
        ec2.go.set()
        assert [action.kind for action in first.result(30)] == [ActionKind.ADD_CIDRS]
        assert [action.kind for action in second.result(30)] == [ActionKind.RELEASE_CIDRS]
    assert ec2.count == 1
    here.check_agreement()


def late_pod(here, method_name, device_number):
    """Let another thread assign once between the decision to remove something from an ENI and its removal."""
    datastore, eni_id = here.node.datastores[0], here.eni_at(device_number)
    method = getattr(datastore, method_name)

    def late(asked_id, *args, **kwargs):
        if asked_id != eni_id:
            return method(asked_id, *args, **kwargs)
        setattr(datastore, method_name, method)
        last = datastore.removable_cidrs(eni_id, here.now_ns)[0]
        answer = method(eni_id, *args, **kwargs) if method_name == "removable_cidrs" else None
        datastore.assign_at(key("late"), last.removesuffix("/32"), here.now_ns)
        return method(eni_id, *args, **kwargs) if answer is None else answer

    setattr(datastore, method_name, late)


def until(here, kind):
    """Tick until an action of a kind was done or refused, and return it."""
    told = []
    while not told:
        told = [action for action in here.run(here.now_ns // S + 5) if action.kind is kind]
    return told


@pytest.mark.parametrize(("gone", "left"), [(("p0", "p1"), 0), (("p0", "p1", "p2"), 1)])
def test_a_cidr_that_gets_a_pod_during_its_release_stays(world, gone, left):
    here = world("t3.small", {"WARM_IP_TARGET": "1", "IP_COOLDOWN_PERIOD": "0"})
    for name in ("p0", "p1", "p2", "p3", "p4"):
        here.assign(name)
        here.run(here.now_ns // S + 60)
    here.unassign(*gone)
    late_pod(here, "removable_cidrs", 0)
    here.ec2.arguments.clear()
    action = until(here, ActionKind.RELEASE_CIDRS)[-1]
    assert here.node.datastores[0].assignment_of(key("late")) is not None
    assert (action.error, len(action.cidrs)) == (None if left else "pods were given addresses there meanwhile", left)
    asked = [arguments[0] for action, arguments, _ in here.ec2.arguments if action == "UnassignPrivateIpAddresses"]
    assert asked.count(here.eni_at(0)) == left
    here.check_agreement()
    here.settle()
    here.check_agreement()


def test_an_eni_that_gets_a_pod_during_its_freeing_stays(world):
    here = world("t3.small", {"IP_COOLDOWN_PERIOD": "0"})
    here.assign("p0")
    here.run(60)
    here.unassign("p0")
    late_pod(here, "remove_eni", 1)
    (action,) = until(here, ActionKind.FREE_ENI)
    assert (action.error, action.cidrs) == ("pods were given addresses there meanwhile", ())
    assert here.node.datastores[0].assignment_of(key("late")) is not None
    here.check_agreement()
    here.unassign("late")
    assert until(here, ActionKind.FREE_ENI)[0].done
    here.check_agreement()


def test_a_cooling_address_of_a_new_cidr_is_never_assigned_early(world):
    journal = MemoryJournal()
    journal.record(cooling=(Cooling("10.0.0.200", 100 * S),))
    here = world("t3.small", {"WARM_IP_TARGET": "1"}, journals=[journal], start=False)
    here.node.restore(0)
    here.pods(len(here.node.datastores[0].cidrs(here.eni_at(0))))
    here.model.assign_private_ip_addresses(here.eni_at(0), addresses=("10.0.0.200",), now_ns=0)
    datastore, add_cidr, refused = here.node.datastores[0], here.node.datastores[0].add_cidr, []

    def add_and_assign(*args, **kwargs):
        add_cidr(*args, **kwargs)
        with pytest.raises(PoolExhausted) as refusal:  # another thread, before anything else is done
            datastore.assign(key("late"), 0)
        refused.append(refusal)

    datastore.add_cidr = add_and_assign
    here.node.reconcile(0)
    assert len(refused) == 1
    assert datastore.cooling_until("10.0.0.200") == 100 * S
