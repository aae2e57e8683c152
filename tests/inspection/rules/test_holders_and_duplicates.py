"""Addresses held by nobody, by two, and by ENIs: what each rule says. `test_broken_clusters.py` breaks each in random clusters."""

import json

import pytest
from clusters import REGION, Cluster, documents, evidence, pod_object

from vpcipam.ec2.offline.views import network_interface_view
from vpcipam.inspection import audit
from vpcipam.inspection.address_owners import AddressOwners
from vpcipam.sandbox import PodRef


def two_nodes(**options):
    made = Cluster.make("m5.large", "m5.large", **options)
    for here in made.nodes:
        for _ in range(3):
            made.pod(here)
    made.wait(5)
    return made


def found(made, **options):
    return {each.rule: each for each in audit(evidence(made, **options)).findings}


def pods_on(made, here):
    return [each for each in made["pods"]["items"] if each["spec"]["nodeName"] == here.name and "hostNetwork" not in each["spec"]]


# --- held by nobody --------------------------------------------------------------------------------------------------------


def test_a_sandbox_of_a_pod_that_is_gone():
    cluster = two_nodes()
    made = documents(cluster)
    here = cluster.nodes[0]
    pod = pods_on(made, here)[0]
    made["pods"]["items"].remove(pod)
    gone = found(made)["pod-gone"]
    assert (gone.where, gone.node) == (here.name, here.name)
    assert gone.message == f"has sandboxes of pods that are not on it: {pod['status']['podIP']} for default/{pod['metadata']['name']}"
    assert {source.file.rpartition("/")[2] for source in gone.sources} == {"enis.json", "ipam.json"}


def test_pods_of_one_namespace_or_of_other_nodes_are_not_enough():
    cluster = two_nodes()
    made = documents(cluster)
    made["pods"]["items"] = [each for each in made["pods"]["items"] if each["metadata"]["namespace"] == "kube-system"]
    assert "pod-gone" not in found(made)
    made = documents(cluster)
    made["pods"]["items"] = [each for each in made["pods"]["items"] if each["spec"]["nodeName"] == cluster.nodes[1].name]
    answer = audit(evidence(made))
    assert "pod-gone" not in {each.rule for each in answer.findings}
    assert [each.node for each in answer.unchecked if each.rule == "pod-gone"] == [cluster.nodes[0].name]


def without_names(made, cluster):
    """Take the names of pods out of the files of ipamd, as releases before v1.11 write them."""
    for here in cluster.nodes:
        for eni in made[f"{here.name}/enis.json"]["0"]["ENIs"].values():
            for cidr in eni["AvailableIPv4Cidrs"].values():
                for each in cidr["IPAddresses"].values():
                    each["IPAMMetadata"] = {}
        document = json.loads(made[f"{here.name}/ipam.json"])
        for entry in document["allocations"]:
            del entry["metadata"]
        made[f"{here.name}/ipam.json"] = json.dumps(document)
    return made


def test_an_address_that_no_pod_has_if_ipamd_names_no_pods():
    cluster = two_nodes()
    made = without_names(documents(cluster), cluster)
    assert found(made) == {}
    pod = pods_on(made, cluster.nodes[0])[0]
    made["pods"]["items"].remove(pod)
    assert pod["status"]["podIP"] in found(made)["held-by-no-pod"].message


def test_a_pod_that_has_no_address_yet_can_be_the_one_that_holds_it():
    cluster = two_nodes()
    made = without_names(documents(cluster), cluster)
    pods_on(made, cluster.nodes[0])[0]["status"] = {"phase": "Pending"}
    assert "held-by-no-pod" not in found(made)


def test_sandboxes_taken_over_from_the_container_runtime_are_a_note():
    cluster = two_nodes()
    made = documents(cluster)
    name = f"{cluster.nodes[0].name}/ipam.json"
    made[name] = (
        made[name].replace(b"aws-cni", b"_migrated-from-cri")
        if isinstance(made[name], bytes)
        else made[name].replace("aws-cni", "_migrated-from-cri")
    )
    for eni in made[f"{cluster.nodes[0].name}/enis.json"]["0"]["ENIs"].values():
        for cidr in eni["AvailableIPv4Cidrs"].values():
            for each in cidr["IPAddresses"].values():
                each["IPAMKey"]["networkName"] = "_migrated-from-cri"
    note = found(made)["migrated-sandbox"]
    assert note.severity == "note"
    assert "3 sandboxes taken over from the container runtime" in note.message


