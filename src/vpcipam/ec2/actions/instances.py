"""The actions on instances and instance types, and reading an instance's metadata."""

from collections.abc import Iterable

from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import METADATA_ACTION, Instance, NetworkInterface
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.filter_tables import INSTANCE_FILTERS, INSTANCE_TYPE_FILTERS
from vpcipam.ec2.state.filters import Filters, matching, tagged_matching
from vpcipam.ec2.state.records import InstanceRecord, without_tags
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
        """Launch an instance (RunInstances) with its primary ENI in the same subnet; terminating it deletes that ENI.

        `instance_type` is a name or your own limits, which `describe_instance_types` then lists too. `private_ip` names the primary IP; by
        default EC2 picks it.

        Raises:
            Ec2Error: InsufficientFreeAddressesInSubnet if there is no address for the primary ENI; InvalidIPAddress.InUse for a
                `private_ip` that is taken; InvalidParameterValue for one that is not in the subnet.
            UnknownInstanceType: the name is not in the table; give an `InstanceLimits` instead.
        """
        call = self._begin("RunInstances", now_ns)
        limits = instance_limits(instance_type)
        read_tags = call.tags(tags)
        primary = None if private_ip is None else call.address(private_ip)
        subnet = self._account.subnets.find(call, subnet_id)
        addresses = allocate_for_new_eni(call, subnet, private_ip=primary)
        instance = InstanceRecord(self._account.new_id("i"), limits, subnet, read_tags, call.now_ns)
        self._account.add_instance(instance)
        eni = self._account.create_eni(subnet, addresses, created_ns=call.now_ns)
        self._account.attach(eni, instance, instance.primary_place, delete_on_termination=True, now_ns=call.now_ns)
        return self._done(call, instance.view())

    def terminate_instance(self, instance_id: str, *, now_ns: int) -> None:
        """Terminate one instance; see `terminate_instances`."""
        self.terminate_instances((instance_id,), now_ns=now_ns)

    def terminate_instances(self, instance_ids: Iterable[str], *, now_ns: int) -> None:
        """Terminate instances, all or none: delete their ENIs with `delete_on_termination`, detach the others.

        EC2 shows a terminated instance for about an hour; the model deletes it at once.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound if one is unknown or terminated.
        """
        call = self._begin("TerminateInstances", now_ns)
        instances = [self._account.instances.find(call, instance_id) for instance_id in dict.fromkeys(texts(instance_ids))]
        for instance in instances:
            for attachment in [eni.attachment for eni in instance.enis() if eni.attachment is not None]:
                eni = self._account.detach(attachment)
                if attachment.delete_on_termination:
                    self._account.delete_eni(eni)
            self._account.delete_instance(instance)
        self._done(call, None)

    def describe_instance(self, instance_id: str, *, now_ns: int) -> Instance:
        """Return an instance with its ENIs (DescribeInstances).

        Raises:
            Ec2Error: InvalidInstanceID.NotFound if it is unknown or terminated.
        """
        call = self._begin("DescribeInstances", now_ns, filtered=False)
        return self._instance(call, instance_id)

    def describe_instances(self, *, instance_ids: Iterable[str] = (), filters: Filters | None = None, now_ns: int) -> tuple[Instance, ...]:
        """List instances with their ENIs, ordered by id: the named ones or all. See `vpcipam.ec2.state.filter_tables`.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeInstances", now_ns)
        shown = self._named_or_all(call, self._visible(call).instances, instance_ids, self._account.instances)
        return tagged_matching(call, shown, INSTANCE_FILTERS, filters or {})

    def describe_instance_types(
        self, *, instance_types: Iterable[str] = (), filters: Filters | None = None, now_ns: int
    ) -> tuple[InstanceLimits, ...]:
        """List the limits of instance types: the named ones, in the order given, or all, including those launched with your own limits.

        For filters see `vpcipam.ec2.state.filter_tables`.

        Raises:
            Ec2Error: InvalidInstanceType for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeInstanceTypes", now_ns)
        names = texts(instance_types)
        if names:
            shown = [self._limits(call, name) for name in dict.fromkeys(names)]
        else:
            known = {limits.instance_type: limits for limits in all_instance_limits()} | self._account.instance_types
            shown = [known[name] for name in sorted(known)]
        return matching(call, shown, INSTANCE_TYPE_FILTERS, filters or {})

    def instance_metadata(self, instance_id: str, *, now_ns: int) -> tuple[NetworkInterface, ...]:
        """List the attached ENIs, by card and device index, as the instance's metadata shows them: free of charge and without tags.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound if it is unknown or terminated.
        """
        self._metadata_read_count += 1
        call = Call(METADATA_ACTION, now_ns)
        if self._interceptor is not None:
            self._interceptor.before_call(call)
        if self._visible(call) is self._present:
            enis = tuple([eni.untagged_view() for eni in self._account.instances.find(call, instance_id).enis()])
        else:
            enis = tuple([without_tags(eni) for eni in self._instance(call, instance_id).network_interfaces])
        return enis if self._interceptor is None else self._interceptor.metadata_answer(instance_id, enis)

    def _instance(self, call: Call, instance_id: str) -> Instance:
        instance = self._visible(call).instances.get(instance_id)
        if instance is None:
            raise self._account.instances.missing(call, instance_id)
        return instance

    def _limits(self, call: Call, name: str) -> InstanceLimits:
        try:
            return self._account.instance_types.get(name) or instance_limits(name)
        except UnknownInstanceType as error:
            message = f"The following supplied instance types do not exist: [{name}]; {error}"
            raise call.refusal(ErrorCode.INSTANCE_TYPE_UNKNOWN, message) from None
