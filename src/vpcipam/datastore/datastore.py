"""The datastore: the ENIs, CIDRs and sandboxes of one network card of a node."""

from collections.abc import Callable, Iterable, Iterator
from typing import cast

from vpcipam._arguments import require_type
from vpcipam._units import NS_PER_S
from vpcipam.address import AddressMode, parse_address
from vpcipam.datastore.attached import Attached, Eni
from vpcipam.datastore.counts import Counts
from vpcipam.datastore.restart import Recovery
from vpcipam.datastore.sandboxes import Sandboxes
from vpcipam.datastore.withheld import Pool, Withheld
from vpcipam.errors import CidrInUse, DatastoreError, EniInUse, PoolExhausted, PoolLocked, UnknownKey
from vpcipam.events import EniAdded, EniRemoved, OnEvent
from vpcipam.journal.forked import OwnersLock, refuse_in_child
from vpcipam.journal.protocol import Cooling, Journal
from vpcipam.pool import USING_EXTENSION, AddressPool, owners_lock
from vpcipam.quarantine import Quarantined
from vpcipam.restoration import Restoration
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment

DEFAULT_COOLDOWN_NS = 30 * NS_PER_S
"""ipamd's default for IP_COOLDOWN_PERIOD: 30 s (docs/ipamd.md, "Cooldown")."""


