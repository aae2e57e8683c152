"""Show how single addresses spoil the /28s of a /22, and how a CIDR reservation protects them.

    python examples/fragmentation.py
    python examples/fragmentation.py --reserve

The subnet belongs to the EC2 model. One character stands for a /28: # is wholly free and can become a prefix, . is full, and a hexadecimal
digit (1 to f) is the number of taken addresses.
"""

import statistics
import sys
from random import Random

from vpcipam import Ec2Error, Ec2Model
from vpcipam.address import Cidr, address_text
from vpcipam.ec2.subnet_rules import reserved_addresses

SUBNET = Cidr.parse("10.0.0.0/22")
RESERVED = Cidr.parse("10.0.2.0/23")
USABLE = [address for address in range(SUBNET.first, SUBNET.last + 1) if address not in {*reserved_addresses(SUBNET)}]
MARKS = ".fedcba987654321#"


class Others:
    """A subnet in which others take single addresses, one by one, at random places."""

    def __init__(self, seed: int, *, reserve: bool) -> None:
        self.ec2 = Ec2Model()
        vpc = self.ec2.create_vpc(str(SUBNET))
        self.subnet_id = self.ec2.create_subnet(vpc.vpc_id, str(SUBNET)).subnet_id
        if reserve:
            self.ec2.create_subnet_cidr_reservation(self.subnet_id, str(RESERVED), reservation_type="prefix")
        places = [address for address in USABLE if not (reserve and address in RESERVED)]
        self.places = Random(seed).sample(places, len(places))  # noqa: S311 - no secret
        self.taken_count = 0

    def take(self, count: int) -> None:
        """Take addresses until `count` are taken."""
        addresses = [address_text(address, 4) for address in self.places[self.taken_count : count]]
        if addresses:
            first, *others = addresses
            self.ec2.create_network_interface(subnet_id=self.subnet_id, private_ip=first, secondary_ips=others, now_ns=0)
        self.taken_count = count

    def strip(self) -> str:
        """Draw the subnet, /28 by /28."""
        return "".join(MARKS[free] for free in self.ec2.subnet_strip(self.subnet_id))

    def prefix(self) -> str:
        """Ask EC2 for a prefix; return it, or the error code."""
        try:
            eni = self.ec2.create_network_interface(subnet_id=self.subnet_id, ipv4_prefix_count=1, now_ns=0)
        except Ec2Error as refusal:
            return refusal.code
        self.ec2.delete_network_interface(eni.eni_id, now_ns=0)
        return f"{eni.ipv4_prefixes[0]}"


def last_prefix_gone(seed: int) -> int:
    """Count how many addresses are taken when the last /28 goes."""
    others = Others(seed, reserve=False)
    count = 0
    while others.ec2.subnet_space(others.subnet_id).free_prefix_count:
        count += 1
        others.take(count)
    return count


def drawn(*, reserve: bool) -> list[str]:
    """Draw the subnet at several shares of taken addresses."""
    lines = [f"{SUBNET}, {f'{RESERVED} reserved for prefixes' if reserve else 'nothing reserved'}"]
    others = Others(seed=1, reserve=reserve)
    for share in (0, 5, 10, 15, 20, 30, 40):
        others.take(len(USABLE) * share // 100)
        space = others.ec2.subnet_space(others.subnet_id)
        free = space.free + space.reserved
        lines.append(f"{share:3} % taken  {others.strip()}  {free:4} free, {space.free_prefix_count:2} /28s; a prefix: {others.prefix()}")
    return lines


def main(arguments: list[str]) -> None:
    """Run the example."""
    if arguments == ["--reserve"]:
        print("\n".join(drawn(reserve=True)))
        return
    print("\n".join(drawn(reserve=False)))
    counts = sorted(last_prefix_gone(seed) for seed in range(1, 201))
    low, middle, high = (100 * count / len(USABLE) for count in (counts[10], statistics.median(counts), counts[-11]))
    print(f"Over 200 seeds the last /28 goes at {middle:.0f} % taken (median); for nine seeds in ten at {low:.0f} to {high:.0f} %.")


if __name__ == "__main__":
    main(sys.argv[1:])
