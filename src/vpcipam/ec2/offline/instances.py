"""The actions of instances and instance types."""

from typing import Final

from vpcipam.ec2.api import ErrorCode, Instance
from vpcipam.ec2.offline.request import Action, Request, paged
from vpcipam.ec2.offline.views import instance_type_view, instance_view
from vpcipam.ec2.offline.wire import Members
from vpcipam.errors import UnknownInstanceType
from vpcipam.limits import InstanceLimits, all_instance_limits, instance_limits

_LARGEST_PAGE_OF_TYPES = 100


def _run(request: Request) -> Members:
    if (request.get("MinCount"), request.get("MaxCount")) != (1, 1):
        raise request.not_modelled("more than one instance in a call (MinCount and MaxCount must be 1)")
    if "SubnetId" not in request.members:
        raise request.refusal("MissingInput", "No subnets found for the default VPC: give SubnetId")
    instance = request.model.launch_instance(
        _limits(request, request.get("InstanceType", "m1.small"), ErrorCode.INVALID_PARAMETER_VALUE),
        request.get("SubnetId"),
        tags=request.tags("instance"),
        now_ns=request.now_ns,
    )
    return _reservation(request, instance)


def _limits(request: Request, instance_type: str, code: str) -> InstanceLimits:
    try:
        return instance_limits(instance_type)
    except UnknownInstanceType as error:
        raise request.refusal(code, str(error)) from None


def _reservation(request: Request, instance: Instance) -> Members:
    return {
        "Groups": [],
        "Instances": [instance_view(instance, request.region)],
        "OwnerId": request.region.owner_id,
        "ReservationId": f"r-{instance.instance_id.partition('-')[2]}",
    }


def _terminate(request: Request) -> Members:
    instance_ids = tuple(dict.fromkeys(request.texts("InstanceIds")))
    for instance_id in instance_ids[1:]:
        # All or nothing: one that is not there must be found before the first one goes.
        request.model.describe_instance(instance_id, now_ns=request.now_ns)
    for instance_id in instance_ids:
        request.model.terminate_instance(instance_id, now_ns=request.now_ns)
    return {
        "TerminatingInstances": [
            {
                "InstanceId": instance_id,
                "CurrentState": {"Code": 32, "Name": "shutting-down"},
                "PreviousState": {"Code": 16, "Name": "running"},
            }
            for instance_id in instance_ids
        ]
    }


def _describe(request: Request) -> Members:
    if request.filters():
        raise request.not_modelled("filtering")
    names = request.texts("InstanceIds")
    instances = [request.model.describe_instance(name, now_ns=request.now_ns) for name in sorted(set(names))] or request.model.instances
    return paged(
        request,
        instances,
        into="Reservations",
        key=lambda instance: instance.instance_id,
        view=lambda instance: _reservation(request, instance),
        names="InstanceIds",
    )


def _describe_types(request: Request) -> Members:
    if request.filters():
        raise request.not_modelled("filtering")
    names = request.texts("InstanceTypes")
    found = [_limits(request, name, "InvalidInstanceType") for name in sorted(set(names))] or all_instance_limits()
    return paged(
        request,
        found,
        into="InstanceTypes",
        key=lambda limits: limits.instance_type,
        view=instance_type_view,
        largest_page=_LARGEST_PAGE_OF_TYPES,
    )


ACTIONS: Final = {
    "RunInstances": Action(
        _run,
        takes={"InstanceType", "MinCount", "MaxCount", "SubnetId", "TagSpecifications"},
        accepts={
            *("BlockDeviceMappings", "CapacityReservationSpecification", "CpuOptions", "CreditSpecification", "DisableApiStop"),
            *("DisableApiTermination", "EbsOptimized", "EnclaveOptions", "HibernationOptions", "IamInstanceProfile", "ImageId"),
            *("InstanceInitiatedShutdownBehavior", "KeyName", "MaintenanceOptions", "MetadataOptions", "Monitoring", "Placement"),
            *("PrivateDnsNameOptions", "SecurityGroupIds", "UserData"),
        },
    ),
    "TerminateInstances": Action(_terminate, takes={"InstanceIds"}, accepts={"Force", "SkipOsShutdown"}),
    "DescribeInstances": Action(
        _describe, takes={"InstanceIds", "Filters", "MaxResults", "NextToken"}, accepts={"IncludeManagedResources"}
    ),
    "DescribeInstanceTypes": Action(_describe_types, takes={"InstanceTypes", "Filters", "MaxResults", "NextToken"}),
}