class Datastore(Counts):
    """The ENIs, CIDRs and sandboxes of one network card.

    It never calls EC2, and reads neither settings nor a clock: the caller passes what is attached, and the time.

    Any thread can call it at any time. One lock serves the whole datastore. A call holds it to the end, including the write of the journal
    and the call of `on_event`. Without a journal and `on_event`, an assign or unassign is one call of the compiled pool, which the GIL
    makes atomic; it takes the lock only if another thread holds it. A child that was forked meanwhile is refused with a `DatastoreError`.

    An exception from a signal handler (^C) never leaves the lock taken (on CPython 3.14 it can: python/cpython#148874), but it can leave
    the interrupted change half done. If the process then continues, rebuild the datastore. After a MemoryError on compiled pools, each
    change has happened as a whole or not at all, if a single allocation failed. A call that makes several changes, such as a forced
    removal, can then be repeated. If several allocations fail, also those that undo a change, or on plain pools, rebuild the datastore.

    Invariants:

    1. No address is held by two sandboxes, and no address cools while it is held.
    2. No two CIDRs overlap, on one ENI or on two.
    3. Every sandbox's address lies in a CIDR of an ENI of the datastore.
    4. Each block of the pool is a CIDR. It is open if and only if its ENI is not excluded and the CIDR has the size of the mode.
    5. No sandbox gets an address in quarantine, and no sandbox in quarantine gets another address.
    6. What is kept beside the ENIs and their CIDRs (counts, texts, orders) equals a recount.
    """

    def __init__(
        self,
        *,
        mode: AddressMode = AddressMode.SECONDARY_IP,
        cooldown_ns: int = DEFAULT_COOLDOWN_NS,
        placement: str = "lowest",
        seed: int = 0,
        journal: Journal | None = None,
        network_card: int = 0,
        on_event: OnEvent | None = None,
    ) -> None:
        """Make an empty datastore.

        Args:
            mode: the kind of CIDR from which new addresses come; see `set_mode`.
            cooldown_ns: how long an address stays unused after a release, 0 or more (ipamd: IP_COOLDOWN_PERIOD).
            placement: `lowest`, `packed`, `spread` or `random` (as ipamd), over CIDRs ranked by device number, then address.
            seed: for the random placement.
            journal: records every change before it is acknowledged. Call `restore` if it is not empty.
            network_card: the index of the card, 0 for the default one.
            on_event: called with each event after the change; see `vpcipam.events`. It must be quick and must not change the datastore. An
                exception in it becomes an `EventWarning`.
        """
        require_type("mode", mode, AddressMode, f"it is one of {', '.join(map(str, AddressMode))}")
        pool: Pool = AddressPool(cooldown_ns=cooldown_ns, placement=placement, seed=seed)
        self._pool = pool
        self._lock: OwnersLock = owners_lock(pool)
        refuse_in_child(self, DatastoreError, "datastore")
        self._attached = Attached(pool, mode, network_card)
        self._journal = journal
        self._sandboxes = Sandboxes(self._attached, journal, on_event)
        self._recovery = Recovery(self._sandboxes, journal, network_card)
        self._has_listeners = journal is not None or on_event is not None
        self._is_plain = not self._has_listeners and USING_EXTENSION  # an assign is one call of the pool, which no thread can interrupt
        # Methods are bound once: looking one up costs a tenth of an assign.
        self._pool_assign = cast("Callable[[SandboxKey, int, PodRef | None], Assignment | None]", pool.assign_entry)
        self._pool_unassign = cast("Callable[[SandboxKey, int], Assignment]", pool.unassign_entry)

    def __repr__(self) -> str:
        counts = f"{len(self.eni_ids)} ENIs, {self.sandbox_count} sandboxes"
        return f"<Datastore: {counts}, mode {self.mode.value}, network card {self.network_card}>"

    # --- sandboxes -----------------------------------------------------------------------------------------------------------

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None = None) -> Assignment:
        """Give a sandbox an address, or return the one that it has.

        Raises:
            PoolExhausted: every address is in use, cools, or is closed to new assignments.
            InvalidSandboxKey: the key has no container id; or there is a journal, and the key has a text that UTF-8 can't encode.
            InQuarantine: a journal entry about the sandbox is undecided.
            JournalError: the journal can't be written; nothing has changed.

        Complexity: O(1), amortised.
        """
        if self._is_plain and type(key) is SandboxKey and key.container_id:
            try:
                assignment = self._pool_assign(key, now_ns, pod)
                if assignment is not None:
                    return assignment
            except (PoolLocked, PoolExhausted):
                pass  # tried again below
        with self._lock:
            return self._sandboxes.assign(key, now_ns, pod)

    def assign_many(self, wanted: Iterable[tuple[SandboxKey, PodRef | None]], now_ns: int) -> tuple[Assignment, ...]:
        """Give sandboxes addresses, all or none, with a single journal write for speed; otherwise like `assign`.

        Raises:
            PoolExhausted: more sandboxes need an address than are free.

        Complexity: O(sandboxes), amortised.
        """
        pods = dict(wanted)
        with self._lock:
            return self._sandboxes.assign_many(pods, now_ns)

    def unassign(self, key: SandboxKey, now_ns: int) -> Assignment:
        """Take a sandbox's address back. It cools until `now_ns` + cooldown.

        A sandbox that ipamd migrated from the container runtime (network `_migrated-from-cri`) is found under its real key. Entries in
        quarantine that name the sandbox are released, since it is gone. If the sandbox held no address, the returned assignment has the
        address that such an entry names. If that address is in no CIDR, the assignment has no ENI (`eni_id` empty, `device_number` -1).

        Raises:
            UnknownKey: the sandbox has no address. ipamd's callers treat that as success.
            JournalError: the journal can't be written. Nothing has changed, except that entries in quarantine may already be released.

        Complexity: O(1), amortised.
        """
        if self._is_plain and type(key) is SandboxKey:
            try:
                return self._pool_unassign(key, now_ns)
            except (PoolLocked, UnknownKey):
                pass  # tried again below
        with self._lock:
            return self._recovery.unassign(key, now_ns)

    def unassign_many(self, keys: Iterable[SandboxKey], now_ns: int) -> tuple[Assignment, ...]:
        """Take sandboxes' addresses back, all or none, with a single journal write; otherwise like `unassign`.

        Raises:
            UnknownKey: one of the sandboxes has no address, or is named twice.

        Complexity: O(sandboxes), amortised.
        """
        wanted = list(keys)
        with self._lock:
            return self._sandboxes.unassign_many(wanted, now_ns)

    def assign_at(self, key: SandboxKey, address: str, now_ns: int, pod: PodRef | None = None) -> Assignment:
        """Give a sandbox a particular address, for example after a restart. Its CIDR can be of the other mode or on an excluded ENI.

        Raises:
            AlreadyAssigned: another sandbox holds it, or this sandbox holds another address.
            CoolingDown: it still cools.
            NotInPool: it is in no CIDR of the datastore.
            InvalidAddress: it is not an address of the datastore's IP version.
            InQuarantine: a journal entry about the sandbox or the address is undecided.
            JournalError: the journal can't be written; nothing has changed.

        Complexity: O(log CIDRs).
        """
        wanted = parse_address(address, self.mode.version)
        with self._lock:
            return self._sandboxes.assign_at(key, wanted, now_ns, pod)

    def assignment_of(self, key: SandboxKey) -> Assignment | None:
        """Return the assignment of a sandbox, None if it has none. Complexity: O(1)."""
        with self._lock:
            return self._sandboxes.assignment_of(key)

    def key_of(self, address: str) -> SandboxKey | None:
        """Return the sandbox that holds an address, None if none does. Complexity: O(log CIDRs)."""
        wanted = parse_address(address, self.mode.version)
        with self._lock:
            key = self._pool.key_of(wanted)
        return None if isinstance(key, Withheld) else key

    def pod_of(self, key: SandboxKey) -> PodRef | None:
        """Return the pod that a sandbox was assigned for, None if unknown. Complexity: O(1)."""
        with self._lock:
            return self._sandboxes.pod(key)

    def assignments(self) -> Iterator[tuple[SandboxKey, Assignment]]:
        """Iterate over the sandboxes and their assignments at the time of the call, ascending by address."""
        with self._lock:
            return iter(self._sandboxes.assignments())

    def sole_pool(self) -> AddressPool[SandboxKey]:
        """Return the pool itself, for a single owner that assigns and unassigns there. That saves a simulation one call for each.

        The datastore sees the changes. The owner must pass valid keys, leave the pool's blocks, entries and notes alone, and keep other
        threads from calling the datastore meanwhile.

        Raises:
            DatastoreError: the datastore has a journal or `on_event`, which would miss the owner's changes, or addresses in quarantine.
        """
        if self._has_listeners:
            raise DatastoreError("the journal or `on_event` would miss changes made at the pool: make a datastore without them")
        if self.quarantined:
            raise DatastoreError(
                "addresses are in quarantine, and the owner of the pool could release them: decide about `quarantined` first"
            )
        return cast("AddressPool[SandboxKey]", self._pool)  # nothing is withheld

    # --- after a restart -----------------------------------------------------------------------------------------------------

    def restore(self, now_ns: int, *, gone: Iterable[SandboxKey] = (), trust_clock: bool = True) -> Restoration:
        """Restore the content of the journal. First add the ENIs and CIDRs that EC2 has.

        Sandboxes hold their addresses again, and cooldowns continue. Entries that are unreadable, contradict each other or have an address
        in no CIDR go into quarantine: they stay in the journal, and neither their sandbox nor their address is assigned. ipamd drops them.

        Args:
            now_ns: the time. If the clock was set back, no cooldown lasts longer than its whole length from now.
            gone: sandboxes that no longer run. Their addresses cool from now on. Those that the journal doesn't have are ignored.
            trust_clock: False if the clock may have been set forward. Every cooldown in the journal then starts again, even an ended one.

        Raises:
            DatastoreError: there is no journal, or sandboxes already have addresses.
            JournalError: the journal can't be read, or can't record the sandboxes that are gone. In the second case the rest is restored.

        Complexity: O(entries).
        """
        wanted = list(gone)
        for key in wanted:
            require_type("each of gone", key, SandboxKey, "give the keys of the sandboxes")
        with self._lock:
            return self._recovery.restore(now_ns, wanted, trust_clock=trust_clock)

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The journal entries that nobody has decided about, in the journal's order."""
        with self._lock:
            return self._sandboxes.quarantine.entries

    def release_quarantined(self, entry: Quarantined, now_ns: int) -> None:
        """Drop an entry: it leaves the journal, and its address cools from now on, unless another entry also names it.

        Raises:
            UnknownKey: it is not in quarantine.
            JournalError: the journal can't be written; nothing has changed.
        """
        with self._lock:
            self._recovery.release_quarantined(entry, now_ns)

    def accept_quarantined(self, entry: Quarantined, now_ns: int) -> Assignment:
        """Accept an entry: its sandbox holds its address from now on.

        Raises:
            UnknownKey: it is not in quarantine.
            DatastoreError: it doesn't name both a sandbox and an address, or another entry contradicts it; release that one first.
            NotInPool: the address is in no CIDR of the datastore.
            AlreadyAssigned: another sandbox holds the address, or this sandbox holds another address.
            CoolingDown: the address still cools.
            JournalError: the journal can't be written; nothing has changed.
        """
        with self._lock:
            return self._recovery.accept([entry], now_ns)[0]

    def accept_all_quarantined(self, now_ns: int) -> tuple[Assignment, ...]:
        """Accept every whole entry whose address is free here now, for example because its CIDR came back; the others stay in quarantine.

        An entry stays if it is not wholly readable, if another entry contradicts it, or if it is in the journal of another network card.
        It takes at most one write of the journal.

        Raises:
            JournalError: the journal can't be written; nothing has changed.
        """
        with self._lock:
            return self._recovery.accept_all(now_ns)

    # --- ENIs ----------------------------------------------------------------------------------------------------------------

    def add_eni(
        self,
        eni_id: str,
        *,
        device_number: int,
        primary: bool = False,
        trunk: bool = False,
        efa: bool = False,
        excluded: bool = False,
        subnet_id: str | None = None,
        now_ns: int,
    ) -> None:
        """Add an attached ENI, without its CIDRs.

        Args:
            eni_id: its id in EC2.
            device_number: its device index, 0 for the first of a card.
            primary: it is the node's first ENI, which is never freed.
            trunk: it carries branch ENIs. It is never freed, and its slots are never filled.
            efa: it is an EFA interface, which is never freed.
            excluded: its subnet is tagged kubernetes.io/role/cni=0; see `set_excluded`.
            subnet_id: its subnet.
            now_ns: when it was attached. It is not freed in the 60 s after that.

        Raises:
            DuplicateEni: the id or the device number is taken.
            OutOfRange: the device number is not 0 … 2**30-1.
        """
        eni = Eni(eni_id, device_number, primary, trunk, efa, excluded, subnet_id, now_ns)
        with self._lock:
            self._attached.check_new(eni)
            self._sandboxes.check_time(now_ns)
            self._attached.add_eni(eni)
            self._sandboxes.emit(EniAdded(now_ns, self.network_card, eni_id, device_number))

    def remove_eni(self, eni_id: str, *, force: bool = False, now_ns: int) -> tuple[Assignment, ...]:
        """Remove an ENI with its CIDRs.

        Set `force` if EC2 no longer has the ENI: its sandboxes are then evicted, and their addresses cool, in case the ENI comes back.
        Returns the assignments of the evicted sandboxes, ascending by address.

        Raises:
            UnknownEni: the datastore has no ENI of that id.
            EniInUse: sandboxes or addresses in quarantine are on it, and `force` is not set.
            JournalError: the journal can't be written; nothing has changed.
        """
        with self._lock:
            eni = self._attached.eni(eni_id)
            evicted = self._sandboxes.remove_cidrs(eni, sorted(eni.cidrs), now_ns, force=force, refusal=EniInUse, what=eni_id)
            self._attached.remove_eni(eni)
            self._sandboxes.emit(EniRemoved(now_ns, self.network_card, eni_id, force, len(evicted)))
        return evicted

    def set_excluded(self, eni_id: str, *, excluded: bool) -> None:
        """Stop or resume taking new addresses from an ENI (kubernetes.io/role/cni=0 on its subnet). Its pods stay.

        Raises:
            UnknownEni: the datastore has no ENI of that id.
        """
        with self._lock:
            self._attached.set_excluded(self._attached.eni(eni_id), excluded=excluded)

    def set_mode(self, mode: AddressMode) -> None:
        """Choose whether new addresses come from /32s or from prefixes. Pods in CIDRs of the other kind stay there.

        Raises:
            DatastoreError: the change is between IPv4 and IPv6; a cluster keeps its IP family.
        """
        with self._lock:
            self._attached.set_mode(mode)

    @property
    def revision(self) -> int:
        """A number that grows with every change of the ENIs, their CIDRs, their exclusion or the mode, but not of sandboxes."""
        return self._attached.revision

    @property
    def change_count(self) -> int:
        """A number that grows with every change of the `revision`, of a sandbox's address, or of a cooldown, except when one ends."""
        return self._attached.revision + self._pool.change_count

    @property
    def sandbox_count(self) -> int:
        """The number of addresses that sandboxes hold or that are withheld in quarantine, in any CIDR. Complexity: O(1)."""
        return self._pool.assigned_count

    @property
    def journal(self) -> Journal | None:
        """The journal, None if there is none."""
        return self._journal

    @property
    def mode(self) -> AddressMode:
        """The kind of CIDR from which new addresses come."""
        return self._attached.mode

    @property
    def network_card(self) -> int:
        """The index of the card."""
        return self._attached.network_card

    @property
    def eni_ids(self) -> tuple[str, ...]:
        """The ids of the ENIs, ascending by device number."""
        with self._lock:
            return self._attached.eni_ids

    @property
    def has_trunk(self) -> bool:
        """Whether one of the ENIs is the trunk."""
        with self._lock:
            return self._attached.has_trunk

    def __contains__(self, eni_id: str) -> bool:
        """Tell whether the datastore has an ENI of that id."""
        return eni_id in self._attached.enis

    # --- CIDRs ---------------------------------------------------------------------------------------------------------------

    def add_cidr(self, eni_id: str, cidr: str, *, cooling: Iterable[Cooling] = (), quarantined: Iterable[Quarantined] = ()) -> None:
        """Add a CIDR that EC2 assigned to an ENI.

        Args:
            eni_id: the ENI.
            cidr: `10.0.1.5/32` or `10.0.1.16/28`; `2001:db8::/80` in IPv6 mode. Addresses that cooled at its removal still cool.
            cooling: as for `withhold`. Those in the CIDR cool before they can be assigned.
            quarantined: as for `withhold`. Those in the CIDR are withheld before they can be assigned.

        Raises:
            UnknownEni: the datastore has no ENI of that id.
            InvalidCidr: it is not a CIDR, is off its grid, or fits no slot.
            OverlappingCidr: an ENI already has one of its addresses. ipamd accepts this, and two pods can then share an address.
            JournalError: the journal can't record the cooldowns. The CIDR is added, and the addresses cool until the next restart.

        Complexity: O(CIDRs), whatever the size of this one.
        """
        with self._lock:
            try:
                self._sandboxes.add_cidr(self._attached.eni(eni_id), cidr, cooling, quarantined)
            finally:
                if quarantined:
                    self._note_quarantine()

    def withhold(self, cooling: Iterable[Cooling], quarantined: Iterable[Quarantined] = ()) -> None:
        """Withhold addresses that another card of the node used, if they are in a CIDR of the datastore and no sandbox holds them.

        Args:
            cooling: cooldowns on the other card; the addresses cool here too. The later of two cooldowns counts. The journal records all of
                them in one write. Addresses of the other IP version are ignored.
            quarantined: the quarantine of the other card; the addresses are withheld here too, until somebody decides here.

        Raises:
            JournalError: the journal can't record the cooldowns. The addresses cool until the next restart.
        """
        with self._lock:
            self._sandboxes.withhold(quarantined)
            self._note_quarantine()
            self._sandboxes.cool_and_record(cooling)

    def _note_quarantine(self) -> None:
        """Without a journal, an assign skips the quarantine as long as it is empty, for speed."""
        self._is_plain = self._is_plain and not self._sandboxes.quarantine.entries

    def remove_cidr(self, eni_id: str, cidr: str, *, force: bool = False, now_ns: int) -> tuple[Assignment, ...]:
        """Remove a CIDR from an ENI.

        Set `force` if EC2 no longer has the CIDR: its sandboxes are then evicted, and their addresses cool, in case the CIDR comes back.
        Returns the assignments of the evicted sandboxes, ascending by address.

        Raises:
            UnknownEni: the datastore has no ENI of that id.
            InvalidCidr: it is not a CIDR, or is off its grid.
            UnknownCidr: the ENI has no such CIDR.
            CidrInUse: sandboxes or addresses in quarantine are on it, and `force` is not set.
            JournalError: the journal can't be written; nothing has changed.
        """
        with self._lock:
            eni = self._attached.eni(eni_id)
            bases = [self._attached.cidr(eni, cidr).first]
            return self._sandboxes.remove_cidrs(eni, bases, now_ns, force=force, refusal=CidrInUse, what=f"{cidr} on {eni_id}")

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        with self._lock:
            self._sandboxes._check()  # noqa: SLF001  # a part of this object
