"""The bounds of the pools' arguments, and the errors that both twins raise.

`bounded`, `offset_buffer` and `hold` raise; each function below them returns an error for the twin to raise.
"""

import operator
import reprlib
from typing import TYPE_CHECKING, SupportsIndex

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

if TYPE_CHECKING:
    from typing_extensions import Buffer

CAPACITY_MAX = 2**32
ADDRESS_MAX = 2**128 - 1
BLOCK_SIZE_MAX = 2**48
GROUP_MAX = 2**31 - 1
SEED_MAX = 2**64 - 1
TIME_MAX_NS = 2**62 - 1
UNTIL_MAX_NS = 2 * TIME_MAX_NS  # the latest end of a cooldown; it fits a signed 64-bit integer
OFFSET_BYTES = 4  # of an offset in a buffer
RUN_LENGTHS = (2, 4, 8, 16, 32, 64)
PLACEMENTS = ("lowest", "packed", "spread", "random")

_BITS_SHOWN = 256  # show only the length of a longer integer: Python refuses to convert more than 4,300 digits

_key_repr = reprlib.Repr()
_key_repr.maxstring = _key_repr.maxother = 200  # enough for a whole container id of 64 characters


def _shown(value: int) -> str:
    bits = value.bit_length()
    return int.__repr__(value) if bits <= _BITS_SHOWN else f"an integer of {bits} bits"


def bounded(name: str, value: SupportsIndex, low: int, high: int) -> int:
    """Convert an integer argument by `operator.index`; refuse it outside low … high, both included."""
    number = operator.index(value)
    if not low <= number <= high:
        raise out_of_range(name, number, low, high)
    return number


def offset_buffer(buffer: "Buffer", *, written: bool) -> memoryview:
    """Return a view of a buffer of offsets; refuse it unless it is a contiguous, non-empty row of uint32, and writable if `written`."""
    view = memoryview(buffer)
    if view.format.removeprefix("@") not in {"I", "L"} or view.itemsize != OFFSET_BYTES:
        raise InvalidArgument(f"buffer must have uint32 items, like array('I'), got format {view.format!r} with {view.itemsize} bytes each")
    if view.ndim != 1 or not view.c_contiguous:
        raise InvalidArgument(f"buffer must be contiguous and have one dimension, got shape {view.shape} and strides {view.strides}")
    if not view.nbytes:
        raise InvalidArgument("buffer must have at least one item, got none")
    if written and view.readonly:
        raise InvalidArgument("buffer must be writable, got one that is read-only")
    return view


def hold(invariant: int, holds: bool) -> None:  # noqa: FBT001 - called like an assert
    """Assert an invariant, even under `python -O`."""
    if not holds:
        raise AssertionError(f"invariant {invariant} is broken")


def out_of_range(name: str, value: int, low: int, high: int) -> OutOfRange:
    """Return the error for an argument outside low … high, both included."""
    return OutOfRange(f"{name} must be {low} … {high} (both included), got {_shown(value)}")


def wrong_run_length(length: int) -> InvalidArgument:
    """Return the error for a run length that does not exist."""
    return InvalidArgument(f"length must be 2, 4, 8, 16, 32 or 64, got {_shown(length)}")


def unaligned_run(offset: int, length: int) -> InvalidArgument:
    """Return the error for a run that does not start at a multiple of its length."""
    return InvalidArgument(f"a run of {length} must start at a multiple of {length}, got offset {offset}")


def run_past_capacity(offset: int, length: int, capacity: int) -> OutOfRange:
    """Return the error for a run that starts inside the pool and ends outside it."""
    return OutOfRange(f"a run of {length} at offset {offset} reaches past the capacity of {capacity}")


def offsets_exhausted(capacity: int) -> PoolExhausted:
    """Return the error for a pool without a free offset."""
    return PoolExhausted(f"all {capacity} offsets are allocated: release one first")


def too_few_offsets(count: int, free_count: int, capacity: int) -> PoolExhausted:
    """Return the error for a pool with fewer free offsets than a call wants."""
    return PoolExhausted(f"{count} offsets are wanted, and {free_count} of {capacity} are free: release some first, or allocate fewer")


def no_free_run(length: int, free_count: int) -> NoFreeRun:
    """Return the error for a pool without a free aligned run."""
    return NoFreeRun(f"no aligned run of {length} is free, only {free_count} single offsets: release a whole run first")


def already_allocated(offset: int) -> AlreadyAllocated:
    """Return the error for an offset that is allocated."""
    return AlreadyAllocated(f"offset {offset} is already allocated: release it first, or allocate another")


def run_already_allocated(offset: int, length: int, taken: int) -> AlreadyAllocated:
    """Return the error for a run with allocated offsets, the lowest of which is `taken`."""
    return AlreadyAllocated(f"the run of {length} at offset {offset} is not free: offset {taken} of it is already allocated")


