"""What the tests of fleets share: whole runs, and a workload that kills its process."""

import os
import signal
from pathlib import Path

import attrs

from vpcipam.fleet.engine import Fleet
from vpcipam.fleet.workload import Workload

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
