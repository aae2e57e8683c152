"""A fleet of nodes over time: scenarios, workloads, the event loop, results, and searches over settings."""

from vpcipam.fleet.engine import Fleet, simulate
from vpcipam.fleet.metrics import FleetEvent, FleetResult, FleetSample, SubnetSample, Summary, Waits, ZoneSample
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Reservation, Scenario, SubnetSpec
from vpcipam.fleet.spread import SpreadConstraint, TopologySpread

__all__ = [
    "Ec2Behaviour",
    "Fleet",
    "FleetEvent",
    "FleetResult",
    "FleetSample",
    "NodeGroup",
    "Reservation",
    "Scenario",
    "SpreadConstraint",
    "SubnetSample",
    "SubnetSpec",
    "Summary",
    "TopologySpread",
    "Waits",
    "ZoneSample",
    "simulate",
]
