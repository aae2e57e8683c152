"""The model under conditions: throttling, latency, lag and faults."""

import contextlib
from itertools import pairwise

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam._units import NS_PER_S
from vpcipam.ec2.actions.base import Views
from vpcipam.ec2.api import Ec2Error, ErrorCode, NetworkInterface
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import NODE_ACTIONS, Crash, Effect, Fault, Faults, TakenAddress
from vpcipam.ec2.latency import Latencies, Latency
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.errors import InvalidArgument, InvalidCidr
from vpcipam.limits import InstanceLimits

NITRO = InstanceLimits(instance_type="nitro.test", eni_limit=3, ipv4_per_eni=4, ipv6_per_eni=2)


def stage(conditions=None):
    """A model with a VPC, a subnet and an instance, all created at time 0."""
    ec2 = Ec2Model(conditions=conditions)
    vpc = ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56")
    subnet = ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24", ipv6_cidr="2001:db8::/64")
    instance = ec2.launch_instance(NITRO, subnet.subnet_id, now_ns=0)
    return ec2, subnet.subnet_id, instance.instance_id


def snapshot(ec2):
    """The true state, which only an administrator sees."""
    return ec2.vpcs, ec2.subnets, ec2.instances, tuple(eni.view() for eni in ec2._account.enis.values())


# --- no conditions -------------------------------------------------------------------------------------------------------


def test_without_conditions_calls_take_no_time_and_have_no_limit():
    ec2, subnet_id, _ = stage()
    for _ in range(150):
        ec2.describe_subnets(subnet_ids=[subnet_id], now_ns=0)
    assert (ec2.elapsed_ns, ec2.throttled_counts, ec2.fault_counts, ec2.tokens("DescribeSubnets", 0)) == (0, {}, {}, None)


def test_default_conditions_equal_no_conditions():
    ec2, _, instance_id = stage(Conditions())
    plain, _, _ = stage()
    assert snapshot(ec2) == snapshot(plain)
    assert ec2.instance_metadata(instance_id, now_ns=0) == plain.instance_metadata(instance_id, now_ns=0)
    assert (ec2.elapsed_ns, ec2.throttled_counts, ec2.fault_counts, ec2.tokens("DescribeSubnets", 0)) == (0, {}, {}, None)


@pytest.mark.parametrize("field", ["describe_lag_ns", "metadata_lag_ns"])
def test_a_negative_lag_is_refused(field):
    with pytest.raises(InvalidArgument, match=f"{field} must be 0 or more"):
        Conditions(**{field: -1})


# --- throttling ----------------------------------------------------------------------------------------------------------


def test_a_call_beyond_the_bucket_is_refused_and_counted_and_changes_nothing():
    ec2, subnet_id, _ = stage(Conditions(Throttle(actions={"CreateNetworkInterface": TokenBucket(1, 1)})))
    ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    before = snapshot(ec2)
    assert ec2.tokens("CreateNetworkInterface", 0) == 0
    with pytest.raises(Ec2Error, match="CreateNetworkInterface: RequestLimitExceeded") as caught:
        ec2.create_network_interface(subnet_id=subnet_id, now_ns=NS_PER_S - 1)
    assert caught.value.code == ErrorCode.REQUEST_LIMIT_EXCEEDED
    assert snapshot(ec2) == before
    assert ec2.call_counts["CreateNetworkInterface"] == 2
    assert ec2.throttled_counts == {"CreateNetworkInterface": 1}
    ec2.create_network_interface(subnet_id=subnet_id, now_ns=NS_PER_S)


def test_a_call_refused_for_another_reason_uses_a_token():
    ec2, _, _ = stage(Conditions(Throttle()))
    with pytest.raises(Ec2Error, match=r"InvalidSubnetID\.NotFound"):
        ec2.create_network_interface(subnet_id="subnet-none", now_ns=0)
    assert ec2.tokens("CreateNetworkInterface", 0) == 99


def test_describing_without_a_filter_uses_the_smaller_bucket():
    ec2, _, instance_id = stage(Conditions(Throttle()))
    eni_id = ec2.instances[0].network_interfaces[0].eni_id
    ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=0)
    ec2.describe_network_interfaces(instance_id=instance_id, now_ns=0)
    ec2.describe_instance(instance_id, now_ns=0)
    assert ec2.tokens("DescribeNetworkInterfaces", 0, filtered=False) == 49
    assert ec2.tokens("DescribeNetworkInterfaces", 0) == 99
    assert ec2.tokens("DescribeInstances", 0, filtered=False) == 49


