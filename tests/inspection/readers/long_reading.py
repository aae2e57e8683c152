"""Reads a text item by item, however short it is."""

import io

import pytest

from vpcipam.inspection import readers
from vpcipam.inspection.readers import long_texts, read_files


def long_read(text, chunk):
    """Read a text as a long one, in pieces of so many characters."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(readers, "MOST_DOCUMENT_BYTES", 0)
        patched.setattr(readers, "may_be_json", lambda _: True)
        patched.setattr(long_texts, "_CHUNK", chunk)
        patched.setattr(long_texts, "_OVERLAP", 8)
        return read_files([("file-0", io.BytesIO(text.encode()))])
