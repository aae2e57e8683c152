"""ipam.json and ipamd's introspection: what is read of them, what is refused, and what is skipped."""

import json

import pytest
from node_answers import NEVER

from vpcipam.inspection.evidence import EniConfig, NodePod
from vpcipam.inspection.releases import Releases
from vpcipam.sandbox import PodRef, SandboxKey

ENTRY = {"networkName": "aws-cni", "containerID": "c1", "ifName": "eth0", "ipv4": "10.0.0.5"}
VERSION = "vpc-cni-ipam/1"


def checkpoint(*entries):
    return {"version": VERSION, "allocations": list(entries)}


def old(**addresses):
    """An answer of /v1/enis before v1.0."""
    listed = {name.replace("_", "."): value for name, value in addresses.items()}
    return {"TotalIPs": 1, "AssignedIPs": 1, "ENIIPPools": {"eni-1": {"Id": "eni-1", "DeviceNumber": 1, "IPv4Addresses": listed}}}


# --- ipam.json -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "since"),
    [
        (ENTRY, "v1.7.0"),
        ({"networkName": "n", "containerID": "c", "ifName": "i", "ipv6": "2001:db8::1"}, "v1.10.0"),
        (ENTRY | {"allocationTimestamp": 7}, "v1.11.0"),
        (ENTRY | {"metadata": {"interfacesCount": 1}}, "v1.20.0"),
    ],
)
def test_the_release_of_a_checkpoint_is_that_of_its_newest_entry(read, entry, since):
    (document,) = read(checkpoint(ENTRY | {"containerID": "c0", "ipv4": "10.0.0.9"}, entry)).documents
    assert document.releases == Releases(since)


def test_a_checkpoint_with_a_wrong_version_is_read_with_a_remark(read):
    evidence = read({"version": "x", "allocations": [ENTRY]})
    assert evidence.documents[0].remarks == ("its version is unknown; vpc-cni-ipam/1 is expected",)
    assert len(evidence.allocations) == 1


def test_a_checkpoint_may_have_null_for_its_list(read):
    evidence = read({"version": VERSION, "allocations": None})
    assert (evidence.allocations, evidence.skipped) == ((), ())


def test_entries_that_contradict_each_other_are_all_kept(read, skipped):
    evidence = read(checkpoint(ENTRY, ENTRY | {"containerID": "c2"}, ENTRY | {"ipv4": "10.0.0.6"}))
    assert [each.value.address for each in evidence.allocations] == ["10.0.0.5", "10.0.0.5", "10.0.0.6"]
    assert skipped(evidence) == []


def test_entries_that_are_unreadable_or_repeated_are_skipped(read, skipped):
    evidence = read(checkpoint(ENTRY, ENTRY, ENTRY | {"ipv4": "10.0.0.x", "containerID": "c3"}, 7))
    assert len(evidence.allocations) == 1
    assert [why for _, why in skipped(evidence)] == [
        "it says the same as .allocations[0]",
        "'10.0.0.x' is not an IP address",
        "must be an object, not a number",
    ]
    assert skipped(evidence)[-1][0] == "file-0, line 1, .allocations[3]"


def test_a_checkpoint_without_a_list_is_skipped(read, skipped):
    assert skipped(read({"version": VERSION, "allocations": "x"})) == [("file-0, line 1, .allocations", "must be a list, not text")]


def test_allocations_that_were_cut_out_are_read(read):
    evidence = read('"ipv4":"10.0.0.1"},{"networkName":"aws-cni","containerID":"c1","ifName":"eth0","ipv4":"10.0.0.5"}]}')
    assert [each.value.address for each in evidence.allocations] == ["10.0.0.5"]


def test_a_list_of_allocations_that_breaks_off_keeps_the_whole_ones(read):
    evidence = read(
        '{"version":"vpc-cni-ipam/1","allocations":[{"networkName":"n","containerID":"c","ifName":"i","ipv4":"10.0.0.5"},{"netw'
    )
    assert [each.value.key for each in evidence.allocations] == [SandboxKey("n", "c", "i")]
    assert len(evidence.skipped) == 2


def test_the_form_of_documentation_is_refused(read, skipped):
    evidence = read({"allocations": {"10.0.0.5": {"podName": "x"}}}, {"ENIs": {"eni-1": {"ENIID": "eni-1", "MAC": "x"}}})
    assert evidence.documents == ()
    assert {why for _, why in skipped(evidence)} == {"no release ever wrote it in this form, which stands in documentation only"}


