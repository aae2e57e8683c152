"""Kill a node while it works, restart it from its journal, and check that nothing acknowledged is lost.

    python examples/restart.py

A child process assigns and unassigns pods, reports each change to its parent, and is killed. The parent restores a node from the journal
and compares it with the reports. Parent and child each have a copy of an EC2 model, with an instance whose ENI has nine addresses.
"""

import os
import signal
import tempfile
from pathlib import Path

from vpcipam import Ec2Model, Node, PodRef, SandboxKey, Settings
from vpcipam.journal.sqlite import SqliteJournal

SECOND = 1_000_000_000


def instance() -> tuple[Ec2Model, str, str]:
    """Make an EC2 model with an instance whose first ENI has all its addresses. Return the model, the subnet and the instance id."""
    ec2 = Ec2Model()
    subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    node = Node("m5.large", Settings(), ec2, subnet_id=subnet.subnet_id)
    node.start(0)
    return ec2, subnet.subnet_id, str(node.instance_id)


def restored_node(ec2: Ec2Model, subnet_id: str, instance_id: str, journal: SqliteJournal, now_ns: int) -> Node:
    """Start a node on the instance from a journal, which may be empty."""
    node = Node("m5.large", Settings(), ec2, subnet_id=subnet_id, instance_id=instance_id, journals=[journal])
    print(f"{now_ns // SECOND:>3} s  {node.restore(now_ns)}", flush=True)
    return node


def work(node: Node, say: int) -> None:
    """Assign pods and unassign some. Report each address: `+` after an assign, `-` after an unassign."""
    for number in range(9):  # as many as there are addresses
        key = SandboxKey("aws-cni", f"c{number}", "eth0")
        assignment = node.assign(key, number * SECOND, PodRef("default", f"web-{number}"))
        os.write(say, f"+{assignment.address}\n".encode())
        if number % 3 == 2:
            assignment = node.unassign(key, number * SECOND)
            os.write(say, f"-{assignment.address}\n".encode())
    signal.pause()


def main() -> None:
    """Kill the child after eight reports, restore, and compare."""
    with tempfile.TemporaryDirectory() as folder:
        path, here = Path(folder) / "ipam.sqlite", instance()
        listen, say = os.pipe()
        child = os.fork()
        if not child:
            work(restored_node(*here, SqliteJournal(path), 0), say)
        os.close(say)
        heard = b""
        while heard.count(b"\n") < 8:
            heard += os.read(listen, 4096)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(listen, 4096):
            heard += more
        os.close(listen)

        held: set[str] = set()
        for word in heard.decode().split():
            (held.add if word[0] == "+" else held.discard)(word[1:])
        with SqliteJournal(path) as journal:
            node = restored_node(*here, journal, 20 * SECOND)
            restored = {assignment.address for datastore in node.datastores for _, assignment in datastore.assignments()}
        print(f"acknowledged before the kill: {', '.join(sorted(held))}")
        print(f"restored:                     {', '.join(sorted(restored))}")
        lost = held - restored
        print("nothing is lost" if not lost else f"LOST: {lost}")


if __name__ == "__main__":
    main()
