"""Allocators that keep every promise: a small one, the same behind HTTP, and vpcipam's own pool, datastore and node."""

import contextlib
import json
import threading
import urllib.error
import urllib.request
from collections import deque
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from vpcipam import AddressMode, AddressPool, Datastore, Ec2Model, Node, SandboxKey, Settings
from vpcipam.journal import MemoryJournal
from vpcipam.testing import EniAttached, EniDetached, KillableStorage, RangeAdded, RangeRemoved, contract_events

COOLDOWN_NS = 30_000_000_000
JOURNAL_WRITES = ("record", "record_unassign", "record_released_cidrs")


class QueueCooldown:
    """A queue of free addresses, the one released first in front, each with the time when it is free."""

    def __init__(self) -> None:
        self.free = deque((0, f"10.0.0.{last}") for last in range(4))
        self.held: dict[str, str] = {}

    def assign(self, key: str, now_ns: int) -> str | None:
        """Return the address of a key."""
        if key not in self.held:
            if not self.free or self.free[0][0] > now_ns:
                return None
            self.held[key] = self.free.popleft()[1]
        return self.held[key]

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        if key in self.held:
            self.free.append((now_ns + COOLDOWN_NS, self.held.pop(key)))


class OverHttp:
    """An adapter: the same methods, as requests to a server. Here the server is a thread; yours has its own process."""

    def __init__(self) -> None:
        allocator = QueueCooldown()
        methods = {"/assign": allocator.assign, "/unassign": allocator.unassign}

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                address = methods[self.path](request["key"], request["now_ns"])
                answer = json.dumps({"address": address}).encode()
                self.send_response(200 if address or self.path == "/unassign" else 503)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Keep the output of the tests clean."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def _post(self, path: str, key: str, now_ns: int) -> str | None:
        body = json.dumps({"key": key, "now_ns": now_ns}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.server.server_port}/{path}", body)
        with contextlib.closing(urllib.request.urlopen(request)) as answer:  # noqa: S310  # an error is an OSError: "no"
            return json.load(answer)["address"]

    def assign(self, key: str, now_ns: int) -> str | None:
        """Return the address of a key."""
        try:
            return self._post("assign", key, now_ns)
        except urllib.error.HTTPError as error:
            error.close()
            return None

    def unassign(self, key: str, now_ns: int) -> None:
        """Take an address back."""
        self._post("unassign", key, now_ns)

    def close(self) -> None:
        """Stop the server."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def own_pool() -> AddressPool[str]:
    """Return an `AddressPool`. It has the right methods already; its addresses are numbers."""
    pool: AddressPool[str] = AddressPool(cooldown_ns=COOLDOWN_NS)
    pool.add_block(0x0A000000, 4)
    return pool


def sandbox(key: str) -> SandboxKey:
    """Return the sandbox of a key."""
    return SandboxKey("aws-cni", key, "eth0")


class OwnDatastore:
    """A `Datastore` with ranges, a journal, restarts and kills."""

    def __init__(self) -> None:
        self.journal = KillableStorage(MemoryJournal(), writes=JOURNAL_WRITES)
        self.enis: dict[str, str] = {}  # of each CIDR
        self.open()

    def open(self) -> None:
        """Create the datastore, with all CIDRs."""
        self.store = Datastore(mode=AddressMode.SECONDARY_IP, cooldown_ns=COOLDOWN_NS, journal=self.journal)
        for cidr, eni_id in self.enis.items():
            self.add(eni_id, cidr, 0)

    def add(self, eni_id: str, cidr: str, now_ns: int) -> None:
        """Add a CIDR, and its ENI if it is new."""
        if eni_id not in self.store.eni_ids:
            self.store.add_eni(eni_id, device_number=len(self.store.eni_ids), now_ns=now_ns)
        self.store.add_cidr(eni_id, cidr)

    def add_range(self, eni_id: str, cidr: str, now_ns: int) -> None:
        """Add a CIDR."""
        self.add(eni_id, cidr, now_ns)
        self.enis[cidr] = eni_id

    def remove_range(self, cidr: str, now_ns: int) -> None:
        """Remove a CIDR, in use or not."""
        self.store.remove_cidr(self.enis.pop(cidr), cidr, force=True, now_ns=now_ns)

    def assign(self, key: str, now_ns: int) -> object:
        """Return the assignment of a key."""
        return self.store.assign(sandbox(key), now_ns)

    def unassign(self, key: str, now_ns: int) -> object:
        """Take an address back."""
        return self.store.unassign(sandbox(key), now_ns)

    def stats(self, now_ns: int) -> object:
        """Return the counts."""
        return self.store.stats(now_ns)

    def kill_after(self, writes: int | None) -> None:
        """Die after so many writes of the journal."""
        self.journal.kill_after(writes)

    def restart(self, now_ns: int) -> dict[str, str]:
        """Keep nothing but the journal and what EC2 knows."""
        self.open()
        self.store.restore(now_ns)
        return {key.container_id: assignment.address for key, assignment in self.store.assignments()}


class OwnNode:
    """A `Node` on a model of EC2. It attaches ENIs and addresses by itself, and tells the checker."""

    def __init__(self) -> None:
        self.ec2 = Ec2Model()
        self.subnet_id = self.ec2.create_subnet(self.ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/28").subnet_id
        self.settings = Settings().with_variables({"WARM_IP_TARGET": "1"})
        self.journal = KillableStorage(MemoryJournal(), writes=JOURNAL_WRITES)
        self.events: list[Any] = []
        self.node = self.new_node()
        self.node.start(0)

    def new_node(self, instance_id: str | None = None) -> Node:
        """Return a node on the same instance, with the same journal."""
        return Node(
            "t3.nano",
            self.settings,
            self.ec2,
            subnet_id=self.subnet_id,
            instance_id=instance_id,
            journals=[self.journal],
            on_event=self.events.append,
        )

    def assign(self, key: str, now_ns: int) -> object:
        """Return the assignment of a key."""
        self.node.tick(now_ns)
        return self.node.assign(sandbox(key), now_ns)

    def unassign(self, key: str, now_ns: int) -> object:
        """Take an address back."""
        return self.node.unassign(sandbox(key), now_ns)

    def kill_after(self, writes: int | None) -> None:
        """Die after so many writes of the journal."""
        self.journal.kill_after(writes)

    def restart(self, now_ns: int) -> dict[str, str]:
        """Keep nothing but the journal and EC2."""
        self.node = self.new_node(self.node.instance_id)
        self.node.restore(now_ns)
        return {key.container_id: assignment.address for store in self.node.datastores for key, assignment in store.assignments()}

    def take_events(self) -> list[object]:
        """Return what happened to ENIs and ranges."""
        events, self.events[:] = [*self.events], []
        translated = (each for event in events for each in contract_events(event, 0))
        return [event for event in translated if isinstance(event, EniAttached | EniDetached | RangeAdded | RangeRemoved)]
