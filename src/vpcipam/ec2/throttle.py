"""How many calls EC2 takes of one account in one region: token buckets, in whole numbers.

EC2 evaluates each action by itself: every action has its own bucket, whose size depends on what kind of action it is (Amazon EC2 Developer
Guide, "Request throttling for the Amazon EC2 API"). Its resource buckets of RunInstances and TerminateInstances are left out: with one
instance in a call they never empty before the request bucket does.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from vpcipam._arguments import require_integer
from vpcipam.ec2.api import is_mutating, require_action

SECOND_NS = 1_000_000_000

_PAGED_ACTIONS = frozenset({"DescribeInstances", "DescribeNetworkInterfaces"})


def _check_positive(instance: object, attribute: "attrs.Attribute[int]", value: int) -> None:
    require_integer(f"{attribute.name} of a {type(instance).__name__}", value, 1)


@attrs.frozen
class TokenBucket:
    """The size of a bucket and how it fills. A call takes one token.

    Tokens come one by one, evenly: 5 a second are one every 200 ms. EC2's documentation leaves open whether they come so or all at once.

    Attributes:
        capacity: the most tokens that it holds, and how many it holds at first; 1 or more.
        refill_count: how many come within `refill_period_ns`; 1 or more.
        refill_period_ns: a second, unless a rate below one a second is wanted: 1 in 10 s is 0.1 a second.
    """

    capacity: int = attrs.field(validator=_check_positive)
    refill_count: int = attrs.field(validator=_check_positive)
    refill_period_ns: int = attrs.field(default=SECOND_NS, validator=_check_positive)


NON_MUTATING_BUCKET = TokenBucket(100, 20)
UNFILTERED_BUCKET = TokenBucket(50, 10)
MUTATING_BUCKET = TokenBucket(50, 5)
ACTION_BUCKETS: Mapping[str, TokenBucket] = {
    "AssignIpv6Addresses": TokenBucket(100, 5),
    "AssignPrivateIpAddresses": TokenBucket(100, 5),
    "CreateNetworkInterface": TokenBucket(100, 5),
    "CreateSubnetCidrReservation": TokenBucket(5, 1),
    "CreateTags": TokenBucket(100, 10),
    "DeleteNetworkInterface": TokenBucket(100, 5),
    "DeleteSubnetCidrReservation": TokenBucket(5, 1),
    "DeleteTags": TokenBucket(100, 10),
    "ModifyNetworkInterfaceAttribute": TokenBucket(100, 5),
    "RunInstances": TokenBucket(5, 2),
    "TerminateInstances": TokenBucket(100, 5),
    "UnassignPrivateIpAddresses": TokenBucket(100, 5),
}
"""EC2: the actions with a size of their own ("uncategorized actions"), as far as the model has them."""


def _sorted_pairs(buckets: Mapping[str, TokenBucket] | Iterable[tuple[str, TokenBucket]]) -> tuple[tuple[str, TokenBucket], ...]:
    pairs = dict(buckets)
    for action in pairs:
        require_action("an action of a Throttle", action)
    return tuple(sorted(pairs.items()))


@attrs.frozen
class Throttle:
    """The buckets of one account and region; the defaults are those that EC2 documents.

    Attributes:
        actions: the actions with a size of their own, by EC2's name; a mapping or pairs come in, sorted pairs are kept.
        non_mutating: the size for each Describe, Get, List and Search action that is not among them.
        unfiltered: the size for DescribeInstances and DescribeNetworkInterfaces, each, where a call has no filter. EC2 counts names
            (`NetworkInterfaceIds`) as no filter. Calls with a filter draw from a bucket of their own.
        mutating: the size for each other action.
        shared: one more bucket, which every call draws from, whatever it asks; None for none, as in EC2. It stands for a limit that all
            callers of an account have in common, such as a client's own.
    """

    actions: tuple[tuple[str, TokenBucket], ...] = attrs.field(default=ACTION_BUCKETS, converter=_sorted_pairs)
    non_mutating: TokenBucket = NON_MUTATING_BUCKET
    unfiltered: TokenBucket = UNFILTERED_BUCKET
    mutating: TokenBucket = MUTATING_BUCKET
    shared: TokenBucket | None = None

    def is_unfiltered(self, action: str, *, filtered: bool) -> bool:
        """Tell whether a call draws from the action's smaller bucket, that of calls without a filter."""
        return not filtered and action in _PAGED_ACTIONS and action not in dict(self.actions)

    def bucket(self, action: str, *, filtered: bool = True) -> TokenBucket:
        """The size of the bucket that a call draws from, beside the shared one."""
        if self.is_unfiltered(action, filtered=filtered):
            return self.unfiltered
        return dict(self.actions).get(action) or (self.mutating if is_mutating(action) else self.non_mutating)


