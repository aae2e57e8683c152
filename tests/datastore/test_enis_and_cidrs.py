"""ENIs and CIDRs: adding, removing with and without force, excluding, and changing the mode."""

import ipaddress
from itertools import product

import pytest
from datastore_worlds import assigned, key, node, singles, snapshot

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.errors import (
    CidrInUse,
    DatastoreError,
    DuplicateEni,
    EniInUse,
    InvalidCidr,
    OutOfRange,
    PoolExhausted,
    UnknownCidr,
    UnknownEni,
)
from vpcipam.events import CidrRemoved, SandboxEvicted
from vpcipam.warmpool import obstacle

# --- ENIs ----------------------------------------------------------------------------------------------------------------


def test_a_mode_or_an_eni_id_of_another_type_is_refused():
    with pytest.raises(TypeError, match=r"mode must be AddressMode, not str \('prefix'\): it is one of AddressMode\.SECONDARY_IP, "):
        Datastore(mode="prefix")
    store = Datastore()
    with pytest.raises(TypeError, match="eni_id must be str, not int"):
        store.add_eni(5, device_number=0, now_ns=0)
    assert store.eni_ids == ()


def test_enis_are_listed_by_device_number():
    store = Datastore()
    for eni_id, device_number in (("eni-c", 0), ("eni-a", 7), ("eni-b", 3)):
        store.add_eni(eni_id, device_number=device_number, now_ns=0)
    assert store.eni_ids == ("eni-c", "eni-b", "eni-a")
    assert "eni-a" in store
    assert "eni-d" not in store


def test_a_trunk_is_reported_while_it_is_attached():
    store = node([])
    assert not store.has_trunk
    store.add_eni("eni-1", device_number=1, trunk=True, now_ns=0)
    assert store.has_trunk
    store.remove_eni("eni-1", now_ns=0)
    assert not store.has_trunk


def test_the_attributes_of_an_eni_can_be_read_back():
    store = Datastore(network_card=3)
    store.add_eni("eni-9", device_number=9, primary=True, trunk=True, efa=True, excluded=True, subnet_id="subnet-1", now_ns=17)
    (eni,) = store.eni_stats(17)
    assert (eni.eni_id, eni.device_number, eni.subnet_id, eni.added_ns) == ("eni-9", 9, "subnet-1", 17)
    assert (eni.primary, eni.trunk, eni.efa, eni.excluded) == (True, True, True, True)
    assert store.network_card == 3
    store.add_eni("eni-10", device_number=10, now_ns=18)
    eni = store.eni_stats(18)[1]
    assert (eni.primary, eni.trunk, eni.efa, eni.excluded, eni.subnet_id) == (False, False, False, False, None)


def test_an_eni_id_or_device_number_in_use_is_refused():
    store = node(["10.0.0.0/28"], network_card=2)
    before = snapshot(store, 0)
    with pytest.raises(DuplicateEni, match="eni-0 is already in the datastore"):
        store.add_eni("eni-0", device_number=5, now_ns=0)
    with pytest.raises(DuplicateEni, match="device number 0 of network card 2 is taken by eni-0"):
        store.add_eni("eni-5", device_number=0, now_ns=0)
    assert snapshot(store, 0) == before
    assert "eni-5" not in store


@pytest.mark.parametrize("device_number", [-1, 2**30, 2**31, 2**70, -(2**70)])
def test_a_device_number_out_of_range_is_refused_when_the_eni_is_added(device_number):
    store = node(["10.0.0.0/28"])
    with pytest.raises(OutOfRange, match="device number of eni-9"):
        store.add_eni("eni-9", device_number=device_number, now_ns=0)
    assert store.eni_ids == ("eni-0",)
    assert store.stats(0).total_count == 16


def test_the_highest_device_number_is_accepted():
    store = node()
    store.add_eni("eni-9", device_number=2**30 - 1, now_ns=0)
    store.add_cidr("eni-9", "10.0.0.0/28")
    assert store.assign(key("web"), 0).device_number == 2**30 - 1


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.remove_eni("eni-9", now_ns=0),
        lambda store: store.remove_eni("eni-9", force=True, now_ns=0),
        lambda store: store.set_excluded("eni-9", excluded=True),
        lambda store: store.add_cidr("eni-9", "10.0.0.32/28"),
        lambda store: store.remove_cidr("eni-9", "10.0.0.0/28", now_ns=0),
        lambda store: store.cidrs("eni-9"),
        lambda store: store.removable_cidrs("eni-9", 0),
    ],
)
def test_an_unknown_eni_is_refused_by_name(call):
    store = node(["10.0.0.0/28"], network_card=1)
    before = snapshot(store, 0)
    with pytest.raises(UnknownEni, match="network card 1 has no ENI 'eni-9'"):
        call(store)
    assert snapshot(store, 0) == before


