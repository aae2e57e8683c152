"""Mistakes of whoever calls `vpcipam.testing`: each is named, and none lets a faulty allocator pass."""

import asyncio
import ipaddress

import pytest

from vpcipam.errors import InvalidAddress, InvalidArgument
from vpcipam.testing import CheckedAllocator, ConformanceError, EniAttached, EniLimits, Program, Promise, RangeAdded, assert_conforms
from vpcipam.testing.checked import RunningEventLoop

FEW = {"seed": 1, "max_examples": 5, "step_count": 10}


class Sticky:
    """Faulty: always the same address."""

    def assign(self, key, now_ns):
        del key, now_ns
        return "10.0.0.0"

    def unassign(self, key, now_ns):
        pass


class Asynchronous(Sticky):
    async def assign(self, key, now_ns):
        return super().assign(key, now_ns)


def fails(error, factory, **options):
    with pytest.raises(error) as caught:
        assert_conforms(factory, **(FEW | options))
    return str(caught.value)


def returning(answer, method="assign"):
    """An allocator with a method that returns a constant."""
    return type("Constant", (Sticky,), {method: lambda *_: answer})


def raising(error, method="assign"):
    def method_that_raises(*_):
        raise error

    return type("Raising", (Sticky,), {method: method_that_raises})


# --- what was never checked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "check", [lambda: assert_conforms(Asynchronous, **FEW), lambda: CheckedAllocator(Asynchronous, cooldown_ns=0).assign("a", now_ns=0)]
)
def test_coroutines_in_a_running_loop_are_refused(check):
    async def inside():
        check()

    with pytest.raises(RunningEventLoop, match=r"asyncio\.to_thread"):
        asyncio.run(inside())


def test_coroutines_in_a_running_loop_are_no_kill():
    class Killable(Asynchronous):
        def kill_after(self, writes):
            pass

        def restart(self, now_ns):
            pass

    async def inside():
        CheckedAllocator(Killable, cooldown_ns=0).kill_in_assign("a", 0, now_ns=0)

    with pytest.raises(RunningEventLoop):
        asyncio.run(inside())


def test_coroutines_can_be_checked_in_a_thread_beside_a_loop():
    with pytest.raises(ConformanceError, match="one holder"):
        asyncio.run(asyncio.to_thread(assert_conforms, Asynchronous, **FEW))


@pytest.mark.parametrize(
    ("error", "shown"), [(ConnectionRefusedError("down"), "ConnectionRefusedError('down')"), (KeyError("fre"), "KeyError('fre')")]
)
def test_an_allocator_that_always_refuses_does_not_pass(error, shown):
    assert (
        fails(ConformanceError, raising(error))
        == f"no assign ever returned an address, so nothing was checked; the first time, it raised {shown}"
    )
    assert "it returned None" in fails(ConformanceError, returning(None))


@pytest.mark.parametrize("method", ["assign", "unassign"])
def test_a_method_that_is_not_implemented_is_no_refusal(method):
    fails(NotImplementedError, raising(NotImplementedError(), method))


def test_one_allocator_for_all_programs_is_refused():
    only = Sticky()
    assert "the same object each time" in fails(InvalidArgument, lambda: only)


