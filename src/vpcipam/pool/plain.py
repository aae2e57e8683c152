"""The plain twin of the pools: what they do, in plain Python, and the fallback where the compiled twin (`_pool.pyx`) can't be built.

Both twins give the same results, the same errors and the same words; `vpcipam.pool` picks one.
"""

from vpcipam.pool.plain_addresses import AddressPool, owners_lock
from vpcipam.pool.plain_offsets import BitmapPool

__all__ = ["AddressPool", "BitmapPool", "owners_lock"]
