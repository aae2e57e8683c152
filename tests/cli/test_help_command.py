"""`vpcipam help`."""

import re
from pathlib import Path

import click
import pytest

from vpcipam.cli.app import COMMANDS, app
from vpcipam.cli.exit_codes import MEANINGS, ExitCode
from vpcipam.cli.help import TOPICS
from vpcipam.settings import VARIABLES

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["plan", "max-pods", "help"])
def test_the_help_of_a_command_is_that_of_its_option(cli, name):
    assert cli("help", name).out == cli(name, "--help").out


def test_without_a_topic_it_lists_commands_and_topics(cli):
    answer = cli("help")
    assert answer.code == 0
    assert answer.out.startswith(cli("--help").out)
    for name in (*COMMANDS, *TOPICS):
        assert f"\n  {name} " in answer.out


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_a_page(cli, topic):
    answer = cli("help", topic)
    assert (answer.code, answer.err) == (0, "")
    assert cli("help", topic, "--json").document == {"schema_version": 1, "topic": topic, "text": answer.out}
    assert max(map(len, answer.out.splitlines())) <= 80
    for path in re.findall(r"docs/[\w/]+[.]md", answer.out):
        assert (REPOSITORY / path).exists()


def test_the_words_of_the_glossary_are_those_of_its_page(cli):
    words = re.findall(r"^  (\w[\w -]*?)  +[a-z]", cli("help", "glossary").out, re.MULTILINE)
    assert {*words} < {*re.findall(r"^([\w-][\w -]*)$", (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)}
    assert len(words) == 10


@pytest.mark.parametrize("name", COMMANDS)
def test_no_help_breaks_a_word_or_is_too_wide(cli, monkeypatch, name):
    command = app.get_command(click.Context(app), name)
    texts = [command.help, *(each.help for each in command.params if isinstance(each, click.Option))]
    words = {word for text in texts for word in text.replace("\b", "").split()}
    for width in (80, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = cli(name, "--help").out.splitlines()
        assert words <= {*" ".join(lines).split()}
        assert max(len(line) for line in lines if "vpcipam " not in line) <= width  # a command can be copied whole


def test_no_topic_has_the_name_of_a_command():
    assert {*TOPICS}.isdisjoint(COMMANDS)


def test_every_exit_code_is_explained(cli):
    assert {*MEANINGS} == {*ExitCode}
    out = cli("help", "exit-codes").out
    assert all(f" {code:d}  {meaning}\n" in out for code, meaning in MEANINGS.items())


def test_the_page_of_variables_has_those_that_act_on_addresses(cli):
    shown = re.findall(r"^  (\w+)  \(default", cli("help", "variables").out, re.MULTILINE)
    assert shown == [each.name for each in VARIABLES.values() if each.acts_on_addresses]


@pytest.mark.parametrize(
    ("topic", "advice"), [("pln", "did you mean plan?"), ("exit-code", "did you mean exit-codes?"), ("xyz", "`vpcipam help` lists them")]
)
def test_an_unknown_topic_is_a_usage_error_with_advice(cli, topic, advice):
    assert f"there is no command or topic '{topic}'; {advice}" in cli("help", topic).usage_error
