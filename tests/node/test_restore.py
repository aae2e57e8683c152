"""A node that restarts from its journals: pods keep their addresses, cooldowns continue, and nothing is guessed."""

import contextlib

import attrs
import pytest

from vpcipam.action import ActionKind
from vpcipam.errors import InQuarantine, InvalidArgument, JournalCorrupt, JournalLocked, NodeError, PoolExhausted, UnknownKey
from vpcipam.journal.ipam_json import IpamJsonFile
from vpcipam.journal.protocol import Assigned, Cooling, MemoryJournal, Problem
from vpcipam.journal.sqlite import SqliteJournal
from vpcipam.sandbox import PodRef, SandboxKey

S = 1_000_000_000


def key(name):
    return SandboxKey("aws-cni", name, "eth0")


def held(name, address):
    return Assigned(key(name), address, PodRef("default", name), 0)


def addresses(here):
    return {each.container_id: assignment.address for datastore in here.node.datastores for each, assignment in datastore.assignments()}


@pytest.fixture(params=["json", "sqlite"])
def reopen(request, tmp_path):
    """Close the journal and open it again, as a restarted process does."""
    opened = []

    def reopen():
        while opened:
            opened.pop().close()
        journal = IpamJsonFile(tmp_path / "ipam.json") if request.param == "json" else SqliteJournal(tmp_path / "ipam.sqlite")
        opened.append(journal)
        return journal

    yield reopen
    while opened:
        opened.pop().close()


def test_pods_and_cooldowns_survive_a_restart(world, reopen):
    here = world("t3.small", journals=[reopen()])
    before = {each.address for each in here.pods(3)}
    (gone,) = here.unassign("p1")
    here.now_ns = 10 * S
    here.restart({}, journals=[reopen()])
    restart = here.node.restore(here.now_ns)
    assert [action.kind for action in restart.actions] == [ActionKind.ADOPT_ENI, ActionKind.CREATE_ENI]
    assert addresses(here).keys() == {"p0", "p2"}
    assert set(addresses(here).values()) == before - {gone.address}
    assert here.node.datastores[0].pod_of(key("p0")) == PodRef("default", "p0")
    assert here.node.datastores[0].cooling_until(gone.address) == 30 * S
    assert str(restart) == "network card 0: 2 sandboxes restored, 0 of them gone, 0 entries in quarantine, 1 address still cooling"
    assert here.node.quarantined == restart.quarantined == ()
    new = here.assign("a", "b", "c")
    assert not {each.address for each in new} & before
    here.check_agreement()
    here.unassign("p0", "p2")
    here.restart({}, journals=[reopen()])
    here.node.restore(here.now_ns)
    assert set(addresses(here)) == {"a", "b", "c"}


def test_many_pods_are_recorded_in_one_write(world):
    class Counting(MemoryJournal):
        writes = 0

        def record(self, assigned=(), cooling=(), *, dropped=()):
            self.writes += 1
            super().record(assigned, cooling, dropped=dropped)

        def record_unassign(self, released):
            self.writes += 1
            super().record_unassign(released)

    journal = Counting()
    here = world("t3.small", journals=[journal], start=False)
    wanted = [(key(name), PodRef("default", name)) for name in "abc"]
    for call in (here.node.assign_many, here.node.unassign_many):
        with pytest.raises(NodeError, match="is not started"):
            call(wanted, 0)
    here.start()
    given = here.node.assign_many(wanted, 1)
    assert (len({each.address for each in given}), journal.writes) == (3, 1)
    with pytest.raises(PoolExhausted):
        here.node.assign_many([(key("d"), None)], 1)
    assert here.node.unassign_many([key("a"), key("b")], 2) == given[:2]
    assert journal.writes == 2


def test_restoring_an_empty_journal_equals_a_start(world, reopen):
    here = world("t3.small", journals=[reopen()], start=False)
    restart = here.node.restore(0)
    other = world("t3.small", start=False)
    assert [(action.kind, action.reason) for action in restart.actions] == [(action.kind, action.reason) for action in other.node.start(0)]
    assert restart.cards[0].assigned == ()


