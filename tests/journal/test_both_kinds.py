"""The behaviour that both journals on disk share, call by call."""

import contextlib
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from journal_worlds import KINDS, NoSync, addresses, held, release

from vpcipam.datastore import Datastore
from vpcipam.errors import InvalidArgument, InvalidSandboxKey, JournalConflict, UnknownKey
from vpcipam.journal.protocol import Assigned, Cooling, ReleasedCidr, Restored
from vpcipam.sandbox import PodRef, SandboxKey


@pytest.fixture(params=KINDS)
def reopen(request, tmp_path):
    """Close the journal and open it again, as a restarted process does."""
    opened = []

    def reopen(**options):
        while opened:
            opened.pop().close()
        opened.append(KINDS[request.param](tmp_path, **options))
        return opened[-1]

    reopen.kind = request.param
    yield reopen
    while opened:
        opened.pop().close()


def with_a_problem(reopen, folder):
    """A journal with one problem, on 10.0.0.5, and that problem."""
    if reopen.kind == "json":
        (folder / "ipam.json").write_text('{"version":"vpc-cni-ipam/1","allocations":[{"containerID":5,"ipv4":"10.0.0.5"}]}')
    else:
        reopen()
        with contextlib.closing(sqlite3.connect(folder / "ipam.sqlite", isolation_level=None)) as database:
            database.execute("INSERT INTO assigned VALUES (1, 'aws-cni', '', 'eth0', '10.0.0.5', NULL, NULL, 7)")
    journal = reopen()
    (problem,) = journal.restore(0).problems
    assert problem.address == "10.0.0.5"
    return journal, problem


def test_an_assign_recorded_with_a_dropped_problem_survives_a_restart(reopen, tmp_path):
    journal, problem = with_a_problem(reopen, tmp_path)
    journal.record(cooling=(Cooling("10.0.0.5", 40, 10),), dropped=(problem,))
    restored = reopen().restore(10)
    assert (restored.assigned, restored.cooling, restored.problems) == ((), (Cooling("10.0.0.5", 40, 10),), ())


def test_an_address_assigned_in_place_of_a_dropped_problem_does_not_cool(reopen, tmp_path):
    journal, problem = with_a_problem(reopen, tmp_path)
    journal.record(assigned=(held("a", "10.0.0.5"),), cooling=(Cooling("10.0.0.5", 40, 10),), dropped=(problem,))
    for again in (False, True):
        if again:
            journal = reopen()
        restored = journal.restore(10)
        assert (restored.assigned, restored.cooling, restored.problems) == ((held("a", "10.0.0.5"),), (), ())
    journal.record_unassign((release("a", "10.0.0.5", 20, 20),))
    assert reopen().restore(10).cooling == ()


def test_a_record_that_contradicts_another_problem_is_refused_wholly(reopen, tmp_path):
    if reopen.kind == "json":
        allocation = '{"networkName":"aws-cni","containerID":"","ifName":"eth0","ipv4":"%s"}'
        text = ",".join(allocation % address for address in ("10.0.0.5", "10.0.0.6"))
        (tmp_path / "ipam.json").write_text(f'{{"version":"vpc-cni-ipam/1","allocations":[{text}]}}')
    else:
        reopen()
        with contextlib.closing(sqlite3.connect(tmp_path / "ipam.sqlite", isolation_level=None)) as database:
            for row, (name, address) in enumerate((("eth0", "10.0.0.5"), ("eth1", "10.0.0.6"))):
                database.execute("INSERT INTO assigned VALUES (?, 'aws-cni', '', ?, ?, NULL, NULL, 7)", (row, name, address))
    journal = reopen()
    before = journal.restore(0)
    one, _other = before.problems
    with pytest.raises(JournalConflict, match="Decide about that entry and drop it"):
        journal.record(assigned=(held("a", "10.0.0.6"),), dropped=(one,))
    assert journal.restore(0) == reopen().restore(0) == before


