"""Scenarios: what is read, what is refused and how, and what is changed."""

import gzip
import json
import pickle
import re
import tracemalloc
from pathlib import Path

import attrs
import pytest

from vpcipam.ec2.api import METADATA_ACTION
from vpcipam.ec2.latency import TYPICAL_LATENCIES
from vpcipam.ec2.throttle import Throttle, TokenBucket
from vpcipam.errors import ScenarioError
from vpcipam.fleet.engine import simulate
from vpcipam.fleet.scenario import Ec2Behaviour, NodeGroup, Reservation, Scenario, SubnetSpec, node_name
from vpcipam.fleet.toml.table import _RIVALS
from vpcipam.fleet.toml.workload_reader import LIFETIMES as READ_LIFETIMES
from vpcipam.fleet.workload import (
    MAX_NS,
    Arrivals,
    CombinedWorkload,
    CronJob,
    Deployment,
    EmpiricalLifetime,
    ExponentialLifetime,
    FixedLifetime,
    FixedWorkload,
    LogNormalLifetime,
    PodRun,
    Wave,
)
from vpcipam.limits import MaxPodsBy
from vpcipam.policies import policy_named
from vpcipam.settings import Settings

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = sorted((REPOSITORY / "examples" / "scenarios").glob("*.toml"))
SECOND = 1_000_000_000

SUBNET = 'name = "a"\ncidr = "10.0.0.0/24"'
GROUP = 'name = "workers"\ninstance_type = "m5.large"\ncount = 2'
WORKLOAD = 'kind = "deployment"\nname = "web"\nreplicas = 4'


def toml(top='duration = "1 h"', *, subnet=SUBNET, group=GROUP, workload=WORKLOAD):
    """A scenario with one table of each kind; the arguments replace them."""
    return f"{top}\n[[subnet]]\n{subnet}\n[[group]]\n{group}\n[[workload]]\n{workload}\n"


def read(*top, folder=".", **parts):
    return Scenario.from_toml(toml(*top, **parts), folder)


def refusal(text, folder="."):
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_toml(text, folder, source="it.toml")
    message = str(refused.value)
    assert message.startswith("it.toml: ")
    return message.removeprefix("it.toml: ")


def group_of(lines):
    return read(group=f"{GROUP}\n{lines}").groups[0]


# --- examples and documentation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem != "openb"], ids=lambda path: path.stem)
def test_each_example_can_be_read_has_the_name_of_its_file_and_has_pods(path):
    scenario = Scenario.load(path)
    assert scenario.name == path.stem
    if path.stem != "thousand-nodes":  # a million
        assert scenario.workload.pods(scenario.seed, scenario.duration_ns)


def test_there_are_examples():
    assert len(EXAMPLES) >= 6


def test_the_example_with_a_trace_reads_the_file_that_it_names(tmp_path):
    (tmp_path / "openb").mkdir()
    packed = gzip.compress(Path(__file__).with_name("pods_in_openb_columns.csv").read_bytes())
    (tmp_path / "openb" / "pods.csv.gz").write_bytes(packed)
    text = (REPOSITORY / "examples" / "scenarios" / "openb.toml").read_text()
    scenario = Scenario.from_toml(text, tmp_path)
    assert len(scenario.workload.pods(scenario.seed, scenario.duration_ns)) == 36


def test_the_example_with_a_trace_names_the_missing_file(tmp_path):
    text = (REPOSITORY / "examples" / "scenarios" / "openb.toml").read_text()
    assert re.match(r"workload\.openb\.file: .*pods\.csv\.gz: No such file or directory; a trace is a CSV file", refusal(text, tmp_path))


def test_the_examples_with_and_without_a_reservation_differ_only_in_it():
    without, with_it = (
        Scenario.load(REPOSITORY / "examples" / "scenarios" / f"{name}.toml") for name in ("fragmented-subnet", "reserved-prefixes")
    )
    subnet = attrs.evolve(without.subnets[0], reservations=(Reservation("10.0.2.0/23", "prefix"),))
    assert attrs.evolve(without, name="reserved-prefixes", subnets=(subnet,)) == with_it


def documented():
    """The keys of each table in the documentation, by its heading."""
    keys = {}
    heading = None
    for line in (REPOSITORY / "docs" / "scenarios.md").read_text().splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif found := re.match(r"\| `(\w+)` \|", line):
            keys.setdefault(heading, set()).add(found[1])
    return keys


