"""Carry out on EC2 what a node decided: the calls in ipamd's order, with its fallbacks (reference, sections 5 and 6)."""

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.address import AddressMode
from vpcipam.ec2.api import Ec2Api, Ec2Error, ErrorCode, NetworkInterface, Subnet
from vpcipam.errors import NodeError
from vpcipam.node.calls import DELETE_BACKOFF, DETACH_BACKOFF, METADATA_BACKOFF, Calls

CREATED_TAG = "node.k8s.amazonaws.com/createdAt"
"""When an ENI was made, to the second in RFC 3339: EC2 itself does not tell."""
DESCRIPTION_PREFIX = "aws-K8S-"
PAUSE_AFTER_DETACH_NS = 2 * NS_PER_S
"""EC2 takes a while to detach, and deletes nothing that is still attached."""
LEAKED_ENI_AGE_NS = 300 * NS_PER_S
"""An unattached ENI younger than this may be one that some node is about to attach."""
INSTANCE_TAG = "node.k8s.amazonaws.com/instance_id"
NO_MANAGE_TAG = "node.k8s.amazonaws.com/no_manage"
SUBNET_ROLE_TAG = "kubernetes.io/role/cni"
SUBNET_EXCLUDED = "0"


def pod_cidrs(eni: NetworkInterface, mode: AddressMode) -> tuple[str, ...]:
    """The CIDRs on an ENI that can carry pods: all but its primary IP; in IPv6 mode the first /80 alone, as ipamd takes it."""
    if mode is AddressMode.IPV6:
        return eni.ipv6_prefixes[:1]
    return (*(f"{address}/32" for address in eni.secondary_ips), *eni.ipv4_prefixes)


def discovered_subnets(subnets: Iterable[Subnet], home: NetworkInterface) -> tuple[Subnet, ...]:
    """Pick the subnets for new ENIs under subnet discovery, the one with most free addresses first (ipamd: createENI).

    Those of the primary ENI's VPC and zone: the node's own unless it is tagged as excluded, others only if they are tagged.
    """
    fitting = [
        subnet
        for subnet in subnets
        if (subnet.vpc_id, subnet.availability_zone) == (home.vpc_id, home.availability_zone)
        and not is_excluded(subnet)
        and (subnet.subnet_id == home.subnet_id or subnet.tag(SUBNET_ROLE_TAG) is not None)
    ]
    return tuple(sorted(fitting, key=lambda subnet: -subnet.available_ip_address_count))


def is_excluded(subnet: Subnet) -> bool:
    """Tell whether a subnet is tagged to give no pod addresses; the tag counts under subnet discovery alone."""
    return subnet.tag(SUBNET_ROLE_TAG) == SUBNET_EXCLUDED


def made_at_ns(eni: NetworkInterface) -> int | None:
    """When an ENI was made, by the tag that its node wrote; None without a legible one, and one without a time zone is none."""
    try:
        made = datetime.fromisoformat(eni.tag(CREATED_TAG) or "")
    except ValueError:
        return None
    return None if made.tzinfo is None else round(made.timestamp()) * NS_PER_S


@attrs.frozen
class SlotGrant:
    """The CIDRs that an ENI has gained; `complete` where they are all that it has, for EC2 said that it was full."""

    cidrs: tuple[str, ...]
    complete: bool = False