def test_metadata_is_never_throttled():
    ec2, _, instance_id = stage(Conditions(Throttle(shared=TokenBucket(3, 1))))
    for _ in range(20):
        ec2.instance_metadata(instance_id, now_ns=0)
    assert ec2.throttled_counts == {}


# --- time ----------------------------------------------------------------------------------------------------------------


def test_the_time_of_all_calls_adds_up():
    latencies = Latencies(
        mutating=Latency.fixed(100), non_mutating=Latency.fixed(10), metadata=Latency.fixed(1), throttled=Latency.fixed(7)
    )
    ec2, subnet_id, instance_id = stage(Conditions(Throttle(non_mutating=TokenBucket(1, 1)), latencies))
    begin_ns = ec2.elapsed_ns
    assert begin_ns == 300
    ec2.instance_metadata(instance_id, now_ns=0)
    ec2.describe_subnets(now_ns=0)
    with pytest.raises(Ec2Error):
        ec2.describe_subnets(now_ns=0)
    with pytest.raises(Ec2Error):
        ec2.attach_network_interface("eni-none", instance_id, device_index=1, now_ns=0)
    ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    assert ec2.elapsed_ns - begin_ns == 1 + 10 + 7 + 100 + 100


def test_a_typical_attach_takes_about_a_second_and_an_assign_well_under_one():
    ec2, subnet_id, instance_id = stage(Conditions.typical(seed=3))
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    times_ns = [ec2.elapsed_ns]
    ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)
    times_ns.append(ec2.elapsed_ns)
    for _ in range(3):
        ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=1, now_ns=0)
        times_ns.append(ec2.elapsed_ns)
    ec2.instance_metadata(instance_id, now_ns=2 * NS_PER_S)
    times_ns.append(ec2.elapsed_ns)
    attach_ns, *assigns_ns, metadata_ns = (after_ns - before_ns for before_ns, after_ns in pairwise(times_ns))
    assert NS_PER_S // 2 < attach_ns < 6 * NS_PER_S
    assert NS_PER_S // 10 < sorted(assigns_ns)[1] < NS_PER_S // 2
    assert metadata_ns < NS_PER_S // 100


# --- eventual consistency ------------------------------------------------------------------------------------------------


def test_a_new_eni_can_be_used_before_it_is_described():
    ec2, subnet_id, instance_id = stage(Conditions(describe_lag_ns=10))
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=100).eni_id
    ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=105)
    with pytest.raises(Ec2Error, match=r"DescribeNetworkInterfaces: InvalidNetworkInterfaceID\.NotFound"):
        ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=109)
    (seen,) = ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=110)
    assert (seen.status, seen.attachment) == ("available", None)
    (seen,) = ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=115)
    assert seen.status == "in-use"


def test_a_deleted_eni_is_described_until_the_lag_is_over():
    ec2, subnet_id, _ = stage(Conditions(describe_lag_ns=10))
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    ec2.delete_network_interface(eni_id, now_ns=100)
    assert [eni.eni_id for eni in ec2.describe_network_interfaces(eni_ids=[eni_id], now_ns=109)] == [eni_id]
    with pytest.raises(Ec2Error, match="NotFound"):
        ec2.delete_network_interface(eni_id, now_ns=109)
    assert eni_id not in [eni.eni_id for eni in ec2.describe_network_interfaces(now_ns=110)]


def test_metadata_has_its_own_lag():
    ec2, subnet_id, instance_id = stage(Conditions(metadata_lag_ns=10))
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=100).eni_id
    ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=100)
    assert [len(ec2.instance_metadata(instance_id, now_ns=now_ns)) for now_ns in (109, 110)] == [1, 2]
    assert len(ec2.describe_network_interfaces(instance_id=instance_id, now_ns=100)) == 2


