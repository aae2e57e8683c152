"""Values of the Helm chart aws-vpc-cni."""

import json

import pytest

from aws_node_documents import ELSEWHERE, message_about, read, said
from vpcipam.errors import ManifestError
from vpcipam.planner import plan
from vpcipam.settings import Settings
from vpcipam.settings.manifest import read_manifest


def test_helm_values_go_on_top_of_the_charts_defaults():
    settings = Settings.from_daemonset("init:\n  env: {ENABLE_IPv6: 'false'}\nenv:\n  WARM_ENI_TARGET: '2'\n")
    assert settings == Settings(warm_eni_target=2)
    assert settings.diagnostics == ()
    assert settings.document == "Helm values"


@pytest.mark.parametrize(("value", "text"), [("2", "2"), ("'2'", "2"), ("2.0", "2"), ("true", "true"), ("no", "false"), ("1.5", "1.5")])
def test_helm_makes_any_scalar_text(value, text):
    settings = Settings.from_daemonset(f"env:\n  CLUSTER_NAME: {value}\n")
    assert settings.variables["CLUSTER_NAME"] == text
    assert settings.diagnostics == ()


def test_null_takes_a_default_of_the_chart_away():
    assert "WARM_PREFIX_TARGET" not in Settings.from_daemonset("env:\n  WARM_PREFIX_TARGET:\n  NOT_THERE:\n").variables


@pytest.mark.parametrize("value", ["{}", "[]", "{a: 1}"])
def test_helm_values_that_are_no_scalars_are_told(value):
    assert said(Settings.from_daemonset(f"env:\n  ADDITIONAL_ENI_TAGS: {value}\n")) == {("ADDITIONAL_ENI_TAGS", "error")}


def test_a_name_in_helm_values_that_is_not_text_is_refused():
    with pytest.raises(ManifestError, match="a name that is a boolean"):
        Settings.from_daemonset("env:\n  on: '1'\n")


def test_eks_addon_configuration_is_read_like_helm_values():
    assert Settings.from_daemonset('{"env": {"WARM_IP_TARGET": "5"}}') == Settings(warm_ip_target=5)


# --- extraEnv ------------------------------------------------------------------------------------------------------------


def extra(*entries, **values):
    """Values with a list `extraEnv`."""
    return {**values, "extraEnv": list(entries)}


def test_extra_variables_come_after_the_others():
    values = extra({"name": "WARM_IP_TARGET", "value": "2"}, {"name": "MINIMUM_IP_TARGET", "value": "10"}, env={"WARM_ENI_TARGET": "1"})
    settings = read(values)
    assert settings == Settings(warm_ip_target=2, minimum_ip_target=10)
    answer = plan("m5.large", pods=12, settings=settings, nodes=40)
    assert (answer.eni_count, answer.total_ips, answer.subnet_ips, answer.cluster["subnet_ips"]) == (2, 14, 16, 640)


def test_of_a_name_in_both_the_extra_one_counts():
    settings = read(extra({"name": "WARM_IP_TARGET", "value": "8"}, env={"WARM_IP_TARGET": "2", "MINIMUM_IP_TARGET": "10"}))
    assert (settings.warm_ip_target, settings.minimum_ip_target) == (8, 10)
    assert (
        message_about(settings, "WARM_IP_TARGET")
        == "warning: WARM_IP_TARGET: is set more than once; the last value counts (remove the others)"
    )


def test_extra_variables_alone_are_helm_values():
    settings = read("extraEnv:\n- {name: WARM_ENI_TARGET, value: '3'}\n")
    assert settings == Settings(warm_eni_target=3)
    assert settings.diagnostics == ()


def test_an_extra_variable_from_elsewhere_hides_the_one_of_the_chart():
    settings = read(extra({"name": "WARM_ENI_TARGET", **ELSEWHERE}, {"name": "MY_THING", **ELSEWHERE}))
    assert "WARM_ENI_TARGET" not in settings.variables
    assert "it counts as not set" in message_about(settings, "WARM_ENI_TARGET")
    assert said(settings) == {("WARM_ENI_TARGET", "warning"), ("MY_THING", "warning")}


