"""`vpcipam inspect`: what it shows and refuses, and its lines for EC2's refusals. EC2 is a boto3 client of a model."""

import json
import re
import shlex
import sys
from pathlib import Path

import attrs
import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from vpcipam.cli import ec2_client
from vpcipam.cli.inspect import EXAMPLES
from vpcipam.ec2.api import Ec2Error
from vpcipam.ec2.fake import fake_client
from vpcipam.ec2.model import Ec2Model
from vpcipam.inspection.audit import audit
from vpcipam.inspection.joining import Assumptions
from vpcipam.inspection.live import evidence_of
from vpcipam.inspection.read_ec2 import read_node
from vpcipam.inspection.rules.catalogue import CATALOGUE
from vpcipam.inspection.survey import survey
from vpcipam.limits import InstanceLimits
from vpcipam.node import Node
from vpcipam.node.interfaces import CREATED_TAG, INSTANCE_TAG, SUBNET_ROLE_TAG
from vpcipam.settings import Settings

PREFIXES = {"ENABLE_PREFIX_DELEGATION": "true"}


@attrs.define
class Account:
    """A node in the EC2 model behind a boto3 client, and the arguments that the command gave `make_client`."""

    model: Ec2Model
    subnet_id: str
    instance_id: str
    client: object
    asked: list

    @property
    def options(self):
        return ("--ec2", "--instance-id", self.instance_id)

    def leak(self):
        """Leak an ENI of this instance."""
        tags = ((INSTANCE_TAG, self.instance_id), (CREATED_TAG, "2020-01-01T00:00:00Z"))
        return self.model.create_network_interface(subnet_id=self.subnet_id, description="aws-K8S-i", tags=tags, now_ns=0).eni_id

    def refuse(self, monkeypatch, error):
        """Let the client fail before it sends anything."""

        def fail(**_):
            raise error

        self.client.meta.events.register("before-call.ec2", fail)
        monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def account(monkeypatch):
    """A function that makes an account and has the command read it."""

    def make(instance_type="t3.small", variables=None):
        model = Ec2Model()
        vpc_id = model.create_vpc("10.0.0.0/16").vpc_id
        subnet_id = model.create_subnet(vpc_id, "10.0.0.0/24", availability_zone="eu-west-1a").subnet_id
        instance_id = model.launch_instance(instance_type, subnet_id, now_ns=0).instance_id
        settings = Settings().with_variables(variables or {})
        Node(instance_type, settings, model, subnet_id=subnet_id, instance_id=instance_id).start(0)
        client = fake_client("ec2", model, region_name="eu-west-1")
        asked = []

        def make_client(region, profile):
            asked.append((region, profile))
            return client

        monkeypatch.setattr(ec2_client, "make_client", make_client)
        return Account(model, subnet_id, instance_id, client, asked)

    return make


# --- answers -------------------------------------------------------------------------------------------------------------


def test_json_equals_the_library(cli, account, schema_errors):
    here = account()
    here.leak()
    document = cli("inspect", *here.options, "--json").document
    assert schema_errors(["inspect"], document) == []
    read_ns = document["read_ns"]
    read = read_node(here.model, here.instance_id, now_ns=read_ns)
    seen = survey(read)
    expected = {
        "schema_version": 1,
        "source": "ec2",
        "region": "eu-west-1",
        "settings": "as-shipped",
        **seen.to_dict(),
        **audit(evidence_of([read], "EC2 in eu-west-1"), observed=[read], assumptions=Assumptions(settings=Settings())).to_dict(),
    }
    for shown in (document, expected):
        del shown["instance"]["launched_ns"]
        for eni in [each["eni"] for each in shown["enis"]] + shown["unattached"]:
            del eni["created_ns"], eni["mac_address"]  # EC2 does not tell the former, the model not the latter
    assert document == json.loads(json.dumps(expected))
    assert [found["rule"] for found in document["findings"]] == ["leaked-eni"]
    assert read_ns > 1_700_000_000 * 10**9


