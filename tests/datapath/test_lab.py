"""The lab: its fabric must be as strict as the real one, or no test that uses it means anything."""

import pytest

from waiting import wait_for


@pytest.fixture
def nodes(vpc, namespaces):
    """Two nodes, each with a second ENI that the machine has set up by hand."""
    found = [namespaces.Node(vpc, name, number) for number, name in enumerate("ab", 1)]
    for node in found:
        node.attach()
        node.attach(f"10.0.1.{112 + 16 * node.number}/28")
    return found


def test_nodes_reach_each_other_and_outside(nodes, vpc, namespaces):
    a, b = nodes
    assert namespaces.peer_seen(a.namespace, b.namespace, "10.0.1.20") == "10.0.1.10"
    assert namespaces.peer_seen(a.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"
    assert namespaces.peer_seen(vpc.outside, b.namespace, "10.0.1.20") == namespaces.OUTSIDE
    assert [eni.dropped_count for node in nodes for eni in node.enis] == [0, 0, 0, 0]


def test_packets_are_counted_per_eni(nodes, namespaces):
    a, b = nodes
    before = [eni.sent_count for eni in (*a.enis, *b.enis)]
    namespaces.send(a.namespace, "10.0.1.20", 5)
    wait_for(lambda: b.enis[0].sent_count > before[2])  # b says that nobody listens there
    wait_for(lambda: a.enis[0].sent_count >= before[0] + 5)
    assert [a.enis[1].sent_count, b.enis[1].sent_count] == [before[1], before[3]]


def test_the_fabric_drops_a_source_that_the_eni_does_not_own(nodes, namespaces):
    a, b = nodes
    assert namespaces.peer_seen(a.namespace, b.namespace, "10.0.1.20", source="10.0.1.10") == "10.0.1.10"
    a.namespace.run("ip", "address", "add", "10.0.1.129/32", "dev", "lo")  # of eth1, but main sends it out of eth0
    before = a.enis[0].dropped_count
    assert namespaces.peer_seen(a.namespace, b.namespace, "10.0.1.20", source="10.0.1.129", timeout_s=0.2) is None
    wait_for(lambda: a.enis[0].dropped_count > before)
    a.enis[1].disown("10.0.1.128/28")
    a.enis[0].own("10.0.1.128/28")
    assert namespaces.peer_seen(a.namespace, b.namespace, "10.0.1.20", source="10.0.1.129") == "10.0.1.129"


def test_ipv6_is_as_strict(vpc, namespaces):
    a, b = (namespaces.Node(vpc, name, number) for number, name in enumerate("ab", 1))
    for node in (a, b):
        node.attach(f"2001:db8:{node.number}::/80", primary_v6=f"2001:db8:{node.number}:1::10")
    assert namespaces.peer_seen(a.namespace, b.namespace, "2001:db8:2:1::10") == "2001:db8:1:1::10"
    assert namespaces.peer_seen(a.namespace, vpc.outside, namespaces.OUTSIDE_V6) == "2001:db8:1:1::10"
    a.namespace.run("ip", "address", "add", "2001:db8:3::1/128", "dev", "lo", "nodad")  # usable at once
    before = a.enis[0].dropped_count
    assert namespaces.peer_seen(a.namespace, b.namespace, "2001:db8:2:1::10", source="2001:db8:3::1", timeout_s=0.2) is None
    wait_for(lambda: a.enis[0].dropped_count > before)


def test_frames_are_recorded(nodes, namespaces):
    a, _ = nodes
    with namespaces.recorded(a.enis[0], wanted=5) as frames:
        namespaces.send(a.namespace, "10.0.1.20", payload=b"a secret")
    assert sum(b"a secret" in frame for frame in frames) >= 5


def test_nothing_is_left_of_a_vpc(namespaces):
    with namespaces.Vpc() as made:
        path = made.fabric.path
        inode = namespaces.Path(path).stat().st_ino
        made.outside.run("ip", "link")
    assert not namespaces.Path(path).exists() or namespaces.Path(path).stat().st_ino != inode
