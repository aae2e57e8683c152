"""Rules that hold EC2's ENIs and addresses of a node against those in ipamd's datastore, both ways.

ipamd adds an ENI or a CIDR after EC2 has granted it, and drops it before it gives it back (docs/ipamd.md, "Attaching an ENI", "Growing the
pool", "Shrinking the pool", "Freeing ENIs"). So at every instant EC2 has all that ipamd has: if not, that is a fault. What ipamd lacks can
be under way, so that is a note.
"""

from collections.abc import Iterator

import attrs

from vpcipam._units import counted
from vpcipam.address import IPV4_BITS, Cidr
from vpcipam.ec2.api import NetworkInterface
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import EniState, Fact, Source
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.rules.rule import EC2_ENIS, IPAMD, IPAMD_ENIS, Need, Rule, RuleEntry
from vpcipam.inspection.rules.texts import some
from vpcipam.inspection.subnet_survey import parse_valid

_NOTE = Severity.NOTE
_RECONCILE = f"{IPAMD}#reconcile"
_READ_AGAIN = "read both again within a minute of each other; if it stays, restart aws-node on the node"

ENI_GONE = RuleEntry(
    "eni-gone",
    "ipamd has an ENI in its datastore that EC2 does not show on the instance",
    "Pods with its addresses are cut off, and further pods get such addresses.",
    _RECONCILE,
)
ADDRESS_GONE = RuleEntry(
    "address-gone",
    "ipamd has an address or a prefix in its datastore that EC2 does not show on this ENI",
    "A pod that gets it is cut off, and EC2 can give it to somebody else.",
    _RECONCILE,
)
ADDRESS_ELSEWHERE = RuleEntry(
    "address-elsewhere",
    "ipamd has an address or a prefix in its datastore that EC2 shows on another ENI",
    "Two pods, or a pod and another machine, can have one address.",
    f"{IPAMD}#known-faults",
)
PRIMARY_IN_POOL = RuleEntry(
    "primary-ip-in-pool",
    "ipamd has the primary address of an ENI in its datastore",
    "A pod that gets it takes traffic from the node, and neither works reliably.",
    f"{IPAMD}#datastore",
)
DEVICE_DIFFERS = RuleEntry(
    "device-number-differs",
    "ipamd has another device number for an ENI than EC2",
    "The device number decides the route table, so the pods of this ENI have no routes.",
    f"{IPAMD}#attaching-an-eni",
)
ENI_UNKNOWN = RuleEntry(
    "eni-unknown-to-ipamd",
    "EC2 shows a managed ENI on the instance that ipamd doesn't have",
    "Its addresses are of no use to pods. While ipamd attaches or frees an ENI, that is normal.",
    _RECONCILE,
    _NOTE,
)
ADDRESS_UNKNOWN = RuleEntry(
    "address-unknown-to-ipamd",
    "EC2 shows an address or a prefix on an ENI that ipamd doesn't have in its datastore",
    "It is of no use to pods. While ipamd asks for it or gives it back, that is normal.",
    _RECONCILE,
    _NOTE,
)


@attrs.frozen
class _Pair:
    """An ENI as both show it."""

    ours: Fact[EniState]
    theirs: Fact[NetworkInterface]

    @property
    def sources(self) -> tuple[Source, ...]:
        return (self.ours.source, self.theirs.source)


def check_enis(node: NodeCase) -> Iterator[Finding]:
    """All ENIs of ipamd's datastore are attached, at the device number that it has (docs/ipamd.md, "Reconcile")."""
    shown = {fact.value.eni_id: fact for fact in node.network_interfaces}
    listed = {fact.value.eni_id: fact for fact in node.enis}
    for eni_id, ours in listed.items():
        if eni_id not in shown:
            held = counted(len(ours.value.held), "address", "addresses")
            message = f"is in ipamd's datastore, and EC2 does not show it on the instance; sandboxes hold {held} of it"
            yield Finding("eni-gone", ENI_GONE.severity, eni_id, message, _READ_AGAIN, sources=(ours.source, *node.sources))
            continue
        theirs = shown[eni_id]
        known = theirs.value.attachment
        if known is None or known.device_index < 0 or ours.value.device_number is None:
            continue
        if known.network_card_index == (ours.value.network_card or 0) and known.device_index != ours.value.device_number:
            message = f"has device number {ours.value.device_number} in ipamd's datastore, and {known.device_index} in EC2"
            yield Finding(
                "device-number-differs", DEVICE_DIFFERS.severity, eni_id, message, _READ_AGAIN, sources=_Pair(ours, theirs).sources
            )
    for eni_id, theirs in shown.items():
        if eni_id not in listed and not any(fact.value.cut for fact in node.enis) and _is_for_pods(node, theirs.value):
            message = "is attached, and ipamd does not have it in its datastore: it is being attached or freed, or ipamd lost it"
            sources = (theirs.source, *(card.source for card in node.cards[:1]))
            yield Finding("eni-unknown-to-ipamd", _NOTE, eni_id, message, _READ_AGAIN, sources=sources)


