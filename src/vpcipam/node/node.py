"""A node: what ipamd does on one instance, with EC2 and the clock as arguments."""

import threading
from collections.abc import Callable, Iterable

from vpcipam._arguments import require_boolean, require_type
from vpcipam._chance import Scatter
from vpcipam.action import Action, Restart
from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Ec2Api
from vpcipam.errors import InvalidArgument, NodeError
from vpcipam.events import DatastoreEvent, call_back
from vpcipam.journal.forked import OwnersLock, refuse_in_child
from vpcipam.journal.protocol import Journal, Restored
from vpcipam.limits import InstanceLimits, MaxPodsBy, instance_limits
from vpcipam.node.control_loop import ControlLoop
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD
from vpcipam.node.outlook import NEVER_NS, NO_TIME
from vpcipam.node.pods import Pods
from vpcipam.restoration import Restoration
from vpcipam.sandbox import SandboxKey
from vpcipam.settings import Settings, resolve_max_pods
from vpcipam.stats import PoolStats
from vpcipam.warmpool import Calm, IpamdPolicy, PoolView, WarmPolicy

NodeEvent = DatastoreEvent | Action
"""What `on_event` receives: each event of the node's datastores, and each action once the call that made it ends."""


class Node(Pods):
    """One instance and its pods' addresses, run as ipamd runs them.

    A node never reads a clock and never waits: `start` it, `tick` it every 5 s (or when `next_wakeup` says), and call `assign` and
    `unassign` as pods come and go. It returns what it did as `Action` values.

    Any thread may call it at any time. One lock serializes the calls of the control loop (`start`, `tick`, `reconcile` and so on).
    `assign` and `unassign` don't take it, so they never wait for EC2; they only wait for the datastore's lock.

    If EC2 takes time (`Ec2Api.elapsed_ns`), so does the node: it records each answer of EC2 when the answer is due, and the next tick
    returns it. Until the last answer is due, the node is busy: its ticks only return what has finished. The next pool check comes 5 s after
    that.

    Invariants, whatever EC2 answers:

    1. A card never has more ENIs than its type allows, or than MAX_ENI if that is lower. Unmanaged ENIs count.
    2. An ENI never has more CIDRs than the type has slots.
    3. A tick asks EC2 at most once per card for more addresses, apart from the fallbacks of that one request.

    Attributes:
        limits: what the instance type allows.
        settings: the variables of its aws-node container.
        mode: what its slots hold.
        max_pods: the kubelet's limit, host-network pods included.
        max_pods_by: what sets `max_pods`; None if it was given.
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
        max_pods_by: MaxPodsBy | str | None = None,
        name: str | None = None,
        placement: str = "lowest",
        seed: int = 0,
        cooldown_aware_targets: bool = False,
        hold_cooling_cidrs: bool = False,
        policy: WarmPolicy | None = None,
        journals: Iterable[Journal] = (),
        on_event: Callable[[NodeEvent], object] | None = None,
    ) -> None:
        """Create a node that is not started yet, without calling EC2.

        Args:
            instance_type: a type's name, or its limits.
            settings: the variables of its aws-node container.
            ec2: EC2, or a model of it.
            subnet_id: the subnet of its instance.
            instance_id: a running instance; None to launch one at `start`, which only a model can do.
            pod_subnet_id: the ENIConfig's subnet, for AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG; None for the node's own.
            max_pods: the kubelet's limit, host-network pods included; None for what `max_pods_by` sets.
            max_pods_by: what sets the kubelet's limit; None for a managed node group. Give this or `max_pods`, not both.
            name: its name in messages; None for its instance id.
            placement: see `Datastore`.
            seed: for the random placement, and for the waits between tries of a call.
            cooldown_aware_targets: don't count cooling addresses as available for warm targets. ipamd counts them, so its pool can look
                large enough while every assign fails (upstream issues 1700 and 2896).
            hold_cooling_cidrs: keep a CIDR while an address of it cools. ipamd gives it back, and another node may assign it too early.
            policy: the rules that size the pool; None for ipamd's.
            journals: one for each network card of the type (for the default one alone without ENABLE_MULTI_NIC), ascending; empty for none.
                If `start` finds that a card is not managed, it leaves the card's journal unchanged. If journals hold entries, call
                `restore`, not `start`.
            on_event: called with each `NodeEvent`; see `vpcipam.events`. It must be quick and must not change the node. It may look at the
                node, except through `view`, `calm` and `next_wakeup`: these wait for the control loop, which may be waiting for `on_event`.

        Raises:
            InvalidArgument: the number of journals differs from that of managed cards, `max_pods` is below 1, `max_pods_by` is
                unknown, or both are given.
            UnknownInstanceType: the table has no such type.
            SettingsError: ipamd would refuse to start with these settings on this type.
        """
        limits = instance_limits(instance_type)
        require_type("settings", settings, Settings, "Settings.from_env({…}) makes one")
        require_type("subnet_id", subnet_id, str, "give the subnet's id")
        require_boolean("cooldown_aware_targets", cooldown_aware_targets)
        require_boolean("hold_cooling_cidrs", hold_cooling_cidrs)
        if isinstance(policy, str):
            raise TypeError(f"policy must be a WarmPolicy, not a text: vpcipam.policies.policy_named({policy!r}) makes one")
        settings.check(limits)
        self._takes_trunk = settings.takes_trunk(limits)
        kubelet_max_pods, self._max_pods_by = resolve_max_pods(limits, settings, max_pods, max_pods_by)
        self._placement = placement
        self._seed = seed
        self._journals = tuple(journals)
        self._on_event = on_event
        self._lock: OwnersLock = threading.RLock()  # of the control loop
        refuse_in_child(self, NodeError, "node")
        self._started = False
        self._loop = ControlLoop(
            limits=limits,
            settings=settings,
            ec2=ec2,
            subnet_id=subnet_id,
            instance_id=instance_id,
            pod_subnet_id=(pod_subnet_id or subnet_id) if settings.custom_network_cfg else None,
            max_pods=kubelet_max_pods,
            given_name=name,
            chance=Scatter(seed),
            cooldown_aware_targets=cooldown_aware_targets,
            hold_cooling_cidrs=hold_cooling_cidrs,
            policy=IpamdPolicy() if policy is None else policy,
        )
        self._loop.reset(self._empty_datastores())

    def _empty_datastores(self) -> list[Datastore]:
        indexes = range(len(self.limits.network_cards) if self.settings.enable_multi_nic else 1)
        journals = self._journals or (None,) * len(indexes)
        if len(journals) != len(indexes):
            raise InvalidArgument(f"{len(journals)} journals are given, but {len(indexes)} network cards are managed: each needs its own")
        return [
            Datastore(
                mode=self.mode,
                cooldown_ns=self.settings.cooldown_ns,
                placement=self._placement,
                seed=self._seed,
                journal=journal,
                network_card=index,
                on_event=self._on_event,
            )
            for index, journal in zip(indexes, journals, strict=True)
        ]

    # --- what it is ---------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        state = "" if self._started else ", not started"
        enis = sum(len(datastore.eni_ids) for datastore in self.datastores)
        sandboxes = sum(datastore.sandbox_count for datastore in self.datastores)
        return f"<Node {self.name}: {self.limits.instance_type}{state}, {enis} ENIs, {sandboxes} sandboxes>"

    @property
    def name(self) -> str:
        """The given name, else the instance id, else the type."""
        return self._loop.name

    @property
    def limits(self) -> InstanceLimits:
        """What EC2 allows an instance of the node's type."""
        return self._loop.limits

    @property
    def settings(self) -> Settings:
        """The variables of the node's aws-node container."""
        return self._loop.settings

    @property
    def mode(self) -> AddressMode:
        """The address mode that the settings and the instance type lead to."""
        return self._loop.mode

    @property
    def max_pods(self) -> int:
        """The kubelet's limit, host-network pods included."""
        return self._loop.max_pods

    @property
    def max_pods_by(self) -> MaxPodsBy | None:
        """What sets the kubelet's limit; None if it was given."""
        return self._max_pods_by

    @property
    def instance_id(self) -> str | None:
        """The instance, None before `start` has launched it."""
        return self._loop.instance_id

    @property
    def pod_subnet_id(self) -> str:
        """The subnet of its pods: the ENIConfig's under custom networking, else its own."""
        return self._loop.pod_subnet_id or self._loop.subnet_id

    @property
    def started(self) -> bool:
        """Tell whether the node is started."""
        return self._started

    @property
    def ready_ns(self) -> int:
        """When the EC2 calls of the start end; from then on the node takes pods."""
        return self._loop.pace.ready_ns

    @property
    def cordoned(self) -> bool:
        """Whether the node takes no new pods. It then neither attaches nor frees ENIs, unless AWS_MANAGE_ENIS_NON_SCHEDULABLE is set."""
        return self._loop.cordoned

    @cordoned.setter
    def cordoned(self, cordoned: bool) -> None:
        self._loop.cordoned = cordoned
        self._loop.mark_count += 1

    @property
    def terminating(self) -> bool:
        """Whether the node's ipamd is about to stop. The node then neither attaches nor frees ENIs."""
        return self._loop.terminating

    @terminating.setter
    def terminating(self, terminating: bool) -> None:
        self._loop.terminating = terminating
        self._loop.mark_count += 1

    def stats(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolStats:
        """Count the addresses of one card."""
        self._settle_unless_in_use(now_ns)
        return self._card(network_card).datastore.stats(now_ns)

    def managed_eni_limit(self, network_card: int = DEFAULT_NETWORK_CARD) -> int:
        """The most managed ENIs on a card: the node's ENI limit, less the unmanaged ENIs. Unlike `view`, it never waits."""
        index = self._card(network_card).index
        return self.settings.eni_limit(self.limits) - self._loop.membership.unmanaged_count(index)

    def view(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolView:
        """Return one card's state as the warm-pool decisions see it. The functions of `vpcipam.warmpool` take it and give their reasons."""
        with self._lock:
            self._loop.settle(now_ns)
            return self._loop.view(self._card(network_card), now_ns)

    def asks_for_trunk(self, now_ns: int) -> bool:
        """Tell whether its ipamd asks for a trunk ENI that its type takes and has room for (ipamd: tryEnableSecurityGroupsForPods)."""
        return self._takes_trunk and self._started and self.view(now_ns).trunk_has_room

    def calm(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> Calm:
        """The range of assigned counts in which no tick changes a card's pool, as long as its ENIs and CIDRs don't change.

        While the count stays within the range, an assign or an unassign doesn't change what `next_wakeup` returns. There is no such
        range while a surplus waits for the policy's release delay.

        Complexity: O(1) until ENIs or CIDRs change.
        """
        with self._lock:
            self._loop.settle(now_ns)
            return self._loop.calm(self._card(network_card), now_ns)

    # --- start --------------------------------------------------------------------------------------------------------

    def start(self, now_ns: int) -> tuple[Action, ...]:
        """Adopt what is attached, release what the mode can't use, and fill the pool once (ipamd: nodeInit).

        Raises:
            NodeError: the node is already started; a journal holds entries; no instance can be launched; an IPv6 node gets no /80; or,
                under custom networking, the pool stays empty. The node can be started again: it keeps its instance and what EC2 granted.
            Ec2Error: EC2 refused the call that reads what is attached.
            JournalError: a journal can't be read.
        """
        with self._lock:
            self._require_not_started()
            self._require_empty_journals(now_ns)
            return self._start(now_ns, lambda _: ()).actions

    def _require_empty_journals(self, now_ns: int) -> None:
        for held in self._read_journals(now_ns):
            if held.assigned or held.cooling or held.problems:
                what = f"{len(held.assigned)} sandboxes, {len(held.cooling)} cooldowns and {len(held.problems)} entries to decide about"
                raise NodeError(f"the journal of node {self.name} holds {what}: call restore(now_ns) instead of start")

    def restore(self, now_ns: int, *, gone: Iterable[SandboxKey] = (), trust_clock: bool = True) -> Restart:
        """Start again with what the journals hold: sandboxes keep their addresses, and cooldowns go on. See `Datastore.restore`.

        The journals are read after the attached ENIs are adopted and before the pool is filled. With empty journals this is `start`.

        Args:
            now_ns: the time.
            gone: sandboxes that the container runtime no longer runs; their addresses cool from now on. ipamd also compares its
                checkpoint with what runs, but forgets the cooldown.
            trust_clock: False if the clock may have jumped forward since the last run; every cooldown then starts again.

        Raises:
            NodeError: the node is already started; it has no journals; or as with `start`.
            Ec2Error: EC2 refused the call that reads what is attached.
            JournalError: a journal can't be read or written.
        """
        keys = tuple(gone)
        with self._lock:
            self._require_not_started()
            if not self._journals:
                raise NodeError(
                    f"node {self.name} has no journals to restore from: pass them to Node(…, journals=…), or call start(now_ns)"
                )
            self._read_journals(now_ns, trust_clock=trust_clock)
            return self._start(now_ns, lambda at_ns: self._restore_cards(at_ns, keys, trust_clock=trust_clock))

    def _read_journals(self, now_ns: int, *, trust_clock: bool = True) -> tuple[Restored, ...]:
        """Read the journals, and let each card remember what it has given back, before it adopts what is attached."""
        journals = tuple(journal.restore(now_ns) for journal in self._journals)
        for card, held in zip(self._loop.cards, journals, strict=False):  # a node without journals has cards, too
            card.released.restore(held, now_ns, trust_clock=trust_clock)
        return journals

    def _require_not_started(self) -> None:
        if self._started:
            raise NodeError(f"node {self.name} is started already")

    def _start(self, now_ns: int, restore_cards: Callable[[int], tuple[Restoration, ...]]) -> Restart:
        try:
            calls, adopted = self._loop.adopt(now_ns)
            restored = restore_cards(calls.now_ns)
            filled = self._loop.fill(now_ns, calls)
        except BaseException:
            self._loop.reset(self._empty_datastores())
            raise
        self._started = True
        return Restart(self._publish([*adopted, *filled]), restored, tuple(card.index for card in self._loop.cards))

    def _restore_cards(self, now_ns: int, gone: tuple[SandboxKey, ...], *, trust_clock: bool) -> tuple[Restoration, ...]:
        """Restore each card from its journal. Then each card withholds its addresses that cool or are in quarantine on another card."""
        cards = self._loop.cards
        restored = tuple(card.datastore.restore(now_ns, gone=gone, trust_clock=trust_clock) for card in cards)
        for card in cards:
            card.withhold_held_elsewhere(now_ns)
        return restored

    def _publish(self, actions: Iterable[Action]) -> tuple[Action, ...]:
        """Call `on_event` with actions of the control loop, and return them."""
        done = tuple(actions)
        if self._on_event is not None:
            for action in done:
                call_back(self._on_event, action)
        return done

    # --- the control loop ---------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> tuple[Action, ...]:
        """Check the pool once, and return what has finished since the last tick.

        It grows or shrinks the pool, frees an ENI, then reconciles and searches for leaked ENIs if these are due. A tick of a busy node
        only returns what has finished.

        Raises:
            NodeError: the node is not started.
        """
        loop = self._loop
        outlook = loop.outlook  # without the lock: it is replaced, and never changed, when something happens
        if outlook is not None and outlook.quiet[0] <= now_ns < outlook.quiet[1]:
            change_count = loop.mark_count  # as `ControlLoop.change_count`, whose call would be a third of a quiet tick
            for card in loop.cards:
                change_count += card.datastore.change_count
            if change_count == outlook.change_count:
                return ()
        if not self._started:
            self._require_started()
        with self._lock:
            actions = loop.tick(now_ns)
            return self._publish(actions) if actions else actions

    def reconcile(self, now_ns: int) -> tuple[Action, ...]:
        """Compare the node with its instance's metadata, and adopt or drop what EC2 confirms (ipamd: nodeIPPoolReconcile).

        Metadata can be stale, so nothing is dropped or adopted before EC2 itself confirms it. CIDRs released within the last 60 s are not
        adopted. An IPv6 node has nothing to reconcile, as in ipamd.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        with self._lock:
            self._loop.settle(now_ns)
            return self._publish(self._loop.reconcile(now_ns))

    def delete_leaked_enis(self, now_ns: int) -> tuple[Action, ...]:
        """Delete the ENIs of the VPC that an ipamd created and that have been unattached for 5 min or more (ipamd: cleanUpLeakedENIs).

        Ticks do this once an hour. As in ipamd, it runs beside the control loop, so no tick waits for it.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        with self._lock:
            return self._publish(self._loop.delete_leaked_enis(now_ns))

    # --- when to tick again -------------------------------------------------------------------------------------------

    def busy_until(self, now_ns: int) -> int | None:
        """When the EC2 calls under way end, None if there are none."""
        return self._loop.busy_until(now_ns)

    def next_tick(self, now_ns: int) -> int:
        """The time of the first tick after `now_ns`, whether or not it will do anything."""
        return self._loop.pace.next_tick(now_ns)

    @property
    def in_doubt(self) -> bool:
        """Tell whether EC2's ENIs and addresses may differ from the node's as a result of the node's own calls.

        It is True after the start and after each refused call, until a comparison with EC2 shows no difference and ignores no CIDR as
        released within the last 60 s.
        """
        return self._loop.in_doubt

    def pass_over(self, now_ns: int) -> None:
        """Skip the ticks before `now_ns`, as if each had found nothing to do; for a caller that ticks only at wakeups.

        Nothing is compared with EC2, so use it only if nobody else changes the instance's ENIs and the node is not in doubt. All later
        ticks then act at the same instants as if no tick had been skipped.
        """
        loop = self._loop
        if loop.pace.reconcile_due_ns < now_ns:  # else no comparison is passed over
            with self._lock:
                loop.outlook = None
                loop.pace.pass_over(now_ns)

    def next_wakeup(self, now_ns: int, *, include_reconcile: bool = True, include_cleanup: bool | None = None) -> int | None:
        """The time of the first tick after `now_ns` that will do something, if no pod comes or goes until then; None for never.

        Ticks are on a grid: every 5 s from the start, or from the end of the last calls that took time. A busy node wakes when its calls
        end. Ask again after an assign, an unassign, or a change of `cordoned` or `terminating`. Repeating a request that
        EC2 refused counts as doing something.

        Args:
            now_ns: the time.
            include_reconcile: count a comparison with EC2 as doing something.
            include_cleanup: count a search for leaked ENIs as doing something; None for the value of `include_reconcile`. If both are
                False, only changes of the pool count.

        Raises:
            NodeError: the node is not started.
        """
        kinds = include_reconcile, include_reconcile if include_cleanup is None else include_cleanup
        loop = self._loop
        outlook = loop.outlook  # as in `tick`
        known = NO_TIME if outlook is None else outlook.wakeups.get(kinds, NO_TIME)
        if outlook is not None and known[0] <= now_ns < known[1] and loop.change_count == outlook.change_count:
            wake_ns = known[1]
        else:
            if not self._started:
                self._require_started()
            with self._lock:
                if loop.pending:
                    loop.settle(now_ns)
                wake_ns = loop.next_wakeup(now_ns, kinds)
        return None if wake_ns == NEVER_NS else wake_ns
