"""The sandboxes of one network card: the datastore's upper half, where the pool, the journal and the quarantine are kept in step."""

import operator
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import cast

import attrs

from vpcipam._pool_refusals import out_of_range
from vpcipam.address import Cidr, address_text, parse_address
from vpcipam.datastore.attached import Attached
from vpcipam.errors import AlreadyAssigned, DatastoreError, InvalidAddress, NotInPool, PoolError, PoolExhausted, UnknownKey
from vpcipam.events import (
    AddressAssigned,
    AddressUnassigned,
    AssignRefused,
    DatastoreEvent,
    QuarantineEnded,
    SandboxEvicted,
    SandboxQuarantined,
)
from vpcipam.journal.protocol import Assigned, Cooling, Journal, Problem, Restored
from vpcipam.pool import TIME_MAX_NS, AddressPool
from vpcipam.quarantine import Quarantine, Quarantined, is_withheld
from vpcipam.restoration import Restoration
from vpcipam.sandbox import PodRef, SandboxKey, check_sandbox_key
from vpcipam.stats import Assignment

Held = tuple[SandboxKey, int]
"""A sandbox and its address."""


class Sandboxes:
    """Who holds which address of a card; see `Datastore` for what the calls mean.

    Attributes:
        pool: has an address's `Assignment` as its entry, and a sandbox's `PodRef` as its note: a change is then one call of it.
        quarantine: the entries of the journal that nobody has decided about.
    """

    def __init__(
        self, attached: Attached, journal: Journal | None, cooldown_ns: int, tell: Callable[[DatastoreEvent], None] | None
    ) -> None:
        """Make it for a card without sandboxes; `tell` is called with each event, None where nobody wants to know."""
        self.pool: AddressPool[SandboxKey] = attached.pool
        self.quarantine = Quarantine(self.pool, attached.mode.version)
        self._attached = attached
        self._version = attached.mode.version  # for the datastore's life
        self._journal = journal
        self._cooldown_ns = cooldown_ns
        self._tell = tell
        self._cooling_elsewhere: dict[int, int] = {}  # until when, of addresses that lie in no CIDR or are withheld: not for the pool

    # --- who holds what ------------------------------------------------------------------------------------------------------

    def assignment(self, key: SandboxKey) -> Assignment:
        """What a sandbox holds that holds something."""
        return cast("Assignment | None", self.pool.entry_of(key)) or self.first_assignment(key)

    def assignment_of(self, key: SandboxKey) -> Assignment | None:
        """What a sandbox holds, None where it holds nothing."""
        return None if self.pool.address_of(key) is None else self.assignment(key)

    def first_assignment(self, key: SandboxKey) -> Assignment:
        """Make what a sandbox holds, where the pool has kept none for the address, and have it kept."""
        address = self.pool.address_of(key)
        assert address is not None, "the caller has just seen that it holds one"  # noqa: S101  # for the type checker
        assignment = self.assignment_at(address)
        self.pool.set_entry(key, assignment)
        return assignment

    def assignment_at(self, address: int) -> Assignment:
        """An address as whoever holds it has it; without an ENI where it lies in no CIDR."""
        text, card = address_text(address, self._version), self._attached.network_card
        place = self._attached.place_of(address)
        if place is None:
            return Assignment(text, "", -1, card, "")
        eni, cidr = place
        cidr_text = f"{text}/{cidr.prefix_length}" if cidr.size == 1 else str(cidr)
        return Assignment(text, eni.eni_id, eni.device_number, card, cidr_text)

    def pod(self, key: SandboxKey) -> PodRef | None:
        """The pod that a sandbox was assigned for."""
        return cast("PodRef | None", self.pool.note_of(key))

    def items(self) -> Iterator[Held]:
        """The sandboxes and their addresses, ascending by address."""
        return (item for item in self.pool.items() if not is_withheld(item[0]))

    def in_block(self, base: int) -> list[Held]:
        """The same of one CIDR."""
        return [item for item in self.pool.block_items(base) if not is_withheld(item[0])]

    def stored_key(self, key: SandboxKey) -> SandboxKey:
        """The key under which a sandbox is stored: its own, or that which ipamd took it over from the container runtime by."""
        if type(key) is not SandboxKey:
            check_sandbox_key(key)
        if self.pool.address_of(key) is None:
            migrated = key.migrated()
            if self.pool.address_of(migrated) is not None:
                return migrated
        return key

    # --- assign --------------------------------------------------------------------------------------------------------------

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None) -> Assignment:
        """Give a sandbox an address; have it recorded and told."""
        self._check_new(key)
        if self.pool.address_of(key) is None:
            try:
                self._take(key, now_ns)
            except PoolExhausted:
                reason = self.explain_exhausted(key)
                if self._tell is not None:
                    self._tell(AssignRefused(now_ns, self._attached.network_card, key, pod, reason))
                raise PoolExhausted(reason) from None
            self._acknowledge(key, now_ns, pod)
        else:
            self.pool.assign(key, now_ns)  # the same again, which only refuses a wrong time
        return self.assignment(key)

    def assign_many(self, pods: dict[SandboxKey, PodRef | None], now_ns: int) -> tuple[Assignment, ...]:
        """Give sandboxes addresses, all or none; have them recorded at once, and told."""
        for key in pods:
            self._check_new(key)
        new: list[SandboxKey] = []
        try:
            for key in pods:
                if self.pool.address_of(key) is None:
                    self._take(key, now_ns)
                    new.append(key)
            assignments = tuple(self.assignment(key) for key in pods)
            if self._journal is not None and new:
                self._journal.record_assigns(tuple(Assigned(key, self.assignment(key).address, pods[key], now_ns) for key in new))
        except BaseException as error:
            reason = self.explain_exhausted(key) if isinstance(error, PoolExhausted) else None
            for given in new:
                self.pool.revoke(given)
            if reason is not None:
                if self._tell is not None:
                    self._tell(AssignRefused(now_ns, self._attached.network_card, key, pods[key], reason))
                raise PoolExhausted(f"{reason}; the {len(new)} given to others in the same call were taken back") from None
            raise
        for key in new:
            self._keep(key, now_ns, pods[key])
        return assignments

    def assign_at(self, key: SandboxKey, address: int, now_ns: int, pod: PodRef | None) -> Assignment:
        """Give a sandbox one particular address; have it recorded and told."""
        self._check_new(key)
        if self.pool.address_of(key) is None:
            self.quarantine.check_address(address)
            self.pool.assign_at(key, address, now_ns)
            self._acknowledge(key, now_ns, pod, picked=False)
        else:
            self.pool.assign_at(key, address, now_ns)  # which refuses another address than that it has
        return self.assignment(key)

    def explain_exhausted(self, key: SandboxKey) -> str:
        """Say why there is no address for a sandbox."""
        total, assigned = self._attached.total_and_assigned()
        cooling = f" and {total - assigned} cool down" if total > assigned else ""  # none is free, so the rest cools
        return f"no address is free for {key}: of {total} attached, {assigned} are in use{cooling}"

    def _check_new(self, key: SandboxKey) -> None:
        check_sandbox_key(key)
        self.quarantine.check_key(key)

    def _take(self, key: SandboxKey, now_ns: int) -> None:
        """Take an address for a sandbox that has none, and not one in quarantine that cooled when its entry came."""
        address = self.pool.assign(key, now_ns)
        while self.quarantine.names(address):
            self.pool.revoke(key)
            self.quarantine.hold(address, now_ns)
            address = self.pool.assign(key, now_ns)

    def _acknowledge(self, key: SandboxKey, now_ns: int, pod: PodRef | None, *, picked: bool = True) -> None:
        """Have the journal record what the pool has just given to a sandbox, or take it back; then keep its pod."""
        if self._journal is not None:
            try:
                self._journal.record_assign(Assigned(key, self.assignment(key).address, pod, now_ns))
            except BaseException:
                self.pool.revoke(key)
                raise
        self._keep(key, now_ns, pod, picked=picked)

    def _keep(self, key: SandboxKey, now_ns: int, pod: PodRef | None, *, picked: bool = True) -> None:
        if pod is not None:
            self.pool.set_note(key, pod)
        if self._tell is not None:
            self._tell(AddressAssigned(now_ns, self._attached.network_card, key, self.assignment(key), pod, picked))

    # --- unassign ------------------------------------------------------------------------------------------------------------

    def unassign(self, key: SandboxKey, now_ns: int) -> Assignment:
        """Take a sandbox's address back, and decide that the entries in quarantine that name it are over."""
        stored = self.stored_key(key)
        address = self.pool.address_of(stored)
        entries = self.quarantine.of_key(key) or self.quarantine.of_key(key.migrated())
        if address is None and not entries:
            self.pool.unassign(key, now_ns)  # which refuses what it does not know
        numbers = [number for number in map(self.quarantine.number, entries) if number is not None]
        for entry in entries:
            self.release_quarantined(entry, now_ns)
        if address is not None:
            return self.let_go([(stored, address)], now_ns)[0]
        return max(map(self.assignment_at, numbers), key=lambda each: each.device_number, default=self._nowhere(entries))

    def _nowhere(self, entries: Collection[Quarantined]) -> Assignment:
        """What a sandbox gives back whose entries name no address of this IP version."""
        texts = [entry.address for entry in entries if entry.address is not None]
        return Assignment(texts[0] if texts else "", "", -1, self._attached.network_card, "")

    def unassign_many(self, keys: Iterable[SandboxKey], now_ns: int) -> tuple[Assignment, ...]:
        """Take sandboxes' addresses back, all or none; have that recorded at once, and told."""
        held: dict[SandboxKey, int] = {}
        for key in keys:
            stored = self.stored_key(key)
            address = self.pool.address_of(stored)
            if address is None or stored in held:
                raise UnknownKey(f"{key} {'is named twice' if stored in held else 'has no address'}: none of the sandboxes was unassigned")
            held[stored] = address
        return self.let_go(list(held.items()), now_ns)

    def let_go(self, held: Collection[Held], now_ns: int, *, evicted: bool = False) -> tuple[Assignment, ...]:
        """Have the journal record, all or none, that sandboxes lose their addresses; then unassign them, and tell."""
        self.check_time(now_ns)
        if held and self._journal is not None:
            self._journal.record_unassign(tuple((key, self._cooling(address, now_ns)) for key, address in held))
        event = SandboxEvicted if evicted else AddressUnassigned
        assignments = []
        for key, address in held:
            assignment, pod = self.assignment(key), self.pod(key)
            if self.quarantine.names(address):
                self.pool.revoke(key)  # not to cool and then be free, but to be withheld
                self.quarantine.hold(address, now_ns)
            else:
                self.pool.unassign(key, now_ns)
            assignments.append(assignment)
            if self._tell is not None:
                self._tell(event(now_ns, self._attached.network_card, key, assignment, pod))
        return tuple(assignments)

    def take_over(self, cooling: Iterable[Cooling]) -> None:
        """Let addresses cool that lie in a CIDR and that no sandbox holds; have that recorded at once."""
        here = []
        for each in cooling:
            address = self._number(each)
            if address is not None and self.pool.block_of(address) is not None and _is_free(self.pool, address):
                self._let_cool(address, each.until_ns)
                here.append(attrs.evolve(each, address=address_text(address, self._version)))  # as journals write it
        if here and self._journal is not None:
            self._journal.record_cooling(tuple(here))

    def cooldowns(self, now_ns: int) -> list[tuple[int, int]]:
        """What still cools, each with its end, in the order in which they end."""
        items: Iterable[tuple[int, int]] = self.pool.cooling_items()
        if self._cooling_elsewhere:
            ends = dict(items)
            for address, until_ns in self._cooling_elsewhere.items():
                ends[address] = max(until_ns, ends.get(address, 0))  # the pool may remember the address of a CIDR that is gone
            items = sorted(ends.items(), key=lambda item: item[1])
        return [item for item in items if item[1] > now_ns]

    def _number(self, cooling: Cooling) -> int | None:
        """The address that cools, as an integer; None where it is one of the other IP version."""
        try:
            return parse_address(cooling.address, self._version)
        except InvalidAddress:
            return None

    def check_time(self, now_ns: int) -> None:
        """Refuse a time that the pool would refuse, before anyone is told of a change at it. Ends no cooldown: the change may yet fail."""
        if not 0 <= operator.index(now_ns) <= TIME_MAX_NS:
            raise out_of_range("now_ns", now_ns, 0, TIME_MAX_NS)

    def _cooling(self, address: int, now_ns: int) -> Cooling:
        return Cooling(address_text(address, self._version), now_ns + self._cooldown_ns, now_ns)

    # --- after a restart -----------------------------------------------------------------------------------------------------

    def restore(self, now_ns: int, gone: Iterable[SandboxKey], *, trust_clock: bool) -> Restoration:
        """Take back what the journal holds."""
        journal = self._journal
        if journal is None:
            raise DatastoreError("there is no journal to restore from: give the datastore one when it is made")
        if self.pool.assigned_count or len(self.quarantine):
            raise DatastoreError(
                "restore comes before the first assign: sandboxes have addresses already, which the journal may contradict"
            )
        self.check_time(now_ns)
        restored = journal.restore(now_ns)
        back = [entry for entry in restored.assigned if self._put_back(entry, now_ns)]
        for problem in restored.problems:
            if problem.repeats is None:
                self._put_in_quarantine(Quarantined(problem, problem.message), now_ns)
        cooling = restored.cooling if trust_clock else self._whole_cooldowns(restored, now_ns)
        here = [each for each in cooling if self._cool_again(each)]
        quarantined = self.quarantine.entries
        released = self._release_gone(gone, now_ns)
        return Restoration(
            assigned=tuple(entry for entry in back if entry.key not in released),
            released=tuple(entry for entry in back if entry.key in released),
            quarantined=tuple(entry for entry in quarantined if entry in self.quarantine.entries),
            cooling=tuple(here),
            cooling_elsewhere=tuple(each for each in cooling if each not in here),
            ended=restored.ended if trust_clock else (),
            repeats=tuple(problem for problem in restored.problems if problem.repeats is not None),
        )

    def _put_back(self, entry: Assigned, now_ns: int) -> bool:
        """Put a sandbox back on its address, which the journal has already; where that can't be, into quarantine."""
        try:
            check_sandbox_key(entry.key)
            self.pool.assign_at(entry.key, parse_address(entry.address, self._version), now_ns)
        except NotInPool:
            self._put_in_quarantine(Quarantined(entry, "its address is on no ENI of the card"), now_ns)
            return False
        except (PoolError, InvalidAddress) as error:
            self._put_in_quarantine(Quarantined(entry, str(error)), now_ns)
            return False
        self.first_assignment(entry.key)
        self._keep(entry.key, now_ns, entry.pod, picked=False)
        return True

    def _put_in_quarantine(self, entry: Quarantined, now_ns: int) -> None:
        self.quarantine.add(entry, now_ns)
        if self._tell is not None:
            self._tell(SandboxQuarantined(now_ns, self._attached.network_card, entry))

    def _whole_cooldowns(self, restored: Restored, now_ns: int) -> tuple[Cooling, ...]:
        """The cooldowns that the journal knows of, ended ones too, each begun anew: nobody knows how much of it is over."""
        return tuple(Cooling(each.address, now_ns + self._cooldown_ns, now_ns) for each in (*restored.cooling, *restored.ended))

    def _cool_again(self, cooling: Cooling) -> bool:
        """Let an address go on cooling; tell whether it lies in a CIDR. One that is held or withheld will cool when that ends."""
        address = self._number(cooling)
        if address is None:
            return False
        self._let_cool(address, cooling.until_ns)
        return self.pool.block_of(address) is not None

    def _let_cool(self, address: int, until_ns: int) -> None:
        """Let an address cool where no sandbox has it, also one that is withheld, or lies in no CIDR: it may come back in one."""
        if self.pool.block_of(address) is None or is_withheld(self.pool.key_of(address)):
            self._cooling_elsewhere[address] = max(until_ns, self._cooling_elsewhere.get(address, 0))
        else:
            self.pool.cool_at(address, until_ns)

    def withhold(self, quarantined: Iterable[Quarantined]) -> None:
        """Withhold addresses that lie in a CIDR here and that another card has in quarantine. That card has told of it."""
        for entry in quarantined:
            address, here = self.quarantine.number(entry), attrs.evolve(entry, elsewhere=True)
            if address is not None and self.pool.block_of(address) is not None and here not in self.quarantine.entries:
                self.quarantine.add(here, 0)

    def cidr_added(self, cidr: Cidr, cooling: Iterable[Cooling], quarantined: Iterable[Quarantined]) -> None:
        """Withhold what of a new CIDR is in quarantine, and let cool what cooled while it lay in none, or cools elsewhere."""
        self.withhold(quarantined)
        self.quarantine.hold_all(0)  # nobody has told the time: what cools in the pool may be over, and is withheld later
        for address in [address for address in self._cooling_elsewhere if address in cidr]:
            self._let_cool(address, self._cooling_elsewhere.pop(address))
        self.take_over(each for each in cooling if (number := self._number(each)) is not None and number in cidr)

    def _release_gone(self, gone: Iterable[SandboxKey], now_ns: int) -> set[SandboxKey]:
        """Release what the caller says is gone, as far as the journal had it; return the keys by which it did."""
        keys = set(gone)
        held = [(key, address) for key, address in self.items() if key in keys]
        named = {key.migrated() for key in keys}
        held += [(key, address) for key, address in self.items() if key not in keys and key in named]
        self.let_go(held, now_ns)
        for entry in self.quarantine.entries:
            if entry.key in keys or entry.key in named:
                self.release_quarantined(entry, now_ns)
        return {key for key, _ in held}

    # --- decisions about the quarantine --------------------------------------------------------------------------------------

    def release_quarantined(self, entry: Quarantined, now_ns: int) -> None:
        """Decide that an entry is over."""
        self.quarantine.find(entry)
        self.check_time(now_ns)
        address = self.quarantine.number(entry)
        cools = address is not None and self.quarantine.is_last_on_its_address(entry) and _is_free(self.pool, address)
        self._strike_out(entry, now_ns, cools=cools)
        self.quarantine.remove(entry)
        if address is not None and cools:
            self._let_cool(address, max(now_ns + self._cooldown_ns, self._cooling_elsewhere.pop(address, 0)))
        if self._tell is not None:
            self._tell(QuarantineEnded(now_ns, self._attached.network_card, entry, accepted=False))

    def _strike_out(self, quarantined: Quarantined, now_ns: int, *, cools: bool) -> None:
        """Have an entry leave the journal, if it stands there; its address cools by that, an assignment's in any case."""
        entry = quarantined.entry
        cooling = Cooling(entry.address or "", now_ns + self._cooldown_ns, now_ns)
        if quarantined.elsewhere:
            self._its_journal.record_cooling((cooling,) if cools else ())
        elif isinstance(entry, Problem):
            self._its_journal.strike_out((entry,), cooling=(cooling,) if cools else ())
        else:
            self._its_journal.record_unassign(((entry.key, cooling),))

    @property
    def _its_journal(self) -> Journal:
        assert self._journal is not None, "entries in quarantine come from a journal"  # noqa: S101  # for the type checker
        return self._journal

    def accept_quarantined(self, entry: Quarantined, now_ns: int) -> Assignment:
        """Decide that an entry is right: its sandbox holds its address."""
        self.quarantine.find(entry)
        self.check_time(now_ns)
        key, address = self._acceptable(entry)
        holder = self.pool.key_of(address)
        if holder is not None and not is_withheld(holder):
            raise AlreadyAssigned(f"{entry.address} is held by {holder}, so {key} can't have it")
        pod = entry.entry.pod if isinstance(entry.entry, Assigned) else None
        if holder is not None:
            self.pool.revoke(holder)
        try:
            self.pool.assign_at(key, address, now_ns)
            assigned = Assigned(key, address_text(address, self._version), pod, now_ns)
            if entry.elsewhere:
                self._its_journal.record_assign(assigned)
            elif isinstance(entry.entry, Problem):
                self._its_journal.strike_out((entry.entry,), assigned=(assigned,))
        except BaseException:
            if self.pool.address_of(key) == address:
                self.pool.revoke(key)
            self.quarantine.hold(address, now_ns)
            raise
        self.quarantine.remove(entry)
        self._cooling_elsewhere.pop(address, None)  # that it cooled says nothing against the entry
        if self._tell is not None:
            self._tell(QuarantineEnded(now_ns, self._attached.network_card, entry, accepted=True))
        self._keep(key, now_ns, pod, picked=False)
        return self.assignment(key)

    def _acceptable(self, entry: Quarantined) -> Held:
        """The sandbox and the address that an entry names.

        Raises:
            DatastoreError: it doesn't name both, or another entry contradicts it.
        """
        key, address = entry.key, self.quarantine.number(entry)
        if key is None or address is None:
            raise DatastoreError(f"it can't be accepted, as it doesn't name a sandbox and an address of this node: {entry}")
        for other in self.quarantine:
            if other != entry and (other.key == key or self.quarantine.number(other) == address):
                raise DatastoreError(f"it can't be accepted while another contradicts it: {other}. Release that first")
        return key, address

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        self.pool._check()  # noqa: SLF001  # 1, 2: the pool's own invariants
        self.quarantine._check()  # noqa: SLF001  # its own, likewise
        self._attached._check()  # noqa: SLF001  # 4, likewise
        held = dict(self.items())
        assert len(set(held.values())) == len(held), "invariant 1"  # noqa: S101  # what a _check is for
        for key, address in held.items():
            place, told = self._attached.place_of(address), self.assignment(key)
            assert place is not None, "invariant 3"  # noqa: S101  # likewise
            eni, cidr = place
            assert (parse_address(told.address, self._version), told.eni_id) == (address, eni.eni_id), "invariant 3"  # noqa: S101  # likewise
            assert (told.device_number, told.cidr) == (eni.device_number, str(cidr)), "invariant 3"  # noqa: S101  # likewise


def _is_free(pool: AddressPool[SandboxKey], address: int) -> bool:
    """Tell whether no sandbox holds an address."""
    holder = pool.key_of(address)
    return holder is None or is_withheld(holder)
