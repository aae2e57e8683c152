"""The actions on launch templates: create them and their versions, choose the default version, delete, describe."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from vpcipam.ec2.actions.base import Actions, Views
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.resources import LaunchTemplate, LaunchTemplateVersion
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.filter_tables import TEMPLATE_FILTERS, TEMPLATE_VERSION_FILTERS
from vpcipam.ec2.state.filters import Filters, matching, tagged_matching
from vpcipam.ec2.state.records import LaunchTemplateRecord

DEFAULT_VERSION: Final = "$Default"
LATEST_VERSION: Final = "$Latest"
_NAME = re.compile(r"[a-zA-Z0-9().\-/_]{3,128}")
_HOW_TO_NAME = (
    "To describe the launch template data for all your launch templates, for \u2018--versions\u2019 specify \u2018$Latest\u2019, "
    "\u2018$Default\u2019, or both, and omit \u2018--launch-template-id\u2019, \u2018--launch-template-name\u2019, and version numbers. To "
    "describe the launch template data for a specific launch template, specify \u2018--launch-template-id\u2019 or "
    "\u2018--launch-template-name\u2019, and for \u2018--versions\u2019 specify one or more of the following values: \u2018$Latest\u2019, "
    "\u2018$Default\u2019, or one or more version numbers."
)
"""EC2's words."""


