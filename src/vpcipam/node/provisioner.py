"""The EC2 side of a node: its calls in ipamd's order, with ipamd's fallbacks (docs/ipamd.md, "EC2 calls and throttling")."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, cast

import attrs

from vpcipam._units import NS_PER_S
from vpcipam.address import AddressMode
from vpcipam.ec2.api import Ec2Api, Ec2Error, ErrorCode, InstanceLauncher, NetworkInterface, Subnet, Tagger
from vpcipam.errors import NodeError
from vpcipam.limits import InstanceLimits
from vpcipam.node.calls import DELETE_BACKOFF, DETACH_BACKOFF, METADATA_BACKOFF, TAG_BACKOFF, Backoff, Calls
from vpcipam.node.interfaces import (
    CREATED_TAG,
    DESCRIPTION_PREFIX,
    SUBNET_ROLE_TAG,
    card_index,
    created_tag_text,
    discovered_subnets,
    is_excluded,
    is_primary,
    node_tags,
    pod_cidrs,
)

PAUSE_AFTER_DETACH_NS = 2 * NS_PER_S
"""EC2 takes a while to detach an ENI, and doesn't delete one that is still attached."""


@attrs.frozen
class SlotGrant:
    """CIDRs that EC2 put on an ENI. If `complete`, they are all that it has, read back because EC2 had called the ENI full."""

    cidrs: tuple[str, ...]
    complete: bool = False


