"""Why a pod has no address: each cause in a cluster of its own, by the files that a person has."""

import pytest
from clusters import FAILED, Cluster, documents, event_object, evidence

from vpcipam.inspection import audit
from vpcipam.inspection.finding import Severity

CONNECTION_REFUSED = (
    'plugin type="aws-cni" name="aws-cni" failed (add): add cmd: Error received from AddNetwork gRPC call: rpc error: '
    'code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:50051: connect: '
    'connection refused"'
)
DENIED = "Unauthorized operation: failed to call ec2:CreateNetworkInterface due to missing permissions."


def answers(cluster, *, made=None, without=()):
    """What is said about pods without an address."""
    made = made or documents(cluster)
    found = audit(evidence({name: each for name, each in made.items() if name not in without and name.rpartition("/")[2] not in without}))
    return [each for each in found.findings if each.rule.startswith("no-address-")]


def answer(cluster, **options):
    (found,) = answers(cluster, **options)
    return found


def waiting(instance_type="t3.small", variables=None, *, pods=1, cidr="10.0.0.0/20", fill=0):
    """A cluster whose only node takes pods beyond its addresses."""
    made = Cluster.make(instance_type, variables=variables, cidr=cidr)
    here = made.nodes[0]
    made.fill(here, leave=fill)
    for _ in range(pods):
        made.pod(here)
    made.wait(5)
    return made


def full_subnet(variables=None, *, leave=2):
    """A node in a subnet that others have filled."""
    made = Cluster.make("m5.large", variables=variables, cidr="10.0.0.0/24")
    (subnet,) = made.model.subnets
    for _ in range(0, subnet.available_ip_address_count - leave, 10):
        count = min(9, made.model.subnets[0].available_ip_address_count - leave - 1)
        made.model.create_network_interface(subnet_id=made.subnet_id, secondary_ip_count=count, now_ns=made.now_ns)
    return made


def test_all_addresses_are_held():
    made = waiting(pods=2)
    found = answer(made)
    assert (found.rule, found.severity) == ("no-address-all-held", Severity.FINDING)
    assert found.where == "pods default/web-10, default/web-11"
    assert found.node == made.nodes[0].name
    assert found.message == (
        "got no address: the node has 9 addresses, 9 of them held; its type, its settings and its subnets allow 9, but its max-pods is 11"
    )
    assert found.suggestion == "lower max-pods to 11 (2 pods are on the host network), take a larger type, or use prefix delegation"
    assert {source.file.rpartition("/")[2] for source in found.sources} == {"events.json", "enis.json"}


def test_a_node_that_max_eni_keeps_small_is_told_to_raise_it():
    found = answer(waiting(variables={"MAX_ENI": "2"}))
    assert found.rule == "no-address-all-held"
    assert found.suggestion.startswith("lower max-pods to 8 (2 pods are on the host network), raise MAX_ENI (the type allows 3), take")


def test_a_pod_that_waits_for_a_last_cause_is_told_without_an_event():
    assert answer(waiting(), without=("events",)).rule == "no-address-all-held"


def test_a_node_at_its_max_pods():
    made = waiting()
    changed = documents(made)
    changed["nodes"]["items"][0]["status"]["capacity"]["pods"] = "9"
    assert "that is its max-pods, 9, at which ipamd stops" in answer(made, made=changed).message


def test_all_free_addresses_cool():
    made = waiting()
    here = made.nodes[0]
    made.end(here, next(iter(here.pods)))
    made.wait(1)
    found = answer(made)
    assert found.rule == "no-address-cooling"
    assert found.message == "got no address: the node had 9 addresses, 8 of them held and 1 cooling; the next one in 29 s"


def test_a_cooling_address_without_an_event_may_be_a_matter_of_seconds():
    made = waiting()
    here = made.nodes[0]
    made.end(here, next(iter(here.pods)))
    assert answers(made, without=("events",)) == []


def test_cooling_is_told_by_ipamd_alone():
    made = waiting()
    here = made.nodes[0]
    made.end(here, next(iter(here.pods)))
    made.wait(1)
    assert answer(made, without=("network-interfaces", "instances", "daemonset")).rule == "no-address-cooling"


def test_the_subnet_is_full():
    made = full_subnet()
    made.fill(made.nodes[0])
    found = answer(made)
    assert found.rule == "no-address-subnet-full"
    assert f"{made.subnet_id} has " in found.message
    assert " free addresses, and a new ENI would take 10" in found.message


