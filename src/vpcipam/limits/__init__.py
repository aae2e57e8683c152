"""What EC2 allows an instance of each type: ENIs, addresses per ENI, network cards, and the pods that follow from them.

Every function of the library that takes the name of an instance type takes an `InstanceLimits` as well, so a type that is newer than the
table needs no new release: `load_limits` reads one from the output of `aws ec2 describe-instance-types`.
"""

from vpcipam.limits.instance_limits import COLUMNS, InstanceLimits, format_row, load_limits, parse_row
from vpcipam.limits.max_pods import ADDRESSES_PER_PREFIX, HOST_NETWORK_PODS, max_pods, recommended_max_pods
from vpcipam.limits.table import all_instance_limits, instance_limits, instance_types, unknown_type_text

__all__ = [
    "ADDRESSES_PER_PREFIX",
    "COLUMNS",
    "HOST_NETWORK_PODS",
    "InstanceLimits",
    "all_instance_limits",
    "format_row",
    "instance_limits",
    "instance_types",
    "load_limits",
    "max_pods",
    "parse_row",
    "recommended_max_pods",
    "unknown_type_text",
]
