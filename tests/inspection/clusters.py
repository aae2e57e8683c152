"""Healthy clusters: nodes of ours in the EC2 model, stopped at any instant, and written as the files that people have of real ones."""

import contextlib
import io
import json
import random
import tarfile

import attrs
from kernel_texts import eni_of, kernel_documents, node_values

from vpcipam._units import NS_PER_S
from vpcipam.address import Cidr, address_text
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.views import instance_type_view, instance_view, network_interface_view, reservation_view, subnet_view, time_text
from vpcipam.errors import NodeError, PoolExhausted
from vpcipam.inspection.readers import read_files
from vpcipam.journal.checkpoint import CHECKPOINT_VERSION, allocation_text, write_document
from vpcipam.journal.protocol import Assigned
from vpcipam.node import Node
from vpcipam.node.interfaces import is_primary
from vpcipam.prometheus import IpamMetrics
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings

BEGIN_NS = 1_700_000_000 * NS_PER_S
NEVER = "0001-01-01T00:00:00Z"
REGION = Region("us-east-1")
ZONE = "us-east-1a"
TYPES = ("t3.small", "t3.medium", "m5.large", "c5.xlarge")
VARIANTS = (
    {},
    {"WARM_IP_TARGET": "2"},
    {"WARM_IP_TARGET": "3", "MINIMUM_IP_TARGET": "8"},
    {"WARM_ENI_TARGET": "0"},
    {"ENABLE_PREFIX_DELEGATION": "true"},
    {"ENABLE_PREFIX_DELEGATION": "true", "WARM_IP_TARGET": "5"},
    {"IP_COOLDOWN_PERIOD": "5"},
    {"ENABLE_SUBNET_DISCOVERY": "false"},
)
FAILED = (
    'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "0": '
    'plugin type="aws-cni" name="aws-cni" failed (add): add cmd: failed to assign an IP address to container'
)


@attrs.define(eq=False)
class ClusterNode:
    """A node with its pods. It remembers what a `Datastore` doesn't tell: when addresses were given back."""

    node: Node
    instance_id: str
    address: str
    metrics: IpamMetrics
    pods: dict = attrs.field(factory=dict)  # sandbox: pod
    waiting: dict = attrs.field(factory=dict)  # sandbox: pod
    failed_ns: dict = attrs.field(factory=dict)  # pod: when it last got no address
    assigned_ns: dict = attrs.field(factory=dict)
    unassigned_ns: dict = attrs.field(factory=dict)
    cordoned: bool = False

    @property
    def name(self):
        return f"ip-{self.address.replace('.', '-')}.ec2.internal"

    @property
    def datastore(self):
        return self.node.datastores[0]

    def held(self):
        """The held addresses: address, ENI, sandbox, pod, time."""
        return [
            (each.address, each.eni_id, key, self.pods[key], self.assigned_ns[each.address]) for key, each in self.datastore.assignments()
        ]

    @property
    def room(self):
        """How many more pods the kubelet takes; 2 are on the host network."""
        return self.node.max_pods - 2 - len(self.pods) - len(self.waiting)


