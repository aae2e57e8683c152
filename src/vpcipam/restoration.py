"""What came of a restart: which entries of the journal are back, and which are not."""

import attrs

from vpcipam.journal.protocol import Assigned, Cooling, Problem
from vpcipam.quarantine import Quarantined


@attrs.frozen
class Restoration:
    """What a datastore, or a node, took back from its journal.

    Attributes:
        assigned: the sandboxes that are back on their addresses.
        released: those of them that are gone, as the caller says; their addresses cool from now on.
        quarantined: the entries that can't be taken as they stand; somebody has to decide about each.
        cooling: the addresses that go on cooling, with what is left of it.
        cooling_elsewhere: those that lie in no CIDR; they matter should one come that has them.
        ended: cooldowns that are over by the clock.
        repeats: entries that only say again what another says; they leave the journal with that.
    """

    assigned: tuple[Assigned, ...] = ()
    released: tuple[Assigned, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()
    cooling: tuple[Cooling, ...] = ()
    cooling_elsewhere: tuple[Cooling, ...] = ()
    ended: tuple[Cooling, ...] = ()
    repeats: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        """Say it in one line.

        >>> str(Restoration())
        '0 sandboxes restored, 0 of them gone, 0 entries in quarantine, 0 addresses cool'
        """
        return (
            f"{len(self.assigned) + len(self.released)} sandboxes restored, {len(self.released)} of them gone, "
            f"{len(self.quarantined)} entries in quarantine, {len(self.cooling) + len(self.cooling_elsewhere)} addresses cool"
        )
