"""The keys of a scenario that are about zones: what is read, and what is refused."""

import attrs
import pytest

from vpcipam.errors import ScenarioError
from vpcipam.fleet.scenario import Scenario, SubnetSpec
from vpcipam.fleet.spread import SpreadConstraint
from vpcipam.fleet.workload import Deployment

CUSTOM = "settings = { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG = true }\n"
SUBNETS = {"a1": "a", "b1": "b", "c1": "c", "pa": "a", "pb": "b"}


def toml(group="", spread="", *, zones=SUBNETS, top=""):
    """A scenario with these subnets, each in its zone; None for a subnet without one."""
    subnets = "".join(
        f'[[subnet]]\nname = "{name}"\ncidr = "10.0.{place}.0/24"\n' + ("" if zone is None else f'zone = "{zone}"\n')
        for place, (name, zone) in enumerate(zones.items())
    )
    groups = f'[[group]]\nname = "w"\ninstance_type = "m5.large"\ncount = 3\n{group}\n'
    return f'duration = "1 h"\n{top}\n{subnets}\n{groups}[[workload]]\nkind = "deployment"\nname = "web"\nreplicas = 4\n{spread}\n'


def read(*arguments, **options):
    return Scenario.from_toml(toml(*arguments, **options))


def test_the_zones_are_those_of_the_subnets_in_their_order():
    scenario = read(zones={"x": "b", "y": "a", "z": "b"})
    assert scenario.subnets[0] == SubnetSpec("x", "10.0.0.0/24", zone="b")
    assert scenario.zones == ("b", "a")
    assert read(zones={"x": None}).zones == ()


def test_a_group_is_in_all_zones_unless_it_names_zones_or_subnets():
    assert read().groups[0].subnets == tuple(SUBNETS)
    assert read('zones = ["a", "c"]').groups[0].subnets == ("a1", "c1", "pa")
    assert read('zones = ["a", "c"]\nsubnets = ["c1", "a1"]').groups[0].subnets == ("c1", "a1")
    assert read('subnets = ["b1"]').groups[0].zones == ()


def test_eniconfigs_are_given_by_zone():
    subnets = 'subnets = ["a1", "b1"]\n'
    assert read(f'{CUSTOM}{subnets}pod_subnets = ["pb", "pa"]').groups[0].all_pod_subnets == ("pb", "pa")
    assert read(f'{CUSTOM}subnets = ["a1"]\npod_subnet = "pa"').groups[0].all_pod_subnets == ("pa",)
    assert read().groups[0].all_pod_subnets == ()


@pytest.mark.parametrize(
    ("text", "constraints"),
    [
        ("", None),
        ("spread = []", ()),
        ("spread = [{max_skew = 2}]", (SpreadConstraint(2),)),
        (
            'spread = [{topology_key="topology.kubernetes.io/zone", max_skew = 1, min_domains = 3, when_unsatisfiable = "DoNotSchedule"}]',
            (SpreadConstraint(1, min_domains=3),),
        ),
        (
            '[[workload.spread]]\nmax_skew = 3\n[[workload.spread]]\nmax_skew = 1\nwhen_unsatisfiable = "ScheduleAnyway"',
            (SpreadConstraint(3), SpreadConstraint(1, "ScheduleAnyway")),
        ),
    ],
)
def test_spread_constraints_are_read(text, constraints):
    assert read(spread=text).workload == Deployment("web", 4, max_surge=1, max_unavailable=1, spread=constraints)


def test_keys_about_zones_can_be_changed_by_their_paths():
    scenario = read('zones = ["a"]', "spread = [{max_skew = 1}]")
    changed = scenario.with_changes({"group.w.zones": ["a", "b"], "subnet.c1.zone": "b", "workload.web.spread.1.max_skew": 4})
    assert changed.groups[0].subnets == ("a1", "b1", "c1", "pa", "pb")
    assert changed.workload.spread == (SpreadConstraint(4),)