def not_allocated(offset: int) -> NotAllocated:
    """Return the error for an offset that is free."""
    return NotAllocated(f"offset {offset} is already free: it was never allocated, or it was released before")


def one_not_allocated(offset: int, index: int) -> NotAllocated:
    """Return the error for an offset among several, at an index, that is free or comes a second time."""
    return NotAllocated(f"offset {offset}, at index {index}, is already free or comes twice: nothing was released")


def run_not_allocated(offset: int, length: int, free: int) -> NotAllocated:
    """Return the error for a run with free offsets, the lowest of which is `free`."""
    return NotAllocated(f"the run of {length} at offset {offset} is not all allocated: offset {free} of it is already free")


def wrong_placement(placement: object) -> InvalidArgument:
    """Return the error for a placement that does not exist."""
    return InvalidArgument(f"placement must be one of {', '.join(PLACEMENTS)}, got {_key_repr.repr(placement)}")


def block_past_end(base: int, size: int) -> OutOfRange:
    """Return the error for a block that reaches past the last address."""
    return OutOfRange(f"a block of {size} at {base} reaches past 2**128 - 1, the last address: use a lower base or a smaller size")


def overlapping_block(base: int, size: int, other_base: int, other_size: int) -> OverlappingBlock:
    """Return the error for a block that overlaps another."""
    return OverlappingBlock(f"the block of {size} at {base} overlaps the block of {other_size} at {other_base}")


def unknown_block(base: int) -> UnknownBlock:
    """Return the error for an address at which no block starts."""
    return UnknownBlock(f"no block starts at {base}")


def block_in_use(base: int, assigned_count: int) -> BlockInUse:
    """Return the error for removing a block with assigned addresses."""
    return BlockInUse(f"the block at {base} has {assigned_count} assigned addresses: unassign them, or remove the block with force=True")


def addresses_exhausted(total_count: int, assigned_count: int) -> PoolExhausted:
    """Return the error for a pool without a free address."""
    return PoolExhausted(
        f"no free address: {assigned_count} of {total_count} are assigned, the others are cooling or in closed blocks; "
        "add a block, or try again after a cooldown"
    )


def too_few_addresses(key: object, index: int, new_count: int, free_count: int, total_count: int) -> PoolExhausted:
    """Return the error for more new keys than free addresses; the key at `index` is the first without one."""
    return PoolExhausted(
        f"{new_count} keys need an address, and {free_count} of {total_count} can be assigned: key {_key_repr.repr(key)} at index {index} "
        "would get none, so nothing was assigned; add a block, or try again after a cooldown"
    )


def key_holds_another(key: object, held: int, wanted: int) -> AlreadyAssigned:
    """Return the error for a key that has another address than the wanted one."""
    return AlreadyAssigned(f"key {_key_repr.repr(key)} has address {held}, not {wanted}: unassign it first")


def address_held(address: int, holder: object) -> AlreadyAssigned:
    """Return the error for an address that another key has."""
    return AlreadyAssigned(f"address {address} is assigned to {_key_repr.repr(holder)}: unassign that key first")


def cooling_down(address: int, until_ns: int, now_ns: int) -> CoolingDown:
    """Return the error for an address that still cools."""
    return CoolingDown(f"address {address} cools until {until_ns} ns, and it is {now_ns} ns now: try again {until_ns - now_ns} ns later")


def not_in_pool(address: int) -> NotInPool:
    """Return the error for an address in no block."""
    return NotInPool(f"no block has address {address}: add its block first")


def unknown_key(key: object) -> UnknownKey:
    """Return the error for a key without an address."""
    return UnknownKey(f"key {_key_repr.repr(key)} has no address: it never had one, or it was unassigned before")


def no_entry(key: object, address: int) -> UnknownKey:
    """Return the error for a key whose address has no entry."""
    return UnknownKey(f"address {address} of key {_key_repr.repr(key)} has no entry: call unassign instead")


def not_copyable(name: str, how: str) -> TypeError:
    """Return the error for pickling or copying a pool; `how` says what to do instead."""
    return TypeError(f"{name} can't be pickled or copied: {how}")


def not_subclassable(pool_class: type) -> TypeError:
    """Return the error for deriving a class from a pool, in the words of Python itself for the compiled classes."""
    return TypeError(f"type '{pool_class.__module__}.{pool_class.__qualname__}' is not an acceptable base type")


def pool_locked() -> PoolLocked:
    """Return the error for a call by a thread without the owner's lock, while another thread has the lock."""
    return PoolLocked("another thread has the lock of the pool's owner: take the lock, then call `assign` or `unassign`")
