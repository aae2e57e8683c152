"""The `vpcipam` command and its subcommands, each of which is loaded only when it is wanted."""

import importlib
import os
from collections.abc import Sequence

import click

from vpcipam._version import __version__

PROGRAM = "vpcipam"
COMPLETE_VARIABLE = "_VPCIPAM_COMPLETE"
"""By this variable the shell's completion function asks for completions."""

_MODULES = {
    "limits": "vpcipam.cli.limits",
    "max-pods": "vpcipam.cli.max_pods",
    "settings": "vpcipam.cli.settings",
    "plan": "vpcipam.cli.plan",
    "simulate": "vpcipam.cli.simulate",
    "sweep": "vpcipam.cli.sweep",
    "tune": "vpcipam.cli.tune",
    "inspect": "vpcipam.cli.inspect",
    "completion": "vpcipam.cli.completion",
}
_BAD_USAGE = 2


class _LazyGroup(click.Group):
    """A group that imports a subcommand's module, which has it under the name `command`, only when it is wanted."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        command: click.Command = importlib.import_module(_MODULES[cmd_name]).command
        return command


@click.group(
    PROGRAM,
    cls=_LazyGroup,
    context_settings={"help_option_names": ["--help", "-h"]},
    invoke_without_command=True,
    no_args_is_help=False,  # whose exit code depends on click's release
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def app(context: click.Context) -> None:
    """Work out what the AWS VPC CNI does with IP addresses on EKS nodes.

    Every command takes --json. Exit codes: 0 success, 1 a finding or a refusal (one line on stderr), 2 bad usage.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(_BAD_USAGE)


def run(arguments: Sequence[str]) -> int:
    """Run the command line, and give its exit code; all that is not about usage is raised."""
    if COMPLETE_VARIABLE in os.environ:
        app.main([], PROGRAM, COMPLETE_VARIABLE)  # exits
    try:
        # Not app.main: that turns a broken pipe and an interrupt into exit codes of its own.
        with app.make_context(PROGRAM, list(arguments)) as context:
            code: int = app.invoke(context)
            return code
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