HOSTNAME = "kubernetes.io/hostname"
REFUSED = [
    (toml(zones={"x": "a", "y": None}), "subnet.y.zone: is missing, but subnet 'x' is in zone 'a'; give a zone to all subnets, or to none"),
    (toml(zones={"x": None, "y": "a"}), "subnet.x.zone: is missing, but subnet 'y' is in zone 'a'"),
    (toml(zones={"x": ""}), "subnet.x.zone: must not be empty; leave it out of all subnets for a fleet without zones"),
    (toml().replace('zone = "a"', "zone = 1", 1), "subnet.a1.zone: must be a text in quotes, not 1"),
    (toml("zones = []"), "group.w.zones: needs at least one zone; leave the key out for the zones of all subnets"),
    (toml('zones = ["d"]'), "group.w.zones: there is no subnet in zone 'd'; there are zones a, b, c"),
    (toml('zones = ["us-east-1b"]', zones={"x": "us-east-1a"}), "'us-east-1b'; there are zones us-east-1a; did you mean us-east-1a?"),
    (toml('zones = ["a"]', zones={"x": None}), "group.w.zones: has no effect, since no subnet has a zone"),
    (toml('zones = ["a", "b"]\nsubnets = ["a1"]'), "group.w.zones: none of the group's subnets is in zone 'b'; add one to subnets"),
    (toml('zones = ["a"]\nsubnets = ["a1", "b1"]'), "group.w.subnets: 'b1' is in zone 'b', and zones = a; change one of the two"),
    (toml('zones = ["a"]\nsubnets = ["a1", "x1"]'), "group.w.subnets: there is no subnet 'x1'"),
    (toml(f'{CUSTOM}subnets = ["a1"]\npod_subnet = "pb"'), "group.w.pod_subnet: 'pb' is in zone 'b', where the group has no nodes"),
    (
        toml(f'{CUSTOM}subnets = ["a1", "b1"]\npod_subnet = "pa"'),
        "group.w.pod_subnet: there is none in zone 'b', where the group has nodes",
    ),
    (toml(f'{CUSTOM}subnets = ["a1"]\npod_subnets = ["pa", "pb"]'), "group.w.pod_subnets: 'pb' is in zone 'b', where the group has no"),
    (toml(f'{CUSTOM}subnets = ["a1"]\npod_subnets = ["a1", "pa"]'), "group.w.pod_subnets: there is more than one in zone 'a'"),
    (
        toml(f'{CUSTOM}pod_subnets = ["x", "y"]', zones={"x": None, "y": None}),
        "group.w.pod_subnets: there is more than one in the only zone",
    ),
    (toml(f'{CUSTOM}pod_subnet = "pa"\npod_subnets = ["pa"]'), "group.w.pod_subnets: has no effect beside pod_subnet = 'pa'"),
    (toml('pod_subnets = ["pa", "pb", "c1"]'), "group.w.pod_subnets: has no effect without custom networking"),
    (toml(f'{CUSTOM}pod_subnets = ["px"]'), "group.w.pod_subnets: there is no subnet 'px'"),
    (toml("", "spread = [{max_skew = 1}]", zones={"x": None}), "workload: spread of 'web' has no effect, since no subnet has a zone"),
    (toml("", "spread = [{max_skew = 0}]"), "workload.web.spread.1.max_skew: must be a whole number from 1 to 2147483647, not 0"),
    (toml("", "spread = [{}]"), "workload.web.spread.1.max_skew: is missing"),
    (toml("", "spread = {max_skew = 1}"), "workload.web.spread: must be a list of tables"),
    (toml("", "spread = [{max_skew = 1, min_domains = 0}]"), "workload.web.spread.1.min_domains: must be a whole number from 1"),
    (
        toml("", 'spread = [{max_skew = 1, min_domains = 2, when_unsatisfiable = "ScheduleAnyway"}]'),
        "workload.web.spread.1.min_domains: min_domains of a SpreadConstraint goes with when_unsatisfiable = DoNotSchedule",
    ),
    (
        toml("", 'spread = [{max_skew = 1, when_unsatisfiable = "DoNotScedule"}]'),
        "workload.web.spread.1.when_unsatisfiable: is 'DoNotScedule'; it must be one of DoNotSchedule, ScheduleAnyway; did you mean",
    ),
    (
        toml("", f'spread = [{{max_skew = 1, topology_key = "{HOSTNAME}"}}]'),
        f"workload.web.spread.1.topology_key: is '{HOSTNAME}'; it must be one of topology.kubernetes.io/zone",
    ),
    (
        toml("", "spread = [{max_skew = 1}, {max_skew = 2}]"),
        "workload.web.spread: 2 spread constraints have when_unsatisfiable = DoNotSchedule",
    ),
]


@pytest.mark.parametrize(("text", "wanted"), REFUSED)
def test_an_invalid_value_is_refused_by_its_key(text, wanted):
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_toml(text)
    assert wanted in str(caught.value)


def test_a_scenario_made_in_python_is_checked_too():
    scenario = read()
    with pytest.raises(ScenarioError, match=r"subnet.b1.zone: is missing"):
        attrs.evolve(scenario, subnets=(scenario.subnets[0], attrs.evolve(scenario.subnets[1], zone=None), *scenario.subnets[2:]))
    with pytest.raises(ScenarioError, match=r"spread of 'web' has no effect"):
        attrs.evolve(
            scenario,
            subnets=tuple(attrs.evolve(spec, zone=None) for spec in scenario.subnets),
            workload=Deployment("web", 1, spread=(SpreadConstraint(1),)),
        )
