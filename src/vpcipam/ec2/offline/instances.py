"""Handlers of the actions on instances and instance types."""

import base64
import itertools
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from vpcipam.ec2.actions.launch_templates import DEFAULT_VERSION
from vpcipam.ec2.api import Instance, InstanceStateChange
from vpcipam.ec2.errors import NO_DEFAULT_VPC, ErrorCode
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.launch_templates import require_readable
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Pages, Region, Request, paged
from vpcipam.ec2.offline.views import instance_status_view, instance_type_view, instance_view, metadata_options_view, state_view
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.resources import METADATA_MEMBERS, METADATA_PARAMETERS, LaunchSettings, LaunchTemplateVersion, MetadataOptions
from vpcipam.ec2.state.launching import LaunchInterface
from vpcipam.ec2.state.names import zone_id, zones_of
from vpcipam.errors import InvalidArgument, UnknownInstanceType

_LARGEST_PAGE_OF_TYPES = 100
_OF_THE_INSTANCE = {"SubnetId": "subnet ID", "PrivateIpAddress": "private address", "SecurityGroupIds": "security groups"}
"""The parameters of a launch that go without network interfaces, in EC2's words."""
_MOST_USER_DATA_BYTES = 16 * 1024
_DEFAULT_TYPE = "m1.small"
_ENI = "network-interface"


def _run(request: Request) -> Members:
    template = _launch_template(request)
    if template is not None:
        request = attrs.evolve(request, members={**template.data, **request.members})
        ACTIONS["RunInstances"].require_known(request, ())
    _require_harmless(request)
    _require_image_id(request)
    settings = _settings(request)
    zone = _placement(request)
    given = request.get("NetworkInterfaces", ())
    also = next((words for name, words in _OF_THE_INSTANCE.items() if name in request.members), None)
    if given and also:
        message = f"Network interfaces and an instance-level {also} may not be specified on the same request"
        raise request.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, message)
    by_name = request.texts("SecurityGroups")
    if by_name and (given or "SubnetId" in request.members):
        raise request.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "The parameter groupName cannot be used with the parameter subnet")
    alone = {
        "DeviceIndex": 0,
        "SubnetId": request.get("SubnetId"),
        **({"PrivateIpAddress": request.get("PrivateIpAddress")} if "PrivateIpAddress" in request.members else {}),
        "Groups": request.get("SecurityGroupIds", ()),
        "Ipv6AddressCount": request.get("Ipv6AddressCount", 0),
        "Ipv6Addresses": request.get("Ipv6Addresses", ()),
        "PrimaryIpv6": request.get("EnablePrimaryIpv6", False),
    }
    interfaces = sorted((_interface(request, each) for each in given or (alone,)), key=lambda each: each.device_index)
    interfaces[0] = attrs.evolve(interfaces[0], security_group_names=by_name) if by_name else interfaces[0]
    subnet_id = interfaces[0].subnet_id
    if interfaces[0].eni_id is not None:
        subnet_id = next((eni.subnet_id for eni in request.model.network_interfaces if eni.eni_id == interfaces[0].eni_id), None)
    elif subnet_id is None:
        subnet_id = _default_subnet(request, zone)
        interfaces[0] = attrs.evolve(interfaces[0], subnet_id=subnet_id)
    for subnet in request.model.subnets:
        if subnet.subnet_id == subnet_id and zone not in {None, subnet.availability_zone}:
            where = f"Subnet '{subnet.subnet_id}' is in the availability zone {subnet.availability_zone}"
            message = f"Value ({zone}) for parameter availabilityZone is invalid. {where}"
            raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)
    try:
        launched = request.model.launch_instances(
            request.get("InstanceType", _DEFAULT_TYPE),
            interfaces,
            min_count=request.get("MinCount"),
            max_count=request.get("MaxCount"),
            image_id=request.get("ImageId", ""),
            tags=request.tags("instance", others={"volume", "spot-instances-request", "elastic-gpu", _ENI}),
            launch_template=template,
            settings=settings,
            metadata_options=_metadata_options(request),
            now_ns=request.now_ns,
        )
    except UnknownInstanceType:
        message = f"Invalid value '{request.get('InstanceType')}' for InstanceType."
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message) from None
    return _show_launched(request, launched)


def _require_image_id(request: Request) -> None:
    """Check that an image has the form of an id, or of a parameter that has one; which images there are, the model doesn't know."""
    image_id = request.get("ImageId")
    if image_id is not None and not image_id.startswith(("ami-", "resolve:ssm:")):
        raise request.refusal(ErrorCode.IMAGE_ID_MALFORMED, f'Invalid id: "{image_id}" (expecting "ami-...")')


