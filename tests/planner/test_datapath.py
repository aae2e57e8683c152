"""The datapath of a node that has settled."""

import pytest

from vpcipam.datapath.values import Address, Link, Route, Rule, XtablesChain, expected
from vpcipam.errors import InvalidArgument
from vpcipam.planner import plan, plan_datapath
from vpcipam.settings import Settings

IPV6 = Settings().with_variables({"ENABLE_IPv6": "true", "ENABLE_IPv4": "false", "ENABLE_PREFIX_DELEGATION": "true"})
BRANCHES = Settings().with_variables({"ENABLE_POD_ENI": "true"})


def everything(answer):
    steps = [*answer.node, *(step for part in (*answer.enis, *answer.pods) for step in part.steps)]
    return expected(steps)


def test_pods_leave_by_the_enis_that_plan_has():
    answer = plan_datapath("m5.large", 12)
    of_plan = plan("m5.large", 12)
    assert len(answer.enis) == of_plan.eni_count
    assert [pod.table for pod in answer.pods] == [254] * 9 + [2] * 3
    assert [each.eni.device for each in answer.enis] == ["eth0", "eth1", "eth2"]
    rules = {each for each in everything(answer) if isinstance(each, Rule)}
    assert {rule.source for rule in rules if rule.priority == 1536} == {f"{pod.address}/32" for pod in answer.pods if pod.table == 2}
    assert {rule.destination for rule in rules if rule.priority == 512} == {f"{pod.address}/32" for pod in answer.pods}
    assert (answer.pods_waiting, answer.waiting_reason) == (0, None)


def test_prefixes_change_nothing_but_the_addresses():
    answer = plan_datapath("m5.large", 20, Settings().with_variables({"ENABLE_PREFIX_DELEGATION": "true"}))
    assert {pod.table for pod in answer.pods} == {254}
    assert len({pod.address for pod in answer.pods}) == 20


def test_network_cards_have_tables_of_their_own():
    answer = plan_datapath("p4d.24xlarge", 1, Settings().with_variables({"ENABLE_MULTI_NIC": "true"}))
    cards = {each.eni.network_card: each.eni.table for each in answer.enis if each.eni.network_card}
    assert {10000 + 100 * card <= table < 10100 + 100 * card for card, table in cards.items()} == {True}
    assert {each.table for each in everything(answer) if isinstance(each, Route)} >= {*cards.values()}


def test_ipv6_pods_have_a_way_out_over_ipv4():
    answer = plan_datapath("m5.large", 2, IPV6)
    assert answer.pods[0].address.startswith("2001:db8:")
    assert {each.name for each in everything(answer) if isinstance(each, XtablesChain)} == {
        step.value.name for pod in answer.pods for step in pod.steps if isinstance(step.value, XtablesChain)
    }
    (address,) = (each.address for each in expected(answer.pods[1].steps, "pod") if isinstance(each, Address) and "/22" in each.address)
    assert address == "169.254.172.3/22"
    without = plan_datapath("m5.large", 1, IPV6.with_variables({"ENABLE_V4_EGRESS": "false"}))
    assert not [each for each in everything(without) if isinstance(each, XtablesChain)]


def test_ipv4_pods_have_a_way_out_over_ipv6_where_the_node_has_it():
    settings = Settings().with_variables({"ENABLE_V6_EGRESS": "true"})
    assert any("-j SNAT --to-source 2001:db8:" in rule for rule in _rules(plan_datapath("m5.large", 1, settings)))
    assert not any("2001:db8:" in rule for rule in _rules(plan_datapath("m1.small", 1, settings)))


def _rules(answer):
    return [rule for each in everything(answer) if isinstance(each, XtablesChain) for rule in each.rules]


@pytest.mark.parametrize("settings", [BRANCHES, IPV6.with_variables({"ENABLE_POD_ENI": "true"})])
def test_pods_with_security_groups_come_last(settings):
    answer = plan_datapath("m5.large", 2, settings, branch_pods=2)
    assert [pod.name for pod in answer.pods] == ["pod-1", "pod-2", "pod-3", "pod-4"]
    assert [pod.table for pod in answer.pods[2:]] == [101, 102]
    assert [pod.host_interface[:4] for pod in answer.pods[2:]] == ["vlan", "vlan"]
    (trunk,) = (each.eni for each in answer.enis if each.eni.trunk)
    vlans = [step.value for step in answer.pods[2].steps if type(step.value).__name__ == "Vlan"]
    assert [vlan.parent for vlan in vlans] == [trunk.device]
    assert ":" in answer.pods[3].address if settings.enable_ipv6 else "." in answer.pods[3].address


def test_pods_that_wait_have_no_datapath():
    answer = plan_datapath("t3.small", 9, max_pods=4)
    assert len(answer.pods) == 2
    assert answer.pods_waiting == 7
    assert "max pods 4" in answer.waiting_reason
    assert "ENABLE_POD_ENI is off" in plan_datapath("t3.nano", 0, branch_pods=1).waiting_reason


def test_nftables_can_mark_connections():
    assert {each.name for each in everything(plan_datapath("t3.nano", 0, nftables=True)) if type(each).__name__ == "NftTable"} == {
        "aws-cni"
    }


def test_the_document_has_what_is_given():
    document = plan_datapath("t3.small", 1).to_dict()
    (step,) = (step for step in document["node"] if step["kind"] == "Link")
    assert step["value"] == {"name": "eth0", "mtu": 9001}
    assert Link(**step["value"]) in everything(plan_datapath("t3.small", 1))


@pytest.mark.parametrize("numbers", [{"pods": -1}, {"pods": 100_001}, {"pods": 1, "branch_pods": -1}])
def test_numbers_out_of_bounds_are_refused(numbers):
    with pytest.raises(InvalidArgument):
        plan_datapath("m5.large", **numbers)
