"""The ENIs, CIDRs and sandboxes of one network card, with cooldown, a journal and a restart."""

from vpcipam.datastore.datastore import DEFAULT_COOLDOWN_NS, Datastore, call_back

__all__ = [
    "DEFAULT_COOLDOWN_NS",
    "Datastore",
    "call_back",
]
