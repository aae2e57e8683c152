"""Addresses that a node has, against those that its pods and warm targets ask for."""

import random

import pytest
from clusters import Cluster, documents, evidence, random_cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcipam._units import NS_PER_S
from vpcipam.inspection import audit
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.finding import Severity
from vpcipam.inspection.ipamd_pool import ipamd_pool
from vpcipam.inspection.rules.warm_targets import RULES, check_warm_targets

IDS = RULES[0].ids
SHRINKING = ({"WARM_IP_TARGET": "2"}, {"WARM_IP_TARGET": "1", "MINIMUM_IP_TARGET": "4"}, {"WARM_IP_TARGET": "5", "IP_COOLDOWN_PERIOD": "5"})


def told(made, without=()):
    answer = audit(evidence({name: each for name, each in made.items() if name not in without and name.rpartition("/")[2] not in without}))
    return [each for each in answer.findings if each.rule in IDS]


def sleeping(cluster, seconds):
    """Let time pass without a tick of any node: as if their ipamds hung, or were refused."""
    cluster.now_ns += seconds * NS_PER_S


def pods(cluster, count):
    for _ in range(count):
        cluster.pod(cluster.nodes[0])


def with_surplus(variables, *, instance_type="m5.large", count=12, ended=8, seconds=400):
    """A node that has kept addresses beyond its targets for so long."""
    made = Cluster.make(instance_type, variables=variables)
    here = made.nodes[0]
    pods(made, count)
    made.wait(70)
    for key in list(here.pods)[-ended:]:
        made.end(here, key)
    sleeping(made, seconds)
    pods(made, 1)
    return made


def with_shortage(variables, *, instance_type="m5.large", seconds=400):
    """A node that has lacked warm addresses for so long: pods came, and it did not grow."""
    made = Cluster.make(instance_type, variables=variables)
    here = made.nodes[0]
    made.wait(70)
    available = here.node.stats(made.now_ns).available_count
    pods(made, available)
    made.end(here, next(iter(here.pods)))
    sleeping(made, seconds)
    made.end(here, next(iter(here.pods)))
    return made


def test_a_surplus_that_stays():
    (answer,) = told(documents(with_surplus({"WARM_IP_TARGET": "2"})))
    assert (answer.rule, answer.severity) == ("more-than-targets-ask", Severity.FINDING)
    assert answer.message.startswith("has 14 addresses on 2 ENIs for 5 pods; by its settings, 7 on 1 would do for these pods. ipamd should")
    assert answer.message.endswith("(available 9, WARM_IP_TARGET 2: 7 over), and has not for 6 min")
    assert answer.suggestion
    assert {source.file.rpartition("/")[2] for source in answer.sources} == {"enis.json"}


@pytest.mark.parametrize("seconds", [0, 29, 299])
def test_a_young_surplus_is_normal(seconds):
    (answer,) = told(documents(with_surplus({"WARM_IP_TARGET": "2"}, seconds=seconds)))
    assert (answer.rule, answer.severity) == ("warm-pool-explained", Severity.NOTE)
    assert "It gives back addresses every 30 s" in answer.message


def test_an_eni_that_should_be_freed():
    (answer,) = told(documents(with_surplus({}, count=10, ended=10)))
    assert answer.rule == "more-than-targets-ask"
    assert "available 26 ≥ (WARM_ENI_TARGET 1 + 1) × 9 addresses per ENI" in answer.message


def thinned(instance_type, variables, group):
    """A full node of which one pod on each ENI or in each CIDR has stayed."""
    made = Cluster.make(instance_type, variables=variables)
    here = made.nodes[0]
    made.fill(here)
    made.wait(70)
    groups = {}
    for key, assignment in here.datastore.assignments():
        groups.setdefault(getattr(assignment, group), []).append(key)
    for keys in groups.values():
        for key in keys[1:]:
            made.end(here, key)
    made.wait(300)
    return made


def test_pods_on_each_eni_keep_addresses():
    (answer,) = told(documents(thinned("m5.large", {}, "eni_id")))
    assert (answer.rule, answer.severity) == ("warm-pool-explained", Severity.NOTE)
    assert answer.message.startswith(
        "has 27 addresses on 3 ENIs for 3 pods; by its settings, 18 on 2 would do for these pods. That is normal"
    )
    assert answer.message.endswith("it had more pods before, and keeps eni-00000000000000003, which has 1 pod")


def test_pods_in_each_prefix_keep_addresses():
    (answer,) = told(documents(thinned("m5.large", {"ENABLE_PREFIX_DELEGATION": "true"}, "cidr")))
    assert answer.rule == "warm-pool-explained"
    assert "the pods of today are spread over its prefixes" in answer.message


def test_a_shortage_that_stays():
    (answer,) = told(documents(with_shortage({"WARM_IP_TARGET": "3"})))
    assert (answer.rule, answer.severity) == ("fewer-than-targets-ask", Severity.FINDING)
    assert answer.message.startswith(
        "has 3 addresses on 1 ENI for 1 pod; by its settings, 4 on 1 would do for these pods. ipamd should have"
    )
    assert answer.message.endswith("(available 2 < WARM_IP_TARGET 3: 1 short), and has not got it for 6 min")


