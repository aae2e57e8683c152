"""Kubernetes objects: where the aws-node container is in them, and how its variables are read."""

import json
from pathlib import Path

import pytest

from aws_node_documents import ELSEWHERE, ENV, READ, daemonset, message_about, read, said
from vpcipam.errors import ManifestError, SettingsError
from vpcipam.settings import Settings
from vpcipam.settings.manifest import read_manifest, with_kind

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "aws-node.yaml"
SHIPPED = json.loads((REPOSITORY / "tests" / "conformance" / "shipped_variables.json").read_text(encoding="utf-8"))


# --- real ones -----------------------------------------------------------------------------------------------------------


def test_the_shipped_variables_are_the_default_settings_and_give_no_diagnostics():
    given = [{"name": name, "value": value} for name, value in SHIPPED["variables"].items()]
    from_the_pod = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in SHIPPED["from_the_pod"].items()]
    settings = Settings.from_daemonset(json.dumps(daemonset([*given, *from_the_pod])))
    assert settings == Settings()
    assert settings.variables == Settings().variables
    assert settings.diagnostics == ()


def test_the_example_is_usable_and_its_useless_names_are_told():
    settings = Settings.from_daemonset(EXAMPLE)
    settings.check("m5.large")
    assert settings == Settings()
    assert [(found.variable, found.level) for found in settings.diagnostics] == [
        ("AWS_VPC_K8S_CNI_RANDOMIZESSID", "warning"),
        ("ENABLE_POD_ENCRYPTION", "warning"),
        ("AWS_VPC_K8S_PLUGIN_LOGLEVEL", "warning"),
    ]


# --- shapes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        daemonset(),
        {"kind": "List", "items": [{"kind": "ServiceAccount"}, daemonset()]},
        {"kind": "DaemonSetList", "items": [daemonset()]},
        {"items": [daemonset()]},
        {"kind": "DaemonSetList", "items": [{name: value for name, value in daemonset().items() if name != "kind"}, 5]},
        {"kind": "Pod", "spec": {"containers": [{"name": "aws-node", "env": ENV}]}},
        [{"kind": "ServiceAccount"}, daemonset()],
        daemonset()["spec"],
        daemonset()["spec"]["template"],
        daemonset()["spec"]["template"]["spec"],
        daemonset()["spec"]["template"]["spec"]["containers"],
        {"name": "aws-node", "env": ENV},
        {"env": ENV},
        ENV,
    ],
    ids=[
        *("daemonset", "list", "daemonset list", "items", "items without kind", "pod", "objects", "spec", "template", "pod spec"),
        *("containers", "container", "container without name", "env"),
    ],
)
def test_every_shape_is_read_as_json_and_as_yaml(document):
    assert Settings.from_daemonset(json.dumps(document)) == READ
    assert Settings.from_daemonset("# a comment, so that it is not JSON\n" + json.dumps(document)) == READ


def test_the_daemonset_is_found_among_several_documents():
    others = [
        "kind: ServiceAccount",
        "",
        "kind: ConfigMap\ndata: {env: x}",
        "kind: Deployment\nspec: {template: {spec: {containers: [{name: x}, 5]}}}",
    ]
    assert Settings.from_daemonset("\n---\n".join([*others, json.dumps(daemonset())])) == READ


@pytest.mark.parametrize("env", [None, []])
def test_a_container_without_variables_has_the_daemons_defaults(env):
    settings = Settings.from_daemonset(json.dumps(daemonset(env)))
    assert settings == Settings.from_env({})
    assert said(settings) == {("ENABLE_IPv4", "info")}


