"""The life of instances, as clients see it: launches of several, states, waiters, and what is left of a terminated one."""

import attrs
import pytest
from botocore.exceptions import ClientError
from botocore.handlers import base64_encode_user_data

from vpcipam._units import NS_PER_S
from vpcipam.ec2.fake import Clock, fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import NotModelled

COMBINATION = "InvalidParameterCombination"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def model():
    ec2 = Ec2Model()
    ec2.create_default_vpc()
    return ec2


@pytest.fixture
def client(model, clock):
    return fake_client("ec2", model, now_ns=clock)


def code(call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"]


def launch(client, count=1, **members):
    return client.run_instances(MinCount=count, MaxCount=count, **{"InstanceType": "m5.large", **members})


def states(client, instance_ids):
    shown = client.describe_instances(InstanceIds=instance_ids)["Reservations"]
    return {each["InstanceId"]: each["State"]["Name"] for reservation in shown for each in reservation["Instances"]}


def test_instances_are_launched_together_in_the_default_subnet(client, model):
    group = model.create_security_group("nodes", "of nodes").group_id
    answer = launch(client, 3, ImageId="ami-7", SecurityGroupIds=[group])
    instances = answer["Instances"]
    assert [(each["State"], each["AmiLaunchIndex"]) for each in instances] == [({"Code": 0, "Name": "pending"}, n) for n in range(3)]
    assert {(each["SubnetId"], each["ImageId"]) for each in instances} == {(model.subnets[0].subnet_id, "ami-7")}
    assert instances[0]["SecurityGroups"] == [{"GroupId": group, "GroupName": "nodes"}]
    launch(client)
    first, second = client.describe_instances()["Reservations"]
    assert (len(first["Instances"]), len(second["Instances"])) == (3, 1)
    assert first["ReservationId"] == answer["ReservationId"] != second["ReservationId"]
    for name, value in (("reservation-id", answer["ReservationId"]), ("image-id", "ami-7")):
        (found,) = client.describe_instances(Filters=[{"Name": name, "Values": [value]}])["Reservations"]
        assert found == first
    model._check()


def test_a_launch_names_security_groups_of_the_default_vpc(client, model):
    group = model.create_security_group("nodes", "of nodes").group_id
    default = {"GroupId": model.security_groups[0].group_id, "GroupName": "default"}
    (instance,) = launch(client, SecurityGroups=["nodes", "default"])["Instances"]
    assert instance["SecurityGroups"] == [default, {"GroupId": group, "GroupName": "nodes"}]
    assert code(client.run_instances, MinCount=1, MaxCount=1, SecurityGroups=["pods"]) == "InvalidGroup.NotFound"
    for more in ({"SubnetId": model.subnets[0].subnet_id}, {"NetworkInterfaces": [{"DeviceIndex": 0}]}):
        assert code(client.run_instances, MinCount=1, MaxCount=1, SecurityGroups=["nodes"], **more) == "InvalidParameterCombination"


def test_a_security_group_shows_the_rules_of_a_new_one(client):
    client.create_security_group(GroupName="nodes", Description="of nodes")
    default, made = client.describe_security_groups()["SecurityGroups"]
    (out,) = made["IpPermissionsEgress"]
    assert (out["IpProtocol"], out["IpRanges"], made["IpPermissions"]) == ("-1", [{"CidrIp": "0.0.0.0/0"}], [])
    assert default["IpPermissionsEgress"] == [out]
    (own,) = default["IpPermissions"]
    assert own["UserIdGroupPairs"] == [{"GroupId": default["GroupId"], "UserId": default["OwnerId"]}]
    with pytest.raises(NotModelled, match="AuthorizeSecurityGroupIngress is not modelled"):
        client.authorize_security_group_ingress(GroupId=made["GroupId"], IpProtocol="-1", CidrIp="10.0.0.0/8")


def test_a_launch_takes_the_room_that_there_is_from_the_least_count_on(client, model):
    vpc_id = model.vpcs[0].vpc_id
    small = model.create_subnet(vpc_id, "172.31.240.0/28").subnet_id
    before = model.subnets
    assert code(client.run_instances, MinCount=12, MaxCount=20, SubnetId=small) == "InsufficientFreeAddressesInSubnet"
    assert (model.subnets, model.instances) == (before, ())
    answer = client.run_instances(MinCount=2, MaxCount=20, SubnetId=small)
    assert len(answer["Instances"]) == 11
    assert answer["Instances"][0]["InstanceId"] == "i-00000000000000001"
    assert code(client.run_instances, MinCount=2, MaxCount=1, SubnetId=small) == "InvalidParameterValue"
    assert code(client.run_instances, MinCount=1, MaxCount=2, SubnetId=small, PrivateIpAddress="172.31.240.9") == (
        "InvalidParameterCombination"
    )
    model._check()


def test_a_launch_with_network_interfaces(client, model):
    subnet_id = model.subnets[0].subnet_id
    interfaces = [
        {"DeviceIndex": 1, "SubnetId": subnet_id, "Ipv4PrefixCount": 2, "DeleteOnTermination": False, "Description": "pods"},
        {
            "DeviceIndex": 0,
            "Groups": [model.security_groups[0].group_id],
            "PrivateIpAddresses": [
                {"PrivateIpAddress": "172.31.0.40", "Primary": True},
                {"PrivateIpAddress": "172.31.0.41"},
            ],
        },
    ]
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "a", "Value": "b"}]}]
    (instance,) = launch(client, NetworkInterfaces=interfaces, TagSpecifications=tags)["Instances"]
    primary, second = instance["NetworkInterfaces"]
    assert [each["PrivateIpAddress"] for each in primary["PrivateIpAddresses"]] == ["172.31.0.40", "172.31.0.41"]
    assert (primary["Attachment"]["DeleteOnTermination"], second["Attachment"]["DeleteOnTermination"]) == (True, False)
    assert (len(second["Ipv4Prefixes"]), second["Description"]) == (2, "pods")
    assert {eni.tags for eni in model.network_interfaces} == {(("a", "b"),)}
    client.terminate_instances(InstanceIds=[instance["InstanceId"]])
    assert [eni.description for eni in model.network_interfaces] == ["pods"]
    model._check()


