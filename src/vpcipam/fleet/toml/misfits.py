"""Check that the parts of a scenario fit together. A misfit names the key that is wrong, as in a TOML file.

Only the first misfit is reliable; later ones may be caused by it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, combinations

from vpcipam._units import span
from vpcipam.address import Cidr
from vpcipam.ec2.subnet_rules import MAX_CIDR_QUOTA, RESERVATION_TYPES, reserved_addresses
from vpcipam.errors import InvalidArgument, UnknownInstanceType, VpcIpamError
from vpcipam.fleet.spec import NodeGroup, SubnetSpec, ipv4_block, node_name, zones_of
from vpcipam.fleet.toml.table import MAX_COUNT, nearest
from vpcipam.fleet.workload import MAX_NS, Arrivals, CombinedWorkload, CronJob, Deployment, FixedWorkload, Workload, require_feasible
from vpcipam.limits import instance_limits, unknown_type_text
from vpcipam.pool import PLACEMENTS

Misfit = tuple[str, str]
"""A key, and what is wrong with its value."""
MAX_SEED = 2**63 - 1
MAX_GROUP_COUNT = 100_000
"""The most nodes of a group, and the most pods of a node."""
MAX_SAMPLE_COUNT = 1_000_000
"""The most samples of a scenario."""


def word_misfits(key: str, value: str, words: tuple[str, ...]) -> Iterator[Misfit]:
    """Check that a value is one of `words`."""
    if value not in words:
        yield key, f"is {value!r}; it must be one of {', '.join(words)}{nearest(value, words)}"


def whole_misfits(key: str, value: int, *, low: int = 0, high: int) -> Iterator[Misfit]:
    """Check that a value is a whole number from `low` to `high`, both included."""
    if type(value) is not int or not low <= value <= high:
        yield key, f"must be a whole number from {low} to {high}, not {value!r}"


def time_misfits(duration_ns: int, sample_ns: int, retry_ns: int) -> Iterator[Misfit]:
    """Check a scenario's times."""
    for key, length_ns in (("duration", duration_ns), ("sample", sample_ns), ("retry", retry_ns)):
        if type(length_ns) is not int or not 1 <= length_ns <= MAX_NS:
            yield key, f"must be a whole number of nanoseconds from 1 to {MAX_NS}, not {length_ns!r}"
    if duration_ns > MAX_SAMPLE_COUNT * sample_ns:
        yield "sample", f"would be taken more than {MAX_SAMPLE_COUNT:,} times within the duration; give a longer sample time"


def warm_up_misfits(warm_up_ns: int, duration_ns: int) -> Iterator[Misfit]:
    """Check how long nothing is measured."""
    if type(warm_up_ns) is not int or warm_up_ns < 0:
        yield "warm_up", f"must be a whole number of nanoseconds, 0 or more, not {warm_up_ns!r}"
    elif warm_up_ns >= duration_ns:
        yield "warm_up", f"takes {span(warm_up_ns)}, but the whole run takes {span(duration_ns)}; it must be shorter than the duration"


def name_misfits(name: str, subnets: tuple[SubnetSpec, ...], groups: tuple[NodeGroup, ...], workload: Workload) -> Iterator[Misfit]:
    """Check that names can be written: seeds are drawn from them, and figures are saved with them."""
    named = [("name", name), *(("subnet", each.name) for each in subnets), *(("group", each.name) for each in groups)]
    named += [("workload", part.name) for part in _parts(workload) if isinstance(part, Arrivals | Deployment | CronJob)]
    for key, text in named:
        try:
            text.encode()
        except UnicodeEncodeError:
            yield key, f"{text!r} has a lone surrogate, which UTF-8 can't encode; give another name"


