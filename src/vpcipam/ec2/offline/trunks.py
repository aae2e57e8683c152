"""Handlers of the actions that associate branch ENIs with trunk ENIs."""

from typing import Final

from vpcipam.ec2.api import TrunkAssociation
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Pages, Request, paged
from vpcipam.ec2.offline.views import trunk_association_view
from vpcipam.ec2.offline.wire import Members

_LARGEST_PAGE = 255


def _associate(request: Request) -> Members:
    association = request.model.associate_trunk_interface(
        request.get("BranchInterfaceId"),
        request.get("TrunkInterfaceId"),
        vlan_id=request.get("VlanId"),
        gre_key=request.get("GreKey"),
        now_ns=request.now_ns,
    )
    return _show_associated(request, association)


def _show_associated(request: Request, association: TrunkAssociation) -> Members:
    return {"InterfaceAssociation": trunk_association_view(association, request.region), "ClientToken": request.get("ClientToken")}


def _disassociate(request: Request) -> Members:
    request.model.disassociate_trunk_interface(request.get("AssociationId"), now_ns=request.now_ns)
    return _show_disassociated(request, None)


def _show_disassociated(request: Request, _: None) -> Members:
    return {"Return": True, "ClientToken": request.get("ClientToken")}


def _describe(request: Request) -> Members:
    associations = request.model.describe_trunk_interface_associations(
        association_ids=request.texts("AssociationIds"), filters=request.filters(), now_ns=request.now_ns
    )
    return paged(
        request,
        associations,
        into="InterfaceAssociations",
        key=lambda each: each.association_id,
        view=trunk_association_view,
    )


ACTIONS: Final = {
    "AssociateTrunkInterface": ActionHandler(
        _associate, takes={"BranchInterfaceId", "TrunkInterfaceId", "VlanId", "GreKey"}, show=_show_associated
    ),
    "DisassociateTrunkInterface": ActionHandler(_disassociate, takes={"AssociationId"}, show=_show_disassociated),
    "DescribeTrunkInterfaceAssociations": ActionHandler(
        _describe, takes={"AssociationIds", "Filters", *PAGE}, pages=Pages(("AssociationIds",), largest=_LARGEST_PAGE)
    ),
}
