"""Print the cost of the library as multiples of a floor timed in the same run: `python benchmarks/report.py [--rounds N] [SECTION …]`."""
# ruff: noqa: T201 - it is a script, it prints

import argparse
import importlib
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import ModuleType

import datastore_workloads
import journal_workloads
import pool_workloads
import rivals
from floors import Churn, Timing, compare, dict_floor, empty_loop, list_floor, pair_loop, slice_floor

from vpcipam import PodRef

STEPS = 5_000  # a round takes a fraction of a millisecond, so the machine rarely switches processes within a round
ROUND_NS = 300_000  # the length of a round where jobs of very different lengths are compared
BURST = 3  # pods at a time; so many fit even into the smallest pool
POOLS = (
    (1, 16),
    (7, 16),
    (735, 1),
    (735, 16),
    (11_760, 1),
)  # blocks, and addresses in each; the largest node has 735 prefixes


def twins() -> Iterator[ModuleType]:
    """Yield the twins that are built, the compiled one first."""
    for name in ("vpcipam._pool", "vpcipam.pool.plain"):
        try:
            yield importlib.import_module(name)
        except ImportError:
            print(f"{name} is not built\n")


def pool_twin() -> ModuleType:
    """Return the twin that the library uses."""
    return next(twins())


def few_rounds(twin: ModuleType, rounds: int) -> int:
    """Return fewer rounds for the plain twin, which takes a hundred times as long."""
    return rounds if twin.__name__ == "vpcipam._pool" else min(rounds, 5)


def table(title: str, target: str, timings: list[Timing]) -> None:
    """Print the timings of one comparison; the first is the floor."""
    print(f"{title}\n  target: {target}")
    for timing in timings:
        print(f"  {timing.name:<52}{timing.step_ns:>9,.1f} ns{timing.ratio:>8.2f} ×")
    print()


def bitmap_section(rounds: int) -> None:
    """BitmapPool against a list."""
    for twin in twins():
        work = [
            pool_workloads.allocate_release(twin, capacity, fill, STEPS) for capacity in (16, 4096, 65_536) for fill in (0.03, 0.5, 0.97)
        ]
        timings = compare(empty_loop(STEPS), list_floor(STEPS), work, few_rounds(twin, rounds))
        table(f"{twin.__name__}: BitmapPool, allocate + release", "compiled ≤ 2.5 ×", timings)
        work = [pool_workloads.allocate_release_run(twin, capacity, STEPS) for capacity in (640, 4096, 65_536)]
        timings = compare(empty_loop(STEPS), list_floor(STEPS), work, few_rounds(twin, rounds))
        table(f"{twin.__name__}: BitmapPool, allocate_run + release_run, 5 % of the runs free", "compiled ≤ 10 ×", timings)


def bulk_section(rounds: int) -> None:
    """Many offsets or keys in one call, and calls that find nothing."""
    for twin in twins():
        fewer, steps = few_rounds(twin, rounds), STEPS // 500
        shapes = ((False, False), (True, False), (False, True), (True, True))
        work = [
            pool_workloads.allocate_release_many(twin, 65_536, 1_000, steps, in_buffer=in_buffer, with_runs=with_runs)
            for in_buffer, with_runs in shapes
        ]
        work.append(pool_workloads.allocate_release_singly(twin, 65_536, 1_000, steps))
        timings = compare(empty_loop(steps), slice_floor(steps, 1_000), work, fewer)
        table(f"{twin.__name__}: BitmapPool, 1,000 offsets and back", "compiled ≤ 5 × as a list, ≤ 2 × in a buffer", timings)
        floor = pool_workloads.allocate_release(twin, 64, 0.5, STEPS)
        timings = compare(empty_loop(STEPS), floor, pool_workloads.misses(twin, STEPS), fewer)
        table(f"{twin.__name__}: BitmapPool, nothing free, against allocate + release", "None ≤ 1 ×", timings)
        singly, at_once = (pool_workloads.assign_all(twin, Churn(500, STEPS).keys, steps, at_once=at_once) for at_once in (False, True))
        table(f"{twin.__name__}: AddressPool, 1,000 keys", "≤ 0.9 ×", compare(empty_loop(steps), singly, [at_once], fewer))


def address_section(rounds: int) -> None:
    """AddressPool against a dict on the same churn."""
    for twin in twins():
        for block_count, block_size in POOLS:
            churn = Churn(int(block_count * block_size * 0.6), STEPS)
            # Random placement in the plain twin scans a list of groups, which takes minutes with thousands of blocks.
            placements = ("lowest", "packed", "spread", "random") if twin is pool_twin() else ("lowest",)
            work = [pool_workloads.assign_unassign(twin, churn, block_count, block_size, placement) for placement in placements]
            work.append(pool_workloads.assign_unassign_in_bursts(twin, churn, block_count, block_size, BURST))
            timings = compare(pair_loop(churn), dict_floor(churn), work, few_rounds(twin, rounds))
            table(
                f"{twin.__name__}: AddressPool, assign + unassign at {churn.live:,} live keys",
                "compiled, lowest ≤ 1.5 ×; in bursts none",
                timings,
            )


