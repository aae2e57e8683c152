"""The invariants of the EC2 model, checked by recounting everything."""

from collections import Counter
from itertools import pairwise

import attrs

from vpcipam.ec2.state.account import DEFAULT_GROUP, GROUPS_PER_ENI, Account
from vpcipam.ec2.state.records import InstanceRecord, SubnetRecord
from vpcipam.ec2.state.rules import holds
from vpcipam.ec2.subnet_rules import IPV6_PREFIX_SIZE, PREFIX_SIZE, reserved_addresses


def check(account: Account) -> None:
    """Assert all invariants, by number.

    1. Every taken IPv4 address of a subnet is kept by EC2 or held by exactly one of its ENIs; each /28 is aligned; the free count equals a
       recount without reserved addresses.
    2. The same holds for IPv6 addresses and /80s, and no address is held inside a held /80.
    3. Each VPC lists exactly its own CIDRs and subnets, each subnet exactly its own ENIs and reservations.
    4. An ENI, its instance and the index of attachments agree on its attachment; the index of unattached ENIs holds the others.
    5. No network card has more ENIs than the type allows.
    6. No attached ENI has more addresses than the type allows, nor prefixes if the type takes none.
    7. Every instance has its primary ENI.
    8. The cached public values of an ENI, with and without tags, are up to date.
    9. Reservations lie in their subnet and do not overlap, and `SubnetAddresses` has the same ones.
    10. The account, the trunk and the branch agree on each trunk association, and the branch is not attached.
    11. Each VPC has exactly one default security group, names are unique in a VPC, and every ENI has 1 to 5 groups of its VPC, by id.
    12. The primary IPv6 address of an ENI is one of its IPv6 addresses.
    13. Public addresses are unique, and the account, the Elastic IP and the ENI agree on each association, which is with a single IPv4
        address of the ENI. An automatic public address is at the primary IP of a running
        instance, where no Elastic IP is.
    14. Names of launch templates are unique, versions are numbered from 1, and the default one exists.

    Raises:
        AssertionError: one does not hold; the message contains its number.

    Complexity: O(addresses and prefixes held).
    """
    for subnet in account.subnets.values():
        _check_ipv4(subnet)
        _check_ipv6(subnet)
        _check_reservations(subnet)
    _check_members(account)
    _check_attachments(account)
    for instance in account.instances.values():
        _check_limits(instance)
    for eni in account.enis.values():
        _hold(12, eni.primary_ipv6 is None or eni.primary_ipv6 in eni.ipv6_addresses, eni.eni_id)
        _hold(8, eni.view() == eni.fresh_view(), eni.eni_id)
        _hold(8, eni.untagged_view() == attrs.evolve(eni.fresh_view(), tags=()), eni.eni_id)
    _check_trunks(account)
    _check_groups(account)
    _check_elastic_ips(account)
    _check_templates(account)


def _hold(invariant: int, holds: bool, where: str) -> None:  # noqa: FBT001 - like an assert, it takes the condition
    if not holds:
        raise AssertionError(f"invariant {invariant} does not hold: {where}")


def _check_ipv4(subnet: SubnetRecord) -> None:
    cidr = subnet.addresses.cidr
    held = Counter(reserved_addresses(cidr))
    for eni in subnet.enis.values():
        addresses = eni.held()
        held.update(addresses.addresses)
        for prefix in addresses.prefixes:
            _hold(1, prefix % PREFIX_SIZE == 0, f"a /28 of {eni.eni_id}")
            held.update(range(prefix, prefix + PREFIX_SIZE))
    _hold(1, held.total() == len(held), f"an address held twice in {subnet.subnet_id}")
    _hold(1, all(map(subnet.addresses.ipv4.is_taken, held)), f"an address that is held but free in {subnet.subnet_id}")
    free_count = cidr.size - len(held)
    for reserved in subnet.addresses.reservations:
        if reserved.version == 4:
            free_count -= sum(address not in held for address in range(reserved.first, reserved.last + 1))
    _hold(1, subnet.addresses.free_count == free_count, f"the free count of {subnet.subnet_id}")


