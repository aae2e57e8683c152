"""plugin.log, by itself and beside ipamd.log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_texts import LogWriter, PluginWriter
from test_verify import RELEASES, A, B, C, check

from vpcipam.contracts import Promise
from vpcipam.inspection import answered_addresses, plugin_verifier, sandbox_log
from vpcipam.inspection.log.wording import WORDINGS
from vpcipam.inspection.verification import Answer

NEW, CARDS = (1, 18, 0), (1, 21, 2)
WITH_ANSWERS = [release for release in RELEASES if release >= (1, 7, 0)]


class Node:
    """An ipamd.log and a plugin.log of one node, whose clocks are one."""

    def __init__(self, release=NEW):
        self.ipamd, self.plugin = LogWriter(release), PluginWriter(release)
        self.ipamd.start([f"{A}/32", f"{B}/32", f"{C}/32"])

    def wait(self, ms=1_000):
        self.ipamd.wait(ms)
        self.plugin.wait(ms)

    def add(self, container, address, told=None):
        self.plugin.ask("add", container)
        self.ipamd.assign(container, address)
        if self.ipamd.release < (1, 20, 0):
            self.ipamd.write("add-reply", ip=address, device=0, err="<nil>")
        self.plugin.answer("add", container, told or address)
        self.wait()

    def delete(self, container, address, told=None):
        self.plugin.ask("del", container)
        self.ipamd.unassign(container, address)
        if self.plugin.release >= (1, 7, 0):
            self.plugin.answer("del", container, told or address)
        self.wait()

    def check(self, *more, **options):
        return check(self.plugin.data, self.ipamd.data, *more, **options)


def told(found):
    return [(each.promise, each.message) for each in found.violations]


@pytest.fixture(params=RELEASES, ids=lambda release: ".".join(map(str, release)))
def node(request):
    return Node(request.param)


# --- beside ipamd.log ---


def test_both_logs_of_a_healthy_node_fit(node):
    for container, address in (("c1", A), ("c2", B)):
        node.add(container, address)
    node.delete("c1", A)
    node.wait(31_000)
    node.add("c3", A)
    found = node.check()
    assert (found.answer, found.violations) == (Answer.KEPT, ())
    assert [source.kind for source in found.sources] == ["ipamd.log", "plugin.log"]
    calls = found.plugin
    assert (calls.add_count, calls.delete_count, calls.answer_count, calls.compared_count) == (3, 1, 3, 3)
    assert (calls.failures, calls.lost_deletes) == ((), ())
    assert not [text for text in found.unseen if "plugin" in text]
    assert found.counts["plugin-add"] == 3


def test_an_address_that_ipamd_did_not_give_is_found(node):
    node.add("c1", A)
    node.add("c2", B, told=C)
    found = node.check()
    assert told(found) == [(Promise.DURABILITY, f"by plugin.log c2 got {C}, but by ipamd.log {B}")]
    assert [step.place.source for step in found.violations[0].steps] == ["1.log", "0.log"]


def test_an_answer_that_ipamd_does_not_know_is_found(node):
    node.add("c1", A)
    node.plugin.add("c2", B)
    node.wait()
    node.add("c3", C)
    found = node.check()
    assert told(found) == [(Promise.DURABILITY, f"by plugin.log c2 got {B}, but ipamd.log has no assign to c2")]
    assert (found.plugin.answer_count, found.plugin.compared_count) == (3, 2)


@pytest.mark.parametrize("release", WITH_ANSWERS)
def test_a_release_that_ipamd_did_not_write_down_is_found(release):
    node = Node(release)
    node.add("c1", A)
    node.plugin.delete("c1", A)
    node.wait()
    node.add("c2", B)
    assert told(node.check()) == [(Promise.DURABILITY, f"by plugin.log c1 gave {A} back, but ipamd.log has no unassign of it")]
    node = Node(release)
    node.add("c1", A)
    node.delete("c1", A, told=B)
    node.add("c2", C)
    assert told(node.check()) == [(Promise.DURABILITY, f"by plugin.log c1 gave {B} back, but by ipamd.log it got {A}")]


@pytest.mark.parametrize("release", WITH_ANSWERS)
def test_a_delete_that_never_reaches_ipamd_is_named(release):
    node = Node(release)
    node.add("c1", A)
    node.add("c2", B)
    line = len(node.plugin.lines) + 1
    node.plugin.ask("del", "c1")
    node.plugin.write("plugin-add-failed", beginning="Failed to connect", container="c1", err="connection refused")
    node.wait()
    node.add("c3", C)
    found = node.check()
    (lost,) = found.plugin.lost_deletes
    assert (str(lost.place), lost.container, lost.address, found.plugin.lost_delete_count) == (f"0.log:{line}", "c1", A, 1)
    assert (found.answer, found.violations) == (Answer.KEPT, ())
    (failure,) = found.plugin.failures
    assert (failure.count, failure.error) == (1, "connection refused")
    assert failure.releases == "1.7.0 to 1.23.0"
    node.delete("c1", A)  # it is asked again, and gets through
    assert node.check().plugin.lost_deletes == ()


def test_a_delete_without_an_answer_counts_once_the_answer_is_overdue():
    for pause, count in ((1_000, 0), (11_000, 1)):
        node = Node()
        node.add("c1", A)
        node.plugin.ask("del", "c1")
        node.plugin.ask("del", "c1")
        node.wait(pause)
        node.add("c2", B)
        assert node.check().plugin.lost_delete_count == count, pause


def test_a_delete_that_is_asked_again_counts_from_the_first_request():
    node = Node()
    node.add("c1", A)
    for _ in range(2):
        node.plugin.ask("del", "c1")
        node.wait(6_000)
    node.add("c2", B)
    (lost,) = node.check().plugin.lost_deletes
    assert lost.place.line == 3


def test_an_unassign_before_a_delete_is_not_that_of_the_delete():
    """ipamd gave the address up by itself, and the sandbox got it again. That it gave it back then is not in ipamd's log."""
    node = Node()
    node.add("c1", A)
    node.ipamd.unassign("c1", A)
    node.wait(31_000)
    node.ipamd.assign("c1", A)
    node.wait()
    node.plugin.delete("c1", A)
    node.wait()
    node.add("c2", B)
    assert told(node.check()) == [(Promise.DURABILITY, f"by plugin.log c1 gave {A} back, but ipamd.log has no unassign of it")]


