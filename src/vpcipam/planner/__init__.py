"""The planner: the steady state of a node, the subnets of a cluster, and the cluster that there is, today and after a change.

Each name is loaded from its module on first use, so that the plan of one node does not load what plans clusters.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # isort: off
    from vpcipam.planner.cluster import (
        SCHEMA_VERSION as SCHEMA_VERSION,
        ClusterPlan as ClusterPlan,
        GroupPlan as GroupPlan,
        Limit as Limit,
        plan_cluster as plan_cluster,
    )
    from vpcipam.planner.cluster_groups import (
        ADDRESSES_PER_LOAD_BALANCER as ADDRESSES_PER_LOAD_BALANCER,
        MOST_ZONES as MOST_ZONES,
        ClusterSubnet as ClusterSubnet,
        NodeGroup as NodeGroup,
        Reserve as Reserve,
    )
    from vpcipam.planner.cluster_toml import ClusterQuestion as ClusterQuestion, read_cluster as read_cluster
    from vpcipam.planner.comparison import SORT_KEYS as SORT_KEYS, ComparedPlan as ComparedPlan, compare_plans as compare_plans
    from vpcipam.planner.datapath import (
        DatapathPlan as DatapathPlan,
        EniDatapath as EniDatapath,
        PodDatapath as PodDatapath,
        plan_datapath as plan_datapath,
    )
    from vpcipam.planner.ec2_pace import CallPace as CallPace, call_pace as call_pace
    from vpcipam.planner.nau import NAU_QUOTA as NAU_QUOTA
    from vpcipam.planner.node import PODS_LIMIT as PODS_LIMIT, plan as plan
    from vpcipam.planner.node_answers import Decision as Decision, EniPlan as EniPlan, NodePlan as NodePlan, Stage as Stage
    from vpcipam.planner.present import PresentCluster as PresentCluster, PresentNode as PresentNode, PresentSubnet as PresentSubnet
    from vpcipam.planner.present_answers import (
        PresentGroup as PresentGroup,
        PresentPlan as PresentPlan,
        PresentPool as PresentPool,
        SubnetRange as SubnetRange,
    )
    from vpcipam.planner.present_plan import plan_present as plan_present
    from vpcipam.planner.subnet_packing import SubnetCount as SubnetCount
    # isort: on

# The same names at run time; a test compares the two lists.
_NAMES_BY_MODULE = {
    "cluster": "SCHEMA_VERSION ClusterPlan GroupPlan Limit plan_cluster",
    "cluster_groups": "ADDRESSES_PER_LOAD_BALANCER MOST_ZONES ClusterSubnet NodeGroup Reserve",
    "cluster_toml": "ClusterQuestion read_cluster",
    "comparison": "SORT_KEYS ComparedPlan compare_plans",
    "datapath": "DatapathPlan EniDatapath PodDatapath plan_datapath",
    "ec2_pace": "CallPace call_pace",
    "nau": "NAU_QUOTA",
    "node": "PODS_LIMIT plan",
    "node_answers": "Decision EniPlan NodePlan Stage",
    "present": "PresentCluster PresentNode PresentSubnet",
    "present_answers": "PresentGroup PresentPlan PresentPool SubnetRange",
    "present_plan": "plan_present",
    "subnet_packing": "SubnetCount",
}
_MODULES = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names.split()}
__all__ = [*_MODULES]  # noqa: PLE0604  # every item is a str


def __getattr__(name: str) -> Any:  # noqa: ANN401  # each name has its own type
    """Load a name from its module (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the names, loaded or not."""
    return sorted({*globals(), *__all__})
