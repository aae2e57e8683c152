r"""Verify logs: ipamd's own, and the events of any allocator, against the promises of an allocator.

>>> log = b"2019-11-07T10:00:00Z [INFO]\tAssignPodIPv4Address: Assign IP 10.0.0.5 to pod (name {}, namespace default container {})\n"
>>> twice = log.replace(b"{}", b"web") + log.replace(b"{}", b"db")
>>> found = verify([LogSource("ipamd.log", [twice])])
>>> found.answer.value, found.violations[0].promise.value, str(found.violations[0].place)
('broken', 'one holder', 'ipamd.log:2')
>>> found.violations[0].message
'default/db/db got 10.0.0.5, but default/web/web holds it'
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import attrs

from vpcipam._units import counted
from vpcipam.contracts import EniLimits
from vpcipam.errors import LogError
from vpcipam.inspection.event_lines import EVENTS
from vpcipam.inspection.event_verifier import EventVerifier
from vpcipam.inspection.log.line import CONTAINER_OUTPUT, OF_CONTAINERS, find_lines
from vpcipam.inspection.log.reader import LogReader
from vpcipam.inspection.log.wording import implied_releases, match_wording
from vpcipam.inspection.log_verifier import LogVerifier
from vpcipam.inspection.plugin_verifier import PluginVerifier
from vpcipam.inspection.verification import (
    MOST_MOMENTS,
    MOST_VIOLATIONS,
    Answer,
    Findings,
    PluginCalls,
    SourceReport,
    Verification,
    date_text,
)

_HEAD = 1 << 16
_IPAMD, _PLUGIN, _EVENTS = "ipamd.log", "plugin.log", "events"
_KINDS = (_IPAMD, _PLUGIN, _EVENTS)
"""What files are, in the order in which they are read."""


@attrs.frozen
class LogSource:
    """A log to verify.

    Attributes:
        name: for messages.
        chunks: its content in pieces, such as `read_chunks(file)`.
    """

    name: str
    chunks: Iterable[bytes]


_ZIP_MAGIC = b"PK\x03\x04"
_TAR_MAGIC, _TAR_MAGIC_AT = b"ustar", 257
_GIVE_LOGS = "give the logs in it, such as var_log/aws-routed-eni/ipamd.log and the rotated ones beside it"


@attrs.frozen
class _Opened:
    """A log whose first lines were looked at."""

    name: str
    chunks: Iterator[bytes]
    kind: str
    first_ns: int


def _open(source: LogSource) -> _Opened:
    chunks = iter(source.chunks)
    head = b""
    taken = []
    trouble: LogError | None = None
    try:
        while len(head) < _HEAD and (chunk := next(chunks, None)) is not None:
            taken.append(chunk)
            head += chunk
    except LogError as error:
        trouble = error
    if head.startswith(_ZIP_MAGIC) or head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        raise LogError(f"{source.name}: it is an archive; {_GIVE_LOGS}; vpcipam inspect reads all of it")
    rest = chunks if trouble is None else _raising(trouble)
    kind, first_ns = _look_at(head[:_HEAD])
    return _Opened(source.name, itertools.chain(taken, rest), kind, first_ns)


def _raising(error: LogError) -> Iterator[bytes]:
    """Raise the error of a file again, behind what was read of it."""
    yield b""
    raise error


def _look_at(head: bytes) -> tuple[str, int]:
    """Tell what a file is by its first lines, and the time of the first line that has one.

    The logger of both ipamd and the plugin begins with the same words, so the first line with a wording of either decides.
    """
    kind = ""
    first_ns: int | None = None
    for raw in head.splitlines():
        text = raw.decode("utf-8", "replace")
        if first_ns is None and text.startswith("{") and '"event"' in text and _is_event(text):
            return _EVENTS, 0
        for line in find_lines(text).lines:
            first_ns = line.when_ns if first_ns is None else first_ns
            found = None if kind else match_wording(line.message)
            if found is not None:
                kind = _PLUGIN if found[0].kind.startswith("plugin-") else _IPAMD
        if kind and first_ns is not None:
            break
    return kind or _IPAMD, first_ns or 0


def _is_event(text: str) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("event") in EVENTS


def verify(sources: Iterable[LogSource], *, cooldown_ns: int | None = None, limits: EniLimits | None = None) -> Verification:
    """Verify the logs of one node.

    All `ipamd.log` files, such as the rotated ones, are read as one, in the order of their first times. All `plugin.log` files are read as
    one too, and compared with them. Each file of events is judged by itself. Files are recognised by their content.

    Args:
        sources: the logs.
        cooldown_ns: how long an address must rest. None for what the log says, and 30 s where it does not.
        limits: what the instance type allows. None for the limits of the type that the log names.

    Raises:
        LogError: no line of a file can be read, or it is of more than one node.

    Complexity: O(lines); the memory does not grow with them.
    """
    opened = sorted(map(_open, sources), key=lambda each: (_KINDS.index(each.kind), each.first_ns))
    if not opened:
        raise LogError("no log is given; give an ipamd.log or a file of events")
    kinds = {each.kind for each in opened}
    log = LogVerifier(cooldown_ns=cooldown_ns, limits=limits, keeps_sandboxes=_PLUGIN in kinds)
    plugin: PluginVerifier | None = None
    reports = []
    judges: list[LogVerifier | EventVerifier] = [log]
    for each in opened:
        if each.kind == _EVENTS:
            events = EventVerifier(cooldown_ns=cooldown_ns, limits=limits)
            judges.append(events)
            reports.append(_read_events(events, each))
        elif each.kind == _PLUGIN:
            plugin = plugin or PluginVerifier(log.sandboxes, is_alone=_IPAMD not in kinds, cooldown_ns=log.record.state.cooldown_ns)
            reports.append(_read_log(plugin, each))
        else:
            reports.append(_read_log(log, each))
    log.finish()
    calls = None if plugin is None else plugin.finish(log.record.state.holder_of)
    return _result(log, plugin, calls, judges, reports, has_limits=limits is not None)


def _read_events(events: EventVerifier, source: _Opened) -> SourceReport:
    try:
        events.read(source.chunks, source.name)
    except LogError as error:
        raise LogError(f"{source.name}: {error}") from None
    return SourceReport(
        name=source.name,
        kind=source.kind,
        line_count=events.line_count,
        found_count=sum(events.counts.values()),
        skipped=tuple(events.skips.first),
        skipped_count=events.skips.count,
        first_ns=events.first_ns,
        last_ns=events.last_ns,
        trouble=events.trouble,
    )


def _read_log(log: LogVerifier | PluginVerifier, source: _Opened) -> SourceReport:
    reader = LogReader(source.chunks)
    try:
        log.read(reader, source.name)
    except LogError as error:
        raise LogError(f"{source.name}: {error}") from None
    if not reader.found_count:
        raise LogError(f"{source.name}: {_no_log(reader)}")
    return SourceReport(
        name=source.name,
        kind=source.kind,
        line_count=reader.line_count,
        found_count=reader.found_count,
        skipped=tuple(reader.skips.first),
        skipped_count=reader.skips.count,
        first_ns=reader.first_ns,
        last_ns=reader.last_ns,
        trouble=reader.trouble,
    )


def _no_log(reader: LogReader) -> str:
    if reader.trouble:
        return reader.trouble
    if not reader.skips.first:
        return "it is empty; give an ipamd.log, which is in /var/log/aws-routed-eni on a node"
    first = reader.skips.first[0]
    if first.text.lstrip().startswith(("{", "[")):
        return "no line is one of ipamd.log, plugin.log or a file of events; it seems to be JSON, which vpcipam inspect reads"
    if first.reason == CONTAINER_OUTPUT:
        return OF_CONTAINERS
    return f"no line is one of ipamd.log, plugin.log or a file of events; line {first.line} is {first.reason}"


def _result(
    log: LogVerifier,
    plugin: PluginVerifier | None,
    calls: PluginCalls | None,
    judges: Sequence[LogVerifier | EventVerifier],
    reports: Sequence[SourceReport],
    *,
    has_limits: bool,
) -> Verification:
    found: list[Findings] = [judge.record for judge in judges]
    wordings = Counter(log.wordings)
    versions = dict(log.versions)
    assign_count = sum(judge.assign_count for judge in judges)
    if plugin is not None:
        found.insert(1, plugin.findings)
        wordings.update(plugin.wordings)
        versions |= plugin.versions
        assign_count += plugin.answer_count
    violation_count = sum(each.violation_count for each in found)
    counts: Counter[str] = Counter()
    for wording, count in wordings.items():
        counts[wording.kind] += count
    for judge in judges:
        if isinstance(judge, EventVerifier):
            counts.update(judge.counts)
    implied = implied_releases(wordings)
    return Verification(
        answer=Answer.BROKEN if violation_count else Answer.KEPT if assign_count else Answer.NOT_ENOUGH,
        violations=tuple(itertools.chain.from_iterable(each.violations for each in found))[:MOST_VIOLATIONS],
        violation_count=violation_count,
        sources=tuple(reports),
        counts=dict(sorted(counts.items())),
        releases=(*versions, *([f"with the wordings of {implied}"] if implied else [])),
        restarts=tuple(log.restarts),
        ec2_errors=dict(log.ec2_errors.most_common()),
        unseen=tuple(_unseen(log, plugin, reports, has_limits=has_limits)),
        timeline=tuple(itertools.chain.from_iterable(each.timeline for each in found))[:MOST_MOMENTS],
        plugin=calls,
    )


def _unseen(log: LogVerifier, plugin: PluginVerifier | None, reports: Sequence[SourceReport], *, has_limits: bool) -> Iterator[str]:
    """Yield what the logs can't show."""
    for report in reports:
        if report.trouble:
            yield f"{report.name} ends early: {report.trouble}."
    kinds = {report.kind for report in reports}
    if kinds == {_EVENTS} and any(report.skipped_count for report in reports):
        yield "Lines that are no events were skipped; events can be missing there."
    if _IPAMD in kinds:
        yield from _unseen_by_ipamd(log)
        yield from _unseen_details(log, has_limits=has_limits)
    if plugin is not None:
        yield from _unseen_by_plugin(plugin, is_alone=_IPAMD not in kinds, assumes_cooldown=not log.is_cooldown_known)


