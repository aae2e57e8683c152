"""The planner: the steady state of a node, the subnets of a cluster, and the cluster that there is, today and after a change."""

from vpcipam.planner.cluster import SCHEMA_VERSION, ClusterPlan, GroupPlan, Limit, plan_cluster
from vpcipam.planner.cluster_groups import ADDRESSES_PER_LOAD_BALANCER, MOST_ZONES, ClusterSubnet, NodeGroup, Reserve
from vpcipam.planner.cluster_toml import ClusterQuestion, read_cluster
from vpcipam.planner.comparison import SORT_KEYS, ComparedPlan, compare_plans
from vpcipam.planner.ec2_pace import CallPace, call_pace
from vpcipam.planner.nau import NAU_QUOTA
from vpcipam.planner.node import PODS_LIMIT, Decision, EniPlan, NodePlan, Stage, plan
from vpcipam.planner.present import PresentCluster, PresentNode, PresentSubnet
from vpcipam.planner.present_answers import PresentGroup, PresentPlan, PresentPool, SubnetRange
from vpcipam.planner.present_plan import plan_present
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
    "PresentCluster",
    "PresentGroup",
    "PresentNode",
    "PresentPlan",
    "PresentPool",
    "PresentSubnet",
    "Reserve",
    "Stage",
    "SubnetCount",
    "SubnetRange",
    "call_pace",
    "compare_plans",
    "plan",
    "plan_cluster",
    "plan_present",
    "read_cluster",
]