def test_the_subnet_has_no_28():
    made = Cluster.make("m5.large", variables={"ENABLE_PREFIX_DELEGATION": "true"}, cidr="10.0.0.0/24")
    here = made.nodes[0]
    (own,) = here.datastore.cidrs(here.datastore.eni_ids[0])
    for number in range(1, 15):
        if own != f"10.0.0.{number * 16}/28":
            made.model.create_network_interface(subnet_id=made.subnet_id, private_ip=f"10.0.0.{number * 16 + 3}", now_ns=made.now_ns)
    made.fill(here)
    found = answer(made)
    assert found.rule == "no-address-no-prefix"
    assert "has no free /28" in found.message
    assert "create-subnet-cidr-reservation" in found.suggestion


def test_the_last_eni_is_kept_for_a_trunk():
    made = waiting("m5.large", {"ENABLE_POD_ENI": "true"})
    found = answer(made)
    assert found.rule == "no-address-trunk-reserve"
    assert "18 addresses, 18 of them held on 2 of 3 ENIs, and keeps the last for a trunk" in found.message


def test_the_node_is_cordoned():
    made = Cluster.make("m5.large")
    here = made.nodes[0]
    here.cordoned = here.node.cordoned = True
    for _ in range(20):
        made.pod(here)
    made.wait(10)
    found = answer(made)
    assert found.rule == "no-address-cordoned"
    assert "cordoned, so ipamd doesn't add to its" in found.message


def test_a_variable_keeps_the_node_from_growing():
    made = Cluster.make("m5.large", variables={"DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"})
    here = made.nodes[0]
    made.pod(here)
    changed = documents(made)
    state = changed[f"{here.name}/enis.json"]["0"]["ENIs"]
    assert all(not eni["AvailableIPv4Cidrs"] for eni in state.values())
    assert answer(made, made=changed).rule == "no-address-growth-off"
    assert answer(made, made=changed).suggestion == "set DISABLE_NETWORK_RESOURCE_PROVISIONING to false"


def test_ipamd_may_not_call_ec2():
    made = waiting()
    changed = documents(made)
    name = f"Pod kube-system/aws-node-{made.nodes[0].instance_id[-5:]}"
    changed["events"]["items"].append(event_object(name, "MissingIAMPermissions", DENIED, made.now_ns))
    found = answer(made, made=changed)
    assert found.rule == "no-address-permission"
    assert found.message == "got no address: ipamd may not call ec2:CreateNetworkInterface (event MissingIAMPermissions)"


def with_errors(made, api, code):
    changed = documents(made)
    name = f"{made.nodes[0].name}/metrics.txt"
    changed[name] += f'awscni_aws_api_error_count{{api="{api}",error="{code}"}} 4\n'
    return changed


def test_ipamd_may_not_call_ec2_by_its_metrics():
    made = waiting()
    found = answer(made, made=with_errors(made, "CreateNetworkInterface", "UnauthorizedOperation"))
    assert found.rule == "no-address-permission"
    assert "ec2:CreateNetworkInterface (by its metrics)" in found.message
    assert answer(made, made=with_errors(made, "CreateTags", "UnauthorizedOperation")).rule == "no-address-all-held"


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("InvalidParameterValue", "ec2-refuses"),
        ("InsufficientFreeAddressesInSubnet", "subnet-full"),
        ("InsufficientCidrBlocks", "no-prefix"),
    ],
)
def test_ec2_refuses_what_a_growing_node_asks_for(code, rule):
    made = Cluster.make("m5.large")
    here = made.nodes[0]
    while not here.waiting:
        made.pod(here)
    found = answer(made, made=with_errors(made, "AttachNetworkInterface", code))
    assert found.rule == f"no-address-{rule}"
    assert f"EC2 answered AttachNetworkInterface with {code} (4 times since ipamd started)" in found.message


def test_a_growing_node_is_only_a_note():
    made = Cluster.make("m5.large")
    here = made.nodes[0]
    while not here.waiting:
        made.pod(here)
    found = answer(made)
    assert (found.rule, found.severity) == ("no-address-passing", Severity.NOTE)
    assert "so it is growing or about to" in found.message


