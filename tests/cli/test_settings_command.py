"""`vpcipam settings`."""

import json
from itertools import pairwise
from pathlib import Path

import attrs
import pytest

from vpcipam.cli import main
from vpcipam.planner import plan
from vpcipam.settings import VARIABLES, Settings

REFUSED = """\
env:
  ENABLE_IPv4: true
  ENABLE_IPv6: true
"""


def by_name(document):
    return {variable["name"]: variable for variable in document["variables"]}


def test_json_has_every_variable_with_its_value_and_source(cli, manifest):
    answer = cli("settings", manifest, "--json")
    assert answer.code == 0
    variables = by_name(answer.document)
    assert set(VARIABLES) < set(variables)
    assert variables["WARM_ENI_TARGET"] == {
        "name": "WARM_ENI_TARGET",
        "value": 1,
        "text": "1",
        "source": "set",
        "origin": "file",
        "shipped": "1",
        "differs": False,
        "acts_on_addresses": True,
        "effect": VARIABLES["WARM_ENI_TARGET"].effect,
    }
    assert (variables["WARM_IP_TARGET"]["value"], variables["WARM_IP_TARGET"]["source"]) == (0, "default")
    assert (variables["ENABLE_POD_ENCRYPTION"]["value"], variables["ENABLE_POD_ENCRYPTION"]["source"]) == (None, "other")


def test_json_has_the_diagnostics_of_the_library(cli, manifest):
    document = cli("settings", manifest, "--json").document
    expected = Settings.from_daemonset(Path(manifest)).diagnostics
    assert document["diagnostics"] == [attrs.asdict(found) for found in expected]
    assert {"ENABLE_POD_ENCRYPTION", "AWS_VPC_K8S_CNI_RANDOMIZESSID"} <= {found["variable"] for found in document["diagnostics"]}
    assert document["source"] == manifest
    assert document["mode"] == "secondary-ip"


def test_values_of_the_settings_are_those_of_the_library(cli):
    text = '[{"name": "WARM_IP_TARGET", "value": "x"}, {"name": "IP_COOLDOWN_PERIOD", "value": "007"}]'
    settings, variables = Settings.from_daemonset(text), by_name(cli("settings", "-", "--json", stdin=text).document)
    for name, variable in VARIABLES.items():
        if variable.setting is not None:
            assert variables[name]["value"] == getattr(settings, variable.setting)
    assert variables["WARM_IP_TARGET"]["source"] == "fallback"
    assert variables["IP_COOLDOWN_PERIOD"]["value"] == 7
    assert variables["ENABLE_IPv4"]["source"] == "implied"


def test_warnings_leave_the_exit_code_at_0(cli, manifest):
    answer = cli("settings", manifest)
    assert answer.code == 0
    assert answer.err == ""
    assert "warning: ENABLE_POD_ENCRYPTION" in answer.out


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_error_among_the_diagnostics_is_a_finding(cli, options):
    answer = cli("settings", "-", *options, stdin=REFUSED)
    assert answer.finding.startswith("stdin has 2 errors: ENABLE_IPv6: ipamd exits at its start, so no pod runs: IPv4 and IPv6 are both on")
    assert "ENABLE_PREFIX_DELEGATION" in answer.finding
    if options:
        assert answer.document["mode"] is None
    else:
        assert "stdin · Helm values · refused, see the errors below" in answer.out
        assert "error: ENABLE_IPv6" in answer.out


def test_diagnostics_are_sorted_by_level_and_carry_suggestions(cli):
    out = cli("settings", "-", stdin=REFUSED + "  WARM_IPTARGET: 5\n  MINIMUM_IP_TARGET: 5\n").out
    levels = [line.partition(":")[0] for line in out.splitlines() if line.startswith(("error:", "warning:", "info:"))]
    assert levels == sorted(levels, key=("error", "warning", "info").index)
    assert {"error", "warning"} <= set(levels)
    assert "  → did you mean WARM_IP_TARGET?" in out


@pytest.mark.parametrize(
    ("variables", "text", "mode"),
    [
        ("", "secondary IPs", "secondary-ip"),
        ("  ENABLE_PREFIX_DELEGATION: true\n", "/28 prefixes (secondary IPs on Xen types)", "prefix"),
        ("  AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: true\n", "secondary IPs, custom networking", "secondary-ip"),
        (
            "  ENABLE_PREFIX_DELEGATION: true\n  ENABLE_IPv4: false\n  ENABLE_IPv6: true\n",
            "IPv6 addresses",
            "ipv6",
        ),
    ],
)
def test_the_mode_is_shown(cli, variables, text, mode):
    stdin = f"env:\n  WARM_ENI_TARGET: 1\n{variables}"
    assert cli("settings", "-", stdin=stdin).out.splitlines()[0] == f"stdin · Helm values · {text}"
    assert cli("settings", "-", "--json", stdin=stdin).document["mode"] == mode


