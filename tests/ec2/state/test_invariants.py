"""The check finds a broken model: each invariant is broken on purpose, one at a time."""

import attrs
import pytest

from vpcipam.ec2.state.invariants import _check_reservations
from vpcipam.ec2.state.subnet import AddressCounts, AddressSet


@pytest.fixture
def broken(ec2):
    """A function: the check must fail now, and name that invariant."""

    def check(number):
        with pytest.raises(AssertionError, match=f"^invariant {number} does not hold"):
            ec2._check()

    ec2._check()
    return check


@pytest.fixture
def account(ec2):
    return ec2._account


@pytest.mark.parametrize("count", [0, 6])
def test_an_eni_with_too_few_or_too_many_security_groups(ec2, account, vpc, eni_id, broken, count):  # noqa: PLR0917 - fixtures
    groups = [ec2.create_security_group(f"g{number}", "x", vpc_id=vpc.vpc_id).group_id for number in range(count)]
    account.enis[eni_id].groups = tuple(account.groups[group_id] for group_id in groups)
    account.enis[eni_id].touch()
    broken(11)


def test_an_eni_with_a_security_group_that_is_gone(ec2, account, vpc, eni_id, broken):
    account.enis[eni_id].groups = (account.groups.pop(ec2.create_security_group("a", "b", vpc_id=vpc.vpc_id).group_id),)
    account.enis[eni_id].touch()
    broken(11)


def test_a_vpc_without_its_default_security_group(account, vpc, broken):
    del account.groups[account.vpcs[vpc.vpc_id].default_group.group_id]
    broken(11)


def test_a_primary_ipv6_address_that_the_eni_does_not_have(account, eni_id, broken):
    account.enis[eni_id].primary_ipv6 = 7
    account.enis[eni_id].touch()
    broken(12)


@pytest.fixture
def associated(ec2, account, eni_id):
    """An Elastic IP on the primary address of an ENI."""
    allocation_id = ec2.allocate_address().allocation_id
    ec2.associate_address(allocation_id, eni_id=eni_id, now_ns=0)
    return account.elastic_ips[allocation_id]


def test_a_public_address_that_is_allocated_twice(ec2, account, associated, broken):
    account.elastic_ips[ec2.allocate_address().allocation_id].public_ip = associated.public_ip
    broken(13)


def test_an_association_that_the_account_does_not_know(account, associated, broken):
    del account.elastic_ip_associations[associated.association_id]
    broken(13)


def test_an_elastic_ip_that_its_eni_does_not_know(account, associated, eni_id, broken):
    del account.enis[eni_id].elastic_ips[associated.private_ip]
    account.enis[eni_id].touch()
    broken(13)


def test_an_elastic_ip_of_an_address_that_the_eni_does_not_have(account, associated, eni_id, broken):
    eni = account.enis[eni_id]
    del eni.elastic_ips[associated.private_ip]
    associated.private_ip += 1
    eni.elastic_ips[associated.private_ip] = associated
    eni.touch()
    broken(13)


def test_an_elastic_ip_that_says_it_is_elsewhere(ec2, account, associated, subnet_id, broken):
    associated.eni = account.enis[ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id]
    broken(13)


def test_a_released_elastic_ip_on_an_eni(account, associated, broken):
    account.elastic_ips["eipalloc-2"] = account.elastic_ips.pop(associated.allocation_id)
    broken(13)


@pytest.mark.parametrize("change", [{"template_name": "nodes"}, {"default_number": 2}, {"versions": []}])
def test_a_launch_template_that_can_not_be(ec2, account, broken, change):
    for name in ("nodes", "pods"):
        template_id = ec2.create_launch_template(name, {"ImageId": "ami-1"}).template_id
    for field, value in change.items():
        setattr(account.launch_templates[template_id], field, value)
    broken(14)


def test_two_security_groups_of_one_name(ec2, account, vpc, broken):
    account.groups[ec2.create_security_group("a", "b", vpc_id=vpc.vpc_id).group_id].group_name = "Default"
    broken(11)


def test_an_address_in_use_without_an_eni(account, subnet_id, broken):
    account.subnets[subnet_id].addresses.allocate(AddressCounts(addresses=1))
    broken(1)


