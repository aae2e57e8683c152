"""What people give instead of a document that can be read: how it is recognised, and what to give."""

import re

_MAGIC = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"(\xb5/\xfd": "zstd", b"7z\xbc\xaf": "7-Zip"}

_BEGINNINGS = (
    (re.compile(r"(?:NAMESPACE +)?(?:NAME|LAST SEEN) {2,}[A-Z]"), "is a table of kubectl; add -o json"),
    (re.compile(r"An error occurred \(\w+\) when calling the \w+ operation"), "is an error of the AWS CLI, no answer of EC2"),
    (re.compile(r"Unable to locate credentials|You must specify a region|Could not connect to the endpoint"), "is an error of the AWS CLI"),
    (
        re.compile(
            r"Error from server \(|error: (?:You|the server|no|unable) |The connection to the server |Unable to connect to the server"
        ),
        "is an error of kubectl",
    ),
    (re.compile(r"curl: \(\d+\)"), "is an error of curl; on the node, ipamd answers on localhost only"),
    (re.compile(r"[A-Z]{4,}\t\S"), "is --output text of the AWS CLI; use --output json"),
    (re.compile(r"-{20,}\n|\|\s+Describe[A-Z]\w+\s+\|"), "is --output table of the AWS CLI; use --output json"),
    (re.compile(r"<(?:!DOCTYPE|html)", re.IGNORECASE), "is HTML"),
    (re.compile(r"Name: .*\nNamespace: "), "is a description by kubectl; give kubectl get pods,events --all-namespaces -o json"),
)


def packed_by(head: bytes) -> str:
    """Tell by its first bytes what has packed a file that can't be unpacked here; empty if nothing is known to have."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "")


def what_instead(text: str) -> str:
    """Tell by its beginning what a text is that no reader reads, and what to give; empty if that is not known.

    >>> what_instead("NAME    STATUS   ROLES    AGE   VERSION")
    'is a table of kubectl; add -o json'
    """
    return next((what for pattern, what in _BEGINNINGS if pattern.match(text)), "")
