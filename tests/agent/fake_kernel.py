"""A kernel that is a folder, so that it survives the agent: links with the namespace of their other end, and routes by address.

It keeps the promises of `Wiring` without root. A namespace is any file; two paths of one file are one namespace.
"""

import hashlib
import json
from pathlib import Path

from vpcipam.agent.wiring import PodInterface
from vpcipam.errors import DatapathError

MTU = 9001


class FakeKernel:
    """See the module. `step` is called before and after each change, and can end the process there."""

    def __init__(self, folder, step=lambda: None):
        self.folder = folder
        self.step = step
        self.ready = None  # the ENIs that have an interface; None for all
        self.set_ups = []
        self.look_count = 0
        self.broken = set()  # the calls that fail
        for name in ("links", "routes"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    # --- what it has ------------------------------------------------------------------------------------------------------

    @property
    def links(self):
        return {path.name: json.loads(path.read_text()) for path in (self.folder / "links").iterdir() if path.suffix != ".new"}

    @property
    def routes(self):
        return {path.name: path.read_text() for path in (self.folder / "routes").iterdir() if path.suffix != ".new"}

    def _put(self, kind, name, text):
        self.step()
        new = self.folder / kind / f"{name}.new"
        new.write_text(text)
        new.replace(self.folder / kind / name)
        self.step()

    def _drop(self, kind, name):
        self.step()
        (self.folder / kind / name).unlink(missing_ok=True)
        self.step()

    def delete_namespace(self, netns):
        """What the runtime does after DEL: the interfaces within go, and their other ends."""
        for name, link in self.links.items():
            if link["netns"] == Path(netns).stat().st_ino:
                self._drop("links", name)

    def _require(self, call):
        if call in self.broken:
            raise DatapathError(f"{call} is broken")

    def _require_new(self, inode, peer):
        if any((link["netns"], link["peer"]) == (inode, peer) for link in self.links.values()):
            raise DatapathError(f"{peer} exists in the pod")

    # --- Wiring -----------------------------------------------------------------------------------------------------------

    def set_up(self, enis, subnets, vpc_cidrs):
        self._require("set_up")
        enis = tuple(enis)
        assert {eni.subnet_id for eni in enis} == {*subnets}
        self.set_ups.append((sorted(eni.eni_id for eni in enis), vpc_cidrs))
        return frozenset(eni.eni_id for eni in enis if self.ready is None or eni.eni_id in self.ready)

    def connect(self, key, pod, assignments, netns):
        self._require("connect")
        inode = Path(netns).stat().st_ino
        made = []
        try:
            for index, each in enumerate(assignments):
                name, peer = host_name(key, pod, index), f"mNicIf{index}" if index else key.if_name
                self._drop("links", name)
                self._require_new(inode, peer)
                made.append(("links", name))
                self._put("links", name, json.dumps({"netns": inode, "peer": peer, "mac": mac(key)}))
                made.append(("routes", each.address))
                self._put("routes", each.address, name)
                self._require("connect late")
        except DatapathError:
            for kind, name in made:
                self._drop(kind, name)
            raise
        return tuple(
            PodInterface(each.address, host_name(key, pod, index), mac(key), key.if_name, mac((*key, "pod")), MTU)
            for index, each in enumerate(assignments)
        )

    def disconnect(self, key, pod, addresses):
        self._require("disconnect")
        for index, address in enumerate(addresses):
            self._drop("routes", address)
            name = host_name(key, pod, index)
            if self.links.get(name, {}).get("mac") == mac(key):
                self._drop("links", name)

    def check(self, key, pod, assignments, netns):
        self._require("check")
        inode = Path(netns).stat().st_ino
        missing = [f"no route to {each.address}" for each in assignments if each.address not in self.routes]
        link = self.links.get(host_name(key, pod, 0))
        return (*missing, *(() if link and link["netns"] == inode else (f"no interface {host_name(key, pod, 0)}",)))

    def look(self):
        self.look_count += 1
        return frozenset()

    def is_connected(self, key, _standing):
        return any(link["mac"] == mac(key) for link in self.links.values())

    def repair(self, key, pod, assignments, _standing):
        self._require("repair")
        for index, each in enumerate(assignments):
            if each.address not in self.routes:
                self._put("routes", each.address, host_name(key, pod, index))

    def sweep(self, held):
        self._require("sweep")
        for address in {*self.routes} - held():
            self._drop("routes", address)


def host_name(key, pod, index):
    names = (pod.namespace, pod.name) if pod else (key.container_id, key.if_name)
    return f"eni{_digest((*names, str(index)))[:11]}"


def mac(parts):
    digest = _digest(parts)
    return ":".join(["02", *(digest[start : start + 2] for start in range(0, 10, 2))])


def _digest(parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
