"""Alternatives to ipamd's rules for how many addresses a node keeps: Cilium's ENI mode, Azure CNS, and a hysteresis band.

For each number of addresses in use, a policy sets a total below which the pool grows and a total above which it shrinks. The node carries
this out as ipamd does: a pool check every 5 s, one request at a time, the same ENIs in the same order, a pause of 120 s when a subnet is
out of addresses, and at most one release in 30 s. MAX_ENI, the trunk, custom networking and excluded ENIs apply as in ipamd; the warm
targets do not. Cilium's operator and Azure's control plane serve many nodes from one place, with other timing: compare the sizes of the
pools under these policies, not how quickly they change. docs/policies.md shows the rules side by side.
"""

import abc
import inspect
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import attrs

from vpcipam._arguments import boolean_field, integer_field
from vpcipam._units import NS_PER_S, ceil_div
from vpcipam.address import AddressMode
from vpcipam.errors import InvalidArgument
from vpcipam.settings import Settings
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
    depends_on_counts,
    obstacle,
    release_slots,
    request_slots,
)


class Band(NamedTuple):
    """How many addresses a pool may have, given the number in use.

    Attributes:
        least: the pool grows if its total is lower.
        goal: the total that it then grows to; `least` or more.
        most: the pool shrinks to this if its total is higher; None for never.
    """

    least: int
    goal: int
    most: int | None


