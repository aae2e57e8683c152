"""Runs the scripts of `make bench` to their end, so that a change of the library doesn't break them unseen."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.nightly
@pytest.mark.parametrize("script", ["report.py", "fleet_report.py", "startup.py"])
def test_a_script_runs_to_its_end(script):
    command = [sys.executable, Path(__file__).with_name(script), "--rounds", "1"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own scripts