def test_gone_sandboxes_are_released_before_the_pool_is_filled(world, reopen):
    here = world("t3.small", {"WARM_IP_TARGET": "1"}, journals=[reopen()])
    here.pods(1)
    here.run(30)
    here.restart({"WARM_IP_TARGET": "1"}, journals=[reopen()])
    restart = here.node.restore(here.now_ns, gone=[key("p0"), key("never known")])
    assert [entry.key for entry in restart.cards[0].released] == [key("p0")]
    assert not any(action.grew for action in restart.actions)
    with pytest.raises(UnknownKey):
        here.unassign("p0")
    here.check_agreement()


def test_a_pod_whose_address_is_not_attached_is_quarantined_until_decided(world, reopen):
    here = world("t3.small", {"WARM_IP_TARGET": "1"}, journals=[reopen()])
    here.pods(1)
    journal = reopen()
    journal.record((held("lost", "10.0.0.200"),))
    here.restart({"WARM_IP_TARGET": "1"}, journals=[journal])
    restart = here.node.restore(here.now_ns)
    (lost,) = restart.quarantined
    assert here.node.quarantined == (lost,)
    assert (lost.key, lost.address, lost.reason) == (key("lost"), "10.0.0.200", "its address is on no ENI of the card")
    with pytest.raises(InQuarantine):
        here.assign("lost")
    # EC2 shows the address later: the node adds it and withholds it.
    eni_id = here.eni_at(0)
    here.model.assign_private_ip_addresses(eni_id, addresses=("10.0.0.200",), now_ns=here.now_ns)
    here.run(70)
    assert "10.0.0.200/32" in here.node.datastores[0].cidrs(eni_id)
    here.check_agreement()
    assert here.node.datastores[0].accept_quarantined(lost, here.now_ns).address == "10.0.0.200"
    here.restart({"WARM_IP_TARGET": "1"}, journals=[reopen()])
    assert here.node.restore(here.now_ns).quarantined == ()
    assert addresses(here)["lost"] == "10.0.0.200"


def test_unassign_of_a_quarantined_sandbox_ends_its_quarantine(world, reopen):
    journal = reopen()
    journal.record((held("lost", "10.0.0.200"),))
    here = world("t3.small", journals=[journal], start=False)
    here.node.restore(0)
    assert here.unassign("lost")[0].address == "10.0.0.200"
    assert here.node.quarantined == ()
    assert reopen().restore(0).assigned == ()


@pytest.mark.parametrize(("before", "after"), [("false", "true"), ("true", "false")])
def test_running_pods_keep_their_addresses_when_the_mode_changes(world, kinds, before, after):
    journal = MemoryJournal()
    variables = {"WARM_IP_TARGET": "3", "IP_COOLDOWN_PERIOD": "0"}
    here = world("m5.large", variables | {"ENABLE_PREFIX_DELEGATION": before}, journals=[journal])
    given = [each.address for each in here.pods(2)]
    here.run(5)
    here.restart(variables | {"ENABLE_PREFIX_DELEGATION": after}, journals=[journal])
    restart = here.node.restore(here.now_ns)
    # CIDRs of the other mode without pods are released at once; those with pods stay.
    expected = (
        [("adopt-eni", True), ("release-cidrs", True), ("add-cidrs", True)]
        if before == "false"
        else [("adopt-eni", True), ("add-cidrs", True)]
    )
    assert kinds(restart.actions) == expected
    assert list(addresses(here).values()) == given
    assert here.node.datastores[0].pod_of(key("p0")) == PodRef("default", "p0")
    here.check_agreement()
    (new,) = here.assign("new")
    length = "/28" if after == "true" else "/32"
    assert new.cidr.endswith(length)
    assert new.address not in given
    here.unassign("p0", "p1")
    here.settle()
    assert all(cidr.endswith(length) for cidr in here.node.datastores[0].cidrs(here.eni_at(0)))
    here.check_agreement()