@attrs.frozen
class Provisioner:
    """The EC2 side of one instance. Each method takes the calls that it is one of, which know the time.

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

    def add_slots(self, eni_id: str, slot_count: int, mode: AddressMode, calls: Calls) -> SlotGrant:
        """Fill slots of an ENI, all at once or, if that is refused, one.

        An ENI that EC2 says is full is read back: the datastore may have lost track of it (ipamd: tryAssignIPs).

        Raises:
            Ec2Error: EC2 refused the single one too.
        """
        try:
            try:
                return SlotGrant(self._assign(eni_id, slot_count, mode, calls))
            except Ec2Error as error:
                if error.code == ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED:
                    raise
                return SlotGrant(self._assign(eni_id, 1, mode, calls))
        except Ec2Error as error:
            if error.code != ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED:
                raise
            (eni,) = calls.do(lambda now_ns: self.ec2.describe_network_interfaces(eni_ids=(eni_id,), now_ns=now_ns))
            return SlotGrant(pod_cidrs(eni, mode), complete=True)

    def create_eni(self, network_card: int, slot_count: int, mode: AddressMode, calls: Calls) -> NetworkInterface:
        """Make an ENI with filled slots, attach it at the card's lowest free device index, and wait until the metadata shows it.

        Raises:
            Ec2Error: EC2 refused to make it in any subnet, or to attach it; then it is deleted again.
            NodeError: the card has more ENIs than the node knows of, and so no room; it is deleted again. Or the metadata does not come to
                show it; a reconcile will take it on.
        """
        eni = self._create_in_a_subnet(slot_count, mode, calls)
        try:
            device_index = self._free_device_index(network_card, calls)
            attachment_id = calls.do(
                lambda now_ns: self.ec2.attach_network_interface(
                    eni.eni_id, self.instance_id, device_index=device_index, network_card_index=network_card, now_ns=now_ns
                )
            )
        except (Ec2Error, NodeError):
            with contextlib.suppress(Ec2Error):  # the refusal to attach is the one to tell; a sweep will find what stays
                self.delete_eni(eni.eni_id, calls)
            raise
        try:
            calls.do(
                lambda now_ns: self.ec2.modify_network_interface_attribute(
                    eni.eni_id, attachment_id=attachment_id, delete_on_termination=True, now_ns=now_ns
                )
            )
        except Ec2Error:
            with contextlib.suppress(Ec2Error):  # likewise; while it stays attached, a reconcile will find it
                self.free_eni(eni.eni_id, attachment_id, calls)
            raise
        return self.attached_eni(eni.eni_id, slot_count, mode, calls)

    def attached_eni(self, eni_id: str, slot_count: int, mode: AddressMode, calls: Calls) -> NetworkInterface:
        """Read an ENI from the instance's metadata, which is free of charge, once that shows it with all its slots.

        ipamd: waitForENIAndIPsAttached. An ENI that goes on to be shown with fewer is taken as it is, one without any is not.

        Raises:
            NodeError: the metadata does not come to show it.
        """
        shown: NetworkInterface | None = None
        for number in range(METADATA_BACKOFF.try_count):
            if number:
                calls.back_off(METADATA_BACKOFF, number - 1)
            try:
                enis = self.ec2.instance_metadata(self.instance_id, now_ns=calls.now_ns)
            except Ec2Error:
                continue
            shown = next((eni for eni in enis if eni.eni_id == eni_id and pod_cidrs(eni, mode)), shown)
            if shown is not None and len(pod_cidrs(shown, mode)) >= slot_count:
                return shown
        if shown is None:
            raise NodeError(f"the metadata of {self.instance_id} does not show {eni_id}")
        return shown

    def release(self, eni_id: str, cidrs: tuple[str, ...], calls: Calls) -> None:
        """Give CIDRs of an ENI back, single addresses and prefixes each in one call.

        Raises:
            Ec2Error: EC2 refused; some may have been given back.
        """
        addresses = tuple(cidr.removesuffix("/32") for cidr in cidrs if cidr.endswith("/32"))
        prefixes = tuple(cidr for cidr in cidrs if not cidr.endswith("/32"))
        if prefixes:
            calls.do(lambda now_ns: self.ec2.unassign_private_ip_addresses(eni_id, prefixes=prefixes, now_ns=now_ns))
        if addresses:
            calls.do(lambda now_ns: self.ec2.unassign_private_ip_addresses(eni_id, addresses=addresses, now_ns=now_ns))

    def free_eni(self, eni_id: str, attachment_id: str, calls: Calls) -> None:
        """Detach and delete an ENI. One that is detached by then is only deleted.

        Raises:
            Ec2Error: EC2 refused one of the two to the last.
        """
        with _done_before(ErrorCode.ATTACHMENT_NOT_FOUND):
            calls.insist(
                lambda now_ns: self.ec2.detach_network_interface(attachment_id, now_ns=now_ns),
                DETACH_BACKOFF,
                again=lambda error: error.code != ErrorCode.ATTACHMENT_NOT_FOUND,
            )
        calls.pause(PAUSE_AFTER_DETACH_NS)
        self.delete_eni(eni_id, calls)

    def delete_eni(self, eni_id: str, calls: Calls) -> None:
        """Delete a detached ENI; one that is gone by then is no error.

        Raises:
            Ec2Error: EC2 refused to the last.
        """
        with _done_before(ErrorCode.ENI_NOT_FOUND):
            calls.insist(
                lambda now_ns: self.ec2.delete_network_interface(eni_id, now_ns=now_ns),
                DELETE_BACKOFF,
                again=lambda error: error.code != ErrorCode.ENI_NOT_FOUND,
            )

    def leaked_enis(self, calls: Calls) -> tuple[NetworkInterface, ...]:
        """The ENIs of the VPC that some node made and never attached, or detached and never deleted (ipamd: getLeakedENIs).

        One without a legible time of creation is left alone; ipamd writes the time of its first sight on it.

        Raises:
            Ec2Error: EC2 refused to tell.
        """
        filters = {"tag-key": (INSTANCE_TAG,), "status": ("available",), "vpc-id": (self.home.vpc_id,)}
        unattached = calls.do(lambda now_ns: self.ec2.describe_network_interfaces(filters=filters, now_ns=now_ns))
        latest_ns = calls.now_ns - LEAKED_ENI_AGE_NS
        made = ((eni, made_at_ns(eni)) for eni in unattached if eni.description.startswith(DESCRIPTION_PREFIX))
        return tuple(eni for eni, made_ns in made if made_ns is not None and made_ns <= latest_ns)

    def excluded_subnets(self, calls: Calls) -> frozenset[str]:
        """The subnets of the VPC that are tagged to give no pod addresses."""
        if not self.subnet_discovery:
            return frozenset()
        subnets = calls.do(lambda now_ns: self.ec2.describe_subnets(vpc_id=self.home.vpc_id, now_ns=now_ns))
        return frozenset(subnet.subnet_id for subnet in subnets if is_excluded(subnet))

    def _assign(self, eni_id: str, slot_count: int, mode: AddressMode, calls: Calls) -> tuple[str, ...]:
        if mode is AddressMode.IPV6:
            return calls.do(lambda now_ns: self.ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=slot_count, now_ns=now_ns))
        if mode is AddressMode.PREFIX:
            answer = calls.do(lambda now_ns: self.ec2.assign_private_ip_addresses(eni_id, ipv4_prefix_count=slot_count, now_ns=now_ns))
            return answer.prefixes
        answer = calls.do(lambda now_ns: self.ec2.assign_private_ip_addresses(eni_id, secondary_ip_count=slot_count, now_ns=now_ns))
        return tuple(f"{address}/32" for address in answer.addresses)

    def _free_device_index(self, network_card: int, calls: Calls) -> int:
        """Find the card's lowest free device index, and refuse to use it where MAX_ENI is reached with ENIs that the node does not know of.

        What it does not know: an ENI whose attachment or detachment went wrong half-way, or that somebody else has attached since.
        """
        instance = calls.do(lambda now_ns: self.ec2.describe_instance(self.instance_id, now_ns=now_ns))
        count = sum(eni.attachment is not None and eni.attachment.network_card_index == network_card for eni in instance.network_interfaces)
        if count >= self.eni_limits[network_card]:
            raise NodeError(f"network card {network_card} of {self.instance_id} has {count} ENIs by now, and takes no more")
        return instance.free_device_index(network_card)

    def _create_in_a_subnet(self, slot_count: int, mode: AddressMode, calls: Calls) -> NetworkInterface:
        subnet_ids = self._subnets_to_try(calls)
        for subnet_id in subnet_ids[:-1]:
            try:
                return self._create(subnet_id, slot_count, mode, calls)
            except Ec2Error:  # the next subnet may do; the last one's refusal is the one that is told
                continue
        return self._create(subnet_ids[-1], slot_count, mode, calls)

    def _subnets_to_try(self, calls: Calls) -> tuple[str, ...]:
        """The subnets for a new ENI, best first (ipamd: createENI)."""
        if self.pod_subnet_id is not None:
            return (self.pod_subnet_id,)
        if not self.subnet_discovery:
            return (self.home.subnet_id,)
        subnets = calls.do(lambda now_ns: self.ec2.describe_subnets(vpc_id=self.home.vpc_id, now_ns=now_ns))
        return tuple(subnet.subnet_id for subnet in discovered_subnets(subnets, self.home)) or (self.home.subnet_id,)

    def _create(self, subnet_id: str, slot_count: int, mode: AddressMode, calls: Calls) -> NetworkInterface:
        return calls.do(
            lambda now_ns: self.ec2.create_network_interface(
                subnet_id=subnet_id,
                secondary_ip_count=slot_count if mode is AddressMode.SECONDARY_IP else 0,
                ipv4_prefix_count=slot_count if mode is AddressMode.PREFIX else 0,
                ipv6_prefix_count=slot_count if mode is AddressMode.IPV6 else 0,
                description=f"{DESCRIPTION_PREFIX}{self.instance_id}",
                tags=((INSTANCE_TAG, self.instance_id), (CREATED_TAG, _rfc3339(now_ns))),
                now_ns=now_ns,
            )
        )


@contextlib.contextmanager
def _done_before(code: ErrorCode) -> Iterator[None]:
    """Let a refusal pass that says that what was wanted is so already."""
    try:
        yield
    except Ec2Error as error:
        if error.code != code:
            raise


def _rfc3339(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
