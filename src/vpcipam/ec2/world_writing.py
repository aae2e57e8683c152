"""Writes a world: the document of all that is in an account. `vpcipam.ec2.worlds` reads it."""

from typing import Any

import attrs

from vpcipam.address import address_text
from vpcipam.ec2.api import NetworkInterface, SecurityGroup, SubnetCidrReservation, TrunkAssociation
from vpcipam.ec2.state.account import Account
from vpcipam.ec2.state.records import ElasticIpRecord, InstanceRecord, LaunchTemplateRecord, VpcRecord, default_reservation
from vpcipam.ec2.world_entries import FORMAT, SUBNET_FLAGS, VPC_FLAGS
from vpcipam.errors import UnknownInstanceType
from vpcipam.limits import instance_limits


def write_world(account: Account) -> dict[str, Any]:
    """Return the world of an account. What it leaves out: calls so far, client tokens, the past, and terminated instances."""
    return {
        "format": FORMAT,
        "last_numbers": account.last_numbers,
        "vpcs": [_vpc_entry(vpc) for vpc in account.vpcs.values()],
        "security_groups": [_group_entry(each.view()) for each in account.groups.values()],
        "subnets": [
            _entry(
                id=subnet.subnet_id,
                vpc=subnet.vpc_id,
                cidr=str(subnet.addresses.cidr),
                ipv6_cidr=None if subnet.addresses.ipv6_cidr is None else str(subnet.addresses.ipv6_cidr),
                ipv6_association_id=subnet.ipv6_association_id,
                availability_zone=subnet.availability_zone,
                tags=dict(subnet.tags),
                **{name: True for name in SUBNET_FLAGS if getattr(subnet, name)},
            )
            for subnet in account.subnets.values()
        ],
        "reservations": [_reservation_entry(each.view()) for each in account.reservations.values()],
        "instances": [_instance_entry(instance) for instance in account.instances.values()],
        "network_interfaces": [
            _eni_entry(eni.view(), account) | _entry(automatic_ip=None if eni.automatic_ip is None else address_text(eni.automatic_ip, 4))
            for eni in account.enis.values()
        ],
        "trunk_associations": [_trunk_entry(each.view()) for each in account.trunk_associations.values()],
        "elastic_ips": [_elastic_ip_entry(each) for each in account.elastic_ips.values()],
        "launch_templates": [_template_entry(each) for each in account.launch_templates.values()],
    }


def _entry(**values: object) -> dict[str, Any]:
    """Return an entry without what is empty."""
    return {key: value for key, value in values.items() if value not in (None, "", {}, [], ())}


def _vpc_entry(vpc: VpcRecord) -> dict[str, Any]:
    return _entry(
        id=vpc.vpc_id,
        cidrs=[str(cidr) for cidr in vpc.cidrs.values()],
        association_ids=list(vpc.cidrs),
        ipv6_cidr=None if vpc.ipv6_cidr is None else str(vpc.ipv6_cidr),
        ipv6_association_id=vpc.ipv6_association_id,
        tags=dict(vpc.tags),
        instance_tenancy=None if vpc.instance_tenancy == "default" else vpc.instance_tenancy,
        **{name: not default for name, default in VPC_FLAGS.items() if getattr(vpc, name) is not default},
    )


def _reservation_entry(each: SubnetCidrReservation) -> dict[str, Any]:
    return _entry(
        id=each.reservation_id,
        subnet=each.subnet_id,
        cidr=each.cidr,
        type=each.reservation_type,
        description=each.description,
        tags=dict(each.tags),
    )


def _group_entry(each: SecurityGroup) -> dict[str, Any]:
    return _entry(id=each.group_id, vpc=each.vpc_id, name=each.group_name, description=each.description, tags=dict(each.tags))


def _instance_entry(instance: InstanceRecord) -> dict[str, Any]:
    name = instance.limits.instance_type
    try:
        known = instance_limits(name) == instance.limits
    except UnknownInstanceType:
        known = False
    limits = {key: value for key, value in attrs.asdict(instance.limits).items() if value is not None}
    return _entry(
        id=instance.instance_id,
        type=name if known else {**limits, "network_cards": list(instance.limits.network_cards)},
        subnet=instance.subnet.subnet_id,
        tags=dict(instance.tags),
        launched_ns=instance.launched_ns,
        state=None if instance.state == "running" else instance.state,
        image_id=instance.image_id,
        reservation_id=None if instance.reservation_id == default_reservation(instance.instance_id) else instance.reservation_id,
        launch_index=instance.launch_index or None,
        public_at_start=instance.public_at_start or None,
        state_changed_ns=None if instance.state_changed_ns == instance.launched_ns else instance.state_changed_ns,
        metadata_options=attrs.asdict(instance.metadata_options),
        **{name: value or None for name, value in attrs.asdict(instance.settings).items()},
    )


def _eni_entry(eni: NetworkInterface, account: Account) -> dict[str, Any]:
    own_groups = eni.security_group_ids != (account.vpcs[eni.vpc_id].default_group.group_id,)
    members = eni_members(eni) | {
        "type": "interface" if eni.interface_type == "branch" else eni.interface_type,
        "security_groups": list(eni.security_group_ids) if own_groups else [],
        "source_dest_check": None if eni.source_dest_check else False,
    }
    return _entry(**members)


def eni_members(eni: NetworkInterface) -> dict[str, Any]:
    """Return what a world says of an ENI, with empty members too."""
    attachment = eni.attachment
    return {
        "id": eni.eni_id,
        "subnet": eni.subnet_id,
        "type": eni.interface_type,
        "description": eni.description,
        "private_ip": eni.private_ip,
        "secondary_ips": list(eni.secondary_ips),
        "ipv4_prefixes": list(eni.ipv4_prefixes),
        "ipv6_addresses": list(eni.ipv6_addresses),
        "ipv6_prefixes": list(eni.ipv6_prefixes),
        "primary_ipv6": eni.primary_ipv6,
        "security_groups": list(eni.security_group_ids),
        "source_dest_check": eni.source_dest_check,
        "tags": dict(eni.tags),
        "created_ns": eni.created_ns,
        "attachment": None
        if attachment is None
        else {
            "id": attachment.attachment_id,
            "instance": attachment.instance_id,
            "device_index": attachment.device_index,
            "network_card_index": attachment.network_card_index,
            "delete_on_termination": attachment.delete_on_termination,
            "attached_ns": attachment.attached_ns,
        },
    }


def _trunk_entry(each: TrunkAssociation) -> dict[str, Any]:
    return _entry(
        id=each.association_id,
        trunk=each.trunk_eni_id,
        branch=each.branch_eni_id,
        vlan_id=each.vlan_id,
        gre_key=each.gre_key,
        tags=dict(each.tags),
    )


def _elastic_ip_entry(each: ElasticIpRecord) -> dict[str, Any]:
    return _entry(
        id=each.allocation_id,
        public_ip=address_text(each.public_ip, 4),
        network_interface=None if each.eni is None else each.eni.eni_id,
        private_ip=None if each.private_ip is None else address_text(each.private_ip, 4),
        association_id=each.association_id,
        tags=dict(each.tags),
    )


def _template_entry(each: LaunchTemplateRecord) -> dict[str, Any]:
    versions = [each.version_view(number) for number in range(1, len(each.versions) + 1)]
    return _entry(
        id=each.template_id,
        name=each.template_name,
        created_ns=each.created_ns,
        default_version=each.default_number,
        versions=[_entry(data=version.data, description=version.description, created_ns=version.created_ns) for version in versions],
        tags=dict(each.tags),
    )
