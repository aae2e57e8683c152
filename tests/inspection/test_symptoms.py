"""The pages about symptoms: their examples are as written, and the command finds the trouble that the page is about."""

import re
import runpy

import pytest
from symptoms import FOLDER, files

from vpcipam.inspection.audit import audit
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
    "few-pods": "subnet-mostly-spare",
}
COLLECTED = {
    "get nodes,pods,events": {"nodes.json", "pods.json", "events.json"},
    "get daemonset": {"daemonset.json"},
    "describe-network-interfaces": {"network-interfaces.json"},
    "describe-subnets": {"subnets.json"},
    "describe-instances": {"instances.json"},
    "get-subnet-cidr-reservations": {"reservations.json"},
    "/v1/enis": {"ipamd-enis.json"},
}


def test_the_examples_are_as_our_clusters_are_written():
    made = files()
    assert {path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file()} == set(made)
    for name, content in made.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == content, "run tests/inspection/symptoms.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_the_finding_that_it_is_about(page):
    text = page.read_text(encoding="utf-8")
    assert page.stem not in FOUND or re.search(rf"^(?:finding|note): {FOUND[page.stem]} ", text, re.MULTILINE)
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Find out" if "## Find out" in text else "Find the cause", "The cure"]
    for rule in re.findall(r"`((?:no-address|log|leaked)-[a-z-]+)`", text):
        assert rule in CATALOGUE


@pytest.mark.parametrize("name", FOUND)
def test_the_files_that_a_page_collects_show_the_finding_that_it_is_about(name, tmp_path):
    text = (ROOT / "docs" / "symptoms" / f"{name}.md").read_text(encoding="utf-8")
    if "(failed-to-assign.md#find-the-cause)" in text:
        text += (ROOT / "docs" / "symptoms" / "failed-to-assign.md").read_text(encoding="utf-8")
    commands = "\n".join(re.findall(r"^    (.+) > ", text, re.MULTILINE))
    names = set().union(*(files for command, files in COLLECTED.items() if command in commands))
    for path in (FOLDER / name).rglob("*.json"):
        if path.name in names:
            copy = tmp_path / path.relative_to(FOLDER / name)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(path.read_bytes())
    assert FOUND[name] in {each.rule for each in audit(read_files(sorted(tmp_path.iterdir()))).findings}


@pytest.mark.thorough
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_its_commands_print(page):
    text = page.read_text(encoding="utf-8")
    assert FIGURES["figures_of"](text)
    assert FIGURES["renew"](text) == text, "run make figures"


def test_every_example_can_be_read():
    for folder in FOLDER.iterdir():
        assert read_files([folder]).documents
