"""The command line as a fixture: in this process, or in a separate one."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from jsonschema import Draft202012Validator

import vpcipam
from vpcipam.cli import main

REPOSITORY = Path(__file__).parents[2]


@attrs.frozen
class Outcome:
    """The outcome of a run of the command."""

    code: int
    out: str
    err: str

    @property
    def document(self):
        """The JSON on stdout; a successful run has nothing on stderr."""
        assert self.err == "" or self.code == 1
        return json.loads(self.out)

    @property
    def refusal(self):
        """The one line of a refusal."""
        assert self.code == 1
        assert self.out == ""
        return self.finding

    @property
    def finding(self):
        """The one line on stderr of a finding or a refusal."""
        assert self.code == 1
        assert self.err.startswith("vpcipam: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1
        assert self.err.rstrip("\n").isprintable()
        return self.err.removeprefix("vpcipam: ").rstrip("\n")

    @property
    def usage_error(self):
        """The usage error that click prints."""
        assert self.code == 2
        assert self.out == ""
        assert self.err.startswith(("Usage: vpcipam", "Usage: python -m vpcipam", "Error: "))
        return self.err


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("NO_COLOR", "VPCIPAM_DEBUG", "_VPCIPAM_COMPLETE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def cli(capsys, monkeypatch):
    """Run the command in this process."""

    def run(*arguments, stdin=b""):
        text = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        code = main(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def environment():
    """The environment of a separate process that finds this vpcipam."""
    source = str(Path(vpcipam.__file__).parents[1])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    # Unbuffered, the output would fail elsewhere than it does for users.
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return inherited | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}


@pytest.fixture
def process(environment):
    """Run the command in a separate process."""

    def run(*arguments, stdin="", **variables):
        done = subprocess.run(  # noqa: S603 - this interpreter, with the arguments of the tests
            [sys.executable, "-m", "vpcipam.cli", *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            env=environment | variables,
            timeout=60,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def schema_errors():
    """What the schema in docs/schemas has against the document of a command."""

    def errors(arguments, document):
        name = arguments[0]
        if name == "plan":
            name = "plan-from" if "--from" in arguments else "plan-comparison" if "plans" in document else "plan"
        schema = json.loads((REPOSITORY / "docs" / "schemas" / f"{name}.json").read_text(encoding="utf-8"))
        return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(document)]

    return errors


@pytest.fixture
def manifest():
    """The path of the example manifest."""
    return str(REPOSITORY / "examples" / "aws-node.yaml")


@pytest.fixture
def interruptible():
    """Let child processes receive SIGINT even if this one ignores it, as jobs that a shell starts in the background do."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