def _settings(request: Request) -> LaunchSettings:
    try:
        settings = LaunchSettings(
            key_name=request.get("KeyName", ""),
            user_data=request.get("UserData", ""),
            monitored=request.get("Monitoring", {}).get("Enabled", False),
            ebs_optimized=request.get("EbsOptimized", False),
        )
    except InvalidArgument:
        raise request.refusal(ErrorCode.INVALID_USER_DATA, "Invalid BASE64 encoding of user data.") from None
    if len(base64.b64decode(settings.user_data)) > _MOST_USER_DATA_BYTES:
        message = f"User data is limited to {_MOST_USER_DATA_BYTES} bytes"
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)
    return settings


def _metadata_options(request: Request) -> MetadataOptions | None:
    given = _given_options(request.get("MetadataOptions", {}))
    try:
        return attrs.evolve(request.model.metadata_defaults, **given) if given else None
    except InvalidArgument as error:
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, str(error)) from None


def _given_options(members: Members) -> Members:
    return {METADATA_MEMBERS[name]: members[name] for name in METADATA_PARAMETERS if name in members}


def _require_harmless(request: Request) -> None:
    """Refuse the parameters without effect where later answers would contradict them."""
    for name, member, harmless in _HARMLESS:
        given = request.get(name, harmless if member is None else {})
        value = given if member is None else given.get(member, harmless)
        if value != harmless:
            raise request.not_modelled(f"{name if member is None else f'{name}.{member}'} of {value}")


def _launch_template(request: Request) -> LaunchTemplateVersion | None:
    """Return the launch template of a launch. What it says, the request can replace, one parameter as a whole at a time."""
    named = request.get("LaunchTemplate")
    if named is None:
        return None
    name, template_id = named.get("LaunchTemplateName"), named.get("LaunchTemplateId")
    version = request.model.launch_template_version(template_id, name, named.get("Version", DEFAULT_VERSION))
    require_readable(request, version)
    return version


def _interface(request: Request, given: Members) -> LaunchInterface:
    """Read a network interface of a launch."""
    own, eni_id = attrs.evolve(request, members=given), given.get("NetworkInterfaceId")
    private_ip, secondary_ips = own.private_ips()
    return LaunchInterface(
        subnet_id=given.get("SubnetId"),
        eni_id=eni_id,
        device_index=given.get("DeviceIndex", 0),
        network_card_index=given.get("NetworkCardIndex"),
        private_ip=private_ip,
        secondary_ips=secondary_ips,
        secondary_ip_count=given.get("SecondaryPrivateIpAddressCount", 0),
        ipv4_prefixes=own.texts("Ipv4Prefixes", "Ipv4Prefix"),
        ipv4_prefix_count=given.get("Ipv4PrefixCount", 0),
        ipv6_addresses=own.ipv6_addresses(),
        ipv6_address_count=given.get("Ipv6AddressCount", 0),
        ipv6_prefixes=own.texts("Ipv6Prefixes", "Ipv6Prefix"),
        ipv6_prefix_count=given.get("Ipv6PrefixCount", 0),
        enable_primary_ipv6=given.get("PrimaryIpv6", False),
        interface_type=given.get("InterfaceType", "interface"),
        description=given.get("Description", ""),
        security_group_ids=tuple(given.get("Groups", ())),
        tags=request.tags(_ENI, only_its_own=True) if eni_id is None else (),
        delete_on_termination=given.get("DeleteOnTermination"),
        associate_public_ip=given.get("AssociatePublicIpAddress"),
    )


def _placement(request: Request) -> str | None:
    """Return the zone that a launch names, None if it leaves the choice to EC2."""
    given = request.get("Placement", {})
    unknown = sorted(name for name, value in given.items() if name not in _ZONES and value != _NO_PLACEMENT.get(name))
    if unknown:
        raise request.not_modelled(", ".join(f"Placement.{name}" for name in unknown))
    zones = zones_of(request.region.name)
    for name, name_of in _ZONES.items():
        if name in given:
            found = next((zone for zone in zones if name_of(zone) == given[name]), None)
            if found is None:
                raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"Invalid availability zone: [{given[name]}]")
            return found
    return None


def _default_subnet(request: Request, zone: str | None) -> str:
    """Return the default subnet of a zone, by default of the first zone that has one."""
    found = {each.availability_zone: each.subnet_id for each in request.model.subnets if each.default_for_az}
    if found:
        wanted = min(found) if zone is None else zone
        if wanted not in found:
            raise request.refusal(ErrorCode.INVALID_INPUT, f"No default subnet for availability zone: '{zone}'.")
        return found[wanted]
    for vpc in request.model.vpcs:
        if vpc.is_default:
            message = f"No subnets found for the default VPC '{vpc.vpc_id}'. Please specify a subnet."
            raise request.refusal(ErrorCode.MISSING_INPUT, message)
    raise request.refusal(ErrorCode.VPC_NOT_SPECIFIED, NO_DEFAULT_VPC)


