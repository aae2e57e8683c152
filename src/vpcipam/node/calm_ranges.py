"""The calm ranges of a card's pool that were computed before."""

from vpcipam.datastore import Datastore
from vpcipam.warmpool import Calm

_MOST = 16
"""So many ranges are kept. Under IP targets a pool has few shapes, and changes between them with every pod."""


class CalmRanges:
    """The results of a policy's `calm`, by the shape of the datastore and the number of unmanaged ENIs."""

    def __init__(self) -> None:
        self._by_shape: dict[tuple[tuple[object, ...], int], Calm] = {}
        self._at: tuple[int, int] | None = None  # the datastore's revision and the number of unmanaged ENIs at the last look
        self._shape: tuple[tuple[object, ...], int] = (), 0
        self._calm: Calm | None = None

    def find(self, datastore: Datastore, unmanaged_count: int) -> Calm | None:
        """Return the range for a datastore as it is now, None if it is not known."""
        at = datastore.revision, unmanaged_count
        if at != self._at:
            self._at, self._shape = at, (datastore.shape, unmanaged_count)
            self._calm = self._by_shape.get(self._shape)
        return self._calm

    def add(self, calm: Calm) -> None:
        """Keep the range that the last `find` has missed."""
        if len(self._by_shape) >= _MOST:
            self._by_shape.clear()
        self._by_shape[self._shape] = self._calm = calm
