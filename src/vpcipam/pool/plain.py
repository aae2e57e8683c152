"""The plain twin of the pools: the reference, and the fallback if the compiled twin can't be built.

Both twins return the same results and raise the same errors with the same messages. `vpcipam.pool` picks one.
"""

from vpcipam.pool.plain_addresses import AddressPool, owners_lock
from vpcipam.pool.plain_offsets import BitmapPool

__all__ = ["AddressPool", "BitmapPool", "owners_lock"]
