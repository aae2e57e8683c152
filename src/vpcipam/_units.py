"""Units of time; durations and counts as text for people."""

NS_PER_S = 1_000_000_000
S_PER_HOUR = 3_600
S_PER_DAY = 86_400
MINUTE_NS = 60 * NS_PER_S

_IPV6_COUNT = 1 << 40  # only counts of IPv6 addresses are as large
_PREFIX_80 = 1 << 48


def seconds_text(duration_ns: int) -> str:
    """Write a duration in seconds, without trailing zeros.

    >>> seconds_text(2_500_000_000)
    '2.5'
    """
    return f"{duration_ns / NS_PER_S:.3f}".rstrip("0").rstrip(".")


def span(duration_ns: int) -> str:
    """Write a duration in its two largest units, rounded down.

    >>> span(2_280_000_000_000), span(90_061_000_000_000), span(12_500_000_000), span(400_000_000), span(0)
    ('38 min', '1 d 1 h', '12 s', 'less than 1 s', '0 s')
    """
    if not duration_ns:
        return "0 s"
    seconds = duration_ns // NS_PER_S
    parts = []
    for unit, length_s in (("d", S_PER_DAY), ("h", S_PER_HOUR), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length_s)
        parts.append(f"{count} {unit}" if count else "")
    first = next((place for place, part in enumerate(parts) if part), None)
    return "less than 1 s" if first is None else " ".join(filter(None, parts[first : first + 2]))


def number(count: int) -> str:
    """Write a count with commas; from 2^40 on, as a multiple of 2^48, the size of a /80.

    >>> number(12_345), number(2**48 - 5)
    ('12,345', '2^48 − 5')
    """
    if count < _IPV6_COUNT:
        return f"{count:,}"
    blocks = -(-count // _PREFIX_80)
    missing = blocks * _PREFIX_80 - count
    return ("2^48" if blocks == 1 else f"{blocks:,} × 2^48") + (f" − {missing:,}" if missing else "")


def counted(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun.

    >>> counted(1, "pod"), counted(2, "pod"), counted(2, "prefix", "prefixes")
    ('1 pod', '2 pods', '2 prefixes')
    """
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def ceil_div(dividend: int, divisor: int) -> int:
    """Divide and round up.

    >>> ceil_div(17, 16)
    2
    """
    return -(-dividend // divisor)
