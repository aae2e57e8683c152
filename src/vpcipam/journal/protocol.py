"""The protocol between a datastore and its journal, and the journal that keeps all in memory."""

from collections.abc import Container, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self

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
        TypeError: the sandbox or the pod is named by something else than texts, which would come back as texts, and so as others.
    """

    key: SandboxKey
    address: str
    pod: PodRef | None
    assigned_ns: int

    def __attrs_post_init__(self) -> None:
        if self.pod is not None and not isinstance(self.pod, PodRef):
            raise TypeError(f"a pod is named by a PodRef(namespace, name), not by {type(self.pod).__name__} ({self.pod!r})")
        for name in self.key if self.pod is None else (*self.key, self.pod.namespace, self.pod.name):
            if not isinstance(name, str):
                raise TypeError(f"a journal names sandboxes and pods by texts, which {self.key!r} for {self.pod!r} does not")


@attrs.frozen
class Cooling:
    """An address cools until the given time, Unix nanoseconds, exclusive.

    Attributes:
        released_ns: when it began to cool, None where that is not known.
    """

    address: str
    until_ns: int
    released_ns: int | None = None

    def left_at(self, now_ns: int) -> "Cooling | None":
        """What is left of it by a clock that may have been put back since: no more than the whole of it. None where nothing is left.

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
class Problem:
    """An entry of a journal that can't be taken as it stands. It stays in the journal until somebody strikes it out.

    Attributes:
        place: where it stands, `allocation 3 (line 1, column 512)`.
        message: what is wrong with it.
        key: the sandbox that it names, None where it names none. The journal records no address for it meanwhile.
        address: the address to withhold meanwhile, None where there is none. The journal records no sandbox on it.
        text: the entry as it stands.
        repeats: the entry that it only says again, None for any other problem. There is nothing to decide: it leaves the journal with that.
    """

    place: str
    message: str
    key: SandboxKey | None
    address: str | None
    text: str
    repeats: Assigned | None = None


