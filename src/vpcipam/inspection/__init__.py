"""Read a real node and audit it by the rules of EC2 and ipamd. Read what files show. Verify logs against the promises."""

from vpcipam.inspection.audit import Audit, audit, audit_survey
from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.event_lines import event_line, read_event_line
from vpcipam.inspection.evidence import DocumentRead, Evidence, Fact, HeldAddress, Skipped, Source
from vpcipam.inspection.finding import Finding, Missing, Severity, Unchecked
from vpcipam.inspection.joining import Assumptions, join
from vpcipam.inspection.live import evidence_of, merged
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.present_cluster import present_cluster
from vpcipam.inspection.read_cluster import read_cluster
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.readers import read_files
from vpcipam.inspection.releases import Releases
from vpcipam.inspection.sarif import sarif_document
from vpcipam.inspection.subnet_survey import SubnetSurvey, survey_subnets
from vpcipam.inspection.survey import CardSurvey, EniSurvey, NodeSurvey, survey
from vpcipam.inspection.verification import Answer, LogViolation, Verification
from vpcipam.inspection.verify import LogSource, verify

__all__ = [
    "Answer",
    "Assumptions",
    "Audit",
    "CardSurvey",
    "ClusterCase",
    "DocumentRead",
    "EniSurvey",
    "Evidence",
    "Fact",
    "Finding",
    "HeldAddress",
    "LogSource",
    "LogViolation",
    "Missing",
    "NodeCase",
    "NodeSurvey",
    "ObservedNode",
    "Releases",
    "Severity",
    "Skipped",
    "Source",
    "SubnetSurvey",
    "Unchecked",
    "Verification",
    "audit",
    "audit_survey",
    "event_line",
    "evidence_of",
    "join",
    "merged",
    "present_cluster",
    "read_cluster",
    "read_event_line",
    "read_files",
    "read_node",
    "sarif_document",
    "survey",
    "survey_subnets",
    "verify",
]
