"""Rules about ipamd's own books: more than the instance type takes."""

from collections import Counter
from collections.abc import Iterator

from vpcipam._units import counted
from vpcipam.address import Cidr
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.rule import INSTANCE, IPAMD, IPAMD_ENIS, Rule, RuleEntry
from vpcipam.inspection.rules.texts import LOOK_AT_TYPES
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD

_PAGE = f"{IPAMD}#limits-per-instance-type"
_RESTART = "ipamd counts something that EC2 does not have: compare with `aws ec2 describe-network-interfaces`, then restart aws-node"
_TWO_BOOKS = "Pods can get addresses that the node does not have."


def check_datastore(node: NodeCase) -> Iterator[Finding]:
    """Ipamd's datastore has no more ENIs and slots than the type takes (docs/ipamd.md, "Limits per instance type").

    EC2 attaches and assigns no more, at any instant. MAX_ENI is left out: someone may have lowered it while more ENIs were attached.
    """
    if node.limits is None:
        return
    limits = node.limits
    suggestion = f"{_RESTART}; {LOOK_AT_TYPES}"
    cards = Counter(fact.value.network_card or DEFAULT_NETWORK_CARD for fact in node.enis)
    most_by_card = dict(enumerate(limits.network_cards))
    for card, count in sorted(cards.items()):
        most = most_by_card.get(card, 0)
        if count > most:
            message = f"has {counted(count, 'ENI')} in ipamd's datastore, and a {limits.instance_type} takes {most}"
            sources = tuple({fact.source.file: fact.source for fact in node.enis}.values())
            yield Finding("datastore-too-many-enis", Severity.FINDING, f"card {card}", message, suggestion, node.name, sources)
    for fact in node.enis:
        slots = sum(Cidr.parse(each.cidr).version == 4 for each in fact.value.cidrs)
        if slots > limits.slots_per_eni:
            message = f"has {counted(slots, 'address or prefix', 'addresses and prefixes')} in ipamd's datastore, and an ENI of a "
            message += f"{limits.instance_type} takes {limits.slots_per_eni}"
            yield Finding("datastore-too-many-slots", Severity.FINDING, fact.value.eni_id, message, suggestion, node.name, (fact.source,))


RULES = (
    Rule(
        check_datastore,
        (
            RuleEntry("datastore-too-many-enis", "ipamd's datastore has more ENIs on a card than the type takes", _TWO_BOOKS, _PAGE),
            RuleEntry(
                "datastore-too-many-slots",
                "ipamd's datastore has more addresses and prefixes on an ENI than the type takes",
                _TWO_BOOKS,
                _PAGE,
            ),
        ),
        (IPAMD_ENIS, INSTANCE),
    ),
)
