"""What EC2 allows: room on an instance and in a subnet, and the error code of each refusal."""

import attrs

from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.ec2.api import NO_ROOM_FOR_SECONDARY, ErrorCode
from vpcipam.ec2.state.records import EniRecord, InstanceRecord, SubnetRecord, address_texts, prefix_texts
from vpcipam.ec2.state.requests import Call
from vpcipam.ec2.state.space import IPV6_PREFIX_SIZE, PREFIX_SIZE, reserved_addresses
from vpcipam.ec2.state.subnet import AddressCounts, AddressSet
from vpcipam.errors import AlreadyAllocated, NoFreeRun, PoolExhausted
from vpcipam.limits import InstanceLimits

DETACHED_IPV6_LIMIT = 1024
"""How many IPv6 addresses an ENI takes while it is on no instance: a bound of ours, far above that of any type, since a /64 has none."""

_NOTHING = AddressSet()

# --- addresses of a subnet -----------------------------------------------------------------------------------------------


def allocate_for_new_eni(
    call: Call,
    subnet: SubnetRecord,
    *,
    private_ip: int | None = None,
    named: AddressSet = _NOTHING,
    counts: AddressCounts | None = None,
) -> AddressSet:
    """Take the addresses of a new ENI, or refuse the call with the codes of CreateNetworkInterface; the first one is its primary IP."""
    wanted = AddressCounts() if counts is None else counts
    if private_ip is not None:
        named = AddressSet((private_ip,)) + named
    _require_ipv6(call, subnet, wanted, named)
    if named.counts.ipv6_addresses + wanted.ipv6_addresses > DETACHED_IPV6_LIMIT:
        raise _too_many_ipv6(call)
    require_within(call, subnet, named)
    pool = subnet.addresses
    with pool.all_or_nothing():
        try:
            pool.claim(named)
        except AlreadyAllocated:
            raise call.refusal(
                ErrorCode.ADDRESS_IN_USE, f"[{', '.join(_names(named))}]: the specified address is already in use."
            ) from None
        if private_ip is None and pool.free_count == 0:
            raise call.refusal(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, f"{subnet.subnet_id} has no free address for a primary IP")
        ipv6 = _allocate(call, subnet, attrs.evolve(wanted, addresses=0, prefixes=0))
        try:
            ipv4 = pool.allocate(address_count=(private_ip is None) + wanted.addresses, prefix_count=wanted.prefixes)
        except (PoolExhausted, NoFreeRun) as error:
            raise call.invalid(f"{NO_ROOM_FOR_SECONDARY}: {error}") from None
    return ipv4 + ipv6 + named if private_ip is None else named + ipv4 + ipv6


def allocate_for_eni(call: Call, subnet: SubnetRecord, counts: AddressCounts) -> AddressSet:
    """Take addresses or prefixes for an ENI that is there, or refuse the call with the codes of the Assign actions."""
    _require_ipv6(call, subnet, counts, _NOTHING)
    return _allocate(call, subnet, counts)


def claim_for_eni(call: Call, subnet: SubnetRecord, named: AddressSet) -> None:
    """Take named addresses or prefixes for an ENI that is there, or refuse the call with the codes of the Assign actions."""
    try:
        subnet.addresses.claim(named)
    except AlreadyAllocated:
        raise _not_movable(call, named) from None


def find_holders(call: Call, eni: EniRecord, named: AddressSet) -> dict[int, EniRecord]:
    """Find the ENIs that have named addresses as secondary ones, by address, so that those can move; refuse what can't move.

    Complexity: O(addresses × ENIs of the subnet).
    """
    holders = {}
    for address in named.addresses:
        if eni.subnet.addresses.is_taken(address):
            holder = next((each for each in eni.subnet.enis.values() if address in each.secondary_ips), None)
            if holder is None:
                raise _not_movable(call, named)
            holders[address] = holder
    return holders


def require_within(call: Call, subnet: SubnetRecord, named: AddressSet) -> None:
    """Check that named addresses and prefixes lie in a subnet, and not in what EC2 keeps of it."""
    ipv4, ipv6 = subnet.addresses.cidr, subnet.addresses.ipv6_cidr
    blocks = [(ipv4, address, 1) for address in named.addresses] + [(ipv4, prefix, PREFIX_SIZE) for prefix in named.prefixes]
    if ipv6 is None:
        if named.ipv6_addresses or named.ipv6_prefixes:
            raise _without_ipv6(call, subnet)
    else:
        blocks += [(ipv6, address, 1) for address in named.ipv6_addresses]
        blocks += [(ipv6, prefix, IPV6_PREFIX_SIZE) for prefix in named.ipv6_prefixes]
    for cidr, first, size in blocks:
        if first not in cidr or any(first <= address < first + size for address in reserved_addresses(cidr)):
            raise call.invalid(
                f"{address_text(first, cidr.version)} does not fall within {cidr}, the address range of {subnet.subnet_id}, or is in a "
                "part of it that EC2 reserves"
            )


