"""Facts that files show about nodes, clusters and accounts, each with its source. Nothing here judges them."""

import re
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import attrs

from vpcipam.datapath.values import Address, Readable, Route, Rule, XtablesChain
from vpcipam.ec2.api import Instance, NetworkInterface, Subnet, SubnetCidrReservation
from vpcipam.inspection.log.line import time_ns
from vpcipam.inspection.log.signs import LogSign
from vpcipam.inspection.releases import ANY_RELEASE, Releases
from vpcipam.journal.protocol import Assigned
from vpcipam.limits import InstanceLimits
from vpcipam.node.interfaces import created_tag_ns
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings

_Value = TypeVar("_Value")
_SNAT = re.compile(r"-j SNAT --to-source (\S+)")


# --- sources -------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Source:
    """The place of a fact.

    Attributes:
        file: the name of the file as it was given; below it, the name within a folder or an archive: `node.tar.gz/ipamd/enis.json`.
        line: the line on which the document begins, or the line itself in a text that is read line by line; from 1.
        path: the place within a JSON or YAML document, such as `.NetworkInterfaces[3]`; empty for the whole document.
        bundle: the folder or archive that the file is in, empty if it is in none. The files of a bundle are those of one node.
    """

    file: str
    line: int = 1
    path: str = ""
    bundle: str = ""

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}" + (f", {self.path}" if self.path else "")


@attrs.frozen
class Fact(Generic[_Value]):
    """A value and where it was read."""

    value: _Value
    source: Source


@attrs.frozen
class Skipped:
    """A part of a file that was not read.

    Attributes:
        what: the part, shortened.
        why: the reason.
    """

    source: Source
    what: str
    why: str


@attrs.frozen
class DocumentRead:
    """Documents of one kind and shape in one file.

    Attributes:
        source: the first of them.
        kind: what they are, in words.
        count: their number.
        releases: the releases of the CNI plugin that write this shape.
        cannot_show: what such a document never has, so that its absence means nothing.
        remarks: what is unusual about them.
    """

    source: Source
    kind: str
    count: int = 1
    releases: Releases = ANY_RELEASE
    cannot_show: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


# --- a node, as ipamd shows it -------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class AddressState:
    """An address that ipamd has used, or uses.

    Attributes:
        held: whether a sandbox holds it.
        key: the sandbox; None if none holds it, or if the document doesn't name it.
        assigned_ns: when it was assigned last; None if the document doesn't say.
        unassigned_ns: when it was given back last; None if it never was, or if the document doesn't say.
    """

    address: str
    held: bool
    key: SandboxKey | None = None
    pod: PodRef | None = None
    assigned_ns: int | None = None
    unassigned_ns: int | None = None


@attrs.frozen(kw_only=True)
class CidrState:
    """A secondary IP (a /32) or a prefix of an ENI.

    Attributes:
        addresses: those that have been used at least once. An address of the CIDR that is missing here is free.
    """

    cidr: str
    is_prefix: bool
    addresses: tuple[AddressState, ...] = ()


@attrs.frozen(kw_only=True)
class EniState:
    """An ENI in ipamd's datastore. A member is None if the document doesn't show it.

    Attributes:
        cut: the text breaks off within this ENI, so that CIDRs and addresses may be missing.
    """

    eni_id: str
    network_card: int | None = None
    device_number: int | None = None
    primary: bool | None = None
    trunk: bool | None = None
    efa: bool | None = None
    excluded: bool | None = None
    subnet_id: str | None = None
    route_table_id: int | None = None
    cidrs: tuple[CidrState, ...] = ()
    cut: bool = False

    @property
    def held(self) -> tuple[AddressState, ...]:
        """The addresses that sandboxes hold."""
        return tuple(each for cidr in self.cidrs for each in cidr.addresses if each.held)


@attrs.frozen(kw_only=True)
class CardState:
    """The counts of ipamd's datastore of one network card; None where the document lacks them.

    Attributes:
        network_card: None before v1.20, where ipamd managed one card only.
    """

    network_card: int | None
    total_count: int | None
    assigned_count: int | None


@attrs.frozen
class NodePod:
    """A pod as `/v1/pods` of old releases shows it."""

    pod: PodRef
    container_id: str
    address: str
    device_number: int | None


@attrs.frozen(kw_only=True)
class KernelState:
    """What the kernel of a node has of one kind, as ip, iptables-save, nft or sysctl shows it.

    Attributes:
        kind: `rules`, `routes`, `interfaces`, `iptables`, `nftables` or `sysctls`.
        families: the IP versions that it shows; empty if that means nothing for its kind.
        tables: of routes, `all` if all tables are shown; of iptables, the tables that are shown.
        values: what the kernel has, as far as a value can say it.
    """

    kind: str
    families: tuple[int, ...] = ()
    tables: tuple[str, ...] = ()
    values: tuple[Readable, ...] = ()

    @property
    def addresses(self) -> Iterator[str]:
        """The addresses of the node and its pods in it, each as often as it is there."""
        for value in self.values:
            texts: tuple[str | None, ...] = ()
            if isinstance(value, Rule):
                texts = (value.source, value.destination)
            elif isinstance(value, Route):
                texts = (value.destination,)
            elif isinstance(value, Address):
                texts = (value.address.partition("/")[0],)
            elif isinstance(value, XtablesChain):
                texts = tuple(_SNAT.findall(" ".join(value.rules)))
            yield from (text.removesuffix("/32").removesuffix("/128") for text in texts if text is not None)


