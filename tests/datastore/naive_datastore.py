"""The datastore as its docstrings describe it, without regard for speed: sets and dicts of texts, and full scans."""

from collections import Counter
from ipaddress import ip_address, ip_interface, ip_network
from itertools import count

from datastore_worlds import TIME_MAX, JournalDownError

from vpcipam.errors import (
    AlreadyAssigned,
    CidrInUse,
    CoolingDown,
    DatastoreError,
    DuplicateEni,
    EniInUse,
    InvalidAddress,
    InvalidCidr,
    InvalidSandboxKey,
    NotInPool,
    OutOfRange,
    OverlappingCidr,
    PoolExhausted,
    UnknownCidr,
    UnknownEni,
    UnknownKey,
)
from vpcipam.sandbox import SandboxKey
from vpcipam.stats import Assignment, EniStats, PoolStats

LENGTHS = {"secondary-ip": 32, "prefix": 28, "ipv6": 80}


class NaiveDatastore:
    """`holds` maps address to (key, pod), `cooling` address to end. `journal_down` makes every journal write fail."""

    def __init__(self, mode, cooldown_ns, placement, network_card, *, journalled):
        self.mode = mode
        self.cooldown_ns = cooldown_ns
        self.placement = placement
        self.network_card = network_card
        self.journalled = journalled
        self.journal_down = False
        self.enis = {}
        self.networks = {}  # network: its ENI's id
        self.held = {}
        self.cooling = {}
        self.journal = {}  # key: address, as a journal should have it
        self.writes = 0

    # sandboxes

    def choices(self):
        """The addresses that can be assigned next: the lowest free one of each usable CIDR, best first."""
        ranked = []
        for network, eni_id in self.networks.items():
            used = self.used_in(network)
            if self.is_open(network) and len(used) < network.num_addresses:
                lowest = next(str(network[offset]) for offset in count() if str(network[offset]) not in used)
                weight = {"packed": -len(used), "spread": len(used)}.get(self.placement, 0)
                ranked.append((weight, self.enis[eni_id]["device_number"], network, lowest))
        return [choice[-1] for choice in sorted(ranked)]

    def assign(self, key, now_ns, pod=None, *, wanted=None):
        self.check_key(key)
        self.check_time(now_ns)
        if key in self.keys():
            return self.assignment(self.keys()[key])
        before = self.cooling
        self.look(now_ns)
        if not self.choices():
            self.cooling = before
            raise PoolExhausted
        self.write()
        address = self.choices()[0]
        if self.placement == "random" and wanted is not None:
            assert wanted in self.choices()
            address = wanted
        return self.hold(key, pod, address)

    def assign_at(self, key, address, now_ns, pod=None):
        self.check_key(key)
        address = self.parse_address(address)
        self.check_time(now_ns)
        if key in self.keys():
            if self.keys()[key] != address:
                raise AlreadyAssigned
            return self.assignment(address)
        if self.network_of(address) is None:
            raise NotInPool
        if address in self.held:
            raise AlreadyAssigned
        if self.cooling.get(address, 0) > now_ns:
            raise CoolingDown
        self.look(now_ns)
        self.write()
        return self.hold(key, pod, address)

    def unassign(self, key, now_ns):
        self.check_time(now_ns)
        stored = key if key in self.keys() else SandboxKey("_migrated-from-cri", key.container_id, "unknown")
        if stored not in self.keys():
            raise UnknownKey
        self.write()
        return self.let_go(stored, now_ns)

    def assignment_of(self, key):
        return self.assignment(self.keys()[key]) if key in self.keys() else None

    def pod_of(self, key):
        return self.held[self.keys()[key]][1] if key in self.keys() else None

    def key_of(self, address):
        return self.held.get(self.parse_address(address), (None,))[0]

    def assignments(self):
        return [(self.held[address][0], self.assignment(address)) for address in sorted(self.held, key=ip_address)]

    def cooling_until(self, address):
        return self.cooling.get(self.parse_address(address))

    # ENIs and CIDRs

    def add_eni(self, eni_id, *, device_number, primary=False, trunk=False, efa=False, excluded=False, subnet_id=None, now_ns):
        if eni_id in self.enis or device_number in [eni["device_number"] for eni in self.enis.values()]:
            raise DuplicateEni
        if not 0 <= device_number < 2**30:
            raise OutOfRange
        self.check_time(now_ns)
        flags = {"primary": primary, "trunk": trunk, "efa": efa, "excluded": excluded, "subnet_id": subnet_id}
        self.enis[eni_id] = {"eni_id": eni_id, "device_number": device_number, "added_ns": now_ns, **flags}

    def remove_eni(self, eni_id, *, force=False, now_ns):
        networks = self.networks_of(eni_id)
        evicted = self.evict(networks, now_ns, EniInUse, force=force)
        for network in networks:
            del self.networks[network]
        del self.enis[eni_id]
        return evicted

    def set_excluded(self, eni_id, *, excluded):
        self.eni(eni_id)["excluded"] = excluded

    def set_mode(self, mode):
        if mode.version != self.mode.version:
            raise DatastoreError
        self.mode = mode

    def add_cidr(self, eni_id, cidr):
        self.eni(eni_id)
        network = self.parse_cidr(cidr)
        if network.version != self.mode.version or network.prefixlen not in ((80,) if network.version == 6 else (28, 32)):
            raise InvalidCidr
        if any(network.overlaps(other) for other in self.networks):
            raise OverlappingCidr
        self.networks[network] = eni_id

    def remove_cidr(self, eni_id, cidr, *, force=False, now_ns):
        self.eni(eni_id)
        network = self.parse_cidr(cidr)
        if network not in self.networks_of(eni_id):
            raise UnknownCidr
        evicted = self.evict([network], now_ns, CidrInUse, force=force)
        del self.networks[network]
        return evicted

    def cidrs(self, eni_id):
        return tuple(map(str, self.networks_of(eni_id)))

    def removable_cidrs(self, eni_id, now_ns):
        empty = [network for network in self.networks_of(eni_id) if not self.pods_in(network)]
        self.check_time(now_ns)
        self.look(now_ns)
        dead = [network for network in reversed(empty) if not self.is_open(network)]
        alive = [network for network in reversed(empty) if self.is_open(network)]
        still = [network for network in dead + alive if not self.cooling_in(network)]
        groups = [(dead, True), (alive, True), (alive, False), (dead, False)]
        return tuple(str(network) for group, quiet in groups for network in group if (network in still) == quiet)

    # counts

    def stats(self, now_ns):
        self.check_time(now_ns)
        self.look(now_ns)
        sums = Counter()
        for network, eni_id in self.networks.items():
            pods = len(self.pods_in(network))
            if network.prefixlen == LENGTHS[self.mode.value]:
                excluded = self.enis[eni_id]["excluded"]
                sums["total"] += pods if excluded else network.num_addresses
                sums["assigned"] += pods
                sums["cooling"] += 0 if excluded else len(self.cooling_in(network))
            else:
                sums["other mode"] += pods
            if network.prefixlen in (28, 80):
                sums["prefix"] += 1
                sums["free prefix"] += not pods
        total, held = sums["total"], sums["assigned"]
        return PoolStats(total, held, sums["cooling"], total - held, sums["prefix"], sums["free prefix"], sums["other mode"])

    def cooling_count(self, now_ns):
        self.check_time(now_ns)
        self.look(now_ns)
        return sum(len(self.cooling_in(network)) for network in self.networks)

    def eni_stats(self, now_ns):
        self.check_time(now_ns)
        return tuple(self.stats_of(eni, now_ns) for eni in sorted(self.enis.values(), key=lambda eni: eni["device_number"]))

    def stats_of(self, eni, now_ns):
        networks = self.networks_of(eni["eni_id"])
        usable = [network for network in networks if network.prefixlen == LENGTHS[self.mode.value]]
        empty = [network for network in networks if not self.pods_in(network)]
        held = sum(len(self.pods_in(network)) for network in usable)
        cooling = [network for network in empty if any(until > now_ns for until in self.cooling_in(network).values())]
        ends = [until for network in networks for address, until in self.cooling_in(network).items() if until > now_ns]
        return EniStats(
            **eni,
            slot_count=len(networks),
            total_count=held if eni["excluded"] else sum(network.num_addresses for network in usable),
            assigned_count=held,
            cooling_count=0 if eni["excluded"] else sum(until > now_ns for net in usable for until in self.cooling_in(net).values()),
            pod_count=sum(len(self.pods_in(network)) for network in networks),
            free_prefix_count=sum(network.prefixlen in (28, 80) for network in empty),
            idle_cidr_count=sum(self.is_open(network) for network in empty),
            stale_cidr_count=sum(not self.is_open(network) for network in empty),
            cooling_until_ns=max(ends, default=None),
            cooling_idle_cidr_count=sum(self.is_open(network) for network in cooling),
            cooling_stale_cidr_count=sum(not self.is_open(network) for network in cooling),
        )

    # within

    def keys(self):
        return {key: address for address, (key, _) in self.held.items()}

    def eni(self, eni_id):
        if eni_id not in self.enis:
            raise UnknownEni
        return self.enis[eni_id]

    def networks_of(self, eni_id):
        self.eni(eni_id)
        return sorted(network for network, holder in self.networks.items() if holder == eni_id)

    def network_of(self, address):
        return next((network for network in self.networks if ip_address(address) in network), None)

    def is_open(self, network):
        return network.prefixlen == LENGTHS[self.mode.value] and not self.enis[self.networks[network]]["excluded"]

    def pods_in(self, network):
        return [address for address in self.held if ip_address(address) in network]

    def cooling_in(self, network):
        return {address: until for address, until in self.cooling.items() if ip_address(address) in network}

    def used_in(self, network):
        return {*self.pods_in(network), *self.cooling_in(network)}

    def assignment(self, address):
        network = self.network_of(address)
        eni = self.enis[self.networks[network]]
        return Assignment(address, eni["eni_id"], eni["device_number"], self.network_card, str(network))

    def look(self, now_ns):
        """Free every address found past its cooldown, for good, even if the clock steps back."""
        self.cooling = {address: until for address, until in self.cooling.items() if until > now_ns}

    def write(self):
        if self.journalled and self.journal_down:
            raise JournalDownError
        self.writes += 1

    def hold(self, key, pod, address):
        self.held[address] = (key, pod)
        return self.assignment(address)

    def let_go(self, key, now_ns):
        address = self.keys()[key]
        assignment = self.assignment(address)
        del self.held[address]
        if self.cooldown_ns:
            self.cooling[address] = now_ns + self.cooldown_ns
        return assignment

    def evict(self, networks, now_ns, refusal, *, force):
        pods = sorted((address for network in networks for address in self.pods_in(network)), key=ip_address)
        if pods and not force:
            raise refusal
        self.check_time(now_ns)
        if pods:
            self.write()
        return tuple(self.let_go(self.held[address][0], now_ns) for address in pods)

    def check_key(self, key):
        if not isinstance(key, SandboxKey):
            raise TypeError
        if not key.container_id:
            raise InvalidSandboxKey

    def check_time(self, now_ns):
        if not 0 <= now_ns <= TIME_MAX:
            raise OutOfRange

    def parse_cidr(self, text):
        try:
            interface = ip_interface(text)
        except ValueError:
            raise InvalidCidr from None
        if interface.ip != interface.network[0]:
            raise InvalidCidr
        return ip_network(text)

    def parse_address(self, text):
        try:
            address = ip_address(text)
        except ValueError:
            raise InvalidAddress from None
        if address.version != self.mode.version:
            raise InvalidAddress
        return str(address)
