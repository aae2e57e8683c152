"""ENIs: create, attach, modify, detach, delete, describe."""

import operator
from collections.abc import Iterable

import attrs

from vpcipam.ec2.account import find
from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import ErrorCode, NetworkInterface
from vpcipam.ec2.records import sorted_tags
from vpcipam.ec2.requests import INTERFACE_TYPES, texts
from vpcipam.ec2.rules import allocate_for_new_eni, require_limits, require_place


class InterfaceActions(Actions):
    """The actions on ENIs as a whole."""

    def create_network_interface(
        self,
        *,
        subnet_id: str,
        secondary_ip_count: int = 0,
        ipv4_prefix_count: int = 0,
        ipv6_prefix_count: int = 0,
        interface_type: str = "interface",
        description: str = "",
        tags: Iterable[tuple[str, str]] = (),
        now_ns: int,
    ) -> NetworkInterface:
        """Make an ENI with its primary IP and, in the same step, secondary IPs or prefixes.

        Raises:
            Ec2Error: InvalidParameterCombination for secondary IPs and /28s in one call; InsufficientFreeAddressesInSubnet where no address
                is free at all; InvalidParameterValue where the primary IP would fit, but not all of the rest; InsufficientCidrBlocks
                for too few /80s.
        """
        call = self._begin("CreateNetworkInterface", now_ns)
        address_count = call.count("secondary_ip_count", secondary_ip_count)
        prefix_count = call.count("ipv4_prefix_count", ipv4_prefix_count)
        ipv6_count = call.count("ipv6_prefix_count", ipv6_prefix_count)
        if address_count and prefix_count:
            call.one_kind(secondary_ip_count=address_count, ipv4_prefix_count=prefix_count)
        if interface_type not in INTERFACE_TYPES:
            raise call.invalid(f"interface_type is {interface_type!r}; it must be one of {', '.join(INTERFACE_TYPES)}")
        shown_tags = sorted_tags(tags)
        subnet = self._account.subnet(call, subnet_id)
        addresses = allocate_for_new_eni(call, subnet, address_count, prefix_count, ipv6_count)
        eni = self._account.create_eni(
            subnet, addresses, interface_type=interface_type, description=description, tags=shown_tags, created_ns=call.now_ns
        )
        return self._done(call, eni.view())

    def attach_network_interface(
        self, eni_id: str, instance_id: str, *, device_index: int, network_card_index: int = 0, now_ns: int
    ) -> str:
        """Attach an ENI; the answer is the attachment's id. It stays when the instance goes, until told otherwise.

        Device indexes run from 0 to one less than the card's maximum of ENIs. On the further cards users begin with 1, so there they run
        up to the maximum.

        Raises:
            Ec2Error: in this order: the NotFound codes; InvalidNetworkInterface.InUse where it is attached; InvalidParameterCombination
                across availability zones; InvalidParameterValue for a card that is not there, or a device index below 0 or taken;
                AttachmentLimitExceeded for a full card; InvalidParameterValue for a device index above the card's;
                InvalidInterface.IpAddressLimitExceeded for more addresses than the type allows; InvalidParameterValue for prefixes on a
                type without them.
        """
        call = self._begin("AttachNetworkInterface", now_ns)
        place = operator.index(network_card_index), operator.index(device_index)
        eni = self._account.eni(call, eni_id)
        instance = self._account.instance(call, instance_id)
        if eni.attachment is not None:
            raise call.refusal(ErrorCode.ENI_IN_USE, f"Interface: [{eni_id}] in use.")
        if eni.subnet.availability_zone != instance.subnet.availability_zone:
            zones = f"{eni.subnet.availability_zone} and {instance.subnet.availability_zone}"
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{eni_id} and {instance_id} are in two zones, {zones}")
        require_place(call, instance, place)
        require_limits(call, instance.limits, eni)
        attachment = self._account.attach(eni, instance, place, delete_on_termination=False)
        return self._done(call, attachment.attachment_id)

    def modify_network_interface_attribute(self, eni_id: str, *, attachment_id: str, delete_on_termination: bool, now_ns: int) -> None:
        """Say whether the ENI goes when its instance is terminated.

        Raises:
            Ec2Error: InvalidAttachmentID.NotFound where the attachment is none of this ENI's.
        """
        call = self._begin("ModifyNetworkInterfaceAttribute", now_ns)
        eni = self._account.eni(call, eni_id)
        if eni.attachment is None or eni.attachment.attachment_id != attachment_id:
            raise call.refusal(ErrorCode.ATTACHMENT_NOT_FOUND, f"{eni_id} has no attachment {attachment_id!r}")
        eni.set_attachment(eni.instance, attrs.evolve(eni.attachment, delete_on_termination=bool(delete_on_termination)))
        self._done(call, None)

    def detach_network_interface(self, attachment_id: str, *, now_ns: int) -> None:
        """Detach an ENI; its device index is free at once.

        Raises:
            Ec2Error: OperationNotPermitted for the primary ENI.
        """
        call = self._begin("DetachNetworkInterface", now_ns)
        eni = self._account.attached(call, attachment_id)
        if eni.is_primary:
            raise call.refusal(ErrorCode.OPERATION_NOT_PERMITTED, "The network interface at device index 0 cannot be detached.")
        self._account.detach(eni)
        self._done(call, None)

    def delete_network_interface(self, eni_id: str, *, now_ns: int) -> None:
        """Delete a detached ENI; its addresses go back to the subnet.

        Raises:
            Ec2Error: InvalidParameterValue while it is attached.
        """
        call = self._begin("DeleteNetworkInterface", now_ns)
        eni = self._account.eni(call, eni_id)
        if eni.attachment is not None:
            raise call.invalid(f"Network interface '{eni_id}' is currently in use.")
        self._account.drop_eni(eni)
        self._done(call, None)

    def describe_network_interfaces(
        self, *, eni_ids: Iterable[str] = (), instance_id: str | None = None, now_ns: int
    ) -> tuple[NetworkInterface, ...]:
        """Show ENIs: the named ones, or those attached to an instance, or all; ordered by id.

        An instance is a filter, as in EC2: an unknown one has no ENIs. With names and an instance, those that fit both are shown.

        Raises:
            Ec2Error: InvalidNetworkInterfaceID.NotFound for an unknown name.
        """
        call = self._begin("DescribeNetworkInterfaces", now_ns, filtered=instance_id is not None)
        seen = self._visible_enis(call)
        named = tuple(find(call, seen, eni_id, ErrorCode.ENI_NOT_FOUND) for eni_id in sorted(set(texts(eni_ids))))
        if instance_id is None:
            return named or tuple(seen.values())
        instance = self._visible_instances(call).get(instance_id)
        attached = () if instance is None else sorted(instance.network_interfaces, key=lambda eni: eni.eni_id)
        return tuple(eni for eni in attached if not named or eni in named)
