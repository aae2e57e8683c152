"""The actions that associate branch ENIs with trunk ENIs. A branch is an ENI with addresses of its own subnet."""

import operator
from collections.abc import Iterable

from vpcipam.ec2.actions.base import Actions, Views
from vpcipam.ec2.api import TrunkAssociation
from vpcipam.ec2.errors import ErrorCode
from vpcipam.ec2.state.call import Call
from vpcipam.ec2.state.filter_tables import TRUNK_FILTERS
from vpcipam.ec2.state.filters import Filters, tagged_matching
from vpcipam.ec2.state.records import EniRecord, TrunkAssociationRecord

VLAN_IDS = range(1, 4094 + 1)
BRANCH_TYPES = ("interface", "branch")


class TrunkActions(Actions):
    """The actions on the associations of branches with trunks.

    EC2 does not publish how many branches a type allows, so the model enforces only the range of VLAN ids.
    """

    def associate_trunk_interface(
        self, branch_eni_id: str, trunk_eni_id: str, *, vlan_id: int | None = None, gre_key: int | None = None, now_ns: int
    ) -> TrunkAssociation:
        """Make an ENI a branch of a trunk ENI.

        Raises:
            Ec2Error: InvalidParameterCombination unless exactly one of `vlan_id` and `gre_key` is given, and for ENIs in different zones;
                InvalidParameterValue for an ENI of the wrong type, and for a VLAN id that is not 1 to 4094 or is taken on the trunk;
                InvalidNetworkInterface.InUse for a branch that is attached or already a branch.
        """
        call = self._begin("AssociateTrunkInterface", now_ns)
        if (vlan_id is None) == (gre_key is None):
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "exactly one of VlanId and GreKey must be given")
        vlan = None if vlan_id is None else operator.index(vlan_id)
        gre = None if gre_key is None else call.count("GreKey", gre_key)
        branch = self._account.enis.find(call, branch_eni_id)
        trunk = self._account.enis.find(call, trunk_eni_id)
        if trunk.interface_type != "trunk":
            raise call.invalid(f"{trunk_eni_id} is of type {trunk.interface_type!r}, not a trunk")
        if branch.interface_type not in BRANCH_TYPES:
            raise call.invalid(f"{branch_eni_id} is of type {branch.interface_type!r}, which can't be a branch")
        if branch.is_in_use:
            raise call.refusal(ErrorCode.ENI_IN_USE, f"Interface: [{branch_eni_id}] in use.")
        if branch.subnet.availability_zone != trunk.subnet.availability_zone:
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{branch_eni_id} and {trunk_eni_id} are in different zones")
        _require_free_vlan_or_gre_key(call, trunk, vlan, gre)
        association = TrunkAssociationRecord(self._account.new_id("trunk-assoc"), branch, trunk, vlan, gre)
        self._account.add_trunk_association(association)
        return self._done(call, association.view())

    def disassociate_trunk_interface(self, association_id: str, *, now_ns: int) -> None:
        """Make a branch an ordinary ENI again; it keeps its addresses.

        Raises:
            Ec2Error: InvalidAssociationID.NotFound if the association is unknown.
        """
        call = self._begin("DisassociateTrunkInterface", now_ns)
        self._account.remove_trunk_association(self._account.trunk_associations.find(call, association_id))
        self._done(call, None)

    def describe_trunk_interface_associations(
        self, *, association_ids: Iterable[str] = (), filters: Filters | None = None, now_ns: int
    ) -> tuple[TrunkAssociation, ...]:
        """List associations of branches with trunks, ordered by id: the named ones or all.

        Raises:
            Ec2Error: InvalidAssociationID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeTrunkInterfaceAssociations", now_ns)
        table = self._account.trunk_associations
        shown = self._named_or_all(call, Views(table), association_ids, table)
        return tagged_matching(call, shown, TRUNK_FILTERS, filters or {})


def _require_free_vlan_or_gre_key(call: Call, trunk: EniRecord, vlan_id: int | None, gre_key: int | None) -> None:
    if vlan_id is not None and vlan_id not in VLAN_IDS:
        raise call.invalid(f"VlanId is {vlan_id}; it must be {VLAN_IDS.start} to {VLAN_IDS.stop - 1}")
    for association in trunk.branches.values():
        if (association.vlan_id, association.gre_key) == (vlan_id, gre_key):
            raise call.invalid(f"{trunk.eni_id} already has a branch with this VLAN id or GRE key: {association.branch.eni_id}")