@pytest.mark.parametrize("seconds", [0, 299])
def test_a_young_shortage_is_normal(seconds):
    assert told(documents(with_shortage({"WARM_IP_TARGET": "3"}, seconds=seconds))) == []


def test_a_shortage_in_a_full_subnet_is_told_by_another_rule():
    made = with_shortage({"WARM_IP_TARGET": "3"})
    changed = documents(made)
    changed["subnets"]["Subnets"][0]["AvailableIpAddressCount"] = 0
    assert told(changed) == []
    assert {each.rule for each in audit(evidence(changed)).faults} == {"no-room-for-addresses"}


def test_a_cordoned_node_keeps_what_it_has():
    made = with_surplus({"WARM_IP_TARGET": "2"})
    made.nodes[0].cordoned = True
    assert told(documents(made)) == []
    made = with_surplus({"WARM_IP_TARGET": "2", "AWS_MANAGE_ENIS_NON_SCHEDULABLE": "true"})
    made.nodes[0].cordoned = True
    assert [each.rule for each in told(documents(made))] == ["more-than-targets-ask"]


def test_a_node_that_does_not_call_ec2_keeps_what_it_has():
    made = with_surplus({"WARM_IP_TARGET": "2"})
    changed = documents(made)
    env = changed["daemonset"]["spec"]["template"]["spec"]["containers"][0]["env"]
    env.append({"name": "DISABLE_NETWORK_RESOURCE_PROVISIONING", "value": "true"})
    assert told(changed) == []


def test_after_a_restart_no_time_proves_anything():
    made = with_surplus({"WARM_IP_TARGET": "2"})
    made.nodes[0].unassigned_ns.clear()
    assert [each.rule for each in told(documents(made))] == ["warm-pool-explained"]
    made = with_shortage({"WARM_IP_TARGET": "3"})
    made.nodes[0].unassigned_ns.clear()
    assert told(documents(made)) == []


@pytest.mark.parametrize("lacking", ["nodes", "daemonset"])
def test_what_is_needed(lacking):
    made = documents(with_surplus({"WARM_IP_TARGET": "2"}))
    assert told(made, without=(lacking,)) == []


def test_a_surplus_is_found_without_ec2_and_a_shortage_is_not():
    ec2 = ("network-interfaces", "instances")
    assert [each.rule for each in told(documents(with_surplus({"WARM_IP_TARGET": "2"})), ec2)] == ["more-than-targets-ask"]
    assert told(documents(with_shortage({"WARM_IP_TARGET": "3"})), ec2) == []


def changed_eni(change):
    changed = documents(with_surplus({"WARM_IP_TARGET": "2"}))
    name = next(name for name in changed if name.endswith("enis.json"))
    change(list(changed[name]["0"]["ENIs"].values()))
    return told(changed)


def test_what_cannot_be_judged_for_sure_is_left_alone():
    assert changed_eni(lambda enis: enis[0].update(IsExcludedForPodIPs=True)) == []
    assert changed_eni(lambda enis: enis[0].update(DeviceNumber=1)) == []
    assert changed_eni(lambda enis: enis[0].pop("DeviceNumber")) == []
    assert changed_eni(lambda enis: enis[0]["AvailableIPv4Cidrs"].update({"10.0.9.0/28": {"IPAddresses": {}, "IsPrefix": True}})) == []
    assert changed_eni(list) != []


def test_a_node_of_which_nothing_is_known_has_no_pool():
    assert ipamd_pool(NodeCase(name="n")) is None
    assert list(check_warm_targets(NodeCase(name="n"))) == []


