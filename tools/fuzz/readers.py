"""Readers of texts: manifests, scenarios, traces, instance types, addresses and durations."""

import contextlib
import csv
import io
import json
from pathlib import Path

from fuzz.target import Target, folder, require, text_of
from vpcipam import plan
from vpcipam._units import MINUTE_NS, NS_PER_S, S_PER_HOUR
from vpcipam.address import Cidr, address_text, parse_address
from vpcipam.cli.evidence_view import evidence_document
from vpcipam.cli.scenarios import parse_change
from vpcipam.ec2.answers import read_instance
from vpcipam.errors import (
    InvalidAddress,
    InvalidArgument,
    InvalidCidr,
    LogError,
    ManifestError,
    ScenarioError,
    SettingsError,
    TraceError,
)
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import ACTIONS, Scenario
from vpcipam.fleet.sweep import read_sweep
from vpcipam.fleet.toml.workload_reader import KINDS, LIFETIMES
from vpcipam.fleet.trace import UNITS_NS, TraceFormat, read_trace
from vpcipam.fleet.tune import TuneSpec
from vpcipam.fleet.workload import Arrivals, CombinedWorkload, CronJob, Deployment, PodRun
from vpcipam.inspection import Answer, LogSource, read_files, verify
from vpcipam.inspection.event_lines import EVENTS
from vpcipam.inspection.log import WORDINGS
from vpcipam.limits import format_row, load_limits, max_pods, parse_row
from vpcipam.planner import read_cluster
from vpcipam.settings import VARIABLES, Settings, explain

_KUBERNETES = (
    *("kind", "apiVersion", "metadata", "items", "spec", "template", "containers", "initContainers", "env", "envFrom", "name", "value"),
    *("valueFrom", "extraEnv", "image", "aws-vpc-cni", "addon", "addonName", "configurationValues", "addons", "aws-node", "DaemonSet"),
    *(
        "List",
        "ClusterConfig",
        "eksctl.io/v1alpha5",
        "vpc-cni",
        "originalMatchLabels",
        "Containers:",
        "Environment:",
        "<<: *a",
        "&a ",
        "!!",
    ),
    *("Environment Variables from:", "# DaemonSet aws-node, container aws-node", "(v1:spec.nodeName)", "kubernetesNetworkConfig"),
)
_SCENARIO_KEYS = (
    *("duration", "subnet", "group", "workload", "instance_type", "m5.large", "count", "cidr", "name", "kind", "lifetime", "replicas"),
    *("per_hour", "burst", "standing", "wave", "interval", "max_surge", "25%", "roll_interval", "quantiles", "median", "p90", "policy"),
    *("settings", "daemonset", "aws-node.yaml", "pods.csv", "file", "columns", "unit", "ec2", "latency", "throttling", "typical"),
    *("reservations", "occupied_share", "vpc_cidrs", "sweep", "tune", "trials", "seeds", "capacity", "per_second", "[[", "]]"),
)
_MOST_PODS = 40
_MOST_NODES = 3


def read_settings(data: bytes) -> None:
    """Read a document with variables; what it gives can be planned with, and written as variables and read again."""
    try:
        settings = Settings.from_daemonset(io.StringIO(text_of(data), newline=""))
    except ManifestError as refusal:
        require("\n" not in str(refusal), "a refusal takes several lines")
        return
    require(all(len(str(found)) < 2_000 for found in settings.diagnostics), "a diagnostic is very long")
    json.dumps(settings.variables)
    again = Settings.from_env(settings.variables)
    require(again == settings, "variables that are written and read again give other settings")
    with contextlib.suppress(SettingsError):
        plan("m5.large", 3, settings)


def read_scenario(data: bytes) -> None:
    """Read a scenario, and its searches; a small one runs."""
    try:
        scenario = Scenario.from_toml(text_of(data), folder())
    except ScenarioError:
        return
    require(scenario.with_changes({}) == scenario, "a scenario without changes is another one")
    for read in (read_sweep, TuneSpec.read):
        with contextlib.suppress(ScenarioError):
            read(scenario)
    if _is_small(scenario):
        simulate(scenario)


