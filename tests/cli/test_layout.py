"""Widths, colours, encodings: the same text on a terminal, in a pipe, in a file."""

import importlib
import io
import os
import re
import shlex
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.cli import main
from vpcipam.cli.streams import one_line
from vpcipam.cli.tables import Page, columns_of

IPV6 = ("--set=ENABLE_IPv6=true", "--set=ENABLE_IPv4=false", "--set=ENABLE_PREFIX_DELEGATION=true")
VIEWS = {
    "limits": ("limits", "m5.large", "u7in-24tb.224xlarge"),
    "max-pods": ("max-pods", "m5.large", "m4.large", "--prefix-delegation", "--custom-networking"),
    "settings": ("settings",),
    "plan": ("plan", "m5.large", "--pods", "40", "--nodes", "3"),
    "plan-timeline": ("plan", "m5.large", "--pods", "40", "--timeline", "--set=WARM_IP_TARGET=2", "--set=MINIMUM_IP_TARGET=10"),
    "plan-prefixes": ("plan", "t3.small", "--pods", "17", "--set=ENABLE_PREFIX_DELEGATION=true", "--timeline"),
    "plan-ipv6": ("plan", "m5.large", "--pods", "200", "--nodes", "1000", *IPV6, "--timeline"),
    "size": ("size", "m5.xlarge", "--nodes", "120", "--pods", "25", "--variant=ENABLE_PREFIX_DELEGATION=true"),
    "size-details": ("size", "m5.xlarge", "--nodes", "120", "--pods", "25", "--lose-zones=1"),
    "plan-cards": ("plan", "c6in.32xlarge", "--pods", "100", "--nodes", "100000", "--set=ENABLE_MULTI_NIC=true"),
}


class Terminal(io.TextIOWrapper):
    """A stdout that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture(params=VIEWS)
def arguments(request, manifest):
    chosen = VIEWS[request.param]
    return (*chosen, manifest) if chosen == ("settings",) else chosen


@pytest.fixture
def on_terminal(monkeypatch, capsys):
    """Run the command on a terminal."""

    def run(*arguments, encoding="utf-8"):
        monkeypatch.setenv("TERM", "xterm-256color")
        buffer = io.BytesIO()
        terminal = Terminal(buffer, encoding=encoding)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", terminal)
            assert main(arguments) == 0
        capsys.readouterr()
        return terminal.detach().getvalue()

    return run


@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_page(cli, monkeypatch, arguments, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = cli(*arguments).out.splitlines()
    assert max(map(len, lines)) <= width
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [1, 20, 40, 60])
def test_a_narrow_page_keeps_every_figure(cli, monkeypatch, width):
    command = ("plan", "m5.large", "--pods", "12", "--nodes", "1000", "--timeline")
    monkeypatch.setenv("COLUMNS", "120")
    wide = Counter(re.findall(r"\d[\d,]*", cli(*command).out))
    monkeypatch.setenv("COLUMNS", str(width))
    assert Counter(re.findall(r"\d[\d,]*", cli(*command).out)) >= wide


def test_a_table_that_is_too_wide_goes_on_below_with_the_names_of_its_rows(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = cli("plan", "m5.large", "m5.xlarge", "--pods", "20").out.splitlines()
    assert max(map(len, lines)) <= 60
    assert [line.split()[0] for line in lines if line.startswith(("type", "m5."))] == ["type", "m5.large", "m5.xlarge"] * 2


SEPARATORS = re.compile(r"[/,=_]|(?<=[a-z])(?=[A-Z])")
"""Where a long path, list or name may go on in the next line."""
SYMPTOMS = sorted((Path(__file__).parents[2] / "examples" / "symptoms").iterdir())


def examples():
    """Every example of a command's help that lays out a page, in seconds."""
    for name in ("limits", "max-pods", "settings", "plan", "size", "inspect", "verify", "datapath"):
        for line in importlib.import_module(f"vpcipam.cli.{name.replace('-', '_')}").EXAMPLES:
            arguments = shlex.split(line)[1:]
            if not {"|", "<", ">", "--json", "--csv", "--commands", "--ec2"} & {*arguments} and "report" not in line:
                yield tuple(arguments)
    yield "simulate", "examples/scenarios/rolling-deployment.toml"
    yield "simulate", "examples/scenarios/three-zones.toml"
    yield "sweep", "examples/scenarios/tune.toml", "--set", "sweep.trials=2"


