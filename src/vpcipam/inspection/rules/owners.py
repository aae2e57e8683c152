"""Rules about who made the ENIs of a node, and what they are for. Each yields what it finds in a survey."""

from collections.abc import Iterator

from vpcipam._units import counted
from vpcipam.address import AddressMode
from vpcipam.ec2.api import NetworkInterface
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.rule import IPAMD, SETTINGS, RuleEntry
from vpcipam.inspection.rules.surveyed import SurveyRule
from vpcipam.inspection.rules.texts import age
from vpcipam.inspection.survey import NodeSurvey
from vpcipam.node.interfaces import (
    CLUSTER_TAG,
    CREATED_TAG,
    DEFAULT_NETWORK_CARD,
    DESCRIPTION_PREFIX,
    INSTANCE_TAG,
    LEAKED_ENI_AGE_NS,
    NO_MANAGE_TAG,
    created_tag_ns,
)
from vpcipam.settings import Settings

_FINDING, _NOTE = Severity.FINDING, Severity.NOTE
_LOST = "Addresses that nobody uses are missing from the subnet, until it has none left for nodes and pods."
_ROOM = "It takes room that pods don't get."


def check_termination(survey: NodeSurvey) -> Iterator[Finding]:
    """ENIs that ipamd created have DeleteOnTermination, which ipamd sets after the attach (docs/ipamd.md, "Attaching an ENI")."""
    instance_id = survey.node.instance.instance_id
    for each in survey.enis:
        attachment = each.eni.attachment
        made_here = each.eni.tag(INSTANCE_TAG) == instance_id and not each.primary
        if made_here and attachment is not None and not attachment.delete_on_termination:
            message = "was created by ipamd and stays when the instance is terminated, with its addresses"
            suggestion = f"aws ec2 modify-network-interface-attribute --network-interface-id {each.eni.eni_id} --attachment "
            suggestion += f"AttachmentId={attachment.attachment_id},DeleteOnTermination=true"
            yield Finding("stays-after-termination", _FINDING, each.eni.eni_id, message, suggestion)


def check_unmanaged(survey: NodeSurvey) -> Iterator[Finding]:
    """Unmanaged ENIs take room on their card (docs/ipamd.md, "Variables": MANAGE_UNTAGGED_ENI)."""
    cards = {card.network_card: card for card in survey.cards}
    for each in survey.enis:
        card = cards[each.network_card]
        if each.managed or not card.managed:
            continue
        why = _why_unmanaged(each.eni)
        room = 0 if survey.mode is AddressMode.IPV6 else survey.node.limits.slots_per_eni * survey.mode.addresses_per_slot
        costs = f"one ENI of {card.eni_limit}" + (f", so the node can have {room} fewer pod addresses" if room else "")
        yield Finding("unmanaged-eni", _NOTE, each.eni.eni_id, f"is not managed by ipamd, as {why}; it takes {costs}")


def _why_unmanaged(eni: NetworkInterface) -> str:
    tag = eni.tag(NO_MANAGE_TAG)
    if tag is not None:
        return f"it is tagged {NO_MANAGE_TAG}={tag}"
    return "it has no tag of ipamd's, and MANAGE_UNTAGGED_ENI is off" if eni.private_ip else "it has no IPv4 address"


def check_trunk_and_efa(survey: NodeSurvey) -> Iterator[Finding]:
    """Trunk and EFA ENIs take room: a trunk gives pods no addresses, and ipamd frees neither (docs/ipamd.md, "Trunk and branch ENIs")."""
    for each in survey.enis:
        if each.eni.interface_type == "trunk":
            off = "" if survey.settings.enable_pod_eni else ", though ENABLE_POD_ENI is off"
            message = f"is the trunk of security groups for pods{off}: it takes one ENI, and its slots are not filled"
            yield Finding("trunk-eni", _NOTE, each.eni.eni_id, message)
        elif each.eni.interface_type.startswith("efa"):
            yield Finding("efa-eni", _NOTE, each.eni.eni_id, "is an EFA interface, which ipamd never frees")
    if survey.settings.enable_pod_eni and not any(each.eni.interface_type == "trunk" for each in survey.enis):
        yield _missing_trunk(survey)


def _missing_trunk(survey: NodeSurvey) -> Finding:
    """Say why a node with security groups for pods has no trunk, and what that means."""
    where, limits = survey.node.instance.instance_id, survey.node.limits
    card = survey.cards[DEFAULT_NETWORK_CARD]
    most = card.type_limit if survey.mode is AddressMode.IPV6 else card.eni_limit
    own = None if survey.primary is None else survey.subnet(survey.primary.eni.subnet_id)
    unable = "so pods with security groups can't run here"
    if not limits.trunk_compatible:
        message = f"is a {limits.instance_type}, which takes no trunk ENI: ENABLE_POD_ENI keeps nothing back, {unable}"
        return Finding("no-trunk", _NOTE, where, message, "run these pods on a type with branch ENIs (`vpcipam limits` shows them)")
    if card.eni_count >= most:
        message = f"has no trunk ENI and no room for one: it has {card.eni_count} of at most {counted(most, 'ENI')}, {unable}"
        return Finding("no-trunk", _NOTE, where, message, "a larger type or a higher MAX_ENI gives room")
    if own is not None and not own.free_count and not survey.settings.custom_network_cfg:
        message = f"has no trunk ENI, and {own.subnet.subnet_id} has no free address for one, {unable}"
        return Finding("no-trunk", _FINDING, where, message, "free an address")
    message = "has no trunk ENI yet, so ENABLE_POD_ENI keeps the room for one, which will take an address of the subnet too"
    return Finding("trunk-expected", _NOTE, where, message, "if none appears, check that the VPC resource controller runs")