def read_cluster_file(data: bytes) -> None:
    """Read the groups of a cluster plan; a small cluster is planned."""
    try:
        question = read_cluster(text_of(data))
    except InvalidArgument as refusal:
        require("\n" not in str(refusal), "a refusal takes several lines")
        return
    if sum(group.nodes for group in question.groups) <= _MOST_PODS:
        with contextlib.suppress(InvalidArgument):
            json.dumps(question.answer().to_dict())


def _is_small(scenario: Scenario) -> bool:
    parts = scenario.workload.parts if isinstance(scenario.workload, CombinedWorkload) else (scenario.workload,)
    generators = [part for part in parts if isinstance(part, Arrivals | Deployment | CronJob)]
    return (
        scenario.duration_ns <= S_PER_HOUR * NS_PER_S
        and scenario.sample_ns >= MINUTE_NS
        and scenario.retry_ns >= NS_PER_S
        and sum(max(group.count, group.max_count or 0) for group in scenario.groups) <= _MOST_NODES
        and sum(generator.expected_count(scenario.duration_ns) for generator in generators) <= _MOST_PODS
    )


def read_pods(data: bytes) -> None:
    """Read a trace; its pods can be written and read again. The first byte picks the format."""
    how = data[0] if data else 0
    layout = TraceFormat({}, tuple(UNITS_NS)[how & 3], bool(how & 4), bool(how & 8))
    path = folder() / "fuzz.csv"
    path.write_bytes(data[1:])
    try:
        runs = read_trace(path, layout).runs
    except TraceError:
        return
    _write_pods(path, runs)
    require(read_trace(path).runs == runs, "pods that are written and read again are others")


