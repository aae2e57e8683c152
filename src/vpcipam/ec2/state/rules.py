"""EC2's checks: room in a subnet and on an instance, each with the error code of its refusal."""

import attrs

from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.ec2.errors import NO_ROOM_FOR_SECONDARY, ErrorCode
from vpcipam.ec2.state.call import EFA_ONLY, Call
from vpcipam.ec2.state.records import EniRecord, InstanceRecord, SubnetRecord, address_texts, prefix_texts
from vpcipam.ec2.state.subnet import NO_ADDRESSES, AddressCounts, AddressSet
from vpcipam.ec2.subnet_rules import IPV6_PREFIX_SIZE, PREFIX_SIZE, reserved_addresses
from vpcipam.errors import AlreadyAllocated, NoFreeRun, PoolExhausted
from vpcipam.limits import InstanceLimits

UNATTACHED_IPV6_LIMIT = 1024
"""The most IPv6 addresses of an unattached ENI. The limit is the model's own, far above that of any type; a /64 alone would not limit a
call."""

_NO_COUNTS = AddressCounts()

# --- addresses of a subnet -----------------------------------------------------------------------------------------------


def allocate_for_new_eni(
    call: Call,
    subnet: SubnetRecord,
    *,
    private_ip: int | None = None,
    named: AddressSet = NO_ADDRESSES,
    counts: AddressCounts = _NO_COUNTS,
) -> AddressSet:
    """Take the addresses of a new ENI, or refuse the call with CreateNetworkInterface's codes. The first address is the primary IP."""
    if private_ip is not None:
        named = AddressSet((private_ip,)) + named
    _require_ipv6(call, subnet, counts)
    if len(named.ipv6_addresses) + counts.ipv6_addresses > UNATTACHED_IPV6_LIMIT:
        raise _too_many_ipv6(call)
    if named is not NO_ADDRESSES:
        require_within(call, subnet, named)
    pool = subnet.addresses
    with pool.all_or_nothing():
        try:
            if named is not NO_ADDRESSES:
                pool.claim(named)
        except AlreadyAllocated:
            raise call.refusal(ErrorCode.ADDRESS_IN_USE, f"[{_names(named)}]: the specified address is already in use.") from None
        if private_ip is None and pool.free_count == 0:
            raise call.refusal(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, f"{subnet.subnet_id} has no free address for a primary IP")
        ipv6 = NO_ADDRESSES
        if counts.ipv6_count:
            wanted = AddressCounts(ipv6_addresses=counts.ipv6_addresses, ipv6_prefixes=counts.ipv6_prefixes)
            ipv6 = allocate_for_eni(call, subnet, wanted)
        try:
            ipv4 = pool.allocate(AddressCounts((private_ip is None) + counts.addresses, counts.prefixes))
        except (PoolExhausted, NoFreeRun) as error:
            raise call.invalid(f"{NO_ROOM_FOR_SECONDARY}: {error}") from None
    return ipv4 + ipv6 + named if private_ip is None else named + ipv4 + ipv6


def require_ipv6_for_primary(call: Call, ipv6_count: int) -> None:
    """Check that an ENI that is to have a primary IPv6 address has an IPv6 address; a /80 can't be one."""
    if not ipv6_count:
        raise call.refusal(
            ErrorCode.INVALID_PARAMETER_COMBINATION,
            "A primary IPv6 address needs an IPv6 address of the network interface; a prefix is none.",
        )


def with_ipv6_of_subnet(subnet: SubnetRecord, named: AddressSet, counts: AddressCounts) -> AddressCounts:
    """Return the counts of a new ENI, with one IPv6 address if it asks for no IPv6 and its subnet assigns one on creation."""
    if subnet.assign_ipv6_address_on_creation and not (counts.ipv6_count or named.counts.ipv6_count):
        return attrs.evolve(counts, ipv6_addresses=1)
    return counts


