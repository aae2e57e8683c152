"""Real clients of other people against the server: the AWS CLI, aioboto3, ec2-metadata, the AWS SDK for JavaScript, and curl.

`.ci/run` installs them into a folder of their own and sets VPCIPAM_CLIENTS to it: `bin/python` has the Python packages, and `node_modules`
has the SDK.
Without it these tests are skipped.
"""

import itertools
import json
import os
import shlex
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

import vpcipam
from vpcipam.ec2.model import Ec2Model
from vpcipam.ec2.offline.request import Region
from vpcipam.ec2.serve.running import Runner, listen
from vpcipam.ec2.serve.service import Service

HERE = Path(__file__).parent / "clients"
CLIENTS = Path(os.environ.get("VPCIPAM_CLIENTS", "no-such-folder")).absolute()
PYTHON = CLIENTS / "bin" / "python"
pytestmark = pytest.mark.thorough
needs_python = pytest.mark.skipif(not PYTHON.exists(), reason="VPCIPAM_CLIENTS is not set: the Python clients were NOT tried")
needs_node = pytest.mark.skipif(
    not ((CLIENTS / "node_modules" / "@aws-sdk" / "client-ec2").exists() and shutil.which("node")),
    reason="VPCIPAM_CLIENTS has no @aws-sdk/client-ec2, or there is no node: the SDK for JavaScript was NOT tried",
)


@pytest.fixture
def server():
    """A server of an empty account, with its model and its URL."""
    service = Service(Ec2Model(), Region("us-east-1"), itertools.count(10**18, 10**9).__next__, token_key=b"key")
    runner = Runner(service, [listen("127.0.0.1", 0)])
    ready = threading.Event()
    thread = threading.Thread(target=runner.run, args=(ready.set,))
    thread.start()
    assert ready.wait(30)
    service.url = runner.url
    yield service
    runner.stop()
    thread.join(30)
    service.model._check()


