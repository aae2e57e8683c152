"""The results of searches for people."""

from typing import TYPE_CHECKING

from vpcipam._units import counted, span
from vpcipam.fleet.sweep import SweepResult
from vpcipam.fleet.tune import TuneResult
from vpcipam.fleet.waits import wait_text

if TYPE_CHECKING:
    from vpcipam.cli.tables import Cell, Page

_WAIT = "99 % wait"
_UNSERVED = "unserved"
_FIGURES = {
    "addresses": "addresses_peak",
    "mean": "addresses_mean",
    "ENIs": "enis_mean",
    "in subnets": "subnet_addresses_peak",
    "worst min": "calls_worst_minute",
}
_MOST_ROWS = 20


def show_sweep(page: "Page", name: str, result: SweepResult) -> None:
    """Write a table with a row for each trial."""
    page.line(f"{name} · {len(result.trials)} of {result.count} trials", "bold")
    page.line()
    keys = list(dict.fromkeys(key for trial in result.trials for key in trial.changes))
    heads = [key.rpartition(".")[2] for key in keys]
    rows: list[list[Cell]] = []
    for trial in result.trials:
        row: list[Cell] = [_as_toml(trial.changes.get(key, "")) for key in keys]
        if trial.summary is None:
            rows.append([*row, trial.error or ""])
            continue
        figures = [f"{getattr(trial.summary, each):,}" for each in _FIGURES.values()]
        rows.append(
            [
                *row,
                *figures,
                f"{sum(trial.summary.calls.values()):,}",
                wait_text(trial.summary.to_start.p99_ns),
                f"{trial.summary.pods_unserved:,}",
            ]
        )
    numbers = [*_FIGURES, "calls", _WAIT, _UNSERVED]
    page.table([*heads, *numbers], rows, numbers=numbers, fold=heads)
    page.line("addresses: the most attached for pods, then their mean; ENIs: their mean", "dim")
    page.line("in subnets: the most taken, with primary IPs and other users", "dim")
    page.line("calls: to EC2 in all; worst min: the most in a minute", "dim")
    page.line("unserved: pods that never had an address; their waits count as longer than all others", "dim")


def _as_toml(value: object) -> str:
    """Write a value; a boolean as TOML writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def show_tune(page: "Page", name: str, result: TuneResult) -> None:
    """Write the best combination, the command that sets it, and the candidates."""
    spec = result.spec
    bounds = [
        *([f"99 % of pods wait {span(spec.p99_wait_ns)} or less"] if spec.p99_wait_ns is not None else []),
        *([f"{spec.calls_per_minute:,g} calls a minute or fewer"] if spec.calls_per_minute is not None else []),
    ]
    page.line(f"{name} · least {spec.goal}, where {' and '.join(bounds) or 'nothing is bounded'}", "bold")
    page.line(f"{len(result.candidates)} of {result.count} combinations, each with {counted(len(spec.seeds), 'seed')}")
    page.line()
    if result.best is not None:
        page.line(result.best.kubectl, whole=True)
        page.line()
    names = list(spec.settings)
    cost = spec.goal.partition("-")[0]
    shown = [each for each in result.candidates if each.on_front or each.fits][:_MOST_ROWS] or result.candidates[:_MOST_ROWS]
    rows = [
        (
            *(each.settings[name] for name in names),
            f"{each.cost:,}",
            wait_text(each.p99_wait_ns),
            f"{each.unserved:,}",
            f"{each.calls_per_minute:,}",
            "yes" if each.fits else "",
            "*" if each.on_front else "",
        )
        for each in shown
    ]
    page.table(
        [*names, cost, _WAIT, _UNSERVED, "calls/min", "fits", "front"], rows, numbers=[cost, _WAIT, _UNSERVED, "calls/min"], fold=names
    )
    page.line("front: every cheaper combination makes pods wait longer. Each figure is that of the worst seed.", "dim")
    if spec.p99_wait_ns is None:
        page.line("The table [tune] has no p99_wait, so the best combination can make pods wait.")
    for settings, error in result.failures:
        page.line(f"could not be run: {', '.join(f'{key}={value}' for key, value in settings.items())}: {error}")
