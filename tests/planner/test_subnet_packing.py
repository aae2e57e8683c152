"""Packing nodes into subnets: the capacity of a subnet, placements, bounds and the search, each against the EC2 model."""

import random

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.planner import subnet_packing
from vpcipam.planner.cluster_groups import last_that_holds
from vpcipam.planner.subnet_demands import Capacity, Demand, whole_demands
from vpcipam.planner.subnet_packing import SubnetCount, count_subnets, exceeds, fits_into, least_subnets, place, search_placement

from placements import Zone, fewest_subnets, has_placement, place_all  # isort: skip


def capacity(length):
    return Capacity.of(f"10.0.0.0/{length}")


# --- the capacity of a subnet --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(20, 28 + 1))
def test_an_empty_subnet_of_the_model_holds_its_capacity_and_no_more(length):
    zone = Zone(1, length)
    (subnet_id,) = zone.cidrs
    addresses, prefixes, *_ = capacity(length)
    assert zone.ec2.subnets[0].available_ip_address_count == addresses
    assert zone.add(subnet_id, 1, prefixes, in_prefixes=True)
    assert zone.add(subnet_id, 1, 1, in_prefixes=True) is None
    assert zone.add(subnet_id, addresses - 1 - 16 * prefixes, 0, in_prefixes=False)
    assert zone.add(subnet_id, 1, 0, in_prefixes=False) is None


@pytest.mark.parametrize("prefixes", range(3))
def test_single_addresses_take_every_place_that_no_prefix_has(prefixes):
    zone = Zone(1, 26)
    (subnet_id,) = zone.cidrs
    free = 59 - 16 * prefixes - 1
    assert zone.add(subnet_id, 1, prefixes, in_prefixes=True)
    assert zone.add(subnet_id, free + 1, 0, in_prefixes=False) is None
    assert zone.add(subnet_id, free, 0, in_prefixes=False)


def test_in_a_fragmented_subnet_a_single_address_costs_a_prefix():
    ec2 = Ec2Model()
    subnet_id = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/25").subnet_id
    for address in ("10.0.0.16", "10.0.0.40"):
        eni = ec2.create_network_interface(subnet_id=subnet_id, private_ip=address, now_ns=0)
    left = capacity(25).fragmented.addresses - 2
    ec2.assign_private_ip_addresses(eni.eni_id, ipv4_prefix_count=left, now_ns=0)
    with pytest.raises(Ec2Error):
        ec2.assign_private_ip_addresses(eni.eni_id, ipv4_prefix_count=1, now_ns=0)


# --- placements against every placement ----------------------------------------------------------------------------------


