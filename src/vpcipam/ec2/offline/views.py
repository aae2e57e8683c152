"""The model's values in EC2's format: structures with boto3's names.

Members that EC2 leaves out, such as the prefixes of an ENI without any, are left out here too. Facts that don't affect addresses (MAC
addresses, DNS names, owners) are plausible and stable.
"""

from collections.abc import Iterable

from vpcipam.ec2.api import (
    Attachment,
    CidrAssociation,
    Instance,
    NetworkInterface,
    Subnet,
    SubnetCidrReservation,
    TrunkAssociation,
    Vpc,
)
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.state.names import mac_address, private_dns_name, region_of, subnet_arn, time_text, zone_id
from vpcipam.limits import InstanceLimits


def network_interface_view(eni: NetworkInterface, region: Region) -> Members:
    """Format an ENI as DescribeNetworkInterfaces and CreateNetworkInterface do."""
    return {
        "Attachment": None if eni.attachment is None else _attachment_view(eni.attachment, region),
        "AvailabilityZone": eni.availability_zone,
        "AvailabilityZoneId": zone_id(eni.availability_zone),
        "Description": eni.description,
        "Groups": [{"GroupId": group_id, "GroupName": group_id.removeprefix("sg-")} for group_id in eni.security_group_ids],
        "InterfaceType": eni.interface_type,
        "Ipv6Addresses": [{"Ipv6Address": address, "IsPrimaryIpv6": False} for address in eni.ipv6_addresses],
        "MacAddress": mac_address(eni.eni_id),
        "NetworkInterfaceId": eni.eni_id,
        "Operator": {"Managed": False},
        "OwnerId": region.owner_id,
        "PrivateDnsName": private_dns_name(eni.private_ip, region_of(eni.availability_zone)) if eni.private_ip else None,
        "PrivateIpAddress": eni.private_ip or None,
        "PrivateIpAddresses": [
            {
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
        "Tags": tags_view(subnet.tags) or None,
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


def instance_view(instance: Instance, region: Region) -> Members:
    """Format an instance as DescribeInstances and RunInstances do."""
    primary = instance.network_interfaces[0]
    return {
        "AmiLaunchIndex": 0,
        "ImageId": "ami-00000000000000000",
        "InstanceId": instance.instance_id,
        "InstanceType": instance.instance_type,
        "LaunchTime": time_text(instance.launched_ns),
        "NetworkInterfaces": [_instance_interface_view(eni, region) for eni in instance.network_interfaces],
        "Placement": {"AvailabilityZone": instance.availability_zone, "GroupName": "", "Tenancy": "default"},
        "PrivateDnsName": private_dns_name(primary.private_ip, region_of(instance.availability_zone)),
        "PrivateIpAddress": primary.private_ip,
        "State": {"Code": 16, "Name": "running"},
        "SubnetId": instance.subnet_id,
        "Tags": tags_view(instance.tags) or None,
        "VpcId": instance.vpc_id,
    }


def _instance_interface_view(eni: NetworkInterface, region: Region) -> Members:
    """Format an ENI within its instance, where EC2 leaves out its tags and some other members."""
    left_out = {"AvailabilityZone", "AvailabilityZoneId", "RequesterId", "RequesterManaged", "TagSet"}
    view = {name: value for name, value in network_interface_view(eni, region).items() if name not in left_out}
    view["Attachment"] = {name: value for name, value in view["Attachment"].items() if name not in {"InstanceId", "InstanceOwnerId"}}
    return view


def instance_type_view(limits: InstanceLimits, _region: Region) -> Members:
    """Format the limits of an instance type as DescribeInstanceTypes does."""
    return {
        "BareMetal": limits.bare_metal,
        "Hypervisor": limits.hypervisor,
        "InstanceType": limits.instance_type,
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
