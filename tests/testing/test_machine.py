"""CheckedAllocator, programs and the machine."""

import json
import subprocess
import sys
import types

import pytest
from hypothesis import Phase, settings

import vpcipam.testing
from vpcipam.contracts import address_of
from vpcipam.testing import (
    Call,
    CheckedAllocator,
    ConformanceError,
    EniLimits,
    KillableStorage,
    Killed,
    Program,
    Promise,
    Restarted,
    allocator_machine,
    assert_conforms,
    machine,
)

S = 1_000_000_000
A = address_of("10.0.0.0")


class Simple:
    """Three addresses, no cooldown."""

    def __init__(self):
        self.free = ["10.0.0.2", "10.0.0.1", "10.0.0.0"]
        self.held = {}

    def assign(self, key, now_ns):
        del now_ns
        if key not in self.held:
            self.held[key] = self.free.pop()
        return self.held[key]

    def unassign(self, key, now_ns):
        del now_ns
        self.free.append(self.held.pop(key))


class Asynchronous(Simple):
    closed = 0

    async def assign(self, key, now_ns):
        return super().assign(key, now_ns)

    async def unassign(self, key, now_ns):
        super().unassign(key, now_ns)

    async def close(self):
        Asynchronous.closed += 1


class Counting(Simple):
    def stats(self, now_ns):
        del now_ns
        return types.SimpleNamespace(assigned_count=3 - len(self.free))

    def restart(self, now_ns):
        del now_ns
        return dict(self.held)


class Miscounting(Simple):
    def stats(self, now_ns):
        del now_ns
        return {"assigned_count": min(len(self.held), 2)}


class Broken(Simple):
    def unassign(self, key, now_ns):
        raise TypeError(key, now_ns)


class Picky(Simple):
    def assign(self, key, now_ns):
        if not self.free and key not in self.held:
            raise KeyboardError
        return super().assign(key, now_ns)


class KeyboardError(Exception):
    """An error that only its author knows."""


class Ranges:
    """Ranges that come and go. Removed ones keep their addresses: the fault."""

    def __init__(self):
        self.free = []
        self.held = {}

    def add_range(self, eni_id, cidr, now_ns):
        del eni_id, now_ns
        if cidr == "10.9.0.0/32":
            raise ValueError(cidr)
        self.free.append(cidr)

    def remove_range(self, cidr, now_ns):
        del now_ns
        if cidr in self.held.values():
            raise ValueError(cidr)

    def assign(self, key, now_ns):
        del now_ns
        if key not in self.held:
            self.held[key] = self.free.pop()
        return self.held[key]

    def unassign(self, key, now_ns):
        del now_ns
        self.free.append(self.held.pop(key))


class Stored:
    """Two addresses; everything is in one file, which is written once per change, or twice if `torn`."""

    torn = False

    def __init__(self):
        self.file = KillableStorage({"held": "{}"}, ["update"])
        self.kill_after = self.file.kill_after

    def write(self, held):
        self.file.update(held=json.dumps(held))

    def held(self):
        return json.loads(self.file.get("held"))

    def assign(self, key, now_ns):
        del now_ns
        held = self.held()
        if key not in held:
            held[key] = min({"10.0.0.0", "10.0.0.1"} - set(held.values()))
            self.write(held)
        return held[key]

    def unassign(self, key, now_ns):
        del now_ns
        held = self.held()
        del held[key]
        if self.torn:
            self.write({})
        self.write(held)

    def restart(self, now_ns):
        del now_ns
        return self.held()


class Torn(Stored):
    torn = True


def fails(factory, **options):
    with pytest.raises(ConformanceError) as caught:
        assert_conforms(factory, seed=0, **options)
    return caught.value


def test_a_checked_allocator_records_its_calls():
    checked = CheckedAllocator(Counting, cooldown_ns=0, ranges=["10.0.0.0/30"])
    assert str(checked.assign("a", now_ns=0)) == "10.0.0.0"
    for key in "bcd":
        checked.assign(key, now_ns=1)
    checked.unassign("a", now_ns=2)
    checked.unassign("a", now_ns=2)
    checked.check_stats(now_ns=3)
    checked.restart(now_ns=4)
    checked.close()
    assert [*map(str, checked.calls)] == [
        "allocator.assign('a', now_ns=0)  # 10.0.0.0",
        "allocator.assign('b', now_ns=1)  # 10.0.0.1",
        "allocator.assign('c', now_ns=1)  # 10.0.0.2",
        "allocator.assign('d', now_ns=1)  # refused: IndexError",
        "allocator.unassign('a', now_ns=2)",
        "allocator.unassign('a', now_ns=2)  # refused: KeyError",
        "allocator.check_stats(now_ns=3)",
        "allocator.restart(now_ns=4)",
    ]


def test_coroutines_are_awaited():
    Asynchronous.closed = 0
    assert_conforms(Asynchronous, cooldown_ns=0, max_examples=3)
    assert Asynchronous.closed >= 3
    assert fails(Asynchronous).violation.promise is Promise.COOLDOWN