def test_a_removed_eni_takes_its_cidrs_along_and_can_be_added_at_another_index():
    store = node([], ["10.0.0.0/28", "10.0.0.16/28"])
    held = store.assign(key("web"), 0)
    store.unassign(key("web"), 0)
    assert store.remove_eni("eni-1", now_ns=0) == ()
    assert store.eni_ids == ("eni-0",)
    store.add_eni("eni-1", device_number=4, now_ns=0)
    assert store.cidrs("eni-1") == ()
    store.add_cidr("eni-0", "10.0.0.0/28")
    again = store.assign_at(key("web"), held.address, 30)
    assert (again.eni_id, again.device_number) == ("eni-0", 0)


def test_an_eni_with_pods_is_removed_only_by_force():
    store = node([], ["10.0.0.16/28", "10.0.0.0/28"])
    for address in ("10.0.0.17", "10.0.0.16", "10.0.0.3"):
        store.assign_at(key(address), address, 0)
    before = snapshot(store, 0)
    with pytest.raises(EniInUse, match="eni-1 has 3 pods"):
        store.remove_eni("eni-1", now_ns=0)
    assert snapshot(store, 0) == before
    evicted = store.remove_eni("eni-1", force=True, now_ns=0)
    assert [assignment.address for assignment in evicted] == ["10.0.0.3", "10.0.0.16", "10.0.0.17"]
    assert {assignment.eni_id for assignment in evicted} == {"eni-1"}
    assert assigned(store) == {}
    assert store.pod_of(key("10.0.0.3")) is None
    store._check()


def test_force_without_pods_is_a_plain_removal():
    store = node([], ["10.0.0.0/28"])
    assert store.remove_cidr("eni-1", "10.0.0.0/28", force=True, now_ns=0) == ()
    assert store.remove_eni("eni-1", force=True, now_ns=0) == ()
    assert store.eni_ids == ("eni-0",)


# --- CIDRs ---------------------------------------------------------------------------------------------------------------


def test_cidrs_are_listed_in_order_and_canonical_form():
    store = node(["10.0.0.32/28", "10.0.0.9", "10.0.0.16/28"])
    assert store.cidrs("eni-0") == ("10.0.0.9/32", "10.0.0.16/28", "10.0.0.32/28")


@pytest.mark.parametrize("mode", [AddressMode.SECONDARY_IP, AddressMode.PREFIX])
@pytest.mark.parametrize(
    "cidr",
    [
        "10.0.0.0/27",
        "10.0.0.0/29",
        "10.0.0.0/31",
        "10.0.0.0/24",
        "0.0.0.0/0",
        "10.0.0.3/28",
        "10.0.0.5/",
        "10.0.00.5",
        " 10.0.0.5",
        "",
        "2001:db8::/80",
        "2001:db8::/32",  # the length would fit
        "2001:db0::/28",
        "::ffff:10.0.0.5/128",
    ],
)
def test_fault_12_a_cidr_that_fits_no_slot_is_refused(mode, cidr):
    store = node([], mode=mode)
    with pytest.raises(InvalidCidr):
        store.add_cidr("eni-0", cidr)
    assert store.cidrs("eni-0") == ()
    assert store.stats(0).total_count == 0


@pytest.mark.parametrize(
    "cidr",
    ["2001:db8::/64", "2001:db8::/79", "2001:db8::/81", "2001:db8::/128", "2001:db8::", "2001:db8::1/80", "10.0.0.0/28", "10.0.0.5/32"],
)
def test_a_cidr_that_fits_no_slot_of_an_ipv6_node_is_refused(cidr):
    store = node([], mode=AddressMode.IPV6)
    with pytest.raises(InvalidCidr):
        store.add_cidr("eni-0", cidr)
    assert store.cidrs("eni-0") == ()


def test_the_refusal_of_a_cidr_names_what_would_fit():
    with pytest.raises(InvalidCidr, match="fits no slot of an ENI: in prefix mode a slot takes an IPv4 /32 or /28"):
        node(["10.0.0.0/27"])
    with pytest.raises(InvalidCidr, match="in ipv6 mode a slot takes an IPv6 /80"):
        node(["10.0.0.0/28"], mode=AddressMode.IPV6)


