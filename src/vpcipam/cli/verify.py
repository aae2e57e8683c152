"""`vpcipam verify`: whether what logs tell keeps the promises of an allocator."""

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from vpcipam._units import NS_PER_S, counted, number
from vpcipam.cli.command import FILE, IntRange, Output, OutputCommand
from vpcipam.cli.instance_types import complete_types
from vpcipam.cli.progress import show_progress, total_size
from vpcipam.cli.streams import STDIN, stdin_bytes
from vpcipam.cli.table import Table
from vpcipam.contracts import EniLimits
from vpcipam.errors import LogError
from vpcipam.inspection.log.reader import read_chunks
from vpcipam.inspection.verification import Answer, LogViolation, PluginCalls, Verification, date_text
from vpcipam.inspection.verify import LogSource, period_text, verify
from vpcipam.limits import instance_limits

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

EXAMPLES = (
    "vpcipam verify examples/ipamd.log --timeline",
    "gzip -c examples/ipamd.log | vpcipam verify - --json",
    "vpcipam verify examples/ipamd.log --type m5.large --cooldown 30",
)
_MOST_SHOWN = 10
_MOST_COOLDOWN_S = 86_400
_ANSWERS = {
    Answer.KEPT: "No fault in this: no promise is broken by what the logs show.",
    Answer.NOT_ENOUGH: "Not enough in this: the logs show nothing by which the promises could be checked.",
}


@click.command("verify", cls=OutputCommand, examples=EXAMPLES, has_csv=True)
@click.argument("logs", metavar="LOG…", type=FILE, nargs=-1, required=True)
@click.option(
    "--type", "instance_type", metavar="TYPE", shell_complete=complete_types, help="The instance type. [default: as the log says]"
)
@click.option(
    "--cooldown",
    "cooldown_s",
    metavar="SECONDS",
    type=IntRange(0, _MOST_COOLDOWN_S),
    help="How long an address must rest. [default: as the log says, or 30]",
)
@click.option("--timeline", is_flag=True, help="Show the life of the node too.")
def command(*, logs: tuple[str, ...], instance_type: str | None, cooldown_s: int | None, timeline: bool) -> Output:
    """Check each LOG: was an address given to two pods at once, or again before its cooldown was over, or lost in a restart?

    A LOG is an ipamd.log or a plugin.log of any release, or a file of events in JSON lines, plain or gzipped; - is stdin. Files are
    recognised by their content. The ipamd.log files are read as those of one node, in the order of their times. The plugin.log
    files are read likewise, and compared with them.

    The exit code is 1 if a promise is broken. "No fault in this" and "Not enough in this" are different answers with exit code 0.
    """
    limits = None if instance_type is None else EniLimits.of(instance_limits(instance_type))
    cooldown_ns = None if cooldown_s is None else cooldown_s * NS_PER_S
    if logs.count(STDIN) > 1:
        raise click.UsageError("stdin can be read only once; give - only once")
    folder = next((log for log in logs if log != STDIN and Path(log).is_dir()), None)
    if folder is not None:
        raise LogError(f"{folder} is a folder; give the logs in it, such as ipamd.log and the rotated ones beside it")
    with ExitStack() as stack:
        files = [stdin_bytes() if log == STDIN else stack.enter_context(Path(log).open("rb")) for log in logs]
        moved = stack.enter_context(show_progress(total_size(logs), lambda done: f"{number(done >> 20)} MiB"))
        sources = [LogSource(name, chunks) for name, chunks in zip(_names(logs), _watched(files, moved), strict=True)]
        found = verify(sources, cooldown_ns=cooldown_ns, limits=limits)
    return Output(
        document=found.to_dict(),
        show=lambda page: _show(page, found, timeline=timeline),
        table=Table(("promise", "line", "what"), ((str(each.promise), str(each.place), each.message) for each in found.violations)),
        finding=_summary(found),
    )


def _names(logs: tuple[str, ...]) -> list[str]:
    """Return the names of the files without their folders, if they differ so."""
    names = ["stdin" if log == STDIN else Path(log).name for log in logs]
    return names if len({*names}) == len(names) else list(logs)


def _watched(files: list[BinaryIO], moved: Callable[[int, int], None] | None) -> Iterator[Iterator[bytes]]:
    """Yield the chunks of each file. Reading them moves the bar."""
    done = dict.fromkeys(range(len(files)), 0)

    def move(place: int, position: int) -> None:
        done[place] = position
        if moved is not None:
            moved(sum(done.values()), 0)

    for place, file in enumerate(files):
        yield read_chunks(file, functools.partial(move, place))


