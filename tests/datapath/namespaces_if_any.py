"""Fixtures with network namespaces. Tests that need them are skipped where there can be none, or fail where that is wanted."""

import contextlib
import os

import pytest

REQUIRED = os.environ.get("VPCIPAM_REQUIRE_NAMESPACES") == "1"


def unavailable(why):
    """Skip a test, or fail it where the caller requires namespaces."""
    message = f"no network namespaces: {why}"
    if REQUIRED:
        pytest.fail(f"VPCIPAM_REQUIRE_NAMESPACES is set, but there are {message}")
    pytest.skip(message)


@pytest.fixture(scope="session")
def namespaces():
    """Skip what needs network namespaces if there can be none. Returns the module `lab`."""
    try:
        import lab  # noqa: PLC0415 - it needs pyroute2 and Linux
    except ImportError as error:
        unavailable(f"{error}: install vpcipam[datapath] on Linux")
    why = lab.trouble()
    if why is not None:
        unavailable(why)
    return lab


@pytest.fixture
def bare_namespace(namespaces):
    """Make namespaces that end with the test."""
    with contextlib.ExitStack() as made:

        def make(name):
            namespace = namespaces.Namespace(name)
            made.callback(namespace.close)
            return namespace

        yield make


@pytest.fixture
def vpc(namespaces):
    """An empty VPC."""
    with namespaces.Vpc() as made:
        yield made
