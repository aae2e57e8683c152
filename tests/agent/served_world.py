"""A served EC2, whose instances are namespaces, and agents that run as processes in them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import boto3
import lab
from hypervisor import Hypervisor

import vpcipam
from vpcipam.ec2.boto import CLIENT_CONFIG, BotoEc2
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.serve.running import Runner, listen
from vpcipam.ec2.serve.service import Service
from waiting import wait_for

REGION = "us-east-1"
SUBNET = {"cidr": "10.0.1.0/24", "id": "subnet-1"}
CREDENTIALS = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
SETTINGS = ("ENABLE_IPv4=true", "WARM_ENI_TARGET=0", "WARM_IP_TARGET=2", "MINIMUM_IP_TARGET=3")
PLUGIN = f"""#!/bin/sh
PYTHONPATH={Path(vpcipam.__file__).parents[1]} exec {sys.executable} -c 'import sys; from vpcipam.agent.cni import main; sys.exit(main())'
"""


class ServedWorld:
    """A VPC with instances `i-1`, `i-2`, …, whose EC2 listens on this machine and on the host outside of the VPC."""

    def __init__(self, vpc, folder, *, types=("t3.small", "t3.small")):
        self.vpc = vpc
        self.folder = folder
        self.ids = [f"i-{number:017x}" for number in range(1, len(types) + 1)]
        instances = [{"id": name, "type": kind, "subnet": SUBNET["id"]} for name, kind in zip(self.ids, types, strict=True)]
        self.model = Ec2Model.from_world({"vpcs": [{"cidr": "10.0.0.0/16"}], "subnets": [SUBNET], "instances": instances})
        self._open = contextlib.ExitStack()

    def __enter__(self):
        outside = self.vpc.outside.socket(socket.AF_INET, socket.SOCK_STREAM)
        outside.bind((lab.OUTSIDE, 0))
        outside.listen(64)
        server = Runner(Service(self.model, Region(REGION), time.time_ns, token_key=b"key"), [listen("127.0.0.1", 0), outside])
        self.url = f"http://{lab.OUTSIDE}:{outside.getsockname()[1]}"
        ready = threading.Event()
        thread = threading.Thread(target=server.run, args=(ready.set,))
        thread.start()
        self._open.callback(thread.join, 30)
        self._open.callback(server.stop)
        assert ready.wait(30)
        client = boto3.client("ec2", endpoint_url=server.url, region_name=REGION, config=CLIENT_CONFIG, **CREDENTIALS)
        self.hypervisor = Hypervisor(self.vpc, BotoEc2(client))
        self.nodes = [ServedNode(self, instance_id, f"node-{number}") for number, instance_id in enumerate(self.ids, 1)]
        self._open.enter_context(self.hypervisor)
        return self

    def __exit__(self, *error):
        for node in self.nodes:
            node.kill()
        self._open.close()


class ServedNode:
    """An instance with its namespace, the folder of its agent, and the agent's process while there is one."""

    def __init__(self, world, instance_id, name):
        self.world = world
        self.instance_id = instance_id
        self.name = name
        self.folder = world.folder / name
        self.state = self.folder / "state"
        self.folder.mkdir()
        self.namespace = world.hypervisor.boot(instance_id, name)
        self.process = None
        self.starts = 0
        self.plugin = self.folder / "vpcipam-cni"
        self.plugin.write_text(PLUGIN)
        self.plugin.chmod(0o755)

    def start(self, *options):
        """Start the agent and wait until it answers."""
        self.starts += 1
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(vpcipam.__file__).parents[1]),
            "AWS_ENDPOINT_URL_EC2": self.world.url,
            "AWS_REGION": REGION,
            **{name.upper(): text for name, text in CREDENTIALS.items()},
        }
        command = ["nsenter", f"--net={self.namespace.path}", sys.executable, "-W", "ignore", "-m", "vpcipam.cli", "agent"]
        command += ["--instance-id", self.instance_id, "--state-folder", str(self.state), "--json"]
        command += [word for each in SETTINGS for word in ("--set", each)]
        out = self.folder / f"out-{self.starts}"
        with out.open("w") as stdout, (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen([*command, *options], stdout=stdout, stderr=log, env=environment)  # noqa: S603 - our own command
        wait_for(lambda: out.read_text().endswith("\n") or self.process.poll() is not None)
        assert self.process.poll() is None, self.log
        return json.loads(out.read_text())

    @property
    def log(self):
        return (self.folder / "log").read_text()

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self):
        """End the agent as a service manager does, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def call(self, verb, container, pod=None, **config):
        """Call the plugin as a runtime does; return its JSON, None for nothing, and its exit code."""
        environment = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.folder),
            "PATH": os.environ["PATH"],
        }
        if pod is not None:
            arguments = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={container}"
            environment |= {"CNI_NETNS": pod.path, "CNI_ARGS": arguments}
        stdin = json.dumps({"cniVersion": "1.1.0", "name": "pods", "type": "vpcipam-cni", "stateFolder": str(self.state), **config})
        done = subprocess.run([self.plugin], input=stdin, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
        assert done.stderr == ""
        return (json.loads(done.stdout) if done.stdout else None), done.returncode
