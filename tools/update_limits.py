"""Update the tables of instance limits and of branch ENIs.

    python tools/update_limits.py                          from every 5.x release of moto that the package index lists
    python tools/update_limits.py --from-json FILE         the same, then an answer of `aws ec2 describe-instance-types`
    python tools/update_limits.py --keep --from-json FILE  the current table, then that answer
    python tools/update_limits.py --keep --branch-enis FILE  the current tables, then trunk support and branch ENIs from FILE

The data are EC2's. Each release of the PyPI package moto contains a snapshot of EC2's answer. Newer snapshots lack retired types, so the
table is the union of all snapshots; for each type the newest value wins. Types that only the current table has stay in it. The same input
gives the same bytes.

Ten types stand in the table although no snapshot has them: c5a.metal, c5ad.metal, c7i.32xlarge, cr1.8xlarge, hs1.8xlarge and u-*tb1.metal.
Their ENIs, addresses per ENI and bare metal are from pkg/vpc/vpc_ip_resource_limit.go of amazon-vpc-cni-k8s v1.23.1, which adds them by
hand. It gives cr1 and hs1 no hypervisor: they are older than nitro, so they are Xen. Their vCPUs are from EC2's price list (cr1, hs1) and
its pages about the families (u-*), from the size in the name (c7i: 4 for each xlarge), and from the largest size of the family (c5a, c5ad).
They have as many IPv6 addresses as IPv4 ones, like all newer types. That file also has bmn-sf1.metal, whose vCPUs are not public; the table
does not have it.

EC2 doesn't say which types take a trunk ENI. FILE is a CSV file with the columns instance_type, trunk_compatible (true or false) and
branch_eni_limit, taken from pkg/aws/vpc/limits.go of amazon-vpc-resource-controller-k8s. Types that it no longer has stay in the table.
"""

import argparse
import csv
import gzip
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from vpcipam.errors import VpcIpamError
from vpcipam.limits import BRANCH_COLUMNS, COLUMNS, InstanceLimits, format_row, load_limits, parse_branch_enis, parse_row

Limits = dict[str, InstanceLimits]
Version = tuple[int, ...]

REPOSITORY = Path(__file__).parent.parent
TABLE_PATH = REPOSITORY / "src" / "vpcipam" / "limits" / "data" / "instance_types.tsv"
BRANCH_PATH = TABLE_PATH.with_name("branch_enis.tsv")
CSV_COLUMNS = ["instance_type", "trunk_compatible", "branch_eni_limit"]
CACHE_PATH = REPOSITORY / ".cache" / "moto"
SNAPSHOT_NAME = re.compile(r"moto/ec2/resources/instance_types\.json(\.gz)?")
MAJOR_VERSION = 5
FEWEST_TYPES = 1395  # moto 5.2.5 alone has this many; fewer types mean that a snapshot was not read
SOURCE_PREFIX = "# Source: "
SNAPSHOT_SOURCE = "moto "
HEADER = f"""\
# What EC2 allows an instance of each type. Made by tools/update_limits.py; do not edit.
# Facts as EC2's DescribeInstanceTypes gives them; where sources differ, the last one that knows the type counts.
# network_cards: the maximum number of ENIs of each card, by card index. hypervisor: "metal" means none.
{SOURCE_PREFIX}"""

BRANCH_HEADER = f"""\
# The most branch ENIs of an instance of each type; 0: it takes no trunk ENI. Made by tools/update_limits.py; do not edit.
# Facts as in pkg/aws/vpc/limits.go of amazon-vpc-resource-controller-k8s.
{SOURCE_PREFIX}"""


class UpdateError(Exception):
    """The table can't be updated; the message says why."""


# --- pure parts ----------------------------------------------------------------------------------------------------------


def parse_versions(text: str) -> tuple[Version, ...]:
    """Find the final releases of the major version in what `pip index versions` prints, oldest first."""
    line = next((line for line in text.splitlines() if line.startswith("Available versions:")), None)
    if line is None:
        raise UpdateError("`pip index versions` printed no line 'Available versions:'; is the index reachable?")
    versions = (tuple(map(int, word.split("."))) for word in re.findall(r"(?<![\w.])\d+(?:\.\d+)+(?![\w.])", line))
    return tuple(sorted({version for version in versions if version[0] == MAJOR_VERSION}))


