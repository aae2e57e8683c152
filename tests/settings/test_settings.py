"""Settings: where they come from, and what follows from them."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument, SettingsError, UnknownInstanceType
from vpcipam.limits import InstanceLimits
from vpcipam.settings import Settings
from vpcipam.settings.variables import MAX_COOLDOWN_S, SHIPPED, VARIABLE_OF_SETTING, VARIABLES

FIELDS = [field for field in attrs.fields(Settings) if not field.name.startswith("_")]
INTEGERS = [field.name for field in FIELDS if field.type is int]
BOOLEANS = [field.name for field in FIELDS if field.type is bool]
XEN = InstanceLimits(instance_type="old.large", eni_limit=3, ipv4_per_eni=10, hypervisor="xen")
METAL = InstanceLimits(instance_type="new.metal", eni_limit=3, ipv4_per_eni=10, bare_metal=True)
IPV6 = {"enable_ipv4": False, "enable_ipv6": True, "enable_prefix_delegation": True}

TEXTS = st.sampled_from(["", "true", "false", "True", "1", "0", "2", "-1", "+3", "yes", "5.0", "1_000", "99999999999999999999"]) | st.text(
    max_size=6
)
ENVIRONMENTS = st.dictionaries(st.sampled_from(sorted(VARIABLES)) | st.text(max_size=12), TEXTS, max_size=12)
SETTINGS = st.builds(
    Settings,
    **{name: st.integers(0, 20) for name in INTEGERS},
    **{name: st.booleans() for name in BOOLEANS},
    backing_store=st.sampled_from(["/var/run/aws-node/ipam.json", "/x"]),
)


# --- sources -------------------------------------------------------------------------------------------------------------


def test_plain_settings_are_the_shipped_manifest():
    assert Settings() == Settings.from_env(SHIPPED)
    assert dict(Settings().variables) == dict(SHIPPED)
    assert Settings().diagnostics == ()


def test_no_variables_at_all_mean_the_daemons_defaults():
    assert Settings.from_env({}) == attrs.evolve(Settings(), warm_prefix_target=0)
    assert Settings.from_env({}).diagnostics == ()
    assert Settings.from_env({}).variables == {}


def test_every_acting_variable_has_a_field_and_every_field_a_variable():
    assert set(VARIABLE_OF_SETTING) == {field.name for field in FIELDS}


@pytest.mark.parametrize(("setting", "variable"), VARIABLE_OF_SETTING.items())
def test_every_variable_reaches_its_field(setting, variable):
    value, text = {"bool": (not variable.default, str(not variable.default).lower()), "int": (7, "+7"), "text": ("/x", "/x")}[variable.kind]
    assert getattr(Settings.from_env({variable.name: text}), setting) == value


@pytest.mark.parametrize(("setting", "variable"), [pair for pair in VARIABLE_OF_SETTING.items() if pair[1].kind != "text"])
@pytest.mark.parametrize("text", ["", " ", "5.0", "yes", "1_000", "-7", "99999999999999999999"])
def test_what_the_daemon_cannot_read_becomes_its_default(setting, variable, text):
    settings = Settings.from_env({variable.name: text})
    assert getattr(settings, setting) == variable.default
    said = "the container exits" if variable.name == "IP_COOLDOWN_PERIOD" else "ipamd takes its default"
    assert [found.variable for found in settings.diagnostics if said in found.message] == [variable.name]


@pytest.mark.parametrize(
    ("variables", "ipv4", "ipv6"),
    [
        ({}, True, False),
        ({"ENABLE_IPv6": "false"}, True, False),
        ({"ENABLE_IPv6": "true"}, False, True),
        ({"ENABLE_IPv4": "false"}, False, False),
        ({"ENABLE_IPv4": "what"}, False, False),
        ({"ENABLE_IPv4": "true", "ENABLE_IPv6": "true"}, True, True),
    ],
)
def test_ipv4_is_on_where_it_is_not_mentioned_and_ipv6_is_not_on(variables, ipv4, ipv6):
    settings = Settings.from_env(variables)
    assert (settings.enable_ipv4, settings.enable_ipv6) == (ipv4, ipv6)


@given(ENVIRONMENTS)
def test_any_texts_are_read(variables):
    settings = Settings.from_env(variables)
    assert settings == Settings.from_env(dict(reversed(variables.items())))
    assert all(str(found) for found in settings.diagnose("m5.large"))
    assert hash(settings) == hash(Settings.from_env(variables))
    for setting, variable in VARIABLE_OF_SETTING.items():
        value = variable.parse(variables[variable.name]) if variable.name in variables else None
        if value is not None:
            assert getattr(settings, setting) == value
        elif variable.name in variables or setting != "enable_ipv4":
            assert getattr(settings, setting) == variable.default
    assert settings.variables == variables


@given(SETTINGS)
def test_settings_survive_being_written_as_variables(settings):
    assert Settings.from_env(settings.variables) == settings


@given(ENVIRONMENTS, SETTINGS)
def test_changed_fields_show_in_the_variables(variables, settings):
    values = {field.name: getattr(settings, field.name) for field in FIELDS}
    assert Settings.from_env(attrs.evolve(Settings.from_env(variables), **values).variables) == settings


@given(ENVIRONMENTS, ENVIRONMENTS)
def test_changing_variables_is_reading_both_at_once(variables, changes):
    changed = Settings.from_env(variables).with_variables(changes)
    assert changed == Settings.from_env(variables | changes)
    assert changed.variables == variables | changes
    assert set(changed.diagnostics) == set(Settings.from_env(variables | changes).diagnostics)


def test_a_variable_can_be_taken_away():
    settings = Settings().with_variables({"WARM_PREFIX_TARGET": None, "NEVER_SET": None})
    assert settings.warm_prefix_target == 0
    assert "WARM_PREFIX_TARGET" not in settings.variables


def test_changes_apply_to_fields_set_by_hand():
    settings = Settings(warm_ip_target=3).with_variables({"MINIMUM_IP_TARGET": "9"})
    assert (settings.warm_ip_target, settings.minimum_ip_target) == (3, 9)
    assert attrs.evolve(Settings.from_env({}), enable_ipv4=False).with_variables({}).enable_ipv4 is False


def test_where_settings_come_from_does_not_count():
    assert Settings.from_env({**SHIPPED, "FOO": "1"}) == Settings()
    assert len({Settings(), Settings.from_env(SHIPPED), Settings(warm_eni_target=2)}) == 2


def test_settings_are_frozen():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Settings().warm_ip_target = 1


def test_variables_that_were_given_out_cannot_change_settings():
    settings = Settings()
    settings.variables["WARM_ENI_TARGET"] = "9"
    assert settings.variables["WARM_ENI_TARGET"] == "1"


@pytest.mark.parametrize("variables", [None, "WARM_IP_TARGET=1", [("WARM_IP_TARGET", "1")]])
def test_variables_must_be_a_mapping(variables):
    with pytest.raises(TypeError, match="must be a mapping"):
        Settings.from_env(variables)


@pytest.mark.parametrize("use", [Settings.from_env, Settings().with_variables])
def test_names_must_be_text(use):
    with pytest.raises(TypeError, match=r"the name of a variable must be a str, not int \(1\)"):
        use({1: "1"})


@pytest.mark.parametrize("value", [1, None, True, 5.0])
def test_values_of_an_environment_must_be_text(value):
    with pytest.raises(TypeError, match=r"^WARM_IP_TARGET must be a str, not .*Settings\.with_variables takes"):
        Settings.from_env({"WARM_IP_TARGET": value})


@pytest.mark.parametrize(
    ("value", "text"),
    [("5", "5"), ("", ""), (5, "5"), (-1, "-1"), (5.0, "5"), (-0.0, "0"), (True, "true"), (False, "false"), (2**63 - 1, str(2**63 - 1))],
)
def test_changes_are_written_as_helm_writes_them(value, text):
    assert Settings().with_variables({"MAX_ENI": value}).variables["MAX_ENI"] == text


@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf"), [1], {}, b"1", object()])
def test_a_change_of_another_kind_is_refused(value):
    with pytest.raises(TypeError, match=r"^MAX_ENI must be a text, a whole number, true or false, not"):
        Settings().with_variables({"MAX_ENI": value})


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, pytest.param(10**5000, id="5,001 digits"), 1e300])
def test_a_change_beyond_64_bits_is_refused(value):
    with pytest.raises(InvalidArgument, match=r"^MAX_ENI is a number beyond 64 bits"):
        Settings().with_variables({"MAX_ENI": value})


def test_changes_must_be_a_mapping():
    with pytest.raises(TypeError, match="must be a mapping"):
        Settings().with_variables("MAX_ENI=1")


# --- single fields -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("value", [-2, -(2**70), 2**63, 2**70])
def test_numbers_out_of_bounds_are_refused(name, value):
    with pytest.raises(InvalidArgument, match=f"{name} must be .* to .*, not {value}"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("value", ["1", 1.0, None, True])
def test_numbers_must_be_ints(name, value):
    with pytest.raises(TypeError, match=f"{name} must be an int"):
        Settings(**{name: value})


@pytest.mark.parametrize("name", BOOLEANS)
@pytest.mark.parametrize("value", ["true", 1, None])
def test_switches_must_be_true_or_false(name, value):
    with pytest.raises(TypeError, match=f"{name} must be True or False"):
        Settings(**{name: value})


def test_only_max_eni_may_be_minus_one():
    assert Settings(max_eni=-1).max_eni == -1
    for name in set(INTEGERS) - {"max_eni"}:
        with pytest.raises(InvalidArgument, match=name):
            Settings(**{name: -1})


def test_backing_store_must_be_a_filled_text():
    with pytest.raises(InvalidArgument, match="must not be empty"):
        Settings(backing_store="")
    with pytest.raises(TypeError, match="must be a str"):
        Settings(backing_store=None)


# --- what follows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "nanoseconds"), [(0, 0), (30, 30_000_000_000), (MAX_COOLDOWN_S, 4_611_686_018_000_000_000)])
def test_cooldown_in_nanoseconds(seconds, nanoseconds):
    assert Settings(ip_cooldown_period_s=seconds).cooldown_ns == nanoseconds


@pytest.mark.parametrize(("warm", "minimum", "defined"), [(0, 0, False), (1, 0, True), (0, 1, True), (1, 1, True)])
def test_ip_targets_are_defined_when_one_is_above_zero(warm, minimum, defined):
    assert Settings(warm_ip_target=warm, minimum_ip_target=minimum).ip_targets_defined is defined


@pytest.mark.parametrize(
    ("values", "provisioning", "cleanup"),
    [
        ({}, True, True),
        ({"disable_network_resource_provisioning": True}, False, False),
        ({"enable_imds_only_mode": True}, False, False),
        ({"disable_leaked_eni_cleanup": True}, True, False),
        (IPV6, True, False),
    ],
)
def test_what_the_node_still_does(values, provisioning, cleanup):
    settings = Settings(**values)
    assert (settings.provisioning_enabled, settings.leaked_eni_cleanup_enabled) == (provisioning, cleanup)


@pytest.mark.parametrize(("max_eni", "limit"), [(-1, 3), (0, 3), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_max_eni_lowers_the_limit_and_never_raises_it(max_eni, limit):
    assert Settings(max_eni=max_eni).eni_limit("m5.large") == limit


@pytest.mark.parametrize(("max_eni", "limit"), [(-1, 2), (1, 1), (3, 2)])
def test_the_limit_of_the_default_card_holds_for_every_card(max_eni, limit):
    limits = InstanceLimits(instance_type="cards.test", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 4))
    assert Settings(max_eni=max_eni).eni_limit(limits) == limit


def test_the_cluster_name_is_read_and_may_be_empty():
    assert Settings().cluster_name == Settings.from_env({"CLUSTER_NAME": ""}).cluster_name == ""
    assert Settings.from_env({"CLUSTER_NAME": "shop"}).cluster_name == "shop"
    assert Settings(cluster_name="shop").variables["CLUSTER_NAME"] == "shop"
    with pytest.raises(TypeError, match="cluster_name must be a str, not int"):
        Settings(cluster_name=3)


@pytest.mark.parametrize(
    ("values", "limits", "mode"),
    [
        ({}, "m5.large", AddressMode.SECONDARY_IP),
        ({}, XEN, AddressMode.SECONDARY_IP),
        ({"enable_prefix_delegation": True}, "m5.large", AddressMode.PREFIX),
        ({"enable_prefix_delegation": True}, METAL, AddressMode.PREFIX),
        ({"enable_prefix_delegation": True}, XEN, AddressMode.SECONDARY_IP),
        (IPV6, "m5.large", AddressMode.IPV6),
        (IPV6, METAL, AddressMode.IPV6),
    ],
)
def test_address_mode(values, limits, mode):
    assert Settings(**values).address_mode(limits) is mode


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"enable_ipv6": True, "enable_prefix_delegation": True}, "IPv4 and IPv6 are both on"),
        ({"enable_ipv4": False}, "IPv4 and IPv6 are both off"),
        ({**IPV6, "enable_prefix_delegation": False}, "IPv6 needs prefix delegation"),
        ({**IPV6, "custom_network_cfg": True}, "IPv6 and custom networking exclude each other"),
    ],
)
def test_what_the_daemon_refuses_can_be_read_but_not_used(values, message):
    settings = Settings(**values)
    for use in (settings.check, lambda: settings.check("m5.large"), lambda: settings.address_mode("m5.large")):
        with pytest.raises(SettingsError, match=message):
            use()


def test_all_refusals_are_told_at_once():
    with pytest.raises(SettingsError, match=r"both on.*needs prefix delegation.*custom networking"):
        Settings(enable_ipv6=True, custom_network_cfg=True).check()


def test_ipv6_on_xen_is_refused_once_the_type_is_known():
    settings = Settings(**IPV6)
    settings.check()
    with pytest.raises(SettingsError, match=r"IPv6 needs prefixes, and old\.large \(Xen\) has none"):
        settings.check(XEN)


def test_good_settings_pass():
    assert Settings().check() is None
    assert Settings(enable_prefix_delegation=True).check(XEN) is None


def test_an_unknown_type_is_refused():
    with pytest.raises(UnknownInstanceType):
        Settings().address_mode("m5.lareg")


# --- network cards -------------------------------------------------------------------------------------------------------


def test_cards_above_zero_have_both_ip_targets_at_one():
    settings = Settings(enable_multi_nic=True, warm_ip_target=5, minimum_ip_target=20)
    assert settings.for_network_card(0) is settings
    card = settings.for_network_card(1)
    assert (card.warm_ip_target, card.minimum_ip_target) == (1, 1)
    assert attrs.evolve(card, warm_ip_target=5, minimum_ip_target=20) == settings


def test_cards_above_zero_are_not_managed_without_multi_nic():
    assert Settings().for_network_card(0) == Settings()
    with pytest.raises(SettingsError, match="turn ENABLE_MULTI_NIC on"):
        Settings().for_network_card(1)


@pytest.mark.parametrize(
    ("index", "error"), [(-1, InvalidArgument), (-(2**70), InvalidArgument), ("0", TypeError), (True, TypeError), (None, TypeError)]
)
def test_a_cards_index_must_be_a_number_from_zero(index, error):
    with pytest.raises(error, match="a network card's index"):
        Settings(enable_multi_nic=True).for_network_card(index)
