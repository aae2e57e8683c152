"""The journal in the format of ipamd's checkpoint: ipamd can restart from its file, and the journal can open ipamd's file."""

import contextlib
from collections.abc import Container, Mapping
from pathlib import Path

import attrs

from vpcipam.errors import JournalCorrupt, JournalError, JournalFormatError
from vpcipam.journal.checkpoint import (
    CHECKPOINT_VERSION,
    COOLDOWNS_VERSION,
    CooldownFile,
    Document,
    allocation_text,
    digest_of,
    read_allocations,
    read_cooldown_file,
    read_document,
    write_document,
)
from vpcipam.journal.files import Files, journal_path, replace, translated
from vpcipam.journal.lock import ProcessLock
from vpcipam.journal.protocol import (
    Assigned,
    Closing,
    Cooling,
    Problem,
    Released,
    ReleasedCidr,
    Restored,
    check_released,
    check_undecided,
    later_cooldowns,
    new_entries,
    remembered_cidrs,
    unknown_problem,
)
from vpcipam.sandbox import SandboxKey


@attrs.frozen
class _State:
    """The recorded content. A change replaces the whole object, after the write.

    Attributes:
        assigned: each with the text of its allocation, which can have fields that only ipamd uses.
        cooling: by address, without addresses that a sandbox holds. Some of the cooldowns can be over.
        released_cidrs: by CIDR. The time of some can be over.
        problems: each with its text.
        others: unknown members of the checkpoint, with their texts.
        key_of: the sandbox of each address.
    """

    assigned: Mapping[SandboxKey, tuple[Assigned, str]]
    cooling: Mapping[str, Cooling]
    released_cidrs: Mapping[str, ReleasedCidr]
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
        """Return the content at a time, as `Journal.restore` does."""
        return Restored.at(now_ns, self.entries.values(), self.cooling.values(), self.problems, self.released_cidrs.values())


