"""All that exists in the EC2 model, and the indexes that find it.

Every change of what exists passes through here, so that the indexes agree; whether a change is allowed is decided in `vpcipam.ec2.actions`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import attrs

from vpcipam.address import Cidr
from vpcipam.ec2.api import Attachment, ErrorCode
from vpcipam.ec2.state.records import (
    EniRecord,
    InstanceRecord,
    ReservationRecord,
    SubnetRecord,
    Tags,
    Touched,
    TrunkAssociationRecord,
    VpcRecord,
)
from vpcipam.ec2.state.requests import Call
from vpcipam.ec2.state.subnet import AddressSet

if TYPE_CHECKING:
    from vpcipam.limits import InstanceLimits

_ID_DIGITS = 17

_Record = TypeVar("_Record")
TaggedRecord = VpcRecord | SubnetRecord | ReservationRecord | EniRecord | InstanceRecord | TrunkAssociationRecord

_KINDS = {
    ErrorCode.VPC_NOT_FOUND: "VPC",
    ErrorCode.CIDR_ASSOCIATION_NOT_FOUND: "association of a VPC with a CIDR",
    ErrorCode.SUBNET_NOT_FOUND: "subnet",
    ErrorCode.RESERVATION_NOT_FOUND: "subnet CIDR reservation",
    ErrorCode.ENI_NOT_FOUND: "network interface",
    ErrorCode.INSTANCE_NOT_FOUND: "instance",
    ErrorCode.ATTACHMENT_NOT_FOUND: "attachment",
    ErrorCode.ASSOCIATION_NOT_FOUND: "trunk interface association",
}


class Account:
    """VPCs, subnets, reservations, ENIs, attachments, trunk associations and instances by id, each in the order of creation.

    `vpcipam.ec2.state.invariants` lists what holds of them.

    Attributes:
        touched: where all that changes is written down, for somebody who looks back; None where nobody does.
    """

    def __init__(self) -> None:
        self.touched: Touched | None = None
        self.vpcs: dict[str, VpcRecord] = {}
        self.cidr_associations: dict[str, VpcRecord] = {}
        self.subnets: dict[str, SubnetRecord] = {}
        self.reservations: dict[str, ReservationRecord] = {}
        self.enis: dict[str, EniRecord] = {}
        self.unattached_enis: dict[str, EniRecord] = {}  # few in a fleet, and looked for hourly by every node
        self.attachments: dict[str, EniRecord] = {}
        self.trunk_associations: dict[str, TrunkAssociationRecord] = {}
        self.instances: dict[str, InstanceRecord] = {}
        self.instance_types: dict[str, InstanceLimits] = {}
        self._last_numbers: Counter[str] = Counter()

    def new_id(self, kind: str) -> str:
        """Make the next id of a kind: `eni-00000000000000001`, and so on."""
        self._last_numbers[kind] += 1
        return f"{kind}-{self._last_numbers[kind]:0{_ID_DIGITS}x}"

    # --- look up ---------------------------------------------------------------------------------------------------------

    def vpc(self, call: Call, vpc_id: str) -> VpcRecord:
        """Find a VPC or refuse the call."""
        return find(call, self.vpcs, vpc_id, ErrorCode.VPC_NOT_FOUND)

    def vpc_of_association(self, call: Call, association_id: str) -> VpcRecord:
        """Find the VPC of an association with a CIDR or refuse the call."""
        return find(call, self.cidr_associations, association_id, ErrorCode.CIDR_ASSOCIATION_NOT_FOUND)

    def subnet(self, call: Call, subnet_id: str) -> SubnetRecord:
        """Find a subnet or refuse the call."""
        return find(call, self.subnets, subnet_id, ErrorCode.SUBNET_NOT_FOUND)

    def reservation(self, call: Call, reservation_id: str) -> ReservationRecord:
        """Find a subnet CIDR reservation or refuse the call."""
        return find(call, self.reservations, reservation_id, ErrorCode.RESERVATION_NOT_FOUND)

    def eni(self, call: Call, eni_id: str) -> EniRecord:
        """Find an ENI or refuse the call."""
        return find(call, self.enis, eni_id, ErrorCode.ENI_NOT_FOUND)

    def instance(self, call: Call, instance_id: str) -> InstanceRecord:
        """Find an instance or refuse the call."""
        return find(call, self.instances, instance_id, ErrorCode.INSTANCE_NOT_FOUND)

    def attached(self, call: Call, attachment_id: str) -> EniRecord:
        """Find the ENI of an attachment or refuse the call."""
        return find(call, self.attachments, attachment_id, ErrorCode.ATTACHMENT_NOT_FOUND)

    def trunk_association(self, call: Call, association_id: str) -> TrunkAssociationRecord:
        """Find the association of a branch with its trunk or refuse the call."""
        return find(call, self.trunk_associations, association_id, ErrorCode.ASSOCIATION_NOT_FOUND)

    def touch(self, record: SubnetRecord | InstanceRecord) -> None:
        """Take note that a subnet or an instance has come, changed or gone; ENIs do so themselves, by `EniRecord.touch`."""
        if self.touched is not None:
            self.touched[record] = None

    def tagged(self, call: Call, resource_id: str) -> TaggedRecord:
        """Find whatever has an id and can have tags, or refuse the call."""
        kinds: dict[str, tuple[Mapping[str, TaggedRecord], ErrorCode]] = {
            "vpc": (self.vpcs, ErrorCode.VPC_NOT_FOUND),
            "subnet": (self.subnets, ErrorCode.SUBNET_NOT_FOUND),
            "scr": (self.reservations, ErrorCode.RESERVATION_NOT_FOUND),
            "eni": (self.enis, ErrorCode.ENI_NOT_FOUND),
            "i": (self.instances, ErrorCode.INSTANCE_NOT_FOUND),
            "trunk-assoc": (self.trunk_associations, ErrorCode.ASSOCIATION_NOT_FOUND),
        }
        kind = resource_id.rpartition("-")[0]
        if kind not in kinds:
            raise call.refusal(ErrorCode.INVALID_ID, f"The ID '{resource_id}' is not valid: it begins like none of {', '.join(kinds)}")
        records, code = kinds[kind]
        return find(call, records, resource_id, code)

    # --- VPCs and subnets ------------------------------------------------------------------------------------------------

    def create_vpc(self, cidr: Cidr, ipv6_cidr: Cidr | None, tags: Tags) -> VpcRecord:
        """Make a VPC."""
        vpc = VpcRecord(self.new_id("vpc"), {}, ipv6_cidr, tags)
        self.vpcs[vpc.vpc_id] = vpc
        self.add_cidr(vpc, cidr)
        return vpc

    def add_cidr(self, vpc: VpcRecord, cidr: Cidr) -> None:
        """Give a VPC one more CIDR."""
        association_id = self.new_id("vpc-cidr-assoc")
        vpc.cidrs[association_id] = cidr
        self.cidr_associations[association_id] = vpc

    def drop_cidr(self, vpc: VpcRecord, association_id: str) -> None:
        """Take a CIDR without subnets from a VPC."""
        del vpc.cidrs[association_id]
        del self.cidr_associations[association_id]

    def drop_vpc(self, vpc: VpcRecord) -> None:
        """Forget a VPC without subnets."""
        for association_id in vpc.cidrs:
            del self.cidr_associations[association_id]
        del self.vpcs[vpc.vpc_id]

    def add_subnet(self, subnet: SubnetRecord) -> None:
        """Take up a subnet of a VPC that is there."""
        subnet.touched = self.touched
        self.subnets[subnet.subnet_id] = subnet
        self.touch(subnet)
        self.vpcs[subnet.vpc_id].subnets[subnet.subnet_id] = subnet

    def drop_subnet(self, subnet: SubnetRecord) -> None:
        """Forget a subnet without ENIs, and its reservations."""
        for reservation in list(subnet.reservations.values()):
            self.drop_reservation(reservation)
        del self.subnets[subnet.subnet_id]
        self.touch(subnet)
        del self.vpcs[subnet.vpc_id].subnets[subnet.subnet_id]

    def add_reservation(self, reservation: ReservationRecord) -> None:
        """Reserve a range of a subnet."""
        reservation.subnet.addresses.reserve(reservation.cidr, for_prefixes=reservation.reservation_type == "prefix")
        reservation.subnet.reservations[reservation.reservation_id] = reservation
        self.reservations[reservation.reservation_id] = reservation
        self.touch(reservation.subnet)

    def drop_reservation(self, reservation: ReservationRecord) -> None:
        """Give a reserved range back to automatic picks."""
        reservation.subnet.addresses.unreserve(reservation.cidr)
        del reservation.subnet.reservations[reservation.reservation_id]
        del self.reservations[reservation.reservation_id]
        self.touch(reservation.subnet)

    # --- ENIs ------------------------------------------------------------------------------------------------------------

    def create_eni(
        self,
        subnet: SubnetRecord,
        addresses: AddressSet,
        *,
        interface_type: str = "interface",
        description: str = "",
        tags: Tags = (),
        created_ns: int,
    ) -> EniRecord:
        """Make an ENI of addresses that are taken already; the first is its primary IP."""
        primary, *secondary = addresses.addresses
        eni = EniRecord(self.new_id("eni"), subnet, primary, interface_type, description, tags, created_ns)
        eni.add(attrs.evolve(addresses, addresses=tuple(secondary)))
        self.enis[eni.eni_id] = self.unattached_enis[eni.eni_id] = eni
        subnet.enis[eni.eni_id] = eni
        return eni

    def drop_eni(self, eni: EniRecord) -> None:
        """Forget a detached ENI with its trunk associations, and give its addresses back to its subnet."""
        for association in (*eni.branches.values(), *(() if eni.trunk is None else (eni.trunk,))):
            self.drop_trunk_association(association)
        eni.subnet.addresses.release(eni.held())
        del eni.subnet.enis[eni.eni_id]
        del self.enis[eni.eni_id], self.unattached_enis[eni.eni_id]
        eni.touch()

    def take_away(self, eni: EniRecord, cidr: Cidr) -> None:
        """Take a secondary IP or a prefix off an ENI, and give it back to the subnet; nothing happens if the ENI does not have it."""
        held = eni.slots().get(cidr)
        if held is not None:
            eni.remove(held)
            eni.subnet.addresses.release(held)

    def attach(self, eni: EniRecord, instance: InstanceRecord, place: tuple[int, int], *, delete_on_termination: bool) -> Attachment:
        """Attach an ENI at a free place: network card and device index."""
        attachment = Attachment(
            attachment_id=self.new_id("eni-attach"),
            instance_id=instance.instance_id,
            device_index=place[1],
            network_card_index=place[0],
            delete_on_termination=delete_on_termination,
        )
        instance.devices[place] = eni
        self.attachments[attachment.attachment_id] = eni
        del self.unattached_enis[eni.eni_id]
        eni.set_attachment(instance, attachment)
        return attachment

    def detach(self, eni: EniRecord) -> Attachment:
        """Detach an attached ENI; its place is free at once."""
        attachment = eni.attached()
        del self.instances[attachment.instance_id].devices[attachment.network_card_index, attachment.device_index]
        del self.attachments[attachment.attachment_id]
        self.unattached_enis[eni.eni_id] = eni
        eni.set_attachment(None, None)
        return attachment

    def add_trunk_association(self, association: TrunkAssociationRecord) -> None:
        """Make an ENI the branch of a trunk."""
        self.trunk_associations[association.association_id] = association
        association.trunk.branches[association.association_id] = association
        association.branch.trunk = association
        association.branch.touch()

    def drop_trunk_association(self, association: TrunkAssociationRecord) -> None:
        """Make a branch an ordinary ENI again."""
        del self.trunk_associations[association.association_id]
        del association.trunk.branches[association.association_id]
        association.branch.trunk = None
        association.branch.touch()

    # --- instances and tags ----------------------------------------------------------------------------------------------

    def add_instance(self, instance: InstanceRecord) -> None:
        """Take up an instance without ENIs; its primary one must be attached next."""
        self.instances[instance.instance_id] = instance
        self.instance_types[instance.limits.instance_type] = instance.limits
        self.touch(instance)

    def drop_instance(self, instance: InstanceRecord) -> None:
        """Forget an instance whose ENIs are detached."""
        del self.instances[instance.instance_id]
        self.touch(instance)

    def set_tags(self, record: TaggedRecord, tags: Tags) -> None:
        """Give a resource these tags in place of those it has."""
        record.tags = tags
        if isinstance(record, EniRecord):
            record.touch()
        elif isinstance(record, SubnetRecord | InstanceRecord):
            self.touch(record)


def find(call: Call, records: Mapping[str, _Record], key: str, code: ErrorCode) -> _Record:
    """Find a record, or what is shown of it, by id; or refuse the call with the code that says it is not there."""
    try:
        return records[key]
    except KeyError:
        raise call.refusal(code, f"The {_KINDS[code]} {key!r} does not exist") from None
