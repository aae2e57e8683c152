"""The offline client behaves like a real one (validation, errors, dry runs, tokens, time) and stays offline."""

import os
import runpy
import subprocess
import sys

import botocore.exceptions
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.boto import BotoEc2
from vpcipam.ec2.fake import Clock, fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.server import ACTIONS
from vpcipam.errors import InvalidArgument, MissingExtra, NotModelled, VpcIpamError

S = 1_000_000_000


@pytest.fixture
def subnet_id(model):
    return model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24").subnet_id


@pytest.fixture
def failing(model, monkeypatch):
    """A function: let a method of the model raise an error."""

    def fail(method, error):
        def raising(*_args, **_kwargs):
            raise error

        monkeypatch.setattr(model, method, raising)

    return fail


def refused(call, **arguments):
    """The parts of the ClientError that a call raises: code, message, HTTP status."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


# --- a real client ---


def test_it_is_a_boto3_client(client):
    assert type(client).__name__ == "EC2"
    assert isinstance(client, botocore.client.BaseClient)


def test_only_ec2_is_modelled(model):
    with pytest.raises(InvalidArgument, match="'s3'"):
        fake_client("s3", model)


def test_botocore_validates_requests(client):
    with pytest.raises(botocore.exceptions.ParamValidationError, match="SubnetId"):
        client.create_network_interface(SubnetId=1)
    with pytest.raises(botocore.exceptions.ParamValidationError, match="NetworkInterfaceId"):
        client.delete_network_interface()


def test_a_call_changes_the_model(client, model, subnet_id):
    eni = client.create_network_interface(SubnetId=subnet_id, Ipv4PrefixCount=2)["NetworkInterface"]
    assert [each["Ipv4Prefix"] for each in eni["Ipv4Prefixes"]] == ["10.0.1.16/28", "10.0.1.32/28"]
    assert model.subnets[0].available_ip_address_count == 251 - 1 - 2 * 16
    assert model.call_counts["CreateNetworkInterface"] == 1


def test_the_model_can_be_changed_beside_the_client(client, model, subnet_id):
    eni_id = model.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    (shown,) = client.describe_network_interfaces()["NetworkInterfaces"]
    assert shown["NetworkInterfaceId"] == eni_id


def test_two_clients_have_two_models(subnet_id, client):
    other = fake_client("ec2", Ec2Model())
    assert other.describe_subnets()["Subnets"] == []
    assert client.describe_subnets()["Subnets"][0]["SubnetId"] == subnet_id


def test_the_region_shows_in_zones_names_and_arns(model):
    client = fake_client("ec2", model, region_name="eu-central-1")
    vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = client.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]
    assert (subnet["AvailabilityZone"], subnet["AvailabilityZoneId"]) == ("eu-central-1a", "euc1-az1")
    assert subnet["SubnetArn"].startswith("arn:aws:ec2:eu-central-1:")
    eni = client.create_network_interface(SubnetId=subnet["SubnetId"])["NetworkInterface"]
    assert eni["PrivateDnsName"] == "ip-10-0-1-4.eu-central-1.compute.internal"
    assert client.meta.region_name == "eu-central-1"


def test_any_text_is_returned_as_it_was_sent(client, subnet_id):
    text = "a <b> & \"c\" 'd'\r\n\té – 𝄞 = + %20"
    tags = [{"Key": text, "Value": text}]
    eni = client.create_network_interface(
        SubnetId=subnet_id, Description=text, TagSpecifications=[{"ResourceType": "network-interface", "Tags": tags}]
    )["NetworkInterface"]
    assert (eni["Description"], eni["TagSet"]) == (text, tags)


# --- errors ---


def test_a_refusal_is_a_client_error_with_the_code_and_message_of_ec2(client):
    with pytest.raises(ClientError) as caught:
        client.delete_vpc(VpcId="vpc-1")
    words = "An error occurred (InvalidVpcID.NotFound) when calling the DeleteVpc operation: The vpc ID 'vpc-1' does not exist"
    assert str(caught.value) == words
    metadata = caught.value.response["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], metadata["RetryAttempts"]) == (400, 0)


@pytest.mark.parametrize(
    ("code", "status"),
    [("RequestLimitExceeded", 503), ("UnauthorizedOperation", 403), ("InternalError", 500), ("Unavailable", 503), ("SomethingNew", 400)],
)
def test_a_refusal_has_the_http_status_of_its_code(client, failing, code, status):
    failing("delete_vpc", Ec2Error(code, "why", "DeleteVpc"))
    assert refused(client.delete_vpc, VpcId="vpc-1") == (code, "why", status)


def test_request_ids_are_unique_and_repeat_in_every_run():
    def ids():
        client = fake_client("ec2", Ec2Model())
        answers = [client.describe_subnets(), client.describe_subnets()]
        with pytest.raises(ClientError) as caught:
            client.delete_vpc(VpcId="vpc-1")
        return [each["ResponseMetadata"]["RequestId"] for each in (*answers, caught.value.response)]

    assert len(set(ids())) == 3
    assert ids() == ids()


def test_a_lost_answer_is_a_read_timeout(client, failing):
    failing("delete_vpc", Ec2Error("RequestTimeout", "the answer was lost", "DeleteVpc"))
    with pytest.raises(botocore.exceptions.ReadTimeoutError, match="Read timeout"):
        client.delete_vpc(VpcId="vpc-1")


def test_an_internal_error_of_the_model_propagates(client, failing):
    failing("delete_vpc", ZeroDivisionError("a fault"))
    with pytest.raises(ZeroDivisionError, match="a fault"):
        client.delete_vpc(VpcId="vpc-1")


def test_nothing_is_retried_unless_configured(model, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    calls = []

    def throttled(*_args, **_kwargs):
        calls.append(1)
        raise Ec2Error("RequestLimitExceeded", "slow down", "DeleteVpc")

    monkeypatch.setattr(model, "delete_vpc", throttled)
    with pytest.raises(ClientError, match="slow down"):
        fake_client("ec2", model).delete_vpc(VpcId="vpc-1")
    assert len(calls) == 1
    patient = fake_client("ec2", model, config=Config(retries={"mode": "standard", "total_max_attempts": 4}))
    with pytest.raises(ClientError, match="slow down"):
        patient.delete_vpc(VpcId="vpc-1")
    assert len(calls) == 1 + 4


# --- what is not modelled ---


def test_the_refusal_of_an_unmodelled_action_lists_the_modelled_ones(client, model):
    with pytest.raises(NotModelled, match=r"DescribeVpcEndpoints is not modelled .* are: .*CreateNetworkInterface") as caught:
        client.describe_vpc_endpoints()
    assert not isinstance(caught.value, ClientError), "code under test must not take it for an answer"
    assert isinstance(caught.value, VpcIpamError)
    assert model.call_counts == {}


def test_an_unmodelled_parameter_that_affects_addresses_is_refused(client, model, subnet_id):
    before = model.call_counts
    with pytest.raises(NotModelled, match="RunInstances: InstanceMarketOptions is not modelled offline; leave it out"):
        client.run_instances(MinCount=1, MaxCount=1, SubnetId=subnet_id, InstanceMarketOptions={"MarketType": "spot"})
    assert model.call_counts == before


def test_no_parameter_is_both_taken_and_ignored():
    shapes = fake_client("ec2", Ec2Model()).meta.service_model
    for name, action in ACTIONS.items():
        for dotted in action.takes | action.ignores:
            shape = shapes.operation_model(name).input_shape
            for step in dotted.split("."):
                shape = getattr(shape, "member", shape)
                assert step in shape.members, f"{name} knows {dotted}, which EC2 does not have"
                shape = shape.members[step]
        assert not action.takes & action.ignores


def test_a_client_token_has_up_to_128_characters(client, subnet_id):
    client.create_network_interface(SubnetId=subnet_id, ClientToken="t" * 128)
    with pytest.raises(ClientError, match=r"InvalidParameterValue.* for parameter clientToken is invalid"):
        client.create_network_interface(SubnetId=subnet_id, ClientToken="t" * 129)


def test_every_action_with_a_token_can_lose_its_answer():
    shapes = fake_client("ec2", Ec2Model()).meta.service_model
    tokened = {name for name in ACTIONS if "ClientToken" in shapes.operation_model(name).input_shape.members}
    assert {name for name, action in ACTIONS.items() if action.show is not None} == tokened


def test_parameters_that_do_not_affect_addresses_are_accepted(client, subnet_id):
    client.create_network_interface(SubnetId=subnet_id, ConnectionTrackingSpecification={"UdpTimeout": 30})
    client.run_instances(MinCount=1, MaxCount=1, SubnetId=subnet_id, InstanceType="m5.large", ImageId="ami-1", KeyName="me", UserData="#!")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("DisableApiStop", (False, True)),
        ("DisableApiTermination", (False, True)),
        ("HibernationOptions", ({"Configured": False}, {"Configured": True})),
        ("PrivateDnsNameOptions", ({"EnableResourceNameDnsARecord": True}, {"HostnameType": "resource-name"})),
    ],
)
def test_a_parameter_that_later_answers_would_contradict_is_refused(client, model, subnet_id, name, values):
    harmless, harmful = values
    launch = {"MinCount": 1, "MaxCount": 1, "SubnetId": subnet_id}
    client.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData={name: harmful})
    for harm in ({name: harmful}, {"LaunchTemplate": {"LaunchTemplateName": "nodes"}}):
        with pytest.raises(NotModelled, match=rf"RunInstances: {name}.* is not modelled"):
            client.run_instances(**launch, **harm)
    assert model.instances == ()
    client.run_instances(**launch, **{name: harmless})
    with pytest.raises(NotModelled, match="StopInstances: Hibernate is not modelled"):
        client.stop_instances(InstanceIds=[model.instances[0].instance_id], Hibernate=True)


def test_a_launch_with_unmodelled_parameters_is_refused(client, model, subnet_id):
    with pytest.raises(NotModelled, match=r"NetworkInterfaces\.AssociateCarrierIpAddress is not modelled"):
        client.run_instances(
            MinCount=1, MaxCount=1, NetworkInterfaces=[{"DeviceIndex": 0, "AssociateCarrierIpAddress": True, "SubnetId": subnet_id}]
        )
    assert model.instances == ()


def test_an_efa_only_eni_has_no_addresses(client, subnet_id):
    eni = client.create_network_interface(SubnetId=subnet_id, InterfaceType="efa-only")["NetworkInterface"]
    assert (eni["InterfaceType"], eni["PrivateIpAddresses"]) == ("efa-only", [])
    assert not {"PrivateIpAddress", "PrivateDnsName"} & eni.keys()


# --- what parameters come to ---


def test_the_primary_ip_can_be_named_once_in_either_parameter(client, subnet_id):
    one = {"PrivateIpAddress": "10.0.1.20", "Primary": True}
    two = {"PrivateIpAddress": "10.0.1.21", "Primary": False}
    eni = client.create_network_interface(SubnetId=subnet_id, PrivateIpAddresses=[two, one])["NetworkInterface"]
    assert [each["PrivateIpAddress"] for each in eni["PrivateIpAddresses"]] == ["10.0.1.20", "10.0.1.21"]
    assert (
        client.create_network_interface(SubnetId=subnet_id, PrivateIpAddress="10.0.1.30")["NetworkInterface"]["PrivateIpAddress"]
        == "10.0.1.30"
    )
    three = {"PrivateIpAddress": "10.0.1.40", "Primary": True}
    for arguments in ({"PrivateIpAddress": "10.0.1.41", "PrivateIpAddresses": [three]}, {"PrivateIpAddresses": [three, {**three}]}):
        assert refused(client.create_network_interface, SubnetId=subnet_id, **arguments)[0] == "InvalidParameterCombination"


@pytest.mark.parametrize(
    ("parameter", "member", "name"),
    [
        ("PrivateIpAddresses", "PrivateIpAddress", "10.0.1.77"),
        ("Ipv4Prefixes", "Ipv4Prefix", "10.0.1.64/28"),
        ("Ipv6Addresses", "Ipv6Address", "2001:db8::77"),
        ("Ipv6Prefixes", "Ipv6Prefix", "2001:db8:0:0:7::/80"),
    ],
)
def test_named_addresses_and_prefixes_are_assigned(client, model, parameter, member, name):
    vpc_id = model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
    subnet_id = model.create_subnet(vpc_id, "10.0.1.0/24", ipv6_cidr="2001:db8::/64").subnet_id

    def names(eni_id):
        (eni,) = client.describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"]
        return [each[member] for each in eni.get(parameter, ())]

    created = client.create_network_interface(SubnetId=subnet_id, **{parameter: [{member: name}]})["NetworkInterface"]["NetworkInterfaceId"]
    assert name in names(created)
    client.delete_network_interface(NetworkInterfaceId=created)
    bare = client.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]["NetworkInterfaceId"]
    version = "ipv6" if ":" in name else "private_ip"
    getattr(client, f"assign_{version}_addresses")(NetworkInterfaceId=bare, **{parameter: [name]})
    assert name in names(bare)
    getattr(client, f"unassign_{version}_addresses")(NetworkInterfaceId=bare, **{parameter: [name]})
    assert name not in names(bare)


def test_a_secondary_ip_moves_only_when_reassignment_is_allowed(client, model, subnet_id):
    first, second = (client.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]["NetworkInterfaceId"] for _ in range(2))
    wanted = {"PrivateIpAddresses": ["10.0.1.99"]}
    client.assign_private_ip_addresses(NetworkInterfaceId=first, **wanted)
    assert refused(client.assign_private_ip_addresses, NetworkInterfaceId=second, **wanted)[0] == "InvalidParameterValue"
    client.assign_private_ip_addresses(NetworkInterfaceId=second, AllowReassignment=True, **wanted)
    assert [eni.secondary_ips for eni in model.describe_network_interfaces(now_ns=0)] == [(), ("10.0.1.99",)]


def test_filters_find_enis_and_an_invalid_one_is_refused(client, subnet_id):
    client.create_network_interface(SubnetId=subnet_id, Description="web-1")
    client.create_network_interface(SubnetId=subnet_id, Description="db")

    def found(*filters):
        shown = client.describe_network_interfaces(Filters=[{"Name": name, "Values": values} for name, values in filters])
        return [eni["Description"] for eni in shown["NetworkInterfaces"]]

    assert found(("description", ["web-*"])) == ["web-1"]
    assert found(("description", ["web-?", "db"]), ("subnet-id", [subnet_id])) == ["web-1", "db"]
    for filters in (
        [{"Name": "banana", "Values": ["a"]}],
        [{"Name": "status"}],
        [{"Values": ["a"]}],
    ):
        assert refused(client.describe_network_interfaces, Filters=filters)[0] == "InvalidParameterValue"


def test_tags_of_a_resource_that_the_action_does_not_make_are_refused(client, model, subnet_id):
    volume = [{"ResourceType": "volume", "Tags": [{"Key": "k", "Value": "v"}]}]
    assert refused(client.create_network_interface, SubnetId=subnet_id, TagSpecifications=volume)[0] == "InvalidParameterValue"
    client.run_instances(MinCount=1, MaxCount=1, InstanceType="m5.large", SubnetId=subnet_id, TagSpecifications=volume)
    assert model.instances[0].tags == ()


def test_a_launch_without_a_subnet_finds_no_default_vpc(client):
    assert refused(client.run_instances, MinCount=1, MaxCount=1)[0] == "VPCIdNotSpecified"


def test_instances_are_terminated_all_or_none(client, model, subnet_id):
    one, two = (model.launch_instance("m5.large", subnet_id, now_ns=0).instance_id for _ in range(2))
    assert refused(client.terminate_instances, InstanceIds=[one, "i-9", two])[0] == "InvalidInstanceID.NotFound"
    assert len(model.instances) == 2
    shown = client.terminate_instances(InstanceIds=[two, one, two])["TerminatingInstances"]
    assert [each["InstanceId"] for each in shown] == [two, one]
    assert model.instances == ()


def test_every_vpc_gets_its_own_ipv6_cidr(client, model):
    for number in range(3):
        client.create_vpc(CidrBlock=f"10.{number}.0.0/16", AmazonProvidedIpv6CidrBlock=True)
    assert len({vpc.ipv6_cidr for vpc in model.vpcs}) == 3
    arguments = {"CidrBlock": "10.9.0.0/16", "AmazonProvidedIpv6CidrBlock": True, "Ipv6CidrBlock": "2001:db8::/56"}
    assert refused(client.create_vpc, **arguments)[0] == "InvalidParameterCombination"


@pytest.mark.usefixtures("subnet_id")
def test_the_zone_of_a_subnet_can_be_given_by_name_or_id(client, model):
    def zone(cidr, **arguments):
        return client.create_subnet(VpcId=model.vpcs[0].vpc_id, CidrBlock=cidr, **arguments)["Subnet"]["AvailabilityZone"]

    assert zone("10.0.2.0/24", AvailabilityZone="us-east-1c") == "us-east-1c"
    assert zone("10.0.3.0/24", AvailabilityZoneId="use1-az2") == "us-east-1b"
    assert zone("10.0.4.0/24", AvailabilityZoneId="use1-az6") == "us-east-1f"
    for zone_id in ("use1-az0", "use1-az7", "use1-azx", "euw1-az1"):
        assert refused(zone, cidr="10.0.5.0/24", AvailabilityZoneId=zone_id)[0] == "InvalidParameterValue"
    assert refused(client.create_subnet, VpcId=model.vpcs[0].vpc_id)[0] == "MissingParameter"
    assert len(model.subnets) == 4


# --- dry runs and tokens ---


def test_a_dry_run_changes_nothing_and_is_not_counted(client, model, subnet_id):
    before = model.call_counts
    code, message, status = refused(client.create_network_interface, SubnetId=subnet_id, DryRun=True)
    assert (code, status) == ("DryRunOperation", 412)
    assert "would have succeeded" in message
    assert model.call_counts == before
    client.create_network_interface(SubnetId=subnet_id, DryRun=False)


def test_a_repeated_token_returns_the_first_answer(client, model, subnet_id):
    def create(**more):
        return client.create_network_interface(SubnetId=subnet_id, ClientToken="t-1", **more)

    first = create()
    assert create()["NetworkInterface"] == first["NetworkInterface"]
    assert first["ClientToken"] == "t-1"
    assert len(model.describe_network_interfaces(now_ns=0)) == 1
    code, message, _ = refused(create, Ipv4PrefixCount=1)
    assert code == "IdempotentParameterMismatch"
    assert "'t-1'" in message
    assert len(model.describe_network_interfaces(now_ns=0)) == 1


def test_a_token_of_a_refused_call_can_be_used_again(client, model, subnet_id):
    assert refused(client.create_network_interface, SubnetId="subnet-9", ClientToken="t-1")[0] == "InvalidSubnetID.NotFound"
    client.create_network_interface(SubnetId=subnet_id, ClientToken="t-1")
    assert len(model.describe_network_interfaces(now_ns=0)) == 1


def test_every_call_without_a_token_makes_an_eni(client, model, subnet_id):
    client.create_network_interface(SubnetId=subnet_id)
    client.create_network_interface(SubnetId=subnet_id)
    assert len(model.describe_network_interfaces(now_ns=0)) == 2


# --- time ---


def test_time_stays_at_0_without_a_clock(client, model, subnet_id):
    client.create_network_interface(SubnetId=subnet_id)
    assert model.describe_network_interfaces(now_ns=0)[0].created_ns == 0


def test_each_call_has_the_time_of_the_clock(model, subnet_id):
    clock = Clock(1_700_000_000 * S + 123_456_789)
    client = fake_client("ec2", model, now_ns=clock)
    client.create_network_interface(SubnetId=subnet_id)
    clock.advance(2.5)
    client.create_network_interface(SubnetId=subnet_id)
    first, second = (eni.created_ns for eni in model.describe_network_interfaces(now_ns=0))
    assert (first, second - first) == (1_700_000_000 * S + 123_456_789, 2_500_000_000)


def test_a_clock_never_goes_back():
    clock = Clock(5)
    with pytest.raises(InvalidArgument, match="by 1 seconds"):
        clock.advance(-1)
    assert clock() == 5


# --- offline ---

HOSTILE = {
    "AWS_PROFILE": "none-of-that-name",
    "AWS_CONFIG_FILE": "/etc/hostname",
    "AWS_SHARED_CREDENTIALS_FILE": "/etc/hostname",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:9",
    "AWS_DEFAULTS_MODE": "auto",
    "AWS_RETRY_MODE": "adaptive",
    "AWS_MAX_ATTEMPTS": "9",
    "AWS_CA_BUNDLE": "/none/such",
    "AWS_DATA_PATH": "/none/such",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_ACCESS_KEY_ID": "",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HOME": "/none/such",
}
PROGRAM = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = socket.socket.__init__ = refuse
from vpcipam.ec2.fake import fake_client
from vpcipam import Ec2Model
client = fake_client("ec2", Ec2Model())
vpc_id = client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
subnet_id = client.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
client.get_waiter("subnet_available").wait(SubnetIds=[subnet_id])
print(client.meta.endpoint_url, subnet_id)
"""


