"""Logs and events against the promises."""

import gzip
import io
import json
import tarfile
import zipfile

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from log_texts import LogWriter

from vpcipam.contracts import (
    AssignDenied,
    AssignReturned,
    CountsReported,
    Crashed,
    EniAttached,
    EniDetached,
    EniLimits,
    Gap,
    PrimaryAddressReported,
    Promise,
    RangeAdded,
    RangeRemoved,
    Restarted,
    UnassignRefused,
    UnassignReturned,
    UnassignUndone,
)
from vpcipam.errors import LogError
from vpcipam.inspection import log_verifier, verification
from vpcipam.inspection.event_lines import EVENTS, event_line, read_event_line
from vpcipam.inspection.log.reader import read_chunks
from vpcipam.inspection.verification import Answer, date_text
from vpcipam.inspection.verify import LogSource, period_text, verify

A, B, C = "10.0.0.5", "10.0.0.6", "10.0.0.7"
RELEASES = [(1, 0, 0), (1, 4, 1), (1, 5, 0), (1, 5, 7), (1, 6, 4), (1, 7, 10), (1, 9, 3), (1, 12, 6), (1, 15, 5), (1, 19, 6), (1, 23, 0)]


def check(*logs, **options):
    return verify([LogSource(f"{number}.log", [data]) for number, data in enumerate(logs)], **options)


def broken(log, **options):
    return [violation.promise for violation in check(log.data, **options).violations]


@pytest.fixture(params=RELEASES, ids=lambda release: ".".join(map(str, release)))
def log(request):
    return LogWriter(request.param)


@pytest.fixture
def new():
    return LogWriter((1, 18, 0))


def test_a_healthy_log_keeps_the_promises(log):
    log.start([f"{A}/32", f"{B}/32"])
    for _ in range(3):
        log.write("assign-stats", total=2, assigned=0)
        log.assign("c1", A)
        log.write("assign-stats", total=2, assigned=1)
        log.assign("c2", B)
        log.write("unassign-stats", total=2, assigned=2)
        log.unassign("c1", A)
        log.unassign("c2", B)
        log.wait(31_000)
    found = check(log.data)
    assert (found.answer, found.violations) == (Answer.KEPT, ())
    assert found.counts["assigned"] == 6
    assert found.sources[0].line_count == found.sources[0].found_count == len(log.lines)
    assert f"v{'.'.join(map(str, log.release))}" in found.releases


def test_two_holders_are_found(log):
    log.start([f"{A}/32"])
    log.assign("c1", A)
    log.wait(60_000)
    log.assign("c2", A)
    found = check(log.data)
    assert [violation.promise for violation in found.violations] == [Promise.ONE_HOLDER]
    violation = found.violations[0]
    assert violation.place.line == len(log.lines)
    assert [step.place.line for step in violation.steps] == [len(log.lines) - 1, len(log.lines)]


def test_an_address_that_comes_back_too_early_is_found(log):
    for pause, promises in ((27_000, [Promise.COOLDOWN]), (31_100, [])):
        log = LogWriter(log.release)
        log.start([f"{A}/32"])
        log.assign("c1", A)
        log.unassign("c1", A)
        log.wait(pause)
        log.assign("c2", A)
        assert broken(log) == promises


def test_the_steps_of_times_are_respected():
    for release, pause, promises in (
        ((1, 18, 0), 29_999, [Promise.COOLDOWN]),
        ((1, 18, 0), 30_000, []),
        ((1, 4, 1), 29_000, [Promise.COOLDOWN]),
        ((1, 4, 1), 30_000, []),
    ):
        log = LogWriter(release)
        log.assign("c1", A)
        log.unassign("c1", A)
        log.wait(pause)
        log.assign("c2", A)
        assert broken(log) == promises, (release, pause)


def test_an_address_that_nobody_holds_is_given_back(log):
    log.unassign("c0", A)  # held since before the log
    log.wait(1_000)
    log.start([f"{A}/32"])
    log.unassign("c1", A)
    assert broken(log) == [Promise.ONE_RELEASE]


def test_counters_must_agree(log):
    log.start([f"{A}/32"])
    log.write("assign-stats", total=9, assigned=3)
    log.assign("c1", A)
    log.write("unassign-stats", total=9, assigned=3)
    assert broken(log) == [Promise.COUNTS]
    log = LogWriter(log.release)
    log.write("pool", total=3, assigned=4, cooldown=0, card=0)
    assert broken(log) == [Promise.COUNTS]


