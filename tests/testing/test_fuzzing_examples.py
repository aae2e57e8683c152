"""The allocators of examples/fuzzing: the faulty ones are found out, the others are not."""

import importlib
import sys
from pathlib import Path

import pytest

from vpcipam.journal import MemoryJournal
from vpcipam.testing import CheckedAllocator, ConformanceError, EniLimits, Promise, assert_conforms

EXAMPLES = Path(__file__).parents[2] / "examples" / "fuzzing"
QUICK = {"max_examples": 20, "step_count": 20}  # of the profile of that name


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    for path in EXAMPLES.glob("*.py"):
        sys.modules.pop(path.stem, None)


def example(module, name):
    return getattr(importlib.import_module(module), name)


def fails(factory, **options):
    with pytest.raises(ConformanceError) as caught:
        assert_conforms(factory, **options)
    return caught.value


@pytest.mark.parametrize(
    ("name", "promises", "most_calls"),
    [
        ("ListPop", {Promise.COOLDOWN}, 8),
        ("HeapCooldown", {Promise.ONE_HOLDER, Promise.COOLDOWN, Promise.DURABILITY}, 12),
        ("StoredBitmap", {Promise.COOLDOWN}, 5),
        ("TwoWrites", {Promise.COOLDOWN}, 3),
    ],
)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 20))])
def test_every_seed_finds_the_fault(name, promises, most_calls, seed):
    error = fails(example("faulty", name), seed=seed, **QUICK)
    assert error.violation.promise in promises
    assert len(error.program.calls) <= most_calls
    with pytest.raises(ConformanceError) as again:
        exec(str(error.program), {})  # noqa: S102 - the program that the user sees
    assert str(again.value) == error.message


@pytest.mark.thorough
def test_a_correct_allocator_conforms():
    assert_conforms(example("conforming", "QueueCooldown"), ranges=["10.0.0.0/30"])


def test_an_allocator_behind_http_conforms():
    assert_conforms(example("conforming", "OverHttp"), max_examples=5, step_count=10)


@pytest.mark.thorough
def test_a_datastore_that_does_less_than_promised_is_found():
    store = example("conforming", "OwnDatastore")

    class WithoutJournal(store):
        kill_after = None

        def open(self):
            self.journal = MemoryJournal()
            super().open()

    class WithOldRanges(store):
        stats = restart = kill_after = None  # each would tell, too

        def remove_range(self, cidr, now_ns):
            """Keep it."""

    options = {"ranges": [f"10.0.0.{last}/32" for last in range(2)], "more_ranges": (), "seed": 0, "max_examples": 300, "step_count": 50}
    assert fails(WithoutJournal, **options).violation.promise is Promise.DURABILITY
    assert fails(WithOldRanges, **options).violation.promise is Promise.OWN_RANGE
    assert fails(store, cooldown_ns=30_000_000_001, **options).violation.promise is Promise.COOLDOWN
    assert fails(store, cooldown_ns=1_000_000_000, **options).violation.promise is Promise.NO_LEAK
    more = {"more_ranges": tuple(f"10.0.1.{last}/32" for last in range(3))}
    assert fails(store, limits=EniLimits((2,), 3), **options | more).violation.promise is Promise.LIMITS


@pytest.mark.thorough
def test_a_limit_that_is_too_low_is_found():
    error = fails(example("conforming", "OwnNode"), limits=EniLimits((1,), 3), seed=0)
    assert error.violation.promise is Promise.LIMITS


@pytest.mark.thorough
def test_idioms_of_ipaddress():
    first_free = example("idioms", "FirstFreeHost")
    assert_conforms(first_free, cooldown_ns=0, ranges=["10.0.0.0/29"])
    assert fails(first_free, seed=0).violation.promise is Promise.COOLDOWN
    error = fails(example("idioms", "NextHost"), cooldown_ns=0, seed=0)
    assert error.violation.promise is Promise.NO_LEAK
    assert "is free since 0 s" in error.message


def test_ipalloc_keeps_its_promises_and_has_no_cooldown():
    pytest.importorskip("ipalloc")
    options = {"ranges": ["10.0.0.0/30"], "refusals": example("packages", "REFUSALS"), "seed": 0, "max_examples": 5}
    assert_conforms(example("packages", "IpallocPool"), cooldown_ns=0, **options)
    assert fails(example("packages", "IpallocPool"), **options).violation.promise is Promise.COOLDOWN
    allocator = CheckedAllocator(example("packages", "WithCooldown"), cooldown_ns=30_000_000_000)
    allocator.assign("web", now_ns=0)
    allocator.unassign("web", now_ns=0)
    assert str(allocator.assign("db", now_ns=0)) == "10.0.0.1"
    with pytest.raises(ConformanceError, match="cooldown: web got"):
        allocator.assign("web", now_ns=1)
    allocator.close()
