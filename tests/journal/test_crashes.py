"""Processes killed in the middle of their work: acknowledged changes are kept, no cooldown ends early, no address is doubled."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from journal_worlds import KINDS

import vpcipam
from vpcipam.pool import USING_EXTENSION

REPOSITORY = Path(__file__).parents[2]
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
KILLS = {"quick": 10, "dev": 40, "ci": 200, "nightly": 2_000}[PROFILE] if USING_EXTENSION else 10  # the twins journal alike
BATCHES = 2 if KILLS <= 200 else 10


@pytest.mark.parametrize("batch", range(BATCHES))
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_process_loses_nothing_it_acknowledged(kind, batch, tmp_path, record_property):
    # Half of the kills for each kind of journal, in batches that run on several processors.
    kills = KILLS // len(KINDS) // BATCHES
    finished = subprocess.run(  # noqa: S603 - this interpreter, and a program from this folder
        [sys.executable, "-W", "error", Path(__file__).with_name("crash_trials.py"), kind, str(kills), str(batch), tmp_path],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(vpcipam.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]),
        },
    )
    assert finished.returncode == 0, finished.stderr
    counts = json.loads(finished.stdout)
    assert counts["kills"] == kills
    record_property("kills", kills)
    if kills >= 50:  # few may all be killed before they have begun
        assert counts["assigned"] + counts["unassigned"] >= kills, "they hardly worked"
