"""The pools as their documentation describes them: sets, dicts, full scans. The agreement tests compare both twins with them."""

import operator
from array import array
from itertools import pairwise

from vpcipam.errors import (
    AlreadyAllocated,
    AlreadyAssigned,
    BlockInUse,
    CoolingDown,
    InvalidArgument,
    NoFreeRun,
    NotAllocated,
    NotInPool,
    OutOfRange,
    OverlappingBlock,
    PoolExhausted,
    UnknownBlock,
    UnknownKey,
)

TIME_MAX = 2**62 - 1
ADDRESS_MAX = 2**128 - 1


def within(value, low, high):
    value = operator.index(value)
    if not low <= value <= high:
        raise OutOfRange
    return value


class NaiveBitmapPool:
    def __init__(self, capacity):
        self.capacity = within(capacity, 1, 2**32)
        self.allocated = set()

    def free_offsets(self):
        return [offset for offset in range(self.capacity) if offset not in self.allocated]

    def free_runs(self, length):
        starts = range(0, self.capacity - length + 1, length)
        return [start for start in starts if not self.allocated & set(range(start, start + length))]

    def run(self, offset, length):
        length = self.run_length(length)
        offset = within(offset, 0, self.capacity - 1)
        if offset % length:
            raise InvalidArgument
        if offset + length > self.capacity:
            raise OutOfRange
        return set(range(offset, offset + length))

    @staticmethod
    def run_length(length):
        if operator.index(length) not in (2, 4, 8, 16, 32, 64):
            raise InvalidArgument
        return operator.index(length)

    @property
    def allocated_count(self):
        return len(self.allocated)

    @property
    def free_count(self):
        return self.capacity - len(self.allocated)

    def allocate(self, start=0):
        start = within(start, 0, self.capacity - 1)
        free = self.free_offsets()
        if not free:
            raise PoolExhausted
        offset = min([offset for offset in free if offset >= start] or free)
        self.allocated.add(offset)
        return offset

    def allocate_or_none(self, start=0):
        start = within(start, 0, self.capacity - 1)
        return self.allocate(start) if self.free_count else None

    def allocate_many(self, count, start=0):
        count, start = within(count, 0, 2**32), within(start, 0, self.capacity - 1)
        if count > self.free_count:
            raise PoolExhausted
        return [self.allocate(start) for _ in range(count)]

    def allocate_into(self, buffer, start=0):
        buffer[:] = array("I", self.allocate_many(len(buffer), start))

    def allocate_at(self, offset):
        offset = within(offset, 0, self.capacity - 1)
        if offset in self.allocated:
            raise AlreadyAllocated
        self.allocated.add(offset)

    def allocate_run(self, length, start=0):
        length = self.run_length(length)
        start = within(start, 0, self.capacity - 1)
        runs = self.free_runs(length)
        if not runs:
            raise NoFreeRun
        offset = min([run for run in runs if run >= start] or runs)
        self.allocated |= set(range(offset, offset + length))
        return offset

    def allocate_run_or_none(self, length, start=0):
        length, start = self.run_length(length), within(start, 0, self.capacity - 1)
        return self.allocate_run(length, start) if self.free_runs(length) else None

    def allocate_run_at(self, offset, length):
        run = self.run(offset, length)
        if run & self.allocated:
            raise AlreadyAllocated
        self.allocated |= run

    def release(self, offset):
        offset = within(offset, 0, self.capacity - 1)
        if offset not in self.allocated:
            raise NotAllocated
        self.allocated.remove(offset)

    def release_many(self, offsets):
        offsets = [within(offset, 0, self.capacity - 1) for offset in offsets]
        if len(set(offsets)) < len(offsets) or not self.allocated.issuperset(offsets):
            raise NotAllocated
        self.allocated -= set(offsets)

    release_from = release_many

    def release_run(self, offset, length):
        run = self.run(offset, length)
        if run - self.allocated:
            raise NotAllocated
        self.allocated -= run

    def is_allocated(self, offset):
        return within(offset, 0, self.capacity - 1) in self.allocated

    def free_run_count(self, length):
        return len(self.free_runs(self.run_length(length)))

    def free_counts(self, length):
        length = self.run_length(length)
        free = set(self.free_offsets())
        return bytes(len(free & set(range(start, start + length))) for start in range(0, self.capacity, length))

    def longest_free_run(self):
        ends = [-1, *sorted(self.allocated), self.capacity]
        return max(end - start - 1 for start, end in pairwise(ends))

    def __iter__(self):
        return iter(sorted(self.allocated))


