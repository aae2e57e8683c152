"""What the table says, and what is refused."""

import re

import attrs
import pytest

from vpcipam.errors import InvalidArgument, UnknownInstanceType
from vpcipam.limits import InstanceLimits, all_instance_limits, format_row, instance_limits, instance_types, parse_row, table

TINY = InstanceLimits(instance_type="tiny.small", eni_limit=2, ipv4_per_eni=3)


def test_m5_large_is_as_ec2_says():
    assert instance_limits("m5.large").to_dict() == {
        "instance_type": "m5.large",
        "eni_limit": 3,
        "ipv4_per_eni": 10,
        "ipv6_per_eni": 10,
        "network_cards": [3],
        "default_network_card": 0,
        "bare_metal": False,
        "hypervisor": "nitro",
        "vcpus": 2,
        "efa": False,
        "trunk_compatible": True,
        "branch_eni_limit": 9,
        "slots_per_eni": 9,
        "supports_prefixes": True,
        "architecture": "x86_64",
    }


def test_eni_limit_is_the_default_cards_and_not_the_sum():
    p5 = instance_limits("p5.48xlarge")
    assert (p5.eni_limit, p5.network_cards, sum(p5.network_cards)) == (2, (2,) * 32, 64)
    assert p5.efa


@pytest.mark.parametrize(
    ("instance_type", "network_cards"),
    [("i7ie.48xlarge", (8, 7)), ("i8ge.48xlarge", (12, 12)), ("p4d.24xlarge", (15, 15, 15, 15)), ("trn2.48xlarge", (2,) * 16)],
)
def test_cards_can_differ(instance_type, network_cards):
    assert instance_limits(instance_type).network_cards == network_cards


@pytest.mark.parametrize(
    ("instance_type", "hypervisor", "bare_metal", "supports_prefixes"),
    [
        ("m4.large", "xen", False, False),
        ("t2.micro", "xen", False, False),
        ("m5.metal", None, True, True),
        ("c5.large", "nitro", False, True),
    ],
)
def test_prefixes_need_nitro_or_bare_metal(instance_type, hypervisor, bare_metal, supports_prefixes):
    found = instance_limits(instance_type)
    assert (found.hypervisor, found.bare_metal, found.supports_prefixes) == (hypervisor, bare_metal, supports_prefixes)


def test_a_type_without_ipv6_has_no_ipv6_addresses():
    assert instance_limits("m1.small").ipv6_per_eni == 0


def test_retired_types_are_kept():
    assert instance_limits("p3dn.24xlarge").eni_limit == 15


# --- the whole table -----------------------------------------------------------------------------------------------------


def test_table_has_every_type_that_any_release_knew():
    assert len(instance_types()) >= 1395


def test_table_is_sorted_and_has_each_type_once():
    names = instance_types()
    assert list(names) == sorted(set(names))
    assert tuple(found.instance_type for found in all_instance_limits()) == names


def test_one_lookup_agrees_with_reading_all():
    assert all(instance_limits(found.instance_type) == found for found in all_instance_limits())


def test_every_row_is_written_as_it_is_read():
    assert [format_row(found) for found in all_instance_limits()] == list(table._rows().values())


@pytest.mark.parametrize("found", [pytest.param(all_instance_limits(), id="all")])
def test_every_type_has_consistent_limits(found):
    for each in found:
        assert each.network_cards[0] == each.eni_limit
        assert each.default_network_card == 0
        assert 1 <= each.eni_limit <= 100
        assert 2 <= each.ipv4_per_eni <= 64
        assert each.ipv6_per_eni in {0, each.ipv4_per_eni}
        assert each.bare_metal == (each.hypervisor is None) == ("metal" in each.instance_type)
        assert each.instance_type.count(".") == 1


# --- lookups that are refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("m5.lareg", "m5.large"),
        ("m5.Large", "m5.large"),
        (" M5.LARGE\n", "m5.large"),
        ("m5large", "m5.large"),
        ("m5-large", "m5.large"),
        ("m5 large", "m5.large"),
        ("p5.48xl", "p5.48xlarge"),
        ("c7i.metal", "c7i.metal-24xl or c7i.metal-48xl"),
        ("t3", "t3.nano or t3.large or t3.micro"),
        ("mm5.large", "m5.large"),
        ("m5.lrg", "m5.large or m5.xlarge or m5.8xlarge"),
        ("c5.huge", "c5.large or c5.xlarge or c5.9xlarge"),
        ("m5.large\t3", "m5.large"),
    ],
)
def test_unknown_type_names_what_was_meant(wrong, meant):
    with pytest.raises(UnknownInstanceType) as refusal:
        instance_limits(wrong)
    assert f"did you mean {meant}" in str(refusal.value)
    assert str(refusal.value).partition("?")[0].count(" or ") <= 2
    assert repr(wrong) in str(refusal.value)
    assert "load_limits" in str(refusal.value)


