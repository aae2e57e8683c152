"""What EC2 allows an instance of each type (ENIs, addresses per ENI, network cards), and max-pods.

Every function of the library that takes the name of an instance type also takes an `InstanceLimits`. A type that is newer than the table
therefore needs no new release: `load_limits` reads it from the output of `aws ec2 describe-instance-types`.

The functions `instance_limits` and `max_pods` share their names with submodules. Import the functions from this package.
"""

from vpcipam.limits.branch_enis import BRANCH_COLUMNS, parse_branch_enis
from vpcipam.limits.instance_limits import InstanceLimits, load_limits
from vpcipam.limits.max_pods import (
    ADDRESSES_PER_PREFIX,
    HOST_NETWORK_PODS,
    MaxPodsBy,
    MaxPodsSum,
    branch_pod_limit,
    core_cap,
    max_pods,
    recommended_max_pods,
    sum_max_pods,
)
from vpcipam.limits.table import (
    COLUMNS,
    all_instance_limits,
    format_row,
    instance_limits,
    instance_types,
    parse_row,
    unknown_type_text,
)

__all__ = [
    "ADDRESSES_PER_PREFIX",
    "BRANCH_COLUMNS",
    "COLUMNS",
    "HOST_NETWORK_PODS",
    "InstanceLimits",
    "MaxPodsBy",
    "MaxPodsSum",
    "all_instance_limits",
    "branch_pod_limit",
    "core_cap",
    "format_row",
    "instance_limits",
    "instance_types",
    "load_limits",
    "max_pods",
    "parse_branch_enis",
    "parse_row",
    "recommended_max_pods",
    "sum_max_pods",
    "unknown_type_text",
]