def test_an_address_held_but_free(account, subnet_id, attached_id, broken):
    account.subnets[subnet_id].addresses.release(AddressSet((account.enis[attached_id].private_ip,)))
    broken(1)


def test_an_address_held_twice(account, attached_id, broken):
    eni = account.enis[attached_id]
    eni.add(AddressSet((eni.private_ip,)))
    broken(1)


def test_an_address_within_a_prefix_held_by_another(ec2, account, eni_id, subnet_id, broken):
    holder = account.enis[ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=1, now_ns=0).eni_id]
    account.enis[eni_id].add(AddressSet((next(iter(holder.prefixes)) + 5,)))
    broken(1)


def test_a_prefix_off_its_grid(account, eni_id, broken):
    eni = account.enis[eni_id]
    eni.add(AddressSet((), (eni.subnet.addresses.cidr.first + 17,)))
    broken(1)


def test_a_reserved_address_that_is_free(account, subnet_id, broken):
    addresses = account.subnets[subnet_id].addresses
    addresses.release(AddressSet((addresses.cidr.last,)))
    broken(1)


def test_a_slash_80_in_use_without_an_eni(account, subnet_id, broken):
    account.subnets[subnet_id].addresses.allocate(AddressCounts(ipv6_prefixes=1))
    broken(2)


def test_a_slash_80_held_twice(ec2, account, subnet_id, eni_id, broken):
    holder = ec2.create_network_interface(subnet_id=subnet_id, ipv6_prefix_count=1, now_ns=0)
    account.enis[eni_id].add(AddressSet((), (), (), tuple(account.enis[holder.eni_id].ipv6_prefixes)))
    broken(2)


def test_a_subnet_missing_from_its_vpc(account, vpc, subnet_id, broken):
    del account.vpcs[vpc.vpc_id].subnets[subnet_id]
    broken(3)


def test_an_eni_known_only_to_its_subnet(account, eni_id, broken):
    del account.enis[eni_id]
    broken(3)


def test_an_attachment_missing_from_the_index(account, attached_id, broken):
    account.attachments.pop(account.enis[attached_id].attachment.attachment_id)
    broken(4)


def test_an_unattached_eni_missing_from_its_index(account, eni_id, broken):
    del account.unattached_enis[eni_id]
    broken(4)


def test_an_attached_eni_in_the_index_of_the_unattached(account, attached_id, broken):
    account.unattached_enis[attached_id] = account.enis[attached_id]
    broken(4)


def test_a_device_index_with_an_unattached_eni(account, instance_id, eni_id, broken):
    account.instances[instance_id].devices[0, 2] = account.enis[eni_id]
    broken(4)


def test_a_device_index_with_the_wrong_eni(account, instance_id, attached_id, broken):
    devices = account.instances[instance_id].devices
    devices[0, 2] = devices.pop((0, 1))
    assert account.enis[attached_id] is devices[0, 2]
    broken(4)


def test_a_detached_eni_that_still_names_its_instance(account, instance_id, eni_id, broken):
    account.enis[eni_id].instance = account.instances[instance_id]
    broken(4)


@pytest.mark.usefixtures("attached_id")
def test_more_enis_than_the_type_allows(account, instance_id, broken):
    instance = account.instances[instance_id]
    instance.limits = attrs.evolve(instance.limits, eni_limit=1, network_cards=(1,))
    broken(5)


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ({"secondary_ip_count": 3}, {"ipv4_per_eni": 3}),
        ({"ipv4_prefix_count": 3}, {"ipv4_per_eni": 3}),
        ({"ipv4_prefix_count": 1}, {"hypervisor": "xen"}),
    ],
)
def test_more_addresses_than_the_type_allows(ec2, account, instance_id, attached_id, broken, wanted, changes):  # noqa: PLR0917 - fixtures
    ec2.assign_private_ip_addresses(attached_id, **wanted, now_ns=0)
    instance = account.instances[instance_id]
    instance.limits = attrs.evolve(instance.limits, **changes)
    broken(6)


def test_more_slash_80s_than_the_type_allows(ec2, account, instance_id, attached_id, broken):
    ec2.assign_ipv6_addresses(attached_id, ipv6_prefix_count=2, now_ns=0)
    instance = account.instances[instance_id]
    instance.limits = attrs.evolve(instance.limits, ipv6_per_eni=1)
    broken(6)


