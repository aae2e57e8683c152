"""The example in examples/ runs, and prints what it should."""

import os
import subprocess
import sys
from pathlib import Path

import vpcipam

REPOSITORY = Path(__file__).parents[2]


def test_the_restart_example_runs_and_loses_nothing():
    path = os.pathsep.join([str(Path(vpcipam.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    finished = subprocess.run(  # noqa: S603 - this interpreter, and a program of the repository
        [sys.executable, "-W", "error", REPOSITORY / "examples" / "restart.py"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    lines = finished.stdout.splitlines()
    assert lines[-1] == "nothing is lost"
    assert lines[-3].split()[-1] == lines[-2].split()[-1]