@attrs.frozen
class BandPolicy(abc.ABC):
    """A policy that keeps a pool within a `Band`.

    Attributes:
        name: its name in scenarios and tables.
        counts_whole_slots: when the surplus is computed, a prefix with any address in use counts as 16 addresses in use.
        frees_enis: an ENI without addresses is freed.
    """

    counts_whole_slots: ClassVar[bool] = False
    frees_enis: ClassVar[bool] = True
    name: ClassVar[str]

    @abc.abstractmethod
    def band(self, used: int, view: PoolView) -> Band:
        """How many addresses the pool may have with `used` in use.

        None of the three may fall as `used` rises. `least` may not exceed `most`, or a pool that has just shrunk would grow again.
        """

    @property
    def release_delay_ns(self) -> int:
        """0: a surplus is released at once."""
        return 0

    def grow(self, view: PoolView, settings: Settings) -> Grow | None:
        """Grow to `goal` addresses if there are fewer than `least`."""
        del settings
        if view.mode is AddressMode.IPV6:
            return None
        used, total = view.out_of_use_count, view.stats.total_count
        least, goal, _ = self.band(used, view)
        if total >= least:
            return None
        return request_slots(view, ceil_div(goal - total, view.unit), f"{total} addresses < {least} wanted with {used} in use")

    def shrink(self, view: PoolView, settings: Settings) -> Shrink | None:
        """Release what is above `most`, in whole slots."""
        del settings
        if view.mode is AddressMode.IPV6:
            return None
        used, total = self._used_with_whole_slots(view), view.stats.total_count
        most = self.band(used, view).most
        over = 0 if most is None else max(0, total - most) // view.unit
        beside = "" if used == view.out_of_use_count else ", prefixes counted as a whole"
        return release_slots(view, over, f"{total} addresses > {most} wanted with {used} in use{beside}" if over else "")

    def _used_with_whole_slots(self, view: PoolView) -> int:
        """Count the addresses in use and, with `counts_whole_slots`, those in the same slots."""
        if not self.counts_whole_slots:
            return view.out_of_use_count
        idle = view.unit * sum(eni.idle_cidr_count for eni in view.enis)
        return max(view.out_of_use_count, view.stats.total_count - idle)

    def free_eni(self, view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
        """Free the last ENI without addresses."""
        del settings
        for eni in reversed(view.enis) if self.frees_enis else ():
            if not eni.slot_count and obstacle(eni, now_ns) is None:
                return FreeEni(eni.eni_id, "no address is left on it")
        return None

    def calm(self, view: PoolView, settings: Settings) -> Calm:
        """Find the range by bisection: the band rises with the number of addresses in use."""
        del settings
        if view.mode is AddressMode.IPV6:
            return ALWAYS_CALM
        if not depends_on_counts(view, frees_empty_enis=self.frees_enis):
            return NEVER_CALM
        total, slot = view.stats.total_count, view.unit if self.counts_whole_slots else 1

        def most(used: int) -> int:
            """The upper limit if `used` pods fill as few slots as possible; if they fill more slots, the limit is the same or higher."""
            limit = self.band(ceil_div(used, slot) * slot, view).most
            return ALWAYS_CALM.high if limit is None else limit

        counts = range(total + 1)
        low = bisect_left(counts, total - view.unit + 1, key=most)
        high = bisect_right(counts, total, key=lambda used: self.band(used, view).least) - 1
        return Calm(low, high if view.has_room else ALWAYS_CALM.high)


@attrs.frozen
class CiliumEniPolicy(BandPolicy):
    """Cilium's ENI mode (cilium/cilium: pkg/ipam/node.go, needed and excess IPs; its documentation: "AWS ENI").

    - Needed: `pre_allocate` free addresses, and `min_allocate` in total, but no more than `max_allocate`. If any are needed, Cilium asks
      for `max_above_watermark` more. In prefix mode the number is rounded up to whole prefixes.
    - Excess: what exceeds used + `pre_allocate` + `max_above_watermark`. If used + `pre_allocate` ≤ `min_allocate` + `max_above_watermark`,
      the excess is instead what exceeds `min_allocate` + `max_above_watermark` (a rule of newer releases). A prefix with one address in use
      counts as 16 used. The excess is released after 180 s, if `release_excess_ips` is on. The formula in Cilium's documentation subtracts
      `min_allocate` instead of `pre_allocate`. With it, a pool could have an excess and a need at once; this class follows the source.
    - ENIs are never freed.

    Not modelled: extra addresses for pods that are already pending (Cilium's surge), and single addresses if a subnet has no /28 left.
    Cilium waits 180 s for each single address and releases those of one ENI at a time; here the pool must have a surplus for 180 s.

    Attributes:
        pre_allocate: free addresses to keep, 1 or more (spec.ipam.pre-allocate).
        min_allocate: the fewest addresses to have in total (spec.ipam.min-allocate).
        max_allocate: with this many addresses or more, none are needed (spec.ipam.max-allocate); 0 for no limit but the instance's.
        max_above_watermark: extra addresses to request, so that requests are rarer (spec.ipam.max-above-watermark).
        release_excess_ips: release the excess (--aws-release-excess-ips); Cilium's default is off.
        release_delay_s: how long an excess must last before it is released (--excess-ip-release-delay).
    """

    counts_whole_slots: ClassVar[bool] = True
    frees_enis: ClassVar[bool] = False
    name: ClassVar[str] = "cilium-eni"

    pre_allocate: int = attrs.field(default=8, validator=integer_field(1))
    min_allocate: int = attrs.field(default=0, validator=integer_field(0))
    max_allocate: int = attrs.field(default=0, validator=integer_field(0))
    max_above_watermark: int = attrs.field(default=0, validator=integer_field(0))
    release_excess_ips: bool = attrs.field(default=True, validator=boolean_field())
    release_delay_s: int = attrs.field(default=180, validator=integer_field(0))

    @property
    def release_delay_ns(self) -> int:
        """How long a surplus must last before it is released."""
        return self.release_delay_s * NS_PER_S

    def band(self, used: int, view: PoolView) -> Band:
        """How many addresses the pool may have with `used` in use."""
        del view
        least = max(used + self.pre_allocate, self.min_allocate)
        if self.max_allocate:
            least = min(least, self.max_allocate)
        first, wanted = self.min_allocate + self.max_above_watermark, used + self.pre_allocate
        most = first if wanted <= first else wanted + self.max_above_watermark
        return Band(least, least + self.max_above_watermark, most if self.release_excess_ips else None)


@attrs.frozen
class AzureCnsPolicy(BandPolicy):
    """The target of Azure CNS (Azure/azure-container-networking: cns/ipampool/v2/monitor.go, the target IP count).

    The target is batch × ⌈buffer + used / batch⌉, but at most `max_ips`. Below `max_ips`, it leaves buffer × batch addresses free, or up to
    one batch more. A pool follows its target up and down, in whole slots. ENIs without addresses are freed; Azure has no ENIs.

    Not modelled: Azure CNS counts pods that wait for an address as used, and it uses a batch of 1 and a buffer of 1 in a subnet that the
    control plane calls exhausted. Older monitors released addresses at a percentage (150 %) that current releases no longer use.

    Attributes:
        batch: addresses to request at a time, 1 or more (batchSize).
        buffer_percent: the part of a batch to keep free, in percent (requestThresholdPercent), 1 or more. With 0 the first pod would
            wait forever, because here a pod counts only once it has an address.
        max_ips: the most addresses of a node, 1 or more.
    """

    name: ClassVar[str] = "azure-cns"

    batch: int = attrs.field(default=16, validator=integer_field(1))
    buffer_percent: int = attrs.field(default=50, validator=integer_field(1))
    max_ips: int = attrs.field(default=250, validator=integer_field(1))

    def band(self, used: int, view: PoolView) -> Band:
        """The target, as all three numbers."""
        del view
        target = min(self.max_ips, self.batch * ceil_div(self.buffer_percent * self.batch + 100 * used, 100 * self.batch))
        return Band(target, target, target)


@attrs.frozen
class HysteresisPolicy(BandPolicy):
    """Keep between `minimum` and `maximum` free addresses, and do nothing in between.

    A pool with too few grows to halfway between the two: equally many pods can then start or stop before the next EC2 call. If it grew only
    to `minimum`, each further pod would need a call; if it grew to `maximum`, each pod that stops would need one. A pool with too many
    releases what exceeds `maximum`. ENIs without addresses are freed. As with ipamd, a pool never grows beyond `max_pods`, except to fill
    its last prefix.

    Attributes:
        minimum: the fewest free addresses, 0 or more; with 0, the pool still grows if none is free.
        maximum: the most free addresses, more than `minimum`.
    """

    name: ClassVar[str] = "hysteresis"

    minimum: int = attrs.field(default=4, validator=integer_field(0))
    maximum: int = attrs.field(default=16, validator=integer_field(1))

    @maximum.validator
    def _check_maximum(self, _: object, value: int) -> None:
        if value <= self.minimum:
            raise InvalidArgument(f"maximum must be more than minimum, {self.minimum}, not {value}")

    def band(self, used: int, view: PoolView) -> Band:
        """How many addresses the pool may have with `used` in use."""
        least = min(used + max(1, self.minimum), view.max_pods)
        goal = max(least, min(used + (self.minimum + self.maximum) // 2, view.max_pods))
        return Band(least, goal, used + self.maximum)


POLICIES: Mapping[str, Callable[..., WarmPolicy]] = MappingProxyType(
    {policy.name: policy for policy in (IpamdPolicy, CiliumEniPolicy, AzureCnsPolicy, HysteresisPolicy)}
)
"""All policies by name."""


def policy_named(name: str, **options: int) -> WarmPolicy:
    """Make a policy.

    Args:
        name: one of `POLICIES`.
        options: attributes of its class, to replace the defaults.

    Raises:
        InvalidArgument: there is no such policy or option, or an option has an invalid value.

    >>> policy_named("azure-cns", batch=8)
    AzureCnsPolicy(batch=8, buffer_percent=50, max_ips=250)
    """
    if name not in POLICIES:
        raise InvalidArgument(f"there is no warm-pool policy {name!r}; there are {', '.join(POLICIES)}")
    make = POLICIES[name]
    known = tuple(inspect.signature(make).parameters)
    for option in options:
        if option not in known:
            raise InvalidArgument(f"policy {name} has no option {option!r}; it has {', '.join(known) or 'none'}")
    try:
        return make(**options)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(f"policy {name}: {error}") from None
