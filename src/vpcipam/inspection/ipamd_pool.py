"""The warm pool of a node, put together from what its ipamd's introspection shows: the input of ipamd's own decisions."""

import attrs

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.errors import DatastoreError, InvalidArgument, InvalidCidr, OutOfRange
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import EniState
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD
from vpcipam.node.view import pool_view
from vpcipam.sandbox import SandboxKey
from vpcipam.warmpool import PoolView


@attrs.frozen
class IpamdPool:
    """The pool of a node with one managed card, at the time at which ipamd was asked.

    Attributes:
        view: as ipamd sees it, but without cooldowns, and with every ENI old enough to be freed.
        assigned_ns: when addresses were assigned, as far as ipamd still knows; ascending.
        unassigned_ns: when addresses were given back that are still there and free, likewise. A restart of ipamd forgets earlier times.
    """

    view: PoolView
    assigned_ns: tuple[int, ...]
    unassigned_ns: tuple[int, ...]


def ipamd_pool(node: NodeCase) -> IpamdPool | None:
    """Put the pool of a node together; None if that can't be done for sure.

    That is so if type, settings or max-pods are unknown, if the answer of ipamd is cut off, lacks device numbers or shows a fault, in
    IPv6 mode, on several cards, after a change of mode, and with excluded ENIs.
    """
    mode = node.mode
    if node.limits is None or node.settings is None or node.max_pods is None or mode in (None, AddressMode.IPV6):
        return None
    states = [fact.value for fact in node.enis]
    if not states or any(eni.cut or eni.excluded or eni.network_card for eni in states):
        return None
    prefixes = mode is AddressMode.PREFIX
    if any(cidr.is_prefix is not prefixes for eni in states for cidr in eni.cidrs):
        return None
    datastore = _datastore(states, mode)
    if datastore is None:
        return None
    unmanaged = 0
    if node.survey is not None:
        unmanaged = sum(not each.managed for each in node.survey.enis if each.network_card == DEFAULT_NETWORK_CARD)
    view = pool_view(datastore, node.settings.value, node.limits, node.latest_ns, max_pods=node.max_pods, unmanaged_eni_count=unmanaged)
    addresses = [each for eni in states for cidr in eni.cidrs for each in cidr.addresses]
    return IpamdPool(
        view,
        tuple(sorted(each.assigned_ns for each in addresses if each.assigned_ns)),
        tuple(sorted(each.unassigned_ns for each in addresses if each.unassigned_ns and not each.held)),
    )


def _datastore(states: list[EniState], mode: AddressMode) -> Datastore | None:
    """Fill a datastore; None if it refuses something."""
    datastore = Datastore(mode=mode)
    try:
        for eni in sorted(states, key=lambda each: -1 if each.device_number is None else each.device_number):
            if eni.device_number is None:
                return None
            datastore.add_eni(
                eni.eni_id,
                device_number=eni.device_number,
                primary=bool(eni.primary),
                trunk=bool(eni.trunk),
                efa=bool(eni.efa),
                now_ns=0,
            )
            for cidr in eni.cidrs:
                datastore.add_cidr(eni.eni_id, cidr.cidr)
            for state in eni.held:
                datastore.assign_at(SandboxKey("aws-cni", state.address, "eth0"), state.address, 0)
    except (DatastoreError, InvalidArgument, InvalidCidr, OutOfRange):
        return None
    return datastore
