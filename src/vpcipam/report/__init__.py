"""Pictures of a fleet's run.

The functions are in `vpcipam.report.plots`, which needs matplotlib (`vpcipam[plots]`); importing this package needs nothing.
"""

__all__ = ["plots"]
