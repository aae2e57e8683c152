"""The datastore and the naive one, driven together by random programs: results, refusals, counts, cooldowns and journal must agree."""

import hypothesis.strategies as st
import pytest
from datastore_worlds import TIME_MAX, WRONG_TIMES, FlakyJournal, JournalDownError, key
from hypothesis import assume
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from naive_datastore import NaiveDatastore

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.datastore.datastore import DEFAULT_COOLDOWN_NS
from vpcipam.errors import VpcIpamError
from vpcipam.journal import MemoryJournal
from vpcipam.sandbox import PodRef, SandboxKey

ENI_IDS = ("eni-a", "eni-b", "eni-c")
CIDRS = {
    4: ("10.0.0.0/28", "10.0.0.16/28", "10.0.0.1/32", "10.0.0.3", "10.0.0.4/32", "10.0.0.15/32", "10.0.0.16/32", "10.0.0.40/32"),
    6: ("2001:db8::/80", "2001:db8:0:0:1::/80", "2001:DB8:0:0:2::/80"),
}
WRONG_CIDRS = {
    4: (
        "10.0.0.3/28",
        "10.0.0.0/27",
        "10.0.0.0/0",
        "2001:db8::/32",
        "010.0.0.1/32",
        " 10.0.0.1/32",
        "",
        "2001:db8::/80",
        "::ffff:10.0.0.1/128",
    ),
    6: ("2001:db8::1/80", "2001:db8::/64", "2001:db8::/128", "2001:db8::", "10.0.0.0/28", "10.0.0.3/32"),
}
ADDRESSES = {
    4: (*(f"10.0.0.{last}" for last in range(18)), "10.0.0.31", "10.0.0.40", "10.0.0.41", "0.0.0.0", "255.255.255.255"),  # noqa: S104 - an address
    6: (
        "2001:db8::",
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8::ffff:ffff:ffff",
        "2001:db8:0:0:1::",
        "2001:db8:0:0:1::1",
        "2001:db8:0:0:2::",
        "::",
    ),
}
WRONG_ADDRESSES = {4: ("2001:db8::", "::ffff:10.0.0.1", "10.0.0.1/32", "10.0.0", "10.0.0.01"), 6: ("10.0.0.1", "", ":::")}
KEYS = (*map(key, "abcdef"), SandboxKey("_migrated-from-cri", "a", "unknown"), SandboxKey("_migrated-from-cri", "b", "unknown"))
WRONG_KEYS = (SandboxKey("aws-cni", "", "eth0"), SandboxKey("", "", ""), ("aws-cni", "a", "eth0"), "a", None)

eni_ids = st.sampled_from(ENI_IDS)
keys = st.sampled_from(KEYS)
pods = st.sampled_from((None, PodRef("default", "web-1"), PodRef("kube-system", "coredns")))
often = st.sampled_from((True, True, True, False))