@attrs.frozen
class Provisioner:
    """The EC2 side of one instance. Each method makes its calls through `calls`, which keeps the time.

    Attributes:
        mode: what slots hold.
        eni_limit: the most ENIs on each network card, as far as ipamd knows. EC2 may allow fewer on a card.
        primary_eni: gives the node's subnet, zone and VPC.
        pod_subnet_id: the ENIConfig's subnet under custom networking, else None.
        discovers_subnets: new ENIs go to the subnet with the most free addresses, among the node's own and those tagged for pods.
        cluster_name: CLUSTER_NAME, empty if it is not set. Subnets that are tagged for other clusters only are left alone.
    """

    ec2: Ec2Api
    instance_id: str
    mode: AddressMode
    eni_limit: int
    primary_eni: NetworkInterface
    pod_subnet_id: str | None
    discovers_subnets: bool
    cluster_name: str

    # --- slots ---------------------------------------------------------------------------------------------------------------

    def add_slots(self, eni_id: str, slot_count: int, calls: Calls) -> SlotGrant:
        """Fill slots of an ENI: all in one call or, if EC2 refuses that, a single one.

        If EC2 says that the ENI is full, the datastore may be out of date, so the ENI is read back (ipamd: tryAssignIPs).

        Raises:
            Ec2Error: EC2 refused the single slot too.
        """
        try:
            try:
                return SlotGrant(self._assign(eni_id, slot_count, calls))
            except Ec2Error as error:
                if error.code == ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED:
                    raise
                return SlotGrant(self._assign(eni_id, 1, calls))
        except Ec2Error as error:
            if error.code != ErrorCode.PRIVATE_IP_LIMIT_EXCEEDED:
                raise
            return SlotGrant(pod_cidrs(self._described(eni_id, calls), self.mode), complete=True)

    def _assign(self, eni_id: str, slot_count: int, calls: Calls) -> tuple[str, ...]:
        assign = self.ec2.assign_private_ip_addresses
        if self.mode is AddressMode.PREFIX:
            return calls.do(lambda now_ns: assign(eni_id, ipv4_prefix_count=slot_count, now_ns=now_ns)).prefixes
        answer = calls.do(lambda now_ns: assign(eni_id, secondary_ip_count=slot_count, now_ns=now_ns))
        return tuple([f"{address}/32" for address in answer.addresses])

    def ipv6_prefix(self, eni_id: str, calls: Calls) -> str:
        """Return the first /80 of an ENI, as EC2 shows it; if there is none, get one (ipamd: assignIPv6Prefix).

        Raises:
            Ec2Error: EC2 refused one of the two calls.
        """
        prefixes = self._described(eni_id, calls).ipv6_prefixes
        if not prefixes:
            prefixes = calls.do(lambda now_ns: self.ec2.assign_ipv6_addresses(eni_id, ipv6_prefix_count=1, now_ns=now_ns))
        return prefixes[0]

    def _described(self, eni_id: str, calls: Calls) -> NetworkInterface:
        (eni,) = calls.do(lambda now_ns: self.ec2.describe_network_interfaces(eni_ids=(eni_id,), now_ns=now_ns))
        return eni

    def release(self, eni_id: str, cidrs: tuple[str, ...], calls: Calls) -> None:
        """Release CIDRs of an ENI: one call for the prefixes, one for the single addresses.

        Raises:
            Ec2Error: EC2 refused a call. The prefixes may have been released by an earlier one.
        """
        addresses = tuple([cidr[:-3] for cidr in cidrs if cidr.endswith("/32")])
        prefixes = tuple([cidr for cidr in cidrs if not cidr.endswith("/32")]) if len(addresses) < len(cidrs) else ()
        if prefixes:
            calls.do(lambda now_ns: self.ec2.unassign_private_ip_addresses(eni_id, prefixes=prefixes, now_ns=now_ns))
        if addresses:
            calls.do(lambda now_ns: self.ec2.unassign_private_ip_addresses(eni_id, addresses=addresses, now_ns=now_ns))

    # --- a new ENI -----------------------------------------------------------------------------------------------------------

    def create_eni(self, network_card: int, slot_count: int, calls: Calls) -> NetworkInterface:
        """Create an ENI with filled slots, attach it at the card's lowest free device index, and wait until the metadata shows it.

        Raises:
            Ec2Error: EC2 refused to create the ENI in every subnet, or refused a later call; the new ENI is then deleted, if EC2 allows it.
                If EC2 refused only its /80, it stays attached, and the next start tries again.
            NodeError: the tags of the subnets allow no new ENI. Or the card has ENIs that the node doesn't have, and no room left;
                the new ENI is then deleted, if EC2 allows it. Or the metadata never showed the ENI; a reconcile adopts it later.
        """
        eni = self._create_in_a_subnet(slot_count, calls)
        try:
            device_index = self._free_device_index(network_card, calls)
            attachment_id = calls.do(
                lambda now_ns: self.ec2.attach_network_interface(
                    eni.eni_id, self.instance_id, device_index=device_index, network_card_index=network_card, now_ns=now_ns
                )
            )
        except (Ec2Error, NodeError):
            with contextlib.suppress(Ec2Error):  # the first error matters more; the clean-up of leaked ENIs deletes the ENI later
                self.delete_eni(eni.eni_id, calls)
            raise
        try:
            calls.do(
                lambda now_ns: self.ec2.modify_network_interface_attribute(
                    eni.eni_id, attachment_id=attachment_id, delete_on_termination=True, now_ns=now_ns
                )
            )
        except Ec2Error:
            with contextlib.suppress(Ec2Error):  # likewise; a reconcile adopts the ENI if it is still attached
                self.free_eni(eni.eni_id, attachment_id, calls)
            raise
        attached = self._attached_eni(eni.eni_id, slot_count, calls)
        return (
            attached if self.mode is not AddressMode.IPV6 else attrs.evolve(attached, ipv6_prefixes=(self.ipv6_prefix(eni.eni_id, calls),))
        )

    def _create_in_a_subnet(self, slot_count: int, calls: Calls) -> NetworkInterface:
        subnet_ids = self._subnets_to_try(calls)
        for subnet_id in subnet_ids[:-1]:
            try:
                return self._create(subnet_id, slot_count, calls)
            except Ec2Error:  # the next subnet may work; only the last error is reported
                continue
        return self._create(subnet_ids[-1], slot_count, calls)

    def _subnets_to_try(self, calls: Calls) -> tuple[str, ...]:
        """The subnets for a new ENI, best first (ipamd: createENI). No tag counts under custom networking.

        Raises:
            NodeError: the tags allow no subnet.
            Ec2Error: under subnet discovery, EC2 refused twice to describe the subnets.
        """
        if self.pod_subnet_id is not None:
            return (self.pod_subnet_id,)
        own_id, discovers = self.primary_eni.subnet_id, self.discovers_subnets
        try:
            subnets = self._describe_subnets(calls)
        except Ec2Error:
            if not discovers:
                return (own_id,)
            subnets, discovers = (
                self._describe_subnets(calls),
                False,
            )  # ipamd then falls back to the node's own subnet, if its tags allow it
        if discovers:
            chosen = tuple(subnet.subnet_id for subnet in discovered_subnets(subnets, self.primary_eni, self.cluster_name))
        else:
            chosen = () if own_id in self._excluded(subnets) else (own_id,)
        if not chosen:
            zone = self.primary_eni.availability_zone
            raise NodeError(
                f"the tags of the subnets in {zone} allow no new ENI of {self.instance_id}: tag one {SUBNET_ROLE_TAG}=1"
                + ("" if self.discovers_subnets else " and set ENABLE_SUBNET_DISCOVERY to true")
                + f", or remove the tag of {own_id}"
            )
        return chosen

    def _describe_subnets(self, calls: Calls) -> tuple[Subnet, ...]:
        return calls.do(lambda now_ns: self.ec2.describe_subnets(vpc_id=self.primary_eni.vpc_id, now_ns=now_ns))

    def _create(self, subnet_id: str, slot_count: int, calls: Calls) -> NetworkInterface:
        optional: dict[str, Any] = {}  # an Ec2Api needs the first only for IPv6, the second only if it shows security groups
        if self.mode is AddressMode.IPV6:
            optional["ipv6_address_count"] = slot_count  # the /80 comes in a call of its own
        if self.primary_eni.security_group_ids:
            optional["security_group_ids"] = self.primary_eni.security_group_ids
        return calls.do(
            lambda now_ns: self.ec2.create_network_interface(
                subnet_id=subnet_id,
                secondary_ip_count=slot_count if self.mode is AddressMode.SECONDARY_IP else 0,
                ipv4_prefix_count=slot_count if self.mode is AddressMode.PREFIX else 0,
                description=f"{DESCRIPTION_PREFIX}{self.instance_id}",
                tags=(*node_tags(self.instance_id, self.cluster_name), (CREATED_TAG, created_tag_text(now_ns))),
                now_ns=now_ns,
                **optional,
            )
        )

    def _free_device_index(self, network_card: int, calls: Calls) -> int:
        """Find the card's lowest free device index.

        EC2 may show ENIs that the node doesn't have: an attach or a detach failed halfway, or somebody else attached one.

        Raises:
            NodeError: with those ENIs, the card is at the limit.
        """
        instance = calls.do(lambda now_ns: self.ec2.describe_instance(self.instance_id, now_ns=now_ns))
        count = sum(card_index(eni) == network_card for eni in instance.network_interfaces)
        if count >= self.eni_limit:
            trunk = any(eni.interface_type == "trunk" for eni in instance.network_interfaces if card_index(eni) == network_card)
            enis = f"{count} ENIs by now{', with the trunk of ENABLE_POD_ENI' if trunk else ''}"
            raise NodeError(f"network card {network_card} of {self.instance_id} has {enis}, and takes no more")
        return instance.free_device_index(network_card)

    def _attached_eni(self, eni_id: str, slot_count: int, calls: Calls) -> NetworkInterface:
        """Wait until the metadata shows an ENI with all its slots, and return it. Reading metadata is free and never throttled.

        After the last try, an ENI that shows only some of its slots is accepted (ipamd: waitForENIAndIPsAttached).

        Raises:
            NodeError: the metadata never showed the ENI with a slot.
        """
        shown: NetworkInterface | None = None
        for _ in calls.tries(METADATA_BACKOFF):
            try:
                enis = self.ec2.instance_metadata(self.instance_id, now_ns=calls.now_ns)
            except Ec2Error:
                continue
            shown = next((eni for eni in enis if eni.eni_id == eni_id and self._filled(eni)), shown)
            if shown is not None and len(self._filled(shown)) >= slot_count:
                return shown
        if shown is None:
            raise NodeError(f"the metadata of {self.instance_id} does not show {eni_id}")
        calls.uncertain = True
        return shown

    def _filled(self, eni: NetworkInterface) -> tuple[str, ...]:
        """What fills the slots of a new ENI. In IPv6 mode this is its own address, because the /80 is assigned later."""
        return eni.ipv6_addresses if self.mode is AddressMode.IPV6 else pod_cidrs(eni, self.mode)

    # --- an attached ENI -----------------------------------------------------------------------------------------------------

    def tag_attached(self, eni: NetworkInterface, calls: Calls) -> None:
        """Put ipamd's tags on an ENI that lacks some of them; without a call if it has them all (ipamd: TagENI).

        Raises:
            Ec2Error: EC2 refused every try.
        """
        missing = tuple(tag for tag in node_tags(self.instance_id, self.cluster_name) if tag not in eni.tags)
        if missing:
            self.tag(eni.eni_id, missing, calls)

    def tag(self, eni_id: str, tags: tuple[tuple[str, str], ...], calls: Calls) -> None:
        """Tag an ENI; do nothing if the client can't.

        Raises:
            Ec2Error: EC2 refused every try.
        """
        if hasattr(self.ec2, "create_tags"):
            tagger = cast("Tagger", self.ec2)
            calls.insist(lambda now_ns: tagger.create_tags((eni_id,), tags, now_ns=now_ns), TAG_BACKOFF)

    def shows(self, eni_id: str, cidrs: set[str], calls: Calls) -> bool:
        """Tell whether EC2 shows all of some CIDRs on an ENI.

        Raises:
            Ec2Error: EC2 refused the call.
        """
        return cidrs.issubset(pod_cidrs(self._described(eni_id, calls), self.mode))

    def share_security_groups(self, eni_ids: Iterable[str], calls: Calls) -> None:
        """Give ENIs the security groups of the primary ENI, except under custom networking. Refusals are ignored (ipamd: RefreshSGIDs)."""
        if self.pod_subnet_id is None and self.primary_eni.security_group_ids:
            for eni_id in eni_ids:
                with contextlib.suppress(Ec2Error):
                    self._share_security_groups(eni_id, calls)

    def _share_security_groups(self, eni_id: str, calls: Calls) -> None:
        groups = self.primary_eni.security_group_ids
        calls.do(lambda now_ns: self.ec2.modify_network_interface_attribute(eni_id, security_group_ids=groups, now_ns=now_ns))

    # --- freeing an ENI ------------------------------------------------------------------------------------------------------

    def free_eni(self, eni_id: str, attachment_id: str, calls: Calls) -> None:
        """Ask EC2 for the attachment of an ENI, detach the ENI and delete it; an ENI that is already detached is only deleted.

        It is no error if the ENI is already gone.

        Raises:
            Ec2Error: EC2 refused to describe the ENI, or every try of one of the other two calls.
        """
        try:
            attachment = self._described(eni_id, calls).attachment
        except Ec2Error as error:
            if error.code == ErrorCode.ENI_NOT_FOUND:
                return
            raise
        if attachment is not None:
            attachment_id = attachment.attachment_id
        _insist(
            calls,
            lambda now_ns: self.ec2.detach_network_interface(attachment_id, now_ns=now_ns),
            DETACH_BACKOFF,
            done=ErrorCode.ATTACHMENT_NOT_FOUND,
        )
        calls.pause(PAUSE_AFTER_DETACH_NS)
        self.delete_eni(eni_id, calls)

    def delete_eni(self, eni_id: str, calls: Calls) -> None:
        """Delete a detached ENI; it is no error if the ENI is already gone.

        Raises:
            Ec2Error: EC2 refused every try.
        """
        _insist(
            calls, lambda now_ns: self.ec2.delete_network_interface(eni_id, now_ns=now_ns), DELETE_BACKOFF, done=ErrorCode.ENI_NOT_FOUND
        )

    # --- subnets -------------------------------------------------------------------------------------------------------------

    def excluded_subnets(self, calls: Calls) -> frozenset[str]:
        """The ids of the VPC's subnets whose attached ENIs give pods no addresses. The tags count only under subnet discovery."""
        return self._excluded(self._describe_subnets(calls)) if self.discovers_subnets else frozenset()

    def _excluded(self, subnets: Iterable[Subnet]) -> frozenset[str]:
        return frozenset(subnet.subnet_id for subnet in subnets if is_excluded(subnet, self.cluster_name))


