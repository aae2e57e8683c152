"""What the rules look at: the facts of an `Evidence` by node. `joining` puts them together."""

from collections.abc import Mapping
from functools import cached_property

import attrs

from vpcipam.address import AddressMode
from vpcipam.ec2.api import Instance, NetworkInterface, Subnet, SubnetCidrReservation
from vpcipam.errors import SettingsError
from vpcipam.inspection.address_owners import AddressOwners
from vpcipam.inspection.evidence import (
    CardState,
    EniState,
    EventObject,
    Evidence,
    Fact,
    HeldAddress,
    KernelState,
    MetricSample,
    NodeObject,
    NodePod,
    PodObject,
    Source,
)
from vpcipam.inspection.log.signs import LogSign
from vpcipam.inspection.observed import ObservedNode
from vpcipam.inspection.survey import NodeSurvey, survey
from vpcipam.journal.protocol import Assigned
from vpcipam.limits import InstanceLimits, MaxPodsBy
from vpcipam.node.interfaces import is_primary
from vpcipam.settings import Settings


@attrs.frozen(kw_only=True)
class NodeCase:
    """All that was read about one node. A member is None, or empty, if nothing shows it.

    Attributes:
        name: its name in Kubernetes, else its instance id, else the bundle of its files.
        no_aws_node: why aws-node doesn't run on it, as far as can be told; empty if it can. The variables of others don't count for it.
        observed: what EC2 shows of it, for the rules about EC2's answers.
        network_interfaces: its attached ENIs, as EC2 shows them.
        shows_all_enis: these are all that it has, as far as can be told: DescribeInstances shows it, or the primary ENI is among them, and
            no page of the answer is missing.
        owners: the ENIs of all nodes and of others, by their addresses.
        limits: those of its type, as EC2 shows them, else by the library's table.
        limits_source: where EC2 shows them; None for the table.
        enis: the ENIs in its ipamd's datastores.
        cards: the counts of these datastores.
        held: the addresses that its sandboxes hold, by ipamd's ENIs and checkpoint.
        checkpoint_count: how many checkpoints were read, each of one network card, even if they are empty.
        has_log: a log of its ipamd was read.
        node_pods: pods by `/v1/pods`.
        metrics: samples of ipamd's metrics.
        log_signs: troubles and variables that its logs tell of.
        kernel_states: what its kernel has.
        settings: the variables of its aws-node container; None if no document shows them, or if several contradict each other.
        assumed_settings: `settings` are not read from it, but assumed.
        max_pods_by: what sets the kubelet's max-pods if no node object tells the number.
        pods: the pods that were bound to it.
        kinds: the kinds of facts that were read at all, as `Evidence` names them: with `pods` in it, a pod that is missing is gone.
        namespaces: the namespaces of all pods that were read, of other nodes too.
        events: the events about it and about its pods.
        subnets: the subnets of its VPC, or all that were read if its VPC is unknown; by id.
        reservations: the CIDR reservations of these subnets.
        latest_ns: the latest time that stands in the files of its ipamd; 0 if none does. They were written then or later.
    """

    name: str
    instance_id: str = ""
    instance: Fact[Instance] | None = None
    node: Fact[NodeObject] | None = None
    no_aws_node: str = ""
    observed: ObservedNode | None = None
    network_interfaces: tuple[Fact[NetworkInterface], ...] = ()
    shows_all_enis: bool = False
    owners: AddressOwners = attrs.field(factory=AddressOwners, repr=False)
    limits: InstanceLimits | None = None
    limits_source: Source | None = None
    enis: tuple[Fact[EniState], ...] = ()
    cards: tuple[Fact[CardState], ...] = ()
    allocations: tuple[Fact[Assigned], ...] = ()
    held: tuple[HeldAddress, ...] = ()
    checkpoint_count: int = 0
    has_log: bool = False
    node_pods: tuple[Fact[NodePod], ...] = ()
    metrics: tuple[Fact[MetricSample], ...] = ()
    log_signs: tuple[Fact[LogSign], ...] = ()
    kernel_states: tuple[Fact[KernelState], ...] = ()
    settings: Fact[Settings] | None = None
    assumed_settings: bool = False
    max_pods_by: MaxPodsBy | str | None = None
    given_max_pods: int | None = None
    pods: tuple[Fact[PodObject], ...] = ()
    kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    events: tuple[Fact[EventObject], ...] = ()
    subnets: Mapping[str, Fact[Subnet]] = attrs.field(factory=dict)
    reservations: tuple[Fact[SubnetCidrReservation], ...] = ()
    latest_ns: int = 0

    @cached_property
    def survey(self) -> NodeSurvey | None:
        """What the node can have; None if EC2's answers are missing, or if ipamd refuses the settings on this type."""
        if self.observed is None:
            return None
        settings = None if self.settings is None else self.settings.value
        try:
            return survey(self.observed, settings, max_pods=self.max_pods, max_pods_by=self.max_pods_by if self.max_pods is None else None)
        except SettingsError:
            return None

    @property
    def vpc_id(self) -> str:
        """Its VPC; empty if EC2 doesn't show it. An ENI other than the primary one can be in another VPC."""
        shown = "" if self.instance is None else self.instance.value.vpc_id
        by_primary = sorted(self.network_interfaces, key=lambda fact: not is_primary(fact.value))
        return shown or next((fact.value.vpc_id for fact in by_primary if fact.value.vpc_id), "")

    def owner_of(self, address: str) -> NetworkInterface | None:
        """Find the ENI that has an address, in the VPCs of the node's ENIs; None if EC2 shows none."""
        vpc_ids = dict.fromkeys((self.vpc_id, *(fact.value.vpc_id for fact in self.network_interfaces)))
        return next(filter(None, (self.owners.of_address(vpc_id, address) for vpc_id in vpc_ids)), None)

    @property
    def mode(self) -> AddressMode | None:
        """What its slots hold; None if its type or its settings are unknown, or if ipamd refuses these settings on this type."""
        if self.limits is None or self.settings is None:
            return None
        try:
            return self.settings.value.address_mode(self.limits)
        except SettingsError:
            return None

    @property
    def has_read_settings(self) -> bool:
        """Tell whether `settings` are whole, and read or given: neither assumed, nor those few that introspection shows."""
        return self.settings is not None and not self.assumed_settings and not is_partial(self.settings.value)

    @property
    def max_pods(self) -> int | None:
        """The kubelet's max-pods, as given or as the node object shows it."""
        if self.given_max_pods is not None:
            return self.given_max_pods
        shown = None if self.node is None else self.node.value.max_pods
        return shown or None

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where EC2's ENIs of the node were read; each file once."""
        found = {fact.source.file: fact.source for fact in self.network_interfaces}
        return tuple(found.values())


