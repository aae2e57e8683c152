"""Run the commands that stand beside figures in the docs, and write the new figures into the pages: `make figures`.

    python tools/figures.py [PAGE…]

A page has a figure's command as an indented line, which may go on after a backslash:

- Directly below it is its output: a block of code, which is replaced, or a table. A table keeps its first row and first column, which are
  written by hand.
- A command with `--plot docs/pictures/…` draws that picture.

All other commands of the page are left alone. Read the sentences around a figure that changes.
"""

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
PROGRAMS = {"python": sys.executable, "vpcipam": str(Path(sys.executable).with_name("vpcipam"))}
FIGURE = re.compile(
    r"^    (?P<command>(?:python examples/|vpcipam ).*(?:(?<=\\)\n.+)*)\n"
    r"(?:\n(?P<output>```(?:text)?\n(?:.*\n)+?```$|(?:^\|.*\|$\n?)+))?",
    re.MULTILINE,
)


def words(figure: re.Match[str]) -> list[str]:
    """Return the words of a figure's command."""
    return shlex.split(figure["command"].replace("\\\n", " "))


def figures_of(page: str) -> list[re.Match[str]]:
    """Find the commands of a page whose output stands below, and those that draw a picture of the docs."""
    return [each for each in FIGURE.finditer(page) if each["output"] or "--plot docs/pictures/" in each["command"]]


def renewed(shown: str, printed: str) -> str:
    """Return what a page shows, with the figures that the command has printed.

    Raises:
        ValueError: The tables have different columns or numbers of rows.
    """
    if not shown.startswith("|"):
        fence = shown.partition("\n")[0]
        return f"{fence}\n{printed.rstrip()}\n```"
    old, new = table(shown), table(printed)
    if old[0][1:] != new[0][1:] or len(old) != len(new):
        raise ValueError(f"the command prints other columns or rows than the page has:\n{shown}\n{printed}")
    rows = [old[0], *([before[0], *after[1:]] for before, after in zip(old[1:], new[1:], strict=True))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def table(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def run(command: list[str]) -> str:
    """Run a command of a page at 80 columns; return what it prints."""
    program, *rest = command
    environment = os.environ | {"COLUMNS": "80"}
    full = [PROGRAMS[program], *rest]
    done = subprocess.run(full, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, check=False, text=True)  # noqa: S603
    if done.returncode not in (0, 1):  # 1 for a finding
        done.check_returncode()
    return done.stdout


def renew(page: str) -> str:
    """Run all commands of a page, several at a time; return the page with their output."""
    found = figures_of(page)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        outputs = list(threads.map(run, map(words, found)))
    for figure, printed in zip(reversed(found), reversed(outputs), strict=True):  # from the end, so that the places of the others stay
        if figure["output"]:
            page = page[: figure.start("output")] + renewed(figure["output"], printed) + page[figure.end("output") :]
    return page


def main(arguments: list[str]) -> None:
    """Renew the figures of the pages."""
    for path in [Path(each) for each in arguments] or sorted((REPOSITORY / "docs").rglob("*.md")):
        page = path.read_text(encoding="utf-8")
        print(f"{path.name}: {len(figures_of(page))} commands", flush=True)
        path.write_text(renew(page), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
