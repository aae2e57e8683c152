"""The warm pool: how many addresses a node should keep, what to add or release to reach that number, and why.

Pure functions from a `PoolView` and `Settings` to decisions, which the node carries out. The rules are ipamd's; a `WarmPolicy` can
replace them (docs/ipamd.md, "Warm targets"). A *slot* is one place on an ENI: one address in secondary-IP mode, 16 in prefix mode.
"""

from typing import ClassVar, Protocol

import attrs

from vpcipam._units import NS_PER_S, ceil_div, counted, seconds_text
from vpcipam.address import AddressMode
from vpcipam.settings import Settings
from vpcipam.stats import EniStats, PoolStats

DECREASE_INTERVAL_NS = 30 * NS_PER_S
"""A pool shrinks at most once within this time."""
OUT_OF_ADDRESSES_PAUSE_NS = 120 * NS_PER_S
"""A pool does not grow for this long after EC2 said that the subnet is out of addresses or /28s."""
MINIMUM_ENI_LIFETIME_NS = 60 * NS_PER_S
"""An ENI younger than this is never freed."""


@attrs.frozen
class PoolView:
    """The state of one network card: the input of a decision.

    Attributes:
        slots_per_eni: the IPv4 addresses that an ENI can have, without its primary one.
        eni_limit: the most ENIs on the card, as far as ipamd knows: the type's limit on the default card, or MAX_ENI if that is lower.
        unmanaged_eni_count: ENIs on the card that ipamd doesn't manage; they count against the limit.
        trunk_expected: security groups for pods are on, the type takes a trunk ENI, and none is attached yet, so room is kept for it.
        custom_networking: pods use another subnet than the node, so the primary ENI has no pods.
        max_pods: the kubelet's limit; a pool with that many addresses or more never grows.
        enis: ascending by device number.
        cooldown_aware: cooling addresses don't count as available.
        hold_cooling_cidrs: a CIDR where an address cools is not released.
        network_card: the card's index.
    """

    mode: AddressMode
    slots_per_eni: int
    eni_limit: int
    unmanaged_eni_count: int
    trunk_expected: bool
    custom_networking: bool
    max_pods: int
    stats: PoolStats
    enis: tuple[EniStats, ...]
    cooldown_aware: bool = False
    hold_cooling_cidrs: bool = False
    network_card: int = 0

    @property
    def out_of_use_count(self) -> int:
        """The addresses that warm targets count as taken: those of sandboxes and, with `cooldown_aware`, cooling ones."""
        return self.stats.assigned_count + (self.stats.cooling_count if self.cooldown_aware else 0)

    @property
    def available_count(self) -> int:
        """The addresses that warm targets count as available."""
        return self.stats.total_count - self.out_of_use_count

    def available_on(self, eni: EniStats) -> int:
        """The addresses of one ENI that warm targets count as available."""
        return eni.total_count - eni.assigned_count - (eni.cooling_count if self.cooldown_aware else 0)

    @property
    def unit(self) -> int:
        """Addresses per slot."""
        return self.mode.addresses_per_slot

    @property
    def eni_room(self) -> int:
        """How many more ENIs the card can have, 0 or more."""
        return max(0, self.eni_limit - self.unmanaged_eni_count - self.trunk_expected - len(self.enis))

    @property
    def trunk_takes_eni(self) -> bool:
        """Tell whether one of the ENIs that the card can have is the trunk, or is kept for it."""
        return self.trunk_has_room or any(eni.trunk for eni in self.enis)

    @property
    def trunk_has_room(self) -> bool:
        """Tell whether the trunk is expected, and ipamd sees room to attach it; in IPv6 mode it doesn't look at the ENI limit."""
        has_room = self.mode is AddressMode.IPV6 or len(self.enis) < self.eni_limit - self.unmanaged_eni_count
        return self.trunk_expected and has_room

    @property
    def pod_eni_limit(self) -> int:
        """The most ENIs with addresses for pods: those that are attached, and those that there is room for."""
        return self.eni_room + sum(self.takes_slots(eni) for eni in self.enis)

    @property
    def has_room(self) -> bool:
        """Tell whether the pool can grow: there is a free slot, or room for an ENI."""
        return self.eni_room > 0 or any(self.takes_slots(eni) and eni.slot_count < self.slots_per_eni for eni in self.enis)

    def takes_slots(self, eni: EniStats) -> bool:
        """Tell whether the slots of an ENI are filled for pods."""
        return not (eni.trunk or eni.excluded or (self.custom_networking and eni.primary))


