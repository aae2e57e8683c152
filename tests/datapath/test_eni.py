"""The plan of an ENI: docs/datapath.md, "An ENI"."""

import errno

import attrs
import pytest
from datapath_worlds import IPV4, IPV6, PRIMARY, SECOND, changed, of_mode, the_step

from vpcipam.datapath.eni import eni_plan, eni_teardown
from vpcipam.datapath.layout import DatapathEni
from vpcipam.datapath.values import Address, Link, Mode, Route, Rule, expected
from vpcipam.errors import InvalidArgument

OWN = Address(address="10.0.1.11/24", device="eth1")
RULE = Rule(source="10.0.1.11", table=2, priority=32765)
CARD = attrs.evolve(SECOND, network_card=1)


def test_a_fresh_eni():
    steps = eni_plan(SECOND, IPV4)
    subnet = Route(destination="10.0.1.0/24", source="10.0.1.11", scope="link", metric=None, protocol=None)
    assert [(step.mode, step.value) for step in steps] == [
        (Mode.REPLACE, Link(name="eth1", mtu=9001, up=True)),
        (Mode.ADD, OWN),
        (Mode.REPLACE, Route(destination="10.0.1.1/32", device="eth1", table=2, scope="link")),
        (Mode.REPLACE, Route(destination="0.0.0.0/0", gateway="10.0.1.1", device="eth1", table=2)),
        (Mode.DELETE_ONE, subnet),
        (Mode.ADD, RULE),
    ]
    assert the_step(steps, subnet).tolerated == {errno.ESRCH}


def test_an_ipv6_eni_of_another_card():
    eni = DatapathEni(device="eth1", mac=SECOND.mac, address="2001:db8::11", subnet="2001:db8::/64", device_number=1, network_card=1)
    steps = eni_plan(eni, IPV6)
    assert expected(steps) == {
        Link(name="eth1", mtu=9001, up=True),
        Address(address="2001:db8::11/64", device="eth1"),
        Route(destination="fe80:ec2::1/128", device="eth1", table=10101),
        Route(destination="::/0", gateway="fe80:ec2::1", device="eth1", table=10101),
        Rule(source="2001:db8::11", table=10101, priority=32765),
    }
    kernels = Route(destination="2001:db8::/64", device="eth1", metric=256, protocol="kernel")
    other = Route(destination="2001:db8::/64", device="eth0", metric=256, protocol="kernel")
    assert kernels not in expected(steps, before=[kernels])
    assert other in expected(steps, before=[other])


def test_the_subnets_route_goes_from_the_main_table_whatever_made_it():
    kernels = Route(destination="10.0.1.0/24", device="eth1", source="10.0.1.11", protocol="kernel")
    of_primary = Route(destination="10.0.1.0/24", device="eth0", source="10.0.1.10", protocol="kernel", metric=100)
    assert {
        each for each in expected(eni_plan(SECOND, IPV4), before=[kernels, of_primary]) if each.__class__ is Route and each.table == 254
    } == {of_primary}


def test_the_primary_eni_is_refused():
    with pytest.raises(InvalidArgument, match="host_plan"):
        eni_plan(PRIMARY, IPV4)


def test_the_mtu_acts():
    assert Link(name="eth1", mtu=1500, up=True) in expected(eni_plan(SECOND, changed(AWS_VPC_ENI_MTU=1500)))


def test_the_trunk_has_no_rule_for_its_address():
    assert not any(isinstance(each, Rule) for each in expected(eni_plan(attrs.evolve(SECOND, trunk=True), IPV4)))


# --- what stands already --------------------------------------------------------------------------------------------------


def test_a_right_address_stays_and_wrong_ones_go():
    link_local = Address(address="fe80::1/64", device="eth1", scope="link")
    wrong = [Address(address="10.0.1.99/24", device="eth1"), Address(address="10.0.1.11/32", device="eth1")]
    elsewhere = Address(address="10.0.1.10/24", device="eth0")
    steps = eni_plan(SECOND, IPV4, standing=[OWN, *wrong, elsewhere, link_local, Address(address="2001:db8::1/64", device="eth1")])
    assert {each for each in of_mode(steps, Mode.DELETE_ONE) if isinstance(each, Address)} == {*wrong}
    assert OWN not in of_mode(steps, Mode.ADD)


@pytest.mark.parametrize(
    ("tables", "table"),
    [((), 10101), ((77,), 77), ((77, 78), 10101)],
    ids=["no-rule", "one-rule", "two-rules"],
)
def test_an_eni_of_another_card_keeps_the_table_of_its_rule(tables, table):
    rules = [Rule(source="10.0.1.11", table=each, priority=32765) for each in tables]
    foreign = [Rule(source="10.0.1.12", table=5, priority=32765), Rule(source="10.0.1.11", table=6, priority=1536)]
    steps = eni_plan(CARD, IPV4, standing=[*rules, *foreign])
    assert {value.table for value in of_mode(steps, Mode.REPLACE) if isinstance(value, Route)} == {table}


def test_an_eni_of_the_default_card_has_the_table_of_the_formula():
    assert Route(destination="0.0.0.0/0", gateway="10.0.1.1", device="eth1", table=2) in expected(
        eni_plan(SECOND, IPV4, standing=[Rule(source="10.0.1.11", table=77, priority=32765)])
    )


# --- teardown -------------------------------------------------------------------------------------------------------------


def test_teardown_deletes_the_rules_from_the_address_in_any_table():
    other = Rule(source="10.0.1.12", table=3, priority=32765)
    standing = [RULE, Rule(source="10.0.1.11", table=77, priority=32765), other]
    assert expected(eni_teardown("10.0.1.11"), before=standing) == {other}