class LaunchTemplateActions(Actions):
    """The actions on launch templates. EC2 keeps what a template says, and looks at it when instances are launched."""

    def create_launch_template(
        self,
        template_name: str,
        data: Mapping[str, Any],
        *,
        description: str = "",
        tags: Iterable[tuple[str, str]] = (),
        now_ns: int = 0,
    ) -> LaunchTemplate:
        """Create a launch template with its version 1, the default one; `data` has the parameters of a launch, with boto3's names.

        Raises:
            Ec2Error: MissingParameter for empty data; InvalidLaunchTemplateName.MalformedException for a name that is not 3 to 128
                letters, digits and `().-/_`; InvalidLaunchTemplateName.AlreadyExistsException.
        """
        call = self._begin("CreateLaunchTemplate", now_ns)
        read_tags = call.tags(tags)
        _require_data(call, data)
        if not _NAME.fullmatch(template_name):
            message = "A launch template name must be between 3 and 128 characters: letters, numbers, and - _ . / ( )"
            raise call.refusal(ErrorCode.TEMPLATE_NAME_MALFORMED, f"{message}, not {template_name!r}")
        if self._by_name(template_name) is not None:
            raise call.refusal(ErrorCode.TEMPLATE_NAME_TAKEN, "Launch template name already in use.")
        template = LaunchTemplateRecord(self._account.new_id("lt"), template_name, call.now_ns, read_tags)
        template.add_version(copy.deepcopy(dict(data)), description, call.now_ns)
        self._account.launch_templates[template.template_id] = template
        return self._done(call, template.view())

    def create_launch_template_version(
        self,
        data: Mapping[str, Any],
        *,
        template_id: str | None = None,
        template_name: str | None = None,
        source_version: str | None = None,
        description: str = "",
        now_ns: int = 0,
    ) -> LaunchTemplateVersion:
        """Create the next version of a launch template: `data`, and the other parameters of the source version if one is given.

        Raises:
            Ec2Error: MissingParameter for empty data, and without an id and a name; InvalidParameterCombination for both;
                InvalidLaunchTemplateId.NotFound, InvalidLaunchTemplateName.NotFoundException; InvalidLaunchTemplateId.VersionNotFound.
        """
        call = self._begin("CreateLaunchTemplateVersion", now_ns)
        _require_data(call, data)
        template = self._template(call, template_id, template_name)
        source = {} if source_version is None else template.versions[_number(call, template, source_version) - 1].data
        version = template.add_version(copy.deepcopy({**source, **data}), description, call.now_ns)
        return self._done(call, template.version_view(version.number))

    def modify_launch_template(
        self, default_version: str, *, template_id: str | None = None, template_name: str | None = None, now_ns: int = 0
    ) -> LaunchTemplate:
        """Choose the version that a launch takes if it names none.

        Raises:
            Ec2Error: as for `create_launch_template_version`.
        """
        call = self._begin("ModifyLaunchTemplate", now_ns)
        template = self._template(call, template_id, template_name)
        template.default_number = _number(call, template, default_version)
        return self._done(call, template.view())

    def delete_launch_template(
        self, *, template_id: str | None = None, template_name: str | None = None, now_ns: int = 0
    ) -> LaunchTemplate:
        """Delete a launch template with all its versions, and return it. Instances don't change.

        Raises:
            Ec2Error: as for `create_launch_template_version`.
        """
        call = self._begin("DeleteLaunchTemplate", now_ns)
        template = self._template(call, template_id, template_name)
        del self._account.launch_templates[template.template_id]
        return self._done(call, template.view())

    def describe_launch_templates(
        self, *, template_ids: Iterable[str] = (), template_names: Iterable[str] = (), filters: Filters | None = None, now_ns: int
    ) -> tuple[LaunchTemplate, ...]:
        """List launch templates, ordered by id: the named ones or all.

        Raises:
            Ec2Error: InvalidLaunchTemplateId.NotFound and InvalidLaunchTemplateName.NotFoundException for an unknown name;
                InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeLaunchTemplates", now_ns)
        named = [self._by_name(name) for name in texts(template_names)]
        known = [template.template_id for template in named if template is not None]
        if len(known) < len(named):
            message = "At least one of the launch templates specified in the request does not exist."
            raise call.refusal(ErrorCode.TEMPLATE_NAME_NOT_FOUND, message)
        table = self._account.launch_templates
        shown = self._named_or_all(call, Views(table), (*texts(template_ids), *known), table)
        return tagged_matching(call, shown, TEMPLATE_FILTERS, filters or {})

    def describe_launch_template_versions(
        self,
        *,
        template_id: str | None = None,
        template_name: str | None = None,
        versions: Iterable[str] = (),
        min_version: int | None = None,
        max_version: int | None = None,
        filters: Filters | None = None,
        now_ns: int,
    ) -> tuple[LaunchTemplateVersion, ...]:
        """List versions of a template, ascending: the named ones, those from a lowest to a highest one, or all.

        Without a template, `$Latest` and `$Default` list those versions of all templates, by id.

        Raises:
            Ec2Error: the NotFound codes of `create_launch_template_version`; MissingParameter without a template and versions;
                InvalidParameterValue for another version without a template, and for an unknown filter; InvalidParameterCombination for
                an id and a name, and for versions beside bounds.
        """
        call = self._begin("DescribeLaunchTemplateVersions", now_ns)
        names = texts(versions)
        bounds = [number for number in (min_version, max_version) if number is not None]
        if names and bounds:
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "Specify versions, or a lowest and a highest version, not both.")
        if template_id is None and template_name is None:
            if not names:
                raise call.refusal(ErrorCode.MISSING_PARAMETER, _HOW_TO_NAME)
            if not {DEFAULT_VERSION, LATEST_VERSION}.issuperset(names):
                raise call.invalid(_HOW_TO_NAME)
            templates = list(self._account.launch_templates.values())
        else:
            templates = [self._template(call, template_id, template_name)]
        lowest = 1 if min_version is None else min_version
        shown: list[LaunchTemplateVersion] = []
        for template in templates:
            highest = len(template.versions) if max_version is None else min(max_version, len(template.versions))
            numbers = {_number(call, template, name) for name in names} if names else range(max(lowest, 1), highest + 1)
            shown += [template.version_view(number) for number in sorted(numbers)]
        return matching(call, shown, TEMPLATE_VERSION_FILTERS, filters or {})

    def launch_template_version(
        self, template_id: str | None, template_name: str | None, version: str = DEFAULT_VERSION
    ) -> LaunchTemplateVersion:
        """Return the version of a template that RunInstances takes; this is no call of EC2.

        Raises:
            Ec2Error: as for `create_launch_template_version`.
        """
        call = Call("RunInstances", 0)
        template = self._template(call, template_id, template_name)
        return template.version_view(_number(call, template, version))

    def _template(self, call: Call, template_id: str | None, template_name: str | None) -> LaunchTemplateRecord:
        if template_id is not None and template_name is not None:
            message = "Either provide launch template ID or launch template name"
            more = " to modify the template" if call.action == "ModifyLaunchTemplate" else ", not both"
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{message}{more}.")
        if template_id is not None:
            template = self._account.launch_templates.get(template_id)
            code, name = ErrorCode.TEMPLATE_NOT_FOUND, f"ID {template_id}"
        elif template_name is not None:
            template = self._by_name(template_name)
            code, name = ErrorCode.TEMPLATE_NAME_NOT_FOUND, f"name {template_name}"
        else:
            message = "The request must contain the parameter launch template ID or launch template name"
            raise call.refusal(ErrorCode.MISSING_PARAMETER, message)
        if template is None:
            raise call.refusal(code, f"The specified launch template, with template {name}, does not exist.")
        return template

    def _by_name(self, template_name: str) -> LaunchTemplateRecord | None:
        templates: Iterator[LaunchTemplateRecord] = iter(self._account.launch_templates.values())
        return next((template for template in templates if template.template_name == template_name), None)


def _require_data(call: Call, data: Mapping[str, Any]) -> None:
    if not data:
        raise call.refusal(ErrorCode.MISSING_PARAMETER, "The request must contain the parameter LaunchTemplateData")


def _number(call: Call, template: LaunchTemplateRecord, version: str) -> int:
    """Return the number of a version: `$Default`, `$Latest` or a number that the template has."""
    numbers = {DEFAULT_VERSION: template.default_number, LATEST_VERSION: len(template.versions)}
    numbers |= {str(number): number for number in range(1, len(template.versions) + 1)}
    if version in numbers:
        return numbers[version]
    message = f"Could not find the specified version {version} for the launch template with ID {template.template_id}."
    if call.action == "ModifyLaunchTemplate":
        message = f"The launch template version {version} is not found for the specified launch template."
    raise call.refusal(ErrorCode.TEMPLATE_VERSION_NOT_FOUND, message)
