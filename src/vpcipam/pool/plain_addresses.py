"""The plain twin of AddressPool: the readable reference. `addresses.pyx` is the fast twin."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import pairwise
from threading import RLock
from typing import Generic, NoReturn, SupportsIndex, TypeVar, final

from vpcipam import _pool_refusals as refuse
from vpcipam._chance import Scatter

K = TypeVar("K", bound=Hashable)


class _Group:
    """The counts of the blocks that share a group number."""

    __slots__ = ("assigned_count", "block_count", "busy_count", "cooling_count", "total_count")

    def __init__(self) -> None:
        self.block_count = self.total_count = self.assigned_count = self.cooling_count = 0
        self.busy_count = 0  # blocks with an assigned address


class _Block:
    """A block of consecutive addresses. It finds its lowest free offset quickly.

    A heap has the free offsets below `_fresh`. All offsets from `_fresh` on are free, except those that `assign_at` took. Memory depends on
    the number of offsets ever used, not on the size.
    """

    __slots__ = (
        "_fresh",
        "_heap",
        "_in_heap",
        "assigned_count",
        "base",
        "closed",
        "cooling_count",
        "group",
        "number",
        "rank",
        "size",
        "used",
    )

    def __init__(self, base: int, size: int, number: int, group: _Group) -> None:
        self.base = base
        self.size = size
        self.number = number  # of the group
        self.group = group
        self.closed = False
        self.assigned_count = self.cooling_count = 0
        self.used: set[int] = set()  # assigned or cooling offsets
        self.rank: tuple[int, int, int] | None = None  # its entry in the pool's `_open`
        self._fresh = 0
        self._heap: list[int] = []
        self._in_heap: set[int] = set()

    def lowest_free(self) -> int:
        """Return the lowest free offset. The block must have one."""
        while self._heap and self._heap[0] in self.used:  # assign_at took it
            self._in_heap.remove(heappop(self._heap))
        if self._heap:
            return self._heap[0]
        while self._fresh in self.used:
            self._fresh += 1
        return self._fresh

    def take(self, offset: int) -> None:
        self.used.add(offset)

    def free(self, offset: int) -> None:
        self.used.remove(offset)
        if offset < self._fresh and offset not in self._in_heap:
            self._in_heap.add(offset)
            heappush(self._heap, offset)


class _Use(Generic[K]):
    """An address that is assigned or cooling. `block` is None if the address cools outside all blocks."""

    __slots__ = ("address", "block", "entry", "holder", "note", "order", "until_ns")

    def __init__(self, address: int, block: _Block | None) -> None:
        self.address = address
        self.block = block
        self.holder: tuple[int, K] | None = None  # the key's hash, and the key
        self.entry: object = None  # the owner's object for the address
        self.note: object = None  # the owner's object for the key
        self.until_ns = 0  # while it cools
        self.order = 0  # grows with each cooldown: of equal ends, the lower order expires first


@final
class AddressPool(Generic[K]):
    """Assign addresses to keys from blocks of consecutive integers; an unassigned address cools down before its next use.

    A pool is not thread-safe. Under the GIL a call of the compiled twin is atomic, except while it runs `__hash__` or `__eq__` of a key.
    Keys are compared as in a dict. An integer argument can be anything that `operator.index` accepts; times are 0 … 2**62-1, in
    nanoseconds. `in` and `len()` cover the keys. A call that raises leaves the pool unchanged.

    `placement` chooses among the open blocks that have a free address; the block then assigns its lowest free address. Blocks rank by
    group, then by base, both ascending. "lowest": the block of lowest rank. "packed": the block with most addresses in use (assigned or
    cooling), ties by rank. "spread": the block with fewest in use, ties by rank. "random": draw a group that
    has an open block with a free address, then one of those blocks, both with equal probability. `seed` seeds the generator. ipamd picks
    the ENI and the CIDR at random, too.

    `assign`, `assign_at` and the cooling counts end the cooldowns that are over, unless the call raises. An address whose cooldown has
    ended stays free, even if the clock steps back. A clock that steps back never shortens a cooldown. A cooldown outlives the removal of
    its block.

    After a MemoryError the compiled twin is as before the call, except that cooldowns that were over may have ended. The plain twin can be
    inconsistent: make a new pool. Almost every step of Python code needs memory, so it could only be undone at the cost of each call.

    Invariants:
        1. An address is in one state: free, assigned to one key, or cooling; a key has at most one address.
        2. Blocks don't overlap.
        3. The counts of pool, groups and blocks equal a recount; addresses that cool outside all blocks are in no count.
        4. Cooling addresses are in order of expiry; those that expire together, in the order in which their cooldowns began.
        5. A block can be chosen if and only if it is open and has a free address. The ranks and uses of such blocks are up to date.
        6. The free address that a block offers is its lowest one.

    Args:
        cooldown_ns: 0 … 2**62-1; 0 means that an unassigned address is free at once.
        placement: "lowest", "packed", "spread" or "random".
        seed: 0 … 2**64-1, for "random".

    Raises:
        OutOfRange: the cooldown or the seed is outside its bounds.
        InvalidArgument: `placement` is none of these.

    >>> pool = AddressPool(cooldown_ns=30)
    >>> pool.add_block(base=160, size=16)
    >>> pool.assign("web-1", now_ns=0), pool.assign("web-2", now_ns=1), pool.unassign("web-1", now_ns=2)
    (160, 161, 160)
    >>> pool.assign("web-3", now_ns=31), pool.assign("web-4", now_ns=32)
    (162, 160)
    """

    __slots__ = (
        "__weakref__",
        "_assigned_count",
        "_bases",
        "_blocks",
        "_changes",
        "_cooldown_ns",
        "_cooldown_order",
        "_cooling",
        "_groups",
        "_holders",
        "_in_block_cooling_count",
        "_locked",
        "_open",
        "_placement",
        "_random",
        "_remembered",
        "_seed",
        "_total_count",
        "_uses",
    )

    def __init_subclass__(cls) -> NoReturn:
        raise refuse.not_subclassable(AddressPool)

    def __init__(
        self,
        *,
        cooldown_ns: SupportsIndex,
        placement: str = "lowest",
        seed: SupportsIndex = 0,
    ) -> None:
        if hasattr(self, "_locked"):
            return  # as in the compiled twin, calling `__init__` again has no effect
        self._cooldown_ns = refuse.bounded("cooldown_ns", cooldown_ns, 0, refuse.TIME_MAX_NS)
        if placement not in refuse.PLACEMENTS:
            raise refuse.wrong_placement(placement)
        self._placement: str = placement
        self._seed = refuse.bounded("seed", seed, 0, refuse.SEED_MAX)
        self._random = Scatter(self._seed)
        self._bases: list[int] = []  # of the blocks, ascending
        self._blocks: dict[int, _Block] = {}  # by base
        self._groups: dict[int, _Group] = {}  # by number
        self._open: list[tuple[int, int, int]] = []  # (weight, group, base) of the blocks with a free address to assign, ascending
        self._uses: dict[int, _Use[K]] = {}  # by address: assigned and cooling ones
        self._remembered: set[int] = set()  # addresses that cool outside all blocks
        self._holders: dict[int, list[_Use[K]]] = {}  # by hash of the key
        self._cooling: list[tuple[int, int, int]] = []  # (until_ns, order, address), ascending
        self._cooldown_order = 0
        self._changes = 0  # see `change_count`
        self._total_count = self._assigned_count = self._in_block_cooling_count = 0
        self._locked = False

    # Blocks

    def add_block(self, base: SupportsIndex, size: SupportsIndex, group: SupportsIndex = 0) -> None:
        """Add the open block base … base+size-1 to a group.

        Addresses that still cool from a removed block continue to cool.

        Args:
            base: 0 … 2**128-1.
            size: 1 … 2**48; the block must end by 2**128-1.
            group: 0 … 2**31-1; the blocks of a group are counted together and rank together.

        Raises:
            OutOfRange: an argument is outside its bounds.
            OverlappingBlock: another block has one of these addresses.

        Complexity: O(log blocks), plus an insertion into a sorted array, plus O(min(size, addresses that cool outside all blocks)). Memory
        does not depend on the size.
        """
        first = refuse.bounded("base", base, 0, refuse.ADDRESS_MAX)
        length = refuse.bounded("size", size, 1, refuse.BLOCK_SIZE_MAX)
        number = refuse.bounded("group", group, 0, refuse.GROUP_MAX)
        if first + length - 1 > refuse.ADDRESS_MAX:
            raise refuse.block_past_end(first, length)
        position = bisect_left(self._bases, first)
        for neighbour in self._bases[max(0, position - 1) : position + 1]:
            other = self._blocks[neighbour]
            if first < other.base + other.size and other.base < first + length:
                raise refuse.overlapping_block(first, length, other.base, other.size)
        group_counts = self._groups.setdefault(number, _Group())
        group_counts.block_count += 1
        group_counts.total_count += length
        self._total_count += length
        block = self._blocks[first] = _Block(first, length, number, group_counts)
        self._bases.insert(position, first)
        self._adopt_remembered(block)
        self._rerank(block)

    def remove_block(self, base: SupportsIndex, *, force: bool = False, now_ns: SupportsIndex | None = None) -> tuple[K, ...]:
        """Remove a block; return the keys that lose their addresses, ascending by address.

        The pool remembers cooling addresses; they still cool if a new block covers them. `force` evicts keys; their addresses begin to cool
        at `now_ns`, or don't cool if that is None.

        Raises:
            OutOfRange: `base` or `now_ns` is outside its bounds.
            UnknownBlock: no block starts at `base`.
            BlockInUse: addresses of the block are assigned, and `force` is not set.

        Complexity: O(log blocks + used addresses of the block).
        """
        block = self._block("base", base)
        now = None if now_ns is None else self._time(now_ns)
        if block.assigned_count and not force:
            raise refuse.block_in_use(block.base, block.assigned_count)
        evicted: list[K] = []
        owned: list[object] = []  # kept until the end, as in _unassign
        uses = [self._uses[block.base + offset] for offset in sorted(block.used)]  # kept until the end, as in _expire
        for use in uses:
            if use.holder is not None:
                evicted.append(use.holder[1])
                owned.append(self._remove_key(use))
                if now is None or not self._cooldown_ns:
                    self._free(use)
                    continue
                self._cool(use, now + self._cooldown_ns)
            self._count_cooling(block, -1)
            self._remembered.add(use.address)
            use.block = None
        self._drop(block)
        return tuple(evicted)

    def close_block(self, base: SupportsIndex, /) -> None:
        """Stop `assign` from choosing a block; all other calls still work on it. Closing a closed block changes nothing.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        block = self._block("base", base)
        block.closed = True
        self._rerank(block)

    def open_block(self, base: SupportsIndex, /) -> None:
        """Let `assign` choose a closed block again. Opening an open block changes nothing.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        block = self._block("base", base)
        block.closed = False
        self._rerank(block)

    def is_closed(self, base: SupportsIndex, /) -> bool:
        """Tell whether a block is closed to new assignments.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        return self._block("base", base).closed

    def blocks(self) -> tuple[tuple[int, int, int], ...]:
        """Return (base, size, group) of each block, ascending by group, then base."""
        return tuple((base, size, number) for number, base, size in sorted((b.number, b.base, b.size) for b in self._blocks.values()))

    def block_of(self, address: SupportsIndex, /) -> int | None:
        """Return the base of the block that covers an address, or None.

        Raises:
            OutOfRange: `address` is not 0 … 2**128-1.

        Complexity: O(log blocks).
        """
        block = self._covering(self._address(address))
        return None if block is None else block.base

    # Assignments

    def assign(self, key: K, now_ns: SupportsIndex) -> int:
        """Assign an address to a key and return it. If the key already has one, return that.

        Raises:
            OutOfRange: `now_ns` is outside its bounds.
            PoolExhausted: no open block has a free address.

        Complexity: O(1) for "lowest", O(log blocks) for the other placements, amortised over the cooldowns that it ends.
        """
        now = self._time(now_ns)
        key_hash = hash(key)
        return (self._find(key, key_hash) or self._assign_new(key, key_hash, now)).address

    def assign_many(self, keys: Iterable[K], now_ns: SupportsIndex) -> list[int]:
        """Assign an address to each of these keys, all or nothing, and return the addresses: those that calls of `assign` would return.

        Equal keys get one address, and a key that has an address keeps it.

        Raises:
            OutOfRange: `now_ns` is outside its bounds.
            PoolExhausted: more of the keys have no address than addresses are free in open blocks. The message names the first key without.

        Complexity: O(keys) times that of `assign`, plus O(blocks).
        """
        now = self._time(now_ns)
        wanted = list(keys)
        for key in wanted:
            hash(key)  # the refusal of a dict would have other words, from Python 3.14 on
        numbers: dict[K, int] = {}  # of the different keys
        places = [numbers.setdefault(key, len(numbers)) for key in wanted]
        hashes = [hash(key) for key in numbers]
        while True:
            changes = self._changes
            uses = [self._find(key, key_hash) for key, key_hash in zip(numbers, hashes, strict=True)]
            if changes == self._changes:  # else a comparison has changed the pool: look again
                break
        new = [number for number, use in enumerate(uses) if use is None]
        free_count = self._assignable_count(now)
        if len(new) > free_count:
            place = places.index(new[free_count])
            raise refuse.too_few_addresses(wanted[place], place, len(new), free_count, self._total_count)
        addresses = [
            (use or self._assign_new(key, key_hash, now)).address for key, key_hash, use in zip(numbers, hashes, uses, strict=True)
        ]
        return [addresses[place] for place in places]

    def assign_at(self, key: K, address: SupportsIndex, now_ns: SupportsIndex) -> None:
        """Assign this address to a key, even in a closed block. If the key already has it, change nothing.

        Raises:
            OutOfRange: `address` or `now_ns` is outside its bounds.
            AlreadyAssigned: the key has another address, or another key has this one.
            NotInPool: no block covers the address.
            CoolingDown: the address still cools at `now_ns`.

        Complexity: O(log blocks), amortised over the cooldowns that it ends.
        """
        wanted = self._address(address)
        now = self._time(now_ns)
        key_hash = hash(key)
        held = self._find(key, key_hash)
        if held is not None:
            if held.address != wanted:
                raise refuse.key_holds_another(key, held.address, wanted)
            return
        block = self._covering(wanted)
        if block is None:
            raise refuse.not_in_pool(wanted)
        use = self._uses.get(wanted)
        if use is not None and use.holder is not None:
            raise refuse.address_held(wanted, use.holder[1])
        if use is not None and use.until_ns > now:
            raise refuse.cooling_down(wanted, use.until_ns, now)
        self._expire(now)
        self._add_key(_Use(wanted, block), key, key_hash)

    def unassign(self, key: K, now_ns: SupportsIndex) -> int:
        """Remove a key and return its address, which cools until `now_ns + cooldown_ns` and is free from then on.

        Raises:
            OutOfRange: `now_ns` is outside its bounds.
            UnknownKey: the key has no address.

        Complexity: O(1) while the clock goes forward; otherwise O(cooldowns that end later than this one).
        """
        now = self._time(now_ns)
        use = self._holding(key)
        self._unassign(use, now)
        return use.address

    def revoke(self, key: K, /) -> int:
        """Undo an assignment that never took effect: remove the key and return its address, which is free at once.

        Raises:
            UnknownKey: the key has no address.

        Complexity: O(1).
        """
        use = self._holding(key)
        _owned = self._remove_key(use)
        self._free(use)
        return use.address

    def address_of(self, key: K, /) -> int | None:
        """Return a key's address, or None."""
        use = self._find(key, hash(key))
        return None if use is None else use.address

    def key_of(self, address: SupportsIndex, /) -> K | None:
        """Return the key of an address, or None if no key has it. The address can lie outside all blocks.

        Raises:
            OutOfRange: `address` is not 0 … 2**128-1.

        Complexity: O(log blocks).
        """
        use = self._uses.get(self._address(address))
        return None if use is None or use.holder is None else use.holder[1]

    def items(self) -> Iterator[tuple[K, int]]:
        """Return an iterator over (key, address), ascending by address; later changes don't show."""
        return iter([(use.holder[1], address) for address, use in sorted(self._uses.items(), key=lambda item: item[0]) if use.holder])

    def block_items(self, base: SupportsIndex, /) -> Iterator[tuple[K, int]]:
        """Return an iterator over (key, address) of one block, ascending by address; later changes don't show.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        block = self._block("base", base)
        uses = [self._uses[block.base + offset] for offset in sorted(block.used)]
        return iter([(use.holder[1], use.address) for use in uses if use.holder])

    def __len__(self) -> int:
        return self._assigned_count

    def __contains__(self, key: object) -> bool:
        return self._find(key, hash(key)) is not None

    # The owner's objects for addresses (entries) and for keys (notes)

    def assign_entry(self, key: K, now_ns: SupportsIndex, note: object = None, /) -> object:
        """Assign an address, store the note if the key is new, and return the entry of the address, or None if it has none.

        This one call is enough for an owner that keeps one object per address.

        Raises:
            PoolLocked: `locked` is set, or was set by `__hash__` or `__eq__` of the key or `__index__` of the time.
            OutOfRange: `now_ns` is outside its bounds.
            PoolExhausted: no open block has a free address.

        Complexity: as for `assign`.
        """
        now = self._time(now_ns)
        key_hash = hash(key)
        held = self._find(key, key_hash)
        if self._locked:
            raise refuse.pool_locked()
        if held is not None:
            return held.entry
        use = self._assign_new(key, key_hash, now)
        use.note = note
        return use.entry

    def unassign_entry(self, key: K, now_ns: SupportsIndex, /) -> object:
        """Remove a key and its note, and return the entry of its address.

        Raises:
            PoolLocked: as for `assign_entry`.
            OutOfRange: `now_ns` is outside its bounds.
            UnknownKey: the key has no address, or its address has no entry; in the second case, call `unassign`.

        Complexity: as for `unassign`.
        """
        now = self._time(now_ns)
        use = self._find(key, hash(key))
        if self._locked:
            raise refuse.pool_locked()
        if use is None:
            raise refuse.unknown_key(key)
        if use.entry is None:
            raise refuse.no_entry(key, use.address)
        self._unassign(use, now)
        return use.entry

    def entry_of(self, key: K, /) -> object:
        """Return the entry of a key's address, or None."""
        use = self._find(key, hash(key))
        return None if use is None else use.entry

    def set_entry(self, key: K, entry: object, /) -> None:
        """Store an object, the entry, for a key's address. The next key that gets the address finds it too.

        The entry is lost when the block is removed. It can also be lost once the address is free: the owner must be able to make it again.

        Raises:
            UnknownKey: the key has no address.
        """
        self._holding(key).entry = entry

    def note_of(self, key: K, /) -> object:
        """Return the note of a key, or None."""
        use = self._find(key, hash(key))
        return None if use is None else use.note

    def set_note(self, key: K, note: object, /) -> None:
        """Store an object, the note, for a key. It stays as long as the key has its address.

        Raises:
            UnknownKey: the key has no address.
        """
        self._holding(key).note = note

    # Cooldowns

    def cool_at(self, address: SupportsIndex, until_ns: SupportsIndex) -> None:
        """Make a free address cool until a time, to restore a cooldown after a restart. If it cools already, the later end counts.

        Args:
            address: 0 … 2**128-1.
            until_ns: 0 … 2**63-2, nanoseconds; the address is free from then on.

        Raises:
            OutOfRange: an argument is outside its bounds.
            NotInPool: no block covers the address.
            AlreadyAssigned: a key has the address.

        Complexity: O(log blocks) if cooldowns are added in order of expiry.
        """
        wanted = self._address(address)
        until = refuse.bounded("until_ns", until_ns, 0, refuse.UNTIL_MAX_NS)
        block = self._covering(wanted)
        if block is None:
            raise refuse.not_in_pool(wanted)
        use = self._uses.get(wanted)
        if use is None:
            use = self._uses[wanted] = _Use(wanted, block)
            block.take(wanted - block.base)
            self._cool(use, until)
            self._changes += 1
            self._rerank(block)
        elif use.holder is not None:
            raise refuse.address_held(wanted, use.holder[1])
        elif use.until_ns < until:
            self._cooling.pop(bisect_left(self._cooling, (use.until_ns, use.order)))
            self._count_cooling(block, -1)
            self._cool(use, until)
            self._changes += 1

    def cooling_until(self, address: SupportsIndex, /) -> int | None:
        """Return when the cooldown of an address ends, or None if it does not cool. The end can be in the past, and the block removed.

        Raises:
            OutOfRange: `address` is not 0 … 2**128-1.
        """
        use = self._uses.get(self._address(address))
        return None if use is None or use.holder is not None else use.until_ns

    def cooling_items(self) -> tuple[tuple[int, int], ...]:
        """Return (address, until_ns) of all cooling addresses, in order of expiry, including those of removed blocks."""
        return tuple((address, until_ns) for until_ns, _, address in self._cooling)

    # Counts

    @property
    def locked(self) -> bool:
        """Whether `assign_entry` and `unassign_entry` raise PoolLocked. The owner sets it while an operation needs several calls."""
        return self._locked

    @locked.setter
    def locked(self, value: bool) -> None:
        self._locked = bool(value)

    @property
    def cooldown_ns(self) -> int:
        """How long an unassigned address cools, in nanoseconds."""
        return self._cooldown_ns

    @property
    def placement(self) -> str:
        """How a block is chosen: "lowest", "packed", "spread" or "random"."""
        return self._placement

    @property
    def seed(self) -> int:
        """The seed of "random"."""
        return self._seed

    @property
    def total_count(self) -> int:
        """The number of addresses in all blocks."""
        return self._total_count

    @property
    def assigned_count(self) -> int:
        """The number of assigned addresses."""
        return self._assigned_count

    @property
    def change_count(self) -> int:
        """A number that grows with every change of a key's address and every `cool_at`, but not when a cooldown ends."""
        return self._changes

    def cooling_count(self, now_ns: SupportsIndex, /) -> int:
        """Count the addresses in blocks that still cool at `now_ns`.

        Raises:
            OutOfRange: `now_ns` is outside its bounds.

        Complexity: O(1), amortised over the cooldowns that it ends.
        """
        self._expire(self._time(now_ns))
        return self._in_block_cooling_count

    def block_total_count(self, base: SupportsIndex, /) -> int:
        """Return the size of a block.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        return self._block("base", base).size

    def block_assigned_count(self, base: SupportsIndex, /) -> int:
        """Count the assigned addresses of a block.

        Raises:
            OutOfRange: `base` is not 0 … 2**128-1.
            UnknownBlock: no block starts at `base`.
        """
        return self._block("base", base).assigned_count

    def block_cooling_count(self, base: SupportsIndex, now_ns: SupportsIndex) -> int:
        """Count the addresses of a block that still cool at `now_ns`.

        Raises:
            OutOfRange: `base` or `now_ns` is outside its bounds.
            UnknownBlock: no block starts at `base`.
        """
        block = self._block("base", base)
        self._expire(self._time(now_ns))
        return block.cooling_count

    def group_block_count(self, group: SupportsIndex, /) -> int:
        """Count the blocks of a group. All group counts are 0 if the group has no block.

        Raises:
            OutOfRange: `group` is not 0 … 2**31-1.
        """
        return self._group(group).block_count

    def group_empty_block_count(self, group: SupportsIndex, /) -> int:
        """Count the blocks of a group that have no assigned address. Their addresses can be cooling.

        Raises:
            OutOfRange: `group` is not 0 … 2**31-1.
        """
        counts = self._group(group)
        return counts.block_count - counts.busy_count

    def group_total_count(self, group: SupportsIndex, /) -> int:
        """Count the addresses of a group's blocks.

        Raises:
            OutOfRange: `group` is not 0 … 2**31-1.
        """
        return self._group(group).total_count

    def group_assigned_count(self, group: SupportsIndex, /) -> int:
        """Count the assigned addresses of a group's blocks.

        Raises:
            OutOfRange: `group` is not 0 … 2**31-1.
        """
        return self._group(group).assigned_count

    def group_cooling_count(self, group: SupportsIndex, now_ns: SupportsIndex) -> int:
        """Count the addresses of a group's blocks that still cool at `now_ns`.

        Raises:
            OutOfRange: `group` or `now_ns` is outside its bounds.
        """
        counts = self._group(group)
        self._expire(self._time(now_ns))
        return counts.cooling_count

    def __repr__(self) -> str:
        blocks = f"{len(self._blocks)} blocks, placement {self._placement}"
        return f"<AddressPool: {self._assigned_count} of {self._total_count} assigned, {blocks}>"

    def __reduce__(self) -> NoReturn:
        raise refuse.not_copyable("AddressPool", "build a new one from blocks(), items() and cooling_items()")

    # Arguments

    def _address(self, value: SupportsIndex) -> int:
        return refuse.bounded("address", value, 0, refuse.ADDRESS_MAX)

    def _time(self, value: SupportsIndex) -> int:
        return refuse.bounded("now_ns", value, 0, refuse.TIME_MAX_NS)

    def _block(self, name: str, value: SupportsIndex) -> _Block:
        base = refuse.bounded(name, value, 0, refuse.ADDRESS_MAX)
        if base not in self._blocks:
            raise refuse.unknown_block(base)
        return self._blocks[base]

    def _group(self, value: SupportsIndex) -> _Group:
        number = refuse.bounded("group", value, 0, refuse.GROUP_MAX)
        return self._groups.get(number) or _Group()

    def _covering(self, address: int) -> _Block | None:
        position = bisect_right(self._bases, address)
        block = self._blocks[self._bases[position - 1]] if position else None
        return block if block is not None and address < block.base + block.size else None

    def _find(self, key: object, key_hash: int) -> _Use[K] | None:
        # Comparing runs the keys' own code. It can raise, so nothing may be half changed here. If it changes the pool, search again.
        while True:
            changes = self._changes
            for use in self._holders.get(key_hash, ()):
                assert use.holder is not None  # noqa: S101 - for the type checker: a use in _holders has a holder
                found = use.holder[1] is key or bool(use.holder[1] == key)
                if changes != self._changes:
                    break
                if found:
                    return use
            else:
                return None

    def _holding(self, key: object) -> _Use[K]:
        use = self._find(key, hash(key))
        if use is None:
            raise refuse.unknown_key(key)
        return use

    # State changes. No code of a key runs below.

    def _assign_new(self, key: K, key_hash: int, now_ns: int) -> _Use[K]:
        """Assign an address to a key that has none."""
        if not self._open and not self._some_block_opens(now_ns):
            raise refuse.addresses_exhausted(self._total_count, self._assigned_count)
        self._expire(now_ns)
        block = self._choose()
        use: _Use[K] = _Use(block.base + block.lowest_free(), block)
        self._add_key(use, key, key_hash)
        return use

    def _unassign(self, use: _Use[K], now_ns: int) -> None:
        _owned = self._remove_key(use)
        if self._cooldown_ns:
            self._cool(use, now_ns + self._cooldown_ns)
        else:
            self._free(use)

    def _add_key(self, use: _Use[K], key: K, key_hash: int) -> None:
        assert use.block is not None  # noqa: S101 - for the type checker: the caller chose the block
        use.holder = (key_hash, key)
        self._holders.setdefault(key_hash, []).append(use)
        self._changes += 1
        self._uses[use.address] = use
        use.block.take(use.address - use.block.base)
        self._count_assigned(use.block, 1)
        self._rerank(use.block)

    def _remove_key(self, use: _Use[K]) -> object:
        """Remove the key of an address, and its note; the caller cools or frees the address.

        Returns:
            The key and the note. The caller keeps them until its end, because dropping the last reference to one can run code.
        """
        assert use.holder is not None  # noqa: S101 - for the type checker
        assert use.block is not None  # noqa: S101 - for the type checker
        bucket = self._holders[use.holder[0]]
        bucket.remove(use)  # by identity: a use defines no equality
        if not bucket:
            del self._holders[use.holder[0]]
        self._changes += 1
        owned = use.holder, use.note
        use.holder = use.note = None
        self._count_assigned(use.block, -1)
        return owned

    def _cool(self, use: _Use[K], until_ns: int) -> None:
        assert use.block is not None  # noqa: S101 - for the type checker
        use.until_ns = until_ns
        use.order = self._cooldown_order
        self._cooldown_order += 1
        insort(self._cooling, (until_ns, use.order, use.address))
        self._count_cooling(use.block, 1)

    def _free(self, use: _Use[K]) -> None:
        """Free an address that has no key; the caller takes it out of `_cooling`."""
        del self._uses[use.address]
        if use.block is None:
            self._remembered.remove(use.address)
        else:
            use.block.free(use.address - use.block.base)
            self._rerank(use.block)

    def _expire(self, now_ns: int) -> None:
        due = bisect_left(self._cooling, (now_ns + 1, 0))
        # Kept until the end: dropping the last reference to an entry or a note can run code.
        uses: list[_Use[K]] = [self._uses[address] for _, _, address in self._cooling[:due]]
        for use in uses:
            if use.block is not None:
                self._count_cooling(use.block, -1)
            self._free(use)
        del self._cooling[:due]

    def _some_block_opens(self, now_ns: int) -> bool:
        """Tell whether a cooldown that is over frees an address in an open block. It ends none: the caller can still raise."""
        for until_ns, _, address in self._cooling:
            if until_ns > now_ns:
                return False
            block = self._uses[address].block
            if block is not None and not block.closed:
                return True
        return False

    def _assignable_count(self, now_ns: int) -> int:
        """Count the addresses that can be assigned at a time. It ends no cooldown: the caller can still raise."""
        count = sum(block.size - len(block.used) for block in self._blocks.values() if not block.closed)
        for until_ns, _, address in self._cooling:
            block = self._uses[address].block
            count += until_ns <= now_ns and block is not None and not block.closed
        return count

    def _count_assigned(self, block: _Block, step: int) -> None:
        block.group.busy_count -= block.assigned_count > 0
        block.assigned_count += step
        block.group.busy_count += block.assigned_count > 0
        block.group.assigned_count += step
        self._assigned_count += step

    def _count_cooling(self, block: _Block, step: int) -> None:
        block.cooling_count += step
        block.group.cooling_count += step
        self._in_block_cooling_count += step

    def _adopt_remembered(self, block: _Block) -> None:
        covered = range(block.base, block.base + block.size)
        if block.size < len(self._remembered):
            found = [address for address in covered if address in self._remembered]
        else:
            found = [address for address in self._remembered if address in covered]
        for address in found:
            self._remembered.remove(address)
            use = self._uses[address]
            use.block = block
            block.take(address - block.base)
            self._count_cooling(block, 1)

    def _drop(self, block: _Block) -> None:
        block.closed = True  # takes it out of `_open`
        self._rerank(block)
        del self._blocks[block.base]
        del self._bases[bisect_left(self._bases, block.base)]
        self._total_count -= block.size
        block.group.total_count -= block.size
        block.group.block_count -= 1
        if not block.group.block_count:
            del self._groups[block.number]

    # Placement

    def _rerank(self, block: _Block) -> None:
        """Update a block's entry in `_open`."""
        rank = None
        if not block.closed and len(block.used) < block.size:
            weight = {"packed": -len(block.used), "spread": len(block.used)}.get(self._placement, 0)
            rank = (weight, block.number, block.base)
        if rank != block.rank:
            if block.rank is not None:
                del self._open[bisect_left(self._open, block.rank)]
            if rank is not None:
                insort(self._open, rank)
            block.rank = rank

    def _choose(self) -> _Block:
        """Choose the block of the next address. Some open block must have a free address."""
        if self._placement != "random":
            return self._blocks[self._open[0][2]]
        starts = [0]  # where each group begins in `_open`
        while (start := bisect_left(self._open, (0, self._open[starts[-1]][1] + 1))) < len(self._open):
            starts.append(start)
        starts.append(len(self._open))
        group = self._draw(len(starts) - 1)
        return self._blocks[self._open[starts[group] + self._draw(starts[group + 1] - starts[group])][2]]

    def _draw(self, bound: int) -> int:
        """Draw 0 … bound-1 with equal probability. Reject draws below 2**64 % bound, since they would favour low numbers."""
        while True:
            word = self._random.word()
            if word >= 2**64 % bound:
                return word % bound

    def _check(self) -> None:
        blocks = [self._blocks[base] for base in self._bases]
        uses = list(self._uses.values())
        held = [use for use in uses if use.holder is not None]
        cooling = [use for use in uses if use.holder is None]
        refuse.hold(1, all(use.address == address for address, use in self._uses.items()))
        refuse.hold(1, sorted(map(id, held)) == sorted(id(use) for bucket in self._holders.values() for use in bucket))
        refuse.hold(1, all(self._covering(use.address) is use.block for use in uses))
        refuse.hold(1, self._remembered == {use.address for use in uses if use.block is None})
        refuse.hold(2, sorted(self._blocks) == self._bases)
        refuse.hold(2, all(low.base + low.size <= high.base for low, high in pairwise(blocks)))
        for block in blocks:
            refuse.hold(3, block.used == {use.address - block.base for use in uses if use.block is block})
            refuse.hold(3, block.assigned_count == sum(use.block is block for use in held))
            refuse.hold(3, block.cooling_count == sum(use.block is block for use in cooling))
        for number, group in self._groups.items():
            members = [block for block in blocks if block.number == number]
            refuse.hold(3, all(block.group is group for block in members) and group.block_count == len(members) > 0)
            refuse.hold(3, group.total_count == sum(block.size for block in members))
            refuse.hold(3, group.assigned_count == sum(block.assigned_count for block in members))
            refuse.hold(3, group.busy_count == sum(block.assigned_count > 0 for block in members))
            refuse.hold(3, group.cooling_count == sum(block.cooling_count for block in members))
        refuse.hold(3, self._total_count == sum(block.size for block in blocks) and self._assigned_count == len(held))
        refuse.hold(3, self._in_block_cooling_count == sum(use.block is not None for use in cooling))
        refuse.hold(4, self._cooling == sorted((use.until_ns, use.order, use.address) for use in cooling))
        refuse.hold(5, self._open == sorted(block.rank for block in blocks if block.rank is not None))
        refuse.hold(5, all((block.rank is not None) == (not block.closed and len(block.used) < block.size) for block in blocks))
        for block in blocks:
            if len(block.used) < block.size:
                refuse.hold(6, block.lowest_free() == min(set(range(len(block.used) + 1)) - block.used))


def owners_lock(pool: AddressPool[K], /) -> "RLock":  # noqa: ARG001  # the compiled twin sets `locked`
    """Return a reentrant lock for a pool's owner, for use in `with`. It does not set `locked`.

    The owner of a plain pool needs the lock for every call, because other threads can run in the middle of each. A signal handler that
    raises, as for KeyboardInterrupt, does not leave the lock taken.
    """
    return RLock()
