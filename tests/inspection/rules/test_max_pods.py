"""Max-pods against the addresses of a node, and against what each program would set."""

import random

import pytest
from clusters import Cluster, documents, evidence, random_cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcipam.inspection import audit
from vpcipam.inspection.finding import Severity
from vpcipam.limits import MaxPodsBy, instance_limits, max_pods
from vpcipam.settings import Settings

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}


def node_list(instance_type, count):
    labels = {"node.kubernetes.io/instance-type": instance_type}
    return {"kind": "Node", "metadata": {"name": "n1", "labels": labels}, "status": {"capacity": {"pods": str(count)}}}


def found(instance_type, count, variables=None, *, hosts=None):
    """What is said about max-pods of one node, by its object and the DaemonSet alone."""
    made = documents(Cluster.make(variables=variables))
    parts = {"daemonset": made["daemonset"], "node": node_list(instance_type, count)}
    if hosts is not None:
        host = {"kind": "Pod", "spec": {"nodeName": "n1", "hostNetwork": True}, "status": {"phase": "Running"}}
        items = [host | {"metadata": {"name": f"h{number}", "namespace": "x"}} for number in range(hosts)]
        parts["pods"] = {"kind": "List", "apiVersion": "v1", "items": items}
    return [each for each in audit(evidence(parts)).findings if each.rule.startswith("max-pods")]


@pytest.mark.parametrize("by", MaxPodsBy)
@pytest.mark.parametrize("instance_type", ["t3.small", "m5.large", "m4.large", "m5.metal", "m5a.4xlarge", "p5.48xlarge", "r6g.medium"])
@pytest.mark.parametrize("variables", [{}, PREFIXES])
def test_what_a_program_sets_is_no_fault(instance_type, by, variables):
    count = max_pods(instance_type, prefix_delegation=bool(variables), by=by)
    assert all(each.severity is Severity.NOTE for each in found(instance_type, count, variables))


def test_the_ami_does_not_know_custom_networking():
    (answer,) = found("m5.large", 29, CUSTOM)
    assert (answer.rule, answer.severity, answer.where) == ("max-pods-above-addresses", Severity.FINDING, "n1")
    assert answer.message == (
        "takes up to 29 pods, 2 of them usually on the host network, but can have 18 pod addresses (2 ENIs for pods × 9 slots, as custom "
        "networking leaves the primary ENI out): 9 pods would wait for an address"
    )
    assert answer.suggestion == "set max-pods to 20, take a larger type, or use prefix delegation"
    assert [source.file for source in answer.sources] == ["node.json", "daemonset.json"]


def test_host_network_pods_need_no_address():
    assert "3 of them on the host network" in found("m5.large", 29, CUSTOM, hosts=3)[0].message
    assert found("m5.large", 29, CUSTOM, hosts=11) == []
    assert "8 pods would wait" in found("m5.large", 29, CUSTOM, hosts=3)[0].message


def test_max_eni_is_not_in_the_number():
    (answer,) = found("m5.large", 29, {"MAX_ENI": "2"})
    assert answer.rule == "max-pods-above-addresses"
    assert "2 ENIs for pods × 9 slots, as MAX_ENI is 2" in answer.message
    (answer,) = found("m4.large", 20, {"MAX_ENI": "1", **PREFIXES})
    assert answer.suggestion.endswith(", raise MAX_ENI (the type allows 2), or take a larger type")
    (answer,) = found("m5.large", 29, {"MAX_ENI": "2"})
    assert answer.suggestion == "set max-pods to 20, raise MAX_ENI (the type allows 3), take a larger type, or use prefix delegation"


def test_a_type_without_prefixes_under_a_number_for_prefixes():
    (answer,) = found("m4.large", 110, PREFIXES)
    assert answer.rule == "max-pods-above-addresses"
    assert answer.suggestion == "set max-pods to 20, or take a larger type"


def test_branch_enis_make_up_for_the_trunk():
    (answer,) = found("m5.large", 29, {"ENABLE_POD_ENI": "true"})
    assert (answer.rule, answer.severity) == ("max-pods-above-addresses", Severity.NOTE)
    assert answer.message.endswith("9 pods would wait for an address, unless they have security groups: 9 branch ENIs come on top")
    assert found("m5.large", 30, {"ENABLE_POD_ENI": "true"})[0].severity is Severity.FINDING