@pytest.mark.parametrize("environment", [{}, HOSTILE], ids=["empty", "hostile"])
def test_it_needs_no_socket_credentials_or_environment(environment):
    needed = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if name in os.environ}
    finished = subprocess.run(  # noqa: S603 - this interpreter, and a program from this file
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=False, env=needed | environment
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["https://ec2.us-east-1.offline.invalid", "subnet-00000000000000001"]


def test_the_endpoint_is_a_name_that_cannot_exist(client):
    assert client.meta.endpoint_url.endswith(".invalid"), "RFC 6761 keeps that domain empty"


# --- the extra ---


@pytest.mark.parametrize("module", ["vpcipam.ec2.fake", "vpcipam.ec2.boto", "vpcipam.ec2.offline.__init__"])
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")  # runpy: the module is run a second time, on purpose
def test_without_boto3_the_extra_to_install_is_named(module, monkeypatch):
    for name in ("boto3", "botocore", "botocore.config"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"pip install 'vpcipam\[ec2\]'"):
        runpy.run_module(module)


# --- what botocore lets through ---


@pytest.mark.parametrize(
    ("method", "arguments", "missing"),
    [
        ("create_vpc", {}, "CidrBlock"),
        ("associate_subnet_cidr_block", {"SubnetId": "subnet-1"}, "Ipv6CidrBlock"),
        ("describe_network_interface_attribute", {"NetworkInterfaceId": "eni-1"}, "attribute"),
        ("create_network_interface", {"SubnetId": "subnet-1", "Ipv6Addresses": [{"IsPrimaryIpv6": True}]}, "Ipv6Addresses.Ipv6Address"),
        ("create_tags", {"Resources": [], "Tags": [{"Key": "a"}]}, "resourceIdSet"),
        ("create_tags", {"Resources": ["vpc-1"], "Tags": []}, "Tag"),
        ("delete_tags", {"Resources": []}, "resourceIdSet"),
    ],
)
def test_a_parameter_that_ec2_requires_is_missed(client, method, arguments, missing):
    code, message, _ = refused(getattr(client, method), **arguments)
    assert (code, message) == ("MissingParameter", f"The request must contain the parameter {missing}")


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ({"Tags": [{"Key": "a"}]}, "Tag specification resource type must have a value"),
        ({"ResourceType": "vpc"}, "Tag specification must have at least one tag"),
    ],
)
def test_a_tag_specification_says_what_it_tags(client, specification, message):
    code, found, _ = refused(client.create_vpc, CidrBlock="10.0.0.0/16", TagSpecifications=[specification])
    assert (code, found) == ("InvalidParameter", message)


