"""Sandbox keys and pods: the values that name the holder of an address."""

from typing import NamedTuple

import attrs

from vpcipam.errors import InvalidSandboxKey

# ipamd wrote these names for sandboxes that it migrated from the container runtime (CNI 1.6 and older): it did not know their network.
MIGRATED_NETWORK_NAME = "_migrated-from-cri"
MIGRATED_IF_NAME = "unknown"


class SandboxKey(NamedTuple):
    """One attachment of a pod sandbox. The CNI specification asks plugins to store results under this key.

    It is a tuple, not an attrs class like the library's other values. Every assign and unassign hashes and compares it, and a tuple does
    that without running Python code.
    """

    network_name: str
    container_id: str
    if_name: str

    def migrated(self) -> "SandboxKey":
        """Return the key under which ipamd stored this sandbox if the sandbox was migrated from the container runtime."""
        return SandboxKey(MIGRATED_NETWORK_NAME, self.container_id, MIGRATED_IF_NAME)

    def __str__(self) -> str:
        return "/".join(self)  # as in ipamd's log


def check_sandbox_key(key: SandboxKey) -> None:
    """Refuse a key that names no sandbox.

    ipamd accepts an empty key, counts its address as assigned, and gives it to the next pod too (docs/ipamd.md, "Known faults", fault 11).

    Raises:
        InvalidSandboxKey: it has no container id.
        TypeError: it is not a `SandboxKey`.
    """
    if type(key) is not SandboxKey:
        raise TypeError(f"a sandbox key must be a SandboxKey(network_name, container_id, if_name), not {type(key).__name__}")
    if not key.container_id:
        raise InvalidSandboxKey(f"{key!r} has no container id, so it names no sandbox: pass CNI_CONTAINERID")


@attrs.frozen
class PodRef:
    """A pod, by the names in its sandbox's metadata."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"  # as in kubectl
