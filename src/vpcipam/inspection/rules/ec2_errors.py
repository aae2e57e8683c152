"""The rule about errors of EC2 that ipamd has counted."""

from collections.abc import Iterator

from vpcipam._units import counted
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.rules.rule import IPAMD, METRICS, Rule, RuleEntry

API_ERRORS = "awscni_aws_api_error_count"

COUNTED = RuleEntry(
    "ec2-errors-counted",
    "by ipamd's metrics, EC2 has refused calls since ipamd started",
    "A few are usual, such as an ENI that EC2 does not delete yet. Many can mean that the node can't grow, or that ENIs are left behind.",
    f"{IPAMD}#prometheus-metrics",
    Severity.NOTE,
)


def check_errors(node: NodeCase) -> Iterator[Finding]:
    """Ipamd counts the calls that EC2 refuses, by error code (docs/ipamd.md, "Prometheus metrics")."""
    for fact in node.metrics:
        labels = dict(fact.value.labels)
        if fact.value.name == API_ERRORS and fact.value.value:
            times = counted(int(fact.value.value), "time")
            message = f"got {labels.get('error') or 'an error'} from EC2 for {labels.get('api') or 'a call'}, {times} since ipamd started"
            suggestion = "look at ipamd's log for EC2's message (`vpcipam inspect ipamd.log`)"
            yield Finding("ec2-errors-counted", COUNTED.severity, node.name, message, suggestion, sources=(fact.source,))


RULES = (Rule(check_errors, (COUNTED,), (METRICS,)),)