def check_leaked(survey: NodeSurvey) -> Iterator[Finding]:
    """ENIs that an ipamd created are attached to an instance (docs/ipamd.md, "Leaked ENIs")."""
    node = survey.node
    for eni in node.unattached:
        whose = "this instance" if eni.tag(INSTANCE_TAG) == node.instance.instance_id else eni.tag(INSTANCE_TAG) or "some instance"
        yield leaked(eni, whose, survey.settings, node.read_ns, at_least="at least " if node.from_files else "")


def leaked(eni: NetworkInterface, whose: str, settings: Settings, now_ns: int, *, at_least: str = "") -> Finding:
    """Report an unattached ENI that an ipamd created.

    Args:
        eni: the ENI.
        whose: the instance that it was created for.
        settings: those of the nodes of this cluster.
        now_ns: when it was read.
        at_least: `at least ` if it was read then or later.
    """
    count = 1 + len(eni.secondary_ips) + len(eni.ipv4_prefixes) * AddressMode.PREFIX.addresses_per_slot
    holds = f"was created for {whose}, is attached to nothing, and holds {counted(count, 'address', 'addresses')}"
    made_ns = created_tag_ns(eni)
    delete = f"aws ec2 delete-network-interface --network-interface-id {eni.eni_id}"
    if made_ns is None:
        message = f"{holds}; no {CREATED_TAG} tag tells its age"
        return Finding("leaked-eni", _FINDING, eni.eni_id, message, f"if it stays: {delete}")
    age_ns = now_ns - made_ns
    message = f"{holds}; it is {at_least}{age(age_ns)} old"
    if age_ns < LEAKED_ENI_AGE_NS:
        return Finding("young-eni", _NOTE, eni.eni_id, f"{message} and may be about to be attached")
    return Finding("leaked-eni", _FINDING, eni.eni_id, message, f"{_who_deletes(eni, settings)}: {delete}")


def _who_deletes(eni: NetworkInterface, settings: Settings) -> str:
    """Say which nodes delete a leaked ENI, and when a person should."""
    own, cluster = settings.cluster_name, eni.tag(CLUSTER_TAG)
    if own and cluster not in (None, own):
        return f"it is not of cluster {own}, so only nodes of cluster {cluster} delete it; if it stays and you run that cluster"
    if not settings.leaked_eni_cleanup_enabled or not eni.description.startswith(DESCRIPTION_PREFIX):
        return "no node will delete it"
    if own and cluster is None:
        return f"no node of cluster {own} deletes an ENI without the tag {CLUSTER_TAG}; if no other cluster uses the VPC"
    return f"any node of the {'cluster' if own else 'VPC'} deletes it within the hour; if it stays"


RULES = (
    SurveyRule(
        check_termination,
        (
            RuleEntry(
                "stays-after-termination", "an ENI of ipamd's that is not deleted with its instance", _LOST, f"{IPAMD}#attaching-an-eni"
            ),
        ),
    ),
    SurveyRule(
        check_leaked,
        (
            RuleEntry(
                "leaked-eni",
                "an ENI that an ipamd created, that is attached to nothing, and that is at least five minutes old, or of unknown age",
                _LOST,
                f"{IPAMD}#leaked-enis",
            ),
            RuleEntry(
                "young-eni",
                "the same, younger than five minutes as far as is known",
                "A node may be about to attach it.",
                f"{IPAMD}#leaked-enis",
                Severity.NOTE,
            ),
        ),
    ),
    SurveyRule(
        check_unmanaged,
        (RuleEntry("unmanaged-eni", "an attached ENI that ipamd doesn't manage", _ROOM, f"{IPAMD}#variables", Severity.NOTE),),
        (SETTINGS,),
    ),
    SurveyRule(
        check_trunk_and_efa,
        (
            RuleEntry("trunk-eni", "the trunk ENI of security groups for pods", _ROOM, f"{IPAMD}#trunk-and-branch-enis", Severity.NOTE),
            RuleEntry("efa-eni", "an EFA ENI", _ROOM, f"{IPAMD}#trunk-and-branch-enis", Severity.NOTE),
            RuleEntry(
                "no-trunk",
                "`ENABLE_POD_ENI` is on, but there can be no trunk ENI; a finding if the subnet is full, else a note",
                "Pods with security groups can't run on the node.",
                f"{IPAMD}#trunk-and-branch-enis",
            ),
            RuleEntry(
                "trunk-expected",
                "`ENABLE_POD_ENI` keeps room for a trunk ENI that isn't there yet",
                _ROOM,
                f"{IPAMD}#trunk-and-branch-enis",
                Severity.NOTE,
            ),
        ),
        (SETTINGS,),
    ),
)