@pytest.mark.parametrize("wrong", ["", " ", ".", "instance_type", "#", "# Source: moto", "\n", "zzzzzz", "日本", "\0"])
def test_nonsense_is_unknown_and_has_no_suggestion(wrong):
    with pytest.raises(UnknownInstanceType) as refusal:
        instance_limits(wrong)
    assert str(refusal.value).startswith(f"unknown instance type {wrong!r}; ")
    assert "did you mean" not in str(refusal.value)


def test_a_very_long_name_is_shortened_in_the_message():
    with pytest.raises(UnknownInstanceType) as refusal:
        instance_limits("m5." + "x" * 1_000_000)
    assert len(str(refusal.value)) < 500


def test_unknown_type_is_a_lookup_error():
    with pytest.raises(LookupError):
        instance_limits("m5.lareg")


@pytest.mark.parametrize("wrong", [None, 5, b"m5.large", ["m5.large"], {"InstanceType": "m5.large"}])
def test_only_a_name_or_limits_are_accepted(wrong):
    with pytest.raises(TypeError, match="must be a str or an InstanceLimits"):
        instance_limits(wrong)


# --- limits of one's own -------------------------------------------------------------------------------------------------


def test_custom_limits_are_returned():
    assert instance_limits(TINY) is TINY


def test_defaults_of_own_limits():
    assert (TINY.ipv6_per_eni, TINY.network_cards, TINY.hypervisor, TINY.vcpus, TINY.efa) == (3, (2,), "nitro", 2, False)
    assert InstanceLimits(instance_type="a", eni_limit=1, ipv4_per_eni=1, bare_metal=True).hypervisor is None


def test_limits_are_frozen_and_hashable():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        TINY.eni_limit = 3
    assert len({TINY, attrs.evolve(TINY), attrs.evolve(TINY, vcpus=4)}) == 2


def test_default_card_need_not_be_the_first():
    assert attrs.evolve(TINY, network_cards=(5, 2), default_network_card=1).eni_limit == 2


@pytest.mark.parametrize("name", ["eni_limit", "ipv4_per_eni", "vcpus"])
@pytest.mark.parametrize("value", [0, -1, -(2**70)])
def test_numbers_below_one_are_refused(name, value):
    with pytest.raises(InvalidArgument, match=rf"^{name} of instance type 'tiny.small' must be 1 to [0-9,]+, not {value}$"):
        attrs.evolve(TINY, **{name: value})


@pytest.mark.parametrize(("name", "largest"), [("eni_limit", 128), ("ipv4_per_eni", 256), ("ipv6_per_eni", 256), ("vcpus", 1_000_000)])
def test_numbers_far_above_any_type_of_ec2_are_refused(name, largest):
    def having(value):
        return attrs.evolve(TINY, **{name: value}, **({"network_cards": (value,)} if name == "eni_limit" else {}))

    assert getattr(having(largest), name) == largest
    for value, shown in ((largest + 1, str(largest + 1)), (10**11, "100000000000"), (10**5000, "a number of 16,610 bits")):
        with pytest.raises(InvalidArgument, match=rf"{name} of instance type 'tiny.small' must be . to {largest:,}, not {shown}$"):
            having(value)


def test_ipv6_addresses_may_be_none_but_not_negative():
    assert attrs.evolve(TINY, ipv6_per_eni=0).ipv6_per_eni == 0
    with pytest.raises(InvalidArgument, match="ipv6_per_eni"):
        attrs.evolve(TINY, ipv6_per_eni=-1)