LIFETIMES = {
    "fixed": 'time = "1 s"',
    "exponential": 'mean = "1 s"',
    "log-normal": 'median = "1 s"',
    "empirical": "quantiles = [1, 2]",
    "trace": 'file = "pods.csv"',
}
WITH_A_KEY_TOO_MANY = {
    "The scenario": toml('duration = "1 h"\nzz = 1'),
    "subnet": toml(subnet=f"{SUBNET}\nzz = 1"),
    "subnet.reservations": toml(subnet=f'{SUBNET}\nreservations = [{{cidr = "10.0.0.0/25", zz = 1}}]'),
    "group": toml(group=f"{GROUP}\nzz = 1"),
    "ec2": toml('duration = "1 h"\nec2 = {zz = 1}'),
    "ec2.throttling": toml('duration = "1 h"\nec2.throttling.DeleteNetworkInterface = {capacity = 1, per_second = 1, zz = 1}'),
    "workload: trace": toml(workload='kind = "trace"\nfile = "pods.csv"\nzz = 1'),
    "workload.columns": toml(workload='kind = "trace"\nfile = "pods.csv"\ncolumns = {zz = "a"}'),
    "workload: arrivals": toml(workload='kind = "arrivals"\nper_hour = 1\nlifetime = {kind = "fixed", time = 1}\nzz = 1'),
    "workload.wave": toml(workload='kind = "arrivals"\nper_hour = 1\nlifetime = {kind = "fixed", time = 1}\nwave = {zz = 1}'),
    "workload: deployment": toml(workload=f"{WORKLOAD}\nzz = 1"),
    "workload.spread": toml(workload=f"{WORKLOAD}\nspread = [{{max_skew = 1, zz = 1}}]"),
    "workload: cron": toml(workload='kind = "cron"\ninterval = 1\ncount = 1\nlifetime = {kind = "fixed", time = 1}\nzz = 1'),
    **{
        f"lifetime: {kind}": toml(workload=f'kind = "arrivals"\nper_hour = 1\nlifetime = {{kind = "{kind}", {needed}, zz = 1}}')
        for kind, needed in LIFETIMES.items()
    },
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pods.csv").write_text("pod,created,deleted,node\na,0,10,workers-0001\nb,5,25,\n")
    return tmp_path


@pytest.mark.parametrize("heading", WITH_A_KEY_TOO_MANY)
def test_the_documentation_has_exactly_the_keys_that_are_read(heading, folder):
    message = refusal(WITH_A_KEY_TOO_MANY[heading], folder)
    found = re.search(r"zz: there is no such key; there are (.*)", message)
    assert found, message
    assert set(found[1].split(", ")) == documented()[heading]


def test_every_documented_table_is_tested():
    assert documented().keys() == WITH_A_KEY_TOO_MANY.keys()
    assert set(LIFETIMES) == set(READ_LIFETIMES)


# --- what is read --------------------------------------------------------------------------------------------------------------


def test_missing_keys_have_their_defaults():
    scenario = read()
    assert scenario == Scenario(
        name="scenario",
        duration_ns=3600 * SECOND,
        seed=0,
        subnets=(SubnetSpec("a", "10.0.0.0/24", (), 0.0),),
        groups=(NodeGroup("workers", "m5.large", 2, Settings(), ("a",), 2, 2),),
        workload=Deployment("web", 4, max_surge=1, max_unavailable=1),
        vpc_cidrs=("10.0.0.0/24",),
        scheduling="least-allocated",
        sample_ns=60 * SECOND,
        retry_ns=10 * SECOND,
        ec2=Ec2Behaviour(None, None, "lowest"),
    )
    group = scenario.groups[0]
    assert (group.boot_ns, group.scale_down_after_ns, group.policy.name) == (60 * SECOND, 600 * SECOND, "ipamd")
    assert (group.kubelet_max_pods, group.pods_per_node) == (29, 27)
    assert scenario.ec2.conditions(0) is None


def test_all_keys_of_a_group_are_read():
    group = group_of(
        'subnets = ["a"]\npod_subnet = "a"\nmin_count = 0\nmax_count = 7\nmax_pods = 1\nhost_network_pods = 3\nplacement = "packed"\n'
        'policy = {name = "hysteresis", minimum = 2, maximum = 5}\ncooldown_aware_targets = true\nboot = "1.5 min"\n'
        "hold_cooling_cidrs = true\nscale_down_after = 0.001\nsettings = {AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG = true}"
    )
    assert group == NodeGroup(
        name="workers",
        instance_type="m5.large",
        count=2,
        settings=Settings().with_variables({"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}),
        subnets=("a",),
        min_count=0,
        max_count=7,
        pod_subnet="a",
        max_pods=1,
        host_network_pods=3,
        placement="packed",
        policy=policy_named("hysteresis", minimum=2, maximum=5),
        cooldown_aware_targets=True,
        hold_cooling_cidrs=True,
        boot_ns=90 * SECOND,
        scale_down_after_ns=1_000_000,
    )
    assert group.pods_per_node == 0


@pytest.mark.parametrize(
    ("keys", "by", "max_pods"),
    [
        ("", None, 110),
        ('max_pods_by = "managed-node-group"', "managed-node-group", 110),
        ('max_pods_by = "ami"', "ami", 234),
        ('max_pods_by = "karpenter"\nsettings = {AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG = true}', "karpenter", 205),
    ],
)
def test_a_group_says_what_sets_max_pods(keys, by, max_pods):
    group = read(group=f'name = "w"\ninstance_type = "m5a.4xlarge"\ncount = 1\n{keys}').groups[0]
    assert (group.max_pods_by, group.kubelet_max_pods, group.pods_per_node) == (by, max_pods, max_pods - 2)


def test_a_sweep_can_try_all_that_set_max_pods():
    scenario = read(group='name = "w"\ninstance_type = "m5a.4xlarge"\ncount = 1')
    tried = [scenario.with_changes({"group.w.max_pods_by": by}).groups[0].kubelet_max_pods for by in MaxPodsBy]
    assert tried == [110, 234, 234]


@pytest.mark.parametrize(("value", "text"), [("5", "5"), ('"5"', "5"), ("true", "true"), ("false", "false")])
def test_variables_can_be_texts_integers_or_booleans(value, text):
    name = "ENABLE_PREFIX_DELEGATION" if text in {"true", "false"} else "WARM_IP_TARGET"
    assert group_of(f"settings = {{{name} = {value}}}").settings == Settings().with_variables({name: text})


def test_settings_override_a_daemonset(folder):
    (folder / "aws-node.json").write_text('{"env": {"WARM_IP_TARGET": "5", "MINIMUM_IP_TARGET": "8"}}')
    scenario = read(group=f'{GROUP}\ndaemonset = "aws-node.json"\nsettings = {{WARM_IP_TARGET = 9}}', folder=folder)
    settings = scenario.groups[0].settings
    assert (settings.warm_ip_target, settings.minimum_ip_target) == (9, 8)


def test_a_policy_can_be_given_by_name():
    assert group_of('policy = "azure-cns"').policy.name == "azure-cns"


def test_subnets_and_their_vpc_are_read():
    scenario = read(
        'duration = "1 h"\nvpc_cidrs = ["10.0.0.0/16"]',
        subnet=f'{SUBNET}\noccupied_share = 0.4\nreservations = [{{cidr = "10.0.0.0/25"}}, {{cidr = "10.0.0.128/32", kind = "explicit"}}]',
    )
    reservations = Reservation("10.0.0.0/25", "prefix"), Reservation("10.0.0.128/32", "explicit")
    assert scenario.subnets == (SubnetSpec("a", "10.0.0.0/24", reservations, 0.4),)
    assert scenario.vpc_cidrs == ("10.0.0.0/16",)


def test_typical_conditions_read_the_metadata_instantly():
    conditions = read('duration = "1 h"\nec2 = {latency = "typical", throttling = "typical", address_choice = "random"}').ec2.conditions(7)
    assert (conditions.throttle, conditions.seed) == (Throttle(), 7)
    assert conditions.latencies.latency("DeleteNetworkInterface") == TYPICAL_LATENCIES.latency("DeleteNetworkInterface")
    assert conditions.latencies.latency(METADATA_ACTION).at(1_000_000) == 0


def test_own_latencies_and_buckets_replace_single_typical_ones():
    latency, bucket = '{DeleteNetworkInterface = "3 s"}', "{capacity = 3, per_second = 2}"
    ec2 = read(f'duration = "1 h"\n[ec2]\nlatency = {latency}\nthrottling.DeleteNetworkInterface = {bucket}').ec2
    assert ec2.latencies.latency("DeleteNetworkInterface").at(5) == 3 * SECOND
    assert ec2.latencies.latency("RunInstances") == TYPICAL_LATENCIES.latency("RunInstances")
    assert ec2.throttle.bucket("DeleteNetworkInterface") == TokenBucket(3, 2)
    assert ec2.throttle.bucket("RunInstances") == Throttle().bucket("RunInstances")
    assert read('duration = "1 h"\nec2 = {latency = "none", throttling = {}}').ec2 == Ec2Behaviour(None, Throttle())


@pytest.mark.parametrize(
    ("text", "workload"),
    [
        (
            (
                'kind = "arrivals"\nper_hour = 1.5\nburst = 3\nstanding = 4\nwave = {amplitude = 0.5, peak_hour = 9}\n'
                'lifetime = {kind = "fixed", time = "1 d"}'
            ),
            Arrivals("pod", 1.5, FixedLifetime(86_400.0), Wave(0.5, 9.0), 3, 4),
        ),
        (
            'kind = "cron"\ninterval = "1 h"\nfirst = "250 ms"\ncount = 9\nlifetime = {kind = "exponential", mean = 5}',
            CronJob("cron", 3600.0, 9, ExponentialLifetime(5.0), 0.25),
        ),
        (
            'kind = "cron"\nname = "x"\ninterval = 1\ncount = 0\nlifetime = {kind = "log-normal", median = "1 min"}',
            CronJob("x", 1.0, 0, LogNormalLifetime(60.0, 1.0)),
        ),
        (
            'kind = "cron"\ninterval = 1\ncount = 0\nlifetime = {kind = "log-normal", median = "1 min", p90 = "1 h"}',
            CronJob("cron", 1.0, 0, LogNormalLifetime.from_p90(60.0, 3600.0)),
        ),
        (
            'kind = "cron"\ninterval = 1\ncount = 0\nlifetime = {kind = "empirical", quantiles = [0, "1 min"]}',
            CronJob("cron", 1.0, 0, EmpiricalLifetime((0.0, 60.0))),
        ),
        (
            'kind = "cron"\ninterval = 1\ncount = 0\nlifetime = {kind = "trace", file = "pods.csv"}',
            CronJob("cron", 1.0, 0, EmpiricalLifetime((10.0, 20.0))),
        ),
        (
            (
                'kind = "trace"\nname = "t"\nfile = "pods.csv"\ncolumns = {pod = "pod"}\nunit = "ms"\nkeep_unscheduled = true\n'
                "from_first_pod = true"
            ),
            FixedWorkload((PodRun("a", 0, 10_000_000, "workers-0001"), PodRun("b", 5_000_000, 25_000_000))),
        ),
        ('kind = "deployment"\nreplicas = 10', Deployment("deployment", 10, 0.0, 3, 2, 10.0)),
        ('kind = "deployment"\nreplicas = 10\nmax_surge = "0%"\nmax_unavailable = "5 %"', Deployment("deployment", 10, 0.0, 0, 1, 10.0)),
        (
            'kind = "deployment"\nreplicas = 3\nroll_interval = "1 min"\nmax_surge = 5\nmax_unavailable = 0\nready = 1',
            Deployment("deployment", 3, 60.0, 5, 0, 1.0),
        ),
    ],
)
def test_workloads_are_read(text, workload, folder):
    assert read(workload=text, folder=folder).workload == workload


def test_several_workloads_are_combined():
    scenario = read(workload=f'{WORKLOAD}\n[[workload]]\nkind = "deployment"\nname = "api"\nreplicas = 1')
    assert scenario.workload == CombinedWorkload((Deployment("web", 4, max_surge=1, max_unavailable=1), Deployment("api", 1, max_surge=1)))


SMALL = """
duration = "1 min"
name = "small"
subnet = [{name = "a", cidr = "10.0.0.0/24"}]
group = [{name = "workers", instance_type = "m5.large", count = 1}]
workload = [{kind = "deployment", name = "web", replicas = 2}]
"""


def test_a_scenario_is_loaded_from_a_path_or_an_open_file(tmp_path):
    path = tmp_path / "web.toml"
    path.write_text(SMALL, encoding="utf-8")
    with path.open(encoding="utf-8") as file:
        assert Scenario.load(file) == Scenario.load(path) == Scenario.load(str(path))
    assert simulate(path) == simulate(Scenario.load(path))


@pytest.mark.parametrize("source", [None, 3, b"x.toml", {}, [], Scenario])
def test_what_is_no_path_is_refused_by_its_type(source):
    with pytest.raises(ScenarioError, match=f"from a path or an open file, not from {type(source).__name__}"):
        Scenario.load(source)
    with pytest.raises(ScenarioError, match="from a path or an open file, not from"):
        simulate(source)


@pytest.mark.parametrize(
    ("text", "message"),
    [(b"", "TOML is a text, not bytes"), (Path("a"), "TOML is a text"), ("a.toml", "Scenario.load reads a file")],
)
def test_what_is_no_toml_text_is_refused_with_a_hint(text, message):
    with pytest.raises(ScenarioError, match=message):
        Scenario.from_toml(text)


def test_a_scenario_without_a_name_has_that_of_its_file(tmp_path):
    path = tmp_path / "v1.2.toml"
    path.write_text(toml())
    assert Scenario.load(path).name == "v1.2"
    assert Scenario.load(path).with_changes({"seed": 1}).name == "v1.2"
    path.write_text(toml('duration = "1 h"\nname = "other"'))
    assert Scenario.load(str(path)).name == "other"


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem != "openb"], ids=lambda path: path.stem)
def test_a_scenario_can_be_pickled_with_its_document(path):
    scenario = Scenario.load(path)
    copy = pickle.loads(pickle.dumps(scenario))  # noqa: S301  # our own
    assert copy == scenario
    assert copy.with_changes({"seed": 9}) == scenario.with_changes({"seed": 9})


def test_a_node_is_named_after_its_group_and_number():
    assert [node_name("workers", number) for number in (0, 9999, 10_000)] == ["workers-0000", "workers-9999", "workers-10000"]


def test_a_file_may_begin_with_a_byte_order_mark_and_have_windows_line_ends(tmp_path):
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbf" + toml().replace("\n", "\r\n").encode())
    assert Scenario.load(path).groups == Scenario.from_toml(toml()).groups


def test_a_file_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("vpcipam.fleet.scenario._LONGEST", len(toml()))
    path = tmp_path / "long.toml"
    path.write_text(toml())
    assert Scenario.load(path).name == "long"
    path.write_text(toml() + "\n")
    with pytest.raises(ScenarioError, match=r"long\.toml: it is longer than [0-9,]+ characters; a scenario is a TOML file"):
        Scenario.load(path)


def test_a_key_of_very_many_parts_takes_no_quadratic_memory():
    tracemalloc.start()
    try:
        with pytest.raises(ScenarioError, match="the document is nested too deeply"):
            Scenario.from_toml("a." * 3_000 + "b = 1")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


# --- refusals of keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("duration = ", "it is not TOML: Invalid value"),
        ("x = " + "[" * 101 + "]" * 101, "the document is nested too deeply"),
        ("x = " + "[" * 5_000, "the document is nested too deeply"),
        ("a." * 5_000 + "b = 1", "the document is nested too deeply"),
        ("a." * 100 + "b = 1", "the document is nested too deeply"),
        ("[" + "'a' . \"b\"." * 100 + "b]", "the document is nested too deeply"),
        ("", "subnet: is missing"),
        (f"[[subnet]]\n{SUBNET}", "group: is missing"),
        ("subnet = []", "subnet: needs at least one table"),
        ("subnet = 1", "subnet: must be a list of tables, each starting with [[subnet]], not 1"),
        ("[subnet]\nname = 1", "subnet: must be a list of tables, each starting with [[subnet]]"),
        (toml(""), "duration: is missing"),
        (toml("duration = " + "9" * 5_000), "a whole number is beyond the 64 bits that TOML has"),
        (toml("duration = 0x" + "f" * 5_000), "duration: a whole number is beyond the 64 bits that TOML has"),
        (toml(f'duration = "1 h"\nseed = {2**63}'), "seed: a whole number is beyond"),
        (toml(f'duration = "1 h"\nsweep = {{seed = [1, {-(2**63) - 1}]}}'), "sweep.seed.2: a whole number is beyond"),
        (toml(group=f"{GROUP}\nsettings = {{MAX_ENI = {2**63}}}"), "group.workers.settings.MAX_ENI: a whole number is beyond"),
        (toml('duration = "1 h"\nname = "a\\u0000b"'), "name: must not contain the character NUL"),
        (toml(workload='kind = "trace"\nfile = "a\\u0000b"'), "workload.1.file: must not contain the character NUL"),
        (toml(group=f'{GROUP}\ndaemonset = "a\\u0000b"'), "group.workers.daemonset: must not contain the character NUL"),
        (toml("duration = 0"), "duration: must be a duration from 0.000000001 s to 36500 d, such as"),
        (toml("duration = true"), "duration: must be a duration"),
        (toml("duration = nan"), "duration: must be a duration"),
        (toml("duration = inf"), "duration: must be a duration"),
        (toml('duration = "5"'), "duration: must be a duration"),
        (toml('duration = "5 weeks"'), "duration: must be a duration"),
        (toml('duration = "-5 s"'), "duration: must be a duration"),
        (toml('duration = "1 h"\nsample = "3 ms"'), "sample: would be taken more than 1,000,000 times"),
        (toml('duration = "1 h"\nretry = 0'), "retry: must be a duration"),
        (toml('duration = "1 h"\nname = 5'), "name: must be a text in quotes, not 5"),
        (toml('duration = "1 h"\nseed = 1.5'), "seed: must be a whole number from 0 to 9223372036854775807, not 1.5"),
        (toml('duration = "1 h"\nseed = true'), "seed: must be a whole number"),
        (toml('duration = "1 h"\nseed = -1'), "seed: must be a whole number"),
        (
            toml('duration = "1 h"\nscheduling = "least-alocated"'),
            "scheduling: is 'least-alocated'; it must be one of least-allocated, most-allocated; did you mean least-allocated?",
        ),
        (toml('duration = "1 h"\nvpc_cidrs = "10.0.0.0/16"'), "vpc_cidrs: must be a list of texts, not '10.0.0.0/16'"),
        (toml('duration = "1 h"\nvpc_cidrs = 5'), "vpc_cidrs: must be a list of texts, not 5"),
        (
            toml('duration = "1 h"\nvpc_cidrs = ["169.254.0.0/16"]'),
            "vpc_cidrs: 169.254.0.0/16 lies in 169.254.0.0/16, which no VPC can have",
        ),
        (
            toml(f'duration = "1 h"\nvpc_cidrs = {[f"10.{number}.0.0/16" for number in range(51)]}'),
            "vpc_cidrs: would be 51, but AWS grants a VPC at most 50",
        ),
        (toml('duration = "1 h"\nvpc_cidrs = ["10.0.0.0/8"]'), "vpc_cidrs: 10.0.0.0/8 must be an IPv4 /16 to /28"),
        (toml('duration = "1 h"\nvpc_cidrs = ["10.0.0.0/16", "10.0.0.0/17"]'), "vpc_cidrs: 10.0.0.0/16 and 10.0.0.0/17 overlap"),
        (toml('duration = "1 h"\nvpc_cidrs = ["10.1.0.0/16"]'), "vpc_cidrs: subnet 10.0.0.0/24 lies in none of 10.1.0.0/16"),
        (toml('duration = "1 h"\nvpc_cidrs = ["10.1.0.0"]'), "vpc_cidrs: 10.1.0.0 must be"),
        (toml('duration = "1 h"\nvpc_cidrs = ["ten"]'), "vpc_cidrs: 'ten' is not a CIDR"),
        (toml('duration = "1 h"\nduraton = 1'), "duraton: there is no such key; did you mean duration?"),
        (toml(subnet='name = "a"\ncidr = "10.0.0.1/24"'), "subnet.a.cidr: '10.0.0.1/24' lies off its grid"),
        (toml(subnet='name = "a"\ncidr = "10.0.0.0/29"'), "subnet.a.cidr: 10.0.0.0/29 must be an IPv4 /16 to /28"),
        (toml(subnet='name = "a"\ncidr = "2001:db8::/64"'), "subnet.a.cidr: 2001:db8::/64 must be an IPv4 /16 to /28"),
        (toml(subnet='cidr = "10.0.0.0/24"'), "subnet.1.name: is missing"),
        (toml(subnet='nane = "a"\ncidr = "10.0.0.0/24"'), "subnet.1.name: is missing; is 'nane' a typo of it?"),
        (toml(subnet='name = ""\ncidr = "10.0.0.0/24"'), "subnet: each needs a name"),
        (toml(subnet=f"{SUBNET}\noccupied_share = 1.01"), "subnet.a.occupied_share: must be a number from 0 to 1, not 1.01"),
        (
            toml(subnet=f'{SUBNET}\noccupied_share = 0.6\nreservations = [{{cidr = "10.0.0.0/25"}}]'),
            "subnet.a.occupied_share: would be 151 addresses, but only 127 lie outside the reservations; give a smaller share",
        ),
        (toml(subnet=f"{SUBNET}\noccupied_share = true"), "subnet.a.occupied_share: must be a number"),
        (toml(subnet=f"{SUBNET}\n[[subnet]]\n{SUBNET}"), "subnet: two are called 'a'"),
        (toml(subnet=f'{SUBNET}\n[[subnet]]\nname = "b"\ncidr = "10.0.0.128/25"'), "subnet: 10.0.0.0/24 and 10.0.0.128/25 overlap"),
        (
            toml(subnet=f'{SUBNET}\nreservations = [{{cidr = "10.0.0.0/23"}}]'),
            "subnet.a.reservations: 10.0.0.0/23 does not lie in 10.0.0.0/24",
        ),
        (toml(subnet=f'{SUBNET}\nreservations = [{{cidr = "x"}}]'), "subnet.a.reservations: 'x' is not a CIDR"),
        (
            toml(subnet=f'{SUBNET}\nreservations = [{{cidr = "10.0.0.0/28"}}, {{cidr = "10.0.0.0/27"}}]'),
            "subnet.a.reservations: 10.0.0.0/28 and 10.0.0.0/27 overlap",
        ),
        (
            toml(subnet=f'{SUBNET}\nreservations = [{{cidr = "10.0.0.0/28", kind = "prefixes"}}]'),
            "subnet.a.reservations.1.kind: is 'prefixes'",
        ),
        (
            toml(group='name = "w"\ninstance_type = "m5.lagre"\ncount = 1'),
            "group.w.instance_type: unknown instance type 'm5.lagre'; did you mean m5.large or m5.xlarge or m5.8xlarge? `vpcipam limits",
        ),
        (toml(group=f"{GROUP}\nmin_count = 3"), "group.workers.min_count: must be a whole number from 0 to 2, not 3"),
        (toml(group=f"{GROUP}\nmax_count = 1"), "group.workers.max_count: must be a whole number from 2 to 100000, not 1"),
        (toml(group=f"{GROUP}\nmax_pods = 0"), "group.workers.max_pods: must be a whole number from 1"),
        (
            toml(group=f'{GROUP}\nmax_pods_by = "eks"'),
            "group.workers.max_pods_by: is 'eks'; it must be one of managed-node-group, ami, karpenter",
        ),
        (
            toml(group=f'{GROUP}\nmax_pods = 9\nmax_pods_by = "ami"'),
            "group.workers.max_pods_by: has no effect beside max_pods = 9; leave one of the two out",
        ),
        (toml(group=f"{GROUP}\nsubnets = []"), "group.workers.subnets: is empty; leave it out for all subnets"),
        (toml(group=f'{GROUP}\nsubnets = ["aa"]'), "group.workers.subnets: there is no subnet 'aa'; there are a; did you mean a?"),
        (toml(group=f'{GROUP}\nsubnets = "a"'), "group.workers.subnets: must be a list of texts"),
        (toml(group=f'{GROUP}\npod_subnet = "b"'), "group.workers.pod_subnet: there is no subnet 'b'"),
        (toml(group=f'{GROUP}\npod_subnet = "a"'), "group.workers.pod_subnet: has no effect without custom networking"),
        (toml(group=f"{GROUP}\n[[group]]\n{GROUP}"), "group: two are called 'workers'"),
        (toml(group=f'{GROUP}\nplacement = "low"'), "group.workers.placement: is 'low'; it must be one of"),
        (toml(group=f'{GROUP}\npolicy = "cilium"'), "group.workers.policy: there is no warm-pool policy 'cilium'"),
        (toml(group=f"{GROUP}\npolicy = 5"), "group.workers.policy: must be a table, not 5"),
        (toml(group=f"{GROUP}\npolicy = {{minimum = 5}}"), "group.workers.policy.name: is missing"),
        (toml(group=f'{GROUP}\npolicy = {{name = "azure-cns", x = 5}}'), "group.workers.policy: policy azure-cns has no option 'x'"),
        (toml(group=f'{GROUP}\ncooldown_aware_targets = "yes"'), "group.workers.cooldown_aware_targets: must be true or false, not 'yes'"),
        (toml(group=f'{GROUP}\ndaemonset = "no.json"'), "group.workers.daemonset: can't read no.json"),
        (toml(group=f"{GROUP}\nsettings = 5"), "group.workers.settings: must be a table, not 5"),
        (
            toml(group=f"{GROUP}\nsettings = {{WARM_IP_TARGT = 5}}"),
            "group.workers.settings.WARM_IP_TARGT: the aws-node container reads no variable",
        ),
        (
            toml(group=f"{GROUP}\nsettings = {{WARM_IP_TARGET = 1.5}}"),
            "group.workers.settings.WARM_IP_TARGET: WARM_IP_TARGET must be a text, a whole number, true or false",
        ),
        (
            toml(group=f"{GROUP}\nsettings = {{WARM_IP_TARGET = -1}}"),
            "group.workers.settings.WARM_IP_TARGET: ipamd does not accept -1 (int)",
        ),
        (
            toml(group=f"{GROUP}\nsettings = {{ENABLE_IPv4 = false}}"),
            "group.workers.settings: ENABLE_IPv4: ipamd exits at its start, so no pod runs: IPv4 and IPv6 are both off",
        ),
        (
            toml(group=f'{GROUP}\nsettings = {{IP_COOLDOWN_PERIOD = "30s"}}'),
            "group.workers.settings: IP_COOLDOWN_PERIOD: the container exits at its start, so no pod runs",
        ),
        (
            toml(group=f"{GROUP}\nsettings = {{ENABLE_PREFIX_DELEGATION = true, WARM_PREFIX_TARGET = 0}}"),
            "group.workers.settings: WARM_PREFIX_TARGET: the container exits at its start, so no pod runs",
        ),
        (
            toml(group=f"{GROUP}\nsettings = {{ENABLE_IPv4 = false, ENABLE_IPv6 = true, ENABLE_PREFIX_DELEGATION = true}}"),
            "group.workers.settings.ENABLE_IPv6: IPv6 is not simulated",
        ),
        (
            toml(group='name = "w"\ninstance_type = "p4d.24xlarge"\ncount = 1\nsettings = {ENABLE_MULTI_NIC = true}'),
            "group.w.settings.ENABLE_MULTI_NIC: only the default network card is simulated",
        ),
        (toml('duration = "1 h"\nec2 = 5'), "ec2: must be a table, not 5"),
        (toml('duration = "1 h"\nec2 = {latency = "slow"}'), "ec2.latency: is 'slow'; it must be one of none, typical"),
        (toml('duration = "1 h"\nec2 = {latency = true}'), "ec2.latency: must be a table, not True"),
        (
            toml('duration = "1 h"\nec2 = {latency = {DeleteNetworkInterfaces = 1}}'),
            "ec2.latency.DeleteNetworkInterfaces: there is no such key; did you mean DeleteNetworkInterface?",
        ),
        (
            toml('duration = "1 h"\nec2 = {latency = {DeleteNetworkInterface = -1}}'),
            "ec2.latency.DeleteNetworkInterface: must be a duration",
        ),
        (toml('duration = "1 h"\nec2 = {throttling = "hard"}'), "ec2.throttling: is 'hard'"),
        (
            toml('duration = "1 h"\nec2 = {throttling = {DeleteNetworkInterface = 1}}'),
            "ec2.throttling.DeleteNetworkInterface: must be a table",
        ),
        (
            toml('duration = "1 h"\nec2 = {throttling = {DeleteNetworkInterfaces = {capacity = 1, per_second = 1}}}'),
            "ec2.throttling.DeleteNetworkInterfaces: there is no such key; did you mean",
        ),
        (
            toml('duration = "1 h"\nec2 = {throttling = {DeleteNetworkInterface = {capacity = 0, per_second = 1}}}'),
            "ec2.throttling.DeleteNetworkInterface.capacity: must be",
        ),
        (
            toml(workload='kind = "crn"'),
            "workload.1.kind: is 'crn'; it must be one of trace, arrivals, deployment, cron; did you mean cron?",
        ),
        (toml(workload='kind = "deployment"\nname = ""\nreplicas = 1'), "workload..name: must not be empty"),
        (
            toml(workload=f"{WORKLOAD}\nmax_surge = -1"),
            "workload.web.max_surge: must be a whole number from 0 to 1000000000, or a percentage",
        ),
        (toml(workload=f'{WORKLOAD}\nmax_surge = "5"'), "workload.web.max_surge: must be a whole number"),
        (toml(workload=f"{WORKLOAD}\nmax_unavailable = 0.25"), "workload.web.max_unavailable: must be a whole number"),
        (toml(workload=f"{WORKLOAD}\n[[workload]]\n{WORKLOAD}"), "workload: pods of 'web' and of 'web' can have the same name"),
        (
            toml(workload=f'kind = "deployment"\nname = "web-1"\nreplicas = 1\n[[workload]]\n{WORKLOAD}'),
            "workload: pods of 'web-1' and of 'web' can have the same name",
        ),
        (
            toml(workload=f'{WORKLOAD}\n[[workload]]\nkind = "deployment"\nname = "web-1-22"\nreplicas = 1'),
            "workload: pods of 'web' and of 'web-1-22' can have the same name",
        ),
        (
            toml(workload='kind = "cron"\nname = "c"\ninterval = 1e-9\ncount = 1\nlifetime = {kind = "fixed", time = 1}'),
            "workload: CronJob 'c' would make 3,600,000,000,000 pods",
        ),
        (toml(workload='kind = "arrivals"\nper_hour = 1'), "workload.1.lifetime.kind: is missing"),
        (
            toml(workload='kind = "arrivals"\nper_hour = 1e10\nlifetime = {kind = "fixed", time = 1}'),
            "workload.1.per_hour: must be a number from 0 to 1e+09",
        ),
        (
            toml(workload='kind = "arrivals"\nper_hour = 1\nlifetime = {kind = "fixed", time = 0}'),
            "workload.1.lifetime.time: must be a duration",
        ),
        (
            toml(workload='kind = "arrivals"\nper_hour = 1\nlifetime = {kind = "empirical", quantiles = [2, 1]}'),
            "workload.1.lifetime.quantiles: the quantiles of an EmpiricalLifetime must be at least two times",
        ),
        (
            toml(workload='kind = "arrivals"\nper_hour = 1\nlifetime = {kind = "empirical", quantiles = "1 s"}'),
            "workload.1.lifetime.quantiles: must be a list of durations, not '1 s'",
        ),
        (
            toml(workload='kind = "arrivals"\nper_hour = 1\nlifetime = {kind = "empirical", quantiles = [1, "x"]}'),
            "workload.1.lifetime.quantiles: must be a duration",
        ),
        (
            toml(workload='kind = "arrivals"\nper_hour = 1\nlifetime = {kind = "log-normal", median = 9, p90 = 8}'),
            "workload.1.lifetime.p90: the median of a LogNormalLifetime must be",
        ),
        (
            toml(workload='kind = "arrivals"\nper_hour = 1\nlifetime = {kind = "log-normal", median = 9, p90 = 10, sigma = 1}'),
            "workload.1.lifetime.p90: can't be combined with sigma; give one of the two",
        ),
        (toml(workload='kind = "trace"\nfile = "no.csv"'), "workload.1.file: no.csv: No such file or directory"),
        (toml(workload='kind = "trace"\nfile = "x"\nunit = "min"'), "workload.1.unit: is 'min'; it must be one of s, ms, us, ns"),
        (toml(workload='kind = "trace"\nfile = "x"\ncolumns = {pod = 5}'), "workload.1.columns.pod: must be a text in quotes, not 5"),
    ],
)
def test_an_invalid_value_is_refused_by_its_key(text, wanted):
    assert refusal(text).startswith(wanted)


