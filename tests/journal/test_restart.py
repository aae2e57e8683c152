"""Restarts on contradicting checkpoints: nothing is guessed, nothing is lost, and no two sandboxes share an address."""

import contextlib
import json
import shutil
import sqlite3
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from journal_worlds import key as shell_key
from journal_worlds import node, open_json, open_sqlite

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.errors import CidrInUse, CoolingDown, DatastoreError, InQuarantine, NotInPool, PoolError, PoolExhausted, UnknownKey

COOLDOWN = 4
NAMES = "abcdef"
ADDRESSES = [f"10.0.0.{last}" for last in range(10)]  # the last two are never attached
names, addresses = st.sampled_from(NAMES), st.sampled_from(ADDRESSES)


def allocation(name, address):
    return {
        "networkName": "aws-cni",
        "containerID": name,
        "ifName": "eth0",
        "ipv4": address,
        "allocationTimestamp": 1,
        "metadata": {},
    }


def damaged(entry, how):
    """An invalid allocation."""
    broken = dict(entry)
    match how:
        case "no address":
            del broken["ipv4"]
        case "no sandbox":
            broken["containerID"] = ""
        case "a number for a text":
            broken["ifName"] = 7
        case "an address off":
            broken["ipv4"] += "/32"
    return broken


allocations = st.builds(allocation, names, addresses)
entries = st.lists(
    st.one_of(
        allocations,
        allocations,
        st.builds(damaged, allocations, st.sampled_from(["no address", "no sandbox", "a number for a text", "an address off"])),
    ),
    max_size=7,
)


class Restarts(RuleBasedStateMachine):
    @initialize(file=entries, cidrs=st.sets(st.sampled_from(ADDRESSES[:8]), min_size=2))
    def begin(self, file, cidrs):
        self.folder = Path(tempfile.mkdtemp())
        (self.folder / "ipam.json").write_text(json.dumps({"version": "vpc-cni-ipam/1", "allocations": file}))
        self.count = len(file)
        self.ended = 0  # entries of the file that somebody decided about, or whose sandbox has gone
        self.cidrs = set(cidrs)
        self.now = 10
        self.free_from = dict.fromkeys(ADDRESSES, 0)
        self.journal = None
        self.restart(gone=set())

    def teardown(self):
        if hasattr(self, "folder"):
            self.journal.close()
            shutil.rmtree(self.folder)

    def held(self):
        return {each.container_id: assignment.address for each, assignment in self.store.assignments()}

    def named(self):
        """The addresses and sandboxes that quarantined entries name."""
        entries = self.store.quarantined
        return {entry.address for entry in entries} - {None}, {entry.key.container_id for entry in entries if entry.key is not None}

    @rule(gone=st.sets(names, max_size=2), cooldown=st.sampled_from([COOLDOWN, COOLDOWN, 1]))
    def restart(self, gone, cooldown=COOLDOWN):
        self.cooldown = cooldown
        before, undecided = (self.held(), self.store.quarantined) if self.journal is not None else ({}, None)
        if self.journal is not None:
            self.journal.close()
        self.journal = open_json(self.folder)
        self.store = Datastore(mode=AddressMode.SECONDARY_IP, cooldown_ns=cooldown, journal=self.journal)
        self.store.add_eni("eni-0", device_number=0, now_ns=0)
        for address in self.cidrs:
            self.store.add_cidr("eni-0", f"{address}/32")
        restored = self.journal.restore(self.now)
        answer = self.store.restore(self.now, gone=map(shell_key, gone))
        for entry in (*answer.released, *(problem for problem in (*restored.assigned, *restored.problems) if problem.key is not None)):
            if entry.key.container_id in gone and entry.address in self.free_from:
                self.free_from[entry.address] = max(self.free_from[entry.address], self.cools(entry.address))
        held = self.held()
        for name, address in before.items():
            assert held.get(name) == (None if name in gone else address)
        assert not gone & held.keys()
        if undecided is not None:
            left = {(entry.key, entry.address) for entry in undecided}
            back = {(shell_key(name), address) for name, address in held.items() if name not in before}
            quarantined = {(entry.key, entry.address) for entry in self.store.quarantined}
            assert quarantined | back <= left | {(key, None) for key, _ in left}
            assert {pair for pair in left - quarantined - back if pair[0] is None or pair[0].container_id not in gone} <= {(None, None)}

    def cools(self, address):
        """When a released address can be assigned, if no other entry names it."""
        return 0 if address in self.named()[0] or address in self.held().values() else self.now + self.cooldown

    @rule(name=names)
    def assign(self, name):
        held, (withheld, undecided) = self.held(), self.named()
        try:
            address = self.store.assign(shell_key(name), self.now).address
        except InQuarantine:
            assert name in undecided
            return
        except PoolExhausted:
            free = self.cidrs - withheld - set(held.values())
            assert all(self.free_from[address] > self.now for address in free)
            return
        assert name not in undecided
        assert address == held.get(name, address)
        if name not in held:
            assert address in self.cidrs - withheld - set(held.values())
            assert self.free_from[address] <= self.now

    @rule(name=names)
    def unassign(self, name):
        held, (_, undecided) = self.held(), self.named()
        leaving = {entry.address for entry in self.store.quarantined if entry.key == shell_key(name)} | {held.get(name)}
        try:
            self.store.unassign(shell_key(name), self.now)
        except UnknownKey:
            assert name not in held
            assert name not in undecided
            return
        for address in leaving & self.free_from.keys():
            self.free_from[address] = max(self.free_from[address], self.cools(address))

    @rule(address=st.sampled_from(ADDRESSES[:8]), force=st.booleans())
    def remove_or_add(self, address, force):
        if address not in self.cidrs:
            self.store.add_cidr("eni-0", f"{address}/32")
            self.cidrs.add(address)
            return
        used = address in self.held().values()
        try:
            self.store.remove_cidr("eni-0", f"{address}/32", force=force, now_ns=self.now)
        except CidrInUse:
            assert not force
            assert used or address in self.named()[0]
            return
        assert force or not used
        self.cidrs.remove(address)
        if used:
            self.free_from[address] = self.now + self.cooldown

    @precondition(lambda self: hasattr(self, "store") and self.store.quarantined)
    @rule(number=st.integers(0, 6), accept=st.booleans())
    def decide(self, number, accept):
        entry = self.store.quarantined[number % len(self.store.quarantined)]
        held = self.held()
        if not accept:
            self.store.release_quarantined(entry, self.now)
            if entry.address in self.free_from:
                self.free_from[entry.address] = max(self.free_from[entry.address], self.cools(entry.address))
            return
        others = [each for each in self.store.quarantined if each != entry]
        try:
            address = self.store.accept_quarantined(entry, self.now).address
        except CoolingDown:
            assert self.free_from[entry.address] > self.now
        except NotInPool:
            assert entry.address not in self.cidrs
        except PoolError:  # taken
            assert entry.address in held.values() or entry.key.container_id in held
        except DatastoreError:
            contradicted = any(each.key == entry.key or each.address == entry.address for each in others)
            assert entry.key is None or entry.address is None or contradicted
        else:
            assert address == entry.address
            assert self.held() == held | {entry.key.container_id: address}
            self.free_from[address] = 0  # whoever had it before, it is in use

    @rule(duration=st.integers(1, COOLDOWN))
    def wait(self, duration):
        self.now += duration

    @invariant()
    def all_is_kept_in_step(self):
        if not hasattr(self, "store"):
            return
        self.store._check()
        restored = self.journal.restore(self.now)
        held = self.held()
        recorded = {entry.key.container_id: entry.address for entry in restored.assigned}
        assert held.items() <= recorded.items()
        # Every journal entry that the datastore does not hold is quarantined.
        entries = [entry.entry for entry in self.store.quarantined]
        assert {entry for entry in restored.assigned if entry.key.container_id not in held} <= set(entries)
        problems = [problem for problem in restored.problems if problem.repeats is None]
        assert set(problems) <= set(entries)
        assert len(restored.assigned) + len(problems) == len(held) + len(entries)


