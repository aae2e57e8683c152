"""The protocol between a datastore and its journal, and the journal that keeps everything in memory."""

from collections.abc import Container, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

import attrs

from vpcipam.errors import JournalConflict, UnknownKey
from vpcipam.sandbox import PodRef, SandboxKey


@attrs.frozen
class Assigned:
    """A sandbox holds an address.

    Attributes:
        address: as text.
        assigned_ns: when it was assigned, Unix nanoseconds.

    Raises:
        TypeError: the key or the pod has a field that is not text. A journal stores text, so the field would come back changed.
    """

    key: SandboxKey
    address: str
    pod: PodRef | None
    assigned_ns: int

    def __attrs_post_init__(self) -> None:
        if self.pod is not None and not isinstance(self.pod, PodRef):
            raise TypeError(f"pod must be a PodRef(namespace, name), not {type(self.pod).__name__} ({self.pod!r})")
        for name in self.key if self.pod is None else (*self.key, self.pod.namespace, self.pod.name):
            if not isinstance(name, str):
                raise TypeError(f"a journal stores names as text: use str for each part of {self.key!r} and {self.pod!r}")


@attrs.frozen
class Cooling:
    """An address cools.

    Attributes:
        until_ns: the end, Unix nanoseconds, exclusive.
        released_ns: when it began to cool, None if unknown.
    """

    address: str
    until_ns: int
    released_ns: int | None = None

    def left_at(self, now_ns: int) -> "Cooling | None":
        """Return the part of the cooldown that is left at a time, None if it is over.

        If the clock was set back after the release, the cooldown starts again at `now_ns`. So it never lasts longer than its length.

        >>> Cooling("10.0.1.5", until_ns=40, released_ns=10).left_at(30)
        Cooling(address='10.0.1.5', until_ns=40, released_ns=10)
        >>> Cooling("10.0.1.5", until_ns=40, released_ns=10).left_at(3)
        Cooling(address='10.0.1.5', until_ns=33, released_ns=3)
        """
        began_ns = now_ns if self.released_ns is None else max(now_ns, self.released_ns)
        if self.until_ns <= began_ns:
            return None
        if began_ns == now_ns:
            return self
        return Cooling(self.address, now_ns + self.until_ns - began_ns, now_ns)


@attrs.frozen
class ReleasedCidr:
    """A CIDR that a node has given back to EC2. The node doesn't adopt it before `until_ns`, because EC2 can still show it.

    Attributes:
        cidr: as text.
        until_ns: the end, Unix nanoseconds, exclusive.
    """

    cidr: str
    until_ns: int


@attrs.frozen
class Problem:
    """A journal entry that is unreadable or contradicts another. It stays in the journal until it is dropped.

    Attributes:
        place: where the entry is, for example `allocation 3 (line 1, column 512)`.
        message: what is wrong with it.
        key: the sandbox that it names, if any. Until it is dropped, the journal records no address for that sandbox.
        address: the address that it names, if any. Until it is dropped, the journal records no sandbox on that address.
        text: the entry as written.
        repeats: the entry that this one repeats, None for any other problem. A repeat needs no decision: it leaves with that entry.
        assigned: the assignment that the entry records, if nothing is wrong with it except that another entry contradicts it.
    """

    place: str
    message: str
    key: SandboxKey | None
    address: str | None
    text: str
    repeats: Assigned | None = None
    assigned: Assigned | None = None


@attrs.frozen
class Restored:
    """The content of a journal.

    Attributes:
        assigned: the sandboxes that hold an address. No two sandboxes hold the same address.
        cooling: the addresses that still cool and that no sandbox holds, each with at most its whole cooldown left.
        ended: cooldowns that are over if the clock is right. If the clock was set forward, cool these addresses again.
        problems: all other entries.
        released_cidrs: the CIDRs given back last, those whose time is over included. Empty if the journal is no `CidrJournal`.
    """

    assigned: tuple[Assigned, ...]
    cooling: tuple[Cooling, ...] = ()
    ended: tuple[Cooling, ...] = ()
    problems: tuple[Problem, ...] = ()
    released_cidrs: tuple[ReleasedCidr, ...] = ()

    @classmethod
    def at(
        cls,
        now_ns: int,
        assigned: Iterable[Assigned],
        cooling: Iterable[Cooling],
        problems: Iterable[Problem] = (),
        released_cidrs: Iterable[ReleasedCidr] = (),
    ) -> Self:
        """Divide cooldowns into those that still run at a time and those that have ended."""
        left, ended = [], []
        for each in cooling:
            still = each.left_at(now_ns)
            if still is None:
                ended.append(each)
            else:
                left.append(still)
        return cls(tuple(assigned), tuple(left), tuple(ended), tuple(problems), tuple(released_cidrs))


