"""The same calls in this process and over HTTP, and many clients at once."""

import json
import threading
import time

import boto3
import hypothesis.strategies as st
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given, settings

from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.serve.running import Runner, listen
from vpcipam.ec2.serve.service import Service
from vpcipam.errors import NotModelled

CREDENTIALS = dict.fromkeys(("aws_access_key_id", "aws_secret_access_key"), "any")
numbers = st.integers(0, 9)


def client_at(url):
    config = Config(retries={"mode": "standard", "total_max_attempts": 1}, parameter_validation=False)
    return boto3.client("ec2", endpoint_url=url, region_name="us-east-1", config=config, **CREDENTIALS)


class Served:
    """A server in a thread, whose model can be replaced between two calls."""

    def __init__(self):
        self.now_ns = 0
        self.service = Service(Ec2Model(), Region("us-east-1"), lambda: self.now_ns, token_key=b"key")
        self.runner = Runner(self.service, [listen("127.0.0.1", 0)])
        ready = threading.Event()
        self.thread = threading.Thread(target=self.runner.run, args=(ready.set,))
        self.thread.start()
        assert ready.wait(30)
        self.client = client_at(self.runner.url)

    def start_anew(self):
        fresh = Service(Ec2Model(), Region("us-east-1"), lambda: self.now_ns, token_key=b"key")
        self.service.model, self.service.endpoint = fresh.model, fresh.endpoint

    def end(self):
        self.client.close()
        self.runner.stop()
        self.thread.join(30)


@pytest.fixture(scope="module")
def served():
    served = Served()
    yield served
    served.end()


def metadata_options(a, b):
    """Metadata options, one of them sometimes a wrong one."""
    switch = ("enabled", "disabled", "on")[b % 3]
    ways = ({"HttpTokens": ("optional", "required", "")[b % 3]}, {"HttpPutResponseHopLimit": b * 16}, {"HttpEndpoint": switch})
    return (*ways, {"HttpProtocolIpv6": switch}, {"InstanceMetadataTags": switch}, {})[a % 6]


def calls(a, b):
    """One call of each kind, with ids that exist now and then."""
    eni, subnet, instance = f"eni-{1 + a % 5:017x}", f"subnet-{1 + b % 3:017x}", f"i-{1 + a % 2:017x}"
    return (
        ("create_vpc", {"CidrBlock": f"10.{a % 2}.0.0/{15 + b % 3}"}),
        ("create_subnet", {"VpcId": f"vpc-{1 + a % 2:017x}", "CidrBlock": f"10.{a % 2}.{b}.0/{24 + b % 5}"}),
        (
            "run_instances",
            {"MinCount": 1, "MaxCount": 1 + (a == 9), "SubnetId": subnet, "InstanceType": ("m5.large", "t3.small", "x")[a % 3]},
        ),
        ("create_network_interface", {"SubnetId": subnet, "Ipv4PrefixCount": a % 3, "ClientToken": f"token-{b}"}),
        ("create_network_interface", {"SubnetId": subnet, "SecondaryPrivateIpAddressCount": a, "DryRun": b == 9}),
        ("attach_network_interface", {"NetworkInterfaceId": eni, "InstanceId": instance, "DeviceIndex": b % 4}),
        ("assign_private_ip_addresses", {"NetworkInterfaceId": eni, "Ipv4PrefixCount": 1 + b % 2}),
        ("assign_private_ip_addresses", {"NetworkInterfaceId": eni, "SecondaryPrivateIpAddressCount": b}),
        ("unassign_private_ip_addresses", {"NetworkInterfaceId": eni, "Ipv4Prefixes": [f"10.{a % 2}.{b}.16/28"]}),
        ("detach_network_interface", {"AttachmentId": f"eni-attach-{1 + a % 4:017x}"}),
        ("delete_network_interface", {"NetworkInterfaceId": eni}),
        ("create_tags", {"Resources": [eni, subnet], "Tags": [{"Key": "k", "Value": f"<{a}&{b}>\u00e9"}]}),
        ("terminate_instances", {"InstanceIds": [instance]}),
        ("describe_network_interfaces", {"Filters": [{"Name": "subnet-id", "Values": [subnet, f"*{b}"]}], "MaxResults": 5 + a}),
        ("describe_network_interfaces", {"NextToken": "x" * a}),
        ("describe_instances", {"InstanceIds": [instance]}),
        ("describe_subnets", {}),
        ("describe_vpcs", {"MaxResults": a}),
        ("describe_tags", {"Filters": [{"Name": "key", "Values": ["k"]}]}),
        ("modify_instance_metadata_options", {"InstanceId": instance, **metadata_options(a, b)}),
        ("run_instances", {"MinCount": 1, "MaxCount": 1, "SubnetId": subnet, "MetadataOptions": metadata_options(a, b)}),
        ("stop_instances", {"InstanceIds": [instance]}),
        ("describe_volumes", {}),
        ("create_vpc", {}),
    )