@pytest.mark.parametrize("nothing", [None, [], {}, False])
def test_empty_extra_variables_change_nothing(nothing):
    assert read({"env": {"WARM_IP_TARGET": "5"}, "extraEnv": nothing}) == Settings(warm_ip_target=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"extraEnv": {"WARM_IP_TARGET": "5"}}, "extraEnv must be a list of names and values, not a mapping"),
        ({"extraEnv": ["WARM_IP_TARGET=5"]}, "entry 1 of extraEnv must be a mapping with name and value, not text"),
        ({"env": 5, "extraEnv": []}, "env of aws-node must be a mapping from names to values, not a number"),
        ({"env": [], "extraEnv": []}, "env of aws-node must be a mapping from names to values, not a list; a list goes into extraEnv"),
        ({"env": "WARM_IP_TARGET=5", "nodeAgent": {}}, "env of aws-node must be a mapping from names to values, not text"),
    ],
)
def test_variables_of_the_wrong_kind_are_refused(values, message):
    with pytest.raises(ManifestError, match=message):
        read(values)


# --- other keys ----------------------------------------------------------------------------------------------------------


def test_the_variables_of_the_values_are_their_own_and_those_of_the_chart_are_not():
    found = read_manifest(json.dumps(extra({"name": "MAX_ENI", "value": "3"}, env={"WARM_IP_TARGET": "5", "WARM_ENI_TARGET": None})))
    assert found.own == {"MAX_ENI", "WARM_IP_TARGET"}
    assert "WARM_PREFIX_TARGET" in found.texts
    assert "WARM_ENI_TARGET" not in found.texts


def test_an_empty_env_removes_all_defaults():
    settings = read("nodeAgent: {enabled: true}\nenv:\nextraEnv: [{name: WARM_IP_TARGET, value: '5'}]\n")
    assert settings.variables == {"WARM_IP_TARGET": "5"}
    assert ("env", "warning", True) in [(each.variable, each.level, "env" in each.suggestion) for each in settings.diagnostics]


@pytest.mark.parametrize("enabled", [False, None, 0, ""])
def test_without_the_node_agent_the_chart_leaves_its_variable_out(enabled):
    assert "NETWORK_POLICY_ENFORCING_MODE" not in read({"nodeAgent": {"enabled": enabled}}).variables


@pytest.mark.parametrize("agent", [{"enabled": True}, {"enabled": "false"}, {}, None])
def test_with_the_node_agent_its_variable_stays(agent):
    assert read({"nodeAgent": agent}).variables["NETWORK_POLICY_ENFORCING_MODE"] == "standard"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enableWindowsIpam", "true"),
        ("enableWindowsIpam", True),
        ("enableWindowsPrefixDelegation", "true"),
        ("warmWindowsPrefixTarget", 1),
        ("warmWindowsIPTarget", 5),
        ("minimumWindowsIPTarget", "5"),
        ("branchENICooldown", 30),
    ],
)
def test_settings_of_other_nodes_and_branch_enis_are_told(key, value):
    settings = read({key: value})
    assert settings == Settings()
    assert said(settings) == {(key, "info")}


@pytest.mark.parametrize(("key", "value"), [("enableWindowsIpam", False), ("warmWindowsIPTarget", 1), ("branchENICooldown", None)])
def test_settings_as_in_the_chart_need_no_remark(key, value):
    assert read({key: value, "env": {}}).diagnostics == ()


@pytest.mark.parametrize(
    ("key", "level", "suggestion"),
    [
        ("WARM_IP_TARGET", "warning", "move it into env, as WARM_IP_TARGET"),
        ("warm_ip_target", "warning", "move it into env, as WARM_IP_TARGET"),
        ("extraenv", "warning", "did you mean extraEnv?"),
        ("extraEnvs", "warning", "did you mean extraEnv?"),
        ("foo", "info", "remove it"),
    ],
)
def test_a_key_that_the_chart_lacks_is_told(key, level, suggestion):
    settings = read({key: "5", "env": {"WARM_ENI_TARGET": "1"}})
    assert settings == Settings()
    (found,) = settings.diagnostics
    assert (found.variable, found.level, found.suggestion) == (key, level, suggestion)