def test_a_trace_must_fit_the_scenario(folder):
    def said(lines, **parts):
        (folder / "pods.csv").write_text("pod,created,deleted,node\n" + lines)
        return refusal(toml(workload='kind = "trace"\nfile = "pods.csv"', **parts), folder)

    assert said("a,3600,,\n").startswith("workload: no pod of the trace is created within the duration")
    for node in ("workers-0002", "workers-1", "workers-00001", "workers", "other-0000", "workers-\u0660\u0660\u0660\u0661"):
        assert said(f"a,0,,{node}\n") == (
            f"workload: pod 'a' is bound to node {node!r}, but there is no such node; there are workers-0000 to workers-0001"
        )


@pytest.mark.parametrize("bounds", ["max_count = 3", "min_count = 1"])
def test_a_trace_may_name_nodes_that_can_be_launched_later(bounds, folder):
    (folder / "pods.csv").write_text("pod,created,deleted,node\na,0,,workers-0007\n")
    assert read(group=f"{GROUP}\n{bounds}", workload='kind = "trace"\nfile = "pods.csv"', folder=folder)


def test_an_unreadable_file_is_refused(tmp_path):
    path = tmp_path / "it.toml"
    with pytest.raises(ScenarioError, match=r"it\.toml: No such file or directory; a scenario is a TOML file, see examples/scenarios"):
        Scenario.load(path)
    path.write_bytes(b"\xff")
    with pytest.raises(ScenarioError, match=r"it\.toml: it is not UTF-8 text"):
        Scenario.load(path)


