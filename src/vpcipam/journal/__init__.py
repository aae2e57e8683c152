"""Durability: what a datastore tells its journal, so that a restart loses nothing that was acknowledged."""

from vpcipam.journal.protocol import Journal, MemoryJournal

__all__ = ["Journal", "MemoryJournal"]
