"""Assigning and unassigning: which address a sandbox gets, when it is free again, and what is refused."""

import pytest
from datastore_worlds import TIME_MAX, TIMED_CALLS, WRONG_TIMES, WRONG_TYPES_OF_TIME, assigned, key, node, singles, snapshot

from vpcipam.address import AddressMode
from vpcipam.datastore import DEFAULT_COOLDOWN_NS, Datastore
from vpcipam.errors import (
    AlreadyAssigned,
    CoolingDown,
    InvalidAddress,
    InvalidArgument,
    InvalidSandboxKey,
    NotInPool,
    OutOfRange,
    PoolExhausted,
    UnknownKey,
)
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment

# --- assign --------------------------------------------------------------------------------------------------------------


def test_an_assignment_shows_eni_and_cidr_of_its_address():
    store = node(["10.0.0.0/28"], [], network_card=1)
    store.add_cidr("eni-1", "10.0.0.16/28")
    store.set_excluded("eni-0", excluded=True)
    assert store.assign(key("web"), 0) == Assignment("10.0.0.16", "eni-1", 1, 1, "10.0.0.16/28")


def test_assigning_a_sandbox_again_returns_its_address_and_changes_nothing():
    store = singles([5, 6])
    first = store.assign(key("web"), 0, PodRef("default", "web-1"))
    before = snapshot(store, 0)
    assert store.assign(key("web"), 100, PodRef("default", "other")) is first
    assert store.assign_at(key("web"), "10.0.0.5", 100, PodRef("default", "other")) is first
    assert snapshot(store, 0) == before
    assert store.pod_of(key("web")) == PodRef("default", "web-1")


def test_assigning_a_sandbox_again_works_on_a_full_or_excluded_eni():
    store = singles([5])
    held = store.assign(key("web"), 0)
    store.set_excluded("eni-0", excluded=True)
    assert store.assign(key("web"), 0) == held


def test_keys_that_differ_in_one_part_are_different_sandboxes():
    store = node(["10.0.0.0/28"])
    addresses = {store.assign(SandboxKey(network, "c1", interface), 0).address for network in "ab" for interface in "ab"}
    assert len(addresses) == 4


@pytest.mark.parametrize("empty", [SandboxKey("", "", ""), SandboxKey("aws-cni", "", "eth0")])
def test_fault_11_an_empty_key_is_refused_and_takes_no_address(empty):
    # Upstream counts its address as assigned, and gives it to the next pod too.
    store = singles([5])
    before = snapshot(store, 0)
    with pytest.raises(InvalidSandboxKey):
        store.assign(empty, 0)
    with pytest.raises(InvalidSandboxKey):
        store.assign_at(empty, "10.0.0.5", 0)
    with pytest.raises(UnknownKey):
        store.unassign(empty, 0)
    assert snapshot(store, 0) == before


@pytest.mark.parametrize("wrong", [None, "web", ("aws-cni", "web", "eth0"), 5])
def test_a_key_of_another_type_is_a_type_error(wrong):
    store = singles([5])
    for call in (lambda: store.assign(wrong, 0), lambda: store.assign_at(wrong, "10.0.0.5", 0), lambda: store.unassign(wrong, 0)):
        with pytest.raises(TypeError, match="SandboxKey"):
            call()
    assert assigned(store) == {}


def test_a_subclass_of_a_key_is_a_type_error():
    class Lookalike(SandboxKey):
        """Equal to the key of the same parts, but of another type."""

    store = singles([5], cooldown_ns=0)
    store.assign(key("old"), 0)
    store.unassign(key("old"), 0)
    with pytest.raises(TypeError, match="not Lookalike"):
        store.assign(Lookalike("aws-cni", "web", "eth0"), 0)
    assert assigned(store) == {}


def test_an_empty_datastore_has_no_address_to_give():
    with pytest.raises(PoolExhausted):
        Datastore().assign(key("web"), 0)


@pytest.mark.parametrize("mode", [AddressMode.SECONDARY_IP, AddressMode.PREFIX])
def test_only_cidrs_of_the_mode_give_addresses(mode):
    store = node(["10.0.0.0/28", "10.0.0.16/32"], mode=mode)
    expected = {AddressMode.SECONDARY_IP: ["10.0.0.16"], AddressMode.PREFIX: [f"10.0.0.{last}" for last in range(16)]}[mode]
    assert [store.assign(key(str(turn)), 0).address for turn in range(len(expected))] == expected
    with pytest.raises(PoolExhausted):
        store.assign(key("one more"), 0)


