"""A node: what ipamd does on one instance, with EC2 and the clock as arguments."""

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Concatenate, ParamSpec, TypeVar, cast

import attrs

from vpcipam.action import AT_START, Action, ActionKind, Restart
from vpcipam.address import AddressMode, parse_address
from vpcipam.calls import METADATA_BACKOFF, Calls
from vpcipam.card import DEFAULT_NETWORK_CARD, Card, Granted, Outcome, is_primary
from vpcipam.datastore import Datastore, call_back
from vpcipam.ec2.api import Ec2Api, Ec2Error, InstanceLauncher, NetworkInterface
from vpcipam.ec2.grid import Scatter
from vpcipam.errors import InvalidArgument, NodeError, NotInPool
from vpcipam.events import DatastoreEvent
from vpcipam.foresight import Foresight
from vpcipam.journal.protocol import Assigned, Cooling, Journal
from vpcipam.limits import InstanceLimits, instance_limits, max_pods
from vpcipam.membership import Membership
from vpcipam.pace import SWEEP_DELAY_MAX_S, SWEEP_INTERVAL_NS, Pace
from vpcipam.provision import Provisioner
from vpcipam.quarantine import Quarantined
from vpcipam.restoration import Restoration
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings
from vpcipam.stats import NS_PER_S, Assignment, PoolStats, seconds_text
from vpcipam.sweep import sweep_leaked_enis
from vpcipam.warmpool import Calm, IpamdPolicy, PoolView, WarmPolicy

