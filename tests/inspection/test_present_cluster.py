"""From files to the cluster that the planner takes: groups, pods, subnets, what is taken, and what nothing shows."""

import copy
import json

import pytest

from vpcipam.address import Cidr
from vpcipam.errors import EvidenceError
from vpcipam.inspection.joining import Assumptions
from vpcipam.inspection.present_cluster import present_cluster
from vpcipam.limits import MaxPodsBy
from vpcipam.planner import plan_present
from vpcipam.settings import Settings

from clusters import Cluster, documents, evidence  # isort: skip

EC2 = ("subnets", "instances", "network-interfaces", "reservations")
ALL = ("nodes", "pods", "daemonset", *EC2)


@pytest.fixture(scope="module")
def settled():
    cluster = Cluster.make("m5.large", "t3.medium", cidr="10.0.0.0/24")
    for here, count in zip(cluster.nodes, (12, 4), strict=True):
        for _ in range(count):
            cluster.pod(here)
        cluster.wait(30)
    cluster.model.create_network_interface(subnet_id=cluster.subnet_id, private_ip="10.0.0.200", now_ns=cluster.now_ns)
    cluster.wait(300)
    return cluster


@pytest.fixture
def made(settled):
    return copy.deepcopy(documents(settled))


def read(made, *only, **given):
    return present_cluster(evidence(made, only or ALL), Assumptions(**given) if given else None)


def test_all_documents_show_all(made):
    found = read(made)
    assert (found.assumptions, found.missing, found.unbound_pods) == ((), (), 0)
    assert [(each.group, each.pods, each.branch_pods, each.max_pods, each.attached) for each in found.nodes] == [
        ("m5.large", 12, 0, 29, 30),
        ("t3.medium", 4, 0, 17, 12),
    ]
    (subnet,) = found.subnets.values()
    assert (subnet.held_count, subnet.other_count, subnet.places_known) == (42, 1, True)
    assert plan_present(found).pools[0].attached == plan_present(found).pools[0].addresses == 42


@pytest.mark.parametrize(
    ("labels", "group", "by"),
    [
        ({"eks.amazonaws.com/nodegroup": "a", "alpha.eksctl.io/nodegroup-name": "b"}, "a", MaxPodsBy.MANAGED_NODE_GROUP),
        ({"karpenter.sh/nodepool": "c"}, "c", MaxPodsBy.KARPENTER),
        ({"karpenter.sh/provisioner-name": "d"}, "d", MaxPodsBy.KARPENTER),
        ({"alpha.eksctl.io/nodegroup-name": "e"}, "e", MaxPodsBy.AMI),
        ({}, "m5.large", MaxPodsBy.MANAGED_NODE_GROUP),
    ],
)
def test_labels_tell_groups_apart(made, labels, group, by):
    made["nodes"]["items"][0]["metadata"]["labels"] |= labels
    node, _ = read(made).nodes
    assert (node.group, node.provisioner) == (group, by)


@pytest.mark.parametrize(("limits", "found"), [((), None), ((50,), 50), ((50, 50), 50), ((50, 60), None), ((None,), None)])
def test_the_max_pods_of_karpenters_node_class_is_that_of_its_new_nodes(made, limits, found):
    made["nodes"]["items"][0]["metadata"]["labels"]["karpenter.sh/nodepool"] = "burst"
    classes = [
        {
            "apiVersion": "karpenter.k8s.aws/v1",
            "kind": "EC2NodeClass",
            "metadata": {"name": f"c{place}"},
            "spec": {"kubelet": {"maxPods": each}},
        }
        for place, each in enumerate(limits)
    ]
    made["classes"] = {"kind": "List", "apiVersion": "v1", "items": classes}
    cluster = read(made, *ALL, "classes")
    assert [each.new_max_pods for each in cluster.nodes] == [found, None]
    groups = plan_present(cluster, {"ENABLE_PREFIX_DELEGATION": "true"}).groups
    assert groups[0].max_pods == (found or 29,)


