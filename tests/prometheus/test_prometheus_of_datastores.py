"""Metrics of datastores under ipamd's names: what they say, that they say no more, and that they can be read."""

import threading

import attrs
import exposition
import hypothesis.strategies as st
import pytest
from hypothesis import given
from metrics_worlds import ALWAYS_THERE, add_eni, key, run_at_once, values, watched_store

from vpcipam.address import AddressMode
from vpcipam.datastore import Datastore
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import InvalidArgument, OutOfRange, PoolExhausted, UnknownKey
from vpcipam.events import AssignRefused
from vpcipam.journal.protocol import Assigned, MemoryJournal
from vpcipam.node import Node
from vpcipam.prometheus import CONTENT_TYPE, IpamMetrics, MetricFamily, Sample
from vpcipam.settings import Settings

S = 1_000_000_000
SINGLES = ("10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32")
# --- the text ------------------------------------------------------------------------------------------------------------


def test_the_text_of_a_small_datastore():
    store, metrics = watched_store("10.0.0.16/28", "10.0.0.5/32", mode=AddressMode.PREFIX)
    add_eni(store, "eni-1", device_number=1)
    store.assign(key("a"), 0)
    assert metrics.text(0) == (
        "# HELP awscni_add_ip_req_count Sandboxes that asked for an address: those that got one, and those for which none was free\n"
        "# TYPE awscni_add_ip_req_count counter\n"
        "awscni_add_ip_req_count 1\n"
        "# HELP awscni_assigned_ip_addresses Addresses that sandboxes hold\n"
        "# TYPE awscni_assigned_ip_addresses gauge\n"
        "awscni_assigned_ip_addresses 1\n"
        "# HELP awscni_assigned_ip_per_cidr Addresses that sandboxes hold, by CIDR attached\n"
        "# TYPE awscni_assigned_ip_per_cidr gauge\n"
        'awscni_assigned_ip_per_cidr{cidr="10.0.0.5/32"} 0\n'
        'awscni_assigned_ip_per_cidr{cidr="10.0.0.16/28"} 1\n'
        "# HELP awscni_assigned_ip_per_eni Addresses that sandboxes hold, by ENI attached\n"
        "# TYPE awscni_assigned_ip_per_eni gauge\n"
        'awscni_assigned_ip_per_eni{eni="eni-0"} 1\n'
        'awscni_assigned_ip_per_eni{eni="eni-1"} 0\n'
        "# HELP awscni_del_ip_req_count Sandboxes that gave their address back\n"
        "# TYPE awscni_del_ip_req_count counter\n"
        'awscni_del_ip_req_count{reason="PodDeleted"} 0\n'
        "# HELP awscni_eni_allocated ENIs attached and managed\n"
        "# TYPE awscni_eni_allocated gauge\n"
        "awscni_eni_allocated 2\n"
        "# HELP awscni_force_removed_enis ENIs that were gone in EC2 while sandboxes held addresses on them\n"
        "# TYPE awscni_force_removed_enis counter\n"
        "awscni_force_removed_enis 0\n"
        "# HELP awscni_force_removed_ips Addresses that were gone in EC2 while sandboxes held them\n"
        "# TYPE awscni_force_removed_ips counter\n"
        "awscni_force_removed_ips 0\n"
        "# HELP awscni_ipamd_error_count Changes of the node that were refused\n"
        "# TYPE awscni_ipamd_error_count counter\n"
        'awscni_ipamd_error_count{fn="decreaseIPPoolFreeENIFailed"} 0\n'
        'awscni_ipamd_error_count{fn="increaseIPPoolAllocENI"} 0\n'
        'awscni_ipamd_error_count{fn="increaseIPPoolAllocIPAddressesFailed"} 0\n'
        'awscni_ipamd_error_count{fn="reconcileFailedGetENIs"} 0\n'
        "# HELP awscni_no_available_ip_addresses Sandboxes for which no address was free\n"
        "# TYPE awscni_no_available_ip_addresses counter\n"
        "awscni_no_available_ip_addresses 0\n"
        "# HELP awscni_reconcile_count ENIs and CIDRs added or dropped to match EC2\n"
        "# TYPE awscni_reconcile_count counter\n"
        'awscni_reconcile_count{fn="eniDataStorePoolReconcileAdd"} 0\n'
        'awscni_reconcile_count{fn="eniIPPoolReconcileDel"} 0\n'
        'awscni_reconcile_count{fn="eniReconcileAdd"} 0\n'
        'awscni_reconcile_count{fn="eniReconcileDel"} 0\n'
        "# HELP awscni_total_ip_addresses Addresses for sandboxes on all ENIs attached, held or not\n"
        "# TYPE awscni_total_ip_addresses gauge\n"
        "awscni_total_ip_addresses 17\n"
        "# HELP awscni_total_ipv4_prefixes IPv4 prefixes on all ENIs attached\n"
        "# TYPE awscni_total_ipv4_prefixes gauge\n"
        "awscni_total_ipv4_prefixes 1\n"
        "# HELP vpcipam_cooling_ip_addresses Addresses that a sandbox gave back and that cool down before the next use\n"
        "# TYPE vpcipam_cooling_ip_addresses gauge\n"
        "vpcipam_cooling_ip_addresses 0\n"
        "# HELP vpcipam_quarantined_entries Journal entries that a restart could not restore and that nobody has decided about\n"
        "# TYPE vpcipam_quarantined_entries gauge\n"
        "vpcipam_quarantined_entries 0\n"
    )


