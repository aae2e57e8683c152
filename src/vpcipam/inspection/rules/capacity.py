"""Rules about the instance and the room in its subnets. Each yields what it finds in a survey."""

from collections.abc import Iterator

from vpcipam._units import counted
from vpcipam.address import AddressMode
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.advice import OTHER_SUBNET
from vpcipam.inspection.rules.rule import INSPECTING, IPAMD, SETTINGS, SUBNETS, WHOLE_SUBNETS, RuleEntry
from vpcipam.inspection.rules.surveyed import SurveyRule
from vpcipam.inspection.subnet_survey import SubnetSurvey
from vpcipam.inspection.survey import CardSurvey, NodeSurvey
from vpcipam.node.interfaces import CLUSTER_TAG_PREFIX, SUBNET_EXCLUDED, SUBNET_ROLE_TAG

_FINDING, _NOTE = Severity.FINDING, Severity.NOTE
_ROOM = "It takes room that pods don't get."


def check_instance(survey: NodeSurvey) -> Iterator[Finding]:
    """The instance is running (EC2: instance states)."""
    instance = survey.node.instance
    if instance.state != "running":
        message = f"is {instance.state}: what is shown may change soon"
        yield Finding("not-running", _NOTE, instance.instance_id, message)


def check_capacity(survey: NodeSurvey) -> Iterator[Finding]:
    """The node can have pod addresses despite custom networking, trunks and excluded subnets (docs/ipamd.md, "Max pods")."""
    if survey.address_limit == 0 and survey.mode is not AddressMode.IPV6:
        message = "can't have any address for pods: neither its ENIs nor those that it can add give any"
        if any(card.trunk_expected for card in survey.cards) or any(each.kind == "trunk" for each in survey.enis):
            message += "; one ENI is the trunk's (ENABLE_POD_ENI)"
        suggestion = "see the notes on its ENIs and subnets; a larger type or a higher MAX_ENI gives room for more ENIs"
        yield Finding("no-pod-addresses", _FINDING, survey.node.instance.instance_id, message, suggestion)


def check_excluded(survey: NodeSurvey) -> Iterator[Finding]:
    """An excluded subnet gives pods no new addresses; without a valid one there is no new ENI (docs/ipamd.md, "Subnet discovery")."""
    for subnet in survey.subnets:
        if subnet.excluded:
            message = f"{_why_excluded(subnet)}: the ENIs of this node in it ({subnet.node_eni_count}) give pods no new addresses"
            yield Finding("excluded-subnet", _NOTE, subnet.subnet.subnet_id, message)
    if survey.lacks_eni_subnet and survey.primary is not None:
        zone = survey.node.instance.availability_zone
        message = f"gets no new ENI: the tags of the subnets of its VPC in {zone} allow none"
        switch = "" if survey.settings.enable_subnet_discovery else "set ENABLE_SUBNET_DISCOVERY to true and "
        suggestion = f"{switch}tag another subnet of {zone} {SUBNET_ROLE_TAG}=1, or remove the tag of {survey.primary.eni.subnet_id}"
        yield Finding("no-pod-subnet", _FINDING, survey.node.instance.instance_id, message, suggestion)


def _why_excluded(subnet: SubnetSurvey) -> str:
    if subnet.subnet.tag(SUBNET_ROLE_TAG) == SUBNET_EXCLUDED:
        return f"is tagged {SUBNET_ROLE_TAG}={SUBNET_EXCLUDED}"
    return f"has tags {CLUSTER_TAG_PREFIX}…, none of them for this cluster"


def check_unseen(survey: NodeSurvey) -> Iterator[Finding]:
    """Every address of a subnet is free, on an ENI, in a CIDR reservation, or reserved by EC2 (EC2: subnet CIDR reservations)."""
    for subnet in survey.subnets:
        if subnet.unseen_count:
            known = survey.node.reservations is not None
            message = f"has {subnet.unseen_count} addresses that are neither free nor on an ENI"
            message += " nor in a CIDR reservation: EC2 has changed during the read" if known else ": mostly CIDR reservations"
            yield Finding("unseen-addresses", _NOTE, subnet.subnet.subnet_id, message)


