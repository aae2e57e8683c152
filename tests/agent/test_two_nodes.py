"""The example of docs/agent.md, as a reader runs it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import wait_for

SCRIPT = Path(__file__).parents[2] / "examples" / "two_nodes.sh"
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(not (shutil.which("curl") and shutil.which("ping")), reason="curl or ping is not installed"),
]
PROGRAMS = {
    "vpcipam": "-m vpcipam.cli",
    "vpcipam-cni": "-c 'import sys; from vpcipam.agent.cni import main; sys.exit(main())'",
}


@pytest.fixture
def two_nodes(namespaces, tmp_path):
    """Run the script, with the commands of this tree on the path."""
    del namespaces
    for name, arguments in PROGRAMS.items():
        (tmp_path / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (tmp_path / name).chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(SCRIPT.parents[1] / "src"),
        "FOLDER": str(tmp_path / "state"),
        "PREFIX": f"vp{os.getpid()}",
    }

    def run(*arguments, check=True):
        out = tmp_path / "out"
        with out.open("w") as file:  # not a pipe, which the agents would keep open
            done = subprocess.run([SCRIPT, *arguments], env=environment, stdout=file, stderr=file, check=False, timeout=120)  # noqa: S603 - our own script
        assert not check or done.returncode == 0, out.read_text()
        return out.read_text()

    run.pids = tmp_path / "state" / "pids"
    yield run
    run("down")


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_pods_of_two_nodes_reach_each_other(two_nodes):
    two_nodes("up")
    addresses = [json.loads(two_nodes("add", node, pod))["ips"][0]["address"] for node, pod in (("1", "web"), ("2", "Db_1"))]
    for pod, address in zip(("Db_1", "web"), addresses, strict=True):
        two_nodes("exec", pod, "ping", "-c1", "-W2", address.removesuffix("/32"))
    two_nodes("delete", "1", "web")
    assert "eni" not in two_nodes("exec", "node-1", "ip", "link")
    pids = two_nodes.pids.read_text().split()
    assert [is_running(pid) for pid in pids] == [True] * 3
    assert "up already" in two_nodes("up", check=False)
    two_nodes("down")
    wait_for(lambda: not any(map(is_running, pids)))


def test_a_node_that_does_not_start_says_why(two_nodes, tmp_path):
    (tmp_path / "vpcipam").write_text("#!/bin/sh\necho 'a package is missing' >&2\nexit 1\n")
    assert "a package is missing" in two_nodes("up", check=False)


def test_a_wrong_command_shows_the_commands(two_nodes):
    assert "two_nodes.sh podman NODE ARG" in two_nodes("help", check=False)
