"""Who may import whom, and who may reach outside: read from the source, so that nothing has to run."""

import ast
import re
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "vpcipam"

# A room is a folder of the package, or a module beside the folders. A room imports from rooms on lines above its own.
ROOMS = """
    _version errors _arguments _units _unpacking _toml _chance
    address sandbox
    _pool_refusals pool
    stats limits settings
    datapath
    journal quarantine restoration events
    datastore contracts
    warmpool policies
    ec2
    action node
    planner prometheus
    agent
    fleet inspection
    report testing
    cli
"""
ORDER = ROOMS.split()
MOST_FLOORS = 10  # from `errors` to `cli`
MOST_LINES = 500
LONG_MODULES = r".*\.pyx|pool/plain_\w+\.py"  # the compiled pools and their plain twins
MOST_ENTRIES = 39  # directly in the package

# At addresses that the contract, or Python, fixes.
OUTSIDE_THEIR_FOLDERS = {"vpcipam._pool": "pool", "vpcipam.__main__": "cli"}

# The old address of a public module: its room may import from a later one.
FORWARDERS = {"vpcipam.fleet.plots"}

# What a module imports beside the standard library and attrs. "lazily": only inside functions, so that importing the module needs nothing.
EXTRAS = {
    "settings.documents": {"yaml": "lazily"},
    "settings.yaml_loader": {"yaml": "at import"},
    "fleet.cron": {"cronsim": "lazily"},
    "datapath.netlink": {"pyroute2": "at import"},
    "ec2.boto": {"botocore": "at import"},
    "ec2.fake": {"boto3": "at import", "botocore": "at import"},
    "ec2.offline": {"botocore": "at import"},
    "ec2.offline.answering": {"botocore": "at import"},
    "ec2.offline.launch_templates": {"botocore": "at import"},
    "ec2.offline.catching": {"botocore": "at import", "aiobotocore": "at import"},
    "ec2.pytest_fixtures": {"pytest": "at import"},
    "ec2.serve.app": {"starlette": "at import"},
    "ec2.serve.endpoint": {"botocore": "at import"},
    "ec2.serve.running": {"starlette": "at import", "uvicorn": "at import"},
    "report.page": {"matplotlib": "at import"},
    "testing.machine": {"hypothesis": "at import"},
    "testing.plugin": {"pytest": "at import"},
    "testing.artefacts": {"hypothesis": "at import"},
    "testing.strategies": {"hypothesis": "at import"},
}

# Everything by which a module may answer differently from one run or machine to the next. `.name` is a method of anything; a name that
# stands for a module stands for all that is in it.
OUTSIDE = {
    "clock": "time .now .utcnow .today",
    "chance": "random secrets uuid os.urandom",
    "environment": "os.environ os.getenv platform locale getpass pwd",
    "files": "open .open .read_text .read_bytes .write_text .write_bytes .mkdir .unlink .iterdir .exists .is_file .is_dir "
    "os sqlite3 tempfile shutil glob fileinput mmap fcntl io logging",
    "network": "socket ssl select selectors urllib http ftplib smtplib asyncio",
    "processes": "subprocess multiprocessing concurrent signal threading os.getpid os.cpu_count os.register_at_fork",
    "anything": "input print breakpoint exec eval",
}
HARMLESS = {
    *(
        "os.PathLike",
        "os.fspath",
        "os.fsdecode",
        "os.fsencode",
        "os.devnull",
        "os.strerror",
        "threading.Condition",
        "threading.Lock",
        "threading.RLock",
        "threading.get_ident",
        "random.Random",
    ),
    *("urllib.parse", "urllib.parse.parse_qsl", "urllib.parse.quote", "urllib.parse.urlencode", "concurrent.futures.Executor"),
}

# The rooms, and the modules, whose job it is.
ALLOWED = {
    "pool": {"environment": "VPCIPAM_NO_EXTENSION picks the twin"},
    "limits": {"files": "the table of instance types"},
    "settings": {"files": "a manifest, given by its path"},
    "inspection.readers": {"files": "nothing of its own: it wraps streams"},
    "inspection.readers.files": {"files": "files and archives, given by their paths"},
    "journal": {"files": "the journals", "processes": "locks name the process that holds them, and refuse in a forked child"},
    "agent.cni": {"environment": "the runtime's arguments", "files": "stdin, stdout, and the pod's namespace"},
    "agent.kernel": {"processes": "asks iptables for its version"},
    "agent.notes": {"files": "the notes"},
    "agent.running": {
        "clock": "the time of requests and ticks",
        "files": "the socket",
        "network": "listens",
        "processes": "threads that answer, and the own number in a path",
    },
    "agent.wire": {"clock": "how long a message takes", "files": "closes those that come with messages", "network": "a unix socket"},
    "datapath.namespaces": {"files": "namespaces, given by their paths", "processes": "a thread for each call: threads enter namespaces"},
    "datapath.programs": {"processes": "runs iptables, nft and ip", "files": "kernel settings"},
    "datapath.apply": {"clock": "waits for duplicate address detection"},
    "ec2.serve.app": {"network": "waits as long as a call takes"},
    "ec2.serve.page": {"files": "the page"},
    "ec2.serve.running": {"network": "listens", "processes": "signals end it"},
    "ec2.boto": {"clock": "waits between attempts", "chance": "jitter of the waits, and tokens; all can be given"},
    "fleet.scenario": {"files": "a scenario, given by its path"},
    "fleet.trace": {"files": "a trace, given by its path"},
    "fleet.export": {"files": "the CSV files that a caller asks for"},
    "fleet.sweep": {"processes": "trials run on all processors"},
    "testing.checked": {"network": "the event loop of an asynchronous allocator"},
}


