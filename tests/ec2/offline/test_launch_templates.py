"""RunInstances from launch templates, and the wire of templates and Elastic IPs."""

import pytest
from botocore.exceptions import ClientError

from vpcipam.ec2.fake import fake_client
from vpcipam.errors import NotModelled


@pytest.fixture
def subnet_id(model):
    return model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24").subnet_id


@pytest.fixture
def template(client):
    """A function: make a launch template of this data, and return a function that launches from it."""

    def make(**data):
        client.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=data)

        def launch(version=None, **parameters):
            named = {"LaunchTemplateName": "nodes", **({"Version": version} if version else {})}
            (instance,) = client.run_instances(MinCount=1, MaxCount=1, LaunchTemplate=named, **parameters)["Instances"]
            return instance

        return launch

    return make


def code_of(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def test_a_launch_has_the_network_interfaces_of_its_template(template, subnet_id, model):
    interfaces = [
        {"DeviceIndex": 0, "SubnetId": subnet_id, "Ipv4PrefixCount": 2, "Description": "first"},
        {"DeviceIndex": 1, "SubnetId": subnet_id, "SecondaryPrivateIpAddressCount": 3, "DeleteOnTermination": False},
    ]
    tags = [{"ResourceType": kind, "Tags": [{"Key": kind, "Value": "x"}]} for kind in ("instance", "network-interface", "volume")]
    instance = template(InstanceType="m5.large", ImageId="ami-7", NetworkInterfaces=interfaces, TagSpecifications=tags)()
    (shown,) = model.instances
    assert (instance["ImageId"], shown.instance_type) == ("ami-7", "m5.large")
    assert [(len(eni.ipv4_prefixes), len(eni.secondary_ips)) for eni in shown.network_interfaces] == [(2, 0), (0, 3)]
    assert [eni.attachment.delete_on_termination for eni in shown.network_interfaces] == [True, False]
    assert {eni.tags for eni in shown.network_interfaces} == {(("network-interface", "x"),)}
    assert {key for key, _ in shown.tags} == {"instance", "aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version"}


def test_the_request_replaces_what_the_template_says(template, subnet_id, model):
    launch = template(InstanceType="m5.large", NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet_id, "Ipv4PrefixCount": 1}])
    launch(InstanceType="m5.xlarge", NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet_id}])
    (instance,) = model.instances
    assert instance.instance_type == "m5.xlarge"
    assert [eni.ipv4_prefixes for eni in instance.network_interfaces] == [()]


@pytest.mark.parametrize("more", [{"SubnetId": "subnet-00000000000000001"}, {"SecurityGroupIds": ["sg-1"]}])
def test_what_an_instance_has_can_not_stand_beside_the_interfaces_of_the_template(template, subnet_id, model, more):
    launch = template(InstanceType="m5.large", NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": subnet_id}])
    assert code_of(launch, **more) == "InvalidParameterCombination"
    assert model.instances == ()


def test_a_launch_takes_the_default_version_unless_it_names_one(client, template, subnet_id):
    launch = template(InstanceType="m5.large")
    client.create_launch_template_version(LaunchTemplateName="nodes", LaunchTemplateData={"InstanceType": "m5.xlarge"})
    versions = (None, "1", "2", "$Latest", "$Default")
    assert [launch(version, SubnetId=subnet_id)["InstanceType"] for version in versions] == [
        *("m5.large", "m5.large", "m5.xlarge", "m5.xlarge", "m5.large")
    ]
    assert code_of(launch, version="3", SubnetId=subnet_id) == "InvalidLaunchTemplateId.VersionNotFound"
    names = {"LaunchTemplate": {"LaunchTemplateId": "lt-9"}, "MinCount": 1, "MaxCount": 1}
    assert code_of(client.run_instances, **names) == "InvalidLaunchTemplateId.NotFound"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"InstanceMarketOptions": {"MarketType": "spot"}}, "RunInstances: InstanceMarketOptions is not modelled"),
        (
            {"NetworkInterfaces": [{"AssociateCarrierIpAddress": True}]},
            "RunInstances: NetworkInterfaces.AssociateCarrierIpAddress is not modelled",
        ),
    ],
)
def test_a_template_keeps_what_is_not_modelled_and_a_launch_refuses_it(client, template, model, data, found):
    launch = template(**data)
    (version,) = client.describe_launch_template_versions(LaunchTemplateName="nodes")["LaunchTemplateVersions"]
    assert version["LaunchTemplateData"] == data
    with pytest.raises(NotModelled, match=found):
        launch()
    assert model.instances == ()


def test_numbers_of_a_template_are_shown_again(client):
    requirements = {"MemoryGiBPerVCpu": {"Min": 0.5, "Max": 2}, "VCpuCount": {"Min": 1}, "MemoryMiB": {"Min": 1}}
    client.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData={"InstanceRequirements": requirements})
    client.create_launch_template_version(LaunchTemplateName="nodes", LaunchTemplateData={"ImageId": "ami-1"}, SourceVersion="1")
    for version in client.describe_launch_template_versions(LaunchTemplateName="nodes", MinVersion="1")["LaunchTemplateVersions"]:
        assert version["LaunchTemplateData"]["InstanceRequirements"]["MemoryGiBPerVCpu"] == {"Min": 0.5, "Max": 2.0}


