"""The page at `/`, as the server gives it; tests/ec2/serve/test_browser.py looks at it in a browser."""

import json
import re

import pytest

from vpcipam.ec2.serve.page import MOST_INSTANCES, MOST_SUBNETS, page


@pytest.fixture
def live(server):
    """A function: what the page is told."""
    return lambda since="": json.loads(server.request("GET", "/live.json", query=f"since={since}").text)


def test_the_page_is_shown_to_whoever_calls_nothing(server):
    for method in ("GET", "HEAD"):
        answer = server.request(method, "/")
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert server.request("POST", "/").code == "MissingAction"


def test_the_page_needs_no_network():
    assert not re.search(r"https?://|src=|href=|@import|url\(", page())
    assert re.findall(r'fetch\("([^"?]*)', page()) == ["live.json"]
    assert "innerHTML" not in page(), "what clients send must stay text"


def test_an_empty_account_is_shown(live):
    assert live() == {
        "version": "0.0",
        "region": "us-east-1",
        "subnets": [],
        "instances": [],
        "calls": [],
        "more_subnets": -MOST_SUBNETS,
        "more_instances": -MOST_INSTANCES,
    }


def test_subnets_are_strips_of_prefixes(server, live):
    vpc_id = server.model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
    subnet = server.model.create_subnet(vpc_id, "10.0.1.0/25", ipv6_cidr="2001:db8::/64", tags=(("Name", "a"),))
    other = server.model.create_subnet(vpc_id, "10.0.2.0/28")
    server.model.create_subnet_cidr_reservation(subnet.subnet_id, "10.0.1.64/26", reservation_type="explicit", now_ns=0)
    server.model.create_subnet_cidr_reservation(subnet.subnet_id, "2001:db8::100/120", reservation_type="explicit", now_ns=0)
    prefixes = server.model.create_network_interface(subnet_id=subnet.subnet_id, ipv4_prefix_count=1, now_ns=0)
    for count in (1, 0, 0, 0):
        server.model.create_network_interface(subnet_id=subnet.subnet_id, secondary_ip_count=count, now_ns=0)
    shown, empty = live()["subnets"]
    assert shown == {
        "subnet_id": subnet.subnet_id,
        "cidr": "10.0.1.0/25",
        "zone": "us-east-1a",
        "name": "a",
        "free": server.model.subnets[0].available_ip_address_count,
        "strip": "6Pgggggf",
        "reserved": [[4, 7]],
        "holders": {
            "0": "eni-00000000000000001, eni-00000000000000002, eni-00000000000000003 and 2 more",
            "1": prefixes.eni_id,
        },
    }
    assert (empty["subnet_id"], empty["strip"], empty["holders"]) == (other.subnet_id, "b", {})


def test_instances_are_shown_with_their_slots(server, live):
    subnet = server.model.create_subnet(server.model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    instance = server.model.launch_instance("m5.large", subnet.subnet_id, now_ns=0)
    primary = instance.network_interfaces[0].eni_id
    server.model.assign_private_ip_addresses(primary, ipv4_prefix_count=1, now_ns=0)
    (shown,) = live()["instances"]
    assert shown["instance_type"] == "m5.large"
    assert shown["enis"] == [
        {
            "eni_id": primary,
            "card": 0,
            "device": 0,
            "private_ip": "10.0.1.4",
            "slots": 9,
            "used": 1,
            "cidrs": ["10.0.1.16/28"],
        }
    ]


def test_calls_are_shown_with_their_answers_latest_first(server, live):
    server.post("DescribeVpcs")
    server.post("CreateVpc", CidrBlock="10.0.0.0/8")
    latest, first = live()["calls"]
    assert (first["action"], first["status"], first["time"]) == ("DescribeVpcs", 200, "01:46:40")
    assert "<DescribeVpcsResponse" in first["answer"]
    assert (latest["form"], latest["status"], latest["code"]) == ("CidrBlock=10.0.0.0%2F8", 400, "InvalidVpc.Range")


def test_only_changes_are_sent(server, live):
    server.post("DescribeVpcs")
    version = live()["version"]
    assert server.request("GET", "/live.json", query=f"since={version}").status == 204
    server.post("DescribeVpcs")
    assert live(version)["version"] != version


def test_a_large_account_is_cut(server, live, monkeypatch):
    monkeypatch.setattr("vpcipam.ec2.serve.page.MOST_SUBNETS", 1)
    vpc_id = server.model.create_vpc("10.0.0.0/16").vpc_id
    for number in range(3):
        server.model.create_subnet(vpc_id, f"10.0.{number}.0/24")
    assert (len(live()["subnets"]), live()["more_subnets"]) == (1, 2)


def test_any_version_is_read(server):
    assert server.request("GET", "/live.json", query=b"%\xff").status == 200
    assert server.request("GET", "/live.json").status == 200
