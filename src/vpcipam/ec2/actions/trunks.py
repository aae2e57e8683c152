"""Trunk and branch ENIs, as far as addresses go: a branch is an ENI with addresses of its own subnet, tied to a trunk."""

import operator
from collections.abc import Iterable

from vpcipam.ec2.actions.base import Actions
from vpcipam.ec2.api import ErrorCode, TrunkAssociation
from vpcipam.ec2.state.filters import TRUNK_FILTERS, Filters, tagged_matching
from vpcipam.ec2.state.records import EniRecord, TrunkAssociationRecord
from vpcipam.ec2.state.requests import Call

VLAN_IDS = range(1, 4094 + 1)
BRANCH_TYPES = ("interface", "branch")


class TrunkActions(Actions):
    """The actions on the associations of branches with trunks.

    The number of branches that a type allows is in no public answer of EC2's, so none is enforced but that of VLAN ids.
    """

    def associate_trunk_interface(
        self, branch_eni_id: str, trunk_eni_id: str, *, vlan_id: int | None = None, gre_key: int | None = None, now_ns: int
    ) -> TrunkAssociation:
        """Make an ENI the branch of a trunk ENI.

        Raises:
            Ec2Error: InvalidParameterCombination unless one of `vlan_id` and `gre_key` is given, and for two ENIs in two zones;
                InvalidParameterValue for a trunk that is none, a branch that can't be one, and a VLAN id that is not 1 to 4094 or taken on
                the trunk; InvalidNetworkInterface.InUse for a branch that is attached, or a branch already.
        """
        call = self._begin("AssociateTrunkInterface", now_ns)
        if (vlan_id is None) == (gre_key is None):
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, "one of vlan_id and gre_key must be given, not both")
        vlan = None if vlan_id is None else operator.index(vlan_id)
        gre = None if gre_key is None else call.count("gre_key", gre_key)
        branch = self._account.eni(call, branch_eni_id)
        trunk = self._account.eni(call, trunk_eni_id)
        if trunk.interface_type != "trunk":
            raise call.invalid(f"{trunk_eni_id} is of type {trunk.interface_type!r}, not a trunk")
        if branch.interface_type not in BRANCH_TYPES:
            raise call.invalid(f"{branch_eni_id} is of type {branch.interface_type!r}, which can't be a branch")
        if branch.is_in_use:
            raise call.refusal(ErrorCode.ENI_IN_USE, f"Interface: [{branch_eni_id}] in use.")
        if branch.subnet.availability_zone != trunk.subnet.availability_zone:
            raise call.refusal(ErrorCode.INVALID_PARAMETER_COMBINATION, f"{branch_eni_id} and {trunk_eni_id} are in two zones")
        _require_free_place(call, trunk, vlan, gre)
        association = TrunkAssociationRecord(self._account.new_id("trunk-assoc"), branch, trunk, vlan, gre)
        self._account.add_trunk_association(association)
        return self._done(call, association.view())

    def disassociate_trunk_interface(self, association_id: str, *, now_ns: int) -> None:
        """Make a branch an ordinary ENI again; it keeps its addresses.

        Raises:
            Ec2Error: InvalidAssociationID.NotFound where the association is unknown.
        """
        call = self._begin("DisassociateTrunkInterface", now_ns)
        self._account.drop_trunk_association(self._account.trunk_association(call, association_id))
        self._done(call, None)

    def describe_trunk_interface_associations(
        self, *, association_ids: Iterable[str] = (), filters: Filters | None = None, now_ns: int
    ) -> tuple[TrunkAssociation, ...]:
        """Show associations of branches with trunks: the named ones, or all; ordered by id.

        Raises:
            Ec2Error: InvalidAssociationID.NotFound for an unknown name; InvalidParameterValue for an unknown filter.
        """
        call = self._begin("DescribeTrunkInterfaceAssociations", now_ns)
        shown = self._named_or_all(call, self._visible_trunk_associations(call), association_ids, ErrorCode.ASSOCIATION_NOT_FOUND)
        return tagged_matching(call, shown, TRUNK_FILTERS, filters or {})


def _require_free_place(call: Call, trunk: EniRecord, vlan_id: int | None, gre_key: int | None) -> None:
    if vlan_id is not None and vlan_id not in VLAN_IDS:
        raise call.invalid(f"vlan_id is {vlan_id}; it must be {VLAN_IDS.start} to {VLAN_IDS.stop - 1}")
    for association in trunk.branches.values():
        if (association.vlan_id, association.gre_key) == (vlan_id, gre_key):
            raise call.invalid(f"{trunk.eni_id} has a branch there already: {association.branch.eni_id}")
