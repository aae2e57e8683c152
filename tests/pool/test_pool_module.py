"""The selector, and what the twins must have in common besides their behaviour."""

import ast
import doctest
import importlib
import importlib.util
import inspect
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from pool_worlds import TWIN_NAMES, twins

import vpcipam.pool
from vpcipam.pool import plain

PUBLIC = [
    (name, member) for name in ("AddressPool", "BitmapPool") for member in sorted(vars(getattr(plain, name))) if not member.startswith("_")
]
SOURCE = Path(vpcipam.pool.__file__)


def load_selector():
    """The selector, imported again."""
    spec = importlib.util.spec_from_file_location("selector_loaded_anew", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_selector_prefers_the_compiled_twin(monkeypatch):
    monkeypatch.delenv("VPCIPAM_NO_EXTENSION", raising=False)
    stand_in = type(sys)("vpcipam._pool")
    stand_in.AddressPool = stand_in.BitmapPool = stand_in.owners_lock = object
    monkeypatch.setitem(sys.modules, "vpcipam._pool", stand_in)
    selector = load_selector()
    assert selector.USING_EXTENSION is True
    assert selector.BitmapPool is object


def test_the_selector_falls_back_to_the_plain_twin(monkeypatch):
    monkeypatch.delenv("VPCIPAM_NO_EXTENSION", raising=False)
    monkeypatch.setitem(sys.modules, "vpcipam._pool", None)
    with pytest.warns(RuntimeWarning, match=r"compiled pools, which were not built: .* install a C compiler") as told:
        selector = load_selector()
    assert len(told) == 1
    assert selector.USING_EXTENSION is False
    assert selector.AddressPool is plain.AddressPool


def test_a_worker_leaves_the_warning_to_its_parent(monkeypatch):
    monkeypatch.delenv("VPCIPAM_NO_EXTENSION", raising=False)
    monkeypatch.setitem(sys.modules, "vpcipam._pool", None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        monkeypatch.setattr("multiprocessing.process.parent_process", object)
        assert load_selector().USING_EXTENSION is False
        assert told == []
        monkeypatch.delitem(sys.modules, "multiprocessing.process")
        load_selector()
        assert len(told) == 1


@pytest.mark.skipif("vpcipam._pool" not in TWIN_NAMES, reason="the plain twin was asked for")
@pytest.mark.parametrize("first", ["main", "sub"])
def test_the_interpreter_that_gets_the_plain_twin_is_told_so(first):
    pytest.importorskip("_xxsubinterpreters", reason="this Python has no such module")
    lines = [
        "import vpcipam.pool as pool; print('MAIN', pool.USING_EXTENSION)",
        "run(new(), \"import vpcipam.pool as pool; print('SUB', pool.USING_EXTENSION)\")",
    ]
    if first == "sub":
        lines.reverse()
    code = "\n".join(["from _xxsubinterpreters import create as new, run_string as run", *lines])
    environment = {name: value for name, value in os.environ.items() if name != "VPCIPAM_NO_EXTENSION"}
    outcome = subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True, text=True)  # noqa: S603
    if first == "main":
        assert "SUB False" in outcome.stdout
    assert (outcome.stdout.count("True"), outcome.stdout.count("False")) == (1, 1)
    assert outcome.stderr.count("RuntimeWarning: vpcipam runs without its compiled pools") == 1


def test_the_selector_warns_if_the_extension_is_there_but_fails(monkeypatch):
    class Failing:
        def __getattr__(self, name):
            raise ImportError("wrong interpreter")

    monkeypatch.delenv("VPCIPAM_NO_EXTENSION", raising=False)
    monkeypatch.setitem(sys.modules, "vpcipam._pool", Failing())
    with pytest.warns(RuntimeWarning, match=r"can't be loaded \(wrong interpreter\)"):
        assert load_selector().USING_EXTENSION is False


def test_the_plain_twin_can_be_forced(monkeypatch):
    monkeypatch.setenv("VPCIPAM_NO_EXTENSION", "1")
    selector = load_selector()
    assert selector.USING_EXTENSION is False
    assert selector.BitmapPool is plain.BitmapPool


@pytest.mark.skipif("vpcipam._pool" not in TWIN_NAMES, reason="the plain twin was asked for")
@pytest.mark.parametrize("first", ["vpcipam._pool", "vpcipam.pool", "vpcipam.pool.addresses"])
def test_the_compiled_modules_can_be_imported_in_any_order(first):
    code = (
        f"import {first}, vpcipam._pool as compiled, vpcipam.pool as pool\n"
        "assert pool.USING_EXTENSION\n"
        "assert (pool.AddressPool, pool.BitmapPool, pool.owners_lock) == (compiled.AddressPool, compiled.BitmapPool, compiled.owners_lock)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "VPCIPAM_NO_EXTENSION"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)  # noqa: S603 - our own interpreter


def test_the_library_uses_the_twin_that_the_suite_is_run_for():
    assert vpcipam.pool.USING_EXTENSION is ("vpcipam._pool" in TWIN_NAMES)


@pytest.mark.parametrize(("class_name", "member"), [*PUBLIC, ("AddressPool", ""), ("BitmapPool", "")])
def test_the_twins_have_the_same_first_line_of_docstring(class_name, member):
    classes = [getattr(twin, class_name) for twin in twins()]
    assert len({(getattr(each, member) if member else each).__doc__.splitlines()[0] for each in classes}) == 1


@pytest.mark.parametrize(("class_name", "member"), PUBLIC)
def test_twins_take_the_same_arguments(class_name, member):
    members = [getattr(getattr(twin, class_name), member) for twin in twins()]
    if callable(members[0]):
        arguments = [list(inspect.signature(each).parameters.values())[1:] for each in members]  # without self
        assert len({tuple((each.name, each.kind, each.default) for each in each_twins) for each_twins in arguments}) == 1


@pytest.mark.parametrize("class_name", ["AddressPool", "BitmapPool"])
def test_twins_have_the_same_public_members(class_name):
    members = [{name for name in vars(getattr(twin, class_name)) if not name.startswith("_")} for twin in twins()]
    assert all(each == members[0] for each in members)


def test_the_stubs_name_what_the_plain_twin_has():
    stubs = (SOURCE.parents[1] / "_pool.pyi", SOURCE.parent / "addresses.pyi")
    for node in (node for stub in stubs for node in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)):
        functions = {each.name for each in node.body if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")}
        assert functions == {member for name, member in PUBLIC if name == node.name}


def test_docstring_examples_hold_on_both_twins(pool_twin):
    for name in ("AddressPool", "BitmapPool"):
        example = doctest.DocTestParser().get_doctest(getattr(plain, name).__doc__, {name: getattr(pool_twin, name)}, name, None, None)
        assert example.examples
        assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
