"""What the fuzzer has found before, and the inputs that reach most code: each goes through its target again."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "tools"))

from fuzz.targets import MODULES, find_target

CORPUS = Path(__file__).parent / "fuzz_corpus"


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODULES)
def test_no_input_of_the_corpus_is_a_finding(name):
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    assert sum(path.stat().st_size for path in inputs) < 60_000
    target = find_target(name)
    for path in inputs:
        try:
            target.run(path.read_bytes())
        except Exception as error:
            error.add_note(f"input: {path}")
            raise
