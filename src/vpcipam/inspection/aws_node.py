"""Whether aws-node runs on an instance: some nodes have none, and some instances are no nodes."""

from collections.abc import Iterable, Mapping

from vpcipam.ec2.api import Instance, NetworkInterface
from vpcipam.node.interfaces import CLUSTER_TAG, DESCRIPTION_PREFIX, INSTANCE_TAG

_COMPUTE_TYPE = "eks.amazonaws.com/compute-type"
_WITHOUT_AWS_NODE = frozenset({"fargate", "auto", "hybrid"})
_OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")
_CLUSTER_TAGS = frozenset({"eks:cluster-name", "aws:eks:cluster-name"})
_CLUSTER_TAG_PREFIX = "kubernetes.io/cluster/"

NO_NODE = "no node object, no tag and no ENI of ipamd shows a node there"
"""Why an instance isn't checked that has nothing of a node, among others that have."""


def why_no_aws_node(labels: Mapping[str, str]) -> str:
    """Tell by the labels of a node why no aws-node runs on it; empty if one can.

    >>> why_no_aws_node({"kubernetes.io/os": "windows"})
    'no aws-node runs on Windows'
    """
    compute_type = labels.get(_COMPUTE_TYPE)
    if compute_type in _WITHOUT_AWS_NODE:
        return f"no aws-node runs there ({_COMPUTE_TYPE}={compute_type})"
    return "no aws-node runs on Windows" if any(labels.get(name) == "windows" for name in _OS_LABELS) else ""


def looks_like_a_node(instance: Instance | None, enis: Iterable[NetworkInterface]) -> bool:
    """Tell whether the tags of an instance, or the tags and descriptions of its ENIs, are those of a node of an EKS cluster."""
    tags = () if instance is None else instance.tags
    if any(name in _CLUSTER_TAGS or name.startswith(_CLUSTER_TAG_PREFIX) for name, _ in tags):
        return True
    return any(eni.tag(INSTANCE_TAG) or eni.tag(CLUSTER_TAG) or eni.description.startswith(DESCRIPTION_PREFIX) for eni in enis)
