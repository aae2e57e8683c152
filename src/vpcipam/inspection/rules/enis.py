"""Rules about the ENIs of a node: whole answers, limits, and places. Each yields what it finds in a survey."""

from collections import Counter
from collections.abc import Iterator

from vpcipam.address import AddressMode
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.rule import INSPECTING, IPAMD, RuleEntry
from vpcipam.inspection.rules.surveyed import SurveyRule
from vpcipam.inspection.rules.texts import LOOK_AT_TYPES, card_name, some
from vpcipam.inspection.survey import NodeSurvey, slot_limit, slots_in_use
from vpcipam.node.interfaces import NO_MANAGE_TAG

_FINDING, _NOTE = Severity.FINDING, Severity.NOTE
_LIMITS = "EC2 refuses what goes beyond a limit, so ipamd asks in vain, and pods wait."
_READ_AGAIN = "Figures that depend on it can be wrong."


def check_readable(survey: NodeSurvey) -> Iterator[Finding]:
    """EC2's answers are whole. People shorten and redact those that they pass on."""
    node = survey.node
    neighbours = (eni for enis in node.enis_by_subnet.values() for eni in enis)
    read = [
        (node.instance.instance_id or "the instance", node.instance.unreadable),
        *((eni.eni_id or "an ENI", eni.unreadable) for eni in (*node.enis, *node.unattached, *neighbours)),
        *((subnet.subnet_id or "a subnet", subnet.unreadable) for subnet in node.subnets),
    ]
    suggestion = "figures that depend on it can be wrong: read the node again, and change nothing in the answers"
    for where, unreadable in dict.fromkeys(read):  # an ENI of the node is in several answers
        if unreadable:
            yield Finding("unreadable-answer", _FINDING, where, f"has no readable {some(dict.fromkeys(unreadable))}", suggestion)


def check_eni_count(survey: NodeSurvey) -> Iterator[Finding]:
    """No card has more ENIs than its type or MAX_ENI allows (docs/ipamd.md, "Limits per instance type")."""
    limits = survey.node.limits
    for card in survey.cards:
        where = card_name(card)
        if card.eni_count > card.type_limit:
            message = f"has {card.eni_count} ENIs, and {limits.instance_type} is known to take {card.type_limit} on it"
            yield Finding("too-many-enis", _FINDING, where, message, LOOK_AT_TYPES)
        elif card.managed and 0 < survey.settings.max_eni < card.eni_count:
            message = f"has {card.eni_count} ENIs, and MAX_ENI is {survey.settings.max_eni}"
            suggestion = "ipamd frees no ENI for that reason: raise MAX_ENI, or drain the node and replace it"
            yield Finding("too-many-enis", _FINDING, where, message, suggestion)


def check_slots(survey: NodeSurvey) -> Iterator[Finding]:
    """No ENI has more addresses and prefixes than its type allows (EC2: IP addresses per network interface)."""
    limits = survey.node.limits
    for each in survey.enis:
        for mode, family in ((AddressMode.SECONDARY_IP, "IPv4"), (AddressMode.IPV6, "IPv6")):
            used, most = slots_in_use(each.eni, mode), slot_limit(limits, mode)
            if used > most:
                message = f"has {used} {family} addresses and prefixes, and {limits.instance_type} is known to take {most} on an ENI"
                yield Finding("too-many-slots", _FINDING, each.eni.eni_id, message, LOOK_AT_TYPES)


def check_prefix_support(survey: NodeSurvey) -> Iterator[Finding]:
    """Only nitro and bare-metal types can have prefixes (EC2: prefix delegation)."""
    limits = survey.node.limits
    for each in survey.enis:
        prefixes = (*each.eni.ipv4_prefixes, *each.eni.ipv6_prefixes)
        if prefixes and not limits.supports_prefixes:
            message = f"has {some(prefixes)}, and {limits.instance_type} is not known to take prefixes"
            yield Finding("prefix-not-supported", _FINDING, each.eni.eni_id, message, "use a nitro or bare-metal type")