def require_reservable(call: Call, subnet: SubnetRecord, cidr: Cidr) -> None:
    """Check that a range of a subnet can be reserved. That addresses in it are in use does not matter to EC2."""
    whole = subnet.addresses.cidr if cidr.version == 4 else subnet.addresses.ipv6_cidr
    if whole is None or not holds(whole, cidr):
        raise call.invalid(f"{cidr} does not fall within the IPv{cidr.version} CIDR of {subnet.subnet_id}: {whole}")
    for other in subnet.addresses.reservations:
        if other.overlaps(cidr):
            raise call.invalid(f"Reservation CIDR {cidr} has overlap with existing reserved CIDR block {other}")


def holds(whole: Cidr, part: Cidr) -> bool:
    """Tell whether a CIDR lies in another of the same IP version."""
    return part.first in whole and part.last in whole


def _allocate(call: Call, subnet: SubnetRecord, counts: AddressCounts) -> AddressSet:
    try:
        return subnet.addresses.allocate(
            address_count=counts.addresses,
            prefix_count=counts.prefixes,
            ipv6_address_count=counts.ipv6_addresses,
            ipv6_prefix_count=counts.ipv6_prefixes,
        )
    except PoolExhausted as error:
        raise call.refusal(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, str(error)) from None
    except NoFreeRun as error:
        raise call.refusal(ErrorCode.INSUFFICIENT_CIDR_BLOCKS, str(error)) from None


def _require_ipv6(call: Call, subnet: SubnetRecord, counts: AddressCounts, named: AddressSet) -> None:
    if subnet.addresses.ipv6_cidr is None and (counts.ipv6_count or named.counts.ipv6_count):
        raise _without_ipv6(call, subnet)


def _without_ipv6(call: Call, subnet: SubnetRecord) -> Exception:
    return call.invalid(f"{subnet.subnet_id} has no IPv6 CIDR to take addresses or prefixes from")


def _not_movable(call: Call, named: AddressSet) -> Exception:
    return call.invalid(f"[{', '.join(_names(named))}] assigned, but move is not allowed.")


def _names(named: AddressSet) -> tuple[str, ...]:
    return (
        *address_texts(named.addresses),
        *prefix_texts(named.prefixes, AddressMode.PREFIX),
        *address_texts(named.ipv6_addresses, 6),
        *prefix_texts(named.ipv6_prefixes, AddressMode.IPV6),
    )


# --- room on an instance -------------------------------------------------------------------------------------------------


def require_place(call: Call, instance: InstanceRecord, place: tuple[int, int]) -> None:
    """Check that an instance has a place, given as network card and device index, for one more ENI."""
    card, device_index = place
    limits = instance.limits
    if card not in range(len(limits.network_cards)):
        raise call.invalid(f"network_card_index is {card}; {limits.instance_type} has cards 0 to {len(limits.network_cards) - 1}")
    if device_index < 0:
        raise call.invalid(f"device_index is {device_index}; it must be 0 or more")
    if place in instance.devices:
        raise call.invalid(f"Instance '{instance.instance_id}' already has an interface attached at device index '{device_index}'.")
    limit = limits.network_cards[card]
    if instance.device_count(card) >= limit:
        raise call.refusal(
            ErrorCode.ATTACHMENT_LIMIT_EXCEEDED,
            f"Interface count {limit + 1} exceeds the limit for {limits.instance_type} (network card {card})",
        )
    highest = limit - 1 if card == limits.default_network_card else limit
    if device_index > highest:
        raise call.invalid(f"device_index is {device_index}; network card {card} of {limits.instance_type} has 0 to {highest}")


def require_limits(call: Call, limits: InstanceLimits, eni: EniRecord) -> None:
    """Check the addresses that an ENI brings to an instance."""
    for count, limit in ((eni.counts.ipv4_count, limits.ipv4_per_eni), (eni.counts.ipv6_count, limits.ipv6_per_eni)):
        if count > limit:
            raise call.refusal(
                ErrorCode.ADDRESS_LIMIT_EXCEEDED,
                f"Address count {count} on {eni.eni_id} exceeds the limit for {limits.instance_type} ({limit})",
            )
    if eni.counts.has_prefixes:
        _require_prefix_support(call, limits)


def require_room(call: Call, eni: EniRecord, wanted: AddressCounts) -> None:
    """Check what an ENI is to get against the limits of its instance. Without one there are none, but for a bound on IPv6 addresses."""
    if eni.instance is None:
        if eni.counts.ipv6_addresses + wanted.ipv6_addresses > DETACHED_IPV6_LIMIT:
            raise _too_many_ipv6(call)
        return
    limits = eni.instance.limits
    if wanted.has_prefixes:
        _require_prefix_support(call, limits)
    if eni.counts.ipv4_count + wanted.ipv4_count > limits.ipv4_per_eni or eni.counts.ipv6_count + wanted.ipv6_count > limits.ipv6_per_eni:
        raise call.refusal(
            ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED,
            f"Number of private addresses will exceed limit: an ENI of {limits.instance_type} takes {limits.ipv4_per_eni} IPv4 and "
            f"{limits.ipv6_per_eni} IPv6 addresses, prefixes included",
        )


def _require_prefix_support(call: Call, limits: InstanceLimits) -> None:
    if not limits.supports_prefixes:
        raise call.invalid(f"{limits.instance_type} takes no prefixes: they need a Nitro instance")


def _too_many_ipv6(call: Call) -> Exception:
    return call.refusal(
        ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED, f"An ENI that is on no instance takes {DETACHED_IPV6_LIMIT} IPv6 addresses at most"
    )