# --- scenarios made in Python --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"duration_ns": 0}, "duration: must be a whole number of nanoseconds from 1 to 3153600000000000000, not 0"),
        ({"duration_ns": MAX_NS + 1}, "duration: must be a whole number of nanoseconds"),
        ({"duration_ns": 1.5}, "duration: must be a whole number of nanoseconds"),
        ({"sample_ns": -1}, "sample: must be a whole number"),
        ({"retry_ns": 0}, "retry: must be a whole number"),
        ({"seed": -1}, "seed: must be a whole number from 0 to 9223372036854775807, not -1"),
        ({"seed": 2**63}, "seed: must be a whole number"),
        ({"seed": 1.5}, "seed: must be a whole number"),
        ({"scheduling": "most"}, "scheduling: is 'most'; it must be one of least-allocated, most-allocated"),
        ({"ec2": Ec2Behaviour(None, None, "high")}, "ec2.address_choice: is 'high'; it must be one of lowest, random"),
        (
            {"subnets": (SubnetSpec("a", "10.0.0.0/24", (Reservation("10.0.0.0/25", "prefixes"),)),)},
            "subnet.a.reservations: is 'prefixes'; it must be one of prefix, explicit; did you mean prefix?",
        ),
        ({"subnets": ()}, "subnet: there must be at least one, and at least one CIDR"),
        ({"vpc_cidrs": ()}, "subnet: there must be at least one, and at least one CIDR"),
        ({"vpc_cidrs": ("ten",)}, "vpc_cidrs: 'ten' is not a CIDR"),
        ({"subnets": (SubnetSpec("a", "ten"),)}, "subnet.a.cidr: 'ten' is not a CIDR"),
        ({"groups": ()}, "group: there must be at least one"),
        ({"subnets": (SubnetSpec("a", "10.0.0.0/24", occupied_share=1.5),)}, "subnet.a.occupied_share: must be from 0 to 1, not 1.5"),
        (
            {"groups": (NodeGroup("w", "m5.large", 2, Settings(), ("a",), 3, 2),)},
            "group.w.min_count: must be a whole number from 0 to 2, not 3",
        ),
        ({"groups": (NodeGroup("w", "m5.large", 2, Settings(), ("b",), 2, 2),)}, "group.w.subnets: there is no subnet 'b'"),
    ],
)
def test_a_scenario_made_in_python_is_checked_too(changes, wanted):
    with pytest.raises(ScenarioError, match=re.escape(wanted)):
        attrs.evolve(read(), **changes)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"instance_type": "m5.lagre"}, "instance_type: unknown instance type 'm5.lagre'; did you mean m5.large"),
        (
            {"settings": Settings().with_variables({"ENABLE_IPv4": "false"})},
            "settings: ENABLE_IPv4: ipamd exits at its start, so no pod runs: IPv4 and IPv6 are both off",
        ),
        ({"placement": "low"}, "placement: is 'low'; it must be one of lowest"),
        ({"count": -1}, "count: must be a whole number from 0 to 100000, not -1"),
        ({"count": 100_001}, "count: must be a whole number"),
        ({"min_count": -1}, "min_count: must be a whole number from 0 to 2"),
        ({"max_count": 1}, "max_count: must be a whole number from 2 to 100000, not 1"),
        ({"max_count": 100_001}, "max_count: must be a whole number"),
        ({"max_pods": 0}, "max_pods: must be a whole number from 1"),
        ({"max_pods": 9, "max_pods_by": "ami"}, "max_pods_by: has no effect beside max_pods = 9"),
        ({"host_network_pods": -1}, "host_network_pods: must be a whole number from 0"),
        ({"boot_ns": -1}, "boot: must be a whole number from 0"),
        ({"boot_ns": MAX_NS + 1}, "boot: must be a whole number"),
        ({"scale_down_after_ns": 0}, "scale_down_after: must be a whole number from 1"),
    ],
)
def test_a_group_made_in_python_is_checked_too(changes, wanted):
    scenario = read()
    with pytest.raises(ScenarioError, match=re.escape(f"group.workers.{wanted}")):
        attrs.evolve(scenario, groups=(attrs.evolve(scenario.groups[0], **changes),))


