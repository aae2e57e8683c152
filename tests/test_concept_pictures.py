"""The pictures of docs/concepts.md show what the library computes, and say it in words too."""

import runpy
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
TOOL = runpy.run_path(str(REPOSITORY / "tools" / "draw_concepts.py"))
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", TOOL["PICTURES"])
def test_a_picture_is_up_to_date(name):
    assert (TOOL["FOLDER"] / name).read_text(encoding="utf-8") == TOOL["PICTURES"][name]().svg(), "run python tools/draw_concepts.py"


@pytest.mark.parametrize("name", TOOL["PICTURES"])
def test_a_picture_is_on_the_page_and_has_a_title_and_a_description(name):
    picture = ET.parse(TOOL["FOLDER"] / name).getroot()  # noqa: S314 - our own file
    assert all(picture.findtext(f"{SVG}{words}") for words in ("title", "desc"))
    assert f"](pictures/{name})" in (REPOSITORY / "docs" / "concepts.md").read_text(encoding="utf-8")
