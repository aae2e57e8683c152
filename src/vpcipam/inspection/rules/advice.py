"""What to do about troubles that several rules find, each told once."""

from vpcipam.address import AddressMode
from vpcipam.limits import InstanceLimits
from vpcipam.settings import Settings

RAISE_WARM_TARGET = "raise WARM_IP_TARGET above the number of pods that end within a cooldown, or lower IP_COOLDOWN_PERIOD"
UNCORDON = "uncordon the node, or set AWS_MANAGE_ENIS_NON_SCHEDULABLE to true"
ALLOW_CALLS = "attach AmazonEKS_CNI_Policy (for IPv6, one of your own) to the role of aws-node"
RESERVE_PREFIXES = "reserve a range of whole /28s for prefixes: aws ec2 create-subnet-cidr-reservation --reservation-type prefix"
FREE_DISK = "free space in /var/run/aws-node on the node"
OTHER_SUBNET = {
    False: "tag another subnet of the zone kubernetes.io/role/cni=1",
    True: "let the ENIConfig name a subnet with room, and replace the node",
}
"""How a node gets addresses of another subnet, without custom networking and with it."""


def more_addresses(limits: InstanceLimits, settings: Settings) -> str:
    """Say how nodes of a type with these settings could have more addresses, as the last part of a list."""
    ways = ["take a larger type"]
    if settings.eni_limit(limits) < limits.eni_limit:
        ways.insert(0, f"raise MAX_ENI (the type allows {limits.eni_limit})")
    if settings.address_mode(limits) is AddressMode.SECONDARY_IP and limits.supports_prefixes:
        ways.append("use prefix delegation")
    *others, last = ways
    return "".join(f", {way}" for way in others) + f", or {last}"
