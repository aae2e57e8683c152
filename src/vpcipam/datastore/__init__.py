"""The ENIs, CIDRs and sandboxes of one network card, with cooldown, a journal and restarts."""

from vpcipam.datastore.datastore import DEFAULT_COOLDOWN_NS, Datastore

__all__ = ["DEFAULT_COOLDOWN_NS", "Datastore"]