def kubelets(*owners):
    """Objects that limit kubelets: each a kind, a name, max-pods and podsPerCore."""
    places = {"NodePool": ("template", "spec", "kubelet"), "EC2NodeClass": ("kubelet",), "NodeConfig": ("kubelet", "config")}
    items = []
    for kind, name, max_pods, pods_per_core in owners:
        limits = {key: value for key, value in (("maxPods", max_pods), ("podsPerCore", pods_per_core)) if value is not None}
        for place in reversed(("spec", *places[kind]) if kind in places else ()):
            limits = {place: limits}
        items.append({"apiVersion": "example/v1", "kind": kind, "metadata": {"name": name}} | limits)
    return {"kind": "List", "apiVersion": "v1", "items": items}


KARPENTER = ("karpenter.sh/nodepool", "burst")
GROUP = ("eks.amazonaws.com/nodegroup", "general")


@pytest.mark.parametrize(
    ("label", "owners", "found", "limit"),
    [
        (KARPENTER, [("EC2NodeClass", "a", None, 8)], (None, 8), 16),
        (KARPENTER, [("EC2NodeClass", "a", 12, 8)], (12, 8), 12),
        (KARPENTER, [("EC2NodeClass", "a", None, 15)], (None, 15), 29),
        (KARPENTER, [("EC2NodeClass", "a", 40, 15)], (40, 15), 30),
        (KARPENTER, [("EC2NodeClass", "a", 0, 0)], (None, 0), 29),
        (KARPENTER, [("EC2NodeClass", "a", 40, None), ("NodePool", "burst", None, None)], (40, 0), 40),  # a NodePool of v1 sets nothing
        (KARPENTER, [("NodePool", "burst", 40, None), ("NodePool", "other", 20, None)], (40, 0), 40),
        (KARPENTER, [("NodePool", "burst", None, None), ("NodePool", "other", None, 4)], (None, 0), 29),
        (KARPENTER, [("NodeConfig", "", 12, 2), ("KubeletConfiguration", "", 12, 2)], (None, 0), 29),
        (GROUP, [("EC2NodeClass", "a", 12, 8), ("NodePool", "general", 12, 8)], (None, 0), 110),
        (GROUP, [("KubeletConfiguration", "", 12, 8)], (None, 8), 16),
        (GROUP, [("KubeletConfiguration", "", 12, 8), ("NodeConfig", "", 40, None)], (40, 0), 40),
    ],
)
def test_the_kubelet_of_a_new_node_has_the_limits_of_its_group(made, label, owners, found, limit):
    made["nodes"]["items"][0]["metadata"]["labels"] |= dict([label])
    made["kubelets"] = kubelets(*owners)
    cluster = read(made, *ALL, "kubelets")
    node = cluster.nodes[0]
    assert (node.new_max_pods, node.new_pods_per_core) == found
    assert plan_present(cluster).groups[0].max_pods_now == (29,)  # as the node object says
    (group,) = [each for each in plan_present(cluster, {"ENABLE_PREFIX_DELEGATION": "true"}).groups if each.name == label[1]]
    assert group.max_pods == (limit,)
    assert cluster.assumptions == ()


def test_limits_of_kubelets_that_differ_are_named(made):
    made["nodes"]["items"][0]["metadata"]["labels"] |= dict([KARPENTER])
    made["kubelets"] = kubelets(("EC2NodeClass", "a", 12, None), ("EC2NodeClass", "b", 12, 3))
    assert read(made, *ALL, "kubelets").assumptions == (
        "EC2NodeClass a, EC2NodeClass b: limits of kubelets differ, so new nodes of burst have what Karpenter sets",
    )


def test_a_node_that_shows_no_limit_has_that_of_a_new_one(made):
    made["nodes"]["items"][0]["metadata"]["labels"] |= dict([KARPENTER])
    del made["nodes"]["items"][0]["status"]["capacity"]["pods"]
    made["kubelets"] = kubelets(("EC2NodeClass", "a", None, 5))
    assert plan_present(read(made, *ALL, "kubelets")).groups[0].max_pods == (10,)


