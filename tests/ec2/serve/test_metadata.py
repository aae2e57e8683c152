"""The instance metadata service."""

import base64
import json

import attrs
import pytest

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Effect, Fault, Faults
from vpcipam.ec2.latency import Latencies, Latency
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.resources import LaunchSettings, MetadataOptions
from vpcipam.ec2.serve.metadata import InstanceMetadata
from vpcipam.ec2.state.launching import LaunchInterface
from vpcipam.limits import InstanceLimits

S = 10**9
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
V1 = MetadataOptions(http_tokens="optional")
TYPE = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=6, ipv6_per_eni=6, network_cards=(2, 2))


def populate(model):
    """A VPC with two CIDRs, a subnet with IPv6, an instance with three ENIs: the primary one, one with prefixes, one for EFA only."""
    vpc_id = model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
    model.associate_vpc_cidr_block(vpc_id, "100.64.0.0/16")
    subnet_id = model.create_subnet(vpc_id, "10.0.1.0/24", availability_zone="us-east-1b", ipv6_cidr="2001:db8::/64").subnet_id
    instance_id = model.launch_instance(TYPE, subnet_id, tags=(("Name", "node-1"), ("a/b", "")), now_ns=1_700_000_000 * S).instance_id
    eni_id = model.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=2, ipv6_address_count=1, now_ns=0).eni_id
    model.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)
    model.assign_ipv6_addresses(eni_id, ipv6_prefix_count=1, now_ns=0)
    efa_id = model.create_network_interface(subnet_id=subnet_id, interface_type="efa-only", now_ns=0).eni_id
    model.attach_network_interface(efa_id, instance_id, device_index=1, network_card_index=1, now_ns=0)
    return instance_id


@pytest.fixture
def node(serve):
    """A server of one instance, whose metadata can be read without a token, and a function that reads it."""
    server = serve(Ec2Model(metadata_defaults=V1))
    server.instance_id = populate(server.model)

    def read(path):
        answer = server.get(f"/latest/meta-data/{path}")
        return answer.text if answer.status == 200 else answer.status

    server.read = read
    return server


def token(server, ttl="60", path="/latest/api/token", **headers):
    return server.request("PUT", path, headers={TTL: ttl, **headers})


# --- tokens --------------------------------------------------------------------------------------------------------------


def test_metadata_needs_a_token(serve):
    server = serve()
    populate(server.model)
    assert server.get("/latest/meta-data/mac").status == 401
    issued = token(server)
    assert (issued.status, issued.headers[TTL.lower()]) == (200, "60")
    answer = server.request("GET", "/latest/meta-data/mac", headers={TOKEN: issued.text})
    assert (answer.status, answer.text) == (200, "02:00:00:00:00:01")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_token_ends(serve):
    server = serve()
    populate(server.model)
    issued = token(server).text
    for passed_s, status, left in ((0, 200, "60"), (59.5, 200, "1"), (60, 401, None)):
        server.clock.now_ns = 10**18 + round(passed_s * S)
        answer = server.request("GET", "/latest/meta-data/", headers={TOKEN: issued})
        assert (answer.status, answer.headers.get(TTL.lower())) == (status, left)


def test_a_token_lasts_in_the_time_of_the_client(serve):
    server = serve(speed=60)
    populate(server.model)
    issued = token(server).text
    for passed_s, status in ((59 * 60, 200), (61 * 60, 401)):
        server.clock.now_ns = 10**18 + passed_s * S
        assert server.request("GET", "/latest/meta-data/", headers={TOKEN: issued}).status == status


@pytest.mark.parametrize("wrong", ["", "x", "äö", "AAAA", "A" * 4_000, "AQAEAJ=="])
def test_a_wrong_token_is_refused_also_for_version_1(node, wrong):
    assert node.request("GET", "/latest/meta-data/", headers={TOKEN: wrong}).status == 401


def test_a_token_is_for_its_instance_and_its_server_only(node):
    subnet_id = node.model.subnets[0].subnet_id
    other = node.model.launch_instance("m5.large", subnet_id, now_ns=0).instance_id
    issued = token(node, path=f"/instance/{node.instance_id}/latest/api/token").text
    assert node.request("GET", f"/instance/{node.instance_id}/latest/meta-data/", headers={TOKEN: issued}).status == 200
    assert node.request("GET", f"/instance/{other}/latest/meta-data/", headers={TOKEN: issued}).status == 401
    assert node.request("GET", f"/instance/{node.instance_id}/latest/meta-data/", headers={TOKEN: "A" + issued[1:]}).status == 401


@pytest.mark.parametrize(("ttl", "status"), [("1", 200), ("21600", 200), ("0", 400), ("21601", 400), ("-1", 400), ("1.5", 400), ("", 400)])
def test_a_token_is_valid_for_up_to_six_hours(node, ttl, status):
    assert token(node, ttl).status == status