@attrs.frozen(kw_only=True)
class ClusterCase:
    """All that was read, by node.

    Attributes:
        evidence: the facts themselves.
        nodes: in the order in which they were first seen.
        network_interfaces: all ENIs, attached or not, as EC2 shows them, by id. The last answer that shows an ENI counts.
        subnets: by id, likewise.
        settings: the variables of the cluster's aws-node, if it has one set of them.
        latest_ns: the latest time that stands in any file; 0 if none does.
        owners, kinds: as in `NodeCase`.
        now_ns: the time at which EC2 was read; None if only files were read.
    """

    evidence: Evidence
    nodes: tuple[NodeCase, ...]
    network_interfaces: Mapping[str, Fact[NetworkInterface]]
    subnets: Mapping[str, Fact[Subnet]]
    settings: Fact[Settings] | None
    latest_ns: int
    owners: AddressOwners = attrs.field(factory=AddressOwners, repr=False)
    kinds: frozenset[str] = frozenset()
    now_ns: int | None = None

    def node_named(self, name: str) -> NodeCase | None:
        """Find a node by its name, None if there is none."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, NodeCase]:
        return {node.name: node for node in self.nodes}


def is_partial(settings: Settings) -> bool:
    """Tell whether settings come from introspection, which shows few variables."""
    return any(each.variable == "introspection" for each in settings.diagnostics)
