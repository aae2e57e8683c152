"""What each filter of a Describe action compares (EC2: the API reference of each action).

What the model never has, such as a carrier's address, has no values: a filter on it matches nothing. `vpcipam.ec2.state.unmodelled_filters`
lists the documented filters that are missing here. Some filters have a second name without hyphens.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import attrs

from vpcipam.ec2.api import (
    Attachment,
    ElasticIpAssociation,
    Instance,
    NetworkInterface,
    SecurityGroup,
    Subnet,
    SubnetCidrReservation,
    TagDescription,
    TrunkAssociation,
    Vpc,
)
from vpcipam.ec2.resources import METADATA_MEMBERS, ElasticIp, LaunchTemplate, LaunchTemplateVersion
from vpcipam.ec2.state.filters import Reader, tag_keys
from vpcipam.ec2.state.names import (
    OPT_IN_REGIONS,
    OWNER_ID,
    mac_address,
    private_dns_name,
    public_dns_name,
    region_domain,
    region_of,
    subnet_arn,
    time_text,
    zone_id,
)
from vpcipam.limits import InstanceLimits
from vpcipam.limits.instance_limits import architecture_of


def _truth(value: bool) -> str:  # noqa: FBT001  # the value to format, not a switch
    return "true" if value else "false"


def _nothing(_: object) -> Iterable[str]:
    return ()


def _owner(_: object) -> Iterable[str]:
    return (OWNER_ID,)


def _no(_: object) -> Iterable[str]:
    return ("false",)


def _available(_: object) -> Iterable[str]:
    return ("available",)


# --- VPCs, security groups and subnets -----------------------------------------------------------------------------------

VPC_FILTERS: Mapping[str, Reader[Vpc]] = {
    "cidr": lambda vpc: vpc.cidrs[:1],
    "cidr-block-association.association-id": lambda vpc: (each.association_id for each in vpc.associations),
    "cidr-block-association.cidr-block": lambda vpc: vpc.cidrs,
    "cidr-block-association.state": lambda _: ("associated",),
    "dhcp-options-id": lambda _: ("default",),
    "ipv6-cidr-block-association.association-id": lambda vpc: (vpc.ipv6_association_id,),
    "ipv6-cidr-block-association.ipv6-cidr-block": lambda vpc: (vpc.ipv6_cidr,),
    "ipv6-cidr-block-association.state": lambda vpc: () if vpc.ipv6_cidr is None else ("associated",),
    "is-default": lambda vpc: (_truth(vpc.is_default),),
    "isDefault": lambda vpc: (_truth(vpc.is_default),),
    "owner-id": _owner,
    "state": _available,
    "tag-key": tag_keys,
    "vpc-id": lambda vpc: (vpc.vpc_id,),
}


def _subnet_zone(subnet: Subnet) -> Iterable[str]:
    return (subnet.availability_zone,)


def _subnet_zone_id(subnet: Subnet) -> Iterable[str]:
    return (zone_id(subnet.availability_zone),)


def _default_for_az(subnet: Subnet) -> Iterable[str]:
    return (_truth(subnet.default_for_az),)


def _subnet_cidr(subnet: Subnet) -> Iterable[str]:
    return (subnet.cidr,)


SUBNET_FILTERS: Mapping[str, Reader[Subnet]] = {
    "availability-zone": _subnet_zone,
    "availability-zone-id": _subnet_zone_id,
    "availabilityZone": _subnet_zone,
    "availabilityZoneId": _subnet_zone_id,
    "available-ip-address-count": lambda subnet: (str(subnet.available_ip_address_count),),
    "cidr": _subnet_cidr,
    "cidr-block": _subnet_cidr,
    "cidrBlock": _subnet_cidr,
    "customer-owned-ipv4-pool": _nothing,
    "default-for-az": _default_for_az,
    "defaultForAz": _default_for_az,
    "enable-dns64": _no,
    "enable-lni-at-device-index": _nothing,
    "ipv6-cidr-block-association.association-id": lambda subnet: (subnet.ipv6_association_id,),
    "ipv6-cidr-block-association.ipv6-cidr-block": lambda subnet: (subnet.ipv6_cidr,),
    "ipv6-cidr-block-association.state": lambda subnet: () if subnet.ipv6_cidr is None else ("associated",),
    "ipv6-native": _no,
    "map-customer-owned-ip-on-launch": _no,
    "map-public-ip-on-launch": lambda subnet: (_truth(subnet.map_public_ip_on_launch),),
    "outpost-arn": _nothing,
    "owner-id": _owner,
    "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": _no,
    "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": _no,
    "private-dns-name-options-on-launch.hostname-type": lambda _: ("ip-name",),
    "state": _available,
    "subnet-arn": lambda subnet: (subnet_arn(subnet.subnet_id, region_of(subnet.availability_zone)),),
    "subnet-id": lambda subnet: (subnet.subnet_id,),
    "tag-key": tag_keys,
    "vpc-id": lambda subnet: (subnet.vpc_id,),
}

GROUP_FILTERS: Mapping[str, Reader[SecurityGroup]] = {
    "description": lambda group: (group.description,),
    "group-id": lambda group: (group.group_id,),
    "group-name": lambda group: (group.group_name,),
    "owner-id": _owner,
    "tag-key": tag_keys,
    "vpc-id": lambda group: (group.vpc_id,),
}

RESERVATION_FILTERS: Mapping[str, Reader[SubnetCidrReservation]] = {
    "reservationType": lambda reservation: (reservation.reservation_type,),
    "subnet-id": lambda reservation: (reservation.subnet_id,),
    "tag-key": tag_keys,
}

# --- ENIs ----------------------------------------------------------------------------------------------------------------


def _of_attachment(read: "Reader[Attachment]") -> Reader[NetworkInterface]:
    return lambda eni: () if eni.attachment is None else read(eni.attachment)


def _dns_name(eni: NetworkInterface) -> Iterable[str]:
    return (private_dns_name(eni.private_ip, region_of(eni.availability_zone)),) if eni.private_ip else ()


def ip_owner_id(association: ElasticIpAssociation) -> str:
    """Return the owner of a public address: the account, or Amazon if it is not an Elastic IP."""
    return OWNER_ID if association.allocation_id else "amazon"


_OF_ASSOCIATION: Mapping[str, Callable[[ElasticIpAssociation], str]] = {
    "allocation-id": lambda each: each.allocation_id,
    "association-id": lambda each: each.association_id,
    "ip-owner-id": ip_owner_id,
    "owner-id": ip_owner_id,
    "public-ip": lambda each: each.public_ip,
}


def _of_elastic_ips(name: str) -> Reader[NetworkInterface]:
    """Return the reader of a member of the Elastic IPs of an ENI; carriers' and customers' addresses have none."""
    if name == "public-dns-name":
        return lambda eni: (public_dns_name(each.public_ip, region_of(eni.availability_zone)) for each in eni.elastic_ips)
    read = _OF_ASSOCIATION.get(name)
    return _nothing if read is None else lambda eni: filter(None, map(read, eni.elastic_ips))


def _of_primary_ip(name: str) -> Reader[NetworkInterface]:
    """Return the reader of a member of the Elastic IP of the primary address of an ENI, which EC2 shows as the ENI's own."""
    read = _of_elastic_ips(name)
    return lambda eni: read(attrs.evolve(eni, elastic_ips=eni.elastic_ips[:1])) if _public_ip(eni) else ()


