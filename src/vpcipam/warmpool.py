"""The warm pool: how many addresses a node should keep, what to add or give back for it, and why.

Pure functions from what is (`PoolView`) and what is wanted (`Settings`) to decisions; carrying them out is the node's job. The rules are
ipamd's (reference, section 5); `WarmPolicy` is what a node asks, so that it can be run by other rules too. A *slot* is one place on an ENI:
one address in secondary-IP mode, 16 in prefix mode.
"""

from typing import Protocol

import attrs

from vpcipam._units import NS_PER_S, seconds_text
from vpcipam.address import AddressMode
from vpcipam.settings import Settings
from vpcipam.stats import EniStats, PoolStats

DECREASE_INTERVAL_NS = 30 * NS_PER_S
"""A pool shrinks at most once in this time."""
OUT_OF_ADDRESSES_PAUSE_NS = 120 * NS_PER_S
"""A pool does not grow for this long after EC2 said that the subnet has no more addresses or /28s."""
MINIMUM_ENI_LIFETIME_NS = 60 * NS_PER_S
"""An ENI younger than this is never freed."""


@attrs.frozen
class PoolView:
    """What a decision sees of one network card.

    Attributes:
        slots_per_eni: IPv4 addresses per interface - 1.
        eni_limit: ENIs that the card may have: the type's limit, or MAX_ENI where that is lower.
        unmanaged_eni_count: ENIs on the card that ipamd leaves alone; they take room.
        trunk_expected: security groups for pods are on and the trunk ENI is not attached yet, so room is kept for it.
        custom_networking: pods use another subnet than the node, so the primary ENI carries none.
        max_pods: the kubelet's limit; a pool of as many addresses never grows.
        enis: ascending by device number.
        cooldown_aware: cooling addresses don't count as available.
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

    @property
    def out_of_use_count(self) -> int:
        """The addresses that count as taken where a target is looked at: those of sandboxes, and those that cool if targets heed that."""
        return self.stats.assigned_count + (self.stats.cooling_count if self.cooldown_aware else 0)

    @property
    def available_count(self) -> int:
        """The other addresses."""
        return self.stats.total_count - self.out_of_use_count

    def available_on(self, eni: EniStats) -> int:
        """Those of one ENI."""
        return eni.total_count - eni.assigned_count - (eni.cooling_count if self.cooldown_aware else 0)

    @property
    def unit(self) -> int:
        """Addresses per slot."""
        return self.mode.addresses_per_slot

    @property
    def eni_room(self) -> int:
        """How many more ENIs the card takes, 0 or more."""
        return max(0, self.eni_limit - self.unmanaged_eni_count - self.trunk_expected - len(self.enis))

    @property
    def has_room(self) -> bool:
        """Tell whether the instance has a place for more: a free slot, or room for an ENI."""
        return self.eni_room > 0 or any(self.takes_slots(eni) and eni.slot_count < self.slots_per_eni for eni in self.enis)

    def takes_slots(self, eni: EniStats) -> bool:
        """Tell whether an ENI is one whose slots are filled for pods."""
        return not (eni.trunk or eni.excluded or (self.custom_networking and eni.primary))


@attrs.frozen
class TargetState:
    """How far the pool is from WARM_IP_TARGET and MINIMUM_IP_TARGET, in slots; at most one of the two is above 0 in secondary-IP mode."""

    short: int
    over: int


@attrs.frozen
class SlotRequest:
    """Fill so many more slots of an ENI."""

    eni_id: str
    slot_count: int


@attrs.frozen
class Grow:
    """Add addresses: from the first of `requests` that EC2 grants; else, with `new_eni_slots` above 0, on a new ENI.

    Attributes:
        requests: ENIs with free slots, ascending by device number.
        new_eni_slots: slots to fill on a new ENI, 0 where the card has no room for one.
        reason: why more are wanted.
    """

    requests: tuple[SlotRequest, ...]
    new_eni_slots: int
    reason: str

    @property
    def blocked(self) -> bool:
        """Tell whether the instance has no place for what is wanted."""
        return not self.requests and not self.new_eni_slots


@attrs.frozen
class Shrink:
    """Give CIDRs without pods back, so many of each ENI; ordered from the highest device number down."""

    requests: tuple[SlotRequest, ...]
    reason: str


@attrs.frozen
class FreeEni:
    """Detach and delete an ENI."""

    eni_id: str
    reason: str


@attrs.frozen
class Calm:
    """The numbers of assigned addresses between which a pool rests: no look at it does anything, whichever addresses are assigned or cool.

    Attributes:
        low: inclusive.
        high: inclusive; below `low` where nothing of the kind can be said.
    """

    low: int
    high: int

    def __contains__(self, assigned_count: int) -> bool:
        """Tell whether the pool rests with so many addresses assigned."""
        return self.low <= assigned_count <= self.high


ALWAYS_CALM = Calm(0, 1 << 62)
NEVER_CALM = Calm(0, -1)


class WarmPolicy(Protocol):
    """How a node sizes its pool. Implementations keep nothing between two calls.

    At each look a node asks `grow` first; only where that is None, `shrink`; then `free_eni`.
    """

    @property
    def name(self) -> str:
        """What it is called in scenarios and tables."""
        ...

    @property
    def release_delay_ns(self) -> int:
        """A surplus is given back once looks have seen one for this long, in nanoseconds; 0 for at once."""
        ...

    def grow(self, view: PoolView, settings: Settings) -> Grow | None:
        """Decide what to add, None where nothing is needed."""
        ...

    def shrink(self, view: PoolView, settings: Settings) -> Shrink | None:
        """Decide which ENIs give how many CIDRs back, None where none should."""
        ...

    def free_eni(self, view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
        """Decide which ENI to free, None where none should go."""
        ...

    def calm(self, view: PoolView, settings: Settings) -> Calm:
        """Say between which numbers of assigned addresses the three above do nothing, as long as ENIs and CIDRs stay as they are.

        `Grow.blocked` is nothing. It may claim too little, but never too much: a node does not look at its pool while it rests.
        """
        ...


@attrs.frozen
class IpamdPolicy:
    """ipamd's own rules."""

    @property
    def name(self) -> str:
        """What it is called in scenarios and tables."""
        return "ipamd"

    @property
    def release_delay_ns(self) -> int:
        """0: a surplus is given back at once."""
        return 0

    def grow(self, view: PoolView, settings: Settings) -> Grow | None:
        """Decide what to add; see `vpcipam.warmpool.grow`."""
        return grow(view, settings)

    def shrink(self, view: PoolView, settings: Settings) -> Shrink | None:
        """Decide what to give back; see `vpcipam.warmpool.shrink`."""
        return shrink(view, settings)

    def free_eni(self, view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
        """Decide which ENI to free; see `vpcipam.warmpool.free_eni`."""
        return free_eni(view, settings, now_ns)

    def calm(self, view: PoolView, settings: Settings) -> Calm:
        """Say when the pool rests; see `vpcipam.warmpool.calm`."""
        return calm(view, settings)


# --- where the pool stands -----------------------------------------------------------------------------------------------------


def target_state(view: PoolView, settings: Settings) -> TargetState | None:
    """Compare the pool with the IP targets; None where neither is set (ipamd: datastoreTargetState)."""
    if not settings.ip_targets_defined:
        return None
    stats = view.stats
    short = max(0, settings.warm_ip_target - view.available_count, settings.minimum_ip_target - stats.total_count)
    over = max(0, min(view.available_count - settings.warm_ip_target, stats.total_count - settings.minimum_ip_target))
    if view.unit == 1:
        return TargetState(short, over)
    needed = max(
        ceil_div(view.out_of_use_count + settings.warm_ip_target, view.unit),
        ceil_div(settings.minimum_ip_target, view.unit),
    )
    return TargetState(ceil_div(short, view.unit), max(0, min(stats.free_prefix_count, stats.prefix_count - needed)))


def too_low(view: PoolView, settings: Settings) -> str | None:
    """Say why the pool needs more addresses, None where it does not (ipamd: isDatastorePoolTooLow)."""
    stats = view.stats
    if view.mode is AddressMode.IPV6 or stats.total_count >= view.max_pods:
        return None
    targets = target_state(view, settings)
    if targets is not None:
        return _shortage(view, settings, targets.short) if targets.short else None
    name, target, unit = _warm_target(view, settings)
    if view.available_count < target * unit:
        return f"available {view.available_count} < {name} {target} × {unit} addresses"
    if target == 0 and view.available_count == 0:
        return f"available 0, though {name} is 0"
    return None


def too_high(view: PoolView, settings: Settings) -> tuple[int, str] | None:
    """Say how many slots too many the pool has and why, None where it has none (ipamd: isDatastorePoolTooHigh)."""
    if view.mode is AddressMode.IPV6:
        return None
    stats = view.stats
    targets = target_state(view, settings)
    if targets is not None:
        return (targets.over, _surplus(view, settings, targets.over)) if targets.over else None
    over = stats.free_prefix_count - settings.warm_prefix_target
    if view.mode is AddressMode.PREFIX and over > 0:
        return over, f"free prefixes {stats.free_prefix_count} > WARM_PREFIX_TARGET {settings.warm_prefix_target}: {over} over"
    return None


# --- what to do about it -------------------------------------------------------------------------------------------------------


def grow(view: PoolView, settings: Settings) -> Grow | None:
    """Decide what to add, None where nothing is needed."""
    reason = too_low(view, settings)
    if reason is None:
        return None
    return ask_for(view, _wanted_slots(view, settings), reason)


def ask_for(view: PoolView, slot_count: int, reason: str) -> Grow:
    """Ask for more slots: of the first ENI that has free ones, else on a new ENI."""
    requests = tuple(
        SlotRequest(eni.eni_id, min(view.slots_per_eni - eni.slot_count, slot_count))
        for eni in view.enis
        if view.takes_slots(eni) and eni.slot_count < view.slots_per_eni
    )
    return Grow(requests, min(slot_count, view.slots_per_eni) if view.eni_room else 0, reason)


def shrink(view: PoolView, settings: Settings) -> Shrink | None:
    """Decide which ENIs give how many CIDRs back, None where none should.

    CIDRs that can give no new addresses (of the other mode, or on an excluded ENI) always go once they are empty. ipamd gives those of
    the other mode back at its start alone, and those of an excluded ENI only in its own books.
    """
    over, reason = too_high(view, settings) or (0, "")
    return give_back(view, over, reason)


def give_back(view: PoolView, slot_count: int, reason: str) -> Shrink | None:
    """Give so many CIDRs without pods back, as far as there are, with those that give no new addresses; None where there are none."""
    over = slot_count
    requests = []
    for eni in reversed(view.enis):
        idle = min(over, eni.idle_cidr_count)
        over -= idle
        if idle + eni.stale_cidr_count:
            requests.append(SlotRequest(eni.eni_id, idle + eni.stale_cidr_count))
    if not requests:
        return None
    return Shrink(tuple(requests), reason or "these CIDRs give no new addresses: of the other mode, or on an excluded ENI")


def free_eni(view: PoolView, settings: Settings, now_ns: int) -> FreeEni | None:
    """Decide which ENI to free, the highest device number first; None where none should go (ipamd: tryFreeENI)."""
    reason = _spare_eni(view, settings)
    if reason is None:
        return None
    for eni in reversed(view.enis):
        if why_kept(eni, view, settings, now_ns) is None:
            return FreeEni(eni.eni_id, reason)
    return None


def why_kept(eni: EniStats, view: PoolView, settings: Settings, now_ns: int) -> str | None:
    """Say why an ENI may not be freed, None if it may (ipamd: getDeletableENI)."""
    why = obstacle(eni, now_ns)
    if why is not None:
        return why
    others = [other for other in view.enis if other is not eni]
    warm = sum(view.available_on(other) for other in others)
    total = sum(other.total_count for other in others)
    free_prefixes = sum(other.free_prefix_count for other in others)
    if warm < _whole_slots(settings.warm_ip_target, view):
        return f"without it {warm} addresses would be free, and WARM_IP_TARGET is {settings.warm_ip_target}"
    if total < _whole_slots(settings.minimum_ip_target, view):
        return f"without it there would be {total} addresses, and MINIMUM_IP_TARGET is {settings.minimum_ip_target}"
    if view.mode is AddressMode.PREFIX and free_prefixes < settings.warm_prefix_target:
        return f"without it {free_prefixes} prefixes would be free, and WARM_PREFIX_TARGET is {settings.warm_prefix_target}"
    return None


def obstacle(eni: EniStats, now_ns: int) -> str | None:
    """Say why an ENI may not be freed now whatever the targets, None if it may (docs/ipamd.md, "Freeing ENIs")."""
    if eni.primary:
        return "it is the primary ENI"
    if eni.trunk:
        return "it is the trunk ENI"
    if eni.efa:
        return "it is an EFA interface"
    if eni.pod_count:
        return f"{eni.pod_count} pods have addresses on it"
    if eni.cooling_until_ns is not None and eni.cooling_until_ns > now_ns:
        return f"an address on it cools for another {seconds_text(eni.cooling_until_ns - now_ns)} s"
    if now_ns - eni.added_ns < MINIMUM_ENI_LIFETIME_NS:
        return f"it is younger than {MINIMUM_ENI_LIFETIME_NS // NS_PER_S} s"
    return None


# --- when nothing is to be done ------------------------------------------------------------------------------------------------


def calm(view: PoolView, settings: Settings) -> Calm:
    """Say with how many addresses assigned the pool rests under ipamd's rules, as `WarmPolicy.calm` has it."""
    if view.mode is AddressMode.IPV6:
        return ALWAYS_CALM
    if not counts_say_all(view):
        return NEVER_CALM
    total = view.stats.total_count
    least_free, most_free = _free_at_rest(view, settings)
    low = 0 if most_free is None else total - most_free
    can_grow = total < view.max_pods and view.has_room
    return Calm(low, total - least_free if can_grow else ALWAYS_CALM.high)


def counts_say_all(view: PoolView, *, frees_bare_enis: bool = True) -> bool:
    """Tell whether what a pool needs follows from its counts: no cooldown matters, no address is out of reach, no bare ENI may go."""
    return not view.cooldown_aware and all(
        not (eni.excluded or eni.stale_cidr_count or eni.pod_count != eni.assigned_count)
        and (eni.total_count or not (frees_bare_enis and _may_go(eni)))
        for eni in view.enis
    )


def _free_at_rest(view: PoolView, settings: Settings) -> tuple[int, int | None]:
    """The fewest free addresses with which the pool doesn't grow, and the most with which it can neither shrink nor do without an ENI.

    None where it can't do so with any number.
    """
    total, unit = view.stats.total_count, view.unit
    if settings.ip_targets_defined:
        least = settings.warm_ip_target if total >= settings.minimum_ip_target else total + 1
        # At the minimum, rounded up to whole slots, nothing can go. Above it, a slot more than the target can: with an ENI go one or more.
        if total <= _whole_slots(settings.minimum_ip_target, view):
            return least, None
        return least, settings.warm_ip_target + unit - 1
    _, target, target_unit = _warm_target(view, settings)
    least = max(1, target * target_unit)
    spare = [eni.total_count for eni in view.enis if _may_go(eni)]
    if view.mode is AddressMode.PREFIX:
        # So few free addresses make no free prefix too many, and leave no secondary ENI without pods.
        return least, min([(target + 1) * unit, *spare]) - 1
    return least, (target + 1) * target_unit - 1 if spare else None


def _may_go(eni: EniStats) -> bool:
    return not (eni.primary or eni.trunk or eni.efa)


# --- helpers -------------------------------------------------------------------------------------------------------------------


def ceil_div(dividend: int, divisor: int) -> int:
    """Divide and round up.

    >>> ceil_div(17, 16)
    2
    """
    return -(-dividend // divisor)


def _whole_slots(addresses: int, view: PoolView) -> int:
    return ceil_div(addresses, view.unit) * view.unit


def _warm_target(view: PoolView, settings: Settings) -> tuple[str, int, int]:
    """The target that counts where no IP target is set: its name, its value, and the addresses in one unit of it."""
    if view.mode is AddressMode.PREFIX:
        return "WARM_PREFIX_TARGET", settings.warm_prefix_target, view.unit
    return "WARM_ENI_TARGET", settings.warm_eni_target, view.slots_per_eni


def _wanted_slots(view: PoolView, settings: Settings) -> int:
    """The slots to ask for at once (ipamd: tryAssignIPs, getPrefixesNeeded)."""
    targets = target_state(view, settings)
    if targets is not None:
        return targets.short
    if view.mode is AddressMode.PREFIX:
        return max(1, settings.warm_prefix_target - view.stats.free_prefix_count)
    return view.slots_per_eni


def _shortage(view: PoolView, settings: Settings, short: int) -> str:
    stats = view.stats
    by_warm = settings.warm_ip_target - view.available_count
    by_minimum = settings.minimum_ip_target - stats.total_count
    if by_warm >= by_minimum:
        text = f"available {view.available_count} < WARM_IP_TARGET {settings.warm_ip_target}: {by_warm} short"
    else:
        text = f"total {stats.total_count} < MINIMUM_IP_TARGET {settings.minimum_ip_target}: {by_minimum} short"
    return text if view.unit == 1 else f"{text}, {_prefixes(short)}"


def _surplus(view: PoolView, settings: Settings, over: int) -> str:
    stats = view.stats
    above = f"available {view.available_count}, WARM_IP_TARGET {settings.warm_ip_target}"
    if settings.minimum_ip_target:
        above += f", total {stats.total_count}, MINIMUM_IP_TARGET {settings.minimum_ip_target}"
    return f"{above}: {over if view.unit == 1 else _prefixes(over)} over"


def _prefixes(count: int) -> str:
    return f"{count} prefix" if count == 1 else f"{count} prefixes"


def _spare_eni(view: PoolView, settings: Settings) -> str | None:
    """Say why some ENI may be one too many, None where that can't be (ipamd: shouldRemoveExtraENIs)."""
    if view.mode is AddressMode.IPV6:
        return None
    if settings.ip_targets_defined:
        return "the other ENIs meet the IP targets without it"
    name, target, _ = _warm_target(view, settings)
    enough = (target + 1) * view.slots_per_eni * view.unit
    if view.available_count >= enough:
        return f"available {view.available_count} ≥ ({name} {target} + 1) × {view.slots_per_eni * view.unit} addresses per ENI"
    if view.mode is AddressMode.PREFIX and any(not (eni.primary or eni.trunk or eni.efa or eni.pod_count) for eni in view.enis):
        return "no pod has an address on it"
    return None
