"""`sole_pool`: the datastore sees every call on its pool as if it had been called itself."""

import pytest
from datastore_worlds import key, node, singles

from vpcipam.errors import DatastoreError, UnknownKey
from vpcipam.sandbox import PodRef
from vpcipam.stats import Assignment


class Silent:
    """A journal that must not be called."""


WEB = Assignment("10.0.0.0", "eni-0", 0, 0, "10.0.0.0/28")
API = Assignment("10.0.0.1", "eni-0", 0, 0, "10.0.0.0/28")


@pytest.fixture
def store():
    """A datastore of a prefix, on whose pool two sandboxes were assigned."""
    store = node(["10.0.0.0/28"])
    pool = store.sole_pool()
    pool.assign(key("web"), 0)
    pool.assign(key("api"), 0)
    return store


def test_an_assign_at_the_sole_pool_is_seen_by_the_datastore(store):
    assert store.assignment_of(key("web")) == WEB
    assert store.assignment_of(key("web")) is store.assignment_of(key("web"))
    assert list(store.assignments()) == [(key("web"), WEB), (key("api"), API)]
    assert store.key_of("10.0.0.1") == key("api")
    assert store.pod_of(key("web")) is None
    assert store.assign(key("web"), 1) == WEB
    assert store.assign_at(key("api"), "10.0.0.1", 1) == API
    assert store.assignment_of(key("nobody")) is None
    store._check()


def test_an_assign_at_the_datastore_can_be_unassigned_at_the_sole_pool(store):
    assert store.assign(key("db"), 1, PodRef("default", "db-1")).address == "10.0.0.2"
    store.sole_pool().unassign(key("db"), 2)
    assert store.assignment_of(key("db")) is None
    assert [cooling.address for cooling in store.cooldowns(3)] == ["10.0.0.2"]
    store._check()


def test_unassign_at_the_datastore_returns_the_assignment_of_the_sole_pool(store):
    assert store.unassign(key("api"), 1) == API
    assert store.unassign_many([key("web")], 1) == (WEB,)
    assert store.sandbox_count == 0
    with pytest.raises(UnknownKey, match="web"):
        store.unassign(key("web"), 2)


def test_a_forced_removal_returns_the_sandboxes_of_the_sole_pool(store):
    assert store.remove_cidr("eni-0", "10.0.0.0/28", force=True, now_ns=1) == (WEB, API)
    assert store.sandbox_count == 0


@pytest.mark.parametrize("listener", [{"journal": Silent()}, {"on_event": [].append}], ids=["journal", "events"])
def test_the_sole_pool_is_refused_with_a_journal_or_a_callback(listener):
    store = singles([5], **listener)
    with pytest.raises(DatastoreError, match="would miss changes"):
        store.sole_pool()
    assert store.sandbox_count == 0
