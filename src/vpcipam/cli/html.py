"""Reports: the answer of a command as one HTML file that needs nothing else, with the question, pictures and tables."""

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files

from vpcipam._version import __version__
from vpcipam.cli.any_page import AnyPage
from vpcipam.cli.charts import Chart, draw, html_text
from vpcipam.cli.streams import one_line
from vpcipam.cli.table import Span, Table, spans

_STYLES = frozenset({"bold", "dim", "red", "yellow", "blue", "cyan", "green", "magenta"})


class HtmlPage(AnyPage):
    """A page that is written as HTML. It has the methods of `vpcipam.cli.tables.Page`."""

    fancy = True
    width = 110
    """For pictures and for views that have two forms. Nothing is folded."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._laid_out: list[str] = []  # lines of a picture, which go on

    def line(self, text: str = "", style: str = "", *, whole: bool = False) -> None:
        """Add a paragraph, or a heading if it is bold; as code if it is to be copied."""
        shown = html_text(one_line(text))
        if not shown:
            self._end_picture()
        elif whole:
            self._add(f'<pre tabindex="0">{shown}</pre>')
        else:
            self._add(f"<h2>{shown}</h2>" if style == "bold" else f"<p{_classes(style)}>{shown}</p>")

    def spans(self, parts: Sequence[Span]) -> None:
        """Add a line of a picture as it is laid out."""
        self._laid_out.append(_styled(parts))

    def indented(self, text: str) -> None:
        """Add a paragraph that belongs to the line above."""
        self._add(f'<p class="indented">{html_text(one_line(text))}</p>')

    def add(self, table: Table) -> None:
        """Add a table."""
        kinds = [' class="number"' if head in table.numbers else "" for head in table.heads]
        heads = "".join(
            f'<th scope="col"{kind}>{html_text(head)}</th>' if head else "<td></td>" for head, kind in zip(table.heads, kinds, strict=True)
        )
        rows = "".join(
            f"<tr>{''.join(f'<td{kind}>{_styled(spans(cell))}</td>' for cell, kind in zip(row, kinds, strict=True))}</tr>\n"
            for row in table.rows
        )
        self._add(f'<div class="scroll" tabindex="0"><table><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div>')

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        """Add a list of named facts."""
        self._add(f"<dl>{''.join(f'<dt>{html_text(name)}</dt><dd>{html_text(value)}</dd>' for name, value in rows)}</dl>")

    def finding(self, text: str) -> None:
        """Add what is wrong."""
        self._add(f'<p class="finding">{html_text(one_line(text))}</p>')

    def chart(self, chart: Chart) -> None:
        """Add a chart."""
        self._add(draw(chart))

    def _add(self, part: str) -> None:
        self._end_picture()
        self._parts.append(part)

    def _end_picture(self) -> None:
        if self._laid_out:
            self._parts.append(f'<pre tabindex="0">{chr(10).join(self._laid_out).rstrip()}</pre>')
            self._laid_out = []

    def render(self, title: str, question: str) -> str:
        """Return the whole file."""
        self._end_picture()
        words = " ".join(f"<span>{html_text(word)}</span>" for word in question.split(" "))  # so that no line ends within an option
        values = {"TITLE": html_text(title), "QUESTION": words, "VERSION": __version__, "BODY": "\n".join(self._parts) + "\n"}
        template = (files("vpcipam.cli") / "report.html").read_text(encoding="utf-8")
        return re.sub("%([A-Z]+)%", lambda found: values[found[1]], template)


def _styled(parts: Iterable[Span]) -> str:
    return "".join(f"<span{_classes(style)}>{html_text(text)}</span>" if style else html_text(text) for text, style in parts)


def _classes(style: str) -> str:
    known = " ".join(word for word in style.split() if word in _STYLES)
    return f' class="{known}"' if known else ""
