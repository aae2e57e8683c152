"""What a node did: the values that its start and its control loop answer with."""

import enum

import attrs

from vpcipam.quarantine import Quarantined
from vpcipam.restoration import Restoration
from vpcipam.stats import Assignment

AT_START = "attached when the node started"
"""The reason of what a node takes on when it starts, which no reconcile has found."""


class ActionKind(enum.StrEnum):
    """The kinds of change that a node makes to itself."""

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
    """One thing that a node did, or tried to do.

    Attributes:
        at_ns: when it was done or refused, Unix nanoseconds; calls to EC2 take time.
        kind: what; `adopt-…` and `drop-…` follow what EC2 says is attached, the others change EC2.
        network_card: the card's index.
        eni_id: the ENI, None where EC2 refused to make one.
        cidrs: what was added, released, adopted or dropped; empty where it was refused.
        reason: why, for a person to read.
        error: what EC2 said where it refused, None where it was done.
        out_of_addresses: the refusal says that the subnet has too few addresses, or no free /28.
        evicted: what sandboxes lost by it.
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
        """Tell whether the node has more addresses by it."""
        return self.done and self.kind in {ActionKind.CREATE_ENI, ActionKind.ADD_CIDRS}

    @property
    def done(self) -> bool:
        """Tell whether EC2 granted it."""
        return self.error is None

    def __str__(self) -> str:
        """Write it as one line of a log."""
        what = f"{self.kind} {self.eni_id or 'a new ENI'}"
        count = f" ({len(self.cidrs)} CIDR{'' if len(self.cidrs) == 1 else 's'})" if self.cidrs else ""
        refusal = f" — refused: {self.error}" if self.error else ""
        return f"{what}{count}: {self.reason}{refusal}"


@attrs.frozen
class Restart:
    """What came of a node's start from its journals.

    Attributes:
        actions: what it did, as `Node.start` answers.
        cards: what came back from the journal of each managed network card, ascending.
    """

    actions: tuple[Action, ...]
    cards: tuple[Restoration, ...]

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The entries of all journals that somebody has to decide about."""
        return tuple(entry for card in self.cards for entry in card.quarantined)

    def __str__(self) -> str:
        """Write it as one line of a log."""
        return "; ".join(f"network card {index}: {card}" for index, card in enumerate(self.cards))