class IpamJsonFile(Closing):
    """A journal in the format of ipamd's `ipam.json` (`vpc-cni-ipam/1`). Every change writes the whole file.

    The format has no place for cooldowns and released CIDRs, so these are in a file beside it, `ipam.cooldown.json`, which ipamd ignores. A
    change of both files writes this file first, and the write of the checkpoint then decides: if the process crashes between the two
    writes, neither part of the change counts.

    Any thread can call it at any time; a lock serializes the calls. Only one process can have it open (`ipam.json.lock`).

    Allocations are written in the order of assignment; ipamd writes them in no particular order.
    """

    def __init__(self, path: Path | str, *, interfaces_count: int = 1, files: Files | None = None) -> None:
        """Open a checkpoint. If there is none, the journal is empty.

        Args:
            path: the checkpoint, a file with one name; symbolic links are followed once. ipamd's is /var/run/aws-node/ipam.json.
            interfaces_count: the number of the pod's interfaces, for new allocations. 0 omits it, as ipamd before v1.20 did.
            files: reads and writes the files; for tests.

        Raises:
            JournalLocked: another process has it open.
            JournalCorrupt: it is damaged; the message says how to read the undamaged part.
            JournalFormatError: it has another version.
            JournalError: the path can't be a journal's, or the file system refuses access.
        """
        self.path = journal_path(path, "{name}.lock", "{name}.tmp", _COOLDOWNS, f"{_COOLDOWNS}.tmp")
        self._interfaces_count = interfaces_count
        self._files = files or Files()
        self._lock = ProcessLock(self.path.with_name(f"{self.path.name}.lock"))
        try:
            self._lock.acquire()
            self._state, beside = _read(self.path, self._files, salvage=False)
        except BaseException:
            self._lock.release()
            raise
        self._beside: CooldownFile | None = beside  # as written; None if that is unknown because a write failed

    @classmethod
    def salvage(cls, path: Path | str, now_ns: int, *, files: Files | None = None) -> Restored:
        """Return the readable content of a damaged checkpoint. This changes nothing and ignores the lock.

        To continue, move the damaged file away, open a new journal, and record there what this returns. Sandboxes of lost entries may still
        run, and others would get their addresses: first ask the container runtime which sandboxes it runs.
        """
        state, _ = _read(journal_path(path, _COOLDOWNS, links=True), files or Files(), salvage=True)
        return state.restored(now_ns)

    def record(self, assigned: tuple[Assigned, ...] = (), cooling: tuple[Cooling, ...] = (), *, dropped: tuple[Problem, ...] = ()) -> None:
        """Record changes, all or none; see `Journal`. Complexity: O(sandboxes in the file)."""
        with self._lock.threads:
            before = self._open_state()
            state = self._with_assigned(_without(before, dropped), assigned)
            later = later_cooldowns(cooling, state.key_of, state.cooling)
            checkpoint_changed = state is not before
            if later:
                state = attrs.evolve(state, cooling={**state.cooling, **later})
            if later and checkpoint_changed:
                pending = (digest_of(self._checkpoint(state)), state.cooling)
                self._write_beside(CooldownFile(before.cooling, before.released_cidrs, pending))
                self._write_checkpoint(state)
                with contextlib.suppress(JournalError):  # the change is recorded; the next one writes this file again
                    self._settle_beside()
            elif later:
                self._write_beside(CooldownFile(state.cooling, state.released_cidrs))
            elif checkpoint_changed:
                self._settle_beside()
                self._write_checkpoint(state)
            self._state = state

    def record_unassign(self, released: Released) -> None:
        """Record, all or none, that sandboxes gave their addresses back; see `Journal`. Complexity: O(sandboxes in the file)."""
        with self._lock.threads:
            self._record_unassign(released)

    def record_released_cidrs(self, released: tuple[ReleasedCidr, ...], now_ns: int) -> None:
        """Record that a node is about to give CIDRs back; see `CidrJournal`. Complexity: O(cooling addresses)."""
        with self._lock.threads:
            state = self._open_state()
            state = attrs.evolve(state, released_cidrs=remembered_cidrs(state.released_cidrs, released, now_ns))
            self._write_beside(CooldownFile(state.cooling, state.released_cidrs))
            self._state = state

    def restore(self, now_ns: int) -> Restored:
        """Return the content of the files when they were opened, with all changes since; see `Journal`."""
        with self._lock.threads:
            return self._open_state().restored(now_ns)

    def close(self) -> None:
        """Release the lock, so that another process can open it; see `Journal`."""
        with self._lock.threads:
            self._lock.release()

    def _record_unassign(self, released: Released) -> None:
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
        self._write_beside(CooldownFile(cooling, state.released_cidrs))
        self._write_checkpoint(attrs.evolve(state, assigned=held, cooling=cooling, problems=problems))

    def _open_state(self) -> _State:
        self._lock.require()
        return self._state

    def _with_assigned(self, state: _State, assigned: tuple[Assigned, ...]) -> _State:
        """Return a state with further sandboxes; the same object if it already has them all."""
        new = new_entries(assigned, state.entries, state.key_of)
        check_undecided(new, state.problems)
        if not new:
            return state
        texts = {each.key: (each, allocation_text(each, self._interfaces_count)) for each in new}
        taken = {each.address for each in new}
        cooling = {address: each for address, each in state.cooling.items() if address not in taken}
        return attrs.evolve(state, assigned={**state.assigned, **texts}, cooling=cooling)

    def _checkpoint(self, state: _State) -> bytes:
        texts = [*(text for _, text in state.assigned.values()), *state.problems.values()]
        return write_document(CHECKPOINT_VERSION, "allocations", texts, state.others)

    def _write_checkpoint(self, state: _State) -> None:
        """Write the checkpoint, and only then replace the state."""
        with translated(self.path, "written, so nothing is recorded"):
            replace(self._files, self.path, self._checkpoint(state))
        self._state = state

    def _settle_beside(self) -> None:
        """Write the file of cooldowns without pending ones, which name the current checkpoint. Call this before the checkpoint changes."""
        if self._beside is None or self._beside.pending is not None:
            self._write_beside(CooldownFile(self._state.cooling, self._state.released_cidrs))

    def _write_beside(self, content: CooldownFile) -> None:
        if content == self._beside:
            return
        self._beside = None
        with translated(_cooldowns_path(self.path), "written, so nothing is recorded"):
            replace(self._files, _cooldowns_path(self.path), content.write())
        self._beside = content