def test_counters_of_several_cards_are_not_compared():
    log = LogWriter((1, 20, 0))
    log.start()
    log.write("assign-stats", total=9, assigned=3)
    log.write("pool", beginning="IP stats for", card=1, total=9, assigned=0, cooldown=0)
    log.write("assign-stats", total=9, assigned=0)
    log.write("unknown-sandbox", key="aws-cni/c1/eth0")
    assert broken(log) == []


def test_a_pod_can_have_an_address_of_each_card():
    log = LogWriter((1, 20, 0))
    log.start([f"{A}/32", f"{B}/32"])
    for address in (A, B):
        log.write("assigned", key="aws-cni/c1/eth0", ip=address, metadata="{InterfacesCount:2}")
    for address in (A, B):
        log.unassign("c1", address)
    assert broken(log) == []


def test_limits_are_those_of_the_type_in_the_log(new):
    new.start([f"10.0.0.{number}/32" for number in range(10, 14)], instance_type="t3.small")  # three slots
    assert broken(new) == [Promise.LIMITS]
    assert broken(new, limits=EniLimits((3,), 9)) == []
    for number in range(3):
        new.write("eni-added", eni=f"eni-{number}")
    assert broken(new, limits=EniLimits((3,), 9)) == [Promise.LIMITS]


def test_ranges_that_leave_take_their_sandboxes_along(new):
    new.start([f"{A}/32", f"{B}/32"])
    new.assign("c1", A)
    new.write("cidr-removed", beginning="Deleted", eni="eni-0a", cidr=f"{A}/32")
    new.assign("c2", A)
    assert broken(new) == [Promise.OWN_RANGE]
    new = LogWriter()
    new.start([f"{A}/32"])
    new.write("eni-removed", eni="eni-0a", free=0, total=0, assigned=0, prefixes=0)
    new.assign("c2", A)
    assert broken(new) == [Promise.OWN_RANGE]
    assert [moment.text for moment in check(new.data).timeline if "eni" in moment.text] == ["eni-0a leaves the pool"]


def test_a_range_that_is_added_again_is_no_overlap(new):
    new.start([f"{A}/32", f"{A}/32"])
    assert broken(new) == []


def test_an_eni_that_leaves_by_force_is_in_the_timeline(new):
    new.start()
    new.write("eni-forced", eni="eni-1", n=3)
    new.write("eni-attached", eni="eni-2")
    texts = [moment.text for moment in check(new.data).timeline]
    assert texts == ["ipamd v1.18.0 starts", "ipamd has restored 0 sandboxes", "eni-1 leaves the pool by force", "eni-2 is attached"]


def test_a_primary_address_belongs_to_no_sandbox(new):
    new.write("primary-skipped", ip=A, eni="eni-0a")
    new.write("primary-skipped", ip="x.x.x.x", eni="eni-0a")
    new.assign("c1", A)
    assert broken(new) == [Promise.OWN_RANGE]


# --- starts ---


def test_what_a_restart_loses_is_found(new):
    new.start([f"{A}/32", f"{B}/32"])
    new.assign("c1", A)
    new.assign("c2", B)
    new.idle()
    new.start([f"{A}/32", f"{B}/32"], restored={"c1": A})
    found = check(new.data)
    assert [violation.promise for violation in found.violations] == [Promise.DURABILITY]
    assert "aws-cni/c2/eth0 held 10.0.0.6 before the crash, and holds nothing now" in found.violations[0].message
    assert [(each.restored_count, each.missing_count) for each in found.restarts] == [(0, 0), (1, 1)]


@pytest.mark.parametrize("kind", ["not-restored", "no-checkpoint"])
def test_what_a_start_gives_up_is_not_lost(new, kind):
    new.start([f"{A}/32"])
    new.assign("c1", A)
    new.idle()
    new.write("start", version="v1.18.0")
    new.write(kind, key="aws-cni/c1/eth0", container="c1", ip=A)
    new.write("recovery-done")
    new.write(kind, key="aws-cni/c1/eth0", container="c1", ip=A)
    assert broken(new) == []


def test_an_entry_that_is_restored_and_given_up_is_not_lost(new):
    new.start([f"{A}/32"])
    new.assign("c1", A)
    new.idle()
    new.write("start", version="v1.18.0")
    new.assign("c1", A)
    new.unassign("c1", A)
    new.write("ready")
    assert broken(new) == []


