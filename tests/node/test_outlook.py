"""What a node remembers of its last look: it holds between two changes, and no longer."""

import pytest

from vpcipam.datastore import Datastore
from vpcipam.node.calm_ranges import CalmRanges
from vpcipam.warmpool import Calm

S = 1_000_000_000
IP_TARGETS = {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "20"}
KINDS = [(reconcile, cleanup) for reconcile in (False, True) for cleanup in (False, True)]


def at_rest(world, variables=None, pods=20):
    here = world("m5.xlarge", variables)
    for number in range(pods):
        here.assign(f"p{number}")
        here.run(here.now_ns // S + 5)
    here.settle()
    return here


def wakeups(here):
    return [here.node.next_wakeup(here.now_ns, include_reconcile=reconcile, include_cleanup=cleanup) for reconcile, cleanup in KINDS]


def forget(here):
    here.node._loop.outlook = None


def looks(here, monkeypatch):
    """Count the views from now on."""
    made = []
    inner = type(here.node._loop).view

    def view(self, card, now_ns):
        made.append(now_ns)
        return inner(self, card, now_ns)

    monkeypatch.setattr(type(here.node._loop), "view", view)
    return made


def exclude_by_hand(here):
    here.node.datastores[0].set_excluded(here.eni_at(1), excluded=True)


def cool_by_hand(here):
    here.node.datastores[0]._pool.cool_at(max(range(0x0A000000, 0x0A000100), key=is_free_in(here)), here.now_ns + 7 * S)


def is_free_in(here):
    pool = here.node.datastores[0]._pool
    return lambda address: pool.block_of(address) is not None and pool.key_of(address) is None


CHANGES = {
    "a pod comes": lambda here: here.assign("new"),
    "a pod goes": lambda here: here.unassign("p0"),
    "four pods come": lambda here: here.assign(*"abcd"),
    "cordoned": lambda here: setattr(here.node, "cordoned", True),
    "terminating": lambda here: setattr(here.node, "terminating", True),
    "a comparison with EC2": lambda here: here.node.reconcile(here.now_ns),
    "a search for leaked ENIs": lambda here: here.node.delete_leaked_enis(here.now_ns),
    "ticks passed over": lambda here: here.node.pass_over(here.now_ns),
    "an ENI excluded by hand": exclude_by_hand,
    "a cooldown set by hand": cool_by_hand,
    "EC2 takes an address": lambda here: here.node.datastores[0].remove_cidr(
        here.eni_at(0), here.node.datastores[0].cidrs(here.eni_at(0))[-1], force=True, now_ns=here.now_ns
    ),
}


@pytest.mark.parametrize("variables", [{}, IP_TARGETS, IP_TARGETS | {"IP_COOLDOWN_PERIOD": "90"}])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(("wait_s", "ticks_first"), [(0, False), (3, True), (40, True), (62, False)])
def test_after_a_change_a_node_looks_again(world, variables, change, wait_s, ticks_first):
    remembering, forgetting = (at_rest(world, variables) for _ in range(2))
    seen = []
    for here in (remembering, forgetting):
        told = []
        here.unassign("p5")  # with IP targets a surplus waits
        told += [here.tick(), wakeups(here)]
        here.now_ns += 2 * S
        told += [here.tick(), wakeups(here)]
        here.now_ns += wait_s * S
        change(here)
        for number, step_s in enumerate((0, 1, 4, 5, 25, 31, 40, 70)):
            here.now_ns += step_s * S
            if here is forgetting:
                forget(here)
            if number % 2 == ticks_first:
                told.append(wakeups(here))
            told += [here.tick(), wakeups(here)]
            here.node._loop._check(here.now_ns)
        seen.append(told)
    assert seen[0] == seen[1]


def test_a_node_at_rest_looks_once(world, monkeypatch):
    here = at_rest(world, IP_TARGETS)
    here.unassign("p5", "p6")
    here.tick()
    here.unassign("p7")
    here.now_ns += 5 * S
    assert here.tick() == ()  # the surplus waits for the 30 s between two releases
    first = wakeups(here)
    made = looks(here, monkeypatch)
    for _ in range(10):
        here.now_ns += S
        assert here.tick() == ()
        assert wakeups(here) == first
    assert made == []
    here.now_ns = first[0]
    assert [action.kind.value for action in here.tick()] == ["release-cidrs"]


def test_a_clock_that_steps_back_sees_no_later_look(world):
    here = at_rest(world, IP_TARGETS)
    now_ns = here.now_ns
    here.tick()
    before = here.node.next_wakeup(now_ns - 200 * S, include_reconcile=False)
    wakeups(here)
    assert here.node.next_wakeup(now_ns - 200 * S, include_reconcile=False) == before


@pytest.mark.parametrize("asks", [False, True], ids=["tick", "next_wakeup"])
def test_a_mark_set_while_a_node_looks_is_not_missed(world, monkeypatch, asks):
    here = at_rest(world)
    forget(here)
    inner = type(here.node._loop)._view_unless_calm

    def mark(self, card, now_ns):
        here.node.terminating = not here.node.terminating  # another thread
        return inner(self, card, now_ns)

    monkeypatch.setattr(type(here.node._loop), "_view_unless_calm", mark)
    if asks:
        here.node.next_wakeup(here.now_ns, include_reconcile=False)
    else:
        here.tick()
    loop = here.node._loop
    assert loop.outlook.change_count < loop.change_count


def test_calm_ranges_of_many_shapes_do_not_fill_the_memory():
    store, ranges = Datastore(), CalmRanges()
    store.add_eni("eni-0", device_number=0, now_ns=0)
    for number in range(100):
        assert ranges.find(number, (store.shape, 0)) is None
        ranges.add(number, (store.shape, 0), Calm(number, number))
        assert ranges.find(number, (store.shape, 0)) == ranges.latest == Calm(number, number)
        assert ranges.find(number, (store.shape, 1)) is None
        store.add_cidr("eni-0", f"10.0.0.{number}/32")
    assert len(ranges._by_shape) <= 16
    for number in (99, 98):
        store.remove_cidr("eni-0", f"10.0.0.{number}/32", now_ns=0)
    assert ranges.find(200, (store.shape, 0)) == ranges.latest == Calm(98, 98)
    assert ranges.revision == 200
