"""`vpcipam help`: the help of a command, and short pages about what the commands share."""

import difflib
import itertools
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from vpcipam.cli.app import COMMANDS, app
from vpcipam.cli.command import Output, OutputCommand
from vpcipam.cli.exit_codes import MEANINGS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EXAMPLES = ("vpcipam help plan", "vpcipam help exit-codes", "vpcipam help variables")

_WIDTH = 79

_FILES = """Files that commands read. "-" is stdin everywhere.

settings FILE, --daemonset FILE
    What sets the variables of aws-node, as YAML, JSON or text: a DaemonSet,
    Helm values, the configuration of the EKS add-on, `kubectl describe`, …
    docs/documents.md lists all.

inspect FILE, verify LOG, plan --from FILE
    Files, folders and archives of nodes, clusters and accounts: answers of
    kubectl and of `aws ec2 describe-…`, ipamd's checkpoint, introspection and
    log, and the archive of aws-cni-support.sh. docs/inspecting.md lists all.

--types FILE
    The output of `aws ec2 describe-instance-types`, for types that are newer
    than this release.

simulate, sweep, tune SCENARIO.toml
    A scenario: docs/scenarios.md.

size --cluster FILE
    Groups of nodes: docs/sizing.md.

A command writes only files that an option names, such as --plot and --save.
"""

_ENVIRONMENT = """Environment variables that the command reads.

  NO_COLOR              no colours and no bold text
  COLUMNS               the width of the output
  VPCIPAM_NO_EXTENSION  1 uses the pools in plain Python
  VPCIPAM_DEBUG         1 shows the traceback of an internal error

What boto3 reads counts for `inspect --ec2` and `agent`, such as AWS_PROFILE,
AWS_REGION and AWS_ENDPOINT_URL_EC2.
"""


_GLOSSARY = """Words that the commands use. docs/concepts.md has pictures of them, and
docs/glossary.md has more words.

  ENI          an elastic network interface: a network card of an instance. The
               primary one is there from the start
  primary IP   the first address of an ENI. No pod gets it
  slot         each other place on an ENI. It holds one address or one prefix
  prefix       a block of 16 addresses (/28) in one slot
  attached     in a slot of the node, with a pod or without
  warm         attached and ready for a pod, so that the next one doesn't wait
  warm target  a variable that says how many addresses a node keeps for pods to
               come
  cooldown     the time after a pod's end in which its node gives the address
               to no other pod, 30 s by default
  max-pods     the most pods that the kubelet runs on the node, those on the
               host's network included
  ipamd        the program on each node that attaches ENIs, fetches addresses
               and gives them to pods; a part of the DaemonSet aws-node
"""


def _exit_codes() -> str:
    rows = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
    return f"Exit codes of every command.\n\n{rows}\n\nA finding or a refusal is one line on stderr. After a refusal, stdout is empty.\n"


def _settings() -> str:
    from vpcipam.settings import VARIABLES  # noqa: PLC0415 - most topics don't need it

    rows = [(each.name, str(each.default), each.effect) for each in VARIABLES.values() if each.acts_on_addresses]
    lines = [
        f"  {name}  (default {default})\n{textwrap.fill(effect, _WIDTH, initial_indent='      ', subsequent_indent='      ')}\n"
        for name, default, effect in rows
    ]
    head = textwrap.fill(
        "Variables of the aws-node container that act on addresses, for --set and --variant, with ipamd's defaults.", _WIDTH
    )
    return "\n".join(itertools.chain([head, ""], lines))


TOPICS: dict[str, tuple[str, Callable[[], str]]] = {
    "exit-codes": ("What the exit codes mean.", _exit_codes),
    "glossary": ("What slot, prefix, warm and cooldown mean.", lambda: _GLOSSARY),
    "files": ("The files that commands read and write.", lambda: _FILES),
    "environment": ("The environment variables that the command reads.", lambda: _ENVIRONMENT),
    "variables": ("The variables for --set and --variant.", _settings),
}
"""Each page: what it is about, and a function that writes it."""


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem[str]]":
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a shell that completes needs it

    texts = COMMANDS | {name: about for name, (about, _) in TOPICS.items()}
    return [CompletionItem(name, help=text) for name, text in texts.items() if name.startswith(incomplete)]


@click.command("help", cls=OutputCommand, examples=EXAMPLES, has_pages=False)
@click.argument("topic", required=False, shell_complete=_complete)
@click.pass_context
def command(context: click.Context, topic: str | None) -> Output:
    """Show the help of a command, or a page about a TOPIC; without one, list both."""
    program = context.parent or context
    if topic is None:
        text = f"{app.get_help(program)}\n\n{_listed(program)}"
    elif topic in TOPICS:
        text = TOPICS[topic][1]()
    elif topic in COMMANDS:
        found = app.get_command(program, topic)
        assert found is not None  # noqa: S101 - every name of COMMANDS is a command
        text = found.get_help(found.context_class(found, info_name=topic, parent=program)) + "\n"
    else:
        near = difflib.get_close_matches(topic, [*COMMANDS, *TOPICS], n=1)
        advice = f"did you mean {near[0]}?" if near else "`vpcipam help` lists them, and `vpcipam help glossary` explains words"
        raise click.BadParameter(f"there is no command or topic {topic!r}; {advice}", context, param_hint="TOPIC")
    return Output(document={"topic": topic, "text": text}, show=text)


def _listed(program: click.Context) -> str:
    formatter = program.make_formatter()
    with formatter.section("Topics of vpcipam help"):
        formatter.write_dl([(name, about) for name, (about, _) in TOPICS.items()])
    return formatter.getvalue()
