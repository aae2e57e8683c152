"""Finding available ENIs: only unattached ones are read, and the answer equals that of reading all."""

import pytest

from vpcipam.ec2.api import ErrorCode
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.state import records

AVAILABLE = {"status": ("available",)}


def ids(enis):
    return [eni.eni_id for eni in enis]


@pytest.fixture
def available(ec2):
    """A function: the ids of the available ENIs, found by the index and by reading all, which must be equal."""

    def find():
        quick = ec2.describe_network_interfaces(filters=AVAILABLE, now_ns=0)
        assert quick == tuple(eni for eni in ec2.describe_network_interfaces(now_ns=0) if eni.status == "available")
        assert quick == ec2.describe_network_interfaces(filters={"status": ["availabl?"]}, now_ns=0)
        ec2._check()
        return ids(quick)

    return find


def test_an_eni_is_available_whenever_it_is_not_attached(ec2, instance_id, eni_id, available):
    assert available() == [eni_id]
    attachment_id = ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)
    assert available() == []
    ec2.detach_network_interface(attachment_id, now_ns=0)
    assert available() == [eni_id]
    ec2.delete_network_interface(eni_id, now_ns=0)
    assert available() == []


def test_available_enis_are_in_order_of_creation(ec2, subnet_id, attached_id, available):
    attachment = ec2.describe_network_interfaces(eni_ids=[attached_id], now_ns=0)[0].attachment
    younger = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    ec2.detach_network_interface(attachment.attachment_id, now_ns=0)
    assert available() == [attached_id, younger]


def test_a_branch_is_not_available(ec2, subnet_id, eni_id, available):
    trunk_id = ec2.create_network_interface(subnet_id=subnet_id, interface_type="trunk", now_ns=0).eni_id
    association = ec2.associate_trunk_interface(eni_id, trunk_id, vlan_id=1, now_ns=0)
    assert available() == [trunk_id]
    ec2.disassociate_trunk_interface(association.association_id, now_ns=0)
    assert trunk_id in available()


def test_enis_left_by_a_terminated_instance_are_available(ec2, instance_id, attached_id, available):
    ec2.terminate_instance(instance_id, now_ns=0)
    assert available() == [attached_id]


def test_other_filters_combine_with_the_status(ec2, subnet_id, eni_id):
    tagged = ec2.create_network_interface(subnet_id=subnet_id, tags=[("owner", "cni")], now_ns=0)
    found = ec2.describe_network_interfaces(filters={**AVAILABLE, "tag-key": ["owner"], "vpc-id": [tagged.vpc_id]}, now_ns=0)
    assert found == (tagged,)
    assert ids(ec2.describe_network_interfaces(filters={**AVAILABLE, "subnet-id": [subnet_id]}, now_ns=0)) == [eni_id, tagged.eni_id]
    assert ec2.describe_network_interfaces(filters={**AVAILABLE, "tag-key": ["other"]}, now_ns=0) == ()


def test_ids_and_an_instance_combine_with_the_status(ec2, instance_id, attached_id, refused):
    assert ec2.describe_network_interfaces(eni_ids=[attached_id], filters=AVAILABLE, now_ns=0) == ()
    assert ec2.describe_network_interfaces(instance_id=instance_id, filters=AVAILABLE, now_ns=0) == ()
    with refused(ErrorCode.ENI_NOT_FOUND):
        ec2.describe_network_interfaces(eni_ids=["eni-0"], filters=AVAILABLE, now_ns=0)


def test_an_unknown_filter_beside_the_status_is_refused(ec2, refused):
    with refused(ErrorCode.INVALID_PARAMETER_VALUE, match="'nonsense' is invalid"):
        ec2.describe_network_interfaces(filters={**AVAILABLE, "nonsense": ["x"]}, now_ns=0)


def test_several_values_of_the_status_are_matched(ec2, attached_id):
    found = ec2.describe_network_interfaces(filters={"status": ("available", "in-use")}, now_ns=0)
    assert attached_id in ids(found)
    assert found == ec2.describe_network_interfaces(now_ns=0)


def test_the_status_lags_with_everything_else():
    ec2 = Ec2Model(conditions=Conditions(describe_lag_ns=10))
    subnet_id = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24").subnet_id
    instance_id = ec2.launch_instance("m5.large", subnet_id, now_ns=0).instance_id
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=20)
    assert ids(ec2.describe_network_interfaces(filters=AVAILABLE, now_ns=29)) == [eni_id]
    assert ids(ec2.describe_network_interfaces(filters=AVAILABLE, now_ns=30)) == []


@pytest.mark.usefixtures("attached_id")
def test_finding_available_enis_reads_no_attached_ones(ec2, subnet_id, monkeypatch):
    """The reason for the index: 10,000 nodes call once an hour, and no call may read 20,000 ENIs."""
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    seen = []
    look = records.EniRecord.view
    monkeypatch.setattr(records.EniRecord, "view", lambda eni: seen.append(eni.eni_id) or look(eni))
    for values in (("available",), ["available"], {"available"}, iter(["available"])):
        seen.clear()
        assert ids(ec2.describe_network_interfaces(filters={"status": values}, now_ns=0)) == [eni_id]
        assert seen == [eni_id]
