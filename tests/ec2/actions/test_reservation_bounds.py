"""Reservations at the boundaries of a subnet: which are refused, and what is left to pick, counted address by address."""

import ipaddress

import hypothesis.strategies as st
from hypothesis import given
from naive_space import count_space, count_strip

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.testing.strategies import cidrs

SUBNETS = ("10.0.1.0/28", "10.0.1.16/28", "10.0.1.0/27", "10.0.1.192/26", "10.0.1.0/24")
KINDS = ("prefix", "explicit")
WRONG_KINDS = ("", "Prefix", "explicit ", "both")
WRONG_CIDRS = ("10.0.1.1/28", "10.0.1.0/33", "10.0.1.0/-1", "10.0.1", "", "::/0", "2001:db8::/64", "10.0.1.0 /28")


def around(cidr):
    """CIDRs of a subnet: itself, its half, the first and the last of each length, the addresses that EC2 keeps; and its surroundings."""
    whole = ipaddress.ip_network(cidr)
    kept = [f"{whole[place]}/32" for place in (0, 1, 2, 3, -1)]
    parts = (cidr, str(next(whole.subnets())), str(whole.supernet()), *kept)
    return st.sampled_from(parts) | cidrs(within=cidr, shortest=whole.prefixlen, longest=32) | cidrs(within="10.0.0.0/22", longest=32)


def is_allowed(subnet, earlier, text, kind):
    """What EC2's page of CreateSubnetCidrReservation says."""
    try:
        net = ipaddress.ip_network(text)
    except ValueError:
        return False
    whole = ipaddress.ip_network(subnet)
    return kind in KINDS and net.version == 4 and net.subnet_of(whole) and not any(net.overlaps(each) for each in earlier)


@given(st.data(), st.sampled_from(SUBNETS))
def test_what_can_be_reserved_and_what_is_left(data, cidr):
    ec2 = Ec2Model()
    vpc = ec2.create_vpc("10.0.0.0/16")
    subnet_id = ec2.create_subnet(vpc.vpc_id, cidr).subnet_id
    ec2.create_subnet(vpc.vpc_id, "10.0.2.0/28")
    untouched = ec2.subnet_space(subnet_id)
    made = {}
    for _ in range(data.draw(st.integers(1, 6))):
        text = data.draw(around(cidr) | around(cidr) | st.sampled_from(WRONG_CIDRS))
        kind = data.draw(st.sampled_from([*KINDS, *KINDS, *KINDS, *WRONG_KINDS]))
        before = ec2.subnet_space(subnet_id)
        if is_allowed(cidr, made.values(), text, kind):
            reservation = ec2.create_subnet_cidr_reservation(subnet_id, text, reservation_type=kind)
            assert (reservation.cidr, reservation.reservation_type, reservation.subnet_id) == (text, kind, subnet_id)
            made[reservation.reservation_id] = ipaddress.ip_network(text)
        else:
            try:
                ec2.create_subnet_cidr_reservation(subnet_id, text, reservation_type=kind)
            except Ec2Error as error:
                code = error.code
            else:
                code = None
            assert code == "InvalidParameterValue", (text, kind)
            assert ec2.subnet_space(subnet_id) == before
        assert [each.reservation_id for each in ec2.get_subnet_cidr_reservations(subnet_id, now_ns=0)] == list(made)
        check(ec2, subnet_id)
    take_everything(ec2, subnet_id)
    for eni in ec2.describe_network_interfaces(now_ns=0):
        ec2.delete_network_interface(eni.eni_id, now_ns=0)
    for reservation_id in data.draw(st.permutations(list(made))):
        ec2.delete_subnet_cidr_reservation(reservation_id)
        check(ec2, subnet_id)
    assert ec2.subnet_space(subnet_id) == untouched


def check(ec2, subnet_id):
    counted = count_space(ec2, subnet_id)
    assert ec2.subnet_space(subnet_id) == counted
    assert ec2.subnet_strip(subnet_id) == count_strip(ec2, subnet_id)
    (shown,) = ec2.describe_subnets(subnet_ids=[subnet_id], now_ns=0)
    assert shown.available_ip_address_count == counted.free
    ec2._check()


def take_everything(ec2, subnet_id):
    """Single addresses are picked to the last free one, and none of a reservation; then EC2 has none left."""
    free = ec2.subnet_space(subnet_id).free
    ranges = [ipaddress.ip_network(each.cidr) for each in ec2.get_subnet_cidr_reservations(subnet_id, now_ns=0)]
    if free:
        eni = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=free - 1, now_ns=0)
        picked = [ipaddress.ip_address(text) for text in (eni.private_ip, *eni.secondary_ips)]
        assert len(set(picked)) == free
        assert not any(address in each for address in picked for each in ranges)
    try:
        ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    except Ec2Error as error:
        code = error.code
    else:
        code = None
    assert code == "InsufficientFreeAddressesInSubnet"
