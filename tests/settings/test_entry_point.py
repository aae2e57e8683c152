"""The values with which the container exits before ipamd runs: each rule at its boundaries, and everywhere that settings are used."""

import attrs
import pytest

from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import SettingsError
from vpcipam.node import Node
from vpcipam.planner import plan
from vpcipam.settings import Settings
from vpcipam.settings.entry_point import entry_point_refusals

LOG, VETH, COOLDOWN = "AWS_VPC_K8S_PLUGIN_LOG_FILE", "AWS_VPC_K8S_CNI_VETHPREFIX", "IP_COOLDOWN_PERIOD"
ENI_MTU, POD_MTU, MODE = "AWS_VPC_ENI_MTU", "POD_MTU", "POD_SECURITY_GROUP_ENFORCING_MODE"
PREFIX, IP, MINIMUM = "WARM_PREFIX_TARGET", "WARM_IP_TARGET", "MINIMUM_IP_TARGET"
DELEGATION = {"ENABLE_PREFIX_DELEGATION": "true"}
POD_ENI = {"ENABLE_POD_ENI": "true"}
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", **DELEGATION}

REFUSED = [
    *[({LOG: text}, LOG) for text in ["stdout"]],
    *[({VETH: text}, VETH) for text in ["enipp", "eth", "vlan", "lo", "toolong", "éé€"]],
    *[(POD_ENI | {MODE: text}, MODE) for text in ["", "Strict", "STANDARD", "strict ", "none"]],
    *[({COOLDOWN: text}, COOLDOWN) for text in ["", "30s", "-1", " 5", "5 ", "5.0", "1_000", "0x1", "٣", str(2**63), "9" * 5000]],
    *[({name: text}, name) for name in (ENI_MTU, POD_MTU) for text in ["", "575", "9002", "jumbo", " 1500", "1500.0", "-1", "9" * 5000]],
    *[(IPV6 | {PREFIX: "1", name: text}, name) for name in (ENI_MTU, POD_MTU) for text in ["1279", "9002", "576", ""]],
    (DELEGATION, PREFIX),
    (IPV6, PREFIX),
    # The entry point compares texts: a sign or a blank sorts before "0", whatever follows it.
    *[(DELEGATION | {PREFIX: text}, PREFIX) for text in ["", "0", "-1", "+5", " 5"]],
    *[(DELEGATION | {IP: text, MINIMUM: text}, PREFIX) for text in ["", "0", "-1", "+5", " 5"]],
    (IPV6 | {PREFIX: "0"}, PREFIX),
]
ACCEPTED = [
    {},
    *[{LOG: text} for text in ["stderr", "STDOUT", "stdout ", "", "/var/log/x"]],
    *[{VETH: text} for text in ["", "eni", "enip", "Eth", "ETH", "los", "éé", "vla"]],
    *[POD_ENI | {MODE: text} for text in ["strict", "standard"]],
    POD_ENI,
    {MODE: "none"},
    {MODE: "none", "ENABLE_POD_ENI": "yes"},
    *[{COOLDOWN: text} for text in ["0", "-0", "+5", "007", "30", str(2**63 - 1)]],
    *[{name: text} for name in (ENI_MTU, POD_MTU) for text in ["576", "9001", "+1500", "01500"]],
    *[IPV6 | {PREFIX: "1", name: text} for name in (ENI_MTU, POD_MTU) for text in ["1280", "9001"]],
    # Texts that sort after "0" pass, even if ipamd then reads them as 0.
    *[DELEGATION | {name: text} for name in (PREFIX, IP, MINIMUM) for text in ["1", "00", "0.0", "five", "5.0"]],
    {"ENABLE_PREFIX_DELEGATION": "yes", PREFIX: "0"},
    {"ENABLE_PREFIX_DELEGATION": "false", PREFIX: "0"},
]


