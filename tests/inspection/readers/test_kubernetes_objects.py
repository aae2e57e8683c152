"""Objects of Kubernetes as kubectl gives them, and what it writes for people."""

import json

import pytest

from vpcipam.inspection.evidence import BranchEni, CniNode, EniConfig, EventObject, KubeletLimits, NodeObject, PodObject
from vpcipam.inspection.readers import registry
from vpcipam.inspection.releases import Releases
from vpcipam.sandbox import PodRef
from vpcipam.settings.documents import parse_documents

NODE = {
    "kind": "Node",
    "apiVersion": "v1",
    "metadata": {
        "name": "node-1",
        "labels": {"node.kubernetes.io/instance-type": "m5.large", "topology.kubernetes.io/zone": "us-east-1a", "x": 7},
    },
    "spec": {"providerID": "aws:///us-east-1a/i-0123456789abcdef0", "unschedulable": True},
    "status": {
        "capacity": {"pods": "29", "vpc.amazonaws.com/pod-eni": "9"},
        "conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.5"}, {"type": "Hostname", "address": "node-1"}],
        "nodeInfo": {"kubeletVersion": "v1.31"},
    },
}
READ_NODE = NodeObject(
    name="node-1",
    instance_id="i-0123456789abcdef0",
    instance_type="m5.large",
    zone="us-east-1a",
    max_pods=29,
    pod_eni_limit=9,
    ready=True,
    cordoned=True,
    addresses=("10.0.0.5",),
    kubelet_version="v1.31",
    labels=(("node.kubernetes.io/instance-type", "m5.large"), ("topology.kubernetes.io/zone", "us-east-1a")),
)
POD = {
    "kind": "Pod",
    "metadata": {"namespace": "default", "name": "web-1"},
    "spec": {"nodeName": "node-1", "hostNetwork": False},
    "status": {"phase": "Running", "podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}]},
}
AWS_NODE = {
    "kind": "DaemonSet",
    "metadata": {"namespace": "kube-system", "name": "aws-node"},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {"name": "aws-node", "image": "x/amazon-k8s-cni:v1.20.4-eksbuild.2", "env": [{"name": "WARM_IP_TARGET", "value": "2"}]},
                    {"name": "agent"},
                ]
            }
        }
    },
}


def values(facts):
    return [each.value for each in facts]


def without_kind(item):
    return {name: value for name, value in item.items() if name != "kind"}


@pytest.mark.parametrize(
    "content",
    [
        NODE,
        {"kind": "List", "apiVersion": "v1", "items": [NODE]},
        {"apiVersion": "v1", "items": [NODE]},
        {"kind": "NodeList", "apiVersion": "v1", "items": [without_kind(NODE)]},
        "$ kubectl get nodes -o json\n" + json.dumps(NODE, indent=4),
    ],
)
def test_nodes_are_read(read, content):
    evidence = read(content)
    assert values(evidence.nodes) == [READ_NODE]
    assert evidence.documents[0].kind == "Node objects of Kubernetes"