def test_a_new_instance_and_a_terminated_one_lag_too():
    ec2, subnet_id, first_id = stage(Conditions(describe_lag_ns=10, metadata_lag_ns=20))
    second_id = ec2.launch_instance(NITRO, subnet_id, now_ns=100).instance_id
    with pytest.raises(Ec2Error, match=r"InvalidInstanceID\.NotFound"):
        ec2.describe_instance(second_id, now_ns=109)
    with pytest.raises(Ec2Error, match=r"InvalidInstanceID\.NotFound"):
        ec2.instance_metadata(second_id, now_ns=119)
    assert ec2.describe_network_interfaces(instance_id=second_id, now_ns=109) == ()
    assert ec2.describe_instance(second_id, now_ns=110).instance_id == second_id
    ec2.terminate_instance(first_id, now_ns=200)
    assert ec2.describe_instance(first_id, now_ns=209).instance_id == first_id
    with pytest.raises(Ec2Error, match=r"InvalidInstanceID\.NotFound"):
        ec2.describe_instance(first_id, now_ns=210)


def test_a_detached_eni_is_shown_on_its_instance_until_the_lag_is_over():
    ec2, subnet_id, instance_id = stage(Conditions(describe_lag_ns=10, metadata_lag_ns=20))
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    attachment_id = ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=0)
    ec2.detach_network_interface(attachment_id, now_ns=100)
    described = [len(ec2.describe_instance(instance_id, now_ns=now_ns).network_interfaces) for now_ns in (109, 110)]
    shown = [len(ec2.instance_metadata(instance_id, now_ns=now_ns)) for now_ns in (119, 120)]
    assert described == shown == [2, 1]
    ec2._check()


def test_the_available_count_of_a_subnet_lags():
    ec2, subnet_id, _ = stage(Conditions(describe_lag_ns=10))
    ec2.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=2, now_ns=100)

    def free_count(now_ns):
        (subnet,) = ec2.describe_subnets(subnet_ids=[subnet_id], now_ns=now_ns)
        return subnet.available_ip_address_count

    assert [free_count(now_ns) for now_ns in (109, 110)] == [250, 250 - 33]


class Lockstep:
    """A model with a lag and one without, and what the latter showed after each change."""

    def __init__(self, conditions):
        self.conditions = conditions
        self.late, self.subnet_id, _ = stage(conditions)
        self.truth, _, _ = stage()
        self.shown = [(0, self.look())]

    def look(self):
        enis = {eni.eni_id: eni for eni in self.truth.describe_network_interfaces(now_ns=0)}
        instances = {instance.instance_id: instance for instance in self.truth.instances}
        subnets = {subnet.subnet_id: subnet for subnet in self.truth.subnets}
        return enis, instances, subnets

    def at(self, time_ns):
        return next((look for at_ns, look in reversed(self.shown) if at_ns <= time_ns), ({}, {}, {}))

    def change(self, now_ns, act, first, second):
        answers = []
        for ec2 in (self.late, self.truth):
            try:
                answers.append(act(ec2, now_ns, first, second))
            except Ec2Error as error:
                answers.append((error.code, error.action))
        assert answers[0] == answers[1]
        self.late._check()
        self.shown.append((now_ns, self.look()))

    def compare(self, now_ns):
        enis, instances, subnets = self.at(now_ns - self.conditions.describe_lag_ns)
        assert self.late.describe_network_interfaces(now_ns=now_ns) == tuple(enis.values())
        assert self.late.describe_subnets(now_ns=now_ns) == tuple(subnets.values())
        for instance in self.shown[-1][1][1].keys() | instances.keys():
            attached = sorted(instances[instance].network_interfaces, key=lambda eni: eni.eni_id) if instance in instances else []
            assert self.late.describe_network_interfaces(instance_id=instance, now_ns=now_ns) == tuple(attached)
        _, instances, _ = self.at(now_ns - self.conditions.metadata_lag_ns)
        for instance_id, instance in instances.items():
            enis = tuple(attrs.evolve(eni, tags=()) for eni in instance.network_interfaces)
            assert self.late.instance_metadata(instance_id, now_ns=now_ns) == enis


def create(ec2, now_ns, first, second):
    tags = [("number", str(first))]
    return ec2.create_network_interface(subnet_id=ec2.subnets[0].subnet_id, secondary_ip_count=second % 3, tags=tags, now_ns=now_ns)


def create_subnet(ec2, now_ns, first, _):
    return ec2.create_subnet(ec2.vpcs[0].vpc_id, f"10.0.{2 + first}.0/28", now_ns=now_ns)


def delete_subnet(ec2, now_ns, first, _):
    _, *further = ec2.subnets
    return ec2.delete_subnet(further[first % len(further)].subnet_id if further else "subnet-none", now_ns=now_ns)


