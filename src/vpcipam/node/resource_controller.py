"""What the VPC resource controller does for a node: it attaches the trunk ENI that ipamd asks for, and makes branch ENIs for pods.

The controller is a program of the cluster's control plane, amazon-vpc-resource-controller-k8s (docs/ipamd.md, "Trunk and branch ENIs").
"""

import contextlib

from vpcipam.ec2.api import Ec2Api, Ec2Error, NetworkInterface
from vpcipam.ec2.model import Ec2Model
from vpcipam.limits import InstanceLimits
from vpcipam.node.calls import Calls
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, card_index, place_of

_TRUNK_DESCRIPTION = "aws-k8s-trunk-eni"
_BRANCH_DESCRIPTION = "aws-k8s-branch-eni"


def attach_trunk(ec2: Ec2Api, limits: InstanceLimits, instance_id: str, subnet_id: str, calls: Calls) -> NetworkInterface | None:
    """Create a trunk ENI and attach it to an instance at the highest free device index, out of ipamd's way.

    Args:
        ec2: EC2, or a model of it.
        limits: the limits of the instance's type.
        instance_id: the instance.
        subnet_id: the subnet of the trunk: that of the ENIConfig under custom networking, else the node's own.
        calls: makes the calls.

    Returns:
        The trunk, as it was created; None if no device index is free.

    Raises:
        Ec2Error: EC2 refused a call. If the trunk was created, it is deleted again.
    """
    instance = calls.do(lambda now_ns: ec2.describe_instance(instance_id, now_ns=now_ns))
    taken = {place_of(eni)[1] for eni in instance.network_interfaces if card_index(eni) == DEFAULT_NETWORK_CARD}
    device_index = next((index for index in reversed(range(limits.eni_limit)) if index not in taken), None)
    if device_index is None:
        return None
    trunk = calls.do(
        lambda now_ns: ec2.create_network_interface(
            subnet_id=subnet_id, interface_type="trunk", description=_TRUNK_DESCRIPTION, now_ns=now_ns
        )
    )
    try:
        attachment_id = calls.do(
            lambda now_ns: ec2.attach_network_interface(trunk.eni_id, instance_id, device_index=device_index, now_ns=now_ns)
        )
    except Ec2Error:
        with contextlib.suppress(Ec2Error):  # the first error matters more
            calls.do(lambda now_ns: ec2.delete_network_interface(trunk.eni_id, now_ns=now_ns))
        raise
    calls.do(
        lambda now_ns: ec2.modify_network_interface_attribute(
            trunk.eni_id, attachment_id=attachment_id, delete_on_termination=True, now_ns=now_ns
        )
    )
    return trunk


def add_branch(ec2: Ec2Model, trunk: NetworkInterface, vlan_id: int, now_ns: int) -> NetworkInterface:
    """Create the branch ENI of one pod, in the trunk's subnet, and associate it with the trunk.

    Raises:
        Ec2Error: the subnet has no address left, or the trunk has a branch with this VLAN id.
    """
    branch = ec2.create_network_interface(subnet_id=trunk.subnet_id, description=_BRANCH_DESCRIPTION, now_ns=now_ns)
    ec2.associate_trunk_interface(branch.eni_id, trunk.eni_id, vlan_id=vlan_id, now_ns=now_ns)
    return branch
