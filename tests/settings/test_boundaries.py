"""Every variable at the boundaries of what ipamd reads, in every kind of document: one meaning, and the same remarks."""

import json

import pytest

from aws_node_documents import daemonset
from go_texts import go_atoi, go_parse_bool
from vpcipam.settings import Settings
from vpcipam.settings.variables import VARIABLES

INT64 = 2**63
COOLDOWN_MAX_S = 2**62 // 10**9  # what the pools count, in nanoseconds of 62 bits
# ipamd's value where the text can't be used, the smallest number and the largest; from docs/ipamd.md.
NUMBERS = {
    "WARM_ENI_TARGET": (1, 0, INT64 - 1),
    "WARM_IP_TARGET": (0, 0, INT64 - 1),
    "MINIMUM_IP_TARGET": (0, 0, INT64 - 1),
    "WARM_PREFIX_TARGET": (0, 0, INT64 - 1),
    "MAX_ENI": (-1, -1, INT64 - 1),
    "IP_COOLDOWN_PERIOD": (30, 0, COOLDOWN_MAX_S),
}
SWITCHES_ON = {"ENABLE_SUBNET_DISCOVERY", "MANAGE_UNTAGGED_ENI"}
EDGES = {
    *(0, INT64 - 1, INT64, 2 * INT64, -INT64, -INT64 - 1),
    *(edge + step for _, low, high in NUMBERS.values() for edge in (low, high) for step in (-1, 0, 1)),
}
WORDS = ("true", "True", "TRUE", "tRUE", "t", "T", "false", "False", "FALSE", "f", "F", "yes", "on", "no", "Null")
SHAPES = ("", " ", "\t", "+5", "-5", "-0", "+0", "007", "00", "+", "-", " 5", "5 ", "5.0", "1e3", "0x10", "1_000", "٣", "１", "true ", "x")  # noqa: RUF001 - digits of other scripts
TEXTS = (*map(str, sorted(EDGES)), *WORDS, *SHAPES)
FIELDS = {variable.setting: variable for variable in VARIABLES.values() if variable.setting}


def meaning(variable, text):
    """What ipamd makes of a text, from the tables here."""
    if variable.kind == "bool":
        read = go_parse_bool(text)
        return variable.name in SWITCHES_ON if read is None else read
    if variable.kind == "int":
        default, low, high = NUMBERS[variable.name]
        number = go_atoi(text)
        return number if number is not None and low <= number <= high else default
    return text or {"CLUSTER_NAME": "", "AWS_VPC_K8S_CNI_BACKING_STORE": "/var/run/aws-node/ipam.json"}[variable.name]


def remarks(settings):
    """What is said about variables; what is said about the document is its own affair."""
    return {found for found in settings.diagnostics if found.variable in VARIABLES}


@pytest.mark.parametrize("text", TEXTS)
def test_every_variable_means_what_ipamd_reads(text):
    for variable in FIELDS.values():
        settings = Settings.from_env({variable.name: text})
        assert getattr(settings, variable.setting) == meaning(variable, text), variable.name
        about = [found for found in remarks(settings) if found.variable == variable.name]
        usable = variable.parse(text) is not None or meaning(variable, text) == text
        assert bool(about) >= (not usable), variable.name


WAYS = {
    "DaemonSet": lambda texts: daemonset([{"name": name, "value": text} for name, text in texts.items()]),
    "Helm values": lambda texts: {"env": texts},
    "add-on": lambda texts: {"addon": {"addonName": "vpc-cni", "configurationValues": json.dumps({"env": texts})}},
    "introspection": lambda texts: texts,
    "set env": lambda texts: "\n".join(["# daemonsets aws-node, container aws-node", *(f"{name}={text}" for name, text in texts.items())]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_means_the_same_wherever_it_stands(way, text):
    texts = dict.fromkeys(VARIABLES, text)
    if way == "introspection" and not text:
        return  # there, an empty text is a variable that is not set
    document = WAYS[way](texts)
    read = Settings.from_daemonset(document if isinstance(document, str) else json.dumps(document))
    expected = Settings.from_env(texts)
    assert read == expected
    assert remarks(read) == remarks(expected)


@pytest.mark.parametrize("number", sorted(EDGES))
def test_a_number_means_what_its_text_means(number):
    """Helm and introspection write numbers without quotes, and a change takes them as they are."""
    for name in NUMBERS:
        expected = Settings.from_env({name: str(number)})
        for document in ({"env": {name: number}}, {name: number, "AWS_VPC_K8S_CNI_CONNMARK": "0x80"}):
            read = Settings.from_daemonset(json.dumps(document))
            assert getattr(read, VARIABLES[name].setting) == getattr(expected, VARIABLES[name].setting)
            assert {found for found in remarks(read) if found.variable == name} == {
                found for found in remarks(expected) if found.variable == name
            }
