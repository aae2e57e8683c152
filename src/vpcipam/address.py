"""Addresses and CIDRs, parsed from text and written as text.

A CIDR is parsed once, where it enters the library. Inside, an address is an `int` and a CIDR is a `Cidr`. They become text on the way out.
"""

import enum
import functools
import ipaddress
from typing import Self

import attrs

from vpcipam.errors import InvalidAddress, InvalidCidr

IPV4_BITS = 32
IPV6_BITS = 128


class AddressMode(enum.Enum):
    """The content of an ENI slot, from which pods get their addresses: a secondary IP, an IPv4 prefix or an IPv6 prefix.

    Attributes:
        label: the content of the slots, in words.
        version: the IP version of a pod's address: 4 or 6.
        prefix_length: the length of the CIDR in one slot: 32, 28 or 80.
        addresses_per_slot: the number of pod addresses in one slot: 1, 16 or 2**48.
    """

    SECONDARY_IP = "secondary-ip", "secondary IPs", 4, 32
    PREFIX = "prefix", "/28 prefixes", 4, 28
    IPV6 = "ipv6", "IPv6 addresses", 6, 80

    label: str
    version: int
    prefix_length: int
    addresses_per_slot: int

    def __new__(cls, value: str, label: str, version: int, prefix_length: int) -> Self:
        """Make a member."""
        mode = object.__new__(cls)
        mode._value_ = value
        mode.label = label
        mode.version = version
        mode.prefix_length = prefix_length
        mode.addresses_per_slot = 1 << ((IPV4_BITS if version == 4 else IPV6_BITS) - prefix_length)
        return mode


# Most text is plain IPv4, for which `ipaddress` takes ten times as long. `ipaddress` reads all other text.
_OCTETS = {str(octet): octet for octet in range(256)}
_IPV4_LENGTHS = {str(length): length for length in range(IPV4_BITS + 1)}
_IPV4_LAST = (1 << IPV4_BITS) - 1


class _Text:
    """Remembers the text of a CIDR, beside its attributes."""

    __slots__ = ("_text",)
    _text: str


@attrs.frozen(order=True)
class Cidr(_Text):
    """A block of consecutive addresses on its own grid: `first` is a multiple of `size`.

    Cidrs sort by version, then first address, then prefix length. `parse` checks its argument; the constructor checks nothing.
    """

    version: int
    first: int
    prefix_length: int

    @classmethod
    def parse(cls, text: str) -> "Cidr":
        """Read a CIDR.

        Args:
            text: `10.0.1.16/28`, `10.0.1.5/32` or `2001:db8::/80`; an address without a length means that one address.

        Raises:
            InvalidCidr: it is not a CIDR, or is off its grid (10.0.0.3/28), which EC2 never returns.
            TypeError: it is not a str.

        >>> Cidr.parse("10.0.1.16/28").size
        16
        >>> Cidr.parse("10.0.0.3/28")
        Traceback (most recent call last):
        vpcipam.errors.InvalidCidr: '10.0.0.3/28' lies off its grid: the /28 around it is 10.0.0.0/28
        """
        if not isinstance(text, str):
            raise _not_text(text)
        return _parse_cidr(text)

    @property
    def size(self) -> int:
        """The number of addresses."""
        return 1 << ((IPV4_BITS if self.version == 4 else IPV6_BITS) - self.prefix_length)

    @property
    def last(self) -> int:
        """The last address, inclusive."""
        return self.first + self.size - 1

    def __contains__(self, address: int) -> bool:
        """Tell whether an address, an integer of the same version, is in the CIDR."""
        return self.first <= address <= self.last

    def overlaps(self, other: "Cidr") -> bool:
        """Tell whether the CIDRs share an address."""
        return self.version == other.version and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        try:
            return self._text
        except AttributeError:
            text = f"{address_text(self.first, self.version)}/{self.prefix_length}"
            object.__setattr__(self, "_text", text)
            return text


def address_text(address: int, version: int) -> str:
    """Return an address as AWS writes it.

    >>> address_text(0x0A000105, 4)
    '10.0.1.5'
    """
    if version == 4 and 0 <= address <= _IPV4_LAST:
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    return str(ipaddress.IPv4Address(address) if version == 4 else ipaddress.IPv6Address(address))


def parse_address(text: str, version: int) -> int:
    """Read an address of the given version.

    Raises:
        InvalidAddress: it is not an address, or is one of the other version.
        TypeError: it is not a str.

    >>> parse_address("10.0.1.5", 4)
    167772421
    """
    if not isinstance(text, str):
        raise _not_text(text)
    plain = _plain_ipv4(text) if version == 4 else None
    if plain is not None:
        return plain
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise InvalidAddress(f"{text!r} is not an IP address") from None
    if "%" in text:
        raise InvalidAddress(f"{text!r} names a zone: remove the % and what follows it")
    if address.version != version:
        raise InvalidAddress(f"{text!r} is an IPv{address.version} address, but IPv{version} is wanted here")
    return int(address)


def _plain_ipv4(text: str) -> int | None:
    """Read four decimal numbers without leading zeros. None for any other text."""
    try:
        first, second, third, fourth = text.split(".")
        return _OCTETS[first] << 24 | _OCTETS[second] << 16 | _OCTETS[third] << 8 | _OCTETS[fourth]
    except (ValueError, KeyError):
        return None


@functools.lru_cache(maxsize=1 << 12)  # one step often reads the same text several times
def _parse_cidr(text: str) -> Cidr:
    address, slash, length_text = text.partition("/")
    plain = _plain_ipv4(address)
    length = _IPV4_LENGTHS.get(length_text) if slash else IPV4_BITS
    if plain is not None and length is not None and not plain & (_IPV4_LAST >> length):
        return Cidr(4, plain, length)
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError as error:
        raise InvalidCidr(f"{text!r} is not a CIDR such as 10.0.1.16/28: {error}") from None
    if "%" in text:
        raise InvalidCidr(f"{text!r} names a zone: remove the % and what follows it")
    network = interface.network
    if interface.ip != network.network_address:
        raise InvalidCidr(f"{text!r} lies off its grid: the /{network.prefixlen} around it is {network}")
    return Cidr(network.version, int(network.network_address), network.prefixlen)


def _not_text(text: object) -> TypeError:
    # ipaddress also takes integers and bytes; it would turn 5 into 0.0.0.5
    return TypeError(f"an address or CIDR must be a str such as 10.0.1.16/28, not {type(text).__name__}")