def subnet_misfits(subnets: tuple[SubnetSpec, ...], vpc_cidrs: tuple[str, ...]) -> Iterator[Misfit]:
    """Check subnets, their reservations, and the CIDRs of their VPC."""
    if not subnets or not vpc_cidrs:
        yield "subnet", "there must be at least one, and at least one CIDR of the VPC"
    yield from _repeated("subnet", [subnet.name for subnet in subnets])
    yield from _zoneless_misfits(subnets)
    for subnet in subnets:
        yield from _parts_misfits(subnet)
    cidrs = [Cidr.parse(subnet.cidr) for subnet in subnets]
    yield from _overlaps("subnet", cidrs)
    yield from _unreadable("vpc_cidrs", vpc_cidrs, ipv4_block)
    wholes = [Cidr.parse(text) for text in vpc_cidrs]
    yield from _overlaps("vpc_cidrs", wholes)
    if len(wholes) > MAX_CIDR_QUOTA:
        yield "vpc_cidrs", f"would be {len(wholes)}, but AWS grants a VPC at most {MAX_CIDR_QUOTA}; choose subnets that lie closer together"
    for cidr in cidrs:
        if not any(cidr.first in whole and cidr.last in whole for whole in wholes):
            yield "vpc_cidrs", f"subnet {cidr} lies in none of {', '.join(vpc_cidrs)}"


def _parts_misfits(subnet: SubnetSpec) -> Iterator[Misfit]:
    """Check a subnet's CIDR, its reservations, and its share of taken addresses."""
    key = f"subnet.{subnet.name}"
    yield from _unreadable(f"{key}.cidr", [subnet.cidr], ipv4_block)
    if not 0 <= subnet.occupied_share <= 1:
        yield f"{key}.occupied_share", f"must be from 0 to 1, not {subnet.occupied_share}"
    whole = Cidr.parse(subnet.cidr)
    yield from _unreadable(f"{key}.reservations", [each.cidr for each in subnet.reservations], Cidr.parse)
    ranges = [Cidr.parse(each.cidr) for each in subnet.reservations]
    for part in ranges:
        if part.first not in whole or part.last not in whole:
            yield f"{key}.reservations", f"{part} does not lie in {whole}"
    yield from _overlaps(f"{key}.reservations", ranges)
    for each in subnet.reservations:
        yield from word_misfits(f"{key}.reservations", each.kind, RESERVATION_TYPES)
    kept = reserved_addresses(whole)
    outside = whole.size - len(kept) - sum(part.size - sum(address in part for address in kept) for part in ranges)
    if subnet.occupied_count > outside:
        message = f"would be {subnet.occupied_count} addresses, but only {outside} lie outside the reservations; give a smaller share"
        yield f"{key}.occupied_share", message


def _zoneless_misfits(subnets: Iterable[SubnetSpec]) -> Iterator[Misfit]:
    """Check that all subnets have a zone, or none."""
    with_zone = next((subnet for subnet in subnets if subnet.zone is not None), None)
    for subnet in subnets:
        if subnet.zone == "":
            yield f"subnet.{subnet.name}.zone", "must not be empty; leave it out of all subnets for a fleet without zones"
        if subnet.zone is None and with_zone is not None:
            message = f"is missing, but subnet {with_zone.name!r} is in zone {with_zone.zone!r}; give a zone to all subnets, or to none"
            yield f"subnet.{subnet.name}.zone", message


def group_misfits(groups: tuple[NodeGroup, ...], subnets: tuple[SubnetSpec, ...]) -> Iterator[Misfit]:
    """Check groups, and the subnets that they name."""
    if not groups:
        yield "group", "there must be at least one"
    yield from _repeated("group", [group.name for group in groups])
    names = [subnet.name for subnet in subnets]
    for group in groups:
        for key, message in chain(
            _type_misfits(group),
            _zone_misfits(group, subnets),
            _choice_misfits(group, names),
            _pod_zone_misfits(group, subnets),
            _number_misfits(group),
            _mode_misfits(group),
        ):
            yield f"group.{group.name}.{key}", message


def _type_misfits(group: NodeGroup) -> Iterator[Misfit]:
    key = "instance_type"
    try:
        limits = instance_limits(group.instance_type)
        key = "settings"
        group.settings.check(limits)
    except UnknownInstanceType:
        yield key, f"{unknown_type_text(group.instance_type)} `vpcipam limits --all` lists the types"
    except VpcIpamError as error:
        yield key, str(error)


