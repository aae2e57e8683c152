"""Instances: launch, terminate, describe, and their own metadata."""

from collections.abc import Iterable

import attrs

from vpcipam.ec2.account import find
from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import METADATA_ACTION, ErrorCode, Instance, NetworkInterface
from vpcipam.ec2.records import InstanceRecord, sorted_tags
from vpcipam.ec2.requests import Call
from vpcipam.ec2.rules import allocate_for_new_eni
from vpcipam.limits import InstanceLimits, instance_limits


class InstanceActions(Actions):
    """The actions on instances."""

    def launch_instance(
        self, instance_type: str | InstanceLimits, subnet_id: str, *, now_ns: int, tags: Iterable[tuple[str, str]] = ()
    ) -> Instance:
        """Launch an instance; its primary ENI, in the same subnet, goes when it goes.

        Raises:
            Ec2Error: InsufficientFreeAddressesInSubnet where the primary ENI finds no address.
            UnknownInstanceType: the name is not in the table; give an `InstanceLimits` instead.
        """
        call = self._begin("RunInstances", now_ns)
        limits = instance_limits(instance_type)
        subnet = self._account.subnet(call, subnet_id)
        addresses = allocate_for_new_eni(call, subnet)
        instance = InstanceRecord(self._account.new_id("i"), limits, subnet, sorted_tags(tags))
        self._account.add_instance(instance)
        eni = self._account.create_eni(subnet, addresses, created_ns=call.now_ns)
        self._account.attach(eni, instance, instance.primary_place, delete_on_termination=True)
        return self._done(call, instance.view())

    def terminate_instance(self, instance_id: str, *, now_ns: int) -> None:
        """Terminate an instance: its ENIs are deleted where they are set to go with it, else detached."""
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
        enis = tuple(attrs.evolve(eni, tags=()) for eni in instance.network_interfaces)
        return enis if self._gate is None else self._gate.metadata_answer(instance_id, enis)
