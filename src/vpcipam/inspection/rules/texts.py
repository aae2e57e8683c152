"""Words and figures that several rules write."""

from collections.abc import Iterable

from vpcipam._units import NS_PER_S
from vpcipam.address import IPV4_BITS, IPV6_BITS, Cidr
from vpcipam.inspection.survey import CardSurvey

LOOK_AT_TYPES = "the limits may be outdated: look at `aws ec2 describe-instance-types`"
_BITS = {4: IPV4_BITS, 6: IPV6_BITS}
_MOST_SHOWN = 3
_LONGEST_MESSAGE = 300
_S_PER_DAY = 86_400


def card_name(card: CardSurvey) -> str:
    """Name a network card as a place."""
    return f"card {card.network_card}"


def short(cidr: Cidr) -> str:
    """Write a CIDR; a single address without its /32 or /128."""
    return str(cidr).removesuffix(f"/{_BITS[cidr.version]}")


def some(texts: Iterable[str]) -> str:
    """Write the first few texts, and how many more there are."""
    shown = list(texts)
    more = len(shown) - _MOST_SHOWN
    return ", ".join(shown[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def shortened(message: str) -> str:
    """Write the message of another program in one line of at most 300 characters."""
    line = " ".join(message.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


def age(duration_ns: int) -> str:
    """Write a duration in its largest unit of which there are at least two; 0 for a negative one."""
    seconds = max(0, duration_ns) // NS_PER_S
    for unit_s, unit in ((_S_PER_DAY, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds // unit_s} {unit}"
    return f"{seconds} s"
