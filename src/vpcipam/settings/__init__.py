"""The variables of the aws-node container, read as ipamd reads them, with diagnostics."""

from vpcipam.settings.diagnostics import Diagnostic, Level
from vpcipam.settings.kubelet import default_max_pods, resolve_max_pods
from vpcipam.settings.settings import Origin, Settings
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
    "resolve_max_pods",
]
