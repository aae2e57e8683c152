"""Views of the account."""

from vpcipam.ec2.actions.base import Views
from vpcipam.ec2.state.call import Call


def test_views_are_mappings_by_id_in_order_of_creation(ec2, vpc, subnet_id, instance_id, eni_id):
    call = Call("DescribeAnything", 0)
    assert dict(Views(ec2._account.vpcs)) == {vpc.vpc_id: vpc}
    assert list(ec2._visible(call).subnets) == [subnet_id]
    assert list(ec2._visible(call).instances) == [instance_id]
    enis = ec2._visible(call).enis
    assert (len(enis), list(enis)[-1]) == (2, eni_id)
    assert tuple(enis.values()) == ec2.describe_network_interfaces(now_ns=0)