@pytest.mark.parametrize("name", ["eni_limit", "ipv4_per_eni", "ipv6_per_eni", "default_network_card", "vcpus"])
@pytest.mark.parametrize("value", [None, "3", 3.0, True])
def test_only_ints_are_accepted_as_numbers(name, value):
    with pytest.raises(TypeError, match=f"{name} of instance type"):
        attrs.evolve(TINY, **{name: value})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"instance_type": ""}, InvalidArgument, "name without blanks"),
        ({"instance_type": "m5 large"}, InvalidArgument, "name without blanks"),
        ({"instance_type": "m5.large\t"}, InvalidArgument, "name without blanks"),
        ({"instance_type": "#m5.large"}, InvalidArgument, "name without blanks"),
        ({"instance_type": None}, TypeError, "instance_type must be a str"),
        ({"network_cards": [2]}, TypeError, "must be a tuple"),
        ({"network_cards": ()}, InvalidArgument, "is empty"),
        ({"network_cards": (2, 0)}, InvalidArgument, "card 1 in network_cards .* must be 1 to 128"),
        ({"network_cards": (2, "2")}, TypeError, "card 1 in network_cards"),
        ({"network_cards": (2, 129)}, InvalidArgument, "card 1 in network_cards .* must be 1 to 128, not 129"),
        ({"network_cards": (2,) * 129}, InvalidArgument, "the number of cards in network_cards .* must be 1 to 128, not 129"),
        ({"network_cards": (3, 2)}, InvalidArgument, "eni_limit .* is 2, but its default network card .0. takes 3 ENIs"),
        ({"default_network_card": 1}, InvalidArgument, "only 1 cards"),
        ({"default_network_card": -1}, InvalidArgument, "must be 0 or more"),
        ({"hypervisor": None}, InvalidArgument, "hypervisor of instance type 'tiny.small' must be 'nitro' or 'xen'"),
        ({"hypervisor": "kvm"}, InvalidArgument, "must be 'nitro' or 'xen'"),
        (
            {"bare_metal": True},
            InvalidArgument,
            "hypervisor of instance type 'tiny.small' must be None, not .nitro.: bare metal has no hypervisor",
        ),
        ({"bare_metal": 1}, TypeError, "must be True or False"),
        ({"efa": "no"}, TypeError, "must be True or False"),
        ({"trunk_compatible": 1}, TypeError, "trunk_compatible of instance type 'tiny.small' must be True or False"),
        ({"branch_eni_limit": 0}, InvalidArgument, "branch_eni_limit of instance type 'tiny.small' must be 1 or more, not 0"),
        ({"branch_eni_limit": "9"}, TypeError, "branch_eni_limit"),
        ({"trunk_compatible": False, "branch_eni_limit": 9}, InvalidArgument, "must be 0, not 9: the type takes no trunk ENI"),
    ],
)
def test_contradicting_limits_are_refused(changes, error, message):
    with pytest.raises(error, match=message):
        attrs.evolve(TINY, **changes)


@pytest.mark.parametrize(
    "own", [TINY, attrs.evolve(TINY, network_cards=(5, 2), default_network_card=1, efa=True), instance_limits("m5.metal")]
)
def test_rows_hold_everything(own):
    assert parse_row(format_row(own)) == own


@pytest.mark.parametrize(
    "row",
    ["", "m5.large", "a\t1\t0\t1\t1\tnitro\t1", "a\t1\t1\t1\t1\tnitro\t1\t-", "a\tx\t0\t1\t1\tnitro\t1\t-", "a\t1\t0\t0\t1\tnitro\t1\t-"],
)
def test_broken_rows_are_refused(row):
    with pytest.raises(InvalidArgument, match="not a row of the table"):
        parse_row(row)


@pytest.mark.parametrize(("name", "shown"), [("q" * 40, "q" * 40), ("q" * 41, "q" * 40 + "...")])
def test_a_long_name_of_a_type_is_cut(name, shown):
    with pytest.raises(UnknownInstanceType, match=f"unknown instance type '{re.escape(shown)}';"):
        instance_limits(name)


@pytest.mark.parametrize(
    ("names", "architecture"),
    [
        (("a1.large", "t4g.nano", "m6g.large", "c7gn.xlarge", "im4gn.large", "is4gen.large", "g5g.xlarge", "x2gd.large"), "arm64"),
        (("i8ge.large", "hpc7g.4xlarge", "r9gd.metal-48xl", "c8gb.large"), "arm64"),
        (("m5.large", "g4dn.xlarge", "g6e.xlarge", "gr6.4xlarge", "c7i-flex.large", "u7i-12tb.224xlarge", "t1.micro"), "x86_64"),
        (("mac1.metal",), "x86_64_mac"),
        (("mac2.metal", "mac2-m2pro.metal", "mac-m4.metal"), "arm64_mac"),
    ],
)
def test_the_architecture_follows_from_the_name(names, architecture):
    assert {instance_limits(name).architecture for name in names} == {architecture}


def test_nvidia_grace_is_arm():
    assert InstanceLimits(instance_type="p6e-gb200.36xlarge", eni_limit=4, ipv4_per_eni=50).architecture == "arm64"
