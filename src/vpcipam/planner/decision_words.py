"""What a node did, in words for people."""

import itertools
from collections.abc import Iterable, Iterator

from vpcipam._units import counted
from vpcipam.action import Action, ActionKind
from vpcipam.address import AddressMode
from vpcipam.planner.node_answers import Decision


def similar(decisions: Iterable[Decision]) -> Iterator[list[Decision]]:
    """Group decisions in a row that have the same kind, card and reason."""
    for _, group in itertools.groupby(
        decisions, key=lambda decision: (decision.action.kind, decision.action.network_card, decision.action.reason, decision.action.error)
    ):
        yield list(group)


def why(action: Action) -> str:
    """Say why an action was taken, and what EC2 refused."""
    return action.reason if action.error is None else f"{action.reason}; EC2 refused: {action.error}"


def what_it_did(actions: Iterable[Action], mode: AddressMode) -> str:
    """Describe what similar actions did together."""
    done = list(actions)
    kind, slots = done[0].kind, sum(len(action.cidrs) for action in done)
    one, many = ("address", "addresses") if mode is AddressMode.SECONDARY_IP else ("prefix", "prefixes")
    content = counted(slots, one, many) if slots else many
    enis = "an ENI" if len(done) == 1 else f"{len(done)} ENIs"
    card = f" on card {done[0].network_card}" if done[0].network_card else ""
    texts = {
        ActionKind.CREATE_ENI: f"attach {enis}{card}" + (f" with {content}" if slots else ""),
        ActionKind.ADD_CIDRS: f"add {content}{card}",
        ActionKind.RELEASE_CIDRS: f"release {content}{card}",
        ActionKind.FREE_ENI: f"free {enis}{card}",
        ActionKind.ADOPT_ENI: f"find {enis}{card}",
    }
    text = texts.get(kind, f"{kind.value} {content}{card}")
    return text if done[0].done else f"try to {text}"