def test_an_old_daemon_forgets_pods_and_their_deletion_shows_it():
    log = LogWriter((1, 6, 4))
    log.start()
    log.assign("c1", A)
    log.idle()
    log.start(restored={})
    assert broken(log) == []
    log.wait(60_000)
    log.assign("c2", A)
    log.write("unknown-sandbox", **log.names("c1"))
    assert broken(log) == [Promise.ONE_HOLDER]


def test_a_sandbox_keeps_its_address_under_another_name(new):
    new.start()
    new.assign("c1", A)
    new.idle()
    new.write("start", version="v1.18.0")
    new.write("assigned", key="_migrated-from-cri/c1/unknown", ip=A)
    new.write("recovery-done")
    new.write("unknown-sandbox", key="_migrated-from-cri/c1/unknown")
    assert broken(new) == [Promise.DURABILITY]
    new.unassign("c1", A)
    assert broken(new) == [Promise.DURABILITY]


def test_an_unassign_can_have_another_name(new):
    new.start()
    new.write("assigned", key="_migrated-from-cri/c1/unknown", ip=A)
    new.unassign("c1", A)
    new.write("unknown-sandbox", key="_migrated-from-cri/c1/unknown")
    assert broken(new) == []


def test_calls_under_way_at_a_crash_can_have_both_outcomes(new):
    new.start()
    new.assign("c1", A)
    new.unassign("c1", A)
    new.assign("c2", B)
    new.start(restored={"c1": A})
    assert broken(new) == []


def test_a_start_can_follow_a_start(new):
    new.assign("c1", A)
    new.start(restored={"c1": A})
    new.write("start", version="v1.18.0")
    new.assign("c1", A)
    new.write("start", version="v1.18.1")
    new.assign("c1", A)
    found = check(new.data)
    assert found.answer is Answer.KEPT
    assert len(found.restarts) == 3
    assert found.releases[:2] == ("v1.18.0", "v1.18.1")


@pytest.mark.parametrize("restored", [{}, {"c1": A}], ids=["before it restores", "while it restores"])
def test_a_start_that_does_not_end_loses_nothing(new, restored):
    new.start([f"{A}/32", f"{B}/32"])
    for container, address in (("c1", A), ("c2", B)):
        new.assign(container, address)
    new.idle()
    new.write("start", version="v1.18.0")
    for container, address in restored.items():
        new.assign(container, address)
    found = check(new.data)  # the log can be over here
    assert (found.answer, found.restarts[-1].restored_count, found.restarts[-1].missing_count) == (Answer.KEPT, len(restored), 0)
    assert found.timeline[-1].text == "the start of v1.18.0 does not end"
    new.wait(5_000)
    new.start([f"{A}/32", f"{B}/32"], restored={"c1": A, "c2": B})
    assert broken(new) == []
    new.idle()
    new.start([f"{A}/32", f"{B}/32"], restored={"c1": A})
    assert broken(new) == [Promise.DURABILITY]


def test_a_call_before_a_start_that_does_not_end_stays_in_flight(new):
    new.start()
    new.assign("c1", A)
    new.idle()
    new.unassign("c1", A)
    new.write("start", version="v1.18.0")
    new.idle(1_000)
    new.start(restored={"c1": A})
    assert broken(new) == []


def test_what_a_start_restored_is_not_in_flight(new):
    new.start()
    new.assign("c1", A)
    new.idle()
    new.start(restored={"c1": A})
    new.start()
    assert broken(new) == [Promise.DURABILITY]


def test_an_unassign_after_a_step_back_counts_once(new):
    new.start()
    new.assign("c1", A)
    new.wait(60_000)
    new.assign("c2", B)
    new.ms = 0
    new.unassign("c1", A)
    assert broken(new) == []
    assert [each[:16] for each in check(new.data).unseen if "a gap" in each] == ["0.log:6: a gap: "]


def test_an_assign_that_is_undone_is_forgotten_in_a_gap(new):
    new.assign("c1", A)
    new.wait(60_000)
    new.write("checkpoint-failed", beginning="Failed to update", err="no space left")
    new.ms = 0
    new.assign("c2", A)
    new.unassign("c2", A)
    new.assign("c3", A)
    assert broken(new) == [Promise.COOLDOWN]


