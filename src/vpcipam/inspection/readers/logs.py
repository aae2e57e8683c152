"""Reads what ipamd's log tells of troubles. `vpcipam.inspection.verify` checks the same log against the promises of an allocator."""

from collections.abc import Callable, Iterable
from contextlib import suppress

from vpcipam._units import counted
from vpcipam.errors import LogError
from vpcipam.inspection.event_lines import read_event_line
from vpcipam.inspection.log.line import parse_line
from vpcipam.inspection.log.reader import LogReader
from vpcipam.inspection.log.signs import SignFinder
from vpcipam.inspection.log.wording import match_wording
from vpcipam.inspection.readers.collector import Collector
from vpcipam.inspection.releases import ANY_RELEASE, Releases

KIND = "ipamd.log"
_LINES = 20  # of a text, by which a log is recognised
_NEVER = ("who held which address before its first line", "which ENIs and addresses there are: only their changes")


def is_log(head: str) -> bool:
    """Recognise ipamd.log and plugin.log by their first lines. One line without dirt is enough."""
    return _has_line(head, parse_line)


def is_event_file(head: str) -> bool:
    """Recognise a file of an allocator's events, which `vpcipam verify` reads."""
    return _has_line(head, read_event_line)


def _has_line(head: str, read: Callable[[str], object]) -> bool:
    for line in head.splitlines()[:_LINES]:
        with suppress(LogError):
            read(line)
            return True
    return False


def read_log(collector: Collector, chunks: Iterable[bytes]) -> None:
    """Read the signs of trouble in a log of any size.

    Complexity: O(length of the log) time, constant memory.
    """
    reader = LogReader(chunks)
    finder = SignFinder()
    kinds: set[bool] = set()
    first = last = ""
    for number, line in reader:
        first, last = first or line.time, line.time or last
        found = match_wording(line.message)
        if found is not None:
            finder.take(number, line, *found)
            kinds.add(found[0].kind.startswith("plugin-"))
    for skipped in reader.skips.first:
        collector.skip(skipped.text, skipped.reason, line=skipped.line)
    collector.log_signs += [collector.fact(sign, line=sign.first_line) for sign in finder.signs]
    span = f", {first} to {last}" if first else ""
    remarks = [f"{counted(reader.line_count, 'line')}{span}", *([f"at the end, {finder.counts}"] if finder.counts else [])]
    collector.document(
        "plugin.log" if kinds == {True} else KIND,
        releases=Releases.exactly(finder.versions[0]) if len(finder.versions) == 1 else ANY_RELEASE,
        cannot_show=_NEVER,
        remarks=remarks,
    )
