"""A node as the library sees it: which of what was read its ipamd manages, what pods can have of it, and how far it can grow.

Which pods run is not known, so nothing here says how many addresses are in use, or what the node is about to do. What it asks for once
all its addresses are taken can be known, and is `CardSurvey.growth`.
"""

import contextlib
from collections.abc import Iterable
from typing import Any

import attrs

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import NetworkInterface, Subnet
from vpcipam.errors import DatastoreError, InvalidCidr, OutOfRange
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.subnets import SubnetSurvey, survey_subnets
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import (
    DEFAULT_NETWORK_CARD,
    card_index,
    discovered_subnets,
    discovers_subnets,
    is_excluded,
    is_primary,
    place_of,
    pod_cidrs,
)
from vpcipam.node.membership import Membership
from vpcipam.node.view import add_eni, pool_view
from vpcipam.settings import Settings, default_max_pods
from vpcipam.stats import EniStats
from vpcipam.warmpool import Grow, PoolView, grow


@attrs.frozen(kw_only=True)
class EniSurvey:
    """One attached ENI.

    Attributes:
        eni: as it was read.
        network_card: the card that it is on.
        device_index: its place there.
        primary: whether it is the instance's primary ENI.
        managed: whether ipamd sees to it.
        excluded: whether its subnet is tagged to give pods no addresses.
        slot_count: places taken by secondary IPs and /28s; in IPv6 mode by IPv6 addresses and /80s.
        address_count: the addresses that pods can have of it, taken or free.
        stale_cidrs: what is on it of the mode that is switched off: no pod gets a new address of that.
    """

    eni: NetworkInterface
    network_card: int
    device_index: int
    primary: bool
    managed: bool
    excluded: bool
    slot_count: int
    address_count: int
    stale_cidrs: tuple[str, ...]

    @property
    def kind(self) -> str:
        """What it is: `primary`, `secondary`, or EC2's own word for another type, such as `trunk` and `efa`."""
        if self.primary:
            return "primary"
        return "secondary" if self.eni.interface_type == "interface" else self.eni.interface_type


@attrs.frozen(kw_only=True)
class CardSurvey:
    """One network card that the instance has, or has ENIs on.

    Attributes:
        managed: whether ipamd sees to it: cards above 0 with ENABLE_MULTI_NIC alone.
        type_limit: the ENIs that the type takes on it; 0 for a card that the type is not known to have.
        eni_limit: the same, or MAX_ENI where that is lower.
        eni_room: the ENIs that ipamd may still add.
        address_count: the addresses that pods can have now, taken or free; in IPv6 mode those of the one /80.
        address_limit: the same, once all ENIs and slots that pods can use are filled.
        growth: what ipamd asks for once all addresses are taken; None where it asks for nothing.
    """

    network_card: int
    managed: bool
    type_limit: int
    eni_limit: int
    eni_count: int
    eni_room: int
    address_count: int
    address_limit: int
    growth: Grow | None


@attrs.frozen(kw_only=True)
class NodeSurvey:
    """A node under the settings that its ipamd is taken to have.

    Attributes:
        node: what was read.
        settings: of its aws-node container.
        mode: what its slots hold.
        max_pods: the kubelet's limit.
        cards: by index.
        enis: those attached, by network card and device index.
        subnets: those that its ENIs are in or that ipamd may make new ones in, by id.
        new_eni_subnets: where ipamd makes a new ENI, the first choice first; empty where that can't be known: an ENIConfig says it.
    """

    node: ObservedNode
    settings: Settings
    mode: AddressMode
    max_pods: int
    cards: tuple[CardSurvey, ...]
    enis: tuple[EniSurvey, ...]
    subnets: tuple[SubnetSurvey, ...]
    new_eni_subnets: tuple[Subnet, ...]

    @property
    def address_count(self) -> int:
        """The addresses that pods can have now, taken or free, on all managed cards."""
        return sum(card.address_count for card in self.cards)

    @property
    def address_limit(self) -> int:
        """The same, once all ENIs and slots that pods can use are filled."""
        return sum(card.address_limit for card in self.cards)

    @property
    def primary(self) -> EniSurvey | None:
        """The primary ENI, None where the source does not show it."""
        return next((eni for eni in self.enis if eni.primary), None)

    def subnet(self, subnet_id: str) -> SubnetSurvey | None:
        """Find a subnet that the node has to do with."""
        return next((subnet for subnet in self.subnets if subnet.subnet.subnet_id == subnet_id), None)

    def to_dict(self) -> dict[str, Any]:
        """The survey as a JSON object."""
        node = self.node
        instance = attrs.asdict(node.instance, filter=lambda attribute, _: attribute.name != "network_interfaces")
        return {
            "read_ns": node.read_ns,
            "instance": instance | {"tags": dict(node.instance.tags)},
            "limits": node.limits.to_dict(),
            "mode": self.mode.value,
            "max_pods": self.max_pods,
            "address_count": self.address_count,
            "address_limit": self.address_limit,
            "cards": [attrs.asdict(card) for card in self.cards],
            "enis": [attrs.asdict(each) | {"kind": each.kind, "eni": _with_tags(each.eni)} for each in self.enis],
            "unattached": [_with_tags(eni) for eni in node.unattached],
            "subnets": [attrs.asdict(each) | {"subnet": _with_tags(each.subnet)} for each in self.subnets],
            "new_eni_subnets": [subnet.subnet_id for subnet in self.new_eni_subnets],
        }


