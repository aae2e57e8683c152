"""The base of all commands: they return an `Output`, take `--json`, `--markdown`, `--csv`, `--report`, and show examples in their help."""

from typing import TYPE_CHECKING, Any, cast

import attrs
import click

from vpcipam.cli.exit_codes import ExitCode
from vpcipam.cli.help_format import HelpContext
from vpcipam.cli.output_files import check_report, write_text
from vpcipam.cli.streams import complain, flush_stdout, note, to_json, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from vpcipam.cli.charts import Chart
    from vpcipam.cli.table import Table
    from vpcipam.cli.tables import Page
    from vpcipam.fleet.scenario import Scenario
    from vpcipam.settings import Settings

FILE = click.Path(readable=False)
"""The type of a file argument. The command opens the file itself, so that every unreadable file gives the same exit code."""


class IntRange(click.IntRange):
    """An integer in a range. To click, a text that is no integer "is not a valid integer range"."""

    name = "integer"


SCHEMA_VERSION = 1
"""The version of the JSON objects that have no version of their own. It rises when a member changes its meaning or goes."""


@attrs.frozen(kw_only=True)
class Output:
    """The result of a command.

    Attributes:
        document: The answer for programs, as values that JSON can hold. An object without `schema_version` gets one.
        show: The answer for people: a text, or a function that writes it on a page.
        printed: What is printed in place of the answer for people; a report has the answer all the same.
        table: The answer as one table, for `--csv`; None if the command has no such option.
        charts: Makes the charts of a report.
        asked: What the files of the question said: settings, each with the name of what has them, or a scenario. Reports show it.
        notes: Lines for people that are not part of the answer; they go to stderr.
        finding: What is wrong and what to do about it. It goes to stderr, also with `--json`, and makes the exit code 1.
        interruption: What Ctrl-C left undone, if the document has what was done before. It goes to stderr like a finding, and makes the
            exit code 130. A command with nothing to show after Ctrl-C lets the KeyboardInterrupt pass.
        one_line: Whether the document is written on one line, for a program that reads it while the command still runs.
        run: What the command does beside writing its output, such as serving. It calls its argument when the output is to be written.
    """

    document: Any
    show: "str | Callable[[Page], None]"
    printed: str | None = None
    table: "Table | None" = None
    charts: "Callable[[], tuple[Chart, ...]] | None" = None
    asked: "tuple[tuple[str, Settings], ...] | Scenario" = ()
    notes: tuple[str, ...] = ()
    finding: str | None = None
    interruption: str | None = None
    one_line: bool = False
    run: "Callable[[Callable[[], None]], None] | None" = None


class OutputCommand(click.Command):
    """A command whose callback returns an `Output`; invoking it returns the exit code.

    Args:
        examples: Lines for its help.
        has_csv: Its output has a `table`.
        has_pages: People see more than one line, so that it takes `--markdown` and `--report`.
    """

    context_class = HelpContext

    def __init__(self, *arguments: Any, examples: tuple[str, ...], has_csv: bool = False, has_pages: bool = True, **options: Any) -> None:  # noqa: ANN401 - click's own arguments
        super().__init__(*arguments, **options)
        self.examples = examples
        formats = (
            ("json", "Print one JSON document and nothing else.", True),
            ("csv", "Print one table as CSV and nothing else.", has_csv),
            ("markdown", "Print the answer as Markdown, for a ticket.", has_pages),
        )
        for name, text, wanted in formats:
            if wanted:
                self.params.append(click.Option([f"--{name}", f"as_{name}"], is_flag=True, help=text))
        if has_pages:
            help_text = "Also write the answer as one HTML file, to look at, print or send."
            self.params.append(click.Option(["--report"], metavar="FILE", type=FILE, help=help_text))

    def invoke(self, ctx: click.Context) -> int:
        """Run the callback and write its output."""
        wanted = [name for name in ("json", "csv", "markdown") if ctx.params.pop(f"as_{name}", False)]
        if len(wanted) > 1:
            raise click.UsageError(f"{' and '.join(f'--{name}' for name in wanted)} exclude each other: give one", ctx)
        report: str | None = ctx.params.pop("report", None)
        if report is not None:
            check_report(report)
            if report in ctx.params.values():
                raise click.UsageError(f"--report and another option name one file, {report!r}; give two", ctx)
        output: Output = super().invoke(ctx)
        if report is not None:
            _write_report(report, output, ctx)

        def show() -> None:
            write(_written(output, *wanted))
            flush_stdout()  # so that the lines for stderr appear below the answer
            if not wanted or wanted == ["markdown"]:
                for line in output.notes:
                    note(line)
                if report is not None:
                    note(f"wrote {report}")

        if output.run is None:
            show()
        else:
            output.run(show)
        return _end(output)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on one line however long, so that it can be copied."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def _end(output: Output) -> int:
    """Say what is wrong or left undone, and return the exit code."""
    if output.interruption is not None:
        complain(f"interrupted: {output.interruption}")
        return ExitCode.INTERRUPTED
    if output.finding is None:
        return ExitCode.SUCCESS
    complain(output.finding)
    return ExitCode.REFUSED


def _written(output: Output, form: str = "") -> str:
    """Write an answer as `json`, `csv` or `markdown`, or for people."""
    if form == "json":
        return to_json(_versioned(output.document), one_line=output.one_line)
    if form == "csv" and output.table is not None:
        return output.table.csv()
    if output.printed is not None and not form:
        return output.printed
    if isinstance(output.show, str):
        return output.show if form != "markdown" or output.table is None else output.table.markdown()
    if form == "markdown":
        from vpcipam.cli.markdown import MarkdownPage  # noqa: PLC0415 - most runs don't need it

        ticket = MarkdownPage()
        output.show(cast("Page", ticket))
        return ticket.render()
    from vpcipam.cli.tables import Page  # noqa: PLC0415 - the other forms don't need it

    page = Page()
    output.show(page)
    return page.render()


def _write_report(path: str, output: Output, ctx: click.Context) -> None:
    """Write an answer as one HTML file, with the command line as the question."""
    import shlex  # noqa: PLC0415 - only reports need it

    from vpcipam.cli.html import HtmlPage  # noqa: PLC0415 - likewise

    page = HtmlPage()
    if output.finding is not None:
        page.finding(output.finding)
    if output.interruption is not None:
        page.finding(f"interrupted: {output.interruption}")
    if callable(output.show):
        output.show(cast("Page", page))
    else:
        for line in output.show.splitlines():
            page.spans([(line, "")])
    for chart in output.charts() if output.charts is not None else ():
        page.chart(chart)
    if output.asked:
        from vpcipam.cli.question_view import show_asked  # noqa: PLC0415 - only reports need it

        show_asked(page, output.asked)
    for line in output.notes:
        page.line(line, "dim")
    question = shlex.join([ctx.find_root().info_name or "vpcipam", *(ctx.obj or ctx.command_path.split()[1:])])
    write_text(path, page.render(ctx.command_path, question))


def _versioned(document: Any) -> Any:  # noqa: ANN401 - any value that JSON can hold
    """Add a version to an object that has none. SARIF has its own, and a list is fixed by the public contract."""
    if not isinstance(document, dict) or not {"schema_version", "$schema"}.isdisjoint(document):
        return document
    return {"schema_version": SCHEMA_VERSION} | document