@pytest.mark.parametrize("times", [(True, False, True), (False, False, False)])
def test_times_are_stored_as_integers(reopen, times):
    assigned_ns, released_ns, until_ns = times
    journal = reopen()
    journal.record((attrs.evolve(held("a", "10.0.0.5"), assigned_ns=assigned_ns),))
    journal.record((held("b", "10.0.0.6"),))
    journal.record_unassign((release("b", "10.0.0.6", until_ns, released_ns),))
    restored = reopen().restore(0)
    assert [(each.key, each.assigned_ns) for each in restored.assigned] == [(held("a", "10.0.0.5").key, int(assigned_ns))]
    assert restored.problems == ()


@pytest.mark.parametrize(
    ("key", "pod"),
    [
        (SandboxKey("aws-cni", 5, "eth0"), None),
        (SandboxKey("aws-cni", b"c1", "eth0"), None),
        (SandboxKey(None, "c1", "eth0"), None),
        (SandboxKey("aws-cni", "c1", "eth0"), PodRef("default", 5)),
        (SandboxKey("aws-cni", "c1", "eth0"), PodRef(None, "web-1")),
        (SandboxKey("aws-cni", "c1", "eth0"), "default/web-1"),
    ],
)
def test_names_that_would_be_restored_differently_are_refused_and_nothing_changes(reopen, key, pod):
    store = Datastore(journal=reopen())
    store.add_eni("eni-1", device_number=0, now_ns=0)
    store.add_cidr("eni-1", "10.0.0.5/32")
    for assign in (lambda: store.assign(key, 1, pod), lambda: store.assign_many([(key, pod)], 1)):
        with pytest.raises(TypeError, match=r"text|PodRef"):
            assign()
    assert store.stats(1).assigned_count == 0
    assert reopen().restore(1).assigned == ()


@pytest.mark.parametrize("lone", ["\ud800", "a\udcffb", "\udfff\ud800"], ids=ascii)
def test_a_text_that_utf_8_cannot_encode_is_refused_and_nothing_changes(reopen, lone):
    journal = reopen()
    store = Datastore(journal=journal)
    store.add_eni("eni-1", device_number=0, now_ns=0)
    store.add_cidr("eni-1", "10.0.0.5/32")
    for place in range(3):
        wrong = SandboxKey(*(lone if each == place else f"x{each}" for each in range(3)))
        for assign in (store.assign, lambda key, now_ns: store.assign_many([(key, None)], now_ns)):
            with pytest.raises(InvalidSandboxKey, match="lone surrogate"):
                assign(wrong, 1)
        with pytest.raises(UnknownKey):
            store.unassign(wrong, 1)
        with pytest.raises(UnknownKey):
            journal.record_unassign(((wrong, Cooling("10.0.0.5", 40)),))
    for pod in (PodRef(lone, "web"), PodRef("default", lone)):
        with pytest.raises(InvalidArgument, match="lone surrogate"):
            store.assign(SandboxKey("aws-cni", "c1", "eth0"), 1, pod)
    for value in (lambda: Cooling(lone, 1), lambda: ReleasedCidr(lone, 1), lambda: held("a", lone)):
        with pytest.raises(InvalidArgument, match="lone surrogate"):
            value()
    store._check()
    assert store.stats(1).assigned_count == 0
    assert reopen().restore(1) == Restored(())


@given(st.tuples(st.text(), st.text(min_size=1), st.text()), st.text(), st.text())
@example(("\0", "\0", "\0"), "\0", "\x7f\x80\u2028\ufffe\uffff\U0010ffff")
@pytest.mark.parametrize("kind", KINDS)
def test_every_text_that_is_acknowledged_comes_back(kind, names, namespace, name):
    with tempfile.TemporaryDirectory() as folder:
        pod = PodRef(namespace, name) if namespace or name else None
        new = Assigned(SandboxKey(*names), "10.0.0.5", pod, 1)
        with KINDS[kind](Path(folder)) as journal:
            journal.record((new,))
        with KINDS[kind](Path(folder)) as journal:
            assert journal.restore(1).assigned == (new,)


