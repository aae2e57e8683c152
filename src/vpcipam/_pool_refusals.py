"""The bounds of the pools' arguments and the words of their refusals, for both twins: what is written once can't drift apart.

A function named by a refusal returns the error; the twin raises it. Integers come in as they were given (after `operator.index`).
"""

import operator
import reprlib
from typing import SupportsIndex

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
    PoolLocked,
    UnknownBlock,
    UnknownKey,
)

CAPACITY_MAX = 2**32
ADDRESS_MAX = 2**128 - 1
BLOCK_SIZE_MAX = 2**48
GROUP_MAX = 2**31 - 1
SEED_MAX = 2**64 - 1
TIME_MAX_NS = 2**62 - 1
UNTIL_MAX_NS = 2 * TIME_MAX_NS  # the latest end of a cooldown; it still fits a signed 64-bit integer
RUN_LENGTHS = (2, 4, 8, 16, 32, 64)
PLACEMENTS = ("lowest", "packed", "spread", "random")

_BITS_SHOWN = 256  # a longer integer is described: Python refuses to print one of more than 4,300 digits

_key_repr = reprlib.Repr()
_key_repr.maxstring = _key_repr.maxother = 200  # a container id is 64 characters, and is wanted whole


def _shown(value: int) -> str:
    bits = value.bit_length()
    return int.__repr__(value) if bits <= _BITS_SHOWN else f"an integer of {bits} bits"


def bounded(name: str, value: SupportsIndex, low: int, high: int) -> int:
    """Take an integer, as `operator.index` does, of low … high, both included."""
    number = operator.index(value)
    if not low <= number <= high:
        raise out_of_range(name, number, low, high)
    return number


def hold(invariant: int, holds: bool) -> None:  # noqa: FBT001 - it reads as an assert: the claim comes last
    """Claim that an invariant holds; unlike an assert, it is not left out under `python -O`."""
    if not holds:
        raise AssertionError(f"invariant {invariant} is broken")


def out_of_range(name: str, value: int, low: int, high: int) -> OutOfRange:
    """Say that an argument lies outside low … high, both included."""
    return OutOfRange(f"{name} must be {low} … {high} (both included), got {_shown(value)}")


def wrong_run_length(length: int) -> InvalidArgument:
    """Say that no runs of that length are kept."""
    return InvalidArgument(f"length must be 2, 4, 8, 16, 32 or 64, got {_shown(length)}")


def unaligned_run(offset: int, length: int) -> InvalidArgument:
    """Say that a run does not start at a multiple of its length."""
    return InvalidArgument(f"a run of {length} starts at a multiple of {length}, got offset {offset}")


def run_past_capacity(offset: int, length: int, capacity: int) -> OutOfRange:
    """Say that a run starts inside the pool and ends outside it."""
    return OutOfRange(f"a run of {length} at offset {offset} reaches past the capacity of {capacity}")


def offsets_exhausted(capacity: int) -> PoolExhausted:
    """Say that no offset is free."""
    return PoolExhausted(f"all {capacity} offsets are allocated: release one first")


def no_free_run(length: int, free_count: int) -> NoFreeRun:
    """Say that no aligned run is free."""
    return NoFreeRun(f"no aligned run of {length} is free, though {free_count} single offsets are: release a whole run first")


def already_allocated(offset: int) -> AlreadyAllocated:
    """Say that an offset is in use."""
    return AlreadyAllocated(f"offset {offset} is allocated already: release it first, or take another")


def run_already_allocated(offset: int, length: int, taken: int) -> AlreadyAllocated:
    """Say that an offset of the run is in use; the lowest such is `taken`."""
    return AlreadyAllocated(f"the run of {length} at offset {offset} is not free: offset {taken} of it is allocated already")


def not_allocated(offset: int) -> NotAllocated:
    """Say that an offset is free."""
    return NotAllocated(f"offset {offset} is free already: it was never allocated, or was released before")


def run_not_allocated(offset: int, length: int, free: int) -> NotAllocated:
    """Say that an offset of the run is free; the lowest such is `free`."""
    return NotAllocated(f"the run of {length} at offset {offset} is not all allocated: offset {free} of it is free already")


def wrong_placement(placement: object) -> InvalidArgument:
    """Say that there is no such placement."""
    return InvalidArgument(f"placement must be one of {', '.join(PLACEMENTS)}, got {_key_repr.repr(placement)}")


def block_past_end(base: int, size: int) -> OutOfRange:
    """Say that a block reaches past the last address there is."""
    return OutOfRange(f"a block of {size} at {base} reaches past 2**128 - 1, the last address: take a lower base or a smaller size")


def overlapping_block(base: int, size: int, other_base: int, other_size: int) -> OverlappingBlock:
    """Say which block has an address in common with the new one."""
    return OverlappingBlock(f"the block of {size} at {base} shares addresses with the block of {other_size} at {other_base}")


def unknown_block(base: int) -> UnknownBlock:
    """Say that no block starts there."""
    return UnknownBlock(f"the pool has no block that starts at {base}")


def block_in_use(base: int, assigned_count: int) -> BlockInUse:
    """Say how many addresses of the block are assigned."""
    return BlockInUse(f"the block at {base} has {assigned_count} assigned addresses: unassign them first, or remove it with force=True")


def addresses_exhausted(total_count: int, assigned_count: int) -> PoolExhausted:
    """Say that assign() finds no address."""
    return PoolExhausted(
        f"no free address: {assigned_count} of {total_count} are assigned, the rest cool down or lie in closed blocks; "
        "add a block, or try again when a cooldown is over"
    )


def key_holds_another(key: object, held: int, wanted: int) -> AlreadyAssigned:
    """Say that a key has an address, and not the one that is wanted."""
    return AlreadyAssigned(f"key {_key_repr.repr(key)} holds address {held}, not {wanted}: unassign it first")


def address_held(address: int, holder: object) -> AlreadyAssigned:
    """Say who holds an address."""
    return AlreadyAssigned(f"address {address} is assigned to {_key_repr.repr(holder)}: unassign that key first")


def cooling_down(address: int, until_ns: int, now_ns: int) -> CoolingDown:
    """Say until when an address cools."""
    return CoolingDown(f"address {address} cools until {until_ns} ns and it is {now_ns} ns: try again {until_ns - now_ns} ns later")


def not_in_pool(address: int) -> NotInPool:
    """Say that no block covers an address."""
    return NotInPool(f"address {address} lies in no block of the pool: add its block first")


def unknown_key(key: object) -> UnknownKey:
    """Say that a key has no address."""
    return UnknownKey(f"key {_key_repr.repr(key)} holds no address: it never had one, or was unassigned before")


def no_entry(key: object, address: int) -> UnknownKey:
    """Say that nothing is kept for a key's address."""
    return UnknownKey(f"key {_key_repr.repr(key)} holds {address}, for which no entry is kept: take it back with unassign")


def not_copyable(name: str, how: str) -> TypeError:
    """Say that a pool is neither pickled nor copied, and what to do instead."""
    return TypeError(f"a {name} can't be pickled or copied: {how}")


def pool_locked() -> PoolLocked:
    """Refuse the calls that an owner makes without its lock, while another thread has that."""
    return PoolLocked("another thread has the lock of the pool's owner: take that, then call `assign` or `unassign`")