# --- objects of Kubernetes -----------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class NodeObject:
    """A node object. A member is None, or empty, if the document doesn't show it.

    Attributes:
        max_pods: the kubelet's max-pods, as `status.capacity.pods`.
        ready: False too if the control plane has lost contact with it.
        pod_eni_limit: the branch ENIs that pods can have, as `vpc.amazonaws.com/pod-eni`.
        labels: pairs of key and value, sorted.
    """

    name: str
    instance_id: str = ""
    instance_type: str = ""
    zone: str = ""
    max_pods: int | None = None
    pod_eni_limit: int | None = None
    ready: bool | None = None
    cordoned: bool = False
    addresses: tuple[str, ...] = ()
    kubelet_version: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class BranchEni:
    """A branch ENI of a pod, as its annotation `vpc.amazonaws.com/pod-eni` shows it."""

    eni_id: str
    address: str
    vlan_id: int | None


@attrs.frozen(kw_only=True)
class PodObject:
    """A pod object.

    Attributes:
        addresses: its IPs, empty if it has none yet.
        phase: Pending, Running, Succeeded, Failed or Unknown; empty if the document doesn't show it.
        wants_branch_eni: it has security groups of its own, so it asks for a branch ENI as a resource.
        deleting: somebody has deleted it. A finalizer can keep its object for long after that.
        stopped: it has containers, and all of them have ended.
    """

    pod: PodRef
    node_name: str = ""
    addresses: tuple[str, ...] = ()
    host_network: bool = False
    phase: str = ""
    branch_enis: tuple[BranchEni, ...] = ()
    wants_branch_eni: bool = False
    deleting: bool = False
    stopped: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether its containers have ended for good. It then holds no address, though its object may still show one."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def runs(self) -> bool:
        """Whether it can still use the address that its object shows."""
        return not self.has_ended and not (self.deleting and self.stopped)


@attrs.frozen(kw_only=True)
class EventObject:
    """An event object.

    Attributes:
        about: the object, such as `Pod default/web-1`.
        last_seen: as the document writes it; empty if it has no time.
    """

    about: str
    reason: str
    message: str
    kind: str
    count: int
    last_seen: str


@attrs.frozen
class EniConfig:
    """An ENIConfig: the subnet and security groups of pods under custom networking. Empty where only the name is shown."""

    name: str
    subnet_id: str = ""
    security_group_ids: tuple[str, ...] = ()


@attrs.frozen
class CniNode:
    """A CNINode: the features that a node asks the VPC resource controller for, as pairs of name and value."""

    name: str
    features: tuple[tuple[str, str], ...]


@attrs.frozen
class KubeletLimits:
    """What an object of Karpenter's, of nodeadm's, or the kubelet's own configuration sets; None where it sets nothing.

    Attributes:
        owner: the object, such as `EC2NodeClass default`.
        pods_per_core: None too if its nodes don't get it: Bottlerocket, and AMI families of the user's.
    """

    owner: str
    max_pods: int | None
    pods_per_core: int | None

    @property
    def kind(self) -> str:
        """The kind of the object."""
        return self.owner.partition(" ")[0]


@attrs.frozen
class MetricSample:
    """A sample of a metric.

    Attributes:
        labels: pairs of name and value, as they are written.
        value: None for NaN and for infinity.
    """

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float | None


# --- all of it -----------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class HeldAddress:
    """An address that a sandbox holds, from all that the files of a node say about it.

    Attributes:
        key: the sandbox; None if no document names it.
        eni_id: None if only the checkpoint has the address.
        sources: the documents that say so.
    """

    address: str
    eni_id: str | None
    network_card: int | None
    key: SandboxKey | None
    pod: PodRef | None
    assigned_ns: int | None
    sources: tuple[Source, ...]


