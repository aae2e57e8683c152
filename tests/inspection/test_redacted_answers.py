"""EC2's answers with one part redacted or missing, as people pass them on: the run goes on, and a finding says what is missing."""

import copy
from collections.abc import Mapping

import pytest

from vpcipam.ec2.answers import read_instance, read_network_interface, read_subnet
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.boto import BotoEc2
from vpcipam.ec2.fake import fake_client
from vpcipam.inspection.audit import audit_survey
from vpcipam.inspection.finding import Severity
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.survey import survey
from vpcipam.settings import Settings

MISSING = object()
CHANGES = ("x.x.x.x", "<redacted>", None, MISSING)
ANSWERS = {
    "describe_instances": "Reservations",
    "describe_network_interfaces": "NetworkInterfaces",
    "describe_subnets": "Subnets",
    "get_subnet_cidr_reservations": "SubnetIpv4CidrReservations",
}
# Members that only an instance of a known type has, or without which nothing is left to read.
NEEDED = {"InstanceType", "Instances"}
# What the library uses, and can't be empty.
USED = {
    "NetworkInterfaceId",
    "SubnetId",
    "VpcId",
    "DeviceIndex",
    "PrivateIpAddress",
    "Primary",
    "CidrBlock",
    "AvailableIpAddressCount",
    "Status",
}
UNUSED = {("Attachment", "Status")}


def plain(value):
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value


def paths(value, path=()):
    """The paths of all members and items within."""
    for name, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, name)
        yield from paths(each, (*path, name))


def changed(answer, path, change):
    answer = copy.deepcopy(answer)
    inner = answer
    for name in path[:-1]:
        inner = inner[name]
    if change is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = change
    return answer


class Redacting:
    """A client of EC2 that gives the answers of another one, or those in `instead`."""

    def __init__(self, client):
        self._client = client
        self.meta = client.meta
        self.answers = {}
        self.instead = {}

    def __getattr__(self, method):
        def call(**arguments):
            asked = (method, repr(sorted(arguments.items())))
            if asked not in self.answers:
                self.answers[asked] = plain(getattr(self._client, method)(**arguments))
            return self.instead.get(asked, self.answers[asked])

        return call


@pytest.fixture
def world(account):
    here = account("m5.large", {"ENABLE_PREFIX_DELEGATION": "true", "WARM_PREFIX_TARGET": "1"}, pods=17)
    here.model.assign_private_ip_addresses(here.node.datastores[0].eni_ids[0], secondary_ip_count=1, now_ns=here.now_ns)
    here.leave()
    client = Redacting(fake_client("ec2", here.model))
    return here, client, lambda: read_node(BotoEc2(client), here.instance_id, now_ns=here.now_ns)


def test_one_redacted_part_does_not_end_the_run(world):
    here, client, read = world
    before = {found.rule for found in audit_survey(survey(read(), here.settings))}
    tried, unnoticed = 0, []
    for asked, answer in list(client.answers.items()):
        into = ANSWERS[asked[0]]
        for path in paths(answer[into], (into,)):
            if path[-1] in NEEDED or len(path) == 2 or path[2:-1] == ("Instances",):
                continue
            for change in CHANGES:
                client.instead = {asked: changed(answer, path, change)}
                seen = survey(read(), here.settings)
                found = audit_survey(seen)
                seen.to_dict()
                tried += 1
                used = (
                    path[-1] in USED
                    and change in (None, MISSING)
                    and path[-2:] not in UNUSED
                    and not (path[-1] == "PrivateIpAddress" and "PrivateIpAddresses" not in path)
                )
                if used and not {each.rule for each in found} - before:
                    unnoticed.append((asked[0], path, change))
    assert tried > 500
    assert unnoticed == []


@pytest.mark.parametrize("change", CHANGES)
def test_an_answer_without_its_list_is_refused(world, change):
    _, client, read = world
    read()
    for asked, answer in list(client.answers.items()):
        if asked[0] == "get_subnet_cidr_reservations" and change in (None, MISSING):
            continue  # it has two lists, for IPv4 and IPv6
        lists = [(ANSWERS[asked[0]],)] + ([("Reservations", 0), ("Reservations", 0, "Instances")] if "Reservations" in answer else [])
        for path in lists:
            if change is MISSING and path[-1] == 0:
                continue  # no instance is then left
            client.instead = {asked: changed(answer, path, change)}
            with pytest.raises(Ec2Error, match="UnreadableAnswer: the answer has no list"):
                read()


def test_a_redacted_address_takes_its_slot_and_is_one_finding(world):
    here, client, read = world
    whole = survey(read(), here.settings)
    client.instead = {
        asked: changed(answer, ("NetworkInterfaces", 0, "PrivateIpAddresses", 1, "PrivateIpAddress"), "x.x.x.x")
        for asked, answer in client.answers.items()
        if "attachment.instance-id" in asked[1]
    }
    seen = survey(read(), here.settings)
    assert seen.enis[0].slot_count == whole.enis[0].slot_count
    (found,) = [each for each in set(audit_survey(seen)) - set(audit_survey(whole)) if each.severity is Severity.FINDING]
    assert (found.rule, found.where) == ("invalid-cidr", seen.enis[0].eni.eni_id)
    assert "'x.x.x.x'" in found.message


def test_all_members_of_an_answer_can_be_missing():
    eni = read_network_interface({})
    assert (eni.eni_id, eni.unreadable) == ("", ("NetworkInterfaceId", "SubnetId", "VpcId", "AvailabilityZone", "Status"))
    instance = read_instance({"NetworkInterfaces": [5], "LaunchTime": "yesterday"})
    assert instance.network_interfaces[0].attachment.device_index == -1
    assert {"InstanceId", "NetworkInterfaces", "Placement", "State.Name", "LaunchTime"} <= set(instance.unreadable)
    subnet = read_subnet({"AvailableIpAddressCount": True, "Tags": [{"Key": "a"}]})
    assert subnet.available_ip_address_count == 0
    assert {"AvailableIpAddressCount", "Tags.Value"} <= set(subnet.unreadable)


def test_an_attachment_that_cannot_be_read_has_an_unknown_place(world):
    _, client, read = world
    read()
    client.instead = {
        asked: changed(answer, ("NetworkInterfaces", 0, "Attachment"), MISSING)
        for asked, answer in client.answers.items()
        if "attachment.instance-id" in asked[1]
    }
    node = read()
    (eni,) = [eni for eni in node.enis if eni.unreadable]
    assert (eni.unreadable, eni.attachment.device_index) == (("Attachment.InstanceId",), -1)
    assert "unreadable-answer" in {found.rule for found in audit_survey(survey(node, Settings()))}
