"""What packets do on nodes that the plans have set up: they are sent through the lab, whose fabric drops foreign sources.

Controls take one thing away and show that the packets then fail, so that the other tests mean something.
"""

import contextlib
import shutil

import pytest
from datapath_worlds import IPV4, IPV6, changed

from vpcipam.datapath.values import Link, Rule
from waiting import wait_for

SERVICE = "172.20.0.11"
NODE_PORT = 30080


@pytest.fixture
def nodes(planned, vpc):
    """Two nodes that connections are marked on by iptables and by nftables."""
    return planned.PlannedNode(vpc, 1), planned.PlannedNode(vpc, 2, nftables=True)


@pytest.fixture(params=[False, True], ids=["iptables", "nftables"])
def node(planned, vpc, request):
    """A node, once with each of the two programs that mark connections."""
    return planned.PlannedNode(vpc, 1, nftables=request.param)


@contextlib.contextmanager
def leaves_by(chosen, *others, count=1):
    """Check that at least so many packets leave by one ENI, and none by the others."""
    before = [eni.sent_count for eni in (chosen, *others)]
    yield
    wait_for(lambda: chosen.sent_count >= before[0] + count)
    assert [eni.sent_count for eni in others] == before[1:]


@contextlib.contextmanager
def dropped_at(eni):
    """Check that the fabric drops packets of an ENI, because it does not own their source."""
    before = eni.dropped_count
    yield
    wait_for(lambda: eni.dropped_count > before)


def nothing_dropped(*nodes):
    return not any(eni.dropped_count for node in nodes for eni in node.enis)


# --- within the VPC -------------------------------------------------------------------------------------------------------


def test_pods_of_a_node_reach_each_other_without_leaving_it(node, sees):
    eth0, eth1 = node.enis
    first, second = node.pod(("10.0.1.50", 0)), node.pod(("10.0.1.60", 1))
    sent = eth0.sent_count, eth1.sent_count
    assert sees(first.namespace, second.namespace, "10.0.1.60") == "10.0.1.50"
    assert sees(second.namespace, first.namespace, "10.0.1.50") == "10.0.1.60"
    assert (eth0.sent_count, eth1.sent_count) == sent


def test_a_node_and_its_pods_reach_each_other(node, sees):
    for address, eni in (("10.0.1.50", 0), ("10.0.1.60", 1)):
        pod = node.pod((address, eni))
        assert sees(node.namespace, pod.namespace, address) == "10.0.1.10"
        assert sees(pod.namespace, node.namespace, "10.0.1.10") == address
    assert nothing_dropped(node)


def test_pods_of_two_nodes_reach_each_other_each_by_the_eni_that_has_its_address(nodes, sees, namespaces):
    a, b = nodes
    for (first, near), (second, far) in ((("10.0.1.50", 0), ("10.0.1.70", 0)), (("10.0.1.60", 1), ("10.0.1.80", 1))):
        here, there = a.pod((first, near)), b.pod((second, far))
        with leaves_by(a.enis[near], a.enis[1 - near]), leaves_by(b.enis[far], b.enis[1 - far]):
            assert sees(here.namespace, there.namespace, second) == first
        with leaves_by(a.enis[near], a.enis[1 - near], count=5):
            namespaces.send(here.namespace, second, 5)
        assert sees(b.namespace, here.namespace, first) == "10.0.1.20"
        assert sees(there.namespace, a.namespace, "10.0.1.10") == second
    assert nothing_dropped(a, b)


def test_the_primary_address_of_another_eni_answers(nodes, sees):
    a, b = nodes
    pod = b.pod(("10.0.1.80", 1))
    with leaves_by(a.enis[1], a.enis[0]):
        assert sees(pod.namespace, a.namespace, "10.0.1.11") == "10.0.1.80"


