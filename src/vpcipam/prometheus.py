"""Metrics of a node in Prometheus's text format, under ipamd's names (docs/ipamd.md, "Prometheus metrics"). No client library is needed.

>>> from vpcipam import Ec2Model, Node, SandboxKey, Settings
>>> from vpcipam.prometheus import IpamMetrics
>>> ec2 = Ec2Model()
>>> subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/24")
>>> metrics = IpamMetrics()
>>> node = Node("t3.small", Settings(), metrics.count_calls(ec2), subnet_id=subnet.subnet_id, on_event=metrics)
>>> metrics.watch(node)
>>> _ = node.start(now_ns=0)
>>> _ = node.assign(SandboxKey("aws-cni", "c1", "eth0"), 1)
>>> for line in metrics.text(now_ns=2).splitlines():
...     if line.startswith(("awscni_total_ip_", "awscni_assigned_ip_per_eni", "awscni_ec2api_req_count")):
...         print(line)
awscni_assigned_ip_per_eni{eni="eni-00000000000000001"} 1
awscni_ec2api_req_count{fn="AssignPrivateIpAddresses"} 1
awscni_ec2api_req_count{fn="CreateTags"} 1
awscni_ec2api_req_count{fn="DescribeNetworkInterfaces"} 1
awscni_ec2api_req_count{fn="DescribeSubnets"} 1
awscni_ec2api_req_count{fn="ModifyNetworkInterfaceAttribute"} 1
awscni_total_ip_addresses 3
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

import attrs

from vpcipam.action import AT_START, Action, ActionKind
from vpcipam.address import AddressMode, Cidr
from vpcipam.datastore import Datastore
from vpcipam.ec2.api import METADATA_ACTION, Ec2Error, ErrorCode
from vpcipam.errors import InvalidArgument, UnknownEni
from vpcipam.events import AddressAssigned, AddressUnassigned, AssignRefused, EniRemoved, SandboxEvicted
from vpcipam.node import Node, NodeEvent

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of `IpamMetrics.text`, for the header of an HTTP response."""

_Ec2 = TypeVar("_Ec2")


@attrs.frozen
class Sample:
    """One value of a metric.

    Attributes:
        labels: pairs of label name and label value.
    """

    labels: tuple[tuple[str, str], ...]
    value: int


@attrs.frozen
class MetricFamily:
    """One metric and its values, one for each combination of label values.

    Attributes:
        kind: `counter` or `gauge`.
        explanation: the help text, one line.
    """

    name: str
    kind: str
    explanation: str
    samples: tuple[Sample, ...]

    def __str__(self) -> str:
        head = f"# HELP {self.name} {_escaped(self.explanation)}\n# TYPE {self.name} {self.kind}\n"
        return head + "".join(f"{self.name}{_labels_text(sample.labels)} {sample.value}\n" for sample in self.samples)


@attrs.frozen
class _Metric:
    kind: str
    explanation: str
    labels: tuple[str, ...] = ()


# Ascending by name, as in the text. ipamd's names, types and labels are in its utils/prometheusmetrics.
_METRICS = {
    "awscni_add_ip_req_count": _Metric(
        "counter", "Sandboxes that asked for an address: those that got one, and those for which none was free"
    ),
    "awscni_assigned_ip_addresses": _Metric("gauge", "Addresses that sandboxes hold"),
    "awscni_assigned_ip_per_cidr": _Metric("gauge", "Addresses that sandboxes hold, by CIDR attached", ("cidr",)),
    "awscni_assigned_ip_per_eni": _Metric("gauge", "Addresses that sandboxes hold, by ENI attached", ("eni",)),
    "awscni_aws_api_error_count": _Metric("counter", "Calls that EC2 refused, by its error code", ("api", "error")),
    "awscni_del_ip_req_count": _Metric("counter", "Sandboxes that gave their address back", ("reason",)),
    "awscni_ec2api_error_count": _Metric("counter", "Calls that EC2 refused", ("fn",)),
    "awscni_ec2api_req_count": _Metric("counter", "Calls to EC2", ("fn",)),
    "awscni_eni_allocated": _Metric("gauge", "ENIs attached and managed"),
    "awscni_eni_max": _Metric("gauge", "The most ENIs that can be attached and managed"),
    "awscni_force_removed_enis": _Metric("counter", "ENIs that were gone in EC2 while sandboxes held addresses on them"),
    "awscni_force_removed_ips": _Metric("counter", "Addresses that were gone in EC2 while sandboxes held them"),
    "awscni_ip_max": _Metric("gauge", "The most addresses that sandboxes could have with all ENIs attached and full"),
    "awscni_ipamd_error_count": _Metric("counter", "Changes of the node that were refused", ("fn",)),
    "awscni_no_available_ip_addresses": _Metric("counter", "Sandboxes for which no address was free"),
    "awscni_reconcile_count": _Metric("counter", "ENIs and CIDRs added or dropped to match EC2", ("fn",)),
    "awscni_total_ip_addresses": _Metric("gauge", "Addresses for sandboxes on all ENIs attached, held or not"),
    "awscni_total_ipv4_prefixes": _Metric("gauge", "IPv4 prefixes on all ENIs attached"),
    "vpcipam_cooling_ip_addresses": _Metric("gauge", "Addresses that a sandbox gave back and that cool down before the next use"),
    "vpcipam_quarantined_entries": _Metric("gauge", "Journal entries that a restart could not restore and that nobody has decided about"),
}

