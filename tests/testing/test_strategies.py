"""The strategies generate what they say."""

import ipaddress

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from vpcipam.contracts import Crashed, first_violation
from vpcipam.ec2.faults import Faults
from vpcipam.errors import InvalidArgument
from vpcipam.fleet.scenario import NodeGroup, Scenario, SubnetSpec
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.settings import Settings
from vpcipam.testing import strategies


@given(strategies.instance_types(), strategies.instance_types(small=True))
def test_instance_types_are_known(one, small):
    assert isinstance(instance_limits(one), InstanceLimits)
    assert small in strategies.SMALL_TYPES


@given(strategies.variables(), strategies.node_settings())
def test_variables_are_valid(variables, settings):
    assert Settings().with_variables(variables).document == Settings().document
    assert isinstance(settings, Settings)


@given(strategies.wrong_variables())
def test_wrong_variables_get_a_diagnostic(variables):
    assert Settings.from_env(variables).diagnostics != ()


@given(strategies.cidrs(), strategies.prefixes(), strategies.prefixes("2001:db8::/64"))
def test_cidrs_are_in_their_network(cidr, prefix, ipv6_prefix):
    assert ipaddress.ip_network(cidr).subnet_of(ipaddress.ip_network("10.0.0.0/16"))
    assert ipaddress.ip_network(prefix).subnet_of(ipaddress.ip_network("10.0.0.0/24"))
    assert ipaddress.ip_network(ipv6_prefix).subnet_of(ipaddress.ip_network("2001:db8::/64"))
    assert (prefix[-3:], ipv6_prefix[-3:]) == ("/28", "/80")


@pytest.mark.parametrize("place", ["10.0.0.0/28", "10.0.0.240/28"])
def test_the_ends_of_a_network_are_likely(place):
    assert find(strategies.prefixes(), lambda prefix: prefix == place) == place


@given(strategies.subnets(), strategies.fault_plans(until_ns=5), strategies.lifetimes())
def test_worlds_are_valid(subnet, faults, lifetime):
    assert isinstance(subnet, SubnetSpec)
    assert isinstance(faults, Faults)
    assert faults.until_ns == 5
    assert hasattr(lifetime, "draw")


@given(strategies.workloads())
def test_workloads_make_pods(workload):
    assert len(workload.pods(0, 3600 * 10**9)) < 10_000


@given(strategies.scenarios())
def test_scenarios_are_valid(scenario):
    assert isinstance(scenario, Scenario)
    assert all(isinstance(group, NodeGroup) for group in scenario.groups)
    assert scenario.ec2.conditions(0).faults.faults == scenario.ec2.faults


@given(strategies.event_logs())
def test_event_logs_keep_the_promises(events):
    assert first_violation(events, cooldown_ns=30) is None


@given(st.sampled_from(strategies.BREAKABLE).flatmap(lambda promise: st.tuples(st.just(promise), strategies.event_logs(breaks=promise))))
def test_event_logs_break_a_promise_at_the_end(log):
    promise, events = log
    assert first_violation(events[:-1], cooldown_ns=30) is None
    assert first_violation(events, cooldown_ns=30).promise is promise


@pytest.mark.thorough
@pytest.mark.parametrize("promise", strategies.BREAKABLE)
def test_every_breakable_promise_is_broken_after_a_crash_and_with_all_addresses_held(promise):
    logs = strategies.event_logs(breaks=promise)

    def is_full(events):
        return sum(type(event).__name__ == "AssignReturned" for event in events) > 3 and any(isinstance(event, Crashed) for event in events)

    assert first_violation(find(logs, is_full), cooldown_ns=30).promise is promise


def test_other_promises_are_refused():
    with pytest.raises(InvalidArgument, match="limits"):
        find(strategies.event_logs(breaks="limits"), bool)