@pytest.mark.parametrize("wrong", [None, 5, b"10.0.0.0/28", ("10.0.0.0", 28)])
def test_a_cidr_that_is_no_text_is_a_type_error(wrong):
    store = node([])
    with pytest.raises(TypeError):
        store.add_cidr("eni-0", wrong)
    with pytest.raises(TypeError):
        store.remove_cidr("eni-0", wrong, now_ns=0)


@pytest.mark.parametrize("cidr", ["10.0.0.16/28", "10.0.0.0/32", "::a00:0/128", "10.0.0.5/32"])
def test_removing_an_unknown_cidr_is_refused(cidr):
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"])
    before = snapshot(store, 0)
    for force in (False, True):
        with pytest.raises(UnknownCidr, match=f"eni-0 has no CIDR {cidr}"):
            store.remove_cidr("eni-0", cidr, force=force, now_ns=0)
    with pytest.raises(InvalidCidr):
        store.remove_cidr("eni-0", "10.0.0.1/28", now_ns=0)
    assert snapshot(store, 0) == before


def test_a_cidr_can_be_removed_by_another_spelling():
    store = node(["2001:db8::/80"], mode=AddressMode.IPV6)
    store.remove_cidr("eni-0", "2001:DB8:0:0:0:0:0:0/80", now_ns=0)
    store = singles([5])
    store.remove_cidr("eni-0", "10.0.0.5", now_ns=0)
    assert store.cidrs("eni-0") == ()


def test_a_cidr_with_pods_is_removed_only_by_force():
    store = node(["10.0.0.0/28", "10.0.0.16/28"])
    for address in ("10.0.0.17", "10.0.0.5", "10.0.0.4"):
        store.assign_at(key(address), address, 0)
    before = snapshot(store, 0)
    with pytest.raises(CidrInUse, match=r"10\.0\.0\.0/28 on eni-0 has 2 pods"):
        store.remove_cidr("eni-0", "10.0.0.0/28", now_ns=0)
    assert snapshot(store, 0) == before
    evicted = store.remove_cidr("eni-0", "10.0.0.0/28", force=True, now_ns=0)
    assert [(assignment.address, assignment.cidr) for assignment in evicted] == [("10.0.0.4", "10.0.0.0/28"), ("10.0.0.5", "10.0.0.0/28")]
    assert assigned(store) == {"10.0.0.17": "10.0.0.17"}


def test_a_forced_removal_tells_who_was_evicted_and_where():
    told = []
    store = Datastore(network_card=1, on_event=told.append)
    store.add_eni("eni-0", device_number=0, now_ns=0)
    store.add_cidr("eni-0", "10.0.0.5/32")
    store.assign(key("a"), 0)
    told.clear()
    store.remove_cidr("eni-0", "10.0.0.5/32", force=True, now_ns=0)
    gone, removed = told
    assert (type(gone), type(removed)) == (SandboxEvicted, CidrRemoved)
    assert (removed.network_card, removed.eni_id, removed.cidr, removed.forced) == (1, "eni-0", "10.0.0.5/32", True)


# --- exclusion -----------------------------------------------------------------------------------------------------------


def test_an_excluded_eni_keeps_its_pods_and_gives_no_addresses():
    store = singles([5, 6], [7])
    held = store.assign(key("web"), 0)
    store.set_excluded("eni-0", excluded=True)
    assert store.assignment_of(key("web")) == held
    assert store.assign(key("api"), 0).eni_id == "eni-1"
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 0)
    store.set_excluded("eni-0", excluded=False)
    assert store.assign(key("new"), 0).address == "10.0.0.6"


def test_cidrs_of_an_excluded_eni_give_addresses_once_it_is_included():
    store = node()
    store.add_eni("eni-0", device_number=0, excluded=True, now_ns=0)
    store.add_cidr("eni-0", "10.0.0.0/28")
    with pytest.raises(PoolExhausted):
        store.assign(key("web"), 0)
    store.set_excluded("eni-0", excluded=True)
    store.set_excluded("eni-0", excluded=False)
    assert store.assign(key("web"), 0).address == "10.0.0.0"


def test_an_excluded_eni_counts_only_assigned_addresses():
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"], cooldown_ns=30)
    for turn in range(3):
        store.assign(key(str(turn)), 0)
    store.unassign(key("2"), 0)
    store.set_excluded("eni-0", excluded=True)
    stats = store.stats(0)
    assert (stats.total_count, stats.assigned_count, stats.available_count, stats.cooling_count) == (2 + 16, 2, 16, 0)
    assert (stats.prefix_count, stats.free_prefix_count) == (2, 1)
    assert store.eni_stats(0)[0].cooling_until_ns == 30


