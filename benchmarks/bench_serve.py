"""`vpcipam serve` beside moto's server: the same client makes the same calls, in turns.

    python benchmarks/bench_serve.py

The ordinary test suite runs it with few calls, and compares nothing but what the calls come to: their speed is for a quiet machine.
"""

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

SOURCE = Path(__file__).parents[1] / "src"
CREDENTIALS = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "any")
ROUNDS = 15
ENIS = 20


@contextlib.contextmanager
def started(*words, ready):
    """A server in a process of its own; `ready` returns its URL, or None while it starts."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen([sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 - our own words
    try:
        end_s = time.monotonic() + 120
        while (url := ready()) is None:
            assert process.poll() is None, f"{words} has ended"
            assert time.monotonic() < end_s
            time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextlib.contextmanager
def ours():
    """`vpcipam serve`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "url"

        def read():
            return file.read_text().strip() if file.exists() else None

        with started("-m", "vpcipam.cli", "serve", "--port", "0", "--ready-file", str(file), ready=read) as url:
            yield url


@contextlib.contextmanager
def motos():
    """The server of moto."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"

    def answers():
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5):  # noqa: S310 - our own URL
            return url
        return None

    with started("-m", "moto.server", "-p", str(port), ready=answers) as found:
        yield found


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


class Side:
    """One client and its subnet."""

    def __init__(self, url):
        config = Config(retries={"mode": "standard", "total_max_attempts": 1})
        self.client = boto3.client("ec2", endpoint_url=url, region_name="us-east-1", config=config, **CREDENTIALS)
        vpc_id = self.client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnet_id = self.client.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/20")["Subnet"]["SubnetId"]

    def calls(self, enis):
        """Make four calls for each ENI; return the calls per second, and how many addresses the ENIs had."""
        begin_s = time.perf_counter()
        count = 0
        for _ in range(enis):
            made = self.client.create_network_interface(SubnetId=self.subnet_id)["NetworkInterface"]
            eni_id = made["NetworkInterfaceId"]
            self.client.assign_private_ip_addresses(NetworkInterfaceId=eni_id, SecondaryPrivateIpAddressCount=3)
            (shown,) = self.client.describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"]
            count += len(shown["PrivateIpAddresses"])
            self.client.delete_network_interface(NetworkInterfaceId=eni_id)
        return 4 * enis / (time.perf_counter() - begin_s), count


def compare(rounds, enis):
    """Return the calls per second of both, in each round."""
    with ours() as our_url, motos() as moto_url:
        one, other = Side(our_url), Side(moto_url)
        found = []
        for _ in range(rounds):
            (mine, count), (theirs, same) = one.calls(enis), other.calls(enis)
            assert count == same == 4 * enis
            found.append((mine, theirs))
        one.client.close()
        other.client.close()
        return found


@pytest.mark.thorough
def test_both_servers_answer_alike():
    pytest.importorskip("flask", reason="moto's server needs flask and flask-cors")
    assert len(compare(1, 2)) == 1


def main():
    """Print the medians, and the ratio of each round."""
    found = compare(ROUNDS, ENIS)
    mine, theirs = (statistics.median(each) for each in zip(*found, strict=True))
    ratios = sorted(one / other for one, other in found)
    print(f"calls per second, one client, median of {ROUNDS} rounds: vpcipam serve {mine:.0f}, moto {theirs:.0f}")  # noqa: T201 - the report
    print(f"ratio: median {statistics.median(ratios):.2f}, lowest {ratios[0]:.2f}, highest {ratios[-1]:.2f}")  # noqa: T201 - the report
    return 0 if statistics.median(ratios) >= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
