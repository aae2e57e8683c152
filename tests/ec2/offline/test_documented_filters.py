"""Every filter that EC2 documents is modelled, or says that it is not: the tables against the service description of botocore."""

import re

import botocore.session
import pytest

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region, Request
from vpcipam.ec2.offline.server import ACTIONS
from vpcipam.ec2.state import filter_tables
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.state.filters import matching, tagged_matching
from vpcipam.ec2.state.unmodelled_filters import UNMODELLED_FILTERS
from vpcipam.errors import NotModelled

TABLES = {
    "DescribeAddresses": filter_tables.ELASTIC_IP_FILTERS,
    "DescribeLaunchTemplates": filter_tables.TEMPLATE_FILTERS,
    "DescribeLaunchTemplateVersions": filter_tables.TEMPLATE_VERSION_FILTERS,
    "DescribeAvailabilityZones": filter_tables.ZONE_FILTERS,
    "DescribeRegions": filter_tables.REGION_FILTERS,
    "DescribeInstanceStatus": filter_tables.INSTANCE_STATUS_FILTERS,
    "DescribeInstanceTypes": filter_tables.INSTANCE_TYPE_FILTERS,
    "DescribeInstances": filter_tables.INSTANCE_FILTERS,
    "DescribeSecurityGroups": filter_tables.GROUP_FILTERS,
    "DescribeNetworkInterfaces": filter_tables.ENI_FILTERS,
    "DescribeSubnets": filter_tables.SUBNET_FILTERS,
    "DescribeTags": filter_tables.TAG_FILTERS,
    "DescribeTrunkInterfaceAssociations": filter_tables.TRUNK_FILTERS,
    "DescribeVpcs": filter_tables.VPC_FILTERS,
    "GetSubnetCidrReservations": filter_tables.RESERVATION_FILTERS,
}
ALIASES = {
    "DescribeSubnets": {"availabilityZone", "availabilityZoneId", "cidr", "cidrBlock", "defaultForAz"},
    "DescribeVpcs": {"isDefault"},
}
# Trunk associations have tags, and earlier documentation of EC2 has the group names of ENIs and the domains of addresses.
UNDOCUMENTED = {
    "DescribeTrunkInterfaceAssociations": {"tag-key"},
    "DescribeNetworkInterfaces": {"group-name"},
    "DescribeAddresses": {"domain"},
}


@pytest.fixture(scope="module")
def documented():
    """The names of filters in the documentation of an action."""
    service = botocore.session.Session().get_service_model("ec2")

    def names(action):
        text = service.operation_model(action).input_shape.members["Filters"].documentation
        return {name for name in re.findall(r"<li>\s*<p>\s*<code>([^<]*)</code>", text) if not name.startswith("tag:") and name != "tag"}

    return names


def test_every_action_with_filters_has_a_table():
    assert {name for name, action in ACTIONS.items() if "Filters" in action.takes} == TABLES.keys()


@pytest.mark.parametrize("action", sorted(TABLES))
def test_each_documented_filter_is_in_one_of_the_two_tables(documented, action):
    modelled, unmodelled = TABLES[action].keys(), UNMODELLED_FILTERS.get(action, frozenset())
    assert not modelled & unmodelled
    assert modelled | unmodelled == documented(action) | ALIASES.get(action, set()) | UNDOCUMENTED.get(action, set())


@pytest.mark.parametrize(("action", "name"), sorted((action, name) for action, names in UNMODELLED_FILTERS.items() for name in names))
def test_a_documented_filter_that_is_not_modelled_says_so(action, name):
    with pytest.raises(NotModelled, match=f"{action}: the filter '{name}' is not modelled; the modelled ones are "):
        matching(Call(action, 0), (), TABLES[action], {name: ["x"]})
    with pytest.raises(NotModelled):
        tagged_matching(Call(action, 0), (), TABLES[action], {name: ["x"]})


# --- what the client shows is what its filters find


