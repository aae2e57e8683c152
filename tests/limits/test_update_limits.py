"""The tool that makes the table: its pure parts, and a run on made wheels. Nothing here reaches a network."""

import gzip
import importlib.util
import json
import zipfile
from pathlib import Path

import attrs
import pytest

from vpcipam.limits import InstanceLimits, parse_row
from vpcipam.limits import table as limits_table

PATH = Path(__file__).parents[2] / "tools" / "update_limits.py"
SMALL = InstanceLimits(instance_type="a.small", eni_limit=2, ipv4_per_eni=3)
LARGE = InstanceLimits(instance_type="b.large", eni_limit=3, ipv4_per_eni=10, network_cards=(3, 2), efa=True, vcpus=64)
METAL = InstanceLimits(instance_type="b.metal", eni_limit=15, ipv4_per_eni=50, bare_metal=True, ipv6_per_eni=0)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("update_limits", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def describe(own):
    """The item of EC2's answer that these limits came from."""
    return {
        "InstanceType": own.instance_type,
        "BareMetal": own.bare_metal,
        **({"Hypervisor": own.hypervisor} if own.hypervisor else {}),
        "VCpuInfo": {"DefaultVCpus": own.vcpus},
        "NetworkInfo": {
            "NetworkCards": [{"NetworkCardIndex": index, "MaximumNetworkInterfaces": each} for index, each in enumerate(own.network_cards)],
            "Ipv4AddressesPerInterface": own.ipv4_per_eni,
            "Ipv6AddressesPerInterface": own.ipv6_per_eni,
            "EfaSupported": own.efa,
        },
    }


def write_wheel(folder, version, found, *, packed=True):
    content = json.dumps({own.instance_type: describe(own) for own in found}).encode()
    with zipfile.ZipFile(folder / f"moto-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr("moto/ec2/resources/instance_type_offerings/region/us-east-1.json", "[]")
        archive.writestr("moto/ec2/resources/instance_types.json" + ".gz" * packed, gzip.compress(content) if packed else content)


def as_table(*found):
    return {own.instance_type: own for own in found}


# --- pure parts ----------------------------------------------------------------------------------------------------------


def test_versions_are_sorted_as_numbers_and_only_final_ones_of_the_major_version(tool):
    text = "moto (5.2.5)\nAvailable versions: 5.2.5, 5.10.0, 5.2.0rc1, 5.0.0, 4.2.14, 5.2.5, 6.0.0, 15.1\n  INSTALLED: 5.1.9\n"
    assert tool.parse_versions(text) == ((5, 0, 0), (5, 2, 5), (5, 10, 0))


def test_an_index_without_answer_is_refused(tool):
    with pytest.raises(tool.UpdateError, match="is the index reachable"):
        tool.parse_versions("ERROR: No matching distribution found for moto\n")


def test_the_last_snapshot_with_a_type_wins(tool):
    newer = attrs.evolve(LARGE, network_cards=(3,))
    assert tool.merge([[SMALL, LARGE], [newer, METAL]]) == as_table(SMALL, newer, METAL)


def test_a_written_table_reads_back(tool):
    text = tool.format_table(as_table(METAL, LARGE, SMALL), ["moto 5.0.0, 5.0.1", "own.json (1 types)"])
    assert tool.parse_table(text) == (as_table(SMALL, LARGE, METAL), ["moto 5.0.0, 5.0.1", "own.json (1 types)"])
    assert text.endswith("a.small\t2\t0\t3\t3\tnitro\t2\t-\nb.large\t3,2\t0\t10\t10\tnitro\t64\tefa\nb.metal\t15\t0\t50\t0\tmetal\t2\t-\n")


def test_the_order_of_the_types_does_not_matter(tool):
    assert tool.format_table(as_table(METAL, SMALL), ["x"]) == tool.format_table(as_table(SMALL, METAL), ["x"])


def test_the_library_reads_what_the_tool_writes(tool, monkeypatch):
    text = tool.format_table(as_table(SMALL, METAL), ["x"])
    monkeypatch.setattr(limits_table, "_read_table", lambda: text)
    assert [parse_row(row) for row in limits_table._rows.__wrapped__().values()] == [SMALL, METAL]


def test_the_librarys_table_is_what_the_tool_would_write(tool):
    text = tool.TABLE_PATH.read_text(encoding="utf-8")
    assert tool.format_table(*tool.parse_table(text)) == text


def test_the_librarys_table_of_branch_enis_is_what_the_tool_would_write(tool):
    text = tool.BRANCH_PATH.read_text(encoding="utf-8")
    assert tool.format_branch_enis(tool.parse_branch_enis(text), tool.find_sources(text)) == text


def test_changes_are_reported_for_each_type(tool):
    changed = attrs.evolve(LARGE, network_cards=(3,), vcpus=32)
    assert tool.describe_changes(as_table(SMALL, LARGE), as_table(METAL, changed)) == [
        "added b.metal: 15 ENIs of 50 IPv4 addresses, bare metal",
        "removed a.small",
        "changed b.large: network_cards [3, 2] -> [3], vcpus 64 -> 32",
    ]
    assert tool.describe_changes(as_table(SMALL), as_table(SMALL)) == []


# --- runs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def releases(tool, tmp_path, monkeypatch):
    """Two releases in the cache, and an index that lists them."""
    cache = tmp_path / "cache"
    cache.mkdir()
    write_wheel(cache, "5.0.0", [SMALL, LARGE], packed=False)
    write_wheel(cache, "5.10.1", [attrs.evolve(LARGE, vcpus=32), METAL])
    calls = []

    def answer(*arguments):
        calls.append(arguments)
        return "Available versions: 5.10.1, 5.0.0\n"

    monkeypatch.setattr(tool, "_pip", answer)
    monkeypatch.setattr(tool, "FEWEST_TYPES", 3)
    return cache, tmp_path / "table.tsv", calls


def test_a_run_unites_all_releases(tool, releases, capsys):
    cache, table, calls = releases
    assert tool.main(["--cache", str(cache), "--table", str(table)]) == 0
    found, sources = tool.parse_table(table.read_text(encoding="utf-8"))
    assert found == as_table(SMALL, attrs.evolve(LARGE, vcpus=32), METAL)
    assert sources == ["moto 5.0.0, 5.10.1"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["[1/2] moto 5.0.0: 2 types", "[2/2] moto 5.10.1: 2 types"]
    assert printed[-1] == "table.tsv: 3 types, 3 changes"
    assert [call[0] for call in calls] == ["index"]


def test_the_same_input_gives_the_same_bytes(tool, releases, capsys):
    cache, table, _ = releases
    tool.main(["--cache", str(cache), "--table", str(table)])
    before = table.read_bytes()
    tool.main(["--cache", str(cache), "--table", str(table)])
    assert table.read_bytes() == before
    assert capsys.readouterr().out.splitlines()[-1] == "table.tsv: 3 types, 0 changes"


def test_an_answer_of_ec2_goes_on_top(tool, releases, tmp_path, capsys):
    cache, table, _ = releases
    tool.main(["--cache", str(cache), "--table", str(table)])
    answer = tmp_path / "own.json"
    answer.write_text(json.dumps({"InstanceTypes": [describe(attrs.evolve(SMALL, eni_limit=4, network_cards=(4,)))]}))
    assert tool.main(["--keep", "--from-json", str(answer), "--table", str(table)]) == 0
    found, sources = tool.parse_table(table.read_text(encoding="utf-8"))
    assert found["a.small"].eni_limit == 4
    assert len(found) == 3
    assert sources == ["moto 5.0.0, 5.10.1", "own.json (1 types)"]
    assert "changed a.small: eni_limit 2 -> 4, network_cards [2] -> [4], " not in capsys.readouterr().out


def test_a_run_keeps_the_types_that_no_release_has_and_their_source(tool, releases):
    cache, table, _ = releases
    own = attrs.evolve(SMALL, instance_type="own.metal")
    table.write_text(tool.format_table(as_table(own, attrs.evolve(SMALL, eni_limit=9, network_cards=(9,))), ["moto 5.0.0", "by hand"]))
    assert tool.main(["--cache", str(cache), "--table", str(table)]) == 0
    found, sources = tool.parse_table(table.read_text(encoding="utf-8"))
    assert found == as_table(own, SMALL, attrs.evolve(LARGE, vcpus=32), METAL)
    assert sources == ["moto 5.0.0, 5.10.1", "by hand"]


def test_branch_enis_come_from_a_csv_file_and_types_that_it_lacks_stay(tool, releases, tmp_path, capsys):
    _, table, _ = releases
    table.write_text(tool.format_table(as_table(SMALL), ["x"]))
    branches, source = tmp_path / "branches.tsv", tmp_path / "branch.csv"

    def run(*rows):
        source.write_text("\n".join(["instance_type,trunk_compatible,branch_eni_limit", *rows, ""]))
        arguments = ["--keep", "--table", str(table), "--branch-enis", str(source), "--branch-table", str(branches)]
        return tool.main(arguments), branches.read_text(encoding="utf-8") if branches.exists() else None

    code, text = run("b.large,true,9", "a.small,false,0")
    assert (code, tool.parse_branch_enis(text)) == (0, {"a.small": 0, "b.large": 9})
    assert text.endswith("# Source: branch.csv (2 types)\ninstance_type\tbranch_enis\na.small\t0\nb.large\t9\n")
    assert run("b.large,true,9", "a.small,false,0") == (0, text)
    code, text = run("b.large,true,18")
    assert (code, tool.parse_branch_enis(text)) == (0, {"a.small": 0, "b.large": 18})
    assert tool.find_sources(text) == ["branch.csv (2 types)", "branch.csv (1 types)"]
    assert "b.large: branch ENIs 9 -> 18\n" in capsys.readouterr().out
    for row in ("b.large,true,0", "b.large,false,3", "b.large,yes,9", "b.large,true,-1", "b.large,true", ",true,9"):
        assert run(row) == (1, text)
        assert f"has a wrong line: {row!r}" in capsys.readouterr().err
    source.write_text("")
    assert tool.main(["--keep", "--table", str(table), "--branch-enis", str(source), "--branch-table", str(branches)]) == 1
    assert "must begin with the line instance_type,trunk_compatible,branch_eni_limit" in capsys.readouterr().err


def test_too_few_types_leave_the_table_as_it_was(tool, releases, monkeypatch, capsys):
    cache, table, _ = releases
    monkeypatch.setattr(tool, "FEWEST_TYPES", 4)
    assert tool.main(["--cache", str(cache), "--table", str(table)]) == 1
    assert not table.exists()
    assert "found only 3 types, expected 4 or more" in capsys.readouterr().err


def test_a_wheel_without_snapshot_is_refused(tool, releases, capsys):
    cache, table, _ = releases
    with zipfile.ZipFile(cache / "moto-5.0.0-py3-none-any.whl", "w") as archive:
        archive.writestr("moto/__init__.py", "")
    assert tool.main(["--cache", str(cache), "--table", str(table)]) == 1
    assert "moto-5.0.0-py3-none-any.whl holds 0 files" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "5", '[{"InstanceType": "a"}]', "[5]"])
def test_an_answer_that_cannot_be_read_leaves_the_table_as_it_was(tool, releases, tmp_path, capsys, text):
    cache, table, _ = releases
    tool.main(["--cache", str(cache), "--table", str(table)])
    before = table.read_bytes()
    (tmp_path / "own.json").write_text(text)
    assert tool.main(["--keep", "--from-json", str(tmp_path / "own.json"), "--table", str(table)]) == 1
    assert table.read_bytes() == before
    assert capsys.readouterr().err.startswith("error: ")


def test_a_missing_file_is_an_error_and_not_a_traceback(tool, tmp_path, capsys):
    assert tool.main(["--keep", "--from-json", str(tmp_path / "none.json"), "--table", str(tmp_path / "table.tsv")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_a_missing_wheel_is_downloaded_into_the_cache(tool, tmp_path, monkeypatch):
    def download(*arguments):
        assert arguments[0] == "download"
        assert arguments[-1] == "moto==5.0.0"
        write_wheel(tmp_path / "new", "5.0.0", [SMALL])

    monkeypatch.setattr(tool, "_pip", download)
    assert tool.read_snapshot(tool.find_wheel((5, 0, 0), tmp_path / "new")) == (SMALL,)


def test_a_failing_pip_is_reported(tool):
    with pytest.raises(tool.UpdateError, match=r"`pip no-such-command` failed: .*no-such-command"):
        tool._pip("no-such-command")


def test_pip_that_works_gives_its_output(tool, monkeypatch):
    monkeypatch.setattr(tool.subprocess, "run", lambda *_args, **_keywords: tool.subprocess.CompletedProcess([], 0, "printed", ""))
    assert tool._pip("index") == "printed"
