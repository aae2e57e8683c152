"""Let these tests import tests/fleet/recordings.py: tests are not a package."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "fleet"))
