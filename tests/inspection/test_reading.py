"""Reading a node from EC2: what is read, and with which calls."""

from types import SimpleNamespace

import attrs
import pytest

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.boto import BotoEc2
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.errors import UnknownInstanceType
from vpcipam.inspection.live import evidence_of
from vpcipam.inspection.observed import placed
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.survey import survey
from vpcipam.limits import InstanceLimits, instance_limits
from vpcipam.node.interfaces import SUBNET_ROLE_TAG
from vpcipam.settings import Settings


def test_a_node_is_read_with_its_enis_their_tags_and_subnets(account):
    here = account("m5.large", pods=12)
    tagged = here.subnet("10.0.1.0/24", tags=((SUBNET_ROLE_TAG, "1"),))
    here.subnet("10.0.2.0/24", tags=((SUBNET_ROLE_TAG, "1"),), zone="us-east-1b")
    untagged = here.subnet("10.0.3.0/24")
    stranger = here.create(subnet_id=tagged)
    node = here.read()
    assert node.instance.instance_id == here.instance_id
    assert node.limits == instance_limits("m5.large")
    assert [eni.attachment.device_index for eni in node.enis] == [0, 1, 2]
    assert node.enis[1].tags
    assert node.unattached == ()
    assert len(node.subnets) == 4
    assert {subnet_id: len(enis) for subnet_id, enis in node.enis_by_subnet.items()} == {here.subnet_id: 3, tagged: 1}
    assert node.enis_by_subnet[tagged][0].eni_id == stranger
    assert node.subnet(untagged).cidr == "10.0.3.0/24"
    assert node.subnet("subnet-other") is None
    assert node.read_ns == here.now_ns


def test_reading_changes_nothing_and_takes_a_few_calls(account):
    here = account(pods=3)
    here.leave()
    before, counts = here.model.describe_network_interfaces(now_ns=0), here.model.call_counts
    here.read()
    calls = {action: count - counts.get(action, 0) for action, count in here.model.call_counts.items() if count > counts.get(action, 0)}
    assert calls == {"DescribeInstances": 1, "DescribeNetworkInterfaces": 3, "DescribeSubnets": 1, "GetSubnetCidrReservations": 1}
    assert here.model.describe_network_interfaces(now_ns=0) == before


def test_enis_are_ordered_by_card_and_device(account):
    here = account(InstanceLimits(instance_type="cards.test", eni_limit=4, ipv4_per_eni=4, network_cards=(4, 2)), start=False)
    for card, index in ((1, 1), (0, 2), (0, 1)):
        here.attach(network_card=card, device_index=index)
    places = [
        (eni.attachment.network_card_index, eni.attachment.device_index)
        for eni in here.read(find_limits=lambda _: instance_limits("m5.large")).enis
    ]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 1)]


def test_unattached_enis_of_this_instance_and_of_others_in_the_subnets_read_count_as_leaked(account):
    here = account(pods=3)
    elsewhere = here.subnet("10.0.5.0/24")
    mine = here.leave()
    mine_elsewhere = here.leave(subnet_id=elsewhere)
    others = (("node.k8s.amazonaws.com/instance_id", "i-other"),)
    of_another = here.create(tags=others, description="aws-K8S-i-other")
    here.create(tags=others, subnet_id=elsewhere)
    here.create(description="aws-K8S-i-copied")  # a launch template can copy a description, but no tag of ipamd's
    assert [eni.eni_id for eni in here.read().unattached] == [mine, mine_elsewhere, of_another]
    found = {each.where: each.message for each in here.audit() if each.rule == "leaked-eni"}
    assert found[of_another].startswith("was created for i-other, is attached to nothing")


def test_the_limits_of_a_type_outside_the_table_come_from_ec2(account):
    own = InstanceLimits(instance_type="x9.huge", eni_limit=3, ipv4_per_eni=4)
    here = account(own)
    with pytest.raises(UnknownInstanceType):
        here.read()
    assert here.read(find_limits={"x9.huge": own}.__getitem__).limits is own


