"""Which types take a trunk ENI, and how many branch ENIs."""

from pathlib import Path

import attrs
import pytest

from vpcipam.errors import InvalidArgument
from vpcipam.limits import InstanceLimits, all_instance_limits, branch_pod_limit, instance_limits, parse_branch_enis
from vpcipam.limits import branch_enis as branch_table


@pytest.mark.parametrize(
    ("instance_type", "able", "limit"),
    [
        ("m5.large", True, 9),
        ("c5.12xlarge", True, 54),
        ("r6g.medium", True, 4),
        ("p5.48xlarge", True, 120),
        ("t3.large", False, 0),
        ("u-24tb1.metal", True, None),
    ],
)
def test_the_table_says_which_types_take_a_trunk(instance_type, able, limit):
    limits = instance_limits(instance_type)
    assert (limits.trunk_compatible, limits.branch_eni_limit) == (able, limit)


@pytest.mark.parametrize("family", ["t2", "t3", "t3a", "t4g", "m4", "c4", "r4", "p3", "x1"])
def test_burstable_and_older_families_take_no_trunk(family):
    found = [each for each in all_instance_limits() if each.instance_type.startswith(f"{family}.")]
    assert found
    assert not any(each.trunk_compatible for each in found)


def test_the_table_has_the_types_of_the_published_one():
    found = all_instance_limits()
    assert sum(not each.trunk_compatible for each in found) == 104
    assert sum(each.branch_eni_limit is not None for each in found) == 1164
    assert all((each.branch_eni_limit == 0) == (not each.trunk_compatible) for each in found)


def test_a_type_that_the_table_lacks_counts_as_able_with_an_unknown_limit():
    own = InstanceLimits(instance_type="x99.large", eni_limit=3, ipv4_per_eni=4)
    assert (own.trunk_compatible, own.branch_eni_limit) == (True, None)
    assert attrs.evolve(own, trunk_compatible=False, branch_eni_limit=0).branch_eni_limit == 0
    assert InstanceLimits(instance_type="x99.large", eni_limit=3, ipv4_per_eni=4, trunk_compatible=False).branch_eni_limit == 0


@pytest.mark.parametrize(("instance_type", "able", "limit"), [("t3.large", False, 0), ("m5.large", True, 9), ("x99.large", True, None)])
def test_what_ec2_describes_gets_its_trunk_from_the_table(instance_type, able, limit):
    network = {
        "NetworkCards": [{"NetworkCardIndex": 0, "MaximumNetworkInterfaces": 3}],
        "Ipv4AddressesPerInterface": 12,
        "Ipv6AddressesPerInterface": 12,
    }
    item = {"InstanceType": instance_type, "BareMetal": False, "Hypervisor": "nitro", "VCpuInfo": {"DefaultVCpus": 2}}
    found = InstanceLimits.from_describe_instance_types(item | {"NetworkInfo": network})
    assert (found.trunk_compatible, found.branch_eni_limit) == (able, limit)


def test_pods_with_security_groups_count_towards_max_pods():
    assert branch_pod_limit("m5.large", 29) == 9
    assert branch_pod_limit("m5.large", 8) == 6
    assert branch_pod_limit("m5.large", 1) == 0
    assert branch_pod_limit("t3.large", 35) == 0
    assert branch_pod_limit("u-24tb1.metal", 250) is None


@pytest.mark.parametrize("row", ["m5.large", "m5.large\t", "m5.large\t-1", "m5.large\tmany", "\t9", "m5.large\t9\t9"])
def test_broken_rows_are_refused(row):
    with pytest.raises(InvalidArgument, match="not a row of the table of branch ENIs"):
        parse_branch_enis(f"# a comment\ninstance_type\tbranch_enis\n{row}\n")


def test_a_lookup_agrees_with_reading_all():
    found = parse_branch_enis(Path(branch_table._TABLE_PATH).read_text(encoding="utf-8"))
    assert {name: branch_table.branch_eni_limit(name) for name in found} == found


@pytest.mark.parametrize(
    ("instance_type", "eni_limit", "ipv4_per_eni", "vcpus", "supports_prefixes"),
    [
        ("c5a.metal", 15, 50, 96, True),
        ("c5ad.metal", 15, 50, 96, True),
        ("c7i.32xlarge", 15, 50, 128, True),
        ("cr1.8xlarge", 8, 30, 32, False),
        ("hs1.8xlarge", 8, 30, 17, False),
        ("u-6tb1.metal", 5, 30, 448, True),
        ("u-9tb1.metal", 5, 30, 448, True),
        ("u-12tb1.metal", 5, 30, 448, True),
        ("u-18tb1.metal", 15, 50, 448, True),
        ("u-24tb1.metal", 15, 50, 448, True),
    ],
)
def test_types_that_ec2_does_not_list_are_those_that_the_cni_adds_by_hand(instance_type, eni_limit, ipv4_per_eni, vcpus, supports_prefixes):
    # ENIs and addresses: pkg/vpc/vpc_ip_resource_limit.go of amazon-vpc-cni-k8s v1.23.1; vCPUs: see tools/update_limits.py.
    found = instance_limits(instance_type)
    assert (found.eni_limit, found.ipv4_per_eni, found.vcpus, found.supports_prefixes) == (
        eni_limit,
        ipv4_per_eni,
        vcpus,
        supports_prefixes,
    )
