"""Any allocator, with the contract checker beside it.

>>> class Forgetful:
...     def __init__(self):
...         self.free = ["10.0.0.0", "10.0.0.1"]
...         self.held = {}
...     def assign(self, key, now_ns):
...         self.held[key] = self.free.pop()
...         return self.held[key]
...     def unassign(self, key, now_ns):
...         self.free.append(self.held.pop(key))
>>> allocator = CheckedAllocator(Forgetful, cooldown_ns=30_000_000_000)
>>> allocator.assign("web", now_ns=0)
IPv4Address('10.0.0.1')
>>> allocator.unassign("web", now_ns=0)
>>> allocator.assign("db", now_ns=0)
Traceback (most recent call last):
    ...
vpcipam.testing.checked.ConformanceError: cooldown: db got 10.0.0.1 at 0 s, but it cools until 30 s
    at 0 s: web got 10.0.0.1
    at 0 s: web gave its address back
    at 0 s: db got 10.0.0.1
"""

import asyncio
import contextlib
import inspect
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import attrs

from vpcipam.contracts import (
    AssignDenied,
    AssignReturned,
    ContractChecker,
    ContractEvent,
    Crashed,
    EniLimits,
    IpAddress,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignReturned,
    Violation,
    address_of,
)
from vpcipam.errors import InvalidAddress, InvalidCidr, VpcIpamError
from vpcipam.testing.killing import Killed

REFUSALS: tuple[type[Exception], ...] = (LookupError, ValueError, RuntimeError, OSError, VpcIpamError)
"""The exceptions that mean "no", unless a caller names others. Others, such as TypeError and NotImplementedError, are faults."""
RANGE_ENI = "eni-0"
"""The ENI of the ranges that an allocator has from the beginning."""


class Allocator(Protocol):
    """What the checker calls. Every method can be a coroutine function instead.

    These methods are optional; the checker calls those that exist:

    - `add_range(eni_id, cidr, now_ns)` gives the allocator a CIDR; `remove_range(cidr, now_ns)` takes it away, and its sandboxes with it.
      Either can refuse.
    - `restart(now_ns)` drops everything in memory, as a crash does, loads what is stored, and returns the address of each key.
    - `kill_after(writes)` lets that many more writes to the storage happen; in place of the next step, the process is killed, which the
      allocator plays by raising `Killed` from then on. None takes that back. `KillableStorage` does both. It needs `restart` too.
    - `stats(now_ns)` returns an object or a mapping with `assigned_count`.
    - `take_events()` returns, once, each `ContractEvent` about ENIs and ranges that the allocator caused by itself.
    - `close()` is called at the end.
    """

    def assign(self, key: str, now_ns: int) -> object:
        """Return an address for a sandbox, and the same address again for the same key. Return None, or raise, if there is none."""
        ...

    def unassign(self, key: str, now_ns: int) -> object:
        """Take back the address of a sandbox. Its cooldown begins. For an unknown key, raise or do nothing."""
        ...


class ConformanceError(AssertionError):
    """An allocator broke a promise.

    Attributes:
        violation: the promise; None if only the allocator's statistics are wrong.
        program: the `Program` that shows it; None before a machine has added it.
    """

    def __init__(self, message: str, violation: Violation | None = None, program: Any = None) -> None:  # noqa: ANN401  # a Program, from a module that imports this one
        super().__init__(message if program is None else f"{message}\n\n{program}")
        self.message = message
        self.violation = violation
        self.program = program


class RunningEventLoop(RuntimeError):
    """Coroutines can't be awaited here, because an event loop runs in this thread."""


def cidr_texts(where: str, cidrs: Iterable[object]) -> tuple[str, ...]:
    """Return CIDRs as texts."""
    if isinstance(cidrs, str) or not isinstance(cidrs, Iterable):
        raise TypeError(f"{where} must be a list or tuple of CIDRs, not {cidrs!r}")
    try:
        return tuple(str(ipaddress.ip_network(cidr)) for cidr in cidrs)  # type: ignore[arg-type]  # it raises for anything else
    except ValueError as error:
        raise InvalidCidr(f"{where}: {error}") from None


def refusal_classes(refusals: object) -> tuple[type[Exception], ...]:
    """Return one exception class or several as a tuple."""
    classes = refusals if isinstance(refusals, tuple | list) else (refusals,)
    if not all(isinstance(each, type) and issubclass(each, Exception) for each in classes):
        raise TypeError(f"refusals must be exception classes, not {refusals!r}")
    return tuple(classes)


class Call(NamedTuple):
    """One call of a program."""

    method: str
    arguments: tuple[str | int, ...]
    now_ns: int
    comment: str = ""

    def __str__(self) -> str:
        arguments = ", ".join([*map(repr, self.arguments), f"now_ns={self.now_ns}"])
        return f"allocator.{self.method}({arguments})" + (f"  # {self.comment}" if self.comment else "")


