"""The EKS add-on vpc-cni, as `aws eks` and eksctl have it."""

import json

import pytest

from aws_node_documents import READ, daemonset, message_about, read, said
from vpcipam.errors import ManifestError, SettingsError
from vpcipam.planner import plan
from vpcipam.settings import Settings
from vpcipam.settings.manifest import read_manifest


def addon(configuration=None, **more):
    """An answer of `aws eks describe-addon`."""
    return {"addon": {"addonName": "vpc-cni", "clusterName": "demo", "status": "ACTIVE", "configurationValues": configuration, **more}}


def cluster_config(*addons, **more):
    """eksctl's ClusterConfig."""
    metadata = {"name": "demo", "region": "eu-west-1"}
    return {"apiVersion": "eksctl.io/v1alpha5", "kind": "ClusterConfig", "metadata": metadata, "addons": list(addons), **more}


def vpc_cni(configuration=None, **more):
    """The add-on in a ClusterConfig."""
    return {"name": "vpc-cni", "configurationValues": configuration, **more}


PREFIXES = {"env": {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "2"}}
WITH_PREFIXES = Settings(enable_prefix_delegation=True, warm_prefix_target=2)
TEXTS = [json.dumps(PREFIXES), "env:\n  ENABLE_PREFIX_DELEGATION: 'true'\n  WARM_PREFIX_TARGET: '2'\n", PREFIXES]


# --- aws eks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("configuration", TEXTS, ids=["JSON", "YAML", "mapping"])
def test_the_answer_of_describe_addon_is_read(configuration):
    answer = addon(configuration)
    assert read(answer) == read(answer["addon"]) == read(answer | {"ResponseMetadata": {}}) == WITH_PREFIXES
    assert read(answer).document == "EKS add-on vpc-cni of cluster demo"


@pytest.mark.parametrize("configuration", [None, "", "  ", "{}", "# nothing", {}])
def test_without_configuration_the_shipped_manifest_holds(configuration):
    settings = read(addon(configuration))
    assert settings == Settings()
    assert settings.diagnostics == ()
    assert read({"addon": {"addonName": "vpc-cni"}}) == Settings()


def test_configuration_alone_is_read_too():
    """A minimum without WARM_IP_TARGET stops growing once it is reached: pods wait although ENI 1 has room."""
    targets = {"WARM_ENI_TARGET": "0", "WARM_IP_TARGET": "0", "WARM_PREFIX_TARGET": "1", "MINIMUM_IP_TARGET": "22"}
    settings = read({"env": {"ENABLE_PREFIX_DELEGATION": "true", "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true", **targets}})
    answer = plan("c7a.4xlarge", pods=35, settings=settings)
    assert (answer.pods_assigned, answer.pods_waiting) == (32, 3)
    assert [(eni.device_number, eni.prefixes) for eni in answer.enis] == [(0, 0), (1, 2)]
    assert "WARM_IP_TARGET 0" in answer.waiting_reason


