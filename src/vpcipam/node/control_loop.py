"""ipamd's control loop: how a node starts, and what each tick decides and does (docs/ipamd.md, "The control loop").

The steps of a tick: `ControlLoop.tick` asks the warm-pool policy about each card, `Card` calls EC2 through its `Provisioner`, `queue` holds
the outcome until EC2's answer is due, and `settle` then calls `Card.record`, which puts it into the datastore.
"""

from collections import deque
from collections.abc import Iterable, Sequence

import attrs

from vpcipam._chance import Scatter
from vpcipam._units import NS_PER_S
from vpcipam.action import AT_START, Action, ActionKind
from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Ec2Api, Ec2Error, NetworkInterface
from vpcipam.errors import NodeError
from vpcipam.limits import InstanceLimits
from vpcipam.node.calls import ONE_TRY, SET_UP_BACKOFF, Calls
from vpcipam.node.card import Card, Outcome
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD, card_index
from vpcipam.node.ipv6 import add_enis_to_empty_cards, drop_excluded_enis, give_prefixes
from vpcipam.node.leaked_enis import delete_leaked_enis
from vpcipam.node.membership import Membership
from vpcipam.node.outlook import NEVER_NS, Outlook
from vpcipam.node.pace import CLEANUP_DELAY_MAX_S, CLEANUP_INTERVAL_NS, Pace
from vpcipam.node.pool_check import Forecast, check_pool, may_free_eni, next_action, next_turn, wish
from vpcipam.node.provisioner import Provisioner, find_primary_eni, launch
from vpcipam.node.reconcile import Differences
from vpcipam.node.view import is_trunk_missing, pool_view, why_no_eni
from vpcipam.settings import Settings
from vpcipam.warmpool import NEVER_CALM, Calm, Grow, PoolView, WarmPolicy, release_slots


