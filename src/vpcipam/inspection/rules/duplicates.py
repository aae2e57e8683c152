"""Rules about one address for two: two pods, two sandboxes, a pod and an ENI. They look at the whole cluster."""

from collections.abc import Iterator
from itertools import pairwise

from vpcipam._units import counted
from vpcipam.address import Cidr
from vpcipam.ec2.api import NetworkInterface
from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.evidence import Fact, HeldAddress, PodObject
from vpcipam.inspection.finding import Finding
from vpcipam.inspection.rules.rule import ALL_PODS, EC2_ANSWERS, HELD_SOMEWHERE, IPAMD, Rule, RuleEntry
from vpcipam.inspection.rules.texts import some
from vpcipam.inspection.subnet_survey import parse_valid

_PAGE = f"{IPAMD}#known-faults"
_BROKEN = "Both get each other's traffic, and neither works reliably."
_SUGGESTION = (
    "cordon the nodes, delete one of the pods, and read the nodes again: /v1/enis, ipam.json and EC2's ENIs tell where it comes from"
)

TWO_PODS = RuleEntry("address-of-two-pods", "two running pods have one address", _BROKEN, _PAGE)
TWO_SANDBOXES = RuleEntry("address-of-two-sandboxes", "ipamd holds one address for two sandboxes, on one node or on two", _BROKEN, _PAGE)
PRIMARY = RuleEntry("pod-has-primary-ip", "a pod has the primary address of an ENI", _BROKEN, _PAGE)
ELSEWHERE = RuleEntry(
    "pod-address-elsewhere",
    "a pod has an address that EC2 shows on an ENI of another node, of another owner, or on none of its node's",
    "The pod gets no traffic, or somebody else's.",
    _PAGE,
)


def pods_with_addresses(case: ClusterCase) -> Iterator[Fact[PodObject]]:
    """Yield the pods that have an address of their own.

    A pod on the host network has its node's address. A pod that is over keeps the address in its status, also if it was deleted and a
    finalizer keeps its object. So does a pod on a node that is gone or not ready, until Kubernetes removes it. Its address can be another
    pod's by then.
    """
    for fact in case.evidence.pods:
        pod = fact.value
        if pod.host_network or not pod.runs or not pod.addresses:
            continue
        node = case.node_named(pod.node_name)
        if "nodes" in case.kinds and (node is None or node.node is None or node.node.value.ready is False):
            continue
        yield fact


def check_pods(case: ClusterCase) -> Iterator[Finding]:
    """No two pods have one address (docs/ipamd.md, "Known faults", "Assign and unassign")."""
    by_address: dict[str, dict[object, Fact[PodObject]]] = {}
    for fact in pods_with_addresses(case):
        for address in fact.value.addresses:
            by_address.setdefault(address, {})[fact.value.pod] = fact
    for address, pods in by_address.items():
        if len(pods) > 1:
            names = some(f"{fact.value.pod} on {fact.value.node_name or 'no node'}" for fact in pods.values())
            sources = tuple(fact.source for fact in pods.values())
            yield Finding("address-of-two-pods", TWO_PODS.severity, address, f"is the address of {names}", _SUGGESTION, sources=sources)


def check_sandboxes(case: ClusterCase) -> Iterator[Finding]:
    """No two sandboxes hold one address (docs/ipamd.md, "Known faults": overlaps are not checked)."""
    by_address: dict[tuple[str, str], list[tuple[NodeCase, HeldAddress]]] = {}
    for node in case.nodes:
        for held in node.held:
            by_address.setdefault((node.vpc_id, held.address), []).append((node, held))
    for (_, address), holders in by_address.items():
        if any(_differ(first, second) for (_, first), (_, second) in pairwise(holders)):
            names = some(dict.fromkeys(f"{held.pod or held.key or 'an unnamed sandbox'} on {node.name}" for node, held in holders))
            sources = tuple(dict.fromkeys(source for _, held in holders for source in held.sources))
            message = f"is held for {counted(len(holders), 'sandbox', 'sandboxes')}: {names}"
            yield Finding("address-of-two-sandboxes", TWO_SANDBOXES.severity, address, message, _SUGGESTION, sources=sources)


def _differ(first: HeldAddress, second: HeldAddress) -> bool:
    """Tell whether two sandboxes are not the same, by what is known of both. Files of one node can be there twice."""
    if first.key is not None and second.key is not None:
        return first.key != second.key
    return first.pod is not None and second.pod is not None and first.pod != second.pod


def check_enis(case: ClusterCase) -> Iterator[Finding]:
    """A pod's address is a secondary one, or in a prefix, of an ENI of its node (docs/ipamd.md, "Datastore")."""
    for fact in pods_with_addresses(case):
        node = case.node_named(fact.value.node_name)
        if fact.value.branch_enis or node is None or not node.shows_all_enis:
            continue
        for address in fact.value.addresses:
            yield from _judge(fact, address, node.owner_of(address), node, case)


def _judge(fact: Fact[PodObject], address: str, eni: NetworkInterface | None, node: NodeCase, case: ClusterCase) -> Iterator[Finding]:
    """Yield what is wrong with the ENI that has a pod's address."""
    where, name = f"pod {fact.value.pod}", node.name
    if eni is not None and eni.interface_type == "branch":
        return
    sources = (
        fact.source,
        *((case.network_interfaces[eni.eni_id].source,) if eni is not None and eni.eni_id in case.network_interfaces else ()),
    )
    if eni is not None and address == eni.private_ip:
        message = f"has {address}, the primary address of {eni.eni_id}"
        yield Finding("pod-has-primary-ip", PRIMARY.severity, where, message, _SUGGESTION, name, sources)
    elif eni is not None and (eni.attachment is None or eni.attachment.instance_id != node.instance_id):
        owner = (
            f"{eni.eni_id} of {eni.attachment.instance_id}"
            if eni.attachment is not None
            else f"{eni.eni_id}, which is attached to no instance"
        )
        message = f"has {address}, and EC2 shows it on {owner}; the pod is on {node.instance_id}"
        yield Finding("pod-address-elsewhere", ELSEWHERE.severity, where, message, _SUGGESTION, name, sources)
    elif eni is None and _is_of_node(address, node):
        message = f"has {address}, and EC2 shows it on no ENI of {node.instance_id}"
        yield Finding("pod-address-elsewhere", ELSEWHERE.severity, where, message, _SUGGESTION, name, sources)


def _is_of_node(address: str, node: NodeCase) -> bool:
    """Tell whether an address is in a subnet of the node's ENIs; other CNI plugins give pods addresses of their own."""
    cidr = Cidr.parse(address)
    used = {fact.value.subnet_id for fact in node.network_interfaces}
    blocks = [
        text for fact in node.subnets.values() if fact.value.subnet_id in used for text in (fact.value.cidr, fact.value.ipv6_cidr) if text
    ]
    return any(block.version == cidr.version and block.overlaps(cidr) for block in parse_valid(blocks))


RULES = (
    Rule(check_pods, (TWO_PODS,), (ALL_PODS,)),
    Rule(check_sandboxes, (TWO_SANDBOXES,), (HELD_SOMEWHERE,)),
    Rule(check_enis, (PRIMARY, ELSEWHERE), (ALL_PODS, EC2_ANSWERS)),
)
