"""The warm pool of a node, the input of ipamd's own decisions.

It is put together from what its ipamd's introspection shows, else from EC2's ENIs and from who holds addresses.
"""

import attrs

from vpcipam.address import AddressMode, Cidr, address_text
from vpcipam.datastore import Datastore
from vpcipam.errors import DatastoreError, InvalidArgument, InvalidCidr, OutOfRange
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import AddressState, CidrState, EniState
from vpcipam.inspection.subnet_survey import parse_valid
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, pod_cidrs
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

    Without introspection, the ENIs are those of EC2, and the checkpoint or the pods tell who holds addresses; no times are known then.

    That is so if type, settings or max-pods are unknown, if the answer of ipamd is cut off, lacks device numbers or shows a fault, in
    IPv6 mode, on several cards, after a change of mode, and with excluded ENIs.
    """
    mode = node.mode
    if node.limits is None or node.settings is None or node.max_pods is None or mode in (None, AddressMode.IPV6):
        return None
    states = [fact.value for fact in node.enis] or states_of_ec2(node)
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


def states_of_ec2(node: NodeCase) -> list[EniState]:
    """Return what a node's ipamd has in its datastore, by EC2's ENIs and by the checkpoint, else the pods; empty if they don't tell."""
    held = {fact.value.address for fact in node.allocations}
    if not node.checkpoint_count:
        pods = [fact.value for fact in node.pods if not fact.value.host_network and not fact.value.branch_enis]
        if len(node.namespaces) < 2 or any(not pod.addresses for pod in pods):  # the pods of one namespace, or pods that are about to start
            return []
        held = {address for pod in pods if not pod.has_ended for address in pod.addresses}
    if node.survey is None or node.mode is None or not node.shows_all_enis:
        return []
    texts = [text for each in node.survey.enis for text in pod_cidrs(each.eni, node.mode)]
    if len(tuple(parse_valid(texts))) < len(texts):  # someone has redacted them
        return []
    states = [
        EniState(
            eni_id=each.eni.eni_id,
            network_card=each.network_card or None,
            device_number=each.device_index,
            primary=each.primary,
            trunk=each.kind == "trunk",
            efa=each.eni.interface_type.startswith("efa"),
            excluded=each.excluded,
            cidrs=tuple(_cidr_state(text, held) for text in pod_cidrs(each.eni, node.mode)),
        )
        for each in node.survey.enis
        if each.managed
    ]
    found = {state.address for eni in states for state in eni.held}
    return states if held <= found else []


def _cidr_state(text: str, held: set[str]) -> CidrState:
    cidr = Cidr.parse(text)
    inside = (address_text(number, cidr.version) for number in range(cidr.first, cidr.last + 1))
    return CidrState(
        cidr=text, is_prefix=cidr.size > 1, addresses=tuple(AddressState(address=each, held=True) for each in inside if each in held)
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
