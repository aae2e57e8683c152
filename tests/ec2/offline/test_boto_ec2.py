"""`BotoEc2`: the values that it reads, its retries, and its errors."""

import contextlib
from types import SimpleNamespace

import pytest
from botocore import exceptions, parsers

from vpcipam.ec2.answers import read_instance, read_network_interface
from vpcipam.ec2.api import Attachment, Ec2Api, Ec2Error, ErrorCode
from vpcipam.ec2.boto import ATTEMPT_COUNT, CLIENT_CONFIG, BotoEc2
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.faults import Effect, Fault, Faults
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import OutOfRange
from vpcipam.limits import InstanceLimits, instance_limits

URL = "https://ec2.offline.invalid"
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))
THROTTLED = Ec2Error("RequestLimitExceeded", "slow down", "")
NO_ANSWER = exceptions.ReadTimeoutError(endpoint_url=URL)
NOT_SENT = exceptions.EndpointConnectionError(endpoint_url=URL)


class Weather:
    """The fate of the next requests: an error to raise before or after the model answers; later requests succeed."""

    def __init__(self, client):
        self.coming = []
        self.sent = []
        self.answers_lost = False
        client.meta.events.register_first("before-send.ec2", self.before)
        client.meta.events.register("before-parse.ec2", self.after)

    def before(self, request, **_):
        self.sent.append(request.body)
        if self.coming and not self.answers_lost:
            raise self.coming.pop(0)

    def after(self, **_):
        if self.coming:
            raise self.coming.pop(0)


@pytest.fixture
def weather(client):
    return Weather(client)


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def ec2(client, pauses):
    return BotoEc2(client, sleep=pauses.append, chance=lambda: 0.0)


@pytest.fixture
def subnet_id(model):
    vpc_id = model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
    return model.create_subnet(vpc_id, "10.0.1.0/24", ipv6_cidr="2001:db8::/64", tags=[("b", "2"), ("a", "1")]).subnet_id


@pytest.fixture
def instance_id(model, subnet_id):
    return model.launch_instance(TWO_CARDS, subnet_id, now_ns=0, tags=[("Name", "n")]).instance_id


@pytest.fixture
def eni_id(model, subnet_id):
    return model.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id


def refusal(call, *args, **kwargs):
    with pytest.raises(Ec2Error) as caught:
        call(*args, now_ns=0, **kwargs)
    return caught.value


# --- values ---


def test_it_has_every_call_of_the_api(ec2):
    api: Ec2Api = ec2  # mypy checks the signatures, this the names
    for name in vars(Ec2Api):
        assert name.startswith("_") or hasattr(api, name), name


def test_it_pauses_in_real_time(ec2, pauses):
    ec2.pause(2_500_000_000)
    assert pauses == [2.5]
    assert ec2.elapsed_ns == 0
    assert ec2.retries_throttling


def test_filters_combine_with_the_instance(ec2, model, subnet_id, instance_id):
    tagged = model.create_network_interface(subnet_id=subnet_id, tags=[("team", "a")], now_ns=0).eni_id
    assert [eni.eni_id for eni in ec2.describe_network_interfaces(filters={"tag:team": ["a", "b"]}, now_ns=0)] == [tagged]
    assert ec2.describe_network_interfaces(instance_id=instance_id, filters={"tag:team": ["a"]}, now_ns=0) == ()


def test_every_field_of_an_eni_is_read(ec2, model, subnet_id, instance_id):
    made = ec2.create_network_interface(
        subnet_id=subnet_id,
        ipv4_prefix_count=2,
        ipv6_prefix_count=1,
        interface_type="trunk",
        description="mine",
        tags=[("k", "v"), ("a", "")],
        now_ns=7,
    )
    attachment_id = ec2.attach_network_interface(made.eni_id, instance_id, device_index=1, network_card_index=1, now_ns=0)
    ec2.modify_network_interface_attribute(made.eni_id, attachment_id=attachment_id, delete_on_termination=True, now_ns=0)
    (shown,) = ec2.describe_network_interfaces(eni_ids=[made.eni_id, made.eni_id], now_ns=0)
    assert shown.attachment == Attachment(attachment_id, instance_id, 1, 1, delete_on_termination=True)
    assert shown.tags == (("a", ""), ("k", "v"))
    assert (shown,) == model.describe_network_interfaces(eni_ids=[made.eni_id], now_ns=0)
    assert made.attachment is None
    assert made.status == "available"
    assert (made.private_ip, made.ipv4_prefixes) == (shown.private_ip, shown.ipv4_prefixes)


