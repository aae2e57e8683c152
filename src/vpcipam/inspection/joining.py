"""Joins the facts of an `Evidence` into nodes, by instance id, private address and ENI id. Nothing here judges them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

import attrs

from vpcipam.ec2.api import Instance, NetworkInterface
from vpcipam.errors import UnknownInstanceType
from vpcipam.inspection.address_owners import AddressOwners
from vpcipam.inspection.aws_node import NO_NODE, looks_like_a_node, why_no_aws_node
from vpcipam.inspection.cluster import ClusterCase, NodeCase, is_partial
from vpcipam.inspection.evidence import (
    EventObject,
    Evidence,
    Fact,
    NodeObject,
    PodObject,
    Source,
)
from vpcipam.inspection.ipamd_files import IpamdFiles, ipamd_files
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.observed_files import observe
from vpcipam.limits import InstanceLimits, MaxPodsBy, instance_limits
from vpcipam.node.interfaces import is_primary
from vpcipam.settings import Settings

_Value = TypeVar("_Value")

UNNAMED = "the node"
"""The name of a node of which only files of its ipamd are there."""


@attrs.frozen(kw_only=True)
class Assumptions:
    """What a person says about nodes beside the files.

    Attributes:
        settings: the variables of aws-node, where no file shows them; None to leave the rules that need them unchecked.
        given_settings: a person gave `settings`, so that they count for every node, whatever files show.
        max_pods: the kubelet's limit; None for the node object's.
        max_pods_by: what sets it, if no node object tells the number.
    """

    settings: Settings | None = None
    given_settings: bool = False
    max_pods: int | None = None
    max_pods_by: MaxPodsBy | str | None = None


def join(evidence: Evidence, observed: Iterable[ObservedNode] = (), assumptions: Assumptions = Assumptions()) -> ClusterCase:
    """Join facts into nodes.

    Args:
        evidence: what was read from files.
        observed: nodes that were read from EC2 itself. Their facts are in `evidence` too.
        assumptions: what a person says.
    """
    return _Join(evidence, tuple(observed), assumptions).case()


@attrs.define
class _Place:
    """A node while it is put together."""

    instance_id: str = ""
    instance: Fact[Instance] | None = None
    node: Fact[NodeObject] | None = None
    object_name: str = ""
    enis: dict[str, Fact[NetworkInterface]] = attrs.field(factory=dict)
    files: IpamdFiles | None = None

    @property
    def name(self) -> str:
        bundle = "" if self.files is None else self.files.bundle
        return self.object_name or self.instance_id or bundle or UNNAMED


class _Join:
    def __init__(self, evidence: Evidence, observed: tuple[ObservedNode, ...], assumptions: Assumptions) -> None:
        self._evidence = evidence
        self._live = {node.instance.instance_id: node for node in observed}
        self._assumptions = assumptions
        self._enis = _newest(evidence.network_interfaces, lambda eni: eni.eni_id)
        self._subnets = _newest(evidence.subnets, lambda subnet: subnet.subnet_id)
        self._types = _newest(evidence.instance_types, lambda limits: limits.instance_type)
        self._pods = _grouped(evidence.pods, lambda pod: pod.node_name)
        self._events_about = _grouped(evidence.events, lambda event: event.about)
        self._scheduled = _grouped(
            (event for event in evidence.events if event.value.reason == "Scheduled"), lambda event: event.message.rpartition(" to ")[2]
        )
        self._neighbours = _grouped(self._enis.values(), lambda eni: eni.subnet_id)
        self._settings_by_source = {fact.source: fact for fact in evidence.settings}
        self._kinds = frozenset(name for name, _ in evidence.facts())
        self._namespaces = frozenset(pod.value.pod.namespace for pod in evidence.pods)
        self._owners = AddressOwners(evidence.shown_network_interfaces())
        self._partial = {document.source.file for document in evidence.documents if any("NextToken" in each for each in document.remarks)}
        self._places: list[_Place] = []
        self._by_instance: dict[str, _Place] = {}

    def case(self) -> ClusterCase:
        evidence = self._evidence
        for instance in _newest(evidence.instances, lambda each: each.instance_id or str(id(each))).values():
            self._place(instance.value.instance_id).instance = instance
        for eni in self._enis.values():
            attachment = eni.value.attachment
            if attachment is not None and attachment.instance_id:
                self._place(attachment.instance_id).enis[eni.value.eni_id] = eni
        self._add_enis_of_instances()
        self._add_node_objects()
        self._add_files()
        latest_ns = max(evidence.times(), default=0)
        live_ns = [node.read_ns for node in self._live.values()]
        return ClusterCase(
            evidence=evidence,
            nodes=tuple(self._node(place, latest_ns) for place in self._places),
            network_interfaces=self._enis,
            subnets=self._subnets,
            settings=self._shared_settings,
            latest_ns=latest_ns,
            owners=self._owners,
            kinds=self._kinds,
            now_ns=max(live_ns) if live_ns else None,
        )

    def _place(self, instance_id: str) -> _Place:
        place = self._by_instance.get(instance_id) if instance_id else None
        if place is None:
            place = _Place(instance_id)
            self._places.append(place)
            if instance_id:
                self._by_instance[instance_id] = place
        return place

    def _add_enis_of_instances(self) -> None:
        """Take ENIs from DescribeInstances where DescribeNetworkInterfaces doesn't show them; they have no tags."""
        for place in self._places:
            if place.instance is None:
                continue
            for eni in place.instance.value.network_interfaces:
                if eni.eni_id and eni.eni_id not in self._enis:
                    place.enis[eni.eni_id] = Fact(eni, place.instance.source)

    def _add_node_objects(self) -> None:
        by_address = {eni.value.private_ip: place for place in self._places for eni in place.enis.values() if eni.value.private_ip}
        for fact in _newest(self._evidence.nodes, lambda node: node.name).values():
            node = fact.value
            places = (self._by_instance.get(node.instance_id), *map(by_address.get, node.addresses))
            place = next((each for each in places if each is not None), None)
            if place is None or place.node is not None:
                place = self._place(node.instance_id if node.instance_id not in self._by_instance else "")
            place.node, place.object_name = fact, node.name
        self._add_nodes_of_pods(by_address)

    def _add_nodes_of_pods(self, by_address: Mapping[str, _Place]) -> None:
        """Take the nodes that only pods and their events name. A host-network pod has its node's address."""
        known = {"", *(place.object_name for place in self._places)}
        for name in dict.fromkeys((*self._pods, *self._scheduled)):
            if name in known:
                continue
            own = (address for pod in self._pods.get(name, ()) if pod.value.host_network for address in pod.value.addresses)
            found = next((by_address[address] for address in own if address in by_address), None)
            place = self._place("") if found is None or found.object_name else found
            place.object_name = name

    def _add_files(self) -> None:
        """Give the files of each ipamd to the node whose ENIs, addresses or pods they show."""
        by_clue: dict[str, int] = {}
        by_name: dict[str, int] = {}
        for number, known in enumerate(self._places):
            by_clue |= dict.fromkeys(known.enis, number)
            for eni in known.enis.values():
                by_clue |= dict.fromkeys((*eni.value.single_ips, *eni.value.ipv4_prefixes), number)
            by_name[known.object_name] = number
        for pod in self._evidence.pods:
            if not pod.value.host_network and pod.value.node_name:
                by_clue |= dict.fromkeys(pod.value.addresses, by_name[pod.value.node_name])
        for files in ipamd_files(self._evidence, by_clue):
            place = None if files.place is None else self._places[files.place]
            if place is None and len(self._places) == 1 and not (files.enis and self._places[0].enis):
                place = self._places[0]  # the only node that there is; nothing says that the files are another's
            if place is None or place.files is not None:
                self._places.append(_Place(files=files))
            else:
                place.files = files

    # --- one node ------------------------------------------------------------------------------------------------------------

    def _node(self, place: _Place, latest_ns: int) -> NodeCase:
        limits, limits_source = self._limits(place)
        files = place.files or IpamdFiles()
        no_aws_node = self._why_no_aws_node(place)
        settings, assumed = (None, False) if no_aws_node else self._settings(place)
        name = place.name
        pods = tuple(self._pods.get(place.object_name, ())) if place.object_name else ()
        enis = tuple(sorted(place.enis.values(), key=lambda fact: fact.value.eni_id))
        live = self._live.get(place.instance_id)
        observed = live or observe(
            place.instance_id,
            instance=place.instance,
            enis=enis,
            limits=limits,
            neighbours=self._neighbours,
            subnets=self._subnets,
            latest_ns=latest_ns,
            reservations=self._evidence.reservations,
        )
        vpc_id = "" if observed is None else observed.instance.vpc_id
        subnets = {key: fact for key, fact in self._subnets.items() if vpc_id in ("", fact.value.vpc_id)}
        return NodeCase(
            name=name,
            instance_id=place.instance_id,
            instance=place.instance,
            node=place.node,
            no_aws_node=no_aws_node,
            observed=observed,
            network_interfaces=enis,
            shows_all_enis=self._shows_all_enis(place),
            owners=self._owners,
            limits=limits,
            limits_source=limits_source,
            enis=files.enis,
            cards=files.cards,
            allocations=files.allocations,
            held=files.held,
            checkpoint_count=files.checkpoint_count,
            has_log=files.has_log,
            node_pods=files.node_pods,
            metrics=files.metrics,
            log_signs=files.log_signs,
            kernel_states=files.kernel_states,
            settings=settings,
            assumed_settings=assumed,
            max_pods_by=self._assumptions.max_pods_by,
            given_max_pods=self._assumptions.max_pods,
            pods=pods,
            kinds=self._kinds,
            namespaces=self._namespaces,
            events=tuple(self._events(place, pods)),
            subnets=subnets,
            reservations=tuple(each for each in self._evidence.reservations if each.value.subnet_id in subnets),
            latest_ns=files.latest_ns,
        )

    def _why_no_aws_node(self, place: _Place) -> str:
        if place.node is not None or place.object_name or place.files is not None or place.instance_id in self._live:
            return "" if place.node is None else why_no_aws_node(dict(place.node.value.labels))
        shows_tags = place.enis.keys() <= self._enis.keys()
        is_told = "nodes" in self._kinds or (shows_tags and any(map(_looks_like_a_node, self._places)))
        return NO_NODE if is_told and not _looks_like_a_node(place) else ""

    def _shows_all_enis(self, place: _Place) -> bool:
        if any(fact.source.file in self._partial for fact in place.enis.values()):
            return False
        return place.instance is not None or any(is_primary(fact.value) for fact in place.enis.values())

    def _limits(self, place: _Place) -> tuple[InstanceLimits | None, Source | None]:
        live = self._live.get(place.instance_id)
        if live is not None:
            return live.limits, None
        shown = "" if place.instance is None else place.instance.value.instance_type
        instance_type = shown or ("" if place.node is None else place.node.value.instance_type)
        if instance_type in self._types:
            fact = self._types[instance_type]
            return fact.value, fact.source
        try:
            return instance_limits(instance_type), None
        except UnknownInstanceType:
            return None, None

    def _settings(self, place: _Place) -> tuple[Fact[Settings] | None, bool]:
        """The settings of a node: those of its aws-node pod, of its own files, or of the cluster, in this order."""
        given = self._assumptions.settings
        assumed = None if given is None else Fact(given, Source("given" if self._assumptions.given_settings else "assumed"))
        if assumed is not None and self._assumptions.given_settings:
            return assumed, False
        found = (*self._settings_of_pods(place), *self._settings_of_files(place), self._shared_settings)
        first = next((each for each in found if each is not None), None)
        return (first, False) if first is not None else (assumed, assumed is not None)

    def _settings_of_pods(self, place: _Place) -> Iterator[Fact[Settings]]:
        if place.object_name:
            on_node = (pod.source for pod in self._pods.get(place.object_name, ()))
            yield from (self._settings_by_source[source] for source in on_node if source in self._settings_by_source)

    def _settings_of_files(self, place: _Place) -> Iterator[Fact[Settings]]:
        if place.files is not None and place.files.bundle:
            yield from (fact for fact in self._evidence.settings if fact.source.bundle == place.files.bundle)

    @cached_property
    def _shared_settings(self) -> Fact[Settings] | None:
        """The settings that no single node has, wherever the file with them was put; None if they differ."""
        pods = {pod.source for pod in self._evidence.pods}
        bundles = {place.files.bundle for place in self._places if place.files is not None} - {""}
        shared = [
            fact
            for fact in self._evidence.settings
            if fact.source not in pods and not (fact.source.bundle in bundles and is_partial(fact.value))
        ]
        whole = [fact for fact in shared if not is_partial(fact.value)] or shared
        return whole[-1] if whole and all(fact.value == whole[-1].value for fact in whole) else None

    def _events(self, place: _Place, pods: Iterable[Fact[PodObject]]) -> Iterator[Fact[EventObject]]:
        """The events about a node and about its pods; a pod without an object counts if an event says where it was bound to."""
        name = place.object_name
        if not name:
            return
        about = dict.fromkeys((f"Node {name}", *(f"Pod {pod.value.pod}" for pod in pods)))
        about |= dict.fromkeys(event.value.about for event in self._scheduled.get(name, ()))
        for each in about:
            yield from self._events_about.get(each, ())


def _looks_like_a_node(place: _Place) -> bool:
    instance = None if place.instance is None else place.instance.value
    return looks_like_a_node(instance, (fact.value for fact in place.enis.values()))


def _newest(facts: Iterable[Fact[_Value]], key: Callable[[_Value], str]) -> dict[str, Fact[_Value]]:
    """Return facts by key; the last one that was read counts."""
    return {key(fact.value): fact for fact in facts}


def _grouped(facts: Iterable[Fact[_Value]], key: Callable[[_Value], str]) -> dict[str, list[Fact[_Value]]]:
    found: dict[str, list[Fact[_Value]]] = {}
    for fact in facts:
        found.setdefault(key(fact.value), []).append(fact)
    return found
