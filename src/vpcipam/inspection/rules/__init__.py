"""The rules of the audit: one module a family, and the catalogue of their ids."""

from vpcipam.inspection.rules.rule import Need, Rule

__all__ = ["Need", "Rule"]