Released = tuple[tuple[SandboxKey, Cooling], ...]
"""Sandboxes that gave an address back, each with the cooldown of that address."""


class Journal(Protocol):
    """Records the changes of a datastore before the datastore acknowledges them.

    A journal belongs to one datastore, so to one network card.

    A record is durable when the call returns. A call that raises has recorded nothing: the datastore undoes its change and raises the
    error. There is one exception: if the machine fails or the call is interrupted just after the write, the record can remain. After a
    restart, a sandbox can then hold an address that no call returned.
    """

    def record(self, assigned: tuple[Assigned, ...] = (), cooling: tuple[Cooling, ...] = (), *, dropped: tuple[Problem, ...] = ()) -> None:
        """Record changes in one write, all or none.

        Args:
            assigned: sandboxes that hold an address from now on. The address no longer cools. Recorded assignments stay unchanged.
            cooling: addresses that cool from now on because somebody else used them. The later of two cooldowns counts. An address that
                a sandbox holds is ignored.
            dropped: problems that `restore` reported and that somebody has decided about. Their entries leave the journal.

        Raises:
            JournalConflict: the sandbox holds another address, another sandbox holds the address, or a problem names either.
            UnknownKey: a dropped problem is not in the journal.
            JournalError: the journal can't be written.
        """
        ...

    def record_unassign(self, released: Released) -> None:
        """Record in one write, all or none, that sandboxes gave their addresses back and that these cool.

        Raises:
            UnknownKey: one of the sandboxes does not hold that address in the journal.
            JournalError: the journal can't be written.
        """
        ...

    def restore(self, now_ns: int) -> Restored:
        """Return the content of the journal at a time.

        Raises:
            JournalError: the journal can't be read.
        """
        ...

    def close(self) -> None:
        """Release files and locks. Closing again does nothing. A journal that is never closed loses nothing."""
        ...


@runtime_checkable
class CidrJournal(Journal, Protocol):
    """A journal that also remembers the CIDRs that a node has given back.

    Without it a node works, but a restart forgets them. A node that restarts within seconds of a give-back, while EC2 still shows the CIDR,
    then hands out addresses that can be another node's already.
    """

    def record_released_cidrs(self, released: tuple[ReleasedCidr, ...], now_ns: int) -> None:
        """Record in one write, all or none, that a node is about to give CIDRs back. The journal drops those that have ended at `now_ns`.

        Raises:
            JournalError: the journal can't be written.
        """
        ...


