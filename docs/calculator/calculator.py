"""The answers of the calculator: it runs in the reader's browser, on the library itself."""  # noqa: INP001 - a script of the site

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from vpcipam import Ec2Model, Node, SandboxKey, Settings, UnknownInstanceType, VpcIpamError, plan
from vpcipam.ec2.api import NetworkInterface
from vpcipam.limits import instance_types, unknown_type_text
from vpcipam.planner import NodeGroup, NodePlan, plan_cluster
from vpcipam.planner.decision_words import what_it_did, why

SECOND = 1_000_000_000
MOST_DRAWN = 40
"""More nodes would take a browser many seconds to place."""
BLOCK = 16
EMPTY_TICKS = 3  # a node that still has no address for a pod after so many looks gets none


def types() -> str:
    """Return the names of all instance types as JSON."""
    return json.dumps(sorted(instance_types()))


def answer(question: str) -> str:
    """Answer a question, both as JSON.

    The question has `type`, `pods`, `nodes`, `zones`, `subnet` (such as /24) and `variables`. An answer has `error`, or `node`, `cluster`
    and `diagnostics`. Nothing is raised.
    """
    asked = json.loads(question)
    try:
        settings = _settings(asked)
        node = plan(asked["type"], asked["pods"], settings, nodes=asked["nodes"])
        return json.dumps({"node": _node(node), "cluster": _cluster(asked, settings), "diagnostics": _diagnostics(settings)})
    except UnknownInstanceType:  # its message is for programs
        return json.dumps({"error": f"{unknown_type_text(asked['type'])} the field lists the types"})
    except VpcIpamError as error:
        return json.dumps({"error": str(error)})


def strip(question: str) -> str:
    """Place the nodes of one zone into its first subnet, on the EC2 model, and return each /28 of it, as JSON.

    A block has `kind` (`aws`, `prefix`, `addresses` or `free`), `taken` of its 16 addresses, and `held`, how many of these pods hold. There
    is an `error` instead if the subnet can't be drawn.
    """
    asked = json.loads(question)
    nodes = -(-asked["nodes"] // asked["zones"])
    if int(asked["subnet"].removeprefix("/")) < 22:
        return json.dumps({"error": "subnets larger than /22 are not drawn"})
    if nodes > MOST_DRAWN:
        return json.dumps({"error": f"more than {MOST_DRAWN} nodes in a zone are not drawn"})
    try:
        return json.dumps(_placed(asked, _settings(asked), nodes))
    except VpcIpamError as error:
        return json.dumps({"error": str(error)})


def _settings(asked: Mapping[str, Any]) -> Settings:
    return Settings().with_variables({name: str(value) for name, value in asked["variables"].items()})


def _diagnostics(settings: Settings) -> list[dict[str, str]]:
    return [{"level": str(each.level), "message": str(each.message)} for each in settings.diagnostics]


def _node(node: NodePlan) -> dict[str, Any]:
    return {
        "mode": node.mode.value,
        "pods": node.pods,
        "assigned": node.pods_assigned,
        "waiting": node.pods_waiting,
        "waiting_reason": node.waiting_reason,
        "max_pods": node.max_pods,
        "pod_limit": node.pod_limit,
        "limit_reason": node.limit_reason,
        "settled": node.settled,
        "enis": [
            {
                "name": f"ENI {each.device_number}" if each.network_card == 0 else f"card {each.network_card}, ENI {each.device_number}",
                "primary": each.primary,
                "trunk": each.trunk,
                "addresses": each.secondary_ips,
                "prefixes": each.prefixes,
                "held": each.assigned_ips,
            }
            for each in node.enis
        ],
        "attached": node.total_ips,
        "free": node.available_ips,
        "prefixes": node.prefix_count,
        "subnet": node.subnet_ips,
        "decisions": [
            {"pods": each.pods, "what": what_it_did([each.action], node.mode), "why": why(each.action)} for each in node.decisions
        ],
    }


def _cluster(asked: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    group = NodeGroup(instance_type=asked["type"], nodes=asked["nodes"], pods=asked["pods"], settings=settings)
    try:
        found = plan_cluster([group], asked["subnet"], zones=asked["zones"])
    except VpcIpamError as error:
        return {"error": str(error)}
    bites = found.bites[0] if found.bites else None
    return {
        "subnets": found.subnets_total,
        "per_zone": found.subnets_per_zone,
        "bites": None if bites is None else f"{bites.name}: {bites.used:,} of {bites.available:,} in {bites.where}",
    }


def _placed(asked: Mapping[str, Any], settings: Settings, nodes: int) -> dict[str, Any]:
    """Start one node after another, until one doesn't get all of its addresses."""
    planned = plan(asked["type"], asked["pods"], settings)
    ec2 = Ec2Model()
    cidr = f"10.0.0.0{asked['subnet']}"
    subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id, cidr, ipv6_cidr="2001:db8::/64")
    held: set[str] = set()
    enis: tuple[NetworkInterface, ...] = ()
    placed = 0
    for number in range(nodes):
        try:
            node = Node(asked["type"], settings, ec2, subnet_id=subnet.subnet_id)
            addresses = _filled(node, number, planned.pods_assigned)
        except VpcIpamError:  # the subnet has no address for another node
            break
        if node.stats(0).total_count != planned.total_ips:
            break
        held |= addresses
        enis = ec2.network_interfaces
        placed += 1
    return {"nodes": placed, "of": nodes, "cidr": cidr, "blocks": _blocks(enis, int(asked["subnet"][1:]), held)}


def _filled(node: Node, number: int, pods: int) -> set[str]:
    """Run pods on a node until it has settled, and return their addresses."""
    now_ns = 0
    node.start(now_ns)
    addresses = set()
    for pod in range(pods):
        for _ in range(EMPTY_TICKS):
            found = node.assign(SandboxKey("aws-cni", f"{number}-{pod}", "eth0"), now_ns)
            now_ns += 5 * SECOND
            node.tick(now_ns)
            if found is not None:
                addresses.add(found.address)
                break
    return addresses


def _blocks(enis: Iterable[NetworkInterface], length: int, held: set[str]) -> list[dict[str, Any]]:
    size = 2 ** (32 - length)
    taken: Counter[int] = Counter()
    prefixes = set()
    for eni in enis:
        taken.update(_offset(address) // BLOCK for address in (eni.private_ip, *eni.secondary_ips))
        prefixes |= {_offset(prefix.partition("/")[0]) // BLOCK for prefix in eni.ipv4_prefixes}
    holders = Counter(_offset(address) // BLOCK for address in held if ":" not in address)
    last = size // BLOCK - 1
    return [
        {
            "kind": "prefix" if block in prefixes else "addresses" if taken[block] else "aws" if block in {0, last} else "free",
            "taken": BLOCK if block in prefixes else taken[block],
            "held": holders[block],
        }
        for block in range(size // BLOCK)
    ]


def _offset(address: str) -> int:
    """Return the place of an address in 10.0.0.0/16."""
    third, fourth = address.split(".")[2:]
    return int(third) * 256 + int(fourth)
