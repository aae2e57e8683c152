"""Run the suites of the pools and the datastore on instrumented builds: `make sanitize`.

Two builds of the extension modules, in temporary copies, so that the builds in the tree stay as they are:

- *sanitized*: the code that users get, with AddressSanitizer and UndefinedBehaviorSanitizer. Every access outside of an allocation, every
  use after free and every signed overflow ends the run. Leaks are not reported, because the interpreter itself keeps memory at exit;
  `tests/pool/test_memory.py` finds leaks.
- *checked*: with the checks of Cython and of the interpreter's headers that the code turns off for speed.

First, a planted fault of each kind must end a process. Otherwise the flags have no effect here and a clean run would mean nothing.
"""

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import attrs

REPOSITORY = Path(__file__).parent.parent
REPORT = REPOSITORY / "build" / "verification" / "sanitize.json"
COPIED = ("pyproject.toml", "setup.py", "README.md", "src", "tests")
SUITES = ("tests/pool", "tests/datastore", "tests/fleet/test_loop.py")

# -fno-wrapv: the interpreter's own flags can define signed overflow, and it would go unnoticed.
SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -fno-wrapv -O1 -g"
CHECKS = "-UNDEBUG -DCYTHON_ASSUME_SAFE_MACROS=0 -DCYTHON_ASSUME_SAFE_SIZE=0 -O1 -g"

# What the sources turn off, and what it becomes in the checked build. `wraparound` stays off: with `boundscheck`, a negative index then
# raises. `overflowcheck` stays off too: hashing wraps round on purpose, and the sanitizer finds overflow where it is a fault.
DIRECTIVES = {
    "boundscheck=False": "boundscheck=True",
    "cdivision=True": "cdivision=False",
    "initializedcheck=False": "initializedcheck=True",
}

PLANTED = """
#include <limits.h>
#include <stdlib.h>
int read_past_end(int count) { int *cells = calloc(count, sizeof(int)), value = cells[count]; free(cells); return value; }
int read_freed(int count) { int *cells = calloc(count, sizeof(int)); free(cells); return cells[0]; }
int overflow(int step) { return INT_MAX - 1 + step; }
int shift_too_far(int step) { return 1 << (30 + step); }
"""
PLANTED_FAULTS = {
    "read_past_end": "heap-buffer-overflow",
    "read_freed": "heap-use-after-free",
    "overflow": "signed integer overflow",
    "shift_too_far": "shift exponent",
}


class SanitizeError(Exception):
    """The check failed or can't run here. The message says why."""


@attrs.frozen
class Build:
    """An instrumented build of the extension modules.

    Attributes:
        name: what the report calls it.
        flags: for the C compiler and the linker.
        directives: Cython directives to replace in the sources.
        symbol: what the flags leave in each module, as proof that they had an effect.
        environment: variables of the processes that load the modules.
    """

    name: str
    flags: str
    directives: dict[str, str]
    symbol: bytes
    environment: dict[str, str]

    def copy(self, folder: Path) -> None:
        """Copy the sources to a new folder, and replace the directives there."""
        folder.mkdir()
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.so", "*.c", "*.html", "__pycache__", "*.egg-info"))
            else:
                shutil.copy2(source, folder / name)
        for path in (folder / "src").rglob("*.pyx"):
            text = path.read_text()
            for old, new in self.directives.items():
                if old not in text:
                    raise SanitizeError(f"{path.name} does not have {old}: correct DIRECTIVES in {Path(__file__).name}")
                text = text.replace(old, new)
            path.write_text(text)

    def make(self, folder: Path) -> None:
        """Build the modules in a folder."""
        environment = os.environ | {"CFLAGS": self.flags, "LDFLAGS": self.flags, "VPCIPAM_REQUIRE_EXTENSION": "1"}
        _run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], folder, environment, "the build failed", quiet=True)
        modules = list((folder / "src").rglob("*.so"))
        if not modules or not all(self.symbol in module.read_bytes() for module in modules):
            raise SanitizeError(f"the {self.name} build has no {self.symbol.decode()}: its flags had no effect")

    def test(self, folder: Path) -> int:
        """Run the suites on the modules in a folder; return how many tests passed."""
        environment = os.environ | {"PYTHONPATH": str(folder / "src"), "HYPOTHESIS_PROFILE": "quick"} | self.environment
        environment.pop("VPCIPAM_NO_EXTENSION", None)
        where = [sys.executable, "-c", "import vpcipam.pool.addresses as module; print(module.__file__)"]
        loaded = Path(_run(where, folder, environment, "the modules can't be loaded", quiet=True).strip())
        if not loaded.is_relative_to(folder):
            raise SanitizeError(f"the tests would run on {loaded}, not on the {self.name} build")
        # --capture=sys leaves the file descriptors alone, so that a sanitizer's report is seen before it ends the process.
        pytest = [sys.executable, "-m", "pytest", "--quiet", "--capture=sys", "-p", "no:cacheprovider", "-m", "not thorough", *SUITES]
        output = _run(pytest, folder, environment, f"the suites found a fault in the {self.name} build")
        passed = re.search(r"(\d+) passed", output)
        if passed is None:
            raise SanitizeError(f"no test ran on the {self.name} build")
        return int(passed[1])