def launch(ec2, now_ns, first, _):
    return ec2.launch_instance(NITRO, ec2.subnets[first % len(ec2.subnets)].subnet_id, now_ns=now_ns)


def terminate(ec2, now_ns, first, _):
    return ec2.terminate_instance(picked_instance(ec2, first), now_ns=now_ns)


def attach(ec2, now_ns, first, second):
    eni = picked_eni(ec2, first, lambda eni: eni.attachment is None)
    return ec2.attach_network_interface(eni.eni_id, picked_instance(ec2, second), device_index=1 + first % 2, now_ns=now_ns)


def detach(ec2, now_ns, first, _):
    eni = picked_eni(ec2, first, lambda eni: eni.attachment is not None and eni.attachment.device_index > 0)
    return ec2.detach_network_interface(attachment_of(eni), now_ns=now_ns)


def modify(ec2, now_ns, first, second):
    eni = picked_eni(ec2, first)
    return ec2.modify_network_interface_attribute(
        eni.eni_id, attachment_id=attachment_of(eni), delete_on_termination=bool(second % 2), now_ns=now_ns
    )


def delete(ec2, now_ns, first, _):
    return ec2.delete_network_interface(picked_eni(ec2, first).eni_id, now_ns=now_ns)


def assign(ec2, now_ns, first, second):
    return ec2.assign_private_ip_addresses(picked_eni(ec2, first).eni_id, ipv4_prefix_count=1 + second % 2, now_ns=now_ns)


def assign_ipv6(ec2, now_ns, first, _):
    return ec2.assign_ipv6_addresses(picked_eni(ec2, first).eni_id, ipv6_prefix_count=1, now_ns=now_ns)


def unassign(ec2, now_ns, first, _):
    eni = picked_eni(ec2, first)
    return ec2.unassign_private_ip_addresses(eni.eni_id, addresses=eni.secondary_ips[:1], prefixes=eni.ipv4_prefixes[:1], now_ns=now_ns)


def picked_eni(ec2, number, fits=lambda _: True):
    enis = [eni.view() for eni in ec2._account.enis.values() if fits(eni)]
    return enis[number % len(enis)] if enis else NO_ENI


def picked_instance(ec2, number):
    return ec2.instances[number % len(ec2.instances)].instance_id if ec2.instances else "i-none"


def attachment_of(eni):
    return "eni-attach-none" if eni.attachment is None else eni.attachment.attachment_id


# Each makes a change that picks what it works on by number: the same on any model in the same state.
ACTS = (create, attach, attach, detach, modify, delete, assign, assign_ipv6, unassign, launch, terminate, create_subnet, delete_subnet)
NO_ENI = NetworkInterface("eni-none", "subnet-none", "vpc-none", "us-east-1a", "10.0.0.4")
programs = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 9), st.integers(0, 9), st.integers(0, 8)), max_size=30)


@given(programs, st.integers(0, 20), st.integers(0, 20))
def test_every_answer_shows_exactly_the_state_a_lag_ago(program, describe_lag_ns, metadata_lag_ns):
    pair, now_ns = Lockstep(Conditions(describe_lag_ns=describe_lag_ns, metadata_lag_ns=metadata_lag_ns)), 0
    for act, first, second, pause_ns in program:
        now_ns += pause_ns
        pair.change(now_ns, act, first, second)
        pair.compare(now_ns)
    assert snapshot(pair.late) == snapshot(pair.truth)
    now_ns += 20
    pair.compare(now_ns)


def test_a_change_without_history_is_found():
    ec2, _, _ = stage(Conditions(describe_lag_ns=1))
    ec2._check()
    next(iter(ec2._account.enis.values())).secondary_ips.add(0)
    next(iter(ec2._account.enis.values()))._view = None
    with pytest.raises(AssertionError, match="the history misses a change"):
        ec2._interceptor.check()


def test_views_of_the_past_are_mappings_by_id():
    ec2, subnet_id, instance_id = stage(Conditions(describe_lag_ns=10))
    late_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=5).eni_id
    call = Call("DescribeAnything", 14)
    assert list(ec2._visible(call).subnets) == [subnet_id]
    assert list(ec2._visible(call).instances) == [instance_id]
    enis = ec2._visible(call).enis
    assert (len(enis), late_id in enis) == (1, False)
    assert late_id in ec2._visible(Call("DescribeAnything", 15)).enis
    assert dict(Views(ec2._account.vpcs)) == {vpc.vpc_id: vpc for vpc in ec2.vpcs}


