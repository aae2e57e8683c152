"""One call to the EC2 model, and the checks of its arguments that need no state."""

import operator
from collections.abc import Iterable, Sequence

import attrs

from vpcipam.address import AddressMode, Cidr, parse_address
from vpcipam.ec2.api import Ec2Error, ErrorCode
from vpcipam.ec2.subnet import AddressSet
from vpcipam.errors import InvalidAddress, InvalidCidr

IPV4_PREFIX_LENGTHS = range(16, 28 + 1)
"""The sizes of a VPC's and of a subnet's IPv4 CIDR."""
INTERFACE_TYPES = ("interface", "trunk", "branch", "efa")


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

    def cidr(self, text: str, version: int) -> Cidr:
        """Read a CIDR of the given IP version.

        Raises:
            Ec2Error: InvalidParameterValue where it is none, or one of the other version.
        """
        try:
            cidr = Cidr.parse(text)
        except InvalidCidr as error:
            raise self.invalid(str(error)) from None
        if cidr.version != version:
            raise self.invalid(f"{text!r} is an IPv{cidr.version} CIDR, but IPv{version} is wanted here")
        return cidr

    def named(self, addresses: Sequence[str], prefixes: Sequence[str]) -> AddressSet:
        """Read secondary addresses and /28s that a caller names.

        Raises:
            Ec2Error: InvalidParameterValue where one is no IPv4 address or no /28, or is named twice.
        """
        named = AddressSet(tuple(map(self._address, addresses)), tuple(map(self._prefix, prefixes)))
        for texts, values in ((addresses, named.addresses), (prefixes, named.prefixes)):
            if len(set(values)) < len(values):
                raise self.invalid(f"{', '.join(texts)}: one is named twice")
        return named

    def one_kind(self, **wanted: int | Sequence[str]) -> None:
        """Check that exactly one of several parameters is used; an empty list or a count of 0 is not.

        Raises:
            Ec2Error: InvalidParameterCombination for none or for more than one.
        """
        used = [name for name, value in wanted.items() if value]
        if not used:
            raise self.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"one of {', '.join(wanted)} must be given")
        if len(used) > 1:
            raise self.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{' and '.join(used)} can't be used in one call")

    def _address(self, text: str) -> int:
        try:
            return parse_address(text, 4)
        except InvalidAddress as error:
            raise self.invalid(str(error)) from None

    def _prefix(self, text: str) -> int:
        cidr = self.cidr(text, 4)
        if cidr.prefix_length != AddressMode.PREFIX.prefix_length:
            raise self.invalid(f"{text} is a /{cidr.prefix_length}; the prefix of an ENI is a /{AddressMode.PREFIX.prefix_length}")
        return cidr.first


def texts(values: Iterable[str]) -> tuple[str, ...]:
    """Take in a list of texts.

    Raises:
        TypeError: it is a single text, whose letters would be taken for items.
    """
    if isinstance(values, str):
        raise TypeError(f"a list of texts is wanted, not one text: write [{values!r}]")
    return tuple(values)
