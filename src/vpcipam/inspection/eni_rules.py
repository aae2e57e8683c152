"""Rules about the ENIs of a node. Each yields what it finds in a survey; `vpcipam.inspection.audit` runs them all."""

from collections import Counter
from collections.abc import Iterable, Iterator

from vpcipam._units import NS_PER_S, counted
from vpcipam.address import IPV4_BITS, IPV6_BITS, AddressMode, Cidr
from vpcipam.ec2.api import NetworkInterface
from vpcipam.errors import InvalidCidr
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.subnet_survey import parse_valid
from vpcipam.inspection.survey import CardSurvey, NodeSurvey, slot_limit, slots_in_use
from vpcipam.node.interfaces import (
    CLUSTER_TAG,
    CREATED_TAG,
    DEFAULT_NETWORK_CARD,
    DESCRIPTION_PREFIX,
    INSTANCE_TAG,
    LEAKED_ENI_AGE_NS,
    NO_MANAGE_TAG,
    created_tag_ns,
    pod_cidrs,
)
from vpcipam.settings import Settings

_FINDING, _NOTE = Severity.FINDING, Severity.NOTE
_BITS = {4: IPV4_BITS, 6: IPV6_BITS}
_MOST_SHOWN = 3
_S_PER_DAY = 86_400


# --- limits ------------------------------------------------------------------------------------------------------------


def check_eni_count(survey: NodeSurvey) -> Iterator[Finding]:
    """No card has more ENIs than its type or MAX_ENI allows (docs/ipamd.md, "Limits per instance type")."""
    limits = survey.node.limits
    for card in survey.cards:
        where = _card(card)
        if card.eni_count > card.type_limit:
            message = f"has {card.eni_count} ENIs, and {limits.instance_type} is known to take {card.type_limit} on it"
            yield Finding(
                "too-many-enis", _FINDING, where, message, "the limits may be outdated: look at `aws ec2 describe-instance-types`"
            )
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
                suggestion = "the limits may be outdated: look at `aws ec2 describe-instance-types`"
                yield Finding("too-many-slots", _FINDING, each.eni.eni_id, message, suggestion)


def check_prefix_support(survey: NodeSurvey) -> Iterator[Finding]:
    """Only nitro and bare-metal types can have prefixes (EC2: prefix delegation)."""
    limits = survey.node.limits
    for each in survey.enis:
        prefixes = (*each.eni.ipv4_prefixes, *each.eni.ipv6_prefixes)
        if prefixes and not limits.supports_prefixes:
            message = f"has {_some(prefixes)}, and {limits.instance_type} is not known to take prefixes"
            yield Finding("prefix-not-supported", _FINDING, each.eni.eni_id, message, "use a nitro or bare-metal type")


# --- addresses ---------------------------------------------------------------------------------------------------------


def check_cidrs(survey: NodeSurvey) -> Iterator[Finding]:
    """Every address is valid, and every prefix is a /28 or a /80 on its grid (EC2: prefix delegation)."""
    suggestion = "the library ignores it; EC2 never shows this, so check where the data comes from"
    for each in survey.enis:
        for text, version, length in _texts(each.eni):
            try:
                cidr = Cidr.parse(text)
            except InvalidCidr as error:
                yield Finding("invalid-cidr", _FINDING, each.eni.eni_id, str(error), suggestion)
                continue
            if (cidr.version, cidr.prefix_length) != (version, length):
                message = f"{text!r} is an IPv{cidr.version} /{cidr.prefix_length}, but must be an IPv{version} /{length}"
                yield Finding("invalid-cidr", _FINDING, each.eni.eni_id, message, suggestion)


def _texts(eni: NetworkInterface) -> Iterator[tuple[str, int, int]]:
    """All addresses and prefixes of an ENI, each with the IP version and the prefix length that it must have."""
    yield from ((text, 4, IPV4_BITS) for text in eni.single_ips if text or not eni.unreadable)  # `check_readable` reports a missing one
    yield from ((text, 4, AddressMode.PREFIX.prefix_length) for text in eni.ipv4_prefixes)
    yield from ((text, 6, IPV6_BITS) for text in eni.ipv6_addresses)
    yield from ((text, 6, AddressMode.IPV6.prefix_length) for text in eni.ipv6_prefixes)


def _cidrs(eni: NetworkInterface) -> tuple[Cidr, ...]:
    return tuple(parse_valid(text for text, _, _ in _texts(eni)))


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
            yield Finding("unreadable-answer", _FINDING, where, f"has no readable {_some(dict.fromkeys(unreadable))}", suggestion)