def test_all_addresses_outside_the_reservations_may_be_occupied():
    reservations = (Reservation("10.0.0.0/25", "prefix"),)
    assert attrs.evolve(read(), subnets=(SubnetSpec("a", "10.0.0.0/24", reservations, 127 / 251),))
    with pytest.raises(ScenarioError, match="would be 128 addresses, but only 127 lie outside"):
        attrs.evolve(read(), subnets=(SubnetSpec("a", "10.0.0.0/24", reservations, 128 / 251),))


def test_a_duration_of_a_hundred_years_is_accepted():
    assert attrs.evolve(read(), duration_ns=MAX_NS, sample_ns=MAX_NS, retry_ns=MAX_NS).duration_ns == MAX_NS


def test_a_scenario_accepts_any_workload_made_in_python():
    class Silence:
        def pods(self, seed, duration_ns):
            del seed, duration_ns
            return ()

    assert attrs.evolve(read(), workload=Silence()).workload.pods(0, 1) == ()
    assert attrs.evolve(read(), workload=FixedWorkload(())).workload.pods(0, 1) == ()


# --- changes -------------------------------------------------------------------------------------------------------------------


def test_any_key_can_be_changed_by_its_path():
    scenario = read(subnet=f'{SUBNET}\nreservations = [{{cidr = "10.0.0.0/25"}}]')
    changed = scenario.with_changes(
        {
            "seed": 3,
            "ec2.latency": "typical",
            "group.workers.count": 5,
            "group.workers.settings.WARM_IP_TARGET": 5,
            "subnet.a.reservations.1.kind": "explicit",
            "workload.web.replicas": 9,
        }
    )
    assert (changed.seed, changed.groups[0].count, changed.groups[0].max_count) == (3, 5, 5)
    assert changed.ec2.latencies == TYPICAL_LATENCIES
    assert changed.groups[0].settings.warm_ip_target == 5
    assert changed.subnets[0].reservations[0].kind == "explicit"
    assert changed.workload.replicas == 9
    assert scenario == read(subnet=f'{SUBNET}\nreservations = [{{cidr = "10.0.0.0/25"}}]'), "the first one stays as it was"