def cooled(*cooling):
    """A journal with cooldowns."""
    journal = MemoryJournal()
    journal.record(cooling=cooling)
    return journal


def test_a_restart_does_not_move_the_end_of_a_cooldown(world):
    journal = MemoryJournal()
    here = world("t3.small", {"WARM_IP_TARGET": "1"}, journals=[journal])
    (gone,) = here.assign("a")
    here.now_ns = 10 * S
    here.unassign("a")
    here.restart({"WARM_IP_TARGET": "1"}, journals=[journal])
    here.node.restore(12 * S)
    here.now_ns = 40 * S - 1
    with pytest.raises(PoolExhausted):
        here.assign("b")
    here.now_ns = 40 * S
    assert here.assign("b")[0].address == gone.address


def test_a_cooldown_before_a_restart_holds_when_its_cidr_is_assigned_again(world):
    here = world("t3.small", {"WARM_IP_TARGET": "1"})
    (address,) = here.attached()[here.eni_at(0)].secondary_ips
    here.model.unassign_private_ip_addresses(here.eni_at(0), addresses=[address], now_ns=0)
    here.model.create_network_interface(subnet_id=here.subnet_id, now_ns=0)  # takes it
    here.restart({"WARM_IP_TARGET": "1"}, journals=[cooled(Cooling(address, 90 * S))])
    here.node.restore(0)
    assert address not in str(here.node.datastores[0].cidrs(here.eni_at(0)))
    here.empty_subnets()
    here.assign("a")
    here.run(30)
    assert here.node.datastores[0].cooling_until(address) == 90 * S


def test_a_cooldown_outside_all_cidrs_is_listed_until_it_ends(world):
    told = Cooling("10.0.0.200", 90 * S)
    here = world("t3.small", journals=[cooled(told, Cooling("10.0.0.201", 0))], start=False)
    here.node.restore(0)
    assert here.node.datastores[0].cooldowns(0) == (told,)
    assert here.node.datastores[0].cooldowns(90 * S) == ()
    assert here.node.stats(0).cooling_count == 0


def test_a_cooldown_survives_a_restart_without_its_cidr(world):
    journal = cooled(Cooling("10.0.0.200", 90 * S, 0))
    here = world("t3.small", {"WARM_IP_TARGET": "1"}, journals=[journal], start=False)
    here.node.restore(0)
    here.restart({"WARM_IP_TARGET": "1"}, journals=[journal])
    here.node.restore(S)
    here.model.assign_private_ip_addresses(here.eni_at(0), addresses=("10.0.0.200",), now_ns=S)
    here.node.reconcile(S)
    assert here.node.datastores[0].cooling_until("10.0.0.200") == 90 * S


def test_an_address_keeps_cooling_when_its_cidr_is_back(world, reopen):
    journal = reopen()
    journal.record(cooling=(Cooling("10.0.0.200", 400 * S, 370 * S),))
    here = world("t3.small", {"WARM_IP_TARGET": "1"}, journals=[journal], start=False)
    here.now_ns = 380 * S
    restart = here.node.restore(here.now_ns)
    assert [each.address for each in restart.cards[0].cooling_elsewhere] == ["10.0.0.200"]
    here.model.assign_private_ip_addresses(here.eni_at(0), addresses=("10.0.0.200",), now_ns=here.now_ns)
    here.node.reconcile(here.now_ns)
    assert here.node.datastores[0].cooling_until("10.0.0.200") == 400 * S


