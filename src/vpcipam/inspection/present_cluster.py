"""The cluster that files show, as the planner takes it: nodes with their pods, subnets with what is taken, and what nothing shows."""

import functools
from collections.abc import Iterable, Iterator, Mapping

import attrs

from vpcipam._units import counted
from vpcipam.address import Cidr
from vpcipam.ec2.api import NetworkInterface, Subnet
from vpcipam.ec2.subnet_rules import IPV4_PREFIX_LENGTHS
from vpcipam.errors import EvidenceError
from vpcipam.inspection.cluster import ClusterCase, NodeCase
from vpcipam.inspection.evidence import EniConfig, Evidence, PodObject
from vpcipam.inspection.joining import Assumptions, join
from vpcipam.inspection.subnet_survey import parse_valid
from vpcipam.limits import MaxPodsBy
from vpcipam.node.interfaces import INSTANCE_TAG, discovered_subnets, is_excluded, is_primary
from vpcipam.planner import NodeGroup, PresentCluster, PresentNode, PresentSubnet
from vpcipam.settings import VARIABLES, Settings

GROUP_LABELS = (
    ("eks.amazonaws.com/nodegroup", MaxPodsBy.MANAGED_NODE_GROUP),
    ("karpenter.sh/nodepool", MaxPodsBy.KARPENTER),
    ("karpenter.sh/provisioner-name", MaxPodsBy.KARPENTER),
    ("alpha.eksctl.io/nodegroup-name", MaxPodsBy.AMI),
)
"""The labels that name a node's group, the first that it has, with what sets max-pods on its nodes."""
_TRUNK_TAG = "vpcresources.k8s.aws/trunk-eni-id"
_ENI_CONFIG_LABEL = str(VARIABLES["ENI_CONFIG_LABEL_DEF"].default)
_MOST_NAMED = 3
_plan = functools.lru_cache(maxsize=1024)(NodeGroup.plan)


def present_cluster(evidence: Evidence, assumptions: Assumptions | None = None) -> PresentCluster:
    """Take the facts of files together to a cluster for `vpcipam.planner.plan_present`.

    A node is in the group that the first of `GROUP_LABELS` names, else in one named after its type. Its pods are the pod objects that are
    bound to it, without those on the host's network and those that have ended; without pod objects, the sandboxes that its ipamd knows.

    Args:
        evidence: what was read.
        assumptions: what a person says; None for nothing. Without settings, those of the manifest as AWS ships it are assumed where
            nothing shows any.

    Raises:
        EvidenceError: no node is known well enough. The message says what is missing.
    """
    assumptions = assumptions or Assumptions()
    if assumptions.settings is None:
        assumptions = attrs.evolve(assumptions, settings=Settings())
    return _Reader(join(evidence, assumptions=assumptions)).cluster()