@attrs.frozen
class TargetState:
    """How many slots the pool is below (`short`) and above (`over`) its IP targets. In secondary-IP mode, at least one of them is 0.

    In prefix mode on a card above 0, both are addresses that are taken for prefixes, as in ipamd.
    """

    short: int
    over: int


@attrs.frozen
class SlotRequest:
    """A number of slots of one ENI, to fill or to empty."""

    eni_id: str
    slot_count: int


@attrs.frozen
class Grow:
    """Add addresses: fill the first of `requests` that EC2 grants, or else create an ENI if `new_eni_slots` is above 0.

    Attributes:
        requests: ENIs with free slots, ascending by device number.
        new_eni_slots: slots to fill on a new ENI, 0 if the card has no room for one.
        reason: why the pool needs more.
    """

    requests: tuple[SlotRequest, ...]
    new_eni_slots: int
    reason: str

    @property
    def blocked(self) -> bool:
        """Tell whether the instance has no room to grow."""
        return not self.requests and not self.new_eni_slots


@attrs.frozen
class Shrink:
    """Release CIDRs without pods: `requests` has their number for each ENI, the highest device number first.

    Attributes:
        cooled_only: leave out the CIDRs where an address cools.
    """

    requests: tuple[SlotRequest, ...]
    reason: str
    cooled_only: bool = False


@attrs.frozen
class FreeEni:
    """Detach and delete an ENI."""

    eni_id: str
    reason: str


@attrs.frozen
class Calm:
    """The range of assigned counts in which no pool check changes the pool, no matter which addresses are assigned or cooling.

    Attributes:
        low: inclusive.
        high: inclusive; below `low` if there is no such range.
    """

    low: int
    high: int

    def __contains__(self, assigned_count: int) -> bool:
        """Tell whether a count is in the range."""
        return self.low <= assigned_count <= self.high


ALWAYS_CALM, NEVER_CALM = Calm(0, 1 << 62), Calm(0, -1)


