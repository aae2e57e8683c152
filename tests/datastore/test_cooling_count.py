"""How many addresses cool: at every instant as many as a naive count finds, wherever they lie."""

import hypothesis.strategies as st
from datastore_worlds import key
from hypothesis import example, given

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.errors import PoolExhausted

NAMES = "abcde"


def store_of_both_modes(cooldown_ns, placement):
    """Three single addresses on one ENI; a prefix and two single addresses on another."""
    store = Datastore(cooldown_ns=cooldown_ns, placement=placement)
    for number, cidrs in enumerate((["10.0.0.1", "10.0.0.2", "10.0.0.3"], ["10.0.0.16/28", "10.0.0.4", "10.0.0.5"])):
        store.add_eni(f"eni-{number}", device_number=number, now_ns=0)
        for cidr in cidrs:
            store.add_cidr(f"eni-{number}", cidr)
    return store


@given(
    cooldown_ns=st.integers(0, 4),
    placement=st.sampled_from(["lowest", "packed", "spread", "random"]),
    program=st.lists(
        st.sampled_from([*NAMES, *NAMES, "mode", "exclude"]).flatmap(lambda what: st.tuples(st.just(what), st.integers(0, 2)))
    ),
)
@example(4, "lowest", [("a", 0), ("b", 0), ("a", 1), ("mode", 1), ("b", 1)])
@example(4, "spread", [("a", 0), ("b", 0), ("a", 1), ("b", 0), ("exclude", 1)])
def test_cooling_addresses_are_counted_at_every_instant(cooldown_ns, placement, program):
    store = store_of_both_modes(cooldown_ns, placement)
    until_ns, held, excluded, now_ns = {}, {}, False, 0

    def count_until(end_ns):
        for time_ns in range(now_ns, end_ns + 1):
            assert store.cooling_count(time_ns) == sum(time_ns < until for until in until_ns.values()), time_ns

    for what, steps in program:
        count_until(now_ns + steps)
        now_ns += steps
        if what == "mode":
            store.set_mode(AddressMode.PREFIX if store.mode is AddressMode.SECONDARY_IP else AddressMode.SECONDARY_IP)
        elif what == "exclude":
            excluded = not excluded
            store.set_excluded("eni-1", excluded=excluded)
        elif what in held:
            address = held.pop(what)
            store.unassign(key(what), now_ns)
            until_ns[address] = now_ns + cooldown_ns
        else:
            try:
                held[what] = store.assign(key(what), now_ns).address
            except PoolExhausted:
                continue
            until_ns.pop(held[what], None)
    count_until(now_ns + cooldown_ns + 1)
