"""Who may import whom, and who may reach outside: read from the source, so that nothing has to run for it."""

import ast
import re
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"

# The rooms of the package: a folder, or a module beside them. A room may import from lines above its own, never below.
ROOMS = (
    "_version",
    "errors",
    "_arguments",
    "_units",
    "_chance",
    "address",
    "sandbox",
    "_pool_refusals",
    "_pool",
    "pool",
    "stats",
    "limits",
    "settings",
    "journal",
    "quarantine",
    "restoration",
    "events",
    "datastore",
    "warmpool",
    "policies",
    "ec2",
    "action",
    "node",
    "planner",
    "prometheus",
    "fleet",
    "inspection",
    "report",
    "cli",
)
MOST_FLOORS = 11  # from errors to cli

# A module that answers under its old address with what a lower room has.
FORWARDERS = {"vpcipam.fleet.plots"}

# What a module may take from outside the standard library, beside attrs; "lazily": inside a function, so that importing it needs nothing.
EXTRAS = {
    "vpcipam.settings.manifest": {"yaml": "lazily"},
    "vpcipam.ec2.boto": {"botocore": "at import"},
    "vpcipam.ec2.fake": {"boto3": "at import", "botocore": "at import"},
    "vpcipam.ec2.pytest_fixtures": {"pytest": "at import"},
    "vpcipam.report.page": {"matplotlib": "at import"},
}

# Modules that answer differently from one run, machine or moment to the next. `os` is looked at name by name.
OUTSIDE = {
    *("time", "datetime", "random", "secrets", "uuid", "socket", "ssl", "select", "selectors", "urllib", "http", "ftplib", "smtplib"),
    *("subprocess", "multiprocessing", "threading", "asyncio", "concurrent", "signal", "tempfile", "shutil", "glob", "fileinput"),
    *("platform", "locale", "getpass", "pwd", "sqlite3", "mmap", "fcntl", "logging", "pathlib", "io"),
}
HARMLESS_OS_NAMES = {"PathLike", "fspath", "fsdecode", "fsencode"}
OUTSIDE_CALLS = {"open", "input", "print", "breakpoint", "exec", "eval"}
OUTSIDE_METHODS = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "getenv", "urandom"}

# Whose stated job it is, and what the job is.
ALLOWED = {
    "vpcipam.node.provisioner": {"datetime": "the tag that tells when an ENI was made, to and from text"},
    "vpcipam.pool": {"os.environ": "VPCIPAM_NO_EXTENSION picks the twin"},
    "vpcipam.limits.table": {"read_text": "the table of instance types, once"},
    "vpcipam.settings.manifest": {"open": "a manifest that is given by its path"},
    "vpcipam.journal.files": dict.fromkeys(
        (
            "open",
            "read_bytes",
            "pathlib",
            "os.open",
            "os.write",
            "os.fsync",
            "os.close",
            "os.O_WRONLY",
            "os.O_RDONLY",
            "os.O_CREAT",
            "os.O_TRUNC",
        ),
        "the journals' files",
    ),
    "vpcipam.journal.lock": dict.fromkeys(
        (
            *("fcntl", "open", "pathlib", "os.open", "os.pread", "os.pwrite", "os.ftruncate", "os.close", "os.O_RDWR", "os.O_CREAT"),
            *("os.getpid", "os.register_at_fork", "threading"),
        ),
        "the journals' lock, and who has it",
    ),
    "vpcipam.journal.ipam_json": {"pathlib": "where the checkpoint is"},
    "vpcipam.journal.schema": {"sqlite3": "a type; `sqlite` opens the database"},
    "vpcipam.journal.sqlite": {
        "sqlite3": "the journal",
        "pathlib": "where it is",
        "tempfile": "the copy of a damaged one",
        "write_bytes": "the same",
    },
    "vpcipam.node.node": {"threading": "the calls of the control loop follow each other"},
    "vpcipam.pool.plain_addresses": {"threading": "the lock of an owner that any thread may call"},
    "vpcipam.prometheus": {"threading": "events come of several threads"},
    "vpcipam.fleet.workload": {"random": "draws pods from a seed that is given"},
    "vpcipam.fleet.trace": {
        "open": "a trace that is given by its path",
        "pathlib": "the path",
        "datetime": "reads times of a trace; the clock is not read",
    },
    "vpcipam.fleet.toml.workload": {"pathlib": "joins a trace's name to the scenario's folder"},
    "vpcipam.fleet.scenario": {"open": "a scenario that is given by its path", "pathlib": "the path"},
    "vpcipam.ec2.offline.wire": {"urllib.parse": "reads forms; nothing is fetched"},
    "vpcipam.ec2.answers": {"datetime": "reads times of answers; the clock is not read"},
    "vpcipam.ec2.offline.views": {"datetime": "writes the times of answers; the clock is not read"},
    "vpcipam.ec2.fake": {"os.devnull": "where botocore's session finds no configuration"},
    "vpcipam.ec2.boto": {"time": "waits between attempts", "random": "lengthens the waits", "uuid": "tokens; all three can be given"},
    "vpcipam.fleet.tune": {"concurrent.futures": "a type; `sweep` runs trials"},
    "vpcipam.fleet.sweep": {
        "concurrent.futures": "runs trials on an executor",
        "multiprocessing": "how its processes begin",
        "signal": "they leave Ctrl-C to the one that asked",
        "os.cpu_count": "how many of them",
        "random": "draws combinations by seed",
    },
    "vpcipam.fleet.export": {"open": "the CSV files that somebody asks for", "pathlib": "where they go"},
    "vpcipam.fleet.metrics": {"pathlib": "a type; `export` writes"},
    "vpcipam.report.page": {"pathlib": "a picture's name; matplotlib writes it"},
    "vpcipam.report.plots": {"pathlib": "a type; `page` writes"},
    "vpcipam.fleet.ec2_setup": {"random": "chances of a simulation, by seed"},
    "vpcipam.fleet._loop_py": {"random": "chances of a simulation, by seed"},
}


