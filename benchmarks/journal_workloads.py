"""The workloads of the journals: sandboxes that come and go on a datastore. The journal records each change before it is acknowledged."""

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from datastore_workloads import BASE
from floors import BEGIN_NS, Workload

from vpcipam import Datastore, PodRef, SandboxKey
from vpcipam.address import address_text
from vpcipam.journal import Journal, MemoryJournal
from vpcipam.journal.files import Files
from vpcipam.journal.ipam_json import IpamJsonFile
from vpcipam.journal.sqlite import SqliteJournal

POD = PodRef("default", "web")


class IpamdFiles(Files):
    """Sync the file but not its folder, as ipamd does. After a power cut the old file can be back."""

    def sync(self, descriptor: int) -> None:
        """Sync only files."""
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            super().sync(descriptor)


JOURNALS: dict[str, Callable[[Path], Journal]] = {
    "JSON file, synced with its folder": lambda folder: IpamJsonFile(folder / "ipam.json"),
    "JSON file, synced as ipamd does": lambda folder: IpamJsonFile(folder / "ipam.json", files=IpamdFiles()),
    "SQLite, FULL": lambda folder: SqliteJournal(folder / "ipam.sqlite"),
    "SQLite, NORMAL": lambda folder: SqliteJournal(folder / "ipam.sqlite", synchronous="NORMAL"),
    "SQLite, OFF": lambda folder: SqliteJournal(folder / "ipam.sqlite", synchronous="OFF"),
    "memory": lambda _folder: MemoryJournal(),
}


@contextmanager
def churns(address_count: int, pairs: int, names: tuple[tuple[str, int], ...]) -> Iterator[list[Workload]]:
    """Make a workload for each journal name and group size, the number of sandboxes that come and go together."""
    with ExitStack() as stack:
        work = []
        for name, group in names:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            journal = JOURNALS[name](folder)
            stack.callback(journal.close)
            work.append(churn(name, journal, address_count, pairs, group))
        yield work


def churn(name: str, journal: Journal, address_count: int, pairs: int, group: int) -> Workload:
    """Assign new sandboxes and unassign the oldest, on a datastore that is 60 % full; a step is one of each."""
    datastore = Datastore(cooldown_ns=max(1, address_count // 10), journal=journal)
    datastore.add_eni("eni-0", device_number=0, now_ns=0)
    for number in range(address_count):
        datastore.add_cidr("eni-0", f"{address_text(BASE + number, 4)}/32")
    live = address_count * 6 // 10
    keys = [SandboxKey("aws-cni", f"{number:064x}", "eth0") for number in range(2 * live)]
    datastore.assign_many([(key, POD) for key in keys[:live]], BEGIN_NS)
    at = 0
    now_ns = BEGIN_NS

    def run() -> None:
        nonlocal at, now_ns
        for _ in range(pairs // group):
            now_ns += group
            new = [keys[(at + live + number) % len(keys)] for number in range(group)]
            old = [keys[(at + number) % len(keys)] for number in range(group)]
            at += group
            if group == 1:
                datastore.assign(new[0], now_ns, POD)
                datastore.unassign(old[0], now_ns)
            else:
                datastore.assign_many([(key, POD) for key in new], now_ns)
                datastore.unassign_many(old, now_ns)

    def check() -> None:
        restored = journal.restore(now_ns)
        held = {key: assignment.address for key, assignment in datastore.assignments()}
        assert {entry.key: entry.address for entry in restored.assigned} == held
        assert len(held) == live
        assert {each.address for each in restored.cooling} == {each.address for each in datastore.cooldowns(now_ns)}

    together = "" if group == 1 else f", {group} at a time"
    return Workload(f"{name}{together}; {address_count:,}", pairs // group * group, run, check)
