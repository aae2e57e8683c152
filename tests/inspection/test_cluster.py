"""How files become nodes: by instance id, provider id, private address and ENI id; what can't be joined stays visible."""

from clusters import BEGIN_NS, Cluster, documents, evidence
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.inspection.joining import Assumptions, join
from vpcipam.settings import Settings


def two_nodes(**options):
    made = Cluster.make("m5.large", "t3.small", **options)
    for here in made.nodes:
        for _ in range(3):
            made.pod(here)
    made.wait(5)
    return made


def by_name(made, only=None, **options):
    return {node.name: node for node in join(evidence(made, only=only), **options).nodes}


def loose(made):
    """The same documents with the files of nodes given by themselves."""
    return {name.replace("/", "-"): content for name, content in made.items()}


def is_whole(cluster, case):
    assert [node.name for node in case.nodes] == [here.name for here in cluster.nodes]
    for here, node in zip(cluster.nodes, case.nodes, strict=True):
        assert node.instance_id == here.instance_id
        assert node.limits == here.node.limits
        assert node.settings.value == cluster.settings
        assert node.max_pods == here.node.max_pods
        assert {each.address for each in node.held} == {each[0] for each in here.held()}
        assert {fact.value.eni_id for fact in node.enis} == set(here.datastore.eni_ids)
        assert {fact.value.eni_id for fact in node.network_interfaces} >= set(here.datastore.eni_ids)
        assert {fact.value.pod for fact in node.pods} >= set(here.pods.values())
        assert node.metrics
        assert len(node.cards) == 1
        assert {each.value.about for each in node.events} == {f"Pod {pod}" for pod in here.pods.values()}


def test_all_files_of_two_nodes():
    cluster = two_nodes()
    is_whole(cluster, join(evidence(documents(cluster))))


def test_files_that_are_given_by_themselves_are_told_apart_by_their_enis():
    cluster = two_nodes()
    is_whole(cluster, join(evidence(loose(documents(cluster)))))


@given(st.permutations(sorted(documents(two_nodes()))))
def test_the_order_of_files_does_not_count(order):
    cluster = two_nodes()
    made = documents(cluster)
    names = {node.name for node in join(evidence({name: made[name] for name in order})).nodes}
    assert names == {here.name for here in cluster.nodes}


def test_nodes_are_joined_to_instances_by_their_address():
    cluster = two_nodes()
    made = documents(cluster)
    for item in made["nodes"]["items"]:
        del item["spec"]["providerID"]
    assert [node.instance_id for node in join(evidence(made)).nodes] == [here.instance_id for here in cluster.nodes]


def test_nodes_that_only_pods_name_are_joined_by_their_host_network_pods():
    cluster = two_nodes()
    found = by_name(documents(cluster), only=("pods", "instances", "events"))
    assert {name: node.instance_id for name, node in found.items()} == {here.name: here.instance_id for here in cluster.nodes}
    assert set(by_name(documents(cluster), only=("events",))) == {here.name for here in cluster.nodes}


def test_an_instance_alone_has_its_enis():
    cluster = two_nodes()
    found = by_name(documents(cluster), only=("instances",))
    assert set(found) == {here.instance_id for here in cluster.nodes}
    assert all(node.network_interfaces and node.survey is not None for node in found.values())
    assert all(node.settings is None for node in found.values())


def test_enis_alone_tell_the_instance_but_not_its_type():
    found = by_name(documents(two_nodes()), only=("network-interfaces",))
    assert all((node.limits, node.survey) == (None, None) for node in found.values())


def test_enis_and_a_node_object_tell_what_the_instance_is():
    cluster = two_nodes()
    found = by_name(documents(cluster), only=("network-interfaces", "nodes"))
    for here in cluster.nodes:
        seen = found[here.name].observed
        assert (seen.instance.instance_id, seen.instance.vpc_id) == (here.instance_id, cluster.vpc_id)
        assert seen.from_files


def test_files_of_ipamd_alone_are_one_node():
    cluster = Cluster.make("t3.small")
    cluster.pod(cluster.nodes[0])
    made = loose(documents(cluster))
    (node,) = join(evidence({name: each for name, each in made.items() if name.endswith((".json", ".txt"))})).nodes
    assert node.name == "the node"
    assert (len(node.held), node.checkpoint_count) == (1, 1)
    assert node.latest_ns == BEGIN_NS + 10**9


def test_archives_of_unknown_nodes_stay_apart():
    cluster = two_nodes()
    found = by_name(documents(cluster), only=("enis.json", "ipam.json"))
    assert set(found) == {f"{here.name}.tar" for here in cluster.nodes}


def test_files_belong_to_the_only_node_if_nothing_speaks_against_it():
    cluster = Cluster.make("t3.small")
    made = documents(cluster)
    (node,) = join(evidence(made, only=("nodes", "ipam.json"))).nodes
    assert (node.name, node.checkpoint_count, node.held) == (cluster.nodes[0].name, 1, ())


def test_files_of_another_node_do_not_belong_to_the_only_one():
    cluster = two_nodes()
    made = documents(cluster)
    first, second = cluster.nodes
    made["network-interfaces"]["NetworkInterfaces"] = [
        each for each in made["network-interfaces"]["NetworkInterfaces"] if each["Attachment"]["InstanceId"] == first.instance_id
    ]
    wanted = ("network-interfaces", f"{second.name}/enis.json")
    found = join(evidence({name: made[name] for name in wanted})).nodes
    assert [(bool(node.network_interfaces), bool(node.enis)) for node in found] == [(True, False), (False, True)]


