"""Checks of single arguments, shared by functions and by the validators of values."""

from vpcipam.errors import InvalidArgument


def require_integer(where: str, value: object, minimum: int, maximum: int | None = None) -> None:
    """Refuse what is not a plain int of `minimum` or more, to `maximum` where there is one; `where` begins the sentence."""
    if type(value) is not int:
        raise TypeError(f"{where} must be an int, not {type(value).__name__} ({value!r})")
    if value < minimum or (maximum is not None and value > maximum):
        bounds = f"{minimum} or more" if maximum is None else f"{minimum} to {maximum:,}"
        raise InvalidArgument(f"{where} must be {bounds}, not {value}")


def require_type(where: str, value: object, kind: type, instead: str) -> None:
    """Refuse what is not of a class; `instead` says how to make one, or what to give."""
    if not isinstance(value, kind):
        raise TypeError(f"{where} must be {kind.__name__}, not {type(value).__name__} ({value!r}): {instead}")


def require_boolean(where: str, value: object) -> None:
    """Refuse what is not True or False: the text "false", for one, is true to Python."""
    if type(value) is not bool:
        raise TypeError(f"{where} must be True or False, not {type(value).__name__} ({value!r})")
