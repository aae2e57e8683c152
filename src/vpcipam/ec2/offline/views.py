"""The model's values in EC2's format: structures with boto3's names.

Members that EC2 leaves out, such as the prefixes of an ENI without any, are left out here too. Facts that don't affect addresses (MAC
addresses, DNS names, owners) are plausible and stable.
"""

from collections.abc import Iterable

from vpcipam.ec2.api import (
    Attachment,
    CidrAssociation,
    ElasticIpAssociation,
    Instance,
    NetworkInterface,
    SecurityGroup,
    Subnet,
    SubnetCidrReservation,
    TrunkAssociation,
    Vpc,
)
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.resources import METADATA_MEMBERS, ElasticIp, MetadataOptions
from vpcipam.ec2.state.account import DEFAULT_GROUP
from vpcipam.ec2.state.filter_tables import (
    HYPERVISOR,
    STATE_CODES,
    UNNAMED_IMAGE,
    VIRTUALIZATION,
    ip_owner_id,
    monitoring_state,
    public_ips,
    state_reason,
    transition_reason,
)
from vpcipam.ec2.state.names import (
    mac_address,
    private_dns_name,
    public_dns_name,
    region_of,
    security_group_arn,
    subnet_arn,
    time_text,
    zone_id,
)
from vpcipam.limits import InstanceLimits
from vpcipam.limits.instance_limits import architecture_of


def network_interface_view(eni: NetworkInterface, region: Region) -> Members:
    """Format an ENI as DescribeNetworkInterfaces and CreateNetworkInterface do."""
    associations = {each.private_ip: _association_view(each, eni) for each in eni.elastic_ips}
    return {
        "Association": associations.get(eni.private_ip),
        "Attachment": None if eni.attachment is None else _attachment_view(eni.attachment, region),
        "AvailabilityZone": eni.availability_zone,
        "AvailabilityZoneId": zone_id(eni.availability_zone),
        "Description": eni.description,
        "Groups": groups_view(eni),
        "InterfaceType": eni.interface_type,
        "Ipv6Addresses": [{"Ipv6Address": address, "IsPrimaryIpv6": address == eni.primary_ipv6} for address in eni.ipv6_addresses],
        "MacAddress": mac_address(eni.eni_id),
        "NetworkInterfaceId": eni.eni_id,
        "Operator": {"Managed": False},
        "OwnerId": region.owner_id,
        "PrivateDnsName": private_dns_name(eni.private_ip, region_of(eni.availability_zone)) if eni.private_ip else None,
        "PrivateIpAddress": eni.private_ip or None,
        "PrivateIpAddresses": [
            {
                "Association": associations.get(address),
                "Primary": address == eni.private_ip,
                "PrivateDnsName": private_dns_name(address, region_of(eni.availability_zone)),
                "PrivateIpAddress": address,
            }
            for address in eni.single_ips
        ],
        "Ipv4Prefixes": [{"Ipv4Prefix": prefix} for prefix in eni.ipv4_prefixes] or None,
        "Ipv6Prefixes": [{"Ipv6Prefix": prefix} for prefix in eni.ipv6_prefixes] or None,
        "RequesterId": region.owner_id,
        "RequesterManaged": False,
        "SourceDestCheck": eni.source_dest_check,
        "Status": eni.status,
        "SubnetId": eni.subnet_id,
        "TagSet": tags_view(eni.tags),
        "VpcId": eni.vpc_id,
    }


def _association_view(association: ElasticIpAssociation, eni: NetworkInterface) -> Members:
    return {
        "AllocationId": association.allocation_id or None,
        "AssociationId": association.association_id or None,
        "IpOwnerId": ip_owner_id(association),
        "PublicDnsName": public_dns_name(association.public_ip, region_of(eni.availability_zone)),
        "PublicIp": association.public_ip,
    }