def test_an_instance_type_adds_its_diagnostics(cli):
    stdin = "env:\n  ENABLE_PREFIX_DELEGATION: true\n"
    answer = cli("settings", "-", "--type", "m4.large", stdin=stdin)
    assert answer.out.splitlines()[0] == "stdin · Helm values · secondary IPs"
    assert "no prefixes; ipamd falls back" in " ".join(answer.out.split())
    assert cli("settings", "-", "--type", "m4.large", "--json", stdin=stdin).document["instance_type"] == "m4.large"
    assert "unknown instance type" in cli("settings", "-", "--type", "m4.lrge", stdin=stdin).refusal


def test_a_type_that_cannot_run_with_the_settings_is_a_finding(cli):
    stdin = "env:\n  ENABLE_PREFIX_DELEGATION: true\n  ENABLE_IPv4: false\n  ENABLE_IPv6: true\n"
    assert cli("settings", "-", stdin=stdin).code == 0
    answer = cli("settings", "-", "--type", "m4.large", "--json", stdin=stdin)
    assert "IPv6 needs prefixes" in answer.finding
    assert answer.document["mode"] is None


VALUES = """\
env:
  WARM_IP_TARGET: 5
  WARM_ENI_TARGET: "1"
  WARM_PREFIX_TARGET: null
  MAX_ENI: x
  CLUSTER_ENDPOINT: prod
  CLUSTER_ENDPOINTS: prod
"""


def test_json_has_the_origin_of_each_value(cli):
    variables = by_name(cli("settings", "-", "--json", stdin=VALUES).document)
    origins = {name: described["origin"] for name, described in variables.items()}
    assert [name for name, origin in origins.items() if origin == "file"] == [
        *("WARM_ENI_TARGET", "WARM_IP_TARGET", "MAX_ENI", "CLUSTER_ENDPOINT", "CLUSTER_ENDPOINTS"),
    ]
    assert (origins["ENABLE_IPv4"], origins["WARM_PREFIX_TARGET"], origins["POD_MTU"]) == ("manifest", "default", "default")
    differing = {name for name, described in variables.items() if described["differs"]}
    assert differing == {"WARM_IP_TARGET", "WARM_PREFIX_TARGET", "MAX_ENI", "CLUSTER_ENDPOINT", "CLUSTER_ENDPOINTS"}


def test_what_differs_from_the_shipped_manifest_is_shown_beside_it(cli, monkeypatch):
    lines = cli("settings", "-", stdin=VALUES).out.splitlines()
    assert lines[2] == "Different from the manifest that AWS ships"
    assert lines[lines.index("WARM_IP_TARGET = 5 (file; shipped: 0)") + 1] == "  keeps this many addresses free; 0: not set"
    assert "WARM_PREFIX_TARGET = 0 (default; shipped: 1)" in lines
    assert "MAX_ENI = -1 (not 'x', which is unusable) (file; shipped: -1)" in lines
    assert "Different, with no effect on addresses: CLUSTER_ENDPOINT, CLUSTER_ENDPOINTS." in lines
    assert f"{len(VARIABLES) - 4} other variables are as shipped; --all shows them." in lines
    assert not any(line.startswith(("WARM_ENI_TARGET =", "ENABLE_IPv4 =")) for line in lines)
    monkeypatch.setenv("COLUMNS", "140")
    words = [line.split() for line in cli("settings", "-", stdin=VALUES).out.splitlines()]
    assert ["WARM_IP_TARGET", "5", "0", "file", "keeps"] in [line[:5] for line in words]


