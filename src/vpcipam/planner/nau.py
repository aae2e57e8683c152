"""The Network Address Usage (NAU) of nodes, and how much of it a VPC has."""

from collections.abc import Iterable
from typing import Any

from vpcipam.address import AddressMode
from vpcipam.planner.node_answers import NodePlan

NAU_QUOTA = 64_000
"""The Network Address Usage units of a VPC, by default; AWS raises it to 256,000 at most (Amazon VPC, "Network Address Usage")."""


def node_nau(answer: NodePlan) -> int:
    """Return the Network Address Usage of a node: one for each single address, each prefix, and each ENI beside the first.

    Source: Amazon VPC User Guide, "Network Address Usage for your VPC", table "How NAU is calculated". The table also has one unit for an
    EKS pod and does not say whether it comes on top of the pod's address or prefix; it is not counted here.
    """
    in_prefixes = answer.prefix_count * (answer.mode.addresses_per_slot if answer.mode is AddressMode.PREFIX else 0)
    enis = answer.eni_count + answer.branch_pods_assigned
    return answer.subnet_ips - in_prefixes + answer.prefix_count + enis - 1


def nodes_nau(nodes: Iterable[tuple[NodePlan, int]]) -> int:
    """Add up the Network Address Usage of nodes, each with the number of nodes like it."""
    return sum(count * node_nau(answer) for answer, count in nodes)


def nau_dict(units: int) -> dict[str, Any]:
    """Return units of a VPC, with their quota, as a JSON object."""
    return {"units": units, "quota": NAU_QUOTA}