def _attachment_view(attachment: Attachment, region: Region) -> Members:
    return {
        "AttachTime": time_text(attachment.attached_ns),
        "AttachmentId": attachment.attachment_id,
        "DeleteOnTermination": attachment.delete_on_termination,
        "DeviceIndex": attachment.device_index,
        "NetworkCardIndex": attachment.network_card_index,
        "InstanceId": attachment.instance_id,
        "InstanceOwnerId": region.owner_id,
        "Status": "attached",
    }


def subnet_view(subnet: Subnet, region: Region, *, ipv6_state: str = "associated") -> Members:
    """Format a subnet as DescribeSubnets and CreateSubnet do; in the answer of CreateSubnet, its IPv6 CIDR is `associating`."""
    return {
        "AssignIpv6AddressOnCreation": subnet.assign_ipv6_address_on_creation,
        "AvailabilityZone": subnet.availability_zone,
        "AvailabilityZoneId": zone_id(subnet.availability_zone),
        "AvailableIpAddressCount": subnet.available_ip_address_count,
        "CidrBlock": subnet.cidr,
        "DefaultForAz": subnet.default_for_az,
        "EnableDns64": False,
        "Ipv6CidrBlockAssociationSet": _ipv6_associations(subnet.ipv6_cidr, subnet.ipv6_association_id, ipv6_state),
        "Ipv6Native": False,
        "MapCustomerOwnedIpOnLaunch": False,
        "MapPublicIpOnLaunch": subnet.map_public_ip_on_launch,
        "OwnerId": region.owner_id,
        "PrivateDnsNameOptionsOnLaunch": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": False,
            "EnableResourceNameDnsAAAARecord": False,
        },
        "State": "available",
        "SubnetArn": subnet_arn(subnet.subnet_id, region_of(subnet.availability_zone)),
        "SubnetId": subnet.subnet_id,
        "Tags": tags_view(subnet.tags),
        "VpcId": subnet.vpc_id,
    }


def vpc_view(vpc: Vpc, region: Region, *, ipv6_state: str = "associated") -> Members:
    """Format a VPC as DescribeVpcs and CreateVpc do; in the answer of CreateVpc, its IPv6 CIDR is `associating`."""
    return {
        "CidrBlock": vpc.cidrs[0],
        "CidrBlockAssociationSet": [cidr_association_view(association) for association in vpc.associations],
        "DhcpOptionsId": "default",
        "InstanceTenancy": vpc.instance_tenancy,
        "Ipv6CidrBlockAssociationSet": _ipv6_associations(vpc.ipv6_cidr, vpc.ipv6_association_id, ipv6_state) or None,
        "IsDefault": vpc.is_default,
        "OwnerId": region.owner_id,
        "State": "available",
        "Tags": tags_view(vpc.tags) or None,
        "VpcId": vpc.vpc_id,
    }


def cidr_association_view(association: CidrAssociation, *, state: str = "associated") -> Members:
    """Format the association of an IPv4 CIDR with its VPC."""
    return {"AssociationId": association.association_id, "CidrBlock": association.cidr, "CidrBlockState": {"State": state}}


def ipv6_association_view(cidr: str, association_id: str | None, state: str) -> Members:
    """Format the association of an IPv6 CIDR with its VPC or subnet."""
    return {"AssociationId": association_id, "Ipv6CidrBlock": cidr, "Ipv6CidrBlockState": {"State": state}}


def _ipv6_associations(cidr: str | None, association_id: str | None, state: str) -> list[Members]:
    return [] if cidr is None else [ipv6_association_view(cidr, association_id, state)]


def state_view(state: str) -> Members:
    """Format the state of an instance."""
    return {"Code": STATE_CODES[state], "Name": state}