@pytest.mark.parametrize("name", ["max_examples", "step_count"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_run_without_programs_is_refused(name, value):
    assert f"{name} must be 1 or more" in fails(InvalidArgument, Sticky, **{name: value})


# --- violations stay visible ---------------------------------------------------------------------------------------------


def test_a_promise_that_is_broken_at_the_beginning_is_shown_with_its_program():
    for options in ({"ranges": ["10.1.0.0/30", "10.1.0.0/29"]}, {"ranges": ["10.1.0.0/32", "10.2.0.0/32"], "limits": EniLimits((1,), 1)}):
        message = fails(ConformanceError, Sticky, **options)
        assert message.splitlines()[-1].startswith("allocator = CheckedAllocator(Sticky, ")
        error, program = Program(Sticky, {"cooldown_ns": 0} | options, ()).run()
        assert error.message == message.split("\n\n")[0]
        assert program.calls == ()


def test_an_error_in_close_does_not_hide_a_violation():
    class Unclosable(Sticky):
        def __init__(self):
            self.keys = set()

        def assign(self, key, now_ns):
            self.keys.add(key)
            return super().assign(key, now_ns)

        def close(self):
            if len(self.keys) > 1:
                raise OSError("close")

    assert fails(ConformanceError, Unclosable).startswith("one holder")


def test_an_error_in_close_is_raised():
    class Unclosable(Sticky):
        def assign(self, key, now_ns):
            del now_ns
            return f"10.0.0.{key[-1]}"

        def close(self):
            raise OSError("close")

    assert fails(OSError, Unclosable, cooldown_ns=0) == "close"


@pytest.mark.parametrize("refusals", [LookupError, (LookupError,), [LookupError]])
def test_refusals_can_be_one_class_or_several(refusals):
    assert "refusals=(LookupError,)" in fails(ConformanceError, Sticky, refusals=refusals)


@pytest.mark.parametrize("ranges", [["10.0.0.0/30"], (each for each in ["10.0.0.0/30"]), [ipaddress.ip_network("10.0.0.0/30")]])
def test_ranges_are_written_as_texts(ranges):
    assert "ranges=('10.0.0.0/30',)" in fails(ConformanceError, Sticky, ranges=ranges)


def test_a_range_that_the_allocator_reports_late_is_taken_at_the_time_of_the_call():
    class Reporting(Sticky):
        def take_events(self):
            return [EniAttached(0, "eni-0"), RangeAdded(0, "eni-0", "10.1.0.0/32")] if self.due else []

        due = False

    checked = CheckedAllocator(Reporting, cooldown_ns=0)
    checked.assign("a", now_ns=5)
    checked.allocator.due = True
    with pytest.raises(ConformanceError) as caught:
        checked.assign("b", now_ns=7)
    assert caught.value.violation.promise is Promise.ONE_HOLDER
    assert [event.now_ns for event in checked.checker.events] == [5, 5, 5, 7]


# --- wrong answers and arguments -----------------------------------------------------------------------------------------


def test_a_number_is_an_address_of_the_ranges():
    checked = CheckedAllocator(returning(1), cooldown_ns=0, ranges=["::/125"])
    assert checked.assign("a", now_ns=0) == ipaddress.IPv6Address("::1")


@pytest.mark.parametrize("answer", ["10.0.0.5/24", True, "", b"10.0.0.1", []])
def test_an_answer_that_is_no_address_is_named_with_its_sandbox(answer):
    message = fails(InvalidAddress, returning(answer))
    assert message.startswith("assign('pod-")
    assert f"'): {answer!r} is not an address: it must be a number" in message


@pytest.mark.parametrize(
    ("method", "answer", "what"),
    [
        ("restart", None, r"restart\(\) must return a mapping"),
        ("restart", {"a": "x"}, r"restart\(\), 'a': 'x' is not an address"),
        ("stats", 3, r"stats\(\) must return"),
        ("stats", {}, r"stats\(\) must return"),
        ("take_events", None, r"take_events\(\) must return"),
        ("take_events", ["x"], r"take_events\(\) must return"),
    ],
)
def test_a_wrong_answer_is_named(method, answer, what):
    def call():
        checked = CheckedAllocator(returning(answer, method), cooldown_ns=0)
        {"restart": checked.restart, "stats": checked.check_stats}[method](now_ns=0)

    with pytest.raises((TypeError, InvalidAddress), match=what):
        call()


@pytest.mark.parametrize(
    ("factory", "options", "what"),
    [
        (Sticky(), {}, "factory must be a class or a function"),
        (None, {}, "factory must be a class or a function"),
        (lambda: None, {}, "returned None, which has no methods assign and unassign"),
        (returning(None, "kill_after"), {}, "kill_after needs restart too"),
        (Sticky, {"cooldown_ns": None}, "cooldown_ns must be an int"),
        (Sticky, {"cooldown_ns": "30s"}, "cooldown_ns must be an int"),
        (Sticky, {"cooldown_ns": -5}, "cooldown_ns must be 0 or more"),
        (Sticky, {"limits": "m5.large"}, "limits must be EniLimits"),
        (Sticky, {"ranges": "10.0.0.0/30"}, "ranges must be a list or tuple"),
        (Sticky, {"ranges": ["10.0.0.1/30"]}, "ranges: 10.0.0.1/30 has host bits set"),
        (Sticky, {"more_ranges": "10.0.0.0/30"}, "more_ranges must be a list or tuple"),
        (Sticky, {"refusals": "KeyError"}, "refusals must be exception classes"),
    ],
)
def test_a_wrong_argument_is_named(factory, options, what):
    assert what in fails((TypeError, InvalidArgument), factory, **options)
