"""What the VPC resource controller does for a node: the trunk and its branches."""

import pytest

from vpcipam._chance import Scatter
from vpcipam.ec2.api import Ec2Error
from vpcipam.node.calls import Calls
from vpcipam.node.resource_controller import add_branch, attach_trunk

POD_ENI = {"ENABLE_POD_ENI": "true"}


def attach(here):
    return attach_trunk(here.ec2, here.node, Calls(here.ec2, here.now_ns, Scatter(0)))


def test_the_trunk_gets_the_highest_free_device_index_and_goes_with_its_instance(world):
    here = world("m5.large", POD_ENI)
    trunk = attach(here)
    shown = here.attached()[trunk.eni_id]
    assert (shown.interface_type, shown.attachment.device_index, shown.attachment.delete_on_termination) == ("trunk", 2, True)
    assert here.ec2.log == ["DescribeInstances", "CreateNetworkInterface", "AttachNetworkInterface", "ModifyNetworkInterfaceAttribute"]
    here.tick(5)
    assert here.shape() == {0: 9, 2: 0}


def test_without_a_free_device_index_there_is_no_trunk(world):
    here = world("t3.small", {"WARM_ENI_TARGET": "3"})
    here.settle()
    here.ec2.log.clear()
    assert attach(here) is None
    assert here.ec2.log == ["DescribeInstances"]


@pytest.mark.parametrize(
    ("action", "calls"),
    [
        ("CreateNetworkInterface", []),
        ("AttachNetworkInterface", ["DeleteNetworkInterface"]),
        ("ModifyNetworkInterfaceAttribute", ["DetachNetworkInterface", "DeleteNetworkInterface"]),
    ],
)
def test_a_refused_trunk_leaves_nothing_behind(world, action, calls):
    here = world("m5.large", POD_ENI)
    free = here.free()
    here.ec2.refuse(action)
    with pytest.raises(Ec2Error, match="refused by the test"):
        attach(here)
    assert here.ec2.log[here.ec2.log.index(action) + 1 :] == calls
    assert here.free() == free
    assert attach(here) is not None


def test_the_first_refusal_is_reported(world):
    here = world("m5.large", POD_ENI)
    here.ec2.refuse("AttachNetworkInterface", message="the first")
    here.ec2.refuse("DeleteNetworkInterface", message="the second")
    with pytest.raises(Ec2Error, match="the first"):
        attach(here)


def test_a_branch_takes_one_address_of_the_trunks_subnet(world):
    here = world("m5.large", POD_ENI)
    trunk = attach(here)
    free = here.free()
    branch = add_branch(here.model, trunk, 1, here.now_ns)
    assert here.free() == free - 1
    (association,) = here.model.describe_trunk_interface_associations(now_ns=here.now_ns)
    assert (association.branch_eni_id, association.trunk_eni_id, association.vlan_id) == (branch.eni_id, trunk.eni_id, 1)
    here.tick(5)
    assert here.shape() == {0: 9, 2: 0}  # a branch is no ENI of the instance
    with pytest.raises(Ec2Error, match="VLAN"):
        add_branch(here.model, trunk, 1, here.now_ns)
