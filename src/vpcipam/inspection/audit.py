"""Audit what was read by the rules of EC2, ipamd and Kubernetes."""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.evidence import Evidence, Source
from vpcipam.inspection.finding import Finding, Severity, Unchecked
from vpcipam.inspection.joining import Assumptions, join
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.rules.catalogue import CATALOGUE, CLUSTER_RULES, NODE_RULES, RULES, SURVEY_RULES
from vpcipam.inspection.rules.no_address import WHY_NO_ADDRESS
from vpcipam.inspection.rules.rule import Rule
from vpcipam.inspection.survey import NodeSurvey

__all__ = ["CATALOGUE", "RULES", "Audit", "audit", "audit_survey", "finding_document"]


@attrs.frozen
class Audit:
    """The answer of an audit.

    "No fault in this" and "not enough in this" are different answers: `findings` may be empty because the rules that would find a fault
    could not be checked. `unchecked` lists those.

    Attributes:
        case: what was audited, by node.
        findings: what is wrong, then notes. In both, first why pods have no address, then by node, in the order of the rules.
        unchecked: the rules that could not be checked, by node.
        checked: the ids of the rules that were checked at least once.
    """

    case: ClusterCase
    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
    checked: frozenset[str]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings without the notes."""
        return tuple(each for each in self.findings if each.severity is Severity.FINDING)

    def to_dict(self) -> dict[str, Any]:
        """Return findings and unchecked rules as values that JSON can hold, with the reason and the page of each finding's rule."""
        return {
            "findings": [finding_document(each) for each in self.findings],
            "unchecked": [attrs.asdict(each) for each in self.unchecked],
            "checked": sorted(self.checked),
        }


def finding_document(finding: Finding) -> dict[str, Any]:
    """Return a finding as values that JSON can hold, with why it matters and the page of its rule."""
    entry = CATALOGUE[finding.rule]
    return attrs.asdict(finding) | {"why": entry.why, "page": entry.page}


def audit(evidence: Evidence, *, observed: Iterable[ObservedNode] = (), assumptions: Assumptions | None = None) -> Audit:
    """Join what was read into nodes, and check all rules for which there is enough in it. It doesn't call EC2.

    Args:
        evidence: what files show.
        observed: nodes that were read from EC2 itself; `evidence` must have their facts too (`vpcipam.inspection.live`).
        assumptions: what a person says beside the files; None for nothing.
    """
    case = join(evidence, observed, assumptions or Assumptions())
    run = _Run()
    for rule in CLUSTER_RULES:
        run.check(rule, case, "")
    # Where no file names a node, one without a name tells what is missing.
    for node in case.nodes or (NodeCase(name="", kinds=frozenset(name for name, _ in evidence.facts()), settings=case.settings),):
        for node_rule in () if node.no_aws_node else NODE_RULES:
            run.check(node_rule, node, node.name)
    return run.answer(case)


def audit_survey(survey: NodeSurvey) -> tuple[Finding, ...]:
    """List what the rules about EC2's answers find on one node: findings, then notes. It doesn't call EC2."""
    return _sorted(finding for rule in SURVEY_RULES for finding in rule.check(survey))


def _sorted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(
        sorted(findings, key=lambda finding: (finding.severity is not Severity.FINDING, not finding.rule.startswith(WHY_NO_ADDRESS)))
    )


class _Run:
    """The findings and the unchecked rules so far."""

    def __init__(self) -> None:
        self._findings: dict[Finding, None] = {}
        self._unchecked: list[Unchecked] = []
        self._checked: set[str] = set()

    def check(self, rule: Rule[Any], case: ClusterCase | NodeCase, name: str) -> None:
        missing = rule.missing(case)
        if missing:
            self._unchecked += (Unchecked(rule_id, name, missing) for rule_id in rule.ids)
            return
        self._checked.update(rule.ids)
        for finding in rule.check(case):
            self._findings[_placed(finding, case)] = None

    def answer(self, case: ClusterCase) -> Audit:
        return Audit(case, _sorted(self._findings), tuple(self._unchecked), frozenset(self._checked))


def _placed(finding: Finding, case: ClusterCase | NodeCase) -> Finding:
    """Add the node and the sources to a finding whose rule doesn't tell them."""
    if not isinstance(case, NodeCase):
        return finding
    return attrs.evolve(finding, node=finding.node or case.name, sources=finding.sources or tuple(_sources(finding.where, case)))


def _sources(where: str, node: NodeCase) -> Iterator[Source]:
    """Yield where the ENI or the subnet that a finding is about was read, else where the node's ENIs were."""
    named = [fact.source for fact in node.network_interfaces if fact.value.eni_id == where]
    if where in node.subnets:
        named.append(node.subnets[where].source)
    yield from named or node.sources
