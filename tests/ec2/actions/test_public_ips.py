"""Public addresses that EC2 gives at a launch; `test_life_agreement` has when they come and go."""

import pytest

from vpcipam.address import Cidr
from vpcipam.ec2.errors import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.views import network_interface_view
from vpcipam.ec2.state import account
from vpcipam.ec2.state.launching import LaunchInterface


def launch(ec2, subnet_id, *interfaces, **more):
    wanted = interfaces or (LaunchInterface(),)
    first = LaunchInterface(subnet_id=subnet_id, associate_public_ip=wanted[0].associate_public_ip)
    return ec2.launch_instances("c5n.18xlarge", (first, *wanted[1:]), now_ns=0, **more)


def public_ips(instance):
    return [each.public_ip for eni in instance.network_interfaces for each in eni.elastic_ips]


@pytest.mark.parametrize("of_subnet", [False, True])
@pytest.mark.parametrize("asked", [None, False, True])
def test_the_request_counts_more_than_the_subnet(ec2, subnet_id, of_subnet, asked):
    ec2.modify_subnet_attribute(subnet_id, map_public_ip_on_launch=of_subnet)
    gets = of_subnet if asked is None else asked
    launched = launch(ec2, subnet_id, LaunchInterface(associate_public_ip=asked), max_count=2)
    assert [public_ips(each) for each in launched] == ([["198.18.0.1"], ["198.18.0.2"]] if gets else [[], []])
    assert ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).elastic_ips == ()
    ec2._check()


def test_an_instance_with_two_enis_gets_none(ec2, subnet_id):
    second = LaunchInterface(device_index=1)
    with pytest.raises(Ec2Error, match="InvalidParameterCombination: The associatePublicIPAddress parameter cannot be specified when"):
        launch(ec2, subnet_id, LaunchInterface(associate_public_ip=True), second)
    assert ec2.instances == ()
    ec2.modify_subnet_attribute(subnet_id, map_public_ip_on_launch=True)
    (instance,) = launch(ec2, subnet_id, LaunchInterface(), second)
    assert public_ips(instance) == []
    with pytest.raises(Ec2Error, match="InvalidParameterCombination: An EFA-only"):
        ec2.launch_instances(
            "c5n.18xlarge", [LaunchInterface(subnet_id=subnet_id, interface_type="efa-only", associate_public_ip=True)], now_ns=0
        )


def test_an_elastic_ip_replaces_the_address_and_leaves_another_one(ec2, subnet_id):
    (instance,) = launch(ec2, subnet_id, LaunchInterface(associate_public_ip=True))
    allocation_id = ec2.allocate_address().allocation_id
    association_id = ec2.associate_address(allocation_id, instance_id=instance.instance_id, now_ns=0)
    assert public_ips(ec2.instances[0]) == ["198.18.0.2"]
    ec2.disassociate_address(association_id, now_ns=0)
    assert public_ips(ec2.instances[0]) == ["198.18.0.3"]
    ec2._check()


def test_no_address_is_left_for_an_instance_that_starts(ec2, subnet_id, monkeypatch):
    monkeypatch.setattr(account, "PUBLIC_RANGE", Cidr.parse("198.18.0.0/32"))
    (instance,) = launch(ec2, subnet_id, LaunchInterface(associate_public_ip=True))
    assert public_ips(instance) == ["198.18.0.0"]
    with pytest.raises(Ec2Error, match="InsufficientAddressCapacity"):
        ec2.allocate_address()
    ec2.stop_instances([instance.instance_id], now_ns=0)
    assert ec2.allocate_address().public_ip == "198.18.0.0"
    ec2.start_instances([instance.instance_id], now_ns=0)
    assert public_ips(ec2.instances[0]) == []
    ec2._check()


def test_the_address_is_amazons_and_has_no_ids(ec2, subnet_id):
    (instance,) = launch(ec2, subnet_id, LaunchInterface(associate_public_ip=True))
    shown = network_interface_view(instance.network_interfaces[0], Region("us-east-1"))["Association"]
    assert {name: value for name, value in shown.items() if value} == {
        "IpOwnerId": "amazon",
        "PublicDnsName": "ec2-198-18-0-1.compute-1.amazonaws.com",
        "PublicIp": "198.18.0.1",
    }
    for name, value, found in (
        ("owner-id", "amazon", 1),
        ("owner-id", "123456789012", 0),
        ("association-id", "*", 0),
        ("public-ip", "198.*", 1),
    ):
        filters = {f"association.{name}".replace("owner", "ip-owner"): (value,)}
        assert len(ec2.describe_network_interfaces(filters=filters, now_ns=0)) == found, filters


def test_a_world_keeps_the_addresses():
    ec2 = Ec2Model()
    subnet_id = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24").subnet_id
    launched = launch(ec2, subnet_id, LaunchInterface(associate_public_ip=True), max_count=2)
    ec2.stop_instances([launched[0].instance_id], now_ns=0)
    world = ec2.to_world()
    again = Ec2Model.from_world(world)
    again._check()
    assert again.to_world() == world
    assert again.instances == ec2.instances
    again.start_instances([launched[0].instance_id], now_ns=0)
    assert [public_ips(each) for each in again.instances] == [["198.18.0.3"], ["198.18.0.2"]]
