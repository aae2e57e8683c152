"""Objects of Kubernetes, as `kubectl get … -o json` and `-o yaml` give them: single ones, Lists, typed lists whose items have no kind."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vpcipam.errors import ManifestError
from vpcipam.inspection.evidence import (
    BranchEni,
    CniNode,
    EniConfig,
    EventObject,
    KubeletLimits,
    NodeObject,
    PodObject,
)
from vpcipam.inspection.readers.collector import (
    CUT,
    MOST_UNNAMED,
    Collector,
    address_at,
    count_at,
    flag_at,
    mappings,
    member,
    pairs,
    text_at,
    unreadable,
)
from vpcipam.inspection.readers.scraps import below
from vpcipam.inspection.releases import ANY_RELEASE, Releases
from vpcipam.sandbox import PodRef
from vpcipam.settings import Settings
from vpcipam.settings.documents import shown
from vpcipam.settings.manifest import flatten, has_variables, read_parsed
from vpcipam.settings.reading import CONTAINER

Item = Mapping[str, Any]

READY = {"True": True, "False": False, "Unknown": False}
"""What the condition `Ready` of a node says. It is Unknown once the kubelet is silent."""
POD_ENI = "vpc.amazonaws.com/pod-eni"
_INSTANCE_ID = re.compile(r"i-[0-9a-zA-Z-]{1,40}$")
_LONGEST_ANNOTATION = 100_000
_CONFIGZ = "kubeletconfig"
_TYPE_LABELS = ("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type")
_ZONE_LABELS = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")


def is_object(value: object) -> bool:
    """Recognise an object with a kind, a List, or the configuration that a kubelet shows (`/configz`)."""
    if not isinstance(value, Mapping):
        return False
    if isinstance(value.get(_CONFIGZ), Mapping):
        return True
    if isinstance(value.get("kind"), str) and ("metadata" in value or "apiVersion" in value or "items" in value):
        return True
    return isinstance(value.get("items"), list) and "apiVersion" in value


def read_objects(collector: Collector, value: Item, path: str) -> None:
    """Read an object, or the items of a List."""
    if isinstance(value.get(_CONFIGZ), Mapping):
        value, path = {**value[_CONFIGZ], "kind": "KubeletConfiguration"}, below(path, _CONFIGZ)
    is_list = isinstance(value.get("items"), list)
    if is_list and not value["items"]:
        collector.document(f"{shown(value.get('kind', 'List'))} of Kubernetes, empty", path=path)
    others: Counter[str] = Counter()
    unnamed = 0
    for number, item in enumerate(flatten(value)):
        place = below(below(path, "items"), number) if is_list else path
        unnamed = 0 if read_object(collector, item, place, others, path) else unnamed + 1
        if unnamed == MOST_UNNAMED:
            collector.skip("the rest of the list", f"{MOST_UNNAMED:,} items in a row have no name", place)
            break
    skip_others(collector, others)


def read_object(collector: Collector, item: object, path: str, others: "Counter[str]", document_path: str = "") -> bool:
    """Read one object; return whether it has a name. Objects that have nothing about addresses are counted in `others`, by kind."""
    if not isinstance(item, Mapping) or not isinstance(item.get("kind"), str):
        collector.skip("an item", "is no object of Kubernetes: it has no kind", path)
        return False
    if collector.is_cut(path):
        collector.skip(_named(item), CUT, path)
        return True
    kind = item["kind"]
    read = _READERS.get(kind)
    if read is not None:
        read(collector, item, path)
        collector.document(f"{kind} objects of Kubernetes", cannot_show=_CANNOT_SHOW.get(kind, ()), path=document_path)
    if has_variables(item):
        _read_settings(collector, item, path)
    elif read is None:
        others[kind] += 1
    return bool(text_at(item, "metadata", "name"))


def skip_others(collector: Collector, others: "Counter[str]") -> None:
    """Note the objects that have nothing about addresses."""
    for kind, count in others.items():
        collector.skip(f"{count} {kind}", "objects of this kind have nothing about pods' addresses")


def _named(item: Item) -> str:
    names = [text_at(item, "metadata", name) for name in ("namespace", "name")]
    return f"{item['kind']} {'/'.join(filter(None, names))}"


def _read_settings(collector: Collector, item: Item, path: str) -> None:
    try:
        collector.settings.append(collector.fact(Settings.from_manifest(read_parsed([item])), path))
    except ManifestError as error:
        collector.skip(_named(item), str(error), path)
        return
    releases = ANY_RELEASE
    for _, container in _containers(item):
        if container.get("name") == CONTAINER:
            releases = Releases.exactly(text_at(container, "image").rpartition("/")[2])  # the registry can be an IP address
    collector.document(f"variables of {CONTAINER} ({item['kind']})", releases=releases, path=path)


def _containers(item: Item) -> list[tuple[int, Item]]:
    spec = member(item, "spec", "template", "spec") or member(item, "spec")
    return mappings(spec.get("containers")) if isinstance(spec, Mapping) else []


# --- kinds ---------------------------------------------------------------------------------------------------------------


def instance_id_of(provider_id: str) -> str:
    """Return the instance in a provider id, such as `aws:///us-east-1a/i-0123456789abcdef0`; empty if there is none."""
    found = _INSTANCE_ID.search(provider_id)
    return found[0] if found else ""


def node_of_labels(labels: Mapping[str, str]) -> tuple[str, str]:
    """Return the instance type and the zone that the labels of a node name; empty where they don't."""
    instance_type = next((labels[name] for name in _TYPE_LABELS if name in labels), "")
    return instance_type, next((labels[name] for name in _ZONE_LABELS if name in labels), "")


