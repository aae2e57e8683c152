"""Audit a surveyed node by the rules of EC2 and ipamd."""

from collections.abc import Callable, Iterator

from vpcipam.inspection import capacity_rules, eni_rules
from vpcipam.inspection.finding import Finding, Severity
from vpcipam.inspection.survey import NodeSurvey

RULES: tuple[Callable[[NodeSurvey], Iterator[Finding]], ...] = (
    eni_rules.check_readable,
    capacity_rules.check_instance,
    capacity_rules.check_capacity,
    eni_rules.check_devices,
    eni_rules.check_places,
    eni_rules.check_eni_count,
    eni_rules.check_slots,
    eni_rules.check_prefix_support,
    eni_rules.check_cidrs,
    eni_rules.check_subnet_cidrs,
    eni_rules.check_overlaps,
    eni_rules.check_primary_addresses,
    eni_rules.check_modes,
    eni_rules.check_ipv6,
    eni_rules.check_termination,
    eni_rules.check_leaked,
    eni_rules.check_unmanaged,
    eni_rules.check_trunk_and_efa,
    capacity_rules.check_excluded,
    capacity_rules.check_room,
    capacity_rules.check_unseen,
)
"""All rules. The docstring of each names its source."""


def audit(survey: NodeSurvey) -> tuple[Finding, ...]:
    """List what all rules find: findings, then notes, each in the order of `RULES`. It doesn't call EC2."""
    found = [finding for rule in RULES for finding in rule(survey)]
    return tuple(sorted(found, key=lambda finding: finding.severity is not Severity.FINDING))
