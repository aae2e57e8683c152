"""What is simulated: subnets, groups of nodes, a workload, and how EC2 behaves; as values, and read from TOML.

The keys are listed in docs/scenarios.md.
"""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import attrs

from vpcipam.address import Cidr
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.latency import INSTANT, TYPICAL_LATENCIES, Latencies, Latency
from vpcipam.ec2.requests import IPV4_PREFIX_LENGTHS
from vpcipam.ec2.subnet import AddressChoice
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.errors import ScenarioError
from vpcipam.fleet.reading import Table, changed, nearest
from vpcipam.fleet.trace import TraceFormat, read_trace
from vpcipam.fleet.workload import (
    Arrivals,
    CombinedWorkload,
    CronJob,
    Deployment,
    EmpiricalLifetime,
    ExponentialLifetime,
    FixedLifetime,
    Lifetime,
    LogNormalLifetime,
    Wave,
    Workload,
)
from vpcipam.limits import instance_limits
from vpcipam.node import default_max_pods
from vpcipam.policies import policy_named
from vpcipam.pool import PLACEMENTS
from vpcipam.settings import Settings, explain
from vpcipam.stats import NS_PER_S
from vpcipam.warmpool import IpamdPolicy, WarmPolicy

Scheduling = Literal["least-allocated", "most-allocated"]
SCHEDULINGS = ("least-allocated", "most-allocated")


@attrs.frozen
class Reservation:
    """A range of a subnet that is kept from automatic picks: `prefix` of single addresses, `explicit` of all."""

    cidr: str
    kind: str


@attrs.frozen
class SubnetSpec:
    """A subnet of the fleet's VPC, all in one availability zone.

    Attributes:
        occupied_share: the part of its usable addresses that others hold from before the start, 0 to 1: single ones at random places.
    """

    name: str
    cidr: str
    reservations: tuple[Reservation, ...] = ()
    occupied_share: float = 0.0


@attrs.frozen
class NodeGroup:
    """Nodes of one type, set up alike.

    Attributes:
        count: nodes at the start.
        subnets: the names of their subnets; the nodes take turns.
        min_count: how far the autoscaler goes down: an empty node goes once it has been empty for `scale_down_after_ns`.
        max_count: how far it goes up: a node comes for pods that no node has room for.
        pod_subnet: the name of the ENIConfig's subnet, for custom networking; None for the node's own.
        max_pods: the kubelet's limit; None for what EKS sets.
        host_network_pods: pods of a node's that need no address of the VPC, but count for `max_pods` (aws-node and kube-proxy).
        placement, cooldown_aware_targets, policy: see `vpcipam.node.Node`.
        boot_ns: from the launch of an instance to the start of its ipamd; nodes that are there at the start have it behind them.
    """

    name: str
    instance_type: str
    count: int
    settings: Settings
    subnets: tuple[str, ...]
    min_count: int
    max_count: int
    pod_subnet: str | None = None
    max_pods: int | None = None
    host_network_pods: int = 2
    placement: str = "lowest"
    policy: WarmPolicy = attrs.field(factory=IpamdPolicy)
    cooldown_aware_targets: bool = False
    boot_ns: int = 60 * NS_PER_S
    scale_down_after_ns: int = 600 * NS_PER_S

    @property
    def kubelet_max_pods(self) -> int:
        """The kubelet's limit."""
        return default_max_pods(instance_limits(self.instance_type), self.settings) if self.max_pods is None else self.max_pods

    @property
    def pods_per_node(self) -> int:
        """The pods of the workload that a node takes."""
        return max(0, self.kubelet_max_pods - self.host_network_pods)


@attrs.frozen
class Ec2Behaviour:
    """How the scenario's EC2 answers.

    Attributes:
        latencies: how long calls take; None for no time.
        throttle: how many it takes; None for any number.
        address_choice: which address of a subnet it gives next.
    """

    latencies: Latencies | None = None
    throttle: Throttle | None = None
    address_choice: AddressChoice = "lowest"

    def conditions(self, seed: int) -> Conditions | None:
        """What the model is told; None where all goes at once.

        Reading the metadata takes no time here, so that a node that compares itself with it and finds nothing is as if it had not.
        """
        if self.latencies is None and self.throttle is None:
            return None
        latencies = None if self.latencies is None else attrs.evolve(self.latencies, metadata=INSTANT)
        return Conditions(self.throttle, latencies, seed=seed)