def test_both_outcomes_of_a_killed_call_are_right():
    assert_conforms(Stored, cooldown_ns=0)
    checked = CheckedAllocator(Stored, cooldown_ns=0)
    for method, key, writes in [("assign", "a", 0), ("assign", "a", 1), ("unassign", "a", 0), ("unassign", "b", 0), ("unassign", "a", 5)]:
        getattr(checked, f"kill_in_{method}")(key, writes, now_ns=0)
    assert [*map(str, checked.calls)] == [
        "allocator.kill_in_assign('a', 0, now_ns=0)  # killed",
        "allocator.kill_in_assign('a', 1, now_ns=0)  # killed",
        "allocator.kill_in_unassign('a', 0, now_ns=0)  # killed",
        "allocator.kill_in_unassign('b', 0, now_ns=0)  # raised KeyError",
        "allocator.kill_in_unassign('a', 5, now_ns=0)",
    ]
    assert not checked.checker.held
    assert {event.held["a"] for event in checked.checker.events if isinstance(event, Restarted) and event.held} == {A}


def test_a_killed_call_of_another_sandbox_loses_nothing():
    error = fails(Torn, cooldown_ns=0)
    assert error.violation.promise is Promise.DURABILITY
    assert [(call.method, call.comment) for call in error.program.calls][-1] == ("kill_in_unassign", "killed")
    assert len(error.program.calls) == 3


@pytest.mark.parametrize(
    ("before", "method", "after"),
    [({"a": "10.0.0.0"}, "assign", {}), ({"a": "10.0.0.0"}, "unassign", {"a": "10.0.0.1"}), ({}, "unassign", {"a": "10.0.0.0"})],
)
def test_a_killed_call_has_no_third_outcome(before, method, after):
    class Odd(Stored):
        def restart(self, now_ns):
            del now_ns
            return after

        def unassign(self, key, now_ns):
            self.write({})
            super().unassign(key, now_ns)

        def assign(self, key, now_ns):
            self.write(self.held())
            return super().assign(key, now_ns)

    checked = CheckedAllocator(Odd, cooldown_ns=0)
    for key in before:
        checked.assign(key, now_ns=0)
    with pytest.raises(ConformanceError, match="durability"):
        getattr(checked, f"kill_in_{method}")("a", 0, now_ns=0)


def test_a_kill_that_does_not_matter_is_left_out_of_the_program():
    calls = (Call("kill_in_assign", ("x", 1), 0), Call("kill_in_unassign", ("x", 1), 0), Call("assign", ("y",), 0))
    shortest = Program(Stored, {"cooldown_ns": 30}, calls).shortened()
    assert [(call.method, *call.arguments) for call in shortest.calls] == [("assign", "pod-0"), ("unassign", "pod-0"), ("assign", "pod-1")]


def test_a_killed_process_reads_and_writes_nothing_more():
    storage = KillableStorage(types.SimpleNamespace(put=dict.__setitem__, name="disk"), ["put"])
    stored = {}
    storage.put(stored, "a", 1)
    storage.kill_after(2)
    storage.put(stored, "b", 2)
    with pytest.raises(Killed):
        storage.put(stored, "c", 3)
    for access in (lambda: storage.put(stored, "d", 4), lambda: storage.name):
        with pytest.raises(Killed):
            access()
    storage.kill_after(0)
    with pytest.raises(Killed):
        storage.put(stored, "e", 5)
    storage.kill_after(None)
    storage.name = "another disk"
    assert (storage.name, stored) == ("another disk", {"a": 1, "b": 2, "c": 3})


def test_counts_and_restarts_are_checked():
    assert_conforms(Counting, cooldown_ns=0)
    error = fails(Miscounting, cooldown_ns=0)
    assert error.violation is None
    assert error.message == "stats: assigned_count is 2, but 3 sandboxes hold an address"
    assert len(error.program.calls) == 4


def test_ranges_come_and_go():
    more = ("10.9.0.0/32", "10.9.0.1/32")
    error = fails(Ranges, cooldown_ns=0, ranges=("10.0.0.1/32",), more_ranges=more)
    assert error.violation.promise is Promise.OWN_RANGE
    assert [call.method for call in error.program.calls][-2:] == ["remove_range", "assign"]
    refused = CheckedAllocator(Ranges, cooldown_ns=0)
    refused.add_range("eni-0", "10.9.0.0/32", now_ns=0)
    refused.add_range("eni-0", "10.9.0.1/32", now_ns=0)
    refused.assign("a", now_ns=0)
    refused.remove_range("10.9.0.1/32", now_ns=0)
    assert [call.comment for call in refused.calls] == ["refused: ValueError", "", "10.9.0.1", "refused: ValueError"]


