"""Checks that `startup.py` measures the command, with one round; nothing depends on the time."""

import pytest
import startup


def test_a_command_is_compared_with_an_empty_interpreter():
    measured = startup.measure(1, commands=["--version"])
    assert [*measured] == ["", "--version"]
    assert measured[""][1] == 1
    assert all(seconds > 0 for seconds, _ in measured.values())


def test_a_command_that_fails_is_not_measured():
    with pytest.raises(SystemExit, match="nonsense exits with 2"):
        startup.measure(1, commands=["nonsense"])