def module_name(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_modules():
    return {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sorted((SOURCE / "vpcipam").rglob("*.py"))}


MODULES = python_modules()
CYTHON_SOURCES = {module_name(path): path.read_text(encoding="utf-8") for path in sorted((SOURCE / "vpcipam").rglob("*.pyx"))}
COMPILED_PYTHON = {"vpcipam.fleet._loop"}  # made of the plain source beside it when the package is built
LIBRARY = [name for name in MODULES if not re.match(r"vpcipam\.cli(\.|$)", name)]


def room(name):
    """The room of a module: the folder or the module below the package."""
    return name.split(".")[1]


def is_for_types_only(node):
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(tree, *, lazily=False):
    """Go through what runs when a module is imported, and `lazily` what functions run too; leave out what only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if is_for_types_only(node):
            for other in node.orelse:
                yield other
                yield from statements(other, lazily=lazily)
        elif lazily or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from statements(node, lazily=lazily)


def imports(name, tree, *, lazily, types=False):
    """The modules that a module imports; `from package import module` counts as an import of that module."""
    found = set()
    for node in ast.walk(tree) if types else statements(tree, lazily=lazily):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & {*MODULES, *CYTHON_SOURCES}
            found.update(submodules or {node.module})
    return found


def own(names):
    return {name for name in names if name.partition(".")[0] == "vpcipam"}


def own_modules(name):
    """The modules of the package that a module imports anywhere, also for types alone."""
    if name in CYTHON_SOURCES:
        named = re.findall(r"^\s*(?:from|c?import)\s+(vpcipam[\w.]*)(?:\s+c?import\s+([\w, ]+))?", CYTHON_SOURCES[name], re.MULTILINE)
        assert named, f"{name} imports nothing: has the pattern gone stale?"
        return {
            other
            for module, names in named
            for other in {f"{module}.{each.split()[0]}" for each in names.split(",") if each.strip()} & {*MODULES} or {module}
            if other in MODULES  # a .pxd is no module
        }
    return own(imports(name, MODULES[name], lazily=True, types=True))


EVERY_MODULE = sorted({*MODULES, *CYTHON_SOURCES} - {"vpcipam"} - FORWARDERS)
ARROWS = {name: own_modules(name) for name in EVERY_MODULE}  # a module: what it imports


def test_every_room_has_a_line_and_every_line_a_room():
    assert {room(name) for name in EVERY_MODULE} == {*ROOMS}
    assert len(ROOMS) == len(set(ROOMS))


@pytest.mark.parametrize("name", EVERY_MODULE)
def test_a_module_imports_only_from_rooms_above_its_own(name):
    elsewhere = {room(other) for other in ARROWS[name] if other != "vpcipam"} - {room(name)}
    assert {other for other in elsewhere if ROOMS.index(other) > ROOMS.index(room(name))} == set()
    assert "vpcipam" not in ARROWS[name], "the package itself is for users"


def height(name, arrows, below=()):
    """How many floors a module or room stands on, its own included."""
    assert name not in below, f"a circle: {' → '.join([*below, name])}"
    return 1 + max((height(other, arrows, (*below, name)) for other in arrows.get(name, ())), default=0)


def test_no_imports_go_in_a_circle():
    faces = {name for name in MODULES if (SOURCE / name.replace(".", "/")).is_dir()}
    within = {name: {other for other in others if other not in faces} for name, others in ARROWS.items() if name not in faces}
    for name in within:
        height(name, within)


def test_the_rooms_stand_on_few_floors():
    arrows = {each: {room(other) for name in EVERY_MODULE if room(name) == each for other in ARROWS[name]} - {each} for each in ROOMS}
    assert max(height(each, arrows) for each in ROOMS) <= MOST_FLOORS


@pytest.mark.parametrize("name", LIBRARY)
def test_below_the_command_line_nothing_needs_more_than_attrs(name):
    def foreign(found):
        return {each.partition(".")[0] for each in found} - sys.stdlib_module_names - {"vpcipam", "attr", "attrs"}

    extras = EXTRAS.get(name, {})
    at_import = {extra for extra, when in extras.items() if when != "lazily"}
    assert foreign(imports(name, MODULES[name], lazily=False)) <= at_import
    assert foreign(imports(name, MODULES[name], lazily=True)) == set(extras)


def os_names(names):
    return {f"os.{name}" for name in names if name not in HARMLESS_OS_NAMES}


def outside_of(node):
    """What one piece of syntax reaches for outside."""
    match node:
        case ast.Import(names=names):
            return {alias.name for alias in names if alias.name.partition(".")[0] in OUTSIDE}
        case ast.ImportFrom(module="os", names=names):
            return os_names(alias.name for alias in names)
        case ast.ImportFrom(module=module) if module.partition(".")[0] in OUTSIDE:
            return {module}
        case ast.Attribute(value=ast.Name(id="os"), attr=attr):
            return os_names([attr])
        case ast.Call(func=ast.Name(id=called)) if called in OUTSIDE_CALLS:
            return {called}
        case ast.Call(func=ast.Attribute(attr=called)) if called in OUTSIDE_METHODS:
            return {called}
    return set()


def outside(tree):
    """What in a module reaches for clock, chance, environment, files or network."""
    return set().union(*map(outside_of, ast.walk(tree)))


@pytest.mark.parametrize("name", LIBRARY)
def test_nothing_reaches_outside_but_whose_job_it_is(name):
    assert outside(MODULES[name]) == set(ALLOWED.get(name, {}))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", {"time"}),
        ("def f():\n    import datetime", {"datetime"}),
        ("from datetime import datetime", {"datetime"}),
        ("import urllib.request", {"urllib.request"}),
        ("import os\nos.environ['A']", {"os.environ"}),
        ("from os import environ, fspath", {"os.environ"}),
        ("import os\nos.fspath(1)", set()),
        ("with open('a'): pass", {"open"}),
        ("path.read_text()", {"read_text"}),
        ("from collections import Counter", set()),
    ],
)
def test_what_reaches_outside_is_seen(source, found):
    assert outside(ast.parse(source)) == found


def test_imports_are_seen_wherever_they_stand():
    tree = ast.parse(
        "import a\nif TYPE_CHECKING:\n    import b\nelse:\n    import c\ntry:\n    from d import x\nexcept ImportError:\n    import e\n"
        "class C:\n    import f\n    def m(self):\n        import g\nfrom vpcipam import errors, address\n"
    )
    package = {"vpcipam.errors", "vpcipam.address"}
    assert imports("test", tree, lazily=False) == {"a", "c", "d", "e", "f"} | package
    assert imports("test", tree, lazily=True) == {"a", "c", "d", "e", "f", "g"} | package
    assert imports("test", tree, lazily=True, types=True) == {"a", "b", "c", "d", "e", "f", "g"} | package