def allocate_for_eni(call: Call, subnet: SubnetRecord, counts: AddressCounts) -> AddressSet:
    """Take addresses or prefixes for an existing ENI, or refuse the call with the codes of the Assign actions."""
    _require_ipv6(call, subnet, counts)
    try:
        return subnet.addresses.allocate(counts)
    except PoolExhausted as error:
        raise call.refusal(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, str(error)) from None
    except NoFreeRun as error:
        raise call.refusal(ErrorCode.INSUFFICIENT_CIDR_BLOCKS, str(error)) from None


def claim_for_eni(call: Call, subnet: SubnetRecord, named: AddressSet) -> None:
    """Take named addresses or prefixes for an existing ENI, or refuse the call with the codes of the Assign actions."""
    try:
        subnet.addresses.claim(named)
    except AlreadyAllocated:
        raise _not_movable(call, named) from None


def find_holders(call: Call, eni: EniRecord, named: AddressSet) -> dict[int, EniRecord]:
    """Map each named address that is taken to the ENI that has it as a secondary IP; refuse the call if one can't move.

    Complexity: O(addresses × ENIs of the subnet).
    """
    holders = {}
    for address in named.addresses:
        if eni.subnet.addresses.ipv4.is_taken(address):
            holder = next((each for each in eni.subnet.enis.values() if address in each.secondary_ips), None)
            if holder is None:
                raise _not_movable(call, named)
            holders[address] = holder
    return holders


def require_within(call: Call, subnet: SubnetRecord, named: AddressSet) -> None:
    """Check that named addresses and prefixes lie in a subnet and contain no address that EC2 keeps."""
    _require_ipv6(call, subnet, named.counts)
    ipv4, ipv6 = subnet.addresses.cidr, subnet.addresses.ipv6_cidr
    cidrs_and_sizes = ((ipv4, 1), (ipv4, PREFIX_SIZE), (ipv6, 1), (ipv6, IPV6_PREFIX_SIZE))
    named_blocks = zip(cidrs_and_sizes, named.kinds, strict=True)
    for cidr, size, first in [(cidr, size, first) for (cidr, size), firsts in named_blocks for first in firsts if cidr is not None]:
        if first not in cidr or any(first <= address < first + size for address in reserved_addresses(cidr)):
            raise call.invalid(
                f"{address_text(first, cidr.version)} does not fall within {cidr}, the address range of {subnet.subnet_id}, or contains "
                "an address that EC2 reserves"
            )


def require_reservable(call: Call, subnet: SubnetRecord, cidr: Cidr) -> None:
    """Check that a range of a subnet can be reserved. Addresses in it can be in use (EC2)."""
    whole = subnet.addresses.whole(cidr.version)
    if whole is None or not holds(whole, cidr):
        raise call.invalid(f"Reservation CIDR should be within subnet CIDR block ({whole})")
    for other in subnet.addresses.reservations:
        if other.overlaps(cidr):
            raise call.invalid(f"Reservation CIDR {cidr} has overlap with existing reserved CIDR block")


def holds(whole: Cidr, part: Cidr) -> bool:
    """Tell whether a CIDR lies in another of the same IP version."""
    return part.first in whole and part.last in whole


def _require_ipv6(call: Call, subnet: SubnetRecord, counts: AddressCounts) -> None:
    if subnet.addresses.ipv6_cidr is None and counts.ipv6_count:
        raise call.invalid(f"{subnet.subnet_id} has no IPv6 CIDR to take addresses or prefixes from")


def _not_movable(call: Call, named: AddressSet) -> Exception:
    return call.invalid(f"[{_names(named)}] assigned, but move is not allowed.")


def _names(named: AddressSet) -> str:
    ipv4 = (*address_texts(named.addresses), *prefix_texts(named.prefixes, AddressMode.PREFIX))
    ipv6 = (*address_texts(named.ipv6_addresses, 6), *prefix_texts(named.ipv6_prefixes, AddressMode.IPV6))
    return ", ".join((*ipv4, *ipv6))


# --- room on an instance -------------------------------------------------------------------------------------------------


