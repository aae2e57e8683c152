"""What all commands share: they answer with a value, take `--json`, and show examples in their help."""

from collections.abc import Callable
from typing import Any

import attrs
import click

from vpcipam.cli.streams import complain, flush_stdout, note, to_json, write


@attrs.frozen(kw_only=True)
class Answer:
    """What a command found.

    Attributes:
        document: the same for machines, of values that JSON knows.
        show: gives the same for people; called only where it is wanted, since it may load rich.
        notes: lines for people that are not the answer itself; they go to stderr.
        finding: makes the exit code 1, and goes to stderr, whoever reads: what is wrong and what to do about it.
    """

    document: Any
    show: Callable[[], str]
    notes: tuple[str, ...] = ()
    finding: str | None = None


class AnsweringCommand(click.Command):
    """A command whose callback gives an `Answer`; running it gives the exit code."""

    def __init__(self, *arguments: Any, examples: tuple[str, ...], **options: Any) -> None:  # noqa: ANN401 - click's own arguments
        super().__init__(*arguments, **options)
        self.examples = examples
        self.params.append(click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON document and nothing else."))

    def invoke(self, ctx: click.Context) -> int:
        """Run the callback and present its answer."""
        as_json = ctx.params.pop("as_json")
        answer: Answer = super().invoke(ctx)
        write(to_json(answer.document) if as_json else answer.show())
        flush_stdout()  # before anything goes to stderr, so that the two stay in order where both go to one place
        if not as_json:
            for line in answer.notes:
                note(line)
        if answer.finding is None:
            return 0
        complain(answer.finding)
        return 1

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own however long, so that it can be copied."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
