"""A call to the EC2 model, and the checks of its arguments that need no state."""

import contextlib
import ipaddress
import operator
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import attrs

from vpcipam.address import AddressMode, Cidr, parse_address
from vpcipam.ec2.errors import Ec2Error, ErrorCode
from vpcipam.ec2.state.records import Tags, sorted_tags
from vpcipam.ec2.state.subnet import NO_ADDRESSES, AddressSet
from vpcipam.errors import InvalidAddress, InvalidCidr

EFA_ONLY = "efa-only"
"""The type of an ENI without addresses, which carries only the traffic of EFA devices."""
INTERFACE_TYPES = ("interface", "trunk", "branch", "efa", EFA_ONLY)
TAG_COUNT_LIMIT = 50
TAG_KEY_LENGTH_LIMIT = 128
TAG_VALUE_LENGTH_LIMIT = 256
RESERVED_TAG_PREFIX = "aws:"


@attrs.frozen
class Call:
    """A call in progress: its action and its time.

    Its checks raise `Ec2Error` with the code that their docstrings name.
    """

    action: str
    now_ns: int

    def refusal(self, code: ErrorCode, message: str) -> Ec2Error:
        """Create the error that refuses this call."""
        return Ec2Error(code, message, self.action)

    def invalid(self, message: str) -> Ec2Error:
        """Create the most common refusal, InvalidParameterValue."""
        return self.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)

    def count(self, name: str, value: int) -> int:
        """Check a count: InvalidParameterValue if it is negative, `TypeError` if it is not an integer."""
        count = operator.index(value)
        if count < 0:
            raise self.invalid(f"{name} is {count}; it must be 0 or more")
        return count

    def cidr(self, text: str, version: int | None = None) -> Cidr:
        """Parse a CIDR of an IP version, or of either; InvalidParameterValue if it is not one or has host bits set."""
        try:
            cidr = Cidr.parse(text)
        except InvalidCidr as error:
            raise self.invalid(str(error)) from None
        if version not in (None, cidr.version):
            raise self.invalid(f"{text!r} is an IPv{cidr.version} CIDR, but IPv{version} is wanted here")
        return cidr

    def canonical_cidr(self, text: str) -> Cidr:
        """Parse an IPv4 CIDR and clear its host bits. EC2: CreateVpc and CreateSubnet turn 100.68.0.18/18 into 100.68.0.0/18."""
        if "/" in text:
            try:
                return self.cidr(text, 4)
            except Ec2Error:
                with contextlib.suppress(ValueError):
                    return self.cidr(str(ipaddress.IPv4Interface(text).network), 4)
        raise self.invalid(f"Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.")

    def address(self, text: str, version: int = 4) -> int:
        """Parse an address of an IP version; InvalidParameterValue if it is not one."""
        try:
            return parse_address(text, version)
        except InvalidAddress as error:
            raise self.invalid(str(error)) from None

    def named(
        self,
        addresses: Sequence[str] = (),
        prefixes: Sequence[str] = (),
        ipv6_addresses: Sequence[str] = (),
        ipv6_prefixes: Sequence[str] = (),
    ) -> AddressSet:
        """Parse named addresses and prefixes; InvalidParameterValue if one is not an address, a /28 or a /80, or is named twice."""
        if not (addresses or prefixes or ipv6_addresses or ipv6_prefixes):
            return NO_ADDRESSES
        named = AddressSet(
            tuple([self.address(text) for text in addresses]),
            tuple([self._prefix(text, AddressMode.PREFIX) for text in prefixes]) if prefixes else (),
            tuple([self.address(text, 6) for text in ipv6_addresses]) if ipv6_addresses else (),
            tuple([self._prefix(text, AddressMode.IPV6) for text in ipv6_prefixes]) if ipv6_prefixes else (),
        )
        if len(addresses) + len(prefixes) + len(ipv6_addresses) + len(ipv6_prefixes) > 1:
            for texts, values in zip((addresses, prefixes, ipv6_addresses, ipv6_prefixes), named.kinds, strict=True):
                if len(set(values)) < len(values):
                    raise self.invalid(f"{', '.join(texts)}: one is named twice")
        return named

    def _prefix(self, text: str, mode: AddressMode) -> int:
        cidr = self.cidr(text, mode.version)
        if cidr.prefix_length != mode.prefix_length:
            raise self.invalid(f"{text} is a /{cidr.prefix_length}; an IPv{mode.version} prefix of an ENI is a /{mode.prefix_length}")
        return cidr.first

    def exactly_one(self, **wanted: int | Sequence[str]) -> None:
        """Check that one of several parameters is given (InvalidParameterCombination); an empty list or a count of 0 is not given."""
        if sum(map(bool, wanted.values())) != 1:
            self.at_most_one(**wanted)
            raise self.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"one of {', '.join(wanted)} must be given")

    def at_most_one(self, **wanted: int | Sequence[str]) -> str | None:
        """Return which of several parameters is given, None for none; InvalidParameterCombination for more than one."""
        used = [name for name, value in wanted.items() if value]
        if len(used) > 1:
            raise self.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{' and '.join(used)} can't be used in one call")
        return used[0] if used else None

    def tags(self, tags: Iterable[tuple[str, str]]) -> Tags:
        """Check and sort tags, pairs of key and value; InvalidParameterValue for a key given twice. See `tag_key` and `tag_count`."""
        pairs = list(tags)
        read = sorted_tags(pairs)
        if len(read) < len(pairs):
            twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            raise self.invalid(f"Duplicate tag key '{twice}' specified.")
        for key, value in read:
            self.tag_key(key)
            if len(value) > TAG_VALUE_LENGTH_LIMIT:
                raise self.invalid(f"the value of tag {key!r} has {len(value)} characters; it may have {TAG_VALUE_LENGTH_LIMIT}")
        self.tag_count(read)
        return read

    def tag_count(self, tags: Tags) -> None:
        """Check the number of a resource's tags (TagLimitExceeded). EC2 does not count its own ones ("Tag your Amazon EC2 resources")."""
        count = sum(not is_own_tag(key) for key, _ in tags)
        if count > TAG_COUNT_LIMIT:
            raise self.refusal(ErrorCode.TAG_LIMIT_EXCEEDED, f"{count} tags; a resource may have {TAG_COUNT_LIMIT}")

    def tag_key(self, key: str) -> None:
        """Check the key of a tag; InvalidParameterValue if it is empty, too long or reserved for AWS."""
        if not key or len(key) > TAG_KEY_LENGTH_LIMIT:
            raise self.invalid(f"the tag key {key!r} has {len(key)} characters; it must have 1 to {TAG_KEY_LENGTH_LIMIT}")
        if is_own_tag(key):
            raise self.invalid(f"the tag key {key!r} begins with {RESERVED_TAG_PREFIX}, which is reserved for AWS")

    def metadata_tags(self, tags: Tags) -> None:
        """Check the tags of an instance whose metadata shows them; InvalidParameterValue for a key that can't be part of a path.

        EC2: "View tags for your EC2 instances using instance metadata".
        """
        for key, _ in tags:
            if key in _NO_METADATA_TAGS or not _METADATA_TAG.fullmatch(key):
                raise self.invalid(
                    f"'{key}' is not a valid tag key. Tag keys must match pattern ({_METADATA_TAG.pattern}), "
                    "and must not be a reserved name ('.', '..', '_index')"
                )


_METADATA_TAG = re.compile(r"[0-9a-zA-Z\-_+=,.@:]{1,255}")
_NO_METADATA_TAGS = {".", "..", "_index"}


def is_own_tag(key: str) -> bool:
    """Tell whether a tag is AWS's own, which nobody else can create, change or delete."""
    return key.startswith(RESERVED_TAG_PREFIX)


def texts(values: Iterable[str]) -> tuple[str, ...]:
    """Turn an iterable of texts into a tuple; `TypeError` for a single text, whose letters would become the items."""
    if isinstance(values, str):
        raise TypeError(f"give a list of texts, not one text: [{values!r}]")
    return tuple(values)


def sorted_texts(values: Iterable[str]) -> tuple[str, ...]:
    """Turn an iterable of texts into a sorted tuple, each once."""
    return tuple(sorted(set(texts(values))))
