"""The instance metadata service (IMDS): what an instance of the model reads about itself.

The paths are those of the service at 169.254.169.254 that ipamd, the EKS AMI and `ec2-metadata` read (EC2 User Guide, "Instance metadata
categories"). What the model does not have is missing: an IAM role, the text of SSH keys, spot notices.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from typing import Final, cast

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.ec2.api import Instance, NetworkInterface, Subnet, Vpc
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.state.filter_tables import UNNAMED_IMAGE
from vpcipam.ec2.state.names import mac_address, private_dns_name, public_dns_name, time_text, zone_id

TOKEN_PATH: Final = "api/token"  # noqa: S105 - a path
TOKEN_HEADER: Final = "X-aws-ec2-metadata-token"  # noqa: S105 - the name of a header
TOKEN_TTL_HEADER: Final = "X-aws-ec2-metadata-token-ttl-seconds"  # noqa: S105 - likewise
LONGEST_TTL_S: Final = 21_600

Tree = dict[str, "str | Tree"]
"""The metadata: a text for each leaf, a tree for each directory."""


class TokenIssuer:
    """Issues the session tokens of IMDSv2. A token names its instance and its end, and is signed, so that none has to be kept.

    Args:
        key: signs the tokens; keep it secret, and give each server another one.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self, instance_id: str, ttl_s: int, now_ns: int) -> str:
        """Return a token that is valid for a number of seconds."""
        content = f"{instance_id} {now_ns + ttl_s * NS_PER_S}".encode()
        return base64.urlsafe_b64encode(self._sign(content) + content).decode()

    def ttl_s(self, token: str, instance_id: str, now_ns: int) -> int | None:
        """Return the seconds that a token of this instance is still valid, rounded up; None if it is not."""
        try:
            signed = base64.urlsafe_b64decode(token.encode("ascii"))
        except ValueError:
            return None
        length = hashlib.sha256().digest_size
        signature, content = signed[:length], signed[length:]
        if not hmac.compare_digest(signature, self._sign(content)):
            return None
        owner, _, end_ns = content.decode().partition(" ")
        left_ns = int(end_ns) - now_ns
        return -(-left_ns // NS_PER_S) if owner == instance_id and left_ns > 0 else None

    def _sign(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")


def read_ttl(text: str | None) -> int | None:
    """Read the header of a request for a token; None unless it is 1 to 21,600 seconds."""
    if text is None or re.fullmatch("[0-9]{1,5}", text) is None:
        return None
    return int(text) if 1 <= int(text) <= LONGEST_TTL_S else None


@attrs.frozen
class InstanceMetadata:
    """What the service shows an instance.

    Attributes:
        instance: the instance.
        architecture: that of its type.
        interfaces: its ENIs as the service shows them, which may be stale; the primary one first.
        subnets: the subnets by id.
        vpcs: the VPCs by id.
        region: the region of the account.
    """

    instance: Instance
    architecture: str
    interfaces: tuple[NetworkInterface, ...]
    subnets: Mapping[str, Subnet]
    vpcs: Mapping[str, Vpc]
    region: Region

    def read(self, path: str) -> str | None:
        """Return what is below `/latest/` at a path, with or without a slash at its end: a text, or the names in a directory; else None."""
        node: str | Tree = self.tree()
        for step in filter(None, path.split("/")):
            if not isinstance(node, dict) or step not in node:
                return None
            node = node[step]
        if isinstance(node, str):
            return node
        top = not path.strip("/")
        return "\n".join(name if top or isinstance(below, str) else f"{name}/" for name, below in sorted(node.items()))

    def tree(self) -> Tree:
        """Return everything below `/latest/`."""
        document = json.dumps(self._identity_document(), indent=2)
        tree: Tree = {"dynamic": {"instance-identity": {"document": document}}, "meta-data": self._meta_data()}
        user_data = base64.b64decode(self.instance.settings.user_data)
        return tree | ({"user-data": user_data.decode(errors="surrogateescape")} if user_data else {})

    def _meta_data(self) -> Tree:
        primary, instance = self.interfaces[0], self.instance
        zone = instance.availability_zone
        tree: Tree = {
            "ami-id": instance.image_id or UNNAMED_IMAGE,
            "ami-launch-index": str(instance.launch_index),
            "ami-manifest-path": "(unknown)",
            "instance-action": "none",
            "instance-id": instance.instance_id,
            "instance-life-cycle": "on-demand",
            "instance-type": instance.instance_type,
            "mac": mac_address(primary.eni_id),
            "network": {"interfaces": {"macs": {mac_address(eni.eni_id): self._interface(eni) for eni in self.interfaces}}},
            "placement": {
                "availability-zone": zone,
                "availability-zone-id": zone_id(zone),
                "region": self.region.name,
            },
            "profile": "default-hvm",
            "reservation-id": instance.reservation_id,
            "security-groups": _lines(primary.security_group_names),
            "services": {"domain": "amazonaws.com", "partition": "aws"},
        }
        if instance.metadata_options.instance_metadata_tags == "enabled":
            tree["tags"] = {"instance": cast("Tree", dict(instance.tags))}
        if primary.private_ip:
            name = private_dns_name(primary.private_ip, self.region.name)
            tree |= {"hostname": name, "local-hostname": name, "local-ipv4": primary.private_ip}
        for each in primary.elastic_ips[:1]:
            if each.private_ip == primary.private_ip:
                tree |= {"public-hostname": public_dns_name(each.public_ip, self.region.name), "public-ipv4": each.public_ip}
        return tree

    def _interface(self, eni: NetworkInterface) -> Tree:
        """Return what is below the MAC address of an ENI. Lists that would be empty are missing, as in the service."""
        subnet, vpc = self.subnets[eni.subnet_id], self.vpcs[eni.vpc_id]
        attachment = eni.attachment
        assert attachment is not None, "an ENI of an instance is attached"  # noqa: S101 - for the type checker
        public_ips = [each.public_ip for each in eni.elastic_ips]
        leaves = {
            "device-number": str(attachment.device_index),
            "interface-id": eni.eni_id,
            "ipv4-prefix": _lines(eni.ipv4_prefixes),
            "ipv6-prefix": _lines(eni.ipv6_prefixes),
            "ipv6s": _lines(eni.ipv6_addresses),
            "local-hostname": private_dns_name(eni.private_ip, self.region.name) if eni.private_ip else "",
            "local-ipv4s": _lines(eni.single_ips),
            "mac": mac_address(eni.eni_id),
            "network-card": str(attachment.network_card_index),
            "owner-id": self.region.owner_id,
            "public-hostname": public_dns_name(public_ips[0], self.region.name) if public_ips else "",
            "public-ipv4s": _lines(public_ips),
            "security-group-ids": _lines(eni.security_group_ids),
            "security-groups": _lines(eni.security_group_names),
            "subnet-id": eni.subnet_id,
            "subnet-ipv4-cidr-block": subnet.cidr,
            "subnet-ipv6-cidr-blocks": subnet.ipv6_cidr or "",
            "vpc-id": eni.vpc_id,
            "vpc-ipv4-cidr-block": vpc.cidrs[0],
            "vpc-ipv4-cidr-blocks": _lines(vpc.cidrs),
            "vpc-ipv6-cidr-blocks": vpc.ipv6_cidr or "",
        }
        tree: Tree = {name: text for name, text in leaves.items() if text}
        if eni.elastic_ips:
            tree["ipv4-associations"] = {each.public_ip: each.private_ip for each in eni.elastic_ips}
        return tree

    def _identity_document(self) -> dict[str, object]:
        instance = self.instance
        return {
            "accountId": self.region.owner_id,
            "architecture": self.architecture,
            "availabilityZone": instance.availability_zone,
            "billingProducts": None,
            "devpayProductCodes": None,
            "marketplaceProductCodes": None,
            "imageId": instance.image_id or UNNAMED_IMAGE,
            "instanceId": instance.instance_id,
            "instanceType": instance.instance_type,
            "kernelId": None,
            "pendingTime": f"{time_text(instance.launched_ns)[:-5]}Z",
            "privateIp": self.interfaces[0].private_ip,
            "ramdiskId": None,
            "region": self.region.name,
            "version": "2017-09-30",
        }


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(texts)
