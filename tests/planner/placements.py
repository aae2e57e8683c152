"""The fewest subnets by trying every placement of every ENI, with calls to the EC2 model. It knows nothing of the planner's packing."""

from vpcipam.address import Cidr, address_text
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model


class Zone:
    """Alike subnets of a model of EC2, and the ENIs in them."""

    def __init__(self, subnet_count=0, length=28, cidrs=(), reserved=()):
        self.ec2 = Ec2Model()
        vpc = self.ec2.create_vpc("10.0.0.0/16")
        step = 1 << (32 - length)
        alike = [Cidr(4, Cidr.parse("10.0.0.0/16").first + place * step, length) for place in range(subnet_count)]
        cidrs = [*map(Cidr.parse, cidrs)] or alike
        self.cidrs = {self.ec2.create_subnet(vpc.vpc_id, str(cidr)).subnet_id: cidr for cidr in cidrs}
        self.taken = {subnet_id: {*range(cidr.first, cidr.first + 4), cidr.last} for subnet_id, cidr in self.cidrs.items()}
        self.enis = {}
        self._counts = {}  # what is free, of the subnets that have not changed since
        self.reserved = {subnet_id: set() for subnet_id in self.cidrs}
        for text in reserved:
            self._reserve(Cidr.parse(text))

    def _reserve(self, cidr):
        """Let a range take prefixes only."""
        subnet_id = next(subnet_id for subnet_id, whole in self.cidrs.items() if cidr.overlaps(whole))
        self.ec2.create_subnet_cidr_reservation(subnet_id, str(cidr), reservation_type="prefix", now_ns=0)
        self.reserved[subnet_id].update(range(cidr.first, cidr.last + 1))

    def add(self, subnet_id, singles, slots, *, in_prefixes):
        """Create an ENI with single addresses, the primary IP among them, and slots; None if EC2 refuses."""
        if not in_prefixes:
            singles, slots = singles + slots, 0
        first, *others = self._free_singles(subnet_id, singles) or [None]
        if first is None:
            return None
        eni = self.ec2.create_network_interface(subnet_id=subnet_id, private_ip=first, secondary_ips=others, now_ns=0)
        try:
            if slots:
                self.ec2.assign_private_ip_addresses(eni.eni_id, ipv4_prefix_count=slots, now_ns=0)
        except Ec2Error:
            self.ec2.delete_network_interface(eni.eni_id, now_ns=0)
            return None
        (eni,) = self.ec2.describe_network_interfaces(eni_ids=(eni.eni_id,), now_ns=0)
        blocks = map(Cidr.parse, (eni.private_ip, *eni.secondary_ips, *eni.ipv4_prefixes))
        addresses = {address for block in blocks for address in range(block.first, block.last + 1)}
        self.taken[subnet_id] |= addresses
        self._counts.pop(subnet_id, None)
        self.enis[eni.eni_id] = subnet_id, addresses
        return eni.eni_id

    def take(self, subnet_id, address):
        """Let somebody else have an address."""
        self.ec2.create_network_interface(subnet_id=subnet_id, private_ip=address, now_ns=0)
        self.taken[subnet_id].add(Cidr.parse(address).first)
        self._counts.pop(subnet_id, None)

    def remove(self, eni_id):
        subnet_id, addresses = self.enis.pop(eni_id)
        self.ec2.delete_network_interface(eni_id, now_ns=0)
        self.taken[subnet_id] -= addresses
        self._counts.pop(subnet_id, None)

    def _free_singles(self, subnet_id, count):
        """Free addresses, of the first and the last /28 and of broken ones if these have some, since they can't be prefixes."""
        cidr, taken = self.cidrs[subnet_id], self.taken[subnet_id]
        broken = [each for each in range(cidr.first, cidr.last + 1) if not taken.isdisjoint(self._others(each))]
        edges = [*range(cidr.first, cidr.first + 16), *range(max(cidr.first + 16, cidr.last - 15), cidr.last + 1)]
        order = dict.fromkeys([*edges, *broken, *range(cidr.last - 16, cidr.first + 15, -1)])
        free = [address for address in order if address not in taken and address not in self.reserved[subnet_id]]
        return [address_text(address, 4) for address in free[:count]] if len(free) >= count else None

    @staticmethod
    def _others(address):
        """The addresses of the same /28."""
        return range(address // 16 * 16, address // 16 * 16 + 16)

    def free(self, subnet_id):
        """What is free of a subnet: addresses, whole /28s, and those of them that are reserved."""
        if subnet_id not in self._counts:
            cidr, taken = self.cidrs[subnet_id], self.taken[subnet_id]
            free = [first for first in range(cidr.first, cidr.last, 16) if taken.isdisjoint(range(first, first + 16))]
            self._counts[subnet_id] = cidr.size - len(taken), len(free), sum(first in self.reserved[subnet_id] for first in free)
        return self._counts[subnet_id]


def has_placement(nodes, subnet_count, length):
    """Try all placements of nodes: each is (fixed addresses, slots, whether prefixes, slots per ENI, fewest ENIs, most ENIs, spreads)."""
    return place_all(Zone(subnet_count, length), nodes)


def place_all(zone, nodes, open_for=None):
    """Try all placements of nodes in a zone. `open_for` has the places of the subnets in which each of them can be; all, if it is None."""
    failed = set()
    names = [*zone.cidrs]
    allowed = [names if open_for is None else [names[place] for place in open_for[index]] for index in range(len(nodes))]
    kinds = {name: tuple(name in each for each in allowed) for name in names}  # trying two alike subnets would find the same

    def place(index, slots, enis, most):
        """Place what is left of a node, and all later ones; `most` is None before its first ENI."""
        if index == len(nodes):
            return True
        state = tuple(sorted((kinds[name], zone.free(name)) for name in names)), index, slots, enis, most
        if state in failed:
            return False
        fixed, _, in_prefixes, per_eni, fewest, limit, spreads = nodes[index]
        subnets = {(kinds[name], zone.free(name)): name for name in allowed[index]}
        for subnet_id in subnets.values():
            sizes = [slots] if not spreads else range(min(slots, per_eni if most is None else most) + 1)
            for size in sizes:
                singles = fixed + (fewest - 1 if not spreads else 0) if most is None else 1
                eni_id = zone.add(subnet_id, singles, size, in_prefixes=in_prefixes)
                if eni_id is None:
                    continue
                left, used = slots - size, enis + 1
                done = not left and (not spreads or used >= fewest)
                if done:
                    found = place(index + 1, nodes[index + 1][1] if index + 1 < len(nodes) else 0, 0, None)
                else:
                    found = used < limit and place(index, left, used, per_eni if most is None else size)
                zone.remove(eni_id)
                if found:
                    return True
        failed.add(state)
        return False

    return place(0, nodes[0][1], 0, None)


def fewest_subnets(nodes, length, *, most=8):
    """The fewest subnets that hold all nodes; None if `most` don't."""
    return next((count for count in range(1, most + 1) if has_placement(nodes, count, length)), None)
