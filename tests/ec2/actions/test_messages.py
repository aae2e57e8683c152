"""Refusals name parameters as EC2 does, not as Python does: most of those who read them call EC2."""

import ast
import re
from pathlib import Path

from vpcipam.ec2 import model

REFUSING = {"refusal", "invalid", "missing", "count", "exactly_one", "at_most_one"}
PYTHON_NAME = re.compile(r"\b[a-z0-9]+(_[a-z0-9]+)+\b")


def words_of_refusals(source):
    """The texts and the names of arguments in calls that make refusals or check for them."""
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in REFUSING:
            for argument in call.args:
                yield from (each.value for each in ast.walk(argument) if isinstance(each, ast.Constant) and isinstance(each.value, str))
            yield from (each.arg for each in call.keywords if each.arg)


def test_no_refusal_names_a_python_parameter():
    found = {}
    for path in sorted(Path(model.__file__).parent.rglob("*.py")):
        if path.parent.name in {"actions", "state", "offline"}:
            words = [word for word in words_of_refusals(path.read_text(encoding="utf-8")) if PYTHON_NAME.search(word)]
            found |= {path.name: words} if words else {}
    assert found == {}


def test_a_python_name_is_noticed():
    source = 'call.refusal(code, f"{x}: gre_key is {y}")\ncall.exactly_one(prefix_count=1)\nrecord(vlan_id=1)'
    assert list(words_of_refusals(source)) == [": gre_key is ", "prefix_count"]