# ipamd's names for an action that follows a change in EC2, and for an action that failed.
_RECONCILED = {
    ActionKind.ADOPT_CIDRS: "eniDataStorePoolReconcileAdd",
    ActionKind.ADOPT_ENI: "eniReconcileAdd",
    ActionKind.DROP_CIDRS: "eniIPPoolReconcileDel",
    ActionKind.DROP_ENI: "eniReconcileDel",
}
_FAILED = {
    ActionKind.ADD_CIDRS: "increaseIPPoolAllocIPAddressesFailed",
    ActionKind.CREATE_ENI: "increaseIPPoolAllocENI",
    ActionKind.FREE_ENI: "decreaseIPPoolFreeENIFailed",
    ActionKind.RECONCILE: "reconcileFailedGetENIs",
}

# Counters that start at 0: to Prometheus, a counter that first appears as 1 has not increased.
_INITIAL_COUNTERS = (
    *((name,) for name, metric in _METRICS.items() if metric.kind == "counter" and not metric.labels),
    ("awscni_del_ip_req_count", "PodDeleted"),
    *(("awscni_ipamd_error_count", fn) for fn in _FAILED.values()),
    *(("awscni_reconcile_count", fn) for fn in _RECONCILED.values()),
)

_CALLS = {
    "describe_instance": "DescribeInstances",
    **{
        name: "".join(word.capitalize() for word in name.split("_"))
        for name in (
            *("create_network_interface", "attach_network_interface", "modify_network_interface_attribute"),
            *("detach_network_interface", "delete_network_interface", "assign_private_ip_addresses", "unassign_private_ip_addresses"),
            *("assign_ipv6_addresses", "describe_network_interfaces", "describe_subnets", "create_tags"),
        )
    },
}
_NO_ERROR = {(action, ErrorCode.ENI_NOT_FOUND) for action in ("DeleteNetworkInterface", "DescribeNetworkInterfaces")}
_API_NAMES = {"AssignIpv6Addresses": "AssignPrivateIpv6Addresses"}  # ipamd's name is wrong, but dashboards can depend on it

_Counter = tuple[str, ...]
"""The name of a counter and its label values."""


