"""An audit as SARIF 2.1.0, the format in which tools for code reviews and security take findings (OASIS, 2020)."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from vpcipam._version import __version__
from vpcipam.inspection.audit import Audit
from vpcipam.inspection.evidence import Source
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.catalogue import CATALOGUE
from vpcipam.inspection.rules.rule import RuleEntry

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.FINDING: "error", Severity.NOTE: "note"}
_NUMBERS = {rule: number for number, rule in enumerate(CATALOGUE)}


def sarif_document(audit: Audit) -> dict[str, Any]:
    """Return an audit as a SARIF log with one run: all rules, the findings as results, and the rules that could not be checked.

    A result of the level `error` is a finding, one of the level `note` a note. Each rule that could not be checked is a notification of
    the invocation, so that "not enough in this" is not taken for "no fault in this".
    """
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "vpcipam",
                        "semanticVersion": __version__,
                        "rules": [_rule(entry) for entry in CATALOGUE.values()],
                    }
                },
                "invocations": [{"executionSuccessful": True, "toolConfigurationNotifications": [*_notifications(audit)]}],
                "results": [_result(finding) for finding in audit.findings],
            }
        ],
    }


def _rule(entry: RuleEntry) -> dict[str, Any]:
    help_text = f"{entry.why} See {entry.page}."
    return {
        "id": entry.rule,
        "shortDescription": {"text": f"{entry.when[:1].upper()}{entry.when[1:]}."},
        "fullDescription": {"text": entry.why},
        "help": {"text": help_text},
        "defaultConfiguration": {"level": _LEVELS[entry.severity]},
        "properties": {"page": entry.page},
    }


def _result(finding: Finding) -> dict[str, Any]:
    on_node = f" (node {finding.node})" if finding.node not in ("", finding.where) else ""
    text = f"{finding.where}{on_node}: {finding.message}."
    if finding.suggestion:
        text += f" {finding.suggestion[:1].upper()}{finding.suggestion[1:]}."
    names = [name for name in dict.fromkeys((finding.node, finding.where)) if name]
    first, *others = [_location(source, names) for source in finding.sources] or [{"logicalLocations": _logical(names)}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": _NUMBERS[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [first],
        "relatedLocations": others,
        "partialFingerprints": {"finding/v1": "/".join((finding.rule, *names))},
    }


def _location(source: Source, names: Iterable[str]) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(source.file.replace("\\", "/"))}, "region": {"startLine": source.line}}
    return {"physicalLocation": physical, "logicalLocations": _logical((*names, *([source.path] if source.path else [])))}


def _logical(names: Iterable[str]) -> list[dict[str, Any]]:
    return [{"fullyQualifiedName": name} for name in names]


def _notifications(audit: Audit) -> Iterable[dict[str, Any]]:
    """Yield a notification for each rule that could not be checked, with what it needs and on which nodes."""
    nodes: dict[tuple[str, str], list[str]] = {}
    for each in audit.unchecked:
        needs = "; ".join(f"{missing.what} ({missing.how})" for missing in each.missing)
        nodes.setdefault((each.rule, needs), []).append(each.node)
    for (rule, needs), names in nodes.items():
        on = f" on {', '.join(filter(None, names))}" if any(names) else ""
        yield {
            "level": "note",
            "associatedRule": {"id": rule, "index": _NUMBERS[rule]},
            "message": {"text": f"Not enough was read to check {rule}{on}. It needs {needs}."},
        }