def test_a_healthy_node_exits_with_0(cli, account):
    here = account()
    answer = cli("inspect", *here.options)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == f"{here.instance_id} · t3.small · secondary IPs · running"
    assert lines[1].startswith("eu-west-1a, vpc-00000000000000001, read 20")
    assert lines[2].startswith("Settings: the manifest as AWS ships it.")
    assert "3 of 3" in answer.out
    assert "3 addresses now, taken or free" in answer.out
    assert "9 addresses, with all ENIs and slots" in answer.out
    assert "1 of 3; room for 2 more" in answer.out
    assert "choice 1" in answer.out
    told = re.search(
        r"\nNo fault in this, as far as it goes: (\d+) rules checked\.\n\nNot enough in this to check (\d+) rules:\n", answer.out
    )
    assert int(told[1]) + int(told[2]) == len(CATALOGUE)
    assert "  → kubectl get pods,events --all-namespaces -o json" in lines
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_finding_exits_with_1_and_says_what_to_do(cli, account, options):
    here = account()
    eni_id = here.leak()
    answer = cli("inspect", *here.options, *options)
    assert answer.finding.startswith(f"1 finding on {here.instance_id}: {eni_id}: was created for this instance, is attached to nothing")
    assert answer.finding.endswith(f"if it stays: aws ec2 delete-network-interface --network-interface-id {eni_id}")
    assert answer.out
    other_id = here.leak()
    again = cli("inspect", *here.options)
    assert again.finding.startswith(f"2 findings on {here.instance_id}, the first: {eni_id}")
    assert f"finding: leaked-eni ({other_id})" in again.out


def test_notes_alone_are_no_finding(cli, account):
    here = account()
    eni = here.model.create_network_interface(subnet_id=here.subnet_id, interface_type="efa", now_ns=0)
    here.model.attach_network_interface(eni.eni_id, here.instance_id, device_index=1, now_ns=0)
    answer = cli("inspect", *here.options)
    assert answer.code == 0
    assert "1 note\n" in answer.out
    assert f"note: efa-eni ({eni.eni_id})" in answer.out


def test_settings_come_from_a_manifest_and_single_variables(cli, account, manifest):
    here = account("t3.small", PREFIXES)
    assert "--daemonset or --set" in cli("inspect", *here.options).finding
    answer = cli("inspect", *here.options, "--set", "ENABLE_PREFIX_DELEGATION=true", "--max-pods", "50")
    assert answer.code == 0
    assert "/28 prefixes" in answer.out
    assert "as AWS ships it" not in answer.out
    assert "50, as given; 2 of them" in answer.out
    read = cli("inspect", *here.options, "--daemonset", manifest)
    assert "warning: ENABLE_POD_ENCRYPTION: " in read.err


def test_excluded_and_unmanaged_enis_are_marked(cli, account):
    two_cards = InstanceLimits(instance_type="x9.cards", eni_limit=2, ipv4_per_eni=4, network_cards=(2, 1))
    here = account(two_cards)
    eni = here.model.create_network_interface(subnet_id=here.subnet_id, now_ns=0)
    here.model.attach_network_interface(eni.eni_id, here.instance_id, device_index=0, network_card_index=1, now_ns=0)
    here.model.create_tags([here.subnet_id], tags=((SUBNET_ROLE_TAG, "0"),), now_ns=0)
    vpc_id = here.model.vpcs[0].vpc_id
    here.model.create_subnet(vpc_id, "10.0.1.0/24", tags=((SUBNET_ROLE_TAG, "1"),), availability_zone="eu-west-1a")
    answer = cli("inspect", *here.options)
    assert "primary, excluded" in " ".join(answer.out.split())
    assert "not managed" in answer.out
    assert "1:0  eni-" in answer.out
    assert "excluded\n" in answer.out
    assert "1 of 1 ENIs; not managed" in answer.out


def test_the_limits_of_a_type_outside_the_table_come_from_ec2(cli, account):
    here = account(InstanceLimits(instance_type="x9.huge", eni_limit=2, ipv4_per_eni=6))
    document = cli("inspect", *here.options, "--json").document
    assert document["limits"]["slots_per_eni"] == 5
    assert here.model.call_counts["DescribeInstanceTypes"] == 1


def test_a_whole_cluster_is_read_by_its_tags(cli, account, schema_errors):
    here = account()
    eni_id = here.leak()
    assert cli("inspect", "--ec2", "--cluster", "shop").refusal == (
        "EC2 in eu-west-1 shows no instance of cluster shop; check --cluster, --region and --profile"
    )
    here.model.create_tags([here.instance_id], tags=(("kubernetes.io/cluster/shop", "owned"),), now_ns=0)
    answer = cli("inspect", "--ec2", "--cluster", "shop")
    assert answer.finding.startswith(f"1 finding in cluster shop: {eni_id}: was created for this instance, is attached to nothing")
    assert "EC2 in eu-west-1" in answer.out
    document = cli("inspect", "--ec2", "--cluster", "shop", "--json").document
    assert schema_errors(["inspect"], document) == []
    assert (document["source"], document["settings"], document["found"]["instances"]) == ("ec2", "as-shipped", 1)
    assert [found["rule"] for found in document["findings"]] == ["leaked-eni"]


