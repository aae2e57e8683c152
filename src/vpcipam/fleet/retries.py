"""When the kubelet tries pods again that wait for an address."""

from bisect import bisect_left, insort


class Retries:
    """The tries of a node's waiting pods: each comes a whole number of intervals after the pod's first try.

    Pods are kept by the time of their tries within the interval, since they often wait by the thousand and arrive at the same moment.
    """

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._pods: dict[int, dict[int, int]] = {}  # by time within the interval: the pods, each with its first try, in order of arrival
        self._times: list[int] = []  # the keys of `_pods`, ascending

    def add(self, pod: int, first_ns: int) -> None:
        """Add a pod. Complexity: O(log pods), plus an insertion into a sorted array."""
        time = first_ns % self._interval_ns
        if time not in self._pods:
            self._pods[time] = {}
            insort(self._times, time)
        self._pods[time][pod] = first_ns

    def remove(self, pod: int, first_ns: int) -> None:
        """Remove a pod. Complexity: as for `add`."""
        time = first_ns % self._interval_ns
        del self._pods[time][pod]
        if not self._pods[time]:
            del self._pods[time], self._times[bisect_left(self._times, time)]

    def soonest(self, from_ns: int) -> int:
        """Return the time of the first try at or after a time. There must be a pod. Complexity: O(log pods)."""
        time = from_ns % self._interval_ns
        place = bisect_left(self._times, time)
        wrapped = place == len(self._times)
        return from_ns - time + self._times[0 if wrapped else place] + wrapped * self._interval_ns

    def due(self, now_ns: int) -> tuple[tuple[int, int], ...]:
        """Return the pods that are tried at a time, each with its first try, in order of arrival."""
        pods = self._pods.get(now_ns % self._interval_ns, {})
        return tuple((pod, first_ns) for pod, first_ns in pods.items() if first_ns < now_ns)