def test_a_start_ends_with_a_gap(new):
    new.assign("c1", A)
    new.wait(60_000)
    new.write("start", version="v1.18.0")
    new.ms = 0
    new.write("ready")
    new.assign("c2", A)
    found = check(new.data)
    assert (found.answer, found.restarts) == (Answer.KEPT, ())


# --- the checkpoint ---


def test_an_assign_that_could_not_be_recorded_needs_no_cooldown(new):
    new.start()
    new.assign("c1", A)
    new.write("checkpoint-failed", beginning="Failed to update", err="no space left")
    new.write("cleared", key="aws-cni/c1/eth0", ip=A)
    new.wait(1_000)
    new.assign("c2", A)
    assert broken(new) == []
    assert "the checkpoint can't be written: no space left" in [moment.text for moment in check(new.data).timeline]


def test_an_unassign_that_could_not_be_recorded_changes_nothing(new):
    new.start()
    new.assign("c1", A)
    new.write("cleared", key="aws-cni/c1/eth0", ip=A)
    new.assign("c1", A)
    assert broken(new) == []
    new.assign("c2", A)
    assert broken(new) == [Promise.ONE_HOLDER]


# --- the cooldown ---


@pytest.mark.parametrize(("given", "promises"), [(None, []), (30_000_000_000, [Promise.COOLDOWN])])
def test_the_log_says_how_long_an_address_cools(given, promises):
    log = LogWriter((1, 21, 2))
    log.assign("c1", A)
    log.unassign("c1", A)
    log.write("cooldown", ip=A, duration="10s", rfc3339="")
    log.write("cooldown", ip="x.x.x.x", duration="10s", rfc3339="")
    log.write("cooldown", ip=A, duration="?", rfc3339="")
    log.wait(10_001)
    log.assign("c2", A)
    assert broken(log, cooldown_ns=given) == promises
    assert not any("30 s is assumed" in each for each in check(log.data).unseen)


# --- what is missing ---


def test_not_enough_is_another_answer_than_no_fault(new):
    new.start()
    found = check(new.data)
    assert found.answer is Answer.NOT_ENOUGH
    assert "No line assigns an address that can be read" in found.unseen[0]


def test_addresses_that_a_person_has_masked_are_counted(new):
    new.assign("c1", "x.x.x.x")
    new.unassign("c1", "x.x.x.x")
    new.write("cidr-added", eni="eni-1", cidr="x.x.x.x/28")
    found = check(new.data)
    assert found.answer is Answer.NOT_ENOUGH
    assert "4 lines have addresses that can't be read." in found.unseen


def test_a_log_without_a_start_says_what_it_can_not_show(new):
    new.assign("c1", A)
    found = check(new.data)
    assert found.answer is Answer.KEPT
    assert [each[:24] for each in found.unseen] == ["No start of ipamd is in ", "The log does not say how", "The log does not name th"]
    new.write("instance", beginning="Found instance-type", type="m99.huge")
    assert "The instance type m99.huge is not in the table, so its limits are not checked." in check(new.data).unseen


def test_lines_without_a_time_take_the_one_before(new):
    new.assign("c1", A)
    new.unassign("c1", A)
    new.assign("c2", A)
    new.lines[2:] = [line.replace(new.time, "") for line in new.lines[2:]]
    found = check(new.data)
    assert found.violation_count == 1
    assert "2 lines have no time; the time of the line before is taken." in found.unseen


@pytest.mark.parametrize("cut", ["...", '{"level":"info","ts":"2025-01-01T00:00:00.000Z","caller":"a","msg":"unassignPodIPAdd'])
def test_nothing_is_compared_across_a_gap(new, cut):
    new.start()
    new.assign("c1", A)
    new.lines.append(cut)
    new.assign("c2", A)
    found = check(new.data)
    assert found.answer is Answer.KEPT
    assert any("a gap: lines before this one can't be read" in each for each in found.unseen)
    assert found.sources[0].skipped_count == 1


def test_a_step_back_in_time_is_a_gap(new):
    for _ in range(8):
        new.assign("c1", A)
        new.ms = 0 if new.ms else 60_000
        new.assign("c2", B)
    found = check(new.data)
    assert found.answer is Answer.KEPT
    assert any("the time goes back from 2025-01-01T00:01:00.000Z to 2025-01-01T00:00:00.000Z" in each for each in found.unseen)
    few = LogWriter()
    for number in range(24):
        few.ms = 60_000 * (number % 2)
        few.assign(f"c{number}", A)
    assert "There are 6 more gaps." in check(few.data).unseen


