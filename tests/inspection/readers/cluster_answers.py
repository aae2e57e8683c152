"""What EC2 and Kubernetes answer about a random node, and the values that these answers show."""

import json

import attrs

from vpcipam.ec2.fake import fake_client
from vpcipam.inspection.evidence import BranchEni, EniConfig, NodeObject, PodObject
from vpcipam.sandbox import PodRef

POD_ENI = "vpc.amazonaws.com/pod-eni"
EC2_ACTIONS = {
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_instances": "Reservations",
    "describe_subnets": "Subnets",
    "describe_instance_types": "InstanceTypes",
}
RESERVED = (("10.0.1.240/28", "prefix"), ("10.0.1.224/28", "explicit"))


# --- EC2 -------------------------------------------------------------------------------------------------------------------


def plain(answer):
    """An answer of boto3 as `aws ec2` writes it."""
    return json.loads(json.dumps(answer, default=lambda time: time.isoformat()))


def ec2_pages(made, action, page_size=None):
    """The pages of an answer, through boto3 and its wire."""
    client = fake_client("ec2", made.model, now_ns=lambda: made.now_ns)
    named = {"InstanceTypes": [made.node.limits.instance_type]} if action == "describe_instance_types" else {}
    options = {} if page_size is None else {"PaginationConfig": {"PageSize": page_size}}
    return [plain(page) for page in client.get_paginator(action).paginate(**named, **options)]


def reserve(made):
    """Reserve CIDRs of the pods' subnet, and return EC2's answer about them and the reservations."""
    client = fake_client("ec2", made.model, now_ns=lambda: made.now_ns)
    for cidr, kind in RESERVED:
        client.create_subnet_cidr_reservation(
            SubnetId=made.pod_subnet_id,
            Cidr=cidr,
            ReservationType=kind,
            Description="for a test",
            TagSpecifications=[{"ResourceType": "subnet-cidr-reservation", "Tags": [{"Key": "a", "Value": "b"}]}],
        )
    answer = plain(client.get_subnet_cidr_reservations(SubnetId=made.pod_subnet_id))
    return answer, made.model.get_subnet_cidr_reservations(made.pod_subnet_id, now_ns=made.now_ns)


# --- Kubernetes ------------------------------------------------------------------------------------------------------------


def node_value(made, *, ready, cordoned):
    """The node as Kubernetes knows it."""
    instance = made.model.describe_instance(made.node.instance_id, now_ns=made.now_ns)
    labels = {
        "node.kubernetes.io/instance-type": made.node.limits.instance_type,
        "topology.kubernetes.io/zone": instance.availability_zone,
        "kubernetes.io/os": "linux",
    }
    return NodeObject(
        name="ip-10-0-0-4.ec2.internal",
        instance_id=instance.instance_id,
        instance_type=made.node.limits.instance_type,
        zone=instance.availability_zone,
        max_pods=made.node.max_pods,
        pod_eni_limit=9 if made.branches else None,
        ready=ready,
        cordoned=cordoned,
        addresses=(instance.network_interfaces[0].private_ip,),
        kubelet_version="v1.31.2-eks-94953ac",
        labels=tuple(sorted(labels.items())),
    )


def pod_values(made, node_name):
    """The pods of a node: those with addresses of its cards, one with a branch ENI, and one of the host's network."""
    pods = {}
    for card in made.cards:
        for address, used in made.held(card).items():
            pods.setdefault(used.pod, []).append(address)
    found = [PodObject(pod=pod, node_name=node_name, addresses=tuple(each), phase="Running") for pod, each in sorted(pods.items(), key=str)]
    for name, (eni, vlan) in made.branches.items():
        branch = BranchEni(eni.eni_id, eni.private_ip, vlan)
        found.append(
            PodObject(pod=PodRef("default", name), node_name=node_name, addresses=(eni.private_ip,), phase="Running", branch_enis=(branch,))
        )
    found.append(
        PodObject(pod=PodRef("kube-system", "kube-proxy"), node_name=node_name, addresses=("10.0.0.4",), host_network=True, phase="Running")
    )
    return [*found, PodObject(pod=PodRef("default", "waiting"), phase="Pending")]


def eni_config_value(made):
    return EniConfig("us-east-1a", made.pod_subnet_id, ("sg-1", "sg-2"))


def object_of(value):
    """An object of Kubernetes, as the API server gives it."""
    return _WRITERS[type(value)](value)


