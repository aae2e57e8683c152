"""Journal entries in quarantine. They can't be restored, and stay in the journal until somebody decides about each.

ipamd drops such entries and rewrites its checkpoint without them (docs/ipamd.md, "Known faults", fault 6). The evidence is then lost: the
address of a pod that still runs can go to a second pod.
"""

import attrs

from vpcipam.journal.protocol import Assigned, Problem
from vpcipam.sandbox import SandboxKey


@attrs.frozen
class Quarantined:
    """A journal entry that nobody has decided about.

    Attributes:
        entry: an assignment whose address is on no ENI, or an entry that is unreadable or contradicts another.
        reason: why it can't be restored.
        elsewhere: the entry is in the journal and the quarantine of another network card, but its address is on this card now.
    """

    entry: Assigned | Problem
    reason: str
    elsewhere: bool = False

    @property
    def key(self) -> SandboxKey | None:
        """The sandbox that the entry names, if any. It gets no address until somebody decides."""
        return self.entry.key

    @property
    def address(self) -> str | None:
        """The address that the entry names, if any. No sandbox gets it until somebody decides."""
        return self.entry.address

    @property
    def assigned(self) -> Assigned | None:
        """The assignment that the entry records, None if it is not wholly readable."""
        return self.entry if isinstance(self.entry, Assigned) else self.entry.assigned

    def __str__(self) -> str:
        who = str(self.key) if self.key is not None else "an unreadable sandbox"
        return f"{who} on {self.address or 'an unreadable address'}: {self.reason}"
