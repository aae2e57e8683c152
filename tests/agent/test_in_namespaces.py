"""The agent over the kernel: two nodes of one VPC in network namespaces, whose fabric drops what an ENI may not send."""

import json
import random

import pytest
from nodes_to_run import QUIET, Account, Plugin, S

from vpcipam import Ec2Model, Settings
from vpcipam.agent import cni
from vpcipam.datapath.values import Mode, Route, Rule, Step
from vpcipam.ec2.boto import BotoEc2
from vpcipam.ec2.fake import fake_client
from waiting import pipe_without_writer

STEADY = {"addresses": 3, "settings": QUIET}
"""The node has its addresses from the beginning, and asks for no more."""


class World:
    """A VPC with nodes, each with an agent in this process."""

    def __init__(self, vpc, folder):
        from hypervisor import Hypervisor  # noqa: PLC0415 - it needs pyroute2

        self.vpc = vpc
        self.folder = folder
        self.model = Ec2Model()
        self.ec2 = BotoEc2(fake_client("ec2", self.model))
        self.hypervisor = Hypervisor(vpc, self.ec2)
        self.subnet_id = None

    def node(self, name, **options):
        (self.folder / name).mkdir()
        account = Account(self.folder / name, ec2=self.model, subnet_id=self.subnet_id, **options)
        self.subnet_id = account.instance.subnet_id
        account.ec2 = self.ec2
        return Node(self, account, name)


class Node:
    """A node whose agent works in its namespace, and its pods' namespaces."""

    def __init__(self, world, account, name):
        self.world = world
        self.account = account
        self.name = name
        self.namespace = world.hypervisor.boot(account.instance.instance_id, name)
        self.pods = {}
        self.agent = None

    def state(self):
        """What the host's namespace has. Carriers and link-local addresses come a moment later, so they don't count."""
        found = self.namespace.state()
        found["link"] = [(link["ifname"], link["address"], link["mtu"]) for link in map(json.loads, found["link"])]
        found["address"] = [
            (link["ifname"], each["local"], each["prefixlen"])
            for link in map(json.loads, found["address"])
            for each in link["addr_info"]
            if each["scope"] == "global"
        ]
        return found

    @property
    def pod_links(self):
        return [name for name, _, _ in self.state()["link"] if name.startswith("eni")]

    def close(self):
        for journal in [] if self.agent is None else self.agent.journals:
            journal.close()

    def start(self, now_ns=0, **settings):
        from vpcipam.agent.kernel import KernelWiring  # noqa: PLC0415 - it needs pyroute2

        self.close()
        log = self.account.lines.append
        self.account.settings = Settings.from_env(self.account.settings.variables | settings)
        self.wiring = KernelWiring(self.account.settings, nftables=True, log=log, host=self.namespace.path)
        self.agent = self.account.agent(self.wiring)
        self.agent.start(now_ns)
        self.plugin = Plugin(self.account, self.agent)
        self.plugin.now_ns = now_ns
        self.world.hypervisor.sync()
        return self

    def tick(self, now_ns):
        self.agent.tick(now_ns)
        self.world.hypervisor.sync()
        self.plugin.now_ns = now_ns

    def add(self, container, name=None, namespace=None):
        """Add a pod, and return its namespace and its address."""
        pod = self.pods[container] = namespace or self.world.vpc.namespace(container)
        answer = self.plugin.add(container, name or container, netns=pod.path)
        assert "error" not in answer, answer
        return pod, answer["attachments"][0]["address"]

    def delete(self, container):
        assert self.plugin.delete(container) == {}


@pytest.fixture
def world(vpc, tmp_path):
    made = World(vpc, tmp_path)
    nodes = []
    make = made.node

    def node(*args, **options):
        nodes.append(make(*args, **options))
        return nodes[-1]

    made.node = node
    yield made
    for each in nodes:
        each.close()


def test_pods_reach_each_other_across_nodes(world, namespaces):
    ends = [world.node(name).start().add(f"pod-on-{name}") for name in ("one", "two")]
    for (client, source), (server, address) in (ends, ends[::-1]):
        assert namespaces.peer_seen(client, server, address) == source
    assert namespaces.peer_seen(ends[0][0], world.vpc.outside, namespaces.OUTSIDE) is not None
    assert [eni.dropped_count for eni in world.hypervisor.enis.values()] == [0, 0]


def test_a_pod_of_a_second_eni_leaves_by_it(world, namespaces):
    """The ENI is attached while the agent runs. Until it has an interface, no pod gets an address of it."""
    one, two = world.node("one").start(), world.node("two").start()
    for number in range(3):
        one.add(f"filler-{number}")
    one.agent.tick(5 * S)
    one.plugin.now_ns = 5 * S
    early = one.plugin.add("early", "early", netns=world.vpc.namespace("early").path)
    assert early["error"]["code"] == cni.TRY_AGAIN
    world.hypervisor.sync()
    one.tick(10 * S)
    one.plugin.now_ns = 40 * S
    client, source = one.add("client")
    server, address = two.add("server")
    second = next(eni for eni in world.hypervisor.enis.values() if eni.device == "eth1")
    before = second.sent_count
    assert namespaces.peer_seen(client, server, address) == source
    assert second.sent_count > before
    assert [eni.dropped_count for eni in world.hypervisor.enis.values()] == [0, 0, 0]
    assert one.plugin.check("client", netns=client.path) == {"addresses": [source]}


