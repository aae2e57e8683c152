"""Write a long file, and measure what reading it takes: memory and CPU time. Give each run a process of its own.

    python benchmarks/long_files.py pods 1024
    python benchmarks/long_files.py enis 1024

The first argument is what the file has, the second its size in MiB.
"""

import argparse
import itertools
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from vpcipam.inspection import read_files

MIB = 1 << 20


def pod(number):
    """A pod object as the API server gives it, with the members that take most of the room."""
    name = f"web-{number:08}"
    environment = [{"name": f"SETTING_{each}", "value": "x" * 40} for each in range(25)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}, "uid": f"{number:032x}"},
        "spec": {
            "containers": [{"name": "main", "image": "registry.example/web:1", "env": environment}],
            "nodeName": f"ip-10-0-0-{number % 5000}.ec2.internal",
        },
        "status": {
            "phase": "Running",
            "podIP": address(number),
            "podIPs": [{"ip": address(number)}],
            "conditions": [{"type": each, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"} for each in "abcd"],
        },
    }


def eni(number):
    """An ENI with 14 secondary IPs, as EC2 gives it."""
    addresses = [address(number * 15 + each) for each in range(15)]
    return {
        "Attachment": {
            "AttachmentId": f"eni-attach-{number:017x}",
            "DeleteOnTermination": True,
            "DeviceIndex": number % 4,
            "InstanceId": f"i-{number // 4:017x}",
            "NetworkCardIndex": 0,
        },
        "AvailabilityZone": "us-east-1a",
        "Description": f"aws-K8S-i-{number // 4:017x}",
        "Groups": [{"GroupId": "sg-0123456789abcdef0", "GroupName": "nodes"}],
        "InterfaceType": "interface",
        "NetworkInterfaceId": f"eni-{number:017x}",
        "PrivateIpAddress": addresses[0],
        "PrivateIpAddresses": [
            {"Primary": each == addresses[0], "PrivateDnsName": f"ip-{each.replace('.', '-')}.ec2.internal", "PrivateIpAddress": each}
            for each in addresses
        ],
        "SourceDestCheck": True,
        "Status": "in-use",
        "SubnetId": f"subnet-{number % 50:017x}",
        "TagSet": [{"Key": "node.k8s.amazonaws.com/instance_id", "Value": f"i-{number // 4:017x}"}],
        "VpcId": "vpc-0123456789abcdef0",
    }


def address(number):
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


KINDS = {"pods": ("items", pod), "enis": ("NetworkInterfaces", eni)}


def write(path, kind, size):
    """Write a file of at least so many bytes; return the number of its items."""
    name, make = KINDS[kind]
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{\n    "apiVersion": "v1",\n    "{name}": [\n')
        for number in itertools.count():
            file.write((",\n" if number else "") + json.dumps(make(number), indent=4))
            if file.tell() >= size:
                break
        file.write('\n    ],\n    "kind": "List"\n}\n')
    return number + 1


def measure(kind, size):
    """Read a file of some size; return the items, the facts, the CPU seconds, the peak of memory in bytes, and the calls of progress."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.json")
        items = write(path, kind, size)
        calls = []
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        begin = time.process_time()
        evidence = read_files([path], progress=lambda done, total: calls.append((done, total)))
        spent = time.process_time() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    facts = sum(len(each) for _, each in evidence.facts())
    return items, facts, spent, peak - before, calls


def main():
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("mib", type=int)
    given = parser.parse_args()
    items, facts, spent, grown, calls = measure(given.kind, given.mib * MIB)
    sys.stdout.write(
        f"{given.mib:,} MiB, {items:,} items: {facts:,} facts, {spent:.0f} s of CPU time ({given.mib / spent:.0f} MiB/s), "
        f"{grown / MIB:,.0f} MiB of memory more ({grown / items:,.0f} bytes an item), {len(calls):,} calls of progress\n"
    )


if __name__ == "__main__":
    main()
