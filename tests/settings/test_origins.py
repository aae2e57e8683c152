"""Where the value of a variable comes from: the file, the shipped manifest, or ipamd's default."""

import json

import attrs
import pytest

from vpcipam.errors import InvalidArgument
from vpcipam.settings import VARIABLES, Settings

VALUES = {"env": {"WARM_IP_TARGET": 5, "WARM_ENI_TARGET": "1", "WARM_PREFIX_TARGET": None, "OTHER": "x"}}
DAEMONSET = [{"name": "ENABLE_IPv4", "value": "true"}, {"name": "WARM_IP_TARGET", "value": "5"}]


def origins(settings, *names):
    return [settings.origin_of(name) for name in names]


def test_helm_values_go_on_top_of_the_shipped_manifest():
    settings = Settings.from_daemonset(json.dumps(VALUES))
    assert origins(settings, "WARM_IP_TARGET", "WARM_ENI_TARGET", "OTHER") == ["file"] * 3
    assert origins(settings, "ENABLE_IPv4", "AWS_VPC_ENI_MTU") == ["manifest"] * 2
    assert origins(settings, "MINIMUM_IP_TARGET", "VPC_ID") == ["default"] * 2
    assert settings.origin_of("WARM_PREFIX_TARGET") == "default"  # null takes the chart's value away


def test_everything_in_a_daemonset_is_its_own():
    settings = Settings.from_daemonset(json.dumps(DAEMONSET))
    assert origins(settings, "ENABLE_IPv4", "WARM_IP_TARGET") == ["file"] * 2
    assert origins(settings, "WARM_PREFIX_TARGET", "ENABLE_IPv6") == ["default"] * 2


def test_plain_settings_are_the_shipped_manifest():
    for name, variable in VARIABLES.items():
        assert Settings().origin_of(name) == ("default" if variable.shipped is None else "manifest")


def test_what_a_caller_sets_counts_as_the_file():
    assert Settings.from_env({"WARM_ENI_TARGET": "1"}).origin_of("WARM_ENI_TARGET") == "file"
    assert Settings.from_env({}).origin_of("WARM_ENI_TARGET") == "default"
    changed = Settings().with_variables({"WARM_ENI_TARGET": "1", "WARM_PREFIX_TARGET": None, "MAX_ENI": 2})
    assert origins(changed, "WARM_ENI_TARGET", "WARM_PREFIX_TARGET", "MAX_ENI", "ENABLE_IPv4") == ["file", "default", "file", "manifest"]
    again = changed.with_variables({"WARM_PREFIX_TARGET": "1"})
    assert origins(again, "WARM_ENI_TARGET", "WARM_PREFIX_TARGET") == ["file"] * 2


@pytest.mark.parametrize("settings", [Settings(warm_eni_target=2, max_eni=3), attrs.evolve(Settings(), warm_eni_target=2, max_eni=3)])
def test_a_field_that_differs_counts_as_the_file(settings):
    assert origins(settings, "WARM_ENI_TARGET", "MAX_ENI", "WARM_PREFIX_TARGET") == ["file", "file", "manifest"]


def test_a_name_that_nobody_reads_or_sets_is_refused():
    with pytest.raises(InvalidArgument, match="did you mean WARM_IP_TARGET"):
        Settings().origin_of("WARM_IPTARGET")
