"""EC2 over plain sets of integers: slow, short, and obviously right. The model is compared with it."""

import heapq
import ipaddress
from dataclasses import dataclass, field
from types import SimpleNamespace

from vpcipam.ec2.api import AssignedAddresses, Attachment, Instance, NetworkInterface, Subnet


class Refused(Exception):
    """The code of a refusal."""


@dataclass(eq=False)
class Eni:
    subnet: object
    primary: int
    created_ns: int
    singles: set = field(default_factory=set)
    blocks: set = field(default_factory=set)
    cells: set = field(default_factory=set)
    attachment: Attachment | None = None


class NaiveEc2:
    def __init__(self):
        self.subnets, self.enis, self.instances = {}, {}, {}
        self.numbers = {}

    def add_subnet(self, subnet_id, vpc_id, zone, cidr, ipv6_cidr):
        network = [int(address) for address in ipaddress.ip_network(cidr)]
        ipv6 = None if ipv6_cidr is None else ipaddress.ip_network(ipv6_cidr)
        # cells: the numbers of the free /80s; the first and the last are EC2's
        self.subnets[subnet_id] = SimpleNamespace(
            id=subnet_id,
            vpc_id=vpc_id,
            zone=zone,
            cidr=cidr,
            ipv6=ipv6,
            usable=set(network[4:-1]),
            free=set(network[4:-1]),
            cells=set(range(1, 2**16 - 1)) if ipv6 else set(),
        )

    # --- help

    def new_id(self, kind):
        self.numbers[kind] = self.numbers.get(kind, 0) + 1
        return f"{kind}-{self.numbers[kind]:017x}"

    def find(self, things, key, code):
        if key not in things:
            raise Refused(code)
        return things[key]

    def eni(self, eni_id):
        return self.find(self.enis, eni_id, "InvalidNetworkInterfaceID.NotFound")

    def of_instance(self, instance_id):
        return {eni_id: eni for eni_id, eni in self.enis.items() if eni.attachment and eni.attachment.instance_id == instance_id}

    def free_blocks(self, free):
        return sorted(first for first in free if first % 16 == 0 and free.issuperset(range(first, first + 16)))

    def pick(self, subnet, single_count, block_count, cell_count):
        """What is taken next, or None, and why."""
        singles = sorted(subnet.free)[:single_count]
        if len(singles) < single_count:
            return None, "addresses"
        blocks = self.free_blocks(subnet.free - set(singles))[:block_count]
        if len(blocks) < block_count:
            return None, "blocks"
        return (singles, blocks, heapq.nsmallest(cell_count, subnet.cells)), None

    def take(self, eni, singles, blocks, cells):
        eni.subnet.free -= {eni.primary, *singles, *(address for first in blocks for address in range(first, first + 16))}
        eni.subnet.cells -= set(cells)
        eni.singles |= set(singles)
        eni.blocks |= set(blocks)
        eni.cells |= set(cells)

    def give_back(self, eni, singles, blocks, cells):
        eni.subnet.free |= {*singles, *(address for first in blocks for address in range(first, first + 16))}
        eni.subnet.cells |= set(cells)
        eni.singles -= set(singles)
        eni.blocks -= set(blocks)
        eni.cells -= set(cells)

    def check_counts(self, *counts):
        if min(counts) < 0:
            raise Refused("InvalidParameterValue")

    def check_cells(self, subnet, count):
        if count and subnet.ipv6 is None:
            raise Refused("InvalidParameterValue")
        if count > len(subnet.cells):
            raise Refused("InsufficientCidrBlocks")

    def check_room(self, eni, slot_count, cell_count, *, has_prefixes):
        if eni.attachment is None:
            return
        limits = self.instances[eni.attachment.instance_id].limits
        if has_prefixes and limits.hypervisor == "xen":
            raise Refused("InvalidParameterValue")
        slots = 1 + len(eni.singles) + len(eni.blocks) + slot_count
        if slots > limits.ipv4_per_eni or len(eni.cells) + cell_count > limits.ipv6_per_eni:
            raise Refused("PrivateIpAddressLimitExceeded")

    # --- calls

    def create_network_interface(self, *, subnet_id, secondary_ip_count=0, ipv4_prefix_count=0, ipv6_prefix_count=0, now_ns):
        self.check_counts(secondary_ip_count, ipv4_prefix_count, ipv6_prefix_count)
        if secondary_ip_count and ipv4_prefix_count:
            raise Refused("InvalidParameterCombination")
        subnet = self.find(self.subnets, subnet_id, "InvalidSubnetID.NotFound")
        if not subnet.free:
            raise Refused("InsufficientFreeAddressesInSubnet")
        self.check_cells(subnet, ipv6_prefix_count)
        picked, _ = self.pick(subnet, 1 + secondary_ip_count, ipv4_prefix_count, ipv6_prefix_count)
        if picked is None:
            raise Refused("InvalidParameterValue")
        singles, blocks, cells = picked
        eni_id = self.new_id("eni")
        self.enis[eni_id] = Eni(subnet, singles[0], now_ns)
        self.take(self.enis[eni_id], singles[1:], blocks, cells)
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
        if 1 + len(eni.singles) + len(eni.blocks) > limits.ipv4_per_eni or len(eni.cells) > limits.ipv6_per_eni:
            raise Refused("InvalidInterface.IpAddressLimitExceeded")
        if (eni.blocks or eni.cells) and limits.hypervisor == "xen":
            raise Refused("InvalidParameterValue")
        eni.attachment = Attachment(self.new_id("eni-attach"), instance_id, device_index, card, delete_on_termination=False)
        return eni.attachment.attachment_id

    def by_attachment(self, attachment_id):
        found = {eni.attachment.attachment_id: eni for eni in self.enis.values() if eni.attachment}
        return self.find(found, attachment_id, "InvalidAttachmentID.NotFound")

    def modify_network_interface_attribute(self, eni_id, *, attachment_id, delete_on_termination, now_ns):
        del now_ns
        eni = self.eni(eni_id)
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
        self.give_back(eni, {eni.primary, *eni.singles}, set(eni.blocks), set(eni.cells))
        del self.enis[eni_id]

    def assign_private_ip_addresses(self, eni_id, *, secondary_ip_count=0, ipv4_prefix_count=0, addresses=(), prefixes=(), now_ns):
        del now_ns
        self.check_counts(secondary_ip_count, ipv4_prefix_count)
        if sum(map(bool, (secondary_ip_count, ipv4_prefix_count, addresses, prefixes))) != 1:
            raise Refused("InvalidParameterCombination")
        singles = [int(ipaddress.ip_address(text)) for text in addresses]
        blocks = [int(ipaddress.ip_network(text).network_address) for text in prefixes]
        if len(set(singles + blocks)) < len(singles + blocks):
            raise Refused("InvalidParameterValue")
        eni = self.eni(eni_id)
        slot_count = secondary_ip_count + ipv4_prefix_count + len(singles) + len(blocks)
        self.check_room(eni, slot_count, 0, has_prefixes=bool(ipv4_prefix_count or blocks))
        if singles or blocks:
            wanted = {*singles, *(address for first in blocks for address in range(first, first + 16))}
            if not wanted <= eni.subnet.free:
                raise Refused("InvalidParameterValue")
        else:
            picked, short_of = self.pick(eni.subnet, secondary_ip_count, ipv4_prefix_count, 0)
            if picked is None:
                raise Refused({"addresses": "InsufficientFreeAddressesInSubnet", "blocks": "InsufficientCidrBlocks"}[short_of])
            singles, blocks, _ = picked
        self.take(eni, singles, blocks, ())
        return AssignedAddresses(self.address_texts(singles), self.block_texts(blocks))

    def unassign_private_ip_addresses(self, eni_id, *, addresses=(), prefixes=(), now_ns):
        del now_ns
        if not addresses and not prefixes:
            raise Refused("InvalidParameterCombination")
        singles = [int(ipaddress.ip_address(text)) for text in addresses]
        blocks = [int(ipaddress.ip_network(text).network_address) for text in prefixes]
        eni = self.eni(eni_id) if len(set(singles)) == len(singles) else self.fail("InvalidParameterValue")
        if len(set(blocks)) < len(blocks) or not (eni.singles.issuperset(singles) and eni.blocks.issuperset(blocks)):
            raise Refused("InvalidParameterValue")
        self.give_back(eni, singles, blocks, ())

    def fail(self, code):
        raise Refused(code)

    def assign_ipv6_addresses(self, eni_id, *, ipv6_prefix_count, now_ns):
        del now_ns
        if ipv6_prefix_count < 1:
            raise Refused("InvalidParameterValue")
        eni = self.eni(eni_id)
        self.check_room(eni, 0, ipv6_prefix_count, has_prefixes=True)
        self.check_cells(eni.subnet, ipv6_prefix_count)
        cells = heapq.nsmallest(ipv6_prefix_count, eni.subnet.cells)
        self.take(eni, (), (), cells)
        return self.cell_texts(eni.subnet, cells)

    def launch_instance(self, limits, subnet_id, *, now_ns):
        subnet = self.find(self.subnets, subnet_id, "InvalidSubnetID.NotFound")
        if not subnet.free:
            raise Refused("InsufficientFreeAddressesInSubnet")
        instance_id = self.new_id("i")
        eni = Eni(subnet, min(subnet.free), now_ns)
        eni.attachment = Attachment(self.new_id("eni-attach"), instance_id, 0, 0, delete_on_termination=True)
        self.take(eni, (), (), ())
        self.enis[self.new_id("eni")] = eni
        self.instances[instance_id] = SimpleNamespace(limits=limits, subnet=subnet)
        return self.describe_instance(instance_id, now_ns=now_ns)

    def terminate_instance(self, instance_id, *, now_ns):
        self.find(self.instances, instance_id, "InvalidInstanceID.NotFound")
        for eni_id, eni in self.of_instance(instance_id).items():
            goes, eni.attachment = eni.attachment.delete_on_termination, None
            if goes:
                self.delete_network_interface(eni_id, now_ns=now_ns)
        del self.instances[instance_id]

    # --- show

    def address_texts(self, addresses):
        return tuple(str(ipaddress.IPv4Address(address)) for address in sorted(addresses))

    def block_texts(self, blocks):
        return tuple(f"{ipaddress.IPv4Address(first)}/28" for first in sorted(blocks))

    def cell_texts(self, subnet, cells):
        return tuple(f"{subnet.ipv6.network_address + cell * 2**48}/80" for cell in sorted(cells))

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
            ipv6_prefixes=self.cell_texts(eni.subnet, eni.cells),
            status="in-use" if eni.attachment else "available",
            attachment=eni.attachment,
            created_ns=eni.created_ns,
        )

    def describe_network_interfaces(self, *, now_ns):
        del now_ns
        return tuple(map(self.show, sorted(self.enis)))

    def describe_instance(self, instance_id, *, now_ns):
        del now_ns
        instance = self.find(self.instances, instance_id, "InvalidInstanceID.NotFound")
        enis = [self.show(eni_id) for eni_id in self.of_instance(instance_id)]
        enis.sort(key=lambda eni: (eni.attachment.network_card_index, eni.attachment.device_index))
        return Instance(instance_id, instance.limits.instance_type, instance.subnet.id, tuple(enis))

    def describe_subnets(self, *, now_ns):
        del now_ns
        return tuple(
            Subnet(subnet.id, subnet.vpc_id, subnet.zone, subnet.cidr, len(subnet.free), None if subnet.ipv6 is None else str(subnet.ipv6))
            for subnet in self.subnets.values()
        )
