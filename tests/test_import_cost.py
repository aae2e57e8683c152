"""What an import brings along: attrs and the standard library, nothing else. Each case runs in a fresh interpreter; nothing is timed."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vpcipam
import vpcipam.planner

SOURCE = Path(vpcipam.__file__).parents[1]
LIMITS_ALONE_NEED_NOT = {"vpcipam.ec2", "vpcipam.node", "vpcipam.planner", "vpcipam.datastore", "vpcipam.pool", "vpcipam.settings"}
CYTHON_RUNTIME = "cython_"  # modules that the compiled twin makes up on the spot, from no file

REPORT = """
import json, sys
before = set(sys.modules)
{statement}
new = set(sys.modules) - before
print(json.dumps(sorted(new)))
"""
COMMAND = "from vpcipam.cli import main\nsys.stdout = None\nmain({arguments!r})\nsys.stdout = sys.__stdout__"
WITHOUT_EXTRAS = """
import importlib, json, pkgutil, sys

class OnlyAttrs:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in sys.stdlib_module_names | {"vpcipam", "attr", "attrs", "cython_runtime"}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, OnlyAttrs())
import vpcipam
from vpcipam.errors import MissingExtra
said = {}
names = [each.name for each in pkgutil.walk_packages(vpcipam.__path__, "vpcipam.", onerror=lambda name: None)]
for name in names:
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except MissingExtra as error:
        said[name] = str(error)
    except ImportError as error:
        said[name] = repr(error)
print(json.dumps(said))
"""
BY_OTHERS = {"vpcipam.ec2.pytest_fixtures", "vpcipam.testing.plugin", "vpcipam.settings.yaml_loader"}
"""pytest imports the first two, and `documents` the last, where the extra is named."""
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


LAZY_PACKAGES = ("vpcipam", "vpcipam.planner")


@pytest.mark.parametrize("package", LAZY_PACKAGES)
def test_every_public_name_is_listed_and_is_the_one_of_its_module(package):
    program = f"""
import importlib, json
package = importlib.import_module({package!r})
wrong = [name for name in package.__all__ if name not in dir(package)]
wrong += [name for name, module in package._MODULES.items()
          if getattr(package, name) is not getattr(importlib.import_module(f"{package}.{{module}}"), name)]
