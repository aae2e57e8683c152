"""`vpcipam completion`: a script that makes a shell complete the command's arguments."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from vpcipam.cli.app import COMPLETE_VARIABLE, PROGRAM, app
from vpcipam.cli.command import Output, OutputCommand

EXAMPLES = ("vpcipam completion bash", "vpcipam completion zsh", "vpcipam completion fish")

_BASH = r"""%(complete_func)s() {
    local IFS=$'\n' rest="${COMP_LINE:0:COMP_POINT}" part last after kept response completion type value words=()

    # bash splits words at = and :, which are within words here.
    for part in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -eq 0 || $rest == [[:blank:]]* ]]; then
            rest="${rest#"${rest%%%%[![:blank:]]*}"}"
            words+=("$part")
        else
            words[-1]+="$part"
        fi
        rest="${rest:${#part}}"
    done
    last="${words[-1]}"
    after="$last"
    [[ $COMP_WORDBREAKS == *=* ]] && after="${after##*=}"
    [[ $COMP_WORDBREAKS == *:* ]] && after="${after##*:}"
    kept="${last%%"$after"}"

    response=$(env COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) %(complete_var)s=bash_complete "$1")

    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"

        if [[ $type == 'dir' ]]; then
            compopt -o dirnames
        elif [[ $type == 'file' ]]; then
            compopt -o default
        elif [[ $type == 'plain' ]]; then
            COMPREPLY+=("${value#"$kept"}")
        fi
    done

    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace # the value comes next
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_ZSH_ADDS = "_describe -V unsorted completions_with_descriptions -U"
_ZSH_ADDS_AND_STAYS = """local -a ended=(${completions_with_descriptions:#*=:*}) open=(${(M)completions_with_descriptions:#*=:*})
        (( $#ended )) && _describe -V unsorted ended -U
        (( $#open )) && _describe -V unsorted open -U -S ''"""


class _Bash(BashComplete):
    """bash with words that have = and :, as in NAME=VALUE, and no blank behind NAME=."""

    source_template = _BASH


class _Zsh(ZshComplete):
    """zsh without a blank behind NAME=."""

    source_template = ZshComplete.source_template.replace(_ZSH_ADDS, _ZSH_ADDS_AND_STAYS)


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": FishComplete}


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