@pytest.mark.parametrize("wording", ["Handled pod teardown", "Could not teardown"])
def test_a_delete_without_ipamd_stays_open(wording):
    node = Node()
    node.add("c1", A)
    node.plugin.ask("del", "c1")
    kind = "plugin-del-answered" if wording.startswith("Handled") else "plugin-del-unknown"
    node.plugin.write(kind, beginning=wording, container="c1")
    node.wait(11_000)
    node.add("c2", B)
    assert [each.container for each in node.check().plugin.lost_deletes] == ["c1"]


def test_an_unknown_sandbox_and_one_of_a_branch_eni_are_not_lost():
    node = Node()
    node.add("c1", A)
    node.add("c2", B)
    node.plugin.ask("del", "c1")
    node.plugin.write("plugin-del-unknown", beginning="Container {container} not found", container="c1")
    node.plugin.ask("del", "c2")
    node.plugin.write("plugin-del-answered", beginning="Handled CNI", container="c2")
    node.wait(11_000)
    node.add("c3", C)
    assert node.check().plugin.lost_delete_count == 0


def test_a_pod_of_a_branch_eni_is_not_in_ipamds_pool():
    node = Node()
    node.add("c1", A)
    node.plugin.ask("add", "c2")
    node.plugin.answer("add", "c2", B, branch=True)
    node.wait()
    node.add("c3", C)
    found = node.check()
    assert (found.violations, found.plugin.answer_count) == ((), 2)


def test_only_times_of_which_ipamd_tells_are_compared():
    early, late = PluginWriter(NEW), PluginWriter(NEW)
    early.add("c0", C)
    node = Node()
    node.wait(60_000)
    for writer in (node.ipamd, node.plugin):
        writer.lines.clear()
    node.add("c1", A)
    node.add("c2", B)
    late.wait(600_000)
    late.add("c3", C)
    found = node.check(early.data, late.data)
    assert (found.answer, found.plugin.compared_count) == (Answer.KEPT, 2)
    (unseen,) = (text for text in found.unseen if "plugin.log" in text)
    assert unseen.startswith(
        "2 sandboxes of plugin.log got addresses at times of which ipamd.log does not tell, the first at 2.log:2 (2025-"
    )