@attrs.define(eq=False)
class Cluster:
    """Nodes in one VPC, with so many seconds of life."""

    settings: Settings
    model: Ec2Model
    vpc_id: str
    subnet_id: str
    now_ns: int = BEGIN_NS
    nodes: list = attrs.field(factory=list)
    count: int = 0

    @classmethod
    def make(cls, *types, variables=None, cidr="10.0.0.0/20"):
        """A cluster whose nodes have started, each a second after the one before."""
        model = Ec2Model()
        vpc_id = model.create_vpc("10.0.0.0/16").vpc_id
        subnet_id = model.create_subnet(vpc_id, cidr, availability_zone=ZONE).subnet_id
        made = cls(Settings().with_variables(variables or {}), model, vpc_id, subnet_id)
        for instance_type in types:
            made.add(instance_type)
        return made

    def add(self, instance_type, *, start=True):
        instance = self.model.launch_instance(instance_type, self.subnet_id, now_ns=self.now_ns)
        metrics = IpamMetrics()
        node = Node(
            instance_type,
            self.settings,
            metrics.count_calls(self.model),
            subnet_id=self.subnet_id,
            instance_id=instance.instance_id,
            on_event=metrics,
        )
        metrics.watch(node)
        self.nodes.append(ClusterNode(node, instance.instance_id, instance.network_interfaces[0].private_ip, metrics))
        if start:
            node.start(self.now_ns)
        self.now_ns += NS_PER_S
        return self.nodes[-1]

    def pod(self, here):
        """Bind a pod to a node; it gets its address now or when `wait` tries again."""
        self.count += 1
        here.waiting[SandboxKey("aws-cni", f"c{self.count:05}", "eth0")] = PodRef("default", f"web-{self.count}")
        self.try_again(here)

    def try_again(self, here):
        for key, pod in list(here.waiting.items()):
            try:
                address = here.node.assign(key, self.now_ns, pod).address
            except (PoolExhausted, NodeError):
                here.failed_ns[pod] = self.now_ns
                continue
            here.pods[key] = here.waiting.pop(key)
            here.assigned_ns[address] = self.now_ns

    def end(self, here, key):
        """End a pod."""
        with contextlib.suppress(NodeError):
            address = here.node.unassign(key, self.now_ns).address
            here.unassigned_ns[address] = self.now_ns
            here.failed_ns.pop(here.pods.pop(key), None)

    def wait(self, seconds):
        """Let time pass, a second at a time; nodes tick every five seconds, and pods without an address try again."""
        for _ in range(seconds):
            self.now_ns += NS_PER_S
            for here in self.nodes:
                if self.now_ns // NS_PER_S % 5 == 0 and here.node.started:
                    here.node.tick(self.now_ns)
                self.try_again(here)

    def fill(self, here, leave=0):
        """Bind as many pods as the kubelet takes, and let the node grow until all have an address or nothing moves."""
        while here.room > leave:
            self.pod(here)
        for _ in range(60):
            if not here.waiting:
                break
            self.wait(5)


def random_cluster(seed, *, steps=30):
    """A healthy cluster at a random instant of its life: during a start, an attach, a cooldown, a release."""
    chance = random.Random(seed)
    made = Cluster.make(variables=chance.choice(VARIANTS))
    for _ in range(chance.randint(1, 3)):
        made.add(chance.choice(TYPES))
        made.wait(chance.choice((0, 1, 30)))
    for _ in range(chance.randint(0, steps)):
        here = chance.choice(made.nodes)
        move = chance.random()
        if move < 0.5:
            for _ in range(min(chance.randint(1, 6), healthy_room(made, here))):
                made.pod(here)
        elif move < 0.75 and here.pods and not here.waiting:
            for key in chance.sample(sorted(here.pods), chance.randint(1, len(here.pods))):
                made.end(here, key)
        else:
            made.wait(chance.choice((0, 1, 2, 5, 35, 61)))
    return made


def healthy_room(cluster, here):
    """How many pods a node takes without starving: not while they would have to wait for addresses that cool."""
    if not here.node.started:
        return here.room
    stats = here.node.stats(cluster.now_ns)
    return min(here.room, stats.available_count - stats.cooling_count - len(here.waiting)) if stats.cooling_count else here.room


# --- documents -----------------------------------------------------------------------------------------------------------


