"""Other rules than ipamd's for how many addresses a node keeps: those of Cilium's ENI mode and of Azure CNS, and a hysteresis band.

Each says, for a number of addresses in use, with how few a pool grows and with how many it shrinks. How a pool does so is ipamd's way in
all of them: a look every 5 s, one wish at a time, the same ENIs asked in the same order. Cilium's operator and Azure's control plane act
for many nodes from one place and at other times, so what is compared here is how pools are sized, not how quickly.
"""

import abc
import inspect
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from typing import NamedTuple

import attrs

from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument
from vpcipam.settings import Settings
from vpcipam.stats import NS_PER_S
from vpcipam.warmpool import (
    ALWAYS_CALM,
    NEVER_CALM,
    Calm,
    FreeEni,
    Grow,
    IpamdPolicy,
    PoolView,
    Shrink,
    WarmPolicy,
    ask_for,
    ceil_div,
    counts_say_all,
    give_back,
)


class Band(NamedTuple):
    """How many addresses a pool may have while so many are in use; each grows with that number.

    Attributes:
        least: with fewer it grows.
        goal: how many it then asks for, `least` or more.
        most: with more it shrinks, to this many; None for never.
    """

    least: int
    goal: int
    most: int | None


@attrs.frozen
class BandPolicy(abc.ABC):
    """A policy that follows a band: what it decides follows from how many addresses there may be."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What it is called in scenarios and tables."""

    @abc.abstractmethod
    def band(self, used: int, view: PoolView) -> Band:
        """How many addresses the pool may have while so many are in use; no number falls as `used` rises."""

    @property
    def release_delay_ns(self) -> int:
        """How long a surplus lasts before it is given back."""
        return 0

    def grow(self, view: PoolView, settings: Settings) -> Grow | None:
        """Decide what to add."""
        del settings
        if view.mode is AddressMode.IPV6:
            return None
        used, total = view.out_of_use_count, view.stats.total_count
        least, goal, _ = self.band(used, view)
        if total >= least:
            return None
        return ask_for(view, ceil_div(goal - total, view.unit), f"{total} addresses < {least} wanted with {used} in use")

    def shrink(self, view: PoolView, settings: Settings) -> Shrink | None:
        """Decide what to give back."""
        del settings
        if view.mode is AddressMode.IPV6:
            return None
        used, total = view.out_of_use_count, view.stats.total_count
        most = self.band(used, view).most
        over = 0 if most is None else max(0, total - most) // view.unit
        return give_back(view, over, f"{total} addresses > {most} wanted with {used} in use" if over else "")

    def free_eni(self, view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
        """Free an ENI on which no address is left."""
        del settings
        for eni in reversed(view.enis):
            if not eni.slot_count and eni.obstacle(now_ns) is None:
                return FreeEni(eni.eni_id, "no address is left on it")
        return None

    def calm(self, view: PoolView, settings: Settings) -> Calm:
        """Find where the band has room for what the pool has. It rises with what is in use, so a search by halves finds both ends."""
        del settings
        if view.mode is AddressMode.IPV6:
            return ALWAYS_CALM
        if not counts_say_all(view):
            return NEVER_CALM
        total = view.stats.total_count
        counts = range(total + 1)
        low = bisect_left(counts, total - view.unit + 1, key=lambda used: _most(self.band(used, view)))
        high = bisect_right(counts, total, key=lambda used: self.band(used, view).least) - 1
        return Calm(low, high if view.has_room else ALWAYS_CALM.high)


def _most(band: Band) -> int:
    return ALWAYS_CALM.high if band.most is None else band.most


@attrs.frozen
class CiliumEniPolicy(BandPolicy):
    """Cilium's ENI mode (cilium/cilium: pkg/ipam/node.go, the functions that calculate needed and excess IPs; docs: "AWS ENI").

    - Needed: `pre_allocate` free addresses, and at least `min_allocate` in all, but never more than `max_allocate`. Where some are needed,
      `max_above_watermark` more are asked for.
    - In excess: what is above used + `pre_allocate` + `max_above_watermark`; but a pool that has used no more than `min_allocate` +
      `max_above_watermark` keeps that many. It is given back after 180 s, if `release_excess_ips` (--aws-release-excess-ips) is on.
    - ENIs are never deleted.

    Attributes:
        pre_allocate: free addresses to keep, 1 or more.
        min_allocate: addresses to have in any case.
        max_allocate: the most addresses; 0 for as many as the instance takes.
        max_above_watermark: addresses to ask for beyond what is needed, so as to ask more rarely.
        release_excess_ips: give back what is in excess; Cilium does so only where it is told to.
        release_delay_s: how long an address is in excess before it is given back.
    """

    pre_allocate: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    min_allocate: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    max_allocate: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    max_above_watermark: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    release_excess_ips: bool = True
    release_delay_s: int = attrs.field(default=180, validator=attrs.validators.ge(0))

    @property
    def name(self) -> str:
        """What it is called in scenarios and tables."""
        return "cilium-eni"

    @property
    def release_delay_ns(self) -> int:
        """How long a surplus lasts before it is given back."""
        return self.release_delay_s * NS_PER_S

    def band(self, used: int, view: PoolView) -> Band:
        """How many addresses the pool may have."""
        del view
        least = max(used + self.pre_allocate, self.min_allocate)
        goal = least + self.max_above_watermark
        if self.max_allocate:
            least, goal = min(least, self.max_allocate), min(goal, self.max_allocate)
        if not self.release_excess_ips:
            return Band(least, goal, None)
        first = self.min_allocate + self.max_above_watermark
        most = used + self.pre_allocate + self.max_above_watermark
        if used + self.pre_allocate <= first:
            most = first
        return Band(least, goal, max(most, least))

    def free_eni(self, view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
        """Free none: Cilium gives addresses back, never ENIs."""
        del view, settings, now_ns
        return None


@attrs.frozen
class AzureCnsPolicy(BandPolicy):
    """The target of Azure CNS (Azure/azure-container-networking: cns/ipampool/v2, the monitor's target IP count).

    It is batch × ⌈buffer + used / batch⌉, no more than `max_ips`: what is free is between buffer × batch and a batch more. ENIs without an
    address left are freed; Azure has none.

    Attributes:
        batch: addresses that are asked for at a time, 1 or more.
        buffer_percent: the part of a batch that is kept free, in percent (RequestThresholdPercent).
        max_ips: the most addresses of a node.
    """

    batch: int = attrs.field(default=16, validator=attrs.validators.ge(1))
    buffer_percent: int = attrs.field(default=50, validator=attrs.validators.ge(0))
    max_ips: int = attrs.field(default=250, validator=attrs.validators.ge(1))

    @property
    def name(self) -> str:
        """What it is called in scenarios and tables."""
        return "azure-cns"

    def band(self, used: int, view: PoolView) -> Band:
        """How many addresses the pool may have: the target alone."""
        del view
        target = min(self.max_ips, self.batch * ceil_div(self.buffer_percent * self.batch + 100 * used, 100 * self.batch))
        return Band(target, target, target)


@attrs.frozen
class HysteresisPolicy(BandPolicy):
    """Keep between `minimum` and `maximum` free addresses, and do nothing in between.

    A pool that has too few asks for half-way between the two, so that as many pods can come as go before EC2 is asked again; one that has
    too many gives back what is above `maximum`. ENIs without an address left are freed. As with ipamd, it never grows beyond `max_pods`.

    Attributes:
        minimum: free addresses to have, 0 or more.
        maximum: free addresses to have at most, more than `minimum`.
    """

    minimum: int = attrs.field(default=4, validator=attrs.validators.ge(0))
    maximum: int = attrs.field(default=16)

    @maximum.validator
    def _check_maximum(self, _: object, value: int) -> None:
        if value <= self.minimum:
            raise InvalidArgument(f"the maximum of a hysteresis band must be more than its minimum, {self.minimum}; it is {value}")

    @property
    def name(self) -> str:
        """What it is called in scenarios and tables."""
        return "hysteresis"

    def band(self, used: int, view: PoolView) -> Band:
        """How many addresses the pool may have."""
        least = min(used + max(1, self.minimum), view.max_pods)
        goal = max(least, min(used + (self.minimum + self.maximum) // 2, view.max_pods))
        return Band(least, goal, max(used + self.maximum, least))


POLICIES: Mapping[str, Callable[..., WarmPolicy]] = {
    "ipamd": IpamdPolicy,
    "cilium-eni": CiliumEniPolicy,
    "azure-cns": AzureCnsPolicy,
    "hysteresis": HysteresisPolicy,
}
"""All policies by name."""


def policy_named(name: str, **options: int) -> WarmPolicy:
    """Make a policy.

    Raises:
        InvalidArgument: there is none of that name, it has no such option, or the option can't be that.

    >>> policy_named("azure-cns", batch=8).name
    'azure-cns'
    """
    if name not in POLICIES:
        raise InvalidArgument(f"there is no warm-pool policy {name!r}; there are {', '.join(POLICIES)}")
    make = POLICIES[name]
    known = tuple(inspect.signature(make).parameters)
    for option, value in options.items():
        if option not in known:
            raise InvalidArgument(f"policy {name} has no option {option!r}; it has {', '.join(known) or 'none'}")
        if not isinstance(value, int):
            raise InvalidArgument(f"option {option} of policy {name} must be a whole number, not {value!r}")
    try:
        return make(**options)
    except ValueError as error:
        raise InvalidArgument(f"policy {name}: {error}") from None