def test_families_are_ordered_by_name():
    _, metrics = watched_store(*SINGLES)
    names = [family.name for family in metrics.families(0)]
    assert names == sorted(names)


def test_equal_states_give_equal_texts():
    first, second = watched_store(*SINGLES), watched_store(*SINGLES)
    for store, _ in (first, second):
        store.assign(key("a"), 1)
    assert first[1].text(2) == second[1].text(2) == first[1].text(2)


@pytest.mark.parametrize("eni_id", ['a"b', "a\\b", "a\nb", '\\"\n', "\\n", "ü {}=,", ""])
def test_label_values_are_escaped(eni_id):
    _, metrics = watched_store(eni_id=eni_id)
    assert values(metrics)["awscni_assigned_ip_per_eni"] == {eni_id: 0}


@given(pairs=st.dictionaries(st.sampled_from(["api", "error", "_x9"]), st.text(), max_size=3), explanation=st.text(min_size=1))
def test_any_family_can_be_read_back(pairs, explanation):
    labels = tuple(pairs.items())
    family = MetricFamily("awscni_x", "counter", explanation, (Sample(labels, 2**64),))
    kind, text, samples = exposition.read(str(family))["awscni_x"]
    assert (kind, exposition.unescaped(text), samples) == ("counter", explanation, {labels: 2**64})


def test_the_content_type_names_the_version_of_the_format():
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


def test_families_are_values():
    _, metrics = watched_store("10.0.0.5/32")
    family = next(family for family in metrics.families(0) if family.name == "awscni_assigned_ip_per_cidr")
    assert family.kind == "gauge"
    assert family.samples == (Sample((("cidr", "10.0.0.5/32"),), 0),)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        family.name = "x"


# --- gauges of datastores ------------------------------------------------------------------------------------------------


def test_an_empty_datastore_has_zeros_and_no_limits():
    store = Datastore()
    metrics = IpamMetrics()
    metrics.watch(store)
    assert values(metrics) == ALWAYS_THERE | {
        "awscni_assigned_ip_addresses": 0,
        "awscni_eni_allocated": 0,
        "awscni_total_ip_addresses": 0,
        "awscni_total_ipv4_prefixes": 0,
        "vpcipam_cooling_ip_addresses": 0,
        "vpcipam_quarantined_entries": 0,
    }


def test_addresses_of_both_modes_and_of_excluded_enis_are_counted():
    store, metrics = watched_store("10.0.0.16/28", *SINGLES)
    store.add_eni("eni-1", device_number=1, excluded=True, now_ns=0)
    store.add_cidr("eni-1", "10.0.0.32/28")
    store.assign_at(key("a"), "10.0.0.16", 0)
    store.assign_at(key("b"), "10.0.0.33", 0)
    found = values(metrics)
    assert (found["awscni_total_ip_addresses"], found["awscni_assigned_ip_addresses"], found["awscni_total_ipv4_prefixes"]) == (35, 2, 2)
    assert found["awscni_assigned_ip_per_eni"] == {"eni-0": 1, "eni-1": 1}


def test_an_ipv6_prefix_counts_its_addresses_and_not_as_an_ipv4_prefix():
    store, metrics = watched_store("2001:db8::/80", mode=AddressMode.IPV6)
    store.assign(key("a"), 0)
    found = values(metrics)
    assert (found["awscni_total_ip_addresses"], found["awscni_total_ipv4_prefixes"]) == (2**48, 0)
    assert found["awscni_assigned_ip_per_cidr"] == {"2001:db8::/80": 1}


