"""The fixtures for users, under shorter names."""

import pytest

from vpcipam.ec2.pytest_fixtures import ec2_client, ec2_clock, ec2_model, ec2_offline  # noqa: F401 - fixtures are found by their names


@pytest.fixture
def model(ec2_model):  # noqa: F811 - a fixture asks for a fixture by its name
    """An empty model."""
    return ec2_model


@pytest.fixture
def client(ec2_client):  # noqa: F811 - likewise
    """A boto3 client that the model answers."""
    return ec2_client