def test_the_refusal_of_a_full_datastore_names_the_obstacle():
    store = singles([5, 6], [7], cooldown_ns=30)
    store.set_excluded("eni-1", excluded=True)
    store.assign_at(key("old"), "10.0.0.7", 0)
    store.assign(key("web"), 0)
    store.assign(key("api"), 0)
    with pytest.raises(PoolExhausted, match=r"no address is free for aws-cni/new/eth0: of 3 attached, 3 are in use$"):
        store.assign(key("new"), 0)
    store.unassign(key("web"), 0)
    with pytest.raises(PoolExhausted, match=r"of 3 attached, 2 are in use and 1 cool down$"):
        store.assign(key("new"), 0)


def test_a_refused_assign_leaves_cooldowns_alone():
    # After the clock steps back, the address still cools, as if the assign had not been tried.
    store = singles([5], cooldown_ns=30)
    store.assign(key("web"), 0)
    store.unassign(key("web"), 0)
    store.set_excluded("eni-0", excluded=True)
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), 30)
    assert store.cooling_until("10.0.0.5") == 30


# --- cooldown ------------------------------------------------------------------------------------------------------------


def test_the_default_cooldown_is_that_of_ipamd():
    assert DEFAULT_COOLDOWN_NS == 30 * 10**9
    store = singles([5], cooldown_ns=DEFAULT_COOLDOWN_NS)
    default = Datastore()
    default.add_eni("eni-0", device_number=0, now_ns=0)
    default.add_cidr("eni-0", "10.0.0.5/32")
    for each in (store, default):
        each.assign(key("web"), 0)
        each.unassign(key("web"), 7)
        assert each.cooling_until("10.0.0.5") == 7 + 30 * 10**9


@pytest.mark.parametrize("cooldown_ns", [1, 2, 30])
@pytest.mark.parametrize("released_ns", [0, 1, 1_700_000_000_000_000_000, TIME_MAX - 30])
def test_an_address_is_free_at_the_end_of_its_cooldown_and_not_before(cooldown_ns, released_ns):
    store = singles([5], cooldown_ns=cooldown_ns)
    store.assign(key("web"), 0)
    store.unassign(key("web"), released_ns)
    for now_ns in (released_ns, released_ns + cooldown_ns - 1):
        with pytest.raises(PoolExhausted):
            store.assign(key("new"), now_ns)
        with pytest.raises(CoolingDown):
            store.assign_at(key("new"), "10.0.0.5", now_ns)
    assert store.assign(key("new"), released_ns + cooldown_ns).address == "10.0.0.5"


def test_without_cooldown_an_address_is_free_at_once():
    store = singles([5], cooldown_ns=0)
    for turn in range(3):
        store.assign(key(str(turn)), 0)
        store.unassign(key(str(turn)), 0)
        assert store.cooling_until("10.0.0.5") is None


def test_a_cooldown_holds_for_the_sandbox_that_released_the_address_too():
    store = singles([5, 6], cooldown_ns=30)
    store.assign(key("web"), 0)
    store.unassign(key("web"), 0)
    assert store.assign(key("web"), 1).address == "10.0.0.6"


def test_a_clock_that_steps_back_shortens_no_cooldown():
    store = singles([5], cooldown_ns=30)
    store.assign(key("web"), 100)
    store.unassign(key("web"), 100)
    for now_ns in (0, 99, 129):
        with pytest.raises(PoolExhausted):
            store.assign(key("new"), now_ns)
    assert store.cooling_until("10.0.0.5") == 130


def test_a_cooldown_past_the_last_time_does_not_overflow():
    store = singles([5], cooldown_ns=TIME_MAX)
    store.assign(key("web"), 0)
    store.unassign(key("web"), TIME_MAX)
    assert store.cooling_until("10.0.0.5") == 2 * TIME_MAX
    with pytest.raises(PoolExhausted):
        store.assign(key("new"), TIME_MAX)


