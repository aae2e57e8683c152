"""Hypothesis strategies for the values of vpcipam: small ones, at boundaries, where things go wrong.

>>> import hypothesis
>>> @hypothesis.given(instance_type=instance_types(), settings=node_settings())
... def test_a_plan_is_made(instance_type, settings):
...     ...
"""

import ipaddress
from collections.abc import Mapping, Sequence

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.contracts import AssignReturned, ContractEvent, Crashed, Promise, Restarted, UnassignReturned
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Effect, Fault, Faults
from vpcipam.ec2.latency import INSTANT, TYPICAL_LATENCIES, Latencies, Latency
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.errors import InvalidArgument, MissingExtra
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Reservation, Scenario, SubnetSpec
from vpcipam.fleet.workload import (
    Arrivals,
    CombinedWorkload,
    CronJob,
    Deployment,
    EmpiricalLifetime,
    ExponentialLifetime,
    FixedLifetime,
    FixedWorkload,
    Lifetime,
    LogNormalLifetime,
    PodRun,
    Wave,
    Workload,
)
from vpcipam.limits import InstanceLimits
from vpcipam.limits import instance_types as all_instance_types
from vpcipam.policies import AzureCnsPolicy, CiliumEniPolicy, HysteresisPolicy
from vpcipam.settings import Settings
from vpcipam.warmpool import IpamdPolicy, WarmPolicy

try:
    import hypothesis.strategies as st
except ImportError:  # pragma: no cover  # the tests have it
    raise MissingExtra("the strategies need Hypothesis: pip install 'vpcipam[testing]'") from None

# --- instance types and settings -----------------------------------------------------------------------------------------

TINY_TYPE = InstanceLimits(instance_type="tiny.test", eni_limit=1, ipv4_per_eni=2)
TWO_CARDS_TYPE = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 2))
METAL_TYPE = InstanceLimits(instance_type="metal.test", eni_limit=3, ipv4_per_eni=3, bare_metal=True)
SMALL_TYPES: tuple[str | InstanceLimits, ...] = ("t3.nano", "t3.small", "m5.large", "m1.small", METAL_TYPE, TWO_CARDS_TYPE, TINY_TYPE)
"""Types with few ENIs and slots, without prefixes (m1.small), on bare metal, with two cards, and with a single slot."""


def instance_types(*, small: bool = False) -> st.SearchStrategy[str | InstanceLimits]:
    """Generate instance types: mostly interesting ones, or any that EC2 has unless `small`."""
    interesting = st.sampled_from(SMALL_TYPES)
    return interesting if small else interesting | interesting | st.sampled_from(all_instance_types())


_TARGETS = st.integers(0, 20)
_NUMBERS: Mapping[str, st.SearchStrategy[object]] = {
    "WARM_ENI_TARGET": st.integers(0, 3),
    "WARM_IP_TARGET": st.just(0) | _TARGETS,
    "MINIMUM_IP_TARGET": st.just(0) | _TARGETS,
    "WARM_PREFIX_TARGET": st.sampled_from(["00", 1, 2, 3]),  # "00" is 0 to ipamd, and passes the entry point
    "MAX_ENI": st.sampled_from([-1, -1, 1, 2, 3]),
    "IP_COOLDOWN_PERIOD": st.sampled_from([0, 1, 5, 30]),
}
_SWITCHES: Mapping[str, st.SearchStrategy[object]] = {
    "ENABLE_PREFIX_DELEGATION": st.booleans(),
    "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": st.sampled_from([False, False, True]),
    "ENABLE_POD_ENI": st.sampled_from([False, False, True]),
    "ENABLE_SUBNET_DISCOVERY": st.booleans(),
    "ENABLE_MULTI_NIC": st.booleans(),
    "AWS_MANAGE_ENIS_NON_SCHEDULABLE": st.booleans(),
    "MANAGE_UNTAGGED_ENI": st.booleans(),
}


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in values.items()}