def test_the_configuration_sets_its_own_variables_only():
    assert read_manifest(json.dumps(addon(PREFIXES))).own == {"ENABLE_PREFIX_DELEGATION", "WARM_PREFIX_TARGET"}


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (True, "a boolean", "true"),
        (2, "a number", "2"),
        (2.0, "a number", "2"),
        (None, "nothing", None),
        ([], "a list", "{}"),
        ({}, "a mapping", "{}"),
    ],
)
def test_eks_refuses_a_value_that_is_no_text(value, kind, text):
    settings = read(addon({"env": {"ADDITIONAL_ENI_TAGS": value}}))
    found = message_about(settings, "ADDITIONAL_ENI_TAGS")
    assert found.endswith(f"EKS refuses the value, {kind}: values of the add-on must be text (put it in quotes)")
    assert settings.variables.get("ADDITIONAL_ENI_TAGS") == text
    with pytest.raises(SettingsError, match="EKS refuses"):
        settings.check()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (addon("{"), r"configurationValues of the add-on vpc-cni is not YAML at line 1, column 2"),
        (addon("env: {}\nenv: {}"), r"configurationValues of the add-on vpc-cni is not YAML at line 2, column 1: the key 'env'"),
        (addon('{"env": {}, "env": {}}'), r"configurationValues of the add-on vpc-cni sets the key 'env' twice"),
        (addon("[" * 100_000), "configurationValues of the add-on vpc-cni is nested too deeply"),
        (addon("a\n---\nb"), "configurationValues of the add-on vpc-cni has 2 documents; give one"),
        (addon("text"), r"configurationValues of the add-on vpc-cni must be a mapping, such as \{.*\}, not text"),
        (addon(5), r"configurationValues of the add-on vpc-cni must be a mapping, such as \{.*\}, not a number"),
        (addon({"env": 5}), "env of aws-node must be a mapping from names to values, not a number"),
        ({"addon": [5]}, "addon must be a mapping, as `aws eks describe-addon` writes it, not a list"),
        ({"addon": {}}, "addonName is nothing, not vpc-cni; give the answer of `aws eks describe-addon --addon-name vpc-cni`"),
        ({"addonName": 5}, "addonName is a number, not vpc-cni"),
    ],
)
def test_an_answer_that_cannot_be_read_is_refused(document, message):
    with pytest.raises(ManifestError, match=message):
        read(document)


def test_a_schema_is_told_from_values():
    answer = {"addonName": "vpc-cni", "addonVersion": "v1.23.1-eksbuild.1", "configurationSchema": '{"$ref": "#/definitions/VpcCni"}'}
    with pytest.raises(ManifestError, match=r"this is the schema of the configuration of vpc-cni .*, and has no values; give the answer"):
        read(answer)


def test_another_addon_is_refused_and_skipped_beside_the_right_one():
    other = {"addon": {"addonName": "coredns", "clusterName": "demo", "configurationValues": "{"}}
    with pytest.raises(ManifestError, match="no container at all, only EKS add-on coredns of cluster demo; give"):
        read(other)
    assert read(json.dumps(other) + json.dumps(addon(PREFIXES))) == WITH_PREFIXES


def test_addon_beside_other_keys_is_no_answer():
    with pytest.raises(ManifestError, match="no container"):
        read({"addon": {}, "b": 1, "c": 2})
    assert read(daemonset() | {"addon": {}, "addonName": "coredns"}) == READ


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"status": "CREATE_FAILED"}, "is CREATE_FAILED: this may not be what runs"),
        (
            {"status": "DEGRADED", "health": {"issues": [{"code": "ConfigurationConflict"}, 5, {}]}},
            "is DEGRADED with ConfigurationConflict, nothing: this",
        ),
        ({"status": 5}, "is a number: this may"),
    ],
)
def test_an_addon_that_is_not_well_is_told(more, message):
    assert message in message_about(read(addon(PREFIXES, **more)), "status")


@pytest.mark.parametrize("health", [None, {}, {"issues": []}, {"issues": 5}, 5])
def test_an_addon_that_is_well_needs_no_remark(health):
    assert read(addon(health=health)).diagnostics == ()


def test_another_release_is_told():
    assert said(read(addon(addonVersion="v1.18.6-eksbuild.1"))) == {("addonVersion", "info")}
    assert read(addon(addonVersion="v1.23.1-eksbuild.2")).diagnostics == ()


# --- eksctl --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("configuration", TEXTS, ids=["JSON", "YAML", "mapping"])
@pytest.mark.parametrize("name", ["vpc-cni", "VPC-CNI"])
def test_a_cluster_config_is_read(configuration, name):
    document = cluster_config({"name": "coredns", "configurationValues": "{"}, {"name": name, "configurationValues": configuration})
    settings = read(document)
    assert settings == WITH_PREFIXES
    assert settings.diagnostics == Settings().with_variables(PREFIXES["env"]).diagnostics
    assert settings.document == "eksctl ClusterConfig demo, add-on vpc-cni"


