"""Read a real node, survey what its pods can use, and audit it by the rules of EC2 and ipamd. Verify logs against the promises."""

from vpcipam.inspection.audit import audit
from vpcipam.inspection.event_lines import event_line, read_event_line
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.subnet_survey import SubnetSurvey, survey_subnets
from vpcipam.inspection.survey import CardSurvey, EniSurvey, NodeSurvey, survey
from vpcipam.inspection.verification import Answer, LogViolation, Verification
from vpcipam.inspection.verify import LogSource, verify

__all__ = [
    "Answer",
    "CardSurvey",
    "EniSurvey",
    "Finding",
    "LogSource",
    "LogViolation",
    "NodeSurvey",
    "ObservedNode",
    "Severity",
    "SubnetSurvey",
    "Verification",
    "audit",
    "event_line",
    "read_event_line",
    "read_node",
    "survey",
    "survey_subnets",
    "verify",
]
