"""Metrics of nodes under ipamd's names: actions, calls to EC2, limits, and a recount of everything under random programs."""

import contextlib
import ipaddress
import threading
from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given
from metrics_worlds import ALWAYS_THERE, World, key, run_at_once, values

from vpcipam.action import AT_START, Action, ActionKind
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Ec2Api, Ec2Error
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Crash, Fault, Faults
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import InvalidArgument, NodeError, PoolExhausted
from vpcipam.events import AddressAssigned, AddressUnassigned, AssignRefused, EniRemoved, SandboxEvicted
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import INSTANCE_TAG, NO_MANAGE_TAG
from vpcipam.prometheus import _CALLS, IpamMetrics

S = 1_000_000_000
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))
UNLIKE_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=3, ipv4_per_eni=4, network_cards=(3, 1))


# --- actions of a node ---------------------------------------------------------------------------------------------------


def counted(*events):
    """What events change of the counters that are there from the start."""
    metrics = IpamMetrics()
    metrics.watch(Datastore())
    for event in events:
        metrics(event)
    found = values(metrics)
    return {name: found[name] for name, before in ALWAYS_THERE.items() if found[name] != before}


def action(kind, *cidrs, reason="why", error=None, out_of_addresses=False):
    return Action(0, kind, 0, "eni-0", cidrs, reason, error=error, out_of_addresses=out_of_addresses)


def errors(*fns):
    return {"awscni_ipamd_error_count": ALWAYS_THERE["awscni_ipamd_error_count"] | Counter(fns)} if fns else {}


@pytest.mark.parametrize(
    ("kind", "fn", "amount"),
    [
        (ActionKind.ADOPT_ENI, "eniReconcileAdd", 1),
        (ActionKind.DROP_ENI, "eniReconcileDel", 1),
        (ActionKind.ADOPT_CIDRS, "eniDataStorePoolReconcileAdd", 2),
        (ActionKind.DROP_CIDRS, "eniIPPoolReconcileDel", 2),
    ],
)
def test_changes_that_follow_ec2_count_as_reconciled(kind, fn, amount):
    change = counted(action(kind, "10.0.0.5/32", "10.0.0.6/32"))
    assert change == {"awscni_reconcile_count": ALWAYS_THERE["awscni_reconcile_count"] | {fn: amount}}


@pytest.mark.parametrize("kind", [ActionKind.ADOPT_ENI, ActionKind.ADOPT_CIDRS])
def test_cidrs_found_at_the_start_do_not_count_as_reconciled(kind):
    assert counted(action(kind, "10.0.0.5/32", reason=AT_START)) == {}


@pytest.mark.parametrize(
    ("kind", "error", "out", "fns"),
    [
        (ActionKind.CREATE_ENI, "AttachNetworkInterface: Unauthorized: no", False, ["increaseIPPoolAllocENI"]),
        (
            ActionKind.CREATE_ENI,
            "CreateNetworkInterface: InsufficientFreeAddressesInSubnet: no",
            True,
            ["increaseIPPoolAllocENI", "increaseIPPoolAllocIPAddressesFailed"],
        ),
        (ActionKind.ADD_CIDRS, "AssignPrivateIpAddresses: X: no", False, ["increaseIPPoolAllocIPAddressesFailed"]),
        (ActionKind.ADD_CIDRS, "AssignPrivateIpAddresses: X: no", True, ["increaseIPPoolAllocIPAddressesFailed"]),
        (ActionKind.FREE_ENI, "DetachNetworkInterface: X: no", False, ["decreaseIPPoolFreeENIFailed"]),
        (ActionKind.RECONCILE, str(Ec2Error("RequestTimeout", "no", "InstanceMetadata")), False, ["reconcileFailedGetENIs"]),
        (ActionKind.RECONCILE, "DescribeNetworkInterfaces: RequestTimeout: no", False, []),
        (ActionKind.RELEASE_CIDRS, "UnassignPrivateIpAddresses: X: no", False, []),
        (ActionKind.DELETE_LEAKED_ENI, "DeleteNetworkInterface: X: no", False, []),
    ],
)
def test_refused_actions_count_as_errors_where_ipamd_counts_them(kind, error, out, fns):
    assert counted(action(kind, error=error, out_of_addresses=out)) == errors(*fns)


