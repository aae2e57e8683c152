"""Pictures of nodes: each address has one cell with its state, no line is wider than the terminal, and shapes differ without colour."""

import functools
import io
import json
import sys
import time
from pathlib import Path

import pytest
from cluster_answers import as_list, ec2_pages, node_value, object_of, pod_values
from hypothesis import given, settings
from hypothesis import strategies as st
from node_answers import checkpoint_text, enis_answer
from random_nodes import S, random_nodes

from vpcipam.address import Cidr, address_text
from vpcipam.cli import ec2_client, main
from vpcipam.cli.node_drawing import _SHAPES, draw, show_picture
from vpcipam.cli.node_picture import CellState, EniRow, NodePicture, Slot, picture_of_survey, pictures_of
from vpcipam.cli.streams import _PLAIN
from vpcipam.cli.tables import Page
from vpcipam.ec2.fake import fake_client
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.readers import read_files
from vpcipam.inspection.survey import survey

P, H, C, F, U, E = CellState
COOLDOWN_NS = 30 * S

A_FEW = settings(max_examples=max(5, settings.default.max_examples // 4))  # each makes a node, and reads its files


def read(*contents):
    texts = [each if isinstance(each, str) else json.dumps(each) for each in contents]
    return read_files([(f"file-{number}", io.BytesIO(each.encode())) for number, each in enumerate(texts)])


def picture(*contents):
    (node,) = pictures_of(read(*contents)).nodes
    return node


def states_of(node):
    """The state of each address that has a cell, by ENI; an address with two cells is an error."""
    found = {}
    for row in node.rows:
        for slot in row.slots:
            if not slot.cidr or slot.rest:
                continue
            cidr = Cidr.parse(slot.cidr)
            assert len(slot.cells) == cidr.size
            for offset, state in enumerate(slot.cells):
                place = row.eni_id, address_text(cidr.first + offset, cidr.version)
                assert place not in found
                found[place] = state
    return found


def expected(made):
    """The same from the node itself."""
    enis = [eni for card in made.cards for eni in made.enis(card)]
    used = [each for eni in enis for of_cidr in eni.cidrs.values() for each in of_cidr.values()]
    last_ns = max((time for each in used for time in (each.assigned_ns, each.unassigned_ns) if time), default=0)

    def state(each):
        if each is None:
            return F
        return H if each.held else C if each.unassigned_ns and each.unassigned_ns > last_ns - COOLDOWN_NS else F

    return {
        (eni.eni_id, address): state(of_cidr.get(address))
        for eni in enis
        for cidr, of_cidr in eni.cidrs.items()
        for address in addresses(cidr)
    }


def addresses(cidr):
    parsed = Cidr.parse(cidr)
    return [address_text(parsed.first + offset, 4) for offset in range(parsed.size)] if parsed.version == 4 else []


# --- from files ------------------------------------------------------------------------------------------------------------


@A_FEW
@given(random_nodes(), st.sampled_from(["v1.11.0", "v1.22.0", "v1.23.0"]))
def test_each_address_of_ipamd_has_one_cell_with_its_state(made, release):
    if len(made.cards) > 1:  # before v1.20 only the first one is shown
        release = "v1.20.0"
    node = picture(enis_answer(made, release))
    assert states_of(node) == expected(made)
    assert not {P, U, E} & node.counts.keys()
    assert node.counts[H] == sum(len(made.held(card)) for card in made.cards)
    assert [row.eni_id for row in node.rows] == [eni.eni_id for card in made.cards for eni in sorted(made.enis(card), key=device)]


def device(eni):
    return eni.device_number


@A_FEW
@given(random_nodes())
def test_ec2_adds_the_primary_addresses_and_the_type_the_empty_slots(made):
    node = picture(enis_answer(made, "v1.22.0"), *ec2_pages(made, "describe_instances"), *ec2_pages(made, "describe_instance_types"))
    found = states_of(node)
    instance = made.model.describe_instance(made.node.instance_id, now_ns=made.now_ns)
    primaries = {(eni.eni_id, eni.private_ip): P for eni in instance.network_interfaces}
    assert {place: found[place] for place in primaries} == primaries
    wanted = expected(made) | primaries
    assert wanted.items() <= found.items()
    assert {state for place, state in found.items() if place not in wanted} <= {U}  # what EC2 has and ipamd has not
    for row in node.rows:
        if not any(slot.rest for slot in row.slots):
            assert len(row.slots) == made.node.limits.ipv4_per_eni
    assert node.title == f"{made.node.instance_id} · {made.node.limits.instance_type}"


@A_FEW
@given(random_nodes())
def test_without_ipamd_the_addresses_of_pods_are_held_and_the_others_unknown(made):
    pods = as_list([object_of(each) for each in pod_values(made, "one")])
    node = picture(*ec2_pages(made, "describe_network_interfaces"), pods)
    held = {address for card in made.cards for address in made.held(card)}
    for (_, address), state in states_of(node).items():
        assert state is (H if address in held else U) or state is P
    cells = [cell for row in node.rows for slot in row.slots for cell in slot.cells]
    assert cells.count(H) == len(held)
    assert picture(*ec2_pages(made, "describe_network_interfaces")).counts.keys() <= {P, U}


@A_FEW
@given(random_nodes())
def test_a_survey_gives_the_same_cells_as_its_enis_in_a_file(made):
    surveyed = survey(read_node(made.model, made.node.instance_id, now_ns=made.now_ns, find_limits=lambda _: made.node.limits))
    from_file = picture(
        *ec2_pages(made, "describe_network_interfaces"), *ec2_pages(made, "describe_instances"), *ec2_pages(made, "describe_instance_types")
    )
    drawn = picture_of_survey(surveyed)
    assert [row.slots for row in drawn.rows] == [row.slots for row in from_file.rows]
    assert [row.kind.partition(",")[0] for row in drawn.rows] == [row.kind for row in from_file.rows]


@A_FEW
@given(random_nodes(["secondary IPs", "prefixes"]))
def test_an_address_that_documents_disagree_about_is_unknown(made):
    released = json.dumps(enis_answer(made, "v1.23.0")).replace('"networkName": "aws-cni"', '"networkName": ""')
    node = picture(released, checkpoint_text(made, 0, "v1.20.0").decode())
    assert node.counts[U] == len(made.held(0))
    assert node.counts[H] == 0


def test_an_eni_in_which_the_text_breaks_off_has_unknown_addresses():
    text = '{"ENIs": {"eni-1": {"ID": "eni-1", "AvailableIPv4Cidrs": {"10.0.0.16/28": {"IPAddresses": {}}, "10.0.0.32/28": {"IPAdd'
    (row,) = picture(text).rows
    assert [slot.cells for slot in row.slots] == [(U,) * 16] * 2
    assert row.kind == "cut off"


def test_the_cooldown_is_that_of_the_settings():
    used = {"IPAMKey": {"networkName": ""}, "IPAMMetadata": {}, "AssignedTime": "2026-03-01T10:00:00Z"}
    listed = {
        "10.0.0.16": used | {"UnassignedTime": "2026-03-01T10:01:00Z"},
        "10.0.0.17": used | {"UnassignedTime": "2026-03-01T10:01:20Z"},
    }
    answer = {"ENIs": {"eni-1": {"ID": "eni-1", "AvailableIPv4Cidrs": {"10.0.0.16/28": {"IPAddresses": listed}}}}}
    assert picture(answer).counts[C] == 2
    settings = {"env": [{"name": "IP_COOLDOWN_PERIOD", "value": "20"}]}
    assert picture(answer, settings).counts[C] == 1


@A_FEW
@given(random_nodes(["secondary IPs"]))
def test_a_node_object_alone_gives_the_type(made):
    node = picture(enis_answer(made, "v1.20.0"), object_of(node_value(made, ready=True, cordoned=False)))
    assert all(len(row.slots) == made.node.limits.ipv4_per_eni - 1 for row in node.rows)  # the primary IP is not shown


def test_redacted_prefixes_and_enis_of_services_do_no_harm():
    eni = {"NetworkInterfaceId": "eni-1", "SubnetId": "s", "VpcId": "v", "AvailabilityZone": "a", "Status": "in-use"}
    attachment = {"AttachmentId": "x", "InstanceId": "i-1", "DeviceIndex": 0, "DeleteOnTermination": True}
    item = eni | {"Attachment": attachment, "Ipv4Prefixes": [{"Ipv4Prefix": "10.x.x.0/28"}], "PrivateIpAddresses": []}
    service = eni | {"NetworkInterfaceId": "eni-2", "Attachment": {"AttachmentId": "y"}}
    pictures = pictures_of(read({"NetworkInterfaces": [item, service]}))
    assert pictures.nodes[0].rows[0].slots == (Slot("10.x.x.0/28", (U,)),)
    assert pictures.elsewhere_count == 1


# --- the drawing -------------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["eni-0123456789abcdef0", "eni-1", "e" * 90, "ení\x1b[2J", "eni-日本"])
SLOTS = st.one_of(
    st.sampled_from([Slot("10.0.0.5/32", (state,)) for state in (P, H, C, F, U)] + [Slot("", (E,))]),
    st.lists(st.sampled_from([H, C, F, U]), min_size=16, max_size=16).map(lambda cells: Slot("10.0.0.16/28", tuple(cells))),
    st.lists(st.sampled_from([H, C]), max_size=5).map(lambda cells: Slot("2001:db8::/80", tuple(cells), (1 << 48) - len(cells))),
)
ROWS = st.builds(
    EniRow,
    st.sampled_from([None, 0, 1]),
    st.sampled_from([None, 0, 1, 14]),
    NAMES,
    st.sampled_from(["primary", "secondary, excluded", ""]),
    st.lists(SLOTS, max_size=60).map(tuple),
)


def cells_of(line):
    """The states in a line, by shape and style."""
    states = {shape: state for state, shape in _SHAPES.items()}
    return [states[span] for span in line if span in states]


@given(st.builds(NodePicture, st.just("i-1"), st.lists(ROWS, max_size=5).map(tuple)), st.integers(1, 200))
def test_no_line_is_wider_than_the_terminal_and_each_cell_is_drawn_once(node, width):
    lines = list(draw(node, width))
    assert all(sum(len(text) for text, _ in line) <= width for line in lines)
    assert all(letter >= " " for line in lines for text, _ in line for letter in text)
    cells = [cell for row in node.rows for slot in row.slots for cell in slot.cells]
    assert [state for line in lines for state in cells_of(line)] == cells


def test_shapes_differ_without_colour_and_in_ascii():
    shapes = [shape for shape, _ in _SHAPES.values()]
    plain = [shape.translate(_PLAIN) for shape in shapes]
    assert len({*shapes}) == len({*plain}) == len(CellState)
    assert all(len(each) == 1 and each.isascii() for each in plain)


def test_a_node_with_prefixes_is_drawn_like_this():
    prefixes = (
        Slot("10.0.0.16/28", (H, H, C, *[F] * 13)),
        Slot("10.0.0.32/28", (F,) * 16),
        Slot("10.0.0.48/28", (*[H] * 15, U)),
    )
    node = NodePicture(
        "i-1",
        (
            EniRow(0, 0, "eni-0123456789abcdef0", "primary", (Slot("10.0.0.4/32", (P,)), *prefixes)),
            EniRow(0, 1, "eni-0123456789abcdef1", "secondary", (Slot("10.0.0.5/32", (P,)), *[Slot("", (E,))] * 13)),
        ),
    )
    assert ["".join(text for text, _ in line).rstrip() for line in draw(node, 80)] == [
        "0:0 eni-0123456789abcdef0 primary   P 10.0.0.16/28 ██▒·············",
        "                                    10.0.0.32/28 ················",
        "                                    10.0.0.48/28 ███████████████?",
        "0:1 eni-0123456789abcdef1 secondary P_________ ____",
    ]
    assert ["".join(text for text, _ in line) for line in draw(node, 40)][:4] == [
        "0:0 eni-0123456789abcdef0 primary",
        "  P 10.0.0.16/28 ██▒·············",
        "  10.0.0.32/28 ················",
        "  10.0.0.48/28 ███████████████?",
    ]


def test_the_docs_show_a_picture_as_it_is():
    full, used = (H,) * 16, (H, H, C, *[F] * 13)
    first = (Slot("10.0.0.4/32", (P,)), Slot("10.0.0.16/28", full), Slot("10.0.0.32/28", used), Slot("", (E,)))
    second = (Slot("10.0.0.5/32", (P,)), *[Slot("", (E,))] * 3)
    rows = (EniRow(0, 0, "eni-0123456789abcdef0", "primary", first), EniRow(0, 1, "eni-0fedcba9876543210", "secondary", second))
    page = Page()
    show_picture(page, NodePicture("i-0123456789abcdef0 · t3.small", rows))
    docs = Path(__file__).parents[2] / "docs" / "inspecting.md"
    assert f"```text\n{page.render()}```" in docs.read_text(encoding="utf-8")


# --- the command -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def written(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return str(path)

    return write


def answer(*addresses, eni_id="eni-1"):
    held = {"IPAMKey": {"networkName": "aws-cni", "containerID": "c", "ifName": "eth0"}, "IPAMMetadata": {}, "AssignedTime": ""}
    listed = dict.fromkeys(addresses, held)
    eni = {"ID": eni_id, "IsPrimary": True, "DeviceNumber": 0, "AvailableIPv4Cidrs": {"10.0.0.16/28": {"IPAddresses": listed}}}
    return {"ENIs": {eni_id: eni}}


def test_the_command_draws_the_nodes_with_a_legend(cli, written):
    out = cli("inspect", written("a", answer("10.0.0.16", "10.0.0.18"))).out
    assert "\n0 eni-1 primary 10.0.0.16/28 █·█·············\n" in out
    assert "\n█ held by a pod  · free\n" in out
    assert "\n2 held by pods, 14 free\n" in out


def test_many_nodes_are_counted(cli, written):
    text = "\n".join(json.dumps(answer("10.0.0.16", eni_id=f"eni-{number}")) for number in range(60))
    out = cli("inspect", written("a", text)).out
    assert out.count("10.0.0.16/28 █") == 5
    assert out.count("1        0    15        0") == 30
    assert "… and 25 more nodes" in out


NAMES_OF_NODES = ("secondary IPs", "two cards with prefixes", "IPv6")


@pytest.mark.parametrize("terminal", [(encoding, width) for encoding in ("utf-8", "ascii") for width in (40, 80, 120)], ids=str)
@pytest.mark.parametrize("name", NAMES_OF_NODES)
def test_a_terminal_of_any_width_and_encoding_shows_it(written, monkeypatch, capsys, terminal, name):
    encoding, width = terminal
    made = sample(name)
    path = written("a", "\n".join(map(json.dumps, [enis_answer(made, "v1.22.0"), *ec2_pages(made, "describe_instances")])))
    monkeypatch.setenv("COLUMNS", str(width))
    stdout = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stdout)
        assert main(("inspect", path)) == 0
    capsys.readouterr()
    text = stdout.detach().getvalue().decode(encoding)
    drawing = text[text.index("primary IP") :].splitlines()
    assert any("P" in line and (("█" if encoding == "utf-8" else "#") in line) for line in drawing)
    place = next(number for number, line in enumerate(text.splitlines()) if line.startswith(made.node.instance_id))
    assert max(map(len, text.splitlines()[place : place + 8])) <= max(width, len(made.node.instance_id) + 12)


@functools.cache
def sample(name):
    """A node with pods, always the same. Nobody changes it."""
    found = []

    @given(random_nodes([name]))
    def search(made):
        if not found and made.used and sum(len(made.held(card)) for card in made.cards) > 1:
            found.append(made)

    search()
    return found[0]


def test_a_running_node_is_drawn(cli, monkeypatch):
    made = sample("secondary IPs")
    monkeypatch.setattr(ec2_client, "make_client", lambda _region, _profile: fake_client("ec2", made.model, now_ns=lambda: made.now_ns))
    out = cli("inspect", "--ec2", "--instance-id", made.node.instance_id).out
    assert "0:0 eni-00000000000000001 primary   P???\n" in out
    assert "P primary IP  ? unknown" in out


def test_hostile_numbers_of_enis_and_cidrs_take_little_time():
    cidrs = {f"10.{number >> 8}.{number & 255}.0/24": {"IPAddresses": {}} for number in range(3_000)}
    wide = {f"{number}.0.0.0/8": {"IPAddresses": {}} for number in range(1, 120)}
    many = {f"eni-{number}": {"ID": f"eni-{number}", "AvailableIPv4Cidrs": {}} for number in range(20_000)}
    evidence = read({"ENIs": {"eni-a": {"ID": "eni-a", "AvailableIPv4Cidrs": cidrs | wide}} | many})
    begin = time.process_time()
    (node,) = pictures_of(evidence).nodes
    lines = list(draw(node, 80))
    assert time.process_time() - begin < 8
    assert len(lines) < 3_000