def variables() -> st.SearchStrategy[dict[str, str]]:
    """Generate valid variables of the aws-node container that act on addresses, as texts."""
    return st.fixed_dictionaries({**_NUMBERS, **_SWITCHES}).map(_texts)


def wrong_variables() -> st.SearchStrategy[dict[str, str]]:
    """Generate variables of which one gets a diagnostic: a value that ipamd can't use, or a name that it does not read."""
    wrong = st.tuples(st.sampled_from(sorted({*_NUMBERS} - {"MAX_ENI"})), st.sampled_from(["-1", "many", "", "1.5", "30s"])) | st.tuples(
        st.sampled_from(sorted(_SWITCHES)), st.sampled_from(["yes", "2", "on", ""])
    )
    misspelt = st.sampled_from(["WARM_IP_TARGETS", "WARM_ENI", "ENABLE_PREFIX_DELEGATON"]).map(lambda name: (name, "1"))
    return st.builds(lambda right, pair: {**right, pair[0]: pair[1]}, variables(), wrong | misspelt)


def node_settings() -> st.SearchStrategy[Settings]:
    """Generate settings: those of the manifest as AWS ships it, changed."""
    return variables().map(lambda texts: Settings().with_variables(texts))


# --- networks ------------------------------------------------------------------------------------------------------------


@st.composite
def cidrs(draw: st.DrawFn, *, within: str = "10.0.0.0/16", shortest: int = 16, longest: int = 28) -> str:
    """Generate CIDRs in a network: often the first or the last of their length."""
    network = ipaddress.ip_network(within)
    length = draw(st.integers(max(shortest, network.prefixlen), longest))
    last = (1 << (length - network.prefixlen)) - 1
    place = draw(st.sampled_from([0, last]) | st.integers(0, last))
    base = int(network.network_address) + (place << (network.max_prefixlen - length))
    return f"{ipaddress.ip_address(base) if network.version == 4 else ipaddress.IPv6Address(base)}/{length}"


def prefixes(within: str = "10.0.0.0/24") -> st.SearchStrategy[str]:
    """Generate the prefixes that EC2 gives to ENIs from a subnet: /28, or /80 with IPv6; often the first or the last."""
    length = 28 if ipaddress.ip_network(within).version == 4 else 80
    return cidrs(within=within, shortest=length, longest=length)


@st.composite
def subnets(draw: st.DrawFn, *, name: str = "s0", within: str = "10.0.0.0/24") -> SubnetSpec:
    """Generate subnets, some with a reservation at their start, some partly occupied."""
    length, reserved = draw(st.sampled_from([28, 27, 26, 24])), draw(st.booleans())
    base = ipaddress.ip_network(within).network_address
    reservations = (Reservation(f"{base}/28", draw(st.sampled_from(["prefix", "explicit"]))),) if reserved else ()
    # If the whole subnet is reserved, others can hold nothing.
    share = draw(st.sampled_from([0.0, 0.0, 0.0 if reserved and length == 28 else 0.3]))
    return SubnetSpec(name, f"{base}/{length}", reservations, share)


# --- EC2's behaviour -----------------------------------------------------------------------------------------------------