def test_a_request_for_a_token_is_checked(node):
    assert node.request("PUT", "/latest/api/token").status == 400
    assert token(node, **{"X-Forwarded-For": "10.0.0.1"}).status == 403
    assert node.get("/latest/api/token").status == 405
    assert node.request("PUT", "/latest/meta-data/").status == 405
    assert node.request("DELETE", "/latest/api/token").status == 405


# --- which instance ------------------------------------------------------------------------------------------------------


def test_every_instance_has_a_path_of_its_own(node):
    subnet_id = node.model.subnets[0].subnet_id
    other = node.model.launch_instance("m5.large", subnet_id, now_ns=0).instance_id
    for instance_id in (node.instance_id, other):
        assert node.get(f"/instance/{instance_id}/latest/meta-data/instance-id").text == instance_id
    assert node.get("/instance/i-0/latest/meta-data/").status == 404


def test_without_a_name_the_only_instance_answers(node, serve):
    assert node.read("instance-id") == node.instance_id
    subnet_id = node.model.subnets[0].subnet_id
    other = node.model.launch_instance("m5.large", subnet_id, now_ns=0).instance_id
    answer = node.get("/latest/meta-data/instance-id")
    assert answer.status == 404
    assert "--instance" in answer.text
    named = serve(node.model, instance_id=other)
    assert named.get("/latest/meta-data/instance-id").text == other


def test_without_an_instance_there_is_no_metadata(server):
    assert server.get("/latest/meta-data/").status == 404
    assert token(server).status == 404


@pytest.mark.parametrize("change", ["stop_instances", "terminate_instances"])
def test_an_instance_that_does_not_run_has_no_metadata(node, change):
    issued = token(node).text
    getattr(node.model, change)([node.instance_id], now_ns=0)
    below = f"/instance/{node.instance_id}/latest"
    assert node.request("GET", f"{below}/meta-data/mac", headers={TOKEN: issued}).status == 404
    assert token(node, path=f"{below}/api/token").status == 404