print(json.dumps(wrong))
"""
    assert run(program) == []


@pytest.mark.parametrize("package", LAZY_PACKAGES)
def test_type_checkers_and_the_interpreter_see_the_same_public_names(package):
    tree = ast.parse(SOURCE.joinpath(*package.split("."), "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    for_types = {alias.asname: statement.module.removeprefix(f"{package}.") for statement in block.body for alias in statement.names}
    assert for_types == run(f"import json, {package}; print(json.dumps({package}._MODULES))")


def test_a_name_that_is_not_public_is_an_attribute_error():
    program = "import json, vpcipam\ntry:\n    vpcipam.nonsense\nexcept AttributeError as error:\n    print(json.dumps(str(error)))"
    assert "nonsense" in run(program)
    with pytest.raises(AttributeError, match=r"'vpcipam\.planner' has no attribute 'nonsense'"):
        vpcipam.planner.nonsense  # noqa: B018 - the access is what fails
    assert {*vpcipam.planner.__all__} <= {*dir(vpcipam.planner)}


def test_the_plain_twin_brings_nothing_of_cython():
    program = REPORT.format(statement="import vpcipam.pool")
    assert foreign(run(program, VPCIPAM_NO_EXTENSION="1")) == set()


# --- the command line ----------------------------------------------------------------------------------------------------

FLEETS = {"vpcipam.fleet"}
READERS = {"vpcipam.inspection", "vpcipam.contracts"}
NODES = {"vpcipam.planner", "vpcipam.node", "vpcipam.datastore", "vpcipam.ec2", "vpcipam.pool", "vpcipam.events"}
CLUSTERS = {"vpcipam.planner.cluster", "vpcipam.planner.present", "vpcipam.planner.subnet_packing", "tomllib"}
CONDITIONS = {
    f"vpcipam.ec2.{name}" for name in ("conditions", "faults", "latency", "throttle", "over_time.interceptor", "worlds", "state.invariants")
}
OTHER_FORMS = {"csv", "json", "vpcipam.cli.markdown", "click.shell_completion"}
NETWORK = {"socket", "asyncio", "boto3", "uvicorn", "starlette", "vpcipam.ec2.serve", "vpcipam.ec2.fake", "vpcipam.ec2.boto"}
NEVER = NETWORK | {"rich", "matplotlib", "distributed", "hypothesis"}

EXAMPLES = SOURCE.parent / "examples"
LOADS_NONE_OF = {
    "--version": {"attrs", "yaml", "pathlib"},
    "--help": {"attrs", "yaml", "pathlib"},
    "limits m5.large": FLEETS | READERS | NODES | OTHER_FORMS | {"vpcipam.settings", "yaml", "pathlib"},
    "max-pods m5.large": FLEETS | READERS | NODES | OTHER_FORMS | {"vpcipam.settings", "yaml", "pathlib"},
    f"settings {EXAMPLES}/aws-node.yaml": FLEETS | READERS | NODES,
    "plan m5.large --pods 3": CONDITIONS
    | FLEETS
    | READERS
    | CLUSTERS
    | OTHER_FORMS
    | {"yaml", "pathlib", "difflib", "vpcipam.cli.plan_from"},
    "size m5.large --nodes 3 --pods 3 --zones 3": FLEETS | READERS | {"yaml", "vpcipam.planner.present"},
    f"simulate {EXAMPLES}/scenarios/rolling-deployment.toml": READERS | {"yaml", "multiprocessing"},
    f"inspect {EXAMPLES}/present/nodes.json": FLEETS | {"vpcipam.planner.cluster", "yaml"},
    f"verify {EXAMPLES}/ipamd.log": FLEETS | {"vpcipam.planner.cluster", "yaml"},
    "serve --help": FLEETS | READERS | NODES | {"yaml"},
    "completion bash": FLEETS | READERS | NODES | {"yaml", "pathlib"},
}


@pytest.mark.parametrize("command", LOADS_NONE_OF, ids=lambda command: command.split()[0])
def test_a_command_loads_nothing_that_it_does_not_need(command):
    modules = loaded(COMMAND.format(arguments=command.split()))
    assert "click" in modules
    assert modules & (LOADS_NONE_OF[command] | NEVER) == set()


def test_the_plugin_loads_only_what_every_call_needs():
    """The runtime starts it at each pod."""
    modules = loaded("import vpcipam.agent.cni")
    assert {name for name in modules if name.startswith("vpcipam")} == {
        *("vpcipam", "vpcipam._version", "vpcipam.errors", "vpcipam.agent", "vpcipam.agent.cni", "vpcipam.agent.wire")
    }
    assert modules & {"attr", "attrs", "pathlib", "subprocess", "asyncio", "hashlib", "argparse", "logging"} == set()


def test_the_help_of_the_program_loads_no_command():
    commands = {path.stem for path in (SOURCE / "vpcipam" / "cli").glob("*.py")} - {
        "__init__",
        "app",
        "exit_codes",
        "help_format",
        "streams",
    }
    assert loaded(COMMAND.format(arguments=["--help"])) & {f"vpcipam.cli.{name}" for name in commands} == set()


def test_without_extras_every_module_can_be_imported_or_names_the_one_to_install():
    said = {name: text for name, text in run(WITHOUT_EXTRAS).items() if name not in BY_OTHERS and not name.startswith("vpcipam.cli")}
    assert {"vpcipam.ec2.serve", "vpcipam.ec2.offline", "vpcipam.ec2.fake", "vpcipam.testing.machine"} <= said.keys()
    assert [text for text in said.values() if "pip install 'vpcipam[" not in text] == []
