"""What a node did: the values that its start and its control loop return."""

import enum

import attrs

from vpcipam.quarantine import Quarantined
from vpcipam.restoration import Restoration
from vpcipam.stats import Assignment

AT_START = "attached when the node started"
"""The reason of an action that adopts what was attached before the node started."""


class ActionKind(enum.StrEnum):
    """The kinds of change that a node makes."""

    CREATE_ENI = "create-eni"
    ADD_CIDRS = "add-cidrs"
    RELEASE_CIDRS = "release-cidrs"
    FREE_ENI = "free-eni"
    ADOPT_ENI = "adopt-eni"
    ADOPT_CIDRS = "adopt-cidrs"
    DROP_ENI = "drop-eni"
    DROP_CIDRS = "drop-cidrs"
    RECONCILE = "reconcile"
    DELETE_LEAKED_ENI = "delete-leaked-eni"


@attrs.frozen
class Action:
    """One change that a node made, or tried to make.

    Attributes:
        at_ns: when it was done or refused, Unix nanoseconds.
        kind: what was done. `adopt-…` and `drop-…` bring the datastore in line with EC2, `reconcile` is a comparison that EC2 refused, and
            the others change EC2.
        network_card: the card's index.
        eni_id: the ENI, None if EC2 refused to create one.
        cidrs: what was added, released, adopted or dropped; empty if adding was refused.
        reason: why, for a person to read.
        error: EC2's error if it refused, None if the action was done.
        out_of_addresses: EC2 refused because the subnet has too few addresses, or no free /28.
        evicted: the assignments that sandboxes lost.
    """

    at_ns: int
    kind: ActionKind
    network_card: int
    eni_id: str | None
    cidrs: tuple[str, ...]
    reason: str
    error: str | None = None
    out_of_addresses: bool = False
    evicted: tuple[Assignment, ...] = ()

    @property
    def grew(self) -> bool:
        """Tell whether it gave the node more addresses."""
        return self.error is None and (self.kind is ActionKind.ADD_CIDRS or self.kind is ActionKind.CREATE_ENI)

    @property
    def done(self) -> bool:
        """Tell whether it was done, not refused."""
        return self.error is None

    def __str__(self) -> str:
        """Write it as one log line."""
        what = f"{self.kind} {self.eni_id or 'a new ENI'}"
        count = f" ({len(self.cidrs)} CIDR{'' if len(self.cidrs) == 1 else 's'})" if self.cidrs else ""
        refusal = f" — refused: {self.error}" if self.error else ""
        return f"{what}{count}: {self.reason}{refusal}"


@attrs.frozen
class Restart:
    """The result of `Node.restore`.

    Attributes:
        actions: what the node did, as `Node.start` returns it.
        cards: what was restored from the journal of each managed network card, ascending.
        network_cards: the indexes of these cards. A card that has nothing but an EFA-only ENI is missing.
    """

    actions: tuple[Action, ...]
    cards: tuple[Restoration, ...]
    network_cards: tuple[int, ...]

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The quarantined entries of all journals."""
        return tuple(entry for card in self.cards for entry in card.quarantined)

    def __str__(self) -> str:
        """Write it as one log line."""
        return "; ".join(f"network card {index}: {card}" for index, card in zip(self.network_cards, self.cards, strict=False))
