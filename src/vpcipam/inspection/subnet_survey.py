"""How much room subnets have. EC2 reports the number of free addresses, but not which are free, nor the number of free /28s."""

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
        node_eni_count: how many of the node's ENIs are in it.
        excluded: its tags keep it from giving pods addresses.
        candidate: ipamd may create ENIs in it.
        free_prefix_bound: an upper bound on the free /28s: those without an address that is on an ENI or reserved by EC2, and in no
            explicit reservation. Where the reservations are not known, some of these /28s may be reserved.
        unseen_count: addresses that are neither free nor on an ENI nor in a known CIDR reservation.
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
    """Survey some of the subnets that were read, except those with an invalid CIDR."""
    return tuple(
        _survey(node, subnet, cidr, excluded=excluded, candidates=candidates)
        for subnet in node.subnets
        if subnet.subnet_id in subnet_ids
        for cidr in parse_valid((subnet.cidr,))
    )


def _survey(node: ObservedNode, subnet: Subnet, cidr: Cidr, *, excluded: Collection[str], candidates: Collection[str]) -> SubnetSurvey:
    taken = [*_taken(node.enis_by_subnet.get(subnet.subnet_id, ()))]
    reserved = reserved_addresses(cidr)
    known = None if node.reservations is None else [each for each in node.reservations if each.subnet_id == subnet.subnet_id]
    kept = [(each, of.reservation_type) for of in known or () for each in parse_valid((of.cidr,)) if each.version == cidr.version]
    inside = sum(each.size for each in taken for block, _ in kept if block.overlaps(each))
    used_count = sum(each.size for each in taken) + len(reserved) + sum(block.size for block, _ in kept) - inside
    unseen_count = max(0, cidr.size - used_count - subnet.available_ip_address_count)
    of_prefixes = [block for block, kind in kept if kind == "prefix"]
    explicit = [address for block, kind in kept if kind != "prefix" for address in range(block.first, block.last + 1, ADDRESSES_PER_PREFIX)]
    bound = _untouched_prefix_count(cidr, taken, (*reserved, *explicit))
    if known is not None or not unseen_count:  # so there is no other reservation
        inner = sum(_untouched_prefix_count(block, taken, reserved) for block in of_prefixes)
        bound = min(bound, inner + subnet.available_ip_address_count // ADDRESSES_PER_PREFIX)
    return SubnetSurvey(
        subnet=subnet,
        node_eni_count=sum(eni.subnet_id == subnet.subnet_id for eni in node.enis),
        excluded=subnet.subnet_id in excluded,
        candidate=subnet.subnet_id in candidates,
        free_prefix_bound=bound,
        unseen_count=unseen_count,
    )


def _taken(enis: Iterable[NetworkInterface]) -> Iterator[Cidr]:
    """The addresses and prefixes of ENIs, primary IPs included."""
    for eni in enis:
        yield from parse_valid((*eni.single_ips, *eni.ipv4_prefixes))


def _untouched_prefix_count(cidr: Cidr, taken: Iterable[Cidr], reserved: Iterable[int]) -> int:
    """Count the aligned /28s of a subnet that have no taken or reserved address."""
    first = cidr.first // ADDRESSES_PER_PREFIX
    count = cidr.size // ADDRESSES_PER_PREFIX
    touched = {each.first // ADDRESSES_PER_PREFIX for each in taken} | {address // ADDRESSES_PER_PREFIX for address in reserved}
    return count - sum(first <= block < first + count for block in touched)


def parse_valid(texts: Iterable[str]) -> Iterator[Cidr]:
    """Parse addresses and CIDRs, and leave out invalid ones; a rule of the audit reports those."""
    for text in texts:
        try:
            yield Cidr.parse(text)
        except InvalidCidr:
            continue
