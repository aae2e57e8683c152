"""Small fleets: few nodes, small subnets and short lifetimes, so that everything that can go wrong does."""

import os
import signal
from pathlib import Path

import attrs
import hypothesis.strategies as st

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Fault, Faults
from vpcipam.ec2.latency import INSTANT, TYPICAL_LATENCIES, Latencies, Latency
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.fleet.engine import Fleet
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Reservation, Scenario, SubnetSpec
from vpcipam.fleet.workload import FixedWorkload, PodRun, Workload
from vpcipam.policies import AzureCnsPolicy, CiliumEniPolicy, HysteresisPolicy
from vpcipam.settings import Settings
from vpcipam.warmpool import IpamdPolicy

S = 1_000_000_000

SETTINGS = [
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
]
POLICIES = [
    IpamdPolicy(),
    IpamdPolicy(),
    CiliumEniPolicy(pre_allocate=2, release_delay_s=60),
    CiliumEniPolicy(pre_allocate=1, max_above_watermark=1, release_delay_s=31),
    AzureCnsPolicy(batch=4),
    HysteresisPolicy(minimum=1, maximum=4),
]
SLOW = Latencies(
    actions={"CreateNetworkInterface": Latency.fixed(2 * S), "AttachNetworkInterface": Latency.uniform(S, 9 * S)},
    non_mutating=Latency.fixed(S // 3),
    mutating=Latency.uniform(0, 3 * S),
)
TIGHT = Throttle(
    actions={"AssignPrivateIpAddresses": TokenBucket(1, 1, 20 * S), "CreateNetworkInterface": TokenBucket(1, 1, 30 * S)},
    non_mutating=TokenBucket(5, 1),
    mutating=TokenBucket(2, 1, 5 * S),
)


@attrs.frozen
class FaultyEc2(Ec2Behaviour):
    """An EC2 that also refuses calls, or grants some and says that it refuses them."""

    faults: tuple[Fault, ...] = ()

    def conditions(self, seed):
        usual = super().conditions(seed) or Conditions(latencies=Latencies(metadata=INSTANT))
        return attrs.evolve(usual, faults=Faults(self.faults, seed=seed))


FAULTS = [
    (),
    (),
    (Fault("lose-answer", "AssignPrivateIpAddresses", rate=0.3), Fault("refuse", "CreateNetworkInterface", rate=0.3)),
    (Fault("refuse", "UnassignPrivateIpAddresses", rate=0.8), Fault("lose-answer", "DetachNetworkInterface", rate=0.5)),
    (Fault("refuse", "DescribeSubnets", rate=0.5), Fault("lose-answer", "AttachNetworkInterface", rate=0.3)),
]


@st.composite
def runs(draw, duration_s, nodes=()):
    """Pods created in clumps, many of them for whole seconds, so that many events fall on one instant."""
    found = []
    for clump in range(draw(st.integers(1, 8))):
        begin = draw(st.integers(0, duration_s - 1))
        for number in range(draw(st.integers(1, 12))):
            created_ns = begin * S + draw(st.sampled_from([0, 0, 1, S // 2]))
            lifetime = draw(st.sampled_from([1, S, 5 * S, 30 * S, 35 * S, 61 * S, 300 * S, 900 * S, None]))
            node = draw(st.sampled_from([None, None, *nodes])) if nodes else None
            found.append(PodRun(f"p{clump}-{number}", created_ns, None if lifetime is None else created_ns + lifetime, node))
    return tuple(found)


@st.composite
def groups(draw, name, subnets, *, elastic=True):
    """A group of one to three nodes."""
    count = draw(st.integers(1, 3))
    spread = draw(st.integers(0, 2)) if elastic else 0
    return NodeGroup(
        name=name,
        instance_type=draw(st.sampled_from(["t3.nano", "t3.small", "t3.medium", "r6g.medium"])),
        count=count,
        settings=Settings().with_variables(draw(st.sampled_from(SETTINGS))),
        subnets=draw(st.sampled_from([(subnets[0],), tuple(subnets)])),
        min_count=max(0, count - spread),
        max_count=count + spread,
        placement=draw(st.sampled_from(["lowest", "packed", "spread", "random"])),
        policy=draw(st.sampled_from(POLICIES)),
        cooldown_aware_targets=draw(st.sampled_from([False, False, True])),
        hold_cooling_cidrs=draw(st.sampled_from([False, False, True])),
        boot_ns=draw(st.sampled_from([0, 20 * S])),
        scale_down_after_ns=draw(st.sampled_from([S, 120 * S])),
    )


@st.composite
def scenarios(draw):
    """A small fleet for 15 minutes to 3 hours."""
    duration_s = draw(st.integers(900, 10_000))
    subnets = []
    for number in range(draw(st.integers(1, 2))):
        length, reserved = draw(st.sampled_from([28, 27, 26, 24])), draw(st.booleans())
        reservations = (Reservation(f"10.0.{number}.0/28", draw(st.sampled_from(["prefix", "explicit"]))),) if reserved else ()
        # If the whole subnet is reserved, others can hold nothing.
        share = draw(st.sampled_from([0.0, 0.0, 0.0 if reserved and length == 28 else 0.3]))
        subnets.append(SubnetSpec(f"s{number}", f"10.0.{number}.0/{length}", reservations, share))
    names = [subnet.name for subnet in subnets]
    nodes = tuple(draw(groups(f"g{number}", names)) for number in range(draw(st.integers(1, 2))))
    return Scenario(
        name="small",
        duration_ns=duration_s * S,
        subnets=tuple(subnets),
        groups=nodes,
        workload=FixedWorkload(draw(runs(duration_s, (f"{nodes[0].name}-0000",) if nodes[0].min_count == nodes[0].max_count else ()))),
        vpc_cidrs=("10.0.0.0/20",),
        seed=draw(st.integers(0, 3)),
        scheduling=draw(st.sampled_from(["least-allocated", "most-allocated"])),
        sample_ns=draw(st.sampled_from([60 * S, 17 * S])),
        retry_ns=draw(st.sampled_from([10 * S, 3 * S])),
        ec2=FaultyEc2(
            draw(st.sampled_from([None, SLOW, TYPICAL_LATENCIES])),
            draw(st.sampled_from([None, TIGHT, Throttle()])),
            draw(st.sampled_from(["lowest", "random"])),
            draw(st.sampled_from(FAULTS)),
        ),
    )


def run_whole(scenario, *, tickless=True, check=None):
    """Run a fleet. Return its result, all actions, and the assignments at the end of each window."""
    actions, holdings = [], []
    fleet = Fleet(scenario, observer=lambda member, told: actions.extend((member.name, action) for action in told), tickless=tickless)
    for now_ns in fleet.run():
        holdings.append((now_ns, [tuple(member.node.datastores[0].assignments()) for member in fleet.members]))
        if check is not None:
            check(fleet)
    return fleet.result(), actions, holdings


@attrs.frozen
class DeadlyWorkload:
    """A workload that kills its process the first `deaths` times it makes pods. Each death leaves a file in `folder`."""

    inner: Workload
    folder: str
    deaths: int
    seeds: tuple = range(100)

    def pods(self, seed, duration_ns):
        for number in range(self.deaths if seed in self.seeds else 0):
            try:
                Path(self.folder, str(number)).touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner.pods(seed, duration_ns)