@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        ([{"DeviceIndex": 1}], "InvalidParameterValue"),
        ([{"DeviceIndex": 0}, {"DeviceIndex": 0}], "InvalidParameterValue"),
        ([{"DeviceIndex": 0}, {"DeviceIndex": 1, "NetworkCardIndex": 4}], "InvalidParameterValue"),
        ([{"DeviceIndex": 0}, {"DeviceIndex": 3}], "InvalidParameterValue"),
        ([{"DeviceIndex": 0}, {"DeviceIndex": -1}], "InvalidParameterValue"),
        ([{"DeviceIndex": n} for n in range(4)], "AttachmentLimitExceeded"),
        ([{"DeviceIndex": 0, "SecondaryPrivateIpAddressCount": 10}], "InvalidInterface.IpAddressLimitExceeded"),
        ([{"DeviceIndex": 0, "SecondaryPrivateIpAddressCount": 1, "Ipv4PrefixCount": 1}], "InvalidParameterCombination"),
        ([{"DeviceIndex": 0}, {"DeviceIndex": 1, "InterfaceType": "x"}], "InvalidParameterValue"),
        ([{"DeviceIndex": 0, "InterfaceType": "efa-only", "PrivateIpAddress": "172.31.0.9"}], "InvalidParameterCombination"),
        ([{"DeviceIndex": 0, "InterfaceType": "efa-only"}], "InvalidParameterValue"),
        ([{"DeviceIndex": 0}, {"DeviceIndex": 1, "SubnetId": "{other}"}], "InvalidParameterCombination"),
        ([{"DeviceIndex": 0, "SubnetId": "subnet-0"}], "InvalidSubnetID.NotFound"),
        (
            [{"DeviceIndex": 0, "PrivateIpAddress": "172.31.0.9"}, {"DeviceIndex": 1, "PrivateIpAddress": "172.31.0.9"}],
            "InvalidIPAddress.InUse",
        ),
        (
            [{"DeviceIndex": 0, "PrivateIpAddress": "172.31.0.9", "PrivateIpAddresses": [{"PrivateIpAddress": "172.31.0.9"}]}],
            "InvalidParameterValue",
        ),
    ],
)
def test_network_interfaces_that_do_not_fit_launch_nothing(client, model, interfaces, expected):
    filled = [{name: model.subnets[1].subnet_id if value == "{other}" else value for name, value in each.items()} for each in interfaces]
    before = model.subnets
    assert code(launch, client=client, NetworkInterfaces=filled) == expected
    assert (model.subnets, model.instances, model.network_interfaces) == (before, (), ())
    assert launch(client)["Instances"][0]["InstanceId"] == "i-00000000000000001"