def test_a_caller_with_an_earlier_clock_sees_the_state_at_its_own_time():
    ec2, subnet_id, _ = stage(Conditions(describe_lag_ns=10))
    for now_ns in (NS_PER_S, 2 * NS_PER_S):
        ec2.create_network_interface(subnet_id=subnet_id, now_ns=now_ns)
    seen = [len(ec2.describe_network_interfaces(now_ns=now_ns)) for now_ns in (2 * NS_PER_S + 10, NS_PER_S + 10, NS_PER_S + 9)]
    assert seen == [3, 2, 1]


# --- faults --------------------------------------------------------------------------------------------------------------


def prepared(conditions):
    """A model with what each mutating action needs: an attached ENI with addresses, and one that is not attached."""
    ec2, subnet_id, instance_id = stage(conditions)
    attached = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=1, now_ns=0)
    attachment_id = ec2.attach_network_interface(attached.eni_id, instance_id, device_index=1, now_ns=0)
    loose = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0)
    empty_vpc = ec2.create_vpc("10.1.0.0/16")
    empty_subnet = ec2.create_subnet(ec2.vpcs[0].vpc_id, "10.0.9.0/24")
    acts = {
        "CreateVpc": lambda: ec2.create_vpc("10.2.0.0/16", now_ns=1),
        "AssociateVpcCidrBlock": lambda: ec2.associate_vpc_cidr_block(empty_vpc.vpc_id, "100.64.0.0/16", now_ns=1),
        "DeleteVpc": lambda: ec2.delete_vpc(empty_vpc.vpc_id, now_ns=1),
        "CreateSubnet": lambda: ec2.create_subnet(empty_vpc.vpc_id, "10.1.1.0/24", now_ns=1),
        "DeleteSubnet": lambda: ec2.delete_subnet(empty_subnet.subnet_id, now_ns=1),
        "RunInstances": lambda: ec2.launch_instance(NITRO, subnet_id, now_ns=1),
        "TerminateInstances": lambda: ec2.terminate_instance(instance_id, now_ns=1),
        "CreateNetworkInterface": lambda: ec2.create_network_interface(subnet_id=subnet_id, now_ns=1),
        "AttachNetworkInterface": lambda: ec2.attach_network_interface(loose.eni_id, instance_id, device_index=2, now_ns=1),
        "ModifyNetworkInterfaceAttribute": lambda: ec2.modify_network_interface_attribute(
            attached.eni_id, attachment_id=attachment_id, delete_on_termination=True, now_ns=1
        ),
        "DetachNetworkInterface": lambda: ec2.detach_network_interface(attachment_id, now_ns=1),
        "DeleteNetworkInterface": lambda: ec2.delete_network_interface(loose.eni_id, now_ns=1),
        "AssignPrivateIpAddresses": lambda: ec2.assign_private_ip_addresses(loose.eni_id, secondary_ip_count=1, now_ns=1),
        "UnassignPrivateIpAddresses": lambda: ec2.unassign_private_ip_addresses(
            attached.eni_id, addresses=attached.secondary_ips, now_ns=1
        ),
        "AssignIpv6Addresses": lambda: ec2.assign_ipv6_addresses(loose.eni_id, ipv6_prefix_count=1, now_ns=1),
        "DescribeNetworkInterfaces": lambda: ec2.describe_network_interfaces(now_ns=1),
        "DescribeInstances": lambda: ec2.describe_instance(instance_id, now_ns=1),
        "DescribeSubnets": lambda: ec2.describe_subnets(now_ns=1),
        "InstanceMetadata": lambda: ec2.instance_metadata(instance_id, now_ns=1),
    }
    return ec2, acts


ACTIONS = tuple(prepared(None)[1])
READS = ("DescribeNetworkInterfaces", "DescribeInstances", "DescribeSubnets", "InstanceMetadata")


def struck(effect, action, **fault):
    """A model whose faults begin at time 1, and its state before and after the faulty action."""
    ec2, acts = prepared(Conditions(faults=Faults([Fault(effect, action, rate=1, from_ns=1, **fault)])))
    before = snapshot(ec2)
    with pytest.raises((Ec2Error, Crash)) as caught:
        acts[action]()
    ec2._check()
    return caught.value, before, snapshot(ec2)


