"""Journals: files that another program, a crash or a disk has changed."""

import contextlib
import functools
import shutil
from collections.abc import Callable
from pathlib import Path

from fuzz.target import Choices, Target, folder, require
from vpcipam.errors import JournalConflict, JournalCorrupt, JournalError
from vpcipam.journal.files import Files
from vpcipam.journal.ipam_json import IpamJsonFile
from vpcipam.journal.protocol import Assigned, Cooling, ReleasedCidr, Restored
from vpcipam.journal.sqlite import SqliteJournal
from vpcipam.sandbox import PodRef, SandboxKey

_NEW = Assigned(SandboxKey("aws-cni", "new", "eth0"), "10.9.9.9", PodRef("default", "new"), 7)
_FIELDS = (
    *("version", "vpc-cni-ipam/1", "allocations", "networkName", "containerID", "ifName", "ipv4", "ipv6", "allocationTimestamp"),
    *("metadata", "k8sPodNamespace", "k8sPodName", "interfacesCount", "vpcipam-cooldown/1", "cooldowns", "address", "untilTimestamp"),
    *("releasedTimestamp", "releasedCidrs", "cidr", "pending", "checkpoint", "10.0.0.1", "2001:db8::1", "10.0.0.16/28"),
)


class _NoSync(Files):
    def sync(self, descriptor: int) -> None:
        """Return at once: only a power cut would show it."""


def _use(open_journal: "Callable[[], IpamJsonFile | SqliteJournal]", salvage: Callable[[], Restored]) -> None:
    """Open a journal, record in it, and open it again; and salvage it."""
    with contextlib.suppress(JournalCorrupt, JournalError):
        salvage()
    try:
        journal = open_journal()
    except JournalError:
        return
    with journal:
        journal.restore(0)
        with contextlib.suppress(JournalConflict):
            journal.record((_NEW,))
            journal.record_unassign(((_NEW.key, Cooling(_NEW.address, 50, 20)),))
        journal.record_released_cidrs((ReleasedCidr("10.9.9.16/28", 60),), 1)
        left = journal.restore(10)
        require(all(problem.message and problem.place for problem in left.problems), "a problem says nothing")
        for problem in left.problems:
            journal.record(dropped=(problem,))
        left = journal.restore(10)
        require(not left.problems, "a problem that was dropped is still there")
    with open_journal() as again:
        require(again.restore(10) == left, "a journal that is opened again has other entries")


def read_ipam_json(data: bytes) -> None:
    """Use ipamd's checkpoint; after a NUL comes the file of cooldowns."""
    checkpoint, beside, cooldowns = data.partition(b"\0")
    path = folder() / "ipam.json"
    path.write_bytes(checkpoint)
    path.with_name("ipam.cooldown.json").unlink(missing_ok=True)
    if beside:
        path.with_name("ipam.cooldown.json").write_bytes(cooldowns)
    _use(lambda: IpamJsonFile(path, files=_NoSync()), lambda: IpamJsonFile.salvage(path, 0))


def read_sqlite(data: bytes) -> None:
    """Use a database with some bytes changed: each change is three bytes of place and one of value. An odd length also cuts the file."""
    path = folder() / "journal.db"
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"journal.db{suffix}").unlink(missing_ok=True)
    content, changes = bytearray(_database()), Choices(data)
    if len(data) % 2:
        del content[changes.number(3) % len(content) :]
    while changes and content:
        place = changes.number(3) % len(content)
        content[place] = changes.number()
    path.write_bytes(content)
    _use(lambda: SqliteJournal(path, synchronous="OFF"), lambda: SqliteJournal.salvage(path, 0))


@functools.cache
def _database() -> bytes:
    """A journal with some entries."""
    path = Path(folder() / "made.db")
    with SqliteJournal(path, synchronous="OFF") as journal:
        pods = [Assigned(SandboxKey("aws-cni", f"c{number}", "eth0"), f"10.0.0.{number}", None, number) for number in range(8)]
        journal.record((*pods, Assigned(SandboxKey("aws-cni", "six", "eth0"), "2001:db8::6", PodRef("default", "six"), 6)))
        journal.record(cooling=(Cooling("10.0.0.99", 90), Cooling("10.0.0.98", 80, 50)))
        journal.record_released_cidrs((ReleasedCidr("10.0.1.0/28", 60),), 0)
    copy = folder() / "copied.db"
    shutil.copy(path, copy)
    return copy.read_bytes()


TARGETS = (Target("ipam_json", read_ipam_json, _FIELDS), Target("sqlite", read_sqlite, longest=64))