def test_instance_types_that_do_not_exist_are_named_together(client, subnet_id):
    code, message, _ = refused(client.describe_instance_types, InstanceTypes=["x1", "m5.large", "x2"])
    assert (code, message) == ("InvalidInstanceType", "The following supplied instance types do not exist: [x1, x2]")
    code, message, _ = refused(client.run_instances, MinCount=1, MaxCount=1, SubnetId=subnet_id, InstanceType="x1")
    assert (code, message) == ("InvalidParameterValue", "Invalid value 'x1' for InstanceType.")


def test_the_size_of_a_page_is_checked_before_anything_is_looked_up(client):
    code, message, _ = refused(client.describe_instances, InstanceIds=["i-1"], MaxResults=5)
    assert (code, message) == ("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")


def test_a_time_is_read_so_that_its_parameter_can_be_refused(client, subnet_id):
    options = {"SpotOptions": {"ValidUntil": "2026-01-01T00:00:00Z"}}
    with pytest.raises(NotModelled, match="InstanceMarketOptions"):
        client.run_instances(SubnetId=subnet_id, MinCount=1, MaxCount=1, InstanceMarketOptions=options)


def test_a_primary_ipv6_address_is_given_and_shown(client, model):
    vpc_id = model.create_vpc("10.8.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
    subnet_id = model.create_subnet(vpc_id, "10.8.0.0/24", ipv6_cidr="2001:db8::/64").subnet_id
    client.create_network_interface(SubnetId=subnet_id, EnablePrimaryIpv6=False)
    made = client.create_network_interface(SubnetId=subnet_id, Ipv6AddressCount=2, EnablePrimaryIpv6=True)["NetworkInterface"]
    assert [each["IsPrimaryIpv6"] for each in made["Ipv6Addresses"]] == [True, False]
    own = {"DeviceIndex": 0, "SubnetId": subnet_id, "Ipv6AddressCount": 1, "PrimaryIpv6": True}
    for wanted in ({"SubnetId": subnet_id, "Ipv6AddressCount": 1, "EnablePrimaryIpv6": True}, {"NetworkInterfaces": [own]}):
        (instance,) = client.run_instances(MinCount=1, MaxCount=1, InstanceType="m5.large", **wanted)["Instances"]
        assert [each["IsPrimaryIpv6"] for each in instance["NetworkInterfaces"][0]["Ipv6Addresses"]] == [True]
    later = client.create_network_interface(SubnetId=subnet_id, Ipv6AddressCount=1)["NetworkInterface"]["NetworkInterfaceId"]
    client.modify_network_interface_attribute(NetworkInterfaceId=later, EnablePrimaryIpv6=True)
    (eni,) = client.describe_network_interfaces(NetworkInterfaceIds=[later])["NetworkInterfaces"]
    assert [each["IsPrimaryIpv6"] for each in eni["Ipv6Addresses"]] == [True]
    assert BotoEc2(client).describe_network_interfaces(eni_ids=[later], now_ns=0)[0].primary_ipv6 == eni["Ipv6Addresses"][0]["Ipv6Address"]
    model._check()