def test_control_without_the_rule_of_an_enis_address_its_answers_are_dropped(nodes, fails):
    a, b = nodes
    pod = b.pod(("10.0.1.80", 1))
    a.namespace.run("ip", "rule", "delete", "from", "10.0.1.11")
    a.namespace.sysctl("net/ipv4/conf/eth1/rp_filter", 0)
    a.namespace.sysctl("net/ipv4/conf/all/rp_filter", 0)
    with dropped_at(a.enis[0]):
        assert fails(pod.namespace, a.namespace, "10.0.1.11")


def test_control_without_the_rule_from_a_pod_its_packets_are_dropped(nodes, fails):
    a, b = nodes
    here, there = a.pod(("10.0.1.60", 1)), b.pod(("10.0.1.80", 1))
    a.namespace.run("ip", "rule", "delete", "from", "10.0.1.60", "priority", "1536")
    with dropped_at(a.enis[0]):
        assert fails(here.namespace, there.namespace, "10.0.1.80")


def test_a_pod_has_an_address_on_each_network_card(planned, vpc, sees):
    node, other = planned.PlannedNode(vpc, 1, card=1), planned.PlannedNode(vpc, 2)
    assert node.enis[1].facts.table == 10101
    pod, far = node.pod(("10.0.1.51", 0), ("10.0.1.61", 1)), other.pod(("10.0.1.70", 0))
    for address, index in (("10.0.1.51", 0), ("10.0.1.61", 1)):
        with leaves_by(node.enis[index], node.enis[1 - index]):
            assert sees(pod.namespace, far.namespace, "10.0.1.70", source=address) == address
            assert sees(far.namespace, pod.namespace, address) == "10.0.1.70"


# --- out of the VPC -------------------------------------------------------------------------------------------------------


def test_egress_gets_the_primary_address_and_leaves_by_the_primary_eni(node, vpc, sees, namespaces):
    eth0, eth1 = node.enis
    for address, eni in (("10.0.1.50", 0), ("10.0.1.60", 1)):
        pod = node.pod((address, eni))
        with leaves_by(eth0, eth1):
            assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"
    tracked = node.namespace.call(namespaces.Path("/proc/thread-self/net/nf_conntrack").read_text).splitlines()
    assert {"mark=128" in line for line in tracked if f"dst={namespaces.OUTSIDE}" in line} == {True}
    assert nothing_dropped(node)


def test_control_without_the_rule_for_marked_packets_egress_of_another_eni_is_dropped(node, vpc, fails, namespaces):
    pod = node.pod(("10.0.1.60", 1))
    node.namespace.run("ip", "rule", "delete", "priority", "1024")
    with dropped_at(node.enis[1]):
        assert fails(pod.namespace, vpc.outside, namespaces.OUTSIDE)


def test_with_external_snat_a_pod_leaves_by_its_eni_with_its_own_address(node, vpc, sees, namespaces):
    node.set_up(changed(AWS_VPC_K8S_CNI_EXTERNALSNAT="true"))
    pod = node.pod(("10.0.1.60", 1))
    with leaves_by(node.enis[1], node.enis[0]):
        assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.60"
    node.set_up(IPV4)
    with leaves_by(node.enis[0], node.enis[1]):
        assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"


def test_excluded_cidrs_keep_the_address_of_the_pod(node, vpc, sees, namespaces):
    node.set_up(changed(AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS="198.51.100.0/24"))
    pod = node.pod(("10.0.1.60", 1))
    with leaves_by(node.enis[1], node.enis[0]):
        assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.60"


def dnat(node, to_what, port, target):
    rule = ["-d", to_what, "-p", "tcp", "--dport", str(port), "-j", "DNAT", "--to-destination", target]
    node.namespace.run("iptables", "-w", "-t", "nat", "-I", "PREROUTING", "1", *rule)


def node_port(node):
    """A pod of another ENI behind a port of the node, as with externalTrafficPolicy Local."""
    dnat(node, "10.0.1.10", NODE_PORT, "10.0.1.60:8080")
    return node.pod(("10.0.1.60", 1))