@attrs.define(eq=False, kw_only=True)
class ControlLoop:
    """The part of a `Node` that checks its pools and calls EC2. It has no lock: its owner lets only one thread call it at a time.

    Attributes:
        subnet_id: the subnet to launch the instance in.
        instance_id: the instance, None until one is launched.
        pod_subnet_id: the ENIConfig's subnet under custom networking, else None.
        given_name: what to call the node in messages, None for its instance id.
        chance: varies the waits between tries, and picks the time of the first clean-up.
        cards: the managed network cards, ascending. The default card is always the first.
        membership: which ENIs are not managed.
        in_doubt: see `Node.in_doubt`.
        pending: outcomes that are not due yet, in the order of their times.
        mode: what its slots hold.
        mark_count: how often `cordoned` and `terminating` were set. Any thread may set them: count after the change, not before.
        outlook: what is known about the next ticks, None if nothing is. Whatever changes something here drops it.
    """

    limits: InstanceLimits
    settings: Settings
    ec2: Ec2Api
    subnet_id: str
    instance_id: str | None
    pod_subnet_id: str | None
    max_pods: int
    given_name: str | None
    chance: Scatter
    cooldown_aware_targets: bool
    hold_cooling_cidrs: bool
    policy: WarmPolicy
    cordoned: bool = False
    terminating: bool = False
    mark_count: int = 0
    cards: tuple[Card, ...] = ()
    membership: Membership = attrs.Factory(lambda self: Membership.under(self.settings), takes_self=True)
    pace: Pace = attrs.Factory(Pace)
    in_doubt: bool = True
    pending: deque[tuple[Card, Outcome]] = attrs.Factory(deque)
    outlook: Outlook | None = attrs.field(init=False, default=None)
    mode: AddressMode = attrs.field(
        init=False, default=attrs.Factory(lambda self: self.settings.address_mode(self.limits), takes_self=True)
    )
    _provisions: bool = attrs.field(init=False, default=attrs.Factory(lambda self: self.settings.provisioning_enabled, takes_self=True))
    _provisioner: Provisioner = attrs.field(init=False)
    _settling: bool = attrs.field(init=False, default=False)
    _finished: list[Action] = attrs.field(init=False, factory=list)  # not yet returned by a tick

    @property
    def name(self) -> str:
        """What to call the node: the given name, else its instance id, else its type."""
        return self.given_name or self.instance_id or self.limits.instance_type

    # --- what it sees -------------------------------------------------------------------------------------------------

    def view(self, card: Card, now_ns: int) -> PoolView:
        """Return the state of a card as the warm-pool decisions see it."""
        return pool_view(
            card.datastore,
            card.settings,
            self.limits,
            now_ns,
            max_pods=self.max_pods,
            unmanaged_eni_count=self.membership.unmanaged_count(card.index),
            cooldown_aware=self.cooldown_aware_targets,
            hold_cooling_cidrs=self.hold_cooling_cidrs,
        )

    def calm(self, card: Card, now_ns: int) -> Calm:
        """The range of assigned counts in which no tick changes a card's pool; see `Node.calm`."""
        if card.surplus_since_ns is not None:  # a tick that sees no surplus ends the release delay, so every tick matters
            return NEVER_CALM
        return self._calm_range(card, now_ns)

    def _calm_range(self, card: Card, now_ns: int) -> Calm:
        """The range of assigned counts in which a pool check changes nothing, but for the end of a release delay."""
        datastore, ranges = card.datastore, card.calm_ranges
        revision = datastore.revision + self.membership.revision
        if revision == ranges.revision:
            return ranges.latest
        shape = datastore.shape, self.membership.unmanaged_count(card.index)
        return ranges.find(revision, shape) or ranges.add(revision, shape, self.policy.calm(self.view(card, now_ns), card.settings))

    def _view_unless_calm(self, card: Card, now_ns: int) -> PoolView | None:
        """The view of a card; None if its pool is calm, because a pool check would then change nothing."""
        calm = self._calm_range(card, now_ns)
        return None if calm.low <= card.datastore.sandbox_count <= calm.high else self.view(card, now_ns)

    @property
    def change_count(self) -> int:
        """A number that grows with every change of a datastore, of `cordoned` and of `terminating`."""
        count = self.mark_count
        for card in self.cards:
            count += card.datastore.change_count
        return count

    def busy_until(self, now_ns: int) -> int | None:
        """When the EC2 calls under way end, None if there are none."""
        return self.pace.busy_until_ns if self.pace.busy_until_ns > now_ns else None

    @property
    def _attaches(self) -> bool:
        """Tell whether ENIs and slots may be added, and ENIs freed."""
        return not self.terminating and (not self.cordoned or self.settings.manage_enis_non_schedulable)

    def _may_grow(self, now_ns: int) -> bool:
        return self._attaches and self.pace.may_grow(now_ns)

    # --- start --------------------------------------------------------------------------------------------------------

    def reset(self, datastores: Iterable[Datastore]) -> None:
        """Start over with a card for each datastore, all empty."""
        self.cards = tuple(Card(datastore, self.settings.for_network_card(datastore.network_card)) for datastore in datastores)
        for card in self.cards:
            card.others = tuple(other for other in self.cards if other is not card)

    def adopt(self, now_ns: int) -> tuple[Calls, list[Action]]:
        """Launch the instance if there is none, and add what is attached to it to the datastores (ipamd: nodeInit).

        Returns:
            The calls so far, for `fill` to continue, and what was done.
        """
        if self.instance_id is None:
            self.instance_id = launch(self.ec2, self.limits, self.subnet_id, now_ns)
        calls = Calls(self.ec2, now_ns, self.chance)
        attached, primary_eni = find_primary_eni(self.instance_id, self._read_attached, calls)
        self.cards = tuple(card for card in self.cards if self.membership.manages_card(attached, card.index, self.instance_id))
        self._provisioner = Provisioner(
            ec2=self.ec2,
            instance_id=self.instance_id,
            mode=self.mode,
            eni_limit=self.settings.eni_limit(self.limits),
            primary_eni=primary_eni,
            pod_subnet_id=self.pod_subnet_id,
            discovers_subnets=self.settings.enable_subnet_discovery,
            cluster_name=self.settings.cluster_name,
        )
        actions: list[Action] = []
        for card in self.cards:
            card.provisioner = self._provisioner
            managed = self.membership.managed(attached, card.index, self.instance_id)
            if self.mode is AddressMode.IPV6:
                managed = drop_excluded_enis(managed, card, self.membership, calls)
            for eni in managed.values():
                card.take_on(eni, calls, SET_UP_BACKOFF)
            actions += card.apply(card.differences(managed, calls.now_ns), AT_START, calls.now_ns)
        if self.mode is AddressMode.IPV6:
            actions += give_prefixes(self.cards, self.name, calls)
        return calls, actions

    def fill(self, begin_ns: int, calls: Calls) -> list[Action]:
        """Release what the mode can't use, and grow each pool once if it is too low; the ticks begin when the calls of the start end.

        A surplus is not released before the first tick (ipamd: handlePreScaling).

        Raises:
            NodeError: pods would never get an address, because a node with custom networking got no ENI.
        """
        released = [action for card in self.cards for action in (*card.leave_own_cidrs(calls.now_ns), *self._release_stale(card, calls))]
        filled: list[Action] = []
        if self._provisions:
            self._provisioner.share_security_groups((eni_id for card in self.cards for eni_id in card.datastore.eni_ids), calls)
            if self.mode is AddressMode.IPV6:
                filled += add_enis_to_empty_cards(self.cards, calls) if self._attaches else []
            else:
                filled += [action for card in self.cards for action in self._fill(card, calls)]
        self._note(filled)
        cleanup_ns = calls.now_ns + self._cleanup_delay_ns() if self.settings.leaked_eni_cleanup_enabled else None
        self.pace.begin(begin_ns, calls.now_ns, cleanup_ns)
        return [*released, *filled]

    def _read_attached(self, instance_id: str, calls: Calls) -> tuple[NetworkInterface, ...]:
        """Ask EC2 what is attached, or only the metadata in IMDS-only mode."""
        if self.settings.enable_imds_only_mode:
            return self.ec2.instance_metadata(instance_id, now_ns=calls.now_ns)
        return calls.do(lambda now_ns: self.ec2.describe_network_interfaces(instance_id=instance_id, now_ns=now_ns))

    def _cleanup_delay_ns(self) -> int:
        return self.chance.below(CLEANUP_DELAY_MAX_S) * NS_PER_S

    def _release_stale(self, card: Card, calls: Calls) -> list[Action]:
        """Release the CIDRs without pods that give no new addresses, even without provisioning (ipamd: tryUnassignIPsFromENIs).

        They don't count as a decrease of the pool, so the first tick may release a surplus.
        """
        if self.mode is AddressMode.IPV6:
            return []
        stale = release_slots(self.view(card, calls.now_ns), 0, "")
        return [] if stale is None else card.shrink(stale, calls)

    def _fill(self, card: Card, calls: Calls) -> list[Action]:
        """Grow once if the pool is too low (ipamd: handlePreScaling)."""
        actions: list[Action] = []
        growth = self.policy.grow(self.view(card, calls.now_ns), card.settings)
        if growth is not None and self._may_grow(calls.now_ns):
            actions += [action for outcome in self._grow(card, growth, calls) for action in card.record(outcome)]
        if self.settings.custom_network_cfg and not card.datastore.stats(calls.now_ns).total_count:
            why = "; ".join(action.error for action in actions if action.error) or why_no_eni(self.view(card, calls.now_ns))
            raise NodeError(f"node {self.name} got no ENI for custom networking: {why}")
        return actions

    # --- ticks --------------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> tuple[Action, ...]:
        """Check the pools once, and return what has finished since the last tick; see `Node.tick`."""
        self.outlook = None
        pace = self.pace
        change_count: int | None = None
        looks: list[tuple[Card, PoolView]] = []
        if self.pending:
            self.settle(now_ns)
        else:
            change_count = self.change_count  # before the look, since other threads may change something meanwhile
        if self.mode is AddressMode.IPV6:
            self._finished += self.reconcile(now_ns)
        elif now_ns >= pace.busy_until_ns:
            if self._provisions and now_ns >= pace.pool_check_due_ns:
                looks = self._update_pools(now_ns)
            # Reconcile as soon as the pool's calls end. Otherwise a node whose calls EC2 keeps refusing would never reconcile.
            if now_ns >= pace.busy_until_ns and (now_ns >= pace.reconcile_due_ns or self._trunk_missing):
                self._finished += self.reconcile(now_ns)
            if pace.cleanup_ns is not None and now_ns >= pace.cleanup_ns:
                self._finished += self.delete_leaked_enis(now_ns)
        actions, self._finished = tuple(self._finished), []
        if change_count is not None and not actions and not self.pending:
            self.outlook = Outlook(change_count, (now_ns, self._quiet_until(now_ns, looks)))
        return actions

    def _quiet_until(self, now_ns: int, looks: Iterable[tuple[Card, PoolView]]) -> int:
        """The time before which a tick does nothing, if one has just done nothing: the first at which a decision can be another.

        Args:
            now_ns: the time of that tick.
            looks: what it has seen of the cards that are not calm.
        """
        if self._trunk_missing:
            return now_ns  # each tick looks for the trunk
        if self.mode is AddressMode.IPV6:
            return NEVER_NS
        times = [self.pace.reconcile_due_ns, NEVER_NS if self.pace.cleanup_ns is None else self.pace.cleanup_ns]
        if now_ns < self.pace.pool_check_due_ns:
            times.append(self.pace.pool_check_due_ns)
        return min(*times, next_turn(looks, self.policy, self.pace, now_ns))

    def _update_pools(self, now_ns: int) -> list[tuple[Card, PoolView]]:
        """Check the pools, and return the views of the cards that are not calm."""
        calls = Calls(self.ec2, now_ns, self.chance)
        may_shrink = self.pace.may_shrink(now_ns)  # decided once: every card may shrink in the same tick
        looks = []
        for card in self.cards:
            view = self._view_unless_calm(card, now_ns)
            if view is None:
                card.surplus_since_ns = None
            else:
                looks.append((card, view))
                self._update_pool(card, view, calls, now_ns, may_shrink=may_shrink)
        if looks:
            self.in_doubt = self.in_doubt or calls.uncertain
            self.pace.note_calls(now_ns, calls.now_ns)
        return looks

    def _update_pool(self, card: Card, view: PoolView, calls: Calls, now_ns: int, *, may_shrink: bool) -> None:
        wanted = wish(card, view, self.policy)
        may_grow = isinstance(wanted, Grow) and self._may_grow(calls.now_ns)
        decision, card.surplus_since_ns = check_pool(
            wanted, card.surplus_since_ns, self.policy, now_ns, may_grow=may_grow, may_shrink=may_shrink
        )
        outcomes: Sequence[Outcome] = ()
        if isinstance(decision, Grow):
            outcomes = self._grow(card, decision, calls)
        elif decision is not None:
            outcomes = card.shrink(decision, calls)
        if outcomes:
            self.queue(card, outcomes, now_ns)
        if self._attaches and may_free_eni(view) and not any(each is card for each, _ in self.pending):
            after = attrs.evolve(view, enis=card.datastore.eni_stats(now_ns)) if outcomes else view
            spare = self.policy.free_eni(after, card.settings, now_ns)
            if spare is not None:
                self.queue(card, [card.free_eni(spare, calls)], now_ns)

    def _grow(self, card: Card, decision: Grow, calls: Calls) -> list[Outcome]:
        """Ask EC2 for more. An out-of-addresses answer stops the other cards at once."""
        outcomes = card.grow(decision, calls)
        pause_ns = card.pause_begins_ns(outcomes)
        if pause_ns is not None:
            self.pace.pause_growth(pause_ns)
        return outcomes

    # --- from EC2's answer to the datastore ---------------------------------------------------------------------------

    def queue(self, card: Card, outcomes: Iterable[Outcome], now_ns: int) -> None:
        """Queue outcomes, and record those already due."""
        for outcome in outcomes:
            self.pending.append((card, outcome))
        self.settle(now_ns)

    def settle(self, now_ns: int) -> None:
        """Record every outcome that is due by `now_ns`."""
        pending = self.pending
        if not pending or pending[0][1].at_ns > now_ns or self._settling:  # the last: called from `on_event` while one is recorded
            return
        self.outlook = None
        self._settling = True
        try:
            while pending and pending[0][1].at_ns <= now_ns:
                card, outcome = pending.popleft()
                try:
                    actions = card.record(outcome)
                except BaseException:  # such as a JournalError: the datastore now lacks what EC2 has granted
                    self.in_doubt = True
                    raise
                self._note(actions)
                self._finished += actions
        finally:
            self._settling = False

    def _note(self, actions: Iterable[Action]) -> None:
        """Remember what was done, and whether a reconcile has something to look at: a failure, or a CIDR that came back."""
        for action in actions:
            self.pace.note(action)
            if action.error is not None:
                self.in_doubt = True
        if not self.in_doubt:
            self.in_doubt = True in [card.has_unconfirmed_cidrs for card in self.cards]

    # --- reconcile and clean-up ---------------------------------------------------------------------------------------

    def reconcile(self, now_ns: int) -> tuple[Action, ...]:
        """Compare the node with the metadata, and adopt or drop what EC2 confirms; see `Node.reconcile`."""
        self.outlook = None
        if self.busy_until(now_ns) is not None:
            return ()
        if self.mode is AddressMode.IPV6:
            return self._find_trunk(now_ns)
        self.pace.put_off_reconcile(now_ns)
        calls = Calls(self.ec2, now_ns, self.chance)
        try:
            return tuple(self._reconcile(calls, now_ns))
        except Ec2Error as error:
            return (Action(now_ns, ActionKind.RECONCILE, DEFAULT_NETWORK_CARD, None, (), "compare with EC2", error=str(error)),)
        finally:
            self.pace.note_calls(now_ns, calls.now_ns)

    def _reconcile(self, calls: Calls, now_ns: int) -> list[Action]:
        instance_id = self._provisioner.instance_id
        shown = self.ec2.instance_metadata(instance_id, now_ns=now_ns)
        differ = any(card.differences(self.membership.shown(shown, card.index), now_ns) for card in self.cards)
        agree = not differ and not self.membership.is_gone(shown) and self._confirm_cidrs(calls, now_ns)
        confirmed = () if agree else self._read_attached(instance_id, calls)
        for card in self.cards:
            card.note_confirmed(now_ns)
        if agree:
            self.in_doubt = any(card.has_unconfirmed_cidrs or card.released.current(now_ns) for card in self.cards)
            return []
        self.in_doubt = True  # until a later comparison finds no difference
        return [
            action
            for card in self.cards
            for action in self._apply(card, self.membership.managed(confirmed, card.index, instance_id), calls, now_ns)
        ]

    def _confirm_cidrs(self, calls: Calls, now_ns: int) -> bool:
        """Ask EC2 about each ENI to which a CIDR came back that the node had released (ipamd: verifyAndAddIPsToDatastore)."""
        unconfirmed = (pair for card in self.cards for pair in card.unconfirmed_cidrs(now_ns).items())
        return all(self._provisioner.shows(eni_id, cidrs, calls) for eni_id, cidrs in unconfirmed)

    def _apply(self, card: Card, managed: dict[str, NetworkInterface], calls: Calls, now_ns: int) -> list[Action]:
        """Bring a card in line with what EC2 shows. An ENI that can't be taken on now is for the next reconcile."""
        reason = "EC2 shows it so"
        difference = card.differences(managed, now_ns)
        refused: list[Action] = []
        for eni in difference.new:
            try:
                card.take_on(eni, calls, ONE_TRY)
            except Ec2Error as error:
                refused.append(Action(now_ns, ActionKind.ADOPT_ENI, card.index, eni.eni_id, (), reason, error=str(error)))
        left_out = {action.eni_id for action in refused}
        taken = tuple(eni for eni in difference.new if eni.eni_id not in left_out)
        return [*refused, *card.apply(attrs.evolve(difference, new=taken), reason, now_ns)]

    def _find_trunk(self, now_ns: int) -> tuple[Action, ...]:
        """Add the trunk as soon as the metadata shows it: all that an IPv6 node looks for (ipamd: checkForTrunkENI)."""
        card = self.cards[DEFAULT_NETWORK_CARD]
        if not is_trunk_missing(card.datastore, self.settings):
            return ()
        try:
            shown = self.ec2.instance_metadata(self._provisioner.instance_id, now_ns=now_ns)
        except Ec2Error:
            return ()
        trunk = tuple(eni for eni in shown if eni.interface_type == "trunk" and card_index(eni) == card.index)
        return tuple(card.apply(Differences(trunk, (), (), ()), "the metadata shows it so", now_ns))

    @property
    def _trunk_missing(self) -> bool:
        """Whether each tick compares the node with EC2, because a trunk is missing, even if the type takes none."""
        return is_trunk_missing(self.cards[DEFAULT_NETWORK_CARD].datastore, self.settings)

    def delete_leaked_enis(self, now_ns: int) -> tuple[Action, ...]:
        """Delete the leaked ENIs of the VPC; see `Node.delete_leaked_enis`."""
        self.outlook = None
        self.pace.cleanup_ns = now_ns + CLEANUP_INTERVAL_NS + self._cleanup_delay_ns()
        return delete_leaked_enis(self._provisioner, Calls(self.ec2, now_ns, self.chance), now_ns)

    # --- when to tick again -------------------------------------------------------------------------------------------

    def next_wakeup(self, now_ns: int, kinds: tuple[bool, bool]) -> int:
        """The time of the next tick that will do something, `NEVER_NS` for never; see `Node.next_wakeup`.

        Args:
            now_ns: the time.
            kinds: whether a comparison with EC2, and a search for leaked ENIs, count as doing something.
        """
        if self.pending:
            return self.pending[0][1].at_ns
        outlook, change_count = self.outlook, self.change_count
        if outlook is None or change_count != outlook.change_count:
            outlook = Outlook(change_count)
        wake_ns = self._find_wakeup(now_ns, kinds)
        outlook.wakeups[kinds] = now_ns, wake_ns
        self.outlook = outlook
        return wake_ns

    def _find_wakeup(self, now_ns: int, kinds: tuple[bool, bool]) -> int:
        """The result of `next_wakeup` if no outcome is pending."""
        include_reconcile, include_cleanup = kinds
        pace = self.pace
        if self.mode is AddressMode.IPV6:
            return pace.next_tick(now_ns) if include_reconcile and self._trunk_missing else NEVER_NS
        wake_ns = NEVER_NS
        if self._provisions and (forecasts := self._forecasts(now_ns)):
            wake_ns = next_action(forecasts, pace, now_ns)
        if include_reconcile:
            wake_ns = min(wake_ns, pace.next_tick(now_ns) if self._trunk_missing else pace.next_reconcile(now_ns))
        if include_cleanup and (cleanup_ns := pace.next_cleanup(now_ns)) is not None:
            wake_ns = min(wake_ns, cleanup_ns)
        return wake_ns

    def _forecasts(self, now_ns: int) -> list[Forecast]:
        """A forecast for each card on which a pool check can change something, even if it only notes that a surplus has ended."""
        forecasts = []
        for card in self.cards:
            view = self._view_unless_calm(card, now_ns)
            if view is None and card.surplus_since_ns is not None:
                view = self.view(card, now_ns)
            if view is not None:
                forecasts.append(Forecast(card, view, self.policy, self.pace, attaches=self._attaches))
        return forecasts

    def _check(self, now_ns: int) -> None:
        """Assert that what is remembered for this time equals the result of a new look. For tests."""
        for card in self.cards:
            calm = self.policy.calm(self.view(card, now_ns), card.settings)
            assert self._calm_range(card, now_ns) == calm, f"the calm range of card {card.index}"  # noqa: S101  # a _check asserts
        known = self.outlook
        if known is None or known.change_count != self.change_count:
            return
        for kinds, (begin_ns, wake_ns) in known.wakeups.items():
            covered = begin_ns <= now_ns < wake_ns
            assert not covered or wake_ns == self._find_wakeup(now_ns, kinds), "the next wakeup"  # noqa: S101  # likewise
        if known.quiet[0] <= now_ns < known.quiet[1]:
            checks = self._forecasts(now_ns) if self._provisions and now_ns >= self.pace.pool_check_due_ns else []
            due_ns = min(self.pace.reconcile_due_ns, NEVER_NS if self.pace.cleanup_ns is None else self.pace.cleanup_ns)
            assert now_ns < due_ns and not self.pending and not self._trunk_missing, "a quiet tick"  # noqa: S101, PT018  # likewise
            assert not any(each.would_act(now_ns) for each in checks), "a quiet tick"  # noqa: S101  # likewise
