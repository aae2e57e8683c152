"""`python -m vpcipam.cli` is `vpcipam`."""

import sys

from vpcipam.cli import run_process

sys.exit(run_process())
