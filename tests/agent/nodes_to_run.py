"""Agents to test: a node of the EC2 model with journals on disk, over a fake kernel."""

from pathlib import Path

from fake_kernel import FakeKernel

from vpcipam import Ec2Model, Node, Settings, instance_limits
from vpcipam.agent import wire
from vpcipam.agent.agent import Agent
from vpcipam.journal.sqlite import SqliteJournal

S = 1_000_000_000
QUIET = {"DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"}
"""The node asks EC2 for nothing, so that an agent that is killed can't leave EC2 changed."""


class Account:
    """One instance, and the folders of its agent and its kernel, which outlive each agent."""

    def __init__(self, folder, instance_type="t3.small", *, addresses=0, settings=None, ec2=None, subnet_id=None, ipv6=False):
        self.folder = folder
        self.settings = Settings.from_env({"ENABLE_IPv4": "true", "WARM_ENI_TARGET": "0", "WARM_IP_TARGET": "3"} | (settings or {}))
        self.ec2 = ec2 or Ec2Model()
        self.vpc_cidrs = ("10.0.0.0/16",)
        if subnet_id is None:
            vpc = self.ec2.create_vpc(*self.vpc_cidrs, ipv6_cidr="2001:db8::/56")
            subnet_id = self.ec2.create_subnet(vpc.vpc_id, "10.0.1.0/24", ipv6_cidr="2001:db8::/64").subnet_id
        self.instance = self.ec2.launch_instance(instance_type, subnet_id=subnet_id, now_ns=0)
        if ipv6:
            self.ec2.assign_ipv6_addresses(self.instance.network_interfaces[0].eni_id, ipv6_address_count=1, now_ns=0)
        if addresses:
            primary = self.instance.network_interfaces[0].eni_id
            self.ec2.assign_private_ip_addresses(primary, secondary_ip_count=addresses, now_ns=0)
        self.lines = []
        self.journals = []
        (folder / "namespaces").mkdir()

    def close(self):
        """Close the journals of all its agents."""
        for journal in self.journals:
            journal.close()

    @property
    def state(self):
        return str(self.folder / "state")

    def netns(self, name):
        path = self.folder / "namespaces" / name
        path.touch()
        return str(path)

    def kernel(self, step=lambda: None):
        return FakeKernel(self.folder / "kernel", step)

    def agent(self, kernel=None, *, journal=None, on_event=None):
        """A new agent, as after a start of its process."""
        Path(self.state).mkdir(exist_ok=True)
        cards = len(self.instance_limits.network_cards) if self.settings.enable_multi_nic else 1
        journals = [journal or SqliteJournal(f"{self.state}/card-{card}.journal", synchronous="OFF") for card in range(cards)]
        self.journals += journals
        agents = []

        def tell(event):
            agents[0].note_event(event)
            if on_event is not None:
                on_event(event)

        node = Node(
            self.instance.instance_type,
            self.settings,
            self.ec2,
            subnet_id=self.instance.subnet_id,
            instance_id=self.instance.instance_id,
            journals=journals,
            on_event=tell,
        )
        made = Agent(
            node,
            self.ec2,
            self.kernel() if kernel is None else kernel,
            folder=self.state,
            vpc_cidrs=lambda: self.vpc_cidrs,
            log=self.lines.append,
        )
        agents.append(made)
        made.journals = journals
        return made

    @property
    def instance_limits(self):
        return instance_limits(self.instance.instance_type)


def request(verb, **members):
    return {"protocol": wire.PROTOCOL, "verb": verb, **members}


class Plugin:
    """What the plugin asks one agent, without a socket."""

    def __init__(self, account, agent):
        self.account = account
        self.agent = agent
        self.now_ns = 0

    def add(self, container, name="", *, if_name="eth0", every_card=False, netns=None):
        asked = request("ADD", key=["pods", container, if_name], pod=["default" if name else "", name], every_card=every_card)
        return self.agent.answer(asked, netns or self.account.netns(container), self.now_ns)

    def delete(self, container, if_name="eth0"):
        return self.agent.answer(request("DEL", key=["pods", container, if_name]), None, self.now_ns)

    def check(self, container, netns=None):
        return self.agent.answer(request("CHECK", key=["pods", container, "eth0"]), netns or self.account.netns(container), self.now_ns)

    def collect(self, *valid, network="pods"):
        return self.agent.answer(request("GC", network=network, valid=[[each, "eth0"] for each in valid]), None, self.now_ns)

    def status(self):
        return self.agent.answer(request("STATUS"), None, self.now_ns)

    def addresses(self):
        """The addresses of all sandboxes, by container."""
        held = [pair for datastore in self.agent.node.datastores for pair in datastore.assignments()]
        return {key.container_id: assignment.address for key, assignment in held}
