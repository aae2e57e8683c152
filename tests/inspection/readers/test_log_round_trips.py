"""The logs that ipamd and its plugin would write of a random node of ours, verified: the same sandboxes and CIDRs, and no fault."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_texts import START, LogWriter, PluginWriter
from random_nodes import NODES, random_nodes

from vpcipam.events import AddressAssigned, AddressUnassigned, CidrAdded, CidrRemoved, EniAdded, EniRemoved, SandboxEvicted
from vpcipam.inspection.log.reader import LogReader
from vpcipam.inspection.log_verifier import LogVerifier
from vpcipam.inspection.verification import Answer
from vpcipam.inspection.verify import LogSource, verify

A_FEW = settings(max_examples=max(4, settings.default.max_examples // 4))  # each makes whole nodes
RELEASES = [(1, 10, 0), (1, 12, 6), (1, 16, 3), (1, 19, 6), (1, 20, 0), (1, 21, 2), (1, 23, 0)]
"""Each writes the lines about assigns in another way, and knows all kinds of nodes."""
BEGIN_MS = int(START.timestamp() * 1_000)


def of_sandbox(key):
    return {"key": f"{key.network_name}/{key.container_id}/{key.if_name}", "metadata": "{InterfacesCount:1}"}


def written(made, release):
    """Return ipamd.log and plugin.log of a node's life."""
    ipamd, plugin = LogWriter(release), PluginWriter(release)
    for now_ns, event in made.story:
        ipamd.ms = plugin.ms = now_ns // 1_000_000 - BEGIN_MS
        if event == "start":
            ipamd.write("start", version="v" + ".".join(map(str, release)))
            ipamd.write("instance", beginning="Found instance-type", type=made.node.limits.instance_type)
        elif event == "started":
            ipamd.write("recovery-done")
        elif isinstance(event, AddressAssigned | AddressUnassigned | SandboxEvicted):
            write_sandbox(ipamd, plugin, event)
        else:
            write_range(ipamd, event)
    return ipamd.data, plugin.data


def write_sandbox(ipamd, plugin, event):
    address, container = event.assignment.address, event.key.container_id
    if isinstance(event, AddressAssigned):
        if event.picked:  # not in a restart, of which the plugin knows nothing
            plugin.ask("add", container)
        ipamd.write("assigned", ip=address, **of_sandbox(event.key))
        if event.picked:
            plugin.answer("add", container, address)
        return
    ipamd.write("cleared", ip=address, **of_sandbox(event.key))
    if isinstance(event, AddressUnassigned):
        plugin.ask("del", container)
        ipamd.write("unassigned", ip=address, device=0, **of_sandbox(event.key))
        plugin.answer("del", container, address)


def write_range(ipamd, event):
    match event:
        case EniAdded():
            ipamd.write("eni-added", eni=event.eni_id)
        case EniRemoved():
            ipamd.write("eni-removed", eni=event.eni_id, free=0, total=0, assigned=0, prefixes=0)
        case CidrAdded():
            ipamd.write("cidr-added", beginning="Added", eni=event.eni_id, cidr=event.cidr)
        case CidrRemoved():
            ipamd.write("cidr-removed", eni=event.eni_id, cidr=event.cidr)


@pytest.mark.parametrize("name", sorted(NODES))
@A_FEW
@given(data=st.data(), release=st.sampled_from(RELEASES))
def test_the_logs_of_a_node_tell_what_it_has(name, data, release):
    made = data.draw(random_nodes((name,)))
    ipamd, plugin = written(made, release)
    log = LogVerifier()
    log.read(LogReader([ipamd]), "ipamd.log")
    log.finish()
    held = {used.key.container_id: address for card in made.cards for address, used in made.held(card).items()}
    assert {key.split("/")[1]: str(address) for key, address in log.record.state.held.items()} == held
    cidrs = {(eni.eni_id, cidr) for card in made.cards for eni in made.enis(card) for cidr in eni.cidrs}
    assert {(eni_id, str(cidr)) for cidr, eni_id in log.record.state.ranges.items()} == cidrs
    found = verify([LogSource("plugin.log", [plugin]), LogSource("ipamd.log", [ipamd])] if plugin else [LogSource("ipamd.log", [ipamd])])
    assert found.violations == ()
    if plugin:
        assert (found.answer, found.plugin.answer_count) == (Answer.KEPT, found.plugin.compared_count)
        assert found.plugin.lost_deletes == ()