def test_two_containers_are_refused_and_named():
    with pytest.raises(
        ManifestError, match=r"2 sources of the variables of aws-node: DaemonSet kube-system/aws-node, Helm values; give only"
    ):
        Settings.from_daemonset("\n---\n".join([json.dumps(daemonset()), "env: {WARM_IP_TARGET: '1'}"]))
    with pytest.raises(ManifestError, match="2 sources of the variables of aws-node: DaemonSet kube-system/aws-node; give only"):
        Settings.from_daemonset("\n---\n".join([json.dumps(daemonset())] * 2))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"kind": "DaemonSet", "spec": {"template": {"spec": {"containers": [{"name": "x"}]}}}}, "found containers x;"),
        ({"kind": "Pod", "spec": {"containers": [{"name": "x"}], "initContainers": [{"name": "y"}]}}, r"found containers x, y \(init\);"),
        ({"kind": "Pod", "spec": {"containers": "aws-node"}}, "found no container at all"),
        ({"kind": "ConfigMap", "env": {"WARM_IP_TARGET": "1"}}, "found no container at all"),
        ({"kind": "List", "items": []}, "found no container at all"),
        ({"kind": "List"}, "found no container at all"),
        ({"kind": "Thing", "items": []}, "found no container at all, only Thing;"),
        ({"kind": 5, "items": []}, "found no container at all, only a number;"),
        ({}, "found no container at all"),
        ([], "found no container at all"),
        ([5, "x"], "found no container at all"),
        ([{"name": "aws-vpc-cni", "chart": "aws-vpc-cni-1.23.1"}], "found no container at all"),
        (None, "found no container at all"),
        ("just text", "found no container at all"),
        ({"kind": "DaemonSet", "spec": None}, "found no container at all"),
    ],
)
def test_a_manifest_without_the_container_is_refused_and_says_what_it_has(document, message):
    with pytest.raises(ManifestError, match=message):
        Settings.from_daemonset(json.dumps(document))


def test_an_empty_manifest_is_refused():
    with pytest.raises(ManifestError, match="found no container at all"):
        Settings.from_daemonset("")


# --- variables of a container --------------------------------------------------------------------------------------------


def read_env(*entries):
    return Settings.from_daemonset(json.dumps(daemonset([{"name": "ENABLE_IPv4", "value": "true"}, *entries])))


def test_other_containers_do_not_count():
    assert said(read_env()) == set()


def test_of_a_repeated_name_the_last_counts():
    settings = read_env({"name": "WARM_IP_TARGET", "value": "5"}, {"name": "WARM_IP_TARGET", "value": "6"})
    assert settings.warm_ip_target == 6
    assert said(settings) == {("WARM_IP_TARGET", "warning")}


@pytest.mark.parametrize(("value", "text"), [(1, "1"), (5.0, "5"), (True, "true"), (False, "false"), (1.5, "1.5")])
def test_kubernetes_refuses_a_value_that_is_not_text(value, text):
    settings = read_env({"name": "VPC_ID", "value": value})
    (found,) = settings.diagnostics
    assert (found.variable, found.level, found.suggestion) == ("VPC_ID", "error", f'write value: "{text}"')
    assert settings.variables["VPC_ID"] == text
    with pytest.raises(SettingsError, match="values must be text"):
        settings.check()


@pytest.mark.parametrize("value", [[1], {"a": 1}, [], {}])
def test_kubernetes_refuses_a_list_or_a_mapping(value):
    settings = read_env({"name": "VPC_ID", "value": value})
    assert message_about(settings, "VPC_ID").endswith("values must be text (write the value as text, in quotes)")
    assert settings.variables["VPC_ID"] == ""


def test_a_value_that_is_missing_or_null_is_empty():
    settings = read_env({"name": "VPC_ID"}, {"name": "CLUSTER_NAME", "value": None})
    assert settings.variables["VPC_ID"] == settings.variables["CLUSTER_NAME"] == ""
    assert said(settings) == set()


def test_a_value_from_elsewhere_counts_as_not_set_and_is_told_where_it_matters():
    settings = read_env(
        {"name": "WARM_IP_TARGET", **ELSEWHERE},
        {"name": "MY_NODE_NAME", **ELSEWHERE},
        {"name": "SOMETHING_ELSE", **ELSEWHERE},
        {"name": "AWS_REGION", **ELSEWHERE},
    )
    assert settings.warm_ip_target == 0
    assert said(settings) == {("WARM_IP_TARGET", "warning"), ("SOMETHING_ELSE", "warning")}


