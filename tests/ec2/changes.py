"""A call of every action that changes something, with arguments that numbers pick: the same on any model in the same state."""

import inspect
import re

from vpcipam.ec2.api import is_mutating
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.resources import LaunchSettings
from vpcipam.ec2.state.launching import LaunchInterface
from vpcipam.limits import InstanceLimits

NITRO = InstanceLimits(instance_type="nitro.test", eni_limit=4, ipv4_per_eni=6, ipv6_per_eni=4)
_BEGIN = re.compile(r'self\._begin\(\s*"(\w+)"')


def changing_actions():
    """The actions that change something, by EC2's names: those that a public method of the model begins."""
    sources = (inspect.getsource(method) for name, method in inspect.getmembers(Ec2Model, inspect.isfunction) if name[0] != "_")
    return {action for source in sources for action in _BEGIN.findall(source) if is_mutating(action)}


class World:
    """A model in which every action has something to work on, and what it shows, with calls that pick from it."""

    def __init__(self, ec2, tick):
        self.ec2 = ec2
        vpc = ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56", now_ns=tick())
        ec2.create_vpc("10.1.0.0/16", instance_tenancy="dedicated", now_ns=tick())
        ec2.associate_vpc_cidr_block(vpc.vpc_id, "100.64.0.0/24", now_ns=tick())
        subnet = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24", ipv6_cidr="2001:db8::/64", now_ns=tick())
        ec2.create_subnet(vpc.vpc_id, "10.0.2.0/28", now_ns=tick())
        ec2.create_subnet(vpc.vpc_id, "10.0.3.0/28", ipv6_cidr="2001:db8:0:1::/64", now_ns=tick())
        ec2.create_subnet_cidr_reservation(subnet.subnet_id, "10.0.1.64/28", reservation_type="prefix", now_ns=tick())
        instance = ec2.launch_instance(NITRO, subnet.subnet_id, now_ns=tick())
        made = [
            ec2.create_network_interface(subnet_id=subnet.subnet_id, now_ns=tick(), **wanted).eni_id
            for wanted in ({"secondary_ip_count": 2}, {"ipv6_prefix_count": 1}, {"interface_type": "trunk"}, {}, {})
        ]
        ec2.attach_network_interface(made[0], instance.instance_id, device_index=1, now_ns=tick())
        ec2.associate_trunk_interface(made[3], made[2], vlan_id=1, now_ns=tick())
        group = ec2.create_security_group("nodes", "of nodes", vpc_id=vpc.vpc_id, tags=[("a", "x")], now_ns=tick())
        ec2.modify_network_interface_attribute(made[1], security_group_ids=[group.group_id], now_ns=tick())
        ec2.create_security_group("pods", "of pods", vpc_id=vpc.vpc_id, now_ns=tick())
        ec2.create_tags([made[0], subnet.subnet_id], [("a", "x")], now_ns=tick())
        for number in range(3):
            allocation_id = ec2.allocate_address(tags=[("a", "x")], now_ns=tick()).allocation_id
            if number < 2:
                private_ip = "10.0.1.6" if number else None
                ec2.associate_address(allocation_id, eni_id=made[0], private_ip=private_ip, now_ns=tick())
        template = ec2.create_launch_template("nodes", {"InstanceType": "m5.large"}, tags=[("a", "x")], now_ns=tick())
        ec2.create_launch_template_version({"ImageId": "ami-1"}, template_id=template.template_id, source_version="1", now_ns=tick())

    def show(self):
        """The true state, which only an administrator sees."""
        held = self.ec2._account
        tables = (held.vpcs, held.groups, held.subnets, held.reservations, held.enis, held.instances, held.trunk_associations)
        tables += (held.elastic_ips, held.launch_templates)
        templates = held.launch_templates.values()
        versions = [each.version_view(number + 1) for each in templates for number in range(len(each.versions))]
        launches = [(each.settings, each.metadata_options, each.state_changed_ns) for each in held.instances.values()]
        return (*(tuple(record.view() for record in table.values()) for table in tables), versions, launches)

    def subnet(self, number):
        return _one(self.ec2._account.subnets, number, "subnet-0")

    def eni(self, number):
        return _one(self.ec2._account.enis, number, "eni-0")

    def group(self, number):
        return _one(self.ec2._account.groups, number, "sg-0")

    def has(self, number, field):
        """An ENI that has some of a kind of addresses, or any."""
        enis = self.ec2._account.enis
        return _one({eni_id: eni for eni_id, eni in enis.items() if getattr(eni.view(), field)} or enis, number, "eni-0")

    def loose(self, number):
        """An ENI that nothing uses, or any."""
        enis = self.ec2._account.enis
        return _one({eni_id: eni for eni_id, eni in enis.items() if not eni.is_in_use} or enis, number, "eni-0")

    def tagged(self, number):
        held = self.ec2._account
        every = {**held.vpcs, **held.groups, **held.subnets, **held.reservations, **held.enis, **held.instances, **held.trunk_associations}
        every |= {**held.elastic_ips, **held.launch_templates}
        return [_one(every, number, "eni-0")]

    def unassign(self, action, addresses, prefixes, number, now_ns):
        eni_id = self.has(number, addresses if number % 2 else prefixes)
        shown = self.ec2._account.enis[eni_id].view() if eni_id in self.ec2._account.enis else None
        chosen = {"addresses": getattr(shown, addresses, ())[:1], "prefixes": getattr(shown, prefixes, ())[:1]}
        return getattr(self.ec2, action)(eni_id, **chosen, now_ns=now_ns)

    def modify(self, number, now_ns):
        eni_id = self.eni(number)
        attachment = self.ec2._account.enis[eni_id].attachment if eni_id in self.ec2._account.enis else None
        ways = (
            {"description": f"d{number}"},
            {"source_dest_check": bool(number % 2)},
            {"enable_primary_ipv6": number % 4 > 0},
            {"security_group_ids": [self.group(number), self.group(number // 2)]},
            {"attachment_id": attachment and attachment.attachment_id, "delete_on_termination": True},
        )
        self.ec2.modify_network_interface_attribute(eni_id, **ways[number % len(ways)], now_ns=now_ns)

    def launch(self, first, second, now_ns):
        """A launch with a new primary ENI, or with one that exists beside a new one."""
        if second % 2 == 0:
            return self.ec2.launch_instance(NITRO, self.subnet(first), now_ns=now_ns)
        kind = ("interface", "efa", "trunk", "efa-only")[first % 4]
        new = LaunchInterface(subnet_id=self.subnet(first), device_index=1 + second % 4, interface_type=kind)
        interfaces = LaunchInterface(eni_id=self.loose(second)), new
        settings = LaunchSettings(key_name=f"k{first}", user_data="eA==", monitored=True, ebs_optimized=first % 2 == 0)
        return self.ec2.launch_instances(NITRO, interfaces, settings=settings, now_ns=now_ns)

    def call(self, action, first, second, now_ns):
        return CALLS[action](self, first, second, now_ns)


def _one(table, number, unknown):
    """The record at a number, round and round, or now and then one that is not there."""
    return unknown if number % 8 == 7 or not table else list(table)[number % len(table)]


def _vpc(world, number):
    return _one(world.ec2._account.vpcs, number, "vpc-0")


CALLS = {
    "CreateVpc": lambda w, a, b, now_ns: w.ec2.create_vpc(f"10.{a}.0.0/{16 + b}", tags=[("k", str(a))], now_ns=now_ns),
    "AssociateVpcCidrBlock": lambda w, a, b, now_ns: w.ec2.associate_vpc_cidr_block(_vpc(w, a), f"100.64.{b}.0/24", now_ns=now_ns),
    "DisassociateVpcCidrBlock": lambda w, a, _, now_ns: w.ec2.disassociate_vpc_cidr_block(
        _one(w.ec2._account.cidr_associations, a, "vpc-cidr-assoc-0"), now_ns=now_ns
    ),
    "CreateDefaultVpc": lambda w, a, _, now_ns: w.ec2.create_default_vpc(availability_zones=["us-east-1a"][: a % 2], now_ns=now_ns),
    "CreateDefaultSubnet": lambda w, a, _, now_ns: w.ec2.create_default_subnet(f"us-east-1{'ab'[a % 2]}", now_ns=now_ns),
    "ModifyVpcAttribute": lambda w, a, b, now_ns: w.ec2.modify_vpc_attribute(
        _vpc(w, a),
        **{("enable_dns_support", "enable_dns_hostnames", "enable_network_address_usage_metrics")[b % 3]: a % 2 == 0},
        now_ns=now_ns,
    ),
    "ModifyVpcTenancy": lambda w, a, b, now_ns: w.ec2.modify_vpc_tenancy(_vpc(w, a), ("dedicated", "default")[b % 2], now_ns=now_ns),
    "AssociateSubnetCidrBlock": lambda w, a, b, now_ns: w.ec2.associate_subnet_cidr_block(
        w.subnet(a), f"2001:db8:0:{b}::/64", now_ns=now_ns
    ),
    "DisassociateSubnetCidrBlock": lambda w, a, _, now_ns: w.ec2.disassociate_subnet_cidr_block(
        _one(w.ec2._account.subnet_cidr_associations, a, "subnet-cidr-assoc-0"), now_ns=now_ns
    ),
    "ModifySubnetAttribute": lambda w, a, b, now_ns: w.ec2.modify_subnet_attribute(
        w.subnet(a), **{("map_public_ip_on_launch", "assign_ipv6_address_on_creation")[b % 2]: b % 4 < 2}, now_ns=now_ns
    ),
    "DeleteVpc": lambda w, a, _, now_ns: w.ec2.delete_vpc(_vpc(w, 1 + a), now_ns=now_ns),
    "CreateSecurityGroup": lambda w, a, b, now_ns: w.ec2.create_security_group(
        ("nodes", "PODS", "default", "a", "b")[b % 5], "any", vpc_id=_vpc(w, a), tags=[("k", str(b))], now_ns=now_ns
    ),
    "DeleteSecurityGroup": lambda w, a, _, now_ns: w.ec2.delete_security_group(w.group(1 + a), now_ns=now_ns),
    "CreateSubnet": lambda w, a, b, now_ns: w.ec2.create_subnet(_vpc(w, a), f"10.{a % 2}.{1 + b}.0/28", now_ns=now_ns),
    "DeleteSubnet": lambda w, a, _, now_ns: w.ec2.delete_subnet(w.subnet(1 + a), now_ns=now_ns),
    "CreateSubnetCidrReservation": lambda w, a, b, now_ns: w.ec2.create_subnet_cidr_reservation(
        w.subnet(0), f"10.0.1.{16 * a}/28", reservation_type=("prefix", "explicit")[b % 2], now_ns=now_ns
    ),
    "DeleteSubnetCidrReservation": lambda w, a, _, now_ns: w.ec2.delete_subnet_cidr_reservation(
        _one(w.ec2._account.reservations, a, "scr-0"), now_ns=now_ns
    ),
    "RunInstances": lambda w, a, b, now_ns: w.launch(a, b, now_ns),
    "TerminateInstances": lambda w, a, _, now_ns: w.ec2.terminate_instances([_one(w.ec2._account.instances, a, "i-0")], now_ns=now_ns),
    "StopInstances": lambda w, a, _, now_ns: w.ec2.stop_instances([_one(w.ec2._account.instances, a, "i-0")], now_ns=now_ns),
    "StartInstances": lambda w, a, _, now_ns: w.ec2.start_instances([_one(w.ec2._account.instances, a, "i-0")], now_ns=now_ns),
    "ModifyInstanceAttribute": lambda w, a, b, now_ns: w.ec2.modify_instance_attribute(
        _one(w.ec2._account.instances, a, "i-0"),
        **({"source_dest_check": b % 4 == 0} if b % 2 else {"security_group_ids": [w.group(b)]}),
        now_ns=now_ns,
    ),
    "ModifyInstanceMetadataOptions": lambda w, a, b, now_ns: w.ec2.modify_instance_metadata_options(
        _one(w.ec2._account.instances, a, "i-0"),
        http_put_response_hop_limit=1 + b,
        **(
            {},
            {"http_tokens": "optional"},
            {"http_endpoint": "disabled"},
            {"http_protocol_ipv6": "enabled"},
            {"instance_metadata_tags": "enabled"},
        )[b % 5],
        now_ns=now_ns,
    ),
    "RebootInstances": lambda w, a, _, now_ns: w.ec2.reboot_instances([_one(w.ec2._account.instances, a, "i-0")], now_ns=now_ns),
    "CreateNetworkInterface": lambda w, a, b, now_ns: w.ec2.create_network_interface(
        subnet_id=w.subnet(a),
        ipv4_prefix_count=b % 2,
        tags=[("k", str(b))],
        security_group_ids=[w.group(b)] if b % 3 == 2 else [],
        now_ns=now_ns,
    ),
    "AttachNetworkInterface": lambda w, a, b, now_ns: w.ec2.attach_network_interface(
        w.loose(a), _one(w.ec2._account.instances, 0, "i-0"), device_index=1 + b % 3, now_ns=now_ns
    ),
    "ModifyNetworkInterfaceAttribute": lambda w, a, _, now_ns: w.modify(a, now_ns),
    "DetachNetworkInterface": lambda w, a, _, now_ns: w.ec2.detach_network_interface(
        _one(w.ec2._account.attachments, 1 + a, "eni-attach-0"), now_ns=now_ns
    ),
    "DeleteNetworkInterface": lambda w, a, _, now_ns: w.ec2.delete_network_interface(w.loose(a), now_ns=now_ns),
    "AssignPrivateIpAddresses": lambda w, a, b, now_ns: w.ec2.assign_private_ip_addresses(
        w.eni(a), secondary_ip_count=1 + b, now_ns=now_ns
    ),
    "UnassignPrivateIpAddresses": lambda w, a, _, now_ns: w.unassign(
        "unassign_private_ip_addresses", "secondary_ips", "ipv4_prefixes", a, now_ns
    ),
    "AssignIpv6Addresses": lambda w, a, b, now_ns: w.ec2.assign_ipv6_addresses(
        w.eni(a), **{("ipv6_prefix_count", "ipv6_address_count")[b % 2]: 1}, now_ns=now_ns
    ),
    "UnassignIpv6Addresses": lambda w, a, _, now_ns: w.unassign("unassign_ipv6_addresses", "ipv6_addresses", "ipv6_prefixes", a, now_ns),
    "AllocateAddress": lambda w, _, b, now_ns: w.ec2.allocate_address(tags=[("k", str(b))], now_ns=now_ns),
    "AssociateAddress": lambda w, a, b, now_ns: w.ec2.associate_address(
        _one(w.ec2._account.elastic_ips, a, "eipalloc-0"),
        **({"instance_id": _one(w.ec2._account.instances, b, "i-0")} if b % 3 == 0 else {"eni_id": w.eni(b)}),
        private_ip=f"10.0.1.{4 + a}" if b % 2 else None,
        allow_reassociation=b % 4 > 0,
        now_ns=now_ns,
    ),
    "DisassociateAddress": lambda w, a, _, now_ns: w.ec2.disassociate_address(
        _one(w.ec2._account.elastic_ip_associations, a, "eipassoc-0"), now_ns=now_ns
    ),
    "ReleaseAddress": lambda w, a, _, now_ns: w.ec2.release_address(_one(w.ec2._account.elastic_ips, a, "eipalloc-0"), now_ns=now_ns),
    "CreateLaunchTemplate": lambda w, a, b, now_ns: w.ec2.create_launch_template(
        ("nodes", "pods", "a", "b?c", "others")[b % 5], {"InstanceType": "m5.large"}, tags=[("k", str(a))], now_ns=now_ns
    ),
    "CreateLaunchTemplateVersion": lambda w, a, b, now_ns: w.ec2.create_launch_template_version(
        {"InstanceType": f"m5.{a}xlarge"},
        template_id=_one(w.ec2._account.launch_templates, a, "lt-0"),
        source_version=(None, "1", "$Latest", "9")[b % 4],
        description=f"{b}",
        now_ns=now_ns,
    ),
    "ModifyLaunchTemplate": lambda w, a, b, now_ns: w.ec2.modify_launch_template(
        ("$Latest", "1", "2", "9")[b % 4], template_id=_one(w.ec2._account.launch_templates, a, "lt-0"), now_ns=now_ns
    ),
    "DeleteLaunchTemplate": lambda w, a, _, now_ns: w.ec2.delete_launch_template(
        template_id=_one(w.ec2._account.launch_templates, a, "lt-0"), now_ns=now_ns
    ),
    "AssociateTrunkInterface": lambda w, a, b, now_ns: w.ec2.associate_trunk_interface(
        w.loose(a),
        next((e.eni_id for e in w.ec2._account.enis.values() if e.interface_type == "trunk"), "eni-0"),
        vlan_id=1 + b,
        now_ns=now_ns,
    ),
    "DisassociateTrunkInterface": lambda w, a, _, now_ns: w.ec2.disassociate_trunk_interface(
        _one(w.ec2._account.trunk_associations, a, "trunk-assoc-0"), now_ns=now_ns
    ),
    "CreateTags": lambda w, a, b, now_ns: w.ec2.create_tags(w.tagged(a), [("k", f"{b}")], now_ns=now_ns),
    "DeleteTags": lambda w, a, b, now_ns: w.ec2.delete_tags(w.tagged(a), [("a", None), ("k", f"{b}")], now_ns=now_ns),
}
