"""Accounts to inspect: a node that has run in the EC2 model, and what else lies around it."""

import contextlib

import attrs
import pytest

from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import PoolExhausted
from vpcipam.inspection.audit import audit_survey
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.survey import survey
from vpcipam.node import Node
from vpcipam.node.interfaces import CREATED_TAG, INSTANCE_TAG
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings

S = 1_000_000_000


class Account:
    """A VPC with a subnet and an instance whose ipamd has started, with so many pods.

    `variables` are those of the manifest as AWS ships it, changed.
    """

    def __init__(self, instance_type="t3.small", variables=None, *, pods=0, cidr="10.0.0.0/24", tags=(), ipv6=False, start=True, **options):
        self.model = Ec2Model(**options)
        self.vpc_id = self.model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56" if ipv6 else None).vpc_id
        self.subnet_id = self.model.create_subnet(
            self.vpc_id, cidr, tags=tags, availability_zone="us-east-1a", ipv6_cidr="2001:db8::/64" if ipv6 else None
        ).subnet_id
        self.instance_id = self.model.launch_instance(instance_type, self.subnet_id, now_ns=0).instance_id
        self.settings = Settings().with_variables(variables or {})
        self.now_ns = 0
        if start:
            self.run(instance_type, pods)

    def run(self, instance_type, pods):
        """Let the node's ipamd start, and pods come, one every five seconds."""
        node = Node(instance_type, self.settings, self.model, subnet_id=self.subnet_id, instance_id=self.instance_id)
        node.start(0)
        for number in range(pods):
            self.now_ns += 5 * S
            with contextlib.suppress(PoolExhausted):  # a full node is as good
                node.assign(SandboxKey("aws-cni", f"p{number}", "eth0"), self.now_ns, PodRef("default", f"p{number}"))
            node.tick(self.now_ns)
        self.node = node

    def subnet(self, cidr, *, tags=(), zone="us-east-1a"):
        return self.model.create_subnet(self.vpc_id, cidr, tags=tags, availability_zone=zone).subnet_id

    def create(self, **arguments):
        """Make an ENI that is attached to nothing."""
        return self.model.create_network_interface(**({"subnet_id": self.subnet_id, "now_ns": self.now_ns} | arguments)).eni_id

    def attach(self, *, device_index=None, network_card=0, **arguments):
        """Make an ENI behind ipamd's back and attach it."""
        eni_id = self.create(**arguments)
        index = device_index
        if index is None:
            index = self.model.describe_instance(self.instance_id, now_ns=0).free_device_index(network_card)
        self.model.attach_network_interface(
            eni_id, self.instance_id, device_index=index, network_card_index=network_card, now_ns=self.now_ns
        )
        return eni_id

    def leave(self, made_at="1970-01-01T00:00:00Z", *, description="aws-K8S-i", **arguments):
        """Leave an ENI behind that this instance's ipamd made."""
        stamp = ((CREATED_TAG, made_at),) if made_at else ()
        return self.create(description=description, tags=((INSTANCE_TAG, self.instance_id), *stamp), **arguments)

    def fill(self, leave, *, subnet_id=None):
        """Take free addresses of a subnet until so many are left."""
        subnet_id = subnet_id or self.subnet_id
        (free,) = (each.available_ip_address_count for each in self.model.subnets if each.subnet_id == subnet_id)
        self.create(subnet_id=subnet_id, secondary_ip_count=free - leave - 1)

    def read(self, **arguments):
        return read_node(self.model, self.instance_id, **({"now_ns": self.now_ns} | arguments))

    def survey(self, variables=None, *, change=lambda node: node, **options):
        """See it under the settings that it runs with, or others; `change` may alter what was read."""
        settings = self.settings if variables is None else Settings().with_variables(variables)
        return survey(change(self.read()), settings, **options)

    def audit(self, variables=None, **options):
        return audit_survey(self.survey(variables, **options))


def changed_eni(position, **changes):
    """A change of what was read: of the ENI at a position."""

    def change(node):
        enis = list(node.enis)
        attachment = changes.pop("attachment", {})
        enis[position] = attrs.evolve(enis[position], attachment=attrs.evolve(enis[position].attachment, **attachment), **changes)
        return attrs.evolve(node, enis=tuple(enis))

    return change


@pytest.fixture(scope="session")
def account():
    """The class of accounts: call it to make one."""
    return Account


@pytest.fixture(scope="session")
def eni_changed():
    """A function that makes a change of what was read, for `Account.survey`."""
    return changed_eni


@pytest.fixture(scope="session")
def rules():
    """A function: what findings say, in short: the rule, marked with a `?` where it is but a note."""
    return lambda findings: [finding.rule + ("?" if finding.severity == "note" else "") for finding in findings]
