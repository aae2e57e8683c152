"""When EC2 may have done more than a node knows: the node then compares itself with EC2."""

import attrs

from vpcipam.ec2.conditions import Conditions
from vpcipam.ec2.faults import Fault, Faults


def test_a_node_stays_in_doubt_while_it_ignores_a_cidr_that_ec2_did_not_take_back(world, kinds):
    here = world("t3.small", {"WARM_IP_TARGET": "1", "ENABLE_POD_ENI": "true"})  # it compares at every tick: the type takes no trunk
    here.pods(1)
    here.run(60)
    assert not here.node.in_doubt
    here.unassign("p0")
    here.ec2.refuse("UnassignPrivateIpAddresses")
    assert kinds(here.tick(65)) == [("release-cidrs", False)]
    assert here.run(120) == []
    assert here.node.in_doubt
    assert [action.kind.value for action in here.tick(125)] == ["adopt-cidrs"]


def test_a_node_is_in_doubt_after_a_refused_call_that_a_smaller_one_made_up_for(world, kinds):
    here = world("m5.large", {"WARM_IP_TARGET": "3"})
    here.run(120)
    assert not here.node.in_doubt
    here.pods(2)
    here.model.set_conditions(Conditions(faults=Faults((Fault("lose-answer", "AssignPrivateIpAddresses", nth=1),))))
    assert kinds(here.tick(125)) == [("add-cidrs", True)]  # one, after a request for two whose answer was lost
    assert here.node.in_doubt
    here.tick(130)
    assert kinds(here.run(195)) == [("adopt-cidrs", True)]
    assert here.node.in_doubt  # the comparison found a difference
    here.run(400)
    assert not here.node.in_doubt


def test_a_node_is_in_doubt_after_the_metadata_showed_only_a_part_of_a_new_eni(world, kinds):
    here = world("t3.small", {"WARM_IP_TARGET": "3"}, conditions=Conditions())
    here.run(120)
    assert not here.node.in_doubt
    here.ec2.metadata = lambda enis: tuple(attrs.evolve(eni, secondary_ips=eni.secondary_ips[:2]) for eni in enis)
    here.pods(3)
    here.tick(125)
    here.now_ns = here.node.busy_until(here.now_ns)
    assert kinds(here.tick()) == [("create-eni", True)]
    assert here.node.in_doubt