def module_name(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(["vpcipam", *parts[: -1 if parts[-1] == "__init__" else None]])


def sources(suffix):
    return {module_name(path): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob(f"*{suffix}"))}


MODULES = sources(".py")
CYTHON_SOURCES = sources(".pyx")
EVERY_MODULE = sorted({*MODULES, *CYTHON_SOURCES} - {"vpcipam"} - FORWARDERS)
LIBRARY = [name for name in MODULES if not re.match(r"vpcipam\.(cli\b|__main__)", name)]


@cache  # every worker collects this file, and few of them run its tests
def parsed(name):
    return ast.parse(MODULES[name])


def room(name):
    return OUTSIDE_THEIR_FOLDERS.get(name) or name.split(".")[1]


# --- imports -------------------------------------------------------------------------------------------------------------


def statements(tree, *, lazily=False):
    """Go through what runs at import, and `lazily` through what functions run; leave out what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for other in node.orelse:
                yield other
                yield from statements(other, lazily=lazily)
        elif lazily or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from statements(node, lazily=lazily)


def imports(nodes):
    """The modules that are imported; `from package import module` imports that module."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.update({f"{node.module}.{alias.name}" for alias in node.names} & {*MODULES, *CYTHON_SOURCES} or {node.module})
    return found


def cython_imports(text):
    """The modules that a Cython source imports; a .pxd is no module."""
    for package, names in re.findall(r"^\s*(?:from|c?import)\s+(vpcipam[\w.]*)(?:\s+c?import\s+([\w, ]+))?", text, re.MULTILINE):
        yield from {f"{package}.{name.split()[0]}" for name in names.split(",") if name.strip()} & {*MODULES, *CYTHON_SOURCES} or {package}


def own_imports(name):
    """The modules of the package that a module imports anywhere, also for types alone."""
    if name in CYTHON_SOURCES:
        found = {*cython_imports(CYTHON_SOURCES[name])} & {*MODULES, *CYTHON_SOURCES}
        assert found, f"{name} imports nothing: is the pattern stale?"
        return found
    return {each for each in imports(ast.walk(parsed(name))) if each.partition(".")[0] == "vpcipam"}


@cache
def all_arrows():
    return {name: own_imports(name) for name in EVERY_MODULE}


def floors(arrows):
    """On how many floors each module or room stands, its own included. A circle of imports is a graphlib.CycleError."""
    found = {}
    for name in TopologicalSorter(arrows).static_order():
        found[name] = 1 + max((found[other] for other in arrows.get(name, ())), default=0)
    return found


def test_every_room_has_a_place_in_the_order():
    assert sorted(ORDER) == sorted({room(name) for name in EVERY_MODULE})


@pytest.mark.parametrize("name", EVERY_MODULE)
def test_a_module_imports_only_from_rooms_above_its_own(name):
    assert "vpcipam" not in all_arrows()[name], "the package itself is for users"
    others = {room(other) for other in all_arrows()[name]} - {room(name)}
    assert [other for other in others if ORDER.index(other) > ORDER.index(room(name))] == []


def test_the_folders_of_tests_are_named_after_the_rooms():
    folders = {path.name for path in Path(__file__).parent.iterdir() if any(path.rglob("*.py"))}
    assert folders <= {*ORDER, "site"}  # the site is in docs/


def test_helpers_of_tests_have_unique_names():
    helpers = [path.name for path in Path(__file__).parent.rglob("*.py") if not path.name.startswith(("test_", "conftest"))]
    assert len(helpers) == len(set(helpers))


def test_there_are_no_circular_imports():
    faces = {name for name in MODULES if name.count(".") == 1 and (PACKAGE / name.partition(".")[2]).is_dir()}
    within = {name: others - faces for name, others in all_arrows().items() if name not in faces}
    assert floors(within)


def test_the_rooms_stand_on_few_floors():
    arrows = {each: set() for each in ORDER}
    for name, others in all_arrows().items():
        arrows[room(name)] |= {room(other) for other in others} - {room(name)}
    assert max(floors(arrows).values()) <= MOST_FLOORS