KINDS = len(calls(0, 0))
PROGRAMS = st.lists(st.tuples(st.integers(0, KINDS - 1), numbers, numbers), max_size=25)


def outcome(client, method, parameters):
    """The answer as a text, or the error; what the model lacks has a code over HTTP."""
    try:
        answer = getattr(client, method)(**parameters)
    except ClientError as error:
        found = error.response["Error"]
        return found["Code"], found["Message"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    except NotModelled as error:
        return "vpcipam.NotModelled", str(error), 501
    answer.pop("ResponseMetadata")
    answer.pop("ClientToken", None)  # each client makes its own
    return json.dumps(answer, default=str, sort_keys=True)


SETUP = [(0, 0, 1), (1, 0, 0), (1, 0, 1), (2, 0, 0), (3, 1, 0)]


@pytest.mark.thorough
@given(PROGRAMS)
@settings(settings(), max_examples=max(20, settings().max_examples // 5), deadline=None)
def test_calls_over_http_are_answered_as_in_this_process(served, program):
    served.start_anew()
    model = Ec2Model()
    here = fake_client("ec2", model, now_ns=lambda: served.now_ns, config=Config(parameter_validation=False))
    for number, (kind, a, b) in enumerate([*SETUP, *program]):
        served.now_ns = 10**9 * number
        method, parameters = calls(a, b)[kind]
        assert outcome(served.client, method, parameters) == outcome(here, method, parameters)
    assert served.service.model.to_world() == model.to_world()


# --- many at once --------------------------------------------------------------------------------------------------------


def hammer(client, subnet_id, until_s, worker, made):
    """Create, fill and delete ENIs, and note what the answers gave the ENIs that are kept."""
    kept = []
    while time.monotonic() < until_s:
        eni = client.create_network_interface(SubnetId=subnet_id, Ipv4PrefixCount=1, Description=f"worker {worker}")["NetworkInterface"]
        eni_id = eni["NetworkInterfaceId"]
        added = client.assign_private_ip_addresses(NetworkInterfaceId=eni_id, Ipv4PrefixCount=1)["AssignedIpv4Prefixes"]
        prefixes = sorted(each["Ipv4Prefix"] for each in (*eni["Ipv4Prefixes"], *added))
        (shown,) = client.describe_network_interfaces(NetworkInterfaceIds=[eni_id])["NetworkInterfaces"]
        assert sorted(each["Ipv4Prefix"] for each in shown["Ipv4Prefixes"]) == prefixes
        kept.append((eni_id, eni["PrivateIpAddress"], tuple(prefixes)))
        if len(kept) > 3:
            client.delete_network_interface(NetworkInterfaceId=kept.pop(0)[0])
    made[worker] = kept


def eight_at_once(served, seconds):
    served.start_anew()
    model = served.service.model
    subnet_id = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/20").subnet_id
    made = {}
    clients = [client_at(served.runner.url) for _ in range(8)]  # not in the threads: boto3's default session is for one
    until_s = time.monotonic() + seconds
    threads = [threading.Thread(target=hammer, args=(client, subnet_id, until_s, worker, made)) for worker, client in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert sorted(made) == list(range(8)), "a client failed"
    kept = [each for worker in made.values() for each in worker]
    held = [(eni.eni_id, eni.private_ip, tuple(sorted(eni.ipv4_prefixes))) for eni in model.network_interfaces]
    assert sorted(kept) == sorted(held), "an update was lost"
    addresses = [text for _, address, prefixes in kept for text in (address, *prefixes)]
    assert len(addresses) == len(set(addresses)), "an address was given twice"
    model._check()


@pytest.mark.thorough
def test_eight_clients_at_once_lose_nothing(served):
    eight_at_once(served, 2)


@pytest.mark.nightly
def test_eight_clients_for_a_minute_lose_nothing(served):
    eight_at_once(served, 60)
