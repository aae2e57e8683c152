"""Pytest fixtures of the offline EC2, for test suites of boto3 code.

They need the extra `[ec2]` and pytest. Load them with one line in a `conftest.py`:

    pytest_plugins = ["vpcipam.ec2.pytest_fixtures"]

A test then requests `ec2_client`, a boto3 client; if needed also `ec2_model`, which answers the client, and `ec2_clock`, which sets the
time of its calls. Every test gets new ones. With `ec2_offline`, the same model answers every EC2 client that is made during the test, also
by the code under test.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from vpcipam.ec2.fake import Clock, fake_client, offline_ec2
from vpcipam.ec2.model import Ec2Model

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@pytest.fixture
def ec2_model() -> Ec2Model:
    """An empty model of EC2."""
    return Ec2Model()


@pytest.fixture
def ec2_clock() -> Clock:
    """The clock of the client's calls; it moves only when the test calls `advance`."""
    return Clock()


@pytest.fixture
def ec2_client(ec2_model: Ec2Model, ec2_clock: Clock) -> "EC2Client":
    """A boto3 client for EC2 that `ec2_model` answers, offline."""
    return fake_client("ec2", ec2_model, now_ns=ec2_clock)


@pytest.fixture
def ec2_offline(ec2_model: Ec2Model, ec2_clock: Clock) -> Iterator[Ec2Model]:
    """The model, which answers every EC2 client that is made during the test."""
    with offline_ec2(ec2_model, now_ns=ec2_clock):
        yield ec2_model