class _Reader:
    def __init__(self, case: ClusterCase) -> None:
        self._case = case
        cidrs = {key: cidr for key, fact in case.subnets.items() for cidr in parse_valid((fact.value.cidr,))}
        # Others are no subnets of EC2, and could have more /28s than fit into memory.
        self._cidrs = {key: cidr for key, cidr in cidrs.items() if cidr.version == 4 and cidr.prefix_length in IPV4_PREFIX_LENGTHS}
        self._subnets = {key: case.subnets[key].value for key in self._cidrs}
        self._configs = {fact.value.name: fact.value for fact in case.evidence.eni_configs}
        self._branches = [fact.value for fact in case.network_interfaces.values() if fact.value.interface_type == "branch"]
        self._kubelets = [fact.value for fact in case.evidence.kubelet_limits]
        self._assumptions: dict[str, None] = {}
        self._missing: dict[str, None] = {}
        self._cases: dict[str, NodeCase] = {}

    def cluster(self) -> PresentCluster:
        nodes = tuple(self._nodes())
        if not nodes:
            why = "; ".join(self._missing) or "no node: give kubectl get nodes,pods --all-namespaces -o json"
            raise EvidenceError(f"not enough in this to plan a cluster: {why}")
        self._note_what_is_assumed(nodes)
        used = dict.fromkeys(each for node in nodes for each in (*node.subnet_ids, *node.pod_subnet_ids))
        unbound = [
            fact.value
            for fact in self._case.evidence.pods
            if not fact.value.node_name and not fact.value.host_network and not fact.value.has_ended
        ]
        return PresentCluster(
            nodes=nodes,
            subnets=dict(self._present_subnets(nodes, used)),
            unbound_pods=len(unbound),
            assumptions=tuple(self._assumptions),
            missing=tuple(self._missing),
        )

    # --- nodes -----------------------------------------------------------------------------------------------------------

    def _nodes(self) -> Iterator[PresentNode]:
        left_out: dict[str, list[str]] = {}
        for case in self._case.nodes:
            if not self._is_node(case):
                continue
            why = self._why_left_out(case)
            if why is not None:
                left_out.setdefault(why, []).append(case.name)
                continue
            self._cases[case.name] = case
            yield self._node(case)
        for why, names in left_out.items():
            self._missing[f"{_named(names)}: {why}"] = None

    def _is_node(self, case: NodeCase) -> bool:
        """Tell whether an instance is a node of the cluster: it has a node object, or without any node objects, the CNI runs on it."""
        if "nodes" in self._case.kinds:
            return case.node is not None
        return bool(case.pods or case.enis or case.held or case.checkpoint_count) or any(
            fact.value.tag(INSTANCE_TAG) is not None for fact in case.network_interfaces
        )

    @staticmethod
    def _why_left_out(case: NodeCase) -> str | None:
        if case.no_aws_node:
            return f"left out, because {case.no_aws_node}"
        if case.limits is None:
            return "its instance type is not known; give kubectl get nodes -o json, or describe-instance-types for a type that is new"
        if _pods(case) is None:
            return "its pods are not known; give kubectl get pods --all-namespaces -o json"
        return None

    def _node(self, case: NodeCase) -> PresentNode:
        pods, branch_pods = _pods(case) or (0, 0)
        group, provisioner = _group(case)
        limits = case.limits
        settings = Settings() if case.settings is None else case.settings.value
        assert limits is not None  # noqa: S101 - `_why_left_out` has sorted it out
        own = self._own_subnet(case)
        new_max_pods, new_pods_per_core = self._limits_of_new(group, provisioner)
        return PresentNode(
            name=case.name,
            group=group,
            provisioner=provisioner,
            instance_type=limits,
            settings=settings,
            pods=pods,
            branch_pods=branch_pods,
            max_pods=case.max_pods,
            new_max_pods=new_max_pods,
            new_pods_per_core=new_pods_per_core,
            subnet_ids=() if own is None else self._eni_subnets(own, settings),
            own_subnet_excluded=own is not None and is_excluded(own, settings.cluster_name),
            pod_subnet_ids=self._pod_subnets(case, own, settings),
            attached=self._attached(case),
        )

    def _limits_of_new(self, group: str, provisioner: MaxPodsBy) -> tuple[int | None, int]:
        """What is set for the kubelet on new nodes of a group: max-pods, if anything sets it, and podsPerCore.

        The kubelet's own configuration has the max-pods that the AMI wrote for the type of its node, which a new node need not have.
        """
        if provisioner is MaxPodsBy.KARPENTER:
            pools = [each for each in self._kubelets if each.kind == "NodePool"]
            in_pools = any(each.max_pods is not None or each.pods_per_core for each in pools)
            own = [each for each in self._kubelets if each.kind == "EC2NodeClass"]
            own = [each for each in pools if each.owner == f"NodePool {group}"] if in_pools else own
        else:
            own = [each for each in self._kubelets if each.kind == "NodeConfig"]
            kubelets = [attrs.evolve(each, max_pods=None) for each in self._kubelets if each.kind == "KubeletConfiguration"]
            own = own or kubelets
        found = {(each.max_pods or None, each.pods_per_core or 0) for each in own}
        if len(found) > 1:
            names = _named([each.owner.strip() for each in own])
            self._assumptions[f"{names}: limits of kubelets differ, so new nodes of {group} have what {provisioner.label} sets"] = None
        return found.pop() if len(found) == 1 else (None, 0)

    def _own_subnet(self, case: NodeCase) -> Subnet | None:
        """Find the subnet in which a node was launched: by EC2, by ipamd, or by the node's address."""
        shown = [
            *([] if case.instance is None else [case.instance.value.subnet_id]),
            *(fact.value.subnet_id for fact in case.network_interfaces if is_primary(fact.value)),
            *(fact.value.subnet_id for fact in case.enis if fact.value.primary),
        ]
        for subnet_id in shown:
            if subnet_id in self._subnets:
                return self._subnets[subnet_id]
        addresses = [*parse_valid(() if case.node is None else case.node.value.addresses)]
        around = {key for key, cidr in self._cidrs.items() if any(cidr.overlaps(each) for each in addresses)}
        return self._subnets[around.pop()] if len(around) == 1 else None

    def _eni_subnets(self, own: Subnet, settings: Settings) -> tuple[str, ...]:
        """The subnet of a node, and then the others that tags open to its ENIs if subnet discovery is on."""
        primary = NetworkInterface("", own.subnet_id, own.vpc_id, own.availability_zone, "")
        found = discovered_subnets(self._subnets.values(), primary, settings.cluster_name)
        return tuple(dict.fromkeys((own.subnet_id, *sorted(each.subnet_id for each in found))))

    def _pod_subnets(self, case: NodeCase, own: Subnet | None, settings: Settings) -> tuple[str, ...]:
        """The subnet of a node's ENIConfig: by its label, else by its zone (docs/ipamd.md, "Custom networking")."""
        labels = _labels(case)
        names = (labels.get(settings.variables.get("ENI_CONFIG_LABEL_DEF", _ENI_CONFIG_LABEL)), labels.get(_ENI_CONFIG_LABEL))
        found = next((self._configs[name] for name in names if name is not None and name in self._configs), None)
        if found is None:
            zone = own.availability_zone if own is not None else "" if case.node is None else case.node.value.zone
            found = self._config_of_zone(zone) or self._configs.get("default")
        return (found.subnet_id,) if found is not None and found.subnet_id in self._subnets else ()

    def _config_of_zone(self, zone: str) -> EniConfig | None:
        there = [
            each
            for each in self._configs.values()
            if each.subnet_id in self._subnets and self._subnets[each.subnet_id].availability_zone == zone
        ]
        return there[0] if len(there) == 1 else None

    def _attached(self, case: NodeCase) -> int | None:
        """How many addresses a node has in subnets, branch ENIs included."""
        if case.network_interfaces and case.shows_all_enis:
            return sum(each.size for eni in self._enis_of(case) for each in _addresses(eni))
        if case.enis and not any(fact.value.cut for fact in case.enis):
            cidrs = [cidr.cidr for fact in case.enis for cidr in fact.value.cidrs]
            return len(case.enis) + sum(each.size for each in parse_valid(cidrs) if each.version == 4)
        return None

    def _enis_of(self, case: NodeCase) -> list[NetworkInterface]:
        """A node's ENIs, with the branch ENIs of its pods."""
        own = [fact.value for fact in case.network_interfaces]
        ids = {each.eni_id for each in own}
        of_pods = {each.eni_id for pod in case.pods for each in pod.value.branch_enis}
        branches = [each for each in self._branches if each.eni_id not in ids and (each.tag(_TRUNK_TAG) in ids or each.eni_id in of_pods)]
        return own + branches

    # --- subnets ---------------------------------------------------------------------------------------------------------

    def _present_subnets(self, nodes: tuple[PresentNode, ...], used: Iterable[str]) -> Iterator[tuple[str, PresentSubnet]]:
        held: dict[str, dict[str, list[Cidr]]] = {}
        ours: set[str] = set()
        for case in self._cases.values():
            for eni in self._enis_of(case):
                ours.add(eni.eni_id)
                held.setdefault(eni.subnet_id, {}).setdefault(case.name, []).extend(_addresses(eni))
        others: dict[str, list[Cidr]] = {}
        of_cases = (fact.value for case in self._case.nodes for fact in case.network_interfaces)
        strangers = {eni.eni_id: eni for eni in (*of_cases, *(fact.value for fact in self._case.network_interfaces.values()))}
        for eni_id, eni in strangers.items():
            if eni_id not in ours:
                others.setdefault(eni.subnet_id, []).extend(_addresses(eni))
        for subnet_id in used:
            yield subnet_id, self._present_subnet(self._subnets[subnet_id], nodes, held.get(subnet_id, {}), others.get(subnet_id, []))

    def _present_subnet(
        self, subnet: Subnet, nodes: tuple[PresentNode, ...], held: dict[str, list[Cidr]], others: list[Cidr]
    ) -> PresentSubnet:
        ranges = [fact.value for fact in self._case.evidence.reservations if fact.value.subnet_id == subnet.subnet_id]
        explicit = [each.cidr for each in ranges if each.reservation_type != "prefix"]
        placed = PresentSubnet(
            subnet_id=subnet.subnet_id,
            cidr=self._cidrs[subnet.subnet_id],
            zone=subnet.availability_zone,
            others=(*others, *(each for each in parse_valid(explicit) if each.version == 4)),
            held=tuple(cidr for cidrs in held.values() for cidr in cidrs),
            held_by={name: tuple(cidrs) for name, cidrs in held.items()},
            reserved=tuple(each for each in parse_valid(each.cidr for each in ranges if each.reservation_type == "prefix")),
        )
        inside = [node for node in nodes if node.subnet_ids[:1] == (subnet.subnet_id,)]
        hidden = [node for node in inside if not self._cases[node.name].network_interfaces or node.attached is None]
        if "AvailableIpAddressCount" in subnet.unreadable:
            return attrs.evolve(placed, held_known=not hidden)
        free = placed.capacity(for_prefixes=False, beside_nodes=True).addresses
        gap = max(0, free - subnet.available_ip_address_count)
        unseen = 0
        for node in hidden:
            shown = sum(each.size for fact in self._cases[node.name].network_interfaces for each in _addresses(fact.value))
            unseen += max(0, (_plan(node.alone()).subnet_ips if node.attached is None else node.attached) - shown)
        if hidden and gap:
            taken = counted(gap, "taken address", "taken addresses")
            self._assumptions[
                f"{subnet.subnet_id}: of {taken} that no ENI shows, {min(gap, unseen):,} are those of nodes; "
                "aws ec2 describe-network-interfaces shows them"
            ] = None
        known = all(node.attached is not None for node in hidden)
        return attrs.evolve(placed, unplaced_held=min(gap, unseen), unplaced_others=gap - min(gap, unseen), held_known=known)

    # --- what nothing shows ----------------------------------------------------------------------------------------------

    def _note_what_is_assumed(self, nodes: tuple[PresentNode, ...]) -> None:
        cases = [self._cases[node.name] for node in nodes]
        self._note(
            [each.name for each in cases if each.assumed_settings],
            self._assumptions,
            "the settings are those of the manifest as AWS ships it; give kubectl -n kube-system get daemonset aws-node -o yaml",
        )
        self._note(
            [each.name for each in cases if not each.assumed_settings and not each.has_read_settings],
            self._assumptions,
            "introspection shows only few settings; give kubectl -n kube-system get daemonset aws-node -o yaml",
        )
        self._note(
            [each.name for each in cases if each.max_pods is None],
            self._assumptions,
            "max-pods is what the provisioner sets; give kubectl get nodes -o json",
        )
        self._note(
            [node.name for node in nodes if not node.subnet_ids],
            self._missing,
            "the subnet is not known, so nothing says what fits; give aws ec2 describe-subnets and describe-instances",
        )
        self._note(
            [node.name for node in nodes if node.own_subnet_excluded and not node.subnet_ids[1:] and node.settings.enable_subnet_discovery],
            self._missing,
            "a tag keeps their pods out of the nodes' own subnet, and none is open to them: tag one of the zone kubernetes.io/role/cni=1",
        )
        self._note(
            [node.name for node in nodes if node.settings.custom_network_cfg and not node.pod_subnet_ids],
            self._missing,
            "the pods' subnet is not known; give kubectl get eniconfigs -o json and aws ec2 describe-subnets",
        )
        self._note(
            [node.name for node in nodes if node.attached is None],
            self._missing,
            "nothing shows what is attached; give aws ec2 describe-network-interfaces",
        )
        if "pods" in self._case.kinds and not any(each.namespaces for each in cases if "kube-system" in each.namespaces):
            self._assumptions["no pod of kube-system was read: give the pods of all namespaces, if these are not all"] = None

    @staticmethod
    def _note(names: list[str], where: dict[str, None], what: str) -> None:
        if names:
            where[f"{_named(names)}: {what}"] = None


