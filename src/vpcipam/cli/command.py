"""The base of all commands: they return an `Output`, take `--json`, and show examples in their help."""

from typing import TYPE_CHECKING, Any

import attrs
import click

from vpcipam.cli.exit_codes import ExitCode
from vpcipam.cli.streams import complain, flush_stdout, note, to_json, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from vpcipam.cli.tables import Page

FILE = click.Path(readable=False)
"""The type of a file argument. The command opens the file itself, so that every unreadable file gives the same exit code."""


@attrs.frozen(kw_only=True)
class Output:
    """The result of a command.

    Attributes:
        document: The answer for programs, as values that JSON can hold.
        show: The answer for people: a text, or a function that writes it on a page.
        notes: Lines for people that are not part of the answer; they go to stderr.
        finding: What is wrong and what to do about it. It goes to stderr, also with `--json`, and makes the exit code 1.
        interruption: What Ctrl-C left undone, if the document has what was done before. It goes to stderr like a finding, and makes the
            exit code 130. A command with nothing to show after Ctrl-C lets the KeyboardInterrupt pass.
        one_line: Whether the document is written on one line, for a program that reads it while the command still runs.
        run: What the command does beside writing its output, such as serving. It calls its argument when the output is to be written.
    """

    document: Any
    show: "str | Callable[[Page], None]"
    notes: tuple[str, ...] = ()
    finding: str | None = None
    interruption: str | None = None
    one_line: bool = False
    run: "Callable[[Callable[[], None]], None] | None" = None


class OutputCommand(click.Command):
    """A command whose callback returns an `Output`; invoking it returns the exit code."""

    def __init__(self, *arguments: Any, examples: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 - click's own arguments
        super().__init__(*arguments, **options)
        self.examples = examples
        self.params.append(click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document and nothing else."))

    def invoke(self, ctx: click.Context) -> int:
        """Run the callback and write its output."""
        as_json = ctx.params.pop("as_json")
        output: Output = super().invoke(ctx)

        def show() -> None:
            write(to_json(output.document, one_line=output.one_line) if as_json else _text(output))
            flush_stdout()  # so that the lines for stderr appear below the answer
            if not as_json:
                for line in output.notes:
                    note(line)

        if output.run is None:
            show()
        else:
            output.run(show)
        if output.interruption is not None:
            complain(f"interrupted: {output.interruption}")
            return ExitCode.INTERRUPTED
        if output.finding is None:
            return ExitCode.SUCCESS
        complain(output.finding)
        return ExitCode.REFUSED

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on one line however long, so that it can be copied."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def _text(output: Output) -> str:
    if isinstance(output.show, str):
        return output.show
    from vpcipam.cli.tables import Page  # noqa: PLC0415 - it loads rich, which is slow and which JSON and plain texts do not need

    page = Page()
    output.show(page)
    return page.render()
