"""Read the workloads of a scenario: traces and generators."""

from pathlib import Path
from typing import get_args

from vpcipam.fleet.spread import MAX_SKEW, ZONE_KEY, SpreadConstraint, TopologySpread, WhenUnsatisfiable
from vpcipam.fleet.toml.table import Table
from vpcipam.fleet.trace import COLUMNS, UNITS_NS, TraceFormat, read_trace
from vpcipam.fleet.workload import (
    MAX_PER_HOUR,
    SHORTEST_S,
    Arrivals,
    CronJob,
    Deployment,
    EmpiricalLifetime,
    ExponentialLifetime,
    FixedLifetime,
    FixedWorkload,
    Lifetime,
    LifetimeOf,
    LogNormalLifetime,
    Wave,
    Workload,
)

KINDS = ("trace", "arrivals", "deployment", "cron")
LIFETIMES = ("fixed", "exponential", "log-normal", "empirical", "trace")


def read_workload(table: Table, folder: str) -> Workload:
    """Read one `workload` table of a scenario; file names are relative to `folder`.

    Raises:
        ScenarioError: a key is invalid, or the trace can't be read.
    """
    kind = table.text("kind", among=KINDS)
    workload: Workload
    if kind == "trace":
        table.optional_text("name")
        workload = _trace(table, folder)
    elif kind == "arrivals":
        workload = _arrivals(table, folder)
    elif kind == "deployment":
        workload = _deployment(table)
    else:
        workload = _cron(table, folder)
    table.finish()
    return workload


def _name(table: Table, default: str) -> str:
    name = table.text("name", default)
    if not name:
        raise table.refusal("name", "must not be empty; the pods' names begin with it")
    return name


def _trace(table: Table, folder: str) -> FixedWorkload:
    columns = table.table("columns")
    headers = {column: columns.text(column) for column in COLUMNS if column in columns}
    columns.finish(COLUMNS)
    layout = TraceFormat(
        headers,
        table.text("unit", "s", among=UNITS_NS),
        table.flag("keep_unscheduled", default=False),
        table.flag("from_first_pod", default=False),
    )
    file = table.text("file")
    return table.made("file", lambda: read_trace(Path(folder, file), layout))


def _arrivals(table: Table, folder: str) -> Arrivals:
    wave = table.table("wave")
    lifetime, lifetime_of = _lifetime(table.table("lifetime"), folder)
    arrivals = Arrivals(
        name=_name(table, "pod"),
        per_hour=table.number("per_hour", high=MAX_PER_HOUR),
        lifetime=lifetime,
        lifetime_of=lifetime_of,
        wave=Wave(wave.number("amplitude", 0.0, high=1.0), wave.number("peak_hour", 14.0, high=24.0)),
        burst=table.integer("burst", 1, low=1),
        standing=table.integer("standing", 0),
    )
    wave.finish()
    return arrivals


def _cron(table: Table, folder: str) -> CronJob:
    if "schedule" in table and "interval" in table:
        raise table.refusal("schedule", "can't be combined with interval; give one of the two")
    schedule = table.optional_text("schedule")
    if schedule is not None and "first" in table:
        raise table.refusal("first", "goes with interval; a schedule says itself when the first run is")
    lifetime, lifetime_of = _lifetime(table.table("lifetime"), folder)
    name, count = _name(table, "cron"), table.integer("count")
    interval_s = table.seconds("interval", low=SHORTEST_S) if schedule is None else None
    first_s = table.seconds("first", 0)
    return table.made(
        "schedule",
        lambda: CronJob(name, interval_s, count, lifetime, first_s, lifetime_of, schedule),
    )


def _deployment(table: Table) -> Deployment:
    replicas = table.integer("replicas")
    spread = _spread(table)
    surge, unavailable = table.part_of("max_surge", replicas, "25%", up=True), table.part_of("max_unavailable", replicas, "25%", up=False)
    return Deployment(
        name=_name(table, "deployment"),
        replicas=replicas,
        roll_interval_s=table.seconds("roll_interval", 0),
        max_surge=surge,
        # Kubernetes: if both round to 0, one pod may be unavailable.
        max_unavailable=unavailable or int(not surge),
        ready_s=table.seconds("ready", 10, low=SHORTEST_S),
        spread=spread,
    )


def _spread(table: Table) -> tuple[SpreadConstraint, ...] | None:
    """Read the topology spread constraints of a deployment; None if the key is missing."""
    if "spread" not in table:
        table.take("spread", None)
        return None
    constraints = []
    for inner in table.tables("spread"):
        inner.text("topology_key", ZONE_KEY, among=(ZONE_KEY,))
        max_skew = inner.integer("max_skew", low=1, high=MAX_SKEW)
        when: WhenUnsatisfiable = inner.text("when_unsatisfiable", "DoNotSchedule", among=get_args(WhenUnsatisfiable))  # type: ignore[assignment] # it is one of them
        min_domains = inner.integer("min_domains", 1, low=1, high=MAX_SKEW)
        inner.finish()
        constraints.append(inner.made("min_domains", lambda made=(max_skew, when, min_domains): SpreadConstraint(*made)))  # type: ignore[misc] # those of this round
    table.made("spread", lambda: TopologySpread("", tuple(constraints)))
    return tuple(constraints)


def _lifetime(table: Table, folder: str) -> tuple[Lifetime, LifetimeOf]:
    lifetime_of: LifetimeOf = table.text("of", "run", among=get_args(LifetimeOf))  # type: ignore[assignment] # it is one of them
    kind = table.text("kind", among=LIFETIMES)
    lifetime: Lifetime
    if kind == "fixed":
        lifetime = FixedLifetime(table.seconds("time", low=SHORTEST_S))
    elif kind == "exponential":
        lifetime = ExponentialLifetime(table.seconds("mean", low=SHORTEST_S))
    elif kind == "log-normal":
        lifetime = _log_normal(table)
    elif kind == "empirical":
        quantiles_s = table.durations("quantiles")
        lifetime = table.made("quantiles", lambda: EmpiricalLifetime(quantiles_s))
    else:
        runs = _trace(table, folder).runs
        lifetime = table.made("file", lambda: EmpiricalLifetime.from_runs(runs))
    table.finish()
    return lifetime, lifetime_of


def _log_normal(table: Table) -> LogNormalLifetime:
    median_s = table.seconds("median", low=SHORTEST_S)
    if "p90" not in table:
        table.take("p90", None)
        return LogNormalLifetime(median_s, table.number("sigma", 1.0, high=10.0))
    if "sigma" in table:
        raise table.refusal("p90", "can't be combined with sigma; give one of the two")
    p90_s = table.seconds("p90")
    return table.made("p90", lambda: LogNormalLifetime.from_p90(median_s, p90_s))
