"""What ipamd reads from ENIs and subnets: the tags that it writes, the addresses that pods can have, and which subnets take new ENIs."""

from collections.abc import Iterable
from datetime import UTC, datetime

from vpcipam._units import NS_PER_S
from vpcipam.address import AddressMode
from vpcipam.ec2.api import Attachment, NetworkInterface, Subnet

CREATED_TAG = "node.k8s.amazonaws.com/createdAt"
"""When an ENI was created, to the second in RFC 3339. EC2 itself doesn't report this."""
INSTANCE_TAG = "node.k8s.amazonaws.com/instance_id"
CLUSTER_TAG = "cluster.k8s.amazonaws.com/name"
"""The cluster of an ENI, if its node knew CLUSTER_NAME."""
OWNER_TAG = ("eks:eni:owner", "amazon-vpc-cni")
NO_MANAGE_TAG = "node.k8s.amazonaws.com/no_manage"
SUBNET_ROLE_TAG = "kubernetes.io/role/cni"
SUBNET_EXCLUDED = "0"
CLUSTER_TAG_PREFIX = "cni.networking.k8s.aws/cluster/"
"""The beginning of the tag that reserves a subnet for a cluster; the cluster's name follows."""
DESCRIPTION_PREFIX = "aws-K8S-"
DEFAULT_NETWORK_CARD = 0
LEAKED_ENI_AGE_NS = 300 * NS_PER_S
"""A younger unattached ENI may be one that a node is about to attach."""


# --- ENIs ------------------------------------------------------------------------------------------------------------------------


def attachment_of(eni: NetworkInterface) -> Attachment:
    """The attachment of an ENI that must be attached, such as one that was found by its instance."""
    assert eni.attachment is not None, f"{eni.eni_id} is attached"  # noqa: S101  # for the type checker
    return eni.attachment


def place_of(eni: NetworkInterface) -> tuple[int, int]:
    """The network card and the device index of an attached ENI."""
    return attachment_of(eni).network_card_index, attachment_of(eni).device_index


def card_index(eni: NetworkInterface) -> int | None:
    """The network card that an ENI is attached to, None if it is not attached."""
    return None if eni.attachment is None else eni.attachment.network_card_index


def is_primary(eni: NetworkInterface) -> bool:
    """Tell whether an ENI is the primary one of its instance: device 0 of the default card."""
    return eni.attachment is not None and place_of(eni) == (DEFAULT_NETWORK_CARD, 0)


def is_trunk(eni: NetworkInterface) -> bool:
    """Tell whether an ENI is a trunk, which carries the branch ENIs of pods with security groups."""
    return eni.interface_type == "trunk"


def is_efa_only(eni: NetworkInterface) -> bool:
    """Tell whether an ENI is EFA-only: it has no addresses."""
    return eni.interface_type == "efa-only"


def pod_cidrs(eni: NetworkInterface, mode: AddressMode) -> tuple[str, ...]:
    """The CIDRs of an ENI that pods can use: all but its primary IP. In IPv6 mode ipamd uses only the first /80."""
    if mode is AddressMode.IPV6:
        return () if is_trunk(eni) else eni.ipv6_prefixes[:1]
    return (*[f"{address}/32" for address in eni.secondary_ips], *eni.ipv4_prefixes)


def node_tags(instance_id: str, cluster_name: str) -> tuple[tuple[str, str], ...]:
    """The tags that ipamd puts on each ENI that it manages (ipamd: buildENITags); `cluster_name` is empty if it is unknown."""
    of_cluster = ((CLUSTER_TAG, cluster_name), OWNER_TAG) if cluster_name else ()
    return ((INSTANCE_TAG, instance_id), *of_cluster)


def created_tag_text(now_ns: int) -> str:
    """Write a time as the value of `CREATED_TAG`."""
    return datetime.fromtimestamp(now_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def created_tag_ns(eni: NetworkInterface) -> int | None:
    """Read when an ENI was created from its tag; None if the tag is missing, invalid or without a time zone."""
    try:
        created = datetime.fromisoformat(eni.tag(CREATED_TAG) or "")
    except ValueError:
        return None
    return None if created.tzinfo is None else round(created.timestamp()) * NS_PER_S


def may_be_leaked(eni: NetworkInterface, cluster_name: str) -> bool:
    """Tell whether an unattached ENI is one that a clean-up looks at: an ipamd created it, and it is not known to be another cluster's.

    Without CLUSTER_NAME, ipamd looks at the ENIs of all clusters in the VPC (ipamd: getLeakedENIs).
    """
    return eni.description.startswith(DESCRIPTION_PREFIX) and (not cluster_name or eni.tag(CLUSTER_TAG) == cluster_name)


def is_old(created_ns: int, now_ns: int) -> bool:
    """Tell whether an unattached ENI is old enough to be deleted."""
    return now_ns - created_ns >= LEAKED_ENI_AGE_NS


# --- subnets ---------------------------------------------------------------------------------------------------------------------


def is_excluded(subnet: Subnet, cluster_name: str) -> bool:
    """Tell whether its tags keep a subnet from giving pods addresses: the role is 0, or the subnet is tagged for other clusters.

    ipamd ignores the tags of clusters if the subnet has no role, or if CLUSTER_NAME is empty (ipamd: IsSubnetExcluded).
    """
    role = subnet.tag(SUBNET_ROLE_TAG)
    return role == SUBNET_EXCLUDED or (bool(role) and not _serves(subnet, cluster_name))


def _serves(subnet: Subnet, cluster_name: str) -> bool:
    clusters = [key.removeprefix(CLUSTER_TAG_PREFIX) for key, _ in subnet.tags if key.startswith(CLUSTER_TAG_PREFIX)]
    return not (clusters and cluster_name) or cluster_name in clusters


def discovered_subnets(subnets: Iterable[Subnet], primary_eni: NetworkInterface, cluster_name: str) -> tuple[Subnet, ...]:
    """Pick the subnets for new ENIs under subnet discovery, the one with the most free addresses first (ipamd: createENI).

    They are in the VPC and zone of the node's primary ENI. An excluded subnet never counts. The node's own subnet needs no role; others
    need one that is not empty (ipamd: isSubnetValidForENICreation).
    """
    fitting = [
        subnet
        for subnet in subnets
        if (subnet.vpc_id, subnet.availability_zone) == (primary_eni.vpc_id, primary_eni.availability_zone)
        and not is_excluded(subnet, cluster_name)
        and (subnet.subnet_id == primary_eni.subnet_id or subnet.tag(SUBNET_ROLE_TAG))
    ]
    return tuple(sorted(fitting, key=lambda subnet: -subnet.available_ip_address_count))