class NaiveRandom:
    """splitmix64, from its paper."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        while True:
            self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
            z = self.state
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
            z ^= z >> 31
            if z >= 2**64 % bound:
                return z % bound


class NaiveAddressPool:
    def __init__(self, *, cooldown_ns, placement="lowest", seed=0):
        self.cooldown_ns = cooldown_ns
        self.placement = placement
        self.random = NaiveRandom(seed)
        self.sizes = {}  # base -> size
        self.groups = {}  # base -> group
        self.closed = set()
        self.held = {}  # key -> address
        self.cooling = []  # (address, until_ns), in order of expiry
        self.entries = {}  # address -> entry
        self.notes = {}  # key -> note
        self.added = {}  # base -> how many blocks were added before
        self.added_count = 0

    # Lookups

    def rank(self):
        return sorted(self.sizes, key=lambda base: (self.groups[base], base))

    def covering(self, address):
        return next((base for base, size in self.sizes.items() if base <= address < base + size), None)

    def in_block(self, base, addresses):
        return [address for address in addresses if base <= address < base + self.sizes[base]]

    def in_use(self, base):
        return len(self.in_block(base, [*self.held.values(), *dict(self.cooling)]))

    def known(self, base):
        base = within(base, 0, ADDRESS_MAX)
        if base not in self.sizes:
            raise UnknownBlock
        return base

    def members(self, group):
        group = within(group, 0, 2**31 - 1)
        return [base for base in self.sizes if self.groups[base] == group]

    def cooling_in_blocks(self):
        return [address for address, _ in self.cooling if self.covering(address) is not None]

    # Cooldowns

    def expire(self, now_ns):
        self.cooling = [(address, until) for address, until in self.cooling if until > now_ns]

    def cool(self, address, until_ns):
        self.cooling.append((address, until_ns))
        self.cooling.sort(key=lambda item: item[1])  # stable: of equal ends, the one that began first stays first

    # Blocks

    def add_block(self, base, size, group=0):
        base = within(base, 0, ADDRESS_MAX)
        size = within(size, 1, 2**48)
        group = within(group, 0, 2**31 - 1)
        if base + size > 2**128:
            raise OutOfRange
        if any(base < other + self.sizes[other] and other < base + size for other in self.sizes):
            raise OverlappingBlock
        self.sizes[base] = size
        self.groups[base] = group
        self.added[base] = self.added_count
        self.added_count += 1

    def remove_block(self, base, *, force=False, now_ns=None):
        base = self.known(base)
        if now_ns is not None:
            now_ns = within(now_ns, 0, TIME_MAX)
        lost = sorted((address, key) for key, address in self.held.items() if self.covering(address) == base)
        if lost and not force:
            raise BlockInUse
        for address, key in lost:
            del self.held[key]
            self.notes.pop(key, None)
            if now_ns is not None and self.cooldown_ns:
                self.cool(address, now_ns + self.cooldown_ns)
        for address in self.in_block(base, self.entries):
            del self.entries[address]
        del self.sizes[base]
        del self.groups[base]
        self.closed.discard(base)
        return tuple(key for _, key in lost)

    def close_block(self, base):
        self.closed.add(self.known(base))

    def open_block(self, base):
        self.closed.discard(self.known(base))

    def is_closed(self, base):
        return self.known(base) in self.closed

    def blocks(self):
        return tuple((base, self.sizes[base], self.groups[base]) for base in self.rank())

    def block_of(self, address):
        return self.covering(within(address, 0, ADDRESS_MAX))

    # Assignments

    def candidates(self):
        return [base for base in self.rank() if base not in self.closed and self.in_use(base) < self.sizes[base]]

    def choose(self):
        bases = self.candidates()
        if self.placement == "packed":
            return max(bases, key=self.in_use)
        if self.placement == "spread":
            return min(bases, key=self.in_use)
        if self.placement == "random":
            groups = sorted({self.groups[base] for base in bases})
            group = groups[self.random.below(len(groups))]
            bases = [base for base in bases if self.groups[base] == group]
            return bases[self.random.below(len(bases))]
        return bases[0]

    def assign(self, key, now_ns):
        now_ns = within(now_ns, 0, TIME_MAX)
        hash(key)
        if key in self.held:
            return self.held[key]
        before = self.cooling
        self.expire(now_ns)
        if not self.candidates():
            self.cooling = before
            raise PoolExhausted
        base = self.choose()
        taken = {*self.held.values(), *dict(self.cooling)}
        address = base
        while address in taken:
            address += 1
        self.held[key] = address
        return address

    def assign_many(self, keys, now_ns):
        keys, now_ns = list(keys), within(now_ns, 0, TIME_MAX)
        for key in keys:
            hash(key)
        before = dict(self.held), self.cooling, self.random.state
        try:
            return [self.assign(key, now_ns) for key in keys]
        except PoolExhausted:
            self.held, self.cooling, self.random.state = before
            raise

    def assign_at(self, key, address, now_ns):
        address = within(address, 0, ADDRESS_MAX)
        now_ns = within(now_ns, 0, TIME_MAX)
        hash(key)
        if self.held.get(key) == address:
            return
        if key in self.held:
            raise AlreadyAssigned
        if self.covering(address) is None:
            raise NotInPool
        if address in self.held.values():
            raise AlreadyAssigned
        if dict(self.cooling).get(address, 0) > now_ns:
            raise CoolingDown
        self.expire(now_ns)
        self.held[key] = address

    def unassign(self, key, now_ns):
        now_ns = within(now_ns, 0, TIME_MAX)
        if key not in self.held:
            raise UnknownKey
        address = self.held.pop(key)
        self.notes.pop(key, None)
        if self.cooldown_ns:
            self.cool(address, now_ns + self.cooldown_ns)
        return address

    def revoke(self, key):
        if key not in self.held:
            raise UnknownKey
        self.notes.pop(key, None)
        return self.held.pop(key)

    def address_of(self, key):
        return self.held.get(key)

    def key_of(self, address):
        address = within(address, 0, ADDRESS_MAX)
        return next((key for key, held in self.held.items() if held == address), None)

    def items(self):
        return iter(sorted(self.held.items(), key=lambda item: item[1]))

    def block_items(self, base):
        base = self.known(base)
        return iter([(key, address) for key, address in self.items() if self.covering(address) == base])

    # Entries and notes

    def assign_entry(self, key, now_ns, note=None):
        is_new = key not in self.held
        address = self.assign(key, now_ns)
        if is_new:
            self.notes[key] = note
        return self.entries.get(address)

    def unassign_entry(self, key, now_ns):
        entry = self.entries.get(self.held.get(key))
        now_ns = within(now_ns, 0, TIME_MAX)
        if entry is None:
            raise UnknownKey
        self.unassign(key, now_ns)
        return entry

    def entry_of(self, key):
        return self.entries.get(self.held.get(key))

    def set_entry(self, key, entry):
        if key not in self.held:
            raise UnknownKey
        self.entries[self.held[key]] = entry

    def note_of(self, key):
        return self.notes.get(key)

    def set_note(self, key, note):
        if key not in self.held:
            raise UnknownKey
        self.notes[key] = note

    def cool_at(self, address, until_ns):
        address = within(address, 0, ADDRESS_MAX)
        until_ns = within(until_ns, 0, 2**63 - 2)
        if self.covering(address) is None:
            raise NotInPool
        if address in self.held.values():
            raise AlreadyAssigned
        if dict(self.cooling).get(address, -1) < until_ns:
            self.cooling = [item for item in self.cooling if item[0] != address]
            self.cool(address, until_ns)

    def cooling_until(self, address):
        return dict(self.cooling).get(within(address, 0, ADDRESS_MAX))

    def cooling_items(self):
        return tuple(self.cooling)

    # Counts

    @property
    def total_count(self):
        return sum(self.sizes.values())

    @property
    def assigned_count(self):
        return len(self.held)

    def cooling_count(self, now_ns):
        self.expire(within(now_ns, 0, TIME_MAX))
        return len(self.cooling_in_blocks())

    def block_total_count(self, base):
        return self.sizes[self.known(base)]

    def block_assigned_count(self, base):
        return len(self.in_block(self.known(base), self.held.values()))

    def block_cooling_count(self, base, now_ns):
        base = self.known(base)
        self.expire(within(now_ns, 0, TIME_MAX))
        return len(self.in_block(base, dict(self.cooling)))

    def group_block_count(self, group):
        return len(self.members(group))

    def group_empty_block_count(self, group):
        return sum(not self.block_assigned_count(base) for base in self.members(group))

    def group_total_count(self, group):
        return sum(self.sizes[base] for base in self.members(group))

    def group_assigned_count(self, group):
        return sum(self.block_assigned_count(base) for base in self.members(group))

    def group_cooling_count(self, group, now_ns):
        members = self.members(group)
        return sum(self.block_cooling_count(base, now_ns) for base in members) + 0 * within(now_ns, 0, TIME_MAX)
