"""The node's promises under random programs: pods, ticks, marks, refusals, and EC2 changed behind its back."""

import contextlib

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from vpcipam.action import ActionKind
from vpcipam.address import AddressMode
from vpcipam.ec2.api import Ec2Error
from vpcipam.errors import NodeError, PoolExhausted
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.limits import instance_limits
from vpcipam.node.interfaces import NO_MANAGE_TAG, SUBNET_ROLE_TAG
from vpcipam.sandbox import SandboxKey
from vpcipam.testing.strategies import TWO_CARDS_TYPE, instance_types
from vpcipam.testing.strategies import variables as some_variables
from vpcipam.warmpool import free_eni, grow, shrink

S = 1_000_000_000
REFUSABLE = (
    "CreateNetworkInterface",
    "DescribeInstances",
    "AttachNetworkInterface",
    "ModifyNetworkInterfaceAttribute",
    "AssignPrivateIpAddresses",
    "UnassignPrivateIpAddresses",
    "DetachNetworkInterface",
    "DeleteNetworkInterface",
    "DescribeNetworkInterfaces",
    "DescribeSubnets",
    "InstanceMetadata",
)
CODES = ("RequestLimitExceeded", "InsufficientFreeAddressesInSubnet", "InsufficientCidrBlocks", "PrivateIpAddressLimitExceeded")
POOL_CHANGES = {ActionKind.CREATE_ENI, ActionKind.ADD_CIDRS, ActionKind.RELEASE_CIDRS, ActionKind.FREE_ENI}


