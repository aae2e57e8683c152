"""What all pages have in common, whether they are written for a terminal, as Markdown or as HTML."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from vpcipam.cli.table import Cell, Table


class AnyPage(ABC):
    """A page that is filled part by part."""

    @abstractmethod
    def line(self, text: str = "", style: str = "", *, whole: bool = False) -> None:
        """Add a paragraph; if `whole`, it stays on one line, however long, so that it can be copied."""

    @abstractmethod
    def indented(self, text: str) -> None:
        """Add a paragraph that belongs to the line above."""

    @abstractmethod
    def add(self, table: Table) -> None:
        """Add a table."""

    def remark(self, head: str, style: str, message: str, suggestion: str) -> None:
        """Add a remark: a head, the message below it, and the suggestion if it is not empty."""
        self.line(head, style)
        self.indented(message)
        if suggestion:
            self.indented(f"→ {suggestion}")

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Iterable[str] = (), fold: Iterable[str] = ()) -> None:
        """Add a table; the arguments are those of `Table`."""
        self.add(Table(heads, rows, numbers, fold))