def documents(cluster, *, release=(1, 23, 0), kernel=False):
    """All that people can have of a cluster: by name, as values for JSON, or text; what kernels have only if it is wanted."""
    made = {
        "network-interfaces": {"NetworkInterfaces": [network_interface_view(each, REGION) for each in all_enis(cluster)]},
        "instances": {
            "Reservations": [
                {"Instances": [instance_view(cluster.model.describe_instance(each.instance_id, now_ns=cluster.now_ns), REGION)]}
                for each in cluster.nodes
            ]
        },
        "subnets": {"Subnets": [subnet_view(each, REGION) for each in cluster.model.subnets]},
        "reservations": {
            "SubnetIpv4CidrReservations": [
                reservation_view(each, REGION)
                for subnet in cluster.model.subnets
                for each in cluster.model.get_subnet_cidr_reservations(subnet.subnet_id, now_ns=cluster.now_ns)
            ]
        },
        "instance-types": {
            "InstanceTypes": [
                instance_type_view(each, REGION)
                for each in {here.node.limits.instance_type: here.node.limits for here in cluster.nodes}.values()
            ]
        },
        "nodes": {"kind": "List", "apiVersion": "v1", "items": [node_object(each) for each in cluster.nodes]},
        "pods": {"kind": "List", "apiVersion": "v1", "items": [pod for each in cluster.nodes for pod in pod_objects(each)]},
        "events": {"kind": "List", "apiVersion": "v1", "items": [event for each in cluster.nodes for event in event_objects(each)]},
        "daemonset": daemonset(cluster.settings),
    }
    for here in cluster.nodes:
        made[f"{here.name}/enis.json"] = enis_answer(here, release)
        made[f"{here.name}/ipam.json"] = checkpoint(here)
        made[f"{here.name}/metrics.txt"] = here.metrics.text(cluster.now_ns)
        if kernel:
            made |= {f"{here.name}/{name}": content for name, content in kernel_documents(kernel_values(cluster, here)).items()}
    return made


def kernel_values(cluster, here):
    """What the kernel of a node has."""
    cidrs = {subnet.subnet_id: subnet.cidr for subnet in cluster.model.subnets}
    shown = {each.eni_id: each for each in cluster.model.describe_network_interfaces(instance_id=here.instance_id, now_ns=cluster.now_ns)}
    enis = [eni_of(each, cidrs[each.subnet_id]) for each in shown.values() if each.eni_id in here.datastore.eni_ids or is_primary(each)]
    pods = [(key, here.pods[key], assignment) for key, assignment in here.datastore.assignments()]
    return node_values(sorted(enis, key=lambda eni: not eni.primary), pods, cluster.settings)


def evidence(made, only=None):
    """Read documents; those of a node (`node/file`) as an archive each. `only` picks some by name, or by the file of a node."""
    files = []
    archives = {}
    for name, content in made.items():
        folder, _, file = name.rpartition("/")
        if only is not None and name not in only and (not folder or file not in only):
            continue
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        data = text.encode() if isinstance(text, str) else text
        if folder:
            archives.setdefault(folder, []).append((file, data))
        else:
            files.append((f"{name}.json", io.BytesIO(data)))
    return read_files([*files, *((f"{folder}.tar", _archive(members)) for folder, members in archives.items())])


def _archive(members):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    archive.seek(0)
    return archive


def all_enis(cluster):
    return cluster.model.describe_network_interfaces(now_ns=cluster.now_ns)


# --- Kubernetes ----------------------------------------------------------------------------------------------------------


