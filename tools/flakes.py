"""Run the quick suite several times, and list the tests that fail in some runs only: `make flakes RUNS=10`.

    python tools/flakes.py [RUNS [TESTS…]]

Each run has its own PYTHONHASHSEED and its own Hypothesis seed. The second half runs two at a time, so that tests that depend on the speed
of the machine show it. Writes build/verification/flakes.json, and beside it the output of each run that fails. Exits 1 if any test failed
in any run.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
RESULT = REPOSITORY / "build" / "verification" / "flakes.json"
SUITE = ("-m", "pytest", "-q", "-rfE", "--numprocesses=auto", "--dist=worksteal", "-p", "no:cacheprovider", "-m", "not thorough")
FAILURE = re.compile(r"^(?:FAILED|ERROR) (\S+?(?:\[.*?\])?)(?: - .*)?$", re.MULTILINE)


def failures(output: str) -> set[str]:
    """Return the tests that a run of pytest reports as failed."""
    return set(FAILURE.findall(output))


def run(number: int, tests: Sequence[str]) -> set[str]:
    """Run the tests; return what failed."""
    environment = os.environ | {"HYPOTHESIS_PROFILE": "quick", "HYPOTHESIS_SEED": str(number), "PYTHONHASHSEED": str(number)}
    command = [sys.executable, *SUITE, f"--hypothesis-seed={number}", *tests]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, check=False, text=True)  # noqa: S603
    failed = failures(done.stdout)
    if done.returncode and not failed:
        failed = {f"pytest itself: exit code {done.returncode}"}
    if failed:
        RESULT.with_name(f"flakes-{number}.txt").write_text(done.stdout, encoding="utf-8")
    print(f"run {number}: {', '.join(sorted(failed)) or done.stdout.splitlines()[-1]}", flush=True)
    return failed


def at_least_one(text: str) -> int:
    """Read a number of runs."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a number, 1 or more, not {text}")
    return int(text)


def main(arguments: list[str]) -> int:
    """Run the suite, write the counts, and list what failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=at_least_one, nargs="?", default=10, help="10 by default")
    parser.add_argument("tests", nargs="*", default=["tests"], help="files or tests; the whole suite by default")
    options = parser.parse_args(arguments)
    count = options.runs
    run_tests = partial(run, tests=options.tests)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    alone = [run_tests(number) for number in range(1, count - count // 2 + 1)]
    with ThreadPoolExecutor(2) as two:
        together = [*two.map(run_tests, range(len(alone) + 1, count + 1))]
    failed = Counter(name for each in (*alone, *together) for name in each)
    flaky = sorted(name for name, times in failed.items() if times < count)
    figures = {"runs": count, "flaky tests": len(flaky), "tests that always fail": len(failed) - len(flaky)}
    facts = {"name": "flakes", "seconds": round(time.monotonic() - begun), "python": platform.python_version()}
    RESULT.write_text(json.dumps(facts | figures, indent=2) + "\n", encoding="utf-8")
    for name in sorted(failed):
        print(f"{failed[name]} of {count} runs: {name}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