class CheckedAllocator:
    """Calls an allocator, records each call, and raises a `ConformanceError` as soon as a promise is broken.

    A refused call, and an `assign` that returns None, returns None.

    Attributes:
        allocator: the allocator itself.
        checker: what is known about it.
        calls: the calls so far.
        assigned: whether an assign ever succeeded.
        first_denial: why the first assign failed; empty if none did.
    """

    def __init__(
        self,
        factory: Callable[[], Any],
        *,
        cooldown_ns: int,
        ranges: Iterable[object] = (),
        limits: EniLimits | None = None,
        cooldown_outlives_range: bool = False,
        refusals: type[Exception] | tuple[type[Exception], ...] = REFUSALS,
    ) -> None:
        """Create an allocator.

        Args:
            factory: returns a new `Allocator`.
            cooldown_ns: the cooldown that the allocator promises.
            ranges: the CIDRs that it starts with. With an `add_range`, they are added; without, they are only known to the checker.
            limits: the most ENIs and slots.
            cooldown_outlives_range: see `ContractChecker`.
            refusals: the exceptions that mean "no".
        """
        self.checker = ContractChecker(cooldown_ns=cooldown_ns, limits=limits, cooldown_outlives_range=cooldown_outlives_range)
        self.calls: list[Call] = []
        self.assigned = False
        self.first_denial = ""
        self._refusals = refusal_classes(refusals)
        self._runner: asyncio.Runner | None = None
        if not callable(factory):
            raise TypeError(f"factory must be a class or a function that returns a new allocator, not {factory!r}")
        given = cidr_texts("ranges", ranges)
        self.allocator = self._finished(factory())
        try:
            self._begin(given)
        except BaseException:
            self.close_after_failure()
            raise

    def _begin(self, ranges: Iterable[str]) -> None:
        if not (self.can("assign") and self.can("unassign")):
            raise TypeError(f"the factory returned {self.allocator!r}, which has no methods assign and unassign")
        if self.can("kill_after") and not self.can("restart"):
            raise TypeError("an allocator with kill_after needs restart too: otherwise it is never killed")
        self._events()
        for cidr in ranges:
            if self.can("add_range"):
                self._call("add_range", RANGE_ENI, cidr, now_ns=0)
            self._observe(RangeAdded(0, RANGE_ENI, cidr))

    def can(self, method: str) -> bool:
        """Return whether the allocator has an optional method."""
        return callable(getattr(self.allocator, method, None))

    def assign(self, key: str, *, now_ns: int) -> IpAddress | None:
        """Assign an address to a sandbox."""
        self.calls.append(Call("assign", (key,), now_ns))
        return self._assign(key, now_ns)

    def _assign(self, key: str, now_ns: int) -> IpAddress | None:
        refused, answer = self._attempt("assign", key, now_ns=now_ns)
        return self._take_answer(key, None if refused else answer, now_ns)

    def _take_answer(self, key: str, answer: object, now_ns: int) -> IpAddress | None:
        if answer is None:
            self.first_denial = self.first_denial or "it returned None"
            self._observe(AssignDenied(now_ns, key))
            return None
        event = AssignReturned(now_ns, key, self._address(f"assign({key!r})", answer))
        self.assigned = True
        self._note(str(event.address))
        self._observe(event)
        return event.address

    def unassign(self, key: str, *, now_ns: int) -> None:
        """Take back the address of a sandbox."""
        self.calls.append(Call("unassign", (key,), now_ns))
        self._unassign(key, now_ns)

    def _unassign(self, key: str, now_ns: int) -> None:
        refused, _ = self._attempt("unassign", key, now_ns=now_ns)
        if not refused:
            self._observe(UnassignReturned(now_ns, key))

    def add_range(self, eni_id: str, cidr: str, *, now_ns: int) -> None:
        """Give the allocator a CIDR."""
        self.calls.append(Call("add_range", (eni_id, cidr), now_ns))
        refused, _ = self._attempt("add_range", eni_id, cidr, now_ns=now_ns)
        if not refused:
            self._observe(RangeAdded(now_ns, eni_id, cidr))

    def remove_range(self, cidr: str, *, now_ns: int) -> None:
        """Take a CIDR away, and the addresses of the sandboxes in it."""
        self.calls.append(Call("remove_range", (cidr,), now_ns))
        refused, _ = self._attempt("remove_range", cidr, now_ns=now_ns)
        if not refused:
            self._observe(RangeRemoved(now_ns, cidr))

    def restart(self, *, now_ns: int) -> None:
        """Let the allocator crash and start again. It has to have its ranges again by itself."""
        self.calls.append(Call("restart", (), now_ns))
        self._restart(now_ns)

    def kill_in_assign(self, key: str, writes: int, *, now_ns: int) -> None:
        """Kill the allocator in an assign, after so many writes, and let it start again. With fewer writes, kill it after the call."""
        self._kill_in("assign", key, writes, now_ns)

    def kill_in_unassign(self, key: str, writes: int, *, now_ns: int) -> None:
        """Kill the allocator in an unassign; see `kill_in_assign`."""
        self._kill_in("unassign", key, writes, now_ns)

    def _kill_in(self, method: str, key: str, writes: int, now_ns: int) -> None:
        self.calls.append(Call(f"kill_in_{method}", (key, writes), now_ns))
        would_change = (key in self.checker.held) == (method == "unassign")  # otherwise both outcomes are the same
        in_flight: tuple[str, ...] = ()
        self._call("kill_after", writes)
        try:
            answer = self._call(method, key, now_ns=now_ns)
        except (Killed, Exception) as error:  # an error can be the kill too, as a client of a dead server sees it
            if isinstance(error, RunningEventLoop):
                raise
            self._note("killed" if isinstance(error, Killed) else f"raised {type(error).__name__}")
            events: Iterable[ContractEvent] = ()
            with contextlib.suppress(Killed, Exception):  # a dead process may say nothing
                events = self._own_events()
            self._observe_own(events)
            in_flight = (key,) if would_change else ()
        else:
            self._events()
            if method == "assign":
                self._take_answer(key, answer, now_ns)
            else:
                self._observe(UnassignReturned(now_ns, key))
        self._call("kill_after", None)
        self._restart(now_ns, in_flight)

    def _restart(self, now_ns: int, in_flight: tuple[str, ...] = ()) -> None:
        ranges = {} if self.can("take_events") else dict(self.checker.ranges)
        self._observe(Crashed(now_ns, in_flight))
        held = self._call("restart", now_ns=now_ns)
        self._events()
        for cidr, eni_id in ranges.items():
            self._observe(RangeAdded(now_ns, eni_id, cidr))
        if not isinstance(held, Mapping):
            raise TypeError(f"restart() must return a mapping of sandboxes to addresses, not {held!r}")
        self._observe(Restarted(now_ns, {key: self._address(f"restart(), {key!r}", address) for key, address in held.items()}))

    def check_stats(self, *, now_ns: int) -> None:
        """Compare the allocator's count of assigned addresses with the checker's."""
        self.calls.append(Call("check_stats", (), now_ns))
        stats = self._call("stats", now_ns=now_ns)
        count = stats.get("assigned_count") if isinstance(stats, Mapping) else getattr(stats, "assigned_count", None)
        if not isinstance(count, int):
            raise TypeError(f"stats() must return an object or a mapping with assigned_count, a number, not {stats!r}")
        if count != len(self.checker.held):
            raise ConformanceError(f"stats: assigned_count is {count}, but {len(self.checker.held)} sandboxes hold an address")

    def close(self) -> None:
        """End the allocator and, if it is asynchronous, its event loop."""
        try:
            if self.can("close"):
                self._call("close")
        finally:
            if self._runner is not None:
                self._runner.close()

    def close_after_failure(self) -> None:
        """Close, but ignore errors: they would hide the failure."""
        with contextlib.suppress(Exception):
            self.close()

    # --- calls ---

    def _attempt(self, method: str, *arguments: str, now_ns: int) -> tuple[bool, Any]:
        """Call a method; return whether it refused, and its answer."""
        try:
            answer = self._call(method, *arguments, now_ns=now_ns)
        except self._refusals as refusal:
            if isinstance(refusal, NotImplementedError | RunningEventLoop):
                raise
            if method == "assign":
                self.first_denial = self.first_denial or f"it raised {refusal!r}"
            self._note(f"refused: {type(refusal).__name__}")
            self._events()
            return True, None
        self._events()
        return False, answer

    def _note(self, comment: str) -> None:
        self.calls[-1] = self.calls[-1]._replace(comment=comment)

    def _call(self, method: str, *arguments: str | int | None, **time: int) -> Any:  # noqa: ANN401  # whatever the allocator returns
        return self._finished(getattr(self.allocator, method)(*arguments, *time.values()))

    def _finished(self, answer: Any) -> Any:  # noqa: ANN401
        """Wait for an answer that is a coroutine."""
        if not inspect.iscoroutine(answer):
            return answer
        if _loop_is_running():
            answer.close()
            message = "an allocator with coroutines can't be checked in a running event loop"
            raise RunningEventLoop(
                f"{message}: call `await asyncio.to_thread(assert_conforms, …)`, or check it in a test that is no coroutine"
            )
        self._runner = self._runner or asyncio.Runner()
        return self._runner.run(answer)

    def _events(self) -> None:
        """Take in what the allocator did by itself, not earlier than what is already known."""
        self._observe_own(self._own_events())

    def _own_events(self) -> Iterable[ContractEvent]:
        events = self._call("take_events") if self.can("take_events") else ()
        if not isinstance(events, list | tuple) or not all(isinstance(event, ContractEvent) for event in events):
            raise TypeError(f"take_events() must return a list or tuple of contract events, not {events!r}")
        return events

    def _observe_own(self, events: Iterable[ContractEvent]) -> None:
        for event in events:
            self._observe(attrs.evolve(event, now_ns=max(event.now_ns, self.checker.now_ns)))

    def _address(self, where: str, answer: object) -> IpAddress:
        """Read an address. A number has the IP version of the ranges."""
        versions = {cidr.version for cidr in self.checker.ranges}
        try:
            return address_of(answer, 6 if versions == {6} else None)
        except InvalidAddress as error:
            raise InvalidAddress(f"{where}: {error}") from None

    def _observe(self, event: ContractEvent) -> None:
        violation = self.checker.observe(event)
        if violation is not None:
            raise ConformanceError(str(violation), violation)


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
