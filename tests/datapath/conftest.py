"""Namespaces for the tests of the datapath."""

import os

import pytest
from namespaces_if_any import bare_namespace, namespaces, vpc

__all__ = ["bare_namespace", "namespaces", "vpc"]


@pytest.fixture
def planned(namespaces):
    """The module `planned`, which needs pyroute2."""
    del namespaces
    import planned  # noqa: PLC0415

    return planned


@pytest.fixture
def sees(namespaces):
    """Connect one namespace to another and return the address that the server sees; None if there is no connection."""
    return namespaces.peer_seen


@pytest.fixture
def fails(namespaces):
    """Check that one namespace does not reach another."""

    def check(*ends, **options):
        return namespaces.peer_seen(*ends, timeout_s=0.3, **options) is None

    return check


@pytest.fixture(scope="session")
def kernel_has(namespaces):
    """Skip a test if the kernel lacks something that commands of ip need. `make other-kernel` runs it on one that has it."""

    def check(what, *commands):
        probe = namespaces.Namespace("probe")
        try:
            probe.run("ip", "-batch", "-", text="\n".join(commands))
        except AssertionError:
            if os.environ.get("VPCIPAM_REQUIRE_MODULES"):
                raise
            pytest.skip(f"this kernel has no {what}, so that it is NOT tried: make other-kernel")
        finally:
            probe.close()

    return check
