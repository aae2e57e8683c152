"""The facts of nodes that were read from EC2 itself, as `Evidence`, and evidence from several places in one."""

from collections.abc import Iterable

import attrs

from vpcipam.inspection.evidence import DocumentRead, Evidence, Fact, Source
from vpcipam.inspection.observed import ObservedNode


def evidence_of(nodes: Iterable[ObservedNode], name: str) -> Evidence:
    """Return what EC2 showed of nodes.

    Args:
        nodes: as they were read.
        name: names the place in sources, such as `EC2 in eu-central-1`.
    """
    found = tuple(nodes)
    enis = {eni.eni_id: eni for node in found for each in (node.unattached, *node.enis_by_subnet.values(), node.enis) for eni in each}
    subnets = {subnet.subnet_id: subnet for node in found for subnet in node.subnets}
    reservations = {each.reservation_id: each for node in found for each in node.reservations or ()}
    source = Source(name)
    return Evidence(
        documents=(DocumentRead(source, "EC2 itself", len(found)),),
        network_interfaces=tuple(Fact(eni, source) for eni in enis.values()),
        instances=tuple(Fact(node.instance, source) for node in found),
        subnets=tuple(Fact(subnet, source) for subnet in subnets.values()),
        reservations=tuple(Fact(each, source) for each in reservations.values()),
    )


def merged(first: Evidence, second: Evidence) -> Evidence:
    """Return the facts of both. Where both show the same ENI, subnet or instance, the second one counts."""
    fields = attrs.fields_dict(Evidence)
    return Evidence(**{name: getattr(first, name) + getattr(second, name) for name in fields})
