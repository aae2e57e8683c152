"""Put an attached ENI into a card's datastore, and read from there the `PoolView` that warm-pool decisions take."""

from collections.abc import Container

from vpcipam.datastore import Datastore
from vpcipam.ec2.api import NetworkInterface
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, attachment_of, is_primary
from vpcipam.settings import Settings
from vpcipam.warmpool import PoolView


def add_eni(datastore: Datastore, eni: NetworkInterface, excluded_subnets: Container[str], now_ns: int) -> None:
    """Add an attached ENI to a datastore, without its CIDRs.

    Raises:
        DuplicateEni: its id or its device number is taken.
        OutOfRange: its device number is out of range.
    """
    datastore.add_eni(
        eni.eni_id,
        device_number=attachment_of(eni).device_index,
        primary=is_primary(eni),
        trunk=eni.interface_type == "trunk",
        efa=eni.interface_type == "efa",
        excluded=eni.subnet_id in excluded_subnets,
        subnet_id=eni.subnet_id,
        now_ns=now_ns,
    )


def is_trunk_missing(datastore: Datastore, settings: Settings) -> bool:
    """Tell whether security groups for pods are on and no trunk ENI is attached, even if the instance type takes none."""
    return settings.enable_pod_eni and datastore.network_card == DEFAULT_NETWORK_CARD and not datastore.has_trunk


def pool_view(
    datastore: Datastore,
    settings: Settings,
    limits: InstanceLimits,
    now_ns: int,
    *,
    max_pods: int,
    unmanaged_eni_count: int,
    cooldown_aware: bool = False,
    hold_cooling_cidrs: bool = False,
) -> PoolView:
    """Make the `PoolView` of a network card. See `PoolView` for the arguments."""
    stats, enis = datastore.pool_and_eni_stats(now_ns)
    return PoolView(
        mode=datastore.mode,
        slots_per_eni=limits.slots_per_eni,
        eni_limit=settings.eni_limit(limits),
        unmanaged_eni_count=unmanaged_eni_count,
        trunk_expected=is_trunk_missing(datastore, settings) and settings.takes_trunk(limits),
        custom_networking=settings.custom_network_cfg,
        max_pods=max_pods,
        stats=stats,
        enis=enis,
        cooldown_aware=cooldown_aware,
        hold_cooling_cidrs=hold_cooling_cidrs,
        network_card=datastore.network_card,
    )


def why_no_eni(view: PoolView) -> str:
    """Why a card has no ENI for pods, though EC2 refused none."""
    if view.trunk_takes_eni:
        return f"it can have {view.eni_limit} ENIs, and ENABLE_POD_ENI keeps the last one for the trunk; turn it off, or allow more ENIs"
    return "its type or MAX_ENI leaves no room for one"
