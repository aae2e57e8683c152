"""What the tests of journals share: both kinds on disk, files and databases that fail on demand, and short names."""

import os
import sqlite3
from pathlib import Path

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.journal.files import Files
from vpcipam.journal.ipam_json import IpamJsonFile
from vpcipam.journal.protocol import Assigned, Cooling
from vpcipam.journal.sqlite import SqliteJournal
from vpcipam.sandbox import PodRef, SandboxKey

MIGRATED = Path(__file__).with_name("ipam_migrated_from_cri.json")  # the form that ipamd wrote after its migration; the pods are made up
POD = PodRef("default", "web-1")


class NoSync(Files):
    """Files that don't wait for the disk, which suffices for a killed process."""

    def sync(self, descriptor):
        pass


def open_json(folder, **options):
    return IpamJsonFile(folder / "ipam.json", **{"files": NoSync()} | options)


def open_sqlite(folder, **options):
    return SqliteJournal(folder / "ipam.sqlite", **{"synchronous": "OFF"} | options)


KINDS = {"json": open_json, "sqlite": open_sqlite}


def key(container_id):
    return SandboxKey("aws-cni", container_id, "eth0")


def held(container_id, address, assigned_ns=7, pod=None):
    return Assigned(key(container_id), address, pod, assigned_ns)


def release(container_id, address, until_ns, released_ns):
    return key(container_id), Cooling(address, until_ns, released_ns)


def node(journal, cidrs=("10.0.0.0/28", "10.0.0.16/28"), *, mode=AddressMode.PREFIX, cooldown_ns=30, now_ns=0, gone=(), **options):
    """A datastore restored from a journal."""
    store = Datastore(mode=mode, cooldown_ns=cooldown_ns, journal=journal, **options)
    store.add_eni("eni-0", device_number=0, primary=True, now_ns=now_ns)
    for cidr in cidrs:
        store.add_cidr("eni-0", cidr)
    store.restore(now_ns, gone=gone)
    return store


def addresses(journal, now_ns=0):
    """The container ids of all sandboxes with their addresses, as texts."""
    return {entry.key.container_id: entry.address for entry in journal.restore(now_ns).assigned}


class FaultyFiles(NoSync):
    """Files whose n-th operation fails before its effect or, if that makes a difference, after it; and all later ones if `for_good`."""

    def __init__(self, fail_at=None, code=5, *, after=False, for_good=False):
        self.fail_at = fail_at
        self.for_good = for_good
        self.code = code
        self.after = after
        self.done = []

    def _operation(self, name, act):
        self.done.append(name)
        place = len(self.done) - 1
        fails = self.fail_at is not None and (place == self.fail_at or (self.for_good and place > self.fail_at))
        if fails and not self.after:
            raise OSError(self.code, os.strerror(self.code))
        result = act()
        if fails:
            raise OSError(self.code, os.strerror(self.code))
        return result

    def create(self, path):
        return self._operation(f"create {path.name}", lambda: super(FaultyFiles, self).create(path))

    def open_folder(self, path):
        return self._operation("open folder", lambda: super(FaultyFiles, self).open_folder(path))

    def write(self, descriptor, data):
        return self._operation("write", lambda: super(FaultyFiles, self).write(descriptor, data))

    def sync(self, descriptor):
        return self._operation("sync", lambda: super(FaultyFiles, self).sync(descriptor))

    def close(self, descriptor):
        return self._operation("close", lambda: super(FaultyFiles, self).close(descriptor))

    def rename(self, source, target):
        return self._operation(f"rename {target.name}", lambda: super(FaultyFiles, self).rename(source, target))


def faulty_connection():
    """A class of connections whose n-th statement after `begin` fails; see `FaultyFiles`."""

    class FaultyConnection(sqlite3.Connection):
        fail_at = None
        code = sqlite3.SQLITE_IOERR
        after = False
        done = []  # noqa: RUF012 - the class is made anew for each test

        def execute(self, statement, *parameters):
            kind = type(self)
            kind.done.append(statement.split()[0])
            fails = len(kind.done) - 1 == kind.fail_at
            if fails and not kind.after:
                raise kind.error()
            result = super().execute(statement, *parameters)
            if fails:
                raise kind.error()
            return result

        @classmethod
        def error(cls):
            error = sqlite3.OperationalError("injected")
            error.sqlite_errorcode = cls.code
            return error

        @classmethod
        def begin(cls, fail_at=None, code=sqlite3.SQLITE_IOERR, *, after=False):
            cls.fail_at, cls.code, cls.after, cls.done = fail_at, code, after, []

        @classmethod
        def connect(cls, path, **options):
            return sqlite3.connect(path, factory=cls, **options)

    return FaultyConnection