class DatastoreAgreement(RuleBasedStateMachine):
    @initialize(
        mode=st.sampled_from(AddressMode),
        cooldown_ns=st.integers(0, 5),
        placement=st.sampled_from(("lowest", "packed", "spread", "random")),
        seed=st.sampled_from((0, 1, 2**64 - 1)),
        journalled=st.booleans(),
        network_card=st.sampled_from((0, 1)),
        start_ns=st.sampled_from((0, 1_000, TIME_MAX - 20)),
        enis=st.lists(eni_ids, max_size=2, unique=True),
    )
    def begin(self, *, mode, cooldown_ns, placement, seed, journalled, network_card, start_ns, enis):
        self.journal = FlakyJournal() if journalled else None
        self.naive = NaiveDatastore(mode, cooldown_ns, placement, network_card, journalled=journalled)
        self.store = Datastore(
            mode=mode, cooldown_ns=cooldown_ns, placement=placement, seed=seed, journal=self.journal, network_card=network_card
        )
        self.version = mode.version
        self.now_ns = self.latest_ns = start_ns
        self.filled = 0
        self.words = ""
        for number, eni_id in enumerate(enis):
            self.both("add_eni", eni_id, device_number=number, primary=number == 0, now_ns=start_ns)
            self.both("add_cidr", eni_id, CIDRS[self.version][number])

    def both(self, name, *args, **kwargs):
        """Call both, and return their common result. Error messages can differ, but none is empty."""
        try:
            result = getattr(self.store, name)(*args, **kwargs)
            got = ("done", list(result) if name == "assignments" else result)
        except (VpcIpamError, JournalDownError, TypeError) as error:
            got = ("refused", type(error))
            self.words = str(error)
        assert got[0] == "done" or got[1] is JournalDownError or self.words, f"{name}{args}{kwargs} was refused without a word"
        if name == "assign" and got[0] == "done":
            kwargs["wanted"] = got[1].address
        try:
            expected = ("done", getattr(self.naive, name)(*args, **kwargs))
        except (VpcIpamError, JournalDownError, TypeError) as error:
            expected = ("refused", type(error))
        assert got == expected, f"{name}{args}{kwargs}"
        return expected

    # time and the journal

    @rule(step_ns=st.integers(1, 4))
    def time_goes_on(self, step_ns):
        self.now_ns = min(self.now_ns + step_ns, TIME_MAX)
        self.latest_ns = max(self.latest_ns, self.now_ns)

    @rule(step_ns=st.integers(1, 6))
    def the_clock_steps_back(self, step_ns):
        self.now_ns = max(self.now_ns - step_ns, 0)

    @precondition(lambda self: self.journal is not None)
    @rule()
    def the_journal_fails_or_works_again(self):
        self.journal.down = self.naive.journal_down = not self.journal.down

    # sandboxes

    @rule(key=keys, pod=pods)
    def assign(self, key, pod):
        self.both("assign", key, self.now_ns, pod)

    @rule(count=st.sampled_from((1, 15, 16, 17)))
    def fill(self, count):
        for _ in range(count):
            self.filled += 1
            self.both("assign", key(f"filler-{self.filled}"), self.now_ns)

    @rule(count=st.integers(1, 16))
    def drain(self, count):
        for held, _ in self.naive.assignments()[:count]:
            self.both("unassign", held, self.now_ns)

    @rule(key=keys, data=st.data(), pod=pods)
    def assign_at(self, key, data, pod):
        address = data.draw(st.sampled_from(ADDRESSES[self.version]))
        self.both("assign_at", key, address, self.now_ns, pod)

    @rule(key=keys)
    def unassign(self, key):
        self.both("unassign", key, self.now_ns)

    @rule(key=keys, wrong_key=st.sampled_from(WRONG_KEYS), wrong_time=st.sampled_from(WRONG_TIMES), data=st.data())
    def refused_sandboxes(self, key, wrong_key, wrong_time, data):
        address = data.draw(st.sampled_from(ADDRESSES[self.version]))
        wrong_address = data.draw(st.sampled_from(WRONG_ADDRESSES[self.version]))
        for call in (
            ("assign", wrong_key, self.now_ns),
            ("assign", key, wrong_time),
            ("assign_at", wrong_key, address, self.now_ns),
            ("assign_at", key, address, wrong_time),
            ("assign_at", key, wrong_address, self.now_ns),
            ("unassign", key, wrong_time),
            ("key_of", wrong_address),
            ("cooling_until", wrong_address),
            ("stats", wrong_time),
            ("eni_stats", wrong_time),
        ):
            if self.both(*call)[0] != "refused":
                raise AssertionError(call)

    # ENIs and CIDRs

    @rule(
        eni_id=eni_ids,
        device_number=st.sampled_from((0, 1, 2, 3, 2**30 - 1, 2**30, -1, 2**70)),
        flags=st.fixed_dictionaries({}, optional={name: st.booleans() for name in ("primary", "trunk", "efa", "excluded")}),
        subnet_id=st.sampled_from((None, "subnet-1")),
        wrong_time=st.sampled_from((None, None, None, *WRONG_TIMES)),
    )
    def add_eni(self, eni_id, device_number, flags, subnet_id, wrong_time):
        now_ns = self.now_ns if wrong_time is None else wrong_time
        self.both("add_eni", eni_id, device_number=device_number, subnet_id=subnet_id, now_ns=now_ns, **flags)

    @rule(eni_id=eni_ids, force=often, wrong_time=st.sampled_from((None, None, None, *WRONG_TIMES)))
    def remove_eni(self, eni_id, force, wrong_time):
        self.both("remove_eni", eni_id, force=force, now_ns=self.now_ns if wrong_time is None else wrong_time)

    @rule(eni_id=eni_ids, valid=often, data=st.data())
    def add_cidr(self, eni_id, valid, data):
        self.both("add_cidr", eni_id, data.draw(st.sampled_from((CIDRS if valid else WRONG_CIDRS)[self.version])))

    @rule(eni_id=eni_ids, force=st.booleans(), valid=often, wrong_time=st.sampled_from((None, None, None, *WRONG_TIMES)), data=st.data())
    def remove_cidr(self, eni_id, force, valid, wrong_time, data):
        here = self.naive.networks_of(eni_id) if eni_id in self.naive.enis else ()
        cidr = data.draw(st.sampled_from((*map(str, here),) * 2 + (CIDRS if valid else WRONG_CIDRS)[self.version]))
        self.both("remove_cidr", eni_id, cidr, force=force, now_ns=self.now_ns if wrong_time is None else wrong_time)

    @rule(eni_id=eni_ids, excluded=st.booleans())
    def set_excluded(self, eni_id, excluded):
        self.both("set_excluded", eni_id, excluded=excluded)

    @rule(mode=st.sampled_from(AddressMode))
    def set_mode(self, mode):
        assume(mode is not self.naive.mode)
        self.both("set_mode", mode)

    # Reads that end cooldowns that are over, so they are rules and not invariants.

    @rule(wrong_time=st.sampled_from((None, None, None, *WRONG_TIMES)))
    def counts(self, wrong_time):
        now_ns = self.now_ns if wrong_time is None else wrong_time
        self.both("stats", now_ns)
        self.both("cooling_count", now_ns)
        if wrong_time is None:
            stats = self.store.stats(now_ns)
            assert self.store.sizes() == (stats.total_count, len(self.store.eni_ids), stats.prefix_count)
            assert self.store.pool_and_eni_stats(now_ns) == (stats, self.store.eni_stats(now_ns))

    @rule(eni_id=eni_ids, wrong_time=st.sampled_from((None, None, None, *WRONG_TIMES)))
    def removable_cidrs(self, eni_id, wrong_time):
        self.both("removable_cidrs", eni_id, self.now_ns if wrong_time is None else wrong_time)

    @invariant()
    def reads_agree(self):
        self.both("eni_stats", self.now_ns)
        self.both("assignments")
        for each in KEYS:
            self.both("assignment_of", each)
            self.both("pod_of", each)
        for address in ADDRESSES[self.version]:
            self.both("key_of", address)
            self.both("cooling_until", address)
        for eni_id in ENI_IDS:
            self.both("cidrs", eni_id)
            if eni_id in self.naive.enis:
                elsewhere = tuple(str(network) for network, holder in self.naive.networks.items() if holder != eni_id)
                assert self.store.missing_cidrs(eni_id, map(str, self.naive.networks)) == elsewhere
            assert (eni_id in self.store) == (eni_id in self.naive.enis)
        by_device = sorted(self.naive.enis.values(), key=lambda eni: eni["device_number"])
        assert self.store.eni_ids == tuple(eni["eni_id"] for eni in by_device)
        assert self.store.has_trunk == any(eni["trunk"] for eni in by_device)
        assert self.store.mode is self.naive.mode
        assert self.store.network_card == self.naive.network_card

    @invariant()
    def invariants_hold(self):
        self.store._check()

    @invariant()
    def the_journal_knows_all_that_was_acknowledged(self):
        if self.journal is None:
            return
        assert {entry.key: (entry.address, entry.pod) for entry in self.journal.assigned} == {
            held: (address, pod) for address, (held, pod) in self.naive.held.items()
        }
        ends = {cooling.address: cooling.until_ns for cooling in self.journal.cooling}
        assert self.naive.cooling.items() <= ends.items()
        assert all(until_ns <= self.latest_ns for address, until_ns in ends.items() if address not in self.naive.cooling)
        assert len(self.journal.calls) == self.naive.writes


