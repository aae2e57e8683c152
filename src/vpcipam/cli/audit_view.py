"""An audit for people: findings, and which rules could not be checked for want of which file."""

from typing import TYPE_CHECKING

from vpcipam._units import counted
from vpcipam.cli.table import Table
from vpcipam.inspection.audit import Audit
from vpcipam.inspection.finding import Finding, Missing, Severity, Unchecked
from vpcipam.inspection.rules.texts import some

if TYPE_CHECKING:
    from vpcipam.cli.tables import Page

_STYLES = {Severity.FINDING: "bold red", Severity.NOTE: "dim"}
_MOST_FINDINGS = 100
_MOST_MISSING = 6


def findings_table(audit: Audit) -> Table:
    """Return a table with a line for each finding and note."""
    heads = ("rule", "severity", "node", "where", "what", "what to do")
    return Table(heads, ((each.rule, str(each.severity), each.node, each.where, each.message, each.suggestion) for each in audit.findings))


def show_findings(page: "Page", audit: Audit) -> None:
    """Write what is wrong. Findings that say the same of several places are one paragraph."""
    _answer(page, audit)
    several = len(audit.case.nodes) > 1
    alike: dict[tuple[object, ...], list[Finding]] = {}
    for finding in audit.findings:
        alike.setdefault((finding.rule, finding.severity, finding.message, finding.suggestion), []).append(finding)
    for findings in [*alike.values()][:_MOST_FINDINGS]:
        first = findings[0]
        where = _places(findings, several=several)
        page.remark(f"{first.severity}: {first.rule} ({where})", _STYLES[first.severity], first.message, first.suggestion)
    if len(alike) > _MOST_FINDINGS:
        page.line(f"… and {len(alike) - _MOST_FINDINGS:,} more; --json has them all", "dim")


def _places(findings: list[Finding], *, several: bool) -> str:
    """Write where some findings are that say the same: on which nodes, or where on each."""
    nodes = [each.node for each in findings if several and each.node not in ("", each.where)]
    if len(nodes) == len(findings) and len({each.where for each in findings}) == 1:
        return f"{findings[0].where} on {some(nodes)}"
    return some(f"{each.where} on {each.node}" if several and each.node not in ("", each.where) else each.where for each in findings)


def _answer(page: "Page", audit: Audit) -> None:
    """Write the answer in one line: "no fault in this" and "not enough in this" are different answers."""
    findings: tuple[Finding, ...] = audit.findings
    if findings:
        wrong = len(audit.faults)
        counts = [counted(count, word) for count, word in ((wrong, "finding"), (len(findings) - wrong, "note")) if count]
        page.line(", ".join(counts), "bold")
    elif not audit.checked:
        page.line("Not enough in this: no rule could be checked.", "bold")
    elif audit.unchecked:
        page.line(f"No fault in this, as far as it goes: {counted(len(audit.checked), 'rule')} checked.", "bold")
    else:
        page.line("No rule is broken.", "bold")


def show_unchecked(page: "Page", unchecked: tuple[Unchecked, ...]) -> None:
    """Write which facts are missing, those first that most rules need, and how to get them. Nothing if all rules were checked."""
    if not unchecked:
        return
    page.line()
    rules: dict[Missing, dict[str, None]] = {}
    nodes: dict[Missing, set[str]] = {}
    for each in unchecked:
        for missing in each.missing:
            rules.setdefault(missing, {})[each.rule] = None
            nodes.setdefault(missing, set()).update({each.node} - {""})
    page.line(f"Not enough in this to check {counted(len({each.rule for each in unchecked}), 'rule')}:", "bold")
    for missing, needing in sorted(rules.items(), key=lambda item: -len(item[1]))[:_MOST_MISSING]:
        on = f" on {len(nodes[missing])} nodes" if len(nodes[missing]) > 1 else ""
        page.line(f"{missing.what}, for {counted(len(needing), 'rule')}{on}", "dim")
        page.indented(f"→ {missing.how}")
    if len(rules) > _MOST_MISSING:
        page.line(f"… and {len(rules) - _MOST_MISSING} more; --json has them all", "dim")
