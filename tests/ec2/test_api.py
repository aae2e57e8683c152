"""The values and the error of the protocol."""

import copy
import pickle

import pytest

from vpcipam.ec2.api import NO_ROOM_FOR_SECONDARY, Attachment, Ec2Error, ErrorCode, Instance, LostAnswer, NetworkInterface


@pytest.mark.parametrize(
    ("code", "message", "out"),
    [
        (ErrorCode.INSUFFICIENT_FREE_ADDRESSES, "", True),
        (ErrorCode.INSUFFICIENT_CIDR_BLOCKS, "", True),
        (ErrorCode.INVALID_PARAMETER_VALUE, NO_ROOM_FOR_SECONDARY, True),
        (ErrorCode.INVALID_PARAMETER_VALUE, "SecondaryPrivateIpAddressCount is -1", False),
        (ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED, "", False),
        ("SomethingNew", NO_ROOM_FOR_SECONDARY, False),
    ],
)
def test_an_error_says_whether_the_subnet_is_out_of_addresses(code, message, out):
    assert Ec2Error(code, message, "CreateNetworkInterface").out_of_addresses is out


def test_an_error_shows_action_code_and_message():
    error = Ec2Error(ErrorCode.ENI_IN_USE, "Interface: [eni-1] in use.", "AttachNetworkInterface")
    assert str(error) == "AttachNetworkInterface: InvalidNetworkInterface.InUse: Interface: [eni-1] in use."
    assert (error.action, error.code, error.message) == ("AttachNetworkInterface", ErrorCode.ENI_IN_USE, "Interface: [eni-1] in use.")


@pytest.mark.parametrize("kind", [(Ec2Error,), (LostAnswer, ("eni-1",))])
def test_an_error_can_be_pickled(kind):
    made, *answer = kind
    error = made(ErrorCode.ENI_IN_USE, "Interface: [eni-1] in use.", "AttachNetworkInterface", *answer)
    error.add_note("of node-7")
    there = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert (type(there), str(there), vars(there)) == (made, str(error), vars(error))
    assert copy.copy(error).code is ErrorCode.ENI_IN_USE


def instance(*places):
    enis = tuple(
        NetworkInterface(
            eni_id=f"eni-{card}-{device}",
            subnet_id="subnet-1",
            vpc_id="vpc-1",
            availability_zone="us-east-1a",
            private_ip="10.0.0.4",
            attachment=Attachment("eni-attach-1", "i-1", device, card, delete_on_termination=True),
        )
        for card, device in places
    )
    return Instance("i-1", "m5.large", "subnet-1", enis)


@pytest.mark.parametrize(
    ("places", "card", "free"),
    [((), 0, 0), ([(0, 0)], 0, 1), ([(0, 0), (0, 2)], 0, 1), ([(0, 0), (0, 1)], 0, 2), ([(0, 0), (1, 1)], 1, 0), ([(0, 0), (1, 0)], 1, 1)],
)
def test_the_lowest_free_device_index_is_that_of_the_card(places, card, free):
    assert instance(*places).free_device_index(card) == free