def format_version(version: Version) -> str:
    """Format a version as the index does."""
    return ".".join(map(str, version))


def merge(snapshots: Iterable[Iterable[InstanceLimits]]) -> Limits:
    """Unite snapshots, oldest first; for each type the last one wins."""
    return {limits.instance_type: limits for snapshot in snapshots for limits in snapshot}


def format_table(table: Limits, sources: Sequence[str]) -> str:
    """Format the whole file: a comment, the sources, the column names, then the types in order."""
    rows = [format_row(table[name]) for name in sorted(table)]
    return HEADER + "; ".join(sources) + "\n" + "\t".join(COLUMNS) + "\n" + "".join(row + "\n" for row in rows)


def parse_table(text: str) -> tuple[Limits, list[str]]:
    """Parse the types and the sources of a file from `format_table`."""
    rows = [line for line in text.splitlines() if not line.startswith("#") and line != "\t".join(COLUMNS)]
    return merge([map(parse_row, rows)]), find_sources(text)


def read_branch_csv(text: str) -> dict[str, int]:
    """Read the branch ENIs of each type from the CSV file; 0 for a type that takes no trunk."""
    rows = csv.reader(text.splitlines())
    if next(rows, None) != CSV_COLUMNS:
        raise UpdateError(f"the file of branch ENIs must begin with the line {','.join(CSV_COLUMNS)}")
    found = {}
    for row in rows:
        name, able, limit = row if len(row) == len(CSV_COLUMNS) else ("", "", "")
        if not name or able not in {"true", "false"} or not limit.isdecimal() or (able == "true") != (int(limit) > 0):
            raise UpdateError(f"the file of branch ENIs has a wrong line: {','.join(row)!r}")
        found[name] = int(limit)
    return found


def format_branch_enis(found: dict[str, int], sources: Sequence[str]) -> str:
    """Format the whole table of branch ENIs."""
    rows = "".join(f"{name}\t{found[name]}\n" for name in sorted(found))
    return BRANCH_HEADER + "; ".join(sources) + "\n" + "\t".join(BRANCH_COLUMNS) + "\n" + rows


def find_sources(text: str) -> list[str]:
    """Find the sources that a table names."""
    lines = [line.removeprefix(SOURCE_PREFIX) for line in text.splitlines() if line.startswith(SOURCE_PREFIX)]
    return [source for line in lines for source in line.split("; ")]


def describe_changes(old: Limits, new: Limits) -> list[str]:
    """Return a line for each type that was added, removed or changed."""
    lines = [f"added {name}: {_summarise(new[name])}" for name in sorted(new.keys() - old.keys())]
    lines += [f"removed {name}" for name in sorted(old.keys() - new.keys())]
    for name in sorted(old.keys() & new.keys()):
        before, after = old[name].to_dict(), new[name].to_dict()
        differences = [f"{key} {before[key]} -> {after[key]}" for key in after if before[key] != after[key]]
        if differences:
            lines.append(f"changed {name}: {', '.join(differences)}")
    return lines


def _summarise(limits: InstanceLimits) -> str:
    return f"{limits.eni_limit} ENIs of {limits.ipv4_per_eni} IPv4 addresses, {limits.hypervisor or 'bare metal'}"


# --- files and the package index -----------------------------------------------------------------------------------------


def read_snapshot(wheel: Path) -> tuple[InstanceLimits, ...]:
    """Read EC2's answer in a wheel of moto."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if SNAPSHOT_NAME.fullmatch(name)]
        if len(names) != 1:
            raise UpdateError(f"{wheel.name} holds {len(names)} files like {SNAPSHOT_NAME.pattern}, not one; has moto moved it?")
        content = archive.read(names[0])
    return load_limits((gzip.decompress(content) if names[0].endswith(".gz") else content).decode())


def find_wheel(version: Version, cache: Path) -> Path:
    """Return a release's wheel from the cache, downloading it first if necessary."""
    pattern = f"moto-{format_version(version)}-*.whl"
    if not any(cache.glob(pattern)):
        cache.mkdir(parents=True, exist_ok=True)
        _pip("download", "--quiet", "--no-deps", "--only-binary=:all:", f"--dest={cache}", f"moto=={format_version(version)}")
    return next(cache.glob(pattern))


