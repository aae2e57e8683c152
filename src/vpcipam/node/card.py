"""One managed network card of a node: it carries out the decisions about its pool, on EC2 and in its datastore."""

import contextlib
from collections.abc import Collection, Iterable, Mapping

import attrs

from vpcipam.action import Action, ActionKind
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Attachment, Ec2Error, NetworkInterface
from vpcipam.errors import CidrInUse, EniInUse, JournalError, NodeError
from vpcipam.journal.protocol import Cooling
from vpcipam.node.calls import SET_UP_BACKOFF, Backoff, Calls
from vpcipam.node.calm_ranges import CalmRanges
from vpcipam.node.interfaces import attachment_of, is_primary, is_trunk, pod_cidrs
from vpcipam.node.provisioner import Provisioner, SlotGrant
from vpcipam.node.reconcile import Differences, differences
from vpcipam.node.released_cidrs import CidrsToConfirm, ReleasedCidrs
from vpcipam.node.view import add_eni
from vpcipam.quarantine import Quarantined
from vpcipam.settings import Settings
from vpcipam.warmpool import FreeEni, Grow, Shrink, SlotRequest

_USED_MEANWHILE = "pods were given addresses there meanwhile"


@attrs.frozen
class Granted:
    """CIDRs or an ENI that EC2 has granted and the datastore does not have yet.

    Attributes:
        at_ns: when they become usable.
    """

    at_ns: int
    eni_id: str
    grant: SlotGrant | NetworkInterface
    reason: str


Outcome = Granted | Action
"""The outcome of a request to EC2: what it granted, or the finished action if it refused."""


