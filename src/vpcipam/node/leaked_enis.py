"""Delete leaked ENIs: an ipamd created them, and they are unattached because an attach or a delete failed halfway."""

from vpcipam.action import Action, ActionKind
from vpcipam.ec2.api import Ec2Error
from vpcipam.node.calls import Calls
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, INSTANCE_TAG, is_leaked
from vpcipam.node.provisioner import Provisioner


def delete_leaked_enis(provisioner: Provisioner, calls: Calls, now_ns: int) -> tuple[Action, ...]:
    """Find the leaked ENIs of the VPC and delete them (ipamd: cleanUpLeakedENIs). The next clean-up retries what EC2 refuses."""
    filters = {"tag-key": (INSTANCE_TAG,), "status": ("available",), "vpc-id": (provisioner.primary_eni.vpc_id,)}
    try:
        unattached = calls.do(lambda time_ns: provisioner.ec2.describe_network_interfaces(filters=filters, now_ns=time_ns))
    except Ec2Error as error:
        return (_action(None, error, now_ns),)
    leaked = [eni for eni in unattached if is_leaked(eni, calls.now_ns)]
    return tuple(_delete(provisioner, eni.eni_id, calls, now_ns) for eni in leaked)


def _delete(provisioner: Provisioner, eni_id: str, calls: Calls, now_ns: int) -> Action:
    try:
        provisioner.delete_eni(eni_id, calls)
    except Ec2Error as error:
        return _action(eni_id, error, now_ns)
    return _action(eni_id, None, now_ns)


def _action(eni_id: str | None, error: Ec2Error | None, now_ns: int) -> Action:
    text = None if error is None else str(error)
    return Action(now_ns, ActionKind.DELETE_LEAKED_ENI, DEFAULT_NETWORK_CARD, eni_id, (), "it was left unattached", error=text)
