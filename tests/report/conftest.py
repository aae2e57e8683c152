"""Lets the tests of this folder import the recordings of tests/fleet: tests are no package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "fleet"))