def test_an_exception_that_is_no_refusal_comes_with_the_program():
    with pytest.raises(TypeError) as caught:
        assert_conforms(Broken, seed=0)
    (program,) = [note for note in caught.value.__notes__ if "CheckedAllocator(Broken" in note]
    assert program.splitlines()[-1].startswith("allocator.unassign(")


def test_refusals_can_be_named():
    with pytest.raises(KeyboardError):
        assert_conforms(Picky, seed=0, cooldown_ns=0)
    assert_conforms(Picky, cooldown_ns=0, refusals=(KeyboardError, KeyError))


def test_a_program_is_runnable_python():
    limits = EniLimits((2,), 3)
    options = {"limits": limits, "refusals": (KeyError, KeyboardError)}
    program = Program(Counting, options, (Call("assign", ("a",), 0, "10.0.0.0"), Call("restart", (), 1)))
    module = __name__
    assert str(program).splitlines() == [
        f"from {module} import Counting",
        "from vpcipam.testing import EniLimits",
        f"from {module} import KeyboardError",
        "from vpcipam.testing import CheckedAllocator",
        "",
        f"allocator = CheckedAllocator(Counting, limits={limits!r}, refusals=(KeyError, KeyboardError,))",
        "allocator.assign('a', now_ns=0)  # 10.0.0.0",
        "allocator.restart(now_ns=1)",
    ]


@pytest.mark.parametrize("factory", [lambda: None, Simple().assign, types.SimpleNamespace()])
def test_a_factory_without_a_name_is_a_gap(factory):
    assert str(Program(factory, {}, ())).startswith("make_allocator = ...  # your factory: ")


def test_what_a_program_cannot_import_is_a_gap_or_a_comment():
    class Local(Simple):
        pass

    class LocalError(Exception):
        pass

    script = type("Script", (Simple,), {"__module__": "__main__"})
    assert "# Script is in the script that ran: copy it here, or import it\n" in str(Program(script, {}, ()))
    gaps = str(Program(Local, {"refusals": (LocalError,)}, ()))
    assert "Local can't be imported\nRefusal0 = ...  # your exception: " in gaps
    assert "CheckedAllocator(make_allocator, refusals=(Refusal0,))" in gaps


def test_a_program_gets_shorter():
    calls = [Call("assign", (f"x{number}",), number * S) for number in range(3)]
    calls += [Call("unassign", ("x1",), 9 * S), Call("assign", ("x1",), 12 * S)]
    shortest = Program(Simple, {"cooldown_ns": 30 * S}, tuple(calls)).shortened()
    assert [*map(str, shortest.calls)] == [
        "allocator.assign('pod-0', now_ns=0)  # 10.0.0.0",
        "allocator.unassign('pod-0', now_ns=0)",
        "allocator.assign('pod-0', now_ns=0)  # 10.0.0.0",
    ]


def test_a_program_that_does_not_fail_again_stays():
    program = Program(Simple, {"cooldown_ns": 0}, (Call("assign", ("a",), 0),))
    assert program.shortened() is program


def test_a_shorter_program_that_raises_is_not_taken():
    class Fussy(Simple):
        def assign(self, key, now_ns):
            if key != "first" and "first" not in self.held:
                raise TypeError(key)
            return super().assign(key, now_ns)

    calls = (Call("assign", ("first",), 0), Call("assign", ("a",), 0), Call("unassign", ("a",), 0), Call("assign", ("b",), 0))
    assert Program(Fussy, {"cooldown_ns": 1}, calls).shortened().calls[0].arguments == ("first",)


def test_long_runs_have_several_batches(monkeypatch):
    monkeypatch.setattr(machine, "BATCH_SIZE", 4)
    made = []

    class Recorded(Simple):
        def __init__(self):
            super().__init__()
            made.append([])

        def unassign(self, key, now_ns):
            made[-1].append((key, now_ns))
            super().unassign(key, now_ns)

    assert_conforms(Recorded, seed=1, max_examples=10, cooldown_ns=0)
    assert len(made) >= 10
    assert made[:4] != made[4:8]


@pytest.mark.parametrize(
    ("seed", "batch", "repeats", "expected"),
    [(7, 0, False, 7), (7, 2, False, "7 2"), (None, 0, True, None), (None, 2, True, "None 2"), (None, 2, False, None)],
)
def test_batches_repeat_if_the_first_does(seed, batch, repeats, expected):
    assert machine._batch_seed(seed, batch, repeats=repeats) == expected


def test_the_machine_runs_as_a_test_case():
    found = allocator_machine(Counting, cooldown_ns=0)
    found.TestCase.settings = settings(max_examples=5, phases=[Phase.generate])
    found.TestCase().runTest()
    assert vpcipam.testing.AllocatorMachine in found.__mro__


def test_the_checker_needs_no_hypothesis():
    program = "import sys; import vpcipam.testing as t; t.first_violation([], cooldown_ns=0); sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0  # noqa: S603 - this interpreter


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        vpcipam.testing.nonsense  # noqa: B018 - the access raises
