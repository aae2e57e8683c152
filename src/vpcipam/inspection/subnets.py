"""How much room subnets have, as far as it can be known: EC2 tells how many addresses are free, not which, and nothing of /28s."""

from collections.abc import Collection, Iterable, Iterator

import attrs

from vpcipam.address import Cidr
from vpcipam.ec2.api import NetworkInterface, Subnet
from vpcipam.ec2.subnet_rules import reserved_addresses
from vpcipam.errors import InvalidCidr
from vpcipam.inspection.observed import ObservedNode
from vpcipam.limits import ADDRESSES_PER_PREFIX


@attrs.frozen(kw_only=True)
class SubnetSurvey:
    """One subnet.

    Attributes:
        subnet: as it was read.
        node_eni_count: the node's ENIs in it.
        excluded: whether it is tagged to give pods no addresses.
        candidate: whether ipamd may make new ENIs in it.
        free_prefix_bound: the most /28s that can be free in it: those without an address that EC2 shows on an ENI or keeps for itself. A
            reservation that EC2 was not asked for can hold any of them.
        unseen_count: addresses that are neither free nor on an ENI that EC2 shows: those of CIDR reservations, for one.
    """

    subnet: Subnet
    node_eni_count: int
    excluded: bool
    candidate: bool
    free_prefix_bound: int
    unseen_count: int

    @property
    def free_count(self) -> int:
        """The free addresses, as EC2 counts them."""
        return self.subnet.available_ip_address_count


def survey_subnets(
    node: ObservedNode, subnet_ids: Collection[str], *, excluded: Collection[str], candidates: Collection[str]
) -> tuple[SubnetSurvey, ...]:
    """Look at some of the subnets that were read; one whose CIDR makes no sense is left out."""
    return tuple(
        _survey(node, subnet, cidr, excluded=excluded, candidates=candidates)
        for subnet in node.subnets
        if subnet.subnet_id in subnet_ids
        for cidr in legible((subnet.cidr,))
    )


def _survey(node: ObservedNode, subnet: Subnet, cidr: Cidr, *, excluded: Collection[str], candidates: Collection[str]) -> SubnetSurvey:
    taken = [*_taken(node.enis_by_subnet.get(subnet.subnet_id, ()))]
    kept = reserved_addresses(cidr)
    used_count = sum(each.size for each in taken) + len(kept)
    return SubnetSurvey(
        subnet=subnet,
        node_eni_count=sum(eni.subnet_id == subnet.subnet_id for eni in node.enis),
        excluded=subnet.subnet_id in excluded,
        candidate=subnet.subnet_id in candidates,
        free_prefix_bound=_untouched_prefix_count(cidr, taken, kept),
        unseen_count=max(0, cidr.size - used_count - subnet.available_ip_address_count),
    )


def _taken(enis: Iterable[NetworkInterface]) -> Iterator[Cidr]:
    """What ENIs have of their subnet, primary IPs included."""
    for eni in enis:
        yield from legible((*([eni.private_ip] if eni.private_ip else []), *eni.secondary_ips, *eni.ipv4_prefixes))


def _untouched_prefix_count(cidr: Cidr, taken: Iterable[Cidr], kept: Iterable[int]) -> int:
    """Count the aligned /28s of a subnet in which nothing is taken or kept."""
    first = cidr.first // ADDRESSES_PER_PREFIX
    count = cidr.size // ADDRESSES_PER_PREFIX
    touched = {each.first // ADDRESSES_PER_PREFIX for each in taken} | {address // ADDRESSES_PER_PREFIX for address in kept}
    return count - sum(first <= block < first + count for block in touched)


def legible(texts: Iterable[str]) -> Iterator[Cidr]:
    """Read addresses and CIDRs; those that make no sense are left out, and the audit has a rule for them."""
    for text in texts:
        try:
            yield Cidr.parse(text)
        except InvalidCidr:
            continue