def after(action):
    """The state after the action without a fault."""
    ec2, acts = prepared(None)
    acts[action]()
    return snapshot(ec2)


def test_every_action_of_a_node_is_tested_with_faults():
    assert set(NODE_ACTIONS) <= set(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_refusal_changes_nothing(action):
    error, before, now = struck("refuse", action, code="UnauthorizedOperation")
    assert (error.code, error.action) == ("UnauthorizedOperation", action)
    assert now == before


@pytest.mark.parametrize("action", ACTIONS)
def test_a_lost_answer_leaves_the_effect(action):
    error, before, now = struck("lose-answer", action)
    assert (error.code, error.action) == ("RequestTimeout", action)
    assert now == after(action)
    assert (now == before) == (action in READS)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_crash_before_an_action_changes_nothing(action):
    crash, before, now = struck("crash-before", action)
    assert (crash.action, crash.took_effect) == (action, False)
    assert now == before


@pytest.mark.parametrize("action", ACTIONS)
def test_a_crash_after_an_action_leaves_its_effect(action):
    crash, _, now = struck("crash-after", action)
    assert (crash.action, crash.took_effect) == (action, True)
    assert now == after(action)


def test_a_refusal_of_ec2_precedes_an_injected_fault():
    ec2, _, _ = stage(Conditions(faults=Faults([Fault("lose-answer", "DeleteNetworkInterface", nth=1)])))
    with pytest.raises(Ec2Error, match="NotFound"):
        ec2.delete_network_interface("eni-0", now_ns=0)
    ec2.create_vpc("10.9.0.0/16")  # its answer is not the one that was lost


def test_a_crash_between_create_and_attach_leaks_an_eni():
    ec2, subnet_id, _ = stage(Conditions(faults=Faults([Fault("crash-before", "AttachNetworkInterface", nth=1)])))
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
    with contextlib.suppress(Crash):
        ec2.attach_network_interface(eni_id, ec2.instances[0].instance_id, device_index=1, now_ns=0)
    (leaked,) = (eni for eni in ec2.describe_network_interfaces(now_ns=0) if eni.attachment is None)
    assert leaked.eni_id == eni_id
    ec2.attach_network_interface(eni_id, ec2.instances[0].instance_id, device_index=1, now_ns=0)


def test_a_throttled_call_has_no_other_fault():
    faults = Faults([Fault("refuse", "DescribeSubnets", nth=2, code="InternalError")])
    ec2, _, _ = stage(Conditions(Throttle(non_mutating=TokenBucket(1, 1)), faults=faults))
    ec2.describe_subnets(now_ns=0)
    with pytest.raises(Ec2Error, match="RequestLimitExceeded"):
        ec2.describe_subnets(now_ns=0)
    with pytest.raises(Ec2Error, match="InternalError"):
        ec2.describe_subnets(now_ns=NS_PER_S)
    assert ec2.fault_counts == {"refuse": 1}


# --- wrong metadata ------------------------------------------------------------------------------------------------------


def metadata_stage(effect, **fault):
    """An instance with three ENIs, the second of which has a secondary IP and the third a /28 and two /80s; its reads have the fault."""
    ec2, subnet_id, instance_id = stage(Conditions(faults=Faults([Fault(effect, **fault)], seed=5)))
    for index, wanted in ((1, {"secondary_ip_count": 2}), (2, {"ipv4_prefix_count": 1, "ipv6_prefix_count": 2})):
        eni = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0, **wanted)
        ec2.attach_network_interface(eni.eni_id, instance_id, device_index=index, now_ns=0)
    return ec2, instance_id


def slots(eni):
    return {*eni.secondary_ips, *eni.ipv4_prefixes, *eni.ipv6_addresses, *eni.ipv6_prefixes}


def test_an_eni_is_missing_from_one_answer_but_never_the_primary_one():
    ec2, instance_id = metadata_stage("hide-eni", rate=1)
    enis = ec2.instances[0].network_interfaces
    seen = {tuple(eni.eni_id for eni in ec2.instance_metadata(instance_id, now_ns=0)) for _ in range(40)}
    assert seen == {(enis[0].eni_id, enis[1].eni_id), (enis[0].eni_id, enis[2].eni_id)}