def check_primary_addresses(survey: NodeSurvey) -> Iterator[Finding]:
    """Under custom networking pods have no addresses of the primary ENI, but ipamd gives them any that it has (upstream issue 1466)."""
    primary = survey.primary
    if primary is None or not survey.settings.custom_network_cfg:
        return
    cidrs = tuple(cidr.removesuffix(f"/{IPV4_BITS}") for cidr in pod_cidrs(primary.eni, survey.mode))
    if cidrs:
        message = f"is the primary ENI and has {_some(cidrs)}: ipamd gives them to pods, in the node's subnet and not in the ENIConfig's"
        suggestion = "unassign those that no pod has; an address for other purposes belongs on an ENI tagged " + f"{NO_MANAGE_TAG}=true"
        yield Finding("address-on-primary-eni", _FINDING, primary.eni.eni_id, message, suggestion)


def check_subnet_cidrs(survey: NodeSurvey) -> Iterator[Finding]:
    """All addresses of an ENI lie in its subnet (EC2: an ENI's addresses come from its subnet)."""
    for invalid in survey.node.subnets:
        if invalid.cidr and invalid.subnet_id in {each.eni.subnet_id for each in survey.enis} and not tuple(parse_valid((invalid.cidr,))):
            message = f"has the CIDR {invalid.cidr!r}, which is invalid, so its addresses can't be checked"
            yield Finding("invalid-cidr", _FINDING, invalid.subnet_id, message, "EC2 never shows this, so check where the data comes from")
    for each in survey.enis:
        subnet = survey.node.subnet(each.eni.subnet_id)
        if not each.eni.subnet_id or (subnet is not None and not tuple(parse_valid((subnet.cidr,)))):
            continue
        if subnet is None:
            message = f"is in {each.eni.subnet_id}, which EC2 does not show"
            suggestion = "its addresses can't be checked; look at the permission for ec2:DescribeSubnets"
            yield Finding("unknown-subnet", _FINDING, each.eni.eni_id, message, suggestion)
            continue
        blocks = tuple(parse_valid(text for text in (subnet.cidr, subnet.ipv6_cidr) if text is not None))
        outside = [cidr for cidr in _cidrs(each.eni) if not any(cidr.first in block and cidr.last in block for block in _of(cidr, blocks))]
        if outside:
            own = " and ".join(map(str, blocks))
            message = f"has {_some(_short(cidr) for cidr in outside)} outside of {subnet.subnet_id}, which is {own}"
            yield Finding("address-outside-subnet", _FINDING, each.eni.eni_id, message, "unassign it: no route leads there")


def _of(cidr: Cidr, blocks: Iterable[Cidr]) -> Iterator[Cidr]:
    return (block for block in blocks if block.version == cidr.version)


def check_overlaps(survey: NodeSurvey) -> Iterator[Finding]:
    """No address is in two CIDRs of the node. Otherwise two pods could get it; ipamd doesn't check (docs/ipamd.md, "Known faults")."""
    owned = sorted(((cidr, each.eni.eni_id) for each in survey.enis for cidr in _cidrs(each.eni)), key=lambda pair: pair[0])
    widest: dict[int, tuple[Cidr, str]] = {}  # by IP version: the CIDR that ends last, among those seen so far
    for cidr, eni_id in owned:
        before = widest.get(cidr.version)
        if before is not None and before[0].overlaps(cidr):
            message = f"{_short(cidr)} overlaps {_short(before[0])} of {'the same ENI' if before[1] == eni_id else before[1]}"
            suggestion = "two pods can get one address: cordon the node, and unassign one of the two CIDRs"
            yield Finding("overlapping-cidrs", _FINDING, eni_id, message, suggestion)
        if before is None or cidr.last > before[0].last:
            widest[cidr.version] = (cidr, eni_id)


def check_modes(survey: NodeSurvey) -> Iterator[Finding]:
    """Slots hold CIDRs of the mode. Other CIDRs give pods no addresses; ipamd releases them at its next start (docs/ipamd.md, "Modes")."""
    ours = [each for each in survey.enis if each.managed]
    stale = [each for each in ours if each.stale_cidrs]
    other = "prefixes" if survey.mode is AddressMode.SECONDARY_IP else "secondary IPs"
    if stale and all(each.slot_count == len(each.stale_cidrs) for each in ours):
        message = f"has only {other}, but by the given settings its slots hold {survey.mode.label}"
        suggestion = "pass this node's settings with --daemonset or --set; if these are its settings, restart aws-node on it"
        yield Finding("mode-mismatch", _FINDING, survey.node.instance.instance_id, message, suggestion)
    for each in stale:
        message = f"has {other} of the mode that is off, which give pods no new addresses: {_some(each.stale_cidrs)}"
        yield Finding("mixed-modes", _NOTE, each.eni.eni_id, message, "drain the node, or restart aws-node once their pods are gone")


