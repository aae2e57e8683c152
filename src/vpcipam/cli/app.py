"""The `vpcipam` command and its subcommands; each subcommand is loaded only when it is used."""

import importlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from vpcipam._version import __version__
from vpcipam.cli.exit_codes import ExitCode
from vpcipam.cli.help_format import HelpContext

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PROGRAM = "vpcipam"
COMPLETE_VARIABLE = "_VPCIPAM_COMPLETE"
"""The shell's completion function sets this variable to ask for completions."""

COMMANDS = {
    "limits": "Show what EC2 allows an instance of a type.",
    "max-pods": "Compute how many pods a node can run.",
    "settings": "Explain and check an aws-node manifest.",
    "plan": "Compute a node's ENIs and addresses for its pods.",
    "datapath": "Show the interfaces, routes and rules that a node has for its pods.",
    "size": "Count the subnets that a cluster needs.",
    "simulate": "Simulate a fleet of nodes over hours or days.",
    "sweep": "Simulate a fleet under many settings.",
    "tune": "Find the best settings for a workload.",
    "inspect": "Show what a real node has and what is wrong with it.",
    "verify": "Check a node's logs for addresses given out twice or too early.",
    "serve": "Serve a model of EC2 to AWS clients.",
    "agent": "Run the daemon that gives the pods of a node their addresses.",
    "completion": "Print a shell script that completes arguments.",
    "help": "Show the help of a command, or a page about a topic.",
}
"""Each command and what it does, in one line. The help and the completion of commands thus load none of them."""


class _LazyGroup(click.Group):
    """A group that loads each subcommand from the `command` of the module with its name."""

    context_class = HelpContext

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"vpcipam.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem[str]]":
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell that completes needs it

        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib  # noqa: PLC0415 - only a mistake needs it

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            raise click.UsageError(f"{error.message} Did you mean {near[0]}?", ctx) if near else error from None


@click.group(
    PROGRAM,
    cls=_LazyGroup,
    context_settings={"help_option_names": ["--help", "-h"]},
    invoke_without_command=True,
    no_args_is_help=False,  # its exit code differs between click releases
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Work out what the AWS VPC CNI does with IP addresses on EKS nodes.

    Every command takes --json. Exit codes: 0 success, 1 a finding or a refusal (one line on stderr), 2 bad usage, 130 Ctrl-C.

    `vpcipam help glossary` explains the words, and `vpcipam help` lists further pages.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(ExitCode.BAD_USAGE)


def run(arguments: Sequence[str], program: str = PROGRAM) -> int:
    """Run the command line and return its exit code. Only usage errors are handled here; all others are raised.

    Args:
        arguments: What follows the program's name.
        program: Its name, for usage lines.
    """
    if COMPLETE_VARIABLE in os.environ:
        app.main([], PROGRAM, COMPLETE_VARIABLE)  # exits
    try:
        # Not app.main, which turns a broken pipe and an interrupt into exit codes of its own.
        with app.make_context(program, list(arguments), obj=list(arguments)) as context:
            code: int = app.invoke(context)
            return code
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