@pytest.mark.parametrize("cooldown_ns", [-1, 2**62, 2**70])
def test_a_cooldown_out_of_range_is_refused(cooldown_ns):
    with pytest.raises(OutOfRange, match="cooldown_ns"):
        Datastore(cooldown_ns=cooldown_ns)


# --- times ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def busy():
    store = node(["10.0.0.0/28"], ["10.0.0.32/28"])
    store.assign(key("web"), 0)
    return store


@pytest.mark.parametrize("wrong", WRONG_TIMES)
@pytest.mark.parametrize("call", TIMED_CALLS.values(), ids=TIMED_CALLS)
def test_a_time_out_of_range_is_refused_and_nothing_changes(busy, call, wrong):
    before = snapshot(busy, 0)
    with pytest.raises(OutOfRange, match="now_ns"):
        call(busy, wrong)
    assert snapshot(busy, 0) == before
    busy._check()


@pytest.mark.parametrize("wrong", WRONG_TYPES_OF_TIME)
@pytest.mark.parametrize("call", TIMED_CALLS.values(), ids=TIMED_CALLS)
def test_a_time_that_is_no_integer_is_a_type_error(busy, call, wrong):
    before = snapshot(busy, 0)
    with pytest.raises(TypeError):
        call(busy, wrong)
    assert snapshot(busy, 0) == before


@pytest.mark.parametrize("now_ns", [0, 1, TIME_MAX])
@pytest.mark.parametrize("call", TIMED_CALLS.values(), ids=TIMED_CALLS)
def test_the_first_and_the_last_time_are_accepted(busy, call, now_ns):
    call(busy, now_ns)
    busy._check()


@pytest.mark.parametrize("wrong", WRONG_TIMES)
def test_an_empty_datastore_refuses_a_wrong_time_too(wrong):
    store = Datastore()
    for call in (store.stats, store.eni_stats):
        with pytest.raises(OutOfRange):
            call(wrong)


# --- unassign ------------------------------------------------------------------------------------------------------------


def test_unassign_returns_and_frees_the_address_of_that_sandbox_only():
    store = singles([5, 6])
    web, api = store.assign(key("web"), 0), store.assign(key("api"), 0)
    assert store.unassign(key("web"), 1) == web
    assert store.assignment_of(key("web")) is None
    assert store.pod_of(key("web")) is None
    assert store.key_of("10.0.0.5") is None
    assert store.assignment_of(key("api")) == api


def test_a_pod_is_forgotten_when_its_sandbox_is_unassigned():
    store = singles([5], cooldown_ns=0)
    store.assign(key("web"), 0, PodRef("default", "web-1"))
    store.unassign(key("web"), 0)
    for name in ("web", "api"):
        store.assign(key(name), 0)
        assert store.pod_of(key(name)) is None
        store.unassign(key(name), 0)


def test_the_list_of_sandboxes_is_a_snapshot():
    store = singles([5, 6])
    web, api = store.assign(key("web"), 0), store.assign(key("api"), 0)
    listed = store.assignments()
    store.unassign(key("api"), 0)
    assert list(listed) == [(key("web"), web), (key("api"), api)]


def test_an_assignment_names_the_eni_that_its_address_has_moved_to():
    store = singles([5], [], cooldown_ns=30)
    store.assign(key("web"), 0)
    store.unassign(key("web"), 0)
    store.remove_cidr("eni-0", "10.0.0.5/32", now_ns=0)
    store.add_cidr("eni-1", "10.0.0.5/32")
    assert store.assign(key("api"), 30).eni_id == "eni-1"
    store._check()


def test_a_second_unassign_is_refused_and_starts_no_second_cooldown():
    store = singles([5], cooldown_ns=30)
    store.assign(key("web"), 0)
    store.unassign(key("web"), 0)
    with pytest.raises(UnknownKey, match="web"):
        store.unassign(key("web"), 10)
    assert store.cooling_until("10.0.0.5") == 30
    store._check()


@pytest.mark.parametrize("container_id", ["web", "", "x" * 64])
def test_unassign_of_an_unknown_sandbox_is_refused_and_names_it(container_id):
    store = singles([5])
    store.assign(SandboxKey("_migrated-from-cri", "other", "unknown"), 0)
    with pytest.raises(UnknownKey) as caught:
        store.unassign(key(container_id), 0)
    assert repr(container_id) in str(caught.value)
    assert "_migrated-from-cri" not in str(caught.value)


