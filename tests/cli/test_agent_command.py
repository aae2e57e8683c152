"""`vpcipam agent` before it starts. tests/agent/test_processes.py has it running."""

import pytest

from vpcipam.cli import agent
from vpcipam.cli.ec2_client import make_client


@pytest.fixture(autouse=True)
def _no_aws(monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_an_instance_is_needed(cli):
    assert "--instance-id" in cli("agent").usage_error


def test_without_a_region_it_says_how_to_set_one(cli):
    pytest.importorskip("pyroute2")
    assert "set AWS_REGION" in cli("agent", "--instance-id", "i-1").refusal


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_can_be_that_of_the_environment(monkeypatch, name):
    """boto3 reads only the second. The AWS CLI and other SDKs read the first too."""
    monkeypatch.setenv(name, "eu-west-1")
    assert make_client(None, None).meta.region_name == "eu-west-1"
    assert make_client("eu-central-1", None).meta.region_name == "eu-central-1"


def test_without_credentials_ec2_is_not_reached(cli):
    pytest.importorskip("pyroute2")
    refusal = cli("agent", "--instance-id", "i-1", "--region", "us-east-1").refusal
    assert "there are no AWS credentials" in refusal


def test_settings_that_no_node_takes_are_refused(cli):
    pytest.importorskip("pyroute2")
    assert "WARM_IP_TARGET" in cli("agent", "--instance-id", "i-1", "--set", "WARM_IP_TARGTE=1").refusal


def test_a_log_that_nobody_reads_any_more_does_not_stop_the_agent(monkeypatch):
    class Gone:
        encoding = "utf-8"

        def write(self, _):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    agent._log("a line")
