"""The fixtures for users, in a suite of their own as users would write it; and the example."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "test_boto3_prefixes_offline.py"
SUITE = """
import pytest

def test_one(ec2_client, ec2_model, ec2_clock):
    ec2_clock.advance(3)
    vpc_id = ec2_client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet_id = ec2_client.create_subnet(VpcId=vpc_id, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    ec2_client.create_network_interface(SubnetId=subnet_id, Ipv4PrefixCount=1)
    (eni,) = ec2_model.describe_network_interfaces(now_ns=0)
    assert (eni.created_ns, eni.ipv4_prefixes) == (3_000_000_000, ("10.0.1.16/28",))

def test_two(ec2_client, ec2_model):
    assert ec2_model.vpcs == ()
    with pytest.raises(ec2_client.exceptions.ClientError):
        ec2_client.delete_vpc(VpcId="vpc-1")
"""


def run_pytest(*arguments, directory):
    return subprocess.run(  # noqa: S603 - this interpreter, and a suite from this file
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=directory,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
    )


def test_the_fixtures_give_every_test_its_own_model(tmp_path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["vpcipam.ec2.pytest_fixtures"]\n', encoding="utf-8")
    (tmp_path / "test_mine.py").write_text(SUITE, encoding="utf-8")
    finished = run_pytest(directory=tmp_path)
    assert finished.returncode == 0, finished.stdout
    assert "2 passed" in finished.stdout


def test_the_example_runs(tmp_path):
    finished = run_pytest("-c", os.devnull, f"--rootdir={tmp_path}", str(EXAMPLE), directory=tmp_path)
    assert finished.returncode == 0, finished.stdout
    assert "1 passed" in finished.stdout
