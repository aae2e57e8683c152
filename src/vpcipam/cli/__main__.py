"""`python -m vpcipam.cli` is `vpcipam`."""

import sys

from vpcipam.cli import main

sys.exit(main())
