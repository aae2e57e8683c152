"""Pools of offsets and of keyed addresses: integers only, no clock, no AWS.

The classes are compiled if the extension modules were built, and plain Python otherwise. Both twins behave the same; `USING_EXTENSION`
tells which one is in use. If the extension modules were not built, or can't be loaded, as in a second interpreter of the process, a
RuntimeWarning says so; for workers of `multiprocessing`, their parent does. Set `VPCIPAM_NO_EXTENSION=1` in the environment before the
first import to force the plain twin.
"""

import os
import sys
import warnings
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

if TYPE_CHECKING:  # the plain twin has the docstrings, which editors show
    from vpcipam.pool.plain import AddressPool, BitmapPool, owners_lock
elif os.environ.get("VPCIPAM_NO_EXTENSION") == "1":
    from vpcipam.pool.plain import AddressPool, BitmapPool, owners_lock

    USING_EXTENSION = False
else:
    try:
        # Import each class from its own module: if a user imports `vpcipam._pool` first, that module is still half imported here.
        from vpcipam._pool import BitmapPool
        from vpcipam.pool.addresses import AddressPool, owners_lock

        USING_EXTENSION = True
    except ImportError as error:
        from vpcipam.pool.plain import AddressPool, BitmapPool, owners_lock

        USING_EXTENSION = False
        if isinstance(error, ModuleNotFoundError):
            reason, cure = "were not built", "To have them, install a C compiler, then vpcipam again."
        else:
            reason = f"can't be loaded ({error})"
            cure = "A process can load them in one interpreter: import vpcipam there first."
        processes = sys.modules.get("multiprocessing.process")
        if processes is None or processes.parent_process() is None:  # else the parent says so, once and not for each worker
            warnings.warn(
                f"vpcipam runs without its compiled pools, which {reason}: the results are the same, but a pool operation takes about 50 "
                f"times as long, and a large simulation about twice as long. {cure} VPCIPAM_NO_EXTENSION=1 turns this warning off",
                RuntimeWarning,
                stacklevel=2,
            )
