"""Scenarios: subnets, groups of nodes, a workload and the behaviour of EC2, made in Python or read from TOML.

docs/scenarios.md lists the keys.
"""

import os
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TextIO, get_args

import attrs

from vpcipam._toml import parse_toml
from vpcipam._units import MINUTE_NS, NS_PER_S
from vpcipam.address import Cidr
from vpcipam.ec2.api import METADATA_ACTION
from vpcipam.ec2.faults import NODE_ACTIONS
from vpcipam.ec2.latency import TYPICAL_LATENCIES, Latencies, Latency
from vpcipam.ec2.subnet_rules import RESERVATION_TYPES, AddressChoice
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.errors import InvalidArgument, ScenarioError, file_trouble
from vpcipam.fleet.spec import (
    PERFECT_EC2,
    Ec2Behaviour,
    NodeGroup,
    Reservation,
    SubnetSpec,
    ipv4_block,
    node_name,
    wanted_vpc_cidrs,
    zones_of,
)
from vpcipam.fleet.toml.misfits import (
    MAX_SEED,
    group_misfits,
    name_misfits,
    spread_misfits,
    subnet_misfits,
    time_misfits,
    warm_up_misfits,
    whole_misfits,
    word_misfits,
    workload_misfits,
)
from vpcipam.fleet.toml.table import Table, changed, refuse_extremes
from vpcipam.fleet.toml.workload_reader import read_workload
from vpcipam.fleet.workload import SHORTEST_S, CombinedWorkload, Workload
from vpcipam.limits import MaxPodsBy
from vpcipam.policies import policy_named
from vpcipam.pool import PLACEMENTS
from vpcipam.settings import Settings, explain
from vpcipam.settings.variables import variable_text
from vpcipam.warmpool import WarmPolicy

__all__ = [
    "SCHEDULINGS",
    "Ec2Behaviour",
    "NodeGroup",
    "Reservation",
    "Scenario",
    "ScenarioDocument",
    "Scheduling",
    "SubnetSpec",
    "node_name",
    "wanted_vpc_cidrs",
]

Scheduling = Literal["least-allocated", "most-allocated"]
_LONGEST = 1 << 24  # characters of a file; one without an end must not fill the memory
SEARCHES = ("sweep", "tune")
SCHEDULINGS = ("least-allocated", "most-allocated")
ACTIONS = (*(action for action in NODE_ACTIONS if action != METADATA_ACTION), "RunInstances", "TerminateInstances")
"""The EC2 actions that a fleet calls."""


@attrs.frozen
class ScenarioDocument:
    """The TOML document of a scenario.

    Attributes:
        content: the document, parsed.
        folder: the folder that file names in the document are relative to.
        source: the name of the document in error messages.
        known: workloads that were read before, by the text of their tables, so that no trace is read twice.
    """

    content: Mapping[str, Any]
    folder: str = "."
    source: str = "scenario"
    known: Mapping[str, Workload] = attrs.field(factory=dict)

    def changed(self, changes: Mapping[str, object]) -> "ScenarioDocument":
        """Copy the document with some keys set, by their paths. A key replaces its rival: `max_pods_by` replaces `max_pods`.

        Raises:
            ScenarioError: a path does not exist.
        """
        return attrs.evolve(self, content=changed(self.content, changes))


