"""Delete the ENIs that some node made and nobody uses: its create went through and its attach did not, or its detach and not its delete."""

from vpcipam.action import Action, ActionKind
from vpcipam.ec2.api import Ec2Error
from vpcipam.node.calls import Calls
from vpcipam.node.card import DEFAULT_NETWORK_CARD
from vpcipam.node.provisioner import Provisioner

_REASON = "it was left unattached"


def sweep_leaked_enis(provisioner: Provisioner, calls: Calls, now_ns: int) -> tuple[Action, ...]:
    """Find and delete them (ipamd: cleanUpLeakedENIs). A refusal is told, and left to the next sweep."""
    try:
        leaked = provisioner.leaked_enis(calls)
    except Ec2Error as error:
        return (_action(None, error, now_ns),)
    return tuple(_delete(provisioner, eni.eni_id, calls, now_ns) for eni in leaked)


def _delete(provisioner: Provisioner, eni_id: str, calls: Calls, now_ns: int) -> Action:
    try:
        provisioner.delete_eni(eni_id, calls)
    except Ec2Error as error:
        return _action(eni_id, error, now_ns)
    return _action(eni_id, None, now_ns)


def _action(eni_id: str | None, error: Ec2Error | None, now_ns: int) -> Action:
    text = None if error is None else str(error)
    return Action(now_ns, ActionKind.DELETE_LEAKED_ENI, DEFAULT_NETWORK_CARD, eni_id, (), _REASON, error=text)
