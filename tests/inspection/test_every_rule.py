"""Each rule has a world that breaks it and nothing else; and the same world before it is broken, in which no rule finds anything."""

import inspect

import attrs
import pytest

from vpcipam.inspection.rules.catalogue import SURVEY_RULES
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import NO_MANAGE_TAG, SUBNET_ROLE_TAG

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
TRUNKS = {"ENABLE_POD_ENI": "true"}
FIVE_MINUTES_NS = 300 * 10**9
EXCLUDED, INCLUDED = ((SUBNET_ROLE_TAG, "0"),), ((SUBNET_ROLE_TAG, "1"),)

# What can't be without the other: prefixes that a type doesn't take, or slots of the other mode, are of the mode that is off.
COMPANIONS = {"prefix-not-supported": {"mode-mismatch", "mixed-modes"}, "mode-mismatch": {"mixed-modes"}}
WORLDS = {}


def world(rule):
    """Register a generator that yields the findings of a healthy world and of a broken one."""

    def register(function):
        WORLDS[rule] = function
        return function

    return register


def changed(**changes):
    return lambda node: attrs.evolve(node, **changes)


def limits(**wanted):
    return changed(limits=InstanceLimits(**{"instance_type": "t3.small", "eni_limit": 3, "ipv4_per_eni": 4, **wanted}))


def by_changing_an_eni(rule, position, *, pods=3, instance_type="t3.small", variables=None, **changes):
    """A world in which one ENI of a node is shown otherwise than it is."""

    def findings(account, eni_changed):
        here = account(instance_type, variables, pods=pods, ipv6=variables is IPV6)
        yield here.audit()
        yield here.audit(change=eni_changed(position, **changes))

    WORLDS[rule] = findings


def by_changing_the_node(rule, *, pods=3, **changes):
    def findings(account, _):
        here = account("t3.small", pods=pods)
        yield here.audit()
        yield here.audit(change=changed(**changes))

    WORLDS[rule] = findings


by_changing_an_eni("invalid-cidr", 1, secondary_ips=("10.0.0.300",))
by_changing_an_eni("overlapping-cidrs", 1, secondary_ips=("10.0.0.5",))
by_changing_an_eni("address-outside-subnet", 1, secondary_ips=("10.0.1.5",))
by_changing_an_eni("other-vpc", 1, vpc_id="vpc-other")
by_changing_an_eni("other-zone", 1, availability_zone="us-east-1b")
by_changing_an_eni("stays-after-termination", 1, attachment={"delete_on_termination": False})
by_changing_an_eni("device-index-gap", 1, attachment={"device_index": 2})
by_changing_an_eni("duplicate-device-index", 2, pods=6, attachment={"device_index": 1})
by_changing_an_eni("unreadable-answer", 1, unreadable=("Status",))
by_changing_an_eni("no-ipv6-prefix", 0, pods=0, instance_type="m5.large", variables=IPV6, ipv6_prefixes=())
by_changing_the_node("unknown-subnet", subnets=())


@world("no-primary-eni")
def _(account, _):
    here = account("t3.small", pods=6)
    yield here.audit()
    yield here.audit(change=lambda node: attrs.evolve(node, enis=node.enis[1:]))


@world("not-running")
def _(account, _):
    here = account()
    yield here.audit()
    yield here.audit(change=lambda node: attrs.evolve(node, instance=attrs.evolve(node.instance, state="stopped")))


@world("too-many-enis")
def _(account, _):
    here = account("t3.small", pods=6)
    yield here.audit(change=limits(eni_limit=3))
    yield here.audit(change=limits(eni_limit=2))


@world("too-many-slots")
def _(account, _):
    here = account("t3.small", pods=6)
    yield here.audit(change=limits(ipv4_per_eni=4))
    yield here.audit(change=limits(ipv4_per_eni=3))


@world("prefix-not-supported")
def _(account, _):
    here = account("t3.small", PREFIXES, pods=1)
    yield here.audit(change=limits())
    yield here.audit(change=limits(hypervisor="xen"))