def test_many_unknown_keys_are_counted():
    settings = read({"env": {"WARM_ENI_TARGET": "1"}} | {f"unknown{number}": 1 for number in range(30)})
    assert len(settings.diagnostics) == 21
    assert "the chart lacks 10 more of the keys" in message_about(settings, "values")


def test_a_key_that_is_no_text_is_told():
    assert said(read("env: {WARM_ENI_TARGET: '1'}\n5: x\n")) == {("a number", "info")}


def test_a_variable_of_the_init_container_is_told():
    settings = read({"init": {"env": {"WARM_IP_TARGET": "7", "ENABLE_IPv6": "false", "DISABLE_TCP_EARLY_DEMUX": "true", 5: 6}}, "env": {}})
    assert said(settings) == {("WARM_IP_TARGET", "warning")}


@pytest.mark.parametrize("init", [None, [], {}, {"env": []}, {"env": None}])
def test_other_init_containers_need_no_remark(init):
    assert read({"init": init, "env": {}}).diagnostics == ()


def test_eni_configs_without_custom_networking_are_told():
    settings = read({"eniConfig": {"create": True, "subnets": {"a": {"id": "subnet-1"}}}})
    assert "custom networking is off" in message_about(settings, "eniConfig")
    settings = read({"eniConfig": {"create": True}, "env": {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}})
    assert "size those subnets" in message_about(settings, "eniConfig")
    assert read({"eniConfig": {"create": False}}).diagnostics == read({"eniConfig": None}).diagnostics == ()


@pytest.mark.parametrize(
    ("tag", "told"), [("v1.18.6", True), ("v1.23.0-eksbuild.1", False), ("v1.23.1", False), ("latest", False), (5, False), (None, False)]
)
def test_another_release_is_told(tag, told):
    settings = read({"image": {"tag": tag}, "env": {}})
    assert said(settings) == ({("image.tag", "info")} if told else set())


# --- which values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["enableNetworkPolicy", "originalMatchLabels", "cniConfig"])
def test_a_key_of_this_chart_alone_makes_values(key):
    settings = read({key: True})
    assert settings == Settings()
    assert settings.document == "Helm values"


def test_values_of_a_chart_that_depends_on_this_one_are_read():
    settings = read({"replicas": 2, "env": {"FOO": "1"}, "aws-vpc-cni": {"env": {"WARM_IP_TARGET": "5"}}})
    assert settings == Settings(warm_ip_target=5)
    assert settings.document == "Helm values for aws-vpc-cni"


@pytest.mark.parametrize(
    "values",
    [
        {"env": {}, "replicas": 2},
        {"env": {"USE_CLOUDWATCH": "true", "AWS_VPC_K8S_CNI_LOGLEVEL": "INFO"}, "fullnameOverride": "cni-metrics-helper", "x": 1},
        {"env": {"GF_LOG": "x"}, "image": {"repository": "grafana/grafana"}},
        {"extraEnv": [{"name": "JAVA_OPTS", "value": "x"}], "ingress": {}},
        {"extraEnv": "x", "ingress": {}},
        {"nodeAgent": {"podVolumePath": "/x"}, "image": {"repository": "velero/velero"}, "env": {}},
    ],
)
def test_values_of_another_chart_are_refused(values):
    with pytest.raises(ManifestError, match="found no container at all, only Helm values of another chart;"):
        read(values)


def test_values_of_the_chart_of_this_name_are_no_kubernetes_object():
    with pytest.raises(ManifestError, match="only Thing;"):
        read({"kind": "Thing", "aws-vpc-cni": {"env": {}}, "env": {"WARM_IP_TARGET": "5"}, "nodeAgent": {}})


def test_the_output_of_helm_get_values_is_read():
    settings = read("USER-SUPPLIED VALUES:\nenv:\n  WARM_ENI_TARGET: '5'\n")
    assert settings == Settings(warm_eni_target=5)
    assert settings.diagnostics == ()
    computed = read("COMPUTED VALUES:\nenv:\n  WARM_IP_TARGET: '5'\n")
    assert computed.variables == {"WARM_IP_TARGET": "5"}