def _number_misfits(group: NodeGroup) -> Iterator[Misfit]:
    for key, number, low, high in (
        ("min_count", group.min_count, 0, group.count),
        ("max_count", group.max_count, group.count, MAX_GROUP_COUNT),
        ("max_pods", group.max_pods, 1, MAX_GROUP_COUNT),
        ("host_network_pods", group.host_network_pods, 0, MAX_COUNT),
        ("boot", group.boot_ns, 0, MAX_NS),
        ("scale_down_after", group.scale_down_after_ns, 1, MAX_NS),
    ):
        if number is not None:
            yield from whole_misfits(key, number, low=low, high=high)


def _choice_misfits(group: NodeGroup, names: list[str]) -> Iterator[Misfit]:
    if not group.subnets:
        yield "subnets", "is empty; leave it out for all subnets"
    if group.max_pods is not None and group.max_pods_by is not None:
        yield "max_pods_by", f"has no effect beside max_pods = {group.max_pods}; leave one of the two out"
    if group.pod_subnet is not None and group.pod_subnets:
        yield "pod_subnets", f"has no effect beside pod_subnet = {group.pod_subnet!r}; leave one of the two out"
    for key, chosen in (("subnets", group.subnets), (_pod_key(group), group.all_pod_subnets)):
        for each in chosen:
            if each not in names:
                yield key, f"there is no subnet {each!r}; there are {', '.join(names)}{nearest(each, names)}"
    yield from word_misfits("placement", group.placement, PLACEMENTS)
    yield from whole_misfits("count", group.count, high=MAX_GROUP_COUNT)


def _pod_key(group: NodeGroup) -> str:
    """Return the key that names the subnets of the group's ENIConfigs."""
    return "pod_subnet" if group.pod_subnet is not None else "pod_subnets"


def _zone_misfits(group: NodeGroup, subnets: tuple[SubnetSpec, ...]) -> Iterator[Misfit]:
    """Check the zones that a group names."""
    known = zones_of(subnets)
    zone_of = {subnet.name: subnet.zone for subnet in subnets}
    own = {zone_of.get(name) for name in group.subnets}
    for zone in group.zones:
        if not known:
            yield "zones", "has no effect, since no subnet has a zone; give each subnet a zone, or leave it out"
        elif zone not in known:
            yield "zones", f"there is no subnet in zone {zone!r}; there are zones {', '.join(known)}{nearest(zone, known)}"
        elif zone not in own:
            yield "zones", f"none of the group's subnets is in zone {zone!r}; add one to subnets, or leave the zone out"
    for name in group.subnets:
        if group.zones and name in zone_of and zone_of[name] not in group.zones:
            yield "subnets", f"{name!r} is in zone {zone_of[name]!r}, and zones = {', '.join(group.zones)}; change one of the two"


def _pod_zone_misfits(group: NodeGroup, subnets: tuple[SubnetSpec, ...]) -> Iterator[Misfit]:
    """Check that each zone with nodes has the subnet of one ENIConfig, if there is one anywhere."""
    key = _pod_key(group)
    zone_of = {subnet.name: subnet.zone for subnet in subnets}
    own = dict.fromkeys(zone_of.get(name) for name in group.subnets)
    pods = [zone_of.get(name) for name in group.all_pod_subnets]
    for name, zone in zip(group.all_pod_subnets, pods, strict=True):
        if zone not in own:
            yield key, f"{name!r} is in zone {zone!r}, where the group has no nodes; the ENIs of a node are in its zone"
        if pods.count(zone) > 1:
            yield key, f"there is more than one in {_zone_text(zone)}; a node has one ENIConfig, so keep one of them"
    for zone in own if pods else ():
        if zone not in pods:
            yield key, f"there is none in {_zone_text(zone)}, where the group has nodes; pod_subnets names one for each zone"


def _zone_text(zone: str | None) -> str:
    return "the only zone" if zone is None else f"zone {zone!r}"