def _public_ip(eni: NetworkInterface) -> tuple[str, ...]:
    """Return the public address of the primary private IP of an ENI, if it has one."""
    return tuple(each.public_ip for each in eni.elastic_ips[:1] if each.private_ip == eni.private_ip)


_ASSOCIATION_FILTERS: Mapping[str, Reader[NetworkInterface]] = {
    "addresses.association.owner-id": _of_elastic_ips("owner-id"),
    "addresses.association.public-ip": _of_elastic_ips("public-ip"),
    **{
        f"association.{name}": _of_primary_ip(name)
        for name in ("allocation-id", "association-id", "ip-owner-id", "public-dns-name", "public-ip")
    },
}
"""The filters on the Elastic IPs of an ENI."""

ENI_FILTERS: Mapping[str, Reader[NetworkInterface]] = {
    **_ASSOCIATION_FILTERS,
    "addresses.primary": lambda eni: (*(("true",) if eni.private_ip else ()), *(("false",) if eni.secondary_ips else ())),
    "addresses.private-ip-address": lambda eni: eni.single_ips,
    "attachment.attach-time": _of_attachment(lambda attachment: (time_text(attachment.attached_ns),)),
    "attachment.attachment-id": _of_attachment(lambda attachment: (attachment.attachment_id,)),
    "attachment.delete-on-termination": _of_attachment(lambda attachment: (_truth(attachment.delete_on_termination),)),
    "attachment.device-index": _of_attachment(lambda attachment: (str(attachment.device_index),)),
    "attachment.instance-id": _of_attachment(lambda attachment: (attachment.instance_id,)),
    "attachment.instance-owner-id": _of_attachment(_owner),
    "attachment.status": _of_attachment(lambda _: ("attached",)),
    "availability-zone": lambda eni: (eni.availability_zone,),
    "availability-zone-id": lambda eni: (zone_id(eni.availability_zone),),
    "description": lambda eni: (eni.description,),
    "group-id": lambda eni: eni.security_group_ids,
    "group-name": lambda eni: eni.security_group_names,
    "interface-type": lambda eni: (eni.interface_type,),
    "ipv6-addresses.ipv6-address": lambda eni: eni.ipv6_addresses,
    "mac-address": lambda eni: (mac_address(eni.eni_id),),
    "network-interface-id": lambda eni: (eni.eni_id,),
    "operator.managed": _no,
    "operator.principal": _nothing,
    "owner-id": _owner,
    "private-dns-name": _dns_name,
    "private-ip-address": lambda eni: eni.single_ips[:1],
    "requester-id": _owner,
    "requester-managed": _no,
    "source-dest-check": lambda eni: (_truth(eni.source_dest_check),),
    "status": lambda eni: (eni.status,),
    "subnet-id": lambda eni: (eni.subnet_id,),
    "tag-key": tag_keys,
    "vpc-id": lambda eni: (eni.vpc_id,),
}

