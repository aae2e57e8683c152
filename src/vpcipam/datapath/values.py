"""What a kernel can have for the datapath, and the steps that bring it there.

Values are equal if the kernel has the same thing, so that "what should be" minus "what is" is a set difference. Most fields of `Link`,
`Route` and `Rule` may be None. In a value to create, None is the kernel's default. In a value to delete, None matches anything: the kernel
deletes what has the attributes that are given.
"""

import enum
import errno
import ipaddress
from collections.abc import Callable, Iterable
from typing import Any, Literal

import attrs

from vpcipam._arguments import boolean_field, integer_field
from vpcipam.errors import InvalidAddress, InvalidArgument, InvalidCidr, VpcIpamError

Namespace = Literal["host", "pod"]

MAIN_TABLE = 254
LOCAL_TABLE = 255
_LONGEST_NAME = 15  # IFNAMSIZ without the zero
_IPV6_METRIC = 1024  # the kernel's for a route without a metric


def _check_device(_: object, field: "attrs.Attribute[Any]", name: str | None) -> None:
    if name is None and field.default is None:
        return
    if not name or len(name) > _LONGEST_NAME or name in {".", ".."} or any(each in "/:" or each.isspace() for each in name):
        raise InvalidArgument(f"{field.name} must name an interface, with 1 to {_LONGEST_NAME} characters without / or :, not {name!r}")


def _parsed(parse: Callable[[str], object], text: str, error: type[VpcIpamError], what: str) -> str:
    try:
        return str(parse(text))
    except ValueError as reason:
        raise error(f"{text!r} is not {what}: {reason}") from None


def _address(text: str) -> str:
    return _parsed(ipaddress.ip_address, text, InvalidAddress, "an IP address")


def _cidr(text: str | None) -> str | None:
    return None if text is None else _parsed(ipaddress.ip_network, text, InvalidCidr, "a CIDR such as 10.0.1.16/28")


def _address_and_length(text: str) -> str:
    return _parsed(ipaddress.ip_interface, text, InvalidCidr, "an address with its prefix length, such as 10.0.1.5/24")


def _by_name(chains: "Iterable[NftChain]") -> "tuple[NftChain, ...]":
    return tuple(sorted(chains, key=lambda chain: chain.name))


def family_of(text: str) -> Literal[4, 6]:
    """Return the IP version of an address or a CIDR."""
    return 6 if ":" in text else 4


@attrs.frozen(kw_only=True)
class Link:
    """A network interface that exists, of any kind.

    As a step it sets the MTU, the MAC and the state that are given, or deletes the interface.

    Attributes:
        mtu: bytes.
        up: whether it is set up (the flag, not whether it has a carrier).
    """

    name: str = attrs.field(validator=_check_device)
    mac: str | None = None
    mtu: int | None = None
    up: bool | None = None


@attrs.frozen(kw_only=True)
class Veth:
    """A pair of interfaces, made within the pod's namespace, with one end in the host's. Both ends have a transmit queue of length 0.

    A reader finds two `Link` values in its place.

    Attributes:
        name: the end in the host's namespace.
        peer: the end in the pod's namespace.
        mac: the MAC of the host's end.
        peer_mac: the MAC of the pod's end; None for one that the kernel chooses.
        mtu: the MTU of both ends, bytes.
    """

    name: str = attrs.field(validator=_check_device)
    peer: str = attrs.field(validator=_check_device)
    mac: str
    peer_mac: str | None = None
    mtu: int


@attrs.frozen(kw_only=True)
class Vlan:
    """An 802.1Q interface on a parent, whose MTU it inherits. A reader finds a `Link` in its place.

    Attributes:
        parent: the parent's name.
        vlan_id: 1 to 4094.
        mtu: the parent's MTU, bytes.
    """

    name: str = attrs.field(validator=_check_device)
    parent: str = attrs.field(validator=_check_device)
    vlan_id: int = attrs.field(validator=integer_field(1, 4094))
    mac: str
    mtu: int


