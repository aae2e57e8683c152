"""Sandbox keys and pods: the values that name the holder of an address."""

import pytest
from datastore_worlds import key

from vpcipam.errors import InvalidSandboxKey
from vpcipam.sandbox import PodRef, SandboxKey, check_sandbox_key


def test_a_key_and_a_pod_are_written_as_the_log_and_kubectl_write_them():
    assert str(SandboxKey("aws-cni", "c1", "eth0")) == "aws-cni/c1/eth0"
    assert str(PodRef("default", "web-1")) == "default/web-1"


def test_the_migrated_key_keeps_only_the_container():
    assert SandboxKey("aws-cni", "c1", "eth0").migrated() == SandboxKey("_migrated-from-cri", "c1", "unknown")
    assert key("c1").migrated().migrated() == key("c1").migrated()


def test_keys_differ_in_any_of_their_three_parts():
    keys = {SandboxKey(network, container, interface) for network in "ab" for container in "ab" for interface in "ab"}
    assert len(keys) == 8


@pytest.mark.parametrize("wanted", [SandboxKey("aws-cni", "c1", "eth0"), SandboxKey("", "c1", ""), SandboxKey("", " ", "")])
def test_a_key_with_a_container_is_accepted(wanted):
    check_sandbox_key(wanted)


@pytest.mark.parametrize("empty", [SandboxKey("", "", ""), SandboxKey("aws-cni", "", "eth0")])
def test_fault_11_a_key_without_a_container_is_refused(empty):
    with pytest.raises(InvalidSandboxKey, match="no container id"):
        check_sandbox_key(empty)


@pytest.mark.parametrize("wrong", [None, "c1", ("aws-cni", "c1", "eth0"), 7, b"c1", PodRef("default", "web-1")])
def test_a_key_of_another_type_is_a_type_error(wrong):
    with pytest.raises(TypeError, match=f"not {type(wrong).__name__}$"):
        check_sandbox_key(wrong)


def test_pods_are_frozen_values():
    pod = PodRef("default", "web-1")
    assert pod == PodRef("default", "web-1") != PodRef("default", "web-2")
    with pytest.raises(AttributeError):
        pod.name = "web-2"
