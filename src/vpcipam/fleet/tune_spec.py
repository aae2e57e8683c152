"""What a search for settings is for: the table `tune` of a scenario."""

from collections.abc import Callable, Mapping
from itertools import count, islice, product

import attrs

from vpcipam.errors import InvalidArgument, ScenarioError
from vpcipam.fleet.scenario import Scenario, ScenarioDocument, setting_text, why_unread
from vpcipam.fleet.summary import SubnetSummary, Summary
from vpcipam.fleet.sweep import Changes, grid
from vpcipam.fleet.toml.misfits import MAX_SEED
from vpcipam.fleet.toml.table import Table

_CONFIRMATIONS = 8  # by the rule of succession, another seed then breaks what all these keep about once in ten


def fullest_subnet(summary: Summary) -> SubnetSummary:
    """Return the subnet with the largest share taken at its peak; of several, one with the fewest free addresses."""
    return max(summary.subnets.values(), key=lambda subnet: (subnet.taken_per_cent, -subnet.free_least))


GOALS: Mapping[str, Callable[[Summary], float]] = {
    "addresses-peak": lambda summary: summary.addresses_peak,
    "addresses-mean": lambda summary: summary.addresses_mean,
    "subnet-addresses": lambda summary: summary.subnet_addresses_peak,
    "fullest-subnet": lambda summary: fullest_subnet(summary).taken_per_cent,
    "calls": lambda summary: sum(summary.calls.values()),
}
"""What to minimise: the peak or mean of attached pod addresses, the peak of addresses taken in all subnets, the share in per cent that is
taken of the fullest subnet, or calls to EC2."""


def _some_seeds(spec: "TuneSpec", attribute: "attrs.Attribute[tuple[int, ...]]", seeds: tuple[int, ...]) -> None:
    if not seeds:
        raise InvalidArgument(f"{attribute.name} of a TuneSpec must not be empty")
    repeated = set(seeds) & set(spec.seeds) if attribute.name == "confirm_seeds" else None
    if repeated:
        raise InvalidArgument(f"confirm_seeds repeats {min(repeated)}, a seed of the search; give others")


@attrs.frozen
class TuneSpec:
    """What to search for.

    Attributes:
        settings: variables of aws-node, each with the values to try, as texts; all groups get them, since a cluster has one DaemonSet.
        goal: what to minimise, one of `GOALS`.
        p99_wait_ns: the longest allowed wait from a pod's creation to its address, for 99 % of pods; None for any wait.
        calls_per_minute: the most calls to EC2 in the worst minute; None for any number.
        seeds: each combination is run with all of these, and judged by its worst run.
        trials: how many combinations to try, drawn at random; 0 for all.
        confirm_seeds: the best combination is run with these too, and must keep the bounds; none of `seeds`.

    Raises:
        InvalidArgument: there are no seeds, or a seed of `confirm_seeds` is among `seeds`.
    """

    settings: Mapping[str, tuple[str, ...]]
    goal: str = "addresses-mean"
    p99_wait_ns: int | None = None
    calls_per_minute: float | None = None
    seeds: tuple[int, ...] = attrs.field(default=(0,), validator=_some_seeds)
    trials: int = 0
    confirm_seeds: tuple[int, ...] = attrs.field(validator=_some_seeds)

    @confirm_seeds.default
    def _other_seeds(self) -> tuple[int, ...]:
        return _later_seeds(self.seeds) if self.seeds else ()

    @property
    def combinations(self) -> tuple[Changes, ...]:
        """All combinations of the values."""
        return grid({name: list(values) for name, values in self.settings.items()})

    @property
    def trial_count(self) -> int:
        """How many runs the search takes, with those of the present settings and the first confirmation."""
        combinations = len(self.combinations)
        tried = min(self.trials, combinations) if self.trials else combinations
        return len(self.seeds) * (1 + tried) + 2 * len(self.confirm_seeds)

    @classmethod
    def read(cls, scenario: Scenario) -> "TuneSpec":
        """Read the table `tune` of a scenario's document.

        Raises:
            ScenarioError: the table is missing or invalid.
        """
        document = scenario.document or ScenarioDocument({})
        if "tune" not in document.content:
            raise ScenarioError(f"{document.source}: tune: is missing; add this table, see docs/tuning.md")
        table = Table(f"{document.source}: ", document.content).table("tune")
        inner = table.table("settings")
        settings: dict[str, tuple[str, ...]] = {}
        for name, values in inner.items():
            if not isinstance(values, list) or not values:
                raise inner.refusal(name, f"must be a list of values to try, not {values!r}")
            settings[name] = tuple(inner.made(name, lambda name=name, each=each: setting_text(name, each)) for each in values)  # type: ignore[misc]  # those of this round
            for (value, text), group in product(zip(values, settings[name], strict=True), scenario.groups):
                if (unread := why_unread(group.settings.with_variables({name: text}), name, value)) is not None:
                    raise inner.refusal(name, unread)
        if not settings:
            raise table.refusal("settings", "lists no variable to try, as in WARM_IP_TARGET = [1, 2, 5]")
        seeds = _seeds(table, "seeds", (scenario.seed,))
        confirm_seeds = _seeds(table, "confirm_seeds", _later_seeds(seeds))
        goal = table.text("minimise", "addresses-mean", among=GOALS)
        wait_ns = table.nanoseconds("p99_wait") if "p99_wait" in table else None
        rate = table.number("calls_per_minute") if "calls_per_minute" in table else None
        trials = table.integer("trials", 0)
        table.finish(["p99_wait", "calls_per_minute"])
        return table.made("confirm_seeds", lambda: cls(settings, goal, wait_ns, rate, seeds, trials, confirm_seeds))


def _later_seeds(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """Return seeds that a search has not used: those after its largest, or from 0 on if there are not enough."""
    first = max(seeds) + 1 if max(seeds) <= MAX_SEED - _CONFIRMATIONS else 0
    return tuple(islice((seed for seed in count(first) if seed not in seeds), _CONFIRMATIONS))


def _seeds(table: Table, key: str, default: tuple[int, ...]) -> tuple[int, ...]:
    seeds = table.take(key, [*default])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise table.refusal(key, f"must be a list of whole numbers that are 0 or more, not {seeds!r}")
    return tuple(seeds)
