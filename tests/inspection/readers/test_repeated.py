"""What was read twice, as of two instants: the later state counts."""

import json

from node_answers import NEVER

from vpcipam.inspection.audit import audit


def datastore(*eni_ids, total=1, assigned="2026-03-01T10:00:00Z"):
    key = {"networkName": "aws-cni", "containerID": "c1", "ifName": "eth0"}
    address = {"IPAMKey": key, "IPAMMetadata": {}, "AssignedTime": assigned, "UnassignedTime": NEVER}
    enis = {
        each: {"ID": each, "AvailableIPv4Cidrs": {f"10.0.{number}.5/32": {"IPAddresses": {f"10.0.{number}.5": address}}}}
        for number, each in enumerate(eni_ids)
    }
    return {"TotalIPs": total, "AssignedIPs": total, "ENIs": enis}


def enis_of(evidence):
    return [fact.value.eni_id for fact in evidence.enis]


def test_an_answer_that_was_appended_to_itself_counts_once(read, skipped):
    text = json.dumps(datastore("eni-1", "eni-2", total=2))
    for found in (read(text + text), read(text + "\n" + text), read(text, text)):
        assert enis_of(found) == ["eni-1", "eni-2"]
        assert len(found.cards) == 1
        assert len(found.held_addresses()) == 2
        (why,) = (why for _, why in skipped(found))
        assert why.startswith("are there again as of a later instant, in file-")
        assert audit(found).findings == ()


def test_the_datastore_with_the_later_times_counts_in_any_order(read):
    older, newer = datastore("eni-1", "eni-2", total=2), datastore("eni-1", "eni-3", total=2, assigned="2026-03-01T10:00:01Z")
    assert enis_of(read(older, newer)) == enis_of(read(newer, older)) == ["eni-1", "eni-3"]
    assert enis_of(read(datastore("eni-1"), datastore("eni-2"), datastore("eni-1", "eni-2", total=2))) == ["eni-1", "eni-2"]


def test_datastores_of_two_cards_and_of_two_nodes_stay_apart(read, skipped):
    found = read({"0": datastore("eni-1"), "1": datastore("eni-1")}, datastore("eni-2"))
    assert enis_of(found) == ["eni-1", "eni-1", "eni-2"]
    assert skipped(found) == []


def pod(name, address, **more):
    status = {"phase": "Running", "podIP": address}
    return {"kind": "Pod", "apiVersion": "v1", "metadata": {"namespace": "default", "name": name}, "spec": {}, "status": status} | more


def test_the_last_state_of_a_pod_counts(read):
    first, second = pod("web-1", "10.0.0.5"), pod("web-2", "10.0.0.6")
    later = [pod("web-1", "10.0.0.6"), pod("web-2", "10.0.0.5")]
    for found in (read([first, second], later), read("".join(map(json.dumps, [first, second, *later])))):
        assert [(fact.value.pod.name, fact.value.addresses) for fact in found.pods] == [("web-1", ("10.0.0.6",)), ("web-2", ("10.0.0.5",))]
        assert audit(found).findings == ()


def test_the_variables_of_a_pod_go_with_its_older_state(read):
    def aws_node(target):
        containers = [{"name": "aws-node", "env": [{"name": "WARM_IP_TARGET", "value": target}]}]
        return pod("aws-node-1", "10.0.0.4", spec={"nodeName": "n", "containers": containers})

    found = read(aws_node("1"), aws_node("2"))
    assert [fact.value.warm_ip_target for fact in found.settings] == [2]


def test_branch_enis_of_pods_without_a_name_all_count(read):
    lists = ([{"eniId": f"eni-{number}", "privateIp": f"10.0.0.{number}", "vlanId": number}] for number in (1, 2))
    assert len(read(*lists).pods) == 2
