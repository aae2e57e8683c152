"""The results of searches for people."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from vpcipam._units import NS_PER_S, counted, number, span
from vpcipam.cli.table import Cell, Figure, Table
from vpcipam.fleet.sweep import SweepResult
from vpcipam.fleet.tune import Candidate, TuneResult
from vpcipam.fleet.waits import wait_text

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

_WAIT = "99 % wait"
_UNSERVED = "unserved"
_WORST_MINUTE = "worst min"
_FIGURES = {
    "addresses": "addresses_peak",
    "mean": "addresses_mean",
    "ENIs": "enis_mean",
    "in subnets": "subnet_addresses_peak",
    _WORST_MINUTE: "calls_worst_minute",
}
_UNSERVED_LEGEND = "unserved: pods that never had an address; their waits count as longer than all others"
_MOST_ROWS = 20
_PER_CENT = " %"
_COSTS = {
    "addresses-peak": ("", "fewest", "addresses at the peak"),
    "addresses-mean": ("", "fewest", "addresses on average"),
    "subnet-addresses": ("", "fewest", "addresses taken from the subnets at the peak"),
    "fullest-subnet": (_PER_CENT, "smallest share", "of the fullest subnet taken"),
    "calls": ("", "fewest", "calls to EC2"),
}
"""How the value to minimise is written: its unit, the word for a small value, and what it counts."""


def sweep_table(result: SweepResult) -> Table:
    """Return a table with a row for each trial."""
    keys = list(dict.fromkeys(key for trial in result.trials for key in trial.changes))
    heads = [key.rpartition(".")[2] for key in keys]
    numbers = [*_FIGURES, "calls", _WAIT, _UNSERVED]
    rows: list[list[Cell]] = []
    for trial in result.trials:
        row: list[Cell] = [_value_text(trial.changes.get(key, "")) for key in keys]
        if trial.summary is None:
            rows.append([*row, trial.error or ""])
            continue
        figures: list[Cell] = [_figure(getattr(trial.summary, each)) for each in _FIGURES.values()]
        calls = sum(trial.summary.calls.values())
        rows.append([*row, *figures, calls, _wait(trial.summary.to_start.p99_ns), trial.summary.pods_unserved])
    return Table([*heads, *numbers], rows, numbers, heads)


def _figure(value: float) -> Figure:
    return Figure(value, f"{value:,}")


def _wait(wait_ns: int | None) -> Figure:
    """A wait; programs see seconds."""
    return Figure(None if wait_ns is None else wait_ns / NS_PER_S, wait_text(wait_ns))


def show_sweep(page: "Page", name: str, result: SweepResult) -> None:
    """Write a table with a row for each trial."""
    page.line(f"{name} · {number(len(result.trials))} of {counted(result.count, 'trial')}", "bold")
    page.line()
    page.add(sweep_table(result))
    page.line("addresses: the most attached for pods, then their mean; ENIs: their mean", "dim")
    page.line("in subnets: the most taken, with primary IPs and other users", "dim")
    page.line("calls: to EC2 in all; worst min: the most in a minute", "dim")
    page.line(_UNSERVED_LEGEND, "dim")


def _value_text(value: object) -> str:
    """Write a value; a boolean as TOML writes it, and the values of a list one after the other."""
    if isinstance(value, list):
        return " ".join(map(_value_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def show_tune(page: "Page", name: str, result: TuneResult) -> None:
    """Write the best combination, the commands that set it, and the candidates beside the present settings."""
    spec = result.spec
    bounds = [
        *([f"99 % of pods wait {span(spec.p99_wait_ns)} or less"] if spec.p99_wait_ns is not None else []),
        *([f"{spec.calls_per_minute:,g} calls a minute or fewer"] if spec.calls_per_minute is not None else []),
    ]
    _, smallest, words = _COSTS[spec.goal]
    page.line(f"{name} · {smallest} {words}, where {' and '.join(bounds) or 'nothing is bounded'}", "bold")
    page.line(
        f"{len(result.candidates)} of {result.count} combinations and the present settings, each with {counted(len(spec.seeds), 'seed')}"
    )
    page.line()
    if result.best is not None and result.baseline is not None:
        _best(page, result.best, result.baseline, spec.goal)
        page.line()
    elif result.present_is_best:
        page.line("the present settings are best: change nothing", "bold green")
        page.line(f"{result.reason[0].upper()}{result.reason[1:]}.")
        page.line()
    _candidates(page, result)
    if spec.p99_wait_ns is None:
        page.line("The table [tune] has no p99_wait, so the best combination can make pods wait.")
    for settings, error in result.failures:
        page.line(f"could not be run: {_assignments(settings)}: {error}")


def _best(page: "Page", best: Candidate, now: Candidate, goal: str) -> None:
    """Write what to set, what that saves, and how far it was confirmed."""
    unit, _, words = _COSTS[goal]
    later = best.confirmation
    saved = f", {100 * best.saves / now.cost:.0f} % less" if now.cost and best.saves > 0 and unit != _PER_CENT else ""
    worse = f" (with other seeds up to {later.cost[1]:,}{unit})" if later is not None and later.cost[1] > best.cost else ""
    why = f"; it mends this: {now.breach}" if best.mends(now) else ""
    page.line(
        f"best: {_assignments(best.settings)}: {best.cost:,}{unit} {words}{worse}, instead of {now.cost:,}{unit}{saved}{why}", "bold green"
    )
    if later is not None:
        cost, wait = _between(f"{each:,}{unit}" for each in later.cost), _between(map(wait_text, later.p99_wait_ns))
        page.line(f"confirmed with seeds {', '.join(map(str, later.seeds))}: {cost} {words}, 99 % of pods wait {wait}")
    if goal == "fullest-subnet":
        least = [*([] if later is None else [later.free_least[0]]), best.free_least]
        before = [*([] if now.confirmation is None else [now.confirmation.free_least[0]]), now.free_least]
        page.line(f"fewest free addresses in the fullest subnet, with any seed: {min(least):,} instead of {min(before):,}")
    for note in best.notes:
        page.line(note, "yellow")
    page.line()
    for way, text in (("kubectl", best.kubectl), ("Helm values", best.helm), ("EKS add-on", best.addon)):
        page.line(f"{way}:", "dim")
        page.line(text, whole=True)


def _between(texts: Iterable[str]) -> str:
    """Write the lowest and the highest value, once if they are equal."""
    return " to ".join(dict.fromkeys(texts))


def tune_table(result: TuneResult) -> Table:
    """Return a table with the present settings, then all candidates."""
    return _table(result, result.candidates, {})


def _chosen(result: TuneResult) -> list[Candidate]:
    return [each for each in result.candidates if each.on_front or each.fits] or [*result.candidates]


def _table(result: TuneResult, candidates: Iterable[Candidate], marks: dict[str, str]) -> Table:
    """Return a table with the present settings, then some candidates; `marks` gets a mark for each reason of those that don't fit."""
    names, cost = list(result.spec.settings), result.spec.goal.partition("-")[0]
    rows: list[list[Cell]] = []
    for each in (*([result.baseline] if result.baseline is not None else []), *candidates):
        why = ",".join(marks.setdefault(text, str(len(marks) + 1)) for text in each.objections)
        rows.append(
            [
                *(each.settings.get(name, "now") for name in names),
                *(_figure(each.cost), _figure(each.saves), _wait(each.p99_wait_ns), each.unserved, _figure(each.calls_per_minute)),
                Figure(each.fits, "yes" if each.fits else f"no: {why}"),
                Figure(each.on_front, "*" if each.on_front else ""),
            ]
        )
    numbers = [cost, "saves", _WAIT, _UNSERVED, _WORST_MINUTE]
    return Table([*names, *numbers, "fits", "front"], rows, numbers, names)


def _candidates(page: "Page", result: TuneResult) -> None:
    """Write the present settings, then what fits or is on the front, then the reasons of those that don't fit."""
    shown = _chosen(result)[:_MOST_ROWS]
    marks: dict[str, str] = {}
    page.add(_table(result, shown, marks))
    for text, mark in marks.items():
        page.line(f"{mark}: {text}", "dim")
    worst = " Each figure is that of the worst seed." if len(result.spec.seeds) > 1 else ""
    page.line(f"{len(shown)} of {len(result.candidates)} are shown: those that fit, and the front.{worst}", "dim")
    page.line("now: the present settings. worst min: the most calls to EC2 in a minute", "dim")
    page.line(_UNSERVED_LEGEND, "dim")
    page.line("front: every cheaper combination makes pods wait longer", "dim")


def _assignments(settings: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())
