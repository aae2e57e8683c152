"""A node over boto3 and the same node directly on the model: same actions, same state, for random programs."""

import contextlib
from types import SimpleNamespace

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.boto import BotoEc2
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import NodeError, PoolExhausted, SettingsError
from vpcipam.limits import InstanceLimits
from vpcipam.node import Node
from vpcipam.node.calls import SDK_BACKOFF
from vpcipam.node.interfaces import SUBNET_ROLE_TAG
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings

S = 1_000_000_000
TYPES = (
    "t3.small",
    "m5.large",
    "m1.small",
    InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2)),
    InstanceLimits(instance_type="tiny.test", eni_limit=2, ipv4_per_eni=2),
)
ACTIONS_BY_METHOD = {
    "create_network_interface": "CreateNetworkInterface",
    "describe_instance": "DescribeInstances",  # a node's call, straight on the model
    "describe_instances": "DescribeInstances",  # what it comes to over the wire
    "attach_network_interface": "AttachNetworkInterface",
    "modify_network_interface_attribute": "ModifyNetworkInterfaceAttribute",
    "assign_private_ip_addresses": "AssignPrivateIpAddresses",
    "assign_ipv6_addresses": "AssignIpv6Addresses",
    "unassign_private_ip_addresses": "UnassignPrivateIpAddresses",
    "detach_network_interface": "DetachNetworkInterface",
    "delete_network_interface": "DeleteNetworkInterface",
    "describe_network_interfaces": "DescribeNetworkInterfaces",
    "describe_subnets": "DescribeSubnets",
}
CODES = (
    "RequestLimitExceeded",
    "InsufficientFreeAddressesInSubnet",
    "InsufficientCidrBlocks",
    "PrivateIpAddressLimitExceeded",
    "UnauthorizedOperation",
)


class RefusingModel(Ec2Model):
    """The model with refusals on demand: the node's calls pass `_refuse`, those that the test makes behind its back do not."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.orders = []
        self.log = []

    def refuse(self, action, code):
        self.orders.append((action, code))

    def node_calls(self, action):
        self.log.append(action)
        for order in self.orders:
            if order[0] == action:
                self.orders.remove(order)
                raise Ec2Error(order[1], "refused by the test", action)


def node_side(method, action):
    def call(self, *args, **kwargs):
        if not self.behind_its_back:
            self.node_calls(action)
        return getattr(Ec2Model, method)(self, *args, **kwargs)

    return call


RefusingModel.behind_its_back = False
for _method, _action in ACTIONS_BY_METHOD.items():
    setattr(RefusingModel, _method, node_side(_method, _action))


class Side:
    """One node and its EC2, direct or over the wire."""

    def __init__(self, program, *, over_the_wire):
        self.model = RefusingModel(address_choice=program.address_choice, seed=5)
        with self.behind_its_back():
            vpc_id = self.model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
            self.subnet_ids = [
                self.model.create_subnet(vpc_id, f"10.0.0.0/{program.subnet_size}", ipv6_cidr="2001:db8::/64").subnet_id,
                self.model.create_subnet(vpc_id, "10.0.8.0/27", tags=((SUBNET_ROLE_TAG, program.role),)).subnet_id,
            ]
            instance = self.model.launch_instance(program.instance_type, self.subnet_ids[0], now_ns=0)
        self.now_ns = 0
        self.ec2 = self.model
        if over_the_wire:
            self.ec2 = BotoEc2(
                fake_client("ec2", self.model, now_ns=lambda: self.now_ns),
                metadata=lambda instance_id: self.model.instance_metadata(instance_id, now_ns=self.now_ns),
                attempt_count=SDK_BACKOFF.try_count,  # as often as the node tries by itself
                sleep=lambda _: None,
            )
        self.node = Node(
            program.instance_type,
            Settings().with_variables(program.variables),
            self.ec2,
            subnet_id=self.subnet_ids[0],
            instance_id=instance.instance_id,
            placement="random",
        )
        self.pod_count = 0
        self.pods = []

    @contextlib.contextmanager
    def behind_its_back(self):
        self.model.behind_its_back = True
        try:
            yield
        finally:
            self.model.behind_its_back = False

    # --- what a program is made of ---

    def start(self):
        return self.node.start(self.now_ns)

    def pods_come(self, count):
        keys = [SandboxKey("aws-cni", f"c{self.pod_count + number}", "eth0") for number in range(count)]
        self.pod_count += count
        assigned = []
        for key in keys:
            assigned.append(self.node.assign(key, self.now_ns))
            self.pods.append(key)
        return assigned

    def pods_go(self, count):
        gone, self.pods = self.pods[:count], self.pods[count:]
        return [self.node.unassign(key, self.now_ns) for key in gone]

    def tick(self, seconds):
        self.now_ns += seconds * S
        return self.node.tick(self.now_ns)

    def reconcile(self, _):
        return self.node.reconcile(self.now_ns)

    def refuse(self, order):
        self.model.refuse(*order)

    def others_take(self, leave):
        with self.behind_its_back():
            free = self.model.subnets[0].available_ip_address_count
            if free > leave:
                self.model.create_network_interface(subnet_id=self.subnet_ids[0], secondary_ip_count=free - leave - 1, now_ns=0)

    def someone_assigns(self, number):
        with self.behind_its_back():
            enis = self.model.describe_network_interfaces(instance_id=self.node.instance_id, now_ns=0)
            eni = enis[number % len(enis)]
            return self.model.assign_private_ip_addresses(eni.eni_id, secondary_ip_count=1, now_ns=0)

    def someone_takes_off(self, number):
        with self.behind_its_back():
            enis = self.model.describe_network_interfaces(instance_id=self.node.instance_id, now_ns=0)
            eni = enis[number % len(enis)]
            self.model.unassign_private_ip_addresses(
                eni.eni_id, addresses=eni.secondary_ips[:1], prefixes=() if eni.secondary_ips else eni.ipv4_prefixes[:1], now_ns=0
            )

    # --- what must be equal ---

    def outcome(self, step, *arguments):
        """The result of a step, or its error; an Ec2Error with EC2's message."""
        try:
            return getattr(self, step)(*arguments)
        except (Ec2Error, NodeError, PoolExhausted) as error:
            return type(error), str(error), getattr(error, "code", None)
        except LookupError as error:  # a pod that was evicted
            return type(error), str(error)

    def state(self):
        with self.behind_its_back():
            enis = self.model.describe_network_interfaces(now_ns=0)
        datastores = [
            (datastore.stats(self.now_ns), datastore.eni_stats(self.now_ns), sorted(map(str, datastore.assignments())))
            for datastore in self.node.datastores
        ]
        return self.model.vpcs, self.model.subnets, self.model.instances, enis, datastores

    def what_ec2_shows(self):
        """All that the node's side of EC2 can show; over boto3, when an ENI was made is not shown, nor are its tags within an instance."""
        with self.behind_its_back():
            enis = self.ec2.describe_network_interfaces(now_ns=self.now_ns)
            instance = self.ec2.describe_instance(self.node.instance_id, now_ns=self.now_ns)
            metadata = self.ec2.instance_metadata(self.node.instance_id, now_ns=self.now_ns)
            return (
                self.ec2.describe_subnets(now_ns=self.now_ns),
                [attrs.evolve(eni, created_ns=0) for eni in enis],
                [attrs.evolve(eni, created_ns=0) for eni in metadata],
                [attrs.evolve(eni, created_ns=0, tags=()) for eni in instance.network_interfaces],
                (instance.instance_type, instance.subnet_id, instance.tags),
            )

    def next_wakeup(self):
        return self.node.next_wakeup(self.now_ns) if self.node.started else None


