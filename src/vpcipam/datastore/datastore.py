"""The datastore: the ENIs, CIDRs and sandboxes of one network card of a node."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar, cast

from vpcipam._arguments import require_type
from vpcipam.address import AddressMode, Cidr, address_text, parse_address
from vpcipam.datastore.attached import Attached
from vpcipam.datastore.enis import Eni
from vpcipam.datastore.sandboxes import Sandboxes
from vpcipam.errors import CidrInUse, DatastoreError, EniInUse, PoolExhausted, PoolLocked, UnknownKey
from vpcipam.events import CidrAdded, CidrRemoved, DatastoreEvent, EniAdded, EniRemoved, EventWarning, OnEvent
from vpcipam.journal.protocol import Cooling, Journal
from vpcipam.pool import USING_EXTENSION, AddressPool, owners_lock
from vpcipam.quarantine import Quarantined, is_withheld
from vpcipam.restoration import Restoration
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment, EniStats, PoolStats

DEFAULT_COOLDOWN_NS = 30_000_000_000
"""ipamd's IP_COOLDOWN_PERIOD where it is not set: 30 s."""

Event = TypeVar("Event")


def call_back(on_event: Callable[[Event], object], event: Event) -> None:
    """Tell of an event that has happened; a failure of who is told is not one of the change."""
    try:
        on_event(event)
    except Exception as error:  # noqa: BLE001  # whatever it is, the change is made and acknowledged
        warning = EventWarning(f"on_event raised {error!r} when told: {event}. What it was told of stands")
        try:
            warnings.warn(warning, stacklevel=2)
        except EventWarning:  # where warnings are errors; this one would say that the change was not made, and leave half of it undone
            warnings.showwarning(warning, EventWarning, __file__, 0)


