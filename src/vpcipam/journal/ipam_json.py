"""The journal that is ipamd's own checkpoint: upstream can start from it, and it from upstream's."""

from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs

from vpcipam.errors import JournalCorrupt, JournalFormatError
from vpcipam.journal.checkpoint import (
    CHECKPOINT_VERSION,
    COOLDOWNS_VERSION,
    Document,
    allocation_text,
    cooldown_text,
    read_allocations,
    read_cooldowns,
    read_document,
    write_document,
)
from vpcipam.journal.files import Files, replace, translated
from vpcipam.journal.lock import ProcessLock
from vpcipam.journal.protocol import (
    Assigned,
    Cooling,
    Problem,
    Released,
    Restored,
    check_released,
    check_undecided,
    later_cooldowns,
    new_entries,
    unknown_problem,
)
from vpcipam.sandbox import SandboxKey


@attrs.frozen
class _State:
    """What was recorded. It is replaced as a whole, once the files have it.

    Attributes:
        assigned: with the text of each allocation: fields that only upstream knows are found there again by upstream.
        cooling: of addresses that no sandbox holds; some may be over.
        problems: with the text of each.
        others: members of the checkpoint that are not known here, with their texts.
        key_of: the sandbox of each address.
    """

    assigned: Mapping[SandboxKey, tuple[Assigned, str]]
    cooling: Mapping[str, Cooling]
    problems: Mapping[Problem, str]
    others: Mapping[str, str]
    key_of: Mapping[str, SandboxKey] = attrs.field(
        init=False, default=attrs.Factory(lambda self: {entry.address: key for key, (entry, _) in self.assigned.items()}, takes_self=True)
    )

    @property
    def entries(self) -> dict[SandboxKey, Assigned]:
        """The sandboxes that hold an address."""
        return {key: entry for key, (entry, _) in self.assigned.items()}

    def restored(self, now_ns: int) -> Restored:
        """What it is to a datastore."""
        return Restored.at(now_ns, self.entries.values(), self.cooling.values(), self.problems)


class IpamJsonFile:
    """A journal in the format of ipamd's `ipam.json` (`vpc-cni-ipam/1`), which is written whole on every change.

    What upstream's format has no place for, the cooldowns, is in a file beside it (`ipam.cooldown.json`), which upstream does not look at.
    It is written first: after a crash between the two, a sandbox still holds its address, and that counts.

    Any thread may call it at any time; one call follows the other. Only one process can have it open (`ipam.json.lock`).

    Allocations come in the order of their assignment; upstream writes them in no order.
    """

    def __init__(self, path: Path | str, *, interfaces_count: int = 1, files: Files | None = None) -> None:
        """Open a checkpoint; where there is none, nothing is assigned.

        Args:
            path: of the checkpoint; upstream's is /var/run/aws-node/ipam.json.
            interfaces_count: what new allocations say of the pod's interfaces; 0 leaves it out, as releases before v1.20 did.
            files: what does the reading and writing, for tests.

        Raises:
            JournalLocked: another process has it open.
            JournalCorrupt: it can't be read whole; the message says how to get at what can.
            JournalFormatError: it is of another version.
            JournalError: the file system refuses.
        """
        self.path = Path(path)
        self._interfaces_count = interfaces_count
        self._files = files or Files()
        self._lock = ProcessLock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            self._state, cooling = _read(self.path, self._files, salvage=False)
        except BaseException:
            self._lock.release()
            raise
        self._cooling_written: Mapping[str, Cooling] | None = cooling

    @classmethod
    def salvage(cls, path: Path | str, now_ns: int, *, files: Files | None = None) -> Restored:
        """Read what is whole of a checkpoint that is not. It changes nothing, and minds no lock.

        To go on with it: move the broken file away, open a new journal, and record there what this returns. What is lost are sandboxes
        that run, so ask the container runtime for theirs first: their addresses would go to others.
        """
        state, _ = _read(Path(path), files or Files(), salvage=True)
        return state.restored(now_ns)

    def record_assign(self, assigned: Assigned) -> None:
        """Keep that a sandbox holds an address from now on; see `Journal`."""
        self.record_assigns((assigned,))

    def record_assigns(self, assigned: tuple[Assigned, ...]) -> None:
        """Keep, all or none, that sandboxes hold addresses; see `Journal`. Complexity: O(sandboxes in the file)."""
        with self._lock.turn:
            state = self._open_state()
            new = self._with_assigned(state, assigned)
            if new is not state:
                self._write_checkpoint(new)

    def record_unassign(self, released: Released) -> None:
        """Keep, all or none, that sandboxes gave their addresses back; see `Journal`. Complexity: O(sandboxes in the file)."""
        with self._lock.turn:
            state = self._open_state()
            check_released(released, state.entries)
            if not released:
                return
            now_ns = max(each.released_ns or 0 for _, each in released)
            gone = {key for key, _ in released}
            held = {key: entry for key, entry in state.assigned.items() if key not in gone}
            cooling = {each.address: each for each in state.cooling.values() if each.left_at(now_ns)}
            cooling.update((each.address, each) for _, each in released if each.left_at(now_ns))
            problems = _without_repeats(state.problems, {(key, each.address) for key, each in released})
            self._write_cooldowns(cooling)
            self._write_checkpoint(attrs.evolve(state, assigned=held, cooling=cooling, problems=problems))

    def record_cooling(self, cooling: tuple[Cooling, ...]) -> None:
        """Keep, all or none, that addresses cool which somebody else saw in use; see `Journal`."""
        with self._lock.turn:
            state = self._open_state()
            later = later_cooldowns(cooling, state.key_of, state.cooling)
            if later:
                state = attrs.evolve(state, cooling={**state.cooling, **later})
                self._write_cooldowns(state.cooling)
                self._state = state

    def restore(self, now_ns: int) -> Restored:
        """Say what was in the files when they were opened, and what was recorded since."""
        with self._lock.turn:
            return self._open_state().restored(now_ns)

    def strike_out(self, problems: Iterable[Problem], *, assigned: tuple[Assigned, ...] = (), cooling: tuple[Cooling, ...] = ()) -> None:
        """Take entries out that `restore` reported; see `Journal`."""
        with self._lock.turn:
            state = self._open_state()
            left, struck = dict(state.problems), tuple(problems)
            for problem in struck:
                if left.pop(problem, None) is None:
                    raise unknown_problem(problem)
            if struck:
                state = attrs.evolve(state, problems=_without_repeats(left, {(each.key, each.address) for each in struck}))
            state = self._with_assigned(state, assigned)
            later = later_cooldowns(cooling, state.key_of, state.cooling)
            if later:
                state = attrs.evolve(state, cooling={**state.cooling, **later})
            if state is not self._state:
                self._write_cooldowns(state.cooling)
                self._write_checkpoint(state)

    def close(self) -> None:
        """Let another process open it; see `Journal`."""
        with self._lock.turn:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _open_state(self) -> _State:
        self._lock.require()
        return self._state

    def _with_assigned(self, state: _State, assigned: tuple[Assigned, ...]) -> _State:
        """What it is with sandboxes beside the others, the same object where it has them all."""
        new = new_entries(assigned, state.entries, state.key_of)
        check_undecided(new, state.problems)
        if not new:
            return state
        texts = {each.key: (each, allocation_text(each, self._interfaces_count)) for each in new}
        taken = {each.address for each in new}
        cooling = {address: each for address, each in state.cooling.items() if address not in taken}
        return attrs.evolve(state, assigned={**state.assigned, **texts}, cooling=cooling)

    def _write_checkpoint(self, state: _State) -> None:
        """Write the file that counts; only then has it happened."""
        texts = [*(text for _, text in state.assigned.values()), *state.problems.values()]
        with translated(self.path, "written, so nothing is recorded"):
            replace(self._files, self.path, write_document(CHECKPOINT_VERSION, "allocations", texts, state.others))
        self._state = state

    def _write_cooldowns(self, cooling: Mapping[str, Cooling]) -> None:
        if cooling == self._cooling_written:
            return
        self._cooling_written = None  # should the write fail, nobody knows what the file has
        path = _cooldowns_path(self.path)
        with translated(path, "written, so nothing is recorded"):
            replace(self._files, path, write_document(COOLDOWNS_VERSION, "cooldowns", map(cooldown_text, cooling.values())))
        self._cooling_written = cooling


