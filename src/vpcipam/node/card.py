"""One managed network card of a node: its datastore, and the decisions about it carried out on EC2 and in the datastore together."""

from collections.abc import Iterable, Mapping

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.action import Action, ActionKind
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import Attachment, Ec2Error, NetworkInterface
from vpcipam.errors import CidrInUse, EniInUse, NodeError
from vpcipam.journal.protocol import Cooling
from vpcipam.node.calls import Calls
from vpcipam.node.provisioner import Provisioner, SlotGrant, pod_cidrs
from vpcipam.node.reconcile import Differences, differences
from vpcipam.quarantine import Quarantined
from vpcipam.settings import Settings
from vpcipam.warmpool import Calm, FreeEni, Grow, Shrink

FREED_CIDR_MEMORY_NS = 60 * NS_PER_S
"""A CIDR given back within this time is not taken on again: what still shows it may be stale (reference, section 5)."""
DEFAULT_NETWORK_CARD = 0
_TAKEN_MEANWHILE = "pods were given addresses there meanwhile"


@attrs.frozen
class Granted:
    """What EC2 has granted to a card and the datastore does not have yet: slots of an ENI, or a new ENI.

    Attributes:
        at_ns: from when on it can be used.
    """

    at_ns: int
    eni_id: str
    what: SlotGrant | NetworkInterface
    reason: str


Outcome = Granted | Action
"""What comes of a wish: a grant, or an action that ends there because EC2 refused."""


