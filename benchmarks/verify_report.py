"""Print the cost of verifying a log as a multiple of reading it with `json.loads`: `python benchmarks/verify_report.py [LINES]`."""
# ruff: noqa: T201 - it is a script, it prints

import gc
import io
import json
import random
import resource
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from vpcipam.cli import SELDOM
from vpcipam.contracts import AssignReturned, UnassignReturned
from vpcipam.inspection import LogSource, Verification, event_line, verify
from vpcipam.inspection.log.reader import read_chunks

LINES = 1_000_000
_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_ADD = (
    "Received AddNetwork for NS /var/run/netns/cni-{pod:032x}, Sandbox {pod:064x}, ifname eth0",
    'AddNetworkRequest: K8S_POD_NAME:"web-{pod}" K8S_POD_NAMESPACE:"default" K8S_POD_INFRA_CONTAINER_ID:"{pod:064x}" IfName:"eth0"',
    "AssignPodIPv4Address: IP address pool stats: total 29, assigned {held}",
    "New IP from CIDR pool- {address}",
    "assignPodIPAddressUnsafe: Assign IP {address} to sandbox aws-cni/{pod:064x}/eth0",
    "VPC CIDR 10.0.0.0/16",
    "Send AddNetworkReply: IPv4Addr: {address}, IPv6Addr: , DeviceNumber: 0, err: <nil>",
)
_DEL = (
    "Received DelNetwork for Sandbox {pod:064x}",
    "UnassignPodIPAddress: IP address pool stats: total 29, assigned {held}, sandbox aws-cni/{pod:064x}/eth0",
    "unassignPodIPAddressUnsafe: Unassign IP {address} from sandbox aws-cni/{pod:064x}/eth0",
    "UnassignPodIPAddress: sandbox aws-cni/{pod:064x}/eth0's ipAddr {address}, DeviceNumber 0",
    "Send DelNetworkReply: IPv4Addr: {address}, IPv6Addr: , DeviceNumber: 0, err: <nil>",
)
_LOOP = (
    "IP pool stats: Total IPs/Prefixes = 29/0, AssignedIPs/CooldownIPs: {held}/0, c.maxIPsPerENI = 29",
    "IP stats - total IPs: 29, assigned IPs: {held}, cooldown IPs: 0",
    "Reconciling ENI/IP pool info because time since last 1m0.5s > 1m0s",
    "Reconcile existing ENI eni-0a IP pool",
    "Successfully Reconciled ENI/IP pool",
)


def busy_node(lines: int) -> Iterator[str]:
    """Yield the lines of a node of v1.18 whose pods come and go: a third are adds, a third deletes, a third the control loop."""
    chance = random.Random(1)
    free = [(0, f"10.0.0.{number}") for number in range(10, 39)]
    held: dict[int, str] = {}
    ms = pod = count = 0
    while count < lines:
        ms += chance.randint(500, 2_000)
        dice = chance.random()
        messages, values = _LOOP, {"held": len(held), "address": "", "pod": 0}
        if dice < 0.35 and free[0][0] < ms:
            pod += 1
            address = free.pop(0)[1]
            messages, values = _ADD, {"held": len(held), "address": address, "pod": pod}
            held[pod] = address
        elif dice < 0.7 and len(held) > 10:
            gone = chance.choice([*held])
            messages, values = _DEL, {"held": len(held), "address": held[gone], "pod": gone}
            free.append((ms + 30_001, held.pop(gone)))
        stamp = (_BEGIN + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for message in messages[: lines - count]:
            count += 1
            line = {"level": "info", "ts": stamp, "caller": "ipamd/ipamd.go:713", "msg": message.format(**values)}
            yield json.dumps(line, separators=(",", ":")) + "\n"


def event_lines(lines: int) -> Iterator[str]:
    """Yield the events of an allocator."""
    for number in range(lines):
        round_number, place = divmod(number, 40)
        key, address = f"aws-cni/{place % 20}-{round_number:060x}/eth0", f"10.0.0.{place % 20}"
        now_ns = round_number * 60_000_000_000
        yield event_line(AssignReturned(now_ns, key, address) if place < 20 else UnassignReturned(now_ns, key)) + "\n"


def measure(name: str, data: bytes) -> Verification:
    """Time both in this process, and print the ratio."""
    begin = time.process_time()
    for line in io.BytesIO(data):
        json.loads(line)
    middle = time.process_time()
    found = verify([LogSource(name, read_chunks(io.BytesIO(data)))])
    end = time.process_time()
    print(f"{name:10} {found.sources[0].line_count:9,} lines: {(end - middle) / (middle - begin):4.1f} × reading and json.loads")
    return found


def main(lines: int) -> None:
    """Measure an ipamd.log and a file of events."""
    gc.set_threshold(SELDOM)
    for name, made in (("ipamd.log", busy_node(lines)), ("events", event_lines(lines))):
        data = "".join(made).encode()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found = measure(name, data)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{'':10} the answer is {found.answer.value!r}; the peak of memory grows by {(after - before) // 1024} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else LINES)