def test_addresses_are_in_numeric_order(ec2, model, subnet_id):
    eni = model.create_network_interface(subnet_id=subnet_id, secondary_ip_count=12, now_ns=0)
    (shown,) = ec2.describe_network_interfaces(eni_ids=[eni.eni_id], now_ns=0)
    assert shown.secondary_ips == eni.secondary_ips
    assert shown.secondary_ips[4:6] == ("10.0.1.9", "10.0.1.10")


def test_addresses_can_be_assigned_and_unassigned(ec2, model, eni_id):
    added = ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=2, now_ns=0)
    assert added.addresses == ("10.0.1.5", "10.0.1.6")
    assert ec2.assign_private_ip_addresses(eni_id, ipv4_prefix_count=1, now_ns=0).prefixes == ("10.0.1.16/28",)
    assert ec2.assign_private_ip_addresses(eni_id, addresses=iter(["10.0.1.99"]), now_ns=0).addresses == ("10.0.1.99",)
    assert ec2.assign_private_ip_addresses(eni_id, prefixes=iter(["10.0.1.64/28"]), now_ns=0).prefixes == ("10.0.1.64/28",)
    assert ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=1, now_ns=0) == ("2001:db8:0:0:1::/80",)
    ec2.unassign_private_ip_addresses(eni_id, addresses=["10.0.1.5"], now_ns=0)
    ec2.unassign_private_ip_addresses(eni_id, prefixes=["10.0.1.16/28"], now_ns=0)
    (eni,) = model.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
    assert (eni.secondary_ips, eni.ipv4_prefixes) == (("10.0.1.6", "10.0.1.99"), ("10.0.1.64/28",))


def test_security_groups_and_tags_of_an_eni_can_be_set(ec2, model, subnet_id):
    first, second = (model.create_security_group(name, name, vpc_id=model.vpcs[0].vpc_id).group_id for name in ("one", "two"))
    eni = ec2.create_network_interface(subnet_id=subnet_id, ipv6_address_count=1, security_group_ids=(second, first), now_ns=0)
    assert (eni.security_group_ids, eni.security_group_names, len(eni.ipv6_addresses)) == ((first, second), ("one", "two"), 1)
    ec2.modify_network_interface_attribute(eni.eni_id, security_group_ids=(second,), now_ns=0)
    ec2.create_tags([eni.eni_id], [("k", "v")], now_ns=0)
    (shown,) = ec2.describe_network_interfaces(eni_ids=[eni.eni_id], now_ns=0)
    assert (shown.security_group_ids, shown.tags) == ((second,), (("k", "v"),))
    assert model.describe_network_interfaces(eni_ids=[eni.eni_id], now_ns=0) == (shown,)


def test_an_eni_can_be_detached_and_deleted(ec2, model, eni_id, instance_id):
    attachment_id = ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)
    ec2.detach_network_interface(attachment_id, now_ns=0)
    ec2.delete_network_interface(eni_id, now_ns=0)
    assert eni_id not in {eni.eni_id for eni in model.describe_network_interfaces(now_ns=0)}


def test_enis_are_described_by_id_by_instance_by_both_or_all(ec2, model, eni_id, instance_id):
    everything = ec2.describe_network_interfaces(now_ns=0)
    assert everything == model.describe_network_interfaces(now_ns=0)
    assert len(everything) == 2
    (primary,) = ec2.describe_network_interfaces(instance_id=instance_id, now_ns=0)
    assert primary.attachment.instance_id == instance_id
    assert ec2.describe_network_interfaces(eni_ids=[eni_id], instance_id=instance_id, now_ns=0) == ()