def test_cooling_addresses_are_counted_until_their_end_and_scraping_ends_none():
    store, metrics = watched_store(*SINGLES, cooldown_ns=30 * S)
    store.assign(key("a"), 0)
    store.unassign(key("a"), 1 * S)
    assert [values(metrics, at * S)["vpcipam_cooling_ip_addresses"] for at in (1, 30, 31, 2)] == [1, 1, 0, 1]
    assert values(metrics, 2 * S)["awscni_total_ip_addresses"] == 3


def test_several_datastores_add_up():
    metrics = IpamMetrics()
    stores = [Datastore(on_event=metrics, network_card=card) for card in (0, 1)]
    metrics.watch(*stores)
    for number, store in enumerate(stores):
        add_eni(store, f"eni-{number}", f"10.0.{number}.5/32", f"10.0.{number}.16/28")
        store.assign(key("a"), 0)
    found = values(metrics)
    assert (found["awscni_eni_allocated"], found["awscni_total_ip_addresses"], found["awscni_total_ipv4_prefixes"]) == (2, 34, 2)
    assert (found["awscni_assigned_ip_addresses"], found["awscni_add_ip_req_count"]) == (2, 2)
    assert found["awscni_assigned_ip_per_eni"] == {"eni-0": 1, "eni-1": 1}


def test_two_enis_with_one_id_are_one_line():
    metrics = IpamMetrics()
    for _ in range(2):
        store = Datastore()
        add_eni(store, "eni-0", "10.0.0.5/32")
        store.assign(key("a"), 0)
        metrics.watch(store)
    assert values(metrics)["awscni_assigned_ip_per_cidr"] == {"10.0.0.5/32": 2}


def test_the_text_is_empty_without_anything_to_watch():
    with pytest.raises(InvalidArgument, match=r"^nothing is watched.*call watch\(\)"):
        IpamMetrics().text(0)
    with pytest.raises(InvalidArgument):
        IpamMetrics().families(0)


@pytest.mark.parametrize("now_ns", [-1, 2**70])
def test_an_invalid_time_is_refused(now_ns):
    _, metrics = watched_store(*SINGLES)
    with pytest.raises(OutOfRange):
        metrics.text(now_ns)


def test_watching_twice_is_refused_and_changes_nothing():
    store, metrics = watched_store(*SINGLES)
    other = Datastore()
    for sources in [(store,), (other, store), (other, other)]:
        with pytest.raises(InvalidArgument, match="already watched"):
            metrics.watch(*sources)
    assert values(metrics)["awscni_total_ip_addresses"] == 3
    metrics.watch(other)


def test_a_datastore_of_a_watched_node_is_watched_already():
    node = Node("t3.small", Settings(), Ec2Model(), subnet_id="subnet-1")
    metrics = IpamMetrics()
    metrics.watch(node)
    for source in (node, node.datastores[0]):
        with pytest.raises(InvalidArgument):
            metrics.watch(source)


def test_an_eni_that_another_thread_removes_during_a_scrape_is_no_error():
    class Losing(Datastore):
        @property
        def eni_ids(self):
            return (*super().eni_ids, "eni-gone")

    store = Losing()
    add_eni(store, "eni-0", *SINGLES)
    metrics = IpamMetrics()
    metrics.watch(store)
    assert values(metrics)["awscni_total_ip_addresses"] == 3


# --- forced removal (docs/ipamd.md, "Known faults", 4 and 13) -------------------------------------------------------------


def test_fault_4_a_forced_removal_takes_addresses_off_the_total_once():
    store, metrics = watched_store("10.0.0.16/28", mode=AddressMode.PREFIX)
    add_eni(store, "eni-1", "10.0.0.32/28", "10.0.0.48/28", device_number=1)
    store.assign_at(key("a"), "10.0.0.33", 0)
    store.remove_eni("eni-1", force=True, now_ns=0)
    found = values(metrics)
    assert (found["awscni_total_ip_addresses"], found["awscni_total_ipv4_prefixes"], found["awscni_eni_allocated"]) == (16, 1, 1)
    assert found["awscni_assigned_ip_addresses"] == 0


