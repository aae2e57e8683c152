"""The agent: requests, ticks and restarts, over a kernel that is a folder. It is killed in test_kills.py."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from nodes_to_run import QUIET, Account, Plugin, S, request

from vpcipam import SandboxKey
from vpcipam.agent import agent, cni
from vpcipam.agent.notes import leave_note, notes
from vpcipam.errors import JournalError, VpcIpamError
from waiting import Held


def restarted(plugin, now_ns=0, **options):
    """The plugin of a new agent, after the old one has ended."""
    for journal in plugin.agent.journals:
        journal.close()
    made = Plugin(plugin.account, plugin.account.agent(**options))
    made.now_ns = now_ns
    made.agent.start(now_ns)
    return made


def error(answer):
    return answer["error"]["code"]


# --- ADD -----------------------------------------------------------------------------------------------------------------


def test_an_add_gives_an_address_and_wires_it(plugin):
    (attachment,) = plugin.add("c1", "web-0")["attachments"]
    kernel = plugin.account.kernel()
    assert plugin.addresses() == {"c1": attachment["address"]}
    assert [*kernel.links] == [attachment["host_name"]]
    assert kernel.routes == {attachment["address"]: attachment["host_name"]}


def test_an_add_that_is_repeated_gives_the_same_address(plugin):
    assert plugin.add("c1", "web-0") == plugin.add("c1", "web-0")
    assert len(plugin.account.kernel().links) == 1


@pytest.mark.parametrize("broken", ["connect", "connect late"])
def test_an_add_that_fails_leaves_nothing(plugin, broken):
    kernel = plugin.account.kernel()
    plugin.agent._wiring.broken.add(broken)
    assert error(plugin.add("c1", "web-0")) == cni.INTERNAL_ERROR
    assert (plugin.addresses(), kernel.links, kernel.routes) == ({}, {}, {})


def test_an_add_that_can_not_be_undone_reports_why_it_failed(plugin):
    plugin.agent._wiring.broken.update({"connect", "disconnect"})
    assert plugin.add("c1")["error"]["msg"] == "connect is broken"
    assert any("can't undo the ADD of pods/c1/eth0" in line for line in plugin.account.lines)


@pytest.mark.parametrize("broken", ["connect", "connect late"])
def test_a_repeated_add_that_fails_keeps_the_address(plugin, broken):
    """Its other namespace may be none, while the pod lives in the first."""
    plugin.add("c1", "web-0")
    before = plugin.addresses()
    plugin.agent._wiring.broken.add(broken)
    assert error(plugin.add("c1", "web-0", netns=plugin.account.netns("other"))) == cni.INTERNAL_ERROR
    assert plugin.addresses() == before


def test_an_interface_that_exists_is_an_error(plugin):
    netns = plugin.account.netns("shared")
    plugin.add("c1", "web-0", netns=netns)
    assert error(plugin.add("c2", "web-1", netns=netns)) == cni.INTERNAL_ERROR
    assert [*plugin.addresses()] == ["c1"]


def test_a_new_sandbox_of_a_pod_takes_its_interface_over(plugin):
    plugin.add("c1", "web-0")
    plugin.add("c2", "web-0")
    assert len(plugin.account.kernel().links) == 1
    assert plugin.delete("c1") == {}
    assert [*plugin.addresses()] == ["c2"]
    assert plugin.check("c2") == {"addresses": [plugin.addresses()["c2"]]}


def test_a_pod_has_one_attachment(plugin):
    plugin.add("c1", "web-0")
    assert error(plugin.add("c1", "web-0", if_name="eth1")) == cni.NOT_AS_EXPECTED
    assert len(plugin.addresses()) == 1


def test_a_container_without_a_pod_can_have_several(plugin):
    for if_name in ("eth0", "eth1"):
        assert "attachments" in plugin.add("c1", if_name=if_name)
    assert len(plugin.account.kernel().links) == 2


def test_without_a_free_address_the_runtime_tries_again(plugin):
    added = [plugin.add(f"c{number}") for number in range(4)]
    assert ["attachments" in each for each in added] == [True, True, True, False]
    assert error(added[-1]) == cni.TRY_AGAIN
    assert error(plugin.status()) == cni.NOT_AVAILABLE
    plugin.agent.tick(5 * S)
    plugin.now_ns = 5 * S
    assert plugin.status() == {}
    assert "attachments" in plugin.add("c3")


def test_cooling_addresses_are_not_available(plugin):
    for number in range(3):
        plugin.add(f"c{number}")
    plugin.delete("c0")
    assert plugin.status()["error"]["details"] == "3 addresses, 1 of them cooling"
    plugin.now_ns = 30 * S
    assert plugin.status() == {}


def test_an_eni_without_an_interface_serves_no_pod(plugin):
    kernel, node = plugin.agent._wiring, plugin.agent.node
    for number in range(3):
        plugin.add(f"c{number}")
    before = {*node.datastores[0].eni_ids}
    kernel.ready = before
    plugin.agent.tick(5 * S)
    plugin.now_ns = 5 * S
    (new,) = {*node.datastores[0].eni_ids} - before
    refused = plugin.add("c3")
    assert error(refused) == cni.TRY_AGAIN
    assert new in refused["error"]["msg"]
    assert "c3" not in plugin.addresses()
    kernel.ready = None
    plugin.agent.tick(10 * S)
    plugin.now_ns = 40 * S
    assert "attachments" in plugin.add("c3")


# --- several requests at a time ------------------------------------------------------------------------------------------


@pytest.fixture
def in_threads():
    """Start calls in threads of their own, and wait for their answers."""
    with ThreadPoolExecutor() as threads:
        yield threads.submit


def test_pods_are_connected_at_the_same_time(plugin, in_threads, monkeypatch):
    """Each waits in the kernel until the other is there too."""
    kernel = plugin.agent._wiring
    connect, both, alone = kernel.connect, threading.Barrier(2), threading.Lock()

    def wait_and_connect(*args):
        both.wait(30)
        with alone:
            return connect(*args)

    monkeypatch.setattr(kernel, "connect", wait_and_connect)
    adds = [in_threads(plugin.add, container, f"pod-of-{container}") for container in ("c1", "c2")]
    assert all("attachments" in each.result(30) for each in adds)
    assert len({*plugin.addresses().values()}) == 2


@pytest.mark.parametrize("request_of", ["the sandbox", "a new sandbox of the pod"])
def test_requests_about_one_pod_wait_for_each_other(plugin, in_threads, monkeypatch, request_of):
    connect = Held(plugin.agent._wiring.connect)
    monkeypatch.setattr(plugin.agent._wiring, "connect", connect)
    first = in_threads(plugin.add, "c1", "web-0")
    assert connect.begun.wait(30)
    second = in_threads(plugin.delete, "c1") if request_of == "the sandbox" else in_threads(plugin.add, "c2", "web-0")
    assert not wait([second], timeout=0.1).done
    connect.go_on.set()
    assert "attachments" in first.result(30)
    assert "error" not in second.result(30)
    assert sorted(plugin.addresses()) == ([] if request_of == "the sandbox" else ["c1", "c2"])
    assert len(plugin.account.kernel().links) == len({*plugin.addresses()} - {"c1"})


# --- DEL, CHECK, GC, STATUS ----------------------------------------------------------------------------------------------


def test_a_deletion_leaves_nothing_and_can_be_repeated(plugin):
    plugin.add("c1", "web-0")
    for _ in range(2):
        assert plugin.delete("c1") == {}
        kernel = plugin.account.kernel()
        assert (plugin.addresses(), kernel.links, kernel.routes) == ({}, {}, {})


def test_a_deletion_that_fails_keeps_the_address(plugin):
    plugin.add("c1")
    plugin.agent._wiring.broken.add("disconnect")
    assert error(plugin.delete("c1")) == cni.INTERNAL_ERROR
    assert [*plugin.addresses()] == ["c1"]
    plugin.agent._wiring.broken.clear()
    assert plugin.delete("c1") == {}
    assert plugin.addresses() == {}


def test_a_journal_that_can_not_be_written_is_an_io_error(plugin, monkeypatch):
    def fail(*_):
        raise JournalError("the disk is full")

    monkeypatch.setattr(plugin.agent.journals[0], "record", fail)
    assert error(plugin.add("c1")) == cni.IO_ERROR
    assert plugin.account.kernel().links == {}


def test_a_check_says_what_is_missing(plugin):
    assert error(plugin.check("c1")) == cni.NOT_AS_EXPECTED
    plugin.add("c1")
    address = plugin.addresses()["c1"]
    assert plugin.check("c1") == {"addresses": [address]}
    assert error(plugin.check("c1", netns=plugin.account.netns("other"))) == cni.NOT_AS_EXPECTED
    (plugin.account.kernel().folder / "routes" / address).unlink()
    assert plugin.check("c1")["error"]["details"] == f"no route to {address}"


def test_gc_deletes_what_is_not_listed(plugin):
    for container in ("c1", "c2", "c3"):
        plugin.add(container)
    assert plugin.collect("c2", network="others") == {}
    assert len(plugin.addresses()) == 3
    assert plugin.collect("c2", "unknown") == {}
    assert [*plugin.addresses()] == ["c2"]
    assert len(plugin.account.kernel().routes) == 1


def test_gc_also_removes_what_nobody_holds(plugin):
    kernel = plugin.account.kernel()
    kernel._put("routes", "10.0.1.200", "lost")
    assert plugin.collect() == {}
    assert kernel.routes == {}


def test_gc_carries_on_after_errors(plugin):
    plugin.add("c1")
    plugin.add("c2")
    kernel = plugin.agent._wiring
    kernel.broken.update({"disconnect", "sweep"})
    answer = plugin.collect()
    assert answer["error"]["msg"] == "3 things can't be collected"
    assert answer["error"]["details"].count("broken") == 3
    kernel.broken.clear()
    assert plugin.collect() == {}
    assert plugin.addresses() == {}


# --- requests that make no sense -----------------------------------------------------------------------------------------

KEY = ["pods", "c1", "eth0"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        request("LIST"),
        request("ADD", key=KEY),
        request("ADD", key=KEY, pod=["default"], every_card=False),
        request("ADD", key=KEY, pod=["default", 5], every_card=False),
        request("ADD", key=KEY, pod=["default", "web-0"], every_card=1),
        request("ADD", key=["pods", "c1"], pod=["", ""], every_card=False),
        request("ADD", key=["pods", "", "eth0"], pod=["", ""], every_card=False),
        request("ADD", key=["pods", "c1", 5], pod=["", ""], every_card=False),
        request("ADD", key="pods", pod=["", ""], every_card=False),
        request("DEL"),
        request("DEL", key=None),
        request("GC", network="pods"),
        request("GC", network="pods", valid={}),
        request("GC", network="pods", valid=[["c1"]]),
        request("GC", network="pods", valid=["c1"]),
    ],
    ids=str,
)
def test_an_unreadable_request_changes_nothing(plugin, asked):
    plugin.add("c1")
    code = error(plugin.agent.answer(asked, plugin.account.netns("c1"), 0))
    assert code == (cni.DECODE_ERROR if "protocol" in asked else cni.VERSION_ERROR)
    assert [*plugin.addresses()] == ["c1"]


def test_a_plugin_of_another_release_is_refused(plugin):
    answer = plugin.agent.answer(request("STATUS") | {"protocol": 2}, None, 0)
    assert error(answer) == cni.VERSION_ERROR


@pytest.mark.parametrize("asked", [request("ADD", key=KEY, pod=["", ""], every_card=False), request("CHECK", key=KEY)], ids=str)
def test_a_request_about_a_namespace_has_one(plugin, asked):
    assert error(plugin.agent.answer(asked, None, 0)) == cni.DECODE_ERROR


def test_a_name_that_no_journal_stores_is_refused(plugin):
    asked = request("ADD", key=KEY, pod=["default", "\udc80"], every_card=False)
    assert error(plugin.agent.answer(asked, plugin.account.netns("c1"), 0)) == cni.ENVIRONMENT_ERROR
    assert plugin.addresses() == {}


# --- restarts ------------------------------------------------------------------------------------------------------------


def test_a_restart_keeps_the_pods(plugin):
    plugin.add("c1", "web-0")
    before = plugin.addresses()
    after = restarted(plugin)
    assert after.addresses() == before
    assert after.check("c1") == {"addresses": [*before.values()]}
    assert after.add("c1", "web-0")["attachments"][0]["address"] == before["c1"]


def test_a_restart_looks_at_the_kernel_no_more_often_for_many_pods(plugin):
    """A look at a node with a hundred pods takes a second."""
    counts = []
    for number in range(3):
        plugin = restarted(plugin)
        counts.append(plugin.agent._wiring.look_count)
        plugin.add(f"c{number}")
    assert counts == [2, 2, 2]


def test_a_restart_drops_a_sandbox_without_an_interface(plugin):
    plugin.add("c1", "web-0")
    plugin.add("c2", "web-1")
    (lost,) = {plugin.addresses()["c1"]}
    plugin.account.kernel().delete_namespace(plugin.account.netns("c1"))
    after = restarted(plugin)
    assert [*after.addresses()] == ["c2"]
    assert lost not in plugin.account.kernel().routes
    assert after.agent.node.datastores[0].cooling_count(0) == 1
    assert after.delete("c1") == {}


def test_a_restart_restores_what_the_host_lacks(plugin):
    plugin.add("c1")
    kernel = plugin.account.kernel()
    for address in kernel.routes:
        kernel._drop("routes", address)
    after = restarted(plugin)
    assert after.check("c1") == {"addresses": [*after.addresses().values()]}


def test_a_restart_carries_out_the_notes(plugin):
    plugin.add("c1", "web-0")
    plugin.add("c2", "web-1")
    for key in (("pods", "c1", "eth0"), ("pods", "never-added", "eth0")):
        leave_note(plugin.account.state, key)
    after = restarted(plugin)
    assert [*after.addresses()] == ["c2"]
    assert [*notes(plugin.account.state)] == []


def test_an_add_supersedes_a_note(plugin):
    """The deletion was carried out by another agent, or is of an earlier life of the container."""
    leave_note(plugin.account.state, ("pods", "c1", "eth0"))
    plugin.add("c1", "web-0")
    assert [*restarted(plugin).addresses()] == ["c1"]


def test_what_fails_for_one_sandbox_does_not_keep_the_agent_from_starting(plugin):
    """It is tried again at the next start, or at the next DEL."""
    for container in ("gone", "noted", "kept"):
        plugin.add(container)
    before = plugin.addresses()
    plugin.account.kernel().delete_namespace(plugin.account.netns("gone"))
    leave_note(plugin.account.state, ("pods", "noted", "eth0"))
    kernel = plugin.account.kernel()
    kernel.broken.update({"disconnect", "repair"})
    after = restarted(plugin, kernel=kernel)
    assert after.addresses() == before
    assert [*notes(plugin.account.state)] == [("pods", "noted", "eth0")]
    for what in ("can't clear what pods/gone/eth0 has left", "can't repair the network of pods/kept/eth0", "can't delete pods/noted/eth0"):
        assert any(line.startswith(what) for line in plugin.account.lines)
    again = restarted(after)
    assert [*again.addresses()] == ["kept"]


def test_a_start_without_a_working_kernel_fails(account):
    kernel = account.kernel()
    kernel.broken.add("set_up")
    agent = account.agent(kernel)
    with pytest.raises(VpcIpamError, match="set_up is broken"):
        agent.start(0)
    agent.journals[0].close()


def test_a_sandbox_whose_address_ec2_has_taken_can_be_deleted(plugin):
    """Its entry is in quarantine after the restart."""
    plugin.add("c1", "web-0")
    address = plugin.addresses()["c1"]
    plugin.account.ec2.unassign_private_ip_addresses(plugin.agent.node.datastores[0].eni_ids[0], addresses=(address,), now_ns=0)
    after = restarted(plugin)
    assert [entry.address for entry in after.agent.node.quarantined] == [address]
    assert error(after.add("c1", "web-0")) == cni.INTERNAL_ERROR
    assert after.delete("c1") == {}
    assert after.agent.node.quarantined == ()
    kernel = plugin.account.kernel()
    assert (kernel.links, kernel.routes) == ({}, {})


def test_gc_also_deletes_sandboxes_in_quarantine(plugin):
    plugin.add("c1")
    address = plugin.addresses()["c1"]
    plugin.account.ec2.unassign_private_ip_addresses(plugin.agent.node.datastores[0].eni_ids[0], addresses=(address,), now_ns=0)
    after = restarted(plugin)
    assert after.collect() == {}
    assert after.agent.node.quarantined == ()


# --- ticks ---------------------------------------------------------------------------------------------------------------


def test_an_address_that_ec2_takes_leaves_the_kernel(plugin):
    plugin.add("c1")
    address = plugin.addresses()["c1"]
    plugin.account.ec2.unassign_private_ip_addresses(plugin.agent.node.datastores[0].eni_ids[0], addresses=(address,), now_ns=0)
    for second in range(5, 130, 5):
        plugin.agent.tick(second * S)
    assert plugin.addresses() == {}
    assert plugin.account.kernel().routes == {}


def test_the_node_is_set_up_again_when_something_changes(plugin):
    kernel = plugin.agent._wiring
    assert len(kernel.set_ups) == 1
    plugin.agent.tick(5 * S)
    assert len(kernel.set_ups) == 1
    plugin.account.vpc_cidrs = ("10.0.0.0/16", "100.64.0.0/16")
    plugin.agent.tick(10 * S)
    assert len(kernel.set_ups) == 1  # the CIDRs were read less than a minute ago
    plugin.agent.tick(60 * S)
    assert kernel.set_ups[1:] == [(kernel.set_ups[0][0], plugin.account.vpc_cidrs)]


def test_a_set_up_that_fails_is_tried_again(plugin):
    kernel = plugin.agent._wiring
    kernel.broken.add("set_up")
    plugin.account.vpc_cidrs = ("10.0.0.0/16", "100.64.0.0/16")
    plugin.agent.tick(60 * S)
    assert plugin.account.lines[-1] == "can't set up the node: set_up is broken"
    kernel.broken.clear()
    plugin.agent.tick(65 * S)
    assert kernel.set_ups[-1][1] == plugin.account.vpc_cidrs


def test_new_enis_are_set_up_while_the_vpc_can_not_be_read(plugin, monkeypatch):
    def refuse():
        raise VpcIpamError("throttled")

    monkeypatch.setattr(plugin.agent, "_read_vpc_cidrs", refuse)
    for number in range(3):
        plugin.add(f"c{number}")
    plugin.agent.tick(60 * S)
    assert "can't read the CIDRs of the VPC: throttled" in plugin.account.lines
    enis, cidrs = plugin.agent._wiring.set_ups[-1]
    assert (len(enis), cidrs) == (2, plugin.account.vpc_cidrs)


def test_a_sweep_that_fails_is_tried_again(plugin):
    plugin.add("c1")
    address, kernel = plugin.addresses()["c1"], plugin.agent._wiring
    plugin.account.ec2.unassign_private_ip_addresses(plugin.agent.node.datastores[0].eni_ids[0], addresses=(address,), now_ns=0)
    kernel.broken.add("sweep")
    for second in range(5, 130, 5):
        plugin.agent.tick(second * S)
    assert address in kernel.routes
    kernel.broken.clear()
    plugin.agent.tick(130 * S)
    assert kernel.routes == {}


def test_a_tick_carries_out_the_notes(plugin):
    """A plugin that the agent did not answer in time has left one."""
    plugin.add("c1", "web-0")
    plugin.add("c2", "web-1")
    key = ("pods", "c1", "eth0")
    leave_note(plugin.account.state, key)
    plugin.agent._wiring.broken.add("disconnect")
    plugin.agent.tick(5 * S)
    assert ([*notes(plugin.account.state)], len(plugin.addresses())) == ([key], 2)
    plugin.agent._wiring.broken.clear()
    plugin.agent.tick(10 * S)
    assert ([*notes(plugin.account.state)], [*plugin.addresses()]) == ([], ["c2"])


def test_an_add_that_comes_first_supersedes_a_note_of_the_tick(plugin, in_threads, monkeypatch):
    """The tick has read the note, and waits for the ADD."""
    connect = Held(plugin.agent._wiring.connect)
    monkeypatch.setattr(plugin.agent._wiring, "connect", connect)
    add = in_threads(plugin.add, "c1", "web-0")
    assert connect.begun.wait(30)
    reads = iter([[("pods", "c1", "eth0")], []])
    monkeypatch.setattr(agent, "notes", lambda _: next(reads))
    tick = in_threads(plugin.agent.tick, 5 * S)
    assert not wait([tick], timeout=0.1).done
    connect.go_on.set()
    assert "attachments" in add.result(30)
    tick.result(30)
    assert [*plugin.addresses()] == ["c1"]


def test_notes_that_can_not_be_read_do_not_end_the_agent(plugin):
    (Path(plugin.account.state) / "deleted").touch()
    plugin.agent.tick(5 * S)
    assert plugin.account.lines[-1].startswith("can't read the notes: ")


# --- several network cards -----------------------------------------------------------------------------------------------


@pytest.fixture
def two_cards(tmp_path):
    account = Account(tmp_path, "c6in.32xlarge", settings={"ENABLE_MULTI_NIC": "true", "WARM_IP_TARGET": "2"})
    agent = account.agent()
    agent.start(0)
    yield Plugin(account, agent)
    account.close()


def test_a_pod_can_have_an_address_of_every_card(two_cards):
    added = two_cards.add("c1", "web-0", every_card=True)["attachments"]
    assert len(added) == 2
    assert len(two_cards.account.kernel().links) == 2
    assert restarted(two_cards).check("c1") == {"addresses": [each["address"] for each in added]}


def test_an_address_of_every_card_or_none(two_cards):
    for number in range(9):
        two_cards.add(f"c{number}")
    before = two_cards.addresses()
    assert error(two_cards.add("all", "web-0", every_card=True)) == cni.TRY_AGAIN
    assert two_cards.addresses() == before


def test_the_next_card_serves_when_the_first_is_empty(two_cards):
    first, second = two_cards.agent.node.datastores
    free = first.stats(0).available_count
    for number in range(free + 1):
        two_cards.add(f"c{number}")
    assert (first.sandbox_count, second.sandbox_count) == (free, 1)


def test_a_deletion_on_the_card_that_has_the_address(two_cards):
    for container in ("c1", "c2"):
        two_cards.add(container)
    assert two_cards.delete("c1") == {}
    assert [datastore.sandbox_count for datastore in two_cards.agent.node.datastores] == [1, 0]


def test_every_card_needs_the_setting(plugin):
    assert error(plugin.add("c1", every_card=True)) == cni.CONFIG_ERROR


# --- what it logs --------------------------------------------------------------------------------------------------------


def test_the_log_names_sandboxes_and_addresses(plugin):
    plugin.add("c1", "web-0")
    address = plugin.addresses()["c1"]
    plugin.delete("c1")
    assert plugin.account.lines[-2:] == [f"pods/c1/eth0 (default/web-0) has {address}", f"pods/c1/eth0 has given back {address}"]


def test_the_account_is_quiet(tmp_path):
    """The accounts of test_kills.py: EC2 stays as it is."""
    account = Account(tmp_path, addresses=3, settings=QUIET)
    agent = account.agent()
    agent.start(0)
    before = account.ec2.network_interfaces
    agent.tick(5 * S)
    assert account.ec2.network_interfaces == before
    assert agent.node.assign(SandboxKey("pods", "c1", "eth0"), 5 * S)
    agent.journals[0].close()
