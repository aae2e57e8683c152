"""Every answer fits botocore's shape, loses nothing on the wire, and has the members that EC2 always sends."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from vpcipam.ec2.answers import read_network_interface
from vpcipam.ec2.fake import Clock, fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline import server
from vpcipam.ec2.offline.server import ACTIONS
from vpcipam.limits import InstanceLimits

TYPES = {"string": str, "integer": int, "long": int, "boolean": bool, "timestamp": datetime}
ALWAYS_SENT = {
    "NetworkInterface": {
        *("AvailabilityZone", "Description", "Groups", "InterfaceType", "Ipv6Addresses", "MacAddress", "NetworkInterfaceId", "OwnerId"),
        *("PrivateIpAddress", "PrivateIpAddresses", "RequesterManaged", "SourceDestCheck", "Status", "SubnetId", "TagSet", "VpcId"),
    },
    "NetworkInterfaceAttachment": {"AttachTime", "AttachmentId", "DeleteOnTermination", "DeviceIndex", "NetworkCardIndex", "Status"},
    "NetworkInterfacePrivateIpAddress": {"Primary", "PrivateIpAddress"},
    "InstanceNetworkInterface": {
        *("Attachment", "Description", "Groups", "Ipv6Addresses", "MacAddress", "NetworkInterfaceId", "OwnerId", "PrivateIpAddress"),
        *("PrivateIpAddresses", "SourceDestCheck", "Status", "SubnetId", "VpcId", "InterfaceType"),
    },
    "InstanceNetworkInterfaceAttachment": {
        "AttachTime",
        "AttachmentId",
        "DeleteOnTermination",
        "DeviceIndex",
        "NetworkCardIndex",
        "Status",
    },
    "Instance": {
        *("AmiLaunchIndex", "Architecture", "EbsOptimized", "HibernationOptions", "Hypervisor"),
        *(
            "ImageId",
            "InstanceId",
            "InstanceType",
            "LaunchTime",
            "MetadataOptions",
            "Monitoring",
            "NetworkInterfaces",
            "Placement",
            "ProductCodes",
            "State",
        ),
        *("StateTransitionReason", "VirtualizationType"),
    },
    "InstanceState": {"Code", "Name"},
    "Reservation": {"Instances", "OwnerId", "ReservationId"},
    "Subnet": {
        *("AssignIpv6AddressOnCreation", "AvailabilityZone", "AvailabilityZoneId", "AvailableIpAddressCount", "CidrBlock", "DefaultForAz"),
        *("Ipv6CidrBlockAssociationSet", "MapPublicIpOnLaunch", "OwnerId", "State", "SubnetArn", "SubnetId", "VpcId"),
    },
    "Vpc": {"CidrBlock", "CidrBlockAssociationSet", "DhcpOptionsId", "InstanceTenancy", "IsDefault", "OwnerId", "State", "VpcId"},
    "InstanceTypeInfo": {"BareMetal", "InstanceType", "NetworkInfo", "VCpuInfo"},
    "AssignPrivateIpAddressesResult": {"NetworkInterfaceId", "AssignedPrivateIpAddresses", "AssignedIpv4Prefixes"},
    "Tag": {"Key", "Value"},
}


def misfits(value, shape, where):
    """Where a parsed answer differs from its shape, or lacks what EC2 always sends."""
    if shape.type_name == "structure":
        for name in sorted(value.keys() - shape.members.keys()):
            yield f"{where}.{name} is no member of {shape.name}"
        for name in sorted(ALWAYS_SENT.get(shape.name, set()) - value.keys()):
            yield f"{where}.{name} is missing"
        for name in value.keys() & shape.members.keys():
            yield from misfits(value[name], shape.members[name], f"{where}.{name}")
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield from misfits(item, shape.member, f"{where}[{index}]")
    elif type(value) is not TYPES[shape.type_name] and not isinstance(value, datetime):
        yield f"{where} is {value!r}, no {shape.type_name}"
    elif (
        getattr(shape, "enum", None) and value not in shape.enum and shape.name != "InstanceType"
    ):  # our table has types that botocore lacks
        yield f"{where} is {value!r}, none of {shape.enum}"


def sent(members):
    """The part of an answer that is sent: members that are not None; times as botocore reads them."""
    if isinstance(members, dict):
        return {name: sent(value) for name, value in members.items() if value is not None}
    if isinstance(members, list):
        return [sent(item) for item in members]
    return members


def plain(answer):
    """An answer of boto3's with its times as text."""
    if isinstance(answer, dict):
        return {name: plain(value) for name, value in answer.items()}
    if isinstance(answer, list):
        return [plain(item) for item in answer]
    if isinstance(answer, datetime):
        return answer.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return answer


