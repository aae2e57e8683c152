"""Build the views of a pool that decisions are made from."""

import hypothesis.strategies as st

from vpcipam.address import AddressMode
from vpcipam.settings import Settings
from vpcipam.stats import EniStats, PoolStats
from vpcipam.warmpool import PoolView

MINUTE = 60_000_000_000
SMALL = st.sampled_from([0, 0, 1, 2, 15, 16, 17, 31, 32, 33, 48])


def eni(
    device_number=0,
    slots=0,
    pods=0,
    *,
    mode="secondary-ip",
    used=None,
    primary=None,
    trunk=False,
    efa=False,
    excluded=False,
    stale=0,
    stale_pods=0,
    added_ns=0,
    cooling=0,
    cooling_until_ns=None,
    cooling_idle=0,
    cooling_stale=0,
):
    """An ENI with `slots` CIDRs of the mode, `used` of them with pods, and `stale` ones of the other mode without.

    `stale_pods` sit on one more of the other mode.
    `used` is the fewest that hold the pods unless given.
    """
    unit = 16 if mode == "prefix" else 1
    used = -(-pods // unit) if used is None else used
    idle = slots - used
    other_used = 1 if stale_pods else 0
    prefixes_free = idle if mode == "prefix" else stale
    return EniStats(
        eni_id=f"eni-{device_number}",
        device_number=device_number,
        primary=device_number == 0 if primary is None else primary,
        trunk=trunk,
        efa=efa,
        excluded=excluded,
        subnet_id="subnet-1",
        added_ns=added_ns,
        slot_count=slots + stale + other_used,
        total_count=pods if excluded else slots * unit,
        assigned_count=pods,
        cooling_count=cooling,
        pod_count=pods + stale_pods,
        free_prefix_count=prefixes_free,
        idle_cidr_count=0 if excluded else idle,
        stale_cidr_count=stale + (idle if excluded else 0),
        cooling_until_ns=cooling_until_ns,
        cooling_idle_cidr_count=cooling_idle,
        cooling_stale_cidr_count=cooling_stale,
    )


def view(
    *enis,
    mode="secondary-ip",
    slots=9,
    limit=3,
    unmanaged=0,
    trunk_expected=False,
    custom=False,
    max_pods=110,
    cooling=None,
    aware=False,
    hold=False,
    card=0,
):
    """A view whose totals are the sums over its ENIs."""
    total = sum(each.total_count for each in enis)
    assigned = sum(each.assigned_count for each in enis)
    prefixes = sum(each.total_count // 16 for each in enis) if mode == "prefix" else 0
    cooling = sum(each.cooling_count for each in enis) if cooling is None else cooling
    free_prefixes = sum(each.free_prefix_count for each in enis)
    return PoolView(
        mode=AddressMode(mode),
        slots_per_eni=slots,
        eni_limit=limit,
        unmanaged_eni_count=unmanaged,
        trunk_expected=trunk_expected,
        custom_networking=custom,
        max_pods=max_pods,
        stats=PoolStats(total, assigned, cooling, total - assigned, prefixes, free_prefixes),
        enis=enis,
        cooldown_aware=aware,
        hold_cooling_cidrs=hold,
        network_card=card,
    )


def targets(warm_ip=0, minimum=0, *, warm_eni=1, warm_prefix=1):
    """Settings with these targets."""
    return Settings(warm_ip_target=warm_ip, minimum_ip_target=minimum, warm_eni_target=warm_eni, warm_prefix_target=warm_prefix)


@st.composite
def pools(draw, *, plain=False):
    """A pool of one mode, and its targets; a plain one has nothing that its counts don't tell."""
    mode = draw(st.sampled_from(["secondary-ip", "prefix"]))
    unit = 16 if mode == "prefix" else 1
    slots = draw(st.integers(1, 5))
    enis = []
    for number in range(draw(st.integers(1, 4))):
        cidrs = draw(st.integers(0, slots))
        used = draw(st.integers(0, cidrs))
        stale = 0 if plain else draw(st.integers(0, slots - cidrs))
        enis.append(
            eni(
                number,
                cidrs,
                draw(st.integers(used, used * unit)),
                mode=mode,
                used=used,
                stale=stale,
                stale_pods=draw(st.sampled_from([0, 0, 1])) if stale + cidrs < slots and not plain else 0,
                trunk=number == 1 and draw(st.booleans()),
                efa=number > 0 and draw(st.sampled_from([False, False, True])),
                excluded=not plain and draw(st.sampled_from([False, False, True])),
                added_ns=draw(st.sampled_from([0, 0, 1])),
                cooling=draw(st.integers(0, 2)),
                cooling_until_ns=draw(st.sampled_from([None, None, MINUTE, MINUTE + 1])),
            )
        )
    pool = view(
        *enis,
        mode=mode,
        slots=slots,
        limit=draw(st.integers(1, 6)),
        unmanaged=draw(st.integers(0, 2)),
        trunk_expected=draw(st.booleans()),
        custom=draw(st.booleans()),
        max_pods=draw(st.sampled_from([1, 16, 17, 110])),
        aware=not plain and draw(st.booleans()),
        card=draw(st.sampled_from([0, 0, 1])),
    )
    ip_targets = draw(st.sampled_from([(0, 0), (1, 0), (0, 1), (None, None)]))
    warm_ip, minimum = (draw(SMALL) if each is None else each for each in ip_targets)
    return pool, targets(warm_ip, minimum, warm_eni=draw(st.integers(0, 3)), warm_prefix=draw(st.integers(0, 3)))