NodeEvent = DatastoreEvent | Action
"""What a node tells of: what happens in its datastores, and what it has done or tried, once a call of its control loop is over."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


def _in_turn(method: Callable[Concatenate["Node", _P], _T]) -> Callable[Concatenate["Node", _P], _T]:
    """Let calls of the control loop follow each other, whatever thread they come from."""

    @functools.wraps(method)
    def one_at_a_time(self: "Node", /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        with self._turn:
            return method(self, *args, **kwargs)

    return one_at_a_time


class Node:
    """One instance and its pods' addresses, run as ipamd runs them.

    A node never reads a clock and never waits: `start` it, `tick` it every 5 s (or when `next_wakeup` says), and `assign` and `unassign`
    as pods come and go. What it did comes back as `Action` values.

    Any thread may call it at any time. The calls of the control loop follow each other; `assign` and `unassign` wait for none of them, so
    not for EC2 either, but only for the datastore's lock.

    Where EC2 takes time (`Ec2Api.elapsed_ns`), so does the node: what a tick asks for is there, and told by a tick, when the answer has
    come. Until then the node is busy and its ticks do nothing else; it looks at its pool again 5 s later.

    Invariants, whatever EC2 answers:

    1. A card never has more ENIs than its type allows, less where MAX_ENI is lower, those that are not managed included.
    2. An ENI never has more CIDRs than the type has slots.
    3. A tick asks EC2 at most once per card for more, the fallbacks of that one wish aside.

    Attributes:
        cordoned: the node takes no new pods, so it neither attaches nor frees (unless AWS_MANAGE_ENIS_NON_SCHEDULABLE is set).
        terminating: ipamd is about to stop, so the node neither attaches nor frees.
    """

    def __init__(
        self,
        instance_type: str | InstanceLimits,
        settings: Settings,
        ec2: Ec2Api,
        *,
        subnet_id: str,
        instance_id: str | None = None,
        pod_subnet_id: str | None = None,
        max_pods: int | None = None,
        name: str | None = None,
        placement: str = "lowest",
        seed: int = 0,
        cooldown_aware_targets: bool = False,
        policy: WarmPolicy | None = None,
        journals: Iterable[Journal] = (),
        on_event: Callable[[NodeEvent], object] | None = None,
    ) -> None:
        """Make a node that is not started yet; no call goes to EC2.

        Args:
            instance_type: a type's name, or its limits.
            settings: the variables of its aws-node container.
            ec2: what answers its calls.
            subnet_id: the subnet that it is launched in.
            instance_id: an instance that runs already; None to launch one at `start`, which a model can and the real EC2 here can't.
            pod_subnet_id: the ENIConfig's subnet, for AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG; None for the node's own.
            max_pods: the kubelet's limit, host-network pods included; None for what EKS sets.
            name: what to call it; None for its instance id.
            placement: see `Datastore`.
            seed: of the random placement, and of the waits between tries of a call.
            cooldown_aware_targets: count cooling addresses as not available where targets are looked at. ipamd counts them as available, so
                that its pool can be large enough while every assign fails (upstream issues 1700 and 2896).
            policy: the rules by which the pool is sized; None for ipamd's.
            journals: one for each managed network card, ascending; none to keep nothing. If they hold something, `restore` the node.
            on_event: called with what has happened; see `vpcipam.events`. It has to be quick, must not change the node, and may look at it,
                but not with what waits for the control loop (`view`, `calm`, `next_wakeup`): that may wait for the caller in turn.

        Raises:
            InvalidArgument: there are fewer or more journals than managed cards.
            UnknownInstanceType: the table has no such type.
            SettingsError: ipamd would refuse to start with these settings on this type.
        """
        self.limits = instance_limits(instance_type)
        settings.check(self.limits)
        self.settings = settings
        self.mode = settings.address_mode(self.limits)
        self.max_pods = default_max_pods(self.limits, settings) if max_pods is None else max_pods
        self.cordoned = False
        self.terminating = False
        self.cooldown_aware_targets = cooldown_aware_targets
        self.policy = IpamdPolicy() if policy is None else policy
        self._ec2 = ec2
        self._subnet_id = subnet_id
        self._instance_id = instance_id
        self._pod_subnet_id = (pod_subnet_id or subnet_id) if settings.custom_network_cfg else None
        self._name = name
        self._placement = placement
        self._seed = seed
        self._journals = tuple(journals)
        self._on_event = on_event
        self._turn = threading.RLock()
        self._cards = self._empty_cards()
        self._provisioner: Provisioner | None = None
        self._membership = Membership(settings.manage_untagged_eni)
        self._pace = Pace()
        self._chance = Scatter(seed)
        self._under_way: deque[tuple[Card, Outcome]] = deque()  # in the order in which they come to be
        self._booking = False
        self._finished: list[Action] = []  # what no tick has told of yet
        self._in_doubt = True
        self._started = False

    def _empty_cards(self) -> tuple[Card, ...]:
        settings = self.settings
        indexes = range(len(self.limits.network_cards) if settings.enable_multi_nic else 1)
        journals = self._journals or (None,) * len(indexes)
        if len(journals) != len(indexes):
            raise InvalidArgument(f"{len(journals)} journals are given, but {len(indexes)} network cards are managed: each needs its own")
        datastores = [
            Datastore(
                mode=self.mode,
                cooldown_ns=settings.cooldown_ns,
                placement=self._placement,
                seed=self._seed,
                journal=journal,
                network_card=index,
                on_event=self._on_event,
            )
            for index, journal in zip(indexes, journals, strict=True)
        ]
        cards = tuple(Card(datastore, settings.for_network_card(datastore.network_card)) for datastore in datastores)
        for card in cards:
            card.others = tuple(other for other in cards if other is not card)
        return cards

    # --- what it is ----------------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """What it is called: the given name, else its instance id, else its type."""
        return self._name or self._instance_id or self.limits.instance_type

    @property
    def instance_id(self) -> str | None:
        """The instance, None before `start` has launched it."""
        return self._instance_id

    @property
    def ready_ns(self) -> int:
        """When the calls of its start are through, so that it takes pods."""
        return self._pace.ready_ns

    @property
    def started(self) -> bool:
        """Tell whether ipamd is ready."""
        return self._started

    @property
    def datastores(self) -> tuple[Datastore, ...]:
        """One datastore for each managed network card."""
        return tuple(card.datastore for card in self._cards)

    def stats(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolStats:
        """Count the addresses of one card."""
        self._catch_up_if_idle(now_ns)
        return self._card(network_card).datastore.stats(now_ns)

    @_in_turn
    def view(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolView:
        """What the warm-pool decisions see of one card; give it to the functions of `vpcipam.warmpool` to ask why."""
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

    @_in_turn
    def calm(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> Calm:
        """Say with how many addresses assigned on a card no tick will do anything to its pool, as long as its ENIs and CIDRs stay.

        While the count stays within, `next_wakeup` need not be asked again after an assign or an unassign.

        Complexity: O(1) until ENIs or CIDRs change.
        """
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

    def managed_eni_limit(self, network_card: int = DEFAULT_NETWORK_CARD) -> int:
        """The most ENIs that can be attached to a card and managed: the type's limit or MAX_ENI, less those that are left alone.

        It waits for no call of the control loop, as `view` does, which has both numbers too.
        """
        return self._eni_limit(self._card(network_card).index) - self._membership.unmanaged_count(network_card)

    def _eni_limit(self, network_card: int) -> int:
        limit = self.limits.network_cards[network_card]
        return min(limit, self.settings.max_eni) if self.settings.max_eni >= 1 else limit

    def _trunk_expected(self, network_card: int) -> bool:
        wanted = self.settings.enable_pod_eni and network_card == DEFAULT_NETWORK_CARD
        return wanted and not self._cards[network_card].datastore.has_trunk

    # --- pods ----------------------------------------------------------------------------------------------------------------

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None = None, *, network_card: int = DEFAULT_NETWORK_CARD) -> Assignment:
        """Give a sandbox an address of what is attached; EC2 is not asked, as in ipamd. `max_pods` is for the kubelet to keep.

        Raises:
            PoolExhausted: no address is free; the kubelet would try again.
            NodeError: the node is not started, or the calls of its start are not through yet.
        """
        self._require_ready(now_ns)
        return self._card(network_card).datastore.assign(key, now_ns, pod)

    def unassign(self, key: SandboxKey, now_ns: int, *, network_card: int = DEFAULT_NETWORK_CARD) -> Assignment:
        """Take a sandbox's address back.

        Raises:
            UnknownKey: the sandbox has none.
            NodeError: the node is not started, or the calls of its start are not through yet.
        """
        self._require_ready(now_ns)
        return self._card(network_card).datastore.unassign(key, now_ns)

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The entries of the journals that nobody has decided about; see `Datastore.release_quarantined` and `accept_quarantined`."""
        return tuple(entry for datastore in self.datastores for entry in datastore.quarantined)

    def _require_ready(self, now_ns: int) -> None:
        self._require_started()
        if now_ns < self._pace.ready_ns:
            raise NodeError(f"node {self.name} is starting; it is ready in {seconds_text(self._pace.ready_ns - now_ns)} s")
        self._catch_up_if_idle(now_ns)

    def _require_started(self) -> Provisioner:
        if not self._started:
            raise NodeError(f"node {self.name} is not started; call start(now_ns) first")
        return self._ec2_side

    @property
    def _ec2_side(self) -> Provisioner:
        assert self._provisioner is not None, "the node is started, or starting"  # noqa: S101  # for the type checker
        return self._provisioner

    # --- start ---------------------------------------------------------------------------------------------------------------

    @_in_turn
    def start(self, now_ns: int, *, running: Iterable[Assigned] = (), cooling: Iterable[Cooling] = ()) -> tuple[Action, ...]:
        """Take on what is attached, give back what the mode has no use for, and fill the pool once (ipamd: nodeInit).

        Args:
            now_ns: the time.
            running: the sandboxes that held addresses of this instance before ipamd restarted; they hold them again.
            cooling: the addresses that cooled then; they go on cooling, also where their CIDR comes back only later. ipamd forgets them.

        Raises:
            NodeError: it is started already; a journal of it holds something; no instance can be launched; a running sandbox's address is
                not attached; EC2 gives IPv6 no prefix; or, under custom networking, the pool stays empty. The node is then as before, but
                for its instance and what EC2 has already granted: start it again.
            Ec2Error: EC2 refused to say what is attached.
            InvalidAddress: what cools is no address of the node's IP version.
            CoolingDown: a sandbox is said to run on an address that is said to cool.
            JournalError: a journal can't be read or written.
        """
        self._require_not_started()
        for journal in self._journals:
            held = journal.restore(now_ns)
            if held.assigned or held.cooling or held.problems:
                what = f"{len(held.assigned)} sandboxes, {len(held.cooling)} cooldowns and {len(held.problems)} entries to decide about"
                raise NodeError(f"the journal of node {self.name} holds {what}: call restore(now_ns) in place of start")
        earlier = tuple(cooling)
        for each in earlier:
            parse_address(each.address, self.mode.version)
        for card in self._cards:
            card.earlier_cooldowns = earlier

        def put_back(at_ns: int) -> None:
            for sandbox in running:
                self._put_back(sandbox, at_ns)

        return self._tell(self._start(now_ns, put_back))

    @_in_turn
    def restore(self, now_ns: int, *, gone: Iterable[SandboxKey] = (), trust_clock: bool = True) -> Restart:
        """Start again with what the journals hold; see `Datastore.restore`. A node whose journals are empty starts as `start` does.

        The journals are looked at once what is attached is known, and before the pool is filled.

        Args:
            now_ns: the time.
            gone: sandboxes that run no more, as the container runtime says; their addresses cool from now on. ipamd finds them likewise
                (its checkpoint against what runs) and forgets the cooldown.
            trust_clock: False where the clock may have been put forward since: what cooled then cools anew.

        Raises:
            NodeError: it is started already; there are no journals; or as with `start`.
            Ec2Error: EC2 refused to say what is attached.
            JournalError: a journal can't be read or written.
        """
        self._require_not_started()
        if not self._journals:
            raise NodeError(f"node {self.name} has no journals to restore from: give them when it is made, or call start(now_ns)")
        keys = tuple(gone)
        restored: list[Restoration] = []

        def put_back(at_ns: int) -> None:
            restored.extend(_restore(self._cards, at_ns, keys, trust_clock=trust_clock))

        actions = self._start(now_ns, put_back)
        return Restart(self._tell(actions), tuple(restored))

    def _require_not_started(self) -> None:
        if self._started:
            raise NodeError(f"node {self.name} is started already")

    def _start(self, now_ns: int, put_back: Callable[[int], None]) -> list[Action]:
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
            self._cards = self._empty_cards()
            raise
        self._pace.begin(now_ns, calls.now_ns, self._first_sweep(calls.now_ns))
        self._started = True
        return actions

    def _find_home(self, instance_id: str, calls: Calls) -> tuple[tuple[NetworkInterface, ...], NetworkInterface]:
        """Read what is attached, until the primary ENI is among it; EC2 may be late to show an instance that was just launched."""
        for number in range(METADATA_BACKOFF.try_count):
            attached = self._read_attached(instance_id, calls)
            home = next((eni for eni in attached if is_primary(eni)), None)
            if home is not None:
                return attached, home
            calls.back_off(METADATA_BACKOFF, number)
        raise NodeError(f"instance {instance_id} shows no primary ENI yet; start the node again")

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

    def _put_back(self, sandbox: Assigned, now_ns: int) -> None:
        for datastore in self.datastores:
            try:
                datastore.assign_at(sandbox.key, sandbox.address, now_ns, sandbox.pod)
            except NotInPool:
                continue
            return
        raise NodeError(f"{sandbox.key} holds {sandbox.address}, which is on no ENI of node {self.name}; leave it out of what is running")

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
        if self.settings.custom_network_cfg and not self.stats(calls.now_ns, card.index).total_count:
            refusals = "; ".join(action.error for action in actions if action.error)
            raise NodeError(
                f"node {self.name} got no ENI for custom networking: {refusals or 'its type or MAX_ENI leaves no room for one'}"
            )
        return actions

    # --- the control loop ----------------------------------------------------------------------------------------------------

    @_in_turn
    def tick(self, now_ns: int) -> tuple[Action, ...]:
        """Tell what has finished since the last tick, and look at the pool once.

        That is: grow or shrink it, free an ENI; then reconcile, and look for leaked ENIs, if that is due. A busy node only tells.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        self._catch_up(now_ns)
        if self.mode is not AddressMode.IPV6 and self.busy_until(now_ns) is None:
            self._look(now_ns)
        actions, self._finished = self._finished, []
        return self._tell(actions)

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

    def _catch_up_if_idle(self, now_ns: int) -> None:
        """The same, unless a call of the control loop is under way in another thread, which will."""
        if self._under_way and self._turn.acquire(blocking=False):
            try:
                self._catch_up(now_ns)
            finally:
                self._turn.release()

    def _tell(self, actions: Iterable[Action]) -> tuple[Action, ...]:
        """Tell whoever wants to know what the control loop has done, and give it back."""
        done = tuple(actions)
        if self._on_event is not None:
            for action in done:
                call_back(self._on_event, action)
        return done

    def _may_grow(self, now_ns: int) -> bool:
        return self._attaches and self._pace.may_grow(now_ns)

    # --- reconcile -----------------------------------------------------------------------------------------------------------

    @_in_turn
    def reconcile(self, now_ns: int) -> tuple[Action, ...]:
        """Compare the node with its instance's metadata, and follow what EC2 confirms (ipamd: nodeIPPoolReconcile).

        Metadata can be stale, so nothing is dropped or taken on before EC2 itself has said so. CIDRs given back within the last 60 s are
        not taken on. An IPv6 node has nothing to reconcile, as in ipamd.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        self._catch_up(now_ns)
        return self._tell(self._reconcile(now_ns))

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

    @_in_turn
    def sweep_leaked_enis(self, now_ns: int) -> tuple[Action, ...]:
        """Delete the ENIs of the VPC that some node made and left unattached for 5 min or more, once an hour (ipamd: cleanUpLeakedENIs).

        It goes on beside the control loop, as in ipamd, so that it keeps no tick waiting.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        return self._tell(self._sweep_leaked_enis(now_ns))

    def _sweep_leaked_enis(self, now_ns: int) -> tuple[Action, ...]:
        self._pace.sweep_ns = now_ns + SWEEP_INTERVAL_NS
        return sweep_leaked_enis(self._ec2_side, self._calls(now_ns), now_ns)

    # --- when to look again --------------------------------------------------------------------------------------------------

    def next_tick(self, now_ns: int) -> int:
        """When the loop comes round next, after a time, whether or not there will be anything to do."""
        return self._pace.next_tick(now_ns)

    @property
    def in_doubt(self) -> bool:
        """Tell whether EC2 may have other ENIs and addresses than the node, for all that the node itself has done.

        It is so from the start, and from each refused call on, until a comparison with EC2 has shown no difference.
        """
        return self._in_doubt

    @_in_turn
    def pass_over(self, now_ns: int) -> None:
        """Take it that all ticks before a time were made and found nothing to do: for a caller who ticks only when there is.

        Nothing is compared with EC2 by it, so it is for where nobody else changes the instance's ENIs, and for a node not in doubt. All
        later ticks then act at the same instants as if every tick had been made.
        """
        self._pace.pass_over(now_ns, every_tick=self._trunk_expected(DEFAULT_NETWORK_CARD))

    @_in_turn
    def next_wakeup(self, now_ns: int, *, include_reconcile: bool = True, include_sweep: bool | None = None) -> int | None:
        """Say when the next tick will do something, as things stand; None where it never will.

        Ticks fall on a grid, every 5 s from the start on, or from the end of the last calls that took time; the answer lies on it, after
        `now_ns`. A busy node wakes when its calls are through. Ask again after an assign, an unassign or a change of the node's marks. A
        tick that EC2 has refused is worth trying again.

        Args:
            now_ns: the time.
            include_reconcile: count a comparison with EC2 as doing something.
            include_sweep: count a look for leaked ENIs as doing something; None for the same as with a comparison. Without both, only
                changes of the pool count.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
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


def default_max_pods(limits: InstanceLimits, settings: Settings) -> int:
    """The kubelet's limit as EKS sets it for these settings, which it does without a look at MAX_ENI."""
    prefixes = settings.address_mode(limits) is not AddressMode.SECONDARY_IP
    return max_pods(limits, prefix_delegation=prefixes, custom_networking=settings.custom_network_cfg)


def _booked(card: Card, outcomes: Iterable[Outcome]) -> list[Action]:
    """Put grants into the card's datastore; the actions of all outcomes, in order."""
    return [action for outcome in outcomes for action in (card.book(outcome) if isinstance(outcome, Granted) else [outcome])]


def _restore(cards: tuple[Card, ...], now_ns: int, gone: tuple[SandboxKey, ...], *, trust_clock: bool) -> list[Restoration]:
    """Take back what the cards' journals hold; what cools by one of them cools on the others too."""
    restored = [card.datastore.restore(now_ns, gone=gone, trust_clock=trust_clock) for card in cards]
    for card in cards:
        card.take_over_cooldowns(now_ns)
    return restored
