"""Carry out on EC2 what a node decided: the calls in ipamd's order, with its fallbacks (reference, sections 5 and 6)."""

import attrs

from vpcipam.address import AddressMode
from vpcipam.ec2.api import Ec2Api, Ec2Error, ErrorCode, NetworkInterface, Subnet
from vpcipam.errors import NodeError

INSTANCE_TAG = "node.k8s.amazonaws.com/instance_id"
NO_MANAGE_TAG = "node.k8s.amazonaws.com/no_manage"
SUBNET_ROLE_TAG = "kubernetes.io/role/cni"
SUBNET_EXCLUDED = "0"


def pod_cidrs(eni: NetworkInterface, mode: AddressMode) -> tuple[str, ...]:
    """The CIDRs on an ENI that can carry pods: all but its primary IP; in IPv6 mode the first /80 alone, as ipamd takes it."""
    if mode is AddressMode.IPV6:
        return eni.ipv6_prefixes[:1]
    return (*(f"{address}/32" for address in eni.secondary_ips), *eni.ipv4_prefixes)


@attrs.frozen
class SlotGrant:
    """The CIDRs that an ENI has gained; `complete` where they are all that it has, for EC2 said that it was full."""

    cidrs: tuple[str, ...]
    complete: bool = False


@attrs.frozen
class Provisioner:
    """The EC2 side of one instance.

    Attributes:
        eni_limits: the most ENIs on each managed network card: the type's limit, or MAX_ENI where that is lower.
        home: the primary ENI, which tells the node's subnet, zone and VPC.
        pod_subnet_id: the ENIConfig's subnet under custom networking, None without.
        subnet_discovery: new ENIs go to the subnet with the most free addresses, among the node's and those tagged for it.
    """

    ec2: Ec2Api
    instance_id: str
    eni_limits: tuple[int, ...]
    home: NetworkInterface
    pod_subnet_id: str | None
    subnet_discovery: bool

    def add_slots(self, eni_id: str, slot_count: int, mode: AddressMode, now_ns: int) -> SlotGrant:
        """Fill slots of an ENI, all at once or, if that is refused, one.

        An ENI that EC2 says is full is read back: the datastore may have lost track of it (ipamd: tryAssignIPs).

        Raises:
            Ec2Error: EC2 refused the single one too.
        """
        try:
            try:
                return SlotGrant(self._assign(eni_id, slot_count, mode, now_ns))
            except Ec2Error as error:
                if error.code == ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED:
                    raise
                return SlotGrant(self._assign(eni_id, 1, mode, now_ns))
        except Ec2Error as error:
            if error.code != ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED:
                raise
            (eni,) = self.ec2.describe_network_interfaces(eni_ids=(eni_id,), now_ns=now_ns)
            return SlotGrant(pod_cidrs(eni, mode), complete=True)

    def create_eni(self, network_card: int, slot_count: int, mode: AddressMode, now_ns: int) -> NetworkInterface:
        """Make an ENI with filled slots and attach it at the card's lowest free device index.

        Raises:
            Ec2Error: EC2 refused to make it in any subnet, or to attach it; then it is deleted again.
            NodeError: the card has more ENIs than the node knows of, and so no room; it is deleted again. Or the metadata does not show
                it yet; a reconcile will take it on.
        """
        eni = self._create_in_a_subnet(slot_count, mode, now_ns)
        try:
            device_index = self._free_device_index(network_card, now_ns)
            attachment_id = self.ec2.attach_network_interface(
                eni.eni_id, self.instance_id, device_index=device_index, network_card_index=network_card, now_ns=now_ns
            )
        except (Ec2Error, NodeError):
            self.ec2.delete_network_interface(eni.eni_id, now_ns=now_ns)
            raise
        try:
            self.ec2.modify_network_interface_attribute(eni.eni_id, attachment_id=attachment_id, delete_on_termination=True, now_ns=now_ns)
        except Ec2Error:
            self.free_eni(eni.eni_id, attachment_id, now_ns)
            raise
        return self.attached_eni(eni.eni_id, now_ns)

    def attached_eni(self, eni_id: str, now_ns: int) -> NetworkInterface:
        """Read an attached ENI from the instance's metadata, which is free of charge.

        Raises:
            NodeError: the metadata does not show it.
        """
        for eni in self.ec2.instance_metadata(self.instance_id, now_ns=now_ns):
            if eni.eni_id == eni_id:
                return eni
        raise NodeError(f"the metadata of {self.instance_id} does not show {eni_id}")

    def release(self, eni_id: str, cidrs: tuple[str, ...], now_ns: int) -> None:
        """Give CIDRs of an ENI back, single addresses and prefixes each in one call.

        Raises:
            Ec2Error: EC2 refused; some may have been given back.
        """
        addresses = tuple(cidr.removesuffix("/32") for cidr in cidrs if cidr.endswith("/32"))
        prefixes = tuple(cidr for cidr in cidrs if not cidr.endswith("/32"))
        if prefixes:
            self.ec2.unassign_private_ip_addresses(eni_id, prefixes=prefixes, now_ns=now_ns)
        if addresses:
            self.ec2.unassign_private_ip_addresses(eni_id, addresses=addresses, now_ns=now_ns)

    def free_eni(self, eni_id: str, attachment_id: str, now_ns: int) -> None:
        """Detach and delete an ENI.

        Raises:
            Ec2Error: EC2 refused one of the two.
        """
        self.ec2.detach_network_interface(attachment_id, now_ns=now_ns)
        self.ec2.delete_network_interface(eni_id, now_ns=now_ns)

    def excluded_subnets(self, now_ns: int) -> frozenset[str]:
        """The subnets of the VPC that are tagged to give no pod addresses."""
        if not self.subnet_discovery:
            return frozenset()
        subnets = self.ec2.describe_subnets(vpc_id=self.home.vpc_id, now_ns=now_ns)
        return frozenset(subnet.subnet_id for subnet in subnets if subnet.tag(SUBNET_ROLE_TAG) == SUBNET_EXCLUDED)

    def _assign(self, eni_id: str, slot_count: int, mode: AddressMode, now_ns: int) -> tuple[str, ...]:
        if mode is AddressMode.IPV6:
            return self.ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=slot_count, now_ns=now_ns)
        if mode is AddressMode.PREFIX:
            return self.ec2.assign_private_ip_addresses(eni_id, ipv4_prefix_count=slot_count, now_ns=now_ns).prefixes
        answer = self.ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=slot_count, now_ns=now_ns)
        return tuple(f"{address}/32" for address in answer.addresses)

    def _free_device_index(self, network_card: int, now_ns: int) -> int:
        """Find the card's lowest free device index, and refuse to use it where MAX_ENI is reached with ENIs that the node does not know of.

        What it does not know: an ENI whose attachment or detachment went wrong half-way, or that somebody else has attached since.
        """
        instance = self.ec2.describe_instance(self.instance_id, now_ns=now_ns)
        count = sum(eni.attachment is not None and eni.attachment.network_card_index == network_card for eni in instance.network_interfaces)
        if count >= self.eni_limits[network_card]:
            raise NodeError(f"network card {network_card} of {self.instance_id} has {count} ENIs by now, and takes no more")
        return instance.free_device_index(network_card)

    def _create_in_a_subnet(self, slot_count: int, mode: AddressMode, now_ns: int) -> NetworkInterface:
        subnet_ids = self._subnets_to_try(now_ns)
        for subnet_id in subnet_ids[:-1]:
            try:
                return self._create(subnet_id, slot_count, mode, now_ns)
            except Ec2Error:  # the next subnet may do; the last one's refusal is the one that is told
                continue
        return self._create(subnet_ids[-1], slot_count, mode, now_ns)

    def _subnets_to_try(self, now_ns: int) -> tuple[str, ...]:
        """The subnets for a new ENI, best first (ipamd: createENI)."""
        if self.pod_subnet_id is not None:
            return (self.pod_subnet_id,)
        if not self.subnet_discovery:
            return (self.home.subnet_id,)
        subnets = [
            subnet
            for subnet in self.ec2.describe_subnets(vpc_id=self.home.vpc_id, now_ns=now_ns)
            if subnet.availability_zone == self.home.availability_zone and self._gives_pod_addresses(subnet)
        ]
        subnets.sort(key=lambda subnet: -subnet.available_ip_address_count)
        return tuple(subnet.subnet_id for subnet in subnets) or (self.home.subnet_id,)

    def _gives_pod_addresses(self, subnet: Subnet) -> bool:
        """Tell whether a subnet's tag lets new ENIs into it: the node's own unless it is excluded, others only if they are tagged."""
        role = subnet.tag(SUBNET_ROLE_TAG)
        return role != SUBNET_EXCLUDED and (role is not None or subnet.subnet_id == self.home.subnet_id)

    def _create(self, subnet_id: str, slot_count: int, mode: AddressMode, now_ns: int) -> NetworkInterface:
        return self.ec2.create_network_interface(
            subnet_id=subnet_id,
            secondary_ip_count=slot_count if mode is AddressMode.SECONDARY_IP else 0,
            ipv4_prefix_count=slot_count if mode is AddressMode.PREFIX else 0,
            ipv6_prefix_count=slot_count if mode is AddressMode.IPV6 else 0,
            description=f"aws-K8S-{self.instance_id}",
            tags=((INSTANCE_TAG, self.instance_id),),
            now_ns=now_ns,
        )
