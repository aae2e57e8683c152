"""Every wording of every release is recognised."""

import re

import pytest
from log_texts import VALUES, text_of, wording_of

from vpcipam.inspection.log import WORDINGS, OtherLine, classify, read_event
from vpcipam.inspection.log.events import PrimaryLine, UnknownSandboxLine, duration_ns, error_code, parse_address, parse_cidr
from vpcipam.inspection.log.wording import match_wording, release_of

RELEASES = [(1, 0, 0), (1, 4, 1), (1, 5, 7), (1, 6, 4), (1, 7, 10), (1, 9, 3), (1, 10, 4), (1, 12, 6), (1, 15, 5), (1, 16, 3), (1, 19, 6)]
RELEASES += [(1, 20, 0), (1, 21, 2), (1, 23, 0)]


def test_every_wording_is_recognised():
    wrong = {}
    for wording in WORDINGS:
        found = classify(text_of(wording))
        if found is None or found.wording is not wording:
            wrong[wording.template] = found and found.wording.template
    assert wrong == {}


def test_every_field_is_read():
    for wording in WORDINGS:
        found = classify(text_of(wording))
        assert set(found.values) == wording.fields
        assert all(found.values[name] == VALUES.get(name, "7") for name in wording.fields), wording.template


def test_every_wording_says_something():
    for wording in WORDINGS:
        event = read_event(classify(text_of(wording)))
        assert getattr(event, "kind", wording.kind) == wording.kind


def test_every_span_is_of_releases_in_order():
    for wording in WORDINGS:
        assert wording.spans
        assert all(first <= last for first, last in wording.spans)
        assert wording.releases[0].isdigit()


def test_the_table_is_complete():
    assert len(WORDINGS) > 400
    assert len({wording.template for wording in WORDINGS}) == len(WORDINGS)
    kinds = {wording.kind for wording in WORDINGS}
    assert {"pool", "assigned", "unassigned", "cleared", "cooldown", "reconcile-start", "ec2-failed", "plugin-add-failed"} <= kinds


@pytest.mark.parametrize("release", RELEASES)
def test_each_release_has_wordings_for_what_is_verified(release):
    for kind in (
        "start",
        "assigned",
        "unassigned",
        "assign-stats",
        "unassign-stats",
        "cidr-added",
        "cidr-removed",
        "pool",
        "unknown-sandbox",
    ):
        assert wording_of(kind, release)


@pytest.mark.parametrize("message", ["", "Hello", "Assign IP 10.0.0.5", "x" * 70_000, "Added ENI(eni-1)'s IP  to nowhere", "{eni}"])
def test_another_message_has_no_wording(message):
    assert classify(message) is None
    assert match_wording(message) is None


def test_an_empty_value_at_the_end_can_lose_its_blank():
    text = "UnassignIPv4Address: Failed to find pod web namespace default Container"
    assert classify(text).values["container"] == ""
    assert read_event(classify(text + " c1")) == UnknownSandboxLine("default/web/c1")


def test_a_message_can_end_in_a_line_break():
    assert classify("Successfully Reconciled ENI/IP pool\n").wording.kind == "reconcile-done"


def test_a_pool_line_without_counts_is_another_line():
    text = text_of(next(wording for wording in WORDINGS if wording.kind == "primary-skipped"))
    assert read_event(classify(text)) == PrimaryLine("eni-0a", "10.0.0.5")
    assert isinstance(read_event(classify("Start node init")), OtherLine)


@pytest.mark.parametrize(("text", "release"), [("v1.6.0-rc4", (1, 6, 0)), ("1.18.1", (1, 18, 1)), ("v1.7", (1, 7, 0)), ("dev", None)])
def test_a_release_is_read(text, release):
    assert release_of(text) == release


@pytest.mark.parametrize(("text", "expected"), [("1h2m3.5s", 3_723_500_000_000), ("30s", 30_000_000_000), ("", None), ("30", None)])
def test_a_duration_is_read(text, expected):
    assert duration_ns(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("InsufficientCidrBlocks: The subnet is full.\n\tstatus code: 400, request id: 1", "InsufficientCidrBlocks"),
        ("AllocENI: error attaching ENI: AttachmentLimitExceeded: Interface count 4\n\tstatus code: 400", "AttachmentLimitExceeded"),
        ("operation error EC2: AttachNetworkInterface, api error InvalidParameterValue: no", "InvalidParameterValue"),
        ("InvalidNetworkInterfaceID.NotFound: gone\n\tstatus code: 400", "InvalidNetworkInterfaceID.NotFound"),
        ("context deadline exceeded", ""),
    ],
)
def test_an_error_code_of_ec2_is_found(text, code):
    assert error_code(text) == code


def test_what_is_no_address_is_none():
    assert parse_address("10.0.0.x") is None
    assert parse_cidr("10.X.X.0/28") is None


def test_no_pattern_takes_long():
    """Each field ends at a blank or is the only one without an end, so that no message makes the search explode."""
    for wording in WORDINGS:
        beginning = re.split(r"\{", wording.template)[0]
        assert classify(beginning + "a" * 20_000) is None or wording
        assert classify(beginning + " a" * 5_000) is None or wording
