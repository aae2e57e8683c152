"""Pytest fixtures of the offline EC2, for test suites of boto3 code.

They need the extra `[ec2]`, and pytest, which the library itself does not. Take them in with one line of a `conftest.py`:

    pytest_plugins = ["vpcipam.ec2.pytest_fixtures"]

A test then asks for `ec2_client`, a boto3 client, and where it wants for `ec2_model`, which answers it, and `ec2_clock`, the time that it
answers at. Every test has its own.
"""

from typing import TYPE_CHECKING

import pytest

from vpcipam.ec2.fake import Clock, fake_client
from vpcipam.ec2.model import Ec2Model

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client


@pytest.fixture
def ec2_model() -> Ec2Model:
    """An empty model of EC2."""
    return Ec2Model()


@pytest.fixture
def ec2_clock() -> Clock:
    """The time at which the model is called; it stands still until the test lets it go on."""
    return Clock()


@pytest.fixture
def ec2_client(ec2_model: Ec2Model, ec2_clock: Clock) -> "EC2Client":
    """A boto3 client for EC2 that `ec2_model` answers, offline."""
    return fake_client("ec2", ec2_model, now_ns=ec2_clock)
