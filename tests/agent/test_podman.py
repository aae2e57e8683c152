"""A container runtime of other people: podman with its CNI back end, on two nodes whose agents share one EC2.

`.ci/run` installs it, and sets VPCIPAM_PODMAN where there can be namespaces. Without it these tests are skipped.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

WANTED = os.environ.get("VPCIPAM_PODMAN") == "1"
LAST_WITH_CNI = 4  # the major version
PROGRAMS = ("podman", "runc", "busybox", "nsenter")
pytestmark = pytest.mark.thorough
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")  # the default ones need CAP_SYS_RESOURCE


class Podman:
    """podman on one node: its store is its own, and its network is the node's agent."""

    def __init__(self, node, rootfs):
        self.node = node
        self.rootfs = rootfs
        self.folder = node.folder / "podman"
        for name in ("bin", "net.d"):
            (self.folder / name).mkdir(parents=True)
        conflist = {
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [{"type": "vpcipam-cni", "stateFolder": str(node.state)}],
        }
        (self.folder / "net.d" / "10-pods.conflist").write_text(json.dumps(conflist))
        shutil.copy(node.plugin, self.folder / "bin")
        (self.folder / "containers.conf").write_text(
            f'[network]\nnetwork_backend = "cni"\ncni_plugin_dirs = ["{self.folder}/bin"]\nnetwork_config_dir = "{self.folder}/net.d"\n'
            'default_network = "pods"\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
        )

    def attempt(self, *arguments):
        # nsenter, since `ip netns exec` hides /sys/fs/cgroup, which runc needs.
        command = ["nsenter", f"--net={self.node.namespace.path}", "podman", "--root", f"{self.folder}/root"]
        command += [
            "--runroot",
            f"{self.folder}/run",
            "--tmpdir",
            f"{self.folder}/temporary",
            "--storage-driver",
            "vfs",
            "--runtime",
            "runc",
        ]
        environment = os.environ | {"CONTAINERS_CONF": f"{self.folder}/containers.conf"}
        return subprocess.run(  # noqa: S603 - our own command
            [*command, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    def __call__(self, *arguments):
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"{done.stderr}\n{self.node.log}"
        return done.stdout.strip()

    def running(self, name, *options):
        return "run", "--name", name, "--network", "pods", *LIMITS, *options, "--rootfs", str(self.rootfs), "/bin/sh", "-c"

    def run(self, name, script, *options):
        return self(*self.running(name, *options), script)

    def address(self, name):
        networks = json.loads(self("inspect", name))[0]["NetworkSettings"]["Networks"]
        return networks["pods"]["IPAddress"]


@pytest.fixture
def folder():
    """A folder with a short path: podman refuses those of more than 50 characters."""
    with tempfile.TemporaryDirectory(prefix="vpcipam-") as made:
        yield Path(made)


@pytest.fixture
def podmen(vpc, folder):
    """podman on each of two nodes with agents."""
    if not WANTED:
        pytest.skip("VPCIPAM_PODMAN is not set: podman was NOT tried")
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    assert not lacking, f"not installed: {', '.join(lacking)} (apt install podman runc busybox-static)"
    version = subprocess.run(["podman", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]  # noqa: S607 - the one on the path
    if int(version.partition(".")[0]) > LAST_WITH_CNI:
        pytest.skip(f"podman {version} has no CNI back end: podman was NOT tried")
    from served_world import ServedWorld  # noqa: PLC0415 - it needs pyroute2

    rootfs = folder / "rootfs"
    for name in ("bin", "proc", "sys", "dev", "etc"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), rootfs / "bin" / "busybox")
    for name in ("sh", "nc", "ping", "sleep", "ip"):
        (rootfs / "bin" / name).symlink_to("busybox")
    with ServedWorld(vpc, folder) as world:
        made = []
        for node in world.nodes:
            node.start()
            made.append(Podman(node, rootfs))
        try:
            yield made
        finally:
            for each in made:
                each.attempt("rm", "--all", "--force", "--time", "0")


def host_state(node):
    return node.namespace.run("ip", "rule"), node.namespace.run("ip", "route", "show", "table", "all")


def test_containers_talk_across_nodes_and_leave_nothing(podmen, namespaces):
    one, two = podmen
    before = [host_state(each.node) for each in podmen]
    two.run("server", "while :; do echo hello | nc -l -p 8080; done", "--detach")
    server = two.address("server")
    assert one.run("client", f"timeout 5 nc {server} 8080 </dev/null", "--rm") == "hello"
    assert one.run("outside", f"ping -c1 -W2 {namespaces.OUTSIDE} >/dev/null && echo reached", "--rm") == "reached"
    two.node.kill()
    assert one.run("client", f"timeout 5 nc {server} 8080 </dev/null", "--rm") == "hello"  # pods go on without an agent
    two("rm", "--force", "--time", "0", "server")  # podman sends DEL to a plugin without an agent
    two.node.start()
    for each, state in zip(podmen, before, strict=True):
        assert host_state(each.node) == state
    assert [eni.dropped_count for eni in one.node.world.hypervisor.enis.values()] == [0] * len(one.node.world.hypervisor.enis)


def test_a_container_can_be_disconnected_and_connected_again(podmen):
    """Its namespace stays, and DEL must remove the interface from it."""
    one, two = podmen
    two.run("server", "while :; do echo hello | nc -l -p 8080; done", "--detach")
    server = two.address("server")
    one.run("client", "sleep 100", "--detach")
    one("network", "disconnect", "pods", "client")
    assert "eth0" not in one("exec", "client", "ip", "link")
    one("network", "connect", "pods", "client")
    assert one("exec", "client", "sh", "-c", f"timeout 5 nc {server} 8080 </dev/null") == "hello"


def test_without_an_agent_a_container_does_not_start(podmen):
    one, _ = podmen
    one.node.kill()
    refused = one.attempt(*one.running("early"), "true")
    assert refused.returncode != 0
    assert "no agent answers" in refused.stderr
