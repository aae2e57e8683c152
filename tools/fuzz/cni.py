"""The CNI plugin and the agent: calls from any runtime, and requests from whoever reaches the socket."""

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fuzz.target import Target, folder, require, text_of
from vpcipam import Ec2Model, Node, Settings
from vpcipam.agent import cni, wire
from vpcipam.agent.agent import Agent
from vpcipam.agent.wiring import PodInterface
from vpcipam.datapath.values import Readable
from vpcipam.ec2.api import NetworkInterface, Subnet
from vpcipam.journal.protocol import MemoryJournal
from vpcipam.sandbox import PodRef, SandboxKey
from vpcipam.stats import Assignment

_MOST_CALLS = 6
_MOST_LINES = 5
_VARIABLES = ("CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_ARGS")


class _NoKernel:
    """A `Wiring` that remembers who is connected."""

    def __init__(self) -> None:
        self.addresses: set[str] = set()

    def set_up(self, enis: Iterable[NetworkInterface], _subnets: Mapping[str, Subnet], _vpc_cidrs: tuple[str, ...]) -> frozenset[str]:
        return frozenset(eni.eni_id for eni in enis)

    def connect(self, key: SandboxKey, _pod: PodRef | None, assignments: tuple[Assignment, ...], _netns: str) -> tuple[PodInterface, ...]:
        self.addresses.update(each.address for each in assignments)
        return tuple(
            PodInterface(each.address, "eni0", "02:00:00:00:00:01", key.if_name, "02:00:00:00:00:02", 9001) for each in assignments
        )

    def disconnect(self, _key: SandboxKey, _pod: PodRef | None, addresses: tuple[str, ...]) -> None:
        self.addresses.difference_update(addresses)

    def check(self, _key: SandboxKey, _pod: PodRef | None, assignments: tuple[Assignment, ...], _netns: str) -> tuple[str, ...]:
        return tuple(each.address for each in assignments if each.address not in self.addresses)

    def look(self) -> frozenset[Readable]:
        return frozenset()

    def is_connected(self, _key: SandboxKey, _standing: frozenset[Readable]) -> bool:
        return True

    def repair(self, _key: SandboxKey, _pod: PodRef | None, _assignments: tuple[Assignment, ...], _standing: frozenset[Readable]) -> None:
        return

    def sweep(self, held: Callable[[], frozenset[str]]) -> None:
        self.addresses &= held()


def _agent(wiring: _NoKernel) -> Agent:
    ec2 = Ec2Model()
    subnet = ec2.create_subnet(ec2.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    instance = ec2.launch_instance("t3.small", subnet.subnet_id, now_ns=0)
    node = Node("t3.small", Settings(), ec2, subnet_id=subnet.subnet_id, instance_id=instance.instance_id, journals=[MemoryJournal()])
    agent = Agent(node, ec2, wiring, folder=str(folder()), vpc_cidrs=lambda: ("10.0.0.0/16",), log=lambda _: None)
    agent.start(0)
    return agent


def call_plugin(data: bytes) -> None:
    """Make calls, divided by NUL bytes: four lines are variables, and the rest is stdin."""
    wiring = _NoKernel()
    agent = _agent(wiring)

    def ask(_folder: str, request: Mapping[str, Any], **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as `wire.ask`
        asked = wire.decode(wire.encode({"protocol": wire.PROTOCOL, **request}))
        return wire.decode(wire.encode(agent.answer(asked, os.devnull if "netns" in options else None, 0)))

    for call in data.split(b"\0")[:_MOST_CALLS]:
        *lines, stdin = call.split(b"\n", _MOST_LINES - 1)
        variables = dict(zip(_VARIABLES, map(text_of, lines), strict=False))
        _check_call({"CNI_PATH": "/", "CNI_NETNS": os.devnull, "CNI_COMMAND": "ADD", **variables}, stdin, ask)
        _check_agent(agent, wiring)


def _check_call(environment: Mapping[str, str], stdin: bytes, ask: cni.Ask) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        out, code = cni.run(environment, lambda: stdin, ask)
    require(code in {0, 1}, f"the exit code is {code}")
    document: dict[str, Any] = json.loads(out) if out else {}
    if code:
        require({*document} == {"cniVersion", "code", "msg", "details"}, f"an error is {out!r}")
        require(isinstance(document["code"], int) and document["code"] > 0 and document["msg"], f"an error is {out!r}")
    elif environment["CNI_COMMAND"] == "ADD":
        require(document.get("ips") and document.get("interfaces"), "a result without an address")


def _check_agent(agent: Agent, wiring: _NoKernel) -> None:
    held = [assignment.address for _, assignment in agent.node.datastores[0].assignments()]
    require(len({*held}) == len(held), "two sandboxes hold an address")
    require(wiring.addresses == {*held}, "the kernel and the journal differ")


def ask_agent(data: bytes) -> None:
    """Send requests to an agent, a line each."""
    wiring = _NoKernel()
    agent = _agent(wiring)
    for line in data.split(b"\n")[:_MOST_CALLS]:
        try:
            request = wire.decode(line)
        except wire.MessageError:
            continue
        answer = agent.answer({"protocol": wire.PROTOCOL, **request}, os.devnull, 0)
        wire.encode(answer)
        _check_agent(agent, wiring)


_WORDS = (
    *(
        "ADD",
        "DEL",
        "CHECK",
        "GC",
        "STATUS",
        "VERSION",
        '{"cniVersion": "1.1.0", "name": "pods"',
        '"prevResult": {"ips": [{"address": "10.0.1.5/32"}]}',
    ),
    *(
        '"cni.dev/valid-attachments": [{"containerID": "c1", "ifname": "eth0"}]',
        "K8S_POD_NAME=web-0;",
        "IgnoreUnknown=1",
        "runtimeConfig",
        "\n",
    ),
    *('{"verb": "ADD", "key": ["pods", "c1", "eth0"], "pod": ["default", "web-0"], "every_card": false}', '"valid": [["c1", "eth0"]]'),
)
TARGETS = (Target("cni", call_plugin, _WORDS, longest=1_024), Target("agent", ask_agent, _WORDS, longest=1_024))
