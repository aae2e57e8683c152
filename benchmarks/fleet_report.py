"""Print the cost of a pod event in a fleet, its floor, and its cost with IP targets and when every node ticks every 5 s.

After that, print what a single node costs, in assigns and unassigns of the same run.

Usage: `python benchmarks/fleet_report.py [--rounds N] [--nodes N …]`.

Floors and fleets are timed in turn, round by round. Costs are medians of the rounds; a ratio compares costs of the same round.
"""
# ruff: noqa: T201 - it is a script, it prints

import argparse
import gc
import resource
import statistics

from fleet_workloads import PODS_PER_NODE, churn, time_fleet, time_floor
from node_workloads import IP_TARGETS, time_node, workloads

from vpcipam.fleet.loop import Member
from vpcipam.pool import USING_EXTENSION
from vpcipam.settings import Settings

EVENTS = 200_000


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nodes", type=int, nargs="+", default=[10, 1_000, 10_000])
    arguments = parser.parse_args()
    print(f"the {'compiled' if USING_EXTENSION else 'plain'} loop ({Member.__module__}); nanoseconds per pod event (arrival or deletion)")
    scenarios = {count: churn(count, max(EVENTS, count * PODS_PER_NODE * 5) // 2) for count in arguments.nodes}
    costs: dict[int, list[float]] = {count: [] for count in scenarios}
    floors: dict[int, list[float]] = {count: [] for count in scenarios}
    for _ in range(arguments.rounds):
        for count, scenario in scenarios.items():
            floors[count].append(time_floor(count * PODS_PER_NODE, EVENTS))
            gc.collect()
            costs[count].append(time_fleet(scenario)[0])
    for count in scenarios:
        ratio = statistics.median(cost / floor for cost, floor in zip(costs[count], floors[count], strict=True))
        cost, floor = statistics.median(costs[count]), statistics.median(floors[count])
        print(f"  {count:>6,} nodes {cost:>8,.0f} ns  {1e9 / cost:>9,.0f} a second   floor {floor:>6,.0f} ns   {ratio:.2f} ×")
    first, *others = scenarios
    for count in others:
        growth = statistics.median(cost / base for cost, base in zip(costs[count], costs[first], strict=True))
        print(f"  growth from {first:,} to {count:,} nodes: {growth:.2f} × (target 2.5)")
    targets, _ = time_fleet(churn(first, 5_000, settings=Settings().with_variables(IP_TARGETS)))
    ticking, _ = time_fleet(churn(first, 5_000), tickless=False)
    tickless, _ = time_fleet(churn(first, 5_000))
    wanted = " ".join(f"{name}={value}" for name, value in IP_TARGETS.items())
    print(f"  with {wanted}: {targets:,.0f} ns, {targets / tickless:.0f} × as long")
    print(f"  with a tick of each of {first:,} nodes every 5 s: {ticking:,.0f} ns, {ticking / tickless:.0f} × as long")
    print(f"  peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")
    print_node()


def print_node() -> None:
    """Time and print what a node costs."""
    print("one m5.xlarge with 30 pods; microseconds, and × an assign and an unassign")
    costs = {name: time_node(workload) for name, workload in workloads().items()}
    unit = next(iter(costs.values()))
    for name, cost in costs.items():
        print(f"  {name:<30} {cost / 1000:>7.2f}  {cost / unit:>6.1f} ×")


if __name__ == "__main__":
    main()
