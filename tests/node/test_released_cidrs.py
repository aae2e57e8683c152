"""What a node has given back to EC2 is not adopted again for 60 s, not even by a node that restarts while EC2 still shows it."""

import pytest

from vpcipam.action import ActionKind
from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Crash, Effect, Fault, Faults
from vpcipam.errors import JournalError
from vpcipam.journal.ipam_json import IpamJsonFile
from vpcipam.journal.protocol import Assigned, CidrJournal, MemoryJournal, ReleasedCidr
from vpcipam.journal.sqlite import SqliteJournal
from vpcipam.node.released_cidrs import ReleasedCidrs
from vpcipam.sandbox import SandboxKey

S = 1_000_000_000
LAGGING = Conditions(describe_lag_ns=10 * S, metadata_lag_ns=10 * S)
KEEP_FIVE = {"WARM_IP_TARGET": "5"}
KEEP_TWO = {"WARM_IP_TARGET": "2"}


class OldJournal:
    """A journal of a user, written before there was `CidrJournal`."""

    def __init__(self):
        self._journal = MemoryJournal()

    def record(self, assigned=(), cooling=(), *, dropped=()):
        self._journal.record(assigned, cooling, dropped=dropped)

    def record_unassign(self, released):
        self._journal.record_unassign(released)

    def restore(self, now_ns):
        return self._journal.restore(now_ns)

    def close(self):
        self._journal.close()


def of_kind(kind, folder):
    if kind == "memory":
        journal = MemoryJournal()
        return lambda: journal
    opened = []

    def reopen():
        while opened:
            opened.pop().close()
        opened.append(IpamJsonFile(folder / "ipam.json") if kind == "json" else SqliteJournal(folder / "ipam.sqlite"))
        return opened[-1]

    return reopen


def given_back(world, journal, *, faults=None, variables=KEEP_TWO):
    """A node with three addresses more than WARM_IP_TARGET wants, and EC2 shows everything 10 s late."""
    conditions = LAGGING if faults is None else Conditions(describe_lag_ns=10 * S, metadata_lag_ns=10 * S, faults=faults)
    here = world("m5.large", KEEP_FIVE, journals=[journal], start=False, conditions=conditions)
    here.now_ns = 100 * S
    here.node.start(here.now_ns)
    here.now_ns += 100 * S
    here.tick()
    before = set(here.node.datastores[0].cidrs(here.node.datastores[0].eni_ids[0]))
    here.change_settings(variables)
    here.now_ns += 5 * S
    return here, before


def owned(here):
    """The CIDRs that the node's datastore has."""
    datastore = here.node.datastores[0]
    return {cidr for eni_id in datastore.eni_ids for cidr in datastore.cidrs(eni_id)}