def test_a_sandbox_taken_over_from_the_container_runtime_is_found_under_its_real_key():
    store = singles([5, 6])
    store.assign(SandboxKey("_migrated-from-cri", "web", "unknown"), 0)
    assert store.unassign(key("web"), 0).address == "10.0.0.5"
    assert assigned(store) == {}


def test_unassign_prefers_the_real_key_to_the_migrated_one():
    store = singles([5, 6])
    store.assign(SandboxKey("_migrated-from-cri", "web", "unknown"), 0)
    store.assign(key("web"), 0)
    assert [store.unassign(key("web"), 0).address for _ in range(2)] == ["10.0.0.6", "10.0.0.5"]
    with pytest.raises(UnknownKey):
        store.unassign(key("web"), 0)


# --- assign_at -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [AddressMode.SECONDARY_IP, AddressMode.PREFIX])
@pytest.mark.parametrize("excluded", [False, True])
@pytest.mark.parametrize(("address", "cidr"), [("10.0.0.7", "10.0.0.0/28"), ("10.0.0.16", "10.0.0.16/32")])
def test_a_fixed_address_can_be_assigned_from_any_cidr(mode, excluded, address, cidr):
    store = node(["10.0.0.0/28", "10.0.0.16/32"], mode=mode)
    store.set_excluded("eni-0", excluded=excluded)
    assert store.assign_at(key("web"), address, 0, PodRef("default", "web-1")) == Assignment(address, "eni-0", 0, 0, cidr)
    assert store.key_of(address) == key("web")
    assert store.pod_of(key("web")) == PodRef("default", "web-1")


def test_a_fixed_address_is_not_given_to_the_next_sandbox():
    store = singles([5, 6])
    store.assign_at(key("web"), "10.0.0.5", 0)
    assert store.assign(key("api"), 0).address == "10.0.0.6"


def test_a_fixed_address_that_is_not_free_is_refused():
    store = node(["10.0.0.0/28"], cooldown_ns=30)
    store.assign_at(key("web"), "10.0.0.0", 0)
    store.assign_at(key("api"), "10.0.0.1", 0)
    store.unassign(key("api"), 0)
    before = snapshot(store, 0, ["10.0.0.1"])
    for refusal, who, address in (
        (AlreadyAssigned, "new", "10.0.0.0"),
        (AlreadyAssigned, "web", "10.0.0.2"),
        (AlreadyAssigned, "web", "10.0.0.1"),
        (AlreadyAssigned, "web", "10.9.9.9"),
        (CoolingDown, "new", "10.0.0.1"),
        (NotInPool, "new", "10.0.0.16"),
        (NotInPool, "new", "9.255.255.255"),
        (NotInPool, "new", "0.0.0.0"),  # noqa: S104 - an address
        (InvalidAddress, "new", "2001:db8::"),
        (InvalidAddress, "new", "::ffff:10.0.0.2"),
        (InvalidAddress, "new", "10.0.0.2/32"),
        (InvalidAddress, "new", "10.0.0.02"),
        (InvalidAddress, "new", " 10.0.0.2"),
        (TypeError, "new", None),
        (TypeError, "new", 0x0A000002),
    ):
        with pytest.raises(refusal):
            store.assign_at(key(who), address, 29)
        assert snapshot(store, 0, ["10.0.0.1"]) == before
    store._check()


# --- placement -----------------------------------------------------------------------------------------------------------


def places(placement, count, *, seed=0):
    """Assign `count` sandboxes on two ENIs, of one and of two prefixes; the second ENI's were added first."""
    store = node([], [], placement=placement, seed=seed)
    for eni_id, cidr in (("eni-1", "10.0.0.32/28"), ("eni-1", "10.0.0.16/28"), ("eni-0", "10.0.0.48/28")):
        store.add_cidr(eni_id, cidr)
    return store, [store.assign(key(str(turn)), 0).address for turn in range(count)]


def test_lowest_fills_eni_by_eni_and_prefix_by_prefix():
    store, addresses = places("lowest", 48)
    assert addresses == [f"10.0.0.{last}" for last in [*range(48, 64), *range(16, 48)]]
    with pytest.raises(PoolExhausted):
        store.assign(key("one more"), 0)


