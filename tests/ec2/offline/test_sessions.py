"""Sessions whose clients and resources a model answers, and the catching of clients that others make."""

import asyncio
import runpy
import sys
import threading
from types import ModuleType, SimpleNamespace

import boto3
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.handlers import BUILTIN_HANDLERS

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.fake import Clock, fake_session, offline_ec2
from vpcipam.ec2.faults import Effect, Fault, Faults
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import InvalidArgument, NotModelled

CIDR = "10.0.0.0/16"


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch, tmp_path):
    """Neither credentials nor a region."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


# --- sessions ------------------------------------------------------------------------------------------------------------


def test_a_session_has_clients_and_resources():
    model = Ec2Model()
    session = fake_session(model)
    vpc = session.resource("ec2").create_vpc(CidrBlock=CIDR)
    subnet = vpc.create_subnet(CidrBlock="10.0.1.0/24")
    eni = subnet.create_network_interface(SecondaryPrivateIpAddressCount=2)
    assert [each.id for each in vpc.subnets.all()] == [subnet.id]
    assert [each["PrivateIpAddress"] for each in eni.private_ip_addresses] == ["10.0.1.4", "10.0.1.5", "10.0.1.6"]
    shown = session.client("ec2").describe_network_interfaces()["NetworkInterfaces"]
    assert [each["NetworkInterfaceId"] for each in shown] == [eni.id] == [each.eni_id for each in model.network_interfaces]


def test_a_session_has_a_region_and_a_clock():
    clock = Clock()
    session = fake_session(Ec2Model(), region_name="eu-west-1", now_ns=clock)
    vpc = session.resource("ec2").create_vpc(CidrBlock=CIDR)
    subnet = vpc.create_subnet(CidrBlock="10.0.1.0/24")
    assert subnet.availability_zone == "eu-west-1a"
    assert session.client("ec2", region_name="us-west-2").meta.region_name == "us-west-2"
    clock.advance(1)
    session.resource("ec2").create_instances(ImageId="ami-1", InstanceType="m5.large", MinCount=1, MaxCount=1, SubnetId=subnet.id)
    (reservation,) = session.client("ec2").describe_instances()["Reservations"]
    assert reservation["Instances"][0]["LaunchTime"].timestamp() == 1


def test_a_session_has_no_other_service():
    with pytest.raises(InvalidArgument, match="'s3'"):
        fake_session(Ec2Model()).client("s3")


def test_a_session_does_not_retry_unless_told_to():
    model = Ec2Model(conditions=Conditions(faults=Faults((Fault(Effect.REFUSE, "CreateVpc", nth=1, code="Unavailable"),))))
    with pytest.raises(ClientError, match="Unavailable"):
        fake_session(model).client("ec2").create_vpc(CidrBlock=CIDR)
    model = Ec2Model(conditions=Conditions(faults=Faults((Fault(Effect.REFUSE, "CreateVpc", nth=1),))))
    with pytest.raises(ReadTimeoutError):
        fake_session(model).client("ec2").create_vpc(CidrBlock=CIDR)
    retrying = Config(retries={"mode": "standard", "total_max_attempts": 2})
    model = Ec2Model(conditions=Conditions(faults=Faults((Fault(Effect.REFUSE, "CreateVpc", nth=1),))))
    fake_session(model, config=retrying).client("ec2").create_vpc(CidrBlock=CIDR)
    assert len(model.vpcs) == 1


def test_sessions_share_no_state():
    one, other = Ec2Model(), Ec2Model()
    fake_session(one).client("ec2").create_vpc(CidrBlock=CIDR)
    assert fake_session(other).client("ec2").describe_vpcs()["Vpcs"] == []


# --- catching ------------------------------------------------------------------------------------------------------------


def by_client():
    return boto3.client("ec2").describe_vpcs()["Vpcs"]


def by_resource():
    return [{"VpcId": vpc.id} for vpc in boto3.resource("ec2").vpcs.all()]


def by_session():
    return boto3.Session(region_name="eu-west-1").client("ec2").describe_vpcs()["Vpcs"]


def by_botocore():
    session = botocore.session.get_session()
    return session.create_client("ec2", "us-west-2", None, True, None, None, "key", "secret").describe_vpcs()["Vpcs"]  # noqa: FBT003


@pytest.mark.parametrize("read", [by_client, by_resource, by_session, by_botocore])
def test_every_client_that_is_made_meanwhile_is_answered(read):
    model = Ec2Model()
    vpc_id = model.create_vpc(CIDR).vpc_id
    with offline_ec2(model) as same:
        assert same is model
        assert [vpc["VpcId"] for vpc in read()] == [vpc_id]


def test_a_decorated_function_is_answered():
    model = Ec2Model()

    @offline_ec2(model)
    def create(cidr):
        """Make a VPC."""
        boto3.client("ec2").create_vpc(CidrBlock=cidr)
        return cidr

    assert [create(CIDR), create("10.1.0.0/16")] == [CIDR, "10.1.0.0/16"]
    assert len(model.vpcs) == 2
    assert create.__doc__ == "Make a VPC."


def test_a_decorated_coroutine_is_answered_until_its_end():
    model = Ec2Model()

    @offline_ec2(model)
    async def create():
        await asyncio.sleep(0)
        return boto3.client("ec2").create_vpc(CidrBlock=CIDR)["Vpc"]["VpcId"]

    assert asyncio.run(create()) == model.vpcs[0].vpc_id


def test_a_new_model_is_made_for_each_time():
    offline = offline_ec2()
    with offline as one:
        boto3.client("ec2").create_vpc(CidrBlock=CIDR)
    with offline as other:
        assert by_client() == []
    assert (len(one.vpcs), len(other.vpcs)) == (1, 0)


def test_the_innermost_one_answers():
    outer, inner = Ec2Model(), Ec2Model()
    with offline_ec2(outer):
        with offline_ec2(inner):
            boto3.client("ec2").create_vpc(CidrBlock=CIDR)
        assert by_client() == []
    assert len(inner.vpcs) == 1


def test_afterwards_nothing_is_caught_and_the_clients_are_dead():
    original = botocore.session.Session.create_client
    with offline_ec2():
        client = boto3.client("ec2")
        assert botocore.session.Session.create_client is not original
    assert botocore.session.Session.create_client is original
    with pytest.raises(InvalidArgument, match="has ended"):
        client.describe_vpcs()


def test_threads_with_models_of_their_own_end_in_any_order():
    original = botocore.session.Session.create_client
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()
    counts = {}

    @offline_ec2()
    def first():
        first_is_in.set()
        assert second_is_in.wait(30)
        client = boto3.client("ec2")
        client.create_vpc(CidrBlock=CIDR)
        counts["first"] = len(client.describe_vpcs()["Vpcs"])

    @offline_ec2()
    def second():
        second_is_in.set()
        assert first_is_out.wait(30)
        counts["second"] = len(by_client())

    one, other = threading.Thread(target=first), threading.Thread(target=second)
    one.start()
    assert first_is_in.wait(30)
    other.start()
    one.join()
    first_is_out.set()
    other.join()
    assert counts == {"first": 1, "second": 0}
    assert botocore.session.Session.create_client is original


def test_one_decorator_serves_calls_at_once():
    both_are_in = threading.Barrier(2)
    seen = []

    @offline_ec2()
    def read(wait):
        client = boto3.client("ec2")
        both_are_in.wait(30)
        wait()
        seen.append(client.describe_vpcs()["Vpcs"])

    threads = [threading.Thread(target=read, args=(lambda: None,))]
    threads.append(threading.Thread(target=read, args=(threads[0].join,)))
    for thread in threads:
        thread.start()
    threads[1].join()
    assert seen == [[], []]


def test_code_that_would_run_outside_is_not_decorated():
    class Tests:
        def test_it(self):
            """A runner would call it outside."""

    def fixture():
        yield

    async def stream():
        yield

    for each in (Tests, fixture, stream):
        with pytest.raises(InvalidArgument, match=f"{each.__name__} is a class or a generator"):
            offline_ec2()(each)


def test_no_other_library_that_catches_all_clients_gets_the_calls():
    """Like moto, whose own account would have each VPC too."""
    seen = []
    other = ("before-send", lambda request, **_: seen.append(request))
    BUILTIN_HANDLERS.append(other)
    try:
        with offline_ec2():
            assert botocore.session.Session().create_client("ec2", "us-east-1").describe_vpcs()["Vpcs"] == []
    finally:
        BUILTIN_HANDLERS.remove(other)
    assert seen == []


def test_an_error_passes():
    original = botocore.session.Session.create_client
    with pytest.raises(NotModelled), offline_ec2():
        boto3.client("ec2").describe_volumes()
    assert botocore.session.Session.create_client is original


def test_other_services_are_left_alone():
    with offline_ec2():
        assert boto3.client("s3", region_name="us-east-1").meta.service_model.service_name == "s3"


def test_threads_take_turns():
    model = Ec2Model()
    subnet_id = model.create_subnet(model.create_vpc(CIDR).vpc_id, "10.0.0.0/20").subnet_id
    with offline_ec2(model):
        client = boto3.client("ec2")

        def create():
            for _ in range(20):
                client.create_network_interface(SubnetId=subnet_id, SecondaryPrivateIpAddressCount=3)

        threads = [threading.Thread(target=create) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(model.network_interfaces) == 80
    model._check()


def test_the_time_can_be_set():
    clock = Clock(now_ns=5_000_000_000)
    model = Ec2Model()
    subnet_id = model.create_subnet(model.create_vpc(CIDR).vpc_id, "10.0.0.0/24").subnet_id
    with offline_ec2(model, now_ns=clock):
        boto3.client("ec2").create_network_interface(SubnetId=subnet_id)
    assert model.network_interfaces[0].created_ns == 5_000_000_000


def test_the_fixture_catches_clients_of_code_under_test(ec2_offline):
    by_session()
    boto3.client("ec2").create_vpc(CidrBlock=CIDR)
    assert len(ec2_offline.vpcs) == 1


# --- aiobotocore, here a stand-in; the clients' suite has the real one -------------------------------------------------------


class StandInResponse(AWSResponse):
    """aiobotocore's response: reading it is asynchronous."""

    async def text_of(self):
        return (await self.raw.read()).decode()