def test_a_node_without_its_status_is_read_as_far_as_it_goes(read, skipped):
    evidence = read(
        {"kind": "Node", "metadata": {"name": "n"}}, NODE | {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    )
    assert values(evidence.nodes)[0] == NodeObject(name="n")
    assert values(evidence.nodes)[1].ready is False
    assert [why for _, why in skipped(evidence)] == ["its max-pods (status.capacity.pods) is missing or unreadable"] * 2


def test_pods_are_read(read):
    pending = {"kind": "Pod", "metadata": {"namespace": "default", "name": "web-2"}, "status": None}
    single = POD | {"metadata": {"namespace": "default", "name": "web-3"}, "status": {"podIP": "10.0.0.8"}, "spec": {"hostNetwork": True}}
    assert values(read({"kind": "List", "items": [POD, pending, single]}).pods) == [
        PodObject(pod=PodRef("default", "web-1"), node_name="node-1", addresses=("10.0.0.7",), phase="Running"),
        PodObject(pod=PodRef("default", "web-2")),
        PodObject(pod=PodRef("default", "web-3"), addresses=("10.0.0.8",), host_network=True),
    ]


@pytest.mark.parametrize(
    ("annotation", "found", "why"),
    [
        ('[{"eniId":"eni-1","privateIp":"10.0.0.9","vlanId":1}]', (BranchEni("eni-1", "10.0.0.9", 1),), None),
        ("{", (), "its annotation vpc.amazonaws.com/pod-eni is unreadable"),
        ("[" * 200_000, (), "its annotation vpc.amazonaws.com/pod-eni is unreadable"),
        ("[" * 50_000, (), "its annotation vpc.amazonaws.com/pod-eni is unreadable"),
        ("7", (), "its annotation vpc.amazonaws.com/pod-eni is unreadable"),
    ],
)
def test_branch_enis_of_pods_are_read(read, annotation, found, why):
    metadata = {"namespace": "default", "name": "web-1", "annotations": {"vpc.amazonaws.com/pod-eni": annotation}}
    evidence = read(POD | {"metadata": metadata})
    assert values(evidence.pods)[0].branch_enis == found
    assert [each.why for each in evidence.skipped] == ([] if why is None else [why])


def test_a_pod_with_an_unreadable_address_is_listed(read, skipped):
    evidence = read(POD | {"status": {"podIP": "10.x.x.x"}})
    assert skipped(evidence) == [("file-0, line 1", "its IP is unreadable: '10.x.x.x'")]
    assert values(evidence.pods)[0].addresses == ()


def test_events_are_read(read):
    old = {
        "kind": "Event",
        "metadata": {},
        "involvedObject": {"kind": "Pod", "namespace": "a", "name": "b"},
        "reason": "R",
        "type": "Warning",
    }
    old |= {"message": "m", "count": 3, "lastTimestamp": "2026-01-01T00:00:00Z"}
    new = {
        "kind": "Event",
        "metadata": {},
        "regarding": {"kind": "Node", "name": "n"},
        "note": "x",
        "series": {"count": 2},
        "eventTime": "t",
    }
    bare = {"kind": "Event", "metadata": {}, "involvedObject": 7}
    assert values(read({"kind": "EventList", "items": [old, new, bare]}).events) == [
        EventObject(about="Pod a/b", reason="R", message="m", kind="Warning", count=3, last_seen="2026-01-01T00:00:00Z"),
        EventObject(about="Node n", reason="", message="x", kind="", count=2, last_seen="t"),
        EventObject(about="", reason="", message="", kind="", count=1, last_seen=""),
    ]


def test_custom_objects_are_read(read, skipped):
    def custom(kind, spec):
        return {"kind": kind, "metadata": {"name": "default"}, "spec": spec}

    evidence = read(
        {
            "kind": "List",
            "items": [
                custom("ENIConfig", {"subnet": "subnet-1", "securityGroups": ["sg-1"]}),
                custom("ENIConfig", {}),
                custom("CNINode", {"features": [{"name": "CustomNetworking", "value": "a"}]}),
                custom("NodePool", {"template": {"spec": {"kubelet": {"maxPods": 20}}}}),
                custom("EC2NodeClass", {"kubelet": {"podsPerCore": 2}}),
                custom("EC2NodeClass", {"kubelet": {"podsPerCore": 2}, "amiFamily": "Bottlerocket"}),
                custom("EC2NodeClass", {"kubelet": {"podsPerCore": 2}, "amiSelectorTerms": [{"alias": "bottlerocket@latest"}]}),
                custom("EC2NodeClass", {"kubelet": {"podsPerCore": 2}, "amiSelectorTerms": [{"alias": "al2023@latest"}]}),
                custom("NodePool", {"template": {"spec": {"kubelet": 7}}}),
                custom("NodePool", None),
            ],
        }
    )
    assert values(evidence.eni_configs) == [EniConfig("default", "subnet-1", ("sg-1",)), EniConfig("default")]
    assert values(evidence.cni_nodes) == [CniNode("default", (("CustomNetworking", "a"),))]
    assert values(evidence.kubelet_limits) == [
        KubeletLimits("NodePool default", 20, None),
        KubeletLimits("EC2NodeClass default", None, 2),
        KubeletLimits("EC2NodeClass default", None, None),  # Bottlerocket has no such setting
        KubeletLimits("EC2NodeClass default", None, None),
        KubeletLimits("EC2NodeClass default", None, 2),
        KubeletLimits("NodePool default", None, None),
        KubeletLimits("NodePool default", None, None),
    ]
    assert [why for _, why in skipped(evidence)] == ["its subnet (spec.subnet) is missing"]


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        ("KubeletConfiguration", {"maxPods": 29, "podsPerCore": 4}),
        ("NodeConfig", {"spec": {"kubelet": {"config": {"maxPods": 29, "podsPerCore": 4}}}}),
    ],
)
def test_the_configuration_of_a_kubelet_is_read(read, kind, limits):
    evidence = read({"kind": kind, "apiVersion": "example/v1"} | limits)
    assert [(each.kind, each.max_pods, each.pods_per_core) for each in values(evidence.kubelet_limits)] == [(kind, 29, 4)]