@pytest.mark.parametrize("gap", ["...", "file"])
def test_nothing_is_compared_in_a_gap_of_ipamds_log(gap):
    node = Node()
    node.add("c1", A)
    first = node.ipamd.data
    node.plugin.add("c2", B)
    node.wait()
    if gap == "...":
        node.ipamd.lines.append(gap)
        node.add("c3", C)
        found = node.check()
    else:
        node.ipamd.lines = []
        node.add("c3", C)
        found = node.check(first)
    assert found.violations == ()
    assert any(text.startswith("1 sandbox of plugin.log got addresses") for text in found.unseen)


def test_a_release_in_a_gap_of_ipamds_log_proves_nothing():
    node = Node()
    node.add("c1", A)
    first = node.ipamd.data
    node.plugin.delete("c1", A)
    node.wait()
    node.ipamd.lines = []
    node.add("c2", C)
    assert node.check(first).violations == ()


def test_logs_of_two_nodes_are_not_compared():
    node = Node()
    node.ipamd.assign("other", A)
    node.plugin.add("c1", A)
    node.wait()
    node.ipamd.assign("another", B)
    found = node.check()
    assert (found.violations, found.plugin.compared_count) == ((), 0)
    assert any(text.startswith("No sandbox of plugin.log is in ipamd.log") for text in found.unseen)


def test_the_sandboxes_of_a_restart_are_compared_too():
    node = Node()
    node.add("c1", A)
    node.ipamd.start([f"{A}/32", f"{B}/32"], restored={"c1": A})
    node.wait()
    node.delete("c1", A)
    node.add("c2", B)
    found = node.check()
    assert (found.violations, found.plugin.compared_count, found.plugin.lost_deletes) == ((), 2, ())


def test_the_first_of_several_equal_assigns_is_shown():
    node = Node()
    node.add("c1", A, told=B)
    node.ipamd.start([f"{A}/32", f"{B}/32"], restored={"c1": A})
    node.ipamd.start([f"{A}/32", f"{B}/32"], restored={"c1": A})
    (violation,) = node.check().violations
    assert violation.steps[0].now_ns == violation.steps[1].now_ns


def given_cards(node, container, addresses, told=None):
    node.plugin.ask("add", container)
    for card, address in enumerate(addresses):
        metadata = f"{{K8SPodNamespace:a K8SPodName:b InterfacesCount:{len(addresses)}}}"
        node.ipamd.write("assigned", key=f"aws-cni/{container}/eth0", ip=address, metadata=metadata)
        node.ipamd.write("add-reply", beginning="Assigned IP from network card", card=card, ip4=address, ip6="", device=0)
    node.plugin.answer("add", container, *(told or addresses))
    node.wait()


def test_addresses_are_compared_by_network_card():
    node = Node(CARDS)
    given_cards(node, "c1", [A, B])
    given_cards(node, "c2", [C])
    found = node.check()
    assert found.violations == ()
    assert found.plugin.addresses_by_card == {0: 2, 1: 1}


def test_an_address_of_another_network_card_is_named():
    node = Node(CARDS)
    given_cards(node, "c1", [A, B], told=[A])
    assert told(node.check()) == [
        (Promise.DURABILITY, f"by ipamd.log c1 got {B} of network card 1 too, but plugin.log lacks it"),
    ]
    node = Node(CARDS)
    given_cards(node, "c1", [A, B], told=[C])
    assert told(node.check()) == [(Promise.DURABILITY, f"by plugin.log c1 got {C}, but by ipamd.log {B} of network card 1")]


def test_an_older_address_of_a_sandbox_is_not_missing():
    node = Node()
    node.add("c1", A)
    node.delete("c1", A)
    node.add("c1", B)
    assert node.check().violations == ()


# --- plugin.log by itself ---


def alone(release=NEW):
    return PluginWriter(release)


@pytest.mark.parametrize("release", RELEASES)
def test_a_healthy_log_by_itself_keeps_the_promises(release):
    log = alone(release)
    log.add("c1", A)
    log.delete("c1", A)
    log.wait(31_000)
    log.add("c2", A)
    log.add("c3", B)
    found = check(log.data)
    assert (found.answer, found.violations) == (Answer.KEPT, ())
    assert found.unseen[0].startswith("plugin.log does not show what ipamd does by itself")
    assert any("30 s is assumed" in text for text in found.unseen)
    assert (found.plugin.answer_count, found.plugin.compared_count) == (3, 0)
    assert json.dumps(found.to_dict())


def test_the_cooldown_can_be_given():
    log = alone()
    log.add("c1", A)
    found = check(log.data, cooldown_ns=7)
    assert not any("assumed" in text for text in found.unseen)


