"""How an IPv6 node starts: one /80 on each managed ENI that is no trunk (docs/ipamd.md, "IPv6"). Its pools never change afterwards."""

from collections.abc import Iterable, Sequence

from vpcipam.action import Action
from vpcipam.ec2.api import NetworkInterface
from vpcipam.errors import NodeError
from vpcipam.node.calls import Calls
from vpcipam.node.card import Card
from vpcipam.node.membership import Membership

_EXCLUDED = "IPv6: the subnets of all ENIs on the card are excluded"
_EMPTY_CARD = "IPv6: the network card has no ENI"


def drop_excluded_enis(
    managed: dict[str, NetworkInterface], card: Card, membership: Membership, calls: Calls
) -> dict[str, NetworkInterface]:
    """Leave out the ENIs in excluded subnets: an IPv6 node doesn't manage them (ipamd: nodeInit).

    Raises:
        Ec2Error: EC2 refused to describe the subnets.
    """
    if not card.provisioner.discovers_subnets:
        return managed
    kept = {}
    for eni_id, eni in managed.items():
        card.read_excluded_subnets(calls)  # ipamd asks for each ENI
        if eni.subnet_id in card.excluded_subnets:
            membership.set_aside(eni)
        else:
            kept[eni_id] = eni
    return kept


def give_prefixes(cards: Sequence[Card], name: str, calls: Calls) -> list[Action]:
    """Get a /80 for each ENI that is no trunk. If the default card has no ENI, because all are excluded, create one in another subnet.

    Raises:
        NodeError: the default card got no /80. No tick adds one later, and pods have no other addresses.
    """
    default = cards[0]
    actions: list[Action] = []
    created = set()
    if not default.datastore.eni_ids:
        actions += default.record(default.create_eni(1, _EXCLUDED, calls))
        if not actions[-1].done:
            raise NodeError(
                f"node {name} got no ENI for its IPv6 pods, and a tag excludes the subnet of its primary ENI: {actions[-1].error}; "
                "tag another subnet of the zone with kubernetes.io/role/cni=1, or remove the tag, and start it again"
            )
        created.add(actions[-1].eni_id)
    for card in cards:
        for eni in card.datastore.eni_stats(calls.now_ns):
            if not eni.trunk and eni.eni_id not in created:
                actions += card.give_ipv6_prefix(eni.eni_id, calls)
    if not any(eni.slot_count for eni in default.datastore.eni_stats(calls.now_ns)):
        refusals = "; ".join(action.error for action in actions if action.error)
        raise NodeError(f"node {name} got no /80, and IPv6 pods have no other addresses: {refusals}; start it again")
    return actions


def add_enis_to_empty_cards(cards: Iterable[Card], calls: Calls) -> list[Action]:
    """Create an ENI with a /80 on each card without ENIs (ipamd: createSecondaryIPv6ENIs)."""
    outcomes = [(card, card.create_eni(1, _EMPTY_CARD, calls)) for card in cards if not card.datastore.eni_ids]
    return [action for card, outcome in outcomes for action in card.record(outcome)]
