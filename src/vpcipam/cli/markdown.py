"""Pages as Markdown, for tickets and wikis: the same content as a `Page`."""

from collections.abc import Iterable, Sequence

from vpcipam.cli.any_page import AnyPage
from vpcipam.cli.streams import one_line
from vpcipam.cli.table import Span, Table, escaped, joined


class MarkdownPage(AnyPage):
    """A page that is written as Markdown. It has the methods of `vpcipam.cli.tables.Page`."""

    fancy = False
    width = 100
    """For pictures and for views that have two forms. Nothing is folded."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def line(self, text: str = "", style: str = "", *, whole: bool = False) -> None:
        """Add a paragraph: bold if it is bold, and as code if it is to be copied."""
        line = one_line(text)
        if not line:
            self._lines.append("")
        elif whole:
            self._lines += ["", f"    {line}", ""]
        else:
            self._lines += ["", f"**{escaped(line)}**" if "bold" in style else escaped(line), ""]

    def spans(self, parts: Sequence[Span]) -> None:
        """Add a line as it is laid out, as code."""
        self._lines.append(f"    {joined(parts).rstrip()}")

    def indented(self, text: str) -> None:
        """Add an item of a list."""
        self._lines.append(f"- {escaped(text)}")

    def remark(self, head: str, _style: str, message: str, suggestion: str) -> None:
        """Add a remark as an item of a list."""
        self._lines.append(f"- **{escaped(head)}**: {escaped(message)}" + (f" → {escaped(suggestion)}" if suggestion else ""))

    def add(self, table: Table) -> None:
        """Add a table."""
        self._lines += ["", table.markdown().rstrip("\n"), ""]

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add a list of named facts."""
        self._lines += ["", *(f"- {escaped(name)}: {escaped(value)}" for name, value in rows), ""]

    def render(self) -> str:
        """Return the text, without two empty lines in a row."""
        kept: list[str] = []
        for line in self._lines:
            if line or (kept and kept[-1]):
                kept.append(line)
        return "\n".join(kept).rstrip("\n") + "\n"
