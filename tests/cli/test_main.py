"""Exit codes, and the output for every kind of error."""

import builtins
import errno
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import vpcipam.cli.app
from vpcipam._version import __version__
from vpcipam.agent import cni
from vpcipam.cli import main, streams

FULL = Path("/dev/full")


@pytest.fixture
def failing(monkeypatch):
    """Let the command raise an error."""

    def fail(error):
        def raise_it(*_arguments):
            raise error

        monkeypatch.setattr(vpcipam.cli.app, "run", raise_it)

    return fail


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("plan", "m5.large", "--pods", "3x"), "'3x' is not a valid integer."),
        (("serve", "--speed", "fast"), "'fast' is not a valid number."),
        (("plan", "m5.large"), "--pods missing: give a TYPE and --pods"),
        (("size", "--nodes", "3"), "TYPE and --pods missing: give a TYPE, --nodes and --pods"),
    ],
)
def test_a_usage_error_names_what_is_wrong(cli, arguments, message):
    assert message in cli(*arguments).usage_error


def test_without_the_compiled_pools_a_command_says_so_in_one_line(environment):
    code = "import sys; sys.modules['vpcipam._pool'] = None; from vpcipam.cli import run_process; sys.exit(run_process())"
    environment.pop("VPCIPAM_NO_EXTENSION", None)
    command = [sys.executable, "-c", code, "plan", "m5.large", "--pods", "3"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)  # noqa: S603 - as it stands
    assert done.stdout.startswith("m5.large")
    assert done.stderr.startswith("warning: vpcipam runs without its compiled pools")
    assert done.stderr.count("\n") == 1


def test_the_version_is_printed(cli):
    assert cli("--version").out == f"vpcipam {__version__}\n"


def test_help_lists_the_commands(cli):
    answer = cli("--help")
    assert answer.code == 0
    for command in ("limits", "max-pods", "settings", "plan", "simulate", "completion"):
        assert f"\n  {command} " in answer.out
    assert "..." not in answer.out.partition("Commands:")[2]
    assert cli("-h").out == answer.out


def test_a_missing_or_unknown_command_is_a_usage_error(cli):
    assert "Commands:" in cli().usage_error
    assert "No such command 'plna'. Did you mean plan?" in cli("plna").usage_error
    assert "No such command 'xyz'." in cli("xyz").usage_error
    assert "Did you mean" not in cli("xyz").usage_error


def test_arguments_come_from_the_process_unless_given(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["vpcipam", "max-pods", "m5.large"])
    assert main() == 0
    assert capsys.readouterr().out == "29\n"


def test_a_process_ends_with_the_exit_code(process):
    assert process("max-pods", "m5.large").code == 0
    assert process("max-pods", "m5.lrge").refusal
    assert process("max-pods").usage_error
    assert process("settings", "-", "--json", stdin="env: {WARM_IP_TARGET: 5}").document["source"] == "stdin"


def test_importing_the_command_loads_no_extra(environment):
    code = "import sys, vpcipam.cli; print({'click', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)  # noqa: S603 - as it stands
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/usr/bin/vpcipam", "vpcipam"),
        ("kubectl-vpcipam", "kubectl vpcipam"),
        ("C:/bin/kubectl-vpcipam.exe", "kubectl vpcipam"),
        ("/lib/vpcipam/__main__.py", "python -m vpcipam"),
        ("another", "vpcipam"),
    ],
)
def test_usage_shows_the_name_by_which_the_program_is_called(capsys, monkeypatch, path, name):
    monkeypatch.setattr(sys, "argv", [path, "max-pods"])
    assert main() == 2
    assert f"Usage: {name} max-pods [OPTIONS]" in capsys.readouterr().err


def test_a_mistyped_option_is_answered_with_the_nearest(cli):
    assert "--custom-networking" in cli("max-pods", "m5.large", "--custom-network").usage_error
    assert "did you mean WARM_IP_TARGET" in cli("plan", "m5.large", "--pods", "1", "--set", "WARM_IP_TARGT=5").refusal


def test_a_process_seldom_collects_and_freezes_all_objects_when_it_is_done(monkeypatch):
    steps = []
    monkeypatch.setattr("gc.set_threshold", steps.append)
    monkeypatch.setattr(vpcipam.cli, "main", lambda: steps.append("main") or 7)
    monkeypatch.setattr("gc.freeze", lambda: steps.append("freeze"))
    assert vpcipam.cli.run_process() == 7
    assert steps == [50_000, "main", "freeze"]


def test_the_package_as_a_module_reports_a_missing_extra_too(environment):
    code = "import runpy, sys; sys.modules['click'] = None; runpy.run_module('vpcipam', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)  # noqa: S603 - as it stands
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "vpcipam: the command line needs the package click: pip install 'vpcipam[cli]'\n"


def test_the_warning_of_missing_pools_is_one_line_even_where_warnings_are_errors(environment):
    code = "import sys; sys.modules['vpcipam._pool'] = None; from vpcipam.cli import run_process; sys.exit(run_process())"
    command = [sys.executable, "-W", "error", "-c", code, "plan", "m5.large", "--pods=3"]
    environment = {name: value for name, value in environment.items() if name != "VPCIPAM_NO_EXTENSION"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603 - this interpreter
    assert done.returncode == 0
    assert done.stderr.startswith("warning: vpcipam runs without its compiled pools, which were not built")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("module", ["vpcipam", "vpcipam.cli"])
def test_the_package_and_its_command_run_as_modules(environment, module):
    program = [sys.executable, "-m", module, "max-pods", "m5.large"]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=True)  # noqa: S603 - as it stands
    assert done.stdout == "29\n"


