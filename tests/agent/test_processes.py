"""Agents and the plugin as processes, on two nodes whose EC2 is served over HTTP."""

import json
import urllib.request
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "agent.json").read_text())


@pytest.fixture
def served(vpc, tmp_path):
    """A world of two nodes without agents."""
    from served_world import ServedWorld  # noqa: PLC0415 - it needs pyroute2

    with ServedWorld(vpc, tmp_path) as world:
        yield world


@pytest.mark.thorough
def test_two_nodes_share_an_ec2(served, namespaces):
    ends = []
    for node in served.nodes:
        document = node.start()
        Draft202012Validator(SCHEMA).validate(document)
        pod = served.vpc.namespace("pod")
        result, code = node.call("ADD", f"pod-on-{node.name}", pod)
        assert code == 0, result
        ends.append((pod, result["ips"][0]["address"].removesuffix("/32")))
        enis = node.namespace.call(lambda url=document["url"]: urllib.request.urlopen(f"{url}/v1/enis", timeout=10).read())  # noqa: S310 - http
        assert json.loads(enis)["0"]["AssignedIPs"] == 1
    for (client, source), (server, address) in (ends, ends[::-1]):
        assert namespaces.peer_seen(client, server, address) == source
    first = served.nodes[0]
    assert first.call("STATUS", "any") == (None, 0)
    assert first.end() == 0
    assert "Traceback" not in first.log
    document, code = first.call("STATUS", "any")
    assert (document["code"], code) == (50, 1)
    assert namespaces.peer_seen(*(ends[0][0], *ends[1])) == ends[0][1]  # pods go on without an agent
    assert first.call("DEL", f"pod-on-{first.name}") == (None, 0)
    first.start()
    assert "was deleted while no agent answered" in first.log
    assert first.call("GC", "any", **{"cni.dev/valid-attachments": []}) == (None, 0)
    assert [name for name in first.namespace.run("ls", "/sys/class/net").split() if name.startswith("eni")] == []
