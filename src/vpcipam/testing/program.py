"""A failing program: run it again, make it shorter, and write it as Python."""

import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from vpcipam.contracts import EniLimits, Promise
from vpcipam.testing.checked import Call, CheckedAllocator, ConformanceError


def _import(thing: object, gap: str = "make_allocator", what: str = "your factory") -> tuple[str | None, str]:
    """Return the line that imports something, None if there is no need to, and its name. A lambda, for one, is a `gap` to fill."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if isinstance(thing, types.MethodType) or not isinstance(module, str) or not isinstance(name, str) or not name.isidentifier():
        return f"{gap} = ...  # {what}: {name if isinstance(name, str) else repr(thing)} can't be imported", gap
    if module == "__main__":
        return f"# {name} is in the script that ran: copy it here, or import it", name
    return (None if module == "builtins" else f"from {module} import {name}"), name


@attrs.frozen
class Program:
    """Calls of an allocator.

    Attributes:
        factory: returns the allocator.
        options: the other arguments of `CheckedAllocator`.
        calls: the calls, in their order.
    """

    factory: Callable[[], Any]
    options: Mapping[str, Any]
    calls: tuple[Call, ...]

    def __str__(self) -> str:
        """Return Python that runs by itself, and fails as the calls did."""
        line, name = _import(self.factory)
        imports = [line]
        arguments = [name]
        for option, value in self.options.items():
            if option == "refusals":
                found = [_import(each, f"Refusal{number}", "your exception") for number, each in enumerate(value)]
                imports += [each for each, _ in found]
                arguments.append(f"refusals=({', '.join(each for _, each in found)},)")
            else:
                arguments.append(f"{option}={value!r}")
                if isinstance(value, EniLimits):
                    imports.append("from vpcipam.testing import EniLimits")
        imports.append("from vpcipam.testing import CheckedAllocator")
        lines = [*dict.fromkeys(filter(None, imports)), "", f"allocator = CheckedAllocator({', '.join(arguments)})", *map(str, self.calls)]
        return "\n".join(lines) + "\n"

    def run(self) -> "tuple[ConformanceError | None, Program]":
        """Run the calls on a new allocator. Return the failure, None if there is none, and the program up to it, with its results."""
        try:
            checked = CheckedAllocator(self.factory, **self.options)
        except ConformanceError as broken:
            return broken, attrs.evolve(self, calls=())
        try:
            for call in self.calls:
                getattr(checked, call.method)(*call.arguments, now_ns=call.now_ns)
        except BaseException as error:
            checked.close_after_failure()
            if not isinstance(error, ConformanceError):
                raise
            return error, attrs.evolve(self, calls=tuple(checked.calls))
        checked.close()
        return None, attrs.evolve(self, calls=tuple(checked.calls))

    def simpler(self) -> "Iterator[Program]":
        """Yield programs to try instead, the simplest first."""
        calls = self.calls
        for size in (8, 4, 2, 1):
            for start in range(len(calls) - size, -1, -1):
                yield attrs.evolve(self, calls=calls[:start] + calls[start + size :])
        for place, call in enumerate(calls):
            if call.method.startswith("kill_in_"):
                plain = call._replace(method=call.method.removeprefix("kill_in_"), arguments=call.arguments[:1])
                yield attrs.evolve(self, calls=(*calls[:place], plain, *calls[place + 1 :]))
        for place in range(len(calls)):  # all later calls come earlier: at the time of the call before
            earlier = calls[place].now_ns - (calls[place - 1].now_ns if place else 0)
            if earlier:
                moved = tuple(call._replace(now_ns=call.now_ns - earlier) for call in calls[place:])
                yield attrs.evolve(self, calls=calls[:place] + moved)

    def shortened(self) -> "Program":
        """Remove calls, and time between them, as long as the program breaks the same promise, and number the sandboxes.

        Complexity: O(n³) calls for a program of n, as a rule O(n²).
        """
        error, best = self.run()
        if error is None:
            return self  # the allocator answers differently each time

        def is_as_bad(candidate: Program) -> "Program | None":
            try:
                found, program = candidate.run()
            except Exception:  # noqa: BLE001  # another fault of the allocator
                return None
            return program if found is not None and _promise(found) == _promise(error) else None

        while (found := next(filter(None, map(is_as_bad, best.simpler())), None)) is not None:
            best = found
        names: dict[str | int, str] = {}
        for call in best.calls:
            if call.method.endswith("assign"):  # or unassign, killed or not
                names.setdefault(call.arguments[0], f"pod-{len(names)}")
        renamed = (call._replace(arguments=tuple(names.get(each, each) for each in call.arguments)) for call in best.calls)
        return is_as_bad(attrs.evolve(best, calls=tuple(renamed))) or best


def _promise(error: ConformanceError) -> Promise | None:
    return error.violation.promise if error.violation is not None else None