def test_the_scripts_that_pip_installs_run_the_command():
    scripts = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["scripts"]
    command = dict.fromkeys(("vpcipam", "kubectl-vpcipam"), "vpcipam.cli:run_process")
    assert scripts == command | {"vpcipam-cni": "vpcipam.agent.cni:main"}
    assert callable(vpcipam.cli.run_process)
    assert callable(cni.main)


# --- what is not installed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["click", "yaml"])
def test_a_missing_extra_is_reported_in_one_line(missing, environment, manifest):
    code = f"import sys; sys.modules[{missing!r}] = None; from vpcipam.cli import main; sys.exit(main(['settings', {manifest!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)  # noqa: S603 - as it stands
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "install" in done.stderr
    assert "vpcipam[cli]" in done.stderr


def test_another_missing_module_is_an_internal_error(failing, capsys):
    failing(ModuleNotFoundError("No module named 'vpcipam.nope'", name="vpcipam.nope"))
    assert main([]) == 70
    assert "vpcipam.nope" in capsys.readouterr().err
    failing(ModuleNotFoundError("nameless"))
    assert main([]) == 70


# --- interrupts, faults --------------------------------------------------------------------------------------------------


def test_an_interrupt_is_told_in_one_line(failing, capsys):
    failing(KeyboardInterrupt())
    assert main([]) == 130
    assert capsys.readouterr() == ("", "vpcipam: interrupted\n")


ARGUMENTS = {
    "limits": ("m5.large",),
    "max-pods": ("m5.large",),
    "settings": ("FILE",),
    "plan": ("m5.large",),
    "datapath": ("m5.large", "--pods=1"),
    "size": ("m5.large",),
    "simulate": ("FILE",),
    "sweep": ("FILE",),
    "tune": ("FILE",),
    "inspect": ("FILE",),
    "verify": ("FILE",),
    "serve": (),
    "agent": ("--instance-id", "i-1"),
    "completion": ("bash",),
    "help": ("plan",),
}


@pytest.mark.parametrize("command", vpcipam.cli.app.COMMANDS)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_interrupt_within_any_command_is_told_in_one_line(cli, monkeypatch, command, options):
    def interrupt(_command, _context):
        raise KeyboardInterrupt

    monkeypatch.setattr("click.Command.invoke", interrupt)
    answer = cli(command, *ARGUMENTS[command], *options)
    assert (answer.code, answer.out, answer.err) == (130, "", "vpcipam: interrupted\n")


def test_an_internal_error_asks_for_a_report_in_one_line(failing, capsys):
    failing(RuntimeError("two\nlines"))
    assert main([]) == 70
    err = capsys.readouterr().err
    assert err == "vpcipam: internal error: RuntimeError: two lines; please report it with the traceback that VPCIPAM_DEBUG=1 shows\n"


def test_an_internal_error_shows_its_traceback_on_request(failing, monkeypatch):
    failing(RuntimeError("why"))
    monkeypatch.setenv("VPCIPAM_DEBUG", "1")
    with pytest.raises(RuntimeError, match="why"):
        main([])


def test_a_refusal_is_one_line_even_with_debugging(cli, monkeypatch):
    monkeypatch.setenv("VPCIPAM_DEBUG", "1")
    assert cli("limits", "nope").refusal


# --- streams that fail ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "pipe"), reason="needs pipes")
@pytest.mark.parametrize("arguments", [("limits", "--all"), ("limits", "m5.large"), ("--help",)])
def test_a_closed_pipe_is_no_error(environment, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-m", "vpcipam.cli", *arguments], stdout=writing, stderr=subprocess.PIPE, env=environment, check=False
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("limits", "--all"), ("max-pods", "m5.large"), ("--help",)])
def test_a_full_disk_is_reported_in_one_line(environment, arguments):
    with FULL.open("wb") as full:
        done = subprocess.run(  # noqa: S603 - this interpreter
            [sys.executable, "-m", "vpcipam.cli", *arguments], stdout=full, stderr=subprocess.PIPE, env=environment, check=False, text=True
        )
    assert done.returncode == 1
    assert done.stderr == f"vpcipam: can't read or write: {os.strerror(errno.ENOSPC)}\n"


def test_an_os_error_is_reported_in_one_line(failing, capsys):
    failing(OSError(errno.EIO, "broken"))
    assert main([]) == 1
    assert capsys.readouterr().err == "vpcipam: can't read or write: broken\n"


def test_a_broken_pipe_is_quiet_in_this_process_too(failing, capsys):
    failing(BrokenPipeError())
    assert main([]) == 141
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_closed_streams_are_tolerated(monkeypatch, stream):
    monkeypatch.setattr(sys, stream, None)
    assert main(["max-pods", "m5.large"]) == 0
    assert main(["max-pods", "m5.large", "m4.large"]) == 0
    assert main(["max-pods", "nope"]) == 1


def test_a_stdout_without_a_file_descriptor_is_tolerated(monkeypatch):
    opened = []
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(builtins, "open", opened.append)
    streams.abandon_stdout()
    assert opened == []
