"""A second, naive reading of docs/ipamd.md, "Warm targets" to "Freeing ENIs"."""

import math

MINUTE = 60_000_000_000


class Naive:
    """The rules of docs/ipamd.md, sentence by sentence."""

    def __init__(self, pool, settings):
        self.pool, self.settings, self.stats = pool, settings, pool.stats
        self.prefix = pool.mode.value == "prefix"
        self.unit = 16 if self.prefix else 1
        self.defined = settings.warm_ip_target > 0 or settings.minimum_ip_target > 0

    def cooling(self, count):
        return count if self.pool.cooldown_aware else 0

    def state(self):
        warm, minimum, total, assigned = (
            self.settings.warm_ip_target,
            self.settings.minimum_ip_target,
            self.stats.total_count,
            self.stats.assigned_count + self.cooling(self.stats.cooling_count),
        )
        available = total - assigned
        short = max(0, warm - available, minimum - total)
        if not self.prefix or self.pool.network_card > 0:
            return short, max(0, min(available - warm, total - minimum))
        prefixes, free = self.stats.prefix_count, self.stats.free_prefix_count
        over = min(free, prefixes - math.ceil((assigned + warm) / 16), prefixes - math.ceil(minimum / 16))
        return math.ceil(short / 16), max(0, over)

    def low(self):
        if self.stats.total_count >= self.pool.max_pods:
            return False
        if self.defined:
            return self.state()[0] > 0
        available = self.stats.available_count - self.cooling(self.stats.cooling_count)
        size = 16 if self.prefix else self.pool.slots_per_eni
        target = self.settings.warm_prefix_target if self.prefix else self.settings.warm_eni_target
        return available < size * target or (target == 0 and available == 0)

    def over(self):
        if self.defined:
            return self.state()[1]
        return max(0, self.stats.free_prefix_count - self.settings.warm_prefix_target) if self.prefix else 0

    def wanted(self):
        if self.defined:
            return self.state()[0]
        if not self.prefix:
            return self.pool.slots_per_eni
        return max(1, self.settings.warm_prefix_target - self.stats.free_prefix_count)

    def requests(self):
        wanted = self.wanted()
        for each in self.pool.enis:
            free = self.pool.slots_per_eni - each.slot_count
            barred = each.trunk or each.excluded or (each.primary and self.pool.custom_networking)
            if free > 0 and not barred:
                yield each.eni_id, min(free, wanted)

    def new_slots(self):
        pool = self.pool
        reserved = pool.unmanaged_eni_count + (1 if pool.trunk_expected else 0)
        return min(self.wanted(), pool.slots_per_eni) if len(pool.enis) < pool.eni_limit - reserved else 0

    def freed(self, now_ns):
        """Every ENI that may go; the decision takes the one with the highest device number."""
        if not self.defined:
            target = self.settings.warm_prefix_target if self.prefix else self.settings.warm_eni_target
            enough = (
                self.stats.available_count - self.cooling(self.stats.cooling_count) >= (target + 1) * self.pool.slots_per_eni * self.unit
            )
            idle = [eni for eni in self.pool.enis if not eni.primary and not eni.trunk and not eni.efa and eni.pod_count == 0]
            if not enough and not (self.prefix and idle):
                return []
        return [eni.eni_id for eni in self.pool.enis if self.may_go(eni, now_ns)]

    def may_go(self, eni, now_ns):
        if eni.primary or eni.trunk or eni.efa or eni.pod_count > 0 or now_ns - eni.added_ns < MINUTE:
            return False
        if eni.cooling_until_ns is not None and eni.cooling_until_ns > now_ns:
            return False
        others = [other for other in self.pool.enis if other.eni_id != eni.eni_id and not other.excluded]
        total = sum(other.total_count for other in others)
        assigned = sum(other.assigned_count + self.cooling(other.cooling_count) for other in others)
        free = sum(other.idle_cidr_count + other.stale_cidr_count for other in others)  # /32s too
        if total - assigned < math.ceil(self.settings.warm_ip_target / self.unit) * self.unit:
            return False
        if total < math.ceil(self.settings.minimum_ip_target / self.unit) * self.unit:
            return False
        return not self.prefix or free >= self.settings.warm_prefix_target
