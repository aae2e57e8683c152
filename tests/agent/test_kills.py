"""SIGKILL for the agent: between journal, kernel and answer, at each step in turn; and at random among 200 changes in real namespaces."""

import contextlib
import itertools
import json
import random
import threading
import time
from pathlib import Path

import pytest
from forked_agent import ForkedAgent
from nodes_to_run import QUIET, Account

from vpcipam.agent import cni
from vpcipam.agent.notes import leave_note, notes
from vpcipam.journal.sqlite import SqliteJournal

pytestmark = pytest.mark.thorough


class Killed:
    """A node whose agents are killed. The EC2 stays as it is."""

    def __init__(self, folder, make_wiring=None):
        folder.mkdir()
        self.account = Account(folder, addresses=3, settings=QUIET | {"IP_COOLDOWN_PERIOD": "0"})
        Path(self.account.state).mkdir()
        self.make_wiring = make_wiring or self.account.kernel
        self.agent = None

    def start(self, **options):
        self.agent = ForkedAgent(self.account, self.make_wiring, **options)
        return self.agent

    def call(self, verb, container, netns=None):
        """Call the plugin, and return the exit code and what it printed."""
        config = {"cniVersion": "1.1.0", "name": "pods", "stateFolder": self.account.state}
        environment = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": netns or self.account.netns(container),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": "/opt/cni/bin",
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={container}",
        }
        out, code = cni.run(environment, lambda: json.dumps(config).encode())
        return code, json.loads(out) if out else None

    def held(self):
        """What the journal has, by container. No agent may run."""
        with contextlib.closing(SqliteJournal(f"{self.account.state}/card-0.journal")) as journal:
            return {entry.key.container_id: entry.address for entry in journal.restore(time.time_ns()).assigned}

    def check_consistent(self):
        """Check that the journal and the kernel have the same sandboxes, and nobody an address twice."""
        held, kernel = self.held(), self.account.kernel()
        assert sorted(held.values()) == sorted(kernel.routes) == sorted({*held.values()})
        assert len(kernel.links) == len(held)
        return held


@pytest.fixture
def killed(tmp_path, record_property):
    """Make nodes whose agents are killed, and count the kills."""
    made = []
    before = ForkedAgent.kill_count

    def make(*args):
        made.append(Killed(tmp_path / str(len(made)), *args))
        return made[-1]

    yield make
    for each in made:
        if each.agent is not None:
            each.agent.kill()
    record_property("kills", ForkedAgent.kill_count - before)


@pytest.mark.parametrize("then", ["DEL", "ADD"])
def test_a_kill_during_an_add(killed, then):
    """The runtime sees a failure and deletes. Or, against the specification, it adds again."""
    for kill_at in itertools.count(1):
        node = killed()
        node.start(kill_at=kill_at)
        code, answer = node.call("ADD", "c1")
        if node.agent.is_alive:
            assert code == 0
            break
        assert (code, answer["code"]) == (1, cni.TRY_AGAIN)
        assert node.start().answers
        assert node.call(then, "c1")[0] == 0
        assert node.call("ADD", "c2")[0] == 0
        node.agent.kill()
        assert sorted(node.check_consistent()) == (["c2"] if then == "DEL" else ["c1", "c2"])
    assert kill_at > 8, "too few steps: are they counted?"


def test_a_kill_during_a_deletion(killed):
    """The deletion succeeds all the same, because the plugin leaves a note."""
    for kill_at in itertools.count(1):
        node = killed()
        node.start()
        assert [node.call("ADD", each)[0] for each in ("c1", "c2")] == [0, 0]
        node.agent.kill()
        node.start(kill_at=kill_at)
        assert node.call("DEL", "c1") == (0, None)
        survived = node.agent.is_alive
        assert bool([*notes(node.account.state)]) == (not survived)
        node.agent.kill()
        node.start()
        assert [*notes(node.account.state)] == []
        assert node.call("DEL", "c1") == (0, None)
        node.agent.kill()
        assert [*node.check_consistent()] == ["c2"]
        if survived:
            break
    assert kill_at > 6, "too few steps: are they counted?"