def _show_launched(request: Request, launched: Sequence[Instance]) -> Members:
    """Show the instances of a launch as RunInstances does: `pending`."""
    return _reservation([attrs.evolve(each, state="pending") for each in launched], request.region)


def _reservation(instances: Sequence[Instance], region: Region) -> Members:
    return {
        "Groups": [],
        "Instances": [instance_view(each, region) for each in instances],
        "OwnerId": region.owner_id,
        "ReservationId": instances[0].reservation_id,
    }


_Change = Callable[..., "tuple[InstanceStateChange, ...]"]


def _changing(member: str, between: str, method: Callable[[Ec2Model], _Change], *ignores: str) -> ActionHandler:
    """Make the handler of an action that changes states: the answer shows the state between the previous and the next one."""

    def answer(request: Request) -> Members:
        changes = method(request.model)(request.texts("InstanceIds"), now_ns=request.now_ns)
        return {
            member: [
                {
                    "InstanceId": change.instance_id,
                    "CurrentState": state_view(change.current if change.current == change.previous else between),
                    "PreviousState": state_view(change.previous),
                }
                for change in changes
            ]
        }

    return ActionHandler(answer, takes={"InstanceIds"}, ignores=ignores, refuses_without={"InstanceIds"})


def _reboot(request: Request) -> Members:
    request.model.reboot_instances(request.texts("InstanceIds"), now_ns=request.now_ns)
    return {}


def _describe(request: Request) -> Members:
    instances = request.model.describe_instances(
        instance_ids=request.texts("InstanceIds"), filters=request.filters(), include_terminated=True, now_ns=request.now_ns
    )
    page = paged(
        request,
        instances,
        into="Reservations",
        key=lambda each: each.instance_id,
        view=lambda each, _: {"instance": each},
    )
    shown: list[Instance] = [each["instance"] for each in page["Reservations"]]
    together = itertools.groupby(shown, key=lambda each: each.reservation_id)
    return {**page, "Reservations": [_reservation(list(each), request.region) for _, each in together]}


def _describe_status(request: Request) -> Members:
    instances = request.model.describe_instance_status(
        instance_ids=request.texts("InstanceIds"),
        filters=request.filters(),
        include_all_instances=request.get("IncludeAllInstances", False),
        now_ns=request.now_ns,
    )
    return paged(request, instances, into="InstanceStatuses", key=lambda each: each.instance_id, view=instance_status_view)


def _describe_attribute(request: Request) -> Members:
    attribute = request.get("Attribute")
    if attribute not in _ATTRIBUTES:
        raise request.not_modelled(f"the attribute {attribute}")
    (instance,) = request.model.describe_instances(
        instance_ids=(request.get("InstanceId"),), include_terminated=True, now_ns=request.now_ns
    )
    view = {
        **instance_view(instance, request.region),
        "DisableApiStop": False,
        "DisableApiTermination": False,
        "UserData": instance.settings.user_data or None,
    }
    if attribute == "groupSet":
        return {"InstanceId": instance.instance_id, "Groups": view["SecurityGroups"]}
    member = f"{attribute[0].upper()}{attribute[1:]}"
    return {"InstanceId": instance.instance_id, member: {"Value": view[member]}}


def _modify_attribute(request: Request) -> Members:
    request.model.modify_instance_attribute(
        request.get("InstanceId"),
        source_dest_check=request.get("SourceDestCheck", {}).get("Value"),
        security_group_ids=request.texts("Groups"),
        now_ns=request.now_ns,
    )
    return {}


def _modify_metadata_options(request: Request) -> Members:
    try:
        options = request.model.modify_instance_metadata_options(
            request.get("InstanceId"), **_given_options(request.members), now_ns=request.now_ns
        )
    except InvalidArgument as error:
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, str(error)) from None
    return _show_metadata_options(request, options)


def _show_metadata_options(request: Request, options: MetadataOptions) -> Members:
    """Show metadata options as ModifyInstanceMetadataOptions does: `pending`."""
    return {"InstanceId": request.get("InstanceId"), "InstanceMetadataOptions": metadata_options_view(options, is_pending=True)}


