"""Manifests: what is found in them, what is odd about them, and what can't be read."""

import builtins
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.errors import ManifestError, MissingExtra, SettingsError
from vpcipam.settings import Settings
from vpcipam.settings.manifest import MAX_LENGTH

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "aws-node.yaml"
SHIPPED = json.loads((REPOSITORY / "tests" / "conformance" / "shipped_variables.json").read_text(encoding="utf-8"))
ENV = [{"name": "ENABLE_IPv4", "value": "true"}, {"name": "WARM_IP_TARGET", "value": "5"}]
READ = Settings.from_env({"ENABLE_IPv4": "true", "WARM_IP_TARGET": "5"})


def daemonset(env=ENV, **more):
    """A DaemonSet with other containers around the one that counts."""
    other = [{"name": "WARM_IP_TARGET", "value": "77"}, {"name": "ENABLE_IPv6", "value": "true"}, {"name": "FOO", "value": "1"}]
    containers = [{"name": "aws-eks-nodeagent", "env": other}, {"name": "aws-node", "env": env, **more}]
    spec = {"initContainers": [{"name": "aws-vpc-cni-init", "env": other}], "containers": containers}
    return {"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": {"name": "aws-node"}, "spec": {"template": {"spec": spec}}}


def said(settings):
    return {(found.variable, found.level) for found in settings.diagnostics}


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


# --- sources -------------------------------------------------------------------------------------------------------------


def test_text_path_and_stream_are_the_same():
    text = EXAMPLE.read_text(encoding="utf-8")
    settings = Settings.from_daemonset(EXAMPLE)
    assert settings == Settings.from_daemonset(text) == Settings.from_daemonset(io.StringIO(text))
    with EXAMPLE.open(encoding="utf-8") as file:
        assert Settings.from_daemonset(file).diagnostics == settings.diagnostics


@pytest.mark.parametrize("source", ["aws-node.yaml", "./x/aws-node.yml", "values.json", "missing.yaml "])
def test_the_name_of_a_file_is_not_a_manifest(source):
    with pytest.raises(ManifestError, match=r"looks like the name of a file.*give pathlib\.Path"):
        Settings.from_daemonset(source)


@pytest.mark.parametrize("source", [None, 5, b"kind: DaemonSet", ["x"]])
def test_a_source_of_another_type_is_refused(source):
    with pytest.raises(TypeError, match="must be text, a path or a text stream"):
        Settings.from_daemonset(source)


def test_a_stream_of_bytes_is_refused():
    with pytest.raises(TypeError, match="open the file in text mode"):
        Settings.from_daemonset(io.BytesIO(b"kind: DaemonSet"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"^can't read .*none\.yaml: No such file or directory$"):
        Settings.from_daemonset(tmp_path / "none.yaml")


@pytest.mark.parametrize(("text", "message"), [("a: [", "the manifest is not YAML"), ("kind: Pod", "no container named aws-node")])
def test_a_refusal_names_the_file(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ManifestError, match=rf"^.*a\.yaml: {message}"):
        Settings.from_daemonset(tmp_path / "a.yaml")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match=r"can't read .*: it is not UTF-8 text$"):
        Settings.from_daemonset(tmp_path / "a.yaml")


@pytest.mark.parametrize("wrap", [str, io.StringIO])
def test_a_manifest_that_is_too_long_is_refused(wrap):
    with pytest.raises(ManifestError, match=r"longer than 1,048,576 characters"):
        Settings.from_daemonset(wrap("#" * (MAX_LENGTH + 1)))


# --- shapes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        daemonset(),
        {"kind": "List", "items": [{"kind": "ServiceAccount"}, daemonset()]},
        {"kind": "DaemonSetList", "items": [daemonset()]},
        {"items": [daemonset()]},
        {"kind": "Pod", "spec": {"containers": [{"name": "aws-node", "env": ENV}]}},
        {"name": "aws-node", "env": ENV},
        ENV,
    ],
    ids=["daemonset", "list", "daemonset list", "items", "pod", "container", "env"],
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


def test_two_containers_are_refused():
    with pytest.raises(ManifestError, match="2 containers named aws-node"):
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
        ({}, "found no container at all"),
        ([], "found no container at all"),
        ([5, "x"], "found no container at all"),
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


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (5.0, "5"), (True, "true"), (False, "false"), (1.5, "1.5"), ([1], "[1]"), ({"a": 1}, "{'a': 1}")]
)
def test_kubernetes_refuses_a_value_that_is_not_text(value, text):
    settings = read_env({"name": "VPC_ID", "value": value})
    (found,) = settings.diagnostics
    assert (found.variable, found.level, found.suggestion) == ("VPC_ID", "error", f'write value: "{text}"')
    assert settings.variables["VPC_ID"] == text
    with pytest.raises(SettingsError, match="values must be text"):
        settings.check()


def test_a_value_that_is_missing_or_null_is_empty():
    settings = read_env({"name": "VPC_ID"}, {"name": "CLUSTER_NAME", "value": None})
    assert settings.variables["VPC_ID"] == settings.variables["CLUSTER_NAME"] == ""
    assert said(settings) == set()


