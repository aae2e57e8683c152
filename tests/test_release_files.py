"""Files that only a release or a robot reads, so that nobody notices if they no longer fit the project."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CHECK = runpy.run_path(str(ROOT / "tools" / "check_dist.py"))
COMPILED, wheel_problems = CHECK["COMPILED"], CHECK["wheel_problems"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINNED = re.compile(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")

pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="an sdist has no workflows")


def load(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def steps():
    for path in WORKFLOWS:
        for job in load(path)["jobs"].values():
            yield from job["steps"]


def test_every_action_is_pinned_to_a_commit_whose_version_is_named():
    uses = [line.partition("uses: ")[2] for path in WORKFLOWS for line in path.read_text(encoding="utf-8").splitlines() if "uses: " in line]
    assert uses
    assert [each for each in uses if not PINNED.fullmatch(each)] == []


def test_an_action_has_one_version():
    versions = {}
    for each in steps():
        name, _, commit = each.get("uses", "").partition("@")
        versions.setdefault(name, set()).add(commit)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


def test_no_job_keeps_the_token_of_its_checkout():
    checkouts = [each for each in steps() if each.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(each["with"] == {"persist-credentials": False} for each in checkouts)


def test_only_the_job_that_publishes_may_write():
    for path in WORKFLOWS:
        workflow = load(path)
        assert workflow["permissions"] == {"contents": "read"}
        writing = {name for name, job in workflow["jobs"].items() if "write" in job.get("permissions", {}).values()}
        assert writing <= {"publish", "site"}


def test_the_publishing_job_downloads_what_others_upload():
    uploaded, wanted = set(), set()
    for each in steps():
        action = each.get("uses", "").partition("@")[0]
        if action == "actions/upload-artifact":
            uploaded.add(each["with"]["name"].partition("$")[0])
        if action == "actions/download-artifact":
            wanted.update(re.findall(r"[\w-]+", each["with"].get("name") or each["with"]["pattern"]))
    assert wanted == uploaded == {"sdist", "sbom", "wheels-"}


def test_the_pythons_of_metadata_wheels_and_tests_are_the_same():
    named = [each.rpartition(" ")[2] for each in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", each)]
    wheels = [f"3.{each}" for each in re.findall(r"cp3(\d+)-", PROJECT["tool"]["cibuildwheel"]["build"])]
    tested = load(".github/workflows/ci.yml")["jobs"]["versions"]["strategy"]["matrix"]["python"]
    assert named == wheels == tested
    assert PROJECT["project"]["requires-python"] == f">={named[0]}"


def test_the_lock_has_the_dependencies_of_the_project():
    locked = {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]}["vpcipam"]
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    assert sorted(map(_locked, locked["metadata"]["requires-dist"])) == sorted(map(_declared, lines))
    groups = {name: [line for line in lines if isinstance(line, str)] for name, lines in PROJECT["dependency-groups"].items()}
    for name, lines in groups.items():
        entries = {_locked(each) for each in locked["metadata"]["requires-dev"][name]}
        assert set(map(_declared, lines)) <= entries


def _locked(entry):
    return entry["name"].lower(), entry.get("specifier", "")


def _declared(line):
    name, specifier = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?\s*([^;]*?)\s*(?:;.*)?", line).groups()
    return name.lower().replace("_", "-"), specifier


def test_every_address_of_the_project_is_that_of_the_metadata():
    home = PROJECT["project"]["urls"]["Homepage"]
    files = [ROOT / "SECURITY.md", ROOT / "CITATION.cff", *(ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")]
    found = [url for path in files for url in re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", path.read_text(encoding="utf-8"))]
    assert set(found) == {home}
    assert all(url.startswith((home, "https://vpcipam.github.io/")) for url in PROJECT["project"]["urls"].values())


def test_the_citation_has_what_its_format_needs():
    citation = load("CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["title"] == PROJECT["project"]["name"]
    assert citation["license"] == PROJECT["project"]["license"]


@pytest.mark.parametrize("left_out", COMPILED)
def test_a_wheel_without_one_of_the_compiled_modules_is_noticed(left_out):
    suffix = f".cpython-{sys.version_info[0]}{sys.version_info[1]}-x86_64-linux-gnu.so"
    others = ["vpcipam/py.typed", "vpcipam/_pool.pyi", "vpcipam/pool/addresses.pyi", "vpcipam/limits/data/types.json"]
    others += ["vpcipam/cli/report.html", "vpcipam/ec2/serve/page.html"]
    whole = [*others, *(f"{each}{suffix}" for each in COMPILED)]
    assert wheel_problems(whole) == []
    without = [name for name in whole if name != f"{left_out}{suffix}"]
    assert wheel_problems(without) == [f"the compiled {left_out} is missing: was there a C compiler?"]


def test_every_extension_of_the_build_is_checked_for():
    built = re.findall(r'Extension\("([\w.]+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert sorted(each.replace(".", "/") for each in built) == sorted(COMPILED)


COMPILER = """#!/bin/sh
# Writes empty files in place of compiled ones, and fails for one of the sources.
case "$*" in *"$REFUSED"*) exit 1;; esac
while [ $# -gt 0 ]; do [ "$1" = -o ] && : >"$2"; shift; done
"""


@pytest.mark.thorough
@pytest.mark.parametrize("refused", ["_loop_py", "addresses", "_pool.c"])
def test_a_build_has_all_extensions_or_none(tmp_path, refused):
    kept = shutil.ignore_patterns("*.so", "__pycache__", "*.csv", "*.html")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=kept)  # with the C that an earlier build left, which is not made again
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tmp_path / name)
    compiler = tmp_path / "cc"
    compiler.write_text(COMPILER, encoding="utf-8")
    compiler.chmod(0o755)

    def build(refused, *options):
        environment = os.environ | {"CC": str(compiler), "LDSHARED": f"{compiler} -shared", "REFUSED": refused}
        environment.pop("VPCIPAM_REQUIRE_EXTENSION", None)
        command = [sys.executable, "setup.py", "build_ext", *options]
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)  # noqa: S603 - this interpreter
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr, sorted({path.name.partition(".")[0] for path in tmp_path.rglob("*.so")})

    names = sorted(each.rpartition("/")[2] for each in COMPILED)
    assert build("nothing", "--inplace")[1] == names
    said, built = build(refused, "--inplace")
    assert built == []
    assert "not all extensions could be compiled" in said
    assert build("nothing", "--build-lib", "build/lib")[1] == names
    assert build(refused, "--build-lib", "build/lib")[1] == []


REFUSER = """
import sys

class Refuser:
    def find_spec(self, name, path=None, target=None):
        if name in REFUSED:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Refuser())
import pytest
sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *FOLDERS]))
"""
BY_EXTRA = {
    "ec2": ("boto3", "botocore"),
    "serve": ("starlette", "uvicorn"),
    "dask": ("distributed",),
    "plots": ("matplotlib",),
    "datapath": ("pyroute2",),
}


@pytest.mark.thorough
def test_the_tests_of_a_wheel_need_no_more_than_is_installed_for_them():
    wheels = PROJECT["tool"]["cibuildwheel"]
    refused = {module for extra, modules in BY_EXTRA.items() if extra not in wheels["test-extras"] for module in modules} | {
        "moto",
        "flask",
    }
    folders = re.findall(r"\{project\}/(\S+)", wheels["test-command"])
    assert folders
    program = f"REFUSED = {refused!r}\nFOLDERS = {folders!r}\n{REFUSER}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True)  # noqa: S603 - this interpreter
    assert done.returncode == 0, done.stdout[-2000:]