@pytest.mark.parametrize("kind", [kind for kind in ActionKind if not kind.startswith(("adopt", "drop"))])
def test_successful_actions_of_the_control_loop_have_no_counter(kind):
    assert counted(action(kind, "10.0.0.5/32")) == {}


# --- calls to EC2 --------------------------------------------------------------------------------------------------------


def test_calls_to_ec2_are_counted_by_action_without_metadata():
    world = World()
    world.node.start(0)
    found = world.values()
    assert (
        found["awscni_ec2api_req_count"]
        == world.calls()
        == {
            "AssignPrivateIpAddresses": 1,
            "CreateTags": 1,
            "DescribeNetworkInterfaces": 1,
            "DescribeSubnets": 1,
            "ModifyNetworkInterfaceAttribute": 1,
        }
    )
    assert "InstanceMetadata" not in world.metrics.text(0)
    assert "awscni_ec2api_error_count" not in found
    assert "awscni_aws_api_error_count" not in found


def test_refused_calls_are_counted_by_action_and_code():
    faults = Faults([Fault("refuse", "AssignPrivateIpAddresses", rate=1, code="UnauthorizedOperation")])
    world = World(conditions=Conditions(faults=faults))
    world.node.start(0)
    found = world.values()
    assert found["awscni_ec2api_req_count"]["AssignPrivateIpAddresses"] == 2  # all at once, then one
    assert found["awscni_ec2api_error_count"] == {"AssignPrivateIpAddresses": 2}
    assert found["awscni_aws_api_error_count"] == {("AssignPrivateIpAddresses", "UnauthorizedOperation"): 2}


def test_each_try_of_a_throttled_call_counts():
    faults = Faults([Fault("refuse", "DescribeSubnets", nth=1, code="RequestLimitExceeded")])
    world = World(conditions=Conditions(faults=faults))
    world.node.start(0)
    found = world.values()
    assert found["awscni_ec2api_req_count"]["DescribeSubnets"] == 2
    assert found["awscni_aws_api_error_count"] == {("DescribeSubnets", "RequestLimitExceeded"): 1}


@pytest.mark.parametrize("call", ["delete_network_interface", "describe_network_interfaces"])
def test_a_missing_eni_is_no_error_of_describe_and_delete(call):
    metrics = IpamMetrics()
    metrics.watch(Datastore())
    ec2 = metrics.count_calls(Ec2Model())
    with pytest.raises(Ec2Error, match="NotFound"):
        ec2.delete_network_interface("eni-1", now_ns=0) if "delete" in call else ec2.describe_network_interfaces(
            eni_ids=("eni-1",), now_ns=0
        )
    found = values(metrics)
    assert sum(found["awscni_ec2api_req_count"].values()) == 1
    assert "awscni_ec2api_error_count" not in found


def test_a_missing_eni_is_an_error_of_other_calls():
    metrics = IpamMetrics()
    metrics.watch(Datastore())
    ec2 = metrics.count_calls(Ec2Model())
    with pytest.raises(Ec2Error):
        ec2.assign_private_ip_addresses("eni-1", secondary_ip_count=1, now_ns=0)
    assert values(metrics)["awscni_ec2api_error_count"] == {"AssignPrivateIpAddresses": 1}


