"""All readers, and how a text finds its own. A text is recognised by its content; the name of its file doesn't count.

A reader of documents has a test for one JSON or YAML value, and a function that reads it. The first test that succeeds counts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from typing import Any

import attrs

from vpcipam._units import counted
from vpcipam.errors import ManifestError, MissingExtra
from vpcipam.inspection.log.line import OF_CONTAINERS, is_container_output
from vpcipam.inspection.readers import ec2_answers, exposition, introspection, ipam_json, kernel, kubectl_text, kubernetes
from vpcipam.inspection.readers.collector import MOST_UNKNOWN, Collector
from vpcipam.inspection.readers.logs import is_event_file
from vpcipam.inspection.readers.other_texts import what_instead
from vpcipam.inspection.readers.scraps import BLANK, OPENING, Noise, Scrap, below, find_json
from vpcipam.settings import Settings
from vpcipam.settings.documents import MAX_LENGTH, parse_documents
from vpcipam.settings.manifest import has_variables, read_parsed, without_terminal
from vpcipam.settings.text_dumps import read_dumps

_YAML = re.compile(r"---|%YAML|- \S|[\"']?[A-Za-z_][\w./-]*[\"']?:(?:\s|$)|([\"'])\d+\1:(?:\s|$)")
_COMMENTS = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*+\s*")
_DOCUMENT_MARK = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_BARE_NAME = re.compile(r'\s*"[a-z0-9][a-z0-9.-]{0,252}"\s*')
ENVELOPES = ("data", "response", "result", "body", "output")
_EVENTS_ARE_ELSEWHERE = "is a file of events; vpcipam verify reads those"
_TERMINAL_LENGTH = 100_000  # of the text in which lines of a terminal may come first; going through lines takes memory for each
_LEVELS = 3  # of lists and envelopes around a document


@attrs.frozen
class DocumentReader:
    """Reads one kind of documents."""

    recognise: Callable[[object], bool]
    read: Callable[[Collector, Any, str], None]


def _refuse(what: str, why: str) -> Callable[[Collector, Any, str], None]:
    def read(collector: Collector, _value: object, path: str) -> None:
        collector.skip(what, why, path)

    return read


def _read_settings(collector: Collector, value: object, path: str) -> None:
    try:
        settings = Settings.from_manifest(read_parsed([value]))
    except ManifestError as error:
        collector.skip("variables", str(error), path)
        return
    _add_settings(collector, settings, path)


def _add_settings(collector: Collector, settings: Settings, path: str = "") -> None:
    collector.settings.append(collector.fact(settings, path))
    remarks = [f"{each.variable}: {each.message}" for each in settings.diagnostics if each.variable in ("introspection", "container")]
    collector.document(f"variables of aws-node ({settings.document})", remarks=remarks, path=path)


_OF_DOCUMENTATION = "no release ever wrote it in this form, which stands in documentation only"

DOCUMENT_READERS = (
    DocumentReader(ipam_json.is_checkpoint, ipam_json.read_checkpoint),
    DocumentReader(ipam_json.is_invented, _refuse("ipam.json by address", _OF_DOCUMENTATION)),
    DocumentReader(introspection.is_enis, introspection.read_enis),
    DocumentReader(introspection.is_invented, _refuse("/v1/enis with ENIID, MAC or SubnetIPv4CIDR", _OF_DOCUMENTATION)),
    DocumentReader(introspection.is_pods, introspection.read_pods),
    DocumentReader(introspection.is_eni_configs, introspection.read_eni_configs),
    DocumentReader(introspection.is_paths, introspection.read_paths),
    DocumentReader(
        ec2_answers.is_launch_template,
        _refuse("data of a launch template", "it says what ENIs shall be, not which there are; even their descriptions can be copies"),
    ),
    DocumentReader(ec2_answers.is_ec2_answer, ec2_answers.read_ec2_answer),
    DocumentReader(kubectl_text.is_branch_list, kubectl_text.read_branch_list),
    DocumentReader(kubectl_text.is_feature_list, kubectl_text.read_feature_list),
    DocumentReader(kernel.is_rules, kernel.read_rules),
    DocumentReader(kernel.is_routes, kernel.read_routes),
    DocumentReader(kernel.is_interfaces, kernel.read_interfaces),
    DocumentReader(kernel.is_nft, kernel.read_nft),
    DocumentReader(kubernetes.is_object, kubernetes.read_objects),
    DocumentReader(has_variables, _read_settings),
)


# --- documents -----------------------------------------------------------------------------------------------------------


def read_value(collector: Collector, value: object, path: str = "", level: int = 0) -> bool:
    """Read a JSON or YAML value with the reader that recognises it; return whether one does."""
    for reader in DOCUMENT_READERS:
        if reader.recognise(value):
            reader.read(collector, value, path)
            return True
    if level >= _LEVELS:
        return False
    if isinstance(value, list):
        return _read_items(collector, value, path, level)
    if isinstance(value, Mapping):
        inner = [name for name in ENVELOPES if isinstance(value.get(name), Mapping | list)]
        found = [read_value(collector, value[name], below(path, name), level + 1) for name in inner]
        return any(found)
    return False


def _read_items(collector: Collector, items: list[Any], path: str, level: int) -> bool:
    """Read the items of a list; give up if many of them in a row are of no known kind."""
    found = unknown = 0
    for number, each in enumerate(items):
        recognised = read_value(collector, each, below(path, number), level + 1)
        found += recognised
        unknown = 0 if recognised else unknown + 1
        if unknown == MOST_UNKNOWN:
            collector.skip("the rest of a list", f"no reader recognises {MOST_UNKNOWN:,} items in a row", below(path, number))
            break
    return found > 0


def _read_scrap(collector: Collector, scrap: Scrap) -> bool:
    file = collector.source
    collector.source = attrs.evolve(file, line=scrap.line)
    collector.cut_path, collector.before = scrap.cut_path, scrap.before
    recognised = read_value(collector, scrap.value)
    if recognised:
        for each in scrap.troubles:
            more = f" (in {each.count:,} places; this is the first)" if each.count > 1 else ""
            collector.skip("a part of the text", each.message + more, each.path, each.line)
    else:
        collector.skip("an object or a list", "no reader recognises it", line=scrap.line)
    collector.source, collector.cut_path, collector.before = file, None, ""
    return recognised


# --- texts ---------------------------------------------------------------------------------------------------------------


def read_text(collector: Collector, text: str) -> None:
    """Read a whole text: JSON with anything around it, YAML, or what kubectl writes for people."""
    for recognise, read in _TEXT_READERS:
        if recognise(text):
            read(collector, text)
            return
    head = text[:_TERMINAL_LENGTH]
    begin = text[len(head) - len(without_terminal(head)) :]
    told = what_instead(without_terminal(head).lstrip())
    if told and OPENING.search(text) is None:
        collector.skip("the whole text", told)
        return
    if _is_yaml(begin) and _read_yaml(collector, text, begin):
        return
    _read_json(collector, text)


def may_be_json(head: str) -> bool:
    """Tell from the first characters of a long text whether it can be JSON; YAML that begins with a bracket is read as JSON."""
    begin = without_terminal(head)
    return OPENING.search(begin) is not None and not _is_yaml(begin)


def _is_yaml(text: str) -> bool:
    """Tell whether a text seems to be YAML; comments may come first."""
    comments = _COMMENTS.match(text)
    return _YAML.match(text, comments.end() if comments else 0) is not None


def _read_json(collector: Collector, text: str) -> None:
    unknown = 0
    noises = []
    for each in find_json(text):
        if isinstance(each, Noise):
            noises.append(each)
            continue
        unknown = 0 if _read_scrap(collector, each) else unknown + 1
        if unknown == MOST_UNKNOWN:
            collector.skip("the rest of the text", f"no reader recognises {MOST_UNKNOWN:,} documents in a row", line=each.line)
            break
    for noise in noises:
        collector.skip(
            noise.text,
            "is no JSON" + (f", nor is what follows ({counted(noise.count - 1, 'line')})" if noise.count > 1 else ""),
            line=noise.line,
        )
    if not text.strip(BLANK):
        collector.skip("the whole text", "it is empty")


def _read_yaml(collector: Collector, text: str, begin: str) -> bool:
    """Read the YAML documents of a text; return whether a reader recognises any of them."""
    first_line = 1 + text.count("\n", 0, len(text) - len(begin))
    if len(begin) > MAX_LENGTH:
        collector.skip("the whole text", f"YAML of more than {MAX_LENGTH:,} characters takes too long; give it as JSON (-o json)")
        return True
    recognised = False
    unknown = 0
    file = collector.source
    for line, document in _split_yaml(begin):
        collector.source = attrs.evolve(file, line=first_line + line)
        try:
            values = _parse_yaml(collector, document)
        except (ManifestError, MissingExtra) as error:
            collector.skip("a YAML document", str(error))
            recognised = recognised or isinstance(error, MissingExtra)
            values = []
        for value in values:
            if value is not None and not read_value(collector, value):
                collector.skip("a YAML document", "no reader recognises it")
                unknown += 1
            elif value is not None:
                recognised = True
                unknown = 0
        if unknown >= MOST_UNKNOWN:
            collector.skip("the rest of the text", f"no reader recognises {MOST_UNKNOWN:,} documents in a row")
            break
    collector.source = file
    return recognised


def _split_yaml(text: str) -> Iterator[tuple[int, str]]:
    """Split a text at the marks between documents, so that an error in one of them spares the others; with the lines before each."""
    begins = [0, *(found.start() for found in _DOCUMENT_MARK.finditer(text)), len(text)]
    line = 0
    for begin, end in pairwise(begins):
        document = text[begin:end]
        if document.strip("- \t\r\n"):
            yield line, document
        line += document.count("\n")


def _parse_yaml(collector: Collector, document: str) -> list[Any]:
    """Parse a document; if that fails, without its last line, where a text can be cut."""
    try:
        return parse_documents(document, "the document")
    except ManifestError as error:
        shorter, _, last = document.rstrip().rpartition("\n")
        at_end = error.line is None or error.line > shorter.count("\n")
        if shorter and at_end:  # parsing takes seconds, so not for a fault far from the end
            with suppress(ManifestError):
                values = parse_documents(shorter, "the document")
                collector.skip(last, "is no YAML; the text seems to break off in it")
                return values
        raise


def _read_dumps(collector: Collector, text: str) -> None:
    """Read the variables in the output of `kubectl set env --list` or `kubectl describe`."""
    try:
        settings = Settings.from_daemonset(text + "\n")
    except ManifestError as error:
        collector.skip("the whole text", str(error))
        return
    _add_settings(collector, settings)


def _has_dumps(text: str) -> bool:
    try:
        return len(text) <= MAX_LENGTH and bool(read_dumps(text))
    except ManifestError:
        return False


def _read_bare_name(collector: Collector, text: str) -> None:
    """Read what /v1/eni-configs answers from v1.8 on: a name in quotes."""
    kubectl_text.add_eni_config_name(collector, text.strip().strip('"'))


_TEXT_READERS: tuple[tuple[Callable[[str], bool], Callable[[Collector, str], None]], ...] = (
    (lambda text: _BARE_NAME.fullmatch(text) is not None, _read_bare_name),
    (kubectl_text.is_described_node, kubectl_text.read_described_nodes),
    (kernel.is_rule_text, kernel.read_rule_text),
    (kernel.is_route_text, kernel.read_route_text),
    (kernel.is_save, kernel.read_save),
    (kernel.is_sysctl, kernel.read_sysctl),
    (_has_dumps, _read_dumps),
    (
        lambda text: is_container_output(text[:_TERMINAL_LENGTH].lstrip()),
        lambda collector, _: collector.skip("the whole text", OF_CONTAINERS),
    ),
)


def read_lines(collector: Collector, head: str, lines: Callable[[], Iterable[tuple[int, str]]]) -> bool:
    """Read a text line by line if it is one of the kinds that can be long; return whether it is."""
    if is_event_file(head):
        collector.skip(head[:100], _EVENTS_ARE_ELSEWHERE)
        return True
    if exposition.is_exposition(head):
        exposition.read_exposition(collector, lines())
        return True
    return False
