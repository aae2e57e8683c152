"""Handlers of the actions on ENIs: create, attach, modify, detach, delete, describe."""

from typing import Final

from vpcipam.ec2.api import NetworkInterface
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Pages, Request, paged
from vpcipam.ec2.offline.views import network_interface_view
from vpcipam.ec2.offline.wire import Members


def _create(request: Request) -> Members:
    primary, secondary = request.private_ips()
    eni = request.model.create_network_interface(
        subnet_id=request.get("SubnetId"),
        private_ip=primary,
        secondary_ips=secondary,
        secondary_ip_count=request.get("SecondaryPrivateIpAddressCount", 0),
        ipv4_prefix_count=request.get("Ipv4PrefixCount", 0),
        ipv4_prefixes=request.texts("Ipv4Prefixes", "Ipv4Prefix"),
        ipv6_address_count=request.get("Ipv6AddressCount", 0),
        ipv6_addresses=request.ipv6_addresses(),
        ipv6_prefix_count=request.get("Ipv6PrefixCount", 0),
        ipv6_prefixes=request.texts("Ipv6Prefixes", "Ipv6Prefix"),
        enable_primary_ipv6=request.get("EnablePrimaryIpv6", False),
        interface_type=request.get("InterfaceType", "interface"),
        description=request.get("Description", ""),
        tags=request.tags("network-interface"),
        security_group_ids=request.texts("Groups"),
        now_ns=request.now_ns,
    )
    return _show_created(request, eni)


def _show_created(request: Request, eni: NetworkInterface) -> Members:
    return {"NetworkInterface": network_interface_view(eni, request.region), "ClientToken": request.get("ClientToken")}


def _describe(request: Request) -> Members:
    enis = request.model.describe_network_interfaces(
        eni_ids=request.texts("NetworkInterfaceIds"), filters=request.filters(), now_ns=request.now_ns
    )
    return paged(request, enis, into="NetworkInterfaces", key=lambda eni: eni.eni_id, view=network_interface_view)


def _attach(request: Request) -> Members:
    card = request.get("NetworkCardIndex", 0)
    attachment_id = request.model.attach_network_interface(
        request.get("NetworkInterfaceId"),
        request.get("InstanceId"),
        device_index=request.get("DeviceIndex"),
        network_card_index=card,
        now_ns=request.now_ns,
    )
    return {"AttachmentId": attachment_id, "NetworkCardIndex": card}


def _modify(request: Request) -> Members:
    attachment = request.get("Attachment", {})
    request.model.modify_network_interface_attribute(
        request.get("NetworkInterfaceId"),
        attachment_id=attachment.get("AttachmentId"),
        delete_on_termination=attachment.get("DeleteOnTermination"),
        description=request.get("Description", {}).get("Value"),
        source_dest_check=request.get("SourceDestCheck", {}).get("Value"),
        enable_primary_ipv6=request.get("EnablePrimaryIpv6"),
        security_group_ids=request.texts("Groups"),
        now_ns=request.now_ns,
    )
    return {}


def _describe_attribute(request: Request) -> Members:
    attribute = request.get("Attribute")
    if attribute is None:
        raise request.missing("attribute")
    if attribute not in _ATTRIBUTES:
        message = f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute."
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)
    (eni,) = request.model.describe_network_interfaces(eni_ids=(request.get("NetworkInterfaceId"),), now_ns=request.now_ns)
    view = network_interface_view(eni, request.region)
    member = _ATTRIBUTES[attribute]
    value = view[member]
    wrapped = {"Value": value} if attribute in {"description", "sourceDestCheck"} else value
    return {member: wrapped, "NetworkInterfaceId": eni.eni_id}


def _detach(request: Request) -> Members:
    request.model.detach_network_interface(request.get("AttachmentId"), force=request.get("Force", False), now_ns=request.now_ns)
    return {}


def _delete(request: Request) -> Members:
    request.model.delete_network_interface(request.get("NetworkInterfaceId"), now_ns=request.now_ns)
    return {}


_ATTRIBUTES: Final = {"description": "Description", "groupSet": "Groups", "sourceDestCheck": "SourceDestCheck", "attachment": "Attachment"}
"""The attributes of an ENI: their names in requests and in answers."""

ACTIONS: Final = {
    "CreateNetworkInterface": ActionHandler(
        _create,
        takes={
            *("SubnetId", "InterfaceType", "Description", "TagSpecifications", "Groups", "PrivateIpAddress", "PrivateIpAddresses"),
            *("SecondaryPrivateIpAddressCount", "Ipv4PrefixCount", "Ipv4Prefixes"),
            *("Ipv6AddressCount", "Ipv6Addresses", "Ipv6PrefixCount", "Ipv6Prefixes", "EnablePrimaryIpv6"),
        },
        ignores={"ConnectionTrackingSpecification"},
        show=_show_created,
    ),
    "DescribeNetworkInterfaces": ActionHandler(
        _describe,
        takes={"NetworkInterfaceIds", "Filters", *PAGE},
        ignores={"IncludeManagedResources"},
        pages=Pages(("NetworkInterfaceIds",)),
    ),
    "AttachNetworkInterface": ActionHandler(
        _attach,
        takes={"NetworkInterfaceId", "InstanceId", "DeviceIndex", "NetworkCardIndex"},
        ignores={"EnaSrdSpecification", "EnaQueueCount"},
    ),
    "ModifyNetworkInterfaceAttribute": ActionHandler(
        _modify,
        takes={
            *("NetworkInterfaceId", "Attachment.AttachmentId", "Attachment.DeleteOnTermination", "Description", "SourceDestCheck"),
            *("EnablePrimaryIpv6", "Groups"),
        },
    ),
    "DescribeNetworkInterfaceAttribute": ActionHandler(_describe_attribute, takes={"Attribute", "NetworkInterfaceId"}),
    "DetachNetworkInterface": ActionHandler(_detach, takes={"AttachmentId", "Force"}),
    "DeleteNetworkInterface": ActionHandler(_delete, takes={"NetworkInterfaceId"}),
}