def test_the_refused_call_for_ipv6_addresses_has_the_name_that_ipamd_gives_it():
    world = World(
        "m5.large",
        {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"},
        conditions=Conditions(faults=Faults([Fault("refuse", "AssignIpv6Addresses", rate=1, code="UnauthorizedOperation")])),
        ipv6=True,
    )
    with pytest.raises(NodeError):
        world.node.start(0)
    found = world.values()
    assert found["awscni_ec2api_error_count"] == {"AssignIpv6Addresses": 6}  # as many as the node tries
    assert found["awscni_aws_api_error_count"] == {("AssignPrivateIpv6Addresses", "UnauthorizedOperation"): 6}


def test_a_call_whose_caller_crashes_counts_and_is_no_error():
    world = World(conditions=Conditions(faults=Faults([Fault("crash-after", "AssignPrivateIpAddresses", nth=1)])))
    with pytest.raises(Crash):
        world.node.start(0)
    found = world.values()
    assert found["awscni_ec2api_req_count"] == world.calls()
    assert "awscni_ec2api_error_count" not in found


def test_a_counted_ec2_forwards_everything_else():
    model = Ec2Model(conditions=Conditions.typical())
    ec2 = IpamMetrics().count_calls(model)
    ec2.pause(5)
    assert (ec2.elapsed_ns, ec2.retries_throttling, ec2.subnets) == (5, False, ())
    assert not hasattr(ec2, "no_such_call")


@pytest.mark.parametrize("name", [name for name in vars(Ec2Api) if not name.startswith("_")])
def test_every_call_of_the_protocol_is_counted_except_metadata_and_time(name):
    assert (name in _CALLS) == (name not in {"elapsed_ns", "retries_throttling", "pause", "instance_metadata"})


# --- what a node tells ---------------------------------------------------------------------------------------------------


def test_a_start_counts_no_reconcile():
    world = World()
    world.node.start(0)
    assert world.values()["awscni_reconcile_count"] == ALWAYS_THERE["awscni_reconcile_count"]


def test_a_restored_node_counts_no_assigns():
    world = World(journals=[MemoryJournal()])
    world.node.start(0)
    come(world, 2)
    world.new_process()
    world.node.restore(0)
    found = world.values()
    assert (found["awscni_assigned_ip_addresses"], found["awscni_add_ip_req_count"]) == (2, 0)
    come(world, 3)
    found = world.values()
    assert (found["awscni_assigned_ip_addresses"], found["awscni_add_ip_req_count"]) == (3, 1)  # two had theirs
    agrees(world)


def test_a_reconcile_counts_added_and_dropped_cidrs():
    world = World("t3.small")
    world.node.start(0)
    attach_other(world, managed=True)
    come(world, 5)  # three are on the node's own ENI, two are on the other
    take_away(world, 0)
    found = world.values()
    assert found["awscni_reconcile_count"] == ALWAYS_THERE["awscni_reconcile_count"] | {"eniReconcileAdd": 1, "eniReconcileDel": 1}
    assert (found["awscni_force_removed_enis"], found["awscni_force_removed_ips"]) == (1, 2)


def test_a_scrape_counts_answers_of_ec2_before_the_tick_that_reports_them():
    world = World(conditions=Conditions.typical())
    world.node.start(0)
    world.now_ns = world.node.ready_ns
    come(world, 3)
    run(world, 1)
    assert world.values()["awscni_eni_allocated"] == 1
    world.now_ns = world.node.busy_until(world.now_ns)
    assert world.values()["awscni_eni_allocated"] == 2
    assert not any(type(event) is Action and event.kind is ActionKind.CREATE_ENI for event in world.seen)


def test_the_refusals_of_a_node_are_counted():
    faults = Faults([Fault("refuse", "CreateNetworkInterface", rate=1, code="UnauthorizedOperation")])
    world = World(conditions=Conditions(faults=faults))
    world.node.start(0)
    run(world, 2)
    come(world, 1)
    run(world, 1)
    assert world.values()["awscni_ipamd_error_count"]["increaseIPPoolAllocENI"] > 0


# --- limits of a node ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instance_type", "variables", "eni_max", "ip_max"),
    [
        ("t3.small", {}, 3, 9),
        ("t3.small", {"MAX_ENI": "2"}, 2, 6),
        ("m5.large", {"ENABLE_PREFIX_DELEGATION": "true"}, 3, 3 * 9 * 16),
        (TWO_CARDS, {"ENABLE_MULTI_NIC": "true"}, 4, 12),
        (UNLIKE_CARDS, {"ENABLE_MULTI_NIC": "true"}, 6, 18),  # ipamd counts on the default card's limit for every card
        (UNLIKE_CARDS, {"ENABLE_MULTI_NIC": "true", "MAX_ENI": "2"}, 4, 12),
        (UNLIKE_CARDS, {}, 3, 9),
    ],
)
def test_limits_are_those_of_the_type_and_of_max_eni(instance_type, variables, eni_max, ip_max):
    world = World(instance_type, variables)
    for _ in range(2):
        found = world.values()
        assert (found["awscni_eni_max"], found["awscni_ip_max"]) == (eni_max, ip_max)
        if not world.node.started:
            world.node.start(0)