def test_changes_add_up():
    twice = read().with_changes({"seed": 3}).with_changes({"group.workers.count": 5})
    assert (twice.seed, twice.groups[0].count) == (3, 5)
    assert twice == read().with_changes({"seed": 3, "group.workers.count": 5})


# For each key that has a rival: the path of its table, a value, and the tables of a scenario that sets it.
OF_GROUP, OF_LIFETIME = "group.w.", "workload.a.lifetime."
RIVAL_VALUES = {
    "max_pods": (OF_GROUP, 9),
    "max_pods_by": (OF_GROUP, "ami"),
    "pod_subnet": (OF_GROUP, "a"),
    "pod_subnets": (OF_GROUP, ["a"]),
    "p90": (OF_LIFETIME, "9 min"),
    "sigma": (OF_LIFETIME, 0.5),
}
CUSTOM_NETWORKING = "settings = { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG = true }\n"


def with_rival(key):
    path, value = RIVAL_VALUES[key]
    line = f"{key} = {json.dumps(value)}"
    group = 'name = "w"\ninstance_type = "m5a.4xlarge"\ncount = 1\n' + CUSTOM_NETWORKING + (line if path == OF_GROUP else "")
    lifetime = 'kind = "log-normal", median = "5 min"' + (f", {line}" if path == OF_LIFETIME else "")
    return read(group=group, workload=f'kind = "arrivals"\nname = "a"\nper_hour = 5\nlifetime = {{{lifetime}}}')


