"""Journals: they record a datastore's assignments, so that a restart loses nothing that the datastore has acknowledged.

This module has the `Journal` and `CidrJournal` protocols, their values, and the journal in memory. The durable journals have modules of
their own, because they import more: `vpcipam.journal.sqlite` has `SqliteJournal`, `vpcipam.journal.ipam_json` has `IpamJsonFile`.
"""

from vpcipam.journal.protocol import Assigned, CidrJournal, Cooling, Journal, MemoryJournal, Problem, Released, ReleasedCidr, Restored

__all__ = ["Assigned", "CidrJournal", "Cooling", "Journal", "MemoryJournal", "Problem", "Released", "ReleasedCidr", "Restored"]
