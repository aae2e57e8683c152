"""The variables of the aws-node container that act on the datapath, read as upstream reads them."""

import ipaddress
import re
from typing import Literal

import attrs

from vpcipam.errors import SettingsError
from vpcipam.settings import VARIABLES, Settings

DEFAULT_MARK = 0x80
_MARK_MAX = 2**32 - 1


@attrs.frozen(kw_only=True)
class DatapathOptions:
    """What `Settings` say about the datapath.

    Attributes:
        ipv6: pods have IPv6 addresses.
        eni_mtu: of the ENIs, bytes.
        pod_mtu: of the pods' veths, bytes.
        veth_prefix: how the names of the pods' host interfaces begin.
        mark: the mark of traffic that leaves by the primary ENI; also its mask.
        external_snat: the node does no source NAT.
        exclude_snat_cidrs: further destinations without source NAT.
        external_service_cidrs: destinations that are routed by the main table.
        snat_flag: how source NAT picks ports: `--random-fully`, `--random` or nothing.
        node_port_support: node ports work on the primary ENI.
        tcp_early_demux: false lets the kubelet probe strict branch pods over TCP.
        branch_enis: pods with security groups have branch ENIs.
        strict: their traffic always leaves by their branch ENI.
        egress: pods also have a way out by the other IP version.
        disable_pod_ipv6: pods have IPv6 turned off.
    """

    ipv6: bool
    eni_mtu: int
    pod_mtu: int
    veth_prefix: str
    mark: int
    external_snat: bool
    exclude_snat_cidrs: tuple[str, ...]
    external_service_cidrs: tuple[str, ...]
    snat_flag: Literal["--random-fully", "--random", ""]
    node_port_support: bool
    tcp_early_demux: bool
    branch_enis: bool
    strict: bool
    egress: bool
    disable_pod_ipv6: bool

    @property
    def marks_packets(self) -> bool:
        """Whether packets are marked, for node ports or for source NAT."""
        return self.node_port_support or not self.external_snat

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version of the pods' addresses."""
        return 6 if self.ipv6 else 4


def datapath_options(settings: Settings) -> DatapathOptions:
    """Read the variables that act on the datapath.

    Raises:
        SettingsError: the container would not start with these settings, or no pod could be connected.
    """
    settings.check()

    def text(name: str) -> str:
        return str(_value(settings, name))

    def flag(name: str) -> bool:
        return bool(_value(settings, name))

    eni_mtu, prefix = int(text("AWS_VPC_ENI_MTU")), text("AWS_VPC_K8S_CNI_VETHPREFIX")
    if re.search(r"[\s/:]", prefix):
        raise SettingsError(f"AWS_VPC_K8S_CNI_VETHPREFIX: no interface has a name that begins with {prefix!r}: write letters, such as eni")
    return DatapathOptions(
        ipv6=settings.enable_ipv6,
        eni_mtu=eni_mtu,
        pod_mtu=int(text("POD_MTU")) if "POD_MTU" in settings.variables else eni_mtu,
        veth_prefix=prefix,
        mark=read_mark(text("AWS_VPC_K8S_CNI_CONNMARK")),
        external_snat=flag("AWS_VPC_K8S_CNI_EXTERNALSNAT"),
        exclude_snat_cidrs=read_cidrs(text("AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS")),
        external_service_cidrs=read_cidrs(text("AWS_EXTERNAL_SERVICE_CIDRS")),
        snat_flag=_SNAT_FLAGS.get(text("AWS_VPC_K8S_CNI_RANDOMIZESNAT"), "--random-fully"),
        node_port_support=flag("AWS_VPC_CNI_NODE_PORT_SUPPORT"),
        tcp_early_demux=not flag("DISABLE_TCP_EARLY_DEMUX"),
        branch_enis=settings.enable_pod_eni,
        strict=text("POD_SECURITY_GROUP_ENFORCING_MODE") == "strict",
        egress=flag("ENABLE_V4_EGRESS" if settings.enable_ipv6 else "ENABLE_V6_EGRESS"),
        disable_pod_ipv6=flag("DISABLE_POD_V6"),
    )


_SNAT_FLAGS: dict[str, Literal["--random-fully", "--random", ""]] = {"none": "", "hashrandom": "--random"}


def _value(settings: Settings, name: str) -> bool | int | str:
    """Read a variable, or return its default if it can't be read."""
    variable, text = VARIABLES[name], settings.variables.get(name)
    read = None if text is None else variable.parse(text)
    return variable.default if read is None else read


def read_mark(text: str) -> int:
    """Read a mark as Go's strconv.ParseInt does with base 0; 0x80 for a text that is no integer from 1 to 2**32 − 1.

    >>> read_mark("0x100"), read_mark("0b11"), read_mark("012"), read_mark("-1"), read_mark("many")
    (256, 3, 10, 128, 128)
    """
    digits = re.sub(r"^\+?0(?=[0-7_]+$)", "0o", text)  # Python wants the o in octal numbers
    try:
        mark = int(digits, 0) if re.fullmatch(r"[+0-9a-zA-Z_]*", digits) else 0
    except ValueError:
        mark = 0
    return mark if 1 <= mark <= _MARK_MAX else DEFAULT_MARK


def read_cidrs(text: str) -> tuple[str, ...]:
    """Read IPv4 CIDRs that commas separate. What is no IPv4 CIDR is skipped, and host bits are cleared.

    >>> read_cidrs("10.1.2.3/16, 2001:db8::/32, 10.2.0.0, 192.0.2.0/24")
    ('10.1.0.0/16', '192.0.2.0/24')
    """
    found = []
    for part in text.split(","):
        item = part.strip()
        if re.fullmatch(r"[0-9.]+/[0-9]+", item):
            try:
                found.append(str(ipaddress.ip_network(item, strict=False)))
            except ValueError:
                continue
    return tuple(found)
