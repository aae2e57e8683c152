"""What a pod needs for its way out by the other IP version: a second veth, and source NAT of its own."""

import hashlib
import ipaddress
from collections.abc import Container, Iterator
from typing import Literal

import attrs

from vpcipam.address import Cidr, address_text
from vpcipam.datapath.layout import EGRESS_INDEX, EGRESS_RANGES, everywhere, pod_macs, whole
from vpcipam.datapath.options import datapath_options
from vpcipam.datapath.pieces import in_pod, ipv6_in_pod, joined, parted, setting
from vpcipam.datapath.values import Address, Mode, Route, Step, XtablesChain, XtablesRule, family_of
from vpcipam.errors import InvalidArgument, PoolExhausted
from vpcipam.sandbox import SandboxKey, check_sandbox_key
from vpcipam.settings import Settings

_CHAIN_LENGTH = 28  # iptables takes a little more
_NAME_DIGITS = 8
_MULTICAST = {4: "224.0.0.0/4", 6: "ff00::/8"}


def egress_address(taken: Container[str], version: Literal[4, 6]) -> str:
    """Return the lowest free address of a node for egress by an IP version. Each node uses the same range.

    Raises:
        PoolExhausted: the range has none.

    >>> egress_address({"169.254.172.2"}, 4)
    '169.254.172.3'
    """
    span = Cidr.parse(EGRESS_RANGES[version])
    for number in range(span.first + 2, span.last):  # the first is the range itself, the second the gateway, the last for broadcasts
        address = address_text(number, version)
        if address not in taken:
            return address
    raise PoolExhausted(f"all addresses of {span} are in use for egress: delete pods, or spread them over more nodes")


def egress_plan(key: SandboxKey, address: str, node_address: str, settings: Settings) -> tuple[Step, ...]:
    """Return the steps that give a pod its way out, after those of `pod_plan`; none if the settings turn it off.

    Args:
        key: the pod's sandbox.
        address: an address of `EGRESS_RANGES`.
        node_address: the primary address of the node, of the same IP version.
        settings: the variables of the aws-node container.

    Raises:
        InvalidArgument: an address has the wrong IP version or is outside the range.
        SettingsError: the container would not start with these settings.
    """
    options = datapath_options(settings)
    if not options.egress:
        return ()
    version = 4 if options.ipv6 else 6
    if ipaddress.ip_address(address) not in ipaddress.ip_network(EGRESS_RANGES[version]):
        raise InvalidArgument(f"{address} is not in {EGRESS_RANGES[version]}, from which egress_address picks one")
    if family_of(node_address) != version:
        raise InvalidArgument(f"{node_address} is not an IPv{version} address, but the pods have egress by IPv{version}")
    name, within = _host_name(key), f"v{version}if0"
    snat = f"-j SNAT --to-source {ipaddress.ip_address(node_address)} {options.snat_flag}".rstrip()
    chain = attrs.evolve(_chain(key, address), rules=(f"-d {_MULTICAST[version]} -j ACCEPT", snat))
    return (
        *joined(key, EGRESS_INDEX, name, within, options.pod_mtu, quiet={"accept_ra": "0"}),
        *(_ipv4(name, within, address) if version == 4 else _ipv6(key, name, within, address)),
        Step(Route(destination=address, device=name), Mode.REPLACE, "answers reach the pod, also if a dying pod has its address"),
        Step(chain, Mode.REPLACE, "the pod's egress gets the node's address"),
        Step(_jump(chain, address), Mode.ADD, "everything from the pod's egress address passes its chain"),
        *(ipv6_in_pod(within, "lo", on=False) if options.disable_pod_ipv6 and version == 6 else ()),
    )


def egress_teardown(key: SandboxKey, address: str) -> tuple[Step, ...]:
    """Return the steps that take a pod's way out away. They can be repeated, and the pod's namespace may be gone.

    Upstream needs the namespace, and leaks the chain without it.

    Raises:
        InvalidSandboxKey: the key names no sandbox.
    """
    chain = _chain(key, address)
    return (
        Step(_jump(chain, address), Mode.ABSENT, "the rule would outlive the pod"),
        Step(chain, Mode.ABSENT, "the chain would outlive the pod"),
        parted(key, EGRESS_INDEX, _host_name(key)),
    )


