"""A VPC in network namespaces, with nodes and a host outside of it: what the tests of the datapath send packets through.

The namespaces have no name. They exist as long as this process has them open, so nothing is left behind, and workers never clash.
A test that starts other programs gives them `Namespace.path`.

The fabric is as strict as the real one. It delivers an address only to the ENI that owns it, and drops a packet whose source the sending
ENI does not own. It counts both per ENI, so that a wrong route is a failure.
"""

import contextlib
import ctypes
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

from pyroute2 import IPRoute, netns

from waiting import wait_for

OUTSIDE, OUTSIDE_V6 = "198.51.100.10", "2001:db8:ffff::10"
V4_GATEWAY, V6_GATEWAY = "10.0.1.1", "fe80:ec2::1"
PROGRAMS = ("ip", "iptables-restore", "ip6tables-restore", "nft")
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def trouble():
    """Return why there can be no namespaces here, or None."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"not installed: {', '.join(missing)} (apt install iproute2 iptables nftables)"
    try:
        Namespace("probe").close()
    except OSError as error:
        return f"no network namespace can be made ({error.strerror}): run as root"
    return None


class Namespace:
    """A network namespace without a name."""

    def __init__(self, name):
        self.name = name
        self.fd = _in_thread(self._unshared)
        self.path = f"/proc/{os.getpid()}/fd/{self.fd}"
        try:
            # Duplicate address detection takes up to 2 s, and the lab has no duplicates.
            self.sysctl("net/ipv6/conf/default/accept_dad", 0)
            self.link("lo", state="up")
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _unshared():
        if _LIBC.unshare(_CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def __repr__(self):
        return f"<namespace {self.name}>"

    def close(self):
        """Give the namespace back; the kernel removes it once nothing else has it open."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def call(self, function, *args, **keywords):
        """Call a function inside the namespace. A socket that it makes stays there."""

        def inside():
            netns.setns(self.fd)
            return function(*args, **keywords)

        return _in_thread(inside)

    def run(self, *command, text=None, check=True):
        """Run a program inside the namespace, and return what it prints."""
        done = self.call(subprocess.run, command, input=text, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} in {self.name}: {done.stderr or done.stdout}")
        return done.stdout

    def netlink(self, work):
        """Call `work` with an IPRoute inside the namespace."""

        def inside():
            with IPRoute() as ipr:
                return work(ipr)

        return self.call(inside)

    def link(self, name, **change):
        self.netlink(lambda ipr: ipr.link("set", index=ipr.link_lookup(ifname=name)[0], **change))

    def sysctl(self, key, value=None):
        """Read a sysctl by its path below /proc/sys, after writing it if there is a value."""
        path = Path("/proc/sys", key)
        if value is not None:
            self.call(path.write_text, f"{value}\n")
        return self.call(path.read_text).strip()

    def socket(self, *kind):
        made = self.call(socket.socket, *kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return made

    def state(self):
        """Everything that the datapath can change here, as other programs than the library's tell it. Compare two of them."""
        found = {
            what: sorted(filter(None, map(_steady, json.loads(self.run("ip", "-j", *what.split()) or "[]"))))
            for what in (
                "link",
                "address",
                "rule",
                "-6 rule",
                "route show table all",
                "-6 route show table all",
                "neigh show nud permanent",
            )
        }
        saved = {program: self.run(program) for program in ("iptables-save", "ip6tables-save")}
        # Built-in chains stay once iptables has looked at them.
        found |= {what: [line for line in text.splitlines() if re.match(r":\S+ -|-A", line)] for what, text in saved.items()}
        nft = json.loads(self.run("nft", "-j", "list", "tables"))["nftables"]
        found["nft"] = sorted(f"{each['table']['family']} {each['table']['name']}" for each in nft if "table" in each)
        # Empty tables stay once iptables has looked at them.
        found["nft"] = [name for name in found["nft"] if name.rpartition(" ")[2] not in {"nat", "mangle", "filter", "raw"}]
        found["xfrm"] = self.run("ip", "xfrm", "state").splitlines() + self.run("ip", "xfrm", "policy").splitlines()
        return found


def _steady(entry):
    """Write an entry of `ip -j` without what the kernel changes by itself for a second or two: carriers, and IPv6 addresses in use."""
    if entry.get("protocol") == "kernel" and ":" in entry.get("dst", ""):
        return None  # the routes of link-local addresses
    entry.pop("operstate", None)
    if "flags" in entry:
        entry["flags"] = sorted({*entry["flags"]} - {"LOWER_UP", "NO-CARRIER", "M-DOWN", "linkdown", "dead"})
    if "addr_info" in entry:
        shown = [each for each in entry["addr_info"] if each["scope"] != "link"]
        entry["addr_info"] = [{name: value for name, value in each.items() if name != "tentative"} for each in shown]
    return json.dumps(entry)


def _in_thread(function):
    """Call a function in a thread of its own, because a thread that has changed its namespace is of no use to others."""
    answer = []

    def work():
        try:
            answer.append((function(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            answer.append((None, error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    result, error = answer[0]
    if error is not None:
        raise error
    return result


class Vpc:
    """A fabric that connects ENIs and a host outside.

    On a kernel without nftables it is as strict, but counts nothing, and checks no sources of IPv6.
    """

    def __init__(self):
        self._open = contextlib.ExitStack()
        self.ports, self._nftables = 0, True
        try:
            self.fabric, self.outside = self.namespace("vpc"), self.namespace("outside")
            self._build()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self._open.close()

    def namespace(self, name):
        """Make a namespace that ends with the VPC."""
        made = Namespace(name)
        self._open.callback(made.close)
        return made

    def _build(self):
        self.fabric.sysctl("net/ipv4/ip_forward", 1)
        self.fabric.sysctl("net/ipv6/conf/all/forwarding", 1)
        try:
            self.fabric.run("nft", "-f", "-", text=_FABRIC)
        except AssertionError as error:
            if "not supported" not in str(error):
                raise
            self._nftables = False
        self.fabric.netlink(lambda ipr: ipr.addr("add", index=1, address=V4_GATEWAY, prefixlen=32))
        self._wire("out", self.outside, "eth0", "02:cc:00:00:00:00")
        for place, device, last in ((self.fabric, "out", "1"), (self.outside, "eth0", "10")):
            commands = f"address add 198.51.100.{last}/24 dev {device}\naddress add 2001:db8:ffff::{last}/64 dev {device} nodad\n"
            place.run("ip", "-batch", "-", text=commands)
        self.outside.link("eth0", state="up")
        self.outside.run("ip", "-batch", "-", text="route add default via 198.51.100.1\nroute add default via 2001:db8:ffff::1\n")

    def _wire(self, port, namespace, device, mac):
        peer = {"ifname": device, "net_ns_fd": namespace.fd, "address": mac}
        self.fabric.netlink(lambda ipr: ipr.link("add", ifname=port, kind="veth", peer=peer, mtu=9001))
        self.fabric.link(port, state="up")

    def attach(self, namespace, device, mac, primary, *cidrs, primary_v6=None):
        """Attach an ENI to a node: it appears there as a link that is down. It owns its primary address, and the CIDRs."""
        self.ports += 1
        eni = Eni(self, f"p{self.ports}", namespace, device, mac=mac, primary=primary, primary_v6=primary_v6)
        self._wire(eni.port, namespace, device, mac)
        self._answer_for_all(eni.port)
        commands = [f"address add {V6_GATEWAY}/128 dev {eni.port} nodad"]
        for address in filter(None, (primary, primary_v6)):
            commands.append(f"neighbour add {address} lladdr {mac} dev {eni.port} nud permanent")
            commands.append(f"route add {address} dev {eni.port}")
        self.fabric.run("ip", "-batch", "-", text="\n".join(commands))
        if self._nftables:
            self.fabric.run("nft", "-f", "-", text=_PORT.replace("PORT", eni.port))
        eni.own(*cidrs)
        return eni

    def _answer_for_all(self, port):
        """Answer every ARP request of a port, and drop sources whose way back is another port."""
        self.fabric.sysctl(f"net/ipv4/conf/{port}/proxy_arp", 1)
        self.fabric.sysctl(f"net/ipv4/neigh/{port}/proxy_delay", 0)
        if not self._nftables:
            self.fabric.sysctl(f"net/ipv4/conf/{port}/rp_filter", 1)

    def attach_branch(self, trunk, vlan_id, mac, address):
        """Attach a branch ENI to a trunk ENI: the fabric takes and gives its packets under a VLAN id."""
        port = f"{trunk.port}.{vlan_id}"
        self.fabric.run("ip", "link", "add", "link", trunk.port, "name", port, "type", "vlan", "id", str(vlan_id))
        self.fabric.link(port, state="up")
        self._answer_for_all(port)
        commands = f"neighbour add {address} lladdr {mac} dev {port} nud permanent\nroute add {address} dev {port}\n"
        self.fabric.run("ip", "-batch", "-", text=commands)


# A packet is foreign if the way back to its source is another port.
_FABRIC = """
table inet vpc {
  chain sent {
    type filter hook prerouting priority -310;
    icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report,
                  nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
  }
  chain sources {
    type filter hook prerouting priority -300;
    ip6 saddr { ::, fe80::/10 } accept
    fib saddr . iif oif missing goto foreign
  }
  chain foreign { }
}
"""
_PORT = """
add counter inet vpc sent-PORT
add counter inet vpc dropped-PORT
add rule inet vpc sent iifname PORT counter name sent-PORT
add rule inet vpc foreign iifname PORT counter name dropped-PORT drop
"""


class Eni:
    """An ENI: a port of the fabric, and a link of a node."""

    def __init__(self, vpc, port, namespace, device, *, mac, primary, primary_v6):
        self.vpc, self.port, self.namespace, self.device = vpc, port, namespace, device
        self.mac, self.primary, self.primary_v6 = mac, primary, primary_v6

    def own(self, *cidrs):
        """Make the ENI own more addresses."""
        self._route("add", cidrs)

    def disown(self, *cidrs):
        self._route("del", cidrs)

    def _route(self, verb, cidrs):
        via = {4: self.primary, 6: self.primary_v6}
        commands = [f"route {verb} {each} via {via[ipaddress.ip_network(each).version]} dev {self.port} onlink" for each in cidrs]
        self.vpc.fabric.run("ip", "-batch", "-", text="\n".join(commands))

    @property
    def sent_count(self):
        """How many packets the fabric has got from this ENI."""
        return self._count("sent")

    @property
    def dropped_count(self):
        """How many of them it has dropped, because this ENI does not own the source."""
        return self._count("dropped")

    def _count(self, kind):
        listed = json.loads(self.vpc.fabric.run("nft", "-j", "list", "counter", "inet", "vpc", f"{kind}-{self.port}"))
        return next(each["counter"]["packets"] for each in listed["nftables"] if "counter" in each)

    def detach(self):
        self.vpc.fabric.run("ip", "link", "delete", self.port)


class Node:
    """A machine as it is before the CNI comes: its first ENI is up and has its primary address, the others are down."""

    def __init__(self, vpc, name, number):
        self.vpc, self.name, self.number = vpc, name, number
        self.namespace = vpc.namespace(name)
        self.enis = []
        self.namespace.sysctl("net/ipv4/ip_forward", 1)

    def attach(self, *cidrs, primary=None, primary_v6=None):
        """Attach one more ENI. Node 1 has 10.0.1.10, 10.0.1.11, …, and node 2 has 10.0.1.20, …"""
        index = len(self.enis)
        mac = f"02:aa:00:00:{self.number:02x}:{index:02x}"
        primary = primary or f"10.0.1.{10 * self.number + index}"
        eni = self.vpc.attach(self.namespace, f"eth{index}", mac, primary, *cidrs, primary_v6=primary_v6)
        self.enis.append(eni)
        if index == 0:
            self.namespace.link("eth0", state="up")
            commands = [f"address add {primary}/24 dev eth0", f"route add default via {V4_GATEWAY} dev eth0"]
            if primary_v6:
                commands += [f"address add {primary_v6}/128 dev eth0 nodad", f"route add {V6_GATEWAY} dev eth0"]
                commands += [f"route add default via {V6_GATEWAY} dev eth0"]
            self.namespace.run("ip", "-batch", "-", text="\n".join(commands))
        return eni


# --- observers -------------------------------------------------------------------------------------------------------------


def peer_seen(client, server, listen, *, dial=None, source=None, timeout_s=3.0):
    """Connect by TCP, and return the client's address as the server sees it; None if there is no connection.

    `listen` is an address of the server. `dial` is an address, or an address and a port, if the client uses another one.
    """
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with server.socket(family, socket.SOCK_STREAM) as listener, client.socket(family, socket.SOCK_STREAM) as caller:
        host, _, port = listen.partition(" ")
        listener.bind((host, int(port or 0)))
        listener.listen(1)
        caller.settimeout(timeout_s)
        if source:
            caller.bind((source, 0))
        dialled = dial if isinstance(dial, tuple) else (dial or host, listener.getsockname()[1])
        listener.settimeout(timeout_s)
        try:
            caller.connect(dialled)
            accepted, peer = listener.accept()
            with accepted:
                accepted.sendall(b"answer")
                return peer[0] if caller.recv(6) == b"answer" else None
        except OSError:
            return None


def send(client, address, count=5, *, source=None, payload=b"a datagram"):
    """Send datagrams that nobody answers."""
    with client.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
        if source:
            sender.bind((source, 0))
        for _ in range(count):
            sender.sendto(payload, (address, 9))


@contextlib.contextmanager
def recorded(eni, wanted=0):
    """Record the frames that the fabric gets from an ENI and sends to it: yields a list, which is filled at the end."""
    frames = []
    with eni.vpc.fabric.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as tap:  # 3: all protocols
        tap.bind((eni.port, 3))
        tap.setblocking(False)  # noqa: FBT003 - its only parameter
        yield frames

        def count():
            with contextlib.suppress(BlockingIOError):
                while True:
                    frames.append(tap.recv(65536))
            return len(frames)

        wait_for(lambda: count() >= wanted)
