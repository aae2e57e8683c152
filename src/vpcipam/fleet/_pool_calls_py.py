"""What the loop of a fleet calls of its pools, in the plain twin. In the compiled one `_pool.pxd` has functions of C of the same names."""

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


def spare_count(pool: AddressPool[SandboxKey]) -> int:
    """So many assigns are sure to find an address from now on, whenever they come; there may be more."""
    return pool._spare_count()  # noqa: SLF001  # made for this module, and no promise to users


def still_cooling(pool: AddressPool[SandboxKey], now_ns: int) -> int:
    """Count what cools at a time, and end no cooldown: changes of an earlier time may still be to come."""
    return pool._still_cooling(now_ns)  # noqa: SLF001  # made for this module, and no promise to users
