"""The tables "Checked statements" of docs/ipamd.md: every test that they name exists, and no section and no fault is left out."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE, _, TABLES = (REPOSITORY / "docs" / "ipamd.md").read_text(encoding="utf-8").partition("\n## Checked statements\n")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in TABLES.splitlines() if line.startswith("| ")]
STATEMENTS = [row for row in ROWS if row[0] not in {"statement", "---"}]
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
NAMED = {(path, name) for path, name in TEST.findall(TABLES)}


def names_in(path):
    """The names of the tests in a file, without importing it."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {each.name for each in body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")}


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_every_named_test_exists(path):
    assert (REPOSITORY / path).exists()
    assert {name for named_in, name in NAMED if named_in == path} - names_in(REPOSITORY / path) == set()


def test_every_statement_has_a_test_or_says_that_there_is_no_code_for_it():
    assert STATEMENTS
    for row in STATEMENTS:
        assert len(row) == 3, row
        _, tests, difference = row
        if tests == "none":
            assert difference == "[not modelled](faithfulness.md#not-modelled-yet)", row
        else:
            assert all(TEST.fullmatch(each) for each in tests.split("<br>")), row


def test_every_section_has_a_table():
    sections = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert re.findall(r"^\*\*\[(.+)\]\(#[\w-]+\)\*\*$", TABLES, re.MULTILINE) == sections


@pytest.mark.thorough
def test_every_test_of_a_fault_is_in_the_row_of_its_fault():
    found = {}
    for path in sorted((REPOSITORY / "tests").rglob("test_*.py")):
        for name in names_in(path):
            if number := re.match(r"test_fault_(\d+)_", name):
                found.setdefault(int(number[1]), set()).add((path.relative_to(REPOSITORY).as_posix(), name))
    faults = TABLES.partition("**[Known faults]")[2]
    shown = {int(number): set(TEST.findall(tests)) for number, tests in re.findall(r"^\| (\d+): [^|]*\|([^|]*)\|", faults, re.MULTILINE)}
    assert shown == found
