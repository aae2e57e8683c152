"""Rules about the addresses and prefixes of a node's ENIs. Each yields what it finds in a survey."""

from collections.abc import Iterable, Iterator

from vpcipam.address import IPV4_BITS, IPV6_BITS, AddressMode, Cidr
from vpcipam.ec2.api import NetworkInterface
from vpcipam.errors import InvalidCidr
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.rule import INSPECTING, IPAMD, SETTINGS, SUBNETS, RuleEntry
from vpcipam.inspection.rules.surveyed import SurveyRule
from vpcipam.inspection.rules.texts import short, some
from vpcipam.inspection.subnet_survey import parse_valid
from vpcipam.inspection.survey import NodeSurvey
from vpcipam.node.interfaces import NO_MANAGE_TAG, pod_cidrs

_FINDING, _NOTE = Severity.FINDING, Severity.NOTE
_TWO_PODS = "Two pods with one address get each other's traffic, and neither works reliably."
_ROOM = "It takes room that pods don't get."


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


def check_primary_addresses(survey: NodeSurvey) -> Iterator[Finding]:
    """Under custom networking pods have no addresses of the primary ENI, but ipamd gives them any that it has (upstream issue 1466)."""
    primary = survey.primary
    if primary is None or not survey.settings.custom_network_cfg:
        return
    cidrs = tuple(cidr.removesuffix(f"/{IPV4_BITS}") for cidr in pod_cidrs(primary.eni, survey.mode))
    if cidrs:
        message = f"is the primary ENI and has {some(cidrs)}: ipamd gives them to pods, in the node's subnet and not in the ENIConfig's"
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
            message = f"has {some(short(cidr) for cidr in outside)} outside of {subnet.subnet_id}, which is {own}"
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
            message = f"{short(cidr)} overlaps {short(before[0])} of {'the same ENI' if before[1] == eni_id else before[1]}"
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
        message = f"has {other} of the mode that is off, which give pods no new addresses: {some(each.stale_cidrs)}"
        yield Finding("mixed-modes", _NOTE, each.eni.eni_id, message, "drain the node, or restart aws-node once their pods are gone")


def check_ipv6(survey: NodeSurvey) -> Iterator[Finding]:
    """In IPv6 mode the primary ENI has a /80; without one, the node never becomes ready (docs/ipamd.md, "IPv6")."""
    primary = survey.primary
    if survey.mode is AddressMode.IPV6 and primary is not None and not primary.eni.ipv6_prefixes:
        message = "has no /80, and IPv6 pods get all their addresses from one"
        suggestion = "check that its subnet has an IPv6 CIDR and that the node may call ec2:AssignIpv6Addresses"
        yield Finding("no-ipv6-prefix", _FINDING, primary.eni.eni_id, message, suggestion)


RULES = (
    SurveyRule(
        check_cidrs,
        (
            RuleEntry(
                "invalid-cidr",
                "an entry that is not an address, or not an aligned /28 or /80; a subnet with an invalid CIDR",
                "Nothing that depends on it can be checked.",
                f"{IPAMD}#modes",
            ),
        ),
    ),
    SurveyRule(
        check_subnet_cidrs,
        (
            RuleEntry(
                "address-outside-subnet",
                "an address of an ENI that is not in its subnet",
                "No route leads there, so a pod with this address is cut off.",
                f"{IPAMD}#subnet-discovery",
            ),
            RuleEntry(
                "unknown-subnet",
                "an ENI in a subnet that EC2 does not show",
                "Its addresses can't be checked.",
                f"{INSPECTING}#a-running-node",
            ),
        ),
        (SUBNETS,),
    ),
    SurveyRule(
        check_overlaps,
        (RuleEntry("overlapping-cidrs", "an address in two CIDRs of the node", _TWO_PODS, f"{IPAMD}#known-faults"),),
    ),
    SurveyRule(
        check_primary_addresses,
        (
            RuleEntry(
                "address-on-primary-eni",
                "under custom networking, an address or prefix on the primary ENI: ipamd gives it to a pod",
                "The pod is in the node's subnet and security groups, not in those of the ENIConfig.",
                f"{IPAMD}#known-faults",
            ),
        ),
        (SETTINGS,),
    ),
    SurveyRule(
        check_modes,
        (
            RuleEntry(
                "mode-mismatch",
                "no address on the node is of the mode that the settings choose",
                "The settings are not those that the node runs with, or pods get no address from what is attached.",
                f"{IPAMD}#modes",
            ),
            RuleEntry("mixed-modes", "addresses or prefixes left over from a change of mode", _ROOM, f"{IPAMD}#modes", Severity.NOTE),
        ),
        (SETTINGS,),
    ),
    SurveyRule(
        check_ipv6,
        (RuleEntry("no-ipv6-prefix", "an IPv6 node without its /80", "The node never becomes ready.", f"{IPAMD}#ipv6"),),
        (SETTINGS,),
    ),
)