@attrs.frozen
class Scenario:
    """A fleet, what it has to carry, and for how long.

    Attributes:
        vpc_cidrs: of the VPC that the subnets lie in.
        scheduling: which node a pod goes to: the one with the smallest share of its `max_pods` in use, or the fullest with room.
        sample_ns: how often what there is is written down.
        retry_ns: how long the kubelet waits before it tries anew to give a pod an address.
        document: what the scenario was read from, for `with_changes`; None where it was made in Python.
        folder: what file names in it are relative to.
    """

    name: str
    duration_ns: int
    subnets: tuple[SubnetSpec, ...]
    groups: tuple[NodeGroup, ...]
    workload: Workload
    vpc_cidrs: tuple[str, ...]
    seed: int = 0
    scheduling: Scheduling = "least-allocated"
    sample_ns: int = 60 * NS_PER_S
    retry_ns: int = 10 * NS_PER_S
    ec2: Ec2Behaviour = Ec2Behaviour()
    document: Mapping[str, Any] | None = attrs.field(default=None, repr=False, eq=False)
    folder: str = attrs.field(default=".", eq=False)

    @classmethod
    def load(cls, path: str | Path) -> "Scenario":
        """Read a scenario from a TOML file; file names in it are relative to its folder.

        Raises:
            ScenarioError: the file can't be read, or a key of it makes no sense.
        """
        try:
            with Path(path).open(encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise ScenarioError(f"{path}: {reason}; a scenario is a TOML file, see examples/scenarios") from None
        return cls.from_toml(text, folder=Path(path).parent, name=str(path))

    @classmethod
    def from_toml(cls, text: str, *, folder: str | Path = ".", name: str = "scenario") -> "Scenario":
        """Read a scenario from TOML text; `name` is put before what is wrong with it.

        Raises:
            ScenarioError: it is no TOML, or a key of it makes no sense.
        """
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ScenarioError(f"{name}: {error}") from None
        return _read(document, str(folder), name)

    def with_changes(self, changes: Mapping[str, object]) -> "Scenario":
        """Make the scenario with some keys of its document set anew, by their path: `group.workers.settings.WARM_IP_TARGET`.

        Raises:
            ScenarioError: a path leads nowhere, the value makes no sense there, or the scenario was not read from a document.
        """
        if self.document is None:
            raise ScenarioError(
                f"scenario {self.name!r} was not read from TOML, so no key of it can be set; make a new one with attrs.evolve"
            )
        document: Mapping[str, Any] = self.document
        for path, value in changes.items():
            document = changed(document, path, value)
        kept = None if any(path.partition(".")[0] == "workload" for path in changes) else self.workload
        return _read(document, self.folder, self.name, kept)


def node_name(group: str, number: int) -> str:
    """What the nodes of a group are called, from 0 on; a trace that binds pods to nodes uses these names.

    >>> node_name("workers", 7)
    'workers-0007'
    """
    return f"{group}-{number:04d}"


# --- reading -------------------------------------------------------------------------------------------------------------------


def _read(document: Mapping[str, Any], folder: str, where: str, workload: Workload | None = None) -> Scenario:
    top = Table(f"{where}: ", document)
    subnets = tuple(map(_subnet, top.tables("subnet", required=True)))
    groups = tuple(_group(table, subnets, folder) for table in top.tables("group", required=True))
    parts = [_workload(table, folder) for table in top.tables("workload", required=True)] if workload is None else top.take("workload")
    scenario = Scenario(
        name=top.text("name", Path(where).stem),
        duration_ns=top.nanoseconds("duration", above=0),
        seed=top.integer("seed", 0, high=2**63 - 1),
        subnets=subnets,
        groups=groups,
        workload=workload or (parts[0] if len(parts) == 1 else CombinedWorkload(tuple(parts))),
        vpc_cidrs=_vpc_cidrs(top, subnets),
        scheduling=top.text("scheduling", "least-allocated", among=SCHEDULINGS),  # type: ignore[arg-type] # it is one of them
        sample_ns=top.nanoseconds("sample", 60, above=0),
        retry_ns=top.nanoseconds("retry", 10, above=0),
        ec2=_ec2(top.table("ec2")),
        document=document,
        folder=folder,
    )
    top.finish()
    _require_unique(top, "subnet", [subnet.name for subnet in subnets])
    _require_unique(top, "group", [group.name for group in groups])
    return scenario


def _require_unique(top: Table, key: str, names: list[str]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise top.refusal(key, f"two are called {name!r}; each needs a name of its own")


def _subnet(table: Table) -> SubnetSpec:
    reservations = []
    for inner in table.tables("reservations"):
        reservations.append(Reservation(inner.text("cidr"), inner.text("kind", "prefix", among=("prefix", "explicit"))))
        inner.finish()
    subnet = SubnetSpec(table.text("name"), table.text("cidr"), tuple(reservations), table.number("occupied_share", 0.0, high=1.0))
    cidr = table.made("cidr", lambda: Cidr.parse(subnet.cidr))
    if cidr.version != 4 or cidr.prefix_length not in IPV4_PREFIX_LENGTHS:
        raise table.refusal("cidr", f"{subnet.cidr} is no subnet: EC2 takes an IPv4 /16 to /28")
    for each in reservations:
        if not cidr.overlaps(table.made("reservations", lambda each=each: Cidr.parse(each.cidr))):  # type: ignore[misc] # each of the loop
            raise table.refusal("reservations", f"{each.cidr} does not lie in {subnet.cidr}")
    table.finish()
    return subnet


def _group(table: Table, subnets: tuple[SubnetSpec, ...], folder: str) -> NodeGroup:
    name = table.text("name")
    instance_type = table.text("instance_type")
    limits = table.made("instance_type", lambda: instance_limits(instance_type))
    settings = _settings(table, folder)
    table.made("settings", lambda: settings.check(limits))
    names = [subnet.name for subnet in subnets]
    chosen = table.texts("subnets", names)
    for each in chosen:
        if each not in names:
            raise table.refusal("subnets", f"there is no subnet {each!r}; there are {', '.join(names)}{nearest(each, names)}")
    pod_subnet = table.optional_text("pod_subnet")
    if pod_subnet is not None and pod_subnet not in names:
        raise table.refusal("pod_subnet", f"there is no subnet {pod_subnet!r}; there are {', '.join(names)}{nearest(pod_subnet, names)}")
    count = table.integer("count", high=100_000)
    group = NodeGroup(
        name=name,
        instance_type=instance_type,
        count=count,
        settings=settings,
        subnets=chosen or tuple(names),
        min_count=table.integer("min_count", count, high=count),
        max_count=table.integer("max_count", count, low=count, high=100_000),
        pod_subnet=pod_subnet,
        max_pods=table.integer("max_pods", None, low=1, high=100_000),
        host_network_pods=table.integer("host_network_pods", 2),
        placement=table.text("placement", "lowest", among=PLACEMENTS),
        policy=_policy(table),
        cooldown_aware_targets=table.flag("cooldown_aware_targets", default=False),
        boot_ns=table.nanoseconds("boot", 60),
        scale_down_after_ns=table.nanoseconds("scale_down_after", 600, above=0),
    )
    table.finish()
    return group


def _settings(table: Table, folder: str) -> Settings:
    file = table.optional_text("daemonset")
    settings = Settings() if file is None else table.made("daemonset", lambda: Settings.from_daemonset(Path(folder, file)))
    inner = table.table("settings")
    texts = {}
    for name, value in inner.items():
        inner.made(name, lambda name=name: explain(name))  # type: ignore[misc] # the name of this round
        if not isinstance(value, str | int):
            raise inner.refusal(name, f"must be a text, a whole number, true or false, not {value!r}")
        texts[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return settings.with_variables(texts)


def _policy(table: Table) -> WarmPolicy:
    value = table.take("policy", "ipamd")
    if isinstance(value, str):
        return table.made("policy", lambda: policy_named(value))
    inner = table.table("policy")
    options = dict(inner.items())
    name = inner.text("name")
    del options["name"]
    return table.made("policy", lambda: policy_named(name, **options))


def _vpc_cidrs(top: Table, subnets: tuple[SubnetSpec, ...]) -> tuple[str, ...]:
    """Take the VPC's CIDRs, or those that the subnets want; see that each subnet lies in one, and that no two subnets overlap."""
    cidrs = [Cidr.parse(subnet.cidr) for subnet in subnets]
    for place, cidr in enumerate(cidrs):
        for other in cidrs[:place]:
            if cidr.overlaps(other):
                raise top.refusal("subnet", f"{cidr} and {other} overlap")
    given = top.texts("vpc_cidrs", ())
    if not given:
        return wanted_vpc_cidrs(cidrs)
    wholes = [top.made("vpc_cidrs", lambda text=text: Cidr.parse(text)) for text in given]  # type: ignore[misc] # the text of this round
    for cidr in cidrs:
        if not any(whole.first <= cidr.first and cidr.last <= whole.last for whole in wholes):
            raise top.refusal("vpc_cidrs", f"{cidr} lies in none of {', '.join(given)}")
    return given


def wanted_vpc_cidrs(cidrs: Iterable[Cidr]) -> tuple[str, ...]:
    """The CIDRs of a VPC for some subnets: the smallest one that holds all, or else, as EC2 has none above a /16, the /16 around each.

    >>> wanted_vpc_cidrs([Cidr.parse("10.0.0.0/24"), Cidr.parse("10.0.3.0/24")])
    ('10.0.0.0/22',)
    >>> wanted_vpc_cidrs([Cidr.parse("10.0.0.0/24"), Cidr.parse("10.1.0.0/24")])
    ('10.0.0.0/16', '10.1.0.0/16')
    """
    cidrs = tuple(cidrs)
    first, last = min(cidr.first for cidr in cidrs), max(cidr.last for cidr in cidrs)
    length = min(28, 32 - (first ^ last).bit_length())
    firsts = {first} if length >= 16 else {cidr.first for cidr in cidrs}
    free_bits = 32 - max(16, length)
    return tuple(str(Cidr(4, each, 32 - free_bits)) for each in sorted({each >> free_bits << free_bits for each in firsts}))


def _ec2(table: Table) -> Ec2Behaviour:
    choice = table.text("address_choice", "lowest", among=("lowest", "random"))
    behaviour = Ec2Behaviour(_latencies(table), _throttle(table), choice)  # type: ignore[arg-type] # it is one of them
    table.finish()
    return behaviour


def _latencies(table: Table) -> Latencies | None:
    value = table.take("latency", "none")
    if isinstance(value, str):
        return None if table.text("latency", "none", among=("none", "typical")) == "none" else TYPICAL_LATENCIES
    inner = table.table("latency")
    own = {action: Latency.fixed(inner.nanoseconds(action)) for action in value}
    return table.made("latency", lambda: attrs.evolve(TYPICAL_LATENCIES, actions={**dict(TYPICAL_LATENCIES.actions), **own}))


def _throttle(table: Table) -> Throttle | None:
    value = table.take("throttling", "none")
    if isinstance(value, str):
        return None if table.text("throttling", "none", among=("none", "typical")) == "none" else Throttle()
    inner = table.table("throttling")
    own = {}
    for action in value:
        bucket = inner.table(action)
        own[action] = TokenBucket(bucket.integer("capacity", low=1), bucket.integer("per_second", low=1))
        bucket.finish()
    return table.made("throttling", lambda: Throttle(actions={**dict(Throttle().actions), **own}))


# --- workloads -----------------------------------------------------------------------------------------------------------------


def _workload(table: Table, folder: str) -> Workload:
    kind = table.text("kind", among=("trace", "arrivals", "deployment", "cron"))
    if kind == "trace":
        workload = _trace(table, folder)
    elif kind == "arrivals":
        workload = _arrivals(table)
    elif kind == "deployment":
        workload = Deployment(
            table.text("name", "deployment"),
            table.integer("replicas"),
            table.seconds("roll_interval", 0),
            table.integer("surge", 1, low=1),
            table.seconds("ready", 10, above=0),
        )
    else:
        workload = CronJob(
            table.text("name", "cron"),
            table.seconds("interval", above=0),
            table.integer("count"),
            _lifetime(table.table("lifetime")),
            table.seconds("first", 0),
        )
    table.finish()
    return workload


def _trace(table: Table, folder: str) -> Workload:
    columns = {name: str(value) for name, value in table.table("columns").items()}
    layout = TraceFormat(columns, table.text("unit", "s"), table.flag("keep_unscheduled", default=False))
    file = table.text("file")
    table.take("name", None)
    return table.made("file", lambda: read_trace(Path(folder, file), layout))


def _arrivals(table: Table) -> Workload:
    wave = table.table("wave")
    arrivals = Arrivals(
        table.text("name", "pod"),
        table.number("per_hour"),
        _lifetime(table.table("lifetime")),
        Wave(wave.number("amplitude", 0.0, high=1.0), wave.number("peak_hour", 14.0, high=24.0)),
        table.integer("burst", 1, low=1),
        table.integer("standing", 0),
    )
    wave.finish()
    return arrivals


def _lifetime(table: Table) -> Lifetime:
    kind = table.text("kind", among=("fixed", "exponential", "log-normal", "empirical"))
    lifetime: Lifetime
    if kind == "fixed":
        lifetime = FixedLifetime(table.seconds("time", above=0))
    elif kind == "exponential":
        lifetime = ExponentialLifetime(table.seconds("mean", above=0))
    elif kind == "log-normal":
        lifetime = LogNormalLifetime(table.seconds("median", above=0), table.number("sigma", 1.0, high=5.0))
    else:
        quantiles = table.take("quantiles_s")
        valid = isinstance(quantiles, list) and len(quantiles) > 1 and all(type(each) in {int, float} for each in quantiles)
        if not valid or quantiles != sorted(quantiles) or quantiles[0] < 0:
            raise table.refusal("quantiles_s", f"must be two numbers of seconds or more, ascending, not {quantiles!r}")
        lifetime = EmpiricalLifetime(tuple(float(each) for each in quantiles))
    table.finish()
    return lifetime
