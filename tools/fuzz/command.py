"""The command line: arguments and a file, both from anyone."""

import contextlib
import io
import json
import os
from collections.abc import Iterator

from fuzz.target import Target, folder, require, text_of
from vpcipam.cli import main
from vpcipam.settings import VARIABLES

_COMMANDS = (
    "limits {word} --types {file}",
    "limits m5.large --types {file} --json",
    "max-pods {word} --types {file} --json",
    "max-pods m5.large --max-eni {word}",
    "settings {file} --json",
    "settings {file} --all",
    "settings {file} --type {word} --types {file} --json",
    "plan m5.large --pods 3 --daemonset {file}",
    "plan m5.large --pods 3 --set {word} --json",
    "plan m5.large --pods {word} --json",
    "plan {word} --pods 3 --max-pods-by {word}",
    "verify {file} --json --type m5.large",
    "verify {file} --timeline",
    "inspect {file} --json",
    "inspect {file}",
    "simulate {file} --set {word} --set duration=1 --json",
)

_OF_ATHERIS = "INFO: Instrumenting "
"""The start of what atheris writes to stderr when a module is imported."""


def run_command(data: bytes) -> None:
    """Run a command: the first byte picks it, a line gives it a word, and the rest is its file."""
    word, _, content = data[1:].partition(b"\n")
    path = folder() / "file"
    path.write_bytes(content)
    template = _COMMANDS[data[0] % len(_COMMANDS)] if data else _COMMANDS[0]
    if template.startswith("simulate"):
        content = b""  # the target `scenario` runs those that are small
        path.write_bytes(content)
    arguments = [each.format(word=text_of(word).replace("\0", ""), file=path) for each in template.split()]
    out, err = _stream(), _stream()
    with _faults_raised(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    require(code in {0, 1, 2}, f"the exit code is {code}")
    lines = err.buffer.getvalue().decode().splitlines(keepends=True)
    said = "".join(line for line in lines if not line.startswith(_OF_ATHERIS))
    require("Traceback" not in said, "there is a traceback")
    require(code == 0 or said, "a command that fails says nothing")
    require(code != 1 or said.count("\n") == 1, "a refusal takes several lines")
    if code == 0 and "--json" in arguments:
        json.loads(out.buffer.getvalue())


class _Stream(io.TextIOWrapper):
    """A stream that encodes, as that of a terminal does."""

    buffer: io.BytesIO


def _stream() -> _Stream:
    return _Stream(io.BytesIO(), encoding="utf-8", write_through=True)


@contextlib.contextmanager
def _faults_raised() -> Iterator[None]:
    """Let the command raise its own faults instead of reporting them."""
    before = dict(os.environ)
    os.environ["VPCIPAM_DEBUG"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


TARGETS = (Target("command", run_command, ("m5.large", "InstanceTypes", "=", "karpenter", "ami", "env:", *VARIABLES)),)