def instance_view(instance: Instance, region: Region) -> Members:
    """Format an instance as DescribeInstances and RunInstances do; a terminated one has no address and no subnet."""
    settings, reason = instance.settings, state_reason(instance)
    private_ip = instance.network_interfaces[0].private_ip if instance.network_interfaces else ""
    public_ip = next(iter(public_ips(instance)), "")
    return {
        "AmiLaunchIndex": instance.launch_index,
        "Architecture": architecture_of(instance.instance_type),
        "EbsOptimized": settings.ebs_optimized,
        "HibernationOptions": {"Configured": False},
        "Hypervisor": HYPERVISOR,
        "ImageId": instance.image_id or UNNAMED_IMAGE,
        "InstanceId": instance.instance_id,
        "InstanceType": instance.instance_type,
        "KeyName": settings.key_name or None,
        "LaunchTime": time_text(instance.launched_ns),
        "MetadataOptions": metadata_options_view(instance.metadata_options, is_pending=instance.state == "pending"),
        "Monitoring": {"State": monitoring_state(instance)},
        "NetworkInterfaces": [_instance_interface_view(eni, region) for eni in instance.network_interfaces],
        "Placement": {"AvailabilityZone": instance.availability_zone, "GroupName": "", "Tenancy": "default"},
        "PrivateDnsName": private_dns_name(private_ip, region_of(instance.availability_zone)) if private_ip else "",
        "PrivateIpAddress": private_ip or None,
        "ProductCodes": [],
        "PublicDnsName": public_dns_name(public_ip, region_of(instance.availability_zone)) if public_ip else "",
        "PublicIpAddress": public_ip or None,
        "SecurityGroups": groups_view(instance.network_interfaces[0]) if instance.network_interfaces else [],
        "SourceDestCheck": instance.network_interfaces[0].source_dest_check if instance.network_interfaces else None,
        "State": state_view(instance.state),
        "StateReason": dict(zip(("Code", "Message"), reason, strict=True)) if reason else None,
        "StateTransitionReason": transition_reason(instance),
        "SubnetId": instance.subnet_id or None,
        "Tags": tags_view(instance.tags) or None,
        "VirtualizationType": VIRTUALIZATION,
        "VpcId": instance.vpc_id or None,
    }


def metadata_options_view(options: MetadataOptions, *, is_pending: bool) -> Members:
    """Format the metadata options of an instance; those of a launch or a change are pending in its answer."""
    view = {member: getattr(options, name) for member, name in METADATA_MEMBERS.items()}
    return view | {"State": "pending"} if is_pending else view


def groups_view(eni: NetworkInterface) -> list[Members]:
    """Format the security groups of an ENI."""
    pairs = zip(eni.security_group_ids, eni.security_group_names, strict=True)
    return [{"GroupId": group_id, "GroupName": name} for group_id, name in pairs]


