"""The docs' pages show what the `vpcipam` commands on them print. (tests/inspection/test_symptoms.py has the pages about symptoms.)"""

import re
import runpy
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FIGURES = runpy.run_path(str(REPOSITORY / "tools" / "figures.py"))
SHOWN = [
    pytest.param(figure["output"], words, id=f"{path.stem}: {' '.join(words[1:])}")
    for path in sorted((REPOSITORY / "docs").glob("*.md"))
    for figure in FIGURES["figures_of"](path.read_text(encoding="utf-8"))
    if (words := FIGURES["words"](figure))[0] == "vpcipam" and figure["output"]
]


@pytest.mark.parametrize(("output", "words"), SHOWN)
def test_a_page_shows_what_its_command_prints(cli, monkeypatch, output, words):
    monkeypatch.chdir(REPOSITORY)
    printed = cli(*words[1 : words.index("--plot") if "--plot" in words else None])  # a picture comes last, and takes a second to draw
    shown = "\n".join(output.splitlines()[1:-1])
    assert printed.out.rstrip() == shown, "run make figures, and read the sentences around"


@pytest.mark.parametrize("page", ["sizing", "simulating", "tutorial"])
def test_a_page_has_commands_with_output(page):
    assert any(each.id.startswith(f"{page}: ") for each in SHOWN)


def test_the_tutorial_shows_its_scenario():
    blocks = re.findall(r"^```toml\n(.*?)^```", (REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    scenario = (REPOSITORY / "examples" / "scenarios" / "tutorial.toml").read_text(encoding="utf-8")
    assert len(blocks) == 2
    assert all(block.strip() in scenario for block in blocks)
