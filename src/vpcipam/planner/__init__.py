"""The planner: the steady state of a node with given pods and settings, and the subnets of a cluster of such nodes."""

from vpcipam.planner.cluster import NAU_QUOTA, SCHEMA_VERSION, ClusterPlan, GroupPlan, Limit, plan_cluster
from vpcipam.planner.cluster_groups import ADDRESSES_PER_LOAD_BALANCER, MOST_ZONES, ClusterSubnet, NodeGroup, Reserve
from vpcipam.planner.cluster_toml import ClusterQuestion, read_cluster
from vpcipam.planner.comparison import SORT_KEYS, ComparedPlan, compare_plans
from vpcipam.planner.ec2_pace import CallPace, call_pace
from vpcipam.planner.node import PODS_LIMIT, Decision, EniPlan, NodePlan, Stage, plan
from vpcipam.planner.subnet_packing import SubnetCount

__all__ = [
    "ADDRESSES_PER_LOAD_BALANCER",
    "MOST_ZONES",
    "NAU_QUOTA",
    "PODS_LIMIT",
    "SCHEMA_VERSION",
    "SORT_KEYS",
    "CallPace",
    "ClusterPlan",
    "ClusterQuestion",
    "ClusterSubnet",
    "ComparedPlan",
    "Decision",
    "EniPlan",
    "GroupPlan",
    "Limit",
    "NodeGroup",
    "NodePlan",
    "Reserve",
    "Stage",
    "SubnetCount",
    "call_pace",
    "compare_plans",
    "plan",
    "plan_cluster",
    "read_cluster",
]