@attrs.define(eq=False)
class Card:
    """A network card that ipamd manages.

    `grow`, `add_slots` and `create_eni` change only EC2; `record` then adds what EC2 granted to the datastore. `shrink` and `free_eni`
    change the datastore first, so that no pod gets an address that goes away, and then EC2. `apply` changes only the datastore.

    Attributes:
        index: the card's index.
        settings: those that apply to this card.
        released: the CIDRs released within the last 60 s.
        provisioner: the EC2 side, set when the node starts.
        excluded_subnets: the subnets tagged kubernetes.io/role/cni=0; ENIs in them give no new addresses.
        others: the node's other cards. EC2 may give this card addresses that another card has just released, or has lost without notice.
        surplus_since_ns: when the current surplus was first seen, None if the last pool check saw none.
        calm_ranges: the results of the policy's `calm`.
    """

    datastore: Datastore
    settings: Settings
    provisioner: Provisioner = attrs.field(init=False)
    excluded_subnets: frozenset[str] = frozenset()
    others: tuple["Card", ...] = ()
    surplus_since_ns: int | None = None
    index: int = attrs.field(init=False, default=attrs.Factory(lambda self: self.datastore.network_card, takes_self=True))
    calm_ranges: CalmRanges = attrs.field(init=False, factory=CalmRanges)
    released: ReleasedCidrs = attrs.field(
        init=False, default=attrs.Factory(lambda self: ReleasedCidrs(self.datastore.journal), takes_self=True)
    )
    _attachments: dict[str, Attachment] = attrs.field(init=False, factory=dict)  # by ENI
    _to_confirm: CidrsToConfirm = attrs.field(init=False, factory=CidrsToConfirm)

    # --- growing -------------------------------------------------------------------------------------------------------------

    def grow(self, decision: Grow, calls: Calls) -> list[Outcome]:
        """Fill slots of the first ENI that has free ones; if none has, create an ENI (ipamd: increaseDatastorePool)."""
        outcomes: list[Outcome] = []
        for request in decision.requests:
            outcome = self.add_slots(request.eni_id, request.slot_count, decision.reason, calls)
            outcomes.append(outcome)
            if not self._moves_on(outcome):
                return outcomes
        if decision.new_eni_slots:
            outcomes.append(self.create_eni(decision.new_eni_slots, decision.reason, calls))
        return outcomes

    def _moves_on(self, outcome: Outcome) -> bool:
        """Tell whether to try the next ENI, or a new one: under discovery it can be in another subnet (ipamd: tryAssignIPs)."""
        out_of_addresses = isinstance(outcome, Action) and outcome.kind is ActionKind.ADD_CIDRS and outcome.out_of_addresses
        return out_of_addresses and self.settings.enable_subnet_discovery

    def pause_begins_ns(self, outcomes: Iterable[Outcome]) -> int | None:
        """When the pause for all cards begins, None for no pause.

        It begins at an out-of-addresses answer after which the card tries no other ENI.
        """
        for each in outcomes:
            if isinstance(each, Action) and each.out_of_addresses and not self._moves_on(each):
                return each.at_ns
        return None

    def add_slots(self, eni_id: str, slot_count: int, reason: str, calls: Calls) -> Outcome:
        """Fill slots of an ENI on EC2."""
        try:
            grant = self.provisioner.add_slots(eni_id, slot_count, calls)
        except Ec2Error as error:
            return self._refused(ActionKind.ADD_CIDRS, eni_id, reason, error, calls.now_ns)
        return Granted(calls.now_ns, eni_id, grant, reason)

    def create_eni(self, slot_count: int, reason: str, calls: Calls) -> Outcome:
        """Create and attach an ENI with filled slots on EC2."""
        try:
            eni = self.provisioner.create_eni(self.index, slot_count, calls)
        except (Ec2Error, NodeError) as error:
            return self._refused(ActionKind.CREATE_ENI, None, reason, error, calls.now_ns)
        with contextlib.suppress(Ec2Error):  # the node then relies on the tags that it read last
            self.read_excluded_subnets(calls)
        return Granted(calls.now_ns, eni.eni_id, eni, reason)

    def _refused(self, kind: ActionKind, eni_id: str | None, reason: str, error: Ec2Error | NodeError, now_ns: int) -> Action:
        out = isinstance(error, Ec2Error) and error.out_of_addresses
        return Action(now_ns, kind, self.index, eni_id, (), reason, error=str(error), out_of_addresses=out)

    def record(self, outcome: Outcome) -> list[Action]:
        """Put what EC2 granted into the datastore, and return the outcome as actions."""
        if isinstance(outcome, Action):
            return [outcome]
        if isinstance(outcome.grant, SlotGrant):
            return self._record_slots(outcome.eni_id, outcome.grant, outcome.reason, outcome.at_ns)
        return self._record_eni(outcome.grant, outcome.reason, outcome.at_ns)

    def _record_slots(self, eni_id: str, grant: SlotGrant, reason: str, now_ns: int) -> list[Action]:
        """Add CIDRs of an ENI. If the grant is complete, also drop the CIDRs that the ENI no longer has."""
        if not grant.complete:
            return self._add_cidrs(eni_id, grant.cidrs, ActionKind.ADD_CIDRS, reason, now_ns)
        lost = tuple(cidr for cidr in self.datastore.cidrs(eni_id) if cidr not in grant.cidrs)
        dropped = [self._drop_cidrs(eni_id, lost, "EC2 shows that they are gone", now_ns)] if lost else []
        stale = self.released.current(now_ns)
        shown = [cidr for cidr in grant.cidrs if cidr not in stale]
        return [*dropped, *self._add_cidrs(eni_id, shown, ActionKind.ADD_CIDRS, reason, now_ns)]

    def _record_eni(self, eni: NetworkInterface, reason: str, now_ns: int) -> list[Action]:
        """Add a new ENI. If the datastore has an ENI at its device number, EC2 no longer has that one, so it is dropped."""
        gone = [eni_id for eni_id, attachment in self._attachments.items() if attachment.device_index == attachment_of(eni).device_index]
        dropped = [self._drop_eni(eni_id, f"EC2 has put {eni.eni_id} in its place", now_ns) for eni_id in gone]
        return [*dropped, *self._add_eni(eni, ActionKind.CREATE_ENI, reason, now_ns)]

    # --- shrinking -----------------------------------------------------------------------------------------------------------

    def shrink(self, decision: Shrink, calls: Calls) -> list[Action]:
        """Release CIDRs without pods. If EC2 refuses, a later reconcile adopts them again (ipamd: tryUnassignCidrsFromAll)."""
        return [self._release(request, decision, calls) for request in decision.requests]

    def _release(self, request: SlotRequest, decision: Shrink, calls: Calls) -> Action:
        now_ns, eni_id, reason = calls.now_ns, request.eni_id, decision.reason
        wanted = self.datastore.removable_cidrs(eni_id, now_ns, cooled_only=decision.cooled_only, most=request.slot_count)
        try:
            self.released.record(wanted, now_ns)
        except JournalError as failure:
            return Action(now_ns, ActionKind.RELEASE_CIDRS, self.index, eni_id, (), reason, str(failure))
        cidrs = tuple([cidr for cidr in wanted if self._remove_if_unused(eni_id, cidr, now_ns)])
        error = None if cidrs else _USED_MEANWHILE
        try:
            if cidrs:
                self.provisioner.release(eni_id, cidrs, calls)
        except Ec2Error as refusal:
            error = str(refusal)
        now_ns = calls.now_ns
        self.released.add(cidrs, now_ns)
        self._to_confirm.note_released(cidrs, now_ns)
        return Action(now_ns, ActionKind.RELEASE_CIDRS, self.index, eni_id, cidrs, reason, error)

    def _remove_if_unused(self, eni_id: str, cidr: str, now_ns: int) -> bool:
        """Remove a CIDR from the datastore; False if another thread has just assigned an address of it."""
        try:
            self.datastore.remove_cidr(eni_id, cidr, now_ns=now_ns)
        except CidrInUse:
            return False
        return True

    def free_eni(self, decision: FreeEni, calls: Calls) -> Action:
        """Detach and delete an ENI (ipamd: tryFreeENI). If EC2 refuses, a later reconcile adopts it again, or a clean-up deletes it."""
        eni_id = decision.eni_id
        cidrs = self.datastore.cidrs(eni_id)
        error = None
        try:
            self.released.record(cidrs, calls.now_ns)
            self.datastore.remove_eni(eni_id, now_ns=calls.now_ns)
        except (EniInUse, JournalError) as failure:
            why = _USED_MEANWHILE if isinstance(failure, EniInUse) else str(failure)
            return Action(calls.now_ns, ActionKind.FREE_ENI, self.index, eni_id, (), decision.reason, why)
        try:
            self.provisioner.free_eni(eni_id, self._attachments.pop(eni_id).attachment_id, calls)
        except Ec2Error as refusal:
            error = str(refusal)
        self.released.add(cidrs, calls.now_ns)
        return Action(calls.now_ns, ActionKind.FREE_ENI, self.index, eni_id, cidrs, decision.reason, error)

    # --- an attached ENI that the node takes on --------------------------------------------------------------------------------

    def take_on(self, eni: NetworkInterface, calls: Calls, backoff: Backoff) -> None:
        """Tag an attached ENI if need be, and read the tags of its subnet, as ipamd does before it adds the ENI.

        Raises:
            Ec2Error: EC2 refused one of the calls.
        """
        if self.settings.provisioning_enabled and not is_trunk(eni):
            self.provisioner.tag_attached(eni, calls)
        calls.insist(lambda _: self.read_excluded_subnets(calls), backoff)

    def read_excluded_subnets(self, calls: Calls) -> None:
        """Read which subnets are excluded now. The ENIs that are in the datastore stay as they are.

        Raises:
            Ec2Error: EC2 refused the call.
        """
        self.excluded_subnets = self.provisioner.excluded_subnets(calls)

    def give_ipv6_prefix(self, eni_id: str, calls: Calls) -> list[Action]:
        """Make sure that an ENI has its /80, with ipamd's tries."""
        reason = "IPv6: each managed ENI gets one /80"
        try:
            prefix = calls.insist(lambda _: self.provisioner.ipv6_prefix(eni_id, calls), SET_UP_BACKOFF)
        except Ec2Error as error:
            return [self._refused(ActionKind.ADD_CIDRS, eni_id, reason, error, calls.now_ns)]
        if prefix in self.datastore.cidrs(eni_id):
            return []
        return self.record(Granted(calls.now_ns, eni_id, SlotGrant((prefix,)), reason))

    # --- what is attached ----------------------------------------------------------------------------------------------------

    def differences(self, attached: Mapping[str, NetworkInterface], now_ns: int) -> Differences:
        """Compare the datastore with the managed ENIs on the card.

        CIDRs released within the last 60 s don't count as gained, nor do those of the primary ENI under custom networking.
        """
        moved = {
            eni_id
            for eni_id, attachment in self._attachments.items()
            if (eni := attached.get(eni_id)) is not None and attachment_of(eni).device_index != attachment.device_index
        }
        ignore = self.released.current(now_ns)
        if self.settings.custom_network_cfg:  # ipamd would give the primary ENI's CIDRs to pods (upstream issue 1466)
            ignore = {*ignore, *(cidr for eni in attached.values() if is_primary(eni) for cidr in pod_cidrs(eni, self.datastore.mode))}
        return differences(self.datastore, attached, moved=moved, ignore=ignore)

    def leave_own_cidrs(self, now_ns: int) -> list[Action]:
        """Under custom networking, drop the primary ENI's CIDRs without a pod from the datastore; on EC2 they stay.

        Some may be a person's. Those with pods stay: they are from before custom networking was switched on.
        """
        if not self.settings.custom_network_cfg:
            return []
        left = [
            (eni.eni_id, tuple(cidr for cidr in self.datastore.cidrs(eni.eni_id) if self._remove_if_unused(eni.eni_id, cidr, now_ns)))
            for eni in self.datastore.eni_stats(now_ns)
            if eni.primary
        ]
        reason = "custom networking: the primary ENI gives pods no addresses"
        return [Action(now_ns, ActionKind.DROP_CIDRS, self.index, eni_id, cidrs, reason) for eni_id, cidrs in left if cidrs]

    @property
    def has_unconfirmed_cidrs(self) -> bool:
        """Tell whether a CIDR came back that the card had released. A reconcile confirms it with EC2, once the 60 s are over."""
        return self._to_confirm.pending

    def unconfirmed_cidrs(self, now_ns: int) -> dict[str, set[str]]:
        """The CIDRs by ENI that came back and that a reconcile confirms now: metadata that shows them may be stale."""
        due = self._to_confirm.due(now_ns)
        by_eni = {eni_id: due.intersection(self.datastore.cidrs(eni_id)) for eni_id in self.datastore.eni_ids} if due else {}
        return {eni_id: cidrs for eni_id, cidrs in by_eni.items() if cidrs}

    def note_confirmed(self, now_ns: int) -> None:
        """Note that a reconcile has confirmed what came back."""
        self._to_confirm.note_confirmed(now_ns)

    def apply(self, difference: Differences, reason: str, now_ns: int) -> list[Action]:
        """Bring the datastore in line with what is attached. It drops old ENIs and CIDRs first, so that they can't block new ones."""
        actions = [self._drop_eni(eni_id, reason, now_ns) for eni_id in difference.vanished]
        actions += [self._drop_cidrs(change.eni_id, change.cidrs, reason, now_ns) for change in difference.lost]
        for change in difference.gained:
            actions += self._add_cidrs(change.eni_id, change.cidrs, ActionKind.ADOPT_CIDRS, reason, now_ns)
        for eni in difference.new:
            why = "the trunk of security groups for pods is attached" if is_trunk(eni) else reason
            actions += self._add_eni(eni, ActionKind.ADOPT_ENI, why, now_ns, ignore=self.released.current(now_ns))
        return actions

    def _drop_eni(self, eni_id: str, reason: str, now_ns: int) -> Action:
        cidrs = self.datastore.cidrs(eni_id)
        evicted = self.datastore.remove_eni(eni_id, force=True, now_ns=now_ns)
        del self._attachments[eni_id]
        return Action(now_ns, ActionKind.DROP_ENI, self.index, eni_id, cidrs, reason, evicted=evicted)

    def _drop_cidrs(self, eni_id: str, cidrs: tuple[str, ...], reason: str, now_ns: int) -> Action:
        evicted = [assignment for cidr in cidrs for assignment in self.datastore.remove_cidr(eni_id, cidr, force=True, now_ns=now_ns)]
        return Action(now_ns, ActionKind.DROP_CIDRS, self.index, eni_id, cidrs, reason, evicted=tuple(evicted))

    def _add_eni(self, eni: NetworkInterface, kind: ActionKind, reason: str, now_ns: int, *, ignore: Collection[str] = ()) -> list[Action]:
        """Add an attached ENI and its CIDRs to the datastore, without those to ignore."""
        add_eni(self.datastore, eni, self.excluded_subnets, now_ns)
        self._attachments[eni.eni_id] = attachment_of(eni)
        dropped = self._drop_elsewhere(eni.eni_id, (f"{eni.private_ip}/32",), now_ns)
        cidrs = [cidr for cidr in pod_cidrs(eni, self.datastore.mode) if cidr not in ignore]
        return [*dropped, *self._add_cidrs(eni.eni_id, cidrs, kind, reason, now_ns)]

    def _add_cidrs(self, eni_id: str, cidrs: Iterable[str], kind: ActionKind, reason: str, now_ns: int) -> list[Action]:
        """Add those CIDRs of an ENI that the datastore does not have yet."""
        new = self.datastore.missing_cidrs(eni_id, cidrs)
        self._to_confirm.note_added(new)
        dropped = self._drop_elsewhere(eni_id, new, now_ns)
        cooling, quarantined = (self._cooldowns_elsewhere(now_ns), self._quarantined_elsewhere()) if self.others else ((), ())
        for cidr in new:
            self.datastore.add_cidr(eni_id, cidr, cooling=cooling, quarantined=quarantined)
        return [*dropped, Action(now_ns, kind, self.index, eni_id, new, reason)]

    # --- the node's other cards ----------------------------------------------------------------------------------------------

    def _drop_elsewhere(self, eni_id: str, cidrs: Iterable[str], now_ns: int) -> list[Action]:
        """Drop every CIDR, on any card of the node, that overlaps one that EC2 has just shown on this ENI.

        The ENI that had such a CIDR has lost it without notice. If its datastore kept the CIDR, two sandboxes could hold one address.
        """
        return [
            card._drop_cidrs(other_id, (other,), f"EC2 has put {cidr} on {eni_id}", now_ns)  # noqa: SLF001  # the same class
            for cidr in cidrs
            for card in (self, *self.others)
            for other_id, other in card.datastore.overlapping(cidr)
        ]

    def withhold_held_elsewhere(self, now_ns: int) -> None:
        """Withhold the addresses of this card that cool or are quarantined according to another card's journal."""
        self.datastore.withhold(self._cooldowns_elsewhere(now_ns), self._quarantined_elsewhere())

    def _quarantined_elsewhere(self) -> list[Quarantined]:
        return [entry for card in self.others for entry in card.datastore.quarantined if not entry.elsewhere]

    def _cooldowns_elsewhere(self, now_ns: int) -> list[Cooling]:
        return [cooling for card in self.others for cooling in card.datastore.cooldowns(now_ns)]
