"""Fleets of no pod, one pod or two, every case of them: waits, counts and percentiles as the definitions say, second by second."""

import itertools

import attrs
import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.summary import Waits
from vpcipam.fleet.workload import FixedWorkload, PodRun
from vpcipam.settings import Settings

S = 1_000_000_000
DURATION_S, SAMPLE_S, RETRY_S, COOLDOWN_S = 40, 10, 3, 7


# --- percentiles -----------------------------------------------------------------------------------------------------------------


def waits_by_definition(everyone, waiting_ns=0):
    """A percentile is the shortest time within which at least that share of all pods was served; a wait of None did not end."""
    ended = [wait for wait in everyone if wait is not None]

    def percentile(per_cent):
        shares = ((wait, 100 * sum(each <= wait for each in ended)) for wait in sorted(ended))
        return next((wait for wait, share in shares if share >= per_cent * len(everyone)), None if everyone else 0)

    return Waits(
        count=len(everyone),
        late_count=sum(wait != 0 for wait in everyone),
        unended_count=everyone.count(None),
        p50_ns=percentile(50),
        p90_ns=percentile(90),
        p99_ns=percentile(99),
        max_ns=max(ended, default=0),
        waiting_ns=waiting_ns,
    )


@pytest.mark.parametrize("count", range(5))
def test_the_percentiles_of_few_pods_are_as_defined(count):
    for everyone in map(list, itertools.product([0, 1, 2, 3, None], repeat=count)):
        ended, unended_count = [wait for wait in everyone if wait is not None], everyone.count(None)
        late = [wait for wait in ended if wait]
        assert Waits.of(count, late, unended_count) == Waits.of(count, ended, unended_count) == waits_by_definition(everyone)


# --- whole runs ------------------------------------------------------------------------------------------------------------------


@attrs.define
class NaivePod:
    """A pod: its times in seconds, since when it waits for a node or an address, when it was served, and what became of it."""

    created: int
    deleted: int | None
    seat: int | None = None  # when it was bound to the node
    served: int | None = None
    gone: bool = False


class OneNode:
    """One node with one address and `room` seats, second by second: all deletions, then pending pods, arrivals, the kubelet's tries."""

    def __init__(self, pods, room):
        self.pods, self.room = [NaivePod(*pod) for pod in pods], room
        self.cools_until = 0
        self.samples = []

    def run(self):
        for now in range(DURATION_S):
            for pod in filter(lambda pod, now=now: pod.deleted == now, self.pods):
                self.delete(pod, now)
            for pod in [pod for pod in self.here(now - 1) if pod.seat is None]:
                self.bind(pod, now)
            for pod in filter(lambda pod, now=now: pod.created == now, self.pods):
                self.bind(pod, now)
            for pod in self.waiting():
                if now > pod.seat and (now - pod.seat) % RETRY_S == 0:
                    self.serve(pod, now)
            if now % SAMPLE_S == 0:
                self.samples.append(self.sample(now))
        self.samples.append(self.sample(DURATION_S))
        return self

    def here(self, now):
        return [pod for pod in self.pods if pod.created <= now and not pod.gone]

    def waiting(self):
        return sorted((pod for pod in self.pods if pod.seat is not None and pod.served is None and not pod.gone), key=lambda pod: pod.seat)

    def delete(self, pod, now):
        pod.gone = True
        if pod.served is not None:
            self.cools_until = now + COOLDOWN_S

    def bind(self, pod, now):
        if sum(each.seat is not None for each in self.here(now)) < self.room:
            pod.seat = now
            self.serve(pod, now)

    def serve(self, pod, now):
        if now >= self.cools_until and not any(each.served is not None for each in self.here(now)):
            pod.served = now

    def sample(self, now):
        came = [pod for pod in self.pods if pod.created < now or (pod.created == now and now < DURATION_S)]
        here = [pod for pod in came if not pod.gone]
        running = sum(pod.served is not None for pod in here)
        cooling = int(self.cools_until > now)
        return {
            "pods_running": running,
            "pods_waiting": sum(pod.served is None and pod.seat is not None for pod in here),
            "pods_pending": sum(pod.seat is None for pod in here),
            "pods_done": sum(pod.gone and pod.served is not None for pod in came),
            "pods_refused": sum(pod.gone and pod.served is None for pod in came),
            "addresses_attached": 1,
            "addresses_assigned": running,
            "addresses_cooling": cooling,
            "addresses_warm": 1 - running - cooling,
            "nodes": 1,
            "enis": 1,
            "prefixes": 0,
        }

    def waits(self):
        """For a node, for an address (of the pods with a node) and from creation to the address, in nanoseconds."""
        kinds = (
            [(pod, pod.created, pod.seat) for pod in self.pods],
            [(pod, pod.seat, pod.served) for pod in self.pods if pod.seat is not None],
            [(pod, pod.created, pod.served) for pod in self.pods],
        )
        found = []
        for kind in kinds:
            everyone = [None if end is None else (end - begin) * S for _, begin, end in kind]
            still = [(DURATION_S - begin) * S for pod, begin, end in kind if end is None and not pod.gone]
            found.append(waits_by_definition(everyone, max(still, default=0)))
        return found


LIVES = [(created, None if life is None else created + life) for created in (1, 4) for life in (1, 2, 5, 35, None)]


def sorted_by_creation(lives):
    return sorted(lives, key=lambda life: life[0])


CASES = [(), *((each,) for each in LIVES), *itertools.combinations_with_replacement(LIVES, 2)]


def run_both(case, room):
    """Run pods, each with its times of creation and deletion in seconds, in the simulator and by the definitions."""
    settings = Settings().with_variables({"MAX_ENI": "1", "IP_COOLDOWN_PERIOD": str(COOLDOWN_S)})
    group = NodeGroup("g", "t3.nano", 1, settings, ("a",), 1, 1, max_pods=room + 2)
    runs = tuple(PodRun(f"p{number}", at * S, None if end is None else end * S) for number, (at, end) in enumerate(case))
    scenario = Scenario(
        "tiny",
        DURATION_S * S,
        (SubnetSpec("a", "10.0.0.0/24"),),
        (group,),
        FixedWorkload(runs),
        ("10.0.0.0/16",),
        sample_ns=SAMPLE_S * S,
        retry_ns=RETRY_S * S,
    )
    return simulate(scenario), OneNode(case, room).run()


def agree(case, room):
    result, naive = run_both(case, room)
    assert [{name: getattr(sample, name) for name in naive.samples[0]} for sample in result.samples] == naive.samples, case
    summary = result.summary
    assert [summary.for_node, summary.for_address, summary.to_start] == naive.waits(), case
    assert summary.pods == len(case)
    for name in ("pods_running", "pods_waiting", "pods_pending", "pods_done", "pods_refused"):
        assert getattr(summary, name) == naive.samples[-1][name], (name, case)


@pytest.mark.parametrize("room", [1, 2])
def test_a_run_of_at_most_two_pods_is_as_the_definitions_say(room):
    for case in CASES:
        agree(case, room)


@given(
    lives=st.lists(st.tuples(st.integers(1, 6), st.sampled_from([9, 12, 20, None])), max_size=7).map(sorted_by_creation),
    room=st.integers(1, 4),
)
@example(lives=[(1, 9)] * 4, room=2)
@example(lives=[(1, 9), (1, 12), (2, 9), (3, 9), (3, None)], room=1)
def test_a_run_of_pods_that_are_deleted_together_is_as_the_definitions_say(lives, room):
    agree(lives, room)