def growth_section(rounds: int) -> None:
    """AddressPool of many addresses against one of 16: with the same few keys, and with all keys in turn."""
    few, many = Churn(9, STEPS), Churn(7056, STEPS)
    for twin in twins():
        work = [
            pool_workloads.assign_unassign_beside(twin, few, int(blocks * size * 0.6), blocks, size)
            for blocks, size in ((1, 16), *POOLS[1:])
        ]
        timings = compare(pair_loop(few), work[0], [*work[1:], dict_floor(few)], few_rounds(twin, rounds))
        table(f"{twin.__name__}: AddressPool, the same 18 keys in pools of all sizes", "compiled ≤ 1.4 ×", timings)
    floor = dict_floor(few)
    work = [
        dict_floor(many),
        pool_workloads.assign_unassign(pool_twin(), few, 1, 16),
        pool_workloads.assign_unassign(pool_twin(), many, 735, 16),
    ]
    title = "All keys of a node in turn, most of them not in the cache: dict and pool, few keys and many"
    table(title, "none: this is the cost of the keys themselves", compare(pair_loop(few), floor, work, rounds))


def datastore_section(rounds: int) -> None:
    """Datastore against a dict on the same churn."""
    for shape in datastore_workloads.NODES:
        churn = datastore_workloads.churn_of(shape, STEPS)
        work = [datastore_workloads.assign_unassign(shape, churn, pod) for pod in (None, PodRef("default", "web"))]
        timings = compare(pair_loop(churn), dict_floor(churn), work, rounds)
        table(f"Datastore, assign + unassign at {churn.live:,} live sandboxes", "on the compiled pool ≤ 5 ×", timings)
    steps = STEPS // 50
    work = [datastore_workloads.stats(shape, steps) for shape in datastore_workloads.NODES]
    table("Datastore, statistics", "none", compare(empty_loop(steps), list_floor(steps), work, rounds))


def lock_section(rounds: int) -> None:
    """Datastore without its lock against: the datastore, the lock alone, and the datastore with events."""
    for shape in datastore_workloads.NODES[::3]:
        churn = datastore_workloads.churn_of(shape, STEPS)
        floor = datastore_workloads.assign_unassign(shape, churn, kind=datastore_workloads.Unlocked)
        work = [
            datastore_workloads.assign_unassign(shape, churn),
            datastore_workloads.lock(len(churn.pairs)),
            datastore_workloads.assign_unassign(shape, churn, kind=datastore_workloads.Watched),
        ]
        timings = compare(pair_loop(churn), floor, work, rounds)
        table("Datastore's lock, assign + unassign", "≤ 1.05 × plus the cost of the lock", timings)


def journal_section(rounds: int) -> None:
    """The journals against the JSON file, which is written whole and synced with its folder; and SQLite at several sizes."""
    rounds = max(3, rounds // 10)  # most of them wait for the disk
    json_file, upstream, full, normal, off, memory = journal_workloads.JOURNALS
    pairs = 48
    names = ((json_file, 1), (upstream, 1), (full, 1), (full, 4), (full, 16), (full, 48), (normal, 1), (off, 1), (memory, 1))
    with journal_workloads.churns(735, pairs, names) as work:
        timings = compare(empty_loop(pairs), work[0], work[1:], rounds)
    table("Journals, assign + unassign; addresses", "SQLite ≤ 0.10 × with the same durability (docs/journals.md)", timings)
    pairs, work = 1_000, []
    with ExitStack() as stack:
        for size in (16, 735, 11_760):
            work += stack.enter_context(journal_workloads.churns(size, pairs, ((off, 1),)))
        timings = compare(empty_loop(pairs), work[0], work[1:], rounds)
    table("SqliteJournal, assign + unassign; addresses", "≤ 1.4 ×", timings)


def rivals_section(rounds: int) -> None:
    """BitmapPool against other data structures that can do its job."""
    by_job, missing = rivals.workloads(pool_twin(), ROUND_NS)
    if missing:
        print(f"Without {', '.join(missing)}: `pip install --group rivals` installs them\n")
    for job, work in by_job.items():
        timings = compare(empty_loop(STEPS), work[0], work[1:], min(rounds, 21))
        best, second = sorted(timings, key=lambda timing: timing.ratio)[:2]
        table(f"{rivals.CAPACITY:,} offsets, the lower half in use: {job}, and back", "none: × BitmapPool", timings)
        print(f"  fastest: {best.name}, then {second.name} ({second.ratio / best.ratio:.1f} × as long)\n")


SECTIONS: dict[str, Callable[[int], None]] = {
    "bitmap": bitmap_section,
    "bulk": bulk_section,
    "rivals": rivals_section,
    "address": address_section,
    "growth": growth_section,
    "datastore": datastore_section,
    "lock": lock_section,
    "journal": journal_section,
}


def main() -> None:
    """Print the requested sections, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=101, help="how often each workload is timed (default: %(default)s)")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section {', '.join(sorted(unknown))}; choose from {', '.join(SECTIONS)}")
    print(f"Python {platform.python_version()} on {platform.machine()}; medians of {arguments.rounds} rounds, net of the empty loop\n")
    for name in arguments.sections or SECTIONS:
        SECTIONS[name](arguments.rounds)


if __name__ == "__main__":
    sys.exit(main())