def test_spread_takes_the_emptiest_prefix():
    assert places("spread", 7)[1] == [f"10.0.0.{last}" for last in (48, 16, 32, 49, 17, 33, 50)]


def test_fault_7_packed_lets_prefixes_drain_that_random_placement_keeps_in_use():
    store, _ = places("packed", 20)
    for turn in range(3):
        store.unassign(key(str(turn)), 0)  # on 10.0.0.48/28, which keeps 13 and now has most in use again
    assert store.assign(key("a"), 100).address == "10.0.0.48"
    store.unassign(key("a"), 100)
    assert store.removable_cidrs("eni-1", 200) == ("10.0.0.32/28",)
    random, _ = places("random", 20)
    assert random.removable_cidrs("eni-1", 200) == ()


def test_fault_7_the_default_placement_is_lowest_so_the_last_prefix_stays_free():
    store = node(["10.0.0.0/28", "10.0.0.16/28"])
    for turn in range(100):
        store.assign(key(str(turn)), turn * 100)
        store.unassign(key(str(turn)), turn * 100)
    assert store.removable_cidrs("eni-0", 100 * 100) == ("10.0.0.16/28", "10.0.0.0/28")
    assert store.stats(0).free_prefix_count == 2


def test_random_placement_depends_on_the_seed():
    assert places("random", 40, seed=7)[1] == places("random", 40, seed=7)[1]
    assert len({tuple(places("random", 40, seed=seed)[1]) for seed in range(10)}) == 10


def test_random_placement_gives_each_eni_the_same_chance():
    # ipamd walks one map for the ENI and another for the CIDR, so an ENI of one prefix gets as much as one of two.
    on_first = sum(places("random", 1, seed=seed)[1] == ["10.0.0.48"] for seed in range(400))
    assert 150 < on_first < 250


@pytest.mark.parametrize("placement", ["", "Lowest", "worst", None])
def test_an_unknown_placement_is_refused(placement):
    with pytest.raises(InvalidArgument, match="placement"):
        Datastore(placement=placement)


# --- IPv6 ----------------------------------------------------------------------------------------------------------------


def test_an_ipv6_node_gives_addresses_from_its_prefix():
    store = node(["2001:db8::/80"], mode=AddressMode.IPV6, cooldown_ns=30)
    assert store.assign(key("web"), 0) == Assignment("2001:db8::", "eni-0", 0, 0, "2001:db8::/80")
    last = store.assign_at(key("last"), "2001:DB8:0:0:0:ffff:ffff:FFFF", 0)
    assert last.address == "2001:db8::ffff:ffff:ffff"
    assert store.key_of("2001:db8:0::0") == key("web")
    with pytest.raises(NotInPool):
        store.assign_at(key("new"), "2001:db8:0:0:1::", 0)
    for wrong in ("10.0.0.5", "2001:db8::/80"):
        with pytest.raises(InvalidAddress):
            store.assign_at(key("new"), wrong, 0)
    store.unassign(key("web"), 0)
    assert store.assign(key("new"), 29).address == "2001:db8::1"
    assert store.assign(key("newer"), 30).address == "2001:db8::"
    store._check()


def test_of_two_idle_addresses_the_one_that_does_not_cool_is_removed_first():
    store = singles([5, 6])
    store.assign_at(key("a"), "10.0.0.6", 0)
    store.unassign(key("a"), 0)
    assert store.removable_cidrs("eni-0", 1) == ("10.0.0.5/32", "10.0.0.6/32")
    assert store.removable_cidrs("eni-0", 100) == ("10.0.0.6/32", "10.0.0.5/32")


def test_every_idle_prefix_where_an_address_cools_is_counted():
    store = node(["10.0.0.0/28", "10.0.0.16/28", "10.0.0.32/28"])
    for number, address in enumerate(("10.0.0.1", "10.0.0.17", "10.0.0.18")):
        store.assign_at(key(str(number)), address, 0)
    for number in range(3):
        store.unassign(key(str(number)), 0)
    (eni,) = store.eni_stats(1)
    assert (eni.cooling_idle_cidr_count, eni.idle_cidr_count, eni.cooling_count) == (2, 3, 3)
