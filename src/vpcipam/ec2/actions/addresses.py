"""The actions on the secondary addresses and the prefixes of an ENI: assign and unassign, IPv4 and IPv6."""

from collections.abc import Iterable

from vpcipam.address import AddressMode, address_text
from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import AssignedAddresses
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.records import EniRecord, address_texts, prefix_texts
from vpcipam.ec2.state.rules import allocate_for_eni, claim_for_eni, find_holders, require_room, require_within
from vpcipam.ec2.state.subnet import NO_ADDRESSES, AddressCounts, AddressSet


class AddressActions(Actions):
    """The actions on the secondary addresses and the prefixes of an ENI."""

    def assign_private_ip_addresses(
        self,
        eni_id: str,
        *,
        secondary_ip_count: int = 0,
        ipv4_prefix_count: int = 0,
        addresses: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        allow_reassignment: bool = False,
        now_ns: int,
    ) -> AssignedAddresses:
        """Add secondary IPs or /28 prefixes, by count or by name: exactly one of the four per call.

        With `allow_reassignment`, a named secondary IP of another ENI of the subnet moves here with its Elastic IP, and one that this ENI
        has already stays. Primary IPs and prefixes never move.

        Raises:
            Ec2Error: PrivateIpAddressLimitExceeded beyond the type's limit if the ENI is attached; InsufficientFreeAddressesInSubnet and
                InsufficientCidrBlocks if the subnet has too few; InvalidParameterValue for a name that is not a free address of the
                subnet, and for prefixes on a type without them; InvalidParameterCombination for none or several of the four.
        """
        call = self._begin("AssignPrivateIpAddresses", now_ns)
        counts = AddressCounts(
            call.count("SecondaryPrivateIpAddressCount", secondary_ip_count), call.count("Ipv4PrefixCount", ipv4_prefix_count)
        )
        names, blocks = texts(addresses), texts(prefixes)
        call.exactly_one(
            SecondaryPrivateIpAddressCount=counts.addresses, Ipv4PrefixCount=counts.prefixes, PrivateIpAddresses=names, Ipv4Prefixes=blocks
        )
        named = call.named(names, blocks)
        eni = self._account.enis.find(call, eni_id)
        added = self._reassign(call, eni, named) if names and allow_reassignment else _assign(call, eni, counts, named)
        return self._done(call, AssignedAddresses(address_texts(added.addresses), prefix_texts(added.prefixes, AddressMode.PREFIX)))

    def unassign_private_ip_addresses(
        self, eni_id: str, *, addresses: Iterable[str] = (), prefixes: Iterable[str] = (), now_ns: int
    ) -> None:
        """Remove secondary IPs and prefixes from an ENI; both kinds may be given. An Elastic IP of a secondary IP is then disassociated.

        Raises:
            Ec2Error: InvalidParameterValue for the primary IP, and for what the ENI does not have; InvalidParameterCombination for nothing
                at all.
        """
        call = self._begin("UnassignPrivateIpAddresses", now_ns)
        named = call.named(*_at_least_one(call, addresses, prefixes))
        eni = self._account.enis.find(call, eni_id)
        if eni.private_ip in named.addresses:
            raise call.invalid(f"{address_text(eni.private_ip, 4)} is the primary IP of {eni_id}, which can't be unassigned")
        self._unassign(call, eni, named)
        self._done(call, None)

    def assign_ipv6_addresses(
        self,
        eni_id: str,
        *,
        ipv6_prefix_count: int = 0,
        ipv6_address_count: int = 0,
        addresses: Iterable[str] = (),
        prefixes: Iterable[str] = (),
        now_ns: int,
    ) -> tuple[str, ...]:
        """Add IPv6 addresses or /80 prefixes, by count or by name: exactly one of the four per call. Return them, ascending.

        Raises:
            Ec2Error: InvalidParameterCombination for none or several of the four; InvalidParameterValue for a name that is not a free
                address of the subnet, for a subnet without IPv6, and for prefixes on a type without them; PrivateIpAddressLimitExceeded
                beyond the type's limit if the ENI is attached; InsufficientCidrBlocks if the subnet has too few /80s.
        """
        call = self._begin("AssignIpv6Addresses", now_ns)
        counts = AddressCounts(
            ipv6_addresses=call.count("Ipv6AddressCount", ipv6_address_count),
            ipv6_prefixes=call.count("Ipv6PrefixCount", ipv6_prefix_count),
        )
        names, blocks = texts(addresses), texts(prefixes)
        call.exactly_one(
            Ipv6PrefixCount=counts.ipv6_prefixes, Ipv6AddressCount=counts.ipv6_addresses, Ipv6Addresses=names, Ipv6Prefixes=blocks
        )
        named = call.named(ipv6_addresses=names, ipv6_prefixes=blocks)
        added = _assign(call, self._account.enis.find(call, eni_id), counts, named)
        return self._done(call, (*address_texts(added.ipv6_addresses, 6), *prefix_texts(added.ipv6_prefixes, AddressMode.IPV6)))

    def unassign_ipv6_addresses(self, eni_id: str, *, addresses: Iterable[str] = (), prefixes: Iterable[str] = (), now_ns: int) -> None:
        """Remove IPv6 addresses and /80s from an ENI; both kinds may be given.

        Raises:
            Ec2Error: InvalidParameterValue for the primary IPv6 address, and for what the ENI does not have; InvalidParameterCombination
                for nothing at all.
        """
        call = self._begin("UnassignIpv6Addresses", now_ns)
        named = call.named((), (), *_at_least_one(call, addresses, prefixes))
        eni = self._account.enis.find(call, eni_id)
        if eni.primary_ipv6 in named.ipv6_addresses:
            raise call.invalid(f"{address_text(eni.primary_ipv6, 6)} is the primary IPv6 address of {eni_id}, which can't be unassigned")
        self._unassign(call, eni, named)
        self._done(call, None)

    def _unassign(self, call: Call, eni: EniRecord, named: AddressSet) -> None:
        if not eni.has(named):
            raise call.invalid(f"Some of the specified addresses are not assigned to interface {eni.eni_id}")
        self._account.unassign(eni, named)

    def _reassign(self, call: Call, eni: EniRecord, named: AddressSet) -> AddressSet:
        """Add named secondary IPs; other ENIs of the subnet lose them, and those that the ENI already has stay."""
        require_within(call, eni.subnet, named)
        holders = find_holders(call, eni, named)
        new = AddressSet(tuple(address for address in named.addresses if holders.get(address) is not eni))
        require_room(call, eni, new.counts)
        free = AddressSet(tuple(address for address in named.addresses if address not in holders))
        claim_for_eni(call, eni.subnet, free)
        for address, holder in holders.items():
            if holder is not eni:
                self._account.move_secondary_ip(address, holder, eni)
        eni.add(free)
        return named


def _at_least_one(call: Call, addresses: Iterable[str], prefixes: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names, blocks = texts(addresses), texts(prefixes)
    if not names and not blocks:
        call.exactly_one(addresses=names, prefixes=blocks)
    return names, blocks


def _assign(call: Call, eni: EniRecord, counts: AddressCounts, named: AddressSet) -> AddressSet:
    """Add addresses to an ENI, by count or by name; the other of the two is empty."""
    if named is NO_ADDRESSES:
        require_room(call, eni, counts)
        added = allocate_for_eni(call, eni.subnet, counts)
    else:
        require_room(call, eni, named.counts)
        require_within(call, eni.subnet, named)
        claim_for_eni(call, eni.subnet, named)
        added = named
    eni.add(added)
    return added