def require_place(call: Call, instance: InstanceRecord, place: tuple[int, int]) -> None:
    """Check that an ENI can be attached to an instance at a place: network card and device index."""
    card, device_index = place
    limits = instance.limits
    require_card(call, limits, place)
    if place in instance.devices:
        raise call.invalid(f"Instance '{instance.instance_id}' already has an interface attached at device index '{device_index}'.")
    limit = limits.network_cards[card]
    if instance.device_count(card) >= limit:
        raise call.refusal(
            ErrorCode.ATTACHMENT_LIMIT_EXCEEDED,
            f"Interface count {limit + 1} exceeds the limit for {limits.instance_type} (network card {card})",
        )
    require_index(call, limits, place)


def require_card(call: Call, limits: InstanceLimits, place: tuple[int, int]) -> None:
    """Check that an instance type has the network card of a place, and that the device index is not negative."""
    card, device_index = place
    if card not in range(len(limits.network_cards)):
        raise call.invalid(f"NetworkCardIndex is {card}; {limits.instance_type} has cards 0 to {len(limits.network_cards) - 1}")
    if device_index < 0:
        raise call.invalid(f"DeviceIndex is {device_index}; it must be 0 or more")


def require_index(call: Call, limits: InstanceLimits, place: tuple[int, int]) -> None:
    """Check that the device index of a place is not above the highest one of the card."""
    card, device_index = place
    limit = limits.network_cards[card]
    highest = limit - 1 if card == limits.default_network_card else limit
    if device_index > highest:
        raise call.invalid(f"DeviceIndex is {device_index}; network card {card} of {limits.instance_type} has 0 to {highest}")


def only_eni(call: Call, instance: InstanceRecord) -> EniRecord:
    """Return the only ENI of an instance, or refuse the call."""
    eni, *others = instance.enis()
    if others:
        several = f"There are multiple interfaces attached to instance '{instance.instance_id}'."
        raise call.refusal(ErrorCode.INSTANCE_INVALID, f"{several} Please specify an interface ID for the operation instead.")
    return eni


def require_limits(call: Call, limits: InstanceLimits, eni: EniRecord) -> None:
    """Check an ENI's addresses against the limits of the instance type that it will be attached to."""
    for count, limit in ((eni.ipv4_count, limits.ipv4_per_eni), (eni.ipv6_count, limits.ipv6_per_eni)):
        if count > limit:
            raise call.refusal(
                ErrorCode.ADDRESS_LIMIT_EXCEEDED,
                f"Address count {count} on {eni.eni_id} exceeds the limit for {limits.instance_type} ({limit})",
            )
    if eni.prefixes or eni.ipv6_prefixes:
        _require_prefix_support(call, limits)


def require_room(call: Call, eni: EniRecord, wanted: AddressCounts) -> None:
    """Check that an ENI can get more addresses, by its own type and by the limits of its instance type.

    An unattached ENI has only a limit on IPv6 addresses.
    """
    if eni.interface_type == EFA_ONLY:
        raise call.invalid(f"{eni.eni_id} is an EFA-only network interface, which takes no IP addresses")
    if eni.instance is None:
        if len(eni.ipv6_addresses) + wanted.ipv6_addresses > UNATTACHED_IPV6_LIMIT:
            raise _too_many_ipv6(call)
        return
    limits = eni.instance.limits
    if wanted.has_prefixes:
        _require_prefix_support(call, limits)
    if eni.ipv4_count + wanted.ipv4_count > limits.ipv4_per_eni or eni.ipv6_count + wanted.ipv6_count > limits.ipv6_per_eni:
        raise call.refusal(
            ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED,
            f"Number of private addresses will exceed limit: an ENI of {limits.instance_type} takes {limits.ipv4_per_eni} IPv4 and "
            f"{limits.ipv6_per_eni} IPv6 addresses, prefixes included",
        )


def _require_prefix_support(call: Call, limits: InstanceLimits) -> None:
    if not limits.supports_prefixes:
        raise call.invalid(f"{limits.instance_type} takes no prefixes: only Nitro instances do")


def _too_many_ipv6(call: Call) -> Exception:
    return call.refusal(ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED, f"An unattached ENI takes at most {UNATTACHED_IPV6_LIMIT} IPv6 addresses")
