"""Pages of every action that has them: any size shows what one page shows, and a token belongs to its call."""

import pytest

from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import PAGE, Region, Request
from vpcipam.ec2.offline.server import ACTIONS
from vpcipam.limits import InstanceLimits

PAGED = sorted(name for name, action in ACTIONS.items() if set(PAGE) & action.takes)
FILTERED = [name for name in PAGED if "Filters" in ACTIONS[name].takes]
COUNT = 12


@pytest.fixture(scope="module")
def world():
    """A model, and the parameters that an action needs: it then shows more than two of the smallest pages."""
    ec2 = Ec2Model()
    vpc_id = ec2.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
    subnet_id = ec2.create_subnet(vpc_id, "10.0.0.0/23", ipv6_cidr="2001:db8::/64").subnet_id
    trunk_id = ec2.create_network_interface(subnet_id=subnet_id, interface_type="trunk", now_ns=0).eni_id
    names = [f"t{number}.test" for number in range(COUNT)]
    for number, name in enumerate(names):
        ec2.create_vpc(f"10.{1 + number}.0.0/16", tags=[("a", str(number)), ("b", "")])
        ec2.create_security_group(name, name, vpc_id=vpc_id)
        ec2.create_subnet(vpc_id, f"10.0.{2 + number}.0/28")
        cidr = f"10.0.1.{16 * number}/28" if number % 2 else f"2001:db8:0:0:{number}::/80"
        ec2.create_subnet_cidr_reservation(subnet_id, cidr, reservation_type="prefix")
        ec2.launch_instance(InstanceLimits(instance_type=name, eni_limit=2, ipv4_per_eni=4), subnet_id, now_ns=0)
        eni_id = ec2.create_network_interface(subnet_id=subnet_id, now_ns=0).eni_id
        ec2.associate_trunk_interface(eni_id, trunk_id, vlan_id=COUNT - number, now_ns=0)
        ec2.create_launch_template(name, {"ImageId": name}, tags=[("a", str(number)), ("b", "")])
        ec2.create_launch_template_version({"ImageId": name}, template_name="t0.test")
    return ec2, {
        "DescribeInstanceTypes": {"Filters": [{"Name": "instance-type", "Values": names}]},
        "DescribeLaunchTemplateVersions": {"LaunchTemplateName": "t0.test"},
        "GetSubnetCidrReservations": {"SubnetId": subnet_id},
    }


def call(world, action, **members):
    """What an action shows, by member, and the token of the next page."""
    ec2, needed = world
    answer = ACTIONS[action].answer(Request(action, {**needed.get(action, {}), **members}, ec2, Region("us-east-1"), 0))
    return {name: items for name, items in answer.items() if name != "NextToken"}, answer["NextToken"]


def count(shown):
    return sum(map(len, shown.values()))


@pytest.mark.parametrize("action", PAGED)
def test_pages_of_any_sizes_show_what_one_page_shows(world, action):
    whole, token = call(world, action)
    assert token is None
    assert count(whole) >= COUNT
    for size in (*range(5, count(whole) + 2), 100):
        pages, token = [], None
        while token is not None or not pages:
            asked = size + len(pages)  # it may change from page to page
            shown, token = call(world, action, MaxResults=min(asked, 100), **({} if token is None else {"NextToken": token}))
            assert count(shown) == asked or token is None
            pages.append(shown)
        assert all(map(count, pages))
        assert {name: [item for page in pages for item in page[name]] for name in whole} == whole


@pytest.mark.parametrize("action", PAGED)
def test_a_token_of_another_action_is_refused(world, action):
    for other in PAGED:
        _, token = call(world, other, MaxResults=5)
        if other != action:
            with pytest.raises(Ec2Error, match=f"{action}: InvalidNextToken"):
                call(world, action, NextToken=token)


@pytest.mark.parametrize("action", FILTERED)
def test_a_token_belongs_to_its_filters(world, action):
    name = {"DescribeTags": "key", "DescribeInstanceTypes": "instance-type", "DescribeInstanceStatus": "instance-state-name"}.get(
        action, "image-id" if action == "DescribeLaunchTemplateVersions" else "tag-key"
    )
    filters = [{"Name": name, "Values": ["*"]}]
    _, token = call(world, action, MaxResults=5)
    with pytest.raises(Ec2Error, match=f"{action}: InvalidNextToken"):
        call(world, action, NextToken=token, Filters=filters)