def _read_node(collector: Collector, item: Item, path: str) -> None:
    labels = dict(pairs(member(item, "metadata", "labels")))
    instance_type, zone = node_of_labels(labels)
    ready = [each for _, each in mappings(member(item, "status", "conditions")) if each.get("type") == "Ready"]
    addresses = [
        address_at(each.get("address")) for _, each in mappings(member(item, "status", "addresses")) if each.get("type") == "InternalIP"
    ]
    node = NodeObject(
        name=text_at(item, "metadata", "name"),
        instance_id=instance_id_of(text_at(item, "spec", "providerID")),
        instance_type=instance_type,
        zone=zone,
        max_pods=count_at(item, "status", "capacity", "pods"),
        pod_eni_limit=count_at(item, "status", "capacity", POD_ENI),
        ready=READY.get(text_at(ready[-1], "status")) if ready else None,
        cordoned=flag_at(item, "spec", "unschedulable") or False,
        addresses=tuple(each for each in addresses if each is not None),
        kubelet_version=text_at(item, "status", "nodeInfo", "kubeletVersion"),
        labels=tuple(sorted(labels.items())),
    )
    collector.nodes.append(collector.fact(node, path))
    if node.max_pods is None:
        collector.skip(_named(item), "its max-pods (status.capacity.pods) is missing or unreadable", path)


def _read_pod(collector: Collector, item: Item, path: str) -> None:
    status = item.get("status")
    status = status if isinstance(status, Mapping) else {}
    texts = [each.get("ip") for _, each in mappings(status.get("podIPs"))] or ([status["podIP"]] if status.get("podIP") else [])
    addresses = [address_at(text) for text in texts]
    if None in addresses:
        collector.skip(_named(item), f"its IP is unreadable: {unreadable(texts[addresses.index(None)])}", path)
    pod = PodObject(
        pod=PodRef(text_at(item, "metadata", "namespace"), text_at(item, "metadata", "name")),
        node_name=text_at(item, "spec", "nodeName"),
        addresses=tuple(each for each in addresses if each is not None),
        host_network=flag_at(item, "spec", "hostNetwork") or False,
        phase=text_at(status, "phase"),
        branch_enis=tuple(_branch_enis(collector, item, path)),
        wants_branch_eni=_wants_branch_eni(item),
        deleting=bool(text_at(item, "metadata", "deletionTimestamp")),
        stopped=_has_stopped(status),
    )
    collector.pods.append(collector.fact(pod, path))


def _wants_branch_eni(item: Item) -> bool:
    limits = (member(container, "resources", "limits") for _, container in _containers(item))
    return any(isinstance(each, Mapping) and POD_ENI in each for each in limits)


def _has_stopped(status: Item) -> bool:
    containers = mappings(status.get("containerStatuses"))
    return bool(containers) and all(member(each, "state", "terminated") is not None for _, each in containers)


