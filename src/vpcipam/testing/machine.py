"""Random programs against any allocator: a Hypothesis state machine, and one call that runs it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from vpcipam._arguments import require_integer
from vpcipam._units import NS_PER_S
from vpcipam.errors import InvalidArgument, MissingExtra
from vpcipam.testing.checked import CheckedAllocator, ConformanceError, cidr_texts, refusal_classes
from vpcipam.testing.program import Program

try:
    import hypothesis
    import hypothesis.strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
except ImportError:  # pragma: no cover  # the tests have it
    raise MissingExtra("random programs need Hypothesis: pip install 'vpcipam[testing]'") from None

DEFAULT_COOLDOWN_NS = 30 * NS_PER_S
SANDBOX_COUNT = 8
"""Few keys and few addresses: that is where programs collide."""
MORE_RANGES = ("198.18.0.0/31", "198.18.0.2/32", "198.18.0.4/30")
"""What a program adds to an allocator with `add_range`."""
BATCH_SIZE = 1_000
"""Hypothesis keeps every program of a run in memory, so long runs are cut into batches of this size."""
ENIS = ("eni-0", "eni-1")
STAGES = ((2, 0), (1, 0), (2, -1), (0, 1), (6, 0))
"""Pauses: so many halves of the cooldown, and so many nanoseconds more."""
KILL_AFTER = (0, 1, 1, 1, 2, 2, 3, 4, 7)
"""Numbers of writes after which a process is killed. Most calls make few."""
BUSY_STEPS = ("assign", "assign", "recreate", "unassign", "wait", "restart", "kill", "kill")

_NUMBERS = st.integers(0, SANDBOX_COUNT - 1)


def _can(method: str) -> Callable[["AllocatorMachine"], bool]:
    return lambda machine: machine.checked.can(method)


def _can_be_killed(machine: "AllocatorMachine") -> bool:
    return machine.checked.can("restart") and machine.checked.can("kill_after")


class AllocatorMachine(RuleBasedStateMachine):
    """Programs of assigns, unassigns, time and, if the allocator has them, ranges, restarts and statistics.

    Derive from it to add rules, and call `checked` there. `allocator_machine` fills the class attributes.
    """

    factory: ClassVar[tuple[Callable[[], Any]]]
    """The factory, in a tuple, so that Python does not take it for a method."""
    options: ClassVar[dict[str, Any]] = {"cooldown_ns": DEFAULT_COOLDOWN_NS}
    """The other arguments of `CheckedAllocator`."""
    more_ranges: ClassVar[tuple[str, ...]] = MORE_RANGES
    """The CIDRs that programs add."""
    on_end: ClassVar[list[Callable[[CheckedAllocator], None]]] = []
    """What to call at the end of each program."""

    def __init__(self) -> None:
        super().__init__()
        self.now_ns = 0
        self._has_failed = False
        try:
            self.checked = CheckedAllocator(self.factory[0], **self.options)
        except ConformanceError as error:
            raise ConformanceError(error.message, error.violation, Program(self.factory[0], self.options, ())) from None

    def teardown(self) -> None:
        """Close the allocator."""
        for each in self.on_end:
            each(self.checked)
        if self._has_failed:
            self.checked.close_after_failure()
        else:
            with self._with_program():
                self.checked.close()

    @property
    def program(self) -> Program:
        """The calls so far."""
        return Program(self.factory[0], self.options, tuple(self.checked.calls))

    @contextmanager
    def _with_program(self) -> Iterator[None]:
        """Add the program so far to a failure."""
        try:
            yield
        except ConformanceError as error:
            self._has_failed = True
            raise ConformanceError(error.message, error.violation, self.program) from None
        except Exception as error:
            self._has_failed = True
            error.add_note(str(self.program))
            raise

    # --- sandboxes ---

    @rule(number=_NUMBERS)
    def assign(self, number: int) -> None:
        """A sandbox asks for an address; perhaps it has one."""
        with self._with_program():
            self.checked.assign(f"pod-{number}", now_ns=self.now_ns)

    @rule(number=_NUMBERS, times=st.sampled_from((1, 2)))
    def unassign(self, number: int, times: int = 1) -> None:
        """A sandbox gives its address back; perhaps it has none. The kubelet repeats a CNI DEL whose answer was lost."""
        for _ in range(times):
            with self._with_program():
                self.checked.unassign(f"pod-{number}", now_ns=self.now_ns)

    @rule(steps=st.lists(st.tuples(st.sampled_from(BUSY_STEPS), _NUMBERS, st.sampled_from(KILL_AFTER)), min_size=4))
    def have_a_busy_time(self, steps: list[tuple[str, int, int]]) -> None:
        """Many things happen, one after the other, at all stages of the cooldown."""
        for step, number, writes in steps:
            if step == "wait":
                self.let_time_pass(STAGES[number % len(STAGES)])
            elif step == "kill" and _can_be_killed(self):
                self.kill_in_unassign(number, writes)
                self.kill_in_assign(number, writes)
            elif step in {"restart", "kill"} and self.checked.can("restart"):
                self.restart()
            else:
                if step != "assign":
                    self.unassign(number)
                if step != "unassign":
                    self.assign(number)

    # --- time ---

    @rule(stage=st.sampled_from(STAGES))
    def let_time_pass(self, stage: tuple[int, int]) -> None:
        """Go to a boundary of the cooldown."""
        halves, more_ns = stage
        self.now_ns += max(1, self.options["cooldown_ns"] * halves // 2 + more_ns)

    # --- ranges ---

    @precondition(_can("add_range"))
    @rule(data=st.data(), eni_id=st.sampled_from(ENIS))
    def add_range(self, data: st.DataObject, eni_id: str) -> None:
        """Add a CIDR that the allocator does not have."""
        known = set(map(str, self.checked.checker.ranges))
        cidrs = [cidr for cidr in self.more_ranges if cidr not in known]
        if cidrs:
            cidr = data.draw(st.sampled_from(cidrs))
            with self._with_program():
                self.checked.add_range(eni_id, cidr, now_ns=self.now_ns)

    @precondition(_can("remove_range"))
    @rule(data=st.data())
    def remove_range(self, data: st.DataObject) -> None:
        """Remove a CIDR, perhaps one in use."""
        cidrs = [str(cidr) for cidr in self.checked.checker.ranges]
        if cidrs:
            cidr = data.draw(st.sampled_from(cidrs))
            with self._with_program():
                self.checked.remove_range(cidr, now_ns=self.now_ns)

    # --- the process ---

    @precondition(_can("restart"))
    @rule()
    def restart(self) -> None:
        """Crash, and start again."""
        with self._with_program():
            self.checked.restart(now_ns=self.now_ns)

    @precondition(_can_be_killed)
    @rule(number=_NUMBERS, writes=st.sampled_from(KILL_AFTER))
    def kill_in_assign(self, number: int, writes: int) -> None:
        """Crash in the middle of an assign, and start again."""
        with self._with_program():
            self.checked.kill_in_assign(f"pod-{number}", writes, now_ns=self.now_ns)

    @precondition(_can_be_killed)
    @rule(number=_NUMBERS, writes=st.sampled_from(KILL_AFTER))
    def kill_in_unassign(self, number: int, writes: int) -> None:
        """Crash in the middle of an unassign, of a sandbox that has an address if there is one, and start again."""
        held = sorted(map(str, self.checked.checker.held)) or [f"pod-{number}"]
        with self._with_program():
            self.checked.kill_in_unassign(held[number % len(held)], writes, now_ns=self.now_ns)

    @precondition(_can("stats"))
    @rule()
    def check_stats(self) -> None:
        """Compare the counts."""
        with self._with_program():
            self.checked.check_stats(now_ns=self.now_ns)


def allocator_machine(
    factory: Callable[[], Any],
    *,
    more_ranges: Iterable[object] = MORE_RANGES,
    **options: Any,  # noqa: ANN401  # whatever `CheckedAllocator` takes
) -> type[AllocatorMachine]:
    """Return the machine for an allocator, a class. Its `TestCase` runs under unittest and pytest.

    Args:
        factory: returns a new `Allocator`.
        more_ranges: the CIDRs that programs add, if the allocator has `add_range`.
        options: the other arguments of `CheckedAllocator`; the cooldown is 30 s by default.
    """
    given = {"cooldown_ns": DEFAULT_COOLDOWN_NS} | options
    if "ranges" in given:
        given["ranges"] = cidr_texts("ranges", given["ranges"])
    if "refusals" in given:
        given["refusals"] = refusal_classes(given["refusals"])
    more = cidr_texts("more_ranges", more_ranges)
    return type("AllocatorMachine", (AllocatorMachine,), {"factory": (factory,), "more_ranges": more, "options": given, "on_end": []})


def assert_conforms(
    factory: Callable[[], Any],
    *,
    seed: int | None = None,
    max_examples: int | None = None,
    step_count: int | None = None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Run random programs against an allocator.

    Args:
        factory: returns a new `Allocator`.
        seed: makes the programs repeat; None for what Hypothesis's profile says.
        max_examples: the number of programs; None for that of Hypothesis's profile.
        step_count: the most steps of a program; None likewise.
        options: the other arguments of `allocator_machine`, such as `cooldown_ns`.

    Raises:
        ConformanceError: a promise is broken, and the message has a short program; or no assign of any program succeeded.
        InvalidArgument: an argument is wrong, or the factory returns the same object each time.
        Exception: the allocator raised it, and it is no refusal. A note has the program.
    """
    for name, value in (("max_examples", max_examples), ("step_count", step_count)):
        if value is not None:
            require_integer(name, value, 1)
    machine = allocator_machine(factory, **options)
    _refuse_one_for_all(machine)
    denials = _Denials()
    profile = hypothesis.settings()
    program_count = max_examples or profile.max_examples
    for start in range(0, program_count, BATCH_SIZE):
        machine = type("AllocatorMachine", (machine,), {"on_end": [denials.count]})
        batch_seed = _batch_seed(seed, start // BATCH_SIZE, repeats=profile.derandomize)
        settings = hypothesis.settings(
            max_examples=min(program_count - start, BATCH_SIZE),
            stateful_step_count=step_count or profile.stateful_step_count,
            derandomize=batch_seed is None and profile.derandomize,
            database=None,
            deadline=None,
            phases=(hypothesis.Phase.generate,),  # `Program.shortened` is quicker than Hypothesis, which knows nothing of calls and time
            report_multiple_bugs=False,
            verbosity=hypothesis.Verbosity.quiet,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        try:
            run_state_machine_as_test(machine if batch_seed is None else hypothesis.seed(batch_seed)(machine), settings=settings)
        except ConformanceError as error:
            failure = error
            break
    else:
        denials.check()
        return
    shortest = failure.program.shortened()
    found, _ = shortest.run()
    failure = failure if found is None else found
    raise ConformanceError(failure.message, failure.violation, shortest)


def _refuse_one_for_all(machine: type[AllocatorMachine]) -> None:
    """Refuse a factory that returns the same object twice: one program would go on where the other has ended."""
    first, second = (_opened_and_closed(machine) for _ in range(2))
    if first is second:
        raise InvalidArgument("the factory returns the same object each time, and each program needs a new allocator")


def _opened_and_closed(machine: type[AllocatorMachine]) -> object:
    checked = machine().checked
    checked.close_after_failure()  # the programs find errors of `close`
    return checked.allocator


class _Denials:
    """Whether any assign of any program succeeded, and why the first did not."""

    def __init__(self) -> None:
        self.assigned = False
        self.first = ""

    def count(self, checked: CheckedAllocator) -> None:
        """Take in a program at its end."""
        self.assigned = self.assigned or checked.assigned
        self.first = self.first or checked.first_denial

    def check(self) -> None:
        """Fail if all were refused."""
        if self.first and not self.assigned:
            raise ConformanceError(f"no assign ever returned an address, so nothing was checked; the first time, {self.first}")


def _batch_seed(seed: int | None, batch: int, *, repeats: bool) -> int | str | None:
    """Return the seed of a batch; None if Hypothesis chooses."""
    if batch == 0 or (seed is None and not repeats):
        return seed
    return f"{seed} {batch}"
