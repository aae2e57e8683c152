"""The names and numbers of the datapath: interfaces, tables, priorities of rules, gateways and MAC addresses."""

import hashlib
from typing import Literal

import attrs

from vpcipam._arguments import integer_field, require_integer
from vpcipam.address import Cidr
from vpcipam.datapath.values import MAIN_TABLE, family_of
from vpcipam.errors import InvalidArgument
from vpcipam.sandbox import PodRef, SandboxKey, check_sandbox_key
from vpcipam.stats import Assignment

# Priorities of rules. A lower one is tried first.
POD_SIDE_PRIORITY = 1
BRANCH_PRIORITY = 10
LOCAL_PRIORITY = 20
"""Where the rule of the local table goes if pods have branch ENIs in strict mode; else it has 0."""
TO_POD_PRIORITY = 512
MARK_PRIORITY = 1024
EXTERNAL_SERVICE_PRIORITY = 1535
FROM_POD_PRIORITY = 1536
FROM_ENI_PRIORITY = 32765

IPV6_SUBNET_GATEWAY = "fe80:ec2::1"
STRICT_BRANCH_PREFIX = "vlan"
EGRESS_INDEX = -1
"""The index of a pod's interface for egress by the other IP version, for `pod_macs`."""
_CARD_TABLES = 10_000
_TABLES_PER_CARD = 100
_BRANCH_TABLES = 100
BRANCH_TABLES = range(_BRANCH_TABLES + 1, _BRANCH_TABLES + 4095)
"""The tables of branch ENIs."""
_KERNEL_TABLES = range(253, 256)  # default, main and local
_HASH_DIGITS = 11
EGRESS_RANGES = {4: "169.254.172.0/22", 6: "fd00::ac:0/118"}
"""The addresses of pods for their way out by the other IP version; the key is that version."""


@attrs.frozen(kw_only=True)
class DatapathEni:
    """An attached ENI as the kernel of its node sees it.

    Attributes:
        device: the name of its interface.
        address: its primary address, of the IP version of the pods.
        subnet: the CIDR of its subnet, of the same version.
        trunk: it carries branch ENIs, so that no rule sends its own address out of it.
    """

    device: str
    mac: str
    address: str
    subnet: str
    device_number: int = attrs.field(default=0, validator=integer_field(0))
    network_card: int = attrs.field(default=0, validator=integer_field(0))
    trunk: bool = False

    @property
    def primary(self) -> bool:
        """Whether it is the primary ENI of its instance."""
        return self.device_number == self.network_card == 0

    @property
    def table(self) -> int:
        """The table that upstream's formula gives it."""
        return eni_table(self.device_number, self.network_card)


@attrs.frozen(kw_only=True)
class BranchEni:
    """The branch ENI of a pod with security groups.

    Attributes:
        vlan_id: 1 to 4094, but not 153 to 155, whose tables upstream would confuse with the kernel's own.
        address: the pod's address.
        subnet: the CIDR of its subnet.
        trunk_device: the name of the interface of the trunk ENI.
    """

    vlan_id: int = attrs.field(validator=integer_field(1, 4094))
    mac: str
    address: str
    subnet: str
    trunk_device: str

    def __attrs_post_init__(self) -> None:
        branch_table(self.vlan_id)


@attrs.frozen
class PodAddress:
    """An address of a pod.

    Attributes:
        table: the table of its ENI; None if nobody knows it any more, as when the ENI is gone.
    """

    address: str
    table: int | None = MAIN_TABLE

    @classmethod
    def of(cls, assignment: Assignment) -> "PodAddress":
        """Return the address of an assignment, with the table by upstream's formula."""
        return cls(assignment.address, eni_table(assignment.device_number, assignment.network_card))


# --- tables ---------------------------------------------------------------------------------------------------------------


def eni_table(device_number: int, network_card: int = 0) -> int:
    """Return the routing table of an ENI: main for the primary one (upstream: CalculateRouteTableId).

    >>> eni_table(0), eni_table(1), eni_table(2), eni_table(1, 3)
    (254, 2, 3, 10301)
    """
    require_integer("a device number", device_number, 0)
    require_integer("a network card's index", network_card, 0)
    if network_card:
        return _CARD_TABLES + _TABLES_PER_CARD * network_card + device_number
    return device_number + 1 if device_number else MAIN_TABLE


