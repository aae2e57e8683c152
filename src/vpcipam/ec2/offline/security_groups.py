"""Handlers of the actions on security groups."""

from typing import Final

from vpcipam.ec2.api import SecurityGroup
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Pages, Region, Request, paged
from vpcipam.ec2.offline.views import security_group_view, tags_view
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.state.names import security_group_arn


def _create(request: Request) -> Members:
    group = request.model.create_security_group(
        request.get("GroupName"),
        request.get("Description"),
        vpc_id=request.get("VpcId"),
        tags=request.tags("security-group"),
        now_ns=request.now_ns,
    )
    return {
        "GroupId": group.group_id,
        "SecurityGroupArn": security_group_arn(group.group_id, request.region.name),
        "Tags": tags_view(group.tags) or None,
    }


def _delete(request: Request) -> Members:
    group_id = request.model.delete_security_group(request.get("GroupId"), group_name=request.get("GroupName"), now_ns=request.now_ns)
    return {"Return": True, "GroupId": group_id}


def _describe(request: Request) -> Members:
    groups = request.model.describe_security_groups(
        group_ids=request.texts("GroupIds"), group_names=request.texts("GroupNames"), filters=request.filters(), now_ns=request.now_ns
    )
    ipv6 = {vpc.vpc_id for vpc in request.model.vpcs if vpc.ipv6_cidr is not None}

    def view(group: SecurityGroup, region: Region) -> Members:
        return security_group_view(group, region, has_ipv6=group.vpc_id in ipv6)

    return paged(request, groups, into="SecurityGroups", key=lambda group: group.group_id, view=view)


ACTIONS: Final = {
    "CreateSecurityGroup": ActionHandler(_create, takes={"GroupName", "Description", "VpcId", "TagSpecifications"}),
    "DeleteSecurityGroup": ActionHandler(_delete, takes={"GroupId", "GroupName"}),
    "DescribeSecurityGroups": ActionHandler(_describe, takes={"GroupIds", "GroupNames", "Filters", *PAGE}, pages=Pages(("GroupIds",))),
}