SLOW_EC2 = Latencies(
    actions={"CreateNetworkInterface": Latency.fixed(2 * NS_PER_S), "AttachNetworkInterface": Latency.uniform(NS_PER_S, 9 * NS_PER_S)},
    non_mutating=Latency.fixed(NS_PER_S // 3),
    mutating=Latency.uniform(0, 3 * NS_PER_S),
)
TIGHT_THROTTLE = Throttle(
    actions={
        "AssignPrivateIpAddresses": TokenBucket(1, 1, 20 * NS_PER_S),
        "CreateNetworkInterface": TokenBucket(1, 1, 30 * NS_PER_S),
    },
    non_mutating=TokenBucket(5, 1),
    mutating=TokenBucket(2, 1, 5 * NS_PER_S),
)


def fault_plans(*, until_ns: int | None = None) -> st.SearchStrategy[Faults]:
    """Generate faults of EC2, none to many of each effect, up to a time."""
    rates = st.fixed_dictionaries(dict.fromkeys(Effect, st.sampled_from([0.0, 0.0, 0.05, 0.2])))
    return st.builds(lambda seed, rates: Faults.random(seed, rates, until_ns=until_ns), st.integers(0, 1 << 32), rates)


@attrs.frozen
class FaultyEc2(Ec2Behaviour):
    """An EC2 that also refuses calls, or grants some and says that it refuses them."""

    faults: tuple[Fault, ...] = ()

    def conditions(self, seed: int) -> Conditions:
        """Return the conditions of the model."""
        usual = super().conditions(seed) or Conditions(latencies=Latencies(metadata=INSTANT))
        return attrs.evolve(usual, faults=Faults(self.faults, seed=seed))


FAULTS: tuple[tuple[Fault, ...], ...] = (
    (),
    (),
    (Fault(Effect.LOSE_ANSWER, "AssignPrivateIpAddresses", rate=0.3), Fault(Effect.REFUSE, "CreateNetworkInterface", rate=0.3)),
    (Fault(Effect.REFUSE, "UnassignPrivateIpAddresses", rate=0.8), Fault(Effect.LOSE_ANSWER, "DetachNetworkInterface", rate=0.5)),
    (Fault(Effect.REFUSE, "DescribeSubnets", rate=0.5), Fault(Effect.LOSE_ANSWER, "AttachNetworkInterface", rate=0.3)),
)


def ec2_behaviours() -> st.SearchStrategy[FaultyEc2]:
    """Generate latencies, throttles and faults, none and harsh ones among them."""
    return st.builds(
        FaultyEc2,
        st.sampled_from([None, SLOW_EC2, TYPICAL_LATENCIES]),
        st.sampled_from([None, TIGHT_THROTTLE, Throttle()]),
        st.sampled_from(["lowest", "random"]),
        st.sampled_from(FAULTS),
    )


# --- workloads and scenarios ---------------------------------------------------------------------------------------------

_HORIZON_NS = 2 * 3600 * NS_PER_S
POLICIES: tuple[WarmPolicy, ...] = (
    IpamdPolicy(),
    IpamdPolicy(),
    CiliumEniPolicy(pre_allocate=2, release_delay_s=60),
    CiliumEniPolicy(pre_allocate=1, max_above_watermark=1, release_delay_s=31),
    AzureCnsPolicy(batch=4),
    HysteresisPolicy(minimum=1, maximum=4),
)
FLEET_VARIABLES: tuple[Mapping[str, str], ...] = (
    {},
    {"WARM_ENI_TARGET": "0"},
    {"WARM_IP_TARGET": "1"},
    {"WARM_IP_TARGET": "2", "MINIMUM_IP_TARGET": "5"},
    {"MINIMUM_IP_TARGET": "4"},
    {"ENABLE_PREFIX_DELEGATION": "true"},
    {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "0", "WARM_IP_TARGET": "3"},
    {"MAX_ENI": "2", "IP_COOLDOWN_PERIOD": "7"},
    {"ENABLE_POD_ENI": "true"},
    {"ENABLE_SUBNET_DISCOVERY": "false", "IP_COOLDOWN_PERIOD": "0"},
    {"DISABLE_LEAKED_ENI_CLEANUP": "true", "WARM_IP_TARGET": "1"},
)


def lifetimes() -> st.SearchStrategy[Lifetime]:
    """Generate lifetimes of pods, from a nanosecond to hours."""
    return st.sampled_from(
        [
            FixedLifetime(300.0),
            ExponentialLifetime(600.0),
            LogNormalLifetime(600.0, 2.0),
            EmpiricalLifetime((0.0, 60.0, 7200.0)),
            FixedLifetime(1e-9),
        ]
    )


def workloads() -> st.SearchStrategy[Workload]:
    """Generate workloads with less than 10,000 pods in two hours."""
    arrivals = st.builds(
        Arrivals,
        name=st.just("a"),
        per_hour=st.floats(0, 200),
        lifetime=lifetimes(),
        wave=st.builds(Wave, st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 24)),
        burst=st.integers(1, 5),
        standing=st.integers(0, 5),
        lifetime_of=st.sampled_from(["run", "creation"]),
    )
    deployments = st.builds(
        Deployment,
        name=st.just("d"),
        replicas=st.integers(0, 7),
        roll_interval_s=st.sampled_from([0.0, 1e-9, 60.0, 600.0, 1e6]),
        max_surge=st.integers(1, 9),
        max_unavailable=st.integers(0, 9),
        ready_s=st.sampled_from([1.0, 59.0, 100.0, 10_000.0]),
    ).filter(lambda workload: workload.expected_count(_HORIZON_NS) < 10_000)
    cron_jobs = st.builds(
        CronJob,
        name=st.just("c"),
        interval_s=st.sampled_from([7.0, 60.0, 1e6]),
        count=st.integers(0, 5),
        lifetime=lifetimes(),
        first_s=st.sampled_from([0.0, 3.5, 1e6]),
        lifetime_of=st.sampled_from(["run", "creation"]),
    )
    single: st.SearchStrategy[Workload] = st.one_of(arrivals, deployments, cron_jobs)
    return single | st.builds(lambda parts: CombinedWorkload(tuple(parts)), st.tuples(arrivals, cron_jobs))