def test_the_configuration_that_a_running_kubelet_shows_is_read(read):
    """As `kubectl get --raw /api/v1/nodes/NODE/proxy/configz` prints it, without a kind."""
    evidence = read({"kubeletconfig": {"enableServer": True, "maxPods": 29, "podsPerCore": 4}})
    assert values(evidence.kubelet_limits) == [KubeletLimits("KubeletConfiguration ", 29, 4)]
    assert not evidence.skipped


def test_the_variables_of_aws_node_are_read_with_the_release_of_its_image(read):
    pod = {"kind": "Pod", "metadata": {"namespace": "kube-system", "name": "aws-node-1"}, "spec": AWS_NODE["spec"]["template"]["spec"]}
    evidence = read({"kind": "List", "items": [AWS_NODE, pod]})
    assert [(each.warm_ip_target, each.document) for each in values(evidence.settings)] == [
        (2, "DaemonSet kube-system/aws-node"),
        (2, "Pod kube-system/aws-node-1"),
    ]
    assert {str(each.releases) for each in evidence.documents if each.kind.startswith("variables")} == {"v1.20.4"}


@pytest.mark.parametrize(
    ("image", "releases"),
    [
        ("10.20.30.40:5000/amazon-k8s-cni:v1.20.4", "v1.20.4"),
        (f"602401143452.dkr.ecr.us-west-2.amazonaws.com/amazon-k8s-cni:v1.20.4@sha256:{'0' * 64}", "v1.20.4"),
        (f"10.20.30.40:5000/amazon-k8s-cni@sha256:{'0' * 64}", "any"),
    ],
)
def test_the_release_comes_from_the_tag_of_the_image(read, image, releases):
    pod = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "aws-node", "image": image, "env": []}]}}
    assert [str(each.releases) for each in read(pod).documents if each.kind.startswith("variables")] == [releases]


def test_variables_that_stand_wrongly_are_skipped(read, skipped):
    broken = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "aws-node", "env": 7}]}}
    evidence = read(broken, {"containers": [{"name": "aws-node", "env": 7}]})
    assert [why for _, why in skipped(evidence)] == ["env of container aws-node must be a list of names and values, not a number"] * 2


def test_other_kinds_and_items_without_kind_are_skipped(read, skipped):
    evidence = read({"kind": "List", "items": [{"kind": "ConfigMap"}, {"kind": "ConfigMap"}, {"a": 1}, 7]})
    assert skipped(evidence) == [
        ("file-0, line 1, .items[2]", "is no object of Kubernetes: it has no kind"),
        ("file-0, line 1, .items[3]", "is no object of Kubernetes: it has no kind"),
        ("file-0, line 1", "objects of this kind have nothing about pods' addresses"),
    ]
    assert evidence.skipped[-1].what == "2 ConfigMap"


def test_an_empty_list_is_recognised(read):
    assert [each.kind for each in read({"kind": "NodeList", "items": []}).documents] == ["NodeList of Kubernetes, empty"]


def test_the_item_in_which_a_list_breaks_off_is_skipped(read, skipped):
    text = json.dumps({"kind": "List", "items": [NODE, POD]})
    evidence = read(text[: text.index('"phase"')])
    assert values(evidence.nodes) == [READ_NODE]
    assert evidence.pods == ()
    assert skipped(evidence)[0] == ("file-0, line 1, .items[1]", "the text breaks off within it")


# --- YAML ----------------------------------------------------------------------------------------------------------------

NODE_YAML = "apiVersion: v1\nkind: Node\nmetadata:\n  name: node-1\nstatus:\n  capacity:\n    pods: '29'\n"


def test_yaml_documents_are_read_and_one_that_is_broken_spares_the_others(read, skipped):
    evidence = read(f"$ kubectl get nodes -o yaml\n---\n{NODE_YAML}---\na: [\nb: {{\n---\n{NODE_YAML}---\nx: 1\n---\n# nothing\n")
    assert [each.name for each in values(evidence.nodes)] == ["node-1"] * 2
    assert [each.source.line for each in evidence.nodes] == [2, 13]
    places = skipped(evidence)
    assert places[0][0] == "file-0, line 10"
    assert places[0][1].startswith("the document is not YAML")
    assert places[1] == ("file-0, line 21", "no reader recognises it")


@pytest.mark.parametrize("before", ["", "# comment\n", "\n\n# a\n  # b: {\n\n---\n", "%YAML 1.1\n---\n", "---\n# c\n"])
def test_comments_may_come_before_yaml(read, before):
    assert [each.name for each in values(read(before + NODE_YAML).nodes)] == ["node-1"]


