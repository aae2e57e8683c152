"""The values of the datapath, and what a kernel has after steps."""

import errno

import pytest

from vpcipam.datapath.values import (
    Address,
    Link,
    Mode,
    Neighbour,
    NftChain,
    NftTable,
    Route,
    Rule,
    Step,
    Sysctl,
    Veth,
    Vlan,
    XtablesChain,
    XtablesRule,
    expected,
    identity,
    matches,
)
from vpcipam.errors import InvalidAddress, InvalidArgument, InvalidCidr

VETH = Veth(name="eni0", peer="eth0", mac="02:00:00:00:00:01", peer_mac="02:00:00:00:00:02", mtu=9001)
POD_LINK = Link(name="eth0", mac="02:00:00:00:00:02", mtu=9001, up=False)
HOST_LINK = Link(name="eni0", mac="02:00:00:00:00:01", mtu=9001, up=False)


def step(value, mode, **others):
    return Step(value, mode, "for a test", **others)


# --- values ---------------------------------------------------------------------------------------------------------------


def test_texts_are_canonical_so_that_equal_things_are_equal():
    assert Route(destination="2001:DB8::0/64") == Route(destination="2001:db8::/64")
    assert Rule(source="10.0.1.5") == Rule(source="10.0.1.5/32")
    assert Neighbour(address="FE80::1", mac="02:00:00:00:00:01", device="eth0").address == "fe80::1"
    assert Address(address="2001:DB8::5/128", device="eth0").address == "2001:db8::5/128"


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Route(destination="10.0.1.5/24"), InvalidCidr),
        (lambda: Rule(source="10.0.1"), InvalidCidr),
        (lambda: Address(address="10.0.1.256/24", device="eth0"), InvalidCidr),
        (lambda: Neighbour(address="10.0.1.0/24", mac="02:00:00:00:00:01", device="eth0"), InvalidAddress),
        (lambda: Route(destination="0.0.0.0/0", gateway="gateway"), InvalidAddress),
        (lambda: Link(name="sixteen-letters-"), InvalidArgument),
        (lambda: Link(name=""), InvalidArgument),
        (lambda: Link(name=None), InvalidArgument),
        (lambda: Link(name="."), InvalidArgument),
        (lambda: Link(name=".."), InvalidArgument),
        (lambda: Link(name="a/b"), InvalidArgument),
        (lambda: Link(name="a b"), InvalidArgument),
        (lambda: Route(destination="0.0.0.0/0", device="a:b"), InvalidArgument),
        (lambda: Vlan(name="vlan.eth.0", parent="eth0", vlan_id=0, mac="02:00:00:00:00:01", mtu=9001), InvalidArgument),
        (lambda: Vlan(name="vlan.eth.1", parent="eth0", vlan_id=4095, mac="02:00:00:00:00:01", mtu=9001), InvalidArgument),
    ],
)
def test_what_no_kernel_takes_is_refused(make, error):
    with pytest.raises(error):
        make()


def test_a_route_has_the_kernels_defaults():
    beside = Route(destination="10.0.1.5/32", device="eni0")
    assert (beside.table, beside.scope, beside.metric, beside.protocol, beside.family) == (254, "link", 0, "boot", 4)
    beyond = Route(destination="0.0.0.0/0", gateway="169.254.1.1", device="eth0")
    assert beyond.scope == "global"
    newer = Route(destination="2001:db8::5/128", device="eni0")
    assert (newer.scope, newer.metric, newer.family) == ("global", 1024, 6)


def test_a_rule_has_the_family_of_its_addresses():
    assert Rule(source="2001:db8::5").family == Rule(destination="2001:db8::5").family == 6
    assert Rule(source="10.0.1.5").family == Rule(iif="eni0").family == 4
    assert Rule(iif="eni0", family=6).family == 6


def test_a_modes_tolerated_errnos_are_among_those_of_a_step():
    assert step(HOST_LINK, Mode.EXCLUSIVE).tolerated == set()
    assert step(HOST_LINK, Mode.ADD).tolerated == {errno.EEXIST}
    assert step(HOST_LINK, Mode.ADD, tolerated=frozenset({errno.EPERM})).tolerated == {errno.EEXIST, errno.EPERM}
    assert {errno.ENOENT, errno.ESRCH, errno.ENODEV} <= step(HOST_LINK, Mode.ABSENT).tolerated == step(HOST_LINK, Mode.ABSENT).tolerated
    assert step(HOST_LINK, Mode.DELETE_ONE).tolerated == set()


def test_a_step_needs_a_mode_and_a_reason():
    for make in (lambda: step(HOST_LINK, "add"), lambda: Step(HOST_LINK, Mode.ADD, None), lambda: step(HOST_LINK, Mode.ADD, fatal=0)):
        with pytest.raises(TypeError):
            make()


def test_any_other_name_of_an_interface_is_taken():
    for name in ("fifteen-letters", "X", "vlan.eth.5", "eth0-1_2", "..."):
        assert Link(name=name).name == name


