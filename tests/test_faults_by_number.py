"""Each fault of ipamd that the library does not have is tested under its number in docs/ipamd.md, "Known faults"."""

import re
from pathlib import Path

FAULTS = {
    1: "two CIDRs overlap unseen",
    2: "a restart forgets cooldowns",
    3: "lookups and counts scan every address",
    4: "a forced removal is counted twice",
    5: "IPv6 pods don't keep their ENI",
    6: "a restart drops what it can't place",
    7: "random placement keeps prefixes from draining",
    8: "cooling addresses count as available",
    9: "clock and environment are read within the logic",
    10: "a CIDR that comes back forgets what cools",
    11: "an empty sandbox key is taken",
    12: "a CIDR off its grid is taken",
    13: "totals, gauges and files are left behind",
    14: "a CIDR that comes back at once loses its pods",
    15: "removing a pod gives back its mode's last prefixes",
    16: "custom networking gives a person's address to a pod",
    17: "a restart forgets what was given back",
    18: "a table allows ENIs that the default card doesn't take",
}


def test_each_fault_has_a_test_under_its_number():
    tests = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    numbers = {int(number) for number in re.findall(r"^def test_fault_(\d+)_\w+", tests, re.MULTILINE)}
    assert numbers == FAULTS.keys()
