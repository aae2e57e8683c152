"""Random requests of every action, shaped by EC2's own description: each gets an answer of EC2's, and the account stays whole."""

import http.client
import random
import resource
import threading
import time
from urllib.parse import urlencode

import pytest

from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.offline.server import ACTIONS
from vpcipam.ec2.offline.wire import _request_name
from vpcipam.ec2.serve.endpoint import API_VERSION, Endpoint, _operation
from vpcipam.ec2.serve.running import Runner, listen
from vpcipam.ec2.serve.service import Service

KINDS = ("vpc", "subnet", "eni", "i", "sg", "eni-attach", "scr", "trunk-assoc", "eipalloc", "eipassoc", "lt", "vpc-cidr-assoc")
OF_NAMES = {"Vpc": "vpc", "Subnet": "subnet", "NetworkInterface": "eni", "Instance": "i", "Group": "sg", "Allocation": "eipalloc"}
OF_NAMES |= {"LaunchTemplate": "lt", "Attachment": "eni-attach", "Association": "eipassoc"}
ODD = ("", "x" * 3000, "\x00", "<&>", "%", "-1", "$Latest", "\u0663", "1", "a,b")
TYPES = ("m5.large", "t3.small", "prefix", "explicit", "trunk", "interface", "vpc", "subnet", "network-interface")
NUMBERS = ("0", "1", "1", "2", "3", "5", "100", "-1", "1000000000", "x", "")


class Forms:
    """Makes the forms of random requests. What changes nothing comes more seldom."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.weights = [1 if name.startswith(("Describe", "Get", "Delete", "Terminate")) else 3 for name in ACTIONS]

    def make(self):
        (action,) = self.random.choices(list(ACTIONS), self.weights)
        fields = {}
        shape = _operation(action).input_shape
        if shape is not None:
            self.fill(shape, "", fields, "")
        return {"Action": action, "Version": API_VERSION, **fields}

    def fill(self, shape, place, fields, name):
        if place.count(".") > 6 or len(fields) > 50:
            return
        if shape.type_name == "structure":
            for member, inner in shape.members.items():
                wanted = member in shape.required_members or self.random.random() < min(0.4, 3 / len(shape.members))
                if wanted and self.random.random() < 0.97 and (member != "DryRun" or self.random.random() < 0.05):
                    self.fill(inner, f"{place}.{_request_name(inner, member)}".strip("."), fields, member)
        elif shape.type_name == "list":
            for number in range(1, self.random.choice((2, 2, 3, 4))):
                self.fill(shape.member, f"{place}.{number}", fields, name)
        else:
            fields[place] = self.text(shape, name)

    def text(self, shape, name):
        pick = self.random.choice
        number = self.random.randrange
        if self.random.random() < 0.05:
            return pick(ODD)
        if shape.type_name in {"integer", "long"}:
            return pick(NUMBERS)
        if shape.type_name == "boolean":
            return pick(("true", "false", "false", "1"))
        if getattr(shape, "enum", None) and self.random.random() < 0.8:
            return pick(shape.enum)
        if name.endswith(("Id", "Ids", "Resources", "Groups")):
            kinds = [kind for start, kind in OF_NAMES.items() if name.startswith(start)] or KINDS
            return f"{pick(kinds)}-{number(1, 20):017x}"
        texts = {
            "Cidr": f"10.{number(2)}.{number(20)}.{pick((0, 16, 128))}/{pick((16, 20, 24, 28))}",
            "Prefix": f"10.0.{number(3)}.{16 * number(16)}/28",
            "Ipv6": f"2001:db8::{number(99):x}",
            "PrivateIp": f"10.0.{number(3)}.{number(256)}",
            "Type": pick(TYPES),
            "Zone": "us-east-1a",
            "Version": pick(("1", "2", "$Latest")),
            "Name": pick(("nodes", "pods", "status", "vpc-id", "subnet-id", "tag:a", "tag-key", "private-ip-address")),
        }
        return next((text for part, text in texts.items() if part in name), pick(("a", "default", "x y", "*")))


def populated(model):
    """A model with something for ids to name."""
    subnet = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.1.0/24")
    for _ in range(3):
        instance = model.launch_instance("m5.large", subnet.subnet_id, now_ns=0)
        eni = model.create_network_interface(subnet_id=subnet.subnet_id, ipv4_prefix_count=1, now_ns=0)
        model.attach_network_interface(eni.eni_id, instance.instance_id, device_index=1, now_ns=0)
        model.associate_address(model.allocate_address().allocation_id, eni_id=eni.eni_id, now_ns=0)
    model.create_launch_template("nodes", {"InstanceType": "m5.large"})
    return model


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(4))
def test_a_random_request_is_answered_as_ec2_would(seed):
    model = populated(Ec2Model())
    endpoint = Endpoint(model, Region("us-east-1"), lambda: 0)
    forms, seen = Forms(seed), set()
    for _ in range(500):
        form = forms.make()
        reply = endpoint.answer([urlencode(form).encode()])
        assert reply.response.status_code in {200, 400, 412, 501}, form
        seen.add((form["Action"], reply.response.status_code))
    model._check()
    assert len({action for action, status_code in seen if status_code == 200}) > 10


def send(url, until_s, seed, wrong):
    forms = Forms(seed)
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    while time.monotonic() < until_s:
        body = bytearray(urlencode(forms.make()).encode())
        if forms.random.random() < 0.1:
            body[forms.random.randrange(len(body))] = forms.random.randrange(256)
        connection.request("POST", "/", bytes(body), {"Content-Type": "application/x-www-form-urlencoded"})
        response = connection.getresponse()
        response.read()
        if response.status >= 500 and response.status != 501:
            wrong.append((response.status, bytes(body)))
    connection.close()


@pytest.mark.nightly
def test_eight_clients_send_random_requests_for_a_minute():
    """No failure, no request without an answer, and no memory that stays beside what the account holds."""
    service = Service(populated(Ec2Model()), Region("us-east-1"), time.time_ns, token_key=b"key")
    runner = Runner(service, [listen("127.0.0.1", 0)])
    ready = threading.Event()
    server = threading.Thread(target=runner.run, args=(ready.set,))
    server.start()
    assert ready.wait(30)
    wrong, until_s = [], time.monotonic() + 60
    clients = [threading.Thread(target=send, args=(runner.url, until_s, seed, wrong)) for seed in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    runner.stop()
    server.join(30)
    assert wrong == []
    service.model._check()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20  # in KiB