def check_places(survey: NodeSurvey) -> Iterator[Finding]:
    """ENIs are in the VPC and the zone of their instance (EC2: AttachNetworkInterface; ipamd uses subnets of that VPC only)."""
    instance = survey.node.instance
    for each in survey.enis:
        if each.eni.vpc_id and instance.vpc_id and each.eni.vpc_id != instance.vpc_id:
            message = f"is in {each.eni.vpc_id}, and the instance in {instance.vpc_id}"
            suggestion = f"tag it {NO_MANAGE_TAG}=true, so that no pod gets an address of another VPC"
            if each.managed:
                yield Finding("other-vpc", _FINDING, each.eni.eni_id, message, suggestion)
            else:
                yield Finding("other-vpc", _NOTE, each.eni.eni_id, message)
        if each.eni.availability_zone and instance.availability_zone and each.eni.availability_zone != instance.availability_zone:
            message = f"is in {each.eni.availability_zone}, and the instance in {instance.availability_zone}"
            yield Finding(
                "other-zone", _FINDING, each.eni.eni_id, message, "EC2 never attaches across zones, so check where the data comes from"
            )


def check_devices(survey: NodeSurvey) -> Iterator[Finding]:
    """A card's device indexes differ and have no gaps, since ipamd takes the lowest free one; the primary ENI is device 0 of card 0.

    Source: docs/ipamd.md, "Attaching an ENI".
    """
    if survey.primary is None:
        where, message = survey.node.instance.instance_id, "has no primary ENI, as far as EC2 shows"
        yield Finding("no-primary-eni", _FINDING, where, message, "no node starts without one; read the node again in a minute")
    for card in survey.cards:
        indexes = Counter(each.device_index for each in survey.enis if each.network_card == card.network_card)
        twice = sorted(index for index, count in indexes.items() if count > 1)
        if twice:
            message = f"has several ENIs at device index {some(map(str, twice))}"
            suggestion = "the pods of one ENI have no routes; read the node again, since an ENI may have been replaced during the read"
            yield Finding("duplicate-device-index", _FINDING, card_name(card), message, suggestion)
        gaps = sorted({*range(max(indexes, default=0))} - indexes.keys() - ({0} if card.network_card == 0 else set()))
        if gaps:
            message = f"has no ENI at device index {some(map(str, gaps))}"
            yield Finding("device-index-gap", _NOTE, card_name(card), message, "ipamd fills the lowest gap first")


RULES = (
    SurveyRule(
        check_readable,
        (
            RuleEntry(
                "unreadable-answer",
                "a member of EC2's answer is missing or of the wrong type, for example because a person has shortened or redacted it",
                _READ_AGAIN,
                f"{INSPECTING}#what-it-cant-know",
            ),
        ),
    ),
    SurveyRule(
        check_devices,
        (
            RuleEntry(
                "no-primary-eni",
                "no ENI at device 0 of network card 0",
                "No node starts without its primary ENI.",
                f"{IPAMD}#attaching-an-eni",
            ),
            RuleEntry(
                "duplicate-device-index",
                "two ENIs at one device index",
                "The device index decides the route table, so the pods of one of the ENIs have no routes.",
                f"{IPAMD}#attaching-an-eni",
            ),
            RuleEntry(
                "device-index-gap",
                "a device index without an ENI below one that has an ENI",
                "ipamd fills the lowest gap first.",
                f"{IPAMD}#attaching-an-eni",
                Severity.NOTE,
            ),
        ),
    ),
    SurveyRule(
        check_places,
        (
            RuleEntry(
                "other-vpc",
                "an ENI in another VPC than the instance; a note if ipamd doesn't manage the ENI",
                "Pods with addresses of another VPC can't reach this one.",
                f"{IPAMD}#subnet-discovery",
            ),
            RuleEntry(
                "other-zone",
                "an ENI in another zone than the instance",
                "EC2 never attaches across zones, so the data is not that of one node.",
                f"{INSPECTING}#what-it-cant-know",
            ),
        ),
    ),
    SurveyRule(
        check_eni_count,
        (
            RuleEntry(
                "too-many-enis",
                "more ENIs on a card than the type takes, or than MAX_ENI allows",
                _LIMITS,
                f"{IPAMD}#limits-per-instance-type",
            ),
        ),
    ),
    SurveyRule(
        check_slots,
        (
            RuleEntry(
                "too-many-slots", "more addresses and prefixes on an ENI than the type takes", _LIMITS, f"{IPAMD}#limits-per-instance-type"
            ),
        ),
    ),
    SurveyRule(
        check_prefix_support,
        (
            RuleEntry(
                "prefix-not-supported",
                "a prefix on a type that takes none",
                "ipamd doesn't use it, and the addresses are missing from the subnet.",
                f"{IPAMD}#modes",
            ),
        ),
    ),
)
