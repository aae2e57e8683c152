"""The pages about symptoms: their examples are as written, and the command finds the trouble that the page is about."""

import re
import runpy

import pytest
from symptoms import FOLDER, files

from vpcipam.inspection.readers import read_files
from vpcipam.inspection.rules.catalogue import CATALOGUE

ROOT = FOLDER.parents[1]
FIGURES = runpy.run_path(str(ROOT / "tools" / "figures.py"))
PAGES = sorted((ROOT / "docs" / "symptoms").glob("*.md"))
FOUND = {
    "failed-to-assign": "no-address-all-held",
    "no-cidr-blocks": "no-address-no-prefix",
    "subnet-full": "no-address-subnet-full",
    "leaked-enis": "leaked-eni",
}


def test_the_examples_are_as_our_clusters_are_written():
    made = files()
    assert {path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file()} == set(made)
    for name, content in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, "run tests/inspection/symptoms.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_the_finding_that_it_is_about(page):
    text = page.read_text(encoding="utf-8")
    assert page.stem not in FOUND or re.search(rf"^finding: {FOUND[page.stem]} ", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Find out" if "## Find out" in text else "Find the cause", "The cure"]
    for rule in re.findall(r"`((?:no-address|log|leaked)-[a-z-]+)`", text):
        assert rule in CATALOGUE


@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_its_commands_print(page):
    text = page.read_text(encoding="utf-8")
    assert FIGURES["figures_of"](text)
    assert FIGURES["renew"](text) == text, "run make figures"


def test_every_example_can_be_read():
    for folder in FOLDER.iterdir():
        assert read_files([folder]).documents
