"""A node at rest with IP targets from 0 to 2, in every mode: it has what a naive reading of the rules leaves alone, and can serve pods."""

import contextlib
import itertools

import pytest
from naive_warm_pool import Naive

from pool_views import targets
from vpcipam.errors import PoolExhausted
from vpcipam.limits import InstanceLimits

CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))
MODES = {
    "secondary-ip": {},
    "prefix": {"ENABLE_PREFIX_DELEGATION": "true"},
    "ipv6": {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"},
}


def size_at_rest(settings, mode, pods):
    """The addresses that a pool grows to from nothing: the IP targets if one is set, else the other warm target."""
    if mode == "ipv6":
        return 2**48
    unit = 16 if mode == "prefix" else 1
    if settings.warm_ip_target or settings.minimum_ip_target:
        return -(-max(pods + settings.warm_ip_target, settings.minimum_ip_target) // unit) * unit
    return 16 * -(-(pods + 16) // 16) if mode == "prefix" else 3 * -(-(pods + 3) // 3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("warm_ip", "minimum"), [*itertools.product(range(3), repeat=2)])
def test_a_node_comes_to_rest_with_small_targets(world, mode, warm_ip, minimum):
    variables = MODES[mode] | {"WARM_IP_TARGET": str(warm_ip), "MINIMUM_IP_TARGET": str(minimum), "ENABLE_MULTI_NIC": "true"}
    here = world(CARDS, variables, ipv6=mode == "ipv6")
    for pods in range(4):
        for card in (0, 1) if pods else ():
            with contextlib.suppress(PoolExhausted):  # without WARM_IP_TARGET, ipamd's pool stays at the minimum
                here.assign(f"p{pods}", network_card=card)
        here.settle()
        here.check()
        for card, settings in enumerate((targets(warm_ip, minimum), targets(1, 1))):
            view = here.node.view(here.now_ns, card)
            if mode == "prefix" and card > 0:  # it flaps: ipamd takes addresses over the target for prefixes there
                continue
            assert view.stats.total_count == size_at_rest(settings, mode, view.stats.assigned_count), (card, pods)
            stays = mode == "secondary-ip" and settings.minimum_ip_target and not settings.warm_ip_target
            assert view.stats.assigned_count == (min(pods, settings.minimum_ip_target) if stays else pods)
            if mode != "ipv6":
                naive = Naive(view, settings)
                assert (naive.low(), naive.over(), naive.freed(here.now_ns)) == (False, 0, [])