def test_an_address_with_two_allocations_is_joined_to_none(read):
    card = {"ENIs": {"eni-1": {"ID": "eni-1", "AvailableIPv4Cidrs": {"10.0.0.5/32": {"IPAddresses": {"10.0.0.5": held("")}}}}}}
    joined = read({"0": card}, checkpoint(ENTRY), checkpoint(ENTRY | {"containerID": "c2"})).held_addresses()
    assert [each.key and each.key.container_id for each in joined] == [None, "c1", "c2"]


def test_an_allocation_of_another_sandbox_is_not_joined(read):
    card = {"ENIs": {"eni-1": {"ID": "eni-1", "AvailableIPv4Cidrs": {"10.0.0.5/32": {"IPAddresses": {"10.0.0.5": held("c9")}}}}}}
    assert [each.key.container_id for each in read(card, checkpoint(ENTRY)).held_addresses()] == ["c9", "c1"]


# --- /v1/enis ------------------------------------------------------------------------------------------------------------


def held(container_id, **others):
    key = {"networkName": "aws-cni", "containerID": container_id, "ifName": "eth0" if container_id else ""}
    return {"IPAMKey": key, "IPAMMetadata": {}, "AssignedTime": "", "UnassignedTime": NEVER} | others


def enis(addresses, **eni):
    return {"ENIs": {"eni-1": {"ID": "eni-1", "AvailableIPv4Cidrs": {"10.0.0.0/28": {"IPAddresses": addresses}}} | eni}}


@pytest.mark.parametrize("time", ["", NEVER, "2026-13-01T00:00:00Z", "yesterday", 7])
def test_an_unreadable_time_is_none(read, time):
    (fact,) = read(enis({"10.0.0.5": held("c1", AssignedTime=time)})).enis
    (state,) = fact.value.held
    assert (state.assigned_ns, state.unassigned_ns) == (None, None)
    assert fact.value.cidrs[0].is_prefix


@pytest.mark.parametrize(
    ("addresses", "place", "why"),
    [
        ({"10.0.0.x": held("c1")}, "10.0.0.x", "is no address"),
        ({"10.0.0.5": 7}, "10.0.0.5", "an address must be an object, not a number"),
        ({"10.0.0.5": {}}, "10.0.0.5", "does not say whether a sandbox holds it: it has neither Assigned nor IPAMKey"),
        ({"10.0.0.5": {"Assigned": "yes"}}, "10.0.0.5", "its member Assigned must be true or false, not 'yes'"),
    ],
)
def test_unreadable_addresses_are_skipped(read, skipped, addresses, place, why):
    path = f'.ENIs.eni-1.AvailableIPv4Cidrs["10.0.0.0/28"].IPAddresses["{place}"]'
    assert skipped(read(enis(addresses))) == [(f"file-0, line 1, {path}", why)]


def test_unreadable_enis_and_cidrs_are_skipped(read, skipped):
    evidence = read({"ENIs": {"eni-0": 7, "eni-1": {"AvailableIPv4Cidrs": {"10.X.X.192/28": {}, "10.0.0.5/32": None}, "ID": "eni-2"}}})
    assert [why.partition(":")[0] for _, why in skipped(evidence)] == [
        "an ENI must be an object, not a number",
        "is listed under this name, but its ID is 'eni-2'; it counts under its name",
        "'10.X.X.192/28' is not a CIDR such as 10.0.1.16/28",
        "a CIDR must be an object, not nothing",
    ]


def test_addresses_before_v1_7_are_held_or_not(read, skipped):
    evidence = read(old(**{"10_0_0_5": {"Assigned": True}, "10_0_0_6": {"Assigned": False}, "10_0_0_7": {"Assigned": 1}}))
    assert [each.address for each in evidence.held_addresses()] == ["10.0.0.5"]
    assert evidence.documents[0].releases == Releases("", "v1.0.0")
    assert [why for _, why in skipped(evidence)] == ["its member Assigned must be true or false, not a number"]


def test_a_shape_of_several_releases_is_remarked(read):
    answer = old(**{"10_0_0_5": {"Assigned": True}})
    answer["ENIIPPools"]["eni-1"]["AvailableIPv4Cidrs"] = {}
    (document,) = read(answer).documents
    assert str(document.releases) == "none"
    assert document.remarks == ("no release writes all that is in it, so it was put together from several, or by hand",)


