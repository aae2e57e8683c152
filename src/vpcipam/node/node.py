"""A node: what ipamd does on one instance, with EC2 and the clock as arguments."""

import threading
from collections.abc import Callable, Iterable

from vpcipam._arguments import require_integer, require_type
from vpcipam._units import seconds_text
from vpcipam.action import Action, Restart
from vpcipam.address import AddressMode, parse_address
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Ec2Api
from vpcipam.errors import InvalidArgument, NodeError
from vpcipam.events import DatastoreEvent, call_back
from vpcipam.journal.protocol import Assigned, Cooling, Journal
from vpcipam.limits import InstanceLimits, instance_limits, max_pods
from vpcipam.node.card import DEFAULT_NETWORK_CARD, Card
from vpcipam.node.control_loop import ControlLoop
from vpcipam.quarantine import Quarantined
from vpcipam.restoration import Restoration
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings
from vpcipam.stats import Assignment, PoolStats
from vpcipam.warmpool import Calm, IpamdPolicy, PoolView, WarmPolicy

NodeEvent = DatastoreEvent | Action
"""What a node tells of: what happens in its datastores, and what it has done or tried, once a call of its control loop is over."""


class Node(ControlLoop):
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
            InvalidArgument: there are fewer or more journals than managed cards, or `max_pods` is below 1.
            UnknownInstanceType: the table has no such type.
            SettingsError: ipamd would refuse to start with these settings on this type.
        """
        limits = instance_limits(instance_type)
        require_type("settings", settings, Settings, "Settings.from_env({…}) makes one")
        require_type("subnet_id", subnet_id, str, "give the subnet's id")
        if max_pods is not None:
            require_integer("max_pods", max_pods, 1)
        if isinstance(policy, str):
            raise TypeError(f"policy must be a WarmPolicy, not a text: vpcipam.policies.policy_named({policy!r}) makes one")
        settings.check(limits)
        super().__init__(
            limits,
            settings,
            ec2,
            subnet_id=subnet_id,
            instance_id=instance_id,
            pod_subnet_id=pod_subnet_id,
            max_pods=default_max_pods(limits, settings) if max_pods is None else max_pods,
            name=name,
            seed=seed,
            cooldown_aware_targets=cooldown_aware_targets,
            policy=IpamdPolicy() if policy is None else policy,
        )
        self._placement = placement
        self._seed = seed
        self._journals = tuple(journals)
        self._on_event = on_event
        self._turn = threading.RLock()
        self._started = False
        self._use(self._empty_datastores())

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

    def stats(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolStats:
        """Count the addresses of one card."""
        self._catch_up_if_idle(now_ns)
        return self._card(network_card).datastore.stats(now_ns)

    def managed_eni_limit(self, network_card: int = DEFAULT_NETWORK_CARD) -> int:
        """The most ENIs that can be attached to a card and managed: the type's limit or MAX_ENI, less those that are left alone.

        It waits for no call of the control loop, as `view` does, which has both numbers too.
        """
        return self._eni_limit(self._card(network_card).index) - self._membership.unmanaged_count(network_card)

    def view(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolView:
        """What the warm-pool decisions see of one card; give it to the functions of `vpcipam.warmpool` to ask why."""
        with self._turn:
            return super().view(now_ns, network_card)

    def calm(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> Calm:
        """Say with how many addresses assigned on a card no tick will do anything to its pool, as long as its ENIs and CIDRs stay.

        While the count stays within, `next_wakeup` need not be asked again after an assign or an unassign.

        Complexity: O(1) until ENIs or CIDRs change.
        """
        with self._turn:
            return super().calm(now_ns, network_card)

    # --- pods ---------------------------------------------------------------------------------------------------------

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

    def assign_many(
        self, wanted: Iterable[tuple[SandboxKey, PodRef | None]], now_ns: int, *, network_card: int = DEFAULT_NETWORK_CARD
    ) -> tuple[Assignment, ...]:
        """Give sandboxes addresses, all or none, and have the journal write once for them all.

        Raises:
            PoolExhausted: fewer addresses are free than sandboxes want one.
            NodeError: the node is not started, or the calls of its start are not through yet.
        """
        self._require_ready(now_ns)
        return self._card(network_card).datastore.assign_many(wanted, now_ns)

    def unassign_many(self, keys: Iterable[SandboxKey], now_ns: int, *, network_card: int = DEFAULT_NETWORK_CARD) -> tuple[Assignment, ...]:
        """Take sandboxes' addresses back, all or none, and have the journal write once for them all.

        Raises:
            UnknownKey: one of the sandboxes has none, or is named twice.
            NodeError: the node is not started, or the calls of its start are not through yet.
        """
        self._require_ready(now_ns)
        return self._card(network_card).datastore.unassign_many(keys, now_ns)

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The entries of the journals that nobody has decided about; see `Datastore.release_quarantined` and `accept_quarantined`."""
        return tuple(entry for datastore in self.datastores for entry in datastore.quarantined)

    def _require_ready(self, now_ns: int) -> None:
        self._require_started()
        if now_ns < self._pace.ready_ns:
            raise NodeError(f"node {self.name} is starting; it is ready in {seconds_text(self._pace.ready_ns - now_ns)} s")
        self._catch_up_if_idle(now_ns)

    def _require_started(self) -> None:
        if not self._started:
            raise NodeError(f"node {self.name} is not started; call start(now_ns) first")

    def _catch_up_if_idle(self, now_ns: int) -> None:
        """The same, unless a call of the control loop is under way in another thread, which will."""
        if self._under_way and self._turn.acquire(blocking=False):
            try:
                self._catch_up(now_ns)
            finally:
                self._turn.release()

    # --- start --------------------------------------------------------------------------------------------------------

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
            JournalError: a journal can't be read or written. With several cards, those before it may have been: then call `restore`.
        """
        ran, earlier = tuple(running), tuple(cooling)
        for each in earlier:
            parse_address(each.address, self.mode.version)

        def put_back(at_ns: int) -> None:
            own = self._by_datastore(ran)
            left = tuple(each for each in earlier if each.until_ns > at_ns)  # for each datastore: any card may have such an address later
            for datastore, sandboxes in own:
                datastore.put_back(sandboxes, left, at_ns)
            for datastore, sandboxes in own:
                datastore.record_put_back(sandboxes, left, at_ns)

        with self._turn:
            self._require_not_started()
            self._require_empty_journals(now_ns)
            return self._start(now_ns, put_back)

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
        keys = tuple(gone)
        restored: list[Restoration] = []

        def put_back(at_ns: int) -> None:
            restored.extend(_restore(self._cards, at_ns, keys, trust_clock=trust_clock))

        with self._turn:
            self._require_not_started()
            if not self._journals:
                raise NodeError(f"node {self.name} has no journals to restore from: give them when it is made, or call start(now_ns)")
            actions = self._start(now_ns, put_back)
        return Restart(actions, tuple(restored))

    def _require_not_started(self) -> None:
        if self._started:
            raise NodeError(f"node {self.name} is started already")

    def _require_empty_journals(self, now_ns: int) -> None:
        for journal in self._journals:
            held = journal.restore(now_ns)
            if held.assigned or held.cooling or held.problems:
                what = f"{len(held.assigned)} sandboxes, {len(held.cooling)} cooldowns and {len(held.problems)} entries to decide about"
                raise NodeError(f"the journal of node {self.name} holds {what}: call restore(now_ns) in place of start")

    def _start(self, now_ns: int, put_back: Callable[[int], None]) -> tuple[Action, ...]:
        try:
            actions = self._begin(now_ns, put_back)
        except BaseException:
            self._use(self._empty_datastores())
            raise
        self._started = True
        return self._tell(actions)

    def _by_datastore(self, running: Iterable[Assigned]) -> tuple[tuple[Datastore, list[Assigned]], ...]:
        """The datastores, each with the sandboxes on its addresses."""
        own: tuple[tuple[Datastore, list[Assigned]], ...] = tuple((datastore, []) for datastore in self.datastores)
        for sandbox in running:
            for datastore, sandboxes in own:
                if datastore.covers(sandbox.address):
                    sandboxes.append(sandbox)
                    break
            else:
                raise NodeError(
                    f"{sandbox.key} holds {sandbox.address}, which is on no ENI of node {self.name}; leave it out of what is running"
                )
        return own

    def _tell(self, actions: Iterable[Action]) -> tuple[Action, ...]:
        """Tell whoever wants to know what the control loop has done, and give it back."""
        done = tuple(actions)
        if self._on_event is not None:
            for action in done:
                call_back(self._on_event, action)
        return done

    # --- the control loop ---------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> tuple[Action, ...]:
        """Tell what has finished since the last tick, and look at the pool once.

        That is: grow or shrink it, free an ENI; then reconcile, and look for leaked ENIs, if that is due. A busy node only tells.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        with self._turn:
            return self._tell(super().tick(now_ns))

    def reconcile(self, now_ns: int) -> tuple[Action, ...]:
        """Compare the node with its instance's metadata, and follow what EC2 confirms (ipamd: nodeIPPoolReconcile).

        Metadata can be stale, so nothing is dropped or taken on before EC2 itself has said so. CIDRs given back within the last 60 s are
        not taken on. An IPv6 node has nothing to reconcile, as in ipamd.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        with self._turn:
            self._catch_up(now_ns)
            return self._tell(self._reconcile(now_ns))

    def sweep_leaked_enis(self, now_ns: int) -> tuple[Action, ...]:
        """Delete the ENIs of the VPC that some node made and left unattached for 5 min or more, once an hour (ipamd: cleanUpLeakedENIs).

        It goes on beside the control loop, as in ipamd, so that it keeps no tick waiting.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        with self._turn:
            return self._tell(self._sweep_leaked_enis(now_ns))

    # --- when to look again -------------------------------------------------------------------------------------------

    def next_tick(self, now_ns: int) -> int:
        """When the loop comes round next, after a time, whether or not there will be anything to do."""
        return self._pace.next_tick(now_ns)

    @property
    def in_doubt(self) -> bool:
        """Tell whether EC2 may have other ENIs and addresses than the node, for all that the node itself has done.

        It is so from the start, and from each refused call on, until a comparison with EC2 has shown no difference.
        """
        return self._in_doubt

    def pass_over(self, now_ns: int) -> None:
        """Take it that all ticks before a time were made and found nothing to do: for a caller who ticks only when there is.

        Nothing is compared with EC2 by it, so it is for where nobody else changes the instance's ENIs, and for a node not in doubt. All
        later ticks then act at the same instants as if every tick had been made.
        """
        with self._turn:
            self._pace.pass_over(now_ns, every_tick=self._trunk_expected(DEFAULT_NETWORK_CARD))

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
        with self._turn:
            return super().next_wakeup(now_ns, include_reconcile=include_reconcile, include_sweep=include_sweep)


def default_max_pods(limits: InstanceLimits, settings: Settings) -> int:
    """The kubelet's limit as EKS sets it for these settings, which it does without a look at MAX_ENI."""
    prefixes = settings.address_mode(limits) is not AddressMode.SECONDARY_IP
    return max_pods(limits, prefix_delegation=prefixes, custom_networking=settings.custom_network_cfg)


def _restore(cards: tuple[Card, ...], now_ns: int, gone: tuple[SandboxKey, ...], *, trust_clock: bool) -> list[Restoration]:
    """Take back what the cards' journals hold; what cools or is in quarantine by one of them is so on the others too."""
    restored = [card.datastore.restore(now_ns, gone=gone, trust_clock=trust_clock) for card in cards]
    for card in cards:
        card.take_over(now_ns)
    return restored
