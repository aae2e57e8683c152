"""Everything that exists in the EC2 model, and the indexes that find it.

Every creation, deletion and attachment goes through `Account`, which keeps the indexes consistent. `vpcipam.ec2.actions` decides whether
it is allowed.
"""

import re
from collections import Counter
from collections.abc import Container
from typing import TYPE_CHECKING, Any, TypeVar

from vpcipam.address import Cidr
from vpcipam.ec2.api import Attachment, Instance
from vpcipam.ec2.errors import Ec2Error, ErrorCode
from vpcipam.ec2.resources import METADATA_DEFAULTS, MetadataOptions
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.state.records import (
    ElasticIpRecord,
    EniRecord,
    InstanceRecord,
    LaunchTemplateRecord,
    ReservationRecord,
    SecurityGroupRecord,
    SubnetRecord,
    Tags,
    Touched,
    TrunkAssociationRecord,
    VpcRecord,
)
from vpcipam.ec2.state.subnet import AddressSet
from vpcipam.ec2.subnet_rules import CIDR_QUOTA

if TYPE_CHECKING:
    from vpcipam.limits import InstanceLimits

_ID_DIGITS = 17
_DIGITS = re.compile("[0-9a-f]{1,17}")
_PUBLIC_IP = "public-ip"
DEFAULT_GROUP = "default"
"""The name of the security group that each VPC has from the start."""
GROUPS_PER_ENI = 5
"""The security groups that an ENI can have, by default (Amazon VPC User Guide, "Amazon VPC quotas")."""

PUBLIC_RANGE = Cidr.parse("198.18.0.0/15")
"""Where Elastic IP addresses come from: a range that the Internet never routes (RFC 2544), unlike EC2's own."""

_Value = TypeVar("_Value")
TaggedRecord = (
    VpcRecord
    | SecurityGroupRecord
    | SubnetRecord
    | ReservationRecord
    | EniRecord
    | InstanceRecord
    | TrunkAssociationRecord
    | ElasticIpRecord
    | LaunchTemplateRecord
)


class Records(dict[str, _Value]):
    """Records of one kind by id, in the order of creation. It refuses unknown ids.

    Args:
        kind: EC2's words for an id.
        not_found: the code for an id that does not exist.
        prefix: what an id starts with, before the hyphen.
        malformed: the code for a text that is no id; None where EC2 answers `not_found` to that too, as for VPCs and subnets.
    """

    def __init__(self, kind: str, not_found: ErrorCode, prefix: str = "", malformed: ErrorCode | None = None) -> None:
        super().__init__()
        self._kind = kind
        self._not_found = not_found
        self._prefix = prefix
        self._malformed = malformed

    def find(self, call: Call, key: str) -> _Value:
        """Find a record or refuse the call."""
        try:
            return self[key]
        except KeyError:
            raise self.missing(call, key) from None

    def missing(self, call: Call, *keys: str) -> Ec2Error:
        """Create the error that refuses unknown ids, one or more."""
        wrong = [key for key in keys if not _is_id(key, (self._prefix,))]
        if wrong and self._malformed is not None:
            return call.refusal(self._malformed, f'Invalid id: "{wrong[0]}" (expecting "{self._prefix}-...")')
        if len(keys) > 1:
            return call.refusal(self._not_found, f"The {self._kind}s '{', '.join(keys)}' do not exist")
        return call.refusal(self._not_found, f"The {self._kind} {keys[0]!r} does not exist")


def _is_id(text: str, prefixes: Container[str]) -> bool:
    prefix, _, digits = text.rpartition("-")
    return prefix in prefixes and _DIGITS.fullmatch(digits) is not None


