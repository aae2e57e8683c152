"""Restarts of one network card: restores the entries of its journal, or puts them in quarantine until somebody decides."""

from collections.abc import Callable, Iterable
from functools import partial

from vpcipam.address import address_text, parse_address
from vpcipam.datastore.sandboxes import Held, Sandboxes
from vpcipam.errors import AlreadyAssigned, DatastoreError, InvalidAddress, NotInPool, PoolError
from vpcipam.events import QuarantineEnded, SandboxQuarantined
from vpcipam.journal.protocol import Assigned, Cooling, Journal, Problem
from vpcipam.quarantine import Quarantined
from vpcipam.restoration import Restoration
from vpcipam.sandbox import PodRef, SandboxKey, check_sandbox_key
from vpcipam.stats import Assignment


class Recovery:
    """Restores the sandboxes of a card, and carries out the decisions about its quarantine. `Datastore` documents the calls."""

    def __init__(self, sandboxes: Sandboxes, journal: Journal | None, network_card: int) -> None:
        self._sandboxes = sandboxes
        self._pool = sandboxes.pool
        self._quarantine = sandboxes.quarantine
        self._version = sandboxes.version
        self._journal = journal
        self._network_card = network_card

    # --- restoring the journal -----------------------------------------------------------------------------------------------

    def restore(self, now_ns: int, gone: Iterable[SandboxKey], *, trust_clock: bool) -> Restoration:
        """Restore the content of the journal."""
        journal = self._journal
        if journal is None:
            raise DatastoreError("there is no journal to restore from: make the datastore with Datastore(journal=…)")
        if self._pool.assigned_count or self._quarantine.entries:
            raise DatastoreError("sandboxes already have addresses, which the journal may contradict: restore before the first assign")
        self._sandboxes.check_time(now_ns)
        restored = journal.restore(now_ns)
        cooling = restored.cooling
        try:
            back = [entry for entry in restored.assigned if self._restore_assigned(entry, now_ns)]
            for problem in restored.problems:
                if problem.repeats is None:
                    self._put_in_quarantine(Quarantined(problem, problem.message), now_ns)
            if not trust_clock:  # nobody knows how much of each cooldown is over, so each starts again
                whole_ns = self._pool.cooldown_ns
                cooling = tuple(Cooling(each.address, now_ns + whole_ns, now_ns) for each in (*restored.cooling, *restored.ended))
            here = [each for each in cooling if self._sandboxes.restore_cooldown(each)]
            quarantined = self._quarantine.entries
        except BaseException:
            self._forget()
            raise
        freed = self._release_gone(gone, now_ns)
        released = {key for key, _ in freed}
        back += self._accept_uncontested(quarantined, {address for _, address in freed}, now_ns)
        return Restoration(
            assigned=tuple(entry for entry in back if entry.key not in released),
            released=tuple(entry for entry in back if entry.key in released),
            quarantined=tuple(entry for entry in quarantined if entry in self._quarantine.entries),
            cooling=tuple(here),
            cooling_elsewhere=tuple(each for each in cooling if each not in here),
            ended=restored.ended if trust_clock else (),
            repeats=tuple(problem for problem in restored.problems if problem.repeats is not None),
        )

    def _forget(self) -> None:
        """Forget what is restored, so that it can be restored again. Cooldowns stay."""
        self._quarantine.clear()
        for held in self._sandboxes.items():
            self._pool.revoke(held[0])

    def _restore_assigned(self, entry: Assigned, now_ns: int) -> bool:
        """Give a sandbox its address again; if that is impossible, put the entry in quarantine. The journal already has the entry."""
        try:
            check_sandbox_key(entry.key)
            self._pool.assign_at(entry.key, parse_address(entry.address, self._version), now_ns)
        except NotInPool:
            self._put_in_quarantine(Quarantined(entry, "its address is on no ENI of the card"), now_ns)
            return False
        except (PoolError, InvalidAddress) as error:
            self._put_in_quarantine(Quarantined(entry, str(error)), now_ns)
            return False
        self._sandboxes.make_assignment(entry.key)
        self._sandboxes.set_pod(entry.key, entry.pod)
        self._sandboxes.emit_assigned(entry.key, now_ns, entry.pod, picked=False)
        return True

    def _put_in_quarantine(self, entry: Quarantined, now_ns: int) -> None:
        self._quarantine.add(entry, now_ns)
        self._sandboxes.emit(SandboxQuarantined(now_ns, self._network_card, entry))

    def _release_gone(self, gone: Iterable[SandboxKey], now_ns: int) -> list[Held]:
        """Release the sandboxes that are gone and were in the journal; return those that had an address, under the journal's keys."""
        keys = set(gone)
        migrated = {key.migrated() for key in keys} - keys
        held = [(key, address) for key, address in self._sandboxes.items() if key in keys]
        held += [(key, address) for key, address in self._sandboxes.items() if key in migrated]
        self._sandboxes.release(held, now_ns)
        for entry in self._quarantine.entries:
            if entry.key in keys or entry.key in migrated:
                self.release_quarantined(entry, now_ns)
        return held

    def _accept_uncontested(self, before: Iterable[Quarantined], freed_addresses: set[int], now_ns: int) -> list[Assigned]:
        """Accept the entries that only sandboxes that are gone contradicted; return their assignments.

        They would be restored if the journal had never had those sandboxes.

        Args:
            before: the quarantine before the sandboxes left it.
            freed_addresses: the addresses that those sandboxes held.
            now_ns: the time.
        """
        gone = [entry for entry in before if entry not in self._quarantine.entries]
        addresses = freed_addresses.union(*({self._quarantine.number(entry)} for entry in gone))
        freed = [entry for entry in self._quarantine.entries if self._quarantine.number(entry) in addresses and self._fits(entry, now_ns)]
        self.accept(freed, now_ns)
        return [entry.assigned for entry in freed if entry.assigned is not None]

    # --- decisions about the quarantine --------------------------------------------------------------------------------------

    def unassign(self, key: SandboxKey, now_ns: int) -> Assignment:
        """Release the entries in quarantine that name the sandbox, then take its address back."""
        if not self._quarantine.entries:
            return self._sandboxes.unassign(key, now_ns)
        stored = self._sandboxes.stored_key(key)
        entries = self._quarantine.of_key(key) or self._quarantine.of_key(key.migrated())
        for entry in entries:
            self.release_quarantined(entry, now_ns)
        if not entries or self._pool.address_of(stored) is not None:
            return self._sandboxes.unassign(key, now_ns)
        numbers = [number for number in map(self._quarantine.number, entries) if number is not None]
        texts = [entry.address for entry in entries if entry.address is not None]
        nowhere = Assignment(texts[0] if texts else "", "", -1, self._network_card, "")  # if no entry names an address of this IP version
        return max(map(self._sandboxes.assignment_at, numbers), key=lambda each: each.device_number, default=nowhere)

    def release_quarantined(self, entry: Quarantined, now_ns: int) -> None:
        """Drop an entry."""
        self._quarantine.check_entry(entry)
        self._sandboxes.check_time(now_ns)
        address = self._quarantine.number(entry)
        cools = address is not None and self._quarantine.is_last_on_its_address(entry) and self._sandboxes.is_free(address)
        cooling = Cooling(entry.address or "", now_ns + self._pool.cooldown_ns, now_ns)
        until_ns = max(cooling.until_ns, self._sandboxes.cooling_elsewhere.get(address, 0)) if address is not None else 0
        ended = QuarantineEnded(now_ns, self._network_card, entry, accepted=False)

        def finish() -> None:
            self._quarantine.remove([entry])
            if address is not None and cools:
                self._sandboxes.cooling_elsewhere.pop(address, None)
                self._sandboxes.cool(address, until_ns)

        journal = self._journal  # None if the entry came from another card's journal, and this card has none
        if journal is not None and not entry.elsewhere and isinstance(entry.entry, Assigned):
            journal.record_unassign(((entry.entry.key, cooling),))  # this records the cooldown, even if `cools` is False
        elif journal is not None:
            journal.record(cooling=(cooling,) if cools else (), dropped=_problems_of(entry))
        _finish(finish)
        self._sandboxes.emit(ended)

    def accept(self, entries: Iterable[Quarantined], now_ns: int) -> tuple[Assignment, ...]:
        """Give the sandbox of each entry the address of the entry, all or none, and record that in one write."""
        self._sandboxes.check_time(now_ns)
        accepted: list[tuple[Quarantined, SandboxKey, int]] = []
        for entry in entries:
            self._quarantine.check_entry(entry)
            key, address = self._acceptable(entry)
            holder = self._pool.key_of(address)
            if isinstance(holder, SandboxKey):
                raise AlreadyAssigned(
                    f"{holder} holds {entry.address}, so {key} can't have it: unassign that sandbox, or release the entry"
                )
            accepted.append((entry, key, address))
        try:
            for entry, key, address in accepted:
                withheld = self._pool.key_of(address)
                if withheld is not None:
                    self._pool.revoke(withheld)
                self._pool.assign_at(key, address, now_ns)
                self._sandboxes.set_pod(key, _pod_of(entry))
            assignments = tuple(self._sandboxes.assignment(key) for _, key, _ in accepted)
            ended = [QuarantineEnded(now_ns, self._network_card, entry, accepted=True) for entry, _, _ in accepted]
            finish = partial(self._quarantine.remove, [entry for entry, _, _ in accepted])
            self._record_accepted(accepted, now_ns)
        except BaseException:
            for _, key, address in accepted:
                if self._pool.address_of(key) == address:
                    self._pool.revoke(key)
                self._quarantine.withhold(address, now_ns)
            raise
        _finish(finish)
        for (entry, key, address), event in zip(accepted, ended, strict=True):
            self._sandboxes.cooling_elsewhere.pop(address, None)  # the sandbox holds the address now, so an older cooldown no longer counts
            self._sandboxes.emit(event)
            self._sandboxes.emit_assigned(key, now_ns, _pod_of(entry), picked=False)
        return assignments

    def _record_accepted(self, accepted: Iterable[tuple[Quarantined, SandboxKey, int]], now_ns: int) -> None:
        """Record the entries that this card's journal does not have as assignments."""
        new = [each for each in accepted if each[0].elsewhere or isinstance(each[0].entry, Problem)]
        if new and self._journal is not None:
            assigned = (entry.assigned or Assigned(key, address_text(address, self._version), None, now_ns) for entry, key, address in new)
            self._journal.record(tuple(assigned), dropped=tuple(problem for entry, _, _ in new for problem in _problems_of(entry)))

    def accept_all(self, now_ns: int) -> tuple[Assignment, ...]:
        """Accept every entry that fits."""
        self._sandboxes.check_time(now_ns)
        return self.accept([entry for entry in self._quarantine.entries if self._fits(entry, now_ns)], now_ns)

    def _fits(self, entry: Quarantined, now_ns: int) -> bool:
        """Tell whether an entry of this card's journal is whole, and its sandbox can have its address now."""
        if entry.elsewhere or entry.assigned is None:
            return False
        try:
            key, address = self._acceptable(entry)
        except DatastoreError:
            return False
        free = self._pool.block_of(address) is not None and self._sandboxes.is_free(address) and self._pool.address_of(key) is None
        cooling_until_ns = max(self._pool.cooling_until(address) or 0, self._sandboxes.cooling_elsewhere.get(address, 0))
        return free and cooling_until_ns <= now_ns

    def _acceptable(self, entry: Quarantined) -> Held:
        """Return the sandbox and the address of an entry that can be accepted.

        Raises:
            DatastoreError: it doesn't name both, or another entry contradicts it.
        """
        key, address = entry.key, self._quarantine.number(entry)
        if key is None or address is None:
            raise DatastoreError(f"this entry doesn't name both a sandbox and an address of this IP version; release it instead: {entry}")
        for other in self._quarantine.entries:
            if other != entry and (other.key == key or self._quarantine.number(other) == address):
                raise DatastoreError(f"it can't be accepted while another entry contradicts it: {other}. Release that one first")
        return key, address


def _finish(step: Callable[[], None]) -> None:
    """Do what is left of a change that the journal already has. If memory runs out, do it again, so that it is never half done.

    The step is made before the journal's write, since making it takes memory, too.
    """
    try:
        step()
    except MemoryError:
        step()
        raise


def _pod_of(entry: Quarantined) -> PodRef | None:
    return entry.assigned.pod if entry.assigned is not None else None


def _problems_of(entry: Quarantined) -> tuple[Problem, ...]:
    """Return the problem to drop with an entry, if the journal of this card has one."""
    return (entry.entry,) if isinstance(entry.entry, Problem) and not entry.elsewhere else ()
