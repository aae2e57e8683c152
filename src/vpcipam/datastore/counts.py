"""The counts of a datastore, for warm-pool decisions and metrics."""

from vpcipam.address import parse_address
from vpcipam.datastore.attached import Attached
from vpcipam.datastore.sandboxes import Sandboxes
from vpcipam.datastore.withheld import Pool
from vpcipam.journal.forked import OwnersLock
from vpcipam.journal.protocol import Cooling
from vpcipam.stats import EniStats, PoolStats


class Counts:
    """The methods of a `Datastore` that count its addresses and change nothing."""

    _lock: OwnersLock
    _pool: Pool
    _attached: Attached
    _sandboxes: Sandboxes

    def stats(self, now_ns: int) -> PoolStats:
        """Return the counts over all ENIs, for warm-pool decisions. Complexity: O(ENIs + cooling addresses)."""
        with self._lock:
            return self._attached.stats(now_ns)

    @property
    def shape(self) -> tuple[object, ...]:
        """The mode, and each ENI's kind and numbers of CIDRs. It can come again, unlike a `revision`. Complexity: O(ENIs)."""
        with self._lock:
            return self._attached.shape

    @property
    def total_count(self) -> int:
        """The `total_count` of `stats`. It ends no cooldown, so it needs no time. Complexity: O(ENIs)."""
        with self._lock:
            return self._attached.total_and_assigned()[0]

    @property
    def prefix_count(self) -> int:
        """The `prefix_count` of `stats`. Complexity: O(ENIs)."""
        with self._lock:
            return self._attached.prefix_count

    def eni_stats(self, now_ns: int) -> tuple[EniStats, ...]:
        """Return the counts of each ENI, ascending by device number. Complexity: O(ENIs + cooling addresses)."""
        self._sandboxes.check_time(now_ns)
        with self._lock:
            return self._attached.eni_stats(now_ns)

    def pool_and_eni_stats(self, now_ns: int) -> tuple[PoolStats, tuple[EniStats, ...]]:
        """Return what `stats` and `eni_stats` do, both of one instant even if other threads change the datastore."""
        with self._lock:
            return self._attached.pool_and_eni_stats(now_ns)

    def cooling_count(self, now_ns: int) -> int:
        """Count the addresses that cool, in CIDRs of any mode. Complexity: O(1), amortised."""
        with self._lock:
            return self._pool.cooling_count(now_ns)

    def cooling_until(self, address: str) -> int | None:
        """Return when the last cooldown of an address ends, Unix nanoseconds; it can be in the past. None if it does not cool.

        Raises:
            InvalidAddress: it is not an address of the datastore's IP version.
        """
        wanted = parse_address(address, self._attached.mode.version)
        with self._lock:
            return self._pool.cooling_until(wanted)

    def cooldowns(self, now_ns: int) -> tuple[Cooling, ...]:
        """Return the addresses that still cool at a time, in a CIDR or not, ascending by the end of their cooldowns."""
        self._sandboxes.check_time(now_ns)
        with self._lock:
            return self._sandboxes.cooldowns(now_ns)
