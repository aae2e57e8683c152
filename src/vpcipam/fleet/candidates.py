"""Judge combinations of settings: what each costs, what it saves, and why it is not to be recommended."""

import json
from collections.abc import Iterator, Mapping, Sequence
from math import inf

import attrs

from vpcipam._units import counted
from vpcipam.fleet.scenario import Scenario
from vpcipam.fleet.summary import Summary
from vpcipam.fleet.tune_spec import GOALS, TuneSpec, fullest_subnet
from vpcipam.fleet.waits import wait_text

_WITH = "with "
_OTHER_SEEDS = f"{_WITH}other seeds, "
_NOT_REACHED = f"pods is {wait_text(None)}"
_NEVER_SERVED = "never had an address"


@attrs.frozen
class Spread:
    """The lowest and the highest value of each figure over some seeds.

    Attributes:
        cost: the value to minimise.
        p99_wait_ns: a wait of None is not reached, and longer than all others; see `Waits`.
        unserved: pods that never had an address.
        free_least: the fewest free addresses of the fullest subnet.
    """

    seeds: tuple[int, ...]
    cost: tuple[float, float]
    p99_wait_ns: tuple[int | None, int | None]
    calls_per_minute: tuple[float, float]
    unserved: tuple[int, int]
    free_least: tuple[int, int]

    @classmethod
    def of(cls, goal: str, runs: Mapping[int, Summary]) -> "Spread":
        """Compare runs, by seed."""
        costs = [GOALS[goal](summary) for summary in runs.values()]
        waits = sorted((summary.to_start.p99_ns for summary in runs.values()), key=length_of)
        rates = [summary.calls_worst_minute for summary in runs.values()]
        unserved = [summary.pods_unserved for summary in runs.values()]
        free = [fullest_subnet(summary).free_least for summary in runs.values()]
        return cls(
            seeds=tuple(runs),
            cost=(min(costs), max(costs)),
            p99_wait_ns=(waits[0], waits[-1]),
            calls_per_minute=(min(rates), max(rates)),
            unserved=(min(unserved), max(unserved)),
            free_least=(min(free), max(free)),
        )


