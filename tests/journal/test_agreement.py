"""The three journals with the same random programs: they must restore and refuse alike, also after they are reopened."""

import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from journal_worlds import KINDS, POD, key

from vpcipam.errors import VpcIpamError
from vpcipam.journal.protocol import Assigned, Cooling, Journal, MemoryJournal, Problem, ReleasedCidr
from vpcipam.sandbox import PodRef, SandboxKey

KEYS = (*map(key, "abc"), SandboxKey("_migrated-from-cri", "a", "unknown"), SandboxKey("", 'ü"\\<&>\u2028\x07', ""))
ADDRESSES = ("10.0.0.5", "10.0.0.6", "10.0.0.7", "2001:db8::1")
CIDRS = ("10.0.0.16/28", "10.0.0.5/32", "2001:db8::/80")
PODS = (None, POD, PodRef("kube-system", ""), PodRef("", "x & y"))

keys, addresses = st.sampled_from(KEYS), st.sampled_from(ADDRESSES)
durations = st.integers(0, 4)


class JournalAgreement(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.now = 0
        self.naive = MemoryJournal()
        self.journals = {kind: opened(self.folder) for kind, opened in KINDS.items()}

    def teardown(self):
        if hasattr(self, "folder"):
            for journal in self.journals.values():
                journal.close()
            shutil.rmtree(self.folder)

    def all_do(self, act):
        outcomes = {name: outcome(act, journal) for name, journal in {"memory": self.naive, **self.journals}.items()}
        assert len(set(outcomes.values())) == 1, outcomes

    @rule(entries=st.lists(st.tuples(keys, addresses, st.sampled_from(PODS)), max_size=3))
    def assign(self, entries):
        assigned = tuple(Assigned(each, address, pod, self.now) for each, address, pod in entries)
        self.all_do(lambda journal: journal.record(assigned))

    @rule(each=keys, address=addresses)
    def assign_one(self, each, address):
        self.all_do(lambda journal: journal.record((Assigned(each, address, None, 2**62),)))

    @rule(entries=st.lists(st.tuples(keys, st.sampled_from((None, *ADDRESSES)), durations), max_size=3))
    def unassign(self, entries):
        held = {entry.key: entry.address for entry in self.naive.assigned}
        released = tuple(
            (each, Cooling(address or held.get(each, "10.0.0.9"), self.now + duration, self.now)) for each, address, duration in entries
        )
        self.all_do(lambda journal: journal.record_unassign(released))

    @rule(entries=st.lists(st.tuples(addresses, durations, st.booleans()), max_size=3))
    def cool(self, entries):
        cooling = tuple(Cooling(address, self.now + duration, self.now if told else None) for address, duration, told in entries)
        self.all_do(lambda journal: journal.record(cooling=cooling))

    @rule(entries=st.lists(st.tuples(st.sampled_from(CIDRS), durations), max_size=2))
    def release_cidrs(self, entries):
        released = tuple(ReleasedCidr(cidr, self.now + duration) for cidr, duration in entries)
        self.all_do(lambda journal: journal.record_released_cidrs(released, self.now))

    @rule(duration=st.integers(1, 3))
    def wait(self, duration):
        self.now += duration

    @rule()
    def drop_what_is_not_there(self):
        self.all_do(lambda journal: journal.record())
        self.all_do(lambda journal: journal.record(dropped=(Problem("nowhere", "it is not there", None, None, ""),)))

    @rule()
    def open_anew(self):
        for kind, journal in self.journals.items():
            journal.close()
            self.journals[kind] = KINDS[kind](self.folder)

    @invariant()
    def they_restore_the_same(self):
        if not hasattr(self, "journals"):
            return
        expected = self.naive.restore(self.now)
        assert not {each.address for each in expected.cooling} & {each.address for each in expected.assigned}
        for kind, journal in self.journals.items():
            restored = journal.restore(self.now)
            assert restored.assigned == expected.assigned, kind
            assert set(restored.cooling) == set(expected.cooling), kind
            # A journal can have dropped an ended cooldown; the next one of the same address is then new to it.
            assert {each.address for each in restored.ended} <= {each.address for each in expected.ended}, kind
            assert set(restored.released_cidrs) == set(expected.released_cidrs), kind
            assert restored.problems == (), kind


def outcome(act, journal: Journal):
    try:
        act(journal)
    except VpcIpamError as error:
        return type(error), str(error)
    return None


TestJournalAgreement = JournalAgreement.TestCase
# Each step writes files, so a tenth of the usual examples.
TestJournalAgreement.settings = settings(max_examples=max(10, settings.default.max_examples // 10))
