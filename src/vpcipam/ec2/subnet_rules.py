"""EC2's documented rules for subnets: allowed sizes, the five addresses that EC2 keeps, and how addresses are chosen."""

from typing import Literal

from vpcipam.address import AddressMode, Cidr

IPV4_PREFIX_LENGTHS = range(16, 28 + 1)
"""The allowed sizes of an IPv4 CIDR of a VPC or a subnet."""
NOT_FOR_VPCS = tuple(map(Cidr.parse, ("127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4")))
"""The ranges that no VPC can have: loopback, link-local and multicast (Amazon VPC User Guide, "VPC CIDR blocks")."""
CIDR_QUOTA = 5
"""The IPv4 CIDRs of a VPC, by default (Amazon VPC User Guide, "Amazon VPC quotas")."""
MAX_CIDR_QUOTA = 50
"""The highest quota of these that AWS grants on request (as before)."""
VPC_IPV6_PREFIX_LENGTHS = range(44, 60 + 1, 4)
SUBNET_IPV6_PREFIX_LENGTH = 64
PREFIX_SIZE = AddressMode.PREFIX.addresses_per_slot
"""The addresses in a /28, the IPv4 prefix of an ENI."""
IPV6_PREFIX_SIZE = AddressMode.IPV6.addresses_per_slot
"""The addresses in a /80, the IPv6 prefix of an ENI."""
RESERVATION_TYPES = ("prefix", "explicit")
"""The types of subnet CIDR reservations."""

AddressChoice = Literal["lowest", "random"]
"""Which free address or block is taken next."""


def reserved_addresses(cidr: Cidr) -> tuple[int, ...]:
    """List the addresses of a subnet that EC2 keeps for itself, ascending.

    EC2 keeps the first four addresses (network, router, DNS, future use) and the last (broadcast), in IPv6 too.

    >>> from vpcipam.address import address_text
    >>> [address_text(address, 4) for address in reserved_addresses(Cidr.parse("10.0.1.0/24"))]
    ['10.0.1.0', '10.0.1.1', '10.0.1.2', '10.0.1.3', '10.0.1.255']
    """
    return (*range(cidr.first, cidr.first + 4), cidr.last)
