"""Tells which of an instance's network cards and ENIs its ipamd manages (docs/ipamd.md, "Variables", "Multiple network cards")."""

from collections.abc import Iterable

import attrs

from vpcipam.ec2.api import NetworkInterface
from vpcipam.node.interfaces import INSTANCE_TAG, NO_MANAGE_TAG, attachment_of, card_index, is_efa_only, is_primary
from vpcipam.settings import Settings


@attrs.define
class Membership:
    """The unmanaged ENIs of a node, as last seen. They count against their card's limit.

    Attributes:
        manage_untagged: manage ENIs that have neither of ipamd's two tags.
        reads_tags: ipamd reads the tags of ENIs.
        revision: a number that grows with every look at the tags, and whenever an ENI is set aside.
    """

    manage_untagged: bool
    reads_tags: bool = True
    revision: int = attrs.field(init=False, default=0)
    _unmanaged: dict[str, int] = attrs.field(factory=dict)  # ENI: card

    @classmethod
    def under(cls, settings: Settings) -> "Membership":
        """Return the membership under given settings, without ENIs. In IMDS-only mode no tag is read (ipamd: DescribeAllENIs)."""
        return cls(settings.manage_untagged_eni, reads_tags=not settings.enable_imds_only_mode)

    def unmanaged_count(self, network_card: int) -> int:
        """The number of unmanaged ENIs on a card."""
        return list(self._unmanaged.values()).count(network_card) if self._unmanaged else 0

    def is_gone(self, shown: Iterable[NetworkInterface]) -> bool:
        """Tell whether an unmanaged ENI is no longer shown, so that there is room again."""
        return bool(self._unmanaged.keys() - {eni.eni_id for eni in shown})

    def shown(self, attached: Iterable[NetworkInterface], network_card: int) -> dict[str, NetworkInterface]:
        """The managed ENIs of a card in the metadata. Metadata has no tags, so this relies on the last call of `managed`."""
        return {eni.eni_id: eni for eni in attached if card_index(eni) == network_card and eni.eni_id not in self._unmanaged}

    def managed(self, attached: Iterable[NetworkInterface], network_card: int, instance_id: str) -> dict[str, NetworkInterface]:
        """Pick the managed ENIs of a card by their tags, and remember the others (ipamd: setUnmanagedENIs)."""
        on_card = {eni.eni_id: eni for eni in attached if card_index(eni) == network_card}
        managed = {eni_id: eni for eni_id, eni in on_card.items() if self._is_managed(eni, instance_id)}
        others = {eni_id: card for eni_id, card in self._unmanaged.items() if card != network_card}
        self._unmanaged = others | dict.fromkeys(on_card.keys() - managed.keys(), network_card)
        self.revision += 1
        return managed

    def set_aside(self, eni: NetworkInterface) -> None:
        """Count an ENI as not managed."""
        self._unmanaged[eni.eni_id] = attachment_of(eni).network_card_index
        self.revision += 1

    def manages_card(self, attached: Iterable[NetworkInterface], network_card: int, instance_id: str) -> bool:
        """Tell whether ipamd manages a card: not if it has an EFA-only ENI and no managed ENI (ipamd: markUnmanagedNetworkCards)."""
        on_card = [eni for eni in attached if card_index(eni) == network_card]
        return not any(map(is_efa_only, on_card)) or any(self._is_managed(eni, instance_id) for eni in on_card)

    def _is_managed(self, eni: NetworkInterface, instance_id: str) -> bool:
        if is_primary(eni):
            return True
        if not eni.private_ip:  # EFA-only: it has no addresses
            return False
        if not self.reads_tags:
            return True
        no_manage = eni.tag(NO_MANAGE_TAG)
        if no_manage is not None:
            return no_manage != "true"
        return eni.tag(INSTANCE_TAG) == instance_id or self.manage_untagged
