"""The datastore: the ENIs, CIDRs and sandboxes of one network card of a node."""

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from vpcipam._enis import CoolingOnEni, Eni, cooling_by_eni, count_eni, count_pool, total_and_assigned
from vpcipam._pool_refusals import out_of_range
from vpcipam.address import AddressMode, Cidr, address_text, parse_address
from vpcipam.errors import (
    CidrInUse,
    DatastoreError,
    DuplicateEni,
    EniInUse,
    InvalidCidr,
    OverlappingBlock,
    OverlappingCidr,
    PoolExhausted,
    UnknownCidr,
    UnknownEni,
    UnknownKey,
)
from vpcipam.journal.protocol import Assigned, Cooling, Journal
from vpcipam.pool import GROUP_MAX, TIME_MAX_NS, AddressPool
from vpcipam.sandbox import PodRef, SandboxKey, check_sandbox_key
from vpcipam.stats import Assignment, EniStats, PoolStats

DEFAULT_COOLDOWN_NS = 30_000_000_000
"""ipamd's IP_COOLDOWN_PERIOD where it is not set: 30 s."""
_DEVICE_NUMBER_MAX = GROUP_MAX // 2  # an ENI takes two groups of the pool; EC2's numbers stay below 100


class Datastore:
    """The ENIs, CIDRs and sandboxes of one network card.

    It knows nothing of EC2, of targets or of the clock: it is told what is attached, and when. It is not thread-safe.

    Invariants:

    1. No address is held by two sandboxes, and no address cools while it is held.
    2. No two CIDRs overlap, on one ENI or on two.
    3. Every sandbox's address lies in a CIDR of an ENI of the datastore.
    4. Each block of the pool is a CIDR, and is open exactly if its ENI is not excluded and its size is the mode's.
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
    ) -> None:
        """Make an empty datastore.

        Args:
            mode: what new addresses come from; see `set_mode`.
            cooldown_ns: the time from a release to the address's next use, 0 or more (ipamd: IP_COOLDOWN_PERIOD).
            placement: `lowest`, `packed`, `spread` or `random` (what ipamd does), over CIDRs ranked by device number, then address.
            seed: of the random placement.
            journal: told of every assign and unassign before it is acknowledged.
            network_card: the card's index, 0 for the default one.
        """
        self._mode = mode
        self._cooldown_ns = cooldown_ns
        self._journal = journal
        self._network_card = network_card
        self._pool: AddressPool[SandboxKey] = AddressPool(cooldown_ns=cooldown_ns, placement=placement, seed=seed)
        self._enis: dict[str, Eni] = {}
        self._by_device: dict[int, Eni] = {}
        self._eni_of_block: dict[int, Eni] = {}
        self._revision = 0
        # The pool keeps an address's Assignment as its entry, and a sandbox's PodRef as its note: a change is then one call of the pool.
        # Methods are bound once, as looking one up costs a tenth of an assign.
        self._pool_assign = cast("Callable[[SandboxKey, int, PodRef | None], Assignment | None]", self._pool.assign_entry)
        self._pool_unassign = cast("Callable[[SandboxKey, int], Assignment]", self._pool.unassign_entry)
        self._assignment_kept = cast("Callable[[SandboxKey], Assignment | None]", self._pool.entry_of)

    # --- sandboxes: the hot path ---------------------------------------------------------------------------------------------

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None = None) -> Assignment:
        """Give a sandbox an address; a sandbox that has one gets the same again.

        Raises:
            PoolExhausted: every address in reach is in use or cools.
            InvalidSandboxKey: the key has no container id.

        Complexity: O(1), amortised.
        """
        if self._journal is None:
            try:
                if type(key) is SandboxKey and key.container_id:
                    return self._pool_assign(key, now_ns, pod) or self._first_assignment(key)
            except PoolExhausted:
                raise PoolExhausted(self._explain_exhausted(key)) from None
        check_sandbox_key(key)
        is_new = self._pool.address_of(key) is None
        try:
            self._pool.assign(key, now_ns)
        except PoolExhausted:
            raise PoolExhausted(self._explain_exhausted(key)) from None
        assignment = self._assignment(key)
        if is_new:
            self._acknowledge(key, assignment, now_ns, pod)
        return assignment

    def assign_many(self, wanted: Iterable[tuple[SandboxKey, PodRef | None]], now_ns: int) -> tuple[Assignment, ...]:
        """Give sandboxes addresses, all or none, and have the journal write once for them all; otherwise as `assign`.

        A journal that waits for the disk takes hardly longer for many than for one.

        Raises:
            PoolExhausted: fewer addresses are in reach than sandboxes want one.
            InvalidSandboxKey: a key has no container id.

        Complexity: O(sandboxes), amortised.
        """
        pods = dict(wanted)
        for key in pods:
            check_sandbox_key(key)
        new: list[SandboxKey] = []
        try:
            for key in pods:
                if self._pool.address_of(key) is None:
                    self._pool.assign(key, now_ns)
                    new.append(key)
            assignments = tuple(self._assignment(key) for key in pods)
            if self._journal is not None and new:
                self._journal.record_assigns(tuple(Assigned(key, self._assignment(key).address, pods[key], now_ns) for key in new))
        except BaseException as error:
            why = self._explain_exhausted(key) if isinstance(error, PoolExhausted) else None
            for given in reversed(new):
                self._pool.revoke(given)
            if why is not None:
                raise PoolExhausted(f"{why}; the {len(new)} given to others in the same call were taken back") from None
            raise
        for key in new:
            self._pool.set_note(key, pods[key])
        return assignments

    def unassign(self, key: SandboxKey, now_ns: int) -> Assignment:
        """Take a sandbox's address back; it cools until `now_ns` + cooldown.

        A key that ipamd took over from the container runtime (network `_migrated-from-cri`) is found under the sandbox's real key.

        Raises:
            UnknownKey: the sandbox has no address. ipamd's callers treat that as done.

        Complexity: O(1), amortised.
        """
        if self._journal is None:
            try:
                return self._pool_unassign(key, now_ns)
            except UnknownKey:
                pass  # rare: looked at again below
        if self._pool.address_of(key) is None:
            key = self._migrated(key)
        if self._journal is not None:
            self._record_unassign(self._journal, key, now_ns)
        return self._pool_unassign(key, now_ns)

    def unassign_many(self, keys: Iterable[SandboxKey], now_ns: int) -> tuple[Assignment, ...]:
        """Take sandboxes' addresses back, all or none, and have the journal write once for them all; otherwise as `unassign`.

        Raises:
            UnknownKey: one of the sandboxes has no address, or is named twice.

        Complexity: O(sandboxes), amortised.
        """
        held: dict[SandboxKey, int] = {}
        for key in keys:
            stored = key if self._pool.address_of(key) is not None else self._migrated(key)
            address = self._pool.address_of(stored)
            if address is None or stored in held:
                raise UnknownKey(f"{key} {'is named twice' if stored in held else 'has no address'}: none of the sandboxes was unassigned")
            held[stored] = address
        return self._evict(list(held.items()), now_ns)

    def assign_at(self, key: SandboxKey, address: str, now_ns: int, pod: PodRef | None = None) -> Assignment:
        """Give a sandbox one particular address, as after a restart; CIDRs of the other mode and of excluded ENIs serve too.

        Raises:
            AlreadyAssigned: another sandbox holds it, or this one holds another.
            CoolingDown: it was released a moment ago.
            NotInPool: it lies in no CIDR of the datastore.
            InvalidAddress: it is not an address of the datastore's IP version.

        Complexity: O(log CIDRs).
        """
        check_sandbox_key(key)
        wanted = parse_address(address, self._mode.version)
        is_new = self._pool.address_of(key) is None
        self._pool.assign_at(key, wanted, now_ns)
        assignment = self._assignment(key)
        if is_new:
            self._acknowledge(key, assignment, now_ns, pod)
        return assignment

    def assignment_of(self, key: SandboxKey) -> Assignment | None:
        """The address that a sandbox holds, None where it holds none. Complexity: O(1)."""
        return self._assignment_kept(key)

    def key_of(self, address: str) -> SandboxKey | None:
        """The sandbox that holds an address, None where none does. Complexity: O(log CIDRs)."""
        return self._pool.key_of(parse_address(address, self._mode.version))

    def pod_of(self, key: SandboxKey) -> PodRef | None:
        """The pod that a sandbox was assigned for, None where that was not said. Complexity: O(1)."""
        return cast("PodRef | None", self._pool.note_of(key))

    def assignments(self) -> Iterator[tuple[SandboxKey, Assignment]]:
        """Go through the sandboxes, ascending by address, as they are at the call."""
        return iter([(key, self._assignment(key)) for key, _address in self._pool.items()])

    def sole_pool(self) -> AddressPool[SandboxKey]:
        """Hand out the pool, for an owner to assign and unassign there: a simulation of thousands of nodes, to which a call less matters.

        What is done there is seen here as if it had been done here; a sandbox's `Assignment` is made when somebody asks for it. The owner
        sees to it that keys are valid, and leaves blocks, entries and notes alone.

        Raises:
            DatastoreError: the datastore has a journal, which would not be told.
        """
        if self._journal is not None:
            raise DatastoreError(
                "the pool of a datastore with a journal is not handed out: the journal would not be told of what is done there"
            )
        self._assignment_kept = self._assignment_asked_for
        self._pool_unassign = self._unassign_answered
        return self._pool

    def _assignment_asked_for(self, key: SandboxKey) -> Assignment | None:
        """What a sandbox holds, made where the pool has kept none; None where it holds nothing."""
        kept = cast("Assignment | None", self._pool.entry_of(key))
        return kept if kept is not None or self._pool.address_of(key) is None else self._first_assignment(key)

    def _unassign_answered(self, key: SandboxKey, now_ns: int) -> Assignment:
        """Unassign at the pool, where the answer may be yet to be made."""
        self._assignment_asked_for(key)
        return cast("Assignment", self._pool.unassign_entry(key, now_ns))

    def _assignment(self, key: SandboxKey) -> Assignment:
        """What a sandbox holds."""
        return self._assignment_kept(key) or self._first_assignment(key)

    def _first_assignment(self, key: SandboxKey) -> Assignment:
        """Make what a sandbox holds, where the pool has kept none for the address, and have it kept."""
        address = self._pool.address_of(key)
        assert address is not None, "the caller has just seen that it holds one"  # noqa: S101  # for the type checker
        base = self._pool.block_of(address)
        assert base is not None, "invariant 3: an assigned address lies in a block"  # noqa: S101  # for the type checker too
        eni = self._eni_of_block[base]
        cidr = eni.cidrs[base]
        text = address_text(address, cidr.version)
        cidr_text = f"{text}/{cidr.prefix_length}" if cidr.size == 1 else str(cidr)
        assignment = Assignment(text, eni.eni_id, eni.device_number, self._network_card, cidr_text)
        self._pool.set_entry(key, assignment)
        return assignment

    def _explain_exhausted(self, key: SandboxKey) -> str:
        counts = [total_and_assigned(eni, self._pool, self._mode) for eni in self._enis.values()]
        total, assigned = sum(total for total, _ in counts), sum(assigned for _, assigned in counts)
        cooling = f" and {total - assigned} cool down" if total > assigned else ""  # none is free, so the rest cools
        return f"no address is free for {key}: of {total} attached, {assigned} are in use{cooling}"

    def _migrated(self, key: SandboxKey) -> SandboxKey:
        """The key under which the sandbox is stored, or the given one, whose refusal then names what the caller asked for."""
        if type(key) is not SandboxKey:
            check_sandbox_key(key)
        migrated = key.migrated()
        return key if self._pool.address_of(migrated) is None else migrated

    def _acknowledge(self, key: SandboxKey, assignment: Assignment, now_ns: int, pod: PodRef | None) -> None:
        """Have the journal record what the pool has just given to a sandbox, or take it back; then keep its pod."""
        if self._journal is not None:
            try:
                self._journal.record_assign(Assigned(key, assignment.address, pod, now_ns))
            except BaseException:
                self._pool.revoke(key)
                raise
        if pod is not None:
            self._pool.set_note(key, pod)

    def _record_unassign(self, journal: Journal, key: SandboxKey, now_ns: int) -> None:
        """Have the journal record an unassign that the pool can't refuse afterwards."""
        address = self._pool.address_of(key)
        if address is not None:
            self._check_time(now_ns)
            journal.record_unassign((self._released(key, address, now_ns),))

    def _check_time(self, now_ns: int) -> None:
        """Refuse a time that the pool would refuse, before anyone is told of a change at it. Ends no cooldown: the change may yet fail."""
        if not 0 <= operator.index(now_ns) <= TIME_MAX_NS:
            raise out_of_range("now_ns", now_ns, 0, TIME_MAX_NS)

    def _released(self, key: SandboxKey, address: int, now_ns: int) -> tuple[SandboxKey, Cooling]:
        return key, Cooling(address_text(address, self._mode.version), now_ns + self._cooldown_ns, now_ns)

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
        if eni_id in self._enis:
            raise DuplicateEni(f"{eni_id} is in the datastore already")
        if device_number in self._by_device:
            holder = self._by_device[device_number].eni_id
            raise DuplicateEni(f"device number {device_number} of network card {self._network_card} is taken by {holder}")
        if not 0 <= device_number <= _DEVICE_NUMBER_MAX:
            raise out_of_range(f"the device number of {eni_id}", device_number, 0, _DEVICE_NUMBER_MAX)
        self._check_time(now_ns)
        eni = Eni(eni_id, device_number, now_ns, subnet_id)
        eni.primary, eni.trunk, eni.efa, eni.excluded = primary, trunk, efa, excluded
        self._enis[eni_id] = self._by_device[device_number] = eni
        self._revision += 1

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
            EniInUse: sandboxes are on it, and `force` is not set.
        """
        eni = self._eni(eni_id)
        held = [(key, address) for base in sorted(eni.cidrs) for key, address in self._pool.block_items(base)]
        if held and not force:
            raise EniInUse(f"{eni_id} has {len(held)} pods; force its removal if it is gone in EC2")
        evicted = self._evict(held, now_ns)
        for base in list(eni.cidrs):
            self._drop_block(eni, base, now_ns)
        del self._enis[eni_id], self._by_device[eni.device_number]
        self._revision += 1
        return evicted

    def set_excluded(self, eni_id: str, *, excluded: bool) -> None:
        """Mark an ENI as giving no new addresses, or as giving them again; its pods stay (kubernetes.io/role/cni=0 on its subnet).

        Raises:
            UnknownEni: the datastore has none of that id.
        """
        eni = self._eni(eni_id)
        eni.excluded = excluded
        self._open_or_close(eni)

    def set_mode(self, mode: AddressMode) -> None:
        """Take new addresses from single addresses or from prefixes; pods on CIDRs of the other kind stay where they are.

        Raises:
            DatastoreError: the change is one between IPv4 and IPv6; a cluster keeps its IP family for life.
        """
        if mode.version != self._mode.version:
            raise DatastoreError(f"a node can't change from {self._mode.value} to {mode.value}: a cluster keeps its IP family")
        self._mode = mode
        for eni in self._enis.values():
            self._open_or_close(eni)

    @property
    def revision(self) -> int:
        """A number that grows with every change of the ENIs, their CIDRs, what is excluded, or the mode; sandboxes don't change it."""
        return self._revision

    @property
    def sandbox_count(self) -> int:
        """The sandboxes that hold an address, whatever the CIDR. Complexity: O(1)."""
        return self._pool.assigned_count

    @property
    def mode(self) -> AddressMode:
        """What new addresses come from."""
        return self._mode

    @property
    def network_card(self) -> int:
        """The card's index."""
        return self._network_card

    @property
    def eni_ids(self) -> tuple[str, ...]:
        """The ids of the ENIs, ascending by device number."""
        return tuple(self._by_device[number].eni_id for number in sorted(self._by_device))

    @property
    def has_trunk(self) -> bool:
        """Tell whether one of the ENIs is the trunk."""
        return any(eni.trunk for eni in self._enis.values())

    def __contains__(self, eni_id: str) -> bool:
        """Tell whether the datastore has an ENI of that id."""
        return eni_id in self._enis

    def _eni(self, eni_id: str) -> Eni:
        try:
            return self._enis[eni_id]
        except KeyError:
            raise UnknownEni(f"the datastore of network card {self._network_card} has no ENI {eni_id!r}") from None

    # --- CIDRs ---------------------------------------------------------------------------------------------------------------

    def add_cidr(self, eni_id: str, cidr: str) -> None:
        """Add a CIDR that EC2 put on an ENI.

        Args:
            eni_id: the ENI.
            cidr: `10.0.1.5/32` or `10.0.1.16/28`; `2001:db8::/80` in IPv6 mode. Addresses of it that cooled when it was removed still cool.

        Raises:
            UnknownEni: the datastore has none of that id.
            InvalidCidr: it is no CIDR, lies off its grid, or fits no slot.
            OverlappingCidr: some address of it is on an ENI already. ipamd takes it, and two pods share an address.

        Complexity: O(1) in its size, O(CIDRs) in their number.
        """
        eni = self._eni(eni_id)
        parsed = self._parse_slot(cidr)
        try:
            self._pool.add_block(parsed.first, parsed.size, eni.group(prefix=parsed.size > 1))
        except OverlappingBlock:
            other_id, other = self.overlapping(cidr)[0]
            raise OverlappingCidr(f"{cidr} on {eni_id} overlaps {other} on {other_id}") from None
        eni.cidrs[parsed.first] = parsed
        self._eni_of_block[parsed.first] = eni
        self._open_or_close_block(eni, parsed)
        self._revision += 1

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
            CidrInUse: sandboxes are on it, and `force` is not set.
        """
        eni = self._eni(eni_id)
        parsed = Cidr.parse(cidr)
        if eni.cidrs.get(parsed.first) != parsed:
            raise UnknownCidr(f"{eni_id} has no CIDR {cidr}")
        held = list(self._pool.block_items(parsed.first))
        if held and not force:
            raise CidrInUse(f"{cidr} on {eni_id} has {len(held)} pods; force its removal if it is gone in EC2")
        evicted = self._evict(held, now_ns)
        self._drop_block(eni, parsed.first, now_ns)
        return evicted

    def cidrs(self, eni_id: str) -> tuple[str, ...]:
        """The CIDRs on an ENI, ascending.

        Raises:
            UnknownEni: the datastore has none of that id.
        """
        return tuple(str(cidr) for _, cidr in sorted(self._eni(eni_id).cidrs.items()))

    def overlapping(self, cidr: str) -> tuple[tuple[str, str], ...]:
        """The CIDRs that share an address with one, each as the id of its ENI and its text; ascending by device number, then address.

        Raises:
            InvalidCidr: it is no CIDR, or lies off its grid.

        Complexity: O(CIDRs), for a single address O(log CIDRs).
        """
        parsed = Cidr.parse(cidr)
        if parsed.size == 1:
            base = self._pool.block_of(parsed.first) if parsed.version == self._mode.version else None
            if base is None:
                return ()
            eni = self._eni_of_block[base]
            return ((eni.eni_id, str(eni.cidrs[base])),)
        found = (
            (eni.device_number, other, eni.eni_id) for eni in self._enis.values() for other in eni.cidrs.values() if parsed.overlaps(other)
        )
        return tuple((eni_id, str(other)) for _, other, eni_id in sorted(found, key=lambda each: (each[0], each[1].first)))

    def removable_cidrs(self, eni_id: str, now_ns: int) -> tuple[str, ...]:
        """The CIDRs on an ENI without a pod, those best given back first.

        ipamd takes them in no order. Here CIDRs that give no new addresses come first, then those where nothing cools, then the
        higher addresses: `lowest` and `packed` placement fill the lower ones.

        Raises:
            UnknownEni: the datastore has none of that id.
        """
        pool = self._pool
        cidrs = self._eni(eni_id).cidrs
        self._look_at(now_ns)
        empty = [base for base in cidrs if not pool.block_assigned_count(base)]
        empty.sort(key=lambda base: (not pool.is_closed(base), pool.block_cooling_count(base, now_ns) > 0, -base))
        return tuple(str(cidrs[base]) for base in empty)

    def _parse_slot(self, text: str) -> Cidr:
        cidr = Cidr.parse(text)
        sizes = (80,) if self._mode is AddressMode.IPV6 else (32, 28)
        if cidr.version != self._mode.version or cidr.prefix_length not in sizes:
            wanted = " or ".join(f"/{length}" for length in sizes)
            raise InvalidCidr(f"{text!r} fits no slot of an ENI: in {self._mode.value} mode that takes an IPv{self._mode.version} {wanted}")
        return cidr

    def _evict(self, held: list[tuple[SandboxKey, int]], now_ns: int) -> tuple[Assignment, ...]:
        """Journal that sandboxes lose their addresses, then unassign them."""
        self._check_time(now_ns)
        if held and self._journal is not None:
            self._journal.record_unassign(tuple(self._released(key, address, now_ns) for key, address in held))
        return tuple(self._pool_unassign(key, now_ns) for key, _ in held)

    def _drop_block(self, eni: Eni, base: int, now_ns: int) -> None:
        self._revision += 1
        del eni.cidrs[base]
        self._pool.remove_block(base, now_ns=now_ns)
        del self._eni_of_block[base]

    def _open_or_close(self, eni: Eni) -> None:
        self._revision += 1
        for cidr in eni.cidrs.values():
            self._open_or_close_block(eni, cidr)

    def _open_or_close_block(self, eni: Eni, cidr: Cidr) -> None:
        if eni.excluded or cidr.prefix_length != self._mode.prefix_length:
            self._pool.close_block(cidr.first)
        else:
            self._pool.open_block(cidr.first)

    # --- counts --------------------------------------------------------------------------------------------------------------

    def stats(self, now_ns: int) -> PoolStats:
        """Count what warm-pool decisions are made of. Complexity: O(ENIs)."""
        self._look_at(now_ns)
        return count_pool(self._enis.values(), self._pool, self._mode, now_ns)

    def cooling_count(self, now_ns: int) -> int:
        """Count the addresses that cool, in CIDRs of any mode. Complexity: O(1), amortised."""
        self._look_at(now_ns)
        return self._pool.cooling_count(now_ns)

    def eni_stats(self, now_ns: int) -> tuple[EniStats, ...]:
        """Count the same ENI by ENI, ascending by device number. Complexity: O(ENIs + cooling addresses)."""
        self._check_time(now_ns)
        cooling = cooling_by_eni(self._eni_of_block, self._pool, self._mode, now_ns)
        enis = [self._by_device[number] for number in sorted(self._by_device)]
        return tuple(count_eni(eni, self._pool, self._mode, cooling.get(eni, CoolingOnEni())) for eni in enis)

    def cooling_until(self, address: str) -> int | None:
        """When the last cooldown of an address ends, Unix nanoseconds; it may be over. None where it does not cool.

        Raises:
            InvalidAddress: it is not an address of the datastore's IP version.
        """
        return self._pool.cooling_until(parse_address(address, self._mode.version))

    def cooldowns(self, now_ns: int) -> tuple[Cooling, ...]:
        """The addresses that still cool at a time, those of CIDRs removed meanwhile too, in the order in which their cooldowns end."""
        self._check_time(now_ns)
        version = self._mode.version
        return tuple(Cooling(address_text(address, version), until) for address, until in self._pool.cooling_items() if until > now_ns)

    def cool(self, cooling: Cooling) -> None:
        """Let an address cool that someone else saw in use: after a restart, or on another card. Of two cooldowns the later counts.

        Where the journal can't keep that, its error comes through, and the address cools all the same until the next restart.

        Raises:
            AlreadyAssigned: a sandbox holds it.
            NotInPool: it lies in no CIDR of the datastore.
            InvalidAddress: it is not an address of the datastore's IP version.
        """
        address = parse_address(cooling.address, self._mode.version)
        self._pool.cool_at(address, cooling.until_ns)
        if self._journal is not None:
            text = address_text(address, self._mode.version)
            self._journal.record_cooling((Cooling(text, cooling.until_ns, cooling.released_ns),))

    def _look_at(self, now_ns: int) -> None:
        """End the cooldowns that are over, whatever ENIs there are to count; so a wrong time is refused where there is nothing to count."""
        self._pool.cooling_count(now_ns)

    def _check(self) -> None:
        """Assert the invariants, by recount. For tests."""
        self._pool._check()  # noqa: SLF001  # 1, 2: the pool's own invariants
        blocks = {base: (size, group) for base, size, group in self._pool.blocks()}
        cidrs = {cidr.first: (eni, cidr) for eni in self._enis.values() for cidr in eni.cidrs.values()}
        assert blocks.keys() == cidrs.keys() == self._eni_of_block.keys(), "invariant 4"  # noqa: S101
        for base, (eni, cidr) in cidrs.items():
            assert blocks[base] == (cidr.size, eni.group(prefix=cidr.size > 1)), "invariant 4"  # noqa: S101
            closed = eni.excluded or cidr.prefix_length != self._mode.prefix_length
            assert self._pool.is_closed(base) == closed, "invariant 4"  # noqa: S101
        held = dict(self._pool.items())
        assert len(set(held.values())) == len(held), "invariant 1"  # noqa: S101
        for key, address in held.items():
            block, kept = self._pool.block_of(address), self._assignment_kept(key)
            assert block is not None, "invariant 3"  # noqa: S101
            assert kept is not None, "invariant 3"  # noqa: S101
            eni, cidr = cidrs[block]
            assert (parse_address(kept.address, self._mode.version), kept.eni_id) == (address, eni.eni_id), "invariant 3"  # noqa: S101
            assert (kept.device_number, kept.cidr) == (eni.device_number, str(cidr)), "invariant 3"  # noqa: S101
