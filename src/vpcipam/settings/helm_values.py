"""Values of the Helm chart aws-vpc-cni; the configuration of the EKS add-on has the same keys."""

import difflib
from collections.abc import Mapping
from typing import Any

from vpcipam.errors import ManifestError
from vpcipam.settings.documents import kind_of, shown
from vpcipam.settings.reading import CONTAINER, VariableReader, read_env_list, render
from vpcipam.settings.variables import SHIPPED, VARIABLES, nearest_variable

CHART = "aws-vpc-cni"

# Keys that no other chart has, and keys that few others have.
_OWN_KEYS = frozenset(
    (
        *("branchENICooldown", "cniConfig", "enableWindowsIpam", "enableWindowsPrefixDelegation", "eniConfig", "minimumWindowsIPTarget"),
        *("originalMatchLabels", "warmWindowsIPTarget", "warmWindowsPrefixTarget"),
    )
)
_RARE_KEYS = frozenset(("enableNetworkPolicy", "nodeAgent"))
# `crd` and `cri` are of old releases; `global` and the titles of `helm get values` are Helm's.
_COMPUTED = "COMPUTED VALUES"
_COMMON_KEYS = frozenset(
    (
        *("affinity", "crd", "cri", "env", "extraEnv", "extraVolumeMounts", "extraVolumes", "fullnameOverride", "global", "image"),
        *("imagePullSecrets", "init", "livenessProbe", "livenessProbeTimeoutSeconds", "nameOverride", "nodeSelector", "podAnnotations"),
        *("podLabels", "podMonitor", "podSecurityContext", "priorityClassName", "readinessProbe", "readinessProbeTimeoutSeconds"),
        *("resources", "securityContext", "serviceAccount", "tolerations", "updateStrategy", _COMPUTED, "USER-SUPPLIED VALUES"),
    )
)
_MOST_UNKNOWN_KEYS = 20
_CHART_KEYS = _OWN_KEYS | _RARE_KEYS | _COMMON_KEYS

# Settings of the ConfigMap amazon-vpc-cni: the chart's default, and what they concern.
_WINDOWS = "concerns Windows nodes; it has no effect on the addresses of Linux nodes"
_CONFIG_MAP_KEYS = {
    "enableWindowsIpam": ("false", _WINDOWS),
    "enableWindowsPrefixDelegation": ("false", _WINDOWS),
    "warmWindowsPrefixTarget": ("0", _WINDOWS),
    "warmWindowsIPTarget": ("1", _WINDOWS),
    "minimumWindowsIPTarget": ("3", _WINDOWS),
    "branchENICooldown": ("60", "is the time in seconds that a released branch ENI keeps its address; it is not read here"),
}


def is_chart_values(item: Mapping[Any, Any]) -> bool:
    """Tell whether a mapping holds values of this chart: by keys that only this chart has, by most of its variables, or by all of its keys.

    Some variables are not enough: the chart cni-metrics-helper has some of them too.
    """
    if "kind" in item:
        return False
    if not _OWN_KEYS.isdisjoint(item):
        return True
    has_variables = "extraEnv" in item or ("env" in item and not isinstance(item["env"], list))
    if not has_variables and _RARE_KEYS.isdisjoint(item):
        return False
    names = _names(item)
    known = [name for name in names if name in VARIABLES]
    return 2 * len(known) > len(names) or not is_of_another_chart(item)


def is_of_another_chart(item: Mapping[Any, Any]) -> bool:
    """Tell whether a mapping has keys that this chart lacks."""
    image = item.get("image")
    return not item.keys() <= _CHART_KEYS or (isinstance(image, Mapping) and "repository" in image)


def _names(item: Mapping[Any, Any]) -> list[str]:
    env, extra = item.get("env"), item.get("extraEnv")
    names = list(env) if isinstance(env, Mapping) else []
    names += [entry.get("name") for entry in extra if isinstance(entry, Mapping)] if isinstance(extra, list) else []
    return [name for name in names if isinstance(name, str)]


