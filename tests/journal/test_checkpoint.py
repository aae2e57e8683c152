"""The text of checkpoints: written byte for byte as Go does, read entry by entry, and never guessed."""

import json
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import example, given
from journal_worlds import MIGRATED, POD, held, key

from vpcipam.journal.allocations import find_contradictions, parse_allocation
from vpcipam.journal.checkpoint import (
    CooldownFile,
    allocation_text,
    go_string,
    read_allocations,
    read_cooldown_file,
    read_document,
    write_document,
)
from vpcipam.journal.protocol import Assigned, Cooling, Problem, ReleasedCidr
from vpcipam.sandbox import PodRef, SandboxKey

VERSION = "vpc-cni-ipam/1"
GOOD = {"networkName": "aws-cni", "containerID": "c1", "ifName": "eth0", "ipv4": "10.0.1.5", "allocationTimestamp": 7, "metadata": {}}


def split(document):
    """The allocations of a document, `assigned` and `problems` apart, each with its text."""
    found = read_allocations(document)
    return SimpleNamespace(
        assigned=tuple(pair for pair in found if isinstance(pair[0], Assigned)),
        problems=tuple(pair for pair in found if isinstance(pair[0], Problem)),
    )


def checkpoint(*entries):
    return json.dumps({"version": VERSION, "allocations": list(entries)}).encode()


def allocations(*entries):
    return split(read_document(checkpoint(*entries), "allocations"))


def only_problem(*entries):
    found = allocations(*entries)
    assert [entry for entry, _ in found.assigned] == []
    ((problem, _),) = found.problems
    return problem


# --- as Go writes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", '""'),
        ("web-1", '"web-1"'),
        ("ü€😀\x7f\xa0", '"ü€😀\x7f\xa0"'),
        ("<a href='x'>&", "\"\\u003ca href='x'\\u003e\\u0026\""),
        ("\u2028\u2029\u2027", '"\\u2028\\u2029\u2027"'),
        ('"\\/', '"\\"\\\\/"'),
        ("\n\r\t\b\f", '"\\n\\r\\t\\b\\f"'),  # Go 1.22 and later have \b and \f
        ("\x00\x01\x0b\x1b\x1f", '"\\u0000\\u0001\\u000b\\u001b\\u001f"'),
    ],
)
def test_a_text_is_written_as_go_does(text, written):
    assert go_string(text) == written


@given(st.text())
def test_a_text_that_is_written_reads_the_same(text):
    assert json.loads(go_string(text)) == text


def test_an_allocation_is_written_as_ipamd_does():
    entry = Assigned(key("c1"), "10.0.1.5", POD, 1_700_000_000_000_000_000)
    assert allocation_text(entry, 1) == (
        '{"networkName":"aws-cni","containerID":"c1","ifName":"eth0","ipv4":"10.0.1.5","allocationTimestamp":1700000000000000000,'
        '"metadata":{"k8sPodNamespace":"default","k8sPodName":"web-1","interfacesCount":1}}'
    )


def test_empty_metadata_is_left_out_and_ipv6_has_its_own_field():
    assert allocation_text(held("c1", "2001:db8::1"), 0) == (
        '{"networkName":"aws-cni","containerID":"c1","ifName":"eth0","ipv6":"2001:db8::1","allocationTimestamp":7,"metadata":{}}'
    )
    assert allocation_text(held("c1", "10.0.1.5", pod=PodRef("", "web")), 0).endswith('"metadata":{"k8sPodName":"web"}}')


def test_a_document_ends_with_a_line_feed_as_go_writes_it():
    assert write_document(VERSION, "allocations", []) == b'{"version":"vpc-cni-ipam/1","allocations":[]}\n'


def test_a_checkpoint_migrated_by_ipamd_is_written_byte_for_byte_as_read():
    data = MIGRATED.read_bytes()
    document = read_document(data, "allocations")
    found = split(document)
    assert (document.broken, found.problems) == (None, ())
    assert {entry.key.network_name for entry, _ in found.assigned} == {"_migrated-from-cri"}
    assert [entry.address for entry, _ in found.assigned] == ["10.0.3.7", "10.0.4.32", "10.0.4.33", "10.0.3.14"]
    assert write_document(VERSION, "allocations", [text for _, text in found.assigned]) == data
    assert write_document(VERSION, "allocations", [allocation_text(entry, 0) for entry, _ in found.assigned]) == data