@pytest.mark.parametrize("release", WITH_ANSWERS)
def test_an_address_that_comes_back_too_early_is_proven(release):
    log = alone(release)
    log.add("c1", A)
    log.delete("c1", A)
    log.wait(29_000)
    log.add("c2", A)
    log.add("c3", B)
    found = check(log.data)
    assert [violation.promise for violation in found.violations] == [Promise.COOLDOWN]
    assert [step.place.line for step in found.violations[0].steps] == [2, 3, 4, 6]
    assert check(log.data, cooldown_ns=29 * 10**9).violations == ()


def test_the_cooldown_counts_from_the_request():
    """ipamd took the address back after it was asked, and perhaps long before the plugin wrote its answer."""
    log = alone()
    log.add("c1", A)
    log.ask("del", "c1")
    log.wait(29_000)
    log.answer("del", "c1", A)
    log.wait(1_001)
    log.add("c2", A)
    assert check(log.data).violations == ()
    log = alone()
    log.answer("del", "c1", A)  # nobody knows when it was asked
    log.add("c2", A)
    assert check(log.data).violations == ()
    log = alone()
    log.delete("c1", A)
    log.add("c2", A)
    assert [step.place.line for step in check(log.data).violations[0].steps] == [1, 2, 4]


def test_an_address_of_a_sandbox_that_could_not_be_set_up_cools():
    log = alone()
    log.add("c1", A)
    log.add("c2", B)
    log.write("plugin-add-failed", beginning="Failed SetupPodNetwork", container="c1", err="no veth")
    log.wait(10_000)
    log.add("c3", A)
    found = check(log.data)
    assert [violation.promise for violation in found.violations] == [Promise.COOLDOWN]
    assert [step.place.line for step in found.violations[0].steps] == [2, 5, 7]
    assert found.plugin.failures[0].error == "no veth"


def test_two_holders_are_proven_once_the_first_gives_the_address_back():
    log = alone()
    log.add("c1", A)
    log.wait(60_000)
    log.add("c2", A)
    assert check(log.data).violations == ()  # ipamd can have given c1 up
    log.delete("c1", A)
    found = check(log.data)
    assert told(found) == [(Promise.ONE_HOLDER, f"c1 held {A} until now, but c2 got it meanwhile")]
    assert [step.place.line for step in found.violations[0].steps] == [2, 4, 6]


def test_a_third_holder_proves_nothing_about_the_first():
    log = alone()
    for container in ("c1", "c2", "c3"):
        log.add(container, A)
    log.delete("c1", A)
    assert check(log.data).violations == ()


def test_times_that_are_rounded_down_get_some_slack():
    for release, pause, count in (((1, 7, 0), 29_999, 1), ((1, 7, 0), 30_000, 0)):
        log = alone(release)
        log.add("c1", A)
        log.delete("c1", A)
        log.wait(pause)
        log.add("c2", A)
        assert len(check(log.data).violations) == count, pause
    log = alone()
    log.add("c1", A)
    log.delete("c1", A)
    log.wait(1)
    log.add("c2", A)
    assert [len(check(log.data, cooldown_ns=cooldown_ns).violations) for cooldown_ns in (1_500_000, 2_500_000)] == [0, 1]


def test_a_delete_of_an_unknown_or_older_sandbox_proves_nothing():
    log = alone()
    log.add("c2", A)
    log.delete("c1", A)  # it got the address before the log
    log.add("c2", A)
    assert check(log.data).violations == ()


def test_nothing_is_compared_after_a_step_back():
    log = alone()
    log.wait(60_000)
    log.add("c1", A)
    log.delete("c1", A)
    log.wait(-20_000)
    log.add("c2", A)
    assert check(log.data).violations == ()


def test_the_versions_of_the_plugin_are_named():
    log = alone((1, 7, 10))
    log.write("plugin-start", version="v1.7.10")
    log.add("c1", A)
    assert check(log.data).releases[0] == "v1.7.10"


def test_unreadable_addresses_are_counted():
    log = alone()
    log.add("c1", "10.x.x.x")
    log.raw("hello")
    log.write("plugin-set-up")
    found = check(log.data + b"{}\n")
    assert found.answer is Answer.NOT_ENOUGH
    assert "1 address of plugin.log can't be read." in found.unseen