def test_the_number_of_branch_enis_may_be_unknown():
    types = {"InstanceTypes": [{"InstanceType": "x9.large", "VCpuInfo": {"DefaultVCpus": 2}, "Hypervisor": "nitro", "BareMetal": False}]}
    network = {"MaximumNetworkInterfaces": 3, "Ipv4AddressesPerInterface": 10, "Ipv6AddressesPerInterface": 10, "EfaSupported": False}
    types["InstanceTypes"][0]["NetworkInfo"] = network | {
        "DefaultNetworkCardIndex": 0,
        "NetworkCards": [{"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 3}],
    }
    made = documents(Cluster.make(variables={"ENABLE_POD_ENI": "true"}))
    read = evidence({"types": types, "daemonset": made["daemonset"], "node": node_list("x9.large", 29)})
    (answer,) = (each for each in audit(read).findings if each.rule == "max-pods-above-addresses")
    assert answer.message.endswith("unless they have security groups: its branch ENIs come on top")


def test_more_network_cards_have_addresses_too():
    count = 2 + instance_limits("p5.48xlarge").slots_per_eni * (2 + 31 * 2)
    assert "max-pods-above-addresses" in {each.rule for each in found("p5.48xlarge", count)}
    assert "max-pods-above-addresses" not in {each.rule for each in found("p5.48xlarge", count, {"ENABLE_MULTI_NIC": "true"})}


@pytest.mark.parametrize("variables", [PREFIXES, IPV6])
def test_prefixes_without_a_higher_number(variables):
    (answer,) = found("m5.large", 29, variables)
    assert (answer.rule, answer.severity) == ("max-pods-without-prefixes", Severity.NOTE)
    assert "takes up to 29 pods, the number of the AMI and Karpenter for secondary IPs" in answer.message
    assert "would allow 110" in answer.message


def test_a_number_that_nothing_sets():
    (answer,) = found("m5.large", 17)
    assert (answer.rule, answer.severity) == ("max-pods-below-figures", Severity.NOTE)
    assert answer.message == "takes up to 17 pods: a managed node group would set 29, the AMI 29, Karpenter 29"


def test_more_than_eks_recommends():
    (answer,) = found("m5a.4xlarge", 234)
    assert (answer.rule, answer.severity) == ("max-pods-above-recommended", Severity.NOTE)
    assert answer.message == "takes up to 234 pods, and EKS recommends at most 110 on 16 vCPUs"


def test_settings_that_ipamd_refuses_are_not_judged():
    assert found("m5.large", 500, {"ENABLE_IPv6": "true"}) == []


def test_what_is_needed():
    made = documents(Cluster.make("m5.large"))
    for name in ("daemonset", "nodes"):
        checked = audit(evidence({key: value for key, value in made.items() if key != name})).checked
        assert "max-pods-above-addresses" not in checked
    assert "max-pods-above-addresses" in audit(evidence(made)).checked


def break_max_pods(seed):
    """A healthy cluster, and the same one with one node whose max-pods is too high."""
    chance = random.Random(seed)
    made = documents(random_cluster(seed, steps=10))
    healthy = audit(evidence(made))
    node = chance.choice(made["nodes"]["items"])
    limits = instance_limits(node["metadata"]["labels"]["node.kubernetes.io/instance-type"])
    env = {each["name"]: each["value"] for each in made["daemonset"]["spec"]["template"]["spec"]["containers"][0]["env"]}
    unit = Settings.from_env(env).address_mode(limits).addresses_per_slot
    most = limits.eni_limit * limits.slots_per_eni * unit + 2
    node["status"]["capacity"]["pods"] = str(most + chance.randint(1, 100))
    return healthy, audit(evidence(made)), node["metadata"]["name"]


def check_broken(seed):
    healthy, broken, name = break_max_pods(seed)
    assert healthy.faults == (), seed
    assert [(each.rule, each.node) for each in broken.faults] == [("max-pods-above-addresses", name)], seed


@given(st.integers(0, 2**32))
@settings(max_examples=max(6, settings.default.max_examples // 4))
def test_a_number_that_is_too_high_is_found_and_nothing_else(seed):
    check_broken(seed)


@pytest.mark.nightly
def test_thousands_of_numbers_that_are_too_high():
    for seed in range(3_000):
        check_broken(seed)