STEPS = st.one_of(
    st.tuples(st.just("pods_come"), st.integers(1, 12)),
    st.tuples(st.just("pods_go"), st.integers(1, 12)),
    st.tuples(st.just("tick"), st.sampled_from([5, 5, 30, 60, 61, 120])),
    st.tuples(st.just("reconcile"), st.none()),
    st.tuples(st.just("refuse"), st.tuples(st.sampled_from(sorted(set(ACTIONS_BY_METHOD.values()))), st.sampled_from(CODES))),
    st.tuples(st.just("others_take"), st.integers(0, 40)),
    st.tuples(st.just("someone_assigns"), st.integers(0, 3)),
    st.tuples(st.just("someone_takes_off"), st.integers(0, 3)),
)
PROGRAMS = st.builds(
    SimpleNamespace,
    instance_type=st.sampled_from(TYPES),
    variables=st.fixed_dictionaries(
        {
            "WARM_ENI_TARGET": st.sampled_from("012"),
            "WARM_IP_TARGET": st.sampled_from(["0", "0", "2", "9"]),
            "WARM_PREFIX_TARGET": st.sampled_from(["00", "1", "2"]),  # "00" is 0 to ipamd, and passes the entry point
            "ENABLE_PREFIX_DELEGATION": st.sampled_from(["true", "false"]),
            "ENABLE_SUBNET_DISCOVERY": st.sampled_from(["true", "false"]),
            "ENABLE_MULTI_NIC": st.sampled_from(["true", "false"]),
            "IP_COOLDOWN_PERIOD": st.sampled_from(["0", "30"]),
        }
    )
    | st.just({"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}),
    subnet_size=st.integers(22, 28),
    role=st.sampled_from("01"),
    address_choice=st.sampled_from(["lowest", "random"]),
    steps=st.lists(STEPS, min_size=1, max_size=12),
)


@pytest.mark.thorough
@given(PROGRAMS)
@settings(settings(), max_examples=max(50, settings().max_examples // 10))  # a call over the wire takes a millisecond
def test_a_node_over_boto3_does_what_it_does_on_the_model(program):
    try:
        straight = Side(program, over_the_wire=False)
    except SettingsError:
        return
    wire = Side(program, over_the_wire=True)
    for step in (("start",), *program.steps):
        assert wire.outcome(*step) == straight.outcome(*step)
        assert wire.model.log == straight.model.log
        assert wire.state() == straight.state()
        assert wire.next_wakeup() == straight.next_wakeup()
    assert wire.what_ec2_shows() == straight.what_ec2_shows()
