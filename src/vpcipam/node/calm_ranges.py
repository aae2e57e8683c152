"""The calm ranges of a card's pool that were computed before."""

from vpcipam.warmpool import NEVER_CALM, Calm

_MOST = 16
"""So many ranges are kept. Under IP targets a pool has few shapes, and changes between them with every pod."""

Shape = tuple[object, ...]
"""What a calm range depends on: the shape of the datastore and the number of unmanaged ENIs. It can come again, unlike a revision."""


class CalmRanges:
    """The results of a policy's `calm`, by shape.

    Attributes:
        revision: the revision of the latest range: a number that grows whenever the shape can change.
        latest: the latest range.
    """

    def __init__(self) -> None:
        self.revision = -1
        self.latest = NEVER_CALM
        self._by_shape: dict[Shape, Calm] = {}

    def find(self, revision: int, shape: Shape) -> Calm | None:
        """Return the range for a shape, and keep it as the latest; None if it is not known."""
        calm = self._by_shape.get(shape)
        if calm is not None:
            self.revision, self.latest = revision, calm
        return calm

    def add(self, revision: int, shape: Shape, calm: Calm) -> Calm:
        """Keep a range, also as the latest, and return it."""
        if len(self._by_shape) >= _MOST:
            self._by_shape.clear()
        self._by_shape[shape] = calm
        self.revision, self.latest = revision, calm
        return calm
