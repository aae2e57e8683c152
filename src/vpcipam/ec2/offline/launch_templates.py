"""Handlers of the actions on launch templates."""

from typing import Any, Final

from botocore.validate import ParamValidator

from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.offline.request import PAGE, ActionHandler, Pages, Region, Request, paged
from vpcipam.ec2.offline.views import tags_view
from vpcipam.ec2.offline.wire import Members
from vpcipam.ec2.resources import LaunchTemplate, LaunchTemplateVersion
from vpcipam.ec2.state.names import time_text

_TEMPLATE = ("LaunchTemplateId", "LaunchTemplateName")
_PAGES = Pages(smallest=1, largest=200)


def _create(request: Request) -> Members:
    for specification in request.get("TagSpecifications", ()):
        if specification.get("ResourceType") != "launch-template":
            message = "The value for the ResourceType member of the TagSpecification request parameter must be 'launch-template'."
            raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, f"{message} Verify the ResourceType and try again.")
    template = request.model.create_launch_template(
        request.get("LaunchTemplateName"),
        request.get("LaunchTemplateData"),
        description=request.get("VersionDescription", ""),
        tags=request.tags("launch-template"),
        now_ns=request.now_ns,
    )
    return _show_created(request, template)


def _show_created(request: Request, template: LaunchTemplate) -> Members:
    return {"LaunchTemplate": _view(template, request.region)}


def _create_version(request: Request) -> Members:
    version = request.model.create_launch_template_version(
        request.get("LaunchTemplateData"),
        **_named(request),
        source_version=request.get("SourceVersion"),
        description=request.get("VersionDescription", ""),
        now_ns=request.now_ns,
    )
    return _show_version(request, version)


def _show_version(request: Request, version: LaunchTemplateVersion) -> Members:
    return {"LaunchTemplateVersion": _version_view(version, request.region)}


def _modify(request: Request) -> Members:
    if "DefaultVersion" not in request.members:
        raise request.missing("DefaultVersion")
    template = request.model.modify_launch_template(request.get("DefaultVersion"), **_named(request), now_ns=request.now_ns)
    return {"LaunchTemplate": _view(template, request.region)}


def _delete(request: Request) -> Members:
    return {"LaunchTemplate": _view(request.model.delete_launch_template(**_named(request), now_ns=request.now_ns), request.region)}


def _describe(request: Request) -> Members:
    templates = request.model.describe_launch_templates(
        template_ids=request.texts("LaunchTemplateIds"),
        template_names=request.texts("LaunchTemplateNames"),
        filters=request.filters(),
        now_ns=request.now_ns,
    )
    return paged(
        request,
        templates,
        into="LaunchTemplates",
        key=lambda each: each.template_id,
        view=_view,
    )


def _describe_versions(request: Request) -> Members:
    versions = request.model.describe_launch_template_versions(
        **_named(request),
        versions=request.texts("Versions"),
        min_version=_bound(request, "MinVersion"),
        max_version=_bound(request, "MaxVersion"),
        filters=request.filters(),
        now_ns=request.now_ns,
    )
    for version in versions:
        require_readable(request, version)
    return paged(
        request,
        versions,
        into="LaunchTemplateVersions",
        key=lambda each: f"{each.template_id} {each.number:09}",
        view=_version_view,
    )


def require_readable(request: Request, version: LaunchTemplateVersion) -> None:
    """Check that the data of a version has the shape that EC2 describes. A world, or a call of the model, can give it any other.

    Raises:
        Ec2Error: InvalidParameterValue.
    """
    if request.service is None:
        return
    report = ParamValidator().validate(dict(version.data), request.service.shape_for("RequestLaunchTemplateData"))
    if report.has_errors():
        problem = report.generate_report().splitlines()[0]
        message = f"The data of version {version.number} of {version.template_id} can't be read: {problem}"
        raise request.refusal(ErrorCode.INVALID_PARAMETER_VALUE, message)


def _named(request: Request) -> dict[str, Any]:
    """Return the arguments of the model that name a template."""
    return {"template_id": request.get("LaunchTemplateId"), "template_name": request.get("LaunchTemplateName")}


def _bound(request: Request, name: str) -> int | None:
    text = request.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise request.invalid(name, text)
    return int(text)


def _view(template: LaunchTemplate, region: Region) -> Members:
    return {
        "CreateTime": time_text(template.created_ns),
        "CreatedBy": _creator(region),
        "DefaultVersionNumber": template.default_number,
        "LatestVersionNumber": template.latest_number,
        "LaunchTemplateId": template.template_id,
        "LaunchTemplateName": template.template_name,
        "Tags": tags_view(template.tags) or None,
    }


def _version_view(version: LaunchTemplateVersion, region: Region) -> Members:
    return {
        "CreateTime": time_text(version.created_ns),
        "CreatedBy": _creator(region),
        "DefaultVersion": version.is_default,
        "LaunchTemplateData": dict(version.data),
        "LaunchTemplateId": version.template_id,
        "LaunchTemplateName": version.template_name,
        "VersionDescription": version.description or None,
        "VersionNumber": version.number,
    }


def _creator(region: Region) -> str:
    return f"arn:aws:iam::{region.owner_id}:root"


ACTIONS: Final = {
    "CreateLaunchTemplate": ActionHandler(
        _create, takes={"LaunchTemplateName", "LaunchTemplateData", "VersionDescription", "TagSpecifications"}, show=_show_created
    ),
    "CreateLaunchTemplateVersion": ActionHandler(
        _create_version,
        takes={*_TEMPLATE, "LaunchTemplateData", "SourceVersion", "VersionDescription"},
        ignores={"ResolveAlias"},
        show=_show_version,
    ),
    "ModifyLaunchTemplate": ActionHandler(_modify, takes={*_TEMPLATE, "DefaultVersion"}, show=_show_created),
    "DeleteLaunchTemplate": ActionHandler(_delete, takes=_TEMPLATE),
    "DescribeLaunchTemplates": ActionHandler(
        _describe, takes={"LaunchTemplateIds", "LaunchTemplateNames", "Filters", *PAGE}, ignores={"IncludeManagedResources"}, pages=_PAGES
    ),
    "DescribeLaunchTemplateVersions": ActionHandler(
        _describe_versions,
        takes={*_TEMPLATE, "Versions", "MinVersion", "MaxVersion", "Filters", *PAGE},
        ignores={"ResolveAlias", "IncludeManagedResources"},
        pages=_PAGES,
    ),
}