def test_unmanaged_enis_reduce_the_limit():
    world = World()
    world.node.start(0)
    assert world.foreign(lambda model: attach(model, world, tags=((NO_MANAGE_TAG, "true"),)))
    world.node.reconcile(0)
    found = world.values()
    assert (found["awscni_eni_max"], found["awscni_ip_max"]) == (2, 6)


def test_an_unmanaged_card_has_no_limit():
    with pytest.raises(InvalidArgument, match="network card 1 is not managed"):
        World(UNLIKE_CARDS).node.managed_eni_limit(1)


def test_an_ipv6_node_has_no_limits():
    world = World("m5.large", {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}, ipv6=True)
    world.node.start(0)
    found = world.values()
    assert {"awscni_eni_max", "awscni_ip_max"}.isdisjoint(found)
    assert found["awscni_total_ip_addresses"] == 2**48


def attach(model, world, tags=()):
    """Attach an ENI that the node did not make."""
    eni = model.create_network_interface(subnet_id=world.subnet_id, secondary_ip_count=2, tags=tags, now_ns=world.now_ns)
    index = model.describe_instance(world.node.instance_id, now_ns=world.now_ns).free_device_index(0)
    model.attach_network_interface(eni.eni_id, world.node.instance_id, device_index=index, now_ns=world.now_ns)


# --- threads -------------------------------------------------------------------------------------------------------------


def test_a_scrape_does_not_wait_for_calls_to_ec2():
    world = World()
    world.node.start(0)
    come(world, 3)
    called, answer = threading.Event(), threading.Event()
    create = world.model.create_network_interface

    def slow(**arguments):
        called.set()
        answer.wait()
        return create(**arguments)

    def look():
        called.wait()
        found = world.values()
        answer.set()
        assert (found["awscni_assigned_ip_addresses"], found["awscni_eni_max"]) == (3, 3)

    world.model.create_network_interface = slow
    run_at_once(lambda: world.node.tick(100 * S), look)
    assert answer.is_set()


def test_scrapes_in_callbacks_do_not_deadlock_with_other_threads():
    world = World()
    count = world.metrics

    def look_and_count(event):
        count(event)
        values(count, 0)

    world.metrics = look_and_count
    world.node.start(0)

    def pods(thread):
        for number in range(50):
            with contextlib.suppress(PoolExhausted):
                world.node.assign(key(f"{thread}-{number}"), number)
                world.node.unassign(key(f"{thread}-{number}"), number)

    def ticks():
        for number in range(100):
            world.node.tick(number * 5 * S)

    run_at_once(ticks, *(lambda thread=thread: pods(thread) for thread in range(3)))
    assert values(count, 500 * S)["awscni_add_ip_req_count"] >= 50


# --- all of it, under random programs ------------------------------------------------------------------------------------