class NodeMachine(RuleBasedStateMachine):
    """A node, with a plain record of which pod holds which address and since when addresses cool."""

    world_class = None
    journalled = False

    @initialize(
        instance_type=instance_types(small=True),
        variables=some_variables(),
        subnet_size=st.integers(22, 28),
        second=st.sampled_from([None, "1", "0"]),
        max_pods=st.sampled_from([None, None, 1, 4, 20]),
        placement=st.sampled_from(["lowest", "packed", "spread", "random"]),
        address_choice=st.sampled_from(["lowest", "random"]),
    )
    def launch(self, instance_type, variables, subnet_size, second, max_pods, placement, address_choice):  # noqa: PLR0917 - fixtures and the columns of a table
        self.by_chance = address_choice == "random"
        self.held = {}  # (card, key): address
        self.cooling = {}  # address: when it may come back
        self.pod_count = 0
        self.texts, self.arguments = variables, {"max_pods": max_pods, "placement": placement, "seed": 3}
        card_count = len(instance_limits(instance_type).network_cards) if variables["ENABLE_MULTI_NIC"] == "true" else 1
        self.arguments["journals"] = [MemoryJournal() for _ in range(card_count)] if self.journalled else ()
        self.world = self.world_class(
            instance_type, variables, cidr=f"10.0.0.0/{subnet_size}", start=False, address_choice=address_choice, **self.arguments
        )
        self.second_id = None if second is None else self.world.subnet("10.0.8.0/27", tags=((SUBNET_ROLE_TAG, second),))
        self.node = self.world.node
        try:
            self.note(self.node.start(0))
        except NodeError:
            assert self.node.settings.custom_network_cfg
            assert not self.node.started

    @property
    def now_ns(self):
        return self.world.now_ns

    @property
    def usable(self):
        return self.node.started

    def note(self, actions):
        """Record evictions, and check each action."""
        for action in actions:
            assert action.at_ns == self.now_ns
            assert action.reason
            for assignment in action.evicted:
                holder = next(at for at, address in self.held.items() if address == assignment.address and at[0] == action.network_card)
                del self.held[holder]
                self.cooling[assignment.address] = self.now_ns + self.node.settings.cooldown_ns
            if action.kind is ActionKind.CREATE_ENI and action.done:
                view = self.node.view(self.now_ns, action.network_card)
                assert len(view.enis) + view.unmanaged_eni_count <= view.eni_limit, "invariant 1 of the node"
                assert len(self.world.attached(action.network_card)) <= view.eni_limit, "invariant 1, as EC2 sees it"

    # --- pods ---

    @precondition(lambda self: self.usable)
    @rule(count=st.integers(1, 12), card=st.integers(0, 1))
    def pods_come(self, count, card):
        card %= len(self.node.datastores)
        for _ in range(count):
            key = SandboxKey("aws-cni", f"c{self.pod_count}", "eth0")
            try:
                address = self.node.assign(key, self.now_ns, network_card=card).address
            except PoolExhausted:
                assert not self.node.stats(self.now_ns, card).available_count or self.closed_or_cooling(card)
                return
            self.pod_count += 1
            assert address not in self.held.values(), "an address is held twice"
            assert self.cooling.get(address, 0) <= self.now_ns, "an address came back before its cooldown"
            self.held[card, key] = address

    def closed_or_cooling(self, card):
        stats = self.node.stats(self.now_ns, card)
        return stats.available_count <= stats.cooling_count

    @precondition(lambda self: self.usable and self.held)
    @rule(data=st.data(), count=st.integers(1, 12))
    def pods_go(self, data, count):
        start = data.draw(st.integers(0, len(self.held) - 1))
        for card, key in list(self.held)[start : start + count]:
            address = self.held.pop((card, key))
            assert self.node.unassign(key, self.now_ns, network_card=card).address == address
            self.cooling[address] = self.now_ns + self.node.settings.cooldown_ns

    # --- time ---

    @precondition(lambda self: self.usable)
    @rule(ticks=st.integers(1, 8))
    def time_goes_by(self, ticks):
        for _ in range(ticks):
            self.world.now_ns += 5 * S
            self.note(self.node.tick(self.now_ns))

    @precondition(lambda self: self.usable)
    @rule(nanoseconds=st.sampled_from([1, S, 29 * S, 30 * S, 59 * S, 60 * S, 60 * S + 1, 120 * S]))
    def time_jumps(self, nanoseconds):
        self.world.now_ns += nanoseconds
        self.note(self.node.tick(self.now_ns))

    @precondition(lambda self: self.usable)
    @rule(reconcile=st.booleans(), cleanup=st.booleans())
    def somebody_asks_when_it_wakes(self, reconcile, cleanup):
        self.node.next_wakeup(self.now_ns, include_reconcile=reconcile, include_cleanup=cleanup)

    @precondition(lambda self: self.usable)
    @rule()
    def the_node_reconciles(self):
        self.note(self.node.reconcile(self.now_ns))

    @precondition(lambda self: self.usable)
    @rule(cordoned=st.booleans(), terminating=st.sampled_from([False, False, False, True]))
    def marks_change(self, cordoned, terminating):
        self.node.cordoned, self.node.terminating = cordoned, terminating

    # --- EC2 ---

    @rule(action=st.sampled_from(REFUSABLE), code=st.sampled_from(CODES), times=st.integers(1, 2))
    def ec2_will_refuse(self, action, code, times):
        self.world.ec2.refuse(action, code, times=times)

    @rule(leave=st.integers(0, 40), second=st.booleans())
    def others_take_addresses(self, leave, second):
        self.world.fill_subnet(leave, subnet_id=self.second_id if second else None)

    @rule()
    def others_give_addresses_back(self):
        self.world.empty_subnets()

    @precondition(lambda self: self.usable)
    @rule(data=st.data())
    def someone_takes_a_cidr_off(self, data):
        enis = [eni for eni in self.world.model.describe_network_interfaces(now_ns=0) if eni.secondary_ips or eni.ipv4_prefixes]
        if enis:
            eni = data.draw(st.sampled_from(enis))
            addresses = data.draw(st.sets(st.sampled_from(eni.secondary_ips), min_size=1)) if eni.secondary_ips else ()
            prefixes = () if addresses else eni.ipv4_prefixes[:1]
            self.world.model.unassign_private_ip_addresses(eni.eni_id, addresses=addresses, prefixes=prefixes, now_ns=self.now_ns)

    @precondition(lambda self: self.usable and self.held and len(self.node.datastores) > 1)
    @rule(data=st.data())
    def an_address_goes_to_the_other_card(self, data):
        """Unassign a pod's address behind the node's back while the other card grows."""
        card, key = data.draw(st.sampled_from(list(self.held)))
        assignment = self.node.datastores[card].assignment_of(key)
        taken = {"prefixes" if assignment.cidr.endswith("/28") else "addresses": [assignment.cidr.removesuffix("/32")]}
        with contextlib.suppress(Ec2Error):  # it was taken away before
            self.world.model.unassign_private_ip_addresses(assignment.eni_id, **taken, now_ns=self.now_ns)
        self.pods_come(12, 1 - card)
        self.time_goes_by(1)
        self.pods_come(12, 1 - card)

    @precondition(lambda self: self.usable)
    @rule(data=st.data(), count=st.integers(1, 3), prefix=st.booleans())
    def someone_puts_a_cidr_on(self, data, count, prefix):
        eni_id = data.draw(st.sampled_from(sorted(self.world.attached())))
        counts = {"ipv4_prefix_count": count} if prefix else {"secondary_ip_count": count}
        self.meddle(lambda: self.world.model.assign_private_ip_addresses(eni_id, **counts, now_ns=self.now_ns))

    @precondition(lambda self: self.usable)
    @rule(
        tags=st.sampled_from([(), ((NO_MANAGE_TAG, "true"),), ((NO_MANAGE_TAG, "false"),)]),
        interface_type=st.sampled_from(["interface", "trunk", "efa"]),
        ips=st.integers(0, 3),
        subnet=st.booleans(),
    )
    def someone_attaches_an_eni(self, tags, interface_type, ips, subnet):
        if interface_type == "trunk":
            tags = self.world.own_tags()  # an untagged one could be left unmanaged, and room is kept for another
        self.meddle(
            lambda: self.world.foreign_eni(tags=tags, interface_type=interface_type, ips=ips, subnet_id=self.second_id if subnet else None)
        )

    @precondition(lambda self: self.usable)
    @rule(data=st.data(), delete=st.booleans())
    def someone_detaches_an_eni(self, data, delete):
        enis = [eni for eni in self.world.attached().values() if eni.attachment.device_index]
        if enis:
            eni = data.draw(st.sampled_from(enis))
            self.world.model.detach_network_interface(eni.attachment.attachment_id, now_ns=self.now_ns)
            if delete:
                self.world.model.delete_network_interface(eni.eni_id, now_ns=self.now_ns)

    @precondition(lambda self: self.usable)
    @rule(data=st.data(), index=st.integers(1, 3))
    def someone_attaches_it_again(self, data, index):
        free = [eni for eni in self.world.model.describe_network_interfaces(now_ns=0) if eni.attachment is None]
        if free:
            eni = data.draw(st.sampled_from(free))
            self.meddle(
                lambda: self.world.model.attach_network_interface(eni.eni_id, self.node.instance_id, device_index=index, now_ns=self.now_ns)
            )

    def meddle(self, change):
        with contextlib.suppress(Ec2Error):
            change()

    # --- what must hold ---

    @invariant()
    def both_sides_are_sound(self):
        if hasattr(self, "node"):
            self.world.check()

    @invariant()
    def counts_are_a_recount(self):
        if not hasattr(self, "node"):
            return
        for card, datastore in enumerate(self.node.datastores):
            stats = self.node.stats(self.now_ns, card)
            length = self.node.mode.prefix_length
            mine = {key: address for (at, key), address in self.held.items() if at == card}
            assert {key: assignment.address for key, assignment in datastore.assignments()} == mine
            of_mode = [each for _, each in datastore.assignments() if each.cidr.endswith(f"/{length}")]
            cidrs = [(eni, cidr) for eni in datastore.eni_stats(self.now_ns) for cidr in datastore.cidrs(eni.eni_id)]
            open_count = sum(cidr.endswith(f"/{length}") and not eni.excluded for eni, cidr in cidrs)
            excluded = {eni.eni_id for eni in datastore.eni_stats(self.now_ns) if eni.excluded}
            stuck = sum(each.eni_id in excluded for each in of_mode)
            assert stats.total_count == open_count * self.node.mode.addresses_per_slot + stuck
            assert stats.assigned_count == len(of_mode)
            assert stats.available_count == stats.total_count - stats.assigned_count
            assert stats.prefix_count == sum(cidr.endswith("/28") for _, cidr in cidrs)
            used = {each.cidr for _, each in datastore.assignments()}
            assert stats.free_prefix_count == sum(cidr.endswith("/28") and cidr not in used for _, cidr in cidrs)

    @invariant()
    def what_the_node_remembers_is_true(self):
        if hasattr(self, "node"):
            self.node._loop._check(self.now_ns)

    @invariant()
    def no_eni_has_more_cidrs_than_slots(self):
        if hasattr(self, "node"):
            for datastore in self.node.datastores:
                for eni in datastore.eni_stats(self.now_ns):
                    assert eni.slot_count <= self.node.limits.slots_per_eni, "invariant 2 of the node"

    # --- at rest ---

    @precondition(lambda self: self.usable)
    @rule()
    def comes_to_rest(self):
        """Without further refusals or changes, the node must reach its targets, or what EC2 can give."""
        self.world.ec2.allow()
        self.node.terminating = False
        end_ns = self.now_ns + 420 * S
        grew, refused = set(), set()
        while True:
            wakeup_ns = self.node.next_wakeup(self.now_ns)
            if wakeup_ns is None or wakeup_ns > end_ns:
                break
            self.world.now_ns = wakeup_ns
            actions = self.node.tick(wakeup_ns)
            self.note(actions)
            grew.update(action.network_card for action in actions if action.grew)
            refused.update(action.network_card for action in actions if action.out_of_addresses)
        self.note(self.node.reconcile(self.now_ns))
        self.world.check_agreement()
        # A card that flaps keeps the node from reconciling, so missing or surplus addresses on any card can stay unnoticed.
        flaps = any(self.flaps(card) and card.index in grew for card in self.node._loop.cards)
        for card, settings_of_card in enumerate(card.settings for card in self.node._loop.cards):
            view = self.node.view(self.now_ns, card)
            growth = grow(view, settings_of_card)
            waits = refused - {card}  # one pause serves all cards, so a card whose subnet is full keeps the others from growing
            assert growth is None or not self.ec2_could_give(view, growth) or flaps or waits, growth
            if settings_of_card.ip_targets_defined and growth is None and not flaps:
                assert shrink(view, settings_of_card) is None
                spare = free_eni(view, settings_of_card, self.now_ns)
                assert spare is None or not self.attaches

    def flaps(self, card):
        """Tell whether a card flaps: a target of 0 is too low with 0 free addresses and too high with the next size.

        In prefix mode a card above 0 flaps because its surplus is counted in addresses.
        """
        prefixes = self.node.mode is AddressMode.PREFIX
        target = card.settings.warm_prefix_target if prefixes else card.settings.warm_eni_target
        return (target == 0 and not card.settings.ip_targets_defined) or (prefixes and card.index > 0)

    @property
    def attaches(self):
        return not self.node.cordoned or self.node.settings.manage_enis_non_schedulable

    def ec2_could_give(self, view, growth):
        """Tell from EC2's state alone whether one more slot can be assigned."""
        if not self.attaches:
            return False
        model, node = self.world.model, self.node
        card = node.datastores[0].network_card if view == node.view(self.now_ns) else 1
        prefixes = node.mode is AddressMode.PREFIX
        subnets = {subnet.subnet_id: subnet for subnet in model.describe_subnets(now_ns=0)}
        attached = self.world.attached(card)
        managed = {eni.eni_id: eni for eni in view.enis}
        discovery = node.settings.enable_subnet_discovery
        first = growth.requests[0].eni_id if growth.requests and not discovery else None  # without discovery, no other ENI is tried
        for eni_id, eni in attached.items():
            if eni_id not in managed or not view.takes_slots(managed[eni_id]) or first not in {None, eni_id}:
                continue
            full = len(eni.secondary_ips) + len(eni.ipv4_prefixes) >= node.limits.slots_per_eni
            if not full and self.subnet_has(eni.subnet_id, 0, 1, prefixes=prefixes):
                return True
        if first is not None:
            return False
        missing = card == 0 and not any(eni.interface_type == "trunk" for eni in attached.values())
        trunk = node.settings.enable_pod_eni and node.limits.trunk_compatible and missing
        limit = min(node.limits.network_cards[card], node.settings.eni_limit(node.limits))
        if len(attached) + trunk >= limit:
            return False
        slots = growth.new_eni_slots  # CreateNetworkInterface gives all or nothing
        candidates = [self.world.subnet_id]
        if discovery and not node.settings.custom_network_cfg and self.second_id is not None:
            candidates += [self.second_id] if subnets[self.second_id].tag(SUBNET_ROLE_TAG) == "1" else []
        return any(self.subnet_has(subnet_id, 1, slots, prefixes=prefixes) for subnet_id in candidates)

    def subnet_has(self, subnet_id, primary, slots, *, prefixes):
        """Tell whether a subnet has room for `slots`; if counting can't tell, create an ENI there and delete it."""
        if not prefixes:
            return self.world.free(subnet_id) >= primary + slots
        addresses = self.world.model._account.subnets[subnet_id].addresses
        if not primary:
            return addresses.free_prefix_count >= slots
        if self.by_chance:  # wherever the primary IP falls, it breaks one /28 at most; fewer may or may not do
            return addresses.free_prefix_count > slots
        try:
            eni = self.world.model.create_network_interface(subnet_id=subnet_id, ipv4_prefix_count=slots, now_ns=0)
        except Ec2Error:
            return False
        self.world.model.delete_network_interface(eni.eni_id, now_ns=0)
        return True


