"""Limits out of EC2's own answer."""

import contextlib
import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.errors import InvalidArgument
from vpcipam.limits import InstanceLimits, load_limits, max_pods


def describe(name="x9.large", cards=(3,), **changes):
    """An item of EC2's answer, with facts that the library ignores."""
    item = {
        "InstanceType": name,
        "CurrentGeneration": True,
        "BareMetal": False,
        "Hypervisor": "nitro",
        "VCpuInfo": {"DefaultVCpus": 2, "DefaultCores": 1},
        "NetworkInfo": {
            "NetworkPerformance": "Up to 10 Gigabit",
            "MaximumNetworkInterfaces": sum(cards),
            "DefaultNetworkCardIndex": 0,
            "NetworkCards": [{"NetworkCardIndex": index, "MaximumNetworkInterfaces": maximum} for index, maximum in enumerate(cards)],
            "Ipv4AddressesPerInterface": 10,
            "Ipv6AddressesPerInterface": 10,
            "Ipv6Supported": True,
            "EfaSupported": False,
        },
    }
    item["NetworkInfo"] |= changes.pop("NetworkInfo", {})
    return item | changes


X9 = InstanceLimits(instance_type="x9.large", eni_limit=3, ipv4_per_eni=10)


def test_one_item_is_read():
    assert InstanceLimits.from_describe_instance_types(describe()) == X9


def test_a_new_type_is_usable_at_once():
    (found,) = load_limits(json.dumps({"InstanceTypes": [describe(cards=(4, 2))]}))
    assert max_pods(found) == 38


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"BareMetal": True, "Hypervisor": None}, "hypervisor", None),
        ({"Hypervisor": "xen"}, "supports_prefixes", False),
        ({"NetworkInfo": {"Ipv6Supported": False}}, "ipv6_per_eni", 0),
        ({"NetworkInfo": {"EfaSupported": True}}, "efa", True),
        ({"VCpuInfo": {"DefaultVCpus": 96}}, "vcpus", 96),
        ({"cards": (8, 7)}, "network_cards", (8, 7)),
        ({"cards": (8, 7)}, "eni_limit", 8),
        ({"cards": (8, 7), "NetworkInfo": {"DefaultNetworkCardIndex": 1}}, "eni_limit", 7),
    ],
)
def test_each_fact_is_taken_over(changes, name, value):
    assert getattr(InstanceLimits.from_describe_instance_types(describe(**changes)), name) == value


def test_bare_metal_may_have_no_hypervisor_key():
    item = describe(BareMetal=True)
    del item["Hypervisor"]
    assert InstanceLimits.from_describe_instance_types(item).supports_prefixes


