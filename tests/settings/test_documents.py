"""Texts: where they come from, what is in them, and what can't be read."""

import builtins
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws_node_documents import READ, daemonset, read
from vpcipam.errors import ManifestError, MissingExtra
from vpcipam.settings import Settings
from vpcipam.settings.documents import MAX_LENGTH, parse_documents
from vpcipam.settings.manifest import has_variables

EXAMPLE = Path(__file__).parents[2] / "examples" / "aws-node.yaml"


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


@given(lines=st.integers(0, 3), column=st.integers(1, 4))
def test_a_character_that_yaml_refuses_is_told_with_its_place(lines, column):
    with pytest.raises(ManifestError, match=f"not YAML at line {lines + 1}, column {column}: the character "):
        Settings.from_daemonset("a: b\n" * lines + "c" * (column - 1) + "\x07")


@pytest.mark.parametrize(
    "text",
    ["a: \x00", "a: !!timestamp 2020-99-99", "a: !!int ''", "a: !!float ''", "a: !!bool maybe", "a: !!timestamp x", "a: !!binary é"],
    ids=["control character", "no date", "no integer", "no float", "no boolean", "no time", "no base64"],
)
def test_yaml_that_python_cannot_hold_is_refused(text):
    with pytest.raises(ManifestError, match=r"not YAML(: a value does not fit its type| at line 1, column \d)"):
        Settings.from_daemonset(text)


@pytest.mark.parametrize("number", ["9" * 5_000, "0x" + "f" * 5_000, "0b" + "1" * 101, "1." + "0" * 100])
def test_a_long_number_is_refused_with_its_place(number):
    with pytest.raises(ManifestError, match=r"not YAML at line 2, column 19: a number of .* characters; if it is a text, put it in quotes"):
        Settings.from_daemonset(f"env:\n  WARM_IP_TARGET: {number}\n")


def test_a_number_that_json_cannot_hold_is_refused():
    with pytest.raises(ManifestError, match="a number of 5,000 characters"):
        Settings.from_daemonset('{"env": {"WARM_IP_TARGET": ' + "9" * 5_000 + "}}")


@pytest.mark.parametrize(
    "text", ["1:30", "1:30.5", "-1:30", "2026-01-01", "2026-13-99", "2026-01-01T00:00:00Z", "1:" + "59:" * 9_000 + "1"]
)
def test_a_time_of_day_or_a_date_is_a_text_as_for_kubectl(text):
    settings = Settings.from_daemonset(f"- name: CLUSTER_NAME\n  value: {text}\n")
    assert settings.variables["CLUSTER_NAME"] == text
    assert [found for found in settings.diagnostics if found.level == "error"] == []


def test_a_long_number_in_quotes_is_a_text():
    assert Settings.from_daemonset(f"env:\n  CLUSTER_NAME: '{'9' * 5_000}'\n").variables["CLUSTER_NAME"] == "9" * 5_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"env": {}, "env": {"WARM_IP_TARGET": "5"}}', "the manifest sets the key 'env' twice in one mapping; remove one of the two"),
        ("env: {}\nenv:\n  WARM_IP_TARGET: '5'\n", "not YAML at line 2, column 1: the key 'env' stands here for the second time"),
        ("env:\n  MAX_ENI: '1'\n  MAX_ENI: '2'\n", "not YAML at line 3, column 3: the key 'MAX_ENI' stands here for the second time"),
    ],
)
def test_a_key_that_stands_twice_is_refused(text, message):
    with pytest.raises(ManifestError, match=message):
        Settings.from_daemonset(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "a: " + "[" * 600, '{"a":' * 50_000], ids=["list", "value", "mapping"])
def test_deep_nesting_is_refused(text):
    with pytest.raises(ManifestError, match="nested too deeply"):
        Settings.from_daemonset(text)


def bomb(first, line):
    """Sixty mappings or lists, each of which has the one before it several times."""
    return "\n".join([first, *(line.format(n=n, m=n - 1) for n in range(1, 60))])


