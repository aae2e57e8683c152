"""What must hold of the EC2 model at all times, checked by counting everything again."""

from collections import Counter

from vpcipam.ec2.account import Account
from vpcipam.ec2.records import EniRecord, InstanceRecord, SubnetRecord
from vpcipam.ec2.subnet import IPV6_PREFIX_SIZE, PREFIX_SIZE


def check(account: Account) -> None:
    """Assert all that must hold, by number.

    1. Every address that a subnet has taken is reserved or held by exactly one of its ENIs; each /28 lies on its grid; the free count is a
       recount.
    2. Every /80 likewise.
    3. Each VPC lists its own subnets, each subnet its own ENIs, and no others.
    4. An ENI is attached where its instance and the index of attachments say it is, and nowhere else.
    5. No network card has more ENIs than the type allows.
    6. No attached ENI has more addresses than the type allows, and none has prefixes where the type has none.
    7. Every instance has its primary ENI.
    8. What is shown of an ENI is what it is.

    Raises:
        AssertionError: one does not hold; the message begins with its number.

    Complexity: O(addresses and prefixes held).
    """
    for subnet in account.subnets.values():
        _check_ipv4(subnet)
        _check_ipv6(subnet)
    _check_members(account)
    _check_attachments(account)
    for instance in account.instances.values():
        _check_limits(instance)
    for eni in account.enis.values():
        _hold(8, eni.view() == eni.fresh_view(), eni.eni_id)


def _hold(invariant: int, holds: bool, where: str) -> None:  # noqa: FBT001 - it reads as an assert: the claim in the middle
    if not holds:
        raise AssertionError(f"invariant {invariant} does not hold: {where}")


def _check_ipv4(subnet: SubnetRecord) -> None:
    cidr = subnet.addresses.cidr
    held = Counter(subnet.addresses.reserved_addresses())
    for eni in subnet.enis.values():
        addresses = eni.held()
        held.update(addresses.addresses)
        for prefix in addresses.prefixes:
            _hold(1, prefix % PREFIX_SIZE == 0, f"a /28 of {eni.eni_id}")
            held.update(range(prefix, prefix + PREFIX_SIZE))
    _hold(1, held.total() == len(held), f"an address held twice in {subnet.subnet_id}")
    _hold(1, all(map(subnet.addresses.is_taken, held)), f"an address that is held but free in {subnet.subnet_id}")
    _hold(1, subnet.addresses.free_count == cidr.size - len(held), f"the free count of {subnet.subnet_id}")


def _check_ipv6(subnet: SubnetRecord) -> None:
    held = Counter(subnet.addresses.reserved_ipv6_prefixes())
    for eni in subnet.enis.values():
        held.update(eni.ipv6_prefixes)
    _hold(2, held.total() == len(held), f"a /80 held twice in {subnet.subnet_id}")
    _hold(2, all(map(subnet.addresses.is_ipv6_prefix_taken, held)), f"a /80 that is held but free in {subnet.subnet_id}")
    cell_count = 0 if subnet.addresses.ipv6_cidr is None else subnet.addresses.ipv6_cidr.size // IPV6_PREFIX_SIZE
    _hold(2, subnet.addresses.free_ipv6_prefix_count == cell_count - len(held), f"the count of free /80s of {subnet.subnet_id}")


def _check_members(account: Account) -> None:
    subnets: dict[str, dict[str, SubnetRecord]] = {vpc_id: {} for vpc_id in account.vpcs}
    for subnet_id, subnet in account.subnets.items():
        subnets[subnet.vpc_id][subnet_id] = subnet
    for vpc_id, vpc in account.vpcs.items():
        _hold(3, vpc.subnets == subnets[vpc_id], f"subnets of {vpc_id}")
    enis: dict[str, dict[str, EniRecord]] = {subnet_id: {} for subnet_id in account.subnets}
    for eni_id, eni in account.enis.items():
        enis[eni.subnet.subnet_id][eni_id] = eni
    for subnet_id, subnet in account.subnets.items():
        _hold(3, subnet.enis == enis[subnet_id], f"network interfaces of {subnet_id}")


def _check_attachments(account: Account) -> None:
    attached = {eni.attachment.attachment_id: eni for eni in account.enis.values() if eni.attachment is not None}
    _hold(4, account.attachments == attached, "the index of attachments")
    _hold(
        4, sum(len(instance.devices) for instance in account.instances.values()) == len(attached), "a place without its network interface"
    )
    for eni in account.enis.values():
        if eni.attachment is None:
            _hold(4, eni.instance is None, eni.eni_id)
        else:
            instance = account.instances[eni.attachment.instance_id]
            place = eni.attachment.network_card_index, eni.attachment.device_index
            _hold(4, eni.instance is instance and instance.devices.get(place) is eni, eni.eni_id)


def _check_limits(instance: InstanceRecord) -> None:
    limits = instance.limits
    for card, count in Counter(card for card, _ in instance.devices).items():
        _hold(5, count <= limits.network_cards[card], f"{count} on card {card} of {instance.instance_id}, a {limits.instance_type}")
    for eni in instance.devices.values():
        where = f"{eni.eni_id} on {instance.instance_id}, a {limits.instance_type}"
        _hold(6, eni.ipv4_count <= limits.ipv4_per_eni and len(eni.ipv6_prefixes) <= limits.ipv6_per_eni, where)
        _hold(6, limits.supports_prefixes or not eni.has_prefixes, where)
    _hold(7, instance.primary_place in instance.devices, instance.instance_id)
