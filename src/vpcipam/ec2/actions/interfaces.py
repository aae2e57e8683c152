"""The actions on ENIs: create, attach, modify, detach, delete, describe."""

import operator
from collections.abc import Iterable

import attrs

from vpcipam.ec2.actions.base import Actions, Views
from vpcipam.ec2.api import NetworkInterface
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.state.call import EFA_ONLY, INTERFACE_TYPES, texts
from vpcipam.ec2.state.filter_tables import ENI_FILTERS
from vpcipam.ec2.state.filters import Filters, filter_pairs, tagged_matching
from vpcipam.ec2.state.rules import allocate_for_new_eni, require_ipv6_for_primary, require_limits, require_place, with_ipv6_of_subnet
from vpcipam.ec2.state.subnet import AddressCounts, AddressSet


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
        enable_primary_ipv6: bool = False,
        security_group_ids: Iterable[str] = (),
        now_ns: int,
    ) -> NetworkInterface:
        """Create an ENI with its primary IP and, in the same call, secondary IPs or /28s, and IPv6 addresses or /80s.

        The `…_count` arguments let EC2 pick the addresses; the other arguments name them. EC2 also picks the primary IP unless `private_ip`
        names it. A subnet that assigns IPv6 addresses adds one if none is asked for. `interface_type` is `interface`, `trunk`, `branch`,
        `efa` or `efa-only`; the last has no addresses. Tags are pairs of key and value.
        With `enable_primary_ipv6`, its lowest IPv6 address is its primary one until it is detached. Without security groups the ENI gets
        the default one of its VPC.

        Raises:
            Ec2Error: InvalidParameterCombination for more than one IPv4 argument beside `private_ip`, more than one IPv6 argument, any
                address of an EFA-only ENI, or a primary IPv6 address without any; InvalidParameterValue for a name that is not an address
                of the subnet, and for IPv6 in a subnet without it; InvalidIPAddress.InUse for a name that is taken;
                InsufficientFreeAddressesInSubnet if no address is left to pick as the primary IP; InsufficientCidrBlocks for too few
                /80s; InvalidParameterValue if the primary IP fits but not all of the other IPv4 addresses; InvalidGroup.NotFound for a
                security group that is unknown or of another VPC; SecurityGroupsPerInterfaceLimitExceeded for more than five.
        """
        call = self._begin("CreateNetworkInterface", now_ns)
        counts = AddressCounts(
            call.count("SecondaryPrivateIpAddressCount", secondary_ip_count),
            call.count("Ipv4PrefixCount", ipv4_prefix_count),
            call.count("Ipv6AddressCount", ipv6_address_count),
            call.count("Ipv6PrefixCount", ipv6_prefix_count),
        )
        ipv4, ipv4_blocks, ipv6, ipv6_blocks = texts(secondary_ips), texts(ipv4_prefixes), texts(ipv6_addresses), texts(ipv6_prefixes)
        call.at_most_one(
            SecondaryPrivateIpAddressCount=counts.addresses,
            Ipv4PrefixCount=counts.prefixes,
            PrivateIpAddresses=ipv4,
            Ipv4Prefixes=ipv4_blocks,
        )
        call.at_most_one(
            Ipv6AddressCount=counts.ipv6_addresses, Ipv6PrefixCount=counts.ipv6_prefixes, Ipv6Addresses=ipv6, Ipv6Prefixes=ipv6_blocks
        )
        named = call.named(ipv4, ipv4_blocks, ipv6, ipv6_blocks)
        primary = None if private_ip is None else call.address(private_ip)
        if primary in named.addresses:
            raise call.invalid(f"{private_ip} is named as the primary IP and as a secondary one")
        if interface_type not in INTERFACE_TYPES:
            raise call.invalid(f"InterfaceType is {interface_type!r}; it must be one of {', '.join(INTERFACE_TYPES)}")
        read_tags = call.tags(tags)
        subnet = self._account.subnets.find(call, subnet_id)
        groups = self._groups(call, subnet, security_group_ids)
        if interface_type != EFA_ONLY:
            wanted = with_ipv6_of_subnet(subnet, named, counts)
            if enable_primary_ipv6:
                require_ipv6_for_primary(call, (named.counts + wanted).ipv6_addresses)
            addresses = allocate_for_new_eni(call, subnet, private_ip=primary, named=named, counts=wanted)
        elif not enable_primary_ipv6 and primary is None and named.counts == counts == AddressCounts():
            addresses = AddressSet()
        else:
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "An EFA-only network interface takes no IP addresses.")
        eni = self._account.create_eni(
            subnet,
            addresses,
            interface_type=interface_type,
            description=description,
            groups=groups,
            tags=read_tags,
            created_ns=call.now_ns,
            has_primary_ipv6=enable_primary_ipv6,
        )
        return self._done(call, eni.view())

    def attach_network_interface(
        self, eni_id: str, instance_id: str, *, device_index: int, network_card_index: int = 0, now_ns: int
    ) -> str:
        """Attach an ENI and return the attachment's id. The ENI outlives the instance unless `delete_on_termination` is set later.

        Device indexes run from 0 to one less than the card's maximum of ENIs. On cards other than the default one, callers start at
        1, so there the indexes run up to the maximum.

        Raises:
            Ec2Error: checked in this order: the NotFound codes; InvalidNetworkInterface.InUse if it is attached or the branch of a trunk;
                InvalidParameterCombination across availability zones; InvalidParameterValue for an unknown card, or a device index below 0
                or taken; AttachmentLimitExceeded for a full card; InvalidParameterValue for a device index above the card's highest;
                InvalidInterface.IpAddressLimitExceeded for more addresses than the type allows; InvalidParameterValue for prefixes on a
                type without them.
        """
        call = self._begin("AttachNetworkInterface", now_ns)
        place = operator.index(network_card_index), operator.index(device_index)
        eni = self._account.enis.find(call, eni_id)
        instance = self._account.instances.find(call, instance_id)
        if eni.is_in_use:
            raise call.refusal(ErrorCode.ENI_IN_USE, f"Interface: [{eni_id}] in use.")
        if eni.subnet.availability_zone != instance.subnet.availability_zone:
            zones = f"{eni.subnet.availability_zone} and {instance.subnet.availability_zone}"
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{eni_id} and {instance_id} are in different zones, {zones}")
        require_place(call, instance, place)
        require_limits(call, instance.limits, eni)
        attachment = self._account.attach(eni, instance, place, delete_on_termination=False, now_ns=call.now_ns)
        return self._done(call, attachment.attachment_id)

    def modify_network_interface_attribute(
        self,
        eni_id: str,
        *,
        attachment_id: str | None = None,
        delete_on_termination: bool | None = None,
        description: str | None = None,
        source_dest_check: bool | None = None,
        enable_primary_ipv6: bool | None = None,
        security_group_ids: Iterable[str] = (),
        now_ns: int,
    ) -> None:
        """Change one attribute of an ENI: its deletion on termination, description, source check, primary IPv6 address or groups.

        `enable_primary_ipv6` makes its lowest IPv6 address its primary one, until it is detached.

        Raises:
            Ec2Error: InvalidParameterCombination for none or several of the five, for one of `attachment_id` and `delete_on_termination`
                without the other, and for a primary IPv6 address without any; InvalidAttachmentID.NotFound if the attachment is not this
                ENI's; OperationNotPermitted for a primary IPv6 address that should no longer be one; for the groups as
                `create_network_interface`.
        """
        call = self._begin("ModifyNetworkInterfaceAttribute", now_ns)
        group_ids = texts(security_group_ids)
        attributes = (attachment_id, description, source_dest_check, enable_primary_ipv6, group_ids or None)
        given = [value is not None for value in attributes]
        if sum(given) != 1 or (attachment_id is None) != (delete_on_termination is None):
            raise call.refusal(
                ErrorCode.INVALID_PARAMETER_COMBINATION,
                "a call changes one attribute: Attachment, Description, SourceDestCheck, EnablePrimaryIpv6 or Groups",
            )
        eni = self._account.enis.find(call, eni_id)
        if attachment_id is not None:
            if eni.attachment is None or eni.attachment.attachment_id != attachment_id:
                raise call.refusal(ErrorCode.ATTACHMENT_NOT_FOUND, f"{eni_id} has no attachment {attachment_id!r}")
            eni.set_attachment(eni.instance, attrs.evolve(eni.attachment, delete_on_termination=bool(delete_on_termination)))
        if enable_primary_ipv6:
            require_ipv6_for_primary(call, len(eni.ipv6_addresses))
            eni.primary_ipv6 = min(eni.ipv6_addresses) if eni.primary_ipv6 is None else eni.primary_ipv6
        elif enable_primary_ipv6 is not None and eni.primary_ipv6 is not None:
            raise call.refusal(ErrorCode.OPERATION_NOT_PERMITTED, f"The primary IPv6 address of {eni_id} can't be disabled.")
        if description is not None:
            eni.description = description
        if source_dest_check is not None:
            eni.source_dest_check = bool(source_dest_check)
        if group_ids:
            eni.groups = self._groups(call, eni.subnet, group_ids)
        eni.touch()
        self._done(call, None)

    def detach_network_interface(self, attachment_id: str, *, force: bool = False, now_ns: int) -> None:
        """Detach an ENI; its device index is free at once, forced or not.

        Raises:
            Ec2Error: OperationNotPermitted for the primary ENI.
        """
        del force
        call = self._begin("DetachNetworkInterface", now_ns)
        eni = self._account.attachments.find(call, attachment_id)
        if eni.attachment is None or eni.is_primary:
            raise call.refusal(
                ErrorCode.OPERATION_NOT_PERMITTED, "The network interface at device index 0 and networkCard index 0 cannot be detached."
            )
        self._account.detach(eni.attachment)
        self._done(call, None)

    def delete_network_interface(self, eni_id: str, *, now_ns: int) -> None:
        """Delete a detached ENI with its trunk associations; the subnet gets its addresses back.

        Raises:
            Ec2Error: InvalidParameterValue while it is attached.
        """
        call = self._begin("DeleteNetworkInterface", now_ns)
        eni = self._account.enis.find(call, eni_id)
        if eni.attachment is not None:
            raise call.invalid(f"Network interface '{eni_id}' is currently in use.")
        self._account.delete_eni(eni)
        self._done(call, None)

    def describe_network_interfaces(
        self, *, eni_ids: Iterable[str] = (), instance_id: str | None = None, filters: Filters | None = None, now_ns: int
    ) -> tuple[NetworkInterface, ...]:
        """List ENIs, ordered by id: the named ones, those attached to an instance, or all.

        The instance is a filter, as in EC2: an unknown one has no ENIs. With names and an instance, an ENI must match both. For the other
        filters see `vpcipam.ec2.state.filter_tables`.

        Raises:
            Ec2Error: InvalidNetworkInterfaceID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeNetworkInterfaces", now_ns, filtered=instance_id is not None or bool(filters))
        names = texts(eni_ids)
        wanted = filter_pairs(filters)
        visible = self._visible(call)
        if instance_id is None or names:
            enis = visible.enis
            if visible is self._present and not names and ("status", ("available",)) in wanted:
                enis = Views(dict(sorted(self._account.unattached_enis.items())))
            shown = self._named_or_all(call, enis, names, self._account.enis)
        else:
            instance = visible.instances.get(instance_id)
            shown = () if instance is None else tuple(sorted(instance.network_interfaces, key=lambda eni: eni.eni_id))
        fitting = tagged_matching(call, shown, ENI_FILTERS, wanted)
        return tuple(eni for eni in fitting if instance_id is None or (eni.attachment and eni.attachment.instance_id == instance_id))
