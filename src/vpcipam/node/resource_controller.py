"""What the VPC resource controller does for a node: it attaches the trunk ENI that ipamd asks for, and makes branch ENIs for pods.

The controller is a program of the cluster's control plane, amazon-vpc-resource-controller-k8s (docs/ipamd.md, "Trunk and branch ENIs").
"""

import contextlib

from vpcipam.ec2.api import Ec2Api, Ec2Error, NetworkInterface
from vpcipam.ec2.model import Ec2Model
from vpcipam.node.calls import Calls
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, card_index, place_of
from vpcipam.node.node import Node

_TRUNK_DESCRIPTION = "aws-k8s-trunk-eni"
_BRANCH_DESCRIPTION = "aws-k8s-branch-eni"


def attach_trunk(ec2: Ec2Api, node: Node, calls: Calls) -> NetworkInterface | None:
    """Create a trunk ENI and attach it to a started node at the highest free device index, out of ipamd's way.

    Returns:
        The trunk, as it was created; None if no device index is free.

    Raises:
        Ec2Error: EC2 refused a call. If the trunk was created, it is deleted again.
    """
    instance_id = str(node.instance_id)
    instance = calls.do(lambda now_ns: ec2.describe_instance(instance_id, now_ns=now_ns))
    taken = {place_of(eni)[1] for eni in instance.network_interfaces if card_index(eni) == DEFAULT_NETWORK_CARD}
    device_index = next((index for index in reversed(range(node.limits.eni_limit)) if index not in taken), None)
    if device_index is None:
        return None
    trunk = calls.do(
        lambda now_ns: ec2.create_network_interface(
            subnet_id=node.pod_subnet_id, interface_type="trunk", description=_TRUNK_DESCRIPTION, now_ns=now_ns
        )
    )
    attachment_id: str | None = None
    try:
        attachment_id = calls.do(
            lambda now_ns: ec2.attach_network_interface(trunk.eni_id, instance_id, device_index=device_index, now_ns=now_ns)
        )
        _delete_on_termination(ec2, trunk.eni_id, attachment_id, calls)
    except Ec2Error:
        with contextlib.suppress(Ec2Error):  # the first error matters more
            _delete(ec2, trunk.eni_id, attachment_id, calls)
        raise
    return trunk


def _delete_on_termination(ec2: Ec2Api, eni_id: str, attachment_id: str, calls: Calls) -> None:
    calls.do(
        lambda now_ns: ec2.modify_network_interface_attribute(
            eni_id, attachment_id=attachment_id, delete_on_termination=True, now_ns=now_ns
        )
    )


def _delete(ec2: Ec2Api, eni_id: str, attachment_id: str | None, calls: Calls) -> None:
    if attachment_id is not None:
        calls.do(lambda now_ns: ec2.detach_network_interface(attachment_id, now_ns=now_ns))
    calls.do(lambda now_ns: ec2.delete_network_interface(eni_id, now_ns=now_ns))


def add_branch(ec2: Ec2Model, trunk: NetworkInterface, vlan_id: int, now_ns: int) -> NetworkInterface:
    """Create the branch ENI of one pod, in the trunk's subnet, and associate it with the trunk.

    Raises:
        Ec2Error: the subnet has no address left, or the trunk has a branch with this VLAN id.
    """
    branch = ec2.create_network_interface(subnet_id=trunk.subnet_id, description=_BRANCH_DESCRIPTION, now_ns=now_ns)
    ec2.associate_trunk_interface(branch.eni_id, trunk.eni_id, vlan_id=vlan_id, now_ns=now_ns)
    return branch