TestRestarts = Restarts.TestCase
TestRestarts.settings = settings(max_examples=max(20, settings.default.max_examples // 2))


def test_a_repeated_entry_is_reported_and_removed_with_its_sandbox(tmp_path):
    twice = [allocation("a", "10.0.0.1"), allocation("a", "10.0.0.1")]
    (tmp_path / "ipam.json").write_text(json.dumps({"version": "vpc-cni-ipam/1", "allocations": twice}))
    with open_json(tmp_path) as journal:
        store = node(journal, ["10.0.0.1/32"], mode=AddressMode.SECONDARY_IP)
        assert store.quarantined == ()
        (repeat,) = journal.restore(0).problems
        assert repeat.message.startswith("it says the same as allocation 1 (line 1")
        assert repeat.repeats == journal.restore(0).assigned[0]
        store.unassign(shell_key("a"), 1)
        assert journal.restore(1).problems == ()
    with open_json(tmp_path) as journal:
        assert journal.restore(1).assigned == ()


def test_a_row_in_another_spelling_is_accepted_in_one_write(tmp_path):
    with open_sqlite(tmp_path):
        pass
    with contextlib.closing(sqlite3.connect(tmp_path / "ipam.sqlite", isolation_level=None)) as shell:
        shell.execute("INSERT INTO assigned VALUES (1, 'aws-cni', 'a', 'eth0', '2001:DB8::1', NULL, NULL, 7)")
    with open_sqlite(tmp_path) as journal:
        store = node(journal, ["2001:db8::/80"], mode=AddressMode.IPV6)
        (entry,) = store.quarantined
        assert "must be written 2001:db8::1" in entry.reason
        assert store.accept_quarantined(entry, 5).address == "2001:db8::1"
        assert [each.address for each in journal.restore(5).assigned] == ["2001:db8::1"]
    with open_sqlite(tmp_path) as journal:
        assert (len(journal.restore(5).assigned), journal.restore(5).problems) == (1, ())


def test_contradicting_allocations_are_quarantined_and_can_be_decided(tmp_path):
    text = {"version": "vpc-cni-ipam/1", "allocations": [allocation("a", "10.0.0.1"), allocation("b", "10.0.0.1")]}
    (tmp_path / "ipam.json").write_text(json.dumps(text))
    with open_json(tmp_path) as journal:
        store = Datastore(journal=journal)
        store.add_eni("eni-0", device_number=0, now_ns=0)
        store.add_cidr("eni-0", "10.0.0.1/32")
        first, second = store.restore(0).quarantined
        assert first.reason == "10.0.0.1 has 2 sandboxes"
        assert first.entry.place.startswith("allocation 1 (line 1, column 47)"), first.entry.place
        with pytest.raises(PoolExhausted):
            store.assign(shell_key("c"), 1)
        with contextlib.suppress(DatastoreError):
            store.accept_quarantined(first, 1)
        store.release_quarantined(second, 1)
        store.accept_quarantined(first, 1)
    saved = json.loads((tmp_path / "ipam.json").read_text())
    assert [entry["containerID"] for entry in saved["allocations"]] == ["a"]
