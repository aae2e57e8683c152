"""Files that are made to take much time or memory: each is read within 10 s and 256 MiB, in a process of its own, and something is said."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_files import DATA

MOST_S = 10
MOST_BYTES = 256 << 20
SAMPLE = (
    *("brackets", "closed nests", "small documents", "a huge number", "yaml aliases", "yaml indents"),
    *(
        "long in Python's notation",
        "long nested items",
        "a long item",
        "gzip of blanks",
        "yaml documents",
        "beginnings of chains",
        "zip of one entry many times",
        "tar with a huge name",
    ),
)


def check(name):
    command = [sys.executable, str(Path(__file__).with_name("hostile_files.py")), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this interpreter
    taken = json.loads(done.stdout)
    assert taken["seconds"] < MOST_S
    assert taken["grown"] < MOST_BYTES
    assert taken["said"] or taken["documents"] or name in NOTHING
    assert all("\n" not in each for each in taken["said"])


NOTHING = {"long blanks"}
"""Blanks say nothing."""


@pytest.mark.thorough
@pytest.mark.parametrize("name", SAMPLE)
def test_a_hostile_file_takes_little(name):
    check(name)


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted({*DATA} - {*SAMPLE}))
def test_every_hostile_file_takes_little(name):
    check(name)