def _without(state: _State, dropped: tuple[Problem, ...]) -> _State:
    """Return a state without some problems; the same object if there are none to drop."""
    if not dropped:
        return state
    left = dict(state.problems)
    for problem in dropped:
        if left.pop(problem, None) is None:
            raise unknown_problem(problem)
    return attrs.evolve(state, problems=_without_repeats(left, {(each.key, each.address) for each in dropped}))


def _without_repeats(problems: Mapping[Problem, str], gone: Container[object]) -> Mapping[Problem, str]:
    """Drop the repeats of entries that are gone. Otherwise a restart would take the repeats for entries of their own.

    Args:
        problems: each with its text.
        gone: the entries, as pairs of sandbox and address.
    """
    return {
        problem: text
        for problem, text in problems.items()
        if problem.repeats is None or (problem.repeats.key, problem.repeats.address) not in gone
    }


_COOLDOWNS = "{stem}.cooldown{suffix}"


def _cooldowns_path(path: Path) -> Path:
    return path.with_name(_COOLDOWNS.format(stem=path.stem, suffix=path.suffix))


def _read(path: Path, files: Files, *, salvage: bool) -> tuple[_State, CooldownFile]:
    """Read both files; return the state, and the content of the second."""
    checkpoint = _read_file(files, path, path, CHECKPOINT_VERSION, "allocations", salvage=salvage)
    allocations = read_allocations(checkpoint)
    cooldowns_path = _cooldowns_path(path)
    beside, illegible = read_cooldown_file(_read_file(files, path, cooldowns_path, COOLDOWNS_VERSION, "cooldowns", salvage=salvage))
    if illegible and not salvage:
        raise JournalCorrupt(f"{cooldowns_path} has an unreadable {illegible[0].place}: {illegible[0].message}. {_salvage(path)}")
    cooling = beside.cooling
    if beside.pending is not None and beside.pending[0] == digest_of(checkpoint.text.encode("utf-8", "surrogateescape")):
        cooling = beside.pending[1]
    held = {each.address for each, _ in allocations if isinstance(each, Assigned)}
    state = _State(
        assigned={each.key: (each, text) for each, text in allocations if isinstance(each, Assigned)},
        cooling={address: each for address, each in cooling.items() if address not in held},
        released_cidrs=beside.released_cidrs,
        problems={each: text for each, text in allocations if isinstance(each, Problem)} | dict.fromkeys(illegible, ""),
        others={name: text for name, (text, _) in checkpoint.others.items() if name != "version"},
    )
    return state, beside


def _read_file(files: Files, journal: Path, path: Path, version: str, list_name: str, *, salvage: bool) -> Document:
    """Read one file. If it is missing, its list is empty."""
    with translated(path, "read"):
        data = files.read(path)
    document = read_document(write_document(version, list_name, ()) if data is None else data, list_name)
    if document.broken is not None and not salvage:
        offset = document.broken.offset
        byte = len(document.text[:offset].encode("utf-8", "surrogateescape"))
        where = f"{document.place(offset)} (byte {byte} of {len(data or b'')})"
        raise JournalCorrupt(
            f"{path} breaks off at {where}: {document.broken.message}. The {len(document.entries)} {list_name} before it are readable. "
            f"{_salvage(journal)}"
        )
    _, found = document.others.get("version", ("", None))
    if found != version and not (salvage and found is None):
        what = "no version" if found is None else f"version {found!r}"
        raise JournalFormatError(
            f"{path} has {what}, but this release reads only {version!r}: use the release that wrote it, or another path"
        )
    return document


def _salvage(path: Path) -> str:
    return f"IpamJsonFile.salvage({str(path)!r}, now_ns) returns the readable part; its documentation says how to continue"