def test_a_second_set_of_files_of_one_node_stays_visible():
    cluster = Cluster.make("t3.small")
    made = documents(cluster)
    name = cluster.nodes[0].name
    made["again/enis.json"] = made[f"{name}/enis.json"]
    assert [node.name for node in join(evidence(made)).nodes] == [name, "again.tar"]


def test_a_vote_decides_whose_files_they_are():
    cluster = two_nodes()
    made = documents(cluster)
    first, second = cluster.nodes
    for item in made["pods"]["items"]:  # a pod that has moved on: its old address is another's now
        if item["metadata"]["name"] == first.pods[next(iter(first.pods))].name:
            item["spec"]["nodeName"] = second.name
    found = by_name(made, only=("pods", "nodes", "ipam.json"))
    assert {name: len(node.held) for name, node in found.items()} == {first.name: 3, second.name: 3}


# --- settings and limits -------------------------------------------------------------------------------------------------


def variables(**changes):
    items = [{"name": name, "value": value} for name, value in changes.items()]
    container = {"name": "aws-node", "image": "amazon-k8s-cni:v1.23.1", "env": items}
    return {"kind": "DaemonSet", "metadata": {"name": "aws-node"}, "spec": {"template": {"spec": {"containers": [container]}}}}


def test_settings_of_the_cluster_that_contradict_each_other_do_not_count():
    made = documents(two_nodes()) | {"other": variables(WARM_IP_TARGET="7")}
    assert join(evidence(made)).settings is None
    assert join(evidence({"first": variables(WARM_IP_TARGET="7"), "second": variables(WARM_IP_TARGET="7")})).settings is not None


def test_settings_of_an_aws_node_pod_count_for_its_node():
    cluster = two_nodes()
    made = documents(cluster)
    first, second = cluster.nodes
    for item in made["pods"]["items"]:
        if item["metadata"]["name"].startswith("aws-node") and item["spec"]["nodeName"] == first.name:
            item["spec"]["containers"] = variables(WARM_IP_TARGET="7")["spec"]["template"]["spec"]["containers"]
    found = by_name(made)
    assert found[first.name].settings.value.warm_ip_target == 7
    assert found[second.name].settings.value == cluster.settings


def test_settings_of_a_bundle_count_for_its_node_and_introspection_for_nobody_else():
    cluster = two_nodes()
    made = documents(cluster)
    del made["daemonset"]
    first, second = cluster.nodes
    made[f"{first.name}/env.json"] = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": False, "WARM_IP_TARGET": 9, "WARM_ENI_TARGET": 1}
    found = by_name(made)
    assert found[first.name].settings.value.warm_ip_target == 9
    assert found[second.name].settings is None


def test_a_manifest_counts_more_than_introspection():
    made = {
        "env": {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": False, "WARM_IP_TARGET": 9, "WARM_ENI_TARGET": 1},
        "daemonset": variables(WARM_IP_TARGET="7"),
    }
    assert join(evidence(made)).settings.value.warm_ip_target == 7
    assert join(evidence({"env": made["env"]})).settings.value.warm_ip_target == 9


def test_given_settings_count_for_every_node_and_assumed_ones_where_no_file_shows_any():
    made = documents(two_nodes())
    given = Settings().with_variables({"WARM_IP_TARGET": "4"})
    for node in by_name(made, assumptions=Assumptions(settings=given, given_settings=True)).values():
        assert (node.settings.value, node.assumed_settings) == (given, False)
    for node in by_name(made, assumptions=Assumptions(settings=given)).values():
        assert (node.settings.value == given, node.assumed_settings) == (False, False)
    del made["daemonset"]
    for node in by_name(made, assumptions=Assumptions(settings=given)).values():
        assert (node.settings.value, node.assumed_settings) == (given, True)


def test_limits_of_ec2_count_more_than_the_table():
    made = documents(two_nodes())
    made["instance-types"]["InstanceTypes"][0]["NetworkInfo"]["Ipv4AddressesPerInterface"] = 5
    limits = [node.limits.ipv4_per_eni for node in join(evidence(made)).nodes]
    assert limits == [5, 4]
    made["instances"]["Reservations"][0]["Instances"][0]["InstanceType"] = "x9.unknown"
    assert join(evidence(made)).nodes[0].limits is None


def test_settings_that_ipamd_refuses_leave_no_survey():
    made = documents(two_nodes()) | {"daemonset": variables(ENABLE_IPv4="true", ENABLE_IPv6="true")}
    assert [node.survey for node in join(evidence(made)).nodes] == [None, None]


def test_max_pods_can_be_given():
    (first, _) = join(evidence(documents(two_nodes())), assumptions=Assumptions(max_pods=7)).nodes
    assert (first.max_pods, first.survey.max_pods) == (7, 7)


def test_nodes_are_found_by_name():
    cluster = two_nodes()
    case = join(evidence(documents(cluster)))
    assert case.node_named(cluster.nodes[1].name) is case.nodes[1]
    assert case.node_named("nobody") is None


def test_the_last_answer_about_an_eni_counts():
    cluster = two_nodes()
    made = documents(cluster)
    again = {"NetworkInterfaces": [dict(each, Description="newer") for each in made["network-interfaces"]["NetworkInterfaces"]]}
    case = join(evidence(made | {"zz": again}))
    assert {fact.value.description for fact in case.network_interfaces.values()} == {"newer"}
