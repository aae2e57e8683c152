"""Facts of the account and the region that appear in answers: zones and their ids, MAC addresses, DNS names, ARNs.

A zone's name begins with its region's. No address depends on them.
"""

import re
from datetime import UTC, datetime, timedelta

OWNER_ID = "123456789012"
"""The account that owns everything."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US = 1_000
_DIRECTIONS = {
    "north": "n",
    "east": "e",
    "south": "s",
    "west": "w",
    "central": "c",
    "northeast": "ne",
    "northwest": "nw",
    "southeast": "se",
    "southwest": "sw",
}
_ZONE = re.compile(rf"[a-z]+(-[a-z]+)*-({'|'.join(_DIRECTIONS)})-[0-9]+[a-z]")
_ZONE_LETTERS = {
    "ap-northeast-1": "acd",
    "ap-northeast-2": "abcd",
    "ca-central-1": "abd",
    "us-east-1": "abcdef",
    "us-west-1": "ab",
    "us-west-2": "abcd",
}
"""The zones of the regions that don't have just a, b and c."""

REGIONS = tuple(
    """
    af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2
    ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1
    eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 il-central-1 me-central-1 me-south-1
    mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2
    """.split()  # noqa: SIM905 - a list of quoted names would be four times as long
)
"""The public regions."""
OPT_IN_REGIONS = frozenset(
    """
    af-south-1 ap-east-1 ap-east-2 ap-south-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-west-1
    eu-central-2 eu-south-1 eu-south-2 il-central-1 me-central-1 me-south-1 mx-central-1
    """.split()  # noqa: SIM905 - likewise
)
"""The regions that an account must enable first (AWS Account Management, "Enable or disable AWS Regions in your account")."""


def time_text(time_ns: int) -> str:
    """Format a time in Unix nanoseconds as EC2 does, to the millisecond."""
    return (_EPOCH + timedelta(microseconds=time_ns // _NS_PER_US)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def region_of(zone: str) -> str:
    """Return the region of a zone, `us-east-1` for `us-east-1a`; the first region for a name that is no zone of EC2."""
    return zone[:-1] if _ZONE.fullmatch(zone) else "us-east-1"


def zones_of(region: str) -> tuple[str, ...]:
    """List the zones of a region, as an account sees them."""
    return tuple(f"{region}{letter}" for letter in _ZONE_LETTERS.get(region, "abc"))


def region_domain(region: str) -> str:
    """Return the domain of the endpoints of a region."""
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def zone_id(zone: str) -> str:
    """Return the id of a zone: `use1-az1` for us-east-1a, `apse2-az3` for ap-southeast-2c.

    EC2 forms the ids like this ("AZ IDs"). Which letter has which number is each account's own; here it is the place in the alphabet. A
    name that is no zone of EC2 is its own id.
    """
    if not _ZONE.fullmatch(zone):
        return zone
    *area, direction, number = region_of(zone).split("-")
    first, *more = area
    return f"{first}{''.join(each[0] for each in more)}{_DIRECTIONS[direction]}{number}-az{ord(zone[-1]) - ord('a') + 1}"


def private_dns_name(address: str, region: str) -> str:
    """Return the VPC's DNS name of an address."""
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{address.replace('.', '-')}.{domain}"


def public_dns_name(address: str, region: str) -> str:
    """Return the public DNS name of a public address."""
    domain = "compute-1" if region == "us-east-1" else f"{region}.compute"
    return f"ec2-{address.replace('.', '-')}.{domain}.{region_domain(region)}"


def mac_address(eni_id: str) -> str:
    """Derive a locally administered MAC address from an ENI's id."""
    digits = f"{int(eni_id.partition('-')[2], 16):010x}"[-10:]
    return ":".join(("02", *(digits[start : start + 2] for start in range(0, 10, 2))))


def security_group_arn(group_id: str, region: str) -> str:
    """Return the Amazon Resource Name of a security group."""
    return f"arn:aws:ec2:{region}:{OWNER_ID}:security-group/{group_id}"


def subnet_arn(subnet_id: str, region: str) -> str:
    """Return the Amazon Resource Name of a subnet."""
    return f"arn:aws:ec2:{region}:{OWNER_ID}:subnet/{subnet_id}"
