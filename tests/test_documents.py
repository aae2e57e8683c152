"""Documents: links, file names, names of code and citations of docs/ipamd.md all lead somewhere."""

import ast
import builtins
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "tests").rglob("*.md")])
CURRENT = [path for path in DOCUMENTS if path.name != "CHANGELOG.md"]  # the changelog names what is gone, too
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


# `folder/`, `folder/file.py` or `file.py`, from the repository or from the package; a bare file name can be in any folder.
FILE = re.compile(r"(?:[\w*-]+/)+(?:[\w*-]+\.(?:pyx?|pxd|pyi|toml|tsv|md|svg))?|[\w*-]+\.(?:pyx?|pxd|pyi|toml)")
INVENTED = {"src/vpcipam/cli/slots.py", "tests/cli/test_slots_command.py"}  # in a recipe


def quoted(document):
    """What stands in backticks, outside blocks of code."""
    text = re.sub(r"^ *```.*?^ *```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", text)


def exists(name):
    if "/" not in name and any(next((REPOSITORY / folder).rglob(name), None) for folder in ("src", "tests", "examples", "tools")):
        return True
    return any(next(root.glob(name.rstrip("/")), None) for root in (REPOSITORY, REPOSITORY / "src" / "vpcipam"))


@pytest.mark.parametrize("document", CURRENT, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_file_that_a_document_names_exists(document):
    assert [name for name in quoted(document) if FILE.fullmatch(name) and name not in INVENTED and not exists(name)] == []


@pytest.mark.parametrize("document", CURRENT, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_dotted_name_in_a_document_can_be_imported(document):
    for text in quoted(document):
        name = re.fullmatch(r"(vpcipam(?:\.\w+)+)(?:\(.*\))?", text)
        if name and not name[1].startswith("vpcipam.report."):  # it needs matplotlib
            pkgutil.resolve_name(name[1])


def test_the_recipes_use_names_that_exist():
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    nodes = [node for block in blocks for node in ast.walk(ast.parse(textwrap.dedent(block)))]
    bound = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    used |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    code = [*SOURCES, *(path for path in (REPOSITORY / "tests").rglob("*.py") if path != Path(__file__))]
    there = {word for path in code for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    assert blocks
    assert used - bound - there - {*dir(builtins)} == set()


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