class Account:
    """All records of the model by id, each kind in the order of creation.

    `vpcipam.ec2.state.invariants` lists their invariants.

    Attributes:
        touched: collects every record that changes; None without a history.
        metadata_defaults: the metadata options of an instance whose launch names none.
        vpc_cidr_quota: the most IPv4 CIDRs of a VPC.
    """

    def __init__(self, metadata_defaults: MetadataOptions = METADATA_DEFAULTS, vpc_cidr_quota: int = CIDR_QUOTA) -> None:
        self.metadata_defaults = metadata_defaults
        self.vpc_cidr_quota = vpc_cidr_quota
        self.touched: Touched | None = None
        self.vpcs: Records[VpcRecord] = Records("vpc ID", ErrorCode.VPC_NOT_FOUND)
        self.cidr_associations: Records[VpcRecord] = Records("vpc CIDR block association ID", ErrorCode.CIDR_ASSOCIATION_NOT_FOUND)
        self.subnet_cidr_associations: Records[SubnetRecord] = Records(
            "subnet CIDR block association ID", ErrorCode.SUBNET_CIDR_ASSOCIATION_NOT_FOUND
        )
        self.groups: Records[SecurityGroupRecord] = Records("security group", ErrorCode.GROUP_NOT_FOUND, "sg", ErrorCode.GROUP_ID_MALFORMED)
        self.subnets: Records[SubnetRecord] = Records("subnet ID", ErrorCode.SUBNET_NOT_FOUND)
        self.reservations: Records[ReservationRecord] = Records("subnet-cidr-reservation ID", ErrorCode.RESERVATION_NOT_FOUND)
        self.enis: Records[EniRecord] = Records("networkInterface ID", ErrorCode.ENI_NOT_FOUND, "eni", ErrorCode.ENI_ID_MALFORMED)
        self.unattached_enis: dict[str, EniRecord] = {}  # an index, since they are few and every node looks for them hourly
        self.attachments: Records[EniRecord] = Records(
            "attachment", ErrorCode.ATTACHMENT_NOT_FOUND, "eni-attach", ErrorCode.ATTACHMENT_ID_MALFORMED
        )
        self.trunk_associations: Records[TrunkAssociationRecord] = Records("trunk interface association", ErrorCode.ASSOCIATION_NOT_FOUND)
        self.elastic_ips: Records[ElasticIpRecord] = Records("allocation ID", ErrorCode.ALLOCATION_NOT_FOUND)
        self.elastic_ip_associations: Records[ElasticIpRecord] = Records("association ID", ErrorCode.ASSOCIATION_NOT_FOUND)
        self.automatic_ips: set[int] = set()
        self.launch_templates: Records[LaunchTemplateRecord] = Records("launch template ID", ErrorCode.TEMPLATE_NOT_FOUND)
        self.instances: Records[InstanceRecord] = Records("instance ID", ErrorCode.INSTANCE_NOT_FOUND, "i", ErrorCode.INSTANCE_ID_MALFORMED)
        self._terminated: dict[str, tuple[int, Instance]] = {}  # until when each is shown, in the order of termination
        self.instance_types: dict[str, InstanceLimits] = {}
        self._last_numbers: Counter[str] = Counter()
        self._next_ids: dict[str, str] = {}
        self._named: set[str] = set()

    def new_id(self, kind: str) -> str:
        """Return the next id of a kind: `eni-00000000000000001`, and so on."""
        named = self._next_ids.pop(kind, None)
        if named is not None:
            return named
        self._last_numbers[kind] += 1
        return f"{kind}-{self._last_numbers[kind]:0{_ID_DIGITS}x}"

    @property
    def last_numbers(self) -> dict[str, int]:
        """The number in the latest id of each kind."""
        return dict(sorted(self._last_numbers.items()))

    def reserve_number(self, kind: str, number: int) -> None:
        """Let new ids of a kind begin after a number."""
        self._last_numbers[kind] = max(number, self._last_numbers[kind])

    def name_next(self, kind: str, name: str) -> bool:
        """Let the next id of a kind be a given one; tell whether it is new."""
        if name in self._named:
            return False
        self._named.add(name)
        self._next_ids[kind] = name
        return True

    def sort(self) -> None:
        """Order all records by id, as if they had been created in this order."""
        tables: list[dict[str, Any]] = [
            self.vpcs,
            self.groups,
            self.cidr_associations,
            self.subnets,
            self.reservations,
            self.enis,
            self.unattached_enis,
            self.attachments,
        ]
        tables += [self.trunk_associations, self.instances, self.subnet_cidr_associations]
        tables += [self.elastic_ips, self.elastic_ip_associations, self.launch_templates]
        tables += [vpc.subnets for vpc in self.vpcs.values()]
        tables += [table for subnet in self.subnets.values() for table in (subnet.enis, subnet.reservations)]
        for table in tables:
            ordered = sorted(table.items())
            table.clear()
            table.update(ordered)

    def touch(self, record: SubnetRecord | InstanceRecord) -> None:
        """Note that a subnet or an instance was created, changed or deleted; `EniRecord.touch` does this for ENIs."""
        if self.touched is not None:
            self.touched[record] = None

    def tagged(self, call: Call, resource_id: str) -> TaggedRecord:
        """Find the record with an id, of any kind that can have tags, or refuse the call."""
        kinds: dict[str, Records[Any]] = {
            "vpc": self.vpcs,
            "sg": self.groups,
            "subnet": self.subnets,
            "scr": self.reservations,
            "eni": self.enis,
            "i": self.instances,
            "trunk-assoc": self.trunk_associations,
            "eipalloc": self.elastic_ips,
            "lt": self.launch_templates,
        }
        if not _is_id(resource_id, kinds):
            how = f"it must be one of {', '.join(kinds)}, a hyphen, and hexadecimal digits"
            raise call.refusal(ErrorCode.INVALID_ID, f"The ID '{resource_id}' is not valid: {how}")
        record: TaggedRecord = kinds[resource_id.rpartition("-")[0]].find(call, resource_id)
        return record

    def create_vpc(self, cidr: Cidr, ipv6_cidr: Cidr | None, tags: Tags, *, instance_tenancy: str = "default") -> VpcRecord:
        """Create a VPC with its default security group."""
        vpc_id = self.new_id("vpc")
        group = self.create_group(vpc_id, DEFAULT_GROUP, "default VPC security group", ())
        vpc = VpcRecord(vpc_id, group, {}, None, tags, instance_tenancy=instance_tenancy)
        self.vpcs[vpc_id] = vpc
        self.add_cidr(vpc, cidr)
        if ipv6_cidr is not None:
            self.add_ipv6_cidr(vpc, ipv6_cidr)
        return vpc

    def create_group(self, vpc_id: str, name: str, description: str, tags: Tags) -> SecurityGroupRecord:
        """Create a security group of a VPC."""
        group = SecurityGroupRecord(self.new_id("sg"), vpc_id, name, description, tags)
        self.groups[group.group_id] = group
        return group

    def groups_of(self, vpc: VpcRecord) -> list[SecurityGroupRecord]:
        """Return the security groups of a VPC, its default one included."""
        return [group for group in self.groups.values() if group.vpc_id == vpc.vpc_id]

    def default_vpc(self) -> VpcRecord | None:
        """Return the default VPC, None if there is none."""
        return next((vpc for vpc in self.vpcs.values() if vpc.is_default), None)

    def add_ipv6_cidr(self, vpc: VpcRecord, cidr: Cidr) -> None:
        """Associate an IPv6 CIDR with a VPC that has none."""
        vpc.ipv6_cidr, vpc.ipv6_association_id = cidr, self.new_id("vpc-cidr-assoc")
        self.cidr_associations[vpc.ipv6_association_id] = vpc

    def set_ipv6_of_subnet(self, subnet: SubnetRecord, cidr: Cidr | None) -> None:
        """Associate an IPv6 CIDR with a subnet that has none, or disassociate it with its reservations; none of it may be in use."""
        for reservation in [each for each in subnet.reservations.values() if each.cidr.version == 6]:
            self.delete_reservation(reservation)
        if subnet.ipv6_association_id is not None:
            del self.subnet_cidr_associations[subnet.ipv6_association_id]
        subnet.addresses.set_ipv6(cidr)
        subnet.ipv6_association_id = None if cidr is None else self.new_id("subnet-cidr-assoc")
        if subnet.ipv6_association_id is not None:
            self.subnet_cidr_associations[subnet.ipv6_association_id] = subnet
        self.touch(subnet)

    def add_cidr(self, vpc: VpcRecord, cidr: Cidr) -> None:
        """Associate one more CIDR with a VPC."""
        association_id = self.new_id("vpc-cidr-assoc")
        vpc.cidrs[association_id] = cidr
        self.cidr_associations[association_id] = vpc

    def remove_cidr(self, vpc: VpcRecord, association_id: str) -> None:
        """Disassociate a CIDR without subnets from a VPC."""
        if association_id == vpc.ipv6_association_id:
            vpc.ipv6_cidr = vpc.ipv6_association_id = None
        else:
            del vpc.cidrs[association_id]
        del self.cidr_associations[association_id]

    def delete_vpc(self, vpc: VpcRecord) -> None:
        """Delete a VPC without subnets, and its default security group, the only one."""
        for association_id in (*vpc.cidrs, *(() if vpc.ipv6_association_id is None else (vpc.ipv6_association_id,))):
            del self.cidr_associations[association_id]
        del self.groups[vpc.default_group.group_id]
        del self.vpcs[vpc.vpc_id]

    def add_subnet(self, subnet: SubnetRecord) -> None:
        """Add a subnet to its VPC."""
        subnet.touched = self.touched
        self.subnets[subnet.subnet_id] = subnet
        self.touch(subnet)
        self.vpcs[subnet.vpc_id].subnets[subnet.subnet_id] = subnet
        if subnet.addresses.ipv6_cidr is not None:
            subnet.ipv6_association_id = self.new_id("subnet-cidr-assoc")
            self.subnet_cidr_associations[subnet.ipv6_association_id] = subnet

    def delete_subnet(self, subnet: SubnetRecord) -> None:
        """Delete a subnet without ENIs, and its reservations."""
        for reservation in list(subnet.reservations.values()):
            self.delete_reservation(reservation)
        if subnet.ipv6_association_id is not None:
            del self.subnet_cidr_associations[subnet.ipv6_association_id]
        del self.subnets[subnet.subnet_id]
        self.touch(subnet)
        del self.vpcs[subnet.vpc_id].subnets[subnet.subnet_id]

    def add_reservation(self, reservation: ReservationRecord) -> None:
        """Reserve a range of a subnet."""
        reservation.subnet.addresses.reserve(reservation.cidr, for_prefixes=reservation.reservation_type == "prefix")
        reservation.subnet.reservations[reservation.reservation_id] = reservation
        self.reservations[reservation.reservation_id] = reservation
        self.touch(reservation.subnet)

    def delete_reservation(self, reservation: ReservationRecord) -> None:
        """End a reservation, so that EC2 picks from its range again."""
        reservation.subnet.addresses.unreserve(reservation.cidr)
        del reservation.subnet.reservations[reservation.reservation_id]
        del self.reservations[reservation.reservation_id]
        self.touch(reservation.subnet)

    def create_eni(
        self,
        subnet: SubnetRecord,
        addresses: AddressSet,
        *,
        interface_type: str = "interface",
        description: str = "",
        groups: tuple[SecurityGroupRecord, ...],
        tags: Tags = (),
        created_ns: int,
        has_primary_ipv6: bool = False,
    ) -> EniRecord:
        """Create an ENI with addresses that are already taken; the first is its primary IP, the lowest IPv6 one can be its primary too.

        An EFA-only ENI has none.
        """
        primary = next(iter(addresses.addresses), None)
        eni = EniRecord(self.new_id("eni"), subnet, primary, interface_type, description, tags, created_ns, groups)
        eni.add(AddressSet(addresses.addresses[1:], addresses.prefixes, addresses.ipv6_addresses, addresses.ipv6_prefixes))
        eni.primary_ipv6 = min(addresses.ipv6_addresses) if has_primary_ipv6 else None
        self.enis[eni.eni_id] = self.unattached_enis[eni.eni_id] = eni
        subnet.enis[eni.eni_id] = eni
        return eni

    def delete_eni(self, eni: EniRecord) -> None:
        """Delete a detached ENI with its trunk associations, and release its addresses."""
        for association in (*eni.branches.values(), *(() if eni.trunk is None else (eni.trunk,))):
            self.remove_trunk_association(association)
        for elastic_ip in list(eni.elastic_ips.values()):
            self.disassociate_elastic_ip(elastic_ip)
        eni.subnet.addresses.release(eni.held())
        del eni.subnet.enis[eni.eni_id]
        del self.enis[eni.eni_id], self.unattached_enis[eni.eni_id]
        eni.touch()

    def remove_cidr_of_eni(self, eni: EniRecord, cidr: Cidr) -> None:
        """Remove a secondary IP or a prefix from an ENI and release it; do nothing if the ENI does not have it."""
        held = eni.slots().get(cidr)
        if held is not None:
            self.unassign(eni, held)

    def unassign(self, eni: EniRecord, addresses: AddressSet) -> None:
        """Remove secondary addresses and prefixes from an ENI, with the associations of their Elastic IPs, and release them."""
        for elastic_ip in [eni.elastic_ips[address] for address in addresses.addresses if address in eni.elastic_ips]:
            self.disassociate_elastic_ip(elastic_ip)
        eni.remove(addresses)
        eni.subnet.addresses.release(addresses)

    def move_secondary_ip(self, address: int, holder: EniRecord, eni: EniRecord) -> None:
        """Move a secondary IP to another ENI of its subnet, with its Elastic IP (EC2: AssignPrivateIpAddresses)."""
        elastic_ip = holder.elastic_ips.pop(address, None)
        holder.remove(AddressSet((address,)))
        if elastic_ip is not None:
            eni.elastic_ips[address] = elastic_ip
            elastic_ip.eni = eni
        eni.add(AddressSet((address,)))

    def allocate_elastic_ip(self, tags: Tags) -> ElasticIpRecord | None:
        """Allocate an Elastic IP, None if all public addresses are taken."""
        public_ip = self._next_public_ip()
        if public_ip is None:
            return None
        elastic_ip = ElasticIpRecord(self.new_id("eipalloc"), public_ip, tags)
        self.elastic_ips[elastic_ip.allocation_id] = elastic_ip
        return elastic_ip

    def _next_public_ip(self) -> int | None:
        """Return the next public address, None if all are taken. A released one comes back only after all others."""
        taken = {each.public_ip for each in self.elastic_ips.values()} | self.automatic_ips
        if len(taken) >= PUBLIC_RANGE.size:
            return None
        while True:
            self._last_numbers[_PUBLIC_IP] += 1
            public_ip = PUBLIC_RANGE.first + self._last_numbers[_PUBLIC_IP] % PUBLIC_RANGE.size
            if public_ip not in taken:
                return public_ip

    def give_public_ip(self, instance: InstanceRecord) -> None:
        """Give the primary IP of an instance a public address, if it was launched so, runs, and has one ENI without an Elastic IP.

        It gets none if all are taken. (Amazon EC2 User Guide, "Amazon EC2 instance IP addressing".)
        """
        eni = instance.primary_eni
        if instance.public_at_start and instance.state == "running" and len(instance.devices) == 1 and not eni.elastic_ips:
            self.set_automatic_ip(eni, self._next_public_ip())

    def set_automatic_ip(self, eni: EniRecord, public_ip: int | None) -> None:
        """Replace the automatic public address of an ENI; None for none."""
        if public_ip != eni.automatic_ip:
            self.automatic_ips -= {eni.automatic_ip}
            self.automatic_ips |= set() if public_ip is None else {public_ip}
            eni.automatic_ip = public_ip
            eni.touch()

    def release_elastic_ip(self, elastic_ip: ElasticIpRecord) -> None:
        """Release an Elastic IP that is not associated."""
        del self.elastic_ips[elastic_ip.allocation_id]

    def associate_elastic_ip(self, elastic_ip: ElasticIpRecord, eni: EniRecord, private_ip: int) -> str:
        """Associate an Elastic IP that is not associated with a private address that has none; return the association's id.

        The automatic public address of that private address is gone.
        """
        association_id = self.new_id("eipassoc")
        elastic_ip.eni, elastic_ip.private_ip, elastic_ip.association_id = eni, private_ip, association_id
        self.elastic_ip_associations[association_id] = eni.elastic_ips[private_ip] = elastic_ip
        if private_ip == eni.private_ip:
            self.set_automatic_ip(eni, None)
        eni.touch()
        return association_id

    def disassociate_elastic_ip(self, elastic_ip: ElasticIpRecord) -> None:
        """End the association of an Elastic IP; do nothing if it has none."""
        if elastic_ip.eni is None or elastic_ip.private_ip is None or elastic_ip.association_id is None:
            return
        del self.elastic_ip_associations[elastic_ip.association_id], elastic_ip.eni.elastic_ips[elastic_ip.private_ip]
        elastic_ip.eni.touch()
        elastic_ip.eni = elastic_ip.private_ip = elastic_ip.association_id = None

    def attach(
        self, eni: EniRecord, instance: InstanceRecord, place: tuple[int, int], *, delete_on_termination: bool, now_ns: int
    ) -> Attachment:
        """Attach an ENI at a free place: network card and device index."""
        attachment = Attachment(
            attachment_id=self.new_id("eni-attach"),
            instance_id=instance.instance_id,
            device_index=place[1],
            network_card_index=place[0],
            delete_on_termination=delete_on_termination,
            attached_ns=now_ns,
        )
        instance.devices[place] = eni
        self.attachments[attachment.attachment_id] = eni
        del self.unattached_enis[eni.eni_id]
        eni.set_attachment(instance, attachment)
        return attachment

    def detach(self, attachment: Attachment) -> EniRecord:
        """Detach an ENI and return it; its place is free at once. Its IPv6 addresses are then all alike (EC2: EnablePrimaryIpv6)."""
        eni = self.attachments.pop(attachment.attachment_id)
        del self.instances[attachment.instance_id].devices[attachment.network_card_index, attachment.device_index]
        self.unattached_enis[eni.eni_id] = eni
        self.set_automatic_ip(eni, None)
        eni.primary_ipv6 = None
        eni.set_attachment(None, None)
        return eni

    def add_trunk_association(self, association: TrunkAssociationRecord) -> None:
        """Make an ENI a branch of a trunk."""
        self.trunk_associations[association.association_id] = association
        association.trunk.branches[association.association_id] = association
        association.branch.trunk = association
        association.branch.touch()

    def remove_trunk_association(self, association: TrunkAssociationRecord) -> None:
        """Make a branch an ordinary ENI again."""
        del self.trunk_associations[association.association_id]
        del association.trunk.branches[association.association_id]
        association.branch.trunk = None
        association.branch.touch()

    def add_instance(self, instance: InstanceRecord) -> None:
        """Add an instance without ENIs; its primary one must be attached next."""
        self.instances[instance.instance_id] = instance
        self.instance_types[instance.limits.instance_type] = instance.limits
        self.touch(instance)

    def delete_instance(self, instance: InstanceRecord) -> None:
        """Delete an instance whose ENIs are detached."""
        del self.instances[instance.instance_id]
        self.touch(instance)

    def add_terminated(self, instance: Instance, *, until_ns: int, now_ns: int) -> None:
        """Show a terminated instance until a time, and forget those that are no longer shown."""
        while self._terminated and next(iter(self._terminated.values()))[0] <= now_ns:
            del self._terminated[next(iter(self._terminated))]
        self._terminated[instance.instance_id] = until_ns, instance

    def terminated_instance(self, instance_id: str, now_ns: int) -> Instance | None:
        """Return a terminated instance that is still shown, else None."""
        until_ns, instance = self._terminated.get(instance_id, (now_ns, None))
        return instance if until_ns > now_ns else None

    def terminated_instances(self, now_ns: int) -> dict[str, Instance]:
        """Return the terminated instances that are still shown."""
        return {key: instance for key, (until_ns, instance) in self._terminated.items() if until_ns > now_ns}

    def set_tags(self, record: TaggedRecord, tags: Tags) -> None:
        """Replace all tags of a resource."""
        record.tags = tags
        if isinstance(record, EniRecord):
            record.touch()
        elif isinstance(record, SubnetRecord | InstanceRecord):
            self.touch(record)