def test_an_efa_only_interface_has_no_addresses_and_xen_no_prefixes(client):
    both = [{"DeviceIndex": 0}, {"DeviceIndex": 1, "InterfaceType": "efa-only"}]
    (instance,) = launch(client, NetworkInterfaces=both)["Instances"]
    assert instance["NetworkInterfaces"][1]["PrivateIpAddresses"] == []
    xen = {"MinCount": 1, "MaxCount": 1, "InstanceType": "m4.large"}
    assert code(client.run_instances, NetworkInterfaces=[{"DeviceIndex": 0, "Ipv4PrefixCount": 1}], **xen) == "InvalidParameterValue"
    assert code(client.run_instances, NetworkInterfaces=both, SubnetId="subnet-1", **xen) == "InvalidParameterCombination"


def test_the_default_subnet_is_that_of_the_zone(client, model):
    (instance,) = launch(client, Placement={"AvailabilityZone": "us-east-1c"})["Instances"]
    assert instance["SubnetId"] == model.subnets[2].subnet_id
    (instance,) = launch(client, Placement={"AvailabilityZoneId": "use1-az2", "Tenancy": "default", "GroupName": ""})["Instances"]
    assert instance["SubnetId"] == model.subnets[1].subnet_id
    assert code(launch, client=client, Placement={"AvailabilityZone": "us-east-1z"}) == "InvalidParameterValue"
    model.terminate_instances([each.instance_id for each in model.instances], now_ns=0)
    model.delete_subnet(model.subnets[2].subnet_id)
    assert code(launch, client=client, Placement={"AvailabilityZone": "us-east-1c"}) == "InvalidInput"
    for subnet in model.subnets:
        model.delete_subnet(subnet.subnet_id)
    assert code(launch, client=client) == "MissingInput"
    other = Ec2Model()
    other.create_vpc("10.0.0.0/16")
    assert code(launch, client=fake_client("ec2", other)) == "VPCIdNotSpecified"