@pytest.fixture
def asynchronous(monkeypatch):
    """`offline_ec2` of a vpcipam that finds a stand-in for aiobotocore, and its session class."""

    class Session:
        async def _create_client(self, service_name, region_name=None, **options):
            events = SimpleNamespace(register=lambda _, handler: setattr(client, "answer", handler), unregister=lambda *_: None)
            model = boto3.Session().client("ec2", region_name="us-east-1").meta.service_model
            client = SimpleNamespace(meta=SimpleNamespace(region_name=region_name, events=events, service_model=model), options=options)
            client.service_name = service_name
            return client

        def get_config_variable(self, _):
            return None

    for name in ("aiobotocore", "aiobotocore.awsrequest", "aiobotocore.session"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["aiobotocore.awsrequest"].AioAWSResponse = StandInResponse
    sys.modules["aiobotocore.session"].AioSession = Session
    catching = runpy.run_path(sys.modules["vpcipam.ec2.offline.catching"].__file__)
    return catching["offline_ec2"], Session


def test_asynchronous_clients_are_answered(asynchronous):
    offline, session = asynchronous
    model = Ec2Model()
    original = session._create_client

    async def use():
        with offline(model):
            client = await session()._create_client("ec2")
            other = await session()._create_client("s3", region_name="eu-west-1")
        return client, other

    client, other = asyncio.run(use())
    assert session._create_client is original
    assert (client.meta.region_name, other.meta.region_name, hasattr(other, "answer")) == ("us-east-1", "eu-west-1", False)


def test_the_answers_of_asynchronous_clients_are_read_asynchronously(asynchronous):
    offline, session = asynchronous
    model = Ec2Model()
    model.create_vpc(CIDR)

    async def use():
        with offline(model):
            client = await session()._create_client("ec2")
            request = SimpleNamespace(url="https://ec2", body="Action=DescribeVpcs&Version=2016-11-15")
            return await client.answer(request, "before-send.ec2.DescribeVpcs").text_of()

    assert "<vpcId>vpc-00000000000000001</vpcId>" in asyncio.run(use())
