"""The node's promises while EC2 is slow, throttles, lags and fails, and the node's state once EC2 behaves again."""

import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Crash, Effect, FaultInjector, Faults
from vpcipam.ec2.latency import TYPICAL_LATENCIES
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.errors import NodeError, PoolExhausted
from vpcipam.journal.protocol import Assigned, Cooling, MemoryJournal
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.node import Node
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings
from vpcipam.warmpool import grow

S = 1_000_000_000
FAULTS_END_NS = 1_500 * S
TYPES = ("t3.small", "m5.large", InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2)))
RATES = st.sampled_from([0.0, 0.0, 0.05, 0.2])


class FilledJournal(MemoryJournal):
    """A journal whose content can be replaced."""

    def fill(self, assigned, cooling):
        self.__init__()
        self.record(tuple(assigned))
        self.record(cooling=tuple(cooling))


class FaultMachine(RuleBasedStateMachine):
    """One or two nodes on one EC2, with a plain record of which pod holds which address and since when addresses cool."""

    nodes: tuple[Node, ...] = ()

    @initialize(
        node_count=st.integers(1, 2),
        instance_type=st.sampled_from(TYPES),
        variables=st.fixed_dictionaries(
            {
                "ENABLE_PREFIX_DELEGATION": st.booleans(),
                "ENABLE_MULTI_NIC": st.booleans(),
                "WARM_ENI_TARGET": st.integers(1, 2),
                "WARM_IP_TARGET": st.sampled_from([0, 2, 5]),
                "IP_COOLDOWN_PERIOD": st.sampled_from([0, 30, 90]),
            }
        ),
        rates=st.fixed_dictionaries(dict.fromkeys(Effect, RATES)),
        lags_s=st.tuples(st.integers(0, 20), st.integers(0, 20)),
        latencies=st.sampled_from([None, TYPICAL_LATENCIES]),
        throttle=st.sampled_from([None, Throttle(), Throttle(shared=TokenBucket(5, 2))]),
        seed=st.integers(0, 1 << 32),
    )
    def launch(self, node_count, instance_type, variables, rates, lags_s, latencies, throttle, seed):  # noqa: PLR0917 - what is drawn
        if node_count > 1:
            rates = rates | {Effect.TAKE_ADDRESS: 0.0}  # what is taken off one node and given to the other is no node's fault
        self.now_ns = 0
        self.pod_count = 0
        self.held = {}  # (node, card, key): address
        self.cooling = {}  # (node, address): when it may come back
        self.journals = {}  # by instance
        self.ec2 = Ec2Model(
            seed=seed,
            conditions=Conditions(
                throttle,
                latencies,
                describe_lag_ns=lags_s[0] * S,
                metadata_lag_ns=lags_s[1] * S,
                faults=Faults.random(seed, rates, until_ns=FAULTS_END_NS),
                seed=seed,
            ),
        )
        if variables["ENABLE_MULTI_NIC"]:  # with prefixes, a card above 0 flaps every 30 s and never reconciles, as in ipamd
            variables = variables | {"ENABLE_PREFIX_DELEGATION": False}
        texts = {name: str(value).lower() for name, value in variables.items()}
        self.settings = Settings().with_variables(texts)
        with self.undisturbed():
            self.subnet_id = self.ec2.create_subnet(self.ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/23").subnet_id
            instances = [self.ec2.launch_instance(instance_type, self.subnet_id, now_ns=0) for _ in range(node_count)]
        self.nodes = tuple(self.new_node(instance.instance_id, instance_type, seed + place) for place, instance in enumerate(instances))

    def new_node(self, instance_id, instance_type, seed):
        cards = instance_limits(instance_type).network_cards if self.settings.enable_multi_nic else [1]
        journals = self.journals[instance_id] = [FilledJournal() for _ in cards]
        return Node(instance_type, self.settings, self.ec2, subnet_id=self.subnet_id, instance_id=instance_id, seed=seed, journals=journals)

    @contextlib.contextmanager
    def undisturbed(self):
        """Run an administrator's call without faults."""
        interceptor = self.ec2._interceptor
        faults, buckets = interceptor.faults, interceptor.buckets
        interceptor.faults, interceptor.buckets = FaultInjector(Faults()), None
        yield
        interceptor.faults, interceptor.buckets = faults, buckets

    # --- the nodes, each of which may die in the middle of a call ---

    def run(self, place, step):
        """Call a node, and record the outcome."""
        node = self.nodes[place]
        try:
            actions = step(node)
        except Crash:
            self.restart(place)
        except (Ec2Error, NodeError):
            assert not node.started  # only a start may fail; it is tried again
        else:
            self.note(place, actions)

    def restart(self, place):
        """Restart a node on the same instance."""
        old = self.nodes[place]
        seed = self.pod_count + place
        node = self.new_node(old.instance_id, old.limits, seed)
        self.nodes = (*self.nodes[:place], node, *self.nodes[place + 1 :])

    def start(self, place):
        """Start a node with journals of its pods and cooldowns; pods that have lost their address are gone."""
        attached = self.attached_addresses(place)
        mine = {at: address for at, address in self.held.items() if at[0] == place}
        for at, address in mine.items():
            if (at[1], address) not in attached:
                del self.held[at]
        cooling = [Cooling(address, until_ns) for (node, address), until_ns in self.cooling.items() if node == place]
        for card, journal in enumerate(self.journals[self.nodes[place].instance_id]):
            journal.fill([Assigned(at[2], address, None, 0) for at, address in self.held.items() if at[:2] == (place, card)], cooling)
        self.run(place, lambda node: node.restore(self.now_ns).actions)
        self.delete_quarantined(place)

    def delete_quarantined(self, place):
        """Delete the quarantined pods: at the start EC2 showed an older state than that of the pods."""
        for card, datastore in enumerate(self.nodes[place].datastores):
            for entry in datastore.quarantined:
                datastore.release_quarantined(entry, self.now_ns)
                self.held.pop((place, card, entry.key), None)
                self.cooling[place, entry.address] = self.now_ns + self.settings.cooldown_ns

    def note(self, place, actions):
        for action in actions:
            assert action.at_ns <= (self.nodes[place].busy_until(self.now_ns) or self.now_ns)  # a start tells of what it will have come to
            for lost in action.evicted:
                at = next(at for at, address in self.held.items() if address == lost.address and at[:2] == (place, action.network_card))
                del self.held[at]
                self.cooling[place, lost.address] = action.at_ns + self.settings.cooldown_ns

    # --- rules ---

    @rule(place=st.integers(0, 1))
    def a_node_starts(self, place):
        place %= len(self.nodes)
        if not self.nodes[place].started:
            self.start(place)

    @rule(place=st.integers(0, 1), card=st.integers(0, 1), count=st.integers(1, 8))
    def pods_come(self, place, card, count):
        place %= len(self.nodes)
        node = self.nodes[place]
        card %= len(node.datastores)
        self.collect(place)
        for _ in range(count):
            key = SandboxKey("aws-cni", f"c{self.pod_count}", "eth0")
            try:
                address = node.assign(key, self.now_ns, network_card=card).address
            except (PoolExhausted, NodeError):
                return
            self.pod_count += 1
            assert address not in self.held.values(), "an address is held twice"
            assert self.cooling.get((place, address), 0) <= self.now_ns, "an address came back before its cooldown"
            self.held[place, card, key] = address
            self.cooling.pop((place, address), None)

    def collect(self, place):
        """Settle the calls that have ended, so that evictions are recorded before the next pod."""
        node = self.nodes[place]
        if node.started and node.busy_until(self.now_ns) is None:
            node._loop.settle(self.now_ns)
            actions, node._loop._finished = tuple(node._loop._finished), []
            self.note(place, actions)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), count=st.integers(1, 8))
    def pods_go(self, data, count):
        first = data.draw(st.integers(0, len(self.held) - 1))
        for place, card, key in list(self.held)[first : first + count]:
            node = self.nodes[place]
            self.collect(place)
            if not node.started or (place, card, key) not in self.held or node.busy_until(self.now_ns) is not None:
                continue
            address = self.held.pop((place, card, key))
            assert node.unassign(key, self.now_ns, network_card=card).address == address
            self.cooling[place, address] = self.now_ns + self.settings.cooldown_ns

    @rule(steps=st.integers(1, 10))
    def time_goes_by(self, steps):
        for _ in range(steps):
            self.now_ns += 5 * S
            for place in range(len(self.nodes)):
                self.tick(place)

    @rule(seconds=st.sampled_from([1, 29, 30, 61, 120]))
    def time_jumps(self, seconds):
        self.now_ns += seconds * S
        for place in range(len(self.nodes)):
            self.tick(place)

    def tick(self, place):
        if not self.nodes[place].started:
            self.start(place)
        elif self.nodes[place].busy_until(self.now_ns) is None:
            self.run(place, lambda node: node.tick(self.now_ns))

    @rule(leave=st.integers(0, 60))
    def others_take_addresses(self, leave):
        (subnet,) = self.ec2.subnets
        count = subnet.available_ip_address_count - leave - 1
        if count > 0:
            with self.undisturbed():
                self.ec2.create_network_interface(subnet_id=self.subnet_id, secondary_ip_count=count, now_ns=self.now_ns)

    @rule()
    def others_give_addresses_back(self):
        with self.undisturbed():
            for eni in self.enis():
                if eni.attachment is None and not eni.tags:
                    self.ec2.delete_network_interface(eni.eni_id, now_ns=self.now_ns)

    # --- what must hold ---

    def enis(self):
        return [record.view() for record in self.ec2._account.enis.values()]

    def attached(self, place):
        return [eni for eni in self.enis() if eni.attachment is not None and eni.attachment.instance_id == self.nodes[place].instance_id]

    def attached_addresses(self, place):
        """Addresses with their cards; a prefix counts as its single addresses."""
        found = set()
        for eni in self.attached(place):
            card = eni.attachment.network_card_index
            found.update((card, address) for address in eni.secondary_ips)
            for prefix in eni.ipv4_prefixes:
                base, last = prefix.removesuffix("/28").rsplit(".", 1)
                found.update((card, f"{base}.{int(last) + offset}") for offset in range(16))
        return found

    @invariant()
    def all_is_sound(self):
        self.ec2._check() if self.nodes else None
        for node in self.nodes:
            for datastore in node.datastores:
                datastore._check()

    @invariant()
    def no_limit_is_passed(self):
        for place, node in enumerate(self.nodes):
            for card, limit in enumerate(node.limits.network_cards):
                enis = [eni for eni in self.attached(place) if eni.attachment.network_card_index == card]
                assert len(enis) <= limit
                assert all(len(eni.secondary_ips) + len(eni.ipv4_prefixes) <= node.limits.slots_per_eni for eni in enis)
            for datastore in node.datastores:
                assert all(eni.slot_count <= node.limits.slots_per_eni for eni in datastore.eni_stats(self.now_ns))

    # --- once EC2 behaves ---

    def teardown(self):
        if not self.nodes:
            return
        self.others_give_addresses_back()
        self.now_ns = max(self.now_ns, FAULTS_END_NS)
        end_ns = self.now_ns + 3 * 3600 * S  # two sweeps, and the pauses before them
        while self.now_ns < end_ns:
            wakeups = [self.wakeup(node) for node in self.nodes]
            self.now_ns = max(self.now_ns + 1, min(wakeups))
            for place in range(len(self.nodes)):
                self.tick(place)
        self.all_is_sound()
        for place, node in enumerate(self.nodes):
            assert node.started
            assert {eni.eni_id for eni in self.attached(place)} == {eni_id for store in node.datastores for eni_id in store.eni_ids}
            for card, here in enumerate(node._loop.cards):
                assert grow(node.view(self.now_ns, card), here.settings) is None or self.is_full(node, card), "it is short to the end"
            mine = {at[2]: address for at, address in self.held.items() if at[0] == place}
            assert {key: held.address for store in node.datastores for key, held in store.assignments()} == mine
        assert [eni.eni_id for eni in self.enis() if eni.attachment is None and eni.tags] == [], "an ENI is leaked"

    def wakeup(self, node):
        if not node.started:
            return self.now_ns + 5 * S
        return node.busy_until(self.now_ns) or node.next_wakeup(self.now_ns)

    def is_full(self, node, card):
        return grow(node.view(self.now_ns, card), node._loop.cards[card].settings).blocked


