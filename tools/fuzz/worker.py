"""One run of atheris on one target: `python -m fuzz.worker TARGET LIBFUZZER-OPTION… FOLDER…`."""

import resource
import shlex
import sys

import atheris

MEMORY_MB = 256
"""How much memory inputs may take, beyond what the process has before the first."""
_INSTRUMENTED = ["vpcipam", "yaml", "tomllib"]


def main() -> None:
    """Fuzz; libFuzzer ends the process."""
    _, name, *options = sys.argv
    with atheris.instrument_imports(include=_INSTRUMENTED):  # also of what targets import later
        from fuzz.targets import find_target  # noqa: PLC0415 - what it imports is to be instrumented

        target = find_target(name)
        target.run(b"")
        at_start_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        limits = [f"-max_len={target.longest}", f"-rss_limit_mb={at_start_mb + MEMORY_MB}"]
        again = shlex.join([sys.executable, "-m", "fuzz.worker", name])  # a merge starts it in a shell
        atheris.Setup([again, *limits, *options], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