@pytest.fixture(scope="module")
def client():
    ec2 = fake_client("ec2", Ec2Model(), region_name="ap-southeast-2")
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
    ec2.create_vpc(CidrBlock="10.1.0.0/16")
    cidr = ec2.describe_vpcs()["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24", Ipv6CidrBlock=cidr, AvailabilityZoneId="apse2-az3")["Subnet"][
        "SubnetId"
    ]
    ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")
    for kind, count in (("m5.large", 2), ("t2.micro", 0)):
        ec2.run_instances(
            InstanceType=kind, MinCount=1, MaxCount=1, SubnetId=subnet_id, Ipv6AddressCount=count, EnablePrimaryIpv6=count > 0
        )
        names = {"Ipv4PrefixCount": count, "Ipv6PrefixCount": 1} if count else {"SecondaryPrivateIpAddressCount": 1, "Ipv6AddressCount": 1}
        group = ec2.create_security_group(
            VpcId=vpc_id,
            GroupName=f"for {kind}",
            Description=f"{count}",
            TagSpecifications=[{"ResourceType": "security-group", "Tags": [{"Key": kind, "Value": ""}]}],
        )
        eni = ec2.create_network_interface(SubnetId=subnet_id, Groups=[group["GroupId"]], **names)["NetworkInterface"]
        for each in eni["PrivateIpAddresses"][-1:]:
            associate(ec2, NetworkInterfaceId=eni["NetworkInterfaceId"], PrivateIpAddress=each["PrivateIpAddress"])
        interface = {"DeviceIndex": 0, "SubnetId": subnet_id, "NetworkCardIndex": count}
        data = {"InstanceType": kind, "EbsOptimized": count > 0, "NetworkInterfaces": [interface], "Placement": {"Affinity": "x"}}
        data |= {"MetadataOptions": {"HttpTokens": "required"}, "IamInstanceProfile": {"Arn": "arn:x"}, "RamDiskId": f"ari-{count}"}
        licenses = [{"LicenseConfigurationArn": "arn:y"}]
        ec2.create_launch_template(LaunchTemplateName=kind, LaunchTemplateData={**data, "LicenseSpecifications": licenses})
    ec2.create_launch_template_version(LaunchTemplateName="t2.micro", LaunchTemplateData={"ImageId": "ami-1"})
    associate(ec2, InstanceId=ec2.describe_instances()["Reservations"][0]["Instances"][0]["InstanceId"])
    ec2.allocate_address()
    launch = {"MinCount": 1, "MaxCount": 1, "SubnetId": subnet_id, "InstanceType": "m6g.large"}
    stopped = ec2.run_instances(**launch, KeyName="me", EbsOptimized=True, Monitoring={"Enabled": True})["Instances"][0]
    ec2.stop_instances(InstanceIds=[stopped["InstanceId"]])
    others = {"HttpProtocolIpv6": "enabled", "InstanceMetadataTags": "enabled", "HttpPutResponseHopLimit": 64, "HttpTokens": "optional"}
    ec2.modify_instance_metadata_options(InstanceId=stopped["InstanceId"], HttpEndpoint="disabled", **others)
    return ec2


def associate(ec2, **where):
    ec2.associate_address(AllocationId=ec2.allocate_address()["AllocationId"], **where)


def values(item, *path):
    """All values of a member, whose name is given in parts, of a structure of boto3."""
    if not path:
        return [str(item).lower() if isinstance(item, bool) else str(item)]
    inner = item.get(path[0], [])
    return [value for each in (inner if isinstance(inner, list) else [inner]) for value in values(each, *path[1:])]


