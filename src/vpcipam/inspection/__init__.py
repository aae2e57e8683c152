"""Read a real node, survey what its pods can use, and audit it by the rules of EC2 and ipamd. Read what files show."""

from vpcipam.inspection.audit import audit
from vpcipam.inspection.evidence import DocumentRead, Evidence, Fact, HeldAddress, Skipped, Source
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.readers import read_files
from vpcipam.inspection.releases import Releases
from vpcipam.inspection.subnet_survey import SubnetSurvey, survey_subnets
from vpcipam.inspection.survey import CardSurvey, EniSurvey, NodeSurvey, survey

__all__ = [
    "CardSurvey",
    "DocumentRead",
    "EniSurvey",
    "Evidence",
    "Fact",
    "Finding",
    "HeldAddress",
    "NodeSurvey",
    "ObservedNode",
    "Releases",
    "Severity",
    "Skipped",
    "Source",
    "SubnetSurvey",
    "audit",
    "read_files",
    "read_node",
    "survey",
    "survey_subnets",
]
