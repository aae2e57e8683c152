"""The same jobs as a BitmapPool's with other data structures, each in its best idiom: allocate an offset, 1,000 offsets, a run of 16.

The state is that of a pool that allocates the lowest offset first: the lower half is in use. For runs, one run in twenty is free, and each
of the others lacks one offset. Every job puts back what it took, so all rounds are equal. No rival checks what it is given, except "list +
bytearray", which refuses to release an offset twice.
"""

import heapq
import ipaddress
from array import array
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import islice
from time import perf_counter_ns
from types import ModuleType

from floors import Workload

CAPACITY = 65_536
MANY = 1_000
RUN = 16
SINGLE, BULK, RUNS = "one offset", f"{MANY:,} offsets", f"a run of {RUN}"

Job = Callable[[range], None]


def lower_half(capacity: int) -> tuple[range, range]:
    """Return the offsets in use and the free ones."""
    return range(capacity // 2), range(capacity // 2, capacity)


def broken_runs(capacity: int) -> list[int]:
    """Return the offsets in use, one in each run but one of twenty."""
    runs = capacity // RUN
    return [run * RUN + run % RUN for run in range(runs) if run % 20 != min(19, runs - 1)]


def lowest_run(capacity: int) -> int:
    """Return the first offset of the lowest free run."""
    return min(19, capacity // RUN - 1) * RUN


def bitmap_pool(twin: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Our own."""
    pool = twin.BitmapPool(capacity)
    pool.allocate_many(capacity // 2)
    buffer = array("I", [0]) * many

    def single(rounds: range) -> None:
        for _ in rounds:
            pool.release(pool.allocate())

    def bulk(rounds: range) -> None:
        for _ in rounds:
            pool.release_many(pool.allocate_many(many))

    def in_buffer(rounds: range) -> None:
        for _ in rounds:
            pool.allocate_into(buffer)
            pool.release_from(buffer)

    broken = twin.BitmapPool(capacity)
    for offset in broken_runs(capacity):
        broken.allocate_at(offset)

    def run(rounds: range) -> None:
        for _ in rounds:
            broken.release_run(broken.allocate_run(RUN), RUN)

    assert broken.allocate_run(RUN) == lowest_run(capacity)
    broken.release_run(lowest_run(capacity), RUN)
    yield SINGLE, "BitmapPool", single
    yield BULK, "BitmapPool", bulk
    yield BULK, "BitmapPool, in a buffer", in_buffer
    yield RUNS, "BitmapPool", run


def list_stack(_module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Take from the end of a list. Not the lowest offset."""
    free = list(lower_half(capacity)[1])

    def single(rounds: range) -> None:
        for _ in rounds:
            free.append(free.pop())

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = free[-many:]
            del free[-many:]
            free.extend(taken)

    yield SINGLE, "list as a stack", single
    yield BULK, "list as a stack", bulk


def checked_stack(_module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Take from the end of a list, with a byte for each offset, so that a double release is noticed. Not the lowest offset."""
    free = list(lower_half(capacity)[1])
    in_use = bytearray(b"\1") * (capacity // 2) + bytes(capacity // 2)

    def single(rounds: range) -> None:
        for _ in rounds:
            offset = free.pop()
            in_use[offset] = 1
            if not in_use[offset]:
                raise KeyError(offset)
            in_use[offset] = 0
            free.append(offset)

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = free[-many:]
            del free[-many:]
            for offset in taken:
                in_use[offset] = 1
            for offset in taken:
                if not in_use[offset]:
                    raise KeyError(offset)
                in_use[offset] = 0
            free.extend(taken)

    yield SINGLE, "list + bytearray", single
    yield BULK, "list + bytearray", bulk


def heap(_module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Keep the free offsets in a heap; for many, in a sorted list, which is a heap too."""
    free = list(lower_half(capacity)[1])
    push, pop = heapq.heappush, heapq.heappop

    def single(rounds: range) -> None:
        for _ in rounds:
            push(free, pop(free))

    ordered = list(free)

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = ordered[:many]
            del ordered[:many]
            ordered.extend(taken)
            ordered.sort()

    yield SINGLE, "heapq", single
    yield BULK, "heapq", bulk


def bit_array(module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Search a bit array for bits that are set."""
    free, one = module.bitarray(capacity), module.bitarray("1")
    free.setall(1)
    free[: capacity // 2] = False

    def single(rounds: range) -> None:
        for _ in rounds:
            offset = free.find(1)
            free[offset] = False
            free[offset] = True

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = list(islice(free.search(one), many))
            free[taken] = False
            free[taken] = True

    broken, pattern = module.bitarray(capacity), module.bitarray("1") * RUN
    broken.setall(1)
    broken[broken_runs(capacity)] = False

    def run(rounds: range) -> None:
        for _ in rounds:
            first = next(first for first in broken.search(pattern) if first % RUN == 0)
            broken[first : first + RUN] = False
            broken[first : first + RUN] = True

    assert next(first for first in broken.search(pattern) if first % RUN == 0) == lowest_run(capacity)
    yield SINGLE, "bitarray", single
    yield BULK, "bitarray", bulk
    yield RUNS, "bitarray", run


def int_bit_set(module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Keep the free offsets in an intbitset."""
    free = module.intbitset(list(lower_half(capacity)[1]))

    def single(rounds: range) -> None:
        for _ in rounds:
            offset = free[0]
            free.remove(offset)
            free.add(offset)

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = list(free[:many])
            free.difference_update(taken)
            free.update(taken)

    yield SINGLE, "intbitset", single
    yield BULK, "intbitset", bulk


def roaring(module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Keep the free offsets in a compressed bitmap."""
    free = module.BitMap(lower_half(capacity)[1])

    def single(rounds: range) -> None:
        for _ in rounds:
            offset = free.min()
            free.remove(offset)
            free.add(offset)

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = list(free[:many])
            free.difference_update(module.BitMap(taken))
            free.update(taken)

    def as_bitmap(rounds: range) -> None:
        for _ in rounds:
            taken = free[:many]
            free.difference_update(taken)
            free.update(taken)

    yield SINGLE, "pyroaring", single
    yield BULK, "pyroaring", bulk
    yield BULK, "pyroaring, as a bitmap", as_bitmap


def sorted_list(module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Keep the free offsets in a sorted list."""
    free = module.SortedList(lower_half(capacity)[1])

    def single(rounds: range) -> None:
        for _ in rounds:
            free.add(free.pop(0))

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = free[:many]
            del free[:many]
            free.update(taken)

    yield SINGLE, "sortedcontainers", single
    yield BULK, "sortedcontainers", bulk


def numpy_array(module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Search an array of booleans; many offsets and their values stay in numpy."""
    free = module.ones(capacity, dtype=bool)
    free[: capacity // 2] = False

    def single(rounds: range) -> None:
        for _ in rounds:
            offset = int(free.argmax())
            free[offset] = False
            free[offset] = True

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = free.nonzero()[0][:many]
            free[taken] = False
            free[taken] = True

    broken = module.ones(capacity, dtype=bool)
    broken[broken_runs(capacity)] = False
    rows = broken[: capacity // RUN * RUN].reshape(-1, RUN)

    def run(rounds: range) -> None:
        for _ in rounds:
            row = int(rows.all(axis=1).argmax())
            rows[row] = False
            rows[row] = True

    assert int(rows.all(axis=1).argmax()) * RUN == lowest_run(capacity)
    yield SINGLE, "numpy", single
    yield BULK, "numpy, in arrays", bulk
    yield RUNS, "numpy", run


def netaddr_set(module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Keep the free addresses in an IPSet."""
    network = module.IPNetwork("10.0.0.0/8")
    free = module.IPSet(module.IPRange(network.first + capacity // 2, network.first + capacity - 1))

    def single(rounds: range) -> None:
        for _ in rounds:
            address = module.IPAddress(next(iter(free.iter_cidrs())).first)
            free.remove(address)
            free.add(address)

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = module.IPSet(list(islice(free, many)))
            free.update((free - taken) | taken)

    broken = module.IPSet(module.IPRange(network.first, network.first + capacity - 1))
    broken -= module.IPSet([module.IPAddress(network.first + offset) for offset in broken_runs(capacity)])

    def run(rounds: range) -> None:
        for _ in rounds:
            whole = next(cidr for cidr in broken.iter_cidrs() if cidr.prefixlen <= 28)
            first = next(whole.subnet(28))
            broken.remove(first)
            broken.add(first)

    yield SINGLE, "netaddr", single
    yield BULK, "netaddr", bulk
    yield RUNS, "netaddr", run


def standard_library(_module: ModuleType, capacity: int, many: int) -> Iterator[tuple[str, str, Job]]:
    """Go through the addresses of a network, past those in a set."""
    network = ipaddress.ip_network(f"10.0.0.0/{32 - (capacity - 1).bit_length()}")
    in_use = {network[offset] for offset in range(capacity // 2)}

    def single(rounds: range) -> None:
        for _ in rounds:
            address = next(address for address in network if address not in in_use)
            in_use.add(address)
            in_use.remove(address)

    def bulk(rounds: range) -> None:
        for _ in rounds:
            taken = list(islice((address for address in network if address not in in_use), many))
            in_use.update(taken)
            in_use.difference_update(taken)

    broken = {network[offset] for offset in broken_runs(capacity)}

    def run(rounds: range) -> None:
        for _ in rounds:
            subnet = next(subnet for subnet in network.subnets(new_prefix=28) if broken.isdisjoint(subnet))
            broken.update(subnet)
            broken.difference_update(subnet)

    yield SINGLE, "ipaddress", single
    yield BULK, "ipaddress", bulk
    yield RUNS, "ipaddress", run


RIVALS = (
    ("builtins", list_stack),
    ("builtins", checked_stack),
    ("heapq", heap),
    ("bitarray", bit_array),
    ("intbitset", int_bit_set),
    ("pyroaring", roaring),
    ("sortedcontainers", sorted_list),
    ("numpy", numpy_array),
    ("netaddr", netaddr_set),
    ("ipaddress", standard_library),
)


def workload(name: str, job: Job, round_ns: int) -> Workload:
    """Return a workload that repeats a job for about `round_ns`."""
    steps = 1
    while True:
        begin = perf_counter_ns()
        job(range(steps))
        if (spent_ns := perf_counter_ns() - begin) > round_ns // 4:
            break
        steps *= 2
    rounds = range(max(1, steps * round_ns // spent_ns))
    return Workload(name, len(rounds), lambda: job(rounds))


def workloads(twin: ModuleType, round_ns: int, capacity: int = CAPACITY, many: int = MANY) -> tuple[dict[str, list[Workload]], list[str]]:
    """Return the workloads of each job, the pool's first, and the names of the packages that can't be imported."""
    missing = []
    jobs = list(bitmap_pool(twin, capacity, many))
    for package, make in RIVALS:
        try:
            jobs += make(import_module(package), capacity, many)
        except ImportError:
            missing.append(package)
    by_job: dict[str, list[Workload]] = {SINGLE: [], BULK: [], RUNS: []}
    for job, name, once in jobs:
        by_job[job].append(workload(name, once, round_ns))
    return by_job, missing