def test_only_cidrs_where_nothing_cools_are_removable_if_wanted():
    store = node(["10.0.0.0/28", "10.0.0.16/28"], cooldown_ns=30)
    store.assign(key("web"), 0)
    store.unassign(key("web"), 1)
    assert store.removable_cidrs("eni-0", 2) == ("10.0.0.16/28", "10.0.0.0/28")
    assert store.removable_cidrs("eni-0", 2, cooled_only=True) == ("10.0.0.16/28",)
    assert store.removable_cidrs("eni-0", 31, cooled_only=True) == ("10.0.0.16/28", "10.0.0.0/28")


# --- mode ----------------------------------------------------------------------------------------------------------------


def test_a_change_of_mode_affects_only_new_assigns():
    store = node(["10.0.0.0/28", "10.0.0.16/32"], mode=AddressMode.SECONDARY_IP)
    web = store.assign(key("web"), 0)
    store.set_mode(AddressMode.PREFIX)
    assert store.mode is AddressMode.PREFIX
    assert store.assignment_of(key("web")) == web
    assert store.assign(key("api"), 0).cidr == "10.0.0.0/28"
    stats = store.stats(0)
    assert (stats.total_count, stats.assigned_count, stats.other_mode_assigned_count) == (16, 1, 1)
    (eni,) = store.eni_stats(0)
    assert (eni.pod_count, eni.assigned_count, eni.slot_count) == (2, 1, 2)
    store.set_mode(AddressMode.SECONDARY_IP)
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 0)
    store._check()


def test_a_change_of_mode_keeps_an_excluded_eni_excluded():
    store = node(["10.0.0.0/28"], mode=AddressMode.SECONDARY_IP)
    store.set_excluded("eni-0", excluded=True)
    store.set_mode(AddressMode.PREFIX)
    with pytest.raises(PoolExhausted):
        store.assign(key("web"), 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (AddressMode.SECONDARY_IP, AddressMode.IPV6),
        (AddressMode.PREFIX, AddressMode.IPV6),
        (AddressMode.IPV6, AddressMode.PREFIX),
        (AddressMode.IPV6, AddressMode.SECONDARY_IP),
    ],
)
def test_a_node_keeps_its_ip_family(before, after):
    store = Datastore(mode=before)
    with pytest.raises(DatastoreError, match="keeps its IP family"):
        store.set_mode(after)
    assert store.mode is before


@pytest.mark.parametrize("mode", AddressMode)
def test_setting_the_same_mode_changes_nothing(mode):
    store = Datastore(mode=mode)
    store.set_mode(mode)
    assert store.mode is mode


@pytest.mark.parametrize("mode", [AddressMode.SECONDARY_IP, AddressMode.PREFIX])
def test_prefixes_are_counted_whatever_the_mode(mode):
    store = node(["10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/28", "10.0.0.48/32"], mode=mode)
    store.assign_at(key("web"), "10.0.0.5", 0)
    assert (store.stats(0).prefix_count, store.stats(0).free_prefix_count) == (3, 2)
    assert store.eni_stats(0)[0].free_prefix_count == 2


# --- what to give back ---------------------------------------------------------------------------------------------------


def test_removable_cidrs_are_ordered_quiet_stale_first_then_quiet_then_highest_and_cooling_stale_last():
    store = node(["10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/28", "10.0.0.48/28", "10.0.0.64/32", "10.0.0.65/32"], cooldown_ns=30)
    store.assign_at(key("pod"), "10.0.0.0", 0)
    for address in ("10.0.0.48", "10.0.0.65"):
        store.assign_at(key("short"), address, 0)
        store.unassign(key("short"), 0)
    quiet_at_30 = ("10.0.0.65/32", "10.0.0.64/32", "10.0.0.48/28", "10.0.0.32/28", "10.0.0.16/28")
    assert store.removable_cidrs("eni-0", 29) == ("10.0.0.64/32", "10.0.0.32/28", "10.0.0.16/28", "10.0.0.48/28", "10.0.0.65/32")
    assert store.removable_cidrs("eni-0", 30) == quiet_at_30
    (eni,) = store.eni_stats(30)
    assert (eni.idle_cidr_count, eni.stale_cidr_count) == (3, 2)
    store.set_excluded("eni-0", excluded=True)
    (eni,) = store.eni_stats(30)
    assert (eni.idle_cidr_count, eni.stale_cidr_count) == (0, 5)


