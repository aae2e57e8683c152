"""The plans of pod encryption."""

import ipaddress
import itertools

import attrs
import pytest
from datapath_worlds import IPV4, changed
from hypothesis import given
from hypothesis import strategies as st

from vpcipam.datapath.commands import command, describe
from vpcipam.datapath.encryption import EncryptedNode, Keyring, hkdf
from vpcipam.datapath.encryption import encryption_plan as plan_by_settings
from vpcipam.datapath.values import DELETIONS, Mode, Step, XfrmPolicy, XfrmState, expected, identity
from vpcipam.datapath.xfrm import created, deleted, parse_xfrm
from vpcipam.errors import InvalidAddress, InvalidArgument, InvalidCidr
from vpcipam.settings import Settings

OLD, NEW = "11" * 32, "22" * 32
KEYS = Keyring.parse(f"1 {OLD}")
ON = changed(ENABLE_POD_ENCRYPTION="true")
A = EncryptedNode(address="10.0.1.10", cidrs=["10.0.1.10/32", "10.0.1.11/32", "10.0.1.48/28"])
B = EncryptedNode(address="10.0.1.20", cidrs=["10.0.1.20/32", "10.0.1.80/32", "2001:db8:b::/80"])
C = EncryptedNode(address="10.0.1.30", cidrs=["10.0.1.30/32"])


def encryption_plan(node, peers, keys, **standing):
    """The plan with encryption turned on."""
    return plan_by_settings(node, peers, keys, ON, **standing)


def states(steps):
    return {each for each in expected(steps) if isinstance(each, XfrmState)}


def policies(steps):
    return {each for each in expected(steps) if isinstance(each, XfrmPolicy)}


def test_keys_follow_from_the_secret_as_in_the_rfc():
    """RFC 5869, appendix A.3: no salt and no info."""
    okm = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    assert b"".join(hkdf(b"\x0b" * 22, b""))[:42].hex() == okm


def test_both_ends_of_a_tunnel_have_the_same_state():
    assert states(encryption_plan(A, [B], KEYS)) == states(encryption_plan(B, [A], KEYS))
    assert {(each.source, each.destination) for each in states(encryption_plan(A, [B, C], KEYS))} == {
        *((A.address, B.address), (B.address, A.address), (A.address, C.address), (C.address, A.address))
    }


def test_each_pair_direction_and_secret_has_keys_of_its_own():
    rings = [KEYS, Keyring.parse(f"2 {OLD}"), Keyring.parse(f"1 {NEW}")]
    found = [
        state
        for ring in rings
        for node in (A, B)
        for state in states(encryption_plan(node, [A, B, C], ring))
        if state.source == node.address
    ]
    keys = [key for state in found for key in (state.encryption_key, state.authentication_key)]
    assert len({*keys}) == len(keys) == 2 * 4 * 3
    assert {len(key) for key in keys} == {32}


def test_a_node_among_its_peers_is_left_out():
    assert encryption_plan(A, [A, B], KEYS) == encryption_plan(A, [B], KEYS)
    assert encryption_plan(A, [A], KEYS) == ()


@given(st.sampled_from([A, B, C]), st.sampled_from([A, B, C]), st.data())
def test_what_one_node_sends_the_other_takes(sender, receiver, data):
    """Every packet but those between the primary addresses has a policy at each end, and both name the same tunnel."""
    pairs = [
        (one, other)
        for one in map(ipaddress.ip_network, sender.cidrs)
        for other in map(ipaddress.ip_network, receiver.cidrs)
        if one.version == other.version
    ]
    if sender == receiver or not pairs:
        return
    spans = data.draw(st.sampled_from(pairs))
    source, destination = (span[data.draw(st.integers(0, min(span.num_addresses - 1, 100)))] for span in spans)
    out, arriving, passing = (
        tunnel_of(policies(encryption_plan(node, [other], KEYS)), source, destination, direction)
        for node, other, direction in ((sender, receiver, "out"), (receiver, sender, "in"), (receiver, sender, "fwd"))
    )
    if (str(source), str(destination)) == (sender.address, receiver.address):
        assert (out, arriving, passing) == (None, None, None)
    else:
        assert out == arriving == passing == (sender.address, receiver.address)


