"""The path of a journal: one journal has one path, and only a regular file is a journal."""

import os

import pytest
from journal_worlds import KINDS, NoSync, addresses, held

from vpcipam.errors import JournalError, JournalLocked
from vpcipam.journal.ipam_json import IpamJsonFile
from vpcipam.journal.sqlite import SqliteJournal

NAMES = {"json": "ipam.json", "sqlite": "ipam.sqlite"}
CLASSES = {"json": lambda path: IpamJsonFile(path, files=NoSync()), "sqlite": lambda path: SqliteJournal(path, synchronous="OFF")}
SALVAGES = {"json": IpamJsonFile.salvage, "sqlite": SqliteJournal.salvage}

pytestmark = pytest.mark.parametrize("kind", KINDS)


def closed(kind, folder):
    """A closed journal with one sandbox; its path."""
    with KINDS[kind](folder) as journal:
        journal.record((held("a", "10.0.0.5"),))
    return folder / NAMES[kind]


def test_a_journal_is_locked_under_every_name_of_a_symbolic_link(kind, tmp_path):
    path, link = closed(kind, tmp_path), tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(path)
    with KINDS[kind](tmp_path), pytest.raises(JournalLocked, match="already open in this process"):
        CLASSES[kind](link)


def test_a_journal_writes_through_a_symbolic_link(kind, tmp_path):
    path, link = closed(kind, tmp_path), tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(path)
    with CLASSES[kind](link) as journal:
        assert journal.path == path
        journal.record((held("b", "10.0.0.6"),))
    assert link.is_symlink()
    assert list(link.parent.iterdir()) == [link]
    with KINDS[kind](tmp_path) as journal:
        assert addresses(journal) == {"a": "10.0.0.5", "b": "10.0.0.6"}


def test_a_dangling_symbolic_link_names_the_new_journal(kind, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / NAMES[kind])
    with CLASSES[kind](link) as journal:
        journal.record((held("a", "10.0.0.5"),))
    assert link.is_symlink()
    with KINDS[kind](tmp_path) as journal:
        assert addresses(journal) == {"a": "10.0.0.5"}


def test_a_symbolic_link_to_itself_is_refused(kind, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(JournalError, match="symbolic links"):
        CLASSES[kind](tmp_path / "loop")


def test_a_file_with_a_second_name_is_refused_under_both_and_can_be_salvaged(kind, tmp_path):
    path, link = closed(kind, tmp_path), tmp_path / "second"
    link.hardlink_to(path)
    for name in (path, link):
        with pytest.raises(JournalError, match=r"has 2 names \(hard links\)"):
            CLASSES[kind](name)
        assert [each.address for each in SALVAGES[kind](name, 0).assigned] == ["10.0.0.5"]
    link.unlink()
    with KINDS[kind](tmp_path) as journal:
        assert addresses(journal) == {"a": "10.0.0.5"}


def test_a_relative_path_keeps_its_meaning_when_the_working_folder_changes(kind, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    with CLASSES[kind](NAMES[kind]) as journal:
        monkeypatch.chdir(tmp_path / "other")
        journal.record((held("a", "10.0.0.5"),))
    assert not list((tmp_path / "other").iterdir())
    with KINDS[kind](tmp_path) as journal:
        assert addresses(journal) == {"a": "10.0.0.5"}


@pytest.mark.parametrize("path", ["", ".", "..", "/", "missing/", "a\0b", b"ipam"], ids=repr)
def test_a_path_that_names_no_file_is_refused_and_makes_none(kind, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (CLASSES[kind], lambda path: SALVAGES[kind](path, 0)):
        with pytest.raises(JournalError, match=r"give the (journal a file name|name of a file)|must be a str or Path"):
            call(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", ["", ".lock", ".tmp"])
def test_a_pipe_in_place_of_a_file_is_refused_at_once(kind, suffix, tmp_path):
    path = tmp_path / NAMES[kind]
    os.mkfifo(f"{path}{suffix}")
    with pytest.raises(JournalError, match="is not a regular file"):
        CLASSES[kind](path)
    if not suffix:
        with pytest.raises(JournalError, match="is not a regular file"):
            SALVAGES[kind](path, 0)


def test_a_device_is_refused(kind):
    for call in (CLASSES[kind], lambda path: SALVAGES[kind](path, 0)):
        with pytest.raises(JournalError, match="is not a regular file"):
            call("/dev/zero")


def test_a_name_that_is_too_long_is_refused(kind, tmp_path):
    with pytest.raises(JournalError, match="File name too long"):
        CLASSES[kind](tmp_path / ("x" * 255))
