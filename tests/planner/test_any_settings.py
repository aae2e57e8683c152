"""A plan with any settings on any instance type: it counts every pod, and keeps the limits of the type."""

from collections import Counter

import hypothesis.strategies as st
from hypothesis import given

from vpcipam import plan
from vpcipam.errors import NodeError
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.testing.strategies import instance_types, node_settings


@given(instance_type=instance_types(), settings=node_settings(), pods=st.integers(0, 60))
def test_a_plan_counts_every_pod_and_keeps_the_limits(instance_type, settings, pods):
    limits = instance_type if isinstance(instance_type, InstanceLimits) else instance_limits(instance_type)
    try:
        answer = plan(instance_type, pods=pods, settings=settings)
    except NodeError:
        return  # such as custom networking on a type with a single ENI
    assert answer.pods_assigned + answer.pods_waiting == pods
    assert answer.pods_assigned == answer.assigned_ips == sum(eni.assigned_ips for eni in answer.enis)
    assert answer.eni_count == len(answer.enis)
    for card, count in Counter(eni.network_card for eni in answer.enis).items():
        assert count <= limits.network_cards[card]
    for eni in answer.enis:
        assert eni.secondary_ips + eni.prefixes <= limits.slots_per_eni
        assert eni.assigned_ips <= eni.secondary_ips + 16 * eni.prefixes
    assert answer.total_ips == answer.assigned_ips + answer.available_ips