def run(*words, stdin=""):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(CLIENTS),
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
        "PYTHONPATH": str(Path(vpcipam.__file__).parents[1]),
        "VPCIPAM_NO_EXTENSION": "1",
    }
    done = subprocess.run(  # noqa: S603 - the clients
        [str(word) for word in words], input=stdin, capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


VPC, SUBNET, INSTANCE = (f"{kind}-{1:017x}" for kind in ("vpc", "subnet", "i"))
ENI = [f"eni-{number:017x}" for number in range(9)]
ATTACHMENT = [f"eni-attach-{number:017x}" for number in range(9)]
EIP = f"eipalloc-{1:017x}"
IPV6 = "2600:1f18:0:100::/64"

# A command of `aws ec2`, whether it succeeds, and what its output has.
COMMANDS = f"""
create-vpc --cidr-block 10.0.0.0/16 --amazon-provided-ipv6-cidr-block | fine | {VPC}
create-vpc --cidr-block 10.0.0.0/8 | error | InvalidVpc.Range
create-vpc --cidr-block 10.1.0.0/16 --dry-run | error | DryRunOperation
create-vpc --cidr-block 10.1.0.0/16 --tag-specifications ResourceType=vpc,Tags=[{{Key=Name,Value=two}}] | fine | "two"
describe-vpcs | fine | 10.1.0.0/16
describe-vpcs --vpc-ids {VPC} --query Vpcs[0].CidrBlock --output text | fine | 10.0.0.0/16
describe-vpcs --filters Name=tag:Name,Values=two --query Vpcs[].VpcId --output text | fine | vpc-{2:017x}
describe-vpcs --filters Name=nothing,Values=x | error | InvalidParameterValue
describe-vpcs --vpc-ids vpc-0 | error | InvalidVpcID.NotFound
associate-vpc-cidr-block --vpc-id {VPC} --cidr-block 100.64.0.0/16 | fine | vpc-cidr-assoc-
associate-vpc-cidr-block --vpc-id {VPC} --cidr-block 100.64.0.0/16 | error | CidrConflict
disassociate-vpc-cidr-block --association-id vpc-cidr-assoc-{4:017x} | fine | disassociating
delete-vpc --vpc-id vpc-{2:017x} | fine |
delete-vpc --vpc-id vpc-{2:017x} | error | InvalidVpcID.NotFound
create-subnet --vpc-id {VPC} --cidr-block 10.0.1.0/24 --availability-zone us-east-1b --ipv6-cidr-block {IPV6} | fine | {SUBNET}
create-subnet --vpc-id {VPC} --cidr-block 10.0.1.128/25 | error | InvalidSubnet.Conflict
create-subnet --vpc-id {VPC} --cidr-block 10.0.2.0/28 | fine | 11
create-subnet --vpc-id {VPC} | error | MissingParameter
describe-subnets --filters Name=vpc-id,Values={VPC} --query length(Subnets) | fine | 2
describe-subnets --subnet-ids {SUBNET} --query Subnets[0].AvailableIpAddressCount | fine | 251
describe-subnets --max-items 1 | fine | NextToken
create-subnet-cidr-reservation --subnet-id {SUBNET} --cidr 10.0.1.128/25 --reservation-type prefix | fine | scr-
create-subnet-cidr-reservation --subnet-id {SUBNET} --cidr 10.0.1.64/26 --reservation-type explicit --description own | fine | own
get-subnet-cidr-reservations --subnet-id {SUBNET} | fine | 10.0.1.128/25
delete-subnet-cidr-reservation --subnet-cidr-reservation-id scr-{2:017x} | fine | 10.0.1.64/26
delete-subnet-cidr-reservation --subnet-cidr-reservation-id scr-{2:017x} | error | InvalidSubnetCidrReservationID.NotFound
describe-instance-types --instance-types m5.large --query InstanceTypes[0].NetworkInfo.MaximumNetworkInterfaces | fine | 3
describe-instance-types --instance-types m5.lagre | error | InvalidInstanceType
run-instances --image-id ami-1 --instance-type m5.large --subnet-id {SUBNET} --key-name mine | fine | {INSTANCE}
run-instances --image-id ami-1 --subnet-id {SUBNET} --launch-template LaunchTemplateId=lt-1 | error | InvalidLaunchTemplateId.NotFound
run-instances --image-id ami-1 --subnet-id {SUBNET} --instance-market-options MarketType=spot | error | vpcipam.NotModelled
create-launch-template --launch-template-name nodes --launch-template-data InstanceType=m5.large,ImageId=ami-7 | fine | lt-{1:017x}
create-launch-template --launch-template-name nodes --launch-template-data ImageId=ami-7 | error | InvalidLaunchTemplateName.AlreadyExists
create-launch-template-version --launch-template-name nodes --source-version 1 --launch-template-data ImageId=ami-8 | fine | ami-8
describe-launch-template-versions --launch-template-name nodes --versions $Latest | fine | "VersionNumber": 2
modify-launch-template --launch-template-name nodes --default-version 2 | fine | "DefaultVersionNumber": 2
describe-launch-templates --query LaunchTemplates[0].LatestVersionNumber | fine | 2
run-instances --dry-run --subnet-id {SUBNET} --launch-template LaunchTemplateName=nodes | error | DryRunOperation
delete-launch-template --launch-template-name nodes | fine | lt-{1:017x}
run-instances --image-id ami-1 --instance-type m5.large --subnet-id subnet-0 | error | InvalidSubnetID.NotFound
describe-instances --instance-ids {INSTANCE} --query Reservations[].Instances[].PrivateIpAddress --output text | fine | 10.0.1.4
describe-instances --filters Name=instance-type,Values=m5.large --output table | fine | {INSTANCE}
create-network-interface --subnet-id {SUBNET} --description pods --ipv4-prefix-count 2 | fine | 10.0.1.144/28
create-network-interface --subnet-id {SUBNET} --secondary-private-ip-address-count 3 | fine | {ENI[3]}
create-network-interface --subnet-id subnet-{2:017x} --ipv4-prefix-count 1 | error | InvalidParameterValue
create-network-interface --subnet-id {SUBNET} --private-ip-address 10.0.1.50 --client-token once | fine | 10.0.1.50
create-network-interface --subnet-id {SUBNET} --private-ip-address 10.0.1.50 --client-token once | fine | {ENI[4]}
create-network-interface --subnet-id {SUBNET} --private-ip-address 10.0.1.51 --client-token once | error | IdempotentParameterMismatch
create-network-interface --subnet-id {SUBNET} --private-ip-address 10.0.1.50 | error | InvalidIPAddress.InUse
create-network-interface --subnet-id {SUBNET} --interface-type trunk | fine | trunk
describe-network-interfaces --query length(NetworkInterfaces) | fine | 5
describe-network-interfaces --filters Name=description,Values=pods --query NetworkInterfaces[].[NetworkInterfaceId] | fine | {ENI[2]}
attach-network-interface --network-interface-id {ENI[2]} --instance-id {INSTANCE} --device-index 1 | fine | {ATTACHMENT[2]}
attach-network-interface --network-interface-id {ENI[3]} --instance-id {INSTANCE} --device-index 1 | error | InvalidParameterValue
attach-network-interface --network-interface-id {ENI[3]} --instance-id {INSTANCE} --device-index 2 | fine | {ATTACHMENT[3]}
attach-network-interface --network-interface-id {ENI[4]} --instance-id {INSTANCE} --device-index 3 | error | AttachmentLimitExceeded
describe-network-interfaces --filters Name=attachment.instance-id,Values={INSTANCE} --query length(NetworkInterfaces) | fine | 3
modify-network-interface-attribute --network-interface-id {ENI[2]} --attachment AttachmentId={ATTACHMENT[2]},DeleteOnTermination=true|fine|
modify-network-interface-attribute --network-interface-id {ENI[2]} --description mine | fine |
modify-network-interface-attribute --network-interface-id {ENI[2]} --no-source-dest-check | fine |
assign-private-ip-addresses --network-interface-id {ENI[2]} --ipv4-prefix-count 1 | fine | 10.0.1.160/28
assign-private-ip-addresses --network-interface-id {ENI[3]} --secondary-private-ip-address-count 99 | error | PrivateIpAddressLimitExceeded
assign-private-ip-addresses --network-interface-id {ENI[3]} --private-ip-addresses 10.0.1.60 10.0.1.61 | fine | 10.0.1.61
unassign-private-ip-addresses --network-interface-id {ENI[3]} --private-ip-addresses 10.0.1.60 | fine |
unassign-private-ip-addresses --network-interface-id {ENI[3]} --private-ip-addresses 10.0.1.60 | error | InvalidParameterValue
unassign-private-ip-addresses --network-interface-id {ENI[2]} --ipv4-prefixes 10.0.1.160/28 | fine |
assign-ipv6-addresses --network-interface-id {ENI[2]} --ipv6-prefix-count 1 | fine | /80
assign-ipv6-addresses --network-interface-id {ENI[3]} --ipv6-address-count 1 | fine | 2600:1f18:0:100::4
unassign-ipv6-addresses --network-interface-id {ENI[3]} --ipv6-addresses 2600:1f18:0:100::4 | fine | 2600:1f18:0:100::4
associate-trunk-interface --branch-interface-id {ENI[4]} --trunk-interface-id {ENI[5]} --vlan-id 7 | fine | trunk-assoc-
describe-trunk-interface-associations | fine | "VlanId": 7
disassociate-trunk-interface --association-id trunk-assoc-{1:017x} | fine | true
create-tags --resources {ENI[4]} {SUBNET} --tags Key=a,Value=b | fine |
create-tags --resources eni-0 --tags Key=a,Value=b | error | InvalidNetworkInterfaceID.NotFound
describe-tags --filters Name=key,Values=a --query length(Tags) | fine | 2
delete-tags --resources {SUBNET} --tags Key=a | fine |
describe-tags --query Tags[].ResourceType --output text | fine | network-interface
allocate-address --domain vpc | fine | 198.18.0.1
associate-address --allocation-id {EIP} --network-interface-id {ENI[3]} --private-ip-address 10.0.1.61 | fine | eipassoc-{1:017x}
associate-address --allocation-id {EIP} --instance-id {INSTANCE} | error | InvalidInstanceID
describe-addresses --query Addresses[0].PrivateIpAddress --output text | fine | 10.0.1.61
describe-network-interfaces --filters Name=addresses.association.public-ip,Values=198.18.0.1 | fine | {ENI[3]}
release-address --allocation-id {EIP} | error | InvalidIPAddress.InUse
disassociate-address --association-id eipassoc-{1:017x} | fine |
release-address --allocation-id {EIP} | fine |
detach-network-interface --attachment-id {ATTACHMENT[3]} | fine |
detach-network-interface --attachment-id {ATTACHMENT[1]} | error | OperationNotPermitted
delete-network-interface --network-interface-id {ENI[2]} | error | InvalidParameterValue
delete-network-interface --network-interface-id {ENI[3]} | fine |
delete-network-interface --network-interface-id {ENI[3]} | error | InvalidNetworkInterfaceID.NotFound
wait network-interface-available --network-interface-ids {ENI[4]} | fine |
wait vpc-available --vpc-ids {VPC} | fine |
terminate-instances --instance-ids {INSTANCE} | fine | shutting-down
describe-instances --query Reservations[].Instances[].State.Name | fine | terminated
delete-subnet --subnet-id {SUBNET} | error | DependencyViolation
delete-subnet --subnet-id subnet-{2:017x} | fine |
describe-volumes | error | vpcipam.NotModelled
"""


@needs_python
def test_the_aws_cli(server):
    rows = [[part.strip() for part in line.split("|")] for line in COMMANDS.strip().splitlines()]
    assert len(rows) >= 60
    words = [["--endpoint-url", server.url, "ec2", *shlex.split(command)] for command, _, _ in rows]
    results = json.loads(run(PYTHON, HERE / "aws_commands.py", stdin=json.dumps(words)))
    wrong = [
        (command, code, out)
        for (command, wanted, text), (code, out) in zip(rows, results, strict=True)
        if (code == 0) != (wanted == "fine") or text not in out
    ]
    assert wrong == []


@needs_python
def test_ten_clients_of_aioboto3_at_once(server):
    found = json.loads(run(PYTHON, HERE / "aio_ten.py", server.url))
    for prefixes in found.values():
        assert len(prefixes) == len(set(prefixes)) == 30
    held = [prefix for eni in server.model.network_interfaces for prefix in eni.ipv4_prefixes]
    assert sorted(held) == sorted(found["http"])


@needs_python
def test_ec2_metadata(server):
    model = server.model
    vpc_id = model.create_vpc("10.0.0.0/16", ipv6_cidr="2001:db8::/56").vpc_id
    subnet = model.create_subnet(vpc_id, "10.0.1.0/24", availability_zone="us-east-1c", ipv6_cidr="2001:db8::/64")
    instance = model.launch_instance("m6g.large", subnet.subnet_id, tags=(("Name", "n"),), now_ns=0)
    model.modify_instance_metadata_options(instance.instance_id, instance_metadata_tags="enabled", now_ns=0)
    model.assign_ipv6_addresses(instance.network_interfaces[0].eni_id, ipv6_prefix_count=1, now_ns=0)
    model.assign_private_ip_addresses(instance.network_interfaces[0].eni_id, secondary_ip_count=2, now_ns=0)
    found = json.loads(run(PYTHON, HERE / "own_metadata.py", server.url))
    (mac,) = found["interfaces"]
    assert (found["mac"], found["instance_id"], found["instance_type"]) == (mac, instance.instance_id, "m6g.large")
    assert (found["region"], found["availability_zone"], found["availability_zone_id"]) == ("us-east-1", "us-east-1c", "use1-az3")
    assert (found["tags"], found["user_data"], found["public_keys"], found["iam_info"]) == ({"Name": "n"}, None, [], None)
    eni = found["interfaces"][mac]
    assert (eni["device_number"], eni["private_ipv4s"]) == (0, ["10.0.1.4", "10.0.1.5", "10.0.1.6"])
    assert (eni["ipv6_prefix"], eni["ipv6s"]) == (["2001:db8:0:0:1::/80"], [])
    assert (eni["vpc_ipv4_cidr_blocks"], eni["subnet_ipv6_cidr_blocks"]) == (["10.0.0.0/16"], ["2001:db8::/64"])


@needs_node
def test_the_sdk_for_javascript(server, tmp_path):
    (tmp_path / "node_modules").symlink_to(CLIENTS / "node_modules")
    shutil.copy(HERE / "sdk.mjs", tmp_path)
    found = json.loads(run("node", tmp_path / "sdk.mjs", server.url))
    assert found == {
        "prefixes": sorted(f"10.8.1.{16 * number}/28" for number in range(1, 8)),
        "pages": [5, 2],
        "missing": "InvalidVpcID.NotFound",
        "dry": "DryRunOperation",
        "notModelled": "vpcipam.NotModelled",
    }


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
def test_curl(server):
    query = "Version=2016-11-15&Action="
    assert VPC in run("curl", "-sS", "-d", f"{query}CreateVpc&CidrBlock=10.0.0.0/16", server.url)
    assert VPC in run("curl", "-sS", "-G", "-d", f"{query}DescribeVpcs", server.url)
    assert run("curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "-d", f"{query}DescribeVolumes", server.url) == "501"
