"""Notes of deletions."""

import os
from pathlib import Path

import pytest

from vpcipam.agent.notes import discard_note, leave_note, notes

KEY = ("pods", "c1", "eth0")
OTHER = ("pods", "c2", "net.1-a")


def test_notes_stay_until_they_are_discarded(tmp_path):
    folder = str(tmp_path / "state")
    assert [*notes(folder)] == []
    for key in (OTHER, KEY, KEY):
        leave_note(folder, key)
    assert [*notes(folder)] == [KEY, OTHER]
    for _ in range(2):
        discard_note(folder, KEY)
        assert [*notes(folder)] == [OTHER]


def test_other_files_are_no_notes(tmp_path):
    leave_note(str(tmp_path), KEY)
    for name in ("README", "a:b", "a:b:c:d", ":b:c", "a::c"):
        (tmp_path / "deleted" / name).touch()
    assert [*notes(str(tmp_path))] == [KEY]


def test_a_note_is_durable_before_the_call_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    leave_note(str(tmp_path), KEY)
    assert [path.name for path in synced] == ["pods:c1:eth0", "deleted"]


def test_a_folder_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "deleted").touch()
    with pytest.raises(OSError):  # noqa: PT011 - the errno differs between the calls
        leave_note(str(tmp_path), KEY)
    with pytest.raises(NotADirectoryError):
        [*notes(str(tmp_path))]