class Checked:
    """A client that checks every answer against its shape and against the answer of the model."""

    def __init__(self, monkeypatch):
        self.model = Ec2Model()
        self.clock = Clock(1_700_000_000_123_456_789)
        self.client = fake_client("ec2", self.model, now_ns=self.clock)
        self.seen = set()
        self._written = []
        write = server.write_answer

        def spy(members, *rest):
            self._written.append(members)
            return write(members, *rest)

        monkeypatch.setattr(server, "write_answer", spy)

    def __getattr__(self, method):
        action = self.client.meta.method_to_api_mapping[method]
        operation = self.client.meta.service_model.operation_model(action)

        def call(**arguments):
            answer = getattr(self.client, method)(**arguments)
            self.seen.add(action)
            answer.pop("ResponseMetadata")
            if operation.output_shape is not None:
                assert list(misfits(answer, operation.output_shape, action)) == []
            assert plain(answer) == sent(self._written[-1])
            return SimpleNamespace(**answer)

        return call


def tagged(resource_type):
    return [{"ResourceType": resource_type, "Tags": [{"Key": "k", "Value": "v"}, {"Key": "empty"}]}]


def test_every_answer_fits_its_shape(monkeypatch):
    ec2 = Checked(monkeypatch)
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True, TagSpecifications=tagged("vpc")).Vpc["VpcId"]
    ec2.create_vpc(CidrBlock="10.1.0.0/16", Ipv6CidrBlock="2001:db8::/56", InstanceTenancy="dedicated")
    check_defaults_and_attributes(ec2, vpc_id)
    association = ec2.associate_vpc_cidr_block(VpcId=vpc_id, CidrBlock="100.64.0.0/16").CidrBlockAssociation
    assert association["CidrBlock"] == "100.64.0.0/16"
    gone = ec2.disassociate_vpc_cidr_block(AssociationId=association["AssociationId"]).CidrBlockAssociation
    assert gone["CidrBlock"] == "100.64.0.0/16"
    vpc = ec2.describe_vpcs(VpcIds=[vpc_id]).Vpcs[0]
    assert [each["CidrBlock"] for each in vpc["CidrBlockAssociationSet"]] == ["10.0.0.0/16"]
    ipv6_cidr = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    subnet_id = ec2.create_subnet(
        VpcId=vpc_id, CidrBlock="10.0.1.0/24", Ipv6CidrBlock=ipv6_cidr, TagSpecifications=tagged("subnet")
    ).Subnet["SubnetId"]
    ec2.describe_subnets()
    check_enis(ec2, subnet_id)
    check_elastic_ips(ec2, subnet_id)
    check_launch_templates(ec2, subnet_id)
    check_reservations(ec2, subnet_id)
    check_tags(ec2, subnet_id)
    ec2.delete_subnet(SubnetId=subnet_id)
    ec2.delete_vpc(VpcId=vpc_id)
    assert ec2.seen == set(ACTIONS), "every action is checked"