def test_an_instance_shows_its_enis_in_order_of_cards_and_devices(ec2, model, subnet_id, instance_id):
    for place in ((1, 1), (0, 1)):
        eni = model.create_network_interface(subnet_id=subnet_id, now_ns=0)
        model.attach_network_interface(eni.eni_id, instance_id, device_index=place[1], network_card_index=place[0], now_ns=0)
    assert ec2.describe_instance(instance_id, now_ns=0) == model.describe_instance(instance_id, now_ns=0)
    assert ec2.instance_metadata(instance_id, now_ns=0) == model.instance_metadata(instance_id, now_ns=0)


def test_a_time_is_read_from_a_datetime_and_from_a_text(model, subnet_id):
    client = fake_client("ec2", model, now_ns=lambda: 1_700_000_000_123_999_999)
    instance_id = client.run_instances(MinCount=1, MaxCount=1, InstanceType="m5.large", SubnetId=subnet_id)["Instances"][0]["InstanceId"]
    item = client.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
    assert read_instance(item).launched_ns == 1_700_000_000_123_000_000
    assert read_instance({**item, "LaunchTime": "2023-11-14T22:13:20.123+00:00"}).launched_ns == 1_700_000_000_123_000_000


def test_an_eni_of_a_service_of_aws_has_no_instance(client, subnet_id):
    item = client.create_network_interface(SubnetId=subnet_id)["NetworkInterface"]
    item["Attachment"] = {"AttachmentId": "ela-attach-1", "InstanceOwnerId": "amazon-elb", "DeviceIndex": 1, "DeleteOnTermination": False}
    assert read_network_interface(item).attachment is None


def test_an_unknown_instance_is_not_found(ec2, client, instance_id, monkeypatch):
    assert refusal(ec2.describe_instance, "i-9").code == "InvalidInstanceID.NotFound"
    shown = client.describe_instances(InstanceIds=[instance_id])
    for state in ("shutting-down", "terminated"):
        shown["Reservations"][0]["Instances"][0]["State"]["Name"] = state
        monkeypatch.setattr(client, "describe_instances", lambda **_: shown)
        error = refusal(ec2.describe_instance, instance_id)
        assert (error.code, error.action) == ("InvalidInstanceID.NotFound", "DescribeInstances")


def test_subnets_are_described_by_id_by_vpc_or_all(ec2, model, subnet_id):
    other_id = model.create_subnet(model.create_vpc("10.1.0.0/16").vpc_id, "10.1.0.0/24").subnet_id
    assert ec2.describe_subnets(now_ns=0) == model.subnets
    assert [subnet.subnet_id for subnet in ec2.describe_subnets(subnet_ids=[other_id], now_ns=0)] == [other_id]
    assert [subnet.subnet_id for subnet in ec2.describe_subnets(vpc_id=model.vpcs[0].vpc_id, now_ns=0)] == [subnet_id]


def test_the_cidrs_of_a_vpc_are_those_that_are_associated(ec2, model):
    vpc = model.create_vpc("10.1.0.0/16")
    model.create_vpc("10.2.0.0/16")
    wider = model.associate_vpc_cidr_block(vpc.vpc_id, "100.64.0.0/16", now_ns=0)
    assert ec2.vpc_cidrs(vpc.vpc_id) == ("10.1.0.0/16", "100.64.0.0/16")
    model.disassociate_vpc_cidr_block(wider.associations[1].association_id, now_ns=0)
    assert ec2.vpc_cidrs(vpc.vpc_id) == ("10.1.0.0/16",)
    with pytest.raises(Ec2Error, match="NotFound"):
        ec2.vpc_cidrs("vpc-0")


def test_metadata_without_a_reader_is_what_ec2_describes_without_tags(ec2, model, instance_id, subnet_id):
    eni = model.create_network_interface(subnet_id=subnet_id, tags=[("k", "v")], now_ns=0)
    model.attach_network_interface(eni.eni_id, instance_id, device_index=1, now_ns=0)
    assert [eni.tags for eni in ec2.instance_metadata(instance_id, now_ns=0)] == [(), ()]
    assert model.metadata_read_count == 0