def test_a_value_from_elsewhere_after_a_value_takes_it_away():
    value, elsewhere = {"name": "WARM_IP_TARGET", "value": "5"}, {"name": "WARM_IP_TARGET", **ELSEWHERE}
    assert read_env(value, elsewhere).warm_ip_target == 0
    assert read_env(elsewhere, value).warm_ip_target == 5


def test_a_name_that_is_repeated_often_is_reported_once():
    repeated = [{"name": "MAX_ENI", "value": "5"}, {"name": "MAX_ENI", **ELSEWHERE}, {"name": "MAX_ENI", "value": "6"}]
    found = [found.message for found in read_env(*repeated).diagnostics]
    assert found.count("is set more than once; the last value counts") == 1


def test_variables_from_elsewhere_are_told():
    settings = Settings.from_daemonset(json.dumps(daemonset(envFrom=[{"configMapRef": {"name": "x"}}])))
    assert said(settings) == {("envFrom", "warning")}


@pytest.mark.parametrize("entry", [5, "WARM_IP_TARGET=1", {}, {"name": 5}, {"name": ""}, {"value": "1"}, None])
def test_an_entry_without_a_name_is_refused(entry):
    message = r"entry 2 of env of container aws-node must (have a name, as text|be a mapping with name and value, not)"
    with pytest.raises(ManifestError, match=message):
        read_env(entry)


@pytest.mark.parametrize("env", [{"WARM_IP_TARGET": "1"}, "x", 5])
def test_env_of_a_container_must_be_a_list(env):
    with pytest.raises(ManifestError, match="env of container aws-node must be a list"):
        Settings.from_daemonset(json.dumps(daemonset(env)))


def test_notes_about_a_variable_go_when_it_is_changed():
    settings = read_env({"name": "WARM_IP_TARGET", "value": 5}).with_variables({"WARM_IP_TARGET": "6", "WARM_ENI_TARGET": None})
    assert said(settings) == set()
    assert read_env({"name": "WARM_IP_TARGET", "value": 5}).with_variables({"MAX_ENI": "2"}).diagnostics[0].level == "error"


def test_variables_that_refer_to_others_are_told():
    settings = read_env({"name": "WARM_IP_TARGET", "value": "$(OTHER)"}, {"name": "CLUSTER_ENDPOINT", "value": "$(OTHER)"})
    assert [found.message for found in settings.diagnostics if found.variable == "WARM_IP_TARGET"] == [
        "Kubernetes replaces $(OTHER); the text is read as it stands",
        "'$(OTHER)' can't be used; ipamd takes its default, 0",
    ]
    assert said(settings) == {("WARM_IP_TARGET", "warning")}


def test_a_value_and_a_reference_exclude_each_other():
    settings = read_env({"name": "VPC_ID", "value": "x", **ELSEWHERE}, {"name": "CLUSTER_ENDPOINT", "value": "", **ELSEWHERE})
    assert said(settings) == {("VPC_ID", "error")}


def test_a_misspelt_field_is_told():
    settings = read_env({"name": "VPC_ID", "val": "x"}, {"name": "CLUSTER_ENDPOINT", "value": "x", 5: "y"})
    assert said(settings) == {("VPC_ID", "warning"), ("CLUSTER_ENDPOINT", "warning")}
    assert "has the field val, which Kubernetes does not know" in message_about(settings, "VPC_ID")


def test_a_reference_that_is_null_is_none():
    assert read_env({"name": "WARM_IP_TARGET", "value": "5", "valueFrom": None}).warm_ip_target == 5


def test_more_variables_than_a_container_can_have_are_refused():
    with pytest.raises(ManifestError, match=r"more than 1,000 variables are set.*give the aws-node DaemonSet"):
        read_env(*({"name": f"X{number}", "value": ""} for number in range(1_001)))


