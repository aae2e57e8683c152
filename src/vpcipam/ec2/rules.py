"""What EC2 allows: room on an instance and in a subnet, and the error code of each refusal."""

from vpcipam.address import AddressMode, address_text
from vpcipam.ec2.api import NO_ROOM_FOR_SECONDARY, ErrorCode
from vpcipam.ec2.records import EniRecord, InstanceRecord, SubnetRecord, address_texts, prefix_texts
from vpcipam.ec2.requests import Call
from vpcipam.ec2.subnet import PREFIX_SIZE, AddressSet
from vpcipam.errors import AlreadyAllocated, NoFreeRun, PoolExhausted
from vpcipam.limits import InstanceLimits


def allocate_for_new_eni(
    call: Call, subnet: SubnetRecord, address_count: int = 0, prefix_count: int = 0, ipv6_count: int = 0
) -> AddressSet:
    """Take a primary IP and the rest of a new ENI, or refuse the call with the codes of CreateNetworkInterface."""
    if subnet.addresses.free_count == 0:
        raise call.refusal(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, f"{subnet.subnet_id} has no free address for a primary IP")
    _require_ipv6_room(call, subnet, ipv6_count)
    try:
        return subnet.addresses.allocate(address_count=1 + address_count, prefix_count=prefix_count, ipv6_prefix_count=ipv6_count)
    except (PoolExhausted, NoFreeRun) as error:
        raise call.invalid(f"{NO_ROOM_FOR_SECONDARY}: {error}") from None


def allocate_for_eni(
    call: Call, subnet: SubnetRecord, address_count: int = 0, prefix_count: int = 0, ipv6_prefix_count: int = 0
) -> AddressSet:
    """Take addresses or prefixes for an ENI that is there, or refuse the call with the codes of the Assign actions."""
    _require_ipv6_room(call, subnet, ipv6_prefix_count)
    try:
        return subnet.addresses.allocate(address_count=address_count, prefix_count=prefix_count, ipv6_prefix_count=ipv6_prefix_count)
    except PoolExhausted as error:
        raise call.refusal(ErrorCode.INSUFFICIENT_FREE_ADDRESSES, str(error)) from None
    except NoFreeRun as error:
        raise call.refusal(ErrorCode.INSUFFICIENT_CIDR_BLOCKS, str(error)) from None


def claim_for_eni(call: Call, subnet: SubnetRecord, named: AddressSet) -> AddressSet:
    """Take named addresses or /28s, or refuse the call."""
    for first, size in [(address, 1) for address in named.addresses] + [(prefix, PREFIX_SIZE) for prefix in named.prefixes]:
        last = first + size - 1
        cidr = subnet.addresses.cidr
        if first not in cidr or subnet.addresses.is_reserved(first) or subnet.addresses.is_reserved(last):
            raise call.invalid(
                f"{address_text(first, 4)} is outside of {cidr}, the CIDR of {subnet.subnet_id}, or in a part that EC2 reserves"
            )
    try:
        subnet.addresses.claim(named)
    except AlreadyAllocated:
        names = (*address_texts(named.addresses), *prefix_texts(named.prefixes, AddressMode.PREFIX))
        raise call.invalid(f"[{', '.join(names)}] assigned, but move is not allowed.") from None
    return named


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
    for count, limit in ((eni.ipv4_count, limits.ipv4_per_eni), (len(eni.ipv6_prefixes), limits.ipv6_per_eni)):
        if count > limit:
            raise call.refusal(
                ErrorCode.ADDRESS_LIMIT_EXCEEDED,
                f"Address count {count} on {eni.eni_id} exceeds the limit for {limits.instance_type} ({limit})",
            )
    if eni.has_prefixes:
        _require_prefix_support(call, limits)


def require_room(call: Call, eni: EniRecord, *, ipv4_count: int = 0, ipv6_count: int = 0, has_prefixes: bool) -> None:
    """Check what an ENI is to get against the limits of its instance; without one there are none."""
    if eni.instance is None:
        return
    limits = eni.instance.limits
    if has_prefixes:
        _require_prefix_support(call, limits)
    if eni.ipv4_count + ipv4_count > limits.ipv4_per_eni or len(eni.ipv6_prefixes) + ipv6_count > limits.ipv6_per_eni:
        raise call.refusal(
            ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED,
            f"Number of private addresses will exceed limit: an ENI of {limits.instance_type} takes {limits.ipv4_per_eni} IPv4 and "
            f"{limits.ipv6_per_eni} IPv6 addresses, prefixes included",
        )


def _require_prefix_support(call: Call, limits: InstanceLimits) -> None:
    if not limits.supports_prefixes:
        raise call.invalid(f"{limits.instance_type} takes no prefixes: they need a Nitro instance")


def _require_ipv6_room(call: Call, subnet: SubnetRecord, ipv6_prefix_count: int) -> None:
    if ipv6_prefix_count == 0:
        return
    if subnet.addresses.ipv6_cidr is None:
        raise call.invalid(f"{subnet.subnet_id} has no IPv6 CIDR to take prefixes from")
    free_count = subnet.addresses.free_ipv6_prefix_count
    if ipv6_prefix_count > free_count:
        raise call.refusal(
            ErrorCode.INSUFFICIENT_CIDR_BLOCKS, f"{subnet.addresses.ipv6_cidr} has {free_count} free /80s, {ipv6_prefix_count} are wanted"
        )
