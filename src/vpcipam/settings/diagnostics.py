"""The type `Diagnostic`, and the diagnostics that concern a single variable's name or text."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from attrs import field, frozen
from attrs.validators import in_, instance_of

from vpcipam.settings.variables import MISTAKEN_NAMES, VARIABLES, Variable, is_ambient, nearest_variable, parse_int

Level = Literal["error", "warning", "info"]
_RANKS = {"error": 0, "warning": 1, "info": 2}
_POLICY_MODES = ("none", "strict", "standard")


@frozen
class Diagnostic:
    """A remark about settings.

    Attributes:
        variable: The name of the environment variable, as it was written.
        level: `error`: the container, Kubernetes or vpcipam refuses this. `warning`: probably a mistake. `info`: good to know.
        message: What is wrong or worth knowing.
        suggestion: What to do about it; empty if there is nothing to do.
    """

    variable: str = field(validator=instance_of(str))
    level: Level = field(validator=in_(_RANKS))
    message: str = field(validator=instance_of(str))
    suggestion: str = field(default="", validator=instance_of(str))

    def __str__(self) -> str:
        return f"{self.level}: {self.variable}: {self.message}" + (f" ({self.suggestion})" if self.suggestion else "")


def sort_diagnostics(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Sort by level, errors first; within a level, keep the order."""
    return tuple(sorted(diagnostics, key=lambda diagnostic: _RANKS[diagnostic.level]))


def never_starts(variable: str, program: str, reason: str, suggestion: str) -> Diagnostic:
    """Return the diagnostic of a value with which the container or ipamd exits, so that the node never becomes ready."""
    return Diagnostic(variable, "error", f"{program} exits at its start, so no pod runs: {reason}", suggestion)


def diagnose_variables(variables: Mapping[str, str]) -> Iterator[Diagnostic]:
    """Diagnose each variable on its own: unknown names, and texts that can't be read."""
    for name, text in variables.items():
        variable = VARIABLES.get(name)
        diagnostic = diagnose_name(name) if variable is None else _diagnose_text(variable, text)
        if diagnostic is not None:
            yield diagnostic


def diagnose_name(name: str) -> Diagnostic | None:
    """Diagnose an unknown name; None for a name that the container or its environment uses."""
    if name in VARIABLES or is_ambient(name):
        return None
    if name in MISTAKEN_NAMES:
        meant, message = MISTAKEN_NAMES[name]
    else:
        meant, message = nearest_variable(name), "the aws-node container reads no variable of this name; it has no effect"
    if meant is None:
        return Diagnostic(name, "warning", message, "remove it")
    if meant.upper() == name.upper():
        message += ": case counts"
    return Diagnostic(name, "warning", message, f"did you mean {meant}?")


def _diagnose_text(variable: Variable, text: str) -> Diagnostic | None:
    if variable.name == "NETWORK_POLICY_ENFORCING_MODE" and text.lower() not in _POLICY_MODES:
        return never_starts(variable.name, "ipamd", f"{shorten(text)} is not a mode", f"use one of {', '.join(_POLICY_MODES)}")
    if variable.parse(text) is not None or text == variable.default:
        return None
    if variable.kind == "int" and (parse_int(text) or 0) > variable.maximum:
        return Diagnostic(variable.name, "error", f"{text} s is more than vpcipam can count", f"write {variable.maximum} or less")
    if variable.kind == "text" and not variable.acts_on_addresses:  # some of them are then used as they are, others not
        return Diagnostic(variable.name, "info", f"is empty; if it is not set, ipamd takes {variable.default}", _expected(variable))
    level: Level = "warning" if variable.acts_on_addresses else "info"
    message = f"{shorten(text)} can't be used; ipamd takes its default, {variable.format(variable.default)}"
    return Diagnostic(variable.name, level, message, _expected(variable))


def _expected(variable: Variable) -> str:
    """Say which texts a variable accepts."""
    if variable.kind == "bool":
        return "write true or false; 1, t, T, TRUE, True and their opposites are read too"
    if variable.kind == "int":
        return f"write an integer from {variable.minimum} to {variable.maximum}, digits alone"
    return "write a text, or leave the variable out"


def shorten(text: str) -> str:
    """Quote a text, cut short, for a message of one line."""
    return repr(text if len(text) <= _LONGEST_TEXT_SHOWN else text[:_LONGEST_TEXT_SHOWN] + "...")


_LONGEST_TEXT_SHOWN = 60
