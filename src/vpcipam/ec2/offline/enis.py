"""The actions of ENIs and their addresses."""

from typing import Final

from vpcipam.ec2.api import NetworkInterface
from vpcipam.ec2.offline.request import Action, Request, paged
from vpcipam.ec2.offline.views import network_interface_view
from vpcipam.ec2.offline.wire import Members

_TYPE_UNLESS_GIVEN = "interface"


def _create(request: Request) -> Members:
    eni = request.model.create_network_interface(
        subnet_id=request.get("SubnetId"),
        secondary_ip_count=request.get("SecondaryPrivateIpAddressCount", 0),
        ipv4_prefix_count=request.get("Ipv4PrefixCount", 0),
        ipv6_prefix_count=request.get("Ipv6PrefixCount", 0),
        interface_type=request.get("InterfaceType", _TYPE_UNLESS_GIVEN),
        description=request.get("Description", ""),
        tags=request.tags("network-interface"),
        now_ns=request.now_ns,
    )
    return {"NetworkInterface": network_interface_view(eni, request.region), "ClientToken": request.get("ClientToken")}


def _describe(request: Request) -> Members:
    filters = request.filters()
    instance_ids = filters.pop("attachment.instance-id", (None,))
    if filters or len(instance_ids) > 1:
        raise request.not_modelled(f"filtering by {', '.join(filters)}")
    enis = request.model.describe_network_interfaces(
        eni_ids=request.texts("NetworkInterfaceIds"), instance_id=instance_ids[0], now_ns=request.now_ns
    )
    return paged(
        request,
        enis,
        into="NetworkInterfaces",
        key=_eni_id,
        view=lambda eni: network_interface_view(eni, request.region),
        names="NetworkInterfaceIds",
    )


def _eni_id(eni: NetworkInterface) -> str:
    return eni.eni_id


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
    attachment = request.get("Attachment")
    if attachment is None or "DeleteOnTermination" not in attachment:
        raise request.refusal("MissingParameter", "The model knows one attribute of an ENI: give Attachment, with DeleteOnTermination")
    request.model.modify_network_interface_attribute(
        request.get("NetworkInterfaceId"),
        attachment_id=attachment.get("AttachmentId", ""),
        delete_on_termination=attachment["DeleteOnTermination"],
        now_ns=request.now_ns,
    )
    return {}


def _detach(request: Request) -> Members:
    request.model.detach_network_interface(request.get("AttachmentId"), now_ns=request.now_ns)
    return {}


def _delete(request: Request) -> Members:
    request.model.delete_network_interface(request.get("NetworkInterfaceId"), now_ns=request.now_ns)
    return {}


def _assign(request: Request) -> Members:
    eni_id = request.get("NetworkInterfaceId")
    added = request.model.assign_private_ip_addresses(
        eni_id,
        secondary_ip_count=request.get("SecondaryPrivateIpAddressCount", 0),
        ipv4_prefix_count=request.get("Ipv4PrefixCount", 0),
        addresses=request.texts("PrivateIpAddresses"),
        prefixes=request.texts("Ipv4Prefixes"),
        now_ns=request.now_ns,
    )
    return {
        "NetworkInterfaceId": eni_id,
        "AssignedPrivateIpAddresses": [{"PrivateIpAddress": address} for address in added.addresses],
        "AssignedIpv4Prefixes": [{"Ipv4Prefix": prefix} for prefix in added.prefixes],
    }


def _unassign(request: Request) -> Members:
    request.model.unassign_private_ip_addresses(
        request.get("NetworkInterfaceId"),
        addresses=request.texts("PrivateIpAddresses"),
        prefixes=request.texts("Ipv4Prefixes"),
        now_ns=request.now_ns,
    )
    return {}


def _assign_ipv6(request: Request) -> Members:
    eni_id = request.get("NetworkInterfaceId")
    prefixes = request.model.assign_ipv6_addresses(eni_id, ipv6_prefix_count=request.get("Ipv6PrefixCount", 0), now_ns=request.now_ns)
    return {"NetworkInterfaceId": eni_id, "AssignedIpv6Addresses": [], "AssignedIpv6Prefixes": list(prefixes)}


ACTIONS: Final = {
    "CreateNetworkInterface": Action(
        _create,
        takes={
            *("SubnetId", "SecondaryPrivateIpAddressCount", "Ipv4PrefixCount", "Ipv6PrefixCount", "InterfaceType", "Description"),
            "TagSpecifications",
        },
        accepts={"Groups", "ConnectionTrackingSpecification"},
    ),
    "DescribeNetworkInterfaces": Action(
        _describe,
        takes={"NetworkInterfaceIds", "Filters", "MaxResults", "NextToken"},
        accepts={"IncludeManagedResources"},
    ),
    "AttachNetworkInterface": Action(
        _attach,
        takes={"NetworkInterfaceId", "InstanceId", "DeviceIndex", "NetworkCardIndex"},
        accepts={"EnaSrdSpecification", "EnaQueueCount"},
    ),
    "ModifyNetworkInterfaceAttribute": Action(_modify, takes={"NetworkInterfaceId", "Attachment"}),
    "DetachNetworkInterface": Action(_detach, takes={"AttachmentId"}, accepts={"Force"}),
    "DeleteNetworkInterface": Action(_delete, takes={"NetworkInterfaceId"}),
    "AssignPrivateIpAddresses": Action(
        _assign,
        takes={"NetworkInterfaceId", "SecondaryPrivateIpAddressCount", "Ipv4PrefixCount", "PrivateIpAddresses", "Ipv4Prefixes"},
    ),
    "UnassignPrivateIpAddresses": Action(_unassign, takes={"NetworkInterfaceId", "PrivateIpAddresses", "Ipv4Prefixes"}),
    "AssignIpv6Addresses": Action(_assign_ipv6, takes={"NetworkInterfaceId", "Ipv6PrefixCount"}),
}
