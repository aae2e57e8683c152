"""Hints for the processor, for the plain loop of a fleet: it has no use for any. The compiled one has `_hints.pxd`."""

from collections.abc import Sequence

from vpcipam.sandbox import SandboxKey


def for_deletions(deletions: Sequence[int], count: int, homes: Sequence[int], members: Sequence[object]) -> None:
    """Say that the deletions after so many will be dealt with soon."""


def for_backlog(  # noqa: PLR0917  # columns of a ledger
    backlog: Sequence[int], first: int, end: int, keys: list[SandboxKey], places: Sequence[int], pool: object
) -> None:
    """Say that what has been put off for a node will be done now."""