SECRET = {"valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}}


def test_a_value_from_elsewhere_counts_as_not_set_and_is_told_where_it_matters():
    settings = read_env(
        {"name": "WARM_IP_TARGET", **SECRET},
        {"name": "MY_NODE_NAME", **SECRET},
        {"name": "SOMETHING_ELSE", **SECRET},
        {"name": "AWS_REGION", **SECRET},
    )
    assert settings.warm_ip_target == 0
    assert said(settings) == {("WARM_IP_TARGET", "warning"), ("SOMETHING_ELSE", "warning")}


def test_a_value_from_elsewhere_after_a_value_takes_it_away():
    settings = read_env({"name": "WARM_IP_TARGET", "value": "5"}, {"name": "WARM_IP_TARGET", **SECRET})
    assert settings.warm_ip_target == 0


def test_variables_from_elsewhere_are_told():
    settings = Settings.from_daemonset(json.dumps(daemonset(envFrom=[{"configMapRef": {"name": "x"}}])))
    assert said(settings) == {("envFrom", "warning")}


@pytest.mark.parametrize("entry", [5, "WARM_IP_TARGET=1", {}, {"name": 5}, {"name": ""}, {"value": "1"}, None])
def test_an_entry_without_a_name_is_refused(entry):
    with pytest.raises(ManifestError, match="entry 2 of env of container aws-node must have a name"):
        read_env(entry)


@pytest.mark.parametrize("env", [{"WARM_IP_TARGET": "1"}, "x", 5])
def test_env_of_a_container_must_be_a_list(env):
    with pytest.raises(ManifestError, match="env of container aws-node must be a list"):
        Settings.from_daemonset(json.dumps(daemonset(env)))


def test_notes_about_a_variable_go_when_it_is_changed():
    settings = read_env({"name": "WARM_IP_TARGET", "value": 5}).with_variables({"WARM_IP_TARGET": "6", "WARM_ENI_TARGET": None})
    assert said(settings) == set()
    assert read_env({"name": "WARM_IP_TARGET", "value": 5}).with_variables({"MAX_ENI": "2"}).diagnostics[0].level == "error"


# --- Helm values ---------------------------------------------------------------------------------------------------------


def test_helm_values_go_on_top_of_the_charts_defaults():
    settings = Settings.from_daemonset("init:\n  env: {WARM_IP_TARGET: '7'}\nenv:\n  WARM_ENI_TARGET: '2'\n")
    assert settings == Settings(warm_eni_target=2)
    assert settings.diagnostics == ()


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


# --- what can't be read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("kind: DaemonSet\nspec: [", "line 2, column 8"),
        ("a:\n  - b\n c: d", "line 3, column 2"),
        ("{'a': }}", "line 1, column 8"),
        ("a: !!python/object:os.system x", "line 1, column 4"),
        ("a: *b", "line 1, column 4"),
    ],
)
def test_broken_yaml_is_refused_with_its_place(text, where):
    with pytest.raises(ManifestError, match=f"not YAML at {where}: "):
        Settings.from_daemonset(text)


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "0b" + "1" * 101, "-" + "1_" * 50 + "1"], ids=len)
@pytest.mark.parametrize("text", ["env:\n  WARM_IP_TARGET: {}\n", "- name: {}\n"])
def test_a_number_too_long_to_write_is_refused_with_its_place(text, number):
    with pytest.raises(ManifestError, match=r"not YAML at line .*: a number of [0-9,]+ characters; if it is a text, put it in quotes"):
        Settings.from_daemonset(text.format(number))


@pytest.mark.parametrize("text", ["a: \x00", "a: 2020-99-99"], ids=["control character", "no date"])
def test_yaml_that_python_cannot_hold_is_refused(text):
    with pytest.raises(ManifestError, match="not YAML: "):
        Settings.from_daemonset(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "[" * 600, '{"a":' * 50_000], ids=["list", "value", "mapping"])
def test_deep_nesting_is_refused(text):
    with pytest.raises(ManifestError, match="nested too deeply"):
        Settings.from_daemonset(text)


def test_a_bomb_of_aliases_does_no_harm():
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(ManifestError, match="no container"):
        Settings.from_daemonset("\n".join(lines))


@pytest.fixture
def without_yaml(monkeypatch):
    """PyYAML is not installed."""
    real = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name == "yaml":
            raise ImportError("No module named 'yaml'")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.mark.usefixtures("without_yaml")
def test_json_needs_no_pyyaml():
    assert Settings.from_daemonset(json.dumps(daemonset())) == READ


@pytest.mark.usefixtures("without_yaml")
def test_a_byte_order_mark_in_a_file_does_not_matter(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(daemonset()).encode())
    assert Settings.from_daemonset(tmp_path / "a.json") == READ


@pytest.mark.usefixtures("without_yaml")
def test_broken_json_without_pyyaml_is_refused_with_its_place():
    with pytest.raises(ManifestError, match=r"not JSON: .*line 1 column 9"):
        Settings.from_daemonset('{"env": ')


@pytest.mark.usefixtures("without_yaml")
def test_yaml_without_pyyaml_names_the_extra():
    with pytest.raises(MissingExtra, match=r"pip install 'vpcipam\[cli\]'"):
        Settings.from_daemonset("kind: DaemonSet\n")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["aws-node", "DaemonSet", "List", "5", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "items", "spec", "template", "containers", "env", "name", "value", "valueFrom", "WARM_IP_TARGET"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON | st.builds(daemonset, JSON) | st.builds(lambda env: {"env": env}, JSON))
def test_any_document_is_read_or_refused(document):
    try:
        settings = Settings.from_daemonset(json.dumps(document))
    except ManifestError as refusal:
        assert "container" in str(refusal) or "env" in str(refusal)  # noqa: PT017 - either outcome is right
    else:
        assert isinstance(settings, Settings)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    with pytest.raises(ManifestError):
        Settings.from_daemonset(text)