def test_deletions_leave_the_node_as_it_was(world):
    node = world.node("one").start()
    before = node.state()
    for number in range(3):
        node.add(f"pod-{number}")
    for number in range(3):
        for _ in range(2):
            node.delete(f"pod-{number}")
    assert node.state() == before


def test_a_failed_add_leaves_the_node_as_it_was(world):
    node = world.node("one").start()
    pod, _ = node.add("first")
    before = node.state()
    answer = node.plugin.add("second", "second", netns=pod.path)  # eth0 exists there
    assert "exists" in answer["error"]["msg"]
    assert node.state() == before
    assert [*node.plugin.addresses()] == ["first"]


def test_a_namespace_that_is_none_is_refused(world, tmp_path):
    node = world.node("one").start()
    before = node.state()
    (tmp_path / "file").touch()
    with pipe_without_writer(tmp_path / "pipe") as pipe:
        for path in (str(tmp_path / "file"), pipe):
            answer = node.plugin.add("c1", "web-0", netns=path)
            assert answer["error"]["code"] == cni.NETNS_ERROR
            assert (node.state(), node.plugin.addresses()) == (before, {})


def test_a_pod_that_comes_back_under_its_name(world, namespaces):
    """The old sandbox is deleted after the new one was added, as the kubelet does it. That must not cut the new one off."""
    node = world.node("one").start()
    node.add("old", "web-0")
    pod, address = node.add("new", "web-0")
    node.delete("old")
    assert namespaces.peer_seen(pod, node.namespace, node.account.instance.network_interfaces[0].private_ip) == address
    assert node.plugin.check("new", netns=pod.path) == {"addresses": [address]}


def test_a_check_says_what_is_missing(world):
    node = world.node("one").start()
    pod, address = node.add("c1", "web-0")
    node.namespace.run("ip", "rule", "delete", "to", address)
    pod.run("ip", "route", "delete", "default")
    details = node.plugin.check("c1", netns=pod.path)["error"]["details"]
    assert "host's namespace" in details
    assert "pod's namespace" in details
    assert address in details


def test_a_check_does_not_compare_the_mtu(world):
    """The tuning plugin changes it, and POD_MTU may have been another when the pod was added."""
    node = world.node("one").start()
    pod, address = node.add("c1", "web-0")
    pod.run("ip", "link", "set", "eth0", "mtu", "1400")
    assert node.plugin.check("c1", netns=pod.path) == {"addresses": [address]}
    node.start(POD_MTU="1500")
    assert node.plugin.check("c1", netns=pod.path) == {"addresses": [address]}
    pod.run("ip", "link", "set", "eth0", "down")
    assert "error" in node.plugin.check("c1", netns=pod.path)


def test_a_restart_with_another_prefix_keeps_the_pods(world, namespaces):
    node = world.node("one", **STEADY).start()
    pod, address = node.add("c1", "web-0")
    node.start(AWS_VPC_K8S_CNI_VETHPREFIX="pod")
    assert node.plugin.addresses() == {"c1": address}
    assert namespaces.peer_seen(pod, node.namespace, node.account.instance.network_interfaces[0].private_ip) == address


def test_a_restart_repairs_the_host(world, namespaces):
    one, two = world.node("one", **STEADY).start(), world.node("two", **STEADY).start()
    client, source = one.add("client")
    server, address = two.add("server")
    before = one.state()
    one.namespace.run("ip", "rule", "delete", "to", source)
    one.namespace.run("ip", "route", "delete", source)
    one.namespace.run("ip", "rule", "add", "from", source, "table", "77", "priority", "1536")
    assert namespaces.peer_seen(client, server, address, timeout_s=0.3) is None
    one.start()
    assert one.state() == before
    assert namespaces.peer_seen(client, server, address) == source
    two.start()
    assert namespaces.peer_seen(client, server, address) == source


def test_a_restart_drops_a_pod_whose_namespace_is_gone(world):
    node = world.node("one").start()
    before = node.state()
    node.add("c1", "web-0")
    (link,) = node.pod_links
    node.namespace.run("ip", "link", "delete", link)
    node.start()
    assert node.plugin.addresses() == {}
    assert node.state() == before


def test_gc_sweeps_what_nobody_holds(world):
    node = world.node("one").start()
    before = node.state()
    pod, address = node.add("c1", "web-0")
    held = node.state()
    node.namespace.run("ip", "rule", "add", "from", "10.0.1.200", "table", "2", "priority", "1536")
    node.namespace.run("ip", "rule", "add", "to", "10.0.1.200", "table", "main", "priority", "512")
    assert node.plugin.collect("c1") == {}
    assert node.state() == held
    assert node.plugin.check("c1", netns=pod.path) == {"addresses": [address]}
    assert node.plugin.collect() == {}
    assert node.state() == before


