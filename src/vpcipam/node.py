"""A node: what ipamd does on one instance, with EC2 and the clock as arguments."""

from collections.abc import Iterable
from typing import cast

import attrs

from vpcipam.action import Action, ActionKind
from vpcipam.address import AddressMode
from vpcipam.card import DEFAULT_NETWORK_CARD, Card, card_index, is_primary
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Ec2Api, Ec2Error, InstanceLauncher, NetworkInterface
from vpcipam.errors import InvalidArgument, NodeError, NotInPool
from vpcipam.journal.protocol import Assigned
from vpcipam.limits import InstanceLimits, instance_limits, max_pods
from vpcipam.provision import INSTANCE_TAG, NO_MANAGE_TAG, Provisioner
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.settings import Settings
from vpcipam.stats import MINIMUM_ENI_LIFETIME_NS, NS_PER_S, Assignment, PoolStats
from vpcipam.warmpool import DECREASE_INTERVAL_NS, OUT_OF_ADDRESSES_PAUSE_NS, PoolView, free_eni, grow, shrink

TICK_INTERVAL_NS = 5 * NS_PER_S
"""ipamd looks at its pool this often (reference, section 5)."""
RECONCILE_INTERVAL_NS = 60 * NS_PER_S
"""A node compares itself with EC2 only when its last pool action is older than this."""
_LONG_AGO_NS = -(1 << 62)


