"""`_check()` is what other tests lean on, so it must see what is broken."""

import pytest
from datastore_worlds import key, node

from vpcipam.address import Cidr
from vpcipam.sandbox import PodRef


@pytest.fixture
def store():
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"])
    store.assign(key("web"), 0)
    store._check()
    return store


BREAKAGES = {
    "a pod whose sandbox is unknown to the pool": (3, lambda store: store._pods.update({key("other"): PodRef("default", "web")})),
    "a sandbox without an answer": (3, lambda store: store._assignments.clear()),
    "an answer about an address outside": (3, lambda store: store._assignments.update({5: None})),
    "a CIDR unknown to the pool": (4, lambda store: store._enis["eni-0"].cidrs.update({0: Cidr.parse("0.0.0.0/28")})),
    "a CIDR known to the pool alone": (4, lambda store: store._enis["eni-1"].cidrs.clear()),
    "a CIDR of another size": (4, lambda store: store._enis["eni-1"].cidrs.update({0x0A000010: Cidr.parse("10.0.0.16/32")})),
    "a CIDR in another ENI's group": (4, lambda store: setattr(store._enis["eni-1"], "device_number", 2)),
    "a block of no ENI": (4, lambda store: store._eni_of_block.update({5: None})),
    "a closed block of an ENI in reach": (4, lambda store: store._pool.close_block(0x0A000010)),
    "an open block of an excluded ENI": (4, lambda store: setattr(store._enis["eni-1"], "excluded", True)),
}


@pytest.mark.parametrize(("invariant", "damage"), BREAKAGES.values(), ids=BREAKAGES)
def test_the_check_sees(store, invariant, damage):
    damage(store)
    with pytest.raises(AssertionError, match=f"invariant {invariant}"):
        store._check()