@attrs.frozen(kw_only=True)
class Address:
    """An address of an interface.

    Attributes:
        address: with the prefix length, such as `10.0.1.11/24`.
        scope: `global`, `link` or `host`.
    """

    address: str = attrs.field(converter=_address_and_length)
    device: str = attrs.field(validator=_check_device)
    scope: str = "global"


@attrs.frozen(kw_only=True)
class Route:
    """A unicast route.

    Attributes:
        destination: a CIDR; `0.0.0.0/0` or `::/0` is the default route.
        table: the number of the routing table.
        device: the interface; None in a deletion matches any.
        gateway: the next hop; None if there is none.
        source: the preferred source address.
        scope: for IPv4 `global` if there is a gateway, else `link`. The kernel keeps none for IPv6, so it is `global` there.
        metric: 0 for IPv4 and 1024 for IPv6, as the kernel has it.
        protocol: `boot`, as upstream sets it; the kernel's own routes have `kernel`.
    """

    destination: str = attrs.field(converter=_cidr)
    table: int = MAIN_TABLE
    device: str | None = attrs.field(default=None, validator=_check_device)
    gateway: str | None = attrs.field(default=None, converter=attrs.converters.optional(_address))
    source: str | None = attrs.field(default=None, converter=attrs.converters.optional(_address))
    scope: str | None = attrs.field()
    metric: int | None = attrs.field()
    protocol: str | None = "boot"

    @scope.default
    def _default_scope(self) -> str:
        return "link" if self.gateway is None and self.family == 4 else "global"

    @metric.default
    def _default_metric(self) -> int:
        return _IPV6_METRIC if self.family == 6 else 0

    @property
    def family(self) -> Literal[4, 6]:
        """The IP version."""
        return family_of(self.destination)


@attrs.frozen(kw_only=True)
class Rule:
    """A rule of policy routing.

    Attributes:
        priority: lower ones are tried first; None in a deletion matches any.
        table: where to look; None in a deletion matches any table.
        source: a CIDR; None for any source.
        destination: a CIDR; None for any destination.
        iif: the interface by which a packet comes in.
        mark: the mark to have under `mask`.
        mask: the bits of the mark that are compared.
        ip_protocol: a protocol such as `ipv6-icmp`.
        family: the IP version; that of the source or the destination, unless given.
    """

    priority: int | None = None
    table: int | None = None
    source: str | None = attrs.field(default=None, converter=_cidr)
    destination: str | None = attrs.field(default=None, converter=_cidr)
    iif: str | None = attrs.field(default=None, validator=_check_device)
    mark: int | None = None
    mask: int | None = None
    ip_protocol: str | None = None
    family: int = attrs.field()

    @family.default
    def _default_family(self) -> int:
        return family_of(self.source or self.destination or "")


@attrs.frozen(kw_only=True)
class Neighbour:
    """A permanent neighbour entry."""

    address: str = attrs.field(converter=_address)
    mac: str
    device: str = attrs.field(validator=_check_device)


@attrs.frozen(kw_only=True)
class Sysctl:
    """A kernel setting.

    Attributes:
        name: the path below /proc/sys, with slashes, since a device such as `vlan.eth.5` has dots: `net/ipv4/conf/eth0/rp_filter`.
    """

    name: str
    value: str


@attrs.frozen(kw_only=True)
class XtablesChain:
    """A chain of our own and all its rules. Setting it replaces the chain in one transaction; deleting it flushes it first.

    Attributes:
        family: 4 for iptables, 6 for ip6tables.
        table: `nat`, `mangle` or `filter`.
        rules: in order, each as `XtablesRule.rule`.
    """

    family: int = 4
    table: str
    name: str
    rules: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class XtablesRule:
    """One rule in a chain that others use too.

    Attributes:
        family: 4 for iptables, 6 for ip6tables.
        table: `nat`, `mangle` or `filter`.
        chain: the chain, such as `POSTROUTING`.
        rule: the arguments after the chain, as iptables-save writes them: `-i eni+ -j CONNMARK --restore-mark --nfmask 0x80 --ctmask 0x80`.
        first: whether to insert it before the other rules rather than after them. Two rules that differ only in this are equal.
    """

    family: int = 4
    table: str
    chain: str
    rule: str
    first: bool = attrs.field(default=False, eq=False)


