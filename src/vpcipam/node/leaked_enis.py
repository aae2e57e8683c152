"""Delete leaked ENIs: an ipamd created them, and they are unattached because an attach or a delete failed halfway."""

from vpcipam.action import Action, ActionKind
from vpcipam.ec2.api import Ec2Error
from vpcipam.node.calls import Calls
from vpcipam.node.interfaces import (
    CLUSTER_TAG,
    CREATED_TAG,
    DEFAULT_NETWORK_CARD,
    INSTANCE_TAG,
    created_tag_ns,
    created_tag_text,
    is_old,
    may_be_leaked,
)
from vpcipam.node.provisioner import Provisioner


def delete_leaked_enis(provisioner: Provisioner, calls: Calls, now_ns: int) -> tuple[Action, ...]:
    """Find the leaked ENIs of the VPC and delete them (ipamd: cleanUpLeakedENIs). The next clean-up retries what EC2 refuses.

    An ENI whose time of creation is missing or unreadable gets the present time as its tag and is spared: a node may be about to attach it.
    ipamd deletes an ENI whose time is unreadable.
    """
    filters = {"tag-key": (INSTANCE_TAG,), "status": ("available",), "vpc-id": (provisioner.primary_eni.vpc_id,)}
    if provisioner.cluster_name:
        filters[f"tag:{CLUSTER_TAG}"] = (provisioner.cluster_name,)
    try:
        unattached = calls.do(lambda time_ns: provisioner.ec2.describe_network_interfaces(filters=filters, now_ns=time_ns))
    except Ec2Error as error:
        return (_action(None, error, now_ns),)
    actions: list[Action] = []
    for eni in unattached:
        if may_be_leaked(eni, provisioner.cluster_name):
            created_ns = created_tag_ns(eni)
            if created_ns is None:
                actions += _tag(provisioner, eni.eni_id, calls, now_ns)
            elif is_old(created_ns, calls.now_ns):
                actions.append(_delete(provisioner, eni.eni_id, calls, now_ns))
    return tuple(actions)


def _tag(provisioner: Provisioner, eni_id: str, calls: Calls, now_ns: int) -> list[Action]:
    try:
        provisioner.tag(eni_id, ((CREATED_TAG, created_tag_text(calls.now_ns)),), calls)
    except Ec2Error as error:
        return [_action(eni_id, error, now_ns)]
    return []


def _delete(provisioner: Provisioner, eni_id: str, calls: Calls, now_ns: int) -> Action:
    try:
        provisioner.delete_eni(eni_id, calls)
    except Ec2Error as error:
        return _action(eni_id, error, now_ns)
    return _action(eni_id, None, now_ns)


def _action(eni_id: str | None, error: Ec2Error | None, now_ns: int) -> Action:
    text = None if error is None else str(error)
    return Action(now_ns, ActionKind.DELETE_LEAKED_ENI, DEFAULT_NETWORK_CARD, eni_id, (), "it was left unattached", error=text)
