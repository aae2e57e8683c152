"""Every type of the table, with and without security groups for pods, prefixes and custom networking, against the closed formulas.

The formulas are written here once more, independently of the library (docs/ipamd.md, "Max pods" and "Trunk and branch ENIs").
"""

import itertools

import pytest

from vpcipam.errors import NodeError
from vpcipam.limits import all_instance_limits, max_pods
from vpcipam.planner import plan
from vpcipam.settings import Settings

OPTIONS = list(itertools.product((False, True), repeat=3))  # pod ENIs, prefixes, custom networking
NEVER_CAPPED = 100_000


def having(*, pod_eni, prefixes, custom, **more):
    return Settings().with_variables(
        {
            "ENABLE_POD_ENI": str(pod_eni).lower(),
            "ENABLE_PREFIX_DELEGATION": str(prefixes).lower(),
            "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": str(custom).lower(),
            **more,
        }
    )


def kinds():
    """One type of each kind: what a plan depends on, and no more."""
    found = {}
    for limits in all_instance_limits():
        facts = (limits.eni_limit, limits.ipv4_per_eni, limits.supports_prefixes, limits.vcpus > 30, limits.trunk_compatible)
        found.setdefault(facts, limits)
    return tuple(found.values())


def expected(limits, *, pod_eni, prefixes, custom):
    """ENIs with pods, addresses in one slot, and whether the node has a trunk; None if no ENI is left for pods."""
    enis, trunk = limits.eni_limit, False
    if custom:
        enis -= 1
    if pod_eni and limits.trunk_compatible and limits.eni_limit > 1:
        enis, trunk = enis - 1, True
    nitro_or_metal = limits.hypervisor in {"nitro", None}
    return (enis, 16 if prefixes and nitro_or_metal else 1, trunk) if enis > 0 else None


def published_max_pods(limits, *, prefixes, custom):
    """What a managed node group sets: it knows of no trunk."""
    slots = (limits.eni_limit - (1 if custom else 0)) * (limits.ipv4_per_eni - 1)
    unit = 16 if prefixes and limits.hypervisor != "xen" else 1
    return min(slots * unit + 2, 250 if limits.vcpus > 30 else 110)


def check_limit(limits, pod_eni, prefixes, custom):
    settings = having(pod_eni=pod_eni, prefixes=prefixes, custom=custom)
    formula = expected(limits, pod_eni=pod_eni, prefixes=prefixes, custom=custom)
    if formula is None:
        with pytest.raises(NodeError, match="got no ENI for custom networking"):
            plan(limits, 0, settings)
        return
    enis, unit, trunk = formula
    answer = plan(limits, 0, settings)
    most = published_max_pods(limits, prefixes=prefixes, custom=custom)
    addresses = enis * (limits.ipv4_per_eni - 1) * unit
    assert answer.max_pods == most
    assert answer.pod_limit == min(addresses, most - 2)
    assert ("trunk" in answer.limit_reason) == (trunk and addresses <= most - 2)
    assert [eni.trunk for eni in answer.enis] == [False] * (answer.eni_count - trunk) + [True] * trunk
    assert answer.subnet_ips == answer.total_ips + answer.eni_count


def check_growth(types, pod_eni, prefixes, custom):
    settings = having(pod_eni=pod_eni, prefixes=prefixes, custom=custom, WARM_IP_TARGET=str(NEVER_CAPPED))
    for limits in types:
        formula = expected(limits, pod_eni=pod_eni, prefixes=prefixes, custom=custom)
        if formula is None:
            continue
        enis, unit, trunk = formula
        answer = plan(limits, 0, settings, max_pods=NEVER_CAPPED)
        assert answer.total_ips == enis * (limits.ipv4_per_eni - 1) * unit
        assert answer.eni_count == enis + trunk + custom == limits.eni_limit
        assert answer.subnet_ips == answer.total_ips + limits.eni_limit


def test_every_type_has_the_published_max_pods():
    for limits, prefixes, custom in itertools.product(all_instance_limits(), (False, True), (False, True)):
        assert max_pods(limits, prefixes, custom) == published_max_pods(limits, prefixes=prefixes, custom=custom)


@pytest.mark.thorough
@pytest.mark.parametrize(("pod_eni", "prefixes", "custom"), OPTIONS)
def test_every_kind_of_type_has_the_limit_of_the_formula(pod_eni, prefixes, custom):
    """Each kind with some of the combinations; `nightly` has all types with all of them."""
    assert len(kinds()) > 60
    for limits in [*kinds()][OPTIONS.index((pod_eni, prefixes, custom)) % 3 :: 3]:
        check_limit(limits, pod_eni, prefixes, custom)


@pytest.mark.nightly
@pytest.mark.parametrize(("pod_eni", "prefixes", "custom"), OPTIONS)
def test_every_type_has_the_limit_of_the_formula(pod_eni, prefixes, custom):
    for limits in all_instance_limits():
        check_limit(limits, pod_eni, prefixes, custom)


@pytest.mark.nightly
@pytest.mark.parametrize(("pod_eni", "prefixes", "custom"), OPTIONS)
def test_every_kind_of_type_grows_to_the_formula(pod_eni, prefixes, custom):
    check_growth(kinds(), pod_eni, prefixes, custom)


@pytest.mark.thorough
@pytest.mark.parametrize(("pod_eni", "prefixes", "custom"), OPTIONS)
def test_the_smallest_kinds_of_types_grow_to_the_formula(pod_eni, prefixes, custom):
    few = sorted(kinds(), key=lambda limits: limits.eni_limit * limits.ipv4_per_eni)[:20]
    check_growth(few, pod_eni, prefixes, custom)
