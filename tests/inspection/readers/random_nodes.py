"""Random nodes of ours with their account in the EC2 model: pods come and go, ENIs are added and freed, ipamd restarts."""

import contextlib

import attrs
import hypothesis.strategies as st

from vpcipam.address import Cidr
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import NodeError, PoolExhausted, UnknownKey
from vpcipam.events import AddressAssigned, AddressUnassigned, CidrRemoved, SandboxEvicted
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.node import Node
from vpcipam.node.interfaces import SUBNET_ROLE_TAG
from vpcipam.node.resource_controller import add_branch
from vpcipam.prometheus import IpamMetrics
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings

S = 1_000_000_000
BEGIN_NS = 1_700_000_000 * S
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=3, ipv4_per_eni=5, network_cards=(3, 2))
EFA = InstanceLimits(instance_type="efa.test", eni_limit=3, ipv4_per_eni=4, efa=True)

# By name: the type, the variables, and the ways in which the account differs.
NODES = {
    "secondary IPs": ("t3.small", {}, {}),
    "few warm IPs": ("m5.large", {"WARM_IP_TARGET": "2", "MINIMUM_IP_TARGET": "4"}, {}),
    "prefixes": ("t3.small", {"ENABLE_PREFIX_DELEGATION": "true"}, {}),
    "IPv6": ("t3.small", {"ENABLE_IPv6": "true", "ENABLE_IPv4": "false", "ENABLE_PREFIX_DELEGATION": "true"}, {"ipv6": True}),
    "custom networking": ("t3.small", {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}, {}),
    "custom networking with prefixes": (
        "t3.small",
        {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true", "ENABLE_PREFIX_DELEGATION": "true"},
        {},
    ),
    "two cards": (TWO_CARDS, {"ENABLE_MULTI_NIC": "true"}, {}),
    "two cards with prefixes": (TWO_CARDS, {"ENABLE_MULTI_NIC": "true", "ENABLE_PREFIX_DELEGATION": "true"}, {}),
    "trunk": ("m5.large", {"ENABLE_POD_ENI": "true"}, {"trunk": True}),
    "EFA": (EFA, {}, {"efa": True}),
    "excluded subnet": ("t3.small", {}, {"excluded": True}),
    "was prefixes before": ("t3.small", {}, {"before": {"ENABLE_PREFIX_DELEGATION": "true"}}),
}
IPV4_NODES = sorted(NODES.keys() - {"IPv6"})


@attrs.frozen
class Used:
    """An address that a sandbox has held at least once, as ipamd remembers it: both times stay when the address changes hands."""

    held: bool
    key: SandboxKey | None
    pod: PodRef | None
    assigned_ns: int | None
    unassigned_ns: int | None


@attrs.frozen
class Eni:
    """An ENI of a datastore; `used` are the addresses of each CIDR that were used."""

    eni_id: str
    network_card: int
    device_number: int
    primary: bool
    trunk: bool
    efa: bool
    excluded: bool
    subnet_id: str
    route_table_id: int
    cidrs: dict[str, dict[str, Used]]


@attrs.define(eq=False)
class RandomNode:
    """A node and its account, with what ipamd would remember about addresses and the datastore doesn't."""

    name: str
    node: Node
    model: Ec2Model
    subnet_id: str
    pod_subnet_id: str
    journals: list
    metrics: IpamMetrics
    now_ns: int = BEGIN_NS
    used: dict = attrs.field(factory=dict)  # by card and address
    branches: dict = attrs.field(factory=dict)  # by pod: the branch ENI and its VLAN
    story: list = attrs.field(factory=list)  # what happened: the time, and an event, or the begin and end of a start

    def note(self, event):
        """Remember times as ipamd does."""
        self.story.append((self.now_ns, event))
        if isinstance(event, AddressAssigned):
            before = self.used.get((event.network_card, event.assignment.address))
            times = event.now_ns, before and before.unassigned_ns
            used = Used(held=True, key=event.key, pod=event.pod, assigned_ns=times[0], unassigned_ns=times[1])
            self.used[event.network_card, event.assignment.address] = used
        elif isinstance(event, AddressUnassigned | SandboxEvicted):
            place = event.network_card, event.assignment.address
            self.used[place] = attrs.evolve(self.used[place], held=False, key=None, pod=None, unassigned_ns=event.now_ns)
        elif isinstance(event, CidrRemoved):
            for card, address in [*self.used]:
                if card == event.network_card and Cidr.parse(address).first in _addresses(event.cidr):
                    del self.used[card, address]

    @property
    def cards(self):
        """The indexes of the managed network cards."""
        return [each.network_card for each in self.node.datastores]

    def enis(self, card):
        """The ENIs of a card's datastore, by device number."""
        datastore = next(each for each in self.node.datastores if each.network_card == card)
        held = {each.address: each for each in self.journals[card].restore(self.now_ns).assigned}
        assert {address for index, address in self.used if index == card and self.used[index, address].held} == held.keys()
        return [
            self._eni(card, datastore, shown)
            for shown in self.model.describe_network_interfaces(now_ns=self.now_ns)
            if shown.eni_id in datastore
        ]

    def _eni(self, card, datastore, shown):
        device = shown.attachment.device_index
        cidrs = {
            cidr: {
                address: used
                for (index, address), used in self.used.items()
                if index == card and Cidr.parse(address).first in _addresses(cidr)
            }
            for cidr in datastore.cidrs(shown.eni_id)
        }
        (subnet,) = self.model.describe_subnets(subnet_ids=[shown.subnet_id], now_ns=self.now_ns)
        return Eni(
            shown.eni_id,
            card,
            device,
            primary=(card, device) == (0, 0),
            trunk=shown.interface_type == "trunk",
            efa=shown.interface_type == "efa",
            excluded=subnet.tag(SUBNET_ROLE_TAG) == "0",
            subnet_id=shown.subnet_id,
            route_table_id=254 if device == 0 else device + 1,
            cidrs=cidrs,
        )

    def held(self, card):
        """The held addresses of a card, by address."""
        return {address: used for (index, address), used in self.used.items() if index == card and used.held}


def _addresses(cidr):
    parsed = Cidr.parse(cidr)
    return range(parsed.first, parsed.first + parsed.size)


@st.composite
def random_nodes(draw, names=tuple(NODES)):
    """Generate nodes that have run for some minutes."""
    name = draw(st.sampled_from(names))
    instance_type, variables, account = NODES[name]
    model = Ec2Model()
    ipv6 = "ipv6" in account
    vpc_id = model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56" if ipv6 else None).vpc_id
    excluded = "excluded" in account
    subnets = [
        model.create_subnet(
            vpc_id,
            f"10.0.{number}.0/24",
            availability_zone="us-east-1a",
            ipv6_cidr=f"2001:db8:0:{number}::/64" if ipv6 else None,
            tags=((SUBNET_ROLE_TAG, role),) if excluded and number == 2 else (),
        ).subnet_id
        for number, role in enumerate("011"[: 3 if excluded else 2])
    ]
    limits = instance_limits(instance_type)
    instance = model.launch_instance(limits, subnets[0], now_ns=BEGIN_NS)
    if "efa" in account:
        efa = model.create_network_interface(subnet_id=subnets[0], interface_type="efa", now_ns=BEGIN_NS)
        model.attach_network_interface(efa.eni_id, instance.instance_id, device_index=1, now_ns=BEGIN_NS)
    made = RandomNode(name, None, model, subnets[0], subnets[1], [MemoryJournal() for _ in _cards(limits, variables)], IpamMetrics())
    if "before" in account:
        _start(made, limits, variables | account["before"], instance.instance_id)
        _run(draw, made, limits, variables | account["before"], restarts=False)
    _start(made, limits, variables, instance.instance_id)
    if excluded:
        model.create_tags([subnets[0]], [(SUBNET_ROLE_TAG, "0")], now_ns=made.now_ns)
    if "trunk" in account:
        _attach_trunk(made)
    _run(draw, made, limits, variables)
    return made


def _cards(limits, variables):
    return limits.network_cards if "ENABLE_MULTI_NIC" in variables else (0,)


def _start(made, limits, variables, instance_id, gone=()):
    """Start ipamd, or restart it. ipamd then forgets which addresses were used and are free; ours still knows those that cool."""
    cooling = {(card, each.address) for card, journal in enumerate(made.journals) for each in journal.restore(made.now_ns).cooling}
    made.used = {place: used for place, used in made.used.items() if used.held or place in cooling}
    made.node = Node(
        limits,
        Settings().with_variables(variables),
        made.metrics.count_calls(made.model),
        subnet_id=made.subnet_id,
        pod_subnet_id=made.pod_subnet_id,
        instance_id=instance_id,
        journals=made.journals,
        on_event=lambda event: (made.note(event), made.metrics(event)),
    )
    made.metrics.watch(made.node)
    times = {place: used for place, used in made.used.items() if used.held}
    made.story.append((made.now_ns, "start"))
    made.node.restore(made.now_ns, gone=gone)
    made.story.append((made.now_ns, "started"))
    for place, before in times.items():
        if place in made.used and made.used[place].held:
            made.used[place] = before  # the checkpoint has the time of the assignment
    made.now_ns += S


def _attach_trunk(made):
    instance_id = made.node.instance_id
    trunk = made.model.create_network_interface(subnet_id=made.subnet_id, interface_type="trunk", now_ns=made.now_ns)
    index = made.model.describe_instance(instance_id, now_ns=made.now_ns).free_device_index(0)
    with contextlib.suppress(Ec2Error):
        made.model.attach_network_interface(trunk.eni_id, instance_id, device_index=index, now_ns=made.now_ns)
        vlan = 1
        made.branches["branch-pod"] = add_branch(made.model, trunk, vlan, made.now_ns), vlan
    made.now_ns += 70 * S
    made.node.reconcile(made.now_ns)


def _run(draw, made, limits, variables, *, restarts=True):
    """Let pods come and go, and time pass."""
    steps = ["pod"] * 4 + ["wait"] + (["restart"] if restarts else [])
    for number, step in enumerate(draw(st.lists(st.sampled_from(steps), max_size=25))):
        made.now_ns += draw(st.sampled_from([S, 7 * S, 31 * S])) + number
        if step == "restart":
            held = [key for journal in made.journals for key in [each.key for each in journal.assigned]]
            _start(made, limits, variables, made.node.instance_id, gone=held[: draw(st.integers(0, 1))])
        elif step == "pod":
            _change_pod(made, draw(st.sampled_from("abcdefgh")), draw(st.sampled_from(made.cards)))
        else:
            made.now_ns += draw(st.sampled_from([5 * S, 60 * S, 900 * S]))
        made.node.tick(made.now_ns)


def _change_pod(made, name, card):
    """Start the pod of a name, or end it."""
    key = SandboxKey("aws-cni", f"{name}{card}0123456789abcdef", "eth0")
    with contextlib.suppress(PoolExhausted, NodeError):
        try:
            made.node.unassign(key, made.now_ns, network_card=card)
        except UnknownKey:
            made.node.assign(key, made.now_ns, PodRef("default", f"pod-{name}"), network_card=card)