SHOWN = {
    "describe_vpcs": ("Vpcs", {
        "cidr": "CidrBlock", "cidr-block-association.association-id": "CidrBlockAssociationSet AssociationId",
        "cidr-block-association.state": "CidrBlockAssociationSet CidrBlockState State", "dhcp-options-id": "DhcpOptionsId",
        "ipv6-cidr-block-association.state": "Ipv6CidrBlockAssociationSet Ipv6CidrBlockState State",
        "is-default": "IsDefault", "owner-id": "OwnerId", "state": "State",
    }),
    "describe_subnets": ("Subnets", {
        "availability-zone-id": "AvailabilityZoneId", "availabilityZoneId": "AvailabilityZoneId", "cidrBlock": "CidrBlock",
        "default-for-az": "DefaultForAz", "enable-dns64": "EnableDns64", "ipv6-native": "Ipv6Native", "subnet-arn": "SubnetArn",
        "ipv6-cidr-block-association.state": "Ipv6CidrBlockAssociationSet Ipv6CidrBlockState State",
        "map-public-ip-on-launch": "MapPublicIpOnLaunch", "owner-id": "OwnerId", "state": "State",
        "private-dns-name-options-on-launch.hostname-type": "PrivateDnsNameOptionsOnLaunch HostnameType",
    }),
    "describe_security_groups": ("SecurityGroups", {
        "description": "Description", "group-id": "GroupId", "group-name": "GroupName", "owner-id": "OwnerId", "tag-key": "Tags Key",
        "vpc-id": "VpcId",
    }),
    "describe_network_interfaces": ("NetworkInterfaces", {
        "group-id": "Groups GroupId", "group-name": "Groups GroupName",
        "addresses.primary": "PrivateIpAddresses Primary", "attachment.instance-owner-id": "Attachment InstanceOwnerId",
        "availability-zone-id": "AvailabilityZoneId", "mac-address": "MacAddress", "operator.managed": "Operator Managed",
        "owner-id": "OwnerId", "private-dns-name": "PrivateDnsName", "requester-id": "RequesterId", "requester-managed": "RequesterManaged",
        "addresses.private-ip-address": "PrivateIpAddresses PrivateIpAddress", "association.public-ip": "Association PublicIp",
        "operator.principal": "Operator Principal", "attachment.status": "Attachment Status",
        "addresses.association.public-ip": "PrivateIpAddresses Association PublicIp",
        "addresses.association.owner-id": "PrivateIpAddresses Association IpOwnerId",
        "association.allocation-id": "Association AllocationId", "association.association-id": "Association AssociationId",
        "association.public-dns-name": "Association PublicDnsName", "association.ip-owner-id": "Association IpOwnerId",
    }),
    "describe_addresses": ("Addresses", {
        "allocation-id": "AllocationId", "association-id": "AssociationId", "domain": "Domain", "instance-id": "InstanceId",
        "network-interface-id": "NetworkInterfaceId", "network-interface-owner-id": "NetworkInterfaceOwnerId",
        "private-ip-address": "PrivateIpAddress", "public-ip": "PublicIp",
    }),
    "describe_launch_templates": ("LaunchTemplates", {"launch-template-name": "LaunchTemplateName"}),
    "describe_launch_template_versions": ("LaunchTemplateVersions", {
        "ebs-optimized": "LaunchTemplateData EbsOptimized", "host-resource-group-arn": "LaunchTemplateData Placement HostResourceGroupArn",
        "http-tokens": "LaunchTemplateData MetadataOptions HttpTokens", "image-id": "LaunchTemplateData ImageId",
        "iam-instance-profile": "LaunchTemplateData IamInstanceProfile Arn", "instance-type": "LaunchTemplateData InstanceType",
        "is-default-version": "DefaultVersion", "ram-disk-id": "LaunchTemplateData RamDiskId",
        "license-configuration-arn": "LaunchTemplateData LicenseSpecifications LicenseConfigurationArn",
        "network-card-index": "LaunchTemplateData NetworkInterfaces NetworkCardIndex",
    }),
    "describe_instances": ("Reservations", {
        "network-interface.association.public-ip": "Instances NetworkInterfaces Association PublicIp",
        "network-interface.association.ip-owner-id": "Instances NetworkInterfaces Association IpOwnerId",
        "network-interface.association.public-dns-name": "Instances NetworkInterfaces Association PublicDnsName",
        "network-interface.addresses.association.public-ip": "Instances NetworkInterfaces PrivateIpAddresses Association PublicIp",
        "owner-id": "OwnerId", "private-dns-name": "Instances PrivateDnsName", "launch-index": "Instances AmiLaunchIndex",
        "network-interface.addresses.primary": "Instances NetworkInterfaces PrivateIpAddresses Primary",
        "network-interface.mac-address": "Instances NetworkInterfaces MacAddress", "tenancy": "Instances Placement Tenancy",
        "network-interface.attachment.network-card-index": "Instances NetworkInterfaces Attachment NetworkCardIndex",
        "network-interface.private-dns-name": "Instances NetworkInterfaces PrivateDnsName", "dns-name": "Instances PublicDnsName",
        "network-interface.addresses.private-dns-name": "Instances NetworkInterfaces PrivateIpAddresses PrivateDnsName",
        "source-dest-check": "Instances NetworkInterfaces SourceDestCheck", "ip-address": "Instances PublicIpAddress",
        "instance.group-id": "Instances SecurityGroups GroupId", "instance.group-name": "Instances SecurityGroups GroupName",
        "network-interface.ipv6-addresses.is-primary-ipv6": "Instances NetworkInterfaces Ipv6Addresses IsPrimaryIpv6",
        "network-interface.group-id": "Instances NetworkInterfaces Groups GroupId",
        "network-interface.group-name": "Instances NetworkInterfaces Groups GroupName",
        "architecture": "Instances Architecture", "ebs-optimized": "Instances EbsOptimized", "hypervisor": "Instances Hypervisor",
        "hibernation-options.configured": "Instances HibernationOptions Configured", "key-name": "Instances KeyName",
        "metadata-options.http-endpoint": "Instances MetadataOptions HttpEndpoint",
        "metadata-options.http-protocol-ipv4": "Instances MetadataOptions HttpEndpoint",
        "metadata-options.http-protocol-ipv6": "Instances MetadataOptions HttpProtocolIpv6",
        "metadata-options.http-put-response-hop-limit": "Instances MetadataOptions HttpPutResponseHopLimit",
        "metadata-options.http-tokens": "Instances MetadataOptions HttpTokens",
        "metadata-options.instance-metadata-tags": "Instances MetadataOptions InstanceMetadataTags",
        "metadata-options.state": "Instances MetadataOptions State",
        "monitoring-state": "Instances Monitoring State", "reason": "Instances StateTransitionReason",
        "state-reason-code": "Instances StateReason Code", "state-reason-message": "Instances StateReason Message",
        "virtualization-type": "Instances VirtualizationType",
    }),
    "describe_instance_types": ("InstanceTypes", {
        "bare-metal": "BareMetal", "hypervisor": "Hypervisor", "instance-type": "InstanceType",
        "processor-info.supported-architecture": "ProcessorInfo SupportedArchitectures",
        "network-info.efa-supported": "NetworkInfo EfaSupported",
        "network-info.ipv4-addresses-per-interface": "NetworkInfo Ipv4AddressesPerInterface",
        "network-info.ipv6-addresses-per-interface": "NetworkInfo Ipv6AddressesPerInterface",
        "network-info.ipv6-supported": "NetworkInfo Ipv6Supported",
        "network-info.maximum-network-cards": "NetworkInfo MaximumNetworkCards",
        "network-info.maximum-network-interfaces": "NetworkInfo MaximumNetworkInterfaces",
        "vcpu-info.default-vcpus": "VCpuInfo DefaultVCpus",
    }),
}  # fmt: skip