def check_defaults_and_attributes(ec2, vpc_id):
    default_id = ec2.create_default_vpc().Vpc["VpcId"]
    group_id = ec2.create_security_group(GroupName="a", Description="b", TagSpecifications=tagged("security-group")).GroupId
    assert [each["GroupId"] for each in ec2.describe_security_groups(GroupNames=["a"]).SecurityGroups] == [group_id]
    ec2.describe_security_groups()
    assert ec2.delete_security_group(GroupName="a").GroupId == group_id
    (instance,) = ec2.run_instances(MinCount=1, MaxCount=1, InstanceType="m5.large").Instances
    ec2.modify_instance_attribute(InstanceId=instance["InstanceId"], SourceDestCheck={"Value": False})
    ec2.modify_instance_metadata_options(InstanceId=instance["InstanceId"], HttpTokens="optional")
    shown = ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="sourceDestCheck").SourceDestCheck
    assert shown == {"Value": False}
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    (zone, *_) = ec2.describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}]).Subnets
    ec2.delete_subnet(SubnetId=zone["SubnetId"])
    assert ec2.create_default_subnet(AvailabilityZone=zone["AvailabilityZone"]).Subnet["CidrBlock"] == zone["CidrBlock"]
    ec2.modify_vpc_attribute(VpcId=default_id, EnableDnsHostnames={"Value": False})
    assert ec2.describe_vpc_attribute(VpcId=default_id, Attribute="enableDnsHostnames").EnableDnsHostnames == {"Value": False}
    ec2.modify_vpc_tenancy(VpcId=default_id, InstanceTenancy="default")
    subnet_id = ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.7.0/24").Subnet["SubnetId"]
    (vpc,) = ec2.describe_vpcs(VpcIds=[vpc_id]).Vpcs
    cidr = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/56", "/64")
    association = ec2.associate_subnet_cidr_block(SubnetId=subnet_id, Ipv6CidrBlock=cidr).Ipv6CidrBlockAssociation
    ec2.modify_subnet_attribute(SubnetId=subnet_id, AssignIpv6AddressOnCreation={"Value": True})
    eni = ec2.create_network_interface(SubnetId=subnet_id).NetworkInterface
    assert len(eni["Ipv6Addresses"]) == 1
    shown = ec2.describe_network_interface_attribute(NetworkInterfaceId=eni["NetworkInterfaceId"], Attribute="sourceDestCheck")
    assert shown.SourceDestCheck == {"Value": True}
    ec2.describe_network_interface_attribute(NetworkInterfaceId=eni["NetworkInterfaceId"], Attribute="groupSet")
    ec2.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])
    gone = ec2.disassociate_subnet_cidr_block(AssociationId=association["AssociationId"]).Ipv6CidrBlockAssociation
    assert (association["Ipv6CidrBlockState"], gone["Ipv6CidrBlockState"]) == ({"State": "associating"}, {"State": "disassociating"})
    ec2.delete_subnet(SubnetId=subnet_id)
    ec2.describe_availability_zones()
    ec2.describe_regions()


