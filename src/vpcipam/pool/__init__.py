"""Pools of offsets and of keyed addresses: integers only, no clock, no AWS.

The classes come from the compiled twin where it was built, else from the plain one. Both do the same; `USING_EXTENSION` says which it is.
`VPCIPAM_NO_EXTENSION=1` in the environment, when this module is first imported, forces the plain twin.
"""

import os
from typing import TYPE_CHECKING

from vpcipam._pool_refusals import (
    ADDRESS_MAX,
    BLOCK_SIZE_MAX,
    CAPACITY_MAX,
    GROUP_MAX,
    PLACEMENTS,
    RUN_LENGTHS,
    SEED_MAX,
    TIME_MAX_NS,
    UNTIL_MAX_NS,
)

__all__ = [
    "ADDRESS_MAX",
    "BLOCK_SIZE_MAX",
    "CAPACITY_MAX",
    "GROUP_MAX",
    "PLACEMENTS",
    "RUN_LENGTHS",
    "SEED_MAX",
    "TIME_MAX_NS",
    "UNTIL_MAX_NS",
    "USING_EXTENSION",
    "AddressPool",
    "BitmapPool",
    "owners_lock",
]

USING_EXTENSION: bool
"""Whether the pools are the compiled ones."""

if TYPE_CHECKING:
    from vpcipam._pool import AddressPool, BitmapPool, owners_lock
elif os.environ.get("VPCIPAM_NO_EXTENSION") == "1":
    from vpcipam.pool.plain import AddressPool, BitmapPool, owners_lock

    USING_EXTENSION = False
else:
    try:
        from vpcipam._pool import AddressPool, BitmapPool, owners_lock

        USING_EXTENSION = True
    except ImportError:  # no compiler where it was built
        from vpcipam.pool.plain import AddressPool, BitmapPool, owners_lock

        USING_EXTENSION = False
