"""The events to come, in order, at a cost that does not grow with their number."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from itertools import repeat

Event = tuple[int, int, int]
"""A time in nanoseconds, a kind, a number. Of two at one time the one of the lower kind comes first, then that of the lower number."""


class Calendar:
    """Events, kept unsorted by window of time until their window comes; then it is sorted as a whole.

    A heap asks for a dozen comparisons for each of a million events; here each is sorted once, among those of its window.

    Invariants:

    1. `pages` has the events of each window after the present one, by number of the window; the present one's lie in `page`, in order.

    Attributes:
        page, pages, end_ns, width_ns: for a caller in whose innermost loop a call of `push` would be too dear; it does as `push` does.
    """

    def __init__(self, width_ns: int) -> None:
        """Make an empty one; the windows are so wide, and begin at 0."""
        self.width_ns = width_ns
        self.pages: dict[int, list[Event]] = {}
        self.page: list[Event] = []
        self.end_ns = 0

    def push(self, time_ns: int, kind: int, number: int) -> None:
        """Add an event. It must come after the one that is being dealt with, in the order of events: else that would be met again."""
        if time_ns < self.end_ns:
            insort(self.page, (time_ns, kind, number))
        else:
            self.pages.setdefault(time_ns // self.width_ns, []).append((time_ns, kind, number))

    def windows(self, until_ns: int, known_ns: Sequence[int], kind: int) -> Iterator[list[Event]]:
        """Go through the windows up to a time, exclusive, each as the list of its events in order; empty windows too.

        What is pushed into the present window comes into its list behind the event that is being dealt with, so a `for` over it meets it.

        Args:
            until_ns: the time.
            known_ns: when events of one kind happen that are known in advance, ascending; they are numbered from 0 on.
            kind: their kind.
        """
        first = 0
        for place in range(-(-until_ns // self.width_ns)):
            end_ns = self.end_ns = min((place + 1) * self.width_ns, until_ns)
            page = self.page = self.pages.pop(place, [])
            last = bisect_left(known_ns, end_ns, first)
            page.extend(zip(known_ns[first:last], repeat(kind), range(first, last), strict=False))
            page.sort()
            del page[bisect_left(page, (end_ns, -1, -1)) :]  # of the last window, what would come after the end
            first = last
            yield page