@attrs.frozen
class Candidate:
    """One combination of settings, with the figures of its worst seed.

    Attributes:
        settings: variables and their values; none for those that the scenario has now.
        cost: the value to minimise.
        saves: how much lower the cost is than that of the present settings.
        p99_wait_ns, calls_per_minute: the values that have bounds; a wait of None is not reached, see `Waits`.
        unserved: pods that never had an address.
        free_least: the fewest free addresses of the fullest subnet at any time.
        left_out: the same with any seed, those of the confirmation included, but without pods that wait at the end and have not waited
            longer than the bound.
        objections: why the combination is not recommended; none if it keeps the bounds, serves the pods that the present settings serve and
            gives no warning. Those of the present settings say which bounds they break, and that they leave pods out.
        notes: what the change takes besides the variables, such as new nodes.
        on_front: whether no other combination is better in cost or wait and at least as good in the other. Of combinations that are equal
            in both, only one is on it.
        confirmation: the figures with other seeds; None if it was not run with them.
    """

    settings: Mapping[str, str]
    cost: float
    saves: float
    p99_wait_ns: int | None
    calls_per_minute: float
    unserved: int
    free_least: int
    left_out: int = 0
    objections: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    on_front: bool = False
    confirmation: Spread | None = None

    @property
    def fits(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.objections

    @property
    def breach(self) -> str:
        """The first way in which the present settings break the bounds, as a sentence; only for a baseline that does not fit."""
        first = self.objections[0]
        unserved = self.unserved if self.confirmation is None else max(self.unserved, self.confirmation.unserved[1])
        if first.endswith((_NOT_REACHED, _NEVER_SERVED)) and unserved:
            return f"the present settings leave {counted(unserved, 'pod')} without an address"
        return f"with the present settings{f' and {first.removeprefix(_WITH)}' if first.startswith(_OTHER_SEEDS) else f', {first}'}"

    def mends(self, present: "Candidate") -> bool:
        """Whether it fits and the present settings don't. If they only leave pods out, it must leave out fewer."""
        if not self.fits or present.fits:
            return False
        return self.left_out < present.left_out or not all(each.endswith(_NEVER_SERVED) for each in present.objections)

    def improves(self, present: "Candidate | None") -> bool:
        """Whether it mends the present settings, or fits and costs less; once both were confirmed, with those seeds too."""
        if not self.fits or present is None or self.mends(present):
            return self.fits
        ours, theirs = self.confirmation, present.confirmation
        return self.saves > 0 and (ours is None or theirs is None or ours.cost[1] < theirs.cost[1])

    @property
    def kubectl(self) -> str:
        """The command that sets this combination on a cluster."""
        return "kubectl set env daemonset aws-node -n kube-system " + " ".join(f"{name}={value}" for name, value in self.settings.items())

    @property
    def helm(self) -> str:
        """The values for the Helm chart aws-vpc-cni, as YAML that is JSON too."""
        return json.dumps({"env": dict(self.settings)})

    @property
    def addon(self) -> str:
        """The command that sets this combination with the EKS add-on; the cluster's name is to be filled in."""
        values = json.dumps({"env": dict(self.settings)}, separators=(",", ":"))
        return (
            "aws eks update-addon --cluster-name CLUSTER --addon-name vpc-cni --resolve-conflicts PRESERVE "
            f"--configuration-values '{values}'"
        )


@attrs.frozen
class Judge:
    """Judges combinations of one search.

    Attributes:
        baseline: the runs of the present settings, by seed.
    """

    scenario: Scenario
    spec: TuneSpec
    baseline: Mapping[int, Summary]

    def candidate(self, settings: Mapping[str, str], runs: Mapping[int, Summary]) -> Candidate:
        """Judge a combination by its runs with the seeds of the search."""
        spread, before = Spread.of(self.spec.goal, runs), Spread.of(self.spec.goal, {seed: self.baseline[seed] for seed in runs})
        return Candidate(
            settings=dict(settings),
            cost=spread.cost[1],
            saves=round(before.cost[1] - spread.cost[1], 2),
            p99_wait_ns=spread.p99_wait_ns[1],
            calls_per_minute=spread.calls_per_minute[1],
            unserved=spread.unserved[1],
            free_least=spread.free_least[0],
            left_out=self._left_out(runs),
            objections=(*self._excesses(settings, runs), *_warnings(self.scenario, settings)),
            notes=tuple(_notes(self.scenario, settings)),
        )

    def confirmed(self, candidate: Candidate, runs: Mapping[int, Summary]) -> Candidate:
        """Judge a combination again by its runs with other seeds."""
        excesses = tuple(f"{_OTHER_SEEDS}{excess}" for excess in self._excesses(candidate.settings, runs))
        return attrs.evolve(
            candidate,
            left_out=max(candidate.left_out, self._left_out(runs)),
            objections=(*candidate.objections, *excesses),
            confirmation=Spread.of(self.spec.goal, runs),
        )

    def _excesses(self, settings: Mapping[str, str], runs: Mapping[int, Summary]) -> Iterator[str]:
        """Say which bounds some runs exceed, and how many pods they leave out: all, or with other settings, how many more than now."""
        spec, spread = self.spec, Spread.of(self.spec.goal, runs)
        wait_ns, rate = spread.p99_wait_ns[1], spread.calls_per_minute[1]
        if spec.p99_wait_ns is not None and length_of(wait_ns) > spec.p99_wait_ns:
            yield f"the wait of 99 % of pods is {wait_text(wait_ns)}"
        if spec.calls_per_minute is not None and rate > spec.calls_per_minute:
            yield f"there are {rate:,g} calls in the worst minute"
        left_out = self._left_out(runs, self.baseline if settings else None)
        if left_out:
            yield f"{counted(left_out, 'more pod')} than now {_NEVER_SERVED}" if settings else f"{counted(left_out, 'pod')} {_NEVER_SERVED}"
        yield from self._exhausted(runs)

    def _exhausted(self, runs: Mapping[int, Summary]) -> Iterator[str]:
        """Say which subnets of zones have no free address left at some time, although they have some now.

        A node can't take addresses of another zone, so free ones elsewhere don't help.
        """
        for name, subnet in next(iter(runs.values())).subnets.items():
            if subnet.zone is not None and any(
                not summary.subnets[name].free_least and self.baseline[seed].subnets[name].free_least for seed, summary in runs.items()
            ):
                yield f"subnet {name} in zone {subnet.zone} has no free address left at times"

    def _left_out(self, runs: Mapping[int, Summary], before: Mapping[int, Summary] | None = None) -> int:
        """Count the pods that never had an address in the worst run; with the runs `before` a change, how many more than in these."""
        return max(
            self._left_out_of(after, 0, 0)
            if before is None
            else self._left_out_of(after, before[seed].pods_unserved, before[seed].pods_refused)
            for seed, after in runs.items()
        )

    def _left_out_of(self, after: Summary, unserved_before: int, refused_before: int) -> int:
        """Count the pods of a run that are left out.

        A pod that waits at the end may get an address within the bound, so those that have not waited longer don't count.
        """
        bound_ns = self.spec.p99_wait_ns
        all_measured = after.to_start.unended_count == after.pods_unserved
        if bound_ns is not None and all_measured and after.pods_refused <= refused_before and after.to_start.waiting_ns <= bound_ns:
            return 0
        return max(0, after.pods_unserved - unserved_before)


def length_of(wait_ns: int | None) -> float:
    """Return a wait as a number that compares."""
    return inf if wait_ns is None else wait_ns


def with_front(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Mark the front. The candidates must be sorted by cost, then by wait."""
    marked = []
    least_ns: float | None = None
    for each in candidates:
        better = least_ns is None or length_of(each.p99_wait_ns) < least_ns
        least_ns = length_of(each.p99_wait_ns) if better else least_ns
        marked.append(attrs.evolve(each, on_front=better))
    return tuple(marked)


def _warnings(scenario: Scenario, settings: Mapping[str, str]) -> tuple[str, ...]:
    """List what `vpcipam settings` would warn of because of a combination: warnings of its variables, and new ones."""
    found: dict[str, None] = {}
    for group in scenario.groups:
        present = {str(each) for each in group.settings.diagnose(group.instance_type)}
        for each in group.settings.with_variables(settings).diagnose(group.instance_type):
            if each.level != "info" and (each.variable in settings or str(each) not in present):
                found[f"{each.variable}: {each.message}"] = None
    return tuple(found)


def _notes(scenario: Scenario, settings: Mapping[str, str]) -> Iterator[str]:
    """Say what else a change needs."""
    for before in scenario.groups:
        after = attrs.evolve(before, settings=before.settings.with_variables(settings))
        modes = [group.settings.address_mode(group.instance_type) for group in (before, after)]
        if modes[0] != modes[1]:
            yield f"group {before.name}: needs new nodes, since {modes[0].label} become {modes[1].label}; present nodes keep theirs"
        custom = [group.settings.custom_network_cfg for group in (before, after)]
        if custom == [False, True]:
            yield (
                f"group {before.name}: custom networking needs new nodes, an ENIConfig for each zone, and "
                "ENI_CONFIG_LABEL_DEF or an annotation of the nodes to pick it; replace the present nodes"
            )
        elif custom == [True, False]:
            yield f"group {before.name}: needs new nodes, since custom networking ends; replace the present nodes"
        if custom[1] and not before.all_pod_subnets:
            yield f"group {before.name}: has no pod_subnets, so it was simulated with the pods in the nodes' own subnets"
        if before.kubelet_max_pods != after.kubelet_max_pods:
            yield f"group {before.name}: max pods is {after.kubelet_max_pods} instead of {before.kubelet_max_pods}, on new nodes only"
