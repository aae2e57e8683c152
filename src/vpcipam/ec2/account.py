"""All that exists in the EC2 model, and the indexes that find it.

Every change of what exists passes through here, so that the indexes agree; whether a change is allowed is decided in `vpcipam.ec2.model`.
"""

from collections import Counter
from typing import TypeVar

from vpcipam.address import Cidr
from vpcipam.ec2.api import Attachment, ErrorCode
from vpcipam.ec2.records import EniRecord, InstanceRecord, SubnetRecord, Touched, VpcRecord
from vpcipam.ec2.requests import Call

_ID_DIGITS = 17

_Record = TypeVar("_Record")


class Account:
    """VPCs, subnets, ENIs, attachments and instances by id, each in the order of creation.

    `vpcipam.ec2.invariants` lists what holds of them.

    Attributes:
        touched: where subnets and ENIs write themselves in when they change; None where nobody looks back.
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
        return _find(call, self.vpcs, vpc_id, ErrorCode.VPC_NOT_FOUND, "VPC")

    def subnet(self, call: Call, subnet_id: str) -> SubnetRecord:
        """Find a subnet or refuse the call."""
        return _find(call, self.subnets, subnet_id, ErrorCode.SUBNET_NOT_FOUND, "subnet")

    def eni(self, call: Call, eni_id: str) -> EniRecord:
        """Find an ENI or refuse the call."""
        return _find(call, self.enis, eni_id, ErrorCode.ENI_NOT_FOUND, "network interface")

    def instance(self, call: Call, instance_id: str) -> InstanceRecord:
        """Find an instance or refuse the call."""
        return _find(call, self.instances, instance_id, ErrorCode.INSTANCE_NOT_FOUND, "instance")

    def attached(self, call: Call, attachment_id: str) -> EniRecord:
        """Find the ENI of an attachment or refuse the call."""
        return _find(call, self.attachments, attachment_id, ErrorCode.ATTACHMENT_NOT_FOUND, "attachment")

    # --- change ----------------------------------------------------------------------------------------------------------

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
        self._touch_subnet(subnet)
        self.vpcs[subnet.vpc_id].subnets[subnet.subnet_id] = subnet

    def drop_subnet(self, subnet: SubnetRecord) -> None:
        """Forget a subnet without ENIs."""
        del self.subnets[subnet.subnet_id]
        self._touch_subnet(subnet)
        del self.vpcs[subnet.vpc_id].subnets[subnet.subnet_id]

    def add_eni(self, eni: EniRecord) -> None:
        """Take up an ENI whose addresses are taken in its subnet."""
        self.enis[eni.eni_id] = eni
        eni.subnet.enis[eni.eni_id] = eni
        eni.touch()

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

    def drop_instance(self, instance: InstanceRecord) -> None:
        """Forget an instance whose ENIs are detached."""
        del self.instances[instance.instance_id]

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

    def _touch_subnet(self, subnet: SubnetRecord) -> None:
        if self.touched is not None:
            self.touched[subnet.subnet_id] = subnet


def _find(call: Call, records: dict[str, _Record], key: str, code: ErrorCode, kind: str) -> _Record:
    try:
        return records[key]
    except KeyError:
        raise call.refusal(code, f"The {kind} {key!r} does not exist") from None
