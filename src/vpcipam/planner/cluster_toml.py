"""Read a cluster plan's question from TOML: groups of nodes, subnets, and what else these must have room for."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from vpcipam._toml import parse_toml
from vpcipam.errors import InvalidArgument, VpcIpamError
from vpcipam.planner.cluster import ClusterPlan, plan_cluster
from vpcipam.planner.cluster_groups import ClusterSubnet, NodeGroup, Reserve
from vpcipam.settings import Settings, explain

_GROUP_KEYS = ("name", "instance_type", "nodes", "pods", "branch_pods", "settings", "max_pods", "max_pods_by")
_RESERVE_KEYS = tuple(field.name for field in attrs.fields(Reserve))
_KEYS = ("group", "subnet", "subnets", "pod_subnets", "zones", "reserve")


@attrs.frozen
class ClusterQuestion:
    """What `plan_cluster` is asked.

    Attributes:
        groups: The groups of nodes.
        subnets: The size of the subnets to count, or the subnets that there are; None if the document has neither.
        zones: The number of zones; None if the document doesn't say.
        reserve: What else there must be room for.
    """

    groups: tuple[NodeGroup, ...]
    subnets: str | tuple[ClusterSubnet, ...] | None
    zones: int | None
    reserve: Reserve

    def answer(self) -> ClusterPlan:
        """Return the plan, with subnets of /24 if the document has none."""
        return plan_cluster(self.groups, "/24" if self.subnets is None else self.subnets, zones=self.zones, reserve=self.reserve)


def read_cluster(text: str, where: str = "the cluster") -> ClusterQuestion:
    r"""Read a TOML document. `where` names it in error messages.

    Raises:
        InvalidArgument: It is not TOML, a key is unknown or missing, or a value is invalid. The message names the key.

    >>> question = read_cluster('subnet = "/24"\ngroup = [{instance_type = "m5.xlarge", nodes = 120, pods = 25}]')
    >>> question.answer().subnets_total
    24
    """
    try:
        document = parse_toml(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"{where}: {error}") from None
    except ValueError as error:
        raise InvalidArgument(f"{where} is not TOML: {error}") from None
    _refuse_unknown(where, document, _KEYS)
    if "subnet" in document and "subnets" in document:
        raise InvalidArgument(f"{where}: subnet and subnets exclude each other: give a size to count, or the subnets that there are")
    if "pod_subnets" in document and "subnets" not in document:
        raise InvalidArgument(f"{where}: pod_subnets need subnets for nodes beside them; to count both kinds, leave pod_subnets out")
    if type(document.get("zones", 3)) is not int:
        raise InvalidArgument(f"{where}: zones must be a whole number, not {document['zones']!r}")
    groups = tuple(_group(f"{where}: group {place}", table) for place, table in enumerate(_tables(where, "group", document), 1))
    names = [each.name for each in groups]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InvalidArgument(f"{where}: groups {names.index(name) + 1} and {place + 1} are both called {name}; give one another name")
    return ClusterQuestion(groups, _subnets(where, document), document.get("zones"), _reserve(f"{where}: reserve", document))


def _group(where: str, table: Mapping[str, Any]) -> NodeGroup:
    _refuse_unknown(where, table, _GROUP_KEYS)
    for key in ("instance_type", "nodes", "pods"):
        if key not in table:
            raise InvalidArgument(f"{where}: {key} is missing")
    values = dict(table)
    if not isinstance(values.get("name", ""), str):
        raise InvalidArgument(f"{where}: name must be a text in quotes, not {values['name']!r}")
    variables = values.pop("settings", {})
    if not isinstance(variables, dict):
        raise InvalidArgument(f"{where}: settings must be a table such as {{ WARM_IP_TARGET = 5 }}, not {variables!r}")
    try:
        for name in variables:
            explain(name)
        group = NodeGroup(**values, settings=Settings().with_variables(variables))
        group.plan()  # refuses what the group itself does not check
    except (VpcIpamError, TypeError) as error:
        raise InvalidArgument(f"{where}: {error}") from error
    return group


def _subnets(where: str, document: Mapping[str, Any]) -> str | tuple[ClusterSubnet, ...] | None:
    if "subnet" in document:
        if not isinstance(document["subnet"], str):
            raise InvalidArgument(f'{where}: subnet must be a size such as "/24", not {document["subnet"]!r}')
        return document["subnet"]
    if "subnets" not in document:
        return None
    for key in ("subnets", "pod_subnets"):
        texts = document.get(key, [])
        if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            raise InvalidArgument(f'{where}: {key} must be a list of texts such as "a=10.0.0.0/24", not {texts!r}')
    pods = (ClusterSubnet.parse(each, for_pods=True) for each in document.get("pod_subnets", []))
    return (*(ClusterSubnet.parse(each) for each in document["subnets"]), *pods)


def _reserve(where: str, document: Mapping[str, Any]) -> Reserve:
    table = document.get("reserve", {})
    if not isinstance(table, dict):
        raise InvalidArgument(f"{where} must be a table, not {table!r}")
    _refuse_unknown(where, table, _RESERVE_KEYS)
    try:
        return Reserve(**table)
    except (VpcIpamError, TypeError) as error:
        raise InvalidArgument(f"{where}: {error}") from error


def _tables(where: str, key: str, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    tables = document.get(key, [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise InvalidArgument(f"{where}: {key} must be a list of tables, each below a line [[{key}]]")
    return tables


def _refuse_unknown(where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
    for key in table:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            raise InvalidArgument(f"{where} has no key {key!r}; " + (f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}"))