@attrs.define(eq=False)
class Card:
    """A network card that ipamd manages. Each method changes EC2 and the datastore together and answers with what it did.

    Attributes:
        settings: those that hold on this card.
        provisioner: the EC2 side, None before the node is started.
        excluded_subnets: the subnets tagged kubernetes.io/role/cni=0; ENIs in them give no new addresses.
        others: the node's other cards. EC2 may give one card at once what another has just given back, or has lost unseen.
        surplus_since_ns: since when every look at the pool has seen more than is wanted, None where the last one did not.
        calm: with which numbers of assigned addresses the pool rests, and what of the card that holds for; None where nobody has asked.
    """

    datastore: Datastore
    settings: Settings
    provisioner: Provisioner | None = None
    excluded_subnets: frozenset[str] = frozenset()
    others: tuple["Card", ...] = ()
    surplus_since_ns: int | None = None
    calm: tuple[tuple[object, ...], Calm] | None = None
    _attachments: dict[str, Attachment] = attrs.field(init=False, factory=dict)  # by ENI
    _freed_cidrs: dict[str, int] = attrs.field(init=False, factory=dict)  # CIDR: when it may be taken on again

    @property
    def index(self) -> int:
        """The card's index."""
        return self.datastore.network_card

    # --- decisions of the warm pool ------------------------------------------------------------------------------------------

    def grow(self, decision: Grow, calls: Calls) -> list[Outcome]:
        """Fill slots of the first ENI that EC2 grants them to, else make an ENI (ipamd: increaseDatastorePool).

        With subnet discovery the next ENI, which may lie in another subnet, is tried when a subnet is out of addresses.
        """
        outcomes: list[Outcome] = []
        for request in decision.requests:
            outcome = self.add_slots(request.eni_id, request.slot_count, decision.reason, calls)
            outcomes.append(outcome)
            if isinstance(outcome, Granted) or not (outcome.out_of_addresses and self.settings.enable_subnet_discovery):
                return outcomes
        if decision.new_eni_slots:
            outcomes.append(self.create_eni(decision.new_eni_slots, decision.reason, calls))
        return outcomes

    def add_slots(self, eni_id: str, slot_count: int, reason: str, calls: Calls) -> Outcome:
        """Have slots of an ENI filled. What EC2 grants is for `book`."""
        try:
            grant = self._ec2_side.add_slots(eni_id, slot_count, self.datastore.mode, calls)
        except Ec2Error as error:
            return self._refused(ActionKind.ADD_CIDRS, eni_id, reason, error, calls.now_ns)
        return Granted(calls.now_ns, eni_id, grant, reason)

    def create_eni(self, slot_count: int, reason: str, calls: Calls) -> Outcome:
        """Have an ENI with filled slots made and attached. What EC2 grants is for `book`."""
        try:
            eni = self._ec2_side.create_eni(self.index, slot_count, self.datastore.mode, calls)
        except (Ec2Error, NodeError) as error:
            return self._refused(ActionKind.CREATE_ENI, None, reason, error, calls.now_ns)
        return Granted(calls.now_ns, eni.eni_id, eni, reason)

    def book(self, granted: Granted) -> list[Action]:
        """Put what EC2 has granted into the datastore, at the time of the grant."""
        if isinstance(granted.what, SlotGrant):
            return self._book_slots(granted.eni_id, granted.what, granted.reason, granted.at_ns)
        return self._book_eni(granted.what, granted.reason, granted.at_ns)

    def _book_slots(self, eni_id: str, grant: SlotGrant, reason: str, now_ns: int) -> list[Action]:
        """Put CIDRs of an ENI into the datastore; if EC2 has said that it is full, the datastore follows what EC2 shows of it."""
        if not grant.complete:
            return self._book(eni_id, grant.cidrs, ActionKind.ADD_CIDRS, reason, now_ns)
        lost = tuple(cidr for cidr in self.datastore.cidrs(eni_id) if cidr not in grant.cidrs)
        dropped = [self._drop_cidrs(eni_id, lost, "EC2 shows that they are gone", now_ns)] if lost else []
        shown = [cidr for cidr in grant.cidrs if self._freed_cidrs.get(cidr, now_ns) <= now_ns]
        return [*dropped, *self._book(eni_id, shown, ActionKind.ADD_CIDRS, reason, now_ns)]

    def _book_eni(self, eni: NetworkInterface, reason: str, now_ns: int) -> list[Action]:
        """Put a new ENI into the datastore; what that still has at its device number is gone in EC2, so it is dropped."""
        gone = [eni_id for eni_id, attachment in self._attachments.items() if attachment.device_index == _attachment(eni).device_index]
        dropped = [self._drop_eni(eni_id, f"EC2 has put {eni.eni_id} in its place", now_ns) for eni_id in gone]
        return [*dropped, *self._add_eni(eni, ActionKind.CREATE_ENI, reason, now_ns)]

    def shrink(self, decision: Shrink, calls: Calls) -> list[Action]:
        """Give back CIDRs without pods. If EC2 refuses, a later reconcile takes them on again (ipamd: tryUnassignCidrsFromAll)."""
        return [self._release(request.eni_id, request.slot_count, decision.reason, calls) for request in decision.requests]

    def _release(self, eni_id: str, count: int, reason: str, calls: Calls) -> Action:
        now_ns = calls.now_ns
        cidrs = tuple(
            cidr for cidr in self.datastore.removable_cidrs(eni_id, now_ns)[:count] if self._remove_if_unused(eni_id, cidr, now_ns)
        )
        error = None if cidrs else _TAKEN_MEANWHILE
        try:
            if cidrs:
                self._ec2_side.release(eni_id, cidrs, calls)
        except Ec2Error as refusal:
            error = str(refusal)
        self._freed_cidrs |= dict.fromkeys(cidrs, calls.now_ns + FREED_CIDR_MEMORY_NS)
        return Action(calls.now_ns, ActionKind.RELEASE_CIDRS, self.index, eni_id, cidrs, reason, error)

    def _remove_if_unused(self, eni_id: str, cidr: str, now_ns: int) -> bool:
        """Take a CIDR from the datastore, unless another thread has assigned an address of it in this very moment."""
        try:
            self.datastore.remove_cidr(eni_id, cidr, now_ns=now_ns)
        except CidrInUse:
            return False
        return True

    def free_eni(self, decision: FreeEni, calls: Calls) -> Action:
        """Detach and delete an ENI. If EC2 refuses, a later reconcile takes it on again, or a sweep deletes it (ipamd: tryFreeENI)."""
        eni_id = decision.eni_id
        cidrs = self.datastore.cidrs(eni_id)
        error = None
        try:
            self.datastore.remove_eni(eni_id, now_ns=calls.now_ns)
        except EniInUse:
            return Action(calls.now_ns, ActionKind.FREE_ENI, self.index, eni_id, (), decision.reason, _TAKEN_MEANWHILE)
        try:
            self._ec2_side.free_eni(eni_id, self._attachments.pop(eni_id).attachment_id, calls)
        except Ec2Error as refusal:
            error = str(refusal)
        return Action(calls.now_ns, ActionKind.FREE_ENI, self.index, eni_id, cidrs, decision.reason, error)

    # --- what is attached ----------------------------------------------------------------------------------------------------

    def differences(self, attached: Mapping[str, NetworkInterface], now_ns: int) -> Differences:
        """Compare the datastore with the managed ENIs on the card; CIDRs given back within the last 60 s are not missed."""
        self._freed_cidrs = {cidr: until for cidr, until in self._freed_cidrs.items() if until > now_ns}
        moved = {
            eni_id
            for eni_id, attachment in self._attachments.items()
            if eni_id in attached and _attachment(attached[eni_id]).device_index != attachment.device_index
        }
        return differences(self.datastore, attached, moved=moved, ignore=self._freed_cidrs.keys())

    def follow(self, difference: Differences, reason: str, now_ns: int) -> list[Action]:
        """Bring the datastore in line with what is attached; what is gone is dropped first, so that it is in nobody's way."""
        actions = [self._drop_eni(eni_id, reason, now_ns) for eni_id in difference.vanished]
        actions += [self._drop_cidrs(change.eni_id, change.cidrs, reason, now_ns) for change in difference.lost]
        for change in difference.gained:
            actions += self._book(change.eni_id, change.cidrs, ActionKind.ADOPT_CIDRS, reason, now_ns)
        for eni in difference.new:
            actions += self._add_eni(eni, ActionKind.ADOPT_ENI, reason, now_ns)
        return actions

    def _drop_eni(self, eni_id: str, reason: str, now_ns: int) -> Action:
        cidrs = self.datastore.cidrs(eni_id)
        evicted = self.datastore.remove_eni(eni_id, force=True, now_ns=now_ns)
        del self._attachments[eni_id]
        return Action(now_ns, ActionKind.DROP_ENI, self.index, eni_id, cidrs, reason, evicted=evicted)

    def _drop_cidrs(self, eni_id: str, cidrs: tuple[str, ...], reason: str, now_ns: int) -> Action:
        evicted = [assignment for cidr in cidrs for assignment in self.datastore.remove_cidr(eni_id, cidr, force=True, now_ns=now_ns)]
        return Action(now_ns, ActionKind.DROP_CIDRS, self.index, eni_id, cidrs, reason, evicted=tuple(evicted))

    def _add_eni(self, eni: NetworkInterface, kind: ActionKind, reason: str, now_ns: int) -> list[Action]:
        """Put an attached ENI and its CIDRs into the datastore."""
        attachment = _attachment(eni)
        self.datastore.add_eni(
            eni.eni_id,
            device_number=attachment.device_index,
            primary=is_primary(eni),
            trunk=eni.interface_type == "trunk",
            efa=eni.interface_type == "efa",
            excluded=eni.subnet_id in self.excluded_subnets,
            subnet_id=eni.subnet_id,
            now_ns=now_ns,
        )
        self._attachments[eni.eni_id] = attachment
        dropped = self._drop_elsewhere(eni.eni_id, (f"{eni.private_ip}/32",), now_ns)
        return [*dropped, *self._book(eni.eni_id, pod_cidrs(eni, self.datastore.mode), kind, reason, now_ns)]

    def _book(self, eni_id: str, cidrs: Iterable[str], kind: ActionKind, reason: str, now_ns: int) -> list[Action]:
        """Put CIDRs of an ENI into the datastore, where they are not there yet."""
        known = set(self.datastore.cidrs(eni_id))
        new = tuple(cidr for cidr in cidrs if cidr not in known)
        dropped = self._drop_elsewhere(eni_id, new, now_ns)
        running, quarantined = self._cooldowns_elsewhere(now_ns), self._quarantined_elsewhere()
        for cidr in new:
            self.datastore.add_cidr(eni_id, cidr, cooling=running, quarantined=quarantined)
        return [*dropped, Action(now_ns, kind, self.index, eni_id, new, reason)]

    def _drop_elsewhere(self, eni_id: str, cidrs: Iterable[str], now_ns: int) -> list[Action]:
        """Drop what the node, on any card, has in its books of CIDRs that EC2 has just shown on an ENI.

        Whatever ENI had them before has lost them behind the node's back; kept there, one address would be held by two sandboxes.
        """
        return [
            card._drop_cidrs(other_id, (other,), f"EC2 has put {cidr} on {eni_id}", now_ns)  # noqa: SLF001  # a card like this one
            for cidr in cidrs
            for card in (self, *self.others)
            for other_id, other in card.datastore.overlapping(cidr)
        ]

    def take_over(self, now_ns: int) -> None:
        """Let cool, or withhold, what the journal of another card says of an address that is on this one by now."""
        self.datastore.take_over(self._cooldowns_elsewhere(now_ns), self._quarantined_elsewhere())

    def _quarantined_elsewhere(self) -> list[Quarantined]:
        """What the journals of the node's other cards have that nobody has decided about."""
        return [entry for card in self.others for entry in card.datastore.quarantined if not entry.elsewhere]

    def _cooldowns_elsewhere(self, now_ns: int) -> list[Cooling]:
        """What still cools on the node's other cards."""
        return [cooling for card in self.others for cooling in card.datastore.cooldowns(now_ns)]

    def _refused(self, kind: ActionKind, eni_id: str | None, reason: str, error: Ec2Error | NodeError, now_ns: int) -> Action:
        out = isinstance(error, Ec2Error) and error.out_of_addresses
        return Action(now_ns, kind, self.index, eni_id, (), reason, error=str(error), out_of_addresses=out)

    @property
    def _ec2_side(self) -> Provisioner:
        assert self.provisioner is not None, "the node is started"  # noqa: S101  # the node asks for decisions only then
        return self.provisioner


def _attachment(eni: NetworkInterface) -> Attachment:
    assert eni.attachment is not None, f"{eni.eni_id} is attached"  # noqa: S101  # every caller reads ENIs by their instance
    return eni.attachment


def card_index(eni: NetworkInterface) -> int | None:
    """The network card that an ENI is attached to, None where it is not attached."""
    return None if eni.attachment is None else eni.attachment.network_card_index


def is_primary(eni: NetworkInterface) -> bool:
    """Tell whether an ENI is the primary one of its instance: device 0 of the default card."""
    attachment = eni.attachment
    return attachment is not None and attachment.device_index == 0 and attachment.network_card_index == DEFAULT_NETWORK_CARD
