"""Trunk and branch ENIs."""

import pytest

from vpcipam.ec2.api import ErrorCode, TrunkAssociation


@pytest.fixture
def make(ec2, subnet_id):
    """A function: the id of a new ENI of a type."""
    return lambda kind="interface": ec2.create_network_interface(subnet_id=subnet_id, interface_type=kind, now_ns=0).eni_id


@pytest.fixture
def trunk_id(ec2, make, instance_id):
    """A trunk, attached at index 1."""
    made = make("trunk")
    ec2.attach_network_interface(made, instance_id, device_index=1, now_ns=0)
    return made


def shown(ec2, eni_id):
    (found,) = ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
    return found.interface_type, found.status


def test_a_branch_is_in_use_and_keeps_its_addresses(ec2, make, trunk_id, free_count):
    branch_id = make()
    before = free_count()
    made = ec2.associate_trunk_interface(branch_id, trunk_id, vlan_id=4094, now_ns=0)
    assert made == TrunkAssociation("trunk-assoc-00000000000000001", branch_id, trunk_id, 4094)
    assert made.interface_protocol == "VLAN"
    assert (shown(ec2, branch_id), shown(ec2, trunk_id)) == (("branch", "in-use"), ("trunk", "in-use"))
    assert ec2.describe_trunk_interface_associations(association_ids=[made.association_id], now_ns=0) == (made,)
    ec2._check()
    ec2.disassociate_trunk_interface(made.association_id, now_ns=0)
    assert shown(ec2, branch_id) == ("interface", "available")
    assert (free_count(), ec2.describe_trunk_interface_associations(now_ns=0)) == (before, ())
    ec2._check()


def test_associations_are_filtered_by_protocol_and_key(ec2, make, trunk_id):
    vlan = ec2.associate_trunk_interface(make(), trunk_id, vlan_id=7, now_ns=0)
    gre = ec2.associate_trunk_interface(make("branch"), trunk_id, gre_key=7, now_ns=0)
    assert ec2.describe_trunk_interface_associations(filters={"interface-protocol": ["VLAN"]}, now_ns=0) == (vlan,)
    assert ec2.describe_trunk_interface_associations(filters={"gre-key": ["7"]}, now_ns=0) == (gre,)


def test_a_branch_cannot_be_attached_or_associated_again(ec2, make, trunk_id, instance_id, refused):
    branch_id = make()
    ec2.associate_trunk_interface(branch_id, trunk_id, vlan_id=1, now_ns=0)
    with refused(ErrorCode.ENI_IN_USE):
        ec2.associate_trunk_interface(branch_id, trunk_id, vlan_id=2, now_ns=0)
    with refused(ErrorCode.ENI_IN_USE):
        ec2.attach_network_interface(branch_id, instance_id, device_index=2, now_ns=0)
    primary = ec2.describe_instance(instance_id, now_ns=0).network_interfaces[0].eni_id
    with refused(ErrorCode.ENI_IN_USE):
        ec2.associate_trunk_interface(primary, trunk_id, vlan_id=2, now_ns=0)


def test_a_branch_is_deleted_with_its_association(ec2, make, trunk_id, refused):
    branch_id = make()
    made = ec2.associate_trunk_interface(branch_id, trunk_id, vlan_id=1, now_ns=0)
    ec2.delete_network_interface(branch_id, now_ns=0)
    ec2._check()
    with refused(ErrorCode.ASSOCIATION_NOT_FOUND):
        ec2.disassociate_trunk_interface(made.association_id, now_ns=0)


@pytest.mark.parametrize("goes", [True, False])
def test_branches_are_available_once_their_trunk_is_gone(ec2, make, trunk_id, instance_id, goes):
    branches = [make(), make()]
    for vlan_id, branch_id in enumerate(branches, 1):
        ec2.associate_trunk_interface(branch_id, trunk_id, vlan_id=vlan_id, now_ns=0)
    attachment_id = ec2.describe_network_interfaces(eni_ids=[trunk_id], now_ns=0)[0].attachment.attachment_id
    ec2.modify_network_interface_attribute(trunk_id, attachment_id=attachment_id, delete_on_termination=goes, now_ns=0)
    ec2.terminate_instance(instance_id, now_ns=0)
    ec2._check()
    assert len(ec2.describe_trunk_interface_associations(now_ns=0)) == (0 if goes else 2)
    assert {shown(ec2, branch_id)[1] for branch_id in branches} == {"available" if goes else "in-use"}


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({}, ErrorCode.INVALID_PARAMETER_COMBINATION),
        ({"vlan_id": 1, "gre_key": 1}, ErrorCode.INVALID_PARAMETER_COMBINATION),
        ({"vlan_id": 0}, ErrorCode.INVALID_PARAMETER_VALUE),
        ({"vlan_id": 4095}, ErrorCode.INVALID_PARAMETER_VALUE),
        ({"vlan_id": 9}, ErrorCode.INVALID_PARAMETER_VALUE),
        ({"gre_key": 9}, ErrorCode.INVALID_PARAMETER_VALUE),
        ({"gre_key": -1}, ErrorCode.INVALID_PARAMETER_VALUE),
    ],
)
def test_a_place_on_the_trunk_must_be_given_once_and_be_free(ec2, make, trunk_id, refused, wanted, code):  # noqa: PLR0917 - fixtures
    ec2.associate_trunk_interface(make(), trunk_id, vlan_id=9, now_ns=0)
    ec2.associate_trunk_interface(make(), trunk_id, gre_key=9, now_ns=0)
    branch_id = make()
    with refused(code):
        ec2.associate_trunk_interface(branch_id, trunk_id, **wanted, now_ns=0)


def test_only_a_trunk_eni_can_have_branches_and_only_an_ordinary_eni_be_one(ec2, vpc, make, trunk_id, refused):
    plain_id, other_trunk, efa_id = make(), make("trunk"), make("efa")
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, "not a trunk"):
        ec2.associate_trunk_interface(plain_id, plain_id, vlan_id=1, now_ns=0)
    for wrong in (other_trunk, efa_id):
        with refused(ErrorCode.INVALID_PARAMETER_VALUE, "can't be a branch"):
            ec2.associate_trunk_interface(wrong, trunk_id, vlan_id=1, now_ns=0)
    for one, other in (("eni-0", trunk_id), (plain_id, "eni-0")):
        with refused(ErrorCode.ENI_NOT_FOUND):
            ec2.associate_trunk_interface(one, other, vlan_id=1, now_ns=0)
    far = ec2.create_subnet(vpc.vpc_id, "10.0.9.0/24", availability_zone="us-east-1b").subnet_id
    far_id = ec2.create_network_interface(subnet_id=far, now_ns=0).eni_id
    with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "different zones"):
        ec2.associate_trunk_interface(far_id, trunk_id, vlan_id=1, now_ns=0)