class TwoCardsMachine(NodeMachine):
    """Two managed cards, in a subnet that assigns the lowest address: an address that one card loses goes to the other at once."""

    @initialize(variables=some_variables(), placement=st.sampled_from(["lowest", "packed", "spread", "random"]))
    def launch(self, variables, placement):
        variables |= {"ENABLE_MULTI_NIC": "true", "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "false"}
        super().launch(TWO_CARDS_TYPE, variables, 24, None, None, placement, "lowest")


class RestartingMachine(NodeMachine):
    """A node with journals that sometimes restarts on the same instance."""

    journalled = True

    @precondition(lambda self: self.usable)
    @rule(data=st.data(), seconds=st.sampled_from([0, 0, 1, 29, 30, 31, 61]))
    def restarts(self, data, seconds):
        gone = {key for _, key in data.draw(st.sets(st.sampled_from(sorted(self.held)), max_size=3))} if self.held else set()
        self.world.now_ns += seconds * S
        self.node = self.world.restart(self.texts, **self.arguments)
        try:
            restart = self.node.restore(self.now_ns, gone=gone)
        except (Ec2Error, NodeError):
            assert not self.node.started
            self.world.ec2.allow()
            try:
                restart = self.node.restore(self.now_ns, gone=gone)
            except NodeError:  # under custom networking, a pool that stays empty; the journals are as before
                assert self.node.settings.custom_network_cfg
                self.start_over()
                return
        self.let_go(gone)
        self.note(restart.actions)
        for card, restoration in enumerate(restart.cards):
            self.decide(card, restoration)
        back = {(card, entry.key): entry.address for card, restoration in enumerate(restart.cards) for entry in restoration.assigned}
        assert back == self.held
        for address, until_ns in self.cooling.items():
            for datastore in self.node.datastores:
                if until_ns > self.now_ns and address not in self.held.values() and datastore.overlapping(f"{address}/32"):
                    assert datastore.cooling_until(address) == until_ns, address

    def start_over(self):
        """Its pods end with the node, whatever its journals hold."""
        self.held.clear()
        self.arguments["journals"] = [MemoryJournal() for _ in self.arguments["journals"]]
        self.node = self.world.restart(self.texts, **self.arguments)

    def let_go(self, gone):
        for holder in [holder for holder in self.held if holder[1] in gone]:
            self.cools(self.held.pop(holder))

    def cools(self, address):
        self.cooling[address] = max(self.cooling.get(address, 0), self.now_ns + self.node.settings.cooldown_ns)

    def decide(self, card, restoration):
        """Exactly the entries whose address was on no ENI are quarantined, even if the node has it now; then their pods end."""
        mine = {key: address for (at, key), address in self.held.items() if at == card}
        lost = {entry.key for entry in restoration.quarantined}
        assert lost == mine.keys() - {entry.key for entry in restoration.assigned}
        for key in lost:
            assert self.node.unassign(key, self.now_ns, network_card=card).address == mine[key]
            self.cools(self.held.pop((card, key)))
        assert self.node.datastores[card].quarantined == ()


@pytest.mark.parametrize("machine", [NodeMachine, TwoCardsMachine, RestartingMachine])
def test_a_node_keeps_its_promises(world, machine):
    machine = type("Machine", (machine,), {"world_class": world})
    run_state_machine_as_test(machine, settings=settings(max_examples=max(20, settings().max_examples // 5)))
