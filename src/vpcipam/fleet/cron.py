"""When a Kubernetes CronJob runs, from its schedule in cron's syntax. Needs cronsim, which the extra `[cli]` brings."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

from vpcipam._units import NS_PER_S
from vpcipam.errors import InvalidArgument, MissingExtra

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
"""The start of a scenario: midnight, a Monday, the first of January."""
MAX_RUN_COUNT = 100_000
"""The most runs of a schedule; finding them takes some seconds."""
_FIELD_COUNT = 5
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


def due_ns(schedule: str, duration_ns: int) -> list[int]:
    """Return when a schedule is due within a duration from `FIRST_DAY` on.

    Raises:
        InvalidArgument: it is no schedule, or it is due more than `MAX_RUN_COUNT` times.
        MissingExtra: cronsim is not installed.
        TypeError: it is no text.

    >>> [time_ns // 60_000_000_000 for time_ns in due_ns("*/20 * * * *", 3_600_000_000_000)]
    [0, 20, 40]
    """
    try:
        from cronsim import CronSim, CronSimError  # noqa: PLC0415  # an extra
    except ImportError:
        raise MissingExtra("a schedule in cron's syntax needs cronsim: pip install 'vpcipam[cli]'") from None
    if not isinstance(schedule, str):
        raise TypeError(f"schedule must be a text in cron's syntax, not {type(schedule).__name__} ({schedule!r})")
    fields = _MACROS.get(schedule, schedule)
    wrong = f"schedule is {schedule!r}, which cron does not take (minute hour day month weekday, as in */15 8-18 * * 1-5)"
    if len(fields.split()) != _FIELD_COUNT:
        raise InvalidArgument(f"{wrong}: it needs five fields, or one of {', '.join(_MACROS)}")
    try:
        times = iter(CronSim(fields, FIRST_DAY - timedelta(seconds=1)))
        end = FIRST_DAY + timedelta(microseconds=-(-duration_ns // 1000))
        found: list[int] = []
        for time in takewhile(lambda time: time < end, times):
            if len(found) == MAX_RUN_COUNT:
                raise InvalidArgument(f"schedule {schedule!r} is due more than {MAX_RUN_COUNT:,} times; shorten the duration")
            found.append((time - FIRST_DAY) // timedelta(seconds=1) * NS_PER_S)
    except (CronSimError, OverflowError) as error:
        raise InvalidArgument(f"{wrong}: {error}") from None
    return found