names = st.text(max_size=8)
entries = st.builds(
    Assigned,
    st.builds(SandboxKey, names, names.filter(bool), names),
    st.sampled_from(("10.0.1.5", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::")),  # noqa: S104 - an address
    st.one_of(st.none(), st.builds(PodRef, names, names).filter(lambda pod: pod.namespace or pod.name)),
    st.integers(-(2**63), 2**63 - 1),
)


@given(entries, st.integers(0, 3))
def test_a_written_document_reads_the_same(entry, interfaces_count):
    text = allocation_text(entry, interfaces_count)
    document = read_document(write_document(VERSION, "allocations", [text]), "allocations")
    assert split(document).assigned == ((entry, text),)


# --- reading -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Assigned(key("c1"), "10.0.1.5", None, 7)),
        ({"unknown": [1, {"x": None}]}, Assigned(key("c1"), "10.0.1.5", None, 7)),
        ({"ipv6": ""}, Assigned(key("c1"), "10.0.1.5", None, 7)),
        ({"ipv4": "", "ipv6": "2001:DB8:0::1"}, Assigned(key("c1"), "2001:db8::1", None, 7)),
        ({"networkName": "", "ifName": ""}, Assigned(SandboxKey("", "c1", ""), "10.0.1.5", None, 7)),
        ({"metadata": {"k8sPodName": "web"}}, Assigned(key("c1"), "10.0.1.5", PodRef("", "web"), 7)),
        ({"metadata": {"k8sPodNamespace": "default", "more": 1}}, Assigned(key("c1"), "10.0.1.5", PodRef("default", ""), 7)),
    ],
)
def test_each_valid_form_of_an_allocation_is_read(changes, expected):
    found = allocations(GOOD | changes)
    assert [entry for entry, _ in found.assigned] == [expected]
    assert found.problems == ()


def test_the_allocations_of_old_releases_have_neither_time_nor_metadata():
    old = {name: GOOD[name] for name in ("networkName", "containerID", "ifName", "ipv4")}
    assert [entry for entry, _ in allocations(old).assigned] == [Assigned(key("c1"), "10.0.1.5", None, 0)]


@pytest.mark.parametrize(
    ("changes", "message", "named", "address"),
    [
        ({"containerID": ""}, "its containerID is empty, so it names no sandbox", False, True),
        ({"containerID": 5}, "its containerID is not a text", False, True),
        ({"networkName": None}, "its networkName is not a text", False, True),
        ({"ipv4": ""}, "it has neither an ipv4 nor an ipv6", True, False),
        ({"ipv6": "2001:db8::1"}, "it has both an ipv4 and an ipv6", True, False),
        ({"ipv4": "10.0.1.256"}, "'10.0.1.256' is not an IP address", True, False),
        ({"ipv4": "2001:db8::1"}, "'2001:db8::1' is an IPv6 address, but IPv4 is wanted here", True, False),
        ({"ipv4": 167772421}, "its ipv4 is not a text", True, False),
        ({"allocationTimestamp": "7"}, "its allocationTimestamp is not an integer", True, True),
        ({"allocationTimestamp": 7.0}, "its allocationTimestamp is not an integer", True, True),
        ({"allocationTimestamp": True}, "its allocationTimestamp is not an integer", True, True),
        ({"allocationTimestamp": 2**63}, "its allocationTimestamp is out of range", True, True),
        ({"metadata": []}, "it is not an object", True, True),
        ({"metadata": {"k8sPodName": 1}}, "its k8sPodName is not a text", True, True),
    ],
)
def test_an_invalid_allocation_is_a_problem_that_keeps_its_legible_fields(changes, message, named, address):
    problem = only_problem(GOOD | changes)
    assert problem.message == message
    assert problem.key == (key("c1") if named else None)
    assert problem.address == ("10.0.1.5" if address else None)
    assert json.loads(problem.text) == GOOD | changes


@pytest.mark.parametrize("entry", [None, 5, "text", [], [GOOD]])
def test_an_entry_that_is_no_object_is_a_problem(entry):
    assert only_problem(entry).message == "it is not an object"


@pytest.mark.parametrize("name", ["networkName", "containerID", "ifName"])
def test_a_missing_field_is_a_problem(name):
    assert only_problem({field: value for field, value in GOOD.items() if field != name}).message == f"its {name} is missing"


def test_a_repeated_field_is_a_problem():
    text = json.dumps(GOOD)[:-1] + ', "ipv4": "10.0.1.6"}'
    document = read_document(b'{"version":"x","allocations":[' + text.encode() + b"]}", "allocations")
    ((problem, raw),) = split(document).problems
    assert (problem.message, problem.address, raw) == ("it has a field twice", None, text)


