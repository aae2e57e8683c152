"""What an audit finds on a node."""

import enum

import attrs


class Severity(enum.StrEnum):
    """How much a finding matters."""

    FINDING = "finding"
    """A rule of EC2 or of ipamd is broken: something is wrong or about to go wrong."""
    NOTE = "note"
    """Nothing is wrong, but something takes room or explains a number."""


@attrs.frozen
class Finding:
    """What one rule found in one place.

    Attributes:
        rule: the rule's id, such as `too-many-enis`.
        where: an ENI, a subnet, a network card (`card 0`) or the instance.
        message: what was found; a sentence whose subject is `where`, without a full stop.
        suggestion: what to do about it, empty if there is nothing to do.
    """

    rule: str
    severity: Severity
    where: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        """Write it as one line: where, what, and what to do."""
        return f"{self.where}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")
