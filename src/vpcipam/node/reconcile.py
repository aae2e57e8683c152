"""Compare a datastore with what is attached to its card. Pure: following the answer is the card's job."""

from collections.abc import Collection, Mapping

import attrs

from vpcipam.datastore import Datastore
from vpcipam.ec2.api import NetworkInterface
from vpcipam.node.provisioner import pod_cidrs


@attrs.frozen
class CidrChange:
    """CIDRs of one ENI."""

    eni_id: str
    cidrs: tuple[str, ...]


@attrs.frozen
class Differences:
    """What is attached, against the datastore's books.

    Attributes:
        new: ENIs that the datastore does not know, or knows at another device number.
        gained: CIDRs that it does not know, on ENIs that it does.
        lost: CIDRs that are gone from their ENI.
        vanished: ids of ENIs that are gone, or were and are now at another device number: their pods have lost their routes.
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
    """Compare the datastore with the managed ENIs that are attached to its card, by id.

    ENIs of `moved` are at another device number than before; CIDRs of `ignore` are never gained.
    """
    gained, lost = [], []
    for eni_id in datastore.eni_ids:
        if eni_id in attached and eni_id not in moved:
            there = dict.fromkeys(pod_cidrs(attached[eni_id], datastore.mode))
            booked = dict.fromkeys(datastore.cidrs(eni_id))
            gained.append(CidrChange(eni_id, tuple(cidr for cidr in there if cidr not in booked and cidr not in ignore)))
            lost.append(CidrChange(eni_id, tuple(cidr for cidr in booked if cidr not in there)))
    return Differences(
        new=tuple(eni for eni_id, eni in attached.items() if eni_id not in datastore or eni_id in moved),
        gained=tuple(change for change in gained if change.cidrs),
        lost=tuple(change for change in lost if change.cidrs),
        vanished=tuple(eni_id for eni_id in datastore.eni_ids if eni_id not in attached or eni_id in moved),
    )