@pytest.mark.parametrize("width", ["80", "120"])
def test_all_shows_every_variable_under_its_origin(cli, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    out = cli("settings", "-", "--all", stdin=VALUES).out
    titles = (
        *("Different from the manifest that AWS ships", "Set by the file, as in the manifest that AWS ships"),
        *("Added by the manifest that AWS ships", "Set by neither: ipamd's defaults", "For a node, this means"),
    )
    places = [out.index(f"{title}\n") for title in titles]
    assert places == sorted(places)
    parts = [set(out[start:end].replace(",", " ").split()) for start, end in pairwise(places)]
    for name, described in by_name(cli("settings", "-", "--json", stdin=VALUES).document).items():
        place = 0 if described["differs"] else 1 + ("file", "manifest", "default").index(described["origin"])
        assert [number for number, part in enumerate(parts) if name in part or f"{name}." in part] == [place]
    assert "as shipped; --all" not in out


@pytest.mark.parametrize("text", [VALUES, '[{"name": "WARM_IP_TARGET", "value": "5"}]', "WARM_IP_TARGET=5\n"])
def test_the_first_line_names_what_was_read(cli, text):
    document = cli("settings", "-", "--json", stdin=text).document["document"]
    assert document
    assert cli("settings", "-", stdin=text).out.startswith(f"stdin · {document} · secondary IPs\n")


def test_a_daemonset_gets_nothing_from_the_shipped_manifest(cli):
    stdin = '[{"name": "ENABLE_IPv4", "value": "true"}]'
    answer = cli("settings", "-", "--all", stdin=stdin)
    assert "Added by the manifest" not in answer.out
    assert "WARM_PREFIX_TARGET = 0 (default; shipped: 1)" in answer.out
    assert answer.out.endswith("No remarks.\n")


def test_a_file_as_shipped_differs_in_nothing(cli):
    out = cli("settings", "-", stdin="env: {}").out
    assert "No variable that acts on addresses differs" in out
    assert "with no effect on addresses:" not in out


@pytest.mark.parametrize(
    ("env", "meaning"),
    [
        ("{}", "A node keeps as many addresses free as 1 ENI can hold. A released address cools for 30 s."),
        ("{WARM_ENI_TARGET: 2, MAX_ENI: 3}", "A node keeps as many addresses free as 2 ENIs can hold. It has at most 3 ENIs."),
        ("{WARM_ENI_TARGET: 0}", "A node asks EC2 for addresses when its last free one is taken."),
        ("{WARM_IP_TARGET: 1, IP_COOLDOWN_PERIOD: 60}", "A node keeps 1 address free. A released address cools for 60 s."),
        ("{WARM_IP_TARGET: 5, MINIMUM_IP_TARGET: 1000}", "A node keeps 5 addresses free, and has at least 1,000 in total."),
        ("{MINIMUM_IP_TARGET: 10}", "A node has at least 10 addresses in total, and keeps none free beyond them."),
        ("{ENABLE_PREFIX_DELEGATION: true}", "A node keeps 16 addresses free: as many as 1 /28 prefix."),
        ("{ENABLE_PREFIX_DELEGATION: true, WARM_PREFIX_TARGET: 2}", "A node keeps 32 addresses free: as many as 2 /28 prefixes."),
        ('{ENABLE_PREFIX_DELEGATION: true, WARM_PREFIX_TARGET: "00"}', "A node asks EC2 for addresses when its last free one is taken."),
        ("{ENABLE_PREFIX_DELEGATION: true, WARM_IP_TARGET: 5}", "A node keeps 5 addresses free, in whole /28 prefixes of 16."),
        ("{AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: true}", "Its primary ENI gives pods no addresses (custom networking)."),
        ("{ENABLE_IMDS_ONLY_MODE: true}", "With ENABLE_IMDS_ONLY_MODE a node has the addresses that others attach"),
        ("{ENABLE_PREFIX_DELEGATION: true, ENABLE_IPv4: false, ENABLE_IPv6: true}", "Pods get IPv6 addresses of the node's /80"),
        ("{IP_COOLDOWN_PERIOD: 30s}", "The node never becomes ready, so no pod runs. The errors below say why."),
    ],
)
def test_what_the_settings_mean_for_a_node_is_said(cli, env, meaning):
    answer = cli("settings", "-", "--json", stdin=f"env: {env}\n")
    assert meaning in answer.document["meaning"]
    assert answer.document["figures"] is None
    out = " ".join(cli("settings", "-", stdin=f"env: {env}\n").out.split())
    assert f"For a node, this means {answer.document['meaning']}" in out


@pytest.mark.parametrize("env", [{}, {"WARM_IP_TARGET": "5"}, {"ENABLE_PREFIX_DELEGATION": "true"}, {"MAX_ENI": "2"}])
def test_figures_for_an_instance_type_are_those_of_a_plan(cli, env):
    stdin = json.dumps({"env": env})
    document = cli("settings", "-", "--type", "m5.large", "--json", stdin=stdin).document
    answer = plan("m5.large", 0, Settings().with_variables(env))
    assert document["figures"] == {
        name: getattr(answer, name)
        for name in (
            *("eni_count", "total_ips", "available_ips", "prefix_count", "subnet_ips"),
            *("pod_limit", "limit_reason", "max_pods", "max_pods_by"),
        )
    }
    assert f"At most {answer.pod_limit} pods with a VPC address can run: {answer.limit_reason}. " in document["meaning"]
    assert document["meaning"].endswith(
        f"The kubelet's max-pods is {answer.max_pods}, as a managed node group sets it; 2 of them on the host's network."
    )


def test_a_type_without_room_for_pods_is_said_to_run_none(cli):
    stdin = "env: {AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: true, MAX_ENI: 1}"
    document = cli("settings", "-", "--type", "m5.large", "--json", stdin=stdin).document
    assert document["meaning"].startswith("On m5.large the node never becomes ready, so no pod runs: ")
    assert document["figures"] is None


def test_markup_and_control_characters_of_a_manifest_are_shown_as_they_are(cli):
    stdin = '[{"name": "[red]X\\u001b[31m", "value": "1"}, {"name": "AWS_VPC_K8S_CNI_BACKING_STORE", "value": ":smile: [b]\\u0007"}]'
    out = cli("settings", "-", stdin=stdin).out
    assert r"[red]X\x1b[31m" in out
    assert r":smile: [b]\x07" in out
    assert "\x1b" not in out
    assert "\x07" not in out


ADDON = '{"addon": {"addonName": "vpc-cni", "configurationValues": "env: {ENABLE_PREFIX_DELEGATION: \'true\', WARM_PREFIX_TARGET: \'2\'}"}}'


def test_any_document_with_the_variables_is_read(cli, tmp_path):
    document = cli("settings", "-", "--json", stdin=ADDON).document
    assert document["document"] == "EKS add-on vpc-cni"
    variables = by_name(document)
    assert (variables["ENABLE_PREFIX_DELEGATION"]["value"], variables["WARM_PREFIX_TARGET"]["value"]) == (True, 2)
    file = tmp_path / "addon.json"
    file.write_text(ADDON)
    assert cli("plan", "m5.large", "--pods", "1", "--daemonset", str(file), "--json").document["prefix_count"] == 3


# --- what can't be read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stdin", "words"),
    [
        (b"", "no container at all"),
        (b"\n\n", "no container at all"),
        (b"hello", "no container at all"),
        (b'"a: [', "not YAML at line"),
        (b"a: b: c", "not YAML at line 1"),
        (b"\x7fELF\xff\xfe\x00", "can't read stdin"),
        (b"\x00\x01", "not YAML"),
        (b"[" * 100_000, "nested too deeply"),
        (b"x" * (2**20 + 1), "longer than"),
        (b"spec: {template: {spec: {containers: [{name: nginx}]}}}", "found containers nginx"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_invalid_manifest_is_refused_in_one_line(cli, stdin, words, options):
    assert words in cli("settings", "-", *options, stdin=stdin).refusal


def test_a_file_that_cannot_be_read_is_refused(cli, tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\x7fELF\xff\xfe\x00")
    assert "No such file" in cli("settings", str(tmp_path / "none.yaml")).refusal
    assert "Is a directory" in cli("settings", str(tmp_path)).refusal
    assert "not UTF-8" in cli("settings", str(binary)).refusal
    assert "can't read" in cli("settings", str(tmp_path / "\x1b[31m\nx\udcff")).refusal
    assert cli("settings", "").code == 1


def test_a_byte_order_mark_on_stdin_is_ignored(cli):
    assert cli("settings", "-", stdin=b"\xef\xbb\xbfenv:\n  WARM_IP_TARGET: 1\n").code == 0


@pytest.mark.parametrize("command", ["settings", "inspect", "verify"])
def test_a_closed_stdin_is_refused(command, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert main([command, "-"]) == 1
    assert "it is closed" in capsys.readouterr().err


def test_stdin_cannot_be_read_twice(cli):
    assert "both come from stdin" in cli("settings", "-", "--types", "-").usage_error
    assert "both come from stdin" in cli("plan", "m5.large", "--pods", "1", "--daemonset", "-", "--types", "-").usage_error
    assert "FILE" in cli("settings").usage_error