def check_ipv6(survey: NodeSurvey) -> Iterator[Finding]:
    """In IPv6 mode the primary ENI has a /80; without one, the node never becomes ready (docs/ipamd.md, "IPv6")."""
    primary = survey.primary
    if survey.mode is AddressMode.IPV6 and primary is not None and not primary.eni.ipv6_prefixes:
        message = "has no /80, and IPv6 pods get all their addresses from one"
        suggestion = "check that its subnet has an IPv6 CIDR and that the node may call ec2:AssignIpv6Addresses"
        yield Finding("no-ipv6-prefix", _FINDING, primary.eni.eni_id, message, suggestion)


# --- the places of ENIs --------------------------------------------------------------------------------------------------


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
    """A card's device indexes differ and have no gaps, since ipamd takes the lowest free one; the primary ENI is device 0 of card 0."""
    if survey.primary is None:
        where, message = survey.node.instance.instance_id, "has no primary ENI, as far as EC2 shows"
        yield Finding("no-primary-eni", _FINDING, where, message, "no node starts without one; read the node again in a minute")
    for card in survey.cards:
        indexes = Counter(each.device_index for each in survey.enis if each.network_card == card.network_card)
        twice = sorted(index for index, count in indexes.items() if count > 1)
        if twice:
            message = f"has several ENIs at device index {_some(map(str, twice))}"
            suggestion = "the pods of one ENI have no routes; read the node again, since an ENI may have been replaced during the read"
            yield Finding("duplicate-device-index", _FINDING, _card(card), message, suggestion)
        gaps = sorted({*range(max(indexes, default=0))} - indexes.keys() - ({0} if card.network_card == 0 else set()))
        if gaps:
            message = f"has no ENI at device index {_some(map(str, gaps))}"
            yield Finding("device-index-gap", _NOTE, _card(card), message, "ipamd fills the lowest gap first")


# --- the owners of ENIs ------------------------------------------------------------------------------------------------


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
    for eni in survey.node.unattached:
        count = 1 + len(eni.secondary_ips) + len(eni.ipv4_prefixes) * AddressMode.PREFIX.addresses_per_slot
        made_for = eni.tag(INSTANCE_TAG)
        whose = "this instance" if made_for == survey.node.instance.instance_id else made_for or "some instance"
        holds = f"was created for {whose}, is attached to nothing, and holds {count} address{'' if count == 1 else 'es'}"
        made_ns = created_tag_ns(eni)
        delete = f"aws ec2 delete-network-interface --network-interface-id {eni.eni_id}"
        if made_ns is None:
            message = f"{holds}; no {CREATED_TAG} tag tells its age"
            yield Finding("leaked-eni", _FINDING, eni.eni_id, message, f"if it stays: {delete}")
            continue
        age_ns = survey.node.read_ns - made_ns
        if age_ns < LEAKED_ENI_AGE_NS:
            yield Finding("young-eni", _NOTE, eni.eni_id, f"{holds}; it is {_age(age_ns)} old and may be about to be attached")
            continue
        suggestion = f"{_who_deletes(eni, survey.settings)}: {delete}"
        yield Finding("leaked-eni", _FINDING, eni.eni_id, f"{holds}; it is {_age(age_ns)} old", suggestion)


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


# --- text --------------------------------------------------------------------------------------------------------------


def _card(card: CardSurvey) -> str:
    return f"card {card.network_card}"


def _short(cidr: Cidr) -> str:
    """Write a CIDR; a single address without its /32 or /128."""
    return str(cidr).removesuffix(f"/{_BITS[cidr.version]}")


def _some(texts: Iterable[str]) -> str:
    """Write the first few texts, and how many more there are."""
    shown = list(texts)
    more = len(shown) - _MOST_SHOWN
    return ", ".join(shown[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _age(duration_ns: int) -> str:
    seconds = max(0, duration_ns) // NS_PER_S
    for unit_s, unit in ((_S_PER_DAY, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} s"
