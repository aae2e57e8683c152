"""The pictures of a fleet's run, under their first address; `vpcipam.report.plots` has them."""

from vpcipam.report.plots import *  # noqa: F403