def test_invalid_utf_8_is_a_problem_of_its_entry_only_and_is_kept():
    good, bad = json.dumps(GOOD).encode(), json.dumps(GOOD | {"containerID": "?"}).encode().replace(b"?", b"\xff")
    document = read_document(b'{"version":"x","allocations":[' + bad + b"," + good + b"]}", "allocations")
    found = split(document)
    assert [entry.key for entry, _ in found.assigned] == [key("c1")]
    ((problem, text),) = found.problems
    assert (problem.message, "�" in problem.text) == ("its containerID is not UTF-8", True)
    assert bad in write_document("x", "allocations", [text])


@given(st.text("a\n", max_size=12), st.data())
def test_a_place_is_counted_as_an_editor_counts(text, data):
    offset = data.draw(st.integers(0, len(text)))
    *before, last = text[:offset].split("\n")
    assert read_document(text.encode(), "allocations").place(offset) == f"line {len(before) + 1}, column {len(last) + 1}"


def test_a_problem_names_its_place():
    text = '{\n "allocations": [\n  5,\n   {"ü": 1}, ' + json.dumps(GOOD) + ', 6 ],\n "version": "x" }'
    found = split(read_document(text.encode(), "allocations"))
    assert [problem.place for problem, _ in found.problems] == [
        "allocation 1 (line 3, column 3)",
        "allocation 2 (line 4, column 4)",
        f"allocation 4 (line 4, column {16 + len(json.dumps(GOOD))})",
    ]


# --- contradictions ------------------------------------------------------------------------------------------------------


def test_two_sandboxes_with_one_address_are_both_problems():
    found = allocations(GOOD, GOOD | {"containerID": "c2"}, GOOD | {"containerID": "c3", "ipv4": "10.0.1.6"})
    assert [entry.key for entry, _ in found.assigned] == [key("c3")]
    assert [(problem.message, problem.key, problem.address) for problem, _ in found.problems] == [
        ("10.0.1.5 has 2 sandboxes", key("c1"), "10.0.1.5"),
        ("10.0.1.5 has 2 sandboxes", key("c2"), "10.0.1.5"),
    ]


def test_two_addresses_of_one_sandbox_are_both_problems():
    found = allocations(GOOD, GOOD | {"ipv4": "10.0.1.6"})
    assert found.assigned == ()
    assert [(problem.message, problem.address) for problem, _ in found.problems] == [
        ("aws-cni/c1/eth0 has 2 addresses", "10.0.1.5"),
        ("aws-cni/c1/eth0 has 2 addresses", "10.0.1.6"),
    ]


def test_a_repeated_allocation_is_a_problem_without_key_and_address():
    found = allocations(GOOD, GOOD | {"allocationTimestamp": 9})
    assert [entry.assigned_ns for entry, _ in found.assigned] == [7]
    ((problem, _),) = found.problems
    assert (problem.message, problem.key, problem.address) == ("it says the same as allocation 1 (line 1, column 47)", None, None)


few = st.tuples(st.sampled_from("abc"), st.sampled_from(("10.0.0.1", "10.0.0.2", "10.0.0.3", "bad")))


@given(st.lists(few, max_size=6))
@example([("a", "10.0.0.1"), ("a", "10.0.0.1"), ("b", "10.0.0.1")])
def test_accepted_allocations_never_contradict_each_other_and_none_is_lost(pairs):
    found = [
        (f"{n}", "", parse_allocation("", "", GOOD | {"containerID": name, "ipv4": address})) for n, (name, address) in enumerate(pairs)
    ]
    verdicts = find_contradictions(found)
    assert len(verdicts) == len(pairs)
    taken = [each for each in verdicts if isinstance(each, Assigned)]
    assert len({each.key for each in taken}) == len({each.address for each in taken}) == len(taken)
    for each in taken:  # whoever is believed is contradicted by nobody
        assert {address for name, address in pairs if key(name) == each.key and address != "bad"} == {each.address}
        assert {key(name) for name, address in pairs if address == each.address} == {each.key}
    assert {address for _, address in pairs if address != "bad"} <= {each.address for each in verdicts}


