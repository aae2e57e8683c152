"""Parse TOML from anyone: what takes Python very long, or what it can't read, is refused first."""

import re
import tomllib
from typing import Any

from vpcipam.errors import InvalidArgument

MOST_LEVELS = 100
TOO_DEEP = "the document is nested too deeply to be read"
TOO_LONG = "a whole number is beyond the 64 bits that TOML has; write a smaller one, or put a text in quotes"
_PART_OF_KEY = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DEEP_KEY = re.compile(rf"(?<![\w-]){_PART_OF_KEY}(?:[ \t]*+\.[ \t]*+{_PART_OF_KEY}){{{MOST_LEVELS}}}")


def parse_toml(text: str) -> dict[str, Any]:
    """Parse a TOML document.

    Raises:
        TOMLDecodeError: it is not TOML.
        InvalidArgument: Python can't read it, because a number is too long or tables are nested too deeply. Both are ValueErrors.
    """
    if _DEEP_KEY.search(text):  # tomllib takes quadratic time and memory for it
        raise InvalidArgument(TOO_DEEP)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # tomllib leaves a number of more than 4,300 digits to Python, which refuses it
        raise InvalidArgument(TOO_LONG) from None
    except RecursionError:
        raise InvalidArgument(TOO_DEEP) from None