def test_pods_on_the_host_network_and_ended_ones_do_not_count(made):
    pods = made["pods"]["items"]
    mine = [each for each in pods if each["metadata"]["name"].startswith("web")]
    mine[0]["status"]["phase"], mine[1]["status"]["phase"] = "Succeeded", "Failed"
    mine[2]["spec"]["hostNetwork"] = True
    del mine[3]["spec"]["nodeName"]
    mine[4]["metadata"]["annotations"] = {
        "vpc.amazonaws.com/pod-eni": json.dumps([{"eniId": "eni-1", "privateIp": "10.0.0.9", "vlanId": 1}])
    }
    found = read(made)
    assert (found.nodes[0].pods, found.nodes[0].branch_pods, found.unbound_pods) == (7, 1, 1)


def test_without_pod_objects_ipamd_tells(made):
    assert [each.pods for each in read(made, "nodes", "enis.json", "network-interfaces").nodes] == [12, 4]


@pytest.fixture
def alone():
    """A node, the only one, so that the files of its ipamd are the node's."""
    cluster = Cluster.make("m5.large", cidr="10.0.0.0/24")
    for _ in range(3):
        cluster.pod(cluster.nodes[0])
    cluster.wait(60)
    return copy.deepcopy(documents(cluster))


def test_ipamd_shows_what_is_attached_where_ec2_does_not(alone):
    found = read(alone, "nodes", "enis.json", "subnets")
    assert [(each.pods, each.attached) for each in found.nodes] == [(3, 20)]
    (subnet,) = found.subnets.values()
    assert (subnet.held_count, subnet.other_count, subnet.places_known) == (20, 0, False)


def test_the_number_of_addresses_that_ipamd_has_assigned_is_enough(alone):
    (name,) = [each for each in alone if each.endswith("/enis.json")]
    alone[name] = {"0": {"TotalIPs": 18, "AssignedIPs": 5, "ENIs": {}}}
    assert [(each.pods, each.attached) for each in read(alone, "nodes", "enis.json").nodes] == [(5, None)]


def test_ipamd_names_the_subnet_of_the_primary_eni(alone):
    alone["nodes"]["items"][0]["status"]["addresses"] = []
    assert [each.subnet_ids for each in read(alone, "nodes", "enis.json", "subnets").nodes] == [("subnet-00000000000000001",)]


def test_kubectl_alone_gives_the_need(made):
    found = read(made, "nodes", "pods")
    assert [each.subnet_ids for each in found.nodes] == [(), ()]
    assert "settings are those of the manifest as AWS ships it" in found.assumptions[0]
    assert any("the subnet is not known" in each for each in found.missing)
    assert any("nothing shows what is attached" in each for each in found.missing)
    assert [each.addresses for each in plan_present(found).pools] == [42]


def test_the_address_of_a_node_tells_its_subnet(made):
    found = read(made, "nodes", "pods", "subnets")
    assert {each.subnet_ids for each in found.nodes} == {("subnet-00000000000000001",)}
    (subnet,) = found.subnets.values()
    assert (subnet.unplaced_held, subnet.unplaced_others, subnet.held_known) == (42, 1, False)
    assert "of 43 taken addresses that no ENI shows, 42 are those of nodes" in " ".join(found.assumptions)


def test_a_subnet_without_a_free_count_is_taken_as_it_is_seen(made):
    del made["subnets"]["Subnets"][0]["AvailableIpAddressCount"]
    (subnet,) = read(made, "nodes", "pods", "subnets").subnets.values()
    assert (subnet.other_count, subnet.held_known) == (0, False)


def test_nodes_without_aws_node_are_left_out(made):
    made["nodes"]["items"][0]["metadata"]["labels"]["eks.amazonaws.com/compute-type"] = "fargate"
    found = read(made)
    assert [each.group for each in found.nodes] == ["t3.medium"]
    assert "no aws-node runs there (eks.amazonaws.com/compute-type=fargate)" in found.missing[0]
    assert next(iter(found.subnets.values())).other_count == 31
    made["nodes"]["items"][1]["metadata"]["labels"]["kubernetes.io/os"] = "windows"
    with pytest.raises(EvidenceError, match=r"^not enough in this to plan a cluster: .*fargate.*no aws-node runs on Windows"):
        read(made)