def test_fault_13_no_gauge_of_an_eni_or_cidr_outlives_it():
    store, metrics = watched_store("10.0.0.16/28", mode=AddressMode.PREFIX)
    add_eni(store, "eni-1", "10.0.0.32/28", "10.0.0.48/28", device_number=1)
    for address in ("10.0.0.16", "10.0.0.33", "10.0.0.48"):
        store.assign_at(key(address), address, 0)
    store.remove_cidr("eni-1", "10.0.0.32/28", force=True, now_ns=0)
    assert values(metrics)["awscni_assigned_ip_per_cidr"] == {"10.0.0.16/28": 1, "10.0.0.48/28": 1}
    assert values(metrics)["awscni_assigned_ip_per_eni"] == {"eni-0": 1, "eni-1": 1}
    store.remove_eni("eni-1", force=True, now_ns=0)
    assert "eni-1" not in metrics.text(0)
    assert values(metrics)["awscni_assigned_ip_per_cidr"] == {"10.0.0.16/28": 1}


def test_fault_13_a_cidr_that_leaves_an_excluded_eni_leaves_the_total():
    store, metrics = watched_store("10.0.0.16/28", mode=AddressMode.PREFIX)
    store.set_excluded("eni-0", excluded=True)
    store.remove_cidr("eni-0", "10.0.0.16/28", now_ns=0)
    assert values(metrics)["awscni_total_ip_addresses"] == 0


def test_forced_removals_count_only_enis_with_sandboxes():
    store, metrics = watched_store("10.0.0.16/28", mode=AddressMode.PREFIX)
    add_eni(store, "eni-1", "10.0.0.32/28", "10.0.0.48/28", device_number=1)
    add_eni(store, "eni-2", "10.0.0.64/28", device_number=2)
    for address in ("10.0.0.33", "10.0.0.34", "10.0.0.48"):
        store.assign_at(key(address), address, 0)
    store.remove_cidr("eni-1", "10.0.0.32/28", force=True, now_ns=0)
    assert forced(metrics) == (0, 2)
    store.remove_eni("eni-2", force=True, now_ns=0)  # gone, with nobody on it
    assert forced(metrics) == (0, 2)
    store.remove_eni("eni-1", force=True, now_ns=0)
    assert forced(metrics) == (1, 3)
    store.remove_eni("eni-0", now_ns=0)
    assert forced(metrics) == (1, 3)


def test_an_eni_does_not_count_if_its_sandboxes_were_evicted_with_its_cidrs():
    store, metrics = watched_store("10.0.0.16/28", mode=AddressMode.PREFIX)
    store.assign(key("a"), 0)
    store.remove_cidr("eni-0", "10.0.0.16/28", force=True, now_ns=0)
    store.remove_eni("eni-0", force=True, now_ns=0)
    assert forced(metrics) == (0, 1)


def test_sandboxes_with_ipv6_addresses_are_evicted_too():
    store, metrics = watched_store("2001:db8::/80", mode=AddressMode.IPV6)
    store.assign(key("a"), 0)
    store.remove_eni("eni-0", force=True, now_ns=0)
    assert forced(metrics) == (1, 1)


def forced(metrics):
    found = values(metrics)
    return found["awscni_force_removed_enis"], found["awscni_force_removed_ips"]


# --- counters of sandboxes -----------------------------------------------------------------------------------------------


def requests(metrics):
    found = values(metrics)
    names = ("awscni_add_ip_req_count", "awscni_no_available_ip_addresses")
    return *(found[name] for name in names), found["awscni_del_ip_req_count"]["PodDeleted"]


def test_assigns_count_once_for_a_sandbox_and_again_for_each_refusal():
    store, metrics = watched_store("10.0.0.5/32")
    store.assign(key("a"), 0)
    store.assign(key("a"), 0)  # has it already
    assert requests(metrics) == (1, 0, 0)
    for _ in range(2):
        with pytest.raises(PoolExhausted):
            store.assign(key("b"), 0)
    assert requests(metrics) == (3, 2, 0)


def test_unassigns_count_if_an_address_was_released():
    store, metrics = watched_store("10.0.0.5/32")
    store.assign(key("a"), 0)
    store.unassign(key("a"), 0)
    with pytest.raises(UnknownKey):
        store.unassign(key("a"), 0)
    assert requests(metrics) == (1, 0, 1)


def test_bulk_calls_count_each_sandbox_and_a_refusal_once():
    store, metrics = watched_store(*SINGLES)
    store.assign_many([(key(name), None) for name in "ab"], 0)
    assert requests(metrics) == (2, 0, 0)
    with pytest.raises(PoolExhausted):
        store.assign_many([(key(name), None) for name in "cd"], 0)
    assert requests(metrics) == (3, 1, 0)
    store.unassign_many([key("a"), key("b")], 0)
    assert requests(metrics) == (3, 1, 2)