def _node(value):
    capacity = {"cpu": "2", "pods": str(value.max_pods)} | ({} if value.pod_eni_limit is None else {POD_ENI: str(value.pod_eni_limit)})
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": value.name, "labels": dict(value.labels)},
        "spec": {"providerID": f"aws:///{value.zone}/{value.instance_id}"} | ({"unschedulable": True} if value.cordoned else {}),
        "status": {
            "addresses": [{"type": "InternalIP", "address": each} for each in value.addresses]
            + [{"type": "Hostname", "address": value.name}],
            "capacity": capacity,
            "conditions": [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": str(value.ready)}],
            "nodeInfo": {"kubeletVersion": value.kubelet_version},
        },
    }


def _pod(value):
    enis = [
        {"eniId": each.eni_id, "ifAddress": "02:00:00:00:00:01", "privateIp": each.address, "vlanId": each.vlan_id}
        for each in value.branch_enis
    ]
    spec = {"containers": [{"name": "main", "image": "x"}]} | ({"hostNetwork": True} if value.host_network else {})
    ips = {"podIP": value.addresses[0], "podIPs": [{"ip": each} for each in value.addresses]} if value.addresses else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": value.pod.name,
            "namespace": value.pod.namespace,
            "annotations": {POD_ENI: json.dumps(enis)} if enis else {},
        },
        "spec": spec | ({"nodeName": value.node_name} if value.node_name else {}),
        "status": {"phase": value.phase, "conditions": []} | ips,
    }


def _eni_config(value):
    return {
        "apiVersion": "crd.k8s.amazonaws.com/v1alpha1",
        "kind": "ENIConfig",
        "metadata": {"name": value.name},
        "spec": {"subnet": value.subnet_id, "securityGroups": list(value.security_group_ids)},
    }


_WRITERS = {NodeObject: _node, PodObject: _pod, EniConfig: _eni_config}


def as_list(objects):
    """What `kubectl get A,B -o json` gives."""
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects}


def as_typed_list(objects):
    """What the API server gives: the items of a PodList have no kind of their own."""
    (kind,) = {each["kind"] for each in objects}
    items = [{name: value for name, value in each.items() if name not in ("kind", "apiVersion")} for each in objects]
    return {"apiVersion": objects[0]["apiVersion"], "kind": f"{kind}List", "metadata": {"resourceVersion": "7"}, "items": items}


def described(node, pods):
    """What `kubectl describe node` writes; it shows names of pods only."""
    labels = [f"{name}={value}" for name, value in node.labels]
    rows = [f"  {each.pod.namespace:<12}{each.pod.name:<20}0 (0%)  0 (0%)  0 (0%)  0 (0%)  5m" for each in pods]
    capacity = ["  cpu:     2", f"  pods:    {node.max_pods}"] + (
        [] if node.pod_eni_limit is None else [f"  {POD_ENI}: {node.pod_eni_limit}"]
    )
    return "\n".join(
        (
            f"Name:               {node.name}",
            "Roles:              <none>",
            f"Labels:             {labels[0]}",
            *(f"                    {each}" for each in labels[1:]),
            f"Unschedulable:      {str(node.cordoned).lower()}",
            "Conditions:",
            "  Type             Status  LastHeartbeatTime",
            "  ----             ------  -----------------",
            f"  Ready            {node.ready}    Mon, 01 Jan 2026 10:00:00 +0000",
            "Addresses:",
            f"  InternalIP:  {node.addresses[0]}",
            f"  Hostname:    {node.name}",
            "Capacity:",
            *capacity,
            "Allocatable:",
            "  pods:    7",
            "System Info:",
            f"  Kubelet Version:  {node.kubelet_version}",
            f"ProviderID:         aws:///{node.zone}/{node.instance_id}",
            f"Non-terminated Pods: ({len(pods)} in total)",
            "  Namespace   Name                CPU Requests  CPU Limits  Memory Requests  Memory Limits  Age",
            "  ---------   ----                ------------  ----------  ---------------  -------------  ---",
            *rows,
            "Events:              <none>",
            "",
        )
    )


def shown_in_description(pods):
    """What a description shows of pods."""
    return [PodObject(pod=each.pod, node_name=each.node_name) for each in pods]


def without(value, *names):
    """A value whose named members are those of a fresh one: what an answer can't show."""
    defaults = {field.name: field.default for field in attrs.fields(type(value)) if field.name in names}
    return attrs.evolve(value, **defaults)