def test_metadata_comes_from_its_reader_if_one_is_given(client, model, instance_id):
    ec2 = BotoEc2(client, metadata=lambda name: model.instance_metadata(name, now_ns=0))
    assert ec2.instance_metadata(instance_id, now_ns=0) == model.instance_metadata(instance_id, now_ns=0)
    assert "DescribeNetworkInterfaces" not in model.call_counts


def test_limits_of_instance_types_come_from_ec2(ec2):
    assert ec2.describe_instance_types(["t3.nano", "m5.large"]) == (instance_limits("m5.large"), instance_limits("t3.nano"))
    with pytest.raises(Ec2Error, match="InvalidInstanceType"):
        ec2.describe_instance_types(["m5.larch"])


@pytest.mark.parametrize("item", [None, {"InstanceType": None}, {"InstanceType": "x9.large"}])
def test_an_instance_type_that_is_unreadable_is_an_error_of_ec2(item):
    client = SimpleNamespace(
        describe_instance_types=lambda **_: {"InstanceTypes": [item]},
        meta=SimpleNamespace(method_to_api_mapping={"describe_instance_types": "DescribeInstanceTypes"}),
    )
    with pytest.raises(Ec2Error, match="UnreadableAnswer"):
        BotoEc2(client).describe_instance_types(["x9.large"])


def test_all_pages_are_read(ec2, weather, model, subnet_id):
    assert len(ec2.describe_instance_types()) > 1_000
    assert len(weather.sent) > 10
    weather.sent.clear()
    for _ in range(11):
        model.create_network_interface(subnet_id=subnet_id, now_ns=0)
    assert len(ec2._describe("describe_network_interfaces", "NetworkInterfaces", names=("NetworkInterfaceIds", ()), page_size=5)) == 11
    assert len(weather.sent) == 3


# --- what is tried again ---


def test_a_throttled_call_is_retried_with_backoff(ec2, pauses, eni_id, model, monkeypatch):
    refusals = [THROTTLED] * 3
    assign = model.assign_private_ip_addresses

    def throttled(*args, **kwargs):
        if refusals:
            raise refusals.pop()
        return assign(*args, **kwargs)

    monkeypatch.setattr(model, "assign_private_ip_addresses", throttled)
    assert ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=1, now_ns=0).addresses == ("10.0.1.5",)
    assert pauses == pytest.approx([0.2, 0.4, 0.8])


def test_pauses_have_jitter_and_a_bound(client, model, pauses, monkeypatch):
    def throttled(*_args, **_kwargs):
        raise THROTTLED

    monkeypatch.setattr(model, "delete_vpc", throttled)
    monkeypatch.setattr(model, "detach_network_interface", throttled)
    ec2 = BotoEc2(client, sleep=pauses.append, chance=lambda: 0.5, attempt_count=14)
    error = refusal(ec2.detach_network_interface, "eni-attach-1")
    assert (error.code, error.action, error.message) == ("RequestLimitExceeded", "DetachNetworkInterface", "slow down")
    assert pauses[:2] == pytest.approx([0.2 * 1.075, 0.4 * 1.075])
    assert len(pauses) == 13
    assert max(pauses) == pytest.approx(60 * 1.075)


def test_attempts_are_bounded(ec2, weather, pauses):
    weather.coming += [NOT_SENT] * 100
    refusal(ec2.describe_subnets)
    assert len(weather.sent) == ATTEMPT_COUNT
    assert len(pauses) == ATTEMPT_COUNT - 1
    assert sum(pauses) == pytest.approx(25.4)


def test_at_least_one_attempt_is_made(client):
    with pytest.raises(OutOfRange, match="0"):
        BotoEc2(client, attempt_count=0)


@pytest.mark.parametrize("code", ["Throttling", "ThrottlingException", "RequestLimitExceeded"])
def test_every_throttling_code_is_retried(ec2, model, pauses, monkeypatch, code):
    def throttled(*_args, **_kwargs):
        raise Ec2Error(code, "slow down", "")

    monkeypatch.setattr(model, "detach_network_interface", throttled)
    assert refusal(ec2.detach_network_interface, "eni-attach-1").code == code
    assert len(pauses) == ATTEMPT_COUNT - 1


