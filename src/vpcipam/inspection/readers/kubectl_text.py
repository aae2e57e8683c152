"""What kubectl writes for people about nodes: `kubectl describe node`, and the JSON in the tables of `kubectl get`."""

import re
from collections.abc import Iterator
from typing import Any

from vpcipam.inspection.evidence import CniNode, EniConfig, NodeObject, PodObject
from vpcipam.inspection.readers.collector import Collector, address_at, count_at, mappings
from vpcipam.inspection.readers.kubernetes import POD_ENI, READY, branch_enis_of, features_of, instance_id_of, node_of_labels
from vpcipam.inspection.releases import Releases
from vpcipam.sandbox import PodRef

DESCRIBED = "description of nodes (kubectl describe node)"
BRANCHES = f"annotation {POD_ENI} of a pod"
FEATURES = "features of CNINodes (kubectl get cninodes)"

_FEATURES = {"CustomNetworking", "SecurityGroupsForPods"}
_NAME = re.compile(r"^Name:[ \t]+\S", re.MULTILINE)
_CAPACITY = re.compile(r"^Capacity:[ \t]*$", re.MULTILINE)
_ENTRY = re.compile(r"([^:\n]{1,300}):(?:\s+(.*))?")
_LABEL = re.compile(r"([^\s=]{1,320})=(\S*)")
_SECTION = re.compile(r"([A-Z][^:\n]{0,60}):(?:[ \t]+(.*))?")
_POD_ROW = re.compile(r"\s+([a-z0-9][a-z0-9.-]*)\s+([a-z0-9][a-z0-9.-]*)\s+\S+ \(.*")


# --- kubectl describe node -------------------------------------------------------------------------------------------------


def is_described_node(text: str) -> bool:
    """Recognise descriptions of nodes; those of pods have no capacity."""
    return _NAME.search(text) is not None and _CAPACITY.search(text) is not None


def read_described_nodes(collector: Collector, text: str) -> None:
    """Read one description or several in a row."""
    sections: dict[str, list[str]] = {}
    begin = 1
    for number, (title, line) in enumerate(_titled(text.splitlines()), 1):
        if title == "Name" and line.startswith("Name:"):
            _read_node(collector, sections, begin)
            sections, begin = {}, number
        sections.setdefault(title, []).append(line)
    _read_node(collector, sections, begin)
    cannot_show = ("ENIs, addresses of pods, and pods that have ended: a description of a node has none of them",)
    collector.document(DESCRIBED, cannot_show=cannot_show)


def _titled(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield each line with the title of its section; a title begins its line."""
    title = ""
    for line in lines:
        found = _SECTION.fullmatch(line.rstrip())
        if found:
            title = found[1]
        yield title, line


def _read_node(collector: Collector, sections: dict[str, list[str]], line: int) -> None:
    name = _first(sections, "Name")
    if not name:
        return
    capacity = _entries(sections, "Capacity")
    ready = [each.split() for each in sections.get("Conditions", ()) if each.split()[:1] == ["Ready"]]
    address = address_at(_entries(sections, "Addresses").get("InternalIP"))
    labels = {found[1]: found[2] for each in sections.get("Labels", ()) if (found := _LABEL.search(each.removeprefix("Labels:")))}
    instance_type, zone = node_of_labels(labels)
    node = NodeObject(
        name=name,
        instance_id=instance_id_of(_first(sections, "ProviderID")),
        instance_type=instance_type,
        zone=zone,
        max_pods=count_at(capacity, "pods"),
        pod_eni_limit=count_at(capacity, POD_ENI),
        ready=READY.get(ready[-1][1]) if ready and len(ready[-1]) > 1 else None,
        cordoned=_first(sections, "Unschedulable") == "true",
        addresses=(address,) if address else (),
        kubelet_version=_entries(sections, "System Info").get("Kubelet Version", ""),
        labels=tuple(sorted(labels.items())),
    )
    collector.nodes.append(collector.fact(node, line=line))
    for row in sections.get("Non-terminated Pods", ()):
        if found := _POD_ROW.fullmatch(row):
            pod = PodObject(pod=PodRef(found[1], found[2]), node_name=name)
            collector.pods.append(collector.fact(pod, line=line))


def _first(sections: dict[str, list[str]], title: str) -> str:
    lines = sections.get(title, [""])
    return lines[0].partition(":")[2].strip()


def _entries(sections: dict[str, list[str]], title: str) -> dict[str, str]:
    """Return the entries of a section, which are indented."""
    found = (_ENTRY.fullmatch(line.strip()) for line in sections.get(title, ())[1:])
    return {each[1]: each[2] or "" for each in found if each}


# --- JSON in tables ------------------------------------------------------------------------------------------------------


def is_branch_list(value: object) -> bool:
    """Recognise the value of the annotation that names a pod's branch ENIs."""
    return isinstance(value, list) and any("eniId" in each and "vlanId" in each for _, each in mappings(value))


def read_branch_list(collector: Collector, value: list[Any], path: str) -> None:
    """Read the branch ENIs of a pod whose name the text doesn't show."""
    collector.pods.append(collector.fact(PodObject(pod=PodRef("", ""), branch_enis=tuple(branch_enis_of(value))), path))
    collector.document(BRANCHES, cannot_show=("which pod has these branch ENIs: the annotation alone does not name it",), path=path)


def is_feature_list(value: object) -> bool:
    """Recognise the features of a CNINode."""
    return isinstance(value, list) and any(
        each.get("name") in _FEATURES for _, each in mappings(value) if isinstance(each.get("name"), str)
    )


def read_feature_list(collector: Collector, value: list[Any], path: str) -> None:
    """Read the features of a CNINode; its name stands before them in the table."""
    words = collector.before.split()
    collector.cni_nodes.append(collector.fact(CniNode(words[0] if len(words) == 1 else "", features_of(value)), path))
    collector.document(FEATURES, path=path)


def add_eni_config_name(collector: Collector, name: str) -> None:
    """Add the ENIConfig that /v1/eni-configs names from v1.8 on."""
    collector.eni_configs.append(collector.fact(EniConfig(name)))
    cannot_show = ("subnet and security groups of the ENIConfig: from v1.8 /v1/eni-configs shows its name only",)
    collector.document("ipamd's ENIConfig (/v1/eni-configs)", releases=Releases("v1.8.0"), cannot_show=cannot_show)