def list_versions() -> tuple[Version, ...]:
    """List the releases in the package index."""
    return parse_versions(_pip("index", "versions", "moto"))


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell, and the arguments are our own
    if done.returncode:
        raise UpdateError(f"`pip {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout


def read_releases(cache: Path) -> tuple[Limits, str]:
    """Unite the snapshots of all releases; return the types and the name of the source."""
    versions = list_versions()
    snapshots = []
    for number, version in enumerate(versions, 1):
        print(f"[{number}/{len(versions)}] moto {format_version(version)}", end=": ", flush=True)
        snapshots.append(read_snapshot(find_wheel(version, cache)))
        print(f"{len(snapshots[-1])} types")
    return merge(snapshots), f"{SNAPSHOT_SOURCE}{', '.join(map(format_version, versions))}"


# --- command -------------------------------------------------------------------------------------------------------------


def update(table_path: Path, *, json_paths: Sequence[Path], keep: bool, cache: Path) -> None:
    """Update the table and print what changed."""
    old, old_sources = parse_table(table_path.read_text(encoding="utf-8")) if table_path.exists() else ({}, [])
    if keep:
        new, sources = dict(old), list(old_sources)
    else:
        new, source = read_releases(cache)
        sources = [source, *(each for each in old_sources if not each.startswith(SNAPSHOT_SOURCE))]
        if len(new) < FEWEST_TYPES:
            raise UpdateError(f"found only {len(new)} types, expected {FEWEST_TYPES} or more; the table is left as it was")
        new = old | new
    for path in json_paths:
        answer = load_limits(path.read_text(encoding="utf-8"))
        print(f"{path}: {len(answer)} types")
        new |= merge([answer])
        sources.append(f"{path.name} ({len(answer)} types)")
    changes = describe_changes(old, new)
    print("\n".join(changes))
    if changes or sources != old_sources:
        table_path.write_text(format_table(new, sources), encoding="utf-8", newline="\n")
    print(f"{table_path.name}: {len(new)} types, {len(changes)} changes")


def update_branch_enis(table_path: Path, csv_path: Path) -> None:
    """Put the branch ENIs of a CSV file into the table; types that only the table has stay."""
    old_text = table_path.read_text(encoding="utf-8") if table_path.exists() else ""
    old = parse_branch_enis(old_text)
    found = read_branch_csv(csv_path.read_text(encoding="utf-8"))
    new = old | found
    changes = [f"{name}: branch ENIs {old.get(name, 'unknown')} -> {new[name]}" for name in sorted(new) if old.get(name) != new[name]]
    print("\n".join(changes))
    source = f"{csv_path.name} ({len(found)} types)"
    sources = [*(each for each in find_sources(old_text) if each != source), source]
    table_path.write_text(format_branch_enis(new, sources), encoding="utf-8", newline="\n")
    print(f"{table_path.name}: {len(new)} types, {len(changes)} changes")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if the table could not be updated, which leaves it unchanged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from-json", metavar="FILE", type=Path, action="append", default=[], help="an answer of describe-instance-types")
    parser.add_argument("--keep", action="store_true", help="start from the current table instead of moto")
    parser.add_argument("--table", metavar="FILE", type=Path, default=TABLE_PATH, help="the table to update (default: the library's)")
    parser.add_argument(
        "--cache", metavar="FOLDER", type=Path, default=CACHE_PATH, help="the folder for moto's wheels (default: .cache/moto)"
    )
    parser.add_argument("--branch-enis", metavar="FILE", type=Path, help="a CSV file of trunk support and branch ENIs")
    parser.add_argument(
        "--branch-table", metavar="FILE", type=Path, default=BRANCH_PATH, help="the table of branch ENIs (default: the library's)"
    )
    options = parser.parse_args(arguments)
    try:
        if options.branch_enis is not None:
            update_branch_enis(options.branch_table, options.branch_enis)
        update(options.table, json_paths=options.from_json, keep=options.keep, cache=options.cache)
    except (UpdateError, VpcIpamError, OSError, TypeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
