"""Every action that changes something, under throttling, latency and each fault: a model without conditions says what happens."""

import hypothesis.strategies as st
import pytest
from changes import CALLS, NITRO, World, changing_actions
from hypothesis import given

from vpcipam._units import NS_PER_S
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.errors import Ec2Error, LostAnswer
from vpcipam.ec2.faults import Crash, Fault, Faults
from vpcipam.ec2.latency import Latencies, Latency
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.throttle import Throttle, TokenBucket

LAG_NS = 5
INTERVAL_NS = 4
LATENCIES = Latencies(mutating=Latency.fixed(100), throttled=Latency.fixed(7))
TAKES_EFFECT = {None: True, "refuse": False, "lose-answer": True, "crash-before": False, "crash-after": True}


def ticking(now_ns=0):
    """A clock that moves on at every look, far enough for a full bucket and for every lag."""
    while True:
        now_ns += 10 * NS_PER_S
        yield now_ns


def world(conditions=None):
    times = ticking()
    return World(Ec2Model(conditions=conditions), lambda: next(times))


SETUP_COUNT = sum(world().ec2.call_counts.values())
numbers = st.integers(0, 9)
calls = st.tuples(st.sampled_from(sorted(CALLS)), numbers, numbers, st.sampled_from([*TAKES_EFFECT, None, None]), st.integers(0, 3))


def outcome(call):
    """The answer of a call, or the code with which EC2 refuses it."""
    try:
        return "answer", call()
    except Ec2Error as error:
        return "code", error.code


class Gate:
    """The gated world beside a free one, and a count of what should have happened at the gate."""

    def __init__(self, program):
        program = list(program)
        # Only calls that are let in count for a fault, so that the number of each follows from a run without faults.
        admitted = [effect for effect, is_in in zip((each[3] for each in program), self.let_in(program), strict=True) if is_in]
        faults = [
            Fault(effect, nth=SETUP_COUNT + number, code="InternalError") for number, effect in enumerate(admitted, start=1) if effect
        ]
        throttle = Throttle(actions={}, mutating=TokenBucket(1, 1, INTERVAL_NS))
        self.gated = world(Conditions(throttle, LATENCIES, describe_lag_ns=LAG_NS, faults=Faults(faults)))
        self.free = world()
        self.start_ns = 1000 * NS_PER_S
        self.elapsed_ns = self.gated.ec2.elapsed_ns
        self.attempts = dict(self.gated.ec2.call_counts)
        self.throttled = {}

    @staticmethod
    def let_in(program):
        """Whether each call finds a token: a bucket holds one, and gets the next an interval later."""
        latest, now_ns = {}, 0
        for action, _, _, _, pause_ns in program:
            now_ns += pause_ns
            is_in = action not in latest or now_ns - latest[action] >= INTERVAL_NS
            if is_in:
                latest[action] = now_ns
            yield is_in

    def expect(self, action, first, second, effect, now_ns):
        """Do to the free world what the call should do to the gated one, and check how the gated one answers."""
        if not TAKES_EFFECT[effect]:
            with pytest.raises(Crash if effect == "crash-before" else Ec2Error) as caught:
                self.gated.call(action, first, second, now_ns)
            assert caught.value.action == action
            assert getattr(caught.value, "code", "InternalError") == "InternalError"
            assert not getattr(caught.value, "took_effect", False)
            return
        kind, expected = outcome(lambda: self.free.call(action, first, second, now_ns))
        if kind == "code" or effect is None:
            assert outcome(lambda: self.gated.call(action, first, second, now_ns)) == (kind, expected)
            return
        with pytest.raises((LostAnswer, Crash)) as caught:
            self.gated.call(action, first, second, now_ns)
        assert isinstance(caught.value, Crash) == (effect == "crash-after")
        assert getattr(caught.value, "answer", expected) == expected
        assert getattr(caught.value, "took_effect", True)

    def run(self, program):
        now_ns = self.start_ns
        for (action, first, second, effect, pause_ns), is_in in zip(program, self.let_in(program), strict=True):
            now_ns += pause_ns
            if is_in:
                self.expect(action, first, second, effect, now_ns)
            else:
                assert outcome(lambda: self.gated.call(action, first, second, now_ns)) == ("code", "RequestLimitExceeded")  # noqa: B023
                self.throttled[action] = self.throttled.get(action, 0) + 1
            self.elapsed_ns += 100 if is_in else 7
            self.attempts[action] = self.attempts.get(action, 0) + 1
            self.compare()
        return now_ns

    def compare(self):
        ec2 = self.gated.ec2
        assert self.gated.show() == self.free.show()
        assert (ec2.call_counts, ec2.throttled_counts, ec2.elapsed_ns) == (self.attempts, self.throttled, self.elapsed_ns)
        ec2._check()


def test_every_action_that_changes_something_is_called_here():
    assert changing_actions() == set(CALLS)


@pytest.mark.parametrize("action", sorted(CALLS))
def test_the_calls_here_do_change_something(action):
    found = world()
    if action == "CreateDefaultSubnet":
        found.ec2.create_default_vpc(availability_zones=["us-east-1a"])
    if action == "StartInstances":
        found.ec2.stop_instances([each.instance_id for each in found.ec2.instances], now_ns=0)
    if action == "ModifyInstanceAttribute":  # of an instance with one ENI
        found.ec2.launch_instance(NITRO, found.ec2.subnets[0].subnet_id, now_ns=0)
    before = found.show()
    outcomes = {outcome(lambda: found.call(action, number, number, NS_PER_S))[0] for number in range(8)}  # noqa: B023
    assert outcomes == {"answer", "code"} or action in {"CreateVpc", "AllocateAddress"}
    assert found.show() != before or action == "RebootInstances"


@pytest.mark.parametrize("action", sorted(CALLS))
@pytest.mark.parametrize("effect", [None, *sorted(filter(None, TAKES_EFFECT))])
def test_each_action_takes_effect_once_or_not_at_all(action, effect):
    program = [(action, number, number, effect, INTERVAL_NS) for number in range(4)]
    Gate(program).run(program)


@given(st.lists(calls, max_size=25))
def test_a_call_takes_effect_once_or_not_at_all_whatever_becomes_of_its_answer(program):
    gate = Gate(program)
    end_ns = gate.run(program)
    now_ns = end_ns + LAG_NS
    assert gate.gated.ec2.describe_network_interfaces(now_ns=now_ns) == gate.free.ec2.describe_network_interfaces(now_ns=now_ns)
