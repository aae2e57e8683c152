"""What people give instead of a document that can be read: they are told what it is, and what to give."""

import bz2
import lzma

import pytest

DESCRIBED_POD = """Name:             web-1
Namespace:        default
Node:             ip-10-0-0-4.ec2.internal/10.0.0.4
Status:           Pending
Events:
  Type     Reason                  Age  From     Message
  Warning  FailedCreatePodSandBox  3m   kubelet  add cmd: failed to assign an IP address to container
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NAMESPACE     NAME    READY   STATUS\ndefault       web-1   0/1     Pending\n", "is a table of kubectl; add -o json"),
        ("LAST SEEN   TYPE      REASON\n5m          Warning   Failed\n", "is a table of kubectl; add -o json"),
        (DESCRIBED_POD, "is a description by kubectl; give kubectl get pods,events --all-namespaces -o json"),
        ("NETWORKINTERFACES\tus-east-1a\taws-K8S-i-0\n", "is --output text of the AWS CLI; use --output json"),
        ("-" * 40 + "\n|  DescribeSubnets  |\n", "is --output table of the AWS CLI; use --output json"),
        (
            "\nAn error occurred (UnauthorizedOperation) when calling the DescribeSubnets operation: You are not authorized.\n",
            "is an error of the AWS CLI, no answer of EC2",
        ),
        ("Unable to locate credentials. You can configure credentials\n", "is an error of the AWS CLI"),
        ('Error from server (Forbidden): pods is forbidden: User "x" cannot list\n', "is an error of kubectl"),
        ("$ curl localhost:61679\ncurl: (7) Failed to connect", "is an error of curl; on the node, ipamd answers on localhost only"),
        ("<html><body>Sign in</body></html>", "is HTML"),
    ],
)
def test_texts_are_named_that_are_no_documents(read, skipped, text, why):
    found = read(text)
    assert (found.documents, [reason for _, reason in skipped(found)]) == ((), [why])


def test_json_behind_an_error_is_read(read):
    assert read('Error from server (NotFound): no pods\n{"kind": "Node", "metadata": {"name": "n"}}').nodes


@pytest.mark.parametrize(("pack", "name"), [(bz2.compress, "bzip2"), (lzma.compress, "xz"), (lambda text: b"(\xb5/\xfd" + text, "zstd")])
def test_what_has_packed_a_file_is_named(read, skipped, pack, name):
    assert [why for _, why in skipped(read(pack(b"{}")))] == [f"is packed by {name}; unpack it, or use gzip or zip"]
