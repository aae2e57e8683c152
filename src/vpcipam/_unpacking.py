"""How much a packed file may unpack to, so that a small file from anyone can't fill the memory or take hours."""

GZIP_MAGIC = b"\x1f\x8b"
"""The first bytes of a gzip file."""
MOST_UNPACKED = 100
"""How many times its size a packed file may unpack to, beside `ALWAYS_UNPACKED`. Traces and answers of Kubernetes stay below 60 times."""
ALWAYS_UNPACKED = 1 << 20
UNPACKS_TOO_FAR = f"it unpacks to more than {MOST_UNPACKED} times its size; unpack it first if it is what it seems"


def most_unpacked(packed_size: int) -> int:
    """Return how many bytes a packed file may unpack to.

    >>> most_unpacked(0), most_unpacked(1_000_000)
    (1048576, 101048576)
    """
    return ALWAYS_UNPACKED + MOST_UNPACKED * packed_size
