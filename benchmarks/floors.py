"""Workloads, the floors that they are compared with, and the timing of both in one run.

A workload runs a number of steps and checks the result. A floor is the least work that Python can do for the same purpose. They are timed
in turn, round by round, so that a slow machine slows all of them. A ratio is computed within a round, net of the empty loop; the result is
the median over the rounds.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter_ns

BEGIN_NS = 1_800_000_000 * 10**9  # a realistic time in Unix nanoseconds, since the interpreter adds to small ints faster


@dataclass(frozen=True)
class Workload:
    """One thing to time: `run()` runs `steps` steps, `check()` asserts that the result is right."""

    name: str
    steps: int
    run: Callable[[], None]
    check: Callable[[], None] = lambda: None


def empty_loop(steps: int) -> Workload:
    """Loop and do nothing."""
    rounds = range(steps)

    def run() -> None:
        for _ in rounds:
            pass

    return Workload("empty loop", steps, run)


def list_floor(steps: int) -> Workload:
    """Take the last item off a list and put it back: the floor for allocating and releasing one thing."""
    rounds = range(steps)
    items = list(range(16))

    def run() -> None:
        for _ in rounds:
            items.append(items.pop())

    return Workload("l.append(l.pop())", steps, run)


def slice_floor(steps: int, many: int) -> Workload:
    """Take many items off a list and put them back: the floor for allocating and releasing many things at once."""
    rounds = range(steps)
    items = list(range(32 * many))

    def run() -> None:
        for _ in rounds:
            taken = items[-many:]
            del items[-many:]
            items.extend(taken)

    return Workload(f"l[-{many:,}:], deleted and put back", steps, run)


@dataclass(frozen=True)
class Churn:
    """Pairs of keys for a pool at a steady fill: each step adds a new key and removes the oldest."""

    live: int
    steps: int

    @cached_property
    def keys(self) -> list[tuple[str, str, str]]:
        """Sandbox keys, twice as many as are live at a time; floor and workloads share them."""
        return [("aws-cni", f"{number:064x}", "eth0") for number in range(2 * self.live)]

    @cached_property
    def pairs(self) -> list[tuple[tuple[str, str, str], tuple[str, str, str]]]:
        """The (new, old) keys of each step; at the end the same keys are live as at the start."""
        keys = self.keys
        cycle = [(keys[(number + self.live) % len(keys)], keys[number]) for number in range(len(keys))]
        return cycle * max(1, round(self.steps / len(cycle)))


def pair_loop(churn: Churn) -> Workload:
    """Loop over the pairs and advance the time: the empty loop of a churn."""
    pairs = churn.pairs

    def run() -> None:
        now_ns = BEGIN_NS
        for _new, _old in pairs:
            now_ns += 1

    return Workload("empty loop", len(pairs), run)


def dict_floor(churn: Churn) -> Workload:
    """Put the new key in a dict and take the old one out: the floor for a keyed pool."""
    pairs = churn.pairs
    held: dict[object, object] = dict.fromkeys(churn.keys[: churn.live])
    value = object()

    def run() -> None:
        now_ns = BEGIN_NS
        for new, old in pairs:
            now_ns += 1  # unused, but the subtracted empty loop does it too
            held[new] = value
            held.pop(old)

    def check() -> None:
        assert list(held) == churn.keys[: churn.live]

    return Workload("d[new] = x; d.pop(old)", len(pairs), run, check)


@dataclass(frozen=True)
class Timing:
    """The median cost of a step, net of the empty loop, and the median ratio to the floor."""

    name: str
    step_ns: float
    ratio: float


def compare(empty: Workload, floor: Workload, workloads: Sequence[Workload], rounds: int) -> list[Timing]:
    """Time the floor and the workloads in turn, and return their timings, the floor first."""
    costs: list[list[float]] = []
    every = (empty, floor, *workloads)
    for number in range(rounds):
        row = [0.0] * len(every)
        for step in range(len(every)):
            # Each round starts with another workload, so that process switches on a busy machine don't always hit the same one.
            place = (number + step) % len(every)
            begin = perf_counter_ns()
            every[place].run()
            row[place] = (perf_counter_ns() - begin) / every[place].steps
        costs.append([cost - row[0] for cost in row[1:]])
    for workload in (floor, *workloads):
        workload.check()
    columns = list(zip(*costs, strict=True))
    return [
        Timing(
            workload.name,
            statistics.median(column),
            statistics.median(cost / floor_cost for cost, floor_cost in zip(column, columns[0], strict=True)),
        )
        for workload, column in zip((floor, *workloads), columns, strict=True)
    ]
