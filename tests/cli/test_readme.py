"""The commands in the tables of the README and the reference run, and the README shows what `plan` prints."""

import re
import shlex
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
REFERENCE = (REPOSITORY / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
SLOW = ("thousand-nodes", "vpcipam sweep", "vpcipam tune")  # the examples of these commands run with shorter scenarios
COMMANDS = [
    pytest.param(command, id=command, marks=[pytest.mark.nightly] if any(each in command for each in SLOW) else [])
    for command in dict.fromkeys(re.findall(r"^\| `(vpcipam [^`]+)` \|", README + REFERENCE, re.MULTILINE))
    if "--ec2" not in command and not command.startswith(("vpcipam serve", "vpcipam agent"))  # these run until a signal
]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_in_the_tables_runs(cli, monkeypatch, command):
    monkeypatch.chdir(REPOSITORY)
    answer = cli(*shlex.split(command)[1:])
    assert answer.code == ("symptoms" in command), answer.err  # 1 for a finding
    assert answer.out


def test_the_plan_is_printed_as_shown(cli):
    command, shown = re.search(r"^    \$ vpcipam (plan .+)\n((?:    .*\n|\n)+?)    …\n", README, re.MULTILINE).groups()
    assert cli(*shlex.split(command)).out.startswith(re.sub(r"^    ", "", shown, flags=re.MULTILINE))