def test_unknown_types_and_pods_are_named(made):
    for item in made["nodes"]["items"]:
        item["metadata"]["labels"]["node.kubernetes.io/instance-type"] = "x99.large"
    with pytest.raises(EvidenceError, match="its instance type is not known; give kubectl get nodes"):
        read(made, "nodes", "pods")
    with pytest.raises(EvidenceError, match="no node: give kubectl get nodes,pods"):
        read(made, "subnets")
    with pytest.raises(EvidenceError, match="its pods are not known; give kubectl get pods"):
        read(made, *EC2)


def test_instances_without_node_objects_are_nodes_if_the_cni_runs_there(made):
    found = read(made, *EC2, "enis.json")
    assert [each.pods for each in found.nodes] == [12, 4]
    assert all("max-pods is what the provisioner sets" in each for each in found.assumptions if "max-pods" in each)
    for eni in made["network-interfaces"]["NetworkInterfaces"]:
        eni["TagSet"] = []
    with pytest.raises(EvidenceError):
        read(made, *EC2)


def test_a_person_overrides_the_documents(made):
    found = read(made, settings=Settings().with_variables({"WARM_IP_TARGET": "1"}), given_settings=True, max_pods=50, max_pods_by=None)
    assert {(each.settings.warm_ip_target, each.max_pods) for each in found.nodes} == {(1, 50)}


def test_introspection_alone_shows_few_settings(made):
    made["env"] = {"WARM_IP_TARGET": 3, "WARM_ENI_TARGET": 1, "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": False}
    found = read(made, "nodes", "pods", "env", *EC2)
    assert [each for each in found.assumptions if "introspection shows only few settings" in each]


def test_pods_of_one_namespace_may_not_be_all(made):
    made["pods"]["items"] = [each for each in made["pods"]["items"] if each["metadata"]["namespace"] == "default"]
    assert "no pod of kube-system was read" in read(made).assumptions[0]


def test_reservations_count_by_their_type(made):
    subnet_id = made["subnets"]["Subnets"][0]["SubnetId"]
    made["reservations"]["SubnetIpv4CidrReservations"] = [
        {"SubnetCidrReservationId": f"scr-{cidr[7:10]}", "SubnetId": subnet_id, "Cidr": cidr, "ReservationType": kind}
        for cidr, kind in (("10.0.0.128/28", "prefix"), ("10.0.0.144/28", "explicit"))
    ]
    made["subnets"]["Subnets"][0]["AvailableIpAddressCount"] -= 32
    (subnet,) = read(made).subnets.values()
    assert (subnet.reserved, subnet.other_count, subnet.places_known) == ((Cidr.parse("10.0.0.128/28"),), 17, True)


def test_an_answer_with_a_page_missing_leaves_the_attached_unknown(made):
    made["network-interfaces"]["NextToken"] = "more"
    found = read(made, "nodes", "pods", "daemonset", "subnets", "network-interfaces")
    assert [each.attached for each in found.nodes] == [None, None]
    assert next(iter(found.subnets.values())).held_known is False


@pytest.mark.parametrize("cidr", ["2001:db8::/64", "0.0.0.0/0", "10.0.0.0/15", "10.0.0.0/29", "10.0.0.0/33"])
def test_what_is_no_subnet_of_ec2_is_not_known(made, cidr):
    made["subnets"]["Subnets"][0]["CidrBlock"] = cidr
    found = read(made)
    assert found.subnets == {}
    assert "the subnet is not known" in " ".join(found.missing)


def test_tagged_subnets_of_the_zone_are_shared(settled, made):
    second = dict(made["subnets"]["Subnets"][0], SubnetId="subnet-2", CidrBlock="10.0.4.0/24", AvailableIpAddressCount=251)
    second["Tags"] = [{"Key": "kubernetes.io/role/cni", "Value": "1"}]
    made["subnets"]["Subnets"].append(second)
    assert read(made).nodes[0].subnet_ids == (settled.subnet_id, "subnet-2")
    off = Settings().with_variables({"ENABLE_SUBNET_DISCOVERY": "false"})
    silent = plan_present(read(made, settings=off, given_settings=True))
    assert [each.subnet_ids for each in silent.pools] == [(settled.subnet_id,)]
    ipv6 = Settings().with_variables({"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"})
    assert [each.subnet_ids for each in plan_present(read(made, settings=ipv6, given_settings=True)).pools] == [(settled.subnet_id,)]