def test_an_instance_without_its_primary_eni(account, instance_id, broken):
    account.detach(account.instances[instance_id].devices[0, 0].attachment)
    broken(7)


def test_an_outdated_view(account, eni_id, broken):
    account.enis[eni_id].description = "changed in secret"
    broken(8)


def test_an_ipv6_address_held_twice(ec2, account, subnet_id, eni_id, broken):
    holder = ec2.create_network_interface(subnet_id=subnet_id, ipv6_address_count=1, now_ns=0)
    account.enis[eni_id].add(AddressSet((), (), tuple(account.enis[holder.eni_id].ipv6_addresses)))
    broken(2)


def test_an_ipv6_address_in_a_slash_80_of_another(ec2, account, subnet_id, eni_id, broken):
    holder = ec2.create_network_interface(subnet_id=subnet_id, ipv6_prefix_count=1, now_ns=0)
    account.enis[eni_id].add(AddressSet((), (), (next(iter(account.enis[holder.eni_id].ipv6_prefixes)) + 5,)))
    broken(2)


def test_an_ipv6_address_held_but_free(ec2, account, subnet_id, eni_id, broken):
    ec2.assign_ipv6_addresses(eni_id, ipv6_address_count=1, now_ns=0)
    account.subnets[subnet_id].addresses.release(AddressSet((), (), tuple(account.enis[eni_id].ipv6_addresses)))
    broken(2)


def test_a_reservation_unknown_to_the_addresses(ec2, account, subnet_id, broken):
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.64/28", reservation_type="prefix")
    addresses = account.subnets[subnet_id].addresses
    addresses.unreserve(*addresses.reservations)
    broken(9)


def test_reservations_that_overlap(ec2, account, subnet_id):
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.64/28", reservation_type="prefix")
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.96/28", reservation_type="prefix")
    subnet = account.subnets[subnet_id]
    one, two = subnet.reservations.values()
    subnet.addresses.unreserve(two.cidr)
    two.cidr = attrs.evolve(one.cidr, prefix_length=30)
    subnet.addresses._reservations[two.cidr] = True
    with pytest.raises(AssertionError, match=r"^invariant 9 does not hold: reservations that overlap"):
        _check_reservations(subnet)


def test_a_reservation_outside_of_its_subnet(ec2, account, subnet_id, broken):
    ec2.create_subnet_cidr_reservation(subnet_id, "2001:db8::/80", reservation_type="prefix")
    subnet = account.subnets[subnet_id]
    subnet.addresses.ipv6_cidr = None
    subnet.addresses.ipv6 = None
    broken(9)


def test_a_reservation_known_only_to_its_subnet(ec2, account, subnet_id, broken):
    ec2.create_subnet_cidr_reservation(subnet_id, "10.0.1.64/28", reservation_type="prefix")
    account.reservations.clear()
    broken(3)


@pytest.mark.usefixtures("vpc")
def test_a_cidr_association_missing_from_the_index(account, broken):
    account.cidr_associations.clear()
    broken(3)


@pytest.fixture
def association(ec2, account, subnet_id, eni_id):
    """The association of a branch with its trunk."""
    trunk_id = ec2.create_network_interface(subnet_id=subnet_id, interface_type="trunk", now_ns=0).eni_id
    return account.trunk_associations[ec2.associate_trunk_interface(eni_id, trunk_id, vlan_id=1, now_ns=0).association_id]


def test_a_trunk_association_missing_from_the_index(account, association, broken):
    del account.trunk_associations[association.association_id]
    broken(10)


def test_a_trunk_association_with_an_ordinary_eni_as_trunk(association, broken):
    association.trunk.interface_type = "interface"
    association.trunk.touch()
    broken(10)


def test_a_branch_that_is_attached(account, association, instance_id, broken):
    account.attach(association.branch, account.instances[instance_id], (0, 2), delete_on_termination=False, now_ns=0)
    broken(10)


def test_single_addresses_and_prefixes_are_the_slots_of_an_eni(account, eni_id):
    eni = account.enis[eni_id]
    eni.add(AddressSet(ipv6_addresses=(5,), ipv6_prefixes=(1 << 48,)))
    assert {str(cidr) for cidr in eni.slots() if cidr.version == 6} == {"::5/128", "::1:0:0:0/80"}