def test_a_block_of_text_is_read():
    text = """
apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
addons:
- name: vpc-cni
  configurationValues: |-
    env:
      WARM_IP_TARGET: "5"
"""
    assert read(text) == Settings(warm_ip_target=5)
    assert read(text).document == "eksctl ClusterConfig, add-on vpc-cni"


def test_an_addon_without_configuration_has_the_shipped_manifest():
    assert read(cluster_config({"name": "vpc-cni"})) == Settings()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (cluster_config(), r"has no add-on of the name vpc-cni \(add-ons: none\); give one with that name"),
        (cluster_config({"name": "coredns"}, {"name": 5}, 5), r"has no add-on of the name vpc-cni \(add-ons: coredns, a number\)"),
        (cluster_config(vpc_cni(), vpc_cni()), r"has 2 add-ons of the name vpc-cni \(add-ons: vpc-cni, vpc-cni\)"),
        (cluster_config() | {"addons": None}, r"has no add-on of the name vpc-cni \(add-ons: none\)"),
        (cluster_config() | {"addons": {"vpc-cni": {}}}, "addons of the ClusterConfig must be a list, not a mapping"),
        (cluster_config(vpc_cni("{")), "configurationValues of the add-on vpc-cni is not YAML"),
        (cluster_config(vpc_cni()) | {"apiVersion": "other/v1"}, "only ClusterConfig demo;"),
        (cluster_config(vpc_cni()) | {"apiVersion": 5}, "only ClusterConfig demo;"),
    ],
)
def test_a_cluster_config_that_cannot_be_read_is_refused(document, message):
    with pytest.raises(ManifestError, match=message):
        read(document)


@pytest.mark.parametrize("family", ["IPv6", "ipv6"])
def test_a_cluster_for_ipv6_has_ipv6_on(family):
    network = {"kubernetesNetworkConfig": {"ipFamily": family}}
    settings = read(cluster_config(vpc_cni(), **network))
    assert settings == Settings(enable_ipv4=False, enable_ipv6=True, enable_prefix_delegation=True)
    settings.check("m5.large")
    assert not read(cluster_config(vpc_cni({"env": {"ENABLE_IPv6": "false"}}), **network)).enable_ipv6


@pytest.mark.parametrize("network", [{"ipFamily": "IPv4"}, {"ipFamily": None}, {}, None, 5])
def test_other_clusters_have_ipv4_on(network):
    assert read(cluster_config(vpc_cni(), kubernetesNetworkConfig=network)) == Settings()


@pytest.mark.parametrize(
    ("conflicts", "told"), [("preserve", True), ("none", True), ("overwrite", False), ("OVERWRITE", False), (5, False)]
)
def test_conflicts_that_are_not_overwritten_are_told(conflicts, told):
    assert said(read(cluster_config(vpc_cni(resolveConflicts=conflicts)))) == ({("resolveConflicts", "info")} if told else set())


def test_pods_for_each_node_are_told():
    groups = [{"name": "workers", "maxPodsPerNode": 58}, {"name": "x"}, {"maxPodsPerNode": True}, 5]
    settings = read(cluster_config(vpc_cni(), managedNodeGroups=groups, nodeGroups=None))
    found = message_about(settings, "maxPodsPerNode")
    assert (
        found == "info: maxPodsPerNode: managedNodeGroups workers sets 58 pods for each node, which is not read here (give --max-pods 58)"
    )
    assert said(read(cluster_config(vpc_cni(), nodeGroups=groups))) == {("maxPodsPerNode", "info")}


@pytest.mark.parametrize(("mode", "told"), [({"enabled": True}, True), ({"enabled": False}, False), (None, False)])
def test_auto_mode_is_told(mode, told):
    assert said(read(cluster_config(vpc_cni(), autoModeConfig=mode))) == ({("autoModeConfig", "warning")} if told else set())


def test_the_release_of_an_addon_is_told():
    assert said(read(cluster_config(vpc_cni(version="v1.12.0")))) == {("version", "info")}
    assert read(cluster_config(vpc_cni(version="latest"))).diagnostics == ()