def read_chart_values(values: Mapping[Any, Any], defaults: Mapping[str, str] = SHIPPED, *, of_addon: bool = False) -> VariableReader:
    """Read values on top of the chart's defaults, as Helm renders them: `env`, then `extraEnv`. The last value of a name counts.

    Args:
        values: The values.
        defaults: The variables to which they apply.
        of_addon: They are the configuration of the EKS add-on. EKS takes only texts.

    Raises:
        ManifestError: `env` or `extraEnv` is of the wrong kind.
    """
    reader = VariableReader({} if _COMPUTED in values else dict(defaults))  # computed values have the defaults in them
    if "env" in values:
        _read_env(reader, values["env"], of_addon=of_addon)
    agent = values.get("nodeAgent")
    if isinstance(agent, Mapping) and "enabled" in agent and not agent["enabled"]:
        reader.remove("NETWORK_POLICY_ENFORCING_MODE")  # the chart leaves it out then
    if values.get("extraEnv"):
        read_env_list(reader, values["extraEnv"], "extraEnv")
    _note_other_keys(reader, values)
    _note_init(reader, values.get("init"))
    _note_eni_configs(reader, values.get("eniConfig"))
    image = values.get("image")
    note_release(reader, "image.tag", image.get("tag") if isinstance(image, Mapping) else None)
    return reader


def note_release(reader: VariableReader, name: str, release: object) -> None:
    """Note that a release is not the one whose defaults fill the gaps."""
    ours = SHIPPED["VPC_CNI_VERSION"]
    if isinstance(release, str) and release.startswith("v") and release.split(".")[:2] != ours.split(".")[:2]:
        message = f"the release is {shown(release)}; variables that are not set here have the defaults of {ours}"
        reader.note(name, "info", message, "compare with the DaemonSet of your cluster")


def _read_env(reader: VariableReader, env: object, *, of_addon: bool) -> None:
    if env is None:
        reader.texts.clear()
        reader.note("env", "warning", "is empty, which removes all defaults of the chart", "remove the key `env`")
        return
    if not isinstance(env, Mapping):
        hint = "; a list goes into extraEnv" if isinstance(env, list) else ""
        raise ManifestError(f"env of {CONTAINER} must be a mapping from names to values, not {kind_of(env)}{hint}")
    for name, value in env.items():
        if not isinstance(name, str):
            raise ManifestError(f"env has a name that is {kind_of(name)}, not text; put it in quotes: {str(name)!r}")
        if of_addon and not isinstance(value, str):
            message = f"EKS refuses the value, {kind_of(value)}: values of the add-on must be text"
            reader.note(name, "error", message, "put it in quotes")
        elif isinstance(value, Mapping | list):
            reader.note(name, "error", f"the value is {kind_of(value)}, not text", "put it in quotes")
        if value is None:
            reader.remove(name)
        elif not isinstance(value, Mapping | list):
            reader.set(name, render(value))


# --- remarks -------------------------------------------------------------------------------------------------------------


def _note_other_keys(reader: VariableReader, values: Mapping[Any, Any]) -> None:
    for key, (default, message) in _CONFIG_MAP_KEYS.items():
        if values.get(key) is not None and render(values[key]) != default:
            reader.note(key, "info", message)
    unknown = [shown(key) for key in values if key not in _CHART_KEYS]
    for name in unknown[:_MOST_UNKNOWN_KEYS]:
        _note_unknown_key(reader, name)
    if len(unknown) > _MOST_UNKNOWN_KEYS:
        reader.note(
            "values", "info", f"the chart lacks {len(unknown) - _MOST_UNKNOWN_KEYS:,} more of the keys", "give values of this chart only"
        )


def _note_unknown_key(reader: VariableReader, name: str) -> None:
    variable = nearest_variable(name)
    if variable is not None:
        reader.note(name, "warning", "stands outside env, where the chart ignores it", f"move it into env, as {variable}")
        return
    by_capitals = {key.upper(): key for key in _CHART_KEYS}
    nearest = difflib.get_close_matches(name.upper(), by_capitals, 1)
    if nearest:
        reader.note(name, "warning", "the chart has no key of this name; it has no effect", f"did you mean {by_capitals[nearest[0]]}?")
    else:
        reader.note(name, "info", "the chart has no key of this name; it has no effect", "remove it")


def _note_init(reader: VariableReader, init: object) -> None:
    env = init.get("env") if isinstance(init, Mapping) else None
    for name in env if isinstance(env, Mapping) else ():
        if name != "ENABLE_IPv6" and isinstance(name, str) and name in VARIABLES and VARIABLES[name].acts_on_addresses:
            reader.note(name, "warning", "is set for the init container, which does not read it", "set it in env")


def _note_eni_configs(reader: VariableReader, eni_config: object) -> None:
    if not isinstance(eni_config, Mapping) or not eni_config.get("create"):
        return
    variable = VARIABLES["AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG"]
    if variable.parse(reader.texts.get(variable.name, "")):
        reader.note("eniConfig", "info", "pods get addresses of the subnets of these ENIConfigs", "size those subnets, not the nodes' own")
    else:
        message = "makes ENIConfigs that no node uses, because custom networking is off"
        reader.note("eniConfig", "warning", message, f'set {variable.name} to "true" in env, or remove eniConfig')