TRUNK_FILTERS: Mapping[str, Reader[TrunkAssociation]] = {
    "gre-key": lambda association: () if association.gre_key is None else (str(association.gre_key),),
    "interface-protocol": lambda association: (association.interface_protocol,),
    "tag-key": tag_keys,
}

# --- instances -----------------------------------------------------------------------------------------------------------


def _of_enis(read: Reader[NetworkInterface]) -> Reader[Instance]:
    return lambda instance: chain.from_iterable(map(read, instance.network_interfaces))


def _of_primary(read: Reader[NetworkInterface]) -> Reader[Instance]:
    return lambda instance: chain.from_iterable(map(read, instance.network_interfaces[:1]))


def public_ips(instance: Instance) -> tuple[str, ...]:
    """Return the public address of the primary private IP of an instance, if it has one."""
    return tuple(chain.from_iterable(map(_public_ip, instance.network_interfaces[:1])))


_ONLY_OF_ENIS = {"availability-zone-id", "interface-type"}
UNNAMED_IMAGE = "ami-00000000000000000"
HYPERVISOR = "xen"
"""EC2 says so of instances on Nitro too."""
VIRTUALIZATION = "hvm"
_SHUTDOWN = "Client.UserInitiatedShutdown"


def monitoring_state(instance: Instance) -> str:
    """Return the state of an instance's monitoring; detailed monitoring begins after the launch."""
    if not instance.settings.monitored:
        return "disabled"
    return "pending" if instance.state == "pending" else "enabled"


