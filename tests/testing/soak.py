"""Run programs against vpcipam's own allocators for some minutes: `soak.py MINUTES [PROGRAMS]`.

Each allocator gets a batch of programs in turn; the seed is the time. After each batch, build/verification/soak.json has the counts.
"""

import itertools
import json
import platform
import sys
import time
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path += [str(REPOSITORY / "tests" / folder) for folder in ("testing", "journal")]

from own_allocators import ALLOCATORS  # noqa: E402 - it is beside this script

from vpcipam.testing import CheckedAllocator, ConformanceError, assert_conforms  # noqa: E402

RESULT = REPOSITORY / "build" / "verification" / "soak.json"
BATCH = 10


class Counted:
    """Counts the calls of all programs when they end."""

    def __init__(self):
        self.counts = Counter(allocators=len(ALLOCATORS), programs=0, calls=0, restarts=0, kills=0)
        close = CheckedAllocator.close

        def counted_close(checked):
            self.counts["programs"] += bool(checked.calls)  # not those that only show that the factory makes new ones
            self.counts["calls"] += len(checked.calls)
            self.counts["restarts"] += sum(call.method == "restart" for call in checked.calls)
            self.counts["kills"] += sum(call.comment == "killed" for call in checked.calls)
            close(checked)

        CheckedAllocator.close = counted_close


def main(minutes, programs=sys.maxsize):
    counts, begun, broken, seed = Counted().counts, time.monotonic(), [], int(time.time())
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    for name, (factory, options) in itertools.cycle(ALLOCATORS.items()):
        seed += 1
        try:
            assert_conforms(factory, seed=seed, max_examples=BATCH, step_count=30, **options)
        except ConformanceError as error:
            broken.append(f"{name}, seed {seed}: {error}")
        facts = {"name": "soak", "seconds": round(time.monotonic() - begun), "python": platform.python_version()}
        RESULT.write_text(json.dumps({**facts, **counts, "broken promises": len(broken)}, indent=2) + "\n", encoding="utf-8")
        if broken or counts["programs"] >= programs or time.monotonic() >= begun + 60 * minutes:
            break
    print("\n".join([RESULT.read_text(encoding="utf-8"), *broken]))  # noqa: T201 - a script
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), *map(int, sys.argv[2:])))
