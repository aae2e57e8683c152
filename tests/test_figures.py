"""The figures in the docs are those that the commands beside them print."""

import runpy
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
FIGURES = runpy.run_path(str(REPOSITORY / "tools" / "figures.py"))
COMPARE = runpy.run_path(str(REPOSITORY / "examples" / "compare.py"))
PAGES = sorted((REPOSITORY / "docs").rglob("*.md"))

CHEAP = ("hysteresis", "lowest", "0.3")
"""The values whose rows take some seconds. A table without one of them would take half a minute; `make figures` renews it."""

PAGE = """\
# A page

    vpcipam limits m5.large

```text
old
```

    python examples/compare.py a.toml key 1 2 \\
        --columns 'EC2 calls'

| setting | EC2 calls |
| --- | --- |
| `one` | 1 |
| `two` | 2 |

    vpcipam simulate a.toml --plot docs/pictures/a.svg
    vpcipam simulate a.toml
"""


def compared():
    """A cheap row of each table of the docs that examples/compare.py prints: the arguments, the value, and the cells."""
    for path in PAGES:
        for number, figure in enumerate(FIGURES["figures_of"](path.read_text(encoding="utf-8")), 1):
            arguments = FIGURES["words"](figure)
            if arguments[1] == "examples/compare.py" and figure["output"]:
                head, _, *rows = FIGURES["table"](figure["output"])
                values = COMPARE["argument_parser"]().parse_args(arguments[2:]).values
                for value, row in zip(values, rows, strict=True):
                    if value in CHEAP:
                        yield pytest.param(arguments[2:], value, (head[1:], row[1:]), id=f"{path.name}-{number}-{value}")


@pytest.mark.nightly
@pytest.mark.parametrize(("arguments", "value", "shown"), [*compared()])
def test_a_row_of_each_table_is_what_its_command_prints(arguments, value, shown, capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    given = COMPARE["argument_parser"]().parse_args(arguments)
    given.values = [value]
    COMPARE["run"](given)
    head, _, row = FIGURES["table"](capsys.readouterr().out)
    assert (head[1:], row[1:]) == shown, "run make figures, and read the sentences around"


def test_tables_of_both_pages_are_compared():
    assert len([*compared()]) >= 6


def test_a_figure_is_a_command_with_its_output_or_a_picture():
    found = FIGURES["figures_of"](PAGE)
    assert [FIGURES["words"](figure)[-1] for figure in found] == ["m5.large", "EC2 calls", "docs/pictures/a.svg"]
    assert [(figure["output"] or "").partition("\n")[0] for figure in found] == ["```text", "| setting | EC2 calls |", ""]


def test_renewing_a_page_replaces_figures_and_keeps_what_is_written_by_hand(monkeypatch):
    printed = {
        "m5.large": "new\n",
        "EC2 calls": "| key | EC2 calls |\n| --- | --- |\n| 1 | 3 (2 to 4) |\n| 2 | 5 |\n",
        "docs/pictures/a.svg": "drawn\n",
    }
    monkeypatch.setitem(FIGURES["renew"].__globals__, "run", lambda command: printed[command[-1]])
    expected = PAGE.replace("old", "new").replace("`one` | 1 ", "`one` | 3 (2 to 4) ").replace("`two` | 2 ", "`two` | 5 ")
    assert FIGURES["renew"](PAGE) == expected


@pytest.mark.parametrize("printed", ["| key | ENIs |\n| --- | --- |\n| 1 | 3 |\n", "| key | EC2 calls |\n| --- | --- |\n"])
def test_a_table_with_other_columns_or_rows_is_refused(printed):
    with pytest.raises(ValueError, match="other columns or rows"):
        FIGURES["renewed"]("| setting | EC2 calls |\n| --- | --- |\n| `one` | 1 |\n", printed)
