"""The variables of the aws-node container, read as ipamd reads them, with diagnostics."""

from vpcipam.settings.diagnostics import Diagnostic, Level
from vpcipam.settings.settings import Origin, Settings, default_max_pods
from vpcipam.settings.variables import VARIABLES, Variable, explain

__all__ = [
    "VARIABLES",
    "Diagnostic",
    "Level",
    "Origin",
    "Settings",
    "Variable",
    "default_max_pods",
    "explain",
]