@pytest.mark.parametrize(
    ("interface", "found"),
    [
        ({"PrivateIpAddresses": [{"Primary": True}]}, "MissingParameter"),
        ({"PrivateIpAddresses": [{"Primary": False}]}, "MissingParameter"),
        ({"Ipv6Addresses": [{"IsPrimaryIpv6": True}]}, "MissingParameter"),
        ({"PrivateIpAddress": "172.31.0.9", "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "172.31.0.8"}]}, COMBINATION),
        ({"PrivateIpAddress": ""}, "InvalidParameterValue"),
    ],
)
def test_an_interface_names_whole_addresses_and_one_primary_one(client, model, interface, found):
    assert code(launch, client=client, NetworkInterfaces=[{"DeviceIndex": 0, **interface}]) == found
    assert model.instances == ()


@pytest.mark.parametrize("parameters", [{"Ipv6Addresses": [{"IsPrimaryIpv6": False}]}, {"PrivateIpAddress": ""}])
def test_an_instance_names_whole_addresses(client, model, parameters):
    assert code(launch, client=client, **parameters) in {"MissingParameter", "InvalidParameterValue"}
    assert model.instances == ()


def test_a_zone_and_a_subnet_of_another_one_contradict_each_other(client, model):
    with pytest.raises(ClientError) as caught:
        launch(client, SubnetId=model.subnets[0].subnet_id, Placement={"AvailabilityZone": "us-east-1b"})
    where = f"Subnet '{model.subnets[0].subnet_id}' is in the availability zone us-east-1a"
    assert caught.value.response["Error"]["Message"] == f"Value (us-east-1b) for parameter availabilityZone is invalid. {where}"
    launch(client, SubnetId=model.subnets[0].subnet_id, Placement={"AvailabilityZone": "us-east-1a"})


@pytest.mark.parametrize("placement", [{"Tenancy": "dedicated"}, {"GroupName": "a"}, {"HostId": "h-1"}, {"Affinity": "host"}])
def test_a_placement_that_is_not_modelled_is_refused(client, placement):
    (name,) = placement
    with pytest.raises(NotModelled, match=f"RunInstances: Placement.{name} is not modelled"):
        launch(client, Placement=placement)


def test_an_instance_stops_starts_and_reboots_and_every_waiter_ends(client, model):
    (instance_id,) = (each["InstanceId"] for each in launch(client)["Instances"])
    one = {"InstanceIds": [instance_id]}
    client.get_waiter("instance_running").wait(**one)
    client.get_waiter("instance_status_ok").wait(**one)
    client.get_waiter("system_status_ok").wait(**one)
    client.reboot_instances(**one)
    (held,) = model.network_interfaces
    assert held.elastic_ips
    (change,) = client.stop_instances(**one)["StoppingInstances"]
    assert (change["PreviousState"], change["CurrentState"]) == ({"Code": 16, "Name": "running"}, {"Code": 64, "Name": "stopping"})
    client.get_waiter("instance_stopped").wait(**one)
    assert model.network_interfaces == (attrs.evolve(held, elastic_ips=()),)
    assert client.stop_instances(**one)["StoppingInstances"][0]["CurrentState"] == {"Code": 80, "Name": "stopped"}
    assert code(client.reboot_instances, **one) == "IncorrectState"
    assert client.describe_instance_status(**one)["InstanceStatuses"] == []
    (status,) = client.describe_instance_status(**one, IncludeAllInstances=True)["InstanceStatuses"]
    assert (status["InstanceState"]["Name"], status["InstanceStatus"]["Status"]) == ("stopped", "not-applicable")
    (change,) = client.start_instances(**one)["StartingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("stopped", "pending")
    client.get_waiter("instance_running").wait(**one)
    client.terminate_instances(**one)
    client.get_waiter("instance_terminated").wait(**one)
    model._check()


def test_a_terminated_instance_is_shown_for_an_hour(client, clock, model):
    gone, stays = (each["InstanceId"] for each in launch(client, 2)["Instances"])
    (change,) = client.terminate_instances(InstanceIds=[gone])["TerminatingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("running", "shutting-down")
    (change,) = client.terminate_instances(InstanceIds=[gone])["TerminatingInstances"]
    assert (change["PreviousState"]["Name"], change["CurrentState"]["Name"]) == ("terminated", "terminated")
    assert states(client, [gone, stays]) == {gone: "terminated", stays: "running"}
    (shown,) = client.describe_instances(InstanceIds=[gone])["Reservations"][0]["Instances"]
    assert not {"PrivateIpAddress", "SubnetId", "VpcId"} & shown.keys()
    assert (shown["NetworkInterfaces"], shown["State"]) == ([], {"Code": 48, "Name": "terminated"})
    filters = [{"Name": "instance-state-code", "Values": ["48"]}]
    assert client.describe_instances(Filters=filters)["Reservations"][0]["Instances"] == [shown]
    assert code(client.stop_instances, InstanceIds=[stays, gone]) == "IncorrectInstanceState"
    assert code(client.start_instances, InstanceIds=[gone]) == "IncorrectInstanceState"
    assert states(client, [stays]) == {stays: "running"}
    assert [each.instance_id for each in model.describe_instances(now_ns=0)] == [stays]
    clock.advance(3599)
    assert states(client, [gone]) == {gone: "terminated"}
    clock.advance(1)
    assert code(client.describe_instances, InstanceIds=[gone]) == "InvalidInstanceID.NotFound"
    assert code(client.terminate_instances, InstanceIds=[gone]) == "InvalidInstanceID.NotFound"
    assert clock.now_ns == 3600 * NS_PER_S


def test_a_call_on_instances_names_one(client):
    for call in (client.terminate_instances, client.stop_instances, client.start_instances, client.reboot_instances):
        assert code(call, InstanceIds=[]) == "InvalidParameterCombination"


def test_the_settings_of_a_launch_are_shown(client, model):
    settings = {"KeyName": "me", "Monitoring": {"Enabled": True}, "EbsOptimized": True, "UserData": "#!/bin/sh"}
    answer = launch(client, ClientToken="once", **settings)
    assert launch(client, ClientToken="once", **settings)["Instances"] == answer["Instances"]
    (pending,) = answer["Instances"]
    assert (pending["Monitoring"], pending["StateReason"]) == ({"State": "pending"}, {"Code": "pending", "Message": "pending"})
    (shown,) = client.describe_instances()["Reservations"][0]["Instances"]
    assert (shown["KeyName"], shown["Monitoring"], shown["EbsOptimized"]) == ("me", {"State": "enabled"}, True)
    assert shown["Architecture"] == "x86_64"
    values = {
        name: client.describe_instance_attribute(InstanceId=shown["InstanceId"], Attribute=name)[f"{name[0].upper()}{name[1:]}"]["Value"]
        for name in ("userData", "ebsOptimized", "disableApiTermination", "disableApiStop")
    }
    assert values == {
        "userData": "IyEvYmluL3No",
        "ebsOptimized": True,
        "disableApiTermination": False,
        "disableApiStop": False,
    }
    same = Ec2Model.from_world(model.to_world())
    assert [each.settings for each in same.instances] == [each.settings for each in model.instances]


def test_user_data_is_base64_on_the_wire(client):
    client.meta.events.unregister("before-parameter-build.ec2.RunInstances", base64_encode_user_data)
    assert code(launch, client=client, UserData="no base64!") == "InvalidUserData.Malformed"
    assert code(launch, client=client, UserData="eHh4" * 5462) == "InvalidParameterValue"  # two bytes more than 16 KiB
    assert len(launch(client, UserData="eHh4" * 5461)["Instances"]) == 1


@pytest.fixture
def eni(client, model):
    """An unattached ENI with a prefix, in the default subnet of the second zone."""
    return client.create_network_interface(SubnetId=model.subnets[1].subnet_id, Ipv4PrefixCount=1)["NetworkInterface"]


def test_a_launch_takes_an_eni_that_exists(client, model, eni):
    eni_id = eni["NetworkInterfaceId"]
    client.modify_subnet_attribute(SubnetId=eni["SubnetId"], MapPublicIpOnLaunch={"Value": True})
    tags = [{"ResourceType": "network-interface", "Tags": [{"Key": "new", "Value": ""}]}]
    interfaces = [{"DeviceIndex": 0, "NetworkInterfaceId": eni_id}, {"DeviceIndex": 1, "SubnetId": eni["SubnetId"]}]
    (made,) = launch(client, NetworkInterfaces=interfaces, TagSpecifications=tags)["Instances"]
    assert (made["SubnetId"], made["PrivateIpAddress"]) == (eni["SubnetId"], eni["PrivateIpAddress"])
    assert made["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert [each["NetworkInterfaceId"] == eni_id for each in made["NetworkInterfaces"]] == [True, False]
    assert [each["Attachment"]["DeleteOnTermination"] for each in made["NetworkInterfaces"]] == [False, True]
    assert made["NetworkInterfaces"][0]["Ipv4Prefixes"] == eni["Ipv4Prefixes"]
    assert "PublicIpAddress" not in made
    model._check()
    client.terminate_instances(InstanceIds=[made["InstanceId"]])
    (left,) = client.describe_network_interfaces()["NetworkInterfaces"]
    assert (left["NetworkInterfaceId"], left["Status"], left["TagSet"]) == (eni_id, "available", [])
    (alone,) = launch(client, NetworkInterfaces=[interfaces[0]])["Instances"]
    assert "PublicIpAddress" not in alone


def test_an_eni_that_exists_is_launched_with_once_and_as_it_is(client, model, eni):
    eni_id = eni["NetworkInterfaceId"]
    mine = {"DeviceIndex": 0, "NetworkInterfaceId": eni_id}
    efa_only = client.create_network_interface(SubnetId=eni["SubnetId"], InterfaceType="efa-only")["NetworkInterface"]
    before = model.to_world()
    wanted = [
        ("InvalidNetworkInterfaceID.NotFound", {"NetworkInterfaces": [{**mine, "NetworkInterfaceId": "eni-9"}]}),
        ("InvalidParameterValue", {"NetworkInterfaces": [{**mine, "NetworkInterfaceId": efa_only["NetworkInterfaceId"]}]}),
        (COMBINATION, {"NetworkInterfaces": [{**mine, "SubnetId": eni["SubnetId"]}]}),
        (COMBINATION, {"NetworkInterfaces": [{**mine, "DeleteOnTermination": True}]}),
        (COMBINATION, {"NetworkInterfaces": [mine], "count": 2}),
        (COMBINATION, {"NetworkInterfaces": [mine, {"DeviceIndex": 1, "SubnetId": model.subnets[0].subnet_id}]}),
        ("InvalidParameterValue", {"NetworkInterfaces": [mine, {**mine, "DeviceIndex": 1}]}),
        ("InvalidParameterValue", {"NetworkInterfaces": [mine], "Placement": {"AvailabilityZone": "us-east-1a"}}),
        ("InvalidParameterValue", {"NetworkInterfaces": [mine], "InstanceType": "m3.large"}),  # it takes no prefixes
    ]
    for expected, members in wanted:
        assert code(launch, client=client, **members) == expected
        assert model.to_world() == before
    launch(client, NetworkInterfaces=[{**mine, "DeleteOnTermination": False}])
    assert code(launch, client=client, NetworkInterfaces=[mine]) == "InvalidNetworkInterface.InUse"


def test_an_image_has_an_id_or_a_parameter_with_one(client, model):
    assert code(launch, client=client, ImageId="ubuntu") == "InvalidAMIID.Malformed"
    for image_id in ("ami-1", "resolve:ssm:/aws/service/eks/image_id"):
        launch(client, ImageId=image_id)
    assert [each.image_id for each in model.instances] == ["ami-1", "resolve:ssm:/aws/service/eks/image_id"]


def test_a_launch_without_settings_shows_that_too(client):
    shown = launch(client)["Instances"][0]
    assert (shown["Monitoring"], shown["EbsOptimized"]) == ({"State": "disabled"}, False)
    assert "KeyName" not in shown
    attribute = client.describe_instance_attribute(InstanceId=shown["InstanceId"], Attribute="userData")
    assert attribute["UserData"] == {}


def test_an_instance_says_why_and_when_it_was_stopped_or_terminated(client, model, clock):
    (instance_id,) = (each["InstanceId"] for each in launch(client)["Instances"])

    def reasons():
        (shown,) = client.describe_instances()["Reservations"][0]["Instances"]
        return shown["StateTransitionReason"], shown.get("StateReason", {}).get("Code")

    assert reasons() == ("", None)
    clock.advance(60)
    client.stop_instances(InstanceIds=[instance_id])
    clock.advance(60)
    client.stop_instances(InstanceIds=[instance_id])  # it does nothing
    assert reasons() == ("User initiated (1970-01-01 00:01:00 GMT)", "Client.UserInitiatedShutdown")
    assert Ec2Model.from_world(model.to_world()).instances[0].state_changed_ns == 60 * NS_PER_S
    client.start_instances(InstanceIds=[instance_id])
    assert reasons() == ("", None)
    client.terminate_instances(InstanceIds=[instance_id])
    assert reasons() == ("User initiated (1970-01-01 00:02:00 GMT)", "Client.UserInitiatedShutdown")


def test_the_attributes_of_the_only_eni_of_an_instance(client, model):
    (instance_id,) = (each["InstanceId"] for each in launch(client)["Instances"])
    group = client.create_security_group(GroupName="nodes", Description="of nodes")["GroupId"]

    def shown(attribute):
        return client.describe_instance_attribute(InstanceId=instance_id, Attribute=attribute)

    assert (shown("sourceDestCheck")["SourceDestCheck"], shown("instanceType")["InstanceType"]) == ({"Value": True}, {"Value": "m5.large"})
    client.modify_instance_attribute(InstanceId=instance_id, SourceDestCheck={"Value": False})
    client.modify_instance_attribute(InstanceId=instance_id, Groups=[group])
    assert (shown("sourceDestCheck")["SourceDestCheck"], shown("groupSet")["Groups"]) == (
        {"Value": False},
        [{"GroupId": group, "GroupName": "nodes"}],
    )
    (eni,) = model.network_interfaces
    assert (eni.source_dest_check, eni.security_group_ids) == (False, (group,))
    with pytest.raises(NotModelled, match="attribute"):
        shown("enaSupport")
    with pytest.raises(NotModelled, match="InstanceType"):
        client.modify_instance_attribute(InstanceId=instance_id, InstanceType={"Value": "m5.xlarge"})
    assert code(client.modify_instance_attribute, InstanceId=instance_id) == "InvalidParameterCombination"
    assert code(client.modify_instance_attribute, InstanceId=instance_id, Groups=["sg-0"]) == "InvalidGroup.NotFound"
    assert code(client.modify_instance_attribute, InstanceId="i-0", Groups=[group]) == "InvalidInstanceID.NotFound"
    other = client.create_network_interface(SubnetId=model.subnets[0].subnet_id)["NetworkInterface"]["NetworkInterfaceId"]
    client.attach_network_interface(NetworkInterfaceId=other, InstanceId=instance_id, DeviceIndex=1)
    for members in ({"Groups": [group]}, {"SourceDestCheck": {"Value": True}}):
        assert code(client.modify_instance_attribute, InstanceId=instance_id, **members) == "InvalidInstanceID"
    client.terminate_instances(InstanceIds=[instance_id])
    assert code(client.modify_instance_attribute, InstanceId=instance_id, Groups=[group]) == "IncorrectInstanceState"
    model._check()


def test_several_unknown_instances_are_named_together(client):
    (instance_id,) = (each["InstanceId"] for each in launch(client)["Instances"])
    for call in (client.terminate_instances, client.describe_instances, client.stop_instances, client.reboot_instances):
        with pytest.raises(ClientError, match=r"InvalidInstanceID.NotFound.*: The instance IDs 'i-9, i-1' do not exist"):
            call(InstanceIds=["i-9", instance_id, "i-1"])
        with pytest.raises(ClientError, match=r"InvalidInstanceID.NotFound.*: The instance ID 'i-9' does not exist"):
            call(InstanceIds=[instance_id, "i-9"])
    assert states(client, [instance_id]) == {instance_id: "running"}


@pytest.mark.parametrize(("also", "words"), [("SubnetId", "subnet ID"), ("PrivateIpAddress", "private address")])
def test_network_interfaces_go_without_parameters_of_the_instance(client, also, words):
    with pytest.raises(ClientError, match=f"Network interfaces and an instance-level {words} may not be specified on the same request"):
        launch(client, NetworkInterfaces=[{"DeviceIndex": 0}], **{also: "x"})