def test_cards_are_ordered_by_their_index():
    item = describe(cards=(8, 7))
    item["NetworkInfo"]["NetworkCards"].reverse()
    assert InstanceLimits.from_describe_instance_types(item).network_cards == (8, 7)


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ((), "InstanceType"),
        ((), "NetworkInfo"),
        ((), "BareMetal"),
        ((), "VCpuInfo"),
        (("VCpuInfo",), "DefaultVCpus"),
        (("NetworkInfo",), "NetworkCards"),
        (("NetworkInfo",), "Ipv4AddressesPerInterface"),
        (("NetworkInfo",), "Ipv6AddressesPerInterface"),
        (("NetworkInfo", "NetworkCards", 0), "NetworkCardIndex"),
        (("NetworkInfo", "NetworkCards", 0), "MaximumNetworkInterfaces"),
    ],
)
def test_a_missing_fact_is_refused_by_name(path, fact):
    item = copy.deepcopy(describe())
    part = item
    for step in path:
        part = part[step]
    del part[fact]
    with pytest.raises(InvalidArgument, match=f"{fact} of .*instance type.* is missing"):
        InstanceLimits.from_describe_instance_types(item)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"Hypervisor": None}, InvalidArgument, "must be 'nitro' or 'xen'"),
        ({"InstanceType": 5}, TypeError, "InstanceType of an instance type must be a text, not a whole number"),
        ({"NetworkInfo": {"NetworkCards": []}}, InvalidArgument, "numbered from 0"),
        ({"NetworkInfo": {"NetworkCards": {}}}, TypeError, "NetworkCards of instance type 'x9.large' must be a list, not an object"),
        ({"NetworkInfo": {"NetworkCards": [3]}}, TypeError, "each of NetworkCards .* must be an object, not a whole number"),
        ({"NetworkInfo": {"NetworkCards": [{"NetworkCardIndex": 1, "MaximumNetworkInterfaces": 3}]}}, InvalidArgument, "without gaps"),
        (
            {"NetworkInfo": {"NetworkCards": [{"NetworkCardIndex": 0, "MaximumNetworkInterfaces": "3"}]}},
            TypeError,
            "must be a whole number, not a text",
        ),
        ({"NetworkInfo": {"NetworkCards": [{"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 3}] * 2}}, InvalidArgument, "without gaps"),
        ({"NetworkInfo": {"DefaultNetworkCardIndex": 1}}, InvalidArgument, "DefaultNetworkCardIndex .* is 1, but there are 1"),
        ({"NetworkInfo": {"Ipv4AddressesPerInterface": 0}}, InvalidArgument, "ipv4_per_eni"),
        ({"VCpuInfo": None}, TypeError, "VCpuInfo .* must be an object, not null"),
        ({"BareMetal": 1}, TypeError, "BareMetal .* must be true or false, not a whole number"),
        ({"NetworkInfo": {"DefaultNetworkCardIndex": False}}, TypeError, "must be a whole number, not true or false"),
    ],
)
def test_a_senseless_fact_is_refused(changes, error, message):
    with pytest.raises(error, match=message):
        InstanceLimits.from_describe_instance_types(describe() | {**describe(**changes)})


@pytest.mark.parametrize("item", [None, "m5.large", ["m5.large"]])
def test_an_item_must_be_an_object(item):
    with pytest.raises(TypeError, match="must be an object"):
        InstanceLimits.from_describe_instance_types(item)


# --- text ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [{"InstanceTypes": [describe()], "NextToken": "abc"}, [describe()], describe(), {"x9.large": describe()}],
    ids=["answer", "list", "item", "mapping"],
)
def test_every_shape_of_an_answer_is_read(document):
    assert load_limits(json.dumps(document, indent=1)) == (X9,)


def test_pages_may_follow_each_other():
    pages = [{"InstanceTypes": [describe("b.large"), describe("a.large")]}, {"InstanceTypes": [describe("a.small")]}]
    text = "\n".join(map(json.dumps, pages)) + "\n"
    assert [found.instance_type for found in load_limits(text)] == ["a.large", "a.small", "b.large"]


def test_of_a_repeated_type_the_last_counts():
    text = json.dumps([describe(cards=(3,))]) + json.dumps([describe(cards=(4,))])
    assert [found.eni_limit for found in load_limits(text)] == [4]


@pytest.mark.parametrize("text", ["", " \n", "[]", '{"InstanceTypes": []}'])
def test_nothing_is_read_from_an_empty_answer(text):
    assert load_limits(text) == ()


@pytest.mark.parametrize("text", ["{", "InstanceTypes:", "[] x", '{"InstanceTypes": [}', "\x00"])
def test_text_that_is_not_json_is_refused(text):
    with pytest.raises(InvalidArgument, match=r"not JSON: .*line 1 column"):
        load_limits(text)


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5_000], ids=["deep", "long number"])
def test_json_beyond_pythons_limits_is_refused(text):
    with pytest.raises(InvalidArgument, match="not JSON: "):
        load_limits(text)


@pytest.mark.parametrize("text", ["5", '"m5.large"', "null", '{"InstanceTypes": "m5.large"}'])
def test_json_of_another_kind_is_refused(text):
    with pytest.raises(InvalidArgument, match="expected EC2's answer"):
        load_limits(text)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_any_json_is_read_or_refused(document):
    with contextlib.suppress(InvalidArgument, TypeError):
        assert all(isinstance(found, InstanceLimits) for found in load_limits(json.dumps(document)))