@attrs.frozen
class Scenario:
    """A fleet, its workload, and how long to simulate it.

    Attributes:
        duration_ns: how long it runs: up to, not including, this time.
        vpc_cidrs: the CIDRs of the VPC that contains the subnets.
        scheduling: which node gets a pod: the one with the smallest share of its `max_pods` in use, or the fullest one with room.
        sample_ns: the time between two samples.
        warm_up_ns: how long to run before anything is measured: peaks, means and rates leave this time out, and waits the pods that were
            created in it. Must be shorter than the duration.
        retry_ns: how long the kubelet waits before it tries again to give a pod an address.
        document: the document of the scenario, for `with_changes` and searches; None if it was made in Python.

    Raises:
        ScenarioError: the parts do not fit together; the message begins with the key that is wrong, as in a TOML file.
    """

    name: str
    duration_ns: int
    subnets: tuple[SubnetSpec, ...]
    groups: tuple[NodeGroup, ...]
    workload: Workload
    vpc_cidrs: tuple[str, ...]
    seed: int = 0
    scheduling: Scheduling = "least-allocated"
    sample_ns: int = MINUTE_NS
    warm_up_ns: int = 0
    retry_ns: int = 10 * NS_PER_S
    ec2: Ec2Behaviour = PERFECT_EC2
    document: ScenarioDocument | None = attrs.field(default=None, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Check the scenario as a whole."""
        for key, message in chain(
            word_misfits("scheduling", self.scheduling, SCHEDULINGS),
            word_misfits("ec2.address_choice", self.ec2.address_choice, get_args(AddressChoice)),
            whole_misfits("seed", self.seed, high=MAX_SEED),
            name_misfits(self.name, self.subnets, self.groups, self.workload),
            time_misfits(self.duration_ns, self.sample_ns, self.retry_ns),
            warm_up_misfits(self.warm_up_ns, self.duration_ns),
            subnet_misfits(self.subnets, self.vpc_cidrs),
            group_misfits(self.groups, self.subnets),
            workload_misfits(self.workload, self.groups, self.duration_ns),
            spread_misfits(self.workload, self.zones),
        ):
            raise ScenarioError(f"{key}: {message}")

    @property
    def zones(self) -> tuple[str, ...]:
        """The availability zones of the subnets, in their order; empty if no subnet has one."""
        return zones_of(self.subnets)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | TextIO, changes: Mapping[str, object] | None = None) -> "Scenario":
        """Read a scenario from a TOML file; file names in it are relative to its folder.

        Args:
            path: the file, or an open one; file names in an open one are relative to the current folder.
            changes: keys to set before the document is read, as for `with_changes`; a file that a change replaces need not exist.

        Raises:
            ScenarioError: the file can't be read, or a key is invalid.
        """
        named = path if isinstance(path, str | os.PathLike) else None
        source = str(getattr(path, "name", "scenario")) if named is None else os.fspath(named)
        try:
            text = _read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{source}: {file_trouble(error)}; a scenario is a TOML file, see examples/scenarios") from None
        if len(text) > _LONGEST:
            raise ScenarioError(f"{source}: it is longer than {_LONGEST:,} characters; a scenario is a TOML file, see examples/scenarios")
        return cls.from_toml(text, folder="." if named is None else Path(named).parent, source=source, changes=changes)

    @classmethod
    def from_toml(
        cls, text: str, folder: str | Path = ".", *, source: str = "scenario", changes: Mapping[str, object] | None = None
    ) -> "Scenario":
        """Read a scenario from TOML text. Error messages begin with `source`; `changes` are as for `load`.

        Raises:
            ScenarioError: it is not TOML, or a key is invalid.
        """
        if not isinstance(text, str):
            raise ScenarioError(f"{source}: TOML is a text, not {type(text).__name__}; Scenario.load reads a file")
        try:
            document = parse_toml(text)
        except InvalidArgument as error:
            raise ScenarioError(f"{source}: {error}") from None
        except ValueError as error:
            is_name = text.endswith(".toml") and "\n" not in text
            hint = "Scenario.load reads a file" if is_name else "a scenario is a TOML file, see examples/scenarios"
            raise ScenarioError(f"{source}: it is not TOML: {error}; {hint}") from None
        return _read(ScenarioDocument(document, str(folder), source).changed(changes or {}))

    def with_changes(self, changes: Mapping[str, object]) -> "Scenario":
        """Return the scenario with some keys of its document set, by their paths. Unchanged traces are not read again.

        A key replaces its rival in the document: `max_pods_by` replaces `max_pods`, `p90` replaces `sigma`, and the reverse.

        Raises:
            ScenarioError: a path does not exist, a value is invalid, or the scenario differs from its document.

        Example:
            >>> scenario = Scenario.from_toml('''
            ... duration = "1 h"
            ... subnet = [{name = "a", cidr = "10.0.0.0/24"}]
            ... group = [{name = "workers", instance_type = "m5.large", count = 2}]
            ... workload = [{kind = "deployment", name = "web", replicas = 20}]
            ... ''')
            >>> more = scenario.with_changes({"seed": 3, "group.workers.settings.WARM_IP_TARGET": 5})
            >>> more.seed, more.groups[0].settings.warm_ip_target
            (3, 5)
        """
        if self.document is None or _read(self.document) != self:
            raise ScenarioError(f"scenario {self.name!r} was made or changed in Python, so its TOML keys can't be set; use attrs.evolve")
        return _read(self.document.changed(changes))


# --- reading -------------------------------------------------------------------------------------------------------------------


def _read_text(path: str | os.PathLike[str] | TextIO) -> str:
    """Read a file, at most one character more than a scenario may have."""
    if isinstance(path, str | os.PathLike):
        with Path(path).open(encoding="utf-8-sig") as file:
            return file.read(_LONGEST + 1)
    if isinstance(path, type) or not hasattr(path, "read"):
        raise ScenarioError(f"a scenario is loaded from a path or an open file, not from {type(path).__name__} ({path!r:.60})")
    return path.read(_LONGEST + 1)


def _read(document: ScenarioDocument) -> Scenario:
    """Read a document. Workloads in its `known` are not read again."""
    folder, source = document.folder, document.source
    refuse_extremes(f"{source}: ", document.content)
    top = Table(f"{source}: ", document.content)
    subnets = tuple(map(_subnet, top.tables("subnet", required=True)))
    groups = tuple(_group(table, subnets, folder) for table in top.tables("group", required=True))
    duration_ns = top.nanoseconds("duration", low=SHORTEST_S)
    tables = top.tables("workload", required=True)
    texts = [repr(each) for each in document.content["workload"]]
    parts = tuple(document.known.get(text) or read_workload(table, folder) for text, table in zip(texts, tables, strict=True))
    values = {
        "name": top.text("name", Path(source).stem),
        "duration_ns": duration_ns,
        "seed": top.integer("seed", 0, high=MAX_SEED),
        "subnets": subnets,
        "groups": groups,
        "workload": parts[0] if len(parts) == 1 else CombinedWorkload(parts),
        "vpc_cidrs": top.texts("vpc_cidrs", ()) or wanted_vpc_cidrs(Cidr.parse(subnet.cidr) for subnet in subnets),
        "scheduling": top.text("scheduling", "least-allocated", among=SCHEDULINGS),
        "sample_ns": top.nanoseconds("sample", 60, low=SHORTEST_S),
        "warm_up_ns": top.nanoseconds("warm_up", 0),
        "retry_ns": top.nanoseconds("retry", 10, low=SHORTEST_S),
        "ec2": _ec2(top.table("ec2")),
        "document": attrs.evolve(document, known=dict(zip(texts, parts, strict=True))),
    }
    for key in SEARCHES:
        top.take(key, None)  # read by `vpcipam.fleet.sweep` and `vpcipam.fleet.tune`
    top.finish()
    try:
        return Scenario(**values)
    except ScenarioError as error:
        raise ScenarioError(f"{source}: {error}") from None


def _subnet(table: Table) -> SubnetSpec:
    reservations = []
    for inner in table.tables("reservations"):
        reservations.append(Reservation(inner.text("cidr"), inner.text("kind", "prefix", among=RESERVATION_TYPES)))
        inner.finish()
    subnet = SubnetSpec(
        name=table.text("name"),
        cidr=table.text("cidr"),
        reservations=tuple(reservations),
        occupied_share=table.number("occupied_share", 0.0, high=1.0),
        zone=table.optional_text("zone"),
    )
    table.made("cidr", lambda: ipv4_block(subnet.cidr))
    table.finish()
    return subnet


def _group(table: Table, subnets: tuple[SubnetSpec, ...], folder: str) -> NodeGroup:
    name = table.text("name")
    instance_type = table.text("instance_type")
    settings = _settings(table, folder)
    count = table.integer("count")
    zones = table.texts("zones", ())
    if "zones" in table and not zones:
        raise table.refusal("zones", "needs at least one zone; leave the key out for the zones of all subnets")
    group = NodeGroup(
        name=name,
        instance_type=instance_type,
        count=count,
        settings=settings,
        subnets=table.texts("subnets", [subnet.name for subnet in subnets if not zones or subnet.zone in zones]),
        zones=zones,
        min_count=table.integer("min_count", count),
        max_count=table.integer("max_count", count),
        pod_subnet=table.optional_text("pod_subnet"),
        pod_subnets=table.texts("pod_subnets", ()),
        max_pods=table.integer("max_pods", None),
        max_pods_by=table.optional_text("max_pods_by", among=MaxPodsBy),
        host_network_pods=table.integer("host_network_pods", 2),
        placement=table.text("placement", "lowest", among=PLACEMENTS),
        policy=_policy(table),
        cooldown_aware_targets=table.flag("cooldown_aware_targets", default=False),
        hold_cooling_cidrs=table.flag("hold_cooling_cidrs", default=False),
        boot_ns=table.nanoseconds("boot", 60),
        scale_down_after_ns=table.nanoseconds("scale_down_after", 600, low=SHORTEST_S),
    )
    table.finish(["max_pods_by"])
    return group


def _settings(table: Table, folder: str) -> Settings:
    file = table.optional_text("daemonset")
    settings = Settings() if file is None else table.made("daemonset", lambda: Settings.from_daemonset(Path(folder, file)))
    inner = table.table("settings")
    values = dict(inner.items())
    changed_to = {name: inner.made(name, lambda name=name: setting_text(name, values[name])) for name in values}  # type: ignore[misc] # the name of this round
    settings = settings.with_variables(changed_to)
    for name in changed_to:
        if (unread := why_unread(settings, name, values[name])) is not None:
            raise inner.refusal(name, unread)
    return settings


def why_unread(settings: Settings, name: str, value: object) -> str | None:
    """Say that ipamd does not accept the value that `settings` got for a variable that acts on addresses; None if it does.

    ipamd would log it and use its default; in a scenario nobody would notice. What stops the node is refused with its group.
    """
    variable = explain(name)
    if not variable.acts_on_addresses or variable.parse(settings.variables[name]) is not None:
        return None
    if any(found.level == "error" and found.variable == name for found in settings.diagnostics):
        return None
    return f"ipamd does not accept {value!r} ({variable.kind}); it {variable.effect}"


def setting_text(name: str, value: object) -> str:
    """Write the value of a variable as in a manifest.

    Raises:
        InvalidArgument: no release reads a variable of that name, or the value is neither a text, a whole number nor a boolean.
    """
    explain(name)
    try:
        return variable_text(name, value)
    except TypeError as error:
        raise InvalidArgument(str(error)) from None


def _policy(table: Table) -> WarmPolicy:
    value = table.take("policy", "ipamd")
    if isinstance(value, str):
        return table.made("policy", lambda: policy_named(value))
    inner = table.table("policy")
    options = dict(inner.items())
    name = inner.text("name")
    del options["name"]
    return table.made("policy", lambda: policy_named(name, **options))


def _ec2(table: Table) -> Ec2Behaviour:
    choice = table.text("address_choice", "lowest", among=get_args(AddressChoice))
    behaviour = Ec2Behaviour(_latencies(table), _throttle(table), choice)  # type: ignore[arg-type] # it is one of them
    table.finish()
    return behaviour


def _latencies(table: Table) -> Latencies | None:
    value = table.take("latency", "none")
    if isinstance(value, str):
        return None if table.text("latency", "none", among=("none", "typical")) == "none" else TYPICAL_LATENCIES
    inner = table.table("latency")
    own = {action: Latency.fixed(inner.nanoseconds(action)) for action in ACTIONS if action in value}
    inner.finish(ACTIONS)
    return attrs.evolve(TYPICAL_LATENCIES, actions={**dict(TYPICAL_LATENCIES.actions), **own})


def _throttle(table: Table) -> Throttle | None:
    value = table.take("throttling", "none")
    if isinstance(value, str):
        return None if table.text("throttling", "none", among=("none", "typical")) == "none" else Throttle()
    inner = table.table("throttling")
    own = {}
    for action in (each for each in ACTIONS if each in value):
        bucket = inner.table(action)
        own[action] = TokenBucket(bucket.integer("capacity", low=1), bucket.integer("per_second", low=1))
        bucket.finish()
    inner.finish(ACTIONS)
    return Throttle(actions={**dict(Throttle().actions), **own})