def _unseen_by_ipamd(log: LogVerifier) -> Iterator[str]:
    if not log.assign_count:
        yield "No line assigns an address that can be read, so there is nothing to check. ipamd writes these lines at level info."
    if not log.restart_count:
        yield (
            "No start of ipamd is in the log. Which addresses, CIDRs and ENIs there were before its first line is unknown, so only changes"
            " since then are checked."
        )
    for gap in log.gaps[:5]:
        yield f"{gap.place}: a gap: {gap.text}. Nothing from before it is compared with what comes after."
    if log.gap_count > 5:
        yield f"There are {log.gap_count - 5} more gaps."


def _unseen_by_plugin(plugin: PluginVerifier, *, is_alone: bool, assumes_cooldown: bool) -> Iterator[str]:
    if plugin.unreadable_count:
        yield f"{counted(plugin.unreadable_count, 'address', 'addresses')} of plugin.log can't be read."
    if is_alone:
        yield (
            "plugin.log does not show what ipamd does by itself, such as a restart, so few faults can be proven. Give the ipamd.log of the"
            " same time too."
        )
        if plugin.answer_count and assumes_cooldown:
            yield "plugin.log does not say how long an address cools, so 30 s is assumed. IP_COOLDOWN_PERIOD can set another time."
    elif plugin.unknown and not plugin.compared_count:
        yield "No sandbox of plugin.log is in ipamd.log. They are of two nodes, or ipamd did not log at level info: they were not compared."
    if plugin.not_covered is not None and not is_alone:
        first = plugin.not_covered
        yield (
            f"{counted(plugin.not_covered_count, 'sandbox', 'sandboxes')} of plugin.log got addresses at times of which ipamd.log does not"
            f" tell, the first at {first.place} ({date_text(first.now_ns)}). They were not compared: a log is missing or has a gap."
        )


def _unseen_details(log: LogVerifier, *, has_limits: bool) -> Iterator[str]:
    if log.unreadable_count:
        yield f"{counted(log.unreadable_count, 'line has an address', 'lines have addresses')} that can't be read."
    if log.undated_count:
        yield f"{counted(log.undated_count, 'line has', 'lines have')} no time; the time of the line before is taken."
    if log.assign_count and not log.is_cooldown_known:
        yield "The log does not say how long an address cools, so 30 s is assumed. IP_COOLDOWN_PERIOD can set another time."
    if log.unknown_type:
        yield f"The instance type {log.unknown_type} is not in the table, so its limits are not checked."
    elif not has_limits and log.record.state.limits is None:
        yield "The log does not name the instance type, so its limits are not checked."


def period_text(report: SourceReport) -> str:
    """Write from when until when a log is."""
    if report.first_ns is None or report.last_ns is None:
        return "no times"
    return f"{date_text(report.first_ns)} to {date_text(report.last_ns)}"