def security_group_view(group: SecurityGroup, region: Region, *, has_ipv6: bool) -> Members:
    """Format a security group as DescribeSecurityGroups does, with the rules of a new one in a VPC with IPv6 or without."""
    anywhere: Members = {"IpProtocol": "-1", "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": [], "UserIdGroupPairs": []}
    itself = [{"GroupId": group.group_id, "UserId": region.owner_id}]
    return {
        "Description": group.description,
        "GroupId": group.group_id,
        "GroupName": group.group_name,
        "IpPermissions": [{**anywhere, "UserIdGroupPairs": itself}] if group.group_name == DEFAULT_GROUP else [],
        "IpPermissionsEgress": [
            {**anywhere, "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}] if has_ipv6 else []}
        ],
        "OwnerId": region.owner_id,
        "SecurityGroupArn": security_group_arn(group.group_id, region.name),
        "Tags": tags_view(group.tags) or None,
        "VpcId": group.vpc_id,
    }


def instance_status_view(instance: Instance, _region: Region) -> Members:
    """Format an instance as DescribeInstanceStatus does: a running one passes its checks, for another they do not apply."""
    passed = {"Details": [{"Name": "reachability", "Status": "passed"}], "Status": "ok"}
    checks = passed if instance.state == "running" else {"Status": "not-applicable"}
    return {
        "AvailabilityZone": instance.availability_zone,
        "AvailabilityZoneId": zone_id(instance.availability_zone),
        "InstanceId": instance.instance_id,
        "InstanceState": state_view(instance.state),
        "InstanceStatus": checks,
        "SystemStatus": checks,
    }


def _instance_interface_view(eni: NetworkInterface, region: Region) -> Members:
    """Format an ENI within its instance, where EC2 leaves out its tags and some other members."""
    left_out = {"AvailabilityZone", "AvailabilityZoneId", "RequesterId", "RequesterManaged", "TagSet"}
    view = {name: value for name, value in network_interface_view(eni, region).items() if name not in left_out}
    view["Attachment"] = {name: value for name, value in view["Attachment"].items() if name not in {"InstanceId", "InstanceOwnerId"}}
    for each in (view, *view["PrivateIpAddresses"]):
        if each["Association"] is not None:
            each["Association"] = {name: each["Association"][name] for name in ("IpOwnerId", "PublicDnsName", "PublicIp")}
    return view


def elastic_ip_view(elastic_ip: ElasticIp, region: Region) -> Members:
    """Format an Elastic IP address as DescribeAddresses does."""
    return {
        "AllocationId": elastic_ip.allocation_id,
        "AssociationId": elastic_ip.association_id or None,
        "Domain": "vpc",
        "InstanceId": elastic_ip.instance_id or None,
        "NetworkBorderGroup": region.name,
        "NetworkInterfaceId": elastic_ip.eni_id or None,
        "NetworkInterfaceOwnerId": region.owner_id if elastic_ip.eni_id else None,
        "PrivateIpAddress": elastic_ip.private_ip or None,
        "PublicIp": elastic_ip.public_ip,
        "PublicIpv4Pool": "amazon",
        "Tags": tags_view(elastic_ip.tags) or None,
    }


def instance_type_view(limits: InstanceLimits, _region: Region) -> Members:
    """Format the limits of an instance type as DescribeInstanceTypes does."""
    return {
        "BareMetal": limits.bare_metal,
        "Hypervisor": limits.hypervisor,
        "InstanceType": limits.instance_type,
        "ProcessorInfo": {"SupportedArchitectures": [limits.architecture]},
        "NetworkInfo": {
            "DefaultNetworkCardIndex": limits.default_network_card,
            "EfaSupported": limits.efa,
            "Ipv4AddressesPerInterface": limits.ipv4_per_eni,
            "Ipv6AddressesPerInterface": limits.ipv6_per_eni,
            "Ipv6Supported": limits.ipv6_per_eni > 0,
            "MaximumNetworkCards": len(limits.network_cards),
            "MaximumNetworkInterfaces": sum(limits.network_cards),
            "NetworkCards": [
                {"NetworkCardIndex": index, "MaximumNetworkInterfaces": maximum} for index, maximum in enumerate(limits.network_cards)
            ],
        },
        "VCpuInfo": {"DefaultVCpus": limits.vcpus},
    }


def reservation_view(reservation: SubnetCidrReservation, region: Region) -> Members:
    """Format a subnet CIDR reservation."""
    return {
        "SubnetCidrReservationId": reservation.reservation_id,
        "SubnetId": reservation.subnet_id,
        "Cidr": reservation.cidr,
        "ReservationType": reservation.reservation_type,
        "OwnerId": region.owner_id,
        "Description": reservation.description or None,
        "Tags": tags_view(reservation.tags),
    }


def trunk_association_view(association: TrunkAssociation, _region: Region) -> Members:
    """Format the association of a branch ENI with its trunk."""
    return {
        "AssociationId": association.association_id,
        "BranchInterfaceId": association.branch_eni_id,
        "TrunkInterfaceId": association.trunk_eni_id,
        "InterfaceProtocol": association.interface_protocol,
        "VlanId": association.vlan_id,
        "GreKey": association.gre_key,
        "Tags": tags_view(association.tags),
    }


def tags_view(tags: Iterable[tuple[str, str]]) -> list[Members]:
    """Format tags."""
    return [{"Key": key, "Value": value} for key, value in tags]
