"""One call to the EC2 model, and the checks of its arguments that need no state."""

import contextlib
import ipaddress
import operator
from collections.abc import Iterable, Sequence

import attrs

from vpcipam.address import AddressMode, Cidr, parse_address
from vpcipam.ec2.api import Ec2Error, ErrorCode
from vpcipam.ec2.state.records import Tags, sorted_tags
from vpcipam.ec2.state.subnet import AddressSet
from vpcipam.errors import InvalidAddress, InvalidCidr

IPV4_PREFIX_LENGTHS = range(16, 28 + 1)
"""The sizes of a VPC's and of a subnet's IPv4 CIDR."""
INTERFACE_TYPES = ("interface", "trunk", "branch", "efa")
TAG_COUNT_LIMIT = 50
TAG_KEY_LENGTH_LIMIT = 128
TAG_VALUE_LENGTH_LIMIT = 256
RESERVED_TAG_PREFIX = "aws:"


@attrs.frozen
class Call:
    """A call under way: which action, and when."""

    action: str
    now_ns: int

    def refusal(self, code: ErrorCode, message: str) -> Ec2Error:
        """Make the error that refuses this call."""
        return Ec2Error(code, message, self.action)

    def invalid(self, message: str) -> Ec2Error:
        """Make the commonest refusal, InvalidParameterValue."""
        return self.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)

    # --- numbers ---------------------------------------------------------------------------------------------------------

    def count(self, name: str, value: int) -> int:
        """Check a count: an integer, 0 or more.

        Raises:
            Ec2Error: InvalidParameterValue for a negative count.
            TypeError: it is no integer.
        """
        count = operator.index(value)
        if count < 0:
            raise self.invalid(f"{name} is {count}; it must be 0 or more")
        return count

    # --- addresses -------------------------------------------------------------------------------------------------------

    def cidr(self, text: str, version: int | None = None) -> Cidr:
        """Read a CIDR of the given IP version, or of either.

        Raises:
            Ec2Error: InvalidParameterValue where it is none, lies off its grid, or is one of the other version.
        """
        try:
            cidr = Cidr.parse(text)
        except InvalidCidr as error:
            raise self.invalid(str(error)) from None
        if version not in (None, cidr.version):
            raise self.invalid(f"{text!r} is an IPv{cidr.version} CIDR, but IPv{version} is wanted here")
        return cidr

    def canonical_cidr(self, text: str) -> Cidr:
        """Read an IPv4 CIDR whose address may lie anywhere in it. EC2: CreateVpc and CreateSubnet make 100.68.0.0/18 of 100.68.0.18/18.

        Raises:
            Ec2Error: InvalidParameterValue where it is none.
        """
        try:
            return self.cidr(text, 4)
        except Ec2Error:
            with contextlib.suppress(ValueError):
                return self.cidr(str(ipaddress.IPv4Interface(text).network), 4)
            raise

    def address(self, text: str, version: int = 4) -> int:
        """Read an address of the given IP version.

        Raises:
            Ec2Error: InvalidParameterValue where it is none.
        """
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
        """Read addresses and prefixes that a caller names.

        Raises:
            Ec2Error: InvalidParameterValue where one is no address, no /28 or no /80, or is named twice.
        """
        if not (addresses or prefixes or ipv6_addresses or ipv6_prefixes):
            return AddressSet()
        named = AddressSet(
            tuple(self.address(text, 4) for text in addresses),
            tuple(self._prefix(text, AddressMode.PREFIX) for text in prefixes),
            tuple(self.address(text, 6) for text in ipv6_addresses),
            tuple(self._prefix(text, AddressMode.IPV6) for text in ipv6_prefixes),
        )
        for texts, values in (
            (addresses, named.addresses),
            (prefixes, named.prefixes),
            (ipv6_addresses, named.ipv6_addresses),
            (ipv6_prefixes, named.ipv6_prefixes),
        ):
            if len(set(values)) < len(values):
                raise self.invalid(f"{', '.join(texts)}: one is named twice")
        return named

    def _prefix(self, text: str, mode: AddressMode) -> int:
        cidr = self.cidr(text, mode.version)
        if cidr.prefix_length != mode.prefix_length:
            raise self.invalid(f"{text} is a /{cidr.prefix_length}; an IPv{mode.version} prefix of an ENI is a /{mode.prefix_length}")
        return cidr.first

    # --- combinations ----------------------------------------------------------------------------------------------------

    def one_kind(self, **wanted: int | Sequence[str]) -> None:
        """Check that exactly one of several parameters is used; an empty list or a count of 0 is not.

        Raises:
            Ec2Error: InvalidParameterCombination for none or for more than one.
        """
        self.one_kind_at_most(**wanted)
        if not any(wanted.values()):
            raise self.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"one of {', '.join(wanted)} must be given")

    def one_kind_at_most(self, **wanted: int | Sequence[str]) -> None:
        """Check that no more than one of several parameters is used.

        Raises:
            Ec2Error: InvalidParameterCombination for more than one.
        """
        used = [name for name, value in wanted.items() if value]
        if len(used) > 1:
            raise self.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{' and '.join(used)} can't be used in one call")

    # --- tags ------------------------------------------------------------------------------------------------------------

    def tags(self, tags: Iterable[tuple[str, str]]) -> Tags:
        """Read tags, pairs of key and value; of a key given twice, the last counts.

        Raises:
            Ec2Error: InvalidParameterValue for a key that is empty, too long (128) or begins with `aws:`, and for a value that is too long
                (256); TagLimitExceeded for more than 50.
        """
        read = sorted_tags(tags)
        for key, value in read:
            self.tag_key(key)
            if len(value) > TAG_VALUE_LENGTH_LIMIT:
                raise self.invalid(f"the value of tag {key!r} has {len(value)} characters; it may have {TAG_VALUE_LENGTH_LIMIT}")
        self.tag_count(read)
        return read

    def tag_count(self, tags: Tags) -> None:
        """Check that a resource may have so many tags.

        Raises:
            Ec2Error: TagLimitExceeded for more than 50.
        """
        if len(tags) > TAG_COUNT_LIMIT:
            raise self.refusal(ErrorCode.TAG_LIMIT_EXCEEDED, f"{len(tags)} tags; a resource may have {TAG_COUNT_LIMIT}")

    def tag_key(self, key: str) -> None:
        """Check the key of a tag.

        Raises:
            Ec2Error: InvalidParameterValue where it is empty, too long, or one of AWS's own.
        """
        if not key or len(key) > TAG_KEY_LENGTH_LIMIT:
            raise self.invalid(f"the tag key {key!r} has {len(key)} characters; it must have 1 to {TAG_KEY_LENGTH_LIMIT}")
        if key.startswith(RESERVED_TAG_PREFIX):
            raise self.invalid(f"the tag key {key!r} begins with {RESERVED_TAG_PREFIX}, which is reserved for AWS")


def texts(values: Iterable[str]) -> tuple[str, ...]:
    """Take in a list of texts.

    Raises:
        TypeError: it is a single text, whose letters would be taken for items.
    """
    if isinstance(values, str):
        raise TypeError(f"a list of texts is wanted, not one text: write [{values!r}]")
    return tuple(values)
