"""The EKS add-on vpc-cni: answers of `aws eks`, and eksctl's ClusterConfig."""

from collections.abc import Mapping
from typing import Any

from vpcipam.errors import ManifestError
from vpcipam.settings.documents import kind_of, parse_documents, shown
from vpcipam.settings.helm_values import note_release, read_chart_values
from vpcipam.settings.reading import ManifestVariables, VariableReader
from vpcipam.settings.variables import SHIPPED

ADDON = "vpc-cni"

_MOST_KEYS_AROUND = 2  # an SDK adds ResponseMetadata
_CONFIGURATION = "configurationValues"
_IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}


def find_addon(item: Mapping[Any, Any]) -> object | None:
    """Return the add-on in an answer of `aws eks`, also where `--query addon` has cut it out; None if there is none."""
    if "kind" in item:
        return None
    wrapped = "addon" in item and len(item) <= _MOST_KEYS_AROUND
    addon: object = item["addon"] if wrapped else item if "addonName" in item else None
    return addon


def is_other_addon(addon: object) -> bool:
    """Tell whether an add-on has another name."""
    name = addon.get("addonName") if isinstance(addon, Mapping) else None
    return isinstance(name, str) and name != ADDON


def describe_addon(addon: object) -> str:
    """Say which add-on it is, and of which cluster."""
    addon = addon if isinstance(addon, Mapping) else {}
    name, cluster = addon.get("addonName"), addon.get("clusterName")
    return f"EKS add-on {shown(name)}" + (f" of cluster {shown(cluster)}" if isinstance(cluster, str) else "")


def read_addon(addon: object) -> ManifestVariables:
    """Read the answer of `aws eks describe-addon`.

    Raises:
        ManifestError: It is another add-on, a schema, or its configuration can't be read.
    """
    if not isinstance(addon, Mapping):
        raise ManifestError(f"addon must be a mapping, as `aws eks describe-addon` writes it, not {kind_of(addon)}")
    name = addon.get("addonName")
    if name != ADDON:
        raise ManifestError(f"addonName is {shown(name)}, not {ADDON}; give the answer of `aws eks describe-addon --addon-name {ADDON}`")
    if "configurationSchema" in addon:
        raise ManifestError(
            f"this is the schema of the configuration of {ADDON} (`aws eks describe-addon-configuration`), and has no values; "
            f"give the answer of `aws eks describe-addon --addon-name {ADDON}`"
        )
    reader = _read_configuration(addon.get(_CONFIGURATION))
    note_release(reader, "addonVersion", addon.get("addonVersion"))
    _note_health(reader, addon)
    return reader.finish(describe_addon(addon))


def is_cluster_config(item: Mapping[Any, Any]) -> bool:
    """Tell whether a mapping is eksctl's ClusterConfig."""
    version = item.get("apiVersion", "eksctl.io/")
    return item.get("kind") == "ClusterConfig" and isinstance(version, str) and version.startswith("eksctl.io/")


def describe_cluster_config(item: Mapping[Any, Any]) -> str:
    """Say of which cluster it is."""
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return "eksctl ClusterConfig" + (f" {shown(name)}" if isinstance(name, str) else "")


def read_cluster_config(item: Mapping[Any, Any]) -> ManifestVariables:
    """Read the add-on vpc-cni of eksctl's ClusterConfig.

    In a cluster for IPv6, EKS turns IPv6 and prefix delegation on; the configuration applies on top.

    Raises:
        ManifestError: The ClusterConfig does not have the add-on exactly once, or its configuration can't be read.
    """
    addons = item.get("addons")
    if addons is not None and not isinstance(addons, list):
        raise ManifestError(f"addons of the ClusterConfig must be a list, not {kind_of(addons)}")
    named = [(addon.get("name"), addon) for addon in addons or [] if isinstance(addon, Mapping)]
    ours = [addon for name, addon in named if isinstance(name, str) and name.lower() == ADDON]
    if len(ours) != 1:
        others = ", ".join(shown(name) for name, _ in named[:10]) or "none"
        how_many = f"has {len(ours)} add-ons" if ours else "has no add-on"
        raise ManifestError(f"the ClusterConfig {how_many} of the name {ADDON} (add-ons: {others}); give one with that name")
    reader = _read_configuration(ours[0].get(_CONFIGURATION), {**SHIPPED, **_IPV6} if _is_for_ipv6(item) else SHIPPED)
    note_release(reader, "version", ours[0].get("version"))
    conflicts = ours[0].get("resolveConflicts")
    if isinstance(conflicts, str) and conflicts.lower() != "overwrite":
        message = f"is {shown(conflicts)}: variables that were changed in the cluster keep their values there"
        reader.note("resolveConflicts", "info", message, "compare with the DaemonSet of the cluster")
    _note_node_groups(reader, item)
    return reader.finish(f"{describe_cluster_config(item)}, add-on {ADDON}")


def _read_configuration(configuration: object, defaults: Mapping[str, str] = SHIPPED) -> VariableReader:
    """Read configuration values: a JSON or YAML text, or the mapping itself; without any, the shipped manifest."""
    place = f"{_CONFIGURATION} of the add-on {ADDON}"
    if isinstance(configuration, str):
        documents = parse_documents(configuration, place) or [None]
        if len(documents) > 1:
            raise ManifestError(f"{place} has {len(documents)} documents; give one")
        configuration = documents[0]
    if configuration is None:
        configuration = {}
    if not isinstance(configuration, Mapping):
        raise ManifestError(f'{place} must be a mapping, such as {{"env": {{…}}}}, not {kind_of(configuration)}')
    return read_chart_values(configuration, defaults, of_addon=True)


def _is_for_ipv6(item: Mapping[Any, Any]) -> bool:
    network = item.get("kubernetesNetworkConfig")
    family = network.get("ipFamily") if isinstance(network, Mapping) else None
    return isinstance(family, str) and family.lower() == "ipv6"


# --- remarks -------------------------------------------------------------------------------------------------------------


def _note_health(reader: VariableReader, addon: Mapping[Any, Any]) -> None:
    """Note that the configuration may not be what runs."""
    status = addon.get("status")
    health = addon.get("health")
    issues = health.get("issues") if isinstance(health, Mapping) else None
    codes = [shown(issue.get("code")) for issue in issues[:5] if isinstance(issue, Mapping)] if isinstance(issues, list) else []
    if codes or status not in (None, "ACTIVE"):
        message = f"is {shown(status)}" + (f" with {', '.join(codes)}" if codes else "") + ": this may not be what runs"
        reader.note("status", "warning", message, "compare with the DaemonSet of the cluster")


def _note_node_groups(reader: VariableReader, item: Mapping[Any, Any]) -> None:
    """Note what else in a ClusterConfig decides how many addresses nodes take."""
    auto_mode = item.get("autoModeConfig")
    if isinstance(auto_mode, Mapping) and auto_mode.get("enabled"):
        reader.note("autoModeConfig", "warning", "nodes of EKS Auto Mode don't run aws-node; this applies to other nodes only")
    for key in ("nodeGroups", "managedNodeGroups"):
        groups = item.get(key)
        for group in groups if isinstance(groups, list) else ():
            limit = group.get("maxPodsPerNode") if isinstance(group, Mapping) else None
            if isinstance(limit, int) and not isinstance(limit, bool):
                message = f"{key} {shown(group.get('name'))} sets {limit} pods for each node, which is not read here"
                reader.note("maxPodsPerNode", "info", message, f"give --max-pods {limit}")
