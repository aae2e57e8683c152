"""What an audit says about a node."""

import enum

import attrs


class Severity(enum.StrEnum):
    """How much a rule's word weighs."""

    FINDING = "finding"
    """Something is wrong, or about to be: a rule of EC2 or of ipamd is broken."""
    NOTE = "note"
    """Nothing is wrong, but it takes room, or explains a figure."""


@attrs.frozen
class Finding:
    """What one rule has to say about one place.

    Attributes:
        rule: the rule's id, such as `too-many-enis`.
        where: an ENI, a subnet, a network card (`card 0`) or the instance.
        message: what is so; a sentence without its full stop.
        suggestion: what to do about it, empty where there is nothing to do.
    """

    rule: str
    severity: Severity
    where: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        """One line: where, what, and what to do."""
        return f"{self.where}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")
