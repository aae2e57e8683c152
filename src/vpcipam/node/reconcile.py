"""Compare a datastore with what is attached to its card. `Card.apply` applies the differences."""

from collections.abc import Collection, Mapping

import attrs

from vpcipam.datastore import Datastore
from vpcipam.ec2.api import NetworkInterface
from vpcipam.node.interfaces import pod_cidrs


@attrs.frozen
class CidrChange:
    """CIDRs of one ENI."""

    eni_id: str
    cidrs: tuple[str, ...]


@attrs.frozen
class Differences:
    """How what is attached differs from a datastore.

    Attributes:
        new: ENIs that the datastore does not have, or has at another device number.
        gained: CIDRs that the datastore does not have, on ENIs that it has.
        lost: CIDRs that are no longer on their ENI.
        vanished: ids of ENIs that are no longer attached, or are now at another device number, where their pods have no routes.
    """

    new: tuple[NetworkInterface, ...]
    gained: tuple[CidrChange, ...]
    lost: tuple[CidrChange, ...]
    vanished: tuple[str, ...]

    def __bool__(self) -> bool:
        """Tell whether there is any difference."""
        return bool(self.new or self.gained or self.lost or self.vanished)


def differences(
    datastore: Datastore, attached: Mapping[str, NetworkInterface], *, moved: Collection[str] = (), ignore: Collection[str] = ()
) -> Differences:
    """Compare a datastore with the managed ENIs that are attached to its card.

    Args:
        datastore: the card's.
        attached: the ENIs by id.
        moved: ids of ENIs that are now at another device number.
        ignore: CIDRs that are not reported as gained.
    """
    gained, lost = [], []
    known_ids = datastore.eni_ids
    for eni_id in known_ids:
        if eni_id in attached and eni_id not in moved:
            texts, held = pod_cidrs(attached[eni_id], datastore.mode), datastore.cidrs(eni_id)
            if texts == held:  # mostly; both ascend
                continue
            shown, known = dict.fromkeys(texts), dict.fromkeys(held)
            gained.append(CidrChange(eni_id, tuple(cidr for cidr in shown if cidr not in known and cidr not in ignore)))
            lost.append(CidrChange(eni_id, tuple(cidr for cidr in known if cidr not in shown)))
    return Differences(
        new=tuple([eni for eni_id, eni in attached.items() if eni_id not in known_ids or eni_id in moved]),
        gained=tuple([change for change in gained if change.cidrs]),
        lost=tuple([change for change in lost if change.cidrs]),
        vanished=tuple([eni_id for eni_id in known_ids if eni_id not in attached or eni_id in moved]),
    )
