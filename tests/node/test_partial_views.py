"""Answers that leave something out: nothing that a node holds is dropped because one source does not show it."""

import attrs
import hypothesis.strategies as st
from hypothesis import given

from vpcipam.action import ActionKind
from vpcipam.limits import InstanceLimits

S = 1_000_000_000
CARDS = InstanceLimits(instance_type="cards.test", eni_limit=3, ipv4_per_eni=4, network_cards=(3, 2))
DROPS = {ActionKind.DROP_ENI, ActionKind.DROP_CIDRS}
VARIABLES = st.fixed_dictionaries(
    {
        "ENABLE_PREFIX_DELEGATION": st.sampled_from(["false", "true"]),
        "ENABLE_MULTI_NIC": st.sampled_from(["false", "true"]),
        "WARM_IP_TARGET": st.sampled_from(["0", "2"]),
        "ENABLE_POD_ENI": st.sampled_from(["false", "true"]),  # without a trunk, every tick compares
    }
)


class LeavesOut:
    """An answer about ENIs of which a random part is left out: ENIs, and secondary addresses and prefixes of the others."""

    def __init__(self, draw):
        self.draw = draw

    def __call__(self, enis):
        return tuple(self.part_of(eni) for eni in enis if self.draw(st.sampled_from([True, True, False])))

    def part_of(self, eni):
        kept = {name: self.some_of(getattr(eni, name)) for name in ("secondary_ips", "ipv4_prefixes", "ipv6_prefixes")}
        return attrs.evolve(eni, **kept)

    def some_of(self, values):
        return tuple(value for value in values if self.draw(st.booleans()))


def holdings(here):
    """All that the node holds: its CIDRs, and the addresses of its pods."""
    stores = here.node.datastores
    cidrs = {(store.network_card, eni_id): store.cidrs(eni_id) for store in stores for eni_id in store.eni_ids}
    return cidrs, [list(store.assignments()) for store in stores]


@given(data=st.data(), variables=VARIABLES, pods=st.integers(0, 3), steps_s=st.lists(st.sampled_from([5, 61]), min_size=1, max_size=4))
def test_metadata_that_leave_something_out_drop_nothing(world, data, variables, pods, steps_s):
    here = world(CARDS, variables)
    for number in range(pods):
        for card in range(len(here.node.datastores)):
            here.assign(f"p{number}", network_card=card)
        here.settle()
    unmanaged = here.foreign_eni(tags=(("node.k8s.amazonaws.com/no_manage", "true"),)) if data.draw(st.booleans()) else None
    here.node.reconcile(here.now_ns)
    here.settle()
    here.node.cordoned = True  # so that its pool stays as it is
    before = holdings(here)
    limits = [here.node.managed_eni_limit(store.network_card) for store in here.node.datastores]
    here.ec2.metadata = LeavesOut(data.draw)
    for step_s in steps_s:
        here.now_ns += step_s * S
        actions = [*here.node.reconcile(here.now_ns), *here.node.tick(here.now_ns)]
        assert not [action for action in actions if action.kind in DROPS]
        cidrs, pods_with_addresses = holdings(here)
        assert pods_with_addresses == before[1]
        released = {(action.network_card, action.eni_id) for action in actions if action.kind is ActionKind.RELEASE_CIDRS}
        assert {at: each for at, each in cidrs.items() if at not in released} == {
            at: each for at, each in before[0].items() if at not in released
        }
        before = cidrs, pods_with_addresses
        assert [here.node.managed_eni_limit(store.network_card) for store in here.node.datastores] == limits
    assert unmanaged is None or unmanaged in here.attached()
    here.check_agreement()


@given(data=st.data(), variables=VARIABLES, refused=st.booleans())
def test_a_comparison_that_ec2_refuses_drops_nothing(world, data, variables, refused):
    here = world(CARDS, variables)
    here.pods(2)
    before = holdings(here)
    here.ec2.metadata = LeavesOut(data.draw) if refused else lambda _: ()
    here.ec2.refuse("DescribeNetworkInterfaces", times=9)
    for _ in range(3):
        here.now_ns += 61 * S
        assert all(not action.done and action.kind is ActionKind.RECONCILE for action in here.node.reconcile(here.now_ns))
        assert holdings(here) == before


@given(data=st.data(), prefixes=st.booleans(), pods=st.integers(1, 3), wanted=st.integers(2, 4))
def test_an_answer_to_a_request_for_slots_adds_what_it_shows_and_drops_nothing(world, data, prefixes, pods, wanted):
    variables = {"ENABLE_PREFIX_DELEGATION": str(prefixes).lower(), "WARM_IP_TARGET": "1"}
    here = world("m5.large", variables)
    here.pods(1)
    cidrs, held = holdings(here)
    here.change_settings({"WARM_IP_TARGET": str(16 * wanted if prefixes else wanted + pods)})
    assign = here.model.assign_private_ip_addresses
    shown = []

    def leave_out(eni_id, **arguments):
        answer = assign(eni_id, **arguments)
        part = LeavesOut(data.draw)
        told = attrs.evolve(answer, addresses=part.some_of(answer.addresses), prefixes=part.some_of(answer.prefixes))
        shown.extend([*(f"{address}/32" for address in told.addresses), *told.prefixes])
        return told

    here.model.assign_private_ip_addresses = leave_out
    assert not [action for action in here.tick(5) if action.kind in DROPS]
    after, held_after = holdings(here)
    assert held_after == held
    eni = next(iter(cidrs))
    assert set(after[eni]) == {*cidrs[eni], *shown}
    del here.model.assign_private_ip_addresses
    here.settle()  # a comparison finds the rest
    here.check_agreement()
