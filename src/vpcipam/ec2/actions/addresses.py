"""The addresses of an ENI: assign and unassign."""

from collections.abc import Iterable

from vpcipam.address import AddressMode, address_text
from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import AssignedAddresses
from vpcipam.ec2.records import address_texts, prefix_texts
from vpcipam.ec2.requests import texts
from vpcipam.ec2.rules import allocate_for_eni, claim_for_eni, require_room
from vpcipam.ec2.subnet import AddressSet


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
        now_ns: int,
    ) -> AssignedAddresses:
        """Add secondary IPs or /28 prefixes, by count or by name: one of the four in a call.

        Raises:
            Ec2Error: PrivateIpAddressLimitExceeded beyond the type's limit, where the ENI is attached; InsufficientFreeAddressesInSubnet
                and InsufficientCidrBlocks where the subnet has too few; InvalidParameterValue for a name that is no free address of the
                subnet, and for prefixes on a type without them; InvalidParameterCombination for none or several of the four.
        """
        call = self._begin("AssignPrivateIpAddresses", now_ns)
        address_count = call.count("secondary_ip_count", secondary_ip_count)
        prefix_count = call.count("ipv4_prefix_count", ipv4_prefix_count)
        address_texts_, prefix_texts_ = texts(addresses), texts(prefixes)
        call.one_kind(secondary_ip_count=address_count, ipv4_prefix_count=prefix_count, addresses=address_texts_, prefixes=prefix_texts_)
        named = call.named(address_texts_, prefix_texts_)
        eni = self._account.eni(call, eni_id)
        require_room(
            call,
            eni,
            ipv4_count=address_count + prefix_count + len(named.addresses) + len(named.prefixes),
            has_prefixes=bool(prefix_count or named.prefixes),
        )
        added = (
            claim_for_eni(call, eni.subnet, named)
            if named != AddressSet()
            else allocate_for_eni(call, eni.subnet, address_count, prefix_count)
        )
        eni.add(added)
        return self._done(call, AssignedAddresses(address_texts(added.addresses), prefix_texts(added.prefixes, AddressMode.PREFIX)))

    def unassign_private_ip_addresses(
        self, eni_id: str, *, addresses: Iterable[str] = (), prefixes: Iterable[str] = (), now_ns: int
    ) -> None:
        """Take secondary IPs and prefixes off an ENI; both kinds may be given.

        Raises:
            Ec2Error: InvalidParameterValue for the primary IP, and for what the ENI does not have; InvalidParameterCombination for nothing
                at all.
        """
        call = self._begin("UnassignPrivateIpAddresses", now_ns)
        address_texts_, prefix_texts_ = texts(addresses), texts(prefixes)
        if not address_texts_ and not prefix_texts_:
            call.one_kind(addresses=address_texts_, prefixes=prefix_texts_)
        named = call.named(address_texts_, prefix_texts_)
        eni = self._account.eni(call, eni_id)
        if eni.private_ip in named.addresses:
            raise call.invalid(f"{address_text(eni.private_ip, 4)} is the primary IP of {eni_id}, which can't be unassigned")
        if not (eni.secondary_ips.issuperset(named.addresses) and eni.prefixes.issuperset(named.prefixes)):
            raise call.invalid(f"Some of the specified addresses are not assigned to interface {eni_id}")
        eni.remove(named)
        eni.subnet.addresses.release(named)
        self._done(call, None)

    def assign_ipv6_addresses(self, eni_id: str, *, ipv6_prefix_count: int, now_ns: int) -> tuple[str, ...]:
        """Add /80 prefixes; the answer is what was added, ascending.

        Raises:
            Ec2Error: InvalidParameterValue for a count below 1, a subnet without IPv6, or a type without prefixes;
                PrivateIpAddressLimitExceeded beyond the type's limit, where the ENI is attached; InsufficientCidrBlocks where the subnet
                has too few.
        """
        call = self._begin("AssignIpv6Addresses", now_ns)
        count = call.count("ipv6_prefix_count", ipv6_prefix_count)
        if count == 0:
            raise call.invalid("ipv6_prefix_count is 0; it must be 1 or more")
        eni = self._account.eni(call, eni_id)
        require_room(call, eni, ipv6_count=count, has_prefixes=True)
        added = allocate_for_eni(call, eni.subnet, ipv6_prefix_count=count)
        eni.add(added)
        return self._done(call, prefix_texts(added.ipv6_prefixes, AddressMode.IPV6))
