"""Shell completion, and the examples of the help."""

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from vpcipam.cli.app import COMMANDS, COMPLETE_VARIABLE, PROGRAM, app
from vpcipam.cli.instance_types import complete_types
from vpcipam.cli.manifests import complete_assignments
from vpcipam.limits import instance_types
from vpcipam.settings import VARIABLES


def complete(line):
    """Complete the last word of a line."""
    *words, last = line.split()
    return ShellComplete(app, {}, PROGRAM, COMPLETE_VARIABLE).get_completions(words, last)


def put_on_path(environment, folder, **programs):
    """Put programs that are one line of sh on the path."""
    for program, line in programs.items():
        path = folder / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    environment["PATH"] = os.pathsep.join([str(folder / "bin"), environment["PATH"]])


def commands():
    context = click.Context(app)
    return {name: app.get_command(context, name) for name in app.list_commands(context)}


TUNED_FOR = 'duration = "1 h"'

# Those that read EC2 are run in test_inspect_command.py, where a model answers. Those that serve until a signal are run in
# test_serve_command.py and tests/agent/test_processes.py.
EXAMPLES = [
    pytest.param(example, id=example, marks=[pytest.mark.thorough] if example.startswith("vpcipam tune") else [])
    for command in commands().values()
    for example in command.examples
    if "--ec2" not in example and not example.startswith(("vpcipam serve", "vpcipam agent"))
]


