"""Encrypt what pods send from node to node: an option of vpcipam, which the daemon of AWS does not have.

Everything between two nodes and their pods travels in ESP tunnels between the primary addresses of the nodes, except what goes from one of
these addresses to the other. Every node has the same secrets, from which the keys of each pair of nodes and each direction follow (HKDF,
RFC 5869).

Fixed keys forbid counters as nonces, since a node that restarts would begin anew (RFC 4106, section 2.1, forbids AES-GCM). So packets are
encrypted with AES-CBC and authenticated with HMAC-SHA-256. For the same reason there is no protection against replayed packets.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Literal

import attrs

from vpcipam.address import Cidr
from vpcipam.datapath.layout import everywhere
from vpcipam.datapath.values import Mode, Readable, Step, XfrmPolicy, XfrmState, family_of
from vpcipam.errors import InvalidAddress, InvalidArgument
from vpcipam.settings import Settings
from vpcipam.settings.variables import parse_bool

_OPTION = "ENABLE_POD_ENCRYPTION"
_LEAST_SECRET_BYTES = 32
_LAST_GENERATION = 255
_LINE = re.compile(r"(\d{1,3})\s+((?:[0-9a-fA-F]{2})+)")
_RECEIVING: tuple[Literal["in", "fwd"], ...] = ("in", "fwd")


@attrs.frozen
class Keyring:
    """The secrets of a cluster, each with its generation from 1 to 255. Packets are sent with the first, and accepted with any."""

    secrets: tuple[tuple[int, bytes], ...] = attrs.field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Read a key file: a line for each secret, its generation and at least 32 bytes in hexadecimal digits; `#` begins a comment.

        To change the secret, add a new one to the files of all nodes as the last line, then move it to the first line everywhere, then
        delete the old one. Update the nodes after each step.

        Raises:
            InvalidArgument: a line is wrong, or there is none. The message shows no secret.
        """
        secrets: dict[int, bytes] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not (content := line.partition("#")[0].strip()):
                continue
            found = _LINE.fullmatch(content)
            if found is None or not 1 <= int(found[1]) <= _LAST_GENERATION or int(found[1]) in secrets:
                raise InvalidArgument(
                    f"line {number} of the key file needs a new generation, 1 to {_LAST_GENERATION}, and hexadecimal digits"
                )
            secrets[int(found[1])] = bytes.fromhex(found[2])
            if len(found[2]) < 2 * _LEAST_SECRET_BYTES:
                raise InvalidArgument(f"the secret in line {number} of the key file is too short: openssl rand -hex {_LEAST_SECRET_BYTES}")
        if not secrets:
            raise InvalidArgument(f"the key file has no secret: write 1 and the output of openssl rand -hex {_LEAST_SECRET_BYTES} into it")
        return cls(tuple(secrets.items()))


def _ipv4(text: str) -> str:
    if family_of(text) != 4:
        raise InvalidAddress(f"{text} is an IPv6 address: tunnels use the primary IPv4 address, which every node has")
    return str(ipaddress.IPv4Address(text))


def _cidrs(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({str(Cidr.parse(text)) for text in texts}))


@attrs.frozen(kw_only=True)
class EncryptedNode:
    """A node that encrypts.

    Attributes:
        address: its primary IPv4 address.
        cidrs: all addresses and prefixes of its ENIs, of both IP versions.
    """

    address: str = attrs.field(converter=_ipv4)
    cidrs: tuple[str, ...] = attrs.field(converter=_cidrs)

    @property
    def tunnelled(self) -> tuple[str, ...]:
        """The CIDRs without the address itself."""
        return tuple(cidr for cidr in self.cidrs if cidr != f"{self.address}/32")