@pytest.mark.parametrize(("method", "name"), [(method, name) for method, (_, names) in SHOWN.items() for name in names])
def test_a_filter_finds_the_items_that_show_its_value(client, method, name):
    into, places = SHOWN[method]

    def shown(**filters):
        if not client.can_paginate(method):
            return getattr(client, method)(**filters)[into]
        versions = {"Versions": ["$Latest"]} if into == "LaunchTemplateVersions" else {}
        return [item for page in client.get_paginator(method).paginate(**filters, **versions) for item in page[into]]

    everything = shown()
    path = places[name].split()
    for wanted in sorted({value for item in everything for value in values(item, *path) if value})[:3] or ["*"]:
        found = shown(Filters=[{"Name": name, "Values": [wanted]}])
        assert found == [item for item in everything if wanted in values(item, *path)]


def test_filters_of_one_name_must_all_match(client):
    filters = [{"Name": "instance-type", "Values": values} for values in (["m5.*", "t2.micro"], ["*.large"])]
    shown = client.describe_instances(Filters=filters)["Reservations"]
    assert [each["Instances"][0]["InstanceType"] for each in shown] == ["m5.large"]


def test_instance_types_come_in_pages_of_100(client):
    first = client.describe_instance_types()
    assert len(first["InstanceTypes"]) == 100
    assert first["NextToken"]
    nitro = [{"Name": "hypervisor", "Values": ["xen"]}, {"Name": "instance-type", "Values": ["m4.*", "r3.large"]}]
    shown = client.describe_instance_types(Filters=nitro)
    assert "NextToken" not in shown
    assert [each["InstanceType"] for each in shown["InstanceTypes"]][-1] == "r3.large"


@pytest.mark.parametrize("size", [4, 256])
def test_a_page_has_bounds_in_the_words_of_ec2(size):
    bound = "greater than 5" if size == 4 else "less than 255"
    message = rf"Value \( {size} \) for parameter maxResults is invalid. Expecting a value {bound}."
    action = "DescribeTrunkInterfaceAssociations"
    request = Request(action, {"MaxResults": size}, Ec2Model(), Region("us-east-1"), 0)
    with pytest.raises(Ec2Error, match=message):
        ACTIONS[action].require_known(request, ())