class IpamMetrics:
    """ipamd's metrics for nodes or datastores.

    Pass this object to each as `on_event`, which feeds the counters. Pass each to `watch`, which feeds the gauges. `text` and `families`
    read the gauges each time, so no gauge outlives its ENI or CIDR. The values of several nodes or datastores add up.

    Any thread can read at any time, and events can come from several threads. Reads don't wait for EC2 calls; events don't wait for reads.
    """

    def __init__(self) -> None:
        self._watched: tuple[Node | Datastore, ...] = ()
        # Never held while anything else is called: callers of `__call__` hold locks of their own.
        self._lock = threading.Lock()
        self._counts: Counter[_Counter] = Counter(dict.fromkeys(_INITIAL_COUNTERS, 0))  # by name and label values

    def watch(self, *sources: Node | Datastore) -> None:
        """Read gauges from nodes, each with all its network cards, or from datastores without a node.

        Raises:
            InvalidArgument: one of them is already watched, so its addresses would count twice.
        """
        watched = (*self._watched, *sources)
        datastores = [id(datastore) for datastore in _datastores(watched)]
        if len(set(datastores)) < len(datastores):
            raise InvalidArgument("a node or datastore is already watched, so its addresses would count twice: watch each once")
        self._watched = watched

    def __call__(self, event: NodeEvent) -> None:
        """Count an event. An event without a counter is ignored."""
        counters = _counters_of(event)
        with self._lock:
            self._counts.update(counters)

    def count_calls(self, ec2: _Ec2) -> _Ec2:
        """Return an `Ec2Api` that counts its calls and passes them to `ec2`. Give it to the node.

        Each attempt of a throttled call counts, unless `ec2` itself retries (`Ec2Api.retries_throttling`), as ipamd's SDK does. Reading the
        instance's metadata is not an EC2 call.
        """
        return cast("_Ec2", _CountedEc2(ec2, self._count_call))

    def families(self, now_ns: int) -> tuple[MetricFamily, ...]:
        """Return all metrics that have a value, ascending by name.

        Args:
            now_ns: the time, Unix nanoseconds. The EC2 calls of a node that have finished by then are included.

        Raises:
            InvalidArgument: nothing is watched.
            OutOfRange: the time is not 0 … 2**62-1.

        Complexity: O(CIDRs + sandboxes + cooling addresses).
        """
        if not self._watched:
            raise InvalidArgument("nothing is watched: call watch() with the node or the datastores")
        numbers = self._gauges(now_ns)
        with self._lock:  # after the gauges: reading them can make a node record EC2 calls, which also count
            counts = sorted(self._counts.items())
        for (name, *values), count in counts:
            numbers.setdefault(name, Counter())[tuple(values)] = count
        return tuple(
            MetricFamily(
                name,
                metric.kind,
                metric.explanation,
                tuple(Sample(tuple(zip(metric.labels, values, strict=True)), value) for values, value in numbers[name].items()),
            )
            for name, metric in _METRICS.items()
            if name in numbers
        )

    def text(self, now_ns: int) -> str:
        """Return all metrics in Prometheus's text format, version 0.0.4 (`CONTENT_TYPE`).

        Raises:
            InvalidArgument: nothing is watched.
            OutOfRange: the time is not 0 … 2**62-1.
        """
        return "".join(map(str, self.families(now_ns)))

    def _gauges(self, now_ns: int) -> "dict[str, Counter[tuple[str, ...]]]":
        numbers: dict[str, Counter[tuple[str, ...]]] = {}

        def add(name: str, amount: int, *values: str) -> None:
            numbers.setdefault(name, Counter())[values] += amount

        for source in self._watched:
            if isinstance(source, Node):
                source.stats(now_ns)  # this first records finished EC2 calls, unless another thread is in the control loop
                _add_limits(source, add)
        for datastore in _datastores(self._watched):
            _add_counts(datastore, now_ns, add)
        return numbers

    def _count_call(self, action: str, error: Ec2Error | None) -> None:
        counted: list[_Counter] = [("awscni_ec2api_req_count", action)]
        if error is not None and (action, error.code) not in _NO_ERROR:
            counted += ("awscni_ec2api_error_count", action), ("awscni_aws_api_error_count", _API_NAMES.get(action, action), error.code)
        with self._lock:
            self._counts.update(counted)


