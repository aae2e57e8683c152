"""`vpcipam completion`: a script that makes a shell complete the command's arguments."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from vpcipam.cli.app import COMPLETE_VARIABLE, PROGRAM, app
from vpcipam.cli.command import Output, OutputCommand

EXAMPLES = ("vpcipam completion bash", "vpcipam completion zsh", "vpcipam completion fish")
_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command("completion", cls=OutputCommand, examples=EXAMPLES, has_pages=False)
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def command(shell: str) -> Output:
    """Print a shell script that completes commands, options, instance types and variables.

    Add the line for your shell to its start-up file:

    \b
      ~/.bashrc                     eval "$(vpcipam completion bash)"
      ~/.zshrc                      eval "$(vpcipam completion zsh)"
      ~/.config/fish/config.fish    vpcipam completion fish | source
    """  # noqa: D301 - the escape tells click to keep the lines
    # Not BashComplete.source, which starts a bash to check its version: the user may run another bash.
    script = ShellComplete.source(_SHELLS[shell](app, {}, PROGRAM, COMPLETE_VARIABLE))
    return Output(document={"shell": shell, "script": script}, show=script + "\n")
