"""The comparing examples print what docs/policies.md and docs/fragmentation.md show."""

import runpy
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"


@pytest.fixture(scope="module")
def fragmentation():
    """The names of the example."""
    return runpy.run_path(str(EXAMPLES / "fragmentation.py"))


@pytest.fixture(scope="module")
def compare():
    """The main function of the example."""
    return runpy.run_path(str(EXAMPLES / "compare.py"))["main"]


@pytest.mark.parametrize("reserve", [False, True])
def test_the_documented_strips_are_those_of_the_example(fragmentation, reserve):
    text = (REPOSITORY / "docs" / "fragmentation.md").read_text(encoding="utf-8")
    assert "\n".join(fragmentation["drawn"](reserve=reserve)) in text


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(5))
def test_single_addresses_use_up_all_prefixes_unless_a_range_is_reserved(fragmentation, seed):
    usable = fragmentation["USABLE"]
    taken = fragmentation["last_prefix_gone"](seed)
    assert taken < len(usable) // 2
    for reserve in (False, True):
        others = fragmentation["Others"](seed, reserve=reserve)
        others.take(taken)
        space = others.ec2.subnet_space(others.subnet_id)
        assert space.free + space.reserved > len(usable) // 2
        assert space.free_prefix_count == (31 if reserve else 0)
        assert others.prefix() == ("10.0.2.0/28" if reserve else "InvalidParameterValue")


def table(text):
    """The rows of a Markdown table, by their first cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows[2:]}


@pytest.mark.thorough
def test_packed_holds_fewer_addresses_than_random_when_pods_become_fewer(compare, capsys):
    changes = ("duration='8 h'", "workload.1.wave.peak_hour=2", "workload.1.per_hour=125", "group.workers.count=2")
    arguments = ["group.workers.placement", "packed", "random", *(f"--set={change}" for change in changes), "--seeds=1"]
    compare([str(EXAMPLES / "scenarios" / "churn.toml"), *arguments])
    rows = table(capsys.readouterr().out)
    assert float(rows["packed"]["addresses, mean"]) < float(rows["random"]["addresses, mean"])


@pytest.mark.thorough
def test_every_policy_runs_a_scenario(compare, capsys, tmp_path):
    policies = ["ipamd", "cilium-eni", "{ name = 'azure-cns', batch = 8 }", "hysteresis"]
    changes = ("duration='1 h'", "workload.1.per_hour=200", "group.workers.count=2")
    arguments = ["group.workers.policy", *policies, *(f"--set={change}" for change in changes), "--seeds=2"]
    compare([str(EXAMPLES / "scenarios" / "churn.toml"), *arguments, f"--plot={tmp_path / 'policies.png'}"])
    rows = table(capsys.readouterr().out)
    assert list(rows) == policies
    assert (tmp_path / "policies.png").read_bytes().startswith(b"\x89PNG")
    assert " to " in rows["ipamd"]["of them warm, mean"]