def _run(command: list[str], folder: Path, environment: dict[str, str], what: str, *, quiet: bool = False) -> str:
    """Run a command and return its output; if it fails, show the output and raise an error."""
    done = subprocess.run(  # noqa: S603  # no shell, and the arguments are our own
        command, cwd=folder, env=environment, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if quiet else None
    )
    if done.returncode:
        print(done.stdout)
        raise SanitizeError(f"{what} (exit status {done.returncode})")
    return done.stdout


def sanitizer_environment(compiler: str) -> dict[str, str]:
    """Return the variables under which the interpreter, which is not instrumented, loads instrumented modules.

    Raises:
        SanitizeError: the compiler has no AddressSanitizer.
    """
    asked = [*shlex.split(compiler), "-print-file-name=libasan.so"]
    library = Path(_run(asked, REPOSITORY, dict(os.environ), f"{compiler} doesn't run", quiet=True).strip())
    if not library.is_absolute():
        raise SanitizeError(f"{compiler} has no AddressSanitizer: install GCC with libasan and libubsan, or set CC to one that has them")
    return {
        "LD_PRELOAD": str(library.resolve()),
        "PYTHONMALLOC": "malloc",  # the interpreter's own allocator would hide what lies outside of an object
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def find_planted(compiler: str, environment: dict[str, str], folder: Path) -> int:
    """Load a module with planted faults as the tests load theirs, and see each fault end the process; return how many there are."""
    (folder / "planted.c").write_text(PLANTED)
    flags = [*shlex.split(sysconfig.get_config_var("CFLAGS") or ""), *shlex.split(SANITIZERS)]
    build = [*shlex.split(compiler), *flags, "-shared", "-fPIC", "-w", "planted.c", "-o", "planted.so"]
    _run(build, folder, dict(os.environ), f"{compiler} can't build with {SANITIZERS}", quiet=True)
    for name, wanted in PLANTED_FAULTS.items():
        call = [sys.executable, "-c", f"import ctypes; ctypes.CDLL('./planted.so').{name}(4)"]
        done = subprocess.run(  # noqa: S603  # no shell, and the arguments are our own
            call, cwd=folder, env=os.environ | environment, check=False, capture_output=True, text=True
        )
        if done.returncode == 0 or wanted not in done.stderr:
            raise SanitizeError(f"the planted fault {name} was not found: the sanitizers have no effect here\n{done.stderr}")
    return len(PLANTED_FAULTS)


def check() -> dict[str, object]:
    """Run everything and return the figures."""
    begin = time.monotonic()
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    environment = sanitizer_environment(compiler)
    builds = {
        "sanitized": Build("sanitized", SANITIZERS, {}, b"__asan_report", environment),
        "checked": Build("checked", CHECKS, DIRECTIVES, b"__assert_fail", {}),
    }
    passed = {}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary).resolve() / name for name in builds}
        for name, build in builds.items():  # all copies first, so that the tree can be edited meanwhile
            build.copy(folders[name])
        planted = find_planted(compiler, environment, Path(temporary))
        for name, build in builds.items():
            build.make(folders[name])
            passed[name] = build.test(folders[name])
            print(f"{name} build: {passed[name]} tests passed")
    version = _run([*shlex.split(compiler), "--version"], REPOSITORY, dict(os.environ), f"{compiler} doesn't run").splitlines()[0]
    return {
        "name": "sanitize",
        "seconds": round(time.monotonic() - begin),
        "python": platform.python_version(),
        "compiler": version,
        "planted_faults": planted,
        "planted_faults_found": planted,
        "tests_with_sanitizers": passed["sanitized"],
        "tests_with_checks": passed["checked"],
        "faults": 0,
    }


def main() -> int:
    """Check, write the figures, and return the exit status."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    try:
        figures = check()
    except SanitizeError as error:
        print(error, file=sys.stderr)
        return 1
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(figures, indent=2) + "\n")
    print(f"no fault; {figures['planted_faults_found']} planted faults were found; figures in {REPORT.relative_to(REPOSITORY)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