def _with_tags(what: NetworkInterface | Subnet) -> dict[str, Any]:
    """Write it with its tags as an object."""
    return attrs.asdict(what) | {"tags": dict(what.tags)}


def survey(node: ObservedNode, settings: Settings | None = None, *, max_pods: int | None = None) -> NodeSurvey:
    """See a node as the library does.

    Args:
        node: what was read.
        settings: of its aws-node container; None for the manifest as AWS ships it.
        max_pods: the kubelet's limit; None for what EKS sets.

    Raises:
        SettingsError: ipamd would refuse to start with these settings on this type.
    """
    return _Surveyor(node, settings or Settings(), max_pods).survey()


class _Surveyor:
    """The making of one survey."""

    def __init__(self, node: ObservedNode, settings: Settings, max_pods: int | None) -> None:
        self._node = node
        self._settings = settings
        self._mode = settings.address_mode(node.limits)
        self._max_pods = default_max_pods(node.limits, settings) if max_pods is None else max_pods
        self._excluded = frozenset(subnet.subnet_id for subnet in node.subnets if is_excluded(subnet) and discovers_subnets(settings))
        self._candidates = self._new_eni_subnets()

    def survey(self) -> NodeSurvey:
        indexes = sorted({*range(len(self._node.limits.network_cards)), *(place_of(eni)[0] for eni in self._node.enis)})
        cards, enis = [], []
        for index in indexes:
            card, on_card = self._card(index)
            cards.append(card)
            enis += on_card
        ours = {eni.subnet_id for eni in self._node.enis} | {subnet.subnet_id for subnet in self._candidates}
        return NodeSurvey(
            node=self._node,
            settings=self._settings,
            mode=self._mode,
            max_pods=self._max_pods,
            cards=tuple(cards),
            enis=tuple(enis),
            subnets=survey_subnets(self._node, ours, excluded=self._excluded, candidates={each.subnet_id for each in self._candidates}),
            new_eni_subnets=self._candidates,
        )

    def _new_eni_subnets(self) -> tuple[Subnet, ...]:
        home = next((eni for eni in self._node.enis if is_primary(eni)), None)
        if home is None or self._settings.custom_network_cfg or self._mode is AddressMode.IPV6:
            return ()
        own = self._node.subnet(home.subnet_id)
        fallback = () if own is None else (own,)
        return (discovered_subnets(self._node.subnets, home) if discovers_subnets(self._settings) else ()) or fallback

    # --- one card ------------------------------------------------------------------------------------------------------------

    def _card(self, index: int) -> tuple[CardSurvey, list[EniSurvey]]:
        on_card = [eni for eni in self._node.enis if card_index(eni) == index]
        managed_card = index == DEFAULT_NETWORK_CARD or self._settings.enable_multi_nic
        membership = Membership(self._settings.manage_untagged_eni)
        managed = membership.managed(on_card, index, self._node.instance.instance_id) if managed_card else {}
        datastore = self._datastore(index, managed.values())
        view = pool_view(
            datastore,
            self._settings,
            self._node.limits,
            self._node.read_ns,
            max_pods=self._max_pods,
            unmanaged_eni_count=len(on_card) - len(datastore.eni_ids),
        )
        stats = {each.eni_id: each for each in view.enis}
        card = CardSurvey(
            network_card=index,
            managed=managed_card,
            type_limit=Settings().eni_limit(self._node.limits, index),
            eni_limit=view.eni_limit,
            eni_count=len(on_card),
            eni_room=view.eni_room if managed_card and self._grows else 0,
            address_count=view.stats.total_count,
            address_limit=self._address_limit(view) if managed_card and self._grows else view.stats.total_count,
            growth=grow(_all_taken(view), self._settings.for_network_card(index)) if managed_card and self._grows else None,
        )
        return card, [self._eni(eni, managed, stats.get(eni.eni_id)) for eni in on_card]

    @property
    def _grows(self) -> bool:
        return self._settings.provisioning_enabled and self._mode is not AddressMode.IPV6

    def _datastore(self, index: int, enis: Iterable[NetworkInterface]) -> Datastore:
        """Put ENIs into a datastore as a node does. What it refuses is left out; the audit has a rule for each such case."""
        datastore = Datastore(mode=self._mode, network_card=index)
        for eni in enis:
            with contextlib.suppress(DatastoreError, OutOfRange):
                add_eni(datastore, eni, self._excluded, self._node.read_ns)
                for cidr in pod_cidrs(eni, self._mode):
                    with contextlib.suppress(DatastoreError, InvalidCidr):
                        datastore.add_cidr(eni.eni_id, cidr)
        return datastore

    def _address_limit(self, view: PoolView) -> int:
        """The addresses of what can be filled, and of what is there beyond that, such as on the primary ENI under custom networking.

        New ENIs give none where their only subnet is excluded.
        """
        usable = [eni for eni in view.enis if view.takes_slots(eni)]
        beyond = sum(eni.total_count for eni in view.enis if not view.takes_slots(eni))
        in_vain = bool(self._candidates) and all(subnet.subnet_id in self._excluded for subnet in self._candidates)
        new = 0 if in_vain else view.eni_room
        return (len(usable) + new) * view.slots_per_eni * view.unit + beyond

    def _eni(self, eni: NetworkInterface, managed: Iterable[str], stats: EniStats | None) -> EniSurvey:
        network_card, device_index = place_of(eni)
        return EniSurvey(
            eni=eni,
            network_card=network_card,
            device_index=device_index,
            primary=is_primary(eni),
            managed=eni.eni_id in managed,
            excluded=eni.subnet_id in self._excluded,
            slot_count=slots_in_use(eni, self._mode),
            address_count=0 if stats is None else stats.total_count,
            stale_cidrs=stale_cidrs(eni, self._mode),
        )