# Older releases of PyYAML keep a key that is merged several times; newer ones don't.
TOO_MANY_MERGED = r"merge keys \(<<\) up to here bring in more than 10,000"
LISTS = bomb("a0: &a0 [x, x]", "a{n}: &a{n} [*a{m}, *a{m}, *a{m}]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LISTS, "no container"),
        (LISTS + "\nkind: List\nitems: *a59\n", "no container"),
        (LISTS + "\nenv: *a59\n", "container"),
        (LISTS + "\nextraEnv: *a59\n", "only Helm values of another chart"),
        (
            LISTS + "\noriginalMatchLabels: true\nextraEnv: [{name: *a59}]\n",
            "entry 1 of extraEnv must have a name, as text",
        ),
        (LISTS + "\n? *a59\n: x\n", r"not YAML at line \d+, column \d+: found unhashable key"),
        (bomb("a0: &a0 {x: 1, y: 2}", "a{n}: &a{n} {{<<: [*a{m}, *a{m}], k{n}: 1}}"), f"no container|{TOO_MANY_MERGED}"),
        ("a: &a {b: 1}\nc: {<<: [" + "*a, " * 11_000 + "*a]}\n", TOO_MANY_MERGED),
        ("a: &a {<<: *a}\n", "no container"),
        ("a: &a [*a]\n", "no container"),
        ("env: {<<: x}\n", "not YAML at line 1, column 11: expected a mapping"),
    ],
)
def test_a_bomb_of_aliases_does_no_harm(text, message):
    with pytest.raises(ManifestError, match=message):
        Settings.from_daemonset(text)


@pytest.mark.parametrize(
    "place", ["env: {CLUSTER_NAME: *a59}", "extraEnv: [{name: CLUSTER_NAME, value: *a59}]", "originalMatchLabels: true\nimage: *a59"]
)
def test_a_bomb_as_a_value_is_not_written_out(place):
    assert all(len(str(found)) < 200 for found in Settings.from_daemonset(f"{LISTS}\n{place}\n").diagnostics)


def test_merge_keys_are_read():
    settings = Settings.from_daemonset("x: &x {WARM_IP_TARGET: '5', MAX_ENI: '2'}\nenv: {<<: *x, MAX_ENI: '3'}\nagain: *x\n")
    assert (settings.warm_ip_target, settings.max_eni) == (5, 3)


# --- several documents ---------------------------------------------------------------------------------------------------


def test_json_documents_in_a_row_are_read():
    assert read(json.dumps({"kind": "ServiceAccount"}) + json.dumps(daemonset()) + "\n[]\n") == READ


def test_json_documents_can_be_documents_of_yaml():
    assert read("---\n" + json.dumps({"kind": "ServiceAccount"}) + "\n---\n" + json.dumps(daemonset()) + "\n...\n") == READ


def test_broken_json_after_a_document_is_refused_with_its_place():
    with pytest.raises(ManifestError, match="not YAML at line 2, column 1"):
        read(json.dumps(daemonset()) + '\n{"kind": ')


@pytest.mark.parametrize(
    ("value", "kind"),
    [("5", "a number"), ("0.5", "a number"), ("yes", "a boolean"), ("[1]", "a list"), ("!!set {a}", "a set")],
)
def test_the_kind_of_a_value_is_named(value, kind):
    with pytest.raises(ManifestError, match=f", not {kind}$"):
        read(f"addonName: vpc-cni\nconfigurationValues: {value}\n")


# --- what comes along in files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", ["env:\n  WARM_IP_TARGET: '5'\n", '{"env":\n{"WARM_IP_TARGET": "5"}}\n'])
def test_line_ends_of_windows_and_a_byte_order_mark_do_not_matter(tmp_path, document):
    windows = document.replace("\n", "\r\n")
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbf" + windows.encode())
    expected = Settings(warm_ip_target=5)
    assert Settings.from_daemonset(tmp_path / "a.yaml") == read("\ufeff" + windows) == read(windows) == expected


@pytest.mark.parametrize(
    "line",
    [
        "$ kubectl -n kube-system get ds aws-node -o json",
        "[ec2-user@ip-10-0-0-1 ~]$ curl -s http://localhost:61679/v1/ipamd-env-settings",
        "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current",
        "                                 Dload  Upload   Total   Spent    Left  Speed",
        "100   127  100   127    0     0   1270      0 --:--:-- --:--:-- --:--:--  1270",
        "aws eks describe-addon --addon-name vpc-cni",
    ],
)
def test_lines_of_a_terminal_in_front_do_not_matter(line):
    assert read(f"\n{line}\n" + json.dumps(daemonset(), indent=1)) == READ


def test_a_very_long_line_is_no_command():
    with pytest.raises(ManifestError):
        read("$ " * 10_000 + "kubectl get ds\n" + json.dumps(daemonset()))


# --- without PyYAML ------------------------------------------------------------------------------------------------------


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


# --- anything ------------------------------------------------------------------------------------------------------------