@pytest.mark.parametrize("name", LIBRARY)
def test_below_the_command_line_nothing_needs_more_than_attrs(name):
    def foreign(found):
        return {each.partition(".")[0] for each in found} - sys.stdlib_module_names - {"vpcipam", "attr", "attrs"}

    extras = EXTRAS.get(name.removeprefix("vpcipam."), {})
    assert foreign(imports(statements(parsed(name)))) == {extra for extra, when in extras.items() if when == "at import"}
    assert foreign(imports(statements(parsed(name), lazily=True))) == set(extras)


def test_imports_are_found_wherever_they_are():
    tree = ast.parse(
        "import a\nif TYPE_CHECKING:\n    import b\nelse:\n    import c\ntry:\n    from d import x\nexcept ImportError:\n    import e\n"
        "class C:\n    import f\n    def m(self):\n        import g\nfrom vpcipam import errors, address\n"
    )
    package = {"vpcipam.errors", "vpcipam.address"}
    assert imports(statements(tree)) == {*"acdef"} | package
    assert imports(statements(tree, lazily=True)) == {*"acdefg"} | package
    assert imports(ast.walk(tree)) == {*"abcdefg"} | package


# --- the outside world ---------------------------------------------------------------------------------------------------

KIND_OF = {word: kind for kind, words in OUTSIDE.items() for word in words.split()}


def kind_of(name):
    """What kind of thing a name stands for: its own row, or that of the module it is in."""
    while name and name not in KIND_OF:
        name = name.rpartition(".")[0]
    return KIND_OF.get(name)


def names_in(node):
    """The names by which one piece of syntax may reach outside, dotted ones in full."""
    match node:
        case ast.Import(names=names):
            # What is taken of `os` is seen where it is used; every other module is there to be used.
            return {alias.name for alias in names} - {"os", "threading", "random"}
        case ast.ImportFrom(module=module, names=names):
            return {f"{module}.{alias.name}" for alias in names}
        case ast.Attribute(value=ast.Name(id="os" | "threading" | "random" as module), attr=attr):
            return {f"{module}.{attr}"}
        case ast.Call(func=ast.Name(id=called)):
            return {called}
        case ast.Call(func=ast.Attribute(attr=called)):
            return {f".{called}"}
    return set()


def kinds_of(tree):
    """The kinds of things outside that a module reaches for."""
    names = set().union(*map(names_in, statements(tree, lazily=True))) - HARMLESS
    return {kind_of(name) for name in names} - {None}


def whose_job(name):
    """The row of ALLOWED that is about a module: its own, or its room's."""
    name = name.removeprefix("vpcipam.")
    return name if name in ALLOWED else name.partition(".")[0]


def test_only_listed_modules_reach_outside():
    found = {}
    for name in LIBRARY:
        found.setdefault(whose_job(name), set()).update(kinds_of(parsed(name)))
    assert {name: kinds for name, kinds in found.items() if kinds} == {name: set(kinds) for name, kinds in ALLOWED.items()}


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("import time", {"clock"}),
        ("def f():\n    from time import sleep", {"clock"}),
        ("datetime.now(UTC)", {"clock"}),
        ("import random\nrandom.random()", {"chance"}),
        ("import random\nrandom.Random(1)", set()),
        ("import urllib.request", {"network"}),
        ("import os\nos.environ['A']", {"environment"}),
        ("from os import environ, fspath", {"environment"}),
        ("import os\nos.open('a', 0)", {"files"}),
        ("import os\nos.fspath(1)", set()),
        ("with open('a'): pass", {"files"}),
        ("path.read_text()", {"files"}),
        ("import threading\nthreading.Thread(target=f)", {"processes"}),
        ("import threading\nthreading.Lock()", set()),
        ("from collections import Counter", set()),
    ],
)
def test_the_check_finds_code_that_reaches_outside(source, kinds):
    assert kinds_of(ast.parse(source)) == kinds


# --- size ----------------------------------------------------------------------------------------------------------------


def test_modules_are_short():
    paths = [path for suffix in ("py", "pyx", "pxd", "pyi") for path in PACKAGE.rglob(f"*.{suffix}")]
    lengths = {path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: length for name, length in lengths.items() if length > MOST_LINES and not re.fullmatch(LONG_MODULES, name)} == {}


def test_the_package_has_few_entries():
    entries = {path.name for path in PACKAGE.iterdir() if path.suffix not in {".so", ".pyd", ".c", ".html"} and path.name != "__pycache__"}
    assert len(entries) <= MOST_ENTRIES


LOOPS = (ast.For, ast.While, ast.ListComp, ast.SetComp, ast.DictComp)


@pytest.mark.parametrize("room", ["journal", "datastore", "node"])
def test_no_lock_is_held_over_a_loop_in_the_same_function(room):
    """In CPython 3.12 and 3.13, an interrupt at a loop's conditional jump backwards leaves a `with` without its `__exit__`."""
    withs = [
        (f"{path.name}:{node.lineno}", node)
        for path in (PACKAGE / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.With) and any(ast.unparse(item.context_expr).endswith(("_lock", ".threads")) for item in node.items)
    ]
    assert withs
    assert [where for where, node in withs for line in node.body if any(isinstance(each, LOOPS) for each in ast.walk(line))] == []