def test_a_small_step_back_is_none(new):
    new.wait(10_000)
    new.assign("c1", A)
    new.ms -= 4_000
    new.assign("c2", A)
    assert broken(new) == [Promise.ONE_HOLDER]


# --- several files ---


def test_rotated_logs_are_read_in_the_order_of_their_times(new):
    new.start([f"{A}/32"])
    new.assign("c1", A)
    first = new.data
    new.lines = []
    new.wait(60_000)
    new.assign("c2", A)
    found = check(new.data, first)
    assert [violation.promise for violation in found.violations] == [Promise.ONE_HOLDER]
    assert [source.name for source in found.sources] == ["1.log", "0.log"]
    assert [str(step.place) for step in found.violations[0].steps] == [f"1.log:{len(first.splitlines())}", "0.log:1"]


def test_plugin_logs_are_recognised(new):
    new.write("plugin-add-failed", beginning="Failed to assign an IP address to container", container="c1")
    found = check(new.data)
    assert (found.sources[0].kind, found.answer) == ("plugin.log", Answer.NOT_ENOUGH)


def test_errors_of_ec2_are_counted(new):
    for _ in range(2):
        new.write("ec2-failed", beginning="Failed to CreateNetwork", err="UnauthorizedOperation: no\n\tstatus code: 403", subnet="s")
    new.write("ec2-failed", beginning="Failed to CreateNetwork", err="context canceled", subnet="s")
    new.write("no-address")
    new.write("no-address", beginning="AssignPod")
    new.write("no-address")
    found = check(new.data)
    assert found.ec2_errors == {"UnauthorizedOperation": 2}
    assert [(moment.text, moment.count) for moment in found.timeline] == [
        ("EC2 refuses: UnauthorizedOperation", 2),
        ("no address is free", 2),
    ]


def test_releases_are_implied_by_wordings():
    old, new = LogWriter((1, 5, 7)), LogWriter((1, 18, 0))
    for log in (old, new):
        log.assign("c1", A)
    assert check(old.data).releases == ("with the wordings of 1.5.0 to 1.5.7",)
    assert check(old.data + new.data).releases == ("with the wordings of several, from 1.5.7 or older to 1.16.0 or newer",)
    assert check(b"2018-02-27T13:58:33Z [INFO] hello\n").releases == ()


def test_gzip_and_damage(new):
    new.start()
    new.assign("c1", A)
    packed = gzip.compress(new.data)
    found = verify([LogSource("x.gz", read_chunks(io.BytesIO(packed)))])
    assert found.answer is Answer.KEPT
    cut = gzip.compress(new.data * 9, compresslevel=0)[:-20]
    found = verify([LogSource("x.gz", read_chunks(io.BytesIO(cut)))])
    assert found.unseen[0] == "x.gz ends early: the gzipped data ends early; what comes before its end was read."


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0.log: it is empty; give an ipamd.log"),
        (b"\n\n", "0.log: it is empty; give an ipamd.log"),
        (b"hello\n", r"0\.log: no line is one of ipamd\.log, plugin\.log or a file of events; line 1 is no line of a log"),
        (bytes(range(256)) * 9, "0.log: no line is one of"),
        (b'time="2026-01-02T20:02:24Z" level=info msg="x"\n', "0.log: these are the lines of the containers"),
        (b'{"kind": "List", "items": []}\n', "0.log: no line is one of"),
    ],
)
def test_what_is_no_log_is_refused(data, message):
    with pytest.raises(LogError, match=message):
        check(data)


def test_damaged_gzip_without_lines_is_refused():
    with pytest.raises(LogError, match=r"x: the gzipped data ends early"):
        verify([LogSource("x", read_chunks(io.BytesIO(gzip.compress(b"x" * 99)[:15])))])


def test_without_logs_there_is_nothing_to_verify():
    with pytest.raises(LogError, match="no log is given"):
        verify([])


# --- events ---


def events(*found):
    return "".join(event_line(event) + "\n" for event in found).encode()