KEYS = [
    *("kind", "apiVersion", "metadata", "items", "spec", "template", "containers", "initContainers", "env", "envFrom", "name", "value"),
    *("valueFrom", "extraEnv", "image", "init", "nodeAgent", "eniConfig", "aws-vpc-cni", "branchENICooldown", "WARM_IP_TARGET"),
    *("addon", "addonName", "addonVersion", "configurationValues", "configurationSchema", "health", "issues", "addons", "autoModeConfig"),
    *("kubernetesNetworkConfig", "ipFamily", "managedNodeGroups", "maxPodsPerNode", "AWS_VPC_K8S_CNI_RANDOMIZESNAT"),
]
WORDS = [
    "aws-node",
    "DaemonSet",
    "List",
    "ClusterConfig",
    "eksctl.io/v1alpha5",
    "vpc-cni",
    "5",
    "",
    "{",
    "env: {",
    '{"env": {}}',
    "a: b: c",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
CONFIGURATION = JSON | st.sampled_from(WORDS) | JSON.map(json.dumps)


def addon(configuration):
    return {"addon": {"addonName": "vpc-cni", "configurationValues": configuration}}


def cluster_config(configuration):
    return {"kind": "ClusterConfig", "addons": [{"name": "vpc-cni", "configurationValues": configuration}]}


@given(
    JSON
    | st.builds(daemonset, JSON)
    | st.builds(lambda env, extra: {"env": env, "extraEnv": extra}, JSON, JSON)
    | st.dictionaries(st.sampled_from(KEYS), JSON).map(lambda values: {"originalMatchLabels": True, **values})
    | st.builds(addon, CONFIGURATION)
    | st.builds(lambda more: {"addonName": "vpc-cni", **more}, st.dictionaries(st.sampled_from(KEYS), JSON))
    | st.builds(cluster_config, CONFIGURATION)
    | st.builds(
        lambda more: {"kind": "ClusterConfig", "addons": [{"name": "vpc-cni"}], **more}, st.dictionaries(st.sampled_from(KEYS), JSON)
    )
)
def test_any_document_is_read_or_refused(document):
    try:
        settings = Settings.from_daemonset(json.dumps(document))
    except ManifestError as refusal:
        assert str(refusal).isprintable()  # noqa: PT017 - either outcome is right
    else:
        assert all(each.suggestion or each.level == "info" for each in settings.diagnostics)
        assert settings.document


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    with pytest.raises(ManifestError):
        Settings.from_daemonset(text)


DOCUMENTS = [
    EXAMPLE.read_text(encoding="utf-8"),
    json.dumps(daemonset()),
    "env: {WARM_IP_TARGET: '5'}\nextraEnv:\n- name: MAX_ENI\n  value: '3'\n",
    json.dumps(addon('{"env": {"WARM_IP_TARGET": "5"}}')),
    "# DaemonSet aws-node, container aws-node\nWARM_IP_TARGET=5\n# MY_NODE_NAME from field path spec.nodeName\n",
    "Name:  aws-node\nPod Template:\nContainers:\n aws-node:\n  Environment:\n    MAX_ENI:  3\n    X:   (v1:spec.nodeName)\n  Mounts:\n",
]


@given(st.sampled_from(DOCUMENTS), st.data())
def test_a_damaged_document_is_read_or_refused(text, data):
    start = data.draw(st.integers(0, len(text)), label="start")
    end = data.draw(st.integers(start, min(len(text), start + 20)) | st.just(len(text)), label="end")
    damaged = text[:start] + data.draw(st.text(max_size=3), label="instead") + text[end:]
    try:
        assert Settings.from_daemonset(damaged).document
    except ManifestError as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize(
    ("document", "has"),
    [
        ({"kind": "Pod", "spec": {"containers": [{"name": "aws-node", "env": [{"name": "WARM_IP_TARGET", "value": "1"}]}]}}, True),
        ({"WARM_ENI_TARGET": 1, "WARM_IP_TARGET": 0, "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": False}, True),
        ({"kind": "Pod", "spec": {"containers": [{"name": "web", "env": []}]}}, False),
        ([], False),
    ],
)
def test_variables_are_found_in_a_document_or_not(document, has):
    assert has_variables(document) is has


@pytest.mark.parametrize(("text", "line"), [("a: 1\nb: [1\n", 3), ("a: 1\nb: 'x\n\n", 4), ("a: 1\nb: ]", 2), ("a: !!int x", None)])
def test_a_refusal_carries_the_line_of_the_fault(text: str, line: int | None) -> None:
    with pytest.raises(ManifestError) as refused:
        parse_documents(text, "the text")
    assert refused.value.line == line
