"""A survey of a part of what a node has: everything that is shown is surveyed as in the whole, whatever is left out beside it."""

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given

from vpcipam.inspection.audit import audit_survey
from vpcipam.inspection.survey import survey
from vpcipam.settings import Settings

MODES = [{"WARM_ENI_TARGET": "1"}, {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "3"}]


@pytest.fixture(scope="module", params=MODES, ids=["secondary-ip", "prefix"], name="node")
def _node(account, request):
    """What was read of a node with several ENIs, one of them somebody's, and its settings."""
    here = account("m5.xlarge", request.param, pods=20)
    here.attach(secondary_ip_count=2, tags=(("node.k8s.amazonaws.com/no_manage", "true"),))
    return here.read(), Settings().with_variables(request.param)


@given(data=st.data())
def test_what_is_shown_is_surveyed_as_in_the_whole(node, data):
    read, settings = node
    whole = {each.eni.eni_id: each for each in survey(read, settings).enis}
    enis = tuple(eni for eni in read.enis if data.draw(st.booleans()))
    cut = {eni.eni_id: data.draw(st.integers(0, 2)) for eni in enis}  # how many of its last CIDRs are left out
    shown = tuple(
        attrs.evolve(
            eni,
            secondary_ips=eni.secondary_ips[: max(0, len(eni.secondary_ips) - cut[eni.eni_id])],
            ipv4_prefixes=eni.ipv4_prefixes[: max(0, len(eni.ipv4_prefixes) - cut[eni.eni_id])],
        )
        for eni in enis
    )
    subnets = tuple(subnet for subnet in read.subnets if data.draw(st.booleans()))
    part = survey(attrs.evolve(read, enis=shown, subnets=subnets), settings)
    audit_survey(part)
    assert [each.eni for each in part.enis] == list(shown)
    for each in part.enis:
        full, eni = whole[each.eni.eni_id], each.eni
        assert (each.managed, each.primary, each.network_card, each.device_index) == (
            full.managed,
            full.primary,
            full.network_card,
            full.device_index,
        )
        assert each.slot_count == len(eni.secondary_ips) + len(eni.ipv4_prefixes)
        assert each.address_count == (part.mode.addresses_per_slot * each.slot_count if each.managed else 0)
    assert part.address_count == sum(each.address_count for each in part.enis)
    (card,) = part.cards
    assert card.eni_count == len(shown)
