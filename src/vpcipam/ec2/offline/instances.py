"""Handlers of the actions on instances and instance types."""

from typing import Final

from vpcipam.ec2.api import Instance
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Region, Request, paged
from vpcipam.ec2.offline.views import instance_type_view, instance_view
from vpcipam.ec2.offline.wire import Members
from vpcipam.errors import UnknownInstanceType

_LARGEST_PAGE_OF_TYPES = 100
_DEFAULT_TYPE = "m1.small"


def _run(request: Request) -> Members:
    if (request.get("MinCount"), request.get("MaxCount")) != (1, 1):
        raise request.not_modelled("more than one instance in a call (MinCount and MaxCount other than 1)")
    if "SubnetId" not in request.members:
        raise request.refusal(ErrorCode.MISSING_INPUT, "No subnets found for the default VPC; give SubnetId.")
    if any(each.get("ResourceType") == "network-interface" for each in request.get("TagSpecifications", ())):
        raise request.not_modelled("tagging the primary ENI (tag it with CreateTags)")
    try:
        instance = request.model.launch_instance(
            request.get("InstanceType", _DEFAULT_TYPE),
            request.get("SubnetId"),
            tags=request.tags("instance", others={"volume", "spot-instances-request", "elastic-gpu"}),
            private_ip=request.get("PrivateIpAddress"),
            now_ns=request.now_ns,
        )
    except UnknownInstanceType as error:
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"Invalid value for InstanceType: {error}") from None
    return _reservation(instance, request.region)


def _reservation(instance: Instance, region: Region) -> Members:
    return {
        "Groups": [],
        "Instances": [instance_view(instance, region)],
        "OwnerId": region.owner_id,
        "ReservationId": f"r-{instance.instance_id.partition('-')[2]}",
    }


def _terminate(request: Request) -> Members:
    instance_ids = tuple(dict.fromkeys(request.texts("InstanceIds")))
    request.model.terminate_instances(instance_ids, now_ns=request.now_ns)
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
    instances = request.model.describe_instances(
        instance_ids=request.texts("InstanceIds"), filters=request.filters(), now_ns=request.now_ns
    )
    return paged(request, instances, into="Reservations", key=lambda each: each.instance_id, view=_reservation, names="InstanceIds")


def _describe_types(request: Request) -> Members:
    found = request.model.describe_instance_types(
        instance_types=request.texts("InstanceTypes"), filters=request.filters(), now_ns=request.now_ns
    )
    return paged(
        request,
        sorted(found, key=lambda limits: limits.instance_type),
        into="InstanceTypes",
        key=lambda limits: limits.instance_type,
        view=instance_type_view,
        names="InstanceTypes",
        largest_page=_LARGEST_PAGE_OF_TYPES,
        default_page=_LARGEST_PAGE_OF_TYPES,
    )


ACTIONS: Final = {
    "RunInstances": ActionHandler(
        _run,
        takes={"InstanceType", "MinCount", "MaxCount", "SubnetId", "PrivateIpAddress", "TagSpecifications"},
        ignores={
            *("BlockDeviceMappings", "CapacityReservationSpecification", "CpuOptions", "CreditSpecification", "DisableApiStop"),
            *("DisableApiTermination", "EbsOptimized", "EnclaveOptions", "HibernationOptions", "IamInstanceProfile", "ImageId"),
            *("InstanceInitiatedShutdownBehavior", "KeyName", "MaintenanceOptions", "MetadataOptions", "Monitoring", "Placement"),
            *("PrivateDnsNameOptions", "SecurityGroupIds", "UserData"),
        },
        show=lambda request, instance: _reservation(instance, request.region),
    ),
    "TerminateInstances": ActionHandler(_terminate, takes={"InstanceIds"}, ignores={"Force", "SkipOsShutdown"}),
    "DescribeInstances": ActionHandler(_describe, takes={"InstanceIds", "Filters", *PAGE}, ignores={"IncludeManagedResources"}),
    "DescribeInstanceTypes": ActionHandler(_describe_types, takes={"InstanceTypes", "Filters", *PAGE}),
}
