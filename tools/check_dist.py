"""Check the contents of the sdist and the wheel: `python tools/check_dist.py dist`.

The wheel must have all compiled modules and no C or Cython source. The sdist must have the Cython source and no C. Both must have the table
of instance types, the HTML pages and the marker `py.typed`. All files of the sdist have one time and no owner: the same
sources give the same bytes.
"""

import sys
import tarfile
import zipfile
from pathlib import Path

PAGES = ("vpcipam/cli/report.html", "vpcipam/ec2/serve/page.html")
STUBBED = ("vpcipam/_pool", "vpcipam/pool/addresses")
"""The compiled modules that are written in Cython, each with a stub."""
COMPILED = (*STUBBED, "vpcipam/fleet/_loop")


def wheel_problems(names: list[str]) -> list[str]:
    """List the problems with the files of a wheel."""
    problems = [
        f"{name} does not belong in a wheel" for name in names if name.endswith((".c", ".pyx", ".html")) and not name.endswith(PAGES)
    ]
    built = {name.partition(".")[0] for name in names if name.endswith((".so", ".pyd"))}
    problems += [f"the compiled {module} is missing: was there a C compiler?" for module in COMPILED if module not in built]
    wanted = ("vpcipam/py.typed", *(f"{module}.pyi" for module in STUBBED))
    return problems + [f"{name} is missing" for name in wanted if name not in names] + _data_problems(names)


def sdist_problems(names: list[str]) -> list[str]:
    """List the problems with the files of an sdist."""
    problems = [f"{name} does not belong in an sdist" for name in names if name.endswith((".c", ".so", ".pyd"))]
    sources = (f"src/{module}.pyx" for module in STUBBED)
    wanted = (*sources, "src/vpcipam/py.typed", "setup.py", "pyproject.toml", "LICENSE", "README.md")
    return (
        problems + [f"{name} is missing" for name in wanted if not any(each.endswith(f"/{name}") for each in names)] + _data_problems(names)
    )


def origin_problems(members: list[tarfile.TarInfo]) -> list[str]:
    """List what the files of an sdist tell about the machine that made it."""
    times = {member.mtime for member in members}
    owners = sorted({member.uname for member in members} - {""})
    return [f"its files have {len(times)} times"] * (len(times) > 1) + [f"{name} owns files of it" for name in owners]


def _data_problems(names: list[str]) -> list[str]:
    table = [] if any("vpcipam/limits/data/" in name for name in names) else ["the table of instance types is missing"]
    return table + [f"{page} is missing" for page in PAGES if not any(name.endswith(page) for name in names)]


def main(folder: str) -> int:
    """Check the one wheel and the one sdist in a folder, and return the exit status."""
    (wheel,) = Path(folder).glob("*.whl")
    (sdist,) = Path(folder).glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        problems = [f"{wheel.name}: {problem}" for problem in wheel_problems(archive.namelist())]
    with tarfile.open(sdist) as archive:
        found = sdist_problems(archive.getnames()) + origin_problems(archive.getmembers())
        problems += [f"{sdist.name}: {problem}" for problem in found]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"{wheel.name} and {sdist.name} are complete")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
