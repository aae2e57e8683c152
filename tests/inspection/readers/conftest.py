"""Reading texts as files."""

import io
import json

import pytest

from vpcipam.inspection.readers import read_files


def read_documents(*contents):
    """Read contents (bytes, text, or values to write as JSON) as files named `file-0`, `file-1` and so on."""
    files = []
    for number, content in enumerate(contents):
        text = content if isinstance(content, str | bytes) else json.dumps(content)
        files.append((f"file-{number}", io.BytesIO(text.encode() if isinstance(text, str) else text)))
    return read_files(files)


@pytest.fixture(scope="session")
def read():
    """A function that reads contents as files."""
    return read_documents


@pytest.fixture(scope="session")
def skipped():
    """A function that returns what was skipped, each as its place and the reason."""
    return lambda evidence: [(str(each.source), each.why) for each in evidence.skipped]
