"""What an import brings along: attrs and the standard library, nothing else. Each case runs in a fresh interpreter; nothing is timed."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
LIMITS_ALONE_NEED_NOT = {"vpcipam.ec2", "vpcipam.node", "vpcipam.planner", "vpcipam.datastore", "vpcipam.pool", "vpcipam.settings"}
CYTHON_RUNTIME = "cython_"  # modules that the compiled twin makes up on the spot, from no file

REPORT = """
import json, sys
before = set(sys.modules)
{statement}
new = set(sys.modules) - before
print(json.dumps(sorted(new)))
"""
EVERY_PUBLIC_NAME = "import vpcipam\nfor name in vpcipam.__all__: getattr(vpcipam, name)"


def run(program, **environment):
    """Run a program in a fresh interpreter and read its one line of JSON."""
    path = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
    finished = subprocess.run(  # noqa: S603 - this interpreter, and a program from this file
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def loaded(statement):
    return set(run(REPORT.format(statement=statement)))


def foreign(modules):
    return {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"vpcipam"}


@pytest.mark.parametrize(
    "statement",
    [
        "import vpcipam",
        "from vpcipam.limits import max_pods",
        "from vpcipam.limits import max_pods; max_pods('m5.large')",
        EVERY_PUBLIC_NAME,
    ],
    ids=["the package", "max_pods", "max_pods, called", "every public name"],
)
def test_an_import_brings_attrs_and_the_standard_library_alone(statement):
    assert {name for name in foreign(loaded(statement)) if not name.lstrip("_").startswith(CYTHON_RUNTIME)} <= {"attr", "attrs"}


def test_importing_the_package_loads_none_of_its_parts():
    assert {name for name in loaded("import vpcipam") if name.startswith("vpcipam.")} <= {"vpcipam._version"}


def test_max_pods_alone_loads_no_model_of_ec2():
    assert loaded("from vpcipam.limits import max_pods").isdisjoint(LIMITS_ALONE_NEED_NOT)


@pytest.mark.parametrize("first", ["vpcipam.limits", "vpcipam.limits.max_pods", "vpcipam.limits.instance_limits"])
def test_the_functions_of_limits_win_over_the_modules_of_their_names(first):
    program = f"import {first}; from vpcipam.limits import instance_limits, max_pods; print(max_pods(instance_limits('m5.large')))"
    assert run(program) == 29


def test_every_public_name_is_listed_and_is_the_one_of_its_module():
    program = """
import importlib, json, vpcipam
wrong = [name for name in vpcipam.__all__ if name not in dir(vpcipam)]
wrong += [name for name, module in vpcipam._MODULES.items()
          if getattr(vpcipam, name) is not getattr(importlib.import_module("vpcipam." + module), name)]
print(json.dumps(wrong))
"""
    assert run(program) == []


def test_type_checkers_and_the_interpreter_see_the_same_public_names():
    tree = ast.parse((SOURCE / "vpcipam" / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    for_types = {alias.asname: statement.module.removeprefix("vpcipam.") for statement in block.body for alias in statement.names}
    assert for_types == run("import json, vpcipam; print(json.dumps(vpcipam._MODULES))")


def test_a_name_that_is_not_public_is_an_attribute_error():
    program = "import json, vpcipam\ntry:\n    vpcipam.nonsense\nexcept AttributeError as error:\n    print(json.dumps(str(error)))"
    assert "nonsense" in run(program)


def test_the_plain_twin_brings_nothing_of_cython():
    program = REPORT.format(statement="import vpcipam.pool")
    assert foreign(run(program, VPCIPAM_NO_EXTENSION="1")) == set()