@pytest.mark.parametrize("kind", ["memory", "json", "sqlite"])
def test_fault_17_a_restart_after_a_give_back_hands_out_nothing_that_is_another_nodes(world, tmp_path, kind):
    reopen = of_kind(kind, tmp_path)
    here, before = given_back(world, reopen())
    (released,) = [action for action in here.tick() if action.kind is ActionKind.RELEASE_CIDRS]
    assert len(released.cidrs) == 3
    other = here.model.create_network_interface(subnet_id=here.subnet_id, secondary_ip_count=3, now_ns=here.now_ns)
    assert {f"{address}/32" for address in (other.private_ip, *other.secondary_ips)} >= set(released.cidrs)
    here.now_ns += 1 * S
    here.restart(KEEP_FIVE, journals=[reopen()])
    here.node.start(here.now_ns)
    assert len(owned(here)) == len(before)
    assert not owned(here) & set(released.cidrs)
    here.now_ns += 9 * S  # from now on EC2 shows that they are gone
    here.run(here.now_ns // S + 120)
    here.check_agreement()
    reopen().close()


def test_fault_17_a_journal_without_the_memory_works_and_forgets_at_the_restart(world):
    journal = OldJournal()
    assert not isinstance(journal, CidrJournal)
    here, before = given_back(world, journal)
    (released,) = [action for action in here.tick() if action.kind is ActionKind.RELEASE_CIDRS]
    here.now_ns += 1 * S
    here.node.reconcile(here.now_ns)
    assert owned(here) == before - set(released.cidrs)
    here.restart(KEEP_FIVE, journals=[journal])
    here.node.restore(here.now_ns)
    assert owned(here) == before


def test_fault_17_the_give_back_is_on_disk_before_ec2_is_asked(world, tmp_path):
    reopen = of_kind("sqlite", tmp_path)
    crash = Faults((Fault(Effect.CRASH_AFTER, "UnassignPrivateIpAddresses", nth=1),))
    here, before = given_back(world, reopen(), faults=crash)
    with pytest.raises(Crash):
        here.tick()
    here.restart({"WARM_IP_TARGET": "2", "DISABLE_NETWORK_RESOURCE_PROVISIONING": "true"}, journals=[reopen()])
    here.node.restore(here.now_ns + 1)
    assert len(before - owned(here)) == 3
    reopen().close()


def test_fault_17_a_freed_eni_that_ec2_still_shows_gives_no_addresses_after_a_restart(world, tmp_path):
    reopen = of_kind("json", tmp_path)
    here = world("m5.large", {"WARM_ENI_TARGET": "2"}, journals=[reopen()], start=False, conditions=LAGGING)
    here.now_ns = 100 * S
    here.node.start(here.now_ns)
    here.run(300)
    assert len(here.node.datastores[0].eni_ids) == 2
    here.change_settings({"WARM_ENI_TARGET": "0"})
    while True:
        here.now_ns += 5 * S
        freed = next((action for action in here.tick() if action.kind is ActionKind.FREE_ENI), None)
        if freed is not None:
            break
    assert freed.cidrs
    here.now_ns += 1 * S
    here.restart({"WARM_ENI_TARGET": "0"}, journals=[reopen()])
    here.node.start(here.now_ns)
    assert freed.eni_id in here.node.datastores[0].eni_ids  # EC2 still shows it
    assert not owned(here) & set(freed.cidrs)
    here.run(here.now_ns // S + 120)
    here.check_agreement()
    reopen().close()


class NoMoreSpace(MemoryJournal):
    full = False

    def record_released_cidrs(self, released, now_ns):
        if self.full:
            raise JournalError("the disk is full")
        super().record_released_cidrs(released, now_ns)


def test_nothing_is_given_back_while_the_journal_cannot_record_it(world):
    journal = NoMoreSpace()
    here, before = given_back(world, journal)
    journal.full = True
    (action,) = here.tick()
    assert (action.kind, action.cidrs, action.error) == (ActionKind.RELEASE_CIDRS, (), "the disk is full")
    assert owned(here) == before
    here.check_agreement()
    journal.full = False
    here.now_ns += 30 * S
    assert [len(action.cidrs) for action in here.tick()] == [3]


def test_no_eni_is_freed_while_the_journal_cannot_record_it(world):
    journal = NoMoreSpace()
    here = world("m5.large", {"WARM_ENI_TARGET": "2"}, journals=[journal])
    here.run(120)
    enis = here.node.datastores[0].eni_ids
    assert len(enis) == 2
    here.change_settings({"WARM_ENI_TARGET": "0"})
    journal.full = True
    (action,) = here.run(125)
    assert (action.kind, action.cidrs, action.error) == (ActionKind.FREE_ENI, (), "the disk is full")
    assert here.node.datastores[0].eni_ids == enis
    journal.full = False
    assert [action.kind for action in here.run(130)] == [ActionKind.FREE_ENI]
    here.check_agreement()


# --- the memory alone ------------------------------------------------------------------------------------------------------------


def restored(*released, held=(), now_ns=0, trust_clock=True):
    journal = MemoryJournal()
    journal.record(tuple(Assigned(SandboxKey("aws-cni", str(number), "eth0"), address, None, 0) for number, address in enumerate(held)))
    journal.record_released_cidrs(tuple(ReleasedCidr(cidr, until_ns) for cidr, until_ns in released), 0)
    memory = ReleasedCidrs(journal)
    memory.restore(journal.restore(now_ns), now_ns, trust_clock=trust_clock)
    return memory


def test_the_memory_ends_at_its_time():
    memory = restored(("10.0.0.16/28", 60 * S), now_ns=30 * S)
    assert set(memory.current(60 * S - 1)) == {"10.0.0.16/28"}
    assert not memory.current(60 * S)


def test_with_a_clock_set_back_the_memory_lasts_60_s_at_most():
    memory = restored(("10.0.0.16/28", 1000 * S))
    assert set(memory.current(60 * S - 1)) == {"10.0.0.16/28"}
    assert not memory.current(60 * S)


def test_with_a_clock_that_may_have_been_set_forward_the_memory_starts_again():
    memory = restored(("10.0.0.16/28", 60 * S), now_ns=1000 * S, trust_clock=False)
    assert set(memory.current(1060 * S - 1)) == {"10.0.0.16/28"}


def test_a_cidr_in_which_a_sandbox_has_an_address_is_not_released():
    held = ["10.0.0.17", "2001:db8::1"]
    assert set(restored(("10.0.0.16/28", 60 * S), ("10.0.0.32/28", 60 * S), held=held).current(0)) == {"10.0.0.32/28"}


def test_a_journal_records_nothing_if_nothing_is_released():
    memory = ReleasedCidrs(NoMoreSpace())
    memory._journal.full = True
    memory.record((), 0)
