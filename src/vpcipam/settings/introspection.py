"""Env settings of ipamd's introspection: GET /v1/ipamd-env-settings and /v1/networkutils-env-settings."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from vpcipam.settings.documents import shown
from vpcipam.settings.reading import ManifestVariables, VariableReader, render
from vpcipam.settings.variables import SHIPPED, VARIABLES

DOCUMENT = "introspection's env settings"

_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_SOURCE_PORTS = "AWS_VPC_K8S_CNI_RANDOMIZESNAT"
_SOURCE_PORT_NAMES = {0: "none", 1: "hashrandom", 2: "prng"}
_SHOWN = {
    *("WARM_IP_TARGET", "WARM_ENI_TARGET", "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "AWS_MANAGE_ENIS_NON_SCHEDULABLE"),
    *("ENABLE_SUBNET_DISCOVERY", "AWS_VPC_K8S_CNI_CONNMARK", "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS", "AWS_VPC_K8S_CNI_EXTERNALSNAT"),
    *("AWS_EXTERNAL_SERVICE_CIDRS", "AWS_VPC_ENI_MTU", "AWS_VPC_K8S_CNI_VETHPREFIX", "AWS_VPC_CNI_NODE_PORT_SUPPORT", _SOURCE_PORTS),
    "AWS_VPC_K8S_CNI_CONFIGURE_RPFILTER",  # of old releases
}


def is_env_settings(item: Mapping[Any, Any]) -> bool:
    """Tell whether a mapping has values of variables, and nothing else."""
    return (
        any(name in _SHOWN or (name in VARIABLES and VARIABLES[name].acts_on_addresses) for name in item)
        and all(isinstance(name, str) and _NAME.fullmatch(name) for name in item)
        and not any(isinstance(value, Mapping) for value in item.values())
    )


def read_env_settings(answers: Iterable[Mapping[str, Any]]) -> ManifestVariables:
    """Read one or several answers of a node; the rest is taken from the shipped manifest, with a remark.

    The values are those that ipamd uses, so a value can be a default. No release shows the prefix mode or most targets.
    """
    reader = VariableReader(dict(SHIPPED))
    found: dict[str, str] = {}
    for answer in answers:
        for name, value in answer.items():
            text = _text(name, value)
            if found.setdefault(name, text) != text:
                reader.note(name, "warning", "has several values; the last one counts", "give the answers of one node")
                found[name] = text
    for name, text in found.items():
        if text or name not in VARIABLES:
            reader.set(name, text)
    missing = [name for name, variable in VARIABLES.items() if variable.acts_on_addresses and name not in found]
    reader.note(
        "introspection",
        "warning",
        f"does not show {', '.join(missing)}; they count as in the shipped manifest",
        "set what differs, or give the DaemonSet",
    )
    strange = sorted(name for name in found if name in VARIABLES and name not in _SHOWN)
    if strange:
        reader.note(
            "introspection", "warning", f"no release shows {', '.join(strange)}, so this is no answer of a node; it is read all the same"
        )
    return reader.finish(DOCUMENT)


def _text(name: str, value: object) -> str:
    """Write a typed value as the variable's text; empty where the variable is not set."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(shown(cidr) for cidr in value)
    if name == _SOURCE_PORTS and isinstance(value, int):
        return _SOURCE_PORT_NAMES.get(value, render(value))
    return render(value)
