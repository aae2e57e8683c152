"""Cooldowns in a node's journals at its start, under random programs: CIDRs are added, removed and moved, and the node restarts."""

import contextlib

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from vpcipam.ec2.api import Ec2Error
from vpcipam.errors import PoolExhausted
from vpcipam.journal.protocol import Cooling, MemoryJournal
from vpcipam.limits import InstanceLimits
from vpcipam.sandbox import SandboxKey

S = 1_000_000_000
TWO_CARDS = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))
ONE_CARD = attrs.evolve(TWO_CARDS, network_cards=(2,))
VARIABLES = {"ENABLE_MULTI_NIC": "true", "IP_COOLDOWN_PERIOD": "0", "DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"}
ENDS_S = {"10.0.0.200": 20, "10.0.0.201": 40, "10.0.0.202": 40, "10.0.0.203": 60}
ADDRESSES = st.sampled_from([*ENDS_S, "10.0.0.204"])
ON_EC2 = st.tuples(st.just("give"), ADDRESSES, st.integers(0, 1)) | st.tuples(st.just("take"), ADDRESSES)
STEPS = ON_EC2 | st.tuples(st.just("look"), st.integers(0, 12)) | st.tuples(st.just("restart"))


class Program:
    """A node, and an EC2 on which addresses are assigned and unassigned behind its back."""

    def __init__(self, world, limits):
        self.cards = range(len(limits.network_cards))
        self.journals = [MemoryJournal() for _ in self.cards]
        self.here = world(limits, VARIABLES)  # which launches it
        for card in self.cards[1:]:
            self.here.foreign_eni(network_card=card, device_index=0)
        self.here.restart(VARIABLES, journals=self.journals)

    def give(self, address, card):
        """Assign an address to a card, unless it is in use or the ENI is full."""
        (eni_id,) = self.here.attached(card % len(self.cards))
        with contextlib.suppress(Ec2Error):
            self.here.model.assign_private_ip_addresses(eni_id, addresses=(address,), now_ns=self.here.now_ns)

    def take(self, address):
        for card in self.cards:
            ((eni_id, eni),) = self.here.attached(card).items()
            if address in eni.secondary_ips:
                self.here.model.unassign_private_ip_addresses(eni_id, addresses=(address,), now_ns=self.here.now_ns)

    def start(self, knowing):
        """Start with cooldowns in the journals of some cards."""
        for journal in self.journals[knowing]:
            journal.record(cooling=tuple(Cooling(address, end_s * S) for address, end_s in ENDS_S.items()))
        self.here.node.restore(self.here.now_ns)

    def look(self, later_s):
        self.here.now_ns += later_s * S
        self.here.node.reconcile(self.here.now_ns)

    def restart(self):
        self.here.restart(VARIABLES, journals=self.journals).restore(self.here.now_ns)

    def given(self, card):
        """Assign pods until the pool is full, return their addresses, and unassign them."""
        addresses = []
        with contextlib.suppress(PoolExhausted):
            while True:
                addresses += [each.address for each in self.here.assign(f"p{len(addresses)}", network_card=card)]
        for number in range(len(addresses)):
            self.here.node.unassign(SandboxKey("aws-cni", f"p{number}", "eth0"), self.here.now_ns, network_card=card)
        return addresses


@pytest.mark.parametrize("limits", [ONE_CARD, TWO_CARDS], ids=["one card", "two cards"])
@pytest.mark.parametrize("knowing", [slice(1), slice(None)], ids=["the first journal", "all journals"])
@given(before=st.lists(ON_EC2, max_size=4), after=st.lists(STEPS, min_size=1, max_size=12))
@example(before=[], after=[("give", "10.0.0.203", 1), ("look", 0), ("take", "10.0.0.203"), ("give", "10.0.0.203", 0), ("look", 1)])
@example(
    before=[], after=[("give", "10.0.0.200", 0), ("look", 0), ("take", "10.0.0.200"), ("look", 1), ("give", "10.0.0.200", 0), ("look", 1)]
)
@example(before=[], after=[("restart",), ("give", "10.0.0.203", 0), ("look", 0), ("restart",)])
@example(before=[], after=[("give", "10.0.0.200", 0), ("look", 12), ("look", 8)])
def test_an_address_with_an_earlier_cooldown_is_assigned_only_after_it(world, limits, knowing, before, after):
    program = Program(world, limits)
    for what, *arguments in before:
        getattr(program, what)(*arguments)
    program.start(knowing)
    for what, *arguments in after:
        getattr(program, what)(*arguments)
        program.here.check()
        for card in program.cards:
            assert not [address for address in program.given(card) if ENDS_S.get(address, 0) * S > program.here.now_ns]
