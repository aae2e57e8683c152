"""EC2's request throttling for one account in one region: token buckets, in whole numbers.

Every action has its own bucket, whose size depends on the kind of action (Amazon EC2 Developer Guide, "Request throttling for the Amazon
EC2 API"). The model leaves out the resource buckets of RunInstances and TerminateInstances, which count instances: with one instance per
call they never empty before the request bucket does.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from vpcipam._arguments import integer_field
from vpcipam._units import NS_PER_S
from vpcipam.ec2.api import actions_by_name, is_mutating, require_action

_LONG_AGO_NS = -(1 << 127)
"""Earlier than any time that a caller gives."""
_PAGED_ACTIONS = frozenset({"DescribeInstances", "DescribeNetworkInterfaces"})
_POSITIVE = integer_field(1, name=lambda instance, attribute: f"{attribute.name} of a {type(instance).__name__}")


@attrs.frozen
class TokenBucket:
    """The size of a token bucket and its refill rate. A call takes one token.

    Tokens arrive evenly: 5 per second means one every 200 ms. EC2's documentation does not say whether they arrive evenly or all at once.

    Attributes:
        capacity: the most tokens that it holds, and the number at the start; 1 or more.
        refill_count: the tokens that arrive per `refill_period_ns`; 1 or more.
        refill_period_ns: one second by default; use a longer period for lower rates: 1 token in 10 s is 0.1 per second.
    """

    capacity: int = attrs.field(validator=_POSITIVE)
    refill_count: int = attrs.field(validator=_POSITIVE)
    refill_period_ns: int = attrs.field(default=NS_PER_S, validator=_POSITIVE)


NON_MUTATING_BUCKET = TokenBucket(100, 20)
UNFILTERED_BUCKET = TokenBucket(50, 10)
MUTATING_BUCKET = TokenBucket(50, 5)
ACTION_BUCKETS: Mapping[str, TokenBucket] = {
    **dict.fromkeys(("CreateSubnetCidrReservation", "DeleteSubnetCidrReservation"), TokenBucket(5, 1)),
    "RunInstances": TokenBucket(5, 2),
    **dict.fromkeys(("AssignIpv6Addresses", "AssignPrivateIpAddresses", "UnassignPrivateIpAddresses"), TokenBucket(100, 5)),
    **dict.fromkeys(("CreateNetworkInterface", "DeleteNetworkInterface", "ModifyNetworkInterfaceAttribute"), TokenBucket(100, 5)),
    "TerminateInstances": TokenBucket(100, 5),
    **dict.fromkeys(("CreateTags", "DeleteTags"), TokenBucket(100, 10)),
}
"""The actions of the model for which EC2 documents a bucket size of their own ("uncategorized actions")."""


def _by_name(buckets: Mapping[str, TokenBucket] | Iterable[tuple[str, TokenBucket]]) -> tuple[tuple[str, TokenBucket], ...]:
    return actions_by_name("an action of a Throttle", buckets)


@attrs.frozen
class Throttle:
    """The buckets of one account and region; the defaults are the sizes that EC2 documents.

    Attributes:
        actions: the buckets of single actions, by EC2's name; give a mapping or pairs, sorted pairs are stored.
        non_mutating: the bucket of each other Describe, Get, List and Search action.
        unfiltered: the bucket of DescribeInstances, and of DescribeNetworkInterfaces, for calls without a filter. EC2 does not count names
            (`NetworkInterfaceIds`) as a filter. Calls with a filter use a separate bucket.
        mutating: the bucket of each other action.
        shared: one more bucket that every call uses; None for none, as in EC2. It models a limit that all callers share, such as
            a client's own rate limit.
    """

    actions: tuple[tuple[str, TokenBucket], ...] = attrs.field(default=ACTION_BUCKETS, converter=_by_name)
    non_mutating: TokenBucket = NON_MUTATING_BUCKET
    unfiltered: TokenBucket = UNFILTERED_BUCKET
    mutating: TokenBucket = MUTATING_BUCKET
    shared: TokenBucket | None = None

    def is_unfiltered(self, action: str, *, filtered: bool) -> bool:
        """Tell whether a call uses the action's smaller bucket, for calls without a filter."""
        return not filtered and action in _PAGED_ACTIONS and action not in dict(self.actions)

    def bucket(self, action: str, *, filtered: bool = True) -> TokenBucket:
        """Return the bucket that a call uses beside the shared one."""
        if self.is_unfiltered(action, filtered=filtered):
            return self.unfiltered
        return dict(self.actions).get(action) or (self.mutating if is_mutating(action) else self.non_mutating)


