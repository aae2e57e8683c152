"""What an audit finds, and what it can't check."""

import enum

import attrs

from vpcipam.inspection.evidence import Source


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
        rule: the rule's id, such as `too-many-enis`. `vpcipam.inspection.rules.catalogue` has its title, why it matters, and its page.
        where: an ENI, a subnet, a network card (`card 0`), a pod or the instance.
        message: what was found; a sentence whose subject is `where`, without a full stop.
        suggestion: what to do about it, empty if there is nothing to do.
        node: the name of the node, as in `NodeCase.name`; empty if the finding is about no single node.
        sources: where the facts were read.
    """

    rule: str
    severity: Severity
    where: str
    message: str
    suggestion: str = ""
    node: str = ""
    sources: tuple[Source, ...] = ()

    def __str__(self) -> str:
        """Write it as one line: where, what, and what to do."""
        return f"{self.where}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")


@attrs.frozen
class Missing:
    """Facts that a rule needs.

    Attributes:
        what: the facts, such as `EC2's ENIs of the node`.
        how: how to get a file that has them: a command, or the name of the file.
    """

    what: str
    how: str


@attrs.frozen
class Unchecked:
    """A rule that could not be checked: there is not enough in what was read.

    Attributes:
        rule: the rule's id.
        node: the node, as in `Finding`.
        missing: what would have to be there.
    """

    rule: str
    node: str
    missing: tuple[Missing, ...]
