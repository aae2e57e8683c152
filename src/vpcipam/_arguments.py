"""Checks of single arguments, shared by functions and by the validators of values."""

from vpcipam.errors import InvalidArgument


def require_integer(where: str, value: object, minimum: int) -> None:
    """Refuse what is not a plain int of `minimum` or more; `where` begins the sentence."""
    if type(value) is not int:
        raise TypeError(f"{where} must be an int, not {type(value).__name__} ({value!r})")
    if value < minimum:
        raise InvalidArgument(f"{where} must be {minimum} or more, not {value}")


def require_boolean(where: str, value: object) -> None:
    """Refuse what is not True or False: the text "false", for one, is true to Python."""
    if type(value) is not bool:
        raise TypeError(f"{where} must be True or False, not {type(value).__name__} ({value!r})")
