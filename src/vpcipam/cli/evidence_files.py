"""Files of nodes, clusters and accounts as arguments."""

import click

from vpcipam.cli.progress import show_progress, total_size
from vpcipam.cli.streams import STDIN, stdin_bytes
from vpcipam.errors import EvidenceError
from vpcipam.inspection.evidence import Evidence
from vpcipam.inspection.readers import read_files

STDIN_NAME = "stdin"


def read_evidence(files: tuple[str, ...]) -> Evidence:
    """Read files of nodes, clusters and accounts; `-` is stdin.

    Raises:
        EvidenceError: None is recognised, or one can't be read.
    """
    if files.count(STDIN) > 1:
        raise click.UsageError("stdin (-) can be read only once")
    with show_progress(total_size(files), lambda length: f"{length / 1e6:,.1f} MB") as progress:
        evidence = read_files([(STDIN_NAME, stdin_bytes()) if file == STDIN else file for file in files], progress=progress)
    if not evidence.documents:
        raise EvidenceError(f"nothing in {listed(files)} is recognised{_first_reason(evidence)}; docs/inspecting.md lists what can be read")
    return evidence


def listed(files: tuple[str, ...]) -> str:
    """Name files: one by its name, several by their number."""
    if files == (STDIN,):
        return STDIN_NAME
    return files[0] if len(files) == 1 else f"{len(files)} files"


def _first_reason(evidence: Evidence) -> str:
    if not evidence.skipped:
        return ""
    first = evidence.skipped[0]
    return f": {first.source}: {first.what}: {first.why}"
