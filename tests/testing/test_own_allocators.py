"""vpcipam's own pool, datastore and node keep every promise, killed in the middle of calls too."""

import pytest
from hypothesis import settings
from own_allocators import ALLOCATORS, DATASTORE_RANGES, DatastoreOnDisk, SqliteDisk

from vpcipam.testing import CheckedAllocator, ConformanceError, KillableStorage, Promise, assert_conforms

COOLDOWN_NS = 30_000_000_000
PROGRAMS = max(5, settings.default.max_examples // 20)  # they write files
SLOW = {"node on JSON", "node on SQLite"}
WITH_JOURNAL = [name for name in ALLOCATORS if name not in {"pool", "node killed at EC2"}]


def checked(factory, options):
    return CheckedAllocator(factory, cooldown_ns=COOLDOWN_NS, **{name: value for name, value in options.items() if name != "more_ranges"})


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.thorough] * (name in SLOW)) for name in ALLOCATORS])
def test_own_allocators_conform(name):
    factory, options = ALLOCATORS[name]
    assert_conforms(factory, max_examples=PROGRAMS, step_count=20, **options)


@pytest.mark.parametrize("name", WITH_JOURNAL)
def test_a_kill_comes_before_the_change_or_after_it(name):
    outcomes = set()
    for writes in range(20):
        allocator = checked(*ALLOCATORS[name])
        allocator.kill_in_assign("web", writes, now_ns=0)
        outcomes.add((allocator.calls[-1].comment == "killed", "web" in allocator.checker.held))
        allocator.close()
        if allocator.calls[-1].comment != "killed":
            break
    assert outcomes == {(True, False), (True, True), (False, True)}


def test_a_node_that_is_killed_between_calls_to_ec2_goes_on():
    allocator = checked(*ALLOCATORS["node killed at EC2"])
    allocator.assign("web", now_ns=0)
    allocator.kill_in_assign("db", 1, now_ns=0)
    assert allocator.calls[-1].comment == "killed"
    assert allocator.assign("db", now_ns=COOLDOWN_NS) is not None


class AutoCommit(KillableStorage):
    """A connection that commits each statement."""

    def __getattr__(self, name):
        execute = super().__getattr__(name)
        if name != "execute":
            return execute
        return lambda statement, *rest: execute("SELECT 1" if statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")) else statement, *rest)


class AutoCommitDisk(SqliteDisk):
    def connect(self, path, **options):
        self.storage = AutoCommit(super().connect(path, **options)._storage, ["execute"])
        return self.storage


def test_a_journal_without_transactions_is_found():
    broken = []
    for writes in range(8):
        allocator = checked(lambda: DatastoreOnDisk(AutoCommitDisk()), DATASTORE_RANGES)
        allocator.assign("web", now_ns=0)
        allocator.kill_in_unassign("web", writes, now_ns=0)
        try:
            allocator.assign("db", now_ns=0)
        except ConformanceError as error:
            broken.append(error.violation.promise)
        finally:
            allocator.close()
    assert broken == [Promise.COOLDOWN]