def _insist(calls: Calls, call: Callable[[int], None], backoff: Backoff, *, done: ErrorCode) -> None:
    """Make a call until EC2 grants it or answers with the code `done`, which says that nothing is left to do."""
    try:
        calls.insist(call, backoff, again=lambda error: error.code != done)
    except Ec2Error as error:
        if error.code != done:
            raise


def launch(ec2: Ec2Api, limits: InstanceLimits, subnet_id: str, now_ns: int) -> str:
    """Launch an instance, and return its id.

    Raises:
        NodeError: the client can't launch instances.
        Ec2Error: EC2 refused the call.
    """
    if not hasattr(ec2, "launch_instance"):
        raise NodeError("this EC2 can't launch instances: give the instance_id of a running one")
    return cast("InstanceLauncher", ec2).launch_instance(limits, subnet_id, now_ns=now_ns).instance_id


def find_primary_eni(
    instance_id: str, read: Callable[[str, Calls], tuple[NetworkInterface, ...]], calls: Calls
) -> tuple[tuple[NetworkInterface, ...], NetworkInterface]:
    """Read what is attached to an instance until it includes the primary ENI: EC2 may be late to show a new instance.

    Returns:
        All ENIs, and the primary one.

    Raises:
        NodeError: the last try did not show the primary ENI.
        Ec2Error: EC2 refused to show what is attached.
    """
    for _ in calls.tries(METADATA_BACKOFF):
        attached = read(instance_id, calls)
        primary_eni = next((eni for eni in attached if is_primary(eni)), None)
        if primary_eni is not None:
            return attached, primary_eni
    raise NodeError(f"instance {instance_id} shows no primary ENI; start the node again if it was just launched, else check the id")