@st.composite
def pod_runs(draw: st.DrawFn, duration_s: int, nodes: Sequence[str] = ()) -> tuple[PodRun, ...]:
    """Generate pods created in clumps, many of them for whole seconds, so that many events fall on one instant."""
    found = []
    for clump in range(draw(st.integers(1, 8))):
        begin = draw(st.integers(0, duration_s - 1))
        runs_fully = draw(st.booleans())
        for number in range(draw(st.integers(1, 12))):
            created_ns = begin * NS_PER_S + draw(st.sampled_from([0, 0, 1, NS_PER_S // 2]))
            lifetime = draw(st.sampled_from([1, *(each * NS_PER_S for each in (1, 5, 30, 35, 61, 300, 900)), None]))
            node = draw(st.sampled_from([None, None, *nodes])) if nodes else None
            deleted_ns = None if lifetime is None else created_ns + lifetime
            found.append(PodRun(f"p{clump}-{number}", created_ns, deleted_ns, node, deleted_ns is not None and runs_fully))
    return tuple(found)


@st.composite
def node_groups(draw: st.DrawFn, name: str, subnet_names: Sequence[str]) -> NodeGroup:
    """Generate a group of one to three nodes."""
    count = draw(st.integers(1, 3))
    spread = draw(st.integers(0, 2))
    return NodeGroup(
        name=name,
        instance_type=draw(st.sampled_from(["t3.nano", "t3.small", "t3.medium", "r6g.medium"])),
        count=count,
        settings=Settings().with_variables(draw(st.sampled_from(FLEET_VARIABLES))),
        subnets=draw(st.sampled_from([(subnet_names[0],), tuple(subnet_names)])),
        min_count=max(0, count - spread),
        max_count=count + spread,
        placement=draw(st.sampled_from(["lowest", "packed", "spread", "random"])),
        policy=draw(st.sampled_from(POLICIES)),
        cooldown_aware_targets=draw(st.sampled_from([False, False, True])),
        hold_cooling_cidrs=draw(st.sampled_from([False, False, True])),
        boot_ns=draw(st.sampled_from([0, 20 * NS_PER_S])),
        scale_down_after_ns=draw(st.sampled_from([NS_PER_S, 120 * NS_PER_S])),
    )


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Generate a small fleet for 15 minutes to 3 hours: few nodes, small subnets and short lifetimes."""
    duration_s = draw(st.integers(900, 10_000))
    specs = tuple(draw(subnets(name=f"s{number}", within=f"10.0.{number}.0/24")) for number in range(draw(st.integers(1, 2))))
    names = [spec.name for spec in specs]
    groups = tuple(draw(node_groups(f"g{number}", names)) for number in range(draw(st.integers(1, 2))))
    fixed = (f"{groups[0].name}-0000",) if groups[0].min_count == groups[0].max_count else ()
    return Scenario(
        name="small",
        duration_ns=duration_s * NS_PER_S,
        subnets=specs,
        groups=groups,
        workload=FixedWorkload(draw(pod_runs(duration_s, fixed))),
        vpc_cidrs=("10.0.0.0/20",),
        seed=draw(st.integers(0, 3)),
        scheduling=draw(st.sampled_from(["least-allocated", "most-allocated"])),
        sample_ns=draw(st.sampled_from([60 * NS_PER_S, 17 * NS_PER_S])),
        retry_ns=draw(st.sampled_from([10 * NS_PER_S, 3 * NS_PER_S])),
        ec2=draw(ec2_behaviours()),
    )


# --- contract events -----------------------------------------------------------------------------------------------------

BREAKABLE = (Promise.ONE_HOLDER, Promise.COOLDOWN, Promise.DURABILITY)


@st.composite
def event_logs(draw: st.DrawFn, *, cooldown_ns: int = 30, breaks: Promise | None = None) -> tuple[ContractEvent, ...]:
    """Generate contract events of an allocator with four addresses that keeps its promises, or that breaks one at the end.

    Args:
        draw: given by Hypothesis.
        cooldown_ns: the cooldown that it keeps.
        breaks: the promise that the last event breaks, one of `BREAKABLE`.
    """
    if breaks is not None and breaks not in BREAKABLE:
        raise InvalidArgument(f"breaks must be one of {', '.join(BREAKABLE)}, not {breaks}")
    events: list[ContractEvent] = []
    held: dict[str, str] = {}
    free_at = {f"10.0.0.{last}": 0 for last in range(4)}
    now_ns = 0
    for number, step in enumerate(draw(st.lists(st.sampled_from(("assign", "assign", "unassign", "crash")), max_size=30))):
        now_ns += draw(st.sampled_from([0, 1, cooldown_ns, cooldown_ns + 1]))
        free = [address for address, at_ns in free_at.items() if at_ns <= now_ns and address not in held.values()]
        if step == "assign" and free:
            held[f"pod-{number}"] = draw(st.sampled_from(free))
            events.append(AssignReturned(now_ns, f"pod-{number}", held[f"pod-{number}"]))
        elif step == "unassign" and held:
            key = draw(st.sampled_from(sorted(held)))
            free_at[held.pop(key)] = now_ns + cooldown_ns
            events.append(UnassignReturned(now_ns, key))
        elif step == "crash":
            events += [Crashed(now_ns), Restarted(now_ns, dict(held))]
    if breaks is not None:
        now_ns += cooldown_ns
        address = next((address for address, at_ns in free_at.items() if address not in held.values() and at_ns <= now_ns), None)
        if address is None:
            key, address = next(iter(held.items()))
        else:
            key = "pod"
            events.append(AssignReturned(now_ns, key, address))
        if breaks is Promise.ONE_HOLDER:
            events.append(AssignReturned(now_ns, "other", address))
        elif breaks is Promise.COOLDOWN:
            events += [UnassignReturned(now_ns, key), AssignReturned(now_ns + max(0, cooldown_ns - 1), "other", address)]
        else:
            kept = {each: its for each, its in held.items() if each != key}
            events += [Crashed(now_ns), Restarted(now_ns, kept)]
    return tuple(events)
