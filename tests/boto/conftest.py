"""Offline clients for the tests, and a node that reaches its EC2 over one."""

import pytest

from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model


@pytest.fixture
def model():
    """An empty model."""
    return Ec2Model()


@pytest.fixture
def client(model):
    """A boto3 client that the model answers."""
    return fake_client("ec2", model)