def test_the_next_answer_is_complete():
    ec2, instance_id = metadata_stage("hide-eni", nth=2)
    assert [len(ec2.instance_metadata(instance_id, now_ns=0)) for _ in range(3)] == [3, 2, 3]


def test_some_addresses_of_one_eni_are_missing_from_one_answer():
    ec2, instance_id = metadata_stage("hide-addresses", rate=1)
    whole = ec2.instances[0].network_interfaces
    hidden = set()
    for _ in range(60):
        enis = ec2.instance_metadata(instance_id, now_ns=0)
        assert [attrs.evolve(eni, **dict.fromkeys(("secondary_ips", "ipv4_prefixes", "ipv6_prefixes"), ())) for eni in enis] == [
            attrs.evolve(eni, **dict.fromkeys(("secondary_ips", "ipv4_prefixes", "ipv6_prefixes"), ())) for eni in whole
        ]
        missing = [slots(full) - slots(eni) for eni, full in zip(enis, whole, strict=True)]
        assert sum(map(bool, missing)) == 1
        hidden |= set.union(*missing)
    assert hidden == set.union(*map(slots, whole))
    ec2._check()


def test_an_answer_with_nothing_to_omit_is_complete():
    for effect in ("hide-eni", "hide-addresses"):
        ec2, _, instance_id = stage(Conditions(faults=Faults([Fault(effect, rate=1)])))
        assert ec2.instance_metadata(instance_id, now_ns=0) == ec2.instances[0].network_interfaces


def test_a_repeated_answer_is_the_previous_one():
    ec2, subnet_id, instance_id = stage(Conditions(faults=Faults([Fault("repeat-answer", rate=1, from_ns=10)])))
    assert len(ec2.instance_metadata(instance_id, now_ns=0)) == 1
    eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=5).eni_id
    ec2.attach_network_interface(eni_id, instance_id, device_index=1, now_ns=5)
    assert len(ec2.instance_metadata(instance_id, now_ns=10)) == 1
    assert len(ec2.instance_metadata(instance_id, now_ns=9)) == 2


def test_the_first_answer_is_never_a_repeated_one():
    ec2, _, instance_id = stage(Conditions(faults=Faults([Fault("repeat-answer", rate=1)])))
    assert len(ec2.instance_metadata(instance_id, now_ns=0)) == 1


# --- addresses taken away ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "field", "cidr"),
    [
        ({"secondary_ip_count": 2}, "secondary_ips", "10.0.1.6"),
        ({"secondary_ip_count": 2}, "secondary_ips", "10.0.1.6/32"),
        ({"ipv4_prefix_count": 2}, "ipv4_prefixes", "10.0.1.16/28"),
        ({"ipv6_prefix_count": 2}, "ipv6_prefixes", "2001:db8:0:0:1::/80"),
    ],
)
def test_an_address_is_taken_at_its_time(wanted, field, cidr):
    taken = TakenAddress("eni-00000000000000002", cidr, 50)
    ec2, subnet_id, _ = stage(Conditions(faults=Faults(taken=[taken])))
    eni = ec2.create_network_interface(subnet_id=subnet_id, **wanted, now_ns=0)
    assert ec2.describe_network_interfaces(eni_ids=[eni.eni_id], now_ns=49) == (eni,)
    (left,) = ec2.describe_network_interfaces(eni_ids=[eni.eni_id], now_ns=50)
    assert set(getattr(eni, field)) - set(getattr(left, field)) == {cidr.removesuffix("/32")}
    ec2._check()
    # It is free: the next one gets it.
    again = ec2.create_network_interface(subnet_id=subnet_id, **wanted, now_ns=51)
    assert cidr.removesuffix("/32") in {again.private_ip, *slots(again)}


def test_an_address_taken_late_is_dated_when_it_was_taken():
    taken = TakenAddress("eni-00000000000000002", "10.0.1.6", 50)
    ec2, subnet_id, _ = stage(Conditions(faults=Faults(taken=[taken]), describe_lag_ns=10))
    eni = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=1, now_ns=0)
    ec2.describe_subnets(now_ns=100)
    (before,), (then,) = (ec2.describe_network_interfaces(eni_ids=[eni.eni_id], now_ns=now_ns) for now_ns in (59, 60))
    assert (before.secondary_ips, then.secondary_ips) == (("10.0.1.6",), ())


