"""Survey a node that was read: which ENIs its ipamd manages, how many addresses pods can use, and how far it can grow.

A survey doesn't see pods, so it can't tell how many addresses are in use, nor what the node does next. It does tell what the node requests
once all its addresses are taken: `CardSurvey.growth`.
"""

import contextlib
from collections.abc import Container, Iterable
from typing import Any

import attrs

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import NetworkInterface, Subnet
from vpcipam.errors import DatastoreError, InvalidCidr, OutOfRange
from vpcipam.inspection.observed import ObservedNode, placed
from vpcipam.inspection.subnet_survey import SubnetSurvey, survey_subnets
from vpcipam.limits import InstanceLimits, MaxPodsBy
from vpcipam.node.interfaces import (
    DEFAULT_NETWORK_CARD,
    DESCRIPTION_PREFIX,
    card_index,
    discovered_subnets,
    is_excluded,
    is_primary,
    place_of,
    pod_cidrs,
)
from vpcipam.node.membership import Membership
from vpcipam.node.view import add_eni, pool_view
from vpcipam.settings import Settings, resolve_max_pods
from vpcipam.stats import EniStats
from vpcipam.warmpool import Grow, PoolView, grow


@attrs.frozen(kw_only=True)
class EniSurvey:
    """One attached ENI.

    Attributes:
        eni: the ENI as it was read.
        primary: it is the instance's primary ENI.
        managed: ipamd manages it.
        excluded: the tags of its subnet keep it from giving pods addresses.
        slot_count: slots taken by secondary IPs and /28s; in IPv6 mode by IPv6 addresses and /80s.
        address_count: the addresses that pods can use, taken or free.
        stale_cidrs: its CIDRs of the mode that is off, which give no new addresses.
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
        """`primary`, `secondary`, or EC2's name for another interface type, such as `trunk` or `efa`."""
        if self.primary:
            return "primary"
        return "secondary" if self.eni.interface_type == "interface" else self.eni.interface_type


@attrs.frozen(kw_only=True)
class CardSurvey:
    """One network card that the instance has, or has ENIs on.

    Attributes:
        managed: ipamd manages it: never a card above 0 without ENABLE_MULTI_NIC, nor one with an EFA-only ENI and no managed ENI.
        type_limit: the most ENIs that the type allows on it; 0 if the type is not known to have this card.
        eni_limit: the lowest of the type's limit, the limit of the default card (which ipamd uses for every card), and MAX_ENI.
        eni_room: how many ENIs ipamd may still add, as far as EC2 allows.
        trunk_expected: there is room for a trunk ENI that is not attached yet; it will take an address of the subnet too.
        address_count: the addresses that pods can use now, taken or free; in IPv6 mode those of the one /80.
        address_limit: the addresses that pods can use once all ENIs and slots for pods are filled.
        growth: what ipamd requests once all addresses are taken, None for nothing.
    """

    network_card: int
    managed: bool
    type_limit: int
    eni_limit: int
    eni_count: int
    eni_room: int
    trunk_expected: bool
    address_count: int
    address_limit: int
    growth: Grow | None


