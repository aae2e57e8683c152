"""The results of searches for people."""

from vpcipam._units import span
from vpcipam.cli.tables import Page, cell
from vpcipam.fleet.sweep import SweepResult
from vpcipam.fleet.tune import TuneResult

_WAIT = "99 % wait"
_FIGURES = {
    "addresses": "addresses_peak",
    "mean": "addresses_mean",
    "ENIs": "enis_mean",
    "in subnets": "subnet_addresses_peak",
    "worst min": "calls_worst_minute",
}
_MOST_ROWS = 20


def show_sweep(name: str, result: SweepResult) -> str:
    """Write a table with a row for each trial."""
    page = Page()
    page.line(f"{name} · {len(result.trials)} of {result.count} trials", "bold")
    page.line()
    keys = list(dict.fromkeys(key for trial in result.trials for key in trial.changes))
    heads = [key.rpartition(".")[2] for key in keys]
    table = page.table([*heads, *_FIGURES, "calls", _WAIT], numbers=[*_FIGURES, "calls", _WAIT], fold=heads)
    for trial in result.trials:
        row = [cell(str(trial.changes.get(key, ""))) for key in keys]
        if trial.summary is None:
            table.add_row(*row, cell(trial.error or ""))
            continue
        figures = [cell(f"{getattr(trial.summary, each):,}") for each in _FIGURES.values()]
        calls = cell(f"{sum(trial.summary.calls.values()):,}")
        table.add_row(*row, *figures, calls, cell(span(trial.summary.to_start.p99_ns)))
    page.add(table)
    page.line("addresses: attached for pods, at the most; in subnets: taken of them, primary IPs and others' too; calls: to EC2", "dim")
    return page.render()


def show_tune(name: str, result: TuneResult) -> str:
    """Write the best combination, the command that sets it, and what it was chosen from."""
    page = Page()
    spec = result.spec
    bounds = [
        *([f"99 % of pods wait {span(spec.p99_wait_ns)} or less"] if spec.p99_wait_ns is not None else []),
        *([f"{spec.calls_per_minute:,g} calls a minute or fewer"] if spec.calls_per_minute is not None else []),
    ]
    page.line(f"{name} · least {spec.goal}, where {' and '.join(bounds) or 'nothing is bounded'}", "bold")
    page.line(f"{len(result.candidates)} of {result.count} combinations, each with {len(spec.seeds)} seed{'s' * (len(spec.seeds) > 1)}")
    page.line()
    if result.best is not None:
        page.whole_line(result.best.kubectl)
        page.line()
    names = list(spec.settings)
    cost = spec.goal.partition("-")[0]
    table = page.table([*names, cost, _WAIT, "calls/min", "fits", "front"], numbers=[cost, _WAIT, "calls/min"], fold=names)
    shown = [each for each in result.candidates if each.on_front or each.fits][:_MOST_ROWS] or result.candidates[:_MOST_ROWS]
    for each in shown:
        table.add_row(
            *(cell(each.settings[name]) for name in names),
            cell(f"{each.cost:,}"),
            cell(span(each.p99_wait_ns)),
            cell(f"{each.calls_per_minute:,}"),
            cell("yes" if each.fits else ""),
            cell("*" if each.on_front else ""),
        )
    page.add(table)
    page.line("front: nothing costs less without more waiting. Each figure is that of the worst seed.", "dim")
    for settings, error in result.failures:
        page.line(f"could not be run: {', '.join(f'{key}={value}' for key, value in settings.items())}: {error}")
    return page.render()