EVERY_EVENT = [
    AssignReturned(1, "a", A),
    AssignDenied(2, "b"),
    UnassignReturned(3, "a"),
    UnassignReturned(3, "a", A),
    EniAttached(4, "eni-0", 1),
    EniDetached(5, "eni-0"),
    RangeAdded(6, "eni-0", "10.0.0.0/28"),
    RangeRemoved(7, "2001:db8::/80"),
    Crashed(8, ("a",)),
    Restarted(9, {"a": A}, ("b",)),
    UnassignUndone(10, "a", A),
    UnassignRefused(11, "a"),
    PrimaryAddressReported(12, "eni-0", A),
    CountsReported(13, 1, 2, 1, is_exact=False),
    Gap(14),
]


def test_every_event_is_written_and_read_again():
    assert {type(event).__name__ for event in EVERY_EVENT} == {*EVENTS}
    assert [read_event_line(event_line(event)) for event in EVERY_EVENT] == EVERY_EVENT
    assert event_line(AssignReturned(1, (0, "k"), A)) == '{"event":"AssignReturned","now_ns":1,"key":"0:k","address":"10.0.0.5"}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ("{}", "event must be one of AssignDenied, "),
        ('{"event":"Gap","now_ns":1,"other":2}', "Gap has no 'other'; it has now_ns"),
        ('{"event":"Gap"}', "Gap: "),
        ('{"event":"Gap","now_ns":-1}', "now_ns must be a whole number"),
        ('{"event":"Gap","now_ns":' + "9" * 5_000 + "}", "not a JSON object"),
        ('{"event":"Gap","now_ns":' + "9" * 500 + "}", "now_ns must be a whole number"),
        ('{"event":"AssignDenied","now_ns":1,"key":["a"]}', "key must be a text"),
        ('{"event":"AssignReturned","now_ns":1,"key":"a","address":"x"}', "AssignReturned: 'x' is not an address"),
        ('{"event":"RangeRemoved","now_ns":1,"cidr":"10.0.0.1/28"}', "has host bits set"),
        ('{"event":"RangeRemoved","now_ns":1,"cidr":5}', "cidr must be a text"),
        ('{"event":"Crashed","now_ns":1,"in_flight":"a"}', "in_flight must be a list"),
        ('{"event":"Crashed","now_ns":1,"in_flight":[1]}', "in_flight must be a text"),
        ('{"event":"Restarted","now_ns":1,"held":[]}', "held must be Mapping"),
    ],
)
def test_a_line_that_is_no_event_is_refused(line, message):
    with pytest.raises(LogError, match=message):
        read_event_line(line)


def test_events_are_verified():
    healthy = [AssignReturned(0, "a", A), UnassignReturned(1, "a"), AssignReturned(31, "b", A)]
    found = check(events(*healthy), cooldown_ns=30)
    assert (found.answer, found.counts) == (Answer.KEPT, {"AssignReturned": 2, "UnassignReturned": 1})
    assert (found.sources[0].kind, found.unseen) == ("events", ())
    found = check(events(*healthy), cooldown_ns=31)
    assert found.violations[0].message == "b got 10.0.0.5 at 0.000000031 s, but it cools until 0.000000032 s"
    assert [step.place.line for step in found.violations[0].steps] == [1, 2, 3]
    assert check(events(Gap(0))).answer is Answer.NOT_ENOUGH


def test_files_of_events_are_judged_each_by_itself(new):
    new.assign("c1", A)
    found = check(events(AssignReturned(0, "a", A)), events(AssignReturned(0, "b", A)), new.data)
    assert found.answer is Answer.KEPT
    assert [source.kind for source in found.sources] == ["ipamd.log", "events", "events"]


def test_lines_that_are_no_events_are_a_gap():
    data = events(AssignReturned(9, "a", A)) + b"\nhello\n" + events(AssignReturned(9, "b", A), AssignReturned(1, "c", B))
    data += b"x" * 300_000 + b"\n"
    found = check(data)
    assert found.answer is Answer.KEPT
    assert [(skipped.line, skipped.reason[:9]) for skipped in found.sources[0].skipped] == [
        (3, "not a JSO"),
        (5, "it is ear"),
        (6, "it is too"),
    ]
    assert found.unseen == ("Lines that are no events were skipped; events can be missing there.",)


def test_a_log_that_begins_like_events_is_a_log(new):
    new.assign("c1", A)
    found = check(b'{"event":"Ga\n{"event":"other"}\n' + new.data)
    assert (found.sources[0].kind, found.sources[0].skipped_count) == ("ipamd.log", 2)