@pytest.fixture
def completions(process):
    """Ask for completions as bash does."""

    def complete(*words):
        variables = {"_VPCIPAM_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
        answer = process(**variables)
        assert (answer.code, answer.err) == (0, "")
        return [line.partition(",")[2] for line in answer.out.splitlines()]

    return complete


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(cli, shell):
    answer = cli("completion", shell)
    assert answer.code == 0
    assert f"_VPCIPAM_COMPLETE={shell}_complete" in answer.out
    document = cli("completion", shell, "--json").document
    assert document["shell"] == shell
    assert document["script"] + "\n" == answer.out
    assert shell in cli("completion", "--help").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_accepts_the_script(cli, tmp_path, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "script"
    script.write_text(cli("completion", shell).out)
    done = subprocess.run([program, "-n", str(script)], capture_output=True, check=False)  # noqa: S603 - a shell that only reads
    assert (done.returncode, done.stderr) == (0, b"")


# zsh's functions for completion work only while a line is edited, so that these stand for them.
ZSH = """
compdef() { }
_describe() { print -l -- ${(P)3} }
compadd() { print -l -- $completions }
eval "$(vpcipam completion zsh)"
words=(${(s: :)1}); CURRENT=$#words
_vpcipam_completion
"""
ASKING = {
    "fish": ["-c", 'vpcipam completion fish | source; complete -C "$argv[1]"'],
    "zsh": ["-f", "-c", ZSH, "zsh"],
}


@pytest.mark.parametrize("shell", ASKING)
def test_a_shell_completes_a_line_with_its_script(environment, tmp_path, shell):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    put_on_path(environment, tmp_path, vpcipam=f'exec {sys.executable} -m vpcipam.cli "$@"')
    environment["HOME"] = str(tmp_path)  # where fish writes

    def complete(line):
        done = subprocess.run([program, *ASKING[shell], line], capture_output=True, text=True, check=True, env=environment)  # noqa: S603 - a shell
        return [re.split("[\t:]", each, maxsplit=1) for each in done.stdout.splitlines()]

    assert complete("vpcipam max") == [["max-pods", COMMANDS["max-pods"]]]
    assert complete("vpcipam limits --family m7g") == [["m7g"], ["m7gd"]]
    assert complete("vpcipam plan m5.large --set WARM_P") == [["WARM_PREFIX_TARGET=", VARIABLES["WARM_PREFIX_TARGET"].effect]]


# bash sets these variables only while a line is edited. It splits words at blanks, and at = and :, which become words themselves.
BASH = """
complete() { :; }
compopt() { echo "compopt $1 $2"; }
eval "$(vpcipam completion bash)"
COMP_LINE="$1"; COMP_POINT=${#1}; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_vpcipam_completion vpcipam
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes_words_that_it_splits(environment, tmp_path):
    program = shutil.which("bash")
    if program is None:
        pytest.skip("bash is not installed")
    put_on_path(environment, tmp_path, vpcipam=f'exec {sys.executable} -m vpcipam.cli "$@"')

    def complete(line):
        words = [part for part in re.split(r"\s+|([=:])", line) if part]
        words += [""] if line.endswith(" ") else []
        command = [program, "--norc", "-c", BASH, "bash", line, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split("\n")[:-1]  # noqa: S603 - a shell

    assert complete("vpcipam max") == ["max-pods"]
    assert complete("vpcipam plan m5.large --set WARM_P") == ["compopt -o nospace", "WARM_PREFIX_TARGET="]
    assert complete("vpcipam plan m5.large --set ENABLE_POD_ENI=t") == ["true"]
    assert complete("vpcipam plan m5.large --set ENABLE_POD_ENI=") == ["true", "false"]
    assert complete("vpcipam plan m5.large --variant ENABLE_POD_ENI=true,MAX_E") == ["compopt -o nospace", "true,MAX_ENI="]
    assert complete("vpcipam simulate x.toml --set group.workers.instance_type=m5.lar") == ["m5.large"]
    assert complete("vpcipam simulate ") == ["compopt -o default", ""]


def test_an_unknown_shell_is_a_usage_error(cli):
    assert "tcsh" in cli("completion", "tcsh").usage_error


def test_a_shell_gets_completions(completions):
    assert completions("vpcipam", "limits", "--family", "m7g") == ["m7g", "m7gd"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("pl", ["plan"]),
        ("plan m5.12", ["m5.12xlarge"]),
        ("limits m5.large t3.s", ["t3.small"]),
        ("limits --family u-6tb1", ["u-6tb1"]),
        ("limits --family nope", []),
        ("plan m5.large --set WARM_P", ["WARM_PREFIX_TARGET="]),
        ("plan m5.large --variant WARM_P", ["WARM_PREFIX_TARGET="]),
        ("size m5.large --variant WARM_IP_TARGET=5,MINI", ["WARM_IP_TARGET=5,MINIMUM_IP_TARGET="]),
        ("plan --from node.json --type m5.12", ["m5.12xlarge"]),
        ("simulate x.toml --set group.workers.settings.WARM_P", ["group.workers.settings.WARM_PREFIX_TARGET="]),
        ("tune x.toml --set group.workers.settings.ENABLE_IPv6=t", ["group.workers.settings.ENABLE_IPv6=true"]),
        ("sweep x.toml --set group.workers.instance_type=m5.12", ["group.workers.instance_type=m5.12xlarge"]),
        ("simulate x.toml --set group.workers.co", []),
        ("help ex", ["exit-codes"]),
        ("help pl", ["plan"]),
    ],
)
def test_commands_types_families_and_variables_are_completed(line, found):
    assert [item.value for item in complete(line)] == found


@pytest.mark.parametrize("line", ["plan --from node.json pods", "plan --from node.json another.json pods"])
def test_files_follow_the_first_file_of_a_cluster(line):
    assert [(item.value, item.type) for item in complete(line)] == [("pods", "file")]


def test_every_option_that_takes_a_type_a_variable_or_a_file_is_completed():
    """What the value is, is told by how the help calls it."""
    kinds = {
        "TYPE": "plain",
        "VARIABLE": "plain",
        "NAME=VALUE": "plain",
        "FILE": "file",
        "SCENARIO.toml": "file",
        "LOG": "file",
        "DIR": "dir",
    }
    asked = {}
    for name, command in commands().items():
        context = click.Context(command)
        for parameter in command.params:
            shown = re.match(r"[A-Z]+(?:=VALUE|[.]toml)?", (parameter.metavar or "").lstrip("["))
            if shown and shown[0] in kinds:
                first = {"TYPE": "m5.", "NAME=VALUE": "WARM_", "FILE": "x"}.get(shown[0], "x")
                asked[f"{name} {parameter.name}"] = ({item.type for item in parameter.shell_complete(context, first)}, {kinds[shown[0]]})
    assert len(asked) > 30
    assert {where: pair for where, pair in asked.items() if pair[0] != pair[1]} == {}


def test_commands_are_completed_with_what_they_do_and_none_is_loaded(completions, environment):
    assert completions("vpcipam", "max") == ["max-pods"]
    code = "import sys; from vpcipam.cli.app import app; import click; context = click.Context(app)\n"
    code += "print([(item.value, item.help) for item in app.shell_complete(context, 'si')], 'vpcipam.cli.plan' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)  # noqa: S603 - as it stands
    texts = [(name, text) for name, text in COMMANDS.items() if name.startswith("si")]
    assert done.stdout == f"{texts} False\n"


def test_types_are_completed_from_the_whole_table():
    assert complete_types(None, None, "") == list(instance_types())
    assert complete_types(None, None, "nope") == []


def test_variables_that_act_on_addresses_are_completed_and_explained():
    items = complete_assignments(None, None, "")
    assert [item.value for item in items] == [f"{variable.name}=" for variable in VARIABLES.values() if variable.acts_on_addresses]
    assert items[0].help == VARIABLES["WARM_ENI_TARGET"].effect


@pytest.mark.parametrize(
    ("incomplete", "values"),
    [
        ("ENABLE_IPv6=", ["ENABLE_IPv6=true", "ENABLE_IPv6=false"]),
        ("ENABLE_IPv6=t", ["ENABLE_IPv6=true"]),
        ("WARM_IP_TARGET=", []),
        ("VPC_ID", []),
    ],
)
def test_booleans_are_completed(incomplete, values):
    assert [item.value for item in complete_assignments(None, None, incomplete)] == values


# --- help ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", commands())
def test_every_command_has_json_and_examples(cli, name):
    out = cli(name, "--help").out
    assert "--json" in out
    assert commands()[name].examples
    for example in commands()[name].examples:
        assert f"\n  {example}\n" in out
        assert f"vpcipam {name}" in example


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run_as_written(example, tmp_path, manifest, environment):
    """Examples run with vpcipam and a kubectl that prints the manifest on the path, and with the example files in the folder."""
    shutil.copy(manifest, tmp_path / "aws-node.yaml")
    for folder in ("clusters", "present", "scenarios"):
        shutil.copytree(Path(manifest).parent / folder, tmp_path / "examples" / folder)
    shutil.copy(Path(manifest).parent / "ipamd.log", tmp_path / "examples")
    tuned = tmp_path / "examples" / "scenarios" / "tune.toml"
    tuned.write_text(tuned.read_text().replace(TUNED_FOR, 'duration = "5 min"'))  # 16 combinations of it are run
    put_on_path(environment, tmp_path, vpcipam=f'exec {sys.executable} -W error -m vpcipam.cli "$@"', kubectl="exec cat aws-node.yaml")
    done = subprocess.run(["sh", "-c", example], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)  # noqa: S603, S607 - our own examples
    assert done.returncode == 0, done.stderr
    assert done.stdout or " > " in example  # which leaves nothing to see
    assert all(line.startswith(("warning: ", "= ", "wrote ", "drew ")) for line in done.stderr.splitlines())
    assert Path(tmp_path / "aws-node.yaml").exists()


def test_the_scenario_to_tune_can_be_shortened(manifest):
    assert TUNED_FOR in (Path(manifest).parent / "scenarios" / "tune.toml").read_text().splitlines()