def test_lines_without_a_time_have_that_of_the_line_before():
    log = alone()
    log.add("c1", A)
    found = check(log.data.replace(b"2025-01-01", b"someday"))
    assert (found.sources[0].first_ns, found.plugin.answer_count) == (None, 1)


FAILURES = [wording for wording in WORDINGS if wording.kind in {"plugin-add-failed", "plugin-del-failed"}]


@pytest.mark.parametrize("wording", FAILURES, ids=lambda wording: wording.template[:40])
def test_every_failure_is_counted_with_its_releases(wording):
    log = alone(wording.spans[-1][1])
    for error in ("first", "last"):
        log.write(wording.kind, beginning=wording.template.partition("{")[0], container="c1", pod="p", ns="n", err=error, reply="")
    found = check(log.data)
    (failure,) = found.plugin.failures
    assert failure.count == 2
    assert failure.error == ("last" if "err" in wording.fields else "")
    assert [moment.count for moment in found.timeline] == [2]


# --- limits of memory ---


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(answered_addresses, "MOST_REMEMBERED", 2)
    monkeypatch.setattr(plugin_verifier, "_MOST_LISTED", 1)
    monkeypatch.setattr(sandbox_log, "MOST_HELD", 2)
    monkeypatch.setattr(sandbox_log, "_MOST_SPANS", 1)
    node = Node(CARDS)
    for version in ("v1", "v2"):
        node.plugin.raw(f"CNI Plugin version: {version} ...")
    for number in range(9):
        node.add(f"c{number}", f"10.0.0.{number}")
    given_cards(node, "d", [f"10.0.2.{number}" for number in range(4)])
    for number in range(2):
        node.plugin.add(f"x{number}", f"10.0.1.{number}")
        node.wait()
    node.add("c9", "10.0.0.9")
    for container in ("c9", "c8", "c7"):
        node.plugin.ask("del", container)
    node.wait(20_000)
    node.ipamd.assign("c10", "10.0.0.10")
    rest = node.ipamd.data
    node.ipamd.lines = []
    node.ipamd.wait(1_000)
    node.ipamd.assign("c11", "10.0.0.11")
    found = node.check(rest)
    assert found.releases[:2] == ("v1.21.2", "v1")
    assert found.plugin.compared_count < 10


def test_answers_that_are_older_than_what_is_remembered_are_not_compared(monkeypatch):
    monkeypatch.setattr(sandbox_log, "MOST_HELD", 4)
    node = Node()
    for number in range(9):
        node.add(f"c{number}", A)
        node.delete(f"c{number}", A)
        node.wait(31_000)
    found = node.check()
    assert (found.violations, found.plugin.answer_count) == ((), 9)
    assert 0 < found.plugin.compared_count < 5
    assert any(f"{9 - found.plugin.compared_count} sandboxes of plugin.log got addresses" in text for text in found.unseen)


def test_more_answers_than_are_kept_are_counted(monkeypatch):
    monkeypatch.setattr(plugin_verifier, "_MOST_LISTED", 1)
    node = Node()
    node.add("c1", A)
    for number in range(3):
        node.plugin.add(f"x{number}", f"10.0.1.{number}")
        node.wait()
    node.add("c2", B)
    found = node.check()
    assert (len(found.violations), found.violation_count) == (1, 3)


# --- any node ---


@given(steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 5)), max_size=30), release=st.sampled_from(RELEASES))
def test_the_logs_of_a_healthy_node_fit(steps, release):
    """A node whose daemon is down at times: what the plugin could not tell it is named, and nothing else."""
    node = Node(release)
    node.add("c0", A)
    held, lost, free, count = {}, {}, [B, C], 0
    for key, pause, luck in steps:
        node.wait(1_000 * pause)
        if key in held and luck == 0 and release >= (1, 7, 0):
            container, address = held.pop(key)
            node.plugin.ask("del", container)
            node.plugin.write("plugin-del-failed", beginning="Error received from DelNetwork", container=container, err="unavailable")
            lost[container] = address
        elif key in held:
            container, address = held.pop(key)
            node.delete(container, address)
            node.wait(31_000)
            free.append(address)
        elif free:
            count += 1
            held[key] = f"c{count}", free.pop()
            node.add(*held[key])
    node.wait(11_000)
    node.ipamd.write("assign-stats", total=3, assigned=len(held) + len(lost) + 1)
    found = node.check()
    assert found.violations == ()
    assert {each.container: each.address for each in found.plugin.lost_deletes} == lost
    assert json.dumps(found.to_dict())
