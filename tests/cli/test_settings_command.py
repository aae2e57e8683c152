"""`vpcipam settings`."""

from pathlib import Path

import attrs
import pytest

from vpcipam.cli import main
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
    assert answer.finding.startswith("stdin has 2 errors: ENABLE_IPv6: IPv4 and IPv6 are both on")
    assert "ENABLE_PREFIX_DELEGATION" in answer.finding
    if options:
        assert answer.document["mode"] is None
    else:
        assert "stdin · refused, see the errors below" in answer.out
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
    assert cli("settings", "-", stdin=stdin).out.splitlines()[0] == f"stdin · {text}"
    assert cli("settings", "-", "--json", stdin=stdin).document["mode"] == mode


def test_an_instance_type_adds_its_diagnostics(cli):
    stdin = "env:\n  ENABLE_PREFIX_DELEGATION: true\n"
    answer = cli("settings", "-", "--type", "m4.large", stdin=stdin)
    assert answer.out.splitlines()[0] == "stdin · secondary IPs"
    assert "no prefixes; ipamd falls back" in " ".join(answer.out.split())
    assert cli("settings", "-", "--type", "m4.large", "--json", stdin=stdin).document["instance_type"] == "m4.large"
    assert "unknown instance type" in cli("settings", "-", "--type", "m4.lrge", stdin=stdin).refusal


def test_a_type_that_cannot_run_with_the_settings_is_a_finding(cli):
    stdin = "env:\n  ENABLE_PREFIX_DELEGATION: true\n  ENABLE_IPv4: false\n  ENABLE_IPv6: true\n"
    assert cli("settings", "-", stdin=stdin).code == 0
    answer = cli("settings", "-", "--type", "m4.large", "--json", stdin=stdin)
    assert "IPv6 needs prefixes" in answer.finding
    assert answer.document["mode"] is None


@pytest.mark.parametrize("width", ["80", "120"])
def test_all_variables_that_act_on_addresses_are_shown_and_explained(cli, monkeypatch, manifest, width):
    monkeypatch.setenv("COLUMNS", width)
    out = " ".join(cli("settings", manifest).out.split())
    for variable in VARIABLES.values():
        if variable.acts_on_addresses:
            assert variable.name in out
    assert "keeps a released address" in out
    assert "more variables are set, with no effect on addresses" in out


def test_a_description_is_below_its_variable_on_a_narrow_page_and_beside_it_on_a_wide_one(cli, monkeypatch, manifest):
    lines = cli("settings", manifest).out.splitlines()
    assert lines[lines.index("IP_COOLDOWN_PERIOD = 30 (default)") + 1] == "  keeps a released address unused for this many seconds"
    monkeypatch.setenv("COLUMNS", "120")
    lines = [line.split() for line in cli("settings", manifest).out.splitlines()]
    assert ["IP_COOLDOWN_PERIOD", "30", "default", "keeps", "a", "released"] in [line[:6] for line in lines]


def test_a_manifest_without_diagnostics_says_so(cli):
    out = cli("settings", "-", stdin='[{"name": "VPC_ID", "value": "vpc-1"}, {"name": "ENABLE_IPv4", "value": "true"}]').out
    assert "1 more variable is set" in out
    assert out.endswith("No remarks.\n")
    out = cli("settings", "-", stdin='[{"name": "ENABLE_IPv4", "value": "true"}]').out
    assert "more variable" not in out


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


def test_a_closed_stdin_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    assert main(["settings", "-"]) == 1
    assert "it is closed" in capsys.readouterr().err


def test_stdin_cannot_be_read_twice(cli):
    assert "both come from stdin" in cli("settings", "-", "--types", "-").usage_error
    assert "both come from stdin" in cli("plan", "m5.large", "--pods", "1", "--daemonset", "-", "--types", "-").usage_error
    assert "FILE" in cli("settings").usage_error