def state_reason(instance: Instance) -> tuple[str, ...]:
    """Return the code and the message of why an instance has its state; none if it runs (EC2: "StateReason")."""
    if instance.state == "pending":
        return ("pending", "pending")
    return (_SHUTDOWN, f"{_SHUTDOWN}: User initiated shutdown") if instance.state in _ENDED else ()


def transition_reason(instance: Instance) -> str:
    """Return why and when an instance was stopped or terminated; empty if it was not."""
    if instance.state not in _ENDED:
        return ""
    date, _, time = time_text(instance.state_changed_ns).partition("T")
    return f"User initiated ({date} {time[:8]} GMT)"


_ENDED = {"stopped", "terminated"}
"""The image of an instance that was launched without one."""
_INTERFACE = "network-interface."
_INTERFACE_FILTERS: Mapping[str, Reader[NetworkInterface]] = {
    **{name: read for name, read in ENI_FILTERS.items() if name not in _ASSOCIATION_FILTERS.keys() | _ONLY_OF_ENIS},
    "attachment.network-card-index": _of_attachment(lambda attachment: (str(attachment.network_card_index),)),
    "addresses.private-dns-name": lambda eni: (private_dns_name(ip, region_of(eni.availability_zone)) for ip in eni.single_ips),
    "ipv4-prefixes.ipv4-prefix": lambda eni: eni.ipv4_prefixes,
    "ipv6-address": lambda eni: eni.ipv6_addresses,
    "ipv6-addresses.is-primary-ipv6": lambda eni: {_truth(address == eni.primary_ipv6) for address in eni.ipv6_addresses},
    "ipv6-native": _no,
    "ipv6-prefixes.ipv6-prefix": lambda eni: eni.ipv6_prefixes,
    "tag-value": lambda eni: (value for _, value in eni.tags),
}


def _metadata_option(name: str) -> Reader[Instance]:
    return lambda instance: (str(getattr(instance.metadata_options, name)),)


_PUBLIC = ("allocation-id", "association-id", "carrier-ip", "customer-owned-ip", "ip-owner-id", "public-dns-name", "public-ip")

INSTANCE_FILTERS: Mapping[str, Reader[Instance]] = {
    **{f"{_INTERFACE}{name}": _of_enis(read) for name, read in _INTERFACE_FILTERS.items()},
    **{f"{_INTERFACE}addresses.association.{name}": _of_enis(_of_elastic_ips(name)) for name in _PUBLIC},
    **{f"{_INTERFACE}association.{name}": _of_enis(_of_primary_ip(name)) for name in _PUBLIC},
    f"{_INTERFACE}outpost-arn": _nothing,
    f"{_INTERFACE}public-dns-name": _of_enis(_of_primary_ip("public-dns-name")),
    "architecture": lambda instance: (architecture_of(instance.instance_type),),
    "availability-zone": lambda instance: (instance.availability_zone,),
    "availability-zone-id": lambda instance: (zone_id(instance.availability_zone),),
    "dns-name": lambda instance: (public_dns_name(ip, region_of(instance.availability_zone)) for ip in public_ips(instance)),
    "ebs-optimized": lambda instance: (_truth(instance.settings.ebs_optimized),),
    "hibernation-options.configured": _no,
    "hypervisor": lambda _: (HYPERVISOR,),
    "instance-id": lambda instance: (instance.instance_id,),
    "instance-state-name": lambda instance: (instance.state,),
    "instance-type": lambda instance: (instance.instance_type,),
    "instance.group-id": _of_primary(ENI_FILTERS["group-id"]),
    "instance.group-name": _of_primary(ENI_FILTERS["group-name"]),
    "ip-address": public_ips,
    "ipv6-address": _of_enis(ENI_FILTERS["ipv6-addresses.ipv6-address"]),
    "image-id": lambda instance: (instance.image_id or UNNAMED_IMAGE,),
    "instance-state-code": lambda instance: (str(STATE_CODES[instance.state]),),
    "key-name": lambda instance: (instance.settings.key_name or None,),
    "launch-index": lambda instance: (str(instance.launch_index),),
    "reservation-id": lambda instance: (instance.reservation_id,),
    "launch-time": lambda instance: (time_text(instance.launched_ns),),
    **{f"metadata-options.{name.replace('_', '-')}": _metadata_option(name) for name in METADATA_MEMBERS.values()},
    "metadata-options.http-protocol-ipv4": _metadata_option("http_endpoint"),  # it has IPv4 whenever it is enabled
    "monitoring-state": lambda instance: (monitoring_state(instance),),
    "operator.managed": _no,
    "operator.principal": _nothing,
    "outpost-arn": _nothing,
    "owner-id": _owner,
    "product-code": _nothing,
    "product-code.type": _nothing,
    "reason": lambda instance: (transition_reason(instance),),
    "state-reason-code": lambda instance: state_reason(instance)[:1],
    "state-reason-message": lambda instance: state_reason(instance)[1:],
    "private-dns-name": _of_primary(_dns_name),
    "private-ip-address": _of_primary(ENI_FILTERS["private-ip-address"]),
    "source-dest-check": _of_primary(ENI_FILTERS["source-dest-check"]),
    "subnet-id": lambda instance: (instance.subnet_id,),
    "tag-key": tag_keys,
    "tenancy": lambda _: ("default",),
    "virtualization-type": lambda _: (VIRTUALIZATION,),
    "vpc-id": lambda instance: (instance.vpc_id,),
}

