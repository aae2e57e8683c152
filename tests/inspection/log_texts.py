"""Logs of our own, in the shape of each release."""

import json
import re
from datetime import UTC, datetime, timedelta

from vpcipam.inspection.log import WORDINGS

START = datetime(2025, 1, 1, tzinfo=UTC)
VALUES = {
    **dict.fromkeys(("ip", "ip4", "v4", "ipv4"), "10.0.0.5"),
    **dict.fromkeys(("ip6", "v6", "ipv6"), "2001:db8::5"),
    "eni": "eni-0a",
    "cidr": "10.0.0.0/28",
    "key": "aws-cni/c1/eth0",
    "pod": "web-1",
    "ns": "default",
    "container": "c1",
    "err": "some: error",
    "duration": "30s",
    "version": "v1.2.3",
    "bool": "true",
    "cidrs": "[10.0.0.0/28]",
    "type": "m5.large",
}


def text_of(wording, **values):
    """Fill in a wording."""
    return re.sub(r"\{(\w+)\}", lambda field: str(values.get(field[1], VALUES.get(field[1], "7"))), wording.template)


def wording_of(kind, release, number=0, beginning=""):
    """The wording of a kind that a release writes."""
    found = [
        wording
        for wording in WORDINGS
        if wording.kind == kind
        and wording.template.startswith(beginning)
        and any(first <= release <= last for first, last in wording.spans)
    ]
    return found[number]


class LogWriter:
    """Writes lines as a release does."""

    def __init__(self, release=(1, 18, 0)):
        self.release = release
        self.lines = []
        self.ms = 0

    def wait(self, ms):
        self.ms += ms

    def idle(self, ms=60_000):
        """Time passes, and lines are written that say little."""
        for _ in range(30):
            self.raw("VPC CIDR 10.0.0.0/16", "debug")
        self.wait(ms)

    @property
    def time(self):
        moment = START + timedelta(milliseconds=self.ms)
        return moment.isoformat(timespec="seconds" if self.release < (1, 5, 1) else "milliseconds").replace("+00:00", "Z")

    def raw(self, message, level="info"):
        if self.release > (1, 6, 0):
            line = {"level": level, "ts": self.time, "caller": "ipamd/ipamd.go:1", "msg": message}
            self.lines.append(json.dumps(line, separators=(",", ":")))
        else:
            blank = " " if self.release < (1, 5, 0) else "\t" if self.release < (1, 6, 0) else " \t"
            self.lines.append(f"{self.time} [{level.upper()}]{blank}{message}")

    def write(self, kind, *, beginning="", **values):
        self.raw(text_of(wording_of(kind, self.release, beginning=beginning), **values))

    def start(self, cidrs=(), restored=None, instance_type="m5.large"):
        """A start of the daemon, until it works."""
        self.write("start", version="v" + ".".join(map(str, self.release)))
        self.write("instance", beginning="Found instance-type", type=instance_type)
        for cidr in cidrs:
            self.write("cidr-added", eni="eni-0a", ip=cidr.removesuffix("/32"), cidr=cidr)
        for container, address in (restored or {}).items():
            self.assign(container, address)
        self.write("recovery-done") if self.release >= (1, 7, 0) else self.write("del-received", ip="")

    def names(self, container):
        return {"key": f"aws-cni/{container}/eth0", "container": container, "pod": f"pod-{container}"}

    def assign(self, container, address):
        self.write("assigned", ip=address, metadata="{K8SPodNamespace:a K8SPodName:b InterfacesCount:1}", **self.names(container))

    def unassign(self, container, address):
        if self.release >= (1, 7, 0):
            self.write("cleared", ip=address, **self.names(container))
        self.write("unassigned", ip=address, device=0, **self.names(container))

    @property
    def data(self):
        return "".join(line + "\n" for line in self.lines).encode()


# --- troubles -------------------------------------------------------------------------------------------------------------

NO_ADDRESS = "DataStore has no available IP/Prefix addresses"
CORDONED = "AWS CNI is on a non schedulable node, will not try to attach any new IPs or ENIs right now"
NO_ROOM = "Skipping ENI allocation as the max ENI limit is already reached"
COOLING = "IP stats for Network Card 0 - total IPs: 18, assigned IPs: 16, cooldown IPs: 2"
CHECKPOINT = "Unable to update backing store: no space left"


def refused(code, message="x"):
    return f"Failed to allocate a private IP/Prefix addresses on ENI eni-1: {code}: {message}\n\tstatus code: 400, request id: 7"


TROUBLES = {
    "log-no-address": (NO_ADDRESS,),
    "log-ec2-refused": (refused("UnauthorizedOperation"),),
    "log-all-free-cool": (COOLING,),
    "log-no-eni-room": (NO_ROOM,),
    "log-node-cordoned": (CORDONED,),
    "log-no-trunk-slot": ("No slot available for a trunk ENI to be attached.",),
    "log-no-trunk": ("Send AddNetworkReply: No trunk ENI found, cannot add a pod ENI",),
    "log-no-branch-eni": ("Send AddNetworkReply: failed to get Branch ENI resource",),
    "log-start-failed": ("Initialization failure: ipamd init: failed to retrieve attached ENIs info",),
    "log-no-checkpoint": ("backing store restore returned err open /var/run/aws-node/ipam.json: no such file or directory",),
    "log-unknown-sandbox": ("UnassignPodIPAddress: Failed to find sandbox aws-cni/c1/eth0",),
    "log-checkpoint-failed": (CHECKPOINT,),
    "log-leaked-enis": ("Found 3 leaked ENIs with the AWS CNI tag.",),
    "log-leaked-eni-stays": ("Failed to clean up leaked ENI eni-1: no permission",),
    "log-primary-in-pool": ("Reconcile existing ENI eni-1 IP pool", "Adding ENI(eni-1)'s IPv4 address 10.0.0.5 to datastore"),
    "log-pods-forgotten": (
        "getLocalPodsWithRetry() found 0 local pods",
        "Add/Update for Pod web-1 on my node, namespace = a, IP = 10.0.0.5",
    ),
}
"""The lines by which each rule about logs knows its trouble."""


# --- plugin.log -----------------------------------------------------------------------------------------------------------


class PluginWriter(LogWriter):
    """Writes the lines of plugin.log as a release does."""

    def reply(self, *addresses, branch=False):
        """What ipamd answers, as its reply is printed."""
        if self.release >= (1, 20, 0):
            listed = "  ".join(f'IPAddress:{{IPv4Addr:"{address}"  RouteTableId:254}}' for address in addresses)
        else:
            listed = "  ".join(f'IPv{6 if ":" in address else 4}Addr:"{address}"' for address in addresses)
        return f"Success:true  {listed}" + ("  PodVlanId:7" if branch else "") + '  VPCv4CIDRs:"10.0.0.0/16"'

    def ask(self, kind, container):
        args = f"K8S_POD_NAMESPACE=default;K8S_POD_NAME=pod-{container}"
        self.write(f"plugin-{kind}", container=container, netns="/proc/7/ns/net", ifname="eth0", args=args, path="/opt/cni/bin", json="{}")

    def answer(self, kind, container, *addresses, **options):
        proto = self.reply(*addresses, **options)
        self.write(f"plugin-{kind}-answered", **self.names(container), ip=addresses[0], ifname="eth0", proto=proto)

    def add(self, container, *addresses):
        self.ask("add", container)
        self.answer("add", container, *addresses)

    def delete(self, container, *addresses):
        self.ask("del", container)
        if self.release >= (1, 7, 0):
            self.answer("del", container, *addresses)