@pytest.mark.parametrize(("old", "new"), [*_RIVALS, *(pair[::-1] for pair in _RIVALS)])
def test_a_change_replaces_its_rival_and_two_rivals_are_refused(old, new):
    path, value = RIVAL_VALUES[new]
    assert with_rival(old).with_changes({path + new: value}) == with_rival(new)
    with pytest.raises(ScenarioError, match=r"leave one of the two out|give one of the two"):
        with_rival(old).with_changes({path + new: value, path + old: RIVAL_VALUES[old][1]})


def test_a_trace_is_read_again_only_if_its_own_table_changed(folder):
    (folder / "more.csv").write_text("pod,created,deleted\nx,0,10\n")
    scenario = read(workload=f'{WORKLOAD}\n[[workload]]\nkind = "trace"\nname = "t"\nfile = "pods.csv"', folder=folder)
    (folder / "pods.csv").unlink()
    changed = scenario.with_changes({"seed": 5, "workload.web.replicas": 2})
    assert changed.workload.parts[1] is scenario.workload.parts[1]
    assert changed.workload.parts[0].replicas == 2
    assert changed.with_changes({"workload.t.file": "more.csv"}).workload.parts[1].runs == (PodRun("x", 0, 10 * SECOND),)
    with pytest.raises(ScenarioError, match=r"workload\.t\.file: .*pods\.csv: No such file"):
        scenario.with_changes({"workload.t.unit": "ms"})


