"""A small EC2 to test on; and the tests of this folder may import the modules beside them: tests are no package."""

import contextlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.limits import InstanceLimits

sys.path.append(str(Path(__file__).parent))

NITRO = InstanceLimits(instance_type="nitro.test", eni_limit=3, ipv4_per_eni=4, ipv6_per_eni=2)
XEN = InstanceLimits(instance_type="xen.test", eni_limit=2, ipv4_per_eni=3, hypervisor="xen")
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 1))


def snapshot(ec2):
    """Everything that the model shows."""
    return (ec2.vpcs, ec2.security_groups, ec2.subnets, ec2.instances, ec2.describe_network_interfaces(now_ns=0))


@pytest.fixture(params=["lowest", "random"])
def ec2(request):
    """An empty model, with each address choice."""
    return Ec2Model(address_choice=request.param, seed=7)


@pytest.fixture
def types():
    """Small instance types."""
    return SimpleNamespace(nitro=NITRO, xen=XEN, two_cards=TWO_CARDS)


@pytest.fixture
def vpc(ec2):
    return ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56")


@pytest.fixture
def subnet_id(ec2, vpc):
    """A /24 with IPv6."""
    return ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24", ipv6_cidr="2001:db8::/64").subnet_id


@pytest.fixture
def instance_id(ec2, subnet_id):
    return ec2.launch_instance(NITRO, subnet_id, now_ns=0).instance_id


@pytest.fixture
def eni_id(ec2, subnet_id):
    """An ENI without secondary addresses, not attached."""
    return ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id


@pytest.fixture
def attached_id(ec2, instance_id, eni_id):
    """An ENI without secondary addresses, at device index 1 of an instance that takes 4 IPv4 addresses for each."""
    ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)
    return eni_id


@pytest.fixture
def free_count(ec2):
    """A function: the free addresses of a subnet, or of the only one."""

    def count(subnet_id=None):
        (found,) = (subnet.available_ip_address_count for subnet in ec2.subnets if subnet_id in (None, subnet.subnet_id))
        return found

    return count


@pytest.fixture
def refused(ec2):
    """A context manager: the call within is refused with that code, is counted, and changes nothing else."""

    @contextlib.contextmanager
    def refuse(code, match=None):
        before = snapshot(ec2)
        call_count = sum(ec2.call_counts.values())
        with pytest.raises(Ec2Error, match=match) as caught:
            yield
        assert caught.value.code == code
        assert sum(ec2.call_counts.values()) == call_count + 1
        assert ec2.call_counts[caught.value.action] >= 1
        assert snapshot(ec2) == before
        ec2._check()

    return refuse
