"""The addresses of a node's datastores: how many are held, cool and are free, by ipamd's introspection."""

from collections.abc import Iterator

import attrs

from vpcipam.address import AddressMode, Cidr
from vpcipam.inspection.cluster import NodeCase
from vpcipam.inspection.evidence import AddressState, EniState
from vpcipam.settings import Settings


@attrs.frozen
class PoolCounts:
    """The addresses that pods of a node can have, at a time.

    Attributes:
        total: those in CIDRs of the node's mode, without those on excluded ENIs.
        held: those that sandboxes hold.
        cooling: those that cool.
        wait_ns: how long the first of them cools still; 0 if none cools.
    """

    total: int
    held: int
    cooling: int
    wait_ns: int

    @property
    def free(self) -> int:
        """Those that a pod can get at once."""
        return self.total - self.held - self.cooling


def pool_counts(node: NodeCase, at_ns: int | None = None) -> PoolCounts | None:
    """Count the addresses of a node; None if nothing shows them all. Without settings, the cooldown is 30 s, and any mode counts.

    Args:
        node: the node.
        at_ns: the time, if it is after the one at which the datastore was read.
    """
    if not node.enis or any(fact.value.cut for fact in node.enis):
        return None
    settings = None if node.settings is None else node.settings.value
    time = max(node.latest_ns, at_ns or 0)
    cooldown_ns = (settings or Settings()).cooldown_ns
    mode = None if node.survey is None or settings is None else node.survey.mode
    total = held = 0
    ends: list[int] = []
    for fact in node.enis:
        if fact.value.excluded:
            continue
        for cidr, is_prefix, states in _cidrs(fact.value):
            if mode is not None and is_prefix != (mode is not AddressMode.SECONDARY_IP):
                continue
            total += cidr.size
            held += sum(state.held for state in states)
            ends += (end for state in states if not state.held for end in (_end_ns(state.unassigned_ns, cooldown_ns),) if end > time)
    return PoolCounts(total, held, len(ends), min(ends, default=time) - time)


def _cidrs(eni: EniState) -> Iterator[tuple[Cidr, bool, tuple[AddressState, ...]]]:
    return ((Cidr.parse(each.cidr), each.is_prefix, each.addresses) for each in eni.cidrs)


def _end_ns(unassigned_ns: int | None, cooldown_ns: int) -> int:
    """Return when a cooldown ends; 0 for an address that never was held."""
    return 0 if unassigned_ns is None else unassigned_ns + cooldown_ns
