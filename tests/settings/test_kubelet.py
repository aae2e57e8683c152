"""The kubelet's max-pods on a node with given settings."""

import pytest

from vpcipam.errors import InvalidArgument, SettingsError
from vpcipam.limits import MaxPodsBy, instance_limits
from vpcipam.settings import Settings, default_max_pods, resolve_max_pods

CUSTOM = {"AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "true"}
IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true"}
LARGE = instance_limits("m5a.4xlarge")


@pytest.mark.parametrize(
    ("instance_type", "variables", "pod_counts"),
    [  # by a managed node group, the AMI, Karpenter
        ("m5.large", {}, [29, 29, 29]),
        ("m5.large", CUSTOM, [20, 29, 20]),
        ("m5.large", {"ENABLE_PREFIX_DELEGATION": "true"}, [110, 29, 29]),
        ("m5.large", {"ENABLE_PREFIX_DELEGATION": "true", "MAX_ENI": "1"}, [110, 29, 29]),
        ("m5.large", {"MAX_ENI": "1"}, [29, 29, 29]),
        ("m1.small", {"ENABLE_PREFIX_DELEGATION": "true"}, [8, 8, 8]),  # Xen: falls back to single addresses
        ("t3.small", {}, [11, 11, 11]),
        ("m5.large", IPV6, [110, 29, 29]),
        ("m5a.4xlarge", {}, [110, 234, 234]),
        ("c5.18xlarge", {}, [250, 737, 737]),
        ("hpc6id.32xlarge", CUSTOM, [2, 51, 0]),
    ],
)
def test_max_pods_follow_the_settings_as_far_as_what_sets_them_does(instance_type, variables, pod_counts):
    settings = Settings().with_variables(variables)
    limits = instance_limits(instance_type)
    assert [default_max_pods(limits, settings, by) for by in MaxPodsBy] == pod_counts
    assert default_max_pods(limits, settings) == pod_counts[0]


@pytest.mark.parametrize(
    ("given", "by", "found"),
    [
        (None, None, (110, MaxPodsBy.MANAGED_NODE_GROUP)),
        (None, "managed-node-group", (110, MaxPodsBy.MANAGED_NODE_GROUP)),
        (None, "ami", (234, MaxPodsBy.AMI)),
        (None, MaxPodsBy.KARPENTER, (234, MaxPodsBy.KARPENTER)),
        (1, None, (1, None)),
        (5000, None, (5000, None)),
    ],
)
def test_max_pods_are_given_or_set(given, by, found):
    assert resolve_max_pods(LARGE, Settings(), given, by) == found


@pytest.mark.parametrize(
    ("given", "by", "message"),
    [
        (0, None, "max_pods must be 1 or more, not 0"),
        (20, "ami", r"max_pods is 20, so nothing else sets it; leave out max_pods or max_pods_by \('ami'\)"),
        (110, MaxPodsBy.MANAGED_NODE_GROUP, r"leave out max_pods or max_pods_by \('managed-node-group'\)"),
        (None, "eks", "what sets max-pods must be one of managed-node-group, ami, karpenter, not 'eks'"),
    ],
)
def test_contradictions_are_refused(given, by, message):
    with pytest.raises(InvalidArgument, match=message):
        resolve_max_pods(LARGE, Settings(), given, by)


def test_settings_that_ipamd_refuses_are_refused():
    with pytest.raises(SettingsError, match="both on"):
        default_max_pods(LARGE, Settings().with_variables({"ENABLE_IPv6": "true"}))