STATE_CODES: Mapping[str, int] = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
"""EC2's number of each state of an instance."""


def _state_code(instance: Instance) -> Iterable[str]:
    return (str(STATE_CODES[instance.state]),)


def _reachability(instance: Instance) -> Iterable[str]:
    return ("passed",) if instance.state == "running" else ()


def _status(instance: Instance) -> Iterable[str]:
    return ("ok" if instance.state == "running" else "not-applicable",)


INSTANCE_STATUS_FILTERS: Mapping[str, Reader[Instance]] = {
    **{name: INSTANCE_FILTERS[name] for name in ("availability-zone", "availability-zone-id", "instance-state-name")},
    "event.code": _nothing,
    "event.description": _nothing,
    "event.instance-event-id": _nothing,
    "event.not-after": _nothing,
    "event.not-before": _nothing,
    "event.not-before-deadline": _nothing,
    "instance-state-code": _state_code,
    "instance-status.reachability": _reachability,
    "instance-status.status": _status,
    "operator.managed": _no,
    "operator.principal": _nothing,
    "system-status.reachability": _reachability,
    "system-status.status": _status,
}

INSTANCE_TYPE_FILTERS: Mapping[str, Reader[InstanceLimits]] = {
    "bare-metal": lambda limits: (_truth(limits.bare_metal),),
    "hypervisor": lambda limits: (limits.hypervisor,),
    "instance-type": lambda limits: (limits.instance_type,),
    "network-info.efa-supported": lambda limits: (_truth(limits.efa),),
    "network-info.ipv4-addresses-per-interface": lambda limits: (str(limits.ipv4_per_eni),),
    "network-info.ipv6-addresses-per-interface": lambda limits: (str(limits.ipv6_per_eni),),
    "network-info.ipv6-supported": lambda limits: (_truth(limits.ipv6_per_eni > 0),),
    "network-info.maximum-network-cards": lambda limits: (str(len(limits.network_cards)),),
    "network-info.maximum-network-interfaces": lambda limits: (str(sum(limits.network_cards)),),
    "processor-info.supported-architecture": lambda limits: (limits.architecture,),
    "vcpu-info.default-vcpus": lambda limits: (str(limits.vcpus),),
}