def test_files_and_ec2_are_checked_together(cli, account, tmp_path):
    here = account()
    eni_id = here.model.describe_network_interfaces(now_ns=0)[0].eni_id
    file = tmp_path / "enis.json"
    wrong = {
        "ID": eni_id,
        "IsPrimary": True,
        "DeviceNumber": 0,
        "AvailableIPv4Cidrs": {"10.0.9.9/32": {"IPAddresses": {}}},
        "IPv6Cidrs": {},
    }
    file.write_text(json.dumps({"TotalIPs": 1, "AssignedIPs": 0, "ENIs": {eni_id: wrong}}))
    answer = cli("inspect", str(file), *here.options)
    assert answer.finding.startswith(f"1 finding in EC2 and {file}: {eni_id}: has 10.0.9.9 in ipamd's datastore, and EC2 does not show it")
    assert cli("inspect", str(file), *here.options, "--json").document["source"] == "ec2 and files"


@pytest.mark.parametrize("of_files", [True, False])
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_sarif_is_the_only_output(cli, account, tmp_path, of_files, as_json):
    here = account()
    here.leak()
    file = tmp_path / "enis.json"
    file.write_text(
        json.dumps([{"NetworkInterfaceId": "eni-1", "Status": "available", "Description": "aws-K8S-i-1", "InterfaceType": "interface"}])
    )
    answer = cli("inspect", *((str(file),) if of_files else here.options), "--sarif", *as_json)
    document = json.loads(answer.out)
    assert document["version"] == "2.1.0"
    assert [result["ruleId"] for result in document["runs"][0]["results"]] == ["leaked-eni"]
    assert answer.code == 1


def test_only_read_calls_are_made(cli, account):
    here = account()
    before = here.model.call_counts
    cli("inspect", *here.options)
    called = {action for action, count in here.model.call_counts.items() if count > before.get(action, 0)}
    assert called == {"DescribeInstances", "DescribeNetworkInterfaces", "DescribeSubnets", "GetSubnetCidrReservations"}


def test_region_and_profile_are_passed_to_boto3(cli, account):
    here = account()
    cli("inspect", *here.options, "--region", "eu-west-1", "--profile", "prod")
    cli("inspect", *here.options)
    assert here.asked == [("eu-west-1", "prod"), (None, None)]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_run_as_written(cli, account, manifest, example):
    here = account("t3.small", PREFIXES if "PREFIX" in example else None)
    here.model.create_tags([here.instance_id], tags=(("eks:cluster-name", "prod"),), now_ns=0)
    arguments = shlex.split(example.partition("vpcipam ")[2].replace("i-0123456789abcdef0", here.instance_id))
    assert cli(*arguments, stdin=Path(manifest).read_text()).code == 0


# --- refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give files, or --ec2 and --instance-id ID"),
        (("--instance-id", "i-1"), "say what to read"),
        (("node.json", "--instance-id", "i-1"), "these options belong to --ec2"),
        (("--ec2",), "needs either --instance-id ID, the node's instance, or --cluster NAME"),
        (("--ec2", "--instance-id", ""), "needs either --instance-id ID"),
        (("--ec2", "--instance-id", "i-1", "--cluster", "shop"), "needs either --instance-id ID"),
        (("--ec2", "--instance-id", "i-1", "--max-pods", "0"), "--max-pods"),
        (("--ec2", "--instance-id", "i-1", "--max-pods", "9", "--max-pods-by", "ami"), "--max-pods and --max-pods-by exclude each other"),
        (("--ec2", "--instance-id", "i-1", "--set", "X"), "NAME=VALUE"),
        (("node.json", "--ec2"), "needs either --instance-id ID"),
        (("node.json", "--cluster", "shop"), "these options belong to --ec2"),
        (("node.json", "--set", "WARM_IP_TARGET=1"), "a manifest can be one of the files"),
        (("-", "-"), "stdin (-) can be read only once"),
    ],
)
def test_wrong_arguments_are_usage_errors(cli, account, arguments, said):
    account()
    assert said in cli("inspect", *arguments).usage_error