def test_each_network_card_has_its_own_journal(world):
    variables = {"ENABLE_MULTI_NIC": "true"}
    here = world("p4d.24xlarge", variables, start=False)
    count = len(here.node.datastores)
    journals = [MemoryJournal() for _ in range(count)]
    here = world("p4d.24xlarge", variables, journals=journals)
    for card in range(count):
        here.assign("web", network_card=card)
    assert [len(journal.assigned) for journal in journals] == [1] * count
    before = [next(datastore.assignments())[1] for datastore in here.node.datastores]
    here.restart(variables, journals=journals)
    restart = here.node.restore(here.now_ns)
    assert [len(card.assigned) for card in restart.cards] == [1] * count
    assert [next(datastore.assignments())[1] for datastore in here.node.datastores] == before
    with pytest.raises(InvalidArgument, match=f"1 journals are given, but {count} network cards are managed: each needs its own"):
        here.restart(variables, journals=[MemoryJournal()])


# --- refusals ------------------------------------------------------------------------------------------------------------


class InDispute(MemoryJournal):
    """A journal that has entries to decide about."""

    def __init__(self):
        super().__init__()
        self.problems = []

    def restore(self, now_ns):
        return attrs.evolve(super().restore(now_ns), problems=tuple(self.problems))


def test_start_with_a_journal_that_is_not_empty_is_refused(world):
    for record in (
        lambda journal: journal.record((held("a", "10.0.0.9"),)),
        lambda journal: journal.record(cooling=(Cooling("10.0.0.9", 30 * S),)),
        lambda journal: journal.problems.append(Problem("allocation 1", "it says two things", None, None, "{}")),
    ):
        journal = InDispute()
        record(journal)
        here = world("t3.small", journals=[journal], start=False, name="n1")
        with pytest.raises(NodeError, match=r"the journal of node n1 holds .*: call restore\(now_ns\) instead of start"):
            here.node.start(0)
        assert not here.node.started
        here.node.restore(0)


def test_restore_without_journals_is_refused(world):
    here = world("t3.small", start=False)
    with pytest.raises(NodeError, match="has no journals to restore from"):
        here.node.restore(0)
    here.start()
    with pytest.raises(NodeError, match="is started already"):
        here.node.restore(0)


def test_a_restore_that_ec2_refuses_changes_nothing_and_can_be_repeated(world, reopen):
    here = world("t3.small", journals=[reopen()])
    here.pods(2)
    before = addresses(here)
    here.restart({}, journals=[reopen()])
    here.ec2.refuse("DescribeNetworkInterfaces", times=20)
    with pytest.raises(Exception, match="refused by the test"):
        here.node.restore(0)
    assert not here.node.started
    assert addresses(here) == {}
    with pytest.raises(NodeError, match="is not started"):
        here.assign("new")
    here.ec2.allow()
    here.node.restore(0)
    assert addresses(here) == before


def test_a_journal_in_use_or_damaged_is_refused_before_a_node_is_made(tmp_path):
    with SqliteJournal(tmp_path / "ipam.sqlite"), pytest.raises(JournalLocked, match="close that journal first"):
        SqliteJournal(tmp_path / "ipam.sqlite")
    (tmp_path / "ipam.json").write_text('{"version":"vpc-cni-ipam/1","allocations":[{"networkName":')
    with pytest.raises(JournalCorrupt, match=r"breaks off at line 1, column \d+.*The 0 allocations before it are readable"):
        IpamJsonFile(tmp_path / "ipam.json")


# --- cooldowns and network cards -----------------------------------------------------------------------------------------


TWO_CARDS = {"ENABLE_MULTI_NIC": "true"}


def two_cards(world, *cooling):
    """A node with two cards; the journal of the first one has the given cooldowns."""
    journals = [MemoryJournal() for _ in range(4)]
    journals[0].record(cooling=cooling)
    here = world("p4d.24xlarge", TWO_CARDS, journals=[MemoryJournal() for _ in journals])
    here.now_ns = 380 * S
    here.restart(TWO_CARDS, journals=journals)
    return here, journals