def test_restored_sandboxes_count_no_assigns():
    entries = [Assigned(key(name), address, None, 0) for name, address in [("a", "10.0.0.1"), ("b", "10.9.9.9")]]
    journal = MemoryJournal()
    journal.record(tuple(entries))
    store, metrics = watched_store(*SINGLES, journal=journal)
    store.restore(0)
    store.assign_at(key("c"), "10.0.0.2", 0)
    found = values(metrics)
    assert requests(metrics) == (0, 0, 0)
    assert (found["awscni_assigned_ip_addresses"], found["vpcipam_quarantined_entries"]) == (2, 1)
    store.assign(key("d"), 0)
    assert requests(metrics) == (1, 0, 0)


def test_accepting_a_quarantined_sandbox_counts_no_assign():
    journal = MemoryJournal()
    journal.record((Assigned(key("a"), "10.0.0.5", None, 0),))
    store, metrics = watched_store(journal=journal)
    (entry,) = store.restore(0).quarantined
    assert values(metrics)["vpcipam_quarantined_entries"] == 1
    store.add_cidr("eni-0", "10.0.0.5/32")
    store.accept_quarantined(entry, 0)
    assert requests(metrics) == (0, 0, 0)
    assert values(metrics)["vpcipam_quarantined_entries"] == 0
    assert values(metrics)["awscni_assigned_ip_addresses"] == 1


def test_quarantined_addresses_do_not_count_as_assigned():
    journal = MemoryJournal()
    journal.record((Assigned(key("a"), "10.0.0.9", None, 0),))
    store, metrics = watched_store(*SINGLES, journal=journal)
    store.restore(0)
    store.add_cidr("eni-0", "10.0.0.9/32")
    found = values(metrics)
    assert found["awscni_assigned_ip_addresses"] == 0
    assert found["awscni_assigned_ip_per_cidr"] == dict.fromkeys((*SINGLES, "10.0.0.9/32"), 0)


# --- threads -------------------------------------------------------------------------------------------------------------


def test_no_event_of_several_threads_is_lost():
    store, metrics = watched_store(*(f"10.0.0.{last}/32" for last in range(16)), cooldown_ns=0)

    def pods(thread):
        for number in range(200):
            store.assign(key(f"{thread}-{number}"), number)
            store.unassign(key(f"{thread}-{number}"), number)

    run_at_once(*(lambda thread=thread: pods(thread) for thread in range(4)))
    assert requests(metrics) == (800, 0, 800)


def test_counting_waits_for_its_lock():
    _, metrics = watched_store(*SINGLES)
    thread = threading.Thread(target=metrics, args=(AssignRefused(0, 0, key("a"), None, "no"),))
    with metrics._lock:
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
    thread.join()
    assert requests(metrics) == (1, 1, 0)


def test_a_scrape_is_consistent_while_other_threads_change_the_datastore():
    store, metrics = watched_store(*(f"10.0.0.{last}/32" for last in range(16)), cooldown_ns=0)
    done = threading.Event()

    def pods():
        for number in range(300):
            store.assign(key(number), number)
            add_eni(store, "eni-1", "10.0.1.16/28", device_number=1)
            store.remove_eni("eni-1", force=True, now_ns=number)
            store.unassign(key(number), number)
        done.set()

    def look():
        while not done.is_set():
            found = values(metrics, 400)
            assert sum(found["awscni_assigned_ip_per_eni"].values()) == found["awscni_assigned_ip_addresses"]
            assert sum(found["awscni_assigned_ip_per_cidr"].values()) == found["awscni_assigned_ip_addresses"]
            assert found["awscni_del_ip_req_count"]["PodDeleted"] <= found["awscni_add_ip_req_count"]

    run_at_once(pods, look, look)


def test_a_scrape_in_a_callback_does_not_deadlock():
    seen = []
    metrics = IpamMetrics()

    def on_event(event):
        metrics(event)
        seen.append(values(metrics)["awscni_assigned_ip_addresses"])

    store = Datastore(on_event=on_event)
    metrics.watch(store)
    add_eni(store, "eni-0", "10.0.0.5/32")
    store.assign(key("a"), 0)
    assert seen == [0, 0, 1]