def test_a_kept_trace_is_checked_against_the_changed_scenario(folder):
    scenario = read(workload='kind = "trace"\nfile = "pods.csv"', folder=folder)
    with pytest.raises(ScenarioError, match="pod 'a' is bound to node 'workers-0001'"):
        scenario.with_changes({"group.workers.count": 1})


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        ("sed", 1, "scenario: sed: there is no such key; did you mean seed?"),
        ("", 1, "scenario: : there is no such key"),
        ("duration.x", 1, "duration.x: duration is not a table, so it has no keys to set"),
        ("group.workers.count.x", 1, "group.workers.count.x: count is not a table"),
        ("group.workers.subnets.x", 1, "scenario: group.workers.subnets: must be a list of texts"),
        ("group.worker.count", 1, "group.worker.count: there is no group called 'worker'; there are workers; did you mean workers?"),
        ("group.workers", 1, "group.workers is a table; name one of its keys, as in group.workers.name"),
        ("group.workers.count", "5", "scenario: group.workers.count: must be a whole number"),
        ("group.workers.settings.WARM_IP_TARGET", None, "scenario: group.workers.settings.WARM_IP_TARGET: WARM_IP_TARGET must be a text"),
        ("duration", 0, "scenario: duration: must be a duration"),
        ("workload", [], "scenario: workload: needs at least one table"),
    ],
)
def test_an_invalid_change_is_refused(path, value, wanted):
    scenario = read()
    with pytest.raises(ScenarioError) as refused:
        scenario.with_changes({path: value})
    assert str(refused.value).startswith(wanted)


def test_names_with_dots_are_found_and_the_longest_that_fits_counts():
    scenario = read(group=f"{GROUP.replace('workers', 'a.b')}\n[[group]]\n{GROUP.replace('workers', 'a')}")
    changed = scenario.with_changes({"group.a.b.count": 5, "group.a.count": 7})
    assert [(group.name, group.count) for group in changed.groups] == [("a.b", 5), ("a", 7)]
    with pytest.raises(ScenarioError, match=r"group\.a\.b is a table; name one of its keys"):
        scenario.with_changes({"group.a.b": 5})


def test_a_path_to_one_of_two_tables_with_the_same_name_is_refused(folder):
    trace = 'kind = "trace"\nname = "t"\nfile = "pods.csv"'
    scenario = read(workload=f"{trace}\n[[workload]]\n{trace}", folder=folder)
    with pytest.raises(ScenarioError, match=r"workload\.t\.unit: 2 tables of workload are called 't'; give each a name of its own"):
        scenario.with_changes({"workload.t.unit": "ms"})


def test_a_list_of_values_is_not_a_table():
    scenario = read(group=f'{GROUP}\nsubnets = ["a"]')
    with pytest.raises(ScenarioError, match="subnets is not a table"):
        scenario.with_changes({"group.workers.subnets.a": 1})


def test_a_scenario_without_a_document_cannot_be_changed_by_path():
    for scenario in (attrs.evolve(read(), seed=3), attrs.evolve(read(), document=None)):
        with pytest.raises(ScenarioError, match=r"was made or changed in Python, so its TOML keys can't be set; use attrs\.evolve"):
            scenario.with_changes({"seed": 4})


def test_a_file_that_a_change_at_loading_replaces_need_not_exist(tmp_path):
    (tmp_path / "pods.csv").write_text("pod,created,deleted\na,1,2\n")
    path = tmp_path / "trace.toml"
    path.write_text(
        "duration = '1 h'\nsubnet = [{name = 'a', cidr = '10.0.0.0/24'}]\ngroup = [{name = 'g', instance_type = 'm5.large', count = 1}]\n"
        "workload = [{kind = 'trace', name = 't', file = 'nowhere.csv'}]\n"
    )
    with pytest.raises(ScenarioError, match=r"nowhere\.csv"):
        Scenario.load(path)
    scenario = Scenario.load(path, {"workload.t.file": "pods.csv", "seed": 4})
    assert (scenario.seed, [run.name for run in scenario.workload.pods(0, scenario.duration_ns)]) == (4, ["a"])
    assert scenario.with_changes({"seed": 5}).workload == scenario.workload


@pytest.mark.parametrize("path", ["name", "subnet.a.name", "group.workers.name", "workload.web.name"])
def test_a_name_that_no_file_can_hold_is_refused(path):
    scenario = Scenario.from_toml(
        'name = "x"\nduration = "1 h"\n[[subnet]]\nname = "a"\ncidr = "10.0.0.0/24"\n[[group]]\nname = "workers"\n'
        'instance_type = "m5.large"\ncount = 1\n[[workload]]\nkind = "deployment"\nname = "web"\nreplicas = 1\n'
    )
    with pytest.raises(ScenarioError, match="has a lone surrogate, which UTF-8 can't encode; give another name"):
        scenario.with_changes({path: "a\udcc1"})
    assert scenario.with_changes({path: "\U0001f600"})