def test_the_latest_release_decides_which_cooldowns_have_ended(reopen):
    journal = reopen()
    journal.record((held("a", "10.0.0.5"), held("b", "10.0.0.6"), held("c", "10.0.0.7")))
    journal.record_unassign((release("a", "10.0.0.5", 25, 5),))
    journal.record_unassign((release("b", "10.0.0.6", 50, 30), release("c", "10.0.0.7", 20, 10)))
    restored = journal.restore(15)
    assert [each.address for each in (*restored.cooling, *restored.ended)] == ["10.0.0.6"]


def test_a_batch_that_contradicts_itself_is_refused_wholly(reopen):
    journal = reopen()
    for batch in ((held("a", "10.0.0.5"), held("b", "10.0.0.5")), (held("a", "10.0.0.5"), held("a", "10.0.0.6"))):
        with pytest.raises(JournalConflict):
            journal.record(batch)
        assert addresses(journal) == {}
    journal.record((held("a", "10.0.0.5"),))
    with pytest.raises(UnknownKey):
        journal.record_unassign((release("a", "10.0.0.5", 40, 10), release("a", "10.0.0.5", 40, 10)))
    assert addresses(journal) == addresses(reopen()) == {"a": "10.0.0.5"}


def test_of_two_cooldowns_of_one_address_in_a_batch_the_later_holds(reopen):
    journal = reopen()
    journal.record(cooling=(Cooling("10.0.0.5", 40), Cooling("10.0.0.5", 30), Cooling("10.0.0.6", 30), Cooling("10.0.0.6", 40)))
    assert {(each.address, each.until_ns) for each in reopen().restore(0).cooling} == {("10.0.0.5", 40), ("10.0.0.6", 40)}


class Gate:
    """A step of a journal that blocks until it is released."""

    def __init__(self):
        self.entered, self.go = threading.Event(), threading.Event()
        self.closed = True

    def pass_through(self):
        if self.closed:
            self.closed = False  # for whoever comes next
            self.entered.set()
            assert self.go.wait(30)


def gated(kind, gate):
    """The options of a journal whose writes pass through a gate."""

    class GatedFiles(NoSync):
        def write(self, descriptor, data):
            gate.pass_through()
            return super().write(descriptor, data)

    class GatedConnection(sqlite3.Connection):
        def execute(self, statement, *parameters):
            if statement == "COMMIT":
                gate.pass_through()
            return super().execute(statement, *parameters)

    if kind == "json":
        return {"files": GatedFiles()}
    return {"connect": lambda path, **options: sqlite3.connect(path, factory=GatedConnection, **options)}


@pytest.mark.parametrize(
    "call",
    [
        lambda journal: journal.record((held("c", "10.0.0.7"),)),
        lambda journal: journal.record_unassign((release("a", "10.0.0.5", 40, 10),)),
        lambda journal: journal.record(cooling=(Cooling("10.0.0.8", 40),)),
        lambda journal: journal.restore(0),
        lambda journal: journal.close(),
    ],
    ids=["record", "record_unassign", "record cooling", "restore", "close"],
)
def test_a_call_waits_for_the_one_under_way(reopen, call):
    gate = Gate()
    gate.closed = False
    journal = reopen(**gated(reopen.kind, gate))
    journal.record((held("a", "10.0.0.5"),))
    gate.closed = True
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(journal.record, (held("b", "10.0.0.6"),))
        assert gate.entered.wait(30)
        second = threads.submit(call, journal)
        try:
            with pytest.raises(TimeoutError):
                second.result(0.03)
        finally:
            gate.go.set()
        first.result(30)
        second.result(30)
    assert addresses(reopen())["b"] == "10.0.0.6"
