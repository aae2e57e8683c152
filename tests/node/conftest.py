"""Worlds for node tests: one node in a VPC of the EC2 model, with an EC2 that refuses calls on demand."""

import pytest

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.node import Node
from vpcipam.node.calm_ranges import CalmRanges
from vpcipam.node.interfaces import INSTANCE_TAG, is_primary, pod_cidrs
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings

S = 1_000_000_000
OUT_OF_ADDRESSES = "InsufficientFreeAddressesInSubnet"
ACTIONS = {"describe_instance": "DescribeInstances"}


class ScriptedEc2:
    """The model, with a log of the calls and refusals on demand.

    `log` holds action names in the order of the calls, refused ones too. `metadata` replaces what the instance
    metadata shows, once set, or makes it from that.
    """

    def __init__(self, model):
        self.model = model
        self.log = []
        self.arguments = []
        self.metadata = None
        self._refusals = []

    def refuse(self, action, code="UnauthorizedOperation", message="refused by the test", *, times=1):
        """Refuse the next calls of an action."""
        self._refusals += [(action, code, message)] * times

    def allow(self):
        """Refuse no more calls."""
        self._refusals.clear()

    @property
    def elapsed_ns(self):
        return self.model.elapsed_ns

    @property
    def retries_throttling(self):
        return False

    def pause(self, duration_ns):
        self.model.pause(duration_ns)

    def __getattr__(self, name):
        method = getattr(self.model, name)
        action = ACTIONS.get(name, "".join(word.capitalize() for word in name.split("_")))

        def call(*args, **kwargs):
            self.log.append(action)
            self.arguments.append((action, args, kwargs))
            for refusal in self._refusals:
                if refusal[0] == action:
                    self._refusals.remove(refusal)
                    raise Ec2Error(refusal[1], refusal[2], action)
            if action == "InstanceMetadata" and self.metadata is not None:
                return self.metadata(method(*args, **kwargs)) if callable(self.metadata) else self.metadata
            return method(*args, **kwargs)

        return call


