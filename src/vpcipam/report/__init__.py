"""Pictures of a fleet's run.

The functions are in `vpcipam.report.plots`, which needs matplotlib (`vpcipam[plots]`). Importing this package alone needs
no extra.
"""

__all__ = ["plots"]