TestDatastoreAgreement = DatastoreAgreement.TestCase


HOSTILE_KEYS = (
    *WRONG_KEYS,
    ("aws-cni", "web", "eth0"),
    SandboxKey("aws-cni", [], "eth0"),
    SandboxKey([], "web", "eth0"),
    SandboxKey("x", "y", "z"),
)
HOSTILE_TIMES = (0, True, *WRONG_TIMES, None, "0", 1.5)


@pytest.mark.parametrize("time", HOSTILE_TIMES, ids=repr)
@pytest.mark.parametrize("wrong", HOSTILE_KEYS, ids=repr)
@pytest.mark.parametrize("name", ["assign", "unassign"])
def test_a_datastore_without_a_journal_refuses_what_one_with_a_journal_refuses(name, wrong, time):
    outcomes = []
    for journal in (None, MemoryJournal()):
        store = Datastore(journal=journal)
        store.add_eni("eni-1", device_number=0, now_ns=0)
        store.add_cidr("eni-1", "10.0.0.5/32")
        store.assign(key("web"), 0)
        store.unassign(key("web"), 0)
        store.cooling_count(DEFAULT_COOLDOWN_NS)
        store.assign(key("web"), DEFAULT_COOLDOWN_NS)
        try:
            outcomes.append(getattr(store, name)(wrong, time))
        except (VpcIpamError, TypeError) as error:
            outcomes.append((type(error), str(error)))
        assert store.assignment_of(key("web")) is not None
    assert outcomes[0] == outcomes[1]
