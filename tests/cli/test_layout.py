"""Widths, colours, encodings: the same text on a terminal, in a pipe, in a file."""

import io
import sys

import pytest

from vpcipam.cli import main
from vpcipam.cli.streams import one_line

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
    monkeypatch.setenv("COLUMNS", str(width))
    out = cli("plan", "m5.large", "--pods", "12", "--nodes", "1000", "--timeline").out
    assert "                      per node  all 1,000 nodes\n" in out
    assert "taken out of subnets        30           30,000\n" in out
    assert "   1     2        18       1    17      20  " in out
    assert "kubelet's max-pods       29, " in out


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