def slots_in_use(eni: NetworkInterface, mode: AddressMode) -> int:
    """Count the places of an ENI that are taken, of the family of the mode."""
    if mode is AddressMode.IPV6:
        return len(eni.ipv6_addresses) + len(eni.ipv6_prefixes)
    return len(eni.secondary_ips) + len(eni.ipv4_prefixes)


def slot_limit(limits: InstanceLimits, mode: AddressMode) -> int:
    """The places of an ENI, of the family of the mode. The primary IPv4 address takes none of these; no IPv6 address is set apart."""
    return limits.ipv6_per_eni if mode is AddressMode.IPV6 else limits.slots_per_eni


def stale_cidrs(eni: NetworkInterface, mode: AddressMode) -> tuple[str, ...]:
    """The CIDRs on an ENI that can carry pods, but not in this mode."""
    if mode is AddressMode.PREFIX:
        return tuple(f"{address}/32" for address in eni.secondary_ips)
    return eni.ipv4_prefixes if mode is AddressMode.SECONDARY_IP else ()


def _all_taken(view: PoolView) -> PoolView:
    """The same card with a pod on every address; to grow, only the counts of the whole pool matter."""
    total = view.stats.total_count
    return attrs.evolve(view, stats=attrs.evolve(view.stats, assigned_count=total, available_count=0, free_prefix_count=0))
