"""What pods need of a node: addresses, and decisions about the quarantine of its journals."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vpcipam._units import seconds_text
from vpcipam.datastore import Datastore
from vpcipam.errors import InvalidArgument, NodeError
from vpcipam.node.card import Card
from vpcipam.node.control_loop import ControlLoop
from vpcipam.node.interfaces import DEFAULT_NETWORK_CARD
from vpcipam.quarantine import Quarantined
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment

if TYPE_CHECKING:
    import threading


class Pods:
    """The methods of a `Node` for its pods. They read and change its datastores, and never call EC2."""

    _loop: ControlLoop
    _lock: "threading.RLock"
    _started: bool

    @property
    def datastores(self) -> tuple[Datastore, ...]:
        """One datastore for each managed network card, ascending. `start` drops a card that has an EFA-only ENI and no managed ENI."""
        return tuple(card.datastore for card in self._loop.cards)

    def assign(self, key: SandboxKey, now_ns: int, pod: PodRef | None = None, *, network_card: int = DEFAULT_NETWORK_CARD) -> Assignment:
        """Give a sandbox an address that the node already has; like ipamd, it doesn't call EC2. The caller enforces `max_pods`.

        Raises:
            PoolExhausted: no address is free; the kubelet would try again.
            NodeError: the node is not started, or the EC2 calls of its start are under way.
        """
        return self._ready_datastore(now_ns, network_card).assign(key, now_ns, pod)

    def unassign(self, key: SandboxKey, now_ns: int, *, network_card: int = DEFAULT_NETWORK_CARD) -> Assignment:
        """Release a sandbox's address.

        Raises:
            UnknownKey: the sandbox has none.
            NodeError: the node is not started, or the EC2 calls of its start are under way.
        """
        return self._ready_datastore(now_ns, network_card).unassign(key, now_ns)

    def assign_many(
        self, wanted: Iterable[tuple[SandboxKey, PodRef | None]], now_ns: int, *, network_card: int = DEFAULT_NETWORK_CARD
    ) -> tuple[Assignment, ...]:
        """Give addresses to all sandboxes or to none, with a single write of the journal.

        Raises:
            PoolExhausted: fewer addresses are free than the sandboxes need.
            NodeError: the node is not started, or the EC2 calls of its start are under way.
        """
        return self._ready_datastore(now_ns, network_card).assign_many(wanted, now_ns)

    def unassign_many(self, keys: Iterable[SandboxKey], now_ns: int, *, network_card: int = DEFAULT_NETWORK_CARD) -> tuple[Assignment, ...]:
        """Release the addresses of all sandboxes or of none, with a single write of the journal.

        Raises:
            UnknownKey: one of the sandboxes has no address, or is named twice.
            NodeError: the node is not started, or the EC2 calls of its start are under way.
        """
        return self._ready_datastore(now_ns, network_card).unassign_many(keys, now_ns)

    @property
    def quarantined(self) -> tuple[Quarantined, ...]:
        """The quarantined entries of the journals; see `release_quarantined` and `accept_quarantined` of `Datastore`."""
        return tuple(entry for datastore in self.datastores for entry in datastore.quarantined)

    def accept_all_quarantined(self, now_ns: int) -> tuple[Assignment, ...]:
        """Accept every entry in quarantine that fits, card by card; see `Datastore.accept_all_quarantined`."""
        self._require_started()
        self._settle_unless_in_use(now_ns)
        return tuple(each for datastore in self.datastores for each in datastore.accept_all_quarantined(now_ns))

    def _ready_datastore(self, now_ns: int, network_card: int) -> Datastore:
        self._require_started()
        ready_ns = self._loop.pace.ready_ns
        if now_ns < ready_ns:
            raise NodeError(f"node {self._loop.name} is starting; it is ready in {seconds_text(ready_ns - now_ns)} s")
        self._settle_unless_in_use(now_ns)
        return self._card(network_card).datastore

    def _require_started(self) -> None:
        if not self._started:
            raise NodeError(f"node {self._loop.name} is not started; call start(now_ns) first")

    def _settle_unless_in_use(self, now_ns: int) -> None:
        """Record finished EC2 calls, unless another thread is in the control loop; that thread will."""
        if self._loop.pending and self._lock.acquire(blocking=False):
            try:
                self._loop.settle(now_ns)
            finally:
                self._lock.release()

    def _card(self, network_card: int) -> Card:
        for card in self._loop.cards:
            if card.index == network_card:
                return card
        managed = ", ".join(str(card.index) for card in self._loop.cards)
        raise InvalidArgument(f"network card {network_card} is not managed: the cards of node {self._loop.name} are {managed}")