@attrs.frozen(kw_only=True)
class NodeSurvey:
    """A node under given settings of its ipamd.

    Attributes:
        node: what was read.
        settings: the settings of its aws-node container.
        mode: what its slots hold.
        max_pods: the kubelet's limit.
        max_pods_by: what sets `max_pods`; None if it was given.
        cards: the network cards, by index.
        enis: the attached ENIs, by network card and device index.
        subnets: the subnets that its ENIs are in or that ipamd may create ENIs in, by id.
        new_eni_subnets: where ipamd creates ENIs, the first choice first; empty if there is none, or if EC2 doesn't show it, as with an
            ENIConfig of which the node has no ENI yet.
        lacks_eni_subnet: the tags of the subnets allow no new ENI, so ipamd creates none.
    """

    node: ObservedNode
    settings: Settings
    mode: AddressMode
    max_pods: int
    max_pods_by: MaxPodsBy | None
    cards: tuple[CardSurvey, ...]
    enis: tuple[EniSurvey, ...]
    subnets: tuple[SubnetSurvey, ...]
    new_eni_subnets: tuple[Subnet, ...]
    lacks_eni_subnet: bool

    @property
    def address_count(self) -> int:
        """The addresses that pods can use now, taken or free, on all managed cards."""
        return sum(card.address_count for card in self.cards)

    @property
    def address_limit(self) -> int:
        """The addresses that pods can use once all ENIs and slots for pods are filled."""
        return sum(card.address_limit for card in self.cards)

    @property
    def primary(self) -> EniSurvey | None:
        """The primary ENI, None if the source does not show it."""
        return next((eni for eni in self.enis if eni.primary), None)

    def subnet(self, subnet_id: str) -> SubnetSurvey | None:
        """Find one of `subnets` by id."""
        return next((subnet for subnet in self.subnets if subnet.subnet.subnet_id == subnet_id), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the survey as a JSON object."""
        node = self.node
        # What equality ignores, only the model knows.
        instance = attrs.asdict(node.instance, filter=lambda attribute, _: attribute.eq and attribute.name != "network_interfaces")
        return {
            "read_ns": node.read_ns,
            "instance": instance | {"tags": dict(node.instance.tags)},
            "limits": node.limits.to_dict(),
            "mode": self.mode.value,
            "max_pods": self.max_pods,
            "max_pods_by": self.max_pods_by,
            "address_count": self.address_count,
            "address_limit": self.address_limit,
            "cards": [attrs.asdict(card) for card in self.cards],
            "enis": [attrs.asdict(each) | {"kind": each.kind, "eni": _with_tags(each.eni)} for each in self.enis],
            "unattached": [_with_tags(eni) for eni in node.unattached],
            "subnets": [attrs.asdict(each) | {"subnet": _with_tags(each.subnet)} for each in self.subnets],
            "new_eni_subnets": [subnet.subnet_id for subnet in self.new_eni_subnets],
        }


def _with_tags(what: NetworkInterface | Subnet) -> dict[str, Any]:
    """Return an ENI or a subnet, with its tags, as a JSON object."""
    return attrs.asdict(what) | {"tags": dict(what.tags)}


def survey(
    node: ObservedNode,
    settings: Settings | None = None,
    *,
    max_pods: int | None = None,
    max_pods_by: MaxPodsBy | str | None = None,
) -> NodeSurvey:
    """Survey a node.

    Args:
        node: what was read.
        settings: the settings of its aws-node container; None for the manifest as AWS ships it.
        max_pods: the kubelet's limit; None for what `max_pods_by` sets.
        max_pods_by: what sets the kubelet's limit; None for a managed node group. Give this or `max_pods`, not both.

    Raises:
        InvalidArgument: `max_pods` is below 1, `max_pods_by` is unknown, or both are given.
        SettingsError: ipamd would refuse to start with these settings on this type.
    """
    return _Surveyor(node, settings or Settings(), max_pods, max_pods_by).survey()


class _Surveyor:
    """Make one survey."""

    def __init__(self, node: ObservedNode, settings: Settings, max_pods: int | None, max_pods_by: MaxPodsBy | str | None) -> None:
        self._node = node
        self._settings = settings
        self._mode = settings.address_mode(node.limits)
        self._max_pods, self._max_pods_by = resolve_max_pods(node.limits, settings, max_pods, max_pods_by)
        tagged = frozenset(subnet.subnet_id for subnet in node.subnets if is_excluded(subnet, settings.cluster_name))
        self._excluded: frozenset[str] = tagged if settings.enable_subnet_discovery else frozenset()
        known = self._new_eni_subnets(tagged)
        self._candidates = known or ()
        self._lacks_eni_subnet = known == ()

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
            max_pods_by=self._max_pods_by,
            cards=tuple(cards),
            enis=tuple(enis),
            subnets=survey_subnets(self._node, ours, excluded=self._excluded, candidates={each.subnet_id for each in self._candidates}),
            new_eni_subnets=self._candidates,
            lacks_eni_subnet=self._lacks_eni_subnet,
        )

    def _new_eni_subnets(self, tagged: Container[str]) -> tuple[Subnet, ...] | None:
        """The subnets that ipamd creates ENIs in, best first; None if EC2 does not show them. The subnets in `tagged` are excluded."""
        primary = next((eni for eni in self._node.enis if is_primary(eni)), None)
        if primary is None or self._mode is AddressMode.IPV6:
            return None
        if self._settings.custom_network_cfg:
            return self._subnet_of_eni_config(primary)
        own = self._node.subnet(primary.subnet_id)
        if self._settings.enable_subnet_discovery:
            found = discovered_subnets(self._node.subnets, placed(primary, self._node.subnets), self._settings.cluster_name)
            return found if own is not None else found or None
        if own is None:
            return None
        return () if own.subnet_id in tagged else (own,)

    def _subnet_of_eni_config(self, primary: NetworkInterface) -> tuple[Subnet, ...] | None:
        """The subnet of the ENIConfig, which the other ENIs of the node are in; None if they don't tell.

        An ENI in the node's own subnet can be older than custom networking.
        """
        ours = (eni for eni in self._node.enis if eni is not primary and eni.description.startswith(DESCRIPTION_PREFIX))
        subnet_ids = {eni.subnet_id for eni in ours}
        subnet = self._node.subnet(subnet_ids.pop()) if len(subnet_ids) == 1 and primary.subnet_id not in subnet_ids else None
        return None if subnet is None else (subnet,)

    # --- one card ------------------------------------------------------------------------------------------------------------

    def _card(self, index: int) -> tuple[CardSurvey, list[EniSurvey]]:
        on_card = [eni for eni in self._node.enis if card_index(eni) == index]
        membership, instance_id = Membership.under(self._settings), self._node.instance.instance_id
        managed_card = index == DEFAULT_NETWORK_CARD or (
            self._settings.enable_multi_nic and membership.manages_card(on_card, index, instance_id)
        )
        managed = membership.managed(on_card, index, instance_id) if managed_card else {}
        datastore = self._datastore(index, managed.values())
        view = pool_view(
            datastore,
            self._settings,
            self._node.limits,
            self._node.read_ns,
            max_pods=self._max_pods,
            unmanaged_eni_count=len(on_card) - len(datastore.eni_ids),
        )
        type_limit = dict(enumerate(self._node.limits.network_cards)).get(index, 0)
        view = attrs.evolve(view, eni_limit=min(view.eni_limit, type_limit))  # EC2 refuses what ipamd may attempt beyond that
        stats = {each.eni_id: each for each in view.enis}
        most = type_limit if self._mode is AddressMode.IPV6 else view.eni_limit  # an IPv6 node asks for a trunk whatever MAX_ENI says
        card = CardSurvey(
            network_card=index,
            managed=managed_card,
            type_limit=type_limit,
            eni_limit=view.eni_limit,
            eni_count=len(on_card),
            eni_room=view.eni_room if managed_card and self._grows else 0,
            trunk_expected=view.trunk_expected and len(on_card) < most,
            address_count=view.stats.total_count,
            address_limit=self._address_limit(view) if managed_card and self._grows else view.stats.total_count,
            growth=grow(_all_taken(view), self._settings.for_network_card(index)) if managed_card and self._grows else None,
        )
        return card, [self._eni(eni, managed, stats.get(eni.eni_id)) for eni in on_card]

    @property
    def _grows(self) -> bool:
        return self._settings.provisioning_enabled and self._mode is not AddressMode.IPV6

    def _datastore(self, index: int, enis: Iterable[NetworkInterface]) -> Datastore:
        """Add ENIs to a datastore as a node does. What it refuses is left out; the audit reports each such case."""
        datastore = Datastore(mode=self._mode, network_card=index)
        for eni in enis:
            with contextlib.suppress(DatastoreError, OutOfRange):
                add_eni(datastore, eni, self._excluded, self._node.read_ns)
                for cidr in pod_cidrs(eni, self._mode):
                    with contextlib.suppress(DatastoreError, InvalidCidr):
                        datastore.add_cidr(eni.eni_id, cidr)
        return datastore

    def _address_limit(self, view: PoolView) -> int:
        """The addresses of all slots that can be filled, and of other slots in use, such as on the primary ENI with custom networking.

        No ENI is added if the tags of the subnets allow none.
        """
        others = sum(eni.total_count for eni in view.enis if not view.takes_slots(eni))
        eni_count = view.pod_eni_limit - (view.eni_room if self._lacks_eni_subnet else 0)
        return eni_count * view.slots_per_eni * view.unit + others

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
    """Count the slots of an ENI that addresses and prefixes of the mode's IP family take."""
    if mode is AddressMode.IPV6:
        return len(eni.ipv6_addresses) + len(eni.ipv6_prefixes)
    return len(eni.secondary_ips) + len(eni.ipv4_prefixes)


def slot_limit(limits: InstanceLimits, mode: AddressMode) -> int:
    """The number of slots that an ENI has for the mode's IP family. The primary IPv4 address takes no slot; every IPv6 address does."""
    return limits.ipv6_per_eni if mode is AddressMode.IPV6 else limits.slots_per_eni


def stale_cidrs(eni: NetworkInterface, mode: AddressMode) -> tuple[str, ...]:
    """The CIDRs of an ENI that pods can use in the other mode, but not in this one."""
    if mode is AddressMode.PREFIX:
        return tuple(f"{address}/32" for address in eni.secondary_ips)
    return eni.ipv4_prefixes if mode is AddressMode.SECONDARY_IP else ()


def _all_taken(view: PoolView) -> PoolView:
    """The view of the same card with a pod on every address. Only the counts that `grow` reads are changed."""
    total = view.stats.total_count
    return attrs.evolve(view, stats=attrs.evolve(view.stats, assigned_count=total, available_count=0, free_prefix_count=0))
