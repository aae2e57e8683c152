"""A fleet of nodes over time: scenarios, workloads, the event loop, results, and searches over settings."""

from vpcipam.fleet.engine import Fleet, simulate
from vpcipam.fleet.metrics import FleetEvent, FleetResult, FleetSample, SubnetSample, Summary, Waits, ZoneSample
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Reservation, Scenario, SubnetSpec
from vpcipam.fleet.spread import Spread, SpreadConstraint

__all__ = [
    "Ec2Behaviour",
    "Fleet",
    "FleetEvent",
    "FleetResult",
    "FleetSample",
    "NodeGroup",
    "Reservation",
    "Scenario",
    "Spread",
    "SpreadConstraint",
    "SubnetSample",
    "SubnetSpec",
    "Summary",
    "Waits",
    "ZoneSample",
    "simulate",
]