def test_a_restart_is_part_of_the_story():
    story = [AssignReturned(0, "a", A), Crashed(1), Restarted(2, {"a": A}), EniAttached(2, "eni-0"), AssignReturned(3, "b", A)]
    steps = check(events(*story)).violations[0].steps
    assert [step.text for step in steps] == ["a got 10.0.0.5", "the process crashed", "restarted with 1 sandboxes", "b got 10.0.0.5"]


# --- limits of memory ---


def test_the_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(verification, "MOST_HELD", 1_500)
    monkeypatch.setattr(verification, "_MOST_SUBJECTS", 50)
    monkeypatch.setattr(log_verifier, "MOST_HELD", 1_500)
    many = [AssignReturned(0, str(number), number + 1) for number in range(3_000)]
    with pytest.raises(LogError, match=r"0\.log: more than 1,500 sandboxes hold an address at once"):
        check(events(*many))
    pairs = [each for number in range(3_000) for each in (AssignReturned(0, str(number), number + 1), UnassignReturned(0, str(number)))]
    assert check(events(*pairs)).answer is Answer.KEPT
    log = LogWriter()
    log.write("start", version="v1.18.0")
    for number in range(1_600):
        log.write("not-restored", key=f"aws-cni/d{number}/eth0", ip=A)
        log.assign(f"c{number}", f"10.0.{number >> 8}.{number & 255}")
    with pytest.raises(LogError, match=r"0\.log: more than 1,500 sandboxes"):
        check(log.data)


def test_few_sandboxes_are_remembered_for_long():
    again = [AssignReturned(0, "a", A)] * 1_100
    found = check(events(*again, AssignReturned(0, "b", A)))
    assert [step.place.line for step in found.violations[0].steps] == [1_096, 1_097, 1_098, 1_099, 1_100, 1_101][
        -len(found.violations[0].steps) :
    ]


def test_the_number_of_cidrs_is_bounded(monkeypatch):
    monkeypatch.setattr(verification, "MOST_RANGES", 2)
    with pytest.raises(LogError, match="more than 2 CIDRs at once"):
        check(events(*(RangeAdded(0, f"eni-{number}", f"10.0.0.{number}/32") for number in range(3))))


def test_what_is_remembered_of_sandboxes_is_bounded(monkeypatch):
    monkeypatch.setattr(log_verifier, "MOST_HELD", 2)
    monkeypatch.setattr(log_verifier, "_MOST_REMEMBERED", 2)
    monkeypatch.setattr(log_verifier, "_MOST_LISTED", 1)
    log = LogWriter()
    for number in range(9):
        log.assign(f"b{number}", f"10.0.1.{number}")
        log.assign(f"c{number}", f"10.0.0.{number}")
        log.write("cleared", key=f"aws-cni/c{number}/eth0", ip=f"10.0.0.{number}")
        log.raw(f"other{number}")
    log.lines += ["...", log.lines[-1], "...", log.lines[-1]]
    for release in ("v1.18.0", "v1.18.1"):
        log.idle()
        log.write("start", version=release)
        log.write("recovery-done")
    for code in ("AuthFailure", "UnauthorizedOperation"):
        log.write("ec2-failed", beginning="Failed to CreateNetwork", err=f"{code}: no\n\tstatus code: 403", subnet="s")
    found = check(log.data)
    assert "There are 1 more gaps." not in found.unseen
    assert (len(found.restarts), found.releases[0], list(found.ec2_errors)) == (1, "v1.18.0", ["AuthFailure"])


def test_the_first_violations_are_kept():
    many = [AssignReturned(0, str(number), A) for number in range(702)]
    found = check(events(*many))
    assert (len(found.violations), found.violation_count) == (100, 701)
    assert len(found.timeline) == 500


def test_lines_that_matter_to_nothing_are_left_out(new):
    new.start([f"{A}/32"])
    for _ in range(300):
        new.raw("VPC CIDR 10.0.0.0/16", "debug")
        new.write("add-received", beginning="Received")
        new.write("reconcile-done")
        new.raw("{eni} VPC CIDR")
    new.assign("c1", A)
    new.start([f"{A}/32"], restored={"c1": A})
    new.assign("c2", A)
    found = check(new.data)
    assert [violation.promise for violation in found.violations] == [Promise.ONE_HOLDER]
    assert found.sources[0].found_count == len(new.lines)
    assert found.counts["reconcile-done"] == 100