def test_a_refusal_is_not_retried(ec2, weather, pauses):
    error = refusal(ec2.delete_network_interface, "eni-9")
    assert error.code is ErrorCode.ENI_NOT_FOUND
    assert (error.action, pauses, len(weather.sent)) == ("DeleteNetworkInterface", [], 1)
    assert error.__cause__ is not None


@pytest.mark.parametrize("trouble", [NO_ANSWER, NOT_SENT, exceptions.ConnectionClosedError(endpoint_url=URL)], ids=repr)
@pytest.mark.usefixtures("subnet_id")
def test_a_read_without_an_answer_is_retried(ec2, weather, model, trouble):
    weather.coming += [trouble] * 2
    assert ec2.describe_subnets(now_ns=0) == model.subnets
    assert len(weather.sent) == 3


def test_a_read_with_a_server_error_is_retried(ec2, model, monkeypatch, pauses):
    def failing(*_args, **_kwargs):
        raise Ec2Error("InternalError", "an internal error", "")

    monkeypatch.setattr(model, "describe_subnets", failing)
    assert refusal(ec2.describe_subnets).code == "InternalError"
    assert len(pauses) == ATTEMPT_COUNT - 1


def test_a_change_with_a_server_error_is_not_retried(ec2, model, monkeypatch, pauses):
    def failing(*_args, **_kwargs):
        raise Ec2Error("InternalError", "an internal error", "")

    monkeypatch.setattr(model, "detach_network_interface", failing)
    assert refusal(ec2.detach_network_interface, "eni-attach-1").code == "InternalError"
    assert pauses == []


def test_a_change_without_an_answer_is_not_retried(ec2, weather, model, eni_id, pauses):
    weather.coming.append(NO_ANSWER)
    weather.answers_lost = True
    error = refusal(ec2.assign_private_ip_addresses, eni_id, secondary_ip_count=2)
    assert error.code == "RequestTimeout"
    assert "may have taken effect" in error.message
    assert isinstance(error.__cause__, exceptions.ReadTimeoutError)
    (eni,) = model.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
    assert len(eni.secondary_ips) == 2, "it has"
    assert pauses == []


def test_a_change_without_a_connection_is_retried(ec2, weather, model, eni_id):
    weather.coming += [NOT_SENT, exceptions.ConnectTimeoutError(endpoint_url=URL)]
    ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=2, now_ns=0)
    (eni,) = model.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
    assert len(eni.secondary_ips) == 2


def test_a_lost_answer_of_a_creation_makes_one_eni(ec2, weather, model, subnet_id):
    weather.coming.append(NO_ANSWER)
    weather.answers_lost = True
    eni = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    assert model.describe_network_interfaces(now_ns=0) == (eni,)
    assert len(weather.sent) == 2
    assert weather.sent[0] == weather.sent[1]


def test_two_creations_have_two_client_tokens(client, weather, subnet_id, model):
    ec2 = BotoEc2(client)
    ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    assert len(model.describe_network_interfaces(now_ns=0)) == 2
    assert weather.sent[0] != weather.sent[1]


# --- what comes out ---


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (NO_ANSWER, "RequestTimeout"),
        (exceptions.ConnectionClosedError(endpoint_url=URL), "RequestTimeout"),
        (parsers.ResponseParserError("a page of a proxy"), "RequestTimeout"),
        (NOT_SENT, "EndpointConnectionError"),
        (exceptions.ConnectTimeoutError(endpoint_url=URL), "ConnectTimeoutError"),
        (exceptions.NoCredentialsError(), "NoCredentialsError"),
        (exceptions.SSLError(endpoint_url=URL, error="expired"), "SSLError"),
    ],
)
def test_every_error_of_botocore_is_wrapped(ec2, weather, trouble, code):
    weather.coming += [trouble] * ATTEMPT_COUNT
    error = refusal(ec2.describe_subnets)
    assert (error.code, error.action) == (code, "DescribeSubnets")
    assert str(trouble) in error.message


