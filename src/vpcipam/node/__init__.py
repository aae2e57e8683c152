"""A node: what ipamd does on one instance, with EC2 and the clock as arguments."""

from vpcipam.node.node import Node, NodeEvent
from vpcipam.settings import default_max_pods

__all__ = [
    "Node",
    "NodeEvent",
    "default_max_pods",
]
