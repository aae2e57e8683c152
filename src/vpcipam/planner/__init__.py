"""The planner: the steady state of a node with given pods and settings."""

from vpcipam.planner.node import PODS_LIMIT, Decision, EniPlan, NodePlan, Stage, plan

__all__ = [
    "PODS_LIMIT",
    "Decision",
    "EniPlan",
    "NodePlan",
    "Stage",
    "plan",
]