def test_the_subnet_of_an_eni_in_another_vpc_is_read_too(account):
    class Elsewhere(Ec2Model):
        """EC2 lets ENIs of other VPCs be attached, which the model does not."""

        def describe_network_interfaces(self, **arguments):
            enis = super().describe_network_interfaces(**arguments)
            if arguments.get("instance_id") is None:
                return enis
            return tuple(attrs.evolve(eni, subnet_id=other.subnet_id) if eni.attachment.device_index == 1 else eni for eni in enis)

        def describe_subnets(self, **arguments):
            self.asked = [*getattr(self, "asked", []), arguments]
            return super().describe_subnets(**arguments)

    here = account(pods=3)
    here.model.__class__ = Elsewhere
    other = here.model.create_subnet(here.model.create_vpc("10.9.0.0/16").vpc_id, "10.9.0.0/24")
    node = here.read()
    assert {subnet.subnet_id for subnet in node.subnets} == {here.subnet_id, other.subnet_id}
    assert [arguments.get("subnet_ids") for arguments in here.model.asked] == [None, (other.subnet_id,)]


@pytest.mark.parametrize("code", ["InvalidSubnetId.Malformed", "UnauthorizedOperation"])
def test_a_subnet_that_ec2_does_not_know_is_left_out_and_other_refusals_propagate(account, code):
    class Refusing(Ec2Model):
        def describe_network_interfaces(self, **arguments):
            return tuple(attrs.evolve(eni, subnet_id="subnet-?") for eni in super().describe_network_interfaces(**arguments))

        def describe_subnets(self, **arguments):
            if arguments.get("subnet_ids"):
                raise Ec2Error(code, "refused", "DescribeSubnets")
            return super().describe_subnets(**arguments)

    here = account()
    here.model.__class__ = Refusing
    if code == "UnauthorizedOperation":
        with pytest.raises(Ec2Error, match=code):
            here.read()
    else:
        assert [subnet.subnet_id for subnet in here.read().subnets] == [here.subnet_id]


def test_an_instance_without_enis_can_be_read(account):
    class Blind(Ec2Model):
        def describe_network_interfaces(self, **_arguments):
            return ()

    here = account(start=False)
    here.model.__class__ = Blind
    node = here.read()
    assert (node.enis, dict(node.enis_by_subnet)) == ((), {})


def test_refusals_of_ec2_propagate(account):
    with pytest.raises(Ec2Error, match=r"InvalidInstanceID\.NotFound"):
        read_node(account().model, "i-00000000000000099", now_ns=0)


@pytest.mark.parametrize("variables", [{}, {"ENABLE_PREFIX_DELEGATION": "true"}])
def test_boto3_reads_the_same_as_the_model_shows(account, variables):
    here = account("m5.large", variables, pods=20)
    here.leave(secondary_ip_count=2)
    here.subnet("10.0.1.0/24", tags=((SUBNET_ROLE_TAG, "1"),))
    over_boto = read_node(BotoEc2(fake_client("ec2", here.model)), here.instance_id, now_ns=here.now_ns)
    assert shown(over_boto) == shown(here.read())


def shown(node):
    """All but what only the model knows, when ENIs were made, and the instance's own list of ENIs, which has no tags there."""
    return attrs.asdict(node, filter=lambda attribute, _: attribute.eq and attribute.name not in ("created_ns", "network_interfaces"))


# --- reservations ------------------------------------------------------------------------------------------------------------


def refusing(here, code):
    """EC2 that refuses to list reservations."""

    class Refusing:
        def __getattr__(self, name):
            return getattr(here.model, name)

        def get_subnet_cidr_reservations(self, _subnet_id, *, now_ns):  # noqa: ARG002 - EC2's signature
            raise Ec2Error(code, "refused", "GetSubnetCidrReservations")

    return Refusing()


