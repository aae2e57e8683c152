"""The actions on tags of all resources that can have them: create, delete, describe."""

from collections.abc import Iterable, Iterator

from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import TagDescription
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.state.call import Call, is_own_tag, texts
from vpcipam.ec2.state.filter_tables import TAG_FILTERS
from vpcipam.ec2.state.filters import Filters, Reader, matching
from vpcipam.ec2.state.records import InstanceRecord, Tags, sorted_tags


class TagActions(Actions):
    """The actions on tags."""

    def create_tags(self, resource_ids: Iterable[str], tags: Iterable[tuple[str, str]], *, now_ns: int) -> None:
        """Add tags, pairs of key and value, to resources of any kinds; an existing tag gets the new value.

        Raises:
            Ec2Error: MissingParameter for no resource or no tag; InvalidParameterValue for a key or value that EC2 does not accept, for a
                key that is given twice, and for one that the metadata of an instance is to show and can't; TagLimitExceeded beyond 50 tags
                of a resource; the NotFound codes; InvalidID for an id of no known kind.
        """
        call = self._begin("CreateTags", now_ns)
        names, new = _given(call, resource_ids), call.tags(tags)
        if not new:
            raise call.refusal(ErrorCode.MISSING_PARAMETER, "The request must contain the parameter Tag")
        records = [self._account.tagged(call, name) for name in names]
        merged = [sorted_tags((*record.tags, *new)) for record in records]
        for record, each in zip(records, merged, strict=True):
            call.tag_count(each)
            if isinstance(record, InstanceRecord) and record.metadata_options.instance_metadata_tags == "enabled":
                call.metadata_tags(each)
        for record, each in zip(records, merged, strict=True):
            self._account.set_tags(record, each)
        self._done(call, None)

    def delete_tags(self, resource_ids: Iterable[str], tags: Iterable[tuple[str, str | None]] = (), *, now_ns: int) -> None:
        """Delete tags from resources of any kinds; a missing tag is not an error.

        A pair of key and value deletes the tag if it has that value; a pair of key and None deletes it whatever its value. No pairs delete
        all tags but AWS's own.

        Raises:
            Ec2Error: MissingParameter for no resource; InvalidParameterValue for a key that EC2 does not accept; the NotFound codes;
                InvalidID for an id of no known kind.
        """
        call = self._begin("DeleteTags", now_ns)
        names, gone = _given(call, resource_ids), tuple(tags)
        for key, _ in gone:
            call.tag_key(key)
        records = [self._account.tagged(call, name) for name in names]
        for record in records:
            self._account.set_tags(record, _without(record.tags, gone or [(key, None) for key, _ in record.tags if not is_own_tag(key)]))
        self._done(call, None)

    def describe_tags(self, *, filters: Filters | None = None, now_ns: int) -> tuple[TagDescription, ...]:
        """List tags, ordered by resource type, then resource id, then key.

        Filters: `key`, `value`, `resource-id`, `resource-type`, and `tag:KEY` with the tag's value.

        Raises:
            Ec2Error: InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeTags", now_ns)
        return matching(call, self._tags(call), TAG_FILTERS, filters or {}, tag_reader=_value_of)

    def _tags(self, call: Call) -> Iterator[TagDescription]:
        tagged: dict[str, Iterable[tuple[str, Tags]]] = {
            "elastic-ip": ((each.allocation_id, each.tags) for each in self._account.elastic_ips.values()),
            "instance": ((each.instance_id, each.tags) for each in self._visible(call).instances.values()),
            "launch-template": ((each.template_id, each.tags) for each in self._account.launch_templates.values()),
            "network-interface": ((each.eni_id, each.tags) for each in self._visible(call).enis.values()),
            "security-group": ((each.group_id, each.tags) for each in self._account.groups.values()),
            "subnet": ((each.subnet_id, each.tags) for each in self._visible(call).subnets.values()),
            "subnet-cidr-reservation": ((each.reservation_id, each.tags) for each in self._account.reservations.values()),
            "trunk-interface-association": ((each.association_id, each.tags) for each in self._account.trunk_associations.values()),
            "vpc": ((each.vpc_id, each.tags) for each in self._account.vpcs.values()),
        }
        for resource_type, resources in tagged.items():
            for resource_id, tags in resources:
                for key, value in tags:
                    yield TagDescription(resource_id, resource_type, key, value)


def _value_of(key: str) -> Reader[TagDescription]:
    """Return the reader of the filter `tag:KEY`, which finds the tags with that key by their value."""
    return lambda tag: (tag.value,) if tag.key == key else ()


def _given(call: Call, resource_ids: Iterable[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(texts(resource_ids)))
    if not names:
        raise call.refusal(ErrorCode.MISSING_PARAMETER, "The request must contain the parameter resourceIdSet")
    return names


def _without(tags: Tags, gone: Iterable[tuple[str, str | None]]) -> Tags:
    unwanted = set(gone)
    return tuple((key, value) for key, value in tags if not unwanted & {(key, value), (key, None)})
