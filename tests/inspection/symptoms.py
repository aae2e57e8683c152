"""Small clusters of ours in trouble, as the files of examples/symptoms. `python tests/inspection/symptoms.py` writes them anew."""

import json
import shutil
import sys
from pathlib import Path

from clusters import Cluster, documents
from log_texts import LogWriter

from vpcipam.node.interfaces import CREATED_TAG, DESCRIPTION_PREFIX, INSTANCE_TAG

FOLDER = Path(__file__).parents[2] / "examples" / "symptoms"


def failed_to_assign():
    """A node whose kubelet takes more pods than it has addresses for."""
    cluster = Cluster.make("t3.small", variables={"MAX_ENI": "2"})
    cluster.fill(cluster.nodes[0])
    return cluster


def no_cidr_blocks():
    """A node with prefixes in a subnet in which each /28 has a single address."""
    cluster = Cluster.make(variables={"ENABLE_PREFIX_DELEGATION": "true"}, cidr="10.0.0.0/26")
    for block in (16, 32, 48):
        cluster.model.create_network_interface(subnet_id=cluster.subnet_id, private_ip=f"10.0.0.{block + 5}", now_ns=cluster.now_ns)
    node = cluster.add("m5.large")
    for _ in range(3):
        cluster.pod(node)
    cluster.wait(30)
    return cluster


def subnet_full():
    """Three nodes that need more addresses than their subnet has."""
    cluster = Cluster.make("t3.medium", "t3.medium", "t3.medium", cidr="10.0.0.0/27")
    for node in cluster.nodes:
        cluster.fill(node, leave=7)
    return cluster


def few_pods():
    """Nodes that keep a spare ENI each, and run a pod each."""
    cluster = Cluster.make(*["m5.large"] * 10, cidr="10.0.0.0/24")
    for node in cluster.nodes:
        cluster.pod(node)
    cluster.wait(30)
    return cluster


def leaked_enis():
    """A node, and ENIs of two nodes that are gone."""
    cluster = Cluster.make("t3.small", cidr="10.0.0.0/26")
    for number in (1, 2):
        owner = f"i-0abc{number:013}"
        tags = {CREATED_TAG: "2023-11-14T20:00:00Z", INSTANCE_TAG: owner}
        for _ in range(2):
            cluster.model.create_network_interface(
                subnet_id=cluster.subnet_id,
                description=f"{DESCRIPTION_PREFIX}{owner}",
                secondary_ip_count=3,
                tags=tags.items(),
                now_ns=cluster.now_ns,
            )
    cluster.wait(5)
    return cluster


def restart():
    """A log of a node whose checkpoint is gone when ipamd starts again."""
    log = LogWriter((1, 18, 0))
    log.start(["10.0.0.10/32", "10.0.0.11/32", "10.0.0.12/32"])
    log.assign("c1", "10.0.0.10")
    log.wait(1_000)
    log.assign("c2", "10.0.0.11")
    log.idle()
    log.write("start", version="v1.18.0")
    log.write("recovery-done")
    log.write("init-done")
    log.wait(1_000)
    log.assign("c3", "10.0.0.10")
    return log.data.decode()


PARTS = {
    "failed-to-assign": (failed_to_assign, None),
    "no-cidr-blocks": (no_cidr_blocks, None),
    "subnet-full": (subnet_full, None),
    "few-pods": (few_pods, ("network-interfaces", "instances", "subnets", "nodes", "pods", "daemonset")),
    "leaked-enis": (leaked_enis, ("network-interfaces", "instances", "subnets")),
}


def files():
    """Return all files with their contents."""
    made = {Path("restart/ipamd.log"): restart()}
    for symptom, (make, names) in PARTS.items():
        cluster = make()
        folders = {node.name: f"node-{number}" if len(cluster.nodes) > 1 else "" for number, node in enumerate(cluster.nodes, 1)}
        for name, content in documents(cluster).items():
            node, _, file = name.rpartition("/")
            if node:
                made[Path(symptom, folders[node], file.replace("enis", "ipamd-enis"))] = text(content)
            elif names is None or name in names:
                made[Path(symptom, "cluster" if len(cluster.nodes) > 1 else "", f"{name}.json")] = text(content)
    return made


def text(content):
    """Write a document."""
    if isinstance(content, bytes):
        content = content.decode()
    return content if isinstance(content, str) else json.dumps(_without_none(content)) + "\n"


def _without_none(value):
    """Leave out members that an answer doesn't have, as the AWS CLI and kubectl do."""
    if isinstance(value, list):
        return [_without_none(each) for each in value]
    return {name: _without_none(each) for name, each in value.items() if each is not None} if isinstance(value, dict) else value


def main():
    """Write the files."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, content in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
