"""What the fabric sees of nodes that encrypt: their packets are recorded at every ENI."""

import contextlib
import itertools
import socket

import pytest
from datapath_worlds import IPV6, changed

from vpcipam.datapath.encryption import EncryptedNode, Keyring, encryption_plan
from vpcipam.datapath.values import XfrmPolicy, expected

SECRET = b"nobody between the nodes may read this"
OLD, NEW = "11" * 32, "22" * 32
KEYS = Keyring.parse(f"1 {OLD}")
ON = changed(ENABLE_POD_ENCRYPTION="true")
ESP = 50
NEEDS_ESP = pytest.mark.usefixtures("esp")
IPV4_FRAME, IPV6_FRAME = b"\x08\x00", b"\x86\xdd"
MULTICAST = 0xFF  # the first byte of an IPv6 address


@pytest.fixture
def esp(kernel_has):
    """Skip the test unless the kernel has ESP."""
    state = "src 10.0.0.1 dst 10.0.0.2 proto esp spi 0x100 mode tunnel"
    kernel_has("ESP", f"xfrm state add {state} auth-trunc hmac(sha256) 0x{OLD} 128 enc cbc(aes) 0x{OLD}")


@pytest.fixture
def nodes(planned, vpc):
    """Two nodes, each with a pod on each ENI: `primary` and `second`."""
    found = [planned.PlannedNode(vpc, number) for number in (1, 2)]
    for node in found:
        node.primary, node.second = node.pod((f"10.0.1.{50 + node.number}", 0)), node.pod((f"10.0.1.{60 + node.number}", 1))
    return found


def encrypted(node):
    cidrs = [each for pod in (node.primary, node.second) for each in [pod.address]]
    return EncryptedNode(address=node.enis[0].primary, cidrs=[*cidrs, *(eni.primary for eni in node.enis)])


def encrypt(planned, node, peers, keys=KEYS, kinds=object):
    standing = planned.read(node.namespace.path, filters=False, encryption=True)
    plan = encryption_plan(encrypted(node), map(encrypted, peers), keys, ON, standing=standing)
    node.apply([step for step in plan if isinstance(step.value, kinds)])
    return plan


@contextlib.contextmanager
def watched(namespaces, *nodes):
    """Record the frames at all ENIs. Yields a list of frames, which is filled at the end."""
    frames = []
    with contextlib.ExitStack() as recording:
        lists = [recording.enter_context(namespaces.recorded(eni)) for node in nodes for eni in node.enis]
        yield frames
    frames += itertools.chain(*lists)


def protocols(frames):
    """The IP protocols of frames. What IPv6 says for itself is left out: neighbour discovery, and reports to multicast groups."""
    found = {frame[23] for frame in frames if frame[12:14] == IPV4_FRAME}
    spoken = [frame for frame in frames if frame[12:14] == IPV6_FRAME and frame[38] != MULTICAST]
    return found | {frame[20] for frame in spoken if not 133 <= frame[54] <= 143}


def ends(nodes):
    """Pairs of places, each with its address, that differ in node and are not both primary addresses of nodes."""
    for a, b in itertools.permutations(nodes, 2):
        sources = [(a.namespace, a.enis[0].primary), (a.primary.namespace, a.primary.address), (a.second.namespace, a.second.address)]
        targets = [(b.namespace, each.primary) for each in b.enis] + [(each.namespace, each.address) for each in (b.primary, b.second)]
        for (here, source), (there, target) in itertools.product(sources, targets):
            if (source, target) != (a.enis[0].primary, b.enis[0].primary):
                yield here, source, there, target