@attrs.frozen(kw_only=True)
class NftChain:
    """A chain of an nftables table.

    Attributes:
        base: the hook, as nft writes it: `type nat hook prerouting priority -90; policy accept;`. Empty for a regular chain.
        rules: in order, as nft writes them, counters without their counts.
    """

    name: str
    base: str = ""
    rules: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class NftTable:
    """A table of nftables with everything in it. Setting it replaces the table in one transaction.

    Attributes:
        family: `ip` or `ip6`.
        chains: sorted by name, as their order means nothing.
    """

    family: str = "ip"
    name: str
    chains: tuple[NftChain, ...] = attrs.field(default=(), converter=_by_name)


ENCRYPTION_REQID = 0x7670
"""By this number the kernel tells the states and policies of pod encryption from those of other programs."""


@attrs.frozen(kw_only=True)
class XfrmState:
    """How packets from one node to another are encrypted: ESP in tunnel mode, AES-256-CBC with HMAC-SHA-256, without replay protection.

    Attributes:
        source: the address of the node that encrypts.
        destination: the address of the node that decrypts.
        spi: the number in each packet by which the receiver finds the state.
        encryption_key: 32 bytes. No repr and no message shows it.
        authentication_key: 32 bytes, likewise.
    """

    source: str = attrs.field(converter=_address)
    destination: str = attrs.field(converter=_address)
    spi: int = attrs.field(validator=integer_field(256, 2**32 - 1))
    encryption_key: bytes = attrs.field(repr=False)
    authentication_key: bytes = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class XfrmPolicy:
    """Which packets must be encrypted. Others with these addresses are dropped.

    Attributes:
        source: a CIDR.
        destination: a CIDR.
        direction: `out` for packets to encrypt; `in` for decrypted ones to the node itself, `fwd` for those to its pods.
        tunnel_source: the address of the node that encrypts.
        tunnel_destination: the address of the node that decrypts.
    """

    source: str = attrs.field(converter=_cidr)
    destination: str = attrs.field(converter=_cidr)
    direction: Literal["out", "in", "fwd"]
    tunnel_source: str = attrs.field(converter=_address)
    tunnel_destination: str = attrs.field(converter=_address)


OfNetlink = Link | Address | Route | Rule | Neighbour
OfPrograms = XtablesChain | XtablesRule | NftTable | XfrmState | XfrmPolicy
"""What programs change: iptables, nft, and ip for IPsec."""
Readable = OfNetlink | OfPrograms | Sysctl
"""What a reader of a kernel returns."""
Value = Readable | Veth | Vlan


class Mode(enum.Enum):
    """How a step is applied.

    Attributes:
        EXCLUSIVE: create it; fail if it exists.
        REPLACE: create it, or change the one that is there.
        ADD: create it unless it exists.
        DELETE_ONE: delete one that matches; fail if none does.
        ABSENT: delete every one that matches.
        WAIT: wait until an IPv6 address is neither tentative nor failed, 10 s at most, looking every 50 ms.
    """

    EXCLUSIVE = "exclusive"
    REPLACE = "replace"
    ADD = "add"
    DELETE_ONE = "delete-one"
    ABSENT = "absent"
    WAIT = "wait"


DELETIONS = frozenset({Mode.DELETE_ONE, Mode.ABSENT})
_NOT_THERE = frozenset({errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL})
_TOLERATED = {Mode.ADD: frozenset({errno.EEXIST}), Mode.ABSENT: _NOT_THERE}