def tunnel_of(found, source, destination, direction):
    """The tunnel of the policies that match a packet; None if none does."""
    tunnels = {
        (each.tunnel_source, each.tunnel_destination)
        for each in found
        if each.direction == direction
        and source in ipaddress.ip_network(each.source)
        and destination in ipaddress.ip_network(each.destination)
    }
    return tunnels.pop() if len(tunnels) == 1 else tunnels or None


FILES = [f"1 {OLD}", f"1 {OLD}\n2 {NEW}", f"2 {NEW}\n1 {OLD}", f"2 {NEW}"]


@pytest.mark.parametrize(("before", "after"), [*itertools.pairwise(FILES)])
def test_no_step_of_a_rotation_stops_traffic(before, after):
    """While some nodes have the file of the next step, each accepts what any other sends."""
    rings = [Keyring.parse(before), Keyring.parse(after)]
    for sending in rings:
        for accepting in rings:
            sent = {each for each in states(encryption_plan(A, [B], sending)) if each.source == A.address}
            assert len(sent) == 1
            assert sent <= states(encryption_plan(B, [A], accepting))


def test_a_plan_deletes_what_is_no_longer_wanted_after_making_what_is():
    standing = expected(encryption_plan(A, [B, C], KEYS))
    steps = encryption_plan(A, [B], Keyring.parse(f"2 {NEW}"), standing=standing)
    assert expected(steps, before=standing) == expected(encryption_plan(A, [B], Keyring.parse(f"2 {NEW}")))
    modes = [step.mode in DELETIONS for step in steps]
    assert modes == sorted(modes)
    assert expected(encryption_plan(A, [], KEYS, standing=standing), before=standing) == frozenset()
    assert encryption_plan(A, [B, C], KEYS, standing=standing) == encryption_plan(A, [B, C], KEYS)


def test_states_come_before_the_policies_that_need_them():
    kinds = [type(step.value) for step in encryption_plan(A, [B, C], KEYS)]
    assert kinds == sorted(kinds, key=[XfrmState, XfrmPolicy].index)


def test_nodes_that_a_receiver_could_not_tell_apart_are_refused():
    twin = attrs.evolve(B, address="100.0.1.20")
    with pytest.raises(InvalidArgument, match=r"^10\.0\.1\.20 and 100\.0\.1\.20 share their low 24 bits"):
        encryption_plan(A, [B, twin], KEYS)


def test_a_tunnel_is_over_ipv4():
    with pytest.raises(InvalidAddress, match="primary IPv4 address"):
        EncryptedNode(address="2001:db8::1", cidrs=[])
    with pytest.raises(InvalidCidr, match="off its grid"):
        EncryptedNode(address="10.0.1.10", cidrs=["10.0.1.50/28"])


# --- the key file ---------------------------------------------------------------------------------------------------------


def test_comments_and_blank_lines_are_skipped():
    assert Keyring.parse(f"# secrets\n\n 2\t{NEW}  # sends\n1 {OLD}\n").secrets == ((2, bytes.fromhex(NEW)), (1, bytes.fromhex(OLD)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no secret"),
        ("# nothing", "has no secret"),
        (OLD, "line 1 of the key file needs a new generation"),
        (f"0 {OLD}", "line 1 of the key file needs a new generation, 1 to 255"),
        (f"256 {OLD}", "1 to 255"),
        (f"1 {OLD}\n1 {NEW}", "line 2 of the key file needs a new generation"),
        (f"1 {OLD}x", "hexadecimal digits"),
        (f"1 {OLD}1", "hexadecimal digits"),
        (f"1 {OLD[2:]}", r"the secret in line 1 of the key file is too short: openssl rand -hex 32"),
    ],
)
def test_a_wrong_key_file_is_refused(text, message):
    with pytest.raises(InvalidArgument, match=message) as caught:
        Keyring.parse(text)
    assert "1111" not in str(caught.value)


def test_nothing_shows_a_key():
    state = next(iter(states(encryption_plan(A, [B], KEYS))))
    shown = (repr(KEYS), repr(state), describe(state), command(Step(state, Mode.REPLACE, "a test")))
    for secret in (OLD, state.encryption_key.hex(), state.authentication_key.hex(), repr(state.encryption_key)):
        assert not any(secret in text for text in shown)