VARIABLES = st.fixed_dictionaries(
    {
        "WARM_ENI_TARGET": st.sampled_from("012"),
        "WARM_IP_TARGET": st.sampled_from(["0", "0", "1", "5"]),
        "MINIMUM_IP_TARGET": st.sampled_from(["0", "0", "4", "12"]),
        "WARM_PREFIX_TARGET": st.sampled_from(["00", "1", "2"]),  # "00" is 0 to ipamd, and passes the entry point
        "IP_COOLDOWN_PERIOD": st.sampled_from(["0", "5", "30"]),
        "ENABLE_PREFIX_DELEGATION": st.sampled_from(["true", "false"]),
        "ENABLE_MULTI_NIC": st.sampled_from(["true", "false"]),
        "MANAGE_UNTAGGED_ENI": st.sampled_from(["true", "false"]),
    }
)
CODES = ("RequestTimeout", "RequestLimitExceeded", "InsufficientFreeAddressesInSubnet", "PrivateIpAddressLimitExceeded")
PROGRAM = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(1, 12)),
        st.tuples(st.just("go"), st.integers(1, 12)),
        st.tuples(st.just("run"), st.integers(1, 20)),
        st.tuples(st.just("take away"), st.integers(0, 3)),
        st.tuples(st.just("take off"), st.integers(0, 9)),
        st.tuples(st.just("put on"), st.integers(0, 9)),
        st.tuples(st.just("attach"), st.booleans()),
    ),
    max_size=12,
)


@given(
    instance_type=st.sampled_from(["t3.small", "m5.large", TWO_CARDS]),
    variables=VARIABLES,
    size=st.sampled_from([24, 26, 27]),
    program=PROGRAM,
    rates=st.fixed_dictionaries({"refuse": st.sampled_from([0, 0, 0.2]), "hide-eni": st.sampled_from([0, 0.2])}),
    code=st.sampled_from(CODES),
    slow=st.booleans(),
    seed=st.integers(0, 9),
)
def test_the_metrics_of_a_node_equal_a_recount(*, instance_type, variables, size, program, rates, code, slow, seed):
    faults = Faults.random(seed, rates, code=code)
    conditions = Conditions.typical(seed, faults=faults) if slow else Conditions(faults=faults)
    world = World(instance_type, variables, cidr=f"10.0.0.0/{size}", conditions=conditions)
    try:
        world.node.start(0)
    except (Ec2Error, NodeError):
        return
    world.now_ns = world.node.ready_ns
    for step, number in program:
        STEPS[step](world, number)
        agrees(world)


def come(world, count):
    cards = len(world.node.datastores)
    for each in range(count):
        with contextlib.suppress(PoolExhausted):
            world.node.assign(key(f"{world.now_ns}-{each}"), world.now_ns, network_card=each % cards)


def go(world, count):
    held = [(card.network_card, sandbox) for card in world.node.datastores for sandbox, _ in card.assignments()]
    for card, sandbox in held[:count]:
        world.node.unassign(sandbox, world.now_ns, network_card=card)


def run(world, ticks):
    for _ in range(ticks):
        world.now_ns += 5 * S
        world.node.tick(world.now_ns)


def attached(world):
    found = []
    world.foreign(lambda model: found.extend(model.describe_network_interfaces(instance_id=world.node.instance_id, now_ns=world.now_ns)))
    return [eni for eni in found if eni.attachment and eni.attachment.device_index]


def take_away(world, number):
    enis = attached(world)
    if enis:
        eni = enis[number % len(enis)]
        world.foreign(lambda model: model.detach_network_interface(eni.attachment.attachment_id, now_ns=world.now_ns))
    run(world, 13)


def take_off(world, number):
    enis = attached(world)
    if enis:
        eni = enis[number % len(enis)]
        world.foreign(
            lambda model: model.unassign_private_ip_addresses(
                eni.eni_id, addresses=eni.secondary_ips[:2], prefixes=eni.ipv4_prefixes[:1], now_ns=world.now_ns
            )
        )
    run(world, 13)


def put_on(world, number):
    enis = attached(world)
    if enis:
        eni = enis[number % len(enis)]
        world.foreign(lambda model: model.assign_private_ip_addresses(eni.eni_id, secondary_ip_count=1, now_ns=world.now_ns))
    run(world, 13)


