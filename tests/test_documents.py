"""Documents: every link leads somewhere, and every citation of docs/ipamd.md names a heading of it."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "tests").rglob("*.md")])
SOURCES = sorted(path for suffix in ("py", "pyx", "pxd", "pyi") for path in (REPOSITORY / "src").rglob(f"*.{suffix}"))


def prose(document):
    """A document without its code: what looks like a link or a heading there is none."""
    return re.sub(r"^ *```.*?^ *```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def headings(document):
    text = re.sub(r"^ *```.*?^ *```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)


def anchor(heading):
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links(document):
    return re.findall(r"\]\(([^()\s]+)\)|^\[[^\]]+\]: +(\S+)", prose(document), re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(document):
    for target in map("".join, links(document)):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, fragment = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        assert path.exists(), target
        assert not fragment or fragment in map(anchor, headings(path)), target


def comments(path):
    """The text of a source with broken lines joined, so that a citation stands on one."""
    return re.sub(r"\s*\n\s*(?:# ?)?", " ", path.read_text(encoding="utf-8"))


def cited_headings(text):
    """The headings of one or several in a row: docs/ipamd.md, "Cooldown" and "Modes"."""
    for row in re.findall(r'docs/ipamd\.md((?:,?(?: and| to)? "[^"]+")+)', text):
        yield from re.findall(r'"([^"]+)"', row)


def test_citations_of_what_ipamd_does_name_headings():
    cited = {heading for path in SOURCES for heading in cited_headings(comments(path))}
    assert cited - {*headings(REPOSITORY / "docs" / "ipamd.md")} == set()


def test_no_sentence_cites_a_document_outside_the_repository():
    citing = re.compile(r"reference,? \(?section|reference of this project|\.\./shared|VPCIPAM_SHARED")
    files = [*SOURCES, *DOCUMENTS, *(path for path in (REPOSITORY / "tests").rglob("*.py") if path != Path(__file__))]
    assert [path.relative_to(REPOSITORY).as_posix() for path in files if citing.search(comments(path))] == []
