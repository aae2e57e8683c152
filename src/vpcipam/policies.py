"""Other rules than ipamd's for how many addresses a node keeps: those of Cilium's ENI mode and of Azure CNS, and a hysteresis band.

Each says, for a number of addresses in use, with how few a pool grows and with how many it shrinks. How a pool does so is ipamd's way in
all of them: a look every 5 s, one wish at a time, the same ENIs asked in the same order, a pause of 120 s when a subnet is out of
addresses, at most one shrinking in 30 s. MAX_ENI, the trunk, custom networking and excluded ENIs count as they do there, the warm targets
do not. Cilium's operator and Azure's control plane act for many nodes from one place and at other times, so what is compared here is how
pools are sized, not how quickly. docs/policies.md sets the rules side by side.
"""

import abc
import inspect
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import attrs

from vpcipam._arguments import require_boolean, require_integer
from vpcipam._units import NS_PER_S
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
    ask_for,
    ceil_div,
    counts_say_all,
    give_back,
    obstacle,
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
    """A policy that follows a band: what it decides follows from how many addresses there may be.

    Attributes:
        counts_whole_slots: where a surplus is looked at, a prefix in which one address is in use counts as 16 in use.
        frees_enis: an ENI without an address left is freed.
    """

    counts_whole_slots: ClassVar[bool] = False
    frees_enis: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What it is called in scenarios and tables."""

    @abc.abstractmethod
    def band(self, used: int, view: PoolView) -> Band:
        """Say how many addresses the pool may have while so many are in use.

        No number falls as `used` rises, and `least` is no more than `most`: a pool that has shrunk does not want to grow.
        """

    @property
    def release_delay_ns(self) -> int:
        """0: a surplus is given back at once."""
        return 0

    def grow(self, view: PoolView, settings: Settings) -> Grow | None:
        """Ask for `goal` addresses if there are fewer than `least`."""
        del settings
        if view.mode is AddressMode.IPV6:
            return None
        used, total = view.out_of_use_count, view.stats.total_count
        least, goal, _ = self.band(used, view)
        if total >= least:
            return None
        return ask_for(view, ceil_div(goal - total, view.unit), f"{total} addresses < {least} wanted with {used} in use")

    def shrink(self, view: PoolView, settings: Settings) -> Shrink | None:
        """Give back what is above `most`, in whole slots."""
        del settings
        if view.mode is AddressMode.IPV6:
            return None
        used, total = self._used_for_good(view), view.stats.total_count
        most = self.band(used, view).most
        over = 0 if most is None else max(0, total - most) // view.unit
        beside = "" if used == view.out_of_use_count else ", prefixes counted as a whole"
        return give_back(view, over, f"{total} addresses > {most} wanted with {used} in use{beside}" if over else "")

    def _used_for_good(self, view: PoolView) -> int:
        """Count the addresses that can't be given back for being in use, or for lying beside one that is, where those count."""
        if not self.counts_whole_slots:
            return view.out_of_use_count
        idle = view.unit * sum(eni.idle_cidr_count for eni in view.enis)
        return max(view.out_of_use_count, view.stats.total_count - idle)

    def free_eni(self, view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
        """Free the last ENI on which no address is left."""
        del settings
        for eni in reversed(view.enis) if self.frees_enis else ():
            if not eni.slot_count and obstacle(eni, now_ns) is None:
                return FreeEni(eni.eni_id, "no address is left on it")
        return None

    def calm(self, view: PoolView, settings: Settings) -> Calm:
        """Find where the band has room for what the pool has. It rises with what is in use, so a search by halves finds both ends."""
        del settings
        if view.mode is AddressMode.IPV6:
            return ALWAYS_CALM
        if not counts_say_all(view, frees_bare_enis=self.frees_enis):
            return NEVER_CALM
        total, slot = view.stats.total_count, view.unit if self.counts_whole_slots else 1

        def most(used: int) -> int:
            """What it may have at least: with its pods in as few slots as can be."""
            limit = self.band(ceil_div(used, slot) * slot, view).most
            return ALWAYS_CALM.high if limit is None else limit

        counts = range(total + 1)
        low = bisect_left(counts, total - view.unit + 1, key=most)
        high = bisect_right(counts, total, key=lambda used: self.band(used, view).least) - 1
        return Calm(low, high if view.has_room else ALWAYS_CALM.high)


def _whole(minimum: int) -> Callable[[object, "attrs.Attribute[int]", object], None]:
    """Make a validator: a plain int of `minimum` or more."""
    return lambda _, attribute, value: require_integer(attribute.name, value, minimum)


def _flag(_: object, attribute: "attrs.Attribute[bool]", value: object) -> None:
    require_boolean(attribute.name, value)


@attrs.frozen
class CiliumEniPolicy(BandPolicy):
    """Cilium's ENI mode (cilium/cilium: pkg/ipam/node.go, needed and excess IPs; its documentation: "AWS ENI").

    - Needed: `pre_allocate` free addresses, and `min_allocate` in all, but no more than `max_allocate`. Where some are needed,
      `max_above_watermark` more are asked for; in prefix mode all is rounded up to whole prefixes.
    - In excess: what is above used + `pre_allocate` + `max_above_watermark`; but as long as used + `pre_allocate` is no more than
      `min_allocate` + `max_above_watermark`, what is above the latter (a rule of newer releases). A prefix with one address in use counts
      as 16 used. It is given back after 180 s, if `release_excess_ips` is on. The formula that the documentation prints subtracts
      `min_allocate` in the place of `pre_allocate`, so that a pool could be in excess and in need at once; the source has it as it is here.
    - ENIs are never freed.

    What is left out: more for pods that are pending already (Cilium's surge), single addresses where a subnet has no /28 left. Cilium waits
    180 s for each single address and gives back those of one ENI at a time; here the pool must have had a surplus for 180 s.

    Attributes:
        pre_allocate: free addresses to keep, 1 or more (spec.ipam.pre-allocate).
        min_allocate: addresses to have in any case (spec.ipam.min-allocate).
        max_allocate: with so many addresses none is needed (spec.ipam.max-allocate); 0 for as many as the instance takes.
        max_above_watermark: addresses to ask for beyond what is needed, so as to ask more rarely (spec.ipam.max-above-watermark).
        release_excess_ips: give back what is in excess (--aws-release-excess-ips); off in Cilium unless it is told to.
        release_delay_s: how long there must be an excess before it is given back (--excess-ip-release-delay).
    """

    counts_whole_slots: ClassVar[bool] = True
    frees_enis: ClassVar[bool] = False

    pre_allocate: int = attrs.field(default=8, validator=_whole(1))
    min_allocate: int = attrs.field(default=0, validator=_whole(0))
    max_allocate: int = attrs.field(default=0, validator=_whole(0))
    max_above_watermark: int = attrs.field(default=0, validator=_whole(0))
    release_excess_ips: bool = attrs.field(default=True, validator=_flag)
    release_delay_s: int = attrs.field(default=180, validator=_whole(0))

    @property
    def name(self) -> str:
        """What it is called in scenarios and tables."""
        return "cilium-eni"

    @property
    def release_delay_ns(self) -> int:
        """How long a surplus lasts before it is given back."""
        return self.release_delay_s * NS_PER_S

    def band(self, used: int, view: PoolView) -> Band:
        """Say how many addresses the pool may have."""
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

    It is batch × ⌈buffer + used / batch⌉, no more than `max_ips`: from buffer × batch to almost a batch more are free. A pool follows its
    target both ways, in whole slots. ENIs without an address left are freed; Azure has no such thing.

    What is left out: pods that are on the node and have no address yet count as used there; a subnet that the control plane calls exhausted
    has a batch of 1 and a buffer of 1. The percentage at which older monitors released (150 %) plays no part any more.

    Attributes:
        batch: addresses that are asked for at a time, 1 or more (batchSize).
        buffer_percent: the part of a batch that is kept free, in percent (requestThresholdPercent). 1 or more: with 0, the first pod would
            wait for ever, since it does not count here before it has an address.
        max_ips: the most addresses of a node, 1 or more.
    """

    batch: int = attrs.field(default=16, validator=_whole(1))
    buffer_percent: int = attrs.field(default=50, validator=_whole(1))
    max_ips: int = attrs.field(default=250, validator=_whole(1))

    @property
    def name(self) -> str:
        """What it is called in scenarios and tables."""
        return "azure-cns"

    def band(self, used: int, view: PoolView) -> Band:
        """Say how many addresses the pool may have: the target alone."""
        del view
        target = min(self.max_ips, self.batch * ceil_div(self.buffer_percent * self.batch + 100 * used, 100 * self.batch))
        return Band(target, target, target)


@attrs.frozen
class HysteresisPolicy(BandPolicy):
    """Keep between `minimum` and `maximum` free addresses, and do nothing in between.

    A pool that has too few asks for half-way between the two, so that as many pods can come as go before EC2 is asked again; asking for
    `minimum` alone would mean a call for each further pod, asking for `maximum` a release for each that goes. One that has too many gives
    back what is above `maximum`. ENIs without an address left are freed. As with ipamd, a pool never grows beyond `max_pods`, unless to
    fill its last prefix.

    Attributes:
        minimum: free addresses to have, 0 or more; where none is free, one is asked for even so.
        maximum: free addresses to have at most, more than `minimum`.
    """

    minimum: int = attrs.field(default=4, validator=_whole(0))
    maximum: int = attrs.field(default=16, validator=_whole(1))

    @maximum.validator
    def _check_maximum(self, _: object, value: int) -> None:
        if value <= self.minimum:
            raise InvalidArgument(f"maximum must be more than minimum, {self.minimum}, not {value}")

    @property
    def name(self) -> str:
        """What it is called in scenarios and tables."""
        return "hysteresis"

    def band(self, used: int, view: PoolView) -> Band:
        """Say how many addresses the pool may have."""
        least = min(used + max(1, self.minimum), view.max_pods)
        goal = max(least, min(used + (self.minimum + self.maximum) // 2, view.max_pods))
        return Band(least, goal, used + self.maximum)


POLICIES: Mapping[str, Callable[..., WarmPolicy]] = MappingProxyType(
    {
        "ipamd": IpamdPolicy,
        "cilium-eni": CiliumEniPolicy,
        "azure-cns": AzureCnsPolicy,
        "hysteresis": HysteresisPolicy,
    }
)
"""All policies by name."""


def policy_named(name: str, **options: int) -> WarmPolicy:
    """Make a policy.

    Args:
        name: one of `POLICIES`.
        options: the attributes of its class that are not to have their defaults.

    Raises:
        InvalidArgument: there is none of that name, it has no such option, or the option can't be that.

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