def _check_ipv6(subnet: SubnetRecord) -> None:
    space = subnet.addresses.ipv6
    if space is None:
        _hold(2, not any(eni.ipv6_count for eni in subnet.enis.values()), f"an IPv6 address in {subnet.subnet_id}, which has none")
        return
    kept = set(space.kept_prefixes())
    prefixes = Counter(kept)
    singles: Counter[int] = Counter()
    for eni in subnet.enis.values():
        prefixes.update(eni.ipv6_prefixes)
        singles.update(eni.ipv6_addresses)
    _hold(2, prefixes.total() == len(prefixes), f"a /80 held twice in {subnet.subnet_id}")
    _hold(2, singles.total() == len(singles), f"an IPv6 address held twice in {subnet.subnet_id}")
    broken = {address // IPV6_PREFIX_SIZE * IPV6_PREFIX_SIZE for address in singles} - kept
    _hold(2, not broken & prefixes.keys(), f"an address inside a held /80 in {subnet.subnet_id}")
    taken = broken | prefixes.keys()
    _hold(2, all(map(space.is_prefix_taken, taken)), f"a /80 that is held but free in {subnet.subnet_id}")
    _hold(2, all(map(space.is_taken, singles)), f"an IPv6 address that is held but free in {subnet.subnet_id}")
    cell_count = space.cidr.size // IPV6_PREFIX_SIZE
    _hold(2, space.free_prefix_count == cell_count - len(taken), f"the count of free /80s of {subnet.subnet_id}")


def _check_reservations(subnet: SubnetRecord) -> None:
    reserved = sorted(reservation.cidr for reservation in subnet.reservations.values())
    _hold(9, tuple(reserved) == subnet.addresses.reservations, f"the reservations of {subnet.subnet_id}")
    _hold(9, not any(one.overlaps(other) for one, other in pairwise(reserved)), f"reservations that overlap in {subnet.subnet_id}")
    for cidr in reserved:
        whole = subnet.addresses.whole(cidr.version)
        _hold(9, whole is not None and holds(whole, cidr), f"{cidr} in {subnet.subnet_id}")


def _check_trunks(account: Account) -> None:
    of_branches = {eni.trunk.association_id: eni.trunk for eni in account.enis.values() if eni.trunk is not None}
    of_trunks = {key: association for eni in account.enis.values() for key, association in eni.branches.items()}
    _hold(10, account.trunk_associations == of_branches == of_trunks, "the index of trunk associations")
    for association in of_branches.values():
        _hold(10, association.branch.trunk is association and association.branch.attachment is None, association.association_id)
        _hold(10, association.trunk.interface_type == "trunk", association.association_id)


def _check_groups(account: Account) -> None:
    names = Counter((group.vpc_id, group.group_name.lower()) for group in account.groups.values())
    _hold(11, names.total() == len(names), "two security groups of one name in a VPC")
    for vpc_id, vpc in account.vpcs.items():
        default = vpc.default_group
        _hold(11, account.groups.get(default.group_id) is default, f"the default security group of {vpc_id}")
        _hold(11, (default.vpc_id, default.group_name) == (vpc_id, DEFAULT_GROUP), f"the default security group of {vpc_id}")
    _hold(11, all(vpc_id in account.vpcs for vpc_id, _ in names), "a security group without its VPC")
    for eni in account.enis.values():
        ids = [group.group_id for group in eni.groups]
        _hold(11, 1 <= len(ids) <= GROUPS_PER_ENI and ids == sorted(set(ids)), f"the security groups of {eni.eni_id}")
        for group in eni.groups:
            _hold(
                11, account.groups.get(group.group_id) is group and group.vpc_id == eni.subnet.vpc_id, f"{group.group_id} on {eni.eni_id}"
            )


def _check_elastic_ips(account: Account) -> None:
    everything = account.elastic_ips.values()
    automatic = {eni.automatic_ip: eni for eni in account.enis.values() if eni.automatic_ip is not None}
    _hold(13, account.automatic_ips == automatic.keys(), "the index of automatic public addresses")
    for eni in automatic.values():
        _hold(13, eni.is_primary and eni.private_ip not in {None, *eni.elastic_ips}, f"the automatic public address of {eni.eni_id}")
        _hold(13, eni.instance is not None and eni.instance.state == "running", f"the automatic public address of {eni.eni_id}")
    public_ips = {each.public_ip for each in everything} | automatic.keys()
    _hold(13, len(public_ips) == len(everything) + len(automatic), "a public address that is allocated twice")
    of_account = {each.association_id: each for each in everything if each.association_id is not None}
    _hold(13, account.elastic_ip_associations == of_account, "the index of associations with Elastic IPs")
    of_enis = [(eni, private_ip, each) for eni in account.enis.values() for private_ip, each in eni.elastic_ips.items()]
    _hold(13, len(of_enis) == len(of_account), "an Elastic IP on two ENIs, or on none")
    for eni, private_ip, each in of_enis:
        _hold(13, account.elastic_ips.get(each.allocation_id) is each and each.association_id is not None, each.allocation_id)
        _hold(13, each.eni is eni and each.private_ip == private_ip, each.allocation_id)
        _hold(13, private_ip in {eni.private_ip, *eni.secondary_ips}, f"the private address of {each.allocation_id}")


def _check_templates(account: Account) -> None:
    names = [template.template_name for template in account.launch_templates.values()]
    _hold(14, len(set(names)) == len(names), "two launch templates of one name")
    for template_id, template in account.launch_templates.items():
        numbers = [version.number for version in template.versions]
        _hold(14, numbers == list(range(1, len(numbers) + 1)) and template.default_number in numbers, f"the versions of {template_id}")


def _check_members(account: Account) -> None:
    cidr_associations = {association_id: vpc for vpc in account.vpcs.values() for association_id in vpc.cidrs}
    cidr_associations |= {vpc.ipv6_association_id: vpc for vpc in account.vpcs.values() if vpc.ipv6_association_id is not None}
    _hold(3, account.cidr_associations == cidr_associations, "the index of associations of VPCs with CIDRs")
    reservations = {key: each for subnet in account.subnets.values() for key, each in subnet.reservations.items()}
    _hold(3, account.reservations == reservations, "the index of reservations")
    for vpc_id, vpc in account.vpcs.items():
        subnets = {key: subnet for key, subnet in account.subnets.items() if subnet.vpc_id == vpc_id}
        _hold(3, vpc.subnets == subnets, f"subnets of {vpc_id}")
    for subnet_id, subnet in account.subnets.items():
        enis = {key: eni for key, eni in account.enis.items() if eni.subnet.subnet_id == subnet_id}
        _hold(3, subnet.enis == enis, f"network interfaces of {subnet_id}")


def _check_attachments(account: Account) -> None:
    attached = {eni.attachment.attachment_id: eni for eni in account.enis.values() if eni.attachment is not None}
    _hold(4, account.attachments == attached, "the index of attachments")
    unattached = {eni_id: eni for eni_id, eni in account.enis.items() if eni.attachment is None}
    _hold(4, account.unattached_enis == unattached, "the index of unattached ENIs")
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
        _hold(6, eni.ipv4_count <= limits.ipv4_per_eni and eni.ipv6_count <= limits.ipv6_per_eni, where)
        _hold(6, limits.supports_prefixes or not (eni.prefixes or eni.ipv6_prefixes), where)
    _hold(7, instance.primary_place in instance.devices, instance.instance_id)