def test_a_kill_during_a_start(killed):
    """The start drops a sandbox whose namespace is gone, repairs another and carries out a note."""
    for kill_at in itertools.count(1):
        node = killed()
        node.start()
        assert [node.call("ADD", each)[0] for each in ("gone", "noted", "kept")] == [0, 0, 0]
        node.agent.kill()
        kernel = node.account.kernel()
        kernel.delete_namespace(node.account.netns("gone"))
        kernel._drop("routes", node.held()["kept"])
        leave_note(node.account.state, ("pods", "noted", "eth0"))
        survived = node.start(kill_at=kill_at, from_start=True).answers
        if not survived:
            assert node.start().answers
        node.agent.kill()
        assert [*node.check_consistent()] == ["kept"]
        assert [*notes(node.account.state)] == []
        if survived:
            break
    assert kill_at > 8, "too few steps: are they counted?"


# --- at random -----------------------------------------------------------------------------------------------------------


def churn(node, chance, *, pods, kill, check):
    """Change sandboxes 200 times at random while agents are killed. As a runtime does, delete whatever failed to be added.

    Args:
        node: a `Killed`.
        pods: makes the namespace of a container, and returns its path.
        kill: called before each change; may kill the agent, at once or later.
        check: called after each change with the addresses by container.
    """
    alive = {}
    numbers = itertools.count()
    for _ in range(200):
        if not node.agent.is_alive:
            node.start()
        timer = kill()
        if alive and (len(alive) == 3 or chance.random() < 0.5):
            container = chance.choice(sorted(alive))
            del alive[container]
            assert node.call("DEL", container) == (0, None)
        else:
            container = f"c{next(numbers)}"
            code, answer = node.call("ADD", container, pods(container))
            if code == 0:
                alive[container] = answer["ips"][0]["address"].removesuffix("/32")
            else:
                assert answer["code"] == cni.TRY_AGAIN, answer
                assert node.call("DEL", container) == (0, None)
        if timer is not None:
            timer.join()
        assert len({*alive.values()}) == len(alive), "an address is held twice"
        check(alive)
    if not node.agent.is_alive:
        node.start()
    return alive


def test_200_changes_with_kills_at_random(killed):
    chance = random.Random(19)
    node = killed()
    node.start()

    def kill():
        if chance.random() < 0.2:
            node.agent.kill()
            if chance.random() < 0.7:
                node.start(kill_at=chance.randrange(1, 30), from_start=chance.random() < 0.3)

    alive = churn(node, chance, pods=node.account.netns, kill=kill, check=lambda _: None)
    node.agent.kill()
    node.start()
    node.agent.kill()
    assert node.check_consistent() == alive


def test_200_changes_in_namespaces(killed, vpc, namespaces):
    """No address is doubled, none lost, and nothing is left."""
    from hypervisor import Hypervisor  # noqa: PLC0415 - it needs pyroute2

    from vpcipam.agent.kernel import KernelWiring  # noqa: PLC0415 - likewise
    from vpcipam.ec2.boto import BotoEc2  # noqa: PLC0415 - likewise
    from vpcipam.ec2.fake import fake_client  # noqa: PLC0415 - likewise

    chance = random.Random(200)
    node = killed(lambda _: KernelWiring(node.account.settings, nftables=True, log=lambda _: None, host=host.path))
    node.account.ec2 = BotoEc2(fake_client("ec2", node.account.ec2))
    host = Hypervisor(vpc, node.account.ec2).boot(node.account.instance.instance_id, "one")
    node.start()
    before = (
        host.run("ip", "rule"),
        host.run("ip", "route", "show", "table", "all", "type", "unicast"),
        host.run("iptables-save", "-t", "nat"),
    )
    open_pods = {}

    def pod(container):
        open_pods[container] = namespaces.Namespace(container)
        return open_pods[container].path

    def kill():
        if chance.random() < 0.15:
            timer = threading.Timer(chance.uniform(0, 0.04), node.agent.kill)
            timer.start()
            return timer
        return None

    def close_dead(alive):
        for container in {*open_pods} - {*alive}:
            open_pods.pop(container).close()

    try:
        alive = churn(node, chance, pods=pod, kill=kill, check=close_dead)
        addresses = {line.split()[0] for line in host.run("ip", "route", "show", "table", "main").splitlines() if " eni" in line}
        assert addresses == {*alive.values()}
        for container in alive:
            assert node.call("DEL", container) == (0, None)
        node.agent.kill()
        assert node.held() == {}
        after = (
            host.run("ip", "rule"),
            host.run("ip", "route", "show", "table", "all", "type", "unicast"),
            host.run("iptables-save", "-t", "nat"),
        )
        assert _without_comments(after) == _without_comments(before)
        assert " eni" not in host.run("ip", "link")
    finally:
        for each in open_pods.values():
            each.close()


def _without_comments(texts):
    return [[line for line in text.splitlines() if line[:1] not in "#:"] for text in texts]