def test_a_second_card_without_its_checkpoint_is_not_compared():
    cluster = two_nodes()
    made = documents(cluster)
    name = f"{cluster.nodes[0].name}/enis.json"
    made[name]["1"] = json.loads(json.dumps(made[name]["0"]).replace("eni-", "eni-b").replace("10.0.0.", "10.0.9."))
    assert "not-in-checkpoint" not in found(made)


def test_an_entry_without_a_pod_is_named_so():
    cluster = two_nodes()
    made = documents(cluster)
    name = f"{cluster.nodes[0].name}/ipam.json"
    document = json.loads(made[name])
    document["allocations"].append({"networkName": "aws-cni", "containerID": "x", "ifName": "eth0", "ipv4": "10.0.14.1"})
    made[name] = json.dumps(document)
    assert found(made)["checkpoint-outside-pool"].message.endswith(
        "10.0.14.1 in its checkpoint, in no CIDR of the datastore: an unnamed pod"
    )


# --- one for two -----------------------------------------------------------------------------------------------------------


def test_two_pods_with_one_address():
    cluster = two_nodes()
    made = documents(cluster)
    first, second = cluster.nodes
    pod = pods_on(made, first)[0]
    made["pods"]["items"].append(pod_object(PodRef("default", "twin"), second.name, pod["status"]["podIP"]))
    twice = found(made)["address-of-two-pods"]
    assert twice.where == pod["status"]["podIP"]
    assert twice.message == f"is the address of default/{pod['metadata']['name']} on {first.name}, default/twin on {second.name}"
    assert [source.path for source in twice.sources] == [".items[2]", ".items[10]"]