def card_of(table: int | None) -> int | None:
    """Return the network card above 0 to whose ENIs a table belongs; None for any other table.

    >>> card_of(10301), card_of(2)
    (3, None)
    """
    return (table - _CARD_TABLES) // _TABLES_PER_CARD if table is not None and table > _CARD_TABLES else None


def is_eni_table(table: int | None) -> bool:
    """Tell whether an ENI beside the primary one can have a table, by today's formula or by the one that upstream had before.

    >>> is_eni_table(2), is_eni_table(10301), is_eni_table(254), is_eni_table(51820)
    (True, True, False, False)
    """
    return table is not None and (1 < table <= _BRANCH_TABLES or _CARD_TABLES < table <= 2 * _CARD_TABLES)


def branch_table(vlan_id: int) -> int:
    """Return the routing table of a branch ENI.

    Raises:
        InvalidArgument: the table would be one of the kernel's own. Upstream takes it.
    """
    table = vlan_id + _BRANCH_TABLES
    if table in _KERNEL_TABLES:
        raise InvalidArgument(f"VLAN id {vlan_id} would need table {table}, one of the kernel's own; use another branch ENI")
    return table


# --- names ----------------------------------------------------------------------------------------------------------------


def host_interface(prefix: str, key: SandboxKey, pod: PodRef | None, index: int = 0) -> str:
    """Return the name of a pod's interface in the host's namespace: the prefix, and a hash of the pod's names.

    So a pod that is recreated under its name reuses the name. A sandbox without a pod is named after its container instead; upstream
    gives all of these the same name.

    >>> host_interface("eni", SandboxKey("aws-cni", "c1", "eth0"), PodRef("default", "web-0"))
    'eni0d7763386da'
    """
    check_sandbox_key(key)
    namespace, name = (pod.namespace, pod.name) if pod is not None and pod.name else (key.container_id, key.if_name)
    hashed = hashlib.sha1(f"{namespace}.{name}{f'.{index}' if index else ''}".encode(), usedforsecurity=False).hexdigest()
    return prefix + hashed[:_HASH_DIGITS]


def pod_interface(key: SandboxKey, index: int = 0) -> str:
    """Return the name of an interface in the pod's namespace."""
    return f"mNicIf{index}" if index else key.if_name


def pod_macs(key: SandboxKey, index: int = 0) -> tuple[str, str]:
    """Return the MAC addresses of a pod's veth: at the host's end, and at the pod's.

    Upstream picks the first at random and leaves the second to the kernel. Here both follow from the key, so that a plan is a pure
    function, and a check needs no memory of the connection.
    """
    digest = hashlib.sha256("\0".join((*key, str(index))).encode()).digest()
    return _local_mac(digest[:6]), _local_mac(digest[6:12])


def _local_mac(octets: bytes) -> str:
    """Set the local bit and clear the group bit."""
    return ":".join(f"{octet:02x}" for octet in ((octets[0] | 2) & ~1, *octets[1:]))


def vlan_interface(vlan_id: int) -> str:
    """Return the name of the interface of a branch ENI."""
    return f"vlan.eth.{vlan_id}"


# --- gateways -------------------------------------------------------------------------------------------------------------


def pod_gateway(family: Literal[4, 6], index: int = 0) -> str:
    """Return the gateway of a pod's interface. It exists nowhere: the permanent neighbour entry alone makes it work."""
    return f"fe80::{index + 1:x}" if family == 6 else f"169.254.1.{index + 1}"


def subnet_gateway(subnet: str) -> str:
    """Return the gateway of a subnet: its second address, or the one of all IPv6 subnets.

    Raises:
        InvalidCidr: it is not a CIDR.

    >>> subnet_gateway("10.0.1.0/24"), subnet_gateway("2001:db8::/64")
    ('10.0.1.1', 'fe80:ec2::1')
    """
    cidr = Cidr.parse(subnet)
    return IPV6_SUBNET_GATEWAY if cidr.version == 6 else str(Cidr(4, cidr.first + 1, 32)).removesuffix("/32")


def whole(address: str) -> str:
    """Return an address as the CIDR of it alone."""
    return f"{address}/{128 if family_of(address) == 6 else 32}"


def everywhere(family: int) -> str:
    """Return the destination of a default route."""
    return "::/0" if family == 6 else "0.0.0.0/0"