class BucketLevel:
    """The current content of a token bucket.

    The level is counted in parts of a token: `refill_period_ns` parts make a token, and `refill_count` parts arrive each nanosecond. This
    avoids rounding, so that frequent calls don't gain tokens.

    Invariants:
        1. Of any series of takes, at most `capacity` succeed, plus one for each token that arrives between the first and the last take.
        2. A call at a time before the latest one adds no tokens.
    """

    def __init__(self, bucket: TokenBucket) -> None:
        self.bucket = bucket
        self._full = bucket.capacity * bucket.refill_period_ns
        self._parts = self._full
        self._token, self._rate = bucket.refill_period_ns, bucket.refill_count
        self._latest_ns = _LONG_AGO_NS

    def tokens(self, now_ns: int) -> int:
        """Return the number of whole tokens at `now_ns`, without taking any."""
        return self._parts_at(now_ns) // self._token

    def take(self, now_ns: int) -> bool:
        """Take a token; tell whether there was one."""
        parts = self._parts_at(now_ns) - self._token
        if parts < 0:
            return False
        self._parts = parts
        self._latest_ns = max(now_ns, self._latest_ns)
        return True

    def _parts_at(self, now_ns: int) -> int:
        if now_ns <= self._latest_ns:
            return self._parts
        return min(self._full, self._parts + (now_ns - self._latest_ns) * self._rate)


class BucketLevels:
    """The current content of all buckets of a `Throttle`, and the number of throttled calls of each action."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._own: dict[tuple[str, bool], BucketLevel] = {}
        self._levels: dict[tuple[str, bool], tuple[BucketLevel, ...]] = {}
        self._shared = None if throttle.shared is None else BucketLevel(throttle.shared)
        self._throttled_counts: Counter[str] = Counter()

    @property
    def throttled_counts(self) -> dict[str, int]:
        """The number of calls of each action that found no token."""
        return dict(self._throttled_counts)

    def tokens(self, action: str, now_ns: int, *, filtered: bool = True) -> int:
        """Return the number of calls of an action that would be admitted in a row at `now_ns`."""
        return min(level.tokens(now_ns) for level in self._levels_of(action, filtered=filtered))

    def admit(self, action: str, now_ns: int, *, filtered: bool = True) -> bool:
        """Take a call's token from each bucket that it uses, or from none if one is empty; tell whether the call is admitted.

        Complexity: O(1).
        """
        levels = self._levels.get((action, filtered)) or self._levels_of(action, filtered=filtered)
        if len(levels) == 1:
            admitted = levels[0].take(now_ns)
        else:
            own, shared = levels
            admitted = shared.tokens(now_ns) > 0 and own.take(now_ns) and shared.take(now_ns)
        if not admitted:
            self._throttled_counts[action] += 1
        return admitted

    def _levels_of(self, action: str, *, filtered: bool) -> tuple[BucketLevel, ...]:
        key = action, filtered
        levels = self._levels.get(key)
        if levels is None:
            require_action("action", action)
            unfiltered = self._throttle.is_unfiltered(action, filtered=filtered)
            own = self._own.setdefault((action, unfiltered), BucketLevel(self._throttle.bucket(action, filtered=filtered)))
            levels = self._levels[key] = (own,) if self._shared is None else (own, self._shared)
        return levels