@pytest.mark.parametrize("change", ["host", "over", "finalizer", "not-ready", "silent", "gone"])
def test_pods_that_have_no_address_of_their_own_any_more(change):
    cluster = two_nodes()
    made = documents(cluster)
    first, second = cluster.nodes
    twin = pod_object(PodRef("default", "twin"), second.name, pods_on(made, first)[0]["status"]["podIP"])
    made["pods"]["items"].append(twin)
    if change == "host":
        twin["spec"]["hostNetwork"] = True
    elif change == "over":
        twin["status"]["phase"] = "Failed"
    elif change == "finalizer":
        twin["metadata"]["deletionTimestamp"] = "2026-03-01T10:00:00Z"
        twin["status"]["containerStatuses"] = [{"state": {"running": {}}}, {"state": {"terminated": {"exitCode": 0}}}]
        assert "address-of-two-pods" in found(made)
        twin["status"]["containerStatuses"].pop(0)
    elif change == "silent":
        made["nodes"]["items"][1]["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
    elif change == "not-ready":
        made["nodes"]["items"][1]["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}, {"type": "Ready", "status": "False"}]
    else:
        twin["spec"]["nodeName"] = "gone"
    assert "address-of-two-pods" not in found(made)


def test_an_address_that_is_held_on_two_nodes():
    cluster = two_nodes()
    made = documents(cluster)
    first, second = cluster.nodes
    entry = json.loads(made[f"{first.name}/ipam.json"])["allocations"][0]
    document = json.loads(made[f"{second.name}/ipam.json"])
    document["allocations"].append(entry | {"containerID": "other"})
    made[f"{second.name}/ipam.json"] = json.dumps(document)
    twice = found(made)["address-of-two-sandboxes"]
    assert (twice.where, twice.node) == (entry["ipv4"], "")
    assert twice.message.startswith("is held for 2 sandboxes: default/web-1 on ")


def test_files_of_a_node_that_are_given_twice_say_the_same():
    cluster = two_nodes()
    made = documents(cluster)
    here = cluster.nodes[0]
    for file in ("enis.json", "ipam.json"):
        made[f"again/{file}"] = made[f"{here.name}/{file}"]
    assert "address-of-two-sandboxes" not in found(made)
    assert "address-of-two-sandboxes" not in found(without_names(made, cluster))


def test_a_pod_with_a_primary_address():
    cluster = two_nodes()
    made = documents(cluster)
    here = cluster.nodes[0]
    made["pods"]["items"].append(pod_object(PodRef("default", "intruder"), here.name, here.address))
    wrong = found(made)["pod-has-primary-ip"]
    assert (wrong.where, wrong.node) == ("pod default/intruder", here.name)
    assert wrong.message == f"has {here.address}, the primary address of {here.datastore.eni_ids[0]}"


def test_a_pod_with_an_address_of_another_node_or_of_a_foreign_eni():
    cluster = two_nodes(variables={"ENABLE_PREFIX_DELEGATION": "true"})
    first, second = cluster.nodes
    made = documents(cluster)
    free = second.datastore.cidrs(second.datastore.eni_ids[0])[0].partition("/")[0]
    pods_on(made, first)[0]["status"] |= {"podIP": free, "podIPs": [{"ip": free}]}
    wrong = found(made)["pod-address-elsewhere"]
    assert (
        wrong.message
        == f"has {free}, and EC2 shows it on {second.datastore.eni_ids[0]} of {second.instance_id}; the pod is on {first.instance_id}"
    )
    foreign = cluster.model.create_network_interface(subnet_id=cluster.subnet_id, secondary_ip_count=1, now_ns=cluster.now_ns)
    made = documents(cluster)
    address = foreign.secondary_ips[0]
    pods_on(made, first)[0]["status"] |= {"podIP": address, "podIPs": [{"ip": address}]}
    assert f"{foreign.eni_id}, which is attached to no instance" in found(made)["pod-address-elsewhere"].message


def test_pods_with_branch_enis_and_pods_of_other_networks_are_left_out():
    cluster = two_nodes()
    made = documents(cluster)
    first = cluster.nodes[0]
    branch = cluster.model.create_network_interface(subnet_id=cluster.subnet_id, interface_type="branch", now_ns=cluster.now_ns)
    made["network-interfaces"]["NetworkInterfaces"].append(network_interface_view(branch, REGION))
    made["pods"]["items"].append(pod_object(PodRef("default", "branched"), first.name, branch.private_ip))
    made["pods"]["items"].append(pod_object(PodRef("default", "overlay"), first.name, "172.30.1.1"))
    annotated = pod_object(PodRef("default", "annotated"), first.name, "10.0.14.9")
    annotated["metadata"]["annotations"] = {"vpc.amazonaws.com/pod-eni": '[{"eniId":"eni-9","privateIp":"10.0.14.9","vlanId":1}]'}
    made["pods"]["items"].append(annotated)
    assert found(made) == {}


def test_a_leaked_eni_of_an_old_release_is_known_by_its_description():
    cluster = two_nodes()
    here = cluster.nodes[0]
    left = cluster.model.create_network_interface(
        subnet_id=cluster.subnet_id, description=f"aws-K8S-{here.instance_id}", now_ns=cluster.now_ns
    )
    unnamed = cluster.model.create_network_interface(subnet_id=cluster.subnet_id, description="aws-K8S-", now_ns=cluster.now_ns)
    leaks = [each for each in audit(evidence(documents(cluster))).findings if each.rule == "leaked-eni"]
    assert [(each.where, each.node) for each in leaks] == [(left.eni_id, here.name), (unnamed.eni_id, "")]
    assert leaks[1].message.startswith("was created for some instance, is attached to nothing, and holds 1 address; no node.k8s")


def test_owners_are_told_apart_by_vpc():
    cluster = two_nodes()
    (first, *_) = cluster.model.describe_network_interfaces(now_ns=cluster.now_ns)
    owners = AddressOwners([first])
    assert owners.of_address(cluster.vpc_id, first.private_ip) is first
    assert owners.of_address("vpc-other", first.private_ip) is None
    assert owners.of_address(cluster.vpc_id, "nonsense") is None
    assert owners.of_address(cluster.vpc_id, "2001:db8::1") is None
