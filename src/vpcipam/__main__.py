"""`python -m vpcipam` is `vpcipam`."""

import sys

from vpcipam.cli import run_process

sys.exit(run_process())
