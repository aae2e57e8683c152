"""EC2 over plain sets of integers: slow, short, and obviously right. The model is compared with it."""

import ipaddress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

from vpcipam.ec2.api import AssignedAddresses, Attachment, Instance, NetworkInterface, Subnet, SubnetCidrReservation

CELL = 2**48


class Refused(Exception):
    """The code of a refusal."""


@dataclass(eq=False)
class Eni:
    subnet: object
    primary: int
    created_ns: int
    singles: set = field(default_factory=set)
    blocks: set = field(default_factory=set)
    singles6: set = field(default_factory=set)
    cells: set = field(default_factory=set)
    attachment: Attachment | None = None
    description: str = ""
    tags: dict = field(default_factory=dict)


@dataclass
class Wanted:
    """The addresses that a call names, or how many it wants."""

    singles: list = field(default_factory=list)
    blocks: list = field(default_factory=list)
    singles6: list = field(default_factory=list)
    cells: list = field(default_factory=list)

    def kinds(self):
        return (self.singles, self.blocks, self.singles6, self.cells)


def block(first):
    return set(range(first, first + 16))


class NaiveEc2:
    def __init__(self):
        self.subnets, self.enis, self.instances, self.reservations = {}, {}, {}, {}
        self.numbers = {}

    def add_subnet(self, subnet_id, vpc_id, zone, cidr, ipv6_cidr):
        network = [int(address) for address in ipaddress.ip_network(cidr)]
        ipv6 = None if ipv6_cidr is None else ipaddress.ip_network(ipv6_cidr)
        first6 = 0 if ipv6 is None else int(ipv6[0])
        # cells: the first addresses of the free /80s; the first and the last are EC2's
        self.subnets[subnet_id] = SimpleNamespace(
            id=subnet_id,
            vpc_id=vpc_id,
            zone=zone,
            cidr=cidr,
            ipv6=ipv6,
            usable=set(network[4:-1]),
            free=set(network[4:-1]),
            cells=set(range(first6 + CELL, first6 + (2**16 - 1) * CELL, CELL)) if ipv6 else set(),
            tags={},
        )

    # --- help

    def new_id(self, kind):
        self.numbers[kind] = self.numbers.get(kind, 0) + 1
        return f"{kind}-{self.numbers[kind]:017x}"

    def refuse(self, code):
        raise Refused(code)

    def find(self, things, key, code):
        if key not in things:
            raise Refused(code)
        return things[key]

    def eni(self, eni_id):
        return self.find(self.enis, eni_id, "InvalidNetworkInterfaceID.NotFound")

    def of_instance(self, instance_id):
        return {eni_id: eni for eni_id, eni in self.enis.items() if eni.attachment and eni.attachment.instance_id == instance_id}

    def reserved(self, subnet, version, kinds=("prefix", "explicit")):
        """The reserved ranges of a subnet, ascending."""
        of_subnet = [(range(int(net[0]), int(net[-1]) + 1), kind) for owner, net, kind in self.reservations.values() if owner is subnet]
        ranges = [each for each, kind in of_subnet if kind in kinds and (each.start >= 2**32) == (version == 6)]
        return sorted(ranges, key=lambda each: each.start)

    def open(self, subnet):
        return {address for address in subnet.free if not any(address in each for each in self.reserved(subnet, 4))}

    def holders(self, subnet, kind):
        return [address for eni in self.enis.values() if eni.subnet is subnet for address in getattr(eni, kind)]

    # --- pick

    def pick_blocks(self, subnet, singles):
        """All /28s that can be picked, in the order of picking."""
        open_ = self.open(subnet) - singles
        first = [each for area in self.reserved(subnet, 4, ("prefix",)) for each in area if each % 16 == 0 and block(each) <= set(area)]
        return [each for each in first if block(each) <= subnet.free] + sorted(
            each for each in open_ if each % 16 == 0 and block(each) <= open_
        )

    def pick_cells(self, subnet):
        areas = self.reserved(subnet, 6)
        first = [
            each
            for area in self.reserved(subnet, 6, ("prefix",))
            if len(range(0, area.stop - area.start, CELL)) >= 1
            for each in range(area.start, area.stop, CELL)
            if each % CELL == 0 and each + CELL <= area.stop and each in subnet.cells
        ]
        free = subnet.cells
        for area in areas:
            free = {each for each in free if each + CELL <= area.start or area.stop <= each}
        return first + sorted(free)

    def is_usable6(self, subnet, address):
        first, last = int(subnet.ipv6[0]), int(subnet.ipv6[-1])
        return (
            first + 4 <= address < last
            and address not in self.holders(subnet, "singles6")
            and not any(each <= address < each + CELL for each in self.holders(subnet, "cells"))
        )

    def pick_single6(self, subnet):
        """The lowest address: it is the first of all, or one past an obstacle."""
        areas = self.reserved(subnet, 6)
        candidates = [int(subnet.ipv6[0]) + 4, *(each.stop for each in areas), *(each + 1 for each in self.holders(subnet, "singles6"))]
        candidates += [each + CELL for each in self.holders(subnet, "cells")]
        fitting = [each for each in candidates if self.is_usable6(subnet, each) and not any(each in area for area in areas)]
        if not fitting:
            raise Refused("InsufficientFreeAddressesInSubnet")
        return min(fitting)

    # --- take and give back

    def take(self, eni, wanted):
        eni.subnet.free -= {eni.primary, *wanted.singles, *(address for first in wanted.blocks for address in block(first))}
        eni.subnet.cells -= set(wanted.cells) | {address // CELL * CELL for address in wanted.singles6}
        for mine, new in zip((eni.singles, eni.blocks, eni.singles6, eni.cells), wanted.kinds(), strict=True):
            mine |= set(new)

    def give_back(self, eni, wanted):
        eni.subnet.free |= {*wanted.singles, *(address for first in wanted.blocks for address in block(first))}
        for mine, old in zip((eni.singles, eni.blocks, eni.singles6, eni.cells), wanted.kinds(), strict=True):
            mine -= set(old)
        if eni.subnet.ipv6:
            kept = {int(eni.subnet.ipv6[0]), int(eni.subnet.ipv6[-1]) + 1 - CELL}
            broken = {address // CELL * CELL for address in self.holders(eni.subnet, "singles6")}
            freed = set(wanted.cells) | {address // CELL * CELL for address in wanted.singles6}
            eni.subnet.cells |= freed - kept - broken

    # --- check

    def check_counts(self, *counts):
        if min(counts) < 0:
            raise Refused("InvalidParameterValue")

    def named(self, addresses=(), prefixes=(), addresses6=(), prefixes6=()):
        wanted = Wanted(
            [int(ipaddress.IPv4Address(text)) for text in addresses],
            [int(ipaddress.ip_network(text)[0]) for text in prefixes],
            [int(ipaddress.IPv6Address(text)) for text in addresses6],
            [int(ipaddress.ip_network(text)[0]) for text in prefixes6],
        )
        if any(len(set(each)) < len(each) for each in wanted.kinds()):
            raise Refused("InvalidParameterValue")
        return wanted

    def check_within(self, subnet, wanted):
        """Check that named addresses are in the subnet and not reserved by EC2."""
        if (wanted.singles6 or wanted.cells) and not subnet.ipv6:
            raise Refused("InvalidParameterValue")
        inside = set(wanted.singles) <= subnet.usable and all(block(first) <= subnet.usable for first in wanted.blocks)
        if subnet.ipv6:
            first, last = int(subnet.ipv6[0]), int(subnet.ipv6[-1])
            inside = inside and all(first + 4 <= address < last for address in wanted.singles6)
            inside = inside and all(first + CELL <= each <= last + 1 - 2 * CELL for each in wanted.cells)
        if not inside:
            raise Refused("InvalidParameterValue")

    def check_free(self, subnet, wanted, code):
        singles, blocks = wanted.singles, [address for first in wanted.blocks for address in block(first)]
        overlap = len(set(singles + blocks)) < len(singles + blocks)
        overlap = overlap or {address // CELL * CELL for address in wanted.singles6} & set(wanted.cells)
        if overlap or not set(singles + blocks) <= subnet.free or not set(wanted.cells) <= subnet.cells:
            raise Refused(code)
        if not all(self.is_usable6(subnet, address) for address in wanted.singles6):
            raise Refused(code)

    def check_room(self, eni, counts):
        if eni.attachment is None:
            if len(eni.singles6) + counts[2] > 1024:
                raise Refused("PrivateIpAddressLimitExceeded")
            return
        limits = self.instances[eni.attachment.instance_id].limits
        if (counts[1] or counts[3]) and limits.hypervisor == "xen":
            raise Refused("InvalidParameterValue")
        places = 1 + len(eni.singles) + len(eni.blocks) + counts[0] + counts[1]
        if places > limits.ipv4_per_eni or len(eni.singles6) + len(eni.cells) + counts[2] + counts[3] > limits.ipv6_per_eni:
            raise Refused("PrivateIpAddressLimitExceeded")

    def pick_ipv6(self, eni, counts):
        """Take what is picked of IPv6, one after the other."""
        if not counts[2] + counts[3]:
            return
        if counts[3] > len(eni.subnet.cells):
            raise Refused("InsufficientCidrBlocks")
        before = (set(eni.singles6), set(eni.cells), set(eni.subnet.cells))
        try:
            for _ in range(counts[2]):
                self.take(eni, Wanted(singles6=[self.pick_single6(eni.subnet)]))
            for cell in self.pick_cells(eni.subnet)[: counts[3]] if counts[3] else ():
                self.take(eni, Wanted(cells=[cell]))
            if len(eni.cells) < len(before[1]) + counts[3]:
                self.refuse("InsufficientCidrBlocks")
        except Refused:
            eni.singles6, eni.cells, eni.subnet.cells = before
            raise

    # --- calls: ENIs

    def create_network_interface(
        self,
        *,
        subnet_id,
        secondary_ip_count=0,
        ipv4_prefix_count=0,
        ipv6_prefix_count=0,
        ipv6_address_count=0,
        private_ip=None,
        secondary_ips=(),
        ipv4_prefixes=(),
        ipv6_addresses=(),
        ipv6_prefixes=(),
        now_ns,
    ):
        counts = (secondary_ip_count, ipv4_prefix_count, ipv6_address_count, ipv6_prefix_count)
        self.check_counts(*counts)
        for ways in ((*counts[:2], secondary_ips, ipv4_prefixes), (*counts[2:], ipv6_addresses, ipv6_prefixes)):
            if sum(map(bool, ways)) > 1:
                raise Refused("InvalidParameterCombination")
        wanted = self.named(secondary_ips, ipv4_prefixes, ipv6_addresses, ipv6_prefixes)
        primary = [] if private_ip is None else [int(ipaddress.ip_address(private_ip))]
        if set(primary) & set(wanted.singles):
            raise Refused("InvalidParameterValue")
        subnet = self.find(self.subnets, subnet_id, "InvalidSubnetID.NotFound")
        if counts[2] + counts[3] and not subnet.ipv6:
            raise Refused("InvalidParameterValue")
        if len(wanted.singles6) + counts[2] > 1024:
            raise Refused("PrivateIpAddressLimitExceeded")
        both = replace(wanted, singles=primary + wanted.singles)
        self.check_within(subnet, both)
        self.check_free(subnet, both, "InvalidIPAddress.InUse")
        named = {*both.singles, *(address for first in both.blocks for address in block(first))}
        left = sorted(self.open(subnet) - named)
        if not primary and not left:
            raise Refused("InsufficientFreeAddressesInSubnet")
        eni = Eni(subnet, primary[0] if primary else left.pop(0), now_ns)
        before = set(subnet.free), set(subnet.cells)
        try:
            self.enis["new"] = eni
            self.take(eni, wanted)
            self.pick_ipv6(eni, counts)
            if len(left) < counts[0]:
                self.refuse("InvalidParameterValue")
            self.take(eni, Wanted(singles=left[: counts[0]]))
            blocks = self.pick_blocks(subnet, set())[: counts[1]]
            if len(blocks) < counts[1]:
                self.refuse("InvalidParameterValue")
            self.take(eni, Wanted(blocks=blocks))
        except Refused:
            subnet.free, subnet.cells = before
            raise
        finally:
            del self.enis["new"]
        eni_id = self.new_id("eni")
        self.enis[eni_id] = eni
        return self.show(eni_id)

    def attach_network_interface(self, eni_id, instance_id, *, device_index, network_card_index=0, now_ns):
        del now_ns
        eni = self.eni(eni_id)
        instance = self.find(self.instances, instance_id, "InvalidInstanceID.NotFound")
        limits, card = instance.limits, network_card_index
        if eni.attachment:
            raise Refused("InvalidNetworkInterface.InUse")
        if eni.subnet.zone != instance.subnet.zone:
            raise Refused("InvalidParameterCombination")
        if not 0 <= card < len(limits.network_cards) or device_index < 0:
            raise Refused("InvalidParameterValue")
        taken = [
            other.attachment.device_index for other in self.of_instance(instance_id).values() if other.attachment.network_card_index == card
        ]
        if device_index in taken:
            raise Refused("InvalidParameterValue")
        if len(taken) == limits.network_cards[card]:
            raise Refused("AttachmentLimitExceeded")
        if device_index > limits.network_cards[card] - (card == 0):
            raise Refused("InvalidParameterValue")
        if 1 + len(eni.singles) + len(eni.blocks) > limits.ipv4_per_eni or len(eni.singles6) + len(eni.cells) > limits.ipv6_per_eni:
            raise Refused("InvalidInterface.IpAddressLimitExceeded")
        if (eni.blocks or eni.cells) and limits.hypervisor == "xen":
            raise Refused("InvalidParameterValue")
        eni.attachment = Attachment(self.new_id("eni-attach"), instance_id, device_index, card, delete_on_termination=False)
        return eni.attachment.attachment_id

    def by_attachment(self, attachment_id):
        found = {eni.attachment.attachment_id: eni for eni in self.enis.values() if eni.attachment}
        return self.find(found, attachment_id, "InvalidAttachmentID.NotFound")

    def modify_network_interface_attribute(self, eni_id, *, attachment_id=None, delete_on_termination=None, description=None, now_ns):
        del now_ns
        if (attachment_id is None) == (description is None):
            raise Refused("InvalidParameterCombination")
        eni = self.eni(eni_id)
        if description is not None:
            eni.description = description
            return
        if self.by_attachment(attachment_id) is not eni:
            raise Refused("InvalidAttachmentID.NotFound")
        old = eni.attachment
        eni.attachment = Attachment(
            old.attachment_id,
            old.instance_id,
            old.device_index,
            old.network_card_index,
            delete_on_termination=delete_on_termination,
        )

    def detach_network_interface(self, attachment_id, *, now_ns):
        del now_ns
        eni = self.by_attachment(attachment_id)
        if (eni.attachment.network_card_index, eni.attachment.device_index) == (0, 0):
            raise Refused("OperationNotPermitted")
        eni.attachment = None

    def delete_network_interface(self, eni_id, *, now_ns):
        del now_ns
        eni = self.eni(eni_id)
        if eni.attachment:
            raise Refused("InvalidParameterValue")
        self.give_back(eni, Wanted({eni.primary, *eni.singles}, set(eni.blocks), set(eni.singles6), set(eni.cells)))
        del self.enis[eni_id]

    # --- calls: addresses

    def assign(self, eni, counts, wanted):
        if any(wanted.kinds()):
            self.check_room(eni, [len(each) for each in wanted.kinds()])
            self.check_within(eni.subnet, wanted)
            self.check_free(eni.subnet, wanted, "InvalidParameterValue")
            self.take(eni, wanted)
            return wanted
        self.check_room(eni, counts)
        if counts[2] + counts[3] and not eni.subnet.ipv6:
            raise Refused("InvalidParameterValue")
        singles = sorted(self.open(eni.subnet))[: counts[0]]
        blocks = self.pick_blocks(eni.subnet, set())[: counts[1]]
        if len(singles) < counts[0]:
            raise Refused("InsufficientFreeAddressesInSubnet")
        if len(blocks) < counts[1]:
            raise Refused("InsufficientCidrBlocks")
        before6 = set(eni.singles6), set(eni.cells)
        self.pick_ipv6(eni, counts)
        added = Wanted(singles, blocks, eni.singles6 - before6[0], eni.cells - before6[1])
        self.take(eni, added)
        return added

    def assign_private_ip_addresses(
        self, eni_id, *, secondary_ip_count=0, ipv4_prefix_count=0, addresses=(), prefixes=(), allow_reassignment=False, now_ns
    ):
        del now_ns
        self.check_counts(secondary_ip_count, ipv4_prefix_count)
        if sum(map(bool, (secondary_ip_count, ipv4_prefix_count, addresses, prefixes))) != 1:
            raise Refused("InvalidParameterCombination")
        wanted = self.named(addresses, prefixes)
        eni = self.eni(eni_id)
        if allow_reassignment and addresses:
            self.reassign(eni, wanted.singles)
            return AssignedAddresses(self.address_texts(wanted.singles))
        added = self.assign(eni, (secondary_ip_count, ipv4_prefix_count, 0, 0), wanted)
        return AssignedAddresses(self.address_texts(added.singles), self.block_texts(added.blocks))

    def reassign(self, eni, addresses):
        self.check_within(eni.subnet, Wanted(singles=addresses))
        of_subnet = [other for other in self.enis.values() if other.subnet is eni.subnet]
        if not all(address in eni.subnet.free or any(address in other.singles for other in of_subnet) for address in addresses):
            raise Refused("InvalidParameterValue")
        self.check_room(eni, (len(set(addresses) - eni.singles), 0, 0, 0))
        for other in of_subnet:
            other.singles -= set(addresses)
        self.take(eni, Wanted(singles=addresses))

    def unassign(self, eni, wanted):
        have = (eni.singles, eni.blocks, eni.singles6, eni.cells)
        if not all(mine.issuperset(old) for mine, old in zip(have, wanted.kinds(), strict=True)):
            raise Refused("InvalidParameterValue")
        self.give_back(eni, wanted)

    def unassign_private_ip_addresses(self, eni_id, *, addresses=(), prefixes=(), now_ns):
        del now_ns
        if not addresses and not prefixes:
            raise Refused("InvalidParameterCombination")
        wanted = self.named(addresses, prefixes)
        self.unassign(self.eni(eni_id), wanted)

    def assign_ipv6_addresses(self, eni_id, *, ipv6_prefix_count=0, ipv6_address_count=0, addresses=(), prefixes=(), now_ns):
        del now_ns
        self.check_counts(ipv6_prefix_count, ipv6_address_count)
        if sum(map(bool, (ipv6_prefix_count, ipv6_address_count, addresses, prefixes))) != 1:
            raise Refused("InvalidParameterCombination")
        wanted = self.named((), (), addresses, prefixes)
        added = self.assign(self.eni(eni_id), (0, 0, ipv6_address_count, ipv6_prefix_count), wanted)
        return (*self.address6_texts(added.singles6), *self.cell_texts(added.cells))

    def unassign_ipv6_addresses(self, eni_id, *, addresses=(), prefixes=(), now_ns):
        del now_ns
        if not addresses and not prefixes:
            raise Refused("InvalidParameterCombination")
        wanted = self.named((), (), addresses, prefixes)
        self.unassign(self.eni(eni_id), wanted)

    # --- calls: reservations, instances, tags

    def create_subnet_cidr_reservation(self, subnet_id, cidr, *, reservation_type, now_ns):
        del now_ns
        subnet = self.find(self.subnets, subnet_id, "InvalidSubnetID.NotFound")
        net = ipaddress.ip_network(cidr)
        whole = subnet.ipv6 if net.version == 6 else ipaddress.ip_network(subnet.cidr)
        if whole is None or not net.subnet_of(whole) or any(net.overlaps(other) for _, other, _ in self.reservations.values()):
            raise Refused("InvalidParameterValue")
        reservation_id = self.new_id("scr")
        self.reservations[reservation_id] = (subnet, net, reservation_type)
        return SubnetCidrReservation(reservation_id, subnet_id, cidr, reservation_type)

    def delete_subnet_cidr_reservation(self, reservation_id, *, now_ns):
        del now_ns
        subnet, net, kind = self.find(self.reservations, reservation_id, "InvalidSubnetCidrReservationID.NotFound")
        del self.reservations[reservation_id]
        return SubnetCidrReservation(reservation_id, subnet.id, str(net), kind)

    def launch_instance(self, limits, subnet_id, *, now_ns):
        subnet = self.find(self.subnets, subnet_id, "InvalidSubnetID.NotFound")
        if not self.open(subnet):
            raise Refused("InsufficientFreeAddressesInSubnet")
        instance_id = self.new_id("i")
        eni = Eni(subnet, min(self.open(subnet)), now_ns)
        eni.attachment = Attachment(self.new_id("eni-attach"), instance_id, 0, 0, delete_on_termination=True)
        self.take(eni, Wanted())
        self.enis[self.new_id("eni")] = eni
        self.instances[instance_id] = SimpleNamespace(limits=limits, subnet=subnet, tags={}, launched_ns=now_ns)
        return self.describe_instance(instance_id, now_ns=now_ns)

    def terminate_instance(self, instance_id, *, now_ns):
        self.find(self.instances, instance_id, "InvalidInstanceID.NotFound")
        for eni_id, eni in self.of_instance(instance_id).items():
            goes, eni.attachment = eni.attachment.delete_on_termination, None
            if goes:
                self.delete_network_interface(eni_id, now_ns=now_ns)
        del self.instances[instance_id]

    def tagged(self, resource_ids):
        kinds = {"eni": self.enis, "i": self.instances, "subnet": self.subnets}
        codes = {"eni": "InvalidNetworkInterfaceID.NotFound", "i": "InvalidInstanceID.NotFound", "subnet": "InvalidSubnetID.NotFound"}
        if not resource_ids:
            raise Refused("MissingParameter")
        found = []
        for resource_id in resource_ids:
            kind = resource_id.rpartition("-")[0]
            if kind not in kinds:
                raise Refused("InvalidID")
            found.append(self.find(kinds[kind], resource_id, codes[kind]))
        return found

    def create_tags(self, resource_ids, tags, *, now_ns):
        del now_ns
        if len(dict(tags)) < len(tags):
            raise Refused("InvalidParameterValue")
        for thing in self.tagged(resource_ids):
            thing.tags.update(tags)

    def delete_tags(self, resource_ids, tags, *, now_ns):
        del now_ns
        for thing in self.tagged(resource_ids):
            for key, value in tags or [(key, None) for key in thing.tags]:
                if key in thing.tags and value in (None, thing.tags[key]):
                    del thing.tags[key]

    # --- show

    def address_texts(self, addresses):
        return tuple(str(ipaddress.IPv4Address(address)) for address in sorted(addresses))

    def block_texts(self, blocks):
        return tuple(f"{ipaddress.IPv4Address(first)}/28" for first in sorted(blocks))

    def address6_texts(self, addresses):
        return tuple(str(ipaddress.IPv6Address(address)) for address in sorted(addresses))

    def cell_texts(self, cells):
        return tuple(f"{ipaddress.IPv6Address(cell)}/80" for cell in sorted(cells))

    def show(self, eni_id):
        eni = self.enis[eni_id]
        return NetworkInterface(
            eni_id=eni_id,
            subnet_id=eni.subnet.id,
            vpc_id=eni.subnet.vpc_id,
            availability_zone=eni.subnet.zone,
            private_ip=str(ipaddress.IPv4Address(eni.primary)),
            secondary_ips=self.address_texts(eni.singles),
            ipv4_prefixes=self.block_texts(eni.blocks),
            ipv6_addresses=self.address6_texts(eni.singles6),
            ipv6_prefixes=self.cell_texts(eni.cells),
            status="in-use" if eni.attachment else "available",
            attachment=eni.attachment,
            created_ns=eni.created_ns,
            description=eni.description,
            tags=tuple(sorted(eni.tags.items())),
            security_group_ids=("sg-00000000000000001",),
            security_group_names=("default",),
        )

    def describe_network_interfaces(self, *, now_ns):
        del now_ns
        return tuple(map(self.show, sorted(self.enis)))

    def describe_instance(self, instance_id, *, now_ns):
        del now_ns
        instance = self.find(self.instances, instance_id, "InvalidInstanceID.NotFound")
        enis = [self.show(eni_id) for eni_id in self.of_instance(instance_id)]
        enis.sort(key=lambda eni: (eni.attachment.network_card_index, eni.attachment.device_index))
        subnet = instance.subnet
        return Instance(
            instance_id,
            instance.limits.instance_type,
            subnet.id,
            tuple(enis),
            tuple(sorted(instance.tags.items())),
            subnet.vpc_id,
            subnet.zone,
            launched_ns=instance.launched_ns,
        )

    def describe_subnets(self, *, now_ns):
        del now_ns
        return tuple(
            Subnet(
                subnet.id,
                subnet.vpc_id,
                subnet.zone,
                subnet.cidr,
                len(self.open(subnet)),
                None if subnet.ipv6 is None else str(subnet.ipv6),
                tuple(sorted(subnet.tags.items())),
            )
            for subnet in self.subnets.values()
        )
