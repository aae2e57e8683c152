"""Workloads for the pools."""

import random
from array import array
from types import ModuleType
from typing import Any

from floors import BEGIN_NS, Churn, Workload

from vpcipam.errors import PoolExhausted

BASE = 10 << 24  # 10.0.0.0


def allocate_release(twin: ModuleType, capacity: int, fill: float, steps: int) -> Workload:
    """Allocate the lowest free offset and release it, with a share `fill` of the offsets in use."""
    rounds = range(steps)
    pool = twin.BitmapPool(capacity)
    in_use = min(capacity - 1, round(capacity * fill))
    for _ in range(in_use):
        pool.allocate()

    def run() -> None:
        for _ in rounds:
            pool.release(pool.allocate())

    def check() -> None:
        assert list(pool) == list(range(in_use))
        assert pool.allocate() == in_use
        pool.release(in_use)

    return Workload(f"{capacity:,} offsets, {fill:.0%} in use", steps, run, check)


def allocate_release_run(twin: ModuleType, capacity: int, steps: int) -> Workload:
    """Allocate the lowest free run of 16 and release it; one run in twenty is free, the others lack one offset."""
    rounds = range(steps)
    pool = twin.BitmapPool(capacity)
    runs = capacity // 16
    free_runs = [run for run in range(runs) if run % 20 == min(19, runs - 1)]
    for run in set(range(runs)) - set(free_runs):
        pool.allocate_at(run * 16 + run % 16)
    assert pool.free_run_count(16) == len(free_runs)

    def run() -> None:
        for _ in rounds:
            pool.release_run(pool.allocate_run(16), 16)

    def check() -> None:
        assert pool.free_run_count(16) == len(free_runs)
        assert pool.allocate_run(16) == free_runs[0] * 16
        pool.release_run(free_runs[0] * 16, 16)

    return Workload(f"run of 16 out of {capacity:,} offsets", steps, run, check)


