"""Old import path of `vpcipam.report.plots`."""

from vpcipam.report.plots import *  # noqa: F403
