"""What nodes use of their VPC and of EC2's limits on calls, for people."""

from vpcipam._units import NS_PER_S, number, span
from vpcipam.planner import NAU_QUOTA, CallPace


def nau_text(units: int) -> str:
    """Return the Network Address Usage beside its quota.

    >>> nau_text(4_200)
    '4,200 of 64,000 units of the VPC'
    """
    return f"{number(units)} of {number(NAU_QUOTA)} units of the VPC"


def pace_text(pace: CallPace) -> str:
    """Return how many calls there are, and how long throttling makes them take."""
    calls = number(sum(pace.calls.values()))
    if not pace.seconds:
        return f"{calls}; no throttling"
    least = span(int(pace.seconds * NS_PER_S))
    return f"{calls}; if all nodes start at once, throttling spreads them over {least} or more ({pace.slowest_action})"
