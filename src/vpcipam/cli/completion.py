"""`vpcipam completion`: the script that makes a shell complete the command."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from vpcipam.cli.app import COMPLETE_VARIABLE, PROGRAM, app
from vpcipam.cli.command import Answer, AnsweringCommand

EXAMPLES = ("vpcipam completion bash", "vpcipam completion zsh", "vpcipam completion fish")
_SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command("completion", cls=AnsweringCommand, examples=EXAMPLES, short_help="The script that makes a shell complete vpcipam.")
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def command(shell: str) -> Answer:
    """Print the script that completes commands, options, instance types and variables.

    Put one of these lines into your shell's start-up file:

    \b
      ~/.bashrc                     eval "$(vpcipam completion bash)"
      ~/.zshrc                      eval "$(vpcipam completion zsh)"
      ~/.config/fish/config.fish    vpcipam completion fish | source
    """  # noqa: D301 - the escape is click's mark for lines that stay as they are
    # Not BashComplete.source: it starts a bash to see how old it is, and that of the reader may be another one.
    script = ShellComplete.source(_SHELLS[shell](app, {}, PROGRAM, COMPLETE_VARIABLE))
    return Answer(document={"shell": shell, "script": script}, show=lambda: script + "\n")
