"""What the tests of fleets share: whole runs, and a workload that kills its process."""

import os
import signal
from pathlib import Path

import attrs
import hypothesis.strategies as st

from vpcipam.fleet.engine import Fleet
from vpcipam.fleet.spread import SpreadConstraint, TopologySpread
from vpcipam.fleet.workload import FixedWorkload, Workload
from vpcipam.testing.strategies import scenarios, subnets

S = 1_000_000_000


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


# --- fleets in zones -------------------------------------------------------------------------------------------------------------

CUSTOM_NETWORKING = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
SPREADS = (
    None,
    None,
    TopologySpread("hard", (SpreadConstraint(1),)),
    TopologySpread("hard-2", (SpreadConstraint(2, min_domains=2),)),
    TopologySpread("soft", (SpreadConstraint(1, "ScheduleAnyway"),)),
    TopologySpread("both", (SpreadConstraint(3), SpreadConstraint(5, "ScheduleAnyway"))),
)


@st.composite
def zonal_scenarios(draw):
    """Small fleets in one to three zones: groups of one zone and of several, ENIConfigs by zone, and pods that are spread or not."""
    whole = draw(scenarios())
    zones = "abc"[: draw(st.integers(1, 3))]
    count = draw(st.integers(len(zones), 4))
    nodes = [draw(subnets(name=f"s{place}", within=f"10.0.{place}.0/24")) for place in range(count)]
    pods = [draw(subnets(name=f"p{place}", within=f"10.0.{8 + place}.0/24")) for place in range(len(zones))]
    specs = [attrs.evolve(spec, zone=zones[int(spec.name[1]) % len(zones)]) for spec in (*nodes, *pods)]
    groups = []
    for group in whole.groups:
        chosen = sorted(draw(st.sets(st.sampled_from(specs[:count]), min_size=1)), key=lambda spec: spec.name)
        own = {spec.zone for spec in chosen}
        with_own_subnets = attrs.evolve(group, subnets=tuple(spec.name for spec in chosen))
        with_eniconfigs = attrs.evolve(
            with_own_subnets,
            settings=group.settings.with_variables(CUSTOM_NETWORKING),
            pod_subnets=tuple(spec.name for spec in specs[count:] if spec.zone in own),
        )
        groups.append(draw(st.sampled_from([with_own_subnets, with_eniconfigs])))
    chosen = st.sampled_from(SPREADS)
    runs = tuple(run._replace(spread=draw(chosen)) for run in whole.workload.runs)
    return attrs.evolve(whole, subnets=tuple(specs), groups=tuple(groups), workload=FixedWorkload(runs))
