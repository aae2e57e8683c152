"""Checks of arguments, as functions and as attrs validators."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vpcipam.errors import InvalidArgument

if TYPE_CHECKING:
    import attrs

Validator = Callable[[Any, "attrs.Attribute[Any]", object], None]
FieldName = Callable[[Any, "attrs.Attribute[Any]"], str]
"""Names a field of an instance for an error message."""


def require_integer(where: str, value: object, minimum: int, maximum: int | None = None) -> None:
    """Refuse any value but a plain int from `minimum` to `maximum`, both included. `where` starts the error message."""
    if type(value) is not int:
        raise TypeError(f"{where} must be an int, not {type(value).__name__} ({value!r})")
    if value < minimum or (maximum is not None and value > maximum):
        bounds = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum:,}"
        raise InvalidArgument(f"{where} must be {bounds}, not {_shown(value)}")


def _shown(number: int) -> str:
    """Write a number for a message. Python refuses to write one of more than 4,300 digits."""
    return str(number) if number.bit_length() <= _LONGEST_SHOWN_BITS else f"a number of {number.bit_length():,} bits"


_LONGEST_SHOWN_BITS = 256


def require_type(where: str, value: object, kind: type, instead: str) -> None:
    """Refuse any value but an instance of `kind`. `instead` ends the error message: it says what to pass."""
    if not isinstance(value, kind):
        raise TypeError(f"{where} must be {kind.__name__}, not {type(value).__name__} ({value!r}): {instead}")


def require_boolean(where: str, value: object) -> None:
    """Refuse any value but True and False. A truthy value does not count: the text "false" is truthy."""
    if type(value) is not bool:
        raise TypeError(f"{where} must be True or False, not {type(value).__name__} ({value!r})")


def _bare_name(_instance: object, attribute: "attrs.Attribute[Any]") -> str:
    return attribute.name


def integer_field(minimum: int, maximum: int | None = None, name: FieldName = _bare_name) -> Validator:
    """Return a validator that accepts what `require_integer` accepts."""
    return lambda instance, attribute, value: require_integer(name(instance, attribute), value, minimum, maximum)


def boolean_field(name: FieldName = _bare_name) -> Validator:
    """Return a validator that accepts what `require_boolean` accepts."""
    return lambda instance, attribute, value: require_boolean(name(instance, attribute), value)
