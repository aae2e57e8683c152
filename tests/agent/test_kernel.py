"""What the agent asks of this machine before it starts. The rest of the kernel is in test_in_namespaces.py."""

import pytest

pytest.importorskip("pyroute2", reason="the kernel needs vpcipam[datapath], on Linux")

from vpcipam import SandboxKey, Settings
from vpcipam.agent import kernel
from vpcipam.agent.kernel import KernelWiring, uses_nftables
from vpcipam.errors import DatapathError


@pytest.mark.parametrize(("version", "nftables"), [("iptables v1.8.9 (nf_tables)", True), ("iptables v1.8.9 (legacy)", False)])
def test_the_flavour_of_iptables_decides_where_connections_are_marked(tmp_path, monkeypatch, version, nftables):
    (tmp_path / "iptables").write_text(f"#!/bin/sh\necho '{version}'\n")
    (tmp_path / "iptables").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert uses_nftables() is nftables


def test_without_iptables_no_agent_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatapathError, match="install iptables"):
        uses_nftables()
    (tmp_path / "iptables").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "iptables").chmod(0o755)
    with pytest.raises(DatapathError, match="install iptables"):
        uses_nftables()


IPV6 = {"ENABLE_IPv4": "false", "ENABLE_IPv6": "true", "ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, []),
        ({"ENABLE_POD_ENI": "true"}, ["branch ENIs (ENABLE_POD_ENI)"]),
        ({"ENABLE_V6_EGRESS": "true"}, ["egress by the other IP version"]),
        (IPV6, ["egress by the other IP version"]),
    ],
)
def test_what_it_does_not_wire_is_logged(variables, said):
    lines = []
    KernelWiring(Settings.from_env({"ENABLE_IPv4": "true"} | variables), nftables=True, log=lines.append)
    assert lines == [f"pods get no {each}: the agent doesn't wire it" for each in said]


def test_what_fails_without_harm_is_logged(monkeypatch):
    lines = []
    wiring = KernelWiring(Settings(), nftables=True, log=lines.append)
    monkeypatch.setattr(kernel, "apply", lambda *_, **__: (DatapathError("the route is busy"),))
    wiring.disconnect(SandboxKey("pods", "c1", "eth0"), None, ("10.0.1.5",))
    assert lines == ["the route is busy"]
