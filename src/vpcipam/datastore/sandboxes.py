"""The upper half of the datastore: the sandboxes of one network card. It keeps the pool, the journal and the quarantine in step."""

import contextlib
import operator
from collections.abc import Collection, Iterable, Iterator
from typing import cast

import attrs

from vpcipam._pool_refusals import out_of_range
from vpcipam.address import address_text, parse_address
from vpcipam.datastore.attached import Attached, Eni
from vpcipam.datastore.withheld import Quarantine, Withheld
from vpcipam.errors import CidrInUse, EniInUse, InvalidAddress, PoolExhausted, UnknownKey
from vpcipam.events import (
    AddressAssigned,
    AddressUnassigned,
    AssignRefused,
    CidrAdded,
    CidrRemoved,
    DatastoreEvent,
    OnEvent,
    SandboxEvicted,
    call_back,
)
from vpcipam.journal.protocol import Assigned, Cooling, Journal
from vpcipam.pool import TIME_MAX_NS
from vpcipam.quarantine import Quarantined
from vpcipam.sandbox import PodRef, SandboxKey, check_sandbox_key
from vpcipam.stats import Assignment

Held = tuple[SandboxKey, int]
"""A sandbox and its address."""


class Sandboxes:
    """Which sandbox holds which address of a card. `Datastore` documents the calls.

    Attributes:
        pool: stores each address's `Assignment` as its entry and each sandbox's `PodRef` as its note, so that one call makes a change.
        quarantine: the journal entries that nobody has decided about.
        cooling_elsewhere: the ends of cooldowns that the pool can't keep, by address, because the address is in no CIDR or is withheld.
    """

    def __init__(self, attached: Attached, journal: Journal | None, on_event: OnEvent | None) -> None:
        self.pool = attached.pool
        self.version = attached.mode.version  # never changes
        self.quarantine = Quarantine(self.pool, self.version)
        self.cooling_elsewhere: dict[int, int] = {}
        self._attached = attached
        self._journal = journal
        self._on_event = on_event

    def emit(self, event: DatastoreEvent) -> None:
        """Call `on_event` with an event that has happened."""
        if self._on_event is not None:
            call_back(self._on_event, event)

    # --- who holds what ------------------------------------------------------------------------------------------------------

    def assignment(self, key: SandboxKey) -> Assignment:
        """Return the assignment of a sandbox that has one."""
        return cast("Assignment | None", self.pool.entry_of(key)) or self.make_assignment(key)

    def assignment_of(self, key: SandboxKey) -> Assignment | None:
        """Return the assignment of a sandbox, None if it has none."""
        return None if self.pool.address_of(key) is None else self.assignment(key)

    def make_assignment(self, key: SandboxKey) -> Assignment:
        """Make and store the assignment of a sandbox; the pool has none for its address yet."""
        address = self.pool.address_of(key)
        assert address is not None, "the caller has just seen that it holds one"  # noqa: S101  # for the type checker
        assignment = self.assignment_at(address)
        self.pool.set_entry(key, assignment)
        return assignment

    def assignment_at(self, address: int) -> Assignment:
        """Return the assignment that a sandbox on this address has. It has no ENI if the address is in no CIDR."""
        text, card = address_text(address, self.version), self._attached.network_card
        place = self._attached.place_of(address)
        if place is None:
            return Assignment(text, "", -1, card, "")
        eni, cidr = place
        cidr_text = f"{text}/{cidr.prefix_length}" if cidr.size == 1 else str(cidr)
        return Assignment(text, eni.eni_id, eni.device_number, card, cidr_text)

    def pod(self, key: SandboxKey) -> PodRef | None:
        """Return the pod of a sandbox, None if unknown."""
        return cast("PodRef | None", self.pool.note_of(key))

    def items(self) -> Iterator[Held]:
        """Return the sandboxes and their addresses, ascending by address."""
        return ((key, address) for key, address in self.pool.items() if isinstance(key, SandboxKey))

    def assignments(self) -> list[tuple[SandboxKey, Assignment]]:
        """Return the sandboxes and their assignments, ascending by address."""
        return [(key, self.assignment(key)) for key, _ in self.items()]

    def is_free(self, address: int) -> bool:
        """Tell whether no sandbox holds an address."""
        return not isinstance(self.pool.key_of(address), SandboxKey)

    def stored_key(self, key: SandboxKey) -> SandboxKey:
        """Return the key under which a sandbox is stored: its own, or the one from ipamd's migration (`SandboxKey.migrated`)."""
        if type(key) is not SandboxKey:
            check_sandbox_key(key)
        if self.pool.address_of(key) is None:
            migrated = key.migrated()
            if self.pool.address_of(migrated) is not None:
                return migrated
        return key

    # --- assign --------------------------------------------------------------------------------------------------------------

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None) -> Assignment:
        """Give a sandbox an address, record that and emit the event."""
        self._check_new(key)
        self.check_time(now_ns)  # before the key is hashed, as the pool does it
        if self.pool.address_of(key) is None:
            try:
                self._pick_address(key, now_ns)
            except PoolExhausted:
                reason = self.explain_exhausted(key)
                self.emit(AssignRefused(now_ns, self._attached.network_card, key, pod, reason))
                raise PoolExhausted(reason) from None
            self._record_assign(key, now_ns, pod)
        else:
            self.pool.assign(key, now_ns)  # returns the same address; refuses an invalid time
        return self.assignment(key)

    def assign_many(self, pods: dict[SandboxKey, PodRef | None], now_ns: int) -> tuple[Assignment, ...]:
        """Give sandboxes addresses, all or none, record that in one write and emit the events."""
        for key in pods:
            self._check_new(key)
        new: list[SandboxKey] = []
        try:
            for key, pod in pods.items():
                if self.pool.address_of(key) is None:
                    new.append(key)
                    self._pick_address(key, now_ns)
                    self.set_pod(key, pod)
            assignments = tuple(self.assignment(key) for key in pods)
            if self._journal is not None and new:
                self._journal.record(tuple(Assigned(key, self.assignment(key).address, pods[key], now_ns) for key in new))
        except BaseException as error:
            given_count = len(new) - 1
            try:
                reason = self.explain_exhausted(key) if isinstance(error, PoolExhausted) else None
            finally:
                while new:
                    self._withdraw(new.pop())
            if reason is not None:
                self.emit(AssignRefused(now_ns, self._attached.network_card, key, pods[key], reason))
                raise PoolExhausted(f"{reason}; the {given_count} given to others in the same call were taken back") from None
            raise
        for key in new:
            self.emit_assigned(key, now_ns, pods[key])
        return assignments

    def assign_at(self, key: SandboxKey, address: int, now_ns: int, pod: PodRef | None) -> Assignment:
        """Give a sandbox a particular address, record that and emit the event."""
        self._check_new(key)
        if self.pool.address_of(key) is None:
            self.quarantine.check_address(address)
            self.pool.assign_at(key, address, now_ns)
            self._record_assign(key, now_ns, pod, picked=False)
        else:
            self.pool.assign_at(key, address, now_ns)  # refuses an address other than the one that it has
        return self.assignment(key)

    def explain_exhausted(self, key: SandboxKey) -> str:
        """Explain why there is no address for a sandbox."""
        total, assigned = self._attached.sizes()[0], self._attached.assigned_count
        cooling = f" and {total - assigned} cool down" if total > assigned else ""  # no address is free, so the others cool
        return f"no address is free for {key}: of {total} attached, {assigned} are in use{cooling}"

    def _check_new(self, key: SandboxKey) -> None:
        check_sandbox_key(key)
        self.quarantine.check_key(key)

    def _pick_address(self, key: SandboxKey, now_ns: int) -> None:
        """Give a sandbox an address. If the pool picks one in quarantine, which was cooling until now, withhold it and pick again."""
        try:
            address = self.pool.assign(key, now_ns)
            while self.quarantine.names(address):
                self.pool.revoke(key)
                self.quarantine.withhold(address, now_ns)
                address = self.pool.assign(key, now_ns)
        except BaseException:
            self._withdraw(key)
            raise

    def _withdraw(self, key: SandboxKey) -> None:
        """Undo an assignment that is not recorded, if there is one."""
        if self.pool.address_of(key) is not None:
            with contextlib.suppress(KeyError):  # plain pools that are interrupted in their own change may lack a part of it
                self.pool.revoke(key)

    def _record_assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None, *, picked: bool = True) -> None:
        """Record the address that the pool has just given to a sandbox, and emit the event; revoke it if that fails before the record."""
        try:
            assignment = self.assignment(key)
            self.set_pod(key, pod)
            if self._journal is not None:
                self._journal.record((Assigned(key, assignment.address, pod, now_ns),))
        except BaseException:
            self.pool.revoke(key)
            raise
        self.emit_assigned(key, now_ns, pod, picked=picked)

    def set_pod(self, key: SandboxKey, pod: PodRef | None) -> None:
        """Store the pod of a sandbox that has an address."""
        if pod is not None:
            self.pool.set_note(key, pod)

    def emit_assigned(self, key: SandboxKey, now_ns: int, pod: PodRef | None, *, picked: bool = True) -> None:
        """Emit the event of an assignment that is recorded."""
        if self._on_event is not None:
            self.emit(AddressAssigned(now_ns, self._attached.network_card, key, self.assignment(key), pod, picked))

    # --- unassign ------------------------------------------------------------------------------------------------------------

    def unassign(self, key: SandboxKey, now_ns: int) -> Assignment:
        """Take a sandbox's address back, record that and emit the event."""
        if type(key) is SandboxKey:
            self.check_time(now_ns)  # before the key is hashed, as the pool does it
        stored = self.stored_key(key)
        address = self.pool.address_of(stored)
        if address is None:
            address = self.pool.unassign(key, now_ns)  # raises UnknownKey
        return self.release([(stored, address)], now_ns)[0]

    def unassign_many(self, keys: Iterable[SandboxKey], now_ns: int) -> tuple[Assignment, ...]:
        """Take sandboxes' addresses back, all or none, record that in one write and emit the events."""
        held: dict[SandboxKey, int] = {}
        for key in keys:
            stored = self.stored_key(key)
            address = self.pool.address_of(stored)
            if address is None or stored in held:
                raise UnknownKey(f"{key} {'is named twice' if stored in held else 'has no address'}: none of the sandboxes was unassigned")
            held[stored] = address
        return self.release(list(held.items()), now_ns)

    def release(self, held: Collection[Held], now_ns: int, *, evicted: bool = False) -> tuple[Assignment, ...]:
        """Record, all or none, that sandboxes lose their addresses; then unassign the sandboxes and emit the events."""
        self.check_time(now_ns)
        event = SandboxEvicted if evicted else AddressUnassigned
        card, has_listener = self._attached.network_card, self._on_event is not None
        # Make everything before the record: after it, memory that runs out must not leave a part of the change undone.
        assignments = tuple(self.assignment(key) for key, _ in held)
        events = [event(now_ns, card, key, self.assignment(key), self.pod(key)) for key, _ in held if has_listener]
        kept = [address for _, address in held if self.quarantine.names(address)]
        changes = iter(held)
        unassign, revoke = self.pool.unassign, self.pool.revoke
        if held and self._journal is not None:
            self._journal.record_unassign(tuple((key, self.cooldown(address, now_ns)) for key, address in held))
        for key, address in changes:
            if address in kept:
                revoke(key)  # not unassigned: the address is withheld below, and does not become free after a cooldown
            else:
                unassign(key, now_ns)
        for address in kept:
            self.quarantine.withhold(address, now_ns)
        for each in events:
            self.emit(each)
        return assignments

    def check_time(self, now_ns: int) -> None:
        """Refuse a time that the pool would refuse, before recording a change. This ends no cooldown, since the change can still fail."""
        if not 0 <= operator.index(now_ns) <= TIME_MAX_NS:
            raise out_of_range("now_ns", now_ns, 0, TIME_MAX_NS)

    def cooldown(self, address: int, now_ns: int) -> Cooling:
        """Return the cooldown of an address that is released now."""
        return Cooling(address_text(address, self.version), now_ns + self.pool.cooldown_ns, now_ns)

    # --- CIDRs added and removed ---------------------------------------------------------------------------------------------

    def add_cidr(self, eni: Eni, text: str, cooling: Iterable[Cooling], quarantined: Iterable[Quarantined]) -> None:
        """Add a CIDR; withhold its addresses in quarantine, and cool those that were cooling before it was here, or on another card."""
        elsewhere: list[int] = []
        here: list[Cooling] = []
        cidr = self._attached.add_cidr(eni, text)
        try:
            if cooling or quarantined or self.cooling_elsewhere or self.quarantine:
                self.withhold(quarantined)
                # The time is unknown. At time 0 every cooldown still runs, so cooling addresses are withheld later.
                self.quarantine.withhold_all(0)
                elsewhere = [address for address in self.cooling_elsewhere if address in cidr]
                for address in elsewhere:
                    self.cool(address, self.cooling_elsewhere[address])
                here = self._cool_here(each for each in cooling if (number := self._number(each)) is not None and number in cidr)
        except BaseException:  # without its cooldowns, the CIDR would give addresses too early
            self.quarantine.release_block(cidr.first)
            self._attached.remove_cidr(eni, cidr.first)
            raise
        for address in elsewhere:
            del self.cooling_elsewhere[address]
        try:
            self._record_cooling(here)
        finally:
            if self._on_event is not None:
                self.emit(CidrAdded(self._attached.network_card, eni.eni_id, str(cidr)))

    def withhold(self, quarantined: Iterable[Quarantined]) -> None:
        """Withhold addresses that another card has in quarantine, if they are in a CIDR here. That card has emitted the event."""
        for entry in quarantined:
            address, here = self.quarantine.number(entry), attrs.evolve(entry, elsewhere=True)
            if address is not None and self.pool.block_of(address) is not None and here not in self.quarantine.entries:
                self.quarantine.add(here, 0)

    def remove_cidrs(
        self, eni: Eni, bases: Collection[int], now_ns: int, *, force: bool, refusal: type[CidrInUse | EniInUse], what: str
    ) -> tuple[Assignment, ...]:
        """Remove CIDRs, given by their first addresses; evict their sandboxes if forced, else refuse if there are any.

        Returns:
            The assignments of the evicted sandboxes, ascending by address.
        """
        busy = [base for base in bases if self.pool.block_assigned_count(base)]
        held: list[Held] = []
        if busy:
            items = [item for base in busy for item in self.pool.block_items(base)]
            held = [(key, address) for key, address in items if isinstance(key, SandboxKey)]
            if not force:
                withheld_count = len(items) - len(held)
                raise refusal(
                    f"{what} has {withheld_count} addresses in quarantine: decide about them, or force the removal if EC2 no longer has it"
                    if withheld_count
                    else f"{what} has {len(held)} pods: unassign them, or force the removal if EC2 no longer has it"
                )
        self.check_time(now_ns)
        evicted = self.release(held, now_ns, evicted=True) if held else ()
        for base in bases:
            cidr = eni.cidrs[base]
            if base in busy:
                self.quarantine.release_block(base)
            self._attached.remove_cidr(eni, base)
            if self._on_event is not None:
                self.emit(CidrRemoved(now_ns, self._attached.network_card, eni.eni_id, str(cidr), force))
        return evicted

    # --- cooldowns -----------------------------------------------------------------------------------------------------------

    def cool_and_record(self, cooling: Iterable[Cooling]) -> None:
        """Cool the addresses that are in a CIDR here and that no sandbox holds, and record that in one write."""
        self._record_cooling(self._cool_here(cooling))

    def _cool_here(self, cooling: Iterable[Cooling]) -> list[Cooling]:
        """Cool the addresses that are in a CIDR here and that no sandbox holds; return these, with the text that journals have."""
        here = []
        for each in cooling:
            address = self._number(each)
            if address is not None and self.pool.block_of(address) is not None and self.is_free(address):
                self.cool(address, each.until_ns)
                here.append(attrs.evolve(each, address=address_text(address, self.version)))
        return here

    def _record_cooling(self, here: list[Cooling]) -> None:
        if here and self._journal is not None:
            self._journal.record(cooling=tuple(here))

    def restore_cooldown(self, cooling: Cooling) -> bool:
        """Resume the cooldown of an address that no sandbox holds; return whether the address is in a CIDR, withheld or not."""
        address = self._number(cooling)
        if address is None:
            return False
        self.cool(address, cooling.until_ns)
        return self.pool.block_of(address) is not None

    def cool(self, address: int, until_ns: int) -> None:
        """Cool an address that no sandbox holds. If it is withheld or in no CIDR, remember the cooldown until that changes."""
        if self.pool.block_of(address) is None or isinstance(self.pool.key_of(address), Withheld):
            self.cooling_elsewhere[address] = max(until_ns, self.cooling_elsewhere.get(address, 0))
        else:
            self.pool.cool_at(address, until_ns)

    def cooldowns(self, now_ns: int) -> tuple[Cooling, ...]:
        """Return the addresses that still cool, ascending by the end of their cooldowns."""
        items: Iterable[tuple[int, int]] = self.pool.cooling_items()
        if self.cooling_elsewhere:
            ends = dict(items)
            for address, until_ns in self.cooling_elsewhere.items():
                ends[address] = max(until_ns, ends.get(address, 0))  # the pool can also remember it, from a removed CIDR
            items = sorted(ends.items(), key=lambda item: item[1])
        return tuple(Cooling(address_text(address, self.version), until_ns) for address, until_ns in items if until_ns > now_ns)

    def _number(self, cooling: Cooling) -> int | None:
        """Return the cooling address as an integer; None if it is of the other IP version."""
        try:
            return parse_address(cooling.address, self.version)
        except InvalidAddress:
            return None

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        self.pool._check()  # noqa: SLF001  # 1, 2: the pool's own invariants
        self.quarantine._check()  # noqa: SLF001  # its own, likewise
        self._attached._check()  # noqa: SLF001  # 4, likewise
        held = dict(self.items())
        assert len(set(held.values())) == len(held), "invariant 1"  # noqa: S101  # a _check asserts
        for key, address in held.items():
            place, assignment = self._attached.place_of(address), self.assignment(key)
            assert place is not None, "invariant 3"  # noqa: S101  # likewise
            eni, cidr = place
            found = (parse_address(assignment.address, self.version), assignment.eni_id, assignment.device_number, assignment.cidr)
            assert found == (address, eni.eni_id, eni.device_number, str(cidr)), "invariant 3"  # noqa: S101  # likewise
