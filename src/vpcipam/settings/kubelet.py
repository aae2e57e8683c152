"""The kubelet's max-pods on a node with given settings of its aws-node container."""

from vpcipam._arguments import require_integer
from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument
from vpcipam.limits import InstanceLimits, MaxPodsBy, max_pods
from vpcipam.settings.settings import Settings


def default_max_pods(limits: InstanceLimits, settings: Settings, by: MaxPodsBy | str = MaxPodsBy.MANAGED_NODE_GROUP) -> int:
    """Compute max-pods as `by` sets it for these settings.

    MAX_ENI is ignored: AWS doesn't document whether a managed node group reads it from the cluster.

    Raises:
        InvalidArgument: `by` is unknown.
        SettingsError: ipamd would refuse to start with these settings on this type.
    """
    prefixes = settings.address_mode(limits) is not AddressMode.SECONDARY_IP
    return max_pods(limits, prefix_delegation=prefixes, custom_networking=settings.custom_network_cfg, by=by)


def resolve_max_pods(
    limits: InstanceLimits, settings: Settings, given: int | None, by: MaxPodsBy | str | None
) -> tuple[int, MaxPodsBy | None]:
    """Return max-pods and what sets it: by default a managed node group; None if the number is given.

    Raises:
        InvalidArgument: both are given, `given` is below 1, or `by` is unknown.
        SettingsError: ipamd would refuse to start with these settings on this type.
    """
    if given is None:
        by = MaxPodsBy.MANAGED_NODE_GROUP if by is None else MaxPodsBy(by)
        return default_max_pods(limits, settings, by), by
    require_integer("max_pods", given, 1)
    if by is not None:
        raise InvalidArgument(f"max_pods is {given}, so nothing else sets it; leave out max_pods or max_pods_by ({str(by)!r})")
    return given, None