def _without_repeats(problems: Mapping[Problem, str], over: Container[object]) -> Mapping[Problem, str]:
    """Leave out what only says again what is over, by sandbox and address: after the next start it would stand for itself."""
    return {
        problem: text
        for problem, text in problems.items()
        if problem.repeats is None or (problem.repeats.key, problem.repeats.address) not in over
    }


def _cooldowns_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.cooldown{path.suffix}")


def _read(path: Path, files: Files, *, salvage: bool) -> tuple[_State, Mapping[str, Cooling]]:
    """Read both files; return what they mean, and the cooldowns as they stand in theirs."""
    checkpoint = _read_file(files, path, path, CHECKPOINT_VERSION, "allocations", salvage=salvage)
    allocations = read_allocations(checkpoint)
    cooldowns_path = _cooldowns_path(path)
    cooling, illegible = read_cooldowns(_read_file(files, path, cooldowns_path, COOLDOWNS_VERSION, "cooldowns", salvage=salvage))
    if illegible and not salvage:
        raise JournalCorrupt(f"{cooldowns_path} has a {illegible[0].place} that makes no sense: {illegible[0].message}. {_salvage(path)}")
    written = {each.address: each for each in cooling}
    held = {entry.address for entry, _ in allocations.assigned}
    state = _State(
        assigned={entry.key: (entry, text) for entry, text in allocations.assigned},
        cooling={address: each for address, each in written.items() if address not in held},
        problems={**dict(allocations.problems), **dict.fromkeys(illegible, "")},
        others={name: text for name, (text, _) in checkpoint.others.items() if name != "version"},
    )
    return state, written


def _read_file(files: Files, journal: Path, path: Path, version: str, list_name: str, *, salvage: bool) -> Document:
    """Read one file; where there is none, its list is empty."""
    with translated(path, "read"):
        data = files.read(path)
    document = read_document(write_document(version, list_name, ()) if data is None else data, list_name)
    if document.broken is not None and not salvage:
        offset = document.broken.offset
        byte = len(document.text[:offset].encode("utf-8", "surrogateescape"))
        where = f"{document.place(offset)} (byte {byte} of {len(data or b'')})"
        raise JournalCorrupt(
            f"{path} breaks off at {where}: {document.broken.message}. The {len(document.entries)} {list_name} before that are whole. "
            f"{_salvage(journal)}"
        )
    _, found = document.others.get("version", ("", None))
    if found != version and not (salvage and found is None):
        what = "no version" if found is None else f"version {found!r}"
        raise JournalFormatError(f"{path} has {what}, but this release reads {version!r} alone: use one that wrote it, or another path")
    return document


def _salvage(path: Path) -> str:
    return f"IpamJsonFile.salvage({str(path)!r}, now_ns) reads what is whole, and says how to go on with it"