class BucketLevel:
    """How full a bucket is.

    The level counts in parts of a token, of which `refill_period_ns` make one; `refill_count` of them come in each nanosecond. So nothing
    is ever rounded, and asking often gives no more than asking once.

    Invariants:
        1. Over any stretch of takes, no more than `capacity` + what came in between the latest times before and within it succeed.
        2. A time before the latest one adds nothing.
    """

    def __init__(self, bucket: TokenBucket) -> None:
        self.bucket = bucket
        self._full = bucket.capacity * bucket.refill_period_ns
        self._parts = self._full
        self._latest_ns: int | None = None

    def tokens(self, now_ns: int) -> int:
        """The whole tokens that it holds at a time; looking changes nothing."""
        return self._parts_at(now_ns) // self.bucket.refill_period_ns

    def take(self, now_ns: int) -> None:
        """Take a token that `tokens` has shown."""
        self._parts = self._parts_at(now_ns) - self.bucket.refill_period_ns
        if self._latest_ns is None or now_ns > self._latest_ns:
            self._latest_ns = now_ns

    def _parts_at(self, now_ns: int) -> int:
        if self._latest_ns is None or now_ns <= self._latest_ns:
            return self._parts
        return min(self._full, self._parts + (now_ns - self._latest_ns) * self.bucket.refill_count)


class BucketLevels:
    """How full all buckets of a `Throttle` are, and how often each action was refused for it."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._own: dict[tuple[str, bool], BucketLevel] = {}
        self._drawn: dict[tuple[str, bool], tuple[BucketLevel, ...]] = {}
        self._shared = None if throttle.shared is None else BucketLevel(throttle.shared)
        self._throttled_counts: Counter[str] = Counter()

    @property
    def throttled_counts(self) -> dict[str, int]:
        """How often each action found no token."""
        return dict(self._throttled_counts)

    def tokens(self, action: str, now_ns: int, *, filtered: bool = True) -> int:
        """How many calls of an action would be admitted at a time, one after another."""
        return min(level.tokens(now_ns) for level in self._drawn_from(action, filtered=filtered))

    def admit(self, action: str, now_ns: int, *, filtered: bool = True) -> bool:
        """Take the token of a call, from each bucket that it draws from, or from none.

        Complexity: O(1).
        """
        levels = self._drawn_from(action, filtered=filtered)
        if any(level.tokens(now_ns) == 0 for level in levels):
            self._throttled_counts[action] += 1
            return False
        for level in levels:
            level.take(now_ns)
        return True

    def _drawn_from(self, action: str, *, filtered: bool) -> tuple[BucketLevel, ...]:
        key = action, filtered
        levels = self._drawn.get(key)
        if levels is None:
            require_action("action", action)
            unfiltered = self._throttle.is_unfiltered(action, filtered=filtered)
            own = self._own.setdefault((action, unfiltered), BucketLevel(self._throttle.bucket(action, filtered=filtered)))
            levels = self._drawn[key] = (own,) if self._shared is None else (own, self._shared)
        return levels
