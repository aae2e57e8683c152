"""A fleet of nodes over time: scenarios, workloads, the event loop, results, and searches over settings."""

from vpcipam.fleet.engine import Fleet, simulate
from vpcipam.fleet.metrics import FleetEvent, FleetResult, FleetSample, SubnetSample, Summary, Waits
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Reservation, Scenario, SubnetSpec

__all__ = [
    "Ec2Behaviour",
    "Fleet",
    "FleetEvent",
    "FleetResult",
    "FleetSample",
    "NodeGroup",
    "Reservation",
    "Scenario",
    "SubnetSample",
    "SubnetSpec",
    "Summary",
    "Waits",
    "simulate",
]
