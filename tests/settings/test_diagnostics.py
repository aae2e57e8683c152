"""What is said about settings: each kind once, and nothing where there is nothing to say."""

import pytest

from vpcipam.limits import InstanceLimits
from vpcipam.settings import Diagnostic, Settings
from vpcipam.settings.diagnostics import sort_diagnostics

XEN = InstanceLimits(instance_type="old.large", eni_limit=3, ipv4_per_eni=10, hypervisor="xen")
ONE_ENI = InstanceLimits(instance_type="one.small", eni_limit=1, ipv4_per_eni=10)
TWO_ENIS = InstanceLimits(instance_type="two.small", eni_limit=2, ipv4_per_eni=10)
TWO_CARDS = InstanceLimits(instance_type="two.cards", eni_limit=2, ipv4_per_eni=10, network_cards=(2, 2))
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}
PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}
CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
COUNTED = ("WARM_ENI_TARGET", "WARM_IP_TARGET", "MINIMUM_IP_TARGET", "WARM_PREFIX_TARGET", "MAX_ENI")
NONE_COUNTED = dict.fromkeys(COUNTED) | {"WARM_PREFIX_TARGET": "00"}  # ipamd reads 0, yet the container's entry point accepts it


def said(variables, limits=None):
    """Everything said when these variables change the shipped manifest: name and level."""
    settings = Settings().with_variables(variables)
    found = settings.diagnostics if limits is None else settings.diagnose(limits)
    assert all(each.message and "\n" not in str(each) for each in found)
    return {(each.variable, each.level) for each in found}


# --- single variables ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("AWS_VPC_K8S_CNI_RANDOMIZESSID", "did you mean AWS_VPC_K8S_CNI_RANDOMIZESNAT?"),
        ("AWS_VPC_K8S_PLUGIN_LOGLEVEL", "did you mean AWS_VPC_K8S_PLUGIN_LOG_LEVEL?"),
        ("ENABLE_POD_ENCRYPTION", "remove it"),
        ("ENABLE_IPV4", "did you mean ENABLE_IPv4?"),
        ("WARM_IPTARGET", "did you mean WARM_IP_TARGET?"),
        ("AWS_VPC_K8S_CNI_WARM_ENI_TARGET", "did you mean WARM_ENI_TARGET?"),
        ("AWS_VPC_CNI_WARM_IP_TARGET", "did you mean WARM_IP_TARGET?"),
        ("AWS_VPC_K8S_CNI_WARM_IPTARGET", "did you mean WARM_IP_TARGET?"),
        ("AWS_VPC_CNI_CUSTOM_NETWORK_CFG", "did you mean AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG?"),
        ("CUSTOM_NETWORK_CFG", "did you mean AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG?"),
        ("AWS_VPC_K8S_CNI_LOG_LEVEL", "did you mean AWS_VPC_K8S_CNI_LOGLEVEL?"),
        ("MANAGE_ENIS_NON_SCHEDULABLE", "did you mean AWS_MANAGE_ENIS_NON_SCHEDULABLE?"),
        ("warm_ip_target", "did you mean WARM_IP_TARGET?"),
        ("ID", "remove it"),
        ("VERSION", "remove it"),
        ("FOO", "remove it"),
        ("", "remove it"),
    ],
)
def test_an_unknown_name_is_reported_with_a_suggestion(name, suggestion):
    (found,) = Settings().with_variables({name: "x"}).diagnostics
    assert (found.variable, found.level, found.suggestion) == (name, "warning", suggestion)


def test_a_name_in_the_wrong_case_is_reported():
    (found,) = Settings.from_env({"ENABLE_IPV4": "true"}).diagnostics
    assert found.message.endswith("case counts")


def test_a_feature_that_does_not_exist_is_reported():
    (found,) = Settings.from_env({"ENABLE_POD_ENCRYPTION": "true"}).diagnostics
    assert "no such feature" in found.message


def test_names_of_the_sdk_and_the_system_are_ignored():
    assert Settings.from_env({"AWS_REGION": "eu-west-1", "HTTPS_PROXY": "x", "PATH": "/bin", "HOME": "/"}).diagnostics == ()


