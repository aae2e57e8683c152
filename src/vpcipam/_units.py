"""Units of time, and durations as text."""

NS_PER_S = 1_000_000_000
S_PER_HOUR = 3_600
S_PER_DAY = 86_400
MINUTE_NS = 60 * NS_PER_S


def seconds_text(duration_ns: int) -> str:
    """Write a duration in seconds, without trailing zeros.

    >>> seconds_text(2_500_000_000)
    '2.5'
    """
    return f"{duration_ns / NS_PER_S:.3f}".rstrip("0").rstrip(".")


def span(duration_ns: int) -> str:
    """Write a duration by its two largest units, rounded down.

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