def test_answers_of_a_node_port_leave_by_the_primary_eni(node, vpc, sees, namespaces):
    pod = node_port(node)
    with leaves_by(node.enis[0], node.enis[1], count=3):
        assert sees(vpc.outside, pod.namespace, "10.0.1.60 8080", dial=("10.0.1.10", NODE_PORT)) == namespaces.OUTSIDE


def test_control_without_node_port_support_answers_are_dropped(node, vpc, fails):
    pod = node_port(node)
    node.set_up(changed(AWS_VPC_CNI_NODE_PORT_SUPPORT="false"))
    with dropped_at(node.enis[1]):
        assert fails(vpc.outside, pod.namespace, "10.0.1.60 8080", dial=("10.0.1.10", NODE_PORT))


def test_control_without_the_mark_of_the_connection_answers_are_dropped(node, vpc, fails):
    pod = node_port(node)
    node.namespace.run(
        "iptables", "-w", "-t", "mangle", "-D", "PREROUTING", "-i", "eni+", "-j", "CONNMARK", "--restore-mark", "--mask", "0x80"
    )
    with dropped_at(node.enis[1]):
        assert fails(vpc.outside, pod.namespace, "10.0.1.60 8080", dial=("10.0.1.10", NODE_PORT))


@pytest.mark.parametrize(("device", "works"), [("eth0", False), ("eth1", True)])
def test_control_a_strict_reverse_path_check_on_the_primary_eni_breaks_node_ports(node, vpc, namespaces, device, works):
    pod = node_port(node)
    node.namespace.sysctl(f"net/ipv4/conf/{device}/rp_filter", 1)
    seen = namespaces.peer_seen(vpc.outside, pod.namespace, "10.0.1.60 8080", dial=("10.0.1.10", NODE_PORT), timeout_s=3 if works else 0.3)
    assert (seen is not None) == works


def test_a_service_address_with_an_endpoint_outside_needs_a_rule_of_its_own(node, vpc, sees, fails, namespaces):
    """kube-proxy changes the destination before the datapath could mark the connection: AWS_EXTERNAL_SERVICE_CIDRS cures that."""
    pod = node.pod(("10.0.1.60", 1))
    dnat(node, SERVICE, 80, f"{namespaces.OUTSIDE}:9500")
    with dropped_at(node.enis[1]):
        assert fails(pod.namespace, vpc.outside, f"{namespaces.OUTSIDE} 9500", dial=(SERVICE, 80))
    node.set_up(changed(AWS_EXTERNAL_SERVICE_CIDRS="198.51.100.0/24"))
    assert sees(pod.namespace, vpc.outside, f"{namespaces.OUTSIDE} 9500", dial=(SERVICE, 80)) == "10.0.1.10"


def test_other_bits_of_a_mark_are_kept(node, vpc, sees, namespaces):
    """Upstream's rule of nftables overwrites them."""
    pod = node.pod(("10.0.1.60", 1))
    probe = (
        'table ip probe { chain before { type filter hook prerouting priority -140; iifname "eni*" meta mark set meta mark | 0x10000; }\n'
        'chain after { type filter hook forward priority 0; iifname "eni*" meta mark & 0x10000 == 0 counter drop; }\n}'
    )
    node.namespace.run("nft", "-f", "-", text=probe)
    assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"


# --- IPv6 -----------------------------------------------------------------------------------------------------------------


def test_ipv6_pods_reach_each_other_nodes_and_outside(planned, vpc, sees, namespaces):
    a, b = (planned.PlannedNode(vpc, number, IPV6) for number in (1, 2))
    here, there = a.pod(("2001:db8:a::5", 0)), b.pod(("2001:db8:b::5", 0))
    assert sees(here.namespace, there.namespace, "2001:db8:b::5") == "2001:db8:a::5"
    assert sees(a.namespace, here.namespace, "2001:db8:a::5") == "2001:db8:1::10"
    assert sees(here.namespace, a.namespace, "2001:db8:1::10") == "2001:db8:a::5"
    assert sees(here.namespace, vpc.outside, namespaces.OUTSIDE_V6) == "2001:db8:a::5"
    assert nothing_dropped(a, b)