# --- the option -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "enabled"), [("true", True), ("1", True), ("T", True), ("false", False), ("yes", False), ("", False)])
def test_the_variable_turns_it_on_and_off_as_go_reads_it(text, enabled):
    standing = expected(encryption_plan(A, [B], KEYS))
    steps = plan_by_settings(A, [B], KEYS, changed(ENABLE_POD_ENCRYPTION=text), standing=standing)
    assert expected(steps, before=standing) == (standing if enabled else frozenset())


def test_it_is_off_by_default_and_settings_say_that_aws_has_none():
    assert plan_by_settings(A, [B], KEYS, IPV4) == ()
    (found,) = Settings.from_env({"ENABLE_POD_ENCRYPTION": "true"}).diagnostics
    assert (found.level, found.message) == ("warning", "the VPC CNI has no such feature; only vpcipam itself can encrypt")


# --- as text --------------------------------------------------------------------------------------------------------------

STATE = XfrmState(source="10.0.1.10", destination="10.0.1.20", spi=0x100010A, encryption_key=b"\x01" * 32, authentication_key=b"\x02" * 32)
POLICY = XfrmPolicy(
    source="0.0.0.0/0", destination="10.0.1.80/32", direction="out", tunnel_source="10.0.1.10", tunnel_destination="10.0.1.20"
)
LISTED = f"""src 10.0.1.10 dst 10.0.1.20
\tproto esp spi 0x0100010a reqid 30320 mode tunnel
\treplay-window 0 flag af-unspec
\tauth-trunc hmac(sha256) 0x{"02" * 32} 128
\tenc cbc(aes) 0x{"01" * 32}
\tanti-replay context: seq 0x0, oseq 0x0, bitmap 0x00000000
\tsel src 0.0.0.0/0 dst 0.0.0.0/0{" "}
src 10.0.9.1 dst 10.0.9.2
\tproto esp spi 0x00000100 reqid 1 mode tunnel
\treplay-window 32{" "}
\taead rfc4106(gcm(aes)) 0x0102 128
src 0.0.0.0/0 dst 10.0.1.80/32{" "}
\tdir out priority 0{" "}
\ttmpl src 10.0.1.10 dst 10.0.1.20
\t\tproto esp reqid 30320 mode tunnel
src 10.9.0.0/16 dst 0.0.0.0/0{" "}
\tdir fwd priority 0{" "}
\ttmpl src 10.0.9.1 dst 10.0.9.2
\t\tproto esp reqid 1 mode tunnel
"""


def test_what_ip_lists_is_read_without_that_of_other_programs():
    assert [*parse_xfrm(LISTED)] == [STATE, POLICY]
    assert [*parse_xfrm("")] == []


def test_commands():
    assert created(STATE) == (
        "xfrm state add src 10.0.1.10 dst 10.0.1.20 proto esp spi 0x100010a reqid 30320 mode tunnel flag af-unspec"
        f" auth-trunc hmac(sha256) 0x{'02' * 32} 128 enc cbc(aes) 0x{'01' * 32}"
    )
    assert deleted(STATE) == "xfrm state delete src 10.0.1.10 dst 10.0.1.20 proto esp spi 0x100010a"
    policy = "src 0.0.0.0/0 dst 10.0.1.80/32 dir out"
    assert created(POLICY) == f"xfrm policy update {policy} tmpl src 10.0.1.10 dst 10.0.1.20 proto esp reqid 30320 mode tunnel"
    assert command(Step(POLICY, Mode.ABSENT, "a test")) == f"ip -batch - <<'EOF' 2>/dev/null || true\nxfrm policy delete {policy}\nEOF"
    assert describe(STATE) == "encryption from 10.0.1.10 to 10.0.1.20 by SPI 0x100010a"
    assert describe(POLICY) == "encrypted out: from 0.0.0.0/0 to 10.0.1.80/32"


def test_a_state_is_known_by_its_receiver_and_number():
    assert identity(STATE) == identity(attrs.evolve(STATE, source="10.0.1.30", encryption_key=b"\x03" * 32))
    assert identity(STATE) != identity(attrs.evolve(STATE, spi=0x200010A))
