"""The names and numbers of the datapath: docs/datapath.md, "Names and numbers"."""

import re

import attrs
import pytest
from datapath_worlds import KEY, POD, PRIMARY, SECOND

from vpcipam.datapath.layout import (
    PodAddress,
    branch_table,
    eni_table,
    everywhere,
    host_interface,
    pod_gateway,
    pod_interface,
    pod_macs,
    subnet_gateway,
    vlan_interface,
    whole,
)
from vpcipam.errors import InvalidArgument, InvalidCidr
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment


@pytest.mark.parametrize(
    ("network_card", "device_number", "table"), [(0, 0, 254), (0, 1, 2), (0, 4, 5), (1, 0, 10100), (1, 1, 10101), (3, 2, 10302)]
)
def test_the_table_of_an_eni(network_card, device_number, table):
    assert eni_table(device_number, network_card) == table
    assert attrs.evolve(SECOND, device_number=device_number, network_card=network_card).table == table
    assert PodAddress.of(Assignment("10.0.1.5", "eni-1", device_number, network_card, "10.0.1.5/32")) == PodAddress("10.0.1.5", table)


def test_no_two_enis_share_a_table():
    places = [(device, card) for card in range(4) for device in range(60)]
    assert len({eni_table(*place) for place in places}) == len(places)


@pytest.mark.parametrize(("device_number", "network_card", "what"), [(-1, 0, "a device number"), (0, -1, "a network card's index")])
def test_negative_places_are_refused(device_number, network_card, what):
    with pytest.raises(InvalidArgument, match=f"{what} must be 0 or more"):
        eni_table(device_number, network_card)


def test_only_the_first_device_of_the_default_card_is_primary():
    assert PRIMARY.primary
    assert not SECOND.primary
    assert not attrs.evolve(PRIMARY, network_card=1).primary


def test_the_table_of_a_branch_eni():
    assert (branch_table(1), branch_table(152), branch_table(156), branch_table(4094)) == (101, 252, 256, 4194)


def test_host_interfaces_are_named_after_pods():
    assert host_interface("eni", KEY, POD) == "eni0d7763386da"
    assert host_interface("eni", KEY, POD, 1) == "enib813f772d20"
    assert host_interface("eni", SandboxKey("other", "c9", "eth1"), POD) == "eni0d7763386da"


def test_pod_interfaces():
    assert (pod_interface(KEY), pod_interface(KEY, 1), vlan_interface(5)) == ("eth0", "mNicIf1", "vlan.eth.5")


def test_macs_are_local_individual_and_differ():
    macs = [mac for container in "abcdefgh" for index in (-1, 0, 1) for mac in pod_macs(SandboxKey("n", container, "eth0"), index)]
    assert len({*macs}) == len(macs) == 48
    assert all(re.fullmatch("[0-9a-f][26ae](:[0-9a-f]{2}){5}", mac) for mac in macs)
    assert pod_macs(KEY) == pod_macs(KEY)


def test_gateways():
    assert (pod_gateway(4), pod_gateway(4, 1), pod_gateway(6), pod_gateway(6, 1)) == ("169.254.1.1", "169.254.1.2", "fe80::1", "fe80::2")
    assert subnet_gateway("10.0.1.128/25") == "10.0.1.129"
    assert subnet_gateway("2001:db8:1::/64") == "fe80:ec2::1"
    with pytest.raises(InvalidCidr):
        subnet_gateway("10.0.1.5/24")


def test_the_cidr_of_an_address_and_of_everything():
    assert (whole("10.0.1.5"), whole("2001:db8::5"), everywhere(4), everywhere(6)) == (
        "10.0.1.5/32",
        "2001:db8::5/128",
        "0.0.0.0/0",
        "::/0",
    )


def test_a_pod_without_names_is_named_after_its_container():
    assert host_interface("eni", KEY, None) == host_interface("eni", KEY, PodRef("default", "")) != host_interface("eni", KEY, POD)