def test_an_invalid_argument_is_named(ec2):
    error = refusal(ec2.delete_network_interface, 7)
    assert error.code == "ParamValidationError"
    assert "NetworkInterfaceId" in error.message


def test_an_unknown_error_code_is_passed_on(ec2, model, monkeypatch):
    def odd(*_args, **_kwargs):
        raise Ec2Error("BananaShortage", "no bananas", "")

    monkeypatch.setattr(model, "detach_network_interface", odd)
    error = refusal(ec2.detach_network_interface, "eni-attach-1")
    assert (error.code, error.message) == ("BananaShortage", "no bananas")


def test_out_of_addresses_is_reported_as_by_the_model(ec2, subnet_id, eni_id):
    assert refusal(ec2.assign_private_ip_addresses, eni_id, secondary_ip_count=300).out_of_addresses
    assert refusal(ec2.create_network_interface, subnet_id=subnet_id, secondary_ip_count=300).out_of_addresses


def test_botocore_retries_nothing_with_the_client_configuration(model, monkeypatch):
    calls = []

    def lost(*_args, **_kwargs):
        calls.append(1)
        raise Ec2Error("RequestTimeout", "", "")

    monkeypatch.setattr(model, "assign_private_ip_addresses", lost)
    ec2 = BotoEc2(fake_client("ec2", model, config=CLIENT_CONFIG))
    assert refusal(ec2.assign_private_ip_addresses, "eni-1", secondary_ip_count=1).code == "RequestTimeout"
    assert calls == [1]


# --- lost answers of the model, and tokens ---


def losing(*faults):
    """A model that loses answers, with a subnet, and a client of it."""
    model = Ec2Model(conditions=Conditions(faults=Faults(faults)))
    subnet_id = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24").subnet_id
    return model, fake_client("ec2", model), subnet_id


@pytest.mark.parametrize("code", ["RequestTimeout", "InternalError"])
def test_a_retried_call_with_a_token_takes_effect_once(code):
    model, client, subnet_id = losing(Fault(Effect.LOSE_ANSWER, "CreateNetworkInterface", nth=1, code=code))
    ec2 = BotoEc2(client, sleep=lambda _seconds: None)
    eni = ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=1, now_ns=0)
    assert model.describe_network_interfaces(now_ns=0) == (eni,)


def test_every_action_with_a_token_returns_a_lost_answer_on_retry():
    actions = ("CreateNetworkInterface", "RunInstances", "AssociateTrunkInterface", "DisassociateTrunkInterface")
    model, client, subnet_id = losing(*(Fault(Effect.LOSE_ANSWER, action, nth=1) for action in actions))

    def at_second_try(method, **arguments):
        with pytest.raises(exceptions.ReadTimeoutError):
            getattr(client, method)(ClientToken="t", **arguments)
        return getattr(client, method)(ClientToken="t", **arguments)

    branch = at_second_try("create_network_interface", SubnetId=subnet_id)["NetworkInterface"]["NetworkInterfaceId"]
    trunk = model.create_network_interface(subnet_id=subnet_id, interface_type="trunk", now_ns=0).eni_id
    association = at_second_try("associate_trunk_interface", BranchInterfaceId=branch, TrunkInterfaceId=trunk, VlanId=1)
    association_id = association["InterfaceAssociation"]["AssociationId"]
    assert at_second_try("disassociate_trunk_interface", AssociationId=association_id)["Return"]
    at_second_try("run_instances", MinCount=1, MaxCount=1, InstanceType="m5.large", SubnetId=subnet_id)
    assert len(model.instances) == 1
    assert len(model.describe_network_interfaces(now_ns=0)) == 3


def test_a_lost_answer_without_a_token_is_lost():
    model, client, subnet_id = losing(Fault(Effect.LOSE_ANSWER, "AssignPrivateIpAddresses", nth=1))
    eni_id = model.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    for _ in range(2):
        with contextlib.suppress(exceptions.ReadTimeoutError):
            client.assign_private_ip_addresses(NetworkInterfaceId=eni_id, SecondaryPrivateIpAddressCount=1)
    assert len(model.describe_network_interfaces(now_ns=0)[0].secondary_ips) == 2