def test_a_tag_can_keep_pods_out_of_the_nodes_own_subnet(settled, made):
    (own,) = made["subnets"]["Subnets"]
    own["Tags"] = [{"Key": "kubernetes.io/role/cni", "Value": "0"}]
    alone = read(made)
    assert [each.own_subnet_excluded for each in alone.nodes] == [True, True]
    assert "none is open to them: tag one of the zone kubernetes.io/role/cni=1" in " ".join(alone.missing)
    second = dict(own, SubnetId="subnet-2", CidrBlock="10.0.4.0/24", AvailableIpAddressCount=251)
    second["Tags"] = [{"Key": "kubernetes.io/role/cni", "Value": "1"}]
    made["subnets"]["Subnets"].append(second)
    both = read(made)
    assert both.missing == ()
    assert [(each.subnet_ids, each.for_pods, each.addresses) for each in plan_present(both).pools] == [
        ((settled.subnet_id,), False, 2),
        (("subnet-2",), True, 20 + 12),  # two ENIs of each
    ]


@pytest.mark.parametrize(
    ("labels", "names", "found"),
    [
        ({"k8s.amazonaws.com/eniConfig": "mine"}, ("mine", "us-east-1a"), ("pods-mine",)),
        ({}, ("us-east-1a",), ("pods-us-east-1a",)),
        ({}, ("default", "x"), ("pods-default",)),
        ({}, ("x", "y"), ()),
    ],
)
def test_the_eniconfig_is_that_of_the_label_or_of_the_zone(made, labels, names, found):
    made["nodes"]["items"][0]["metadata"]["labels"] |= labels
    for place, name in enumerate(names):
        more = dict(made["subnets"]["Subnets"][0], SubnetId=f"pods-{name}", CidrBlock=f"10.0.{8 + place}.0/24", AvailableIpAddressCount=251)
        made["subnets"]["Subnets"].append(more)
    made["configs"] = {
        "kind": "List",
        "apiVersion": "v1",
        "items": [
            {
                "apiVersion": "crd.k8s.amazonaws.com/v1alpha1",
                "kind": "ENIConfig",
                "metadata": {"name": name},
                "spec": {"subnet": f"pods-{name}"},
            }
            for name in names
        ],
    }
    cluster = read(made, *ALL, "configs")
    assert cluster.nodes[0].pod_subnet_ids == found
    custom = read(
        made, *ALL, "configs", settings=Settings().with_variables({"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}), given_settings=True
    )
    assert any(each.startswith(custom.nodes[0].name) for each in custom.missing) is not bool(found)


def test_branch_enis_of_a_nodes_trunk_are_the_nodes(settled, made):
    enis = made["network-interfaces"]["NetworkInterfaces"]
    own = next(each for each in enis if each["Attachment"]["InstanceId"] == settled.nodes[0].instance_id)
    for number, tags in ((1, [{"Key": "vpcresources.k8s.aws/trunk-eni-id", "Value": own["NetworkInterfaceId"]}]), (2, [])):
        branch = {key: value for key, value in own.items() if key != "Attachment"}
        address = f"10.0.0.{220 + number}"
        branch |= {"NetworkInterfaceId": f"eni-{number}", "InterfaceType": "branch", "TagSet": tags, "PrivateIpAddress": address}
        branch |= {"PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": address}]}
        enis.append(branch)
    found = read(made)
    assert found.nodes[0].attached == 31
    assert next(iter(found.subnets.values())).other_count == 2


def test_many_nodes_are_named_by_the_first():
    made = documents(Cluster.make(*["t3.small"] * 5))
    assert any(" and 3 more: nothing shows what is attached" in each for each in read(made, "nodes", "pods").missing)