# --- truncated documents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("", 0, "{ is missing: the file ends here"),
        ("   ", 3, "{ is missing: the file ends here"),
        ("[]", 0, "{ is missing"),
        ("\ufeff{}", 0, "{ is missing"),
        ("{}", 1, "expecting value"),
        ('{"version":"x"}', 0, "there is no allocations"),
        ('{"allocations":[]}x', 18, "there is more text after the end of the document"),
        ('{"allocations":[]} \n {}', 21, "there is more text after the end of the document"),
        ('{"allocations":[],}', 18, "expecting value"),
        ('{"allocations":[],5:6}', 18, "5 is here instead of a new member name"),
        ('{"allocations":[],"allocations":[]}', 18, "'allocations' is here instead of a new member name"),
        ('{"allocations" []}', 15, ": is missing"),
        ('{"allocations":5}', 15, "allocations is not a list"),
        ('{"allocations":{}}', 15, "allocations is not a list"),
        ('{"allocations":[5', 17, ", or ] is missing: the file ends here"),
        ('{"allocations":[5 6]}', 18, ", or ] is missing"),
        ('{"allocations":[5,]}', 18, "expecting value"),
        ('{"allocations":[NaN]}', 16, "NaN is not a JSON number"),
        ('{"allocations":[' + "9" * 5000 + "]}", 16, "Exceeds the limit"),
        ('{"allocations":[' + "[" * 100_000, 16, "it is nested too deeply"),
        ('{"allocations":["ab', 16, "unterminated string"),
        ('{"allocations":["a\nb"]}', 18, "invalid control character"),
    ],
)
def test_a_broken_document_is_read_up_to_the_break(text, offset, message):
    broken = read_document(text.encode(), "allocations").broken
    assert broken.offset == offset
    assert broken.message.startswith(message)


@pytest.mark.parametrize("text", ['{"allocations":null}', ' { "allocations" : [ ] } \r\n\t', '{"x":[],"allocations":[],"y":null}'])
def test_spaces_unknown_members_and_null_lists_are_accepted(text):
    document = read_document(text.encode(), "allocations")
    assert (document.broken, document.entries) == (None, ())


# --- cooldowns -----------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.builds(Cooling, st.sampled_from(("10.0.0.1", "2001:db8::1")), st.integers(0, 2**63 - 2), st.none() | st.integers(0, 2**63 - 2))
    )
)
def test_cooldowns_are_read_as_written_and_of_two_the_later_holds(cooldowns):
    data = CooldownFile(dict(enumerate(cooldowns)), {}).write()  # by number, so that an address can be there twice
    content, problems = read_cooldown_file(read_document(data, "cooldowns"))
    assert (problems, content.released_cidrs, content.pending) == ((), {}, None)
    found = tuple(content.cooling.values())
    assert {each.address: each.until_ns for each in found} == {
        address: max(each.until_ns for each in cooldowns if each.address == address) for address in {each.address for each in cooldowns}
    }
    assert set(found) <= set(cooldowns)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (5, "it is not an object"),
        ({"untilTimestamp": 5}, "its address is missing"),
        ({"address": "10.0.0.1"}, "its untilTimestamp is missing"),
        ({"address": "10.0.0.1", "untilTimestamp": -1}, "its untilTimestamp is out of range"),
        ({"address": "10.0.0.1", "untilTimestamp": 5, "releasedTimestamp": "1"}, "its releasedTimestamp is not an integer"),
        ({"address": "10.0.0", "untilTimestamp": 5}, "'10.0.0' is not an IP address"),
    ],
)
def test_an_invalid_cooldown_is_a_problem(entry, message):
    document = read_document(json.dumps({"cooldowns": [entry]}).encode(), "cooldowns")
    content, (problem,) = read_cooldown_file(document)
    assert (content, problem.message, problem.place) == (CooldownFile({}, {}), message, "cooldown 1 (line 1, column 16)")


def test_released_cidrs_and_pending_cooldowns_are_read_as_written():
    cooling = {"10.0.1.5": Cooling("10.0.1.5", 40, 10)}
    content = CooldownFile(cooling, {"10.0.1.16/28": ReleasedCidr("10.0.1.16/28", 60)}, ("abc", {"10.0.1.6": Cooling("10.0.1.6", 50)}))
    assert read_cooldown_file(read_document(content.write(), "cooldowns")) == (content, ())


@pytest.mark.parametrize(
    ("members", "place", "message"),
    [
        ('"releasedCidrs":5', "released CIDR 1", "it is not an object"),
        ('"releasedCidrs":[{"cidr":"10.0.1.5/28"}]', "released CIDR 1", "10.0.1.5/28"),
        ('"releasedCidrs":[{"cidr":"10.0.1.0/28"}]', "released CIDR 1", "its untilTimestamp is missing"),
        ('"releasedCidrs":[{"untilTimestamp":5}]', "released CIDR 1", "its cidr is missing"),
        ('"pending":{"checkpoint":"x","cooldowns":[{"untilTimestamp":5}]}', "pending cooldown 1", "its address is missing"),
        ('"pending":{"checkpoint":"x"}', "pending cooldown 1", "it is not an object"),
    ],
)
def test_invalid_members_of_the_file_of_cooldowns_are_problems(members, place, message):
    document = read_document(f'{{"cooldowns":[],{members}}}'.encode(), "cooldowns")
    content, (problem,) = read_cooldown_file(document)
    assert (content.cooling, content.released_cidrs, problem.place) == ({}, {}, place)
    assert message in problem.message