_ATTRIBUTES: Final = {
    *("disableApiStop", "disableApiTermination", "ebsOptimized", "groupSet", "instanceType", "sourceDestCheck", "userData"),
}
"""The attributes of an instance that are modelled."""


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
        default_page=_LARGEST_PAGE_OF_TYPES,
    )


_ZONES: Final[dict[str, Callable[[str], str]]] = {"AvailabilityZone": str, "AvailabilityZoneId": zone_id}
"""The members of a placement that name a zone, and how they name it."""
_NO_PLACEMENT: Final = {"GroupName": "", "Tenancy": "default"}
"""What other members of a placement may say: no more than EC2 assumes without them."""
_HARMLESS: Final[tuple[tuple[str, str | None, object], ...]] = (
    ("DisableApiStop", None, False),
    ("DisableApiTermination", None, False),
    ("HibernationOptions", "Configured", False),
    ("PrivateDnsNameOptions", "HostnameType", "ip-name"),
)
"""The only values of some parameters without effect, or of their members: those that EC2 assumes without them."""
_INTERFACE_TAKES = {
    *("SubnetId", "DeviceIndex", "NetworkCardIndex", "PrivateIpAddress", "PrivateIpAddresses", "SecondaryPrivateIpAddressCount"),
    *("Ipv4Prefixes", "Ipv4PrefixCount", "Ipv6Addresses", "Ipv6AddressCount", "Ipv6Prefixes", "Ipv6PrefixCount"),
    *("InterfaceType", "Description", "Groups", "DeleteOnTermination", "PrimaryIpv6", "AssociatePublicIpAddress", "NetworkInterfaceId"),
}
"""The members of a network interface of a launch that have an effect."""
_INTERFACE_IGNORES = {"ConnectionTrackingSpecification", "EnaSrdSpecification", "EnaQueueCount"}

ACTIONS: Final = {
    "RunInstances": ActionHandler(
        _run,
        takes={
            *("InstanceType", "MinCount", "MaxCount", "ImageId", "SubnetId", "PrivateIpAddress", "SecurityGroupIds"),
            *("SecurityGroups", "Ipv6AddressCount", "Ipv6Addresses", "EnablePrimaryIpv6", "Placement", "TagSpecifications"),
            *("LaunchTemplate", "KeyName", "UserData", "Monitoring.Enabled", "EbsOptimized"),
            *(f"MetadataOptions.{name}" for name in METADATA_PARAMETERS),
            *(f"NetworkInterfaces.{name}" for name in _INTERFACE_TAKES),
        },
        ignores={
            *("BlockDeviceMappings", "CapacityReservationSpecification", "CpuOptions", "CreditSpecification", "DisableApiStop"),
            *("DisableApiTermination", "EnclaveOptions", "HibernationOptions", "IamInstanceProfile"),
            *("InstanceInitiatedShutdownBehavior", "MaintenanceOptions", "PrivateDnsNameOptions"),
            *(f"NetworkInterfaces.{name}" for name in _INTERFACE_IGNORES),
        },
        show=_show_launched,
    ),
    "TerminateInstances": _changing(
        "TerminatingInstances", "shutting-down", lambda model: model.terminate_instances, "Force", "SkipOsShutdown"
    ),
    "StopInstances": _changing("StoppingInstances", "stopping", lambda model: model.stop_instances, "Force", "SkipOsShutdown"),
    "StartInstances": _changing("StartingInstances", "pending", lambda model: model.start_instances, "AdditionalInfo"),
    "RebootInstances": ActionHandler(_reboot, takes={"InstanceIds"}, refuses_without={"InstanceIds"}),
    "DescribeInstanceStatus": ActionHandler(
        _describe_status,
        takes={"InstanceIds", "IncludeAllInstances", "Filters", *PAGE},
        ignores={"IncludeManagedResources"},
        pages=Pages(("InstanceIds",)),
    ),
    "DescribeInstances": ActionHandler(
        _describe, takes={"InstanceIds", "Filters", *PAGE}, ignores={"IncludeManagedResources"}, pages=Pages(("InstanceIds",))
    ),
    "DescribeInstanceAttribute": ActionHandler(_describe_attribute, takes={"Attribute", "InstanceId"}),
    "ModifyInstanceAttribute": ActionHandler(_modify_attribute, takes={"InstanceId", "SourceDestCheck", "Groups"}),
    "ModifyInstanceMetadataOptions": ActionHandler(_modify_metadata_options, takes={"InstanceId", *METADATA_PARAMETERS}),
    "DescribeInstanceTypes": ActionHandler(
        _describe_types, takes={"InstanceTypes", "Filters", *PAGE}, pages=Pages(("InstanceTypes",), largest=_LARGEST_PAGE_OF_TYPES)
    ),
}
