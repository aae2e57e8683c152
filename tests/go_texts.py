"""Texts as Go reads them, written from its documentation."""


def go_parse_bool(text):
    """What Go's documentation of strconv.ParseBool says."""
    return {
        **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
        **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
    }.get(text)


def go_atoi(text):
    """Go's strconv.Atoi, digit by digit."""
    sign, digits = (-1 if text[0] == "-" else 1, text[1:]) if text[:1] in {"+", "-"} and text else (1, text)
    if not digits:
        return None
    number = 0
    for character in digits:
        if character not in "0123456789":
            return None
        number = number * 10 + "0123456789".index(character)
    number *= sign
    return number if -(2**63) <= number < 2**63 else None
