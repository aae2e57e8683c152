"""An IPAM from PyPI behind the two methods: ipalloc 1.0 (`pip install 'ipalloc[file]'`), with its pool in a JSON file."""

import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ipalloc import IPAllocError, Store, _models
from ipalloc.backends import jsonfile

from vpcipam.testing import KillableStorage

REFUSALS = (IPAllocError,)
RANGES = ("10.0.0.0/30",)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class IpallocPool:
    """A pool of ipalloc. It has no cooldown: a released address is free at once."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.uri = f"file://{Path(self.folder.name) / 'state.json'}"
        jsonfile.os = KillableStorage(os, ["fsync", "replace", "unlink"])
        options = {"exclude_network": False, "exclude_broadcast": False}
        self.pool = Store.open(self.uri).create_pool("pods", ranges=RANGES, **options)

    def assign(self, key: str, now_ns: int) -> str:
        """Return the address of a key."""
        self.set_clock(now_ns)
        return self.pool.allocate(key)

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        self.set_clock(now_ns)
        self.pool.release(key)

    def set_clock(self, now_ns: int) -> None:
        """Let ipalloc believe that it is a certain time."""
        now = EPOCH + timedelta(microseconds=now_ns / 1000)
        _models.utcnow = lambda: now

    def kill_after(self, writes: int | None) -> None:
        """Die after so many operations on files."""
        jsonfile.os.kill_after(writes)

    def restart(self, now_ns: int) -> dict[str, str]:
        """Open the file again."""
        self.set_clock(now_ns)
        self.pool = Store.open(self.uri).get_pool("pods")
        return {each.key: each.ip for each in self.pool.allocations() if each.expires_at is None}

    def close(self) -> None:
        """Give ipalloc its module back, and remove the file."""
        jsonfile.os = os
        self.folder.cleanup()


class WithCooldown(IpallocPool):
    """What its users can write to get a cooldown: a release gives the address an end instead. `allocate` can return it until then."""

    def unassign(self, key: str, now_ns: int) -> None:
        """Let the address expire after its cooldown."""
        self.set_clock(now_ns)
        self.pool.renew(key, ttl=30)