# --- what it was ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "name"),
    [
        (daemonset(), "DaemonSet kube-system/aws-node"),
        ({"kind": "DaemonSetList", "items": [{"metadata": {"name": "x"}, "spec": daemonset()["spec"]}]}, "DaemonSet x"),
        ({"kind": "Pod", "metadata": 5, "spec": {"containers": [{"name": "aws-node"}]}}, "Pod"),
        ({"kind": ["x"], "spec": {"containers": [{"name": "aws-node"}]}}, "a list"),
        ({"kind": "A\nB", "metadata": {"name": "x" * 99}, "spec": {"containers": [{"name": "aws-node"}]}}, rf"'A\nB' {'x' * 60}..."),
        (ENV, "list of variables"),
        ([{"name": "aws-node", "env": ENV}], "list of containers"),
        ({"env": ENV}, "container"),
        (daemonset()["spec"], "an unknown mapping"),
    ],
)
def test_settings_tell_which_document_they_are_of(document, name):
    settings = read(document)
    assert settings.document == settings.with_variables({"MAX_ENI": "2"}).document == name


def test_settings_from_elsewhere_are_of_no_document():
    assert Settings().document == Settings.from_env({}).document == ""


def test_only_the_variables_of_the_container_are_its_own():
    assert read_manifest(json.dumps(daemonset())).own == {"ENABLE_IPv4", "WARM_IP_TARGET"}


# --- documents without the container -------------------------------------------------------------------------------------


def test_the_config_map_of_the_cni_is_told_from_variables():
    data = {"enable-windows-ipam": "false", "warm-ip-target": "1", "branch-eni-cooldown": "60"}
    config_map = {"kind": "ConfigMap", "metadata": {"name": "amazon-vpc-cni", "namespace": "kube-system"}, "data": data}
    with pytest.raises(ManifestError, match=r"only ConfigMap kube-system/amazon-vpc-cni \(its keys concern Windows nodes, "):
        read(config_map)
    assert read("\n---\n".join(map(json.dumps, [config_map, daemonset()]))) == READ


def test_a_release_without_the_container_is_refused_with_what_it_has():
    kinds = "".join(f"---\nkind: Kind{number}\nmetadata: {{name: x}}\n" for number in [*range(12), 11])
    with pytest.raises(ManifestError, match=r"no container at all, only Kind0 x, Kind1 x, .*, Kind9 x and 2 more; give the aws-node Daem"):
        read(kinds)
    with pytest.raises(ManifestError, match="no container at all; give the aws-node Daem"):
        read("[]")


def test_an_init_container_of_the_same_name_is_not_read():
    with pytest.raises(ManifestError, match=r"found containers aws-node \(init\);"):
        read({"kind": "Pod", "spec": {"initContainers": [{"name": "aws-node", "env": ENV}]}})


def test_a_container_of_another_name_is_not_read():
    with pytest.raises(ManifestError, match="found containers nginx;"):
        read({"name": "nginx", "env": ENV})
    with pytest.raises(ManifestError, match=r"found containers x, y \(init\);"):
        read({"kind": "Pod", "spec": {"containers": [{"name": "x"}, {"name": 5}, 5], "initContainers": [{"name": "y"}]}})


@pytest.mark.parametrize(
    ("item", "list_kind", "shown"),
    [
        ({"a": 1}, "PodList", {"kind": "Pod", "a": 1}),
        ({"a": 1, "kind": "Node"}, "PodList", {"a": 1, "kind": "Node"}),
        ({"a": 1}, "List", {"a": 1}),
        ({"a": 1}, None, {"a": 1}),
        ({"a": 1}, 5, {"a": 1}),
        (5, "PodList", 5),
    ],
)
def test_an_item_has_its_own_kind_or_that_of_its_list(item, list_kind, shown):
    assert with_kind(item, list_kind) == shown
