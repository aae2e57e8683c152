"""What one node costs: ticks, `next_wakeup` and requests to EC2, on an m5.xlarge with 30 pods and the model of EC2."""

from collections.abc import Callable
from time import process_time_ns

from vpcipam.ec2.model import Ec2Model
from vpcipam.node import Node
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings

S = 1_000_000_000
NS_PER_MS = 1_000_000
PODS = 30
IP_TARGETS = {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "20"}


class Settled:
    """A node that has had 30 pods for five minutes, and the present time."""

    def __init__(self, variables: dict[str, str]) -> None:
        ec2 = Ec2Model()
        subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/20")
        self.node = Node("m5.xlarge", Settings().with_variables(variables), ec2, subnet_id=subnet.subnet_id)
        self.node.start(0)
        self.now_ns = 0
        for number in range(PODS):
            self.node.assign(key(number), self.now_ns)
            self.later(5)
        for _ in range(60):
            self.later(5)

    def later(self, seconds: int) -> None:
        """Tick some seconds later."""
        self.now_ns += seconds * S
        self.node.tick(self.now_ns)

    def assign_and_unassign(self) -> None:
        """Let one pod go and another come, without a tick."""
        self.node.unassign(key(0), self.now_ns)
        self.node.assign(key(0), self.now_ns)

    def one_more(self) -> None:
        """Let a pod come and go, and EC2 give an address and take it back: with IP targets, each of the two ticks asks EC2."""
        self.node.assign(key(PODS), self.now_ns)
        self.later(5)
        self.node.unassign(key(PODS), self.now_ns)
        self.later(35)


def key(number: int) -> SandboxKey:
    return SandboxKey("aws-cni", f"c{number}", "eth0")


def waiting_surplus() -> Settled:
    """A node with one address too many, which it may release only 30 s after the last one."""
    settled = Settled(IP_TARGETS)
    settled.node.unassign(key(3), settled.now_ns)
    settled.later(5)
    settled.node.unassign(key(4), settled.now_ns)
    settled.now_ns += 5 * S
    return settled


def workloads() -> dict[str, Callable[[], object]]:
    """The workloads, by what a report calls them. The first one is what the others are compared with."""
    busy, calm, targets, surplus = Settled({"IP_COOLDOWN_PERIOD": "0"}), Settled({}), Settled(IP_TARGETS), waiting_surplus()
    return {
        "assign + unassign": busy.assign_and_unassign,
        "tick, nothing to do": lambda: calm.node.tick(calm.now_ns),
        "next_wakeup, nothing to do": lambda: calm.node.next_wakeup(calm.now_ns, include_reconcile=False),
        "tick, a surplus waits": lambda: surplus.node.tick(surplus.now_ns),
        "next_wakeup, a surplus waits": lambda: surplus.node.next_wakeup(surplus.now_ns, include_reconcile=False),
        "reconcile, no difference": lambda: calm.node.reconcile(calm.now_ns),
        "an address from EC2 and back": targets.one_more,
    }


def time_node(workload: Callable[[], object], *, rounds: int = 50, round_ns: int = NS_PER_MS) -> float:
    """Return the nanoseconds of one call: the least of some rounds, which other programs have disturbed least.

    A round lasts `round_ns` or longer, so that reading the clock, which takes as long as some workloads, does not count.
    """
    count = 1
    while time_round(workload, count) < round_ns:
        count *= 2
    return min(time_round(workload, count) for _ in range(rounds)) / count


def time_round(workload: Callable[[], object], count: int) -> int:
    """Return the nanoseconds of CPU time of some calls."""
    begin_ns = process_time_ns()
    for _ in range(count):
        workload()
    return process_time_ns() - begin_ns