def _labels(case: NodeCase) -> Mapping[str, str]:
    return {} if case.node is None else dict(case.node.value.labels)


def _group(case: NodeCase) -> tuple[str, MaxPodsBy]:
    labels = _labels(case)
    found = next(((labels[label], by) for label, by in GROUP_LABELS if labels.get(label)), None)
    limits = case.limits
    return found or ("" if limits is None else limits.instance_type, MaxPodsBy(case.max_pods_by or MaxPodsBy.MANAGED_NODE_GROUP))


def _pods(case: NodeCase) -> tuple[int, int] | None:
    """Count the pods with an address of the pool, and those with branch ENIs; None if nothing shows them."""
    if "pods" in case.kinds:
        there = [fact.value for fact in case.pods if not fact.value.host_network and not fact.value.has_ended]
        branch = sum(map(_has_branch, there))
        return len(there) - branch, branch
    if case.enis or case.checkpoint_count:
        return len(case.held), 0
    counts = [fact.value.assigned_count for fact in case.cards]
    known = [each for each in counts if each is not None]
    return (sum(known), 0) if known and len(known) == len(counts) else None


def _has_branch(pod: PodObject) -> bool:
    return bool(pod.branch_enis)


def _addresses(eni: NetworkInterface) -> tuple[Cidr, ...]:
    """The IPv4 addresses and prefixes of an ENI."""
    return tuple(each for each in parse_valid((*eni.single_ips, *eni.ipv4_prefixes)) if each.version == 4)


def _named(names: list[str]) -> str:
    """Name some nodes; of many, the first and how many more."""
    if len(names) <= _MOST_NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: _MOST_NAMED - 1])} and {len(names) - _MOST_NAMED + 1:,} more"