class Datastore:
    """The ENIs, CIDRs and sandboxes of one network card.

    It knows nothing of EC2, of targets or of the clock: it is told what is attached, and when.

    Any thread may call it at any time. One lock serves all of it, so each call sees the others' changes whole; it is held while the call
    lasts, which with a journal includes the write, and `on_event` is called under it. Without a journal and events, an assign or unassign
    is one call of the compiled pool, which the GIL makes atomic: it takes the lock only where another thread has it.

    What a signal's handler raises (^C) leaves the lock free, wherever it comes. It may come into the middle of a change, though: of a call
    that it ended, part may be done. Who does not stop then does best to make the datastore anew.

    Invariants:

    1. No address is held by two sandboxes, and no address cools while it is held.
    2. No two CIDRs overlap, on one ENI or on two.
    3. Every sandbox's address lies in a CIDR of an ENI of the datastore.
    4. Each block of the pool is a CIDR, and is open exactly if its ENI is not excluded and its size is the mode's.
    5. No address in quarantine is given to a sandbox, nor another address to a sandbox in quarantine.
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
            mode: what new addresses come from; see `set_mode`.
            cooldown_ns: the time from a release to the address's next use, 0 or more (ipamd: IP_COOLDOWN_PERIOD).
            placement: `lowest`, `packed`, `spread` or `random` (what ipamd does), over CIDRs ranked by device number, then address.
            seed: of the random placement.
            journal: told of every assign and unassign before it is acknowledged; see `restore` for one that is not empty.
            network_card: the card's index, 0 for the default one.
            on_event: called with what has happened; see `vpcipam.events`. It has to be quick, and must not change the datastore. What it
                raises becomes an `EventWarning`.
        """
        require_type("mode", mode, AddressMode, f"it is one of {', '.join(map(str, AddressMode))}")
        pool: AddressPool[SandboxKey] = AddressPool(cooldown_ns=cooldown_ns, placement=placement, seed=seed)
        self._pool = pool
        self._turn = owners_lock(pool)
        self._network_card = network_card
        self._on_event = on_event
        self._attached = Attached(pool, mode, network_card)
        self._sandboxes = Sandboxes(self._attached, journal, cooldown_ns, None if on_event is None else self._tell)
        # Nothing but the pool has to know of a change, and that makes it in one call, which no other thread comes into.
        self._has_listeners = journal is not None or on_event is not None
        self._is_plain = not self._has_listeners and USING_EXTENSION
        # Methods are bound once, as looking one up costs a tenth of an assign.
        self._pool_assign = cast("Callable[[SandboxKey, int, PodRef | None], Assignment | None]", pool.assign_entry)
        self._pool_unassign = cast("Callable[[SandboxKey, int], Assignment]", pool.unassign_entry)

    def __repr__(self) -> str:
        content = f"{len(self.eni_ids)} ENIs, {self.sandbox_count} sandboxes"
        return f"<Datastore: {content}, mode {self.mode.value}, network card {self.network_card}>"

    def _tell(self, event: DatastoreEvent) -> None:
        """Tell of an event that has happened."""
        if self._on_event is not None:
            call_back(self._on_event, event)

    # --- sandboxes: the hot path ---------------------------------------------------------------------------------------------

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None = None) -> Assignment:
        """Give a sandbox an address; a sandbox that has one gets the same again.

        Raises:
            PoolExhausted: every address in reach is in use or cools.
            InvalidSandboxKey: the key has no container id.
            InQuarantine: the journal has an entry about the sandbox that nobody has decided about.
            JournalError: the journal can't be written; nothing is changed.

        Complexity: O(1), amortised.
        """
        if self._is_plain and type(key) is SandboxKey and key.container_id:
            try:
                assignment = self._pool_assign(key, now_ns, pod)
                if assignment is not None:
                    return assignment
            except (PoolLocked, PoolExhausted):
                pass  # looked at again below
        with self._turn:
            return self._sandboxes.assign(key, now_ns, pod)

    def assign_many(self, wanted: Iterable[tuple[SandboxKey, PodRef | None]], now_ns: int) -> tuple[Assignment, ...]:
        """Give sandboxes addresses, all or none, and have the journal write once for them all; otherwise as `assign`.

        A journal that waits for the disk takes hardly longer for many than for one.

        Raises:
            PoolExhausted: fewer addresses are in reach than sandboxes want one.
            InvalidSandboxKey: a key has no container id.
            InQuarantine: the journal has an entry about one of the sandboxes that nobody has decided about.
            JournalError: the journal can't be written; nothing is changed.

        Complexity: O(sandboxes), amortised.
        """
        pods = dict(wanted)
        with self._turn:
            return self._sandboxes.assign_many(pods, now_ns)

    def unassign(self, key: SandboxKey, now_ns: int) -> Assignment:
        """Take a sandbox's address back; it cools until `now_ns` + cooldown.

        A key that ipamd took over from the container runtime (network `_migrated-from-cri`) is found under the sandbox's real key. Entries
        in quarantine that name the sandbox are over by it: who unassigns it knows that it is gone. Where none of them names an address on
        an ENI, the answer has no ENI either (`eni_id` empty, `device_number` -1).

        Raises:
            UnknownKey: the sandbox has no address. ipamd's callers treat that as done.
            JournalError: the journal can't be written; nothing is changed, but that entries in quarantine may be over already.

        Complexity: O(1), amortised.
        """
        if self._is_plain:
            try:
                return self._pool_unassign(key, now_ns)
            except (PoolLocked, UnknownKey):
                pass  # looked at again below
        with self._turn:
            return self._sandboxes.unassign(key, now_ns)

    def unassign_many(self, keys: Iterable[SandboxKey], now_ns: int) -> tuple[Assignment, ...]:
        """Take sandboxes' addresses back, all or none, and have the journal write once for them all; otherwise as `unassign`.

        Raises:
            UnknownKey: one of the sandboxes has no address, or is named twice.
            JournalError: the journal can't be written; nothing is changed.

        Complexity: O(sandboxes), amortised.
        """
        wanted = list(keys)
        with self._turn:
            return self._sandboxes.unassign_many(wanted, now_ns)

    def assign_at(self, key: SandboxKey, address: str, now_ns: int, pod: PodRef | None = None) -> Assignment:
        """Give a sandbox one particular address, as after a restart; CIDRs of the other mode and of excluded ENIs serve too.

        Raises:
            AlreadyAssigned: another sandbox holds it, or this one holds another.
            CoolingDown: it was released a moment ago.
            NotInPool: it lies in no CIDR of the datastore.
            InvalidAddress: it is not an address of the datastore's IP version.
            InQuarantine: the journal has an entry about the sandbox or the address that nobody has decided about.
            JournalError: the journal can't be written; nothing is changed.

        Complexity: O(log CIDRs).
        """
        wanted = parse_address(address, self.mode.version)
        with self._turn:
            return self._sandboxes.assign_at(key, wanted, now_ns, pod)

    def assignment_of(self, key: SandboxKey) -> Assignment | None:
        """The address that a sandbox holds, None where it holds none. Complexity: O(1)."""
        with self._turn:
            return self._sandboxes.assignment_of(key)

    def key_of(self, address: str) -> SandboxKey | None:
        """The sandbox that holds an address, None where none does. Complexity: O(log CIDRs)."""
        wanted = parse_address(address, self.mode.version)
        with self._turn:
            key = self._pool.key_of(wanted)
        return None if is_withheld(key) else key

    def pod_of(self, key: SandboxKey) -> PodRef | None:
        """The pod that a sandbox was assigned for, None where that was not said. Complexity: O(1)."""
        with self._turn:
            return self._sandboxes.pod(key)

    def assignments(self) -> Iterator[tuple[SandboxKey, Assignment]]:
        """Go through the sandboxes, ascending by address, as they are at the call."""
        with self._turn:
            return iter([(key, self._sandboxes.assignment(key)) for key, _address in self._sandboxes.items()])

    def sole_pool(self) -> AddressPool[SandboxKey]:
        """Hand out the pool, for an owner to assign and unassign there: a simulation of thousands of nodes, to which a call less matters.

        What is done there is seen here as if it had been done here; a sandbox's `Assignment` is made when somebody asks for it. The owner
        sees to it that keys are valid, leaves blocks, entries and notes alone, and lets no other thread call the datastore meanwhile.

        Raises:
            DatastoreError: the datastore has a journal, or somebody wants to know its events: they would not be told.
        """
        if self._has_listeners:
            raise DatastoreError(
                "the pool is not handed out: the datastore's journal or `on_event` would not be told of what is done there"
            )
        return self._pool

    # --- after a restart -----------------------------------------------------------------------------------------------------

    def restore(self, now_ns: int, *, gone: Iterable[SandboxKey] = (), trust_clock: bool = True) -> Restoration:
        """Take back what the journal holds, once the ENIs and CIDRs are added that EC2 has.

        Sandboxes are on their addresses again, and addresses that cooled go on cooling. What can't be taken as it stands, or lies in no
        CIDR, is in quarantine: it stays in the journal, and neither its sandbox nor its address is given anything else. ipamd drops it.

        Args:
            now_ns: the time. Where the clock was put back, no cooldown lasts longer from now on than it did in all.
            gone: sandboxes that run no more, as the container runtime says; their addresses cool from now on. Others than the journal's
                don't matter.
            trust_clock: False where the clock may have been put forward: what cooled, or has ended since by that clock, then cools anew.

        Raises:
            DatastoreError: there is no journal, or sandboxes have addresses already.
            JournalError: the journal can't be read, or not be told of what is gone; in that case the others are back.

        Complexity: O(entries).
        """
        wanted = list(gone)
        with self._turn:
            return self._sandboxes.restore(now_ns, wanted, trust_clock=trust_clock)

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The entries of the journal that nobody has decided about, in the order in which it has them."""
        with self._turn:
            return self._sandboxes.quarantine.entries

    def release_quarantined(self, entry: Quarantined, now_ns: int) -> None:
        """Decide that an entry is over: it leaves the journal, and its address cools from now on, unless another entry names it too.

        Raises:
            UnknownKey: it is not in quarantine.
            JournalError: the journal can't be written; nothing is changed.
        """
        with self._turn:
            self._sandboxes.release_quarantined(entry, now_ns)

    def accept_quarantined(self, entry: Quarantined, now_ns: int) -> Assignment:
        """Decide that an entry is right: its sandbox holds its address from now on.

        Raises:
            UnknownKey: it is not in quarantine.
            DatastoreError: it doesn't name both, or another entry contradicts it: release that first.
            NotInPool: the address lies in no CIDR of the datastore.
            AlreadyAssigned: another sandbox holds the address, or this one holds another.
            CoolingDown: the address was seen in use a moment ago.
            JournalError: the journal can't be written; nothing is changed.
        """
        with self._turn:
            return self._sandboxes.accept_quarantined(entry, now_ns)

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
        """Add an ENI that is attached to the card, without addresses yet.

        Args:
            eni_id: EC2's id of it.
            device_number: its device index, 0 for a card's first.
            primary: it is the node's first, which is never freed.
            trunk: it carries branch ENIs, so it is never freed and its slots are never filled.
            efa: it is an EFA interface, so it is never freed.
            excluded: its subnet is tagged kubernetes.io/role/cni=0; see `set_excluded`.
            subnet_id: the subnet that it lies in.
            now_ns: when it was attached; it is not freed within 60 s of that.

        Raises:
            DuplicateEni: the id or the device number is taken.
            OutOfRange: the device number is negative or absurdly high.
        """
        eni = Eni(eni_id, device_number, now_ns, subnet_id)
        eni.primary, eni.trunk, eni.efa, eni.excluded = primary, trunk, efa, excluded
        with self._turn:
            self._attached.check_new(eni)
            self._sandboxes.check_time(now_ns)
            self._attached.add_eni(eni)
            self._tell(EniAdded(now_ns, self._network_card, eni_id, device_number))

    def remove_eni(self, eni_id: str, *, force: bool = False, now_ns: int) -> tuple[Assignment, ...]:
        """Remove an ENI with its CIDRs.

        Args:
            eni_id: which.
            force: the ENI is gone in EC2, so evict the sandboxes on it. Their addresses cool from `now_ns`, should they come back.
            now_ns: the time.

        Returns:
            What the evicted sandboxes held, ascending by address.

        Raises:
            UnknownEni: the datastore has none of that id.
            EniInUse: sandboxes, or addresses in quarantine, are on it, and `force` is not set.
            JournalError: the journal can't be written; nothing is changed.
        """
        with self._turn:
            eni = self._attached.eni(eni_id)
            bases = sorted(eni.cidrs)
            if not force:
                self._check_unused(EniInUse, eni_id, bases)
            evicted = self._evict(bases, now_ns)
            for base in bases:
                self._drop_cidr(eni, base, now_ns, forced=force)
            self._attached.remove_eni(eni)
            self._tell(EniRemoved(now_ns, self._network_card, eni_id, force, len(evicted)))
        return evicted

    def set_excluded(self, eni_id: str, *, excluded: bool) -> None:
        """Mark an ENI as giving no new addresses, or as giving them again; its pods stay (kubernetes.io/role/cni=0 on its subnet).

        Raises:
            UnknownEni: the datastore has none of that id.
        """
        with self._turn:
            self._attached.set_excluded(self._attached.eni(eni_id), excluded=excluded)

    def set_mode(self, mode: AddressMode) -> None:
        """Take new addresses from single addresses or from prefixes; pods on CIDRs of the other kind stay where they are.

        Raises:
            DatastoreError: the change is one between IPv4 and IPv6; a cluster keeps its IP family for life.
        """
        with self._turn:
            self._attached.set_mode(mode)

    @property
    def revision(self) -> int:
        """A number that grows with every change of the ENIs, their CIDRs, what is excluded, or the mode; sandboxes don't change it."""
        return self._attached.revision

    @property
    def sandbox_count(self) -> int:
        """The sandboxes that hold an address, whatever the CIDR; addresses withheld in quarantine count too. Complexity: O(1)."""
        return self._pool.assigned_count

    @property
    def mode(self) -> AddressMode:
        """What new addresses come from."""
        return self._attached.mode

    @property
    def network_card(self) -> int:
        """The card's index."""
        return self._network_card

    @property
    def eni_ids(self) -> tuple[str, ...]:
        """The ids of the ENIs, ascending by device number."""
        with self._turn:
            return tuple(eni.eni_id for eni in self._attached.in_order())

    @property
    def has_trunk(self) -> bool:
        """Tell whether one of the ENIs is the trunk."""
        with self._turn:
            return any(eni.trunk for eni in self._attached.enis.values())

    def __contains__(self, eni_id: str) -> bool:
        """Tell whether the datastore has an ENI of that id."""
        return eni_id in self._attached.enis

    # --- CIDRs ---------------------------------------------------------------------------------------------------------------

    def add_cidr(self, eni_id: str, cidr: str, *, cooling: Iterable[Cooling] = (), quarantined: Iterable[Quarantined] = ()) -> None:
        """Add a CIDR that EC2 put on an ENI.

        Args:
            eni_id: the ENI.
            cidr: `10.0.1.5/32` or `10.0.1.16/28`; `2001:db8::/80` in IPv6 mode. Addresses of it that cooled when it was removed still cool.
            cooling: what somebody else saw in use, see `withhold`; of it, what lies in the CIDR cools before anyone can be given it.
            quarantined: what another card has in quarantine; of it, what lies in the CIDR is withheld likewise.

        Raises:
            UnknownEni: the datastore has none of that id.
            InvalidCidr: it is no CIDR, lies off its grid, or fits no slot.
            OverlappingCidr: some address of it is on an ENI already. ipamd takes it, and two pods share an address.
            JournalError: the journal can't keep what cools; the CIDR is added, and they cool all the same until the next restart.

        Complexity: O(1) in its size, O(CIDRs) in their number.
        """
        with self._turn:
            added = self._attached.add_cidr(self._attached.eni(eni_id), cidr)
            try:
                self._sandboxes.cidr_added(added, cooling, quarantined)
            finally:
                self._tell(CidrAdded(self._network_card, eni_id, str(added)))

    def remove_cidr(self, eni_id: str, cidr: str, *, force: bool = False, now_ns: int) -> tuple[Assignment, ...]:
        """Remove a CIDR from an ENI.

        Args:
            eni_id: the ENI.
            cidr: as it was added.
            force: the CIDR is gone in EC2, so evict the sandboxes on it. Their addresses cool from `now_ns`, should they come back.
            now_ns: the time.

        Returns:
            What the evicted sandboxes held, ascending by address.

        Raises:
            UnknownEni: the datastore has none of that id.
            InvalidCidr: it is no CIDR, or lies off its grid.
            UnknownCidr: the ENI has no such CIDR.
            CidrInUse: sandboxes, or addresses in quarantine, are on it, and `force` is not set.
            JournalError: the journal can't be written; nothing is changed.
        """
        with self._turn:
            eni = self._attached.eni(eni_id)
            base = self._attached.cidr(eni, cidr).first
            if not force:
                self._check_unused(CidrInUse, f"{cidr} on {eni_id}", [base])
            evicted = self._evict([base], now_ns)
            self._drop_cidr(eni, base, now_ns, forced=force)
        return evicted

    def cidrs(self, eni_id: str) -> tuple[str, ...]:
        """The CIDRs on an ENI, ascending.

        Raises:
            UnknownEni: the datastore has none of that id.
        """
        with self._turn:
            return tuple(str(cidr) for _, cidr in sorted(self._attached.eni(eni_id).cidrs.items()))

    def overlapping(self, cidr: str) -> tuple[tuple[str, str], ...]:
        """The CIDRs that share an address with one, each as the id of its ENI and its text; ascending by device number, then address.

        Raises:
            InvalidCidr: it is no CIDR, or lies off its grid.

        Complexity: O(CIDRs), for a single address O(log CIDRs).
        """
        parsed = Cidr.parse(cidr)
        with self._turn:
            return self._attached.overlapping(parsed)

    def removable_cidrs(self, eni_id: str, now_ns: int) -> tuple[str, ...]:
        """The CIDRs on an ENI without a pod, those best given back first.

        ipamd takes them in no order. Here CIDRs that give no new addresses come first, then those where nothing cools, then the
        higher addresses: `lowest` and `packed` placement fill the lower ones.

        Raises:
            UnknownEni: the datastore has none of that id.
        """
        with self._turn:
            eni = self._attached.eni(eni_id)
            self._look_at(now_ns)
            return self._attached.removable_cidrs(eni, now_ns)

    def _check_unused(self, error: type[CidrInUse | EniInUse], what: str, bases: Iterable[int]) -> None:
        keys = [key for base in bases for key, _ in self._pool.block_items(base)]
        withheld_count = sum(map(is_withheld, keys))
        if withheld_count:
            raise error(
                f"{what} has {withheld_count} addresses in quarantine: decide about them, or force its removal if it is gone in EC2"
            )
        if keys:
            raise error(f"{what} has {len(keys)} pods; force its removal if it is gone in EC2")

    def _evict(self, bases: Iterable[int], now_ns: int) -> tuple[Assignment, ...]:
        """Journal that sandboxes lose their addresses, then unassign them."""
        return self._sandboxes.let_go([held for base in bases for held in self._sandboxes.in_block(base)], now_ns, evicted=True)

    def _drop_cidr(self, eni: Eni, base: int, now_ns: int, *, forced: bool) -> None:
        cidr = eni.cidrs[base]
        self._sandboxes.quarantine.let_go_of_block(base)
        self._attached.remove_cidr(eni, base, now_ns)
        self._tell(CidrRemoved(now_ns, self._network_card, eni.eni_id, str(cidr), forced))

    # --- counts --------------------------------------------------------------------------------------------------------------

    def stats(self, now_ns: int) -> PoolStats:
        """Count what warm-pool decisions are made of. Complexity: O(ENIs)."""
        with self._turn:
            self._look_at(now_ns)
            return self._attached.stats(now_ns)

    def cooling_count(self, now_ns: int) -> int:
        """Count the addresses that cool, in CIDRs of any mode. Complexity: O(1), amortised."""
        with self._turn:
            return self._pool.cooling_count(now_ns)

    def eni_stats(self, now_ns: int) -> tuple[EniStats, ...]:
        """Count the same ENI by ENI, ascending by device number. Complexity: O(ENIs + cooling addresses)."""
        self._sandboxes.check_time(now_ns)
        with self._turn:
            return self._attached.eni_stats(now_ns)

    def cooling_until(self, address: str) -> int | None:
        """When the last cooldown of an address ends, Unix nanoseconds; it may be over. None where it does not cool.

        Raises:
            InvalidAddress: it is not an address of the datastore's IP version.
        """
        wanted = parse_address(address, self.mode.version)
        with self._turn:
            return self._pool.cooling_until(wanted)

    def cooldowns(self, now_ns: int) -> tuple[Cooling, ...]:
        """The addresses that still cool at a time, those that lie in no CIDR too, in the order in which their cooldowns end."""
        self._sandboxes.check_time(now_ns)
        version = self.mode.version
        with self._turn:
            items = self._sandboxes.cooldowns(now_ns)
        return tuple(Cooling(address_text(address, version), until) for address, until in items)

    def withhold(self, cooling: Iterable[Cooling], quarantined: Iterable[Quarantined] = ()) -> None:
        """Withhold addresses that another card of the node saw in use, if they lie in a CIDR of the datastore and no sandbox holds them.

        Args:
            cooling: addresses to cool here too; of two cooldowns the later counts. The journal records all in one write. Addresses of the
                other IP version are ignored.
            quarantined: entries in quarantine on the other card; they are in quarantine here too.

        Raises:
            JournalError: the journal can't record the cooldowns; the addresses cool anyway, until the next restart.
        """
        with self._turn:
            self._sandboxes.withhold(quarantined)
            self._sandboxes.take_over(cooling)

    def _look_at(self, now_ns: int) -> None:
        """End the cooldowns that are over, whatever ENIs there are to count; so a wrong time is refused where there is nothing to count."""
        self._pool.cooling_count(now_ns)

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        with self._turn:
            self._sandboxes._check()  # noqa: SLF001  # the same object in two parts