def test_a_free_address_is_only_a_note():
    made = Cluster.make("t3.small")
    here = made.nodes[0]
    made.pod(here)
    pod = here.pods[next(iter(here.pods))]
    changed = documents(made)
    for each in changed["pods"]["items"]:
        if each["metadata"]["name"] == pod.name:
            each["status"] = {"phase": "Pending"}
    here.failed_ns[pod] = made.now_ns
    changed["events"] = documents(made)["events"]
    found = answer(made, made=changed)
    assert (found.rule, found.severity) == ("no-address-passing", Severity.NOTE)
    assert "2 addresses are free now, 1 of 3 held" in found.message


def test_ipamd_does_not_answer():
    made = Cluster.make("t3.small")
    here = made.nodes[0]
    made.pod(here)
    changed = documents(made)
    changed["pods"]["items"][-1]["status"] = {"phase": "Pending"}
    changed["events"]["items"].append(event_object("Pod default/web-1", "FailedCreatePodSandBox", CONNECTION_REFUSED, made.now_ns))
    assert answer(made, made=changed, without=("enis.json",)).rule == "no-address-ipamd-down"


def test_what_is_missing_is_named():
    made = waiting()
    found = answer(made, without=("enis.json", "ipam.json", "metrics.txt", "daemonset"))
    assert (found.rule, found.severity) == ("no-address-unexplained", Severity.NOTE)
    assert "ipamd's ENIs of the node and the variables of the aws-node container are missing" in found.message
    assert "curl http://localhost:61679/v1/enis" in found.suggestion


def test_pods_of_ended_events_are_left_out():
    made = waiting()
    changed = documents(made)
    changed["pods"]["items"] = [each for each in changed["pods"]["items"] if each["status"]["phase"] == "Running"]
    assert answers(made, made=changed) == []


def test_without_pod_objects_events_are_enough():
    assert answer(waiting(), without=("pods",)).rule == "no-address-all-held"


def test_without_pod_objects_a_pod_that_failed_and_has_an_address_by_ipamd_waits_no_more():
    made = waiting()
    changed = documents(made)
    held = next(each for each in changed["pods"]["items"] if each["metadata"]["namespace"] == "default" and "podIP" in each["status"])
    for event in changed["events"]["items"]:
        event["involvedObject"]["name"] = held["metadata"]["name"]
    assert answers(made, made=changed, without=("pods",)) == []


def test_pods_with_branch_enis_and_pods_that_are_over_or_deleted_need_none():
    made = waiting(pods=3)
    changed = documents(made)
    first, second, third = (each for each in changed["pods"]["items"] if each["status"]["phase"] == "Pending")
    first["metadata"]["annotations"] = {"vpc.amazonaws.com/pod-eni": '[{"eniId":"eni-9","privateIp":"10.0.9.9","vlanId":1}]'}
    second["status"]["phase"] = "Succeeded"
    third["metadata"]["deletionTimestamp"] = "2026-03-01T10:00:00Z"
    assert answers(made, made=changed) == []


def test_addresses_of_excluded_enis_and_of_the_other_mode_are_no_use():
    made = waiting()
    changed = documents(made)
    enis = changed[f"{made.nodes[0].name}/enis.json"]["0"]["ENIs"]
    first, second, third = enis.values()
    first["AvailableIPv4Cidrs"]["10.0.1.0/28"] = {"IPAddresses": {}, "IsPrefix": True}
    second["AvailableIPv4Cidrs"]["10.0.1.99/32"] = {"IPAddresses": {}, "IsPrefix": False}
    second["IsExcludedForPodIPs"] = True
    assert "the node has 6 addresses, 6 of them held" in answer(made, made=changed).message
    third["AvailableIPv4Cidrs"]["10.0.1.98/32"] = {"IPAddresses": {}, "IsPrefix": False}
    assert "1 address is free now, 6 of 7 held" in answer(made, made=changed).message


def test_a_node_whose_next_subnet_was_not_read_is_not_said_to_grow():
    made = Cluster.make("m5.large", variables={"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"})
    made.wait(10)
    while not made.nodes[0].waiting:
        made.pod(made.nodes[0])
    found = answer(made)
    assert found.rule == "no-address-unexplained"
    assert "asks for a further ENI in a subnet that was not read" in found.message
    assert found.suggestion.startswith("see whether that subnet has room")


# --- pods with security groups of their own ----------------------------------------------------------------------------------


