"""Fleets to time: nodes with warm pools, and pods that come and go at a steady fill."""

import heapq
import random
from time import perf_counter_ns

from vpcipam.fleet.engine import Fleet
from vpcipam.fleet.ledger import Ledger
from vpcipam.fleet.scenario import NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.workload import FixedWorkload, PodRun
from vpcipam.settings import Settings

S = 1_000_000_000
LIFETIME_S = 600
SETTLED_NS = 660 * S
PODS_PER_NODE = 20
NODES_PER_SUBNET = 1500


AS_SHIPPED = Settings()


def churn(node_count: int, pod_count: int, *, seed: int = 1, settings: Settings = AS_SHIPPED) -> Scenario:
    """Make a scenario: m5.large nodes with 20 pods each; from minute 10 on, pods come and go at the same rate."""
    chance = random.Random(seed)
    live = node_count * PODS_PER_NODE
    begin_ns = 600 * S
    runs = [
        PodRun(f"s-{number}", 60 * S + number * 120 * S // live, begin_ns + int(chance.random() * LIFETIME_S * S)) for number in range(live)
    ]
    gap_ns = LIFETIME_S * S / live
    for number in range(pod_count):
        created_ns = begin_ns + int(number * gap_ns)
        runs.append(PodRun(f"c-{number}", created_ns, created_ns + 1 + int(2 * chance.random() * LIFETIME_S * S)))
    duration_ns = begin_ns + int(pod_count * gap_ns)
    subnets = tuple(SubnetSpec(f"s{number}", f"10.{number}.0.0/16") for number in range(max(1, -(-node_count // NODES_PER_SUBNET))))
    group = NodeGroup("w", "m5.large", node_count, settings, tuple(subnet.name for subnet in subnets), node_count, node_count)
    return Scenario(
        "churn",
        duration_ns,
        subnets,
        (group,),
        FixedWorkload(tuple(runs)),
        tuple(subnet.cidr for subnet in subnets),
        sample_ns=max(S, duration_ns // 20),
    )


def time_fleet(scenario: Scenario, *, tickless: bool = True) -> tuple[float, Fleet]:
    """Run a fleet; return the nanoseconds per pod event, and the fleet.

    The cost is measured in the second half of the run, when the fleet has settled. An event's share of preparing the pods is added; a pod
    has two events.
    """
    pods = scenario.workload.pods(scenario.seed, scenario.duration_ns)
    begin_ns = perf_counter_ns()
    ledger = Ledger(pods)
    prepared_ns = (perf_counter_ns() - begin_ns) / (2 * len(pods))
    del ledger
    fleet = Fleet(scenario, tickless=tickless)
    marks = [(perf_counter_ns(), fleet.ledger.arrived_count + fleet.ledger.deleted_count) for now_ns in fleet.run() if now_ns >= SETTLED_NS]
    (begin_ns, before), (end_ns, after) = marks[len(marks) // 2], marks[-1]
    return prepared_ns + (end_ns - begin_ns) / (after - before), fleet


def time_floor(pending: int, steps: int) -> float:
    """Return the nanoseconds of heappush + heappop + dict set + dict pop, the least work per event in Python, with `pending` events."""
    chance = random.Random(1)
    heap = [(chance.random(), number) for number in range(pending)]
    heapq.heapify(heap)
    delays = [chance.random() for _ in range(steps)]
    homes: dict[int, float] = {}
    begin_ns = perf_counter_ns()
    for number, delay in enumerate(delays):
        heapq.heappush(heap, (heap[0][0] + delay, number))
        _, first = heapq.heappop(heap)
        homes[first] = delay
        homes.pop(first)
    return (perf_counter_ns() - begin_ns) / steps