class Node:
    """One instance and its pods' addresses, run as ipamd runs them.

    A node never reads a clock and never waits: `start` it, `tick` it every 5 s (or when `next_wakeup` says), and `assign` and `unassign`
    as pods come and go. What it did comes back as `Action` values. It is not thread-safe.

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
            seed: of the random placement.

        Raises:
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
        self._ec2 = ec2
        self._subnet_id = subnet_id
        self._instance_id = instance_id
        self._pod_subnet_id = (pod_subnet_id or subnet_id) if settings.custom_network_cfg else None
        self._name = name
        self._placement = placement
        self._seed = seed
        self._cards = self._empty_cards()
        self._provisioner: Provisioner | None = None
        self._unmanaged: dict[str, int] = {}  # ENI: card
        self._anchor_ns = 0
        self._last_action_ns = _LONG_AGO_NS
        self._last_decrease_ns = _LONG_AGO_NS
        self._out_of_addresses_ns = _LONG_AGO_NS

    def _empty_cards(self) -> tuple[Card, ...]:
        settings = self.settings
        indexes = range(len(self.limits.network_cards) if settings.enable_multi_nic else 1)
        datastores = [
            Datastore(mode=self.mode, cooldown_ns=settings.cooldown_ns, placement=self._placement, seed=self._seed, network_card=index)
            for index in indexes
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
    def started(self) -> bool:
        """Tell whether ipamd is ready."""
        return self._provisioner is not None

    @property
    def datastores(self) -> tuple[Datastore, ...]:
        """One datastore for each managed network card."""
        return tuple(card.datastore for card in self._cards)

    def stats(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolStats:
        """Count the addresses of one card."""
        return self._card(network_card).datastore.stats(now_ns)

    def view(self, now_ns: int, network_card: int = DEFAULT_NETWORK_CARD) -> PoolView:
        """What the warm-pool decisions see of one card; give it to the functions of `vpcipam.warmpool` to ask why."""
        datastore = self._card(network_card).datastore
        enis = datastore.eni_stats(now_ns)
        return PoolView(
            mode=self.mode,
            slots_per_eni=self.limits.slots_per_eni,
            eni_limit=self._eni_limit(network_card),
            unmanaged_eni_count=sum(card == network_card for card in self._unmanaged.values()),
            trunk_expected=self._trunk_expected(network_card),
            custom_networking=self.settings.custom_network_cfg,
            max_pods=self.max_pods,
            stats=datastore.stats(now_ns),
            enis=enis,
        )

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

    # --- pods ----------------------------------------------------------------------------------------------------------------

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None = None, *, network_card: int = DEFAULT_NETWORK_CARD) -> Assignment:
        """Give a sandbox an address of what is attached; EC2 is not asked, as in ipamd. `max_pods` is for the kubelet to keep.

        Raises:
            PoolExhausted: no address is free; the kubelet would try again.
            NodeError: the node is not started.
        """
        self._require_started()
        return self._card(network_card).datastore.assign(key, now_ns, pod)

    def unassign(self, key: SandboxKey, now_ns: int, *, network_card: int = DEFAULT_NETWORK_CARD) -> Assignment:
        """Take a sandbox's address back.

        Raises:
            UnknownKey: the sandbox has none.
            NodeError: the node is not started.
        """
        self._require_started()
        return self._card(network_card).datastore.unassign(key, now_ns)

    def _require_started(self) -> Provisioner:
        if self._provisioner is None:
            raise NodeError(f"node {self.name} is not started; call start(now_ns) first")
        return self._provisioner

    # --- start ---------------------------------------------------------------------------------------------------------------

    def start(self, now_ns: int, *, running: Iterable[Assigned] = ()) -> tuple[Action, ...]:
        """Take on what is attached, give back what the mode has no use for, and fill the pool once (ipamd: nodeInit).

        Args:
            now_ns: the time.
            running: the sandboxes that held addresses of this instance before ipamd restarted; they hold them again.

        Raises:
            NodeError: it is started already; no instance can be launched; a running sandbox's address is not attached; EC2 gives IPv6 no
                prefix; or, under custom networking, the pool stays empty. The node is then as before, but for its instance and what EC2
                has already granted: start it again.
            Ec2Error: EC2 refused to say what is attached.
        """
        if self.started:
            raise NodeError(f"node {self.name} is started already")
        if self._instance_id is None:
            self._instance_id = self._launch(now_ns)
        attached = self._read_attached(self._instance_id, now_ns)
        home = next((eni for eni in attached if is_primary(eni)), None)
        if home is None:
            raise NodeError(f"instance {self._instance_id} shows no primary ENI yet; start the node again")
        discovers_subnets = self.settings.enable_subnet_discovery and not self.settings.enable_imds_only_mode
        eni_limits = tuple(self._eni_limit(card.index) for card in self._cards)
        self._provisioner = Provisioner(self._ec2, self._instance_id, eni_limits, home, self._pod_subnet_id, discovers_subnets)
        try:
            actions = self._init(attached, running, now_ns)
        except BaseException:
            self._provisioner = None
            self._cards = self._empty_cards()
            raise
        self._anchor_ns = now_ns
        return tuple(actions)

    def _read_attached(self, instance_id: str, now_ns: int) -> tuple[NetworkInterface, ...]:
        """Ask EC2 what is attached; in IMDS-only mode the metadata is all there is."""
        if self.settings.enable_imds_only_mode:
            return self._ec2.instance_metadata(instance_id, now_ns=now_ns)
        return self._ec2.describe_network_interfaces(instance_id=instance_id, now_ns=now_ns)

    def _launch(self, now_ns: int) -> str:
        if not hasattr(self._ec2, "launch_instance"):
            raise NodeError("this EC2 launches no instances: say which one the node is, with instance_id")
        launcher = cast("InstanceLauncher", self._ec2)
        return launcher.launch_instance(self.limits, self._subnet_id, now_ns=now_ns).instance_id

    def _init(self, attached: Iterable[NetworkInterface], running: Iterable[Assigned], now_ns: int) -> list[Action]:
        provisioner = self._require_started()
        excluded = provisioner.excluded_subnets(now_ns)
        actions: list[Action] = []
        for card in self._cards:
            card.provisioner = provisioner
            card.excluded_subnets = excluded
            difference = card.differences(self._managed(attached, card), now_ns)
            actions += card.follow(difference, "attached when the node started", now_ns)
        for sandbox in running:
            self._put_back(sandbox, now_ns)
        if self.settings.provisioning_enabled:
            for card in self._cards:
                fill = self._give_prefix if self.mode is AddressMode.IPV6 else self._fill
                actions += fill(card, now_ns)
        self._note(actions)
        return actions

    def _put_back(self, sandbox: Assigned, now_ns: int) -> None:
        for datastore in self.datastores:
            try:
                datastore.assign_at(sandbox.key, sandbox.address, now_ns, sandbox.pod)
            except NotInPool:
                continue
            return
        raise NodeError(f"{sandbox.key} holds {sandbox.address}, which is on no ENI of node {self.name}; leave it out of what is running")

    def _give_prefix(self, card: Card, now_ns: int) -> list[Action]:
        """Put one /80 on a card: on its first ENI, or on a new one where a further card has none yet."""
        reason = "IPv6: one /80 serves all pods of a card"
        enis = card.datastore.eni_stats(now_ns)
        if not enis:
            return card.create_eni(1, reason, now_ns) if self._attaches else []
        if any(eni.slot_count for eni in enis):
            return []
        actions = card.add_slots(enis[0].eni_id, 1, reason, now_ns)
        if card.index == DEFAULT_NETWORK_CARD and not actions[-1].done:  # no tick would ever make up for it
            raise NodeError(f"node {self.name} got no /80, and IPv6 pods have no other addresses: {actions[-1].error}; start it again")
        return actions

    def _fill(self, card: Card, now_ns: int) -> list[Action]:
        """Give back what the mode has no use for, then grow once (ipamd: handlePreScaling)."""
        actions: list[Action] = []
        leftover = shrink(self.view(now_ns, card.index), card.settings)
        if leftover is not None:
            actions += card.shrink(leftover, now_ns)
        growth = grow(self.view(now_ns, card.index), card.settings)
        if growth is not None and self._may_grow(now_ns):
            actions += card.grow(growth, now_ns)
        if self.settings.custom_network_cfg and not self.stats(now_ns, card.index).total_count:
            refusals = "; ".join(action.error for action in actions if action.error)
            raise NodeError(
                f"node {self.name} got no ENI for custom networking: {refusals or 'its type or MAX_ENI leaves no room for one'}"
            )
        return actions

    # --- the control loop ----------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> tuple[Action, ...]:
        """Look at the pool once: grow or shrink it, free an ENI, and reconcile if that is due.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        if self.mode is AddressMode.IPV6:
            return ()
        actions: list[Action] = []
        if self.settings.provisioning_enabled:
            for card in self._cards:
                actions += self._update_pool(card, now_ns)
            self._note(actions)
        if self._reconcile_due(now_ns):
            actions += self.reconcile(now_ns)
        return tuple(actions)

    @property
    def _attaches(self) -> bool:
        """Tell whether ENIs and slots may be added, and ENIs freed."""
        return not self.terminating and (not self.cordoned or self.settings.manage_enis_non_schedulable)

    def _update_pool(self, card: Card, now_ns: int) -> list[Action]:
        before = self.view(now_ns, card.index)
        growth = grow(before, card.settings)
        actions: list[Action] = []
        if growth is not None:
            if self._may_grow(now_ns):
                actions += card.grow(growth, now_ns)
        elif self._may_shrink(now_ns):
            surplus = shrink(before, card.settings)
            if surplus is not None:
                actions += card.shrink(surplus, now_ns)
        if self._attaches:
            after = attrs.evolve(before, enis=card.datastore.eni_stats(now_ns)) if actions else before
            spare = free_eni(after, card.settings, now_ns)
            if spare is not None:
                actions.append(card.free_eni(spare, now_ns))
        return actions

    def _note(self, actions: Iterable[Action]) -> None:
        """Remember when the pool last changed: the waiting times of the loop count from there."""
        for action in actions:
            if action.out_of_addresses:
                self._out_of_addresses_ns = action.at_ns
            elif action.grew:
                self._out_of_addresses_ns = _LONG_AGO_NS  # another ENI, or another subnet, had room
                self._last_action_ns = action.at_ns
            elif action.kind is ActionKind.RELEASE_CIDRS:
                self._last_decrease_ns = self._last_action_ns = action.at_ns

    def _may_grow(self, now_ns: int) -> bool:
        return self._attaches and now_ns - self._out_of_addresses_ns >= OUT_OF_ADDRESSES_PAUSE_NS

    def _may_shrink(self, now_ns: int) -> bool:
        return now_ns - self._last_decrease_ns >= DECREASE_INTERVAL_NS

    # --- reconcile -----------------------------------------------------------------------------------------------------------

    def reconcile(self, now_ns: int) -> tuple[Action, ...]:
        """Compare the node with its instance's metadata, and follow what EC2 confirms (ipamd: nodeIPPoolReconcile).

        Metadata can be stale, so nothing is dropped or taken on before EC2 itself has said so. CIDRs given back within the last 60 s are
        not taken on. An IPv6 node has nothing to reconcile, as in ipamd.

        Raises:
            NodeError: the node is not started.
        """
        provisioner = self._require_started()
        if self.mode is AddressMode.IPV6:
            return ()
        self._last_action_ns = now_ns
        try:
            shown = self._ec2.instance_metadata(provisioner.instance_id, now_ns=now_ns)
            gone = self._unmanaged.keys() - {eni.eni_id for eni in shown}  # where one goes, there is room again
            if not gone and not any(card.differences(self._shown(shown, card), now_ns) for card in self._cards):
                return ()
            confirmed = self._read_attached(provisioner.instance_id, now_ns)
        except Ec2Error as error:
            return (Action(now_ns, ActionKind.RECONCILE, DEFAULT_NETWORK_CARD, None, (), "compare with EC2", error=str(error)),)
        actions: list[Action] = []
        for card in self._cards:
            actions += card.follow(card.differences(self._managed(confirmed, card), now_ns), "EC2 shows it so", now_ns)
        return tuple(actions)

    def _reconcile_due(self, now_ns: int) -> bool:
        return now_ns - self._last_action_ns > RECONCILE_INTERVAL_NS or self._trunk_expected(DEFAULT_NETWORK_CARD)

    def _shown(self, attached: Iterable[NetworkInterface], card: Card) -> dict[str, NetworkInterface]:
        """The ENIs of a card in the metadata. That shows no tags, so an ENI once found to be not managed is left out."""
        return {eni.eni_id: eni for eni in attached if card_index(eni) == card.index and eni.eni_id not in self._unmanaged}

    def _managed(self, attached: Iterable[NetworkInterface], card: Card) -> dict[str, NetworkInterface]:
        """The ENIs of a card that are ipamd's to manage; the others are noted, since they take room (ipamd: setUnmanagedENIs)."""
        on_card = {eni.eni_id: eni for eni in attached if card_index(eni) == card.index}
        managed = {eni_id: eni for eni_id, eni in on_card.items() if self._is_managed(eni)}
        noted = {eni_id: index for eni_id, index in self._unmanaged.items() if index != card.index}
        self._unmanaged = noted | dict.fromkeys(on_card.keys() - managed.keys(), card.index)
        return managed

    def _is_managed(self, eni: NetworkInterface) -> bool:
        if is_primary(eni):
            return True
        no_manage = eni.tag(NO_MANAGE_TAG)
        if no_manage is not None:
            return no_manage != "true"
        return eni.tag(INSTANCE_TAG) == self._instance_id or self.settings.manage_untagged_eni

    # --- when to look again --------------------------------------------------------------------------------------------------

    def next_wakeup(self, now_ns: int, *, include_reconcile: bool = True) -> int | None:
        """Say when the next tick will do something, as things stand; None where it never will.

        Ticks fall on the grid that `start` set, every 5 s; the answer lies on it, after `now_ns`. Ask again after an assign, an unassign
        or a change of the node's marks. A tick that EC2 has refused is worth trying again.

        Args:
            now_ns: the time.
            include_reconcile: count a comparison with EC2 as doing something; without, only changes of the pool count.

        Raises:
            NodeError: the node is not started.
        """
        self._require_started()
        if self.mode is AddressMode.IPV6:
            return None
        views = [self.view(now_ns, card.index) for card in self._cards]
        times = {self._next_tick(now_ns)}
        times.update(self._next_tick(time_ns - 1) for time_ns in self._turning_points(views) if time_ns > now_ns)
        for time_ns in sorted(times):
            if (include_reconcile and self._reconcile_due(time_ns)) or self._would_act(views, time_ns):
                return time_ns
        return None

    def _next_tick(self, after_ns: int) -> int:
        ticks = (after_ns - self._anchor_ns) // TICK_INTERVAL_NS + 1
        return self._anchor_ns + ticks * TICK_INTERVAL_NS

    def _turning_points(self, views: list[PoolView]) -> set[int]:
        """The times at which a rule that speaks of time turns over."""
        times = {
            self._out_of_addresses_ns + OUT_OF_ADDRESSES_PAUSE_NS,
            self._last_decrease_ns + DECREASE_INTERVAL_NS,
            self._last_action_ns + RECONCILE_INTERVAL_NS + 1,
        }
        for view in views:
            for eni in view.enis:
                times.add(eni.added_ns + MINIMUM_ENI_LIFETIME_NS)
                if eni.cooling_until_ns is not None:
                    times.add(eni.cooling_until_ns)
        return times

    def _would_act(self, views: list[PoolView], now_ns: int) -> bool:
        return self.settings.provisioning_enabled and any(
            self._would_act_on(card, view, now_ns) for card, view in zip(self._cards, views, strict=True)
        )

    def _would_act_on(self, card: Card, view: PoolView, now_ns: int) -> bool:
        growth = grow(view, card.settings)
        if growth is not None:
            if self._may_grow(now_ns) and not growth.blocked:
                return True
        elif self._may_shrink(now_ns) and shrink(view, card.settings) is not None:
            return True
        return self._attaches and free_eni(view, card.settings, now_ns) is not None


def default_max_pods(limits: InstanceLimits, settings: Settings) -> int:
    """The kubelet's limit as EKS sets it for these settings, which it does without a look at MAX_ENI."""
    prefixes = settings.address_mode(limits) is not AddressMode.SECONDARY_IP
    return max_pods(limits, prefix_delegation=prefixes, custom_networking=settings.custom_network_cfg)
