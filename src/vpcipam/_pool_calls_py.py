"""What the loop of a fleet calls of its pools, in the plain twin. In the compiled one `_pool.pxd` has functions of C of the same names.

Two of these do something; the others are hints for the processor, of which a plain loop has no use.
"""

from collections.abc import Sequence

from vpcipam.pool import AddressPool
from vpcipam.sandbox import SandboxKey


def occupy(pool: AddressPool[SandboxKey], key: SandboxKey, now_ns: int) -> int:
    """Assign; return where the pool keeps that, which `vacate` wants to be told.

    Raises:
        PoolExhausted: no open block has a free address.
    """
    pool.assign(key, now_ns)
    return 0


def vacate(pool: AddressPool[SandboxKey], key: SandboxKey, place: int, now_ns: int) -> None:  # noqa: ARG001  # for the compiled twin
    """Unassign.

    Raises:
        UnknownKey: the key has no address.
    """
    pool.unassign(key, now_ns)


def look_ahead(  # noqa: PLR0917  # columns of a ledger
    deleted: Sequence[int],
    count: int,
    homes: Sequence[int],
    places: Sequence[int],
    keys: list[SandboxKey],
    members: Sequence[object],
    pools: list[AddressPool[SandboxKey]],
) -> None:
    """Have fetched what the next deletions will read."""


def approach(members: Sequence[object], pools: list[AddressPool[SandboxKey]], number: int) -> None:
    """Have a node fetched, if there is one of that number."""


def prepare(pools: list[AddressPool[SandboxKey]], number: int, keys: list[SandboxKey], pod: int) -> None:
    """Have fetched what `occupy` will read for a pod, if there is one, of a pool that has been fetched already."""
