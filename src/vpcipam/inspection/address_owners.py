"""Which ENI has an address, by EC2's answers."""

from collections.abc import Iterable

from vpcipam.address import IPV4_BITS, IPV6_BITS, Cidr
from vpcipam.ec2.api import NetworkInterface
from vpcipam.errors import InvalidCidr
from vpcipam.inspection.subnet_survey import parse_valid


class AddressOwners:
    """The ENIs by their addresses and prefixes, in each VPC, since VPCs can have the same addresses.

    Args:
        enis: those that EC2 shows; of two with one address, the last one counts.
    """

    def __init__(self, enis: Iterable[NetworkInterface] = ()) -> None:
        self._by_cidr: dict[tuple[str, Cidr], NetworkInterface] = {}
        for eni in enis:
            for cidr in parse_valid((*eni.single_ips, *eni.ipv4_prefixes, *eni.ipv6_addresses, *eni.ipv6_prefixes)):
                self._by_cidr[eni.vpc_id, cidr] = eni
        self._lengths = sorted({(cidr.version, cidr.prefix_length) for _, cidr in self._by_cidr})

    def of_cidr(self, vpc_id: str, cidr: Cidr) -> NetworkInterface | None:
        """Return the ENI that has exactly this address or prefix."""
        return self._by_cidr.get((vpc_id, cidr))

    def of_address(self, vpc_id: str, text: str) -> NetworkInterface | None:
        """Return the ENI that has an address, alone or in a prefix; None if no ENI has it or if it is no address."""
        try:
            address = Cidr.parse(text)
        except InvalidCidr:
            return None
        bits = IPV4_BITS if address.version == 4 else IPV6_BITS
        for version, length in self._lengths:
            if version == address.version:
                size = 1 << (bits - length)
                found = self._by_cidr.get((vpc_id, Cidr(version, address.first // size * size, length)))
                if found is not None:
                    return found
        return None