class Closing:
    """A journal that a `with` block closes."""

    def close(self) -> None:
        """Release files and locks; see `Journal`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class MemoryJournal(Closing):
    """A journal in memory, for tests and to see what a durable journal would contain.

    >>> journal = MemoryJournal()
    >>> journal.record((Assigned(SandboxKey("aws-cni", "c1", "eth0"), "10.0.1.5", None, 0),))
    >>> [entry.address for entry in journal.restore(now_ns=0).assigned]
    ['10.0.1.5']
    """

    def __init__(self) -> None:
        self._assigned: dict[SandboxKey, Assigned] = {}
        self._key_of: dict[str, SandboxKey] = {}
        self._cooling: dict[str, Cooling] = {}
        self._released_cidrs: dict[str, ReleasedCidr] = {}

    @property
    def assigned(self) -> tuple[Assigned, ...]:
        """The sandboxes that hold an address, in the order of assignment."""
        return tuple(self._assigned.values())

    @property
    def cooling(self) -> tuple[Cooling, ...]:
        """The last cooldown of each address that no sandbox holds, in the order of release. It can be over."""
        return tuple(self._cooling.values())

    def record(self, assigned: tuple[Assigned, ...] = (), cooling: tuple[Cooling, ...] = (), *, dropped: tuple[Problem, ...] = ()) -> None:
        """Record changes, all or none; see `Journal`. A journal in memory has no problems to drop."""
        for problem in dropped:
            raise unknown_problem(problem)
        for new in new_entries(assigned, self._assigned, self._key_of):
            self._assigned[new.key] = new
            self._key_of[new.address] = new.key
            self._cooling.pop(new.address, None)
        self._cooling.update(later_cooldowns(cooling, self._key_of, self._cooling))

    def record_unassign(self, released: Released) -> None:
        """Record, all or none, that sandboxes gave their addresses back; see `Journal`."""
        check_released(released, self._assigned)
        for key, cooling in released:
            del self._assigned[key], self._key_of[cooling.address]
            self._cooling[cooling.address] = cooling

    def record_released_cidrs(self, released: tuple[ReleasedCidr, ...], now_ns: int) -> None:
        """Record that a node is about to give CIDRs back; see `CidrJournal`."""
        self._released_cidrs = remembered_cidrs(self._released_cidrs, released, now_ns)

    def restore(self, now_ns: int) -> Restored:
        """Return the content of the journal; see `Journal`."""
        return Restored.at(now_ns, self._assigned.values(), self._cooling.values(), (), self._released_cidrs.values())


# --- checks of every journal ---------------------------------------------------------------------------------------------


def new_entries(
    assigned: Iterable[Assigned], held: Mapping[SandboxKey, Assigned], key_of: Mapping[str, SandboxKey]
) -> tuple[Assigned, ...]:
    """Return the assignments that are not recorded yet.

    Raises:
        JournalConflict: a new assignment contradicts a recorded one or another new one.
    """
    new: dict[SandboxKey, Assigned] = {}
    taken: dict[str, SandboxKey] = {}
    for each in assigned:
        earlier = held.get(each.key) or new.get(each.key)
        if earlier is None:
            holder = key_of.get(each.address) or taken.get(each.address)
            if holder is not None:
                raise address_taken(each, holder)
            new[each.key] = each
            taken[each.address] = each.key
        elif earlier.address != each.address:
            raise key_taken(each, earlier.address)
    return tuple(new.values())


def later_cooldowns(cooling: Iterable[Cooling], held: Container[str], known: Mapping[str, Cooling]) -> dict[str, Cooling]:
    """Return the cooldowns that end later than the known ones, by address, without addresses that are held."""
    later: dict[str, Cooling] = {}
    for each in cooling:
        earlier = later.get(each.address) or known.get(each.address)
        if each.address not in held and (earlier is None or earlier.until_ns < each.until_ns):
            later[each.address] = each
    return later


def remembered_cidrs(known: Mapping[str, ReleasedCidr], released: Iterable[ReleasedCidr], now_ns: int) -> dict[str, ReleasedCidr]:
    """Return the known CIDRs whose time is not over, and the newly released ones, by CIDR."""
    return {cidr: each for cidr, each in known.items() if each.until_ns > now_ns} | {each.cidr: each for each in released}


def check_released(released: Released, held: Mapping[SandboxKey, Assigned]) -> None:
    """Refuse to release an address that is not held, or one address twice."""
    seen: set[SandboxKey] = set()
    for key, cooling in released:
        entry = held.get(key)
        if entry is None or key in seen or entry.address != cooling.address:
            raise not_held(key, cooling)
        seen.add(key)


def check_undecided(new: Iterable[Assigned], problems: Iterable[Problem]) -> None:
    """Refuse to assign a sandbox or an address that a problem names.

    Raises:
        JournalConflict: a problem names one of them.
    """
    for problem in problems:
        for each in new:
            if each.key == problem.key or each.address == problem.address:
                raise JournalConflict(
                    f"{each.key} can't have {each.address}: the journal has {problem.place}, where {problem.message}. "
                    "Decide about that entry and drop it first"
                )


def key_taken(assigned: Assigned, held: str) -> JournalConflict:
    """Return the error for a sandbox that holds another address."""
    return JournalConflict(f"the journal has {held} for {assigned.key}, not {assigned.address}: call restore before the first assign")


def address_taken(assigned: Assigned, holder: SandboxKey) -> JournalConflict:
    """Return the error for an address that another sandbox holds."""
    return JournalConflict(
        f"the journal has {holder} on {assigned.address}, so {assigned.key} can't have it: call restore before the first assign"
    )


def not_held(key: SandboxKey, cooling: Cooling) -> UnknownKey:
    """Return the error for a sandbox that gives back an address that it does not hold."""
    return UnknownKey(f"the journal has no address {cooling.address} for {key}: give the journal to the datastore before the first assign")


def unknown_problem(problem: Problem) -> UnknownKey:
    """Return the error for a problem that is not in the journal."""
    return UnknownKey(f"the journal has no such entry to drop: {problem.place}, {problem.message}")
