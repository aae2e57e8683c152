"""Rules about what EC2 shows of a node: their checks take a survey."""

import functools
from collections.abc import Callable, Iterator

import attrs

from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.finding import Finding
from vpcipam.inspection.rules.rule import EC2_ENIS, INSTANCE, SURVEY, Need, Rule, RuleEntry
from vpcipam.inspection.survey import NodeSurvey

SurveyCheck = Callable[[NodeSurvey], Iterator[Finding]]


@attrs.frozen
class SurveyRule:
    """A rule about a survey, with what it needs beside EC2's ENIs and limits."""

    check: SurveyCheck
    entries: tuple[RuleEntry, ...]
    needs: tuple[Need[NodeCase], ...] = ()

    def about_node(self) -> Rule[NodeCase]:
        """Return the same rule about a node."""

        @functools.wraps(self.check)
        def check(node: NodeCase) -> Iterator[Finding]:
            yield from () if node.survey is None else self.check(node.survey)

        return Rule(check, self.entries, (EC2_ENIS, INSTANCE, SURVEY, *self.needs))
