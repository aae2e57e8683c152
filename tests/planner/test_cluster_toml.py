"""Clusters as TOML."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.errors import InvalidArgument
from vpcipam.planner import ClusterSubnet, NodeGroup, Reserve, read_cluster
from vpcipam.settings import Settings

CLUSTERS = Path(__file__).parents[2] / "examples" / "clusters"
GROUP = '[[group]]\ninstance_type = "m5.large"\nnodes = 3\npods = 5\n'


def test_a_document_says_everything_that_the_library_takes():
    question = read_cluster(
        """
        subnets = ["a=10.0.0.0/24", "b=/25"]
        pod_subnets = ["b=/20"]
        zones = 2
        [reserve]
        headroom = "20%"
        surge = 2
        zones_lost = 1
        load_balancers = 1
        endpoints = 4
        other_addresses = 7
        [[group]]
        name = "workers"
        instance_type = "m5.xlarge"
        nodes = 12
        pods = 25
        branch_pods = 2
        settings = { WARM_IP_TARGET = 5, ENABLE_POD_ENI = true }
        max_pods = 40
        [[group]]
        instance_type = "t3.small"
        nodes = 1
        pods = 1
        max_pods_by = "ami"
        """
    )
    assert question.subnets == (ClusterSubnet("10.0.0.0/24", "a"), ClusterSubnet("/25", "b"), ClusterSubnet("/20", "b", for_pods=True))
    assert question.zones == 2
    assert question.reserve == Reserve(headroom="20%", surge=2, zones_lost=1, load_balancers=1, endpoints=4, other_addresses=7)
    settings = Settings().with_variables({"WARM_IP_TARGET": "5", "ENABLE_POD_ENI": "true"})
    first, second = question.groups
    assert first == NodeGroup(name="workers", instance_type="m5.xlarge", nodes=12, pods=25, branch_pods=2, settings=settings, max_pods=40)
    assert (second.name, second.max_pods_by, second.settings) == ("t3.small", "ami", Settings())
    assert not question.answer().fits


def test_subnets_of_24_are_counted_unless_the_document_says_otherwise():
    assert read_cluster(GROUP).answer().subnet == "/24"
    assert read_cluster(f'subnet = "/20"\n{GROUP}').answer().subnet == "/20"


def test_the_examples_are_answered():
    assert read_cluster((CLUSTERS / "mixed.toml").read_text()).answer().subnets_total == 9
    assert read_cluster((CLUSTERS / "subnet-calculator.toml").read_text()).answer().fits


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subnet", "the cluster is not TOML: "),
        ("a = " + "[" * 9_000, "the cluster: the document is nested too deeply"),
        ("a" + ".a" * 100_000 + " = 1", "the cluster: the document is nested too deeply"),  # tomllib would take minutes
        ("a = " + "9" * 5_000, "the cluster: a whole number is beyond the 64 bits"),
        ('subnett = "/24"', "has no key 'subnett'; did you mean subnet"),
        ("xyz = 1", "has no key 'xyz'; it has group, subnet, subnets, pod_subnets, zones, reserve"),
        ('subnet = "/24"\nsubnets = []', "subnet and subnets exclude each other"),
        ('pod_subnets = ["/24"]', "pod_subnets need subnets for nodes beside them"),
        ('subnets = ["/24"]\npod_subnets = "/24"', "pod_subnets must be a list of texts"),
        ("subnet = 24", 'subnet must be a size such as "/24", not 24'),
        ('subnets = "/24"', "subnets must be a list of texts"),
        ("subnets = [24]", "subnets must be a list of texts"),
        ("zones = true", "zones must be a whole number, not True"),
        ("group = 1", "group must be a list of tables"),
        ("group = [1]", "group must be a list of tables"),
        ("reserve = 1", "reserve must be a table, not 1"),
        ("[reserve]\nsurge = true", "reserve: surge must be an int"),
        ("[reserve]\nheadroom = 'x'", "reserve: headroom must be a number of nodes, or a share"),
        ("[reserve]\nzones = 1", "reserve has no key 'zones'; did you mean zones_lost"),
        ("[[group]]\nnodes = 1\npods = 1", "group 1: instance_type is missing"),
        (GROUP + "[[group]]\ninstance_type = 'm5.large'\npods = 1", "group 2: nodes is missing"),
        ("[[group]]\ninstance_type = 'm5.large'\nnodes = 1", "group 1: pods is missing"),
        (GROUP + GROUP.replace("m5", "c5") + GROUP, "groups 1 and 3 are both called m5.large; give one another name"),
        (GROUP.replace("m5", "m55"), "group 1: unknown instance type"),
        (GROUP.replace("= 5", "= -5"), "group 1: pods must be 0"),
        (GROUP.replace("= 5", "= 1.5"), "group 1: pods must be an int"),
        (GROUP.replace("= 3", "= 0"), "group 1: nodes must be 1"),
        (GROUP + "name = 1", "group 1: name must be a text in quotes, not 1"),
        (GROUP + "settings = 1", "group 1: settings must be a table"),
        (GROUP + "settings = { WARM_IPTARGET = 1 }", "group 1: .*did you mean WARM_IP_TARGET"),
        (GROUP + "settings = { WARM_IP_TARGET = 1.5 }", "group 1: "),
        (GROUP + "settings = { ENABLE_IPv6 = true }", "group 1: .*both on"),
        (GROUP + "max_pods_by = 'eks'", "group 1: "),
        (GROUP + "node = 1", "group 1 has no key 'node'; did you mean nodes"),
    ],
)
def test_a_wrong_document_is_refused_and_the_place_named(text, message):
    with pytest.raises(InvalidArgument, match=message):
        read_cluster(text)


@given(st.text() | st.text(alphabet='[]{}="\ngroupnodes 12/').map(lambda text: text + GROUP))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InvalidArgument):
        read_cluster(text)