def _branch_enis(collector: Collector, item: Item, path: str) -> Iterator[BranchEni]:
    annotations = member(item, "metadata", "annotations")
    text = text_at(annotations, POD_ENI) if isinstance(annotations, Mapping) else ""
    if not text:
        return
    try:
        found = json.loads(text) if len(text) <= _LONGEST_ANNOTATION else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        collector.skip(_named(item), f"its annotation {POD_ENI} is unreadable", path)
    yield from branch_enis_of(found)


def branch_enis_of(value: object) -> list[BranchEni]:
    """Read the branch ENIs in the value of the annotation."""
    return [BranchEni(text_at(each, "eniId"), text_at(each, "privateIp"), count_at(each, "vlanId")) for _, each in mappings(value)]


def _read_event(collector: Collector, item: Item, path: str) -> None:
    about = item.get("involvedObject", item.get("regarding"))
    about = about if isinstance(about, Mapping) else {}
    names = "/".join(filter(None, (text_at(about, "namespace"), text_at(about, "name"))))
    times = ("lastTimestamp", "eventTime", "firstTimestamp", "deprecatedLastTimestamp")
    event = EventObject(
        about=f"{text_at(about, 'kind')} {names}".strip(),
        reason=text_at(item, "reason"),
        message=text_at(item, "message") or text_at(item, "note"),
        kind=text_at(item, "type"),
        count=count_at(item, "count") or count_at(item, "series", "count") or 1,
        last_seen=next((text_at(item, name) for name in times if text_at(item, name)), ""),
    )
    collector.events.append(collector.fact(event, path))


def _read_eni_config(collector: Collector, item: Item, path: str) -> None:
    groups = member(item, "spec", "securityGroups")
    groups = tuple(each for each in groups if isinstance(each, str)) if isinstance(groups, list) else ()
    config = EniConfig(text_at(item, "metadata", "name"), text_at(item, "spec", "subnet"), groups)
    collector.eni_configs.append(collector.fact(config, path))
    if not config.subnet_id:
        collector.skip(_named(item), "its subnet (spec.subnet) is missing", path)


def _read_cni_node(collector: Collector, item: Item, path: str) -> None:
    features = features_of(member(item, "spec", "features"))
    collector.cni_nodes.append(collector.fact(CniNode(text_at(item, "metadata", "name"), features), path))


def features_of(value: object) -> tuple[tuple[str, str], ...]:
    """Read the features of a CNINode."""
    return tuple((text_at(each, "name"), text_at(each, "value")) for _, each in mappings(value))


def _read_kubelet(collector: Collector, item: Item, path: str) -> None:
    """Read what sets the kubelet's limit on pods.

    Karpenter has it in the NodePool up to v1beta1, and in the EC2NodeClass from v1 on; nodeadm in its NodeConfig.
    """
    places = (("spec", "template", "spec", "kubelet"), ("spec", "kubelet", "config"), ("spec", "kubelet"), ())
    kubelet = next(each for each in (member(item, *place) for place in places) if each)
    kubelet = kubelet if isinstance(kubelet, Mapping) else {}
    per_core = None if _hides_pods_per_core(item) else count_at(kubelet, "podsPerCore")
    limits = KubeletLimits(_named(item), count_at(kubelet, "maxPods"), per_core)
    collector.kubelet_limits.append(collector.fact(limits, path))


def _hides_pods_per_core(item: Item) -> bool:
    """Tell whether Karpenter passes podsPerCore to no node of a class (`FeatureFlags` of its AMI families)."""
    aliases = (text_at(each, "alias") for _, each in mappings(member(item, "spec", "amiSelectorTerms")))
    return text_at(item, "spec", "amiFamily") in {"Bottlerocket", "Custom"} or any(each.startswith("bottlerocket@") for each in aliases)


_READERS: dict[str, Callable[[Collector, Item, str], None]] = {
    "Node": _read_node,
    "Pod": _read_pod,
    "Event": _read_event,
    "ENIConfig": _read_eni_config,
    "CNINode": _read_cni_node,
    "NodePool": _read_kubelet,
    "EC2NodeClass": _read_kubelet,
    "NodeConfig": _read_kubelet,
    "KubeletConfiguration": _read_kubelet,
}
_CANNOT_SHOW = {
    "Node": ("ENIs and addresses of pods: a node object has neither",),
    "Pod": ("free addresses, cooldowns and ENIs: pod objects show addresses in use only",),
    "Event": ("what happened more than an hour ago: Kubernetes keeps events for an hour by default",),
}