@attrs.frozen
class Restored:
    """What a journal holds.

    Attributes:
        assigned: the sandboxes that hold an address; no two of them one address.
        cooling: the addresses that still cool, with no more left than the whole of their cooldown; none that a sandbox holds.
        ended: cooldowns whose time is over, if the clock is right: should it have been put forward meanwhile, let them cool again.
        problems: entries that are in none of these. Nobody guesses what they mean.
    """

    assigned: tuple[Assigned, ...]
    cooling: tuple[Cooling, ...] = ()
    ended: tuple[Cooling, ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def at(cls, now_ns: int, assigned: Iterable[Assigned], cooling: Iterable[Cooling], problems: Iterable[Problem] = ()) -> Self:
        """Sort cooldowns by what is left of them at a time."""
        left, ended = [], []
        for each in cooling:
            still = each.left_at(now_ns)
            if still is None:
                ended.append(each)
            else:
                left.append(still)
        return cls(tuple(assigned), tuple(left), tuple(ended), tuple(problems))


Released = tuple[tuple[SandboxKey, Cooling], ...]


class Journal(Protocol):
    """Where a datastore writes what it is about to acknowledge.

    A record is durable when the call returns. A call that raises has recorded nothing: the datastore then undoes its change and lets the
    error through. Only where the machine fails in the very moment after the write, or an interrupt strikes there, may the record have
    been kept all the same; after a restart, a sandbox that was never told of its address then holds it.

    A journal belongs to one datastore, so to one network card.
    """

    def record_assign(self, assigned: Assigned) -> None:
        """Keep that a sandbox holds an address from now on, and that the address cools no more. What is recorded already stays as it is.

        Raises:
            JournalConflict: the sandbox holds another address, or another sandbox holds this one.
            JournalError: it can't be written.
        """
        ...

    def record_assigns(self, assigned: tuple[Assigned, ...]) -> None:
        """Keep, all or none, that sandboxes hold addresses: one write for them all.

        Raises:
            JournalConflict: one of the sandboxes holds another address, or another sandbox holds one of these.
            JournalError: it can't be written.
        """
        ...

    def record_unassign(self, released: Released) -> None:
        """Keep, all or none, that sandboxes gave their addresses back and that these cool: one write for them all.

        Raises:
            UnknownKey: one of them does not hold that address here.
            JournalError: it can't be written.
        """
        ...

    def record_cooling(self, cooling: tuple[Cooling, ...]) -> None:
        """Keep, all or none, that addresses cool which somebody else saw in use; not those held here. Of two cooldowns the later counts.

        Raises:
            JournalError: it can't be written.
        """
        ...

    def restore(self, now_ns: int) -> Restored:
        """Say what the journal holds.

        Raises:
            JournalError: it can't be read.
        """
        ...

    def strike_out(self, problems: Iterable[Problem], *, assigned: tuple[Assigned, ...] = (), cooling: tuple[Cooling, ...] = ()) -> None:
        """Take entries out that `restore` reported, all or none: somebody has decided about them.

        Args:
            problems: the entries.
            assigned: what is right about them instead, recorded in the same write as by `record_assigns`.
            cooling: addresses that cool by the decision, recorded in the same write as by `record_cooling`.

        Raises:
            UnknownKey: one of them is not in the journal, or was struck out already.
            JournalConflict: what is recorded instead contradicts what else the journal has.
            JournalError: it can't be written.
        """
        ...

    def close(self) -> None:
        """Let go of files and locks; a journal that is closed may be closed again. Nothing is lost without it."""
        ...


class MemoryJournal:
    """A journal that lives as long as its process: for tests, and to look at what a durable one would hold.

    >>> journal = MemoryJournal()
    >>> journal.record_assign(Assigned(SandboxKey("aws-cni", "c1", "eth0"), "10.0.1.5", None, 0))
    >>> [entry.address for entry in journal.restore(now_ns=0).assigned]
    ['10.0.1.5']
    """

    def __init__(self) -> None:
        self._assigned: dict[SandboxKey, Assigned] = {}
        self._key_of: dict[str, SandboxKey] = {}
        self._cooling: dict[str, Cooling] = {}

    @property
    def assigned(self) -> tuple[Assigned, ...]:
        """The sandboxes that hold an address, in the order of their assignment."""
        return tuple(self._assigned.values())

    @property
    def cooling(self) -> tuple[Cooling, ...]:
        """The last cooldown of each address that no sandbox holds, in the order of their release; it may be over."""
        return tuple(self._cooling.values())

    def record_assign(self, assigned: Assigned) -> None:
        """Keep that a sandbox holds an address from now on; see `Journal`."""
        self.record_assigns((assigned,))

    def record_assigns(self, assigned: tuple[Assigned, ...]) -> None:
        """Keep, all or none, that sandboxes hold addresses; see `Journal`."""
        for new in new_entries(assigned, self._assigned, self._key_of):
            self._assigned[new.key] = new
            self._key_of[new.address] = new.key
            self._cooling.pop(new.address, None)

    def record_unassign(self, released: Released) -> None:
        """Keep, all or none, that sandboxes gave their addresses back and that these cool; see `Journal`."""
        check_released(released, self._assigned)
        for key, cooling in released:
            del self._assigned[key], self._key_of[cooling.address]
            self._cooling[cooling.address] = cooling

    def record_cooling(self, cooling: tuple[Cooling, ...]) -> None:
        """Keep, all or none, that addresses cool which somebody else saw in use; see `Journal`."""
        self._cooling.update(later_cooldowns(cooling, self._key_of, self._cooling))

    def restore(self, now_ns: int) -> Restored:
        """Say what the journal holds."""
        return Restored.at(now_ns, self._assigned.values(), self._cooling.values())

    def strike_out(self, problems: Iterable[Problem], *, assigned: tuple[Assigned, ...] = (), cooling: tuple[Cooling, ...] = ()) -> None:
        """Refuse to take out what was never in: there are no problems in memory. The rest is recorded; see `Journal`."""
        for problem in problems:
            raise unknown_problem(problem)
        self.record_assigns(assigned)
        self.record_cooling(cooling)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


# --- what all journals refuse --------------------------------------------------------------------------------------------


def new_entries(
    assigned: Iterable[Assigned], held: Mapping[SandboxKey, Assigned], key_of: Mapping[str, SandboxKey]
) -> tuple[Assigned, ...]:
    """Pick out what is not recorded yet.

    Raises:
        JournalConflict: it contradicts what is recorded, or itself.
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


def later_cooldowns(cooling: Iterable[Cooling], key_of: Container[str], known: Mapping[str, Cooling]) -> dict[str, Cooling]:
    """Pick out what cools longer than is known, by address; not what is held."""
    later: dict[str, Cooling] = {}
    for each in cooling:
        earlier = later.get(each.address) or known.get(each.address)
        if each.address not in key_of and (earlier is None or earlier.until_ns < each.until_ns):
            later[each.address] = each
    return later


def check_released(released: Released, held: Mapping[SandboxKey, Assigned]) -> None:
    """Refuse a release of what is not held, or of the same twice."""
    seen: set[SandboxKey] = set()
    for key, cooling in released:
        entry = held.get(key)
        if entry is None or key in seen or entry.address != cooling.address:
            raise not_held(key, cooling)
        seen.add(key)


def check_undecided(new: Iterable[Assigned], problems: Iterable[Problem]) -> None:
    """Refuse to give a sandbox or an address away that an entry names which nobody has decided about.

    Raises:
        JournalConflict: an entry names one of them.
    """
    for problem in problems:
        for each in new:
            if each.key == problem.key or each.address == problem.address:
                where = f"while the journal has {problem.place}, where {problem.message}"
                raise JournalConflict(f"{each.key} can't have {each.address} {where}: decide about that and strike it out")


def key_taken(assigned: Assigned, held: str) -> JournalConflict:
    """Say that a sandbox holds another address."""
    return JournalConflict(f"the journal has {held} for {assigned.key}, not {assigned.address}: put restored sandboxes back before others")


def address_taken(assigned: Assigned, holder: SandboxKey) -> JournalConflict:
    """Say that another sandbox holds an address."""
    return JournalConflict(
        f"the journal has {holder} on {assigned.address}, so {assigned.key} can't have it: put restored sandboxes back before others"
    )


def not_held(key: SandboxKey, cooling: Cooling) -> UnknownKey:
    """Say that a sandbox does not hold what it gives back."""
    return UnknownKey(
        f"the journal knows of no address {cooling.address} of {key}: was it attached to the datastore before the first assign?"
    )


def unknown_problem(problem: Problem) -> UnknownKey:
    """Say that an entry is not there to be struck out."""
    return UnknownKey(f"the journal has no such entry to strike out: {problem.place}, {problem.message}")
