"""Read a real node, survey what its pods can use, and audit it by the rules of EC2 and ipamd."""

from vpcipam.inspection.audit import audit
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.subnet_survey import SubnetSurvey, survey_subnets
from vpcipam.inspection.survey import CardSurvey, EniSurvey, NodeSurvey, survey

__all__ = [
    "CardSurvey",
    "EniSurvey",
    "Finding",
    "NodeSurvey",
    "ObservedNode",
    "Severity",
    "SubnetSurvey",
    "audit",
    "read_node",
    "survey",
    "survey_subnets",
]
