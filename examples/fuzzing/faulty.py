"""Four small allocators as people write them, each with one subtle fault. `assert_conforms` finds all four."""

import heapq
import json

from vpcipam.testing import KillableStorage

COOLDOWN_NS = 30_000_000_000
ADDRESSES = tuple(f"10.0.0.{last}" for last in range(4))


class ListPop:
    """A list of free addresses. A new address is taken from the front, and a released one goes to the back, to rest.

    The fault: with few free addresses the back is soon the front, and nothing looks at the clock.
    """

    def __init__(self) -> None:
        self.free = list(ADDRESSES)
        self.held: dict[str, str] = {}

    def assign(self, key: str, now_ns: int) -> str:
        """Return the address of a key."""
        del now_ns
        if key not in self.held:
            self.held[key] = self.free.pop(0)
        return self.held[key]

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        del now_ns
        self.free.append(self.held.pop(key))


class HeapCooldown:
    """A dict of holders, and a heap of cooling addresses with the time when each is free.

    The fault: a release of an unknown key is ignored, as the CNI asks for, but one that is repeated is not: the key stays in the dict
    until its address is needed, so the address is in the heap twice.
    """

    def __init__(self) -> None:
        self.heap = [(0, address) for address in ADDRESSES]
        self.held: dict[str, str] = {}
        self.gone: set[str] = set()

    def assign(self, key: str, now_ns: int) -> str | None:
        """Return the address of a key."""
        if key in self.held and key not in self.gone:
            return self.held[key]
        if not self.heap or self.heap[0][0] > now_ns:
            return None
        self.gone.discard(key)
        _, self.held[key] = heapq.heappop(self.heap)
        return self.held[key]

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        if key in self.held:
            heapq.heappush(self.heap, (now_ns + COOLDOWN_NS, self.held[key]))
            self.gone.add(key)


class StoredBitmap:
    """A bitmap and a dict of holders in a key-value store, as with Redis; cooldowns are in the store, too.

    The fault: after a restart, cooldowns are read from the store only for addresses that are in use there.
    """

    def __init__(self) -> None:
        self.store = {"free": json.dumps([1] * len(ADDRESSES)), "held": "{}", "cooling": "{}"}
        self.cooling: dict[int, int] = {}

    def _read(self, name: str) -> list[int]:
        return json.loads(self.store[name])

    def assign(self, key: str, now_ns: int) -> str:
        """Return the address of a key."""
        held: dict[str, int] = json.loads(self.store["held"])
        if key not in held:
            free = self._read("free")
            offset = next((each for each, bit in enumerate(free) if bit and self.cooling.get(each, 0) <= now_ns), None)
            if offset is None:
                raise LookupError(key)
            free[offset] = 0
            held[key] = offset
            self.store |= {"free": json.dumps(free), "held": json.dumps(held)}
        return ADDRESSES[held[key]]

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        held: dict[str, int] = json.loads(self.store["held"])
        free = self._read("free")
        offset = held.pop(key)
        free[offset] = 1
        self.cooling[offset] = now_ns + COOLDOWN_NS
        self.store |= {"free": json.dumps(free), "held": json.dumps(held), "cooling": json.dumps(self.cooling)}

    def restart(self, now_ns: int) -> dict[str, str]:
        """Read everything from the store."""
        del now_ns
        held: dict[str, int] = json.loads(self.store["held"])
        in_use = set(held.values())
        self.cooling = {int(each): end for each, end in json.loads(self.store["cooling"]).items() if int(each) in in_use}
        return {key: ADDRESSES[offset] for key, offset in held.items()}


class KeyValues:
    """The few commands of Redis that `TwoWrites` needs."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, name: str) -> str:
        """Return a value."""
        return self.values.get(name, "{}")

    def set(self, name: str, value: str) -> None:
        """Write a value."""
        self.values[name] = value


class TwoWrites:
    """Holders in one value of a key-value store, cooldowns in another; nothing in memory, so a restart loses nothing.

    The fault: a release writes both values, one after the other. After a kill in between, the address is free and does not cool.
    """

    def __init__(self) -> None:
        self.store = KillableStorage(KeyValues(), writes=["set"])
        self.kill_after = self.store.kill_after

    def _read(self, name: str) -> dict[str, str]:
        return json.loads(self.store.get(name))

    def assign(self, key: str, now_ns: int) -> str:
        """Return the address of a key."""
        held, cooling = self._read("held"), self._read("cooling")
        if key not in held:
            in_use = set(held.values())
            free = [each for each in ADDRESSES if each not in in_use and int(cooling.get(each, 0)) <= now_ns]
            held[key] = free[0]
            self.store.set("held", json.dumps(held))
        return held[key]

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        held, cooling = self._read("held"), self._read("cooling")
        cooling[held.pop(key)] = str(now_ns + COOLDOWN_NS)
        self.store.set("held", json.dumps(held))
        self.store.set("cooling", json.dumps(cooling))

    def restart(self, now_ns: int) -> dict[str, str]:
        """Read the holders from the store."""
        del now_ns
        return self._read("held")