def _summary(found: Verification) -> str | None:
    if not found.violation_count:
        return None
    first = found.violations[0]
    count = f"{counted(found.violation_count, 'broken promise')}"
    return f"{count}, the first at {first.place}: {first.promise}: {first.message}"


def _show(page: "Page", found: Verification, *, timeline: bool) -> None:
    _sources(page, found)
    if found.answer is Answer.BROKEN:
        page.line(counted(found.violation_count, "broken promise"), "bold")
        for violation in found.violations[:_MOST_SHOWN]:
            _violation(page, violation)
        if found.violation_count > _MOST_SHOWN:
            page.line(f"… and {number(found.violation_count - _MOST_SHOWN)} more; --json has the first 100", "dim")
    else:
        page.line(_ANSWERS[found.answer], "bold")
    if found.plugin is not None:
        _plugin(page, found.plugin)
    if timeline:
        _timeline(page, found)
    if found.unseen:
        page.line()
        page.line("What the logs can't show", "bold")
        for each in found.unseen:
            page.indented(each)
    _skipped(page, found)


def _skipped(page: "Page", found: Verification) -> None:
    for source in found.sources:
        for skipped in source.skipped[:_MOST_SHOWN]:
            page.line(f"skipped {source.name}:{skipped.line}: {skipped.reason}: {skipped.text}", "dim")
        if source.skipped_count > _MOST_SHOWN:
            page.line(f"skipped {number(source.skipped_count - _MOST_SHOWN)} more places in {source.name}", "dim")


def _sources(page: "Page", found: Verification) -> None:
    for source in found.sources:
        page.line(f"{source.name}: {source.kind}, {counted(source.line_count, 'line')}, {period_text(source)}")
    rows = []
    if found.releases:
        rows.append(("release", "; ".join(found.releases)))
    rows += [(f"start at {each.place}", f"{each.version}: {_restored(each.restored_count, each.missing_count)}") for each in found.restarts]
    if found.ec2_errors:
        rows.append(("refused by EC2", ", ".join(f"{code} × {number(count)}" for code, count in found.ec2_errors.items())))
    page.facts(rows)
    page.line()


def _restored(restored: int, missing: int) -> str:
    text = f"{counted(restored, 'sandbox', 'sandboxes')} restored"
    return f"{text}, {missing} missing" if missing else text


def _violation(page: "Page", violation: LogViolation) -> None:
    page.line(f"{violation.promise}: {violation.message}", "red")
    for step in violation.steps:
        page.indented(f"{step.place}  {date_text(step.now_ns)}  {step.text}")


def _plugin(page: "Page", calls: PluginCalls) -> None:
    page.line()
    page.line("Calls of the plugin", "bold")
    cards = ", ".join(f"{number(count)} of card {card}" for card, count in calls.addresses_by_card.items())
    given = f"{number(calls.answer_count)} got addresses, {number(calls.compared_count)} of them compared with ipamd.log"
    page.facts(
        [
            ("set up", f"{counted(calls.add_count, 'request')}; {given}"),
            *([("addresses", cards)] if cards else []),
            ("delete", counted(calls.delete_count, "request")),
        ]
    )
    for failure in calls.failures:
        error = f": {failure.error}" if failure.error else ""
        page.indented(f"{number(failure.count)} × {failure.wording} ({failure.releases}){error}")
    for lost in calls.lost_deletes[:_MOST_SHOWN]:
        text = f"{lost.container} was deleted without ipamd, which still holds {lost.address} for it"
        page.line(f"{lost.place}  {date_text(lost.now_ns)}  {text}", "yellow")
    if calls.lost_delete_count > _MOST_SHOWN:
        page.line(f"… and {number(calls.lost_delete_count - _MOST_SHOWN)} more; --json has the first 100", "dim")


def _timeline(page: "Page", found: Verification) -> None:
    page.line()
    page.line("Timeline" if found.timeline else "Timeline: nothing that matters", "bold")
    rows = [
        (date_text(each.now_ns), str(each.place), each.text + (f" × {each.count}" if each.count > 1 else "")) for each in found.timeline
    ]
    if rows:
        page.table(("time", "line", "what"), rows, fold={"what"})