def test_an_unknown_instance_is_refused(cli, account):
    account()
    assert cli("inspect", "--ec2", "--instance-id", "i-00000000000000099", "--json").refusal == (
        "EC2 in eu-west-1: DescribeInstances: InvalidInstanceID.NotFound: The instance ID 'i-00000000000000099' does not exist; "
        "check --instance-id, --region and --profile"
    )


def test_settings_that_ipamd_refuses_are_refused(cli, account):
    assert "both on" in cli("inspect", *account().options, "--set", "ENABLE_IPv6=true").refusal


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (NoCredentialsError(), "there are no AWS credentials; sign in, or give --profile"),
        (EndpointConnectionError(endpoint_url="https://ec2.mars-1.amazonaws.com"), "EC2 can't be reached; check --region and the network"),
    ],
)
def test_an_error_of_botocore_before_the_call_is_one_line(cli, account, monkeypatch, error, advice):
    here = account()
    here.refuse(monkeypatch, error)
    said = cli("inspect", *here.options).refusal
    assert said.startswith("EC2 in eu-west-1: DescribeInstances: ")
    assert said.endswith(advice)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("UnauthorizedOperation", "allow your role ec2:DescribeInstances; the command only reads"),
        ("AuthFailure", "the credentials are not accepted; sign in again (`aws sts get-caller-identity` tells who you are)"),
        ("RequestExpired", "the credentials are not accepted; sign in again (`aws sts get-caller-identity` tells who you are)"),
        ("RequestLimitExceeded", "EC2 throttles this account's calls; try again in a minute"),
        ("SomethingNew", "DescribeInstances: SomethingNew: said so"),
    ],
)
def test_a_refusal_of_ec2_is_one_line(cli, account, monkeypatch, code, advice):
    here = account()

    def refuse(*_arguments, **_options):
        raise Ec2Error(code, "said so", "DescribeInstances")

    monkeypatch.setattr(here.model, "describe_instances", refuse)
    monkeypatch.setattr(here.model, "describe_instance", refuse)
    monkeypatch.setattr("time.sleep", lambda _: None)
    said = cli("inspect", *here.options).refusal
    assert said.startswith(f"EC2 in eu-west-1: DescribeInstances: {code}: said so")
    assert said.endswith(advice)


# --- the client ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def _no_configuration(monkeypatch, tmp_path):
    """Hide configuration, credentials and instance metadata of this machine."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("_no_configuration")
class TestClient:
    def test_a_missing_region_is_refused(self, cli):
        said = cli("inspect", "--ec2", "--instance-id", "i-1").refusal
        assert said == "no region is set; give --region, or set AWS_REGION or a region in the profile"

    def test_an_unknown_profile_is_refused(self, cli):
        said = cli("inspect", "--ec2", "--instance-id", "i-1", "--region", "eu-west-1", "--profile", "none").refusal
        assert said == "The config profile (none) could not be found; `aws configure list-profiles` lists them"

    def test_an_invalid_region_is_refused(self, cli):
        said = cli("inspect", "--ec2", "--instance-id", "i-1", "--region", "eu west").refusal
        assert said.startswith("can't set up a client for EC2: ")
        assert said.endswith("check --region, --profile and ~/.aws/config")

    def test_missing_credentials_are_refused(self, cli):
        said = cli("inspect", "--ec2", "--instance-id", "i-1", "--region", "eu-west-1").refusal
        assert said.endswith("there are no AWS credentials; sign in, or give --profile")

    def test_the_region_can_come_from_the_environment_or_the_profile(self, monkeypatch, tmp_path):
        (tmp_path / "config").write_text("[profile prod]\nregion = eu-north-1\n")
        assert ec2_client.make_client(None, "prod").meta.region_name == "eu-north-1"
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-south-1")
        assert ec2_client.make_client(None, None).meta.region_name == "eu-south-1"
        client = ec2_client.make_client("us-west-2", None)
        assert client.meta.region_name == "us-west-2"
        assert client.meta.config.retries["total_max_attempts"] == 1


def test_without_boto3_the_extra_is_named(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert cli("inspect", "--ec2", "--instance-id", "i-1").refusal == "reading EC2 needs boto3: pip install 'vpcipam[cli,ec2]'"


def test_usage_and_help_need_no_boto3(process):
    answer = process("inspect", "--help", PYTHONPROFILEIMPORTTIME="1")
    assert "boto3" not in answer.err
    assert "--instance-id" in answer.out