def test_a_cooldown_follows_its_address_to_another_card_at_a_restart(world):
    here, journals = two_cards(world, Cooling("10.0.0.200", 400 * S, 370 * S))
    (eni_id,) = here.attached(1)
    here.model.assign_private_ip_addresses(eni_id, addresses=("10.0.0.200",), now_ns=here.now_ns)
    restart = here.node.restore(here.now_ns)
    assert [each.address for each in restart.cards[0].cooling_elsewhere] == ["10.0.0.200"]
    assert here.node.datastores[1].cooling_until("10.0.0.200") == 400 * S
    assert [each.address for each in journals[1].cooling] == ["10.0.0.200"]


def test_a_cooldown_follows_its_address_to_another_card_after_a_restart(world):
    here, journals = two_cards(world, Cooling("10.0.0.200", 400 * S, 370 * S))
    here.node.restore(here.now_ns)
    here.model.assign_private_ip_addresses(here.eni_at(0, 1), addresses=("10.0.0.200",), now_ns=here.now_ns)
    here.node.reconcile(here.now_ns)
    assert here.node.datastores[1].cooling_until("10.0.0.200") == 400 * S
    assert [each.address for each in journals[1].cooling] == ["10.0.0.200"]


def test_a_pod_of_one_card_overrides_a_cooldown_in_the_journal_of_another(world):
    here, journals = two_cards(world, Cooling("10.0.0.200", 400 * S, 370 * S))
    journals[1].record((held("web", "10.0.0.200"),))
    (eni_id,) = here.attached(1)
    here.model.assign_private_ip_addresses(eni_id, addresses=("10.0.0.200",), now_ns=here.now_ns)
    here.node.restore(here.now_ns)
    assert here.node.datastores[1].assignment_of(key("web")).address == "10.0.0.200"
    assert journals[1].cooling == ()


@pytest.fixture(params=["when it starts", "later"])
def moved(request, world):
    """A node whose first card's journal has a pod on an address that is now on the second card."""
    here, journals = two_cards(world)
    journals[0].record((held("lost", "10.0.0.200"),))
    (eni_id,) = here.attached(1)

    def move():
        here.model.assign_private_ip_addresses(eni_id, addresses=("10.0.0.200",), now_ns=here.now_ns)

    if request.param == "when it starts":
        move()
    (lost,) = here.node.restore(here.now_ns).quarantined
    if request.param == "later":
        move()
        here.node.reconcile(here.now_ns)
    assert lost.elsewhere is False
    return here, journals, lost


def take_all(here, network_card, prefix):
    """Assign pods until no address is left, and return their addresses."""
    given = []
    with contextlib.suppress(PoolExhausted):
        for number in range(1000):
            given.append(here.node.assign(key(f"{prefix}{number}"), here.now_ns, network_card=network_card).address)  # noqa: PERF401
    return given


def test_a_quarantined_address_is_withheld_on_every_card(moved):
    here, journals, lost = moved
    first, second = here.node.quarantined
    assert (first, second) == (lost, attrs.evolve(lost, elsewhere=True))
    assert here.node.assign(key("lost"), here.now_ns, network_card=1).address != "10.0.0.200", "it may have an address on each card"
    assert "10.0.0.200" not in take_all(here, 1, "a")
    here.check()
    # The entry must be decided on both cards: here its pod ended.
    for card in (0, 1):
        here.node.datastores[card].release_quarantined((first, second)[card], here.now_ns)
    assert (here.node.quarantined, journals[0].assigned) == ((), ())
    assert [each.until_ns for journal in journals[:2] for each in journal.cooling] == [here.now_ns + 30 * S] * 2
    assert here.node.datastores[1].cooling_until("10.0.0.200") == here.now_ns + 30 * S
    here.now_ns += 30 * S
    assert take_all(here, 1, "b") == ["10.0.0.200"]
    here.check()


def test_a_quarantined_pod_can_be_accepted_on_the_other_card(moved):
    here, journals, _ = moved
    first, second = here.node.quarantined
    assert here.node.datastores[1].accept_quarantined(second, here.now_ns).address == "10.0.0.200"
    here.node.datastores[0].release_quarantined(first, here.now_ns)
    assert [entry.key for entry in journals[1].assigned] == [key("lost")]
    assert here.node.datastores[1].pod_of(key("lost")) == PodRef("default", "lost")
    assert here.node.unassign(key("lost"), here.now_ns, network_card=1).address == "10.0.0.200"
    here.check()