def _mode_misfits(group: NodeGroup) -> Iterator[Misfit]:
    if group.all_pod_subnets and not group.settings.custom_network_cfg:
        yield _pod_key(group), "has no effect without custom networking; set AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG to true, or leave it out"
    if group.settings.enable_ipv6:
        yield "settings.ENABLE_IPv6", "IPv6 is not simulated: each node has one /80, so no pool grows or runs out; set it to false"
    if group.settings.enable_multi_nic and len(instance_limits(group.instance_type).network_cards) > 1:
        yield "settings.ENABLE_MULTI_NIC", "only the default network card is simulated; set it to false"


def _parts(workload: Workload) -> tuple[Workload, ...]:
    return workload.parts if isinstance(workload, CombinedWorkload) else (workload,)


def workload_misfits(workload: Workload, groups: tuple[NodeGroup, ...], duration_ns: int) -> Iterator[Misfit]:
    """Check a workload as far as possible before its pods are made."""
    parts = _parts(workload)
    generators = [part for part in parts if isinstance(part, Arrivals | Deployment | CronJob)]
    for one, other in combinations([part.name for part in generators], 2):
        if _clash(one, other) or _clash(other, one):
            yield "workload", f"pods of {one!r} and of {other!r} can have the same name; rename one of the two"
    for generator in generators:
        try:
            require_feasible(generator, duration_ns)
        except InvalidArgument as error:
            yield "workload", str(error)
    for part in parts:
        if isinstance(part, FixedWorkload):
            yield from _trace_misfits(part, groups, duration_ns)


def spread_misfits(workload: Workload, zones: tuple[str, ...]) -> Iterator[Misfit]:
    """Check that there are zones if a deployment is to be spread over them."""
    for part in _parts(workload):
        if isinstance(part, Deployment) and part.spread and not zones:
            yield "workload", f"spread of {part.name!r} has no effect, since no subnet has a zone; give each subnet a zone, or leave it out"


def _trace_misfits(trace: FixedWorkload, groups: tuple[NodeGroup, ...], duration_ns: int) -> Iterator[Misfit]:
    if trace.runs and all(run.created_ns >= duration_ns for run in trace.runs):
        yield "workload", "no pod of the trace is created within the duration; set from_first_pod to count time from the first one"
    for run in trace.runs:
        if run.node is not None and not _is_node(run.node, groups):
            examples = ", ".join(f"{node_name(group.name, 0)} to {node_name(group.name, max(1, group.count) - 1)}" for group in groups)
            yield "workload", f"pod {run.name!r} is bound to node {run.node!r}, but there is no such node; there are {examples}"


def _is_node(name: str, groups: Iterable[NodeGroup]) -> bool:
    """Return whether a node with this name exists at the start or can be launched later."""
    head, _, digits = name.rpartition("-")
    for group in groups:
        if group.name == head and digits.isascii() and digits.isdecimal() and node_name(head, int(digits)) == name:
            return int(digits) < group.count or group.count < group.max_count or group.min_count < group.count
    return False


def _clash(one: str, other: str) -> bool:
    """Return whether pods of two generators can have the same name. Pods are named after their generator, with numbers."""
    return one == other or re.fullmatch(re.escape(one) + r"(?:-[0-9]+)+", other) is not None


def _repeated(key: str, names: Iterable[str]) -> Iterator[Misfit]:
    seen = set()
    for name in names:
        if not name:
            yield key, "each needs a name"
        if name in seen:
            yield key, f"two are called {name!r}; each needs a name of its own"
        seen.add(name)


def _unreadable(key: str, texts: Iterable[str], read: Callable[[str], Cidr]) -> Iterator[Misfit]:
    for text in texts:
        try:
            read(text)
        except VpcIpamError as error:
            yield key, str(error)


def _overlaps(key: str, cidrs: Iterable[Cidr]) -> Iterator[Misfit]:
    for one, other in combinations(cidrs, 2):
        if one.overlaps(other):
            yield key, f"{one} and {other} overlap"
