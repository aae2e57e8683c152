"""Where upstream falls short (docs/ipamd.md, "Known faults"), fault by fault: each test would fail with its behaviour.

Faults 6 and 8 are not the datastore's: restoring is the journal's and the node's, counting cooling addresses as available is faithful
here and a choice of the warm pool. Fault 11 is also in `test_assigning.py`, 12 in `test_enis_and_cidrs.py`, 2 in `test_journal.py`.
"""

import ast
from itertools import permutations
from pathlib import Path

import pytest
from datastore_worlds import assigned, key, node, singles, snapshot

import vpcipam
from vpcipam.address import AddressMode
from vpcipam.errors import CoolingDown, InvalidCidr, InvalidSandboxKey, OverlappingCidr, PoolExhausted
from vpcipam.sandbox import SandboxKey
from vpcipam.stats import PoolStats
from vpcipam.warmpool import obstacle

OVERLAPS = [("10.0.0.0/28", f"10.0.0.{last}/32") for last in (0, 1, 15)]


@pytest.mark.parametrize("mode", [AddressMode.SECONDARY_IP, AddressMode.PREFIX])
@pytest.mark.parametrize("same_eni", [True, False])
@pytest.mark.parametrize(
    ("first", "second"), [*OVERLAPS, *[pair[::-1] for pair in OVERLAPS], ("10.0.0.0/28",) * 2, ("10.0.0.5/32", "10.0.0.5")]
)
def test_fault_1_overlapping_cidrs_are_refused_across_enis_and_kinds(mode, same_eni, first, second):
    store = node([first], [], mode=mode)
    before = snapshot(store, 0)
    with pytest.raises(OverlappingCidr, match=f"^{second} on eni-{not same_eni:d} overlaps {first} on eni-0: remove that CIDR first$"):
        store.add_cidr("eni-0" if same_eni else "eni-1", second)
    assert snapshot(store, 0) == before
    store._check()


def test_fault_1_overlapping_ipv6_prefixes_are_refused():
    store = node(["2001:db8::/80"], [], mode=AddressMode.IPV6)
    with pytest.raises(OverlappingCidr):
        store.add_cidr("eni-1", "2001:db8:0:0:0::/80")
    store.add_cidr("eni-1", "2001:db8:0:0:1::/80")


def test_fault_1_neighbours_are_no_overlap():
    store = node(["10.0.0.16/28"], ["10.0.0.15/32", "10.0.0.32/32", "10.0.0.0", "10.0.0.48/28"])
    assert store.stats(0).prefix_count == 2


def test_fault_1_two_pods_never_get_one_address_in_whatever_order_cidrs_are_added():
    for order in permutations(["10.0.0.0/28", "10.0.0.3/32", "10.0.0.16/28", "10.0.0.16/32"]):
        store = node([], [])
        for number, cidr in enumerate(order):
            try:
                store.add_cidr(f"eni-{number % 2}", cidr)
            except OverlappingCidr:
                continue
        total = sum(16 if cidr.endswith("/28") else 1 for eni_id in store.eni_ids for cidr in store.cidrs(eni_id))
        for mode in (AddressMode.SECONDARY_IP, AddressMode.PREFIX):
            store.set_mode(mode)
            for turn in range(store.stats(0).total_count):
                store.assign(key(f"{mode.value}-{turn}"), 0)
            with pytest.raises(PoolExhausted):
                store.assign(key("one more"), 0)
        held = assigned(store)
        assert len(set(held.values())) == len(held) == total


def test_fault_2_the_end_of_a_cooldown_can_be_read():
    store = singles([5], cooldown_ns=30)
    store.assign(key("web"), 0)
    store.unassign(key("web"), 7)
    assert store.cooling_until("10.0.0.5") == 37


def test_fault_3_finding_counting_and_assigning_scan_no_addresses():
    # 2**48 addresses in each prefix: code that scanned or stored them would never finish.
    store = node([f"2001:db8:0:{number:x}::/80" for number in range(50)], mode=AddressMode.IPV6)
    for turn in range(100):
        store.assign(key(str(turn)), turn)
    store.unassign(key("50"), 100)
    stats = store.stats(100)
    assert (stats.total_count, stats.assigned_count, stats.available_count) == (50 * 2**48, 99, 50 * 2**48 - 99)
    assert store.key_of("2001:db8::63") == key("99")
    assert len(store.removable_cidrs("eni-0", 100)) == 49
    assert len(store.remove_eni("eni-0", force=True, now_ns=100)) == 99


@pytest.mark.parametrize("whole_eni", [True, False])
def test_fault_4_a_forced_removal_takes_its_addresses_off_the_total_once(whole_eni):
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"])
    store.assign_at(key("web"), "10.0.0.16", 0)
    if whole_eni:
        store.remove_eni("eni-1", force=True, now_ns=0)
    else:
        store.remove_cidr("eni-1", "10.0.0.16/28", force=True, now_ns=0)
    assert store.stats(0) == PoolStats(16, 0, 0, 16, 1, 1)
    store._check()


def test_fault_5_ipv6_pods_and_cooling_addresses_keep_an_eni_from_being_freed():
    store = node([], ["2001:db8::/80"], mode=AddressMode.IPV6, cooldown_ns=30)
    store.assign(key("web"), 0)
    old = 10**12
    assert obstacle(store.eni_stats(old)[1], old) == "1 pod has addresses on it"
    store.unassign(key("web"), old)
    assert "cools" in obstacle(store.eni_stats(old)[1], old)
    assert obstacle(store.eni_stats(old + 30)[1], old + 30) is None


