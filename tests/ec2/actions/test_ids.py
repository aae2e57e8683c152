"""Ids that do not exist, and texts that are no ids: EC2 has other codes for the latter, but not for every kind."""

import pytest

from vpcipam.ec2.errors import Ec2Error
from vpcipam.ec2.model import Ec2Model

CALLS = {
    "instance": lambda ec2, name: ec2.describe_instances(instance_ids=[name], now_ns=0),
    "eni": lambda ec2, name: ec2.delete_network_interface(name, now_ns=0),
    "attachment": lambda ec2, name: ec2.detach_network_interface(name, now_ns=0),
    "group": lambda ec2, name: ec2.delete_security_group(name, now_ns=0),
    "subnet": lambda ec2, name: ec2.delete_subnet(name, now_ns=0),
    "VPC": lambda ec2, name: ec2.delete_vpc(name, now_ns=0),
    "allocation": lambda ec2, name: ec2.release_address(name, now_ns=0),
}
CODES = {
    "instance": ("i", "InvalidInstanceID.NotFound", "InvalidInstanceID.Malformed"),
    "eni": ("eni", "InvalidNetworkInterfaceID.NotFound", "InvalidNetworkInterfaceId.Malformed"),
    "attachment": ("eni-attach", "InvalidAttachmentID.NotFound", "InvalidNetworkInterfaceAttachmentId.Malformed"),
    "group": ("sg", "InvalidGroup.NotFound", "InvalidGroupId.Malformed"),
    "subnet": ("subnet", "InvalidSubnetID.NotFound", None),
    "VPC": ("vpc", "InvalidVpcID.NotFound", None),
    "allocation": ("eipalloc", "InvalidAllocationID.NotFound", None),
}
WRONG = ["", "{}", "{}-", "{}-xyz", "{}-A", "x-1", "1", "{}-1\n", "{}-1-1", "{}-" + 18 * "0", "{}-٣"]


def refusal(kind, name):
    with pytest.raises(Ec2Error) as caught:
        CALLS[kind](Ec2Model(), name)
    return caught.value


@pytest.mark.parametrize("digits", ["1", "0123abcd", "0123456789abcdef0"])
@pytest.mark.parametrize("kind", CALLS)
def test_an_id_that_does_not_exist_is_not_found(kind, digits):
    prefix, not_found, _ = CODES[kind]
    assert refusal(kind, f"{prefix}-{digits}").code == not_found


@pytest.mark.parametrize("form", WRONG)
@pytest.mark.parametrize("kind", CALLS)
def test_a_text_that_is_no_id_is_malformed_where_ec2_says_so(kind, form):
    prefix, not_found, malformed = CODES[kind]
    name = form.format(prefix)
    found = refusal(kind, name)
    assert found.code == (malformed or not_found)
    if malformed is not None:
        assert found.message == f'Invalid id: "{name}" (expecting "{prefix}-...")'


def test_the_first_text_that_is_no_id_is_named():
    with pytest.raises(Ec2Error, match='Malformed: Invalid id: "node-1"'):
        Ec2Model().describe_instances(instance_ids=["i-1", "node-1", "node-2"], now_ns=0)


@pytest.mark.parametrize(("name", "code"), [("i-1", "InvalidInstanceID.NotFound"), *((form.format("i"), "InvalidID") for form in WRONG)])
def test_what_is_no_id_of_any_kind_can_not_be_tagged(name, code):
    with pytest.raises(Ec2Error) as caught:
        Ec2Model().create_tags([name], [("a", "b")], now_ns=0)
    assert caught.value.code == code


def test_an_eni_is_no_attachment():
    assert refusal("attachment", "eni-1").code == "InvalidNetworkInterfaceAttachmentId.Malformed"