def half_full(twin: ModuleType, capacity: int) -> Any:
    """Return a pool with a random half of its offsets in use."""
    pool = twin.BitmapPool(capacity)
    for offset in random.Random(1).sample(range(capacity), capacity // 2):
        pool.allocate_at(offset)
    return pool


def allocate_release_many(twin: ModuleType, capacity: int, many: int, steps: int, *, in_buffer: bool, with_runs: bool) -> Workload:
    """Allocate many offsets out of a pool that is half full and release them, as a list of ints or in a buffer."""
    rounds = range(steps)
    pool = half_full(twin, capacity)
    if with_runs:
        pool.free_run_count(16)
    before = list(pool)
    buffer = array("I", [0]) * many

    def run() -> None:
        for _ in rounds:
            pool.release_many(pool.allocate_many(many))

    def run_in_buffer() -> None:
        for _ in rounds:
            pool.allocate_into(buffer)
            pool.release_from(buffer)

    def check() -> None:
        assert list(pool) == before

    name = f"{many:,} of {capacity:,} offsets, {'buffer' if in_buffer else 'list'}{', /28s counted' * with_runs}"
    return Workload(name, steps, run_in_buffer if in_buffer else run, check)


def allocate_release_singly(twin: ModuleType, capacity: int, many: int, steps: int) -> Workload:
    """Allocate and release as many offsets in single calls."""
    rounds = range(steps)
    pool = half_full(twin, capacity)

    def run() -> None:
        allocate, release = pool.allocate, pool.release
        for _ in rounds:
            for offset in [allocate() for _ in range(many)]:
                release(offset)

    return Workload(f"{many:,} of {capacity:,} offsets, single calls", steps, run)


def misses(twin: ModuleType, steps: int) -> list[Workload]:
    """Ask a full pool for an offset: with a PoolExhausted, and with None."""
    rounds = range(steps)
    pool = twin.BitmapPool(64)
    pool.allocate_many(64)

    def raising() -> None:
        for _ in rounds:
            try:  # noqa: SIM105 - `suppress` takes longer than the call
                pool.allocate()
            except PoolExhausted:
                pass

    def returning() -> None:
        for _ in rounds:
            pool.allocate_or_none()

    return [Workload("a full pool, allocate", steps, raising), Workload("a full pool, allocate_or_none", steps, returning)]


def assign_unassign(twin: ModuleType, churn: Churn, block_count: int, block_size: int, placement: str = "lowest") -> Workload:
    """Assign a new key and unassign the oldest; half of the unassigned addresses cool at any time."""
    total = block_count * block_size
    pairs = churn.pairs
    pool = twin.AddressPool(cooldown_ns=max(1, (total - churn.live) // 2), placement=placement)
    for number in range(block_count):
        pool.add_block(BASE + number * 16, block_size, number // 14)
    now_ns = BEGIN_NS
    for key in churn.keys[: churn.live]:
        pool.assign(key, now_ns)

    def run() -> None:
        nonlocal now_ns
        now = now_ns
        for new, old in pairs:
            now += 1
            pool.assign(new, now)
            pool.unassign(old, now)
        now_ns = now

    def check() -> None:
        assert {key for key, _ in pool.items()} == set(churn.keys[: churn.live])
        assert pool.cooling_count(now_ns) == pool.cooldown_ns

    name = f"{total:,} addresses in {block_count:,} blocks of {block_size}, {placement}"
    return Workload(name, len(pairs), run, check)


def assign_unassign_in_bursts(twin: ModuleType, churn: Churn, block_count: int, block_size: int, burst: int) -> Workload:
    """Run the churn with `burst` pairs at each instant, so that `burst` cooldowns end together."""
    total = block_count * block_size
    pairs = churn.pairs
    pool = twin.AddressPool(cooldown_ns=max(1, (total - churn.live) // 2 // burst))
    for number in range(block_count):
        pool.add_block(BASE + number * 16, block_size, number // 14)
    now_ns = BEGIN_NS
    for key in churn.keys[: churn.live]:
        pool.assign(key, now_ns)
    timed = [(1 + number // burst, new, old) for number, (new, old) in enumerate(pairs)]

    def run() -> None:
        nonlocal now_ns
        begin = now = now_ns
        for step, new, old in timed:
            now = begin + step
            pool.assign(new, now)
            pool.unassign(old, now)
        now_ns = now

    def check() -> None:
        assert {key for key, _ in pool.items()} == set(churn.keys[: churn.live])

    return Workload(f"{total:,} addresses in {block_count:,} blocks of {block_size}, in bursts of {burst}", len(pairs), run, check)


def assign_unassign_beside(twin: ModuleType, churn: Churn, live: int, block_count: int, block_size: int) -> Workload:
    """Run the churn beside keys that stay assigned, so that it has the same keys at any pool size.

    The churn's keys stay in the cache, like keys that a caller has just made. Any extra cost of a larger pool is then the pool's own.
    """
    pairs = churn.pairs
    pool = twin.AddressPool(cooldown_ns=max(1, (block_count * block_size - live) // 2))
    for number in range(block_count):
        pool.add_block(BASE + number * 16, block_size, number // 14)
    now_ns = BEGIN_NS
    staying = [("aws-cni", f"stays-{number}", "eth0") for number in range(live - churn.live)]
    for key in (*staying, *churn.keys[: churn.live]):
        pool.assign(key, now_ns)

    def run() -> None:
        nonlocal now_ns
        now = now_ns
        for new, old in pairs:
            now += 1
            pool.assign(new, now)
            pool.unassign(old, now)
        now_ns = now

    def check() -> None:
        assert {key for key, _ in pool.items()} == {*staying, *churn.keys[: churn.live]}

    return Workload(f"{block_count * block_size:,} addresses in {block_count:,} blocks of {block_size}", len(pairs), run, check)


def assign_all(twin: ModuleType, keys: list[tuple[str, str, str]], steps: int, *, at_once: bool) -> Workload:
    """Assign addresses to keys and take them back, with single calls or with one."""
    rounds = range(steps)
    pool = twin.AddressPool(cooldown_ns=0)
    for number in range(735):
        pool.add_block(BASE + number * 16, 16, number // 14)

    def run() -> None:
        assign, revoke = pool.assign, pool.revoke
        for _ in rounds:
            if at_once:
                pool.assign_many(keys, BEGIN_NS)
            else:
                for key in keys:
                    assign(key, BEGIN_NS)
            for key in keys:
                revoke(key)

    def check() -> None:
        assert not len(pool)

    return Workload(f"{len(keys):,} keys, {'assign_many' if at_once else 'assign'}, and revoke", steps, run, check)