@st.composite
def demands(draw, length):
    """Nodes that are small enough to try every placement of them."""
    in_prefixes = length <= 26 and draw(st.booleans())
    per_eni, limit = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    slots = draw(st.integers(1, min(per_eni * limit, 4 if in_prefixes else 10)))
    return Demand(
        fixed=draw(st.sampled_from((1, 1, 2, 4, 7))),
        slots=slots,
        slot_size=16 if in_prefixes else 1,
        slots_per_eni=per_eni,
        eni_count=draw(st.integers(-(-slots // per_eni), limit)),
        eni_limit=limit,
        spreads=draw(st.booleans()),
    )


@st.composite
def clusters(draw):
    length = draw(st.sampled_from((28, 28, 27, 26, 26, 25)))
    return length, draw(st.lists(st.tuples(demands(length), st.integers(1, 3)), min_size=1, max_size=2))


def by_node(groups):
    return [
        (each.fixed, each.slots, each.slot_size > 1, each.slots_per_eni, each.eni_count, each.eni_limit, each.spreads)
        for each, count in groups
        for _ in range(count)
    ]


TIGHT = Demand(fixed=1, slots=2, slot_size=1, slots_per_eni=3, eni_count=1, eni_limit=2, spreads=True)


@given(clusters())
@example((28, [(TIGHT, 7)]))  # 21 addresses in two subnets of 11: divided, the seventh node takes 4
@example((28, [(attrs.evolve(TIGHT, slots=4, eni_count=2), 1), (attrs.evolve(TIGHT, slots_per_eni=1, eni_count=2), 4)]))  # full to the last
@example((26, [(attrs.evolve(TIGHT, slot_size=16, slots=1), 2), (Demand(fixed=7), 3)]))
def test_the_count_is_that_of_the_best_of_all_placements(cluster):
    length, groups = cluster
    found = count_subnets(groups, capacity(length))
    if found is None or found.count <= 4:
        best = fewest_subnets(by_node(groups), length, most=5 if found else 3)
        assert found == (None if best is None else SubnetCount(best, best))


@given(clusters(), st.integers(1, 3))
def test_the_search_finds_what_there_is(cluster, subnet_count):
    length, groups = cluster
    found = search_placement(groups, [capacity(length)] * subnet_count)
    assert found is None or found == has_placement(by_node(groups), subnet_count, length)


@given(clusters())
def test_no_placement_beats_the_bound(cluster):
    length, groups = cluster
    least = least_subnets(groups, capacity(length)) if place(groups, (), capacity(length)) is not None else 1
    assert least <= 1 or not has_placement(by_node(groups), min(least - 1, 4), length)


@given(clusters(), st.lists(st.sampled_from((28, 27, 26)), max_size=3))
def test_a_placement_takes_no_more_than_there_is_and_all_that_is_wanted(cluster, lengths):
    length, groups = cluster
    for given_subnets, fresh in (([capacity(each) for each in lengths], None), ([], capacity(length))):
        parts = place(groups, given_subnets, fresh)
        if parts is None:
            continue
        subnets = given_subnets or [fresh] * max(part.subnet + 1 for part in parts)
        for index, (demand, count) in enumerate(groups):
            own = [part for part in parts if part.demand == index]
            assert sum(part.node_count * part.slots for part in own) == count * demand.slots
            assert sum(part.node_count for part in own if part.fixed) == count
            assert {part.fixed for part in own} <= {0, demand.fixed}
            assert all(part.slots <= part.eni_count * demand.slots_per_eni for part in own)
            assert count * demand.eni_count <= sum(part.node_count * part.eni_count for part in own) <= count * demand.eni_limit
            assert demand.spreads or all(part.slots == demand.slots for part in own)
        for index, there in enumerate(subnets):
            taken = [(groups[part.demand][0], part) for part in parts if part.subnet == index]
            slots = sum(part.node_count * part.slots * demand.slot_size for demand, part in taken)
            singles = sum(part.node_count * (part.fixed + part.eni_count - (part.fixed > 0)) for _, part in taken)
            assert slots + singles <= there.addresses
            assert sum(part.node_count * part.slots for demand, part in taken if demand.slot_size > 1) <= there.prefixes
        assert not exceeds(groups, subnets)
        assert fits_into(groups, subnets)


# --- reservations, and subnets that are open for some nodes only ----------------------------------------------------------


@st.composite
def open_zones(draw):
    """Subnets with reserved /28s, sets of them that overlap, and nodes that can be in one of the sets each."""
    lengths = draw(st.lists(st.sampled_from((28, 27, 26)), min_size=1, max_size=3))
    cidrs = [f"10.0.{index}.0/{length}" for index, length in enumerate(lengths)]
    blocks = [f"10.0.{index}.{first}/28" for index, length in enumerate(lengths) for first in range(16, (1 << 32 - length) - 16, 16)]
    reserved = draw(st.lists(st.sampled_from(blocks), unique=True)) if blocks else []
    sets = draw(st.lists(st.sets(st.sampled_from(range(len(cidrs))), min_size=1), min_size=1, max_size=3))
    groups = draw(
        st.lists(
            st.tuples(demands(draw(st.sampled_from((26, 28)))), st.sampled_from(range(len(sets))), st.integers(1, 2)),
            min_size=1,
            max_size=3,
        )
    )
    return cidrs, reserved, sets, [(attrs.evolve(demand, pool=pool), count) for demand, pool, count in groups]


def capacities(cidrs, reserved, sets):
    for index, cidr in enumerate(cidrs):
        inside = sum(each.startswith(f"10.0.{index}.") for each in reserved)
        yield Capacity.of(cidr)._replace(reserved=inside, pools=sum(1 << number for number, each in enumerate(sets) if index in each))


ONE, SIX = Demand(fixed=4), Demand(fixed=6)
SIX_OF_ONE_ENI = Demand(fixed=1, slots=5, slots_per_eni=5, spreads=True)
THREE_28S = [f"10.0.{index}.0/28" for index in range(3)]
NODE = Demand(fixed=1, slots=3, slot_size=16, slots_per_eni=14, eni_limit=4, spreads=True)


@given(open_zones())
@example((["10.0.0.0/28", "10.0.1.0/28"], [], [{0}, {0, 1}], [(attrs.evolve(ONE, pool=1), 3), (ONE, 3)]))  # together they would fit
@example((["10.0.0.0/28", "10.0.1.0/28"], [], [{0}, {0, 1}], [(attrs.evolve(ONE, pool=1), 2), (ONE, 2)]))
@example((["10.0.0.0/26", "10.0.1.0/28"], ["10.0.0.16/28", "10.0.0.32/28"], [{0, 1}], [(ONE, 10)]))
@example((["10.0.0.0/27", "10.0.1.0/27"], [], [{0}, {1}], [(attrs.evolve(TIGHT, slots=9, slots_per_eni=9), 2), (ONE, 1)]))
@example((THREE_28S, [], [{0, 1}, {2}], [(SIX, 3), (attrs.evolve(ONE, pool=1), 1)]))  # one in each of two
@example((THREE_28S, [], [{0, 1}, {2}], [(SIX_OF_ONE_ENI, 3), (attrs.evolve(ONE, pool=1), 1)]))
@example((["10.0.0.0/26", "10.0.1.0/28"], ["10.0.0.16/28", "10.0.0.32/28"], [{0, 1}], [(SIX, 6)]))  # 27 and 11 single addresses
@example((["10.0.0.0/26", "10.0.1.0/28"], ["10.0.0.16/28", "10.0.0.32/28"], [{0, 1}], [(SIX_OF_ONE_ENI, 6)]))
def test_nodes_fit_into_reserved_and_open_subnets_if_and_only_if_every_address_has_a_place(zone):
    cidrs, reserved, sets, groups = zone
    nodes = by_node(groups)
    if len(nodes) > 3 and any(each.spreads for each, _ in groups):
        groups, nodes = groups[:1], by_node(groups[:1])
    open_for = [sorted(sets[each.pool]) for each, count in groups for _ in range(count)]
    found = place_all(Zone(cidrs=cidrs, reserved=reserved), nodes, open_for)
    there = [*capacities(cidrs, reserved, sets)]
    assert fits_into(groups, there) == found
    assert not (found and exceeds(groups, there))
    assert found or len(cidrs) > 1 or exceeds(groups, there)  # in one subnet it is exact


def test_many_nodes_fill_sets_that_overlap():
    """Where no search can tell, the answer is no. Of the number that the bound allows, hardly any node is lost so."""
    chance = random.Random(5)
    lost = []
    for _ in range(8):
        there = range(chance.randint(2, 5))
        sets = [{*chance.sample(there, chance.randint(1, min(3, len(there))))} for _ in range(chance.randint(2, 4))]
        subnets = [*capacities([f"10.0.{4 * place}.0/{chance.choice((22, 23, 24))}" for place in there], [], sets)]
        nodes = [attrs.evolve(NODE, slots=chance.randint(1, 4), pool=pool) for pool in range(len(sets))]

        def demands_of(count, nodes=nodes):
            return [(node, count // len(nodes) + (place < count % len(nodes))) for place, node in enumerate(nodes)]

        most = last_that_holds(lambda count: not exceeds(demands_of(count), subnets))  # noqa: B023 - called at once
        lost.append(1 - last_that_holds(lambda count: fits_into(demands_of(count), subnets)) / most)  # noqa: B023
    assert max(lost) <= 0.05
    assert sum(lost) / len(lost) <= 0.005


# --- by hand -------------------------------------------------------------------------------------------------------------


def test_divided_nodes_fill_what_whole_ones_leave():
    assert count_subnets([(NODE, 40)], capacity(24)) == SubnetCount(9, 9)  # 120 /28s, 14 in each
    assert count_subnets(whole_demands([(NODE, 40)]), capacity(24)) == SubnetCount(10, 10)  # 4 nodes in each


def test_given_subnets_of_several_sizes_are_filled():
    assert fits_into([(NODE, 9)], [capacity(24), capacity(24)])  # 27 of 28
    assert not fits_into([(NODE, 10)], [capacity(24), capacity(24)])
    assert not fits_into(whole_demands([(NODE, 9)]), [capacity(24), capacity(24)])
    assert fits_into([(NODE, 10)], [capacity(24), capacity(24), capacity(26)])
    assert not fits_into([(NODE, 1)], [])
    assert fits_into([], [])


def test_single_addresses_fill_what_prefixes_leave():
    """A /26 has two /28s, and 27 addresses beside them: room for two nodes of 12 addresses and the ENIs of the others."""
    prefixes = attrs.evolve(NODE, eni_limit=3)
    assert count_subnets([(prefixes, 18), (Demand(fixed=12), 16)], capacity(26)) == SubnetCount(27, 27)
    assert fits_into([(prefixes, 18), (Demand(fixed=12), 16)], [capacity(26)] * 27)


def test_so_many_subnets_are_counted_as_given_ones_suffice():
    """Several groups, load balancers and endpoints, in which divided nodes go elsewhere if a subnet can be added than if none can."""
    divided = Demand(fixed=1, slots=1, slot_size=16, slots_per_eni=14, eni_limit=4, spreads=True)
    whole = [(Demand(fixed=60), 66), (Demand(fixed=18), 23), (Demand(fixed=8), 2), (Demand(fixed=1), 29)]
    found = count_subnets([(divided, 34), *whole], capacity(25))
    assert found == SubnetCount(42, 41)
    assert fits_into([(divided, 34), *whole], [capacity(25)] * 42)
    assert not fits_into([(divided, 34), *whole], [capacity(25)] * 41)


def test_a_node_that_is_larger_than_a_subnet_can_still_be_divided():
    node = Demand(fixed=1, slots=20, slots_per_eni=10, eni_count=2, eni_limit=3, spreads=True)
    assert count_subnets([(node, 1)], capacity(28)) == SubnetCount(2, 2)
    assert count_subnets([(attrs.evolve(node, spreads=False), 1)], capacity(28)) is None
    assert count_subnets([(attrs.evolve(node, slots=31, slots_per_eni=15, eni_count=3), 1)], capacity(28)) is None
    assert count_subnets([(attrs.evolve(node, fixed=12), 1)], capacity(28)) is None


def test_enis_without_slots_can_be_in_another_subnet():
    node = Demand(fixed=1, slots=1, slots_per_eni=1, eni_count=12, eni_limit=12, spreads=True)
    assert count_subnets([(node, 1)], capacity(28)) == SubnetCount(2, 2)


def test_no_nodes_need_no_subnet():
    assert count_subnets([], capacity(24)) == count_subnets([(NODE, 0)], capacity(24)) == SubnetCount(0, 0)


def test_a_search_that_would_take_too_long_is_given_up(monkeypatch):
    node = Demand(fixed=1, slots=42, slots_per_eni=14, eni_count=3, eni_limit=4, spreads=True)
    assert search_placement([(node, 1_000)], [capacity(24)] * 180) is None
    assert search_placement([(TIGHT, 7)], [capacity(28)] * 2) is True
    monkeypatch.setattr(subnet_packing, "MOST_STEPS", 3)
    assert search_placement([(TIGHT, 7)], [capacity(28)] * 2) is None
    assert not fits_into([(node, 1_000)], [capacity(24)] * 179)


def test_the_count_says_where_it_can_be_too_high():
    node = Demand(fixed=1, slots=42, slots_per_eni=14, eni_count=3, eni_limit=4, spreads=True)
    found = count_subnets([(node, 10_000)], capacity(24))
    assert found.least < found.count == 1_800


def test_full_enis_leave_gaps_that_the_bound_knows():
    node = Demand(fixed=1, slots=9, slots_per_eni=9, eni_limit=1, spreads=True)  # 10 addresses, of 13
    assert least_subnets([(node, 11)], Capacity(13, 0)) == 11


@given(demands(28) | demands(26), st.integers(1, 8), st.integers(8, 40), st.integers(0, 3))
def test_the_bound_by_enis_is_that_of_the_best_number_of_enis_in_a_subnet(demand, count, addresses, prefixes):
    there = Capacity(addresses, prefixes)
    numbers = range(1, addresses + 1)
    full = max(demand.most_slots(enis, there) for enis in numbers)
    if demand.spreads and demand.slots <= demand.eni_limit * demand.most_slots(1, there):
        least = subnet_packing._least_by_enis(demand, count, there)
        assert least >= -(-count * demand.slots // full)

        def reach(subnets):  # ENI by ENI, each where it adds most
            held = [0] * subnets
            for _ in range(count * demand.eni_limit):
                gains = [demand.most_slots(enis + 1, there) - (demand.most_slots(enis, there) if enis else 0) for enis in held]
                if max(gains) <= 0:
                    break
                held[gains.index(max(gains))] += 1
            return sum(demand.most_slots(enis, there) for enis in held if enis)

        assert reach(least) >= count * demand.slots
        assert least == 1 or reach(least - 1) < count * demand.slots