def test_ipv6_pods_leave_by_ipv4_with_the_nodes_address(planned, vpc, sees, fails, namespaces):
    a, b = (planned.PlannedNode(vpc, number, IPV6) for number in (1, 2))
    pod = a.pod(("2001:db8:a::5", 0), egress="169.254.172.2")
    assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"
    b.namespace.run("ip", "route", "add", "169.254.172.0/22", "via", "10.0.1.10", "dev", "eth0", "onlink")
    assert fails(b.namespace, pod.namespace, "169.254.172.2")  # nobody opens connections to it


def test_ipv4_pods_leave_by_ipv6_with_the_nodes_address(planned, vpc, sees, namespaces):
    settings = changed(ENABLE_V6_EGRESS="true")
    node = planned.PlannedNode(vpc, 1, settings, dual_stack=True)
    pod = node.pod(("10.0.1.60", 1), egress="fd00::ac:2")
    assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE_V6) == "2001:db8:1::10"
    assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"


# --- the end --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespace_first", [False, True], ids=["disconnected first", "namespace gone first"])
def test_nothing_is_left_of_a_pod(node, namespace_first):
    before = node.namespace.state()
    pods = [node.pod(("10.0.1.50", 0)), node.pod(("10.0.1.60", 1)), node.pod(("10.0.1.51", 0), ("10.0.1.61", 1))]
    for pod in pods:
        pod.delete(namespace_first=namespace_first)
    assert node.namespace.state() == before
    for pod in pods:
        pod.delete()  # a second time
    assert node.namespace.state() == before


def test_nothing_is_left_of_egress(planned, vpc):
    node = planned.PlannedNode(vpc, 1, IPV6)
    node.namespace.sysctl("net/ipv4/ip_forward", 1)
    before = node.namespace.state()
    node.pod(("2001:db8:a::5", 0), egress="169.254.172.2").delete(namespace_first=True)
    assert node.namespace.state() == before


def test_control_rules_outlive_a_namespace_and_the_route_does_not(node, planned):
    pod = node.pod(("10.0.1.60", 1))
    pod.namespace.close()
    node.wait_for_the_end_of(pod.plan)
    left = planned.read(node.namespace.path)
    assert {each.priority for each in left if isinstance(each, Rule) and "10.0.1.60/32" in {each.source, each.destination}} == {512, 1536}
    assert not [each for each in left if isinstance(each, Link) and each.name.startswith("eni")]


@pytest.fixture
def legacy_node(planned, vpc, monkeypatch, tmp_path):
    """A node whose iptables is the one that does not use nftables."""
    for name in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            program = shutil.which(f"{name}-legacy{suffix}")
            if program is None:
                pytest.skip(f"no {name}-legacy{suffix} here: apt install iptables")
            (tmp_path / f"{name}{suffix}").symlink_to(program)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    node = planned.PlannedNode(vpc, 1)
    assert "legacy" in node.namespace.run("iptables", "--version")
    return node


def test_legacy_iptables_does_the_same(planned, legacy_node, vpc, sees, namespaces):
    node = legacy_node
    before, state = planned.read(node.namespace.path), node.namespace.state()
    node.set_up()
    assert planned.read(node.namespace.path) == before
    pod = node.pod(("10.0.1.60", 1))
    assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"
    node.set_up(changed(AWS_VPC_K8S_CNI_EXTERNALSNAT="true"))
    assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.60"
    node.set_up(IPV4)
    assert sees(pod.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"
    pod.delete()
    assert node.namespace.state() == state