def check_room(survey: NodeSurvey) -> Iterator[Finding]:
    """A subnet has room for what ipamd requests once all addresses of the node are taken (docs/ipamd.md, "Growing the pool").

    It requests slots on the node's ENIs, then a new ENI. Room for one of these is enough.
    """
    for card in survey.cards:
        refusals = list(refusals_of(survey, card))
        if refusals and all(refusals):
            rule = "no-room-for-prefix" if survey.mode is AddressMode.PREFIX else "no-room-for-addresses"
            reasons = dict.fromkeys(refusal for refusal in refusals if refusal)
            message = f"can't grow once its addresses are taken: {'; '.join(reasons)}"
            tag = f"tag a subnet with room {SUBNET_ROLE_TAG}=1 (subnet discovery)"
            suggestion = f"free addresses, or {OTHER_SUBNET[True] if survey.settings.custom_network_cfg else tag}"
            yield Finding(rule, _FINDING, f"card {card.network_card}", message, suggestion)


def refusals_of(survey: NodeSurvey, card: CardSurvey) -> Iterator[str | None]:
    """For each way in which a card can grow, yield why EC2 would refuse it; None if EC2 may grant it. Nothing if it can't grow."""
    if card.growth is None:
        return
    enis = {each.eni.eni_id: each for each in survey.enis}
    for request in card.growth.requests:
        yield _lacks_room(survey, enis[request.eni_id].eni.subnet_id, request.slot_count, of_new_eni=False)
    if card.growth.new_eni_slots:
        for subnet in survey.new_eni_subnets:
            yield _lacks_room(survey, subnet.subnet_id, card.growth.new_eni_slots, of_new_eni=True)
        if survey.lacks_eni_subnet:
            yield "the tags of the subnets allow no new ENI"
        elif not survey.new_eni_subnets:
            yield None  # EC2 does not show the subnet: an ENIConfig names it, for example


def _lacks_room(survey: NodeSurvey, subnet_id: str, slot_count: int, *, of_new_eni: bool) -> str | None:
    subnet = survey.subnet(subnet_id)
    if subnet is None:
        return None
    free, single = subnet.free_count, int(of_new_eni)
    purpose = "a new ENI" if of_new_eni else "more slots"
    if survey.mode is AddressMode.PREFIX and free >= single:
        bound = subnet.free_prefix_bound
        lacks = bound < slot_count
        blocks = f"at most {counted(bound, 'free /28')}" if bound else "no free /28"
        return f"{subnet_id} has {blocks}, and {purpose} would take {slot_count}" if lacks else None
    needed = slot_count * survey.mode.addresses_per_slot + single
    return f"{subnet_id} has {free} free addresses, and {purpose} would take {needed}" if free < needed else None


RULES = (
    SurveyRule(
        check_instance,
        (
            RuleEntry(
                "not-running",
                "the instance isn't running",
                "What is shown may change soon.",
                f"{INSPECTING}#what-it-cant-know",
                Severity.NOTE,
            ),
        ),
    ),
    SurveyRule(
        check_capacity,
        (
            RuleEntry(
                "no-pod-addresses",
                "no ENI of the node, present or future, can give pods addresses",
                "The pod can't start before it has an address.",
                f"{IPAMD}#max-pods",
            ),
        ),
        (SETTINGS,),
    ),
    SurveyRule(
        check_excluded,
        (
            RuleEntry(
                "excluded-subnet",
                "a subnet whose tags keep pods from getting its addresses",
                _ROOM,
                f"{IPAMD}#subnet-discovery",
                Severity.NOTE,
            ),
            RuleEntry(
                "no-pod-subnet",
                "the tags of the subnets allow no new ENI",
                "The node can't grow, so pods wait once its addresses are taken.",
                f"{IPAMD}#subnet-discovery",
            ),
        ),
        (SETTINGS, SUBNETS),
    ),
    SurveyRule(
        check_room,
        (
            RuleEntry(
                "no-room-for-addresses",
                "no subnet has room for the addresses that the node asks for next",
                "The node can't grow, so pods wait once its addresses are taken.",
                f"{IPAMD}#growing-the-pool",
            ),
            RuleEntry(
                "no-room-for-prefix",
                "no subnet has room for the /28s that the node asks for next",
                "The node can't grow, so pods wait once its addresses are taken.",
                f"{IPAMD}#growing-the-pool",
            ),
        ),
        (SETTINGS, SUBNETS),
    ),
    SurveyRule(
        check_unseen,
        (
            RuleEntry(
                "unseen-addresses",
                "addresses of a subnet that are neither free nor on an ENI nor in a CIDR reservation, if these could be read",
                "Nodes and pods can't get them as single addresses.",
                f"{INSPECTING}#what-it-cant-know",
                Severity.NOTE,
            ),
        ),
        (SUBNETS, WHOLE_SUBNETS),
    ),
)