# --- Elastic IP addresses and launch templates ---------------------------------------------------------------------------

ELASTIC_IP_FILTERS: Mapping[str, Reader[ElasticIp]] = {
    "allocation-id": lambda each: (each.allocation_id,),
    "association-id": lambda each: (each.association_id or None,),
    "domain": lambda _: ("vpc",),
    "instance-id": lambda each: (each.instance_id or None,),
    "network-interface-id": lambda each: (each.eni_id or None,),
    "network-interface-owner-id": lambda each: (OWNER_ID,) if each.eni_id else (),
    "private-ip-address": lambda each: (each.private_ip or None,),
    "public-ip": lambda each: (each.public_ip,),
    "tag-key": tag_keys,
}

TEMPLATE_FILTERS: Mapping[str, Reader[LaunchTemplate]] = {
    "create-time": lambda template: (time_text(template.created_ns),),
    "launch-template-name": lambda template: (template.template_name,),
    "tag-key": tag_keys,
}


def _of_data(*path: str) -> Reader[LaunchTemplateVersion]:
    """Return the reader of what is at a path of the data of a version; a list on the path means all its items."""

    def read(version: LaunchTemplateVersion) -> Iterable[str]:
        found: list[Any] = [version.data]
        for name in path:
            found = [each[name] for each in found if name in each]
            found = [item for each in found for item in (each if isinstance(each, list) else (each,))]
        return [_truth(each) if isinstance(each, bool) else str(each) for each in found]

    return read


TEMPLATE_VERSION_FILTERS: Mapping[str, Reader[LaunchTemplateVersion]] = {
    "create-time": lambda version: (time_text(version.created_ns),),
    "ebs-optimized": _of_data("EbsOptimized"),
    "host-resource-group-arn": _of_data("Placement", "HostResourceGroupArn"),
    "http-endpoint": _of_data("MetadataOptions", "HttpEndpoint"),
    "http-protocol-ipv4": _of_data("MetadataOptions", "HttpProtocolIpv4"),
    "http-tokens": _of_data("MetadataOptions", "HttpTokens"),
    "iam-instance-profile": _of_data("IamInstanceProfile", "Arn"),
    "image-id": _of_data("ImageId"),
    "instance-type": _of_data("InstanceType"),
    "is-default-version": lambda version: (_truth(version.is_default),),
    "kernel-id": _of_data("KernelId"),
    "license-configuration-arn": _of_data("LicenseSpecifications", "LicenseConfigurationArn"),
    "network-card-index": _of_data("NetworkInterfaces", "NetworkCardIndex"),
    "ram-disk-id": _of_data("RamDiskId"),
}

# --- regions and zones ---------------------------------------------------------------------------------------------------

ZONE_FILTERS: Mapping[str, Reader[str]] = {
    "group-name": lambda zone: (f"{region_of(zone)}-zg-1",),
    "message": _nothing,
    "opt-in-status": lambda _: ("opt-in-not-required",),
    "parent-zone-id": _nothing,
    "parent-zone-name": _nothing,
    "region-name": lambda zone: (region_of(zone),),
    "state": _available,
    "zone-id": lambda zone: (zone_id(zone),),
    "zone-name": lambda zone: (zone,),
    "zone-type": lambda _: ("availability-zone",),
}

REGION_FILTERS: Mapping[str, Reader[str]] = {
    "endpoint": lambda region: (f"ec2.{region}.{region_domain(region)}",),
    "opt-in-status": lambda region: ("not-opted-in" if region in OPT_IN_REGIONS else "opt-in-not-required",),
    "region-name": lambda region: (region,),
}

# --- tags ----------------------------------------------------------------------------------------------------------------

TAG_FILTERS: Mapping[str, Reader[TagDescription]] = {
    "key": lambda tag: (tag.key,),
    "resource-id": lambda tag: (tag.resource_id,),
    "resource-type": lambda tag: (tag.resource_type,),
    "value": lambda tag: (tag.value,),
}