def test_releasing_a_quarantined_copy_starts_no_cooldown_while_a_pod_has_the_address(world):
    here, journals = two_cards(world)
    journals[0].record((held("lost", "10.0.0.200"),))
    journals[1].record((held("web", "10.0.0.200"),))
    (eni_id,) = here.attached(1)
    here.model.assign_private_ip_addresses(eni_id, addresses=("10.0.0.200",), now_ns=here.now_ns)
    here.node.restore(here.now_ns)
    _, second = here.node.quarantined
    here.node.datastores[1].release_quarantined(second, here.now_ns)
    assert journals[1].cooling == ()
    assert here.node.datastores[1].assignment_of(key("web")).address == "10.0.0.200"
    here.check()


def test_a_quarantined_entry_is_copied_to_another_card_once(moved):
    here, _, _ = moved
    eni_id = here.eni_at(0, 1)
    for _ in range(2):
        here.model.unassign_private_ip_addresses(eni_id, addresses=("10.0.0.200",), now_ns=here.now_ns)
        here.node.reconcile(here.now_ns)
        here.model.assign_private_ip_addresses(eni_id, addresses=("10.0.0.200",), now_ns=here.now_ns)
        here.node.reconcile(here.now_ns)
    assert [entry.elsewhere for entry in here.node.quarantined] == [False, True]
    here.check()


def test_cooldowns_of_another_ip_version_do_not_stop_a_restore(world):
    journal = MemoryJournal()
    journal.record(cooling=(Cooling("2001:db8::1", 400 * S, 370 * S),))
    here = world("t3.small", journals=[journal], start=False)
    here.now_ns = 380 * S
    restart = here.node.restore(here.now_ns)
    assert all(action.done for action in restart.actions)
    here.check_agreement()


def test_a_gone_sandbox_is_released_on_every_card(world):
    here, journals = two_cards(world)
    for number, journal in enumerate(journals):
        journal.record((held("gone", f"10.0.0.{200 + number}"),))
    here.node.restore(here.now_ns, gone=iter([key("gone")]))
    assert [journal.assigned for journal in journals] == [()] * len(journals)


def test_cooldowns_start_again_when_the_clock_is_not_trusted(world):
    journal = MemoryJournal()
    journal.record(cooling=(Cooling("10.0.0.200", 300 * S, 270 * S),))
    here = world("t3.small", journals=[journal], start=False)
    restart = here.node.restore(380 * S, trust_clock=False)
    assert [(each.address, each.until_ns) for each in restart.cards[0].cooling_elsewhere] == [("10.0.0.200", 410 * S)]


def test_all_quarantined_entries_that_fit_are_accepted_on_every_card(world):
    journals = [MemoryJournal(), MemoryJournal()]
    journals[0].record((held("a", "10.0.0.100"), held("lost", "10.0.0.200")))
    journals[1].record((held("b", "10.0.0.101"),))
    here = world("c6in.32xlarge", {"ENABLE_MULTI_NIC": "true"}, start=False, journals=journals)
    with pytest.raises(NodeError, match="is not started"):
        here.node.accept_all_quarantined(0)
    here.node.restore(0)
    assert len(here.node.quarantined) == 3
    for datastore, address in zip(here.node.datastores, ("10.0.0.100/32", "10.0.0.101/32"), strict=True):
        datastore.add_cidr(datastore.eni_ids[0], address)
    assert [each.address for each in here.node.accept_all_quarantined(1)] == ["10.0.0.100", "10.0.0.101"]
    assert [each.key for each in here.node.quarantined] == [key("lost")]
    assert addresses(here) == {"a": "10.0.0.100", "b": "10.0.0.101"}