@pytest.mark.parametrize(
    ("name", "text", "level", "default"),
    [
        ("WARM_IP_TARGET", "five", "warning", "0"),
        ("WARM_ENI_TARGET", "-1", "warning", "1"),
        ("WARM_PREFIX_TARGET", "1.0", "warning", "0"),
        ("MAX_ENI", "", "warning", "-1"),
        ("ENABLE_SUBNET_DISCOVERY", "no", "warning", "true"),
        ("ENABLE_POD_ENI", "yes", "warning", "false"),
        ("AWS_VPC_K8S_CNI_BACKING_STORE", "", "warning", "/var/run/aws-node/ipam.json"),
        ("AWS_VPC_K8S_CNI_EXTERNALSNAT", "on", "info", "false"),
    ],
)
def test_an_unusable_value_is_reported_with_the_default_used_instead(name, text, level, default):
    (found,) = Settings().with_variables({name: text}).diagnostics
    assert (found.variable, found.level) == (name, level)
    assert found.message == f"{text!r} can't be used; ipamd takes its default, {default}"
    assert found.suggestion.startswith("write ")


def test_an_empty_text_is_not_said_to_be_the_default():
    (found,) = Settings().with_variables({"AWS_VPC_K8S_CNI_VETHPREFIX": ""}).diagnostics
    assert (found.level, found.message) == ("info", "is empty; if it is not set, ipamd takes eni")


@pytest.mark.parametrize("text", ["0x80", "0b1", "128"])
def test_a_mark_can_be_written_in_any_base(text):
    assert said({"AWS_VPC_K8S_CNI_CONNMARK": text}) == set()


def test_a_very_long_value_is_shortened():
    (found,) = Settings.from_env({"WARM_IP_TARGET": "9" * 100_000}).diagnostics
    assert len(found.message) < 200


@pytest.mark.parametrize("text", ["none", "strict", "standard", "Strict"])
def test_a_known_policy_mode_is_fine(text):
    assert said({"NETWORK_POLICY_ENFORCING_MODE": text}) == set()


@pytest.mark.parametrize("text", ["", "loose"])
def test_an_unknown_policy_mode_is_an_error(text):
    assert said({"NETWORK_POLICY_ENFORCING_MODE": text}) == {("NETWORK_POLICY_ENFORCING_MODE", "error")}


def test_empty_texts_that_mean_their_default_are_fine():
    assert said({"CLUSTER_NAME": "", "VPC_ID": ""}) == set()


