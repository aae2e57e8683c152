"""Settings with which the container never starts: no command says that pods run."""

import pytest

from vpcipam.ec2.fake import fake_client

SCENARIO = """
duration = "30 min"
subnet = [{name = "pods", cidr = "10.0.0.0/24"}]
workload = [{kind = "deployment", name = "web", replicas = 3}]
[[group]]
name = "workers"
instance_type = "m5.large"
count = 1
daemonset = "values.yaml"
[sweep]
seed = [1, 2]
[tune.settings]
WARM_IP_TARGET = ["00", 0]
"""
NEVER = [
    ("AWS_VPC_K8S_PLUGIN_LOG_FILE: stdout", "it is 'stdout'"),
    ("AWS_VPC_K8S_CNI_VETHPREFIX: toolong", "'toolong' is longer than 4 bytes"),
    ('IP_COOLDOWN_PERIOD: "30s"', "'30s' is not a whole number of up to 64 bits"),
    ('AWS_VPC_ENI_MTU: "100"', "'100' is not from 576 to 9001"),
    (
        '{ENABLE_PREFIX_DELEGATION: "true", WARM_PREFIX_TARGET: "0"}',
        "none of WARM_PREFIX_TARGET, WARM_IP_TARGET, MINIMUM_IP_TARGET is above 0",
    ),
    ("{ENABLE_POD_ENI: true, POD_SECURITY_GROUP_ENFORCING_MODE: Strict}", "'Strict' is not a mode, with ENABLE_POD_ENI on"),
]


@pytest.fixture(params=NEVER, ids=[name.strip("{").partition(":")[0] for name, _ in NEVER])
def case(request, tmp_path):
    """A Helm values file, a scenario that uses it, and the reason why the container exits."""
    env, reason = request.param
    (tmp_path / "values.yaml").write_text(f"env:\n  {env}\n" if not env.startswith("{") else f"env: {env}\n")
    (tmp_path / "fleet.toml").write_text(SCENARIO)
    return str(tmp_path / "values.yaml"), str(tmp_path / "fleet.toml"), reason


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_plan_is_refused_with_the_reason(cli, case, options):
    values, _, reason = case
    refusal = cli("plan", "m5.large", "--pods", "3", "--daemonset", values, *options).refusal
    assert "the container exits at its start, so no pod runs: " in refusal
    assert reason in refusal


@pytest.mark.parametrize("command", ["simulate", "sweep"])
def test_a_simulation_is_refused_with_the_reason(cli, case, command):
    _, scenario, reason = case
    refusal = cli(command, scenario).refusal
    assert refusal.startswith(f"{scenario}: group.workers.settings: ")
    assert "so no pod runs: " in refusal
    assert reason in refusal


def test_the_settings_command_shows_the_reason(cli, case):
    values, _, reason = case
    answer = cli("settings", values)
    assert "so no pod runs: " in answer.finding
    assert reason in answer.finding
    assert "refused, see the errors below" in " ".join(answer.out.split())


def test_inspecting_is_refused_with_the_reason(cli, case, monkeypatch):
    from vpcipam.cli import ec2_client  # noqa: PLC0415 - it needs boto3, which the other commands don't
    from vpcipam.ec2.model import Ec2Model  # noqa: PLC0415 - the same

    values, _, reason = case
    model = Ec2Model()
    subnet_id = model.create_subnet(model.create_vpc("10.0.0.0/16").vpc_id, "10.0.0.0/24").subnet_id
    instance_id = model.launch_instance("t3.small", subnet_id, now_ns=0).instance_id
    monkeypatch.setattr(ec2_client, "make_client", lambda _region, _profile: fake_client("ec2", model, region_name="eu-west-1"))
    refusal = cli("inspect", "--ec2", "--instance-id", instance_id, "--daemonset", values).refusal
    assert "so no pod runs: " in refusal
    assert reason in refusal


def test_tuning_runs_only_the_combinations_that_start(cli, tmp_path):
    (tmp_path / "values.yaml").write_text("env: {ENABLE_PREFIX_DELEGATION: true}\n")
    path = tmp_path / "fleet.toml"
    path.write_text(SCENARIO.replace("[tune.settings]", "[tune.settings]\nWARM_PREFIX_TARGET = [0]"))
    document = cli("tune", str(path), "--json").document
    assert document["best"]["settings"] == {"WARM_PREFIX_TARGET": "0", "WARM_IP_TARGET": "00"}
    (failure,) = document["failures"]
    assert failure["settings"] == {"WARM_PREFIX_TARGET": "0", "WARM_IP_TARGET": "0"}
    assert "so no pod runs" in failure["error"]
    answer = cli("tune", str(path), "--set", "tune.settings.WARM_IP_TARGET=[0]")
    assert answer.finding.startswith("no combination can be run: WARM_PREFIX_TARGET: the container exits at its start")


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000], ids=["decimal", "hexadecimal"])
def test_a_number_too_long_to_write_is_refused(cli, tmp_path, number):
    path = tmp_path / "fleet.toml"
    path.write_text(SCENARIO.replace('daemonset = "values.yaml"\n', ""))
    for change in ("seed", "duration", "sweep.seed", "group.workers.settings.MAX_ENI", "x.y"):
        for text in (f"{change}={number}", f"{change}=[1, {number}]"):
            refusal = cli("sweep", str(path), "--set", text).refusal
            assert f"{change}" in refusal
            assert "a whole number is beyond the 64 bits that TOML has" in refusal
    assert "characters; if it is a text, put it in quotes" in cli("settings", "-", stdin=f"env:\n  MAX_ENI: {number}\n").refusal
    assert "'9" in cli("plan", "m5.large", "--pods", "1", "--set", "MAX_ENI=" + "9" * 5000).err
