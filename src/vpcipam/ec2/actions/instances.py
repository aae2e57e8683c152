"""The actions on instances and instance types, and reading an instance's metadata."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, cast

from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import METADATA_ACTION, Instance, NetworkInterface
from vpcipam.ec2.errors import Ec2Error, ErrorCode, LostAnswer
from vpcipam.ec2.resources import NO_SETTINGS, LaunchSettings, LaunchTemplateVersion, MetadataOptions
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.filter_tables import INSTANCE_FILTERS, INSTANCE_TYPE_FILTERS
from vpcipam.ec2.state.filters import Filters, matching, tagged_matching
from vpcipam.ec2.state.launching import LaunchInterface, require_fitting, require_named, require_primary, require_some, take
from vpcipam.ec2.state.records import InstanceRecord, Tags, default_reservation, sorted_tags, without_tags
from vpcipam.errors import UnknownInstanceType
from vpcipam.limits import InstanceLimits, all_instance_limits, instance_limits

if TYPE_CHECKING:
    from vpcipam.ec2.state.subnet import AddressSet

MOST_INSTANCES = 1_000
"""The most instances that a call launches. EC2 has quotas of an account instead; the bound keeps one call from filling a whole VPC."""


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
        interface = LaunchInterface(subnet_id=subnet_id, private_ip=private_ip)
        try:
            (instance,) = self.launch_instances(instance_type, (interface,), tags=tags, now_ns=now_ns)
        except LostAnswer as lost:
            (answer,) = cast("tuple[Instance]", lost.answer)
            raise LostAnswer(lost.code, lost.message, lost.action, answer) from None
        return instance

    def launch_instances(
        self,
        instance_type: str | InstanceLimits,
        interfaces: Iterable[LaunchInterface],
        *,
        min_count: int = 1,
        max_count: int = 1,
        image_id: str = "",
        tags: Iterable[tuple[str, str]] = (),
        launch_template: LaunchTemplateVersion | None = None,
        settings: LaunchSettings = NO_SETTINGS,
        metadata_options: MetadataOptions | None = None,
        now_ns: int,
    ) -> tuple[Instance, ...]:
        """Launch as many instances as there is room for (RunInstances), `min_count` to `max_count` or none, each with its ENIs.

        A call launches at most 1,000.

        The first interface is the primary ENI at device index 0; all lie in the zone of its subnet. An interface without a subnet lies in
        the primary one's. An instance with one ENI gets a public address if its subnet maps public IPs or the interface asks for one.
        `launch_template` is where the arguments are from; AWS's own tags of the instances name it. Answers show the `settings`.
        `metadata_options` say who may read the metadata; None for the defaults of the account.

        Raises:
            Ec2Error: as for `launch_instance`; InstanceLimitExceeded for a `min_count` above 1,000;
                MissingParameter for no interface; AttachmentLimitExceeded,
                InvalidInterface.IpAddressLimitExceeded and InvalidParameterValue as for attaching;
                InvalidParameterCombination for named addresses or ENIs of several instances, or subnets in several zones;
                InvalidNetworkInterfaceID.NotFound and InvalidNetworkInterface.InUse for an ENI that is named; InvalidGroup.NotFound,
                InvalidParameter and SecurityGroupsPerInterfaceLimitExceeded for security groups that are unknown, of another VPC, too many;
                InvalidParameterValue for a tag that the metadata is to show and can't.
            UnknownInstanceType: as for `launch_instance`.
        """
        call = self._begin("RunInstances", now_ns)
        limits = instance_limits(instance_type)
        wanted = require_some(call, interfaces)
        _require_counts(call, min_count, max_count)
        read_tags = sorted_tags((*call.tags(tags), *_template_tags(launch_template)))
        options = self._account.metadata_defaults if metadata_options is None else metadata_options
        if options.instance_metadata_tags == "enabled":
            call.metadata_tags(read_tags)
        eni_tags = [call.tags(each.tags) for each in wanted]
        parts = [each.read(call) for each in wanted]
        found = [each.find(call, self._account.enis) for each in wanted]
        subnet = self._account.subnets.find(call, wanted[0].subnet_id or "") if found[0] is None else found[0].subnet
        subnets = [
            eni.subnet if eni is not None else subnet if each.subnet_id is None else self._account.subnets.find(call, each.subnet_id)
            for each, eni in zip(wanted, found, strict=True)
        ]
        groups = []
        for its_subnet, each in zip(subnets, wanted, strict=True):
            by_name = [self._group_id(call, name) for name in texts(each.security_group_names)]
            groups.append(self._groups(call, its_subnet, (*texts(each.security_group_ids), *by_name)))
        require_primary(call, wanted[0], found[0])
        require_fitting(call, limits, subnets, wanted, parts)
        named = [eni for eni in found if eni is not None]
        require_named(call, limits, named, parts, several=max_count > 1)
        taken: list[list[AddressSet]] = []
        with ExitStack() as undo:
            for its_subnet in dict.fromkeys(subnets):
                undo.enter_context(its_subnet.addresses.all_or_nothing())
            while len(taken) < min(max_count, MOST_INSTANCES):
                try:
                    taken.append(take(call, subnets, parts))
                except Ec2Error:
                    if len(taken) < min_count:
                        raise
                    break
        public = subnet.map_public_ip_on_launch if wanted[0].associate_public_ip is None else wanted[0].associate_public_ip
        reservation_id = ""
        launched = []
        for index, addresses in enumerate(taken):
            instance_id = self._account.new_id("i")
            reservation_id = reservation_id or default_reservation(instance_id)
            instance = InstanceRecord(instance_id, limits, subnet, read_tags, call.now_ns, image_id, reservation_id, index)
            instance.settings, instance.metadata_options = settings, options
            instance.public_at_start = len(wanted) == 1 and public and not named
            self._account.add_instance(instance)
            for each, old, its_subnet, its_groups, its_tags, held in zip(wanted, found, subnets, groups, eni_tags, addresses, strict=True):
                eni = old or self._account.create_eni(
                    its_subnet,
                    held,
                    interface_type=each.interface_type,
                    description=each.description,
                    groups=its_groups,
                    tags=its_tags,
                    has_primary_ipv6=each.enable_primary_ipv6,
                    created_ns=call.now_ns,
                )
                place = each.place(limits)
                deleted = old is None if each.delete_on_termination is None else each.delete_on_termination
                self._account.attach(eni, instance, place, delete_on_termination=deleted, now_ns=call.now_ns)
            self._account.give_public_ip(instance)
            launched.append(instance.view())
        return self._done(call, tuple(launched))

    def describe_instance(self, instance_id: str, *, now_ns: int) -> Instance:
        """Return an instance with its ENIs (DescribeInstances).

        Raises:
            Ec2Error: InvalidInstanceID.NotFound if it is unknown or terminated.
        """
        call = self._begin("DescribeInstances", now_ns, filtered=False)
        return self._instance(call, instance_id)

    def describe_instances(
        self, *, instance_ids: Iterable[str] = (), filters: Filters | None = None, include_terminated: bool = False, now_ns: int
    ) -> tuple[Instance, ...]:
        """List instances with their ENIs, ordered by id: the named ones or all. See `vpcipam.ec2.state.filter_tables`.

        With `include_terminated`, as EC2 does, those too that were terminated in the last hour.

        Raises:
            Ec2Error: InvalidInstanceID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeInstances", now_ns)
        visible = self._visible(call).instances
        if include_terminated:
            visible = dict(sorted((self._account.terminated_instances(call.now_ns) | dict(visible)).items()))
        shown = self._named_or_all(call, visible, instance_ids, self._account.instances)
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
            known = {name: self._limits(name) for name in dict.fromkeys(names)}
            unknown = [name for name, limits in known.items() if limits is None]
            if unknown:
                message = f"The following supplied instance types do not exist: [{', '.join(unknown)}]"
                raise call.refusal(ErrorCode.INSTANCE_TYPE_UNKNOWN, message)
            shown = [limits for limits in known.values() if limits is not None]
        else:
            every = {limits.instance_type: limits for limits in all_instance_limits()} | self._account.instance_types
            shown = [every[name] for name in sorted(every)]
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

    def _limits(self, name: str) -> InstanceLimits | None:
        try:
            return self._account.instance_types.get(name) or instance_limits(name)
        except UnknownInstanceType:
            return None


def _template_tags(version: LaunchTemplateVersion | None) -> Tags:
    """Return the tags that EC2 adds to an instance that is launched from a template."""
    if version is None:
        return ()
    return (("aws:ec2launchtemplate:id", version.template_id), ("aws:ec2launchtemplate:version", str(version.number)))


def _require_counts(call: Call, min_count: int, max_count: int) -> None:
    if not 1 <= min_count <= max_count:
        raise call.invalid(f"Value ({min_count}) for parameter minCount is invalid. It must be 1 to the value of maxCount, {max_count}.")
    if min_count > MOST_INSTANCES:
        message = f"You have requested more instances ({min_count}) than a call launches, {MOST_INSTANCES}."
        raise call.refusal(ErrorCode.INSTANCE_LIMIT_EXCEEDED, message)
