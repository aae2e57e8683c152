"""How long EC2's throttling makes the calls of many nodes take, if all nodes start at once."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from vpcipam.ec2.throttle import Throttle
from vpcipam.planner.node_answers import NodePlan


@attrs.frozen
class CallPace:
    """The calls of all nodes, and the time until EC2 has admitted the last one.

    Every action has a token bucket of its own, so the slowest action decides. Retries of throttled calls, and the waits between them, come
    on top: the time is a lower bound.

    Attributes:
        calls: The number of calls of each action.
        seconds: The time; 0 if the buckets hold a token for every call.
        slowest_action: The action that takes it; None if there is none.
    """

    calls: Mapping[str, int]
    seconds: float
    slowest_action: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the pace as a JSON object."""
        return {"calls": dict(self.calls), "seconds": self.seconds, "slowest_action": self.slowest_action}


def call_pace(calls: Mapping[str, int], throttle: Throttle | None = None) -> CallPace:
    """Compute the time that calls take if all are wanted at once and no other program calls EC2.

    ipamd names the ENI or instance that it describes, which EC2 doesn't count as a filter (docs/ec2-model.md).

    >>> call_pace({"AssignPrivateIpAddresses": 400, "AttachNetworkInterface": 40}).seconds
    60.0
    """
    throttle = throttle or Throttle()
    seconds = {action: _seconds(action, count, throttle) for action, count in calls.items()}
    slowest = max(seconds, key=lambda action: (seconds[action], action), default=None)
    longest = 0.0 if slowest is None else seconds[slowest]
    return CallPace(dict(sorted(calls.items())), longest, slowest if longest else None)


def nodes_pace(nodes: Iterable[tuple[NodePlan, int]]) -> CallPace:
    """Compute the pace of nodes that all start at once, each with the number of nodes like it."""
    calls: Counter[str] = Counter()
    for answer, count in nodes:
        calls.update({action: count * each for action, each in answer.ec2_calls.items()})
    return call_pace(calls)


def _seconds(action: str, count: int, throttle: Throttle) -> float:
    bucket = throttle.bucket(action, filtered=False)
    waiting = max(0, count - bucket.capacity)
    return waiting * bucket.refill_period_ns / bucket.refill_count / 1e9
