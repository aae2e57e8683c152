"""Other tests rely on `_check()`, so it must find damage."""

import attrs
import pytest
from datastore_worlds import key, node

from vpcipam.address import Cidr
from vpcipam.stats import Assignment


@pytest.fixture
def store():
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"])
    store.assign(key("web"), 0)
    store._check()
    return store


HELD = Assignment("10.0.0.0", "eni-0", 0, 0, "10.0.0.0/28")

BREAKAGES = {
    "an answer about another address": (3, lambda store: store._pool.set_entry(key("web"), attrs.evolve(HELD, address="10.0.0.1"))),
    "an answer about another ENI": (3, lambda store: store._pool.set_entry(key("web"), attrs.evolve(HELD, eni_id="eni-1"))),
    "an answer about another device": (3, lambda store: store._pool.set_entry(key("web"), attrs.evolve(HELD, device_number=1))),
    "an answer about another CIDR": (3, lambda store: store._pool.set_entry(key("web"), attrs.evolve(HELD, cidr="10.0.0.16/28"))),
    "a CIDR unknown to the pool": (4, lambda store: store._attached.enis["eni-0"].cidrs.update({0: Cidr.parse("0.0.0.0/28")})),
    "a CIDR known to the pool alone": (4, lambda store: store._attached.enis["eni-1"].cidrs.clear()),
    "a CIDR of another size": (4, lambda store: store._attached.enis["eni-1"].cidrs.update({0x0A000010: Cidr.parse("10.0.0.16/32")})),
    "a CIDR in another ENI's group": (4, lambda store: setattr(store._attached.enis["eni-1"], "device_number", 2)),
    "a block of no ENI": (4, lambda store: store._attached.eni_of_block.update({5: None})),
    "a closed block of an ENI in reach": (4, lambda store: store._pool.close_block(0x0A000010)),
    "a wrong number of prefixes": (6, lambda store: setattr(store._attached.enis["eni-1"], "prefix_count", 2)),
    "an old text": (6, lambda store: setattr(store._attached.enis["eni-1"], "_texts", ())),
    "old counts of an ENI": (6, lambda store: setattr(store._attached.enis["eni-1"], "stats", store.eni_stats(0)[0])),
    "a trunk that nobody has": (6, lambda store: setattr(store._attached, "has_trunk", True)),
    "ids of ENIs that are gone": (6, lambda store: setattr(store._attached, "eni_ids", ("eni-0", "eni-1", "eni-2"))),
    "another order of ENIs": (6, lambda store: setattr(store._attached, "_in_order", store._attached._in_order[::-1])),
    "an open block of an excluded ENI": (4, lambda store: setattr(store._attached.enis["eni-1"], "excluded", True)),
}


@pytest.mark.parametrize(("invariant", "damage"), BREAKAGES.values(), ids=BREAKAGES)
def test_the_check_finds_each_kind_of_damage(store, invariant, damage):
    damage(store)
    with pytest.raises(AssertionError, match=f"invariant {invariant}"):
        store._check()
