"""The table of variables, and texts read as the daemon reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from go_texts import go_atoi, go_parse_bool
from vpcipam.errors import InvalidArgument
from vpcipam.settings import explain
from vpcipam.settings.variables import (
    MAX_COOLDOWN_S,
    MAX_INT,
    MISTAKEN_NAMES,
    SHIPPED,
    VARIABLES,
    is_ambient,
    nearest_variable,
    parse_bool,
    parse_int,
)

INT_TEXTS = st.from_regex(r"[+\-]?[0-9_ .xe]{0,24}", fullmatch=True) | st.integers(-(2**65), 2**65).map(str) | st.text(max_size=8)


@given(
    st.sampled_from(["", "1", "t", "TRUE", "tRUE", "True ", "yes", "on", "2", "0", "f", "F", "FALSE", "False", "no", "true\n"])
    | st.text(max_size=6)
)
def test_booleans_are_read_as_go_reads_them(text):
    assert parse_bool(text) is go_parse_bool(text)


@pytest.mark.parametrize(("true", "false"), [("1", "0"), ("t", "f"), ("T", "F"), ("TRUE", "FALSE"), ("true", "false"), ("True", "False")])
def test_every_spelling_of_a_boolean_is_read(true, false):
    assert (parse_bool(true), parse_bool(false)) == (True, False)


@given(INT_TEXTS)
def test_integers_are_read_as_go_reads_them(text):
    assert parse_int(text) == go_atoi(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-0", 0),
        ("+5", 5),
        ("-5", -5),
        ("007", 7),
        ("0" * 5000 + "7", 7),
        (str(2**63 - 1), 2**63 - 1),
        (str(-(2**63)), -(2**63)),
        (str(2**63), None),
        (str(-(2**63) - 1), None),
        ("9" * 5000, None),
        ("", None),
        ("+", None),
        ("-", None),
        ("+-5", None),
        ("5.0", None),
        (" 5", None),
        ("5 ", None),
        ("5\n", None),
        ("1_000", None),
        ("0x10", None),
        ("1e3", None),
        ("٣", None),  # a digit to Python, not to Go
        pytest.param("0" * 200_000 + "x", None, id="zeros that must not take quadratic time"),
    ],
)
def test_integers_at_the_edges(text, number):
    assert parse_int(text) == number


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("WARM_IP_TARGET", "-1", None),
        ("WARM_IP_TARGET", "0", 0),
        ("MAX_ENI", "-1", -1),
        ("MAX_ENI", "-2", None),
        ("MAX_ENI", "0", 0),
        ("IP_COOLDOWN_PERIOD", str(MAX_COOLDOWN_S), MAX_COOLDOWN_S),
        ("IP_COOLDOWN_PERIOD", str(MAX_COOLDOWN_S + 1), None),
        ("WARM_ENI_TARGET", str(MAX_INT), MAX_INT),
        ("AWS_VPC_K8S_CNI_BACKING_STORE", "", None),
        ("AWS_VPC_K8S_CNI_BACKING_STORE", "/tmp/x", "/tmp/x"),  # noqa: S108 - only a text
        ("ENABLE_POD_ENI", "True", True),
    ],
)
def test_a_text_out_of_its_variables_bounds_is_not_used(name, text, value):
    assert VARIABLES[name].parse(text) == value


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=lambda variable: variable.name)
def test_every_variable_is_explained_and_its_defaults_are_readable(variable):
    assert variable.effect
    assert explain(variable.name) is variable
    assert isinstance(variable.default, {"bool": bool, "int": int, "text": str}[variable.kind])
    assert variable.parse(variable.format(variable.default)) == variable.default or variable.default == ""
    assert variable.shipped is None or variable.parse(variable.shipped) is not None


def test_the_daemons_defaults_are_those_of_its_source():
    off = (
        *("ENABLE_PREFIX_DELEGATION", "ENABLE_IPv4", "ENABLE_IPv6", "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG", "ENABLE_POD_ENI"),
        *("ENABLE_MULTI_NIC", "AWS_MANAGE_ENIS_NON_SCHEDULABLE", "DISABLE_NETWORK_RESOURCE_PROVISIONING", "ENABLE_IMDS_ONLY_MODE"),
        "DISABLE_LEAKED_ENI_CLEANUP",
    )
    assert {name: variable.default for name, variable in VARIABLES.items() if variable.acts_on_addresses} == {
        "WARM_ENI_TARGET": 1,
        "WARM_IP_TARGET": 0,
        "MINIMUM_IP_TARGET": 0,
        "WARM_PREFIX_TARGET": 0,
        "MAX_ENI": -1,
        "IP_COOLDOWN_PERIOD": 30,
        "ENABLE_SUBNET_DISCOVERY": True,
        "MANAGE_UNTAGGED_ENI": True,
        "CLUSTER_NAME": "",
        "AWS_VPC_K8S_CNI_BACKING_STORE": "/var/run/aws-node/ipam.json",
        **dict.fromkeys(off, False),
    }


def test_all_names_of_the_reference_are_known():
    names = """WARM_ENI_TARGET WARM_IP_TARGET MINIMUM_IP_TARGET WARM_PREFIX_TARGET MAX_ENI ENABLE_PREFIX_DELEGATION ENABLE_IPv4 ENABLE_IPv6
        IP_COOLDOWN_PERIOD AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG ENABLE_POD_ENI ENABLE_SUBNET_DISCOVERY ENABLE_MULTI_NIC
        AWS_MANAGE_ENIS_NON_SCHEDULABLE DISABLE_NETWORK_RESOURCE_PROVISIONING ENABLE_IMDS_ONLY_MODE MANAGE_UNTAGGED_ENI
        DISABLE_LEAKED_ENI_CLEANUP HTTP_TIMEOUT AWS_VPC_K8S_CNI_BACKING_STORE AWS_VPC_K8S_CNI_LOGLEVEL AWS_VPC_K8S_PLUGIN_LOG_LEVEL
        AWS_VPC_K8S_CNI_EXTERNALSNAT AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS AWS_EXTERNAL_SERVICE_CIDRS AWS_VPC_K8S_CNI_RANDOMIZESNAT
        AWS_VPC_ENI_MTU POD_MTU AWS_VPC_K8S_CNI_VETHPREFIX ADDITIONAL_ENI_TAGS CLUSTER_NAME CLUSTER_ENDPOINT ANNOTATE_POD_IP
        AWS_VPC_CNI_NODE_PORT_SUPPORT POD_SECURITY_GROUP_ENFORCING_MODE DISABLE_TCP_EARLY_DEMUX ENABLE_BANDWIDTH_PLUGIN ENABLE_NFTABLES
        ENABLE_V4_EGRESS ENABLE_V6_EGRESS DISABLE_POD_V6 NETWORK_POLICY_ENFORCING_MODE DISABLE_INTROSPECTION INTROSPECTION_BIND_ADDRESS
        DISABLE_METRICS AWS_EC2_ENDPOINT ENI_CONFIG_ANNOTATION_DEF ENI_CONFIG_LABEL_DEF HOST_CNI_BIN_PATH HOST_CNI_CONFDIR_PATH MY_NODE_NAME
        MY_POD_NAME VPC_ID VPC_CNI_VERSION AWS_VPC_K8S_CNI_LOG_FILE AWS_VPC_K8S_PLUGIN_LOG_FILE"""
    assert set(names.split()) <= set(VARIABLES)


def test_defaults_of_the_shipped_manifest_differ_from_the_daemons_where_it_matters():
    differing = {
        name: text
        for name, text in SHIPPED.items()
        if VARIABLES[name].acts_on_addresses and VARIABLES[name].parse(text) != VARIABLES[name].default
    }
    assert differing == {"WARM_PREFIX_TARGET": "1", "ENABLE_IPv4": "true"}


def test_mistaken_names_are_unknown_and_what_was_meant_is_known():
    for name, (meant, message) in MISTAKEN_NAMES.items():
        assert name not in VARIABLES
        assert meant is None or meant in VARIABLES
        assert message


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ENABLE_IPV4", "ENABLE_IPv4"),
        ("warm_ip_target", "WARM_IP_TARGET"),
        ("WARM_IP_TARGETS", "WARM_IP_TARGET"),
        ("MIN_IP_TARGET", "MINIMUM_IP_TARGET"),
        (" MAX_ENI", "MAX_ENI"),
        ("FOO", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_nearest_name(name, nearest):
    assert nearest_variable(name) == nearest


def test_explain_of_an_unknown_name_is_refused():
    with pytest.raises(InvalidArgument, match=r"no variable 'ENABLE_IPV6'; did you mean ENABLE_IPv6\?$"):
        explain("ENABLE_IPV6")
    with pytest.raises(InvalidArgument, match=r"no variable 'FOO'$"):
        explain("FOO")
    with pytest.raises(InvalidArgument, match=r"did you mean AWS_VPC_K8S_PLUGIN_LOG_LEVEL\?$"):
        explain("AWS_VPC_K8S_PLUGIN_LOGLEVEL")
    with pytest.raises(InvalidArgument, match=r"no variable 'ENABLE_POD_ENCRYPTION'$"):
        explain("ENABLE_POD_ENCRYPTION")


@pytest.mark.parametrize("name", ["AWS_REGION", "HTTPS_PROXY", "no_proxy", "GOMAXPROCS", "KUBERNETES_SERVICE_HOST", "PATH", "AWS_ROLE_ARN"])
def test_names_of_others_are_ambient(name):
    assert is_ambient(name)
    assert name not in VARIABLES


@pytest.mark.parametrize("name", [*VARIABLES, *MISTAKEN_NAMES, "AWS_VPC_K8S_CNI_FOO", "PATHS", "FOO", ""])
def test_the_containers_own_names_are_not_ambient(name):
    assert not is_ambient(name)