def talk(here, there, target):
    """Send the secret by TCP in both directions; return the client's address as the server sees it."""
    with there.socket(socket.AF_INET6 if ":" in target else socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((target, 0))
        listener.listen()
        with here.socket(listener.family, socket.SOCK_STREAM) as caller:
            for each in (listener, caller):
                each.settimeout(3)
            caller.connect(listener.getsockname())
            accepted, peer = listener.accept()
            with accepted:
                accepted.settimeout(3)
                for sender, receiver in ((caller, accepted), (accepted, caller)):
                    sender.sendall(SECRET)
                    assert receiver.recv(100) == SECRET
            return peer[0]


def test_control_without_encryption_the_secret_is_seen(nodes, namespaces):
    a, b = nodes
    with watched(namespaces, *nodes) as frames:
        talk(a.second.namespace, b.second.namespace, b.second.address)
    assert sum(SECRET in frame for frame in frames) >= 4  # both ends of both directions


def test_without_states_nothing_passes_and_nothing_is_seen(planned, nodes, namespaces):
    a, b = nodes
    for node in nodes:
        encrypt(planned, node, nodes, kinds=XfrmPolicy)
    with watched(namespaces, *nodes) as frames:
        with pytest.raises(OSError, match=r"(?i)timed out|unreachable|temporarily"):
            talk(a.second.namespace, b.second.namespace, b.second.address)
        with contextlib.suppress(OSError):
            namespaces.send(a.primary.namespace, b.primary.address, payload=SECRET)
    assert protocols(frames) == set()


@NEEDS_ESP
def test_between_nodes_only_esp_is_seen(planned, nodes, namespaces):
    for node in nodes:
        plan = encrypt(planned, node, nodes)
        assert expected(plan) <= planned.read(node.namespace.path, filters=False, encryption=True)
    with watched(namespaces, *nodes) as frames:
        for here, source, there, target in ends(nodes):
            assert talk(here, there, target) == source
    assert protocols(frames) == {ESP}
    assert not any(SECRET in frame for frame in frames)
    with watched(namespaces, *nodes) as frames:  # from one primary address to the other nothing changes
        talk(nodes[0].namespace, nodes[1].namespace, nodes[1].enis[0].primary)
    assert ESP not in protocols(frames)


@NEEDS_ESP
def test_within_a_node_and_to_the_outside_nothing_changes(planned, nodes, vpc, sees, namespaces):
    a, _ = nodes
    for node in nodes:
        encrypt(planned, node, nodes)
    with watched(namespaces, *nodes) as frames:
        assert sees(a.primary.namespace, a.second.namespace, a.second.address) == a.primary.address
    assert protocols(frames) == set()
    assert sees(a.second.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"
    assert sees(a.namespace, vpc.outside, namespaces.OUTSIDE) == "10.0.1.10"


@NEEDS_ESP
def test_large_packets_pass(planned, nodes):
    """The veths have the MTU of the ENIs: the node tells the pod that a tunnel takes less."""
    a, b = nodes
    for node in nodes:
        encrypt(planned, node, nodes)
    sent = bytes(200_000)
    with b.second.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((b.second.address, 0))
        listener.listen()
        with a.second.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as caller:
            caller.settimeout(10)
            caller.connect(listener.getsockname())
            accepted, _ = listener.accept()
            with accepted:
                accepted.settimeout(10)
                caller.setblocking(False)  # noqa: FBT003 - its only parameter
                received, left = 0, sent
                while received < len(sent):
                    with contextlib.suppress(BlockingIOError):
                        left = left[caller.send(left) :]
                    received += len(accepted.recv(1 << 20))


@NEEDS_ESP
def test_control_with_another_secret_nothing_passes(planned, nodes, fails):
    a, b = nodes
    encrypt(planned, a, nodes)
    encrypt(planned, b, nodes, Keyring.parse(f"1 {NEW}"))
    assert fails(a.second.namespace, b.second.namespace, b.second.address)


@NEEDS_ESP
def test_control_a_packet_that_is_not_encrypted_is_not_taken(planned, nodes, fails, sees):
    a, b = nodes
    encrypt(planned, b, nodes)
    assert fails(a.second.namespace, b.second.namespace, b.second.address)
    encrypt(planned, b, [])
    assert sees(a.second.namespace, b.second.namespace, b.second.address) == a.second.address


@NEEDS_ESP
def test_a_connection_survives_a_rotation(planned, nodes, namespaces):
    a, b = nodes
    files = [f"1 {OLD}", f"1 {OLD}\n2 {NEW}", f"2 {NEW}\n1 {OLD}", f"2 {NEW}"]
    for node in nodes:
        encrypt(planned, node, nodes)
    with b.second.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((b.second.address, 0))
        listener.listen()
        with a.second.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as caller:
            caller.settimeout(3)
            caller.connect(listener.getsockname())
            accepted, _ = listener.accept()
            with accepted, watched(namespaces, *nodes) as frames:
                accepted.settimeout(3)
                for text, node in itertools.product(files, nodes):
                    encrypt(planned, node, nodes, Keyring.parse(text))
                    for sender, receiver in ((caller, accepted), (accepted, caller)):
                        sender.sendall(SECRET)
                        assert receiver.recv(100) == SECRET
    assert protocols(frames) == {ESP}
    assert {int.from_bytes(frame[34:35]) for frame in frames if frame[12:14] == IPV4_FRAME} == {1, 2}  # the generations, first in the SPI


@NEEDS_ESP
def test_nothing_is_left_without_peers(planned, nodes):
    a, _ = nodes
    before = a.namespace.run("ip", "xfrm", "state") + a.namespace.run("ip", "xfrm", "policy")
    encrypt(planned, a, nodes)
    encrypt(planned, a, [])
    assert a.namespace.run("ip", "xfrm", "state") + a.namespace.run("ip", "xfrm", "policy") == before == ""


@NEEDS_ESP
def test_ipv6_pods_use_the_same_tunnels(planned, vpc, namespaces):
    nodes = [planned.PlannedNode(vpc, number, IPV6) for number in (1, 2)]
    ends = []
    for node, name in zip(nodes, "ab", strict=True):
        pod = node.pod((f"2001:db8:{name}::5", 0))
        cidrs = [node.enis[0].primary_v6, f"2001:db8:{name}::/80"]
        ends.append((pod, EncryptedNode(address=node.enis[0].primary, cidrs=cidrs)))
    (first, _), (second, _) = ends
    for node, (_, facts) in zip(nodes, ends, strict=True):
        node.apply(encryption_plan(facts, [facts for _, facts in ends], KEYS, ON))
    with watched(namespaces, *nodes) as frames:
        assert talk(first.namespace, second.namespace, second.address) == first.address
        assert talk(nodes[0].namespace, second.namespace, second.address) == "2001:db8:1::10"
    assert protocols(frames) == {ESP}
