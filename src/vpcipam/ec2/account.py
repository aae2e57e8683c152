"""All that exists in the EC2 model, and the indexes that find it.

Every change of what exists passes through here, so that the indexes agree; whether a change is allowed is decided in `vpcipam.ec2.actions`.
"""

from collections import Counter
from collections.abc import Mapping
from typing import TypeVar

import attrs

from vpcipam.address import Cidr
from vpcipam.ec2.api import Attachment, ErrorCode
from vpcipam.ec2.records import EniRecord, InstanceRecord, SubnetRecord, Tags, Touched, VpcRecord
from vpcipam.ec2.requests import Call
from vpcipam.ec2.subnet import AddressSet

_ID_DIGITS = 17

_Record = TypeVar("_Record")

_KINDS = {
    ErrorCode.VPC_NOT_FOUND: "VPC",
    ErrorCode.SUBNET_NOT_FOUND: "subnet",
    ErrorCode.ENI_NOT_FOUND: "network interface",
    ErrorCode.INSTANCE_NOT_FOUND: "instance",
    ErrorCode.ATTACHMENT_NOT_FOUND: "attachment",
}


class Account:
    """VPCs, subnets, ENIs, attachments and instances by id, each in the order of creation.

    `vpcipam.ec2.invariants` lists what holds of them.

    Attributes:
        touched: where all that changes is written down, for somebody who looks back; None where nobody does.
    """

    def __init__(self) -> None:
        self.touched: Touched | None = None
        self.vpcs: dict[str, VpcRecord] = {}
        self.subnets: dict[str, SubnetRecord] = {}
        self.enis: dict[str, EniRecord] = {}
        self.instances: dict[str, InstanceRecord] = {}
        self.attachments: dict[str, EniRecord] = {}
        self._last_numbers: Counter[str] = Counter()

    def new_id(self, kind: str) -> str:
        """Make the next id of a kind: `eni-00000000000000001`, and so on."""
        self._last_numbers[kind] += 1
        return f"{kind}-{self._last_numbers[kind]:0{_ID_DIGITS}x}"

    # --- look up ---------------------------------------------------------------------------------------------------------

    def vpc(self, call: Call, vpc_id: str) -> VpcRecord:
        """Find a VPC or refuse the call."""
        return find(call, self.vpcs, vpc_id, ErrorCode.VPC_NOT_FOUND)

    def subnet(self, call: Call, subnet_id: str) -> SubnetRecord:
        """Find a subnet or refuse the call."""
        return find(call, self.subnets, subnet_id, ErrorCode.SUBNET_NOT_FOUND)

    def eni(self, call: Call, eni_id: str) -> EniRecord:
        """Find an ENI or refuse the call."""
        return find(call, self.enis, eni_id, ErrorCode.ENI_NOT_FOUND)

    def instance(self, call: Call, instance_id: str) -> InstanceRecord:
        """Find an instance or refuse the call."""
        return find(call, self.instances, instance_id, ErrorCode.INSTANCE_NOT_FOUND)

    def attached(self, call: Call, attachment_id: str) -> EniRecord:
        """Find the ENI of an attachment or refuse the call."""
        return find(call, self.attachments, attachment_id, ErrorCode.ATTACHMENT_NOT_FOUND)

    # --- change ----------------------------------------------------------------------------------------------------------

    def touch(self, record: SubnetRecord | InstanceRecord) -> None:
        """Take note that a subnet or an instance has come, changed or gone; ENIs do so themselves, by `EniRecord.touch`."""
        if self.touched is not None:
            self.touched[record] = None

    def add_vpc(self, vpc: VpcRecord) -> None:
        """Take up a VPC."""
        self.vpcs[vpc.vpc_id] = vpc

    def drop_vpc(self, vpc: VpcRecord) -> None:
        """Forget a VPC without subnets."""
        del self.vpcs[vpc.vpc_id]

    def add_subnet(self, subnet: SubnetRecord) -> None:
        """Take up a subnet of a VPC that is there."""
        subnet.touched = self.touched
        self.subnets[subnet.subnet_id] = subnet
        self.touch(subnet)
        self.vpcs[subnet.vpc_id].subnets[subnet.subnet_id] = subnet

    def drop_subnet(self, subnet: SubnetRecord) -> None:
        """Forget a subnet without ENIs."""
        del self.subnets[subnet.subnet_id]
        self.touch(subnet)
        del self.vpcs[subnet.vpc_id].subnets[subnet.subnet_id]

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
        self.enis[eni.eni_id] = eni
        subnet.enis[eni.eni_id] = eni
        return eni

    def drop_eni(self, eni: EniRecord) -> None:
        """Forget a detached ENI and give its addresses back to its subnet."""
        eni.subnet.addresses.release(eni.held())
        del eni.subnet.enis[eni.eni_id]
        del self.enis[eni.eni_id]
        eni.touch()

    def take_away(self, eni: EniRecord, cidr: Cidr) -> None:
        """Take a secondary IP or a prefix off an ENI, and give it back to the subnet; nothing happens if the ENI does not have it."""
        held = eni.slots().get(cidr)
        if held is not None:
            eni.remove(held)
            eni.subnet.addresses.release(held)

    def add_instance(self, instance: InstanceRecord) -> None:
        """Take up an instance without ENIs; its primary one must be attached next."""
        self.instances[instance.instance_id] = instance
        self.touch(instance)

    def drop_instance(self, instance: InstanceRecord) -> None:
        """Forget an instance whose ENIs are detached."""
        del self.instances[instance.instance_id]
        self.touch(instance)

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
        eni.set_attachment(instance, attachment)
        return attachment

    def detach(self, eni: EniRecord) -> Attachment:
        """Detach an attached ENI; its place is free at once."""
        attachment = eni.attached()
        del self.instances[attachment.instance_id].devices[attachment.network_card_index, attachment.device_index]
        del self.attachments[attachment.attachment_id]
        eni.set_attachment(None, None)
        return attachment


def find(call: Call, records: Mapping[str, _Record], key: str, code: ErrorCode) -> _Record:
    """Find a record, or what is shown of it, by id; or refuse the call with the code that says it is not there."""
    try:
        return records[key]
    except KeyError:
        raise call.refusal(code, f"The {_KINDS[code]} {key!r} does not exist") from None
