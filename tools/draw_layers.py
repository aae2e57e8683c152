"""Draw docs/pictures/layers.svg from the list of rooms in tests/test_layering.py.

    python tools/draw_layers.py

A room is a folder of the package or a module beside the folders. `LAYERS` lists the rooms of each layer; it must have exactly the rooms of
the test.
"""

import ast
from html import escape
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
LAYERING = REPOSITORY / "tests" / "test_layering.py"
PICTURE = REPOSITORY / "docs" / "pictures" / "layers.svg"

# From the top down: the subject of a layer, and its rooms.
LAYERS = (
    ("people", "cli report testing"),
    ("many nodes, real nodes", "planner fleet inspection agent prometheus contracts"),
    ("one node over time", "node datapath action"),
    ("EC2, or a model of it", "ec2"),
    ("decisions, no actions", "warmpool policies"),
    ("ENIs, CIDRs, sandboxes", "datastore events restoration quarantine journal stats"),
    ("instance types, variables", "settings limits"),
    ("integers", "pool _pool_refusals"),
    ("shared values and checks", "sandbox address errors _chance _units _unpacking _toml _arguments _version"),
)

WIDTH = 720
BAND = 34
GAP = 6
LABEL_WIDTH = 190
STYLE = """
  text { font: 13px sans-serif; fill: #1f2328 }
  .room { font-family: monospace }
  rect { fill: #8c959f22; stroke: #8c959f }
  path { fill: none; stroke: #8c959f }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
"""


def rooms() -> list[str]:
    """Read the list of rooms from the test."""
    for statement in ast.parse(LAYERING.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "ROOMS":
            return str(ast.literal_eval(statement.value)).split()
    raise SystemExit(f"{LAYERING} has no ROOMS")


def draw() -> str:
    """Return the picture as SVG.

    Raises:
        SystemExit: a room is missing in `LAYERS`, or one there does not exist.
    """
    drawn = " ".join(names for _, names in LAYERS).split()
    if sorted(drawn) != sorted(rooms()):
        raise SystemExit(f"LAYERS and ROOMS differ in: {', '.join(sorted({*drawn} ^ {*rooms()}))}")
    height = len(LAYERS) * (BAND + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">',
        f"<style>{STYLE}</style>",
    ]
    lines.append("<title>The layers of vpcipam: each imports only from the layers below it</title>")
    for number, (subject, names) in enumerate(LAYERS):
        top = number * (BAND + GAP)
        lines.append(f'<rect x="20" y="{top + 1}" width="{WIDTH - 21}" height="{BAND}" rx="4"/>')
        lines.append(f'<text x="32" y="{top + 22}">{escape(subject)}</text>')
        lines.append(f'<text class="room" x="{32 + LABEL_WIDTH}" y="{top + 22}">{escape(names)}</text>')
    lines.append(f'<path d="M8 4V{height - 12}m-5 -7l5 7l5 -7"/>')  # the direction of imports
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8", newline="\n")
