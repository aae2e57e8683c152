"""The picture of the layers shows the rooms that there are."""

import runpy
from pathlib import Path

TOOL = runpy.run_path(str(Path(__file__).parent.parent / "tools" / "draw_layers.py"))


def test_the_picture_of_the_layers_is_up_to_date():
    assert TOOL["PICTURE"].read_text(encoding="utf-8") == TOOL["draw"](), "run python tools/draw_layers.py"
