"""The wordings of ipamd and its plugin, by release.

The tables are texts. `[kind]` begins the wordings of a kind. Each line has the releases that write the wording, and the wording: fixed
text with `{fields}`. `1.5.0-1.8.0` is a range with both ends, `1.9.0-` goes on to the newest release known, and `1.5.3,1.5.5-` are two
ranges. A line that begins with blanks continues the line before.
"""

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import attrs

from vpcipam.inspection.log.wordings import addresses, daemon, ec2, enis, plugin, pool, sandboxes

Release = tuple[int, ...]

NEWEST: Release = (1, 23, 0)
"""The newest release whose wordings are known."""

_NUMBERS = {
    *("assigned", "available", "cooldown", "cur", "curMax", "device", "free", "max", "maxENI", "maxPods", "minIP", "n", "new", "old"),
    *("over", "perENI", "prefixes", "short", "tagged", "target", "total", "trunk", "unmanaged", "warmENI", "warmIP", "warmPrefix", "card"),
}
_COUNTS = {"assigned", "cooldown", "total", "card", "prefixes"}
_WITH_BLANKS = {
    *("err", "proto", "protos", "struct", "structs", "json", "metadata", "reply", "msg", "time", "pool", "ips", "cidrs", "enis", "sgs"),
    *("imds", "ec2", "tag", "node", "code"),
}
_LONGEST = 65_536


def release_of(text: str) -> Release | None:
    """Read a release such as `v1.6.0-rc4`; None if the text is none.

    >>> release_of("v1.1.0-15-g7332580-dirty")
    (1, 1, 0)
    """
    found = re.match(r"v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text)
    return None if found is None else tuple(int(part or 0) for part in found.groups())


def release_text(release: Release) -> str:
    """Write a release.

    >>> release_text((1, 6, 0))
    '1.6.0'
    """
    return ".".join(map(str, release))


@attrs.frozen(eq=False)
class Wording:
    """One wording of a line.

    Attributes:
        kind: what the line says, such as `assigned`.
        template: its text, with `{fields}`.
        spans: the first and the last release of each range of releases that write it.
    """

    kind: str
    template: str
    spans: tuple[tuple[Release, Release], ...]

    @property
    def releases(self) -> str:
        """The releases that write it, for people."""
        return ", ".join(_span_text(first, last) for first, last in self.spans)

    @functools.cached_property
    def fields(self) -> frozenset[str]:
        """The names of its fields."""
        return frozenset(re.findall(r"\{(\w+)\}", self.template))

    @functools.cached_property
    def fullmatch(self) -> "Callable[[str], re.Match[str] | None]":
        """Match a whole message. The pattern is compiled on first use: there are hundreds, and a log has few."""
        return _pattern(self.template).fullmatch


def _span_text(first: Release, last: Release) -> str:
    return release_text(first) if first == last else f"{release_text(first)} to {release_text(last)}"


@attrs.frozen
class Classified:
    """A message, and which wording it has.

    Attributes:
        values: the text of each field.
    """

    wording: Wording
    values: Mapping[str, str]


def _read_tables(tables: Iterable[str]) -> Iterator[Wording]:
    for table in tables:
        kind = ""
        for line in table.replace("\n    ", " ").strip().splitlines():
            if line.startswith("["):
                kind = line.strip("[]")
                continue
            releases, template = line.split(" ", 1)
            yield Wording(kind, template, tuple(map(_read_span, releases.split(","))))


def _read_span(text: str) -> tuple[Release, Release]:
    first, dash, last = text.partition("-")
    ends = [release_of(first), release_of(last) if last else None]
    begin = ends[0] or NEWEST
    return begin, ends[1] or (NEWEST if dash else begin)


WORDINGS = tuple(_read_tables((daemon.TABLE, enis.TABLE, addresses.TABLE, sandboxes.TABLE, pool.TABLE, ec2.TABLE, plugin.TABLE)))
"""All wordings."""
_TEMPLATES = {wording.template for wording in WORDINGS}


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"( ?\{\w+\})", template)
    text = ""
    for place, part in enumerate(parts):
        name = part.strip(" {}")
        if place % 2 == 0:
            text += re.escape(part)
        elif place == len(parts) - 2 and not parts[-1] and part.startswith(" "):
            text += f"(?: {_group(name)})?"  # an empty value at the end of a line loses the blank before it
        else:
            text += (" " if part.startswith(" ") else "") + _group(name)
    if parts[-1].strip(".") and template.endswith(".") and template.removesuffix(".") not in _TEMPLATES:
        text += "?"  # some builds between two releases don't write the dot
    return re.compile(text + r"\s*", re.DOTALL)


def _group(name: str) -> str:
    values = (r"[0-9]{1,18}" if name in _COUNTS else r"-?[0-9]{1,18}") if name in _NUMBERS else ".*?" if name in _WITH_BLANKS else r"\S*"
    return f"(?P<{name}>{values})"


_Candidate = tuple[str, Wording]


def _index() -> dict[str, list[_Candidate]]:
    """Sort the wordings by their first word, the most specific first.

    A candidate has the fixed text at its beginning, and itself.
    """
    index: dict[str, list[_Candidate]] = {}
    for wording in sorted(WORDINGS, key=lambda wording: len(re.sub(r"\{\w+\}", "", wording.template)), reverse=True):
        fixed, field, _ = wording.template.partition("{")
        word, blank, _ = fixed.partition(" ")
        index.setdefault(word if blank or not field else "", []).append((fixed.rstrip(), wording))
    return index


_INDEX = _index()
_NONE: list[_Candidate] = []


def match_wording(message: str) -> tuple[Wording, re.Match[str]] | None:
    """Find the wording of a message, and the match of its fields; None if it has none that is known, or more than 65,536 characters.

    Complexity: O(length of the message).
    """
    if len(message) > _LONGEST:
        return None
    for candidates in (_INDEX.get(message.partition(" ")[0].rstrip(), _NONE), _INDEX[""]):
        for fixed, wording in candidates:
            if message.startswith(fixed):
                match = wording.fullmatch(message)
                if match is not None:
                    return wording, match
    return None


def classify(message: str) -> Classified | None:
    """Find the wording of a message, and its fields; None if it has none that is known, or more than 65,536 characters."""
    found = match_wording(message)
    return None if found is None else classified(*found)


def classified(wording: Wording, match: re.Match[str]) -> Classified:
    """Make the result of `classify` from that of `match_wording`."""
    return Classified(wording, match.groupdict(""))


def implied_releases(wordings: Collection[Wording]) -> str:
    """Return which releases write all of some wordings, for people; empty if there are no wordings."""
    if not wordings:
        return ""
    low = max(min(first for first, _ in wording.spans) for wording in wordings)
    high = min(max(last for _, last in wording.spans) for wording in wordings)
    if low > high:
        return f"several, from {release_text(high)} or older to {release_text(low)} or newer"
    return _span_text(low, high)