def _host_name(key: SandboxKey) -> str:
    """Return the name of the host interface, which follows from the key; upstream's is random."""
    check_sandbox_key(key)
    hashed = hashlib.sha256("\0".join(key).encode()).hexdigest()
    return f"veth{hashed[:_NAME_DIGITS]}"


def _chain(key: SandboxKey, address: str) -> XtablesChain:
    check_sandbox_key(key)
    hashed = hashlib.sha512(f"{key.network_name}{key.container_id}".encode()).hexdigest()
    version = family_of(address)
    return XtablesChain(family=version, table="nat", name=f"CNI-E{version}-{hashed}"[:_CHAIN_LENGTH])


def _jump(chain: XtablesChain, address: str) -> XtablesRule:
    return XtablesRule(family=chain.family, table="nat", chain="POSTROUTING", rule=f"-s {whole(address)} -j {chain.name}")


def _ipv4(name: str, within: str, address: str) -> Iterator[Step]:
    """Give the pod an IPv4 address with its range, but route everything, also the range, by the gateway."""
    span = Cidr.parse(EGRESS_RANGES[4])
    gateway = address_text(span.first + 1, 4)
    default = Route(destination=everywhere(4), gateway=gateway, device=within)
    connected = Route(destination=str(span), device=within, scope=None, metric=None, protocol=None)
    beside = Route(destination=gateway, device=within, source=address)
    beyond = Route(destination=str(span), gateway=gateway, device=within, source=address)
    yield setting("net/ipv4/ip_forward", "1", "the node routes packets of its pods")
    yield in_pod(Address(address=f"{address}/{span.prefix_length}", device=within), Mode.EXCLUSIVE, "the pod's address for egress")
    yield in_pod(default, Mode.EXCLUSIVE, "everything over IPv4 goes to the host")
    yield in_pod(connected, Mode.DELETE_ONE, "no other pod is on this veth")
    yield in_pod(beside, Mode.EXCLUSIVE, "only the gateway is on the veth")
    yield in_pod(beyond, Mode.EXCLUSIVE, "the other addresses of the range are behind the gateway")
    yield Step(Address(address=gateway, device=name, scope="link"), Mode.EXCLUSIVE, "the host answers for the gateway")


def _ipv6(key: SandboxKey, name: str, within: str, address: str) -> Iterator[Step]:
    """Give the pod an IPv6 address, and route everything by the link-local address of the host's end."""
    gateway = _link_local(pod_macs(key, EGRESS_INDEX)[0])
    here = Address(address=f"{gateway}/64", device=name, scope="link")
    own = Address(address=f"{address}/{Cidr.parse(EGRESS_RANGES[6]).prefix_length}", device=within)
    default = Route(destination=everywhere(6), gateway=gateway, device=within)
    off = f"net/ipv6/conf/{key.if_name}/disable_ipv6"
    yield setting(off, "1", "IPv6 leaves by the second interface only", namespace="pod")
    yield from ipv6_in_pod("lo", within, on=True)
    yield setting(f"net/ipv6/conf/{within}/keep_addr_on_down", "1", "the address survives a restart of the interface", namespace="pod")
    yield Step(here, Mode.ADD, "the host's end needs the address that follows from its MAC, whatever the kernel is told to generate")
    yield in_pod(own, Mode.EXCLUSIVE, "the pod's address for egress")
    yield in_pod(own, Mode.WAIT, "the address is of no use before duplicate address detection has ended")
    yield in_pod(default, Mode.REPLACE, "everything over IPv6 goes to the host")


def _link_local(mac: str) -> str:
    """Return the link-local address that follows from a MAC (RFC 4291, appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    return str(ipaddress.IPv6Address(b"\xfe\x80" + bytes(6) + identifier))