def check_enis(ec2, subnet_id):
    instance_id = ec2.run_instances(
        MinCount=1, MaxCount=1, InstanceType="m5.large", SubnetId=subnet_id, TagSpecifications=tagged("instance")
    ).Instances[0]["InstanceId"]
    eni_id = ec2.create_network_interface(
        SubnetId=subnet_id, Ipv4PrefixCount=1, Ipv6PrefixCount=1, TagSpecifications=tagged("network-interface")
    ).NetworkInterface["NetworkInterfaceId"]
    ipv6_id = ec2.create_network_interface(SubnetId=subnet_id, Ipv6AddressCount=2).NetworkInterface["NetworkInterfaceId"]
    attachment_id = ec2.attach_network_interface(NetworkInterfaceId=eni_id, InstanceId=instance_id, DeviceIndex=1).AttachmentId
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=eni_id, Attachment={"AttachmentId": attachment_id, "DeleteOnTermination": True}
    )
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni_id, SourceDestCheck={"Value": False})
    ec2.assign_private_ip_addresses(NetworkInterfaceId=eni_id, SecondaryPrivateIpAddressCount=2)
    ec2.assign_private_ip_addresses(NetworkInterfaceId=eni_id, Ipv4PrefixCount=1)
    assigned = ec2.assign_ipv6_addresses(NetworkInterfaceId=eni_id, Ipv6PrefixCount=1)
    assert (len(assigned.AssignedIpv6Prefixes), assigned.AssignedIpv6Addresses) == (1, [])
    assigned = ec2.assign_ipv6_addresses(NetworkInterfaceId=ipv6_id, Ipv6AddressCount=1)
    assert (assigned.AssignedIpv6Prefixes, len(assigned.AssignedIpv6Addresses)) == ([], 1)
    ec2.unassign_ipv6_addresses(NetworkInterfaceId=ipv6_id, Ipv6Addresses=assigned.AssignedIpv6Addresses)
    ec2.describe_network_interfaces()
    ec2.describe_instances()
    ec2.describe_instance_types()
    ec2.describe_instance_types(InstanceTypes=["m5.metal", "m1.small", "p5.48xlarge"])
    check_trunks(ec2, subnet_id, ipv6_id)
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni_id, Ipv4Prefixes=["10.0.1.16/28"])
    ec2.detach_network_interface(AttachmentId=attachment_id)
    ec2.delete_network_interface(NetworkInterfaceId=eni_id)
    ec2.delete_network_interface(NetworkInterfaceId=ipv6_id)
    ec2.reboot_instances(InstanceIds=[instance_id])
    ec2.stop_instances(InstanceIds=[instance_id])
    ec2.start_instances(InstanceIds=[instance_id])
    ec2.describe_instance_status(IncludeAllInstances=True)
    ec2.terminate_instances(InstanceIds=[instance_id])
    ec2.describe_instances(InstanceIds=[instance_id])


def check_trunks(ec2, subnet_id, branch_id):
    trunk_id = ec2.create_network_interface(SubnetId=subnet_id, InterfaceType="trunk").NetworkInterface["NetworkInterfaceId"]
    association = ec2.associate_trunk_interface(
        BranchInterfaceId=branch_id, TrunkInterfaceId=trunk_id, VlanId=7, ClientToken="t"
    ).InterfaceAssociation
    assert (association["InterfaceProtocol"], association["VlanId"]) == ("VLAN", 7)
    assert ec2.describe_network_interfaces(NetworkInterfaceIds=[branch_id]).NetworkInterfaces[0]["InterfaceType"] == "branch"
    assert ec2.describe_trunk_interface_associations().InterfaceAssociations == [association]
    assert ec2.disassociate_trunk_interface(AssociationId=association["AssociationId"]).Return
    ec2.delete_network_interface(NetworkInterfaceId=trunk_id)


def check_elastic_ips(ec2, subnet_id):
    allocated = ec2.allocate_address(TagSpecifications=tagged("elastic-ip"))
    eni_id = ec2.create_network_interface(SubnetId=subnet_id).NetworkInterface["NetworkInterfaceId"]
    association_id = ec2.associate_address(AllocationId=allocated.AllocationId, NetworkInterfaceId=eni_id).AssociationId
    (shown,) = ec2.describe_addresses(PublicIps=[allocated.PublicIp]).Addresses
    assert (shown["AssociationId"], shown["NetworkInterfaceId"]) == (association_id, eni_id)
    (eni,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni_id]).NetworkInterfaces
    assert eni["Association"] == eni["PrivateIpAddresses"][0]["Association"]
    assert (eni["Association"]["PublicIp"], eni["Association"]["AllocationId"]) == (allocated.PublicIp, allocated.AllocationId)
    ec2.disassociate_address(AssociationId=association_id)
    ec2.release_address(AllocationId=allocated.AllocationId)
    ec2.delete_network_interface(NetworkInterfaceId=eni_id)


