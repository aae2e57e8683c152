"""The actions on security groups: create, delete, describe. Their rules are not modelled."""

import re
from collections.abc import Iterable

from vpcipam.ec2.actions.base import Actions, Views
from vpcipam.ec2.api import SecurityGroup
from vpcipam.ec2.errors import NO_DEFAULT_VPC, ErrorCode
from vpcipam.ec2.state.account import DEFAULT_GROUP
from vpcipam.ec2.state.call import texts
from vpcipam.ec2.state.filter_tables import GROUP_FILTERS
from vpcipam.ec2.state.filters import Filters, tagged_matching

_ALLOWED = re.compile(r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}")
"""Names and descriptions (EC2: CreateSecurityGroup)."""


class SecurityGroupActions(Actions):
    """The actions on security groups."""

    def create_security_group(
        self, group_name: str, description: str, *, vpc_id: str | None = None, tags: Iterable[tuple[str, str]] = (), now_ns: int = 0
    ) -> SecurityGroup:
        """Create a security group of a VPC, by default of the default one.

        Raises:
            Ec2Error: MissingParameter for an empty name or description; InvalidParameterValue for one that EC2 does not accept;
                InvalidGroup.Reserved for the name `default`; InvalidGroup.Duplicate for a name that a group of the VPC has, in whatever
                case; VPCIdNotSpecified without a VPC if there is no default one.
        """
        call = self._begin("CreateSecurityGroup", now_ns)
        read_tags = call.tags(tags)
        for parameter, text in (("GroupName", group_name), ("GroupDescription", description)):
            if not text:
                raise call.refusal(ErrorCode.MISSING_PARAMETER, f"The request must contain the parameter {parameter}")
            if not _ALLOWED.fullmatch(text) or (parameter == "GroupName" and text.startswith("sg-")):
                raise call.invalid(f"Value ({text}) for parameter {parameter} is invalid.")
        if group_name.lower() == DEFAULT_GROUP:
            raise call.refusal(ErrorCode.GROUP_RESERVED, f"The security group '{group_name}' is reserved")
        vpc = self._account.default_vpc() if vpc_id is None else self._account.vpcs.find(call, vpc_id)
        if vpc is None:
            raise call.refusal(ErrorCode.VPC_NOT_SPECIFIED, NO_DEFAULT_VPC)
        if any(group.group_name.lower() == group_name.lower() for group in self._account.groups_of(vpc)):
            message = f"The security group '{group_name}' already exists for VPC '{vpc.vpc_id}'"
            raise call.refusal(ErrorCode.GROUP_DUPLICATE, message)
        return self._done(call, self._account.create_group(vpc.vpc_id, group_name, description, read_tags).view())

    def delete_security_group(self, group_id: str | None = None, *, group_name: str | None = None, now_ns: int = 0) -> str:
        """Delete a security group that no ENI has, and return its id. A name means a group of the default VPC.

        Raises:
            Ec2Error: InvalidGroup.NotFound; MissingParameter without an id and a name; CannotDelete for the default group of a VPC;
                DependencyViolation while an ENI has it.
        """
        call = self._begin("DeleteSecurityGroup", now_ns)
        if group_id is None and group_name is None:
            raise call.refusal(ErrorCode.MISSING_PARAMETER, "The request must contain the parameter GroupName or GroupId")
        found = group_id if group_id is not None else self._group_id(call, group_name or "")
        group = self._account.groups.find(call, found)
        if self._account.vpcs[group.vpc_id].default_group is group:
            raise call.refusal(
                ErrorCode.CANNOT_DELETE, f'the specified group: "{found}" name: "{group.group_name}" cannot be deleted by a user'
            )
        if any(group in eni.groups for eni in self._account.enis.values()):
            raise call.refusal(ErrorCode.DEPENDENCY_VIOLATION, f"resource {found} has a dependent object")
        del self._account.groups[found]
        return self._done(call, found)

    def describe_security_groups(
        self, *, group_ids: Iterable[str] = (), group_names: Iterable[str] = (), filters: Filters | None = None, now_ns: int
    ) -> tuple[SecurityGroup, ...]:
        """List security groups, ordered by id: the named ones or all. Names mean groups of the default VPC.

        Raises:
            Ec2Error: InvalidGroup.NotFound for an unknown id or name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeSecurityGroups", now_ns)
        wanted = (*texts(group_ids), *(self._group_id(call, name) for name in texts(group_names)))
        shown = self._named_or_all(call, Views(self._account.groups), wanted, self._account.groups)
        return tagged_matching(call, shown, GROUP_FILTERS, filters or {})
