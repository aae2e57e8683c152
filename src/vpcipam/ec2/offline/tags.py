"""Handlers of the actions on tags."""

from typing import Final

from vpcipam.ec2.api import TagDescription
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Pages, Region, Request, paged, tag_pairs
from vpcipam.ec2.offline.wire import Members


def _create(request: Request) -> Members:
    request.model.create_tags(request.texts("Resources"), tag_pairs(request.get("Tags", ())), now_ns=request.now_ns)
    return {}


def _delete(request: Request) -> Members:
    # Without a value, a tag is deleted whatever its value is; with an empty value, only if the tag's value is empty.
    tags = [(tag.get("Key", ""), tag.get("Value")) for tag in request.get("Tags", ())]
    request.model.delete_tags(request.texts("Resources"), tags, now_ns=request.now_ns)
    return {}


def _describe(request: Request) -> Members:
    tags = request.model.describe_tags(filters=request.filters(), now_ns=request.now_ns)
    return paged(request, sorted(tags, key=_tag_key), into="Tags", key=_tag_key, view=_view)


def _tag_key(tag: TagDescription) -> str:
    # Neither types nor ids contain a blank, so that no two tags have the same text.
    return f"{tag.resource_type} {tag.resource_id} {tag.key}"


def _view(tag: TagDescription, _region: Region) -> Members:
    return {"Key": tag.key, "ResourceId": tag.resource_id, "ResourceType": tag.resource_type, "Value": tag.value}


ACTIONS: Final = {
    "CreateTags": ActionHandler(_create, takes={"Resources", "Tags"}, refuses_without={"Resources", "Tags"}),
    "DeleteTags": ActionHandler(_delete, takes={"Resources", "Tags"}, refuses_without={"Resources"}),
    "DescribeTags": ActionHandler(_describe, takes={"Filters", *PAGE}, pages=Pages()),
}