def test_a_cut_last_line_of_yaml_is_skipped(read, skipped):
    evidence = read(NODE_YAML + "  conditions: [{\n")
    assert values(evidence.nodes)[0].max_pods == 29
    assert skipped(evidence) == [("file-0, line 1", "is no YAML; the text seems to break off in it")]
    assert read("a: [").documents == ()


def test_yaml_that_is_long_is_refused(read, skipped):
    assert "give it as JSON" in skipped(read(NODE_YAML + "#" * (1 << 20)))[0][1]


def test_yaml_without_its_package_is_refused(read, skipped, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    assert "needs PyYAML" in skipped(read(NODE_YAML))[0][1]


def test_aliases_do_not_multiply(read):
    levels = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    assert read("kind: List\nitems: &i\n- *i\n").documents == ()
    assert read(levels).documents == ()


# --- what kubectl writes for people ----------------------------------------------------------------------------------------

DESCRIBED = """\
Name:               node-1
Roles:              <none>
Labels:             node.kubernetes.io/instance-type=m5.large
                    topology.kubernetes.io/zone=us-east-1a
Unschedulable:      true
Conditions:
  Type             Status  LastHeartbeatTime
  ----             ------  -----------------
  Ready            True    Fri, 02 Jan 2026 20:07:55 +0000
Addresses:
  InternalIP:   10.0.0.5
  Hostname:     node-1
Capacity:
  pods:                       29
  vpc.amazonaws.com/pod-eni:  9
System Info:
  Kubelet Version:            v1.31
ProviderID:                   aws:///us-east-1a/i-0123456789abcdef0
Non-terminated Pods:          (1 in total)
  Namespace    Name       CPU Requests  CPU Limits
  ---------    ----       ------------  ----------
  default      web-1      25m (1%)      0 (0%)
"""


def test_described_nodes_are_read(read):
    evidence = read(DESCRIBED + "\n\n" + "Name: node-2\nCapacity:\n  pods: x\n  odd\nConditions:\n  Ready\n")
    assert values(evidence.nodes) == [READ_NODE, NodeObject(name="node-2")]
    assert [each.source.line for each in evidence.nodes] == [1, 25]
    assert values(evidence.pods) == [PodObject(pod=PodRef("default", "web-1"), node_name="node-1")]


def test_json_in_tables_is_read(read):
    evidence = read(
        "% k get cnd\nNAME   FEATURES\n"
        'node-1 [{"name":"CustomNetworking","value":"a"},{"name":"SecurityGroupsForPods"}]\n'
        'a b [{"name":"SecurityGroupsForPods"}]\n'
        '    vpc.amazonaws.com/pod-eni: \'[{"eniId":"eni-1","privateIp":"x.x.x.x","vlanId":1}]\'\n'
    )
    assert values(evidence.cni_nodes) == [
        CniNode("node-1", (("CustomNetworking", "a"), ("SecurityGroupsForPods", ""))),
        CniNode("", (("SecurityGroupsForPods", ""),)),
    ]
    assert values(evidence.pods)[0].branch_enis == (BranchEni("eni-1", "x.x.x.x", 1),)


def test_variables_in_dumps_are_read(read, skipped):
    evidence = read("# DaemonSet aws-node, container aws-node\nWARM_IP_TARGET=2\n", "WARM_IP_TARGET=3\n")
    assert [each.warm_ip_target for each in values(evidence.settings)] == [2, 3]
    assert evidence.documents[1].remarks[0].startswith("container: the lines don't say of which container")
    assert evidence.documents[0].releases == Releases()
    two = read("# DaemonSet aws-node, container aws-node\nA=1\n# DaemonSet other, container aws-node\nA=2\n")
    assert "2 sources" in skipped(two)[0][1]
    assert read("# DaemonSet aws-node, container aws-node\nthis is no variable\n").documents == ()


def test_settings_of_introspection_are_read_with_what_they_lack(read):
    evidence = read({"WARM_ENI_TARGET": 1, "WARM_IP_TARGET": 5})
    assert values(evidence.settings)[0].warm_ip_target == 5
    assert evidence.documents[0].remarks[0].startswith("introspection: does not show MINIMUM_IP_TARGET")


def test_yaml_with_a_fault_far_from_its_end_is_parsed_once(read, monkeypatch):
    calls = []
    monkeypatch.setattr(registry, "parse_documents", lambda *given: calls.append(given) or parse_documents(*given))
    read("kind: Pod\nkind: Pod\nmetadata:\n  name: a\n")
    assert len(calls) == 1
    read("kind: Pod\nmetadata:\n  name: a\n  labels: {\n")
    assert len(calls) == 3
