"""The actions that stop, start, reboot, modify and terminate instances, and describe their states."""

from collections.abc import Iterable

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import Instance, InstanceStateChange
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.resources import MetadataOptions
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.filter_tables import INSTANCE_STATUS_FILTERS
from vpcipam.ec2.state.filters import Filters, matching
from vpcipam.ec2.state.records import InstanceRecord
from vpcipam.ec2.state.rules import only_eni

TERMINATED_SHOWN_NS = 3600 * NS_PER_S
"""How long a terminated instance is still described (Amazon EC2 User Guide, "Terminate Amazon EC2 instances": about an hour)."""


class InstanceStateActions(Actions):
    """The actions on the states of instances. A change takes no time: the next call sees an instance that has stopped, started or gone.

    A public address that EC2 gave an instance is gone when it stops; it gets another one when it starts, as at a launch.
    """

    def stop_instances(self, instance_ids: Iterable[str], *, now_ns: int) -> tuple[InstanceStateChange, ...]:
        """Stop instances, all or none; their ENIs stay attached and keep their addresses. A stopped one stays stopped.

        Raises:
            Ec2Error: InvalidParameterCombination for no instance; InvalidInstanceID.NotFound; IncorrectInstanceState for a terminated one.
        """
        return self._change(self._begin("StopInstances", now_ns), "stopped", instance_ids)

    def start_instances(self, instance_ids: Iterable[str], *, now_ns: int) -> tuple[InstanceStateChange, ...]:
        """Start stopped instances, all or none. A running one stays running.

        Raises:
            Ec2Error: as for `stop_instances`.
        """
        return self._change(self._begin("StartInstances", now_ns), "running", instance_ids)

    def reboot_instances(self, instance_ids: Iterable[str], *, now_ns: int) -> None:
        """Reboot running instances, all or none; no address depends on it.

        Raises:
            Ec2Error: InvalidParameterCombination for no instance; InvalidInstanceID.NotFound; IncorrectState for one that does not run.
        """
        call = self._begin("RebootInstances", now_ns)
        for instance in self._instances_or_gone(call, instance_ids):
            if instance.state != "running":
                raise call.refusal(ErrorCode.INCORRECT_STATE, f"The instance '{instance.instance_id}' is not in the 'running' state")
        self._done(call, None)

    def terminate_instance(self, instance_id: str, *, now_ns: int) -> None:
        """Terminate one instance; see `terminate_instances`."""
        self.terminate_instances((instance_id,), now_ns=now_ns)

    def terminate_instances(self, instance_ids: Iterable[str], *, now_ns: int) -> tuple[InstanceStateChange, ...]:
        """Terminate instances, all or none: delete their ENIs with `delete_on_termination`, detach the others.

        A terminated instance has no ENIs and is still described for an hour. To terminate it again changes nothing.

        Raises:
            Ec2Error: InvalidParameterCombination for no instance; InvalidInstanceID.NotFound if one is unknown.
        """
        call = self._begin("TerminateInstances", now_ns)
        found = self._instances_or_gone(call, instance_ids)
        answer = tuple([InstanceStateChange(each.instance_id, each.state, "terminated") for each in found])
        for instance in found:
            if isinstance(instance, InstanceRecord):
                self._terminate(instance, call.now_ns)
        return self._done(call, answer)

    def describe_instance_status(
        self, *, instance_ids: Iterable[str] = (), filters: Filters | None = None, include_all_instances: bool = False, now_ns: int
    ) -> tuple[Instance, ...]:
        """List the running instances, or all, ordered by id: the named ones or all.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeInstanceStatus", now_ns)
        everything = dict(sorted((self._account.terminated_instances(call.now_ns) | dict(self._visible(call).instances)).items()))
        named = self._named_or_all(call, everything, instance_ids, self._account.instances)
        shown = [each for each in named if include_all_instances or each.state == "running"]
        return matching(call, shown, INSTANCE_STATUS_FILTERS, filters or {})

    def modify_instance_attribute(
        self, instance_id: str, *, source_dest_check: bool | None = None, security_group_ids: Iterable[str] = (), now_ns: int
    ) -> None:
        """Change the source/destination check or the security groups of the only ENI of an instance.

        Raises:
            Ec2Error: InvalidParameterCombination for none or both; InvalidInstanceID.NotFound; IncorrectInstanceState for a terminated one;
                InvalidInstanceID for one with several ENIs; for the groups as `modify_network_interface_attribute`.
        """
        call = self._begin("ModifyInstanceAttribute", now_ns)
        group_ids = texts(security_group_ids)
        if (source_dest_check is None) != bool(group_ids):
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "a call changes one attribute: SourceDestCheck or Groups")
        eni = only_eni(call, self._changeable(call, instance_id))
        if group_ids:
            eni.groups = self._groups(call, eni.subnet, group_ids)
        else:
            eni.source_dest_check = bool(source_dest_check)
        eni.touch()
        self._done(call, None)

    def modify_instance_metadata_options(
        self,
        instance_id: str,
        *,
        http_tokens: str | None = None,
        http_put_response_hop_limit: int | None = None,
        http_endpoint: str | None = None,
        http_protocol_ipv6: str | None = None,
        instance_metadata_tags: str | None = None,
        now_ns: int,
    ) -> MetadataOptions:
        """Change metadata options of an instance, those that are not None. They are pending while a stopped instance is not started.

        Raises:
            InvalidArgument: EC2 does not accept a value.
            Ec2Error: InvalidInstanceID.NotFound; IncorrectInstanceState for a terminated one; InvalidParameterValue if the metadata is to
                show a tag that it can't.
        """
        call = self._begin("ModifyInstanceMetadataOptions", now_ns)
        instance = self._changeable(call, instance_id)
        state = "applied" if instance.state == "running" else "pending"
        old = instance.metadata_options
        options = MetadataOptions(
            http_tokens=old.http_tokens if http_tokens is None else http_tokens,
            http_put_response_hop_limit=old.http_put_response_hop_limit
            if http_put_response_hop_limit is None
            else http_put_response_hop_limit,
            http_endpoint=old.http_endpoint if http_endpoint is None else http_endpoint,
            http_protocol_ipv6=old.http_protocol_ipv6 if http_protocol_ipv6 is None else http_protocol_ipv6,
            instance_metadata_tags=old.instance_metadata_tags if instance_metadata_tags is None else instance_metadata_tags,
            state=state,
        )
        if options.instance_metadata_tags == "enabled":
            call.metadata_tags(instance.tags)
        instance.metadata_options = options
        self._account.touch(instance)
        return self._done(call, options)

    def _changeable(self, call: Call, instance_id: str) -> InstanceRecord:
        """Find an instance that is not terminated."""
        (instance,) = self._instances_or_gone(call, (instance_id,))
        if not isinstance(instance, InstanceRecord):
            message = f"The instance '{instance_id}' is not in a state in which its attributes can be changed."
            raise call.refusal(ErrorCode.INCORRECT_INSTANCE_STATE, message)
        return instance

    def _terminate(self, instance: InstanceRecord, now_ns: int) -> None:
        for attachment in [eni.attachment for eni in instance.enis() if eni.attachment is not None]:
            eni = self._account.detach(attachment)
            if attachment.delete_on_termination:
                self._account.delete_eni(eni)
        self._account.delete_instance(instance)
        instance.state, instance.state_changed_ns = "terminated", now_ns
        self._account.add_terminated(instance.view(), until_ns=now_ns + TERMINATED_SHOWN_NS, now_ns=now_ns)

    def _change(self, call: Call, state: str, instance_ids: Iterable[str]) -> tuple[InstanceStateChange, ...]:
        found = self._instances_or_gone(call, instance_ids)
        changed = []
        for instance in found:
            if not isinstance(instance, InstanceRecord):
                message = f"The instance '{instance.instance_id}' is not in a state from which it can be {_DONE[state]}."
                raise call.refusal(ErrorCode.INCORRECT_INSTANCE_STATE, message)
            changed.append(instance)
        answer = tuple(InstanceStateChange(each.instance_id, each.state, state) for each in changed)
        for each in changed:
            if each.state == state:
                continue
            each.state, each.state_changed_ns = state, call.now_ns
            self._account.touch(each)
            if state == "running":
                each.metadata_options = attrs.evolve(each.metadata_options, state="applied")
                self._account.give_public_ip(each)
            else:
                self._account.set_automatic_ip(each.primary_eni, None)
        return self._done(call, answer)

    def _instances_or_gone(self, call: Call, instance_ids: Iterable[str]) -> list[InstanceRecord | Instance]:
        names = _given(call, instance_ids)
        found = [self._find_or_gone(call, name) for name in names]
        known = [instance for instance in found if instance is not None]
        if len(known) < len(found):
            raise self._account.instances.missing(call, *(name for name, each in zip(names, found, strict=True) if each is None))
        return known

    def _find_or_gone(self, call: Call, instance_id: str) -> InstanceRecord | Instance | None:
        return self._account.instances.get(instance_id) or self._account.terminated_instance(instance_id, call.now_ns)


_DONE = {"stopped": "stopped", "running": "started"}


def _given(call: Call, instance_ids: Iterable[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(texts(instance_ids)))
    if not names:
        # EC2: "Error codes", InvalidParameterCombination, whose example is TerminateInstances without an instance
        raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "No instances specified")
    return names
