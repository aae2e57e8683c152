"""The space of a subnet counted address by address, from what EC2 shows of it alone."""

import ipaddress

from vpcipam.ec2.api import SubnetSpace


def addresses_of(ec2, subnet_id):
    """The addresses of a subnet as sets: all, those of ENIs, the free ones, and those of its reservations."""
    (subnet,) = (each for each in ec2.subnets if each.subnet_id == subnet_id)
    everything = [int(address) for address in ipaddress.ip_network(subnet.cidr)]
    taken = set()
    for eni in ec2.describe_network_interfaces(filters={"subnet-id": [subnet_id]}, now_ns=0):
        for text in (eni.private_ip, *eni.secondary_ips, *eni.ipv4_prefixes):
            taken.update(map(int, ipaddress.ip_network(text)))
    untaken = set(everything[4:-1]) - taken
    reserved = set()
    for reservation in ec2.get_subnet_cidr_reservations(subnet_id, now_ns=0):
        if "." in reservation.cidr:
            reserved.update(map(int, ipaddress.ip_network(reservation.cidr)))
    return everything, taken, untaken, reserved


def count_space(ec2, subnet_id):
    """What `subnet_space` should say."""
    everything, taken, untaken, reserved = addresses_of(ec2, subnet_id)
    whole = [first for first in everything[::16] if untaken.issuperset(range(first, first + 16))]
    runs = "".join("." if address in untaken else "x" for address in everything).split("x")
    return SubnetSpace(
        total=len(everything),
        kept=5,
        taken=len(taken),
        free=len(untaken - reserved),
        reserved=len(untaken & reserved),
        largest_free=max(map(len, runs)),
        free_prefix_count=len(whole),
        stranded=len(untaken - {address for first in whole for address in range(first, first + 16)}),
    )


def count_strip(ec2, subnet_id):
    """What `subnet_strip` should say."""
    everything, _, untaken, _ = addresses_of(ec2, subnet_id)
    return bytes(len(untaken.intersection(everything[at : at + 16])) for at in range(0, len(everything), 16))
