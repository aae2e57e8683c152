"""The result of a restart: which entries of the journal are restored, and which are not."""

import attrs

from vpcipam._units import counted
from vpcipam.journal.protocol import Assigned, Cooling, Problem
from vpcipam.quarantine import Quarantined


@attrs.frozen
class Restoration:
    """What a datastore restored from its journal.

    Attributes:
        assigned: the sandboxes that hold their addresses again.
        released: the sandboxes that are gone, according to the caller. Their addresses cool from now on.
        quarantined: the entries that can't be restored. Somebody must decide about each.
        cooling: the addresses that still cool, each with the rest of its cooldown.
        cooling_elsewhere: like `cooling`, for addresses in no CIDR. They continue to cool if their CIDR is added.
        ended: cooldowns that are over, according to the clock.
        repeats: entries that repeat another one. They leave the journal together with it.
    """

    assigned: tuple[Assigned, ...] = ()
    released: tuple[Assigned, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    cooling: tuple[Cooling, ...] = ()
    cooling_elsewhere: tuple[Cooling, ...] = ()
    ended: tuple[Cooling, ...] = ()
    repeats: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        """Return a summary in one line.

        >>> str(Restoration())
        '0 sandboxes restored, 0 of them gone, 0 entries in quarantine, 0 addresses still cooling'
        """
        return (
            f"{counted(len(self.assigned) + len(self.released), 'sandbox', 'sandboxes')} restored, {len(self.released)} of them gone, "
            f"{counted(len(self.quarantined), 'entry', 'entries')} in quarantine, "
            f"{counted(len(self.cooling) + len(self.cooling_elsewhere), 'address', 'addresses')} still cooling"
        )