@attrs.frozen(kw_only=True)
class Evidence:
    """All facts of some files, in the order in which they were read.

    A fact that is missing proves nothing by itself: `documents` says what was read, `skipped` what was not, and `cannot_show` what
    documents of these kinds never have.

    Attributes:
        allocations: the entries of checkpoints (`ipam.json`).
        network_interfaces: ENIs as EC2 shows them.
        instance_types: limits as EC2 shows them.
        settings: the variables of the aws-node container.
        log_signs: troubles and variables that logs tell of; each has the first line that tells of it as its source.
    """

    documents: tuple[DocumentRead, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    cards: tuple[Fact[CardState], ...] = ()
    enis: tuple[Fact[EniState], ...] = ()
    node_pods: tuple[Fact[NodePod], ...] = ()
    allocations: tuple[Fact[Assigned], ...] = ()
    network_interfaces: tuple[Fact[NetworkInterface], ...] = ()
    instances: tuple[Fact[Instance], ...] = ()
    subnets: tuple[Fact[Subnet], ...] = ()
    reservations: tuple[Fact[SubnetCidrReservation], ...] = ()
    instance_types: tuple[Fact[InstanceLimits], ...] = ()
    settings: tuple[Fact[Settings], ...] = ()
    nodes: tuple[Fact[NodeObject], ...] = ()
    pods: tuple[Fact[PodObject], ...] = ()
    events: tuple[Fact[EventObject], ...] = ()
    eni_configs: tuple[Fact[EniConfig], ...] = ()
    cni_nodes: tuple[Fact[CniNode], ...] = ()
    kubelet_limits: tuple[Fact[KubeletLimits], ...] = ()
    metrics: tuple[Fact[MetricSample], ...] = ()
    log_signs: tuple[Fact[LogSign], ...] = ()
    kernel_states: tuple[Fact[KernelState], ...] = ()

    @property
    def cannot_show(self) -> tuple[tuple[str, str], ...]:
        """The kinds of documents that were read, each with something that it never shows; another kind may show it."""
        return tuple(dict.fromkeys((document.kind, text) for document in self.documents for text in document.cannot_show))

    def facts(self) -> Iterator[tuple[str, tuple[Fact[Any], ...]]]:
        """Yield each kind of fact that there is, with its name and its facts."""
        for field in attrs.fields(type(self)):
            found = getattr(self, field.name)
            if field.name not in ("documents", "skipped") and found:
                yield field.name, found

    def shown_network_interfaces(self) -> Iterator[NetworkInterface]:
        """Yield the ENIs that EC2 shows, those of DescribeInstances only where no other answer shows them."""
        shown = {fact.value.eni_id for fact in self.network_interfaces}
        for instance in self.instances:
            yield from (eni for eni in instance.value.network_interfaces if eni.eni_id not in shown)
        yield from (fact.value for fact in self.network_interfaces)

    def times(self) -> Iterator[int]:
        """Yield all times that stand anywhere, in Unix nanoseconds."""
        for eni in self.enis:
            for address in (each for cidr in eni.value.cidrs for each in cidr.addresses):
                yield from (each for each in (address.assigned_ns, address.unassigned_ns) if each)
        yield from (each.value.assigned_ns for each in self.allocations)
        yield from (each.value.launched_ns for each in self.instances)
        yield from filter(None, (time_ns(each.value.last_seen) for each in self.events))
        yield from filter(None, (created_tag_ns(each.value) for each in self.network_interfaces))

    def held_addresses(self) -> tuple[HeldAddress, ...]:
        """Join the datastores that introspection shows to the checkpoints of the same bundle, by address.

        From v1.23 introspection no longer names the sandbox that holds an address; the checkpoint does. If a bundle has several
        allocations of an address, none of them is joined: nobody knows which is right. Each stands alone.
        """
        by_place: dict[tuple[str, str], list[Fact[Assigned]]] = {}
        for allocation in self.allocations:
            by_place.setdefault((allocation.source.bundle, allocation.value.address), []).append(allocation)
        found = [_held(eni, state, by_place) for eni in self.enis for state in eni.value.held]
        alone = [each for allocations in by_place.values() for each in allocations]
        return (*found, *map(_only_in_checkpoint, alone))


def _held(eni: Fact[EniState], state: AddressState, by_place: dict[tuple[str, str], list[Fact[Assigned]]]) -> HeldAddress:
    """Return a held address of introspection; take the allocation that it is joined to out of `by_place`."""
    place = (eni.source.bundle, state.address)
    allocations = by_place.get(place, [])
    joined = None
    if len(allocations) == 1 and state.key in (None, allocations[0].value.key):
        joined = by_place.pop(place)[0]
    entry = None if joined is None else joined.value
    return HeldAddress(
        address=state.address,
        eni_id=eni.value.eni_id,
        network_card=eni.value.network_card,
        key=state.key if entry is None else entry.key,
        pod=state.pod if entry is None or state.pod is not None else entry.pod,
        assigned_ns=state.assigned_ns if entry is None or state.assigned_ns is not None else entry.assigned_ns,
        sources=(eni.source,) if joined is None else (eni.source, joined.source),
    )


def _only_in_checkpoint(allocation: Fact[Assigned]) -> HeldAddress:
    entry = allocation.value
    return HeldAddress(
        address=entry.address,
        eni_id=None,
        network_card=None,
        key=entry.key,
        pod=entry.pod,
        assigned_ns=entry.assigned_ns,
        sources=(allocation.source,),
    )
