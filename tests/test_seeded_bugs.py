"""The list of faults that `make seeded-bugs` plants fits the tree. Whether the suite catches them takes minutes, so that verb shows it."""

import runpy
from pathlib import Path

import attrs
import pytest

REPOSITORY = Path(__file__).parent.parent
TOOL = runpy.run_path(str(REPOSITORY / "tools" / "seeded_bugs.py"))
BUGS = TOOL["read_bugs"]()
SLOW = "tests/pool/test_memory.py::test_a_million_changes_leave_nothing_behind"


def misfits(*bugs):
    return TOOL["misfits"](bugs)


def test_every_fault_can_be_planted_and_its_test_exists():
    assert misfits(*BUGS) == []


def test_every_fault_says_what_a_user_would_suffer():
    assert [bug.name for bug in BUGS if not bug.harm] == []


def with_edit(bug, **changes):
    return attrs.evolve(bug, edits=(attrs.evolve(bug.edits[0], **changes),))


@pytest.mark.parametrize(
    ("bug", "why"),
    [
        (with_edit(BUGS[0], before="no such text"), "its text before occurs 0 times"),
        (with_edit(BUGS[0], before="index"), "times in src/vpcipam/pool/free_tree.pxd, not once"),
        (with_edit(BUGS[0], file="src/vpcipam/gone.py"), "its text before occurs 0 times in src/vpcipam/gone.py"),
        (with_edit(BUGS[0], after=BUGS[0].edits[0].before), "its text after is the text before"),
        (attrs.evolve(BUGS[0], test="tests/test_gone.py"), "tests/test_gone.py does not exist"),
        (attrs.evolve(BUGS[0], test="tests/test_seeded_bugs.py::test_gone"), "test_gone does not exist"),
        (attrs.evolve(BUGS[0], test="tests/test_seeded_bugs.py::test_every_fault"), "test_every_fault does not exist"),
        (attrs.evolve(BUGS[0], test=SLOW), f"{SLOW} does not run in the quick profile"),
    ],
)
def test_an_entry_that_no_longer_fits_is_named(bug, why):
    (found,) = misfits(bug)
    assert found.startswith(f"{bug.name}: ")
    assert why in found


def test_two_faults_of_one_name_are_named():
    assert misfits(BUGS[0], BUGS[0]) == [f"{BUGS[0].name}: 2 faults have this name"]