@world("address-on-primary-eni")
def _(account, _):
    here = account("m5.large", CUSTOM)
    yield here.audit()
    here.model.assign_private_ip_addresses(here.node.datastores[0].eni_ids[0], secondary_ip_count=1, now_ns=here.now_ns)
    yield here.audit()


@world("mixed-modes")
def _(account, _):
    here = account("t3.small", PREFIXES)
    yield here.audit()
    here.attach(secondary_ip_count=1)
    yield here.audit()


@world("mode-mismatch")
def _(account, _):
    here = account("t3.small", PREFIXES, pods=1)
    yield here.audit()
    yield here.audit({})


@world("unmanaged-eni")
def _(account, _):
    here = account()
    yield here.audit()
    here.attach(tags=((NO_MANAGE_TAG, "true"),))
    yield here.audit()


@world("trunk-eni")
def _(account, _):
    here = account("m5.xlarge")
    yield here.audit()
    here.attach(interface_type="trunk")
    yield here.audit()


@world("efa-eni")
def _(account, _):
    here = account("m5.xlarge")
    yield here.audit()
    here.attach(interface_type="efa")
    yield here.audit()


@world("trunk-expected")
def _(account, _):
    here = account("m5.large")
    yield here.audit()
    yield here.audit(TRUNKS)


@world("no-trunk")
def _(account, _):
    here = account("t3.large")
    yield here.audit()
    yield here.audit(TRUNKS)


@world("young-eni")
def _(account, _):
    here = account()
    yield here.audit()
    here.leave()
    yield here.audit(change=changed(read_ns=FIVE_MINUTES_NS - 1))


@world("leaked-eni")
def _(account, _):
    here = account()
    yield here.audit()
    here.leave()
    yield here.audit(change=changed(read_ns=FIVE_MINUTES_NS))


@world("no-pod-addresses")
def _(account, _):
    here = account("t3.small", start=False)
    yield here.audit(CUSTOM | {"MAX_ENI": "2"})
    yield here.audit(CUSTOM | {"MAX_ENI": "1"})


@world("excluded-subnet")
def _(account, _):
    yield account("t3.small", tags=INCLUDED, start=False).audit()
    here = account("t3.small", tags=EXCLUDED, start=False)
    here.subnet("10.0.1.0/24", tags=INCLUDED)
    yield here.audit()


@world("no-pod-subnet")
def _(account, _):
    off = {"ENABLE_SUBNET_DISCOVERY": "false"}
    yield account("t3.small", tags=INCLUDED, start=False).audit(off)
    here = account("t3.small", tags=EXCLUDED, start=False)
    here.subnet("10.0.1.0/24", tags=INCLUDED)
    yield here.audit(off)


@world("unseen-addresses")
def _(account, _):
    here = account()
    yield here.audit()
    here.model.create_subnet_cidr_reservation(here.subnet_id, "10.0.0.64/28", reservation_type="explicit", now_ns=0)
    yield here.audit(change=changed(reservations=None))


@world("no-room-for-addresses")
def _(account, _):
    here = account("t3.small")
    here.fill(4)  # an ENI with its three slots
    yield here.audit()
    here.create()
    yield here.audit()


@world("no-room-for-prefix")
def _(account, _):
    here = account("t3.small", PREFIXES)
    for number in range(2, 14):
        here.create(private_ip=f"10.0.0.{number * 16 + 3}")
    yield here.audit()
    here.create(private_ip="10.0.0.227")
    yield here.audit()


def test_every_rule_has_a_world_here():
    assert set(WORLDS) == {entry.rule for rule in SURVEY_RULES for entry in rule.entries}


@pytest.mark.parametrize("rule", sorted(WORLDS))
def test_a_rule_finds_what_is_broken_and_nothing_in_a_healthy_world(account, eni_changed, rule):
    healthy, broken = WORLDS[rule](account, eni_changed)
    assert healthy == ()
    assert {found.rule for found in broken} == {rule} | COMPANIONS.get(rule, set())


def test_every_check_is_run_by_the_audit():
    modules = {inspect.getmodule(rule.check) for rule in SURVEY_RULES}
    checks = {check for module in modules for name, check in inspect.getmembers(module, inspect.isfunction) if name.startswith("check_")}
    assert {rule.check for rule in SURVEY_RULES} == checks