def node_object(here):
    labels = {"node.kubernetes.io/instance-type": here.node.limits.instance_type, "topology.kubernetes.io/zone": ZONE}
    return {
        "kind": "Node",
        "metadata": {"name": here.name, "labels": labels},
        "spec": {"providerID": f"aws:///{ZONE}/{here.instance_id}", **({"unschedulable": True} if here.cordoned else {})},
        "status": {
            "capacity": {"pods": str(here.node.max_pods)},
            "addresses": [{"type": "InternalIP", "address": here.address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def pod_objects(here):
    for name in ("aws-node", "kube-proxy"):
        yield pod_object(PodRef("kube-system", f"{name}-{here.instance_id[-5:]}"), here.name, here.address, host_network=True)
    for key, assignment in here.datastore.assignments():
        yield pod_object(here.pods[key], here.name, assignment.address)
    for pod in here.waiting.values():
        yield pod_object(pod, here.name, None)


def pod_object(pod, node_name, address, *, host_network=False):
    status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]} if address else {"phase": "Pending"}
    return {
        "kind": "Pod",
        "metadata": {"namespace": pod.namespace, "name": pod.name},
        "spec": {"nodeName": node_name, **({"hostNetwork": True} if host_network else {})},
        "status": status,
    }


def event_objects(here):
    """The events of a node's pods: each was bound, and some got no address at first."""
    for pod in (*here.pods.values(), *here.waiting.values()):
        yield event_object(f"Pod {pod}", "Scheduled", f"Successfully assigned {pod} to {here.name}", None)
        if pod in here.failed_ns:
            yield event_object(f"Pod {pod}", "FailedCreatePodSandBox", FAILED, here.failed_ns[pod])


def event_object(about, reason, message, last_ns):
    kind, _, name = about.partition(" ")
    namespace, _, name = name.rpartition("/")
    return {
        "kind": "Event",
        "metadata": {"name": f"{name}.{reason}"},
        "involvedObject": {"kind": kind, "name": name, **({"namespace": namespace} if namespace else {})},
        "reason": reason,
        "message": message,
        "type": "Normal" if reason == "Scheduled" else "Warning",
        "lastTimestamp": None if last_ns is None else time_text(last_ns),
    }


def daemonset(settings):
    env = [{"name": name, "value": value} for name, value in settings.variables.items()]
    container = {"name": "aws-node", "image": "amazon-k8s-cni:v1.23.1", "env": env}
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"namespace": "kube-system", "name": "aws-node"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


# --- ipamd ---------------------------------------------------------------------------------------------------------------


def go_time(time_ns):
    if time_ns is None:
        return NEVER
    return time_text(time_ns)[:-1].rstrip("0").rstrip(".") + "Z"


def enis_answer(here, release=(1, 23, 0)):
    """The answer of /v1/enis, as v1.22 and v1.23 write it."""
    held = {address: (key, pod, assigned_ns) for address, _, key, pod, assigned_ns in here.held()}
    enis = {}
    for eni in here.datastore.eni_stats(0):
        cidrs = {text: _cidr(here, Cidr.parse(text), held, release) for text in here.datastore.cidrs(eni.eni_id)}
        enis[eni.eni_id] = {
            "ID": eni.eni_id,
            "IsPrimary": eni.primary,
            "IsTrunk": eni.trunk,
            "IsEFA": eni.efa,
            "DeviceNumber": eni.device_number,
            "AvailableIPv4Cidrs": cidrs,
            "IPv6Cidrs": {},
            "IsExcludedForPodIPs": eni.excluded,
            "RouteTableID": 254 if eni.primary else eni.device_number + 1,
            "SubnetID": eni.subnet_id,
        }
    total, assigned = sum(Cidr.parse(text).size for eni_id in enis for text in here.datastore.cidrs(eni_id)), len(held)
    return {"0": {"TotalIPs": total, "AssignedIPs": assigned, "ENIs": enis}}


def _cidr(here, cidr, held, release):
    used = {address for address in (*held, *here.unassigned_ns) if cidr.first <= Cidr.parse(address).first <= cidr.last}
    return {
        "Cidr": {"IP": address_text(cidr.first, cidr.version), "Mask": "////8A=="},
        "IPAddresses": {address: _address(here, address, held.get(address), release) for address in sorted(used)},
        "IsPrefix": cidr.size > 1,
        "AddressFamily": "",
    }


def _address(here, address, held, release):
    key = held[0] if held else SandboxKey("", "", "")
    names = release < (1, 23, 0)
    return {
        "Address": address,
        "IPAMKey": {
            "networkName": key.network_name,
            "containerID": key.container_id if names else "",
            "ifName": key.if_name if names else "",
        },
        "IPAMMetadata": {"k8sPodNamespace": held[1].namespace, "k8sPodName": held[1].name, "interfacesCount": 1} if held else {},
        "AssignedTime": go_time(here.assigned_ns.get(address)),
        "UnassignedTime": go_time(None if held else here.unassigned_ns.get(address)),
    }


def checkpoint(here):
    return write_document(
        CHECKPOINT_VERSION,
        "allocations",
        [allocation_text(Assigned(key, address, pod, assigned_ns), 1) for address, _, key, pod, assigned_ns in here.held()],
    )
