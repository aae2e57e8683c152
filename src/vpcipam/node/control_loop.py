"""The control loop of a node: what ipamd does between starting and stopping, by one thread at a time."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import cast

import attrs

from vpcipam._chance import Scatter
from vpcipam._units import NS_PER_S
from vpcipam.action import AT_START, Action, ActionKind
from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Ec2Api, Ec2Error, InstanceLauncher, NetworkInterface
from vpcipam.errors import InvalidArgument, NodeError
from vpcipam.limits import InstanceLimits
from vpcipam.node.calls import METADATA_BACKOFF, Calls
from vpcipam.node.card import DEFAULT_NETWORK_CARD, Card, Granted, Outcome, is_primary
from vpcipam.node.foresight import Foresight
from vpcipam.node.leaked_enis import sweep_leaked_enis
from vpcipam.node.membership import Membership
from vpcipam.node.pace import SWEEP_DELAY_MAX_S, SWEEP_INTERVAL_NS, Pace
from vpcipam.node.provisioner import Provisioner
from vpcipam.settings import Settings
from vpcipam.warmpool import Calm, PoolView, WarmPolicy


class ControlLoop:
    """The part of a `Node` that looks at its pool and acts on EC2, for one thread at a time.

    Threads, journals, who is told of what, and the pods are `Node`'s business, and so are the words for its users.
    """

    def __init__(
        self,
        limits: InstanceLimits,
        settings: Settings,
        ec2: Ec2Api,
        *,
        subnet_id: str,
        instance_id: str | None,
        pod_subnet_id: str | None,
        max_pods: int,
        name: str | None,
        seed: int,
        cooldown_aware_targets: bool,
        policy: WarmPolicy,
    ) -> None:
        """Make one for a node without datastores; the arguments are those of `Node`."""
        self.limits = limits
        self.settings = settings
        self.mode = settings.address_mode(limits)
        self.max_pods = max_pods
        self.cordoned = False
        self.terminating = False
        self.cooldown_aware_targets = cooldown_aware_targets
        self.policy = policy
        self._ec2 = ec2
        self._subnet_id = subnet_id
        self._instance_id = instance_id
        self._pod_subnet_id = (pod_subnet_id or subnet_id) if settings.custom_network_cfg else None
        self._name = name
        self._cards: tuple[Card, ...] = ()
        self._provisioner: Provisioner | None = None
        self._membership = Membership(settings.manage_untagged_eni)
        self._pace = Pace()
        self._chance = Scatter(seed)
        self._under_way: deque[tuple[Card, Outcome]] = deque()  # in the order in which they come to be
        self._booking = False
        self._finished: list[Action] = []  # what no tick has told of yet
        self._in_doubt = True

    def _use(self, datastores: Iterable[Datastore]) -> None:
        """Have a card for each datastore, without ENIs."""
        self._cards = tuple(Card(datastore, self.settings.for_network_card(datastore.network_card)) for datastore in datastores)
        for card in self._cards:
            card.others = tuple(other for other in self._cards if other is not card)

    # --- what it sees -------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What it is called: the given name, else its instance id, else its type."""
        return self._name or self._instance_id or self.limits.instance_type

    @property
    def datastores(self) -> tuple[Datastore, ...]:
        """One datastore for each managed network card."""
        return tuple(card.datastore for card in self._cards)

    def view(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolView:
        """What the warm-pool decisions see of one card."""
        self._catch_up(now_ns)
        datastore = self._card(network_card).datastore
        enis = datastore.eni_stats(now_ns)
        return PoolView(
            mode=self.mode,
            slots_per_eni=self.limits.slots_per_eni,
            eni_limit=self._eni_limit(network_card),
            unmanaged_eni_count=self._membership.unmanaged_count(network_card),
            trunk_expected=self._trunk_expected(network_card),
            custom_networking=self.settings.custom_network_cfg,
            max_pods=self.max_pods,
            stats=datastore.stats(now_ns),
            enis=enis,
            cooldown_aware=self.cooldown_aware_targets,
        )

    def calm(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> Calm:
        """Say with how many addresses assigned on a card no tick will do anything to its pool; see `Node.calm`."""
        self._catch_up(now_ns)
        return self._calm(self._card(network_card), now_ns)

    def _calm(self, card: Card, now_ns: int) -> Calm:
        unmanaged_count = self._membership.unmanaged_count(card.index)
        holds_for = (card.datastore.revision, unmanaged_count, card.settings, self.policy, self.max_pods, self.cooldown_aware_targets)
        if card.calm is None or card.calm[0] != holds_for:
            card.calm = holds_for, self.policy.calm(self.view(now_ns, card.index), card.settings)
        return card.calm[1]

    def _rests(self, card: Card, now_ns: int) -> bool:
        return card.datastore.sandbox_count in self._calm(card, now_ns)

    def busy_until(self, now_ns: int) -> int | None:
        """When the calls to EC2 that are under way will be through, None where none is."""
        return self._pace.busy_until_ns if self._pace.busy_until_ns > now_ns else None

    def _card(self, network_card: int) -> Card:
        if not 0 <= network_card < len(self._cards):
            raise InvalidArgument(
                f"network card {network_card} is not managed: the cards of node {self.name} are 0 to {len(self._cards) - 1}"
            )
        return self._cards[network_card]

    def _eni_limit(self, network_card: int) -> int:
        limit = self.limits.network_cards[network_card]
        return min(limit, self.settings.max_eni) if self.settings.max_eni >= 1 else limit

    def _trunk_expected(self, network_card: int) -> bool:
        wanted = self.settings.enable_pod_eni and network_card == DEFAULT_NETWORK_CARD
        return wanted and not self._cards[network_card].datastore.has_trunk

    @property
    def _ec2_side(self) -> Provisioner:
        assert self._provisioner is not None, "the node is started, or starting"  # noqa: S101  # for the type checker
        return self._provisioner

    # --- start --------------------------------------------------------------------------------------------------------

    def _begin(self, now_ns: int, put_back: Callable[[int], None]) -> list[Action]:
        if self._instance_id is None:
            self._instance_id = self._launch(now_ns)
        calls = self._calls(now_ns)
        attached, home = self._find_home(self._instance_id, calls)
        discovers_subnets = self.settings.enable_subnet_discovery and not self.settings.enable_imds_only_mode
        eni_limits = tuple(self._eni_limit(card.index) for card in self._cards)
        self._provisioner = Provisioner(self._ec2, self._instance_id, eni_limits, home, self._pod_subnet_id, discovers_subnets)
        try:
            actions = self._init(attached, put_back, calls)
        except BaseException:
            self._provisioner = None
            raise
        self._pace.begin(now_ns, calls.now_ns, self._first_sweep(calls.now_ns))
        return actions

    def _find_home(self, instance_id: str, calls: Calls) -> tuple[tuple[NetworkInterface, ...], NetworkInterface]:
        """Read what is attached, until the primary ENI is among it; EC2 may be late to show an instance that was just launched."""
        for number in range(METADATA_BACKOFF.try_count):
            attached = self._read_attached(instance_id, calls)
            home = next((eni for eni in attached if is_primary(eni)), None)
            if home is not None:
                return attached, home
            calls.back_off(METADATA_BACKOFF, number)
        raise NodeError(f"instance {instance_id} shows no primary ENI; start the node again if it was just launched, else check the id")

    def _calls(self, now_ns: int) -> Calls:
        return Calls(self._ec2, now_ns, self._chance)

    def _first_sweep(self, now_ns: int) -> int | None:
        """When to look for leaked ENIs first; IPv6 nodes never do (ipamd: cleanUpLeakedENIs)."""
        if not self.settings.provisioning_enabled or self.settings.disable_leaked_eni_cleanup or self.mode is AddressMode.IPV6:
            return None
        return now_ns + self._chance.below(SWEEP_DELAY_MAX_S) * NS_PER_S

    def _read_attached(self, instance_id: str, calls: Calls) -> tuple[NetworkInterface, ...]:
        """Ask EC2 what is attached; in IMDS-only mode the metadata is all there is."""
        if self.settings.enable_imds_only_mode:
            return self._ec2.instance_metadata(instance_id, now_ns=calls.now_ns)
        return calls.do(lambda now_ns: self._ec2.describe_network_interfaces(instance_id=instance_id, now_ns=now_ns))

    def _launch(self, now_ns: int) -> str:
        if not hasattr(self._ec2, "launch_instance"):
            raise NodeError("this EC2 launches no instances: say which one the node is, with instance_id")
        launcher = cast("InstanceLauncher", self._ec2)
        return launcher.launch_instance(self.limits, self._subnet_id, now_ns=now_ns).instance_id

    def _init(self, attached: Iterable[NetworkInterface], put_back: Callable[[int], None], calls: Calls) -> list[Action]:
        provisioner = self._ec2_side
        excluded = provisioner.excluded_subnets(calls)
        actions: list[Action] = []
        for card in self._cards:
            card.provisioner = provisioner
            card.excluded_subnets = excluded
            difference = card.differences(self._membership.managed(attached, card.index, provisioner.instance_id), calls.now_ns)
            actions += card.follow(difference, AT_START, calls.now_ns)
        put_back(calls.now_ns)
        if self.settings.provisioning_enabled:
            for card in self._cards:
                fill = self._give_prefix if self.mode is AddressMode.IPV6 else self._fill
                actions += fill(card, calls)
        self._note(actions)
        return actions

    def _note(self, actions: Iterable[Action]) -> None:
        """Remember what was done, and whether some of it went wrong."""
        self._pace.note(actions)
        self._in_doubt = self._in_doubt or not all(action.done for action in actions)

    def _give_prefix(self, card: Card, calls: Calls) -> list[Action]:
        """Put one /80 on a card: on its first ENI, or on a new one where a further card has none yet."""
        reason = "IPv6: one /80 serves all pods of a card"
        enis = card.datastore.eni_stats(calls.now_ns)
        if not enis:
            return _booked(card, [card.create_eni(1, reason, calls)]) if self._attaches else []
        if any(eni.slot_count for eni in enis):
            return []
        actions = _booked(card, [card.add_slots(enis[0].eni_id, 1, reason, calls)])
        if card.index == DEFAULT_NETWORK_CARD and not actions[-1].done:  # no tick would ever make up for it
            raise NodeError(f"node {self.name} got no /80, and IPv6 pods have no other addresses: {actions[-1].error}; start it again")
        return actions

    def _fill(self, card: Card, calls: Calls) -> list[Action]:
        """Give back what the mode has no use for, then grow once (ipamd: handlePreScaling)."""
        actions: list[Action] = []
        leftover = self.policy.shrink(self.view(calls.now_ns, card.index), card.settings)
        if leftover is not None:
            actions += card.shrink(leftover, calls)
        growth = self.policy.grow(self.view(calls.now_ns, card.index), card.settings)
        if growth is not None and self._may_grow(calls.now_ns):
            actions += _booked(card, card.grow(growth, calls))
        if self.settings.custom_network_cfg and not card.datastore.stats(calls.now_ns).total_count:
            refusals = "; ".join(action.error for action in actions if action.error)
            raise NodeError(
                f"node {self.name} got no ENI for custom networking: {refusals or 'its type or MAX_ENI leaves no room for one'}"
            )
        return actions

    # --- ticks --------------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> tuple[Action, ...]:
        """Tell what has finished since the last tick, and look at the pool once; see `Node.tick`."""
        self._catch_up(now_ns)
        if self.mode is not AddressMode.IPV6 and self.busy_until(now_ns) is None:
            self._look(now_ns)
        actions, self._finished = tuple(self._finished), []
        return actions

    def _look(self, now_ns: int) -> None:
        if self.settings.provisioning_enabled and self._pace.may_look(now_ns):
            self._update_pools(now_ns)
        # Not while the pool's calls are under way, but once they are through: else a node that asks in vain for ever would never compare.
        if self.busy_until(now_ns) is None and self._reconcile_due(now_ns):
            self._finished += self._reconcile(now_ns)
        if self._pace.sweep_due(now_ns):
            self._finished += self._sweep_leaked_enis(now_ns)

    @property
    def _attaches(self) -> bool:
        """Tell whether ENIs and slots may be added, and ENIs freed."""
        return not self.terminating and (not self.cordoned or self.settings.manage_enis_non_schedulable)

    def _update_pools(self, now_ns: int) -> None:
        calls = self._calls(now_ns)
        # As things stand when the tick begins: what becomes of one card's wish keeps no other card from its own.
        may_grow, may_shrink = self._may_grow(now_ns), self._pace.may_shrink(now_ns)
        for card in self._cards:
            self._update_pool(card, calls, now_ns, may_grow=may_grow, may_shrink=may_shrink)
        self._pace.waited(now_ns, calls.now_ns)

    def _update_pool(self, card: Card, calls: Calls, now_ns: int, *, may_grow: bool, may_shrink: bool) -> None:
        if self._rests(card, now_ns):
            card.surplus_since_ns = None
            return
        view = self.view(now_ns, card.index)
        growth = self.policy.grow(view, card.settings)
        surplus = self.policy.shrink(view, card.settings) if growth is None else None
        ripe = self._note_surplus(card, now_ns, seen=surplus is not None)
        acted = False
        if growth is not None and may_grow:
            acted = self._take_in(card, card.grow(growth, calls), now_ns)
        elif surplus is not None and ripe and may_shrink:
            acted = self._take_in(card, card.shrink(surplus, calls), now_ns)
        if self._attaches and not any(each is card for each, _ in self._under_way):
            after = attrs.evolve(view, enis=card.datastore.eni_stats(now_ns)) if acted else view
            spare = self.policy.free_eni(after, card.settings, now_ns)
            if spare is not None:
                self._take_in(card, [card.free_eni(spare, calls)], now_ns)

    def _note_surplus(self, card: Card, now_ns: int, *, seen: bool) -> bool:
        """Remember since when there is a surplus; tell whether it has lasted as long as the policy wants."""
        delay_ns = self.policy.release_delay_ns
        if not delay_ns or not seen:
            card.surplus_since_ns = None
            return seen
        if card.surplus_since_ns is None:
            card.surplus_since_ns = now_ns
        return now_ns - card.surplus_since_ns >= delay_ns

    def _take_in(self, card: Card, outcomes: Iterable[Outcome], now_ns: int) -> bool:
        """Let outcomes come to be when their time has come; tell whether there are any."""
        before = len(self._under_way)
        self._under_way.extend((card, outcome) for outcome in outcomes)
        took = len(self._under_way) > before
        self._catch_up(now_ns)
        return took

    def _catch_up(self, now_ns: int) -> None:
        """Let come to be what EC2 has answered by now."""
        if self._booking:  # somebody looks from within an event: one thing after the other
            return
        self._booking = True
        try:
            while self._under_way and self._under_way[0][1].at_ns <= now_ns:
                self._book(*self._under_way.popleft())
        finally:
            self._booking = False

    def _book(self, card: Card, outcome: Outcome) -> None:
        try:
            actions = _booked(card, [outcome])
        except BaseException:  # as where the journal fails: EC2 has granted it all the same
            self._in_doubt = True
            raise
        self._note(actions)
        self._finished += actions

    def _may_grow(self, now_ns: int) -> bool:
        return self._attaches and self._pace.may_grow(now_ns)

    # --- reconcile ----------------------------------------------------------------------------------------------------

    def _reconcile(self, now_ns: int) -> tuple[Action, ...]:
        provisioner = self._ec2_side
        if self.mode is AddressMode.IPV6 or self.busy_until(now_ns) is not None:
            return ()
        self._pace.note_reconcile(now_ns)
        calls = self._calls(now_ns)
        try:
            shown = self._ec2.instance_metadata(provisioner.instance_id, now_ns=now_ns)
            differ = any(card.differences(self._membership.shown(shown, card.index), now_ns) for card in self._cards)
            if not differ and not self._membership.is_gone(shown):
                self._in_doubt = False
                return ()
            confirmed = self._read_attached(provisioner.instance_id, calls)
        except Ec2Error as error:
            return (Action(now_ns, ActionKind.RECONCILE, DEFAULT_NETWORK_CARD, None, (), "compare with EC2", error=str(error)),)
        finally:
            self._pace.waited(now_ns, calls.now_ns)
        actions: list[Action] = []
        for card in self._cards:
            managed = self._membership.managed(confirmed, card.index, provisioner.instance_id)
            actions += card.follow(card.differences(managed, now_ns), "EC2 shows it so", now_ns)
        return tuple(actions)

    def _reconcile_due(self, now_ns: int) -> bool:
        return self._pace.reconcile_due(now_ns) or self._trunk_expected(DEFAULT_NETWORK_CARD)

    def _sweep_leaked_enis(self, now_ns: int) -> tuple[Action, ...]:
        self._pace.sweep_ns = now_ns + SWEEP_INTERVAL_NS
        return sweep_leaked_enis(self._ec2_side, self._calls(now_ns), now_ns)

    # --- when to look again -------------------------------------------------------------------------------------------

    def next_wakeup(self, now_ns: int, *, include_reconcile: bool = True, include_sweep: bool | None = None) -> int | None:
        """Say when the next tick will do something, as things stand, None where it never will; see `Node.next_wakeup`."""
        if self.mode is AddressMode.IPV6:
            return None
        self._catch_up(now_ns)
        if self._under_way:
            return self._under_way[0][1].at_ns
        cards = [
            Foresight(card, self.view(now_ns, card.index), self.policy, self._pace, self._attaches)
            for card in self._cards
            if card.surplus_since_ns is not None or not self._rests(card, now_ns)
        ]
        ahead = self._pace.turning_points().union(*(card.turning_points(now_ns) for card in cards))
        include_sweep = include_reconcile if include_sweep is None else include_sweep
        times = {self._pace.next_tick(now_ns), *(self._pace.next_tick(time_ns - 1) for time_ns in ahead if time_ns > now_ns)}
        for time_ns in sorted(times):
            if (include_reconcile and self._reconcile_due(time_ns)) or (include_sweep and self._pace.sweep_due(time_ns)):
                return time_ns
            if self.settings.provisioning_enabled and any(card.would_act(time_ns) for card in cards):
                return time_ns
        return None


def _booked(card: Card, outcomes: Iterable[Outcome]) -> list[Action]:
    """Put grants into the card's datastore; the actions of all outcomes, in order."""
    return [action for outcome in outcomes for action in (card.book(outcome) if isinstance(outcome, Granted) else [outcome])]
