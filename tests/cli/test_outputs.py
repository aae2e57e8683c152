"""The forms of every command's output: JSON with a version, CSV with values, Markdown."""

import csv
import io
import json
from pathlib import Path

import pytest

from vpcipam.cli.app import app
from vpcipam.cli.markdown import MarkdownPage
from vpcipam.cli.table import Figure, Table, escaped

REPOSITORY = Path(__file__).parents[2]
SCENARIO = """
duration = "3 min"
[[subnet]]
name = "pods"
cidr = "10.0.0.0/24"
[[group]]
name = "workers"
instance_type = "t3.small"
count = 1
[[workload]]
kind = "deployment"
name = "web"
replicas = 2
[sweep]
"group.workers.settings.WARM_IP_TARGET" = [1, 4]
[tune]
p99_wait = "10 min"
seeds = [1]
confirm_seeds = [2]
[tune.settings]
WARM_IP_TARGET = [1]
"""
LOG = str(REPOSITORY / "examples" / "symptoms" / "restart" / "ipamd.log")
COMMANDS = {
    "limits": ("limits", "m5.large"),
    "max-pods": ("max-pods", "m5.large"),
    "max-pods of several": ("max-pods", "m5.large", "t3.small"),
    "settings": ("settings", str(REPOSITORY / "examples" / "aws-node.yaml"), "--all"),
    "plan": ("plan", "m5.large", "--pods=20"),
    "plan of cards": ("plan", "c6in.32xlarge", "--pods=100", "--set=ENABLE_MULTI_NIC=true"),
    "plan of several": ("plan", "m5.large", "--pods=20", "--variant=WARM_IP_TARGET=1"),
    "datapath": ("datapath", "m5.large", "--pods=12"),
    "plan --from": ("plan", "--from", str(REPOSITORY / "examples" / "present")),
    "size": ("size", "m5.large", "--nodes=3", "--pods=20"),
    "size of given subnets": ("size", "m5.large", "--nodes=3", "--pods=20", "--subnets=/24"),
    "simulate": ("simulate", "SCENARIO"),
    "sweep": ("sweep", "SCENARIO"),
    "tune": ("tune", "SCENARIO"),
    "inspect": ("inspect", str(REPOSITORY / "examples" / "symptoms" / "subnet-full")),
    "verify": ("verify", LOG),
    "completion": ("completion", "bash"),
    "help": ("help", "exit-codes"),
}
BARE_LISTS = {"limits", "max-pods of several"}
"""Their JSON is a list, as the public contract fixes it."""
NO_CSV = {"simulate", "completion", "help"}
NO_MARKDOWN = {"completion", "help"}


@pytest.fixture
def run(cli, tmp_path):
    def run(name, *options):
        arguments = list(COMMANDS[name])
        if "SCENARIO" in arguments:
            (tmp_path / "scenario.toml").write_text(SCENARIO)
            arguments[1] = str(tmp_path / "scenario.toml")
        workers = ["--workers=1"] if arguments[0] in {"sweep", "tune"} else []
        return cli(*arguments, *workers, *options)

    return run


def test_every_command_is_here():
    servers = {"serve", "agent"}  # test_serve_command.py and tests/agent/test_processes.py have their JSON
    assert {arguments[0] for arguments in COMMANDS.values()} | servers == set(app.list_commands(None))


@pytest.mark.parametrize("name", COMMANDS)
def test_json_obeys_its_schema_and_has_a_version_or_is_a_list_that_the_contract_fixes(run, schema_errors, name):
    document = json.loads(run(name, "--json").out)
    assert schema_errors(COMMANDS[name], document) == []
    if name in BARE_LISTS:
        assert isinstance(document, list)
    else:
        assert next(iter(document)) == "schema_version"
        assert document["schema_version"] == 1


def test_a_bare_list_has_one_item_for_one_type(run):
    assert len(json.loads(run("limits", "--json").out)) == 1
    assert [each["schema_version"] for each in json.loads(run("max-pods of several", "--json").out)] == [1, 1]


def test_sarif_has_its_own_version(run):
    document = json.loads(run("inspect", "--sarif", "--json").out)
    assert "schema_version" not in document
    assert document["version"] == "2.1.0"


@pytest.mark.parametrize("name", sorted({*COMMANDS} - NO_CSV))
def test_csv_is_one_table(run, name):
    heads, *rows = csv.reader(io.StringIO(run(name, "--csv").out))
    assert len({*heads}) == len(heads)
    assert rows
    assert {len(row) for row in rows} == {len(heads)}


@pytest.mark.parametrize("name", sorted({*COMMANDS} - NO_MARKDOWN))
def test_markdown_has_no_layout(run, name):
    out = run(name, "--markdown").out
    assert "| ---" in out or name == "verify"
    assert not any(line.startswith(("---", " --")) for line in out.splitlines())
    assert "\n\n\n" not in out


def test_forms_exclude_each_other(run):
    assert "--json and --markdown exclude each other" in run("size", "--json", "--markdown").usage_error
    assert "No such option" in run("completion", "--csv").usage_error


# --- values --------------------------------------------------------------------------------------------------------------

TABLE = Table(
    ("name", "count", "fits", "share"),
    [(("a|b", "bold"), 12_345, True, Figure(0.5, "50%")), ([("x", ""), (",\ny", "")], None, False, Figure(None, "none"))],
    numbers={"count"},
)


def test_csv_has_values_and_quotes_what_it_must():
    assert TABLE.csv() == 'name,count,fits,share\na|b,12345,true,0.5\n"x, y",,false,\n'
    assert list(csv.reader(io.StringIO(Table(["a"], [('say "x"',)]).csv()))) == [["a"], ['say "x"']]


def test_markdown_has_what_people_see():
    assert TABLE.markdown().splitlines() == [
        "| name | count | fits | share |",
        "| --- | ---: | --- | --- |",
        r"| a\|b | 12,345 | yes | 50% |",
        "| x, y | - | no | none |",
    ]


def test_what_markdown_would_obey_is_escaped():
    assert escaped("`a` *b* _c_ WARM_IP_TARGET <d> [e]") == r"\`a\` \*b\* \_c\_ WARM_IP_TARGET \<d> \[e]"
    assert escaped("a\nb\x1b[31m") == r"a b\\x1b\[31m"


def test_a_page_of_markdown():
    page = MarkdownPage()
    page.line("head", "bold")
    page.line()
    page.line()
    page.line("text")
    page.line("vpcipam plan *", whole=True)
    page.indented("item")
    page.remark("warning: X", "yellow", "is odd", "mend it")
    page.remark("info: Y", "dim", "is so", "")
    page.facts([("name", "value")])
    page.spans([("## ", "green"), (".", "dim")])
    page.add(Table(["a"], [(1,)]))
    assert page.render() == (
        "**head**\n\ntext\n\n    vpcipam plan *\n\n- item\n- **warning: X**: is odd → mend it\n- **info: Y**: is so\n\n- name: value\n\n"
        "    ## .\n\n| a |\n| --- |\n| 1 |\n"
    )
