"""Which of the ENIs that are attached to an instance are its ipamd's to manage (reference, section 3: MANAGE_UNTAGGED_ENI)."""

from collections.abc import Iterable

import attrs

from vpcipam.ec2.api import NetworkInterface
from vpcipam.node.card import card_index, is_primary
from vpcipam.node.provisioner import INSTANCE_TAG, NO_MANAGE_TAG


@attrs.define
class Membership:
    """The ENIs that the node leaves alone, as they were last seen: they take room on their card.

    Attributes:
        manage_untagged: manage ENIs that carry neither tag.
    """

    manage_untagged: bool
    _unmanaged: dict[str, int] = attrs.field(factory=dict)  # ENI: card

    def unmanaged_count(self, network_card: int) -> int:
        """The number of ENIs on a card that are left alone."""
        return sum(card == network_card for card in self._unmanaged.values())

    def is_gone(self, shown: Iterable[NetworkInterface]) -> bool:
        """Tell whether one of those left alone is not shown any more: where one goes, there is room again."""
        return bool(self._unmanaged.keys() - {eni.eni_id for eni in shown})

    def shown(self, attached: Iterable[NetworkInterface], network_card: int) -> dict[str, NetworkInterface]:
        """The ENIs of a card in the metadata. That shows no tags, so an ENI once found to be left alone is left out."""
        return {eni.eni_id: eni for eni in attached if card_index(eni) == network_card and eni.eni_id not in self._unmanaged}

    def managed(self, attached: Iterable[NetworkInterface], network_card: int, instance_id: str) -> dict[str, NetworkInterface]:
        """The ENIs of a card that are ipamd's to manage; the others are noted (ipamd: setUnmanagedENIs)."""
        on_card = {eni.eni_id: eni for eni in attached if card_index(eni) == network_card}
        managed = {eni_id: eni for eni_id, eni in on_card.items() if self._is_managed(eni, instance_id)}
        noted = {eni_id: card for eni_id, card in self._unmanaged.items() if card != network_card}
        self._unmanaged = noted | dict.fromkeys(on_card.keys() - managed.keys(), network_card)
        return managed

    def _is_managed(self, eni: NetworkInterface, instance_id: str) -> bool:
        if is_primary(eni):
            return True
        if not eni.private_ip:  # EFA-only: it has no addresses, and takes none
            return False
        no_manage = eni.tag(NO_MANAGE_TAG)
        if no_manage is not None:
            return no_manage != "true"
        return eni.tag(INSTANCE_TAG) == instance_id or self.manage_untagged