# --- metadata options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tags", ["enabled", "disabled"])
@pytest.mark.parametrize("endpoint", ["enabled", "disabled"])
@pytest.mark.parametrize("tokens", ["required", "optional"])
@pytest.mark.parametrize("when", ["at launch", "later", "while stopped"])
def test_an_instance_answers_as_its_metadata_options_say(serve, when, tokens, endpoint, tags):
    options = {"http_tokens": tokens, "http_endpoint": endpoint, "instance_metadata_tags": tags}
    server = serve(Ec2Model(metadata_defaults=MetadataOptions(**options)) if when == "at launch" else None)
    subnet_id = server.model.create_subnet(server.model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24").subnet_id
    instance_id = server.model.launch_instance("m5.large", subnet_id, tags=[("Name", "node-1"), ("a", "")], now_ns=0).instance_id
    if when == "while stopped":
        server.model.stop_instances([instance_id], now_ns=0)
    if when != "at launch":
        server.model.modify_instance_metadata_options(instance_id, **options, now_ns=0)
    if when == "while stopped":
        server.model.start_instances([instance_id], now_ns=0)
    issued = token(server)
    assert issued.status == (200 if endpoint == "enabled" else 403)
    with_token = {TOKEN: issued.text} if issued.status == 200 else {}

    def read(path, headers):
        answer = server.request("GET", f"/latest/meta-data/{path}", headers=headers)
        return answer.text if answer.status == 200 else answer.status

    if endpoint == "disabled":
        assert read("mac", {}) == read("mac", {TOKEN: "any"}) == 403
        return
    assert read("mac", {}) == (401 if tokens == "required" else "02:00:00:00:00:01")
    assert read("mac", with_token) == "02:00:00:00:00:01"
    shown = [read(path, with_token) for path in ("tags/instance", "tags/instance/Name", "tags/instance/a")]
    assert shown == (["Name\na", "node-1", ""] if tags == "enabled" else [404, 404, 404])
    assert ("tags/" in read("", with_token).split()) == (tags == "enabled")


def test_a_token_is_refused_from_the_moment_metadata_are_disabled(node):
    issued = token(node).text
    node.model.modify_instance_metadata_options(node.instance_id, http_endpoint="disabled", now_ns=0)
    assert node.request("GET", "/latest/meta-data/mac", headers={TOKEN: issued}).status == 403


def test_new_tags_are_in_the_metadata_at_once(serve):
    server = serve(Ec2Model(metadata_defaults=MetadataOptions(http_tokens="optional", instance_metadata_tags="enabled")))
    subnet_id = server.model.create_subnet(server.model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24").subnet_id
    instance_id = server.model.launch_instance("m5.large", subnet_id, now_ns=0).instance_id
    server.model.create_tags([instance_id], [("Name", "node-1")], now_ns=0)
    assert server.get("/latest/meta-data/tags/instance/Name").text == "node-1"


# --- what it shows -------------------------------------------------------------------------------------------------------


def test_the_instance_shows_itself(node):
    assert node.read("instance-id") == node.instance_id
    assert node.read("instance-type") == "cards.test"
    assert node.read("local-ipv4") == "10.0.1.4"
    assert node.read("local-hostname") == node.read("hostname") == "ip-10-0-1-4.ec2.internal"
    assert node.read("mac") == "02:00:00:00:00:01"
    assert node.read("placement/availability-zone") == "us-east-1b"
    assert node.read("placement/availability-zone-id") == "use1-az2"
    assert node.read("placement/region") == "us-east-1"
    assert node.read("services/domain") == "amazonaws.com"
    assert node.read("security-groups") == "default"


def test_the_primary_eni_shows_its_addresses(node):
    base = "network/interfaces/macs/02:00:00:00:00:01"
    shown = {name: node.read(f"{base}/{name}") for name in node.read(f"{base}/").split()}
    assert shown == {
        "device-number": "0",
        "interface-id": "eni-00000000000000001",
        "local-hostname": "ip-10-0-1-4.ec2.internal",
        "local-ipv4s": "10.0.1.4",
        "mac": "02:00:00:00:00:01",
        "network-card": "0",
        "owner-id": "123456789012",
        "security-group-ids": "sg-00000000000000001",
        "security-groups": "default",
        "subnet-id": "subnet-00000000000000001",
        "subnet-ipv4-cidr-block": "10.0.1.0/24",
        "subnet-ipv6-cidr-blocks": "2001:db8::/64",
        "vpc-id": "vpc-00000000000000001",
        "vpc-ipv4-cidr-block": "10.0.0.0/16",
        "vpc-ipv4-cidr-blocks": "10.0.0.0/16\n100.64.0.0/16",
        "vpc-ipv6-cidr-blocks": "2001:db8::/56",
    }
    assert node.read(f"{base}/ipv4-prefix") == 404


def test_elastic_ips_are_shown_until_they_are_gone(node):
    base = "network/interfaces/macs/02:00:00:00:00:01"
    assert node.read("public-ipv4") == node.read(f"{base}/public-ipv4s") == 404
    (second,) = node.model.assign_private_ip_addresses("eni-00000000000000001", secondary_ip_count=1, now_ns=0).addresses
    for private_ip in (second, "10.0.1.4"):
        allocation_id = node.model.allocate_address().allocation_id
        node.model.associate_address(allocation_id, eni_id="eni-00000000000000001", private_ip=private_ip, now_ns=0)
    assert node.read("public-ipv4") == "198.18.0.2"
    assert node.read("public-hostname") == node.read(f"{base}/public-hostname") == "ec2-198-18-0-2.compute-1.amazonaws.com"
    assert node.read(f"{base}/public-ipv4s") == "198.18.0.2\n198.18.0.1"
    assert node.read(f"{base}/ipv4-associations") == "198.18.0.1\n198.18.0.2"
    assert node.read(f"{base}/ipv4-associations/198.18.0.1") == second
    node.model.disassociate_address("eipassoc-00000000000000002", now_ns=0)
    assert node.read("public-ipv4") == 404
    assert node.read(f"{base}/public-ipv4s") == "198.18.0.1"


def test_prefixes_and_ipv6_are_shown(node):
    base = "network/interfaces/macs/02:00:00:00:00:02"
    assert node.read(f"{base}/ipv4-prefix") == "10.0.1.16/28\n10.0.1.32/28"
    assert node.read(f"{base}/ipv6-prefix") == "2001:db8:0:0:1::/80"
    assert node.read(f"{base}/ipv6s") == "2001:db8::4"
    assert node.read(f"{base}/device-number") == "1"


def test_an_eni_without_addresses_has_no_lists_of_them(node):
    names = node.read("network/interfaces/macs/02:00:00:00:00:03/").split()
    assert not {"local-ipv4s", "local-hostname", "ipv6s", "ipv4-prefix"} & set(names)
    assert node.read("network/interfaces/macs/02:00:00:00:00:03/network-card") == "1"


def test_directories_are_listed_with_slashes(node):
    assert node.get("/latest").text == node.get("/latest/").text == "dynamic\nmeta-data"
    assert "network/" in node.read("").split("\n")
    assert node.read("network/interfaces/macs") == "02:00:00:00:00:01/\n02:00:00:00:00:02/\n02:00:00:00:00:03/"
    assert node.read("instance-id/") == node.instance_id


@pytest.mark.parametrize(
    "path", ["nothing", "instance-id/more", "iam/info", "public-ipv4", "network/interfaces/macs/02:00:00:00:00:09/mac"]
)
def test_what_is_not_there_is_not_found(node, path):
    answer = node.get(f"/latest/meta-data/{path}")
    assert answer.status == 404
    assert "404 - Not Found" in answer.text
    assert node.get("/latest/user-data").status == 404


def test_a_refusal_does_not_repeat_markup(node):
    answer = node.get("/instance/<img src=x onerror=alert(1)>/latest/meta-data/")
    assert answer.status == 404
    assert "There is no instance &lt;img src=x onerror=alert(1)&gt;." in answer.text


def test_user_data_are_the_bytes_of_the_launch(node):
    sent = b"\x1f\x8b\xff"  # what gzip writes is no text
    settings = LaunchSettings(user_data=base64.b64encode(sent).decode())
    interfaces = [LaunchInterface(subnet_id=node.model.subnets[0].subnet_id)]
    (instance,) = node.model.launch_instances("m5.large", interfaces, settings=settings, now_ns=0)
    assert node.get(f"/instance/{instance.instance_id}/latest/user-data").body == sent


def test_head_is_a_read(node):
    assert node.request("HEAD", "/latest/meta-data/mac").status == 200


def test_the_identity_document(node):
    document = json.loads(node.get("/latest/dynamic/instance-identity/document").text)
    assert document["instanceId"] == node.instance_id
    assert document["privateIp"] == "10.0.1.4"
    assert document["pendingTime"] == "2023-11-14T22:13:20Z"
    assert (document["region"], document["availabilityZone"], document["accountId"]) == ("us-east-1", "us-east-1b", "123456789012")


def test_an_instance_reads_how_it_was_launched(node):
    subnet_id = node.model.subnets[0].subnet_id
    launched = node.model.launch_instances(
        "m6g.large", [LaunchInterface(subnet_id=subnet_id)], min_count=2, max_count=2, image_id="ami-1", now_ns=0
    )
    for index, instance in enumerate(launched):
        below = f"/instance/{instance.instance_id}/latest"
        names = ("ami-id", "ami-launch-index", "reservation-id")
        shown = [node.get(f"{below}/meta-data/{name}").text for name in names]
        assert shown == ["ami-1", str(index), launched[0].reservation_id]
        document = json.loads(node.get(f"{below}/dynamic/instance-identity/document").text)
        assert (document["imageId"], document["architecture"]) == ("ami-1", "arm64")


def test_an_instance_without_an_ipv4_address_has_none():
    model = Ec2Model()
    populate(model)
    instance = model.instances[0]
    region = Region("us-east-1")
    nameless = attrs.evolve(instance.network_interfaces[0], private_ip="")
    shown = InstanceMetadata(
        instance,
        "x86_64",
        (nameless,),
        {each.subnet_id: each for each in model.subnets},
        {each.vpc_id: each for each in model.vpcs},
        region,
    )
    assert shown.read("meta-data/local-ipv4") is None
    assert shown.read("meta-data/hostname") is None


# --- conditions ----------------------------------------------------------------------------------------------------------


def faulty(effect, **options):
    return Ec2Model(metadata_defaults=V1, conditions=Conditions(faults=Faults((Fault(effect, "InstanceMetadata", nth=1, **options),))))


@pytest.mark.parametrize("effect", [Effect.LOSE_ANSWER, Effect.REFUSE, Effect.CRASH_AFTER])
def test_a_read_can_be_lost(serve, effect):
    server = serve(faulty(effect))
    populate(server.model)
    assert server.get("/latest/meta-data/mac").status == 0
    assert len(server.hung_up) == 1
    assert server.get("/latest/meta-data/mac").status == 200


def test_a_read_can_be_refused(serve):
    server = serve(faulty(Effect.REFUSE, code="Unavailable"))
    populate(server.model)
    assert server.get("/latest/meta-data/mac").status == 503


def test_an_eni_can_be_hidden(serve):
    server = serve(faulty(Effect.HIDE_ENI))
    populate(server.model)
    counts = [len(server.get("/latest/meta-data/network/interfaces/macs/").text.split()) for _ in range(2)]
    assert counts == [2, 3]


def test_metadata_may_be_stale(serve):
    server = serve(Ec2Model(metadata_defaults=V1, conditions=Conditions(metadata_lag_ns=10**18)))
    populate(server.model)
    assert server.get("/latest/meta-data/mac").status == 404


def test_a_read_takes_its_time(serve):
    server = serve(Ec2Model(metadata_defaults=V1, conditions=Conditions(latencies=Latencies(metadata=Latency.fixed(7)))))
    instance_id = populate(server.model)
    reply = server.service.metadata("GET", instance_id, "meta-data/mac", {})
    assert reply.duration_ns == 7