def check_launch_templates(ec2, subnet_id):
    interface = {"DeviceIndex": 0, "SubnetId": subnet_id, "Ipv4PrefixCount": 1, "DeleteOnTermination": True}
    data = {"InstanceType": "m5.large", "ImageId": "ami-1", "EbsOptimized": True, "NetworkInterfaces": [interface]}
    template = ec2.create_launch_template(
        LaunchTemplateName="nodes", LaunchTemplateData=data, VersionDescription="first", TagSpecifications=tagged("launch-template")
    ).LaunchTemplate
    name = {"LaunchTemplateId": template["LaunchTemplateId"]}
    second = ec2.create_launch_template_version(**name, SourceVersion="1", LaunchTemplateData={"ImageId": "ami-2"}).LaunchTemplateVersion
    assert second["LaunchTemplateData"] == {**data, "ImageId": "ami-2"}
    assert ec2.modify_launch_template(**name, DefaultVersion="2").LaunchTemplate["DefaultVersionNumber"] == 2
    assert [each["LaunchTemplateName"] for each in ec2.describe_launch_templates().LaunchTemplates] == ["nodes"]
    versions = ec2.describe_launch_template_versions(**name).LaunchTemplateVersions
    assert [(each["VersionNumber"], each["DefaultVersion"]) for each in versions] == [(1, False), (2, True)]
    (instance,) = ec2.run_instances(MinCount=1, MaxCount=1, LaunchTemplate=name).Instances
    assert (instance["ImageId"], len(instance["NetworkInterfaces"][0]["Ipv4Prefixes"])) == ("ami-2", 1)
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    ec2.delete_launch_template(LaunchTemplateName="nodes")


def check_reservations(ec2, subnet_id):
    reservation = ec2.create_subnet_cidr_reservation(
        SubnetId=subnet_id, Cidr="10.0.1.64/26", ReservationType="prefix", TagSpecifications=tagged("subnet-cidr-reservation")
    ).SubnetCidrReservation
    cidr = ec2.describe_subnets(SubnetIds=[subnet_id]).Subnets[0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"].replace("/64", "/80")
    ec2.create_subnet_cidr_reservation(SubnetId=subnet_id, Cidr=cidr, ReservationType="explicit", Description="ours")
    shown = ec2.get_subnet_cidr_reservations(SubnetId=subnet_id)
    assert shown.SubnetIpv4CidrReservations == [reservation]
    assert [each["Description"] for each in shown.SubnetIpv6CidrReservations] == ["ours"]
    gone = ec2.delete_subnet_cidr_reservation(SubnetCidrReservationId=reservation["SubnetCidrReservationId"])
    assert gone.DeletedSubnetCidrReservation == reservation


def check_tags(ec2, subnet_id):
    ec2.create_tags(Resources=[subnet_id], Tags=[{"Key": "k", "Value": "new"}, {"Key": "bare"}])
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [subnet_id]}]).Tags
    assert {(tag["Key"], tag["Value"]) for tag in found} == {("bare", ""), ("empty", ""), ("k", "new")}
    ec2.delete_tags(Resources=[subnet_id], Tags=[{"Key": "k", "Value": "old"}, {"Key": "empty", "Value": ""}, {"Key": "bare"}])
    assert [tag["Key"] for tag in ec2.describe_tags(Filters=[{"Name": "resource-type", "Values": ["subnet"]}]).Tags] == ["k"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"VpcId": "vpc-1", "Banana": 1}, "Vpc.Banana is no member of Vpc"),
        ({"VpcId": 1}, "Vpc.VpcId is 1, no string"),
        ({"State": "ripe"}, "Vpc.State is 'ripe', none of"),
        ({}, "Vpc.CidrBlock is missing"),
        ({"Tags": [{"Key": "a"}]}, "Vpc.Tags[0].Value is missing"),
        ({"IsDefault": 1}, "Vpc.IsDefault is 1, no boolean"),
    ],
)
def test_the_check_of_shapes_finds_misfits(client, value, found):
    shape = client.meta.service_model.shape_for("Vpc")
    assert any(each.startswith(found) for each in misfits(value, shape, "Vpc"))


