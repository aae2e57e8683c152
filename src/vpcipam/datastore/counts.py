"""What a datastore tells about its addresses and CIDRs, for warm-pool decisions and metrics."""

from collections.abc import Iterable

from vpcipam.address import Cidr, parse_address
from vpcipam.datastore.attached import Attached
from vpcipam.datastore.sandboxes import Sandboxes
from vpcipam.datastore.withheld import Pool
from vpcipam.journal.forked import OwnersLock
from vpcipam.journal.protocol import Cooling
from vpcipam.stats import EniStats, PoolStats


class Counts:
    """The methods of a `Datastore` that look at its addresses and CIDRs, and change nothing."""

    _lock: OwnersLock
    _pool: Pool
    _attached: Attached
    _sandboxes: Sandboxes

    def stats(self, now_ns: int) -> PoolStats:
        """Return the counts over all ENIs, for warm-pool decisions. Complexity: O(ENIs)."""
        with self._lock:
            return self._attached.stats(now_ns)

    @property
    def shape(self) -> tuple[int, ...]:
        """The mode, the ENIs, and how many CIDRs of each kind they have, as numbers. It can come again, unlike a `revision`.

        Complexity: O(ENIs).
        """
        with self._lock:
            return self._attached.shape

    def sizes(self) -> tuple[int, int, int]:
        """Return the `total_count` of `stats`, the number of ENIs, and the `prefix_count`. It ends no cooldown, so it needs no time.

        Complexity: O(ENIs).
        """
        with self._lock:
            return self._attached.sizes()

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

    # --- CIDRs ---------------------------------------------------------------------------------------------------------------

    def cidrs(self, eni_id: str) -> tuple[str, ...]:
        """Return the CIDRs of an ENI, ascending.

        Raises:
            UnknownEni: the datastore has no ENI of that id.
        """
        with self._lock:
            return self._attached.eni(eni_id).texts

    def missing_cidrs(self, eni_id: str, cidrs: Iterable[str]) -> tuple[str, ...]:
        """Return those of some CIDRs that an ENI does not have. Complexity: O(1) for each.

        Raises:
            UnknownEni: the datastore has no ENI of that id.
            InvalidCidr: one is not a CIDR, or is off its grid.
        """
        wanted = {text: Cidr.parse(text) for text in cidrs}
        with self._lock:
            return self._attached.eni(eni_id).missing(wanted)

    def overlapping(self, cidr: str) -> tuple[tuple[str, str], ...]:
        """Return the CIDRs that overlap this one, as pairs of ENI id and CIDR, ascending by device number, then address.

        Raises:
            InvalidCidr: it is not a CIDR, or is off its grid.

        Complexity: O(CIDRs); for a single address O(log CIDRs).
        """
        parsed = Cidr.parse(cidr)
        with self._lock:
            return self._attached.overlapping(parsed)

    def removable_cidrs(self, eni_id: str, now_ns: int, *, cooled_only: bool = False, most: int | None = None) -> tuple[str, ...]:
        """Return an ENI's CIDRs without pods, those to release first in front, and no more than `most`; None for all.

        With `cooled_only`, return only those where no address cools.

        The order is: CIDRs that give no new addresses; CIDRs that give some, first those where no address cools; last, CIDRs that give no
        new addresses and where one cools, since a pool check waits for that cooldown. Among equals, higher addresses come first, because
        `lowest` and `packed` placement fill the lower ones. ipamd uses no order.

        Raises:
            UnknownEni: the datastore has no ENI of that id.
        """
        with self._lock:
            eni = self._attached.eni(eni_id)
            return self._attached.removable_cidrs(eni, now_ns, cooled_only=cooled_only, most=most)