def test_fault_5_pods_of_the_other_mode_keep_an_eni_from_being_freed():
    store = node([], ["10.0.0.0/28"])
    store.assign(key("web"), 0)
    store.set_mode(AddressMode.SECONDARY_IP)
    assert store.stats(0).assigned_count == 0
    assert obstacle(store.eni_stats(10**12)[1], 10**12) == "1 pod has addresses on it"


def test_fault_7_the_default_placement_is_lowest():
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"], ["10.0.0.32/28"])
    for turn in range(16):
        store.assign(key(str(turn)), 0)
    assert [eni.free_prefix_count for eni in store.eni_stats(0)] == [0, 1, 1]


LOGIC = sorted(
    path for name in ("datastore/*.py", "node/*.py", "warmpool.py", "stats.py") for path in Path(vpcipam.__file__).parent.glob(name)
)


@pytest.mark.parametrize("path", LOGIC, ids=lambda path: path.stem)
def test_fault_9_no_clock_and_no_environment_are_read(path):
    imported = set()
    for each in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(each, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in each.names}
        elif isinstance(each, ast.ImportFrom):
            imported.add(each.module.partition(".")[0])
    assert imported.isdisjoint({"time", "os", "random", "secrets", "socket"})


def test_fault_9_the_same_calls_give_the_same_answers():
    def run():
        store = node(["10.0.0.0/28"], ["10.0.0.16/28"], placement="random", seed=3, cooldown_ns=2)
        answers = []
        for turn in range(200):
            answers.append(store.assign(key(str(turn % 30)), turn))
            if turn % 3 == 0:
                answers.append(store.unassign(key(str(turn % 30)), turn))
            answers.append(store.stats(turn))
        return answers

    assert run() == run()


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("other_eni", [True, False])
@pytest.mark.parametrize("whole_eni", [True, False])
@pytest.mark.parametrize("back_as", ["10.0.0.16/28", "10.0.0.16/32"])
def test_fault_10_cooldowns_survive_the_removal_of_their_cidr(force, other_eni, whole_eni, back_as):
    mode = AddressMode.PREFIX if back_as.endswith("/28") else AddressMode.SECONDARY_IP
    store = node([], ["10.0.0.16/28"], cooldown_ns=30)
    store.assign(key("web"), 0)
    if not force:
        store.unassign(key("web"), 0)
    if whole_eni:
        store.remove_eni("eni-1", force=force, now_ns=0)
        store.add_eni("eni-1", device_number=1, now_ns=0)
    else:
        store.remove_cidr("eni-1", "10.0.0.16/28", force=force, now_ns=0)
    store.set_mode(mode)
    back_on = "eni-0" if other_eni else "eni-1"
    store.add_cidr(back_on, back_as)
    assert store.stats(29).cooling_count == 1
    with pytest.raises(CoolingDown):
        store.assign_at(key("new"), "10.0.0.16", 29)
    if mode is AddressMode.PREFIX:
        assert store.assign(key("new"), 29).address == "10.0.0.17"
    else:
        with pytest.raises(PoolExhausted):
            store.assign(key("new"), 29)
    assert store.assign(key("newer"), 30).address == "10.0.0.16"
    assert store.assignment_of(key("newer")).eni_id == back_on
    store._check()


def test_fault_11_an_empty_key_is_refused_and_frees_nothing():
    store = singles([5, 6])
    with pytest.raises(InvalidSandboxKey):
        store.assign(SandboxKey("", "", ""), 0)
    assert store.stats(0).assigned_count == 0
    assert store.assign(key("web"), 0).address != store.assign(key("api"), 0).address


@pytest.mark.parametrize("wrong", ["10.0.0.3/28", "10.0.0.0/27", "10.0.0.15/28"])
def test_fault_12_another_spelling_of_a_cidr_is_refused(wrong):
    store = node(["10.0.0.0/28"], [])
    for eni_id in store.eni_ids:
        with pytest.raises(InvalidCidr):
            store.add_cidr(eni_id, wrong)
    assert store.stats(0).total_count == 16


@pytest.mark.parametrize("mode", [AddressMode.SECONDARY_IP, AddressMode.PREFIX])
def test_fault_13_a_removed_cidr_of_an_excluded_eni_leaves_all_counts(mode):
    store = node([], ["10.0.0.16/28", "10.0.0.1/32"], mode=mode)
    empty = store.stats(0)
    held = store.assign(key("web"), 0)
    store.set_excluded("eni-1", excluded=True)
    store.unassign(key("web"), 0)
    store.remove_cidr("eni-1", held.cidr, now_ns=0)
    store.set_excluded("eni-1", excluded=False)
    (_, eni) = store.eni_stats(0)
    left = 1 if mode is AddressMode.PREFIX else 16  # addresses of the CIDR that stays, which is of the other mode
    assert (eni.slot_count, eni.total_count, eni.assigned_count, eni.pod_count) == (1, 0, 0, 0)
    assert (store.stats(0).total_count, store.stats(0).cooling_count) == (0, 0)
    assert store.stats(0).prefix_count == empty.prefix_count - (left == 1)


def test_fault_13_an_empty_datastore_counts_nothing():
    store = node(["10.0.0.0/28", "10.0.0.16/32"], ["10.0.0.32/28"])
    for turn in range(20):
        store.assign(key(str(turn)), 0)
    store.assign_at(key("single"), "10.0.0.16", 0)
    for eni_id in store.eni_ids:
        store.remove_eni(eni_id, force=True, now_ns=0)
    assert store.stats(0) == PoolStats(0, 0, 0, 0, 0, 0)
    assert store.eni_stats(0) == ()
    assert assigned(store) == {}
    store._check()