class World:
    """A node in a VPC. `variables` are those of the manifest as AWS ships it, changed."""

    def __init__(
        self,
        instance_type="t3.small",
        variables=None,
        *,
        cidr="10.0.0.0/24",
        ipv6=False,
        subnet_tags=(),
        start=True,
        address_choice="lowest",
        conditions=None,
        **node_arguments,
    ):
        self.model = Ec2Model(address_choice=address_choice, seed=1, conditions=conditions)
        self.ec2 = ScriptedEc2(self.model)
        self.vpc_id = self.model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56" if ipv6 else None).vpc_id
        self.subnet_id = self.subnet(cidr, tags=subnet_tags, ipv6_cidr="2001:db8::/64" if ipv6 else None)
        self.settings = Settings().with_variables(variables or {})
        self.now_ns = 0
        self.node = Node(instance_type, self.settings, self.ec2, subnet_id=self.subnet_id, **node_arguments)
        self.started = ()
        if start:
            self.start()

    # --- the node ---

    def start(self):
        self.started = self.node.start(self.now_ns)
        self.ec2.log.clear()
        self.ec2.arguments.clear()
        return self.started

    def restart(self, variables, **node_arguments):
        """A new node object on the same instance."""
        settings = Settings().with_variables(variables)
        instance_id = self.node.instance_id
        self.node = Node(self.node.limits, settings, self.ec2, subnet_id=self.subnet_id, instance_id=instance_id, **node_arguments)
        return self.node

    def change_settings(self, variables):
        """Give the node's cards other variables, which ipamd itself reads only at its start."""
        for card in self.node._loop.cards:
            card.settings, card.calm_ranges = self.settings.with_variables(variables), CalmRanges()
        self.node._loop.outlook = None

    def assign(self, *names, network_card=0):
        return [self.node.assign(key(name), self.now_ns, PodRef("default", name), network_card=network_card) for name in names]

    def unassign(self, *names):
        return [self.node.unassign(key(name), self.now_ns) for name in names]

    def pods(self, count):
        """Assign pods p0, p1, … without a tick."""
        return self.assign(*(f"p{number}" for number in range(count)))

    def tick(self, at_s=None):
        """Tick now, or at a second."""
        if at_s is not None:
            self.now_ns = round(at_s * S)
        return self.node.tick(self.now_ns)

    def run(self, until_s, *, step_s=5):
        """Tick every 5 s, up to and with a second."""
        actions = []
        while self.now_ns < until_s * S:
            self.now_ns += step_s * S
            actions += self.node.tick(self.now_ns)
        return actions

    def settle(self):
        """Run for some minutes: twice the longest waiting time of a rule."""
        return self.run(self.now_ns // S + 240)

    # --- EC2 ---

    def subnet(self, cidr, *, tags=(), zone="us-east-1a", ipv6_cidr=None):
        return self.model.create_subnet(self.vpc_id, cidr, tags=tags, availability_zone=zone, ipv6_cidr=ipv6_cidr).subnet_id

    def foreign_eni(self, *, tags=(), interface_type="interface", device_index=None, subnet_id=None, network_card=0, ips=0, prefixes=0):
        """Attach an ENI that the node did not make."""
        eni = self.model.create_network_interface(
            subnet_id=subnet_id or self.subnet_id,
            secondary_ip_count=ips,
            ipv4_prefix_count=prefixes,
            tags=tags,
            interface_type=interface_type,
            now_ns=self.now_ns,
        )
        index = device_index
        if index is None:
            (instance,) = (each for each in self.model.instances if each.instance_id == self.node.instance_id)
            index = instance.free_device_index(network_card)
        self.model.attach_network_interface(
            eni.eni_id, self.node.instance_id, device_index=index, network_card_index=network_card, now_ns=self.now_ns
        )
        return eni.eni_id

    def own_tags(self):
        return ((INSTANCE_TAG, self.node.instance_id),)

    def attached(self, network_card=0):
        """The ENIs that EC2 shows on a card, by id."""
        enis = [eni for eni in self.enis() if eni.attachment and eni.attachment.instance_id == self.node.instance_id]
        return {eni.eni_id: eni for eni in enis if eni.attachment.network_card_index == network_card}

    def enis(self):
        """All ENIs in their true state, without a call."""
        return [record.view() for record in self.model._account.enis.values()]

    def take_away(self, eni_id):
        """Detach and delete an ENI behind the node's back."""
        attachment = self.attached()[eni_id].attachment
        self.model.detach_network_interface(attachment.attachment_id, now_ns=self.now_ns)
        self.model.delete_network_interface(eni_id, now_ns=self.now_ns)

    def fill_subnet(self, leave, *, subnet_id=None):
        """Occupy free addresses of a subnet until `leave` remain."""
        subnet_id = subnet_id or self.subnet_id
        free = self.free(subnet_id)
        if free > leave:
            self.model.create_network_interface(subnet_id=subnet_id, secondary_ip_count=free - leave - 1, now_ns=self.now_ns)
        return self

    def empty_subnets(self):
        """Delete all ENIs that are not attached."""
        for eni in self.enis():
            if eni.attachment is None:
                self.model.delete_network_interface(eni.eni_id, now_ns=self.now_ns)

    def free(self, subnet_id=None):
        (subnet,) = (each for each in self.model.subnets if each.subnet_id == (subnet_id or self.subnet_id))
        return subnet.available_ip_address_count

    # --- both together ---

    def shape(self, network_card=0):
        """The node's number of CIDRs by device number."""
        stats = self.node.datastores[network_card].eni_stats(self.now_ns)
        return {eni.device_number: eni.slot_count for eni in stats}

    def eni_at(self, device_number, network_card=0):
        stats = self.node.datastores[network_card].eni_stats(self.now_ns)
        return next(eni.eni_id for eni in stats if eni.device_number == device_number)

    def check(self):
        """Check the invariants of the node and the model."""
        self.model._check()
        for datastore in self.node.datastores:
            datastore._check()

    def check_agreement(self):
        """Assert that the datastores have exactly the CIDRs of EC2."""
        self.check()
        for datastore in self.node.datastores:
            attached = self.attached(datastore.network_card)
            booked = {eni_id: set(datastore.cidrs(eni_id)) for eni_id in datastore.eni_ids}
            shown = {eni_id: set(pod_cidrs(attached[eni_id], self.node.mode)) for eni_id in booked}
            if self.node.settings.custom_network_cfg:  # what a person put on the primary ENI is nobody's business
                shown |= {eni_id: shown[eni_id] & cidrs for eni_id, cidrs in booked.items() if is_primary(attached[eni_id])}
            assert booked == shown
            assert len(attached) == len(booked) + self.node.view(self.now_ns, datastore.network_card).unmanaged_eni_count


def key(name):
    """The sandbox key of a pod."""
    return SandboxKey("aws-cni", name, "eth0")


@pytest.fixture(scope="session")
def world():
    """The class of worlds: call it to make one."""
    return World


def kinds(actions):
    """A function: the kind of each action, and whether it was done."""
    return [(action.kind.value, action.done) for action in actions]


@pytest.fixture(scope="session", name="kinds")
def _kinds():
    return kinds
