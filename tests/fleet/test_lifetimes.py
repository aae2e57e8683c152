"""When pods are there, when they run, and when they are deleted: standing pods, runs that begin late, schedules, longer runs."""

import sys
from datetime import timedelta

import attrs
import pytest
from fleet_worlds import S
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcipam.errors import InvalidArgument, MissingExtra, ScenarioError
from vpcipam.fleet.cron import FIRST_DAY, due_ns
from vpcipam.fleet.engine import Fleet, simulate
from vpcipam.fleet.scenario import NodeGroup, Scenario, SubnetSpec
from vpcipam.fleet.workload import Arrivals, CronJob, Deployment, FixedLifetime
from vpcipam.settings import Settings
from vpcipam.testing.strategies import scenarios, workloads

HEAVY = settings(max_examples=max(5, settings.default.max_examples // 20))
HOUR = 3600 * S


class Diary(Fleet):
    """A fleet that notes which pods had to wait, when each of them got its address, and when postponed deletions came."""

    def __init__(self, scenario):
        self.waited, self.served, self.ended = set(), {}, {}
        super().__init__(scenario)

    def wait_for_node(self, number, name, now_ns):
        self.waited.add(number)
        super().wait_for_node(number, name, now_ns)

    def wait_for_address(self, member, number, now_ns):
        self.waited.add(number)
        super().wait_for_address(member, number, now_ns)

    def _try(self, member, number, now_ns):
        done = super()._try(member, number, now_ns)
        if done:
            self.served[number] = now_ns
        return done

    def _delete_postponed(self, number, now_ns):
        self.ended[number] = now_ns
        super()._delete_postponed(number, now_ns)


@HEAVY
@given(scenario=scenarios())
def test_a_pod_that_runs_fully_is_deleted_a_lifetime_after_it_got_its_address(scenario):
    fleet = Diary(scenario)
    for _ in fleet.run():
        fleet._check()
    done = 0
    for number, run in enumerate(sorted(scenario.workload.runs, key=lambda run: (run.created_ns, run.name))):
        served_ns = fleet.served.get(number) if number in fleet.waited else run.created_ns
        end_ns = run.deleted_ns
        if run.runs_fully and served_ns is not None:
            end_ns = served_ns + run.deleted_ns - run.created_ns
        ends = served_ns is not None and end_ns is not None and end_ns < scenario.duration_ns
        done += ends
        assert fleet.ended.get(number) == (end_ns if ends and run.runs_fully and number in fleet.waited else None)
    assert fleet.result().summary.pods_done == done


def test_a_job_that_waits_runs_as_long_as_one_that_does_not():
    # One t3.small with 9 addresses: the tenth pod gets its address when another ends.
    def pods_done(lifetime_of):
        jobs = CronJob("job", 1000.0, 10, FixedLifetime(30.0), 1.0, lifetime_of)
        group = NodeGroup("g", "t3.small", 1, Settings(), ("a",), 1, 1, max_pods=12)
        scenario = Scenario("jobs", 400 * S, (SubnetSpec("a", "10.0.0.0/24"),), (group,), jobs, ("10.0.0.0/24",))
        summary = simulate(scenario).summary
        return summary.pods_done, summary.pods_refused, summary.pods_unserved

    assert pods_done("run") == (10, 0, 0)
    assert pods_done("creation") == (9, 1, 1)


@pytest.mark.parametrize(
    "generator",
    [lambda of: Arrivals("a", 1.0, FixedLifetime(1.0), lifetime_of=of), lambda of: CronJob("c", 1.0, 1, FixedLifetime(1.0), 0.0, of)],
)
def test_a_lifetime_is_of_the_run_or_from_the_creation_on(generator):
    with pytest.raises(InvalidArgument, match=r"lifetime_of of .* must be 'run' or 'creation', not 'birth'"):
        generator("birth")


# --- the start -------------------------------------------------------------------------------------------------------------------


def standing(replicas, *, count=2, maximum=2, cidr="10.0.0.0/24", workload=None, **options):
    group = NodeGroup("g", "m5.large", count, Settings(), ("a",), count, maximum)
    pods = Deployment("web", replicas) if workload is None else workload
    return Scenario("standing", 600 * S, (SubnetSpec("a", cidr),), (group,), pods, ("10.0.0.0/24",), **options)


@pytest.mark.parametrize(("replicas", "maximum", "nodes"), [(50, 2, 2), (90, 4, 4)])
def test_replicas_that_are_there_from_the_start_wait_for_nobody(replicas, maximum, nodes):
    result = simulate(standing(replicas, maximum=maximum))
    assert (result.samples[0].pods_running, result.samples[0].nodes) == (replicas, nodes)
    assert (result.summary.to_start.count, result.summary.to_start.late_count) == (0, 0)
    assert result.summary.call_rates["all"].at_start == 0
    assert result.summary.calls.get("RunInstances", 0) == 0


@pytest.mark.parametrize(("warm_up_ns", "count"), [(0, 5), (S, 0)])
def test_replicas_for_which_there_is_no_address_at_the_start_wait(warm_up_ns, count):
    summary = simulate(standing(14, count=1, maximum=1, cidr="10.0.0.0/28", warm_up_ns=warm_up_ns)).summary
    assert (summary.pods_running, summary.pods_waiting, summary.pods_unserved) == (9, 5, 5)
    assert (summary.to_start.count, summary.to_start.unended_count) == (count, count)


def test_the_set_up_ends_even_if_a_node_always_has_something_to_do(monkeypatch):
    monkeypatch.setattr("vpcipam.fleet.engine._MOST_TICKS_OF_SETUP", 1)
    fleet = Fleet(standing(27, count=1, maximum=1))  # an m5.large attaches an ENI of 9 addresses with each tick
    assert (fleet.running_count, fleet.waiting_count) == (18, 9)


def test_a_job_that_is_due_at_the_start_comes_after_it():
    summary = simulate(standing(0, workload=CronJob("job", 1000.0, 30, FixedLifetime(60.0)))).summary
    assert (summary.to_start.count, summary.pods_done) == (30, 30)


# --- longer runs -------------------------------------------------------------------------------------------------------------------


def until(end_ns, run):
    """A pod that is deleted after the end is not deleted."""
    return run._replace(deleted_ns=None) if run.deleted_ns is not None and run.deleted_ns >= end_ns else run


@HEAVY
@given(workload=workloads(), seed=st.integers(0, 3))
def test_the_first_hours_of_a_longer_run_are_the_shorter_run(workload, seed):
    group = NodeGroup("g", "t3.medium", 1, Settings(), ("a",), 1, 3)
    short = Scenario("short", HOUR, (SubnetSpec("a", "10.0.0.0/25"),), (group,), workload, ("10.0.0.0/25",), seed=seed)
    long = attrs.evolve(short, duration_ns=2 * HOUR)
    pods, more = (
        [until(HOUR, run) for run in workload.pods(seed, duration_ns) if run.created_ns < HOUR] for duration_ns in (HOUR, 2 * HOUR)
    )
    assert pods == more
    first, second = simulate(short), simulate(long)
    assert first.samples[:-1] == tuple(sample for sample in second.samples if sample.time_ns < HOUR)


# --- schedules ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("*/20 * * * *", [0, 20, 40, 60, 80, 100]),
        ("30 1 * * *", [90]),
        ("@hourly", [0, 60]),
        ("0 0 * * 0", []),
        ("0 0 * * 1", [0]),
        ("0 0 1 1 *", [0]),
    ],
)
def test_a_schedule_begins_on_a_monday_the_first_of_january(schedule, minutes):
    assert due_ns(schedule, 2 * HOUR) == [minute * 60 * S for minute in minutes]
    assert FIRST_DAY.weekday() == 0