def test_values_and_steps_are_hashable():
    values = (VETH, HOST_LINK, XtablesChain(table="nat", name="A"), NftTable(name="a", chains=(NftChain(name="b"),)))
    assert len({step(value, Mode.ADD) for value in values}) == 4


# --- deletions ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "value", "match"),
    [
        (Rule(source="10.0.1.5"), Rule(source="10.0.1.5", table=2, priority=1536), True),
        (Rule(source="10.0.1.5", table=3), Rule(source="10.0.1.5", table=2, priority=1536), False),
        (Rule(priority=10, table=105, family=6), Rule(priority=10, table=105, iif="eni0"), False),
        (Link(name="eni0"), HOST_LINK, True),
        (Link(name="eni1"), HOST_LINK, False),
        (Link(name="eni0"), Sysctl(name="eni0", value="1"), False),
        (Route(destination="10.0.1.5/32", metric=None, protocol=None), Route(destination="10.0.1.5/32", device="eni0"), True),
        (XtablesChain(table="nat", name="A"), XtablesChain(table="nat", name="A", rules=("-j RETURN",)), True),
        (XtablesChain(table="nat", name="A", family=6), XtablesChain(table="nat", name="A"), False),
        (NftTable(name="a"), NftTable(name="a", chains=(NftChain(name="b"),)), True),
        (XtablesRule(table="nat", chain="A", rule="-j B", first=True), XtablesRule(table="nat", chain="A", rule="-j B"), True),
    ],
)
def test_a_deletion_matches_by_what_it_gives(pattern, value, match):
    assert matches(pattern, value) == match


# --- what stands ----------------------------------------------------------------------------------------------------------


def test_a_veth_has_an_end_in_each_namespace():
    made = [step(VETH, Mode.EXCLUSIVE, namespace="pod")]
    assert expected(made) == {HOST_LINK}
    assert expected(made, "pod") == {POD_LINK}


def test_a_vlan_is_a_link():
    vlan = Vlan(name="vlan.eth.5", parent="eth1", vlan_id=5, mac="02:00:00:00:00:05", mtu=9001)
    assert expected([step(vlan, Mode.EXCLUSIVE)]) == {Link(name="vlan.eth.5", mac="02:00:00:00:00:05", mtu=9001, up=False)}


def test_a_link_step_changes_what_it_gives():
    made = [step(VETH, Mode.EXCLUSIVE, namespace="pod"), step(Link(name="eni0", up=True), Mode.REPLACE)]
    assert expected(made) == {Link(name="eni0", mac="02:00:00:00:00:01", mtu=9001, up=True)}
    assert expected([step(Link(name="eth0", mtu=1500), Mode.REPLACE)]) == {Link(name="eth0", mtu=1500)}


def test_adding_keeps_what_is_there_and_replacing_does_not():
    there, other = Route(destination="10.0.1.5/32", device="eni0"), Route(destination="10.0.1.5/32", device="eni1")
    assert expected([step(other, Mode.ADD)], before=[there]) == {there}
    assert expected([step(other, Mode.REPLACE)], before=[there]) == {other}
    assert identity(there) == identity(other) != identity(Route(destination="10.0.1.5/32", device="eni0", table=2))


def test_steps_elsewhere_and_waits_change_nothing():
    address = Address(address="2001:db8::5/128", device="eth0")
    assert expected([step(address, Mode.ADD)], "pod") == expected([step(address, Mode.WAIT)]) == frozenset()


def test_one_deletion_deletes_one_and_all_delete_all():
    rules = [Rule(source="10.0.1.5", table=table, priority=1536) for table in (2, 3)]
    assert len(expected([step(Rule(source="10.0.1.5"), Mode.DELETE_ONE)], before=rules)) == 1
    assert expected([step(Rule(source="10.0.1.5"), Mode.ABSENT)], before=rules) == frozenset()
    assert expected([step(Rule(source="10.0.1.6"), Mode.ABSENT)], before=rules) == {*rules}


def test_a_deleted_interface_takes_along_what_is_on_it_but_no_rules():
    rule = Rule(iif="eni0", table=105, priority=10)
    other = Route(destination="10.0.1.6/32", device="eni1")
    on_it = [
        HOST_LINK,
        Route(destination="10.0.1.5/32", device="eni0"),
        Address(address="169.254.172.1/32", device="eni0", scope="link"),
        Neighbour(address="169.254.1.1", mac="02:00:00:00:00:01", device="eni0"),
        Sysctl(name="net/ipv6/conf/eni0/accept_ra", value="0"),
    ]
    assert expected([step(Link(name="eni0"), Mode.ABSENT)], before=[*on_it, rule, other]) == {rule, other}


def test_a_refusal_says_what_was_wrong():
    with pytest.raises(InvalidArgument, match=r"name must name an interface, with 1 to 15 characters without / or :, not 'a/b'"):
        Link(name="a/b")