@pytest.mark.thorough
def test_a_node_keeps_its_promises_under_faults_and_recovers():
    run_state_machine_as_test(FaultMachine, settings=settings(stateful_step_count=200, max_examples=max(10, settings().max_examples // 10)))


@pytest.mark.parametrize("node_count", [16])
def test_sixteen_nodes_with_one_22_and_five_calls_a_second_all_fill_their_pools(node_count):
    shared = TokenBucket(5, 5)
    ec2 = Ec2Model(conditions=Conditions(Throttle(shared=shared), TYPICAL_LATENCIES))
    subnet_id = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/22").subnet_id
    now_ns = 0
    nodes = []
    for place in range(node_count):
        instance = ec2.launch_instance("m5.large", subnet_id, now_ns=place * 2 * S)
        nodes.append(Node("m5.large", Settings(), ec2, subnet_id=subnet_id, instance_id=instance.instance_id, seed=place))
    now_ns = 60 * S
    for node in nodes:
        node.start(now_ns)
    end_ns = now_ns + 3600 * S
    waiting = dict.fromkeys(range(node_count), 20)
    while now_ns < end_ns and (any(waiting.values()) or any(node.stats(now_ns).total_count < 27 for node in nodes)):
        now_ns = min(node.busy_until(now_ns) or node.next_wakeup(now_ns) for node in nodes)
        for place, node in enumerate(nodes):
            if node.busy_until(now_ns) is None:
                with contextlib.suppress(PoolExhausted):
                    while waiting[place]:
                        node.assign(SandboxKey("aws-cni", f"{place}-{waiting[place]}", "eth0"), now_ns)
                        waiting[place] -= 1
                node.tick(now_ns)
    assert not any(waiting.values())
    for node in nodes:
        assert node.stats(now_ns).total_count == 27
        assert grow(node.view(now_ns), node.settings) is None or grow(node.view(now_ns), node.settings).blocked
    assert sum(ec2.throttled_counts.values()) > 0
    admitted = sum(ec2.call_counts.values()) - sum(ec2.throttled_counts.values())
    assert admitted <= 5 + 5 * (now_ns // S)
    ec2._check()