def check_addresses(node: NodeCase) -> Iterator[Finding]:
    """All addresses of ipamd's datastore are on their ENIs, and none is a primary one (docs/ipamd.md, "Datastore", "Reconcile")."""
    shown = {fact.value.eni_id: fact for fact in node.network_interfaces}
    primaries = {eni.value.private_ip: eni.value.eni_id for eni in node.network_interfaces if eni.value.private_ip}
    for fact in node.enis:
        theirs = shown.get(fact.value.eni_id)
        if theirs is None or not _is_readable(theirs.value):
            continue
        pair = _Pair(fact, theirs)
        granted = set(_cidrs_of(theirs.value))
        listed = {Cidr.parse(each.cidr): each for each in fact.value.cidrs}
        ours = [cidr for cidr in listed if cidr.size == 1 and str(cidr).removesuffix(f"/{IPV4_BITS}") in primaries]
        if ours:
            message = f"has {_named(ours)} in ipamd's datastore, which is the primary address of an ENI"
            suggestion = "cordon the node, delete the pod that has it, and replace the node; upgrade the CNI plugin"
            yield Finding("primary-ip-in-pool", PRIMARY_IN_POOL.severity, fact.value.eni_id, message, suggestion, sources=pair.sources)
        absent = [cidr for cidr in listed if cidr not in granted and cidr not in ours]
        owners = {cidr: _owner(node, cidr) for cidr in absent}
        elsewhere = [cidr for cidr in absent if owners[cidr]]
        gone = [cidr for cidr in absent if not owners[cidr]]
        if elsewhere:
            others = some(dict.fromkeys(owners[cidr] for cidr in elsewhere))
            message = f"has {_named(elsewhere)} in ipamd's datastore, and EC2 shows {_it(elsewhere)} on {others}"
            suggestion = f"cordon the node, since two pods can get one address; {_READ_AGAIN}"
            yield Finding("address-elsewhere", ADDRESS_ELSEWHERE.severity, fact.value.eni_id, message, suggestion, sources=pair.sources)
        if gone:
            held = sum(state.held for cidr in gone for state in listed[cidr].addresses)
            message = f"has {_named(gone)} in ipamd's datastore, and EC2 does not show {_it(gone)} on it; sandboxes hold "
            message += counted(held, "address", "addresses")
            yield Finding("address-gone", ADDRESS_GONE.severity, fact.value.eni_id, message, _READ_AGAIN, sources=pair.sources)
        lost = [] if fact.value.cut or fact.value.trunk else sorted(granted - listed.keys())
        if lost:
            message = f"has {_named(lost)} in EC2, and ipamd does not have {_it(lost)} in its datastore"
            yield Finding("address-unknown-to-ipamd", _NOTE, fact.value.eni_id, message, _READ_AGAIN, sources=pair.sources)


def _owner(node: NodeCase, cidr: Cidr) -> str:
    """Name the ENI that has an address or a prefix by EC2; empty if none has it."""
    eni = node.owners.of_cidr(node.vpc_id, cidr)
    if eni is None:
        return ""
    instance = "" if eni.attachment is None else eni.attachment.instance_id
    return eni.eni_id if instance in ("", node.instance_id) else f"{eni.eni_id} of {instance}"


def _cidrs_of(eni: NetworkInterface) -> Iterator[Cidr]:
    """The addresses and prefixes of an ENI that pods can have. In IPv6 mode ipamd uses the first /80 alone."""
    return parse_valid((*eni.secondary_ips, *eni.ipv4_prefixes, *eni.ipv6_prefixes[:1]))


def _is_readable(eni: NetworkInterface) -> bool:
    """Tell whether all addresses of an ENI can be read; people redact them."""
    texts = (*eni.single_ips, *eni.ipv4_prefixes, *eni.ipv6_prefixes)
    return not eni.unreadable and len(tuple(parse_valid(texts))) == len(texts)


def _is_for_pods(node: NodeCase, eni: NetworkInterface) -> bool:
    """Tell whether ipamd has an ENI in its datastore once it is attached."""
    surveyed = () if node.survey is None else node.survey.enis
    return eni.interface_type == "interface" and any(each.managed and each.eni.eni_id == eni.eni_id for each in surveyed)


def _named(cidrs: list[Cidr]) -> str:
    return some(str(cidr).removesuffix(f"/{IPV4_BITS}") for cidr in cidrs)


def _it(cidrs: list[Cidr]) -> str:
    return "it" if len(cidrs) == 1 else "them"


ALL_ENIS: Need[NodeCase] = Need(
    Missing("all of EC2's ENIs of the node", "aws ec2 describe-instances --instance-ids ID"), lambda node: node.shows_all_enis
)

RULES = (
    Rule(check_enis, (ENI_GONE, DEVICE_DIFFERS, ENI_UNKNOWN), (EC2_ENIS, IPAMD_ENIS, ALL_ENIS)),
    Rule(check_addresses, (PRIMARY_IN_POOL, ADDRESS_ELSEWHERE, ADDRESS_GONE, ADDRESS_UNKNOWN), (EC2_ENIS, IPAMD_ENIS)),
)
