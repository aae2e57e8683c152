"""Checks of single arguments, for functions and for validators of attrs classes."""

from vpcipam.errors import InvalidArgument


def require_integer(where: str, value: object, minimum: int, maximum: int | None = None) -> None:
    """Refuse a value that is not a plain int of at least `minimum` and, if given, at most `maximum`. `where` starts the message."""
    if type(value) is not int:
        raise TypeError(f"{where} must be an int, not {type(value).__name__} ({value!r})")
    if value < minimum or (maximum is not None and value > maximum):
        bounds = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum:,}"
        raise InvalidArgument(f"{where} must be {bounds}, not {value}")


def require_type(where: str, value: object, kind: type, instead: str) -> None:
    """Refuse a value that is not of a class. `instead` ends the message: it says what to pass."""
    if not isinstance(value, kind):
        raise TypeError(f"{where} must be {kind.__name__}, not {type(value).__name__} ({value!r}): {instead}")


def require_boolean(where: str, value: object) -> None:
    """Refuse a value that is not True or False. The text "false", for example, is true to Python."""
    if type(value) is not bool:
        raise TypeError(f"{where} must be True or False, not {type(value).__name__} ({value!r})")
