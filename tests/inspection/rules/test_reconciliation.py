"""EC2 against ipamd: what each says, and what it keeps quiet about. `test_broken_clusters.py` breaks each rule in random clusters."""

import json

import pytest
from clusters import Cluster, documents, evidence

from vpcipam.inspection import audit


@pytest.fixture
def cluster():
    made = Cluster.make("m5.large")
    for _ in range(12):
        made.pod(made.nodes[0])
    made.wait(10)
    return made


def found(made, **options):
    return {each.rule: each for each in audit(evidence(made, **options)).findings}


def enis_of(cluster, made):
    return made[f"{cluster.nodes[0].name}/enis.json"]["0"]["ENIs"]


def test_an_eni_that_is_gone_tells_how_many_addresses_are_held(cluster):
    made = documents(cluster)
    second = list(enis_of(cluster, made))[1]
    enis = made["network-interfaces"]["NetworkInterfaces"]
    made["network-interfaces"]["NetworkInterfaces"] = [each for each in enis if each["NetworkInterfaceId"] != second]
    del made["instances"]
    gone = found(made)["eni-gone"]
    assert gone.where == second
    assert "sandboxes hold 3 addresses of it" in gone.message
    assert [source.file.rpartition("/")[2] for source in gone.sources] == ["enis.json", "network-interfaces.json"]


def test_enis_that_are_only_a_part_are_not_enough(cluster):
    made = documents(cluster)
    made["network-interfaces"]["NextToken"] = "more"
    del made["instances"]
    assert "eni-gone" in {each.rule for each in audit(evidence(made)).unchecked}
    del made["network-interfaces"]["NextToken"]
    made["network-interfaces"]["NetworkInterfaces"] = made["network-interfaces"]["NetworkInterfaces"][1:]
    assert "eni-gone" in {each.rule for each in audit(evidence(made)).unchecked}


def test_what_ipamd_lacks_is_a_note(cluster):
    made = documents(cluster)
    enis = enis_of(cluster, made)
    lost = list(enis)[1]
    del enis[lost]
    notes = found(made)
    assert (notes["eni-unknown-to-ipamd"].severity, notes["eni-unknown-to-ipamd"].where) == ("note", lost)
    made = documents(cluster)
    cidrs = enis_of(cluster, made)[lost]["AvailableIPv4Cidrs"]
    free = next(text for text, each in cidrs.items() if not each["IPAddresses"])
    del cidrs[free]
    note = found(made)["address-unknown-to-ipamd"]
    assert (note.severity, note.where) == ("note", lost)
    assert note.message == f"has {free.removesuffix('/32')} in EC2, and ipamd does not have it in its datastore"


def test_enis_of_other_kinds_and_unmanaged_ones_are_not_missing():
    for arguments in ({"interface_type": "trunk"}, {"tags": (("node.k8s.amazonaws.com/no_manage", "true"),)}):
        made = Cluster.make("m5.xlarge")
        eni = made.model.create_network_interface(subnet_id=made.subnet_id, now_ns=made.now_ns, **arguments)
        index = made.model.describe_instance(made.nodes[0].instance_id, now_ns=made.now_ns).free_device_index(0)
        made.model.attach_network_interface(eni.eni_id, made.nodes[0].instance_id, device_index=index, now_ns=made.now_ns)
        assert not {"eni-unknown-to-ipamd", "address-unknown-to-ipamd"} & found(documents(made)).keys()


def test_unreadable_addresses_are_not_compared(cluster):
    made = documents(cluster)
    for eni in made["network-interfaces"]["NetworkInterfaces"]:
        for each in eni["PrivateIpAddresses"]:
            each["PrivateIpAddress"] = "x.x.x.x"
    del made["instances"]
    assert not {"address-gone", "address-elsewhere", "address-unknown-to-ipamd"} & found(made).keys()


def test_an_eni_without_a_readable_place_has_no_other_device_number(cluster):
    made = documents(cluster)
    for eni in made["network-interfaces"]["NetworkInterfaces"]:
        eni["Attachment"]["DeviceIndex"] = "?"
    assert "device-number-differs" not in found(made)


def test_an_address_of_another_node_names_its_instance():
    made = Cluster.make("t3.small", "t3.small")
    made.wait(5)
    written = documents(made)
    first, second = made.nodes
    own = written[f"{first.name}/enis.json"]["0"]["ENIs"]
    theirs = next(iter(next(iter(written[f"{second.name}/enis.json"]["0"]["ENIs"].values()))["AvailableIPv4Cidrs"]))
    eni_id = next(iter(own))
    own[eni_id]["AvailableIPv4Cidrs"][theirs] = {"IPAddresses": {}, "IsPrefix": False}
    elsewhere = found(written)["address-elsewhere"]
    assert elsewhere.message.endswith(f"EC2 shows it on {second.datastore.eni_ids[0]} of {second.instance_id}")
    assert elsewhere.suggestion.startswith("cordon the node")


def test_a_text_that_breaks_off_lacks_nothing(cluster):
    made = documents(cluster)
    name = f"{cluster.nodes[0].name}/enis.json"
    text = json.dumps(made[name])
    made[name] = text[: text.rindex('"AvailableIPv4Cidrs"') + 60]
    quiet = {"eni-unknown-to-ipamd", "address-unknown-to-ipamd", "only-in-checkpoint", "checkpoint-outside-pool", "not-in-checkpoint"}
    assert not quiet & found(made).keys()


@pytest.mark.parametrize("number", [0, 2])
def test_a_lower_and_a_higher_device_number_differ(cluster, number):
    made = documents(cluster)
    second = list(enis_of(cluster, made))[1]
    place = cluster.model.describe_network_interfaces(eni_ids=[second], now_ns=cluster.now_ns)[0].attachment.device_index
    enis_of(cluster, made)[second]["DeviceNumber"] = number + (number == place)
    assert found(made)["device-number-differs"].message == (
        f"has device number {number + (number == place)} in ipamd's datastore, and {place} in EC2"
    )