def test_an_eni_that_is_freed_leaves_no_rule(world):
    """Upstream forgets the rule of an ENI that disappears by itself. A rule of somebody else stays."""
    node = world.node("one").start()
    foreign = Rule(source="192.168.1.5", table=500, priority=32765)  # what the kernel gives a rule without a priority on a bare host
    node.namespace.run("ip", "rule", "add", "from", "192.168.1.5", "lookup", "500", "priority", "32765")
    for number in range(3):
        node.add(f"pod-{number}")
    node.tick(5 * S)
    node.tick(10 * S)
    found = node.wiring.look()
    assert any(isinstance(each, Rule) and each.priority == 32765 for each in found)
    for number in range(3):
        node.delete(f"pod-{number}")
    for second in range(15, 400, 5):
        node.tick(second * S)
    assert len(node.agent.node.datastores[0].eni_ids) == 1
    found = node.wiring.look()
    assert {each for each in found if isinstance(each, Rule) and each.priority == 32765} == {foreign}
    assert not any(isinstance(each, Route) and each.table == 2 for each in found)


IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}


def test_ipv6_pods_reach_each_other(world, namespaces):
    ends = []
    for name in ("one", "two"):
        node = world.node(name, instance_type="m5.large", settings=IPV6, ipv6=True)
        ends.append(node.start().add(f"pod-on-{name}"))
    (client, source), (server, address) = ends
    assert ":" in address
    assert namespaces.peer_seen(client, server, address) == source
    assert node.plugin.check("pod-on-two", netns=server.path) == {"addresses": [address]}
    before = node.state()
    node.start()
    assert node.state() == before
    node.delete("pod-on-two")
    assert node.pod_links == []


def test_an_agent_in_the_wrong_namespace_does_not_start(world):
    node = world.node("one")
    node.namespace = world.vpc.namespace("elsewhere")
    with pytest.raises(Exception, match="run the agent in the node's namespace"):
        node.start()


def test_an_eni_that_can_not_be_set_up_serves_no_pod(world, monkeypatch):
    """The others go on, and the next tick tries again."""
    from vpcipam.agent import kernel  # noqa: PLC0415 - it needs pyroute2

    node = world.node("one").start()
    for number in range(3):
        node.add(f"pod-{number}")
    node.tick(5 * S)
    plan = kernel.eni_plan
    unreachable = Step(Route(destination="0.0.0.0/0", table=2, gateway="192.0.2.1", device="eth1"), Mode.REPLACE, "for the test")
    monkeypatch.setattr(kernel, "eni_plan", lambda *_, **__: (unreachable,))
    node.tick(10 * S)
    assert any("can't be set up" in line for line in node.account.lines)
    assert node.plugin.add("early", netns=world.vpc.namespace("early").path)["error"]["code"] == cni.TRY_AGAIN
    monkeypatch.setattr(kernel, "eni_plan", plan)
    node.tick(45 * S)
    node.add("pod-3")


def test_random_pods_come_and_go(world):
    """Also through restarts. Each pod's state is checked, and nothing is left."""
    chance = random.Random(1)
    node = world.node("one", **STEADY).start()
    before = node.state()
    alive = {}
    for step in range(30):
        if alive and chance.random() < 0.5:
            container = chance.choice(sorted(alive))
            node.delete(container)
            del alive[container]
        elif len(alive) < 3:
            node.plugin.now_ns = step * 31 * S
            alive[f"pod-{step}"] = node.add(f"pod-{step}")
        if chance.random() < 0.1:
            node.start(step * 31 * S)
        for container, (pod, address) in alive.items():
            assert node.plugin.check(container, netns=pod.path) == {"addresses": [address]}
    for container in alive:
        node.delete(container)
    assert node.state() == before


def test_a_pod_with_an_address_of_every_card(world):
    """Each address leaves by an ENI of its own card."""
    settings = {"ENABLE_MULTI_NIC": "true", "WARM_IP_TARGET": "1"}
    one = world.node("one", instance_type="c6in.32xlarge", settings=settings).start()
    one.tick(5 * S)
    before = one.state()
    two = world.node("two").start()
    _, address = two.add("server")
    pod = world.vpc.namespace("client")
    added = one.plugin.add("client", "client", every_card=True, netns=pod.path)["attachments"]
    assert [each["pod_name"] for each in added] == ["eth0", "mNicIf1"]
    for each in added:
        enis = world.hypervisor.enis
        sent = {eni_id: eni.sent_count for eni_id, eni in enis.items()}
        pod.run("ping", "-c", "1", "-W", "2", "-I", each["address"], address)
        (assignment,) = [
            assignment
            for datastore in one.agent.node.datastores
            for _, assignment in datastore.assignments()
            if assignment.address == each["address"]
        ]
        assert enis[assignment.eni_id].sent_count > sent[assignment.eni_id]
    assert [eni.dropped_count for eni in enis.values()] == [0] * len(enis)
    assert one.plugin.check("client", netns=pod.path) == {"addresses": [each["address"] for each in added]}
    one.delete("client")
    assert one.state() == before
