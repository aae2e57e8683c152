"""Handlers of the actions on Elastic IP addresses."""

from typing import Final

from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.offline.request import ActionHandler, Request
from vpcipam.ec2.offline.views import elastic_ip_view
from vpcipam.ec2.offline.wire import Members

_DOMAIN = "vpc"
_SHOWN_WHEN_ALLOCATED = ("AllocationId", "Domain", "NetworkBorderGroup", "PublicIp", "PublicIpv4Pool")


def _allocate(request: Request) -> Members:
    domain = request.get("Domain", _DOMAIN)
    if domain != _DOMAIN:
        raise request.invalid("domain", domain)
    _require_own_border_group(request)
    view = elastic_ip_view(request.model.allocate_address(tags=request.tags("elastic-ip"), now_ns=request.now_ns), request.region)
    return {name: view[name] for name in _SHOWN_WHEN_ALLOCATED}


def _associate(request: Request) -> Members:
    message = "You must specify an allocation id when mapping an address to a VPC instance"
    association_id = request.model.associate_address(
        _named(request, "AllocationId", ErrorCode.INVALID_PARAMETER_COMBINATION, message),
        eni_id=request.get("NetworkInterfaceId"),
        instance_id=request.get("InstanceId"),
        private_ip=request.get("PrivateIpAddress"),
        allow_reassociation=request.get("AllowReassociation", True),
        now_ns=request.now_ns,
    )
    return {"AssociationId": association_id}


def _disassociate(request: Request) -> Members:
    message = "You must specify an association id when unmapping an address from a VPC instance"
    association_id = _named(request, "AssociationId", ErrorCode.INVALID_PARAMETER_VALUE, message)
    request.model.disassociate_address(association_id, now_ns=request.now_ns)
    return {}


def _release(request: Request) -> Members:
    message = "You must specify an allocation id when releasing a VPC elastic IP address"
    allocation_id = _named(request, "AllocationId", ErrorCode.INVALID_PARAMETER_VALUE, message)
    _require_own_border_group(request)
    request.model.release_address(allocation_id, now_ns=request.now_ns)
    return {}


def _describe(request: Request) -> Members:
    found = request.model.describe_addresses(
        allocation_ids=request.texts("AllocationIds"),
        public_ips=request.texts("PublicIps"),
        filters=request.filters(),
        now_ns=request.now_ns,
    )
    return {"Addresses": [elastic_ip_view(each, request.region) for each in found]}


def _named(request: Request, name: str, code: ErrorCode, message: str) -> str:
    """Return the id that EC2 requires now, although boto3 does not: once there were addresses outside VPCs, which `PublicIp` names.

    Raises:
        Ec2Error: with this code and message for `PublicIp` alone; InvalidParameterCombination for both; MissingParameter for neither.
    """
    value: str | None = request.get(name)
    public_ip = request.get("PublicIp")
    if value is None:
        raise request.missing(name) if public_ip is None else request.refusal(code, message)
    if public_ip is not None:
        both = "You may specify public IP or allocation id, but not both in the same call"
        raise request.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, both)
    return value


def _require_own_border_group(request: Request) -> None:
    group = request.get("NetworkBorderGroup", request.region.name)
    if group != request.region.name:
        raise request.refusal(ErrorCode.ELASTIC_IP_NOT_FOUND, f"The network border group '{group}' has no addresses.")


ACTIONS: Final = {
    "AllocateAddress": ActionHandler(_allocate, takes={"Domain", "NetworkBorderGroup", "TagSpecifications"}),
    "AssociateAddress": ActionHandler(
        _associate, takes={"AllocationId", "NetworkInterfaceId", "InstanceId", "PrivateIpAddress", "AllowReassociation", "PublicIp"}
    ),
    "DisassociateAddress": ActionHandler(_disassociate, takes={"AssociationId", "PublicIp"}),
    "ReleaseAddress": ActionHandler(_release, takes={"AllocationId", "PublicIp", "NetworkBorderGroup"}),
    "DescribeAddresses": ActionHandler(_describe, takes={"AllocationIds", "PublicIps", "Filters"}),
}
