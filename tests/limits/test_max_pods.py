"""How many pods fit on a node, against figures that AWS publishes."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.errors import InvalidArgument, UnknownInstanceType
from vpcipam.limits import InstanceLimits, MaxPodsBy, all_instance_limits, max_pods, parse_row, recommended_max_pods, sum_max_pods

# From the eni-max-pods.txt that EKS publishes with its node images.
PUBLISHED = {
    "a1.medium": 8,
    "c1.medium": 12,
    "c5.18xlarge": 737,
    "c5.metal": 737,
    "c6in.32xlarge": 394,
    "c8gn.24xlarge": 1178,
    "c8gn.48xlarge": 590,
    "c8gn.8xlarge": 292,
    "d3.2xlarge": 18,
    "d3.8xlarge": 59,
    "d3en.12xlarge": 89,
    "g4ad.2xlarge": 8,
    "g4dn.16xlarge": 58,
    "g5.48xlarge": 345,
    "g6e.48xlarge": 492,
    "g6f.large": 20,
    "hpc6id.32xlarge": 51,
    "hpc7g.16xlarge": 198,
    "i4i.24xlarge": 437,
    "inf1.24xlarge": 321,
    "m1.small": 8,
    "m4.16xlarge": 234,
    "m4.large": 20,
    "m5.large": 29,
    "m5.4xlarge": 234,
    "mac1.metal": 234,
    "p4d.24xlarge": 737,
    "p5.48xlarge": 100,
    "p5.4xlarge": 118,
    "p5en.48xlarge": 198,
    "r8i.96xlarge": 1514,
    "r8i.12xlarge": 590,
    "t1.micro": 4,
    "t2.2xlarge": 44,
    "t3.small": 11,
    "t3.medium": 17,
    "t3.large": 35,
    "t3.nano": 4,
    "t3a.small": 8,
    "trn1.32xlarge": 247,
    "trn2.48xlarge": 100,
    "u7in-16tb.224xlarge": 394,
}
TINY = InstanceLimits(instance_type="tiny.small", eni_limit=2, ipv4_per_eni=3)


@pytest.mark.parametrize(("instance_type", "pod_count"), PUBLISHED.items())
def test_the_ami_sets_the_published_figure(instance_type, pod_count):
    assert max_pods(instance_type, by="ami") == max_pods(instance_type, by="karpenter") == pod_count
    assert max_pods(instance_type, capped=False) == pod_count
    assert max_pods(instance_type) == min(pod_count, recommended_max_pods(instance_type))


@pytest.mark.parametrize(
    ("instance_type", "arguments", "pod_counts"),
    [  # by a managed node group, the AMI, Karpenter
        ("m5.large", {}, [29, 29, 29]),
        ("c5.4xlarge", {}, [110, 234, 234]),
        ("m5a.4xlarge", {}, [110, 234, 234]),
        ("c5.18xlarge", {}, [250, 737, 737]),
        ("c5.18xlarge", {"capped": False}, [737, 737, 737]),
        ("m5.large", {"prefix_delegation": True}, [110, 29, 29]),
        ("m5.large", {"prefix_delegation": True, "capped": False}, [434, 29, 29]),
        ("m5.large", {"custom_networking": True}, [20, 29, 20]),
        ("m5a.4xlarge", {"prefix_delegation": True, "custom_networking": True}, [110, 234, 205]),
        ("m5.large", {"max_eni": 2}, [20, 29, 29]),
        ("m4.large", {"prefix_delegation": True}, [20, 20, 20]),
        ("hpc6id.32xlarge", {"custom_networking": True}, [2, 51, 0]),  # its only ENI carries no pods
    ],
)
def test_what_sets_max_pods_decides_what_counts(instance_type, arguments, pod_counts):
    assert [max_pods(instance_type, **arguments, by=by) for by in MaxPodsBy] == pod_counts
    assert max_pods(instance_type, **arguments) == pod_counts[0]


@pytest.mark.parametrize("by", ["eks", "AMI", "", None, 1, ["ami"]])
def test_an_unknown_setter_is_refused(by):
    with pytest.raises(InvalidArgument, match=r"what sets max-pods must be one of managed-node-group, ami, karpenter, not "):
        max_pods("m5.large", by=by)


def test_setters_have_names_for_people():
    assert [by.label for by in MaxPodsBy] == ["a managed node group", "the AMI", "Karpenter"]


@pytest.mark.parametrize(
    ("instance_type", "arguments", "pod_count"),
    [
        ("m5.large", {"custom_networking": True}, 20),
        ("t3.small", {"custom_networking": True}, 8),
        ("m5.large", {"prefix_delegation": True}, 110),
        ("m5.large", {"prefix_delegation": True, "capped": False}, 434),
        ("m5.large", {"prefix_delegation": True, "custom_networking": True, "capped": False}, 290),
        ("m5.large", {"prefix_delegation": True, "custom_networking": True}, 110),
        ("t3.nano", {"prefix_delegation": True}, 34),  # below the cap
        ("m5.8xlarge", {"prefix_delegation": True}, 250),
        ("m5.4xlarge", {"prefix_delegation": True}, 110),
        ("m5.metal", {"prefix_delegation": True}, 250),
        ("m5.metal", {"prefix_delegation": True, "capped": False}, 15 * 49 * 16 + 2),
    ],
)
def test_every_mode_follows_its_formula(instance_type, arguments, pod_count):
    assert max_pods(instance_type, **arguments) == pod_count


@pytest.mark.parametrize(("vcpus", "cap"), [(1, 110), (29, 110), (30, 110), (31, 250), (32, 250), (4096, 250)])
def test_cap_changes_above_30_vcpus(vcpus, cap):
    large = attrs.evolve(TINY, eni_limit=15, network_cards=(15,), ipv4_per_eni=50, vcpus=vcpus)
    assert max_pods(large, prefix_delegation=True) == recommended_max_pods(large) == cap
    assert max_pods(large) == cap
    assert max_pods(large, capped=False) == 737


@pytest.mark.parametrize("instance_type", ["m4.large", "c4.4xlarge"])
def test_xen_falls_back_to_secondary_ips(instance_type):
    assert max_pods(instance_type, prefix_delegation=True) == max_pods(instance_type)


@pytest.mark.parametrize(("max_eni", "pod_count"), [(1, 11), (2, 20), (3, 29), (4, 29), (2**70, 29), (None, 29)])
def test_max_eni_lowers_and_never_raises(max_eni, pod_count):
    assert max_pods("m5.large", max_eni=max_eni) == pod_count


def test_custom_networking_on_a_single_eni_leaves_the_host_network_pods():
    assert max_pods("m5.large", custom_networking=True, max_eni=1) == 2
    assert max_pods("m5.large", prefix_delegation=True, custom_networking=True, max_eni=1) == 2


@pytest.mark.parametrize("by", MaxPodsBy)
@pytest.mark.parametrize(("pods_per_core", "pod_count"), [(0, 29), (1, 2), (14, 28), (15, 29), (2**70, 29)])
def test_pods_per_core_lowers_and_never_raises(pods_per_core, pod_count, by):
    assert max_pods("m5.large", pods_per_core=pods_per_core, by=by) == pod_count
    assert max_pods("m5.large", pods_per_core=pods_per_core, capped=False, by=by) == pod_count


@pytest.mark.parametrize("pods_per_core", [-1, "2", 2.0, None, True])
def test_pods_per_core_is_a_number_of_pods(pods_per_core):
    with pytest.raises((InvalidArgument, TypeError), match="pods_per_core must be"):
        max_pods("m5.large", pods_per_core=pods_per_core)


def test_arguments_can_be_given_by_position():
    assert max_pods("m5.large", True, True, 2, False) == 9 * 16 + 2  # noqa: FBT003 - positions are what this test is about


def test_custom_limits_are_accepted():
    assert max_pods(TINY) == 6


def test_a_name_and_its_limits_give_the_same_on_every_type():
    for limits in all_instance_limits():
        assert recommended_max_pods(limits.instance_type) == recommended_max_pods(limits)
        for prefix_delegation in (False, True):
            assert max_pods(limits.instance_type, prefix_delegation) == max_pods(limits, prefix_delegation)
            assert max_pods(limits.instance_type, prefix_delegation, capped=False) == max_pods(limits, prefix_delegation, capped=False)


def test_the_limit_of_the_default_card_applies_even_if_it_is_not_the_first():
    row = "two.cards\t5,2\t1\t10\t10\tnitro\t2\t-"
    assert max_pods(parse_row(row)) == 20


@pytest.mark.parametrize("max_eni", [0, -1, -(2**70)])
def test_max_eni_below_one_is_refused(max_eni):
    with pytest.raises(InvalidArgument, match=f"max_eni must be 1 or more, not {max_eni}"):
        max_pods("m5.large", max_eni=max_eni)


@pytest.mark.parametrize("max_eni", ["2", 2.0, True, [2]])
def test_max_eni_must_be_an_int(max_eni):
    with pytest.raises(TypeError, match="max_eni must be an int"):
        max_pods("m5.large", max_eni=max_eni)


@pytest.mark.parametrize("name", ["prefix_delegation", "custom_networking", "capped"])
@pytest.mark.parametrize("value", ["false", 1, 0, None])
def test_switches_must_be_true_or_false(name, value):
    with pytest.raises(TypeError, match=f"{name} must be True or False"):
        max_pods("m5.large", **{name: value})


def test_unknown_type_is_refused():
    with pytest.raises(UnknownInstanceType, match=r"did you mean m5\.large"):
        max_pods("m5.lareg")


@given(
    limits=st.sampled_from(all_instance_limits()),
    prefix_delegation=st.booleans(),
    custom_networking=st.booleans(),
    max_eni=st.none() | st.integers(1, 20),
)
def test_modes_are_ordered_on_every_type(limits, prefix_delegation, custom_networking, max_eni):
    capped = max_pods(limits, prefix_delegation, custom_networking, max_eni)
    uncapped = max_pods(limits, prefix_delegation, custom_networking, max_eni, capped=False)
    assert 2 <= capped <= uncapped <= max_pods(limits, prefix_delegation, custom_networking, capped=False)
    assert capped == min(uncapped, recommended_max_pods(limits))
    assert max_pods(limits, prefix_delegation, custom_networking=True, max_eni=max_eni, capped=False) < max_pods(
        limits, prefix_delegation, max_eni=max_eni, capped=False
    )
    pod_addresses = uncapped - 2
    assert pod_addresses % limits.slots_per_eni == 0
    secondary = max_pods(limits, custom_networking=custom_networking, max_eni=max_eni, capped=False)
    assert pod_addresses == (secondary - 2) * (16 if prefix_delegation and limits.supports_prefixes else 1)


@given(
    limits=st.sampled_from(all_instance_limits()),
    options=st.fixed_dictionaries(
        {
            "prefix_delegation": st.booleans(),
            "custom_networking": st.booleans(),
            "max_eni": st.none() | st.integers(1, 20),
            "capped": st.booleans(),
        }
    ),
    by=st.sampled_from(MaxPodsBy),
)
def test_the_ami_and_karpenter_ignore_what_the_daemonset_says(limits, options, by):
    found = sum_max_pods(limits, **options, by=by)
    assert found.max_pods == max_pods(limits, **options, by=by)
    if by is MaxPodsBy.AMI:
        assert found == sum_max_pods(limits, by=by)
    if by is MaxPodsBy.KARPENTER:
        assert found == sum_max_pods(limits, custom_networking=options["custom_networking"], by=by)


def test_the_sum_has_the_defaults_of_max_pods():
    assert sum_max_pods("m5.large").max_pods == max_pods("m5.large")


def test_the_cap_hides_that_the_calculator_gives_bare_metal_no_prefixes():
    no_longer_listed = {"u-6tb1.metal", "u-9tb1.metal", "u-12tb1.metal"}  # 147 pods with secondary IPs, below the cap
    for limits in all_instance_limits():
        if limits.bare_metal and limits.instance_type not in no_longer_listed:
            for custom_networking in (False, True):
                assert max_pods(limits, True, custom_networking) == max_pods(limits, False, custom_networking)  # noqa: FBT003 - prefixes or not