def asking_for_a_branch_eni(**options):
    """A node with room for pods and one for a trunk, on which the last pod has security groups."""
    made = Cluster.make("m5.large", variables={"ENABLE_POD_ENI": "true"}, **options)
    made.pod(made.nodes[0])
    made.wait(5)
    changed = documents(made)
    pod = changed["pods"]["items"][-1]
    pod["status"] = {"phase": "Pending"}
    pod["spec"]["containers"] = [{"resources": {"limits": {"vpc.amazonaws.com/pod-eni": "1"}}}, {"resources": None}]
    changed["events"]["items"].append(event_object("Pod default/web-1", "FailedCreatePodSandBox", FAILED, made.now_ns))
    return made, changed


def test_a_pod_that_waits_for_a_branch_eni_is_told_so_though_the_pool_has_addresses():
    made, changed = asking_for_a_branch_eni()
    found = answer(made, made=changed)
    assert (found.rule, found.where) == ("no-address-no-branch-eni", "pod default/web-1")
    assert found.message == "got no address: the node has no trunk ENI, so it has no branch ENIs either"
    found = answer(made, made=changed, without=("network-interfaces", "instances"))
    assert found.message == "got no address: the VPC resource controller has not given it a branch ENI yet"
    assert "trunk-unused" not in {each.rule for each in audit(evidence(changed)).findings}


@pytest.mark.parametrize("reason", ["BranchAllocationFailed", "BranchENIAnnotationFailed"])
def test_the_error_of_the_resource_controller_is_shown(reason):
    made, changed = asking_for_a_branch_eni()
    error = f"failed to allocate branch ENI to pod: \n InsufficientFreeAddressesInSubnet {'x' * 300}"
    changed["events"]["items"].insert(0, event_object("Pod default/web-1", reason, error, made.now_ns))
    found = answer(made, made=changed)
    assert found.message.startswith(
        "got no address: the VPC resource controller gave it no branch ENI: failed to allocate branch ENI to pod: Insuff"
    )
    assert found.message.endswith("xxx…")
    changed["events"]["items"].pop()
    assert answer(made, made=changed, without=("pods", "enis.json", "ipam.json")).rule == "no-address-no-branch-eni"


def test_a_pod_that_asks_for_a_branch_eni_in_vain_gets_an_address_of_the_pool():
    made, changed = asking_for_a_branch_eni()
    changed["daemonset"]["spec"]["template"]["spec"]["containers"][0]["env"] = []
    assert answer(made, made=changed).rule == "no-address-passing"


def test_a_pod_for_a_branch_eni_and_one_for_the_pool_have_a_finding_each():
    made = waiting("m5.large", {"ENABLE_POD_ENI": "true"}, pods=2)
    changed = documents(made)
    pod = changed["pods"]["items"][-1]
    pod["spec"]["containers"] = [{"resources": {"limits": {"vpc.amazonaws.com/pod-eni": "1"}}}]
    found = {each.rule: each.where for each in answers(made, made=changed)}
    assert found["no-address-no-branch-eni"] == f"pod default/{pod['metadata']['name']}"
    assert pod["metadata"]["name"] not in found["no-address-trunk-reserve"]


# --- aws-node that is not there ------------------------------------------------------------------------------------------------


def test_a_node_without_a_plugin_that_is_set_up():
    made = waiting()
    changed = documents(made)
    message = "network is not ready: container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady"
    changed["events"]["items"] = [
        event_object("Pod default/web-1", "Scheduled", f"Successfully assigned default/web-1 to {made.nodes[0].name}", None),
        event_object("Pod default/web-1", "NetworkNotReady", message, made.now_ns),
    ]
    found = answer(made, made=changed, without=("enis.json", "ipam.json", "pods"))
    assert (found.rule, found.message) == ("no-address-ipamd-down", "got no address: aws-node had not set up the CNI plugin")


def test_an_ipamd_that_was_down_and_has_addresses_now():
    made, changed = asking_for_a_branch_eni()
    pod = changed["pods"]["items"][-1]
    del pod["spec"]["containers"]
    changed["events"]["items"][-1]["message"] = CONNECTION_REFUSED
    found = answer(made, made=changed)
    assert (found.rule, found.severity) == ("no-address-passing", Severity.NOTE)
    assert found.message.startswith("got no address: ipamd did not answer the CNI plugin, but ")
    assert "if it fails still, look at the aws-node pod" in found.suggestion
