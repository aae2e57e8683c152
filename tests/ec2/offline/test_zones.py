"""Regions and Availability Zones, their filters, and tags with distinct keys, as clients see them."""

import pytest
from botocore.exceptions import ClientError

from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.state.names import REGIONS, private_dns_name, region_of, zone_id, zones_of


def code(call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"]


@pytest.mark.parametrize(
    ("zone", "its_id"),
    [
        ("us-east-1a", "use1-az1"),
        ("ap-southeast-2c", "apse2-az3"),
        ("ap-south-1b", "aps1-az2"),
        ("eu-central-1a", "euc1-az1"),
        ("us-gov-east-1a", "usge1-az1"),
        ("cn-northwest-1a", "cnnw1-az1"),
        ("ca-central-1d", "cac1-az4"),
        ("rack-7", "rack-7"),
    ],
)
def test_a_zone_id_has_the_form_of_ec2(zone, its_id):
    assert zone_id(zone) == its_id


def test_no_two_zones_have_the_same_id():
    zones = [zone for region in REGIONS for zone in zones_of(region)]
    assert len({zone_id(zone) for zone in zones}) == len(zones)
    assert [region_of(zone) for zone in zones] == [region for region in REGIONS for _ in zones_of(region)]
    assert (region_of("rack-7"), private_dns_name("10.0.0.9", "eu-west-1")) == ("us-east-1", "ip-10-0-0-9.eu-west-1.compute.internal")


def test_zones_are_listed_named_and_filtered():
    client = fake_client("ec2", Ec2Model(), region_name="us-west-2")
    zones = client.describe_availability_zones()["AvailabilityZones"]
    assert [(zone["ZoneName"], zone["ZoneId"]) for zone in zones] == [(f"us-west-2{'abcd'[n]}", f"usw2-az{n + 1}") for n in range(4)]
    assert {(zone["State"], zone["RegionName"], zone["ZoneType"]) for zone in zones} == {("available", "us-west-2", "availability-zone")}
    assert client.describe_availability_zones(ZoneIds=["usw2-az3"])["AvailabilityZones"] == zones[2:3]
    assert client.describe_availability_zones(ZoneNames=["us-west-2b", "us-west-2a"])["AvailabilityZones"] == zones[:2]
    shown = {"ZoneName": "zone-name", "ZoneId": "zone-id", "GroupName": "group-name", "OptInStatus": "opt-in-status", "State": "state"}
    for member, name in (shown | {"RegionName": "region-name", "ZoneType": "zone-type"}).items():
        filters = [{"Name": name, "Values": [zones[1][member]]}]
        found = client.describe_availability_zones(Filters=filters)["AvailabilityZones"]
        assert found == [zone for zone in zones if zone[member] == zones[1][member]]
    assert code(client.describe_availability_zones, ZoneNames=["us-west-2z"]) == "InvalidParameterValue"
    assert code(client.describe_availability_zones, ZoneIds=["use1-az1"]) == "InvalidParameterValue"
    assert code(client.describe_availability_zones, ZoneIds=["usw2-az1"], ZoneNames=["us-west-2a"]) == "InvalidParameterCombination"
    assert code(client.describe_availability_zones, Filters=[{"Name": "zone", "Values": ["a"]}]) == "InvalidParameterValue"


def test_regions_are_listed_named_and_filtered():
    client = fake_client("ec2", Ec2Model())
    regions = client.describe_regions()["Regions"]
    names = [region["RegionName"] for region in regions]
    assert "us-east-1" in names
    assert not {"af-south-1", "cn-north-1"} & set(names)
    everything = [region["RegionName"] for region in client.describe_regions(AllRegions=True)["Regions"]]
    assert "af-south-1" in everything
    (one,) = client.describe_regions(RegionNames=["af-south-1"])["Regions"]
    assert one == {"Endpoint": "ec2.af-south-1.amazonaws.com", "OptInStatus": "not-opted-in", "RegionName": "af-south-1"}
    for name, value in (("endpoint", "ec2.eu-*"), ("region-name", "eu-*")):
        found = client.describe_regions(Filters=[{"Name": name, "Values": [value]}])["Regions"]
        assert [region["RegionName"] for region in found] == [each for each in names if each.startswith("eu-")]
    assert client.describe_regions(Filters=[{"Name": "opt-in-status", "Values": ["opt-in-not-required"]}])["Regions"] == regions
    assert code(client.describe_regions, RegionNames=["eu-west-9"]) == "InvalidParameterValue"
    china = fake_client("ec2", Ec2Model(), region_name="cn-north-1")
    assert [region["RegionName"] for region in china.describe_regions()["Regions"]] == ["cn-north-1", "cn-northwest-1"]


def test_a_tag_key_is_given_once():
    client = fake_client("ec2", Ec2Model())
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert code(client.create_tags, Resources=[vpc_id], Tags=twice) == "InvalidParameterValue"
    tags = [{"ResourceType": "vpc", "Tags": twice}]
    assert code(client.create_vpc, CidrBlock="10.1.0.0/16", TagSpecifications=tags) == "InvalidParameterValue"


def test_an_unknown_attribute_or_two_kinds_of_cidr_are_refused():
    client = fake_client("ec2", Ec2Model())
    vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert code(client.describe_vpc_attribute, VpcId=vpc_id, Attribute="x") == "InvalidParameterValue"
    assert code(client.describe_network_interface_attribute, NetworkInterfaceId="eni-1", Attribute="x") == "InvalidParameterValue"
    assert code(client.associate_vpc_cidr_block, VpcId=vpc_id) == "InvalidParameterCombination"
    given = client.associate_vpc_cidr_block(VpcId=vpc_id, AmazonProvidedIpv6CidrBlock=True)["Ipv6CidrBlockAssociation"]
    assert given["Ipv6CidrBlockState"] == {"State": "associating"}
    gone = client.disassociate_vpc_cidr_block(AssociationId=given["AssociationId"])["Ipv6CidrBlockAssociation"]
    assert gone == {**given, "Ipv6CidrBlockState": {"State": "disassociating"}}