@pytest.mark.parametrize("cidr", ["10.0.1.4", "10.0.1.200", "10.0.1.16/28", "10.0.1.0/24"])
def test_taking_an_address_that_the_eni_does_not_have_does_nothing(cidr):
    taken = [TakenAddress("eni-00000000000000002", cidr, 50), TakenAddress("eni-none", "10.0.1.6", 50)]
    ec2, subnet_id, _ = stage(Conditions(faults=Faults(taken=taken)))
    eni = ec2.create_network_interface(subnet_id=subnet_id, secondary_ip_count=1, now_ns=0)
    assert eni.private_ip == "10.0.1.5"
    assert ec2.describe_network_interfaces(eni_ids=[eni.eni_id], now_ns=50) == (eni,)


def test_taking_an_invalid_address_is_refused():
    with pytest.raises(InvalidCidr):
        TakenAddress("eni-1", "10.0.1.3/28", 0)
    taken = TakenAddress("eni-1", "10.0.1.3", 0)
    assert attrs.evolve(taken, at_ns=1).cidr == taken.cidr


def test_a_fault_takes_an_address_of_some_attached_eni():
    ec2, acts = prepared(Conditions(faults=Faults([Fault("take-address", "DescribeInstances", nth=1)])))
    (full,) = (eni for eni in ec2.instances[0].network_interfaces if eni.secondary_ips)
    shown = acts["DescribeInstances"]()
    assert all(not slots(eni) for eni in shown.network_interfaces)
    assert ec2.subnets[0].available_ip_address_count == 251 - 3
    assert len(full.secondary_ips) == 1
    assert ec2.fault_counts == {"take-address": 1}
    ec2._check()


def test_no_address_is_taken_when_no_eni_has_a_secondary_ip():
    ec2, _, instance_id = stage(Conditions(faults=Faults([Fault("take-address", rate=1)])))
    before = snapshot(ec2)
    ec2.describe_instance(instance_id, now_ns=0)
    assert snapshot(ec2) == before


# --- all of it -----------------------------------------------------------------------------------------------------------


def run(program, conditions):
    """Run a program, and return everything it showed."""
    ec2, _, _ = stage(conditions)
    log, now_ns = [], 0
    for act, first, second, pause in program:
        now_ns += pause * NS_PER_S // 4
        try:
            log.append(act(ec2, now_ns, first, second))
            log.extend(ec2.instance_metadata(instance.instance_id, now_ns=now_ns) for instance in ec2.instances)
            log.append(ec2.describe_network_interfaces(now_ns=now_ns))
        except (Ec2Error, Crash) as error:
            log.append(str(error))
        ec2._check()
        log.append((ec2.elapsed_ns, ec2.tokens("AttachNetworkInterface", now_ns)))
    return log, snapshot(ec2), ec2.call_counts, ec2.throttled_counts, ec2.fault_counts


@given(programs, st.integers(0, 2**64), st.dictionaries(st.sampled_from(Effect), st.sampled_from([0.05, 0.3, 1])))
def test_the_model_is_consistent_and_deterministic_under_any_faults(program, seed, rates):
    conditions = attrs.evolve(
        Conditions.typical(seed, faults=Faults.random(seed, rates)), throttle=Throttle(actions={}, mutating=TokenBucket(6, 2))
    )
    assert run(program, conditions) == run(program, conditions)


def test_conditions_can_be_set_after_the_setup():
    ec2 = Ec2Model()
    vpc = ec2.create_vpc("10.0.0.0/16")
    subnet = ec2.create_subnet(vpc.vpc_id, "10.0.0.0/24")
    ec2.set_conditions(Conditions(Throttle(actions={"CreateNetworkInterface": TokenBucket(1, 1)})))
    ec2.create_network_interface(subnet_id=subnet.subnet_id, now_ns=0)
    with pytest.raises(Ec2Error, match="RequestLimitExceeded"):
        ec2.create_network_interface(subnet_id=subnet.subnet_id, now_ns=0)
    ec2.set_conditions(None)
    ec2.create_network_interface(subnet_id=subnet.subnet_id, now_ns=0)


def test_a_lag_cannot_be_set_after_changes_without_history():
    ec2 = Ec2Model()
    ec2.set_conditions(Conditions(describe_lag_ns=1))  # nothing is there yet
    ec2.create_vpc("10.0.0.0/16")
    with pytest.raises(InvalidArgument, match="need the history from the start"):
        ec2.set_conditions(Conditions(metadata_lag_ns=1))
