"""Which attached ENIs a node manages."""

import attrs
import pytest

from vpcipam.ec2.api import Attachment, NetworkInterface
from vpcipam.node.membership import Membership
from vpcipam.settings import Settings

INSTANCE = "i-1"
OWN = ("node.k8s.amazonaws.com/instance_id", INSTANCE)
OTHERS = ("node.k8s.amazonaws.com/instance_id", "i-2")
NO_MANAGE = ("node.k8s.amazonaws.com/no_manage", "true")


def eni(*tags, device_index=1, card=0, private_ip="10.0.0.9", interface_type="interface"):
    return NetworkInterface(
        eni_id="eni-1",
        subnet_id="subnet-1",
        vpc_id="vpc-1",
        availability_zone="us-east-1a",
        private_ip=private_ip,
        interface_type=interface_type,
        tags=tags,
        attachment=Attachment("attach-1", INSTANCE, device_index, card, delete_on_termination=True),
    )


@pytest.mark.parametrize(
    ("attached", "manage_untagged", "managed"),
    [
        (eni(), True, True),
        (eni(), False, False),
        (eni(OWN), False, True),
        (eni(OTHERS), False, False),
        (eni(OTHERS), True, True),
        (eni(OWN, NO_MANAGE), True, False),
        (eni(("node.k8s.amazonaws.com/no_manage", "false")), False, True),
        (eni(NO_MANAGE, device_index=0), False, True),  # the primary one always is
        (eni(OWN, private_ip=""), True, False),  # EFA-only: there is nothing on it for a pod
    ],
)
def test_tags_and_attachment_decide_whether_an_eni_is_managed(attached, manage_untagged, managed):
    membership = Membership(manage_untagged)
    assert bool(membership.managed([attached], 0, INSTANCE)) == managed
    assert membership.unmanaged_count(0) == (not managed)
    assert bool(membership.shown([attrs.evolve(attached, tags=())], 0)) == managed


def test_in_imds_only_mode_no_tag_counts():
    membership = Membership.under(Settings(manage_untagged_eni=False, enable_imds_only_mode=True))
    assert membership.managed([eni(NO_MANAGE)], 0, INSTANCE)
    assert not membership.managed([eni(private_ip="")], 0, INSTANCE)


@pytest.mark.parametrize(
    ("on_card", "managed"),
    [
        ([], True),
        ([eni(card=1)], True),
        ([eni(card=1, private_ip="", interface_type="efa-only")], False),
        ([eni(card=1, private_ip="", interface_type="efa-only"), eni(card=1, device_index=2)], True),
        ([eni(card=1, private_ip="", interface_type="efa-only"), eni(NO_MANAGE, card=1, device_index=2)], False),
        ([eni(NO_MANAGE, card=1)], True),  # full of unmanaged ENIs, but not EFA-only
        ([eni(card=2, private_ip="", interface_type="efa-only")], True),
    ],
)
def test_a_card_with_nothing_but_an_efa_only_eni_is_not_managed(on_card, managed):
    assert Membership(manage_untagged=True).manages_card(on_card, 1, INSTANCE) == managed


def test_a_detached_unmanaged_eni_is_noticed():
    membership = Membership(manage_untagged=False)
    membership.managed([eni()], 0, INSTANCE)
    assert not membership.is_gone([eni()])
    assert membership.is_gone([])
