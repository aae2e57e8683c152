"""Instances: launch, terminate, describe, their types, and their own metadata."""

from collections.abc import Iterable

import attrs

from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import METADATA_ACTION, ErrorCode, Instance, NetworkInterface
from vpcipam.ec2.state.account import find
from vpcipam.ec2.state.filters import INSTANCE_FILTERS, Filters, tagged_matching
from vpcipam.ec2.state.records import InstanceRecord
from vpcipam.ec2.state.requests import Call, texts
from vpcipam.ec2.state.rules import allocate_for_new_eni
from vpcipam.errors import UnknownInstanceType
from vpcipam.limits import InstanceLimits, all_instance_limits, instance_limits


class InstanceActions(Actions):
    """The actions on instances."""

    def launch_instance(
        self,
        instance_type: str | InstanceLimits,
        subnet_id: str,
        *,
        now_ns: int,
        tags: Iterable[tuple[str, str]] = (),
        private_ip: str | None = None,
    ) -> Instance:
        """Launch an instance (RunInstances); its primary ENI, in the same subnet, goes when it goes.

        Args:
            instance_type: a name, or limits of your own; `describe_instance_types` knows those by their name from then on.
            subnet_id: where its primary ENI is.
            now_ns: the time of the call.
            tags: of the instance, pairs of key and value.
            private_ip: the primary IP of the primary ENI; None lets EC2 pick it.

        Raises:
            Ec2Error: InsufficientFreeAddressesInSubnet where the primary ENI finds no address; InvalidIPAddress.InUse and
                InvalidParameterValue for a named one that is taken, or none of the subnet's.
            UnknownInstanceType: the name is not in the table; give an `InstanceLimits` instead.
        """
        call = self._begin("RunInstances", now_ns)
        limits = instance_limits(instance_type)
        read_tags = call.tags(tags)
        primary = None if private_ip is None else call.address(private_ip)
        subnet = self._account.subnet(call, subnet_id)
        addresses = allocate_for_new_eni(call, subnet, private_ip=primary)
        instance = InstanceRecord(self._account.new_id("i"), limits, subnet, read_tags, call.now_ns)
        self._account.add_instance(instance)
        eni = self._account.create_eni(subnet, addresses, created_ns=call.now_ns)
        self._account.attach(eni, instance, instance.primary_place, delete_on_termination=True)
        return self._done(call, instance.view())

    def terminate_instance(self, instance_id: str, *, now_ns: int) -> None:
        """Terminate an instance: its ENIs are deleted where they are set to go with it, else detached.

        EC2 shows a terminated instance for about an hour; the model forgets it at once.
        """
        call = self._begin("TerminateInstances", now_ns)
        instance = self._account.instance(call, instance_id)
        for eni in instance.enis():
            attachment = self._account.detach(eni)
            if attachment.delete_on_termination:
                self._account.drop_eni(eni)
        self._account.drop_instance(instance)
        self._done(call, None)

    def describe_instance(self, instance_id: str, *, now_ns: int) -> Instance:
        """Show an instance with its ENIs (DescribeInstances).

        Raises:
            Ec2Error: InvalidInstanceID.NotFound where it is unknown or terminated.
        """
        call = self._begin("DescribeInstances", now_ns, filtered=False)
        return find(call, self._visible_instances(call), instance_id, ErrorCode.INSTANCE_NOT_FOUND)

    def describe_instances(self, *, instance_ids: Iterable[str] = (), filters: Filters | None = None, now_ns: int) -> tuple[Instance, ...]:
        """Show instances with their ENIs: the named ones, or all; ordered by id. See `vpcipam.ec2.state.filters`.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeInstances", now_ns)
        shown = self._named_or_all(call, self._visible_instances(call), instance_ids, ErrorCode.INSTANCE_NOT_FOUND)
        return tagged_matching(call, shown, INSTANCE_FILTERS, filters or {})

    def describe_instance_types(self, *, instance_types: Iterable[str] = (), now_ns: int) -> tuple[InstanceLimits, ...]:
        """Show what instance types allow: the named ones, in the order given, or all; those launched with limits of their own are known.

        Raises:
            Ec2Error: InvalidInstanceType for an unknown name.
        """
        call = self._begin("DescribeInstanceTypes", now_ns)
        names = texts(instance_types)
        if names:
            return tuple(self._limits(call, name) for name in dict.fromkeys(names))
        known = {limits.instance_type: limits for limits in all_instance_limits()} | self._account.instance_types
        return tuple(known[name] for name in sorted(known))

    def instance_metadata(self, instance_id: str, *, now_ns: int) -> tuple[NetworkInterface, ...]:
        """Show the attached ENIs, by card and device index, as the instance's own metadata does: free of charge and without tags.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound where it is unknown or terminated.
        """
        self._metadata_read_count += 1
        call = Call(METADATA_ACTION, now_ns)
        if self._gate is not None:
            self._gate.enter(call)
        instance = find(call, self._visible_instances(call), instance_id, ErrorCode.INSTANCE_NOT_FOUND)
        enis = tuple(attrs.evolve(eni, tags=()) if eni.tags else eni for eni in instance.network_interfaces)
        return enis if self._gate is None else self._gate.metadata_answer(instance_id, enis)

    def _limits(self, call: Call, name: str) -> InstanceLimits:
        try:
            return self._account.instance_types.get(name) or instance_limits(name)
        except UnknownInstanceType as error:
            message = f"The following supplied instance types do not exist: [{name}]; {error}"
            raise call.refusal(ErrorCode.INSTANCE_TYPE_UNKNOWN, message) from None