def test_a_line_that_ends_a_start_is_not_left_out(new):
    new.assign("c1", A)
    for _ in range(300):
        new.write("add-received", beginning="Received")
    new.write("start", version="v1.18.0")
    new.assign("c1", A)
    new.write("add-received", beginning="Received")
    new.assign("c2", B)
    assert [each.restored_count for each in check(new.data).restarts] == [1]


# --- any allocator ---


@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=60), release=st.sampled_from(RELEASES))
@example(steps=[(0, 0), (0, 0), (0, 31), (0, 0)], release=(1, 5, 0))
def test_the_log_of_a_healthy_allocator_keeps_the_promises(steps, release):
    log = LogWriter(release)
    log.start([f"10.0.0.{number}/32" for number in range(9)])
    held, free_at, count = {}, {}, 0
    for key, pause in steps:
        log.wait(1_000 * pause)
        if key in held:
            container, address = held.pop(key)
            log.write("unassign-stats", total=9, assigned=len(held) + 1)
            log.unassign(container, address)
            free_at[address] = log.ms + 30_000
            continue
        address = next((f"10.0.0.{number}" for number in range(9) if free_at.get(f"10.0.0.{number}", -1) < log.ms), None)
        log.write("assign-stats", total=9, assigned=len(held))
        if address is None:
            log.write("no-address")
            continue
        count += 1
        held[key] = f"c{count}", address
        free_at[address] = 1 << 60
        log.assign(f"c{count}", address)
    found = check(log.data)
    assert found.violations == ()
    assert found.answer is (Answer.KEPT if count else Answer.NOT_ENOUGH)
    assert json.dumps(found.to_dict())


@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data):
    check_or_refuse(data)


@given(data=st.data())
def test_a_damaged_log_is_read_or_refused(data):
    log = LogWriter(data.draw(st.sampled_from(RELEASES)))
    log.start([f"{A}/32"])
    log.assign("c1", A)
    log.unassign("c1", A)
    raw = bytearray(log.data)
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=6))
        raw = raw or bytearray(b"x")
    check_or_refuse(bytes(raw))


def check_or_refuse(data):
    try:
        text = json.dumps(check(data).to_dict())
    except LogError as refusal:
        text = str(refusal)
    assert "\n" not in text


def test_dates_and_periods_are_for_people(new):
    assert date_text(1_735_689_600_123_000_000) == "2025-01-01T00:00:00.123Z"
    assert date_text(10**30) == "1000000000000000000000 s"
    new.assign("c1", A)
    assert period_text(check(new.data).sources[0]) == "2025-01-01T00:00:00.000Z to 2025-01-01T00:00:00.000Z"
    assert period_text(check(b"2018-02-27T13:58:33Z [INFO] hello\n").sources[0]) == "2018-02-27T13:58:33.000Z to 2018-02-27T13:58:33.000Z"
    assert period_text(check(b'{"level":"info","ts":"","msg":"hello"}\n').sources[0]) == "no times"


def test_the_period_of_a_log_is_that_of_all_its_lines():
    lines = [f'{{"level":"debug","ts":"2025-01-01T00:00:{second:02}.000Z","msg":"Reconciling is skipped"}}\n' for second in range(60)]
    lines += ['{"level":"info","ts":"","msg":"hello"}\n', "no line of a log\n"]
    assert period_text(check("".join(lines).encode()).sources[0]) == "2025-01-01T00:00:00.000Z to 2025-01-01T00:00:59.000Z"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_archives_are_refused_and_json_is_named(new, pack):
    new.assign("c1", A)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("ipamd.log")
        member.size = len(new.data)
        archive.addfile(member, io.BytesIO(new.data))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("ipamd.log", new.data)
    for data in (packed.getvalue(), zipped.getvalue()):
        with pytest.raises(LogError, match=r"^0\.log: it is an archive; give the logs in it"):
            check(b"".join(read_chunks(io.BytesIO(pack(data)))))
    with pytest.raises(LogError, match=r"it seems to be JSON, which vpcipam inspect reads$"):
        check(b'{"Subnets": [\n]}')


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_logs_that_powershell_writes_are_read(new, encoding, pack):
    new.assign("c1", A)
    data = pack(new.data.decode().replace("\n", "\r\n").encode(encoding))
    assert check(b"".join(read_chunks(io.BytesIO(data)))).answer is Answer.KEPT