def encryption_plan(
    node: EncryptedNode, peers: Iterable[EncryptedNode], keys: Keyring, settings: Settings, *, standing: Iterable[Readable] = ()
) -> tuple[Step, ...]:
    """Return the steps that encrypt between a node and its peers, or bring that up to date after a change of nodes, keys or settings.

    The security groups of the nodes must let IP protocol 50 pass. A packet grows by 62 to 77 bytes, so POD_MTU must leave room. What a node
    forwards for others under their own addresses, such as a client outside, is not accepted by a peer.

    Args:
        node: this node.
        peers: the other nodes that encrypt; the node itself may be among them.
        keys: the secrets.
        settings: nothing is encrypted unless the variable ENABLE_POD_ENCRYPTION is true in Go's spelling. aws-node ignores it.
        standing: what the host's namespace has; what is no longer wanted of it is deleted.

    Raises:
        InvalidArgument: two nodes share an address, or the low 24 bits of it, so that a receiver could not tell their packets apart.
    """
    enabled = parse_bool(settings.variables.get(_OPTION, ""))
    others = [peer for peer in peers if enabled and peer.address != node.address]
    _check_spis((node, *others))
    states = {state for peer in others for state in _states(node.address, peer.address, keys)}
    policies = {policy for peer in others for policy in _policies(node, peer)}
    former = [each for each in standing if isinstance(each, XfrmState | XfrmPolicy) and each not in states | policies]
    # A tunnel can be used once its state is there, and packets leave it once no policy names it. XfrmPolicy sorts before XfrmState.
    steps = [Step(each, Mode.REPLACE, "packets of this pair of nodes are encrypted with this key") for each in sorted(states, key=repr)]
    steps += (Step(each, Mode.REPLACE, "these packets pass the tunnel only") for each in sorted(policies, key=repr))
    steps += (Step(each, Mode.ABSENT, "nobody sends by this tunnel any more") for each in sorted(former, key=repr))
    return tuple(steps)


def _states(own: str, peer: str, keys: Keyring) -> Iterator[XfrmState]:
    for number, (generation, secret) in enumerate(keys.secrets):
        yield _state(peer, own, generation, secret)
        if number == 0:
            yield _state(own, peer, generation, secret)


def _state(source: str, destination: str, generation: int, secret: bytes) -> XfrmState:
    info = f"vpcipam pod encryption {source} {destination} {generation}".encode()
    first, second = hkdf(secret, info)
    spi = _spi(source, generation)
    return XfrmState(source=source, destination=destination, spi=spi, encryption_key=first, authentication_key=second)


def _spi(source: str, generation: int) -> int:
    """Number a tunnel. The receiver needs one for each sender and key; both ends must know it without having spoken."""
    return generation << 24 | int(ipaddress.IPv4Address(source)) & 0xFFFFFF


def _check_spis(nodes: Iterable[EncryptedNode]) -> None:
    seen: dict[int, str] = {}
    for each in nodes:
        if (other := seen.setdefault(_spi(each.address, 1), each.address)) != each.address:
            raise InvalidArgument(f"{other} and {each.address} share their low 24 bits: give one of the nodes another primary address")


def hkdf(secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Derive two keys of 32 bytes from a secret (HKDF with SHA-256 and without salt, RFC 5869)."""
    pseudorandom = hmac.digest(bytes(hashlib.sha256().digest_size), secret, "sha256")
    first = hmac.digest(pseudorandom, info + b"\1", "sha256")
    return first, hmac.digest(pseudorandom, first + info + b"\2", "sha256")


def _policies(node: EncryptedNode, peer: EncryptedNode) -> Iterator[XfrmPolicy]:
    there = {"tunnel_source": node.address, "tunnel_destination": peer.address}
    back = {"tunnel_source": peer.address, "tunnel_destination": node.address}
    for cidr in peer.tunnelled:
        everything = everywhere(family_of(cidr))
        yield XfrmPolicy(source=everything, destination=cidr, direction="out", **there)
        for direction in _RECEIVING:
            yield XfrmPolicy(source=cidr, destination=everything, direction=direction, **back)
    for cidr in node.tunnelled:
        if family_of(cidr) == 4:
            yield XfrmPolicy(source=cidr, destination=f"{peer.address}/32", direction="out", **there)
            for direction in _RECEIVING:
                yield XfrmPolicy(source=f"{peer.address}/32", destination=cidr, direction=direction, **back)
