"""Which pods' waits count, and how long each of them waited."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from vpcipam.fleet.ledger import Ledger
from vpcipam.fleet.metrics import Recorder
from vpcipam.fleet.waits import WaitLog


class MeasuredWaits:
    """Records the waits of pods that come after the warm-up, and of those that were to be there from the start but waited."""

    def __init__(self, ledger: Ledger, recorder: Recorder, warm_up_ns: int) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._first_measured = bisect_left(ledger.created_ns, max(warm_up_ns, 1))
        self._unserved_at_start: set[int] = set()

    @property
    def count(self) -> int:
        """The pods whose waits count."""
        return len(self._ledger.names) - self._first_measured + len(self._unserved_at_start)

    def include(self, pods: Iterable[int]) -> None:
        """Count the waits of pods that were to be there from the start."""
        self._unserved_at_start.update(pods)

    def end(self, number: int, log: WaitLog, wait_ns: int) -> None:
        """Record that a pod's wait has ended."""
        if self._is_measured(number):
            log.ended_ns.append(wait_ns)

    def drop(self, number: int, log: WaitLog) -> None:
        """Record that a pod will never have an address; `log` has the waits of the kind that did not end."""
        if self._is_measured(number):
            log.dropped_count += 1
            self._recorder.to_start.dropped_count += 1

    def stop(self, for_node: Mapping[int, int], for_address: Mapping[int, int], end_ns: int) -> None:
        """Record the waits that last at the end of the run, of pods by number with the time at which they began to wait."""
        recorder = self._recorder
        for log, pods in ((recorder.for_node, for_node), (recorder.for_address, for_address)):
            log.waiting_ns = [end_ns - since_ns for number, since_ns in pods.items() if self._is_measured(number)]
        waiting = filter(self._is_measured, (*for_node, *for_address))
        recorder.to_start.waiting_ns = [end_ns - self._ledger.created_ns[number] for number in waiting]

    def _is_measured(self, number: int) -> bool:
        return number >= self._first_measured or number in self._unserved_at_start