def attach_other(world, managed):
    tags = ((INSTANCE_TAG, world.node.instance_id),) if managed else ((NO_MANAGE_TAG, "true"),)
    world.foreign(lambda model: attach(model, world, tags))
    run(world, 13)


STEPS = {"come": come, "go": go, "run": run, "take away": take_away, "take off": take_off, "put on": put_on, "attach": attach_other}


def agrees(world):
    """Assert that gauges are what a plain recount finds, and that counters are the events, counted."""
    found = world.values()
    stores, now_ns = world.node.datastores, world.now_ns
    networks = {(store, eni_id): [*map(ipaddress.ip_network, store.cidrs(eni_id))] for store in stores for eni_id in store.eni_ids}
    held = [ipaddress.ip_address(assignment.address) for store in stores for _, assignment in store.assignments()]
    everywhere = [network for of_eni in networks.values() for network in of_eni]
    views = [world.node.view(now_ns, store.network_card) for store in stores]
    eni_max = sum(view.eni_limit - view.unmanaged_eni_count for view in views)
    assert found["awscni_eni_allocated"] == len(networks) <= found["awscni_eni_max"] == eni_max
    assert found["awscni_total_ip_addresses"] == sum(network.num_addresses for network in everywhere) <= found["awscni_ip_max"]
    assert found["awscni_total_ipv4_prefixes"] == sum(network.prefixlen == 28 for network in everywhere)
    assert found["awscni_assigned_ip_addresses"] == len(held)
    assert found["awscni_assigned_ip_per_eni"] == {
        eni_id: sum(address in network for address in held for network in of_eni) for (_, eni_id), of_eni in networks.items()
    }
    if everywhere:
        assert found["awscni_assigned_ip_per_cidr"] == {str(each): sum(address in each for address in held) for each in everywhere}
    assert found["vpcipam_cooling_ip_addresses"] == sum(view.stats.cooling_count for view in views)

    kinds = Counter(map(type, world.seen))
    assert found["awscni_no_available_ip_addresses"] == kinds[AssignRefused]
    assert (
        found["awscni_add_ip_req_count"]
        == sum(event.picked for event in world.seen if type(event) is AddressAssigned) + kinds[AssignRefused]
    )
    assert found["awscni_del_ip_req_count"]["PodDeleted"] == kinds[AddressUnassigned]
    assert found["awscni_force_removed_ips"] == kinds[SandboxEvicted]
    assert found["awscni_force_removed_enis"] == sum(event.evicted_count > 0 for event in world.seen if type(event) is EniRemoved)
    assert len(held) == kinds[AddressAssigned] - kinds[AddressUnassigned] - kinds[SandboxEvicted]
    assert found["awscni_ec2api_req_count"] == world.calls()
    actions = [event for event in world.seen if type(event) is Action]
    later = [each for each in actions if each.reason != "attached when the node started"]
    assert found["awscni_reconcile_count"] == {
        "eniReconcileAdd": sum(each.kind == "adopt-eni" for each in later),
        "eniReconcileDel": sum(each.kind == "drop-eni" for each in later),
        "eniDataStorePoolReconcileAdd": sum(len(each.cidrs) for each in later if each.kind == "adopt-cidrs"),
        "eniIPPoolReconcileDel": sum(len(each.cidrs) for each in later if each.kind == "drop-cidrs"),
    }
    refused = Counter(each.kind for each in actions if not each.done)
    out = sum(each.out_of_addresses for each in actions if each.kind == "create-eni")
    failed = found["awscni_ipamd_error_count"]
    assert failed["increaseIPPoolAllocENI"] == refused["create-eni"]
    assert failed["increaseIPPoolAllocIPAddressesFailed"] == refused["add-cidrs"] + out
    assert failed["decreaseIPPoolFreeENIFailed"] == refused["free-eni"]
    assert failed["reconcileFailedGetENIs"] <= refused["reconcile"]