def test_a_schedule_is_due_before_the_end_only():
    assert due_ns("1 * * * *", 60 * S) == []
    assert due_ns("1 * * * *", 60 * S + 1) == [60 * S]


@pytest.mark.parametrize("schedule", ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@reboot", "often", "*/0 * * * *"])
def test_what_is_not_crons_syntax_is_refused(schedule):
    with pytest.raises(InvalidArgument, match="which cron does not take"):
        CronJob("c", None, 1, FixedLifetime(1.0), schedule=schedule)


def test_a_schedule_that_is_due_too_often_is_refused():
    with pytest.raises(InvalidArgument, match="due more than 100,000 times; shorten the duration"):
        due_ns("* * * * *", int(timedelta(days=100) / timedelta(seconds=1)) * S)


@pytest.mark.parametrize("options", [{}, {"interval_s": 5.0, "schedule": "@hourly"}, {"first_s": 5.0, "schedule": "@hourly"}])
def test_a_cron_job_has_an_interval_or_a_schedule(options):
    with pytest.raises(InvalidArgument, match=r"either interval_s or a schedule|first_s of a CronJob goes with interval_s"):
        CronJob("c", options.get("interval_s"), 1, FixedLifetime(1.0), options.get("first_s", 0.0), schedule=options.get("schedule"))


def test_without_cronsim_a_schedule_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(MissingExtra, match="needs cronsim: pip install"):
        due_ns("@hourly", HOUR)


@pytest.mark.parametrize("schedule", [5, b"@hourly", ["@hourly"]])
def test_a_schedule_is_a_text(schedule):
    with pytest.raises(TypeError, match="schedule must be a text in cron's syntax, not"):
        CronJob("c", None, 1, FixedLifetime(1.0), schedule=schedule)


CRON = """
duration = "1 h"
subnet = [{{name = "a", cidr = "10.0.0.0/24"}}]
group = [{{name = "workers", instance_type = "m5.large", count = 2}}]
workload = [{{kind = "cron", count = 2, lifetime = {{kind = "fixed", time = 5{of}}}, {when}}}]
"""


def read(when, of=""):
    return Scenario.from_toml(CRON.format(when=when, of=of)).workload


def test_a_schedule_and_what_a_lifetime_is_of_can_be_read():
    assert read('schedule = "*/5 * * * *"') == CronJob("cron", None, 2, FixedLifetime(5), schedule="*/5 * * * *")
    assert read("interval = 60", ', of = "creation"').lifetime_of == "creation"


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ('schedule = "*/5 * * * *", interval = 60', "schedule: can't be combined with interval"),
        ('schedule = "*/5 * * * *", first = 60', "first: goes with interval"),
        ('schedule = "hourly"', "schedule: schedule is 'hourly', which cron does not take"),
        ("first = 3", "interval: is missing"),
    ],
)
def test_a_wrong_time_of_a_cron_job_is_refused_by_its_key(when, message):
    with pytest.raises(ScenarioError, match=message):
        read(when)