def _write_pods(path: Path, runs: tuple[PodRun, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("pod", "created", "deleted", "node"))
        for run in runs:
            times = ("" if each is None else f"{each // NS_PER_S}.{each % NS_PER_S:09}" for each in (run.created_ns, run.deleted_ns))
            writer.writerow((run.name, *times, run.node or ""))


def read_types(data: bytes) -> None:
    """Read EC2's answer about instance types; the limits can be written as rows, and planned with."""
    try:
        found = load_limits(text_of(data))
    except (InvalidArgument, TypeError):
        return
    for limits in found:
        require(parse_row(format_row(limits)) == limits, "limits that are written and read again are others")
        json.dumps(limits.to_dict())
        max_pods(limits)
        with contextlib.suppress(SettingsError):
            plan(limits, 3, Settings())


def read_words(data: bytes) -> None:
    """Read short texts: a CIDR, an address, a change of a scenario, a variable, a row of the table, a time in an answer of EC2."""
    text = text_of(data)
    with contextlib.suppress(InvalidCidr):
        require(Cidr.parse(str(Cidr.parse(text))) == Cidr.parse(text), "a CIDR that is written and read again is another one")
    for version in (4, 6):
        with contextlib.suppress(InvalidAddress):
            address = parse_address(text, version)
            require(parse_address(address_text(address, version), version) == address, "an address that is written is another one")
    for read in (lambda: parse_change(f"a={text}"), lambda: explain(text), lambda: parse_row(text)):
        with contextlib.suppress(InvalidArgument):
            read()
    for variable in VARIABLES.values():
        value = variable.parse(text)
        require(value is None or variable.parse(variable.format(value)) == value, f"{variable.name} is another one when it is written")
    read_instance({"LaunchTime": text})


def read_logs(data: bytes) -> None:
    """Verify a log in two pieces, or two logs; the answer can be written as JSON. The first byte says which, and where the pieces part."""
    cut = data[0] if data else 0
    pieces = [data[1:cut], data[max(cut, 1) :]]
    sources = [LogSource("log", pieces)] if cut % 2 else [LogSource(str(place), [piece]) for place, piece in enumerate(pieces)]
    try:
        found = verify(sources)
    except LogError as refusal:
        require("\n" not in str(refusal), "a refusal takes several lines")
        return
    json.dumps(found.to_dict())
    require((found.answer is Answer.BROKEN) == bool(found.violations), "the answer and the violations disagree")
    require(all(violation.steps for violation in found.violations), "a violation has no steps")


def read_evidence(data: bytes) -> None:
    """Read a file of a real node; whatever it is, it is recognised, or something is listed as skipped."""
    evidence = read_files([("fuzz", io.BytesIO(data))])
    require(evidence.documents or evidence.skipped, "a file is neither recognised nor skipped")
    require(all(str(each.source).isprintable() for each in evidence.skipped), "a place has characters that a terminal would obey")
    evidence.held_addresses()
    json.dumps(evidence_document(evidence), allow_nan=False)


TARGETS = (
    Target(
        "logs",
        read_logs,
        (
            *(wording.template for wording in WORDINGS if wording.kind in {"assigned", "cleared", "unassigned", "start", "cidr-added"}),
            *('{"level":"info","ts":"2025-01-01T00:00:00.000Z","caller":"a/b.go:1","msg":"', "2019-11-07T10:00:01Z [INFO]\t", '"}\n'),
            *EVENTS,
            *('{"event":"', '"now_ns":1', '"key":"a"', '"address":"10.0.0.5"', "\x1f\x8b"),
        ),
    ),
    Target("settings", read_settings, (*VARIABLES, *_KUBERNETES)),
    Target("scenario", read_scenario, (*_SCENARIO_KEYS, *KINDS, *LIFETIMES, *ACTIONS, "WARM_IP_TARGET")),
    Target(
        "cluster",
        read_cluster_file,
        ("group", "instance_type", "nodes", "pods", "subnet", "subnets", "zones", "reserve", "headroom", "/24"),
    ),
    Target("trace", read_pods, ("pod", "created", "deleted", "node", "scheduled", "2026-01-01T00:00:00+00:00", "\x1f\x08")),
    Target(
        "instance_types",
        read_types,
        (
            *("InstanceTypes", "InstanceType", "NetworkInfo", "NetworkCards", "NetworkCardIndex", "MaximumNetworkInterfaces", "BareMetal"),
            *("Ipv4AddressesPerInterface", "Ipv6AddressesPerInterface", "Ipv6Supported", "Hypervisor", "nitro", "VCpuInfo", "DefaultVCpus"),
            *("DefaultNetworkCardIndex", "EfaSupported", "NaN", "Infinity", "1e999"),
        ),
    ),
    Target(
        "evidence",
        read_evidence,
        (
            *(
                "priority",
                "src",
                "dst",
                "table",
                "fwmark",
                "flags",
                "ifindex",
                "ifname",
                "nftables",
                "lookup main",
                "0:\tfrom all",
                "default via",
            ),
            *("*nat\n:", "COMMIT\n", "-A ", "-m comment --comment", "# Generated by ip6tables-save", "net.ipv4.conf.all.rp_filter = 1"),
            *(
                "ENIs",
                "ENIIPPools",
                "AvailableIPv4Cidrs",
                "IPAddresses",
                "IPAMKey",
                "networkName",
                "containerID",
                "Assigned",
                "allocations",
            ),
            *(
                "NetworkInterfaces",
                "Reservations",
                "Instances",
                "Subnets",
                "InstanceTypes",
                "SubnetIpv4CidrReservations",
                "eni-1",
                "10.0.0.5/32",
            ),
            *("kind", "items", "Node", "Pod", "Event", "ENIConfig", "status", "capacity", "pods", 'awscni_x{a="b"} 1', "...", "True", "'"),
            *("Name: x", "Capacity:", "ustar", "PK\x03\x04", "PK\x05\x06", "\x1f\x08", "---", "- "),
        ),
    ),
    Target("words", read_words, ("10.0.0.0/28", "2001:db8::/80", "::ffff:1.2.3.4", "%eth0", "m5.large", "\t", "nitro"), longest=256),
)
