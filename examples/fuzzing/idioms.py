"""What people do with `ipaddress` alone, and what it costs them."""

import ipaddress

NETWORK = ipaddress.ip_network("10.0.0.0/29")


class FirstFreeHost:
    """The first host that nobody holds. Right without a cooldown; with one, an address comes back at once."""

    def __init__(self) -> None:
        self.held: dict[str, object] = {}

    def assign(self, key: str, now_ns: int) -> object:
        """Return the address of a key."""
        del now_ns
        if key not in self.held:
            in_use = set(self.held.values())
            self.held[key] = next((host for host in NETWORK.hosts() if host not in in_use), None) or self._full()
        return self.held[key]

    def _full(self) -> object:
        raise LookupError(f"{NETWORK} is full")

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        del now_ns
        self.held.pop(key, None)


class NextHost:
    """The next host of an iterator. It never gives an address twice, so it is empty soon, whoever leaves."""

    def __init__(self) -> None:
        self.hosts = iter(NETWORK.hosts())
        self.held: dict[str, object] = {}

    def assign(self, key: str, now_ns: int) -> object:
        """Return the address of a key."""
        del now_ns
        if key not in self.held:
            host = next(self.hosts, None)
            if host is None:
                return None
            self.held[key] = host
        return self.held[key]

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        del now_ns
        self.held.pop(key, None)