class WarmPolicy(Protocol):
    """How a node sizes its pool. Implementations have no state.

    At each pool check a node calls `grow`, `shrink` if `grow` returned None, and `free_eni`. The time may change a decision only when a
    cooldown ends, an ENI is a minute old or a surplus has lasted `release_delay_ns`: between these a node does not ask again.
    """

    @property
    def name(self) -> str:
        """Its name in scenarios and tables."""
        ...

    @property
    def release_delay_ns(self) -> int:
        """How long a surplus must last before it is released, in nanoseconds; 0 to release at once."""
        ...

    def grow(self, view: PoolView, settings: Settings) -> Grow | None:
        """Decide what to add, None for nothing."""
        ...

    def shrink(self, view: PoolView, settings: Settings) -> Shrink | None:
        """Decide how many CIDRs of each ENI to release; None to release none."""
        ...

    def free_eni(self, view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
        """Decide which ENI to free, None for none. A node asks only if an ENI besides the primary one has no pods."""
        ...

    def calm(self, view: PoolView, settings: Settings) -> Calm:
        """The range of assigned counts in which the three methods above do nothing, as long as ENIs and CIDRs don't change.

        It may depend on the ENIs and on how many CIDRs of each kind they have, not on sandboxes and cooldowns: a node remembers the range.
        A `blocked` `Grow` counts as doing nothing. The range may be too narrow, but never too wide: a node skips its pool checks within it.
        """
        ...


# --- the state of the pool -----------------------------------------------------------------------------------------------------


def target_state(view: PoolView, settings: Settings) -> TargetState | None:
    """Compare the pool with the IP targets; None if neither is set (ipamd: datastoreTargetState)."""
    return TargetState(*_short_and_over(view, settings)) if settings.ip_targets_defined else None


def _short_and_over(view: PoolView, settings: Settings) -> tuple[int, int]:
    """The two counts of `TargetState`, if an IP target is set."""
    stats, unit, used = view.stats, view.mode.addresses_per_slot, view.out_of_use_count
    above = stats.total_count - max(used + settings.warm_ip_target, settings.minimum_ip_target)
    short, over = (0, above) if above > 0 else (-above, 0)
    if unit == 1 or not _counts_slots(view):
        return short, over
    needed = max(ceil_div(used + settings.warm_ip_target, unit), ceil_div(settings.minimum_ip_target, unit))
    return ceil_div(short, unit), max(0, min(stats.free_prefix_count, stats.prefix_count - needed))


def too_low(view: PoolView, settings: Settings) -> str | None:
    """Why the pool needs more addresses, None if it doesn't (ipamd: isDatastorePoolTooLow)."""
    lack = _lack(view, settings)
    return None if lack is None else lack[1]


def _lack(view: PoolView, settings: Settings) -> tuple[int, str] | None:
    """The number of slots to request at once (ipamd: tryAssignIPs, getPrefixesNeeded), and why; None if there are enough addresses."""
    total = view.stats.total_count
    if view.mode is AddressMode.IPV6 or total >= view.max_pods:
        return None
    if settings.ip_targets_defined:
        short, _ = _short_and_over(view, settings)
        return (short, _shortage(view, settings, short)) if short else None
    name, target, unit = _warm_target(view, settings)
    available = view.available_count
    if available < target * unit:
        reason = f"available {available} < {name} {target} × {counted(unit, 'address', 'addresses')}"
    elif target == 0 and available == 0:
        reason = f"available 0, though {name} is 0"
    else:
        return None
    return max(1, target - view.stats.free_prefix_count) if view.mode is AddressMode.PREFIX else view.slots_per_eni, reason


def too_high(view: PoolView, settings: Settings) -> tuple[int, str] | None:
    """The number of surplus slots and the reason; None if there is no surplus (ipamd: isDatastorePoolTooHigh)."""
    if view.mode is AddressMode.IPV6:
        return None
    stats = view.stats
    if settings.ip_targets_defined:
        _, over = _short_and_over(view, settings)
        return (over, _surplus(view, settings, over)) if over else None
    over = stats.free_prefix_count - settings.warm_prefix_target
    if view.mode is AddressMode.PREFIX and over > 0:
        return over, f"free prefixes {stats.free_prefix_count} > WARM_PREFIX_TARGET {settings.warm_prefix_target}: {over} over"
    return None


# --- what to do about it -------------------------------------------------------------------------------------------------------


def grow(view: PoolView, settings: Settings) -> Grow | None:
    """Decide what to add, None for nothing."""
    lack = _lack(view, settings)
    return None if lack is None else request_slots(view, *lack)


def request_slots(view: PoolView, slot_count: int, reason: str) -> Grow:
    """Ask for slots on the ENIs that have free ones, or else on a new ENI."""
    most = view.slots_per_eni
    requests = [
        SlotRequest(eni.eni_id, min(most - eni.slot_count, slot_count))
        for eni in view.enis
        if eni.slot_count < most and view.takes_slots(eni)
    ]
    return Grow(tuple(requests), min(slot_count, most) if view.eni_room else 0, reason)


def shrink(view: PoolView, settings: Settings) -> Shrink | None:
    """Decide how many CIDRs of each ENI to release; None to release none.

    CIDRs that give no new addresses (of the other mode, or on an excluded ENI) are always released once they are empty and nothing on them
    cools. ipamd releases CIDRs of the other mode when it starts and when a pod goes, and drops an excluded ENI's only from its datastore.
    """
    over, reason = too_high(view, settings) or (0, "")
    return release_slots(view, over, reason)


def release_slots(view: PoolView, slot_count: int, reason: str) -> Shrink | None:
    """Release up to `slot_count` CIDRs without pods, and all that give no new addresses and where nothing cools; None if there are none."""
    over, hold = slot_count, view.hold_cooling_cidrs
    requests = []
    for eni in reversed(view.enis):
        if not (over or eni.stale_cidr_count):
            continue
        idle = min(over, eni.idle_cidr_count - (eni.cooling_idle_cidr_count if hold else 0))
        count = idle + eni.stale_cidr_count - eni.cooling_stale_cidr_count
        over -= idle
        if count:
            requests.append(SlotRequest(eni.eni_id, count))
    if not requests:
        return None
    why = reason or "these CIDRs give no new addresses: of the other mode, or on an excluded ENI"
    return Shrink(tuple(requests), why, cooled_only=hold)


def free_eni(view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
    """Decide which ENI to free, the highest device number first; None for none (ipamd: tryFreeENI)."""
    reason = _spare_eni(view, settings)
    if reason is None:
        return None
    for eni in reversed(view.enis):
        if why_kept(eni, view, settings, now_ns) is None:
            return FreeEni(eni.eni_id, reason)
    return None


def why_kept(eni: EniStats, view: PoolView, settings: Settings, now_ns: int) -> str | None:
    """Why an ENI must be kept, None if it may be freed (ipamd: getDeletableENI).

    Excluded ENIs don't count among the others, and a /32 without a pod counts as a free prefix (ipamd: isRequiredForWarmPrefixTarget).
    """
    why = obstacle(eni, now_ns)
    if why is not None:
        return why
    others = [other for other in view.enis if other is not eni and not other.excluded]
    warm = sum(view.available_on(other) for other in others)
    total = sum(other.total_count for other in others)
    free_prefixes = sum(other.idle_cidr_count + other.stale_cidr_count for other in others)
    if warm < _whole_slots(settings.warm_ip_target, view):
        return f"without it {counted(warm, 'address', 'addresses')} would be free, and WARM_IP_TARGET is {settings.warm_ip_target}"
    if total < _whole_slots(settings.minimum_ip_target, view):
        return f"without it there would be {counted(total, 'address', 'addresses')}, and MINIMUM_IP_TARGET is {settings.minimum_ip_target}"
    if view.mode is AddressMode.PREFIX and free_prefixes < settings.warm_prefix_target:
        return f"without it {_prefixes(free_prefixes)} would be free, and WARM_PREFIX_TARGET is {settings.warm_prefix_target}"
    return None


def obstacle(eni: EniStats, now_ns: int) -> str | None:
    """Why an ENI must be kept now, regardless of the targets; None if it may be freed (docs/ipamd.md, "Freeing ENIs")."""
    if eni.primary:
        return "it is the primary ENI"
    if eni.trunk:
        return "it is the trunk ENI"
    if eni.efa:
        return "it is an EFA interface"
    if eni.pod_count:
        return f"{counted(eni.pod_count, 'pod has', 'pods have')} addresses on it"
    if eni.cooling_until_ns is not None and eni.cooling_until_ns > now_ns:
        return f"an address on it cools for another {seconds_text(eni.cooling_until_ns - now_ns)} s"
    if now_ns - eni.added_ns < MINIMUM_ENI_LIFETIME_NS:
        return f"it is younger than {MINIMUM_ENI_LIFETIME_NS // NS_PER_S} s"
    return None


# --- when there is nothing to do -----------------------------------------------------------------------------------------------


def calm(view: PoolView, settings: Settings) -> Calm:
    """The range of assigned counts in which ipamd's rules do nothing; see `WarmPolicy.calm`."""
    if view.mode is AddressMode.IPV6:
        return ALWAYS_CALM
    if not depends_on_counts(view):
        return NEVER_CALM
    total = view.stats.total_count
    least_free, most_free = _free_at_rest(view, settings)
    low = 0 if most_free is None else total - most_free
    can_grow = total < view.max_pods and view.has_room
    return Calm(low, total - least_free if can_grow else ALWAYS_CALM.high)


def depends_on_counts(view: PoolView, *, frees_empty_enis: bool = True) -> bool:
    """Tell whether decisions depend only on counts.

    They do if cooldowns don't matter, all free addresses can be assigned, and no ENI without addresses can be freed.
    """
    return not view.cooldown_aware and all(
        not (eni.excluded or eni.stale_cidr_count or eni.pod_count != eni.assigned_count)
        and (eni.total_count or not (frees_empty_enis and _is_freeable(eni)))
        for eni in view.enis
    )


def _free_at_rest(view: PoolView, settings: Settings) -> tuple[int, int | None]:
    """The fewest free addresses that prevent growth, and the most that prevent shrinking or freeing an ENI; None if nothing shrinks."""
    total, unit = view.stats.total_count, view.unit
    if settings.ip_targets_defined:
        least = settings.warm_ip_target if total >= settings.minimum_ip_target else total + 1
        if not _counts_slots(view):
            return least, unit - 1  # with more, a whole prefix may be free, and it is released
        # Up to the minimum, rounded up to whole slots, nothing is released. Above it, free slots beyond WARM_IP_TARGET are released.
        if total <= _whole_slots(settings.minimum_ip_target, view):
            return least, None
        return least, settings.warm_ip_target + unit - 1
    _, target, target_unit = _warm_target(view, settings)
    least = max(1, target * target_unit)
    spare = [eni.total_count for eni in view.enis if _is_freeable(eni)]
    if view.mode is AddressMode.PREFIX:
        # With at most this many free addresses, no prefix beyond the target is free, and every secondary ENI has pods.
        return least, min([(target + 1) * unit, *spare]) - 1
    return least, (target + 1) * target_unit - 1 if spare else None


def _is_freeable(eni: EniStats) -> bool:
    return not (eni.primary or eni.trunk or eni.efa)


# --- helpers -------------------------------------------------------------------------------------------------------------------


def _whole_slots(addresses: int, view: PoolView) -> int:
    return ceil_div(addresses, view.unit) * view.unit


def _counts_slots(view: PoolView) -> bool:
    """Tell whether IP targets are counted in whole slots. In prefix mode on cards above 0 they are not (ipamd: datastoreTargetState)."""
    return view.mode is not AddressMode.PREFIX or view.network_card == 0


def _warm_target(view: PoolView, settings: Settings) -> tuple[str, int, int]:
    """The target that applies if no IP target is set: its name, its value, and the addresses in one unit of it."""
    if view.mode is AddressMode.PREFIX:
        return "WARM_PREFIX_TARGET", settings.warm_prefix_target, view.unit
    return "WARM_ENI_TARGET", settings.warm_eni_target, view.slots_per_eni


def _shortage(view: PoolView, settings: Settings, short: int) -> str:
    available, total = view.available_count, view.stats.total_count
    by_warm, by_minimum = settings.warm_ip_target - available, settings.minimum_ip_target - total
    if by_warm >= by_minimum:
        text = f"available {available} < WARM_IP_TARGET {settings.warm_ip_target}: {by_warm} short"
    else:
        text = f"total {total} < MINIMUM_IP_TARGET {settings.minimum_ip_target}: {by_minimum} short"
    return text if view.unit == 1 or not _counts_slots(view) else f"{text}, {_prefixes(short)}"


def _surplus(view: PoolView, settings: Settings, over: int) -> str:
    stats = view.stats
    above = f"available {view.available_count}, WARM_IP_TARGET {settings.warm_ip_target}"
    if settings.minimum_ip_target:
        above += f", total {stats.total_count}, MINIMUM_IP_TARGET {settings.minimum_ip_target}"
    if not _counts_slots(view):
        return f"{above}: {over} addresses over, which ipamd takes for prefixes on this card"
    return f"{above}: {over if view.unit == 1 else _prefixes(over)} over"


def _prefixes(count: int) -> str:
    return counted(count, "prefix", "prefixes")


def _spare_eni(view: PoolView, settings: Settings) -> str | None:
    """Why the pool may have an ENI to spare, None if it has none (ipamd: shouldRemoveExtraENIs)."""
    if view.mode is AddressMode.IPV6:
        return None
    if settings.ip_targets_defined:
        return "the other ENIs meet the IP targets without it"
    name, target, _ = _warm_target(view, settings)
    enough = (target + 1) * view.slots_per_eni * view.unit
    if view.available_count >= enough:
        return f"available {view.available_count} ≥ ({name} {target} + 1) × {view.slots_per_eni * view.unit} addresses per ENI"
    if view.mode is AddressMode.PREFIX and any(_is_freeable(eni) and not eni.pod_count for eni in view.enis):
        return "no pod has an address on it"
    return None


# --- ipamd's rules as a policy -------------------------------------------------------------------------------------------------


@attrs.frozen
class IpamdPolicy:
    """ipamd's own rules: the functions of this module."""

    name: ClassVar[str] = "ipamd"
    release_delay_ns: ClassVar[int] = 0

    grow = staticmethod(grow)
    shrink = staticmethod(shrink)
    free_eni = staticmethod(free_eni)
    calm = staticmethod(calm)
