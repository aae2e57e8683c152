"""The actions on Elastic IP addresses: allocate, associate, disassociate, release, describe."""

from collections.abc import Iterable

from vpcipam.address import address_text
from vpcipam.ec2.actions.base import Actions, Views
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.resources import ElasticIp
from vpcipam.ec2.state.call import Call, texts
from vpcipam.ec2.state.filter_tables import ELASTIC_IP_FILTERS
from vpcipam.ec2.state.filters import Filters, tagged_matching
from vpcipam.ec2.state.records import ElasticIpRecord, EniRecord
from vpcipam.ec2.state.rules import only_eni


class ElasticIpActions(Actions):
    """The actions on Elastic IP addresses.

    An Elastic IP belongs to a private IPv4 address of an ENI. It stays there when the ENI is detached or its instance stops, moves with a
    secondary IP to another ENI, and is disassociated when the private address is unassigned or the ENI is deleted. It replaces the public
    address that EC2 gave a primary IP at a launch; an instance that loses its Elastic IP gets such an address again.
    """

    def allocate_address(self, *, tags: Iterable[tuple[str, str]] = (), now_ns: int = 0) -> ElasticIp:
        """Allocate an Elastic IP address, the next of 198.18.0.0/15.

        Raises:
            Ec2Error: InsufficientAddressCapacity if all are allocated.
        """
        call = self._begin("AllocateAddress", now_ns)
        record = self._account.allocate_elastic_ip(call.tags(tags))
        if record is None:
            message = "There are not enough available addresses to satisfy the request."
            raise call.refusal(ErrorCode.INSUFFICIENT_ADDRESS_CAPACITY, message)
        return self._done(call, record.view())

    def associate_address(
        self,
        allocation_id: str,
        *,
        eni_id: str | None = None,
        instance_id: str | None = None,
        private_ip: str | None = None,
        allow_reassociation: bool = True,
        now_ns: int,
    ) -> str:
        """Associate an Elastic IP with a private IPv4 address of an ENI, by default its primary one; return the association's id.

        An instance stands for its only ENI. If the Elastic IP is associated elsewhere, or the private address has another one, that
        association ends. To repeat an association changes nothing.

        Raises:
            Ec2Error: InvalidAllocationID.NotFound; MissingParameter for neither an ENI nor an instance, InvalidParameterCombination for
                both; their NotFound codes; InvalidInstanceID for an instance with several ENIs; InvalidParameterValue for an address that
                is not one of the ENI's single IPv4 addresses; without `allow_reassociation` Resource.AlreadyAssociated instead of ending
                an association.
        """
        call = self._begin("AssociateAddress", now_ns)
        elastic_ip = self._account.elastic_ips.find(call, allocation_id)
        eni = self._target(call, eni_id, instance_id)
        address = eni.private_ip if private_ip is None else call.address(private_ip)
        if address is None or address not in {eni.private_ip, *eni.secondary_ips}:
            raise call.invalid(f"{private_ip or 'A primary private IP address'} is not assigned to interface {eni.eni_id}")
        if elastic_ip.eni is eni and elastic_ip.private_ip == address and elastic_ip.association_id is not None:
            return self._done(call, elastic_ip.association_id)
        other = eni.elastic_ips.get(address)
        if not allow_reassociation:
            _require_unassociated(call, elastic_ip, other)
        before = elastic_ip.eni
        for each in (elastic_ip, *(() if other is None else (other,))):
            self._account.disassociate_elastic_ip(each)
        association_id = self._account.associate_elastic_ip(elastic_ip, eni, address)
        self._give_public_ip(before)
        return self._done(call, association_id)

    def disassociate_address(self, association_id: str, *, now_ns: int) -> None:
        """End an association; the Elastic IP stays allocated.

        Raises:
            Ec2Error: InvalidAssociationID.NotFound.
        """
        call = self._begin("DisassociateAddress", now_ns)
        elastic_ip = self._account.elastic_ip_associations.find(call, association_id)
        before = elastic_ip.eni
        self._account.disassociate_elastic_ip(elastic_ip)
        self._give_public_ip(before)
        self._done(call, None)

    def release_address(self, allocation_id: str, *, now_ns: int) -> None:
        """Release an Elastic IP address; in the default VPC this ends its association.

        Raises:
            Ec2Error: InvalidAllocationID.NotFound; InvalidIPAddress.InUse while it is associated in another VPC.
        """
        call = self._begin("ReleaseAddress", now_ns)
        elastic_ip = self._account.elastic_ips.find(call, allocation_id)
        if elastic_ip.eni is not None and not self._account.vpcs[elastic_ip.eni.subnet.vpc_id].is_default:
            raise call.refusal(ErrorCode.ADDRESS_IN_USE, f"Address {address_text(elastic_ip.public_ip, 4)} is in use.")
        before = elastic_ip.eni
        self._account.disassociate_elastic_ip(elastic_ip)
        self._account.release_elastic_ip(elastic_ip)
        self._give_public_ip(before)
        self._done(call, None)

    def describe_addresses(
        self, *, allocation_ids: Iterable[str] = (), public_ips: Iterable[str] = (), filters: Filters | None = None, now_ns: int
    ) -> tuple[ElasticIp, ...]:
        """List Elastic IP addresses, ordered by allocation id: the named ones or all.

        Raises:
            Ec2Error: InvalidAllocationID.NotFound and InvalidAddress.NotFound for an unknown name; InvalidParameterValue for an unknown
                filter.
        """
        call = self._begin("DescribeAddresses", now_ns)
        by_ip = {address_text(each.public_ip, 4): key for key, each in self._account.elastic_ips.items()}
        names = texts(public_ips)
        for name in names:
            if name not in by_ip:
                raise call.refusal(ErrorCode.ELASTIC_IP_NOT_FOUND, f"Address '{name}' not found.")
        wanted = (*texts(allocation_ids), *(by_ip[name] for name in names))
        shown = self._named_or_all(call, Views(self._account.elastic_ips), wanted, self._account.elastic_ips)
        return tagged_matching(call, shown, ELASTIC_IP_FILTERS, filters or {})

    def _give_public_ip(self, eni: EniRecord | None) -> None:
        """Give an ENI that has lost its Elastic IP an automatic public address, if it is the primary one of such an instance."""
        if eni is not None and eni.instance is not None and eni.is_primary and eni.automatic_ip is None:
            self._account.give_public_ip(eni.instance)

    def _target(self, call: Call, eni_id: str | None, instance_id: str | None) -> EniRecord:
        if eni_id is not None and instance_id is not None:
            message = "Specify an instance or a network interface, not both."
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, message)
        if eni_id is not None:
            return self._account.enis.find(call, eni_id)
        if instance_id is not None:
            return only_eni(call, self._account.instances.find(call, instance_id))
        raise call.refusal(ErrorCode.MISSING_PARAMETER, "The request must contain the parameter InstanceId or NetworkInterfaceId")


def _require_unassociated(call: Call, elastic_ip: ElasticIpRecord, other: ElasticIpRecord | None) -> None:
    """Check that neither the Elastic IP nor its new private address is associated."""
    if elastic_ip.association_id is not None:
        message = f"resource {elastic_ip.allocation_id} is already associated with associate-id {elastic_ip.association_id}"
        raise call.refusal(ErrorCode.ALREADY_ASSOCIATED, message)
    if other is not None:
        shown = other.view()
        message = f"resource {shown.eni_id} and {shown.private_ip} is already associated with public address {shown.public_ip}"
        raise call.refusal(ErrorCode.ALREADY_ASSOCIATED, message)