# --- combinations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, set()),
        ({"MAX_ENI": "2"}, set()),
        ({"MAX_ENI": "-1"}, set()),
        ({"WARM_ENI_TARGET": "2"}, set()),
        ({"IP_COOLDOWN_PERIOD": "1"}, set()),
        (PREFIXES | {"WARM_PREFIX_TARGET": "2"}, set()),
        # refused by the daemon
        ({"ENABLE_IPv4": "false"}, {("ENABLE_IPv4", "error")}),
        (PREFIXES | {"ENABLE_IPv6": "true", **NONE_COUNTED}, {("ENABLE_IPv6", "error")}),
        (IPV6 | {"ENABLE_PREFIX_DELEGATION": "false", **NONE_COUNTED}, {("ENABLE_PREFIX_DELEGATION", "error")}),
        (IPV6 | CUSTOM | NONE_COUNTED, {("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "error")}),
        # targets that do nothing
        (IPV6 | NONE_COUNTED, set()),
        (IPV6, set()),
        (IPV6 | {"WARM_ENI_TARGET": "1"}, {("WARM_ENI_TARGET", "info")}),
        (IPV6 | dict.fromkeys(COUNTED, "3"), {(name, "warning") for name in COUNTED}),
        ({"WARM_IP_TARGET": "5"}, set()),
        ({"WARM_IP_TARGET": "5", "WARM_ENI_TARGET": "1"}, {("WARM_ENI_TARGET", "info")}),
        ({"WARM_IP_TARGET": "5", "WARM_ENI_TARGET": None}, set()),
        ({"WARM_IP_TARGET": "5", "WARM_ENI_TARGET": "0"}, {("WARM_ENI_TARGET", "warning")}),
        ({"WARM_IP_TARGET": "5", "WARM_ENI_TARGET": "2"}, {("WARM_ENI_TARGET", "warning")}),
        ({"WARM_PREFIX_TARGET": "2"}, {("WARM_PREFIX_TARGET", "warning")}),
        ({"WARM_PREFIX_TARGET": "2", "WARM_IP_TARGET": "1"}, {("WARM_PREFIX_TARGET", "warning")}),
        (PREFIXES | {"WARM_ENI_TARGET": "2"}, {("WARM_ENI_TARGET", "warning")}),
        (PREFIXES | {"WARM_IP_TARGET": "5"}, set()),
        (PREFIXES | {"WARM_IP_TARGET": "5", "WARM_PREFIX_TARGET": "1"}, {("WARM_PREFIX_TARGET", "info")}),
        (PREFIXES | {"WARM_IP_TARGET": "5", "WARM_PREFIX_TARGET": "2"}, {("WARM_PREFIX_TARGET", "warning")}),
        # what trips people
        ({"MINIMUM_IP_TARGET": "5"}, {("MINIMUM_IP_TARGET", "warning")}),
        ({"MINIMUM_IP_TARGET": "5", "WARM_IP_TARGET": "1"}, set()),
        (PREFIXES | {"WARM_PREFIX_TARGET": "0"}, {("WARM_PREFIX_TARGET", "error")}),
        (IPV6 | dict.fromkeys(COUNTED), {("WARM_PREFIX_TARGET", "error")}),
        ({"WARM_ENI_TARGET": "0"}, {("WARM_ENI_TARGET", "info")}),
        ({"IP_COOLDOWN_PERIOD": "0"}, {("IP_COOLDOWN_PERIOD", "warning")}),
        ({"ENABLE_POD_ENI": "true"}, {("ENABLE_POD_ENI", "info")}),
        (CUSTOM | {"MAX_ENI": "1"}, {("MAX_ENI", "warning")}),
        (CUSTOM | {"MAX_ENI": "2"}, set()),
        ({"ENABLE_IMDS_ONLY_MODE": "true"}, {("ENABLE_IMDS_ONLY_MODE", "info")}),
        (
            {"ENABLE_IMDS_ONLY_MODE": "true", "MANAGE_UNTAGGED_ENI": "false"},
            {("ENABLE_IMDS_ONLY_MODE", "info"), ("MANAGE_UNTAGGED_ENI", "warning")},
        ),
        ({"DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"}, {("DISABLE_NETWORK_RESOURCE_PROVISIONING", "info")}),
    ],
)
def test_contradicting_settings_are_reported(variables, expected):
    assert said(variables) == expected


def test_only_a_written_target_is_said_to_have_no_effect():
    targets = {"WARM_ENI_TARGET", "WARM_PREFIX_TARGET"}
    added = Settings.from_daemonset("env: {ENABLE_PREFIX_DELEGATION: 'true', WARM_IP_TARGET: '5'}")
    assert {added.origin_of(name) for name in targets} == {"manifest"}
    assert added.diagnostics == ()
    written = Settings.from_env(added.variables)
    assert {(found.variable, found.level) for found in written.diagnostics} == {(name, "info") for name in targets}


@pytest.mark.parametrize(
    ("variables", "limits", "expected"),
    [
        ({}, XEN, set()),
        ({}, "m5.large", set()),
        (PREFIXES | {"WARM_ENI_TARGET": None}, XEN, {("ENABLE_PREFIX_DELEGATION", "warning")}),
        (PREFIXES | {"WARM_ENI_TARGET": None}, "m5.metal", set()),
        (IPV6 | NONE_COUNTED, XEN, {("ENABLE_IPv6", "error")}),
        (IPV6 | NONE_COUNTED, "m5.large", set()),
        ({"MAX_ENI": "3"}, "m5.large", set()),
        ({"MAX_ENI": "4"}, "m5.large", {("MAX_ENI", "warning")}),
        (CUSTOM, ONE_ENI, {("AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "warning")}),
        (CUSTOM, TWO_ENIS, set()),
        (CUSTOM | {"MAX_ENI": "1"}, ONE_ENI, {("MAX_ENI", "warning")}),
        ({"ENABLE_POD_ENI": "true"}, TWO_ENIS, {("ENABLE_POD_ENI", "info")}),
        ({"ENABLE_POD_ENI": "true"}, ONE_ENI, {("ENABLE_POD_ENI", "warning")}),
        ({"ENABLE_POD_ENI": "true", "MAX_ENI": "1"}, "m5.large", {("ENABLE_POD_ENI", "warning")}),
        ({"ENABLE_POD_ENI": "true"} | CUSTOM, TWO_ENIS, {("ENABLE_POD_ENI", "info"), ("ENABLE_POD_ENI", "warning")}),
        ({"ENABLE_POD_ENI": "true"}, "t3.medium", {("ENABLE_POD_ENI", "warning")}),
        ({"ENABLE_POD_ENI": "true"} | IPV6 | NONE_COUNTED, "t3.medium", {("ENABLE_POD_ENI", "warning")}),
        ({"ENABLE_POD_ENI": "true"} | IPV6 | NONE_COUNTED, "m5.large", set()),
        ({"ENABLE_MULTI_NIC": "true"}, TWO_ENIS, {("ENABLE_MULTI_NIC", "info")}),
        ({"ENABLE_MULTI_NIC": "true"}, TWO_CARDS, set()),
    ],
)
def test_settings_that_do_not_fit_the_instance_type_are_reported(variables, limits, expected):
    assert said(variables, limits) == expected


@pytest.mark.parametrize(
    ("variables", "limits", "words"),
    [
        ({}, None, "on types that take a trunk ENI, keeps one ENI for the trunk"),
        ({}, "t3.medium", "t3.medium takes no trunk ENI: nothing is kept back for one, and pods with security groups can't run there"),
        ({}, "m5.large", "keeps one ENI for the trunk"),
        ({"MAX_ENI": "1"}, None, "with MAX_ENI 1, a node has no room for the trunk"),
        ({"MAX_ENI": "2"} | CUSTOM, None, "on types that take a trunk ENI, keeps one ENI for the trunk"),
        ({"MAX_ENI": "1"}, "m5.large", "with MAX_ENI 1, a node has no room for the trunk"),
        ({}, ONE_ENI, f"with {ONE_ENI.instance_type}, which takes 1 ENI, a node has no room for the trunk"),
        (CUSTOM | {"MAX_ENI": "2"}, "m5.large", "with MAX_ENI 2, the trunk takes the only ENI beside the primary one"),
        (CUSTOM, TWO_ENIS, f"with {TWO_ENIS.instance_type}, which takes 2 ENIs, the trunk takes the only ENI beside the primary one"),
    ],
)
def test_security_groups_for_pods_are_explained_for_the_type(variables, limits, words):
    settings = Settings().with_variables({"ENABLE_POD_ENI": "true"} | variables)
    found = settings.diagnostics if limits is None else settings.diagnose(limits)
    assert any(each.message.startswith(words) for each in found if each.variable == "ENABLE_POD_ENI")


# --- the diagnostics themselves ------------------------------------------------------------------------------------------


def test_errors_come_first_and_the_order_is_otherwise_kept():
    found = [
        Diagnostic(name, level, "x") for name, level in [("a", "info"), ("b", "warning"), ("c", "error"), ("d", "warning"), ("e", "error")]
    ]
    assert [each.variable for each in sort_diagnostics(found)] == ["c", "e", "b", "d", "a"]


def test_the_diagnostics_of_settings_have_errors_first():
    settings = Settings.from_env({"FOO": "1", "ENABLE_IPv4": "false", "ENABLE_POD_ENI": "true", "WARM_IP_TARGET": "x"})
    assert [found.level for found in settings.diagnostics] == ["error", "warning", "warning", "info"]
    assert [found.level for found in settings.diagnose(ONE_ENI)] == ["error", "warning", "warning", "warning"]


def test_a_target_without_effect_for_two_reasons_is_reported_once():
    settings = Settings.from_env({"ENABLE_IPv6": "true", "WARM_PREFIX_TARGET": "3"})
    assert [found.variable for found in settings.diagnostics] == ["ENABLE_PREFIX_DELEGATION", "WARM_PREFIX_TARGET"]


def test_a_diagnostic_reads_as_one_line():
    assert str(Diagnostic("MAX_ENI", "warning", "is 9", "lower it")) == "warning: MAX_ENI: is 9 (lower it)"
    assert str(Diagnostic("MAX_ENI", "info", "is 9")) == "info: MAX_ENI: is 9"


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="level"):
        Diagnostic("MAX_ENI", "fatal", "x")


def test_a_name_that_is_not_text_is_refused():
    with pytest.raises(TypeError, match="variable"):
        Diagnostic(None, "info", "x")
