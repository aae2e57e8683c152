"""The states of instances: calls on none, and what a lost answer of a launch holds."""

import pytest

from vpcipam.ec2.actions import instances
from vpcipam.ec2.api import ErrorCode, InstanceStateChange
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.errors import LostAnswer
from vpcipam.ec2.faults import Fault, Faults
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.state.launching import LaunchInterface


def test_a_call_on_no_instance_is_refused_as_ec2_does(ec2, refused):
    for call in (ec2.terminate_instances, ec2.stop_instances, ec2.start_instances, ec2.reboot_instances):
        with refused(ErrorCode.INVALID_PARAMETER_COMBINATION, "No instances specified$"):
            call([], now_ns=0)


@pytest.mark.parametrize(("least", "most", "count"), [(1, 10**9, 3), (3, 4, 3), (4, 4, None)])
def test_a_call_launches_a_bounded_number_of_instances(ec2, subnet_id, refused, monkeypatch, least, most, count):  # noqa: PLR0917 - fixtures
    monkeypatch.setattr(instances, "MOST_INSTANCES", 3)
    interfaces = [LaunchInterface(subnet_id=subnet_id)]
    if count is None:
        with refused(ErrorCode.INSTANCE_LIMIT_EXCEEDED, "more instances"):
            ec2.launch_instances("m5.large", interfaces, min_count=least, max_count=most, now_ns=0)
    else:
        assert len(ec2.launch_instances("m5.large", interfaces, min_count=least, max_count=most, now_ns=0)) == count


def test_a_launch_needs_an_interface(ec2, refused):
    with refused(ErrorCode.MISSING_PARAMETER, "NetworkInterface"):
        ec2.launch_instances("m5.large", [], now_ns=0)
    assert ec2.instances == ()


def test_a_change_of_state_tells_both(ec2, instance_id):
    assert ec2.stop_instances([instance_id, instance_id], now_ns=0) == (InstanceStateChange(instance_id, "running", "stopped"),)
    assert ec2.start_instances([instance_id], now_ns=0) == (InstanceStateChange(instance_id, "stopped", "running"),)
    assert ec2.terminate_instances([instance_id], now_ns=0) == (InstanceStateChange(instance_id, "running", "terminated"),)
    assert ec2.terminate_instances([instance_id], now_ns=1) == (InstanceStateChange(instance_id, "terminated", "terminated"),)


def test_the_lost_answer_of_a_launch_is_the_instance():
    ec2 = Ec2Model(conditions=Conditions(faults=Faults([Fault("lose-answer", "RunInstances", nth=1)])))
    subnet_id = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/24").subnet_id
    with pytest.raises(LostAnswer) as caught:
        ec2.launch_instance("m5.large", subnet_id, now_ns=0)
    assert caught.value.answer == ec2.instances[0]


def test_instances_that_are_no_longer_shown_are_forgotten(ec2, subnet_id, types):
    for hour in range(3):
        instance_id = ec2.launch_instance(types.nitro, subnet_id, now_ns=0).instance_id
        ec2.terminate_instances([instance_id], now_ns=hour * 3_600_000_000_000)
    assert list(ec2._account._terminated) == [instance_id]


@pytest.mark.parametrize(
    ("name", "running", "stopped"),
    [
        ("instance-state-code", "16", "80"),
        ("instance-status.status", "ok", "not-applicable"),
        ("system-status.status", "ok", "not-applicable"),
        ("instance-status.reachability", "passed", None),
        ("system-status.reachability", "passed", None),
    ],
)
def test_the_status_of_an_instance_is_that_of_its_state(ec2, instance_id, name, running, stopped):
    def shown(value):
        found = ec2.describe_instance_status(filters={name: [value]}, include_all_instances=True, now_ns=0)
        return [each.instance_id for each in found]

    assert shown(running) == [instance_id]
    ec2.stop_instances([instance_id], now_ns=0)
    assert shown(running) == []
    if stopped is not None:
        assert shown(stopped) == [instance_id]