@attrs.frozen
class Step:
    """One change of a kernel.

    Attributes:
        value: what to create, change, delete or wait for.
        mode: how.
        reason: why, for a person to read.
        namespace: where: `host` or `pod`.
        tolerated: the errnos that count as success; those that the mode implies are among them.
        fatal: whether any other error ends the plan. If not, it is only logged.
    """

    value: Value
    mode: Mode = attrs.field(validator=attrs.validators.instance_of(Mode))
    reason: str = attrs.field(validator=attrs.validators.instance_of(str))
    namespace: Namespace = attrs.field(default="host", kw_only=True)
    tolerated: frozenset[int] = attrs.field(default=frozenset(), kw_only=True)
    fatal: bool = attrs.field(default=True, kw_only=True, validator=boolean_field())

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "tolerated", self.tolerated | _TOLERATED.get(self.mode, frozenset()))

    @property
    def deletes(self) -> bool:
        """Whether it takes something away."""
        return self.mode in DELETIONS


def matches(pattern: Value, value: Value) -> bool:
    """Tell whether a deletion of `pattern` may delete `value`: each attribute that is given is equal."""
    if type(pattern) is not type(value):
        return False
    if isinstance(pattern, XtablesChain | NftTable):
        return identity(pattern) == identity(value)
    return all(getattr(pattern, field.name) in {None, getattr(value, field.name)} for field in attrs.fields(type(pattern)) if field.eq)


_IDENTITY: dict[type, tuple[str, ...]] = {
    Link: ("name",),
    Address: ("address", "device"),
    Route: ("destination", "table", "metric"),
    Neighbour: ("address", "device"),
    Sysctl: ("name",),
    XtablesChain: ("family", "table", "name"),
    NftTable: ("family", "name"),
    XfrmState: ("destination", "spi"),
    XfrmPolicy: ("source", "destination", "direction"),
}


def identity(value: Value) -> object:
    """Return what a kernel can have only once: values with the same identity replace each other."""
    names = _IDENTITY.get(type(value))
    return value if names is None else (type(value), *(getattr(value, name) for name in names))


def expected(steps: Iterable[Step], namespace: Namespace = "host", *, before: Iterable[Readable] = ()) -> frozenset[Readable]:
    """Return what a namespace has after the steps, if none fails. A deleted interface takes its addresses, routes and neighbours along.

    Args:
        steps: the steps in order, also those in the other namespace.
        namespace: the namespace to look at.
        before: what the namespace has before the first step.
    """
    standing: dict[object, Readable] = {identity(value): value for value in before}
    for step in steps:
        _record(standing, step, namespace)
    return frozenset(standing.values())


def _record(standing: dict[object, Readable], step: Step, namespace: Namespace) -> None:
    value = step.value
    if isinstance(value, Veth):
        name, mac = (value.name, value.mac) if namespace == "host" else (value.peer, value.peer_mac)
        value = Link(name=name, mac=mac, mtu=value.mtu, up=False)
    elif step.namespace != namespace or step.mode is Mode.WAIT:
        return
    elif isinstance(value, Vlan):
        value = Link(name=value.name, mac=value.mac, mtu=value.mtu, up=False)
    elif step.deletes:
        _delete(standing, value, step.mode)
        return
    elif isinstance(value, Link):
        given = attrs.asdict(value, filter=lambda _, each: each is not None)
        value = attrs.evolve(standing.get(identity(value), value), **given)
    elif step.mode is not Mode.REPLACE:
        value = standing.get(identity(value), value)
    standing[identity(value)] = value


def _delete(standing: dict[object, Readable], pattern: Readable, mode: Mode) -> None:
    found = [value for value in standing.values() if matches(pattern, value)]
    for value in found if mode is Mode.ABSENT else found[:1]:
        del standing[identity(value)]
        if isinstance(value, Link):
            for each in [each for each in standing.values() if _is_on(each, value.name)]:
                del standing[identity(each)]


def _is_on(value: Readable, device: str) -> bool:
    if isinstance(value, Sysctl):
        return f"/{device}/" in value.name
    return isinstance(value, Address | Route | Neighbour) and value.device == device