@pytest.mark.thorough
@pytest.mark.parametrize("command", [*examples(), *(("inspect", str(folder)) for folder in SYMPTOMS)], ids=" ".join)
def test_no_word_is_broken_and_no_line_too_long(cli, monkeypatch, command):
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("COLUMNS", "1000")
    words = {part for word in cli(*command).out.split() for part in SEPARATORS.split(word)}
    for width in (80, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = cli(*command).out.splitlines()
        assert max(map(len, lines), default=0) <= width
        shown = {part for line in lines if line.strip("-─ ") for word in line.split() for part in SEPARATORS.split(word)}
        assert {
            word for word in shown - words if not re.fullmatch(r"[-_.=+*#@─]+", word)
        } == set()  # a sparkline is as long as the page allows


@given(
    st.lists(
        st.lists(st.tuples(st.text("ab_,/é漢e\u0301 ", max_size=30), st.sampled_from(["", "bold"])), min_size=3, max_size=3), max_size=4
    ),
    st.integers(1, 60),
)
def test_no_letter_is_lost_and_no_line_of_a_table_too_long(rows, width):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", str(width))
        page = Page()
    page.table("abc", [[[cell] for cell in row] for row in rows], numbers="b", fold="abc")
    text = page.render()
    wanted = Counter("".join(one_line(cell) for row in rows for cell, _ in row)) - Counter(" ")
    assert not wanted - Counter(text)
    assert all(columns_of(line) <= max(width, 20, 24 * 2 + 1) for line in text.splitlines())


def test_wide_letters_take_two_columns():
    assert [columns_of(each) for each in ("abc", "漢字", "e\u0301", "×→…")] == [3, 4, 1, 3]


@pytest.mark.parametrize("width", ["1", "20", "0", "-5", "x", ""])
def test_absurd_widths_are_tolerated(cli, monkeypatch, arguments, width):
    monkeypatch.setenv("COLUMNS", width)
    assert cli(*arguments).code == 0


def test_a_pipe_gets_no_escape_codes_and_no_rules(cli, arguments):
    out = cli(*arguments).out
    assert "\x1b" not in out
    assert not set("─│━┃█▒") & set(out)


def test_a_terminal_gets_colours_and_bars(on_terminal):
    out = on_terminal("plan", "m5.large", "--pods", "12").decode()
    assert "\x1b[32m█████████" in out
    assert "▒" in out
    assert "─" in out


@pytest.mark.parametrize("descriptor", [1, 2, 0])
def test_the_page_is_as_wide_as_the_terminal_that_any_stream_is(monkeypatch, descriptor):
    def size(of):
        if of != descriptor:
            raise OSError
        return os.terminal_size((97, 40))

    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr(os, "get_terminal_size", size)
    assert Page().width == 97
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert Page().width == 80


def test_no_color_is_respected(on_terminal, monkeypatch, arguments):
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b" not in on_terminal(*arguments)


def test_a_terminal_without_unicode_gets_ascii_signs(on_terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = on_terminal("plan", "m5.large", "--pods", "40", "--timeline", encoding="ascii").decode("ascii")
    assert out.startswith("m5.large - secondary IPs - 27 of 40 pods run")
    assert "3 ENIs for pods x 9" in out
    assert "#########" in out


def test_an_encoding_without_unicode_gets_ascii_signs(process):
    answer = process("max-pods", "m5.large", PYTHONIOENCODING="ascii")
    assert answer.err.startswith("= 29 by managed-node-group: 3 ENIs x (10 IPv4 addresses - 1) + 2 host-network pods\n")
    assert process("plan", "💥", "--pods", "1", PYTHONIOENCODING="ascii").err.startswith("vpcipam: unknown instance type '\\U0001f4a5'")
    answer = process("settings", "-", stdin="env: {💥: 1}", PYTHONIOENCODING="ascii")
    assert "warning: \\U0001f4a5" in answer.out


def test_json_is_always_ascii(cli):
    out = cli("settings", "-", "--json", stdin='[{"name": "Ä\\ud800💥", "value": "×"}]').out
    assert out.isascii()


def test_a_line_has_no_control_characters():
    assert one_line(" a\r\n b\x1b[1m\x00\u202ec ") == r"a b\x1b[1m\x00\u202ec"