@pytest.mark.parametrize(("variables", "name"), REFUSED)
def test_a_value_that_the_entry_point_refuses_is_an_error(variables, name):
    (refusal,) = entry_point_refusals(variables)
    assert (refusal.variable, refusal.level) == (name, "error")
    assert refusal.message
    assert refusal.suggestion
    assert len(str(refusal)) < 600
    settings = Settings.from_env(variables)
    assert refusal in settings.diagnostics
    with pytest.raises(SettingsError, match=f"{name}: the container exits at its start, so no pod runs: "):
        settings.check()
    assert [found for found in settings.diagnostics if found.variable == name] == [refusal]


@pytest.mark.parametrize("variables", ACCEPTED)
def test_any_other_value_passes(variables):
    assert list(entry_point_refusals(variables)) == []
    assert [found for found in Settings.from_env(variables).diagnostics if "container exits" in found.message] == []


def test_all_refusals_show_at_once():
    texts = DELEGATION | POD_ENI | {LOG: "stdout", VETH: "lo", MODE: "x", COOLDOWN: "x", ENI_MTU: "x", POD_MTU: "x"}
    assert [found.variable for found in entry_point_refusals(texts)] == [LOG, VETH, MODE, COOLDOWN, ENI_MTU, POD_MTU, PREFIX]


def test_a_target_that_only_looks_above_zero_is_named():
    (refusal,) = entry_point_refusals(DELEGATION | {IP: "+5"})
    assert refusal.message.endswith("WARM_IP_TARGET '+5' does not count, because the entry point compares texts: write 5")
    (refusal,) = entry_point_refusals(DELEGATION | {IP: "-5"})
    assert "does not count" not in refusal.message


@pytest.mark.parametrize(
    "settings",
    [
        Settings(enable_prefix_delegation=True, warm_prefix_target=0),
        attrs.evolve(Settings(), enable_prefix_delegation=True, warm_prefix_target=0),
        Settings(enable_prefix_delegation=True, enable_ipv4=False, enable_ipv6=True, warm_prefix_target=0),
        attrs.evolve(Settings().with_variables({POD_MTU: "1000"}), enable_ipv4=False, enable_ipv6=True, enable_prefix_delegation=True),
        attrs.evolve(Settings().with_variables({MODE: "x"}), enable_pod_eni=True),
    ],
)
def test_settings_made_by_fields_are_refused_too(settings):
    with pytest.raises(SettingsError, match="the container exits at its start"):
        settings.check()


@pytest.mark.parametrize("change", [{"warm_prefix_target": 1}, {"warm_ip_target": 1}, {"minimum_ip_target": 1}])
def test_one_target_above_zero_is_enough(change):
    attrs.evolve(Settings(enable_prefix_delegation=True, warm_prefix_target=0), **change).check()


def test_a_field_that_replaces_a_refused_text_is_what_counts():
    attrs.evolve(Settings().with_variables({COOLDOWN: "30s"}), ip_cooldown_period_s=60).check()


@pytest.mark.parametrize("seconds", [4_611_686_019, 9_223_372_036, 9_223_372_037, 2**63 - 1])
def test_a_cooldown_longer_than_vpcipam_counts_is_refused_in_seconds(seconds):
    settings = Settings().with_variables({COOLDOWN: str(seconds)})
    with pytest.raises(SettingsError, match=rf": {seconds} s is more than vpcipam can count \(write 4611686018 or less\)$"):
        settings.check()
    assert plan("m5.large", 1, Settings().with_variables({COOLDOWN: "4611686018"})).pods_assigned == 1


@pytest.mark.parametrize(("variables", "name"), [each for each in REFUSED if len(each[0]) == 1][::4])
def test_neither_a_plan_nor_a_node_is_made_with_a_refused_value(variables, name):
    settings = Settings().with_variables(variables | ({PREFIX: "0"} if variables == DELEGATION else {}))
    with pytest.raises(SettingsError, match=f"{name}: .* no pod runs"):
        plan("m5.large", 1, settings)
    with pytest.raises(SettingsError, match=f"{name}: .* no pod runs"):
        Node("m5.large", settings, Ec2Model(), subnet_id="subnet-1")
