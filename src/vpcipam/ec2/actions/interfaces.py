"""ENIs: create, attach, modify, detach, delete, describe."""

import operator
from collections.abc import Iterable

import attrs

from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import ErrorCode, NetworkInterface
from vpcipam.ec2.state.filters import ENI_FILTERS, Filters, tagged_matching
from vpcipam.ec2.state.requests import INTERFACE_TYPES, texts
from vpcipam.ec2.state.rules import allocate_for_new_eni, require_limits, require_place
from vpcipam.ec2.state.subnet import AddressCounts


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
        private_ip: str | None = None,
        secondary_ips: Iterable[str] = (),
        ipv4_prefixes: Iterable[str] = (),
        ipv6_address_count: int = 0,
        ipv6_addresses: Iterable[str] = (),
        ipv6_prefixes: Iterable[str] = (),
        now_ns: int,
    ) -> NetworkInterface:
        """Make an ENI with its primary IP and, in the same step, secondary IPs or prefixes, and IPv6 addresses or prefixes.

        Args:
            subnet_id: where its addresses come from.
            secondary_ip_count: secondary IPs that EC2 picks.
            ipv4_prefix_count: /28s that EC2 picks.
            ipv6_prefix_count: /80s that EC2 picks.
            interface_type: `interface`, `trunk`, `branch` or `efa`.
            description: any text.
            tags: pairs of key and value; of a key given twice, the last counts.
            private_ip: the primary IP; None lets EC2 pick it.
            secondary_ips: secondary IPs by name.
            ipv4_prefixes: /28s by name.
            ipv6_address_count: IPv6 addresses that EC2 picks.
            ipv6_addresses: IPv6 addresses by name.
            ipv6_prefixes: /80s by name.
            now_ns: the time of the call.

        Raises:
            Ec2Error: InvalidParameterCombination for several ways of asking for IPv4 beside the primary IP, or for IPv6, in one call;
                InvalidParameterValue for a name that is no address of the subnet, and for IPv6 in a subnet without it;
                InvalidIPAddress.InUse for a name that is taken; InsufficientFreeAddressesInSubnet where no address is left to be picked as
                the primary one; InsufficientCidrBlocks for too few /80s; InvalidParameterValue where the primary IP would fit, but not all
                of the other IPv4 addresses.
        """
        call = self._begin("CreateNetworkInterface", now_ns)
        counts = AddressCounts(
            call.count("secondary_ip_count", secondary_ip_count),
            call.count("ipv4_prefix_count", ipv4_prefix_count),
            call.count("ipv6_address_count", ipv6_address_count),
            call.count("ipv6_prefix_count", ipv6_prefix_count),
        )
        ipv4, ipv4_blocks, ipv6, ipv6_blocks = texts(secondary_ips), texts(ipv4_prefixes), texts(ipv6_addresses), texts(ipv6_prefixes)
        call.one_kind_at_most(
            secondary_ip_count=counts.addresses, ipv4_prefix_count=counts.prefixes, secondary_ips=ipv4, ipv4_prefixes=ipv4_blocks
        )
        call.one_kind_at_most(
            ipv6_address_count=counts.ipv6_addresses, ipv6_prefix_count=counts.ipv6_prefixes, ipv6_addresses=ipv6, ipv6_prefixes=ipv6_blocks
        )
        named = call.named(ipv4, ipv4_blocks, ipv6, ipv6_blocks)
        primary = None if private_ip is None else call.address(private_ip)
        if primary in named.addresses:
            raise call.invalid(f"{private_ip} is named as the primary IP and as a secondary one")
        if interface_type not in INTERFACE_TYPES:
            raise call.invalid(f"interface_type is {interface_type!r}; it must be one of {', '.join(INTERFACE_TYPES)}")
        read_tags = call.tags(tags)
        subnet = self._account.subnet(call, subnet_id)
        addresses = allocate_for_new_eni(call, subnet, private_ip=primary, named=named, counts=counts)
        eni = self._account.create_eni(
            subnet, addresses, interface_type=interface_type, description=description, tags=read_tags, created_ns=call.now_ns
        )
        return self._done(call, eni.view())

    def attach_network_interface(
        self, eni_id: str, instance_id: str, *, device_index: int, network_card_index: int = 0, now_ns: int
    ) -> str:
        """Attach an ENI; the answer is the attachment's id. It stays when the instance goes, until told otherwise.

        Device indexes run from 0 to one less than the card's maximum of ENIs. On the further cards users begin with 1, so there they run
        up to the maximum.

        Raises:
            Ec2Error: in this order: the NotFound codes; InvalidNetworkInterface.InUse where it is attached, or the branch of a trunk;
                InvalidParameterCombination across availability zones; InvalidParameterValue for a card that is not there, or a device index
                below 0 or taken; AttachmentLimitExceeded for a full card; InvalidParameterValue for a device index above the card's;
                InvalidInterface.IpAddressLimitExceeded for more addresses than the type allows; InvalidParameterValue for prefixes on a
                type without them.
        """
        call = self._begin("AttachNetworkInterface", now_ns)
        place = operator.index(network_card_index), operator.index(device_index)
        eni = self._account.eni(call, eni_id)
        instance = self._account.instance(call, instance_id)
        if eni.is_in_use:
            raise call.refusal(ErrorCode.ENI_IN_USE, f"Interface: [{eni_id}] in use.")
        if eni.subnet.availability_zone != instance.subnet.availability_zone:
            zones = f"{eni.subnet.availability_zone} and {instance.subnet.availability_zone}"
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{eni_id} and {instance_id} are in two zones, {zones}")
        require_place(call, instance, place)
        require_limits(call, instance.limits, eni)
        attachment = self._account.attach(eni, instance, place, delete_on_termination=False)
        return self._done(call, attachment.attachment_id)

    def modify_network_interface_attribute(
        self,
        eni_id: str,
        *,
        attachment_id: str | None = None,
        delete_on_termination: bool | None = None,
        description: str | None = None,
        source_dest_check: bool | None = None,
        now_ns: int,
    ) -> None:
        """Change one attribute of an ENI: whether it goes when its instance is terminated, its description, or its source/dest. check.

        Raises:
            Ec2Error: InvalidParameterCombination for none or several of the three, or for one of `attachment_id` and
                `delete_on_termination` without the other; InvalidAttachmentID.NotFound where the attachment is none of this ENI's.
        """
        call = self._begin("ModifyNetworkInterfaceAttribute", now_ns)
        given = [value is not None for value in (attachment_id, description, source_dest_check)]
        if sum(given) != 1 or (attachment_id is None) != (delete_on_termination is None):
            raise call.refusal(
                ErrorCode.INVALID_PARAMETER_COMBINATION,
                "one attribute is changed in a call: attachment_id with delete_on_termination, or description, or source_dest_check",
            )
        eni = self._account.eni(call, eni_id)
        if attachment_id is not None:
            if eni.attachment is None or eni.attachment.attachment_id != attachment_id:
                raise call.refusal(ErrorCode.ATTACHMENT_NOT_FOUND, f"{eni_id} has no attachment {attachment_id!r}")
            eni.set_attachment(eni.instance, attrs.evolve(eni.attachment, delete_on_termination=bool(delete_on_termination)))
        if description is not None:
            eni.description = description
        if source_dest_check is not None:
            eni.source_dest_check = bool(source_dest_check)
        eni.touch()
        self._done(call, None)

    def detach_network_interface(self, attachment_id: str, *, force: bool = False, now_ns: int) -> None:
        """Detach an ENI; its device index is free at once, forced or not.

        Raises:
            Ec2Error: OperationNotPermitted for the primary ENI.
        """
        del force
        call = self._begin("DetachNetworkInterface", now_ns)
        eni = self._account.attached(call, attachment_id)
        if eni.is_primary:
            raise call.refusal(ErrorCode.OPERATION_NOT_PERMITTED, "The network interface at device index 0 cannot be detached.")
        self._account.detach(eni)
        self._done(call, None)

    def delete_network_interface(self, eni_id: str, *, now_ns: int) -> None:
        """Delete a detached ENI; its addresses go back to the subnet. A branch goes with its association, a trunk with all of its.

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
        self, *, eni_ids: Iterable[str] = (), instance_id: str | None = None, filters: Filters | None = None, now_ns: int
    ) -> tuple[NetworkInterface, ...]:
        """Show ENIs: the named ones, or those attached to an instance, or all; ordered by id.

        An instance is a filter, as in EC2: an unknown one has no ENIs. With names and an instance, those that fit both are shown. For the
        other filters see `vpcipam.ec2.state.filters`.

        Raises:
            Ec2Error: InvalidNetworkInterfaceID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeNetworkInterfaces", now_ns, filtered=instance_id is not None or bool(filters))
        names = texts(eni_ids)
        wanted = {name: texts(values) for name, values in (filters or {}).items()}
        if instance_id is None or names:
            unattached = not names and wanted.get("status") == ("available",)
            shown = self._named_or_all(call, self._visible_enis(call, unattached=unattached), names, ErrorCode.ENI_NOT_FOUND)
        else:
            instance = self._visible_instances(call).get(instance_id)
            shown = () if instance is None else tuple(sorted(instance.network_interfaces, key=lambda eni: eni.eni_id))
        fitting = tagged_matching(call, shown, ENI_FILTERS, wanted)
        return tuple(eni for eni in fitting if instance_id is None or (eni.attachment and eni.attachment.instance_id == instance_id))
