"""The rule about subnets whose addresses nodes mostly keep for pods to come."""

from collections import Counter
from collections.abc import Iterator

import attrs

from vpcipam._units import counted, number
from vpcipam.address import AddressMode, Cidr
from vpcipam.ec2.subnet_rules import reserved_addresses
from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.finding import Finding, Missing, Severity
from vpcipam.inspection.rules.rule import EC2_ANSWERS, Need, Rule, RuleEntry
from vpcipam.inspection.subnet_survey import parse_valid
from vpcipam.node.interfaces import pod_cidrs
from vpcipam.settings import Settings

_SCARCE = 4  # a subnet is short of addresses if less than a fourth of them is free
_PAGE = "docs/symptoms/few-pods.md#the-cure"


@attrs.frozen
class _Use:
    """What a node has in a subnet: addresses for pods, and how many of these pods hold."""

    node: NodeCase
    total: int
    held: int


def check_spare(case: ClusterCase) -> Iterator[Finding]:
    """The warm targets leave a subnet room (docs/ipamd.md, "Warm targets")."""
    uses: dict[str, list[_Use]] = {}
    for node in filter(_is_known, case.nodes):
        for subnet_id, use in _uses(node):
            uses.setdefault(subnet_id, []).append(use)
    for subnet_id, of_subnet in uses.items():
        fact = case.subnets.get(subnet_id)
        if fact is None:
            continue
        for cidr in parse_valid((fact.value.cidr,)):
            free, usable = fact.value.available_ip_address_count, cidr.size - len(reserved_addresses(cidr))
            held = sum(use.held for use in of_subnet)
            spare = sum(use.total for use in of_subnet) - held
            if free * _SCARCE < usable and spare * 2 > usable - free:
                nodes = counted(len({use.node.name for use in of_subnet}), "node keeps", "nodes keep")
                message = f"has {number(free)} of {number(usable)} addresses free: {nodes} {number(spare)} for pods to come, beside "
                message += f"{number(held)} that pods hold"
                yield Finding("subnet-mostly-spare", Severity.NOTE, subnet_id, message, _suggestion(of_subnet), "", (fact.source,))


def _is_known(node: NodeCase) -> bool:
    """Tell whether it is known which addresses of a node pods hold."""
    return node.mode is not None and node.survey is not None and ("pods" in node.kinds or bool(node.held or node.checkpoint_count))


def _uses(node: NodeCase) -> Iterator[tuple[str, _Use]]:
    held = {each.address for each in node.held}
    held |= {address for fact in node.pods if fact.value.runs and not fact.value.host_network for address in fact.value.addresses}
    numbers = {each.first for each in parse_valid(sorted(held))}
    for each in node.survey.enis if node.survey is not None else ():
        cidrs: list[Cidr] = list(parse_valid(pod_cidrs(each.eni, node.mode))) if each.managed and node.mode is not None else []
        total = sum(cidr.size for cidr in cidrs if cidr.version == 4)
        if total:
            taken = sum(any(cidr.first <= number <= cidr.last for cidr in cidrs) for number in numbers)
            yield each.eni.subnet_id, _Use(node, total, taken)


def _suggestion(uses: list[_Use]) -> str:
    """Say how to keep fewer, for the most frequent type and the most pods that a node of it has."""
    ((node_type, _),) = Counter(use.node.limits.instance_type for use in uses if use.node.limits is not None).most_common(1)
    pods: Counter[str] = Counter()
    for use in uses:
        if use.node.limits is not None and use.node.limits.instance_type == node_type:
            pods[use.node.name] += use.held
    most = max(pods.values())
    settings = next((use.node.settings.value for use in uses if use.node.settings is not None), Settings())
    if settings.warm_ip_target:
        return f"lower WARM_IP_TARGET, which is {settings.warm_ip_target}"
    command = f"vpcipam plan {node_type} --pods {max(most, 1)} --set WARM_IP_TARGET=2 --set MINIMUM_IP_TARGET={max(most, 1) + 2}"
    if any(use.node.mode is AddressMode.PREFIX for use in uses):
        command += " --set ENABLE_PREFIX_DELEGATION=true"
    return f"set WARM_IP_TARGET and MINIMUM_IP_TARGET: `{command}` shows what a node then keeps"


_HOLDERS: Need[ClusterCase] = Need(
    Missing(
        "subnets, and who holds addresses on a node whose type and variables are known",
        "aws ec2 describe-subnets; kubectl get nodes,pods --all-namespaces -o json; kubectl -n kube-system get daemonset aws-node -o json",
    ),
    lambda case: bool(case.subnets) and any(map(_is_known, case.nodes)),
)
CLUSTER_RULES = (
    Rule(
        check_spare,
        (
            RuleEntry(
                "subnet-mostly-spare",
                "less than a fourth of a subnet is free, and most of what is taken are addresses that nodes keep for pods to come",
                "The subnet runs out though few pods run.",
                _PAGE,
                Severity.NOTE,
            ),
        ),
        (EC2_ANSWERS, _HOLDERS),
    ),
)
