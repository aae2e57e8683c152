"""The tools name a mistake on the command line, and begin nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("command", "code", "shown"),
    [
        ("tools/flakes.py --help", 0, "make flakes"),
        ("tools/flakes.py x", 2, "must be a number, 1 or more, not x"),
        ("tools/flakes.py 0", 2, "must be a number, 1 or more, not 0"),
        ("tools/sanitize.py --help", 0, "make sanitize"),
        ("tools/other_kernel.py --help", 0, "make other-kernel"),
        ("tools/other_kernel.py x", 2, "unrecognized arguments: x"),
        ("tools/seeded_bugs.py nope", 1, "no fault is named nope"),
        ("-m fuzz --target words --input missing", 2, "there is no file missing"),
    ],
)
def test_a_mistake_is_named(command, code, shown):
    done = subprocess.run(  # noqa: S603 - this interpreter
        [sys.executable, *command.split()],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": "tools"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    assert shown in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