@pytest.mark.parametrize("mode", [AddressMode.SECONDARY_IP, AddressMode.PREFIX])
@pytest.mark.parametrize(
    "cidrs",
    [
        ["10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/32", "10.0.0.33/32"],
        ["10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "10.0.0.4/32"],
        ["10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/28", "10.0.0.48/28"],
    ],
)
def test_as_many_removable_cidrs_are_returned_as_are_asked_for_the_first_ones(cidrs, mode):
    store = node(cidrs, mode=mode, cooldown_ns=30)
    for cidr in (cidrs[0], cidrs[-1]):
        store.assign_at(key("short"), cidr.partition("/")[0], 0)
        store.unassign(key("short"), 0)
    for cooled_only, now_ns, most in product((False, True), (29, 30), range(6)):
        first = store.removable_cidrs("eni-0", now_ns, cooled_only=cooled_only)[:most]
        assert store.removable_cidrs("eni-0", now_ns, cooled_only=cooled_only, most=most) == first


def test_each_removable_cidr_is_removed_without_force():
    store = node(["10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/28"])
    store.assign_at(key("pod"), "10.0.0.20", 0)
    for cidr in store.removable_cidrs("eni-0", 0):
        assert store.remove_cidr("eni-0", cidr, now_ns=0) == ()
    assert store.cidrs("eni-0") == ("10.0.0.16/28",)
    assert store.removable_cidrs("eni-0", 0) == ()


# --- cooldowns, ENI by ENI ------------------------------------------------------------------------------------------------


def test_counts_of_one_instant_agree_while_addresses_cool():
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"], cooldown_ns=30)
    for address, released_ns in (("10.0.0.1", 0), ("10.0.0.17", 5), ("10.0.0.18", 9)):
        store.assign_at(key(address), address, 0)
        store.unassign(key(address), released_ns)
    for now_ns, cooling_count in ((9, 3), (30, 2), (35, 1), (39, 0)):
        stats, enis = store.pool_and_eni_stats(now_ns)
        assert stats.cooling_count == sum(eni.cooling_count for eni in enis) == cooling_count
        assert (stats, enis) == (store.stats(now_ns), store.eni_stats(now_ns))


def test_the_last_cooldown_of_an_eni_is_reported_until_it_ends():
    store = node(["10.0.0.0/28"], ["10.0.0.16/28"], cooldown_ns=30)
    for address, released_ns in (("10.0.0.16", 5), ("10.0.0.17", 9), ("10.0.0.18", 2), ("10.0.0.1", 50)):
        store.assign_at(key(address), address, 0)
        store.unassign(key(address), released_ns)
    assert [eni.cooling_until_ns for eni in store.eni_stats(9)] == [80, 39]
    assert [eni.cooling_until_ns for eni in store.eni_stats(38)] == [80, 39]
    assert [eni.cooling_until_ns for eni in store.eni_stats(39)] == [80, None]
    assert [obstacle(eni, 10**12) for eni in store.eni_stats(10**12)] == ["it is the primary ENI", None]


def test_cooldowns_outside_all_cidrs_count_for_no_eni():
    store = node([], ["10.0.0.16/28"], cooldown_ns=30)
    store.assign(key("web"), 0)
    store.remove_cidr("eni-1", "10.0.0.16/28", force=True, now_ns=0)
    assert store.eni_stats(0)[1].cooling_until_ns is None
    assert store.stats(0).cooling_count == 0
    assert store.cooling_until("10.0.0.16") == 30


# --- which CIDRs share an address with one -------------------------------------------------------------------------------

MIXED = (["10.0.0.0/28", "10.0.0.32/32", "10.0.0.47/32"], ["10.0.0.33/32", "10.0.0.64/28", "10.0.0.16/32"])


@pytest.mark.parametrize(
    ("cidr", "found"),
    [
        ("10.0.0.0/32", [("eni-0", "10.0.0.0/28")]),
        ("10.0.0.15/32", [("eni-0", "10.0.0.0/28")]),
        ("10.0.0.15", [("eni-0", "10.0.0.0/28")]),
        ("10.0.0.16/32", [("eni-1", "10.0.0.16/32")]),
        ("10.0.0.17/32", []),
        ("10.0.0.48/28", []),
        ("10.0.0.64/28", [("eni-1", "10.0.0.64/28")]),
        ("10.0.0.32/28", [("eni-0", "10.0.0.32/32"), ("eni-0", "10.0.0.47/32"), ("eni-1", "10.0.0.33/32")]),
        ("10.0.0.0/27", [("eni-0", "10.0.0.0/28"), ("eni-1", "10.0.0.16/32")]),
        ("9.255.255.255/32", []),
        ("10.0.0.80/32", []),
        ("::a00:0", []),  # the same number, but of the other version
        ("::a00:0/124", []),
    ],
)
@pytest.mark.parametrize("mode", [AddressMode.PREFIX, AddressMode.SECONDARY_IP])
def test_overlapping_cidrs_are_found(mode, cidr, found):
    assert node(*MIXED, mode=mode).overlapping(cidr) == tuple(found)


def test_an_address_overlaps_only_the_cidr_around_it():
    store = node(*MIXED)
    cidrs = {ipaddress.ip_network(cidr): eni_id for eni_id in store.eni_ids for cidr in store.cidrs(eni_id)}
    for address in ipaddress.ip_network("10.0.0.0/25"):
        around = tuple((eni_id, str(cidr)) for cidr, eni_id in cidrs.items() if address in cidr)
        assert store.overlapping(f"{address}/32") == around


@pytest.mark.parametrize(
    ("cidr", "found"),
    [
        ("2001:db8::5/128", [("eni-0", "2001:db8::/80")]),
        ("2001:db8:0:0:1::/128", []),
        ("2001:db8::/64", [("eni-0", "2001:db8::/80")]),
        ("0.0.0.5/32", []),
        ("0.0.0.0/28", []),
    ],
)
def test_the_slash_80_around_an_ipv6_address_is_found(cidr, found):
    assert node(["2001:db8::/80"], mode=AddressMode.IPV6).overlapping(cidr) == tuple(found)
    assert node(["::/80"], mode=AddressMode.IPV6).overlapping("0.0.0.5/32") == ()


def test_an_overlap_query_with_an_invalid_cidr_is_refused():
    for wrong in ("10.0.0.1/28", "10.0.0.256/32", ""):
        with pytest.raises(InvalidCidr):
            singles([1]).overlapping(wrong)


@pytest.mark.parametrize(
    ("mode", "cidr", "address"),
    [
        (AddressMode.SECONDARY_IP, "10.0.0.32/32", "10.0.0.32"),
        (AddressMode.PREFIX, "10.0.0.16/28", "10.0.0.16"),
        (AddressMode.IPV6, "2001:db8::/80", "2001:db8::"),
    ],
)
def test_every_answer_of_assign_names_the_cidr_of_the_address(mode, cidr, address):
    store = node([cidr], mode=mode)
    for now_ns in (0, 100):
        made = store.assign(key("web"), now_ns)
        assert (made.address, made.cidr, made.eni_id) == (address, cidr, "eni-0")
        assert store.assign(key("web"), now_ns) == made == store.assignment_of(key("web"))
        assert store.unassign(key("web"), now_ns) == made


def test_the_revision_grows_only_with_changes_of_enis_and_cidrs():
    store = node([])
    seen = [store.revision]
    for change in (
        lambda: store.add_eni("eni-1", device_number=1, now_ns=0),
        lambda: store.add_cidr("eni-1", "10.0.0.0/28"),
        lambda: store.set_excluded("eni-1", excluded=True),
        lambda: store.set_mode(AddressMode.SECONDARY_IP),
        lambda: store.remove_cidr("eni-1", "10.0.0.0/28", now_ns=0),
        lambda: store.remove_eni("eni-1", now_ns=0),
    ):
        before = store.change_count
        change()
        assert store.revision > seen[-1]
        assert store.change_count > before
        seen.append(store.revision)
    store.stats(0)
    assert store.revision == seen[-1]


def test_the_change_count_grows_with_changes_of_sandboxes_too_but_not_when_a_cooldown_ends():
    store = node([])
    store.add_cidr("eni-0", "10.0.0.0/28")
    for change in (
        lambda: store.assign(key("web"), 0),
        lambda: store.unassign(key("web"), 0),
        lambda: store.assign_at(key("web"), "10.0.0.5", 0),
        lambda: store.remove_cidr("eni-0", "10.0.0.0/28", force=True, now_ns=0),
    ):
        before = store.change_count
        change()
        assert store.change_count > before
    before = store.change_count
    assert store.cooling_count(10**12) == 0
    assert store.change_count == before