def test_more_pods_than_the_settings_allow_are_not_judged():
    made = Cluster.make("m5.large")
    made.fill(made.nodes[0])
    changed = documents(made)
    changed["daemonset"]["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "MAX_ENI", "value": "1"})
    assert told(changed) == []


def check_surplus(seed):
    """A healthy cluster beside a node that keeps its surplus: only that is found, and only there."""
    chance = random.Random(seed)
    count = chance.randint(6, 20)
    variables = chance.choice(SHRINKING)
    made = with_surplus(variables, count=count, ended=chance.randint(1, count), seconds=chance.randint(300, 5000))
    answer = audit(evidence(documents(made)))
    target, floor = int(variables["WARM_IP_TARGET"]), int(variables.get("MINIMUM_IP_TARGET", 0))
    stats = made.nodes[0].node.stats(made.now_ns)
    if min(stats.available_count - target, stats.total_count - floor) <= 0:
        assert answer.faults == (), seed
        return
    assert [each.rule for each in answer.faults] == ["more-than-targets-ask"], seed


@given(st.integers(0, 2**32))
@settings(max_examples=max(6, settings.default.max_examples // 4))
def test_a_surplus_that_stays_is_found_and_nothing_else(seed):
    check_surplus(seed)


def check_shortage(seed):
    chance = random.Random(seed)
    made = with_shortage({"WARM_IP_TARGET": str(chance.randint(3, 8))}, seconds=chance.randint(300, 5000))
    assert [each.rule for each in audit(evidence(documents(made))).faults] == ["fewer-than-targets-ask"], seed


@given(st.integers(0, 2**32))
@settings(max_examples=max(6, settings.default.max_examples // 4))
def test_a_shortage_that_stays_is_found_and_nothing_else(seed):
    check_shortage(seed)


@pytest.mark.nightly
def test_thousands_of_surpluses_and_shortages():
    for seed in range(2_000):
        check_surplus(seed)
        check_shortage(seed)


@pytest.mark.thorough
@given(st.integers(0, 2**32))
def test_a_long_life_gives_no_finding(seed):
    """Nodes that live for long have old times in their answers, so that the proof of a surplus could be wrong."""
    made = random_cluster(seed, steps=12)
    for seconds in (301, 7, 600):
        made.wait(seconds)
        assert audit(evidence(documents(made))).faults == ()


# --- without introspection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("without", [("enis.json",), ("enis.json", "ipam.json"), ("enis.json", "pods", "events")])
def test_ec2_with_the_checkpoint_or_the_pods_is_enough_to_explain(without):
    made = documents(with_surplus({"WARM_IP_TARGET": "2"}))
    (answer,) = told(made, without)
    assert (answer.rule, answer.severity) == ("warm-pool-explained", Severity.NOTE)
    assert answer.message.startswith(
        "has 14 addresses on 2 ENIs for 5 pods; by its settings, 7 on 1 would do for these pods. It gives back"
    )
    assert {source.file for source in answer.sources} == {"network-interfaces.json"}


def test_without_times_a_shortage_is_a_note():
    made = documents(with_shortage({"WARM_IP_TARGET": "3"}))
    (answer,) = told(made, ("enis.json",))
    assert (answer.rule, answer.severity) == ("fewer-for-now", Severity.NOTE)
    assert answer.message.startswith(
        "has 3 addresses on 1 ENI for 1 pod; by its settings, 4 on 1 would do for these pods. It asks for more"
    )
    assert answer.message.endswith("(available 2 < WARM_IP_TARGET 3: 1 short), and its subnets have room: within seconds it has them")
    made["subnets"]["Subnets"][0]["AvailableIpAddressCount"] = 0
    assert told(made, ("enis.json",)) == []


@pytest.mark.parametrize("without", [(), ("enis.json",)])
def test_more_than_any_number_of_pods_asks_for_is_no_matter_of_time(without):
    """With 4 pods at most, a node asks for the 9 addresses of an ENI, and may have those of another one."""
    made = Cluster.make("m5.large", variables={"WARM_ENI_TARGET": "2"})
    pods(made, 1)
    made.wait(70)
    changed = documents(made)
    assert told(changed, without) == []
    changed["nodes"]["items"][0]["status"]["capacity"]["pods"] = "4"
    (answer,) = told(changed, without)
    assert (answer.rule, answer.severity) == ("more-than-ever-asked", Severity.NOTE)
    assert answer.message.startswith(
        "has 27 addresses on 3 ENIs for 1 pod; by its settings, 9 on 1 would do for these pods. Even for 4 pods,"
    )
    assert "its max-pods, it asks for 18 at most: max-pods or the variables were others before" in answer.message


def test_with_neither_nothing_is_said():
    made = documents(with_surplus({"WARM_IP_TARGET": "2"}))
    assert told(made, ("enis.json", "ipam.json", "pods", "events")) == []
    only = [each for each in made["pods"]["items"] if each["metadata"]["namespace"] == "default"]
    assert told(made | {"pods": {"kind": "List", "apiVersion": "v1", "items": only}}, ("enis.json", "ipam.json")) == []


def test_a_page_of_enis_that_is_missing_spoils_the_pool():
    made = documents(with_surplus({"WARM_IP_TARGET": "2"}))
    made["network-interfaces"]["NextToken"] = "more"
    assert told(made, ("enis.json",)) == []


def test_a_redacted_address_spoils_the_pool():
    made = documents(with_surplus({"WARM_IP_TARGET": "2"}))
    made["network-interfaces"]["NetworkInterfaces"][0]["PrivateIpAddresses"][-1]["PrivateIpAddress"] = "10.0.x.x"
    assert told(made, ("enis.json",)) == []


def test_a_holder_that_ec2_does_not_know_spoils_the_pool():
    made = documents(with_surplus({"WARM_IP_TARGET": "2"}))
    next(each for each in made["pods"]["items"] if each["metadata"]["namespace"] == "default")["status"]["podIPs"] = [{"ip": "10.0.15.9"}]
    assert told(made, ("enis.json", "ipam.json")) == []


@given(st.integers(0, 2**32), st.sampled_from([("enis.json",), ("enis.json", "ipam.json")]))
def test_without_introspection_a_healthy_cluster_gives_no_finding(seed, without):
    made = documents(random_cluster(seed, steps=12))
    kept = {name: each for name, each in made.items() if name.rpartition("/")[2] not in without}
    answer = audit(evidence(kept))
    assert answer.faults == ()
    assert "more-than-ever-asked" not in {each.rule for each in answer.findings}
