"""The catalogue of rules: complete, in the docs, and with pages that exist."""

import inspect
import re
import sys
from pathlib import Path

import pytest

from vpcipam.inspection.rules.catalogue import CATALOGUE, RULES

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tools"))

from rule_table import PAGE, with_table  # noqa: E402 - a tool


def test_the_documentation_has_the_table_of_the_catalogue():
    text = PAGE.read_text(encoding="utf-8")
    assert with_table(text) == text, "run tools/rule_table.py"
    assert set(re.findall(r"^\| \[`([a-z0-9-]+)`\]", text, re.MULTILINE)) == set(CATALOGUE)


def test_each_id_belongs_to_one_rule():
    ids = [entry.rule for rule in RULES for entry in rule.entries]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.rule)
def test_an_entry_is_written_as_the_others(entry):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", entry.rule)
    assert entry.when
    assert not entry.when.endswith(".")
    assert entry.why.endswith(".")
    assert entry.why[0].isupper() or entry.why.startswith("ipamd")
    name, _, fragment = entry.page.partition("#")
    headings = re.findall(r"^#+ +(.+?) *$", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert fragment in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def test_the_docstring_of_each_check_names_its_source():
    for rule in RULES:
        assert re.search(r"docs/\w+\.md, \"|EC2|issue|Kubernetes", inspect.getdoc(rule.check)), rule.check