class _CountedEc2:
    """Passes everything to an EC2, and reports each call with its error, if any."""

    def __init__(self, ec2: object, report: Callable[[str, Ec2Error | None], None]) -> None:
        self._ec2 = ec2
        self._report = report

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # any attribute of the EC2
        attribute = getattr(self._ec2, name)
        return self._reported(_CALLS[name], attribute) if name in _CALLS else attribute

    def _reported(self, action: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def reported(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  # any arguments and answer
            error = None
            try:
                return call(*args, **kwargs)
            except Ec2Error as refusal:
                error = refusal
                raise
            finally:
                self._report(action, error)

        return reported


def _datastores(sources: Iterable[Node | Datastore]) -> Iterator[Datastore]:
    for source in sources:
        if isinstance(source, Node):
            yield from source.datastores
        else:
            yield source


def _add_limits(node: Node, add: Callable[..., None]) -> None:
    """Add the limits of a node, except for IPv6: there the pool never grows, and ipamd reports nothing useful."""
    if node.mode is AddressMode.IPV6:
        return
    for datastore in node.datastores:
        eni_count = node.managed_eni_limit(datastore.network_card)
        add("awscni_eni_max", eni_count)
        add("awscni_ip_max", eni_count * node.limits.slots_per_eni * node.mode.addresses_per_slot)


def _add_counts(datastore: Datastore, now_ns: int, add: Callable[..., None]) -> None:
    """Add the counts of a datastore. If another thread changes it meanwhile, the sandbox counts still agree with each other."""
    assignments = [assignment for _, assignment in datastore.assignments()]
    cooling_count = sum(eni.cooling_count for eni in datastore.eni_stats(now_ns))
    eni_cidrs = {eni_id: [Cidr.parse(text) for text in _cidrs(datastore, eni_id)] for eni_id in datastore.eni_ids}
    cidrs = [cidr for of_eni in eni_cidrs.values() for cidr in of_eni]
    add("awscni_eni_allocated", len(eni_cidrs))
    add("awscni_total_ip_addresses", sum(cidr.size for cidr in cidrs))
    add("awscni_total_ipv4_prefixes", sum(cidr.version == 4 and cidr.size > 1 for cidr in cidrs))
    add("awscni_assigned_ip_addresses", len(assignments))
    add("vpcipam_cooling_ip_addresses", cooling_count)
    add("vpcipam_quarantined_entries", len(datastore.quarantined))
    for eni_id in eni_cidrs:
        add("awscni_assigned_ip_per_eni", 0, eni_id)
    for cidr in cidrs:
        add("awscni_assigned_ip_per_cidr", 0, str(cidr))
    for assignment in assignments:
        add("awscni_assigned_ip_per_eni", 1, assignment.eni_id)
        add("awscni_assigned_ip_per_cidr", 1, assignment.cidr)


def _cidrs(datastore: Datastore, eni_id: str) -> tuple[str, ...]:
    try:
        return datastore.cidrs(eni_id)
    except UnknownEni:  # another thread has just removed it
        return ()


def _counters_of(event: NodeEvent) -> list[_Counter]:
    """Return the counters to increase by one for an event. A counter that appears n times increases by n."""
    match event:
        case AddressAssigned():
            return [("awscni_add_ip_req_count",)] if event.picked else []
        case AddressUnassigned():
            return [("awscni_del_ip_req_count", "PodDeleted")]
        case AssignRefused():
            return [("awscni_add_ip_req_count",), ("awscni_no_available_ip_addresses",)]
        case SandboxEvicted():
            return [("awscni_force_removed_ips",)]
        case EniRemoved():
            return [("awscni_force_removed_enis",)] if event.evicted_count else []
        case Action():
            return _counters_of_action(event)
    return []


def _counters_of_action(action: Action) -> list[_Counter]:
    """Return the counters to increase by one for an action of a node: for each thing it reconciled, or for its failure."""
    if action.kind in _RECONCILED:
        if action.reason == AT_START:
            return []
        count = len(action.cidrs) if action.kind in {ActionKind.ADOPT_CIDRS, ActionKind.DROP_CIDRS} else 1
        return [("awscni_reconcile_count", _RECONCILED[action.kind])] * count
    if action.error is None or action.kind not in _FAILED:
        return []
    if action.kind is ActionKind.RECONCILE and not action.error.startswith(f"{METADATA_ACTION}:"):
        return []  # ipamd counts a failure to read the metadata, but not one of EC2
    fns = [_FAILED[action.kind]]
    if action.kind is ActionKind.CREATE_ENI and action.out_of_addresses:
        fns.append(_FAILED[ActionKind.ADD_CIDRS])
    return [("awscni_ipamd_error_count", fn) for fn in fns]


def _labels_text(labels: tuple[tuple[str, str], ...]) -> str:
    if not labels:
        return ""
    return "{" + ",".join([f'{name}="{_in_quotes(value)}"' for name, value in labels]) + "}"


def _in_quotes(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