def test_reservations_of_the_subnets_are_read(account):
    here = account()
    made = here.model.create_subnet_cidr_reservation(here.subnet_id, "10.0.0.64/28", reservation_type="explicit", now_ns=0)
    elsewhere = here.subnet("10.0.5.0/24")
    here.model.create_subnet_cidr_reservation(elsewhere, "10.0.5.64/28", reservation_type="explicit", now_ns=0)
    node = here.read()
    assert node.reservations == (made,)
    assert [fact.value for fact in evidence_of([node], "EC2").reservations] == [made]
    over_wire = read_node(BotoEc2(fake_client("ec2", here.model)), here.instance_id, now_ns=here.now_ns)
    assert over_wire.reservations == (made,)


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "AccessDenied"])
def test_without_the_permission_reservations_are_unknown(account, code):
    here = account()
    node = read_node(refusing(here, code), here.instance_id, now_ns=here.now_ns)
    assert node.reservations is None
    assert evidence_of([node], "EC2").reservations == ()


def test_a_subnet_that_is_gone_has_no_reservations_and_other_errors_are_raised(account):
    here = account()
    assert read_node(refusing(here, "InvalidSubnetID.NotFound"), here.instance_id, now_ns=here.now_ns).reservations == ()
    with pytest.raises(Ec2Error, match="RequestLimitExceeded"):
        read_node(refusing(here, "RequestLimitExceeded"), here.instance_id, now_ns=here.now_ns)


def bound(node):
    (surveyed,) = survey(node, Settings()).subnets
    return surveyed.free_prefix_bound, surveyed.unseen_count


def test_a_reservation_for_prefixes_leaves_them_and_another_one_does_not(account):
    here = account()
    before, unseen = bound(here.read())
    assert unseen == 0
    here.model.create_subnet_cidr_reservation(here.subnet_id, "10.0.0.64/28", reservation_type="prefix", now_ns=0)
    assert bound(here.read()) == (before, 0)
    here.model.create_subnet_cidr_reservation(here.subnet_id, "10.0.0.128/27", reservation_type="explicit", now_ns=0)
    assert bound(here.read()) == (before - 2, 0)
    unknown = attrs.evolve(here.read(), reservations=None)
    assert bound(unknown) == (before, 48)


def test_free_addresses_bound_the_free_28s_if_no_reservation_is_unknown(account):
    here = account()
    here.model.create_subnet_cidr_reservation(here.subnet_id, "10.0.0.64/28", reservation_type="prefix", now_ns=0)
    node = here.read()
    (shown,) = node.subnets
    few = attrs.evolve(node, subnets=(attrs.evolve(shown, available_ip_address_count=33),))
    assert bound(few)[0] == 1 + 2
    assert bound(attrs.evolve(few, reservations=None))[0] > 10


def test_all_pages_of_reservations_are_read_and_a_list_can_be_missing():
    def reservation(number):
        return {"SubnetCidrReservationId": f"scr-{number}", "SubnetId": "s", "Cidr": "10.0.0.0/28", "ReservationType": "prefix"}

    class Client:
        meta = SimpleNamespace(method_to_api_mapping={"get_subnet_cidr_reservations": "GetSubnetCidrReservations"})

        @staticmethod
        def get_subnet_cidr_reservations(**members):
            if "NextToken" not in members:
                return {"SubnetIpv4CidrReservations": [reservation(2)], "NextToken": "more"}
            return {"SubnetIpv6CidrReservations": [reservation(1)]}

    found = BotoEc2(Client()).get_subnet_cidr_reservations("s", now_ns=0)
    assert [each.reservation_id for each in found] == ["scr-1", "scr-2"]


def test_an_eni_without_a_zone_is_where_its_subnet_is(account):
    here = account()
    node = here.read()
    redacted = attrs.evolve(node.enis[0], availability_zone="", vpc_id="")
    assert placed(redacted, node.subnets) == node.enis[0]
    assert placed(redacted, ()) == redacted
    assert placed(node.enis[0], ()) is node.enis[0]
