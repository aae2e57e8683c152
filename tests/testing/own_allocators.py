"""vpcipam's datastore and node with each journal, as `vpcipam.testing` drives them. Kills come between file operations and statements."""

import importlib.util
import sqlite3
import tempfile
from pathlib import Path

from journal_worlds import NoSync

from vpcipam.ec2.api import Ec2Api
from vpcipam.journal.ipam_json import IpamJsonFile
from vpcipam.journal.sqlite import SqliteJournal
from vpcipam.limits import instance_limits
from vpcipam.testing import EniLimits, KillableStorage

CONFORMING = Path(__file__).parents[2] / "examples" / "fuzzing" / "conforming.py"
_spec = importlib.util.spec_from_file_location("conforming", CONFORMING)
conforming = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(conforming)


class Disk:
    """A folder with a journal, and a switch that kills the process that writes there."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "journal"
        self.journal = None

    def reopen(self):
        if self.journal is not None:
            self.journal.close()
        self.journal = self.open()
        return self.journal

    def close(self):
        self.journal.close()
        self.folder.cleanup()


class JsonDisk(Disk):
    def open(self):
        self.storage = KillableStorage(NoSync(), ["create", "write", "sync", "close", "rename", "remove"])
        return IpamJsonFile(self.path, files=self.storage)


class SqliteDisk(Disk):
    def open(self):
        return SqliteJournal(self.path, synchronous="OFF", connect=self.connect)

    def connect(self, path, **options):
        self.storage = KillableStorage(sqlite3.connect(path, **options), ["execute"])
        return self.storage


class DatastoreOnDisk(conforming.OwnDatastore):
    def __init__(self, disk):
        self.disk = disk
        super().__init__()

    def open(self):
        self.journal = self.disk.reopen()
        super().open()

    def kill_after(self, writes):
        self.disk.storage.kill_after(writes)

    def close(self):
        self.disk.close()


class NodeOnDisk(conforming.OwnNode):
    def __init__(self, disk):
        self.disk = disk
        super().__init__()

    def new_node(self, instance_id=None):
        self.journal = self.disk.reopen()
        return super().new_node(instance_id)

    def kill_after(self, writes):
        self.disk.storage.kill_after(writes)

    def close(self):
        self.disk.close()


class NodeKilledAtEc2(conforming.OwnNode):
    """A node that is killed between its calls to EC2."""

    def new_node(self, instance_id=None):
        if instance_id is None:
            calls = [
                name
                for name in dir(Ec2Api)
                if name.split("_")[0] in {"create", "attach", "modify", "detach", "delete", "assign", "unassign"}
            ]
            self.ec2 = KillableStorage(self.ec2, calls)
        return super().new_node(instance_id)

    def kill_after(self, writes):
        self.ec2.kill_after(writes)


NODE_LIMITS = {"limits": EniLimits.of(instance_limits("t3.nano")), "cooldown_outlives_range": True}
DATASTORE_RANGES = {"ranges": ["10.0.0.0/32", "10.0.0.1/32"], "more_ranges": tuple(f"10.0.1.{last}/32" for last in range(3))}
ALLOCATORS = {
    "pool": (conforming.own_pool, {"ranges": ["10.0.0.0/30"]}),
    "datastore in memory": (conforming.OwnDatastore, DATASTORE_RANGES),
    "datastore on JSON": (lambda: DatastoreOnDisk(JsonDisk()), DATASTORE_RANGES),
    "datastore on SQLite": (lambda: DatastoreOnDisk(SqliteDisk()), DATASTORE_RANGES),
    "node in memory": (conforming.OwnNode, NODE_LIMITS),
    "node on JSON": (lambda: NodeOnDisk(JsonDisk()), NODE_LIMITS),
    "node on SQLite": (lambda: NodeOnDisk(SqliteDisk()), NODE_LIMITS),
    "node killed at EC2": (NodeKilledAtEc2, NODE_LIMITS),
}
"""A factory, and the options of `assert_conforms`."""