def test_an_eni_in_which_the_text_breaks_off_is_marked(read):
    evidence = read('{"ENIs": {"eni-1": {"ID": "eni-1", "AvailableIPv4Cidrs": {"10.0.0.5/32": {"IPAddresses": {}}, "10.0.0.6/32": {"IPAdd')
    (fact,) = evidence.enis
    assert fact.value.cut
    assert [each.cidr for each in fact.value.cidrs] == ["10.0.0.5/32", "10.0.0.6/32"]


@pytest.mark.parametrize("end", ['"networkName": "aws-cni"', '"networkName": "aws-cni", "containerID": "c1"', '"networkName": ""'])
def test_an_address_in_which_the_text_breaks_off_is_not_read(read, skipped, end):
    text = '{"ENIs": {"eni-1": {"ID": "eni-1", "AvailableIPv4Cidrs": {"10.0.0.5/32": {"IPAddresses": {"10.0.0.5": {"IPAMKey": {' + end
    evidence = read(text)
    assert evidence.enis[0].value.cidrs[0].addresses == ()
    place = '.ENIs.eni-1.AvailableIPv4Cidrs["10.0.0.5/32"].IPAddresses["10.0.0.5"]'
    assert skipped(evidence)[0] == (f"file-0, line 1, {place}", "the text breaks off within it")


def test_a_pod_and_an_allocation_in_which_the_text_breaks_off_are_not_read(read):
    pods = read('{"web-1_default_c1": {"IP": "10.0.0.5", "DeviceNumber": 0}, "web-2_default_c2": {"IP": "10.0.0.6", "DeviceNumber": 1')
    assert [each.value.address for each in pods.node_pods] == ["10.0.0.5"]
    allocations = read(json.dumps(checkpoint(ENTRY | {"allocationTimestamp": 1234}))[:-4])
    assert allocations.allocations == ()


def test_yaml_by_network_card_is_read(read):
    for quote in ("'", '"'):
        text = f"{quote}0{quote}:\n  ENIs:\n    eni-1:\n      ID: eni-1\n"
        assert [each.value.network_card for each in read(text).enis] == [0]


def test_an_eni_without_its_id_counts_under_its_name(read):
    (fact,) = read({"ENIs": {"eni-1": {"AvailableIPv4Cidrs": {}}}}).enis
    assert fact.value.eni_id == "eni-1"


def test_what_is_never_shown_is_told_once_for_each_kind(read):
    told = read(checkpoint(ENTRY), checkpoint(ENTRY)).cannot_show
    assert len(told) == len(set(told)) == 3
    assert {kind for kind, _ in told} == {"ipamd's checkpoint (ipam.json)"}


def test_what_shapes_never_show_is_told(read):
    (before,) = read(old(**{"10_0_0_5": {"Assigned": True}})).documents
    assert any("sandbox" in text for text in before.cannot_show)
    assert any(text.startswith("cooldowns") for text in before.cannot_show)
    (after,) = read({"0": enis({"10.0.0.5": held("")}, RouteTableID=2, SubnetID="subnet-1")}).documents
    assert after.releases == Releases("v1.23.0")
    assert any("ipam.json of the same node names it" in text for text in after.cannot_show)


# --- /v1/pods, /v1/eni-configs and others ----------------------------------------------------------------------------------


def test_pods_are_read(read, skipped):
    evidence = read({"web-1_default_c1": {"IP": "10.0.0.5", "DeviceNumber": 0}, "web-2_default_": {"IP": "x.x.x.x", "DeviceNumber": 0}})
    assert [each.value for each in evidence.node_pods] == [NodePod(PodRef("default", "web-1"), "c1", "10.0.0.5", 0)]
    assert skipped(evidence) == [("file-0, line 1, .web-2_default_", "its IP is unreadable: 'x.x.x.x'")]


def test_eni_configs_are_read_in_both_forms(read):
    evidence = read({"ENI": {"a": {"subnet": "subnet-1", "securityGroups": ["sg-1", 7]}, "b": None}, "MyENI": "a"}, ' "us-east-1a"\n')
    assert [each.value for each in evidence.eni_configs] == [
        EniConfig("a", "subnet-1", ("sg-1",)),
        EniConfig("b"),
        EniConfig("us-east-1a"),
    ]
    assert [each.releases for each in evidence.documents] == [Releases("", "v1.8.0"), Releases("v1.8.0")]


def test_the_list_of_paths_says_that_there_are_no_pods(read):
    (document,) = read({"AvailableCommands": ["/v1/enis"]}).documents
    assert document.cannot_show == ("anything about the node: from v1.7 there is no /v1/pods",)