@pytest.mark.parametrize(
    "data", [{"NetworkInterfaces": 5}, {"InstanceType": 5}, {"NoMember": "x"}, {"NetworkInterfaces": [{"PrivateIpAddresses": ["x"]}]}]
)
def test_data_of_a_wrong_shape_is_refused_where_it_is_used(client, model, subnet_id, data):
    """The wire can't bring it, but a world and a call of the model can."""
    model.create_launch_template("nodes", data)
    assert code_of(client.describe_launch_template_versions, LaunchTemplateName="nodes") == "InvalidParameterValue"
    names = {"LaunchTemplate": {"LaunchTemplateName": "nodes"}, "SubnetId": subnet_id}
    assert code_of(client.run_instances, MinCount=1, MaxCount=1, **names) == "InvalidParameterValue"


@pytest.mark.parametrize("bound", ["x", "-1", "1" * 10, "\u0663"])
def test_a_bound_of_versions_is_a_number(client, template, bound):
    template(InstanceType="m5.large")
    assert code_of(client.describe_launch_template_versions, LaunchTemplateName="nodes", MinVersion=bound) == "InvalidParameterValue"


def test_the_tags_of_a_new_template_are_its_own(client):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "a", "Value": "b"}]}]
    names = {"LaunchTemplateName": "nodes", "LaunchTemplateData": {"ImageId": "ami-1"}}
    assert code_of(client.create_launch_template, **names, TagSpecifications=tags) == "InvalidParameterValue"
    assert code_of(client.modify_launch_template, LaunchTemplateName="nodes") == "MissingParameter"


# --- Elastic IPs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "parameters", "code"),
    [
        ("associate_address", {"PublicIp": "198.18.0.1", "InstanceId": "i-1"}, "InvalidParameterCombination"),
        ("associate_address", {"InstanceId": "i-1"}, "MissingParameter"),
        ("disassociate_address", {"PublicIp": "198.18.0.1"}, "InvalidParameterValue"),
        ("disassociate_address", {}, "MissingParameter"),
        ("release_address", {"PublicIp": "198.18.0.1"}, "InvalidParameterValue"),
        ("release_address", {}, "MissingParameter"),
        (
            "release_address",
            {"AllocationId": "eipalloc-00000000000000001", "NetworkBorderGroup": "us-east-1-wl1"},
            "InvalidAddress.NotFound",
        ),
        ("allocate_address", {"NetworkBorderGroup": "us-east-1-wl1"}, "InvalidAddress.NotFound"),
        ("allocate_address", {"Domain": "standard"}, "InvalidParameterValue"),
    ],
)
def test_addresses_outside_vpcs_are_history(client, method, parameters, code):
    client.allocate_address(NetworkBorderGroup="us-east-1")
    assert code_of(getattr(client, method), **parameters) == code
    assert len(client.describe_addresses()["Addresses"]) == 1


@pytest.mark.parametrize("pool", ["PublicIpv4Pool", "CustomerOwnedIpv4Pool", "IpamPoolId", "Address"])
def test_pools_of_public_addresses_are_not_modelled(client, pool):
    with pytest.raises(NotModelled, match=f"AllocateAddress: {pool} is not modelled"):
        client.allocate_address(**{pool: "x"})


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("us-east-1", "ec2-198-18-0-1.compute-1.amazonaws.com"),
        ("eu-west-1", "ec2-198-18-0-1.eu-west-1.compute.amazonaws.com"),
        ("cn-north-1", "ec2-198-18-0-1.cn-north-1.compute.amazonaws.com.cn"),
    ],
)
def test_an_instance_shows_the_elastic_ip_of_its_primary_address(model, region, name):
    client = fake_client("ec2", model, region_name=region)
    vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet_id = client.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    (made,) = client.run_instances(MinCount=1, MaxCount=1, InstanceType="m5.large", SubnetId=subnet_id)["Instances"]
    (eni,) = made["NetworkInterfaces"]
    added = client.assign_private_ip_addresses(NetworkInterfaceId=eni["NetworkInterfaceId"], SecondaryPrivateIpAddressCount=1)
    second = added["AssignedPrivateIpAddresses"][0]["PrivateIpAddress"]

    def shown():
        return client.describe_instances()["Reservations"][0]["Instances"][0]

    where = {"NetworkInterfaceId": eni["NetworkInterfaceId"], "PrivateIpAddress": second}
    association = client.associate_address(AllocationId=client.allocate_address()["AllocationId"], **where)["AssociationId"]
    assert "PublicIpAddress" not in shown()
    assert "Association" not in shown()["NetworkInterfaces"][0]
    owned = {"IpOwnerId": "123456789012", "PublicDnsName": name, "PublicIp": "198.18.0.1"}
    assert [each.get("Association") for each in shown()["NetworkInterfaces"][0]["PrivateIpAddresses"]] == [None, owned]
    client.disassociate_address(AssociationId=association)
    client.associate_address(AllocationId="eipalloc-00000000000000001", InstanceId=made["InstanceId"])
    assert (shown()["PublicIpAddress"], shown()["PublicDnsName"]) == ("198.18.0.1", name)
    assert shown()["NetworkInterfaces"][0]["Association"] == owned