# --- what answers say ---


@pytest.fixture
def subnet_id(model):
    return model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24").subnet_id


def test_an_eni_without_prefixes_has_no_list_of_prefixes(client, subnet_id):
    eni = client.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]
    assert "Ipv4Prefixes" not in eni
    assert "Attachment" not in eni
    assert eni["Ipv6Addresses"] == []


def test_an_ipv4_address_is_empty_when_there_is_none(client, subnet_id):
    """EFA-only ENIs and those of IPv6-only subnets, which the model does not have."""
    item = client.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]
    bare = {name: value for name, value in item.items() if name not in ("PrivateIpAddress", "PrivateIpAddresses")}
    eni = read_network_interface(bare)
    assert (eni.private_ip, eni.secondary_ips) == ("", ())


def test_public_addresses_are_read_and_those_of_carriers_left_out():
    associations = [
        {"CarrierIp": "155.0.0.1"},
        {"PublicIp": "3.0.0.9", "IpOwnerId": "amazon"},
        {"PublicIp": "3.0.0.7", "AllocationId": "e"},
    ]
    items = [
        {"PrivateIpAddress": f"10.0.0.{20 - number}", "Primary": number == 1, "Association": each}
        for number, each in enumerate(associations)
    ]
    shown = {"NetworkInterfaceId": "eni-1", "SubnetId": "s", "VpcId": "v", "AvailabilityZone": "z", "Status": "available"}
    eni = read_network_interface({**shown, "PrivateIpAddress": "10.0.0.19", "PrivateIpAddresses": items})
    assert eni.unreadable == ()
    assert [(each.private_ip, each.public_ip, each.allocation_id) for each in eni.elastic_ips] == [
        ("10.0.0.19", "3.0.0.9", ""),
        ("10.0.0.18", "3.0.0.7", "e"),
    ]


def test_the_primary_address_is_listed_first(client, subnet_id):
    eni = client.create_network_interface(SubnetId=subnet_id, SecondaryPrivateIpAddressCount=1)["NetworkInterface"]
    assert [(each["PrivateIpAddress"], each["Primary"], each["PrivateDnsName"]) for each in eni["PrivateIpAddresses"]] == [
        ("10.0.1.4", True, "ip-10-0-1-4.ec2.internal"),
        ("10.0.1.5", False, "ip-10-0-1-5.ec2.internal"),
    ]


def test_every_eni_has_its_own_mac_address(client, subnet_id):
    made = [client.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]["MacAddress"] for _ in range(20)]
    assert len(set(made)) == 20
    assert made[0] == "02:00:00:00:00:01"
    assert made[-1] == "02:00:00:00:00:14"


def test_times_are_truncated_to_the_millisecond(model, subnet_id):
    client = fake_client("ec2", model, now_ns=Clock(1_700_000_000_123_999_999))
    client.run_instances(MinCount=1, MaxCount=1, InstanceType="m5.large", SubnetId=subnet_id)
    (reservation,) = client.describe_instances()["Reservations"]
    assert reservation["Instances"][0]["LaunchTime"] == datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)


def test_limits_of_a_type_are_those_of_the_table(client):
    (shown,) = client.describe_instance_types(InstanceTypes=["p5.48xlarge"])["InstanceTypes"]
    limits = InstanceLimits.from_describe_instance_types(shown)
    assert (limits.eni_limit, sum(limits.network_cards)) == (2, 64)


def test_the_refusal_of_an_unknown_instance_type_names_it(client, subnet_id):
    with pytest.raises(client.exceptions.ClientError, match=r"InvalidInstanceType.*m5\.larch"):
        client.describe_instance_types(InstanceTypes=["m5.large", "m5.larch"])
    with pytest.raises(client.exceptions.ClientError, match=r"InvalidParameterValue.*m5\.larch"):
        client.run_instances(MinCount=1, MaxCount=1, InstanceType="m5.larch", SubnetId=subnet_id)
